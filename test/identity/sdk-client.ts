/**
 * A program that uses the official credential library, unmodified. It runs in a process of its own because the
 * library keeps what it read from the environment for the life of the process. Reads its orders from the first
 * argument and prints what came of each as JSON.
 */
import type { TokenCredential } from "@azure/identity";
import {
  ClientCertificateCredential,
  ClientSecretCredential,
  DefaultAzureCredential,
  ManagedIdentityCredential,
} from "@azure/identity";

export type Order =
  | { readonly use: "managed"; readonly options?: ManagedOptions; readonly scope: string }
  | { readonly use: "default"; readonly managedIdentityClientId?: string; readonly scope: string }
  | {
      readonly use: "secret" | "certificate";
      readonly tenantId: string;
      readonly clientId: string;
      /** The secret's text, or the certificate with its key in PEM. */
      readonly proof: string;
      readonly authorityHost: string;
      readonly scope: string;
    };

interface ManagedOptions {
  readonly clientId?: string;
  readonly resourceId?: string;
  readonly objectId?: string;
}

/** What one order came to. */
export interface Outcome {
  readonly token?: string;
  readonly expiresOnTimestamp?: number;
  readonly error?: string;
  readonly message?: string;
}

function credentialFor(order: Order): TokenCredential {
  switch (order.use) {
    case "managed":
      return new ManagedIdentityCredential(order.options as { clientId: string });
    case "default":
      return new DefaultAzureCredential(
        order.managedIdentityClientId === undefined
          ? {}
          : { managedIdentityClientId: order.managedIdentityClientId },
      );
    case "secret":
      return new ClientSecretCredential(order.tenantId, order.clientId, order.proof, {
        authorityHost: order.authorityHost,
        disableInstanceDiscovery: true,
      });
    case "certificate":
      return new ClientCertificateCredential(
        order.tenantId,
        order.clientId,
        { certificate: order.proof },
        { authorityHost: order.authorityHost, disableInstanceDiscovery: true },
      );
  }
}

const outcomes: Outcome[] = [];
for (const order of JSON.parse(process.argv[2] ?? "[]") as Order[]) {
  try {
    const { token, expiresOnTimestamp } = (await credentialFor(order).getToken(order.scope)) ?? {};
    outcomes.push({
      ...(token === undefined ? {} : { token }),
      ...(expiresOnTimestamp === undefined ? {} : { expiresOnTimestamp }),
    });
  } catch (error) {
    const { name, message } = error as Error;
    outcomes.push({ error: name, message });
  }
}
process.stdout.write(JSON.stringify(outcomes));

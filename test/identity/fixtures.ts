/** The one construction site of the identity room in its tests: memory store, a clock that stands still, real keys. */
import type { Entropy, ManualClock } from "../../src/clock.ts";
import { manualClock, seededEntropy } from "../../src/clock.ts";
import type { Reply, Request, Service } from "../../src/http/service.ts";
import type { ManagedIdentityRecord } from "../../src/identity/control.ts";
import { directoryLock } from "../../src/identity/control.ts";
import type { Identity, IdentityOptions } from "../../src/identity/identity.ts";
import { openIdentity } from "../../src/identity/identity.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";

export const tenantId = "11111111-2222-4333-8444-555555555555";
export const domain = "celestite.onmicrosoft.com";
/** 2026-01-02T00:00:00Z in milliseconds. */
export const startOfTime: number = Date.UTC(2026, 0, 2);
export const group = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/Shop";

export interface TestIdentity {
  readonly identity: Identity;
  readonly store: Store;
  readonly clock: ManualClock;
  readonly entropy: Entropy;
}

export async function openTestIdentity(overrides: Partial<IdentityOptions> = {}): Promise<TestIdentity> {
  const store = overrides.store ?? openMemory();
  const clock = manualClock(startOfTime);
  const entropy = seededEntropy(7);
  const identity = await openIdentity({
    store,
    clock,
    entropy,
    tenantId,
    domain,
    knownResource: (audience) => audience === "https://localhost:8081",
    ...overrides,
  });
  return { identity, store, clock, entropy };
}

export function userAssignedId(name: string): string {
  return `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
}

export function hostId(name: string): string {
  return `${group}/providers/Microsoft.Web/sites/${name}`;
}

/** Creates a user-assigned identity as the control plane would. */
export function putUserAssigned(
  { identity, store }: Pick<TestIdentity, "identity" | "store">,
  name: string,
): Promise<ManagedIdentityRecord> {
  return store.transact([directoryLock], (transaction) =>
    identity.control.putUserAssigned(transaction, userAssignedId(name), name),
  );
}

/** Gives a host its identities as the control plane would; user-assigned ones by name. */
export function putHost(
  { identity, store }: Pick<TestIdentity, "identity" | "store">,
  name: string,
  wanted: { readonly systemAssigned: boolean; readonly userAssigned?: readonly string[] },
): ReturnType<Identity["control"]["putHostIdentities"]> {
  return store.transact([directoryLock], (transaction) =>
    identity.control.putHostIdentities(transaction, hostId(name), {
      systemAssigned: wanted.systemAssigned,
      userAssigned: (wanted.userAssigned ?? []).map(userAssignedId),
    }),
  );
}

/** Sends one request to a service without a socket in between. */
export function send(
  service: Service,
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  body = "",
): Promise<Reply> {
  const request: Request = {
    method,
    target,
    headers,
    body: Buffer.from(body),
    origin: "https://login.microsoftonline.com",
    remoteAddress: "127.0.0.1",
  };
  return service(request);
}

/** The JSON object in a reply. */
export function bodyOf(reply: Reply): Record<string, unknown> {
  return JSON.parse(Buffer.from(reply.body ?? "").toString("utf8")) as Record<string, unknown>;
}

/** The claims in a token, unverified. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")) as Record<
    string,
    unknown
  >;
}

export function headerOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString("utf8")) as Record<
    string,
    unknown
  >;
}

/** The one construction site of the identity room in its tests: memory store, a clock that stands still, real keys. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Entropy, ManualClock } from "../../src/clock.ts";
import { manualClock, seededEntropy } from "../../src/clock.ts";
import type { Reply, Request, Service } from "../../src/http/service.ts";
import type { ManagedIdentityRecord } from "../../src/identity/control.ts";
import { directoryLock } from "../../src/identity/control.ts";
import type { Identity, IdentityOptions } from "../../src/identity/identity.ts";
import { openIdentity } from "../../src/identity/identity.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { keepSigningKey, shareSigningKey } from "../shared-signing-key.ts";

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

/** All fixtures of a run share one signing key; one with a store of its own has its own. */
export async function openTestIdentity(overrides: Partial<IdentityOptions> = {}): Promise<TestIdentity> {
  const store = overrides.store ?? openMemory();
  const clock = manualClock(startOfTime);
  const entropy = seededEntropy(7);
  const isOurs = overrides.store === undefined;
  if (isOurs) await shareSigningKey(store, (overrides.clock ?? clock).now());
  const identity = await openIdentity({
    store,
    clock,
    entropy,
    tenantId,
    domain,
    knownResource: (audience) => audience === "https://localhost:8081",
    ...overrides,
  });
  if (isOurs) await keepSigningKey(store, identity.keys);
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
  origin = "https://login.microsoftonline.com",
): Promise<Reply> {
  const request: Request = {
    method,
    target,
    headers,
    body: Buffer.from(body),
    origin,
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

/** Puts a service behind a real listener on a free loopback port, for clients that need a socket. */
export async function listen(
  service: Service,
  tls?: { readonly key: string; readonly cert: string },
): Promise<{ readonly origin: string; close(): void }> {
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const headers = incoming.headers as Record<string, string | undefined>;
    const reply = await service({
      method: incoming.method ?? "",
      target: incoming.url ?? "",
      headers,
      body: Buffer.concat(chunks),
      origin: `${tls === undefined ? "http" : "https"}://${headers["host"]}`,
      remoteAddress: incoming.socket.remoteAddress ?? "",
    });
    outgoing.writeHead(reply.status, reply.headers);
    outgoing.end(reply.body);
  };
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    handle(incoming, outgoing).catch((error: unknown) => {
      outgoing.writeHead(500);
      outgoing.end(String(error));
    });
  };
  const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

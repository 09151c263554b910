/**
 * The one construction site of the control plane in its tests: memory store, a clock that stands still, the real
 * directory with real tokens, and the real Cosmos DB behind its control interface. Requests go through the service
 * function, without sockets.
 */
import { type Arm, type ArmOptions, openArm } from "../../src/arm/open.ts";
import { type ManualClock, manualClock, seededEntropy } from "../../src/clock.ts";
import { type CosmosControl, createCosmosControl } from "../../src/cosmos/control.ts";
import { openEngine } from "../../src/cosmos/engine/engine.ts";
import type { Reply } from "../../src/http/service.ts";
import { type Identity, openIdentity } from "../../src/identity/identity.ts";
import type { DiagnosticRecord } from "../../src/observability/diagnostic-records.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { keepSigningKey, shareSigningKey } from "../shared-signing-key.ts";

export const tenantId = "11111111-2222-4333-8444-555555555555";
export const subscriptionId = "00000000-0000-4000-8000-000000000001";
export const subscription: string = `/subscriptions/${subscriptionId}`;
export const group: string = `${subscription}/resourceGroups/Shop`;
const origin = "https://localhost:8443";
const armAudience = "https://management.azure.com";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed body; an empty object when there is none. */
  readonly body: Shown;
}

/** Enough of a type to read deep into answers. */
export type Shown = {
  readonly [name: string]: Shown;
} & { readonly [index: number]: Shown };

export interface SendOptions {
  readonly body?: unknown;
  readonly apiVersion?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** The principal that calls; the owner unless told, nobody when null. */
  readonly as?: string | null;
}

export interface ArmFixture {
  readonly arm: Arm;
  readonly store: Store;
  readonly clock: ManualClock;
  readonly identity: Identity;
  readonly cosmos: CosmosControl;
  readonly owner: string;
  readonly records: DiagnosticRecord[];
  readonly faults: unknown[];
  send(method: string, target: string, options?: SendOptions): Promise<Answer>;
  token(principalId: string, audience?: string): Promise<string>;
  /** A user with this Azure role at a scope, or without any role. */
  user(name: string, role?: string, scope?: string): Promise<string>;
  /** Assigns a built-in role by its name. */
  grant(principalId: string, role: string, scope: string): Promise<Answer>;
}

let users = 0;

export async function openArmFixture(options: Partial<ArmOptions> = {}): Promise<ArmFixture> {
  const store = options.store ?? openMemory();
  const clock = manualClock(Date.UTC(2026, 0, 2));
  const entropy = seededEntropy(11);
  await shareSigningKey(store, clock.now());
  const identity = await openIdentity({
    store,
    clock,
    entropy,
    tenantId,
    domain: "celestite.local",
    knownResource: () => true,
  });
  await keepSigningKey(store, identity.keys);
  const engine = await openEngine({ store, clock, entropy });
  let port = 18080;
  const ports = new Map<string, number>();
  const cosmos = createCosmosControl(engine, {
    async open(account) {
      const known = ports.get(account) ?? ++port;
      ports.set(account, known);
      return known;
    },
    close: (account) => void ports.delete(account),
    url: (account) => `https://localhost:${account.port}/`,
  });
  const records: DiagnosticRecord[] = [];
  const faults: unknown[] = [];
  const owner = identity.directory.bootstrapUserId;
  const arm = await openArm({
    store,
    clock,
    entropy,
    identity: identity.control,
    cosmos: async () => cosmos,
    verifier: identity.verifier,
    directory: identity.directory,
    subscriptionId,
    subscriptionName: "Local",
    tenantId,
    tenantName: "Celestite",
    bootstrapObjectId: owner,
    endpoints: () => ({
      authority: "https://localhost:8400",
      graph: "https://localhost:8401",
      portal: "https://localhost:8402",
    }),
    ownOrigins: () => [origin],
    record: (entry) => void records.push(entry),
    reportFault: (fault) => void faults.push(fault),
    ...options,
  });
  const tokens = new Map<string, string>();
  const token = async (principalId: string, audience: string = armAudience): Promise<string> => {
    const key = `${principalId} ${audience} ${clock.now()}`;
    const issued = tokens.get(key) ?? (await identity.issueFor(principalId, audience)).accessToken;
    tokens.set(key, issued);
    return issued;
  };
  const send: ArmFixture["send"] = async (method, target, sent = {}) => {
    const { body, apiVersion = "2024-03-01", headers = {}, as = owner } = sent;
    const bearer = as === null ? {} : { authorization: `Bearer ${await token(as)}` };
    const reply = await arm.service({
      method,
      target: apiVersion === null ? target : withVersion(target, apiVersion),
      headers: { ...bearer, ...headers },
      body: bytesOf(body),
      origin,
      remoteAddress: "127.0.0.1",
    });
    return answerOf(reply);
  };
  const fixture: ArmFixture = {
    arm,
    store,
    clock,
    identity,
    cosmos,
    owner,
    records,
    faults,
    send,
    token,
    async user(name, role, scope = subscription) {
      const user = await identity.directory.addUser({
        userPrincipalName: `${name}${++users}@celestite.local`,
        displayName: name,
      });
      if (role !== undefined) await fixture.grant(user.objectId, role, scope);
      return user.objectId;
    },
    async grant(principalId, role, scope) {
      const filter = encodeURIComponent(`roleName eq '${role}'`);
      const list = `${scope}/providers/Microsoft.Authorization/roleDefinitions?$filter=${filter}`;
      const definitions = await send("GET", list, { apiVersion: "2022-04-01" });
      const roleDefinitionId = definitions.body["value"]?.[0]?.["id"];
      const name = `00000000-0000-4000-9000-${String(++users).padStart(12, "0")}`;
      const answer = await send("PUT", `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`, {
        apiVersion: "2022-04-01",
        body: { properties: { roleDefinitionId, principalId } },
      });
      if (answer.status !== 201) throw new Error(`granting ${role} failed: ${JSON.stringify(answer.body)}`);
      return answer;
    },
  };
  return fixture;
}

/** A fixture whose default group exists. */
export async function openGroupFixture(options: Partial<ArmOptions> = {}): Promise<ArmFixture> {
  const fixture = await openArmFixture(options);
  const made = await fixture.send("PUT", group, { body: { location: "westeurope" } });
  if (made.status !== 201) throw new Error("the group could not be made");
  return fixture;
}

function withVersion(target: string, apiVersion: string): string {
  return `${target}${target.includes("?") ? "&" : "?"}api-version=${apiVersion}`;
}

function bytesOf(body: unknown): Uint8Array {
  if (body === undefined) return new Uint8Array();
  if (body instanceof Uint8Array) return body;
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}

function answerOf(reply: Reply): Answer {
  const text = reply.body === undefined ? "" : Buffer.from(reply.body).toString("utf8");
  return {
    status: reply.status,
    headers: reply.headers,
    body: (text === "" ? {} : JSON.parse(text)) as Shown,
  };
}

/** `403 AuthorizationFailed`, or just the status of a success. */
export function outcome(answer: Answer): string {
  const code = answer.body["error"]?.["code"];
  return code === undefined ? String(answer.status) : `${answer.status} ${String(code)}`;
}

export function messageOf(answer: Answer): string {
  return String(answer.body["error"]?.["message"] ?? "");
}

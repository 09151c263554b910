/**
 * One test construction site for the data plane: memory store, manual clock, real identity, and the account's service
 * as a function, so a test sends requests without sockets.
 */

import { sign, textToSign } from "../../src/authz/account-key.ts";
import { type ManualClock, manualClock, seededEntropy } from "../../src/clock.ts";
import {
  type Account,
  type CosmosControl,
  cosmosLock,
  createCosmosControl,
} from "../../src/cosmos/control.ts";
import type { AccessDelays } from "../../src/cosmos/engine/catalog.ts";
import { type Engine, openEngine } from "../../src/cosmos/engine/engine.ts";
import { accountService } from "../../src/cosmos/gateway.ts";
import type { IndexSizes } from "../../src/cosmos/index/indexes.ts";
import { scriptLimits as serviceLimits } from "../../src/cosmos/scripts/pool.ts";
import type { ScriptLimits } from "../../src/cosmos/scripts/protocol.ts";
import type { Reply, Request, Service } from "../../src/http/service.ts";
import { directoryLock } from "../../src/identity/control.ts";
import { type Identity, openIdentity } from "../../src/identity/identity.ts";
import type { DiagnosticRecord } from "../../src/observability/diagnostic-records.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { keepSigningKey, type Signer, shareSigningKey } from "../shared-signing-key.ts";

export const accountName = "acct";
export const accountId: string = `/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/${accountName}`;
const port = 18081;
export const origin: string = `https://localhost:${port}`;

export interface CosmosFixture {
  readonly store: Store;
  readonly clock: ManualClock;
  readonly engine: Engine;
  readonly control: CosmosControl;
  readonly identity: Identity;
  readonly service: Service;
  readonly records: readonly DiagnosticRecord[];
  /** Sends a request with exactly these headers. */
  send(method: string, target: string, headers?: Record<string, string>, body?: unknown): Promise<Reply>;
  /** Sends it signed with an account key. */
  sendSigned(method: string, target: string, options?: SignedOptions): Promise<Reply>;
  /** Sends it with a token of this principal. */
  sendAs(
    principalId: string,
    method: string,
    target: string,
    headers?: Record<string, string>,
    body?: unknown,
  ): Promise<Reply>;
  token(principalId: string, audience?: string): Promise<string>;
  /** Makes a managed identity and returns its object id. */
  principal(name: string): Promise<string>;
  assign(name: string, principalId: string, role: string, scope?: string): Promise<void>;
  setAccount(settings: Partial<Account>): Promise<void>;
}

export interface SignedOptions {
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly key?:
    | "primaryMasterKey"
    | "secondaryMasterKey"
    | "primaryReadonlyMasterKey"
    | "secondaryReadonlyMasterKey";
  /** A key's value, when it need not be one that the account has now. */
  readonly secret?: string;
  /** What is signed, when it is not what the target says. */
  readonly resourceType?: string;
  readonly resourceLink?: string;
  /** Milliseconds to add to the signature's date. */
  readonly skew?: number;
}

/** Limits of scripts and long queries that no load of the machine reaches: time is for those to test that only it ends. */
export const patientLimits: ScriptLimits = {
  ...serviceLimits,
  runMilliseconds: 120_000,
  acceptMilliseconds: 100_000,
};

export interface FixtureOptions {
  /** Instead of limits that no load reaches. */
  readonly scriptLimits?: ScriptLimits;
  /** How long changes of roles and keys wait for their effect. */
  readonly accessDelays?: AccessDelays;
  /** Where time stands at the start, in milliseconds since the epoch. */
  readonly now?: number;
  /** Whose key signs its tokens; ours unless told. */
  readonly signer?: Signer;
  /** Instead of a new store in memory; one that was used before keeps what it has. */
  readonly store?: Store;
  /** Whether indexes are kept in that store. */
  readonly keepsIndexes?: boolean;
  /** When indexes are made and used. */
  readonly indexSizes?: IndexSizes;
  /** Ranges of a new container. */
  readonly rangesDefault?: number;
}

export async function openCosmosFixture(options: FixtureOptions = {}): Promise<CosmosFixture> {
  const {
    now = Date.UTC(2026, 10, 21, 12),
    store = openMemory(),
    signer = "ours",
    ...engineOptions
  } = options;
  const clock = manualClock(now);
  const entropy = seededEntropy(7);
  const records: DiagnosticRecord[] = [];
  const engine = await openEngine({ store, clock, entropy, scriptLimits: patientLimits, ...engineOptions });
  await shareSigningKey(store, now, signer);
  const identity = await openIdentity({
    store,
    clock,
    entropy,
    domain: "celestite.local",
    knownResource: () => true,
  });
  await keepSigningKey(store, identity.keys, signer);
  const control = createCosmosControl(engine, {
    open: async () => port,
    close: () => {},
    url: () => `${origin}/`,
  });
  const { verifier, directory } = identity;
  const service = accountService(
    { engine, verifier, directory, clock, entropy, record: (entry) => void records.push(entry) },
    accountName,
  );
  const setAccount = async (settings: Partial<Account>): Promise<void> => {
    const account: Account = {
      name: accountName,
      resourceId: accountId,
      tenantId: identity.tenantId,
      location: "West Europe",
      disableLocalAuth: false,
      disableKeyBasedMetadataWriteAccess: false,
      defaultConsistencyLevel: "Session",
      serverless: true,
      port,
      createdAt: 0,
      ...settings,
    };
    await store.transact([cosmosLock(accountName)], (transaction) =>
      control.putAccount(transaction, account, port),
    );
  };
  await setAccount({});
  await store.transact([cosmosLock(accountName)], async (transaction) => {
    await control.putDatabase(transaction, accountName, { id: "shop" });
    for (const id of ["orders", "customers"]) {
      await control.putContainer(transaction, accountName, "shop", {
        id,
        partitionKey: { paths: ["/pk"], kind: "Hash" },
      });
    }
  });
  const send: CosmosFixture["send"] = (method, target, headers = {}, body = undefined) =>
    service(request(method, target, headers, body));
  const token = async (principalId: string, audience = "https://cosmos.azure.com"): Promise<string> =>
    (await identity.issueFor(principalId, audience)).accessToken;
  /** Tokens of `sendAs`: at one time, a program of many requests sends them with one token. */
  const sent = new Map<string, Promise<string>>();
  const tokenSent = (principalId: string): Promise<string> => {
    const key = `${principalId} ${clock.now()}`;
    const issued = sent.get(key) ?? token(principalId);
    sent.set(key, issued);
    return issued;
  };
  return {
    store,
    clock,
    engine,
    control,
    identity,
    service,
    records,
    send,
    token,
    setAccount,
    async sendSigned(method, target, options = {}) {
      const keys = await control.listKeys(store, accountName);
      const key = options.secret ?? keys?.[options.key ?? "primaryMasterKey"] ?? "";
      const date = new Date(clock.now() + (options.skew ?? 0)).toUTCString();
      return send(
        method,
        target,
        {
          "x-ms-date": date,
          authorization: signature(key, method, target, date, options),
          ...options.headers,
        },
        options.body,
      );
    },
    async sendAs(principalId, method, target, headers = {}, body = undefined) {
      return send(
        method,
        target,
        { authorization: `type=aad&ver=1.0&sig=${await tokenSent(principalId)}`, ...headers },
        body,
      );
    },
    async principal(name) {
      const id = `/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
      const record = await store.transact([directoryLock], (transaction) =>
        identity.control.putUserAssigned(transaction, id, name),
      );
      return record.principalId;
    },
    async assign(name, principalId, role, scope = "") {
      const roleDefinitionId = `${accountId}/sqlRoleDefinitions/${role}`;
      await store.transact([cosmosLock(accountName)], (transaction) =>
        control.putRoleAssignment(transaction, accountName, {
          name,
          roleDefinitionId,
          principalId,
          scope: `${accountId}${scope}`,
        }),
      );
    },
  };
}

export function request(
  method: string,
  target: string,
  headers: Record<string, string>,
  body: unknown,
): Request {
  const bytes =
    body === undefined
      ? new Uint8Array(0)
      : body instanceof Uint8Array
        ? body
        : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  return { method, target, headers, body: bytes, origin, remoteAddress: "127.0.0.1" };
}

function signature(
  key: string,
  method: string,
  target: string,
  date: string,
  options: SignedOptions,
): string {
  const raw = (target.split("?")[0] ?? "").split("/").filter((part) => part !== "");
  const isFeed = raw.length % 2 === 1;
  const type = options.resourceType ?? (isFeed ? raw.at(-1) : raw.at(-2)) ?? "";
  const link = options.resourceLink ?? (isFeed ? raw.slice(0, -1) : raw).map(decodeURIComponent).join("/");
  const sig = sign(Buffer.from(key, "base64"), textToSign(method, type, link, date, false)).toString(
    "base64",
  );
  return encodeURIComponent(`type=master&ver=1.0&sig=${sig}`);
}

/** The JSON body of a reply. */
export function bodyOf(reply: Reply): Record<string, unknown> {
  return reply.body === undefined
    ? {}
    : (JSON.parse(Buffer.from(reply.body).toString("utf8")) as Record<string, unknown>);
}

/** Status and substatus of a reply, as `403/5301` or `200`. */
export function outcome(reply: Reply): string {
  const substatus = reply.headers["x-ms-substatus"];
  return substatus === undefined || substatus === "0" ? String(reply.status) : `${reply.status}/${substatus}`;
}

/**
 * What the access check of one request costs: from its headers to the decision, without sockets and storage. Beside it,
 * nothing but the RSA signature of the same token checked by node:crypto, which is what remembering tokens saves.
 */
import { createPublicKey, verify } from "node:crypto";
import { performance } from "node:perf_hooks";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { cosmosLock, createCosmosControl } from "../../src/cosmos/control.ts";
import { type Engine, openEngine } from "../../src/cosmos/engine/engine.ts";
import { parseAddress } from "../../src/cosmos/wire/address.ts";
import { type AccessRequest, decideAccess } from "../../src/cosmos/wire/authorize.ts";
import { findOperation } from "../../src/cosmos/wire/operations.ts";
import { directoryLock } from "../../src/identity/control.ts";
import { type Identity, openIdentity } from "../../src/identity/identity.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Store } from "../../src/storage/port.ts";
import { median } from "../machine.ts";
import { formatRatio, type WorkloadResult } from "../results.ts";
import { lookMilliseconds } from "../rounds.ts";
import type { Workload } from "./workload.ts";

const account = "bench";
const accountId = `/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/${account}`;
const contributor = `${accountId}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002`;

const readAction = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/read";
const createAction = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/create";

/** The service's limits for one account; one in a hundred assignments is the principal's own. */
const definitionsMax = 100;
const assignmentsMax = 2000;
const ownEvery = 100;

function guid(kind: number, at: number): string {
  return `0000000${kind}-0000-4000-8000-${String(at).padStart(12, "0")}`;
}

const rounds = 7;
/** Checks in a round: some tens of milliseconds each. */
const checksWithKnownToken = 10_000;
const checksWithNewToken = 50;
const verifications = 300;

interface Room {
  /** Decides one point read with this token, whose header is made anew, as each request brings its own. */
  check(token: string): Promise<void>;
  token(): Promise<string>;
  /** Checks the signature of this token and nothing else. */
  signature(token: string): Promise<boolean>;
  close(): Promise<void>;
}

export const rightsWorkload: Workload = {
  name: "rights",
  summary: "the access check of a request, by itself",
  async run({ settings }) {
    const room = await openRoom();
    const token = await room.token();
    const fresh: string[] = [];
    for (let i = 0; i < checksWithNewToken * (rounds + 1); i++) fresh.push(await room.token());
    const known: number[] = [];
    const first: number[] = [];
    const signature: number[] = [];
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      await settings.watch.look(lookMilliseconds);
      known.push(await microseconds(checksWithKnownToken, () => room.check(token)));
      first.push(await microseconds(checksWithNewToken, () => room.check(fresh.pop() ?? "")));
      signature.push(await microseconds(verifications, () => room.signature(token)));
    }
    await room.close();
    return resultOf(
      ...([known, first, signature].map((times) => median(times.slice(1))) as [number, number, number]),
    );
  },
};

/** Mean microseconds of `count` calls, one after the other. */
async function microseconds(count: number, act: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < count; i++) await act();
  return ((performance.now() - started) * 1000) / count;
}

function resultOf(known: number, first: number, signature: number): WorkloadResult {
  return {
    workload: "rights",
    title: "Access check",
    description:
      "From the headers of a point read to the decision, in one process without sockets: the token's signature and claims, the principal and its groups, the account's roles: 100 definitions and 2 000 assignments, of which the last one grants.",
    columns: [{ title: "µs", digits: 1 }],
    ratioTitle: "a known token takes",
    rows: [
      { subject: "known token", what: "Celestite, a token it has seen before", values: [known] },
      {
        subject: "new token",
        what: "Celestite, a token it sees for the first time",
        values: [first],
        ratio: known / first,
      },
      {
        subject: "node:crypto",
        what: "node:crypto checking the token's RSA signature, nothing decided",
        values: [signature],
        ratio: known / signature,
      },
    ],
    budgets: [
      { what: "known token below 20 µs", measured: `${known.toFixed(1)} µs`, met: known < 20 },
      { what: "first sight of a token below 200 µs", measured: `${first.toFixed(1)} µs`, met: first < 200 },
    ],
    notes: [`${formatRatio(known / signature)} × the time of checking the signature for each request`],
  };
}

async function openRoom(): Promise<Room> {
  const store = openMemory();
  const around = { clock: systemClock, entropy: openEntropy() };
  const engine = await openEngine({ store, ...around });
  const identity = await openIdentity({ store, ...around, domain: "bench.local", knownResource: () => true });
  const principalId = await populate(store, engine, identity);
  const token = async (): Promise<string> =>
    (await identity.issueFor(principalId, "https://cosmos.azure.com")).accessToken;
  const [published] = await identity.keys.published();
  if (published === undefined) throw new Error("the tenant has no signing key");
  const { kty, n, e } = published;
  const publicKey = createPublicKey({ key: { kty, n, e }, format: "jwk" });
  const { verifier, directory } = identity;
  const parts = { verifier, directory, engine, ...around };
  const facts = requestFacts(engine);
  const headersOf = new Map<string, Buffer>();
  return {
    async check(credential) {
      let header = headersOf.get(credential);
      if (header === undefined) {
        header = Buffer.from(encodeURIComponent(`type=aad&ver=1.0&sig=${credential}`), "latin1");
        headersOf.set(credential, header);
      }
      const headers = { authorization: header.toString("latin1") };
      const { decision } = await decideAccess(parts, { ...facts, headers });
      if (!decision.allowed) throw new Error("the bench's identity was refused");
    },
    token,
    async signature(credential) {
      const dot = credential.lastIndexOf(".");
      const signed = Buffer.from(credential.slice(0, dot), "ascii");
      return verify("RSA-SHA256", signed, publicKey, Buffer.from(credential.slice(dot + 1), "base64url"));
    },
    async close() {
      await identity.close();
      await store.close();
    },
  };
}

/** An account with a container, and an identity with the contributor role; its object id. */
async function populate(store: Store, engine: Engine, identity: Identity): Promise<string> {
  const port = 8081;
  const endpoints = { open: async () => port, close: () => {}, url: () => `https://localhost:${port}/` };
  const control = createCosmosControl(engine, endpoints);
  const settings = {
    name: account,
    resourceId: accountId,
    tenantId: identity.tenantId,
    location: "West Europe",
    disableLocalAuth: true,
    disableKeyBasedMetadataWriteAccess: false,
    defaultConsistencyLevel: "Session",
    serverless: true,
  } as const;
  const identityId =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/bench";
  const { principalId } = await store.transact([directoryLock], (transaction) =>
    identity.control.putUserAssigned(transaction, identityId, "bench"),
  );
  await store.transact([cosmosLock(account)], async (transaction) => {
    await control.putAccount(transaction, settings, port);
    await control.putDatabase(transaction, account, { id: "bench" });
    const partitionKey = { paths: ["/pk"], kind: "Hash" };
    await control.putContainer(transaction, account, "bench", { id: "items", partitionKey });
    for (let at = 0; at < definitionsMax; at++) {
      await control.putRoleDefinition(transaction, account, {
        name: guid(1, at),
        roleName: `Role ${at}`,
        type: "CustomRole",
        assignableScopes: [accountId],
        permissions: [{ dataActions: [at % 2 === 0 ? createAction : readAction], notDataActions: [] }],
      });
    }
    // The one that grants comes last, and the principal has others at its side that do not.
    for (let at = 0; at < assignmentsMax; at++) {
      const isLast = at === assignmentsMax - 1;
      const isOwn = at % ownEvery === 0;
      await control.putRoleAssignment(transaction, account, {
        name: guid(2, at),
        roleDefinitionId: isLast
          ? contributor
          : `${accountId}/sqlRoleDefinitions/${guid(1, at % definitionsMax)}`,
        principalId: isLast || isOwn ? principalId : guid(3, at),
        scope: isLast ? accountId : `${accountId}/dbs/bench/colls/other-${at}`,
      });
    }
  });
  return principalId;
}

/** A point read as the gateway hands it to the access check, but for the headers. */
function requestFacts(engine: Engine): Omit<AccessRequest, "headers"> {
  const target = "/dbs/bench/colls/items/docs/item-0000000001";
  const address = parseAddress(target);
  const row = findOperation("GET", address, {});
  const view = engine.catalog.find(account);
  if (row === undefined || view === undefined)
    throw new Error("the point read has no operation or no account");
  const names = { database: "bench", container: "items" };
  return {
    account: view,
    row,
    address,
    method: "GET",
    target,
    byRid: false,
    remoteAddress: "127.0.0.1",
    batch: () => [],
    ...names,
  };
}

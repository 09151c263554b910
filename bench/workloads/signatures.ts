/**
 * What a key signature costs to check: the right one of each key, and a wrong one. Whether the time tells which key it
 * was, and what a thousand wrong ones a second take from the right ones.
 */
import { sign, signingKey, textToSign } from "../../src/authz/account-key.ts";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { type AccountKeys, cosmosLock, createCosmosControl } from "../../src/cosmos/control.ts";
import { type Engine, openEngine } from "../../src/cosmos/engine/engine.ts";
import { parseAddress } from "../../src/cosmos/wire/address.ts";
import { type AccessRequest, decideAccess } from "../../src/cosmos/wire/authorize.ts";
import { findOperation } from "../../src/cosmos/wire/operations.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { WorkloadResult } from "../results.ts";
import { lookMilliseconds } from "../rounds.ts";
import type { Workload } from "./workload.ts";

const account = "bench";
const accountId = `/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/${account}`;
const target = "/dbs/bench/colls/items/docs/item-0000000001";

const rounds = 25;
const checksPerRound = 500;
const wrongPerSecond = 1000;
/** Right requests may become slower by this share, beside a thousand wrong ones a second. */
const slowdownMax = 0.2;
/** Times of the four keys may differ by this share, which is the noise of measuring. */
const keyDifferenceMax = 0.1;

const names = [
  "primaryMasterKey",
  "secondaryMasterKey",
  "primaryReadonlyMasterKey",
  "secondaryReadonlyMasterKey",
] as const;

export const signaturesWorkload: Workload = {
  name: "signatures",
  summary: "key signatures, right and wrong",
  async run({ settings }) {
    const { engine, keys, close } = await openRoom();
    const check = checker(engine);
    const kinds = [...names, "wrong", "right request", "wrong request"];
    const times: Record<string, number[]> = Object.fromEntries(kinds.map((kind) => [kind, []]));
    // The first round warms up. All kinds take their turn in each, and another is first each time: the first one after
    // the pause finds cold caches.
    for (let round = 0; round <= rounds; round++) {
      await settings.watch.look(lookMilliseconds);
      const wrong = Buffer.alloc(64, round).toString("base64");
      for (let turn = 0; turn <= names.length; turn++) {
        const name = names[(round + turn) % (names.length + 1)];
        const key = name === undefined ? wrong : keys[name];
        times[name ?? "wrong"]?.push(await microseconds(() => compare(engine, key)));
      }
      times["right request"]?.push(await microseconds(() => check(keys.primaryMasterKey, false)));
      times["wrong request"]?.push(await microseconds(() => check(wrong, true)));
    }
    await close();
    // The least disturbed round of each: what is asked is whether the work differs, not what the machine adds.
    const values = Object.fromEntries(
      Object.entries(times).map(([name, all]) => [name, Math.min(...all.slice(1))]),
    );
    return resultOf(values);
  },
};

async function microseconds(act: () => Promise<void> | void): Promise<number> {
  const started = process.cpuUsage();
  for (let i = 0; i < checksPerRound; i++) await act();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / checksPerRound;
}

function resultOf(values: Readonly<Record<string, number>>): WorkloadResult {
  const compared = [...names, "wrong"].map((kind) => ({ kind, time: values[kind] ?? 0 }));
  const times = compared.map(({ time }) => time);
  const refusal = values["wrong request"] ?? 0;
  const share = (refusal * wrongPerSecond) / 1_000_000;
  const slowdown = share / (1 - share);
  const difference = Math.max(...times) / Math.min(...times) - 1;
  const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;
  return {
    workload: "signatures",
    title: "Key signatures",
    description:
      "Finding the key that made a signature, and point reads with such signatures from their headers to the decision or the refusal, in one process without sockets.",
    columns: [{ title: "CPU µs", digits: 1 }],
    ratioTitle: "beside the primary key's",
    rows: [
      ...compared.map(({ kind, time }) => ({
        subject: kind,
        what: kind === "wrong" ? "a signature that no key made, compared" : "a right signature, compared",
        values: [time],
        ratio: time / (times[0] ?? 1),
      })),
      {
        subject: "right request",
        what: "a point read, from its headers to the decision",
        values: [values["right request"] ?? 0],
      },
      {
        subject: "wrong request",
        what: "the same with a wrong signature, to the refusal",
        values: [refusal],
      },
    ],
    budgets: [
      {
        what: `${wrongPerSecond} wrong signatures a second slow right ones by less than ${percent(slowdownMax)}`,
        measured: percent(slowdown),
        met: slowdown < slowdownMax,
      },
      {
        what: `the time does not tell which key it was (within ${percent(keyDifferenceMax)})`,
        measured: percent(difference),
        met: difference < keyDifferenceMax,
      },
    ],
    notes: ["every key and spelling is compared for every request, in constant time, found or not"],
  };
}

async function openRoom(): Promise<{
  readonly engine: Engine;
  readonly keys: AccountKeys;
  readonly close: () => Promise<void>;
}> {
  const store = openMemory();
  const engine = await openEngine({ store, clock: systemClock, entropy: openEntropy() });
  const endpoints = { open: async () => 8081, close: () => {}, url: () => "https://localhost:8081/" };
  const control = createCosmosControl(engine, endpoints);
  const settings = {
    name: account,
    resourceId: accountId,
    tenantId: "t",
    location: "West Europe",
    disableLocalAuth: false,
    disableKeyBasedMetadataWriteAccess: false,
    defaultConsistencyLevel: "Session",
    serverless: true,
  } as const;
  await store.transact([cosmosLock(account)], (transaction) =>
    control.putAccount(transaction, settings, 8081),
  );
  const keys = await control.listKeys(store, account);
  if (keys === undefined) throw new Error("the bench's account has no keys");
  return { engine, keys, close: () => store.close() };
}

const texts = { type: "docs", link: target.slice(1), date: "sat, 21 nov 2026 12:00:00 gmt" } as const;
const signatures = new Map<string, string>();

/** Looks for the key behind a signature that `key` made. */
function compare(engine: Engine, key: string): void {
  let signature = signatures.get(key);
  if (signature === undefined) {
    const text = textToSign("GET", texts.type, texts.link, texts.date, false);
    signature = sign(Buffer.from(key, "base64"), text).toString("base64");
    signatures.set(key, signature);
  }
  const { type, link, date } = texts;
  const facts = { verb: "GET", resourceTypes: [type], resourceLinks: [link], date, plainDate: false };
  signingKey(facts, signature, engine.catalog.find(account)?.keys ?? []);
}

/** Checks a point read with a signature of `key`, and throws unless it comes out as `refused` says. */
function checker(engine: Engine): (key: string, refused: boolean) => Promise<void> {
  const address = parseAddress(target);
  const row = findOperation("GET", address, {});
  const view = engine.catalog.find(account);
  if (row === undefined || view === undefined)
    throw new Error("the point read has no operation or no account");
  const parts = {
    engine,
    clock: systemClock,
    verifier: () => ({ ok: false, fault: { kind: "format", detail: "keys only" } }) as const,
    directory: { find: async () => undefined, groupsOf: async () => [] },
  };
  const facts: Omit<AccessRequest, "headers"> = {
    account: view,
    row,
    address,
    method: "GET",
    target,
    remoteAddress: "127.0.0.1",
    byRid: false,
    batch: () => [],
    database: "bench",
    container: "items",
  };
  const made = new Map<string, { authorization: string; "x-ms-date": string }>();
  return async (key, refused) => {
    let headers = made.get(key);
    if (headers === undefined) {
      const date = new Date(systemClock.now()).toUTCString();
      const text = textToSign("GET", "docs", target.slice(1), date, false);
      const signature = sign(Buffer.from(key, "base64"), text).toString("base64");
      headers = {
        authorization: encodeURIComponent(`type=master&ver=1.0&sig=${signature}`),
        "x-ms-date": date,
      };
      made.set(key, headers);
    }
    const allowed = await decideAccess(parts, { ...facts, headers }).then(
      ({ decision }) => decision.allowed,
      () => false,
    );
    if (allowed === refused) throw new Error("a signature came out wrong");
  };
}

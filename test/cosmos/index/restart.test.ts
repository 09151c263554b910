/**
 * The index over a restart. A process is killed by opening a second engine on the store of the first, which is never
 * closed; in the store then lies what was committed, and whatever a checkpoint had written by then.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { splitRange } from "../../../src/cosmos/engine/split.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { decodeKey, encodeKey, prefixRange } from "../../../src/storage/keys.ts";
import { openMemory } from "../../../src/storage/memory.ts";
import type { Store } from "../../../src/storage/port.ts";
import { sized } from "../../full-size.ts";
import { crashingStore, Killed } from "./crashing-store.ts";
import { account, type FixtureOptions, type IndexFixture, openIndexFixture } from "./fixture.ts";

const sizes = { itemsMin: 0, partitionItemsMin: 1, headRows: 16, changesWhenIdle: 1 };
const items = 100;

const queries = [
  "SELECT VALUE c.id FROM c WHERE c.n = 42",
  "SELECT VALUE c.id FROM c WHERE c.n >= 30 AND c.n < 60 AND c.kind = 'k1'",
  "SELECT VALUE c.id FROM c ORDER BY c.n DESC",
  "SELECT VALUE COUNT(1) FROM c WHERE c.n > 10",
  "SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.tags, 't3')",
  "SELECT c.kind, COUNT(1) AS n, MAX(c.n) AS m FROM c GROUP BY c.kind",
  "SELECT VALUE c.id FROM c WHERE STARTSWITH(c.name, 'name-1')",
  "SELECT DISTINCT VALUE c.kind FROM c",
  "SELECT VALUE MIN(c.n) FROM c",
] as const;

function open(store: Store, options: FixtureOptions = {}): Promise<IndexFixture> {
  return openIndexFixture({ store, keeps: true, sizes, ...options });
}

function item(n: number): Record<string, Value> {
  return {
    id: `i${n}`,
    pk: `p${n % 5}`,
    n,
    kind: `k${n % 3}`,
    name: `name-${n}`,
    tags: [`t${n % 7}`, "all"],
  };
}

async function fill(fixture: IndexFixture, from = 0, to = items): Promise<void> {
  for (let n = from; n < to; n++) await fixture.put(item(n));
}

/** Two rounds, because a checkpoint is written by one that finds no change, after a query that asks for the index. */
async function checkpoint(fixture: IndexFixture): Promise<void> {
  await fixture.page(queries[0], inRange(fixture));
  await fixture.engine.indexes.maintain();
  await fixture.engine.indexes.maintain();
}

/** Changes of every kind: items replaced, deleted, created, and several in one commit. */
async function change(fixture: IndexFixture): Promise<void> {
  await fixture.put({ ...item(42), n: -42 });
  await fixture.put({ ...item(7), n: 42 });
  await fixture.remove("i50", item(50));
  await fixture.put(item(200));
  await fixture.put({ ...item(50), kind: "again" });
  await fixture.put({ ...item(31), tags: ["t3", "t4"], kind: null });
}

/** The headers that send a query to one range. */
function inRange(fixture: IndexFixture, at = 0): { readonly headers: Readonly<Record<string, string>> } {
  return { headers: { "x-ms-documentdb-partitionkeyrangeid": fixture.container().ranges[at]?.id ?? "" } };
}

async function agrees(fixture: IndexFixture, about: string): Promise<void> {
  for (const [at, range] of fixture.container().ranges.entries()) {
    for (const text of queries) {
      const expected = await fixture.scanned(text, {
        keep: ({ epk }) => range.min <= epk && epk < range.max,
      });
      const actual = await fixture.rows(text, { pageSize: 7, ...inRange(fixture, at) });
      assert.deepEqual(actual, expected, `${about}, range ${range.id}: ${text}`);
    }
  }
}

/** A lookup of one item loads few: the index answers, not a scan. */
async function isUsed(fixture: IndexFixture): Promise<void> {
  const { ranges } = fixture.container();
  let loaded = 0;
  for (const at of ranges.keys()) {
    loaded += (await fixture.page("SELECT * FROM c WHERE c.n = 60", inRange(fixture, at))).loaded;
  }
  assert.equal(loaded, 1);
}

/** Numbers of the segments that lie in the store. */
async function storedSegments(store: Store): Promise<readonly number[]> {
  const found = new Set<number>();
  for (const { key } of await store.range(prefixRange(["cosmos-i"]), 100_000)) {
    const parts = decodeKey(key);
    if (parts[3] === "segment") found.add(Number(parts[4]));
  }
  return [...found];
}

async function manifestKey(store: Store): Promise<Uint8Array> {
  const entries = await store.range(prefixRange(["cosmos-i"]), 100_000);
  const manifest = entries.find(({ key }) => decodeKey(key)[3] === "manifest");
  assert.ok(manifest !== undefined, "there is a manifest");
  return manifest.key;
}

test("a restart begins with the checkpoint and reads no item again", async () => {
  const { store, scanned } = crashingStore(openMemory(), prefixRange(["cosmos-d"]).start);
  const before = await open(store);
  await fill(before);
  await checkpoint(before);
  scanned.entries = 0;
  const after = await open(store);
  await isUsed(after);
  assert.equal(scanned.entries, 0, "items were read to make the index anew");
  await agrees(after, "after a restart");
});

test("what was committed after the checkpoint is taken in from the log", async () => {
  const store = openMemory();
  const before = await open(store);
  await fill(before);
  await checkpoint(before);
  await change(before);
  await agrees(before, "before the kill");
  const after = await open(store);
  await agrees(after, "after the kill");
  await isUsed(after);
  await checkpoint(after);
  await change(after);
  await agrees(await open(store), "after a second kill");
});

test("killed at any transaction of a checkpoint, the next start answers right and leaves nothing behind", async () => {
  for (let point = 0; ; point += sized(3, 1)) {
    const { store, killAfter } = crashingStore(openMemory(), new Uint8Array(1));
    const before = await open(store);
    await fill(before);
    await checkpoint(before);
    await change(before);
    await fill(before, 300, 340);
    await before.engine.indexes.maintain();
    killAfter(point);
    const survived = await before.engine.indexes.maintain().then(
      () => true,
      (error: unknown) => {
        assert.ok(error instanceof Killed, String(error));
        return false;
      },
    );
    killAfter(undefined);
    const after = await open(store);
    await agrees(after, `killed at transaction ${point}`);
    await isUsed(after);
    await checkpoint(after);
    await change(after);
    await checkpoint(after);
    const last = await open(store);
    await agrees(last, `killed at transaction ${point}, restarted again`);
    const named = JSON.parse(
      Buffer.from((await store.get(await manifestKey(store))) ?? new Uint8Array()).toString(),
    ) as { segments: { id: number }[] };
    assert.deepEqual(
      (await storedSegments(store)).toSorted(),
      named.segments.map(({ id }) => id).toSorted(),
      "segments that no manifest names",
    );
    if (survived) {
      assert.ok(point > 2, "no transaction was ever killed");
      return;
    }
  }
});

test("a split before, between and after checkpoints changes no answer over a restart", async () => {
  const store = openMemory();
  const first = await open(store);
  await fill(first);
  await splitRange(first.engine, account, first.container(), "0");
  await checkpoint(first);
  await change(first);
  const second = await open(store);
  const [range] = second.container().ranges;
  await splitRange(second.engine, account, second.container(), range?.id ?? "");
  await fill(second, 400, 420);
  await agrees(second, "after the second split");
  const third = await open(store);
  await agrees(third, "restarted");
  await isUsed(third);
});

test("another policy makes the index anew and the old segments go", async () => {
  const store = openMemory();
  const excluding = {
    indexingPolicy: { includedPaths: [{ path: "/*" }], excludedPaths: [{ path: "/kind/?" }] },
  };
  const before = await open(store);
  await fill(before);
  await checkpoint(before);
  const old = await storedSegments(store);
  await before.putContainer(excluding);
  await change(before);
  await agrees(before, "after the change of policy");
  const after = await open(store);
  await agrees(after, "after change and restart");
  await checkpoint(after);
  await fill(after, 500, 510);
  await checkpoint(after);
  const now = await storedSegments(store);
  assert.deepEqual(
    old.filter((id) => now.includes(id)),
    [],
  );
  await after.putContainer({});
  await agrees(after, "after the old policy came back");
  await agrees(await open(store), "and after a restart with it");
});

test("a deleted container takes its index along, and its name starts empty", async () => {
  const store = openMemory();
  const before = await open(store);
  await fill(before);
  await checkpoint(before);
  await before.deleteContainer();
  const { purge } = await import("../../../src/cosmos/engine/purge.ts");
  await purge(store);
  await before.engine.indexes.maintain();
  assert.deepEqual(await store.range(prefixRange(["cosmos-i"]), 10), []);
  await before.putContainer({});
  await before.put({ ...item(1), n: 60 });
  assert.deepEqual(await before.rows("SELECT VALUE c.id FROM c WHERE c.n >= 0"), ["i1"]);
  assert.deepEqual(await (await open(store)).rows("SELECT VALUE c.id FROM c WHERE c.n >= 0"), ["i1"]);
});

type Damage = (store: Store) => Promise<void>;

async function put(store: Store, key: Uint8Array, value: Uint8Array | undefined): Promise<void> {
  await store.transact(["test"], async (transaction) => {
    if (value === undefined) transaction.delete(key);
    else transaction.put(key, value);
  });
}

/** Changes every piece that `wanted` chooses by the part of the segment it belongs to. */
function onPieces(
  wanted: (part: number) => boolean,
  damage: (value: Uint8Array) => Uint8Array | undefined,
): Damage {
  return async (store) => {
    let met = 0;
    for (const { key, value } of await store.range(prefixRange(["cosmos-i"]), 100_000)) {
      const parts = decodeKey(key);
      if (parts[3] !== "segment" || !wanted(Number(parts[5]))) continue;
      await put(store, key, damage(new Uint8Array(value)));
      met++;
    }
    assert.ok(met > 0, "there was nothing to damage");
  };
}

function flipped(value: Uint8Array): Uint8Array {
  value[value.length >> 1] = (value[value.length >> 1] ?? 0) ^ 1;
  return value;
}

function inManifest(change: (manifest: Record<string, unknown>) => void): Damage {
  return async (store) => {
    const key = await manifestKey(store);
    const manifest = JSON.parse(Buffer.from((await store.get(key)) ?? new Uint8Array()).toString());
    change(manifest as Record<string, unknown>);
    await put(store, key, Buffer.from(JSON.stringify(manifest)));
  };
}

const damages: readonly (readonly [string, Damage])[] = [
  ["no manifest", async (store) => put(store, await manifestKey(store), undefined)],
  ["a manifest that is not JSON", async (store) => put(store, await manifestKey(store), Buffer.from("{"))],
  ["the manifest of another format", inManifest((manifest) => Object.assign(manifest, { format: 999 }))],
  ["another byte order", inManifest((manifest) => Object.assign(manifest, { byteOrder: "middle-endian" }))],
  ["a log that is shorter", inManifest((manifest) => Object.assign(manifest, { applied: [[0, 100_000]] }))],
  ["a range that is gone", inManifest((manifest) => Object.assign(manifest, { applied: [[77, 1]] }))],
  [
    "missing item numbers",
    onPieces(
      (part) => part === -1,
      () => undefined,
    ),
  ],
  ["changed item numbers", onPieces((part) => part === -1, flipped)],
  ["changed marks of the dead", onPieces((part) => part === -2, flipped)],
  [
    "missing columns",
    onPieces(
      (part) => part >= 0,
      () => undefined,
    ),
  ],
  ["changed columns", onPieces((part) => part >= 0, flipped)],
  [
    "columns that are cut short",
    onPieces(
      (part) => part >= 0,
      (value) => value.slice(0, value.length >> 1),
    ),
  ],
];

describe("a checkpoint that cannot be trusted is not used", () => {
  for (const [name, damage] of damages) {
    test(name, async () => {
      const store = openMemory();
      const before = await open(store);
      await fill(before);
      await checkpoint(before);
      await change(before);
      await checkpoint(before);
      await damage(store);
      const after = await open(store);
      await agrees(after, name);
      await after.engine.indexes.maintain();
      await isUsed(after);
      await checkpoint(after);
      await change(after);
      await agrees(await open(store), `${name}, restarted`);
    });
  }
});

test("keys of a checkpoint fit every store", async () => {
  const store = openMemory();
  const fixture = await open(store);
  await fill(fixture);
  await checkpoint(fixture);
  const keys = (await store.range(prefixRange(["cosmos-i"]), 100_000)).map(({ key }) => key);
  assert.ok(keys.length > 5);
  for (const key of keys) assert.deepEqual(encodeKey(decodeKey(key)), key);
});

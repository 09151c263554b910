/**
 * Vector indexes: what they answer is what a plain scan answers, whatever has been written, replaced, deleted or has
 * expired, before and after restarts; and approximate ones find nearly all that is nearest.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderQueryExplanation } from "../../../src/cli/explain-query.ts";
import { splitRange } from "../../../src/cosmos/engine/split.ts";
import { explainQuery } from "../../../src/cosmos/operations/query-explain.ts";
import { prepareQuery } from "../../../src/cosmos/query/prepare.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { openMemory } from "../../../src/storage/memory.ts";
import { runAll } from "../query/rows.ts";
import { account, type IndexFixture, openIndexFixture, type QueryOptions } from "./fixture.ts";

const dimensions = 12;
const metrics = ["cosine", "dotproduct", "euclidean"] as const;

type Random = () => number;

/** A small linear congruential generator: the same numbers in every run. */
function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function settings(type: string, distanceFunction: string, more: object = {}): Record<string, unknown> {
  return {
    indexingPolicy: {
      includedPaths: [{ path: "/*" }],
      excludedPaths: [{ path: "/hidden/*" }],
      vectorIndexes: [{ path: "/deep/v", type }],
    },
    vectorEmbeddingPolicy: {
      vectorEmbeddings: [{ path: "/deep/v", dataType: "float32", distanceFunction, dimensions }],
    },
    ...more,
  };
}

function vectorOf(random: Random): number[] {
  return Array.from({ length: dimensions }, () => random() * 2 - 1);
}

/** Mostly vectors, some of them equal, and everything else that an item may have in their place. */
function anyValue(random: Random): Value {
  const kind = Math.floor(random() * 40);
  const vector = vectorOf(random);
  switch (kind) {
    case 0:
      return undefined;
    case 1:
      return vector.slice(1);
    case 2:
      return [...vector.slice(1), "x"];
    case 3:
      return null;
    case 4:
      return vector.map(() => 0);
    case 5:
      return vector.map((_, i) => (i === 0 ? 1e-40 : 0));
    case 6:
      return vector.map((x) => x * 1e200);
    case 7:
    case 8:
    case 9:
      return vector.map((_, i) => (i % 2 === 0 ? 0.5 : -0.25));
    case 10:
      return vector.map((x) => x * 1e-9);
    case 11:
      return { not: "a vector" };
    default:
      return vector;
  }
}

async function change(fixture: IndexFixture, random: Random, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const n = Math.floor(random() * 400);
    const pk = `p${n % 3}`;
    if (random() < 0.15) {
      await fixture.remove(`i${n}`, { pk }).catch(() => undefined);
      continue;
    }
    const v = anyValue(random);
    await fixture.put({
      id: `i${n}`,
      pk,
      n,
      kind: `k${n % 4}`,
      hidden: { n },
      ...(v === undefined ? {} : { deep: { v } }),
      ...(n % 5 === 0 ? {} : { some: n }),
      ...(n % 11 === 0 ? { ttl: 60 } : {}),
    });
  }
}

/** The index answers the first of these, and a scan the others. */
const call = "VectorDistance(c.deep.v, @v)";
const served: readonly string[] = [
  `SELECT TOP 5 c.id, ${call} AS score FROM c ORDER BY ${call}`,
  `SELECT TOP 12 * FROM c ORDER BY VectorDistance(@v, c.deep.v)`,
  `SELECT TOP 4 VALUE c.id FROM c WHERE c.kind = 'k2' ORDER BY ${call}`,
  `SELECT TOP 4 VALUE c.id FROM c WHERE c.hidden.n > 300 ORDER BY ${call}`,
  `SELECT TOP 4 VALUE c.id FROM c WHERE c.pk = 'p1' AND CONTAINS(c.id, '7') ORDER BY ${call}`,
  `SELECT TOP 30 VALUE c.some FROM c ORDER BY ${call}`,
  `SELECT VALUE c.id FROM c ORDER BY ${call} OFFSET 3 LIMIT 6`,
  `SELECT TOP 300 VALUE c.id FROM c WHERE c.kind IN ('k1', 'k3') ORDER BY ${call}`,
  `SELECT TOP 6 VALUE c.id FROM c ORDER BY VectorDistance(c.deep.v, @v, true)`,
  `SELECT TOP 6 VALUE c.id FROM c ORDER BY VectorDistance(c.deep.v, @v, false, {'distanceFunction': 'euclidean', 'searchListSizeMultiplier': 3})`,
  `SELECT TOP 6 VALUE c.id FROM c ORDER BY VectorDistance(c.deep.v, @v, false, {'distanceFunction': 'dotproduct'})`,
  `SELECT TOP 0 VALUE c.id FROM c ORDER BY ${call}`,
];
const scanned: readonly string[] = [
  `SELECT TOP 5 VALUE c.id FROM c ORDER BY VectorDistance(c.deep.v, [1, 2])`,
  `SELECT TOP 5 VALUE c.id FROM c ORDER BY VectorDistance(c.deep.w, @v)`,
  `SELECT DISTINCT TOP 3 c.kind FROM c ORDER BY ${call}`,
  `SELECT TOP 3 VALUE c.id FROM c ORDER BY RANK RRF(${call}, VectorDistance(c.deep.v, [1,0,0,0,0,0,0,0,0,0,0,0]))`,
];

const queries = [...served, ...scanned];

async function agrees(fixture: IndexFixture, random: Random, policy: object, text: string): Promise<void> {
  const v = random() < 0.2 ? vectorOf(random).map((_, i) => (i % 2 === 0 ? 0.5 : -0.25)) : vectorOf(random);
  const parameters = [{ name: "@v", value: v }];
  const { vectorEmbeddings } = (policy as { vectorEmbeddingPolicy: { vectorEmbeddings: never[] } })
    .vectorEmbeddingPolicy;
  const prepared = prepareQuery(text, parameters, {
    now: fixture.clock.now,
    random: () => 0.25,
    vectorEmbeddings,
  });
  const expected = runAll(prepared, await fixture.items());
  const options: QueryOptions[] = [{ parameters }, { parameters, pageSize: 5 }];
  for (const option of options) {
    assert.deepEqual(await fixture.rows(text, option), expected, `${text} with ${JSON.stringify(option)}`);
  }
}

for (const type of ["flat", "diskANN"]) {
  for (const [seed, metric] of metrics.entries()) {
    test(`${type} ${metric}: as a scan answers, after writes, deletes, expiry and restarts`, async () => {
      const store = openMemory();
      const policy = settings(type, metric, { defaultTtl: -1 });
      const sizes = { itemsMin: 0, partitionItemsMin: 1, headRows: 16, changesWhenIdle: 1 };
      const open = (now?: number): Promise<IndexFixture> =>
        openIndexFixture({
          store,
          sizes,
          settings: policy,
          keeps: true,
          ...(now === undefined ? {} : { now }),
        });
      let fixture = await open();
      const random = seeded(seed * 7 + type.length);
      for (let round = 0; round < 3; round++) {
        await change(fixture, random, 120);
        if (round === 1) await fixture.engine.indexes.maintain();
        for (const text of round === 0 ? queries : served) await agrees(fixture, random, policy, text);
        if (round === 1) fixture.clock.advance(61_000);
        if (round === 2) {
          await fixture.engine.indexes.maintain();
          await fixture.engine.indexes.maintain();
          fixture = await open(fixture.clock.now());
          for (const text of served) await agrees(fixture, random, policy, text);
        }
      }
    });
  }
}

test("the index is used where it can be, and tells what it compared", async () => {
  const fixture = await openIndexFixture({ settings: settings("quantizedFlat", "cosine") });
  const random = seeded(5);
  for (let n = 0; n < 60; n++) {
    await fixture.put({
      id: `i${n}`,
      pk: `p${n % 3}`,
      kind: `k${n % 4}`,
      hidden: { n },
      deep: { v: vectorOf(random) },
    });
  }
  const parameters = [{ name: "@v", value: vectorOf(random) }];
  const explained = async (query: string): ReturnType<typeof explainQuery> =>
    explainQuery(fixture.engine, { account, database: "db", container: "items", query, parameters });
  for (const query of served) {
    const { access } = await explained(query);
    assert.ok(access.kind === "index" && access.vectors?.type === "quantizedFlat", query);
    assert.equal(access.vectors.exact, true, "few vectors are all compared");
  }
  for (const query of scanned) {
    const { access } = await explained(query);
    assert.ok(access.kind === "scan" || (access.kind === "index" && access.vectors === undefined), query);
  }
  const found = await explained(served[2] ?? "");
  assert.deepEqual(found.indexMetrics.Utilized.SingleIndexes, [
    { IndexSpec: "/kind/?", IndexImpactScore: "High" },
    { IndexSpec: "/deep/v", IndexImpactScore: "High" },
  ]);
  assert.ok(found.access.kind === "index" && found.access.candidates === 15);
  assert.ok(found.itemsLoaded < 16, `${found.itemsLoaded} items were loaded`);
  assert.match(
    renderQueryExplanation(found),
    /candidates +15 in .*\n {2}vectors +\/deep\/v quantizedFlat, exact: 15 compared, then \d+ items/,
  );
});

test("a split, and ranges that are asked one by one, give what each of them has", async () => {
  const policy = settings("quantizedFlat", "euclidean");
  const fixture = await openIndexFixture({ settings: policy, ranges: 2 });
  const random = seeded(9);
  for (let n = 0; n < 80; n++) {
    await fixture.put({ id: `i${n}`, pk: `p${n}`, n, deep: { v: vectorOf(random) } });
  }
  const v = vectorOf(random);
  const parameters = [{ name: "@v", value: v }];
  const text = `SELECT TOP 7 c.id, ${call} AS score FROM c WHERE c.n > 10 ORDER BY ${call}`;
  const merged = async (): Promise<Value[]> => {
    const rows: { readonly id: string; readonly score: number }[] = [];
    for (const { id } of fixture.container().ranges) {
      const headers = { "x-ms-documentdb-partitionkeyrangeid": id };
      const page = await fixture.rows(text, { parameters, headers });
      assert.equal(page.length, 7);
      rows.push(...(page as unknown as typeof rows));
    }
    return rows.sort((a, b) => a.score - b.score).slice(0, 7);
  };
  const options = {
    now: fixture.clock.now,
    random: () => 0.25,
    vectorEmbeddings: [{ path: "/deep/v", distanceFunction: "euclidean" }],
  };
  const expected = runAll(prepareQuery(text, parameters, options), await fixture.items());
  assert.deepEqual(await merged(), expected);
  const [first] = fixture.container().ranges;
  await splitRange(fixture.engine, account, fixture.container(), first?.id ?? "");
  assert.equal(fixture.container().ranges.length, 3);
  for (let n = 80; n < 90; n++) {
    await fixture.put({ id: `i${n}`, pk: `p${n}`, n: 0, deep: { v } });
  }
  assert.deepEqual(await merged(), expected);
});

test("queries, writes and upkeep at the same time: nothing fails, and in the end all agree", async () => {
  const policy = settings("diskANN", "cosine", { defaultTtl: -1 });
  const sizes = { itemsMin: 0, partitionItemsMin: 1, headRows: 16, changesWhenIdle: 1, cacheBytes: 20_000 };
  const fixture = await openIndexFixture({ settings: policy, sizes, keeps: true });
  const random = seeded(31);
  await change(fixture, random, 100);
  let writing = true;
  const upkeep = async (): Promise<void> => {
    while (writing) await fixture.engine.indexes.maintain();
  };
  const asking = async (): Promise<void> => {
    const own = seeded(32);
    while (writing) {
      const text = served[Math.floor(own() * served.length)] ?? "";
      const parameters = [{ name: "@v", value: vectorOf(own) }];
      const page = await fixture.page(text, { parameters });
      assert.ok(page.rows.length <= 100);
    }
  };
  const all = [upkeep(), asking(), asking()];
  await change(fixture, random, 500);
  writing = false;
  await Promise.all(all);
  for (const text of served) await agrees(fixture, random, policy, text);
});

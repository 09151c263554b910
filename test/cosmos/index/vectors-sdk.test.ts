/** Vector search as applications do it: the unmodified SDK over HTTP, with one range and with several. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container } from "@azure/cosmos";
import { openMemory } from "../../../src/storage/memory.ts";
import { openSdkFixture } from "../sdk-fixture.ts";

const dimensions = 8;
const words = ["red", "green", "blue", "grey"];

interface Item {
  readonly id: string;
  readonly pk: string;
  readonly kind: number;
  readonly text: string;
  readonly v: readonly number[];
}

const items: readonly Item[] = Array.from({ length: 260 }, (_, n) => ({
  id: `i${n}`,
  pk: `p${n % 7}`,
  kind: n % 5,
  text: `${words[n % 4]} ${words[(n * 7) % 3]}`,
  v: Array.from({ length: dimensions }, (_, d) => Math.sin(n * 1.7 + d * d)),
}));
const query = Array.from({ length: dimensions }, (_, d) => Math.cos(d * 2.1));

function similarity(v: readonly number[]): number {
  const product = v.reduce((sum, x, d) => sum + x * (query[d] ?? 0), 0);
  return product / (Math.hypot(...v) * Math.hypot(...query));
}

function nearestIds(count: number, keep: (item: Item) => boolean = () => true): readonly string[] {
  const kept = items.filter(keep).sort((a, b) => similarity(b.v) - similarity(a.v));
  return kept.slice(0, count).map(({ id }) => id);
}

async function withContainer(
  ranges: number,
  type: string,
  run: (container: Container) => Promise<void>,
): Promise<void> {
  const fixture = await openSdkFixture(
    openMemory(),
    ranges,
    {},
    { itemsMin: 0, partitionItemsMin: 1, headRows: 32 },
  );
  try {
    const { database } = await fixture.client.databases.create({ id: "db" });
    const { container } = await database.containers.create({
      id: "items",
      partitionKey: { paths: ["/pk"] },
      indexingPolicy: {
        includedPaths: [{ path: "/*" }],
        excludedPaths: [{ path: "/v/*" }],
        vectorIndexes: [{ path: "/v", type: type as never }],
      },
      vectorEmbeddingPolicy: {
        vectorEmbeddings: [
          { path: "/v", dataType: "float32" as never, distanceFunction: "cosine" as never, dimensions },
        ],
      },
    });
    for (let at = 0; at < items.length; at += 20) {
      await Promise.all(items.slice(at, at + 20).map((item) => container.items.create(item)));
    }
    await run(container);
  } finally {
    await fixture.close();
  }
}

for (const [ranges, type] of [
  [1, "flat"],
  [3, "diskANN"],
] as const) {
  test(`${type} over ${ranges} ranges: the SDK gets the nearest, best first`, () =>
    withContainer(ranges, type, async (container) => {
      const ask = async (text: string): Promise<readonly unknown[]> => {
        const parameters = [{ name: "@v", value: query }];
        const { resources } = await container.items.query({ query: text, parameters }).fetchAll();
        return resources as readonly unknown[];
      };
      const found = (await ask(
        "SELECT TOP 10 c.id, VectorDistance(c.v, @v) AS score FROM c ORDER BY VectorDistance(c.v, @v)",
      )) as readonly { readonly id: string; readonly score: number }[];
      assert.deepEqual(
        found.map(({ id }) => id),
        nearestIds(10),
      );
      for (const { id, score } of found) {
        const own = items.find((item) => item.id === id);
        assert.ok(Math.abs(score - similarity(own?.v ?? [])) < 1e-12, `${id}: ${score}`);
      }
      const filtered = "SELECT TOP 5 VALUE c.id FROM c WHERE c.kind = 3 ORDER BY VectorDistance(c.v, @v)";
      assert.deepEqual(
        await ask(filtered),
        nearestIds(5, ({ kind }) => kind === 3),
      );
      const paged = "SELECT VALUE c.id FROM c ORDER BY VectorDistance(c.v, @v) OFFSET 4 LIMIT 6";
      assert.deepEqual(await ask(paged), nearestIds(10).slice(4));
      const hybrid =
        "SELECT TOP 3 c.id FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'red'), VectorDistance(c.v, " +
        `${JSON.stringify(query)}))`;
      assert.equal((await ask(hybrid)).length, 3);
      await container
        .item(nearestIds(1)[0] ?? "", items.find(({ id }) => id === nearestIds(1)[0])?.pk)
        .delete();
      const [first] = await ask("SELECT TOP 1 VALUE c.id FROM c ORDER BY VectorDistance(c.v, @v)");
      assert.equal(first, nearestIds(2)[1]);
    }));
}

test("without TOP or LIMIT the SDK sends nothing and says why", () =>
  withContainer(1, "flat", async (container) => {
    const parameters = [{ name: "@v", value: query }];
    const text = "SELECT c.id FROM c ORDER BY VectorDistance(c.v, @v)";
    await assert.rejects(
      container.items.query({ query: text, parameters }, { forceQueryPlan: true }).fetchAll(),
      /TOP or LIMIT/,
    );
  }));

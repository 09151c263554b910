/** Several physical ranges and splits, seen through the unmodified SDK: nothing is lost, repeated or out of order. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChangeFeedStartFrom, type Container, type FeedResponse } from "@azure/cosmos";
import { splitRange } from "../../src/cosmos/engine/split.ts";
import { openMemory } from "../../src/storage/memory.ts";
import { openSdkFixture, type SdkFixture } from "./sdk-fixture.ts";

const items = 120;

async function withItems(
  ranges: number,
  use: (container: Container, fixture: SdkFixture) => Promise<void>,
): Promise<void> {
  const fixture = await openSdkFixture(openMemory(), ranges);
  try {
    const { database } = await fixture.client.databases.create({ id: "d" });
    const { container } = await database.containers.create({
      id: "c",
      partitionKey: { paths: ["/pk"], version: 2 },
    });
    for (let n = 0; n < items; n++)
      await container.items.create({ id: `${n}`, pk: `p${n % 17}`, n, kind: `k${n % 5}` });
    await use(container, fixture);
  } finally {
    await fixture.close();
  }
}

function split(fixture: SdkFixture, range: string): Promise<unknown> {
  const container = fixture.engine.catalog.find("acct")?.databases.get("d")?.containers.get("c");
  if (container === undefined) throw new Error("no container");
  return splitRange(fixture.engine, "acct", container, range);
}

const numbers = [...Array(items).keys()];

const queries: readonly (readonly [string, unknown])[] = [
  ["SELECT VALUE c.n FROM c ORDER BY c.n", numbers],
  ["SELECT VALUE c.n FROM c ORDER BY c.n DESC OFFSET 5 LIMIT 3", [114, 113, 112]],
  ["SELECT TOP 4 VALUE c.n FROM c WHERE c.n > 50 ORDER BY c.n", [51, 52, 53, 54]],
  ["SELECT VALUE COUNT(1) FROM c", [items]],
  [
    "SELECT VALUE SUM(c.n) FROM c WHERE c.kind = 'k2'",
    [numbers.filter((n) => n % 5 === 2).reduce((a, b) => a + b, 0)],
  ],
  ["SELECT VALUE AVG(c.n) FROM c", [(items - 1) / 2]],
  ["SELECT VALUE MAX(c.n) FROM c", [items - 1]],
  ["SELECT VALUE MIN(c.n) FROM c WHERE c.kind = 'k3'", [3]],
  ["SELECT DISTINCT VALUE c.kind FROM c ORDER BY c.kind", ["k0", "k1", "k2", "k3", "k4"]],
  ["SELECT VALUE c.n FROM c WHERE c.pk = 'p3' ORDER BY c.n", numbers.filter((n) => n % 17 === 3)],
];

describe("queries over several ranges are merged by the SDK to what one range gives", () => {
  for (const ranges of [1, 4]) {
    test(`${ranges} range(s)`, async () => {
      await withItems(ranges, async (container) => {
        for (const [query, expected] of queries) {
          assert.deepEqual((await container.items.query(query).fetchAll()).resources, expected, query);
        }
        const grouped = (
          await container.items.query("SELECT c.kind, COUNT(1) AS n FROM c GROUP BY c.kind").fetchAll()
        ).resources;
        assert.deepEqual(
          grouped.sort((a, b) => (a.kind < b.kind ? -1 : 1)),
          ["k0", "k1", "k2", "k3", "k4"].map((kind) => ({ kind, n: items / 5 })),
        );
        const all = (await container.items.readAll().fetchAll()).resources;
        assert.equal(new Set(all.map((item) => item.id)).size, items);
      });
    });
  }
});

test("pages of a feed that names no range end with their ranges, and give each item once", async () => {
  await withItems(4, async (container) => {
    for (const maxItemCount of [-1, 7, 30]) {
      const seen: string[][] = [];
      const iterator = container.items.readAll({ maxItemCount });
      while (iterator.hasMoreResults()) {
        seen.push(((await iterator.fetchNext()).resources ?? []).map(({ id }) => String(id)));
      }
      assert.equal(new Set(seen.flat()).size, items);
      assert.ok(seen.length >= 4, `${seen.length} pages`);
    }
  });
});

test("a paged query loses and repeats nothing when the range splits between two pages", async () => {
  await withItems(1, async (container, fixture) => {
    const iterator = container.items.query("SELECT VALUE c.n FROM c", { maxItemCount: 25 });
    const seen = [...((await iterator.fetchNext()).resources ?? [])];
    await split(fixture, "0");
    while (iterator.hasMoreResults()) seen.push(...((await iterator.fetchNext()).resources ?? []));
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      numbers,
    );
  });
});

test("items written before a split are read, replaced, found and deleted after it", async () => {
  await withItems(1, async (container, fixture) => {
    await split(fixture, "0");
    await split(fixture, "2");
    for (const n of [0, 7, 63, 119]) {
      const item = container.item(`${n}`, `p${n % 17}`);
      assert.equal((await item.read()).resource.n, n);
      await item.replace({ id: `${n}`, pk: `p${n % 17}`, n, changed: true });
      assert.equal((await item.read()).resource.changed, true);
    }
    await container.item("1", "p1").delete();
    await container.items.create({ id: "new", pk: "p1", n: 1 });
    const { resources } = await container.items.query("SELECT VALUE c.n FROM c ORDER BY c.n").fetchAll();
    assert.deepEqual(resources, numbers);
    const ranges = (await container.readPartitionKeyRanges().fetchAll()).resources;
    assert.deepEqual(
      ranges.map((range) => range.id),
      ["1", "3", "4"],
    );
  });
});

test("a change feed loses and repeats nothing across writes and splits", async () => {
  await withItems(2, async (container, fixture) => {
    const iterator = container.items.getChangeFeedIterator({
      maxItemCount: 10,
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
    });
    const seen: number[] = [];
    let idle = 0;
    let rounds = 0;
    for await (const page of iterator.getAsyncIterator() as AsyncIterable<
      FeedResponse<{ n: number }> & { statusCode?: number }
    >) {
      const result = (page as unknown as { result?: { n: number }[] }).result ?? [];
      seen.push(...result.map((item) => item.n));
      rounds++;
      if (rounds === 3) await split(fixture, "0");
      if (rounds === 5)
        for (let n = items; n < items + 20; n++)
          await container.items.create({ id: `${n}`, pk: `p${n % 17}`, n });
      if (rounds === 6) await split(fixture, "1");
      idle = page.statusCode === 304 ? idle + 1 : 0;
      if (idle > 8) break;
    }
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      [...Array(items + 20).keys()],
    );
  });
});

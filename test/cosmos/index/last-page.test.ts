/**
 * The last page: whatever the page size, pages together give each row once, and where a query looks something up no empty
 * page follows a full one. Queries that go through all items end as in the service, with an empty page after a full one.
 * Where nobody names a range, a page has rows of one only.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ItemFeed } from "../../../src/cosmos/index/item-feed.ts";
import { type IdentifiedQuery, readPage } from "../../../src/cosmos/operations/query-page.ts";
import { prepareQuery } from "../../../src/cosmos/query/prepare.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { openMemory } from "../../../src/storage/memory.ts";
import { type IndexFixture, openIndexFixture } from "./fixture.ts";

const items = 24;
const pageSizes = [1, 2, 3, 4, 5, 6, 7, 8, 12, 23, 24, 25];

/** Queries that look something up, and how many rows they have. */
const lookups: readonly (readonly [string, number])[] = [
  ["SELECT * FROM c WHERE c.n >= 12", 12],
  ["SELECT VALUE c.id FROM c WHERE c.k = 'k1' AND c.n < 20", 5],
  ["SELECT VALUE c.id FROM c WHERE CONTAINS(c.id, 'i')", items],
  ["SELECT VALUE c.id FROM c ORDER BY c.n DESC", items],
  ["SELECT * FROM c WHERE c.n > 5 ORDER BY c.n", 18],
  ["SELECT VALUE c.id FROM c WHERE c.n > 5 ORDER BY c.n OFFSET 3 LIMIT 12", 12],
  ["SELECT TOP 8 VALUE c.id FROM c WHERE c.n < 10", 8],
  ["SELECT VALUE x FROM c JOIN x IN c.list WHERE x < 12 AND c.n < 12", 23],
  ["SELECT DISTINCT VALUE c.k FROM c", 4],
  ["SELECT DISTINCT VALUE c.k FROM c ORDER BY c.k", 4],
  ["SELECT c.k, COUNT(1) AS n FROM c GROUP BY c.k", 4],
  ["SELECT VALUE COUNT(1) FROM c WHERE c.n > 3", 1],
  ["SELECT VALUE c.id FROM c WHERE c.n < 0", 0],
];

async function filled(ranges: number, indexed: boolean): Promise<IndexFixture> {
  const sizes = indexed ? {} : { sizes: { itemsMin: 1_000_000 } };
  const fixture = await openIndexFixture({ store: openMemory(), ranges, ...sizes });
  for (let n = 0; n < items; n++)
    await fixture.put({ id: `i${n}`, pk: `p${n}`, n, k: `k${n % 4}`, list: [n, n + 1] });
  return fixture;
}

function pagesIn(rows: readonly Value[], size: number): Value[][] {
  const pages: Value[][] = [];
  for (let at = 0; at < rows.length; at += size) pages.push(rows.slice(at, at + size));
  return pages;
}

/** All pages of one range, or without one of what the gateway fans out itself. */
async function pagesOf(
  fixture: IndexFixture,
  text: string,
  pageSize: number,
  range?: string,
): Promise<Value[][]> {
  const pages: Value[][] = [];
  const headers = range === undefined ? {} : { "x-ms-documentdb-partitionkeyrangeid": range };
  let continuation: string | undefined;
  do {
    const page = await fixture.page(text, { pageSize, continuation, headers });
    pages.push(page.rows);
    continuation = page.continuation;
  } while (continuation !== undefined && pages.length < 200);
  return pages;
}

for (const indexed of [true, false]) {
  describe(indexed ? "with an index" : "by a scan", () => {
    for (const [text, count] of lookups) {
      test(`${text} ends with its last row`, async () => {
        const fixture = await filled(1, indexed);
        const whole = (await pagesOf(fixture, text, 1000, "0")).flat();
        assert.equal(whole.length, count);
        for (const pageSize of pageSizes) {
          const pages = await pagesOf(fixture, text, pageSize, "0");
          assert.deepEqual(pages.flat(), whole);
          assert.equal(pages.length, Math.max(1, Math.ceil(count / pageSize)), `pages of ${pageSize}`);
        }
      });
    }

    test("so it is in each of several ranges", async () => {
      const fixture = await filled(3, indexed);
      const text = "SELECT VALUE c.n FROM c WHERE c.n >= 0";
      const found: Value[] = [];
      for (const { id } of fixture.container().ranges) {
        const whole = (await pagesOf(fixture, text, 1000, id)).flat();
        found.push(...whole);
        for (const pageSize of pageSizes) {
          const pages = await pagesOf(fixture, text, pageSize, id);
          assert.deepEqual(pages.flat(), whole);
          assert.equal(pages.length, Math.max(1, Math.ceil(whole.length / pageSize)));
        }
      }
      assert.deepEqual(
        found.toSorted((a, b) => Number(a) - Number(b)),
        Array.from({ length: items }, (_, n) => n),
      );
    });

    for (const [text, isLookup] of [
      ["SELECT VALUE c.n FROM c", false],
      ["SELECT VALUE c.n FROM c WHERE c.n >= 0", true],
      ["SELECT VALUE c.n FROM c WHERE c.k != 'k2'", true],
      ["SELECT VALUE c.n FROM c JOIN x IN c.list WHERE x > 3", true],
      ["SELECT VALUE c.n FROM c WHERE c.n > 100", true],
    ] as const) {
      test(`a page of the gateway's own fan-out ends with its range: ${text}`, async () => {
        const fixture = await filled(3, indexed);
        const ranges: Value[][] = [];
        for (const { id } of fixture.container().ranges) {
          ranges.push((await pagesOf(fixture, text, 1000, id)).flat());
        }
        for (const pageSize of [...pageSizes, 1000]) {
          const pages = await pagesOf(fixture, text, pageSize);
          assert.deepEqual(pages.flat(), ranges.flat());
          const full = ranges.flatMap((rows) => pagesIn(rows, pageSize));
          const wanted = full.length === 0 ? [[]] : full;
          // Going through all items, the last range may end with an empty page after a full one.
          const isEmptyAfterFull = !isLookup && full.at(-1)?.length === pageSize;
          assert.deepEqual(pages, isEmptyAfterFull ? [...wanted, []] : wanted, `pages of ${pageSize}`);
        }
      });
    }
  });
}

test("all of this holds for a query that runs in a thread of its own", async () => {
  const fixture = await filled(3, true);
  try {
    const text = "SELECT VALUE c.n FROM c WHERE c.n >= 0";
    const long = `${text}${" ".repeat(17_000)}`;
    for (const pageSize of [4, 1000]) {
      const pages = await pagesOf(fixture, long, pageSize);
      assert.deepEqual(pages, await pagesOf(fixture, text, pageSize));
      assert.ok(pages.length >= 3);
    }
  } finally {
    await fixture.engine.scripts.close();
  }
});

for (const text of ["SELECT * FROM c", "SELECT c.id, c.n FROM c", "SELECT VALUE x FROM x IN c.list"]) {
  test(`${text} ends with an empty page after a full one`, async () => {
    const fixture = await filled(1, true);
    const whole = (await pagesOf(fixture, text, 1000, "0")).flat();
    for (const pageSize of pageSizes) {
      const pages = await pagesOf(fixture, text, pageSize, "0");
      assert.deepEqual(pages.flat(), whole);
      assert.equal(pages.length, Math.floor(whole.length / pageSize) + 1, `pages of ${pageSize}`);
    }
  });
}

test("looking ahead goes so far only, and is no part of the page's cost", async () => {
  const text = "SELECT VALUE c.n FROM c WHERE c.n < 2";
  for (const [last, ends] of [
    [200, true],
    [2_000, false],
  ] as const) {
    const feed = countedFeed(last);
    const page = await readPage({ "x-ms-max-item-count": "2" }, prepared(text), async () => feed);
    assert.deepEqual(page.rows, ["0", "1"]);
    assert.equal(page.continuation === undefined, ends);
    assert.equal(page.cost.loaded, 2);
    assert.ok(feed.cost.loaded < 300, `${feed.cost.loaded} items were looked at`);
  }
});

/** Items one by one, each of which costs one. */
function countedFeed(until: number): ItemFeed {
  const cost = { loaded: 0, loadedBytes: 0, seeks: 0, keys: 0 };
  return {
    sorted: false,
    cost,
    next: async () => {
      if (cost.loaded === until) return [];
      const n = cost.loaded++;
      return [{ position: n, item: { n } }];
    },
  };
}

function prepared(text: string): IdentifiedQuery {
  const query = prepareQuery(text, [], { now: () => 0, random: () => 0 });
  return { ...query, hash: "h", unfilteredHash: () => "u" };
}

test("a row ahead that cannot be made is the next page's failure", async () => {
  const fixture = await filled(1, true);
  const text = "SELECT VALUE c.n = 2 ? (SELECT VALUE x FROM x IN c.list) : c.n FROM c WHERE c.n >= 0";
  const page = await fixture.page(text, { pageSize: 2 });
  assert.deepEqual(page.rows, [0, 1]);
  await assert.rejects(fixture.page(text, { pageSize: 2, continuation: page.continuation }), /cardinality/);
});

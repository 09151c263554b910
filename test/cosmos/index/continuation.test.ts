/**
 * Continuation tokens: after every page a query can be gone on with by another process, by one that was restarted, and
 * after a split, and gives exactly the rows that were left. Tokens are short, and what is no token is refused.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { splitRange } from "../../../src/cosmos/engine/split.ts";
import { CosmosError } from "../../../src/cosmos/errors.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { openMemory } from "../../../src/storage/memory.ts";
import type { Store } from "../../../src/storage/port.ts";
import { sized } from "../../full-size.ts";
import { account, type IndexFixture, openIndexFixture } from "./fixture.ts";

const tokenLengthMax = 1024;
const items = 40;
const long = "long".repeat(600);

const settings = {
  indexingPolicy: {
    includedPaths: [{ path: "/*" }],
    compositeIndexes: [
      [
        { path: "/k", order: "ascending" },
        { path: "/n", order: "descending" },
      ],
      [
        { path: "/text", order: "ascending" },
        { path: "/more", order: "ascending" },
      ],
    ],
  },
};

function item(n: number): Record<string, Value> {
  return {
    id: `i${n}`,
    pk: `p${n % 3}`,
    n: (n * 7) % items,
    k: `k${n % 4}`,
    text: `${n % 2 === 0 ? long : "é".repeat(190)}${n % 10}`,
    more: `${"\u{1f600}".repeat(99)}${n}`,
    list: [n, n + 1, n + 2],
    ...(n % 5 === 0 ? {} : { some: n % 3 }),
  };
}

const queries = [
  "SELECT * FROM c",
  "SELECT VALUE c.id FROM c WHERE c.n >= 10",
  "SELECT VALUE c.id FROM c WHERE CONTAINS(c.id, '1')",
  "SELECT VALUE c.id FROM c ORDER BY c.n",
  "SELECT VALUE c.id FROM c WHERE c.n > 3 ORDER BY c.n DESC OFFSET 2 LIMIT 20",
  "SELECT TOP 17 VALUE c.id FROM c ORDER BY c.k DESC, c.n ASC",
  "SELECT VALUE c.id FROM c ORDER BY c.some DESC",
  "SELECT VALUE c.id FROM c ORDER BY c.text",
  "SELECT VALUE c.id FROM c ORDER BY c.text DESC",
  "SELECT VALUE c.id FROM c WHERE c.n > 5 ORDER BY c.text, c.more",
  "SELECT VALUE c.id FROM c ORDER BY c.missing",
  "SELECT DISTINCT VALUE c.n % 11 FROM c",
  "SELECT DISTINCT VALUE c.k FROM c ORDER BY c.k",
  "SELECT c.n % 13 AS g, COUNT(1) AS c, MAX(c.id) AS m FROM c GROUP BY c.n % 13",
  "SELECT c.id, x FROM c JOIN x IN c.list WHERE x > 3",
  "SELECT VALUE x FROM x IN c.list OFFSET 7 LIMIT 50",
  "SELECT TOP 13 VALUE c.id FROM c",
  "SELECT VALUE c.id FROM c OFFSET 3 LIMIT 21",
  "SELECT VALUE COUNT(1) FROM c",
  "SELECT TOP 9 VALUE c.id FROM c ORDER BY VectorDistance([1, 2], [c.n, 3])",
  "SELECT VALUE ROUND(c.n / 3) FROM (SELECT VALUE c FROM c WHERE c.n > 4) c",
] as const;

async function filled(store: Store): Promise<IndexFixture> {
  const fixture = await openIndexFixture({ store, settings });
  for (let n = 0; n < items; n++) await fixture.put(item(n));
  return fixture;
}

interface PlacedToken {
  readonly token: string;
  /** Rows before it. */
  readonly before: number;
}

interface Read {
  readonly rows: readonly Value[];
  readonly tokens: readonly PlacedToken[];
}

async function read(fixture: IndexFixture, text: string, first?: string, range?: string): Promise<Read> {
  const rows: Value[] = [];
  const tokens: PlacedToken[] = [];
  const headers = range === undefined ? {} : { "x-ms-documentdb-partitionkeyrangeid": range };
  let continuation = first;
  do {
    const page = await fixture.page(text, { pageSize: 4, continuation, headers });
    rows.push(...page.rows);
    continuation = page.continuation;
    if (continuation !== undefined) {
      assert.ok(continuation.length < tokenLengthMax, `a token of ${continuation.length} characters`);
      assert.match(continuation, /^[\w-]+$/);
      tokens.push({ token: continuation, before: rows.length });
    }
  } while (continuation !== undefined);
  return { rows, tokens };
}

describe("a query goes on from any of its tokens", () => {
  for (const text of queries) {
    test(text, async () => {
      const store = openMemory();
      const fixture = await filled(store);
      const { rows, tokens } = await read(fixture, text);
      assert.deepEqual(rows, await fixture.scanned(text));
      const other = await openIndexFixture({ store });
      const scanning = await openIndexFixture({ store, sizes: { itemsMin: 1_000_000 } });
      for (const [at, { token, before }] of tokens.entries()) {
        if (at % sized(4, 1) !== 0) continue;
        const left = rows.slice(before);
        assert.deepEqual((await read(fixture, text, token)).rows, left, "in the same process");
        assert.deepEqual((await read(other, text, token)).rows, left, "in another process");
        assert.deepEqual((await read(scanning, text, token)).rows, left, "in a process without an index");
      }
      const again = await read(other, text);
      assert.deepEqual(again.rows, rows);
    });
  }
});

/** Queries that one range serves by itself, so that their tokens go on in its parts after a split. */
const splittable = queries.filter((text) => !/OFFSET|TOP|DISTINCT|GROUP|COUNT/.test(text));

describe("after a split the tokens of the range go on in its parts", () => {
  for (const text of splittable) {
    test(text, async () => {
      const store = openMemory();
      const fixture = await filled(store);
      const { rows, tokens } = await read(fixture, text);
      await splitRange(fixture.engine, account, fixture.container(), "0");
      const { ranges } = fixture.container();
      assert.equal(ranges.length, 2);
      for (const [at, { token, before }] of tokens.entries()) {
        if (at % sized(3, 1) !== 0) continue;
        const parts: Value[] = [];
        for (const { id } of ranges) parts.push(...(await read(fixture, text, token, id)).rows);
        const left = rows.slice(before);
        assert.deepEqual(parts.map(textOf).toSorted(), left.map(textOf).toSorted());
      }
    });
  }
});

function textOf(row: Value): string {
  return JSON.stringify(row);
}

test("what is no token of this query is refused with 400", async () => {
  const fixture = await filled(openMemory());
  const [plain, filtered, contains, ordered] = queries;
  const other = (await fixture.page(plain, { pageSize: 4 })).continuation ?? "";
  const sorted = (await fixture.page(ordered, { pageSize: 4 })).continuation ?? "";
  const decoded = JSON.parse(Buffer.from(sorted, "base64url").toString()) as unknown[];
  const [version, hash, , state] = decoded;
  const made = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const bad: readonly (readonly [string, string])[] = [
    [filtered, other],
    [contains, other],
    [plain, sorted],
    [ordered, "x"],
    [ordered, "{}"],
    [ordered, "%%%"],
    [ordered, '[{"token":"+RID:~abc","range":{"min":"","max":"FF"}}]'],
    [ordered, made([])],
    [ordered, made(null)],
    [ordered, made([999, hash, [0], state])],
    [ordered, made([version, "another", [0], state])],
    [ordered, made([version, hash, -1, state])],
    [ordered, made([version, hash, "0", state])],
    [ordered, made([version, hash, [0, [], 1, true], state])],
    [ordered, made([version, hash, [0, [[1], [2]], 1, true], state])],
    [ordered, made([version, hash, [0, [[1]], 1.5, true], state])],
    [ordered, made([version, hash, [0, [[1]], 1, "yes"], state])],
    [ordered, made([version, hash, [-3], state])],
    [ordered, made([version, hash, [0], ["p", -1, null, 0]])],
    [ordered, made([version, hash, [0], ["q", 0]])],
    [ordered, made([version, hash, [0], null])],
  ];
  for (const [text, continuation] of bad) {
    await assert.rejects(
      fixture.page(text, { continuation }),
      (error) => error instanceof CosmosError && error.status === 400,
      `${text} with ${continuation}`,
    );
  }
  for (const harmless of [
    made([version, hash, [10_000], state]),
    made([version, hash, [0, "no digest", 3, true], state]),
  ]) {
    assert.ok((await fixture.page(ordered, { continuation: harmless })).rows.length <= items);
  }
});

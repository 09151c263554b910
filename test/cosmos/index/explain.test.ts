/** What `celestite explain --query` tells: how items are found, what that costs, and which indexes would help. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderQueryExplanation } from "../../../src/cli/explain-query.ts";
import { CosmosError } from "../../../src/cosmos/errors.ts";
import { explainQuery, type QueryExplanation } from "../../../src/cosmos/operations/query-explain.ts";
import { account, openIndexFixture } from "./fixture.ts";

const settings = {
  indexingPolicy: {
    includedPaths: [{ path: "/*" }],
    excludedPaths: [{ path: "/hidden/*" }],
    compositeIndexes: [
      [
        { path: "/kind", order: "ascending" },
        { path: "/n", order: "ascending" },
      ],
    ],
  },
};

async function explained(
  query: string,
  parameters: readonly unknown[] = [],
  policy: object = settings,
): Promise<QueryExplanation> {
  const fixture = await openIndexFixture({ settings: policy as typeof settings });
  for (let n = 0; n < 100; n++) {
    const item = { id: `i${n}`, pk: `p${n % 5}`, n, kind: `k${n % 4}`, hidden: n, tags: [`t${n % 9}`] };
    await fixture.put(item);
  }
  return explainQuery(fixture.engine, {
    account,
    database: "db",
    container: "items",
    query,
    parameters,
  });
}

const rows: readonly {
  readonly query: string;
  readonly parameters?: readonly unknown[];
  readonly text: readonly RegExp[];
  readonly loaded: number;
  readonly rows: number;
}[] = [
  {
    query: "SELECT * FROM c WHERE c.n = @n",
    parameters: [{ name: "@n", value: 7 }],
    text: [/^Index/, /lookup +\/n\/\? in$/m, /candidates +1 in/, /Indexes used\n {2}\/n\/\?/],
    loaded: 1,
    rows: 1,
  },
  {
    query: "SELECT * FROM c ORDER BY c.n DESC OFFSET 0 LIMIT 3",
    text: [/order +in the order of the index/, /candidates +100/],
    loaded: 16,
    rows: 3,
  },
  {
    query: "SELECT VALUE COUNT(1) FROM c WHERE c.n >= 10 AND c.n < 30",
    text: [/from the index alone/, /lookup +\/n\/\? ge and \/n\/\? lt/, /items +0 loaded/],
    loaded: 0,
    rows: 1,
  },
  {
    query: "SELECT * FROM c WHERE c.kind = 'k1' AND c.n > 50",
    text: [/Indexes used[\s\S]*\/kind ASC, \/n ASC/],
    loaded: 12,
    rows: 12,
  },
  {
    query: "SELECT * FROM c WHERE c.kind = 'k1' AND c.pk = 'p2' AND c.n > 50",
    text: [/Indexes that would help\n {2}\/kind ASC, \/pk ASC, \/n ASC/],
    loaded: 3,
    rows: 3,
  },
  {
    query: "SELECT * FROM c WHERE ARRAY_CONTAINS(c.tags, 't4') OR c.n = 1",
    text: [/lookup +\/tags\/\[\]\/\? in\n +or +\/n\/\? in/],
    loaded: 12,
    rows: 12,
  },
  {
    query: "SELECT * FROM c WHERE c.hidden = 7",
    text: [/^Scan: no index narrows/, /Indexes that would help\n {2}\/hidden\/\?/],
    loaded: 100,
    rows: 1,
  },
  { query: "SELECT * FROM c", text: [/^Scan: the query must see all of every item/], loaded: 100, rows: 100 },
  { query: "SELECT 1", text: [/^The query reads no items/], loaded: 0, rows: 1 },
];

for (const { query, parameters, text, loaded, rows: expected } of rows) {
  test(query, async () => {
    const found = await explained(query, parameters);
    const rendered = renderQueryExplanation(found);
    for (const pattern of text) assert.match(rendered, pattern);
    assert.equal(found.itemsLoaded, loaded);
    assert.equal(found.rows, expected);
    assert.ok(found.requestCharge >= 2.3);
  });
}

test("a container without an index is scanned, and that is said", async () => {
  const found = await explained("SELECT * FROM c WHERE c.n = 1", [], {
    indexingPolicy: { indexingMode: "none", automatic: false },
  });
  assert.match(renderQueryExplanation(found), /^Scan: the container's indexing mode is none/);
});

test("what is wrong with a query is what a client would be told", async () => {
  const refused = (pattern: RegExp) => (error: unknown) =>
    error instanceof CosmosError && pattern.test(error.message);
  await assert.rejects(explained("SELECT * FORM c"), refused(/SC1001/));
  await assert.rejects(explained("SELECT * FROM c ORDER BY c.n, c.kind"), refused(/composite index/));
  await assert.rejects(explained("SELECT * FROM c ORDER BY c.hidden"), refused(/excluded/));
  const fixture = await openIndexFixture();
  const other = { account, database: "db", container: "other", query: "SELECT 1", parameters: [] };
  await assert.rejects(
    explainQuery(fixture.engine, other),
    (error) => error instanceof CosmosError && error.status === 404,
  );
});

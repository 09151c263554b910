/**
 * What an indexing policy changes: how many items a query loads, and which orders are refused; never its rows. And what
 * the headers say of it.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CosmosError } from "../../../src/cosmos/errors.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { type IndexFixture, openIndexFixture } from "./fixture.ts";

const items = 120;

function item(n: number): Record<string, Value> {
  return {
    id: `i${n}`,
    pk: `p${n % 5}`,
    n,
    kind: `k${n % 6}`,
    name: `name-${String(n).padStart(3, "0")}`,
    flag: n % 10 === 0,
    o: { a: n % 7, b: { c: n } },
    tags: [`t${n % 9}`, "all"],
    lines: [{ sku: `s${n % 11}`, qty: n % 3 }, { sku: "common" }],
    events: [{ name: `e${n % 8}`, category: "x", secret: n }],
    "a-b": n % 12,
    ...(n % 4 === 0 ? { rare: null } : {}),
    ...(n % 60 === 0 ? { mixed: [1] } : { mixed: n % 2 === 0 ? n : `${n}` }),
  };
}

async function filled(indexingPolicy: object): Promise<IndexFixture> {
  const fixture = await openIndexFixture({ settings: { indexingPolicy } });
  for (let n = 0; n < items; n++) await fixture.put(item(n));
  return fixture;
}

/** Query, and the most items that it may load. */
type Row = readonly [query: string, loadedMax: number];

interface Policy {
  readonly name: string;
  readonly policy: object;
  readonly rows: readonly Row[];
}

const all = { includedPaths: [{ path: "/*" }], excludedPaths: [{ path: '/"_etag"/?' }] };
const batch = 16;

const policies: readonly Policy[] = [
  {
    name: "the default policy",
    policy: all,
    rows: [
      ["SELECT * FROM c WHERE c.n = 7", 1],
      ["SELECT * FROM c WHERE 7 = c.n", 1],
      ["SELECT * FROM c WHERE c.n IN (1, 5, 'x')", 2],
      ["SELECT * FROM c WHERE c.n > 5 AND c.n <= 9", 4],
      ["SELECT * FROM c WHERE c.n BETWEEN 5 AND 9", 5],
      ["SELECT * FROM c WHERE c.n = 3 OR c.name = 'name-050' OR c.o.b.c = 9", 3],
      ["SELECT * FROM c WHERE c.kind = 'k1' AND c.flag", 2],
      ["SELECT * FROM c WHERE STARTSWITH(c.name, 'name-01')", 10],
      ["SELECT * FROM c WHERE c.name LIKE 'name-01%'", 10],
      ["SELECT * FROM c WHERE c.name LIKE 'name-010'", 1],
      ["SELECT * FROM c WHERE c.name LIKE 'name-01_'", 10],
      ["SELECT * FROM c WHERE CONTAINS(c.name, '77')", 1],
      ["SELECT * FROM c WHERE ENDSWITH(c.name, '77')", 1],
      ["SELECT * FROM c WHERE RegexMatch(c.name, '7{2}')", 1],
      ["SELECT * FROM c WHERE c.n % 50 = 3", 3],
      ["SELECT * FROM c WHERE c.n = c.o.b.c AND c.n < 3", 3],
      ["SELECT * FROM c WHERE IS_NULL(c.rare) AND c.n < 9", 3],
      ["SELECT * FROM c WHERE IS_DEFINED(c.rare) AND c.n < 9", 3],
      ["SELECT * FROM c WHERE NOT IS_DEFINED(c.rare) AND c.n < 5", 4],
      ["SELECT * FROM c WHERE ARRAY_CONTAINS(c.tags, 't8')", 13],
      ["SELECT * FROM c WHERE ARRAY_CONTAINS(['t1', 'k2'], c.kind) AND c.n < 20", 3],
      ["SELECT * FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 't8')", 13],
      ["SELECT c.id FROM c JOIN t IN c.tags WHERE t = 't8'", 13],
      ["SELECT VALUE l FROM c JOIN l IN c.lines WHERE l.sku = 's10'", 10],
      ["SELECT * FROM c WHERE c.lines[0].sku = 's10'", 10],
      ['SELECT * FROM c WHERE c["a-b"] = 3', 10],
      ["SELECT * FROM c WHERE c.o = {'a': 1, 'b': {'c': 1}}", items],
      ["SELECT * FROM c WHERE c.mixed = [1]", 2],
      ["SELECT * FROM c WHERE c.missing = 1", 0],
      ["SELECT * FROM c WHERE c.n = undefined", 0],
      ["SELECT * FROM c WHERE c.n = 1 AND false", 0],
      ["SELECT * FROM c ORDER BY c.name DESC OFFSET 0 LIMIT 3", batch],
      ["SELECT TOP 3 * FROM c WHERE c.kind = 'k2' ORDER BY c.n", batch],
      ["SELECT TOP 3 * FROM c ORDER BY c.mixed", batch + 2],
      ["SELECT VALUE COUNT(1) FROM c", 0],
      ["SELECT VALUE COUNT(1) FROM c WHERE c.n >= 10", 0],
      ["SELECT VALUE MIN(c.n) FROM c", 0],
      ["SELECT VALUE MAX(c.name) FROM c WHERE c.flag", 0],
      ["SELECT VALUE SUM(c.n) FROM c WHERE c.kind = 'k1'", 0],
      ["SELECT c.kind, AVG(c.n) AS a FROM c GROUP BY c.kind", 0],
      ["SELECT DISTINCT VALUE c.kind FROM c", 0],
      ["SELECT c.id, c.n FROM c WHERE c.kind = 'k1'", 0],
      ["SELECT c.id, c.o.b FROM c WHERE c.kind = 'k1'", 20],
      ["SELECT VALUE c.n FROM c WHERE c.name > 'name-100' ORDER BY c.n", 0],
    ],
  },
  {
    name: "excluded paths",
    policy: {
      includedPaths: [{ path: "/*" }],
      excludedPaths: [{ path: "/o/*" }, { path: "/name/?" }, { path: "/tags/[]/?" }],
    },
    rows: [
      ["SELECT * FROM c WHERE c.n = 7", 1],
      ["SELECT * FROM c WHERE c.o.a = 3 AND c.n < 20", 20],
      ["SELECT * FROM c WHERE c.name = 'name-007'", items],
      ["SELECT * FROM c WHERE ARRAY_CONTAINS(c.tags, 't8')", items],
      ["SELECT * FROM c WHERE c.lines[0].sku = 's10'", 10],
      ["SELECT VALUE COUNT(1) FROM c WHERE c.name > 'name-1'", items],
    ],
  },
  {
    name: "only some paths",
    policy: {
      includedPaths: [{ path: "/o/b/c/?" }, { path: '/"a-b"/?' }, { path: "/events/[]/name/?" }],
      excludedPaths: [{ path: "/*" }],
    },
    rows: [
      ["SELECT * FROM c WHERE c.o.b.c = 9", 1],
      ['SELECT * FROM c WHERE c["a-b"] = 3', 10],
      ["SELECT * FROM c WHERE EXISTS(SELECT VALUE e FROM e IN c.events WHERE e.name = 'e3')", 15],
      ["SELECT * FROM c WHERE EXISTS(SELECT VALUE e FROM e IN c.events WHERE e.secret = 3)", items],
      ["SELECT * FROM c WHERE c.id = 'i9'", 1],
      ["SELECT TOP 3 * FROM c ORDER BY c._ts DESC", batch],
      ["SELECT * FROM c WHERE c.n = 7", items],
      ["SELECT * FROM c WHERE c.o.a = 1", items],
    ],
  },
  {
    name: "a more precise path wins",
    policy: {
      includedPaths: [{ path: "/*" }, { path: "/o/b/*" }],
      excludedPaths: [{ path: "/o/*" }, { path: "/o/b/c/?" }],
    },
    rows: [
      ["SELECT * FROM c WHERE c.o.b.c = 9", items],
      ["SELECT * FROM c WHERE c.o.b.d = 9", 0],
      ["SELECT * FROM c WHERE c.o.a = 1", items],
    ],
  },
  {
    name: "no index",
    policy: { indexingMode: "none", automatic: false },
    rows: [
      ["SELECT * FROM c WHERE c.n = 7", items],
      ["SELECT TOP 2 * FROM c ORDER BY c.n DESC", items + batch],
      ["SELECT TOP 2 * FROM c ORDER BY c.kind, c.n DESC", items + batch],
      ["SELECT VALUE COUNT(1) FROM c", items],
    ],
  },
];

for (const { name, policy, rows } of policies) {
  test(`${name}: queries load no more than they must, and give what a scan gives`, async () => {
    const fixture = await filled(policy);
    for (const [query, loadedMax] of rows) {
      const { rows: found, loaded } = await fixture.page(query, { pageSize: 1000 });
      assert.deepEqual(found, await fixture.scanned(query), query);
      assert.ok(loaded <= loadedMax, `${query} loaded ${loaded} items, not at most ${loadedMax}`);
    }
  });
}

const composite = {
  ...all,
  excludedPaths: [{ path: "/hidden/*" }],
  compositeIndexes: [
    [
      { path: "/kind", order: "ascending" },
      { path: "/n", order: "descending" },
    ],
    [{ path: "/o/a" }, { path: "/kind" }, { path: "/n", order: "descending" }],
  ],
};

describe("several sort keys need their composite index", () => {
  const served: readonly string[] = [
    "c.kind ASC, c.n DESC",
    "c.kind DESC, c.n ASC",
    "c.o.a, c.kind, c.n DESC",
    "c.o.a DESC, c.kind DESC, c.n",
  ];
  const refused: readonly (readonly [string, RegExp])[] = [
    ["c.kind, c.n", /does not have a corresponding composite index/],
    ["c.n DESC, c.kind", /does not have a corresponding composite index/],
    ["c.o.a, c.kind", /does not have a corresponding composite index/],
    ["c.kind, c.n DESC, c.id", /does not have a corresponding composite index/],
    ["c.hidden.x", /the specified order-by item is excluded/],
  ];

  for (const order of served) {
    test(`served: ${order}`, async () => {
      const fixture = await filled(composite);
      const query = `SELECT TOP 5 * FROM c ORDER BY ${order}`;
      const { rows, loaded } = await fixture.page(query);
      assert.deepEqual(rows, await fixture.scanned(query));
      assert.ok(loaded <= batch, `${loaded} items were loaded`);
    });
  }

  for (const [order, message] of refused) {
    test(`refused: ${order}`, async () => {
      const fixture = await filled(composite);
      await assert.rejects(
        fixture.page(`SELECT * FROM c ORDER BY ${order}`),
        (error) => error instanceof CosmosError && error.status === 400 && message.test(error.message),
      );
    });
  }
});

interface Utilization {
  readonly Utilized: Use;
  readonly Potential: Use;
}

interface Use {
  readonly SingleIndexes: readonly { readonly IndexSpec: string }[];
  readonly CompositeIndexes: readonly { readonly IndexSpecs: readonly string[] }[];
}

describe("index metrics", () => {
  const shown = (use: Use): string[] => [
    ...use.SingleIndexes.map(({ IndexSpec }) => IndexSpec),
    ...use.CompositeIndexes.map(({ IndexSpecs }) => IndexSpecs.join(", ")),
  ];
  const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["SELECT * FROM c WHERE c.n = 1", ["/n/?"], []],
    ["SELECT * FROM c WHERE c.name = 'x' AND c.n > 1", ["/name/?", "/n/?"], ["/name ASC, /n ASC"]],
    ["SELECT * FROM c WHERE c.hidden.x = 1", [], ["/hidden/x/?"]],
    ["SELECT * FROM c ORDER BY c.kind ASC, c.n DESC", ["/kind ASC, /n DESC"], []],
    ["SELECT * FROM c WHERE ARRAY_CONTAINS(c.tags, 'a')", ["/tags/[]/?"], []],
    ['SELECT * FROM c WHERE c["a-b"] > 1', ['/"a-b"/?'], []],
    ["SELECT * FROM c", [], []],
  ];
  for (const [query, utilized, potential] of rows) {
    test(query, async () => {
      const fixture = await filled(composite);
      const v2 = await fixture.page(query, { headers: { "x-ms-cosmos-populateindexmetrics-v2": "true" } });
      const header = v2.headers["x-ms-cosmos-index-utilization"] ?? "";
      const found = JSON.parse(decodeURIComponent(header)) as Utilization;
      assert.deepEqual([shown(found.Utilized), shown(found.Potential)], [utilized, potential]);
      const v1 = await fixture.page(query, { headers: { "x-ms-cosmos-populateindexmetrics": "true" } });
      const old = Buffer.from(v1.headers["x-ms-cosmos-index-utilization"] ?? "", "base64").toString();
      const first = JSON.parse(old) as Readonly<Record<string, never>>;
      const use = (kind: "Utilized" | "Potential"): Use => ({
        SingleIndexes: first[`${kind}SingleIndexes`] ?? [],
        CompositeIndexes: first[`${kind}CompositeIndexes`] ?? [],
      });
      assert.deepEqual([shown(use("Utilized")), shown(use("Potential"))], [utilized, potential]);
      assert.equal((await fixture.page(query)).headers["x-ms-cosmos-index-utilization"], undefined);
    });
  }
});

test("query metrics have every name that clients look for", async () => {
  const fixture = await filled(all);
  const { headers } = await fixture.page("SELECT * FROM c WHERE c.n < 10");
  const pairs = (headers["x-ms-documentdb-query-metrics"] ?? "").split(";").map((pair) => pair.split("="));
  const metrics = new Map(pairs.map(([name = "", value]) => [name, Number(value)]));
  assert.equal(metrics.get("retrievedDocumentCount"), 10);
  assert.equal(metrics.get("outputDocumentCount"), 10);
  assert.ok((metrics.get("retrievedDocumentSize") ?? 0) > 1000);
  for (const name of [
    "totalExecutionTimeInMs",
    "indexLookupTimeInMs",
    "indexUtilizationRatio",
    "VMExecutionTimeInMs",
  ]) {
    assert.ok(Number.isFinite(metrics.get(name)), name);
  }
});

test("a change of policy is told by its progress, and answers stay right meanwhile", async () => {
  const fixture = await openIndexFixture({ settings: { indexingPolicy: all }, sizes: { headRows: 256 } });
  const count = 2_200;
  for (let n = 0; n < count; n++) await fixture.put({ id: `i${n}`, pk: "p", n });
  const { indexes } = fixture.engine;
  await indexes.maintain();
  assert.equal(await indexes.progress(fixture.container()), 100);
  await fixture.putContainer({
    indexingPolicy: { includedPaths: [{ path: "/n/?" }], excludedPaths: [{ path: "/*" }] },
  });
  assert.equal(await indexes.progress(fixture.container()), 0);
  const seen: number[] = [];
  let done = false;
  const watching = (async () => {
    while (!done) {
      seen.push(await indexes.progress(fixture.container()));
      await new Promise((resume) => setImmediate(resume));
    }
  })();
  const during = fixture.page("SELECT * FROM c WHERE c.n = 77");
  await indexes.maintain();
  done = true;
  await watching;
  assert.deepEqual((await during).rows, await fixture.scanned("SELECT * FROM c WHERE c.n = 77"));
  assert.equal(await indexes.progress(fixture.container()), 100);
  assert.ok(
    seen.some((percent) => percent > 0 && percent < 100),
    `only ${[...new Set(seen)].join()} was seen`,
  );
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  assert.equal((await fixture.page("SELECT * FROM c WHERE c.n = 77")).loaded, 1);
});

/**
 * Query plans: the exact rewritten texts, and the refusals.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueryError } from "../../../src/cosmos/query/error.ts";
import type { QueryInfo, QueryPlan } from "../../../src/cosmos/query/plan.ts";
import { prepareQuery } from "../../../src/cosmos/query/prepare.ts";
import { property } from "../../../src/cosmos/query/values.ts";
import { FILTER, infoOf, PK, planOf } from "./plan-fixture.ts";
import { OPTIONS, rowsOf } from "./rows.ts";

const EMPTY: QueryInfo = {
  distinctType: "None",
  top: null,
  offset: null,
  limit: null,
  orderBy: [],
  orderByExpressions: [],
  groupByExpressions: [],
  groupByAliases: [],
  aggregates: [],
  groupByAliasToAggregateType: {},
  rewrittenQuery: "",
  hasSelectValue: false,
  dCountInfo: null,
  hasNonStreamingOrderBy: false,
};

const PLANS: readonly (readonly [string, Partial<QueryInfo>])[] = [
  ["SELECT * FROM c WHERE c.a > 1", {}],
  ["SELECT VALUE c.a FROM c", { hasSelectValue: true }],
  ["SELECT TOP 3 VALUE 1", { hasSelectValue: true }],
  ["SELECT TOP 5 * FROM c", { top: 5 }],
  [
    "SELECT * FROM c OFFSET 1 LIMIT 2",
    { offset: 1, limit: 2, rewrittenQuery: "SELECT *\nFROM c\nOFFSET 0 LIMIT 3" },
  ],
  ["SELECT * FROM c WHERE c.pk = 'x' OFFSET 1 LIMIT 2", {}],
  [
    "SELECT * FROM Root r ORDER BY r.n",
    {
      orderBy: ["Ascending"],
      orderByExpressions: ["r.n"],
      rewrittenQuery: `SELECT r._rid, [{"item": r.n}] AS orderByItems, r AS payload\nFROM Root AS r\nWHERE ${FILTER}\nORDER BY r.n`,
    },
  ],
  [
    "SELECT TOP 2 c.a, c.b + 1 FROM c WHERE c.k = 'z' ORDER BY c.a DESC, c.b",
    {
      top: 2,
      orderBy: ["Descending", "Ascending"],
      orderByExpressions: ["c.a", "c.b"],
      rewrittenQuery:
        'SELECT TOP 2 c._rid, [{"item": c.a}, {"item": c.b}] AS orderByItems, {"a": c.a, "$1": (c.b + 1)} AS payload\n' +
        `FROM c\nWHERE ((c.k = "z") AND ${FILTER})\nORDER BY c.a DESC, c.b`,
    },
  ],
  [
    "SELECT VALUE c.a FROM c WHERE c.d ORDER BY c.b OFFSET 5 LIMIT 6",
    {
      offset: 5,
      limit: 6,
      hasSelectValue: true,
      orderBy: ["Ascending"],
      orderByExpressions: ["c.b"],
      rewrittenQuery:
        'SELECT c._rid, [{"item": c.b}] AS orderByItems, c.a AS payload\n' +
        `FROM c\nWHERE ((c.d AND ${FILTER}) AND IS_DEFINED(c.a))\nORDER BY c.b`,
    },
  ],
  [
    "SELECT DISTINCT VALUE c.b FROM c ORDER BY c.b",
    {
      distinctType: "Ordered",
      hasSelectValue: true,
      orderBy: ["Ascending"],
      orderByExpressions: ["c.b"],
      rewrittenQuery:
        'SELECT c._rid, [{"item": c.b}] AS orderByItems, c.b AS payload\n' +
        `FROM c\nWHERE (${FILTER} AND IS_DEFINED(c.b))\nORDER BY c.b`,
    },
  ],
  ["SELECT DISTINCT c.b FROM c", { distinctType: "Unordered" }],
  [
    "SELECT DISTINCT TOP 2 VALUE c.b FROM c",
    {
      distinctType: "Unordered",
      top: 2,
      hasSelectValue: true,
      rewrittenQuery: "SELECT DISTINCT VALUE c.b\nFROM c",
    },
  ],
  [
    "SELECT DISTINCT c.a FROM c ORDER BY c.b",
    {
      distinctType: "Unordered",
      orderBy: ["Ascending"],
      orderByExpressions: ["c.b"],
      rewrittenQuery: `SELECT c._rid, [{"item": c.b}] AS orderByItems, {"a": c.a} AS payload\nFROM c\nWHERE ${FILTER}\nORDER BY c.b`,
    },
  ],
  [
    "SELECT VALUE COUNT(1) FROM c",
    {
      aggregates: ["Count"],
      hasSelectValue: true,
      rewrittenQuery: 'SELECT VALUE [{"item": COUNT(1)}]\nFROM c',
    },
  ],
  [
    "SELECT VALUE AVG(c.x) FROM c WHERE c.pk = 'x'",
    {
      aggregates: ["Average"],
      hasSelectValue: true,
      rewrittenQuery:
        'SELECT VALUE [{"item": {"sum": SUM(c.x), "count": COUNT(c.x)}}]\nFROM c\nWHERE (c.pk = "x")',
    },
  ],
  [
    "SELECT VALUE max(c.x) FROM c",
    {
      aggregates: ["Max"],
      hasSelectValue: true,
      rewrittenQuery:
        'SELECT VALUE [{"item": max(c.x), "item2": {"max": max(c.x), "count": COUNT(c.x)}}]\nFROM c',
    },
  ],
  [
    "SELECT SUM(c.x) AS s, MAKESET(c.y) FROM c",
    {
      groupByAliases: ["s", "$1"],
      groupByAliasToAggregateType: { s: "Sum", $1: "MakeSet" },
      rewrittenQuery: 'SELECT {"s": {"item": SUM(c.x)}, "$1": {"item": MAKESET(c.y)}} AS payload\nFROM c',
    },
  ],
  [
    "SELECT c.k, COUNT(1) AS n FROM c GROUP BY c.k OFFSET 1 LIMIT 2",
    {
      offset: 1,
      limit: 2,
      groupByExpressions: ["c.k"],
      groupByAliases: ["k", "n"],
      groupByAliasToAggregateType: { k: null, n: "Count" },
      rewrittenQuery:
        'SELECT [{"item": c.k}] AS groupByItems, {"k": c.k, "n": {"item": COUNT(1)}} AS payload\nFROM c\nGROUP BY c.k',
    },
  ],
  [
    "SELECT TOP 5 VALUE c.k FROM c GROUP BY c.k",
    {
      top: 5,
      hasSelectValue: true,
      groupByExpressions: ["c.k"],
      rewrittenQuery: 'SELECT [{"item": c.k}] AS groupByItems, c.k AS payload\nFROM c\nGROUP BY c.k',
    },
  ],
  [
    "SELECT VALUE MIN(c.x) FROM c GROUP BY LOWER(c.k)",
    {
      aggregates: ["Min"],
      hasSelectValue: true,
      groupByExpressions: ["LOWER(c.k)"],
      rewrittenQuery:
        'SELECT [{"item": LOWER(c.k)}] AS groupByItems, [{"item": MIN(c.x), "item2": {"min": MIN(c.x), "count": COUNT(c.x)}}] AS payload\n' +
        "FROM c\nGROUP BY LOWER(c.k)",
    },
  ],
  [
    "SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.k FROM c)",
    {
      distinctType: "Unordered",
      hasSelectValue: true,
      dCountInfo: { dCountAlias: "" },
      rewrittenQuery: "SELECT DISTINCT VALUE c.k\nFROM c",
    },
  ],
  [
    "SELECT TOP 10 c.id FROM c ORDER BY VectorDistance(c.v, @q)",
    {
      top: 10,
      hasNonStreamingOrderBy: true,
      orderBy: ["Descending"],
      orderByExpressions: ["VectorDistance(c.v, @q)"],
      rewrittenQuery:
        'SELECT TOP 10 c._rid, [{"item": VectorDistance(c.v, @q)}] AS orderByItems, {"id": c.id} AS payload\n' +
        `FROM c\nWHERE ${FILTER}\nORDER BY VectorDistance(c.v, @q)`,
    },
  ],
];

for (const [text, expected] of PLANS) {
  test(`plans ${text}`, () => {
    const parameters = [{ name: "@q", value: [1, 0] }];
    const info = infoOf(text, parameters);
    assert.deepEqual(info, { ...EMPTY, ...expected });
    if (info.rewrittenQuery !== "")
      prepareQuery(info.rewrittenQuery.replace(FILTER, "(true)"), parameters, OPTIONS);
  });
}

test("parameters fill TOP, OFFSET and LIMIT of a plan", () => {
  const parameters = [
    { name: "@o", value: 42 },
    { name: "@l", value: 1337 },
  ];
  const info = infoOf("SELECT * FROM c OFFSET @o LIMIT @l", parameters);
  assert.deepEqual(
    [info.offset, info.limit, info.rewrittenQuery],
    [42, 1337, "SELECT *\nFROM c\nOFFSET 0 LIMIT 1379"],
  );
});

test("the weights of a hybrid search may be a parameter", () => {
  const scores = "FullTextScore(c.t, @term), FullTextScore(c.u, 'sea')";
  const term = { name: "@term", value: "red" };
  const rows: readonly (readonly [string, unknown, readonly number[] | "SC2229"])[] = [
    [`RRF(${scores}, @weights)`, [1, 0.5], [1, 0.5]],
    [`RRF(${scores}, [1, 0.5])`, [3, 3], [1, 0.5]],
    [`RRF(${scores})`, [3, 3], []],
    [`RRF(${scores}, @weights)`, [-1, 0], [-1, 0]],
    [`RRF(${scores}, @weights)`, [1], "SC2229"],
    [`RRF(${scores}, @weights)`, [1, null], "SC2229"],
    [`RRF(${scores}, @weights)`, "1, 0.5", "SC2229"],
    [`RRF(${scores}, @weights)`, undefined, "SC2229"],
  ];
  for (const [rank, value, expected] of rows) {
    const plan = (): QueryPlan =>
      planOf(`SELECT TOP 3 c.id FROM c ORDER BY RANK ${rank}`, [term, { name: "@weights", value }]);
    if (expected === "SC2229") assert.throws(plan, /SC2229.*an optional array of weights/);
    else assert.deepEqual(plan().hybridSearchQueryInfo?.componentWeights, expected);
  }
});

test("a hybrid search has statistics and one query a component", () => {
  const plan = planOf(
    "SELECT TOP 3 c.id FROM c ORDER BY RANK RRF(FullTextScore(c.t, 'red', 'blue'), VectorDistance(c.v, [1, 0]), [2, 1])",
  );
  const hybrid = plan.hybridSearchQueryInfo;
  assert.equal(plan.queryInfo, undefined);
  assert.ok(hybrid !== undefined);
  assert.equal(
    hybrid.globalStatisticsQuery,
    'SELECT COUNT(1) AS documentCount, [{"totalWordCount": SUM(_FullTextWordCount(c.t)), "hitCounts": ' +
      '[COUNTIF(FullTextContains(c.t, "red")), COUNTIF(FullTextContains(c.t, "blue"))]}] AS fullTextStatistics\nFROM c',
  );
  const score =
    '_FullTextScore(c.t, ["red", "blue"], {documentdb-formattablehybridsearchquery-totaldocumentcount}, ' +
    "{documentdb-formattablehybridsearchquery-totalwordcount-0}, {documentdb-formattablehybridsearchquery-hitcountsarray-0})";
  const [text, vector] = hybrid.componentQueryInfos;
  assert.deepEqual(text?.orderByExpressions, [score]);
  assert.ok(text?.rewrittenQuery.startsWith(`SELECT TOP 120 c._rid, [{"item": ${score}}] AS orderByItems, `));
  assert.ok(vector?.rewrittenQuery.endsWith(`WHERE ${FILTER}\nORDER BY VectorDistance(c.v, [1, 0])`));
  assert.deepEqual([hybrid.take, hybrid.skip, hybrid.componentWeights], [3, null, [2, 1]]);
  const filled = (text?.rewrittenQuery ?? "")
    .replace(FILTER, "(true)")
    .replaceAll("{documentdb-formattablehybridsearchquery-totaldocumentcount}", "2")
    .replaceAll(/\{documentdb-formattablehybridsearchquery-totalwordcount-\d\}/g, "4")
    .replaceAll(/\{documentdb-formattablehybridsearchquery-hitcountsarray-\d\}/g, "[1, 1]");
  const docs = [
    { id: "1", _rid: "a", t: "a blue car", v: [1, 0] },
    { id: "2", _rid: "b", t: "red", v: [0, 1] },
    { id: "3", _rid: "c", v: [0, 1] },
  ];
  const rows = rowsOf(filled, docs);
  assert.deepEqual(
    rows.map((row) => property(row, "_rid")),
    ["b", "a", "c"],
  );
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  [
    "SELECT VALUE {'s': SUM(c.a)} FROM c",
    /^\{"Errors":\["Compositions of aggregates and other expressions are not allowed."\]\}$/,
  ],
  ["SELECT VALUE [SUM(c.a)] FROM c", /Compositions of aggregates/],
  ["SELECT VALUE FLOOR(AVG(c.a)) FROM c", /Compositions of aggregates/],
  ["SELECT c.k, COUNT(1) + 1 AS n FROM c GROUP BY c.k", /Compositions of aggregates/],
  ["SELECT VALUE s FROM (SELECT VALUE COUNT(1) FROM c) s", /subquery of the FROM clause/],
  ["SELECT BADFUNC(c.a) FROM c", /SC2005/],
];

for (const [text, reason] of REFUSED) {
  test(`has no plan for ${text}`, () => {
    assert.throws(
      () => planOf(text),
      (error) => error instanceof QueryError && reason.test(error.message),
    );
  });
}

test("a client without a feature is told which", () => {
  const text = "SELECT c.k, COUNTIF(c.a) AS n FROM c GROUP BY c.k";
  assert.throws(
    () => planOf(text, [], PK, ["GroupBy"]),
    /Query contained CountIf, which the calling client does not support/,
  );
  assert.doesNotThrow(() => planOf(text, [], PK, [" GroupBy", "countif "]));
  assert.throws(() => planOf("SELECT * FROM c ORDER BY c.a, c.b", [], PK, ["OrderBy"]), /MultipleOrderBy/);
  assert.doesNotThrow(() => planOf("SELECT * FROM c", [], PK, []));
});

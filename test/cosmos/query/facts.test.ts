/**
 * Facts for storage planners: exact for known shapes, and never wrong - whatever item a random filter keeps fulfils
 * one of the alternatives.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Alternative, Condition } from "../../../src/cosmos/query/facts.ts";
import { builtInFunctions } from "../../../src/cosmos/query/functions/table.ts";
import { EACH } from "../../../src/cosmos/query/item-paths.ts";
import { prepareQuery } from "../../../src/cosmos/query/prepare.ts";
import { printQuery } from "../../../src/cosmos/query/print.ts";
import { element, sameValue, type Value } from "../../../src/cosmos/query/values.ts";
import { createRandom, PARAMETERS, randomDocument, randomQuery } from "./generator.ts";
import { OPTIONS, runAll } from "./rows.ts";

const ALTERNATIVES: readonly (readonly [string, readonly (readonly (readonly unknown[])[])[]])[] = [
  ["c.a = 1", [[["a", "in", 1]]]],
  ["1 < c.a.b", [[["a/b", "gt", 1]]]],
  [
    "c.a >= 'x' AND c.b[0] < 2",
    [
      [
        ["a", "ge", "x"],
        ["b/0", "lt", 2],
      ],
    ],
  ],
  ["c.a IN (1, @n)", [[["a", "in", 1, 2]]]],
  [
    "c.a BETWEEN 1 AND 1 + 1",
    [
      [
        ["a", "ge", 1],
        ["a", "le", 2],
      ],
    ],
  ],
  [
    "STARTSWITH(c.a, 'p') AND IS_DEFINED(c.b)",
    [
      [
        ["a", "startsWith", "p"],
        ["b", "defined"],
      ],
    ],
  ],
  ["c.a LIKE 'ab%c'", [[["a", "startsWith", "ab"]]]],
  ["c.a LIKE 'ab'", [[["a", "in", "ab"]]]],
  ["c.a = 1 OR c.b = 2", [[["a", "in", 1]], [["b", "in", 2]]]],
  [
    "(c.a = 1 OR c.b = 2) AND c.d",
    [
      [
        ["d", "in", true],
        ["a", "in", 1],
      ],
      [
        ["d", "in", true],
        ["b", "in", 2],
      ],
    ],
  ],
  ["c.a != 1", [[]]],
  ["c.a = c.b", [[]]],
  ["STARTSWITH(c.a, 'p', true)", [[]]],
  ["NOT (c.a = 1)", [[]]],
  ["c.a NOT IN (1)", [[]]],
  ["c.a = 1 OR LENGTH(c.s) > 2", [[["a", "in", 1]], []]],
  ["c.a = 1 AND LENGTH(c.s) > 2", [[["a", "in", 1]]]],
  ["ARRAY_CONTAINS(c.t, 'x')", [[["t/-1", "in", "x"]]]],
  ["ARRAY_CONTAINS(c.t, {a: 1}, true)", [[]]],
  ["ARRAY_CONTAINS([1, 2], c.a)", [[["a", "in", 1, 2]]]],
  [
    "EXISTS(SELECT VALUE x FROM x IN c.t.u WHERE x.n > 1 AND c.a = 2)",
    [
      [
        ["t/u/-1/n", "gt", 1],
        ["a", "in", 2],
      ],
    ],
  ],
  ["EXISTS(SELECT COUNT(1) FROM x IN c.t WHERE x = 1)", [[]]],
  ["NOT EXISTS(SELECT VALUE x FROM x IN c.t WHERE x = 1)", [[]]],
  ["false", []],
  ["1 = 2 OR c.a = 1", [[["a", "in", 1]]]],
  ["null", []],
];

function shown(alternatives: readonly Alternative[]): unknown {
  return alternatives.map((conditions) =>
    conditions.map(({ path, test: kind, values }) => [path.join("/"), kind, ...values]),
  );
}

for (const [filter, expected] of ALTERNATIVES) {
  test(`alternatives of ${filter}`, () => {
    const { facts } = prepareQuery(`SELECT * FROM c WHERE ${filter}`, PARAMETERS, OPTIONS);
    assert.deepEqual(shown(facts.alternatives), expected);
  });
}

test("facts of a select list", () => {
  const facts = (text: string) => prepareQuery(text, [], OPTIONS).facts;
  assert.deepEqual(
    [
      "SELECT * FROM c",
      "SELECT VALUE root FROM root",
      "SELECT c FROM c",
      "SELECT DISTINCT * FROM c",
      "SELECT * FROM c.a",
    ].map((text) => facts(text).wholeItem),
    [true, true, false, false, false],
  );
  assert.deepEqual(
    [
      "SELECT VALUE COUNT(1) FROM c",
      "SELECT VALUE COUNT(c) FROM c",
      "SELECT VALUE COUNT(c.a) FROM c",
      "SELECT COUNT(1) FROM c",
      "SELECT VALUE COUNT(undefined) FROM c",
      "SELECT VALUE COUNT(1) FROM c GROUP BY c.a",
    ].map((text) => facts(text).countsItems),
    [true, true, false, false, false, false],
  );
  assert.deepEqual(facts("SELECT * FROM r ORDER BY r.a.b DESC, r['x']").orderBy, [
    { path: ["a", "b"], descending: true },
    { path: ["x"], descending: false },
  ]);
  assert.equal(facts("SELECT VALUE x FROM x IN c.l ORDER BY x.a").orderBy, undefined);
  assert.equal(facts("SELECT * FROM c").orderBy, undefined);
  assert.equal(facts("SELECT * FROM families f").alias, "f");
  assert.equal(facts("SELECT * FROM x IN c.l").alias, undefined);
});

function holds(item: Value, { path, ...condition }: Condition): boolean {
  return valuesAt(item, path).some((value) => passes(value, condition));
}

/** All values at a path, whose steps may lead to each element. */
function valuesAt(item: Value, path: Condition["path"]): readonly Value[] {
  let found: readonly Value[] = [item];
  for (const step of path) {
    found = found.flatMap((at) =>
      step !== EACH ? [element(at, step)] : Array.isArray(at) ? (at as Value[]) : [],
    );
  }
  return found;
}

function passes(value: Value, { test: kind, values }: Omit<Condition, "path">): boolean {
  const [limit] = values;
  if (kind === "defined") return value !== undefined;
  if (kind === "in")
    return values.some((one) => value !== undefined && one !== undefined && sameValue(value, one));
  if (kind === "startsWith")
    return typeof value === "string" && typeof limit === "string" && value.startsWith(limit);
  if (typeof value !== typeof limit || value === undefined || limit === undefined) return false;
  if (value === null || limit === null) return value === limit && (kind === "le" || kind === "ge");
  if (kind === "lt") return value < limit;
  if (kind === "le") return value <= limit;
  return kind === "gt" ? value > limit : value >= limit;
}

test("whatever a random filter keeps fulfils an alternative", () => {
  let narrowed = 0;
  for (let seed = 1; seed <= 1_500; seed++) {
    const random = createRandom(seed * 17);
    const docs = Array.from({ length: 6 }, (_, i) => randomDocument(random, i));
    const generated = randomQuery(random, 3);
    const where = generated.where;
    if (where === undefined || generated.from?.length !== 1) continue;
    const text = printQuery({
      kind: "query",
      distinct: false,
      select: { kind: "star", span: generated.span },
      from: generated.from,
      where,
      span: generated.span,
    });
    const prepared = prepareQuery(text, PARAMETERS, OPTIONS);
    const { alternatives } = prepared.facts;
    if (prepared.facts.alias === undefined) continue;
    if (alternatives.every((conditions) => conditions.length > 0)) narrowed++;
    for (const row of runAll(prepared, docs)) {
      const kept = alternatives.some((conditions) => conditions.every((condition) => holds(row, condition)));
      assert.ok(
        kept,
        `seed ${seed}: ${text} keeps ${JSON.stringify(row)} against ${JSON.stringify(alternatives)}`,
      );
    }
  }
  assert.ok(narrowed > 50, `only ${narrowed} filters narrowed`);
});

test("every built-in function has a distinct name and sane arity", () => {
  const functions = builtInFunctions();
  assert.equal(new Set(functions.map(({ name }) => name.toUpperCase())).size, functions.length);
  for (const { name, minimum, maximum } of functions) assert.ok(minimum >= 0 && maximum >= minimum, name);
});

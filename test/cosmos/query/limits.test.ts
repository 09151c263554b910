/**
 * Queries made to hurt: deep nesting, long chains, values that double, patterns that backtrack, joins that multiply.
 * Each must end quickly with a clear 400 or a right answer, and never with a stack overflow.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueryError } from "../../../src/cosmos/query/error.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { rowsOf } from "./rows.ts";

function nestedLets(count: number, combine: string, first: string): string {
  let body = `x${count}`;
  for (let i = count; i > 0; i--) body = `(LET x${i} = ${combine.replaceAll("#", `x${i - 1}`)} IN ${body})`;
  return `SELECT VALUE (LET x0 = ${first} IN ${body})`;
}

function deepArray(depth: number): Value {
  let value: Value = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

const HUNDRED = Array.from({ length: 100 }, (_, i) => i);

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ["parentheses", `SELECT VALUE ${"(".repeat(100_000)}1${")".repeat(100_000)}`, /nesting depth/],
  ["NOT", `SELECT VALUE ${"NOT ".repeat(50_000)}true`, /nesting depth/],
  ["arrays", `SELECT VALUE ${"[".repeat(10_000)}${"]".repeat(10_000)}`, /nesting depth/],
  ["objects", `SELECT VALUE ${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`, /nesting depth/],
  ["calls", `SELECT VALUE ${"ABS(".repeat(10_000)}1${")".repeat(10_000)}`, /nesting depth/],
  ["indexes", `SELECT VALUE ${"c[".repeat(10_000)}1${"]".repeat(10_000)} FROM c`, /nesting depth/],
  ["subqueries", `${"SELECT VALUE (".repeat(5_000)}SELECT 1${")".repeat(5_000)}`, /nesting depth/],
  [
    "sources",
    `${"SELECT VALUE s FROM (".repeat(5_000)}SELECT VALUE 1${") s".repeat(5_000)}`,
    /nesting depth/,
  ],
  ["conditionals", `SELECT VALUE ${"true ? 1 : ".repeat(10_000)}1`, /nesting depth/],
  ["coalescing", `SELECT VALUE 1${" ?? 1".repeat(10_000)}`, /nesting depth/],
  ["a long sum", `SELECT VALUE 1${"+1".repeat(10_000)}`, /expression height/],
  ["a long path", `SELECT VALUE c${".a".repeat(10_000)} FROM c`, /expression height/],
  ["text", `SELECT VALUE '${"x".repeat(600_000)}'`, /text length/],
  ["doubling arrays", nestedLets(60, "[#, #]", "[1]"), /too large/],
  ["doubling texts", nestedLets(60, "CONCAT(#, #)", "'ab'"), /too large/],
  ["doubling by replacement", nestedLets(12, "REPLACE(#, 'a', CONCAT(#, 'a'))", "'aaaa'"), /too large/],
  [
    "a row of repeated items",
    `SELECT VALUE [${Array.from({ length: 20_000 }, () => "c.s").join()}] FROM c`,
    /too large/,
  ],
  [
    "a join of joins",
    `SELECT VALUE COUNT(1) FROM c${HUNDRED.slice(0, 9)
      .map((i) => ` JOIN a${i} IN c.t`)
      .join("")}`,
    /joined rows/,
  ],
  ["back references", "SELECT VALUE RegexMatch(REPLICATE('a', 9000), '^(a*)*\\\\1b$')", /too many steps/],
  [
    "look behind",
    "SELECT VALUE RegexMatch(CONCAT(REPLICATE('a', 5000), 'bd'), '(?<=(a+)+b)c')",
    /too many steps/,
  ],
  ["counted groups", "SELECT VALUE RegexMatch('a', '((a{1,999}){1,999}){1,999}')", /too long/],
  [
    "regex groups",
    `SELECT VALUE RegexMatch('a', '${"(".repeat(5_000)}a${")".repeat(5_000)}')`,
    /nested groups/,
  ],
];

const DOCS: readonly Value[] = [{ id: "1", t: HUNDRED, s: "x".repeat(100_000) }];

for (const [name, text, reason] of REFUSED) {
  test(`refuses ${name}`, () => {
    assert.throws(
      () => rowsOf(text, DOCS),
      (error) => error instanceof QueryError && error.status === 400 && reason.test(error.message),
    );
  });
}

const SERVED: readonly (readonly [string, string, readonly Value[]])[] = [
  ["parentheses within the limit", `SELECT VALUE ${"(".repeat(150)}1${")".repeat(150)}`, [1]],
  ["a sum within the limit", `SELECT VALUE 1${"+1".repeat(400)}`, [401]],
  ["ten thousand conjuncts", `SELECT VALUE c.id FROM c WHERE true${" AND c.id = '1'".repeat(10_000)}`, ["1"]],
  [
    "ten thousand alternatives",
    `SELECT VALUE c.id FROM c WHERE false${" OR c.id = '1'".repeat(10_000)}`,
    ["1"],
  ],
  [
    "twenty thousand list members",
    `SELECT VALUE c.id FROM c WHERE c.id IN (${HUNDRED.map((i) => `${i},`.repeat(200)).join("")}'1')`,
    ["1"],
  ],
  [
    "a pattern of alternatives",
    "SELECT VALUE RegexMatch(CONCAT(REPLICATE('a', 9000), 'b'), '^(a|aa|aaa)+$')",
    [false],
  ],
  ["nested quantifiers", "SELECT VALUE RegexMatch(REPLICATE('a', 9000), '((a+)+)+$')", [true]],
  ["a LIKE of many runs", `SELECT VALUE REPLICATE('a', 9000) LIKE '${"%a".repeat(2_000)}b'`, [false]],
  ["deep text", `SELECT VALUE StringToArray('${"[".repeat(5_000)}${"]".repeat(5_000)}') ?? 'no'`, ["no"]],
  [
    "nested BETWEEN",
    `SELECT VALUE IS_DEFINED(${"(".repeat(100)}1${" BETWEEN 0 AND 2)".repeat(100)})`,
    [false],
  ],
];

for (const [name, text, rows] of SERVED) {
  test(`serves ${name}`, () => {
    assert.deepEqual(rowsOf(text, DOCS), rows);
  });
}

test("refuses parameters nested deeper than an item can be", () => {
  const parameters = [{ name: "@p", value: deepArray(100_000) }];
  assert.throws(() => rowsOf("SELECT VALUE @p = @p", [], parameters), QueryError);
  assert.deepEqual(rowsOf("SELECT VALUE @p = @p", [], [{ name: "@p", value: deepArray(100) }]), [true]);
});

test("lists a bounded number of errors", () => {
  const text = `SELECT ${Array.from({ length: 5_000 }, () => "zz").join()} FROM c`;
  assert.throws(
    () => rowsOf(text),
    (error) => error instanceof QueryError && error.errors.length === 100,
  );
});

/**
 * Printing and parsing are inverse: a random tree printed and parsed is the same tree, and printing that gives the
 * same text.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseQuery } from "../../../src/cosmos/query/parser.ts";
import { printQuery } from "../../../src/cosmos/query/print.ts";
import { createRandom, randomQuery } from "./generator.ts";

const QUERIES = 1_500;

/** The tree without places and without how numbers were written. */
function meaning(tree: unknown): string {
  return JSON.stringify(tree, (key, value: unknown) => {
    if (key === "span" || key === "text" || key.endsWith("Span")) return undefined;
    if (value !== null && typeof value === "object" && "kind" in value && value.kind === "literal") {
      const literal = value as unknown as { value: unknown };
      return { literal: literal.value === undefined ? "undefined" : JSON.stringify(literal.value) };
    }
    return value;
  });
}

/** Keys in one order, because parser and generator build nodes differently. */
function sorted(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

test(`${QUERIES} random trees survive printing and parsing`, () => {
  for (let seed = 1; seed <= QUERIES; seed++) {
    const random = createRandom(seed * 7919);
    const query = randomQuery(random, 1 + random.below(5));
    const text = printQuery(query);
    const parsed = parseQuery(text);
    assert.deepEqual(sorted(meaning(parsed)), sorted(meaning(query)), `seed ${seed}: ${text}`);
    assert.equal(printQuery(parsed), text, `seed ${seed}`);
  }
});

const FORMS: readonly (readonly [string, string])[] = [
  ["select  c.a from  c", "SELECT c.a\nFROM c"],
  [
    "SELECT VALUE c FROM Root r JOIN x IN r.l[0]['q'] JOIN r.p y",
    'SELECT VALUE c\nFROM Root AS r\nJOIN x IN r.l[0]["q"]\nJOIN r.p AS y',
  ],
  ["SELECT c.a AS 'b c', c.d AS 'value' FROM c", 'SELECT c.a AS "b c", c.d AS "value"\nFROM c'],
  ["SELECT * FROM c WHERE NOT c.a AND c.b <> 1", "SELECT *\nFROM c\nWHERE ((NOT c.a) AND (c.b != 1))"],
  ["SELECT - -5, -(5), (-5)[0], 0x10", "SELECT (- -5), -5, (-5)[0], 16"],
  ["SELECT EXISTS(SELECT 1), (SELECT 2)", "SELECT EXISTS(\n    SELECT 1\n), (\n    SELECT 2\n)"],
  ["SELECT 9223372036854775807", "SELECT 9223372036854775807"],
  ["SELECT 1 ? 2 : 3 ? 4 : 5", "SELECT (1 ? 2 : (3 ? 4 : 5))"],
  ["SELECT 1 ?? 2 ?? 3", "SELECT (1 ?? (2 ?? 3))"],
  ["SELECT udf.f(1, @p), LEFT('a', 1)", 'SELECT udf.f(1, @p), LEFT("a", 1)'],
  [
    "SELECT TOP 3 VALUE c.a FROM c ORDER BY c.a, c.b DESC OFFSET 1 LIMIT @n",
    "SELECT TOP 3 VALUE c.a\nFROM c\nORDER BY c.a, c.b DESC\nOFFSET 1 LIMIT @n",
  ],
  ["SELECT c.s NOT LIKE 'a!_' ESCAPE '!' FROM c", 'SELECT (c.s NOT LIKE "a!_" ESCAPE "!")\nFROM c'],
  ["SELECT VALUE (LET x = 1 + 2 IN x * x)", "SELECT VALUE (LET x = (1 + 2) IN (x * x))"],
];

for (const [text, printed] of FORMS) {
  test(`prints ${text}`, () => {
    assert.equal(printQuery(parseQuery(text)), printed);
    assert.equal(printQuery(parseQuery(printed)), printed);
  });
}

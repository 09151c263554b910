/**
 * Key ranges of query plans: which partition keys a filter fixes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PartitionKeyDefinition } from "../../../src/cosmos/query/ranges.ts";
import { PK, planOf } from "./plan-fixture.ts";

const ANY = [["", "FF", true, false]];
const RANGES: readonly (readonly [string, PartitionKeyDefinition, readonly unknown[]])[] = [
  ["SELECT * FROM c", PK, ANY],
  ["SELECT 5", PK, [["", "", true, true]]],
  ["SELECT * FROM c WHERE false", PK, [["", "", true, true]]],
  ["SELECT * FROM c WHERE c.pk = 5", PK, [["[5]", "[5]", true, true]]],
  ["SELECT * FROM c WHERE @p = c.pk", PK, [['["x"]', '["x"]', true, true]]],
  ["SELECT * FROM c WHERE c.pk = null AND c.a > 1", PK, [["[null]", "[null]", true, true]]],
  [
    "SELECT * FROM c WHERE c.pk IN (2, 1, 2)",
    PK,
    [
      ["[1]", "[1]", true, true],
      ["[2]", "[2]", true, true],
    ],
  ],
  [
    "SELECT * FROM c WHERE c.pk = 1 OR c.pk = 2",
    PK,
    [
      ["[1]", "[1]", true, true],
      ["[2]", "[2]", true, true],
    ],
  ],
  ["SELECT * FROM c WHERE c.pk = 1 OR c.a = 2", PK, ANY],
  ["SELECT * FROM c WHERE c.pk = 1 AND c.pk = 2", PK, [["", "", true, true]]],
  ["SELECT * FROM c WHERE (c.pk = 1 OR c.pk = 2) AND c.pk = 2", PK, [["[2]", "[2]", true, true]]],
  ["SELECT * FROM c WHERE NOT (c.pk = 1)", PK, ANY],
  ["SELECT * FROM c WHERE c.pk != 1", PK, ANY],
  ["SELECT * FROM c WHERE c.pk > 1", PK, ANY],
  ["SELECT * FROM c WHERE c.pk", PK, [["[true]", "[true]", true, true]]],
  ["SELECT * FROM c WHERE NOT c.pk", PK, [["[false]", "[false]", true, true]]],
  ["SELECT * FROM c WHERE IS_NULL(c.pk)", PK, [["[null]", "[null]", true, true]]],
  ["SELECT * FROM c WHERE c.pk LIKE 'a!%' ESCAPE '!'", PK, [['["a%"]', '["a%"]', true, true]]],
  [
    "SELECT * FROM c WHERE ARRAY_CONTAINS([1, 2], c.pk)",
    PK,
    [
      ["[1]", "[1]", true, true],
      ["[2]", "[2]", true, true],
    ],
  ],
  ["SELECT * FROM c WHERE c.pk = {}", PK, ANY],
  ["SELECT * FROM c WHERE c.pk = c.a", PK, ANY],
  ["SELECT * FROM c WHERE c.pk = undefined", PK, [["", "", true, true]]],
  ["SELECT VALUE x FROM x IN c.l WHERE x.pk = 1", PK, ANY],
  ["SELECT VALUE c FROM c JOIN x IN c.l WHERE c.pk = 1 AND x.pk = 2", PK, [["[1]", "[1]", true, true]]],
  ["SELECT * FROM c WHERE c.a.b = 1", { paths: ["/a/b"] }, [["[1]", "[1]", true, true]]],
  ["SELECT * FROM c WHERE c['x y'] = 1", { paths: ['/"x y"'] }, [["[1]", "[1]", true, true]]],
  [
    "SELECT * FROM c WHERE c.b = 2 AND c.a = 1",
    { paths: ["/a", "/b"], kind: "MultiHash" },
    [["[1,2]", "[1,2]", true, true]],
  ],
  [
    "SELECT * FROM c WHERE c.a = 1",
    { paths: ["/a", "/b"], kind: "MultiHash" },
    [["[1]", "[1]FF", true, false]],
  ],
  ["SELECT * FROM c WHERE c.b = 1", { paths: ["/a", "/b"], kind: "MultiHash" }, ANY],
  ["SELECT * FROM c WHERE c.a = 1", { paths: ["/a", "/b"], kind: "Hash" }, ANY],
];

for (const [text, definition, expected] of RANGES) {
  test(`ranges of ${text} by ${definition.paths.join()}`, () => {
    const ranges = planOf(text, [{ name: "@p", value: "x" }], definition).queryRanges;
    assert.deepEqual(
      ranges.map(({ min, max, isMinInclusive, isMaxInclusive }) => [
        min,
        max,
        isMinInclusive,
        isMaxInclusive,
      ]),
      expected,
    );
  });
}

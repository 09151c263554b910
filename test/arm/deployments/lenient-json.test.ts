import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseLenient } from "../../../src/arm/deployments/lenient-json.ts";
import { ArmError } from "../../../src/azure/arm-error.ts";

describe("what tools send is read", () => {
  const cases: readonly (readonly [string, string, unknown])[] = [
    ["plain JSON", '{"a":[1,-2.5e3,true,false,null,"x"]}', { a: [1, -2500, true, false, null, "x"] }],
    ["an unquoted key", '{"properties": {template:{"a":1}}}', { properties: { template: { a: 1 } } }],
    ["a key with a dollar", "{$schema: 'x'}", { $schema: "x" }],
    ["single quotes", "{'a': 'it\\'s'}", { a: "it's" }],
    ["line comments", '{ // one\n "a": 1 // two\n}', { a: 1 }],
    ["block comments", '{/* one */"a"/* two */:/* three */1}', { a: 1 }],
    ["trailing commas", '{"a":[1,2,],}', { a: [1, 2] }],
    ["a byte order mark", '\uFEFF{"a":1}', { a: 1 }],
    ["a line break inside a string", '{"a":"x\r\ny"}', { a: "x\r\ny" }],
    ["escapes", '"\\u0041\\n\\t\\/\\\\\\""', 'A\n\t/\\"'],
    ["a comment mark inside a string", '"// no"', "// no"],
    ["the last of repeated members", '{"a":1,"a":2}', { a: 2 }],
    ["a member called __proto__, as data", '{"__proto__":{"x":1}}', JSON.parse('{"__proto__":{"x":1}}')],
  ];
  for (const [what, text, expected] of cases) {
    test(what, () => assert.deepEqual(parseLenient(text).value, expected));
  }
});

describe("what is no such text is refused with its place", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["nothing", "", "line 1, position 1"],
    ["an open object", '{"a":1', "line 1, position 7"],
    ["an open string", '{"a":"x', "line 1"],
    ["an open comment", "{/* ", "line 1, position 2"],
    ["a missing colon", '{"a" 1}', "line 1, position 6"],
    ["a missing comma", '{"a":1\n"b":2}', "line 2, position 1"],
    ["two values", "{} {}", "line 1, position 4"],
    ["a bare word", "{a: hello}", "line 1, position 5"],
    ["a leading zero", "[01]", "line 1, position 2"],
    ["a bad escape", '"\\x"', "line 1"],
    ["a number without end", "1e999", "line 1"],
    ["a missing value", '{"a":}', "line 1, position 6"],
    ["depth", "[".repeat(5000), "deeper"],
  ];
  for (const [what, text, place] of cases) {
    test(what, () => {
      assert.throws(
        () => parseLenient(text),
        (error: unknown) => {
          assert.ok(error instanceof ArmError);
          assert.equal(error.status, 400);
          assert.equal(error.detail.code, "InvalidRequestContent");
          assert.ok(error.message.includes(place), error.message);
          return true;
        },
      );
    });
  }
});

test("members know where their values stand", () => {
  const document = parseLenient('{\n  "a": {\n    b: 1\n  }\n}');
  const { a } = document.value as unknown as { a: object };
  assert.deepEqual(document.positionOf(a, "b"), { line: 3, column: 8 });
  assert.equal(document.positionOf(a, "c"), undefined);
});

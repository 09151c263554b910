import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Environment, evaluateValue, newBudget } from "../../../src/arm/deployments/evaluate.ts";
import { ExpressionError } from "../../../src/arm/deployments/expressions.ts";
import { pureFunctions } from "../../../src/arm/deployments/functions.ts";
import type { Json } from "../../../src/arm/json.ts";

function environment(): Environment {
  return {
    functions: pureFunctions,
    copies: new Map(),
    lambdaVariables: new Map(),
    runtime: () => undefined,
    budget: newBudget(),
  };
}

function run(expression: Json): Json {
  return evaluateValue(expression, environment());
}

/** Expressions and their values; most rows are facts of the service's own tests. */
const values: readonly (readonly [string, Json])[] = [
  ["plain text", "plain text"],
  ["[[not an expression]", "[not an expression]"],
  ["[unfinished", "[unfinished"],
  ["['it''s']", "it's"],
  ["[ toUpper( 'a' ) ]", "A"],
  ["[toLower('ABC')]", "abc"],
  ["[trim('  a ')]", "a"],
  ["[concat('a', 'b', 1, true())]", "ab1True"],
  ["[concat(createArray(1), createArray(2, 3))]", [1, 2, 3]],
  ["[format('{0}-{1}', 'a', 5)]", "a-5"],
  ["[format('{0} {1}', true(), false())]", "True False"],
  ["[format('{0}', createObject('a', 'b'))]", "{'a':'b'}"],
  ["[format('{{{0}}}', 1)]", "{1}"],
  ["[format('{0:D3}|{0,5}|{0,-5}|{1:N0}', 7, 12345)]", "007|    7|7    |12,345"],
  ["[string(true())]", "True"],
  ["[string(createObject('a', createArray(1)))]", '{"a":[1]}'],
  ["[int('42')]", 42],
  ["[bool('true')]", true],
  ["[bool(0)]", false],
  ["[float('1.5')]", 1.5],
  ["[json('{\"a\":[1,null]}').a[0]]", 1],
  ["[json('null')]", null],
  ["[replace('a-b-c', '-', '')]", "abc"],
  ["[substring('hello', 1, 3)]", "ell"],
  ["[substring('hello', 2)]", "llo"],
  ["[substring('hello', 5)]", ""],
  ["[split('a,b;c', createArray(',', ';'))]", ["a", "b", "c"]],
  ["[join(createArray('a', 1, true()), '-')]", "a-1-True"],
  ["[padLeft('7', 3, '0')]", "007"],
  ["[padLeft(7, 3)]", "  7"],
  ["[startsWith('Hello', 'hE')]", true],
  ["[endsWith('Hello', 'LO')]", true],
  ["[indexOf('Hello', 'L')]", 2],
  ["[lastIndexOf('Hello', 'L')]", 3],
  ["[indexOf(createArray('a', 'B'), 'b')]", -1],
  ["[indexOf(createArray('a', 'b'), 'b')]", 1],
  ["[contains('Hello', 'ell')]", true],
  ["[contains('Hello', 'ELL')]", false],
  ["[contains(createArray('a'), 'A')]", false],
  ["[contains(createArray(1, 2), 2)]", true],
  ["[contains(createObject('Key', 1), 'key')]", true],
  ["[length('abc')]", 3],
  ["[length(createArray(1, 2))]", 2],
  ["[length(createObject('a', 1))]", 1],
  ["[empty('')]", true],
  ["[empty(createArray())]", true],
  ["[empty(createObject())]", true],
  ["[empty(null())]", true],
  ["[empty('x')]", false],
  ["[first('abc')]", "a"],
  ["[last(createArray(1, 2))]", 2],
  ["[take(createArray(1, 2, 3), 2)]", [1, 2]],
  ["[skip('hello', 3)]", "lo"],
  ["[take('hi', 9)]", "hi"],
  ["[range(3, 3)]", [3, 4, 5]],
  ["[min(3, 1, 2)]", 1],
  ["[max(createArray(3, 9, 2))]", 9],
  ["[flatten(createArray(createArray(1), createArray(2, 3)))]", [1, 2, 3]],
  ["[union(createArray(1, 2), createArray(2, 3))]", [1, 2, 3]],
  [
    "[union(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2), 'b', 3))]",
    { a: { x: 1, y: 2 }, b: 3 },
  ],
  [
    "[shallowMerge(createArray(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2))))]",
    { a: { y: 2 } },
  ],
  ["[intersection(createArray(1, 2, 3), createArray(3, 2))]", [2, 3]],
  ["[intersection(createObject('a', 1, 'b', 2), createObject('a', 1, 'b', 3))]", { a: 1 }],
  [
    "[items(createObject('b', 2, 'a', 1))]",
    [
      { key: "a", value: 1 },
      { key: "b", value: 2 },
    ],
  ],
  ["[objectKeys(createObject('b', 2, 'a', 1))]", ["b", "a"]],
  ["[createObject('A', 1).a]", 1],
  ["[createObject('a', createArray(5, 6)).a[1]]", 6],
  ["[createObject('a', 1)['A']]", 1],
  ["[tryGet(createObject('a', createArray(1)), 'a', 0)]", 1],
  ["[tryGet(createObject('a', 1), 'x', 'y')]", null],
  ["[tryIndexFromEnd(createArray(1, 2), 1)]", 2],
  ["[coalesce(null(), 'x', fail('never'))]", "x"],
  ["[coalesce(null(), null())]", null],
  ["[if(true(), 'yes', fail('never'))]", "yes"],
  ["[if(false(), fail('never'), 'no')]", "no"],
  ["[and(false(), fail('never'))]", false],
  ["[or(true(), fail('never'))]", true],
  ["[and(true(), true())]", true],
  ["[not(false())]", true],
  ["[xor(true(), true())]", false],
  ["[equals('a', 'A')]", false],
  ["[equals(createObject('a', 1, 'b', 2), createObject('b', 2, 'a', 1))]", true],
  ["[equals(1, '1')]", false],
  ["[less(1, 2)]", true],
  ["[greaterOrEquals('b', 'a')]", true],
  ["[add(1, mul(2, 3))]", 7],
  ["[sub(1, 3)]", -2],
  ["[div(7, 2)]", 3],
  ["[div(-7, 2)]", -3],
  ["[mod(7, 3)]", 1],
  ["[base64('one')]", "b25l"],
  ["[base64ToString('b25l')]", "one"],
  ["[base64ToJson(base64('{\"a\":1}')).a]", 1],
  ["[dataUriToString(dataUri('Hello'))]", "Hello"],
  ["[uri('http://a.com/b/', 'c.json')]", "http://a.com/b/c.json"],
  ["[uriComponent('a b/c')]", "a%20b%2Fc"],
  ["[uriComponentToString('a%20b')]", "a b"],
  ["[guid('test')]", "d6a5baf1-8b9b-542a-8525-2982f1f98a0c"],
  ["[uniqueString('abc')]", "cgtzqvhu4i23s"],
  ["[map(range(1, 3), lambda('n', mul(lambdaVariables('n'), 2)))]", [2, 4, 6]],
  ["[map(createArray('a', 'b'), lambda('v', 'i', lambdaVariables('i')))]", [0, 1]],
  ["[filter(range(1, 4), lambda('n', greater(lambdaVariables('n'), 2)))]", [3, 4]],
  [
    "[sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))]",
    [1, 2, 3],
  ],
  ["[reduce(range(1, 4), 0, lambda('sum', 'n', add(lambdaVariables('sum'), lambdaVariables('n'))))]", 10],
  ["[toObject(createArray('a', 'b'), lambda('k', lambdaVariables('k')), lambda('k', 1))]", { a: 1, b: 1 }],
  [
    "[groupBy(createArray('ax', 'bx', 'ay'), lambda('t', first(lambdaVariables('t'))))]",
    { a: ["ax", "ay"], b: ["bx"] },
  ],
  ["[mapValues(createObject('a', 1), lambda('v', add(lambdaVariables('v'), 1)))]", { a: 2 }],
  ["[dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')]", "2023-04-07T14:53:14Z"],
  ["[dateTimeAdd('2020-04-07T14:53:14Z', '-P9D', 'yyyy-MM-dd')]", "2020-03-29"],
  ["[dateTimeAdd('20200407T145314Z', 'PT1H', 'u')]", "2020-04-07 15:53:14Z"],
  ["[dateTimeToEpoch('1970-01-02T00:00:00Z')]", 86400],
  ["[dateTimeFromEpoch(1577836800)]", "2020-01-01T00:00:00Z"],
  [
    "[parseCidr('10.144.0.0/20')]",
    {
      network: "10.144.0.0",
      netmask: "255.255.240.0",
      broadcast: "10.144.15.255",
      firstUsable: "10.144.0.1",
      lastUsable: "10.144.15.254",
      cidr: 20,
    },
  ],
  ["[cidrSubnet('10.144.0.0/20', 24, 2)]", "10.144.2.0/24"],
  ["[cidrHost('10.144.3.0/24', 4)]", "10.144.3.5"],
  ["[cidrSubnet('fdad:3236:5555::/48', 56, 3)]", "fdad:3236:5555:300::/56"],
  ["[CONCAT('a', ToUpper('b'))]", "aB"],
  [
    "[parseUri('https://a.example.com:8443/b/c?d=e')]",
    { scheme: "https", host: "a.example.com", port: 8443, path: "/b/c", query: "?d=e" },
  ],
  ["[parseUri('https://a.example.com').port]", 443],
  [
    "[buildUri(createObject('scheme', 'https', 'host', 'a.example.com', 'path', 'b', 'query', 'c=d'))]",
    "https://a.example.com/b?c=d",
  ],
  ["[buildUri(parseUri('http://a.example.com:81/b?c=d'))]", "http://a.example.com:81/b?c=d"],
];

describe("expressions have the service's values", () => {
  for (const [expression, expected] of values) {
    test(expression, () => assert.deepEqual(run(expression), expected));
  }
});

/** Expressions that have no value, and a part of the message that says why. */
const refusals: readonly (readonly [string, string])[] = [
  ["[]", "a value is expected"],
  ["[concat('a']", "',' is expected"],
  ["[concat('a',)]", "is not expected"],
  ["[concat('a') 'b']", "follows the end"],
  ["[concat('a'))]", "follows the end"],
  ["['open]", "unexpected character"],
  ["[a.b]", "'(' is expected"],
  ["[1 + 2]", "unexpected character"],
  ["[createObject('a', 1).]", "property name"],
  ["[noSuchFunction('a')]", "The template function 'noSuchFunction' is not valid"],
  ["[toLower()]", "requires 1 argument(s) while 0"],
  ["[toLower('a', 'b')]", "requires 1 argument(s) while 2"],
  ["[substring('a')]", "requires 2 to 3 argument(s)"],
  ["[format()]", "requires at least 1"],
  ["[toLower(1)]", "to be of type 'String'. The provided value is of type 'Integer'"],
  ["[add('1', 2)]", "to be of type 'Integer'"],
  ["[if('true', 1, 2)]", "to be of type 'Boolean'"],
  ["[length(1)]", "to be of type 'Array, Object, String'"],
  ["[concat(createObject())]", "to be of type 'String'"],
  ["[createObject('a', 1).b]", "property 'b' doesn't exist, available properties are 'a'"],
  ["[createArray(1)[1]]", "array index '1' is out of bounds"],
  ["[createArray(1)[-1]]", "out of bounds"],
  ["[null().a]", "is Null, not an object"],
  ["[toLower('a').b]", "is String, not an object"],
  ["[first(createArray())]", "the array is empty"],
  ["[div(1, 0)]", "divided by zero"],
  ["[mod(1, 0)]", "divided by zero"],
  ["[int('x')]", "to be of type 'Integer'"],
  ["[json('{')]", "not valid JSON"],
  ["[base64ToString('***')]", "not valid base64"],
  ["[substring('hello', 3, 9)]", "must refer to a location within the string"],
  ["[substring('hello', -1)]", "cannot be negative"],
  ["[format('{1}', 'a')]", "Index (zero based)"],
  ["[format('{', 'a')]", "a brace stands alone"],
  ["[range(0, 100000)]", "from 0 to 10000"],
  ["[padLeft('a', 99999999)]", "total length"],
  ["[uri('relative', 'b')]", "not an absolute URI"],
  ["[map('abc', lambda('x', 1))]", "to be of type 'Array'"],
  ["[map(createArray(1), 2)]", "a lambda is expected"],
  ["[lambda('x', 1)]", "a lambda is only allowed"],
  ["[lambdaVariables('x')]", "is not defined"],
  ["[filter(createArray(1), lambda('x', 1))]", "to be of type 'Boolean'"],
  ["[dateTimeAdd('yesterday', 'P1D')]", "not a date"],
  ["[dateTimeAdd('2020-01-01T00:00:00Z', 'P')]", "not valid ISO 8601"],
  ["[parseCidr('10.0.0.0/33')]", "not a CIDR"],
  ["[cidrHost('10.0.0.0/30', 99)]", "out of range"],
  ["[createObject('a')]", "in pairs"],
  ["[fail('my own words')]", "my own words"],
];

describe("what is no expression is refused with a reason", () => {
  for (const [expression, reason] of refusals) {
    test(expression, () => {
      assert.throws(
        () => run(expression),
        (error: unknown) => {
          assert.ok(error instanceof ExpressionError, String(error));
          assert.ok(error.message.includes(reason), error.message);
          return true;
        },
      );
    });
  }
});

describe("no expression exhausts the machine", () => {
  const cases: readonly (readonly [string, Json])[] = [
    ["nested calls", `[${"toLower(".repeat(2000)}'a'${")".repeat(2000)}]`],
    ["nested brackets", `[createArray(1)${"[createArray(0)".repeat(500)}${"]".repeat(500)}]`],
    ["a chain of accessors", `[createObject('b', 1)${".b".repeat(5000)}]`],
    ["length", `[concat('${"a".repeat(30000)}')]`],
    ["work", "[map(range(0, 10000), lambda('a', map(range(0, 10000), lambda('b', 1))))]"],
    [
      "memory",
      "[reduce(range(0, 100), 'aaaaaaaa', lambda('s', 'n', concat(lambdaVariables('s'), lambdaVariables('s'))))]",
    ],
    ["depth of values", "[reduce(range(0, 9000), 1, lambda('s', 'n', createArray(lambdaVariables('s'))))]"],
    ["a property loop", { copy: [{ name: "a", count: 801, input: 1 }] }],
  ];
  for (const [what, expression] of cases) {
    test(what, { timeout: 30_000 }, () => assert.throws(() => run(expression), ExpressionError));
  }
});

test("property loops and member names are evaluated inside trees", () => {
  const tree = {
    copy: [{ name: "disks", count: "[add(1, 1)]", input: { "[concat('l', 'un')]": 1, escaped: "[[x]" } }],
    plain: [true, "[toUpper('a')]"],
  };
  assert.deepEqual(run(tree), {
    disks: [
      { lun: 1, escaped: "[x]" },
      { lun: 1, escaped: "[x]" },
    ],
    plain: [true, "A"],
  });
});

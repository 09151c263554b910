/** Every function of the template language: that it is there, and that wrong arguments are refused with its name. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Environment, TemplateFunction } from "../../../src/arm/deployments/evaluate.ts";
import { evaluate, newBudget } from "../../../src/arm/deployments/evaluate.ts";
import { ExpressionError, parseExpression } from "../../../src/arm/deployments/expressions.ts";
import { pureFunctions } from "../../../src/arm/deployments/functions.ts";
import { messageOf, openGroupFixture, outcome } from "../fixture.ts";
import { deploy, template } from "./templates.ts";

const pure =
  "array concat contains createArray createObject empty first flatten indexOf intersection items join json last lastIndexOf length max min null objectKeys range shallowMerge skip take tryGet tryIndexFromEnd union mapValues groupBy filter map reduce sort toObject lambda lambdaVariables base64 base64ToJson base64ToString dataUri dataUriToString endsWith format guid padLeft replace split startsWith string substring toLower toUpper trim uniqueString uri uriComponent uriComponentToString buildUri parseUri add sub mul div mod int float and or not xor if bool true false coalesce equals less lessOrEquals greater greaterOrEquals dateTimeAdd dateTimeFromEpoch dateTimeToEpoch parseCidr cidrSubnet cidrHost fail".split(
    " ",
  );

/** Functions about the deployment and its place, which only a whole deployment has. */
const placed =
  "parameters variables deployment deployer environment resourceId subscriptionResourceId tenantResourceId managementGroupResourceId extensionResourceId reference references listKeys resourceGroup subscription tenant managementGroup copyIndex".split(
    " ",
  );

const environment: Environment = {
  functions: pureFunctions,
  copies: new Map(),
  lambdaVariables: new Map(),
  runtime: () => undefined,
  budget: newBudget(),
};

function run(expression: string): unknown {
  return evaluate(parseExpression(`[${expression}]`), { ...environment, budget: newBudget() });
}

function definitionOf(name: string): TemplateFunction {
  const definition = pureFunctions.get(name.toLowerCase());
  assert.ok(definition !== undefined, `there is no function ${name}`);
  return definition;
}

describe("the number of arguments", () => {
  for (const name of pure) {
    test(name, () => {
      const { min, max } = definitionOf(name);
      const wrong = [...(min > 0 ? [min - 1] : []), ...(Number.isFinite(max) ? [max + 1] : [])];
      for (const count of wrong) {
        const values = Array.from({ length: count }, () => "'x'").join(", ");
        assert.throws(
          () => run(`${name}(${values})`),
          (error) =>
            error instanceof ExpressionError &&
            error.message.includes(`'${name}'`) &&
            error.message.includes(`${count} were provided`),
          `${name} with ${count} arguments`,
        );
      }
    });
  }
});

/** Each with a value of a type that it does not take. */
const wrongTypes: readonly string[] = [
  "concat('a', createArray('b'))",
  "contains(1, 'a')",
  "createObject('a')",
  "createObject(1, 'a')",
  "empty(1)",
  "first(1)",
  "flatten('a')",
  "flatten(createArray('a'))",
  "indexOf(1, 'a')",
  "intersection('a', 'b')",
  "items(createArray('a'))",
  "join('a', ',')",
  "join(createArray('a'), 1)",
  "json(1)",
  "json('{')",
  "last(1)",
  "lastIndexOf('a', 1)",
  "length(1)",
  "max('a')",
  "min(createArray('a'))",
  "objectKeys('a')",
  "range('a', 1)",
  "range(0, -1)",
  "shallowMerge(createArray('a'))",
  "skip(1, 1)",
  "skip('a', 'b')",
  "take('a', 'b')",
  "tryIndexFromEnd('a', 1)",
  "union('a', 'b')",
  "filter('a', lambda('x', true()))",
  "map(1, lambda('x', 1))",
  "reduce('a', 0, lambda('a', 'b', 1))",
  "sort('a', lambda('a', 'b', true()))",
  "toObject('a', lambda('x', 'y'))",
  "groupBy('a', lambda('x', 'y'))",
  "mapValues('a', lambda('x', 'y'))",
  "lambdaVariables('nothing')",
  "base64(1)",
  "base64ToJson('a')",
  "dataUri(createObject())",
  "dataUriToString('nothing')",
  "endsWith(1, 'a')",
  "startsWith('a', 1)",
  "format(1)",
  "format('{1}', 'a')",
  "padLeft('a', 'b')",
  "replace('a', 1, 'b')",
  "split(1, ',')",
  "substring('abc', 4)",
  "substring('abc', 1, 9)",
  "toLower(1)",
  "toUpper(createArray())",
  "trim(1)",
  "uri(1, 'a')",
  "uriComponent(1)",
  "uriComponentToString('%')",
  "buildUri('a')",
  "parseUri('nothing')",
  "add('a', 1)",
  "sub(1, 'a')",
  "mul(1, true())",
  "div(1, 0)",
  "mod(1, 0)",
  "int('a')",
  "float('a')",
  "and('a', true())",
  "or(1, true())",
  "not('a')",
  "xor('a', true())",
  "if('a', 1, 2)",
  "bool('maybe')",
  "less(1, 'a')",
  "greater(createArray(), 1)",
  "dateTimeAdd('nothing', 'P1D')",
  "dateTimeAdd('2020-01-01T00:00:00Z', 'nothing')",
  "dateTimeFromEpoch('a')",
  "dateTimeToEpoch('nothing')",
  "parseCidr('nothing')",
  "parseCidr('10.0.0.0/33')",
  "cidrSubnet('10.0.0.0/16', 8, 0)",
  "cidrHost('10.0.0.0/30', 9)",
  "fail('because')",
];

describe("the types of arguments", () => {
  for (const expression of wrongTypes) {
    test(expression, () => {
      assert.throws(() => run(expression), ExpressionError);
    });
  }
});

describe("functions of a deployment", () => {
  test("are all there", async () => {
    const fixture = await openGroupFixture();
    for (const name of placed) {
      const document = template({
        outputs: { o: { type: "string", value: `[${name}(1, 2, 3, 4, 5, 6, 7)]` } },
      });
      await deploy(fixture, document, { name });
      const { body } = await fixture.send(
        "GET",
        `/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/Shop/providers/Microsoft.Resources/deployments/${name}`,
      );
      const text = JSON.stringify(body["properties"]?.["error"]);
      assert.ok(text.includes(`'${name}'`), `${name}: ${text}`);
      assert.ok(
        !text.includes("is not valid. Please see https://aka.ms/arm-functions for usage"),
        `${name}: ${text}`,
      );
    }
  });

  test("an unknown one is refused by name before anything runs", async () => {
    const fixture = await openGroupFixture();
    const document = template({
      variables: { v: "[nothing('x')]" },
      resources: [{ type: "a.b/c", apiVersion: "2020-01-01", name: "[variables('v')]" }],
    });
    const answer = await deploy(fixture, document);
    assert.equal(outcome(answer), "400 InvalidTemplate");
    assert.match(messageOf(answer), /The template function 'nothing' is not valid/);
  });
});

/** Templates made to be too much: each ends with an error in bounded time, and the next deployment works. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, type ArmFixture, group, openGroupFixture } from "../fixture.ts";

const schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";
const path = `${group}/providers/Microsoft.Resources/deployments/big`;

type Template = Readonly<Record<string, unknown>>;

const header = { $schema: schema, contentVersion: "1.0.0.0" };

function sites(count: number): Template {
  const copy = { name: "loop", count };
  return {
    resources: [
      {
        type: "Microsoft.Web/sites",
        apiVersion: "2023-12-01",
        name: "[concat('s', copyIndex())]",
        location: "westeurope",
        copy,
      },
    ],
  };
}

/** `levels` of nested deployments, each a loop of `count`. */
function nested(levels: number, count: number): Template {
  if (levels === 0) return { resources: [] };
  return {
    resources: [
      {
        type: "Microsoft.Resources/deployments",
        apiVersion: "2022-09-01",
        name: `[concat('n${levels}-', copyIndex())]`,
        copy: { name: "loop", count },
        properties: {
          mode: "Incremental",
          expressionEvaluationOptions: { scope: "inner" },
          template: { ...header, ...nested(levels - 1, count) },
        },
      },
    ],
  };
}

/** Each variable is twice the one before. */
function doubling(times: number): Template {
  const variables = Array.from({ length: times }, (_, index) => {
    const before = index === 0 ? "'0123456789'" : `variables('v${index - 1}')`;
    return [`v${index}`, `[concat(${before}, ${before})]`];
  });
  const value = `[length(variables('v${times - 1}'))]`;
  return {
    resources: [],
    variables: Object.fromEntries(variables),
    outputs: { size: { type: "int", value } },
  };
}

function calls(depth: number): Template {
  const value = `[${"concat(".repeat(depth)}'x'${")".repeat(depth)}]`;
  return { resources: [], outputs: { deep: { type: "string", value } } };
}

async function deploy(fixture: ArmFixture, template: Template): Promise<Answer> {
  const properties = { mode: "Incremental", template: { ...header, ...template } };
  return fixture.send("PUT", path, { body: { properties } });
}

/** The code of a refusal, or of what the deployment failed with. */
async function ending(fixture: ArmFixture, answer: Answer): Promise<string> {
  if (answer.status >= 400) return String(answer.body["error"]?.["code"]);
  for (;;) {
    const { body } = await fixture.send("GET", path);
    const state = String(body["properties"]?.["provisioningState"]);
    if (state !== "Running" && state !== "Accepted") {
      const error = body["properties"]?.["error"];
      return error === undefined ? state : JSON.stringify(error).slice(0, 2000);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("templates that are too much", () => {
  const cases: readonly (readonly [string, Template, RegExp])[] = [
    ["801 copies", sites(801), /^InvalidTemplate$/],
    ["a thousand calls in each other", calls(1000), /DeploymentOutputEvaluationFailed|InvalidTemplate/],
    [
      "a hundred thousand calls in each other",
      calls(100_000),
      /DeploymentOutputEvaluationFailed|InvalidTemplate/,
    ],
    ["a value that doubles forty times", doubling(40), /DeploymentOutputEvaluationFailed|InvalidTemplate/],
    ["loops of nested deployments", nested(4, 30), /DeploymentResourceLimitExceeded/],
  ];
  for (const [name, template, expected] of cases) {
    test(name, async () => {
      const fixture = await openGroupFixture();
      assert.match(await ending(fixture, await deploy(fixture, template)), expected);
      assert.deepEqual(fixture.faults, []);
      assert.equal(await ending(fixture, await deploy(fixture, sites(1))), "Succeeded");
    });
  }

  test("800 copies are deployed", async () => {
    const fixture = await openGroupFixture({ inlineMilliseconds: 60_000 });
    assert.equal(await ending(fixture, await deploy(fixture, sites(800))), "Succeeded");
    const listed = await fixture.send("GET", `${group}/resources`);
    assert.equal(listed.body["value"]?.["length"] as unknown, 800);
  });
});

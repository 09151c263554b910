/** Templates made to be too much: each ends with an error in bounded time, and the next deployment works. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sized } from "../../full-size.ts";
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

/** 800 resources written out, padded to `bytes` with comments in their properties. */
function longTemplate(bytes: number): string {
  const each = Math.floor(bytes / 800) - 200;
  const resources = Array.from({ length: 800 }, (_, index) =>
    JSON.stringify({
      type: "Microsoft.Web/sites",
      apiVersion: "2023-12-01",
      name: `s${index}`,
      location: "westeurope",
      properties: { comment: "x".repeat(each) },
    }),
  );
  return `{"properties":{"mode":"Incremental","template":{"$schema":"${schema}","contentVersion":"1.0.0.0","resources":[\n${resources.join(",\n")}\n]}}}`;
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
    ["loops of nested deployments", nested(sized(3, 4), sized(13, 30)), /DeploymentResourceLimitExceeded/],
  ];
  for (const [name, template, expected] of cases) {
    test(name, async () => {
      const fixture = await openGroupFixture();
      assert.match(await ending(fixture, await deploy(fixture, template)), expected);
      assert.deepEqual(fixture.faults, []);
      assert.equal(await ending(fixture, await deploy(fixture, sites(1))), "Succeeded");
    });
  }

  test("800 copies are deployed, in less than ten seconds", async () => {
    const fixture = await openGroupFixture({ inlineMilliseconds: 60_000 });
    // Processor time: what else the machine does meanwhile is no business of the deployment.
    const before = process.cpuUsage();
    assert.equal(await ending(fixture, await deploy(fixture, sites(800))), "Succeeded");
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 10_000_000, `it took ${user + system} microseconds`);
    const listed = await fixture.send("GET", `${group}/resources`);
    assert.equal(listed.body["value"]?.["length"] as unknown, 800);
  });

  test("a template of nearly 4 MB is deployed, and a longer one is refused", async () => {
    const fixture = await openGroupFixture({ inlineMilliseconds: 60_000 });
    const body = longTemplate(4_100_000);
    assert.ok(body.length > 3_900_000 && body.length < 4 * 1024 * 1024, String(body.length));
    assert.equal(await ending(fixture, await fixture.send("PUT", path, { body })), "Succeeded");
    const longer = await fixture.send("PUT", path, { body: longTemplate(4_600_000) });
    assert.equal(longer.status, 413);
    assert.equal(longer.body["error"]?.["code"] as unknown, "RequestContentTooLarge");
    assert.equal(
      longer.body["error"]?.["message"] as unknown,
      "The request content size exceeds the maximum size of 4 MB.",
    );
  });

  const malformed: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["no JSON", "hello"],
    ["a string that does not end", '{"properties": {"mode": "Incre'],
    ["an array", "[]"],
    ["a bracket too many", '{"properties": {}}}'],
    ["brackets without measure", "[".repeat(1_000_000)],
    ["objects without measure", '{"a":'.repeat(500_000)],
  ];
  for (const [name, body] of malformed) {
    test(`a body that is ${name}`, async () => {
      const fixture = await openGroupFixture();
      const answer = await fixture.send("PUT", path, { body });
      assert.match(
        `${answer.status} ${answer.body["error"]?.["code"]}`,
        /^400 (InvalidRequestContent|InvalidDeployment)$/,
      );
      assert.deepEqual(fixture.faults, []);
    });
  }

  test("an expression that is too long names the limit", async () => {
    const fixture = await openGroupFixture();
    const value = `[concat('${"x".repeat(24_600)}')]`;
    const answer = await deploy(fixture, {
      resources: [],
      variables: {},
      outputs: { o: { type: "string", value } },
    });
    assert.match(await ending(fixture, answer), /length limit of '24576' characters is exceeded/);
  });
});

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type ArmFixture, group, openGroupFixture, outcome, type Shown } from "../fixture.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../../..");

async function demoTemplate(): Promise<unknown> {
  return JSON.parse(await readFile(join(root, "demo/main.json"), "utf8"));
}

async function deployDemo(fixture: ArmFixture, parameters: object = {}, as?: string) {
  const template = await demoTemplate();
  const url = `${group}/providers/Microsoft.Resources/deployments/main`;
  const body = { properties: { mode: "Incremental", template, parameters } };
  return fixture.send("PUT", url, as === undefined ? { body } : { body, as });
}

describe("the demo template", () => {
  test("makes identities, account, database, container, role and assignment", async () => {
    const fixture = await openGroupFixture();
    const answer = await deployDemo(fixture);
    assert.equal(outcome(answer), "201", JSON.stringify(answer.body));
    const properties = answer.body["properties"] as Shown;
    assert.equal(properties["provisioningState"], "Succeeded");
    console.log(JSON.stringify(answer.body, undefined, 1));
  });
});

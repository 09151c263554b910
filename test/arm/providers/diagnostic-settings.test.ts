/** Diagnostic settings: what may be set, who may set it, and what is told to those who write the logs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DiagnosticSetting } from "../../../src/arm/diagnostic-settings.ts";
import { type ArmFixture, group, messageOf, openGroupFixture, outcome, subscription } from "../fixture.ts";

const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/shop`;
const storage = `${group}/providers/Microsoft.Storage/storageAccounts/logs`;
const workspace = `${group}/providers/Microsoft.OperationalInsights/workspaces/logs`;
const settingsOf = (resource: string): string =>
  `${resource}/providers/Microsoft.Insights/diagnosticSettings`;

/** Members of a setting: one category on, to the storage account, and what a case changes. */
function setting(category: string, more: Readonly<Record<string, unknown>> = {}): object {
  return { properties: { storageAccountId: storage, logs: [{ category, enabled: true }], ...more } };
}

async function open(): Promise<{ fixture: ArmFixture; told: () => readonly string[] }> {
  let newest: readonly DiagnosticSetting[] = [];
  const fixture = await openGroupFixture({
    diagnosticSettings(all) {
      newest = all;
    },
  });
  await fixture.send("PUT", account, { body: { location: "westeurope", properties: {} } });
  await fixture.send("PUT", storage, { body: { location: "westeurope", properties: {} } });
  const told = (): readonly string[] =>
    newest.map(
      ({ resourceId, categories, destinations }) =>
        `${resourceId.split("/").pop()}: ${categories.join()} to ${destinations.map((id) => id.split("/").pop()).join()}`,
    );
  return { fixture, told };
}

test("a setting switches categories on and off, and ends with its resource", async () => {
  const { fixture, told } = await open();
  const one = `${settingsOf(account)}/all`;
  assert.deepEqual(told(), []);
  const made = await fixture.send("PUT", one, { body: setting("DataPlaneRequests") });
  assert.equal(outcome(made), "200");
  assert.equal(made.body["properties"]?.["logs"]?.[0]?.["category"] as unknown, "DataPlaneRequests");
  assert.equal(made.body["properties"]?.["workspaceId"] as unknown, null);
  assert.deepEqual(told(), ["shop: DataPlaneRequests to logs"]);
  const off = { logs: [{ category: "DataPlaneRequests", enabled: false }] };
  await fixture.send("PUT", one, { body: setting("", off) });
  assert.deepEqual(told(), ["shop:  to logs"]);
  const groups = { logs: [{ categoryGroup: "audit", enabled: true }] };
  await fixture.send("PUT", one, { body: setting("", groups) });
  assert.match(told()[0] ?? "", /DataPlaneRequests,ControlPlaneRequests/);
  await fixture.send("DELETE", one);
  assert.deepEqual(told(), []);
  await fixture.send("PUT", one, { body: setting("ControlPlaneRequests", { workspaceId: workspace }) });
  assert.deepEqual(told(), ["shop: ControlPlaneRequests to logs,logs"]);
  await fixture.send("DELETE", account);
  for (let turn = 0; turn < 100 && told().length > 0; turn++) await new Promise(setImmediate);
  assert.deepEqual(told(), []);
  assert.equal((await fixture.send("GET", one)).status, 404);
});

test("the subscription's activity log, and settings of a resource that logs nothing", async () => {
  const { fixture, told } = await open();
  const one = `${settingsOf(subscription)}/activity`;
  assert.equal(outcome(await fixture.send("PUT", one, { body: setting("Administrative") })), "200");
  const other = await fixture.send("PUT", `${settingsOf(storage)}/s`, { body: setting("StorageRead") });
  assert.equal(outcome(other), "200");
  assert.deepEqual([...told()].sort(), [
    `${subscription.split("/").pop()}: Administrative to logs`,
    "logs:  to logs",
  ]);
});

test("the categories that can be set", async () => {
  const { fixture } = await open();
  const list = `${account}/providers/Microsoft.Insights/diagnosticSettingsCategories`;
  const { body } = await fixture.send("GET", list);
  const names = (body["value"] as unknown as { name: string }[]).map(({ name }) => name);
  assert.ok(names.includes("DataPlaneRequests") && names.includes("Requests"));
  assert.equal(
    (await fixture.send("GET", `${list}/dataplanerequests`)).body["name"] as unknown,
    "DataPlaneRequests",
  );
  assert.equal((await fixture.send("GET", `${list}/nonsense`)).status, 404);
});

describe("refused", () => {
  const cases: readonly (readonly [string, object, string, string])[] = [
    ["an unknown category", setting("Nonsense"), "400 BadRequest", "Category 'Nonsense' is not supported."],
    [
      "an unknown group",
      setting("", { logs: [{ categoryGroup: "some", enabled: true }] }),
      "400 BadRequest",
      "Category group 'some' is not supported.",
    ],
    [
      "no destination",
      { properties: { logs: [{ category: "DataPlaneRequests", enabled: true }] } },
      "400 BadRequest",
      "At least one data sink needs to be specified.",
    ],
    [
      "an entry without a category",
      setting("", { logs: [{ enabled: true }] }),
      "400 BadRequest",
      "Each entry of 'logs' and 'metrics' needs a 'category' or a 'categoryGroup'.",
    ],
    [
      "logs that are no list",
      setting("", { logs: "all" }),
      "400 BadRequest",
      "The property 'logs' must be a list.",
    ],
    [
      "the same category to the same place twice",
      setting("ControlPlaneRequests"),
      "409 Conflict",
      `Data sink '${storage}' is already used in diagnostic setting 'first' for category 'ControlPlaneRequests'. Data sinks can't be reused in different settings on the same category for the same resource.`,
    ],
  ];
  for (const [name, body, expected, message] of cases) {
    test(name, async () => {
      const { fixture, told } = await open();
      await fixture.send("PUT", `${settingsOf(account)}/first`, { body: setting("ControlPlaneRequests") });
      const answer = await fixture.send("PUT", `${settingsOf(account)}/second`, { body });
      assert.equal(outcome(answer), expected);
      assert.equal(messageOf(answer), message);
      assert.deepEqual(told(), ["shop: ControlPlaneRequests to logs"]);
    });
  }

  test("a sixth setting, and a resource that is not there", async () => {
    const { fixture } = await open();
    for (const name of ["a", "b", "c", "d", "e"]) {
      const body = setting("", { logs: [], workspaceId: workspace });
      assert.equal(outcome(await fixture.send("PUT", `${settingsOf(account)}/${name}`, { body })), "200");
    }
    const sixth = await fixture.send("PUT", `${settingsOf(account)}/f`, {
      body: setting("DataPlaneRequests"),
    });
    assert.equal(outcome(sixth), "400 BadRequest");
    const nowhere = await fixture.send("PUT", `${settingsOf(`${account}x`)}/a`, {
      body: setting("DataPlaneRequests"),
    });
    assert.equal(outcome(nowhere), "404 ResourceNotFound");
  });
});

describe("who may set them", () => {
  const cases: readonly (readonly [string, readonly (readonly [string, string])[], string])[] = [
    ["a reader", [["Reader", group]], "403 AuthorizationFailed"],
    ["an operator of accounts", [["Cosmos DB Operator", group]], "403 AuthorizationFailed"],
    ["a contributor to the account alone", [["Contributor", account]], "403 LinkedAuthorizationFailed"],
    [
      "a contributor to the account who reads the storage account",
      [
        ["Contributor", account],
        ["Reader", storage],
      ],
      "403 LinkedAuthorizationFailed",
    ],
    [
      "a contributor to both",
      [
        ["Contributor", account],
        ["Contributor", storage],
      ],
      "200",
    ],
    [
      "a monitoring contributor of the group with the storage account's keys",
      [["Contributor", group]],
      "200",
    ],
  ];
  for (const [name, roles, expected] of cases) {
    test(name, async () => {
      const { fixture, told } = await open();
      const user = await fixture.user("someone");
      for (const [role, scope] of roles) await fixture.grant(user, role, scope);
      const answer = await fixture.send("PUT", `${settingsOf(account)}/s`, {
        body: setting("DataPlaneRequests"),
        as: user,
      });
      assert.equal(outcome(answer), expected);
      assert.equal(told().length, expected === "200" ? 1 : 0);
    });
  }
});

/** What-if: the changes a deployment would make, and that it makes none of them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ArmFixture, group, openGroupFixture, outcome, type Shown } from "../fixture.ts";

const schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";
const path = `${group}/providers/Microsoft.Resources/deployments/what`;

type Resource = Readonly<Record<string, unknown>>;

function body(resources: readonly Resource[], more: Resource = {}): unknown {
  const template = { $schema: schema, contentVersion: "1.0.0.0", resources };
  return { properties: { mode: "Incremental", template, ...more } };
}

const site = (more: Resource = {}, name = "app"): Resource => ({
  type: "Microsoft.Web/sites",
  apiVersion: "2023-12-01",
  name,
  location: "West Europe",
  properties: { httpsOnly: true, siteConfig: { linuxFxVersion: "NODE|20", alwaysOn: false } },
  ...more,
});

async function whatIf(fixture: ArmFixture, sent: unknown): Promise<readonly Shown[]> {
  const answer = await fixture.send("POST", `${path}/whatIf`, { body: sent });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body["properties"]?.["changes"] as unknown as readonly Shown[];
}

async function deployed(...resources: readonly Resource[]): Promise<ArmFixture> {
  const fixture = await openGroupFixture();
  const answer = await fixture.send("PUT", path, { body: body(resources) });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return fixture;
}

/** `Type name` of each change. */
function summary(changes: readonly Shown[]): readonly string[] {
  return changes.map(({ changeType, resourceId }) => `${changeType} ${String(resourceId).split("/").pop()}`);
}

describe("what-if", () => {
  test("a resource that is not there is created, and stays away", async () => {
    const fixture = await openGroupFixture();
    const changes = await whatIf(fixture, body([site()]));
    assert.deepEqual(summary(changes), ["Create app"]);
    assert.equal(changes[0]?.["after"]?.["properties"]?.["httpsOnly"] as unknown, true);
    const id = String(changes[0]?.["resourceId"]);
    assert.equal((await fixture.send("GET", id)).status, 404);
    assert.equal((await fixture.send("GET", path)).status, 404);
  });

  const modifications: readonly (readonly [string, Resource, unknown])[] = [
    ["nothing", {}, undefined],
    ["the same place spelled otherwise", { location: "westeurope" }, undefined],
    ["a new tag", { tags: { a: "b" } }, [["tags", "Create"]]],
    [
      "a nested value",
      { properties: { siteConfig: { alwaysOn: true } } },
      [["properties.siteConfig.alwaysOn", "Modify"]],
    ],
    ["a new property", { properties: { reserved: true } }, [["properties.reserved", "Modify"]]],
    ["another kind", { kind: "app,linux" }, [["kind", "Modify"]]],
  ];
  for (const [name, more, expected] of modifications) {
    test(`changed: ${name}`, async () => {
      const fixture = await deployed(site());
      const [change] = await whatIf(fixture, body([site(more)]));
      assert.equal(String(change?.["changeType"]), expected === undefined ? "NoChange" : "Modify");
      const delta = change?.["delta"] as unknown as
        | readonly { path: string; propertyChangeType: string }[]
        | undefined;
      assert.deepEqual(
        delta?.map((each) => [each.path, each.propertyChangeType]),
        expected,
      );
    });
  }

  test("an account and its children, deployed again, do not change", async () => {
    const account = {
      type: "Microsoft.DocumentDB/databaseAccounts",
      apiVersion: "2024-08-15",
      name: "shop",
      location: "West Europe",
      properties: {
        databaseAccountOfferType: "Standard",
        locations: [{ locationName: "westeurope", failoverPriority: 0 }],
      },
    };
    const database = {
      type: "Microsoft.DocumentDB/databaseAccounts/sqlDatabases",
      apiVersion: "2024-08-15",
      name: "shop/db",
      location: "westeurope",
      properties: { resource: { id: "db" }, options: {} },
      dependsOn: ["shop"],
    };
    const fixture = await deployed(account, database);
    const changes = await whatIf(fixture, body([account, database]));
    assert.deepEqual(summary(changes), ["NoChange shop", "NoChange db"]);
  });

  test("removed tags and changed arrays", async () => {
    const cors = (origins: readonly string[]): Resource => ({ properties: { cors: origins } });
    const fixture = await deployed(site({ tags: { a: "1", b: "2" }, ...cors(["x", "y"]) }));
    const [change] = await whatIf(fixture, body([site({ tags: { a: "1" }, ...cors(["x", "z", "w"]) })]));
    assert.deepEqual(change?.["delta"] as unknown, [
      {
        path: "properties.cors",
        propertyChangeType: "Array",
        before: ["x", "y"],
        after: ["x", "z", "w"],
        children: [
          {
            path: "1",
            propertyChangeType: "Modify",
            before: "y",
            after: "z",
          },
          { path: "2", propertyChangeType: "Create", after: "w" },
        ],
      },
      { path: "tags.b", propertyChangeType: "Delete", before: "2" },
    ]);
  });

  test("what the template does not name is ignored, or deleted in Complete mode", async () => {
    const fixture = await deployed(site(), site({}, "old"));
    assert.deepEqual([...summary(await whatIf(fixture, body([site()])))].sort(), [
      "Ignore old",
      "NoChange app",
    ]);
    const complete = await whatIf(fixture, body([site()], { mode: "Complete" }));
    assert.deepEqual([...summary(complete)].sort(), ["Delete old", "NoChange app"]);
    assert.equal((await fixture.send("GET", `${group}/providers/Microsoft.Web/sites/old`)).status, 200);
  });

  test("false conditions are left out, nested deployments are looked into", async () => {
    const fixture = await openGroupFixture();
    const nested = {
      type: "Microsoft.Resources/deployments",
      apiVersion: "2022-09-01",
      name: "inner",
      properties: {
        mode: "Incremental",
        expressionEvaluationOptions: { scope: "inner" },
        template: { $schema: schema, contentVersion: "1.0.0.0", resources: [site({}, "nested")] },
      },
    };
    const changes = await whatIf(fixture, body([site({ condition: false }), nested]));
    assert.deepEqual(summary(changes), ["Create nested"]);
  });

  test("an expression over what does not exist yet is shown as it is written", async () => {
    const fixture = await openGroupFixture();
    const reference = "[reference(resourceId('Microsoft.Web/sites', 'app')).defaultHostName]";
    const changes = await whatIf(
      fixture,
      body([site(), site({ properties: { url: reference }, dependsOn: ["app"] }, "second")]),
    );
    assert.equal(changes[1]?.["after"]?.["properties"]?.["url"] as unknown, reference);
  });

  test("ids alone, when asked for", async () => {
    const fixture = await openGroupFixture();
    const changes = await whatIf(
      fixture,
      body([site()], { whatIfSettings: { resultFormat: "ResourceIdOnly" } }),
    );
    assert.deepEqual(Object.keys(changes[0] ?? {}).sort(), ["changeType", "resourceId"]);
  });

  test("what the template does not name is shown as far as the caller may read it, and never with its secrets", async () => {
    const server = {
      type: "Microsoft.Sql/servers",
      apiVersion: "2023-08-01",
      name: "sql",
      location: "westeurope",
      properties: { administratorLogin: "admin", administratorLoginPassword: "Hidden-1" },
    };
    const fixture = await deployed(site(), server);
    const all = await whatIf(fixture, body([site()]));
    assert.deepEqual([...summary(all)].sort(), ["Ignore sql", "NoChange app"]);
    assert.ok(!JSON.stringify(all).includes("Hidden-1"));
    const as = await fixture.user("deployer");
    const name = "aaaaaaaa-0000-4000-8000-000000000001";
    const definition = `${group}/providers/Microsoft.Authorization/roleDefinitions/${name}`;
    const actions = ["Microsoft.Resources/deployments/*", "Microsoft.Web/sites/*"];
    const permissions = [{ actions, notActions: [], dataActions: [], notDataActions: [] }];
    const properties = {
      roleName: "Site deployer",
      type: "CustomRole",
      assignableScopes: [group],
      permissions,
    };
    await fixture.send("PUT", definition, { apiVersion: "2022-04-01", body: { properties } });
    await fixture.grant(as, "Site deployer", group);
    const answer = await fixture.send("POST", `${path}/whatIf`, { as, body: body([site()]) });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const seen = answer.body["properties"]?.["changes"] as unknown as readonly Shown[];
    assert.deepEqual(summary(seen), ["NoChange app"]);
  });

  test("a caller who could not deploy learns nothing", async () => {
    const fixture = await deployed(site());
    for (const role of [undefined, "Reader"]) {
      const as = await fixture.user("somebody", role);
      const answer = await fixture.send("POST", `${path}/whatIf`, { as, body: body([site()]) });
      assert.equal(outcome(answer), "403 AuthorizationFailed");
    }
  });
});

test("the template of a deployment is exported as it was sent, and goes with it", async () => {
  const fixture = await deployed(site());
  const exported = await fixture.send("POST", `${path}/exportTemplate`);
  assert.deepEqual(exported.body["template"]?.["resources"]?.[0] as unknown, site());
  await fixture.send("DELETE", path);
  assert.equal(outcome(await fixture.send("POST", `${path}/exportTemplate`)), "404 DeploymentNotFound");
});

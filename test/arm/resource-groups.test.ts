import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { group, messageOf, openArmFixture, openGroupFixture, outcome, subscription } from "./fixture.ts";

describe("making a group", () => {
  test("keeps its name's casing, answers 201 then 200, and takes any spelling of a region", async () => {
    const { send } = await openArmFixture();
    const made = await send("PUT", `${subscription}/resourcegroups/My-RG`, {
      body: { location: "West Europe", tags: { a: "1" } },
    });
    assert.equal(made.status, 201);
    assert.deepEqual(made.body, {
      id: `${subscription}/resourceGroups/My-RG`,
      name: "My-RG",
      type: "Microsoft.Resources/resourceGroups",
      location: "westeurope",
      tags: { a: "1" },
      properties: { provisioningState: "Succeeded" },
    });
    const again = await send("PUT", `${subscription}/resourceGroups/MY-rg`, {
      body: { location: "westeurope" },
    });
    assert.equal(again.status, 200);
    assert.equal(again.body["name"], "My-RG");
    assert.equal(again.body["tags"], undefined);
    const patched = await send("PATCH", `${subscription}/resourceGroups/my-rg`, {
      body: { tags: { b: "2" } },
    });
    assert.deepEqual(patched.body["tags"], { b: "2" });
    assert.equal((await send("HEAD", `${subscription}/resourcegroups/my-rg`)).status, 204);
    assert.equal((await send("HEAD", `${subscription}/resourcegroups/none`)).status, 404);
  });

  const cases: readonly (readonly [string, string, object, string])[] = [
    ["no location", "a", {}, "400 LocationRequired"],
    ["an unknown location", "a", { location: "atlantis" }, "400 LocationNotAvailableForResourceGroup"],
    ["a space in the name", "a%20b", { location: "westeurope" }, "400 InvalidResourceGroup"],
    ["a quote in the name", "a'b", { location: "westeurope" }, "400 InvalidResourceGroup"],
    ["a period at the end", "a.", { location: "westeurope" }, "400 InvalidResourceGroup"],
    ["a name of 91 characters", "a".repeat(91), { location: "westeurope" }, "400 InvalidResourceGroup"],
    [
      "another location for the same group",
      "Shop",
      { location: "eastus" },
      "409 InvalidResourceGroupLocation",
    ],
  ];
  for (const [what, name, body, expected] of cases) {
    test(`refused: ${what}`, async () => {
      const { send } = await openGroupFixture();
      const answer = await send("PUT", `${subscription}/resourceGroups/${name}`, { body });
      assert.equal(outcome(answer), expected);
      if (name !== "Shop")
        assert.equal((await send("GET", `${subscription}/resourceGroups/${name}`)).status, 404);
    });
  }
  test("allowed: letters of other scripts, parentheses, 90 characters", async () => {
    const { send } = await openArmFixture();
    for (const name of ["größe-(1)_x.y", "a".repeat(90)]) {
      const target = `${subscription}/resourceGroups/${encodeURIComponent(name)}`;
      assert.equal((await send("PUT", target, { body: { location: "westeurope" } })).status, 201);
      assert.equal((await send("GET", target)).body["name"], name);
    }
  });
});

test("deleting a group takes everything in it, through every provider, and nothing beside it", async () => {
  const { send, identity, cosmos, store, faults } = await openGroupFixture();
  const neighbour = `${subscription}/resourceGroups/Shop2`;
  await send("PUT", neighbour, { body: { location: "westeurope" } });
  const principals: string[] = [];
  for (const scope of [group, neighbour]) {
    const name = scope.endsWith("2") ? "two" : "one";
    await send(
      "PUT",
      `${scope}/providers/Microsoft.DocumentDB/databaseAccounts/${name}`
        .replace("one", "one-db")
        .replace("two", "two-db"),
      {
        body: { location: "westeurope" },
      },
    );
    const made = await send(
      "PUT",
      `${scope}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`,
      {
        body: { location: "westeurope" },
      },
    );
    principals.push(String(made.body["properties"]?.["principalId"]));
    const host = await send("PUT", `${scope}/providers/Microsoft.Web/sites/${name}`, {
      body: { location: "westeurope", identity: { type: "SystemAssigned" } },
    });
    principals.push(String(host.body["identity"]?.["principalId"]));
    const deployment = { properties: { mode: "Incremental", template: emptyTemplate } };
    assert.equal(
      (await send("PUT", `${scope}/providers/Microsoft.Resources/deployments/d`, { body: deployment }))
        .status,
      201,
    );
  }
  assert.equal((await send("DELETE", group.replace("resourceGroups", "resourcegroups"))).status, 200);
  assert.equal(outcome(await send("GET", group)), "404 ResourceGroupNotFound");
  assert.equal(outcome(await send("DELETE", group)), "404 ResourceGroupNotFound");
  const alive = await Promise.all(principals.map((id) => identity.directory.find(id)));
  assert.deepEqual(
    alive.map((principal) => principal !== undefined),
    [false, false, true, true],
  );
  assert.deepEqual(
    (await cosmos.listAccounts(store)).map((account) => account.name),
    ["two-db"],
  );
  await send("PUT", group, { body: { location: "westeurope" } });
  assert.deepEqual((await send("GET", `${group}/resources`)).body["value"], []);
  assert.equal(
    outcome(await send("GET", `${group}/providers/Microsoft.Resources/deployments/d`)),
    "404 DeploymentNotFound",
  );
  assert.equal((await send("GET", `${neighbour}/providers/Microsoft.Resources/deployments/d`)).status, 200);
  assert.deepEqual(faults, []);
});

const emptyTemplate = {
  $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  contentVersion: "1.0.0.0",
  resources: [],
};

test("groups are listed by tag; a filter of another form is refused, not ignored", async () => {
  const { send } = await openGroupFixture();
  const groups = `${subscription}/resourceGroups`;
  await send("PUT", `${groups}/Tagged`, {
    body: { location: "westeurope", tags: { env: "dev", team: "a" } },
  });
  const names = async (filter: string): Promise<unknown> => {
    const answer = await send("GET", `${groups}?$filter=${encodeURIComponent(filter)}`);
    if (answer.status !== 200) return outcome(answer);
    return (answer.body["value"] as unknown as { name: string }[]).map((each) => each.name);
  };
  assert.deepEqual(await names("tagName eq 'ENV' and tagValue eq 'dev'"), ["Tagged"]);
  assert.deepEqual(await names("tagName eq 'env' and tagValue eq 'a'"), []);
  assert.deepEqual(await names("tagName eq 'team'"), ["Tagged"]);
  assert.deepEqual(await names("tagValue eq 'a'"), ["Tagged"]);
  assert.equal(await names("name eq 'Tagged'"), "400 InvalidFilterInQueryString");
  assert.equal(await names("startswith(name, 'T')"), "400 InvalidFilterInQueryString");
});

describe("resources of any type are kept as written", () => {
  test("with canonical ids, and listed by type, group and filter", async () => {
    const { send } = await openGroupFixture();
    const target = `${group.toLowerCase()}/providers/microsoft.datafactory/FACTORIES/App`;
    const made = await send("PUT", target, {
      body: {
        location: "westeurope",
        kind: "app",
        tags: { env: "dev" },
        properties: { serverFarmId: "x", provisioningState: "Creating" },
      },
    });
    const expected = {
      id: `${group}/providers/Microsoft.DataFactory/factories/App`,
      name: "App",
      type: "Microsoft.DataFactory/factories",
      location: "westeurope",
      kind: "app",
      tags: { env: "dev" },
      properties: { serverFarmId: "x", provisioningState: "Succeeded" },
    };
    assert.equal(made.status, 200);
    assert.deepEqual(made.body, expected);
    assert.deepEqual((await send("PUT", target.replace("App", "APP"), { body: made.body })).body, expected);
    assert.deepEqual(
      (await send("GET", `${group}/providers/Microsoft.DataFactory/factories`)).body["value"],
      [expected],
    );
    assert.deepEqual(
      (await send("GET", `${subscription}/providers/Microsoft.DataFactory/factories`)).body["value"],
      [expected],
    );
    assert.deepEqual((await send("GET", `${group}/providers/Microsoft.Web/serverfarms`)).body["value"], []);
    const count = async (filter: string): Promise<number> => {
      const answer = await send("GET", `${group}/resources?$filter=${encodeURIComponent(filter)}`);
      return (answer.body["value"] as unknown as unknown[]).length;
    };
    assert.equal(await count("resourceType eq 'microsoft.datafactory/factories'"), 1);
    assert.equal(await count("resourceType eq 'Microsoft.Web/serverfarms'"), 0);
    assert.equal(await count("name eq 'app' and tagName eq 'env' and tagValue eq 'dev'"), 1);
    assert.equal(await count("tagName eq 'env' and tagValue eq 'prod'"), 0);
  });

  test("a child needs its parent and goes with it", async () => {
    const { send } = await openGroupFixture();
    const site = `${group}/providers/Microsoft.Web/sites/app`;
    const child = await send("PUT", `${site}/config/web`, { body: { properties: { a: 1 } } });
    assert.equal(outcome(child), "404 ParentResourceNotFound");
    assert.equal(
      messageOf(child),
      `Failed to perform 'write' on resource(s) of type 'sites/config', because the parent resource '${site}' could not be found.`,
    );
    await send("PUT", site, { body: { location: "westeurope" } });
    assert.equal((await send("PUT", `${site}/config/web`, { body: { properties: { a: 1 } } })).status, 200);
    assert.equal((await send("GET", `${site}/config`)).body["value"]?.[0]?.["name"], "web");
    assert.equal((await send("DELETE", site)).status, 200);
    assert.equal((await send("DELETE", site)).status, 204);
    assert.equal((await send("GET", `${site}/config/web`)).status, 404);
  });

  test("an extension resource stands below what it extends", async () => {
    const { send } = await openGroupFixture();
    const site = `${group}/providers/Microsoft.Web/sites/app`;
    const setting = `${site}/providers/Microsoft.Insights/diagnosticSettings/all`;
    await send("PUT", site, { body: { location: "westeurope" } });
    const properties = {
      logs: [],
      workspaceId: `${group}/providers/Microsoft.OperationalInsights/workspaces/w`,
    };
    assert.equal((await send("PUT", setting, { body: { properties } })).body["id"], setting);
    const listed = await send("GET", `${site}/providers/Microsoft.Insights/diagnosticSettings`);
    assert.equal(listed.body["value"]?.[0]?.["id"], setting);
    await send("DELETE", site);
    assert.equal((await send("GET", setting)).status, 404);
  });

  test("PATCH merges properties, removes nulls, replaces tags", async () => {
    const { send } = await openGroupFixture();
    const site = `${group}/providers/Microsoft.DataFactory/factories/app`;
    await send("PUT", site, {
      body: { location: "westeurope", tags: { a: "1" }, properties: { deep: { x: 1, y: 2 }, gone: 1 } },
    });
    const { body } = await send("PATCH", site, {
      body: { tags: { b: "2" }, properties: { DEEP: { y: 3 }, gone: null } },
    });
    assert.deepEqual(body["tags"], { b: "2" });
    assert.deepEqual(body["properties"], { deep: { x: 1, y: 3 }, provisioningState: "Succeeded" });
    assert.equal(body["location"], "westeurope");
  });

  test("a member called __proto__ is data and nothing else", async () => {
    const { send } = await openGroupFixture();
    const site = `${group}/providers/Microsoft.DataFactory/factories/app`;
    await send("PUT", site, {
      body: '{"location":"westeurope","properties":{"__proto__":{"polluted":true}}}',
    });
    const { body } = await send("PATCH", site, { body: '{"properties":{"__proto__":{"more":1}}}' });
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
    assert.deepEqual(Object.keys(body["properties"] ?? {}), ["__proto__", "provisioningState"]);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Answer,
  type ArmFixture,
  group,
  messageOf,
  openGroupFixture,
  outcome,
  type Shown,
  subscription,
  tenantId,
} from "./fixture.ts";

const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/shop-db`;
const readerRole = `${account}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000001`;
const guid = "00000000-0000-4000-8000-00000000cccc";

async function withAccount(properties: object = {}): Promise<ArmFixture> {
  const fixture = await openGroupFixture();
  const made = await fixture.send("PUT", account, { body: { location: "westeurope", properties } });
  if (made.status !== 200) throw new Error(JSON.stringify(made.body));
  return fixture;
}

function putAccount(fixture: ArmFixture, body: object, name: string = "shop-db"): Promise<Answer> {
  return fixture.send("PUT", account.replace("shop-db", name), { body });
}

describe("an account", () => {
  test("is shown with every property that tools read, wherever it came from", async () => {
    const fixture = await withAccount({
      databaseAccountOfferType: "Standard",
      consistencyPolicy: { defaultConsistencyLevel: "Session" },
      locations: [{ locationName: "westeurope", failoverPriority: 0 }],
      capabilities: [{ name: "EnableServerless" }],
    });
    const { body } = await fixture.send(
      "GET",
      account.toUpperCase().replace("/SUBSCRIPTIONS", "/subscriptions"),
    );
    assert.equal(body["id"], account);
    assert.equal(body["type"], "Microsoft.DocumentDB/databaseAccounts");
    assert.equal(body["location"], "West Europe");
    assert.equal(body["kind"], "GlobalDocumentDB");
    assert.deepEqual(body["identity"], { type: "None" });
    assert.equal(body["systemData"]?.["createdAt"], "2026-01-02T00:00:00.000Z");
    const properties = body["properties"] as Shown;
    const endpoint = "https://localhost:18081/";
    const expected: Readonly<Record<string, unknown>> = {
      provisioningState: "Succeeded",
      documentEndpoint: endpoint,
      EnabledApiTypes: "Sql",
      publicNetworkAccess: "Enabled",
      disableLocalAuth: false,
      disableKeyBasedMetadataWriteAccess: false,
      enableFreeTier: false,
      minimalTlsVersion: "Tls12",
      createMode: "Default",
      capabilities: [{ name: "EnableServerless" }],
      consistencyPolicy: {
        defaultConsistencyLevel: "Session",
        maxIntervalInSeconds: 5,
        maxStalenessPrefix: 100,
      },
      failoverPolicies: [{ id: "shop-db-westeurope", locationName: "West Europe", failoverPriority: 0 }],
    };
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(properties[name], value, name);
    const region = {
      id: "shop-db-westeurope",
      locationName: "West Europe",
      documentEndpoint: endpoint,
      provisioningState: "Succeeded",
      failoverPriority: 0,
      isZoneRedundant: false,
    };
    for (const name of ["locations", "readLocations", "writeLocations"])
      assert.deepEqual(properties[name], [region], name);
  });

  test("is written back as it was read without a change", async () => {
    const fixture = await withAccount({ enableAutomaticFailover: true });
    const before = (await fixture.send("GET", account)).body;
    assert.deepEqual((await putAccount(fixture, before)).body, before);
  });

  test("takes settings by PUT and PATCH, and hands them to the data plane", async () => {
    const fixture = await withAccount();
    const stored = async () => fixture.cosmos.getAccount(fixture.store, "shop-db");
    assert.equal((await stored())?.disableLocalAuth, false);
    const patch = {
      properties: {
        disableLocalAuth: true,
        consistencyPolicy: { defaultConsistencyLevel: "strong" },
        apiProperties: {},
      },
    };
    const patched = await fixture.send("PATCH", account, { body: patch });
    assert.equal(patched.body["properties"]?.["disableLocalAuth"], true);
    assert.equal(patched.body["properties"]?.["consistencyPolicy"]?.["defaultConsistencyLevel"], "Strong");
    assert.equal((await stored())?.disableLocalAuth, true);
    assert.equal((await stored())?.defaultConsistencyLevel, "Strong");
    await putAccount(fixture, { properties: { disableKeyBasedMetadataWriteAccess: true } });
    assert.equal((await stored())?.disableLocalAuth, false);
    assert.equal((await stored())?.disableKeyBasedMetadataWriteAccess, true);
    assert.equal((await stored())?.location, "westeurope");
    assert.equal((await stored())?.enforcesThroughput, false);
    await fixture.send("PATCH", account, { body: { tags: { "celestite-throughput": "Enforce" } } });
    assert.equal((await stored())?.enforcesThroughput, true);
  });

  for (const [type, enableAllVersionsAndDeletesChangeFeed, kept] of [
    ["Continuous", true, true],
    ["continuous", true, true],
    ["Continuous", false, false],
    ["Periodic", true, false],
  ] as const) {
    test(`keeps every version with ${type} backup, asked for: ${enableAllVersionsAndDeletesChangeFeed}`, async () => {
      const fixture = await withAccount({ backupPolicy: { type }, enableAllVersionsAndDeletesChangeFeed });
      assert.equal((await fixture.cosmos.getAccount(fixture.store, "shop-db"))?.keepsVersions, kept);
    });
  }

  test("carries identities of its own", async () => {
    const fixture = await withAccount();
    const { body } = await fixture.send("PATCH", account, { body: { identity: { type: "SystemAssigned" } } });
    const principalId = String(body["identity"]?.["principalId"]);
    assert.equal((await fixture.identity.directory.find(principalId))?.resourceId, account);
    await fixture.send("DELETE", account);
    assert.equal(await fixture.identity.directory.find(principalId), undefined);
  });

  test("has a name that is free until it is taken, in every group", async () => {
    const fixture = await openGroupFixture();
    const name = "/providers/Microsoft.DocumentDB/databaseAccountNames/shop-db";
    assert.equal((await fixture.send("HEAD", name)).status, 404);
    await putAccount(fixture, { location: "westeurope" });
    assert.equal((await fixture.send("HEAD", name)).status, 200);
    const other = `${subscription}/resourceGroups/Other`;
    await fixture.send("PUT", other, { body: { location: "westeurope" } });
    const foreign = await fixture.send("PUT", account.replace(group, other), {
      body: { location: "westeurope" },
    });
    assert.equal(outcome(foreign), "400 BadRequest");
    assert.match(
      messageOf(foreign),
      /^Dns record for shop-db under zone Document is already taken\.\r\nActivityId: /,
    );
    assert.equal((await fixture.send("DELETE", account)).status, 204);
    assert.equal((await fixture.send("DELETE", account)).status, 204);
    assert.equal((await fixture.send("HEAD", name)).status, 404);
    assert.equal(
      (await fixture.send("PUT", account.replace(group, other), { body: { location: "westeurope" } })).status,
      200,
    );
  });

  const cases: readonly (readonly [string, string, object, string])[] = [
    ["no location", "new", {}, "400 LocationRequired"],
    ["an upper-case name", "Shop", { location: "westeurope" }, "400 BadRequest"],
    ["a name of two characters", "ab", { location: "westeurope" }, "400 BadRequest"],
    ["a name of 45 characters", "a".repeat(45), { location: "westeurope" }, "400 BadRequest"],
    ["a hyphen at the end", "abc-", { location: "westeurope" }, "400 BadRequest"],
    ["another API", "new", { location: "westeurope", kind: "MongoDB" }, "501 NotImplemented"],
    [
      "another API by capability",
      "new",
      { location: "westeurope", properties: { capabilities: [{ name: "EnableCassandra" }] } },
      "501 NotImplemented",
    ],
    [
      "an unknown consistency",
      "new",
      { location: "westeurope", properties: { consistencyPolicy: { defaultConsistencyLevel: "Loose" } } },
      "400 BadRequest",
    ],
    [
      "a text for a boolean",
      "new",
      { location: "westeurope", properties: { disableLocalAuth: "yes" } },
      "400 BadRequest",
    ],
  ];
  for (const [what, name, body, expected] of cases) {
    test(`refused: ${what}`, async () => {
      const fixture = await openGroupFixture();
      assert.equal(outcome(await putAccount(fixture, body, name)), expected);
      assert.deepEqual(await fixture.cosmos.listAccounts(fixture.store), []);
    });
  }
});

describe("keys", () => {
  test("are listed in three forms and regenerated one by one", async () => {
    const fixture = await withAccount();
    const list = async (): Promise<Record<string, string>> =>
      (await fixture.send("POST", `${account}/listKeys`)).body as unknown as Record<string, string>;
    const before = await list();
    assert.deepEqual(Object.keys(before), [
      "primaryMasterKey",
      "secondaryMasterKey",
      "primaryReadonlyMasterKey",
      "secondaryReadonlyMasterKey",
    ]);
    const strings = await fixture.send("POST", `${account}/listConnectionStrings`);
    assert.deepEqual(
      (strings.body["connectionStrings"] as unknown as Record<string, string>[]).map((each) => [
        each["description"],
        each["connectionString"],
      ]),
      [
        [
          "Primary SQL Connection String",
          `AccountEndpoint=https://localhost:18081/;AccountKey=${before["primaryMasterKey"]};`,
        ],
        [
          "Secondary SQL Connection String",
          `AccountEndpoint=https://localhost:18081/;AccountKey=${before["secondaryMasterKey"]};`,
        ],
        [
          "Primary Read-Only SQL Connection String",
          `AccountEndpoint=https://localhost:18081/;AccountKey=${before["primaryReadonlyMasterKey"]};`,
        ],
        [
          "Secondary Read-Only SQL Connection String",
          `AccountEndpoint=https://localhost:18081/;AccountKey=${before["secondaryReadonlyMasterKey"]};`,
        ],
      ],
    );
    const readonly = await fixture.send("GET", `${account}/readonlykeys`);
    assert.deepEqual(Object.keys(readonly.body), ["primaryReadonlyMasterKey", "secondaryReadonlyMasterKey"]);
    const answer = await fixture.send("POST", `${account}/regenerateKey`, {
      body: { keyKind: "secondaryReadonly" },
    });
    assert.equal(answer.status, 200);
    const after = await list();
    const changed = Object.keys(before).filter((name) => before[name] !== after[name]);
    assert.deepEqual(changed, ["secondaryReadonlyMasterKey"]);
    for (const body of [{ keyKind: "third" }, {}]) {
      assert.equal(
        outcome(await fixture.send("POST", `${account}/regenerateKey`, { body })),
        "400 BadRequest",
      );
    }
    assert.deepEqual(await list(), after);
  });
});

describe("databases and containers", () => {
  const database = `${account}/sqlDatabases/db`;
  const container = `${database}/containers/items`;
  const resource = { id: "items", partitionKey: { paths: ["/pk"], kind: "Hash" }, defaultTtl: -1 };

  test("are made, read, listed and deleted, and the data plane has them", async () => {
    const fixture = await withAccount();
    const made = await fixture.send("PUT", database, {
      body: { properties: { resource: { id: "db", createMode: "Default" }, options: {} } },
    });
    assert.equal(made.status, 200);
    assert.equal(made.body["id"], database);
    assert.equal(made.body["type"], "Microsoft.DocumentDB/databaseAccounts/sqlDatabases");
    const shown = made.body["properties"]?.["resource"] as Shown;
    assert.deepEqual(Object.keys(shown).sort(), ["_colls", "_etag", "_rid", "_self", "_ts", "_users", "id"]);
    const put = await fixture.send("PUT", container, { body: { properties: { resource } } });
    assert.equal(put.status, 200, JSON.stringify(put.body));
    assert.equal(put.body["properties"]?.["resource"]?.["defaultTtl"], -1);
    assert.equal(
      (await fixture.send("PUT", database, { body: { properties: { resource: { id: "db" } } } })).status,
      200,
    );
    assert.deepEqual((await fixture.send("GET", container)).body, put.body);
    assert.notEqual(await fixture.cosmos.getContainer(fixture.store, "shop-db", "db", "items"), undefined);
    for (const [list, name] of [
      [`${account}/sqlDatabases`, "db"],
      [`${database}/containers`, "items"],
    ] as const) {
      assert.equal((await fixture.send("GET", list)).body["value"]?.[0]?.["name"], name);
    }
    assert.equal((await fixture.send("DELETE", container)).status, 204);
    assert.equal(outcome(await fixture.send("GET", container)), "404 NotFound");
    assert.equal((await fixture.send("DELETE", database)).status, 204);
    assert.equal(outcome(await fixture.send("GET", database)), "404 NotFound");
  });

  const cases: readonly (readonly [string, string, object, string])[] = [
    ["no resource", database, { properties: {} }, "400 BadRequest"],
    ["another id than the path's", database, { properties: { resource: { id: "other" } } }, "400 BadRequest"],
    ["an id of a wrong type", database, { properties: { resource: { id: 1 } } }, "400 BadRequest"],
    ["a container in no database", container, { properties: { resource } }, "404 NotFound"],
    [
      "a database in no account",
      database.replace("shop-db", "none"),
      { properties: { resource: { id: "db" } } },
      "404 ResourceNotFound",
    ],
    ["throughput", `${database}/throughputSettings/default`, { properties: {} }, "400 BadRequest"],
  ];
  for (const [what, target, body, expected] of cases) {
    test(`refused: ${what}`, async () => {
      const fixture = await withAccount();
      const answer = await fixture.send("PUT", target, { body });
      assert.equal(outcome(answer), expected);
      assert.deepEqual(await fixture.cosmos.listDatabases(fixture.store, "shop-db"), []);
    });
  }
  test("refused: a container without partition key; another partition key later", async () => {
    const fixture = await withAccount();
    await fixture.send("PUT", database, { body: { properties: { resource: { id: "db" } } } });
    const put = (changed: object): Promise<Answer> =>
      fixture.send("PUT", container, { body: { properties: { resource: { ...resource, ...changed } } } });
    assert.equal(outcome(await put({ partitionKey: { paths: [] } })), "400 BadRequest");
    assert.equal((await put({})).status, 200);
    assert.equal((await put({ partitionKey: { paths: ["/other"], kind: "Hash" } })).status, 400);
    assert.match(messageOf(await put({ partitionKey: { paths: [] } })), /ActivityId: /);
  });
});

describe("data roles", () => {
  const definition = `${account}/sqlRoleDefinitions/${guid}`;
  const assignment = `${account}/sqlRoleAssignments/${guid}`;
  const readItems = ["Microsoft.DocumentDB/databaseAccounts/readMetadata"];
  const role = (changed: object = {}) => ({
    properties: {
      roleName: "My Role",
      type: "CustomRole",
      assignableScopes: [`${account}/`],
      permissions: [{ dataActions: readItems, notDataActions: [] }],
      ...changed,
    },
  });

  test("every account has the two built-in definitions", async () => {
    const fixture = await withAccount();
    const { body } = await fixture.send("GET", `${account}/sqlRoleDefinitions`);
    assert.deepEqual(
      (body["value"] as unknown as Shown[]).map((each) => [each["name"], each["properties"]?.["type"]]),
      [
        ["00000000-0000-0000-0000-000000000001", "BuiltInRole"],
        ["00000000-0000-0000-0000-000000000002", "BuiltInRole"],
      ],
    );
    assert.equal((await fixture.send("GET", readerRole)).body["id"], readerRole);
  });

  test("a definition comes back without the trailing slash, an assignment with the account's casing", async () => {
    const fixture = await withAccount();
    const made = await fixture.send("PUT", definition, { body: role() });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    assert.deepEqual(made.body["properties"]?.["assignableScopes"], [account]);
    assert.equal(made.body["properties"]?.["type"], "CustomRole");
    const principalId = await fixture.user("data");
    const put = await fixture.send("PUT", assignment, {
      body: {
        properties: {
          roleDefinitionId: definition.toUpperCase(),
          scope: `${account.toUpperCase()}/dbs/Db/colls/Items/`,
          principalId: principalId.toUpperCase(),
        },
      },
    });
    assert.equal(put.status, 200, JSON.stringify(put.body));
    assert.equal(put.body["properties"]?.["scope"], `${account}/dbs/Db/colls/Items`);
    assert.equal(put.body["properties"]?.["principalId"], principalId);
    assert.deepEqual((await fixture.send("GET", assignment)).body, put.body);
    assert.equal(
      (await fixture.send("GET", `${account}/sqlRoleAssignments`)).body["value"]?.[0]?.["name"],
      guid,
    );
    assert.equal((await fixture.send("DELETE", definition)).status, 409);
    assert.equal((await fixture.send("DELETE", assignment)).status, 200);
    assert.equal((await fixture.send("DELETE", assignment)).status, 204);
    assert.equal((await fixture.send("DELETE", definition)).status, 200);
    const missing = await fixture.send("GET", assignment);
    assert.match(
      messageOf(missing),
      new RegExp(`^Unable to find a SQL Role Assignment with ID \\[${guid}\\]\\.`),
    );
  });

  const definitions: readonly (readonly [string, string, object, string])[] = [
    ["a name that is no GUID", `${account}/sqlRoleDefinitions/mine`, role(), "400 BadRequest"],
    ["the built-in type", definition, role({ type: "BuiltInRole" }), "400 BadRequest"],
    ["no permissions", definition, role({ permissions: undefined }), "400 BadRequest"],
    ["permissions that are no objects", definition, role({ permissions: [1] }), "400 BadRequest"],
    ["actions of a wrong type", definition, role({ permissions: [{ dataActions: "x" }] }), "400 BadRequest"],
    [
      "an unknown action",
      definition,
      role({ permissions: [{ dataActions: ["Microsoft.DocumentDB/x"] }] }),
      "400 BadRequest",
    ],
    ["another account's scope", definition, role({ assignableScopes: [`${account}2`] }), "400 BadRequest"],
    ["a built-in role's GUID", readerRole, role(), "400 BadRequest"],
    [
      "a built-in role's name",
      definition,
      role({ roleName: "Cosmos DB Built-in Data Reader" }),
      "409 Conflict",
    ],
  ];
  for (const [what, target, body, expected] of definitions) {
    test(`refused definition: ${what}`, async () => {
      const fixture = await withAccount();
      assert.equal(outcome(await fixture.send("PUT", target, { body })), expected);
      assert.equal((await fixture.cosmos.listRoleDefinitions(fixture.store, "shop-db")).length, 2);
    });
  }

  const unknown = "12345678-1234-4234-8234-123456789abc";
  const assignments: readonly (readonly [string, object, RegExp])[] = [
    [
      "an unknown principal",
      { principalId: unknown },
      new RegExp(
        `^The provided principal ID \\[${unknown}\\] was not found in the AAD tenant\\(s\\) \\[${tenantId}\\] which are associated with the customer's subscription\\.\r\nActivityId: `,
      ),
    ],
    ["no principal", { principalId: undefined }, /are required/],
    ["no scope", { scope: undefined }, /are required/],
    ["another account's scope", { scope: `${account}2` }, /does not lie below/],
    ["a scope prefixed twice", { scope: `${account}${account}` }, /Expected path segment \[dbs\]/],
    [
      "an Azure role",
      {
        roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7`,
      },
      /does not belong/,
    ],
    ["a role that does not exist", { roleDefinitionId: definition }, /does not belong/],
  ];
  for (const [what, changed, message] of assignments) {
    test(`refused assignment: ${what}`, async () => {
      const fixture = await withAccount();
      const properties = {
        roleDefinitionId: readerRole,
        scope: account,
        principalId: fixture.owner,
        ...changed,
      };
      const answer = await fixture.send("PUT", assignment, { body: { properties } });
      assert.equal(outcome(answer), "400 BadRequest");
      assert.match(messageOf(answer), message);
      assert.deepEqual(await fixture.cosmos.listRoleAssignments(fixture.store, "shop-db"), []);
    });
  }

  test("refused assignment: a client id, with a hint at the principal", async () => {
    const fixture = await withAccount();
    const identity = await fixture.send(
      "PUT",
      `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker`,
      {
        body: { location: "westeurope" },
      },
    );
    const { clientId, principalId } = identity.body["properties"] as unknown as Record<string, string>;
    const put = (id: string | undefined): Promise<Answer> =>
      fixture.send("PUT", assignment, {
        body: { properties: { roleDefinitionId: readerRole, scope: account, principalId: id } },
      });
    const answer = await put(clientId);
    assert.equal(outcome(answer), "400 BadRequest");
    assert.match(messageOf(answer), /was not found in the AAD tenant/);
    assert.equal(answer.body["error"]?.["additionalInfo"]?.[0]?.["info"]?.["principalId"], principalId);
    assert.equal((await put(principalId)).status, 200);
    const owner = await put(fixture.owner);
    assert.equal(outcome(owner), "400 BadRequest");
  });

  test("refused assignment: the object id of an application", async () => {
    const fixture = await withAccount();
    const application = await fixture.identity.applications.add({ displayName: "app" });
    const properties = { roleDefinitionId: readerRole, scope: account, principalId: application.id };
    const answer = await fixture.send("PUT", assignment, { body: { properties } });
    assert.equal(outcome(answer), "400 BadRequest");
    assert.match(messageOf(answer), /was found to be of an unsupported type : \[Application\]/);
    const right = { ...properties, principalId: application.servicePrincipal.objectId };
    assert.equal((await fixture.send("PUT", assignment, { body: { properties: right } })).status, 200);
  });
});

/**
 * What a body may say that its path was not asked for: names that lead elsewhere, settings that open what no role opens,
 * and secrets that were written and are read by others. Every refusal stands beside what stays allowed.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import {
  type Answer,
  type ArmFixture,
  group,
  openGroupFixture,
  outcome,
  type Shown,
  subscription,
  tenantId,
} from "./fixture.ts";

const mine = `${subscription}/resourceGroups/mine`;
const located = { location: "westeurope" };

/** A group of somebody who may do everything in it, and nothing elsewhere. */
async function beside(): Promise<{ readonly fixture: ArmFixture; readonly attacker: string }> {
  const fixture = await openGroupFixture();
  assert.equal((await fixture.send("PUT", mine, { body: located })).status, 201);
  return { fixture, attacker: await fixture.user("attacker", "Contributor", mine) };
}

describe("the name of a cluster's node group", () => {
  const cluster = `${mine}/providers/Microsoft.ContainerService/managedClusters/k`;
  const victim = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker`;
  const cases: readonly (readonly [name: string, expected: string])[] = [
    ["Shop", "409 NodeResourceGroupAlreadyExists"],
    ["sHOP", "409 NodeResourceGroupAlreadyExists"],
    ["Shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker", "400 InvalidResourceGroup"],
    ["Shop/", "400 InvalidResourceGroup"],
    ["nodes/../Shop", "400 InvalidResourceGroup"],
    ["no?des", "400 InvalidResourceGroup"],
    ["nodes.", "400 InvalidResourceGroup"],
    ["n".repeat(91), "400 InvalidResourceGroup"],
    ["nodes-of_k.(1)", "200"],
  ];
  for (const [name, expected] of cases) {
    test(`'${name.slice(0, 80)}': ${expected}, and nobody else's resource goes with the cluster`, async () => {
      const { fixture, attacker } = await beside();
      assert.equal((await fixture.send("PUT", victim, { body: located })).status, 201);
      const body = { ...located, properties: { nodeResourceGroup: name } };
      assert.equal(outcome(await fixture.send("PUT", cluster, { as: attacker, body })), expected);
      const made = (await fixture.send("GET", cluster)).status === 200;
      assert.equal(made, expected === "200");
      assert.equal((await fixture.send("DELETE", cluster, { as: attacker })).status, 204);
      assert.equal((await fixture.send("GET", victim)).status, 200);
      const groups = (await fixture.send("GET", `${subscription}/resourceGroups`)).body["value"];
      const names = (groups as unknown as readonly Shown[]).map((each) => String(each["name"]));
      assert.deepEqual(names.sort(), ["Shop", "mine"]);
    });
  }
});

describe("a vault's name", () => {
  const path = "providers/Microsoft.KeyVault/vaults/shop-vault";
  const [theirs, own] = [`${group}/${path}`, `${mine}/${path}`];
  const sku = { family: "A", name: "standard" };
  const body = { ...located, properties: { tenantId, sku, accessPolicies: [] } };
  const recover = { ...body, properties: { ...body.properties, createMode: "recover" } };
  const secret = `${theirs}/secrets/s`;

  test("leads to the vault of that name nowhere else: not while it lives, not when it is deleted", async () => {
    const { fixture, attacker } = await beside();
    const ask = async (method: string, id: string, value?: unknown, as = attacker): Promise<string> =>
      outcome(await fixture.send(method, id, { as, ...(value === undefined ? {} : { body: value }) }));
    const { owner } = fixture;
    assert.equal(await ask("PUT", theirs, body, owner), "200");
    assert.equal(await ask("PUT", secret, { properties: { value: "x" } }, owner), "200");
    assert.equal(await ask("PUT", own, body), "409 VaultAlreadyExists");
    assert.equal(await ask("DELETE", own), "204");
    assert.equal(await ask("DELETE", theirs, undefined, owner), "200");
    assert.equal(await ask("PUT", own, recover), "409 ConflictError");
    assert.equal(await ask("PUT", theirs, recover), "403 AuthorizationFailed");
    assert.equal(await ask("GET", theirs, undefined, owner), "404 ResourceNotFound");
    assert.equal(await ask("PUT", theirs.replace("Shop", "sHOP"), recover, owner), "200");
    assert.equal(await ask("GET", secret, undefined, owner), "200");
    assert.equal(await ask("PUT", theirs, body, owner), "200", "it may be written again");
  });

  test("is free again once the deleted vault was purged", async () => {
    const { fixture, attacker } = await beside();
    await fixture.send("PUT", theirs, { body });
    await fixture.send("DELETE", theirs);
    const purge = `${subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/shop-vault/purge`;
    assert.equal(outcome(await fixture.send("POST", purge, { as: attacker })), "403 AuthorizationFailed");
    assert.equal(outcome(await fixture.send("POST", purge)), "200");
    assert.equal(outcome(await fixture.send("PUT", own, { as: attacker, body })), "200");
  });
});

describe("a resource below another one, where it has no place", () => {
  const site = `${mine}/providers/Microsoft.Web/sites/a`;
  for (const [type, expected] of [
    ["Microsoft.KeyVault/vaults/shop-vault", "404 InvalidResourceType"],
    ["Microsoft.KeyVault/vaults/shop-vault/secrets/s", "404 InvalidResourceType"],
    ["Microsoft.ManagedIdentity/userAssignedIdentities/worker", "404 InvalidResourceType"],
    ["Microsoft.DocumentDB/databaseAccounts/shop", "404 InvalidResourceType"],
    ["Microsoft.ContainerService/managedClusters/shop", "404 InvalidResourceType"],
    ["Microsoft.Sql/servers/shop", "404 InvalidResourceType"],
    ["Microsoft.Resources/deployments/d", "404 InvalidResourceType"],
    ["Microsoft.Resources/tags/default", "200"],
    ["Microsoft.Vendor/notes/n", "200"],
  ] as const) {
    test(`${type}: ${expected}`, async () => {
      const { fixture, attacker } = await beside();
      const ask = async (method: string, id: string, as: string): Promise<string> => {
        const properties = { tenantId, sku: { family: "A", name: "standard" }, tags: {} };
        const body = method === "PUT" ? { body: { ...located, properties } } : {};
        return outcome(await fixture.send(method, id, { as, ...body }));
      };
      const victim = `${group}/providers/Microsoft.KeyVault/vaults/shop-vault`;
      assert.equal(await ask("PUT", victim, fixture.owner), "200");
      assert.equal(await ask("DELETE", victim, fixture.owner), "200");
      assert.equal(await ask("PUT", site, attacker), "200");
      assert.equal(await ask("PUT", `${site}/providers/${type}`, attacker), expected);
      await ask("DELETE", `${site}/providers/${type}`, attacker);
      const properties = { createMode: "recover" };
      const recovered = await fixture.send("PUT", victim, { body: { ...located, properties } });
      assert.equal(recovered.status, 200, "nobody else's vault took its place");
      assert.equal(outcome(await fixture.send("GET", victim)), "200");
    });
  }
});

describe("audit mode, which opens an account's data, is switched on by who may give data roles", () => {
  const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/audited`;
  const audit = { "celestite-authorization": "audit" };
  const ways: readonly (readonly [string, (fixture: ArmFixture, as: string) => Promise<Answer>])[] = [
    ["PATCH", (fixture, as) => fixture.send("PATCH", account, { as, body: { tags: audit } })],
    ["PUT", (fixture, as) => fixture.send("PUT", account, { as, body: { ...located, tags: audit } })],
    [
      "PUT in other letters",
      (fixture, as) => {
        const tags = { "Celestite-Authorization": "AUDIT" };
        return fixture.send("PUT", account, { as, body: { ...located, tags } });
      },
    ],
    [
      "a template",
      (fixture, as) =>
        fixture.send("PUT", `${group}/providers/Microsoft.Resources/deployments/d`, {
          as,
          body: {
            properties: {
              mode: "Incremental",
              template: {
                $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
                contentVersion: "1.0.0.0",
                resources: [
                  {
                    type: "Microsoft.DocumentDB/databaseAccounts",
                    apiVersion: "2024-05-15",
                    name: "audited",
                    ...located,
                    tags: audit,
                    properties: {},
                  },
                ],
              },
            },
          },
        }),
    ],
  ];
  const mode = async ({ cosmos, store }: ArmFixture): Promise<string> =>
    (await cosmos.getAccount(store, "audited"))?.authorization ?? "enforce";
  for (const [role, may] of [
    ["Owner", true],
    ["Contributor", true],
    ["DocumentDB Account Contributor", true],
    ["Cosmos DB Operator", false],
    ["Reader", false],
  ] as const) {
    for (const [way, send] of ways) {
      test(`${role} by ${way}: ${may ? "may" : "may not"}`, async () => {
        const fixture = await openGroupFixture();
        assert.equal((await fixture.send("PUT", account, { body: located })).status, 200);
        const caller = await fixture.user("caller", role, group);
        await send(fixture, caller);
        assert.equal(await mode(fixture), may ? "audit" : "enforce");
      });
    }
  }

  test("an operator may switch it off, and write an account that is in it", async () => {
    const fixture = await openGroupFixture();
    assert.equal((await fixture.send("PUT", account, { body: { ...located, tags: audit } })).status, 200);
    const operator = await fixture.user("operator", "Cosmos DB Operator", group);
    const kept = await fixture.send("PATCH", account, {
      as: operator,
      body: { properties: { disableLocalAuth: true } },
    });
    assert.deepEqual([kept.status, await mode(fixture)], [200, "audit"]);
    const off = await fixture.send("PATCH", account, { as: operator, body: { tags: {} } });
    assert.deepEqual([off.status, await mode(fixture)], [200, "enforce"]);
  });
});

describe("what a service takes and never shows is not read by a Reader either", () => {
  const secret = "sEcReT-Value-1";
  const kept = "plain-to-see";
  const resources: readonly (readonly [type: string, properties: object])[] = [
    [
      "Microsoft.App/containerApps/x",
      { configuration: { secrets: [{ name: kept, value: secret }] }, template: { containers: [] } },
    ],
    [
      "Microsoft.App/managedEnvironments/x",
      {
        daprAIInstrumentationKey: secret,
        appLogsConfiguration: { logAnalyticsConfiguration: { customerId: kept, sharedKey: secret } },
      },
    ],
    [
      "Microsoft.Compute/virtualMachines/x",
      { userData: secret, osProfile: { adminUsername: kept, adminPassword: secret, customData: secret } },
    ],
    [
      "Microsoft.ContainerInstance/containerGroups/x",
      {
        containers: [
          {
            name: kept,
            properties: { image: "i", environmentVariables: [{ name: "n", secureValue: secret }] },
          },
        ],
        imageRegistryCredentials: [{ server: "s", username: "u", password: secret }],
        volumes: [
          { name: "v", azureFile: { shareName: "s", storageAccountName: "a", storageAccountKey: secret } },
          { name: "w", secret: { file: secret } },
        ],
      },
    ],
    ["Microsoft.Sql/servers/xsrv", { administratorLogin: kept, administratorLoginPassword: secret }],
    [
      "Microsoft.Resources/deploymentScripts/x",
      {
        azCliVersion: kept,
        environmentVariables: [{ name: "n", secureValue: secret }],
        storageAccountSettings: { storageAccountName: "s", storageAccountKey: secret },
      },
    ],
    [
      "Microsoft.ContainerService/managedClusters/x",
      {
        servicePrincipalProfile: { clientId: kept, secret },
        windowsProfile: { adminUsername: "a", adminPassword: secret },
      },
    ],
    [
      "Microsoft.Logic/workflows/x",
      {
        parameters: {
          hidden: { type: "SecureString", value: secret },
          shown: { type: "String", value: kept },
        },
      },
    ],
    [
      "Microsoft.Automation/automationAccounts/a/variables/x",
      { isEncrypted: true, value: secret, description: kept },
    ],
    ["Microsoft.Automation/automationAccounts/a/variables/y", { isEncrypted: false, value: kept }],
    ["Microsoft.ApiManagement/service/a/namedValues/x", { secret: true, value: secret, displayName: kept }],
    ["Microsoft.ApiManagement/service/a/namedValues/y", { secret: false, value: kept }],
    [
      "Microsoft.DataFactory/factories/a/linkedservices/x",
      { typeProperties: { url: kept, connectionString: { type: "SecureString", value: secret } } },
    ],
    ["Microsoft.Network/connections/x", { connectionType: kept, sharedKey: secret }],
    ["Microsoft.Web/certificates/x", { hostNames: [kept], pfxBlob: secret, password: secret }],
    [
      "Microsoft.App/containerApps/y",
      { configuration: { Secrets: [{ Name: kept, Value: secret }] }, template: { containers: [] } },
    ],
    [
      "Microsoft.App/managedEnvironments/a/daprComponents/x",
      { componentType: kept, secrets: [{ name: "n", value: secret }] },
    ],
    [
      "Microsoft.App/managedEnvironments/a/storages/x",
      { azureFile: { accountName: kept, accountKey: secret, shareName: "s" } },
    ],
    [
      "Microsoft.App/managedEnvironments/a/certificates/x",
      { subjectName: kept, password: secret, value: secret },
    ],
    ["Microsoft.ApiManagement/service/a/identityProviders/x", { clientId: kept, clientSecret: secret }],
    [
      "Microsoft.ApiManagement/service/a/subscriptions/x",
      { displayName: kept, primaryKey: secret, secondaryKey: secret },
    ],
    [
      "Microsoft.CognitiveServices/accounts/a/connections/x",
      { category: kept, credentials: { key: secret } },
    ],
    [
      "Microsoft.Compute/virtualMachines/a/runCommands/x",
      { runAsUser: kept, runAsPassword: secret, protectedParameters: [{ name: "n", value: secret }] },
    ],
    [
      "Microsoft.ContainerService/managedClusters/y",
      { aadProfile: { tenantID: kept, serverAppSecret: secret } },
    ],
    [
      "Microsoft.Network/applicationGateways/x",
      { sslCertificates: [{ name: kept, properties: { data: secret, password: secret } }] },
    ],
    ["Microsoft.Sql/servers/a/auditingSettings/x", { state: kept, storageAccountAccessKey: secret }],
    [
      "Microsoft.Synapse/workspaces/x",
      { sqlAdministratorLogin: kept, sqlAdministratorLoginPassword: secret },
    ],
    ["Microsoft.Web/connections/x", { displayName: kept, parameterValues: { token: secret } }],
    ["Microsoft.Web/sites/a/functions/f/keys/x", { name: kept, value: secret }],
    ["Microsoft.Web/staticSites/a/config/plain-to-see", { KEY: secret }],
    ["Microsoft.KeyVault/vaults/a/secrets/x", { value: secret, contentType: kept }],
    [
      "Microsoft.Web/sites/x",
      {
        clientCertExclusionPaths: kept,
        siteConfig: {
          appSettings: [{ name: "n", value: secret }],
          connectionStrings: [{ name: "c", connectionString: secret, type: "Custom" }],
        },
      },
    ],
  ];
  let fixture: ArmFixture;
  let reader: string;
  before(async () => {
    fixture = await openGroupFixture();
    reader = await fixture.user("reader", "Reader", group);
    for (const parent of [
      "Automation/automationAccounts",
      "ApiManagement/service",
      "DataFactory/factories",
      "App/managedEnvironments",
      "CognitiveServices/accounts",
      "Compute/virtualMachines",
      "Sql/servers",
      "Web/sites",
      "Web/staticSites",
    ]) {
      await fixture.send("PUT", `${group}/providers/Microsoft.${parent}/a`, { body: located });
    }
    await fixture.send("PUT", `${group}/providers/Microsoft.Web/sites/a/functions/f`, { body: located });
    const properties = { tenantId, sku: { family: "A", name: "standard" } };
    await fixture.send("PUT", `${group}/providers/Microsoft.KeyVault/vaults/abc`, {
      body: { ...located, properties },
    });
  });
  for (const [type, properties] of resources) {
    test(type, async () => {
      const id = `${group}/providers/${type.replace("vaults/a/", "vaults/abc/")}`;
      const made = await fixture.send("PUT", id, { body: { ...located, properties } });
      assert.equal(made.status, 200, JSON.stringify(made.body));
      const read = JSON.stringify((await fixture.send("GET", id, { as: reader })).body);
      const list = JSON.stringify(
        (await fixture.send("GET", id.replace(/\/[^/]+$/, ""), { as: reader })).body,
      );
      for (const text of [read, list]) {
        assert.ok(!text.includes(secret), text);
        assert.ok(text.includes(kept), text);
      }
      const again = await fixture.send("PATCH", id, { body: { tags: { a: "b" } } });
      assert.equal(again.status, 200, "what is hidden stays written");
    });
  }
});

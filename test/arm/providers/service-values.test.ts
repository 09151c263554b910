/** What services add to resources that are kept as records: read by templates and tools, the same after every write. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { group, openGroupFixture, outcome, type Shown } from "../fixture.ts";

const fixture = await openGroupFixture();

interface Case {
  readonly id: string;
  readonly body?: object;
  /** Paths below the resource with the value or the form that it must have. */
  readonly shows: Readonly<Record<string, string | number | boolean | RegExp>>;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const address = /^203\.0\.113\.\d+$/;

const cases: readonly Case[] = [
  {
    id: "Microsoft.Storage/storageAccounts/shop",
    body: { sku: { name: "Standard_LRS" } },
    shows: {
      "properties.primaryEndpoints.blob": "https://shop.blob.core.windows.net/",
      "properties.statusOfPrimary": "available",
      "sku.tier": "Standard",
      kind: "StorageV2",
    },
  },
  {
    id: "Microsoft.Sql/servers/Shop",
    body: { properties: { administratorLogin: "a", administratorLoginPassword: "hush" } },
    shows: {
      "properties.fullyQualifiedDomainName": "shop.database.windows.net",
      "properties.administratorLogin": "a",
      "properties.administratorLoginPassword": /^undefined$/,
    },
  },
  {
    id: "Microsoft.Sql/servers/shop/databases/db",
    body: { sku: { name: "GP_S_Gen5_4" } },
    shows: {
      "properties.status": "Online",
      "properties.currentServiceObjectiveName": "GP_S_Gen5_4",
      "properties.currentSku.tier": "GeneralPurpose",
      "properties.databaseId": uuid,
    },
  },
  {
    id: "Microsoft.KeyVault/vaults/Shop-Vault",
    shows: {
      "properties.vaultUri": "https://shop-vault.vault.azure.net/",
      "properties.enableSoftDelete": true,
    },
  },
  {
    id: "Microsoft.KeyVault/vaults/shop-vault/secrets/s",
    body: { properties: { value: "hush" } },
    shows: {
      "properties.secretUri": "https://shop-vault.vault.azure.net/secrets/s",
      "properties.secretUriWithVersion":
        /^https:\/\/shop-vault\.vault\.azure\.net\/secrets\/s\/[0-9a-f]{32}$/,
      "properties.attributes.enabled": true,
      "properties.value": /^undefined$/,
      "properties.version": /^undefined$/,
    },
  },
  {
    id: "Microsoft.Insights/components/shop",
    shows: {
      "properties.InstrumentationKey": uuid,
      "properties.ConnectionString":
        /^InstrumentationKey=[0-9a-f-]{36};IngestionEndpoint=https:\/\/westeurope-5\./,
      "properties.AppId": uuid,
    },
  },
  {
    id: "Microsoft.OperationalInsights/workspaces/shop",
    shows: { "properties.customerId": uuid, "properties.retentionInDays": 30 },
  },
  {
    id: "Microsoft.ContainerRegistry/registries/Shop",
    shows: { "properties.loginServer": "shop.azurecr.io", "properties.adminUserEnabled": false },
  },
  {
    id: "Microsoft.ServiceBus/namespaces/shop",
    shows: {
      "properties.serviceBusEndpoint": "https://shop.servicebus.windows.net:443/",
      "sku.name": "Standard",
    },
  },
  {
    id: "Microsoft.Network/publicIPAddresses/shop",
    body: { properties: { dnsSettings: { domainNameLabel: "shop" } } },
    shows: {
      "properties.ipAddress": address,
      "properties.dnsSettings.fqdn": "shop.westeurope.cloudapp.azure.com",
      "properties.publicIPAllocationMethod": "Static",
    },
  },
  {
    id: "Microsoft.Network/networkInterfaces/shop",
    body: { properties: { ipConfigurations: [{ name: "ip", properties: { subnet: { id: "x" } } }] } },
    shows: {
      "properties.ipConfigurations.0.properties.privateIPAddress": "10.0.0.4",
      "properties.ipConfigurations.0.properties.subnet.id": "x",
      "properties.ipConfigurations.0.id": /networkInterfaces\/shop\/ipConfigurations\/ip$/,
    },
  },
  {
    id: "Microsoft.Compute/virtualMachines/shop",
    body: {
      properties: { osProfile: { adminPassword: "hush", computerName: "c" }, storageProfile: { osDisk: {} } },
    },
    shows: {
      "properties.vmId": uuid,
      "properties.osProfile.adminPassword": /^undefined$/,
      "properties.storageProfile.osDisk.managedDisk.id": /\/disks\/shop_OsDisk_1_[0-9a-f]{32}$/,
    },
  },
  {
    id: "Microsoft.Web/serverfarms/shop",
    body: { kind: "linux", sku: { name: "P1v3", tier: "PREMIUMV3", capacity: 2 } },
    shows: {
      "sku.tier": "PremiumV3",
      "sku.family": "Pv3",
      "properties.numberOfWorkers": 2,
      "properties.reserved": true,
    },
  },
  {
    id: "Microsoft.Web/sites/Shop",
    shows: {
      "properties.defaultHostName": "shop.azurewebsites.net",
      "properties.outboundIpAddresses": /^203\.0\.113\.\d+(,203\.0\.113\.\d+){3}$/,
      "properties.state": "Running",
    },
  },
  {
    id: "Microsoft.Web/sites/shop/slots/staging",
    shows: { "properties.defaultHostName": "shop-staging.azurewebsites.net" },
  },
  { id: "Microsoft.Cache/redis/shop", shows: { "properties.hostName": "shop.redis.cache.windows.net" } },
  {
    id: "Microsoft.AppConfiguration/configurationStores/shop",
    shows: { "properties.endpoint": "https://shop.azconfig.io" },
  },
  {
    id: "Microsoft.DBforPostgreSQL/flexibleServers/shop",
    shows: { "properties.fullyQualifiedDomainName": "shop.postgres.database.azure.com" },
  },
  {
    id: "Microsoft.App/managedEnvironments/shop",
    shows: { "properties.defaultDomain": /^[0-9a-f]{8}\.westeurope\.azurecontainerapps\.io$/ },
  },
  {
    id: "Microsoft.App/containerApps/shop",
    body: {
      properties: {
        managedEnvironmentId: `${group}/providers/Microsoft.App/managedEnvironments/shop`,
        configuration: { ingress: { external: true }, secrets: [{ name: "s", value: "hush" }] },
      },
    },
    shows: {
      "properties.configuration.ingress.fqdn": /^shop\.[0-9a-f]{8}\.westeurope\.azurecontainerapps\.io$/,
      "properties.configuration.secrets.0.name": "s",
      "properties.configuration.secrets.0.value": /^undefined$/,
      "properties.latestRevisionName": "shop--0000001",
    },
  },
  {
    id: "Microsoft.App/jobs/shop",
    body: { properties: { configuration: { secrets: [{ name: "s", value: "hush" }] } } },
    shows: { "properties.configuration.secrets.0.name": "s" },
  },
  {
    id: "Microsoft.ContainerInstance/containerGroups/shop",
    body: {
      properties: {
        imageRegistryCredentials: [{ server: "x", password: "hush" }],
        containers: [{ properties: { environmentVariables: [{ name: "a", secureValue: "hush" }] } }],
        ipAddress: { dnsNameLabel: "shop" },
      },
    },
    shows: {
      "properties.ipAddress.fqdn": "shop.westeurope.azurecontainer.io",
      "properties.containers.0.properties.environmentVariables.0.name": "a",
    },
  },
];

function at(value: Shown, path: string): unknown {
  return path.split(".").reduce<Shown | undefined>((inner, name) => inner?.[name], value) as unknown;
}

describe("the service's own values", () => {
  for (const { id, body, shows } of cases) {
    test(id, async () => {
      const target = `${group}/providers/${id}`;
      const sent = { location: "westeurope", properties: {}, ...body };
      const made = await fixture.send("PUT", target, { body: sent });
      assert.equal(outcome(made), "200");
      for (const [path, expected] of Object.entries(shows)) {
        const value = at(made.body, path);
        if (expected instanceof RegExp) assert.match(String(value), expected, path);
        else assert.equal(value, expected, path);
      }
      const read = await fixture.send("GET", target);
      assert.deepEqual(read.body, made.body);
      const { secretUriWithVersion: _, ...kept } = made.body["properties"] as unknown as Record<
        string,
        unknown
      >;
      const again = await fixture.send("PUT", target, {
        body: { ...sent, properties: { ...kept, ...sent.properties } },
      });
      const { secretUriWithVersion: __, ...after } = again.body["properties"] as unknown as Record<
        string,
        unknown
      >;
      assert.deepEqual(after, kept, "written back as it was read");
      assert.equal(JSON.stringify(again.body).includes("hush"), false);
    });
  }

  test("a template reads them", async () => {
    const template = {
      $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
      contentVersion: "1.0.0.0",
      resources: [
        {
          type: "Microsoft.Insights/components",
          apiVersion: "2020-02-02",
          name: "read",
          location: "westeurope",
          kind: "web",
          properties: {},
        },
        {
          type: "Microsoft.Storage/storageAccounts",
          apiVersion: "2023-05-01",
          name: "read",
          location: "westeurope",
          sku: { name: "Standard_LRS" },
          kind: "StorageV2",
        },
      ],
      outputs: {
        key: {
          type: "string",
          value: "[reference(resourceId('Microsoft.Insights/components', 'read')).InstrumentationKey]",
        },
        blob: {
          type: "string",
          value:
            "[reference(resourceId('Microsoft.Storage/storageAccounts', 'read'), '2023-05-01').primaryEndpoints.blob]",
        },
        storageKey: {
          type: "string",
          value:
            "[listKeys(resourceId('Microsoft.Storage/storageAccounts', 'read'), '2023-05-01').keys[0].keyName]",
        },
      },
    };
    const answer = await fixture.send("PUT", `${group}/providers/Microsoft.Resources/deployments/read`, {
      body: { properties: { mode: "Incremental", template } },
    });
    const found = answer.body["properties"]?.["outputs"];
    assert.match(String(found?.["key"]?.["value"]), uuid, JSON.stringify(answer.body));
    assert.equal(found?.["blob"]?.["value"] as unknown, "https://read.blob.core.windows.net/");
    assert.equal(found?.["storageKey"]?.["value"] as unknown, "key1");
  });
});

describe("children that come with their parent", () => {
  const storage = `${group}/providers/Microsoft.Storage/storageAccounts/children`;
  const server = `${group}/providers/Microsoft.Sql/servers/children`;
  test("are there without being written, can be changed, and fall back to their defaults", async () => {
    const blobs = `${storage}/blobServices/default`;
    assert.equal((await fixture.send("GET", blobs)).status, 404);
    await fixture.send("PUT", storage, { body: { location: "westeurope" } });
    const read = await fixture.send("GET", blobs);
    assert.equal(read.body["properties"]?.["deleteRetentionPolicy"]?.["enabled"] as unknown, false);
    const changed = await fixture.send("PATCH", blobs, {
      body: { properties: { isVersioningEnabled: true } },
    });
    assert.equal(changed.body["properties"]?.["isVersioningEnabled"] as unknown, true);
    assert.ok(changed.body["properties"]?.["cors"]);
    const container = await fixture.send("PUT", `${blobs}/containers/c`, { body: { properties: {} } });
    assert.equal(container.body["properties"]?.["publicAccess"] as unknown, "None");
    const list = await fixture.send("GET", `${storage}/blobServices`);
    assert.equal((list.body["value"] as unknown as unknown[]).length, 1);
    await fixture.send("DELETE", storage);
    assert.equal((await fixture.send("GET", `${blobs}/containers/c`)).status, 404);
  });

  test("are not resources of their group, and hold no place for other names", async () => {
    await fixture.send("PUT", server, { body: { location: "westeurope" } });
    assert.equal((await fixture.send("GET", `${server}/databases/master`)).status, 200);
    assert.equal((await fixture.send("GET", `${server}/databases/other`)).status, 404);
    const lost = await fixture.send("PUT", `${server}/databases/none/auditingSettings/default`, {
      body: { properties: {} },
    });
    assert.equal(outcome(lost), "404 ParentResourceNotFound");
    await fixture.send("PUT", `${server}/firewallRules/all`, { body: { properties: {} } });
    await fixture.send("PUT", `${server}/databases/db`, { body: { location: "westeurope" } });
    const filter = encodeURIComponent("resourceType eq 'Microsoft.Sql/servers/firewallRules'");
    const rules = await fixture.send("GET", `${group}/resources?$filter=${filter}`);
    assert.deepEqual(rules.body["value"] as unknown, []);
    const all = await fixture.send("GET", `${group}/resources`);
    const types = (all.body["value"] as unknown as { type: string; name: string }[]).map(({ type }) => type);
    assert.ok(types.includes("Microsoft.Sql/servers/databases"));
  });
});

describe("children that stand in a list of their parent", () => {
  const network = `${group}/providers/Microsoft.Network/virtualNetworks/net`;
  test("written with the parent or one by one, they are the same", async () => {
    const addressSpace = { addressPrefixes: ["10.0.0.0/16"] };
    const first = { name: "a", properties: { addressPrefix: "10.0.0.0/24" } };
    await fixture.send("PUT", network, {
      body: { location: "westeurope", properties: { addressSpace, subnets: [first] } },
    });
    const a = await fixture.send("GET", `${network}/subnets/A`);
    assert.equal(a.body["id"] as unknown, `${network}/subnets/a`);
    const made = await fixture.send("PUT", `${network}/subnets/b`, {
      body: { properties: { addressPrefix: "10.0.1.0/24" } },
    });
    assert.equal(made.body["properties"]?.["provisioningState"] as unknown, "Succeeded");
    const names = async (): Promise<readonly string[]> => {
      const { body } = await fixture.send("GET", network);
      return ((body["properties"]?.["subnets"] ?? []) as { name: string }[]).map(({ name }) => name);
    };
    assert.deepEqual(await names(), ["a", "b"]);
    await fixture.send("PUT", network, { body: { location: "westeurope", properties: { addressSpace } } });
    assert.deepEqual(await names(), ["a", "b"], "a write that does not name them leaves them");
    assert.equal((await fixture.send("DELETE", `${network}/subnets/a`)).status, 200);
    assert.equal((await fixture.send("DELETE", `${network}/subnets/a`)).status, 204);
    assert.deepEqual(await names(), ["b"]);
    assert.equal(outcome(await fixture.send("GET", `${network}/subnets/a`)), "404 ResourceNotFound");
  });
});

test("nothing of this was a fault of ours", () => assert.deepEqual(fixture.faults, []));

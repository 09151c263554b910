/** `celestite deploy` of Bicep files against a running server: what arrives, and that nothing arrives with errors. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import type { Celestite } from "../../src/celestite.ts";
import { runCommandLine } from "../../src/cli/command-line.ts";
import { callArm, testSettings, withDirectory, withServer } from "../fixtures.ts";

const files: Readonly<Record<string, string>> = {
  "main.bicep": `param names string[] = [ 'a' ]
type sizes = 'small' | 'large'
param size sizes = 'small'
resource worker 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'worker'
  location: resourceGroup().location
}
module cosmos 'cosmos.bicep' = {
  name: 'cosmos'
  params: {
    principalId: worker.properties.principalId
  }
}
module more 'identity.bicep' = [for (name, i) in names: {
  params: {
    name: '\${name}\${i}'
  }
}]
output endpoint string = cosmos.outputs.endpoint
output ids array = [for (name, i) in names: more[i].outputs.id]
output chosen sizes = size
`,
  "cosmos.bicep": `param principalId string
resource account 'Microsoft.DocumentDB/databaseAccounts@2023-04-15' = {
  name: 'cosmos-\${uniqueString(resourceGroup().id)}'
  location: resourceGroup().location
  properties: {
    databaseAccountOfferType: 'Standard'
    disableLocalAuth: true
  }
  resource database 'sqlDatabases' = {
    name: 'db'
    properties: {
      resource: {
        id: 'db'
      }
    }
    resource items 'containers' = {
      name: 'items'
      properties: {
        resource: {
          id: 'items'
          partitionKey: {
            paths: [
              '/pk'
            ]
          }
        }
      }
    }
  }
}
resource assignment 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2023-04-15' = {
  parent: account
  name: guid(principalId, account.id)
  properties: {
    principalId: principalId
    roleDefinitionId: '\${account.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002'
    scope: account.id
  }
}
output endpoint string = account.properties.documentEndpoint
`,
  "identity.bicep": `param name string
resource id 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-\${name}'
  location: resourceGroup().location
}
output id string = id.id
`,
  "dev.bicepparam": `using 'main.bicep'
var team = 'blue'
param names = map(range(0, 2), i => '\${team}\${i}')
param size = 'large'
`,
  "other.bicepparam": "using 'identity.bicep'\nparam name = 'x'\n",
  "bad.bicep": `resource id 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: nothing
}
`,
  "subscription.bicep": `targetScope = 'subscription'
resource group 'Microsoft.Resources/resourceGroups@2022-09-01' = {
  name: 'made-by-bicep'
  location: 'westeurope'
}
module inside 'identity.bicep' = {
  scope: group
  params: {
    name: 'inside'
  }
}
`,
  "types.bicep": `type settings = {
  count: int
  inner: {
    text: string?
  }
}
param policy resourceInput<'Microsoft.DocumentDB/databaseAccounts@2023-04-15'>.properties.consistencyPolicy = {
  defaultConsistencyLevel: 'Session'
}
param all settings = {
  count: 1
  inner: {}
}
param part settings.inner = {
  text: 'x'
}
output policy object = policy
output all settings = all
output text settings.inner.text = part.?text
`,
  "tenant.bicep": `targetScope = 'tenant'
resource team 'Microsoft.Management/managementGroups@2023-04-01' = {
  name: 'team'
  properties: {
    displayName: 'The team'
  }
}
module inside 'management-group.bicep' = {
  scope: team
}
output name string = inside.outputs.name
output root string = tenant().tenantId
`,
  "management-group.bicep": `targetScope = 'managementGroup'
resource policy 'Microsoft.Authorization/policyDefinitions@2023-04-01' = {
  name: 'only'
  properties: {
    displayName: managementGroup().name
  }
}
module below 'subscription.bicep' = {
  scope: subscription('ce1e5717-e000-4000-8000-000000000001')
}
output name string = policy.properties.displayName
output id string = policy.id
`,
  "vault.bicep": `@secure()
param password string
resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: 'vault-of-secrets'
  location: resourceGroup().location
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enabledForTemplateDeployment: true
  }
  resource secret 'secrets' = {
    name: 'password'
    properties: {
      value: password
    }
  }
}
output id string = vault.id
`,
  "uses-secret.bicep": `resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: 'vault-of-secrets'
}
module inner 'takes-secret.bicep' = {
  name: 'takes-secret'
  params: {
    password: vault.getSecret('password')
  }
}
output length int = inner.outputs.length
`,
  "takes-secret.bicep": `@secure()
param password string
output length int = length(password)
@secure()
output same string = password
`,
  "secret.bicepparam": `using 'takes-secret.bicep'
param password = az.getSecret('ce1e5717-e000-4000-8000-000000000001', 'celestite', 'vault-of-secrets', 'password')
`,
  "wrong.json": `{
  // resources of a template are an array
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "resources": [
    {
      "type": "Microsoft.Web/sites",
      "apiVersion": "2023-01-01",
      "name": "too/many/names"
    }
  ]
}
`,
};

interface Setting {
  readonly server: Celestite;
  readonly subscription: string;
  readonly deploy: (...args: readonly string[]) => Promise<{ code: number; stdout: string; stderr: string }>;
}

async function withFiles(use: (setting: Setting) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), content);
    }
    const data = join(directory, "data");
    await withServer(testSettings(data), async (server) => {
      const { subscriptionId } = await server.status();
      await use({
        server,
        subscription: `/subscriptions/${subscriptionId}`,
        deploy: (...args) => deployIn(directory, data, args),
      });
    });
  });
}

async function deployIn(
  directory: string,
  data: string,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  let [stdout, stderr] = ["", ""];
  const inside = args.map((arg) => (/\.(bicep|bicepparam|json)$/.test(arg) ? join(directory, arg) : arg));
  const code = await runCommandLine(["deploy", "--data", data, ...inside], {
    out: (text) => {
      stdout += text;
    },
    error: (text) => {
      stderr += text;
    },
  });
  return { code, stdout: stdout.replaceAll(directory, "DIR"), stderr: stderr.replaceAll(directory, "DIR") };
}

async function identities(server: Celestite, group: string): Promise<readonly string[]> {
  const path = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31`;
  const { status, body } = await callArm(server, "GET", path);
  if (status === 404) return [];
  return (body["value"] as { name: string }[]).map(({ name }) => name).sort();
}

describe("celestite deploy of Bicep files", () => {
  test("a file with modules, loops, types and a role, and the same again", () =>
    withFiles(async ({ server, subscription, deploy }) => {
      const first = await deploy("main.bicep", "-g", "g");
      assert.equal(first.code, 0, first.stderr);
      assert.match(first.stdout, /^endpoint: https:\/\/localhost:\d+\/\n/);
      assert.match(first.stdout, /chosen: small\n/);
      assert.deepEqual(await identities(server, `${subscription}/resourceGroups/g`), ["id-a0", "worker"]);
      const again = await deploy("main.bicep", "-g", "g", "-p", 'names=["x","y"]');
      assert.equal(again.code, 0, again.stderr);
      assert.deepEqual(await identities(server, `${subscription}/resourceGroups/g`), [
        "id-a0",
        "id-x0",
        "id-y1",
        "worker",
      ]);
    }));

  test("a parameters file, alone or beside its template, and values that win over it", () =>
    withFiles(async ({ server, subscription, deploy }) => {
      const alone = await deploy("dev.bicepparam", "-g", "g");
      assert.equal(alone.code, 0, alone.stderr);
      assert.match(alone.stdout, /chosen: large\n/);
      assert.deepEqual(await identities(server, `${subscription}/resourceGroups/g`), [
        "id-blue00",
        "id-blue11",
        "worker",
      ]);
      const beside = await deploy(
        "main.bicep",
        "--parameters",
        "dev.bicepparam",
        "-p",
        "size=small",
        "-g",
        "h",
      );
      assert.equal(beside.code, 0, beside.stderr);
      assert.match(beside.stdout, /chosen: small\n/);
    }));

  test("errors are printed with their place, and nothing is deployed, not even the group", () =>
    withFiles(async ({ server, subscription, deploy }) => {
      const { code, stdout, stderr } = await deploy("bad.bicep", "-g", "untouched");
      assert.equal(code, 1);
      assert.equal(stdout, "");
      const [finding = "", end = ""] = stderr.trim().split("\n");
      assert.match(finding, /^DIR\/bad\.bicep\(2,9\) : Error BCP057: /);
      assert.match(end, /DIR\/bad\.bicep has errors; nothing was deployed\./);
      const group = await callArm(
        server,
        "GET",
        `${subscription}/resourceGroups/untouched?api-version=2024-03-01`,
      );
      assert.equal(group.status, 404);
    }));

  test("values that the file's types do not allow are refused by the server", () =>
    withFiles(async ({ deploy }) => {
      const { code, stderr } = await deploy("main.bicep", "-p", "size=huge");
      assert.equal(code, 1);
      assert.match(stderr, /'huge' is not part of the allowed value\(s\)/);
    }));

  test("a file for the subscription makes its group", () =>
    withFiles(async ({ server, subscription, deploy }) => {
      const { code, stderr } = await deploy("subscription.bicep");
      assert.equal(code, 0, stderr);
      assert.deepEqual(await identities(server, `${subscription}/resourceGroups/made-by-bicep`), [
        "id-inside",
      ]);
    }));

  test("files for a management group and for the tenant, by a user who holds nothing there afterwards", () =>
    withFiles(async ({ server, subscription, deploy }) => {
      const { code, stdout, stderr } = await deploy("tenant.bicep");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^name: team\nroot: [0-9a-f-]{36}\n$/);
      assert.deepEqual(await identities(server, `${subscription}/resourceGroups/made-by-bicep`), [
        "id-inside",
      ]);
      const own = await deploy("management-group.bicep", "-m", "team");
      assert.equal(own.code, 0, own.stderr);
      assert.match(own.stdout, /id: \/providers\/Microsoft\.Management\/managementGroups\/team\/providers\//);
      const root = await deploy("management-group.bicep");
      assert.equal(root.code, 0, root.stderr);
      const path =
        "/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()&api-version=2022-04-01";
      const held = await callArm(server, "GET", path);
      assert.equal(held.status, 403, JSON.stringify(held.body));
    }));

  test("secrets of a key vault, in a module's parameters and in a parameters file", () =>
    withFiles(async ({ server, subscription, deploy }) => {
      const password = "Secret-of-nobody-else";
      const made = await deploy("vault.bicep", "-p", `password=${password}`);
      assert.equal(made.code, 0, made.stderr);
      for (const file of ["uses-secret.bicep", "secret.bicepparam"]) {
        const used = await deploy(file);
        assert.equal(used.code, 0, used.stderr);
        assert.equal(used.stdout.split("\n")[0], `length: ${password.length}`);
        assert.ok(!`${used.stdout}${used.stderr}`.includes(password), used.stdout);
      }
      const deployments = `${subscription}/resourceGroups/celestite/providers/Microsoft.Resources/deployments`;
      const { status, body } = await callArm(server, "GET", `${deployments}?api-version=2024-03-01`);
      assert.equal(status, 200);
      assert.equal((body["value"] as readonly unknown[]).length, 4);
      assert.ok(!JSON.stringify(body).includes(password));
    }));

  test("types of a file, parts of them, and types of resources", () =>
    withFiles(async ({ deploy }) => {
      const { code, stdout, stderr } = await deploy("types.bicep");
      assert.equal(code, 0, stderr);
      assert.deepEqual(stdout.trim().split("\n"), [
        'policy: {"defaultConsistencyLevel":"Session"}',
        'all: {"count":1,"inner":{}}',
        "text: x",
      ]);
    }));

  test("what cannot be deployed is said in one line", () =>
    withFiles(async ({ deploy }) => {
      const cases: readonly (readonly [readonly string[], RegExp])[] = [
        [["missing.bicep"], /There is no file DIR\/missing\.bicep/],
        [["management-group.bicep", "-m", "absent"], /ManagementGroupNotFound: .* 'absent'/],
        [["wrong.json"], /DIR\/wrong\.json\(7,15\) : Error InvalidTemplate: .*incorrect segment lengths/],
        [
          ["main.bicep", "--parameters", "other.bicepparam"],
          /is for .*identity\.bicep, not for .*main\.bicep/,
        ],
      ];
      for (const [args, pattern] of cases) {
        const { code, stderr } = await deploy(...args);
        assert.equal(code, 1, stderr);
        assert.match(stderr, pattern);
        const lines = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Deploying "));
        assert.equal(lines.length, 1, stderr);
      }
    }));
});

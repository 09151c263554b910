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
  "tenant.bicep": "targetScope = 'tenant'\n",
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
        [["tenant.bicep"], /scope 'tenant' cannot be deployed/],
        [
          ["main.bicep", "--parameters", "other.bicepparam"],
          /is for .*identity\.bicep, not for .*main\.bicep/,
        ],
      ];
      for (const [args, pattern] of cases) {
        const { code, stderr } = await deploy(...args);
        assert.equal(code, 1, stderr);
        assert.match(stderr, pattern);
        assert.equal(stderr.trim().split("\n").length, 1, stderr);
      }
    }));
});

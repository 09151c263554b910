/** `celestite run` as a pod of AKS pod identity v1: objects from files and from a cluster's profile, and the real SDK. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Celestite } from "../../src/celestite.ts";
import { callArm, startServer, testSettings } from "../fixtures.ts";
import { commandHere, commandProcess, type Finished } from "./finished.ts";

const limit = { timeout: 180_000 };
let server: Celestite;
let directory: string;
let group: string;
let identity: {
  readonly id: string;
  readonly properties: { readonly principalId: string; readonly clientId: string };
};

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "celestite-pods-"));
  server = await startServer(testSettings(directory), (error) => assert.fail(String(error)));
  const { subscriptionId } = await server.status();
  group = `/subscriptions/${subscriptionId}/resourceGroups/pods`;
  const location = "westeurope";
  await callArm(server, "PUT", `${group}?api-version=2024-03-01`, { location });
  const name = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders`;
  const made = await callArm(server, "PUT", `${name}?api-version=2023-01-31`, { location });
  identity = made.body as unknown as typeof identity;
});

after(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const whoami = `
const { ManagedIdentityCredential } = require("@azure/identity");
new ManagedIdentityCredential().getToken("https://cosmos.azure.com/.default").then(
  ({ token }) => console.log(JSON.parse(Buffer.from(token.split(".")[1], "base64url")).oid),
  (error) => { console.log(error.message); process.exit(3); });`;

function run(...args: string[]): Promise<Finished> {
  return commandProcess(["run", ...args, "--", process.execPath, "-e", whoami], directory);
}

async function manifest(name: string, text: string): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, text);
  return file;
}

const yaml = (): string => `# As pod identity's own documentation writes it.
apiVersion: "aadpodidentity.k8s.io/v1"
kind: AzureIdentity
metadata:
  name: orders
  namespace: shop
spec:
  type: 0
  resourceID: ${identity.id}
  clientID: ${identity.properties.clientId}
---
apiVersion: "aadpodidentity.k8s.io/v1"
kind: AzureIdentityBinding
metadata:
  name: orders-binding
  namespace: shop
spec:
  azureIdentity: orders
  selector: orders-pods
---
`;

describe("env", () => {
  test(
    "--as aks: a token file that the server keeps until it stops, and nobody else reads",
    limit,
    async () => {
      const other = await mkdtemp(join(tmpdir(), "celestite-env-"));
      const second = await startServer(testSettings(other), (error) => assert.fail(String(error)));
      try {
        const { subscriptionId } = await second.status();
        const place = `/subscriptions/${subscriptionId}/resourceGroups/pods`;
        const name = `${place}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders`;
        await callArm(second, "PUT", `${place}?api-version=2024-03-01`, { location: "westeurope" });
        await callArm(second, "PUT", `${name}?api-version=2023-01-31`, { location: "westeurope" });
        const env = ["env", "--as", "aks", "--identity", "orders", "--data", other, "--format", "json"];
        const printed = await commandHere([...env, "--service-account", "shop:orders"]);
        const variables = JSON.parse(printed.stdout) as Record<string, string>;
        const file = variables["AZURE_FEDERATED_TOKEN_FILE"] ?? "";
        const [, payload = ""] = (await readFile(file, "utf8")).split(".");
        const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
        assert.equal(claims["sub"], "system:serviceaccount:shop:orders");
        assert.equal((await stat(file)).mode & 0o777, 0o600);
        assert.ok(
          ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_AUTHORITY_HOST"].every((set) => set in variables),
        );
        const elsewhere = await commandHere([...env, "--service-account", "orders"]);
        assert.match(elsewhere.stderr, /NAMESPACE:NAME/);
        await second.close();
        await assert.rejects(stat(file), /ENOENT/);
      } finally {
        await second.close();
        await rm(other, { recursive: true, force: true });
      }
    },
  );

  test("--service-account without --as aks", limit, async () => {
    const refused = await commandHere(["env", "--identity", "orders", "--service-account", "a:b"]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /goes with --as aks/);
  });
});

describe("a pod", { concurrency: 2 }, () => {
  test("bound by a file; not under another label", limit, async () => {
    const file = await manifest("identity.yaml", yaml());
    const as = ["--as", "pod", "--pod", "shop/orders-1", "--pod-identity", file];
    const [bound, stranger] = await Promise.all([
      run(...as, "--label", "aadpodidbinding=orders-pods"),
      run(...as, "--label", "aadpodidbinding=billing-pods"),
    ]);
    assert.equal(bound.stdout.trim(), identity.properties.principalId, bound.stderr);
    assert.equal(stranger.code, 3);
    // The SDK takes a refusal in plain text for a broken network.
    assert.match(stranger.stdout, /^ManagedIdentityCredential: /);
  });

  test("bound by its cluster's profile, which is looked up anew", limit, async () => {
    const cluster = `${group}/providers/Microsoft.ContainerService/managedClusters/aks`;
    const put = (namespace: string): Promise<unknown> =>
      callArm(server, "PUT", `${cluster}?api-version=2023-10-01`, {
        location: "westeurope",
        properties: {
          podIdentityProfile: {
            enabled: true,
            userAssignedIdentities: [
              {
                name: "orders",
                namespace,
                identity: { resourceId: identity.id, clientId: identity.properties.clientId },
              },
            ],
          },
        },
      });
    const as = ["--as", cluster, "--pod", "shop/orders-1", "--label", "aadpodidbinding=orders"];
    await put("shop");
    const bound = await run(...as);
    assert.equal(bound.stdout.trim(), identity.properties.principalId, bound.stderr);
    await put("billing");
    assert.equal((await run(...as)).code, 3);
  });

  const broken =
    "apiVersion: aadpodidentity.k8s.io/v1\nkind: AzureIdentity\nmetadata:\n  name: x\nspec:\n  type: 0\n";
  const mistakes: readonly (readonly [
    what: string,
    args: readonly string[],
    file: string | undefined,
    RegExp,
  ])[] = [
    ["no pod", ["--as", "pod"], undefined, /needs --identity|needs --pod/],
    ["no objects", ["--as", "pod", "--pod", "a/b"], undefined, /needs --pod-identity FILE/],
    ["no namespace", ["--as", "pod", "--pod", "b"], undefined, /--pod takes NAMESPACE\/NAME/],
    ["a label without value", ["--as", "pod", "--pod", "a/b", "--label", "x"], undefined, /--label takes/],
    ["a label without pod", ["--label", "x=y", "--identity", "orders"], undefined, /go with --pod/],
    ["a cluster that is not there", ["--as", "/subscriptions/x", "--pod", "a/b"], undefined, /no cluster/],
    ["an identity without an id", ["--as", "pod", "--pod", "a/b"], broken, /x: spec\.resourceID is missing/],
    ["no YAML", ["--as", "pod", "--pod", "a/b"], "a: [b", /is no readable YAML or JSON/],
  ];
  for (const [what, args, text, message] of mistakes) {
    test(`one line for ${what}`, limit, async () => {
      const file = text === undefined ? [] : ["--pod-identity", await manifest(`${what}.yaml`, text)];
      // Refused before any program starts, so that no process is needed to tell.
      const refused = await commandHere(["run", "--data", directory, ...args, ...file, "--", "true"]);
      assert.ok(refused.code === 1 || refused.code === 2, refused.stdout);
      assert.match(refused.stderr, message);
      assert.equal(refused.stderr.trim().split("\n").length, 1);
    });
  }
});

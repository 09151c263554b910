/** That what `explain` prints as the fix of a denial is right: it is pasted, and the request passes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TokenFault } from "../../src/azure/principal.ts";
import { assignableScope, narrowestRole } from "../../src/cli/azure-role.ts";
import { findTrap } from "../../src/cli/explain-traps.ts";
import type { Explanation } from "../../src/operator/gateway.ts";
import { call, callArm } from "../fixtures.ts";
import { type AccessServer, withAccessServer } from "./access-server.ts";

const cosmos = "Microsoft.DocumentDB/databaseAccounts";
const group = "/subscriptions/s/resourceGroups/g";
const account = `${group}/providers/${cosmos}/shop`;

/** The one command that is printed, as the arguments that a shell would make of it. */
function printedCommand(text: string): readonly string[] {
  const [line, ...more] = text.split("\n").filter((each) => /^ {2}celestite (role|rest) /.test(each));
  assert.ok(line !== undefined && more.length === 0, text);
  const words = [...line.trim().matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)];
  return words.slice(1).map((word) => word[1] ?? word[2] ?? word[3] ?? "");
}

/** Runs the fix that `celestite` printed; it names the data directory itself. */
async function follow(server: AccessServer, text: string): Promise<void> {
  const args = printedCommand(text);
  assert.deepEqual(args.slice(-2), ["--data", server.directory]);
  const done = await server.celestite(...args.slice(0, -2));
  assert.equal(done.code, 0, done.error);
}

describe("the built-in role that allows an action", () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["Microsoft.Resources/subscriptions/resourceGroups/read", "Reader"],
    ["Microsoft.Resources/subscriptions/resourceGroups/write", "Contributor"],
    ["Microsoft.Resources/deployments/write", "Contributor"],
    [`${cosmos}/read`, "Reader"],
    [`${cosmos}/listKeys/action`, "DocumentDB Account Contributor"],
    [`${cosmos}/write`, "Cosmos DB Operator"],
    ["Microsoft.ManagedIdentity/userAssignedIdentities/write", "Managed Identity Contributor"],
    ["Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "Managed Identity Operator"],
    ["Microsoft.Authorization/roleAssignments/write", "Role Based Access Control Administrator"],
    ["Microsoft.Authorization/denyAssignments/write", "User Access Administrator"],
    [`${cosmos}/sqlRoleAssignments/write`, "DocumentDB Account Contributor"],
    ["Contoso.Things/widgets/write", "Contributor"],
  ];
  for (const [action, role] of cases) {
    test(action, () => assert.equal(narrowestRole(action), role));
  }
});

describe("the scope at which it can be assigned", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [`${cosmos}/read`, account, account],
    [`${cosmos}/listKeys/action`, account, account],
    [`${cosmos}/write`, account, group],
    ["Microsoft.Resources/subscriptions/resourceGroups/write", group, "/subscriptions/s"],
    ["Microsoft.Resources/subscriptions/read", "/subscriptions/s", "/subscriptions/s"],
    [
      "Microsoft.Authorization/roleAssignments/write",
      `${account}/providers/Microsoft.Authorization/roleAssignments/1`,
      account,
    ],
    [
      "Microsoft.Authorization/roleAssignments/write",
      "/providers/Microsoft.Authorization/roleAssignments/1",
      "/",
    ],
  ];
  for (const [action, resource, scope] of cases) {
    test(`${action} on ${resource}`, () => assert.equal(assignableScope(action, resource), scope));
  }
});

test("a denial of Azure Resource Manager is mended by the printed role, which can be taken away again", async () => {
  await withAccessServer(async (server) => {
    const principal = await server.identity("worker");
    const { accessToken } = await server.server.identity.issueFor(principal, "https://management.azure.com");
    const { arm } = (await server.server.status()).endpoints;
    const listKeys = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${accessToken}` };
      const url = `${arm}${server.account}/listKeys?api-version=2024-08-15`;
      return (await call(server.server, url, { method: "POST", headers })).status;
    };
    assert.match((await server.celestite("explain")).error, /No request has been denied\. .*--last/);
    assert.equal(await listKeys(), 403);
    const { out } = await server.celestite("explain");
    assert.match(out, /The smallest fix:\n {2}celestite role assign --principal worker --role "DocumentDB/);
    await follow(server, out);
    assert.equal(await listKeys(), 200);
    const removed = await server.celestite(
      "role",
      "remove",
      "--principal",
      "worker",
      "--scope",
      server.account,
    );
    assert.equal(removed.code, 0, removed.error);
    assert.equal(await listKeys(), 403);
    const nothing = await server.celestite(
      "role",
      "remove",
      "--principal",
      "worker",
      "--scope",
      server.account,
    );
    assert.match(nothing.error, /worker has no such Azure role/);
  });
});

test("rights at the tenant are not promised by a command that would be denied as well", async () => {
  await withAccessServer(async ({ identity, celestite }) => {
    await identity("worker");
    const action = "Microsoft.Management/managementGroups/write";
    const at = "/providers/Microsoft.Management/managementGroups/mine";
    const { code, out } = await celestite("can-i", "worker", action, at);
    assert.equal(code, 1);
    assert.match(out, /elevateAccess/);
    assert.doesNotMatch(out, /celestite role assign/);
  });
});

test("an account's firewall is opened by the printed command, for the address that was refused", async () => {
  await withAccessServer(async (server) => {
    const principal = await server.identity("worker");
    await server.assign(principal, "00000000-0000-0000-0000-000000000002");
    const patch = (properties: object): Promise<unknown> =>
      callArm(server.server, "PATCH", `${server.account}?api-version=2024-08-15`, { properties });
    const items = server.client(principal).database("db").container("orders").items;
    await items.upsert({ id: "1", pk: "a" });
    for (const closed of [
      { ipRules: [{ ipAddressOrRange: "10.1.2.3" }] },
      { publicNetworkAccess: "Disabled" },
    ]) {
      await patch(closed);
      await assert.rejects(items.upsert({ id: "1", pk: "a" }), { code: 403 });
      const { out } = await server.celestite("explain");
      assert.match(out, /Known trap: network rules\./);
      await follow(server, out);
      await items.upsert({ id: "1", pk: "a" });
    }
  });
});

test("what no data role allows has no required action, and a wrong key is said to be one", async () => {
  await withAccessServer(async ({ identity, assign, client, celestite }) => {
    const principal = await identity("worker");
    await assign(principal, "00000000-0000-0000-0000-000000000002");
    await assert.rejects(client(principal).databases.create({ id: "other" }), { code: 403 });
    const { out } = await celestite("explain");
    assert.match(out, /required action {2}none: no data action stands for this operation/);
    assert.doesNotMatch(out, /there is none/);
    const wrong = client({ key: Buffer.from("not its key").toString("base64") });
    await assert.rejects(wrong.database("db").read(), { code: 401 });
    const said = await celestite("explain");
    assert.match(
      said.out,
      /Known trap: wrong key or signature\.\n(.|\n)* {2}celestite keys list --account shop/,
    );
  });
});

describe("what is wrong with a token of the account's own tenant", () => {
  const cases: readonly (readonly [TokenFault["kind"], string | undefined])[] = [
    ["expired", "expired token"],
    ["notYetValid", "token from the future"],
    ["unknownKey", "token of another server"],
    ["signature", "token that was changed"],
    ["revoked", "revoked token"],
    // The service's own words say all that is known.
    ["format", undefined],
    ["missingObjectId", undefined],
  ];
  for (const [fault, name] of cases) {
    test(fault, () => {
      const diagnosis = { kind: "token", fault, claimed: { tenantId: "t" }, accountTenantId: "t" };
      const record = { category: "DataPlaneRequests", account: "shop", diagnosis };
      const trap = findTrap({ record: record as unknown as Explanation["record"] });
      assert.equal(trap?.name, name);
      assert.ok(trap === undefined || (trap.says.length > 0 && trap.fix.length > 0));
    });
  }
});

test("data roles are taken away by name, by scope, or all", async () => {
  await withAccessServer(async ({ identity, celestite }) => {
    await identity("worker");
    const give = async (role: string, scope: string): Promise<void> => {
      const said = await celestite(
        "role",
        "assign",
        "--principal",
        "worker",
        "--role",
        role,
        "--scope",
        scope,
      );
      assert.equal(said.code, 0, said.error);
    };
    const mayRead = async (scope: string): Promise<boolean> =>
      (await celestite("can-i", "worker", "items/read", scope)).code === 0;
    const reader = "Cosmos DB Built-in Data Reader";
    await give(reader, "/dbs/db/colls/orders");
    await give("Cosmos DB Built-in Data Contributor", "/dbs/db");
    const take = (...args: string[]) => celestite("role", "remove", "--principal", "worker", ...args);
    assert.match((await take("--role", reader, "--scope", "/dbs/other")).error, /no such data role/);
    assert.match(
      (await take("--scope", "/dbs/db")).out,
      /has no longer "Cosmos DB Built-in Data Contributor" at \/dbs\/db of shop/,
    );
    assert.equal(await mayRead("/dbs/db/colls/orders"), true);
    assert.equal(await mayRead("/dbs/db/colls/other"), false);
    assert.equal((await take()).code, 0);
    assert.equal(await mayRead("/dbs/db/colls/orders"), false);
  });
});

test("a data role whose scope is written in full is a data role; an unknown one is told from it", async () => {
  await withAccessServer(async ({ identity, celestite, account: shop, group: rg }) => {
    await identity("worker");
    const role = "Cosmos DB Built-in Data Reader";
    const full = ["--role", role, "--scope", `${shop}/dbs/db`];
    const said = await celestite("role", "assign", "--principal", "worker", ...full);
    assert.match(said.out, /has "Cosmos DB Built-in Data Reader" at \/dbs\/db of shop/);
    const unknown = await celestite("role", "assign", "--principal", "worker", "--role", role, "--scope", rg);
    assert.equal(unknown.code, 1);
    assert.match(unknown.error, /There is no Azure role "Cosmos DB Built-in Data Reader" at /);
    const defined = await celestite(
      "role",
      "define",
      "--name",
      "Looker",
      "--actions",
      "items/read,readMetadata",
    );
    assert.match(defined.out, /sqlDatabases\/containers\/items\/read, Microsoft/);
    const misspelled = await celestite("can-i", "worker", "items/reed", "/dbs/db");
    assert.equal(misspelled.code, 2);
    assert.match(misspelled.error, /'items\/reed' is no data action; there are: readMetadata, .*items\/read/);
  });
});

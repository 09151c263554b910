/**
 * Requests that reach past the resource in their path: ids in their bodies, protections that a write leaves out, a second
 * spelling of one path, and what is made again under the name of something that is gone. Grants stand beside denials.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ArmFixture, group, openGroupFixture, outcome, subscription, tenantId } from "./fixture.ts";

const located = { location: "westeurope" };
const theirs = `${subscription}/resourceGroups/theirs`;
const provider = (type: string, scope: string = group): string => `${scope}/providers/Microsoft.${type}`;

/** A caller with everything in one group, and the group of somebody else. */
async function beside(): Promise<{ readonly fixture: ArmFixture; readonly caller: string }> {
  const fixture = await openGroupFixture();
  assert.equal((await fixture.send("PUT", theirs, { body: located })).status, 201);
  return { fixture, caller: await fixture.user("caller", "Contributor", group) };
}

describe("a path has one spelling", () => {
  const vault = provider("KeyVault/vaults/shop-vault");
  const properties = { tenantId, sku: { family: "A", name: "standard" }, enablePurgeProtection: true };
  const refused = "400 InvalidRequestUri";
  const cases: readonly (readonly [method: string, path: string, expected: string])[] = [
    ["GET", vault, "200"],
    ["GET", vault.toUpperCase().replace("/SUBSCRIPTIONS", "/subscriptions"), "200"],
    ["GET", provider("%4BeyVault/vaults/shop-vault"), "200"],
    ["GET", provider("%E2%84%AAeyVault/vaults/shop-vault"), refused],
    ["PATCH", provider("%E2%84%AAeyVault/vaults/shop-vault"), refused],
    ["PUT", provider("%E2%84%AAeyVault/vaults/shop-vault"), refused],
    ["DELETE", provider("%E2%84%AAeyVault/vaults/shop-vault"), refused],
    ["PUT", provider("Authorization/loc%E2%84%AAs/l"), refused],
    ["GET", `${subscription}/resourceGroups/S%C4%B0te`, refused],
    ["GET", `${subscription}/resourceGroups/Gr%C3%B6%C3%9Fe`, "404 ResourceGroupNotFound"],
  ];
  for (const [method, path, expected] of cases) {
    test(`${method} ${path.slice(subscription.length)}: ${expected}`, async () => {
      const { fixture, caller } = await beside();
      const reader = await fixture.user("reader", "Contributor", subscription);
      assert.equal((await fixture.send("PUT", vault, { body: { ...located, properties } })).status, 200);
      const body = method === "GET" || method === "DELETE" ? {} : { body: { properties: {} } };
      const as = path.includes("/providers/") ? caller : reader;
      assert.equal(outcome(await fixture.send(method, path, { as, ...body })), expected);
      const kept = (await fixture.send("GET", vault)).body["properties"];
      assert.equal(kept?.["enablePurgeProtection"], true);
    });
  }
});

describe("what protects a vault", () => {
  const vault = provider("KeyVault/vaults/shop-vault");
  const required = { tenantId, sku: { family: "A", name: "standard" }, accessPolicies: [] };
  const isProtected = { enablePurgeProtection: true, enableRbacAuthorization: true };
  const plain = {};
  const cases: readonly (readonly [string, string, object, "PUT" | "PATCH", object, string])[] = [
    ["a model kept", "Key Vault Contributor", isProtected, "PUT", isProtected, "200"],
    [
      "a model not said",
      "Key Vault Contributor",
      isProtected,
      "PATCH",
      { enabledForDeployment: true },
      "200",
    ],
    [
      "policies instead of roles",
      "Key Vault Contributor",
      isProtected,
      "PATCH",
      { enableRbacAuthorization: false },
      "403 AuthorizationFailed",
    ],
    [
      "the same as null",
      "Contributor",
      isProtected,
      "PATCH",
      { enableRbacAuthorization: null },
      "403 AuthorizationFailed",
    ],
    ["the same by leaving it out", "Contributor", isProtected, "PUT", {}, "403 AuthorizationFailed"],
    [
      "roles instead of policies",
      "Contributor",
      plain,
      "PATCH",
      { enableRbacAuthorization: true },
      "403 AuthorizationFailed",
    ],
    ["roles by an owner", "Owner", plain, "PATCH", { enableRbacAuthorization: true }, "200"],
    ["policies by an owner", "Owner", isProtected, "PATCH", { enableRbacAuthorization: false }, "200"],
    ["purging allowed", "Owner", isProtected, "PATCH", { enablePurgeProtection: false }, "400 BadRequest"],
    ["purging by null", "Owner", isProtected, "PATCH", { enablePurgeProtection: null }, "200"],
    ["purging by leaving it out", "Owner", isProtected, "PUT", { enableRbacAuthorization: true }, "200"],
    ["no soft delete", "Owner", plain, "PATCH", { enableSoftDelete: false }, "400 BadRequest"],
    ["soft delete said", "Contributor", plain, "PATCH", { enableSoftDelete: true }, "200"],
  ];
  for (const [what, role, before, method, sent, expected] of cases) {
    test(`${what}, ${role}: ${expected}`, async () => {
      const fixture = await openGroupFixture();
      const caller = await fixture.user("caller", role, group);
      const first = { ...located, properties: { ...required, ...before } };
      assert.equal((await fixture.send("PUT", vault, { body: first })).status, 200);
      const own = method === "PUT" ? { ...required, ...sent } : sent;
      const answer = await fixture.send(method, vault, {
        as: caller,
        body: { ...located, properties: own },
      });
      assert.equal(outcome(answer), expected);
      if (before !== isProtected) return;
      assert.equal((await fixture.send("DELETE", vault)).status, 200);
      const purge = `${provider("KeyVault/locations/westeurope/deletedVaults/shop-vault", subscription)}/purge`;
      assert.equal(outcome(await fixture.send("POST", purge)), "405 MethodNotAllowed", "still protected");
    });
  }
});

describe("PATCH of what another row writes changes tags alone", () => {
  const account = provider("DocumentDB/databaseAccounts/shop");
  const workspace = provider("OperationalInsights/workspaces/w");
  const logs = [{ category: "DataPlaneRequests", enabled: true }];
  const cases: readonly (readonly [id: string, first: object, more: object])[] = [
    [
      provider("ContainerService/managedClusters/k"),
      {},
      { nodeResourceGroup: "theirs", podIdentityProfile: { enabled: true } },
    ],
    [
      provider("Insights/diagnosticSettings/d", account),
      { workspaceId: workspace, logs },
      { workspaceId: provider("OperationalInsights/workspaces/w", theirs) },
    ],
    [provider("Network/virtualNetworks/v"), {}, { subnets: [] }],
    [
      provider("Sql/servers/srv/administrators/ActiveDirectory"),
      { login: "a", sid: tenantId },
      { login: "b" },
    ],
  ];
  for (const [id, first, more] of cases) {
    test(id.split("/").slice(-2).join("/"), async () => {
      const { fixture, caller } = await beside();
      for (const parent of [account, workspace, provider("Sql/servers/srv")]) {
        assert.equal((await fixture.send("PUT", parent, { body: located })).status, 200);
      }
      const made = await fixture.send("PUT", id, { body: { ...located, properties: first } });
      assert.ok(made.status < 300, JSON.stringify(made.body));
      const before = (await fixture.send("GET", id)).body["properties"];
      const patch = (body: object): Promise<string> =>
        fixture.send("PATCH", id, { as: caller, body }).then(outcome);
      assert.equal(await patch({ properties: more }), "400 InvalidRequestContent");
      assert.equal(await patch({ tags: { a: "b" }, Properties: more }), "400 InvalidRequestContent");
      assert.equal(await patch({ identity: { type: "SystemAssigned" } }), "400 InvalidRequestContent");
      assert.equal(await patch({ tags: { a: "b" } }), "200");
      assert.deepEqual((await fixture.send("GET", id)).body["properties"], before);
    });
  }
});

describe("an identity is bound to a cluster's pods by who may assign it", () => {
  const identity = provider("ManagedIdentity/userAssignedIdentities/worker", theirs);
  const cluster = provider("ContainerService/managedClusters/k");
  for (const [role, spelling, expected] of [
    [undefined, identity, "403 LinkedAuthorizationFailed"],
    ["Reader", identity, "403 LinkedAuthorizationFailed"],
    ["Managed Identity Contributor", identity, "403 LinkedAuthorizationFailed"],
    [undefined, `${identity}/`, "403 LinkedAuthorizationFailed"],
    [undefined, identity.replace("theirs", "THEIRS"), "403 LinkedAuthorizationFailed"],
    ["Managed Identity Operator", identity, "200"],
    ["Owner", identity.replace("theirs", "THEIRS"), "200"],
  ] as const) {
    test(`${role ?? "nothing"} at ${spelling.slice(subscription.length)}: ${expected}`, async () => {
      const { fixture, caller } = await beside();
      assert.equal((await fixture.send("PUT", identity, { body: located })).status, 201);
      if (role !== undefined) await fixture.grant(caller, role, identity);
      const bound = { name: "p", namespace: "n", identity: { resourceId: spelling } };
      const podIdentityProfile = { enabled: true, userAssignedIdentities: [bound] };
      const body = { ...located, properties: { podIdentityProfile } };
      assert.equal(outcome(await fixture.send("PUT", cluster, { as: caller, body })), expected);
      assert.equal((await fixture.send("GET", cluster)).status, expected === "200" ? 200 : 404);
    });
  }
});

describe("a subnet is joined by who may", () => {
  const network = provider("Network/virtualNetworks/v", theirs);
  const id = `${network}/subnets/s`;
  const cases: readonly (readonly [type: string, properties: object])[] = [
    ["Network/networkInterfaces/x", { ipConfigurations: [{ name: "a", properties: { subnet: { id } } }] }],
    ["Network/privateEndpoints/x", { subnet: { id: `${id}/` } }],
    ["Web/sites/x", { virtualNetworkSubnetId: id.toUpperCase().replace("/SUBSCRIPTIONS", "/subscriptions") }],
    ["ContainerService/managedClusters/x", { agentPoolProfiles: [{ name: "a", vnetSubnetID: id }] }],
    ["ContainerService/managedClusters/k/agentPools/x", { vnetSubnetID: id }],
    ["DocumentDB/databaseAccounts/xyz", { virtualNetworkRules: [{ id }] }],
    ["KeyVault/vaults/xyz", { tenantId, networkAcls: { virtualNetworkRules: [{ id }] } }],
    ["Storage/storageAccounts/xyz", { networkAcls: { virtualNetworkRules: [{ id, action: "Allow" }] } }],
    ["Sql/servers/srv/virtualNetworkRules/x", { virtualNetworkSubnetId: id }],
  ];
  for (const [type, properties] of cases) {
    test(type, async () => {
      const { fixture, caller } = await beside();
      const subnets = [{ name: "s", properties: { addressPrefix: "10.0.0.0/24" } }];
      await fixture.send("PUT", network, { body: { ...located, properties: { subnets } } });
      for (const parent of ["Sql/servers/srv", "ContainerService/managedClusters/k"]) {
        await fixture.send("PUT", provider(parent), { body: located });
      }
      const write = (): Promise<string> =>
        fixture.send("PUT", provider(type), { as: caller, body: { ...located, properties } }).then(outcome);
      assert.equal(await write(), "403 LinkedAuthorizationFailed");
      await fixture.grant(caller, "Reader", network);
      assert.equal(await write(), "403 LinkedAuthorizationFailed");
      await fixture.grant(caller, "Network Contributor", id);
      assert.equal(await write(), "200");
    });
  }

  const others: readonly (readonly [type: string, properties: (id: string) => object, joined: string])[] = [
    [
      "Compute/virtualMachines/x",
      (joined) => ({
        networkProfile: { networkInterfaces: [{ id: joined, properties: { primary: true } }] },
      }),
      "Network/networkInterfaces/n",
    ],
    [
      "Network/networkInterfaces/x",
      (joined) => ({ ipConfigurations: [{ name: "a", properties: { publicIPAddress: { id: joined } } }] }),
      "Network/publicIPAddresses/n",
    ],
    [
      "Network/virtualNetworks/x",
      (joined) => ({ subnets: [{ name: "s", properties: { networkSecurityGroup: { id: joined } } }] }),
      "Network/networkSecurityGroups/n",
    ],
    [
      "Network/virtualNetworks/own/subnets/x",
      (joined) => ({ routeTable: { id: joined } }),
      "Network/routeTables/n",
    ],
    ["Web/sites/x", (joined) => ({ serverFarmId: joined }), "Web/serverfarms/n"],
  ];
  for (const [type, properties, other] of others) {
    test(`and ${other} by ${type}`, async () => {
      const { fixture, caller } = await beside();
      await fixture.send("PUT", provider("Network/virtualNetworks/own"), { body: located });
      const joined = provider(other, theirs);
      assert.ok((await fixture.send("PUT", joined, { body: located })).status < 300);
      const body = { ...located, properties: properties(joined) };
      const write = (): Promise<string> =>
        fixture.send("PUT", provider(type), { as: caller, body }).then(outcome);
      assert.equal(await write(), "403 LinkedAuthorizationFailed");
      await fixture.grant(caller, "Reader", joined);
      assert.equal(await write(), "403 LinkedAuthorizationFailed");
      await fixture.grant(caller, "Contributor", joined);
      assert.equal(await write(), "200");
    });
  }

  test("who refers to a resource is no matter of joining", async () => {
    const { fixture, caller } = await beside();
    const networkInterfaces = [{ id: provider("Network/networkInterfaces/n", theirs) }];
    const properties = { networkInterfaces, subnets: [{ id }] };
    const rules = provider("Network/networkSecurityGroups/own");
    const body = { ...located, properties };
    assert.equal(outcome(await fixture.send("PUT", rules, { as: caller, body })), "200");
    const plan = { ...located, properties: { serverFarmId: "a-plan-by-name" } };
    assert.equal(
      outcome(await fixture.send("PUT", provider("Web/sites/x"), { as: caller, body: plan })),
      "200",
    );
  });

  test("a network's own ones ask nothing more", async () => {
    const { fixture, caller } = await beside();
    const own = provider("Network/virtualNetworks/own");
    const subnets = [{ name: "s", id: `${own}/subnets/s`, properties: {} }];
    const body = { ...located, properties: { subnets } };
    assert.equal(outcome(await fixture.send("PUT", own, { as: caller, body })), "200");
  });
});

describe("an account is restored by who may take the data", () => {
  const source = provider("DocumentDB/locations/westeurope/restorableDatabaseAccounts/x", subscription);
  const restored = provider("DocumentDB/databaseAccounts/restored");
  for (const [who, restoreSource, expected] of [
    ["caller", source, "403 LinkedAuthorizationFailed"],
    ["caller", provider("DocumentDB/databaseAccounts/shop", theirs), "403 LinkedAuthorizationFailed"],
    ["caller", provider("DocumentDB/databaseAccounts/shop"), "400 BadRequest"],
    ["caller", `${group}/providers/Microsoft.DocumentDB`, "400 BadRequest"],
    ["caller", "", "400 BadRequest"],
    ["owner", source, "200"],
  ] as const) {
    test(`${who} from '${restoreSource.split("/").slice(-2).join("/")}': ${expected}`, async () => {
      const { fixture, caller } = await beside();
      const restoreParameters = { restoreMode: "PointInTime", restoreSource };
      const body = { ...located, properties: { createMode: "restore", restoreParameters } };
      const as = who === "owner" ? fixture.owner : caller;
      assert.equal(outcome(await fixture.send("PUT", restored, { as, body })), expected);
    });
  }
});

describe("what is made again under an old name is somebody else", () => {
  const identity = provider("ManagedIdentity/userAssignedIdentities/worker");
  const site = provider("Web/sites/a");
  const account = provider("DocumentDB/databaseAccounts/shop");
  const assignment = (scope: string): string =>
    `${scope}/providers/Microsoft.Authorization/roleAssignments/10000000-0000-4000-8000-000000000001`;
  const read = async ({ send }: ArmFixture, id: string): Promise<string> =>
    JSON.stringify((await send("GET", id)).body);

  test("an identity: other ids, no credentials, no hosts, no roles on it", async () => {
    const { fixture, caller } = await beside();
    const { send } = fixture;
    const first = (await send("PUT", identity, { body: located })).body["properties"];
    const carried = { type: "SystemAssigned, UserAssigned", userAssignedIdentities: { [identity]: {} } };
    await send("PUT", site, { body: { ...located, identity: carried } });
    const properties = { issuer: "https://issuer.example", subject: "s", audiences: ["a"] };
    await send("PUT", `${identity}/federatedIdentityCredentials/f`, { body: { properties } });
    await fixture.grant(caller, "Managed Identity Contributor", identity);
    assert.match(await read(fixture, site), /UserAssigned/);
    assert.equal((await send("DELETE", identity)).status, 200);
    const second = (await send("PUT", identity, { body: located })).body["properties"];
    assert.notEqual(second?.["principalId"], first?.["principalId"]);
    assert.notEqual(second?.["clientId"], first?.["clientId"]);
    assert.doesNotMatch(await read(fixture, site), /UserAssigned/);
    assert.doesNotMatch(await read(fixture, `${identity}/federatedIdentityCredentials`), /issuer/);
    const roles = await read(fixture, `${identity}/providers/Microsoft.Authorization/roleAssignments`);
    assert.doesNotMatch(roles, /userAssignedIdentities/);
  });

  test("a host: another identity of its own", async () => {
    const { fixture } = await beside();
    const body = { ...located, identity: { type: "SystemAssigned" } };
    const made = async (): Promise<unknown> =>
      (await fixture.send("PUT", site, { body })).body["identity"]?.["principalId"];
    const first = await made();
    assert.equal(await made(), first, "written again, it is the same");
    await fixture.send("DELETE", site);
    assert.notEqual(await made(), first);
  });

  test("an account: other keys, no data roles, no locks, no Azure roles", async () => {
    const { fixture, caller } = await beside();
    const { send } = fixture;
    const keys = async (): Promise<unknown> => (await send("POST", `${account}/listKeys`)).body;
    await send("PUT", account, { body: located });
    const first = await keys();
    const roleDefinitionId = `${account}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002`;
    const properties = { roleDefinitionId, scope: account, principalId: caller };
    const role = assignment(account).replace("providers/Microsoft.Authorization/roleA", "sqlRoleA");
    assert.equal((await send("PUT", role, { body: { properties } })).status, 200);
    await fixture.grant(caller, "Owner", account);
    assert.equal((await send("DELETE", account)).status, 204);
    await send("PUT", account, { body: located });
    assert.notDeepEqual(await keys(), first);
    assert.equal((await send("GET", role)).status, 404);
    const roles = await read(fixture, `${account}/providers/Microsoft.Authorization/roleAssignments`);
    assert.doesNotMatch(roles, /databaseAccounts/);
    assert.equal(
      outcome(await send("PUT", role, { as: caller, body: { properties } })),
      "200",
      "by the group",
    );
  });
});

test("a subscription tells its locations to who has a role in it, however far down", async () => {
  const { fixture, caller } = await beside();
  const stranger = await fixture.user("stranger");
  for (const path of [subscription, `${subscription}/locations`]) {
    assert.equal(outcome(await fixture.send("GET", path, { as: caller })), "200");
    assert.equal(outcome(await fixture.send("GET", path, { as: stranger })), "403 AuthorizationFailed");
  }
});

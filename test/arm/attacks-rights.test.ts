/**
 * Rights that are reached by another way than the one that is guarded: a parent's write that changes what a child's right
 * protects, an owner who is nobody's any more, the same id in other letters, a claim on somebody else's group.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ArmFixture, group, messageOf, openGroupFixture, outcome, subscription } from "./fixture.ts";

const located = { location: "westeurope" };
const provider = (type: string, scope: string = group): string => `${scope}/providers/Microsoft.${type}`;
const assignments = (scope: string): string => provider("Authorization/roleAssignments", scope);

let names = 0;
const guid = (): string => `00000000-0000-4000-d000-${String(++names).padStart(12, "0")}`;

const roles = {
  reader: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
  owner: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
  administrator: "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
  userAccessAdministrator: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
};

/** Gives a role with a condition, or tries to; the outcome and the assignment's id. */
async function assign(
  fixture: ArmFixture,
  role: string,
  principalId: string,
  scope: string,
  { as = fixture.owner, condition }: { readonly as?: string; readonly condition?: string } = {},
): Promise<{ readonly id: string; readonly result: string }> {
  const roleDefinitionId = `${provider("Authorization/roleDefinitions", subscription)}/${role}`;
  const properties = { roleDefinitionId, principalId, ...(condition === undefined ? {} : { condition }) };
  const id = `${assignments(scope)}/${guid()}`;
  const answer = await fixture.send("PUT", id, { as, apiVersion: "2022-04-01", body: { properties } });
  return { id, result: outcome(answer) };
}

/** A custom role with these actions, given at a scope. */
async function give(
  fixture: ArmFixture,
  principalId: string,
  actions: readonly string[],
  scope: string,
): Promise<void> {
  const name = guid();
  const properties = {
    roleName: `role ${name}`,
    assignableScopes: [subscription],
    permissions: [{ actions }],
  };
  const definition = `${provider("Authorization/roleDefinitions", subscription)}/${name}`;
  assert.equal((await fixture.send("PUT", definition, { body: { properties } })).status, 201);
  await fixture.grant(principalId, `role ${name}`, scope);
}

describe("whether a SQL server takes passwords is changed by its own child alone", () => {
  const server = provider("Sql/servers/shop");
  const only = `${server}/azureADOnlyAuthentications/Default`;
  const admin = { administratorType: "ActiveDirectory", login: "boss", sid: "s", tenantId: "t" };
  const refused = "400 AadOnlyAuthenticationIsEnabled";
  type Case = readonly [
    what: string,
    isOnly: boolean,
    method: string,
    id: string,
    properties: object | undefined,
    expected: string,
    after: boolean,
  ];
  const whole = (azureADOnlyAuthentication: boolean): object => ({
    administrators: { ...admin, azureADOnlyAuthentication },
  });
  const cases: readonly Case[] = [
    ["written with the server", true, "PUT", server, whole(false), "200", true],
    ["the same as PATCH", true, "PATCH", server, whole(false), "200", true],
    ["not said", true, "PUT", server, {}, "200", true],
    ["said without it", true, "PUT", server, { administrators: admin }, "200", true],
    ["switched on with the server", false, "PUT", server, whole(true), "200", false],
    ["by a new password", true, "PATCH", server, { administratorLoginPassword: "P1" }, refused, true],
    [
      "a new password where it is taken",
      false,
      "PATCH",
      server,
      { administratorLoginPassword: "P" },
      "200",
      false,
    ],
    [
      "by taking the administrator away",
      true,
      "DELETE",
      `${server}/administrators/ActiveDirectory`,
      undefined,
      refused,
      true,
    ],
    [
      "by its own child",
      true,
      "PUT",
      only,
      { azureADOnlyAuthentication: false },
      "403 AuthorizationFailed",
      true,
    ],
    [
      "another administrator",
      true,
      "PUT",
      `${server}/administrators/ActiveDirectory`,
      { ...admin, login: "other" },
      "200",
      true,
    ],
  ];
  for (const [what, isOnly, method, id, properties, expected, after] of cases) {
    test(`${isOnly ? "off" : "on"}, ${what}: ${expected}`, async () => {
      const fixture = await openGroupFixture();
      const made = { ...located, properties: whole(isOnly) };
      assert.equal(outcome(await fixture.send("PUT", server, { body: made })), "200");
      const as = await fixture.user("contributor", "SQL Server Contributor", group);
      const body = properties === undefined ? {} : { body: { ...located, properties } };
      assert.equal(outcome(await fixture.send(method, id, { as, ...body })), expected);
      const shown = (await fixture.send("GET", server)).body["properties"]?.["administrators"];
      assert.equal(shown?.["azureADOnlyAuthentication"] as unknown, after);
      const child = (await fixture.send("GET", only)).body["properties"];
      assert.equal(child?.["azureADOnlyAuthentication"] as unknown, after);
    });
  }

  test("who may write it may, and then the administrator can go", async () => {
    const fixture = await openGroupFixture();
    await fixture.send("PUT", server, { body: { ...located, properties: whole(true) } });
    const as = await fixture.user("contributor", "Contributor", group);
    const body = { properties: { azureADOnlyAuthentication: false } };
    assert.equal(outcome(await fixture.send("PUT", only, { as, body })), "200");
    const on = { properties: { azureADOnlyAuthentication: true } };
    assert.equal(outcome(await fixture.send("PUT", only, { as, body: on })), "200");
    const operator = await fixture.user("operator", "SQL Server Contributor", group);
    assert.equal(outcome(await fixture.send("DELETE", only, { as: operator })), "403 AuthorizationFailed");
    assert.equal(outcome(await fixture.send("DELETE", only, { as })), "200");
    const gone = await fixture.send("DELETE", `${server}/administrators/ActiveDirectory`, { as });
    assert.equal(outcome(gone), "200");
  });
});

describe("a subscription is not left without an owner", () => {
  const refused = "400 CannotDeleteLastRbacAdminAssignment";
  /** Takes all assignments at the subscription away but those made here. */
  async function openOwned(): Promise<{
    readonly fixture: ArmFixture;
    readonly owner: string;
    readonly id: string;
  }> {
    const fixture = await openGroupFixture();
    const owner = await fixture.user("owner");
    const { id } = await assign(fixture, roles.owner, owner, subscription);
    const listed = await fixture.send("GET", `${assignments(subscription)}?$filter=atScope()`);
    for (const each of listed.body["value"] as unknown as readonly { readonly id: string }[]) {
      if (each.id === id) continue;
      assert.equal(outcome(await fixture.send("DELETE", each.id, { as: owner })), "200");
    }
    return { fixture, owner, id };
  }

  test("the last one stays, in whatever letters it is named", async () => {
    const { fixture, owner, id } = await openOwned();
    assert.equal(outcome(await fixture.send("DELETE", id, { as: owner })), refused);
    const spelled = id.toUpperCase().replace("/SUBSCRIPTIONS", "/subscriptions");
    assert.equal(outcome(await fixture.send("DELETE", spelled, { as: owner })), refused);
    assert.equal(outcome(await fixture.send("GET", id, { as: owner })), "200");
  });

  test("an owner of a group and an administrator of access are no other", async () => {
    const { fixture, owner, id } = await openOwned();
    const other = await fixture.user("other");
    await assign(fixture, roles.owner, other, group, { as: owner });
    await assign(fixture, roles.userAccessAdministrator, other, subscription, { as: owner });
    assert.equal(outcome(await fixture.send("DELETE", id, { as: other })), refused);
  });

  test("one of two may go, and who is no owner", async () => {
    const { fixture, owner, id } = await openOwned();
    const other = await fixture.user("other");
    const reader = await assign(fixture, roles.reader, other, subscription, { as: owner });
    const access = await assign(fixture, roles.userAccessAdministrator, other, subscription, { as: owner });
    const inGroup = await assign(fixture, roles.owner, other, group, { as: owner });
    for (const each of [reader, access, inGroup]) {
      assert.equal(outcome(await fixture.send("DELETE", each.id, { as: owner })), "200");
    }
    await assign(fixture, roles.owner, other, subscription, { as: owner });
    assert.equal(outcome(await fixture.send("DELETE", id, { as: owner })), "200");
  });

  test("the Global Administrator may, with a right to role assignments", async () => {
    const { fixture, id } = await openOwned();
    assert.equal(outcome(await fixture.send("DELETE", id)), "403 AuthorizationFailed");
    const elevate = "/providers/Microsoft.Authorization/elevateAccess";
    assert.equal((await fixture.send("POST", elevate, { apiVersion: "2016-07-01" })).status, 200);
    assert.equal(outcome(await fixture.send("DELETE", id)), "200");
  });
});

describe("a condition names a principal, however a request spells it", () => {
  const write = "Microsoft.Authorization/roleAssignments/write";
  const attribute = "@Request[Microsoft.Authorization/roleAssignments:PrincipalId]";
  const conditions: readonly (readonly [operator: string, compared: (id: string) => string, may: boolean])[] =
    [
      ["not by text", (id) => `${attribute} StringNotEquals '${id}'`, false],
      ["not by GUID", (id) => `${attribute} GuidNotEquals '${id}'`, false],
      ["not among several", (id) => `${attribute} ForAnyOfAllValues:StringNotEquals {'${id}', 'x'}`, false],
      ["by text", (id) => `${attribute} StringEquals '${id}'`, true],
      ["by GUID in capitals", (id) => `${attribute} GuidEquals '${id.toUpperCase()}'`, true],
    ];
  for (const [what, compared, may] of conditions) {
    test(`${what}: ${may ? "may" : "may not"}`, async () => {
      const fixture = await openGroupFixture();
      const [delegate, named, other] = [
        await fixture.user("delegate"),
        await fixture.user("named"),
        await fixture.user("other"),
      ];
      const condition = `(!(ActionMatches{'${write}'})) OR (${compared(named)})`;
      const made = await assign(fixture, roles.administrator, delegate, group, { condition });
      assert.equal(made.result, "201");
      const of = async (principal: string): Promise<string> =>
        (await assign(fixture, roles.reader, principal, group, { as: delegate })).result;
      const refused = "403 AuthorizationFailed";
      assert.equal(await of(named.toUpperCase()), may ? "201" : refused);
      assert.equal(await of(other.toUpperCase()), may ? refused : "201");
    });
  }
});

describe("a cluster's nodes are in a group of its own", () => {
  const cluster = provider("ContainerService/managedClusters/c");
  const theirs = `${subscription}/resourceGroups/theirs`;
  const nodes = { ...located, properties: { dnsPrefix: "c", nodeResourceGroup: "theirs" } };

  test("not one that says so itself, which would go with the cluster", async () => {
    const fixture = await openGroupFixture();
    await fixture.send("PUT", theirs, { body: located });
    const attacker = await fixture.user("attacker", "Contributor", group);
    await give(fixture, attacker, ["Microsoft.Resources/subscriptions/resourceGroups/write"], theirs);
    const claim = { ...located, managedBy: cluster };
    assert.equal(outcome(await fixture.send("PUT", theirs, { as: attacker, body: claim })), "200");
    const refused = "409 NodeResourceGroupAlreadyExists";
    assert.equal(outcome(await fixture.send("PUT", cluster, { as: attacker, body: nodes })), refused);
    assert.equal(outcome(await fixture.send("DELETE", cluster, { as: attacker })), "204");
    assert.equal((await fixture.send("HEAD", theirs)).status, 204);
  });

  test("one that it made, as often as it is written", async () => {
    const fixture = await openGroupFixture();
    const as = await fixture.user("contributor", "Contributor", group);
    for (const _ of [1, 2])
      assert.equal(outcome(await fixture.send("PUT", cluster, { as, body: nodes })), "200");
    assert.equal((await fixture.send("HEAD", theirs)).status, 204);
    assert.equal(outcome(await fixture.send("DELETE", cluster, { as })), "204");
    assert.equal((await fixture.send("HEAD", theirs)).status, 404);
  });
});

describe("an identity is joined by who may assign it, wherever a body has a place for one", () => {
  const theirs = `${subscription}/resourceGroups/theirs`;
  const identity = provider("ManagedIdentity/userAssignedIdentities/worker", theirs);
  const block = { type: "UserAssigned", userAssignedIdentities: { [identity]: {} } };
  const schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";
  const template = { $schema: schema, contentVersion: "1.0.0.0", resources: [] };
  const script = {
    type: "Microsoft.Resources/deploymentScripts",
    apiVersion: "2023-08-01",
    name: "s",
    ...located,
    kind: "AzureCLI",
    identity: block,
    properties: { azCliVersion: "2.60.0", retentionInterval: "P1D", scriptContent: "true" },
  };
  const deployment = (resources: readonly object[], more: object = {}): object => ({
    properties: { mode: "Incremental", template: { ...template, resources } },
    ...more,
  });
  const kubelet = { identityProfile: { kubeletidentity: { resourceId: identity } } };
  const cases: readonly (readonly [what: string, type: string, body: object])[] = [
    ["a deployment's own", "Resources/deployments/d", deployment([], { identity: block })],
    ["a script's", "Resources/deploymentScripts/s", script],
    ["the nodes' of a cluster", "ContainerService/managedClusters/k", { ...located, properties: kubelet }],
    ["a machine's", "Compute/virtualMachines/v", { ...located, properties: {}, identity: block }],
    ["in other letters", "Web/sites/s", { ...located, properties: {}, Identity: block }],
  ];
  for (const [what, type, body] of cases) {
    test(what, async () => {
      const fixture = await openGroupFixture();
      await fixture.send("PUT", theirs, { body: located });
      assert.equal((await fixture.send("PUT", identity, { body: located })).status, 201);
      const as = await fixture.user("caller", "Contributor", group);
      const put = (): Promise<string> => fixture.send("PUT", provider(type), { as, body }).then(outcome);
      assert.equal(await put(), "403 LinkedAuthorizationFailed");
      await fixture.grant(as, "Managed Identity Contributor", identity);
      assert.equal(await put(), "403 LinkedAuthorizationFailed");
      await fixture.grant(as, "Managed Identity Operator", identity);
      assert.match(await put(), /^20[01]$/);
    });
  }

  test("a cluster's own, which it made and shows, asks nothing when it is written back", async () => {
    const fixture = await openGroupFixture();
    const as = await fixture.user("caller", "Contributor", group);
    const cluster = provider("ContainerService/managedClusters/k");
    assert.equal(outcome(await fixture.send("PUT", cluster, { as, body: located })), "200");
    const { body } = await fixture.send("GET", cluster, { as });
    assert.equal(outcome(await fixture.send("PUT", cluster, { as, body })), "200");
  });
});

describe("a custom role is read where it can be assigned", () => {
  const theirs = `${subscription}/resourceGroups/theirs`;
  const name = "00000000-0000-4000-e000-000000000001";
  const at = (scope: string): string => `${provider("Authorization/roleDefinitions", scope)}/${name}`;
  for (const [assignable, scope, expected] of [
    [theirs, theirs, "200"],
    [theirs, subscription, "200"],
    [subscription, group, "200"],
    [theirs, group, "404 RoleDefinitionDoesNotExist"],
  ] as const) {
    test(`of ${assignable.slice(subscription.length)}, at ${scope.slice(subscription.length)}: ${expected}`, async () => {
      const fixture = await openGroupFixture();
      await fixture.send("PUT", theirs, { body: located });
      const permissions = [{ actions: ["Microsoft.Web/sites/read"] }];
      const body = { properties: { roleName: "theirs", assignableScopes: [assignable], permissions } };
      assert.equal((await fixture.send("PUT", at(assignable), { body })).status, 201);
      const as = await fixture.user("reader", "Reader", scope);
      assert.equal(outcome(await fixture.send("GET", at(scope), { as })), expected);
    });
  }
});

describe("a group whose name is that of a type", () => {
  for (const [name, type, below] of [
    ["sites", "Web/sites/shop", "config/web"],
    ["virtualMachines", "Compute/virtualMachines/shop", "instanceView"],
  ] as const) {
    test(`${name}: what is in it is found`, async () => {
      const fixture = await openGroupFixture();
      const odd = `${subscription}/resourceGroups/${name}`;
      await fixture.send("PUT", odd, { body: located });
      const id = provider(type, odd);
      assert.equal(outcome(await fixture.send("PUT", id, { body: { ...located, properties: {} } })), "200");
      assert.equal(outcome(await fixture.send("GET", `${id}/${below}`)), "200");
      const as = await fixture.user("reader", "Reader", group);
      assert.equal(outcome(await fixture.send("GET", `${id}/${below}`, { as })), "403 AuthorizationFailed");
    });
  }
});

describe("what would give access, and is not served, is not kept as if it did", () => {
  for (const [type, expected] of [
    ["Authorization/roleAssignmentScheduleRequests", "404 InvalidResourceType"],
    ["Authorization/roleEligibilityScheduleRequests", "404 InvalidResourceType"],
    ["Authorization/roleManagementPolicyAssignments", "404 InvalidResourceType"],
    ["ManagedServices/registrationDefinitions", "404 InvalidResourceType"],
    ["ManagedServices/registrationAssignments", "404 InvalidResourceType"],
    ["Resources/deploymentStacks", "404 InvalidResourceType"],
    ["Authorization/policyAssignments", "200"],
    ["Solutions/applications", "200"],
    ["Resources/templateSpecs", "200"],
  ] as const) {
    test(`${type}: ${expected}`, async () => {
      const fixture = await openGroupFixture();
      const id = `${provider(type)}/${guid()}`;
      assert.equal(
        outcome(await fixture.send("PUT", id, { body: { ...located, properties: {} } })),
        expected,
      );
      assert.equal((await fixture.send("GET", id)).status, expected === "200" ? 200 : 404);
    });
  }
});

describe("a provider is registered by who holds the provider's own action", () => {
  const register = `${provider("DocumentDB", subscription)}/register`;
  for (const [action, expected] of [
    ["Microsoft.DocumentDB/register/action", "200"],
    ["*/register/action", "200"],
    ["microsoft.documentdb/*", "200"],
    ["Microsoft.KeyVault/register/action", "403 AuthorizationFailed"],
    ["Microsoft.Resources/*", "403 AuthorizationFailed"],
    ["Microsoft.Resources/subscriptions/providers/register/action", "403 AuthorizationFailed"],
  ] as const) {
    test(`${action}: ${expected}`, async () => {
      const fixture = await openGroupFixture();
      const as = await fixture.user("someone");
      await give(fixture, as, [action], subscription);
      const answer = await fixture.send("POST", register, { as });
      assert.equal(outcome(answer), expected);
      if (expected !== "200")
        assert.match(messageOf(answer), /'Microsoft\.DocumentDB\/register\/action' over scope/);
    });
  }
});

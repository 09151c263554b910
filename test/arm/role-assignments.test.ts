import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Answer,
  group,
  messageOf,
  openGroupFixture,
  outcome,
  type Shown,
  subscription,
  tenantId,
} from "./fixture.ts";

const fixture = await openGroupFixture();
const roles = `${subscription}/providers/Microsoft.Authorization/roleDefinitions`;
const reader = `${roles}/acdd72a7-3385-48ef-bd42-f606fba81ae7`;
const owner = `${roles}/8e3af657-a8ff-443c-a75c-2fe8c4bcb635`;
const site = `${group}/providers/Microsoft.Web/sites/app`;
const identity = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker`;

let names = 0;
function guid(): string {
  return `00000000-0000-4000-8000-${String(++names).padStart(12, "0")}`;
}

function assign(
  scope: string,
  properties: object,
  name: string = guid(),
  as: string = fixture.owner,
): Promise<Answer> {
  const target = `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`;
  return fixture.send("PUT", target, { apiVersion: "2022-04-01", body: { properties }, as });
}

async function list(scope: string, filter?: string): Promise<readonly Shown[]> {
  const query = filter === undefined ? "" : `?$filter=${encodeURIComponent(filter)}`;
  const target = `${scope}/providers/Microsoft.Authorization/roleAssignments${query}`;
  const answer = await fixture.send("GET", target, { apiVersion: "2022-04-01" });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body["value"] as unknown as readonly Shown[];
}

test("the first user owns the subscription through an ordinary assignment", async () => {
  const [first, ...others] = await list(subscription);
  assert.deepEqual(others, []);
  assert.equal(first?.["properties"]?.["principalId"], fixture.owner);
  assert.equal(first?.["properties"]?.["roleDefinitionId"], owner);
  assert.equal(first?.["properties"]?.["scope"], subscription);
});

test("an assignment has the service's shape and can be read back and removed", async () => {
  const principalId = await fixture.user("plain");
  const name = guid();
  const made = await assign(group, { roleDefinitionId: reader, principalId, principalType: "User" }, name);
  assert.equal(made.status, 201);
  const id = `${group}/providers/Microsoft.Authorization/roleAssignments/${name}`;
  assert.deepEqual(made.body, {
    properties: {
      roleDefinitionId: reader,
      principalId,
      principalType: "User",
      scope: group,
      condition: null,
      conditionVersion: null,
      createdOn: "2026-01-02T00:00:00.000Z",
      updatedOn: "2026-01-02T00:00:00.000Z",
      createdBy: fixture.owner,
      updatedBy: fixture.owner,
      delegatedManagedIdentityResourceId: null,
      description: null,
    },
    id,
    type: "Microsoft.Authorization/roleAssignments",
    name,
  });
  assert.deepEqual(
    (await fixture.send("GET", id.toUpperCase().replace("/SUBSCRIPTIONS", "/subscriptions"))).body,
    made.body,
  );
  assert.equal((await fixture.send("DELETE", id)).status, 200);
  assert.equal((await fixture.send("DELETE", id)).status, 204);
  assert.equal(outcome(await fixture.send("GET", id)), "404 RoleAssignmentNotFound");
});

describe("refusals", () => {
  test("the same assignment under another name", async () => {
    const principalId = await fixture.user("twice");
    const first = guid();
    assert.equal((await assign(group, { roleDefinitionId: reader, principalId }, first)).status, 201);
    const lower = group.replace("resourceGroups", "resourcegroups").toLowerCase();
    const again = await assign(lower, {
      roleDefinitionId: reader.toUpperCase(),
      principalId: principalId.toUpperCase(),
    });
    assert.equal(outcome(again), "409 RoleAssignmentExists");
    assert.equal(
      messageOf(again),
      `The role assignment already exists. The ID of the existing role assignment is ${first.replaceAll("-", "")}.`,
    );
    assert.equal((await assign(group, { roleDefinitionId: reader, principalId }, first)).status, 201);
    assert.equal((await assign(site, { roleDefinitionId: reader, principalId })).status, 201);
    assert.equal((await assign(group, { roleDefinitionId: owner, principalId })).status, 201);
  });
  test("another principal or role under the same name", async () => {
    const [a, b] = [await fixture.user("a"), await fixture.user("b")];
    const name = guid();
    assert.equal((await assign(group, { roleDefinitionId: reader, principalId: a }, name)).status, 201);
    for (const change of [
      { roleDefinitionId: reader, principalId: b },
      { roleDefinitionId: owner, principalId: a },
    ]) {
      assert.equal(outcome(await assign(group, change, name)), "400 RoleAssignmentUpdateNotPermitted");
    }
  });
  test("an unknown principal, in the words that Terraform waits for", async () => {
    const unknown = "12345678-1234-4234-8234-123456789abc";
    const answer = await assign(group, { roleDefinitionId: reader, principalId: unknown });
    assert.equal(outcome(answer), "400 PrincipalNotFound");
    assert.ok(
      messageOf(answer).startsWith(
        `Principal 12345678123442348234123456789abc does not exist in the directory ${tenantId}. `,
      ),
    );
    assert.equal(answer.body["error"]?.["additionalInfo"], undefined);
  });
  test("a client id, with a hint at the principal beside the service's message", async () => {
    const { body } = await fixture.send("PUT", identity, { body: { location: "westeurope" } });
    const { clientId, principalId } = body["properties"] as unknown as {
      clientId: string;
      principalId: string;
    };
    const answer = await assign(group, { roleDefinitionId: reader, principalId: clientId });
    assert.equal(outcome(answer), "400 PrincipalNotFound");
    assert.equal(answer.body["error"]?.["additionalInfo"]?.[0]?.["info"]?.["principalId"], principalId);
    assert.equal((await assign(group, { roleDefinitionId: reader, principalId })).status, 201);
  });
  const principalId = fixture.owner;
  const cosmosRole = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/a/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002`;
  const cases: readonly (readonly [string, object, string])[] = [
    ["a Cosmos DB data role", { roleDefinitionId: cosmosRole, principalId }, "400 InvalidRoleDefinitionId"],
    [
      "a Cosmos DB data role by its GUID",
      { roleDefinitionId: `${roles}/00000000-0000-0000-0000-000000000002`, principalId },
      "400 RoleDefinitionDoesNotExist",
    ],
    [
      "a role name instead of an id",
      { roleDefinitionId: "Reader", principalId },
      "400 InvalidRoleDefinitionId",
    ],
    ["no role", { principalId }, "400 InvalidCreateRoleAssignmentRequest"],
    ["no principal", { roleDefinitionId: reader }, "400 InvalidCreateRoleAssignmentRequest"],
    [
      "a principal that is no GUID",
      { roleDefinitionId: reader, principalId: "me" },
      "400 InvalidPrincipalId",
    ],
    [
      "the wrong principal type",
      { roleDefinitionId: reader, principalId, principalType: "ServicePrincipal" },
      "400 UnmatchedPrincipalType",
    ],
    [
      "a scope that is not the path's",
      { roleDefinitionId: reader, principalId, scope: subscription },
      "400 InvalidCreateRoleAssignmentRequest",
    ],
    [
      "a condition",
      { roleDefinitionId: reader, principalId, condition: "@Resource" },
      "400 InvalidCreateRoleAssignmentRequest",
    ],
  ];
  for (const [what, properties, expected] of cases) {
    test(what, async () => assert.equal(outcome(await assign(group, properties)), expected));
  }
  test("a name that is no GUID", async () => {
    const answer = await assign(group, { roleDefinitionId: reader, principalId }, "my-assignment");
    assert.equal(outcome(answer), "400 InvalidRoleAssignmentId");
  });
  test("a group that does not exist", async () => {
    const answer = await assign(`${subscription}/resourceGroups/none`, {
      roleDefinitionId: reader,
      principalId,
    });
    assert.equal(outcome(answer), "404 ResourceGroupNotFound");
  });
  test("a caller who may not assign, even to himself", async () => {
    const contributor = await fixture.user("contributor", "Contributor", subscription);
    const answer = await assign(
      group,
      { roleDefinitionId: owner, principalId: contributor },
      guid(),
      contributor,
    );
    assert.equal(outcome(answer), "403 AuthorizationFailed");
  });
});

test("lists: atScope leaves out what is below, no filter has it, assignedTo follows groups", async () => {
  const { directory } = fixture.identity;
  const user = await fixture.user("listed");
  const team = await directory.addGroup({ displayName: "team", members: [user] });
  await assign(subscription, { roleDefinitionId: reader, principalId: user });
  await assign(site, { roleDefinitionId: reader, principalId: user });
  await assign(group, { roleDefinitionId: reader, principalId: team.objectId });
  const scopes = async (scope: string, filter: string): Promise<readonly string[]> =>
    (await list(scope, filter)).map((each) => String(each["properties"]?.["scope"])).sort();
  assert.deepEqual(await scopes(group, `principalId eq '${user}'`), [subscription, site]);
  assert.deepEqual(await scopes(group, `atScope() and principalId eq '${user}'`), [subscription]);
  assert.deepEqual(await scopes(group, `atScope() and assignedTo('${user}')`), [subscription, group]);
  assert.deepEqual(await scopes(group, `assignedTo('${fixture.owner}')`), [subscription]);
  const bad = await fixture.send(
    "GET",
    `${group}/providers/Microsoft.Authorization/roleAssignments?$filter=name%20ne%20'x'`,
  );
  assert.equal(outcome(bad), "400 InvalidFilterInQueryString");
});

test("assignments end with what they are scoped to, and those of others stay", async () => {
  const user = await fixture.user("hanging");
  await fixture.send("PUT", site, { body: { location: "westeurope" } });
  await assign(site, { roleDefinitionId: reader, principalId: user });
  await assign(`${site}2`, { roleDefinitionId: reader, principalId: user });
  await fixture.send("DELETE", site);
  const left = await list(subscription, `principalId eq '${user}'`);
  assert.deepEqual(
    left.map((each) => String(each["properties"]?.["scope"])),
    [`${site}2`],
  );
});

describe("role definitions", () => {
  const custom = guid();
  const body = (properties: object) => ({
    properties: {
      roleName: "Key Reader",
      assignableScopes: [group],
      permissions: [{ actions: ["Microsoft.DocumentDB/databaseAccounts/listKeys/action"], notActions: [] }],
      ...properties,
    },
  });
  const put = (properties: object, name: string = custom, as: string = fixture.owner): Promise<Answer> =>
    fixture.send("PUT", `${roles}/${name}`, { apiVersion: "2022-04-01", body: body(properties), as });
  const named = async (name: string): Promise<Shown> => {
    const filter = encodeURIComponent(`roleName eq '${name}'`);
    return (await fixture.send("GET", `${roles}?$filter=${filter}`)).body["value"] as Shown;
  };

  test("built-in ones are found by name in any case, with their real GUIDs", async () => {
    assert.equal((await named("cosmos db OPERATOR"))[0]?.["name"], "230815da-be43-4aae-9cb4-875f7bd000aa");
    assert.equal((await named("Cosmos DB Data Reader"))[0], undefined);
    assert.equal((await fixture.send("GET", reader)).body["properties"]?.["roleName"], "Reader");
    assert.equal((await fixture.send("GET", `${roles}/${guid()}`)).status, 404);
  });

  test("a custom one is made, grants what it says, and goes when nobody holds it", async () => {
    const made = await put({});
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.equal(made.body["properties"]?.["type"], "CustomRole");
    const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/keyed`;
    await fixture.send("PUT", account, { body: { location: "westeurope" } });
    const user = await fixture.user("keys", "Key Reader", group);
    assert.equal((await fixture.send("POST", `${account}/listKeys`, { as: user })).status, 200);
    assert.equal((await fixture.send("GET", account, { as: user })).status, 403);
    assert.equal(
      outcome(await fixture.send("DELETE", `${roles}/${custom}`)),
      "400 RoleDefinitionHasAssignments",
    );
    const elsewhere = await assign(subscription, {
      roleDefinitionId: `${roles}/${custom}`,
      principalId: user,
    });
    assert.equal(outcome(elsewhere), "400 RoleAssignmentScopeNotAssignableToRoleDefinition");
  });

  const cases: readonly (readonly [string, object, string])[] = [
    ["a name that exists", { roleName: "reader" }, "409 RoleDefinitionWithSameNameExists"],
    ["no name", { roleName: "" }, "400 InvalidRoleDefinition"],
    ["no scopes", { assignableScopes: [] }, "400 InvalidRoleDefinition"],
    ["the root scope", { assignableScopes: ["/"] }, "400 InvalidRoleDefinition"],
    ["no permissions", { permissions: [] }, "400 InvalidRoleDefinition"],
    ["actions of a wrong type", { permissions: [{ actions: [1] }] }, "400 InvalidRoleDefinition"],
    [
      "an action without a provider",
      { permissions: [{ actions: ["read"] }] },
      "400 InvalidActionOrNotAction",
    ],
    [
      "Cosmos DB data actions",
      { permissions: [{ dataActions: ["Microsoft.DocumentDB/databaseAccounts/readMetadata"] }] },
      "400 InvalidActionOrNotAction",
    ],
    ["the built-in type", { type: "BuiltInRole" }, "400 InvalidRoleDefinition"],
  ];
  for (const [what, properties, expected] of cases) {
    test(`refused: ${what}`, async () =>
      assert.equal(outcome(await put({ roleName: what, ...properties }, guid())), expected));
  }
  test("refused: changing or deleting a built-in one", async () => {
    assert.equal(
      outcome(await put({}, "acdd72a7-3385-48ef-bd42-f606fba81ae7")),
      "400 RoleDefinitionUpdateNotPermitted",
    );
    assert.equal(outcome(await fixture.send("DELETE", reader)), "400 InvalidRoleDefinition");
  });
  test("refused: a role for scopes where the caller may not write roles", async () => {
    const local = await fixture.user("local", "Owner", group);
    const wide = { roleName: "Wide", assignableScopes: [subscription] };
    const target = `${group}/providers/Microsoft.Authorization/roleDefinitions/${guid()}`;
    const answer = await fixture.send("PUT", target, { body: body(wide), as: local });
    assert.equal(outcome(answer), "403 AuthorizationFailed");
    const own = await fixture.send("PUT", target, { body: body({ roleName: "Own" }), as: local });
    assert.equal(own.status, 201);
  });
});

test("the owner's first assignment is made once: taken away, it stays away", async () => {
  const { openArmFixture } = await import("./fixture.ts");
  const first = await openArmFixture();
  const { body } = await first.send(
    "GET",
    `${subscription}/providers/Microsoft.Authorization/roleAssignments`,
  );
  assert.equal((await first.send("DELETE", String(body["value"]?.[0]?.["id"]))).status, 200);
  const second = await openArmFixture({ store: first.store });
  assert.equal(
    outcome(await second.send("GET", `${subscription}/resourceGroups`)),
    "403 AuthorizationFailed",
  );
});

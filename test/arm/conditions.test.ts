/**
 * Conditions on role assignments in the control plane: the right to give roles, confined to some roles and kinds of
 * principals, by hand and in deployments; what cannot be judged is refused when it is written.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Decision } from "../../src/authz/decision.ts";
import {
  type Answer,
  type ArmFixture,
  group,
  messageOf,
  openGroupFixture,
  outcome,
  subscription,
} from "./fixture.ts";

const apiVersion = "2022-04-01";
const type = "Microsoft.Authorization/roleAssignments";
const roles = {
  reader: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
  contributor: "b24988ac-6180-42a0-ab88-20f7382dd24c",
  owner: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
  administrator: "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
};
const definition = (role: string): string =>
  `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`;

/** As the portal writes it: only these roles, for users only, given or taken away. */
const delegation = `((!(ActionMatches{'${type}/write'})) OR (@Request[${type}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${roles.reader}} AND @Request[${type}:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'User'})) AND ((!(ActionMatches{'${type}/delete'})) OR (@Resource[${type}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${roles.reader}}))`;

let names = 0;
const guid = (): string => `00000000-0000-4000-c000-${String(++names).padStart(12, "0")}`;

interface Wanted {
  readonly role: string;
  readonly principalId: string;
  readonly scope?: string;
  readonly as?: string;
  readonly name?: string;
  readonly more?: object;
}

function assign(fixture: ArmFixture, wanted: Wanted): Promise<Answer> {
  const { role, principalId, scope = group, as = fixture.owner, name = guid(), more } = wanted;
  return fixture.send("PUT", `${scope}/providers/${type}/${name}`, {
    as,
    apiVersion,
    body: { properties: { roleDefinitionId: definition(role), principalId, ...more } },
  });
}

/** A user who may give the role of a reader to users, and nothing else. */
async function delegate(fixture: ArmFixture): Promise<string> {
  const user = await fixture.user("delegate");
  const more = { condition: delegation, conditionVersion: "2.0" };
  const made = await assign(fixture, { role: roles.administrator, principalId: user, more });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal(made.body["properties"]?.["condition"], delegation);
  assert.equal(made.body["properties"]?.["conditionVersion"], "2.0");
  return user;
}

describe("the right to give roles under a condition", () => {
  test("reaches the roles and principals that it names, and no other", async () => {
    const fixture = await openGroupFixture();
    const as = await delegate(fixture);
    const user = await fixture.user("user");
    const people = (await fixture.identity.directory.addGroup({ displayName: "g", members: [] })).objectId;
    const reader = { role: roles.reader, principalId: user, as };
    assert.equal((await assign(fixture, reader)).status, 201);
    const denied: readonly (readonly [string, Wanted])[] = [
      ["a stronger role", { ...reader, role: roles.contributor }],
      ["its own role", { ...reader, role: roles.administrator, principalId: as }],
      ["owner of itself", { ...reader, role: roles.owner, principalId: as }],
      ["a group", { ...reader, principalId: people }],
      ["a group that is called a user", { ...reader, principalId: people, more: { principalType: "User" } }],
      ["a stranger", { ...reader, principalId: guid() }],
      ["a wider scope", { ...reader, scope: subscription }],
      [
        "two roles at once",
        {
          ...reader,
          more: { RoleDefinitionId: definition(roles.owner), roleDefinitionId: definition(roles.owner) },
        },
      ],
    ];
    for (const [name, wanted] of denied) {
      const answer = await assign(fixture, wanted);
      assert.equal(outcome(answer), "403 AuthorizationFailed", name);
      assert.match(messageOf(answer), /or an ABAC condition not fulfilled/);
    }
    const unreadable = await fixture.send("PUT", `${group}/providers/${type}/${guid()}`, {
      as,
      apiVersion,
      body: "{",
    });
    assert.equal(unreadable.status, 403);
  });

  test("the denial says that the condition was not fulfilled", async () => {
    const fixture = await openGroupFixture();
    const as = await delegate(fixture);
    await assign(fixture, { role: roles.owner, principalId: as, as });
    const decision = fixture.records.at(-1)?.decision as Decision | undefined;
    assert.deepEqual(
      decision?.considered.map(({ failed }) => failed),
      [["condition"]],
    );
  });

  test("takes away what it may give, and nothing else", async () => {
    const fixture = await openGroupFixture();
    const as = await delegate(fixture);
    const user = await fixture.user("user");
    const remove = async (role: string): Promise<number> => {
      const made = await assign(fixture, { role, principalId: user });
      return (await fixture.send("DELETE", String(made.body["id"]), { as, apiVersion })).status;
    };
    assert.deepEqual([await remove(roles.reader), await remove(roles.contributor)], [200, 403]);
    const none = await fixture.send("DELETE", `${group}/providers/${type}/${guid()}`, { as, apiVersion });
    assert.equal(none.status, 403, "of what is not there nothing is known");
  });

  test("other actions of the role are not bound", async () => {
    const fixture = await openGroupFixture();
    const as = await delegate(fixture);
    assert.equal((await fixture.send("GET", group, { as, apiVersion: "2021-04-01" })).status, 200);
    assert.equal((await fixture.send("GET", `${group}/providers/${type}`, { as, apiVersion })).status, 200);
  });

  test("an unconditional assignment beside it grants as ever", async () => {
    const fixture = await openGroupFixture();
    const as = await delegate(fixture);
    await fixture.grant(as, "User Access Administrator", group);
    assert.equal((await assign(fixture, { role: roles.contributor, principalId: as, as })).status, 201);
  });

  test("a condition may be changed and taken away; it acts on the next request", async () => {
    const fixture = await openGroupFixture();
    const user = await fixture.user("user");
    const delegated = await fixture.user("delegate");
    const own = { role: roles.administrator, principalId: delegated, name: guid() };
    const give = async (): Promise<number> =>
      (
        await assign(fixture, {
          role: roles.contributor,
          principalId: user,
          as: delegated,
          name: own.name.replace("c000", "d000"),
        })
      ).status;
    await assign(fixture, { ...own, more: { condition: delegation } });
    assert.equal(await give(), 403);
    await assign(fixture, {
      ...own,
      more: { condition: delegation.replaceAll(roles.reader, roles.contributor) },
    });
    assert.equal(await give(), 201);
    await assign(fixture, { ...own, more: { condition: "ActionMatches{'none'}" } });
    assert.equal(await give(), 403);
    await assign(fixture, own);
    assert.equal(await give(), 201);
  });

  test("a deployment gives what its caller may give, and nothing more", async () => {
    const fixture = await openGroupFixture();
    const as = await delegate(fixture);
    await fixture.grant(as, "Contributor", group);
    const user = await fixture.user("user");
    const deploy = async (name: string, role: string): Promise<void> => {
      const answer = await fixture.send("PUT", `${group}/providers/Microsoft.Resources/deployments/${name}`, {
        as,
        apiVersion: "2024-03-01",
        body: {
          properties: {
            mode: "Incremental",
            template: {
              $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
              contentVersion: "1.0.0.0",
              resources: [
                {
                  type,
                  apiVersion,
                  name: guid(),
                  properties: { roleDefinitionId: definition(role), principalId: user },
                },
              ],
            },
          },
        },
      });
      assert.ok(answer.status < 500, JSON.stringify(answer.body));
      await fixture.arm.close();
    };
    await deploy("readers", roles.reader);
    await deploy("owners", roles.owner);
    const listed = await fixture.send("GET", `${group}/providers/${type}?$filter=principalId eq '${user}'`, {
      apiVersion,
    });
    const given = (listed.body["value"] as unknown as { properties: { roleDefinitionId: string } }[]).map(
      ({ properties }) => properties.roleDefinitionId,
    );
    assert.deepEqual(given, [definition(roles.reader)]);
  });
});

describe("what is refused when it is written", () => {
  const table: readonly (readonly [string, object, string])[] = [
    ["no condition", { condition: "anything goes" }, "400 InvalidCreateRoleAssignmentRequest"],
    ["another type", { condition: { a: 1 } }, "400 InvalidCreateRoleAssignmentRequest"],
    [
      "another version",
      { condition: "ActionMatches{'*'}", conditionVersion: "1.0" },
      "400 InvalidCreateRoleAssignmentRequest",
    ],
    [
      "times",
      { condition: "@Environment[UtcNow] DateTimeLessThan '2026-01-01T00:00:00Z'" },
      "501 NotImplemented",
    ],
  ];
  for (const [name, more, expected] of table) {
    test(`${name}: ${expected}, and nothing is granted`, async () => {
      const fixture = await openGroupFixture();
      const user = await fixture.user("user");
      assert.equal(outcome(await assign(fixture, { role: roles.owner, principalId: user, more })), expected);
      assert.equal((await fixture.send("GET", group, { as: user, apiVersion: "2021-04-01" })).status, 403);
    });
  }

  for (const more of [{}, { condition: null }, { condition: "", conditionVersion: null }]) {
    test(`${JSON.stringify(more)} is no condition, and grants`, async () => {
      const fixture = await openGroupFixture();
      const user = await fixture.user("user");
      assert.equal((await assign(fixture, { role: roles.reader, principalId: user, more })).status, 201);
      assert.equal((await fixture.send("GET", group, { as: user, apiVersion: "2021-04-01" })).status, 200);
    });
  }

  test("a custom role cannot have one in its permissions", async () => {
    const fixture = await openGroupFixture();
    const put = (permission: object): Promise<Answer> =>
      fixture.send("PUT", `${group}/providers/Microsoft.Authorization/roleDefinitions/${guid()}`, {
        apiVersion,
        body: {
          properties: {
            roleName: guid(),
            type: "CustomRole",
            assignableScopes: [group],
            permissions: [permission],
          },
        },
      });
    const actions = ["*/read"];
    assert.equal(
      outcome(await put({ actions, condition: "ActionMatches{'x'}" })),
      "400 InvalidRoleDefinition",
    );
    assert.equal((await put({ actions, condition: null })).status, 201);
    assert.equal((await put({ actions })).status, 201);
  });
});

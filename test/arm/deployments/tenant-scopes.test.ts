/** Deployments above subscriptions: at management groups and at the tenant, and who may make them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Answer,
  type ArmFixture,
  messageOf,
  openArmFixture,
  openGroupFixture,
  outcome,
  subscription,
  subscriptionId,
  tenantId,
} from "../fixture.ts";
import { deploymentUrl, outputsOf, poll, stateOf } from "./templates.ts";

const management = "/providers/Microsoft.Management/managementGroups";
const rootGroup = `${management}/${tenantId}`;
const team = `${management}/Team`;
const version = { apiVersion: "2023-04-01" };

/** The owner with rights at the tenant, got as in Azure: elevate, then assign. */
async function openElevated(): Promise<ArmFixture> {
  const fixture = await openArmFixture();
  assert.equal(outcome(await elevate(fixture)), "200");
  await fixture.grant(fixture.owner, "Owner", "");
  return fixture;
}

function elevate(fixture: ArmFixture, as: string = fixture.owner): Promise<Answer> {
  return fixture.send("POST", "/providers/Microsoft.Authorization/elevateAccess", {
    apiVersion: "2016-07-01",
    as,
  });
}

function putGroup(fixture: ArmFixture, name: string, parentId?: string): Promise<Answer> {
  const details = parentId === undefined ? {} : { details: { parent: { id: parentId } } };
  const body = { properties: { displayName: `The ${name}`, ...details } };
  return fixture.send("PUT", `${management}/${name}`, { ...version, body });
}

function templateFor(scope: "managementGroup" | "tenant" | "subscription", parts: object): object {
  return {
    $schema: `https://schema.management.azure.com/schemas/2019-08-01/${scope}DeploymentTemplate.json#`,
    contentVersion: "1.0.0.0",
    resources: [],
    ...parts,
  };
}

function deployAt(
  fixture: ArmFixture,
  scope: string,
  template: object,
  more: { readonly as?: string; readonly mode?: string; readonly location?: string | null } = {},
): Promise<Answer> {
  const { as = fixture.owner, mode = "Incremental", location = "westeurope" } = more;
  const body = { ...(location === null ? {} : { location }), properties: { mode, template } };
  return fixture.send("PUT", deploymentUrl("above", scope), { body, as });
}

describe("the tree of management groups", () => {
  test("has a root from the beginning, and nobody holds anything there", async () => {
    const fixture = await openArmFixture();
    assert.equal(outcome(await fixture.send("GET", rootGroup, version)), "403 AuthorizationFailed");
    const stranger = await fixture.user("stranger");
    assert.equal(outcome(await elevate(fixture, stranger)), "403 AuthorizationFailed");
    assert.equal(outcome(await elevate(fixture)), "200");
    assert.equal(outcome(await elevate(fixture)), "200");
    const root = await fixture.send("GET", rootGroup, version);
    assert.equal(root.body["properties"]?.["displayName"] as unknown, "Tenant Root Group");
    const filter = encodeURIComponent("atScope()");
    const path = `/providers/Microsoft.Authorization/roleAssignments?$filter=${filter}`;
    const { body } = await fixture.send("GET", path, { apiVersion: "2022-04-01" });
    assert.equal(body["value"]?.["length"] as unknown, 1, "elevating twice is one assignment");
  });

  test("groups are made, listed, moved and removed", async () => {
    const fixture = await openElevated();
    assert.equal(outcome(await putGroup(fixture, "Team")), "200");
    const inner = await putGroup(fixture, "inner", team);
    assert.equal(inner.body["properties"]?.["details"]?.["parent"]?.["id"] as unknown, team);
    const list = await fixture.send("GET", management, version);
    const names = (list.body["value"] as unknown as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(names, [tenantId, "inner", "Team"]);
    const moved = await fixture.send("PATCH", `${management}/INNER`, {
      ...version,
      body: { displayName: "Renamed", parentGroupId: rootGroup },
    });
    assert.equal(moved.body["name"] as unknown, "inner");
    assert.equal(moved.body["properties"]?.["details"]?.["parent"]?.["id"] as unknown, rootGroup);
    const into = await fixture.send("PUT", `${team}/subscriptions/${subscriptionId}`, version);
    assert.equal(outcome(into), "200");
    assert.equal(into.body["properties"]?.["parent"]?.["id"] as unknown, team);
    const expanded = await fixture.send("GET", `${team}?$expand=children`, version);
    assert.equal(expanded.body["properties"]?.["children"]?.[0]?.["name"] as unknown, subscriptionId);
    assert.equal(outcome(await fixture.send("DELETE", team, version)), "400 BadRequest");
    await fixture.send("DELETE", `${team}/subscriptions/${subscriptionId}`, version);
    assert.equal(outcome(await fixture.send("DELETE", team, version)), "204");
    assert.equal(outcome(await fixture.send("DELETE", team, version)), "204");
    assert.equal(outcome(await fixture.send("GET", team, version)), "404 ManagementGroupNotFound");
  });

  test("has no circle, no group below itself and an end to its depth", async () => {
    const fixture = await openElevated();
    await putGroup(fixture, "g1");
    for (let level = 2; level <= 6; level++) {
      const made = await putGroup(fixture, `g${level}`, `${management}/g${level - 1}`);
      assert.equal(outcome(made), "200", `level ${level}`);
    }
    const cases: readonly (readonly [string, string, string])[] = [
      ["g7", `${management}/g6`, "400 BadRequest"],
      ["g1", `${management}/g2`, "400 BadRequest"],
      ["g1", `${management}/g1`, "400 BadRequest"],
      ["g1", `${management}/absent`, "404 ManagementGroupNotFound"],
      ["g8", `${management}/g2/../g1`, "404 ManagementGroupNotFound"],
      ["ends.", rootGroup, "400 InvalidManagementGroupId"],
    ];
    for (const [name, parent, expected] of cases) {
      assert.equal(outcome(await putGroup(fixture, name, parent)), expected, `${name} below ${parent}`);
    }
  });

  test("a role at a group counts for the groups and subscriptions below, and for no others", async () => {
    const fixture = await openElevated();
    await putGroup(fixture, "Team");
    await putGroup(fixture, "inner", team);
    await putGroup(fixture, "other");
    const reader = await fixture.user("reader", "Reader", team);
    const owner = await fixture.user("root", "Reader", rootGroup);
    const read = async (as: string, scope: string): Promise<string> =>
      outcome(await fixture.send("GET", `${scope}/providers/Microsoft.Resources/deployments`, { as }));
    const refused = "403 AuthorizationFailed";
    assert.equal(await read(reader, team), "200");
    assert.equal(await read(reader, `${management}/inner`), "200");
    assert.equal(await read(reader, `${management}/other`), refused);
    assert.equal(await read(reader, rootGroup), refused);
    assert.equal(await read(reader, ""), refused);
    assert.equal(await read(reader, subscription), refused);
    assert.equal(await read(owner, subscription), "200");
    await fixture.send("PUT", `${management}/inner/subscriptions/${subscriptionId}`, version);
    assert.equal(await read(reader, subscription), "200");
    assert.equal(await read(owner, subscription), "200", "the root is above all");
  });

  test("a subscription is moved by who may assign roles on it", async () => {
    const fixture = await openElevated();
    await putGroup(fixture, "Team");
    const mover = await fixture.user("mover", "Owner", team);
    const move = await fixture.send("PUT", `${team}/subscriptions/${subscriptionId}`, {
      ...version,
      as: mover,
    });
    assert.equal(outcome(move), "403 AuthorizationFailed");
  });

  test("a group is moved by who may assign roles on it and write at both parents", async () => {
    const fixture = await openElevated();
    const [mine, victim, corp] = ["mine", "victim", "corp"].map((name) => `${management}/${name}`);
    for (const name of ["mine", "corp"]) await putGroup(fixture, name);
    await putGroup(fixture, "victim", corp);
    await fixture.send("PUT", `${victim}/subscriptions/${subscriptionId}`, version);
    const mover = await fixture.user("mover", "Owner", mine ?? "");
    const parented = { ...version, as: mover, body: { parentGroupId: mine } };
    const move = async (): Promise<string> => outcome(await fixture.send("PATCH", victim ?? "", parented));
    const refused = "403 AuthorizationFailed";
    await fixture.grant(mover, "Management Group Contributor", victim ?? "");
    assert.equal(await move(), refused, "who only shapes the group would become its owner");
    const renamed = { ...version, as: mover, body: { displayName: "Renamed" } };
    assert.equal(outcome(await fixture.send("PATCH", victim ?? "", renamed)), "200", "a name moves nothing");
    await fixture.grant(mover, "User Access Administrator", victim ?? "");
    assert.equal(await move(), refused, "the old parent has a say");
    await fixture.grant(mover, "Management Group Contributor", corp ?? "");
    assert.equal(await move(), "200");
  });

  test("a group cannot be planted below one that the caller may not write", async () => {
    const fixture = await openElevated();
    await putGroup(fixture, "corp");
    await putGroup(fixture, "mine");
    const planter = await fixture.user("planter", "Owner", `${management}/mine`);
    const planted = { ...version, as: planter, body: { parentGroupId: `${management}/corp` } };
    assert.equal(
      outcome(await fixture.send("PATCH", `${management}/mine`, planted)),
      "403 AuthorizationFailed",
    );
  });

  const makers: readonly (readonly [role: string, at: string, parent: string | undefined, made: string])[] = [
    ["Owner", team, team, "200"],
    ["Management Group Contributor", team, team.toUpperCase(), "200"],
    ["Owner", rootGroup, undefined, "200"],
    ["Owner", rootGroup, team, "200"],
    ["Reader", team, team, "403 AuthorizationFailed"],
    ["User Access Administrator", team, team, "403 AuthorizationFailed"],
    ["Owner", team, undefined, "403 AuthorizationFailed"],
    ["Owner", team, rootGroup, "403 AuthorizationFailed"],
    ["Owner", team, `${management}/other`, "403 AuthorizationFailed"],
    ["Owner", team, `${management}/absent`, "403 AuthorizationFailed"],
    ["Owner", team, `${team}/../other`, "403 AuthorizationFailed"],
    ["Owner", team, `/subscriptions/${subscriptionId}`, "403 AuthorizationFailed"],
  ];
  for (const [role, at, parent, expected] of makers) {
    test(`a new group below ${parent ?? "nothing said"}, by ${role} of ${at}: ${expected}`, async () => {
      const fixture = await openElevated();
      for (const name of ["Team", "other"]) await putGroup(fixture, name);
      const as = await fixture.user("maker", role, at);
      const details = parent === undefined ? {} : { details: { parent: { id: parent } } };
      const body = { properties: { displayName: "New", ...details } };
      const put = (name: string): Promise<Answer> =>
        fixture.send("PUT", `${management}/${name}`, { ...version, as, body });
      assert.equal(outcome(await put("new")), expected);
      assert.equal(
        (await fixture.send("GET", `${management}/new`, version)).status,
        expected === "200" ? 200 : 404,
      );
      // One that is there is written by who may write it, whatever it is to hang below.
      if (at === team) assert.equal(outcome(await put("other")), "403 AuthorizationFailed");
      const template = templateFor("tenant", {
        resources: [
          {
            type: "Microsoft.Management/managementGroups",
            apiVersion: "2023-04-01",
            name: "second",
            ...body,
          },
        ],
      });
      await fixture.grant(as, "DocumentDB Account Contributor", "/");
      const allowed = expected === "200" ? "201" : "400 InvalidTemplateDeployment";
      assert.equal(outcome(await deployAt(fixture, "", template, { as })), allowed);
    });
  }

  test("a subscription leaves only the group that it is in, with a say of that group", async () => {
    const fixture = await openElevated();
    for (const name of ["mine", "corp"]) await putGroup(fixture, name);
    const corp = `${management}/corp`;
    await fixture.send("PUT", `${corp}/subscriptions/${subscriptionId}`, version);
    const mover = await fixture.user("mover", "Owner", `${management}/mine`);
    await fixture.grant(mover, "Owner", subscription);
    const inMine = `${management}/mine/subscriptions/${subscriptionId}`;
    for (const method of ["PUT", "DELETE"]) {
      const tried = await fixture.send(method, inMine, { ...version, as: mover });
      assert.equal(outcome(tried), "403 AuthorizationFailed", method);
    }
    assert.equal(outcome(await fixture.send("DELETE", inMine, version)), "204", "it is not there");
    const expanded = await fixture.send("GET", `${corp}?$expand=children`, version);
    assert.equal(expanded.body["properties"]?.["children"]?.[0]?.["name"] as unknown, subscriptionId);
    await fixture.grant(mover, "Management Group Contributor", corp);
    assert.equal(outcome(await fixture.send("PUT", inMine, { ...version, as: mover })), "200");
  });
});

describe("what is above a subscription", () => {
  const [corp, mine] = [`${management}/corp`, `${management}/mine`];
  const place = (at: string): string => `${at}/subscriptions/${subscriptionId}`;
  const refused = "403 AuthorizationFailed";

  test("grants and denies by where it is now: a move changes both at once, and back again", async () => {
    const fixture = await openElevated();
    for (const name of ["corp", "mine"]) await putGroup(fixture, name);
    const inherits = await fixture.user("inherits", "Contributor", corp);
    const holds = await fixture.user("holds", "Contributor", subscription);
    const deny = `${mine}/providers/Microsoft.Authorization/denyAssignments/00000000-0000-4000-a000-0000000000d1`;
    const denied = await fixture.send("PUT", deny, {
      apiVersion: "2022-04-01",
      body: {
        properties: {
          denyAssignmentName: "nothing is written below",
          permissions: [{ actions: ["*/write"] }],
          principals: [{ id: holds, type: "User" }],
        },
      },
    });
    assert.equal(denied.status, 201, JSON.stringify(denied.body));
    const write = async (as: string): Promise<string> =>
      outcome(
        await fixture.send("PUT", `${subscription}/resourceGroups/written`, {
          as,
          body: { location: "westeurope" },
        }),
      );
    const both = async (): Promise<readonly string[]> => [await write(inherits), await write(holds)];
    assert.deepEqual(await both(), [refused, "201"]);
    await fixture.send("PUT", place(corp), version);
    assert.deepEqual(await both(), ["200", "200"]);
    await fixture.send("PUT", place(mine), version);
    assert.deepEqual(await both(), [refused, "403 DenyAssignmentAuthorizationFailed"]);
    await putGroup(fixture, "mine", corp);
    assert.deepEqual(await both(), ["200", "403 DenyAssignmentAuthorizationFailed"], "the group has moved");
    await fixture.send("DELETE", place(mine), version);
    assert.deepEqual(await both(), [refused, "200"]);
  });

  test("a denial at the parent is one to making a group below it", async () => {
    const fixture = await openElevated();
    for (const name of ["corp", "mine"]) await putGroup(fixture, name);
    const maker = await fixture.user("maker", "Owner", corp);
    await fixture.grant(maker, "Owner", mine);
    const deny = `${corp}/providers/Microsoft.Authorization/denyAssignments/00000000-0000-4000-a000-0000000000d3`;
    const properties = {
      denyAssignmentName: "no more groups",
      permissions: [{ actions: ["Microsoft.Management/managementGroups/write"] }],
      principals: [{ id: maker, type: "User" }],
    };
    assert.equal(
      (await fixture.send("PUT", deny, { apiVersion: "2022-04-01", body: { properties } })).status,
      201,
    );
    const make = async (name: string, parent: string): Promise<string> => {
      const body = { properties: { details: { parent: { id: parent } } } };
      return outcome(await fixture.send("PUT", `${management}/${name}`, { ...version, as: maker, body }));
    };
    assert.equal(await make("below-corp", corp), refused);
    assert.equal(await make("below-mine", mine), "200");
  });

  test("a deny assignment is not left behind by who is denied the move", async () => {
    const fixture = await openElevated();
    for (const name of ["corp", "mine"]) await putGroup(fixture, name);
    await fixture.send("PUT", place(corp), version);
    const mover = await fixture.user("mover", "Owner", corp);
    await fixture.grant(mover, "Owner", mine);
    const deny = `${corp}/providers/Microsoft.Authorization/denyAssignments/00000000-0000-4000-a000-0000000000d2`;
    const properties = {
      denyAssignmentName: "roles stay",
      permissions: [{ actions: ["Microsoft.Authorization/*/write"] }],
      principals: [{ id: mover, type: "User" }],
    };
    assert.equal(
      (await fixture.send("PUT", deny, { apiVersion: "2022-04-01", body: { properties } })).status,
      201,
    );
    const move = async (): Promise<string> =>
      outcome(await fixture.send("PUT", place(mine), { ...version, as: mover }));
    assert.equal(await move(), "403 DenyAssignmentAuthorizationFailed");
    await fixture.send("DELETE", deny, { apiVersion: "2022-04-01" });
    assert.equal(await move(), "200");
  });

  test("new groups are made by who may write at the root, not by who may elsewhere", async () => {
    const fixture = await openElevated();
    await putGroup(fixture, "corp");
    const make = async (as: string, name: string, parentId?: string): Promise<string> => {
      const body = parentId === undefined ? {} : { properties: { details: { parent: { id: parentId } } } };
      return outcome(await fixture.send("PUT", `${management}/${name}`, { ...version, as, body }));
    };
    const atRoot = await fixture.user("root", "Management Group Contributor", rootGroup);
    const atCorp = await fixture.user("corp", "Management Group Contributor", corp);
    const nobody = await fixture.user("nobody", "Owner", subscription);
    const reader = await fixture.user("reader", "Reader", rootGroup);
    for (const caller of [atCorp, nobody, reader]) assert.equal(await make(caller, "new"), refused);
    assert.equal(await make(atRoot, "new"), "200");
    assert.equal(await make(atRoot, "inner", corp), "200");
    assert.equal(await make(reader, "new"), refused);
  });
});

describe("a deployment above subscriptions", () => {
  test("at a management group: its functions, its resources, a subscription below", async () => {
    const fixture = await openElevated();
    await putGroup(fixture, "Team");
    const template = templateFor("managementGroup", {
      resources: [
        {
          type: "Microsoft.Authorization/policyDefinitions",
          apiVersion: "2023-04-01",
          name: "only-here",
          properties: { displayName: "[managementGroup().properties.displayName]" },
        },
        {
          type: "Microsoft.Resources/deployments",
          apiVersion: "2022-09-01",
          name: "below",
          location: "westeurope",
          subscriptionId,
          properties: {
            mode: "Incremental",
            expressionEvaluationOptions: { scope: "inner" },
            template: templateFor("subscription", {
              resources: [
                {
                  type: "Microsoft.Resources/resourceGroups",
                  apiVersion: "2022-09-01",
                  name: "from-above",
                  location: "westeurope",
                },
              ],
              outputs: { id: { type: "string", value: "[subscription().subscriptionId]" } },
            }),
          },
        },
      ],
      outputs: {
        group: { type: "string", value: "[managementGroup().id]" },
        policy: {
          type: "string",
          value: "[managementGroupResourceId('Microsoft.Authorization/policyDefinitions', 'only-here')]",
        },
        shown: {
          type: "string",
          value:
            "[reference(managementGroupResourceId('Microsoft.Authorization/policyDefinitions', 'only-here'), '2023-04-01').displayName]",
        },
      },
    });
    const answer = await deployAt(fixture, team, template);
    assert.equal(outcome(answer), "201", messageOf(answer));
    assert.equal(stateOf(answer), "Succeeded", JSON.stringify(answer.body));
    assert.equal(answer.body["id"] as unknown, `${team}/providers/Microsoft.Resources/deployments/above`);
    assert.deepEqual(outputsOf(answer), {
      group: team,
      policy: `${team}/providers/Microsoft.Authorization/policyDefinitions/only-here`,
      shown: "The Team",
    });
    assert.equal(outcome(await fixture.send("GET", `${subscription}/resourceGroups/from-above`)), "200");
    for (const path of [
      `${deploymentUrl("above", team)}/operations`,
      `${team}/deployments/above/operations`,
      `${deploymentUrl("below", subscription)}/operations`,
    ]) {
      assert.equal(outcome(await fixture.send("GET", path)), "200", path);
    }
  });

  test("at the tenant: makes a management group and deploys into it", async () => {
    const fixture = await openElevated();
    const template = templateFor("tenant", {
      resources: [
        {
          type: "Microsoft.Management/managementGroups",
          apiVersion: "2023-04-01",
          name: "made",
          properties: { displayName: "Made by a template" },
        },
        {
          type: "Microsoft.Resources/deployments",
          apiVersion: "2022-09-01",
          name: "inside",
          location: "westeurope",
          scope: "Microsoft.Management/managementGroups/made",
          dependsOn: ["[tenantResourceId('Microsoft.Management/managementGroups', 'made')]"],
          properties: {
            mode: "Incremental",
            expressionEvaluationOptions: { scope: "inner" },
            template: templateFor("managementGroup", {
              outputs: { name: { type: "string", value: "[managementGroup().name]" } },
            }),
          },
        },
      ],
      outputs: {
        inside: {
          type: "string",
          value:
            "[reference(extensionResourceId(tenantResourceId('Microsoft.Management/managementGroups', 'made'), 'Microsoft.Resources/deployments', 'inside')).outputs.name.value]",
        },
        tenant: { type: "string", value: "[tenant().tenantId]" },
      },
    });
    const answer = await deployAt(fixture, "", template);
    assert.equal(outcome(answer), "201", messageOf(answer));
    assert.deepEqual(outputsOf(answer), { inside: "made", tenant: tenantId }, JSON.stringify(answer.body));
    assert.equal(answer.body["id"] as unknown, "/providers/Microsoft.Resources/deployments/above");
    const list = await fixture.send("GET", "/providers/Microsoft.Resources/deployments");
    assert.equal(list.body["value"]?.["length"] as unknown, 1, "a group's deployments are not the tenant's");
    const shown = await fixture.send("GET", "/deployments/above/operations");
    assert.equal(shown.body["value"]?.["length"] as unknown, 2);
    const validated = await fixture.send("POST", `${deploymentUrl("above", "")}/validate`, {
      body: { location: "westeurope", properties: { mode: "Incremental", template } },
    });
    assert.equal(outcome(validated), "200");
    const predicted = await fixture.send("POST", `${deploymentUrl("above", "")}/whatIf`, {
      body: { location: "westeurope", properties: { mode: "Incremental", template } },
    });
    const changes = predicted.body["properties"]?.["changes"] as unknown as { changeType: string }[];
    assert.deepEqual(
      changes.map(({ changeType }) => changeType),
      ["NoChange"],
    );
  });

  test("a nested deployment to the tenant has the scope '/'", async () => {
    const fixture = await openElevated();
    await putGroup(fixture, "Team");
    const template = templateFor("managementGroup", {
      resources: [
        {
          type: "Microsoft.Resources/deployments",
          apiVersion: "2022-09-01",
          name: "up",
          location: "westeurope",
          scope: "/",
          properties: { mode: "Incremental", template: templateFor("tenant", {}) },
        },
      ],
    });
    assert.equal(stateOf(await deployAt(fixture, team, template)), "Succeeded");
    assert.equal(outcome(await fixture.send("GET", deploymentUrl("up", ""))), "200");
  });

  test("goes with its management group", async () => {
    const fixture = await openElevated();
    await putGroup(fixture, "Team");
    await deployAt(fixture, team, templateFor("managementGroup", {}));
    await fixture.send("DELETE", team, version);
    await putGroup(fixture, "Team");
    assert.equal(outcome(await fixture.send("GET", deploymentUrl("above", team))), "404 DeploymentNotFound");
  });

  const empty = templateFor("managementGroup", {});
  const resourceGroupOf = { outputs: { o: { type: "string", value: "[resourceGroup().name]" } } };
  const subscriptionOf = { outputs: { o: { type: "string", value: "[subscription().id]" } } };
  const refused: readonly (readonly [string, string, object, object, string])[] = [
    ["no location", team, empty, { location: null }, "400 LocationRequired"],
    ["Complete mode", team, empty, { mode: "Complete" }, "400 InvalidDeployment"],
    ["Complete mode at the subscription", subscription, empty, { mode: "Complete" }, "400 InvalidDeployment"],
    ["a group that is not there", `${management}/absent`, empty, {}, "404 ManagementGroupNotFound"],
    ["resourceGroup()", team, { ...empty, ...resourceGroupOf }, {}, "DeploymentOutputEvaluationFailed"],
    [
      "subscription() at the tenant",
      "",
      { ...empty, ...subscriptionOf },
      {},
      "DeploymentOutputEvaluationFailed",
    ],
  ];
  for (const [name, scope, template, more, expected] of refused) {
    test(`is refused: ${name}`, async () => {
      const fixture = await openElevated();
      await putGroup(fixture, "Team");
      const answer = await deployAt(fixture, scope, template, more);
      if (answer.status >= 400) return assert.equal(outcome(answer), expected);
      const failed = await poll(fixture, answer);
      assert.match(JSON.stringify(failed["error"]), new RegExp(expected));
    });
  }

  test("needs the right at its scope, and in every scope that it deploys into", async () => {
    const fixture = await openElevated();
    await putGroup(fixture, "Team");
    const reader = await fixture.user("reader", "Reader", team);
    const contributor = await fixture.user("contributor", "Contributor", team);
    const refusal = await deployAt(fixture, team, empty, { as: reader });
    assert.equal(outcome(refusal), "403 AuthorizationFailed");
    assert.match(
      messageOf(refusal),
      /perform action 'Microsoft\.Resources\/deployments\/write' over scope '\/providers\/Microsoft\.Management\/managementGroups\/Team\/providers\/Microsoft\.Resources\/deployments\/above'/,
    );
    assert.equal(outcome(await deployAt(fixture, team, empty, { as: contributor })), "201");
    assert.equal(outcome(await deployAt(fixture, "", empty, { as: contributor })), "403 AuthorizationFailed");
    const below = templateFor("managementGroup", {
      resources: [
        {
          type: "Microsoft.Resources/deployments",
          apiVersion: "2022-09-01",
          name: "below",
          location: "westeurope",
          subscriptionId,
          properties: { mode: "Incremental", template: templateFor("subscription", {}) },
        },
      ],
    });
    const inside = await deployAt(fixture, team, below, { as: contributor });
    assert.equal(outcome(inside), "400 InvalidTemplateDeployment");
  });

  test("keeps its location", async () => {
    const fixture = await openGroupFixture();
    const template = templateFor("subscription", {});
    assert.equal(outcome(await deployAt(fixture, subscription, template)), "201");
    assert.equal(
      outcome(await deployAt(fixture, subscription, template, { location: "West Europe" })),
      "200",
    );
    const moved = await deployAt(fixture, subscription, template, { location: "northeurope" });
    assert.equal(outcome(moved), "409 InvalidDeploymentLocation");
    assert.match(messageOf(moved), /The deployment 'above' already exists in location 'westeurope'/);
  });
});

test("the hash of a template is told without deploying it", async () => {
  const fixture = await openGroupFixture();
  const template = templateFor("subscription", {});
  const path = "/providers/Microsoft.Resources/calculateTemplateHash";
  const { status, body } = await fixture.send("POST", path, { body: template });
  assert.equal(status, 200);
  assert.equal(body["minifiedTemplate"] as unknown, JSON.stringify(template));
  const deployed = await deployAt(fixture, subscription, template);
  assert.equal(body["templateHash"] as unknown, deployed.body["properties"]?.["templateHash"]);
  assert.equal(outcome(await fixture.send("POST", path, { body: "[]" })), "400 InvalidRequestContent");
});

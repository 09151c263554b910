/** Deny assignments: made, shown and removed like the service's, and stronger than any role on every operation. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Answer,
  type ArmFixture,
  group,
  messageOf,
  openGroupFixture,
  outcome,
  subscription,
} from "./fixture.ts";

const apiVersion = "2024-07-01-preview";
const everyone = { id: "00000000-0000-0000-0000-000000000000", type: "SystemDefined" };
const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/denied`;
const site = (name: string): string => `${group}/providers/Microsoft.Web/sites/${name}`;

let names = 0;
function guid(): string {
  return `00000000-0000-4000-a000-${String(++names).padStart(12, "0")}`;
}

interface Wanted {
  readonly scope?: string;
  readonly name?: string;
  readonly as?: string;
}

function deny(fixture: ArmFixture, properties: object, wanted: Wanted = {}): Promise<Answer> {
  const { scope = group, name = guid(), as = fixture.owner } = wanted;
  const target = `${scope}/providers/Microsoft.Authorization/denyAssignments/${name}`;
  return fixture.send("PUT", target, {
    apiVersion,
    as,
    body: { properties: { denyAssignmentName: `deny ${name}`, ...properties } },
  });
}

function user(id: string): { readonly id: string; readonly type: string } {
  return { id, type: "User" };
}

const putSite = (fixture: ArmFixture, as: string, name = "app"): Promise<Answer> =>
  fixture.send("PUT", site(name), {
    as,
    apiVersion: "2023-12-01",
    body: { location: "westeurope", kind: "app", properties: {} },
  });

async function openAccount(): Promise<ArmFixture> {
  const fixture = await openGroupFixture();
  const made = await fixture.send("PUT", account, {
    apiVersion: "2024-08-15",
    body: {
      location: "westeurope",
      properties: { databaseAccountOfferType: "Standard", locations: [{ locationName: "westeurope" }] },
    },
  });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  return fixture;
}

describe("as a resource", () => {
  test("made, read, listed, changed and removed", async () => {
    const fixture = await openGroupFixture();
    const name = guid();
    const worker = await fixture.user("worker");
    const properties = {
      denyAssignmentName: "No deletions",
      description: "of anything",
      permissions: [{ actions: ["*/delete"], notActions: ["Microsoft.Web/sites/delete"] }],
      principals: [everyone],
      excludePrincipals: [user(fixture.owner)],
    };
    const made = await deny(fixture, properties, { name });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const id = `${group}/providers/Microsoft.Authorization/denyAssignments/${name}`;
    assert.deepEqual(made.body, {
      id,
      type: "Microsoft.Authorization/denyAssignments",
      name,
      properties: {
        ...properties,
        permissions: [{ ...properties.permissions[0], dataActions: [], notDataActions: [] }],
        scope: group,
        doNotApplyToChildScopes: false,
        isSystemProtected: false,
        denyAssignmentEffect: "enforced",
        condition: null,
        conditionVersion: null,
        createdOn: "2026-01-02T00:00:00.000Z",
        updatedOn: "2026-01-02T00:00:00.000Z",
        createdBy: fixture.owner,
        updatedBy: fixture.owner,
      },
    });
    assert.deepEqual((await fixture.send("GET", id, { apiVersion })).body, made.body);
    assert.equal((await deny(fixture, { ...properties, description: "changed" }, { name })).status, 200);
    const list = async (scope: string, filter = ""): Promise<number> => {
      const query = filter === "" ? "" : `?$filter=${encodeURIComponent(filter)}`;
      const target = `${scope}/providers/Microsoft.Authorization/denyAssignments${query}`;
      const answer = await fixture.send("GET", target, { apiVersion: "2022-04-01" });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      return (answer.body["value"] as unknown as unknown[]).length;
    };
    assert.deepEqual(
      [
        await list(group),
        await list(site("app")),
        await list(subscription),
        await list(subscription, "atScope()"),
        await list(group, "denyAssignmentName eq 'no deletions'"),
        await list(group, "denyAssignmentName eq 'other'"),
        await list(group, `principalId eq '${everyone.id}'`),
        await list(group, `principalId eq '${worker}'`),
        await list(group, `assignedTo('${worker}')`),
      ],
      [1, 1, 1, 0, 1, 0, 1, 0, 1],
    );
    assert.equal((await fixture.send("DELETE", id, { apiVersion })).status, 200);
    assert.equal((await fixture.send("DELETE", id, { apiVersion })).status, 204);
    assert.equal(outcome(await fixture.send("GET", id, { apiVersion })), "404 DenyAssignmentNotFound");
  });

  test("what cannot be one is refused, and changes nothing", async () => {
    const fixture = await openGroupFixture();
    const groupPrincipal = (await fixture.identity.directory.addGroup({ displayName: "g", members: [] }))
      .objectId;
    const principals = [user(fixture.owner)];
    const permissions = [{ actions: ["*/delete"] }];
    const table: readonly (readonly [string, object, string])[] = [
      ["no name", { denyAssignmentName: " ", permissions, principals }, "400 InvalidDenyAssignmentRequest"],
      ["no principal", { permissions }, "400 InvalidDenyAssignmentRequest"],
      [
        "two principals",
        { permissions, principals: [...principals, everyone] },
        "400 InvalidDenyAssignmentRequest",
      ],
      [
        "everyone without exception",
        { permissions, principals: [everyone] },
        "400 InvalidDenyAssignmentRequest",
      ],
      [
        "everyone as exception",
        { permissions, principals, excludePrincipals: [everyone] },
        "400 InvalidDenyAssignmentRequest",
      ],
      [
        "a group",
        { permissions, principals: [{ id: groupPrincipal, type: "Group" }] },
        "400 InvalidDenyAssignmentRequest",
      ],
      ["a stranger", { permissions, principals: [user(guid())] }, "400 PrincipalNotFound"],
      [
        "another type",
        { permissions, principals: [{ id: fixture.owner, type: "ServicePrincipal" }] },
        "400 PrincipalNotFound",
      ],
      ["no type", { permissions, principals: [{ id: fixture.owner }] }, "400 InvalidDenyAssignmentRequest"],
      ["no permission", { permissions: [], principals }, "400 InvalidDenyAssignmentRequest"],
      ["no action", { permissions: [{ notActions: ["*"] }], principals }, "400 InvalidDenyAssignmentRequest"],
      [
        "an empty action",
        { permissions: [{ actions: [""] }], principals },
        "400 InvalidDenyAssignmentRequest",
      ],
      [
        "data actions",
        { permissions: [{ actions: ["*"], dataActions: ["*"] }], principals },
        "400 InvalidDenyAssignmentRequest",
      ],
      ["a condition", { permissions, principals, condition: "true" }, "501 NotImplemented"],
      ["audit", { permissions, principals, denyAssignmentEffect: "audit" }, "501 NotImplemented"],
      [
        "protection",
        { permissions, principals, isSystemProtected: true },
        "400 InvalidDenyAssignmentRequest",
      ],
    ];
    for (const [name, properties, expected] of table) {
      assert.equal(outcome(await deny(fixture, properties)), expected, name);
    }
    const named = await deny(fixture, { permissions, principals }, { name: "not-a-guid" });
    assert.equal(outcome(named), "400 InvalidDenyAssignmentId");
    assert.equal((await deny(fixture, { denyAssignmentName: "same", permissions, principals })).status, 201);
    const again = await deny(fixture, { denyAssignmentName: "SAME", permissions, principals });
    assert.equal(outcome(again), "409 DenyAssignmentExists");
    const other = { denyAssignmentName: "same", permissions, principals };
    assert.equal((await deny(fixture, other, { scope: subscription })).status, 201);
  });

  test("only who may write authorization makes one; readers see it", async () => {
    const fixture = await openGroupFixture();
    const body = { permissions: [{ actions: ["*/delete"] }], principals: [user(fixture.owner)] };
    const may = [
      ["Owner", 201, 200],
      ["User Access Administrator", 201, 200],
      ["Contributor", 403, 200],
      ["Reader", 403, 200],
      ["Cosmos DB Operator", 403, 200],
      ["CosmosBackupOperator", 403, 403],
    ] as const;
    for (const [role, write, read] of may) {
      const as = await fixture.user("maker", role);
      assert.equal((await deny(fixture, body, { as })).status, write, role);
      const listed = await fixture.send("GET", `${group}/providers/Microsoft.Authorization/denyAssignments`, {
        as,
        apiVersion,
      });
      assert.equal(listed.status, read, role);
    }
  });
});

describe("as a denial", () => {
  test("it takes away what a role grants, in the service's words, and gives it back when it goes", async () => {
    const fixture = await openAccount();
    const worker = await fixture.user("worker", "Owner");
    const name = guid();
    const listKeys = (as: string): Promise<Answer> =>
      fixture.send("POST", `${account}/listKeys`, { as, apiVersion: "2024-08-15" });
    assert.equal((await listKeys(worker)).status, 200);
    const made = await deny(
      fixture,
      {
        denyAssignmentName: "no keys",
        permissions: [{ actions: ["Microsoft.DocumentDB/databaseAccounts/listKeys/action"] }],
        principals: [user(worker)],
      },
      { name },
    );
    assert.equal(made.status, 201);
    const denied = await listKeys(worker);
    assert.equal(outcome(denied), "403 DenyAssignmentAuthorizationFailed");
    assert.match(
      messageOf(denied),
      new RegExp(
        `^The client '.*' with object id '${worker}' has permission to perform action 'Microsoft.DocumentDB/databaseAccounts/listKeys/action' on scope '${account}'; however, the access is denied because of the deny assignment with name 'no keys' and Id '${name.replaceAll("-", "")}' at scope '${group}'.$`,
      ),
    );
    assert.equal((await listKeys(fixture.owner)).status, 200, "others are not concerned");
    const without = await fixture.user("nobody");
    assert.equal(outcome(await listKeys(without)), "403 AuthorizationFailed");
    const readonlyKeys = await fixture.send("POST", `${account}/readonlykeys`, {
      as: worker,
      apiVersion: "2024-08-15",
    });
    assert.equal(readonlyKeys.status, 200, "other actions are not concerned");
    await fixture.send("DELETE", `${group}/providers/Microsoft.Authorization/denyAssignments/${name}`, {
      apiVersion,
    });
    assert.equal((await listKeys(worker)).status, 200);
  });

  test("the record of the request names it", async () => {
    const fixture = await openGroupFixture();
    const worker = await fixture.user("worker", "Owner");
    await deny(fixture, { permissions: [{ actions: ["Microsoft.Web/*"] }], principals: [user(worker)] });
    assert.equal((await putSite(fixture, worker)).status, 403);
    const { decision } = fixture.records.at(-1) as {
      decision: { reason: string; deny: { displayName: string } };
    };
    assert.equal(decision.reason, "denyAssignment");
    assert.match(decision.deny.displayName, /^deny /);
  });

  const cases: readonly (readonly [string, object, Wanted, string])[] = [
    ["a pattern", { permissions: [{ actions: ["*/write"] }] }, {}, "403"],
    ["another letter case", { permissions: [{ actions: ["MICROSOFT.WEB/SITES/WRITE"] }] }, {}, "403"],
    ["the subscription above", { permissions: [{ actions: ["*"] }] }, { scope: subscription }, "403"],
    ["the resource itself", { permissions: [{ actions: ["*"] }] }, { scope: site("app") }, "403"],
    ["a resource of a longer name", { permissions: [{ actions: ["*"] }] }, { scope: site("app2") }, "20"],
    ["a resource of a shorter name", { permissions: [{ actions: ["*"] }] }, { scope: site("ap") }, "20"],
    ["another action", { permissions: [{ actions: ["*/delete"] }] }, {}, "20"],
    [
      "an action that is excepted",
      { permissions: [{ actions: ["*"], notActions: ["Microsoft.Web/*"] }] },
      {},
      "20",
    ],
    [
      "an exception of one permission, the action in another",
      { permissions: [{ actions: ["*"], notActions: ["Microsoft.Web/*"] }, { actions: ["*/write"] }] },
      {},
      "403",
    ],
    [
      "its own scope alone, asked below",
      { permissions: [{ actions: ["*"] }], doNotApplyToChildScopes: true },
      {},
      "20",
    ],
    [
      "its own scope alone, asked there",
      { permissions: [{ actions: ["*"] }], doNotApplyToChildScopes: true },
      { scope: site("app") },
      "403",
    ],
  ];
  for (const [name, properties, wanted, expected] of cases) {
    test(`over ${name}: ${expected === "403" ? "denied" : "allowed"}`, async () => {
      const fixture = await openGroupFixture();
      const worker = await fixture.user("worker", "Contributor");
      const made = await deny(fixture, { ...properties, principals: [user(worker)] }, wanted);
      assert.equal(made.status, 201, JSON.stringify(made.body));
      const answer = await putSite(fixture, worker);
      assert.ok(String(answer.status).startsWith(expected), outcome(answer));
      assert.equal((await putSite(fixture, fixture.owner)).status < 300, true);
    });
  }

  test("everyone but the excluded, themselves or through a group", async () => {
    const fixture = await openGroupFixture();
    const [a, b, c] = [
      await fixture.user("a", "Contributor"),
      await fixture.user("b", "Contributor"),
      await fixture.user("c", "Contributor"),
    ];
    const inner = (await fixture.identity.directory.addGroup({ displayName: "inner", members: [b] }))
      .objectId;
    const outer = (await fixture.identity.directory.addGroup({ displayName: "outer", members: [inner] }))
      .objectId;
    await deny(fixture, {
      permissions: [{ actions: ["Microsoft.Web/sites/write"] }],
      principals: [everyone],
      excludePrincipals: [user(a), { id: outer, type: "Group" }],
    });
    assert.deepEqual(
      [
        (await putSite(fixture, a)).status < 300,
        (await putSite(fixture, b)).status < 300,
        (await putSite(fixture, c)).status,
      ],
      [true, true, 403],
    );
    assert.equal((await putSite(fixture, fixture.owner)).status, 403, "an owner is no exception");
  });

  test("it binds a deployment's resources, one by one", async () => {
    const fixture = await openGroupFixture();
    const worker = await fixture.user("worker", "Contributor");
    await deny(
      fixture,
      { permissions: [{ actions: ["*/write"] }], principals: [user(worker)] },
      { scope: site("closed") },
    );
    const deploy = (name: string, inner: boolean): Promise<Answer> => {
      const resource = {
        type: "Microsoft.Web/sites",
        apiVersion: "2023-12-01",
        name,
        location: "westeurope",
        kind: "app",
        properties: {},
      };
      const nested = {
        type: "Microsoft.Resources/deployments",
        apiVersion: "2022-09-01",
        name: `inner-${name}`,
        properties: { mode: "Incremental", template: template([resource]) },
      };
      return fixture.send("PUT", `${group}/providers/Microsoft.Resources/deployments/${name}-${inner}`, {
        as: worker,
        apiVersion: "2024-03-01",
        body: { properties: { mode: "Incremental", template: template([inner ? nested : resource]) } },
      });
    };
    for (const inner of [false, true]) {
      const open = await deploy("open", inner);
      assert.equal(await settled(fixture, "open", inner, open), "Succeeded");
      const closed = await deploy("closed", inner);
      assert.notEqual(await settled(fixture, "closed", inner, closed), "Succeeded");
      assert.equal(
        outcome(await fixture.send("GET", site("closed"), { apiVersion: "2023-12-01" })),
        "404 ResourceNotFound",
      );
    }
  });

  test("it binds what a template reads: no keys come out of a deployment", async () => {
    const fixture = await openAccount();
    const [may, mayNot] = [await fixture.user("a", "Contributor"), await fixture.user("b", "Contributor")];
    await deny(fixture, {
      permissions: [{ actions: ["Microsoft.DocumentDB/databaseAccounts/listKeys/action"] }],
      principals: [user(mayNot)],
    });
    const outputs = {
      key: { type: "string", value: `[listKeys('${account}', '2024-08-15').primaryMasterKey]` },
    };
    for (const [as, expected] of [
      [may, "Succeeded"],
      [mayNot, "Failed"],
    ] as const) {
      const target = `${group}/providers/Microsoft.Resources/deployments/keys-${as}`;
      const answer = await fixture.send("PUT", target, {
        as,
        apiVersion: "2024-03-01",
        body: { properties: { mode: "Incremental", template: { ...template([]), outputs } } },
      });
      await fixture.arm.close();
      const { body } = await fixture.send("GET", target, { apiVersion: "2024-03-01" });
      assert.equal(String(body["properties"]?.["provisioningState"] ?? outcome(answer)), expected);
      const { primaryMasterKey } = (await fixture.cosmos.listKeys(fixture.store, "denied")) ?? {};
      assert.equal(JSON.stringify(body).includes(String(primaryMasterKey)), expected === "Succeeded");
    }
  });

  test("it binds who writes roles and deny assignments, and keeps a right from being taken by a detour", async () => {
    const fixture = await openGroupFixture();
    const worker = await fixture.user("worker", "Owner");
    await deny(fixture, {
      permissions: [{ actions: ["Microsoft.Authorization/*"], notActions: ["*/read"] }],
      principals: [user(worker)],
    });
    const role = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635`;
    const assign = await fixture.send(
      "PUT",
      `${group}/providers/Microsoft.Authorization/roleAssignments/${guid()}`,
      {
        as: worker,
        apiVersion: "2022-04-01",
        body: { properties: { roleDefinitionId: role, principalId: worker } },
      },
    );
    assert.equal(outcome(assign), "403 DenyAssignmentAuthorizationFailed");
    const [first] = (
      await fixture.send("GET", `${group}/providers/Microsoft.Authorization/denyAssignments`, { apiVersion })
    ).body["value"] as unknown as { id: string }[];
    const removed = await fixture.send("DELETE", first?.id ?? "", { as: worker, apiVersion });
    assert.equal(outcome(removed), "403 DenyAssignmentAuthorizationFailed");
  });

  test("at a management group it reaches the subscriptions in it, and is listed there", async () => {
    const fixture = await openGroupFixture();
    const worker = await fixture.user("worker", "Contributor");
    const mg = "/providers/Microsoft.Management/managementGroups/mg1";
    await fixture.send("POST", "/providers/Microsoft.Authorization/elevateAccess", {
      apiVersion: "2016-07-01",
    });
    await fixture.grant(fixture.owner, "Owner", "");
    const made = { apiVersion: "2020-05-01", body: { properties: { displayName: "mg1" } } };
    assert.equal((await fixture.send("PUT", mg, made)).status, 200);
    const properties = { permissions: [{ actions: ["*/write"] }], principals: [user(worker)] };
    assert.equal((await deny(fixture, properties, { scope: mg })).status, 201);
    const listed = async (kind: string): Promise<number> => {
      const target = `${group}/providers/Microsoft.Authorization/${kind}?$filter=atScope()`;
      const { body } = await fixture.send("GET", target, { apiVersion });
      return (body["value"] as unknown as { properties: { scope: string } }[]).filter(
        ({ properties: { scope } }) => scope === mg,
      ).length;
    };
    assert.ok((await putSite(fixture, worker)).status < 300, "the subscription is elsewhere");
    assert.equal(await listed("denyAssignments"), 0);
    await fixture.send("PUT", `${mg}/subscriptions/${subscription.split("/")[2]}`, {
      apiVersion: "2020-05-01",
    });
    assert.equal(outcome(await putSite(fixture, worker)), "403 DenyAssignmentAuthorizationFailed");
    assert.equal(await listed("denyAssignments"), 1);
    await fixture.grant(worker, "Reader", mg);
    assert.equal(await listed("roleAssignments"), 1);
    const reader = await fixture.user("reader");
    const subscriptions = async (): Promise<number> => {
      const { body } = await fixture.send("GET", "/subscriptions", { as: reader });
      return (body["value"] as unknown as unknown[]).length;
    };
    assert.equal(await subscriptions(), 0);
    await fixture.grant(reader, "Reader", mg);
    assert.equal(await subscriptions(), 1);
  });

  test("a list leaves out what may not be read", async () => {
    const fixture = await openGroupFixture();
    const worker = await fixture.user("worker", "Reader");
    for (const name of ["one", "two"]) await putSite(fixture, fixture.owner, name);
    await deny(
      fixture,
      { permissions: [{ actions: ["*"] }], principals: [user(worker)] },
      { scope: site("two") },
    );
    const listed = await fixture.send("GET", `${group}/resources`, { as: worker, apiVersion: "2021-04-01" });
    assert.deepEqual(
      (listed.body["value"] as unknown as { name: string }[]).map(({ name }) => name),
      ["one"],
    );
    const everything = await fixture.send("GET", `${group}/resources`, { apiVersion: "2021-04-01" });
    assert.equal((everything.body["value"] as unknown as unknown[]).length, 2);
  });

  test("it ends with what it protects: a resource made again under the name is free", async () => {
    const fixture = await openGroupFixture();
    const worker = await fixture.user("worker", "Contributor");
    await putSite(fixture, fixture.owner);
    await deny(
      fixture,
      { permissions: [{ actions: ["*"] }], principals: [user(worker)] },
      { scope: site("app") },
    );
    assert.equal((await putSite(fixture, worker)).status, 403);
    assert.equal((await fixture.send("DELETE", site("app"), { apiVersion: "2023-12-01" })).status, 200);
    assert.equal((await putSite(fixture, worker)).status < 300, true);
  });
});

function template(resources: readonly object[]): object {
  return {
    $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    contentVersion: "1.0.0.0",
    resources,
  };
}

/** The final state of a deployment, or the code of its refusal. */
async function settled(fixture: ArmFixture, name: string, inner: boolean, answer: Answer): Promise<string> {
  if (answer.status >= 400) return outcome(answer);
  const target = `${group}/providers/Microsoft.Resources/deployments/${name}-${inner}`;
  for (let tries = 0; tries < 200; tries++) {
    const { body } = await fixture.send("GET", target, { apiVersion: "2024-03-01" });
    const state = String(body["properties"]?.["provisioningState"]);
    if (!["Accepted", "Running"].includes(state)) return state;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return "still running";
}

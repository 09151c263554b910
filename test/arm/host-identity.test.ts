import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Answer,
  type ArmFixture,
  group,
  messageOf,
  openGroupFixture,
  outcome,
  tenantId,
} from "./fixture.ts";

const host = `${group}/providers/Microsoft.Compute/virtualMachines/vm`;
const system = { type: "SystemAssigned" };
const both = "SystemAssigned, UserAssigned";

function identityId(name: string): string {
  return `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
}

function writeHost(
  fixture: ArmFixture,
  method: "PUT" | "PATCH",
  identity: unknown,
  as: string = fixture.owner,
): Promise<Answer> {
  return fixture.send(method, host, {
    body: { location: "westeurope", ...(identity === undefined ? {} : { identity }) },
    as,
  });
}

async function withIdentities(...names: readonly string[]): Promise<ArmFixture> {
  const fixture = await openGroupFixture();
  for (const name of names) await fixture.send("PUT", identityId(name), { body: { location: "westeurope" } });
  return fixture;
}

/** Names of the user-assigned identities that an answer shows. */
function userNames(answer: Answer): readonly string[] {
  return Object.keys(answer.body["identity"]?.["userAssignedIdentities"] ?? {})
    .map((id) => id.split("/").at(-1) ?? "")
    .sort();
}

test("a system-assigned identity is born with its host, kept by writes, and ends with it", async () => {
  const fixture = await openGroupFixture();
  const { directory } = fixture.identity;
  const made = await writeHost(fixture, "PUT", system);
  const principalId = String(made.body["identity"]?.["principalId"]);
  assert.deepEqual(made.body["identity"], { type: "SystemAssigned", principalId, tenantId });
  const principal = await directory.find(principalId);
  assert.equal(principal?.managedIdentity, "system");
  assert.equal(principal?.resourceId, host);
  for (const again of [
    await writeHost(fixture, "PUT", undefined),
    await writeHost(fixture, "PUT", system),
    await writeHost(fixture, "PATCH", undefined),
  ]) {
    assert.equal(again.body["identity"]?.["principalId"], principalId);
  }
  assert.equal((await fixture.send("GET", host)).body["identity"]?.["principalId"], principalId);
  await fixture.send("DELETE", host);
  assert.equal(await directory.find(principalId), undefined);
  const reborn = await writeHost(fixture, "PUT", system);
  assert.notEqual(reborn.body["identity"]?.["principalId"], principalId);
});

test("a role given to a host's identity is worth nothing once the host is gone", async () => {
  const fixture = await openGroupFixture();
  const made = await writeHost(fixture, "PUT", system);
  const principalId = String(made.body["identity"]?.["principalId"]);
  await fixture.grant(principalId, "Reader", group);
  const authorization = `Bearer ${await fixture.token(principalId)}`;
  assert.equal((await fixture.send("GET", group, { as: null, headers: { authorization } })).status, 200);
  await fixture.send("DELETE", host);
  const after = await fixture.send("GET", group, { as: null, headers: { authorization } });
  assert.equal(outcome(after), "403 AuthorizationFailed");
});

test("user-assigned identities are shown with their principals and live on when the host goes", async () => {
  const fixture = await withIdentities("ida");
  const identity = (await fixture.send("GET", identityId("ida"))).body["properties"];
  const made = await writeHost(fixture, "PUT", {
    type: "UserAssigned",
    userAssignedIdentities: {
      [identityId("ida").toUpperCase().replace("/SUBSCRIPTIONS", "/subscriptions")]: {},
    },
  });
  assert.deepEqual(made.body["identity"], {
    type: "UserAssigned",
    userAssignedIdentities: {
      [identityId("ida").replace("resourceGroups", "resourcegroups")]: {
        principalId: identity?.["principalId"],
        clientId: identity?.["clientId"],
      },
    },
  });
  await fixture.send("DELETE", host);
  assert.notEqual(await fixture.identity.directory.find(String(identity?.["principalId"])), undefined);
});

describe("PUT replaces, PATCH merges, null removes", () => {
  const id = identityId;
  const steps: readonly (readonly [
    string,
    "PUT" | "PATCH",
    object,
    string | undefined,
    readonly string[],
  ])[] = [
    ["both kinds", "PUT", { type: both, userAssignedIdentities: { [id("ida")]: {} } }, both, ["ida"]],
    [
      "PATCH adds",
      "PATCH",
      { type: both, userAssignedIdentities: { [id("idb")]: {} } },
      both,
      ["ida", "idb"],
    ],
    [
      "PATCH removes by null",
      "PATCH",
      { type: both, userAssignedIdentities: { [id("ida")]: null } },
      both,
      ["idb"],
    ],
    ["PUT replaces", "PUT", { type: both, userAssignedIdentities: { [id("ida")]: {} } }, both, ["ida"]],
    [
      "without a space",
      "PUT",
      { type: "SystemAssigned,UserAssigned", userAssignedIdentities: { [id("idb")]: {} } },
      both,
      ["idb"],
    ],
    ["PATCH to system only", "PATCH", { type: "SystemAssigned" }, "SystemAssigned", []],
    [
      "PATCH to user only",
      "PATCH",
      { type: "userassigned", userAssignedIdentities: { [id("ida")]: {} } },
      "UserAssigned",
      ["ida"],
    ],
    ["PATCH to none", "PATCH", { type: "None" }, undefined, []],
    ["None on a host without", "PUT", { type: "None" }, undefined, []],
  ];
  test("step by step", async () => {
    const fixture = await withIdentities("ida", "idb");
    for (const [what, method, block, type, users] of steps) {
      const answer = await writeHost(fixture, method, block);
      assert.equal(answer.status, 200, `${what}: ${JSON.stringify(answer.body)}`);
      assert.equal(answer.body["identity"]?.["type"], type, what);
      assert.deepEqual(userNames(answer), users, what);
      assert.deepEqual((await fixture.send("GET", host)).body["identity"], answer.body["identity"], what);
    }
  });
});

describe("a refused identity block leaves the host as it was", () => {
  const cases: readonly (readonly [string, unknown, string])[] = [
    ["an unknown type", { type: "Managed" }, "400 InvalidIdentityValues"],
    ["no object", "SystemAssigned", "400 InvalidIdentityValues"],
    [
      "ids as a list",
      { type: "UserAssigned", userAssignedIdentities: [identityId("ida")] },
      "400 InvalidIdentityValues",
    ],
    [
      "a value that is no object",
      { type: "UserAssigned", userAssignedIdentities: { [identityId("ida")]: 1 } },
      "400 InvalidIdentityValues",
    ],
    [
      "ids without the type",
      { type: "SystemAssigned", userAssignedIdentities: { [identityId("ida")]: {} } },
      "400 InvalidIdentityValues",
    ],
    ["the type without ids", { type: "UserAssigned" }, "400 MissingIdentityIds"],
    [
      "an id of something else",
      { type: "UserAssigned", userAssignedIdentities: { [host]: {} } },
      "400 LinkedInvalidPropertyId",
    ],
    ["no id", { type: "UserAssigned", userAssignedIdentities: { a: {} } }, "400 LinkedInvalidPropertyId"],
    [
      "an identity that does not exist",
      { type: "UserAssigned", userAssignedIdentities: { [identityId("none")]: {} } },
      "400 FailedIdentityOperation",
    ],
  ];
  for (const [what, block, expected] of cases) {
    test(what, async () => {
      const fixture = await withIdentities("ida");
      const before = (await writeHost(fixture, "PUT", system)).body;
      const target = `${host}2`;
      const fresh = await fixture.send("PUT", target, { body: { location: "westeurope", identity: block } });
      assert.equal(outcome(fresh), expected);
      assert.equal((await fixture.send("GET", target)).status, 404);
      assert.equal(
        outcome(await fixture.send("PUT", host, { body: { location: "eastus", identity: block } })),
        expected,
      );
      assert.deepEqual((await fixture.send("GET", host)).body, before);
      assert.deepEqual(fixture.faults, []);
    });
  }
});

describe("assigning an identity is a right of its own", () => {
  const block = { type: "UserAssigned", userAssignedIdentities: { [identityId("ida")]: {} } };
  test("who may write hosts only is refused", async () => {
    const fixture = await withIdentities("ida");
    const user = await fixture.user("vm", "Virtual Machine Contributor", group);
    const answer = await writeHost(fixture, "PUT", block, user);
    assert.equal(outcome(answer), "403 LinkedAuthorizationFailed");
    const { userPrincipalName } = (await fixture.identity.directory.find(user)) ?? {};
    assert.equal(
      messageOf(answer),
      `The client '${userPrincipalName}' with object id '${user}' has permission to perform action 'Microsoft.Compute/virtualMachines/write' on scope '${host}'; however, it does not have permission to perform action 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '${identityId("ida")}' or the linked scope(s) are invalid.`,
    );
    assert.equal((await fixture.send("GET", host)).status, 404);
    assert.equal((await writeHost(fixture, "PUT", system, user)).status, 200);
  });
  test("with Managed Identity Operator beside it, it works", async () => {
    const fixture = await withIdentities("ida");
    const user = await fixture.user("vm", "Virtual Machine Contributor", group);
    await fixture.grant(user, "Managed Identity Operator", identityId("ida"));
    const answer = await writeHost(fixture, "PUT", block, user);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  });
});

test("deleting a user-assigned identity detaches it from its hosts", async () => {
  const fixture = await withIdentities("ida", "idb");
  await writeHost(fixture, "PUT", {
    type: "UserAssigned",
    userAssignedIdentities: { [identityId("ida")]: {}, [identityId("idb")]: {} },
  });
  assert.equal((await fixture.send("DELETE", identityId("ida"))).status, 200);
  assert.deepEqual(userNames(await fixture.send("GET", host)), ["idb"]);
});

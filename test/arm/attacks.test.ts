/**
 * What somebody would try in the control plane who holds a little and wants more: other spellings of a path, groups whose
 * names look alike, roles reached through a scope that they are not of. Each denial stands beside the grant it must leave.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, type ArmFixture, group, openGroupFixture, outcome, subscription } from "./fixture.ts";

const authorization = "2022-04-01";
let names = 0;
const guid = (): string => `00000000-0000-4000-b000-${String(++names).padStart(12, "0")}`;

const site = (base: string): string => `${base}/providers/Microsoft.Web/sites/app`;
const putSite = (
  fixture: ArmFixture,
  base: string,
  as: string,
  headers: Record<string, string> = {},
): Promise<Answer> =>
  fixture.send("PUT", site(base), {
    as,
    headers,
    apiVersion: "2023-12-01",
    body: { location: "westeurope", kind: "app", properties: {} },
  });

async function groupsNamed(fixture: ArmFixture, ...made: readonly string[]): Promise<readonly string[]> {
  const ids = made.map((name) => `${subscription}/resourceGroups/${name}`);
  for (const id of ids) await fixture.send("PUT", id, { body: { location: "westeurope" } });
  return ids;
}

describe("spellings of a path", () => {
  const same: readonly (readonly [string, (path: string) => string])[] = [
    ["as it is", (path) => path],
    [
      "in upper case",
      (path) =>
        path
          .toUpperCase()
          .replace("/PROVIDERS/MICROSOFT.WEB/SITES/APP", "/providers/microsoft.web/SITES/app"),
    ],
    ["with slashes doubled", (path) => path.replaceAll("/", "//")],
    ["with a slash at the end", (path) => `${path}/`],
    ["with letters percent-encoded", (path) => path.replace("resourceGroups", "%72esource%47roups")],
  ];
  test("the same path however spelled: what a lock and a denial forbid stays forbidden, what a role grants granted", async () => {
    const fixture = await openGroupFixture();
    const worker = await fixture.user("worker", "Contributor", group);
    const denied = await fixture.user("denied", "Contributor", group);
    const made = await fixture.send(
      "PUT",
      `${group}/providers/Microsoft.Authorization/denyAssignments/${guid()}`,
      {
        apiVersion: "2024-07-01-preview",
        body: {
          properties: {
            denyAssignmentName: "none",
            permissions: [{ actions: ["*/write"] }],
            principals: [{ id: denied, type: "User" }],
          },
        },
      },
    );
    assert.equal(made.status, 201);
    const send = (as: string, spell: (path: string) => string): Promise<Answer> =>
      fixture.send("PUT", spell(site(group)), {
        as,
        apiVersion: "2023-12-01",
        body: { location: "westeurope", kind: "app", properties: {} },
      });
    for (const [name, spell] of same) {
      assert.ok((await send(worker, spell)).status < 300, name);
      assert.equal(outcome(await send(denied, spell)), "403 DenyAssignmentAuthorizationFailed", name);
    }
    const lock = `${group}/providers/Microsoft.Authorization/locks/l`;
    await fixture.send("PUT", lock, {
      apiVersion: "2020-05-01",
      body: { properties: { level: "ReadOnly" } },
    });
    for (const [name, spell] of same)
      assert.equal(outcome(await send(worker, spell)), "409 ScopeLocked", name);
  });

  test("letters that only look or fold alike make another path, which nothing answers to", async () => {
    const fixture = await openGroupFixture();
    const worker = await fixture.user("worker", "Contributor");
    const lock = `${group}/providers/Microsoft.Authorization/locks/l`;
    await fixture.send("PUT", lock, {
      apiVersion: "2020-05-01",
      body: { properties: { level: "ReadOnly" } },
    });
    // The long s is an s, and the Kelvin sign a k, to comparisons that fold case by Unicode.
    const longS = "%C5%BF";
    for (const odd of [
      group.replace("resourceGroups", `re${longS}ourceGroups`),
      group.replace("resourceGroups", `resourceGroup${longS}`),
      group.replace("subscriptions", `${longS}ubscriptions`),
      group.replace("resourceGroups", "resourceGroup%EF%BD%93"),
    ]) {
      for (const method of ["DELETE", "PUT", "PATCH"]) {
        const body = { location: "westeurope", tags: { a: "b" } };
        const answer = await fixture.send(method, odd, {
          as: worker,
          ...(method === "DELETE" ? {} : { body }),
        });
        assert.ok(answer.status >= 400, `${method} ${odd}: ${outcome(answer)}`);
      }
      assert.ok((await putSite(fixture, odd, worker)).status >= 400, odd);
    }
    assert.equal((await fixture.send("GET", group)).status, 200, "the group is still there");
  });

  test("slashes and dots inside a segment are refused", async () => {
    const fixture = await openGroupFixture();
    const [other = ""] = await groupsNamed(fixture, "Other");
    const worker = await fixture.user("worker", "Contributor", other);
    for (const odd of [
      `${other}%2F..%2FShop`,
      `${other}/../Shop`,
      `${other}/%2E%2E/Shop`,
      `${other}%5C..%5CShop`,
      `${other}%00`,
    ]) {
      const answer = await putSite(fixture, odd, worker);
      assert.equal(answer.status, 400, `${odd}: ${outcome(answer)}`);
    }
    assert.ok((await putSite(fixture, other, worker)).status < 300);
    assert.equal((await putSite(fixture, group, worker)).status, 403);
  });

  test("another verb or path in a header changes nothing", async () => {
    const fixture = await openGroupFixture();
    const reader = await fixture.user("reader", "Reader");
    await putSite(fixture, group, fixture.owner);
    const headers = {
      "x-http-method-override": "DELETE",
      "x-http-method": "DELETE",
      "x-original-url": group,
    };
    const read = await fixture.send("GET", site(group), { as: reader, headers, apiVersion: "2023-12-01" });
    assert.equal(read.status, 200);
    assert.equal((await fixture.send("GET", site(group), { apiVersion: "2023-12-01" })).status, 200);
    assert.equal((await putSite(fixture, group, reader, { "x-http-method-override": "GET" })).status, 403);
  });
});

describe("scopes that look alike", () => {
  test("a role at a group reaches no group whose name begins or ends like it", async () => {
    const fixture = await openGroupFixture();
    const groups = await groupsNamed(fixture, "Shop1", "Shop10", "Sho", "hop", "Shop.", "Shop-1", "Shop(1)");
    const worker = await fixture.user("worker", "Contributor", `${subscription}/resourceGroups/Shop1`);
    for (const id of [group, ...groups]) {
      const answer = await putSite(fixture, id, worker);
      if (id.endsWith("/Shop1")) assert.ok(answer.status < 300, outcome(answer));
      else assert.equal(answer.status, 403, `${id}: ${outcome(answer)}`);
    }
  });

  test("a role at a resource reaches what is below it, not what begins like it", async () => {
    const fixture = await openGroupFixture();
    for (const name of ["one", "one1", "on"]) {
      await fixture.send("PUT", `${group}/providers/Microsoft.Web/sites/${name}`, {
        apiVersion: "2023-12-01",
        body: { location: "westeurope", kind: "app", properties: {} },
      });
    }
    const reader = await fixture.user("reader", "Reader", `${group}/providers/Microsoft.Web/sites/one`);
    const statuses: number[] = [];
    for (const name of ["one", "one1", "on", "ONE"]) {
      const target = `${group}/providers/Microsoft.Web/sites/${name}`;
      statuses.push((await fixture.send("GET", target, { as: reader, apiVersion: "2023-12-01" })).status);
    }
    assert.deepEqual(statuses, [200, 403, 403, 200]);
  });
});

describe("keys", () => {
  const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/shopattacks`;
  const kinds = ["listKeys", "LISTKEYS", "listkeys", "listConnectionStrings", "regenerateKey", "listKeys/"];
  const roles: readonly (readonly [string, boolean])[] = [
    ["Reader", false],
    ["Cosmos DB Account Reader Role", false],
    ["Cosmos DB Operator", false],
    ["User Access Administrator", false],
    ["CosmosBackupOperator", false],
    ["Managed Identity Contributor", false],
    ["DocumentDB Account Contributor", true],
    ["Contributor", true],
    ["Owner", true],
  ];
  for (const [role, may] of roles) {
    test(`${role} ${may ? "may" : "may not"} get read-write keys, however the action is spelled`, async () => {
      const fixture = await openGroupFixture();
      await fixture.send("PUT", account, {
        apiVersion: "2024-08-15",
        body: { location: "westeurope", properties: { databaseAccountOfferType: "Standard", locations: [] } },
      });
      const worker = await fixture.user("worker", role);
      for (const kind of kinds) {
        const answer = await fixture.send("POST", `${account}/${kind}`, {
          as: worker,
          apiVersion: "2024-08-15",
          body: { keyKind: "secondary" },
        });
        if (may) assert.ok([200, 202].includes(answer.status), `${kind}: ${outcome(answer)}`);
        else assert.equal(answer.status, 403, `${kind}: ${outcome(answer)}`);
      }
      const get = await fixture.send("GET", `${account}/listKeys`, { as: worker, apiVersion: "2024-08-15" });
      assert.ok(get.status >= 400, outcome(get));
    });
  }
});

describe("roles reached by a detour", () => {
  const definitions = (scope: string): string => `${scope}/providers/Microsoft.Authorization/roleDefinitions`;
  const roleAt = (scope: string): object => ({
    properties: {
      roleName: `mine ${guid()}`,
      type: "CustomRole",
      assignableScopes: [scope],
      permissions: [{ actions: ["Microsoft.Web/*"], notActions: [] }],
    },
  });

  test("a custom role is changed and deleted only by who may at its own scopes, whatever scope the path names", async () => {
    const fixture = await openGroupFixture();
    const [other = ""] = await groupsNamed(fixture, "Other");
    const name = guid();
    const made = await fixture.send("PUT", `${definitions(group)}/${name}`, {
      apiVersion: authorization,
      body: roleAt(group),
    });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const stranger = await fixture.user("stranger", "Owner", other);
    for (const body of [roleAt(other), roleAt(group)]) {
      const changed = await fixture.send("PUT", `${definitions(other)}/${name}`, {
        as: stranger,
        apiVersion: authorization,
        body,
      });
      assert.equal(outcome(changed), "403 AuthorizationFailed");
    }
    const removed = await fixture.send("DELETE", `${definitions(other)}/${name}`, {
      as: stranger,
      apiVersion: authorization,
    });
    assert.equal(outcome(removed), "403 AuthorizationFailed");
    const still = await fixture.send("GET", `${definitions(group)}/${name}`, { apiVersion: authorization });
    assert.equal(still.status, 200);
    const owner = await fixture.user("owner", "Owner", group);
    const gone = await fixture.send("DELETE", `${definitions(group)}/${name}`, {
      as: owner,
      apiVersion: authorization,
    });
    assert.equal(gone.status, 200, outcome(gone));
  });

  test("an assignment is made where its writer may, not where its body says", async () => {
    const fixture = await openGroupFixture();
    const [other = ""] = await groupsNamed(fixture, "Other");
    const owner = await fixture.user("owner", "Owner", other);
    const roleDefinitionId = `${definitions(subscription)}/8e3af657-a8ff-443c-a75c-2fe8c4bcb635`;
    const assign = (at: string, scope: string | undefined): Promise<Answer> =>
      fixture.send("PUT", `${at}/providers/Microsoft.Authorization/roleAssignments/${guid()}`, {
        as: owner,
        apiVersion: authorization,
        body: {
          properties: { roleDefinitionId, principalId: owner, ...(scope === undefined ? {} : { scope }) },
        },
      });
    assert.equal(outcome(await assign(other, group)), "400 InvalidCreateRoleAssignmentRequest");
    assert.equal(outcome(await assign(other, subscription)), "400 InvalidCreateRoleAssignmentRequest");
    assert.equal((await assign(group, undefined)).status, 403);
    assert.equal((await assign(subscription, undefined)).status, 403);
    assert.equal((await assign("", undefined)).status, 403);
    assert.equal((await assign(site(group), undefined)).status, 403);
    const below = await assign(site(other), undefined);
    assert.equal(below.status, 201, JSON.stringify(below.body));
  });

  test("a role whose scopes do not hold a place is not assigned there", async () => {
    const fixture = await openGroupFixture();
    const [other = ""] = await groupsNamed(fixture, "Shop2");
    const name = guid();
    await fixture.send("PUT", `${definitions(group)}/${name}`, {
      apiVersion: authorization,
      body: roleAt(group),
    });
    const worker = await fixture.user("worker");
    const assign = (at: string): Promise<Answer> =>
      fixture.send("PUT", `${at}/providers/Microsoft.Authorization/roleAssignments/${guid()}`, {
        apiVersion: authorization,
        body: {
          properties: { roleDefinitionId: `${definitions(subscription)}/${name}`, principalId: worker },
        },
      });
    for (const at of [other, subscription]) {
      assert.equal(outcome(await assign(at)), "400 RoleAssignmentScopeNotAssignableToRoleDefinition");
    }
    assert.equal((await assign(group)).status, 201);
    assert.ok((await putSite(fixture, group, worker)).status < 300);
    assert.equal((await putSite(fixture, other, worker)).status, 403);
  });

  test("notActions take away within their own role, and another role gives back", async () => {
    const fixture = await openGroupFixture();
    const worker = await fixture.user("worker", "Contributor");
    const target = `${group}/providers/Microsoft.Authorization/locks/l`;
    const lock = (): Promise<Answer> =>
      fixture.send("PUT", target, {
        as: worker,
        apiVersion: "2020-05-01",
        body: { properties: { level: "ReadOnly" } },
      });
    assert.equal((await lock()).status, 403);
    await fixture.grant(worker, "User Access Administrator", group);
    assert.equal((await lock()).status, 201);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Answer,
  group,
  messageOf,
  openGroupFixture,
  outcome,
  subscription,
  tenantId,
} from "./fixture.ts";

const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/shop`;
const site = `${group}/providers/Microsoft.Web/sites/shop`;
const identity = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shop`;
const other = `${subscription}/resourceGroups/Other`;

const fixture = await openGroupFixture();
await fixture.send("PUT", other, { body: { location: "westeurope" } });
await fixture.send("PUT", account, { body: { location: "westeurope", properties: {} } });
await fixture.send("PUT", `${account}/sqlDatabases/db`, { body: { properties: { resource: { id: "db" } } } });
await fixture.send("PUT", site, { body: { location: "westeurope", properties: {} } });
await fixture.send("PUT", identity, { body: { location: "westeurope" } });

/** Requests as `method path`; a body is sent with every write. */
const requests: Readonly<Record<string, readonly [string, string, object?]>> = {
  "read group": ["GET", group],
  "change group": ["PATCH", group, { tags: { a: "b" } }],
  "read site": ["GET", site],
  "write site": ["PUT", site, { location: "westeurope", properties: {} }],
  "delete missing site": ["DELETE", `${site}-none`],
  "read account": ["GET", account],
  "write account": ["PATCH", account, { properties: {} }],
  "list keys": ["POST", `${account}/listKeys`, {}],
  "list read-only keys": ["POST", `${account}/readonlykeys`, {}],
  "get read-only keys": ["GET", `${account}/readonlykeys`],
  "list connection strings": ["POST", `${account}/listConnectionStrings`, {}],
  "regenerate key": ["POST", `${account}/regenerateKey`, { keyKind: "secondary" }],
  "read database": ["GET", `${account}/sqlDatabases/db`],
  "write database": ["PUT", `${account}/sqlDatabases/db`, { properties: { resource: { id: "db" } } }],
  "read data roles": ["GET", `${account}/sqlRoleDefinitions`],
  "delete data role": ["DELETE", `${account}/sqlRoleAssignments/00000000-0000-4000-8000-00000000dddd`],
  "read identity": ["GET", identity],
  "write identity": ["PATCH", identity, { tags: {} }],
  "list assignments": ["GET", `${group}/providers/Microsoft.Authorization/roleAssignments`],
  "delete assignment": [
    "DELETE",
    `${group}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-00000000eeee`,
  ],
  "read other group": ["GET", other],
};

/** What each role may do when it is held on the group; everything else is denied. */
const roles: Readonly<Record<string, readonly string[]>> = {
  Owner: Object.keys(requests).filter((name) => name !== "read other group"),
  Contributor: Object.keys(requests).filter(
    (name) => !["read other group", "delete assignment"].includes(name),
  ),
  Reader: [
    "read group",
    "read site",
    "read account",
    "get read-only keys",
    "read database",
    "read data roles",
    "read identity",
    "list assignments",
  ],
  "User Access Administrator": [
    "read group",
    "read site",
    "read account",
    "get read-only keys",
    "read database",
    "read data roles",
    "read identity",
    "list assignments",
    "delete assignment",
  ],
  "DocumentDB Account Contributor": [
    "read group",
    "read account",
    "write account",
    "list keys",
    "list read-only keys",
    "get read-only keys",
    "list connection strings",
    "regenerate key",
    "read database",
    "write database",
    "read data roles",
    "delete data role",
    "list assignments",
  ],
  "Cosmos DB Account Reader Role": [
    "read group",
    "read account",
    "list read-only keys",
    "get read-only keys",
    "read database",
    "read data roles",
    "list assignments",
  ],
  "Cosmos DB Operator": [
    "read group",
    "read account",
    "write account",
    "read database",
    "write database",
    "read data roles",
    "list assignments",
  ],
  "Managed Identity Contributor": ["read group", "read identity", "write identity", "list assignments"],
  "Storage Blob Data Owner": [],
};

describe("a role on the group allows exactly this", () => {
  for (const [role, allowed] of Object.entries(roles)) {
    test(role, async () => {
      const user = await fixture.user("someone", role, group);
      for (const [name, [method, target, body]] of Object.entries(requests)) {
        const answer = await fixture.send(
          method,
          target,
          body === undefined ? { as: user } : { as: user, body },
        );
        const got = answer.status === 403 ? "denied" : "allowed";
        assert.equal(got, allowed.includes(name) ? "allowed" : "denied", `${role}: ${name}`);
        assert.notEqual(answer.status, 500, name);
      }
    });
  }
});

describe("the words of a denial", () => {
  const cases: readonly (readonly [string, string, string, string, string])[] = [
    ["PUT", site, "Microsoft.Web/sites/write", site, "authorization"],
    [
      "POST",
      `${account}/listKeys`,
      "Microsoft.DocumentDB/databaseAccounts/listKeys/action",
      account,
      "authorization",
    ],
    [
      "GET",
      `${group}/providers/microsoft.web/sites`,
      "Microsoft.Web/sites/read",
      `${group}/providers/microsoft.web`,
      "authorization",
    ],
    [
      "GET",
      `${account}/sqlRoleDefinitions`,
      "Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions/read",
      account,
      "authorization",
    ],
    [
      "PUT",
      `${group}/providers/Microsoft.Resources/deployments/d`,
      "Microsoft.Resources/deployments/write",
      `${group}/providers/Microsoft.Resources/deployments/d`,
      "authorization",
    ],
    [
      "PUT",
      `${group}/providers/Microsoft.Authorization/roleAssignments/x`,
      "Microsoft.Authorization/roleAssignments/write",
      `${group}/providers/Microsoft.Authorization/roleAssignments/x`,
      "authorization or an ABAC condition not fulfilled",
    ],
    ["PUT", `${site}/config/web`, "Microsoft.Web/sites/config/write", `${site}/config/web`, "authorization"],
  ];
  for (const [method, target, action, scope, lack] of cases) {
    test(`${method} ${target.slice(group.length)}`, async () => {
      const user = await fixture.user("denied");
      const { userPrincipalName } = (await fixture.identity.directory.find(user)) ?? {};
      const answer = await fixture.send(method, target, { as: user, body: {} });
      assert.equal(outcome(answer), "403 AuthorizationFailed");
      assert.equal(
        messageOf(answer),
        `The client '${userPrincipalName}' with object id '${user}' does not have ${lack} to perform action '${action}' over scope '${scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
      );
    });
  }
});

describe("where a role is held decides", () => {
  const read = (as: string, target: string): Promise<Answer> => fixture.send("GET", target, { as });
  test("on the account it reaches the account and what is below, nothing beside or above", async () => {
    const user = await fixture.user("narrow", "Reader", account);
    assert.equal((await read(user, account)).status, 200);
    assert.equal((await read(user, `${account}/sqlDatabases/db`)).status, 200);
    for (const target of [site, group, `${account}2`])
      assert.equal((await read(user, target)).status, 403, target);
  });
  test("spelled in another case it is the same scope", async () => {
    const user = await fixture.user(
      "shouting",
      "Reader",
      account.toUpperCase().replace("/SUBSCRIPTIONS", "/subscriptions"),
    );
    assert.equal((await read(user, account)).status, 200);
  });
  test("through a group, and no longer after leaving it", async () => {
    const user = await fixture.user("member");
    const { directory } = fixture.identity;
    const inner = await directory.addGroup({ displayName: "inner", members: [user] });
    const outer = await directory.addGroup({ displayName: "outer", members: [inner.objectId] });
    assert.equal((await read(user, site)).status, 403);
    await fixture.grant(outer.objectId, "Reader", site);
    assert.equal((await read(user, site)).status, 200);
    await directory.removeMember(inner.objectId, user);
    assert.equal((await read(user, site)).status, 403);
  });
});

describe("lists show what the caller may read", () => {
  const names = (answer: Answer): readonly string[] =>
    (answer.body["value"] as unknown as { name: string }[]).map((each) => each.name).sort();
  test("the owner sees all", async () => {
    assert.deepEqual(names(await fixture.send("GET", `${subscription}/resourceGroups`)), ["Other", "Shop"]);
    assert.deepEqual(names(await fixture.send("GET", `${group}/resources`)), ["shop", "shop", "shop"]);
  });
  test("a reader of one group sees that group and its resources", async () => {
    const user = await fixture.user("groupie", "Reader", group);
    assert.deepEqual(names(await fixture.send("GET", `${subscription}/resourceGroups`, { as: user })), [
      "Shop",
    ]);
    assert.deepEqual(names(await fixture.send("GET", `${subscription}/resources`, { as: user })), [
      "shop",
      "shop",
      "shop",
    ]);
    const foreign = await fixture.send("GET", `${other}/resources`, { as: user });
    assert.equal(outcome(foreign), "403 AuthorizationFailed");
  });
  test("a reader of one resource sees that resource and not its group", async () => {
    const user = await fixture.user("single", "Reader", site);
    const listed = await fixture.send("GET", `${subscription}/providers/Microsoft.Web/sites`, { as: user });
    assert.deepEqual(names(listed), ["shop"]);
    const { body } = await fixture.send("GET", `${group}/resources`, { as: user });
    assert.deepEqual(
      (body["value"] as unknown as { id: string }[]).map((each) => each.id),
      [site],
    );
    assert.deepEqual(names(await fixture.send("GET", `${subscription}/resourceGroups`, { as: user })), []);
  });
  test("who holds nothing is denied", async () => {
    const user = await fixture.user("nobody");
    for (const target of [`${subscription}/resourceGroups`, `${group}/resources`]) {
      assert.equal(outcome(await fixture.send("GET", target, { as: user })), "403 AuthorizationFailed");
    }
  });
});

describe("subscriptions and tenants after sign-in", () => {
  test("the subscription is there for who holds any role in it", async () => {
    const user = await fixture.user("narrow", "Reader", site);
    for (const as of [fixture.owner, user]) {
      const { body } = await fixture.send("GET", "/subscriptions", { as });
      assert.equal(body["value"]?.[0]?.["id"], subscription);
      assert.equal(body["value"]?.[0]?.["tenantId"], tenantId);
      assert.equal((await fixture.send("GET", subscription, { as })).status, 200);
    }
  });
  test("and not for others", async () => {
    const user = await fixture.user("nobody");
    const { body } = await fixture.send("GET", "/subscriptions", { as: user });
    assert.deepEqual(body["value"], []);
    assert.equal(outcome(await fixture.send("GET", subscription, { as: user })), "403 AuthorizationFailed");
  });
  test("everyone sees the tenant, and the regions who holds any role in the subscription", async () => {
    const user = await fixture.user("narrow", "Reader", site);
    const nobody = await fixture.user("nobody");
    const locations = await fixture.send("GET", `${subscription}/locations`, { as: nobody });
    assert.equal(outcome(locations), "403 AuthorizationFailed");
    const tenants = await fixture.send("GET", "/tenants", { as: nobody });
    assert.equal(tenants.body["value"]?.[0]?.["tenantId"], tenantId);
    const { body } = await fixture.send("GET", `${subscription}/locations`, { as: user });
    const west = (body["value"] as unknown as { name: string; displayName: string }[]).find(
      (each) => each.name === "westeurope",
    );
    assert.equal(west?.displayName, "West Europe");
  });
  test("providers are listed as registered, and registering is a right", async () => {
    const one = `${subscription}/providers/microsoft.documentdb`;
    const { body } = await fixture.send("GET", one);
    assert.equal(body["namespace"], "Microsoft.DocumentDB");
    assert.equal(body["registrationState"], "Registered");
    assert.equal((await fixture.send("POST", `${one}/register`, { body: {} })).status, 200);
    const reader = await fixture.user("reader", "Reader", subscription);
    const refused = await fixture.send("POST", `${one}/register`, { body: {}, as: reader });
    assert.equal(outcome(refused), "403 AuthorizationFailed");
    assert.equal(
      outcome(await fixture.send("GET", `${subscription}/providers/No.Such`)),
      "404 InvalidResourceNamespace",
    );
  });
});

test("a decision can be had without a request", async () => {
  const user = await fixture.user("asked", "Reader", site);
  assert.equal((await fixture.arm.decide(user, "Microsoft.Web/sites/read", site)).allowed, true);
  assert.equal((await fixture.arm.decide(user, "Microsoft.Web/sites/write", site)).allowed, false);
  assert.deepEqual(fixture.faults, []);
});

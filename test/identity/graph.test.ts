/** The Microsoft Graph subset: what tools ask of it, who may, and what is refused. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { TestIdentity } from "./fixtures.ts";
import { bodyOf, domain, openTestIdentity, putUserAssigned, send, tenantId } from "./fixtures.ts";

type Json = Record<string, unknown>;

let room: TestIdentity;
let adminToken: string;
let userToken: string;
let appToken: string;
let userId: string;
let workerAppId: string;

before(async () => {
  room = await openTestIdentity();
  const { identity } = room;
  userId = (
    await identity.directory.addUser({ userPrincipalName: `dev@${domain}`, displayName: "Dev O'Brien" })
  ).objectId;
  const worker = await putUserAssigned(room, "worker");
  workerAppId = worker.clientId;
  const graph = "https://graph.microsoft.com";
  const tokenOf = async (id: string): Promise<string> => (await identity.issueFor(id, graph)).accessToken;
  adminToken = await tokenOf(identity.directory.bootstrapUserId);
  userToken = await tokenOf(userId);
  appToken = await tokenOf(worker.principalId);
});

async function graph(
  method: string,
  path: string,
  options: { readonly as?: string; readonly body?: unknown; readonly prefix?: string } = {},
): Promise<{ readonly status: number; readonly body: Json }> {
  const { as = adminToken, body, prefix = "/v1.0/" } = options;
  const headers = { authorization: `Bearer ${as}`, "content-type": "application/json" };
  const text = body === undefined ? "" : JSON.stringify(body);
  const reply = await send(room.identity.authority, method, prefix + path, headers, text);
  return { status: reply.status, body: reply.body === undefined ? {} : bodyOf(reply) };
}

const filter = (text: string): string => `?$filter=${encodeURIComponent(text)}`;
const valuesOf = (answer: { readonly body: Json }): Json[] => answer.body["value"] as Json[];
const codeOf = (answer: { readonly body: Json }): unknown =>
  (answer.body["error"] as Json | undefined)?.["code"];

describe("what the Azure CLI asks for an assignee", () => {
  test("a user by name", async () => {
    const [found, ...others] = valuesOf(
      await graph("GET", `users${filter(`userPrincipalName eq 'DEV@${domain}'`)}`),
    );
    assert.equal(found?.["id"], userId);
    assert.equal(others.length, 0);
  });

  test("a service principal by one of its names", async () => {
    const path = `servicePrincipals${filter(`servicePrincipalNames/any(c:c eq '${workerAppId}')`)}`;
    const [found] = valuesOf(await graph("GET", path));
    assert.deepEqual([found?.["appId"], found?.["servicePrincipalType"]], [workerAppId, "ManagedIdentity"]);
  });

  test("ids of any kind, with their types", async () => {
    const group = await room.identity.directory.addGroup({ displayName: "ops" });
    const worker = await room.identity.directory.findByAppId(workerAppId);
    const ids = [userId, worker?.objectId, group.objectId, tenantId];
    const types = ["user", "group", "servicePrincipal", "directoryObjectPartnerReference"];
    const found = valuesOf(await graph("POST", "directoryObjects/getByIds", { body: { ids, types } }));
    assert.deepEqual(
      found.map((entry) => entry["@odata.type"]),
      ["#microsoft.graph.user", "#microsoft.graph.servicePrincipal", "#microsoft.graph.group"],
    );
    const users = await graph("POST", "directoryObjects/getByIds", { body: { ids, types: ["user"] } });
    assert.equal(valuesOf(users).length, 1);
  });

  test("me, of a user only", async () => {
    assert.equal((await graph("GET", "me", { as: userToken })).body["userPrincipalName"], `dev@${domain}`);
    assert.equal((await graph("GET", "me", { as: appToken })).status, 400);
  });

  test("doubled slashes, the beta version, alternate keys", async () => {
    assert.equal((await graph("GET", "me", { prefix: "//v1.0/" })).status, 200);
    assert.equal((await graph("GET", "me", { prefix: "/beta/" })).status, 200);
    assert.equal(
      (await graph("GET", `servicePrincipals(appId='${workerAppId}')`)).body["appId"],
      workerAppId,
    );
    assert.equal((await graph("GET", `users/dev@${domain}`)).body["id"], userId);
    assert.equal((await graph("GET", "applications(appId='none')")).status, 404);
  });
});

describe("managing the directory", () => {
  test("a user with a password, who then signs in, and ends", async () => {
    const name = `new@${domain}`;
    const made = await graph("POST", "users", {
      body: {
        accountEnabled: true,
        displayName: "New",
        mailNickname: "new",
        userPrincipalName: name,
        passwordProfile: { password: "correct horse" },
      },
    });
    assert.equal(made.status, 201);
    assert.equal((await room.identity.passwords.check(name, "correct horse")).ok, true);
    assert.equal((await graph("DELETE", `users/${made.body["id"]}`)).status, 204);
    assert.equal(codeOf(await graph("GET", `users/${made.body["id"]}`)), "Request_ResourceNotFound");
  });

  test("a short password makes no user", async () => {
    const name = `half@${domain}`;
    const body = { displayName: "Half", userPrincipalName: name, passwordProfile: { password: "short" } };
    assert.equal((await graph("POST", "users", { body })).status, 400);
    assert.equal(await room.identity.directory.findByUserPrincipalName(name), undefined);
  });

  test("a group and its members", async () => {
    const { body } = await graph("POST", "groups", {
      body: { displayName: "team", mailEnabled: false, mailNickname: "team", securityEnabled: true },
    });
    const members = `groups/${body["id"]}/members`;
    const reference = { "@odata.id": `https://graph.microsoft.com/v1.0/directoryObjects/${userId}` };
    assert.equal((await graph("POST", `${members}/$ref`, { body: reference })).status, 204);
    assert.deepEqual(
      valuesOf(await graph("GET", members)).map((member) => member["id"]),
      [userId],
    );
    const above = valuesOf(await graph("GET", `users/${userId}/transitiveMemberOf`));
    assert.ok(above.some((group) => group["id"] === body["id"]));
    assert.equal((await graph("DELETE", `${members}/${userId}/$ref`)).status, 204);
    assert.equal((await graph("DELETE", `${members}/${userId}/$ref`)).status, 404);
    assert.equal((await graph("DELETE", `groups/${body["id"]}`)).status, 204);
  });

  test("an application, its password, federated credentials and service principal", async () => {
    const made = await graph("POST", "applications", {
      body: {
        displayName: "shop",
        identifierUris: ["api://shop"],
        web: { redirectUris: ["https://shop.example.com/cb"] },
        api: { requestedAccessTokenVersion: 2 },
      },
    });
    assert.equal(made.status, 201);
    const { id, appId } = made.body;
    const principal = await graph("POST", "servicePrincipals", { body: { appId } });
    assert.equal(principal.status, 201);
    const secret = await graph("POST", `applications/${id}/addPassword`, {
      body: { passwordCredential: { displayName: "ci", endDateTime: "2027-01-01T00:00:00Z" } },
    });
    assert.equal(typeof secret.body["secretText"], "string");
    assert.equal(secret.body["endDateTime"], "2027-01-01T00:00:00.000Z");
    const shown = (await graph("GET", `applications/${id}`)).body["passwordCredentials"] as Json[];
    assert.deepEqual([shown.length, shown[0]?.["secretText"]], [1, null]);
    const keyId = secret.body["keyId"];
    assert.equal((await graph("POST", `applications/${id}/removePassword`, { body: { keyId } })).status, 204);
    assert.equal((await graph("POST", `applications/${id}/removePassword`, { body: { keyId } })).status, 400);
    const credential = {
      name: "github",
      issuer: "https://token.actions.githubusercontent.com",
      subject: "repo:o/r:ref:refs/heads/main",
      audiences: ["api://AzureADTokenExchange"],
    };
    const all = `applications(appId='${appId}')/federatedIdentityCredentials`;
    assert.equal((await graph("POST", all, { body: credential })).status, 201);
    assert.equal((await graph("POST", all, { body: credential })).status, 409);
    assert.equal(valuesOf(await graph("GET", all))[0]?.["subject"], credential.subject);
    assert.equal((await graph("DELETE", `${all}/github`)).status, 204);
    assert.equal((await graph("DELETE", `applications/${id}`)).status, 204);
    assert.equal((await graph("GET", `servicePrincipals/${principal.body["id"]}`)).status, 404);
  });
});

describe("filters and pages", () => {
  const found = async (text: string): Promise<number> =>
    valuesOf(await graph("GET", `users${filter(text)}`)).length;

  test("comparisons, quotes, both words", async () => {
    assert.equal(await found("displayName eq 'dev o''brien'"), 1);
    assert.equal(await found("displayName ne 'Dev O''Brien'"), 1);
    assert.equal(await found("startswith(displayName,'Dev')"), 1);
    assert.equal(await found(`id eq '${userId}' and displayName eq 'Administrator'`), 0);
    assert.equal(await found(`id eq '${userId}' or displayName eq 'Administrator'`), 2);
    assert.equal(await found("displayName eq 'a and b or c'"), 0);
    assert.equal(await found("accountEnabled eq true"), 2);
  });

  for (const text of [
    "displayName",
    "displayName gt 'a'",
    "a eq 'b' and c eq 'd' or e eq 'f'",
    "(",
    "displayName eq b",
  ]) {
    test(`not supported: ${text}`, async () => {
      const answer = await graph("GET", `users${filter(text)}`);
      assert.deepEqual([answer.status, codeOf(answer)], [400, "Request_UnsupportedQuery"]);
    });
  }

  test("pages by $top", async () => {
    const first = await graph("GET", "users?$top=1");
    assert.equal(valuesOf(first).length, 1);
    const next = new URL(String(first.body["@odata.nextLink"]));
    assert.equal(next.origin, "https://login.microsoftonline.com");
    const second = await graph("GET", next.pathname.slice("/v1.0/".length) + next.search);
    assert.equal(valuesOf(second).length, 1);
    assert.equal(second.body["@odata.nextLink"], undefined);
    assert.notEqual(valuesOf(first)[0]?.["id"], valuesOf(second)[0]?.["id"]);
    for (const top of ["-1", "x", "1000"])
      assert.equal((await graph("GET", `users?$top=${top}`)).status, 400);
  });
});

describe("who may", () => {
  const cases: readonly (readonly [string, () => string, string, string, number, string])[] = [
    ["a user reads", () => userToken, "GET", "users", 200, ""],
    ["a user does not write", () => userToken, "POST", "groups", 403, "Authorization_RequestDenied"],
    ["a user does not delete", () => userToken, "DELETE", "groups/x", 403, "Authorization_RequestDenied"],
    [
      "a user adds no secret",
      () => userToken,
      "POST",
      "applications/x/addPassword",
      403,
      "Authorization_RequestDenied",
    ],
    ["an application reads nothing", () => appToken, "GET", "users", 403, "Authorization_RequestDenied"],
    ["an application writes nothing", () => appToken, "POST", "users", 403, "Authorization_RequestDenied"],
    ["no token", () => "", "GET", "me", 401, "InvalidAuthenticationToken"],
    ["no token of ours", () => "a.b.c", "GET", "me", 401, "InvalidAuthenticationToken"],
    ["what is not built says so", () => adminToken, "GET", "me/messages", 501, "NotImplemented"],
    ["a method that is not there", () => adminToken, "DELETE", "me", 405, "Request_BadRequest"],
  ];
  for (const [what, as, method, path, status, code] of cases) {
    test(what, async () => {
      const answer = await graph(method, path, {
        as: as(),
        body: method === "GET" ? undefined : { displayName: "x" },
      });
      assert.deepEqual([answer.status, codeOf(answer) ?? ""], [status, code]);
    });
  }

  test("a token for another service, and one whose user is gone", async () => {
    const other = await room.identity.issueFor(userId, "https://management.azure.com");
    assert.equal((await graph("GET", "me", { as: other.accessToken })).status, 401);
    const { objectId } = await room.identity.directory.addUser({ userPrincipalName: `gone@${domain}` });
    const { accessToken } = await room.identity.issueFor(objectId, "https://graph.microsoft.com");
    await room.identity.directory.deletePrincipal(objectId);
    assert.equal((await graph("GET", "users", { as: accessToken })).status, 401);
  });

  test("a body that is no object", async () => {
    const headers = { authorization: `Bearer ${adminToken}` };
    for (const body of ["[", "[]", '"x"']) {
      const reply = await send(room.identity.authority, "POST", "/v1.0/groups", headers, body);
      assert.equal(reply.status, 400);
    }
  });
});

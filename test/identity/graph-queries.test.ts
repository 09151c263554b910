/** What client libraries of Microsoft Graph add to a request: query options, counts, batches; and what is refused. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { TestIdentity } from "./fixtures.ts";
import { bodyOf, domain, openTestIdentity, putUserAssigned, send } from "./fixtures.ts";

type Json = Record<string, unknown>;

const nobody = "99999999-9999-4999-8999-999999999999";

let room: TestIdentity;
let adminToken: string;
let userToken: string;
let appToken: string;
let userId: string;
let inner: string;
let outer: string;

before(async () => {
  room = await openTestIdentity();
  const { directory } = room.identity;
  const add = async (name: string): Promise<string> =>
    (await directory.addUser({ userPrincipalName: `${name}@${domain}`, displayName: name })).objectId;
  userId = await add("beth");
  await add("Abe");
  await add("cid");
  const worker = await putUserAssigned(room, "worker");
  inner = (await directory.addGroup({ displayName: "inner", members: [userId] })).objectId;
  outer = (await directory.addGroup({ displayName: "outer", members: [inner] })).objectId;
  const tokenOf = async (id: string): Promise<string> =>
    (await room.identity.issueFor(id, "https://graph.microsoft.com")).accessToken;
  adminToken = await tokenOf(directory.bootstrapUserId);
  userToken = await tokenOf(userId);
  appToken = await tokenOf(worker.principalId);
});

interface Options {
  readonly as?: string;
  readonly body?: unknown;
  readonly eventual?: boolean;
}

async function graphReply(method: string, path: string, { as = userToken, body, eventual }: Options = {}) {
  const headers = {
    authorization: `Bearer ${as}`,
    "content-type": "application/json",
    ...(eventual === true ? { consistencylevel: "eventual" } : {}),
  };
  const text = body === undefined ? "" : JSON.stringify(body);
  return send(room.identity.authority, method, `/v1.0/${path}`, headers, text);
}

async function graph(method: string, path: string, options: Options = {}): Promise<[number, Json]> {
  const reply = await graphReply(method, path, options);
  return [reply.status, bodyOf(reply)];
}

const codeOf = (body: Json): unknown => (body["error"] as Json | undefined)?.["code"];
const namesOf = (body: Json): unknown[] => (body["value"] as Json[]).map((row) => row["displayName"]);

describe("$select", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["displayName", ["displayName"]],
    ["id,displayName", ["id", "displayName"]],
    [" DISPLAYNAME , jobTitle", ["displayName", "jobTitle"]],
  ];
  for (const [select, names] of cases) {
    test(`of an object and of each row: ${select}`, async () => {
      const option = `$select=${encodeURIComponent(select)}`;
      const [, me] = await graph("GET", `me?${option}`);
      assert.deepEqual(Object.keys(me), ["@odata.context", ...names]);
      const [, users] = await graph("GET", `users?${option}&$top=2`);
      for (const row of users["value"] as Json[]) assert.deepEqual(Object.keys(row), names);
    });
  }

  test("what nobody set is null; with * nothing is left out; types stay", async () => {
    assert.equal((await graph("GET", "me?$select=jobTitle"))[1]["jobTitle"], null);
    assert.equal((await graph("GET", "me?$select=*,owners"))[1]["id"], userId);
    const [, { value }] = await graph("GET", `groups/${inner}/members?$select=id`);
    assert.deepEqual(value, [{ "@odata.type": "#microsoft.graph.user", id: userId }]);
  });

  for (const select of ["", "a b", "a/b", "(", "id,"]) {
    test(`refused: '${select}'`, async () => {
      const [status, body] = await graph("GET", `users?$select=${encodeURIComponent(select)}`);
      assert.deepEqual([status, codeOf(body)], [400, "Request_BadRequest"]);
    });
  }
});

describe("$orderby", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["displayName", ["Abe", "Administrator", "beth", "cid"]],
    ["displayName asc", ["Abe", "Administrator", "beth", "cid"]],
    ["displayName DESC", ["cid", "beth", "Administrator", "Abe"]],
    ["userType,displayName desc", ["cid", "beth", "Administrator", "Abe"]],
  ];
  for (const [order, names] of cases) {
    test(order, async () => {
      assert.deepEqual(
        namesOf((await graph("GET", `users?$orderby=${encodeURIComponent(order)}`))[1]),
        names,
      );
      const [, page] = await graph("GET", `users?$orderby=${encodeURIComponent(order)}&$top=1&$skiptoken=3`);
      assert.deepEqual(namesOf(page), names.slice(3));
    });
  }

  for (const option of ["$orderby=displayName up", "$orderby=", "$orderby=a/b", "$filter=displayName"]) {
    test(`refused: ${option}`, async () => {
      const [status, body] = await graph("GET", `users?${option.replaceAll(" ", "%20")}`);
      assert.deepEqual([status, codeOf(body)], [400, "Request_UnsupportedQuery"]);
    });
  }

  test("a search, which would choose rows, says that it is not built", async () => {
    const [status, body] = await graph("GET", 'users?$search="displayName:beth"', { eventual: true });
    assert.deepEqual([status, codeOf(body)], [501, "NotImplemented"]);
  });
});

describe("the link to the next page", () => {
  for (const target of [
    "/v1.0/users?$top=1",
    "//v1.0/users?$top=1&$select=id",
    "//beta//users?$top=1&a=b?c",
  ]) {
    test(`of ${target} is on the host that was asked, and has the rest`, async () => {
      const headers = { authorization: `Bearer ${userToken}` };
      const seen: unknown[] = [];
      let next: string | undefined = target;
      while (next !== undefined) {
        const body = bodyOf(await send(room.identity.authority, "GET", next, headers));
        seen.push(...(body["value"] as Json[]).map(({ id }) => id));
        const link = body["@odata.nextLink"];
        const url = typeof link === "string" ? new URL(link) : undefined;
        if (url !== undefined) assert.equal(url.host, "login.microsoftonline.com");
        next = url === undefined ? undefined : `${url.pathname}${url.search}`;
      }
      assert.deepEqual([seen.length, new Set(seen).size], [4, 4]);
    });
  }
});

describe("counts", () => {
  test("beside a page, of all that the filter leaves", async () => {
    const filter = encodeURIComponent("startswith(displayName,'a')");
    const [, body] = await graph("GET", `users?$count=true&$top=1&$filter=${filter}`, { eventual: true });
    assert.deepEqual([body["@odata.count"], namesOf(body).length], [2, 1]);
    const [, without] = await graph("GET", "users?$count=true");
    assert.equal(without["@odata.count"], undefined);
    const [, unasked] = await graph("GET", "users?$count=false", { eventual: true });
    assert.equal(unasked["@odata.count"], undefined);
  });

  test("alone, as text", async () => {
    const reply = await graphReply("GET", "users/$count", { eventual: true });
    assert.deepEqual(
      [reply.status, reply.headers["content-type"], String(reply.body)],
      [200, "text/plain; charset=utf-8", "4"],
    );
    const members = await graphReply("GET", `groups/${inner}/members/$count`, { eventual: true });
    assert.equal(String(members.body), "1");
  });

  const refused: readonly (readonly [string, string, boolean, () => string, number])[] = [
    ["without the header", "users/$count", false, () => userToken, 400],
    ["of one object", "me/$count", true, () => userToken, 400],
    ["of nothing", "$count", true, () => userToken, 501],
    ["of what has no id", "groups/none/members/$count", true, () => userToken, 400],
    ["of what is not there", `groups/${nobody}/members/$count`, true, () => userToken, 404],
    ["by an application", "users/$count", true, () => appToken, 403],
  ];
  for (const [what, path, eventual, as, status] of refused) {
    test(`refused ${what}`, async () => {
      assert.equal((await graph("GET", path, { eventual, as: as() }))[0], status);
    });
  }
});

describe("memberships", () => {
  const idsOf = ([, body]: [number, Json]): unknown[] => (body["value"] as Json[]).map((row) => row["id"]);

  test("direct and transitive, of the caller and of a user", async () => {
    for (const whose of ["me", `users/${userId}`, `users/beth@${domain}`]) {
      assert.deepEqual(idsOf(await graph("GET", `${whose}/memberOf`)), [inner]);
      assert.deepEqual(
        idsOf(await graph("GET", `${whose}/transitiveMemberOf`)).sort(),
        [inner, outer].sort(),
      );
    }
  });

  test("not of an application, not by one", async () => {
    assert.equal((await graph("GET", "me/memberOf", { as: appToken }))[0], 400);
    assert.equal((await graph("GET", `users/${userId}/memberOf`, { as: appToken }))[0], 403);
    assert.equal((await graph("GET", "users/none/memberOf"))[0], 404);
  });
});

describe("$batch", () => {
  const get = (id: string, url: string, more: Json = {}): Json => ({ id, method: "GET", url, ...more });
  const run = (requests: unknown, as = userToken) => graph("POST", "$batch", { as, body: { requests } });
  const statuses = (body: Json): unknown =>
    Object.fromEntries((body["responses"] as Json[]).map(({ id, status }) => [id, status]));

  test("each part is answered as it would be alone", async () => {
    const eventual = { headers: { ConsistencyLevel: "eventual" } };
    const group = { displayName: "x", securityEnabled: true };
    const [status, body] = await run([
      get("me", "/me?$select=displayName"),
      get("count", "users/$count", eventual),
      get("uncounted", "users/$count"),
      get("none", "/users/none"),
      get("unbuilt", "/me/messages"),
      { id: "write", method: "post", url: "/groups", body: group, headers: { "Content-Type": "x" } },
    ]);
    assert.equal(status, 200);
    const wanted = { me: 200, count: 200, uncounted: 400, none: 404, unbuilt: 501, write: 403 };
    assert.deepEqual(statuses(body), wanted);
    const [me, count] = (body["responses"] as Json[]).map((answer) => answer["body"]);
    assert.equal((me as Json)["displayName"], "beth");
    assert.equal(count, "4");
  });

  test("writes of one who may, in order; what depends on a failure is not run", async () => {
    const name = `batch@${domain}`;
    const user = { displayName: "batch", userPrincipalName: name };
    const headers = { "Content-Type": "application/json" };
    const [, body] = await run(
      [
        { id: "1", method: "POST", url: "/users", body: user, headers },
        get("2", `/users/${name}`, { dependsOn: ["1"] }),
        { id: "3", method: "DELETE", url: `/users/${name}`, dependsOn: ["2"] },
        get("4", `/users/${name}`, { dependsOn: ["3"] }),
        { id: "5", method: "POST", url: "/users", body: user, headers, dependsOn: ["4"] },
        get("6", "/me", { dependsOn: ["5"] }),
      ],
      adminToken,
    );
    assert.deepEqual(statuses(body), { 1: 201, 2: 200, 3: 204, 4: 404, 5: 424, 6: 424 });
    assert.equal(await room.identity.directory.findByUserPrincipalName(name), undefined);
  });

  test("a batch within a batch is not run", async () => {
    const body = { requests: [get("1", "/me")] };
    for (const url of ["/$batch", "%24batch", "//$batch"]) {
      const [, answer] = await run([{ id: "1", method: "POST", url, body }]);
      assert.deepEqual(statuses(answer), { 1: 501 });
    }
  });

  test("a token that a part brings along is not taken", async () => {
    const headers = { Authorization: `Bearer ${adminToken}`, "Content-Type": "application/json" };
    const part = { id: "1", method: "POST", url: "/groups", headers, body: { displayName: "stolen" } };
    assert.deepEqual(statuses((await run([part]))[1]), { 1: 403 });
    assert.deepEqual(statuses((await run([get("1", "/users")], appToken))[1]), { 1: 403 });
  });

  const many = Array.from({ length: 21 }, (_, at) => get(String(at), "/me"));
  const refused: readonly (readonly [string, unknown])[] = [
    ["no list", { id: "1" }],
    ["an empty list", []],
    ["more than twenty", many],
    ["a part that is no object", ["x"]],
    ["no id", [{ method: "GET", url: "/me" }]],
    ["no method", [{ id: "1", url: "/me" }]],
    ["no url", [{ id: "1", method: "GET" }]],
    ["an id twice", [get("a", "/me"), get("A", "/me")]],
    ["an absolute url", [get("1", "https://graph.microsoft.com/v1.0/me")]],
    ["a url longer than any request's", [get("1", `/users?$orderby=${"x,".repeat(20_000)}x`)]],
    ["headers that are none", [get("1", "/me", { headers: [] })]],
    ["a dependency that is no list", [get("1", "/me", { dependsOn: "0" })]],
    ["a dependency on nothing", [get("1", "/me", { dependsOn: ["0"] })]],
    ["a dependency on what comes later", [get("1", "/me", { dependsOn: ["2"] }), get("2", "/me")]],
  ];
  for (const [what, requests] of refused) {
    test(`refused, and nothing is run: ${what}`, async () => {
      const first = { id: "first", method: "POST", url: "/groups", body: { displayName: "half" } };
      const parts = Array.isArray(requests) && requests.length > 0 ? [first, ...requests] : requests;
      const [status, body] = await run(parts, adminToken);
      assert.deepEqual([status, codeOf(body)], [400, "Request_BadRequest"]);
      const half = await room.identity.directory.findByDisplayName("half");
      assert.deepEqual(half, []);
    });
  }

  test("twenty are taken; without a token none", async () => {
    assert.equal((await run(many.slice(1)))[0], 200);
    assert.equal((await run([get("1", "/me")], ""))[0], 401);
    assert.equal((await graph("GET", "$batch"))[0], 501);
  });
});

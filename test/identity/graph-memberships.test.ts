/**
 * Who is in which group, as client libraries and the Azure CLI ask Microsoft Graph: the actions, the lists below an object,
 * `$expand`; what is refused as malformed, and to whom.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { TestIdentity } from "./fixtures.ts";
import { bodyOf, domain, openTestIdentity, putUserAssigned, send } from "./fixtures.ts";

type Json = Record<string, unknown>;

const nobody = "99999999-9999-4999-8999-999999999999";
let room: TestIdentity;
let userToken: string;
let appToken: string;
let userId: string;
let workerId: string;
let inner: string;
let outer: string;
let other: string;
let applicationId: string;

before(async () => {
  room = await openTestIdentity();
  const { directory, applications } = room.identity;
  userId = (await directory.addUser({ userPrincipalName: `beth@${domain}`, displayName: "beth" })).objectId;
  const worker = await putUserAssigned(room, "worker");
  workerId = worker.principalId;
  const add = async (displayName: string, members: readonly string[]): Promise<string> =>
    (await directory.addGroup({ displayName, members })).objectId;
  inner = await add("inner", [userId, workerId]);
  outer = await add("outer", [inner]);
  other = await add("other", []);
  applicationId = (await applications.add({ displayName: "shop", identifierUris: [], redirectUris: [] })).id;
  const tokenOf = async (id: string): Promise<string> =>
    (await room.identity.issueFor(id, "https://graph.microsoft.com")).accessToken;
  userToken = await tokenOf(userId);
  appToken = await tokenOf(workerId);
});

async function graph(
  method: string,
  path: string,
  body?: unknown,
  as: string = userToken,
): Promise<[number, Json]> {
  const headers = { authorization: `Bearer ${as}`, "content-type": "application/json" };
  const text = body === undefined ? "" : JSON.stringify(body);
  const reply = await send(room.identity.authority, method, `/v1.0/${path}`, headers, text);
  return [reply.status, bodyOf(reply)];
}

const post = (path: string, body: unknown, as?: string): Promise<[number, Json]> =>
  graph("POST", path, body, as);
const get = (path: string, as?: string): Promise<[number, Json]> => graph("GET", path, undefined, as);
const valuesOf = ([status, body]: readonly [number, Json]): unknown => {
  assert.equal(status, 200, JSON.stringify(body));
  return (body["value"] as unknown[]).toSorted();
};
const idsOf = ([status, body]: readonly [number, Json]): unknown => {
  assert.equal(status, 200, JSON.stringify(body));
  return (body["value"] as Json[]).map((row) => row["id"]).toSorted();
};
const errorOf = ([, body]: readonly [number, Json]): Json => body["error"] as Json;

/** Paths of objects in `inner`, and thereby in `outer`. */
const inBoth = (): readonly string[] => [
  "me",
  `users/${userId}`,
  `users/beth@${domain}`,
  `users('${userId}')`,
  `directoryObjects/${userId}`,
  `directoryObjects/${workerId}`,
  `servicePrincipals/${workerId}`,
];

describe("the groups of an object", () => {
  test("of users, service principals and objects of any kind, through groups in groups", async () => {
    for (const path of inBoth()) {
      for (const action of ["getMemberGroups", "getMemberObjects", "microsoft.graph.getMemberGroups"]) {
        for (const securityEnabledOnly of [true, false]) {
          const answer = await post(`${path}/${action}`, { securityEnabledOnly });
          assert.deepEqual(valuesOf(answer), [inner, outer].toSorted(), `${path}/${action}`);
          assert.match(String(answer[1]["@odata.context"]), /\/v1\.0\/\$metadata#Collection\(Edm\.String\)$/);
        }
      }
    }
    assert.deepEqual(valuesOf(await post(`groups/${inner}/getMemberGroups`, {})), [outer]);
    assert.deepEqual(valuesOf(await post(`directoryObjects/${applicationId}/getMemberGroups`, {})), []);
  });

  test("those of a list that it is in", async () => {
    const groupIds = [other, outer.toUpperCase(), inner, nobody, inner];
    for (const path of inBoth()) {
      assert.deepEqual(
        valuesOf(await post(`${path}/checkMemberGroups`, { groupIds })),
        [inner, outer].toSorted(),
      );
      assert.deepEqual(
        valuesOf(await post(`${path}/checkMemberObjects`, { ids: groupIds })),
        [inner, outer].toSorted(),
      );
    }
    assert.deepEqual(valuesOf(await post(`groups/${inner}/checkMemberGroups`, { groupIds })), [outer]);
    assert.deepEqual(valuesOf(await post("me/checkMemberGroups", { groupIds: [other] })), []);
    assert.deepEqual(valuesOf(await post("me/checkMemberGroups", { groupIds: [] })), []);
  });

  test("follow what changes", async () => {
    const { directory } = room.identity;
    await directory.addMember(other, userId);
    assert.deepEqual(valuesOf(await post("me/checkMemberGroups", { groupIds: [other] })), [other]);
    await directory.removeMember(other, userId);
    assert.deepEqual(valuesOf(await post("me/checkMemberGroups", { groupIds: [other] })), []);
  });

  const many = Array.from({ length: 21 }, (_, at) => nobody.slice(0, -2) + String(10 + at));
  const refused: readonly (readonly [string, string, unknown, number, RegExp])[] = [
    ["no such user", "users/none/getMemberGroups", {}, 404, /'none' does not exist/],
    ["no such group", `groups/${nobody}/getMemberGroups`, {}, 404, /does not exist/],
    ["a user as a group", "groups/USER/getMemberGroups", {}, 404, /does not exist/],
    ["no id", "groups/{id}/checkMemberObjects", { ids: [] }, 400, /^Invalid object identifier '\{id\}'\.$/],
    ["no id of any object", "directoryObjects/x/getMemberGroups", {}, 400, /^Invalid object identifier 'x'/],
    ["a list without ids", "me/checkMemberGroups", {}, 400, /'groupIds'/],
    ["another member", "me/checkMemberGroups", { ids: [] }, 400, /'groupIds'/],
    ["one id", "me/checkMemberGroups", { groupIds: nobody }, 400, /'groupIds'/],
    ["a malformed id", "me/checkMemberGroups", { groupIds: [nobody, "ops"] }, 400, /identifier 'ops'/],
    ["a number", "me/checkMemberObjects", { ids: [7] }, 400, /'ids'/],
    ["twenty-one ids", "me/checkMemberGroups", { groupIds: many }, 400, /at most 20/],
    ["a text for a flag", "me/getMemberGroups", { securityEnabledOnly: "yes" }, 400, /true or false/],
    [
      "security groups of a group",
      "groups/INNER/getMemberGroups",
      { securityEnabledOnly: true },
      400,
      /^To get security groups, the member must be a user\.$/,
    ],
    ["ids of objects", "directoryObjects/getByIds", { ids: ["ops"] }, 400, /identifier 'ops'/],
    ["no ids of objects", "directoryObjects/getByIds", { types: ["user"] }, 400, /'ids'/],
    ["types that are none", "directoryObjects/getByIds", { ids: [], types: "user" }, 400, /'types'/],
  ];
  for (const [what, path, body, status, message] of refused) {
    test(`refused: ${what}`, async () => {
      const answer = await post(path.replace("USER", userId).replace("INNER", inner), body);
      const code = status === 404 ? "Request_ResourceNotFound" : "Request_BadRequest";
      assert.deepEqual([answer[0], errorOf(answer)["code"]], [status, code]);
      assert.match(String(errorOf(answer)["message"]), message);
    });
  }

  test("a method that is not there, and an application that asks", async () => {
    assert.equal((await get("me/getMemberGroups"))[0], 405);
    assert.equal((await post("me/getMemberGroups", {}, appToken))[0], 400);
    for (const path of inBoth().slice(1)) {
      assert.equal((await post(`${path}/getMemberGroups`, {}, appToken))[0], 403);
      assert.equal((await post(`${path}/checkMemberGroups`, { groupIds: [inner] }, appToken))[0], 403);
    }
    assert.equal((await post("me/getMemberGroups", {}, ""))[0], 401);
  });

  test("objects by their ids, of the types that are asked for", async () => {
    const ids = [userId, workerId, inner, nobody, userId];
    const found = async (types?: readonly string[]): Promise<unknown> =>
      idsOf(await post("directoryObjects/getByIds", types === undefined ? { ids } : { ids, types }));
    assert.deepEqual(await found(), [userId, workerId, inner].toSorted());
    assert.deepEqual(await found(["directoryObject"]), [userId, workerId, inner].toSorted());
    assert.deepEqual(await found(["Group", "device"]), [inner]);
    assert.deepEqual(await found(["device"]), []);
  });
});

describe("lists below an object", () => {
  test("memberships of service principals and groups, members through groups", async () => {
    assert.deepEqual(idsOf(await get(`servicePrincipals/${workerId}/memberOf`)), [inner]);
    assert.deepEqual(
      idsOf(await get(`servicePrincipals/${workerId}/transitiveMemberOf`)),
      [inner, outer].toSorted(),
    );
    assert.deepEqual(idsOf(await get(`groups/${inner}/memberOf`)), [outer]);
    assert.deepEqual(idsOf(await get(`groups/${outer}/members`)), [inner]);
    assert.deepEqual(
      idsOf(await get(`groups/${outer}/transitiveMembers`)),
      [inner, userId, workerId].toSorted(),
    );
  });

  test("of one type, as the libraries write it", async () => {
    const all = `groups/${outer}/transitiveMembers`;
    assert.deepEqual(idsOf(await get(`${all}/microsoft.graph.user`)), [userId]);
    assert.deepEqual(idsOf(await get(`${all}/graph.servicePrincipal`)), [workerId]);
    assert.deepEqual(idsOf(await get("me/memberOf/microsoft.graph.directoryRole")), []);
    assert.equal((await get("me/microsoft.graph.user"))[0], 400);
    assert.equal((await get("users/microsoft.graph.user"))[0], 400);
  });

  test("owners and roles, of which there are none", async () => {
    for (const path of [
      `applications/${applicationId}/owners`,
      `groups/${inner}/owners`,
      `groups/${inner}/appRoleAssignments`,
      `servicePrincipals/${workerId}/owners`,
      `servicePrincipals/${workerId}/appRoleAssignments`,
      `users/${userId}/appRoleAssignments`,
    ])
      assert.deepEqual(idsOf(await get(path)), []);
    assert.equal((await get(`groups/${nobody}/owners`))[0], 404);
    assert.equal((await get(`users/${userId}/appRoleAssignments`, appToken))[0], 403);
  });

  test("groups that hold one another end", async () => {
    const { directory } = room.identity;
    const a = (await directory.addGroup({ displayName: "a", members: [userId] })).objectId;
    const b = (await directory.addGroup({ displayName: "b", members: [a] })).objectId;
    await directory.addMember(a, b);
    assert.deepEqual(idsOf(await get(`groups/${a}/transitiveMembers`)), [a, b, userId].toSorted());
    await directory.deletePrincipal(a);
    await directory.deletePrincipal(b);
  });
});

describe("$expand", () => {
  const namesIn = (value: unknown): unknown => (value as Json[]).map((row) => row["displayName"]).toSorted();

  test("of an object, beside what is selected", async () => {
    const [, group] = await get(`groups/${inner}?$select=id&$expand=members($select=id,displayName)`);
    assert.deepEqual(Object.keys(group), ["@odata.context", "id", "members"]);
    assert.deepEqual(namesIn(group["members"]), ["beth", "worker"]);
    for (const member of group["members"] as Json[]) {
      assert.deepEqual(Object.keys(member), ["@odata.type", "id", "displayName"]);
    }
    const [, me] = await get("me?$expand=MemberOf,transitiveMemberOf($select=id)");
    assert.deepEqual(namesIn(me["memberOf"]), ["inner"]);
    assert.equal((me["transitiveMemberOf"] as unknown[]).length, 2);
    const [, principal] = await get(`servicePrincipals/${workerId}?$expand=owners,appRoleAssignments`);
    assert.deepEqual([principal["owners"], principal["appRoleAssignments"]], [[], []]);
    const [, application] = await get(`applications/${applicationId}?$expand=owners`);
    assert.deepEqual(application["owners"], []);
  });

  test("of each object of a page, at most twenty", async () => {
    const { directory } = room.identity;
    const members: string[] = [];
    for (let n = 0; n < 22; n++) {
      members.push((await directory.addUser({ userPrincipalName: `m${n}@${domain}` })).objectId);
    }
    const big = (await directory.addGroup({ displayName: "big", members })).objectId;
    const [, { value }] = await get(
      "groups?$expand=members($select=id)&$select=displayName&$orderby=displayName",
    );
    const counts = (value as Json[]).map((row) => [row["displayName"], (row["members"] as Json[]).length]);
    assert.deepEqual(counts, [
      ["big", 20],
      ["inner", 2],
      ["other", 0],
      ["outer", 1],
    ]);
    assert.equal((idsOf(await get(`groups/${big}/members`)) as unknown[]).length, 22);
    for (const id of [...members, big]) await directory.deletePrincipal(id);
  });

  const refused: readonly (readonly [string, number, string, RegExp])[] = [
    ["users?$expand=nonsense", 400, "BadRequest", /named 'nonsense' on type 'microsoft\.graph\.user'\.$/],
    ["users?$expand=members", 400, "BadRequest", /named 'members'/],
    ["groups?$expand=", 400, "BadRequest", /^Parsing OData Select and Expand failed: /],
    ["groups?$expand=members(", 400, "BadRequest", /Term 'members\('/],
    ["groups/INNER/members?$expand=memberOf", 400, "BadRequest", /type 'microsoft\.graph\.directoryObject'/],
    ["groups?$expand=members($select=a b)", 400, "Request_BadRequest", /'a b' is no property/],
    ["users?$expand=manager", 501, "NotImplemented", /\$expand=manager/],
    ["groups?$expand=members($filter=id eq 'x')", 501, "NotImplemented", /\$filter inside \$expand/],
  ];
  for (const [path, status, code, message] of refused) {
    test(`refused: ${path}`, async () => {
      const [resource = "", option = ""] = path.split("$expand=");
      const answer = await get(`${resource.replace("INNER", inner)}$expand=${encodeURIComponent(option)}`);
      assert.deepEqual([answer[0], errorOf(answer)["code"]], [status, code]);
      assert.match(String(errorOf(answer)["message"]), message);
    });
  }
});

/**
 * Clients that hold a user's sign-in and want more of it than was given: grants that their registration does not open, and
 * what the user may do elsewhere. Beside each refusal stands the grant that it must not take away.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { bodyOf, claimsOf, send } from "../fixtures.ts";
import {
  type Answer,
  authorize,
  openSignInRoom,
  password,
  type SignInRoom,
  sentBack,
  signIn,
  token,
  user,
  verifier,
  webRedirect,
} from "./fixture.ts";

const cosmos = "https://cosmos.azure.com/.default";
const graph = "https://graph.microsoft.com";
const callback = "http://localhost/cb";
const adminPassword = "admin password 1";
let room: SignInRoom;
let admin: string;
/** With addresses of both kinds, and no public client otherwise. */
let mixed: string;

before(async () => {
  room = await openSignInRoom();
  const { applications, consents, directory, passwords } = room.identity;
  admin = (await directory.find(directory.bootstrapUserId))?.userPrincipalName ?? "";
  await passwords.set(admin, adminPassword);
  const { appId } = await applications.add({
    displayName: "Mixed",
    redirectUris: [
      { uri: webRedirect, platform: "web" },
      { uri: callback, platform: "public" },
    ],
  });
  mixed = appId;
  for (const client of [mixed, room.native]) await consents.grant(client, "https://cosmos.azure.com", "*");
  await consents.grant(mixed, "https://management.azure.com", "*");
});

/** A browser sign-in of the administrator, and what its code is worth. */
async function signedIn(client: string, scope: string, asked: string = scope): Promise<Answer> {
  const shown = await authorize(room, { client_id: client, redirect_uri: callback, scope });
  const back = await signIn(room, shown, { username: admin, password: adminPassword });
  return token(room, {
    grant_type: "authorization_code",
    client_id: client,
    code: sentBack(back).get("code") ?? "",
    redirect_uri: callback,
    code_verifier: verifier,
    scope: asked,
  });
}

describe("a name and password from a client without proof", () => {
  const ask = (client: string, more: Record<string, string> = {}): Promise<Answer> =>
    token(room, {
      grant_type: "password",
      client_id: client,
      username: user,
      password,
      scope: cosmos,
      ...more,
    });

  test("are taken from a public client", async () => {
    assert.equal((await ask(room.native)).status, 200);
  });

  test("are not from one that only has a public address, which may redeem its codes", async () => {
    const refused = await ask(mixed);
    assert.deepEqual([refused.status, refused.code], [401, 7000218]);
    assert.equal((await signedIn(mixed, cosmos)).status, 200);
  });

  test("are with its proof", async () => {
    const { secretText } = await room.identity.applications.addSecret(mixed);
    assert.equal((await ask(mixed, { client_secret: secretText })).status, 200);
    assert.equal((await ask(mixed, { client_secret: `${secretText}x` })).code, 7000215);
  });
});

describe("a permission at a service that has only one", () => {
  const management = "https://management.azure.com";
  for (const [scope, asked, expected] of [
    [`${management}/.default`, `${management}/.default`, 200],
    [`${management}/user_impersonation`, `${management}/User_Impersonation`, 200],
    [cosmos, `${management}/read`, 650053],
    [cosmos, "https://cosmos.azure.com/items.read", 650053],
    [cosmos, `${management}/user_impersonation ${management}/read`, 650053],
  ] as const) {
    test(`${asked} for a code of ${scope}: ${expected}`, async () => {
      const answer = await signedIn(mixed, scope, asked);
      assert.equal(answer.status === 200 ? 200 : answer.code, expected);
    });
  }

  test("is not asked for on the page", async () => {
    const scope = "https://cosmos.azure.com/items.read";
    const shown = await authorize(room, { client_id: mixed, redirect_uri: callback, scope });
    assert.match(String(sentBack(shown).get("error_description")), /^AADSTS650053: /);
  });
});

describe("what a user may read, through a client with fewer rights", () => {
  type Statuses = readonly [groups: number, users: number, applications: number, me: number];
  const cases: readonly (readonly [scope: string, ...Statuses])[] = [
    [`${graph}/.default`, 200, 200, 200, 200],
    [`${graph}/Directory.Read.All`, 200, 200, 200, 200],
    [`${graph}/Group.Read.All`, 200, 403, 403, 403],
    [`${graph}/GroupMember.ReadWrite.All`, 200, 403, 403, 403],
    [`${graph}/User.ReadBasic.All`, 403, 200, 403, 200],
    [`${graph}/Application.ReadWrite.All`, 403, 403, 200, 403],
    ["User.Read openid", 403, 403, 403, 200],
    ["User.ReadBasic", 403, 403, 403, 403],
    ["openid profile email", 403, 403, 403, 403],
  ];
  for (const [scope, ...expected] of cases) {
    test(`${scope}: ${expected.join(" ")}`, async () => {
      const { body } = await signedIn(room.native, scope);
      const headers = { authorization: `Bearer ${String(body["access_token"])}` };
      const found: number[] = [];
      for (const path of ["groups", "users", "applications", "me"]) {
        found.push((await send(room.identity.authority, "GET", `/v1.0/${path}`, headers)).status);
      }
      assert.deepEqual(found, expected);
    });
  }
});

describe("somebody else's groups are read with a right to groups or to whole users", () => {
  for (const [scope, expected] of [
    [`${graph}/User.ReadBasic.All`, 403],
    [`${graph}/User.ReadWrite.All`, 403],
    [`${graph}/User.Read.All`, 200],
    [`${graph}/GroupMember.Read.All`, 200],
  ] as const) {
    test(`${scope}: ${expected}`, async () => {
      const { body } = await signedIn(room.native, scope);
      const headers = { authorization: `Bearer ${String(body["access_token"])}` };
      const path = `/v1.0/users/${room.userId}/transitiveMemberOf`;
      assert.equal((await send(room.identity.authority, "GET", path, headers)).status, expected);
    });
  }
});

describe("groups that are asked for take the right to read them", () => {
  type Statuses = readonly [user: number, group: number, principal: number, any: number, me: number];
  const cases: readonly (readonly [scope: string, ...Statuses])[] = [
    [`${graph}/.default`, 200, 200, 200, 200, 200],
    [`${graph}/Directory.Read.All`, 200, 200, 200, 200, 200],
    [`${graph}/GroupMember.Read.All`, 200, 200, 403, 403, 403],
    [`${graph}/User.Read.All`, 200, 403, 403, 403, 200],
    [`${graph}/User.ReadBasic.All`, 403, 403, 403, 403, 200],
    [`${graph}/Application.Read.All`, 403, 403, 200, 403, 403],
    ["User.Read", 403, 403, 403, 403, 200],
    ["openid profile", 403, 403, 403, 403, 403],
  ];
  for (const [scope, ...expected] of cases) {
    test(`${scope}: ${expected.join(" ")}`, async () => {
      const { directory, authority } = room.identity;
      const { body } = await signedIn(room.native, scope);
      const headers = {
        authorization: `Bearer ${String(body["access_token"])}`,
        "content-type": "application/json",
      };
      const { objectId } = await directory.addGroup({ displayName: "asked for" });
      const principal = await directory.findByAppId(mixed);
      const paths = [
        `users/${room.userId}`,
        `groups/${objectId}`,
        `servicePrincipals/${principal?.objectId}`,
      ];
      for (const action of ["getMemberGroups", "checkMemberObjects"]) {
        const found: number[] = [];
        for (const path of [...paths, `directoryObjects/${room.userId}`, "me"]) {
          const target = `/v1.0/${path}/${action}`;
          found.push((await send(authority, "POST", target, headers, JSON.stringify({ ids: [] }))).status);
        }
        assert.deepEqual(found, expected);
      }
      await directory.deletePrincipal(objectId);
    });
  }

  for (const [scope, plain, members] of [
    [`${graph}/User.ReadBasic.All`, 200, 403],
    [`${graph}/User.Read.All`, 200, 200],
    [`${graph}/User.ReadBasic.All ${graph}/GroupMember.Read.All`, 200, 200],
  ] as const) {
    test(`and so do groups that are put into users, ${scope}: ${members}`, async () => {
      const { body } = await signedIn(room.native, scope);
      const headers = { authorization: `Bearer ${String(body["access_token"])}` };
      for (const path of ["users", `users/${room.userId}`]) {
        const read = async (target: string): Promise<number> =>
          (await send(room.identity.authority, "GET", `/v1.0/${target}`, headers)).status;
        assert.equal(await read(path), plain);
        assert.equal(await read(`${path}?$expand=memberOf`), members);
      }
    });
  }
});

type Members = Readonly<Record<string, unknown>>;

describe("of objects in a list only what may be read is shown", () => {
  const name = (value: Members): unknown => value["displayName"];
  const listed = async (scope: string, target: string): Promise<readonly Members[]> => {
    const { body: granted } = await signedIn(room.native, scope);
    const headers = { authorization: `Bearer ${String(granted["access_token"])}` };
    const answer = await send(room.identity.authority, "GET", encodeURI(`/v1.0/${target}`), headers);
    const body = JSON.parse(String(answer.body)) as Members;
    return (body["members"] ?? body["value"]) as readonly Members[];
  };
  // In Graph a list of members has all of them, and no more than type and id of those that the client may not read.
  const cases: readonly (readonly [scope: string, user: boolean, group: boolean, principal: boolean])[] = [
    [`${graph}/.default`, true, true, true],
    [`${graph}/Directory.Read.All`, true, true, true],
    [`${graph}/GroupMember.Read.All`, false, true, false],
    [`${graph}/GroupMember.Read.All ${graph}/User.ReadBasic.All`, true, true, false],
    [`${graph}/Group.Read.All ${graph}/Application.Read.All`, false, true, true],
  ];
  for (const [scope, ...expected] of cases) {
    test(`${scope}: ${expected.join(" ")}`, async () => {
      const { directory } = room.identity;
      const inner = await directory.addGroup({ displayName: "inner" });
      const principal = await directory.findByAppId(mixed);
      const members = [room.userId, inner.objectId, principal?.objectId ?? ""];
      const { objectId } = await directory.addGroup({ displayName: "outer", members });
      for (const path of ["members", "transitiveMembers", "?$expand=members"]) {
        const list = await listed(scope, `groups/${objectId}${path.startsWith("?") ? "" : "/"}${path}`);
        const found = members.map((id) => list.find((value) => value["id"] === id) ?? {});
        assert.deepEqual(
          found.map((value) => typeof name(value) === "string"),
          expected,
          path,
        );
        for (const [at, value] of found.entries()) {
          assert.match(String(value["@odata.type"]), /^#microsoft.graph/);
          const told = Object.values(value).filter((member) => member !== null).length;
          assert.equal(told > 2, expected[at], JSON.stringify(value));
        }
      }
      const byName = await listed(scope, `groups/${objectId}/members?$filter=displayName eq 'inner'`);
      assert.equal(byName.length, expected[1] ? 1 : 0);
      await directory.deletePrincipal(objectId);
      await directory.deletePrincipal(inner.objectId);
    });
  }

  for (const [scope, shown] of [
    ["User.Read", false],
    [`${graph}/User.Read.All`, false],
    [`User.Read ${graph}/GroupMember.Read.All`, true],
  ] as const) {
    test(`groups of the caller, ${scope}: ${shown}`, async () => {
      const { directory } = room.identity;
      const { objectId } = await directory.addGroup({
        displayName: "mine",
        members: [directory.bootstrapUserId],
      });
      const list = await listed(scope, "me/memberOf");
      const found = list.find((value) => value["id"] === objectId) ?? {};
      assert.equal(name(found), shown ? "mine" : null);
      await directory.deletePrincipal(objectId);
    });
  }
});

describe("what an administrator may do, through a client with fewer rights", () => {
  const cases: readonly (readonly [scope: string, group: number, user: number, application: number])[] = [
    [`${graph}/.default`, 201, 201, 201],
    [`${graph}/Directory.AccessAsUser.All`, 201, 201, 201],
    [`${graph}/Directory.ReadWrite.All`, 201, 201, 403],
    [`${graph}/AppRegistration.Create`, 403, 403, 201],
    [`${graph}/Group.ReadWrite.All`, 201, 403, 403],
    [`${graph}/user.readwrite.all ${graph}/User.Read`, 403, 201, 403],
    [`${graph}/Application.ReadWrite.All`, 403, 403, 201],
    [`${graph}/GroupMember.ReadWrite.All`, 403, 403, 403],
    [`${graph}/User.ReadWrite`, 403, 403, 403],
    [`${graph}/Directory.Read.All`, 403, 403, 403],
    ["User.Read", 403, 403, 403],
    ["openid profile", 403, 403, 403],
  ];
  let made = 0;
  for (const [scope, ...expected] of cases) {
    test(`${scope}: ${expected.join(" ")}`, async () => {
      const { body } = await signedIn(room.native, scope);
      const headers = {
        authorization: `Bearer ${String(body["access_token"])}`,
        "content-type": "application/json",
      };
      const post = async (path: string, value: object): Promise<number> =>
        (await send(room.identity.authority, "POST", `/v1.0/${path}`, headers, JSON.stringify(value))).status;
      const name = `n${made++}`;
      assert.deepEqual(
        [
          await post("groups", { displayName: name }),
          await post("users", {
            displayName: name,
            userPrincipalName: `${name}@${room.identity.directory.domain}`,
          }),
          await post("applications", { displayName: name }),
        ],
        expected,
      );
    });
  }

  type Deleted = readonly [group: number, user: number, application: number, member: number];
  const deletions: readonly (readonly [scope: string, ...Deleted])[] = [
    [`${graph}/.default`, 204, 204, 204, 204],
    [`${graph}/Directory.ReadWrite.All`, 403, 403, 403, 204],
    [`${graph}/Group.ReadWrite.All`, 204, 403, 403, 204],
    [`${graph}/GroupMember.ReadWrite.All`, 403, 403, 403, 204],
    [`${graph}/User.ReadWrite.All`, 403, 204, 403, 403],
    [`${graph}/Application.ReadWrite.All`, 403, 403, 204, 403],
    [`${graph}/AppRegistration.Create`, 403, 403, 403, 403],
  ];
  for (const [scope, ...expected] of deletions) {
    test(`what is deleted with ${scope}: ${expected.join(" ")}`, async () => {
      const { directory, applications, authority } = room.identity;
      const { body } = await signedIn(room.native, scope);
      const headers = { authorization: `Bearer ${String(body["access_token"])}` };
      const name = `d${made++}`;
      const group = await directory.addGroup({ displayName: name });
      const other = await directory.addGroup({ displayName: name, members: [room.userId] });
      const person = await directory.addUser({
        displayName: name,
        userPrincipalName: `${name}@${directory.domain}`,
      });
      const application = await applications.add({ displayName: name });
      const found: number[] = [];
      for (const path of [
        `groups/${group.objectId}`,
        `users/${person.objectId}`,
        `applications/${application.id}`,
        `groups/${other.objectId}/members/${room.userId}/$ref`,
      ]) {
        found.push((await send(authority, "DELETE", `/v1.0/${path}`, headers)).status);
      }
      assert.deepEqual(found, expected);
    });
  }

  for (const [scope, expected] of [
    [`${graph}/Application.ReadWrite.All`, 200],
    [`${graph}/AppRegistration.Create`, 403],
    [`${graph}/Directory.ReadWrite.All`, 403],
  ] as const) {
    test(`an application's secret is made with ${scope}: ${expected}`, async () => {
      const { body } = await signedIn(room.native, scope);
      const headers = {
        authorization: `Bearer ${String(body["access_token"])}`,
        "content-type": "application/json",
      };
      const { id } = await room.identity.applications.add({ displayName: `s${made++}` });
      const path = `/v1.0/applications/${id}/addPassword`;
      const reply = await send(room.identity.authority, "POST", path, headers, "{}");
      assert.equal(reply.status, expected);
    });
  }

  test("members need the right to members, which makes no groups", async () => {
    const { objectId } = await room.identity.directory.addGroup({ displayName: "team" });
    const path = `/v1.0/groups/${objectId}/members/$ref`;
    const reference = JSON.stringify({ "@odata.id": `${graph}/v1.0/directoryObjects/${room.userId}` });
    for (const [scope, expected] of [
      [`${graph}/User.ReadWrite.All`, 403],
      [`${graph}/GroupMember.ReadWrite.All`, 204],
    ] as const) {
      const { body } = await signedIn(room.native, scope);
      const headers = { authorization: `Bearer ${String(body["access_token"])}` };
      const reply = await send(room.identity.authority, "POST", path, headers, reference);
      assert.equal(reply.status, expected, reply.body === undefined ? "" : JSON.stringify(bodyOf(reply)));
    }
  });
});

describe("a sign-in for its own sake", () => {
  const alone = "openid profile offline_access";
  let client: string;
  before(async () => {
    const { appId } = await room.identity.applications.add({
      displayName: "Sign-in only",
      publicClient: true,
      redirectUris: [{ uri: callback, platform: "public" }],
    });
    client = appId;
  });

  test("gives an identity, again and again, and no resource", async () => {
    const first = await signedIn(client, alone);
    assert.equal(first.status, 200);
    assert.equal(claimsOf(String(first.body["id_token"]))["oid"], room.identity.directory.bootstrapUserId);
    const refresh = { grant_type: "refresh_token", client_id: client };
    const again = await token(room, {
      ...refresh,
      refresh_token: String(first.body["refresh_token"]),
      scope: alone,
    });
    assert.equal(again.status, 200);
    const more = await token(room, {
      ...refresh,
      refresh_token: String(again.body["refresh_token"]),
      scope: `${graph}/.default`,
    });
    assert.equal(more.code, 65001);
  });

  test("its code is for no resource either", async () => {
    assert.equal((await signedIn(client, alone, `${graph}/.default`)).code, 65001);
    assert.equal((await signedIn(client, alone, cosmos)).code, 65001);
    assert.equal((await signedIn(client, `${graph}/.default ${alone}`)).status, 200);
  });
});

describe("consent to one permission", () => {
  const read = `${graph}/User.Read`;
  const write = `${graph}/Group.ReadWrite.All`;
  const whole = `${graph}/.default`;
  const offline = "offline_access";
  let client: string;
  before(async () => {
    const { appId } = await room.identity.applications.add({
      displayName: "Asks for little",
      publicClient: true,
      redirectUris: [{ uri: callback, platform: "public" }],
    });
    client = appId;
  });
  /** Signs in for `scope`, and asks with the refresh token for another. */
  const then = async (scope: string, asked: string): Promise<unknown> => {
    const { body } = await signedIn(client, `${scope} ${offline}`);
    const answer = await token(room, {
      grant_type: "refresh_token",
      client_id: client,
      refresh_token: String(body["refresh_token"]),
      scope: asked,
    });
    return answer.status === 200 ? claimsOf(String(answer.body["access_token"]))["scp"] : answer.code;
  };

  test("is none to another, neither at once nor later", async () => {
    assert.equal(await then(read, read), "User.Read");
    assert.equal(await then(read, `${graph}/user.read`), "user.read");
    for (const more of [write, whole, `${read} ${write}`]) {
      assert.equal(await then(read, more), 65001, more);
      assert.equal((await signedIn(client, read, more)).code, 65001, more);
    }
  });

  test("is kept beside consent to the next", async () => {
    assert.equal(await then(write, `${read} ${write}`), "User.Read Group.ReadWrite.All");
    assert.equal(await then(read, write), "Group.ReadWrite.All");
    assert.equal(await then(read, whole), 65001);
  });

  test("becomes consent to all by a sign-in for all, and ends when it is taken back", async () => {
    assert.equal(await then(whole, `${graph}/Application.ReadWrite.All`), "Application.ReadWrite.All");
    assert.equal(await then(read, whole), "user_impersonation");
    const { consents, directory } = room.identity;
    assert.equal(await consents.revoke(client, graph, directory.bootstrapUserId), true);
    assert.equal(await then(read, write), 65001);
    await consents.grant(client, graph, "*");
    assert.equal(await then(read, write), "Group.ReadWrite.All");
  });
});

describe("developers' own tools", () => {
  const tools = {
    "the Azure CLI": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    PowerShell: "1950a258-227b-4e31-a9cf-717495945fc2",
    "Visual Studio Code": "aebc6443-996d-45c2-90f0-388ff96faa56",
  };
  const name = "tools@celestite.onmicrosoft.com";
  let toolUser: string;
  before(async () => {
    const { directory, passwords } = room.identity;
    toolUser = (await directory.addUser({ userPrincipalName: name })).objectId;
    await passwords.set(name, password);
  });
  const ask = async (client: string, scope: string, more: Record<string, string> = {}): Promise<unknown> => {
    const fields = { grant_type: "password", client_id: client, username: name, password, scope, ...more };
    const answer = await token(room, fields);
    return answer.status === 200 ? 200 : answer.code;
  };
  for (const [tool, client] of Object.entries(tools)) {
    for (const [resource, expected] of [
      ["https://management.azure.com", 200],
      ["https://cosmos.azure.com/", 200],
      ["https://localhost:8081", 200],
      ["https://graph.microsoft.com", 200],
      ["api://orders", 65001],
      ["https://example.com", 500011],
    ] as const) {
      test(`${tool} without consent to ${resource}: ${expected}`, async () =>
        assert.equal(await ask(client, `${resource}/.default`), expected));
    }

    test(`${tool} is consented to by a sign-in for an API of the tenant, and no other with it`, async () => {
      const scope = "api://orders/.default";
      const at = { client_id: client, redirect_uri: "http://localhost:40000", scope };
      const back = await signIn(room, await authorize(room, at), { username: name });
      const code = sentBack(back).get("code") ?? "";
      const redeemed = { ...at, grant_type: "authorization_code", code, code_verifier: verifier };
      assert.equal((await token(room, redeemed)).status, 200);
      assert.equal(await ask(client, scope), 200);
      const others = Object.values(tools).filter((other) => other !== client);
      for (const other of others) assert.equal(await ask(other, scope), 65001);
      await room.identity.consents.revoke(client, "api://orders", toolUser);
      assert.equal(await ask(client, scope), 65001);
    });
  }

  test("nor do the shims of a program hand out what the tool would not", async () => {
    const { consents, managed, passwords } = room.identity;
    const userStamp = await passwords.stampOf(toolUser);
    const { secret } = managed.workloads.register({ userObjectId: toolUser, userStamp });
    const shim = async (resource: string): Promise<number> =>
      (await send(managed.endpoints, "GET", `/msi/developer?resource=${resource}`, { secret })).status;
    assert.deepEqual([await shim("https://cosmos.azure.com"), await shim("api://orders")], [200, 400]);
    await consents.grant(tools["the Azure CLI"], "api://orders", toolUser);
    assert.deepEqual([await shim("api://orders"), await shim("https://example.com")], [200, 400]);
  });
});

describe("no application answers to the name of a service, whose tokens it could exchange", () => {
  for (const [uri, may] of [
    ["https://management.azure.com", false],
    ["HTTPS://Management.Azure.com/", false],
    ["https://cosmos.azure.com", false],
    ["https://shop.documents.azure.com", false],
    ["https://shop.documents.azure.com:443/", false],
    ["https://shop.sql.cosmos.azure.com", false],
    ["https://shop.sqlx.cosmos.azure.com", false],
    ["https://shop.vault.azure.net", false],
    ["https://shop.blob.core.windows.net", false],
    ["https://shop.database.windows.net", false],
    ["https://login.microsoftonline.com", false],
    ["https://localhost:8081", false],
    ["https://localhost", false],
    ["https://LOCALHOST:8072/", false],
    ["https://127.0.0.1:8081", false],
    ["https://[::1]:8081", false],
    ["https://localhost:8081/shop", true],
    ["https://localhost.shop.example", true],
    ["https://documents.azure.com.example", true],
    ["https://shop.azurewebsites.net", true],
    ["api://shop", true],
    ["https://shop.example/management.azure.com", true],
  ] as const) {
    test(`${uri}: ${may ? "may" : "may not"} be registered`, async () => {
      const adding = room.identity.applications.add({ displayName: "Named", identifierUris: [uri] });
      if (may) assert.deepEqual((await adding).identifierUris, [uri]);
      else await assert.rejects(adding, /name of a service/);
    });
  }
});

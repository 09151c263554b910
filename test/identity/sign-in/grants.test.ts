/** Device code, refresh tokens, on-behalf-of, password, user information: as they should go, and refused. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { bodyOf, claimsOf, putHost, putUserAssigned, send, tenantId } from "../fixtures.ts";
import {
  type Answer,
  cliId,
  codeFor,
  type Fields,
  formOf,
  openSignInRoom,
  password,
  redeem,
  refresh,
  type SignInRoom,
  submit,
  textOf,
  token,
  user,
} from "./fixture.ts";

const cosmos = "https://cosmos.azure.com/.default offline_access openid";
const form = { "content-type": "application/x-www-form-urlencoded" };
let room: SignInRoom;

before(async () => {
  room = await openSignInRoom();
});

function passwordGrant(fields: Fields = {}, path?: string): Promise<Answer> {
  const all = {
    grant_type: "password",
    client_id: cliId,
    username: user,
    password,
    scope: cosmos,
    ...fields,
  };
  return token(room, all, path);
}

describe("device code", () => {
  async function start(fields: Fields = {}): Promise<Record<string, string>> {
    const body = new URLSearchParams({ client_id: cliId, scope: cosmos, ...fields } as Record<
      string,
      string
    >);
    const path = `/${tenantId}/oauth2/v2.0/devicecode`;
    return bodyOf(await send(room.identity.authority, "POST", path, form, body.toString())) as Record<
      string,
      string
    >;
  }
  const poll = (code: string | undefined, fields: Fields = {}): Promise<Answer> =>
    token(room, {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      client_id: cliId,
      device_code: code,
      ...fields,
    });
  async function type(fields: Fields): Promise<Awaited<ReturnType<typeof submit>>> {
    const shown = await send(room.identity.authority, "GET", `/${tenantId}/oauth2/deviceauth`);
    const { flow, cookie } = formOf(shown);
    return submit(room, "oauth2/deviceauth", cookie, { flow, username: user, password, ...fields });
  }

  test("pending, then the user's tokens, once", async () => {
    const started = await start();
    assert.deepEqual([started["expires_in"], started["interval"]], [900, 5]);
    assert.match(started["user_code"] ?? "", /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/);
    assert.ok(started["message"]?.includes(started["verification_uri"] ?? "?"));
    const waiting = await poll(started["device_code"]);
    assert.deepEqual(
      [waiting.status, waiting.body["error"], waiting.code],
      [400, "authorization_pending", 70016],
    );
    const typed = (started["user_code"] ?? "").toLowerCase().replace(/^(....)/, "$1-");
    assert.match(textOf(await type({ otc: typed })), /You have signed in on your device/);
    const granted = await poll(started["device_code"]);
    assert.equal(claimsOf(String(granted.body["access_token"]))["oid"], room.userId);
    assert.equal(typeof granted.body["refresh_token"], "string");
    assert.equal((await poll(started["device_code"])).code, 54005);
    assert.equal((await type({ otc: started["user_code"] })).status, 400);
  });

  test("a form under no content type, as MSAL for Java sends it, and no other body", async () => {
    const body = new URLSearchParams({ client_id: cliId, scope: cosmos }).toString();
    const path = `/${tenantId}/oauth2/v2.0/devicecode`;
    const post = (headers: Readonly<Record<string, string>>, text = body) =>
      send(room.identity.authority, "POST", path, headers, text);
    assert.equal((await post({})).status, 200);
    assert.equal((await post({ "content-type": "application/json" })).status, 400);
    assert.equal((await post({}, JSON.stringify({ client_id: cliId }))).status, 400);
  });

  test("declined", async () => {
    const started = await start();
    await type({ otc: started["user_code"], decision: "cancel" });
    assert.equal((await poll(started["device_code"])).body["error"], "authorization_declined");
  });

  test("expired after 15 minutes", async () => {
    const started = await start();
    room.clock.advance(900_000);
    const late = await poll(started["device_code"]);
    assert.deepEqual([late.body["error"], late.code], ["expired_token", 70020]);
    assert.equal((await type({ otc: started["user_code"] })).status, 400);
  });

  test("another client's code, an invented one, a wrong password, a wrong code", async () => {
    const started = await start();
    const other = await poll(started["device_code"], { client_id: room.native });
    assert.equal(other.body["error"], "bad_verification_code");
    assert.equal((await poll("invented")).code, 70019);
    assert.equal((await poll(undefined)).code, 900144);
    assert.equal((await type({ otc: started["user_code"], password: "guess" })).status, 400);
    assert.equal((await type({ otc: "AAAAAAAA" })).status, 400);
    assert.equal((await poll(started["device_code"])).body["error"], "authorization_pending");
  });

  test("a confidential client, an unknown resource", async () => {
    assert.match(String((await start({ client_id: room.web.appId }))["error_description"]), /AADSTS7000218/);
    assert.match(
      String((await start({ scope: "https://example.com/.default" }))["error_description"]),
      /AADSTS500011/,
    );
  });
});

describe("refresh tokens", () => {
  async function signedIn(): Promise<unknown> {
    return (await redeem(room, await codeFor(room))).body["refresh_token"];
  }

  test("each use makes the next; another resource may be asked", async () => {
    const first = await signedIn();
    const second = await refresh(room, first);
    assert.equal(second.status, 200);
    assert.notEqual(second.body["refresh_token"], first);
    const third = await refresh(room, second.body["refresh_token"], {
      scope: "https://vault.azure.net/.default offline_access",
    });
    assert.equal(claimsOf(String(third.body["access_token"]))["aud"], "https://vault.azure.net");
  });

  test("used twice at once: the second is refused, the first goes on", async () => {
    const first = await signedIn();
    const answers = await Promise.all([refresh(room, first), refresh(room, first)]);
    assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 400]);
    const won = answers.find((answer) => answer.status === 200);
    assert.equal((await refresh(room, won?.body["refresh_token"])).status, 200);
  });

  test("used again later: refused, and the whole sign-in ends", async () => {
    const first = await signedIn();
    const second = await refresh(room, first);
    room.clock.advance(11_000);
    const reused = await refresh(room, first);
    assert.deepEqual([reused.body["error"], reused.code], ["invalid_grant", 70000]);
    assert.equal((await refresh(room, second.body["refresh_token"])).code, 50173);
  });

  test("of another client, invented, cut short, after ninety days, revoked", async () => {
    const held = await signedIn();
    const other = await refresh(room, held, { client_id: "1950a258-227b-4e31-a9cf-717495945fc2" });
    assert.equal(other.code, 70000);
    assert.equal((await refresh(room, `1.${"A".repeat(24)}.${"A".repeat(43)}`)).code, 70000);
    assert.equal((await refresh(room, String(held).slice(0, -1))).code, 70000);
    assert.equal((await refresh(room, held, { scope: "https://example.com/.default" })).code, 500011);
    const next = (await refresh(room, held)).body["refresh_token"];
    room.clock.advance(90 * 86_400_000);
    assert.equal((await refresh(room, next)).code, 700082);
    const again = await signedIn();
    await room.identity.refreshTokens.revokeUser(room.userId);
    assert.equal((await refresh(room, again)).code, 50173);
  });

  test("survive a restart, and only as digests", async () => {
    const held = await signedIn();
    const { openTestIdentity } = await import("../fixtures.ts");
    const { store, clock } = room;
    const reopened = await openTestIdentity({ store, clock });
    assert.equal((await refresh(reopened, held)).status, 200);
  });
});

describe("password", () => {
  test("granted, in both versions", async () => {
    const granted = await passwordGrant();
    assert.equal(claimsOf(String(granted.body["access_token"]))["upn"], user);
    const v1 = await passwordGrant(
      { scope: undefined, resource: "https://cosmos.azure.com" },
      "oauth2/token",
    );
    assert.equal(claimsOf(String(v1.body["access_token"]))["upn"], user);
  });

  const refused: readonly (readonly [string, Fields, number])[] = [
    ["a wrong password", { password: "guess" }, 50126],
    ["a user who is not there", { username: "nobody@celestite.onmicrosoft.com" }, 50034],
    ["a user without password", { username: "admin@celestite.onmicrosoft.com" }, 50126],
    ["no password", { password: undefined }, 900144],
    ["no user name", { username: undefined }, 900144],
    ["no scope", { scope: undefined }, 900144],
    ["an unknown resource", { scope: "https://example.com/.default" }, 500011],
  ];
  for (const [what, fields, code] of refused) {
    test(`${what}: AADSTS${code}`, async () => {
      const answer = await passwordGrant(fields);
      assert.deepEqual([answer.status, answer.code, answer.body["access_token"]], [400, code, undefined]);
    });
  }

  test("a client of the tenant needs consent; an administrator's is for all", async () => {
    const client = { client_id: room.native };
    assert.equal((await passwordGrant(client)).code, 65001);
    await room.identity.consents.grant(room.native, "https://cosmos.azure.com/", "*");
    assert.equal((await passwordGrant(client)).status, 200);
    await room.identity.consents.revoke(room.native, "https://cosmos.azure.com", "*");
    assert.equal((await passwordGrant(client)).code, 65001);
  });

  test("a client that is not public, without its secret", async () => {
    assert.equal((await passwordGrant({ client_id: room.web.appId })).code, 7000218);
  });

  test("no password of fewer than eight characters", () =>
    assert.rejects(room.identity.passwords.set(user, "short"), { name: "DirectoryError" }));
});

describe("on behalf of", () => {
  before(() => room.identity.consents.grant(cliId, "api://orders", "*"));

  async function userToken(
    scope = "api://orders/access offline_access openid",
  ): Promise<Record<string, unknown>> {
    return (await passwordGrant({ scope })).body;
  }
  const exchange = (assertion: unknown, fields: Fields = {}): Promise<Answer> =>
    token(room, {
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      client_id: room.api.appId,
      client_secret: room.api.secret,
      requested_token_use: "on_behalf_of",
      assertion: String(assertion),
      scope: "https://cosmos.azure.com/.default offline_access",
      ...fields,
    });

  test("needs consent, then speaks for the user as the API", async () => {
    const { access_token: assertion } = await userToken();
    assert.equal(claimsOf(String(assertion))["aud"], room.api.appId);
    assert.equal((await exchange(assertion)).code, 65001);
    await room.identity.consents.grant(room.api.appId, "https://cosmos.azure.com", room.userId);
    const granted = await exchange(assertion);
    const claims = claimsOf(String(granted.body["access_token"]));
    assert.deepEqual(
      [claims["oid"], claims["appid"], claims["appidacr"], claims["aud"]],
      [room.userId, room.api.appId, "1", "https://cosmos.azure.com"],
    );
  });

  test("an assertion for another API, replayed here", async () => {
    const other = (await passwordGrant()).body["access_token"];
    assert.equal((await exchange(other)).code, 500131);
    const { access_token: assertion } = await userToken();
    const replayed = await exchange(assertion, { client_id: room.web.appId, client_secret: room.web.secret });
    assert.equal(replayed.code, 500131);
  });

  test("an id token, an application's token, another's signature, an expired one, no JWT", async () => {
    const { access_token: assertion, id_token: idToken } = await userToken();
    assert.ok([500131, 7000114].includes(Number((await exchange(idToken)).code)));
    const app = await token(room, {
      grant_type: "client_credentials",
      client_id: room.web.appId,
      client_secret: room.web.secret,
      scope: "api://orders/.default",
    });
    assert.equal((await exchange(app.body["access_token"])).code, 7000114);
    const [header, payload, signature = ""] = String(assertion).split(".");
    const turned = [...signature].reverse().join("");
    assert.equal((await exchange(`${header}.${payload}.${turned}`)).code, 50013);
    assert.equal((await exchange("not.a.jwt")).code, 50013);
    room.clock.advance(2 * 3_600_000);
    assert.equal((await exchange(assertion)).code, 500133);
  });

  test("without proof of the API, without the grant's own parameter", async () => {
    const { access_token: assertion } = await userToken();
    assert.equal((await exchange(assertion, { client_secret: undefined })).code, 7000216);
    assert.equal((await exchange(assertion, { requested_token_use: undefined })).code, 900144);
  });

  test("a managed identity's own token is none of a user", async () => {
    await putUserAssigned(room, "worker");
    await putHost(room, "web", { systemAssigned: true });
    const principal = await room.identity.directory.findByDisplayName("worker");
    const issued = await room.identity.issueFor(principal[0]?.objectId ?? "", "api://orders");
    assert.equal((await exchange(issued.accessToken)).code, 7000114);
  });
});

describe("user information and realm", () => {
  const info = (bearer: unknown): ReturnType<typeof send> =>
    send(room.identity.authority, "GET", `/${tenantId}/openid/userinfo`, {
      authorization: `Bearer ${bearer}`,
    });

  test("of a token for Graph, and of no other", async () => {
    const graph = await passwordGrant({ scope: "openid profile email" });
    const known = bodyOf(await info(graph.body["access_token"]));
    assert.deepEqual([known["name"], known["email"]], ["Dev", user]);
    assert.equal((await info((await passwordGrant()).body["access_token"])).status, 401);
    assert.equal((await info("x")).status, 401);
    assert.equal((await send(room.identity.authority, "GET", `/${tenantId}/openid/userinfo`)).status, 401);
  });

  test("realm: managed for the tenant's domain, unknown for others", async () => {
    const realm = async (name: string): Promise<unknown> =>
      bodyOf(await send(room.identity.authority, "GET", `/common/userrealm/${name}?api-version=1.0`))[
        "account_type"
      ];
    assert.deepEqual([await realm(user), await realm("x@example.com")], ["Managed", "Unknown"]);
  });
});

describe("revocation and challenges", () => {
  const cp1 = JSON.stringify({ access_token: { xms_cc: { values: ["cp1"] } } });

  test("tokens issued until then are refused, later ones taken, in the same second", async () => {
    const { identity } = room;
    const before = String((await passwordGrant()).body["access_token"]);
    assert.equal((await identity.verifier(before)).ok, true);
    await identity.revocations.revoke(room.userId);
    const verdict = await identity.verifier(before);
    assert.equal(verdict.ok || verdict.fault.kind, "revoked");
    const after = String((await passwordGrant()).body["access_token"]);
    assert.equal((await identity.verifier(after)).ok, true);
    const reopened = await (await import("../fixtures.ts")).openTestIdentity(room);
    assert.equal((await reopened.identity.verifier(before)).ok, false);
    assert.equal((await reopened.identity.verifier(after)).ok, true);
  });

  test("a client that understands challenges gets long tokens that say so", async () => {
    const { body } = await passwordGrant({ claims: cp1 });
    const claims = claimsOf(String(body["access_token"]));
    assert.deepEqual(claims["xms_cc"], ["CP1"]);
    assert.ok(Number(body["expires_in"]) >= 20 * 3600 && Number(body["expires_in"]) <= 28 * 3600);
    assert.equal(claimsOf(String((await passwordGrant()).body["access_token"]))["xms_cc"], undefined);
  });

  for (const claims of ["{", "null", '"text"', "[]", '{"access_token":null}']) {
    test(`claims ${claims}`, async () => {
      const answer = await passwordGrant({ claims });
      assert.ok(answer.status === 200 || answer.code === 900141, JSON.stringify(answer.body));
    });
  }
});

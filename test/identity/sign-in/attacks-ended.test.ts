/**
 * Sign-ins that somebody has ended - by a new password, a revocation, the removal of the client or of a consent - and
 * what was still held of them: refresh tokens, codes that nobody redeemed yet, device codes that somebody approved.
 * Beside each refusal stands the same request without the ending.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bodyOf, claimsOf, openTestIdentity, send, tenantId } from "../fixtures.ts";
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
  webRedirect,
} from "./fixture.ts";

const cosmos = "https://cosmos.azure.com/.default offline_access openid";
const callback = "http://localhost/cb";
const form = { "content-type": "application/x-www-form-urlencoded" };

const passwordGrant = (room: SignInRoom, fields: Fields = {}): Promise<Answer> =>
  token(room, {
    grant_type: "password",
    client_id: cliId,
    username: user,
    password,
    scope: cosmos,
    ...fields,
  });

/** A device code that the user has approved and the device has not asked for yet. */
async function approvedDevice(room: SignInRoom, clientId: string): Promise<string> {
  const body = new URLSearchParams({ client_id: clientId, scope: cosmos }).toString();
  const path = `/${tenantId}/oauth2/v2.0/devicecode`;
  const started = bodyOf(await send(room.identity.authority, "POST", path, form, body));
  const { flow, cookie } = formOf(
    await send(room.identity.authority, "GET", `/${tenantId}/oauth2/deviceauth`),
  );
  const fields = { flow, username: user, password, otc: String(started["user_code"]) };
  assert.match(textOf(await submit(room, "oauth2/deviceauth", cookie, fields)), /You have signed in/);
  return String(started["device_code"]);
}

const poll = (room: SignInRoom, clientId: string, code: string): Promise<Answer> =>
  token(room, {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    client_id: clientId,
    device_code: code,
  });

/** Something that is held of a sign-in, as the request that makes use of it. */
type Held = (room: SignInRoom) => Promise<() => Promise<Answer>>;

const web = (room: SignInRoom): Fields => ({ client_id: room.web.appId, redirect_uri: webRedirect });
const ofBrowser: Held = async (room) => {
  const held = (await redeem(room, await codeFor(room))).body["refresh_token"];
  return () => refresh(room, held);
};
const ofPassword: Held = async (room) => {
  const held = (await passwordGrant(room)).body["refresh_token"];
  return () => refresh(room, held);
};
const ofDevice: Held = async (room) => {
  const held = (await poll(room, cliId, await approvedDevice(room, cliId))).body["refresh_token"];
  return () => refresh(room, held);
};
const ofWebClient: Held = async (room) => {
  const proof = { ...web(room), client_secret: room.web.secret };
  const held = (await redeem(room, await codeFor(room, web(room)), proof)).body["refresh_token"];
  return () => refresh(room, held, { client_id: room.web.appId, client_secret: room.web.secret });
};
const code: Held = async (room) => {
  const held = await codeFor(room);
  return () => redeem(room, held);
};
const webCode: Held = async (room) => {
  const held = await codeFor(room, web(room));
  return () => redeem(room, held, { ...web(room), client_secret: room.web.secret });
};
const device: Held = async (room) => {
  const held = await approvedDevice(room, cliId);
  return () => poll(room, cliId, held);
};

describe("what is held of a sign-in, when it is ended", () => {
  const endings: Readonly<Record<string, (room: SignInRoom) => Promise<unknown>>> = {
    "nothing happens": async () => undefined,
    "another user gets a password": async ({ identity }) => {
      const name = "other@celestite.onmicrosoft.com";
      await identity.directory.addUser({ userPrincipalName: name });
      await identity.passwords.set(name, "another password");
    },
    "a new password": ({ identity }) => identity.passwords.set(user, "another password"),
    "no password any more": ({ identity }) => identity.passwords.set(user, undefined),
    "a revocation": ({ identity, userId }) => identity.refreshTokens.revokeUser(userId),
  };
  const held: Readonly<Record<string, Held>> = {
    "a refresh token": ofBrowser,
    "one of the password grant": ofPassword,
    "one of a device": ofDevice,
    "one of a client with a proof": ofWebClient,
    "a code": code,
    "a code of such a client": webCode,
    "an approved device code": device,
  };
  // A new password does not end what a client with a proof of its own holds (documentation of refresh tokens).
  const table: readonly (readonly [ending: string, ...expected: readonly number[]])[] = [
    ["nothing happens", 200, 200, 200, 200, 200, 200, 200],
    ["another user gets a password", 200, 200, 200, 200, 200, 200, 200],
    ["a new password", 50173, 50173, 50173, 200, 50173, 50173, 50173],
    ["no password any more", 50173, 50173, 50173, 200, 50173, 50173, 50173],
    ["a revocation", 50173, 50173, 50173, 50173, 50173, 50173, 50173],
  ];
  for (const [ending, ...expected] of table) {
    test(`${ending}: ${expected.join(" ")}`, async () => {
      const room = await openSignInRoom();
      const uses = await Promise.all(Object.values(held).map((hold) => hold(room)));
      await endings[ending]?.(room);
      const came: number[] = [];
      for (const use of uses) {
        const answer = await use();
        came.push(answer.status === 200 ? 200 : Number(answer.code));
      }
      assert.deepEqual(came, expected, Object.keys(held).join(", "));
    });
  }

  test("a sign-in after it goes on as ever", async () => {
    const room = await openSignInRoom();
    await room.identity.passwords.set(user, "another password");
    await room.identity.refreshTokens.revokeUser(room.userId);
    await room.identity.passwords.set(user, password);
    const uses = await Promise.all(Object.values(held).map((hold) => hold(room)));
    for (const use of uses) assert.equal((await use()).status, 200);
  });

  test("a refresh token that is made while the sign-in is ended is one of it", async () => {
    const { identity, userId } = await openSignInRoom();
    const { refreshTokens, passwords } = identity;
    for (const proven of [true, false]) {
      const client = { clientId: cliId, proven };
      const stamp = await passwords.stampOf(userId);
      const [before, during] = [
        await refreshTokens.issue(client, userId, stamp),
        await refreshTokens.revokeUser(userId).then(() => refreshTokens.issue(client, userId, stamp)),
      ];
      const after = await refreshTokens.issue(client, userId, await passwords.stampOf(userId));
      const used = await Promise.all(
        [before, during, after].map((made) => refreshTokens.rotate(made.token, client)),
      );
      assert.deepEqual(
        used.map((rotated) => rotated.ok || rotated.reason),
        ["revoked", "revoked", true],
      );
    }
  });

  // Tokens of an hour live on; those of a day can be ended, and say so (continuous access evaluation).
  const claims = JSON.stringify({ access_token: { xms_cc: { values: ["cp1"] } } });
  for (const [ending, short, long] of [
    ["nothing happens", true, true],
    ["another user gets a password", true, true],
    ["a new password", true, false],
    ["no password any more", true, false],
    ["a revocation", true, true],
  ] as const) {
    test(`an access token ${short ? "lives on" : "ends"}, a long one ${long ? "too" : "ends"}: ${ending}`, async () => {
      const room = await openSignInRoom();
      const ask = async (fields: Fields): Promise<string> =>
        String((await passwordGrant(room, fields)).body["access_token"]);
      const [hour, day] = [await ask({}), await ask({ claims })];
      await endings[ending]?.(room);
      const isTaken = async (access: string): Promise<boolean> => (await room.identity.verifier(access)).ok;
      assert.deepEqual([await isTaken(hour), await isTaken(day)], [short, long]);
      await room.identity.passwords.set(user, password);
      assert.deepEqual([await isTaken(await ask({})), await isTaken(await ask({ claims }))], [true, true]);
      await room.identity.revocations.revoke(room.userId);
      assert.deepEqual([await isTaken(hour), await isTaken(day)], [false, false]);
      assert.deepEqual([await isTaken(await ask({})), await isTaken(await ask({ claims }))], [true, true]);
    });
  }

  test("is ended over a restart as well", async () => {
    const room = await openSignInRoom();
    const day = String((await passwordGrant(room, { claims })).body["access_token"]);
    const held = (await passwordGrant(room)).body["refresh_token"];
    await room.identity.passwords.set(user, password);
    const reopened = await openTestIdentity({ store: room.store, clock: room.clock });
    assert.equal((await reopened.identity.verifier(day)).ok, false);
    assert.equal((await refresh(reopened, held)).code, 50173);
    const fresh = (await passwordGrant(room)).body["refresh_token"];
    assert.equal((await refresh(reopened, fresh)).status, 200);
  });
});

describe("a refresh token of a client that has addresses of both kinds", () => {
  const kinds: readonly (readonly [string, Fields, withSecret: boolean, bare: number, proven: number])[] = [
    ["by its public address", { redirect_uri: callback }, false, 200, 200],
    ["by its public address, with its secret", { redirect_uri: callback }, true, 7000218, 200],
    ["by its web address", { redirect_uri: webRedirect }, true, 7000218, 200],
  ];
  for (const [what, address, withSecret, bare, proven] of kinds) {
    for (const publicClient of [false, true]) {
      test(`${what}${publicClient ? ", a public client otherwise" : ""}: ${bare} without proof`, async () => {
        const room = await openSignInRoom();
        const { applications } = room.identity;
        const { appId } = await applications.add({
          displayName: "Mixed",
          publicClient,
          redirectUris: [
            { uri: webRedirect, platform: "web" },
            { uri: callback, platform: "public" },
          ],
        });
        const { secretText } = await applications.addSecret(appId);
        const client = { client_id: appId, ...address };
        const proof = { client_secret: secretText };
        const redeemed = await redeem(room, await codeFor(room, client), {
          ...client,
          ...(withSecret ? proof : {}),
        });
        assert.equal(redeemed.status, 200);
        const first = redeemed.body["refresh_token"];
        const alone = await refresh(room, first, { client_id: appId });
        assert.equal(alone.status === 200 ? 200 : alone.code, bare);
        // What was refused has not been used up.
        const next = alone.status === 200 ? alone.body["refresh_token"] : first;
        const both = await refresh(room, next, { client_id: appId, ...proof });
        assert.equal(both.status === 200 ? 200 : both.code, proven);
        // The sign-in stays what it was, however often it is refreshed.
        const again = await refresh(room, both.body["refresh_token"], { client_id: appId });
        assert.equal(again.status === 200 ? 200 : again.code, bare);
      });
    }
  }
});

describe("a client that is registered again under its old id", () => {
  const appId = "aaaaaaaa-0000-4000-8000-00000000000a";
  const registration = {
    displayName: "Native",
    appId,
    publicClient: true,
    redirectUris: [{ uri: callback, platform: "public" }],
  } as const;
  const client = { client_id: appId, redirect_uri: callback };
  for (const [what, again, expected] of [
    ["was never gone", false, [200, 200, 200, 200]],
    ["has none of the old one's sign-ins and consents", true, [70000, 70000, 70019, 65001]],
  ] as const) {
    test(`${what}: ${expected.join(" ")}`, async () => {
      const room = await openSignInRoom();
      const { applications } = room.identity;
      await applications.add(registration);
      const redeemed = await redeem(room, await codeFor(room, client), client);
      const [held, approved] = [await codeFor(room, client), await approvedDevice(room, appId)];
      if (again) {
        await applications.delete(appId);
        await applications.add(registration);
      }
      const answers = [
        await refresh(room, redeemed.body["refresh_token"], { client_id: appId }),
        await redeem(room, held, client),
        await poll(room, appId, approved),
        await passwordGrant(room, { client_id: appId }),
      ];
      assert.deepEqual(
        answers.map((answer) => (answer.status === 200 ? 200 : answer.code)),
        expected,
      );
      assert.equal((await redeem(room, await codeFor(room, client), client)).status, 200, "it may sign in");
      assert.equal((await passwordGrant(room, { client_id: appId })).status, 200, "and is consented to then");
    });
  }

  for (const [what, gone, expected] of [
    ["an API that stays", false, 200],
    ["an API that took the name of another", true, 65001],
  ] as const) {
    test(`${what}: ${expected} for who had consent to the name`, async () => {
      const room = await openSignInRoom();
      const { applications, consents } = room.identity;
      const scope = "api://stock/access";
      const api = await applications.add({ displayName: "Stock", identifierUris: ["api://stock"] });
      await consents.grant(room.native, "api://stock", "*");
      await consents.grant(room.native, "https://cosmos.azure.com", "*");
      assert.equal((await passwordGrant(room, { client_id: room.native, scope })).status, 200);
      if (gone) {
        await applications.delete(api.appId);
        await applications.add({ displayName: "Other", identifierUris: ["api://stock"] });
      }
      const answer = await passwordGrant(room, { client_id: room.native, scope });
      assert.equal(answer.status === 200 ? 200 : answer.code, expected);
      const other = await passwordGrant(room, { client_id: room.native });
      assert.equal(claimsOf(String(other.body["access_token"]))["aud"], "https://cosmos.azure.com");
    });
  }
});

describe("a consent that is taken back before the device asks", () => {
  for (const [what, withdrawn, expected] of [
    ["kept", false, 200],
    ["taken back", true, 65001],
  ] as const) {
    test(`${what}: ${expected}`, async () => {
      const room = await openSignInRoom();
      const approved = await approvedDevice(room, room.native);
      if (withdrawn)
        await room.identity.consents.revoke(room.native, "https://cosmos.azure.com", room.userId);
      const answer = await poll(room, room.native, approved);
      assert.equal(answer.status === 200 ? 200 : answer.code, expected);
    });
  }
});

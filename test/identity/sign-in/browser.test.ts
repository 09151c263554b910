/** Signing in through a browser: the grant as it should go, and every abuse of it, which must fail. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { claimsOf, send, tenantId } from "../fixtures.ts";
import {
  authorize,
  challenge,
  cliId,
  codeFor,
  type Fields,
  formOf,
  loopback,
  openSignInRoom,
  redeem,
  refresh,
  type SignInRoom,
  sentBack,
  signIn,
  submit,
  textOf,
  token,
  user,
  verifier,
  webRedirect,
} from "./fixture.ts";

let room: SignInRoom;

before(async () => {
  room = await openSignInRoom();
});

describe("authorization code with PKCE", () => {
  test("page, sign-in, redirect, tokens of the user", async () => {
    const shown = await authorize(room, { login_hint: user });
    assert.equal(shown.status, 200);
    assert.match(textOf(shown), /Microsoft Azure CLI<\/b> asks for access to <b>https:\/\/cosmos.azure.com/);
    assert.match(textOf(shown), /value="dev@celestite\.onmicrosoft\.com"/);
    const back = await signIn(room, shown);
    assert.ok(back.headers["location"]?.startsWith(`${loopback}?code=`));
    assert.equal(sentBack(back).get("state"), "st");
    const { status, body } = await redeem(room, sentBack(back).get("code") ?? "");
    assert.equal(status, 200, JSON.stringify(body));
    const claims = claimsOf(String(body["access_token"]));
    assert.deepEqual(
      [claims["oid"], claims["appid"], claims["appidacr"], claims["scp"], claims["upn"], claims["idtyp"]],
      [room.userId, cliId, "0", "user_impersonation", user, "user"],
    );
    const id = claimsOf(String(body["id_token"]));
    assert.deepEqual(
      [id["aud"], id["nonce"], id["oid"], id["preferred_username"], id["tid"], id["ver"]],
      [cliId, "no", room.userId, user, tenantId, "2.0"],
    );
    assert.equal(id["sub"], claims["sub"]);
    assert.deepEqual(JSON.parse(Buffer.from(String(body["client_info"]), "base64url").toString()), {
      uid: room.userId,
      utid: tenantId,
    });
    assert.equal(body["foci"], "1");
    assert.match(String(body["scope"]), /cosmos\.azure\.com\/\.default openid profile offline_access/);
  });

  test("the three ways back", async () => {
    const fragment = await signIn(room, await authorize(room, { response_mode: "fragment" }));
    assert.match(fragment.headers["location"] ?? "", /^http:\/\/localhost:40000#code=[\w-]+&.*state=st$/);
    const posted = await signIn(room, await authorize(room, { response_mode: "form_post" }));
    assert.equal(posted.status, 200);
    assert.match(textOf(posted), /<form method="post" action="http:\/\/localhost:40000">/);
    assert.match(textOf(posted), /name="code" value="[\w-]+"/);
    assert.match(
      posted.headers["content-security-policy"] ?? "",
      /form-action 'self' http:\/\/localhost:40000;/,
    );
  });

  test("a confidential client redeems with its secret", async () => {
    const code = await codeFor(room, { client_id: room.web.appId, redirect_uri: webRedirect });
    const { body } = await redeem(room, code, {
      client_id: room.web.appId,
      client_secret: room.web.secret,
      redirect_uri: webRedirect,
    });
    assert.equal(claimsOf(String(body["access_token"]))["appidacr"], "1");
  });

  test("version 1 endpoints", async () => {
    const shown = await authorize(
      room,
      { scope: undefined, resource: "https://management.core.windows.net/" },
      "oauth2/authorize",
    );
    const { flow, cookie } = formOf(shown);
    const back = await submit(room, "oauth2/authorize", cookie, {
      flow,
      username: user,
      password: "correct horse",
    });
    const { body } = await token(
      room,
      {
        grant_type: "authorization_code",
        client_id: cliId,
        code: sentBack(back).get("code") ?? "",
        redirect_uri: loopback,
        code_verifier: verifier,
        resource: "https://management.core.windows.net/",
      },
      "oauth2/token",
    );
    assert.equal(claimsOf(String(body["access_token"]))["aud"], "https://management.core.windows.net/");
    assert.equal(claimsOf(String(body["id_token"]))["upn"], user);
    assert.equal(typeof body["refresh_token"], "string");
  });

  test("the common tenant will do", async () => {
    const code = await codeFor(room);
    const reply = await send(
      room.identity.authority,
      "POST",
      "/organizations/oauth2/v2.0/token",
      { "content-type": "application/x-www-form-urlencoded" },
      new URLSearchParams({
        grant_type: "authorization_code",
        client_id: cliId,
        code,
        redirect_uri: loopback,
        code_verifier: verifier,
      }).toString(),
    );
    assert.equal(reply.status, 200);
  });
});

describe("what the page does not let through", () => {
  const pages: readonly (readonly [string, Fields, number])[] = [
    ["an unknown client", { client_id: "22222222-2222-4222-8222-222222222222" }, 700016],
    ["no client", { client_id: undefined }, 900144],
    ["a redirect elsewhere", { redirect_uri: "https://evil.example.com/" }, 50011],
    ["a redirect that starts alike", { redirect_uri: "http://localhost.evil.example.com:40000" }, 50011],
    ["a user part before the host", { redirect_uri: "http://localhost@evil.example.com/" }, 50011],
    ["a password part", { redirect_uri: "http://localhost:80@evil.example.com/" }, 50011],
    ["a backslash", { redirect_uri: "http://localhost\\@evil.example.com/" }, 50011],
    ["a path that is not registered", { redirect_uri: "http://localhost:40000/elsewhere" }, 50011],
    ["a query that is not registered", { redirect_uri: "http://localhost:40000/?next=evil" }, 50011],
    ["a fragment", { redirect_uri: "http://localhost:40000/#x" }, 50011],
    ["https on the loopback address", { redirect_uri: "https://localhost:40000" }, 50011],
    ["another loopback name", { redirect_uri: "http://[::1]:40000" }, 50011],
    ["a script", { redirect_uri: "javascript:alert(1)" }, 50011],
    ["a header after a line break", { redirect_uri: "http://localhost:40000/\r\nset-cookie: a=b" }, 50011],
    ["a scheme-relative address", { redirect_uri: "//evil.example.com" }, 50011],
    ["no redirect where several are registered", { redirect_uri: undefined }, 50011],
    ["an unknown response mode", { response_mode: "web_message" }, 70007],
  ];
  for (const [what, fields, code] of pages) {
    test(`${what}: a page with AADSTS${code}, no redirect`, async () => {
      const reply = await authorize(room, fields);
      assert.equal(reply.status, 400);
      assert.equal(reply.headers["location"], undefined);
      assert.match(textOf(reply), new RegExp(`AADSTS${code}:`));
    });
  }

  const redirects: readonly (readonly [string, Fields, string, RegExp])[] = [
    ["a token in the redirect", { response_type: "token" }, "unsupported_response_type", /AADSTS700054/],
    ["no response type", { response_type: undefined }, "invalid_request", /AADSTS900144/],
    ["no challenge from a public client", { code_challenge: undefined }, "invalid_request", /AADSTS9002325/],
    ["a plain challenge", { code_challenge_method: "plain" }, "invalid_request", /AADSTS9002313/],
    ["a challenge without method", { code_challenge_method: undefined }, "invalid_request", /AADSTS9002313/],
    ["a short challenge", { code_challenge: "abc" }, "invalid_request", /AADSTS9002313/],
    ["an unknown resource", { scope: "https://example.com/.default" }, "invalid_resource", /AADSTS500011/],
    [
      "two resources",
      { scope: "https://cosmos.azure.com/.default https://vault.azure.net/.default" },
      "invalid_scope",
      /AADSTS28000/,
    ],
    ["no scope", { scope: undefined }, "invalid_request", /AADSTS900144/],
    ["silence", { prompt: "none" }, "login_required", /AADSTS50058/],
  ];
  for (const [what, fields, error, description] of redirects) {
    test(`${what}: back with ${error}`, async () => {
      const back = sentBack(await authorize(room, fields));
      assert.equal(back.get("error"), error);
      assert.match(back.get("error_description") ?? "", description);
      assert.equal(back.get("state"), "st");
      assert.equal(back.get("code"), null);
    });
  }

  test("a state with line breaks and markup stays a parameter", async () => {
    const state = 'a\r\nset-cookie: b=c"><script>';
    const query = await signIn(room, await authorize(room, { state }));
    assert.doesNotMatch(query.headers["location"] ?? "", /[\r\n<>"]/);
    assert.equal(sentBack(query).get("state"), state);
    const posted = await signIn(room, await authorize(room, { state, response_mode: "form_post" }));
    assert.doesNotMatch(textOf(posted), /"><script>/);
  });

  test("a name with markup is shown as text, and no page may be framed or run scripts", async () => {
    const reply = await authorize(room, { login_hint: '"><script>alert(1)</script>' });
    assert.doesNotMatch(textOf(reply), /<script>/);
    assert.equal(reply.headers["x-frame-options"], "DENY");
    assert.match(
      reply.headers["content-security-policy"] ?? "",
      /default-src 'none'.*frame-ancestors 'none'/,
    );
    assert.match(reply.headers["set-cookie"] ?? "", /HttpOnly; SameSite=Lax; .*Secure/);
  });
});

describe("the form", () => {
  test("without the browser's cookie, or with another's, nobody signs in", async () => {
    const [mine, other] = [await authorize(room), await authorize(room)];
    const { flow } = formOf(mine);
    for (const cookie of ["", formOf(other).cookie, "celestite-sign-in="]) {
      const fields = { flow, username: user, password: "correct horse" };
      const reply = await submit(room, "oauth2/v2.0/authorize", cookie, fields);
      assert.equal(reply.status, 400);
      assert.equal(reply.headers["location"], undefined);
    }
  });

  test("works once, and not after ten minutes", async () => {
    const shown = await authorize(room);
    assert.equal((await signIn(room, shown)).status, 302);
    assert.equal((await signIn(room, shown)).status, 400);
    const late = await authorize(room);
    room.clock.advance(601_000);
    assert.equal((await signIn(room, late)).status, 400);
  });

  test("a wrong password is told, the fifth ends the sign-in", async () => {
    const shown = await authorize(room);
    for (let attempt = 1; attempt < 5; attempt++) {
      const again = await signIn(room, shown, { password: `guess ${attempt}` });
      assert.equal(again.status, 400);
      assert.match(textOf(again), /The user name or the password is wrong/);
    }
    const ended = sentBack(await signIn(room, shown, { password: "guess 5" }));
    assert.match(ended.get("error_description") ?? "", /AADSTS50053/);
    assert.equal((await signIn(room, shown)).status, 400);
  });

  test("a user without password, an unknown user, an empty form", async () => {
    for (const fields of [
      { username: "admin@celestite.onmicrosoft.com", password: "" },
      { username: "nobody@celestite.onmicrosoft.com" },
      { username: undefined, password: undefined },
    ]) {
      assert.equal((await signIn(room, await authorize(room), fields)).status, 400);
    }
  });

  test("cancelled", async () => {
    const back = sentBack(await signIn(room, await authorize(room), { decision: "cancel" }));
    assert.equal(back.get("error"), "access_denied");
  });
});

describe("codes", () => {
  test("replayed: refused, and what came of it ends", async () => {
    const code = await codeFor(room);
    const first = await redeem(room, code);
    assert.equal(first.status, 200);
    const replayed = await redeem(room, code);
    assert.deepEqual([replayed.status, replayed.body["error"], replayed.code], [400, "invalid_grant", 54005]);
    assert.equal((await refresh(room, first.body["refresh_token"])).code, 50173);
  });

  test("used twice at once: one is refused, and what came of the other ends", async () => {
    const code = await codeFor(room);
    const answers = await Promise.all([redeem(room, code), redeem(room, code)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    const won = answers.find(({ status }) => status === 200);
    assert.equal((await refresh(room, won?.body["refresh_token"])).code, 50173);
  });

  // The resource's permissions aside, which need consent of their own.
  const resource = "https://cosmos.azure.com/.default";
  for (const [onPage, onRedemption, refreshToken, idToken] of [
    ["openid offline_access", "openid offline_access", true, true],
    ["openid offline_access", "openid", true, true],
    ["openid offline_access", "", true, false],
    ["openid", "openid offline_access", false, true],
    ["offline_access", "openid offline_access", true, false],
    ["", "openid profile offline_access", false, false],
    ["", "", false, false],
  ] as const) {
    test(`signed in for '${onPage}', redeemed for '${onRedemption}'`, async () => {
      const code = await codeFor(room, { scope: `${resource} ${onPage}` });
      const { status, body } = await redeem(room, code, { scope: `${resource} ${onRedemption}` });
      assert.equal(status, 200);
      assert.deepEqual(["refresh_token" in body, "id_token" in body], [refreshToken, idToken]);
      const told = String(body["scope"]).split(" ");
      assert.deepEqual(told.includes("openid"), idToken);
      assert.ok(refreshToken || !told.includes("offline_access"));
    });
  }

  const wrong: readonly (readonly [string, Fields, number])[] = [
    ["a wrong verifier", { code_verifier: "w".repeat(43) }, 501481],
    ["no verifier: the downgrade of PKCE", { code_verifier: undefined }, 501481],
    ["the challenge as verifier", { code_verifier: challenge }, 501481],
    ["a short verifier", { code_verifier: "v" }, 501481],
    ["another redirect address", { redirect_uri: "http://localhost:40001" }, 500112],
    ["no redirect address", { redirect_uri: undefined }, 500112],
    ["another public client", { client_id: "1950a258-227b-4e31-a9cf-717495945fc2" }, 70000],
  ];
  for (const [what, fields, code] of wrong) {
    test(`${what}: AADSTS${code}, and the code is used up`, async () => {
      const issued = await codeFor(room);
      const refused = await redeem(room, issued, fields);
      assert.deepEqual([refused.status, refused.body["error"], refused.code], [400, "invalid_grant", code]);
      assert.equal((await redeem(room, issued)).code, 54005);
    });
  }

  test("a verifier for a code that had no challenge", async () => {
    const client = { client_id: room.web.appId, redirect_uri: webRedirect };
    const code = await codeFor(room, {
      ...client,
      code_challenge: undefined,
      code_challenge_method: undefined,
    });
    const refused = await redeem(room, code, { ...client, client_secret: room.web.secret });
    assert.equal(refused.code, 501481);
  });

  test("a confidential client without its secret, with a wrong one", async () => {
    const client = { client_id: room.web.appId, redirect_uri: webRedirect };
    const code = await codeFor(room, client);
    assert.equal((await redeem(room, code, client)).code, 7000218);
    assert.equal((await redeem(room, code, { ...client, client_secret: "guess" })).code, 7000215);
    assert.equal((await redeem(room, code, { ...client, client_secret: room.web.secret })).status, 200);
  });

  test("a public client with a secret", async () => {
    assert.equal((await redeem(room, await codeFor(room), { client_secret: "s" })).code, 700025);
  });

  test("after ten minutes, invented, another resource than the one allowed", async () => {
    const late = await codeFor(room);
    room.clock.advance(600_000);
    assert.equal((await redeem(room, late)).code, 70008);
    assert.equal((await redeem(room, "invented")).code, 70000);
    const client = { client_id: room.web.appId, redirect_uri: webRedirect };
    const other = await redeem(room, await codeFor(room, client), {
      ...client,
      client_secret: room.web.secret,
      scope: "https://vault.azure.net/.default",
    });
    assert.deepEqual([other.code, other.body["suberror"]], [65001, "consent_required"]);
  });

  test("a user who is deleted between sign-in and redemption", async () => {
    const { directory, passwords } = room.identity;
    const name = "short@celestite.onmicrosoft.com";
    const { objectId } = await directory.addUser({ userPrincipalName: name });
    await passwords.set(name, "correct horse");
    const back = await signIn(room, await authorize(room), { username: name });
    await directory.deletePrincipal(objectId);
    assert.equal((await redeem(room, sentBack(back).get("code") ?? "")).code, 50034);
  });
});

describe("redirect addresses that no application may register", () => {
  for (const uri of [
    "http://example.com/",
    "https://example.com/#fragment",
    "https://*.example.com/",
    "https://user@example.com/",
    "javascript:alert(1)",
    "data:text/html,x",
    "no address",
    "https://example.com/\nset-cookie: a=b",
  ]) {
    test(JSON.stringify(uri), () =>
      assert.rejects(
        room.identity.applications.add({ displayName: "x", redirectUris: [{ uri, platform: "web" }] }),
        { name: "DirectoryError" },
      ),
    );
  }
});

describe("sign-out", () => {
  const signOut = (query: string): ReturnType<typeof send> =>
    send(room.identity.authority, "GET", `/${tenantId}/oauth2/v2.0/logout?${query}`);

  test("goes back to an address that the client registered", async () => {
    const target = encodeURIComponent(webRedirect);
    const reply = await signOut(`client_id=${room.web.appId}&post_logout_redirect_uri=${target}&state=a`);
    assert.deepEqual([reply.status, reply.headers["location"]], [302, `${webRedirect}?state=a`]);
  });

  for (const query of [
    "",
    "post_logout_redirect_uri=https%3A%2F%2Fevil.example.com",
    "client_id=04b07795-8ddb-461a-bbee-02f9e1bf7b46&post_logout_redirect_uri=https%3A%2F%2Fevil.example.com",
    "post_logout_redirect_uri=https%3A%2F%2Fshop.example.com%2Fsigned-in",
  ]) {
    test(`stays here: ${query || "no parameters"}`, async () => {
      const reply = await signOut(query);
      assert.deepEqual([reply.status, reply.headers["location"]], [200, undefined]);
    });
  }
});

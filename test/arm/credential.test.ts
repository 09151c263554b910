import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { group, openArmFixture, outcome, subscription, tenantId } from "./fixture.ts";

const fixture = await openArmFixture();

describe("a request without a usable token is 401", () => {
  const forged = async (): Promise<string> => {
    const [head, , signature] = (await fixture.token(fixture.owner)).split(".");
    const claims = {
      aud: "https://management.azure.com",
      oid: fixture.owner,
      tid: tenantId,
      exp: 9e9,
      nbf: 0,
      iat: 0,
    };
    return `Bearer ${head}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
  };
  const cases: readonly (readonly [string, () => Promise<string | undefined>, string])[] = [
    ["none", async () => undefined, "AuthenticationFailed"],
    ["an empty header", async () => "", "AuthenticationFailed"],
    ["another scheme", async () => "Basic YTpi", "AuthenticationFailedInvalidHeader"],
    ["no token after the scheme", async () => "Bearer ", "AuthenticationFailedInvalidHeader"],
    ["garbage", async () => "Bearer garbage", "InvalidAuthenticationToken"],
    ["changed claims under an old signature", forged, "InvalidAuthenticationToken"],
    [
      "a token for Cosmos DB",
      async () => `Bearer ${await fixture.token(fixture.owner, "https://cosmos.azure.com")}`,
      "InvalidAuthenticationTokenAudience",
    ],
    [
      "a token for another port of this host",
      async () => `Bearer ${await fixture.token(fixture.owner, "https://localhost:8081")}`,
      "InvalidAuthenticationTokenAudience",
    ],
    [
      "a token for a longer host name",
      async () => `Bearer ${await fixture.token(fixture.owner, "https://management.azure.com.evil.example")}`,
      "InvalidAuthenticationTokenAudience",
    ],
  ];
  for (const [what, header, code] of cases) {
    test(what, async () => {
      const authorization = await header();
      const headers = authorization === undefined ? {} : { authorization };
      for (const target of [subscription, "/nonsense", `${group}/providers/No.Such/t/n`]) {
        const answer = await fixture.send("GET", target, { as: null, headers });
        assert.equal(outcome(answer), `401 ${code}`);
        const challenge = answer.headers["www-authenticate"] ?? "";
        const authority = `Bearer authorization_uri="https://localhost:8400/${tenantId}", error="invalid_token", `;
        assert.ok(challenge.startsWith(authority), challenge);
      }
    });
  }
});

for (const audience of ["https://acct.documents.azure.com", "https://localhost:8444", "https://localhost"]) {
  test(`the audience ${audience} is not made ours by a host header that names it`, async () => {
    const authorization = `Bearer ${await fixture.token(fixture.owner, audience)}`;
    const reply = await fixture.arm.service({
      method: "GET",
      target: `${subscription}?api-version=2022-12-01`,
      headers: { authorization },
      body: new Uint8Array(),
      origin: audience,
      remoteAddress: "127.0.0.1",
    });
    assert.equal(reply.status, 401);
  });
}

describe("the audiences of the control plane are accepted", () => {
  const audiences = [
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://management.core.windows.net",
    "https://management.core.windows.net/",
    "https://localhost:8443",
    "https://localhost:8443/",
  ];
  for (const audience of audiences) {
    test(audience, async () => {
      const authorization = `Bearer ${await fixture.token(fixture.owner, audience)}`;
      const answer = await fixture.send("GET", subscription, { as: null, headers: { authorization } });
      assert.equal(answer.status, 200);
    });
  }
});

test("a token ends with its hour", async () => {
  const { send, token, clock, owner } = await openArmFixture();
  const authorization = `Bearer ${await token(owner)}`;
  assert.equal((await send("GET", subscription, { as: null, headers: { authorization } })).status, 200);
  clock.advance(48 * 3600 * 1000);
  const late = await send("GET", subscription, { as: null, headers: { authorization } });
  assert.equal(outcome(late), "401 ExpiredAuthenticationToken");
});

test("a principal that was deleted holds nothing, though its token is good", async () => {
  const { send, user, token, identity } = await openArmFixture();
  const reader = await user("reader", "Reader");
  const authorization = `Bearer ${await token(reader)}`;
  const url = `${subscription}/resourceGroups`;
  assert.equal((await send("GET", url, { as: null, headers: { authorization } })).status, 200);
  await identity.directory.deletePrincipal(reader);
  const after = await send("GET", url, { as: null, headers: { authorization } });
  assert.equal(outcome(after), "403 AuthorizationFailed");
});

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Reply } from "../../../src/http/service.ts";
import type { Application } from "../../../src/identity/applications.ts";
import type { TestIdentity } from "../fixtures.ts";
import {
  bodyOf,
  claimsOf,
  domain,
  openTestIdentity,
  putHost,
  putUserAssigned,
  send,
  tenantId,
} from "../fixtures.ts";

const arm = "https://management.azure.com";
const v2 = `/${tenantId}/oauth2/v2.0/token`;
const v1 = `/${tenantId}/oauth2/token`;

let room: TestIdentity;
let app: Application;
let secret: string;
let expired: string;
let otherSecret: string;
let identityClientId: string;
let systemClientId: string;

before(async () => {
  room = await openTestIdentity();
  const { applications } = room.identity;
  app = await applications.add({ displayName: "app" });
  secret = (await applications.addSecret(app.appId)).secretText;
  expired = (await applications.addSecret(app.appId, { lifetimeSeconds: -1 })).secretText;
  const other = await applications.add({ displayName: "other" });
  otherSecret = (await applications.addSecret(other.appId)).secretText;
  identityClientId = (await putUserAssigned(room, "orders")).clientId;
  systemClientId = (await putHost(room, "web", { systemAssigned: true })).systemAssigned?.clientId ?? "";
});

type Fields = Readonly<Record<string, string>>;

const post = (target: string, fields: Fields, headers: Fields = {}): Promise<Reply> =>
  send(
    room.identity.authority,
    "POST",
    target,
    { "content-type": "application/x-www-form-urlencoded; charset=utf-8", ...headers },
    new URLSearchParams(fields).toString(),
  );
const good = (changes: Fields = {}): Fields => ({
  grant_type: "client_credentials",
  client_id: app.appId,
  client_secret: secret,
  scope: `${arm}/.default`,
  ...changes,
});
const without = (...names: readonly string[]): Fields =>
  Object.fromEntries(Object.entries(good()).filter(([name]) => !names.includes(name)));
const basic = (id: string, password: string): Fields => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(password)}`).toString("base64")}`,
});

describe("client credentials with a secret", () => {
  test("version 2 answers with numbers", async () => {
    const reply = await post(v2, good());
    assert.equal(reply.status, 200);
    const { access_token, ...rest } = bodyOf(reply);
    assert.deepEqual(rest, { token_type: "Bearer", expires_in: 3599, ext_expires_in: 3599 });
    const claims = claimsOf(String(access_token));
    assert.equal(claims["oid"], app.servicePrincipal.objectId);
    assert.equal(claims["aud"], arm);
    assert.equal(claims["appidacr"], "1");
    assert.equal((await room.identity.verifier(String(access_token))).ok, true);
  });

  test("version 1 asks by resource and answers with strings", async () => {
    const reply = await post(v1, { ...without("scope"), resource: `${arm}/` });
    assert.equal(reply.status, 200);
    const { access_token, ...rest } = bodyOf(reply);
    assert.deepEqual(rest, {
      token_type: "Bearer",
      expires_in: "3599",
      ext_expires_in: "3599",
      expires_on: String(Date.UTC(2026, 0, 2) / 1000 + 3599),
      not_before: String(Date.UTC(2026, 0, 2) / 1000 - 300),
      resource: `${arm}/`,
    });
    assert.equal(claimsOf(String(access_token))["aud"], `${arm}/`);
  });

  const grants: readonly [string, () => Promise<Reply>][] = [
    ["HTTP Basic", () => post(v2, without("client_id", "client_secret"), basic(app.appId, secret))],
    [
      "HTTP Basic with the same client_id in the form",
      () => post(v2, without("client_secret"), basic(app.appId, secret)),
    ],
    ["the app id in capitals", () => post(v2, good({ client_id: app.appId.toUpperCase() }))],
    ["the tenant's domain", () => post(`/${domain}/oauth2/v2.0/token`, good())],
    ["doubled slashes and a trailing one", () => post(`//${tenantId}//oauth2/v2.0/token/`, good())],
    ["a query on the POST", () => post(`${v2}?client-request-id=${tenantId}`, good())],
    ["telemetry parameters", () => post(v2, good({ "x-client-sku": "x", claims: "{}", client_info: "1" }))],
    ["white space around the scope", () => post(v2, good({ scope: ` ${arm}/.default ` }))],
  ];
  for (const [what, request] of grants) {
    test(`${what} works`, async () => assert.equal((await request()).status, 200));
  }

  const denials: readonly [string, () => Promise<Reply>, number, string, number][] = [
    ["a wrong secret", () => post(v2, good({ client_secret: "wrong" })), 401, "invalid_client", 7000215],
    [
      "the secret in another case",
      () => post(v2, good({ client_secret: secret.toLowerCase() })),
      401,
      "invalid_client",
      7000215,
    ],
    ["an empty secret", () => post(v2, good({ client_secret: "" })), 401, "invalid_client", 7000215],
    [
      "another application's secret",
      () => post(v2, good({ client_secret: otherSecret })),
      401,
      "invalid_client",
      7000215,
    ],
    ["an expired secret", () => post(v2, good({ client_secret: expired })), 401, "invalid_client", 7000222],
    [
      "an unknown application",
      () => post(v2, good({ client_id: tenantId })),
      400,
      "unauthorized_client",
      700016,
    ],
    [
      "a client id that is no GUID",
      () => post(v2, good({ client_id: "app" })),
      400,
      "unauthorized_client",
      700016,
    ],
    [
      "the object id instead of the app id",
      () => post(v2, good({ client_id: app.id })),
      400,
      "unauthorized_client",
      700016,
    ],
    [
      "a user-assigned identity with any secret",
      () => post(v2, good({ client_id: identityClientId })),
      401,
      "invalid_client",
      7000215,
    ],
    [
      "a system-assigned identity",
      () => post(v2, good({ client_id: systemClientId })),
      400,
      "unauthorized_client",
      700016,
    ],
    ["no secret", () => post(v2, without("client_secret")), 401, "invalid_client", 7000216],
    ["no client id", () => post(v2, without("client_id")), 400, "invalid_request", 900144],
    ["no scope", () => post(v2, without("scope")), 400, "invalid_request", 900144],
    [
      "a resource instead of a scope",
      () => post(v2, { ...without("scope"), resource: arm }),
      400,
      "invalid_request",
      900144,
    ],
    ["a scope instead of a resource", () => post(v1, good()), 400, "invalid_request", 900144],
    [
      "a scope without .default",
      () => post(v2, good({ scope: `${arm}/user_impersonation` })),
      400,
      "invalid_scope",
      1002012,
    ],
    [
      "two scopes",
      () => post(v2, good({ scope: `${arm}/.default https://vault.azure.net/.default` })),
      400,
      "invalid_scope",
      70011,
    ],
    [
      "an unknown resource",
      () => post(v2, good({ scope: "https://example.com/.default" })),
      400,
      "invalid_resource",
      500011,
    ],
    [
      "an unknown resource in version 1",
      () => post(v1, { ...without("scope"), resource: "x" }),
      400,
      "invalid_resource",
      500011,
    ],
    [
      "Basic and a secret in the form",
      () => post(v2, good(), basic(app.appId, secret)),
      400,
      "invalid_request",
      90013,
    ],
    [
      "Basic for one client, the form for another",
      () => post(v2, { ...without("client_secret"), client_id: tenantId }, basic(app.appId, secret)),
      400,
      "invalid_request",
      90013,
    ],
    [
      "Basic that is no base64",
      () => post(v2, without("client_secret"), { authorization: "Basic %" }),
      400,
      "invalid_request",
      90013,
    ],
    [
      "Basic without a colon",
      () =>
        post(v2, without("client_secret"), { authorization: `Basic ${Buffer.from("x").toString("base64")}` }),
      400,
      "invalid_request",
      90013,
    ],
    [
      "a bearer token as authorization",
      () => post(v2, without("client_secret"), { authorization: "Bearer x" }),
      400,
      "invalid_request",
      90013,
    ],
    [
      "a secret and an assertion",
      () => post(v2, good({ client_assertion: "a.b.c" })),
      400,
      "invalid_request",
      90013,
    ],
  ];
  for (const [what, request, status, error, code] of denials) {
    test(`${what}: ${status} ${error} AADSTS${code}`, async () => {
      const reply = await request();
      const body = bodyOf(reply);
      assert.deepEqual([reply.status, body["error"], body["error_codes"]], [status, error, [code]]);
      assert.equal("access_token" in body, false);
    });
  }

  test("the reserved scopes that one library sends along mean nothing", async () => {
    const scope = "https://cosmos.azure.com/.default openid offline_access profile";
    assert.equal((await post(v2, good({ scope }))).status, 200);
    const only = await post(v2, good({ scope: "openid profile" }));
    assert.deepEqual(bodyOf(only)["error_codes"], [900144]);
  });

  test("no answer repeats the secret", async () => {
    const reply = await post(v2, good({ client_secret: "hunter2-wrong" }));
    assert.doesNotMatch(String(reply.body), /hunter2/);
  });

  test("a removed secret, and a deleted application, end at once", async () => {
    const { applications, directory } = room.identity;
    const mortal = await applications.add({ displayName: "mortal" });
    const first = await applications.addSecret(mortal.appId);
    const second = await applications.addSecret(mortal.appId);
    const code = async (text: string): Promise<unknown> =>
      bodyOf(await post(v2, good({ client_id: mortal.appId, client_secret: text })))["error_codes"];
    assert.equal(await code(first.secretText), undefined);
    assert.equal(await applications.removeCredential(mortal.appId, first.keyId), true);
    assert.equal(await applications.removeCredential(mortal.appId, first.keyId), false);
    assert.deepEqual(await code(first.secretText), [7000215]);
    assert.equal(await code(second.secretText), undefined);
    assert.equal(await applications.delete(mortal.appId), true);
    assert.equal(await applications.delete(mortal.appId), false);
    assert.deepEqual(await code(second.secretText), [700016]);
    assert.equal(await directory.find(mortal.servicePrincipal.objectId), undefined);
    assert.deepEqual(await directory.findByDisplayName("mortal"), []);
  });

  test("a secret looks like the platform's, and never like an option of a command line", async () => {
    const { applications } = room.identity;
    const { appId } = await applications.add({ displayName: "many secrets" });
    const seen = new Set<string>();
    for (let i = 0; i < 100; i++) seen.add((await applications.addSecret(appId)).secretText);
    assert.equal(seen.size, 100);
    for (const secretText of seen) assert.match(secretText, /^[A-Za-z0-9]{3}8Q~[\w-]{40}$/);
  });

  test("a secret runs out with the clock", async () => {
    const own = await openTestIdentity();
    const { applications, authority } = own.identity;
    const { appId } = await applications.add({ displayName: "app" });
    const { secretText } = await applications.addSecret(appId, { lifetimeSeconds: 60 });
    const body = new URLSearchParams(
      good({ client_id: appId, client_secret: secretText }) as Record<string, string>,
    ).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    own.clock.advance(59_999);
    assert.equal((await send(authority, "POST", v2, headers, body)).status, 200);
    own.clock.advance(1);
    assert.deepEqual(bodyOf(await send(authority, "POST", v2, headers, body))["error_codes"], [7000222]);
  });
});

describe("applications", () => {
  test("an app id and identifier URIs are unique", async () => {
    const { applications } = room.identity;
    const wanted = { displayName: "a", identifierUris: ["api://unique"] };
    const made = await applications.add(wanted);
    await assert.rejects(applications.add(wanted), /identifier URI/);
    await assert.rejects(applications.add({ displayName: "b", appId: made.appId.toUpperCase() }), /exists/);
    await assert.rejects(applications.add({ displayName: "b", appId: "b" }), /GUID/);
    await assert.rejects(applications.add({ displayName: "b", identifierUris: ["b"] }), /URI/);
    await assert.rejects(applications.addSecret(tenantId), /no application/);
    assert.deepEqual(await applications.find(made.appId), made);
    assert.equal(await applications.find(identityClientId), undefined);
    await applications.delete(made.appId);
    await applications.add(wanted);
  });

  test("the store holds no secret", async () => {
    const entries = await room.store.range({ start: Uint8Array.of(0), end: Uint8Array.of(0xff) }, 1000);
    const everything = entries.map((entry) => Buffer.from(entry.value).toString()).join("\n");
    assert.match(everything, /"hash"/);
    assert.equal(everything.includes(secret), false);
  });
});

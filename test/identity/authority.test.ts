import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { before, describe, test } from "node:test";
import type { Reply } from "../../src/http/service.ts";
import { operations } from "../../src/identity/operations.ts";
import type { TestIdentity } from "./fixtures.ts";
import { bodyOf, domain, openTestIdentity, send, tenantId } from "./fixtures.ts";

const origin = "https://login.microsoftonline.com";
const correlation = "12345678-1234-4234-8234-123456789abc";
const form = { "content-type": "application/x-www-form-urlencoded" };

let room: TestIdentity;
before(async () => {
  room = await openTestIdentity({ authorityHosts: ["auth.internal:8443"] });
});

const get = (target: string, headers: Record<string, string> = {}): Promise<Reply> =>
  send(room.identity.authority, "GET", target, headers);
const post = (target: string, body: string, headers: Record<string, string> = form): Promise<Reply> =>
  send(room.identity.authority, "POST", target, headers, body);

describe("OpenID configuration", () => {
  const v2 = (tenant: string, issuerTenant: string): Record<string, string> => ({
    issuer: `${origin}/${issuerTenant}/v2.0`,
    token_endpoint: `${origin}/${tenant}/oauth2/v2.0/token`,
    authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/authorize`,
    device_authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/devicecode`,
    jwks_uri: `${origin}/${tenant}/discovery/v2.0/keys`,
  });
  const v1 = (tenant: string, issuerTenant: string): Record<string, string> => ({
    issuer: `https://sts.windows.net/${issuerTenant}/`,
    token_endpoint: `${origin}/${tenant}/oauth2/token`,
    jwks_uri: `${origin}/${tenant}/discovery/keys`,
  });
  const cases: readonly [target: string, expected: Record<string, string>][] = [
    [`/${tenantId}/v2.0/.well-known/openid-configuration`, v2(tenantId, tenantId)],
    [`/${tenantId.toUpperCase()}/V2.0/.well-known/openid-configuration`, v2(tenantId, tenantId)],
    [`/${domain}/v2.0/.well-known/openid-configuration`, v2(tenantId, tenantId)],
    ["/common/v2.0/.well-known/openid-configuration", v2("common", "{tenantid}")],
    ["/organizations/v2.0/.well-known/openid-configuration", v2("organizations", "{tenantid}")],
    [`/${tenantId}/.well-known/openid-configuration`, v1(tenantId, tenantId)],
    ["/common/.well-known/openid-configuration", v1("common", "{tenantid}")],
    [
      "/adfs/.well-known/openid-configuration",
      { issuer: `${origin}/adfs`, token_endpoint: `${origin}/${tenantId}/oauth2/v2.0/token` },
    ],
    [`//${tenantId}//v2.0/.well-known/openid-configuration/`, v2(tenantId, tenantId)],
    [`/${tenantId}/v2.0/.well-known/openid-configuration?appid=x`, v2(tenantId, tenantId)],
  ];
  for (const [target, expected] of cases) {
    test(target, async () => {
      const reply = await get(target);
      assert.equal(reply.status, 200);
      const body = bodyOf(reply);
      for (const [name, value] of Object.entries(expected)) assert.equal(body[name], value, name);
    });
  }

  test("follows the address the caller used", async () => {
    const reply = await room.identity.authority({
      method: "GET",
      target: `/${tenantId}/v2.0/.well-known/openid-configuration`,
      headers: {},
      body: new Uint8Array(),
      origin: "https://localhost:9443",
      remoteAddress: "127.0.0.1",
    });
    const text = String(reply.body);
    assert.match(text, /https:\/\/localhost:9443\//);
    assert.doesNotMatch(text, /login\.microsoftonline\.com/);
  });

  for (const tenant of ["consumers", "contoso.com", "99999999-2222-4333-8444-555555555555"]) {
    test(`tenant ${tenant} is AADSTS90002`, async () => {
      const reply = await get(`/${tenant}/v2.0/.well-known/openid-configuration`);
      assert.equal(reply.status, 400);
      assert.deepEqual(bodyOf(reply)["error_codes"], [90002]);
    });
  }
});

describe("key set", () => {
  for (const [target, issuer] of [
    [`/${tenantId}/discovery/v2.0/keys`, `${origin}/${tenantId}/v2.0`],
    ["/common/discovery/v2.0/keys", `${origin}/${tenantId}/v2.0`],
    [`/${tenantId}/discovery/keys`, undefined],
    ["/common/discovery/keys", undefined],
  ] as const) {
    test(target, async () => {
      const { keys } = bodyOf(await get(target)) as { keys: Record<string, string>[] };
      const [key] = keys;
      assert.equal(keys.length, 1);
      assert.equal(key?.["issuer"], issuer);
      const { accessToken } = await room.identity.issueFor(
        room.identity.directory.bootstrapUserId,
        "https://cosmos.azure.com",
      );
      const [head = "", payload = "", signature = ""] = accessToken.split(".");
      const publicKey = createPublicKey({ key: { ...key }, format: "jwk" });
      const input = Buffer.from(`${head}.${payload}`);
      assert.ok(verify("RSA-SHA256", input, publicKey, Buffer.from(signature, "base64url")));
    });
  }
});

describe("instance discovery", () => {
  const ask = (endpoint: string): Promise<Reply> =>
    get(`/common/discovery/instance?api-version=1.1&authorization_endpoint=${encodeURIComponent(endpoint)}`);

  const accepted: readonly [endpoint: string, document: string][] = [
    [
      `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/authorize`,
      `https://login.microsoftonline.com/${tenantId}/v2.0/.well-known/openid-configuration`,
    ],
    [
      "https://login.windows.net/common/oauth2/authorize",
      "https://login.windows.net/common/.well-known/openid-configuration",
    ],
    [
      `https://localhost:9443/${tenantId}/oauth2/v2.0/authorize`,
      `https://localhost:9443/${tenantId}/v2.0/.well-known/openid-configuration`,
    ],
    [
      "https://127.0.0.1/t/oauth2/v2.0/authorize",
      "https://127.0.0.1/t/v2.0/.well-known/openid-configuration",
    ],
    [
      "https://auth.internal:8443/t/oauth2/v2.0/authorize",
      "https://auth.internal:8443/t/v2.0/.well-known/openid-configuration",
    ],
  ];
  for (const [endpoint, document] of accepted) {
    test(`${endpoint} is known`, async () => {
      const reply = await ask(endpoint);
      assert.equal(reply.status, 200);
      const body = bodyOf(reply);
      assert.equal(body["tenant_discovery_endpoint"], document);
      const metadata = body["metadata"] as { aliases: string[] }[];
      assert.ok(metadata.some((entry) => entry.aliases.includes(new URL(endpoint).host)));
      assert.ok(metadata.some((entry) => entry.aliases.includes("login.microsoftonline.com")));
    });
  }

  for (const endpoint of [
    "https://evil.example.com/common/oauth2/v2.0/authorize",
    "https://login.microsoftonline.com.example.com/common/oauth2/v2.0/authorize",
    "https://auth.internal/common/oauth2/v2.0/authorize",
    "http://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    "https://login.microsoftonline.com/",
    "nonsense",
    "",
  ]) {
    test(`"${endpoint}" is AADSTS50049`, async () => {
      const reply = await ask(endpoint);
      assert.equal(reply.status, 400);
      assert.equal(bodyOf(reply)["error"], "invalid_instance");
      assert.deepEqual(bodyOf(reply)["error_codes"], [50049]);
    });
  }

  test("without an endpoint", async () => {
    assert.deepEqual(
      bodyOf(await get("/common/discovery/instance?api-version=1.1"))["error_codes"],
      [900144],
    );
  });
});

describe("errors", () => {
  test("have the whole body, and echo the caller's request id", async () => {
    const reply = await post(`/${tenantId}/oauth2/v2.0/token`, "", {
      ...form,
      "client-request-id": correlation,
    });
    const body = bodyOf(reply);
    assert.deepEqual(Object.keys(body), [
      "error",
      "error_description",
      "error_codes",
      "timestamp",
      "trace_id",
      "correlation_id",
      "error_uri",
    ]);
    assert.equal(body["timestamp"], "2026-01-02 00:00:00Z");
    assert.equal(body["correlation_id"], correlation);
    assert.equal(body["error_uri"], `${origin}/error?code=900144`);
    assert.equal(
      body["error_description"],
      `AADSTS900144: The request body must contain the following parameter: 'grant_type'. Trace ID: ${body["trace_id"]} Correlation ID: ${correlation} Timestamp: 2026-01-02 00:00:00Z`,
    );
    assert.equal(reply.headers["x-ms-request-id"], body["trace_id"]);
    assert.equal(reply.headers["client-request-id"], correlation);
    assert.match(reply.headers["cache-control"] ?? "", /no-store/);
  });

  test("take the request id from the query too, and never one that is no GUID", async () => {
    const byQuery = await post(`/${tenantId}/oauth2/token?client-request-id=${correlation}`, "");
    assert.equal(bodyOf(byQuery)["correlation_id"], correlation);
    const bad = await post(`/${tenantId}/oauth2/token`, "", { ...form, "client-request-id": "x\r\ny" });
    assert.match(String(bodyOf(bad)["correlation_id"]), /^[0-9a-f-]{36}$/);
    assert.doesNotMatch(bad.headers["client-request-id"] ?? "", /x/);
  });

  const grant = (type: string): string => `grant_type=${encodeURIComponent(type)}&client_id=${tenantId}`;
  const requests: readonly [what: string, send: () => Promise<Reply>, status: number, code: number][] = [
    [
      "no form",
      () => post(`/${tenantId}/oauth2/v2.0/token`, "{}", { "content-type": "application/json" }),
      400,
      900144,
    ],
    [
      "no content type",
      () => post(`/${tenantId}/oauth2/v2.0/token`, grant("client_credentials"), {}),
      400,
      900144,
    ],
    [
      "a duplicate parameter",
      () => post(`/${tenantId}/oauth2/v2.0/token`, "grant_type=a&grant_type=a"),
      400,
      9000411,
    ],
    [
      "a duplicate in another case",
      () => post(`/${tenantId}/oauth2/v2.0/token`, "scope=a&SCOPE=b"),
      400,
      9000411,
    ],
    ["a duplicate in the query", () => post(`/${tenantId}/oauth2/v2.0/token?a=1&a=2`, ""), 400, 9000411],
    ["a broken escape", () => post(`/${tenantId}/oauth2/v2.0/token`, "grant_type=%zz"), 400, 90013],
    ["invalid UTF-8", () => post(`/${tenantId}/oauth2/v2.0/token`, "grant_type=%ff"), 400, 90013],
    ["a body of 70 kB", () => post(`/${tenantId}/oauth2/v2.0/token`, "a=".padEnd(70_000, "x")), 400, 90013],
    ["101 parameters", () => post(`/${tenantId}/oauth2/v2.0/token`, "a=1&".repeat(101)), 400, 90013],
    ["a broken path", () => get("/%zz/oauth2/token"), 400, 90013],
    ["a path that climbs", () => get(`/${tenantId}/../x`), 400, 90013],
    ["an unknown grant", () => post(`/${tenantId}/oauth2/v2.0/token`, grant("magic")), 400, 70003],
    [
      "a grant named like a built-in",
      () => post(`/${tenantId}/oauth2/v2.0/token`, grant("constructor")),
      400,
      70003,
    ],
    ["the password grant", () => post(`/${tenantId}/oauth2/v2.0/token`, grant("password")), 400, 700016],
    ["the refresh grant", () => post(`/${tenantId}/oauth2/v2.0/token`, grant("refresh_token")), 400, 700016],
    [
      "the device grant",
      () => post(`/${tenantId}/oauth2/v2.0/token`, grant("urn:ietf:params:oauth:grant-type:device_code")),
      400,
      700016,
    ],
    [
      "client credentials at common",
      () => post("/common/oauth2/v2.0/token", grant("client_credentials")),
      400,
      50059,
    ],
    ["client credentials at adfs", () => post("/adfs/oauth2/token", grant("client_credentials")), 400, 50059],
    [
      "an unknown tenant",
      () => post("/contoso.com/oauth2/v2.0/token", grant("client_credentials")),
      400,
      90002,
    ],
    ["GET of the token endpoint", () => get(`/${tenantId}/oauth2/v2.0/token`), 405, 900561],
    [
      "DELETE of the key set",
      () => send(room.identity.authority, "DELETE", `/${tenantId}/discovery/keys`),
      405,
      900561,
    ],
  ];
  for (const [what, request, status, code] of requests) {
    test(`${what}: ${status}, AADSTS${code}`, async () => {
      const reply = await request();
      assert.equal(reply.status, status);
      assert.deepEqual(bodyOf(reply)["error_codes"], [code]);
    });
  }

  for (const target of ["/", "/nothing", `/${tenantId}`, `/${tenantId}/oauth2/v2.0/token/more`]) {
    test(`${target} is not found`, async () => {
      const reply = await get(target);
      assert.equal(reply.status, 404);
      assert.equal(bodyOf(reply)["error"], "not_found");
    });
  }
});

describe("the table", () => {
  for (const operation of operations.filter((row) => row.handler === undefined)) {
    test(`${operation.method} ${operation.path} says that it is not implemented`, async () => {
      const target = `/${operation.path.replace("{tenant}", tenantId).replace("{user}", "ana")}`;
      const reply = await send(room.identity.authority, operation.method, target, form, "client_id=x");
      assert.equal(reply.status, 501);
      assert.equal(bodyOf(reply)["error"], "not_implemented");
    });
  }

  test("is sorted by path within its two groups", () => {
    const literal = operations.map((row) => row.path).filter((path) => !path.startsWith("{"));
    const placed = operations.map((row) => row.path).filter((path) => path.startsWith("{"));
    assert.deepEqual(literal, [...literal].sort());
    assert.deepEqual(placed, [...placed].sort());
    assert.equal(literal.length + placed.length, operations.length);
  });
});

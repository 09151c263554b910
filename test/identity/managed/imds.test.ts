import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Reply } from "../../../src/http/service.ts";
import type { ManagedIdentityRecord } from "../../../src/identity/control.ts";
import type { ImdsOptions } from "../../../src/identity/managed/imds.ts";
import type { TestIdentity } from "../fixtures.ts";
import {
  bodyOf,
  claimsOf,
  hostId,
  openTestIdentity,
  putHost,
  putUserAssigned,
  send,
  startOfTime,
  userAssignedId,
} from "../fixtures.ts";

const now = startOfTime / 1000;
const path = "/metadata/identity/oauth2/token";
const base = "api-version=2018-02-01&resource=https://cosmos.azure.com";
const metadata = { metadata: "true", host: "169.254.169.254" };

let room: TestIdentity;
let system: ManagedIdentityRecord;
let orders: ManagedIdentityRecord;
let billing: ManagedIdentityRecord;
/** Workloads: both kinds; one user-assigned identity; two; none. */
let full: string;
let single: string;
let double: string;
let bare: string;

before(async () => {
  room = await openTestIdentity();
  orders = await putUserAssigned(room, "orders");
  billing = await putUserAssigned(room, "billing");
  const host = await putHost(room, "vm", { systemAssigned: true, userAssigned: ["orders"] });
  assert.ok(host.systemAssigned !== undefined);
  system = host.systemAssigned;
  const { workloads } = room.identity.managed;
  full = workloads.register({ hostResourceId: hostId("vm") }).id;
  single = workloads.register({ identities: [userAssignedId("billing")] }).id;
  double = workloads.register({ identities: [userAssignedId("billing"), userAssignedId("orders")] }).id;
  bare = workloads.register({ hostResourceId: hostId("absent") }).id;
});

interface Ask {
  readonly workload?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly method?: string;
  readonly options?: ImdsOptions;
}

const ask = (request: Ask = {}): Promise<Reply> =>
  send(
    room.identity.managed.imds(request.workload ?? full, request.options),
    request.method ?? "GET",
    `${request.path ?? path}${request.query === "" ? "" : `?${request.query ?? base}`}`,
    request.headers ?? metadata,
  );

describe("metadata service tokens", () => {
  test("the whole body, in strings", async () => {
    const reply = await ask();
    assert.equal(reply.status, 200);
    const { access_token, ...rest } = bodyOf(reply);
    assert.deepEqual(rest, {
      client_id: system.clientId,
      expires_in: "86399",
      expires_on: String(now + 86_399),
      ext_expires_in: "86399",
      not_before: String(now - 300),
      resource: "https://cosmos.azure.com",
      token_type: "Bearer",
    });
    const verdict = await room.identity.verifier(String(access_token));
    assert.equal(verdict.ok && verdict.claims.oid, system.principalId);
  });

  const grants: readonly [string, () => Ask, () => ManagedIdentityRecord][] = [
    ["client_id", () => ({ query: `${base}&client_id=${orders.clientId}` }), () => orders],
    ["object_id", () => ({ query: `${base}&object_id=${orders.principalId}` }), () => orders],
    ["msi_res_id", () => ({ query: `${base}&msi_res_id=${userAssignedId("orders")}` }), () => orders],
    [
      "mi_res_id",
      () => ({ query: `${base}&mi_res_id=${encodeURIComponent(userAssignedId("orders"))}` }),
      () => orders,
    ],
    ["msi-res-id", () => ({ query: `${base}&msi-res-id=${userAssignedId("orders")}` }), () => orders],
    ["a later version", () => ({ query: base.replace("2018-02-01", "2021-02-01") }), () => system],
    ["a trailing slash", () => ({ path: `${path}/` }), () => system],
    ["a doubled slash", () => ({ path: `/${path}` }), () => system],
    ["another letter case", () => ({ path: "/Metadata/Identity/OAuth2/Token" }), () => system],
    ["Metadata: True", () => ({ headers: { metadata: "True" } }), () => system],
    ["the only user-assigned identity without selector", () => ({ workload: single }), () => billing],
    [
      "one of two by client_id",
      () => ({ workload: double, query: `${base}&client_id=${billing.clientId}` }),
      () => billing,
    ],
    ...[
      "localhost:40342",
      "[::1]:40342",
      "127.0.0.1",
      "169.254.169.254:80",
      "host.docker.internal:40342",
      "celestite:40342",
    ].map((host): (typeof grants)[number] => [
      `the header on ${host}`,
      () => ({ headers: { host, metadata: "true" } }),
      () => system,
    ]),
    [
      "no header on another host, where that is allowed",
      () => ({ headers: { host: "127.0.0.1:40342" }, options: { answerWithoutHeader: true } }),
      () => system,
    ],
  ];
  for (const [what, request, expected] of grants) {
    test(`${what} works`, async () => {
      const reply = await ask(request());
      assert.equal(reply.status, 200);
      assert.equal(bodyOf(reply)["client_id"], expected().clientId);
      assert.equal(claimsOf(String(bodyOf(reply)["access_token"]))["oid"], expected().principalId);
    });
  }

  const notFound = { error: "invalid_request", error_description: "Identity not found" };
  const noHeader = {
    error: "invalid_request",
    error_description: "Required metadata header not specified",
  };
  const denials: readonly [string, () => Ask, number, object | RegExp][] = [
    ["no header", () => ({ headers: {} }), 400, noHeader],
    [
      "the probe: no header and no query",
      () => ({ headers: { accept: "application/json" }, query: "" }),
      400,
      noHeader,
    ],
    ["Metadata: false", () => ({ headers: { metadata: "false" } }), 400, noHeader],
    ["Metadata twice", () => ({ headers: { metadata: "true, true" } }), 400, noHeader],
    [
      "a forwarded request",
      () => ({ headers: { ...metadata, "x-forwarded-for": "10.0.0.1" } }),
      400,
      /X-Forwarded-For/,
    ],
    [
      "a forwarded request with an empty header",
      () => ({ headers: { ...metadata, "x-forwarded-for": "" } }),
      400,
      /X-Forwarded-For/,
    ],
    [
      "no header on the real address, even where it is allowed elsewhere",
      () => ({ headers: { host: "169.254.169.254:80" }, options: { answerWithoutHeader: true } }),
      400,
      noHeader,
    ],
    ...[
      "attacker.example",
      "attacker.example:40342",
      "127.0.0.1.attacker.example",
      "localhost.attacker.example",
      "internal.attacker.example",
      "attacker.example#.internal",
    ]
      .flatMap((host) => [{ host }, { host, metadata: "true" }])
      .map((headers): (typeof denials)[number] => [
        `a page that was led here as ${JSON.stringify(headers)}`,
        () => ({ headers, options: { answerWithoutHeader: true } }),
        400,
        /not to a public name/,
      ]),
    [
      "a wrong header where none is allowed",
      () => ({ headers: { host: "127.0.0.1", metadata: "no" }, options: { answerWithoutHeader: true } }),
      400,
      noHeader,
    ],
    [
      "an identity not assigned, by client_id",
      () => ({ query: `${base}&client_id=${billing.clientId}` }),
      400,
      notFound,
    ],
    ["by object_id", () => ({ query: `${base}&object_id=${billing.principalId}` }), 400, notFound],
    ["by msi_res_id", () => ({ query: `${base}&msi_res_id=${userAssignedId("billing")}` }), 400, notFound],
    ["a client_id that is no GUID", () => ({ query: `${base}&client_id=x` }), 400, notFound],
    ["a workload without identities", () => ({ workload: bare }), 400, notFound],
    ["a workload that is not there", () => ({ workload: "gone" }), 400, notFound],
    [
      "two identities and no selector",
      () => ({ workload: double }),
      400,
      /Multiple user assigned identities exist/,
    ],
    [
      "two selectors",
      () => ({ query: `${base}&client_id=${orders.clientId}&object_id=${orders.principalId}` }),
      400,
      /At most one/,
    ],
    [
      "two spellings of one selector",
      () => ({ query: `${base}&msi_res_id=x&mi_res_id=x` }),
      400,
      /At most one/,
    ],
    ["an empty selector", () => ({ query: `${base}&client_id=` }), 400, /At most one/],
    [
      "an unknown resource",
      () => ({ query: "api-version=2018-02-01&resource=https://example.com" }),
      400,
      /"invalid_resource".*AADSTS500011: /,
    ],
    ["no resource", () => ({ query: "api-version=2018-02-01" }), 400, /'resource'/],
    ["no version", () => ({ query: "resource=https://cosmos.azure.com" }), 400, /'api-version'/],
    ["too old a version", () => ({ query: base.replace("2018-02-01", "2017-12-01") }), 400, /'api-version'/],
    [
      "a version that is no date",
      () => ({ query: base.replace("2018-02-01", "latest") }),
      400,
      /'api-version'/,
    ],
    [
      "a duplicate parameter",
      () => ({ query: `${base}&resource=https://vault.azure.net` }),
      400,
      /'resource' is duplicate/,
    ],
    ["a broken escape", () => ({ query: `${base}&client_id=%` }), 400, /malformed/],
    ["POST", () => ({ method: "POST" }), 405, /Method/],
    [
      "certificate-bound tokens",
      () => ({ path: "/metadata/identity/getplatformmetadata", query: "cred-api-version=2.0" }),
      404,
      /not_found/,
    ],
    ["their issue", () => ({ path: "/metadata/identity/issuecredential", method: "POST" }), 404, /not_found/],
    ["the rest of the metadata service", () => ({ path: "/metadata/instance" }), 404, /not_found/],
    ["a path that climbs", () => ({ path: "/metadata/x/../identity/oauth2/token" }), 400, /path/],
  ];
  for (const [what, request, status, expected] of denials) {
    test(`${what}: ${status}`, async () => {
      const reply = await ask(request());
      assert.equal(reply.status, status);
      if (expected instanceof RegExp) assert.match(String(reply.body), expected);
      else assert.deepEqual(bodyOf(reply), expected);
      assert.equal("access_token" in bodyOf(reply), false);
    });
  }
});

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Reply } from "../../../src/http/service.ts";
import type { ManagedIdentityRecord } from "../../../src/identity/control.ts";
import { directoryLock } from "../../../src/identity/control.ts";
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
  tenantId,
  userAssignedId,
} from "../fixtures.ts";

const now = startOfTime / 1000;
const resource = "https://cosmos.azure.com";

let room: TestIdentity;
let system: ManagedIdentityRecord;
let orders: ManagedIdentityRecord;
let billing: ManagedIdentityRecord;
/** On `web`: system-assigned and orders. */
let secret: string;
/** No host, billing only. */
let loneSecret: string;

before(async () => {
  room = await openTestIdentity();
  orders = await putUserAssigned(room, "orders");
  billing = await putUserAssigned(room, "billing");
  const host = await putHost(room, "web", { systemAssigned: true, userAssigned: ["orders"] });
  assert.ok(host.systemAssigned !== undefined);
  system = host.systemAssigned;
  const { workloads } = room.identity.managed;
  secret = workloads.register({ hostResourceId: hostId("web").toUpperCase() }).secret;
  loneSecret = workloads.register({ identities: [userAssignedId("billing")] }).secret;
});

const ask = (
  query: string,
  headers: Readonly<Record<string, string>> = { "x-identity-header": secret },
  target = "/msi/token",
  method = "GET",
): Promise<Reply> => send(room.identity.managed.appService, method, `${target}?${query}`, headers);

const base = `api-version=2019-08-01&resource=${resource}`;
const id = (name: string): string => encodeURIComponent(userAssignedId(name));

describe("App Service tokens", () => {
  test("the whole body, in strings", async () => {
    const reply = await ask(base);
    assert.equal(reply.status, 200);
    const { access_token, ...rest } = bodyOf(reply);
    assert.deepEqual(rest, {
      client_id: system.clientId,
      expires_in: "86399",
      expires_on: String(now + 86_399),
      not_before: String(now - 300),
      resource,
      token_type: "Bearer",
    });
    const verdict = await room.identity.verifier(String(access_token));
    assert.equal(verdict.ok && verdict.claims.oid, system.principalId);
  });

  const grants: readonly [string, () => Promise<Reply>, () => ManagedIdentityRecord][] = [
    ["client_id", () => ask(`${base}&client_id=${orders.clientId}`), () => orders],
    ["client_id in capitals", () => ask(`${base}&client_id=${orders.clientId.toUpperCase()}`), () => orders],
    ["mi_res_id", () => ask(`${base}&mi_res_id=${id("orders")}`), () => orders],
    ["mi_res_id in another case", () => ask(`${base}&mi_res_id=${id("orders").toLowerCase()}`), () => orders],
    ["msi_res_id", () => ask(`${base}&msi_res_id=${id("orders")}`), () => orders],
    ["object_id", () => ask(`${base}&object_id=${orders.principalId}`), () => orders],
    ["principal_id", () => ask(`${base}&principal_id=${orders.principalId}`), () => orders],
    ["the system-assigned client id", () => ask(`${base}&client_id=${system.clientId}`), () => system],
    ["parameter names in capitals", () => ask(`API-Version=2019-08-01&Resource=${resource}`), () => system],
    ["a path with doubled slashes", () => ask(base, undefined, "//MSI/token/"), () => system],
    ["an unknown parameter beside", () => ask(`${base}&xms_cc=CP1`), () => system],
    [
      "a workload without host, by client_id",
      () => ask(`${base}&client_id=${billing.clientId}`, { "x-identity-header": loneSecret }),
      () => billing,
    ],
    [
      "2017 without clientid",
      () => ask(`api-version=2017-09-01&resource=${resource}`, { secret }),
      () => system,
    ],
    [
      "2017 with an empty clientid",
      () => ask(`api-version=2017-09-01&resource=${resource}&clientid=`, { secret }),
      () => system,
    ],
    [
      "2017 with clientid",
      () => ask(`api-version=2017-09-01&resource=${resource}&clientid=${orders.clientId}`, { secret }),
      () => orders,
    ],
  ];
  for (const [what, request, expected] of grants) {
    test(`${what} works`, async () => {
      const reply = await request();
      assert.equal(reply.status, 200);
      assert.equal(bodyOf(reply)["client_id"], expected().clientId);
      assert.equal(claimsOf(String(bodyOf(reply)["access_token"]))["oid"], expected().principalId);
    });
  }

  const unauthorized = /^Unauthorized: IDENTITY_HEADER holds no secret of this server\. /;
  const notAssigned =
    "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.";
  const denials: readonly [string, () => Promise<Reply>, number, string | RegExp][] = [
    ["no header", () => ask(base, {}), 401, unauthorized],
    ["a wrong header", () => ask(base, { "x-identity-header": "wrong" }), 401, unauthorized],
    ["an empty header", () => ask(base, { "x-identity-header": "" }), 401, unauthorized],
    ["the header twice", () => ask(base, { "x-identity-header": `${secret}, ${secret}` }), 401, unauthorized],
    ["the old header for the new version", () => ask(base, { secret }), 401, unauthorized],
    [
      "the new header for the old version",
      () => ask(`api-version=2017-09-01&resource=${resource}`),
      401,
      unauthorized,
    ],
    ["wrong header and wrong everything", () => ask("api-version=1&a=1&a=2", {}), 401, unauthorized],
    [
      "the workload id as secret",
      () => ask(base, { "x-identity-header": room.identity.managed.workloads.list()[0]?.id ?? "" }),
      401,
      unauthorized,
    ],
    ["an identity on no host of ours", () => ask(`${base}&client_id=${billing.clientId}`), 400, notAssigned],
    ["the same by resource id", () => ask(`${base}&mi_res_id=${id("billing")}`), 400, notAssigned],
    ["the same by object id", () => ask(`${base}&object_id=${billing.principalId}`), 400, notAssigned],
    ["an id nobody has", () => ask(`${base}&client_id=${tenantId}`), 400, notAssigned],
    ["an object id as client_id", () => ask(`${base}&client_id=${orders.principalId}`), 400, notAssigned],
    [
      "the host as mi_res_id",
      () => ask(`${base}&mi_res_id=${encodeURIComponent(hostId("web"))}`),
      400,
      notAssigned,
    ],
    [
      "no selector and no system-assigned identity",
      () => ask(base, { "x-identity-header": loneSecret }),
      400,
      "Unable to load the proper Managed Identity.",
    ],
    [
      "another workload's identity",
      () => ask(`${base}&client_id=${orders.clientId}`, { "x-identity-header": loneSecret }),
      400,
      notAssigned,
    ],
    [
      "an unknown resource",
      () => ask("api-version=2019-08-01&resource=https://example.com"),
      400,
      /^AADSTS500011: The resource principal named https:\/\/example\.com was not found/,
    ],
    ["no resource", () => ask("api-version=2019-08-01"), 400, /resource/],
    ["an empty resource", () => ask("api-version=2019-08-01&resource="), 400, /resource/],
    ["no version", () => ask(`resource=${resource}`), 400, /api-version/],
    ["an unknown version", () => ask(`api-version=2018-02-01&resource=${resource}`), 400, /api-version/],
    [
      "a version named like a built-in",
      () => ask(`api-version=constructor&resource=${resource}`),
      400,
      /api-version/,
    ],
    [
      "a duplicate parameter",
      () => ask(`${base}&resource=https://vault.azure.net`),
      400,
      /'resource' is duplicate/,
    ],
    [
      "a duplicate in another case",
      () => ask(`${base}&client_id=${orders.clientId}&CLIENT_ID=${orders.clientId}`),
      400,
      /duplicate/,
    ],
    [
      "two selectors",
      () => ask(`${base}&client_id=${orders.clientId}&mi_res_id=${id("orders")}`),
      400,
      /At most one/,
    ],
    ["an empty selector", () => ask(`${base}&client_id=`), 400, /At most one/],
    ["a broken escape", () => ask(`${base}&client_id=%zz`), 400, /malformed/],
    ["POST", () => ask(base, undefined, "/msi/token", "POST"), 405, /POST/],
    ["another path", () => ask(base, undefined, "/msi"), 404, /not found/],
  ];
  for (const [what, request, status, message] of denials) {
    test(`${what}: ${status}`, async () => {
      const reply = await request();
      const body = bodyOf(reply);
      assert.deepEqual(Object.keys(body), ["statusCode", "message"]);
      assert.deepEqual([reply.status, body["statusCode"]], [status, status]);
      if (typeof message === "string") assert.equal(body["message"], message);
      else assert.match(String(body["message"]), message);
    });
  }
});

describe("workloads", () => {
  test("end with their release", async () => {
    const { workloads } = room.identity.managed;
    const workload = workloads.register({ hostResourceId: hostId("web") });
    const headers = { "x-identity-header": workload.secret };
    assert.equal((await ask(base, headers)).status, 200);
    assert.equal(workloads.release(workload.id), true);
    assert.equal(workloads.release(workload.id), false);
    assert.equal((await ask(base, headers)).status, 401);
    assert.equal(workloads.find(workload.id), undefined);
  });

  test("each has its own secret of 256 bits, even on one host", () => {
    const { workloads } = room.identity.managed;
    const made = [1, 2, 3].map(() => workloads.register({ hostResourceId: hostId("web") }));
    assert.equal(new Set(made.map((each) => each.secret)).size, 3);
    for (const each of made) {
      assert.equal(Buffer.from(each.secret, "base64url").length, 32);
      assert.equal(workloads.findBySecret(each.secret)?.id, each.id);
      workloads.release(each.id);
    }
  });

  test("see what their host carries at this moment", async () => {
    const { identity, store } = room;
    const host = await putHost(room, "api", { systemAssigned: true, userAssigned: ["orders"] });
    const workload = identity.managed.workloads.register({ hostResourceId: hostId("api") });
    const headers = { "x-identity-header": workload.secret };
    const status = async (query = base): Promise<number> => (await ask(query, headers)).status;
    const byClientId = `${base}&client_id=${orders.clientId}`;
    assert.deepEqual([await status(), await status(byClientId)], [200, 200]);
    await putHost(room, "api", { systemAssigned: true });
    assert.deepEqual([await status(), await status(byClientId)], [200, 400]);
    await putHost(room, "api", { systemAssigned: false, userAssigned: ["orders"] });
    assert.deepEqual([await status(), await status(byClientId)], [400, 200]);
    await putHost(room, "api", { systemAssigned: true, userAssigned: ["orders"] });
    const reborn = claimsOf(String(bodyOf(await ask(base, headers))["access_token"]));
    assert.notEqual(reborn["oid"], host.systemAssigned?.principalId);
    await store.transact([directoryLock], (t) => identity.control.deleteHost(t, hostId("api")));
    assert.deepEqual([await status(), await status(byClientId)], [400, 400]);
  });

  test("lose a deleted user-assigned identity, also one given to them directly", async () => {
    const { identity, store } = room;
    const mortal = await putUserAssigned(room, "mortal");
    const { secret: own } = identity.managed.workloads.register({
      identities: [userAssignedId("mortal"), userAssignedId("never-made")],
    });
    const request = (): Promise<Reply> =>
      ask(`${base}&client_id=${mortal.clientId}`, { "x-identity-header": own });
    assert.equal((await request()).status, 200);
    await store.transact([directoryLock], (t) =>
      identity.control.deleteUserAssigned(t, userAssignedId("mortal")),
    );
    assert.equal((await request()).status, 400);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Decision } from "../../src/authz/decision.ts";
import { group, messageOf, openGroupFixture, outcome, subscription, subscriptionId } from "./fixture.ts";

const fixture = await openGroupFixture();
const sites = `${group}/providers/Microsoft.Web/sites`;

describe("requests that name nothing we have", () => {
  const cases: readonly (readonly [string, string, string | null, string])[] = [
    ["GET", subscription, null, "400 MissingApiVersionParameter"],
    ["GET", subscription, "2024", "400 InvalidApiVersionParameter"],
    ["GET", subscription, "2024-13-01", "400 InvalidApiVersionParameter"],
    ["GET", subscription, "2024-01-01-nonsense", "400 InvalidApiVersionParameter"],
    ["GET", "/", "2024-01-01", "404 MissingSubscription"],
    ["GET", "/nonsense/x", "2024-01-01", "404 MissingSubscription"],
    ["GET", "/subscriptions/not-a-guid/resourceGroups", "2024-01-01", "400 InvalidSubscriptionId"],
    [
      "GET",
      "/subscriptions/00000000-0000-4000-8000-00000000ffff/resourceGroups",
      "2024-01-01",
      "404 SubscriptionNotFound",
    ],
    ["GET", `${subscription}/resourceGroups/none`, "2024-01-01", "404 ResourceGroupNotFound"],
    ["GET", `${subscription}/resourceGroups/none/resources`, "2024-01-01", "404 ResourceGroupNotFound"],
    ["GET", `${subscription}/nonsense`, "2024-01-01", "404 NotFound"],
    ["GET", `${group}/providers/NoDot/things/x`, "2024-01-01", "404 InvalidResourceNamespace"],
    ["GET", `${group}/providers/No.Such/things/x`, "2024-01-01", "404 ResourceNotFound"],
    ["GET", `${group}/providers/Microsoft.DocumentDB/nonsense/x`, "2024-01-01", "404 InvalidResourceType"],
    ["PUT", `${group}/providers/Microsoft.Authorization/nonsense/x`, "2024-01-01", "404 InvalidResourceType"],
    ["GET", `${sites}/none`, "2024-01-01", "404 ResourceNotFound"],
    ["PATCH", `${sites}/none`, "2024-01-01", "404 ResourceNotFound"],
    [
      "GET",
      `${group}/providers/Microsoft.DocumentDB/databaseAccounts/none`,
      "2024-01-01",
      "404 ResourceNotFound",
    ],
    ["POST", `${sites}/none/migrate`, "2024-01-01", "501 NotImplemented"],
    ["POST", subscription, "2024-01-01", "405 MethodNotAllowed"],
    ["OPTIONS", group, "2024-01-01", "405 MethodNotAllowed"],
    ["FROBNICATE", group, "2024-01-01", "405 MethodNotAllowed"],
    ["GET", `${group}/%zz`, "2024-01-01", "400 InvalidRequestUri"],
    [
      "GET",
      `${group}/providers/Microsoft.Web/sites/${"n".repeat(2000)}`,
      "2024-01-01",
      "400 InvalidRequestUri",
    ],
    [
      "POST",
      `${group}/providers/Microsoft.Resources/deployments/x/whatIf`,
      "2024-01-01",
      "400 InvalidDeployment",
    ],
  ];
  for (const [method, target, apiVersion, expected] of cases) {
    test(`${method} ${target.slice(0, 120)} at ${apiVersion}`, async () => {
      const body = method === "GET" ? undefined : {};
      assert.equal(outcome(await fixture.send(method, target, { apiVersion, body })), expected);
    });
  }
});

describe("bodies that are no JSON objects are 400 and change nothing", () => {
  const bodies = ["{", "[]", "1", "null", '"text"', "{'a':1}", '{"a":}', "", Buffer.from([0xff, 0xfe, 0x7b])];
  bodies.push(`{"properties":${'{"a":'.repeat(3000)}1${"}".repeat(3001)}`);
  const targets = [
    `${subscription}/resourceGroups/new`,
    `${sites}/new`,
    `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/new-identity`,
    `${group}/providers/Microsoft.DocumentDB/databaseAccounts/new`,
    `${group}/providers/Microsoft.Resources/deployments/new`,
    `${group}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-00000000aaaa`,
    `${group}/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-00000000aaaa`,
  ];
  for (const target of targets) {
    test(target, async () => {
      for (const body of bodies) {
        const answer = await fixture.send("PUT", target, { body });
        assert.equal(answer.status, 400, `${String(body).slice(0, 30)}: ${JSON.stringify(answer.body)}`);
        assert.equal((await fixture.send("GET", target)).status, 404);
      }
    });
  }
});

test("a body longer than the listener takes is 413", async () => {
  const reply = await fixture.arm.service({
    method: "PUT",
    target: `${sites}/big?api-version=2024-01-01`,
    headers: { authorization: `Bearer ${await fixture.token(fixture.owner)}` },
    body: new Uint8Array(),
    bodyTooLarge: true,
    origin: "https://localhost:8443",
    remoteAddress: "",
  });
  assert.equal(reply.status, 413);
});

test("every answer carries its ids, an error says where it was made, a sent correlation id is kept", async () => {
  const correlation = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
  const headers = {
    "x-ms-correlation-request-id": correlation,
    "x-ms-client-request-id": "mine",
    "x-ms-return-client-request-id": "true",
  };
  for (const target of [subscription, `${subscription}/nonsense`]) {
    const answer = await fixture.send("GET", target, { headers });
    assert.match(answer.headers["x-ms-request-id"] ?? "", /^[0-9a-f-]{36}$/);
    assert.match(
      answer.headers["x-ms-routing-request-id"] ?? "",
      /^CELESTITE:20260102T000000Z:[0-9a-f-]{36}$/,
    );
    assert.equal(answer.headers["x-ms-correlation-request-id"], correlation);
    assert.equal(answer.headers["x-ms-client-request-id"], "mine");
    assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
    assert.equal(answer.headers["x-ms-failure-cause"], answer.status === 200 ? undefined : "gateway");
  }
});

test("a header that is no id is not echoed", async () => {
  const headers = {
    "x-ms-correlation-request-id": "x\r\ny: z",
    "x-ms-client-request-id": "a b",
    "x-ms-return-client-request-id": "true",
  };
  const answer = await fixture.send("GET", subscription, { headers });
  assert.match(answer.headers["x-ms-correlation-request-id"] ?? "", /^[0-9a-f-]{36}$/);
  assert.equal(answer.headers["x-ms-client-request-id"], undefined);
});

test("every decision is recorded, the one to explain last", async () => {
  const user = await fixture.user("nobody");
  fixture.records.length = 0;
  const answer = await fixture.send("GET", group, { as: user });
  const entry = fixture.records.at(-1);
  assert.equal(outcome(answer), "403 AuthorizationFailed");
  assert.equal(entry?.activityId, answer.headers["x-ms-request-id"]);
  assert.equal(entry?.statusCode, 403);
  assert.equal(entry?.principalId, user);
  assert.equal(entry?.operationName, "Microsoft.Resources/subscriptions/resourceGroups/read");
  assert.equal((entry?.decision as Decision | undefined)?.allowed, false);
  assert.equal(entry?.message, messageOf(answer));
});

describe("cloud metadata needs no token and has the shape of its version", () => {
  test("2022-09-01 is one object that Terraform can read", async () => {
    const { status, body } = await fixture.send("GET", "/metadata/endpoints", {
      as: null,
      apiVersion: "2022-09-01",
    });
    assert.equal(status, 200);
    assert.equal(body["name"], "Celestite");
    assert.equal(body["resourceManager"], "https://localhost:8443/");
    assert.equal(body["microsoftGraphResourceId"], "https://localhost:8401/");
    assert.equal(body["authentication"]?.["loginEndpoint"], "https://localhost:8400/");
  });
  test("2019-05-01 and 2020-06-01 are lists", async () => {
    for (const apiVersion of ["2019-05-01", "2020-06-01"]) {
      const { body } = await fixture.send("GET", "/metadata/endpoints", { as: null, apiVersion });
      assert.equal(body[0]?.["name"], "Celestite");
    }
  });
  test("2015-01-01 has the oldest members", async () => {
    const { body } = await fixture.send("GET", "/metadata/endpoints", { as: null, apiVersion: "2015-01-01" });
    assert.deepEqual(Object.keys(body), [
      "galleryEndpoint",
      "graphEndpoint",
      "portalEndpoint",
      "authentication",
    ]);
  });
  test("without a version it is refused", async () => {
    const answer = await fixture.send("GET", "/metadata/endpoints", { as: null, apiVersion: null });
    assert.equal(outcome(answer), "400 MissingApiVersionParameter");
  });
});

test("no request was a fault of ours", () => {
  assert.deepEqual(fixture.faults, []);
  assert.equal(subscriptionId.length, 36);
});

describe("resources of services that are not known", () => {
  const thing = `${group}/providers/Contoso.Widgets/things/one`;
  const body = { location: "westeurope", properties: { size: 3 } };

  test("are kept as they were sent, with a warning, under the caller's rights", async () => {
    const fixture = await openGroupFixture();
    const made = await fixture.send("PUT", thing, { body });
    assert.equal(made.status, 200);
    assert.match(made.headers["x-celestite-warning"] ?? "", /Contoso\.Widgets\/things/);
    assert.equal((await fixture.send("GET", thing)).body["properties"]?.["size"] as unknown, 3);
    const reader = await fixture.user("reader", "Reader");
    assert.equal((await fixture.send("GET", thing, { as: reader })).status, 200);
    assert.equal(outcome(await fixture.send("PUT", thing, { as: reader, body })), "403 AuthorizationFailed");
    assert.equal((await fixture.send("DELETE", thing)).status, 200);
  });

  test("are refused where only known ones are wanted", async () => {
    const fixture = await openGroupFixture({ strict: true });
    assert.equal(outcome(await fixture.send("PUT", thing, { body })), "404 InvalidResourceNamespace");
  });

  test("types that decide about access are never kept unknown", async () => {
    const fixture = await openGroupFixture();
    for (const type of ["Microsoft.Authorization/nonsense", "Microsoft.DocumentDB/nonsense"]) {
      const answer = await fixture.send("PUT", `${group}/providers/${type}/x`, { body });
      assert.equal(outcome(answer), "404 InvalidResourceType");
    }
    const policy = `${group}/providers/Microsoft.Authorization/policyAssignments/x`;
    assert.equal((await fixture.send("PUT", policy, { body: { properties: {} } })).status, 200);
  });
});

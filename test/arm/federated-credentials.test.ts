import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, group, messageOf, openGroupFixture, outcome, subscription } from "./fixture.ts";

const fixture = await openGroupFixture();
const identities = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities`;
const properties = {
  issuer: "https://oidc.example.com/",
  subject: "system:serviceaccount:shop:orders",
  audiences: ["api://AzureADTokenExchange"],
};

async function identity(name: string): Promise<string> {
  await fixture.send("PUT", `${identities}/${name}`, { body: { location: "westeurope" } });
  return `${identities}/${name}/federatedIdentityCredentials`;
}

function put(target: string, changes: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
  const body = { properties: { ...properties, ...changes } };
  return fixture.send("PUT", target, { apiVersion: "2023-01-31", body });
}

test("201 when new, 200 when repeated, read, listed and deleted in the service's shape", async () => {
  const all = await identity("worker");
  const made = await put(`${all}/Cluster`);
  const shape = {
    id: `${subscription}/resourcegroups/Shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker/federatedIdentityCredentials/Cluster`,
    name: "Cluster",
    type: "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
    properties,
  };
  assert.equal(made.status, 201, messageOf(made));
  assert.deepEqual(made.body, shape);
  assert.equal((await put(`${all}/Cluster`)).status, 200);
  assert.deepEqual((await fixture.send("GET", `${all}/cluster`)).body, shape);
  assert.deepEqual((await fixture.send("GET", all)).body, { value: [shape] });
  assert.equal((await fixture.send("DELETE", `${all}/CLUSTER`)).status, 200);
  assert.equal((await fixture.send("DELETE", `${all}/cluster`)).status, 204);
  assert.equal(outcome(await fixture.send("GET", `${all}/cluster`)), "404 ResourceNotFound");
});

test("the token endpoint's credentials are these", async () => {
  const all = await identity("shown");
  await put(`${all}/one`);
  const { clientId } = (await fixture.send("GET", `${identities}/shown`)).body["properties"] as unknown as {
    clientId: string;
  };
  const known = await fixture.identity.applications.federatedCredentials(clientId);
  assert.deepEqual(known, [{ name: "one", ...properties }]);
  await fixture.send("DELETE", `${identities}/shown`);
  await identity("shown");
  assert.deepEqual((await fixture.send("GET", all)).body, { value: [] });
});

describe("refused", () => {
  const cases: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ["no issuer", { issuer: undefined }],
    ["an issuer that is no URL", { issuer: "cluster" }],
    ["an empty subject", { subject: "" }],
    ["a subject with a space behind it", { subject: `${properties.subject} ` }],
    ["no audiences", { audiences: [] }],
    ["two audiences", { audiences: ["a", "b"] }],
    ["audiences as text", { audiences: "api://AzureADTokenExchange" }],
    ["an audience that is a number", { audiences: [1] }],
    ["a subject of 601 characters", { subject: "s".repeat(601) }],
  ];
  for (const [what, changes] of cases) {
    test(what, async () => {
      const all = await identity("refused");
      assert.equal(outcome(await put(`${all}/case`, changes)), "400 BadRequest");
      assert.deepEqual((await fixture.send("GET", all)).body, { value: [] });
    });
  }

  test("a name with a dot", async () => {
    assert.equal(outcome(await put(`${await identity("refused")}/a.b.c`)), "400 BadRequest");
  });

  test("an identity that is not there", async () => {
    assert.equal(
      outcome(await put(`${identities}/absent/federatedIdentityCredentials/one`)),
      "404 ResourceNotFound",
    );
  });

  test("a second credential for the same issuer and subject", async () => {
    const all = await identity("twice");
    await put(`${all}/one`);
    assert.equal(outcome(await put(`${all}/two`)), "409 Conflict");
  });

  test("the 21st", async () => {
    const all = await identity("many");
    for (let at = 0; at < 20; at++) {
      assert.equal((await put(`${all}/credential-${at}`, { subject: `s${at}` })).status, 201);
    }
    assert.equal(outcome(await put(`${all}/credential-20`, { subject: "s20" })), "409 Conflict");
    assert.equal((await put(`${all}/credential-19`, { subject: "other" })).status, 200);
  });

  test("a reader may read but not write or delete", async () => {
    const all = await identity("guarded");
    await put(`${all}/one`);
    const as = await fixture.user("reader", "Reader");
    assert.equal((await fixture.send("GET", `${all}/one`, { as })).status, 200);
    const body = { properties: { ...properties, subject: "mine" } };
    assert.equal(outcome(await fixture.send("PUT", `${all}/two`, { as, body })), "403 AuthorizationFailed");
    assert.equal(outcome(await fixture.send("DELETE", `${all}/one`, { as })), "403 AuthorizationFailed");
  });
});

test("no fault of ours", () => assert.deepEqual(fixture.faults, []));

/** Credentials of the data plane: what is refused before any right is looked at, with the service's status and text. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

const minute = 60_000;

describe("account keys", () => {
  let fixture: CosmosFixture;
  before(async () => {
    fixture = await openCosmosFixture();
  });
  const dates: readonly (readonly [string, number, string])[] = [
    ["now", 0, "200"],
    ["29 minutes old", -29 * minute, "200"],
    ["31 minutes old", -31 * minute, "403"],
    ["14 minutes ahead", 14 * minute, "200"],
    ["16 minutes ahead", 16 * minute, "403"],
  ];
  for (const [name, skew, expected] of dates) {
    test(`a signature ${name} is ${expected}`, async () => {
      assert.equal(outcome(await fixture.sendSigned("GET", "/dbs", { skew })), expected);
    });
  }

  const keys = [
    "primaryMasterKey",
    "secondaryMasterKey",
    "primaryReadonlyMasterKey",
    "secondaryReadonlyMasterKey",
  ] as const;
  for (const key of keys) {
    test(`${key} reads`, async () =>
      assert.equal(outcome(await fixture.sendSigned("GET", "/dbs/shop", { key })), "200"));
    const expected = key.includes("Readonly") ? "401" : "201";
    test(`${key} writes: ${expected}`, async () => {
      const reply = await fixture.sendSigned("POST", "/dbs", { key, body: { id: `by-${key}` } });
      assert.equal(outcome(reply), expected);
      if (expected === "401") assert.match(String(bodyOf(reply)["message"]), /The wrong key is being used/);
    });
  }

  test("a regenerated key acts at once, its old value no longer", async () => {
    const sendOld = await oldSignature(fixture);
    assert.equal(outcome(await sendOld()), "200");
    await fixture.store.transact(["cosmos/acct"], (transaction) =>
      fixture.control.regenerateKey(transaction, "acct", "secondary"),
    );
    assert.equal(outcome(await sendOld()), "401");
    assert.equal(outcome(await fixture.sendSigned("GET", "/dbs", { key: "secondaryMasterKey" })), "200");
    assert.equal(outcome(await fixture.sendSigned("GET", "/dbs", { key: "primaryMasterKey" })), "200");
  });

  test("disableLocalAuth refuses every key with 401/5202", async () => {
    await fixture.setAccount({ disableLocalAuth: true });
    for (const key of keys)
      assert.equal(outcome(await fixture.sendSigned("GET", "/dbs", { key })), "401/5202");
    await fixture.setAccount({ disableLocalAuth: false });
    assert.equal(outcome(await fixture.sendSigned("GET", "/dbs")), "200");
  });

  test("disableKeyBasedMetadataWriteAccess stops metadata, not items", async () => {
    await fixture.setAccount({ disableKeyBasedMetadataWriteAccess: true });
    const refused = await fixture.sendSigned("POST", "/dbs", { body: { id: "refused" } });
    assert.equal(outcome(refused), "403");
    assert.match(
      String(bodyOf(refused)["message"]),
      /Operation 'POST' on resource 'dbs' is not allowed through Azure Cosmos DB endpoint/,
    );
    const headers = { "x-ms-documentdb-partitionkey": '["a"]' };
    const item = await fixture.sendSigned("POST", "/dbs/shop/colls/orders/docs", {
      headers,
      body: { id: "kept", pk: "a" },
    });
    assert.equal(outcome(item), "201");
    await fixture.setAccount({ disableKeyBasedMetadataWriteAccess: false });
  });
});

async function oldSignature(fixture: CosmosFixture): Promise<() => ReturnType<CosmosFixture["send"]>> {
  const seen: Record<string, string>[] = [];
  const spy: CosmosFixture["send"] = async (_method, _target, headers = {}) => {
    seen.push(headers);
    return { status: 200, headers: {} };
  };
  const keys = await fixture.control.listKeys(fixture.store, "acct");
  const { sign, textToSign } = await import("../../src/authz/account-key.ts");
  const date = new Date(fixture.clock.now()).toUTCString();
  const sig = sign(
    Buffer.from(keys?.secondaryMasterKey ?? "", "base64"),
    textToSign("GET", "dbs", "", date, false),
  ).toString("base64");
  await spy("GET", "/dbs", {
    "x-ms-date": date,
    authorization: encodeURIComponent(`type=master&ver=1.0&sig=${sig}`),
  });
  return () => fixture.send("GET", "/dbs", seen[0]);
}

describe("the authorization header", () => {
  let fixture: CosmosFixture;
  before(async () => {
    fixture = await openCosmosFixture();
  });
  const date = { "x-ms-date": "Sat, 21 Nov 2026 12:00:00 GMT" };
  const sig = Buffer.alloc(32).toString("base64");
  const headers: readonly (readonly [string, Record<string, string>, string, RegExp])[] = [
    ["missing", {}, "401/5000", /Required Header authorization is missing/],
    ["empty", { authorization: "" }, "401/5000", /Required Header authorization is missing/],
    ["the text null", { authorization: "null" }, "401", /doesn't confirm to the required format/],
    ["a bearer token", { authorization: "Bearer abc" }, "401", /doesn't confirm to the required format/],
    [
      "a broken percent-encoding",
      { authorization: "type%3dmaster%zz" },
      "401",
      /doesn't confirm to the required format/,
    ],
    [
      "an unknown type",
      { authorization: "type=magic&ver=1.0&sig=abc" },
      "401",
      /doesn't confirm to the required format/,
    ],
    [
      "no signature",
      { authorization: "type=master&ver=1.0&sig=" },
      "401",
      /doesn't confirm to the required format/,
    ],
    [
      "a wrong signature",
      { ...date, authorization: `type=master&ver=1.0&sig=${sig}` },
      "401",
      /The wrong key is being used.*Server used the following payload to sign: 'get\\ndbs\\n\\nsat, 21 nov 2026 12:00:00 gmt\\n\\n'/,
    ],
    [
      "a signature that is no base64",
      { ...date, authorization: "type=master&ver=1.0&sig=***" },
      "401",
      /The wrong key is being used/,
    ],
    [
      "a signature without a date",
      { authorization: `type=master&ver=1.0&sig=${sig}` },
      "401",
      /input date header is invalid format/,
    ],
    [
      "an unreadable date",
      { "x-ms-date": "yesterday", authorization: `type=master&ver=1.0&sig=${sig}` },
      "401",
      /input date header is invalid format/,
    ],
    [
      "2 kB of signature",
      { ...date, authorization: `type=master&ver=1.0&sig=${"A".repeat(2048)}` },
      "401/5001",
      /doesn't confirm/,
    ],
    [
      "20 kB of token",
      { authorization: `type=aad&ver=1.0&sig=${"A".repeat(20_000)}` },
      "401/5001",
      /doesn't confirm/,
    ],
    [
      "something that is no token",
      { authorization: "type=aad&ver=1.0&sig=hello" },
      "401/5003",
      /invalid format/,
    ],
  ];
  for (const [name, given, expected, message] of headers) {
    test(`${name}: ${expected}`, async () => {
      const reply = await fixture.send("GET", "/dbs", given);
      assert.equal(outcome(reply), expected);
      assert.match(String(bodyOf(reply)["message"]), message);
      assert.equal(reply.headers["content-type"], "application/json");
    });
  }
});

describe("Entra tokens", () => {
  let fixture: CosmosFixture;
  let worker: string;
  before(async () => {
    fixture = await openCosmosFixture();
    worker = await fixture.principal("worker");
    await fixture.assign(
      "c0000000-0000-0000-0000-000000000001",
      worker,
      "00000000-0000-0000-0000-000000000002",
    );
  });
  const audiences: readonly (readonly [string, string])[] = [
    ["https://cosmos.azure.com", "200"],
    ["https://acct.documents.azure.com", "200"],
    ["https://ACCT.documents.azure.com", "200"],
    ["https://localhost:18081", "200"],
    ["https://localhost", "200"],
    ["https://cosmos.azure.com/", "401/5008"],
    ["https://other.documents.azure.com", "401/5008"],
    ["https://localhost:18082", "401/5008"],
    ["https://management.azure.com", "401/5008"],
    ["https://vault.azure.net", "401/5008"],
  ];
  for (const [audience, expected] of audiences) {
    test(`audience ${audience}: ${expected}`, async () => {
      const authorization = `type=aad&ver=1.0&sig=${await fixture.token(worker, audience)}`;
      assert.equal(outcome(await fixture.send("GET", "/", { authorization })), expected);
    });
  }

  test("the Host header never makes a token's audience right", async () => {
    const authorization = `type=aad&ver=1.0&sig=${await fixture.token(worker, "https://vault.azure.net")}`;
    const reply = await fixture.service({
      method: "GET",
      target: "/",
      headers: { authorization, host: "vault.azure.net" },
      body: new Uint8Array(0),
      origin: "https://vault.azure.net",
      remoteAddress: "127.0.0.1",
    });
    assert.equal(outcome(reply), "401/5008");
  });

  test("percent-encoded and raw headers are one", async () => {
    const text = `type=aad&ver=1.0&sig=${await fixture.token(worker)}`;
    for (const authorization of [
      text,
      encodeURIComponent(text),
      encodeURIComponent(text).replaceAll("%3D", "%3d"),
    ]) {
      assert.equal(outcome(await fixture.send("GET", "/", { authorization })), "200");
    }
  });

  test("expiry is to the second, 401/5006 after it", async () => {
    const authorization = `type=aad&ver=1.0&sig=${await fixture.token(worker)}`;
    fixture.clock.advance(2 * 86_400_000);
    const reply = await fixture.send("GET", "/", { authorization });
    assert.equal(outcome(reply), "401/5006");
    assert.match(
      String(bodyOf(reply)["message"]),
      /expired since \[11\/\d+\/2026 .*\(UTC\)\]\. Current server time is/,
    );
    const fresh = `type=aad&ver=1.0&sig=${await fixture.token(worker)}`;
    assert.equal(outcome(await fixture.send("GET", "/", { authorization: fresh })), "200");
    fixture.clock.advance(-86_400_000);
    assert.equal(outcome(await fixture.send("GET", "/", { authorization: fresh })), "401/5005");
    fixture.clock.advance(86_400_000);
  });

  test("a deleted identity's roles open nothing, although its token is valid", async () => {
    const gone = await fixture.principal("gone");
    await fixture.assign(
      "c0000000-0000-0000-0000-000000000002",
      gone,
      "00000000-0000-0000-0000-000000000002",
    );
    const authorization = `type=aad&ver=1.0&sig=${await fixture.token(gone)}`;
    assert.equal(outcome(await fixture.send("GET", "/", { authorization })), "200");
    const id =
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/gone";
    await fixture.store.transact(["directory"], (transaction) =>
      fixture.identity.control.deleteUserAssigned(transaction, id),
    );
    assert.equal(outcome(await fixture.send("GET", "/", { authorization })), "403/5301");
  });
});

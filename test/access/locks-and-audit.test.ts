/**
 * What an account's own settings do to access: network rules, switched-off keys, the lock on metadata, audit mode, and
 * the emulator's key. Each is a table of requests by credential under one setting.
 */
import assert from "node:assert/strict";
import { before, beforeEach, describe, test } from "node:test";
import { sign, textToSign } from "../../src/authz/account-key.ts";
import { networkAllows } from "../../src/authz/network.ts";
import { wellKnownKey } from "../../src/azure/emulator-key.ts";
import { accountService } from "../../src/cosmos/gateway.ts";
import { accountName, bodyOf, type CosmosFixture, outcome, request } from "../cosmos/fixture.ts";
import { type AccessRoom, openAccessRoom } from "./credentials.ts";
import { orders } from "./requests.ts";

const inA = { "x-ms-documentdb-partitionkey": '["a"]' };
const rules = (changes: object = {}) => ({
  publicNetworkAccess: "Enabled" as const,
  ipRules: [] as string[],
  virtualNetworkFilter: false,
  ...changes,
});

describe("network rules", () => {
  const addresses: readonly (readonly [ReturnType<typeof rules>, string, boolean])[] = [
    [rules(), "8.8.8.8", true],
    [rules({ publicNetworkAccess: "Disabled" }), "8.8.8.8", false],
    [rules({ publicNetworkAccess: "Disabled", ipRules: ["8.8.8.8"] }), "8.8.8.8", false],
    [rules({ publicNetworkAccess: "SecuredByPerimeter" }), "127.0.0.1", false],
    [rules({ virtualNetworkFilter: true }), "8.8.8.8", false],
    [rules({ virtualNetworkFilter: true, ipRules: ["8.8.8.8"] }), "8.8.8.8", true],
    [rules({ ipRules: ["8.8.8.8"] }), "8.8.8.8", true],
    [rules({ ipRules: ["8.8.8.8"] }), "8.8.8.9", false],
    [rules({ ipRules: ["10.1.2.0/24"] }), "10.1.2.255", true],
    [rules({ ipRules: ["10.1.2.0/24"] }), "10.1.3.0", false],
    [rules({ ipRules: ["10.1.2.77/24"] }), "10.1.2.1", true],
    [rules({ ipRules: ["10.0.0.0/8", "127.0.0.1"] }), "127.0.0.1", true],
    [rules({ ipRules: ["127.0.0.1"] }), "::1", true],
    [rules({ ipRules: ["127.0.0.1"] }), "::ffff:127.0.0.1", true],
    [rules({ ipRules: ["127.0.0.1"] }), "::2", false],
    [rules({ ipRules: ["127.0.0.1"] }), "", false],
    [rules({ ipRules: ["0.0.0.0"] }), "127.0.0.1", false],
    [rules({ ipRules: ["0.0.0.0/0"] }), "1.2.3.4", true],
    [rules({ ipRules: ["not an address"] }), "1.2.3.4", false],
  ];
  for (const [network, address, allowed] of addresses) {
    test(`${JSON.stringify(network)} ${allowed ? "lets" : "does not let"} '${address}' in`, () => {
      assert.equal(networkAllows(network, address), allowed);
    });
  }

  test("are judged before any credential: 403 for the right key, the right role, and none at all", async () => {
    const { fixture, columns } = await openAccessRoom();
    await fixture.setAccount({ network: rules({ ipRules: ["10.0.0.0/8"] }) });
    const contributor = columns.get("contributor");
    assert.ok(contributor?.kind === "aad");
    for (const reply of [
      await fixture.sendSigned("GET", orders),
      await fixture.send("GET", orders, { authorization: contributor.authorization }),
      await fixture.send("GET", "/"),
    ]) {
      assert.equal(outcome(reply), "403");
      assert.match(
        String(bodyOf(reply)["message"]),
        /^Request originated from client IP 127\.0\.0\.1 through public internet\./,
      );
    }
    await fixture.setAccount({ network: rules({ ipRules: ["127.0.0.0/8"] }) });
    assert.equal(outcome(await fixture.sendSigned("GET", orders)), "200");
    assert.equal((await fixture.send("GET", orders)).status, 401);
  });
});

let room: AccessRoom;
const open = async (): Promise<void> => {
  room = await openAccessRoom();
};

/** A request under a credential of the access table; `key` and `keyRo` are signed. */
async function use(
  column: string,
  method: string,
  target: string,
  headers: object = {},
  body?: unknown,
): Promise<string> {
  const { fixture, columns } = room;
  const credential = columns.get(column);
  assert.ok(credential !== undefined);
  if (credential.kind !== "key") {
    const { authorization } = credential;
    return shown(await fixture.send(method, target, { authorization, ...headers }, body));
  }
  const key = credential.key === "wrong" ? "primaryMasterKey" : credential.key;
  const wrong = credential.key === "wrong" ? { resourceLink: "dbs/not-this" } : {};
  return shown(await fixture.sendSigned(method, target, { headers: { ...headers }, body, key, ...wrong }));
}

/** The outcome, and the mark of audit mode behind it. */
function shown(reply: Parameters<typeof outcome>[0]): string {
  const mark = reply.headers["x-celestite-audit"];
  return mark === undefined ? outcome(reply) : `${outcome(reply)} (${mark})`;
}

const read = ["GET", `${orders}/docs/1`, inA] as const;
const readB = ["GET", `${orders}/docs/1`, { "x-ms-documentdb-partitionkey": '["b"]' }] as const;
const upsert = [
  "POST",
  `${orders}/docs`,
  { ...inA, "x-ms-documentdb-is-upsert": "True" },
  { id: "1", pk: "a" },
] as const;
const script = [
  "POST",
  `${orders}/udfs`,
  { "x-ms-documentdb-is-upsert": "True" },
  { id: "f", body: "(x) => x" },
] as const;
const base = ["GET", "/"] as const;
const database = ["POST", "/dbs", {}, { id: "audited" }] as const;

/** Method, target, headers and body. */
type Sent = readonly [string, string, object?, unknown?];

const settings: readonly {
  readonly name: string;
  readonly account: Parameters<CosmosFixture["setAccount"]>[0];
  /** Column of the access table, request, outcome. */
  readonly rows: readonly (readonly [string, Sent, string])[];
}[] = [
  {
    name: "disableLocalAuth",
    account: { disableLocalAuth: true },
    rows: [
      ["key", read, "401/5202"],
      ["keyRo", read, "401/5202"],
      ["wrongKey", read, "401/5202"],
      ["key", base, "401/5202"],
      ["tokenAll", read, "401/5202"],
      ["tokenOld", read, "401/5202"],
      ["contributor", read, "200"],
      ["nobody", read, "403/5302"],
    ],
  },
  {
    name: "disableKeyBasedMetadataWriteAccess",
    account: { disableKeyBasedMetadataWriteAccess: true },
    rows: [
      ["key", script, "403"],
      ["key", database, "403"],
      ["contributor", database, "403"],
      ["keyRo", script, "403"],
      ["key", upsert, "200"],
      ["tokenAll", upsert, "200"],
      ["key", ["POST", `${orders}/sprocs/s`, inA, []], "200"],
    ],
  },
  {
    name: "audit mode",
    account: { authorization: "audit" },
    rows: [
      ["nobody", read, "200 (would-deny 403/5302)"],
      ["nobody", base, "200 (would-deny 403/5301)"],
      ["reader", upsert, "200 (would-deny 403/5302)"],
      ["reader", read, "200"],
      ["contributor", script, "200 (would-deny 403/5300)"],
      ["nobody", ["GET", `${orders}/docs/none`, inA], "404 (would-deny 403/5302)"],
      ["deleted", read, "403/5302"],
      ["deleted", script, "403/5300"],
      ["expired", read, "401/5006"],
      ["foreign", read, "401/5200"],
      ["audience", read, "401/5008"],
      ["wrongKey", read, "401"],
      ["keyRo", upsert, "401"],
      ["tokenRead", upsert, "403"],
      ["partAll", readB, "403"],
      ["tokenOld", read, "401"],
      ["key", read, "200"],
    ],
  },
  {
    name: "audit mode over switched-off keys",
    account: { authorization: "audit", disableLocalAuth: true },
    rows: [
      ["key", read, "200 (would-deny 401/5202)"],
      ["keyRo", read, "200 (would-deny 401/5202)"],
      ["keyRo", upsert, "401/5202"],
      ["wrongKey", read, "401/5202"],
      ["tokenAll", upsert, "200 (would-deny 401/5202)"],
      ["tokenRead", upsert, "401/5202"],
      ["partAll", readB, "401/5202"],
      ["tokenOld", read, "401/5202"],
    ],
  },
  {
    name: "audit mode over locked metadata",
    account: { authorization: "audit", disableKeyBasedMetadataWriteAccess: true },
    rows: [
      ["key", script, "200 (would-deny 403)"],
      ["keyRo", script, "403"],
      ["deleted", script, "403"],
      ["deleted", database, "403"],
      ["tokenAll", script, "403"],
      ["contributor", script, "200 (would-deny 403)"],
    ],
  },
];

describe("settings of the account", () => {
  before(open);
  for (const { name, account, rows } of settings) {
    describe(name, () => {
      before(() => room.fixture.setAccount(account));
      for (const [column, [method, target, headers, body], expected] of rows) {
        test(`${column}: ${method} ${target} is ${expected}`, async () => {
          assert.equal(await use(column, method, target, headers, body), expected);
        });
      }
    });
  }

  test("audit mode writes down what it let pass", async () => {
    await room.fixture.setAccount({ authorization: "audit" });
    await use("nobody", ...read);
    const { statusCode, decision, wouldDeny } = room.fixture.records.at(-1) ?? {};
    assert.equal(statusCode, 200);
    assert.deepEqual(
      [(decision as { allowed?: boolean }).allowed, wouldDeny?.statusCode, wouldDeny?.substatus],
      [false, 403, 5302],
    );
    assert.match(wouldDeny?.message ?? "", /does not have required RBAC permissions/);
  });

  test("audit mode mints no token for an Entra caller who reads a permission", async () => {
    await room.fixture.setAccount({ authorization: "audit" });
    const credential = room.columns.get("contributor");
    assert.ok(credential?.kind === "aad");
    const reply = await room.fixture.send("GET", "/dbs/shop/users/u/permissions/tokenAll", {
      authorization: credential.authorization,
    });
    assert.equal(outcome(reply), "200");
    assert.equal(bodyOf(reply)["_token"], undefined);
  });
});

describe("the emulator's well-known key", () => {
  beforeEach(open);
  async function send(enabled: boolean, remoteAddress: string): Promise<string> {
    const { fixture } = room;
    const { verifier, directory } = fixture.identity;
    const { engine, clock } = fixture;
    const parts = { engine, clock, verifier, directory, entropy: engine.entropy, record: () => {} };
    const emulatorKey = Buffer.from(wellKnownKey, "base64");
    const service = accountService(enabled ? { ...parts, emulatorKey } : parts, accountName);
    const date = new Date(clock.now()).toUTCString();
    const text = textToSign("GET", "colls", orders.slice(1), date, false);
    const authorization = encodeURIComponent(
      `type=master&ver=1.0&sig=${sign(emulatorKey, text).toString("base64")}`,
    );
    const sent = request("GET", orders, { authorization, "x-ms-date": date }, undefined);
    return outcome(await service({ ...sent, remoteAddress }));
  }

  test("is nothing unless it is switched on", async () =>
    assert.equal(await send(false, "127.0.0.1"), "401"));
  test("opens accounts when it is", async () => assert.equal(await send(true, "127.0.0.1"), "200"));
  test("in either family of addresses", async () => assert.equal(await send(true, "::1"), "200"));
  test("but not from another machine", async () => assert.equal(await send(true, "192.168.1.7"), "401"));
  test("nor where keys are switched off", async () => {
    await room.fixture.setAccount({ disableLocalAuth: true });
    assert.equal(await send(true, "127.0.0.1"), "401/5202");
  });
});

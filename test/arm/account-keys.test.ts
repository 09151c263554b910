/** Account keys through the control plane: each form and each kind, who may have them, and the times they were made. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { type ArmFixture, group, openGroupFixture, outcome } from "./fixture.ts";

const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/keys-db`;
const names = {
  primary: "primaryMasterKey",
  secondary: "secondaryMasterKey",
  primaryReadonly: "primaryReadonlyMasterKey",
  secondaryReadonly: "secondaryReadonlyMasterKey",
} as const;

let fixture: ArmFixture;

async function open(): Promise<void> {
  fixture = await openGroupFixture();
  const made = await fixture.send("PUT", account, { body: { location: "westeurope", properties: {} } });
  assert.equal(made.status, 200, JSON.stringify(made.body));
}

const keys = async (): Promise<Record<string, string>> =>
  (await fixture.send("POST", `${account}/listKeys`)).body as unknown as Record<string, string>;
const times = async (): Promise<Record<string, { generationTime: string }>> =>
  (await fixture.send("GET", account)).body["properties"]?.["keysMetadata"] as never;

describe("account keys", () => {
  before(open);

  test("are four different ones of 64 bytes", async () => {
    const values = Object.values(await keys());
    assert.equal(new Set(values).size, 4);
    for (const value of values) assert.equal(Buffer.from(value, "base64").length, 64);
  });

  for (const [kind, name] of Object.entries(names)) {
    for (const spelling of [kind, kind.toUpperCase()]) {
      test(`regenerating ${spelling} changes ${name}, its strings and its time, and nothing else`, async () => {
        const [before, timesBefore] = [await keys(), await times()];
        fixture.clock.advance(60_000);
        const body = { keyKind: spelling };
        assert.equal((await fixture.send("POST", `${account}/regenerateKey`, { body })).status, 200);
        const [after, timesAfter] = [await keys(), await times()];
        const changed = (a: object, b: object): string[] =>
          Object.keys(a).filter(
            (key) => JSON.stringify(a[key as keyof typeof a]) !== JSON.stringify(b[key as keyof typeof b]),
          );
        assert.deepEqual(changed(before, after), [name]);
        assert.deepEqual(changed(timesBefore, timesAfter), [name]);
        assert.equal(timesAfter[name]?.generationTime, new Date(fixture.clock.now()).toISOString());
        const { connectionStrings } = (await fixture.send("POST", `${account}/listConnectionStrings`))
          .body as unknown as { connectionStrings: { connectionString: string }[] };
        const shown = connectionStrings.map(
          ({ connectionString }) => /^AccountEndpoint=[^;]+;AccountKey=([^;]+);$/.exec(connectionString)?.[1],
        );
        assert.deepEqual(shown, Object.values(after));
      });
    }
  }

  test("a kind that is none is 400, and nothing changes", async () => {
    const before = await keys();
    for (const body of [{}, { keyKind: "tertiary" }, { keyKind: 1 }, []])
      assert.equal(
        (await fixture.send("POST", `${account}/regenerateKey`, { body })).status,
        400,
        JSON.stringify(body),
      );
    assert.deepEqual(await keys(), before);
  });

  test("the times are the service's to write", async () => {
    const before = await times();
    const keysMetadata = { primaryMasterKey: { generationTime: "2001-01-01T00:00:00Z" } };
    await fixture.send("PATCH", account, { body: { properties: { keysMetadata } } });
    assert.deepEqual(await times(), before);
  });

  const calls = [
    ["POST", "listKeys"],
    ["POST", "readonlykeys"],
    ["GET", "readonlykeys"],
    ["POST", "listConnectionStrings"],
    ["POST", "regenerateKey"],
  ] as const;
  const roles: readonly (readonly [string | undefined, string])[] = [
    ["Owner", "+++++"],
    ["Contributor", "+++++"],
    ["DocumentDB Account Contributor", "+++++"],
    ["Cosmos DB Account Reader Role", "-++--"],
    ["Cosmos DB Operator", "-----"],
    ["Reader", "--+--"],
    ["User Access Administrator", "--+--"],
    [undefined, "-----"],
  ];
  for (const [role, cells] of roles) {
    test(`${role ?? "no role"}: ${cells}`, async () => {
      const caller = await fixture.user(`keys-${(role ?? "nobody").replaceAll(" ", "-")}`, role, group);
      for (const [at, [method, call]] of calls.entries()) {
        const body = call === "regenerateKey" ? { body: { keyKind: "secondary" } } : {};
        const answer = await fixture.send(method, `${account}/${call}`, { as: caller, ...body });
        const expected = cells[at] === "+" ? "200" : "403 AuthorizationFailed";
        assert.equal(outcome(answer), expected, `${method} ${call}`);
      }
    });
  }
});

describe("network rules and audit mode of an account", () => {
  before(open);
  const bad: readonly (readonly [string, object])[] = [
    ["an access that is none", { properties: { publicNetworkAccess: "Sometimes" } }],
    ["a rule that is no address", { properties: { ipRules: [{ ipAddressOrRange: "example.com" }] } }],
    ["a range that is too wide", { properties: { ipRules: [{ ipAddressOrRange: "1.2.3.4/33" }] } }],
    ["a rule without address", { properties: { ipRules: [{}] } }],
    ["a mode that is none", { tags: { "celestite-authorization": "off" } }],
  ];
  for (const [name, body] of bad) {
    test(`${name} is 400, and nothing changes`, async () => {
      const before = (await fixture.send("GET", account)).body;
      assert.equal((await fixture.send("PATCH", account, { body })).status, 400);
      assert.deepEqual((await fixture.send("GET", account)).body, before);
    });
  }

  test("they reach the data plane and leave it again", async () => {
    const stored = async () => fixture.cosmos.getAccount(fixture.store, "keys-db");
    await fixture.send("PATCH", account, {
      body: {
        tags: { "celestite-authorization": "audit" },
        properties: { ipRules: [{ ipAddressOrRange: "10.0.0.0/8" }] },
      },
    });
    assert.deepEqual((await stored())?.network, {
      publicNetworkAccess: "Enabled",
      ipRules: ["10.0.0.0/8"],
      virtualNetworkFilter: false,
    });
    assert.equal((await stored())?.authorization, "audit");
    await fixture.send("PATCH", account, { body: { tags: {}, properties: { ipRules: [] } } });
    assert.equal((await stored())?.network, undefined);
    assert.equal((await stored())?.authorization, undefined);
  });
});

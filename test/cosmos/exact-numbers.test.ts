/** Whole numbers of 64 bits, which clients with such integers send: what was written comes back to the digit. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { exactMembers, exactMembersOfEach } from "../../src/cosmos/wire/exact-numbers.ts";
import { type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

const docs = "/dbs/shop/colls/orders/docs";
const a = { "x-ms-documentdb-partitionkey": '["a"]' };
const long = "9007199254740993";

async function stored(fixture: CosmosFixture, id = "1"): Promise<string> {
  const reply = await fixture.sendSigned("GET", `${docs}/${id}`, { headers: a });
  assert.equal(outcome(reply), "200");
  const text = Buffer.from(reply.body ?? "").toString();
  return text.slice(0, text.indexOf(',"_rid"'));
}

describe("numbers of 64 bits", () => {
  const rows: readonly (readonly [sent: string, kept: string])[] = [
    [long, long],
    [`-${long}`, `-${long}`],
    ["9223372036854775807", "9223372036854775807"],
    ["-9223372036854775808", "-9223372036854775808"],
    ["18446744073709551615", "18446744073709551615"],
    ["18446744073709551617", "18446744073709552000"],
    ["-9223372036854775809", "-9223372036854776000"],
    ["9007199254740992", "9007199254740992"],
    ["1234567890123456.75", "1234567890123456.8"],
    ["1e20", "100000000000000000000"],
    [`"${long}"`, `"${long}"`],
    [`[1.50, ${long} ,"a b", {"b" : -0}]`, `[1.5,${long},"a b",{"b":0}]`],
    [`{"x":{"y":[${long}]},"z":"\\u00e9\\ud83d, ]}"}`, `{"x":{"y":[${long}]},"z":"é\ufffd, ]}"}`],
  ];
  for (const [sent, kept] of rows) {
    test(`${sent} is kept as ${kept}`, async () => {
      const fixture = await openCosmosFixture();
      const body = ` { "id" : "1", "pk":"a" , "_ts": ${long}, "n" :${sent} } `;
      for (const more of [{}, { "x-ms-documentdb-is-upsert": "true" }]) {
        const reply = await fixture.sendSigned("POST", docs, { headers: { ...a, ...more }, body });
        assert.ok(reply.status < 300);
        assert.ok(
          Buffer.from(reply.body ?? "")
            .toString()
            .startsWith(`{"id":"1","pk":"a","n":${kept},"_rid"`),
        );
      }
      assert.equal((await fixture.sendSigned("PUT", `${docs}/1`, { headers: a, body })).status, 200);
      assert.equal(await stored(fixture), `{"id":"1","pk":"a","n":${kept}`);
    });
  }

  test("a patch leaves them where it changes nothing", async () => {
    const fixture = await openCosmosFixture();
    const body = `{"id":"1","pk":"a","n":${long},"o":{"v":${long},"w":1}}`;
    await fixture.sendSigned("POST", docs, { headers: a, body });
    const patch = { operations: [{ op: "set", path: "/o/w", value: 2 }] };
    assert.equal((await fixture.sendSigned("PATCH", `${docs}/1`, { headers: a, body: patch })).status, 200);
    // The member that was changed is JSON of doubles again.
    assert.equal(await stored(fixture), `{"id":"1","pk":"a","n":${long},"o":{"v":9007199254740992,"w":2}`);
  });

  test("a patch to the double beside such a number is done", async () => {
    const fixture = await openCosmosFixture();
    const body = `{"id":"1","pk":"a","n":${long},"m":${long}}`;
    await fixture.sendSigned("POST", docs, { headers: a, body });
    const patch = { operations: [{ op: "set", path: "/n", value: Number(long) }] };
    assert.equal((await fixture.sendSigned("PATCH", `${docs}/1`, { headers: a, body: patch })).status, 200);
    assert.equal(await stored(fixture), `{"id":"1","pk":"a","n":9007199254740992,"m":${long}`);
  });

  for (const atomic of ["True", "False"]) {
    test(`parts of a ${atomic === "True" ? "batch" : "bulk request"} keep them`, async () => {
      const fixture = await openCosmosFixture();
      const part = (type: string, id: string, n: string): string =>
        `{"operationType":"${type}","id":"${id}","partitionKey":"[\\"a\\"]","resourceBody":{"id":"${id}","pk":"a","n":${n}}}`;
      const body = `[${part("Create", "1", "1")}, ${part("Create", "2", long)},${part("Upsert", "3", `[${long}]`)}]`;
      const batch = { "x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": atomic };
      const reply = await fixture.sendSigned("POST", docs, { headers: { ...a, ...batch }, body });
      assert.equal(reply.status, 200);
      assert.equal(await stored(fixture, "1"), '{"id":"1","pk":"a","n":1');
      assert.equal(await stored(fixture, "2"), `{"id":"2","pk":"a","n":${long}`);
      assert.equal(await stored(fixture, "3"), `{"id":"3","pk":"a","n":[${long}]`);
    });
  }

  test("the last of members with one name counts", () => {
    assert.equal(exactMembers(`{"n":${long},"n":1}`), undefined);
    assert.deepEqual(exactMembers(`{"n":1,"\\u006e":${long}}`), new Map([["n", long]]));
    assert.deepEqual(exactMembersOfEach(`[{"b":{"n":${long}},"b":1},{"b":{"n":${long}}}]`, "b"), [
      undefined,
      new Map([["n", long]]),
    ]);
  });
});

/** What is deleted is unreachable at once and gone from the store after a purge; what is left is untouched. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { containerSpaces, purge } from "../../../src/cosmos/engine/purge.ts";
import { prefixRange } from "../../../src/storage/keys.ts";
import { type CosmosFixture, openCosmosFixture, outcome } from "../fixture.ts";

const headers = { "x-ms-documentdb-partitionkey": '["a"]' };

async function stored(fixture: CosmosFixture): Promise<number> {
  const counts = await Promise.all(
    containerSpaces.map((space) => fixture.store.range(prefixRange([space]), 100_000)),
  );
  return counts.reduce((sum, entries) => sum + entries.length, 0);
}

test("a container made again under the same name starts empty, before and after the purge", async () => {
  const fixture = await openCosmosFixture();
  const docs = "/dbs/shop/colls/orders/docs";
  for (let i = 0; i < 20; i++)
    await fixture.sendSigned("POST", docs, { headers, body: { id: `${i}`, pk: "a" } });
  await fixture.sendSigned("POST", "/dbs/shop/colls/customers/docs", {
    headers,
    body: { id: "kept", pk: "a" },
  });
  const before = await stored(fixture);
  assert.equal(outcome(await fixture.sendSigned("DELETE", "/dbs/shop/colls/orders")), "204");
  assert.equal(outcome(await fixture.sendSigned("GET", `${docs}/1`, { headers })), "404/1003");
  const body = { id: "orders", partitionKey: { paths: ["/pk"] } };
  assert.equal(outcome(await fixture.sendSigned("POST", "/dbs/shop/colls", { body })), "201");
  assert.equal(outcome(await fixture.sendSigned("GET", `${docs}/1`, { headers })), "404");
  await purge(fixture.store);
  assert.equal(await stored(fixture), before - 60);
  assert.equal(
    outcome(await fixture.sendSigned("GET", "/dbs/shop/colls/customers/docs/kept", { headers })),
    "200",
  );
  await purge(fixture.store);
});

test("deleting a database marks all its containers", async () => {
  const fixture = await openCosmosFixture();
  await fixture.sendSigned("POST", "/dbs/shop/colls/orders/docs", { headers, body: { id: "1", pk: "a" } });
  assert.equal(outcome(await fixture.sendSigned("DELETE", "/dbs/shop")), "204");
  await purge(fixture.store);
  assert.equal(await stored(fixture), 0);
});

/** Node pools of a cluster, read and written beside the cluster's own list. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { group, openGroupFixture, outcome } from "../fixture.ts";

const cluster = `${group}/providers/Microsoft.ContainerService/managedClusters/aks`;

test("pools are those of the cluster, whichever way they are written", async () => {
  const fixture = await openGroupFixture();
  const pool = `${cluster}/agentPools/second`;
  assert.equal(
    outcome(await fixture.send("PUT", pool, { body: { properties: {} } })),
    "404 ResourceNotFound",
  );
  await fixture.send("PUT", cluster, {
    body: { location: "westeurope", properties: { agentPoolProfiles: [{ name: "first", count: 1 }] } },
  });
  const names = async (): Promise<readonly string[]> => {
    const { body } = await fixture.send("GET", `${cluster}/agentPools`);
    return ((body["value"] ?? []) as unknown as { name: string }[]).map(({ name }) => name);
  };
  assert.deepEqual(await names(), ["first"]);
  const made = await fixture.send("PUT", pool, { body: { properties: { count: 3 } } });
  assert.equal(made.body["properties"]?.["count"] as unknown, 3);
  const shown = (await fixture.send("GET", cluster)).body["properties"]?.["agentPoolProfiles"]?.[1];
  assert.equal(shown?.["name"] as unknown, "second");
  const changed = await fixture.send("PUT", pool.toUpperCase().replace("/SUBSCRIPTIONS", "/subscriptions"), {
    body: { properties: { count: 5 } },
  });
  assert.deepEqual([changed.body["name"], changed.body["properties"]?.["count"]] as unknown[], ["second", 5]);
  const reader = await fixture.user("reader", "Reader", group);
  assert.equal(outcome(await fixture.send("DELETE", pool, { as: reader })), "403 AuthorizationFailed");
  assert.deepEqual(await names(), ["first", "second"]);
  assert.equal((await fixture.send("DELETE", pool)).status, 204);
  assert.equal(outcome(await fixture.send("GET", pool)), "404 ResourceNotFound");
  assert.deepEqual(await names(), ["first"]);
  assert.deepEqual(fixture.faults, []);
});

/** The order of an account's regions, the regions there are, and which resources carry an identity. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ArmFixture, group, openGroupFixture, outcome, type Shown, subscription } from "../fixture.ts";

const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/shop`;
const change = `${account}/failoverPriorityChange`;

async function withRegions(): Promise<ArmFixture> {
  const fixture = await openGroupFixture();
  const locations = ["westeurope", "northeurope"].map((locationName, failoverPriority) => ({
    locationName,
    failoverPriority,
  }));
  await fixture.send("PUT", account, { body: { location: "westeurope", properties: { locations } } });
  return fixture;
}

const policy = (locationName: string, failoverPriority: number): object => ({
  locationName,
  failoverPriority,
});

test("the region of priority 0 takes writes", async () => {
  const fixture = await withRegions();
  const writer = async (): Promise<unknown> =>
    (await fixture.send("GET", account)).body["properties"]?.["writeLocations"]?.[0]?.["locationName"];
  assert.equal(await writer(), "West Europe");
  const failoverPolicies = [policy("North Europe", 0), policy("westeurope", 1)];
  assert.equal((await fixture.send("POST", change, { body: { failoverPolicies } })).status, 204);
  assert.equal(await writer(), "North Europe");
});

describe("orders of failover that are none", () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ["nothing", undefined],
    ["a region is missing", [policy("westeurope", 0)]],
    ["a region of another account", [policy("westeurope", 0), policy("eastus", 1)]],
    ["a priority twice", [policy("westeurope", 0), policy("northeurope", 0)]],
    ["a region twice", [policy("westeurope", 0), policy("westeurope", 1)]],
    ["a gap", [policy("westeurope", 0), policy("northeurope", 2)]],
    ["no numbers", [policy("westeurope", 0), { locationName: "northeurope" }]],
  ];
  for (const [name, failoverPolicies] of cases) {
    test(name, async () => {
      const fixture = await withRegions();
      const before = (await fixture.send("GET", account)).body;
      assert.equal(
        outcome(await fixture.send("POST", change, { body: { failoverPolicies } })),
        "400 BadRequest",
      );
      assert.deepEqual((await fixture.send("GET", account)).body, before);
    });
  }
});

test("regions can be listed and read", async () => {
  const { send } = await openGroupFixture();
  const all = `${subscription}/providers/Microsoft.DocumentDB/locations`;
  assert.ok(((await send("GET", all)).body["value"] as unknown as unknown[]).length > 30);
  assert.equal((await send("GET", `${all}/west%20europe`)).body["name"] as unknown, "West Europe");
  assert.equal(outcome(await send("GET", `${all}/atlantis`)), "404 ResourceNotFound");
});

test("an identity's hosts are named to those who may read them", async () => {
  const fixture = await openGroupFixture();
  const identity = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker`;
  const list = (as: string = fixture.owner): Promise<{ body: Shown }> =>
    fixture.send("POST", `${identity}/listAssociatedResources`, { body: {}, as });
  const names = ({ body }: { body: Shown }): readonly string[] =>
    ((body["value"] ?? []) as unknown as { name: string }[]).map(({ name }) => name).sort();
  await fixture.send("PUT", identity, { body: { location: "westeurope" } });
  assert.deepEqual(names(await list()), []);
  for (const name of ["a", "b"]) {
    await fixture.send("PUT", `${group}/providers/Microsoft.Web/sites/${name}`, {
      body: {
        location: "westeurope",
        identity: { type: "UserAssigned", userAssignedIdentities: { [identity]: {} } },
      },
    });
  }
  assert.deepEqual(names(await list()), ["a", "b"]);
  const user = await fixture.user("narrow", "Contributor", identity);
  assert.deepEqual(names(await list(user)), []);
  await fixture.grant(user, "Reader", `${group}/providers/Microsoft.Web/sites/b`);
  assert.deepEqual(names(await list(user)), ["b"]);
  assert.deepEqual(fixture.faults, []);
});

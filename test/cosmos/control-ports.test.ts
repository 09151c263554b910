/** A port that was opened for an account lives no longer than the account, however the attempt to make it ends. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { manualClock, seededEntropy } from "../../src/clock.ts";
import { type CosmosControl, createCosmosControl } from "../../src/cosmos/control.ts";
import { openEngine } from "../../src/cosmos/engine/engine.ts";
import { openMemory } from "../../src/storage/memory.ts";
import { group, openGroupFixture, outcome } from "../arm/fixture.ts";

async function openControl(
  fails: boolean = false,
): Promise<{ readonly control: CosmosControl; readonly open: Set<string> }> {
  const open = new Set<string>();
  const store = openMemory();
  const engine = await openEngine({ store, clock: manualClock(0), entropy: seededEntropy(3) });
  const control = createCosmosControl(engine, {
    async open(account) {
      if (fails) throw new Error("no free port");
      open.add(account.toLowerCase());
      return 1;
    },
    close: (account) => void open.delete(account.toLowerCase()),
    url: () => "https://localhost:1/",
  });
  return { control, open };
}

describe("a reserved port", () => {
  test("closes when the account was not made", async () => {
    const { control, open } = await openControl();
    await control.reservePort("shop");
    control.releasePort("shop");
    assert.deepEqual([...open], []);
  });

  test("stays while another request has it, in any letter case", async () => {
    const { control, open } = await openControl();
    await control.reservePort("shop");
    await control.reservePort("SHOP");
    control.releasePort("shop");
    assert.deepEqual([...open], ["shop"]);
    control.releasePort("Shop");
    assert.deepEqual([...open], []);
  });

  test("is not counted when it could not be opened, and an unasked release is harmless", async () => {
    const { control, open } = await openControl(true);
    await assert.rejects(control.reservePort("shop"), /no free port/);
    control.releasePort("shop");
    assert.deepEqual([...open], []);
  });
});

test("an account that is refused keeps the port of the one that has the name", async () => {
  const fixture = await openGroupFixture();
  const other = group.replace("/Shop", "/Other");
  assert.equal(outcome(await fixture.send("PUT", other, { body: { location: "westeurope" } })), "201");
  const put = (scope: string, name: string): ReturnType<typeof fixture.send> =>
    fixture.send("PUT", `${scope}/providers/Microsoft.DocumentDB/databaseAccounts/${name}`, {
      apiVersion: "2024-08-15",
      body: { location: "westeurope", properties: { databaseAccountOfferType: "Standard" } },
    });
  const made = await put(group, "kept");
  const { port } = new URL(String(made.body["properties"]?.["documentEndpoint"]));
  assert.equal(outcome(await put(other, "kept")), "400 BadRequest");
  assert.equal(String(await fixture.cosmos.reservePort("kept")), port);
});

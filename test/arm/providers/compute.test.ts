/** Machines are switched on and off and say so; images are found before a machine is made. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { group, openGroupFixture, outcome, subscription } from "../fixture.ts";

const machine = `${group}/providers/Microsoft.Compute/virtualMachines/vm`;

test("a machine is on until it is switched off, and a reader switches nothing", async () => {
  const fixture = await openGroupFixture();
  const power = async (): Promise<unknown> =>
    (await fixture.send("GET", `${machine}/instanceView`)).body["statuses"]?.[1]?.["code"];
  assert.equal(outcome(await fixture.send("POST", `${machine}/start`, { body: {} })), "404 ResourceNotFound");
  await fixture.send("PUT", machine, { body: { location: "westeurope", properties: {} } });
  const reader = await fixture.user("reader", "Reader", group);
  for (const [action, state] of [
    ["deallocate", "PowerState/deallocated"],
    ["start", "PowerState/running"],
    ["powerOff", "PowerState/stopped"],
    ["restart", "PowerState/running"],
  ] as const) {
    const before = await power();
    const refused = await fixture.send("POST", `${machine}/${action}`, { body: {}, as: reader });
    assert.equal(outcome(refused), "403 AuthorizationFailed");
    assert.equal(await power(), before);
    assert.equal((await fixture.send("POST", `${machine}/${action}`, { body: {} })).status, 200);
    assert.equal(await power(), state);
  }
  const plain = await fixture.send("GET", machine);
  assert.equal(plain.body["properties"]?.["instanceView"], undefined);
  assert.equal(plain.body["properties"]?.["powerState"], undefined);
  const expanded = await fixture.send("GET", `${machine}?$expand=instanceView`);
  assert.ok(expanded.body["properties"]?.["instanceView"]);
  assert.deepEqual(fixture.faults, []);
});

test("every image is there in one version, of the system that its publisher names", async () => {
  const { send } = await openGroupFixture();
  const of = (publisher: string): string =>
    `${subscription}/providers/Microsoft.Compute/locations/westeurope/publishers/${publisher}/artifacttypes/vmimage/offers/o/skus/s/versions`;
  const [first] = (await send("GET", of("Canonical"))).body as unknown as { name: string; id: string }[];
  assert.equal(first?.id, `${of("Canonical")}/1.0.0`);
  for (const [publisher, system] of [
    ["Canonical", "Linux"],
    ["MicrosoftWindowsServer", "Windows"],
  ] as const) {
    const { body } = await send("GET", `${of(publisher)}/latest`);
    assert.equal(body["properties"]?.["osDiskImage"]?.["operatingSystem"] as unknown, system);
    assert.equal(body["name"] as unknown, "1.0.0");
  }
});

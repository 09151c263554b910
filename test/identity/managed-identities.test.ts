import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ArmError } from "../../src/azure/arm-error.ts";
import { manualClock, seededEntropy } from "../../src/clock.ts";
import type { IdentityControl } from "../../src/identity/control.ts";
import { directoryLock } from "../../src/identity/control.ts";
import type { Directory } from "../../src/identity/directory.ts";
import { openDirectory } from "../../src/identity/directory.ts";
import { createIdentityControl } from "../../src/identity/managed-identities.ts";
import { openMemory } from "../../src/storage/memory.ts";
import type { Store, Transaction } from "../../src/storage/port.ts";
import { domain, hostId, startOfTime, tenantId, userAssignedId } from "./fixtures.ts";

interface Room {
  readonly store: Store;
  readonly control: IdentityControl;
  readonly directory: Directory;
  change<T>(fn: (transaction: Transaction) => Promise<T>): Promise<T>;
}

async function open(): Promise<Room> {
  const store = openMemory();
  const clock = manualClock(startOfTime);
  const { directory, context } = await openDirectory({
    store,
    clock,
    entropy: seededEntropy(3),
    tenantId,
    domain,
  });
  const control = createIdentityControl(context, (cluster) => `https://issuer.example.com/${cluster}/`);
  return { store, control, directory, change: (fn) => store.transact([directoryLock], fn) };
}

const web = hostId("web");
const orders = userAssignedId("orders");
const billing = userAssignedId("billing");

describe("user-assigned identities", () => {
  test("are made once, whatever the letter case of the id", async () => {
    const { change, control, store, directory } = await open();
    const made = await change((t) => control.putUserAssigned(t, orders, "orders"));
    assert.equal(made.resourceId, orders);
    assert.equal(made.kind, "user");
    assert.notEqual(made.principalId, made.clientId);
    assert.deepEqual(await change((t) => control.putUserAssigned(t, orders.toUpperCase(), "x")), made);
    assert.deepEqual(await control.getUserAssigned(store, orders.toLowerCase()), made);
    const principal = await directory.find(made.principalId);
    assert.deepEqual(principal, {
      objectId: made.principalId,
      tenantId,
      displayName: "orders",
      type: "ServicePrincipal",
      appId: made.clientId,
      resourceId: orders,
      managedIdentity: "user",
    });
    assert.deepEqual(await control.findByAppId(store, made.clientId.toUpperCase()), principal);
    assert.deepEqual(await control.findPrincipal(store, made.principalId), principal);
    assert.deepEqual(await directory.findByResourceId(orders), principal);
  });

  test("are seen inside the transaction that makes them, and nowhere if it fails", async () => {
    const { change, control, store } = await open();
    await assert.rejects(
      change(async (t) => {
        const made = await control.putUserAssigned(t, orders, "orders");
        assert.deepEqual((await control.findPrincipal(t, made.principalId))?.displayName, "orders");
        assert.equal(await control.getUserAssigned(store, orders), undefined);
        throw new Error("the resource could not be written");
      }),
      /could not be written/,
    );
    assert.equal(await control.getUserAssigned(store, orders), undefined);
  });

  test("go with their principal and leave every host", async () => {
    const { change, control, store, directory } = await open();
    const made = await change((t) => control.putUserAssigned(t, orders, "orders"));
    await change((t) => control.putUserAssigned(t, billing, "billing"));
    await change((t) =>
      control.putHostIdentities(t, web, { systemAssigned: false, userAssigned: [orders, billing] }),
    );
    await change((t) =>
      control.putHostIdentities(t, hostId("api"), { systemAssigned: false, userAssigned: [orders] }),
    );
    assert.notEqual(await directory.find(made.principalId), undefined);
    assert.equal(await change((t) => control.deleteUserAssigned(t, orders.toLowerCase())), true);
    assert.equal(await directory.find(made.principalId), undefined);
    assert.equal(await directory.findByAppId(made.clientId), undefined);
    assert.deepEqual(
      (await control.getHost(store, web))?.userAssigned.map((identity) => identity.resourceId),
      [billing],
    );
    assert.equal(await control.getHost(store, hostId("api")), undefined);
    assert.equal(await change((t) => control.deleteUserAssigned(t, orders)), false);
  });

  test("a new one under an old name is another principal and on no host", async () => {
    const { change, control, store } = await open();
    const first = await change((t) => control.putUserAssigned(t, orders, "orders"));
    await change((t) => control.putHostIdentities(t, web, { systemAssigned: true, userAssigned: [orders] }));
    await change((t) => control.deleteUserAssigned(t, orders));
    const second = await change((t) => control.putUserAssigned(t, orders, "orders"));
    assert.notEqual(second.principalId, first.principalId);
    assert.deepEqual((await control.getHost(store, web))?.userAssigned, []);
  });
});

describe("host identities", () => {
  test("a system-assigned identity is born once and dies with its host", async () => {
    const { change, control, store, directory } = await open();
    const wanted = { systemAssigned: true, userAssigned: [] };
    const host = await change((t) => control.putHostIdentities(t, web, wanted));
    const own = host.systemAssigned;
    assert.ok(own !== undefined);
    assert.equal(own.resourceId, web);
    assert.equal((await directory.find(own.principalId))?.displayName, "web");
    const again = await change((t) => control.putHostIdentities(t, web.toUpperCase(), wanted));
    assert.deepEqual(again, host);
    await change((t) => control.deleteHost(t, web));
    assert.equal(await directory.find(own.principalId), undefined);
    assert.equal(await control.getHost(store, web), undefined);
    const reborn = await change((t) => control.putHostIdentities(t, web, wanted));
    assert.notEqual(reborn.systemAssigned?.principalId, own.principalId);
  });

  test("switching the system-assigned identity off ends it", async () => {
    const { change, control, store, directory } = await open();
    const on = await change((t) =>
      control.putHostIdentities(t, web, { systemAssigned: true, userAssigned: [] }),
    );
    const off = await change((t) =>
      control.putHostIdentities(t, web, { systemAssigned: false, userAssigned: [] }),
    );
    assert.deepEqual(off, { hostResourceId: web, userAssigned: [] });
    assert.equal(await directory.find(on.systemAssigned?.principalId ?? ""), undefined);
    assert.equal(await control.getHost(store, web), undefined);
  });

  test("exactly the wanted user-assigned identities are attached, each once", async () => {
    const { change, control, store } = await open();
    const a = await change((t) => control.putUserAssigned(t, orders, "orders"));
    const b = await change((t) => control.putUserAssigned(t, billing, "billing"));
    const put = (userAssigned: string[]) =>
      change((t) => control.putHostIdentities(t, web, { systemAssigned: false, userAssigned }));
    assert.deepEqual((await put([orders, billing, orders.toUpperCase()])).userAssigned, [a, b]);
    assert.deepEqual((await put([billing])).userAssigned, [b]);
    assert.deepEqual((await control.getHost(store, web))?.userAssigned, [b]);
    await change((t) => control.deleteHost(t, web));
    assert.deepEqual(await control.getUserAssigned(store, billing), b);
  });

  test("an unknown user-assigned identity is refused and nothing changes", async () => {
    const { change, control, store } = await open();
    await change((t) => control.putUserAssigned(t, orders, "orders"));
    const before = await change((t) =>
      control.putHostIdentities(t, web, { systemAssigned: true, userAssigned: [orders] }),
    );
    await assert.rejects(
      change((t) =>
        control.putHostIdentities(t, web, { systemAssigned: false, userAssigned: [orders, billing] }),
      ),
      (error: unknown) =>
        error instanceof ArmError &&
        error.status === 400 &&
        error.detail.code === "FailedIdentityOperation" &&
        error.message.includes(billing),
    );
    assert.deepEqual(await control.getHost(store, web), before);
  });

  test("a host's own identity cannot be attached as user-assigned", async () => {
    const { change, control } = await open();
    await change((t) => control.putHostIdentities(t, web, { systemAssigned: true, userAssigned: [] }));
    const wanted = { systemAssigned: false, userAssigned: [web] };
    await assert.rejects(
      change((t) => control.putHostIdentities(t, hostId("api"), wanted)),
      ArmError,
    );
  });

  test("resource ids of any length work", async () => {
    const { change, control, store } = await open();
    const long = `${group256()}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${"x".repeat(3000)}`;
    const made = await change((t) => control.putUserAssigned(t, long, "long"));
    assert.deepEqual(await control.getUserAssigned(store, long.toUpperCase()), made);
    assert.equal(await control.getUserAssigned(store, `${long}y`), undefined);
  });

  test("names that are not this room's find nothing", async () => {
    const { control, store, change } = await open();
    assert.equal(await control.getHost(store, web), undefined);
    assert.equal(await control.getUserAssigned(store, ""), undefined);
    assert.equal(await control.findByAppId(store, tenantId), undefined);
    await change((t) => control.deleteHost(t, web));
  });
});

function group256(): string {
  return `/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/${"g".repeat(90)}`;
}

/** Changes of roles and keys that wait, as in the service: off by default, exact to the second when switched on. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Decision } from "../../src/authz/decision.ts";
import { startCommand } from "../../src/cli/start.ts";
import { cosmosLock } from "../../src/cosmos/control.ts";
import { outcome as armOutcome, group, openGroupFixture, subscription } from "../arm/fixture.ts";
import {
  accountId,
  accountName,
  bodyOf,
  type CosmosFixture,
  openCosmosFixture,
  outcome,
} from "../cosmos/fixture.ts";

const reader = "00000000-0000-0000-0000-000000000001";
const contributor = "00000000-0000-0000-0000-000000000002";
const guid = (at: number): string => `b0000000-0000-0000-0000-${String(at).padStart(12, "0")}`;
const inA = { "x-ms-documentdb-partitionkey": '["a"]' };
const item = "/dbs/shop/colls/orders/docs/1";

function change<T>(
  { store, control }: CosmosFixture,
  work: (parts: [Parameters<typeof control.deleteRoleAssignment>[0], string]) => Promise<T>,
): Promise<T> {
  return store.transact([cosmosLock(accountName)], (transaction) => work([transaction, accountName]));
}

describe("data roles", () => {
  test("without the setting every change acts on the next request", async () => {
    const fixture = await openCosmosFixture();
    const worker = await fixture.principal("worker");
    const read = async (): Promise<string> => outcome(await fixture.sendAs(worker, "GET", item, inA));
    assert.equal(await read(), "403/5302");
    await fixture.assign(guid(1), worker, reader);
    assert.equal(await read(), "404");
    await change(fixture, (at) => fixture.control.deleteRoleAssignment(...at, guid(1)));
    assert.equal(await read(), "403/5302");
  });

  test("an assignment grants only after the delay, and its deletion takes as long", async () => {
    const fixture = await openCosmosFixture({ accessDelays: { roles: 60_000, keys: 0 } });
    const worker = await fixture.principal("worker");
    const read = async (): Promise<string> => outcome(await fixture.sendAs(worker, "GET", item, inA));
    await fixture.assign(guid(1), worker, reader);
    assert.equal(await read(), "403/5302");
    const decision = fixture.records.at(-1)?.decision as Decision | undefined;
    assert.deepEqual(
      decision?.considered.map(({ assignmentId, failed }) => [assignmentId, failed]),
      [[guid(1), ["pending"]]],
    );
    fixture.clock.advance(59_999);
    assert.equal(await read(), "403/5302");
    fixture.clock.advance(1);
    assert.equal(await read(), "404");
    await change(fixture, (at) => fixture.control.deleteRoleAssignment(...at, guid(1)));
    fixture.clock.advance(59_999);
    assert.equal(await read(), "404");
    fixture.clock.advance(1);
    assert.equal(await read(), "403/5302");
    assert.deepEqual(await fixture.control.listRoleAssignments(fixture.store, accountName), []);
  });

  test("what is made and unmade within the delay grants nothing, ever", async () => {
    const fixture = await openCosmosFixture({ accessDelays: { roles: 60_000, keys: 0 } });
    const worker = await fixture.principal("worker");
    await fixture.assign(guid(1), worker, reader);
    await change(fixture, (at) => fixture.control.deleteRoleAssignment(...at, guid(1)));
    for (const step of [0, 30_000, 30_000, 60_000]) {
      fixture.clock.advance(step);
      assert.equal(outcome(await fixture.sendAs(worker, "GET", item, inA)), "403/5302");
    }
  });

  test("a definition that loses an action loses it after the delay; what is stored is shown at once", async () => {
    const fixture = await openCosmosFixture({ accessDelays: { roles: 10_000, keys: 0 } });
    const worker = await fixture.principal("worker");
    const role = guid(7);
    const define = (dataActions: readonly string[]): Promise<unknown> =>
      change(fixture, (at) =>
        fixture.control.putRoleDefinition(...at, {
          name: role,
          roleName: "mine",
          type: "CustomRole",
          assignableScopes: [accountId],
          permissions: [{ dataActions, notDataActions: [] }],
        }),
      );
    const prefix = "Microsoft.DocumentDB/databaseAccounts/";
    const read = `${prefix}sqlDatabases/containers/items/read`;
    const remove = `${prefix}sqlDatabases/containers/items/delete`;
    await define([read, remove]);
    await fixture.assign(guid(1), worker, role);
    fixture.clock.advance(10_000);
    await define([read]);
    const stored = await fixture.control.getRoleDefinition(fixture.store, accountName, role);
    assert.deepEqual(stored?.permissions[0]?.dataActions, [read]);
    const removes = async (): Promise<string> => outcome(await fixture.sendAs(worker, "DELETE", item, inA));
    assert.equal(await removes(), "404");
    fixture.clock.advance(10_000);
    assert.equal(await removes(), "403/5302");
    assert.equal(outcome(await fixture.sendAs(worker, "GET", item, inA)), "404");
  });

  test("the delay is of changes: what was stored before a start is in effect", async () => {
    const first = await openCosmosFixture();
    const worker = await first.principal("worker");
    await first.assign(guid(1), worker, contributor);
    const again = await openCosmosFixture({ store: first.store, accessDelays: { roles: 60_000, keys: 0 } });
    assert.equal(outcome(await again.sendAs(worker, "GET", item, inA)), "404");
  });
});

describe("account keys", () => {
  const regenerate = (fixture: CosmosFixture): Promise<void> =>
    change(fixture, ([transaction, account]) =>
      fixture.control.regenerateKey(transaction, account, "primary"),
    );

  const withKey = async (fixture: CosmosFixture, secret: string): Promise<string> =>
    outcome(await fixture.sendSigned("GET", "/dbs/shop", { secret }));

  const primaryOf = async (fixture: CosmosFixture): Promise<string> =>
    (await fixture.control.listKeys(fixture.store, accountName))?.primaryMasterKey ?? "";

  test("without the setting the old value ends at once", async () => {
    const fixture = await openCosmosFixture();
    const old = await primaryOf(fixture);
    await regenerate(fixture);
    assert.deepEqual(
      [await withKey(fixture, old), await withKey(fixture, await primaryOf(fixture))],
      ["401", "200"],
    );
  });

  test("with it both are taken until the old one's time is over, each for its own time", async () => {
    const fixture = await openCosmosFixture({ accessDelays: { roles: 0, keys: 60_000 } });
    const first = await primaryOf(fixture);
    await regenerate(fixture);
    fixture.clock.advance(40_000);
    const second = await primaryOf(fixture);
    await regenerate(fixture);
    const third = await primaryOf(fixture);
    const all = async (): Promise<readonly string[]> => [
      await withKey(fixture, first),
      await withKey(fixture, second),
      await withKey(fixture, third),
    ];
    assert.deepEqual(await all(), ["200", "200", "200"]);
    fixture.clock.advance(19_999);
    assert.deepEqual(await all(), ["200", "200", "200"]);
    fixture.clock.advance(1);
    assert.deepEqual(await all(), ["401", "200", "200"]);
    await fixture.setAccount({ disableLocalAuth: true });
    assert.deepEqual(await all(), ["401/5202", "401/5202", "401/5202"]);
    await fixture.setAccount({});
    assert.deepEqual(await all(), ["401", "200", "200"]);
    fixture.clock.advance(40_000);
    assert.deepEqual(await all(), ["401", "401", "200"]);
  });

  test("a resource token lives as long as the key that it was asked for with", async () => {
    const fixture = await openCosmosFixture({ accessDelays: { roles: 0, keys: 60_000 } });
    await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "u" } });
    const body = { id: "p", permissionMode: "Read", resource: "dbs/shop/colls/orders" };
    const made = await fixture.sendSigned("POST", "/dbs/shop/users/u/permissions", { body });
    const authorization = encodeURIComponent(String(bodyOf(made)["_token"]));
    const read = async (): Promise<string> =>
      outcome(await fixture.send("GET", "/dbs/shop/colls/orders", { authorization }));
    await regenerate(fixture);
    fixture.clock.advance(59_999);
    assert.equal(await read(), "200");
    fixture.clock.advance(1);
    assert.equal(await read(), "401");
  });
});

describe("Azure roles", () => {
  const listResources = `${group}/resources`;

  test("an assignment grants only after the delay, and its deletion takes as long", async () => {
    const fixture = await openGroupFixture({ roleDelay: 60_000 });
    const worker = await fixture.user("worker");
    const read = async (): Promise<string> =>
      armOutcome(await fixture.send("GET", group, { as: worker, apiVersion: "2021-04-01" }));
    const granted = await fixture.grant(worker, "Reader", subscription);
    assert.equal(await read(), "403 AuthorizationFailed");
    const decision = fixture.records.at(-1)?.decision as Decision | undefined;
    assert.deepEqual(decision?.considered.at(-1)?.failed, ["pending"]);
    fixture.clock.advance(59_999);
    assert.equal(await read(), "403 AuthorizationFailed");
    fixture.clock.advance(1);
    assert.equal(await read(), "200");
    const id = String(granted.body["id"]);
    assert.equal((await fixture.send("DELETE", id, { apiVersion: "2022-04-01" })).status, 200);
    assert.equal(
      armOutcome(await fixture.send("GET", id, { apiVersion: "2022-04-01" })),
      "404 RoleAssignmentNotFound",
    );
    fixture.clock.advance(59_999);
    assert.equal(await read(), "200");
    fixture.clock.advance(1);
    assert.equal(await read(), "403 AuthorizationFailed");
  });

  test("what is made and unmade within the delay grants nothing, ever", async () => {
    const fixture = await openGroupFixture({ roleDelay: 60_000 });
    const worker = await fixture.user("worker");
    const granted = await fixture.grant(worker, "Reader", subscription);
    await fixture.send("DELETE", String(granted.body["id"]), { apiVersion: "2022-04-01" });
    for (const step of [0, 30_000, 30_000, 60_000]) {
      fixture.clock.advance(step);
      const answer = await fixture.send("GET", listResources, { as: worker, apiVersion: "2021-04-01" });
      assert.ok(answer.status === 403 || (answer.body["value"] as unknown as unknown[]).length === 0);
    }
  });
});

describe("the setting", () => {
  for (const [option, value] of [
    ["--role-delay", "soon"],
    ["--role-delay", "-1"],
    ["--role-delay", "1.5"],
    ["--role-delay", ""],
    ["--key-delay", "86401"],
  ] as const) {
    test(`'${option}=${value}' is refused before anything starts`, async () => {
      const silent = { out: () => {}, error: () => {} };
      await assert.rejects(startCommand.run([`${option}=${value}`], silent), /takes a number of seconds/);
    });
  }
});

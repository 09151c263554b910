/** The service's limits on data roles of one account: 100 definitions, 2000 assignments; and that access still holds there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Decision } from "../../src/authz/decision.ts";
import { cosmosLock } from "../../src/cosmos/control.ts";
import { accountId, accountName, type CosmosFixture, openCosmosFixture, outcome } from "../cosmos/fixture.ts";

const guid = (kind: number, at: number): string =>
  `0000000${kind}-0000-4000-8000-${String(at).padStart(12, "0")}`;
const read = "Microsoft.DocumentDB/databaseAccounts/readMetadata";

async function define(fixture: CosmosFixture, at: number): Promise<void> {
  await fixture.store.transact([cosmosLock(accountName)], (transaction) =>
    fixture.control.putRoleDefinition(transaction, accountName, {
      name: guid(1, at),
      roleName: `Role ${at}`,
      type: "CustomRole",
      assignableScopes: [accountId],
      permissions: [{ dataActions: [read], notDataActions: [] }],
    }),
  );
}

test("the hundred and first definition is refused; changing one of the hundred is not", async () => {
  const fixture = await openCosmosFixture();
  for (let at = 0; at < 100; at++) await define(fixture, at);
  await assert.rejects(define(fixture, 100), { status: 400 });
  await define(fixture, 7);
  await fixture.store.transact([cosmosLock(accountName)], (transaction) =>
    fixture.control.deleteRoleDefinition(transaction, accountName, guid(1, 7)),
  );
  await define(fixture, 100);
});

test("the two thousand and first assignment is refused, and the last of them grants", async () => {
  const fixture = await openCosmosFixture();
  await define(fixture, 1);
  const principal = await fixture.principal("last");
  await fixture.store.transact([cosmosLock(accountName)], async (transaction) => {
    for (let at = 0; at < 2000; at++) {
      await fixture.control.putRoleAssignment(transaction, accountName, {
        name: guid(2, at),
        roleDefinitionId: `${accountId}/sqlRoleDefinitions/${guid(1, 1)}`,
        principalId: at === 1999 ? principal : guid(3, at),
        scope: accountId,
      });
    }
  });
  assert.equal(outcome(await fixture.sendAs(principal, "GET", "/dbs")), "200");
  assert.equal(outcome(await fixture.sendAs(principal, "GET", "/dbs/shop/colls/orders/docs")), "403/5302");
  const decision = fixture.records.at(-1)?.decision as Extract<Decision, { allowed: false }> | undefined;
  assert.equal(decision?.considered.length, 100, "a denial that is remembered stays small");
  assert.equal(decision?.notShown, 1900);
  const own = decision?.considered.filter((each) => each.principalId === principal);
  assert.deepEqual(
    own?.map(({ assignmentId, failed }) => [assignmentId, failed]),
    [[guid(2, 1999), ["action"]]],
  );
  const one = fixture.assign(guid(2, 2000), await fixture.principal("late"), guid(1, 1));
  await assert.rejects(one, { status: 400 });
});

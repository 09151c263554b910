/** Which resources tokens are issued for: what one of the accounts that exist takes, and nothing that only looks like it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { knownResources } from "../../src/composition/resources.ts";
import { cosmosLock } from "../../src/cosmos/control.ts";
import { accountName, openCosmosFixture } from "../cosmos/fixture.ts";

/** The port of the fixture's account, and one of another listener. */
const [port, other] = [18081, 18072];

test("the names of accounts and listeners that are there, for as long as they are", async () => {
  const fixture = await openCosmosFixture();
  const known = knownResources(fixture.engine, () => [other]);
  const table: readonly (readonly [string, boolean])[] = [
    ["https://acct.documents.azure.com", true],
    ["https://ACCT.documents.azure.com/", true],
    ["https://acct.sql.cosmos.azure.com", true],
    ["https://acct.sqlx.cosmos.azure.com", true],
    [`https://localhost:${port}`, true],
    [`https://127.0.0.1:${other}`, true],
    ["https://localhost", true],
    ["https://acct1.documents.azure.com", false],
    ["https://acct.cosmos.azure.com", false],
    ["https://acct.documents.azure.com:444", false],
    ["https://acct.documents.azure.com.example", false],
    ["http://acct.documents.azure.com", false],
    ["acct", false],
    ["https://localhost:18099", false],
    ["https://localhost.example", false],
  ];
  for (const [audience, expected] of table) assert.equal(known(audience), expected, audience);
  await fixture.store.transact([cosmosLock(accountName)], (transaction) =>
    fixture.control.deleteAccount(transaction, accountName),
  );
  for (const audience of ["https://acct.documents.azure.com", `https://localhost:${port}`]) {
    assert.equal(known(audience), false, audience);
  }
  assert.equal(known(`https://localhost:${other}`), true);
});

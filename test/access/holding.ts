/** What the tests of attacks share: principals that hold exactly some actions, and resources to aim at. */
import assert from "node:assert/strict";
import { cosmosLock } from "../../src/cosmos/control.ts";
import { accountId, accountName, bodyOf, type CosmosFixture } from "../cosmos/fixture.ts";

export const prefix = "Microsoft.DocumentDB/databaseAccounts/";
export const containers: string = `${prefix}sqlDatabases/containers/`;
export const items: string = `${containers}items/`;
export const orders = "/dbs/shop/colls/orders";
export const inA = { "x-ms-documentdb-partitionkey": '["a"]' } as const;
export const inB = { "x-ms-documentdb-partitionkey": '["b"]' } as const;
export const query = { "x-ms-documentdb-isquery": "true", "content-type": "application/query+json" } as const;
export const batch = { "x-ms-cosmos-is-batch-request": "True" } as const;
export const atomic: Readonly<Record<string, string>> = { ...batch, "x-ms-cosmos-batch-atomic": "True" };
export const select = { query: "SELECT * FROM c" } as const;

let names = 0;
export const guid = (): string => `f0000000-0000-0000-0000-${String(++names).padStart(12, "0")}`;

type Transaction = Parameters<CosmosFixture["control"]["deleteDatabase"]>[0];

export function change<T>(
  { store }: CosmosFixture,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  return store.transact([cosmosLock(accountName)], work);
}

/** A principal with a role of these actions at this place. */
export async function holding(
  fixture: CosmosFixture,
  dataActions: readonly string[],
  scope = "",
): Promise<string> {
  const role = guid();
  await change(fixture, (transaction) =>
    fixture.control.putRoleDefinition(transaction, accountName, {
      name: role,
      roleName: role,
      type: "CustomRole",
      assignableScopes: [accountId],
      permissions: [{ dataActions, notDataActions: [] }],
    }),
  );
  const principal = await fixture.principal(`p${role}`);
  await fixture.assign(guid(), principal, role, scope);
  return principal;
}

export async function containersNamed(
  fixture: CosmosFixture,
  database: string,
  ids: readonly string[],
): Promise<void> {
  await change(fixture, async (transaction) => {
    await fixture.control.putDatabase(transaction, accountName, { id: database });
    for (const id of ids) {
      await fixture.control.putContainer(transaction, accountName, database, {
        id,
        partitionKey: { paths: ["/pk"], kind: "Hash" },
      });
    }
  });
}

/** The authorization header with the token of a new permission of a new user. */
export async function tokenOf(
  fixture: CosmosFixture,
  permission: object,
  database = "shop",
): Promise<string> {
  const user = `u${++names}`;
  await fixture.sendSigned("POST", `/dbs/${database}/users`, { body: { id: user } });
  const made = await fixture.sendSigned("POST", `/dbs/${database}/users/${user}/permissions`, {
    body: { id: "p", ...permission },
  });
  assert.equal(made.status, 201, JSON.stringify(bodyOf(made)));
  return encodeURIComponent(String(bodyOf(made)["_token"]));
}

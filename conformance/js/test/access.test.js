/** What a program with a data role does besides single items: batches, bulk, patches, feeds, procedures, conflicts. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CosmosDBManagementClient } from "@azure/arm-cosmosdb";
import { BulkOperationType, ChangeFeedStartFrom, CosmosClient } from "@azure/cosmos";
import { ManagedIdentityCredential } from "@azure/identity";

const env = process.env;
const credentialOf = (clientId) => new ManagedIdentityCredential({ clientId });
const client = new CosmosClient({
  endpoint: env.COSMOS_ENDPOINT,
  aadCredentials: credentialOf(env.CONFORMANCE_workerClientId),
});
const orders = client.database("shop").container("orders");
const pk = "js-access";
const item = (id, n = 0) => ({ id, partitionKey: pk, n });

const procedure = `js-access-${process.pid}`;
const { sqlResources } = new CosmosDBManagementClient(
  credentialOf(env.CONFORMANCE_operatorClientId),
  env.CONFORMANCE_subscriptionId,
  { endpoint: env.CONFORMANCE_arm },
);
const at = ["conformance", env.CONFORMANCE_accountName, "shop", "orders", procedure];
const poll = { updateIntervalInMs: 20 };

before(async () => {
  const body = "function (n) { getContext().getResponse().setBody(n + 1); }";
  await sqlResources.beginCreateUpdateSqlStoredProcedureAndWait(
    ...at,
    { resource: { id: procedure, body } },
    poll,
  );
});
after(() => sqlResources.beginDeleteSqlStoredProcedureAndWait(...at, poll));

test("a stored procedure runs with the right to execute; its text is never open to a token", async () => {
  const { resource } = await orders.scripts.storedProcedure(procedure).execute(pk, [41]);
  assert.equal(resource, 42);
  await assert.rejects(orders.scripts.storedProcedure(procedure).read(), { code: 403, substatus: 5300 });
});

test("a transactional batch of every kind of operation", async () => {
  await orders.items.upsert(item("batch-1", 1));
  const { result } = await orders.items.batch(
    [
      { operationType: BulkOperationType.Create, resourceBody: item(`batch-${process.pid}`) },
      { operationType: BulkOperationType.Upsert, resourceBody: item("batch-2") },
      { operationType: BulkOperationType.Read, id: "batch-1" },
      { operationType: BulkOperationType.Replace, id: "batch-1", resourceBody: item("batch-1", 2) },
      { operationType: BulkOperationType.Delete, id: `batch-${process.pid}` },
    ],
    pk,
  );
  assert.deepEqual(
    result.map(({ statusCode }) => statusCode < 300),
    [true, true, true, true, true],
  );
});

test("bulk and patch", async () => {
  const operations = Array.from({ length: 20 }, (_, n) => ({
    operationType: BulkOperationType.Upsert,
    partitionKey: pk,
    resourceBody: item(`bulk-${n}`, n),
  }));
  const results = await orders.items.executeBulkOperations(operations);
  assert.ok(results.every(({ response }) => response?.statusCode < 300));
  const { resource } = await orders.item("bulk-3", pk).patch([{ op: "incr", path: "/n", value: 4 }]);
  assert.equal(resource.n, 7);
});

test("all items of a partition, many by their names, and the change feed", async () => {
  await orders.items.upsert(item("feed-1", 1));
  const { resources } = await orders.items.readAll({ partitionKey: pk }).fetchAll();
  assert.ok(resources.some(({ id }) => id === "feed-1"));
  const changes = orders.items.getChangeFeedIterator({
    maxItemCount: 50,
    changeFeedStartFrom: ChangeFeedStartFrom.Beginning(pk),
  });
  const { result } = await changes.readNext();
  assert.ok(result.length > 0 && result.every(({ partitionKey }) => partitionKey === pk));
});

test("conflicts are listed with the right to manage them", async () => {
  assert.deepEqual((await orders.conflicts.readAll().fetchAll()).resources, []);
});

test("a whole partition is deleted with the right to delete items", async () => {
  const doomed = `doomed-${process.pid}`;
  await orders.items.create({ id: "1", partitionKey: doomed });
  await orders.deleteAllItemsForPartitionKey(doomed);
  const query = "SELECT VALUE COUNT(1) FROM c";
  assert.deepEqual((await orders.items.query(query, { partitionKey: doomed }).fetchAll()).resources, [0]);
});

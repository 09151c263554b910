/** Items, feeds and queries through the newest @azure/cosmos with a managed identity. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { CosmosClient } from "@azure/cosmos";
import { ManagedIdentityCredential } from "@azure/identity";

const env = process.env;
const clientOf = (clientId) =>
  new CosmosClient({
    endpoint: env.COSMOS_ENDPOINT,
    aadCredentials: new ManagedIdentityCredential({ clientId }),
  });
const worker = clientOf(env.CONFORMANCE_workerClientId);
const reader = clientOf(env.CONFORMANCE_readerClientId);
const orders = worker.database("shop").container("orders");
const pk = "js-items";

before(async () => {
  for (let n = 0; n < 25; n++)
    await orders.items.upsert({ id: `n-${n}`, partitionKey: pk, n, even: n % 2 === 0 });
});

test("create returns the item with its system properties, etag and session token", async () => {
  const id = `created-${process.pid}`;
  const response = await orders.items.create({ id, partitionKey: pk, text: "żółć 🦊" });
  assert.equal(response.statusCode, 201);
  assert.equal(response.resource.text, "żółć 🦊");
  assert.equal(response.etag, response.resource._etag);
  assert.match(response.headers["x-ms-session-token"], /^0:-1#\d+$/);
  assert.ok(response.requestCharge > 0);
  await assert.rejects(orders.items.create({ id, partitionKey: pk }), { code: 409 });
  const removed = await orders.item(id, pk).delete();
  assert.equal(removed.statusCode, 204);
  assert.equal((await orders.item(id, pk).read()).statusCode, 404);
});

test("upsert creates with 201 and replaces with 200", async () => {
  const item = { id: `upserted-${process.pid}`, partitionKey: pk };
  assert.equal((await orders.items.upsert(item)).statusCode, 201);
  assert.equal((await orders.items.upsert({ ...item, again: true })).statusCode, 200);
});

test("replace honours If-Match", async () => {
  const { resource, etag } = await orders.items.upsert({ id: "replaced", partitionKey: pk, v: 1 });
  const stale = { accessCondition: { type: "IfMatch", condition: etag } };
  const replaced = await orders.item("replaced", pk).replace({ ...resource, v: 2 }, stale);
  assert.equal(replaced.resource.v, 2);
  assert.notEqual(replaced.etag, etag);
  await assert.rejects(orders.item("replaced", pk).replace({ ...resource, v: 3 }, stale), { code: 412 });
  await assert.rejects(orders.item("missing", pk).replace({ id: "missing", partitionKey: pk }), {
    code: 404,
  });
});

test("If-None-Match on a read answers 304", async () => {
  const { etag } = await orders.item("n-1", pk).read();
  const again = await orders
    .item("n-1", pk)
    .read({ accessCondition: { type: "IfNoneMatch", condition: etag } });
  assert.equal(again.statusCode, 304);
});

test("the partition key of the header must be the item's", async () => {
  await assert.rejects(orders.item("n-1", pk).replace({ id: "n-1", partitionKey: "elsewhere" }), {
    code: 400,
    substatus: 1001,
  });
});

const queries = [
  ["SELECT VALUE COUNT(1) FROM c WHERE c.partitionKey = @pk AND STARTSWITH(c.id, 'n-')", [25]],
  ["SELECT c.n FROM c WHERE c.partitionKey = @pk AND c.n >= 23 ORDER BY c.n DESC", [{ n: 24 }, { n: 23 }]],
  ["SELECT TOP 2 VALUE c.n FROM c WHERE c.partitionKey = @pk AND c.even = true ORDER BY c.n", [0, 2]],
  ["SELECT VALUE SUM(c.n) FROM c WHERE c.partitionKey = @pk AND c.n < 5", [10]],
  ["SELECT VALUE c.id FROM c WHERE c.partitionKey = @pk AND c.n IN (3, 4) OFFSET 1 LIMIT 1", ["n-4"]],
  [
    "SELECT VALUE { half: c.n / 2, upper: UPPER(c.id) } FROM c WHERE c.partitionKey = @pk AND c.n = 3",
    [{ half: 1.5, upper: "N-3" }],
  ],
];
for (const [query, expected] of queries) {
  test(query, async () => {
    const spec = { query, parameters: [{ name: "@pk", value: pk }] };
    assert.deepEqual((await orders.items.query(spec).fetchAll()).resources, expected);
    assert.deepEqual((await orders.items.query(spec, { partitionKey: pk }).fetchAll()).resources, expected);
  });
}

test("paging returns every row once", async () => {
  const iterator = orders.items.query("SELECT VALUE c.n FROM c WHERE STARTSWITH(c.id, 'n-')", {
    partitionKey: pk,
    maxItemCount: 4,
  });
  const pages = [];
  while (iterator.hasMoreResults()) pages.push((await iterator.fetchNext()).resources ?? []);
  assert.ok(pages.length >= 7);
  assert.deepEqual(
    pages.flat().sort((a, b) => a - b),
    [...Array(25).keys()],
  );
});

test("a malformed query is 400 with the service's error code", async () => {
  await assert.rejects(orders.items.query("SELECT * FORM c").fetchAll(), (error) => {
    assert.equal(error.code, 400);
    assert.match(error.message, /SC1001/);
    return true;
  });
});

test("reading databases and containers needs only metadata rights, changing them is never possible with a token", async () => {
  assert.equal((await worker.database("shop").read()).resource.id, "shop");
  assert.deepEqual((await orders.read()).resource.partitionKey.paths, ["/partitionKey"]);
  const { resources } = await worker.database("shop").containers.readAll().fetchAll();
  assert.deepEqual(resources.map((container) => container.id).sort(), ["customers", "orders"]);
  await assert.rejects(worker.databases.create({ id: "new" }), { code: 403, substatus: 5300 });
  await assert.rejects(worker.database("shop").containers.create({ id: "new", partitionKey: "/pk" }), {
    code: 403,
    substatus: 5300,
  });
  await assert.rejects(orders.delete(), { code: 403, substatus: 5300 });
});

const own = reader.database("shop").container("orders");
const allowed = {
  "read an item": () => own.item("n-1", pk).read(),
  query: () => own.items.query("SELECT VALUE COUNT(1) FROM c").fetchAll(),
  "read the container": () => own.read(),
};
for (const [name, work] of Object.entries(allowed)) test(`a reader may ${name}`, work);

const refused = {
  "create an item": () => own.items.create({ id: "no", partitionKey: pk }),
  "upsert an item": () => own.items.upsert({ id: "no", partitionKey: pk }),
  "replace an item": () => own.item("n-1", pk).replace({ id: "n-1", partitionKey: pk }),
  "delete an item": () => own.item("n-1", pk).delete(),
};
for (const [name, work] of Object.entries(refused)) {
  test(`a reader may not ${name}`, () => assert.rejects(work(), { code: 403, substatus: 5302 }));
}

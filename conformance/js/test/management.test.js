/** Databases, containers, throughput, scripts, users and the feeds of them through @azure/cosmos with an account key. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  BulkOperationType,
  CosmosClient,
  PermissionMode,
  TriggerOperation,
  TriggerType,
} from "@azure/cosmos";

const env = process.env;
const client = new CosmosClient({ endpoint: env.CONFORMANCE_keyEndpoint, key: env.CONFORMANCE_key });
const name = `js-${process.pid}`;
let database;
let container;

before(async () => {
  ({ database } = await client.databases.create({ id: name }));
  ({ container } = await database.containers.create({ id: "c", partitionKey: { paths: ["/pk"] } }));
});
after(async () => {
  assert.equal((await database.delete()).statusCode, 204);
  await assert.rejects(database.read(), { code: 404 });
  await assert.rejects(database.delete(), { code: 404 });
});

const items = (count, pk = "a") => Array.from({ length: count }, (_, n) => ({ id: `${n}`, pk, n }));

describe("databases", () => {
  test("are created once, listed, queried and read", async () => {
    await assert.rejects(client.databases.create({ id: name }), { code: 409 });
    await assert.rejects(client.databases.create({ id: "a#b" }));
    const ids = (await client.databases.readAll().fetchAll()).resources.map(({ id }) => id);
    assert.ok(ids.includes(name));
    const spec = {
      query: "SELECT * FROM root r WHERE r.id = @id",
      parameters: [{ name: "@id", value: name }],
    };
    assert.equal((await client.databases.query(spec).fetchAll()).resources[0].id, name);
    assert.equal((await database.read()).resource.id, name);
    await assert.rejects(client.database("none").read(), { code: 404 });
  });
});

describe("containers", () => {
  test("are created, replaced with an etag, queried and deleted", async () => {
    const { container: own } = await database.containers.create({ id: "own", partitionKey: "/pk" });
    await assert.rejects(database.containers.create({ id: "own", partitionKey: "/pk" }), { code: 409 });
    const { resource } = await own.read();
    const replaced = await own.replace({ ...resource, defaultTtl: 100 });
    assert.equal(replaced.resource.defaultTtl, 100);
    await assert.rejects(own.replace({ ...resource, partitionKey: { paths: ["/other"], kind: "Hash" } }), {
      code: 400,
    });
    const stale = { accessCondition: { type: "IfMatch", condition: resource._etag } };
    await assert.rejects(own.replace(resource, stale), { code: 412 });
    const { resources } = await database.containers.query("SELECT * FROM r WHERE r.id = 'own'").fetchAll();
    assert.equal(resources.length, 1);
    assert.equal((await own.delete()).statusCode, 204);
    await assert.rejects(own.read(), { code: 404 });
    await assert.rejects(client.database("none").containers.create({ id: "x", partitionKey: "/pk" }), {
      code: 404,
    });
  });

  test("keep unique keys and times to live", async () => {
    const { container: own } = await database.containers.create({
      id: "unique",
      partitionKey: "/pk",
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ["/mail"] }] },
      defaultTtl: -1,
    });
    await own.items.create({ id: "1", pk: "a", mail: "m", ttl: 1 });
    await assert.rejects(own.items.create({ id: "2", pk: "a", mail: "m" }), { code: 409 });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    assert.equal((await own.item("1", "a").read()).statusCode, 404);
    assert.equal((await own.items.create({ id: "2", pk: "a", mail: "m" })).statusCode, 201);
  });

  test("tell their ranges and their quota", async () => {
    const ranges = (await container.readPartitionKeyRanges().fetchAll()).resources;
    assert.deepEqual(
      ranges.map(({ minInclusive, maxExclusive }) => [minInclusive, maxExclusive]),
      [["", "FF"]],
    );
    const { headers } = await container.read({ populateQuotaInfo: true });
    assert.match(headers["x-ms-resource-usage"], /documentsCount=/);
  });
});

describe("throughput", () => {
  test("is read and replaced, in the allowed steps only", async () => {
    const { container: own } = await database.containers.create(
      { id: "offered", partitionKey: "/pk" },
      { offerThroughput: 500 },
    );
    const { offer, resource } = await own.readOffer();
    assert.equal(resource.content.offerThroughput, 500);
    const changed = { ...resource, content: { offerThroughput: 700 } };
    assert.equal((await offer.replace(changed)).resource.content.offerThroughput, 700);
    assert.equal((await own.readOffer()).resource.content.offerThroughput, 700);
    assert.equal((await offer.read()).resource.content.offerThroughput, 700);
    await assert.rejects(offer.replace({ ...resource, content: { offerThroughput: 750 } }), { code: 400 });
    assert.ok((await client.offers.readAll().fetchAll()).resources.length > 0);
    const autoscale = await database.containers.create({
      id: "autoscale",
      partitionKey: "/pk",
      maxThroughput: 4000,
    });
    const { resource: second } = await autoscale.container.readOffer();
    assert.equal(second.content.offerAutopilotSettings.maxThroughput, 4000);
  });

  test("that is used up makes the SDK wait, and every item arrives", async () => {
    const { container: own } = await database.containers.create({ id: "slow", partitionKey: "/pk" });
    const v = "x".repeat(20_000);
    for (let round = 0; round < 2; round++)
      await Promise.all(items(5).map((item) => own.items.create({ ...item, id: `${round}-${item.id}`, v })));
    const { resources } = await own.items.query("SELECT VALUE COUNT(1) FROM c").fetchAll();
    assert.deepEqual(resources, [10]);
  });
});

describe("items", () => {
  test("are patched, with a condition and without", async () => {
    await container.items.upsert({ id: "patched", pk: "p", n: 1 });
    const item = container.item("patched", "p");
    const { resource } = await item.patch([
      { op: "incr", path: "/n", value: 4 },
      { op: "add", path: "/list", value: [1] },
    ]);
    assert.deepEqual([resource.n, resource.list], [5, [1]]);
    const conditional = {
      condition: "from c where c.n = 1",
      operations: [{ op: "set", path: "/n", value: 0 }],
    };
    await assert.rejects(item.patch(conditional), { code: 412 });
    await assert.rejects(item.patch([{ op: "remove", path: "/none" }]), { code: 400 });
    await assert.rejects(container.item("none", "p").patch([{ op: "set", path: "/n", value: 0 }]), {
      code: 404,
    });
  });

  test("are written in transactional batches, all or nothing", async () => {
    const create = (id) => ({ operationType: BulkOperationType.Create, resourceBody: { id, pk: "batch" } });
    const done = await container.items.batch(
      [create("1"), create("2"), { operationType: BulkOperationType.Read, id: "1" }],
      "batch",
    );
    assert.equal(done.code, 200);
    const failed = await container.items.batch([create("3"), create("1")], "batch");
    assert.deepEqual(
      failed.result.map(({ statusCode }) => statusCode),
      [424, 409],
    );
    assert.equal((await container.item("3", "batch").read()).statusCode, 404);
    const many = Array.from({ length: 101 }, (_, n) => create(`many-${n}`));
    await assert.rejects(container.items.batch(many, "batch"));
  });

  test("are written in bulk, each on its own", async () => {
    const operations = items(50, "bulk").map((resourceBody) => ({
      operationType: BulkOperationType.Create,
      partitionKey: "bulk",
      resourceBody,
    }));
    const results = await container.items.executeBulkOperations([...operations, operations[0]]);
    const statuses = results.map(({ response, error }) => response?.statusCode ?? error?.code);
    assert.equal(statuses.filter((status) => status === 201).length, 50);
    assert.equal(statuses.filter((status) => status === 409).length, 1);
  });

  test("of one partition key are deleted together", async () => {
    for (const item of items(5, "gone")) await container.items.create(item);
    await container.deleteAllItemsForPartitionKey("gone");
    const { resources } = await container.items.readAll({ partitionKey: "gone" }).fetchAll();
    assert.deepEqual(resources, []);
  });

  test("have partition keys of every kind", async () => {
    for (const [id, pk] of [
      ["number", 1.5],
      ["true", true],
      ["null", null],
      ["unicode", "żółć 🦊"],
      ["none", undefined],
    ]) {
      await container.items.create(pk === undefined ? { id } : { id, pk });
      assert.equal((await container.item(id, pk).read()).resource?.id, id, id);
    }
    const { container: own } = await database.containers.create({
      id: "hierarchical",
      partitionKey: { paths: ["/tenant", "/user"], kind: "MultiHash", version: 2 },
    });
    for (let n = 0; n < 6; n++) await own.items.create({ id: `${n}`, tenant: `t${n % 2}`, user: `u${n}` });
    assert.equal((await own.item("3", ["t1", "u3"]).read()).resource.user, "u3");
    const { resources } = await own.items
      .query("SELECT VALUE c.id FROM c ORDER BY c.id", { partitionKey: ["t1"] })
      .fetchAll();
    assert.deepEqual(resources, ["1", "3", "5"]);
  });
});

describe("scripts", () => {
  const body = "function (name) { getContext().getResponse().setBody('hello ' + name); }";
  test("stored procedures are kept and run", async () => {
    const { storedProcedures } = container.scripts;
    const { storedProcedure, resource } = await storedProcedures.create({ id: "hello", body });
    await assert.rejects(storedProcedures.create({ id: "hello", body }), { code: 409 });
    assert.equal((await storedProcedure.execute("a", ["you"])).resource, "hello you");
    assert.equal((await storedProcedure.read()).resource.body, body);
    await storedProcedure.replace({ ...resource, body: "function () { throw new Error('no'); }" });
    await assert.rejects(storedProcedure.execute("a", []), { code: 400 });
    // What does not compile is kept, and fails when it is to run.
    await storedProcedure.replace({ ...resource, body: "function (" });
    await assert.rejects(storedProcedure.execute("a", []), { code: 400, substatus: 65535 });
    assert.equal((await storedProcedures.readAll().fetchAll()).resources.length, 1);
    const found = await storedProcedures.query("SELECT * FROM r WHERE r.id = 'hello'").fetchAll();
    assert.equal(found.resources.length, 1);
    assert.equal((await storedProcedure.delete()).statusCode, 204);
    await assert.rejects(container.scripts.storedProcedure("none").execute("a", []), { code: 404 });
  });

  test("triggers are kept and run", async () => {
    const { triggers } = container.scripts;
    const { trigger, resource } = await triggers.create({
      id: "stamp",
      triggerType: TriggerType.Pre,
      triggerOperation: TriggerOperation.Create,
      body: "function () { const r = getContext().getRequest(); const b = r.getBody(); b.stamped = true; r.setBody(b); }",
    });
    const { resource: item } = await container.items.create(
      { id: "t", pk: "t" },
      { preTriggerInclude: ["stamp"] },
    );
    assert.equal(item.stamped, true);
    assert.equal((await trigger.read()).resource.id, "stamp");
    await trigger.replace({ ...resource, body: "function () {}" });
    assert.equal((await triggers.readAll().fetchAll()).resources.length, 1);
    assert.equal((await triggers.query("SELECT * FROM r").fetchAll()).resources.length, 1);
    assert.equal((await trigger.delete()).statusCode, 204);
  });

  test("user-defined functions are kept and run", async () => {
    const { userDefinedFunctions } = container.scripts;
    const { userDefinedFunction, resource } = await userDefinedFunctions.create({
      id: "twice",
      body: "function (n) { return 2 * n; }",
    });
    await container.items.upsert({ id: "udf", pk: "udf", n: 21 });
    const query = "SELECT VALUE udf.twice(c.n) FROM c WHERE c.id = 'udf'";
    assert.deepEqual(
      (await container.items.query(query, { partitionKey: "udf" }).fetchAll()).resources,
      [42],
    );
    assert.equal((await userDefinedFunction.read()).resource.id, "twice");
    await userDefinedFunction.replace({ ...resource, body: "function (n) { return n; }" });
    assert.equal((await userDefinedFunctions.readAll().fetchAll()).resources.length, 1);
    assert.equal((await userDefinedFunctions.query("SELECT * FROM r").fetchAll()).resources.length, 1);
    assert.equal((await userDefinedFunction.delete()).statusCode, 204);
  });
});

describe("users and permissions", () => {
  test("are kept, and a permission's token opens its container and nothing else", async () => {
    const { user } = await database.users.create({ id: "u" });
    await assert.rejects(database.users.create({ id: "u" }), { code: 409 });
    await database.users.upsert({ id: "v" });
    assert.equal((await user.read()).resource.id, "u");
    assert.equal((await database.users.readAll().fetchAll()).resources.length, 2);
    assert.equal(
      (await database.users.query("SELECT * FROM r WHERE r.id = 'v'").fetchAll()).resources.length,
      1,
    );
    assert.equal((await database.user("v").replace({ id: "w" })).resource.id, "w");
    assert.equal((await database.user("w").delete()).statusCode, 204);
    const { permission, resource } = await user.permissions.create({
      id: "p",
      permissionMode: PermissionMode.Read,
      resource: container.url,
    });
    assert.match(resource._token, /^type=resource&/);
    assert.equal((await permission.read()).resource.permissionMode, PermissionMode.Read);
    await assert.rejects(permission.read({ resourceTokenExpirySeconds: 5 }), { code: 400 });
    assert.equal((await user.permissions.readAll().fetchAll()).resources.length, 1);
    assert.equal((await user.permissions.query("SELECT * FROM r").fetchAll()).resources.length, 1);
    await user.permissions.upsert({ id: "p", permissionMode: PermissionMode.Read, resource: container.url });
    await container.items.upsert({ id: "shown", pk: "a" });
    const limited = new CosmosClient({
      endpoint: env.CONFORMANCE_keyEndpoint,
      resourceTokens: { [container.url]: resource._token },
    });
    const own = limited.database(name).container("c");
    assert.equal((await own.item("shown", "a").read()).resource.id, "shown");
    await assert.rejects(own.item("shown", "a").delete(), { code: 403 });
    await permission.replace({ ...resource, permissionMode: PermissionMode.All });
    assert.equal((await permission.delete()).statusCode, 204);
    assert.equal((await user.delete()).statusCode, 204);
  });
});

test("there are no conflicts, and nothing to delete among them", async () => {
  assert.deepEqual((await container.conflicts.readAll().fetchAll()).resources, []);
  assert.deepEqual((await container.conflicts.query("SELECT * FROM r").fetchAll()).resources, []);
  await assert.rejects(container.conflict("none", "a").read(), { code: 404 });
});

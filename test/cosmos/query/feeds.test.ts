/** Queries over every feed that the SDK can query, not only items: the same language over the resources as they are listed. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type Container,
  type Database,
  type ErrorResponse,
  PermissionMode,
  type SqlQuerySpec,
  TriggerOperation,
  TriggerType,
} from "@azure/cosmos";
import { openMemory } from "../../../src/storage/memory.ts";
import { openSdkFixture, type SdkFixture } from "../sdk-fixture.ts";

interface Feed {
  query(
    query: SqlQuerySpec,
    options?: { readonly maxItemCount?: number },
  ): {
    fetchAll(): Promise<{ readonly resources: readonly unknown[] }>;
    fetchNext(): Promise<{ readonly resources: readonly unknown[] }>;
    hasMoreResults(): boolean;
  };
}

const ids = ["a1", "a2", "b1", "c1"];

async function fill(database: Database, container: Container): Promise<void> {
  for (const id of ids) {
    await database.containers.createIfNotExists({ id, partitionKey: { paths: ["/pk"] } });
    await database.users.create({ id });
    await container.scripts.storedProcedures.create({ id, body: "function () {}" });
    await container.scripts.userDefinedFunctions.create({ id, body: "function () {}" });
    await container.scripts.triggers.create({
      id,
      body: "function () {}",
      triggerType: TriggerType.Pre,
      triggerOperation: TriggerOperation.All,
    });
    await database.user("a1").permissions.create({
      id,
      permissionMode: PermissionMode.Read,
      resource: database.container(id).url,
    });
  }
}

describe("every feed can be queried", () => {
  let fixture: SdkFixture;
  let database: Database;
  let container: Container;

  before(async () => {
    fixture = await openSdkFixture(openMemory(), 2, { serverless: false });
    for (const id of ids.slice(1)) await fixture.client.databases.create({ id });
    ({ database } = await fixture.client.databases.create({ id: "a1", throughput: 400 }));
    ({ container } = await database.containers.create({ id: "a1", partitionKey: { paths: ["/pk"] } }));
    await fill(database, container);
  });

  after(() => fixture.close());

  const feeds: Readonly<Record<string, () => Feed>> = {
    databases: () => fixture.client.databases as unknown as Feed,
    containers: () => database.containers as unknown as Feed,
    users: () => database.users as unknown as Feed,
    permissions: () => database.user("a1").permissions as unknown as Feed,
    "stored procedures": () => container.scripts.storedProcedures as unknown as Feed,
    triggers: () => container.scripts.triggers as unknown as Feed,
    functions: () => container.scripts.userDefinedFunctions as unknown as Feed,
  };

  const cases: readonly (readonly [string, readonly unknown[], SqlQuerySpec["parameters"]?])[] = [
    ["SELECT VALUE r.id FROM root r WHERE STARTSWITH(r.id, 'a') ORDER BY r.id DESC", ["a2", "a1"]],
    ["SELECT VALUE r.id FROM root r WHERE r.id = @id", ["b1"], [{ name: "@id", value: "b1" }]],
    ["SELECT VALUE COUNT(1) FROM root r WHERE r.id != 'c1'", [3]],
    ["SELECT VALUE r.id FROM root r ORDER BY r.id OFFSET 1 LIMIT 2", ["a2", "b1"]],
    ["SELECT r.id FROM root r WHERE r._rid = 'none'", []],
    [
      "SELECT DISTINCT VALUE LEFT(r.id, 1) FROM r WHERE IS_NUMBER(r._ts) AND IS_STRING(r._etag)",
      ["a", "b", "c"],
    ],
  ];

  for (const [name, feed] of Object.entries(feeds)) {
    for (const [query, expected, parameters = []] of cases) {
      test(`${name}: ${query}`, async () => {
        const { resources } = await feed().query({ query, parameters }).fetchAll();
        assert.deepEqual(resources, expected);
      });
    }

    test(`${name}: page by page`, async () => {
      const iterator = feed().query(
        { query: "SELECT VALUE r.id FROM r ORDER BY r.id", parameters: [] },
        { maxItemCount: 1 },
      );
      const seen: unknown[] = [];
      while (iterator.hasMoreResults()) seen.push(...((await iterator.fetchNext()).resources ?? []));
      assert.deepEqual(seen, ids);
    });

    test(`${name}: a faulty query is refused`, async () => {
      await assert.rejects(feed().query({ query: "SELECT * FORM r", parameters: [] }).fetchAll(), (error) => {
        const { code, message } = error as ErrorResponse;
        return Number(code) === 400 && /SC1001/.test(String(message));
      });
    });
  }

  test("offers", async () => {
    const { resource } = await database.read();
    const query = {
      query: "SELECT * FROM root WHERE root.resource = @link",
      parameters: [{ name: "@link", value: resource?._self ?? "" }],
    };
    const { resources } = await fixture.client.offers.query(query).fetchAll();
    assert.equal(resources.length, 1);
    assert.equal((resources[0] as { content: { offerThroughput: number } }).content.offerThroughput, 400);
    const none = { query: "SELECT * FROM root WHERE root.resource = 'none'", parameters: [] };
    assert.deepEqual((await fixture.client.offers.query(none).fetchAll()).resources, []);
  });

  test("conflicts", async () => {
    const query = { query: "SELECT * FROM root r", parameters: [] };
    assert.deepEqual((await container.conflicts.query(query).fetchAll()).resources, []);
  });
});

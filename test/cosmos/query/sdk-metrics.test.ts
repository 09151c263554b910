/** What the SDK makes of the headers of queries: index metrics, query metrics, the progress of an index, and page ends. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Container, ErrorResponse } from "@azure/cosmos";
import { openMemory } from "../../../src/storage/memory.ts";
import { openSdkFixture, type SdkFixture } from "../sdk-fixture.ts";

describe("headers of queries in the SDK", () => {
  let fixture: SdkFixture;
  let container: Container;

  before(async () => {
    fixture = await openSdkFixture(openMemory(), 1, {}, { itemsMin: 0, partitionItemsMin: 1 });
    const { database } = await fixture.client.databases.create({ id: "d" });
    ({ container } = await database.containers.create({ id: "c", partitionKey: { paths: ["/pk"] } }));
    for (let n = 0; n < 40; n++) await container.items.create({ id: `i${n}`, pk: `p${n % 4}`, n, k: n % 3 });
  });

  after(() => fixture.close());

  test("index metrics", async () => {
    const { indexMetrics } = await container.items
      .query("SELECT * FROM c WHERE c.k = 1 AND c.n > 5", { populateIndexMetrics: true })
      .fetchAll();
    const impact = { IndexImpactScore: "High" };
    assert.deepEqual(JSON.parse(String(indexMetrics)), {
      Utilized: {
        SingleIndexes: [
          { IndexSpec: "/k/?", ...impact },
          { IndexSpec: "/n/?", ...impact },
        ],
        CompositeIndexes: [],
      },
      Potential: { SingleIndexes: [], CompositeIndexes: [{ IndexSpecs: ["/k ASC", "/n ASC"], ...impact }] },
    });
  });

  test("query metrics", async () => {
    const { queryMetrics } = (await container.items
      .query("SELECT * FROM c WHERE c.n = 7", { populateQueryMetrics: true })
      .fetchAll()) as { queryMetrics?: unknown };
    assert.match(JSON.stringify(queryMetrics ?? ""), /retrievedDocumentCount/);
  });

  test("the progress of the index, on reading the container", async () => {
    const { headers } = await container.read({ populateQuotaInfo: true });
    assert.equal(headers["x-ms-documentdb-collection-index-transformation-progress"], "100");
  });

  test("pages and their tokens through the SDK, and a token that is none", async () => {
    const query = "SELECT VALUE c.n FROM c WHERE c.n < 20 ORDER BY c.n DESC";
    const options = { maxItemCount: 2, enableQueryControl: false };
    const seen: number[] = [];
    let continuationToken: string | undefined;
    do {
      const iterator = container.items.query<number>(query, {
        ...options,
        partitionKey: "p1",
        ...(continuationToken === undefined ? {} : { continuationToken }),
      });
      const page = await iterator.fetchNext();
      seen.push(...page.resources);
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined);
    assert.deepEqual(seen, [17, 13, 9, 5, 1]);
    const bad = container.items.query(query, {
      ...options,
      partitionKey: "p1",
      continuationToken: "nonsense",
    });
    await assert.rejects(bad.fetchNext(), (error) => Number((error as ErrorResponse).code) === 400);
  });
});

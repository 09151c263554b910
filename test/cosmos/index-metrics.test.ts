/** Index metrics in their first version, which azure-cosmos for Python asks for; the second is tested through the SDK for JS. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openCosmosFixture } from "./fixture.ts";

const single = (path: string): object => ({
  FilterExpression: "",
  IndexSpec: path,
  FilterPreciseSet: true,
  IndexPreciseSet: true,
  IndexImpactScore: "High",
});

describe("index metrics in their first version", () => {
  const everywhere = { "x-ms-documentdb-query-enablecrosspartition": "true" };
  const within = { "x-ms-documentdb-partitionkey": '["a"]' };
  for (const [query, headers, used, potential] of [
    ["SELECT * FROM c", everywhere, [], []],
    ["SELECT * FROM c", within, ["/pk/?"], []],
    ["SELECT * FROM c WHERE c.k = 1 AND c.n > 5", everywhere, ["/k/?", "/n/?"], [["/k ASC", "/n ASC"]]],
    ["SELECT * FROM c WHERE c.k = 1", within, ["/pk/?", "/k/?"], []],
    ["SELECT * FROM c WHERE c.pk = 'a'", within, ["/pk/?"], []],
  ] as const) {
    test(`${query} ${"x-ms-documentdb-partitionkey" in headers ? "in one partition" : "over all"}`, async () => {
      const fixture = await openCosmosFixture();
      const reply = await fixture.sendSigned("POST", "/dbs/shop/colls/orders/docs", {
        headers: {
          "x-ms-documentdb-isquery": "true",
          "x-ms-cosmos-populateindexmetrics": "True",
          ...headers,
        },
        body: { query },
      });
      const text = Buffer.from(reply.headers["x-ms-cosmos-index-utilization"] ?? "", "base64").toString(
        "utf8",
      );
      assert.deepEqual(JSON.parse(text), {
        UtilizedSingleIndexes: used.map(single),
        PotentialSingleIndexes: [],
        UtilizedCompositeIndexes: [],
        PotentialCompositeIndexes: potential.map((paths) => ({
          IndexSpecs: paths,
          IndexPreciseSet: true,
          IndexImpactScore: "High",
        })),
      });
    });
  }
});

/** Which aggregates a gateway serves itself when the filter, but no header, names the partition. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bodyOf, openCosmosFixture, outcome } from "../fixture.ts";

const crossPartition = {
  "x-ms-documentdb-isquery": "True",
  "x-ms-documentdb-query-enablecrosspartition": "True",
};
const one = "FROM c WHERE c.pk = 'a'";

/** The query, its rows on one range, and whether several ranges give the same rows or leave it to the client. */
const rows: readonly (readonly [string, readonly unknown[], "served" | "1004"])[] = [
  [`SELECT VALUE AVG(c.n) ${one}`, [2], "served"],
  [`SELECT VALUE COUNT(1) ${one}`, [3], "served"],
  [`SELECT VALUE {"sum": SUM(c.n)} ${one}`, [{ sum: 6 }], "served"],
  [`SELECT c.n ${one} AND c.n > 2`, [{ n: 3 }], "served"],
  [`SELECT DISTINCT c.pk ${one}`, [{ pk: "a" }], "served"],
  [`SELECT COUNT(1) AS n ${one} GROUP BY c.pk`, [{ n: 3 }], "served"],
  [`SELECT AVG(c.n) ${one}`, [{ $1: 2 }], "1004"],
  [`SELECT COUNT(1) AS n, MAX(c.n) AS most ${one}`, [{ n: 3, most: 3 }], "1004"],
];

describe("aggregates where the filter names one partition", () => {
  for (const ranges of [1, 3]) {
    for (const [query, expected, several] of rows) {
      test(`${query} on ${ranges} range(s)`, async () => {
        const fixture = await openCosmosFixture({ rangesDefault: ranges });
        const docs = "/dbs/shop/colls/many/docs";
        const body = { id: "many", partitionKey: { paths: ["/pk"] } };
        await fixture.sendSigned("POST", "/dbs/shop/colls", { body });
        for (const n of [1, 2, 3]) {
          const headers = { "x-ms-documentdb-partitionkey": '["a"]' };
          await fixture.sendSigned("POST", docs, { headers, body: { id: `${n}`, pk: "a", n } });
        }
        const ask = (headers: Record<string, string>) =>
          fixture.sendSigned("POST", docs, { headers: { ...crossPartition, ...headers }, body: { query } });
        const reply = await ask({});
        if (ranges > 1 && several === "1004") {
          assert.equal(outcome(reply), "400/1004");
          const plan = JSON.parse(String(bodyOf(reply)["additionalErrorInfo"])) as { queryRanges: unknown[] };
          assert.equal(plan.queryRanges.length, 1);
        } else {
          assert.equal(outcome(reply), "200");
          assert.deepEqual(bodyOf(reply)["Documents"], expected);
        }
        const undeclared = await ask({ "x-ms-documentdb-query-enablecrosspartition": "False" });
        assert.equal(outcome(undeclared), ranges > 1 && several === "1004" ? "400" : "200");
        const keyed = await ask({ "x-ms-documentdb-partitionkey": '["a"]' });
        assert.deepEqual(bodyOf(keyed)["Documents"], expected);
      });
    }
  }
});

/** `celestite explain --query` where clients ask each physical range: the first one's page, and how many there are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withAccessServer } from "./access-server.ts";

const server = { physicalRanges: 3 };

test("a query that the gateway does not answer for several ranges at once is explained by the first", async () => {
  await withAccessServer(async ({ celestite }) => {
    const explain = (
      query: string,
    ): Promise<{ readonly code: number; readonly out: string; readonly error: string }> =>
      celestite("explain", "--container", "db/orders", "--query", query);
    for (const query of ["SELECT c.a, COUNT(1) AS n FROM c GROUP BY c.a", "SELECT * FROM c ORDER BY c.id"]) {
      const { code, out, error } = await explain(query);
      assert.equal(code, 0, error);
      assert.match(out, /First page, of the first of 3 physical ranges/);
    }
    assert.match((await explain("SELECT * FROM c WHERE c.a = 1")).out, /First page\n/);
    const refused = await explain("SELECT * FROM c ORDER BY c.a, c.b");
    assert.equal(refused.code, 1);
    assert.match(refused.error, /composite index/);
  }, server);
});

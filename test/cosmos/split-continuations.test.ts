/** Continuation tokens of queries from before a split, taken to each of the new ranges: together they give the rest. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { splitRange } from "../../src/cosmos/engine/split.ts";
import { fullSizeOnly } from "../full-size.ts";
import { bodyOf, type CosmosFixture, openCosmosFixture } from "./fixture.ts";

/** Few items are sorted page by page, many are read from an index. */
const sizes = [40, 200];
const pageItems = 8;

let fixture: CosmosFixture;
before(async () => {
  fixture = await openCosmosFixture();
});

async function page(
  docs: string,
  query: string,
  range: string,
  token: string | undefined,
): Promise<{ readonly rows: readonly unknown[]; readonly token: string | undefined }> {
  const reply = await fixture.sendSigned("POST", docs, {
    headers: {
      "x-ms-documentdb-isquery": "True",
      "x-ms-documentdb-query-enablecrosspartition": "True",
      "x-ms-documentdb-partitionkeyrangeid": range,
      "x-ms-max-item-count": String(pageItems),
      ...(token === undefined ? {} : { "x-ms-continuation": token }),
    },
    body: { query },
  });
  assert.equal(reply.status, 200, String(reply.body));
  const rows = bodyOf(reply)["Documents"] as unknown[];
  return { rows, token: reply.headers["x-ms-continuation"] };
}

async function rest(
  docs: string,
  query: string,
  range: string,
  from: string | undefined,
): Promise<unknown[]> {
  const rows: unknown[] = [];
  let token = from;
  do {
    const next = await page(docs, query, range, token);
    rows.push(...next.rows);
    ({ token } = next);
  } while (token !== undefined);
  return rows;
}

async function split(id: string, range: string): Promise<void> {
  const container = fixture.engine.catalog.find("acct")?.databases.get("shop")?.containers.get(id);
  assert.ok(container);
  await splitRange(fixture.engine, "acct", container, range);
}

const partitions = 29;

/** Writes the items of each partition key in one batch. */
async function fill(docs: string, items: number): Promise<void> {
  for (let at = 0; at < partitions; at++) {
    const pk = `p${at}`;
    const numbers = Array.from({ length: items }, (_, n) => n).filter((n) => n % partitions === at);
    const reply = await fixture.sendSigned("POST", docs, {
      headers: {
        "x-ms-documentdb-partitionkey": JSON.stringify([pk]),
        "x-ms-cosmos-is-batch-request": "True",
        "x-ms-cosmos-batch-atomic": "True",
      },
      body: numbers.map((n) => ({
        operationType: "Create",
        resourceBody: { id: `${n}`, pk, n: (n * 37) % items, kind: n % 7 },
      })),
    });
    assert.equal(reply.status, 200, String(reply.body));
  }
}

const queries = [
  "SELECT VALUE c.n FROM c",
  "SELECT VALUE c.n FROM c WHERE c.n >= 20",
  "SELECT VALUE c.n FROM c ORDER BY c.n",
  "SELECT VALUE c.n FROM c ORDER BY c.n DESC",
  "SELECT VALUE c.n FROM c WHERE c.n >= 20 ORDER BY c.kind",
  "SELECT DISTINCT VALUE c.n FROM c",
  "SELECT DISTINCT VALUE c.n FROM c ORDER BY c.n",
  'SELECT [{"item": c.n}] AS groupByItems, {"n": c.n, "count": {"item": COUNT(1)}} AS payload FROM c GROUP BY c.n',
  'SELECT c._rid, [{"item": c.n}] AS orderByItems, c.n AS payload FROM c WHERE (true) ORDER BY c.n',
];

const cases = queries.flatMap((query) =>
  sizes.flatMap((items) => [1, 2].map((pages) => [query, items, pages] as const)),
);

for (const [at, [query, items, pages]] of cases.entries()) {
  // One number of pages for each query and size in every run, both at full size.
  const skip = at % 2 === Math.floor(at / 2) % 2 ? false : fullSizeOnly;
  test(`${query}, ${items} items, split after ${pages} pages`, { skip }, async () => {
    const id = `c${at}`;
    const docs = `/dbs/shop/colls/${id}/docs`;
    const body = { id, partitionKey: { paths: ["/pk"] } };
    assert.equal((await fixture.sendSigned("POST", "/dbs/shop/colls", { body })).status, 201);
    await fill(docs, items);
    const all = await rest(docs, query, "0", undefined);
    const seen: unknown[] = [];
    let token: string | undefined;
    for (let seenPages = 0; seenPages < pages; seenPages++) {
      const next = await page(docs, query, "0", token);
      seen.push(...next.rows);
      ({ token } = next);
    }
    await split(id, "0");
    await split(id, "2");
    for (const range of ["1", "3", "4"]) seen.push(...(await rest(docs, query, range, token)));
    const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort();
    assert.deepEqual(sorted(seen), sorted(all));
  });
}

/**
 * Continuation tokens of ordered queries under another filter. @azure/cosmos resumes its merge of several ranges with
 * such a pair: the token of the page where it stopped, and `{documentdb-formattableorderbyquery-filter}` filled with the
 * sort key that it had come to. That was refused, and with `enableQueryControl` no ordered query went past its first page.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { openMemory } from "../../src/storage/memory.ts";
import { bodyOf, type CosmosFixture, openCosmosFixture } from "./fixture.ts";
import { openSdkFixture } from "./sdk-fixture.ts";

/** Few items are sorted page by page, many are read from an index. */
const sizes = [40, 250];
const pageItems = 8;

let fixture: CosmosFixture;
before(async () => {
  fixture = await openCosmosFixture();
  for (const size of sizes) {
    const body = { id: `c${size}`, partitionKey: { paths: ["/pk"] } };
    assert.equal((await fixture.sendSigned("POST", "/dbs/shop/colls", { body })).status, 201);
    for (let first = 0; first < size; first += 100) await fill(size, first, Math.min(first + 100, size));
  }
});

async function fill(size: number, first: number, end: number): Promise<void> {
  const numbers = Array.from({ length: end - first }, (_, at) => first + at);
  const text = "long ".repeat(100);
  const reply = await fixture.sendSigned("POST", `/dbs/shop/colls/c${size}/docs`, {
    headers: {
      "x-ms-documentdb-partitionkey": '["a"]',
      "x-ms-cosmos-is-batch-request": "True",
      "x-ms-cosmos-batch-atomic": "True",
    },
    body: numbers.map((n) => ({
      operationType: "Create",
      resourceBody: { id: `${n}`, pk: "a", n: (n * 37) % size, kind: n % 7, text: `${text}${n}` },
    })),
  });
  assert.equal(reply.status, 200, String(reply.body));
}

interface Asked {
  readonly query: string;
  readonly parameters?: readonly { readonly name: string; readonly value: unknown }[];
}

interface Answer {
  readonly status: number;
  readonly rows: readonly Record<string, unknown>[];
  readonly token: string | undefined;
  readonly text: string;
}

async function page(size: number, asked: Asked, token?: string): Promise<Answer> {
  const reply = await fixture.sendSigned("POST", `/dbs/shop/colls/c${size}/docs`, {
    headers: {
      "x-ms-documentdb-isquery": "True",
      "x-ms-documentdb-query-enablecrosspartition": "True",
      "x-ms-documentdb-partitionkeyrangeid": "0",
      "x-ms-max-item-count": String(pageItems),
      ...(token === undefined ? {} : { "x-ms-continuation": token }),
    },
    body: asked,
  });
  const rows = reply.status === 200 ? (bodyOf(reply)["Documents"] as Record<string, unknown>[]) : [];
  return { status: reply.status, rows, token: reply.headers["x-ms-continuation"], text: String(reply.body) };
}

const rewritten = (filter: string, order: string, own = "true"): string =>
  `SELECT c._rid, [{"item": c.kind}] AS orderByItems, {"n": c.n} AS payload FROM c WHERE ((${own}) AND (${filter})) ORDER BY ${order}`;

const orders: readonly (readonly [order: string, key: string, comparison: string])[] = [
  ["c.kind", "kind", ">="],
  ["c.kind ASC", "kind", ">="],
  ["c.kind DESC", "kind", "<="],
  ["c.n", "n", ">="],
  ["c.n DESC", "n", "<="],
];

describe("resumed under the filter of where it stopped", () => {
  for (const size of sizes) {
    for (const [order, key, comparison] of orders) {
      for (const own of ["true", "c.n < 30"]) {
        test(`${size} items, ORDER BY ${order}, WHERE ${own}`, async () => {
          const query = (filter: string): Asked => ({
            query: rewritten(filter, order, own).replaceAll("c.kind}", `c.${key}}`),
          });
          const whole = await rest(size, query("true"));
          const seen: unknown[] = [];
          let filter = "true";
          let token: string | undefined;
          do {
            const next = await page(size, query(filter), token);
            assert.equal(next.status, 200, next.text);
            seen.push(...next.rows);
            ({ token } = next);
            const [last] = (next.rows.at(-1)?.["orderByItems"] ?? []) as readonly { item: unknown }[];
            filter = `c.${key} ${comparison} ${JSON.stringify(last?.item)}`;
          } while (token !== undefined);
          assert.equal(whole.length, own === "true" ? size : 30);
          assert.deepEqual(seen, whole);
        });
      }
    }
  }

  async function rest(size: number, asked: Asked): Promise<unknown[]> {
    const rows: unknown[] = [];
    let token: string | undefined;
    do {
      const next = await page(size, asked, token);
      rows.push(...next.rows);
      ({ token } = next);
    } while (token !== undefined);
    return rows;
  }
});

describe("a token is not taken for another query", () => {
  const base = "SELECT VALUE c.n FROM c WHERE c.n >= 0 ORDER BY c.kind";
  const top = "SELECT TOP 20 VALUE c.n FROM c WHERE c.n >= 0 ORDER BY c.kind";
  const cases: readonly (readonly [what: string, from: Asked, to: Asked])[] = [
    ["another order", { query: base }, { query: base.replace("c.kind", "c.n") }],
    ["the other direction", { query: base }, { query: `${base} DESC` }],
    ["no order", { query: base }, { query: base.replace(/ ORDER.*/, "") }],
    ["other rows", { query: base }, { query: base.replace("VALUE c.n", "VALUE c.id") }],
    ["a limit", { query: base }, { query: top }],
    ["no limit", { query: top }, { query: base }],
    [
      "another parameter",
      { query: base, parameters: [{ name: "@a", value: 1 }] },
      { query: base.replace("0", "1"), parameters: [{ name: "@a", value: 2 }] },
    ],
    [
      "another filter without an order",
      { query: "SELECT VALUE c.n FROM c WHERE c.n >= 0" },
      { query: "SELECT VALUE c.n FROM c WHERE c.n >= 1" },
    ],
    [
      "another filter of rows that are counted",
      { query: "SELECT DISTINCT VALUE c.n FROM c WHERE c.n >= 0 ORDER BY c.n" },
      { query: "SELECT DISTINCT VALUE c.n FROM c WHERE c.n >= 1 ORDER BY c.n" },
    ],
    [
      "another filter where the key is too long for a token",
      { query: "SELECT VALUE c.n FROM c WHERE c.n >= 0 ORDER BY c.text" },
      { query: "SELECT VALUE c.n FROM c WHERE c.n >= 1 ORDER BY c.text" },
    ],
  ];
  for (const size of sizes) {
    for (const [what, from, to] of cases) {
      test(`${what}, ${size} items`, async () => {
        const { token } = await page(size, from);
        assert.ok(token);
        assert.equal((await page(size, from, token)).status, 200);
        const refused = await page(size, to, token);
        assert.equal(refused.status, 400);
        assert.match(refused.text, /continuation token/i);
      });
    }
  }
});

test("@azure/cosmos goes on with its own token over three ranges, where rows tie", async () => {
  const { client, close } = await openSdkFixture(openMemory(), 3);
  try {
    const { database } = await client.databases.create({ id: "db" });
    const { container } = await database.containers.create({ id: "c", partitionKey: "/id" });
    for (let n = 0; n < 60; n++) await container.items.create({ id: `${n}`, kind: n % 2, third: n % 3 });
    for (const query of [
      "SELECT VALUE c.id FROM c ORDER BY c.kind",
      "SELECT c.id FROM c ORDER BY c.kind DESC",
      "SELECT VALUE c.id FROM c WHERE c.kind = 1 ORDER BY c.third DESC",
    ]) {
      const whole = (await container.items.query(query).fetchAll()).resources;
      const seen: unknown[] = [];
      let token: string | undefined;
      let pages = 0;
      do {
        assert.ok(pages++ < whole.length, "the token does not end");
        const options = { maxItemCount: 7, enableQueryControl: true };
        const from = token === undefined ? {} : { continuationToken: token };
        const next = await container.items.query(query, { ...options, ...from }).fetchNext();
        seen.push(...(next.resources ?? []));
        token = next.continuationToken;
      } while (token !== undefined && token !== "");
      assert.deepEqual(seen, whole);
    }
  } finally {
    await close();
  }
});

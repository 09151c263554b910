/** The service's limits: the last value that is allowed and the first that is not, each with its status and text. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

const docs = "/dbs/shop/colls/orders/docs";
const a = { "x-ms-documentdb-partitionkey": '["a"]' };
const long = (length: number): string => "x".repeat(length);
const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));

/** An item of exactly this many bytes as it will be stored. */
function itemOf(id: string, bytes: number): string {
  const empty = JSON.stringify({ id, pk: "a", v: "" });
  const system = 236;
  return JSON.stringify({ id, pk: "a", v: long(bytes - empty.length - system) });
}

let containers = 0;
const container = (properties: object): object => ({
  id: `limits-${containers++}`,
  partitionKey: { paths: ["/pk"] },
  ...properties,
});
const uniqueKeys = (keys: number, paths: number): object => ({
  uniqueKeyPolicy: { uniqueKeys: many(keys, (k) => ({ paths: many(paths, (p) => `/k${k}p${p}`) })) },
});
const computed = (count: number): object => ({
  computedProperties: many(count, (n) => ({ name: `c${n}`, query: `SELECT VALUE LOWER(c.p${n}) FROM c` })),
});
const indexing = (policy: object): object => ({ indexingPolicy: policy });
const keyed = (value: string): Record<string, string> => ({
  "x-ms-documentdb-partitionkey": JSON.stringify([value]),
});
const patch = (operations: number): object =>
  many(operations, (n) => ({ op: "set", path: `/p${n}`, value: n }));
const batchHeaders = {
  ...a,
  "x-ms-cosmos-is-batch-request": "True",
  "x-ms-cosmos-batch-atomic": "True",
};
const batch = (parts: number): object =>
  many(parts, (n) => ({ operationType: "Upsert", resourceBody: { id: `b${n}`, pk: "a" } }));
/** An item that is written with escapes, each six bytes for one of three. */
const escaped = (id: string, characters: number): string =>
  `{"id":"${id}","pk":"a","v":"${"\\u65e5".repeat(characters)}"}`;
const nested = (depth: number): string =>
  `{"id":"deep${depth}","pk":"a","v":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;

type Row = readonly [
  what: string,
  method: string,
  target: string,
  headers: Record<string, string>,
  body: unknown,
  expected: string,
  message?: RegExp,
];

const colls = "/dbs/shop/colls";
const tooLong =
  /The input name 'x{256}' is invalid\. Ensure to provide a unique non-empty string less than '255' characters\./;
const rows: readonly Row[] = [
  ["an id of 255 characters", "POST", "/dbs", {}, { id: long(255) }, "201"],
  ["an id of 256 characters", "POST", "/dbs", {}, { id: long(256) }, "400", tooLong],
  [
    "a container id of 256 characters",
    "POST",
    colls,
    {},
    { ...container({}), id: long(256) },
    "400",
    tooLong,
  ],
  ["an item id of 1023 bytes", "POST", docs, a, { id: long(1023), pk: "a" }, "201"],
  [
    "an item id of 1024 bytes",
    "POST",
    docs,
    a,
    { id: long(1024), pk: "a" },
    "400",
    /less than '1024' characters/,
  ],
  ["an item id that ends with a space", "POST", docs, a, { id: "space ", pk: "a" }, "201"],
  [
    "a script id of 256 characters",
    "POST",
    `${colls}/orders/sprocs`,
    {},
    { id: long(256), body: "function(){}" },
    "400",
    /is invalid/,
  ],
  [
    "a script id with a question mark",
    "POST",
    `${colls}/orders/udfs`,
    {},
    { id: "a?", body: "function(){}" },
    "400",
    /contains invalid character '\?'/,
  ],
  ["a user id with a slash", "POST", "/dbs/shop/users", {}, { id: "a/b" }, "400", /invalid character '\/'/],
  ["an item a little below 2 MB", "POST", docs, a, itemOf("large", 2 * 1024 * 1024 - 100), "201"],
  [
    "an item below 2 MB that comes as more with its escapes",
    "POST",
    docs,
    a,
    escaped("cjk", 400_000),
    "413",
    /Request size is too large/,
  ],
  [
    "the same to be upserted",
    "POST",
    docs,
    { ...a, "x-ms-documentdb-is-upsert": "True" },
    escaped("cjk", 400_000),
    "413",
  ],
  ["the same as a replacement", "PUT", `${docs}/there`, a, escaped("there", 400_000), "413"],
  [
    "a patch of more than 2 MB with its escapes",
    "PATCH",
    `${docs}/there`,
    a,
    `[{"op":"set","path":"/v","value":"${"\\u65e5".repeat(400_000)}"}]`,
    "413",
  ],
  ["an item without escapes", "POST", docs, a, escaped("cjk", 400_000).replaceAll("\\u65e5", "日"), "201"],
  ["escapes below 2 MB", "POST", docs, a, escaped("short", 300_000), "201"],
  [
    "an item a little above 2 MB",
    "POST",
    docs,
    a,
    itemOf("larger", 2 * 1024 * 1024 + 100),
    "413",
    /Request size is too large/,
  ],
  ["nesting of 128", "POST", docs, a, nested(128), "201"],
  ["nesting of 129", "POST", docs, a, nested(129), "400", /nested deeper than 128/],
  ["a partition key of 2048 bytes", "POST", docs, keyed(long(2048)), { id: "k", pk: long(2048) }, "201"],
  [
    "a partition key of 2049 bytes",
    "POST",
    docs,
    keyed(long(2049)),
    { id: "k", pk: long(2049) },
    "400",
    /longer than 2048 bytes/,
  ],
  ["a patch of 10 operations", "PATCH", `${docs}/there`, a, patch(10), "200"],
  ["a patch of 11 operations", "PATCH", `${docs}/there`, a, patch(11), "400", /can't exceed '10'/],
  ["a batch of 100 operations", "POST", docs, batchHeaders, batch(100), "200"],
  [
    "a batch of 101 operations",
    "POST",
    docs,
    batchHeaders,
    batch(101),
    "400",
    /more operations than what is supported/,
  ],
  [
    "a batch of more than 2 MB",
    "POST",
    docs,
    batchHeaders,
    [{ operationType: "Create", resourceBody: { id: "z", pk: "a", v: long(2_200_000) } }],
    "413",
    /too large/,
  ],
  ["10 unique keys of 16 paths", "POST", colls, {}, container(uniqueKeys(10, 16)), "201"],
  [
    "11 unique keys",
    "POST",
    colls,
    {},
    container(uniqueKeys(11, 1)),
    "400",
    /unique keys 11 exceeds the maximum of 10/,
  ],
  [
    "a unique key of 17 paths",
    "POST",
    colls,
    {},
    container(uniqueKeys(1, 17)),
    "400",
    /paths 17 in a unique key exceeds the maximum of 16/,
  ],
  ["a unique key without paths", "POST", colls, {}, container(uniqueKeys(1, 0)), "400", /at least one path/],
  ["20 computed properties", "POST", colls, {}, container(computed(20)), "201"],
  [
    "21 computed properties",
    "POST",
    colls,
    {},
    container(computed(21)),
    "400",
    /21 exceeds the maximum of 20/,
  ],
  [
    "a computed property that is no query",
    "POST",
    colls,
    {},
    container({ computedProperties: [{ name: "x", query: "SELECT VALUE FROM" }] }),
    "400",
    /malformed query: 'SELECT VALUE FROM'.*1001/,
  ],
  [
    "a computed property that is no value",
    "POST",
    colls,
    {},
    container({ computedProperties: [{ name: "x", query: "SELECT c.a FROM c" }] }),
    "400",
    /Required VALUE expression missing/,
  ],
  [
    "a computed property named like a system property",
    "POST",
    colls,
    {},
    container({ computedProperties: [{ name: "_ts", query: "SELECT VALUE 1 FROM c" }] }),
    "400",
    /cannot be used as a computed property name/,
  ],
  ["a default TTL of 2147483647", "POST", colls, {}, container({ defaultTtl: 2147483647 }), "201"],
  [
    "a default TTL of 2147483648",
    "POST",
    colls,
    {},
    container({ defaultTtl: 2147483648 }),
    "400",
    /ttl is invalid/,
  ],
  [
    "indexing mode none",
    "POST",
    colls,
    {},
    container(indexing({ indexingMode: "none", automatic: false })),
    "201",
  ],
  [
    "indexing mode none, automatically",
    "POST",
    colls,
    {},
    container(indexing({ indexingMode: "none", automatic: true })),
    "400",
    /'automatic' set to false/,
  ],
  [
    "an unknown indexing mode",
    "POST",
    colls,
    {},
    container(indexing({ indexingMode: "eager" })),
    "400",
    /'eager' is not supported/,
  ],
  [
    "an indexing policy without the root",
    "POST",
    colls,
    {},
    container(indexing({ includedPaths: [{ path: "/a/?" }] })),
    "400",
    /mandatory indexing path/,
  ],
  [
    "an indexing path without an ending",
    "POST",
    colls,
    {},
    container(indexing({ includedPaths: [{ path: "/*" }, { path: "/a" }] })),
    "400",
    /indexing path '\/a' could not be accepted/,
  ],
  [
    "a conflict resolution that does not exist",
    "POST",
    colls,
    {},
    container({ conflictResolutionPolicy: { mode: "Dice" } }),
    "400",
    /'LastWriterWins' or 'Custom'/,
  ],
  [
    "a partition key of three paths",
    "POST",
    colls,
    {},
    container({ partitionKey: { paths: ["/a", "/b", "/c"], kind: "MultiHash", version: 2 } }),
    "201",
  ],
  [
    "a partition key of four paths",
    "POST",
    colls,
    {},
    container({ partitionKey: { paths: ["/a", "/b", "/c", "/d"], kind: "MultiHash", version: 2 } }),
    "400",
    /Too many partition key paths: 4/,
  ],
];

describe("limits of the service", () => {
  let fixture: CosmosFixture;
  before(async () => {
    fixture = await openCosmosFixture();
    await fixture.sendSigned("POST", docs, { headers: a, body: { id: "there", pk: "a" } });
  });
  for (const [what, method, target, headers, body, expected, message] of rows) {
    test(`${what}: ${expected}`, async () => {
      const reply = await fixture.sendSigned(method, target, { headers, body });
      assert.equal(outcome(reply), expected, String(reply.body).slice(0, 500));
      if (message !== undefined) assert.match(String(bodyOf(reply)["message"]), message);
    });
  }

  const throughputs: readonly (readonly [string, string, string])[] = [
    ["x-ms-offer-throughput", "400", "201"],
    ["x-ms-offer-throughput", "300", "400"],
    ["x-ms-offer-throughput", "450", "400"],
    ["x-ms-offer-throughput", "1000100", "400"],
    ["x-ms-offer-throughput", "a lot", "400"],
    ["x-ms-cosmos-offer-autopilot-settings", '{"maxThroughput":1000}', "201"],
    ["x-ms-cosmos-offer-autopilot-settings", '{"maxThroughput":900}', "400"],
    ["x-ms-cosmos-offer-autopilot-settings", '{"maxThroughput":1500}', "400"],
    ["x-ms-cosmos-offer-autopilot-settings", "{", "400"],
  ];
  for (const [name, value, expected] of throughputs) {
    test(`${name}: ${value}: ${expected}`, async () => {
      await fixture.setAccount({ serverless: false });
      const reply = await fixture.sendSigned("POST", colls, {
        headers: { [name]: value },
        body: container({}),
      });
      assert.equal(outcome(reply), expected);
    });
  }

  test("both kinds of throughput at once: 400", async () => {
    const headers = {
      "x-ms-offer-throughput": "400",
      "x-ms-cosmos-offer-autopilot-settings": '{"maxThroughput":1000}',
    };
    assert.equal(outcome(await fixture.sendSigned("POST", colls, { headers, body: container({}) })), "400");
  });

  test("pages of a feed and of the change feed end at 4 MB, and nothing is lost between them", async () => {
    const own = await openCosmosFixture();
    const v = long(1_000_000);
    for (let n = 0; n < 7; n++)
      await own.sendSigned("POST", docs, { headers: a, body: { id: `${n}`, pk: "a", v } });
    const pagesOf = async (
      headers: Record<string, string>,
      next: string,
      sent: string,
    ): Promise<string[][]> => {
      const pages: string[][] = [];
      let token: string | undefined;
      for (;;) {
        const more = token === undefined ? {} : { [sent]: token };
        const reply = await own.sendSigned("GET", docs, { headers: { ...headers, ...more } });
        if (reply.status !== 304) {
          const { Documents } = bodyOf(reply) as { Documents: { id: string }[] };
          pages.push(Documents.map(({ id }) => id));
        }
        token = reply.headers[next];
        if (reply.status === 304 || token === undefined) return pages;
      }
    };
    const feed = await pagesOf({}, "x-ms-continuation", "x-ms-continuation");
    const changes = await pagesOf({ "a-im": "Incremental Feed" }, "etag", "if-none-match");
    for (const pages of [feed, changes]) {
      assert.deepEqual(pages.flat(), ["0", "1", "2", "3", "4", "5", "6"]);
      assert.ok(pages.length >= 2);
    }
  });
});

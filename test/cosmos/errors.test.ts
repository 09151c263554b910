/** Malformed and impossible requests of the data plane: status, substatus and text of each, signed with the key. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

const docs = "/dbs/shop/colls/orders/docs";
const a = { "x-ms-documentdb-partitionkey": '["a"]' };
const query = { "x-ms-documentdb-isquery": "True", "x-ms-documentdb-query-enablecrosspartition": "True" };
const long = (length: number): string => "x".repeat(length);

interface Case {
  readonly name: string;
  readonly method: string;
  readonly target: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly expected: string;
  readonly message: RegExp;
  /** What the client signs when its target cannot be read as a path. */
  readonly signed?: { resourceType: string; resourceLink: string };
}

const cases: readonly Case[] = [
  {
    name: "an item that is no JSON",
    method: "POST",
    target: docs,
    headers: a,
    body: "{",
    expected: "400",
    message: /request payload is invalid. Ensure to provide/,
  },
  {
    name: "an item that is an array",
    method: "POST",
    target: docs,
    headers: a,
    body: "[]",
    expected: "400",
    message: /One of the specified inputs is invalid/,
  },
  {
    name: "an empty body",
    method: "POST",
    target: docs,
    headers: a,
    expected: "400",
    message: /request payload is invalid. Ensure to provide/,
  },
  {
    name: "a number that no double holds",
    method: "POST",
    target: docs,
    headers: a,
    body: '{"id":"1","pk":"a","v":[1e400]}',
    expected: "400",
    message: /request payload is invalid. Ensure to provide/,
  },
  {
    name: "a number of too many digits in a batch",
    method: "POST",
    target: docs,
    headers: { ...a, "x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True" },
    body: `[{"operationType":"Create","resourceBody":{"id":"1","pk":"a","v":${"9".repeat(400)}}}]`,
    expected: "400",
    message: /batch request body is not valid JSON/,
  },
  {
    name: "a parameter without its sign",
    method: "POST",
    target: docs,
    headers: query,
    body: { query: "SELECT VALUE 1", parameters: [{ name: "p", value: 1 }] },
    expected: "400",
    message: /Parameter names should be in the format of symbol '@' followed by a valid identifier/,
  },
  {
    name: "a query that divides by zero",
    method: "POST",
    target: docs,
    headers: query,
    body: { query: "SELECT VALUE 1/0" },
    expected: "400/4001",
    message: /"code":4001/,
  },
  {
    name: "a read without a partition key",
    method: "GET",
    target: `${docs}/1`,
    expected: "400/1001",
    message: /header has fewer components than defined/,
  },
  {
    name: "bytes that are no UTF-8",
    method: "POST",
    target: docs,
    headers: a,
    body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
    expected: "400",
    message: /request payload is invalid. Ensure to provide/,
  },
  {
    name: "an item without id",
    method: "POST",
    target: docs,
    headers: a,
    body: { pk: "a" },
    expected: "400",
    message: /required properties - 'id; ' - are missing/,
  },
  {
    name: "an item with an empty id",
    method: "POST",
    target: docs,
    headers: a,
    body: { id: "", pk: "a" },
    expected: "400",
    message: /required properties/,
  },
  {
    name: "an item with a number as id",
    method: "POST",
    target: docs,
    headers: a,
    body: { id: 1, pk: "a" },
    expected: "400",
    message: /required properties/,
  },
  {
    name: "an id with a slash",
    method: "POST",
    target: docs,
    headers: a,
    body: { id: "a/b", pk: "a" },
    expected: "400",
    message: /cannot contain/,
  },
  {
    name: "an id of 1024 bytes",
    method: "POST",
    target: docs,
    headers: a,
    body: { id: long(1024), pk: "a" },
    expected: "400",
    message:
      /The input name 'x+' is invalid\. Ensure to provide a unique non-empty string less than '1024' characters\./,
  },
  {
    name: "nesting beyond 128 levels",
    method: "POST",
    target: docs,
    headers: a,
    body: `{"id":"deep","pk":"a","v":${"[".repeat(128)}${"]".repeat(128)}}`,
    expected: "400",
    message: /nested deeper than 128/,
  },
  {
    name: "no partition key header",
    method: "POST",
    target: docs,
    body: { id: "1", pk: "a" },
    expected: "400/1001",
    message: /header has fewer components than defined/,
  },
  {
    name: "a partition key that is no JSON",
    method: "POST",
    target: docs,
    headers: { "x-ms-documentdb-partitionkey": "a" },
    body: { id: "1", pk: "a" },
    expected: "400",
    message: /Partition key a is invalid/,
  },
  {
    name: "a partition key that is an object",
    method: "GET",
    target: `${docs}/1`,
    headers: { "x-ms-documentdb-partitionkey": '[{"a":1}]' },
    expected: "400",
    message: /must be a string, a number, a boolean or null/,
  },
  {
    name: "two partition key values for one path",
    method: "GET",
    target: `${docs}/1`,
    headers: { "x-ms-documentdb-partitionkey": '["a","b"]' },
    expected: "400/1001",
    message: /Partition key provided either doesn't correspond to definition in the collection/,
  },
  {
    name: "one partition key value for two paths",
    method: "GET",
    target: "/dbs/shop/colls/deep/docs/1",
    headers: a,
    expected: "400/1001",
    message: /Partition key provided either doesn't correspond to definition in the collection/,
  },
  {
    name: "no partition key value for two paths",
    method: "GET",
    target: "/dbs/shop/colls/deep/docs/1",
    headers: { "x-ms-documentdb-partitionkey": "[]" },
    expected: "400/1001",
    message: /header has fewer components than defined/,
  },
  {
    name: "null for a path that the document does not have",
    method: "POST",
    target: "/dbs/shop/colls/deep/docs",
    headers: { "x-ms-documentdb-partitionkey": '["a",null]' },
    body: { id: "1", pk: "a" },
    expected: "400/1001",
    message: /PartitionKey extracted from document doesn't match/,
  },
  {
    name: "another partition key than the item's",
    method: "POST",
    target: docs,
    headers: { "x-ms-documentdb-partitionkey": '["b"]' },
    body: { id: "1", pk: "a" },
    expected: "400/1001",
    message: /PartitionKey extracted from document doesn't match/,
  },
  {
    name: "null is not undefined",
    method: "POST",
    target: docs,
    headers: { "x-ms-documentdb-partitionkey": "[null]" },
    body: { id: "1" },
    expected: "400/1001",
    message: /doesn't match/,
  },
  {
    name: "an item that exists",
    method: "POST",
    target: docs,
    headers: a,
    body: { id: "there", pk: "a" },
    expected: "409",
    message: /already exists in the system/,
  },
  {
    name: "an item that does not exist",
    method: "GET",
    target: `${docs}/none`,
    headers: a,
    expected: "404",
    message: /Resource Not Found/,
  },
  {
    name: "replacing what does not exist",
    method: "PUT",
    target: `${docs}/none`,
    headers: a,
    body: { id: "none", pk: "a" },
    expected: "404",
    message: /Resource Not Found/,
  },
  {
    name: "renaming an item to an existing id",
    method: "PUT",
    target: `${docs}/there`,
    headers: a,
    body: { id: "also", pk: "a" },
    expected: "409",
    message: /already exists/,
  },
  {
    name: "a stale etag on replace",
    method: "PUT",
    target: `${docs}/there`,
    headers: { ...a, "if-match": '"old"' },
    body: { id: "there", pk: "a" },
    expected: "412",
    message: /precondition is not met/,
  },
  {
    name: "a stale etag on delete",
    method: "DELETE",
    target: `${docs}/there`,
    headers: { ...a, "if-match": '"old"' },
    expected: "412",
    message: /precondition is not met/,
  },
  {
    name: "a stale etag on upsert",
    method: "POST",
    target: docs,
    headers: { ...a, "x-ms-documentdb-is-upsert": "true", "if-match": '"old"' },
    body: { id: "there", pk: "a" },
    expected: "412",
    message: /precondition/,
  },
  {
    name: "an item of more than 2 MB",
    method: "POST",
    target: docs,
    headers: a,
    body: { id: "big", pk: "a", v: long(2 * 1024 * 1024) },
    expected: "413",
    message: /Request size is too large/,
  },
  {
    name: "a session ahead of the server",
    method: "GET",
    target: `${docs}/there`,
    headers: { ...a, "x-ms-session-token": "0:-1#99999" },
    expected: "404/1002",
    message: /read session is not available/,
  },
  {
    name: "a container that does not exist",
    method: "GET",
    target: "/dbs/shop/colls/none/docs/1",
    headers: a,
    expected: "404/1003",
    message: /Owner resource does not exist/,
  },
  {
    name: "a database that does not exist",
    method: "GET",
    target: "/dbs/none",
    expected: "404",
    message: /Resource Not Found/,
  },
  {
    name: "a database that exists",
    method: "POST",
    target: "/dbs",
    body: { id: "shop" },
    expected: "409",
    message: /already exists/,
  },
  {
    name: "a container that exists",
    method: "POST",
    target: "/dbs/shop/colls",
    body: { id: "orders", partitionKey: { paths: ["/pk"] } },
    expected: "409",
    message: /already exists/,
  },
  ...["MultiHash", "Hash"].map((kind) => ({
    name: `a container that exists, with four paths of kind ${kind}`,
    method: "POST",
    target: "/dbs/shop/colls",
    body: { id: "orders", partitionKey: { paths: ["/id", "/pk", "/id2", "/pk2"], kind, version: 2 } },
    expected: "400",
    message: /Too many partition key paths/,
  })),
  {
    name: "a database id with a hash",
    method: "POST",
    target: "/dbs",
    body: { id: "a#b" },
    expected: "400",
    message: /resource name presented contains invalid character '#'/,
  },
  {
    name: "a database id that ends with a space",
    method: "POST",
    target: "/dbs",
    body: { id: "a " },
    expected: "400",
    message: /resource name can't end with space/,
  },
  {
    name: "a database id of 256 characters",
    method: "POST",
    target: "/dbs",
    body: { id: long(256) },
    expected: "400",
    message: /is invalid/,
  },
  {
    name: "a container without partition key",
    method: "POST",
    target: "/dbs/shop/colls",
    body: { id: "x" },
    expected: "400/1013",
    message: /'partitionKey; ' - are missing/,
  },
  {
    name: "a partition key path without slash",
    method: "POST",
    target: "/dbs/shop/colls",
    body: { id: "x", partitionKey: { paths: ["pk"] } },
    expected: "400",
    message: /path 'pk' could not be accepted/,
  },
  {
    name: "four partition key paths",
    method: "POST",
    target: "/dbs/shop/colls",
    body: { id: "x", partitionKey: { paths: ["/a", "/b", "/c", "/d"], kind: "MultiHash", version: 2 } },
    expected: "400",
    message: /Too many partition key paths: 4/,
  },
  {
    name: "a container in a missing database",
    method: "POST",
    target: "/dbs/none/colls",
    body: { id: "x", partitionKey: { paths: ["/pk"] } },
    expected: "404/1003",
    message: /Owner resource/,
  },
  {
    name: "changing a partition key",
    method: "PUT",
    target: "/dbs/shop/colls/orders",
    body: { id: "orders", partitionKey: { paths: ["/other"], kind: "Hash" } },
    expected: "400",
    message: /partition key cannot be changed/,
  },
  {
    name: "a TTL of zero",
    method: "PUT",
    target: "/dbs/shop/colls/orders",
    body: { id: "orders", defaultTtl: 0 },
    expected: "400",
    message: /ttl is invalid/,
  },
  {
    name: "a page size below minus one",
    method: "GET",
    target: "/dbs",
    headers: { "x-ms-max-item-count": "-2" },
    expected: "400",
    message: /input PageSize [-\w]+ is invalid/,
  },
  {
    name: "a page size that is no number",
    method: "GET",
    target: docs,
    headers: { "x-ms-max-item-count": "many" },
    expected: "400",
    message: /input PageSize [-\w]+ is invalid/,
  },
  {
    name: "a page size beyond 32 bits",
    method: "GET",
    target: docs,
    headers: { "x-ms-max-item-count": "2147483648" },
    expected: "400",
    message: /input PageSize 2147483648 is invalid/,
  },
  {
    name: "a version of the protocol that never was",
    method: "GET",
    target: "/dbs",
    headers: { "x-ms-version": "2015-01-01" },
    expected: "400",
    message: /Invalid API version\. Ensure a valid x-ms-version header value is passed/,
  },
  {
    name: "a version of the protocol that is no date",
    method: "GET",
    target: docs,
    headers: { "x-ms-version": "latest" },
    expected: "400",
    message: /Invalid API version/,
  },
  {
    name: "a priority between high and low",
    method: "GET",
    target: docs,
    headers: { "x-ms-cosmos-priority-level": "Medium" },
    expected: "400",
    message: /Value 'Medium' specified for the header 'x-ms-cosmos-priority-level' is invalid/,
  },
  {
    name: "a limit of zero for continuation tokens",
    method: "GET",
    target: docs,
    headers: { "x-ms-documentdb-responsecontinuationtokenlimitinkb": "0" },
    expected: "400",
    message: /continuation token limit specified is not large enough/,
  },
  {
    name: "a negative limit for continuation tokens",
    method: "GET",
    target: docs,
    headers: { "x-ms-documentdb-responsecontinuationtokenlimitinkb": "-1" },
    expected: "400",
    message: /valid continuation token size limit which must be a positive integer/,
  },
  {
    name: "deleting by a part of a hierarchical key",
    method: "POST",
    target: "/dbs/shop/colls/deep/operations/partitionkeydelete",
    headers: a,
    expected: "400/1001",
    message: /Partition key provided either doesn't correspond to definition in the collection/,
    signed: { resourceType: "colls", resourceLink: "dbs/shop/colls/deep" },
  },
  {
    name: "a made-up continuation",
    method: "GET",
    target: docs,
    headers: { "x-ms-continuation": "made up" },
    expected: "400",
    message: /Invalid Continuation Token/,
  },
  {
    name: "a made-up continuation of a query",
    method: "POST",
    target: docs,
    headers: { ...query, "x-ms-continuation": "bWFkZSB1cA" },
    body: { query: "SELECT * FROM c" },
    expected: "400",
    message: /Invalid Continuation Token/,
  },
  {
    name: "a query without text",
    method: "POST",
    target: docs,
    headers: query,
    body: {},
    expected: "400",
    message: /no 'query' text/,
  },
  {
    name: "parameters that are no array",
    method: "POST",
    target: docs,
    headers: query,
    body: { query: "SELECT 1", parameters: {} },
    expected: "400",
    message: /must be an array/,
  },
  {
    name: "a syntax error",
    method: "POST",
    target: docs,
    headers: query,
    body: { query: "SELECT * FORM c" },
    expected: "400",
    message: /"code":"SC1001"/,
  },
  {
    name: "an unknown function",
    method: "POST",
    target: docs,
    headers: query,
    body: { query: "SELECT NOPE(c.x) FROM c" },
    expected: "400",
    message: /'NOPE' is not a recognized built-in function name/,
  },
  {
    name: "a query across partitions that did not ask for it",
    method: "POST",
    target: docs,
    headers: { "x-ms-documentdb-isquery": "True" },
    body: { query: "SELECT * FROM c" },
    expected: "400",
    message: /Cross partition query is required but disabled/,
  },
  {
    name: "a path that does not exist",
    method: "GET",
    target: "/nothing/here",
    expected: "404",
    message: /path does not exist/,
  },
  {
    name: "a path deeper than any resource",
    method: "GET",
    target: `${docs}/1/x/y`,
    expected: "404",
    message: /path does not exist/,
  },
  {
    name: "a broken percent-encoding",
    method: "GET",
    target: "/dbs/%zz",
    expected: "400",
    message: /invalid percent-encoding/,
    signed: { resourceType: "dbs", resourceLink: "" },
  },
  {
    name: "a verb that the resource does not know",
    method: "PUT",
    target: "/dbs",
    expected: "405",
    message: /verb PUT is not supported/,
  },
  {
    name: "direct mode",
    method: "GET",
    target:
      "//addresses/?$resolveFor=dbs%2fshop%2fcolls%2forders%2fdocs&$filter=protocol eq rntbd&$partitionKeyRangeIds=0",
    expected: "501",
    message: /'rntbd' of direct mode is not implemented by this server: use gateway mode/,
    signed: { resourceType: "docs", resourceLink: "dbs/shop/colls/orders/docs" },
  },
  {
    name: "addresses of nothing",
    method: "GET",
    target: "//addresses/",
    expected: "400",
    message: /'\$resolveFor' is missing/,
    signed: { resourceType: "docs", resourceLink: "" },
  },
  {
    name: "addresses of a container that does not exist",
    method: "GET",
    target: "//addresses/?$resolveFor=dbs%2fshop%2fcolls%2fnone%2fdocs",
    expected: "404/1003",
    message: /Owner resource does not exist/,
    signed: { resourceType: "docs", resourceLink: "dbs/shop/colls/none" },
  },
  {
    name: "addresses of a range that does not exist",
    method: "GET",
    target: "//addresses/?$resolveFor=dbs%2fshop%2fcolls%2forders%2fdocs&$partitionKeyRangeIds=0,9",
    expected: "410/1002",
    message: /no longer available/,
    signed: { resourceType: "docs", resourceLink: "dbs/shop/colls/orders/docs" },
  },
];

describe("errors of the data plane", () => {
  let fixture: CosmosFixture;
  before(async () => {
    fixture = await openCosmosFixture();
    for (const id of ["there", "also"])
      await fixture.sendSigned("POST", docs, { headers: a, body: { id, pk: "a" } });
    const partitionKey = { paths: ["/pk", "/sub"], kind: "MultiHash", version: 2 };
    await fixture.sendSigned("POST", "/dbs/shop/colls", { body: { id: "deep", partitionKey } });
  });
  for (const { name, method, target, headers = {}, body, expected, message, signed } of cases) {
    test(`${name}: ${expected}`, async () => {
      const reply = await fixture.sendSigned(method, target, { headers, body, ...signed });
      assert.equal(outcome(reply), expected, String(reply.body));
      const error = bodyOf(reply) as { code: string; message: string };
      assert.match(error.message, message);
      assert.match(error.message, /ActivityId: [0-9a-f-]{36}/);
      assert.match(error.code, /^[A-Z][A-Za-z]+$/);
      assert.equal(reply.headers["content-type"], "application/json");
    });
  }
});

describe("addresses", () => {
  let fixture: CosmosFixture;
  before(async () => {
    fixture = await openCosmosFixture();
  });
  const ids = [
    "colls",
    "docs",
    "..",
    ".",
    "a b",
    "ż🦊",
    "100%",
    "what?",
    "+",
    "a&b=c",
    "'\"",
    "%2F",
    "__proto__",
    "constructor",
  ];
  for (const id of ids) {
    test(`an item called ${JSON.stringify(id)} is created, read, found and deleted`, async () => {
      const target = `${docs}/${encodeURIComponent(id).replaceAll(".", "%2E")}`;
      const key = {
        "x-ms-documentdb-partitionkey": JSON.stringify([id]).replace(
          /[\u0080-\uffff]/g,
          (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
        ),
      };
      const send = (method: string, path: string, body?: unknown): ReturnType<CosmosFixture["send"]> =>
        fixture.sendSigned(method, path, {
          headers: key,
          body,
          resourceType: "docs",
          resourceLink: path === docs ? docs.slice(1, -5) : `${docs.slice(1)}/${id}`,
        });
      assert.equal(outcome(await send("POST", docs, { id, pk: id })), "201");
      assert.equal(bodyOf(await send("GET", target))["id"], id);
      assert.equal(bodyOf(await send("GET", `${target}/`))["id"], id, "a trailing slash changes nothing");
      assert.equal(outcome(await send("DELETE", target)), "204");
      assert.equal(outcome(await send("GET", target)), "404");
    });
  }
  for (const id of ["what?", "what?now=1&then=%20"]) {
    test(`an item called ${JSON.stringify(id)} is found as @azure/cosmos addresses it`, async () => {
      const decoded = decodeURIComponent(id);
      const headers = { "x-ms-documentdb-partitionkey": JSON.stringify([decoded]) };
      const body = { id: decoded, pk: decoded };
      const signed = { resourceType: "docs", resourceLink: `${docs.slice(1)}/${decoded}` };
      assert.equal(outcome(await fixture.sendSigned("POST", docs, { headers, body })), "201");
      for (const [method, expected] of [
        ["GET", "200"],
        ["DELETE", "204"],
        ["GET", "404"],
      ] as const)
        assert.equal(
          outcome(await fixture.sendSigned(method, `${docs}/${id}`, { headers, ...signed })),
          expected,
        );
    });
  }
});

/** What containers and requests can be asked for beyond plain reading and writing, as it shows on the wire. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { splitRange } from "../../src/cosmos/engine/split.ts";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

const docs = "/dbs/shop/colls/orders/docs";
const a = { "x-ms-documentdb-partitionkey": '["a"]' };

async function queried(
  fixture: CosmosFixture,
  target: string,
  query: string,
  headers: Record<string, string> = { "x-ms-documentdb-query-enablecrosspartition": "True" },
): Promise<unknown> {
  const reply = await fixture.sendSigned("POST", target, {
    headers: { "x-ms-documentdb-isquery": "True", ...headers },
    body: { query },
  });
  assert.equal(reply.status, 200, String(reply.body));
  return bodyOf(reply)["Documents"];
}

describe("writes that want no answer", () => {
  const writes: readonly (readonly [string, string, string, Record<string, string>, unknown, number])[] = [
    ["create", "POST", docs, {}, { id: "1", pk: "a" }, 201],
    ["upsert", "POST", docs, { "x-ms-documentdb-is-upsert": "True" }, { id: "1", pk: "a" }, 200],
    ["replace", "PUT", `${docs}/1`, {}, { id: "1", pk: "a", v: 1 }, 200],
    ["patch", "PATCH", `${docs}/1`, {}, [{ op: "set", path: "/v", value: 2 }], 200],
  ];
  const preferences: readonly (readonly [Record<string, string>, boolean])[] = [
    [{}, true],
    [{ prefer: "return=minimal" }, false],
    [{ "x-ms-cosmos-populate-content-response-on-write": "False" }, false],
    [{ prefer: "return=minimal", "x-ms-cosmos-populate-content-response-on-write": "True" }, true],
  ];
  for (const [preference, hasBody] of preferences) {
    test(`${JSON.stringify(preference)}: ${hasBody ? "with" : "without"} body, always with etag`, async () => {
      const fixture = await openCosmosFixture();
      for (const [name, method, target, headers, body, status] of writes) {
        const reply = await fixture.sendSigned(method, target, {
          headers: { ...a, ...headers, ...preference },
          body,
        });
        assert.equal(reply.status, status, name);
        assert.equal(reply.body !== undefined, hasBody, name);
        assert.match(reply.headers["etag"] ?? "", /^".+"$/, name);
        assert.match(reply.headers["x-ms-session-token"] ?? "", /^0:-1#\d+$/, name);
      }
      const batch = await fixture.sendSigned("POST", docs, {
        headers: {
          ...a,
          ...preference,
          "x-ms-cosmos-is-batch-request": "True",
          "x-ms-cosmos-batch-atomic": "True",
        },
        body: [
          { operationType: "Upsert", resourceBody: { id: "1", pk: "a" } },
          { operationType: "Read", id: "1" },
        ],
      });
      const [written, read] = JSON.parse(String(batch.body)) as { resourceBody?: object; eTag: string }[];
      assert.equal(written?.resourceBody !== undefined, hasBody);
      assert.ok(written?.eTag);
      assert.ok(read?.resourceBody !== undefined, "a read always has its item");
    });
  }
});

test("addresses name the gateway for each range", async () => {
  const fixture = await openCosmosFixture();
  const container = fixture.engine.catalog.find("acct")?.databases.get("shop")?.containers.get("orders");
  assert.ok(container);
  await splitRange(fixture.engine, "acct", container, "0");
  const link = `dbs/${container.databaseRid}/colls/${container.rid}`;
  for (const resourceLink of [
    "dbs/shop/colls/orders/docs",
    "dbs/shop/colls/orders",
    container.rid.toLowerCase(),
  ]) {
    const byRid = resourceLink === container.rid.toLowerCase();
    const target = encodeURIComponent(byRid ? `${link}/docs` : "dbs/shop/colls/orders/docs");
    const reply = await fixture.sendSigned(
      "GET",
      `//addresses/?$resolveFor=${target}&$filter=protocol eq https`,
      {
        resourceType: "docs",
        resourceLink,
      },
    );
    const body = bodyOf(reply) as { _count: number; Addresss: Record<string, unknown>[] };
    assert.equal(reply.status, 200, resourceLink);
    assert.deepEqual(
      body.Addresss.map((address) => [
        address["partitionKeyRangeId"],
        address["protocol"],
        address["isPrimary"],
      ]),
      [
        ["1", "https", true],
        ["2", "https", true],
      ],
    );
  }
  const unsigned = await fixture.send("GET", "//addresses/?$resolveFor=dbs%2fshop%2fcolls%2forders%2fdocs");
  assert.equal(unsigned.status, 401);
});

test("quota and usage on request, by container and by range", async () => {
  const fixture = await openCosmosFixture();
  for (let n = 0; n < 30; n++) {
    await fixture.sendSigned("POST", docs, {
      headers: { "x-ms-documentdb-partitionkey": `["p${n}"]` },
      body: { id: `${n}`, pk: `p${n}`, v: "x".repeat(1000) },
    });
  }
  const target = "/dbs/shop/colls/orders";
  const plain = await fixture.sendSigned("GET", target);
  assert.equal(plain.headers["x-ms-resource-usage"], undefined);
  const quota = await fixture.sendSigned("GET", target, {
    headers: { "x-ms-documentdb-populatequotainfo": "True" },
  });
  assert.match(quota.headers["x-ms-resource-quota"] ?? "", /documentsCount=-1;/);
  const usage = /documentsSize=(\d+);documentsCount=(\d+);/.exec(quota.headers["x-ms-resource-usage"] ?? "");
  assert.equal(usage?.[2], "30");
  assert.ok(Number(usage?.[1]) >= 30 && Number(usage?.[1]) < 60);
  const statistics = await fixture.sendSigned("GET", target, {
    headers: { "x-ms-documentdb-populatepartitionstatistics": "True" },
  });
  const ranges = bodyOf(statistics)["statistics"] as { id: string; documentCount: number }[];
  assert.deepEqual(
    ranges.map(({ id, documentCount }) => [id, documentCount]),
    [["0", 30]],
  );
});

test("computed properties are found by queries and never part of an item", async () => {
  const fixture = await openCosmosFixture();
  const target = "/dbs/shop/colls/computed/docs";
  const computedProperties = [{ name: "lower", query: "SELECT VALUE LOWER(c.name) FROM c" }];
  await fixture.sendSigned("POST", "/dbs/shop/colls", {
    body: { id: "computed", partitionKey: { paths: ["/pk"] }, computedProperties },
  });
  await fixture.sendSigned("POST", target, { headers: a, body: { id: "1", pk: "a", name: "ADA" } });
  assert.deepEqual(await queried(fixture, target, "SELECT VALUE c.lower FROM c WHERE c.lower = 'ada'"), [
    "ada",
  ]);
  const [item] = (await queried(fixture, target, "SELECT * FROM c WHERE c.lower = 'ada'")) as object[];
  assert.ok(item !== undefined && !("lower" in item));
  const read = bodyOf(await fixture.sendSigned("GET", `${target}/1`, { headers: a }));
  assert.ok(!("lower" in read));
  const changed = await fixture.sendSigned("PUT", "/dbs/shop/colls/computed", {
    body: { id: "computed", partitionKey: { paths: ["/pk"] }, computedProperties: [] },
  });
  assert.equal(changed.status, 200);
  assert.deepEqual(await queried(fixture, target, "SELECT VALUE c.lower FROM c WHERE c.lower = 'ada'"), []);
});

test("a container with a system key holds items without a key under []", async () => {
  const fixture = await openCosmosFixture();
  const target = "/dbs/shop/colls/migrated/docs";
  const partitionKey = { paths: ["/_partitionKey"], kind: "Hash", version: 2, systemKey: true };
  const created = await fixture.sendSigned("POST", "/dbs/shop/colls", {
    body: { id: "migrated", partitionKey },
  });
  assert.deepEqual(bodyOf(created)["partitionKey"], partitionKey);
  const none = { "x-ms-documentdb-partitionkey": "[]" };
  assert.equal((await fixture.sendSigned("POST", target, { headers: none, body: { id: "1" } })).status, 201);
  const keyed = { "x-ms-documentdb-partitionkey": '["k"]' };
  const body = { id: "1", _partitionKey: "k" };
  assert.equal((await fixture.sendSigned("POST", target, { headers: keyed, body })).status, 201);
  for (const headers of [none, keyed, { "x-ms-documentdb-partitionkey": "[{}]" }])
    assert.equal((await fixture.sendSigned("GET", `${target}/1`, { headers })).status, 200);
  assert.deepEqual(await queried(fixture, target, "SELECT VALUE c.id FROM c", none), ["1"]);
  assert.equal((await fixture.sendSigned("DELETE", `${target}/1`, { headers: none })).status, 204);
  assert.equal((await fixture.sendSigned("GET", `${target}/1`, { headers: keyed })).status, 200);
});

test("a serverless account has no offers", async () => {
  const fixture = await openCosmosFixture();
  const { Offers } = bodyOf(await fixture.sendSigned("GET", "/offers"));
  assert.deepEqual(Offers, []);
  for (const target of ["/dbs", "/dbs/shop/colls"]) {
    const refused = await fixture.sendSigned("POST", target, {
      headers: { "x-ms-offer-throughput": "400" },
      body: { id: "provisioned", partitionKey: { paths: ["/pk"] } },
    });
    assert.equal(outcome(refused), "400");
    assert.match(String(bodyOf(refused)["message"]), /not supported for serverless accounts/);
  }
});

test("offers go with their database", async () => {
  const fixture = await openCosmosFixture();
  await fixture.setAccount({ serverless: false });
  await fixture.sendSigned("POST", "/dbs", {
    headers: { "x-ms-offer-throughput": "400" },
    body: { id: "d" },
  });
  for (const id of ["own1", "own2"]) {
    await fixture.sendSigned("POST", "/dbs/d/colls", {
      headers: { "x-ms-cosmos-offer-autopilot-settings": '{"maxThroughput":1000}' },
      body: { id, partitionKey: { paths: ["/pk"] } },
    });
  }
  const count = async (): Promise<unknown> => bodyOf(await fixture.sendSigned("GET", "/offers"))["_count"];
  assert.equal(await count(), 3);
  await fixture.sendSigned("DELETE", "/dbs/d");
  assert.equal(await count(), 0);
});

test("an indexing directive is checked", async () => {
  const fixture = await openCosmosFixture();
  const send = async (directive: string): Promise<string> =>
    outcome(
      await fixture.sendSigned("POST", docs, {
        headers: { ...a, "x-ms-indexing-directive": directive },
        body: { id: directive, pk: "a" },
      }),
    );
  assert.deepEqual(await Promise.all(["Include", "exclude", "Default", "Sometimes"].map(send)), [
    "201",
    "201",
    "201",
    "400",
  ]);
});

test("the etag of the ranges changes with a split, so that clients that have it hear of it", async () => {
  const fixture = await openCosmosFixture();
  const target = "/dbs/shop/colls/orders/pkranges";
  const incremental = { "a-im": "Incremental Feed" };
  const first = await fixture.sendSigned("GET", target, { headers: incremental });
  const known = { ...incremental, "if-none-match": first.headers["etag"] ?? "" };
  assert.equal((await fixture.sendSigned("GET", target, { headers: known })).status, 304);
  const container = fixture.engine.catalog.find("acct")?.databases.get("shop")?.containers.get("orders");
  assert.ok(container);
  await splitRange(fixture.engine, "acct", container, "0");
  const second = await fixture.sendSigned("GET", target, { headers: known });
  assert.equal(second.status, 200);
  const ranges = bodyOf(second)["PartitionKeyRanges"] as { id: string; parents: string[] }[];
  assert.deepEqual(
    ranges.map(({ id, parents }) => [id, parents]),
    [
      ["1", ["0"]],
      ["2", ["0"]],
    ],
  );
  const again = { ...incremental, "if-none-match": second.headers["etag"] ?? "" };
  assert.equal((await fixture.sendSigned("GET", target, { headers: again })).status, 304);
});

test("a partition key's path may be quoted with either quote", async () => {
  const fixture = await openCosmosFixture();
  const paths = [`/'a "b" 1*()'/'c/d'`, `/"it's"/"e f"`];
  const partitionKey = { paths, kind: "MultiHash", version: 2 };
  await fixture.sendSigned("POST", "/dbs/shop/colls", { body: { id: "quoted", partitionKey } });
  const target = "/dbs/shop/colls/quoted/docs";
  const headers = { "x-ms-documentdb-partitionkey": '["x","y"]' };
  const body = { id: "1", 'a "b" 1*()': { "c/d": "x" }, "it's": { "e f": "y" } };
  assert.equal(outcome(await fixture.sendSigned("POST", target, { headers, body })), "201");
  assert.deepEqual(await queried(fixture, target, "SELECT VALUE c.id FROM c", headers), ["1"]);
});

test("an object where the partition key should be is as good as no value", async () => {
  const fixture = await openCosmosFixture();
  const undefinedKey = { "x-ms-documentdb-partitionkey": "[{}]" };
  const body = { id: "object", pk: { a: 1 } };
  assert.equal(outcome(await fixture.sendSigned("POST", docs, { headers: undefinedKey, body })), "201");
  const read = await fixture.sendSigned("GET", `${docs}/object`, { headers: undefinedKey });
  assert.deepEqual(bodyOf(read)["pk"], { a: 1 });
  assert.equal(outcome(await fixture.sendSigned("POST", docs, { headers: a, body })), "400/1001");
  const list = { id: "list", pk: ["a"] };
  assert.equal(outcome(await fixture.sendSigned("POST", docs, { headers: a, body: list })), "400");
});

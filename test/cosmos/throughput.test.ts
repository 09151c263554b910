/** Provisioned throughput, enforced: who is refused, when it is let in again, and that SDKs wait as they are told. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openMemory } from "../../src/storage/memory.ts";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";
import { openSdkFixture } from "./sdk-fixture.ts";

const key = (pk: string): Record<string, string> => ({
  "x-ms-documentdb-partitionkey": JSON.stringify([pk]),
});

async function open(throughput: number): Promise<CosmosFixture> {
  const fixture = await openCosmosFixture();
  await fixture.setAccount({ serverless: false, enforcesThroughput: true });
  const created = await fixture.sendSigned("POST", "/dbs/shop/colls", {
    headers: { "x-ms-offer-throughput": String(throughput) },
    body: { id: "limited", partitionKey: { paths: ["/pk"] } },
  });
  assert.equal(created.status, 201);
  return fixture;
}

const docs = "/dbs/shop/colls/limited/docs";

function create(fixture: CosmosFixture, id: string, pk = "a"): ReturnType<CosmosFixture["send"]> {
  return fixture.sendSigned("POST", docs, { headers: key(pk), body: { id, pk } });
}

/** Creates items until one is refused; returns how many were let in, and the refusal. */
async function exhaust(
  fixture: CosmosFixture,
  prefix: string,
  pk = "a",
): Promise<{ readonly done: number; readonly refused: Awaited<ReturnType<CosmosFixture["send"]>> }> {
  for (let n = 0; n < 5000; n++) {
    const reply = await create(fixture, `${prefix}${n}`, pk);
    if (reply.status !== 201) return { done: n, refused: reply };
  }
  throw new Error("nothing was refused");
}

describe("throughput that is enforced", () => {
  test("a second's worth is let in, then 429/3200 with the time to wait, and nothing was changed", async () => {
    const fixture = await open(400);
    const { done, refused } = await exhaust(fixture, "n");
    assert.equal(done, Math.ceil(400 / 5.8));
    assert.equal(outcome(refused), "429/3200");
    assert.match(
      String(bodyOf(refused)["message"]),
      /Request rate is large\. More Request Units may be needed/,
    );
    const wait = Number(refused.headers["x-ms-retry-after-ms"]);
    assert.ok(wait >= 1 && wait <= 1000, `wait ${wait}`);
    assert.equal(outcome(await fixture.sendSigned("GET", `${docs}/n0`, { headers: key("a") })), "429/3200");
    fixture.clock.advance(wait);
    assert.equal((await create(fixture, "later")).status, 201);
    fixture.clock.advance(1000);
    assert.equal(outcome(await fixture.sendSigned("GET", `${docs}/n${done}`, { headers: key("a") })), "404");
  });

  test("metadata, and containers with throughput of their own, go on", async () => {
    const fixture = await open(400);
    await exhaust(fixture, "n");
    assert.equal((await fixture.sendSigned("GET", "/dbs/shop/colls/limited")).status, 200);
    assert.equal((await fixture.sendSigned("GET", "/dbs/shop/colls/limited/pkranges")).status, 200);
    await fixture.sendSigned("POST", "/dbs/shop/colls", {
      body: { id: "other", partitionKey: { paths: ["/pk"] } },
    });
    const other = await fixture.sendSigned("POST", "/dbs/shop/colls/other/docs", {
      headers: key("a"),
      body: { id: "1", pk: "a" },
    });
    assert.equal(other.status, 201);
  });

  test("each range has its part: a hot partition does not stop another range's", async () => {
    const fixture = await open(20_000);
    const { done } = await exhaust(fixture, "hot", "a");
    assert.ok(done <= Math.ceil(10_000 / 5.8) + 1, `${done}`);
    const others = await Promise.all(["b", "c", "d", "e", "f", "g"].map((pk) => create(fixture, "cold", pk)));
    assert.ok(others.some((reply) => reply.status === 201));
    assert.ok(others.some((reply) => reply.status === 429));
  });

  test("more throughput acts at once", async () => {
    const fixture = await open(400);
    await exhaust(fixture, "n");
    const { Offers } = bodyOf(await fixture.sendSigned("GET", "/offers")) as {
      Offers: { id: string; offerResourceId: string }[];
    };
    const container = fixture.engine.catalog.find("acct")?.databases.get("shop")?.containers.get("limited");
    const offer = Offers.find(({ offerResourceId }) => offerResourceId === container?.rid);
    const id = offer?.id ?? "";
    const replaced = await fixture.sendSigned("PUT", `/offers/${id}`, {
      body: { id, content: { offerThroughput: 4000 } },
      resourceType: "offers",
      resourceLink: id.toLowerCase(),
    });
    assert.equal(replaced.status, 200);
    fixture.clock.advance(1000);
    const { done } = await exhaust(fixture, "more");
    assert.equal(done, Math.ceil(4000 / 5.8));
  });

  test("a bulk request is refused part by part", async () => {
    const fixture = await open(400);
    const { done } = await exhaust(fixture, "n");
    assert.ok(done > 0);
    const reply = await fixture.sendSigned("POST", docs, {
      headers: {
        "x-ms-cosmos-is-batch-request": "True",
        "x-ms-cosmos-batch-atomic": "False",
        "x-ms-documentdb-partitionkeyrangeid": "0",
      },
      body: [
        { operationType: "Create", partitionKey: '["a"]', resourceBody: { id: "bulk", pk: "a" } },
        { operationType: "Read", partitionKey: '["a"]', id: "n0" },
      ],
    });
    assert.equal(reply.status, 207);
    const results = JSON.parse(String(reply.body)) as {
      statusCode: number;
      subStatusCode: number;
      retryAfterMilliseconds: number;
    }[];
    for (const result of results) {
      assert.equal(result.statusCode, 429);
      assert.equal(result.subStatusCode, 3200);
      assert.ok(result.retryAfterMilliseconds >= 1);
    }
  });

  test("without the account's wish nothing is refused", async () => {
    const fixture = await open(400);
    await fixture.setAccount({ serverless: false });
    for (let n = 0; n < 200; n++) assert.equal((await create(fixture, `n${n}`)).status, 201);
  });

  test("the SDK waits and tries again: all items arrive", async () => {
    const settings = { serverless: false, enforcesThroughput: true };
    const fixture = await openSdkFixture(openMemory(), 1, settings);
    try {
      const { database } = await fixture.client.databases.create({ id: "d" });
      const { container } = await database.containers.create({
        id: "c",
        partitionKey: "/pk",
        throughput: 400,
      });
      const v = "x".repeat(20_000);
      for (let round = 0; round < 2; round++) {
        const creates = [0, 1, 2, 3, 4].map((n) =>
          container.items.create({ id: `${round}-${n}`, pk: "a", v }),
        );
        await Promise.all(creates);
      }
      const statuses = fixture.records
        .filter(({ operationName }) => operationName === "CreateItem")
        .map(({ statusCode }) => statusCode);
      assert.equal(statuses.filter((status) => status === 201).length, 10);
      assert.ok(statuses.includes(429), "the SDK was never told to wait");
    } finally {
      await fixture.close();
    }
  });
});

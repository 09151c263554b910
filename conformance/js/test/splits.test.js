/** Ranges that split while the SDK reads: a paged query and the change feed lose and repeat nothing. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChangeFeedStartFrom, CosmosClient } from "@azure/cosmos";

const env = process.env;
const client = new CosmosClient({ endpoint: env.CONFORMANCE_keyEndpoint, key: env.CONFORMANCE_key });
const count = 300;
const numbers = Array.from({ length: count }, (_, n) => n);
const sorted = (list) => [...list].sort((a, b) => a - b);
let database;

before(async () => {
  ({ database } = await client.databases.create({ id: `js-splits-${process.pid}` }));
});
after(() => database.delete());

/** A container with items in one range (or as many as the throughput needs). */
async function filled(id, throughput) {
  const { container } = await database.containers.create(
    { id, partitionKey: { paths: ["/pk"] } },
    { offerThroughput: throughput },
  );
  for (let at = 0; at < count; at += 50) {
    await Promise.all(
      numbers.slice(at, at + 50).map((n) => container.items.create({ id: `${n}`, pk: `p${n % 23}`, n })),
    );
  }
  return container;
}

/** More throughput than the ranges can carry splits them. */
async function split(container, throughput) {
  const { offer, resource } = await container.readOffer();
  await offer.replace({ ...resource, content: { offerThroughput: throughput } });
}

const rangesOf = async (container) => (await container.readPartitionKeyRanges().fetchAll()).resources.length;

test("a paged query goes on over the new ranges", async () => {
  const container = await filled("paged", 10_000);
  const iterator = container.items.query("SELECT VALUE c.n FROM c", { maxItemCount: 20 });
  const seen = [];
  for (let page = 0; iterator.hasMoreResults(); page++) {
    seen.push(...((await iterator.fetchNext()).resources ?? []));
    if (page === 3) await split(container, 20_000);
    if (page === 7) await split(container, 40_000);
  }
  assert.deepEqual(sorted(seen), numbers);
  assert.equal(await rangesOf(container), 4);
});

test("the change feed goes on over the new ranges, and later changes arrive once", async () => {
  const container = await filled("changes", 20_000);
  const iterator = container.items.getChangeFeedIterator({
    maxItemCount: 15,
    changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
  });
  const seen = [];
  let idle = 0;
  for (let page = 0; idle < 10; page++) {
    const response = await iterator.readNext();
    seen.push(...(response.result ?? []).map(({ n }) => n));
    idle = response.statusCode === 304 ? idle + 1 : 0;
    if (page === 4) await split(container, 40_000);
    if (page === 8) {
      const more = Array.from({ length: 30 }, (_, n) => count + n);
      await Promise.all(more.map((n) => container.items.create({ id: `${n}`, pk: `p${n % 23}`, n })));
    }
    if (page === 10) await split(container, 60_000);
  }
  assert.deepEqual(sorted(seen), [...numbers, ...Array.from({ length: 30 }, (_, n) => count + n)]);
  assert.equal(await rangesOf(container), 6);
});

test("a continuation of the change feed from before a split is taken after it", async () => {
  const container = await filled("resumed", 10_000);
  const first = container.items.getChangeFeedIterator({
    maxItemCount: 100,
    changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
  });
  const { result, continuationToken } = await first.readNext();
  await split(container, 20_000);
  const second = container.items.getChangeFeedIterator({
    maxItemCount: 100,
    changeFeedStartFrom: ChangeFeedStartFrom.Continuation(continuationToken),
  });
  const seen = result.map(({ n }) => n);
  for (let idle = 0; idle < 5; ) {
    const response = await second.readNext();
    seen.push(...(response.result ?? []).map(({ n }) => n));
    idle = response.statusCode === 304 ? idle + 1 : 0;
  }
  assert.deepEqual(sorted(seen), numbers);
});

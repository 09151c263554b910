/**
 * Time to live. Expired items are invisible to every read at once (documents.ts); this sweep removes them later, through
 * ordinary commits, so that logs and unique keys follow. It takes them from a queue ordered by time, which each write
 * fills; when a container's default changes, the queue is made anew from all its items.
 */
import { after, prefixRange, trailingNumber } from "../../storage/keys.ts";
import type { Bytes } from "../../storage/port.ts";
import { commitTo } from "./commit.ts";
import { expiryOf, type ItemBody, isExpired, readItemNumber } from "./documents.ts";
import type { Engine } from "./engine.ts";
import { expiryKey, removeItem } from "./item-writes.ts";
import { extractPartitionKey, placePartition } from "./partition-key.ts";
import { scanContainer } from "./range-scan.ts";
import { type ContainerRecord, requeueKey, seconds } from "./records.ts";

const page = 200;

/** Removes what has expired in all containers. Safe to repeat and to interrupt. */
export async function sweepExpired(engine: Engine): Promise<void> {
  for (const account of [...engine.catalog.all()]) {
    for (const database of [...account.databases.values()]) {
      for (const container of [...database.containers.values()]) {
        if (container.properties["defaultTtl"] === undefined) continue;
        await requeue(engine, container);
        await sweepContainer(engine, account.record.account.name, container);
      }
    }
  }
}

async function sweepContainer(engine: Engine, account: string, container: ContainerRecord): Promise<void> {
  const queue = prefixRange(["cosmos-t", container.uid, container.number]);
  const end = expiryKey(container, seconds(engine.clock) + 1, 0);
  let { start } = queue;
  for (;;) {
    const entries = await engine.store.range({ start, end }, page);
    for (const { key } of entries) {
      await removeExpired(engine, account, container, trailingNumber(key), key);
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < page) return;
    start = after(last.key);
  }
}

async function removeExpired(
  engine: Engine,
  account: string,
  container: ContainerRecord,
  number: number,
  queued: Bytes,
): Promise<void> {
  const item = await readItemNumber(engine.store, container, number);
  if (item === undefined || !isExpired(item, container, seconds(engine.clock))) {
    await engine.store.transact(["cosmos-ttl"], async (transaction) => transaction.delete(queued));
    return;
  }
  const body = JSON.parse(item.json.toString("utf8")) as ItemBody;
  const logical = placePartition(extractPartitionKey(body, container.partitionKey), container.partitionKey);
  await commitTo(engine, account, container, logical, async (commit) => {
    const current = await readItemNumber(commit.transaction, container, number);
    if (current !== undefined && isExpired(current, container, commit.ts)) {
      await removeItem(commit, logical, String(body["id"]), current, true);
    }
    commit.transaction.delete(queued);
  });
}

async function requeue(engine: Engine, container: ContainerRecord): Promise<void> {
  const mark = requeueKey(container);
  if ((await engine.store.get(mark)) === undefined) return;
  let position = 0;
  for (;;) {
    const items = await scanContainer(engine.store, container, position, page);
    if (items.length === 0) break;
    await engine.store.transact(["cosmos-ttl"], async (transaction) => {
      for (const item of items) {
        const expiry = expiryOf(item, container);
        if (expiry !== undefined)
          transaction.put(expiryKey(container, expiry, item.number), new Uint8Array(0));
      }
    });
    position = (items.at(-1)?.number ?? position) + 1;
  }
  await engine.store.transact(["cosmos-ttl"], async (transaction) => transaction.delete(mark));
}

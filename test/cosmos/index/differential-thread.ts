/**
 * Random histories of a container: after each few writes a random query, read page by page through the data plane,
 * must give the rows, in the order, that a scan of all items gives. A thread of its own, because in the main one
 * `node:test` follows every promise, which is a third of the time.
 */
import assert from "node:assert/strict";
import { parentPort, workerData } from "node:worker_threads";
import { inRange, type StoredItem } from "../../../src/cosmos/engine/documents.ts";
import { splitRange } from "../../../src/cosmos/engine/split.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { createRandom, type Random } from "../query/generator.ts";
import { resultKey } from "../query/rows.ts";
import { account, type IndexFixture, openIndexFixture } from "./fixture.ts";
import { indexedQuery, randomItem, settings } from "./generator.ts";

/** What one thread does: histories of every `step`th seed, until it has made so many queries. */
export interface Histories {
  readonly firstSeed: number;
  readonly step: number;
  readonly queries: number;
}

/** What the comparisons saw, so that a test which never meets the index fails. */
export interface Tally {
  queries: number;
  rows: number;
  /** Queries whose loads were counted, and those of them for which the index saved some. */
  counted: number;
  saved: number;
}

const queriesPerHistory = 60;

async function history(seed: number, tally: Tally): Promise<void> {
  const random = createRandom(seed);
  const ranges = random.chance(0.7) ? 1 : 3;
  const fixture = await openIndexFixture({ settings, ranges });
  const alive = new Map<string, Record<string, Value>>();
  for (let i = 10 + random.below(120); i > 0; i--) await change(fixture, random, alive);
  for (let i = 0; i < queriesPerHistory; i++) {
    for (let writes = random.chance(0.5) ? random.below(6) : 0; writes > 0; writes--) {
      await change(fixture, random, alive);
    }
    if (random.chance(0.1)) await fixture.engine.indexes.maintain();
    if (random.chance(0.02)) await split(fixture, random);
    await compare(fixture, random, `seed ${seed}, query ${i}`, tally);
  }
  await fixture.store.close();
}

/** Creates, replaces or deletes an item. */
async function change(
  fixture: IndexFixture,
  random: Random,
  alive: Map<string, Record<string, Value>>,
): Promise<void> {
  const known = [...alive.values()];
  const old = known.length > 0 && random.chance(0.5) ? random.pick(known) : undefined;
  if (old !== undefined && random.chance(0.3)) {
    alive.delete(String(old["id"]));
    await fixture.remove(String(old["id"]), old);
    return;
  }
  const made = randomItem(random);
  const item = old === undefined ? made : { ...made, id: String(old["id"]), pk: old["pk"] };
  if (old === undefined && alive.has(String(made["id"]))) return;
  alive.set(String(item["id"]), item as Record<string, Value>);
  await fixture.put(item);
}

async function split(fixture: IndexFixture, random: Random): Promise<void> {
  const { engine } = fixture;
  const container = fixture.container();
  if (container.ranges.length < 6)
    await splitRange(engine, account, container, random.pick(container.ranges).id);
}

/** A part of the container: what the client's headers say, and which items that means. */
interface Part {
  readonly headers: Readonly<Record<string, string>>;
  readonly keep: (item: StoredItem) => boolean;
}

function partOf(fixture: IndexFixture, random: Random): Part {
  const { ranges } = fixture.container();
  if (random.chance(0.15)) {
    const pk = random.pick(["p", "q", 1, null]);
    const keep = ({ json }: StoredItem): boolean => (JSON.parse(json.toString()) as { pk: Value }).pk === pk;
    return { headers: { "x-ms-documentdb-partitionkey": JSON.stringify([pk]) }, keep };
  }
  if (ranges.length === 1) return { headers: {}, keep: () => true };
  const range = random.pick(ranges);
  return {
    headers: { "x-ms-documentdb-partitionkeyrangeid": range.id },
    keep: ({ epk }) => inRange(epk, range),
  };
}

async function compare(fixture: IndexFixture, random: Random, about: string, tally: Tally): Promise<void> {
  const { text, parameters } = indexedQuery(random);
  const { headers, keep } = partOf(fixture, random);
  const options = { parameters, headers, pageSize: random.pick([1, 2, 3, 7, 100]) };
  const expected = await fixture.scanned(text, { parameters, keep });
  let actual: Value[];
  try {
    actual = await fixture.rows(text, options);
  } catch (error) {
    throw new Error(`${about}: ${text} ${JSON.stringify(options)}`, { cause: error });
  }
  if (resultKey(actual, { ordered: true }) !== resultKey(expected, { ordered: true })) {
    assert.deepEqual(actual, expected, `${about}: ${text} ${JSON.stringify(options)}`);
  }
  tally.queries++;
  tally.rows += actual.length;
  if (tally.queries % 5 !== 0) return;
  tally.counted++;
  const { loaded } = await fixture.page(text, { ...options, pageSize: 1000 });
  if (loaded < (await fixture.items(keep)).length) tally.saved++;
}

const { firstSeed, step, queries } = workerData as Histories;
const tally: Tally = { queries: 0, rows: 0, counted: 0, saved: 0 };
for (let seed = firstSeed; tally.queries < queries; seed += step) await history(seed, tally);
parentPort?.postMessage(tally);

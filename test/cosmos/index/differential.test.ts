/**
 * The index against a plain scan on seeded random histories: after each few writes, random queries read page by page
 * through the data plane give the rows, in the order, that a scan of all items gives. `INDEX_QUERIES` asks for more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { createRandom, type Random } from "../query/generator.ts";
import { resultKey } from "../query/rows.ts";
import { type IndexFixture, openIndexFixture, type QueryOptions } from "./fixture.ts";
import { indexedQuery, randomItem, settings } from "./generator.ts";

const queriesDefault = 3_000;
const queriesPerHistory = 60;
const wanted = Number(process.env["INDEX_QUERIES"] ?? queriesDefault);

/** What a comparison saw, so that a test which never meets the index fails. */
interface Tally {
  queries: number;
  rows: number;
  saved: number;
}

test(`${wanted} random queries give what a scan gives`, async () => {
  const tally: Tally = { queries: 0, rows: 0, saved: 0 };
  for (let seed = 1; tally.queries < wanted; seed++) await history(seed, tally);
  assert.ok(tally.rows > tally.queries, `only ${tally.rows} rows in ${tally.queries} queries`);
  assert.ok(tally.saved > tally.queries / 2, `the index saved loads in ${tally.saved} of ${tally.queries}`);
});

async function history(seed: number, tally: Tally): Promise<void> {
  const random = createRandom(seed);
  const fixture = await openIndexFixture({ settings, ranges: 1 + random.below(2) * random.below(3) });
  const alive = new Map<string, Record<string, Value>>();
  for (let i = 10 + random.below(120); i > 0; i--) await change(fixture, random, alive);
  for (let i = 0; i < queriesPerHistory; i++) {
    for (let writes = random.chance(0.5) ? random.below(6) : 0; writes > 0; writes--) {
      await change(fixture, random, alive);
    }
    if (random.chance(0.1)) await fixture.engine.indexes.maintain();
    await compare(fixture, random, seed, tally);
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
  if (known.length > 0 && random.chance(0.15)) {
    const item = random.pick(known);
    alive.delete(String(item["id"]));
    await fixture.remove(String(item["id"]), item);
    return;
  }
  const old = known.length > 0 && random.chance(0.4) ? random.pick(known) : undefined;
  const made = randomItem(random, fixture.engine.catalog ? alive.size : 0);
  const item = old === undefined ? { ...made, id: `i${random.below(1e6)}` } : { ...made, id: old["id"], pk: old["pk"] };
  if (old === undefined && alive.has(String(item.id))) return;
  alive.set(String(item.id), item as Record<string, Value>);
  await fixture.put(item);
}

async function compare(fixture: IndexFixture, random: Random, seed: number, tally: Tally): Promise<void> {
  const { text, parameters } = indexedQuery(random);
  const options: QueryOptions = { parameters, pageSize: random.pick([1, 2, 3, 7, 100]) };
  let expected: Value[];
  try {
    expected = await fixture.scanned(text, parameters);
  } catch {
    return;
  }
  const about = (): string => `seed ${seed}, query ${tally.queries}, page ${options.pageSize}: ${text}`;
  let actual: Value[];
  try {
    const ranges = fixture.container().ranges.length;
    actual = ranges === 1 ? await fixture.rows(text, options) : await perRange(fixture, text, options);
    if (ranges > 1) {
      assert.equal(resultKey(actual, { ordered: false }), resultKey(expected, { ordered: false }), about());
    } else if (resultKey(actual, { ordered: true }) !== resultKey(expected, { ordered: true })) {
      assert.deepEqual(actual, expected, about());
    }
  } catch (error) {
    throw new Error(about(), { cause: error });
  }
  tally.queries++;
  tally.rows += actual.length;
  const { loaded } = await fixture.page(text, { ...options, pageSize: 1 });
  if (loaded < (await fixture.items()).length) tally.saved++;
}

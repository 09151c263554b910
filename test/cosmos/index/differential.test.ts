/**
 * The index against a plain scan on seeded random histories (differential-thread.ts); a hundred thousand queries at
 * full size, on all cores.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { sized } from "../../full-size.ts";
import type { Histories, Tally } from "./differential-thread.ts";

const wanted = sized(400, 100_000);
const threads = sized(1, availableParallelism());
/** Another one gives other histories. */
const firstSeed = Number(process.env["DIFFERENTIAL_SEED"] ?? 1);

/** Rejects with the disagreement that the thread found. */
async function compare(workerData: Histories): Promise<Tally> {
  const thread = new Worker(new URL("./differential-thread.js", import.meta.url), { workerData });
  const [tally] = (await once(thread, "message")) as [Tally];
  return tally;
}

test(`${wanted} random queries give what a scan gives`, async () => {
  const tallies = await Promise.all(
    Array.from({ length: threads }, (_, n) =>
      compare({ firstSeed: firstSeed + n, step: threads, queries: wanted / threads }),
    ),
  );
  for (const { queries, rows, counted, saved } of tallies) {
    assert.ok(queries >= wanted / threads);
    assert.ok(rows > queries, `only ${rows} rows in ${queries} queries`);
    assert.ok(saved > counted / 2, `the index saved loads in ${saved} of ${counted}`);
  }
});

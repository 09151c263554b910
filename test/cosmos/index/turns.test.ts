/** Sorting in turns: what a plain stable sort gives, with pauses for others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sortInTurns } from "../../../src/cosmos/index/turns.ts";
import { createRandom } from "../query/generator.ts";

test("sorts as a plain sort does, and keeps equal things in order", async () => {
  const random = createRandom(11);
  for (const size of [0, 1, 2, 8_192, 8_193, 50_001]) {
    const things = Array.from({ length: size }, (_, at) => ({ key: random.below(500), at }));
    const sorted = await sortInTurns(things, (a, b) => a.key - b.key);
    assert.deepEqual(
      sorted,
      things.toSorted((a, b) => a.key - b.key),
    );
  }
});

test("others get their turn meanwhile", async () => {
  let turns = 0;
  let done = false;
  const count = (): void => {
    turns++;
    if (!done) setImmediate(count);
  };
  setImmediate(count);
  await sortInTurns(
    Array.from({ length: 60_000 }, (_, at) => -at),
    (a, b) => a - b,
  );
  done = true;
  assert.ok(turns > 15, `only ${turns} turns`);
});

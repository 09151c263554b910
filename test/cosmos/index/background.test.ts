/** The pace of background work, on a loop whose time is moved by hand. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBackground } from "../../../src/cosmos/index/background.ts";

/** A loop whose turns take as long as `others` say, one after the other; without more to say they take nothing. */
function fakeLoop(others: readonly number[]) {
  const left = [...others];
  const seen = { time: 0, turns: 0 };
  return {
    seen,
    now: () => seen.time,
    async turn() {
      seen.turns++;
      seen.time += left.shift() ?? 0;
    },
    work(milliseconds: number) {
      seen.time += milliseconds;
    },
  };
}

describe("background work", () => {
  for (const [what, worked, others, turns] of [
    ["goes on without a turn while its slice lasts", 0.4, [3, 3, 3], 0],
    ["goes on at once when nobody else has anything to do", 1, [], 1],
    ["waits until others have had three times what it took", 1, [2, 2, 2, 2], 2],
    ["waits for the end of one long turn of others", 1, [40, 40], 1],
    ["ends its wait with the first turn that served nobody", 1, [2, 0.05, 2, 2], 2],
    ["owes no more than 25 ms, however long a step took", 1_000, [10, 10, 10, 10], 3],
  ] as const) {
    it(what, async () => {
      const loop = fakeLoop(others);
      const background = createBackground(loop);
      loop.work(worked);
      await background.pause();
      assert.equal(loop.seen.turns, turns);
    });
  }

  it("counts anew after each pause", async () => {
    const loop = fakeLoop([5, 5, 5]);
    const background = createBackground(loop);
    loop.work(1);
    await background.pause();
    loop.work(0.4);
    await background.pause();
    assert.equal(loop.seen.turns, 1);
    loop.work(0.2);
    await background.pause();
    assert.equal(loop.seen.turns, 2);
  });

  it("hurries while somebody waits: longer slices, one turn between them", async () => {
    const loop = fakeLoop([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    const background = createBackground(loop);
    await background.hurry(async () => {
      loop.work(1.9);
      await background.pause();
      assert.equal(loop.seen.turns, 0);
      loop.work(0.2);
      await background.pause();
      assert.equal(loop.seen.turns, 1);
    });
    loop.work(2);
    await background.pause();
    assert.equal(loop.seen.turns, 7, "and not when nobody waits any more");
  });

  it("hurries no more when what waited has failed", async () => {
    const loop = fakeLoop([1, 1, 1, 1, 1, 1]);
    const background = createBackground(loop);
    await assert.rejects(
      background.hurry(() => Promise.reject(new Error("no"))),
      /no/,
    );
    loop.work(1);
    await background.pause();
    assert.equal(loop.seen.turns, 3);
  });

  it("waits no longer than a turn once it shall end", async () => {
    const loop = fakeLoop([1, 1, 1, 1, 1, 1]);
    const background = createBackground(loop);
    background.stop();
    loop.work(10);
    await background.pause();
    assert.equal(loop.seen.turns, 1);
  });
});

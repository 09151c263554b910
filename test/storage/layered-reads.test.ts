/**
 * A store that answers late, at a moment that the test chooses: whatever sinks into it while an answer is on its way,
 * a read through the layers shows one state.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededEntropy } from "../../src/clock.ts";
import { DELETED } from "../../src/storage/bytes.ts";
import { layeredReader, type SinkingLayers, sinkingLayers } from "../../src/storage/layered-reads.ts";
import { emptyLayer, type Layer } from "../../src/storage/overlay.ts";
import type { Bytes, KeyRange, Reader } from "../../src/storage/port.ts";
import { bytes, cut, hex, list, plain } from "./model.ts";

type Change = readonly [key: number, value: number | undefined];

/** A store under layers, and the steps of a commit by hand. */
interface Scene {
  readonly layers: SinkingLayers;
  readonly store: Reader;
  /** Accepts writes; they are the newest layer. */
  accept(...changes: readonly Change[]): void;
  /** Begins to commit what is accepted. */
  begin(): void;
  /** The commit takes effect in the store. */
  arrive(): void;
  /** The commit is reported: its layer is gone. */
  finish(): void;
  /** Calls `then` before the store looks, at its next questions, one call for each. */
  meanwhile(...then: (() => void)[]): void;
  /** The state that all accepted writes make. */
  readonly model: Map<string, Bytes>;
}

function scene(...present: readonly Change[]): Scene {
  const committed = new Map<string, Bytes>();
  const model = new Map<string, Bytes>();
  let gathering = emptyLayer();
  let underWay: Layer | undefined;
  const before: (() => void)[] = [];
  const layers = sinkingLayers(() => (underWay === undefined ? [gathering] : [gathering, underWay]));
  const apply = (map: Map<string, Bytes>, key: Bytes, value: Bytes | typeof DELETED): void => {
    if (value === DELETED) map.delete(hex(key));
    else map.set(hex(key), value);
  };
  for (const [key, value = 0] of present) {
    for (const map of [committed, model]) map.set(hex(bytes(key)), bytes(value));
  }
  return {
    layers,
    model,
    store: {
      async get(key) {
        before.shift()?.();
        return committed.get(hex(key));
      },
      async range(range, limit) {
        before.shift()?.();
        const found = cut(committed, range, limit);
        before.shift()?.();
        return found;
      },
    },
    accept(...changes) {
      for (const [key, value] of changes) {
        const written = value === undefined ? DELETED : bytes(value);
        gathering.set(bytes(key), written);
        apply(model, bytes(key), written);
      }
    },
    begin() {
      underWay = gathering;
      gathering = emptyLayer();
      layers.sink(underWay);
    },
    arrive() {
      for (const [key, value] of underWay?.entries() ?? []) apply(committed, key, value);
    },
    finish() {
      underWay = undefined;
    },
    meanwhile: (...then) => before.push(...then),
  };
}

const ALL: KeyRange = { start: bytes(), end: bytes(255) };

describe("reads through sinking layers", () => {
  it("a commit that ends between question and answer is seen whole", async () => {
    const { layers, store, accept, begin, arrive, finish, meanwhile, model } = scene([1, 1], [2, 1], [3, 1]);
    accept([1, 2], [2, undefined]);
    begin();
    meanwhile(
      () => {},
      () => {
        arrive();
        finish();
        // The next one reaches what was asked for and what was not.
        accept([1, 3], [4, 3]);
        begin();
        arrive();
        finish();
      },
    );
    const found = await layeredReader(emptyLayer(), layers, store).range(ALL, 10);
    assert.deepEqual(plain(found), plain(cut(model, ALL, 10)));
    assert.deepEqual(plain(found), [
      [[1], [3]],
      [[3], [1]],
      [[4], [3]],
    ]);
  });

  it("own writes come first, then what is not committed, then the store, which is asked only for the rest", async () => {
    const { layers, store, accept, begin, meanwhile } = scene([1, 1], [2, 1], [4, 1]);
    const own = emptyLayer();
    const reader = layeredReader(own, layers, store);
    accept([1, 2], [2, undefined], [3, 2]);
    begin();
    accept([3, 3]);
    own.set(bytes(1), DELETED);
    own.set(bytes(5), bytes(9));
    assert.deepEqual(await reader.get(bytes(4)), bytes(1));
    assert.deepEqual(plain(await reader.range(ALL, 10)), [
      [[3], [3]],
      [[4], [1]],
      [[5], [9]],
    ]);
    meanwhile(() => assert.fail("the store was asked"));
    for (const [key, value] of [
      [1, undefined],
      [2, undefined],
      [3, 3],
      [5, 9],
    ] as const) {
      assert.deepEqual(list(await reader.get(bytes(key))), value === undefined ? undefined : [value]);
    }
  });

  it("after a failed commit nothing of it is seen", async () => {
    const { layers, store, accept, begin, finish } = scene([1, 1]);
    accept([1, 2]);
    begin();
    finish();
    layers.forget();
    const reader = layeredReader(emptyLayer(), layers, store);
    assert.deepEqual(await reader.get(bytes(1)), bytes(1));
    assert.deepEqual(plain(await reader.range(ALL, 10)), [[[1], [1]]]);
  });

  it("whatever happens meanwhile, a range shows the state at its end", async () => {
    const entropy = seededEntropy(11);
    const draw = (below: number): number => (entropy.bytes(1)[0] ?? 0) % below;
    for (let round = 0; round < 400; round++) {
      const one = scene(...Array.from({ length: draw(12) }, () => [draw(16), draw(9)] as const));
      let next = 0;
      const advance = (): void => {
        for (let steps = draw(6); steps > 0; steps--) {
          // The steps of a commit in their order, and writes at any time.
          if (draw(2) === 0) one.accept([draw(16), draw(3) === 0 ? undefined : draw(9)]);
          else [one.begin, one.arrive, one.finish][next++ % 3]?.();
        }
      };
      advance();
      const range = { start: bytes(draw(8)), end: bytes(8 + draw(9)), reverse: draw(2) === 0 };
      const limit = 1 + draw(6);
      one.meanwhile(...Array.from({ length: 12 }, () => advance));
      const found = await layeredReader(emptyLayer(), one.layers, one.store).range(range, limit);
      assert.deepEqual(plain(found), plain(cut(one.model, range, limit)), `round ${round}`);
    }
  });
});

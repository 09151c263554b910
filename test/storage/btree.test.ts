import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type OrderedMap, orderedMap, type View } from "../../src/storage/btree.ts";
import { encodeKey, prefixRange } from "../../src/storage/keys.ts";

function contents(map: View<number>): number[] {
  return [...map.entries()].map(([, value]) => value);
}

function fill(map: OrderedMap<number>, values: readonly number[]): void {
  for (const value of values) map.set(encodeKey([value]), value);
}

/** 0 to `count` - 1 in an order that is mixed up but always the same. */
function mixed(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919) % count);
}

describe("orderedMap", () => {
  it("keeps thousands of keys in order while they come and go", () => {
    const map = orderedMap<number>();
    fill(map, mixed(5000));
    assert.equal(map.size, 5000);
    assert.deepEqual(
      contents(map),
      Array.from({ length: 5000 }, (_, i) => i),
    );
    for (const value of mixed(5000)) {
      if (value % 10 !== 0) map.delete(encodeKey([value]));
    }
    assert.equal(map.size, 500);
    assert.deepEqual(
      contents(map),
      Array.from({ length: 500 }, (_, i) => i * 10),
    );
    assert.equal(map.get(encodeKey([20])), 20);
    assert.equal(map.get(encodeKey([21])), undefined);
    for (const value of mixed(5000)) map.delete(encodeKey([value]));
    assert.equal(map.size, 0);
    assert.deepEqual(contents(map), []);
  });

  it("leaves every frozen version as it was", () => {
    const map = orderedMap<number>();
    const versions: [View<number>, number[]][] = [];
    for (let round = 0; round < 40; round++) {
      fill(
        map,
        mixed(100).map((value) => value * 40 + round),
      );
      for (const value of mixed(300)) map.delete(encodeKey([value * 13 + round]));
      versions.push([map.freeze(), contents(map)]);
    }
    for (const [version, expected] of versions) {
      assert.deepEqual(contents(version), expected);
      assert.equal(version.size, expected.length);
    }
  });

  it("does what a sorted array does", () => {
    const step = fc.record({ key: fc.nat(400), remove: fc.boolean() });
    const property = fc.property(
      fc.array(step, { maxLength: 600 }),
      fc.nat(400),
      fc.nat(400),
      (steps, low, high) => {
        const map = orderedMap<number>();
        const model = new Set<number>();
        for (const [i, { key, remove }] of steps.entries()) {
          if (i % 50 === 0) map.freeze();
          if (remove) map.delete(encodeKey([key]));
          else map.set(encodeKey([key]), key);
          if (remove) model.delete(key);
          else model.add(key);
        }
        const range = { start: encodeKey([low]), end: encodeKey([high]) };
        const expected = [...model].filter((key) => key >= low && key < high).sort((a, b) => a - b);
        assert.deepEqual(
          [...map.entries(range)].map(([, value]) => value),
          expected,
        );
        const backwards = [...map.entries({ ...range, reverse: true })].map(([, value]) => value);
        assert.deepEqual(backwards, expected.toReversed());
        assert.equal(map.size, model.size);
      },
    );
    fc.assert(property, { seed: 1_905_2026, numRuns: 200 });
  });

  it("scans one prefix among many", () => {
    const map = orderedMap<number>();
    for (let i = 0; i < 2000; i++) map.set(encodeKey([`p${i % 20}`, i]), i);
    const found = [...map.entries(prefixRange(["p7"]))].map(([, value]) => value);
    assert.deepEqual(
      found,
      Array.from({ length: 100 }, (_, i) => 7 + i * 20),
    );
  });
});

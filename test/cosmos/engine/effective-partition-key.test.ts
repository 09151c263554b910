/** Vectors of the hash that places logical partitions: the official clients compute the same strings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  effectivePartitionKey,
  type PartitionKeyComponent,
} from "../../../src/cosmos/engine/effective-partition-key.ts";

const vectors: readonly [PartitionKeyComponent, string, string][] = [
  ["a", "3A5381E1114EB8D3FCC90795045B49B7", "05C1D78593652C086200"],
  ["hello", "0A8B5792B7BA3C7C47B0D1305A3C6F8A", "05C1EFF74961FE0869666D6D7000"],
  ["", "32E9366E637A71B4E710384B2F4970A0", "05C1CF33970FF80800"],
  [1, "20CD98B339BA78A5D0CF6953B87070B0", "05C1ED172B6B2605BFF0"],
  [-1.5, "151793206780805FF6E1DCAE6C787B6A", "05C1E901090F44054008"],
  [true, "0E711127C5B5A8E4726AC6DD306A3E59", "05C1D7C5A903D803"],
  [null, "378867E4430E67857ACE5C908374FE16", "05C1ED45D7475601"],
  [undefined, "11622DAA78F835834610ABE56EFF5CB5", "05C1D529E345DC00"],
];

for (const [value, v2, v1] of vectors) {
  test(`effective partition key of ${JSON.stringify(value)}`, () => {
    assert.equal(effectivePartitionKey([value], { kind: "Hash", version: 2 }), v2);
    assert.equal(effectivePartitionKey([value], { kind: "Hash", version: 1 }), v1);
  });
}

test("a hierarchical key is the concatenation of its components' hashes", () => {
  const whole = effectivePartitionKey(["t1", "u1"], { kind: "MultiHash", version: 2 });
  assert.equal(whole, "3D48BB14DA9D090D22112C96695028B62A947C94F6E254B945CEBC3196C9897C");
  assert.ok(whole.startsWith(effectivePartitionKey(["t1"], { kind: "MultiHash", version: 2 })));
});

test("negative zero and zero are one partition", () => {
  for (const version of [1, 2] as const) {
    const kind = "Hash";
    assert.equal(
      effectivePartitionKey([-0], { kind, version }),
      effectivePartitionKey([0], { kind, version }),
    );
  }
});

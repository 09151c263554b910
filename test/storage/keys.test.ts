import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  after,
  compareKeys,
  decodeKey,
  encodeKey,
  type KeyPart,
  prefixRange,
  trailingNumber,
} from "../../src/storage/keys.ts";
import { sized } from "../full-size.ts";

const SEED = { seed: 7_041_983, numRuns: sized(1000, 3000) };

/** Strings with what is hard: zeros, bytes around the escapes, surrogate pairs and lone surrogates. */
const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc
    .array(
      fc.constantFrom(0, 1, 0x61, 0x7f, 0x80, 0xff, 0x7ff, 0x800, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xffff),
      {
        maxLength: 6,
      },
    )
    .map((units) => String.fromCharCode(...units)),
);
const number = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.constantFrom(0, -0, 1, -1, Infinity, -Infinity),
);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 8 }),
  fc.array(fc.constantFrom(0, 1, 254, 255), { maxLength: 5 }).map((values) => Uint8Array.from(values)),
);
const part: fc.Arbitrary<KeyPart> = fc.oneof(fc.constant(null), fc.boolean(), number, text, bytes);
const tuple = fc.array(part, { maxLength: 4 });
/** Pairs that share a beginning more often than two drawn alone. */
const related = fc.tuple(tuple, tuple, tuple).map(
  ([head, a, b]) =>
    [
      [...head, ...a],
      [...head, ...b],
    ] as const,
);

describe("encodeKey", () => {
  it("keeps the order of tuples", () => {
    fc.assert(
      fc.property(related, ([a, b]) => {
        assert.equal(Math.sign(compareKeys(encodeKey(a), encodeKey(b))), Math.sign(compareTuples(a, b)));
      }),
      SEED,
    );
  });

  it("comes back from decodeKey, with -0 as 0", () => {
    fc.assert(
      fc.property(tuple, (parts) => {
        assert.deepEqual(
          decodeKey(encodeKey(parts)),
          parts.map((value) => (value === 0 ? 0 : value)),
        );
      }),
      SEED,
    );
  });

  it("sorts one of everything as listed", () => {
    const sorted: KeyPart[][] = [
      [],
      [null],
      [null, null],
      [false],
      [true],
      [-Infinity],
      [-Number.MAX_VALUE],
      [-1.5],
      [-1],
      [-Number.MIN_VALUE],
      [0],
      [0, "x"],
      [Number.MIN_VALUE],
      [1],
      [2 ** 53],
      [Infinity],
      [""],
      ["", ""],
      ["\0"],
      ["\0\0"],
      ["a"],
      ["a", 1],
      ["a", "b"],
      ["a\0"],
      ["a\0b"],
      ["a\u0001"],
      ["ab"],
      ["z"],
      ["é"],
      ["\ud800"],
      ["\uffff"],
      ["😀"],
      [new Uint8Array()],
      [Uint8Array.of(0)],
      [Uint8Array.of(0, 255)],
      [Uint8Array.of(1)],
      [Uint8Array.of(255)],
    ];
    const encoded = sorted.map((parts) => encodeKey(parts));
    for (let i = 1; i < encoded.length; i++) {
      const [low, high] = [encoded[i - 1], encoded[i]];
      assert.ok(
        low && high && compareKeys(low, high) < 0,
        `${JSON.stringify(sorted[i])} sorts after the one before`,
      );
    }
  });

  it("gives -0 and 0 one key and refuses NaN", () => {
    assert.deepEqual(encodeKey([-0]), encodeKey([0]));
    assert.throws(() => encodeKey([Number.NaN]), RangeError);
  });

  it("needs one byte more per short ASCII string than the string and its terminator", () => {
    assert.equal(encodeKey(["docs", "a"]).length, 6 + 3);
    assert.equal(encodeKey(["x".repeat(1023), "y".repeat(2048), 1]).length, 1025 + 2050 + 9);
  });
});

describe("decodeKey", () => {
  const wrong: readonly [string, number[]][] = [
    ["an unknown tag", [1]],
    ["a high tag", [0xff]],
    ["a number cut short", [5, 1, 2, 3]],
    ["a string without an end", [6, 97]],
    ["a string that ends in an escape", [6, 97, 0, 255]],
    ["bytes without an end", [7]],
    ["rubbish after a part", [2, 9]],
    ["a code point past the last", [6, 0xf7, 0xbf, 0xbf, 0xbf, 0]],
  ];
  for (const [title, key] of wrong) {
    it(`refuses ${title}`, () => assert.throws(() => decodeKey(Uint8Array.from(key)), RangeError));
  }
});

describe("trailingNumber", () => {
  it("reads the numbers at the end of a key", () => {
    const numbers = [0, -0, 1, -1, 1.5, -1.5, 2 ** 53, -(2 ** 53), 5e-324, -5e-324, Infinity, -Infinity];
    for (const number of numbers) {
      const key = encodeKey(["space", number, 7, -8]);
      assert.equal(trailingNumber(key), -8);
      assert.equal(trailingNumber(key, 1), 7);
      assert.equal(trailingNumber(key, 2), number === 0 ? 0 : number);
      assert.ok(!Object.is(trailingNumber(key, 2), -0));
    }
  });

  it("refuses keys that end in anything else", () => {
    for (const parts of [["text"], [1, "text"], [null], [Buffer.from("abcdefgh")], []]) {
      assert.throws(() => trailingNumber(encodeKey(parts)), RangeError);
    }
    assert.throws(() => trailingNumber(encodeKey(["text", 1]), 1), RangeError);
    assert.throws(() => trailingNumber(encodeKey([1]), 1), RangeError);
  });
});

describe("prefixRange", () => {
  it("holds exactly the tuples that start with the given one", () => {
    fc.assert(
      fc.property(related, tuple, ([prefix, other], rest) => {
        for (const [parts, inside] of [
          [prefix, true],
          [[...prefix, ...rest], true],
          [other, startsWith(other, prefix)],
        ] as const) {
          const key = encodeKey(parts);
          const { start, end } = prefixRange(prefix);
          assert.equal(compareKeys(start, key) <= 0 && compareKeys(key, end) < 0, inside);
        }
      }),
      SEED,
    );
  });

  it("does not hold a string that only begins with the last part", () => {
    const { start, end } = prefixRange(["a"]);
    for (const parts of [["ab"], ["a\0"], ["a\0\0"], ["a\0b", 1]]) {
      const key = encodeKey(parts);
      assert.ok(compareKeys(key, start) < 0 || compareKeys(key, end) >= 0, JSON.stringify(parts));
    }
  });
});

describe("after", () => {
  it("is greater than the key and not greater than any other greater key", () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        assert.ok(compareKeys(a, after(a)) < 0);
        if (compareKeys(a, b) < 0) assert.ok(compareKeys(after(a), b) <= 0);
      }),
      SEED,
    );
  });
});

function compareTuples(a: readonly KeyPart[], b: readonly KeyPart[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareParts(a[i] ?? null, b[i] ?? null);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareParts(a: KeyPart, b: KeyPart): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : a < b ? -1 : 1;
  if (typeof a === "string" && typeof b === "string")
    return compareLists([...a].map(point), [...b].map(point));
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareLists([...a], [...b]);
  return 0;
}

function point(character: string): number {
  return character.codePointAt(0) ?? 0;
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = (a[i] ?? 0) - (b[i] ?? 0);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function rank(part: KeyPart): number {
  if (part === null) return 0;
  if (typeof part === "boolean") return part ? 2 : 1;
  if (typeof part === "number") return 3;
  return typeof part === "string" ? 4 : 5;
}

function startsWith(parts: readonly KeyPart[], prefix: readonly KeyPart[]): boolean {
  return parts.length >= prefix.length && compareTuples(parts.slice(0, prefix.length), prefix) === 0;
}

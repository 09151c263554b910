/**
 * Columns against the plain list of keys they were made from: lookups, the form on disk, and merged segments. Seeded, with
 * keys of all types and strings around the length where they are cut.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ARRAY,
  type Column,
  type IndexKey,
  isExact,
  OBJECT,
  type OrdinalRange,
  ordinalsBeyond,
  ordinalsDefined,
  ordinalsEqual,
  ordinalsNear,
  ordinalsPrefixed,
  ordinalValue,
} from "../../../src/cosmos/index/column.ts";
import { decodeColumn, encodeColumn } from "../../../src/cosmos/index/column-codec.ts";
import { createKeyCodes } from "../../../src/cosmos/index/key-codes.ts";
import { mergeSegments } from "../../../src/cosmos/index/merge.ts";
import { createSegment, heldColumn, markDead, type Segment } from "../../../src/cosmos/index/segment.ts";
import { KEY_UNITS_MAX, stringKey } from "../../../src/cosmos/index/strings.ts";
import { createRandom, type Random } from "../query/generator.ts";

const long = "x".repeat(KEY_UNITS_MAX);
const texts = [
  "",
  "a",
  "ab",
  "abc",
  "b",
  "é",
  "\u{1f600}",
  "\uffff",
  long,
  `${long}y`,
  `${long}yz`,
  `${long}z`,
];

function key(random: Random, wide: boolean): IndexKey {
  switch (random.below(9)) {
    case 0:
      return undefined;
    case 1:
      return null;
    case 2:
      return random.chance(0.5);
    case 3:
    case 4:
      return random.pick([0, -1, 1.5, 1e300, -1e-300, 7, 8, 9]);
    case 5:
      return random.pick([ARRAY, OBJECT]);
    default: {
      const text = random.pick(texts);
      return stringKey(wide ? text : text.replace(/[^\0-\xff]/gu, "w"));
    }
  }
}

function keysOf(random: Random, size: number, wide = true): IndexKey[] {
  return Array.from({ length: size }, () => key(random, wide));
}

/** The documents whose ordinal lies in one of the ranges. */
function documentsIn(column: Column, ranges: readonly OrdinalRange[]): number[] {
  const { starts, docs } = column.postings();
  return ranges
    .filter(({ from, to }) => from < to)
    .flatMap(({ from, to }) => [...docs.slice(starts[from], starts[to])])
    .sort((a, b) => a - b);
}

function matching(keys: readonly IndexKey[], test: (key: IndexKey) => boolean): number[] {
  return keys.flatMap((each, document) => (test(each) ? [document] : []));
}

function checkAgainst(column: Column, keys: readonly IndexKey[]): void {
  for (const [document, each] of keys.entries()) {
    const ordinal = column.ords[document] as number;
    if (isExact(column, ordinal)) assert.equal(ordinalValue(column, ordinal), each);
    else assert.ok(typeof each === "symbol" || (typeof each === "string" && each.length > KEY_UNITS_MAX));
  }
  assert.deepEqual(
    documentsIn(column, [ordinalsDefined(column)]),
    matching(keys, (each) => each !== undefined),
  );
  for (const wanted of [null, true, false, 0, 1.5, 2, "a", "ab", long, "none", undefined]) {
    assert.deepEqual(
      documentsIn(column, [ordinalsEqual(column, wanted)]),
      matching(keys, (each) => each === wanted),
    );
  }
  for (const bound of [0, 7.5, -1e-300]) {
    assert.deepEqual(
      documentsIn(column, [ordinalsBeyond(column, "lt", bound)]),
      matching(keys, (each) => typeof each === "number" && each < bound),
    );
    assert.deepEqual(
      documentsIn(column, [ordinalsBeyond(column, "ge", bound)]),
      matching(keys, (each) => typeof each === "number" && each >= bound),
    );
  }
  for (const bound of ["a", "b", "é", "\uffff"]) {
    assert.deepEqual(
      documentsIn(column, [ordinalsBeyond(column, "gt", bound)]),
      matching(keys, (each) => typeof each === "string" && each > bound),
    );
    assert.deepEqual(
      documentsIn(column, [ordinalsPrefixed(column, bound)]),
      matching(keys, (each) => typeof each === "string" && each.startsWith(bound)),
    );
  }
  assert.deepEqual(
    documentsIn(column, ordinalsNear(column, 1, 8)),
    matching(
      keys,
      (each) => typeof each === "symbol" || (typeof each === "number" && each >= 1 && each <= 8),
    ),
  );
}

/** The column with an entry for each of `keys`. */
function buildColumn(keys: readonly IndexKey[], entryDocs?: Uint32Array): Column {
  const known = createKeyCodes();
  return known.column(
    Uint32Array.from(keys, (key) => known.add(key)),
    entryDocs,
  );
}

describe("columns", () => {
  for (const wide of [false, true]) {
    test(`lookups of ${wide ? "any" : "Latin-1"} keys`, () => {
      for (let seed = 1; seed <= 30; seed++) {
        const random = createRandom(seed);
        const keys = keysOf(random, random.below(60), wide);
        checkAgainst(buildColumn(keys), keys);
      }
    });

    test(`${wide ? "any" : "Latin-1"} keys come back from disk`, () => {
      for (let seed = 1; seed <= 30; seed++) {
        const random = createRandom(seed);
        const keys = keysOf(random, random.below(60), wide);
        const { shape, bytes } = encodeColumn(buildColumn(keys));
        assert.equal(bytes.length, shape.bytes);
        checkAgainst(decodeColumn(shape, bytes.slice()), keys);
      }
    });
  }

  test("what comes after a cut is left to the item", () => {
    const column = buildColumn([long, `${long}y`, `${long}yz`, `${long}z`].map(stringKey));
    const found = documentsIn(column, [ordinalsEqual(column, `${long}yz`)]);
    assert.deepEqual(found, [1, 2]);
    assert.equal(documentsIn(column, [ordinalsBeyond(column, "lt", `${long}yz`)]).length, 3);
    assert.equal(documentsIn(column, [ordinalsBeyond(column, "gt", `${long}yz`)]).length, 3);
    assert.equal(column.inexact().length, 4);
  });

  // An item whose text went on beyond the cut was not found by `>` with a bound that ends just there.
  test("a bound as long as a key that is cut", () => {
    const column = buildColumn([long, `${long}y`, `${long}yz`, `${long}z`].map(stringKey));
    const found = (test: "lt" | "le" | "gt" | "ge"): number[] =>
      documentsIn(column, [ordinalsBeyond(column, test, `${long}y`)]);
    assert.deepEqual(found("gt"), [1, 2, 3]);
    assert.deepEqual(found("ge"), [1, 2, 3]);
    assert.deepEqual(found("le"), [0, 1, 2]);
    assert.deepEqual(found("lt"), [0, 1, 2]);
  });

  test("a column has the values of its own entries only", () => {
    const known = createKeyCodes();
    const codes = [7, "dead", "b", 5, "a"].map((key) => known.add(key));
    const column = known.column(Uint32Array.from([codes[4] ?? 0, codes[2] ?? 0, codes[3] ?? 0]));
    known.add("later");
    assert.deepEqual([...column.numbers], [5]);
    assert.equal(column.ordinals, buildColumn(["a", "b", 5]).ordinals);
    checkAgainst(column, ["a", "b", 5]);
  });

  test("the sign of a zero is known to be lost", () => {
    assert.equal(buildColumn([0, 1]).signedZero, false);
    assert.equal(buildColumn([0, -0]).signedZero, true);
  });
});

/** Documents of a segment by item number: a plain column in slot 0, elements of arrays in slot 1. */
type Rows = ReadonlyMap<number, { readonly plain: IndexKey; readonly elements: readonly IndexKey[] }>;

function segmentOf(id: number, rows: Rows): Segment {
  const numbers = [...rows.keys()].sort((a, b) => a - b);
  const all = numbers.map((number) => rows.get(number) ?? { plain: undefined, elements: [] });
  const docs = all.flatMap(({ elements }, document) => elements.map(() => document));
  return createSegment(
    id,
    Float64Array.from(numbers),
    new Map([
      [0, heldColumn(buildColumn(all.map(({ plain }) => plain)))],
      [
        1,
        heldColumn(
          buildColumn(
            all.flatMap(({ elements }) => elements),
            Uint32Array.from(docs),
          ),
        ),
      ],
    ]),
  );
}

test("merged segments are what one segment of their living documents would be", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = createRandom(seed);
    const inputs = Array.from({ length: 1 + random.below(5) }, () => new Map() as Map<number, never>);
    const living = new Map<number, { plain: IndexKey; elements: IndexKey[] }>();
    const segments: Segment[] = [];
    for (const [i] of inputs.entries()) {
      const rows = new Map<number, { plain: IndexKey; elements: IndexKey[] }>();
      for (let n = random.below(40); n > 0; n--) {
        const number = random.below(10_000) * 8 + i;
        rows.set(number, { plain: key(random, true), elements: keysOf(random, random.below(4)) });
      }
      const segment = segmentOf(i, rows);
      segments.push(segment);
      for (const [document, number] of segment.numbers.entries()) {
        const row = rows.get(number);
        if (random.chance(0.2)) markDead(segment, document);
        else if (row !== undefined) living.set(number, row);
      }
    }
    let pauses = 0;
    const merged = await mergeSegments(9, segments, async () => void pauses++);
    const expected = segmentOf(9, living);
    assert.deepEqual([...merged.numbers], [...expected.numbers], `seed ${seed}`);
    const numbers = [...expected.numbers];
    const plain = merged.columns.get(0)?.resident();
    if (plain !== undefined)
      checkAgainst(
        plain,
        numbers.map((number) => living.get(number)?.plain),
      );
    const [found, wanted] = [merged, expected].map((segment) => segment.columns.get(1)?.resident());
    for (const value of [null, true, 7, "a", long]) {
      assert.deepEqual(
        found === undefined ? [] : documentsIn(found, [ordinalsEqual(found, value)]),
        wanted === undefined ? [] : documentsIn(wanted, [ordinalsEqual(wanted, value)]),
      );
    }
    assert.ok(pauses > 0);
  }
});

/**
 * One path of a segment as a column: the distinct values in the order of ORDER BY, and for each document the place of
 * its value among them, its ordinal. Equality, ranges, order, prefixes and covered reads all come from these two; what
 * else they need (the documents in the order of their ordinals) is derived when it is first asked for.
 *
 * Ordinals: 0 no value, 1 null, 2 false, 3 true, then the numbers, then the strings, then one for all arrays and one
 * for all objects, whose values only the item holds.
 */
import type { Value } from "../query/values.ts";
import {
  countStrings,
  isCut,
  KEY_UNITS_MAX,
  poolBytes,
  poolSize,
  type StringPool,
  stringAt,
  stringKey,
} from "./strings.ts";

export const MISSING = 0;
export const NULL = 1;
export const FALSE = 2;
export const TRUE = 3;
export const FIRST_NUMBER = 4;

/** What stands for any array and any object among the keys of a column. */
export const ARRAY: unique symbol = Symbol("array");
export const OBJECT: unique symbol = Symbol("object");

/** A value as the index knows it; strings are cut (`stringKey`). */
export type IndexKey = undefined | null | boolean | number | string | typeof ARRAY | typeof OBJECT;

export type Ordinals = Uint8Array | Uint16Array | Uint32Array;

export interface ColumnData {
  /** Distinct numbers, ascending. */
  readonly numbers: Float64Array;
  /** Distinct strings, ascending. */
  readonly strings: StringPool;
  /** The ordinal of each entry. */
  readonly ords: Ordinals;
  /** The document of each entry, ascending; absent when entry i is document i. Present for elements of arrays. */
  readonly entryDocs?: Uint32Array;
  /** A negative zero was stored as zero, so values read back may differ in sign. */
  readonly signedZero: boolean;
}

/** The entries sorted by ordinal: those of ordinal `o` are `docs[starts[o]]` up to `docs[starts[o + 1]]`, ascending. */
export interface Postings {
  readonly starts: Uint32Array;
  readonly docs: Uint32Array;
}

export interface Column extends ColumnData {
  /** One more than the greatest ordinal. */
  readonly ordinals: number;
  postings(): Postings;
  /** The string at a place among the strings. */
  text(index: number): string;
  /** The ordinals, ascending, whose value only the item holds: cut strings, arrays, objects. */
  inexact(): readonly number[];
  /** The bytes it takes up in memory now. */
  bytes(): number;
}

/** Half-open range of ordinals. */
export interface OrdinalRange {
  readonly from: number;
  readonly to: number;
}

export function createColumn(data: ColumnData): Column {
  let postings: Postings | undefined;
  let inexact: readonly number[] | undefined;
  let bytes: Buffer | undefined;
  const ordinals = FIRST_NUMBER + data.numbers.length + poolSize(data.strings) + 2;
  const own =
    data.numbers.byteLength +
    data.strings.offsets.byteLength +
    data.strings.units.byteLength +
    data.ords.byteLength +
    (data.entryDocs?.byteLength ?? 0);
  return {
    ...data,
    ordinals,
    text(index) {
      bytes ??= poolBytes(data.strings);
      return stringAt(data.strings, index, bytes);
    },
    postings() {
      postings ??= sortByOrdinal(data, ordinals);
      return postings;
    },
    inexact() {
      inexact ??= inexactOrdinals(data, ordinals);
      return inexact;
    },
    bytes: () => own + (postings === undefined ? 0 : postings.starts.byteLength + postings.docs.byteLength),
  };
}

function inexactOrdinals({ numbers, strings }: ColumnData, ordinals: number): readonly number[] {
  const found: number[] = [];
  for (let i = 0; i < poolSize(strings); i++) {
    if (isCut(strings, i)) found.push(FIRST_NUMBER + numbers.length + i);
  }
  return [...found, ordinals - 2, ordinals - 1];
}

function sortByOrdinal({ ords, entryDocs }: ColumnData, ordinals: number): Postings {
  const starts = new Uint32Array(ordinals + 1);
  for (let i = 0; i < ords.length; i++) {
    const next = (ords[i] as number) + 1;
    starts[next] = (starts[next] as number) + 1;
  }
  for (let o = 0; o < ordinals; o++) starts[o + 1] = (starts[o + 1] as number) + (starts[o] as number);
  const places = starts.slice();
  const docs = new Uint32Array(ords.length);
  for (let i = 0; i < ords.length; i++) {
    const ord = ords[i] as number;
    const place = places[ord] as number;
    docs[place] = entryDocs === undefined ? i : (entryDocs[i] as number);
    places[ord] = place + 1;
  }
  return { starts, docs };
}

/** An array for ordinals below `ordinals`, as narrow as they allow. */
export function ordinalArray(ordinals: number, length: number): Ordinals {
  if (ordinals <= 0x100) return new Uint8Array(length);
  return ordinals <= 0x10000 ? new Uint16Array(length) : new Uint32Array(length);
}

export function indexKey(value: Value): IndexKey {
  if (typeof value === "string") return stringKey(value);
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? ARRAY : OBJECT;
}

export function firstString(column: ColumnData): number {
  return FIRST_NUMBER + column.numbers.length;
}

export function arrayOrdinal(column: Column): number {
  return column.ordinals - 2;
}

/** True when the column holds the whole value of this ordinal. */
export function isExact(column: Column, ordinal: number): boolean {
  if (ordinal >= arrayOrdinal(column)) return false;
  const first = firstString(column);
  return ordinal < first || !isCut(column.strings, ordinal - first);
}

/** The value of an ordinal that `isExact`. */
export function ordinalValue(column: Column, ordinal: number): Value {
  if (ordinal < FIRST_NUMBER) return [undefined, null, false, true][ordinal];
  const first = firstString(column);
  if (ordinal < first) return column.numbers[ordinal - FIRST_NUMBER];
  return column.text(ordinal - first);
}

/** The ordinals whose value may equal `value`; empty when no document has it. */
export function ordinalsEqual(column: Column, value: Value): OrdinalRange {
  const key = indexKey(value);
  if (typeof key === "number") return numberRange(column, key, key, false, false);
  if (typeof key === "string") {
    const first = firstString(column);
    return {
      from: first + countStrings(column.strings, key, "below"),
      to: first + countStrings(column.strings, key, "upTo"),
    };
  }
  const ordinal = fixedOrdinal(column, key);
  return { from: ordinal, to: ordinal + 1 };
}

function fixedOrdinal(column: Column, key: IndexKey): number {
  if (key === undefined) return MISSING;
  if (key === null) return NULL;
  if (key === ARRAY) return arrayOrdinal(column);
  return key === OBJECT ? arrayOrdinal(column) + 1 : key === true ? TRUE : FALSE;
}

const NONE: OrdinalRange = { from: 0, to: 0 };

/** The ordinals whose value may be on this side of `bound`, which is never one of another type. */
export function ordinalsBeyond(column: Column, test: "lt" | "le" | "gt" | "ge", bound: Value): OrdinalRange {
  if (bound === null) return { from: NULL, to: NULL + 1 };
  if (typeof bound === "boolean") return { from: FALSE, to: TRUE + 1 };
  if (typeof bound === "number") {
    const above = test === "gt" || test === "ge";
    const low = above ? bound : Number.NEGATIVE_INFINITY;
    const high = above ? Number.POSITIVE_INFINITY : bound;
    return numberRange(column, low, high, test === "gt", test === "lt");
  }
  if (typeof bound !== "string") return NONE;
  const first = firstString(column);
  const key = stringKey(bound);
  // Of strings that were cut like the bound itself, only the item tells on which side they are.
  const cut = key.length > KEY_UNITS_MAX;
  const inside = test === "gt" && !cut ? "upTo" : "below";
  const outside = test === "lt" && !cut ? "below" : "upTo";
  return test === "gt" || test === "ge"
    ? { from: first + countStrings(column.strings, key, inside), to: arrayOrdinal(column) }
    : { from: first, to: first + countStrings(column.strings, key, outside) };
}

/** The ordinals of strings that may begin with `prefix`. */
export function ordinalsPrefixed(column: Column, prefix: Value): OrdinalRange {
  if (typeof prefix !== "string") return NONE;
  const first = firstString(column);
  const key = stringKey(prefix);
  return {
    from: first + countStrings(column.strings, key, "below"),
    to: first + countStrings(column.strings, key, "upToPrefixed"),
  };
}

/** The ordinals of numbers from `low` to `high`, and of what has no number of its own. */
export function ordinalsNear(column: Column, low: Value, high: Value): readonly OrdinalRange[] {
  if (typeof low !== "number" || typeof high !== "number") return [ordinalsDefined(column)];
  const elsewhere = { from: arrayOrdinal(column), to: column.ordinals };
  return [numberRange(column, low, high, false, false), elsewhere];
}

/** The ordinals of every value there is. */
export function ordinalsDefined(column: Column): OrdinalRange {
  return { from: NULL, to: column.ordinals };
}

function numberRange(
  column: Column,
  low: number,
  high: number,
  aboveLow: boolean,
  belowHigh: boolean,
): OrdinalRange {
  if (Number.isNaN(low) || Number.isNaN(high)) return NONE;
  return {
    from: FIRST_NUMBER + countNumbers(column.numbers, low, aboveLow),
    to: FIRST_NUMBER + countNumbers(column.numbers, high, !belowHigh),
  };
}

/** How many of the ascending `numbers` are below `bound`, or up to it. */
export function countNumbers(numbers: Float64Array, bound: number, upTo: boolean): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const number = numbers[middle] as number;
    if (number < bound || (upTo && number === bound)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Conditions to documents: which documents of a segment may fulfil one of the alternatives of a filter. Always a
 * superset of those that do; the run tests every item again.
 */
import type { Alternative, Condition } from "../query/facts.ts";
import type { Value } from "../query/values.ts";
import { allBits, type Bits, countBits, emptyBits, hasBit, removeBits, setBit } from "./bits.ts";
import {
  type Column,
  type OrdinalRange,
  ordinalsBeyond,
  ordinalsDefined,
  ordinalsEqual,
  ordinalsNear,
  ordinalsPrefixed,
} from "./column.ts";
import type { Paths } from "./paths.ts";
import { indexPath } from "./policy.ts";
import type { SegmentView } from "./segment.ts";

/** A condition on a column. */
export interface ColumnCondition {
  readonly slot: number;
  readonly elements: boolean;
  readonly test: Condition["test"];
  readonly values: readonly Value[];
}

/** A condition with more values is left to the run: looking all of them up would hold up everybody else. */
const valuesMax = 20_000;

/** Every document fulfils one of these at least as far as the index can tell; none: no document can match. */
export type Filter = readonly (readonly ColumnCondition[])[];

/**
 * The part of a filter that columns can answer; undefined when they cannot narrow it. Conditions on paths without a
 * column are left to the run.
 */
export function columnFilter(paths: Paths, alternatives: readonly Alternative[]): Filter | undefined {
  const filter: ColumnCondition[][] = [];
  for (const alternative of alternatives) {
    const usable: ColumnCondition[] = [];
    let impossible = false;
    for (const { path, test, values } of alternative) {
      if (values.length > valuesMax) continue;
      const found = paths.find(indexPath(path));
      if (found.kind === "slot") usable.push({ slot: found.slot, elements: found.elements, test, values });
      else if (found.kind === "absent") impossible ||= !values.includes(undefined);
    }
    if (impossible) continue;
    if (usable.length === 0) return undefined;
    filter.push(usable);
  }
  return filter;
}

export function filterSlots(filter: Filter): readonly number[] {
  return filter.flatMap((conditions) => conditions.map(({ slot }) => slot));
}

/** Documents of a segment, and what finding them cost. */
export interface Found {
  readonly bits: Bits;
  readonly count: number;
  /** Entries of the index that were looked at. */
  readonly keys: number;
}

interface Selection {
  readonly column: Column;
  readonly elements: boolean;
  readonly ranges: readonly OrdinalRange[];
  readonly count: number;
}

/** The living documents that may fulfil `filter`. */
export function findDocuments(view: SegmentView, filter: Filter): Found {
  const bits = emptyBits(view.numbers.length);
  let keys = 0;
  for (const conditions of filter) keys += addMatches(view, conditions, bits);
  if (view.dead !== undefined) removeBits(bits, view.dead);
  return { bits, count: countBits(bits), keys };
}

/** Adds the documents that fulfil all conditions; returns how many entries it looked at. */
function addMatches(view: SegmentView, conditions: readonly ColumnCondition[], bits: Bits): number {
  const selections: Selection[] = [];
  for (const condition of conditions) {
    const column = view.column(condition.slot);
    if (column === undefined) {
      // No document of this segment has the path at all.
      if (condition.values.includes(undefined)) continue;
      return 0;
    }
    const ranges = rangesOf(column, condition);
    const count = countEntries(column, ranges);
    if (count === 0) return 0;
    selections.push({ column, elements: condition.elements, ranges, count });
  }
  selections.sort((a, b) => a.count - b.count);
  const [driver, ...others] = selections;
  if (driver === undefined) {
    bits.set(allBits(view.numbers.length));
    return 0;
  }
  const tests = others.map((selection) => documentTest(view, selection));
  const [test] = tests;
  if (test === undefined) addEntries(driver, bits);
  else
    addTested(driver, bits, tests.length === 1 ? test : (document) => tests.every((each) => each(document)));
  return driver.count;
}

function addEntries({ column, ranges }: Selection, bits: Bits): void {
  const { starts, docs } = column.postings();
  for (const { from, to } of ranges) {
    const end = starts[to] as number;
    for (let i = starts[from] as number; i < end; i++) setBit(bits, docs[i] as number);
  }
}

function addTested({ column, ranges }: Selection, bits: Bits, test: (document: number) => boolean): void {
  const { starts, docs } = column.postings();
  for (const { from, to } of ranges) {
    const end = starts[to] as number;
    for (let i = starts[from] as number; i < end; i++) {
      const document = docs[i] as number;
      if (test(document)) setBit(bits, document);
    }
  }
}

function documentTest(view: SegmentView, selection: Selection): (document: number) => boolean {
  const { column, ranges } = selection;
  if (selection.elements) {
    const found = emptyBits(view.numbers.length);
    addEntries(selection, found);
    return (document) => hasBit(found, document);
  }
  const { ords } = column;
  const [only] = ranges;
  if (only !== undefined && ranges.length === 1) {
    const { from, to } = only;
    return (document) => {
      const ordinal = ords[document] as number;
      return ordinal >= from && ordinal < to;
    };
  }
  return (document) => inRanges(ranges, ords[document] as number);
}

function inRanges(ranges: readonly OrdinalRange[], ordinal: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.to ?? 0) <= ordinal) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low];
  return range !== undefined && range.from <= ordinal;
}

function countEntries(column: Column, ranges: readonly OrdinalRange[]): number {
  if (ranges.length === 0) return 0;
  const { starts } = column.postings();
  let count = 0;
  for (const { from, to } of ranges) count += (starts[to] as number) - (starts[from] as number);
  return count;
}

/** The ordinals that may fulfil a condition: ascending ranges without overlap. */
export function rangesOf(column: Column, { test, values }: ColumnCondition): readonly OrdinalRange[] {
  const found = rawRanges(column, test, values)
    .filter(({ from, to }) => from < to)
    .sort((a, b) => a.from - b.from);
  const ranges: OrdinalRange[] = [];
  for (const range of found) {
    const last = ranges.at(-1);
    if (last === undefined || last.to < range.from) ranges.push(range);
    else if (last.to < range.to) ranges[ranges.length - 1] = { from: last.from, to: range.to };
  }
  return ranges;
}

function rawRanges(
  column: Column,
  test: Condition["test"],
  values: readonly Value[],
): readonly OrdinalRange[] {
  const [value] = values;
  switch (test) {
    case "in":
      return values.map((wanted) => ordinalsEqual(column, wanted));
    case "startsWith":
      return [ordinalsPrefixed(column, value)];
    case "defined":
      return [ordinalsDefined(column)];
    case "near":
      return ordinalsNear(column, value, values[1]);
    default:
      return [ordinalsBeyond(column, test, value)];
  }
}

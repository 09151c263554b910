/**
 * Documents in the order of ORDER BY without sorting items: each segment's documents are in the order of its columns,
 * and the segments are merged. Ties go by the item's number, backwards when the first path is descending, which is the
 * order that a sort of all items gives.
 */
import { compareOrder, type Value } from "../query/values.ts";
import { type Bits, clearBit, hasBit, nextBit } from "./bits.ts";
import { type Column, firstString, isExact, ordinalValue } from "./column.ts";
import type { SegmentView } from "./segment.ts";
import { stringAt } from "./strings.ts";

export interface SortPath {
  /** Undefined: no item has the path. */
  readonly slot: number | undefined;
  readonly descending: boolean;
}

/** A place in the order: the sort keys and the number of an item. */
export interface OrderPlace {
  readonly keys: readonly Value[];
  readonly number: number;
}

export interface OrderedDocument extends OrderPlace {
  /** Undefined for an item whose keys were read from the item itself. */
  readonly view?: SegmentView;
  readonly document: number;
}

/** Documents of one segment that take part. Those with keys that the index does not hold whole are not among them. */
export interface OrderedPart {
  readonly view: SegmentView;
  readonly bits: Bits;
  readonly count: number;
}

/** Where to begin: at a place or after it. */
export interface OrderStart extends OrderPlace {
  readonly inclusive: boolean;
}

/** Compares two places; negative when `a` comes first. */
export function compareOrderPlaces(paths: readonly SortPath[], a: OrderPlace, b: OrderPlace): number {
  for (let i = 0; i < paths.length; i++) {
    const order = compareOrder(a.keys[i], b.keys[i]);
    if (order !== 0) return paths[i]?.descending === true ? -order : order;
  }
  return paths[0]?.descending === true ? b.number - a.number : a.number - b.number;
}

/** All documents of `parts`, and `exact`, which are in order already, merged in order from `start` on. */
export function* inOrder(
  paths: readonly SortPath[],
  parts: readonly OrderedPart[],
  exact: readonly OrderPlace[],
  start: OrderStart | undefined,
): Generator<OrderedDocument, void> {
  const iterators: Iterator<OrderedDocument, void>[] = parts.map((part) => partInOrder(paths, part, start));
  iterators.push(exactInOrder(paths, exact, start));
  const runs: Run[] = [];
  for (const iterator of iterators) {
    const { value } = iterator.next();
    if (value !== undefined) runs.push({ iterator, next: value });
  }
  while (runs.length > 0) {
    let first = 0;
    for (let i = 1; i < runs.length; i++) {
      const [a, b] = [runs[i], runs[first]];
      if (a !== undefined && b !== undefined && compareOrderPlaces(paths, a.next, b.next) < 0) first = i;
    }
    const run = runs[first];
    if (run === undefined) return;
    yield run.next;
    const { value } = run.iterator.next();
    if (value === undefined) runs.splice(first, 1);
    else run.next = value;
  }
}

interface Run {
  readonly iterator: Iterator<OrderedDocument, void>;
  next: OrderedDocument;
}

function* exactInOrder(
  paths: readonly SortPath[],
  exact: readonly OrderPlace[],
  start: OrderStart | undefined,
): Generator<OrderedDocument, void> {
  for (const place of exact) {
    if (start !== undefined) {
      const order = compareOrderPlaces(paths, place, start);
      if (order < 0 || (order === 0 && !start.inclusive)) continue;
    }
    yield { ...place, document: -1 };
  }
}

function* partInOrder(
  paths: readonly SortPath[],
  part: OrderedPart,
  start: OrderStart | undefined,
): Generator<OrderedDocument, void> {
  const { view, bits, count } = part;
  if (count === 0) return;
  const columns = paths.map(({ slot }) => (slot === undefined ? undefined : view.column(slot)));
  const documents =
    count * 16 < view.numbers.length ? sortedFew(paths, columns, part) : sortedAll(paths, columns, view);
  const backwards = paths[0]?.descending === true;
  const begin = start === undefined ? 0 : firstFrom(paths, columns, view, documents, start);
  for (let i = begin; i < documents.length; i++) {
    const document = documents[backwards ? documents.length - 1 - i : i] as number;
    if (hasBit(bits, document)) yield placed(columns, view, document);
  }
}

function placed(
  columns: readonly (Column | undefined)[],
  view: SegmentView,
  document: number,
): OrderedDocument {
  return { view, document, number: view.numbers[document] as number, keys: keysOf(columns, document) };
}

function keysOf(columns: readonly (Column | undefined)[], document: number): readonly Value[] {
  return columns.map((column) =>
    column === undefined ? undefined : orderValue(column, column.ords[document] as number),
  );
}

/** Stands in the order where the ordinal stands, also when the value is not known whole. */
function orderValue(column: Column, ordinal: number): Value {
  if (isExact(column, ordinal)) return ordinalValue(column, ordinal);
  const rest = column.ordinals - ordinal;
  if (rest === 1) return {};
  return rest === 2 ? [] : stringAt(column.strings, ordinal - firstString(column));
}

/** Number of documents, counted in reading direction, that come before `start`. */
function firstFrom(
  paths: readonly SortPath[],
  columns: readonly (Column | undefined)[],
  view: SegmentView,
  documents: Uint32Array,
  start: OrderStart,
): number {
  const backwards = paths[0]?.descending === true;
  let low = 0;
  let high = documents.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const document = documents[backwards ? documents.length - 1 - middle : middle] as number;
    const order = compareOrderPlaces(paths, placed(columns, view, document), start);
    if (order < 0 || (order === 0 && !start.inclusive)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a path runs against the first one, whose direction decides how the documents are read. */
function isAgainst(paths: readonly SortPath[], i: number): boolean {
  return paths[i]?.descending !== paths[0]?.descending;
}

/** The documents of `bits` alone, sorted: for few of many. */
function sortedFew(
  paths: readonly SortPath[],
  columns: readonly (Column | undefined)[],
  { bits, count }: OrderedPart,
): Uint32Array {
  const documents = new Uint32Array(count);
  let at = 0;
  for (let next = nextBit(bits, 0); next >= 0; next = nextBit(bits, next + 1)) documents[at++] = next;
  const ordinals = columns.map((column) => column?.ords);
  const signs = paths.map((_, i) => (isAgainst(paths, i) ? -1 : 1));
  return documents.sort((a, b) => {
    for (let i = 0; i < ordinals.length; i++) {
      const ords = ordinals[i];
      const order = ords === undefined ? 0 : (ords[a] as number) - (ords[b] as number);
      if (order !== 0) return order * (signs[i] as number);
    }
    return a - b;
  });
}

/** All documents of the segment in order; kept with the segment when more than one column decides. */
function sortedAll(
  paths: readonly SortPath[],
  columns: readonly (Column | undefined)[],
  view: SegmentView,
): Uint32Array {
  const [column] = columns;
  if (paths.length === 1 && column !== undefined) return column.postings().docs;
  const { orders } = view.segment;
  const name = paths.map(({ slot }, i) => `${slot ?? ""}${isAgainst(paths, i) ? "-" : "+"}`).join("/");
  const known = orders.get(name);
  if (known !== undefined) return known;
  let documents = Uint32Array.from(view.numbers, (_, i) => i);
  for (let i = columns.length - 1; i >= 0; i--) {
    const by = columns[i];
    if (by !== undefined) documents = sortedBy(by, documents, isAgainst(paths, i));
  }
  orders.set(name, documents);
  return documents;
}

/** A stable counting sort by ordinal, upwards or downwards. */
function sortedBy(
  { ords, ordinals }: Column,
  documents: Uint32Array,
  downwards: boolean,
): Uint32Array<ArrayBuffer> {
  const rankOf = (document: number): number => {
    const ordinal = ords[document] as number;
    return downwards ? ordinals - 1 - ordinal : ordinal;
  };
  const places = new Uint32Array(ordinals + 1);
  for (const document of documents) {
    const next = rankOf(document) + 1;
    places[next] = (places[next] as number) + 1;
  }
  for (let o = 0; o < ordinals; o++) places[o + 1] = (places[o + 1] as number) + (places[o] as number);
  const sorted = new Uint32Array(documents.length);
  for (const document of documents) {
    const rank = rankOf(document);
    const place = places[rank] as number;
    sorted[place] = document;
    places[rank] = place + 1;
  }
  return sorted;
}

/**
 * Takes the documents out of `bits` whose value in one of the columns is not known whole, and returns them; undefined
 * when there are more than `max`.
 */
export function takeInexact(
  view: SegmentView,
  paths: readonly SortPath[],
  bits: Bits,
  max: number,
): readonly number[] | undefined {
  const found: number[] = [];
  for (const { slot } of paths) {
    const column = slot === undefined ? undefined : view.column(slot);
    if (column === undefined) continue;
    const { starts, docs } = column.postings();
    for (const ordinal of column.inexact()) {
      for (let i = starts[ordinal] as number; i < (starts[ordinal + 1] as number); i++) {
        const document = docs[i] as number;
        if (!hasBit(bits, document)) continue;
        if (found.length >= max) return undefined;
        clearBit(bits, document);
        found.push(document);
      }
    }
  }
  return found;
}

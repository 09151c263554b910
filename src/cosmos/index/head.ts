/**
 * The newest documents of an index, as rows: what the log brought since the last segment was made. A query sees them
 * as a small segment whose columns are made when it asks for them.
 */
import type { Value } from "../query/values.ts";
import type { Column, IndexKey } from "./column.ts";
import { createKeyCodes, type KeyCodes } from "./key-codes.ts";
import type { Slot } from "./paths.ts";
import { type ColumnHandle, createSegment, lazyColumn, type Segment } from "./segment.ts";
import { createVectorTail, type VectorTail } from "./vector-column.ts";

export interface Head {
  /** Living rows. */
  readonly size: number;
  /** Rows that were added, dead ones included. */
  readonly rows: number;
  /**
   * Adds the item's row; `extract` hands over its keys, `vectors` are its values at the paths of vector indexes. An older
   * row of the item dies.
   */
  add(
    number: number,
    extract: (take: (slot: number, key: IndexKey) => void) => void,
    vectors?: readonly Value[],
  ): void;
  /** True when the item had a living row, which is dead now. */
  remove(number: number): boolean;
  /** The living rows as a segment; the same one until something changes. Undefined when there are none. */
  view(id: () => number): Segment | undefined;
}

/** The entries of a slot so far: the first `length` of both arrays, which are replaced by longer ones when they are full. */
interface SlotEntries {
  length: number;
  rows: Uint32Array;
  /** Of each entry, as `keys` knows it. */
  codes: Uint32Array;
  readonly keys: KeyCodes;
}

const firstLength = 16;

/** `dimensions` are those of the vector indexes. */
export function createHead(slots: readonly Slot[], dimensions: readonly number[] = []): Head {
  const tails = dimensions.map(createVectorTail);
  const numbers: number[] = [];
  const entries: (SlotEntries | undefined)[] = [];
  const rowOf = new Map<number, number>();
  let made: Segment | undefined;
  return {
    get size() {
      return rowOf.size;
    },
    get rows() {
      return numbers.length;
    },
    add(number, extract, vectors) {
      const row = numbers.push(number) - 1;
      rowOf.set(number, row);
      made = undefined;
      for (const [place, tail] of tails.entries()) tail.add(row, vectors?.[place]);
      extract((slot, key) => {
        let found = entries[slot];
        if (found === undefined) {
          found = newEntries();
          entries[slot] = found;
        }
        addEntry(found, row, key);
      });
    },
    remove(number) {
      if (!rowOf.delete(number)) return false;
      made = undefined;
      return true;
    },
    view(id) {
      if (rowOf.size === 0) return undefined;
      made ??= segmentOf(id(), slots, numbers, rowOf, entries, tails);
      return made;
    },
  };
}

function newEntries(): SlotEntries {
  const [rows, codes] = [new Uint32Array(firstLength), new Uint32Array(firstLength)];
  return { length: 0, rows, codes, keys: createKeyCodes() };
}

function addEntry(entries: SlotEntries, row: number, key: IndexKey): void {
  const { length } = entries;
  if (length === entries.rows.length) {
    entries.rows = longer(entries.rows);
    entries.codes = longer(entries.codes);
  }
  entries.rows[length] = row;
  entries.codes[length] = entries.keys.add(key);
  entries.length = length + 1;
}

function longer(full: Uint32Array): Uint32Array {
  const made = new Uint32Array(full.length * 2);
  made.set(full);
  return made;
}

function segmentOf(
  id: number,
  slots: readonly Slot[],
  numbers: readonly number[],
  rowOf: ReadonlyMap<number, number>,
  entries: readonly (SlotEntries | undefined)[],
  tails: readonly VectorTail[],
): Segment {
  const living = Float64Array.from(rowOf.keys()).sort();
  const documents = new Int32Array(numbers.length).fill(-1);
  for (const [document, number] of living.entries()) documents[rowOf.get(number) ?? 0] = document;
  const columns = new Map<number, ColumnHandle>();
  for (const [slot, found] of entries.entries()) {
    if (found === undefined) continue;
    const elements = slots[slot]?.elements === true;
    // Rows are only added at the end, so those that are here now are the first `documents.length`.
    columns.set(
      slot,
      lazyColumn(() =>
        elements ? elementColumn(found, documents) : plainColumn(found, documents, living.length),
      ),
    );
  }
  const vectors = new Map(
    tails.map((tail, place) => [place, lazyColumn(() => tail.column(documents))] as const),
  );
  return createSegment(id, living, columns, vectors);
}

function plainColumn(entries: SlotEntries, documents: Int32Array, size: number): Column {
  const { rows, codes, keys, length } = entries;
  const found = new Uint32Array(size);
  for (let i = 0; i < length; i++) {
    const row = rows[i] as number;
    if (row >= documents.length) break;
    const document = documents[row] as number;
    if (document >= 0) found[document] = codes[i] as number;
  }
  return keys.column(found);
}

function elementColumn({ rows, codes, keys, length }: SlotEntries, documents: Int32Array): Column {
  const entries = new Uint32Array(length);
  let count = 0;
  let inOrder = true;
  let last = -1;
  for (let i = 0; i < length; i++) {
    const row = rows[i] as number;
    if (row >= documents.length) break;
    const document = documents[row] as number;
    if (document < 0) continue;
    entries[count++] = i;
    inOrder &&= document >= last;
    last = document;
  }
  const living = entries.subarray(0, count);
  const documentOf = (entry: number): number => documents[rows[entry] as number] as number;
  // Rows come in the order of the log, which is that of the numbers unless items were replaced.
  if (!inOrder) living.sort((a, b) => documentOf(a) - documentOf(b));
  return keys.column(
    living.map((entry) => codes[entry] as number),
    living.map(documentOf),
  );
}

/**
 * The newest documents of an index, as rows: what the log brought since the last segment was made. A query sees them
 * as a small segment whose columns are made when it asks for them.
 */
import type { Value } from "../query/values.ts";
import { buildColumn, type Column, type IndexKey } from "./column.ts";
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

interface SlotEntries {
  readonly rows: number[];
  readonly keys: IndexKey[];
}

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
          found = { rows: [], keys: [] };
          entries[slot] = found;
        }
        found.rows.push(row);
        found.keys.push(key);
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

function plainColumn({ rows, keys }: SlotEntries, documents: Int32Array, size: number): Column {
  const found = new Array<IndexKey>(size).fill(undefined);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    if (row >= documents.length) break;
    const document = documents[row] as number;
    if (document >= 0) found[document] = keys[i];
  }
  return buildColumn(found);
}

function elementColumn({ rows, keys }: SlotEntries, documents: Int32Array): Column {
  const entries: number[] = [];
  let inOrder = true;
  let last = -1;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    if (row >= documents.length) break;
    const document = documents[row] as number;
    if (document < 0) continue;
    entries.push(i);
    inOrder &&= document >= last;
    last = document;
  }
  const documentOf = (entry: number): number => documents[rows[entry] as number] as number;
  // Rows come in the order of the log, which is that of the numbers unless items were replaced.
  if (!inOrder) entries.sort((a, b) => documentOf(a) - documentOf(b));
  return buildColumn(
    entries.map((entry) => keys[entry]),
    Uint32Array.from(entries, documentOf),
  );
}

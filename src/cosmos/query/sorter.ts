/**
 * Collects rows with their sort keys and returns them in order. With a known number of wanted rows it keeps only
 * that many (a heap with the worst row on top), so ORDER BY with LIMIT over many items costs little memory.
 */
import { compareOrder, type Value } from "./values.ts";

export interface Sorter {
  /** `keys` in the order of the ORDER BY items. */
  add(keys: readonly Value[], row: Value): void;
  /** The rows in order, at most the wanted number; empties the sorter. */
  drain(): Value[];
}

interface Entry {
  readonly keys: readonly Value[];
  readonly row: Value;
  readonly sequence: number;
}

/**
 * Rows with equal keys keep their order of arrival, or the reverse when the first item is descending, as the
 * service reads its index backwards then.
 */
export function createSorter(descending: readonly boolean[], wanted: number): Sorter {
  const compare = comparator(descending);
  let entries: Entry[] = [];
  let sequence = 0;
  return {
    add(keys, row) {
      const entry = { keys, row, sequence: sequence++ };
      if (wanted === 0) return;
      if (entries.length < wanted) {
        entries.push(entry);
        if (entries.length === wanted) heapify(entries, compare);
      } else if (compare(entry, entries[0] ?? entry) < 0) {
        entries[0] = entry;
        sink(entries, 0, compare);
      }
    },
    drain() {
      const rows = entries.sort(compare).map((entry) => entry.row);
      entries = [];
      return rows;
    },
  };
}

type Compare = (left: Entry, right: Entry) => number;

function comparator(descending: readonly boolean[]): Compare {
  const ties = descending[0] === true ? -1 : 1;
  return (left, right) => {
    for (let i = 0; i < descending.length; i++) {
      const order = compareOrder(left.keys[i], right.keys[i]);
      if (order !== 0) return descending[i] === true ? -order : order;
    }
    return (left.sequence - right.sequence) * ties;
  };
}

function heapify(heap: Entry[], compare: Compare): void {
  for (let i = (heap.length >> 1) - 1; i >= 0; i--) sink(heap, i, compare);
}

/** Restores the heap below `at`: no parent sorts before its children. */
function sink(heap: Entry[], at: number, compare: Compare): void {
  let parent = at;
  for (;;) {
    let worst = parent;
    for (const child of [2 * parent + 1, 2 * parent + 2]) {
      const candidate = heap[child];
      const current = heap[worst];
      if (candidate !== undefined && current !== undefined && compare(candidate, current) > 0) worst = child;
    }
    const a = heap[parent];
    const b = heap[worst];
    if (worst === parent || a === undefined || b === undefined) return;
    heap[parent] = b;
    heap[worst] = a;
    parent = worst;
  }
}

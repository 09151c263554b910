/**
 * A segment: the index of some documents, column by column, that never changes except that documents of it die when
 * the log brings their next version or their deletion. A container's index is a list of segments in which each living
 * item is alive exactly once.
 */
import { type Bits, emptyBits, hasBit, setBit } from "./bits.ts";
import { type Column, countNumbers } from "./column.ts";
import type { VectorColumn } from "./vector-column.ts";

/** A column that is in memory, or can be brought there. */
export interface Handle<T> {
  /** Bytes of one that takes its turn in memory, when they are known before it is there. */
  readonly size?: number;
  resident(): T | undefined;
  load(): Promise<T>;
}

export type ColumnHandle = Handle<Column>;
export type VectorHandle = Handle<VectorColumn>;

export interface Segment {
  /** Never used again within the index. */
  readonly id: number;
  /** Item numbers of its documents, ascending. */
  readonly numbers: Float64Array;
  /** By slot. A slot without a column is a path that none of its documents has. */
  readonly columns: Map<number, ColumnHandle>;
  /** By the place of their index in the policy. */
  readonly vectors: Map<number, VectorHandle>;
  /** Documents in the order of several columns, by a name for that order: made when it is first asked for. */
  readonly orders: Map<string, Uint32Array>;
  dead: Bits | undefined;
  deadCount: number;
  /** Somebody reads `dead`: it must be copied before it changes. */
  deadShared: boolean;
}

export function createSegment(
  id: number,
  numbers: Float64Array,
  columns: Map<number, ColumnHandle>,
  vectors: Map<number, VectorHandle> = new Map(),
): Segment {
  const orders = new Map<string, Uint32Array>();
  return { id, numbers, columns, vectors, orders, dead: undefined, deadCount: 0, deadShared: false };
}

/** A column that stays in memory as long as its segment. */
export function heldColumn<T>(column: T): Handle<T> {
  return { resident: () => column, load: async () => column };
}

/** A column that is made when it is first used; what it is made from is let go then. */
export function lazyColumn<T>(make: () => T): Handle<T> {
  let state: { readonly column: T } | { readonly make: () => T } = { make };
  const get = (): T => {
    if ("column" in state) return state.column;
    const column = state.make();
    state = { column };
    return column;
  };
  return { resident: get, load: async () => get() };
}

/** The document of an item in this segment, dead or alive, or -1. */
export function documentOf(segment: Segment, number: number): number {
  const { numbers } = segment;
  const at = countNumbers(numbers, number, false);
  return at < numbers.length && numbers[at] === number ? at : -1;
}

export function isDead(segment: Segment, document: number): boolean {
  return segment.dead !== undefined && hasBit(segment.dead, document);
}

/** Marks a living document dead; what readers hold stays as it is. */
export function markDead(segment: Segment, document: number): void {
  if (segment.dead === undefined) segment.dead = emptyBits(segment.numbers.length);
  else if (segment.deadShared) segment.dead = segment.dead.slice();
  segment.deadShared = false;
  setBit(segment.dead, document);
  segment.deadCount++;
}

/** What a query sees of a segment: it stays the same while the index goes on. */
export interface SegmentView {
  readonly segment: Segment;
  readonly numbers: Float64Array;
  readonly dead: Bits | undefined;
  /** Living documents. */
  readonly living: number;
  /** The column of a slot that the query asked for; undefined: no document has the path. */
  column(slot: number): Column | undefined;
  /** The same for vectors. */
  vectors(place: number): VectorColumn | undefined;
}

/** What a query looks at: columns by slot, and vectors by their place in the policy. */
export interface Wanted {
  readonly slots: readonly number[];
  readonly vectors?: readonly number[];
}

/** Sees `segment` as it is now. What is `wanted` must be in memory; undefined when something is not. */
export function viewSegment(segment: Segment, { slots, vectors = [] }: Wanted): SegmentView | undefined {
  const columns = new Map<number, Column>();
  for (const slot of slots) {
    const handle = segment.columns.get(slot);
    if (handle === undefined) continue;
    const column = handle.resident();
    if (column === undefined) return undefined;
    columns.set(slot, column);
  }
  const packed = new Map<number, VectorColumn>();
  for (const place of vectors) {
    const handle = segment.vectors.get(place);
    if (handle === undefined) continue;
    const column = handle.resident();
    if (column === undefined) return undefined;
    packed.set(place, column);
  }
  segment.deadShared = true;
  return {
    segment,
    numbers: segment.numbers,
    dead: segment.dead,
    living: segment.numbers.length - segment.deadCount,
    column: (slot) => columns.get(slot),
    vectors: (place) => packed.get(place),
  };
}

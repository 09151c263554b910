/**
 * A segment: the index of some documents, column by column, that never changes except that documents of it die when
 * the log brings their next version or their deletion. A container's index is a list of segments in which each living
 * item is alive exactly once.
 */
import { type Bits, emptyBits, hasBit, setBit } from "./bits.ts";
import { type Column, countNumbers } from "./column.ts";

/** A column that is in memory, or can be brought there. */
export interface ColumnHandle {
  resident(): Column | undefined;
  load(): Promise<Column>;
}

export interface Segment {
  /** Never used again within the index. */
  readonly id: number;
  /** Item numbers of its documents, ascending. */
  readonly numbers: Float64Array;
  /** By slot. A slot without a column is a path that none of its documents has. */
  readonly columns: Map<number, ColumnHandle>;
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
): Segment {
  return { id, numbers, columns, orders: new Map(), dead: undefined, deadCount: 0, deadShared: false };
}

/** A column that stays in memory as long as its segment. */
export function heldColumn(column: Column): ColumnHandle {
  return { resident: () => column, load: async () => column };
}

/** A column that is made when it is first used; what it is made from is let go then. */
export function lazyColumn(make: () => Column): ColumnHandle {
  let state: { readonly column: Column } | { readonly make: () => Column } = { make };
  const get = (): Column => {
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
}

/** Sees `segment` as it is now. The columns of `slots` must be in memory; undefined when one is not. */
export function viewSegment(segment: Segment, slots: readonly number[]): SegmentView | undefined {
  const columns = new Map<number, Column>();
  for (const slot of slots) {
    const handle = segment.columns.get(slot);
    if (handle === undefined) continue;
    const column = handle.resident();
    if (column === undefined) return undefined;
    columns.set(slot, column);
  }
  segment.deadShared = true;
  return {
    segment,
    numbers: segment.numbers,
    dead: segment.dead,
    living: segment.numbers.length - segment.deadCount,
    column: (slot) => columns.get(slot),
  };
}

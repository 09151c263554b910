/**
 * The state of a container's index and the two ways it changes: an item's present version replaces what was known of
 * it, and the newest rows become a segment. Apart from following, merging and keeping, which all work on it.
 */
import type { Store } from "../../storage/port.ts";
import { numbersPerRange, type StoredItem } from "../engine/documents.ts";
import type { Partitions } from "../engine/partitions.ts";
import { element, type Value } from "../query/values.ts";
import { type Background, createBackground } from "./background.ts";
import type { KeptSegment } from "./checkpoint.ts";
import type { ColumnCache } from "./column-cache.ts";
import { createHead, type Head } from "./head.ts";
import { createPaths, type Paths } from "./paths.ts";
import type { IndexPolicy } from "./policy.ts";
import {
  documentOf,
  heldColumn,
  isDead,
  markDead,
  type Segment,
  type SegmentView,
  viewSegment,
  type Wanted,
} from "./segment.ts";
import type { VectorKernel } from "./vector-kernel.ts";
import { mergeVectors } from "./vector-merge.ts";

/** Rows that the head takes before it is frozen into a segment. */
const headRowsDefault = 4096;

export interface IndexParts {
  readonly store: Store;
  readonly partitions: Partitions;
  readonly cache: ColumnCache;
  readonly kernel: () => VectorKernel;
  readonly policy: IndexPolicy;
  /** Equal for equal policies. */
  readonly policyText: string;
  /** Whether the index is kept in the store, so that it is there after a restart. */
  readonly keeps: boolean;
  /** Rows of the smallest segments; for tests. */
  readonly headRows?: number | undefined;
  /** Changes after which a checkpoint is written when no more come; for tests. */
  readonly changesWhenIdle?: number | undefined;
}

export interface IndexState {
  readonly parts: IndexParts;
  readonly headRows: number;
  paths: Paths;
  /** `unknown` has not looked for a checkpoint, `empty` has none, `building` reads all items, `live` follows the logs. */
  stage: "unknown" | "empty" | "building" | "live";
  /** Items read so far while `building`. */
  built: number;
  /** The last number taken in of each range's log. */
  applied: Map<number, number>;
  /** The same when the last segment was made: how far the segments alone have come. */
  frozen: ReadonlyMap<number, number>;
  segments: Segment[];
  head: Head;
  /** The greatest item number seen of each range: greater ones cannot be in any segment. */
  readonly greatest: Map<number, number>;
  nextSegment: number;
  /** Items taken in since the last checkpoint. */
  changes: number;
  /** Segments of the last checkpoint. */
  kept: ReadonlyMap<number, KeptSegment>;
  compacting: Promise<void> | undefined;
  /** The pace of following the logs. Merges do not keep it: queries are the faster the sooner those end. */
  readonly background: Background;
  /** Background work ends at its next pause. */
  stopped: boolean;
}

export function createIndexState(parts: IndexParts): IndexState {
  const paths = createPaths(parts.policy);
  return {
    parts,
    headRows: parts.headRows ?? headRowsDefault,
    paths,
    stage: "unknown",
    built: 0,
    applied: new Map(),
    frozen: new Map(),
    segments: [],
    head: newHead(parts.policy, paths),
    greatest: new Map(),
    nextSegment: 1,
    changes: 0,
    kept: new Map(),
    compacting: undefined,
    background: createBackground(),
    stopped: false,
  };
}

/** An empty head for what the policy indexes. */
export function newHead({ vectors }: IndexPolicy, { slots }: Paths): Head {
  return createHead(
    slots,
    vectors.map(({ dimensions }) => dimensions),
  );
}

/** A turn of the event loop for whoever waits for one. */
export function pause(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}

/** Items that are alive in the index. */
export function livingItems({ segments, head }: IndexState): number {
  return segments.reduce((sum, { numbers, deadCount }) => sum + numbers.length - deadCount, head.size);
}

export function segmentsNow(state: IndexState): readonly Segment[] {
  const newest = state.head.view(() => state.nextSegment++);
  return newest === undefined ? state.segments : [...state.segments, newest];
}

/** All segments at this moment with what is `wanted`; undefined when some must be loaded first, or all made. */
export function viewAll(state: IndexState, wanted: Wanted): readonly SegmentView[] | undefined {
  if (state.stage !== "live") return undefined;
  const views: SegmentView[] = [];
  for (const segment of segmentsNow(state)) {
    const view = viewSegment(segment, wanted);
    if (view === undefined) return undefined;
    if (view.living > 0) views.push(view);
  }
  return views;
}

/** Replaces what the index has of an item by its present version, or by nothing when it was deleted. */
export function applyItem(state: IndexState, number: number, item: StoredItem | undefined): void {
  state.changes++;
  const greatest = state.greatest.get(rangeOf(number)) ?? -1;
  if (number <= greatest) forget(state, number);
  else state.greatest.set(rangeOf(number), number);
  if (item === undefined) return;
  const value = JSON.parse(item.json.toString("utf8")) as Value;
  const vectors = state.parts.policy.vectors.map(({ path }) => valueAt(value, path));
  state.head.add(number, (take) => state.paths.extract(value, take), vectors);
}

function valueAt(item: Value, path: readonly string[]): Value {
  let value = item;
  for (const step of path) value = element(value, step);
  return value;
}

/** The range in which an item was created. */
export function rangeOf(number: number): number {
  return Math.floor(number / numbersPerRange);
}

function forget(state: IndexState, number: number): void {
  if (state.head.remove(number)) return;
  for (let i = state.segments.length - 1; i >= 0; i--) {
    const segment = state.segments[i] as Segment;
    const document = documentOf(segment, number);
    if (document < 0 || isDead(segment, document)) continue;
    markDead(segment, document);
    return;
  }
}

/** Makes the head a segment, and its columns, so that the rows are no longer kept. */
export async function freeze(state: IndexState): Promise<void> {
  const segment = state.head.view(() => state.nextSegment++);
  state.head = newHead(state.parts.policy, state.paths);
  state.frozen = new Map(state.applied);
  if (segment === undefined) return;
  state.segments.push(segment);
  for (const column of segment.columns.values()) {
    await column.load();
    await state.background.pause();
  }
  const { length } = segment.numbers;
  const sources = { input: new Uint8Array(length), document: Uint32Array.from({ length }, (_, i) => i) };
  for (const [place, handle] of segment.vectors) {
    const index = state.parts.policy.vectors[place];
    if (index === undefined) continue;
    const packed = await mergeVectors(
      state.parts.kernel(),
      index,
      [await handle.load()],
      sources,
      state.background.pause,
    );
    segment.vectors.set(place, heldColumn(packed));
  }
}

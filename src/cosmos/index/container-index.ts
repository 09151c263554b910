/**
 * The index of one container: a projection of its logs. Writes know nothing of it; it reads what the logs say since it
 * last looked, in the background or when a query needs it, and is as good as the logs up to the numbers in `applied`.
 *
 * Every item whose last log entry lies at or below them is in here with that version or a later one: a page of a log is
 * read at one moment, and an item's last entry only ever moves to a higher number.
 */
import type { Reader } from "../../storage/port.ts";
import { readLog } from "../engine/change-log.ts";
import { numbersPerRange, readItemNumber, type StoredItem } from "../engine/documents.ts";
import type { Partitions } from "../engine/partitions.ts";
import { scanContainer } from "../engine/range-scan.ts";
import type { ContainerRecord } from "../engine/records.ts";
import type { Value } from "../query/values.ts";
import { createHead, type Head } from "./head.ts";
import { mergeSegments } from "./merge.ts";
import { createPaths, type Paths } from "./paths.ts";
import type { IndexPolicy } from "./policy.ts";
import { documentOf, isDead, markDead, type Segment, type SegmentView, viewSegment } from "./segment.ts";

/** Entries of a log that are taken in at a time, between two pauses. */
const pageEntries = 128;
/** A container with so few items is indexed while its first query waits. */
const itemsAtOnceMax = 5_000;
/** Taking in one change costs some three times what reading one item in a scan does. */
const changesWorthWaiting = (items: number): number => Math.max(2_000, items / 4);
/** Rows that the head takes before it is frozen into a segment. */
const headRowsDefault = 4096;
/** Segments of about one size that are merged into one of the next. */
const mergeWidth = 8;
/** More segments than this are merged before anything is added to them. */
const segmentsMax = 64;

export interface ContainerIndex {
  readonly policy: IndexPolicy;
  readonly paths: Paths;
  /** Items that are alive in the index. */
  items(): number;
  /**
   * Brings the index up to everything that was committed before the call. False when that would take longer than a
   * scan: then the query must scan, and `follow` catches up in the background.
   */
  ready(container: ContainerRecord): Promise<boolean>;
  /** Takes in what the logs have and the index has not, however much it is. */
  follow(container: ContainerRecord): Promise<void>;
  /** Merges segments that have become many. */
  compact(): Promise<void>;
  /** All segments at this moment with the columns of `slots`; undefined when some must be loaded first. */
  view(slots: readonly number[]): readonly SegmentView[] | undefined;
  /** Brings the columns of `slots` into memory. */
  load(slots: readonly number[]): Promise<void>;
  /** Ends background work at its next pause. */
  stop(): void;
}

export interface IndexParts {
  readonly reader: Reader;
  readonly partitions: Partitions;
  /** Rows of the smallest segments; for tests. */
  readonly headRows?: number;
}

interface State {
  readonly parts: IndexParts;
  readonly paths: Paths;
  readonly headRows: number;
  /** `empty` has nothing, `building` is reading all items, `live` follows the logs. */
  stage: "empty" | "building" | "live";
  /** The last number taken in of each range's log. */
  applied: Map<number, number>;
  segments: Segment[];
  head: Head;
  /** The greatest item number seen of each range: greater ones cannot be in any segment. */
  readonly greatest: Map<number, number>;
  nextSegment: number;
  stopped: boolean;
  following: Promise<void> | undefined;
  compacting: Promise<void> | undefined;
}

export function createContainerIndex(policy: IndexPolicy, parts: IndexParts): ContainerIndex {
  const paths = createPaths(policy);
  const state: State = {
    parts,
    paths,
    headRows: parts.headRows ?? headRowsDefault,
    stage: "empty",
    applied: new Map(),
    segments: [],
    head: createHead(paths.slots),
    greatest: new Map(),
    nextSegment: 1,
    stopped: false,
    following: undefined,
    compacting: undefined,
  };
  return {
    policy,
    paths,
    items: () => livingItems(state),
    ready: (container) => ready(state, container),
    follow: (container) => catchUp(state, container),
    compact: () => compact(state),
    view: (slots) => viewAll(state, slots),
    async load(slots) {
      for (const segment of segmentsNow(state)) {
        for (const slot of slots) await segment.columns.get(slot)?.load();
      }
    },
    stop() {
      state.stopped = true;
    },
  };
}

/** A turn of the event loop for whoever waits for one. */
function pause(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}

function livingItems(state: State): number {
  const inSegments = state.segments.reduce(
    (sum, { numbers, deadCount }) => sum + numbers.length - deadCount,
    0,
  );
  return inSegments + state.head.size;
}

function segmentsNow(state: State): readonly Segment[] {
  const newest = state.head.view(() => state.nextSegment++);
  return newest === undefined ? state.segments : [...state.segments, newest];
}

function viewAll(state: State, slots: readonly number[]): readonly SegmentView[] | undefined {
  const views: SegmentView[] = [];
  for (const segment of segmentsNow(state)) {
    const view = viewSegment(segment, slots);
    if (view === undefined) return undefined;
    if (view.living > 0) views.push(view);
  }
  return views;
}

/** A log of the container and how far it is known to reach. */
interface Log {
  readonly range: number;
  readonly endLsn: number;
}

async function logsOf({ parts }: State, container: ContainerRecord): Promise<readonly Log[]> {
  const live = await Promise.all(
    container.ranges.map(async (range) => {
      const { index, committedLsn } = await parts.partitions.open(container, range);
      return { range: index, endLsn: committedLsn };
    }),
  );
  return [...container.retired.map(({ id, endLsn }) => ({ range: Number(id), endLsn })), ...live];
}

function lagOf(state: State, logs: readonly Log[]): number {
  return logs.reduce((sum, { range, endLsn }) => sum + Math.max(0, endLsn - appliedTo(state, range)), 0);
}

function appliedTo(state: State, range: number): number {
  return state.applied.get(range) ?? 0;
}

async function ready(state: State, container: ContainerRecord): Promise<boolean> {
  const logs = await logsOf(state, container);
  const lag = lagOf(state, logs);
  if (state.stage === "live") {
    if (lag > changesWorthWaiting(livingItems(state))) return false;
  } else if (state.stage === "building" || lag > itemsAtOnceMax) return false;
  await takeIn(state, container, logs);
  return state.stage === "live" && lagOf(state, logs) === 0;
}

async function catchUp(state: State, container: ContainerRecord): Promise<void> {
  do await takeIn(state, container, await logsOf(state, container));
  while (!state.stopped && lagOf(state, await logsOf(state, container)) > pageEntries);
}

/** Takes in the logs at least up to where they are known to reach. One runs at a time; others wait and look again. */
async function takeIn(state: State, container: ContainerRecord, logs: readonly Log[]): Promise<void> {
  while (!state.stopped && (state.stage !== "live" || lagOf(state, logs) > 0)) {
    state.following ??= followOnce(state, container, logs).finally(() => {
      state.following = undefined;
    });
    await state.following;
  }
}

async function followOnce(state: State, container: ContainerRecord, logs: readonly Log[]): Promise<void> {
  if (state.segments.length > segmentsMax) await compact(state);
  if (state.stage !== "live") await build(state, container, logs);
  for (const log of logs)
    if (appliedTo(state, log.range) < log.endLsn) await followLog(state, container, log);
}

/** Reads a log from where it was left up to its end as it is at the last page. */
async function followLog(state: State, container: ContainerRecord, { range, endLsn }: Log): Promise<void> {
  const { reader } = state.parts;
  for (;;) {
    if (state.stopped) return;
    const from = appliedTo(state, range);
    const entries = await readLog(reader, container, range, from, Number.MAX_SAFE_INTEGER - 1, pageEntries);
    const numbers = [...new Set(entries.map(({ number }) => number))];
    const items = await Promise.all(numbers.map((number) => readItemNumber(reader, container, number)));
    for (const [i, number] of numbers.entries()) applyItem(state, number, items[i]);
    const last = entries.at(-1)?.lsn ?? from;
    const complete = entries.length < pageEntries;
    // Nothing up to `endLsn` was left when a page that ends the log was read.
    state.applied.set(range, complete ? Math.max(last, endLsn) : last);
    if (state.head.rows >= state.headRows) await freeze(state);
    if (complete) return;
    await pause();
  }
}

/** Reads all items: for a container that was there before its index. */
async function build(state: State, container: ContainerRecord, logs: readonly Log[]): Promise<void> {
  state.stage = "building";
  try {
    await readAllItems(state, container);
  } catch (error) {
    state.stage = "empty";
    throw error;
  }
  if (state.stopped) return;
  // Whatever was committed by the time the scan began is in; the rest has higher numbers.
  state.applied = new Map(logs.map(({ range, endLsn }) => [range, endLsn]));
  state.stage = "live";
}

async function readAllItems(state: State, container: ContainerRecord): Promise<void> {
  state.segments = [];
  state.head = createHead(state.paths.slots);
  state.greatest.clear();
  let position = 0;
  for (;;) {
    if (state.stopped) return;
    const items = await scanContainer(state.parts.reader, container, position, pageEntries);
    const last = items.at(-1);
    if (last === undefined) return;
    for (const item of items) applyItem(state, item.number, item);
    position = last.number + 1;
    if (state.head.rows >= state.headRows) await freeze(state);
    await pause();
  }
}

/** Replaces what the index has of an item by its present version, or by nothing when it was deleted. */
function applyItem(state: State, number: number, item: StoredItem | undefined): void {
  const range = Math.floor(number / numbersPerRange);
  const greatest = state.greatest.get(range) ?? -1;
  if (number <= greatest) forget(state, number);
  else state.greatest.set(range, number);
  if (item === undefined) return;
  const value = JSON.parse(item.json.toString("utf8")) as Value;
  state.head.add(number, (take) => state.paths.extract(value, take));
}

function forget(state: State, number: number): void {
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
async function freeze(state: State): Promise<void> {
  const segment = state.head.view(() => state.nextSegment++);
  state.head = createHead(state.paths.slots);
  if (segment === undefined) return;
  state.segments.push(segment);
  for (const column of segment.columns.values()) {
    await column.load();
    await pause();
  }
}

function compact(state: State): Promise<void> {
  state.compacting ??= mergeAll(state).finally(() => {
    state.compacting = undefined;
  });
  return state.compacting;
}

async function mergeAll(state: State): Promise<void> {
  while (!state.stopped) {
    const inputs = selectMerge(state);
    if (inputs.length === 0) return;
    await mergeInto(state, inputs);
  }
}

/** Segments worth merging: several of about one size, or one that is mostly dead. */
function selectMerge({ segments, headRows }: State): readonly Segment[] {
  const tiers = new Map<number, Segment[]>();
  for (const segment of segments) {
    const living = segment.numbers.length - segment.deadCount;
    if (living * 2 < segment.numbers.length) return [segment];
    const tier = Math.max(0, Math.floor(Math.log(living / headRows) / Math.log(mergeWidth) + 0.5));
    const same = tiers.get(tier) ?? [];
    same.push(segment);
    tiers.set(tier, same);
  }
  return [...tiers.values()].find((same) => same.length >= mergeWidth) ?? [];
}

async function mergeInto(state: State, inputs: readonly Segment[]): Promise<void> {
  const before = inputs.map(({ dead }) => dead?.slice());
  const merged = await mergeSegments(state.nextSegment++, inputs, pause);
  // What died meanwhile is still alive in the result.
  for (const [i, input] of inputs.entries()) {
    const known = before[i];
    for (let document = 0; document < input.numbers.length; document++) {
      if (!isDead(input, document)) continue;
      if (known !== undefined && ((known[document >>> 5] as number) >>> (document & 31)) & 1) continue;
      const place = documentOf(merged, input.numbers[document] as number);
      if (place >= 0) markDead(merged, place);
    }
  }
  const replaced = new Set(inputs);
  state.segments = state.segments.filter((segment) => !replaced.has(segment));
  if (merged.numbers.length > 0) state.segments.push(merged);
}

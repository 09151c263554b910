/**
 * Items for a run of a query, batch by batch, as an access plan says: loaded by number, or put together from columns.
 * Which items are in scope and alive is decided here for each one, whatever the index said.
 */
import type { Bytes, Reader } from "../../storage/port.ts";
import {
  decodeItem,
  decodeVersion,
  isExpired,
  numbersPerRange,
  readItemNumber,
  type StoredItem,
} from "../engine/documents.ts";
import { readItemBytes } from "../engine/range-scan.ts";
import type { ContainerRecord } from "../engine/records.ts";
import type { Condition, OrderFact } from "../query/facts.ts";
import { compareOrder, element, type Value } from "../query/values.ts";
import type { AccessPlan, PlannedPart, SortPlan } from "./access-plan.ts";
import { type Bits, nextBit } from "./bits.ts";
import { countNumbers } from "./column.ts";
import { compareOrderPlaces, inOrder, type OrderedDocument, type OrderPlace } from "./order.ts";
import { keysDigest, type OrderPosition, type PlaceInOrder, type Position } from "./position.ts";
import type { SegmentView } from "./segment.ts";
import type { FilterTest } from "./shape.ts";
import { createStandIns, type StandIns } from "./stand-in.ts";
import { sortInTurns } from "./turns.ts";

export interface FedItem {
  /** The item, or what the query reads of it. */
  readonly item: Value;
  /** The item as JSON, when it was loaded: what a row that is `item` itself is sent as. */
  readonly json?: Uint8Array;
  /** The place of this item itself. */
  readonly position: Position;
}

/** Items of a query in an order that positions can resume. */
export interface ItemFeed {
  /** In the order of ORDER BY, not of the items' numbers. */
  readonly sorted: boolean;
  /** It goes through one physical range after another, by number, and a page has items of one of them only. */
  readonly byRange?: boolean;
  /** The next items; none is the end. */
  next(): Promise<readonly FedItem[]>;
  /** What it has cost so far: items loaded from the store, lookups, and index entries looked at. */
  readonly cost: { loaded: number; loadedBytes: number; seeks: number; keys: number };
}

/** The items that a query is about. */
export interface FeedScope {
  /** Ranges in which the items were created; absent: any. */
  readonly homes?: ReadonlySet<number>;
  /** Everything of these ranges is in scope: nobody need ask. */
  readonly whole: boolean;
  /** What every item in scope fulfils. */
  readonly conditions: readonly Condition[];
  /** `item` is the whole item only when the scope `readsItem`. */
  includes(stored: StoredItem, item: Value): boolean;
  readonly readsItem: boolean;
}

export interface FeedSource {
  readonly reader: Reader;
  readonly container: ContainerRecord;
  readonly scope: FeedScope;
  readonly nowSeconds: number;
}

/** The sort keys of an item are not what they were when the order was made: the page must be made again. */
export class OrderChanged extends Error {
  override readonly name = "OrderChanged";
}

/** Items handed over at a time: few at first, as most queries want few, then more. */
const batchFirst = 16;
const batchMax = 256;
const coveredBatch = 1_000;

/** The position just after an item's own. */
export function positionAfter(position: Position): Position {
  if (typeof position === "number") return position + 1;
  const { rank, place } = position;
  return place === undefined ? { rank: rank + 1 } : { rank, place: { ...place, inclusive: false } };
}

/** True when an item at `next` was not created in the range of the one at `position`. */
export function crossesRange(position: Position, next: Position): boolean {
  if (typeof position !== "number" || typeof next !== "number") return false;
  return Math.floor(position / numbersPerRange) !== Math.floor(next / numbersPerRange);
}

/** A document that the plan found. */
interface Candidate extends Omit<OrderedDocument, "keys"> {
  readonly position: Position;
  readonly keys?: readonly Value[];
}

/** A feed of items that are at hand, in the order of their numbers. */
export function listedFeed(items: readonly FedItem[], cost: ItemFeed["cost"]): ItemFeed {
  let rest = items;
  return {
    sorted: false,
    cost,
    async next() {
      const batch = rest.slice(0, batchMax);
      rest = rest.slice(batchMax);
      return batch;
    },
  };
}

/** How one page reads items: its source and plan, the filter for what stands in for them, and what it has cost. */
interface Reading {
  readonly source: FeedSource;
  readonly plan: Omit<AccessPlan, "parts">;
  readonly test?: FilterTest;
  readonly standIns?: StandIns;
  readonly cost: ItemFeed["cost"];
}

/**
 * Feeds the items of `plan` from `start` on: an order position for a plan that sorts, else a number. `test` is asked for
 * the query's filter when the plan covers it.
 */
export async function indexFeed(
  source: FeedSource,
  test: (() => FilterTest) | undefined,
  plan: AccessPlan,
  start: Position,
): Promise<ItemFeed> {
  const cost = { loaded: 0, loadedBytes: 0, seeks: plan.seeks, keys: plan.keys };
  const { sort, cover } = plan;
  const tests = test !== undefined && cover !== undefined && cover.kind !== "items";
  const reading = {
    source,
    plan,
    cost,
    ...(tests ? { test: test() } : {}),
    ...(cover === undefined ? {} : { standIns: createStandIns(cover.paths) }),
  };
  if (cover?.kind === "items" && sort === undefined) {
    return coveredFeed(reading, plan.parts, typeof start === "number" ? start : 0);
  }
  const candidates =
    sort === undefined
      ? byNumber(plan.parts, source.scope, typeof start === "number" ? start : 0)
      : await inSortOrder(source, plan.parts, sort, start);
  return candidateFeed(reading, candidates, cover === undefined ? batchFirst : coveredBatch);
}

function candidateFeed(reading: Reading, candidates: Iterator<Candidate, void>, size: number): ItemFeed {
  let loads = batchFirst;
  return {
    sorted: reading.plan.sort !== undefined,
    cost: reading.cost,
    async next() {
      for (;;) {
        const batch = createBatch();
        let seen = 0;
        while (seen < size && batch.loading() < loads) {
          const { value: candidate } = candidates.next();
          if (candidate === undefined) break;
          seen++;
          feedOne(reading, candidate, batch);
        }
        loads = Math.min(loads * 2, batchMax);
        if (seen === 0) return [];
        const items = await batch.items(reading);
        if (items.length > 0) return items;
        await new Promise((resume) => setImmediate(resume));
      }
    },
  };
}

/**
 * Feeds stand-ins by number: the way of aggregates over very many documents, in which nothing is made for a document
 * but its stand-in.
 */
function coveredFeed(reading: Reading, parts: readonly PlannedPart[], start: number): ItemFeed {
  const { source, standIns } = reading;
  const runs = numberRuns(parts, start);
  return {
    sorted: false,
    cost: reading.cost,
    async next() {
      const batch = createBatch();
      while (runs.length > 0 && batch.length() < coveredBatch && batch.loading() < batchMax) {
        const { first, until } = leastRun(runs);
        const { view, bits } = first;
        while (first.at >= 0 && batch.length() < coveredBatch && batch.loading() < batchMax) {
          const document = first.at;
          const number = view.numbers[document] as number;
          if (number > until) break;
          first.at = nextBit(bits, document + 1);
          if (!atHome(source.scope, number)) continue;
          const item = standIns?.(view, document);
          if (item === undefined) batch.load({ view, document, number, position: number }, undefined);
          else batch.feed({ item, position: number });
        }
        if (first.at < 0) runs.splice(runs.indexOf(first), 1);
      }
      const fed = await batch.items(reading);
      return fed.length > 0 || runs.length === 0 ? fed : this.next();
    },
  };
}

/** Feeds the item of a candidate, or what stands in for it, unless it is not in the result. */
function feedOne(reading: Reading, candidate: Candidate, batch: Batch): void {
  const { cover } = reading.plan;
  const { view, document, position } = candidate;
  const standIn = view === undefined ? undefined : reading.standIns?.(view, document);
  if (standIn === undefined) batch.load(candidate, undefined);
  else if (cover?.kind === "items") batch.feed({ item: standIn, position });
  else if (reading.test?.(standIn) !== false) {
    batch.load(candidate, cover?.kind === "texts" ? standIn : undefined);
  }
}

/** Items in their order, of which some are loaded together. */
interface Batch {
  feed(item: FedItem): void;
  /** Loads an item; with a stand-in that is still true, only its text. */
  load(candidate: Candidate, standIn: Value): void;
  length(): number;
  loading(): number;
  items(reading: Reading): Promise<readonly FedItem[]>;
}

interface Load {
  readonly candidate: Candidate;
  readonly standIn: Value;
}

function createBatch(): Batch {
  /** Items that are there, and in the places of others the loads. */
  const found: (FedItem | Load)[] = [];
  const numbers: number[] = [];
  return {
    feed: (item) => void found.push(item),
    load(candidate, standIn) {
      numbers.push(candidate.number);
      found.push({ candidate, standIn });
    },
    length: () => found.length,
    loading: () => numbers.length,
    async items(reading) {
      if (numbers.length === 0) return found as readonly FedItem[];
      const { reader, container } = reading.source;
      const values = await readItemBytes(reader, container, numbers);
      const items: FedItem[] = [];
      let at = 0;
      for (const entry of found) {
        const fed = "candidate" in entry ? loaded(reading, entry, values[at++]) : entry;
        if (fed !== undefined) items.push(fed);
      }
      return items;
    },
  };
}

/** The item of a load, of its stored bytes; undefined when it is gone or not in scope. */
function loaded(
  { source, plan, cost }: Reading,
  { candidate: { number, position, keys }, standIn }: Load,
  value: Bytes | undefined,
): FedItem | undefined {
  if (value === undefined) return undefined;
  const { container, scope, nowSeconds } = source;
  const stored = decodeVersion(number, value);
  if (isExpired(stored, container, nowSeconds)) return undefined;
  const { json } = stored;
  const isUnchanged = stored.lsn <= (plan.applied.get(stored.logRange) ?? -1);
  const item =
    standIn !== undefined && isUnchanged && !scope.readsItem
      ? standIn
      : (JSON.parse(json.toString("utf8")) as Value);
  if (!scope.whole && !scope.includes(decodeItem(number, value), item)) return undefined;
  cost.loaded++;
  cost.loadedBytes += json.length;
  if (item !== standIn && plan.sort !== undefined && keys !== undefined)
    checkKeys(sortKeys(plan.sort, item), keys);
  return { item, json, position };
}

/** The documents of all parts by number, from `start` on. */
function* byNumber(
  parts: readonly PlannedPart[],
  scope: FeedScope,
  start: number,
): Generator<Candidate, void> {
  const runs = numberRuns(parts, start);
  while (runs.length > 0) {
    const { first, until } = leastRun(runs);
    const { view, bits } = first;
    // Segments mostly follow one another, so one is read as far as the next one allows.
    while (first.at >= 0) {
      const document = first.at;
      const number = view.numbers[document] as number;
      if (number > until) break;
      first.at = nextBit(bits, document + 1);
      if (atHome(scope, number)) yield { view, document, number, position: number };
    }
    if (first.at < 0) runs.splice(runs.indexOf(first), 1);
  }
}

function numberRuns(parts: readonly PlannedPart[], start: number): NumberRun[] {
  return parts
    .map(({ view, bits }) => ({ view, bits, at: nextBit(bits, countNumbers(view.numbers, start, false)) }))
    .filter(({ at }) => at >= 0);
}

interface NumberRun {
  readonly view: SegmentView;
  readonly bits: Bits;
  at: number;
}

/** The run with the least number, and the least number of the others. */
function leastRun(runs: readonly NumberRun[]): { readonly first: NumberRun; readonly until: number } {
  let first = runs[0] as NumberRun;
  let until = Number.POSITIVE_INFINITY;
  for (let i = 1; i < runs.length; i++) {
    const run = runs[i] as NumberRun;
    const number = run.view.numbers[run.at] as number;
    const least = first.view.numbers[first.at] as number;
    if (number < least) {
      until = Math.min(until, least);
      first = run;
    } else until = Math.min(until, number);
  }
  return { first, until };
}

function atHome({ homes }: FeedScope, number: number): boolean {
  return homes === undefined || homes.has(Math.floor(number / numbersPerRange));
}

async function inSortOrder(
  source: FeedSource,
  parts: readonly PlannedPart[],
  sort: SortPlan,
  start: Position,
): Promise<Generator<Candidate, void>> {
  const exact = await exactPlaces(source, sort);
  const from = await locate(source, sort, typeof start === "number" ? { rank: 0 } : start);
  return ranked(source.scope, parts, sort, exact, from);
}

/** A position with known sort keys, or with none. */
interface Located {
  readonly rank: number;
  readonly place?: PlaceInOrder;
}

/** Reads sort keys that were too long for a token from the item; when it has others now, only the rank counts. */
async function locate(
  { reader, container }: FeedSource,
  sort: Pick<SortPlan, "steps">,
  { rank, place }: OrderPosition,
): Promise<Located> {
  if (place === undefined) return { rank };
  if ("keys" in place) return { rank, place };
  const { digest, number, inclusive } = place;
  const item = await readItemNumber(reader, container, number);
  const keys = item === undefined ? undefined : sortKeys(sort, parsedItem(item));
  if (keys === undefined || keysDigest(keys) !== digest) return { rank: inclusive ? rank : rank + 1 };
  return { rank, place: { keys, number, inclusive } };
}

/** The places of the items whose sort keys the index does not hold whole, in order. */
async function exactPlaces(source: FeedSource, sort: SortPlan): Promise<readonly OrderPlace[]> {
  const places: OrderPlace[] = [];
  for (const number of sort.inexact) {
    const item = await readItemNumber(source.reader, source.container, number);
    if (item !== undefined) places.push({ number, keys: sortKeys(sort, parsedItem(item)) });
  }
  return places.sort((a, b) => compareOrderPlaces(sort.paths, a, b));
}

function* ranked(
  scope: FeedScope,
  parts: readonly PlannedPart[],
  sort: SortPlan,
  exact: readonly OrderPlace[],
  from: Located,
): Generator<Candidate, void> {
  const { place } = from;
  let skip = place === undefined ? from.rank : 0;
  let rank = place === undefined || place.inclusive ? from.rank : from.rank + 1;
  if (skip > 0) rank = 0;
  for (const { keys, ...document } of inOrder(sort.paths, parts, exact, place)) {
    const { number } = document;
    if (!atHome(scope, number)) continue;
    if (skip > 0) skip--;
    else yield { ...document, keys, position: { rank, place: { keys, number, inclusive: true } } };
    rank++;
  }
}

function sortKeys(sort: Pick<SortPlan, "steps">, item: Value): readonly Value[] {
  return sort.steps.map((steps) => {
    let value = item;
    for (const step of steps) value = element(value, step);
    return value;
  });
}

function parsedItem(stored: StoredItem): Value {
  return JSON.parse(stored.json.toString("utf8")) as Value;
}

function checkKeys(found: readonly Value[], expected: readonly Value[]): void {
  for (const [i, key] of found.entries()) if (compareOrder(key, expected[i]) !== 0) throw new OrderChanged();
}

/** Items by number from `position` on; none is the end. */
export type StoredPages = (position: number) => Promise<readonly StoredItem[]>;

/** All items of a scan from a number on. With `textsOnly` the query needs nothing of them but their text. */
export function scanFeed(pages: StoredPages, start: number, textsOnly = false): ItemFeed {
  const cost = { loaded: 0, loadedBytes: 0, seeks: 0, keys: 0 };
  let position = start;
  return {
    sorted: false,
    cost,
    async next() {
      const page = await pages(position);
      position = (page.at(-1)?.number ?? position) + 1;
      cost.loaded += page.length;
      return page.map((stored) => {
        const { json, number } = stored;
        cost.loadedBytes += json.length;
        const item = textsOnly ? {} : (JSON.parse(json.toString("utf8")) as Value);
        return { item, json, position: number };
      });
    },
  };
}

/**
 * A scan in the order of ORDER BY, for a page that must go on where an ordered one ended and finds no index to do so:
 * the sort keys of all items are held in memory meanwhile.
 */
export async function sortedScanFeed(
  source: FeedSource,
  pages: StoredPages,
  orderBy: readonly OrderFact[],
  start: OrderPosition,
): Promise<ItemFeed> {
  const feed = scanFeed(pages, 0);
  const steps = orderBy.map(({ path }) => path);
  const paths = orderBy.map(({ descending }) => ({ slot: undefined, descending }));
  const places: OrderPlace[] = [];
  for (let batch = await feed.next(); batch.length > 0; batch = await feed.next()) {
    for (const { item, position } of batch) {
      places.push({ keys: sortKeys({ steps }, item), number: Number(position) });
    }
    await new Promise((resume) => setImmediate(resume));
  }
  const sorted = await sortInTurns(places, (a, b) => compareOrderPlaces(paths, a, b));
  const from = await locate(source, { steps }, start);
  const candidates = ranked(source.scope, [], { paths, steps, inexact: [] }, sorted, from);
  const plan = { applied: new Map<number, number>(), seeks: 0, keys: 0 };
  return { ...candidateFeed({ source, plan, cost: feed.cost }, candidates, batchMax), sorted: true };
}

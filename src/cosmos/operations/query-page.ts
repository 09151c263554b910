/**
 * One page of a query's results: feeds items to the run until the page is full, and writes down in a continuation token
 * where to go on. Where the items come from is the opener's business.
 */
import { badRequest, CosmosError } from "../errors.ts";
import {
  crossesRange,
  type FedItem,
  type ItemFeed,
  OrderChanged,
  positionAfter,
} from "../index/item-feed.ts";
import { type Position, positionFromJson, positionToJson } from "../index/position.ts";
import { type RunState, stateFromJson, stateToJson } from "../query/continuation.ts";
import { QueryOverrun } from "../query/error.ts";
import type { PreparedQuery } from "../query/prepare.ts";
import type { QueryRun } from "../query/run.ts";
import { asError, scriptTimedOut } from "../scripts/failures.ts";
import type { RequestHeaders } from "../wire/headers.ts";
import { pageSize } from "../wire/headers.ts";
import { rejectingQuery } from "./operation.ts";

/** Largest page, in characters of JSON (service limit, 4 MB). */
const pageLengthMax = 4 * 1024 * 1024;
const tokenVersion = 1;
/** Items that a full page looks at, for whether anything follows it. */
const itemsAheadMax = 256;
/** Tries to read a page in an order that writes keep changing; the last one does not use the order. */
const attemptsMax = 4;

export interface IdentifiedQuery extends PreparedQuery {
  /** Identifies text and parameters in continuation tokens. */
  readonly hash: string;
  /** The same without the filter; a function, because few pages need it. */
  unfilteredHash(): string;
}

/** Where a page begins. */
export interface PageStart {
  readonly position: Position;
  readonly state?: RunState;
}

/** Opens the items of the query from the page's start on; `lastTry` asks for a feed that cannot fail with `OrderChanged`. */
export type OpenFeed = (start: PageStart, lastTry: boolean) => Promise<ItemFeed>;

/** JSON: as text, or as the bytes that were stored. */
export type Row = string | Uint8Array;

export interface Page {
  readonly rows: readonly Row[];
  /** Characters of all rows, or bytes where they are stored ones. */
  readonly length: number;
  readonly cost: ItemFeed["cost"];
  readonly continuation?: string;
}

/** The time that a page may take. */
export interface PageTime {
  /** From when on a page that can be resumed at an item ends with what it has. */
  isLate(): boolean;
  /** From when on a page that cannot be resumed ends with 408. */
  isOver(): boolean;
}

const unlimited: PageTime = { isLate: () => false, isOver: () => false };

/** One page, within its time. */
export async function readPage(
  headers: RequestHeaders,
  query: IdentifiedQuery,
  open: OpenFeed,
  time: PageTime = unlimited,
): Promise<Page> {
  const start = parseToken(headers["x-ms-continuation"], query);
  for (let attempt = 1; ; attempt++) {
    try {
      const size = pageSize(headers);
      return await tryPage(query, start, size, (from) => open(from, attempt === attemptsMax), time);
    } catch (error) {
      if (!(error instanceof OrderChanged) || attempt === attemptsMax) throw error;
    }
  }
}

interface Growing {
  readonly rows: Row[];
  readonly size: number;
  /** Ends with the range that its first rows came from. */
  readonly byRange: boolean;
  length: number;
  last: Position;
}

async function tryPage(
  query: IdentifiedQuery,
  start: PageStart,
  size: number,
  open: (start: PageStart) => Promise<ItemFeed>,
  time: PageTime,
): Promise<Page> {
  const feed = query.readsItems ? await open(start) : noItems();
  const { sorted, cost } = feed;
  const first = await feed.next();
  const state = resumedState(start, first[0]?.position);
  const run = rejectingQuery("", () => query.start(state, { pageRows: size, sorted }));
  const byRange = feed.byRange === true && query.resumesBy === "position";
  const page: Growing = { rows: [], size, byRange, length: 0, last: start.position };
  const canStop = (): boolean => {
    if (query.resumesBy === "position") return time.isLate();
    if (time.isOver()) throw asError(scriptTimedOut(), "");
    return false;
  };
  const filled = await fill(feed, first, run, page, canStop);
  if (filled === "ended" && !isFull(page)) {
    rejectingQuery("", () => run.finish());
    takeRows(run, page);
  }
  const { rows, length } = page;
  const left = run.state();
  if (left === undefined) return { rows, length, cost };
  const position = left.kind === "replay" ? 0 : run.itemPending ? page.last : positionAfter(page.last);
  const continuation = makeToken(query, position, left);
  if (typeof filled === "string" || (isFull(page) && enumerates(query)))
    return { rows, length, cost, continuation };
  // What is looked at ahead is no part of the page, so its cost is not either.
  const own = { rows, length, cost: { ...cost } };
  return (await nothingFollows(feed, filled.rest, run, time)) ? own : { ...own, continuation };
}

/**
 * True for queries that go through all items as they lie. The service ends a full page of them with a continuation even
 * where nothing follows, and only the next page, an empty one, ends the query; where it looks something up, in a filter
 * or an order, it knows better.
 */
function enumerates({ syntax, resumesBy }: IdentifiedQuery): boolean {
  return resumesBy === "position" && syntax.where === undefined;
}

/**
 * Looks for another row after a full page. False as well when that takes long or fails: then the next page finds out,
 * and what was read stays good.
 */
async function nothingFollows(
  feed: ItemFeed,
  rest: readonly FedItem[],
  run: QueryRun,
  time: PageTime,
): Promise<boolean> {
  const pace = createPace();
  let ahead = 0;
  try {
    let batch = rest;
    do {
      for (const fed of batch) {
        if (++ahead > itemsAheadMax) return false;
        pushItem(run, fed);
        if (run.pending > 0) return false;
        const looked = pace.step();
        if (looked !== false && (await looked) && time.isLate()) return false;
      }
      batch = await feed.next();
    } while (batch.length > 0);
    rejectingQuery("", () => run.finish());
    return run.state() === undefined;
  } catch (error) {
    if (error instanceof CosmosError || error instanceof QueryOverrun || error instanceof OrderChanged)
      return false;
    throw error;
  }
}

/**
 * The state to go on with at the item at `first`. Rows that were already returned are those of the item at the page's
 * start; when that is gone, or lies in the other part of a split range, no row of another item may be passed over.
 */
function resumedState({ position, state }: PageStart, first: Position | undefined): RunState | undefined {
  if (state?.kind !== "position" || state.rows === 0) return state;
  if (first !== undefined && itemNumber(first) === itemNumber(position)) return state;
  const { limit, rows } = state;
  return {
    kind: "position",
    offset: 0,
    ...(limit === undefined ? {} : { limit: Math.max(0, limit - rows) }),
    rows: 0,
  };
}

function itemNumber(position: Position): number | undefined {
  return typeof position === "number" ? position : position.place?.number;
}

function noItems(): ItemFeed {
  return {
    sorted: false,
    cost: { loaded: 0, loadedBytes: 0, seeks: 0, keys: 0 },
    next: async () => [],
  };
}

/** Milliseconds of work between two turns for whoever waits. */
const turnMilliseconds = 8;
/** Items between two looks at the time, while they are done quickly. */
const itemsBetweenLooks = 64;

/** Looks at the time now and then: looking costs as much as many an item. */
interface Pace {
  /** Gives others a turn when it is time. True when a look was taken. */
  step(): Promise<boolean> | false;
}

function createPace(): Pace {
  let last = performance.now();
  let turn = last;
  let interval = 1;
  let left = 1;
  return {
    step() {
      if (--left > 0) return false;
      const now = performance.now();
      // Slow items are looked at one by one.
      interval = now - last > 1 ? 1 : Math.min(interval * 2, itemsBetweenLooks);
      left = interval;
      last = now;
      if (now - turn <= turnMilliseconds) return Promise.resolve(true);
      return new Promise((resume) =>
        setImmediate(() => {
          turn = performance.now();
          last = turn;
          resume(true);
        }),
      );
    },
  };
}

/**
 * How far the items were fed: to their end, or as far as they are needed; not so far, with rows waiting or the time over;
 * or until the page was full or its range at an end, with what is left of the last batch.
 */
type Filled = "ended" | "stopped" | { readonly rest: readonly FedItem[] };

/** Feeds items until the page is full or the run needs no more. */
async function fill(
  feed: ItemFeed,
  first: readonly FedItem[],
  run: QueryRun,
  page: Growing,
  canStop: () => boolean,
): Promise<Filled> {
  const pace = createPace();
  for (let batch = first; ; batch = await feed.next()) {
    if (batch.length === 0) return "ended";
    for (const [at, fed] of batch.entries()) {
      if (page.byRange && page.rows.length > 0 && crossesRange(page.last, fed.position)) {
        return { rest: batch.slice(at) };
      }
      pushItem(run, fed);
      page.last = fed.position;
      if (run.pending > 0) takeRows(run, page, fed);
      if (run.done) return "ended";
      if (run.pending > 0) return "stopped";
      if (isFull(page)) return { rest: batch.slice(at + 1) };
      const looked = pace.step();
      if (looked !== false && (await looked) && canStop()) return "stopped";
    }
    await new Promise((resume) => setImmediate(resume));
  }
}

function pushItem(run: QueryRun, { item }: FedItem): void {
  try {
    run.push(item);
  } catch (error) {
    rejectingQuery("", () => {
      throw error;
    });
  }
}

function isFull({ rows, size, length }: Growing): boolean {
  return rows.length >= size || length >= pageLengthMax;
}

/** Takes rows into the page; one that is the item itself is sent as it was stored. */
function takeRows(run: QueryRun, page: Growing, fed?: FedItem): void {
  while (run.pending > 0 && !isFull(page)) {
    const [row] = run.take(1);
    const json = fed?.json !== undefined && row === fed.item ? fed.json : JSON.stringify(row);
    page.rows.push(json);
    page.length += json.length;
  }
}

/**
 * A token names its query, so that one query's token is not taken for another's. A place in an order holds for every
 * filter: a client that resumes its merge of ordered ranges asks with the filter of where it stopped (@azure/cosmos does).
 */
function makeToken(query: IdentifiedQuery, position: Position, state: RunState): string {
  const named = isPlace({ position, state }) ? [query.unfilteredHash()] : [];
  const token = [tokenVersion, query.hash, positionToJson(position), stateToJson(state), ...named];
  return Buffer.from(JSON.stringify(token)).toString("base64url");
}

/** Keys that the token itself holds, and no rows of their item returned yet: nothing else tells where to go on. */
function isPlace({ position, state }: PageStart): boolean {
  if (typeof position === "number" || position.place === undefined) return false;
  return "keys" in position.place && state?.kind === "position" && state.rows === 0;
}

function parseToken(token: string | undefined, query: IdentifiedQuery): PageStart {
  if (token === undefined || token === "") return { position: 0 };
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
  } catch {
    throw badRequest("Invalid Continuation Token");
  }
  const [version, own, json, state, unfiltered] = Array.isArray(value) ? (value as unknown[]) : [];
  const position = positionFromJson(json, query.facts.orderBy?.length ?? 0);
  if (version !== tokenVersion || position === undefined) throw badRequest("Invalid Continuation Token");
  const start = { position, state: rejectingQuery("", () => stateFromJson(state)) };
  if (own === query.hash) return start;
  if (isPlace(start) && unfiltered === query.unfilteredHash()) return start;
  throw badRequest("Invalid Continuation Token");
}

/**
 * One execution of a prepared query in push form: the caller offers items as its scan yields them, takes rows when
 * it likes, and may stop at any item with a small state to go on from later.
 */
import { type Compilation, type Evaluate, type Frame, renew, VALUE_LENGTH_MAX } from "./compilation.ts";
import type { RunState } from "./continuation.ts";
import { nonFiniteResult, plainError } from "./error.ts";
import { compileExpression } from "./evaluate.ts";
import { asVectorDistance, createRanker, type Ranker } from "./rank.ts";
import { compileResumeFilter } from "./resume-filter.ts";
import { compileRoot } from "./root.ts";
import { createSorter } from "./sorter.ts";
import type { Query } from "./syntax.ts";
import { canonicalKey, property, unserialisable, type Value } from "./values.ts";

/**
 * How to page:
 *
 *     const run = prepared.start(state, { pageRows });
 *     for each item from the saved position on:
 *       run.push(item);
 *       page.push(...run.take(room left in the page));
 *       if (run.done || run.pending > 0 || the page is full) break;
 *     if the scan reached its end or the query reads no items: run.finish(); page.push(...run.take(room left in the page));
 *     run.state() undefined: the result is complete, no continuation.
 *     else continuation = { position, state: run.state() }, where for a query that resumes by position
 *       `position` is the last pushed item itself when run.itemPending, else the place after it,
 *       and for one that resumes by replay there is no position: the next page scans from the start.
 *
 * Between two items the caller may await and yield. A run that has thrown must be dropped.
 */
export interface QueryRun {
  /** Offers one item (parsed JSON, not changed). Rows that come of it wait in the run. */
  push(item: Value): void;
  /** Tells that there are no more items. Calling it again has no effect. */
  finish(): void;
  /** Removes and returns up to `max` waiting rows. */
  take(max: number): Value[];
  /** Rows waiting to be taken. */
  readonly pending: number;
  /** True when this page needs no further item: TOP or LIMIT is reached, or the query reads no items at all. */
  readonly done: boolean;
  /** True when rows of the last pushed item are still waiting: resuming must push that item again. */
  readonly itemPending: boolean;
  /** What to resume with, given the rows taken so far; undefined when every row has been taken. */
  state(): RunState | undefined;
}

export interface RunOptions {
  /** Rows this page will take at most; the run then keeps no more than needed. Absent: no bound. */
  readonly pageRows?: number;
  /** Items are pushed in the order of the query's ORDER BY, so rows need no sorting and may be paged by position. */
  readonly sorted?: boolean;
  /** `resumeFilter` of the request body, as parsed JSON; only for queries with ORDER BY. */
  readonly resumeFilter?: unknown;
}

export interface RunPlan {
  readonly query: Query;
  readonly compilation: Compilation;
  readonly offset: number;
  /** Rows after the offset: the smaller of TOP and LIMIT. */
  readonly limit: number;
  /** Resumes by replay even when items come sorted. */
  readonly replays: boolean;
  /** Sort by the ORDER BY items, which the caller did not do. */
  readonly sorts: boolean;
  readonly descending: readonly boolean[];
  /** Rows can hold numbers that are not finite, or can be larger than the items they come from. */
  readonly checksRows: boolean;
}

/** Starts an execution. `resume` is a state of an earlier run of the same query and parameters. */
export function startRun(plan: RunPlan, resume: RunState | undefined, options: RunOptions): QueryRun {
  const { query, compilation } = plan;
  const replays = plan.replays || plan.sorts;
  const state = resume ?? initialState(plan, replays);
  if ((state.kind === "replay") !== replays)
    throw plainError("The continuation token is not valid for this query.");
  const outlet = createOutlet(plan, state, options.pageRows ?? Number.POSITIVE_INFINITY);
  const frame: Frame = new Array<Value>(compilation.bound.frameSize).fill(undefined);
  const wanted = query.distinct
    ? Number.POSITIVE_INFINITY
    : plan.offset + Math.min(plan.limit, outlet.wanted);
  const collector = plan.sorts ? createCollector(plan, wanted) : undefined;
  const resumes = options.resumeFilter == null ? undefined : createResumeTest(plan, options.resumeFilter);
  const root = compileRoot(compilation, query, frame, false, (value, row) => {
    if (resumes !== undefined && !resumes(value, row)) return false;
    if (collector === undefined) return outlet.deliver(value);
    collector.add(value, row);
    return false;
  });
  root.begin();
  let stopped = !root.readsItems;
  let finished = false;
  return {
    push(item) {
      outlet.nextItem();
      if (stopped || finished || outlet.full()) return;
      renew(compilation.budget);
      if (root.item(item) && (outlet.full() || (replays && outlet.pageFull()))) stopped = true;
    },
    finish() {
      if (finished) return;
      finished = true;
      if (!replays && root.readsItems) return;
      outlet.nextItem();
      if (outlet.full()) return;
      renew(compilation.budget);
      root.end();
      for (const row of collector?.drain() ?? []) if (outlet.deliver(row)) break;
    },
    take: (max) => outlet.take(max),
    get pending() {
      return outlet.pending();
    },
    get done() {
      return finished || stopped || outlet.full();
    },
    get itemPending() {
      return !replays && outlet.pending() > 0;
    },
    state: () => (outlet.pending() === 0 && (finished || outlet.full()) ? undefined : outlet.state()),
  };
}

/** Drops the rows that a client's merge has already passed. */
function createResumeTest(plan: RunPlan, resumeFilter: unknown): (value: Value, frame: Frame) => boolean {
  const items = plan.query.orderBy?.items ?? [];
  const test = compileResumeFilter(resumeFilter, plan.descending);
  const keys = items.map((item) => compileExpression(plan.compilation, item.value));
  return (value, frame) => {
    const sortKeys = keys.map((key) => key(frame));
    return test(sortKeys, property(value, "_rid"));
  };
}

/** Keeps rows until all are there: by score for ORDER BY RANK, else by sort keys. */
function createCollector(plan: RunPlan, wanted: number): Ranker {
  const { query, compilation, descending } = plan;
  if (query.orderBy?.rank === true) return createRanker(compilation, query);
  const sorter = createSorter(descending, wanted);
  const keys = (query.orderBy?.items ?? []).map(({ value }, i): Evaluate => {
    const key = compileExpression(compilation, value);
    if (asVectorDistance(value) === undefined) return key;
    const farthest = descending[i] === true ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    return (frame) => key(frame) ?? farthest;
  });
  return {
    add: (row, frame) =>
      sorter.add(
        keys.map((key) => key(frame)),
        row,
      ),
    drain: sorter.drain,
  };
}

function initialState(plan: RunPlan, replays: boolean): RunState {
  if (replays) return { kind: "replay", rows: 0 };
  const { offset, limit } = plan;
  return Number.isFinite(limit)
    ? { kind: "position", offset, limit, rows: 0 }
    : { kind: "position", offset, rows: 0 };
}

interface Outlet {
  /** Takes a row through DISTINCT, OFFSET and LIMIT into the waiting ones; true: enough for now. */
  deliver(value: Value): boolean;
  nextItem(): void;
  take(max: number): Value[];
  pending(): number;
  /** True when TOP or LIMIT is used up. */
  full(): boolean;
  pageFull(): boolean;
  state(): RunState;
  /** Rows after the offset that this page can reach. */
  readonly wanted: number;
}

function createOutlet(plan: RunPlan, resume: RunState, pageRows: number): Outlet {
  const replay = resume.kind === "replay";
  let offset = replay ? plan.offset : resume.offset;
  let limit = replay ? plan.limit : (resume.limit ?? Number.POSITIVE_INFINITY);
  let skip = replay ? resume.rows : 0;
  let skipNext = replay ? 0 : resume.rows;
  const waiting: Value[] = [];
  let taken = replay ? resume.rows : 0;
  let item = { offset, limit, rows: 0 };
  const seen = plan.query.distinct ? new Set<string>() : undefined;
  return {
    wanted: (replay ? resume.rows : 0) + pageRows + 1,
    deliver(value) {
      if (limit === 0) return true;
      if (seen !== undefined && seen.size === seen.add(canonicalKey(value)).size) return false;
      if (offset > 0) {
        offset--;
        return false;
      }
      limit--;
      if (skip > 0) skip--;
      else {
        if (plan.checksRows) checkRow(value);
        waiting.push(value);
      }
      return limit === 0 || waiting.length > pageRows;
    },
    pageFull: () => waiting.length > pageRows,
    nextItem() {
      if (replay) return;
      if (waiting.length > 0) throw new Error("take the rows of an item before the next push");
      skip = skipNext;
      skipNext = 0;
      item = { offset, limit, rows: skip };
      taken = 0;
    },
    take(max) {
      const rows = waiting.splice(0, max);
      taken += rows.length;
      return rows;
    },
    pending: () => waiting.length,
    full: () => limit === 0,
    state() {
      if (replay) return { kind: "replay", rows: taken };
      const at =
        waiting.length > 0 ? { ...item, rows: item.rows + taken } : { offset, limit, rows: skipNext };
      if (!Number.isFinite(at.limit)) return { kind: "position", offset: at.offset, rows: at.rows };
      return { kind: "position", ...at };
    },
  };
}

/** HTTP 400 for what JSON cannot say. */
function checkRow(value: Value): void {
  const problem = unserialisable(value, VALUE_LENGTH_MAX);
  if (problem === "non-finite") throw nonFiniteResult();
  if (problem === "too-large") throw plainError("A row of the query result is too large.");
}

/**
 * How a query gets its items: by scanning, by a lookup that narrows them, in the order of ORDER BY, and whether columns
 * can stand in for the items. The plan is made from what the index counts, and holds the state of the index it was
 * made with, so that it stays true while the index goes on.
 */
import type { Condition, Facts } from "../query/facts.ts";
import type { PreparedQuery } from "../query/prepare.ts";
import { allBits, type Bits, removeBits } from "./bits.ts";
import type { ContainerIndex } from "./container-index.ts";
import { columnFilter, type Filter, filterSlots, findDocuments } from "./lookup.ts";
import { type SortPath, takeInexact } from "./order.ts";
import type { Paths } from "./paths.ts";
import { indexPath } from "./policy.ts";
import type { SegmentView } from "./segment.ts";

/** A path that the query reads and the column that has it; without one, no item has the path. */
export interface CoveredPath {
  readonly steps: readonly string[];
  readonly slot?: number;
}

/** The documents of one segment that may be in the result. */
export interface PlannedPart {
  readonly view: SegmentView;
  readonly bits: Bits;
  readonly count: number;
}

export interface SortPlan {
  readonly paths: readonly SortPath[];
  readonly steps: readonly (readonly (string | number)[])[];
  /** Item numbers of documents whose sort keys only the items hold. */
  readonly inexact: readonly number[];
}

export interface AccessPlan {
  readonly parts: readonly PlannedPart[];
  readonly sort?: SortPlan;
  /** Columns hold all that the query reads. */
  readonly cover?: readonly CoveredPath[];
  /** Lookups that were made, and index entries they looked at. */
  readonly seeks: number;
  readonly keys: number;
}

export interface PlanOptions {
  /** Conditions that every item in scope fulfils, beside those of the query. */
  readonly conditions: readonly Condition[];
  /** May items come in the order of ORDER BY: must they, can they, must they not. */
  readonly order: "required" | "allowed" | "forbidden";
  /** True when everything in the index is in scope and alive unless the item's number says otherwise. */
  readonly coverable: boolean;
}

/** A lookup that leaves more than this share of the items is no better than a scan. */
const lookupShareMax = 0.8;
/** Items whose sort keys must be read from themselves; with more, all items are sorted. */
const inexactMax = 1_000;

/** A plan over the index as it is now; undefined when the query should scan. */
export async function planAccess(
  index: ContainerIndex,
  query: PreparedQuery,
  options: PlanOptions,
): Promise<AccessPlan | undefined> {
  const { facts } = query;
  if (facts.alias === undefined) return undefined;
  for (;;) {
    // Paths are looked up and segments seen without a pause between, so that they fit together.
    const wanted = wantedColumns(index.paths, query, options);
    const slots = [...new Set([...wanted.filterSlots, ...wanted.sortSlots, ...wanted.coverSlots])];
    const views = index.view(slots);
    if (views !== undefined) return planOver(views, wanted, options);
    await index.load(slots);
  }
}

interface Wanted {
  /** Undefined: the filter does not narrow. */
  readonly filter: Filter | undefined;
  readonly sort: Omit<SortPlan, "inexact"> | undefined;
  readonly cover: readonly CoveredPath[] | undefined;
  readonly filterSlots: readonly number[];
  readonly sortSlots: readonly number[];
  readonly coverSlots: readonly number[];
}

function wantedColumns(paths: Paths, query: PreparedQuery, options: PlanOptions): Wanted {
  const { facts } = query;
  const alternatives = facts.alternatives.map((alternative) => [...alternative, ...options.conditions]);
  const filter = columnFilter(paths, alternatives);
  const sort = options.order === "forbidden" ? undefined : sortPaths(paths, query);
  const cover = options.coverable ? coveredPaths(paths, facts) : undefined;
  return {
    filter,
    sort,
    cover,
    filterSlots: filter === undefined ? [] : filterSlots(filter),
    sortSlots: sort?.paths.flatMap(({ slot }) => slot ?? []) ?? [],
    coverSlots: cover?.flatMap(({ slot }) => slot ?? []) ?? [],
  };
}

/** The columns that order the query's items; undefined when it is not ordered by columns. */
function sortPaths(paths: Paths, { facts, syntax, grouped }: PreparedQuery): Wanted["sort"] {
  // With a join, rows of one item tie, and a descending order turns them round.
  if (facts.orderBy === undefined || grouped || syntax.from?.length !== 1) return undefined;
  const sorted: SortPath[] = [];
  for (const { path, descending } of facts.orderBy) {
    const found = paths.find(indexPath(path));
    if (found.kind === "unknown" || (found.kind === "slot" && found.elements)) return undefined;
    // Steps into arrays have no column of their own, so nothing is known where no item has been seen with the path.
    if (path.some((step) => typeof step === "number")) return undefined;
    sorted.push({ slot: found.kind === "slot" ? found.slot : undefined, descending });
  }
  return { paths: sorted, steps: facts.orderBy.map(({ path }) => path) };
}

/** The columns that hold all that the query reads; undefined when it reads more. */
function coveredPaths(paths: Paths, { reads }: Facts): readonly CoveredPath[] | undefined {
  if (reads === undefined) return undefined;
  const covered: CoveredPath[] = [];
  for (const path of reads) {
    const steps = path.filter((step) => typeof step === "string");
    const found = paths.find(indexPath(path));
    if (steps.length !== path.length || found.kind === "unknown") return undefined;
    if (found.kind === "slot" && found.elements) return undefined;
    covered.push(found.kind === "slot" ? { steps, slot: found.slot } : { steps });
  }
  return covered;
}

function planOver(
  views: readonly SegmentView[],
  wanted: Wanted,
  options: PlanOptions,
): AccessPlan | undefined {
  const { filter } = wanted;
  const cover = wanted.cover?.every((path) => hasTrueValues(views, path)) === true ? wanted.cover : undefined;
  let keys = 0;
  const parts = views.map((view): PlannedPart => {
    if (filter === undefined) return { view, bits: livingBits(view), count: view.living };
    const found = findDocuments(view, filter);
    keys += found.keys;
    return { view, bits: found.bits, count: found.count };
  });
  const base = { seeks: new Set(wanted.filterSlots).size, keys, ...(cover === undefined ? {} : { cover }) };
  if (wanted.sort !== undefined) {
    const sorted = sortedParts(parts, wanted.sort);
    if (sorted !== undefined) return { ...base, ...sorted };
  }
  if (options.order === "required") return undefined;
  const living = views.reduce((sum, view) => sum + view.living, 0);
  const found = parts.reduce((sum, { count }) => sum + count, 0);
  if (cover === undefined && (filter === undefined || found > living * lookupShareMax)) return undefined;
  return { ...base, parts };
}

/** A column that lost the sign of a zero gives values back that are not quite the items'. */
function hasTrueValues(views: readonly SegmentView[], { slot }: CoveredPath): boolean {
  return slot === undefined || views.every((view) => view.column(slot)?.signedZero !== true);
}

function livingBits(view: SegmentView): Bits {
  const bits = allBits(view.numbers.length);
  if (view.dead !== undefined) removeBits(bits, view.dead);
  return bits;
}

/** The parts for reading in order; undefined when too many sort keys are not in the index as a whole. */
function sortedParts(
  parts: readonly PlannedPart[],
  sort: Omit<SortPlan, "inexact">,
): Pick<AccessPlan, "parts" | "sort"> | undefined {
  const inexact: number[] = [];
  const exact: PlannedPart[] = [];
  for (const { view, bits, count } of parts) {
    const own = bits.slice();
    const taken = takeInexact(view, sort.paths, own, inexactMax - inexact.length);
    if (taken === undefined) return undefined;
    for (const document of taken) inexact.push(view.numbers[document] as number);
    exact.push({ view, bits: own, count: count - taken.length });
  }
  return { parts: exact, sort: { ...sort, inexact } };
}

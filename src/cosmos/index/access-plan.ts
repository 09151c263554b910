/**
 * How a query gets its items: by scanning, by a lookup that narrows them, in the order of ORDER BY, and whether columns
 * can stand in for the items. The plan is made from what the index counts, and holds the state of the index it was
 * made with, so that it stays true while the index goes on.
 */
import type { Condition, Facts } from "../query/facts.ts";
import { allBits, type Bits, clearBit, countBits, emptyBits, hasBit, removeBits, setBit } from "./bits.ts";
import { arrayOrdinal, MISSING } from "./column.ts";
import type { ContainerIndex, IndexView } from "./container-index.ts";
import { pause, rangeOf } from "./index-state.ts";
import { columnFilter, type Filter, filterSlots, findDocuments } from "./lookup.ts";
import { type SortPath, takeInexact } from "./order.ts";
import type { Paths } from "./paths.ts";
import { indexPath, type VectorIndex } from "./policy.ts";
import type { SegmentView } from "./segment.ts";
import type { QueryShape } from "./shape.ts";

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

/** What columns do in place of items. */
export interface Cover {
  readonly paths: readonly CoveredPath[];
  /**
   * `items`: they hold all that the query reads, so that no item is loaded. `texts`: they hold all that decides about
   * an item that is returned as it is, so that its text is loaded and not parsed. `filter`: they hold all that the
   * filter reads, so that items which fail it are not loaded.
   */
  readonly kind: "items" | "texts" | "filter";
}

export interface AccessPlan {
  readonly parts: readonly PlannedPart[];
  readonly sort?: SortPlan;
  readonly cover?: Cover;
  /** How far the logs were taken in. */
  readonly applied: ReadonlyMap<number, number>;
  /** Lookups that were made, and index entries they looked at. */
  readonly seeks: number;
  readonly keys: number;
  /** The vector index that finds the nearest of these documents. */
  readonly nearest?: VectorUse;
}

/** What a vector index did for a query. */
export interface VectorUse {
  /** In the policy. */
  readonly place: number;
  readonly index: VectorIndex;
  /** Every vector was compared, and items loaded until no other could be nearer. */
  readonly exact: boolean;
  /** Vectors that were compared, and items whose own vectors were. */
  readonly compared: number;
  readonly ranked: number;
}

export interface PlanOptions {
  /** Conditions that every item in scope fulfils, beside those of the query. */
  readonly conditions: readonly Condition[];
  /** May items come in the order of ORDER BY: must they, can they, must they not. */
  readonly order: "required" | "allowed" | "forbidden";
  /** Everything in the index is in scope and alive unless the item's number says otherwise: no item need be loaded. */
  readonly coverable: boolean;
  /** Items of all ranges are in scope. */
  readonly allHomes: boolean;
  /** The query's filter can be put to what stands in for items. */
  readonly testable: boolean;
}

/** A lookup that leaves more than this share of the items is no better than a scan. */
const lookupShareMax = 0.8;
/** Items whose sort keys must be read from themselves; with more, all items are sorted. */
const inexactMax = 1_000;

/** Columns that were read for a query may have to go again before it looks; then it scans. */
const loadsMax = 5;

/** After a lookup in a segment of more documents, others have a turn. */
const pauseSize = 50_000;

/** A plan over the index as it is now; undefined when the query should scan. */
export async function planAccess(
  index: ContainerIndex,
  query: QueryShape,
  options: PlanOptions,
): Promise<AccessPlan | undefined> {
  if (query.facts.alias === undefined) return undefined;
  for (let loads = 0; loads < loadsMax; loads++) {
    // Paths are looked up and segments seen without a pause between, so that they fit together.
    const wanted = wantedColumns(index.paths, query, options);
    const view = index.view(wanted);
    // From here on the view stays as it is, so others may have their turn.
    if (view !== undefined) return planOver(view, wanted, options);
    await index.load(wanted);
  }
  return undefined;
}

/**
 * A plan over all documents that may pass the query's filter, with the vectors of the index at `place`; undefined when
 * those do not fit into memory.
 */
export async function planNearest(
  index: ContainerIndex,
  query: QueryShape,
  options: Omit<PlanOptions, "order" | "coverable">,
  homes: ReadonlySet<number> | undefined,
  place: number,
): Promise<Omit<AccessPlan, "nearest"> | undefined> {
  for (let loads = 0; loads < loadsMax && index.fits(place); loads++) {
    const unordered = { ...options, order: "forbidden", coverable: false } as const;
    const wanted = { ...wantedColumns(index.paths, query, unordered), vectors: [place] };
    const view = index.view(wanted);
    if (view === undefined) {
      await index.load(wanted);
      continue;
    }
    const { parts, keys } = await partsOf(view.segments, wanted.filter, undefined);
    const own = homes === undefined ? parts : parts.map((part) => inHomes(part, homes));
    const base = { parts: own, applied: view.applied, seeks: wanted.seeks, keys };
    const { cover } = wanted;
    return cover?.paths.every((path) => hasTrueValues(view.segments, path)) === true
      ? { ...base, cover: { ...cover, kind: "filter" } }
      : base;
  }
  return undefined;
}

interface Wanted {
  /** Undefined: the filter does not narrow. */
  readonly filter: Filter | undefined;
  readonly sort: Omit<SortPlan, "inexact"> | undefined;
  readonly cover: Cover | undefined;
  /** Only documents with the least and greatest values matter. */
  readonly extremes: boolean;
  readonly slots: readonly number[];
  readonly seeks: number;
}

function wantedColumns(paths: Paths, query: QueryShape, options: PlanOptions): Wanted {
  const alternatives = query.facts.alternatives.map((alternative) => [...alternative, ...options.conditions]);
  const filter = columnFilter(paths, alternatives);
  const sort = options.order === "forbidden" ? undefined : sortPaths(paths, query);
  const cover = coverOf(paths, query, options, sort !== undefined);
  const seeks = filter === undefined ? [] : filterSlots(filter);
  const slots = new Set([
    ...seeks,
    ...(sort?.paths.flatMap(({ slot }) => slot ?? []) ?? []),
    ...(cover?.paths.flatMap(({ slot }) => slot ?? []) ?? []),
  ]);
  const extremes = query.facts.extremesOnly && options.allHomes && filter === undefined;
  return { filter, sort, cover, extremes, slots: [...slots], seeks: new Set(seeks).size };
}

/** The columns that order the query's items; undefined when it is not ordered by columns. */
function sortPaths(paths: Paths, { facts, sources, grouped }: QueryShape): Wanted["sort"] {
  // With a join, rows of one item tie, and a descending order turns them round.
  if (facts.orderBy === undefined || grouped || sources !== 1) return undefined;
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

function coverOf(
  paths: Paths,
  { facts, ordered }: QueryShape,
  { coverable, testable }: PlanOptions,
  sorted: boolean,
): Cover | undefined {
  const all = coverable ? coveredPaths(paths, facts.reads) : undefined;
  if (all !== undefined) return { paths: all, kind: "items" };
  const filter = testable ? coveredPaths(paths, facts.filterReads) : undefined;
  if (filter === undefined) return undefined;
  // Rows that are sorted after the filter are no longer known to be the items they came from.
  const streams = !ordered || sorted;
  return { paths: filter, kind: facts.wholeItem && streams ? "texts" : "filter" };
}

/** The columns of `reads`; undefined when some of them have none. */
function coveredPaths(paths: Paths, reads: Facts["reads"]): readonly CoveredPath[] | undefined {
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

async function planOver(
  view: IndexView,
  wanted: Wanted,
  options: PlanOptions,
): Promise<AccessPlan | undefined> {
  const { segments, applied } = view;
  const { filter } = wanted;
  const cover = wanted.cover?.paths.every((path) => hasTrueValues(segments, path)) ? wanted.cover : undefined;
  const { parts, keys } = await partsOf(segments, filter, wanted.extremes ? cover : undefined);
  const base = { applied, seeks: wanted.seeks, keys, ...(cover === undefined ? {} : { cover }) };
  if (wanted.sort !== undefined) {
    const sorted = sortedParts(parts, wanted.sort);
    if (sorted !== undefined) return { ...base, ...sorted };
  }
  if (options.order === "required" || (wanted.sort !== undefined && cover?.kind === "texts"))
    return undefined;
  const living = segments.reduce((sum, segment) => sum + segment.living, 0);
  const found = parts.reduce((sum, { count }) => sum + count, 0);
  if (cover === undefined && (filter === undefined || found > living * lookupShareMax)) return undefined;
  return { ...base, parts };
}

/** The documents that were created in these ranges. */
function inHomes({ view, bits }: PlannedPart, homes: ReadonlySet<number>): PlannedPart {
  const own = bits.slice();
  const { numbers } = view;
  for (let document = 0; document < numbers.length; document++) {
    if (!homes.has(rangeOf(numbers[document] as number))) clearBit(own, document);
  }
  return { view, bits: own, count: countBits(own) };
}

async function partsOf(
  segments: readonly SegmentView[],
  filter: Filter | undefined,
  extremes: Cover | undefined,
): Promise<{ readonly parts: readonly PlannedPart[]; readonly keys: number }> {
  let keys = 0;
  const parts: PlannedPart[] = [];
  for (const segment of segments) {
    const { part, looked } = planSegment(segment, filter, extremes);
    keys += looked;
    parts.push(part);
    if (segment.numbers.length > pauseSize) await pause();
  }
  return { parts, keys };
}

function planSegment(
  view: SegmentView,
  filter: Filter | undefined,
  extremes: Cover | undefined,
): { readonly part: PlannedPart; readonly looked: number } {
  if (extremes?.kind === "items") return { part: extremesOf(view, extremes.paths), looked: 0 };
  if (filter === undefined) return { part: { view, bits: livingBits(view), count: view.living }, looked: 0 };
  const { bits, count, keys } = findDocuments(view, filter);
  return { part: { view, bits, count }, looked: keys };
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

/** Of each column one document with the least value, one with the greatest, and one with an array and an object. */
function extremesOf(view: SegmentView, paths: readonly CoveredPath[]): PlannedPart {
  const bits = emptyBits(view.numbers.length);
  for (const { slot } of paths) {
    const column = slot === undefined ? undefined : view.column(slot);
    if (column === undefined) continue;
    const { starts, docs } = column.postings();
    const end = arrayOrdinal(column);
    const ranges = [
      [starts[MISSING + 1] as number, starts[end] as number, 1],
      [(starts[end] as number) - 1, (starts[MISSING + 1] as number) - 1, -1],
      [starts[end] as number, starts[end + 1] as number, 1],
      [starts[end + 1] as number, starts[end + 2] as number, 1],
    ] as const;
    for (const [from, to, step] of ranges) {
      let at: number = from;
      while (at !== to && view.dead !== undefined && hasBit(view.dead, docs[at] as number)) at += step;
      if (at !== to) setBit(bits, docs[at] as number);
    }
  }
  return { view, bits, count: countBits(bits) };
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

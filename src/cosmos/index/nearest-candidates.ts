/**
 * Which documents may be nearest to a vector, best first: the packed rows of each segment are looked at, all of them or
 * those in the nearest lists, and the most promising are kept.
 */
import type { Metric } from "../query/functions/vector.ts";
import type { PlannedPart } from "./access-plan.ts";
import { countBits, hasBit } from "./bits.ts";
import type { QueryVector, VectorColumn } from "./vector-column.ts";
import type { VectorKernel } from "./vector-kernel.ts";
import { probesFor, rankLists } from "./vector-lists.ts";
import { type Bound, boundOf, createPace, type Pace, type Pause, scanRows } from "./vector-scan.ts";

/** A document and the best that its nearness can be. */
export interface NearCandidate {
  readonly bound: number;
  readonly part: PlannedPart;
  readonly document: number;
  readonly number: number;
}

export interface NearSearch {
  readonly kernel: VectorKernel;
  readonly parts: readonly PlannedPart[];
  /** Of the vector index in the policy. */
  readonly place: number;
  readonly metric: Metric;
  /** The lists were made for it. */
  readonly indexMetric: Metric;
  readonly query: QueryVector;
  /** Of documents that are equally near, the one with the greater number comes first. */
  readonly newestFirst: boolean;
  readonly pause: Pause;
}

export interface FoundCandidates {
  /** The most promising first. */
  readonly candidates: readonly NearCandidate[];
  /** Less promising ones were left out, or lists were not looked at. */
  readonly more: boolean;
  /** Vectors that were looked at, and their bytes. */
  readonly compared: number;
  readonly bytes: number;
}

/** With fewer rows that pass the filter, all of them are looked at, in whatever lists they are. */
const gatheredRowsMax = 8_192;
/** Rows for which the number of lists was measured. */
const measuredRows = 20;

/** Up to `max` candidates; `thorough` looks at every list. */
export async function nearCandidates(
  search: NearSearch,
  max: number,
  thorough: boolean,
): Promise<FoundCandidates> {
  const { parts, place, metric, query, newestFirst } = search;
  const kept = createKept(max, newestFirst);
  const pace = createPace(search.pause);
  let compared = 0;
  let bytes = 0;
  let skipped = false;
  for (const part of parts) {
    const column = part.view.vectors(place);
    if (column === undefined || part.count === 0) continue;
    const bound = boundOf(metric, column, query);
    const ranges = thorough ? undefined : await nearRanges(search, part, column, max, pace);
    skipped ||= ranges !== undefined;
    const { wanted, take, taken } = takerOf(part, column, bound, kept);
    for (const range of ranges ?? [[0, column.rows] as const]) {
      await scanRows(search.kernel, column, query, range, wanted, take, pace);
    }
    compared += taken();
    bytes += taken() * column.stride;
  }
  const candidates = kept.drain();
  // What cannot be packed may be anything, so it comes first.
  const odd = parts.flatMap((part) => oddCandidates(part, part.view.vectors(place)));
  return { candidates: [...odd, ...candidates], more: compared > max || skipped, compared, bytes };
}

function takerOf(
  part: PlannedPart,
  { documents }: VectorColumn,
  bound: Bound,
  kept: Kept,
): {
  readonly wanted: (row: number) => boolean;
  readonly take: (row: number, product: number) => void;
  readonly taken: () => number;
} {
  const { bits, view } = part;
  let taken = 0;
  return {
    wanted(row) {
      const document = documents[row] as number;
      return document >= 0 && hasBit(bits, document);
    },
    take(row, product) {
      taken++;
      const best = bound(row, product);
      if (best < kept.least()) return;
      const document = documents[row] as number;
      kept.add({ bound: best, part, document, number: view.numbers[document] as number });
    },
    taken: () => taken,
  };
}

/** Rows of the lists to look at; undefined for all rows. */
async function nearRanges(
  { kernel, query, metric, indexMetric }: NearSearch,
  part: PlannedPart,
  { lists, rows }: VectorColumn,
  max: number,
  pace: Pace,
): Promise<readonly (readonly [number, number])[] | undefined> {
  if (lists === undefined || metric !== indexMetric) return undefined;
  const { starts, probes } = lists;
  const passing = countBits(part.bits);
  if (passing <= gatheredRowsMax) return undefined;
  // The nearest of few that pass a filter, and the nearest many, lie farther out.
  const widened = (1 + Math.log2(rows / passing)) * (1 + Math.max(0, Math.log2(max / 10 / measuredRows)));
  const ranked = await rankLists(kernel, lists, query, metric, pace);
  const wanted = Math.ceil(probesFor(probes, ranked) * widened);
  if (wanted >= starts.length - 1) return undefined;
  return Array.from(
    ranked.lists.subarray(0, wanted),
    (list) => [starts[list] as number, starts[list + 1] as number] as const,
  );
}

function oddCandidates(part: PlannedPart, column: VectorColumn | undefined): readonly NearCandidate[] {
  const documents = Array.from(column?.odd ?? []).filter((document) => hasBit(part.bits, document));
  return documents.map((document) => ({
    bound: Number.POSITIVE_INFINITY,
    part,
    document,
    number: part.view.numbers[document] as number,
  }));
}

interface Kept {
  /** What is less than this is not kept. */
  least(): number;
  add(candidate: NearCandidate): void;
  /** The best first. */
  drain(): readonly NearCandidate[];
}

/** The best `max`: a heap with the worst on top. */
function createKept(max: number, newestFirst: boolean): Kept {
  const heap: NearCandidate[] = [];
  const compare = (a: NearCandidate, b: NearCandidate): number =>
    b.bound - a.bound || (newestFirst ? b.number - a.number : a.number - b.number);
  const sink = (): void => {
    for (let parent = 0; ; ) {
      let worst = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        const other = heap[child];
        if (other !== undefined && compare(other, heap[worst] as NearCandidate) > 0) worst = child;
      }
      if (worst === parent) return;
      [heap[parent], heap[worst]] = [heap[worst] as NearCandidate, heap[parent] as NearCandidate];
      parent = worst;
    }
  };
  const lift = (): void => {
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (compare(heap[child] as NearCandidate, heap[parent] as NearCandidate) <= 0) return;
      [heap[parent], heap[child]] = [heap[child] as NearCandidate, heap[parent] as NearCandidate];
      child = parent;
    }
  };
  return {
    least: () =>
      heap.length < max ? Number.NEGATIVE_INFINITY : (heap[0]?.bound ?? Number.POSITIVE_INFINITY),
    add(candidate) {
      if (heap.length < max) {
        heap.push(candidate);
        lift();
        return;
      }
      if (compare(candidate, heap[0] as NearCandidate) >= 0) return;
      heap[0] = candidate;
      sink();
    },
    drain: () => heap.sort(compare),
  };
}

/**
 * Rows of a large column by neighbourhood: each belongs to the list of the centre it is nearest to, and a search looks at
 * the lists whose centres are nearest to the query. How many lists that takes is measured on the rows themselves when the
 * lists are made, so that data without neighbourhoods is searched as a whole instead of badly.
 *
 * Lists rather than a graph, because a segment never changes: making them is one pass, a merge makes them anew without
 * loading items, and a filter leaves rows out without breaking paths that others need.
 */
import type { Metric } from "../query/functions/vector.ts";
import {
  addRow,
  allocateRows,
  floatsAt,
  putFloats,
  type QueryVector,
  queryVector,
  type VectorColumn,
  type VectorRows,
} from "./vector-column.ts";
import type { VectorKernel } from "./vector-kernel.ts";
import { boundOf, createPace, type Pace, type Pause, scanRows } from "./vector-scan.ts";

export interface VectorLists {
  /** The first row of each list, and the end of the last. */
  readonly starts: Uint32Array;
  /** One packed row for each list; of length one where angles count. */
  readonly centres: VectorRows;
  readonly probes: Probes;
  bytes(): number;
}

/** With fewer rows, looking at all of them takes a few milliseconds. */
export const listedRowsMin = 8_192;
const listsMax = 1_024;
const rounds = 5;
/** Rows from which the centres of one list are learnt. */
const samplesPerList = 40;

export function createVectorLists(starts: Uint32Array, centres: VectorRows, probes: Probes): VectorLists {
  return { starts, centres, probes, bytes: () => starts.length * 8 + centres.data.length };
}

interface Work {
  readonly kernel: VectorKernel;
  readonly rows: VectorRows;
  readonly dimensions: number;
  /** Angles count, and not lengths. */
  readonly angular: boolean;
  readonly pace: Pace;
}

/** The list of each row, and the centres of the lists; `rows` are bytes and there are `count` of them. */
export async function assignLists(
  kernel: VectorKernel,
  rows: VectorRows,
  count: number,
  dimensions: number,
  metric: Metric,
  pause: Pause,
): Promise<{ readonly listOf: Uint16Array; readonly centres: VectorRows }> {
  const work = { kernel, rows, dimensions, angular: metric !== "euclidean", pace: createPace(pause) };
  const lists = Math.min(listsMax, Math.max(16, Math.round(Math.sqrt(count))));
  const samples = everyFew(count, Math.min(count, lists * samplesPerList));
  let centres = await meansOf(work, everyFew(count, lists), undefined, lists);
  for (let round = 0; round < rounds; round++) {
    const found = await nearestCentres(work, samples, centres);
    centres = await meansOf(work, samples, found, lists, centres);
  }
  const all = Uint32Array.from({ length: count }, (_, row) => row);
  const listOf = await nearestCentres(work, all, centres);
  return { listOf, centres: packCentres(centres, dimensions) };
}

/** `size` numbers below `count`, evenly spread. */
function everyFew(count: number, size: number): Uint32Array {
  return Uint32Array.from({ length: size }, (_, i) => Math.floor((i * count) / size));
}

/** The means of the rows of each list, each sample its own list without `listOf`; an empty list keeps its centre. */
async function meansOf(
  { rows, dimensions, angular, pace }: Work,
  samples: Uint32Array,
  listOf: Uint16Array | undefined,
  lists: number,
  before?: readonly Float32Array[],
): Promise<readonly Float32Array[]> {
  const sums: Float32Array[] = Array.from({ length: lists }, () => new Float32Array(dimensions));
  const counts = new Uint32Array(lists);
  for (let i = 0; i < samples.length; i++) {
    const row = samples[i] as number;
    const list = listOf?.[i] ?? i;
    const norm = rows.norms[row] as number;
    addRow(rows, row, angular && norm > 0 ? 1 / norm : 1, sums[list] as Float32Array);
    counts[list] = (counts[list] as number) + 1;
    await spend(pace, dimensions * 8);
  }
  for (const [list, sum] of sums.entries()) {
    const count = counts[list] as number;
    if (count === 0) sums[list] = before?.[list] ?? sum;
    else shorten(sum, angular ? 0 : count);
    await spend(pace, dimensions * 8);
  }
  return sums;
}

/** Divides by `length`, or makes the vector as long as one. */
function shorten(vector: Float32Array, length: number): void {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const factor = 1 / (length || Math.sqrt(squares) || 1);
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) * factor;
}

async function spend(pace: Pace, bytes: number): Promise<boolean> {
  pace.left -= bytes;
  if (pace.left > 0) return false;
  Object.assign(pace, createPace(pace.pause));
  await pace.pause();
  return true;
}

/** For each of `chosen` its nearest centre. */
async function nearestCentres(
  { kernel, rows, angular, pace }: Work,
  chosen: Uint32Array,
  centres: readonly Float32Array[],
): Promise<Uint16Array> {
  const { stride, data, scales } = rows;
  const queries = centres.map((centre) => queryVector(centre));
  const found = new Uint16Array(chosen.length);
  const best = new Float64Array(kernel.rowsMax(stride));
  for (let from = 0; from < chosen.length; from += best.length) {
    const block = chosen.subarray(from, from + best.length);
    const fill = (): void => {
      for (let i = 0; i < block.length; i++) {
        const start = (block[i] as number) * stride;
        kernel.block.set(data.subarray(start, start + stride), i * stride);
      }
    };
    fill();
    best.fill(Number.NEGATIVE_INFINITY);
    for (const [list, { words, wordScale, norm }] of queries.entries()) {
      const products = kernel.byteProducts(words, block.length, stride);
      const less = angular ? 0 : norm * norm;
      for (let i = 0; i < block.length; i++) {
        const product = (products[i] as number) * wordScale * (scales[block[i] as number] as number);
        const near = 2 * product - less;
        if (near <= (best[i] as number)) continue;
        best[i] = near;
        found[from + i] = list;
      }
      // Somebody else may have used the block meanwhile.
      if (await spend(pace, block.length * (stride + 16))) fill();
    }
  }
  return found;
}

function packCentres(centres: readonly Float32Array[], dimensions: number): VectorRows {
  const packed = allocateRows("bytes", dimensions, centres.length);
  for (const [list, centre] of centres.entries()) putFloats(packed, list, centre);
  return packed;
}

export interface RankedLists {
  /** By the nearness of their centres to the query, the nearest first. */
  readonly lists: Uint32Array;
  /** How near the first of them is, whatever the length of the query where angles count. */
  readonly nearness: number;
}

export async function rankLists(
  kernel: VectorKernel,
  { centres }: Pick<VectorLists, "centres">,
  query: QueryVector,
  metric: Metric,
  pace: Pace,
): Promise<RankedLists> {
  const { norms } = centres;
  const near = new Float64Array(norms.length);
  const angular = metric !== "euclidean";
  const take = (list: number, product: number): void => {
    near[list] = angular
      ? product / query.norm
      : 2 * product - (norms[list] as number) ** 2 - query.norm ** 2;
  };
  await scanRows(kernel, centres, query, [0, norms.length], () => true, take, pace);
  const lists = Uint32Array.from(near.keys()).sort((a, b) => (near[b] as number) - (near[a] as number));
  return { lists, nearness: near[lists[0] as number] as number };
}

/** How many lists a search for few rows looks at. */
export interface Probes {
  /** For a query that is as near to some centre as `nearness`, like the data themselves. */
  readonly near: number;
  readonly nearness: number;
  /** For one that is unlike the data: what is nearest to it may be anywhere. */
  readonly far: number;
}

export function probesFor({ near, far, nearness }: Probes, ranked: RankedLists): number {
  return ranked.nearness >= nearness ? near : far;
}

/** Neighbours that a search should find, the share of them, and vectors of each kind that are searched for. */
const neighbours = 10;
const recallWanted = 0.98;
const trials = 16;
/** There are more ways to be unlike the data than were tried. */
const foreignShare = 1.5;

/** What a search of the column must look at to find nearly all that is nearest. */
export async function measureProbes(
  kernel: VectorKernel,
  column: VectorColumn,
  lists: Pick<VectorLists, "centres" | "starts">,
  dimensions: number,
  metric: Metric,
  pause: Pause,
): Promise<Probes> {
  const size = lists.centres.norms.length;
  const pace = createPace(pause);
  const ranks: Record<keyof Trial, number[]> = { own: [], between: [], foreign: [] };
  let nearness = Number.POSITIVE_INFINITY;
  for (const trial of trialsOf(column, dimensions)) {
    for (const kind of ["own", "between", "foreign"] as const) {
      const query = queryVector(trial[kind]);
      if (query.norm === 0) continue;
      const ranked = await rankLists(kernel, lists, query, metric, pace);
      if (kind !== "foreign") nearness = Math.min(nearness, ranked.nearness);
      const rankOf = new Uint32Array(size);
      for (const [rank, list] of ranked.lists.entries()) rankOf[list] = rank;
      for (const row of await nearestRows(kernel, column, query, metric, pace)) {
        ranks[kind].push(rankOf[listAt(lists.starts, row)] as number);
      }
    }
  }
  const near = Math.max(neededOf(ranks.own, size), neededOf(ranks.between, size));
  const far = Math.min(size, Math.ceil(neededOf(ranks.foreign, size) * foreignShare));
  return { near, nearness, far: Math.max(near, far) };
}

/** Vectors to search for: one of the column, the middle between two, and one that has nothing to do with the column. */
interface Trial {
  readonly own: Float32Array;
  readonly between: Float32Array;
  readonly foreign: Float32Array;
}

function* trialsOf(column: VectorColumn, dimensions: number): Generator<Trial, void> {
  const rows = everyFew(column.rows, trials * 3);
  for (let trial = 0; trial < trials; trial++) {
    const [own, first, second] = [0, 1, 2].map((i) =>
      floatsAt(column, rows[(trial * 3 + i * 17) % rows.length] as number, dimensions),
    ) as [Float32Array, Float32Array, Float32Array];
    const between = first.map((value, i) => (value + (second[i] as number)) / 2);
    // The same numbers in the places of others, and some of them negated.
    const foreign = first.map((_, i) => {
      const value = first[(i + 1 + trial) % dimensions] as number;
      return (i * (trial + 3)) % 5 < 2 ? -value : value;
    });
    yield { own, between, foreign };
  }
}

/** Lists that hold the wanted share of neighbours, whose lists had these ranks. */
function neededOf(ranks: number[], size: number): number {
  ranks.sort((a, b) => a - b);
  const needed = (ranks[Math.ceil(ranks.length * recallWanted) - 1] ?? size) + 1;
  const probes = Math.ceil(needed * 1.1) + 1;
  // Looking at most lists costs as much as looking at all, and finds less.
  return probes > size * 0.7 ? size : probes;
}

async function nearestRows(
  kernel: VectorKernel,
  column: VectorColumn,
  query: QueryVector,
  metric: Metric,
  pace: Pace,
): Promise<readonly number[]> {
  const bound = boundOf(metric, column, query);
  const best: { readonly row: number; readonly near: number }[] = [];
  let least = Number.NEGATIVE_INFINITY;
  const take = (row: number, product: number): void => {
    const near = bound(row, product);
    if (near <= least) return;
    best.push({ row, near });
    best.sort((a, b) => b.near - a.near);
    if (best.length > neighbours) best.pop();
    if (best.length === neighbours) least = best.at(-1)?.near ?? least;
  };
  await scanRows(kernel, column, query, [0, column.rows], () => true, take, pace);
  return best.map(({ row }) => row);
}

function listAt(starts: Uint32Array, row: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as number) <= row) low = middle;
    else high = middle;
  }
  return low;
}

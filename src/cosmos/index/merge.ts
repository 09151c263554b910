/**
 * Several segments into one, without their dead documents: distinct values are merged and ordinals translated, so no
 * item is read again. Runs in small steps with pauses, because a million documents take longer than a request may wait.
 */
import { hasBit } from "./bits.ts";
import {
  type Column,
  createColumn,
  FIRST_NUMBER,
  firstString,
  type Ordinals,
  ordinalArray,
} from "./column.ts";
import type { VectorIndex } from "./policy.ts";
import {
  type ColumnHandle,
  createSegment,
  heldColumn,
  type Segment,
  type VectorHandle,
  viewSegment,
} from "./segment.ts";
import { compareBetween, poolSize, type StringPool } from "./strings.ts";
import { createVectorKernel, type VectorKernel } from "./vector-kernel.ts";
import { mergeVectors } from "./vector-merge.ts";

/** Lets others work. */
export type Pause = () => Promise<void>;

/** Values or documents handled between two pauses: some two milliseconds, which requests that come meanwhile wait. */
const stepSize = 2_000;
/** The same for what only copies. */
const copySize = stepSize * 10;

/** Where each document of the result comes from. */
interface Sources {
  readonly numbers: Float64Array;
  /** Index of the input. */
  readonly input: Uint16Array;
  readonly document: Uint32Array;
}

/** What a merge must know of vectors. */
export interface VectorMerging {
  readonly kernel: () => VectorKernel;
  readonly indexes: readonly VectorIndex[];
}

const withoutVectors: VectorMerging = { kernel: createVectorKernel, indexes: [] };

/** The living documents of `inputs` as one segment with the number `id`. Inputs must not share living items. */
export async function mergeSegments(
  id: number,
  inputs: readonly Segment[],
  pause: Pause,
  { kernel, indexes }: VectorMerging = withoutVectors,
): Promise<Segment> {
  const sources = await mergeNumbers(inputs, pause);
  const slots = [...new Set(inputs.flatMap((segment) => [...segment.columns.keys()]))];
  const columns = new Map<number, ColumnHandle>();
  for (const slot of slots.sort((a, b) => a - b)) {
    const parts = await Promise.all(inputs.map(async (segment) => segment.columns.get(slot)?.load()));
    columns.set(slot, heldColumn(await mergeColumns(parts, sources, pause)));
  }
  const vectors = new Map<number, VectorHandle>();
  for (const [place, index] of indexes.entries()) {
    const parts = await Promise.all(inputs.map(async (segment) => segment.vectors.get(place)?.load()));
    vectors.set(place, heldColumn(await mergeVectors(kernel(), index, parts, sources, pause)));
  }
  return createSegment(id, sources.numbers, columns, vectors);
}

async function mergeNumbers(inputs: readonly Segment[], pause: Pause): Promise<Sources> {
  const views = inputs.flatMap((segment) => viewSegment(segment, { slots: [] }) ?? []);
  const size = views.reduce((sum, { living }) => sum + living, 0);
  const sources = {
    numbers: new Float64Array(size),
    input: new Uint16Array(size),
    document: new Uint32Array(size),
  };
  const at = new Uint32Array(views.length);
  const skipDead = (i: number): number => {
    const { dead, numbers } = views[i] as (typeof views)[number];
    let next = at[i] as number;
    while (dead !== undefined && next < numbers.length && hasBit(dead, next)) next++;
    at[i] = next;
    return numbers[next] ?? Number.POSITIVE_INFINITY;
  };
  const heads = Float64Array.from(views, (_, i) => skipDead(i));
  let least = 0;
  let next = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < size; j++) {
    if ((heads[least] as number) > next) ({ least, next } = leastTwo(heads));
    sources.numbers[j] = heads[least] as number;
    sources.input[j] = least;
    const document = at[least] as number;
    sources.document[j] = document;
    at[least] = document + 1;
    heads[least] = skipDead(least);
    if (j % stepSize === stepSize - 1) await pause();
  }
  return sources;
}

/** The place of the least head, and the second least one: segments mostly follow one another. */
function leastTwo(heads: Float64Array): { readonly least: number; readonly next: number } {
  let least = 0;
  let next = Number.POSITIVE_INFINITY;
  for (let i = 1; i < heads.length; i++) {
    const head = heads[i] as number;
    if (head < (heads[least] as number)) {
      next = heads[least] as number;
      least = i;
    } else if (head < next) next = head;
  }
  return { least, next };
}

/** For each input, which of its ordinals a living document has, and later what they become. */
type Translation = Uint32Array;

/** No value becomes this ordinal: it is that of null, which is translated apart. */
const USED = 1;

async function mergeColumns(
  parts: readonly (Column | undefined)[],
  sources: Sources,
  pause: Pause,
): Promise<Column> {
  const translations = await markUsed(parts, sources, pause);
  await pause();
  const numberRuns = runsOf(parts, translations, (part) => ({
    first: FIRST_NUMBER,
    size: part.numbers.length,
  }));
  const chosenNumbers = await mergeDistinct(numberRuns, compareNumbers, FIRST_NUMBER, pause);
  const numbers = await copyNumbers(chosenNumbers, pause);
  const stringRuns = runsOf(parts, translations, (part) => ({
    first: firstString(part),
    size: poolSize(part.strings),
  }));
  const firstText = FIRST_NUMBER + numbers.length;
  const strings = await copyStrings(await mergeDistinct(stringRuns, compareStrings, firstText, pause), pause);
  const ordinals = FIRST_NUMBER + numbers.length + poolSize(strings) + 2;
  for (const [i, part] of parts.entries()) {
    const translation = translations[i];
    if (part === undefined || translation === undefined) continue;
    for (let fixed = 0; fixed < FIRST_NUMBER; fixed++) translation[fixed] = fixed;
    translation[part.ordinals - 2] = ordinals - 2;
    translation[part.ordinals - 1] = ordinals - 1;
  }
  const signedZero = parts.some((part) => part?.signedZero === true);
  const data = { numbers, strings, signedZero };
  return parts.some((part) => part?.entryDocs !== undefined)
    ? createColumn({ ...data, ...(await mergeEntries(parts, translations, sources, ordinals, pause)) })
    : createColumn({ ...data, ords: await mergeOrdinals(parts, translations, sources, ordinals, pause) });
}

async function markUsed(
  parts: readonly (Column | undefined)[],
  sources: Sources,
  pause: Pause,
): Promise<readonly Translation[]> {
  const used = parts.map((part) => new Uint32Array(part?.ordinals ?? 0));
  if (parts.some((part) => part?.entryDocs !== undefined)) {
    // Values of dead documents' elements stay in the list: they cost a little room and nothing else.
    for (const translation of used) translation.fill(USED);
    return used;
  }
  for (let j = 0; j < sources.numbers.length; j++) {
    const input = sources.input[j] as number;
    const part = parts[input];
    if (part === undefined) continue;
    (used[input] as Translation)[part.ords[sources.document[j] as number] as number] = USED;
    if (j % copySize === copySize - 1) await pause();
  }
  return used;
}

/** The distinct values of one kind in one input, from which the next one is taken. */
interface Run {
  readonly part: Column;
  readonly translation: Translation;
  /** The ordinal of its first value, and how many values there are. */
  readonly first: number;
  readonly size: number;
  at: number;
}

type Compare = (a: Column, i: number, b: Column, j: number) => number;

const compareNumbers: Compare = (a, i, b, j) => (a.numbers[i] as number) - (b.numbers[j] as number) || 0;
const compareStrings: Compare = (a, i, b, j) => compareBetween(a.strings, i, b.strings, j);

/** Distinct values in order: which input each is taken from, and its place there. */
interface Chosen {
  readonly parts: Column[];
  readonly indexes: number[];
}

/** Merges the used values of one kind; `firstOrdinal` is what the least of them becomes. */
async function mergeDistinct(
  runs: Run[],
  compare: Compare,
  firstOrdinal: number,
  pause: Pause,
): Promise<Chosen> {
  const chosen: Chosen = { parts: [], indexes: [] };
  for (let i = (runs.length >> 1) - 1; i >= 0; i--) sink(runs, i, compare);
  let steps = 0;
  while (runs.length > 0) {
    const least = runs[0] as Run;
    const last = chosen.indexes.length - 1;
    const isNew =
      last < 0 ||
      compare(least.part, least.at, chosen.parts[last] as Column, chosen.indexes[last] as number) !== 0;
    if (isNew) {
      chosen.parts.push(least.part);
      chosen.indexes.push(least.at);
    }
    least.translation[least.first + least.at] = firstOrdinal + chosen.indexes.length - 1;
    if (!advance(least)) {
      const moved = runs.pop() as Run;
      if (runs.length > 0) runs[0] = moved;
    }
    sink(runs, 0, compare);
    if (++steps % stepSize === 0) await pause();
  }
  return chosen;
}

/** Restores the heap below `at`: the least run on top. */
function sink(heap: Run[], at: number, compare: Compare): void {
  const run = heap[at];
  if (run === undefined) return;
  let place = at;
  for (;;) {
    let child = 2 * place + 1;
    let best = heap[child];
    if (best === undefined) break;
    const right = heap[child + 1];
    if (right !== undefined && compare(right.part, right.at, best.part, best.at) < 0) {
      best = right;
      child++;
    }
    if (compare(best.part, best.at, run.part, run.at) >= 0) break;
    heap[place] = best;
    place = child;
  }
  heap[place] = run;
}

function runsOf(
  parts: readonly (Column | undefined)[],
  translations: readonly Translation[],
  place: (part: Column) => { readonly first: number; readonly size: number },
): Run[] {
  const runs: Run[] = [];
  for (const [i, part] of parts.entries()) {
    const translation = translations[i];
    if (part === undefined || translation === undefined) continue;
    const run = { part, translation, ...place(part), at: -1 };
    if (advance(run)) runs.push(run);
  }
  return runs;
}

/** Moves to the next used value; false at the end. */
function advance(run: Run): boolean {
  do run.at++;
  while (run.at < run.size && run.translation[run.first + run.at] !== USED);
  return run.at < run.size;
}

async function copyNumbers({ parts, indexes }: Chosen, pause: Pause): Promise<Float64Array> {
  const numbers = new Float64Array(indexes.length);
  for (let i = 0; i < numbers.length; i++) {
    numbers[i] = (parts[i] as Column).numbers[indexes[i] as number] as number;
    if (i % copySize === copySize - 1) await pause();
  }
  return numbers;
}

async function copyStrings({ parts, indexes }: Chosen, pause: Pause): Promise<StringPool> {
  const offsets = new Uint32Array(parts.length + 1);
  let wide = false;
  for (let i = 0; i < parts.length; i++) {
    const { strings } = parts[i] as Column;
    const index = indexes[i] as number;
    const length = (strings.offsets[index + 1] as number) - (strings.offsets[index] as number);
    offsets[i + 1] = (offsets[i] as number) + length;
    wide ||= strings.units.BYTES_PER_ELEMENT === 2;
    if (i % copySize === copySize - 1) await pause();
  }
  const total = offsets[parts.length] as number;
  const units = wide ? new Uint16Array(total) : new Uint8Array(total);
  for (let i = 0; i < parts.length; i++) {
    const { strings } = parts[i] as Column;
    const index = indexes[i] as number;
    let to = offsets[i] as number;
    const end = strings.offsets[index + 1] as number;
    for (let from = strings.offsets[index] as number; from < end; from++) {
      units[to++] = strings.units[from] as number;
    }
    if (i % stepSize === stepSize - 1) await pause();
  }
  return { offsets, units };
}

async function mergeOrdinals(
  parts: readonly (Column | undefined)[],
  translations: readonly Translation[],
  sources: Sources,
  ordinals: number,
  pause: Pause,
): Promise<Ordinals> {
  const ords = ordinalArray(ordinals, sources.numbers.length);
  for (let j = 0; j < ords.length; j++) {
    const input = sources.input[j] as number;
    const part = parts[input];
    if (part !== undefined) {
      const old = part.ords[sources.document[j] as number] as number;
      ords[j] = (translations[input] as Translation)[old] as number;
    }
    if (j % copySize === copySize - 1) await pause();
  }
  return ords;
}

async function mergeEntries(
  parts: readonly (Column | undefined)[],
  translations: readonly Translation[],
  sources: Sources,
  ordinals: number,
  pause: Pause,
): Promise<{ readonly ords: Ordinals; readonly entryDocs: Uint32Array }> {
  const most = parts.reduce((sum, part) => sum + (part?.ords.length ?? 0), 0);
  const docs = new Uint32Array(most);
  const ords = ordinalArray(ordinals, most);
  let size = 0;
  const at = new Uint32Array(parts.length);
  for (let j = 0; j < sources.numbers.length; j++) {
    if (j % stepSize === stepSize - 1) await pause();
    const input = sources.input[j] as number;
    const part = parts[input];
    if (part?.entryDocs === undefined) continue;
    const document = sources.document[j] as number;
    let next = at[input] as number;
    while (next < part.entryDocs.length && (part.entryDocs[next] as number) < document) next++;
    for (; part.entryDocs[next] === document; next++) {
      docs[size] = j;
      ords[size] = (translations[input] as Translation)[part.ords[next] as number] as number;
      size++;
    }
    at[input] = next;
  }
  return { ords: ords.slice(0, size), entryDocs: docs.slice(0, size) };
}

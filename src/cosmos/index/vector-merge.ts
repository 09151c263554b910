/**
 * Making the vector column of a segment from those that its documents had before: the newest rows become bytes where the
 * policy asks for them, rows of several segments become one column, and a large one gets its lists. No item is loaded.
 */
import type { VectorIndex } from "./policy.ts";
import {
  allocateRows,
  copyRow,
  createVectorColumn,
  formOf,
  type VectorColumn,
  type VectorRows,
} from "./vector-column.ts";
import type { VectorKernel } from "./vector-kernel.ts";
import { assignLists, createVectorLists, listedRowsMin, measureProbes } from "./vector-lists.ts";
import type { Pause } from "./vector-scan.ts";

/** Rows copied between two pauses, by their bytes. */
const copyBytes = 1024 * 1024;

/** Where each document of the result comes from. */
export interface DocumentSources {
  /** Index of the part. */
  readonly input: ArrayLike<number>;
  /** Its document there. */
  readonly document: ArrayLike<number>;
}

export async function mergeVectors(
  kernel: VectorKernel,
  index: VectorIndex,
  parts: readonly (VectorColumn | undefined)[],
  { input, document }: DocumentSources,
  pause: Pause,
): Promise<VectorColumn> {
  const { dimensions } = index;
  const placed = parts.map((part, i) => rowsByDocument(part, documentsOf(input, document, i)));
  const documents: number[] = [];
  const odd: number[] = [];
  for (let j = 0; j < input.length; j++) {
    const row = placed[input[j] as number]?.[document[j] as number] ?? noRow;
    if (row >= 0) documents.push(j);
    else if (row === oddRow) odd.push(j);
    if (j % 50_000 === 49_999) await pause();
  }
  const rows = allocateRows(formOf(index), dimensions, documents.length);
  let copied = 0;
  for (const [at, j] of documents.entries()) {
    const from = input[j] as number;
    const part = parts[from] as VectorColumn;
    copyRow(part, placed[from]?.[document[j] as number] as number, rows, at, dimensions);
    copied += part.stride;
    if (copied < copyBytes) continue;
    copied = 0;
    await pause();
  }
  const column = createVectorColumn(rows, Int32Array.from(documents), Uint32Array.from(odd));
  if (index.type !== "diskANN" || column.rows < listedRowsMin) return column;
  return withLists(kernel, index, column, pause);
}

const noRow = -1;
const oddRow = -2;

/** By document its row, `noRow` or `oddRow`. */
function rowsByDocument(part: VectorColumn | undefined, size: number): Int32Array | undefined {
  if (part === undefined) return undefined;
  const rows = new Int32Array(size).fill(noRow);
  for (let row = 0; row < part.rows; row++) {
    const document = part.documents[row] as number;
    if (document >= 0 && document < size) rows[document] = row;
  }
  for (const document of part.odd) if (document < size) rows[document] = oddRow;
  return rows;
}

/** One more than the greatest document that is wanted of a part. */
function documentsOf(input: ArrayLike<number>, document: ArrayLike<number>, part: number): number {
  let size = 0;
  for (let j = 0; j < input.length; j++) {
    if (input[j] === part) size = Math.max(size, (document[j] as number) + 1);
  }
  return size;
}

async function withLists(
  kernel: VectorKernel,
  { dimensions, metric }: VectorIndex,
  column: VectorColumn,
  pause: Pause,
): Promise<VectorColumn> {
  const { rows: count, odd } = column;
  const { listOf, centres } = await assignLists(kernel, column, count, dimensions, metric, pause);
  const starts = new Uint32Array(centres.norms.length + 1);
  for (const list of listOf) starts[list + 1] = (starts[list + 1] as number) + 1;
  for (let list = 1; list < starts.length; list++)
    starts[list] = (starts[list] as number) + (starts[list - 1] as number);
  const next = starts.slice();
  const placeOf = Uint32Array.from(listOf, (list) => {
    const place = next[list] as number;
    next[list] = place + 1;
    return place;
  });
  const documents = column.documents.slice();
  await permute(column, documents, placeOf, pause);
  const ordered = createVectorColumn(column, documents, odd);
  const probes = await measureProbes(kernel, ordered, { centres, starts }, dimensions, metric, pause);
  return createVectorColumn(column, documents, odd, createVectorLists(starts, centres, probes));
}

/** Moves each row to its place, without room for a second copy of all rows; nobody reads them yet. */
async function permute(
  { data, stride, norms, scales, errors }: VectorRows,
  documents: Int32Array,
  placeOf: Uint32Array,
  pause: Pause,
): Promise<void> {
  const held = new Uint8Array(stride);
  const swap = <T extends Float32Array | Int32Array>(list: T, a: number, b: number): void => {
    const value = list[a] as number;
    list[a] = list[b] as number;
    list[b] = value;
  };
  let moved = 0;
  for (let row = 0; row < placeOf.length; row++) {
    for (let place = placeOf[row] as number; place !== row; place = placeOf[row] as number) {
      held.set(data.subarray(place * stride, (place + 1) * stride));
      data.copyWithin(place * stride, row * stride, (row + 1) * stride);
      data.set(held, row * stride);
      swap(norms, row, place);
      swap(scales, row, place);
      swap(errors, row, place);
      swap(documents, row, place);
      placeOf[row] = placeOf[place] as number;
      placeOf[place] = place;
      moved += stride * 3;
    }
    if (moved < copyBytes) continue;
    moved = 0;
    await pause();
  }
}

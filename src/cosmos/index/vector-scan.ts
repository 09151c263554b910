/**
 * Looking at packed rows: their products with a query, and what those say at best of the value that VectorDistance will
 * have for the item. Runs in slices, because many rows take longer than a request may wait.
 */
import type { Metric } from "../query/functions/vector.ts";
import type { QueryVector, VectorColumn, VectorRows } from "./vector-column.ts";
import type { VectorKernel } from "./vector-kernel.ts";

/** Lets others work. */
export type Pause = () => Promise<void>;

/** Bytes of rows that are looked at between two pauses: about a millisecond. */
const sliceBytes = 4 * 1024 * 1024;
/** Rounding of a sum of 32-bit floats, for each term that one lane adds. */
const floatRounding = 2 ** -24;
const lanes = 8;

/** Counts down to the next pause. */
export interface Pace {
  left: number;
  readonly pause: Pause;
}

export function createPace(pause: Pause): Pace {
  return { left: sliceBytes, pause };
}

/**
 * Hands `take` the rows from `from` to `to` that are `wanted`, with their products with `query`. Others have a turn now and
 * then, so nothing that `take` was told of may have changed its place by then.
 */
export async function scanRows(
  kernel: VectorKernel,
  rows: VectorRows,
  query: QueryVector,
  [from, to]: readonly [from: number, to: number],
  wanted: (row: number) => boolean,
  take: (row: number, product: number) => void,
  pace: Pace,
): Promise<void> {
  const { stride } = rows;
  const chosen = new Int32Array(kernel.rowsMax(stride));
  let row = from;
  while (row < to) {
    let count = 0;
    while (row < to && count < chosen.length) {
      if (wanted(row)) chosen[count++] = row;
      row++;
    }
    if (count === 0) continue;
    productsOf(kernel, rows, query, chosen.subarray(0, count), take);
    pace.left -= count * stride;
    if (pace.left > 0) continue;
    pace.left = sliceBytes;
    await pace.pause();
  }
}

/** Products of rows that fit into one block. */
function productsOf(
  kernel: VectorKernel,
  { form, stride, data, scales }: VectorRows,
  query: QueryVector,
  chosen: Int32Array,
  take: (row: number, product: number) => void,
): void {
  for (let at = 0; at < chosen.length; ) {
    const first = chosen[at] as number;
    let end = at + 1;
    while (end < chosen.length && chosen[end] === first + end - at) end++;
    kernel.block.set(data.subarray(first * stride, (first + end - at) * stride), at * stride);
    at = end;
  }
  if (form === "floats") {
    const products = kernel.floatProducts(query.floats, chosen.length, stride);
    for (let i = 0; i < chosen.length; i++) take(chosen[i] as number, products[i] as number);
    return;
  }
  const products = kernel.byteProducts(query.words, chosen.length, stride);
  const { wordScale } = query;
  for (let i = 0; i < chosen.length; i++) {
    const row = chosen[i] as number;
    take(row, (products[i] as number) * wordScale * (scales[row] as number));
  }
}

/** By the product of a row: the best that the item's value can be, where greater is nearer. */
export type Bound = (row: number, product: number) => number;

/** VectorDistance's value turned so that greater is nearer. */
export function nearness(metric: Metric, value: number): number {
  return metric === "euclidean" ? -value : value;
}

export function boundOf(metric: Metric, column: VectorColumn, query: QueryVector): Bound {
  const { norms } = column;
  const error = productError(column, query);
  const { norm: length } = query;
  switch (metric) {
    case "cosine":
      return (row, product) => {
        const norm = norms[row] as number;
        return norm === 0 ? 0 : (product + error(row)) / (length * norm) + 2 ** -22;
      };
    case "dotproduct":
      return (row, product) => product + error(row);
    case "euclidean":
      return (row, product) => {
        const norm = norms[row] as number;
        const squares = length * length + norm * norm;
        return -Math.sqrt(Math.max(0, squares * (1 - 2 ** -22) - 2 * (product + error(row))));
      };
  }
}

/** How much greater the product of the true vectors can be. */
function productError(column: VectorRows, query: QueryVector): (row: number) => number {
  const { form, norms, errors } = column;
  const { norm: length, wordError, dimensions } = query;
  const rounding = (form === "floats" ? dimensions / lanes + lanes + 4 : 4) * floatRounding * length;
  if (form === "floats") return (row) => rounding * (norms[row] as number);
  return (row) => {
    const error = errors[row] as number;
    const norm = norms[row] as number;
    return length * error + wordError * (norm + error) + rounding * norm;
  };
}

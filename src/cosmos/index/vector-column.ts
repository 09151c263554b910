/**
 * The vectors of a segment at one path, packed row by row: as 32-bit floats, which are as good as exact, or as bytes with
 * a scale for each row. Both know how far they can be from the item's own numbers, so that a search can tell when it has
 * loaded enough items to be sure.
 */
import { isArray, type Value } from "../query/values.ts";
import type { VectorIndex } from "./policy.ts";
import type { VectorLists } from "./vector-lists.ts";

export type VectorForm = "floats" | "bytes";

/** What every row of a column has. */
export interface VectorRows {
  readonly form: VectorForm;
  /** Bytes from one row to the next. */
  readonly stride: number;
  readonly data: Uint8Array;
  /** Length of each row's vector. */
  readonly norms: Float32Array;
  /** Of bytes: the value of one step, and an upper bound of the distance to the item's vector. */
  readonly scales: Float32Array;
  readonly errors: Float32Array;
}

export interface VectorColumn extends VectorRows {
  readonly rows: number;
  /** The document of each row; -1 when it is gone. No document has two rows. */
  readonly documents: Int32Array;
  /** Documents with a vector of the right dimension that cannot be packed: whoever searches must load them. */
  readonly odd: Uint32Array;
  /** Rows by neighbourhood; without, every row is looked at. */
  readonly lists?: VectorLists;
  bytes(): number;
}

/** Values in one step of the scale of bytes, and of words. */
const byteSteps = 127;
/** More would let sums of 4,096 dimensions overflow 32 bits. */
const wordSteps = 2_047;

/** Lengths beyond which squares of 32-bit floats lose their precision. */
const normMin = 1e-12;
const normMax = 1e15;

export function formOf({ type }: VectorIndex): VectorForm {
  return type === "flat" ? "floats" : "bytes";
}

export function strideOf(form: VectorForm, dimensions: number): number {
  return form === "floats" ? Math.ceil(dimensions / 8) * 32 : Math.ceil(dimensions / 16) * 16;
}

/** An empty store of rows with room for `capacity`. */
export function allocateRows(form: VectorForm, dimensions: number, capacity: number): VectorRows {
  const stride = strideOf(form, dimensions);
  const isBytes = form === "bytes";
  return {
    form,
    stride,
    data: new Uint8Array(stride * capacity),
    norms: new Float32Array(capacity),
    scales: new Float32Array(isBytes ? capacity : 0),
    errors: new Float32Array(isBytes ? capacity : 0),
  };
}

export function createVectorColumn(
  rows: VectorRows,
  documents: Int32Array,
  odd: Uint32Array,
  lists?: VectorLists,
): VectorColumn {
  const { form, stride, data, norms, scales, errors } = rows;
  const size =
    data.length + documents.length * 4 + norms.length * 4 + scales.length * 8 + odd.length * 4 + 1_024;
  return {
    ...{ form, stride, data, norms, scales, errors, documents, odd },
    rows: documents.length,
    ...(lists === undefined ? {} : { lists }),
    bytes: () => size + (lists?.bytes() ?? 0),
  };
}

/**
 * The numbers of a vector that can be packed. `odd` has the right dimension but numbers that 32-bit floats cannot tell
 * apart; undefined is no vector of that dimension, which is nothing's neighbour.
 */
export function packable(value: Value, dimensions: number): Float32Array | "odd" | undefined {
  if (!isArray(value) || value.length !== dimensions) return undefined;
  const floats = new Float32Array(dimensions);
  let squares = 0;
  for (let i = 0; i < dimensions; i++) {
    const number = value[i];
    if (typeof number !== "number") return undefined;
    floats[i] = number;
    squares += number * number;
  }
  if (squares === 0) return floats.every((number) => number === 0) && value.every(isZero) ? floats : "odd";
  const norm = Math.sqrt(squares);
  return norm > normMin && norm < normMax ? floats : "odd";
}

function isZero(value: Value): boolean {
  return value === 0;
}

/** Packs the floats of a vector into `row`. */
export function putFloats(rows: VectorRows, row: number, floats: ArrayLike<number>): void {
  const { form, stride, data, norms, scales, errors } = rows;
  let squares = 0;
  let greatest = 0;
  for (let i = 0; i < floats.length; i++) {
    const number = floats[i] as number;
    squares += number * number;
    greatest = Math.max(greatest, Math.abs(number));
  }
  const norm = Math.sqrt(squares);
  norms[row] = norm;
  if (form === "floats") {
    new Float32Array(data.buffer, data.byteOffset + row * stride, floats.length).set(floats);
    return;
  }
  const bytes = new Int8Array(data.buffer, data.byteOffset + row * stride, floats.length);
  const scale = Math.fround(greatest / byteSteps);
  let apart = 0;
  for (let i = 0; i < floats.length; i++) {
    const number = floats[i] as number;
    const step = scale === 0 ? 0 : Math.max(-byteSteps, Math.min(byteSteps, Math.round(number / scale)));
    bytes[i] = step;
    apart += (number - step * scale) ** 2;
  }
  scales[row] = scale;
  // A little more, for what was rounded before and will be rounded here.
  errors[row] = Math.sqrt(apart) * (1 + 1e-6) + norm * 2 ** -22;
}

/** The numbers that `row` stands for. */
export function floatsAt(rows: VectorRows, row: number, dimensions: number): Float32Array {
  const { form, stride, data, scales } = rows;
  if (form === "floats") {
    return new Float32Array(data.buffer, data.byteOffset + row * stride, dimensions);
  }
  const bytes = new Int8Array(data.buffer, data.byteOffset + row * stride, dimensions);
  const scale = scales[row] as number;
  const floats = new Float32Array(dimensions);
  for (let i = 0; i < dimensions; i++) floats[i] = (bytes[i] as number) * scale;
  return floats;
}

/** Adds what a row of bytes stands for, `weight` times, to `sum`. */
export function addRow(
  { stride, data, scales }: VectorRows,
  row: number,
  weight: number,
  sum: Float32Array,
): void {
  const bytes = new Int8Array(data.buffer, data.byteOffset + row * stride, sum.length);
  const factor = (scales[row] as number) * weight;
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (bytes[i] as number) * factor;
}

/** Copies `row` of `from` to `to`; floats become bytes where they must. */
export function copyRow(
  from: VectorRows,
  row: number,
  to: VectorRows,
  toRow: number,
  dimensions: number,
): void {
  if (from.form !== to.form) {
    putFloats(to, toRow, floatsAt(from, row, dimensions));
    return;
  }
  to.data.set(from.data.subarray(row * from.stride, (row + 1) * from.stride), toRow * to.stride);
  to.norms[toRow] = from.norms[row] as number;
  if (to.form === "floats") return;
  to.scales[toRow] = from.scales[row] as number;
  to.errors[toRow] = from.errors[row] as number;
}

/** A vector as the kernel takes it beside either form of rows. */
export interface QueryVector {
  readonly norm: number;
  readonly floats: Float32Array;
  readonly words: Int16Array;
  /** The value of one step of a word, and the distance of the words from the vector. */
  readonly wordScale: number;
  readonly wordError: number;
  readonly dimensions: number;
}

export function queryVector(vector: ArrayLike<number>): QueryVector {
  const { length } = vector;
  const floats = new Float32Array(strideOf("floats", length) / 4);
  const words = new Int16Array(strideOf("bytes", length));
  floats.set(vector);
  let squares = 0;
  let greatest = 0;
  for (let i = 0; i < length; i++) {
    squares += (vector[i] as number) ** 2;
    greatest = Math.max(greatest, Math.abs(vector[i] as number));
  }
  const wordScale = greatest / wordSteps;
  let apart = 0;
  for (let i = 0; i < length; i++) {
    const word = wordScale === 0 ? 0 : Math.round((vector[i] as number) / wordScale);
    words[i] = word;
    apart += ((vector[i] as number) - word * wordScale) ** 2;
  }
  return {
    norm: Math.sqrt(squares),
    floats,
    words,
    wordScale,
    wordError: Math.sqrt(apart),
    dimensions: length,
  };
}

/** The newest vectors of an index, as they come. */
export interface VectorTail {
  /** `row` is that of the item among the newest. */
  add(row: number, value: Value): void;
  /** The living ones: `documents` tells the document of each row, -1 for one that is gone. */
  column(documents: Int32Array): VectorColumn;
}

/** Rows that the newest vectors have room for at first. */
const tailRows = 64;

/** Floats, because the newest are few: searching them is as good as exact. */
export function createVectorTail(dimensions: number): VectorTail {
  const places: number[] = [];
  const odd: number[] = [];
  let store = allocateRows("floats", dimensions, tailRows);
  return {
    add(row, value) {
      const floats = packable(value, dimensions);
      if (floats === undefined) return;
      if (floats === "odd") {
        odd.push(row);
        return;
      }
      const at = places.push(row) - 1;
      if (at >= store.norms.length) store = grown(store, dimensions);
      putFloats(store, at, floats);
    },
    column(documents) {
      // Rows that come later are added behind these, so what a reader holds stays as it is.
      const known = (row: number): number => documents[row] ?? -1;
      const living = odd.map(known).filter((document) => document >= 0);
      return createVectorColumn(store, Int32Array.from(places, known), Uint32Array.from(living));
    },
  };
}

function grown(store: VectorRows, dimensions: number): VectorRows {
  const larger = allocateRows("floats", dimensions, store.norms.length * 2);
  larger.data.set(store.data);
  larger.norms.set(store.norms);
  return larger;
}

/**
 * Columns as bytes, for checkpoints: the arrays one after another as they lie in memory, each on a multiple of eight.
 * How long they are stands in the checkpoint's manifest.
 */
import { type Column, createColumn, type Ordinals, ordinalArray } from "./column.ts";
import type { StringPool } from "./strings.ts";

/** Lengths of the arrays of one column. */
export interface ColumnShape {
  readonly numbers: number;
  readonly strings: number;
  /** Code units of all strings, and whether they take two bytes. */
  readonly units: number;
  readonly wide: boolean;
  readonly entries: number;
  readonly hasEntryDocs: boolean;
  readonly signedZero: boolean;
  /** Length of the whole. */
  readonly bytes: number;
}

/** Arrays are written as the machine has them: a checkpoint of another byte order cannot be read. */
export const byteOrder: string =
  new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? "little-endian" : "big-endian";

const alignment = 8;

function aligned(length: number): number {
  return Math.ceil(length / alignment) * alignment;
}

export function encodeColumn(column: Column): { readonly shape: ColumnShape; readonly bytes: Uint8Array } {
  const { numbers, strings, ords, entryDocs, signedZero } = column;
  const arrays = [
    numbers,
    lengthsOf(strings),
    strings.units,
    ords,
    ...(entryDocs === undefined ? [] : [entryDocs]),
  ];
  const total = arrays.reduce((sum, { byteLength }) => sum + aligned(byteLength), 0);
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of arrays) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += aligned(byteLength);
  }
  const shape = {
    numbers: numbers.length,
    strings: strings.offsets.length - 1,
    units: strings.units.length,
    wide: strings.units.BYTES_PER_ELEMENT === 2,
    entries: ords.length,
    hasEntryDocs: entryDocs !== undefined,
    signedZero,
    bytes: total,
  };
  return { shape, bytes };
}

/** No key is longer than a byte can say. */
function lengthsOf({ offsets }: StringPool): Uint8Array {
  const lengths = new Uint8Array(offsets.length - 1);
  for (let i = 0; i < lengths.length; i++) lengths[i] = (offsets[i + 1] as number) - (offsets[i] as number);
  return lengths;
}

/** The column that `encodeColumn` made `bytes` from. They must begin on a multiple of eight and are kept. */
export function decodeColumn(shape: ColumnShape, bytes: Uint8Array): Column {
  const { buffer } = bytes;
  let at = bytes.byteOffset;
  const place = (byteLength: number): number => {
    const start = at;
    at += aligned(byteLength);
    return start;
  };
  const numbers = new Float64Array(buffer, place(shape.numbers * 8), shape.numbers);
  const lengths = new Uint8Array(buffer, place(shape.strings), shape.strings);
  const unitsAt = place(shape.units * (shape.wide ? 2 : 1));
  const units = shape.wide
    ? new Uint16Array(buffer, unitsAt, shape.units)
    : new Uint8Array(buffer, unitsAt, shape.units);
  const width = ordinalArray(shape.numbers + shape.strings + 6, 0).BYTES_PER_ELEMENT;
  const ords = ordinalsAt(buffer, place(shape.entries * width), shape.entries, width);
  const data = {
    numbers,
    strings: { offsets: offsetsOf(lengths), units },
    ords,
    signedZero: shape.signedZero,
  };
  if (!shape.hasEntryDocs) return createColumn(data);
  return createColumn({
    ...data,
    entryDocs: new Uint32Array(buffer, place(shape.entries * 4), shape.entries),
  });
}

function ordinalsAt(buffer: ArrayBufferLike, at: number, length: number, width: number): Ordinals {
  if (width === 1) return new Uint8Array(buffer, at, length);
  return width === 2 ? new Uint16Array(buffer, at, length) : new Uint32Array(buffer, at, length);
}

function offsetsOf(lengths: Uint8Array): Uint32Array {
  const offsets = new Uint32Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) offsets[i + 1] = (offsets[i] as number) + (lengths[i] as number);
  return offsets;
}

/** Vector columns as bytes for a checkpoint: a shape, and sections that are read back as they lie. */
import {
  createVectorColumn,
  strideOf,
  type VectorColumn,
  type VectorForm,
  type VectorRows,
} from "./vector-column.ts";
import { createVectorLists, type Probes } from "./vector-lists.ts";

export interface VectorShape {
  readonly form: VectorForm;
  readonly dimensions: number;
  readonly rows: number;
  readonly odd: number;
  readonly lists?: { readonly count: number; readonly probes: Probes };
}

/** Bytes of each section of a column of that shape, in their order. */
export function sectionSizes({ form, dimensions, rows, odd, lists }: VectorShape): readonly number[] {
  const packed = (count: number, of: VectorForm): readonly number[] => {
    const own = [strideOf(of, dimensions) * count, count * 4];
    return of === "bytes" ? [...own, count * 4, count * 4] : own;
  };
  const listed = lists === undefined ? [] : [(lists.count + 1) * 4, ...packed(lists.count, "bytes")];
  return [...packed(rows, form), rows * 4, odd * 4, ...listed];
}

/** The column without room that is left over; `dimensions` are those of its index. */
export function encodeVectors(
  column: VectorColumn,
  dimensions: number,
): { readonly shape: VectorShape; readonly sections: readonly Uint8Array[] } {
  const { form, rows, odd, documents, lists } = column;
  const shape: VectorShape = {
    ...{ form, dimensions, rows, odd: odd.length },
    ...(lists === undefined ? {} : { lists: { count: lists.centres.norms.length, probes: lists.probes } }),
  };
  const packed = ({ form: of, data, norms, scales, errors }: VectorRows): readonly ArrayBufferView[] =>
    of === "bytes" ? [data, norms, scales, errors] : [data, norms];
  const parts = [
    ...packed(column),
    documents,
    odd,
    ...(lists === undefined ? [] : [lists.starts, ...packed(lists.centres)]),
  ];
  const sizes = sectionSizes(shape);
  const sections = parts.map(({ buffer, byteOffset }, i) => new Uint8Array(buffer, byteOffset, sizes[i]));
  return { shape, sections };
}

/** The column of the sections that `encodeVectors` gave. */
export function decodeVectors(shape: VectorShape, sections: readonly Uint8Array[]): VectorColumn {
  const { form, dimensions, lists } = shape;
  let at = 0;
  const next = (): Uint8Array => sections[at++] ?? new Uint8Array();
  const floats = (): Float32Array => {
    const { buffer, byteOffset, byteLength } = next();
    return new Float32Array(buffer, byteOffset, byteLength / 4);
  };
  const whole = (): Uint32Array => {
    const { buffer, byteOffset, byteLength } = next();
    return new Uint32Array(buffer, byteOffset, byteLength / 4);
  };
  const packed = (of: VectorForm): VectorRows => ({
    form: of,
    stride: strideOf(of, dimensions),
    data: next(),
    norms: floats(),
    scales: of === "bytes" ? floats() : new Float32Array(),
    errors: of === "bytes" ? floats() : new Float32Array(),
  });
  const rows = packed(form);
  const documents = whole();
  const odd = whole();
  const ids = new Int32Array(documents.buffer, documents.byteOffset, documents.length);
  if (lists === undefined) return createVectorColumn(rows, ids, odd);
  const starts = whole();
  return createVectorColumn(rows, ids, odd, createVectorLists(starts, packed("bytes"), lists.probes));
}

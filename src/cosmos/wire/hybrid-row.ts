/**
 * Hybrid rows (microsoft/HybridRow), as far as flat ones go: a version, the number of the schema, presence bits, fixed
 * fields, variable fields, and sparse fields that name themselves. Apart from the schemas because the layout is the same
 * for each.
 *
 * Fixed fields keep their place when they are absent; variable ones are left out. A sparse field has a type, the token
 * of its path and a value. Tokens count the paths of the schema from 1; one past them means that the path is written
 * out, and how long it is.
 */
import { type ByteReader, byteReader } from "./byte-reader.ts";
import { MalformedBody } from "./malformed-body.ts";
import { HYBRID_ROW_VERSION } from "./record-io.ts";

/** Types with bytes of their own; a sparse boolean is only a type. */
type StoredType = "int32" | "uint32" | "float64" | "utf8" | "binary";

interface PlacedField {
  readonly path: string;
  readonly storage: "fixed" | "variable";
  readonly type: StoredType;
}

interface SparseField {
  readonly path: string;
  readonly storage: "sparse";
  readonly type: StoredType | "bool";
}

export type Field = PlacedField | SparseField;

/** A schema whose fixed fields come first, then the variable ones, then the sparse ones; all can be absent. */
export interface Schema {
  readonly id: number;
  readonly fields: readonly Field[];
}

export type Value = boolean | number | string | Uint8Array;

/** The fields of a row that are present, by path. */
export type Row = ReadonlyMap<string, Value>;

/** Types of sparse fields: those that rows here have, and the size of all others that are not nested. */
const CODES: Readonly<Record<StoredType, number>> = {
  int32: 7,
  uint32: 11,
  float64: 16,
  utf8: 20,
  binary: 21,
};
const CODE_NULL = 1;
const CODE_FALSE = 2;
const CODE_TRUE = 3;
const CODE_VARINT = 13;
const CODE_VARUINT = 14;
/** Bytes by code: int8 to int64, uint8 to uint64, float32, float64, decimal, dates, GUID, float128, object id. */
const SIZES: ReadonlyMap<number, number> = new Map([
  ...([5, 9] as const).map((code) => [code, 1] as const),
  ...([6, 10] as const).map((code) => [code, 2] as const),
  ...([7, 11, 15] as const).map((code) => [code, 4] as const),
  ...([8, 12, 16, 18, 23] as const).map((code) => [code, 8] as const),
  ...([17, 19, 22] as const).map((code) => [code, 16] as const),
  [24, 12],
]);

/** Reads one row of `schema`, which fills `bytes`. Throws `MalformedBody`. Fields that the schema lacks are skipped. */
export function readRow(schema: Schema, bytes: Uint8Array): Row {
  const reader = byteReader(bytes);
  if (reader.uint8() !== HYBRID_ROW_VERSION) throw new MalformedBody("a record is not a hybrid row");
  const id = reader.int(4);
  if (id !== schema.id) throw new MalformedBody(`a record has schema ${id} instead of ${schema.id}`);
  const row = new Map<string, Value>();
  const placed = placedFields(schema);
  const presence = reader.take(Math.ceil(placed.length / 8));
  for (const [i, field] of placed.entries()) {
    const present = ((presence[i >> 3] ?? 0) >> (i & 7)) & 1;
    if (field.storage === "fixed" || present) {
      const value = readValue(reader, field.type);
      if (present) row.set(field.path, value);
    }
  }
  while (reader.position < reader.end) readSparse(schema, reader, row);
  return row;
}

/** Writes the fields of `row`, all of which `schema` has with their types. */
export function writeRow(schema: Schema, row: Row): Uint8Array {
  const placed = placedFields(schema);
  const presence = Buffer.alloc(Math.ceil(placed.length / 8));
  const header = Buffer.alloc(5);
  header.writeUInt8(HYBRID_ROW_VERSION);
  header.writeInt32LE(schema.id, 1);
  const parts: Uint8Array[] = [header, presence];
  for (const [i, field] of placed.entries()) {
    const value = row.get(field.path);
    if (value !== undefined) presence[i >> 3] = (presence[i >> 3] ?? 0) | (1 << (i & 7));
    if (field.storage === "fixed") parts.push(encodeValue(field.type, value ?? 0));
    else if (value !== undefined) parts.push(encodeValue(field.type, value));
  }
  for (const [i, field] of schema.fields.entries()) {
    const value = row.get(field.path);
    if (field.storage !== "sparse" || value === undefined) continue;
    const code = field.type === "bool" ? (value === true ? CODE_TRUE : CODE_FALSE) : CODES[field.type];
    parts.push(Uint8Array.of(code), encodeVaruint(i + 1));
    if (field.type !== "bool") parts.push(encodeValue(field.type, value));
  }
  return Buffer.concat(parts);
}

function placedFields(schema: Schema): readonly PlacedField[] {
  return schema.fields.filter((field) => field.storage !== "sparse");
}

function readSparse(schema: Schema, reader: ByteReader, row: Map<string, Value>): void {
  const at = reader.position;
  const code = reader.uint8();
  const token = reader.varuint();
  // The empty path has token 0, so there is one token more than there are fields.
  const written = token - schema.fields.length - 1;
  const path = written >= 0 ? reader.text(written) : (schema.fields[token - 1]?.path ?? "");
  const field = schema.fields.find((one) => one.path === path && one.storage === "sparse");
  if (field === undefined || code === CODE_NULL) skipValue(reader, code, at);
  else if (field.type === "bool" && (code === CODE_TRUE || code === CODE_FALSE))
    row.set(path, code === CODE_TRUE);
  else if (field.type !== "bool" && code === CODES[field.type]) row.set(path, readValue(reader, field.type));
  else throw new MalformedBody(`the field ${path} has type ${code}, which is not ${field.type}`);
}

function skipValue(reader: ByteReader, code: number, at: number): void {
  const size = SIZES.get(code);
  if (size !== undefined) reader.take(size);
  else if (code === CODES.utf8 || code === CODES.binary) reader.take(reader.varuint());
  else if (code === CODE_VARINT || code === CODE_VARUINT) skipVarint(reader);
  else if (code > CODE_TRUE || code < CODE_NULL) {
    throw new MalformedBody(`the field at byte ${at} of a row has type ${code}, which is not supported`);
  }
}

function skipVarint(reader: ByteReader): void {
  while (reader.uint8() >= 0x80);
}

function readValue(reader: ByteReader, type: StoredType): Value {
  switch (type) {
    case "int32":
      return reader.int(4);
    case "uint32":
      return reader.uint(4);
    case "float64":
      return reader.float64();
    case "utf8":
      return reader.text(reader.varuint());
    case "binary":
      return reader.take(reader.varuint());
  }
}

function encodeValue(type: StoredType, value: Value): Uint8Array {
  if (type === "utf8" || type === "binary") {
    const bytes = typeof value === "string" ? Buffer.from(value) : (value as Uint8Array);
    return Buffer.concat([encodeVaruint(bytes.length), bytes]);
  }
  const fixed = Buffer.alloc(type === "float64" ? 8 : 4);
  if (type === "int32") fixed.writeInt32LE(Number(value));
  else if (type === "uint32") fixed.writeUInt32LE(Number(value));
  else fixed.writeDoubleLE(Number(value));
  return fixed;
}

function encodeVaruint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}

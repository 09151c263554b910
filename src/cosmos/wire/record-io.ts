/**
 * RecordIO, the stream of records that carries hybrid rows (microsoft/HybridRow, RecordIO.md): a segment header, then
 * each record behind a header with its length and checksum. Apart from the rows because it does not look into them.
 *
 * The headers are hybrid rows themselves, of a system schema that never changes: version 81, the number of the schema,
 * and the fields. Only the segment's length can be absent, so it has a byte of presence bits before it. Comments in a
 * segment header, which follow its length, are skipped.
 */
import { type ByteReader, byteReader } from "./byte-reader.ts";
import { MalformedBody } from "./malformed-body.ts";

/** The first byte of every hybrid row, and so of every stream. */
export const HYBRID_ROW_VERSION = 0x81;

const SEGMENT_SCHEMA = 2147473648;
const RECORD_SCHEMA = 2147473649;

const SEGMENT_BYTES = 10;
const RECORD_HEADER_BYTES = 13;

/** The records of `stream`, as views on it. Throws `MalformedBody`. */
export function readRecords(stream: Uint8Array): Uint8Array[] {
  const reader = byteReader(stream);
  const records: Uint8Array[] = [];
  if (readHeader(reader) !== SEGMENT_SCHEMA)
    throw new MalformedBody("the stream does not begin with a segment");
  skipSegment(reader);
  while (reader.position < reader.end) {
    const at = reader.position;
    const schema = readHeader(reader);
    if (schema === SEGMENT_SCHEMA) skipSegment(reader);
    else if (schema === RECORD_SCHEMA) {
      const length = reader.int(4);
      const checksum = reader.uint(4);
      if (length < 0) throw new MalformedBody(`the record at byte ${at} has a negative length`);
      const record = reader.take(length);
      if (crc32(record) !== checksum)
        throw new MalformedBody(`the record at byte ${at} has a wrong checksum`);
      records.push(record);
    } else throw new MalformedBody(`byte ${at} begins neither a segment nor a record`);
  }
  return records;
}

/** One segment with `records`. */
export function writeRecords(records: readonly Uint8Array[]): Uint8Array {
  const size = records.reduce((sum, record) => sum + RECORD_HEADER_BYTES + record.length, SEGMENT_BYTES);
  const stream = Buffer.alloc(size);
  let at = writeHeader(stream, 0, SEGMENT_SCHEMA);
  at = stream.writeUInt8(1, at);
  at = stream.writeInt32LE(SEGMENT_BYTES, at);
  for (const record of records) {
    at = writeHeader(stream, at, RECORD_SCHEMA);
    at = stream.writeInt32LE(record.length, at);
    at = stream.writeUInt32LE(crc32(record), at);
    stream.set(record, at);
    at += record.length;
  }
  return stream;
}

/** Reads the version, and returns the number of the schema. */
function readHeader(reader: ByteReader): number {
  const at = reader.position;
  if (reader.uint8() !== HYBRID_ROW_VERSION) throw new MalformedBody(`no hybrid row begins at byte ${at}`);
  return reader.int(4);
}

function writeHeader(stream: Buffer, at: number, schema: number): number {
  return stream.writeInt32LE(schema, stream.writeUInt8(HYBRID_ROW_VERSION, at));
}

/** Reads the rest of a segment's header: its length counts from its first byte. */
function skipSegment(reader: ByteReader): void {
  const present = reader.uint8();
  const length = reader.int(4);
  if ((present & 1) === 0 || length < SEGMENT_BYTES) {
    throw new MalformedBody(`the segment header before byte ${reader.position} has no length`);
  }
  reader.take(length - SEGMENT_BYTES);
}

const CRC_POLYNOMIAL = 0xedb88320;

/** What each low byte does to the checksum. */
const crcTable: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CRC_POLYNOMIAL : value >>> 1;
  return value;
});

/** The CRC-32 of ISO 3309, unsigned. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ (crcTable[(value ^ byte) & 0xff] ?? 0);
  return (value ^ 0xffffffff) >>> 0;
}

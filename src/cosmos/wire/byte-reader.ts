/**
 * Reads numbers, lengths and text from bytes, never past an end. Apart from the formats because hybrid rows, record
 * streams and binary JSON are all little-endian and all come from outside.
 */
import { MalformedBody } from "./malformed-body.ts";

export interface ByteReader {
  /** Offset of the next byte in the whole input. */
  readonly position: number;
  /** Offset at which reading ends. */
  readonly end: number;
  /** The next `length` bytes, a view on the input. */
  take(length: number): Uint8Array;
  uint8(): number;
  /** An unsigned number of 1, 2, 3 or 4 bytes. */
  uint(bytes: 1 | 2 | 3 | 4): number;
  /** A signed number of 1, 2 or 4 bytes. */
  int(bytes: 1 | 2 | 4): number;
  uint64(): bigint;
  int64(): bigint;
  float32(): number;
  float64(): number;
  /** An unsigned number in groups of seven bits, the lowest first; below 2^32. */
  varuint(): number;
  /** `length` bytes of UTF-8. */
  text(length: number): string;
  /** Runs `read` with the end moved to `length` bytes from here; it must read exactly up to there. */
  within<T>(length: number, read: () => T): T;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const VARUINT_BYTES_MAX = 5;

/** A reader of `bytes` from `start` on. Every method throws `MalformedBody` where bytes are missing or wrong. */
export function byteReader(bytes: Uint8Array, start = 0): ByteReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = start;
  let end = bytes.length;
  const advance = (length: number): number => {
    const at = position;
    if (length > end - at) throw new MalformedBody(`${length} bytes are missing or cut off at byte ${at}`);
    position = at + length;
    return at;
  };
  const uint8 = (): number => view.getUint8(advance(1));
  return {
    get position() {
      return position;
    },
    get end() {
      return end;
    },
    take(length) {
      const at = advance(length);
      return bytes.subarray(at, at + length);
    },
    uint8,
    uint(length) {
      const at = advance(length);
      if (length === 1) return view.getUint8(at);
      if (length === 2) return view.getUint16(at, true);
      if (length === 3) return view.getUint16(at, true) + view.getUint8(at + 2) * 0x10000;
      return view.getUint32(at, true);
    },
    int(length) {
      const at = advance(length);
      if (length === 1) return view.getInt8(at);
      return length === 2 ? view.getInt16(at, true) : view.getInt32(at, true);
    },
    uint64: () => view.getBigUint64(advance(8), true),
    int64: () => view.getBigInt64(advance(8), true),
    float32: () => view.getFloat32(advance(4), true),
    float64: () => view.getFloat64(advance(8), true),
    varuint: () => readVaruint(uint8, position),
    text(length) {
      const at = advance(length);
      return readText(bytes.subarray(at, at + length), at);
    },
    within(length, read) {
      const outer = end;
      if (length > outer - position) {
        throw new MalformedBody(`${length} bytes are missing or cut off at byte ${position}`);
      }
      end = position + length;
      const result = read();
      if (position !== end) throw new MalformedBody(`unexpected bytes from byte ${position} on`);
      end = outer;
      return result;
    },
  };
}

function readVaruint(nextByte: () => number, at: number): number {
  let value = 0;
  for (let i = 0; i < VARUINT_BYTES_MAX; i++) {
    const byte = nextByte();
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80 && value <= 0xffffffff) return value;
    if (byte < 0x80) break;
  }
  throw new MalformedBody(`the number at byte ${at} is too large`);
}

function readText(bytes: Uint8Array, at: number): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new MalformedBody(`the text at byte ${at} is not UTF-8`);
  }
}

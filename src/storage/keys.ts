/**
 * Order-preserving keys: a tuple of values becomes bytes whose unsigned order is the order of the tuples. It is
 * apart from the adapters because every room encodes its keys here while no adapter looks inside them.
 *
 * Each part is one tag byte followed by its payload; tags rise in the order of the types. A number is the eight
 * bytes of the IEEE double, big-endian, with the sign bit flipped (and all other bits too when it is negative).
 * Strings and bytes end with 00; a 00 inside them is written 00 FF. As no tag is FF, the terminator always sorts
 * before an escaped zero, so "a" comes before "a\0" whatever part follows.
 */
import type { KeyRange } from "./port.ts";

export type KeyPart = null | boolean | number | string | Uint8Array;

const TAG_NULL = 0x02;
const TAG_FALSE = 0x03;
const TAG_TRUE = 0x04;
const TAG_NUMBER = 0x05;
const TAG_STRING = 0x06;
const TAG_BYTES = 0x07;
const ESCAPE = 0xff;

const NUMBER_BYTES = 8;

/**
 * The key of `parts`. Order of keys = order of tuples: null < false < true < numbers (-0 equals 0) < strings (by
 * code point) < byte strings, and a tuple comes before every tuple that extends it. Throws `RangeError` for NaN,
 * which has no place in the order.
 */
export function encodeKey(parts: readonly KeyPart[]): Uint8Array {
  return encodeParts(parts, 0);
}

/** The tuple that `encodeKey` made `bytes` from (-0 comes back as 0). Throws `RangeError` if no tuple did. */
export function decodeKey(bytes: Uint8Array): KeyPart[] {
  const parts: KeyPart[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at++];
    if (tag === TAG_NULL) parts.push(null);
    else if (tag === TAG_FALSE) parts.push(false);
    else if (tag === TAG_TRUE) parts.push(true);
    else if (tag === TAG_NUMBER) {
      if (at + NUMBER_BYTES > bytes.length) throw malformed(at);
      parts.push(readNumber(bytes, at));
      at += NUMBER_BYTES;
    } else if (tag === TAG_STRING || tag === TAG_BYTES) {
      const end = findTerminator(bytes, at);
      const payload = unescapeZeros(bytes, at, end);
      parts.push(tag === TAG_STRING ? decodeText(payload) : payload);
      at = end + 1;
    } else throw malformed(at - 1);
  }
  return parts;
}

/** The range of every key whose tuple starts with `parts`, the tuple itself included. */
export function prefixRange(parts: readonly KeyPart[]): KeyRange {
  const end = encodeParts(parts, 1);
  end[end.length - 1] = ESCAPE;
  return { start: end.subarray(0, -1), end };
}

/** The smallest key greater than `key`: where a scan that stopped at `key` goes on. */
export function after(key: Uint8Array): Uint8Array {
  const next = Buffer.allocUnsafe(key.length + 1);
  next.set(key);
  next[key.length] = 0;
  return next;
}

/**
 * The number at the end of a key, or the one with `later` parts after it, without decoding what stands before. Throws
 * `RangeError` unless all of these parts are numbers.
 */
export function trailingNumber(key: Uint8Array, later = 0): number {
  const start = key.length - (later + 1) * (1 + NUMBER_BYTES);
  if (start < 0) throw malformed(key.length);
  for (let at = start; at < key.length; at += 1 + NUMBER_BYTES)
    if (key[at] !== TAG_NUMBER) throw malformed(at);
  return readNumber(key, start + 1);
}

/** Negative, zero or positive as `a` sorts before, equal to or after `b` in unsigned byte order. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Encodes `parts` and leaves `spare` unset bytes at the end. */
function encodeParts(parts: readonly KeyPart[], spare: number): Uint8Array {
  let size = spare;
  for (const part of parts) size += encodedSize(part);
  // Taken from Node's buffer pool: a `Uint8Array` of its own costs a microsecond once it is past 64 bytes.
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) at = writePart(out, at, part);
  return out;
}

function encodedSize(part: KeyPart): number {
  if (typeof part === "string") return textSize(part);
  if (typeof part === "number") return 1 + NUMBER_BYTES;
  if (part === null || typeof part === "boolean") return 1;
  let size = part.length + 2;
  for (const byte of part) if (byte === 0) size++;
  return size;
}

function textSize(text: string): number {
  let size = text.length + 2;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0) size += 1;
    else if (unit < 0x80) continue;
    else if (unit < 0x800) size += 1;
    else if (isPair(text, i)) {
      size += 2;
      i++;
    } else size += 2;
  }
  return size;
}

function writePart(out: Uint8Array, at: number, part: KeyPart): number {
  if (typeof part === "string") return writeText(out, at, part);
  if (typeof part === "number") return writeNumber(out, at, part);
  if (part === null || typeof part === "boolean") {
    out[at] = part === null ? TAG_NULL : part ? TAG_TRUE : TAG_FALSE;
    return at + 1;
  }
  out[at++] = TAG_BYTES;
  for (const byte of part) {
    out[at++] = byte;
    if (byte === 0) out[at++] = ESCAPE;
  }
  out[at++] = 0;
  return at;
}

/**
 * UTF-8, except that a surrogate without its partner keeps its own three bytes: JSON may carry one, two ids that
 * differ only there must stay two keys, and the order by code point holds for it as well.
 */
function writeText(out: Uint8Array, start: number, text: string): number {
  let at = start;
  out[at++] = TAG_STRING;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      out[at++] = unit;
      if (unit === 0) out[at++] = ESCAPE;
    } else if (unit < 0x800) {
      out[at++] = 0xc0 | (unit >> 6);
      out[at++] = 0x80 | (unit & 0x3f);
    } else if (isPair(text, i)) {
      const point = 0x10000 + ((unit & 0x3ff) << 10) + (text.charCodeAt(++i) & 0x3ff);
      out[at++] = 0xf0 | (point >> 18);
      out[at++] = 0x80 | ((point >> 12) & 0x3f);
      out[at++] = 0x80 | ((point >> 6) & 0x3f);
      out[at++] = 0x80 | (point & 0x3f);
    } else {
      out[at++] = 0xe0 | (unit >> 12);
      out[at++] = 0x80 | ((unit >> 6) & 0x3f);
      out[at++] = 0x80 | (unit & 0x3f);
    }
  }
  out[at++] = 0;
  return at;
}

function isPair(text: string, i: number): boolean {
  return (text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
}

function writeNumber(out: Uint8Array, at: number, value: number): number {
  if (Number.isNaN(value)) throw new RangeError("NaN cannot be part of a key");
  out[at] = TAG_NUMBER;
  Buffer.prototype.writeDoubleBE.call(out, value === 0 ? 0 : value, at + 1);
  if (value < 0) for (let i = 1; i <= NUMBER_BYTES; i++) out[at + i] = ~(out[at + i] as number);
  else out[at + 1] = (out[at + 1] as number) | 0x80;
  return at + 1 + NUMBER_BYTES;
}

function readNumber(bytes: Uint8Array, at: number): number {
  // With its sign bit flipped a number that is not negative reads as its opposite.
  if ((bytes[at] as number) >= 0x80) return -Buffer.prototype.readDoubleBE.call(bytes, at);
  const raw = Buffer.allocUnsafe(NUMBER_BYTES);
  for (let i = 0; i < NUMBER_BYTES; i++) raw[i] = ~(bytes[at + i] as number);
  return raw.readDoubleBE(0);
}

function findTerminator(bytes: Uint8Array, start: number): number {
  for (let at = start; at < bytes.length; at++) {
    if (bytes[at] !== 0) continue;
    if (bytes[at + 1] !== ESCAPE) return at;
    at++;
  }
  throw malformed(bytes.length);
}

function unescapeZeros(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const raw = new Uint8Array(bytes.subarray(start, end));
  let length = 0;
  for (let i = 0; i < raw.length; i++) {
    const byte = raw[i] as number;
    raw[length++] = byte;
    if (byte === 0) i++;
  }
  return length === raw.length ? raw : raw.slice(0, length);
}

function decodeText(payload: Uint8Array): string {
  let text = "";
  for (let i = 0; i < payload.length; i++) {
    const lead = payload[i] as number;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      continue;
    }
    const extra = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    let point = lead & (0x3f >> extra);
    for (let k = 0; k < extra; k++) point = (point << 6) | ((payload[++i] ?? 0) & 0x3f);
    if (point > 0x10ffff) throw malformed(i);
    text += String.fromCodePoint(point);
  }
  return text;
}

function malformed(at: number): RangeError {
  return new RangeError(`not an encoded key: byte ${at} is out of place`);
}

/**
 * The few forms of DER (ITU-T X.690) that certificates are made of. Pure; values go in, bytes come out.
 */

export type Bytes = Uint8Array;

const firstGeneralizedYear = 2050;

/** A value with its tag and length; contents up to 64 KB. */
export function tlv(tag: number, ...content: readonly Bytes[]): Bytes {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const head = [tag];
  if (length < 0x80) head.push(length);
  else if (length < 0x100) head.push(0x81, length);
  else head.push(0x82, length >> 8, length & 0xff);
  return Buffer.concat([Uint8Array.from(head), ...content]);
}

export function sequence(...content: readonly Bytes[]): Bytes {
  return tlv(0x30, ...content);
}

/** A positive integer: no superfluous leading zero bytes, and one where the first bit would read as a sign. */
export function integer(bytes: Bytes): Bytes {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  const negative = ((digits[0] ?? 0) & 0x80) !== 0;
  return negative ? tlv(0x02, Uint8Array.of(0), digits) : tlv(0x02, digits);
}

export function objectIdentifier(dotted: string): Bytes {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Uint8Array.from(bytes));
}

export const nothing: Bytes = Uint8Array.of(0x05, 0x00);
export const yes: Bytes = Uint8Array.of(0x01, 0x01, 0xff);

export function octetString(content: Bytes): Bytes {
  return tlv(0x04, content);
}

/** A bit string; `unused` is the number of bits at the end that do not count. */
export function bitString(content: Bytes, unused: number = 0): Bytes {
  return tlv(0x03, Uint8Array.of(unused), content);
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5); milliseconds since the epoch. */
export function time(milliseconds: number): Bytes {
  const date = new Date(milliseconds);
  const digits = date.toISOString().replace(/[-:T]/g, "").slice(0, 14);
  const long = date.getUTCFullYear() >= firstGeneralizedYear;
  return tlv(long ? 0x18 : 0x17, Buffer.from(`${long ? digits : digits.slice(2)}Z`, "ascii"));
}

/** The elements inside the outermost value of `bytes`, each whole. Throws RangeError where lengths do not fit. */
export function elements(bytes: Bytes): readonly Bytes[] {
  const { start, end } = extent(bytes, 0);
  const found: Bytes[] = [];
  for (let at = start; at < end; ) {
    const next = extent(bytes, at).end;
    found.push(bytes.subarray(at, next));
    at = next;
  }
  return found;
}

/** Where the content of the value at `at` begins and ends. */
function extent(bytes: Bytes, at: number): { readonly start: number; readonly end: number } {
  const first = bytes[at + 1] ?? 0;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  let length = lengthBytes === 0 ? first : 0;
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0);
  const start = at + 2 + lengthBytes;
  if (lengthBytes > 4 || start + length > bytes.length) throw new RangeError("the DER value is cut off");
  return { start, end: start + length };
}

/**
 * The strings of CosmosBinary: plain, from the dictionary that every client knows, by reference to an earlier one, and
 * packed in a dozen ways. Apart from the other values because they are most of the format.
 */
import { type ByteReader, byteReader } from "./byte-reader.ts";
import { MalformedBody } from "./malformed-body.ts";

/** String markers lie between these, with gaps. */
const FIRST = 0x20;
const LAST = 0xc6;

const SYSTEM_END = 0x40;
const USER_END = 0x68;
const BASE64_LENGTH1 = 0x71;
const BASE64_URL_LENGTH2 = 0x74;
const GUID_LOWER = 0x75;
const GUID_UPPER = 0x76;
const GUID_QUOTED = 0x77;
const PLAIN = 0x80;
const PLAIN_END = 0xc0;
const PLAIN_LENGTH4 = 0xc2;
const REFERENCE1 = 0xc3;

/** The dictionary of names that are common in items, by marker from 20 on. The order is the service's. */
const SYSTEM_STRINGS: readonly string[] = (
  "$s $t $v _attachments _etag _rid _self _ts attachments/ coordinates geometry GeometryCollection id url Value label " +
  "LineString link MultiLineString MultiPoint MultiPolygon name Name Type Point Polygon properties type value Feature " +
  "FeatureCollection _id"
).split(" ");

/** Strings of sixteen different characters, by marker: two to a byte, the first in the low half. */
const ALPHABETS: ReadonlyMap<number, string> = new Map([
  [0x78, "0123456789abcdef"],
  [0x79, "0123456789ABCDEF"],
  [0x7a, " 0123456789:-.TZ"],
]);

/** Strings whose characters lie close together, by marker: bits of a character, whether they count from a base. */
const PACKED: ReadonlyMap<number, { readonly bits: number; readonly based: boolean; readonly width: 1 | 2 }> =
  new Map([
    [0x7b, { bits: 4, based: true, width: 1 }],
    [0x7c, { bits: 5, based: true, width: 1 }],
    [0x7d, { bits: 6, based: true, width: 1 }],
    [0x7e, { bits: 7, based: false, width: 1 }],
    [0x7f, { bits: 7, based: false, width: 2 }],
  ]);

/** Whether a value with this marker is a string. */
export function isStringMarker(marker: number): boolean {
  return marker >= FIRST && marker <= LAST;
}

/** The string whose `marker`, at byte `at` of `body`, has just been read. Throws `MalformedBody`. */
export function readString(body: Uint8Array, reader: ByteReader, marker: number, at: number): string {
  if (marker < REFERENCE1) return readDirectly(reader, marker, at);
  const target = reader.uint(([1, 2, 3, 4] as const)[marker - REFERENCE1] ?? 4);
  const targetMarker = body[target] ?? 0;
  // One reference to another could go round in circles; no writer makes any.
  if (target >= at || target === 0 || !isStringMarker(targetMarker) || targetMarker >= REFERENCE1) {
    throw new MalformedBody(`the reference at byte ${at} is not to an earlier string`);
  }
  return readDirectly(byteReader(body, target + 1), targetMarker, target);
}

function readDirectly(reader: ByteReader, marker: number, at: number): string {
  if (marker < SYSTEM_END) return SYSTEM_STRINGS[marker - FIRST] ?? "";
  if (marker < USER_END) {
    throw new MalformedBody(`the string at byte ${at} is in a dictionary that the body does not have`);
  }
  if (marker >= PLAIN && marker < PLAIN_END) return reader.text(marker - PLAIN);
  if (marker >= PLAIN_END && marker <= PLAIN_LENGTH4) {
    return reader.text(reader.uint(([1, 2, 4] as const)[marker - PLAIN_END] ?? 4));
  }
  if (marker >= BASE64_LENGTH1 && marker <= BASE64_URL_LENGTH2) return readBase64(reader, marker, at);
  if (marker >= GUID_LOWER && marker <= GUID_QUOTED) return readGuid(reader, marker);
  const alphabet = ALPHABETS.get(marker);
  if (alphabet !== undefined) return readHalves(reader, alphabet, at);
  const packing = PACKED.get(marker);
  if (packing === undefined)
    throw new MalformedBody(`the marker 0x${marker.toString(16)} at byte ${at} is unknown`);
  return readPacked(reader, packing.bits, reader.uint(packing.width), packing.based ? reader.uint8() : 0, at);
}

/** A GUID as its text has it: two digits to a byte, the first in the low half as in all packed strings. */
function readGuid(reader: ByteReader, marker: number): string {
  const hex = Buffer.from(reader.take(16).map((byte) => (byte << 4) | (byte >> 4))).toString("hex");
  const text = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
    "-",
  );
  if (marker === GUID_UPPER) return text.toUpperCase();
  return marker === GUID_QUOTED ? `"${text}"` : text;
}

/**
 * Text in base64, kept as the bytes that it stands for. Before them: how many groups of four characters there are, and
 * how many characters at the end are padding. The padding inverted means that the text goes without it.
 */
function readBase64(reader: ByteReader, marker: number, at: number): string {
  const shape = marker - BASE64_LENGTH1;
  const groups = reader.uint(shape % 2 === 0 ? 1 : 2);
  const given = reader.uint8();
  const omitted = given > 2;
  const padding = omitted ? given ^ 0xff : given;
  if (padding > 2 || (groups === 0 && padding > 0)) {
    throw new MalformedBody(`the base64 string at byte ${at} has a wrong padding`);
  }
  const bytes = Buffer.from(reader.take(groups * 3 - padding));
  const standard = bytes.toString("base64");
  const text = shape < 2 ? standard : standard.replaceAll("+", "-").replaceAll("/", "_");
  return omitted ? text.slice(0, text.length - padding) : text;
}

function readHalves(reader: ByteReader, alphabet: string, at: number): string {
  const length = reader.uint8();
  const bytes = reader.take(Math.ceil(length / 2));
  let text = "";
  for (const byte of bytes) text += alphabet.charAt(byte & 15) + alphabet.charAt(byte >> 4);
  if (length % 2 === 1 && (bytes[bytes.length - 1] ?? 0) > 15) {
    throw new MalformedBody(`the string at byte ${at} does not end where it says`);
  }
  return text.slice(0, length);
}

/** Characters of `bits` bits each, the lowest bits first, counted from `base`; all of them are ASCII. */
function readPacked(reader: ByteReader, bits: number, length: number, base: number, at: number): string {
  const bytes = reader.take(Math.ceil((length * bits) / 8));
  const codes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const bit = i * bits;
    const pair = (bytes[bit >> 3] ?? 0) | ((bytes[(bit >> 3) + 1] ?? 0) << 8);
    const code = ((pair >> (bit & 7)) & ((1 << bits) - 1)) + base;
    if (code > 0x7f) throw new MalformedBody(`the string at byte ${at} has a character that is not ASCII`);
    codes[i] = code;
  }
  return Buffer.from(codes).toString("latin1");
}

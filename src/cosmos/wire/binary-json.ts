/**
 * CosmosBinary, the binary form of JSON in which clients may send bodies, turned into JSON text. Apart from the body
 * reader because it is a format of its own; everything behind it goes on with text as if it had been sent.
 *
 * The layout is public: `JsonBinaryEncoding` in azure-cosmos-dotnet-v3, BINARY_ENCODING_SPEC.md in azure-sdk-for-rust.
 * After the first byte (80), every value begins with a marker that says how the bytes behind it are to be read; numbers
 * and lengths are little-endian.
 */

import { isStringMarker, readString } from "./binary-json-strings.ts";
import { type ByteReader, byteReader } from "./byte-reader.ts";
import { MalformedBody } from "./malformed-body.ts";

/** The first byte: no JSON text begins with it. */
const PREAMBLE = 0x80;

/** Deepest nesting that is read. */
const DEPTH_MAX = 256;

/** Longest text that is made, in UTF-16 units: references make short bodies long. */
const TEXT_MAX = 16 << 20;

/** Markers with a meaning of their own; ranges of markers are compared where they are used. */
const LITERAL_END = 0x20;
const UINT64 = 0xc7;
const NULL = 0xd0;
const FALSE = 0xd1;
const TRUE = 0xd2;
const GUID = 0xd3;
const BINARY_LENGTH1 = 0xdd;
const BINARY_LENGTH4 = 0xdf;
const ARRAY = 0xe0;
const OBJECT = 0xe8;
const NUMBERS_COUNT1 = 0xf0;
const NUMBERS_COUNT2 = 0xf1;
const NUMBER_ARRAYS_COUNT1 = 0xf2;
const NUMBER_ARRAYS_COUNT2 = 0xf3;

/** How arrays and objects are framed, in the order of their markers. */
type Frame =
  | { readonly kind: "empty" | "single" }
  | { readonly kind: "length"; readonly width: 1 | 2 | 4; readonly counted: boolean };
const FRAMES: readonly Frame[] = [
  { kind: "empty" },
  { kind: "single" },
  { kind: "length", width: 1, counted: false },
  { kind: "length", width: 2, counted: false },
  { kind: "length", width: 4, counted: false },
  { kind: "length", width: 1, counted: true },
  { kind: "length", width: 2, counted: true },
  { kind: "length", width: 4, counted: true },
];

/** Numbers by marker: on their own (C8 to CE), with their type kept (D7 to DC, CD, CE), and in uniform arrays. */
const NUMBERS: ReadonlyMap<number, (reader: ByteReader) => string> = new Map([
  [UINT64, (reader) => String(reader.uint64())],
  [0xc8, (reader) => String(reader.uint(1))],
  [0xc9, (reader) => String(reader.int(2))],
  [0xca, (reader) => String(reader.int(4))],
  [0xcb, (reader) => String(reader.int64())],
  [0xcc, (reader) => double(reader.float64())],
  [0xcd, (reader) => double(reader.float32())],
  [0xce, (reader) => double(reader.float64())],
  [0xd7, (reader) => String(reader.uint(1))],
  [0xd8, (reader) => String(reader.int(1))],
  [0xd9, (reader) => String(reader.int(2))],
  [0xda, (reader) => String(reader.int(4))],
  [0xdb, (reader) => String(reader.int64())],
  [0xdc, (reader) => String(reader.uint(4))],
]);

/** The markers of `NUMBERS` that the items of a uniform array may have. */
const UNIFORM: ReadonlySet<number> = new Set([0xcd, 0xce, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc]);

/** Whether a body is in this form. */
export function isBinaryJson(body: Uint8Array): boolean {
  return body[0] === PREAMBLE;
}

/**
 * The JSON text of `body`: integers with all their digits, GUIDs as their usual text, binary values as base64. Throws
 * `MalformedBody` if the body does not follow the layout, is nested more than 256 levels deep, has text of more than
 * 16 Mi characters, or has strings from a dictionary, which requests do not carry.
 */
export function binaryJsonToText(body: Uint8Array): string {
  const reader = byteReader(body);
  if (!isBinaryJson(body)) throw new MalformedBody("the body is not binary JSON");
  reader.uint8();
  const text = textSink();
  writeValue(body, reader, text, 0);
  if (reader.position < reader.end) {
    throw new MalformedBody(`unexpected bytes from byte ${reader.position} on`);
  }
  return text.join();
}

/** Collects text up to a limit. */
interface TextSink {
  add(part: string): void;
  join(): string;
}

function textSink(): TextSink {
  const parts: string[] = [];
  let length = 0;
  return {
    add(part) {
      length += part.length;
      if (length > TEXT_MAX) throw new MalformedBody("the text of the binary JSON is too long");
      parts.push(part);
    },
    join: () => parts.join(""),
  };
}

function writeValue(body: Uint8Array, reader: ByteReader, text: TextSink, depth: number): void {
  if (depth > DEPTH_MAX) throw new MalformedBody(`the body is nested more than ${DEPTH_MAX} levels deep`);
  const at = reader.position;
  const marker = reader.uint8();
  const number = NUMBERS.get(marker);
  if (number !== undefined) text.add(number(reader));
  else if (marker < LITERAL_END) text.add(String(marker));
  else if (isStringMarker(marker)) text.add(JSON.stringify(readString(body, reader, marker, at)));
  else if (marker === NULL) text.add("null");
  else if (marker === FALSE || marker === TRUE) text.add(String(marker === TRUE));
  else if (marker === GUID) text.add(`"${guid(reader.take(16))}"`);
  else if (marker >= BINARY_LENGTH1 && marker <= BINARY_LENGTH4) {
    const width = ([1, 2, 4] as const)[marker - BINARY_LENGTH1] ?? 1;
    text.add(`"${Buffer.from(reader.take(reader.uint(width))).toString("base64")}"`);
  } else if (marker >= ARRAY && marker < OBJECT) {
    writeItems(reader, marker - ARRAY, text, "[]", () => writeValue(body, reader, text, depth + 1));
  } else if (marker >= OBJECT && marker < NUMBERS_COUNT1) {
    writeItems(reader, marker - OBJECT, text, "{}", () => writeMember(body, reader, text, depth + 1));
  } else if (marker === NUMBERS_COUNT1 || marker === NUMBERS_COUNT2) {
    const width = marker === NUMBERS_COUNT1 ? 1 : 2;
    const item = uniformNumber(reader);
    writeNumbers(reader, text, item, reader.uint(width));
  } else if (marker === NUMBER_ARRAYS_COUNT1 || marker === NUMBER_ARRAYS_COUNT2) {
    writeNumberArrays(reader, text, marker === NUMBER_ARRAYS_COUNT1 ? 1 : 2);
  } else throw unknownMarker(marker, at);
}

function writeMember(body: Uint8Array, reader: ByteReader, text: TextSink, depth: number): void {
  const at = reader.position;
  const marker = reader.uint8();
  if (!isStringMarker(marker)) throw new MalformedBody(`the property name at byte ${at} is not a string`);
  text.add(`${JSON.stringify(readString(body, reader, marker, at))}:`);
  writeValue(body, reader, text, depth);
}

/** An array or an object: `frame` counts from the marker of the empty one. */
function writeItems(
  reader: ByteReader,
  frame: number,
  text: TextSink,
  brackets: "[]" | "{}",
  writeItem: () => void,
): void {
  const at = reader.position;
  text.add(brackets.slice(0, 1));
  const how = FRAMES[frame] ?? { kind: "empty" };
  if (how.kind === "single") writeItem();
  else if (how.kind === "length") {
    const length = reader.uint(how.width);
    const count = how.counted ? reader.uint(how.width) : undefined;
    let written = 0;
    reader.within(length, () => {
      for (; reader.position < reader.end; written++) {
        if (written > 0) text.add(",");
        writeItem();
      }
    });
    if (count !== undefined && count !== written) {
      throw new MalformedBody(`there are ${written} items at byte ${at} instead of ${count}`);
    }
  }
  text.add(brackets.slice(1));
}

/** Numbers of one type without markers. */
function writeNumbers(
  reader: ByteReader,
  text: TextSink,
  item: (reader: ByteReader) => string,
  count: number,
): void {
  text.add("[");
  for (let i = 0; i < count; i++) {
    if (i > 0) text.add(",");
    text.add(item(reader));
  }
  text.add("]");
}

/** Arrays of equally many numbers of one type. */
function writeNumberArrays(reader: ByteReader, text: TextSink, width: 1 | 2): void {
  const at = reader.position;
  const inner = reader.uint8();
  if (inner !== (width === 1 ? NUMBERS_COUNT1 : NUMBERS_COUNT2)) throw unknownMarker(inner, at);
  const item = uniformNumber(reader);
  const innerCount = reader.uint(width);
  const outerCount = reader.uint(width);
  text.add("[");
  for (let i = 0; i < outerCount; i++) {
    if (i > 0) text.add(",");
    writeNumbers(reader, text, item, innerCount);
  }
  text.add("]");
}

function uniformNumber(reader: ByteReader): (reader: ByteReader) => string {
  const at = reader.position;
  const marker = reader.uint8();
  const read = UNIFORM.has(marker) ? NUMBERS.get(marker) : undefined;
  if (read === undefined) throw unknownMarker(marker, at);
  return read;
}

/** JSON has no infinity and no NaN. */
function double(value: number): string {
  if (!Number.isFinite(value)) throw new MalformedBody(`${value} is not a number of JSON`);
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A GUID in memory order: the first three groups are little-endian. */
function guid(bytes: Uint8Array): string {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  const hex = Buffer.from(order.map((i) => bytes[i] ?? 0)).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function unknownMarker(marker: number, at: number): MalformedBody {
  return new MalformedBody(`the marker 0x${marker.toString(16)} at byte ${at} is not one of a value`);
}

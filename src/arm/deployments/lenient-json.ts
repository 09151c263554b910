/**
 * The reader for deployment bodies, which are not JSON: `az` splices the template file behind an unquoted key, so
 * comments, line breaks inside strings, single quotes, trailing commas and a byte order mark all arrive. It also
 * remembers where each member stands, because template errors name line and column.
 */
import { invalidContent, type Json, type JsonObject, jsonDepthMax } from "../json.ts";

export interface Position {
  /** Both count from one. */
  readonly line: number;
  readonly column: number;
}

export interface LenientDocument {
  readonly value: Json;
  /** Where the value of `object`'s member `name` begins, for objects of this document. */
  readonly positionOf: (object: object, name: string) => Position | undefined;
}

interface Cursor {
  readonly text: string;
  at: number;
  readonly positions: WeakMap<object, Map<string, number>>;
}

/** Reads `text`. Throws ArmError 400 `InvalidRequestContent` with line and column. */
export function parseLenient(text: string): LenientDocument {
  const cursor: Cursor = { text, at: text.startsWith("\uFEFF") ? 1 : 0, positions: new WeakMap() };
  skipBlank(cursor);
  const value = readValue(cursor, 0);
  skipBlank(cursor);
  if (cursor.at < text.length) throw fault(cursor, "unexpected text after the value");
  // One search for all line starts: a long template is asked for the place of each of its resources.
  let starts: readonly number[] | undefined;
  return {
    value,
    positionOf(object, name) {
      const offset = cursor.positions.get(object)?.get(name);
      if (offset === undefined) return undefined;
      starts ??= lineStarts(text);
      const line = lineOf(starts, offset);
      return { line, column: offset - (starts[line - 1] ?? 0) + 1 };
    },
  };
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** The number of line starts at or before `offset`, by halving. */
function lineOf(starts: readonly number[], offset: number): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const lines = before.split("\n");
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

function fault(cursor: Cursor, detail: string): Error {
  const { line, column } = positionAt(cursor.text, cursor.at);
  return invalidContent(`${detail}, line ${line}, position ${column}`);
}

function skipBlank(cursor: Cursor): void {
  for (;;) {
    const character = cursor.text[cursor.at];
    if (character === undefined) return;
    if (/\s/.test(character) || character === "\uFEFF") cursor.at++;
    else if (cursor.text.startsWith("//", cursor.at)) {
      const end = cursor.text.indexOf("\n", cursor.at);
      cursor.at = end < 0 ? cursor.text.length : end + 1;
    } else if (cursor.text.startsWith("/*", cursor.at)) {
      const end = cursor.text.indexOf("*/", cursor.at + 2);
      if (end < 0) throw fault(cursor, "a comment does not end");
      cursor.at = end + 2;
    } else return;
  }
}

function readValue(cursor: Cursor, depth: number): Json {
  if (depth > jsonDepthMax) throw fault(cursor, `the body nests deeper than ${jsonDepthMax} levels`);
  const character = cursor.text[cursor.at];
  if (character === "{") return readObject(cursor, depth);
  if (character === "[") return readArray(cursor, depth);
  if (character === '"' || character === "'") return readString(cursor);
  return readWord(cursor);
}

function readObject(cursor: Cursor, depth: number): JsonObject {
  const members = new Map<string, Json>();
  const offsets = new Map<string, number>();
  cursor.at++;
  for (;;) {
    skipBlank(cursor);
    if (cursor.text[cursor.at] === "}") break;
    const key = readKey(cursor);
    skipBlank(cursor);
    if (cursor.text[cursor.at] !== ":") throw fault(cursor, `a colon is expected after the name '${key}'`);
    cursor.at++;
    skipBlank(cursor);
    offsets.set(key, cursor.at);
    members.set(key, readValue(cursor, depth + 1));
    skipBlank(cursor);
    if (!skipComma(cursor, "}")) break;
  }
  cursor.at++;
  const object = Object.fromEntries(members);
  cursor.positions.set(object, offsets);
  return object;
}

function readArray(cursor: Cursor, depth: number): Json[] {
  const values: Json[] = [];
  cursor.at++;
  for (;;) {
    skipBlank(cursor);
    if (cursor.text[cursor.at] === "]") break;
    values.push(readValue(cursor, depth + 1));
    skipBlank(cursor);
    if (!skipComma(cursor, "]")) break;
  }
  cursor.at++;
  return values;
}

/** True after a comma; false before `close`; anything else is a fault. */
function skipComma(cursor: Cursor, close: string): boolean {
  const character = cursor.text[cursor.at];
  if (character === close) return false;
  if (character !== ",") throw fault(cursor, `a comma or '${close}' is expected`);
  cursor.at++;
  return true;
}

function readKey(cursor: Cursor): string {
  const character = cursor.text[cursor.at];
  if (character === '"' || character === "'") return readString(cursor);
  const match = /^[A-Za-z_$][\w$-]*/.exec(cursor.text.slice(cursor.at, cursor.at + 256));
  if (match === null) throw fault(cursor, "a member name is expected");
  cursor.at += match[0].length;
  return match[0];
}

const escapes: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  "/": "/",
  "\\": "\\",
  '"': '"',
  "'": "'",
};

function readString(cursor: Cursor): string {
  const quote = cursor.text[cursor.at] ?? '"';
  const parts: string[] = [];
  let start = cursor.at + 1;
  for (let at = start; at < cursor.text.length; at++) {
    const character = cursor.text[at];
    if (character === quote) {
      parts.push(cursor.text.slice(start, at));
      cursor.at = at + 1;
      return parts.join("");
    }
    if (character !== "\\") continue;
    parts.push(cursor.text.slice(start, at));
    const escaped = cursor.text[at + 1] ?? "";
    if (escaped === "u") {
      const code = cursor.text.slice(at + 2, at + 6);
      cursor.at = at;
      if (!/^[0-9a-f]{4}$/i.test(code)) throw fault(cursor, "a character escape is not valid");
      parts.push(String.fromCharCode(Number.parseInt(code, 16)));
      at += 5;
    } else {
      const plain = escapes[escaped];
      cursor.at = at;
      if (plain === undefined) throw fault(cursor, "a character escape is not valid");
      parts.push(plain);
      at += 1;
    }
    start = at + 1;
  }
  throw fault(cursor, "a string does not end");
}

function readWord(cursor: Cursor): Json {
  const match = /^[A-Za-z0-9.+-]+/.exec(cursor.text.slice(cursor.at, cursor.at + 64));
  const word = match?.[0] ?? "";
  const value = wordValue(word);
  if (value === undefined) throw fault(cursor, "a value is expected");
  cursor.at += word.length;
  return value;
}

function wordValue(word: string): Json | undefined {
  if (word === "true") return true;
  if (word === "false") return false;
  if (word === "null") return null;
  if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(word)) return undefined;
  const number = Number(word);
  return Number.isFinite(number) ? number : undefined;
}

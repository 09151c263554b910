/**
 * String functions. Comparison is ordinal by UTF-16 code unit; case folding is invariant (never the host's locale).
 * A wrong argument type gives undefined.
 */
import { isArray, isObject, VALUE_DEPTH_MAX, type Value, withinDepth } from "../values.ts";
import { type BuiltIn, boundedLength, pure } from "./signature.ts";

const MANY = Number.POSITIVE_INFINITY;
const REPLICATE_LENGTH_MAX = 10_000;

function ofString(name: string, compute: (text: string) => Value): BuiltIn {
  return pure(name, 1, 1, (text) => (typeof text === "string" ? compute(text) : undefined));
}

/** `name(text, wanted [, ignoreCase])`; the flag must be a boolean when given. */
function searching(name: string, test: (text: string, wanted: string) => boolean): BuiltIn {
  return pure(name, 2, 3, (...args) => {
    const [text, wanted] = args;
    const ignoreCase = args.length === 3 ? args[2] : false;
    if (typeof text !== "string" || typeof wanted !== "string" || typeof ignoreCase !== "boolean")
      return undefined;
    return ignoreCase ? test(text.toLowerCase(), wanted.toLowerCase()) : test(text, wanted);
  });
}

function concat(...parts: Value[]): Value {
  let length = 0;
  for (const part of parts) {
    if (typeof part !== "string") return undefined;
    length += part.length;
  }
  boundedLength(length);
  return parts.join("");
}

/** `left || right`: both must be strings. */
export function concatenate(left: Value, right: Value): Value {
  if (typeof left !== "string" || typeof right !== "string") return undefined;
  boundedLength(left.length + right.length);
  return left + right;
}

function indexOf(...args: Value[]): Value {
  const [text, wanted] = args;
  const start = args.length === 3 ? args[2] : 0;
  if (typeof text !== "string" || typeof wanted !== "string" || !isWhole(start)) return undefined;
  if (start < 0 || start > text.length) return -1;
  return text.indexOf(wanted, start);
}

function lastIndexOf(...args: Value[]): Value {
  const [text, wanted] = args;
  if (typeof text !== "string" || typeof wanted !== "string") return undefined;
  if (args.length === 2) return text.lastIndexOf(wanted);
  const start = args[2];
  if (!isWhole(start)) return undefined;
  return start < 0 ? -1 : text.lastIndexOf(wanted, start);
}

function isWhole(value: Value): value is number {
  return Number.isInteger(value);
}

function substring(...[text, start, length]: Value[]): Value {
  if (typeof text !== "string" || !isWhole(start) || !isWhole(length)) return undefined;
  if (start < 0 || start >= text.length || length <= 0) return "";
  return text.slice(start, start + length);
}

function replace(...[text, find, replacement]: Value[]): Value {
  if (typeof text !== "string" || typeof find !== "string" || typeof replacement !== "string")
    return undefined;
  if (find === "") return undefined;
  const parts = text.split(find);
  boundedLength(text.length + (parts.length - 1) * (replacement.length - find.length));
  return parts.join(replacement);
}

function replicate(...[text, times]: Value[]): Value {
  if (typeof text !== "string" || !isWhole(times) || times < 0) return undefined;
  return text.length * times > REPLICATE_LENGTH_MAX ? undefined : text.repeat(times);
}

/** Trims the characters of the set `chars` (white space by default) from the chosen ends. */
function trimming(name: string, atStart: boolean, atEnd: boolean): BuiltIn {
  return pure(name, 1, 2, (...args) => {
    const [text, chars] = args;
    if (typeof text !== "string") return undefined;
    if (args.length === 1) {
      if (atStart && atEnd) return text.trim();
      return atStart ? text.trimStart() : text.trimEnd();
    }
    if (typeof chars !== "string") return undefined;
    const set = new Set(chars);
    let start = 0;
    let end = text.length;
    while (atStart && start < end && set.has(text.charAt(start))) start++;
    while (atEnd && end > start && set.has(text.charAt(end - 1))) end--;
    return text.slice(start, end);
  });
}

/** The part of a text before or after the first or last occurrence of a mark; without one, undefined. */
function partAround(name: string, last: boolean, after: boolean): BuiltIn {
  return pure(name, 2, 2, (text, mark) => {
    if (typeof text !== "string" || typeof mark !== "string") return undefined;
    const at = last ? text.lastIndexOf(mark) : text.indexOf(mark);
    if (at < 0) return undefined;
    return after ? text.slice(at + mark.length) : text.slice(0, at);
  });
}

/** Does the text contain all or any of the further arguments; every argument must be a string. */
function containing(name: string, all: boolean, ignoreCase: boolean): BuiltIn {
  return pure(name, 2, MANY, (...args) => {
    if (!args.every((argument) => typeof argument === "string")) return undefined;
    const [text = "", ...wanted] = ignoreCase ? args.map((argument) => argument.toLowerCase()) : args;
    return all ? wanted.every((part) => text.includes(part)) : wanted.some((part) => text.includes(part));
  });
}

/** Strict JSON text of one type, white space around allowed; anything else is undefined. */
function parsing(name: string, accepts: (value: Value) => boolean): BuiltIn {
  return ofString(name, (text) => {
    let value: Value;
    try {
      value = JSON.parse(text) as Value;
    } catch {
      return undefined;
    }
    return accepts(value) && withinDepth(value, VALUE_DEPTH_MAX) ? value : undefined;
  });
}

/** JSON text without spaces; a string stays as it is; NaN and infinities by name. */
function toText(value: Value): Value {
  if (value === undefined || typeof value === "string") return value;
  if (typeof value === "number") return String(value === 0 ? 0 : value);
  return JSON.stringify(value);
}

function join(...[items, separator]: Value[]): Value {
  if (!isArray(items) || typeof separator !== "string") return undefined;
  if (!items.every((item) => typeof item === "string")) return undefined;
  boundedLength(items.reduce((sum, item) => sum + item.length + separator.length, 0));
  return items.join(separator);
}

function split(...[text, separator]: Value[]): Value {
  if (typeof text !== "string" || typeof separator !== "string") return undefined;
  return separator === "" ? [text] : text.split(separator);
}

function left(...[text, count]: Value[]): Value {
  if (typeof text !== "string" || !isWhole(count)) return undefined;
  return text.slice(0, Math.max(0, count));
}

function right(...[text, count]: Value[]): Value {
  if (typeof text !== "string" || !isWhole(count)) return undefined;
  return count <= 0 ? "" : text.slice(-count);
}

/** Reverses by code point, so that surrogate pairs stay whole. */
function reverse(text: string): string {
  return [...text].reverse().join("");
}

export const stringFunctions: readonly BuiltIn[] = [
  pure("CONCAT", 2, MANY, concat),
  searching("CONTAINS", (text, wanted) => text.includes(wanted)),
  searching("ENDSWITH", (text, wanted) => text.endsWith(wanted)),
  searching("STARTSWITH", (text, wanted) => text.startsWith(wanted)),
  searching("StringEquals", (text, wanted) => text === wanted),
  pure("INDEX_OF", 2, 3, indexOf),
  pure("LASTINDEXOF", 2, 3, lastIndexOf),
  pure("LEFT", 2, 2, left),
  ofString("LENGTH", (text) => text.length),
  ofString("LOWER", (text) => text.toLowerCase()),
  trimming("LTRIM", true, false),
  trimming("RTRIM", false, true),
  trimming("TRIM", true, true),
  pure("REPLACE", 3, 3, replace),
  pure("REPLICATE", 2, 2, replicate),
  ofString("REVERSE", reverse),
  pure("RIGHT", 2, 2, right),
  pure("SUBSTRING", 3, 3, substring),
  ofString("UPPER", (text) => text.toUpperCase()),
  parsing("StringToArray", isArray),
  parsing("StringToBoolean", (value) => typeof value === "boolean"),
  parsing("StringToNull", (value) => value === null),
  parsing("StringToNumber", (value) => typeof value === "number"),
  parsing("StringToObject", isObject),
  pure("StringJoin", 2, 2, join),
  pure("StringSplit", 2, 2, split),
  pure("ToString", 1, 1, toText),
  containing("CONTAINS_ALL_CI", true, true),
  containing("CONTAINS_ALL_CS", true, false),
  containing("CONTAINS_ANY_CI", false, true),
  containing("CONTAINS_ANY_CS", false, false),
  partAround("SubstringAfter", false, true),
  partAround("SubstringBefore", false, false),
  partAround("LastSubstringAfter", true, true),
  partAround("LastSubstringBefore", true, false),
];

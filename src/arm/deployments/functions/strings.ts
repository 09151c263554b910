/** Template functions over strings. Comparisons ignore letter case exactly where the service's do. */
import { isArray, isObject, type Json } from "../../json.ts";
import { templateGuid, uniqueString } from "../hashes.ts";
import { at, type FunctionTable, integer, refuse, text, toText, wrongType } from "./arguments.ts";
import { formatText } from "./format.ts";

const anyNumber = Number.POSITIVE_INFINITY;
/** The longest string that padding may make. */
const lengthMax = 131_072;

function fixed(count: number, run: (values: readonly Json[], name: string) => Json): FunctionTable[string] {
  return { min: count, max: count, run: (values, _, name) => run(values, name) };
}

function substring(values: readonly Json[], name: string): string {
  const whole = text(name, values, 0);
  const start = integer(name, values, 1);
  const length = values.length > 2 ? integer(name, values, 2) : whole.length - start;
  if (start < 0 || length < 0 || start > whole.length) {
    throw refuse(name, "the index and length parameters cannot be negative or beyond the end of the string");
  }
  if (start + length > whole.length) {
    throw refuse(
      name,
      `the index and length parameters must refer to a location within the string. The index parameter: '${start}', the length parameter: '${length}', the length of the string parameter: '${whole.length}'`,
    );
  }
  return whole.slice(start, start + length);
}

function split(values: readonly Json[], name: string): Json {
  const whole = text(name, values, 0);
  const given = at(values, 1);
  const delimiters = isArray(given)
    ? given.map((_, index) => text(name, given, index))
    : [text(name, values, 1)];
  let parts = [whole];
  for (const delimiter of delimiters) {
    if (delimiter !== "") parts = parts.flatMap((part) => part.split(delimiter));
  }
  return parts;
}

function join(values: readonly Json[], name: string): string {
  const parts = at(values, 0);
  if (!isArray(parts)) throw wrongType(name, "Array", parts);
  return parts.map(toText).join(text(name, values, 1));
}

function padLeft(values: readonly Json[], name: string): string {
  const value = at(values, 0);
  if (typeof value !== "string" && typeof value !== "number") throw wrongType(name, "String, Integer", value);
  const total = integer(name, values, 1);
  if (total < 0 || total > lengthMax) throw refuse(name, `the total length must be from 0 to ${lengthMax}`);
  const filler = values.length > 2 ? text(name, values, 2) : " ";
  if (filler.length !== 1) throw refuse(name, "the padding must be one character");
  return String(value).padStart(total, filler);
}

function decodeBase64(values: readonly Json[], name: string): string {
  const encoded = text(name, values, 0);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded) || encoded.length % 4 !== 0) {
    throw refuse(name, "the value is not valid base64");
  }
  return Buffer.from(encoded, "base64").toString("utf8");
}

function parseJsonText(source: string, name: string): Json {
  try {
    return JSON.parse(source) as Json;
  } catch {
    throw refuse(name, "the value is not valid JSON");
  }
}

function dataUriText(values: readonly Json[], name: string): string {
  const match = /^data:[^,]*?(;base64)?,(.*)$/is.exec(text(name, values, 0));
  if (match === null) throw refuse(name, "the value is not a data URI");
  const data = match[2] ?? "";
  return match[1] === undefined ? decodeURIComponent(data) : Buffer.from(data, "base64").toString("utf8");
}

/** RFC 3986 unreserved characters stay, all others are escaped. */
function escapeUri(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function unescapeUri(values: readonly Json[], name: string): string {
  try {
    return decodeURIComponent(text(name, values, 0));
  } catch {
    throw refuse(name, "the value is not a valid encoding");
  }
}

function joinUri(values: readonly Json[], name: string): string {
  try {
    return new URL(text(name, values, 1), text(name, values, 0)).toString();
  } catch {
    throw refuse(name, "the base is not an absolute URI");
  }
}

function toInteger(values: readonly Json[], name: string): number {
  const value = at(values, 0);
  const number = typeof value === "string" && /^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : value;
  if (typeof number !== "number") throw wrongType(name, "Integer", value);
  return Math.trunc(number);
}

function toBoolean(values: readonly Json[], name: string): boolean {
  const value = at(values, 0);
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  const word = typeof value === "string" ? value.trim().toLowerCase() : "";
  if (word === "true" || word === "1") return true;
  if (word === "false" || word === "0") return false;
  throw wrongType(name, "Boolean", value);
}

export const stringFunctions: FunctionTable = {
  tolower: fixed(1, (values, name) => text(name, values, 0).toLowerCase()),
  toupper: fixed(1, (values, name) => text(name, values, 0).toUpperCase()),
  trim: fixed(1, (values, name) => text(name, values, 0).trim()),
  startswith: fixed(2, (values, name) =>
    text(name, values, 0)
      .toLowerCase()
      .startsWith(text(name, values, 1).toLowerCase()),
  ),
  endswith: fixed(2, (values, name) =>
    text(name, values, 0)
      .toLowerCase()
      .endsWith(text(name, values, 1).toLowerCase()),
  ),
  replace: fixed(3, (values, name) => {
    const from = text(name, values, 1);
    if (from === "") throw refuse(name, "the text to replace must not be empty");
    return text(name, values, 0)
      .split(from)
      .join(text(name, values, 2));
  }),
  substring: { min: 2, max: 3, run: (values, _, name) => substring(values, name) },
  split: fixed(2, split),
  join: fixed(2, join),
  padleft: { min: 2, max: 3, run: (values, _, name) => padLeft(values, name) },
  format: {
    min: 1,
    max: anyNumber,
    run: (values, _, name) => formatText(name, text(name, values, 0), values.slice(1)),
  },
  string: fixed(1, (values) => {
    const value = at(values, 0);
    return isObject(value) || isArray(value) ? JSON.stringify(value) : toText(value);
  }),
  int: fixed(1, toInteger),
  float: fixed(1, (values, name) => {
    const value = at(values, 0);
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isFinite(number)) throw wrongType(name, "Float", value);
    return number;
  }),
  bool: fixed(1, toBoolean),
  json: fixed(1, (values, name) => parseJsonText(text(name, values, 0), name)),
  guid: { min: 1, max: anyNumber, run: (values) => templateGuid(values.map(toText)) },
  uniquestring: { min: 1, max: anyNumber, run: (values) => uniqueString(values.map(toText)) },
  base64: fixed(1, (values, name) => Buffer.from(text(name, values, 0), "utf8").toString("base64")),
  base64tostring: fixed(1, decodeBase64),
  base64tojson: fixed(1, (values, name) => parseJsonText(decodeBase64(values, name), name)),
  datauri: fixed(1, (values, name) => {
    const encoded = Buffer.from(text(name, values, 0), "utf8").toString("base64");
    return `data:text/plain;charset=utf8;base64,${encoded}`;
  }),
  datauritostring: fixed(1, dataUriText),
  uri: fixed(2, joinUri),
  uricomponent: fixed(1, (values, name) => escapeUri(text(name, values, 0))),
  uricomponenttostring: fixed(1, unescapeUri),
};

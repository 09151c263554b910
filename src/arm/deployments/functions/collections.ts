/** Template functions over arrays and objects, and those that take either and strings too. */
import { isArray, isObject, type Json, type JsonObject, memberName } from "../../json.ts";
import { ExpressionError } from "../expressions.ts";
import {
  array,
  at,
  canonicalText,
  equalValues,
  type FunctionTable,
  integer,
  object,
  refuse,
  text,
  toText,
  wrongType,
} from "./arguments.ts";

const anyNumber = Number.POSITIVE_INFINITY;
const rangeMax = 10_000;

function fixed(count: number, run: (values: readonly Json[], name: string) => Json): FunctionTable[string] {
  return { min: count, max: count, run: (values, _, name) => run(values, name) };
}

function concat(values: readonly Json[]): Json {
  if (values.every(isArray)) return values.flat();
  return values
    .map((value) => {
      if (isArray(value) || isObject(value)) throw wrongType("concat", "String", value);
      return toText(value);
    })
    .join("");
}

function contains(values: readonly Json[], name: string): boolean {
  const container = at(values, 0);
  const item = at(values, 1);
  if (typeof container === "string") return container.includes(toText(item));
  if (isArray(container)) return container.some((each) => equalValues(each, item));
  if (isObject(container)) return memberName(container, toText(item)) !== undefined;
  throw wrongType(name, "Array, Object, String", container);
}

function length(values: readonly Json[], name: string): number {
  const value = at(values, 0);
  if (typeof value === "string" || isArray(value)) return value.length;
  if (isObject(value)) return Object.keys(value).length;
  throw wrongType(name, "Array, Object, String", value);
}

function isEmpty(value: Json, name: string): boolean {
  if (value === null || typeof value === "string") return value === null || value === "";
  if (isArray(value)) return value.length === 0;
  if (isObject(value)) return Object.keys(value).length === 0;
  throw wrongType(name, "Array, Object, String", value);
}

/** Members of later objects win; objects under one name are united in turn. */
function deepUnion(a: JsonObject, b: JsonObject): JsonObject {
  const merged = new Map(Object.entries(a));
  for (const [name, value] of Object.entries(b)) {
    const key = memberName(a, name) ?? name;
    const before = merged.get(key);
    merged.set(key, isObject(before) && isObject(value) ? deepUnion(before, value) : value);
  }
  return Object.fromEntries(merged);
}

function union(values: readonly Json[], name: string): Json {
  if (values.every(isArray))
    return [...new Map(values.flat().map((each) => [canonicalText(each), each])).values()];
  return values.map((_, index) => object(name, values, index)).reduce(deepUnion, {});
}

function intersection(values: readonly Json[], name: string): Json {
  const first = at(values, 0);
  if (isArray(first)) {
    const sets = values
      .slice(1)
      .map((_, index) => new Set(array(name, values, index + 1).map(canonicalText)));
    const kept = first.filter((each) => sets.every((set) => set.has(canonicalText(each))));
    return [...new Map(kept.map((each) => [canonicalText(each), each])).values()];
  }
  const others = values.slice(1).map((_, index) => object(name, values, index + 1));
  const entries = Object.entries(object(name, values, 0)).filter(([key, value]) =>
    others.every((other) => {
      const known = memberName(other, key);
      return known !== undefined && equalValues(other[known] ?? null, value);
    }),
  );
  return Object.fromEntries(entries);
}

function slice(values: readonly Json[], name: string, part: (count: number) => [number, number?]): Json {
  const value = at(values, 0);
  const count = Math.max(0, integer(name, values, 1));
  const [start, end] = part(count);
  if (typeof value === "string" || isArray(value)) return value.slice(start, end);
  throw wrongType(name, "Array, String", value);
}

function firstOrLast(values: readonly Json[], name: string, index: number): Json {
  const value = at(values, 0);
  if (typeof value === "string") return value.at(index) ?? "";
  if (!isArray(value)) throw wrongType(name, "Array, String", value);
  const found = value.at(index);
  if (found === undefined) throw refuse(name, "the array is empty");
  return found;
}

function indexOf(values: readonly Json[], name: string, last: boolean): number {
  const container = at(values, 0);
  if (typeof container === "string") {
    const whole = container.toLowerCase();
    const part = text(name, values, 1).toLowerCase();
    return last ? whole.lastIndexOf(part) : whole.indexOf(part);
  }
  if (!isArray(container)) throw wrongType(name, "Array, String", container);
  const wanted = canonicalText(at(values, 1));
  const keys = container.map(canonicalText);
  return last ? keys.lastIndexOf(wanted) : keys.indexOf(wanted);
}

function range(values: readonly Json[], name: string): Json {
  const start = integer(name, values, 0);
  const count = integer(name, values, 1);
  if (count < 0 || count > rangeMax) throw refuse(name, `the count must be from 0 to ${rangeMax}`);
  return Array.from({ length: count }, (_, index) => start + index);
}

function extreme(values: readonly Json[], name: string, pick: (a: number, b: number) => number): number {
  const first = at(values, 0);
  const source = values.length === 1 && isArray(first) ? first : values;
  if (source.length === 0) throw refuse(name, "at least one number is needed");
  return source.map((_, index) => integer(name, source, index)).reduce((a, b) => pick(a, b));
}

function createObject(values: readonly Json[], name: string): Json {
  if (values.length % 2 !== 0) throw refuse(name, "names and values must come in pairs");
  const members = new Map<string, Json>();
  for (let i = 0; i < values.length; i += 2) members.set(text(name, values, i), at(values, i + 1));
  return Object.fromEntries(members);
}

function items(values: readonly Json[], name: string): Json {
  const entries = Object.entries(object(name, values, 0));
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([key, value]) => ({ key, value }));
}

function step(target: Json, key: Json): Json | undefined {
  if (isObject(target) && typeof key === "string") {
    const known = memberName(target, key);
    return known === undefined ? undefined : target[known];
  }
  return isArray(target) && typeof key === "number" ? target[key] : undefined;
}

/** Follows keys and indices; null as soon as one is missing. */
function tryGet(values: readonly Json[]): Json {
  let target: Json = at(values, 0);
  for (const key of values.slice(1)) {
    const next = step(target, key);
    if (next === undefined || next === null) return null;
    target = next;
  }
  return target;
}

export const collectionFunctions: FunctionTable = {
  array: fixed(1, (values) => {
    const value = at(values, 0);
    return isArray(value) ? value : [value];
  }),
  concat: { min: 1, max: anyNumber, run: concat },
  contains: fixed(2, contains),
  createarray: { min: 0, max: anyNumber, run: (values) => values },
  createobject: { min: 0, max: anyNumber, run: (values, _, name) => createObject(values, name) },
  empty: fixed(1, (values, name) => isEmpty(at(values, 0), name)),
  first: fixed(1, (values, name) => firstOrLast(values, name, 0)),
  last: fixed(1, (values, name) => firstOrLast(values, name, -1)),
  flatten: fixed(1, (values, name) =>
    array(name, values, 0).flatMap((_, index, whole) => array(name, whole, index)),
  ),
  indexof: fixed(2, (values, name) => indexOf(values, name, false)),
  lastindexof: fixed(2, (values, name) => indexOf(values, name, true)),
  intersection: { min: 2, max: anyNumber, run: (values, _, name) => intersection(values, name) },
  items: fixed(1, items),
  length: fixed(1, length),
  max: { min: 1, max: anyNumber, run: (values, _, name) => extreme(values, name, Math.max) },
  min: { min: 1, max: anyNumber, run: (values, _, name) => extreme(values, name, Math.min) },
  objectkeys: fixed(1, (values, name) => Object.keys(object(name, values, 0))),
  range: fixed(2, range),
  shallowmerge: fixed(1, (values, name) => {
    const parts = array(name, values, 0);
    return Object.fromEntries(parts.flatMap((_, index) => Object.entries(object(name, parts, index))));
  }),
  skip: fixed(2, (values, name) => slice(values, name, (count) => [count])),
  take: fixed(2, (values, name) => slice(values, name, (count) => [0, count])),
  tryget: { min: 2, max: anyNumber, run: tryGet },
  tryindexfromend: fixed(2, (values, name) => {
    const index = integer(name, values, 1);
    return index < 1 ? null : (array(name, values, 0).at(-index) ?? null);
  }),
  union: { min: 1, max: anyNumber, run: (values, _, name) => union(values, name) },
  null: fixed(0, () => null),
  fail: fixed(1, (values, name) => {
    throw new ExpressionError(text(name, values, 0));
  }),
};

/**
 * Functions on arrays, sets and objects. Sets are arrays without deeply equal duplicates, in the order of their
 * first element's appearance.
 */
import {
  canonicalKey,
  compareOrder,
  element,
  isArray,
  isObject,
  property,
  sameValue,
  setProperty,
  type Value,
  type ValueObject,
} from "../values.ts";
import { type BuiltIn, boundedLength, pure } from "./signature.ts";

/**
 * Does `candidate` hold everything that `wanted` holds: objects may have further properties at every level, arrays
 * and scalars must be equal. (Sources disagree on nested objects; the recursive reading is the one of the docs.)
 */
function matchesPartially(candidate: Value, wanted: Value): boolean {
  if (!isObject(candidate) || !isObject(wanted)) return sameValue(candidate, wanted);
  for (const name of Object.keys(wanted)) {
    if (!Object.hasOwn(candidate, name) || !matchesPartially(candidate[name], wanted[name])) return false;
  }
  return true;
}

function arrayContains(...[array, wanted, partial]: Value[]): Value {
  if (!isArray(array) || wanted === undefined) return undefined;
  if (partial === true) return array.some((item) => matchesPartially(item, wanted));
  if (typeof wanted !== "object" || wanted === null) return array.includes(wanted);
  return array.some((item) => sameValue(item, wanted));
}

/** Three-valued OR over the wanted values: an undefined one is unknown. */
function containsAny(...[array, ...wanted]: Value[]): Value {
  if (!isArray(array)) return undefined;
  const found = wanted.map((value) => arrayContains(array, value));
  if (found.includes(true)) return true;
  return found.includes(undefined) ? undefined : false;
}

/** Three-valued AND over the wanted values. */
function containsAll(...[array, ...wanted]: Value[]): Value {
  if (!isArray(array)) return undefined;
  const found = wanted.map((value) => arrayContains(array, value));
  if (found.includes(false)) return false;
  return found.includes(undefined) ? undefined : true;
}

function concat(...arrays: Value[]): Value {
  let length = 0;
  for (const array of arrays) {
    if (!isArray(array)) return undefined;
    length += array.length;
  }
  boundedLength(length);
  return (arrays as (readonly Value[])[]).flat(1);
}

function slice(...args: Value[]): Value {
  const [array, start, length] = args;
  if (!isArray(array) || !Number.isInteger(start)) return undefined;
  const from = Number(start) < 0 ? Math.max(0, array.length + Number(start)) : Number(start);
  if (args.length < 3) return array.slice(from);
  if (!Number.isInteger(length)) return undefined;
  return Number(length) <= 0 ? [] : array.slice(from, from + Number(length));
}

/** The elements of `arrays`, each once. */
function distinct(...arrays: readonly (readonly Value[])[]): Map<string, Value> {
  const found = new Map<string, Value>();
  for (const array of arrays) {
    for (const item of array) {
      const key = canonicalKey(item);
      if (!found.has(key)) found.set(key, item);
    }
  }
  return found;
}

function setFunction(
  name: string,
  combine: (left: readonly Value[], right: readonly Value[]) => Value,
): BuiltIn {
  return pure(name, 2, 2, (left, right) =>
    isArray(left) && isArray(right) ? combine(left, right) : undefined,
  );
}

function intersect(left: readonly Value[], right: readonly Value[]): Value {
  const other = distinct(right);
  return [...distinct(left)].filter(([key]) => other.has(key)).map(([, item]) => item);
}

function difference(left: readonly Value[], right: readonly Value[]): Value {
  const other = distinct(right);
  return [...distinct(left)].filter(([key]) => !other.has(key)).map(([, item]) => item);
}

function setEqual(left: readonly Value[], right: readonly Value[]): Value {
  const first = distinct(left);
  const second = distinct(right);
  return first.size === second.size && [...first.keys()].every((key) => second.has(key));
}

function choose(...[index, ...values]: Value[]): Value {
  return typeof index === "number" && index >= 1 ? element(values, index - 1) : undefined;
}

function objectToArray(...args: Value[]): Value {
  const [object, keyName, valueName] = [
    args[0],
    args.length > 1 ? args[1] : "k",
    args.length > 2 ? args[2] : "v",
  ];
  if (!isObject(object) || typeof keyName !== "string" || typeof valueName !== "string") return undefined;
  return Object.keys(object).map((key) => {
    const entry: Record<string, Value> = {};
    setProperty(entry, keyName, key);
    setProperty(entry, valueName, property(object, key));
    return entry as ValueObject;
  });
}

/** A function of the numbers of an array; any other element makes it undefined, as does an empty array. */
function numeric(name: string, compute: (numbers: readonly number[]) => Value): BuiltIn {
  return pure(name, 1, 1, (array) => {
    if (!isArray(array) || !array.every((item) => typeof item === "number")) return undefined;
    return compute(array as readonly number[]);
  });
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, x) => sum + x, 0);
}

function median(numbers: readonly number[]): Value {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  const lower = sorted[middle - 1];
  if (sorted.length % 2 === 1 || upper === undefined || lower === undefined) return upper;
  return (lower + upper) / 2;
}

function extreme(name: string, sign: 1 | -1): BuiltIn {
  return pure(name, 1, 1, (array) => {
    if (!isArray(array) || array.some((item) => typeof item === "object" && item !== null)) return undefined;
    let best = array[0];
    for (const item of array) if (compareOrder(item, best) * sign > 0) best = item;
    return best;
  });
}

export const arrayFunctions: readonly BuiltIn[] = [
  numeric("ARRAY_AVG", (numbers) => (numbers.length === 0 ? undefined : total(numbers) / numbers.length)),
  pure("ARRAY_CONCAT", 2, Number.POSITIVE_INFINITY, concat),
  pure("ARRAY_CONTAINS", 2, 3, arrayContains),
  pure("_TRY_ARRAY_CONTAINS", 2, 3, arrayContains),
  pure("ARRAY_CONTAINS_ALL", 2, Number.POSITIVE_INFINITY, containsAll),
  pure("ARRAY_CONTAINS_ANY", 2, Number.POSITIVE_INFINITY, containsAny),
  pure("ARRAY_LENGTH", 1, 1, (array) => (isArray(array) ? array.length : undefined)),
  extreme("ARRAY_MAX", 1),
  numeric("ARRAY_MEDIAN", median),
  extreme("ARRAY_MIN", -1),
  pure("ARRAY_SLICE", 2, 3, slice),
  numeric("ARRAY_SUM", total),
  pure("CHOOSE", 2, Number.POSITIVE_INFINITY, choose),
  pure("ObjectToArray", 1, 3, objectToArray),
  setFunction("SetDifference", difference),
  setFunction("SetEqual", setEqual),
  setFunction("SetIntersect", intersect),
  setFunction("SetUnion", (left, right) => [...distinct(left, right).values()]),
];

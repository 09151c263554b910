/**
 * Which part of a container's key space a query can touch: partition key values fixed by the filter, as ranges of
 * effective partition keys. Hashing is the caller's (`epk`), because it belongs to partitioning, not to the language.
 */
import type { Alternative, Condition, Facts } from "./facts.ts";
import { canonicalKey, type Value } from "./values.ts";

export interface PartitionKeyDefinition {
  /** Such as `/a/b` or `/"a b"/c`. */
  readonly paths: readonly string[];
  readonly kind?: "Hash" | "MultiHash" | "Range";
}

/** The effective partition key of the values of the first paths, as upper-case hexadecimal text. */
export type EffectivePartitionKey = (values: readonly Value[]) => string;

export interface QueryRange {
  readonly min: string;
  readonly max: string;
  readonly isMinInclusive: boolean;
  readonly isMaxInclusive: boolean;
}

const EVERYTHING: QueryRange = { min: "", max: "FF", isMinInclusive: true, isMaxInclusive: false };

/** What the service gives for a query that no item can match: the empty point, which the first range serves. */
const NOTHING: QueryRange = { min: "", max: "", isMinInclusive: true, isMaxInclusive: true };

/** More key values than this are not worth a range each. */
const POINTS_MAX = 2_000;

/**
 * The partition keys (a value for each path, or for hierarchical keys a leading part of them) that hold every
 * possible result; undefined when the filter does not fix them.
 */
export function partitionKeysOf(
  facts: Facts,
  definition: PartitionKeyDefinition,
): readonly (readonly Value[])[] | undefined {
  const paths = definition.paths.map(parsePath);
  const keys = new Map<string, readonly Value[]>();
  for (const alternative of facts.alternatives) {
    const found = keysOf(alternative, paths, definition.kind === "MultiHash");
    if (found === undefined) return undefined;
    for (const key of found) keys.set(key.map(canonicalKey).join(), key);
    if (keys.size > POINTS_MAX) return undefined;
  }
  return [...keys.values()];
}

/** The ranges of a query plan, ordered by their lower bound. */
export function queryRanges(
  facts: Facts,
  readsItems: boolean,
  definition: PartitionKeyDefinition,
  epk: EffectivePartitionKey,
): readonly QueryRange[] {
  if (!readsItems) return [NOTHING];
  const keys = partitionKeysOf(facts, definition);
  if (keys === undefined) return [EVERYTHING];
  if (keys.length === 0) return [NOTHING];
  const ranges = new Map<string, QueryRange>();
  for (const key of keys) {
    const min = epk(key);
    const prefix = key.length < definition.paths.length;
    ranges.set(min, { min, max: prefix ? `${min}FF` : min, isMinInclusive: true, isMaxInclusive: !prefix });
  }
  return [...ranges.values()].sort((a, b) => (a.min < b.min ? -1 : a.min > b.min ? 1 : 0));
}

/** `/a/"b c"` as its names. */
function parsePath(path: string): readonly string[] {
  const names: string[] = [];
  for (const found of path.matchAll(/\/(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^/]*))/g)) {
    names.push(found[1] ?? found[2] ?? found[3] ?? "");
  }
  return names;
}

function keysOf(
  alternative: Alternative,
  paths: readonly (readonly string[])[],
  hierarchical: boolean,
): readonly (readonly Value[])[] | undefined {
  let keys: readonly (readonly Value[])[] = [[]];
  for (const path of paths) {
    const values = possibleValues(alternative, path);
    if (values === undefined)
      return hierarchical && keys[0] !== undefined && keys[0].length > 0 ? keys : undefined;
    if (!values.every(isKeyValue) || keys.length * values.length > POINTS_MAX) return undefined;
    keys = keys.flatMap((key) => values.map((value) => [...key, value]));
  }
  return keys;
}

/** The values that every condition on `path` allows; undefined when no condition lists values. */
function possibleValues(alternative: Alternative, path: readonly string[]): readonly Value[] | undefined {
  const lists = alternative.filter((condition) => condition.test === "in" && samePath(condition, path));
  const [first, ...rest] = lists;
  if (first === undefined) return undefined;
  const allowed = rest.map(({ values }) => new Set(values.map(canonicalKey)));
  return first.values.filter((value) => allowed.every((set) => set.has(canonicalKey(value))));
}

function samePath(condition: Condition, path: readonly string[]): boolean {
  return condition.path.length === path.length && condition.path.every((step, i) => step === path[i]);
}

/** A partition key is a scalar. */
function isKeyValue(value: Value): boolean {
  return typeof value !== "object" || value === null;
}

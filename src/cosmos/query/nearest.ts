/**
 * What a vector index can know of a query: that it wants the first so many rows in the order of VectorDistance between a
 * path of the item and one vector. Apart from the other facts because it needs the query's limits, and a test of whole
 * rows, so that the index can tell how many rows it has found.
 */
import { type Compilation, type Frame, renew } from "./compilation.ts";
import { constantValue, isConstant, vectorPath } from "./evaluate.ts";
import { type Metric, metricOf } from "./functions/vector.ts";
import { itemPath, type Path } from "./item-paths.ts";
import { asVectorDistance } from "./rank.ts";
import { isSteady } from "./reads.ts";
import { compileRoot } from "./root.ts";
import type { Call, Expression, Query } from "./syntax.ts";
import { isArray, isObject, property, type Value } from "./values.ts";

export interface Nearest {
  readonly path: Path;
  readonly vector: readonly number[];
  readonly metric: Metric;
  /** Rows that all pages have together, those that OFFSET passes over included. */
  readonly wanted: number;
  /** The query asks for an exact answer. */
  readonly exact: boolean;
  /** How many times the wanted rows are looked at before the best are taken. */
  readonly searchFactor?: number;
  /** Every item gives a row: nothing is filtered. */
  readonly everyItem: boolean;
}

/** The fact, for a query over the plain container that gives at most one row for an item. */
export function nearestOf(c: Compilation, query: Query, wanted: number): Nearest | undefined {
  const [item, second] = query.orderBy?.items ?? [];
  const call = item === undefined || second !== undefined ? undefined : asVectorDistance(item.value);
  if (call === undefined || query.orderBy?.rank === true || !Number.isFinite(wanted)) return undefined;
  if (query.distinct || c.bound.scopes.get(query)?.grouped === true || !isPlainSource(c, query))
    return undefined;
  const compared = comparedOf(c, call);
  if (compared === undefined || !isSteadyRow(query)) return undefined;
  return { ...compared, wanted, everyItem: givesEveryItem(c, query) };
}

function isPlainSource(c: Compilation, { from }: Query): boolean {
  const [source, second] = from ?? [];
  if (source === undefined || second !== undefined || source.iterate || source.input.kind !== "path")
    return false;
  return source.input.steps.length === 0 && c.bound.containers.has(source.input);
}

function comparedOf(c: Compilation, call: Call): Omit<Nearest, "wanted" | "everyItem"> | undefined {
  const [first, second, bruteForce, options] = call.args;
  if (first === undefined || second === undefined) return undefined;
  const [side, constant] = isConstant(c, first) ? [second, first] : [first, second];
  const path = itemPath(c, side);
  if (path === undefined || path.length === 0) return undefined;
  const vector = constantOf(c, constant);
  const given = options === undefined ? undefined : constantOf(c, options);
  const exact = bruteForce === undefined ? false : constantOf(c, bruteForce);
  if (!isArray(vector) || typeof exact !== "boolean" || (options !== undefined && given === undefined))
    return undefined;
  const numbers = vector.filter((value) => typeof value === "number" && Number.isFinite(value));
  const metric = metricOf(c.context.embeddings, vectorPath(call), given);
  if (numbers.length !== vector.length || numbers.length === 0 || metric === undefined) return undefined;
  const factor = isObject(given) ? property(given, "searchListSizeMultiplier") : undefined;
  const compared = { path, vector: numbers as readonly number[], metric, exact };
  return typeof factor === "number" && factor >= 1 ? { ...compared, searchFactor: factor } : compared;
}

function constantOf(c: Compilation, expression: Expression): Value {
  return isConstant(c, expression) ? constantValue(c, expression) : undefined;
}

/** True when asking twice whether an item gives a row gives the same answer. */
function isSteadyRow({ where, select }: Query): boolean {
  const parts = [...(where === undefined ? [] : [where]), ...(select.kind === "value" ? [select.value] : [])];
  return parts.every(isSteady);
}

function givesEveryItem(c: Compilation, { where, select }: Query): boolean {
  if (where !== undefined && constantOf(c, where) !== true) return false;
  if (select.kind !== "value") return true;
  const { value } = select;
  return value.kind === "object" || value.kind === "array" || itemPath(c, value)?.length === 0;
}

/** Whether an item gives a row of `query`, for one that has the fact. */
export function compileRowTest(c: Compilation, query: Query): (item: Value) => boolean {
  const frame: Frame = new Array<Value>(c.bound.frameSize).fill(undefined);
  let found = false;
  const root = compileRoot(c, query, frame, false, () => {
    found = true;
    return true;
  });
  return (item) => {
    renew(c.budget);
    found = false;
    root.item(item);
    return found;
  };
}

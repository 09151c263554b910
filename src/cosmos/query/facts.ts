/**
 * What a storage planner can know of a query without running it: conditions that every result item fulfils, the
 * sort paths, whether the item is returned whole. Facts only narrow a scan; the run still tests every item.
 */
import type { Compilation } from "./compilation.ts";
import { constantValue, isConstant } from "./evaluate.ts";
import { EACH, itemPath, type Path, partPath } from "./item-paths.ts";
import { likePrefix } from "./like.ts";
import { filterReadsOf, readsOf } from "./reads.ts";
import { withinDistance } from "./spatial-facts.ts";
import { type Binary, type Call, type Expression, operands, type Query, type Subquery } from "./syntax.ts";
import { isArray, type Value } from "./values.ts";

export type { Path };

/**
 * One test on a path of the item. A path with a step to `EACH` element asks that some value there passes the test. `in` lists the only possible values (one for equality). Bounds are of the type of
 * their value: `gt 3` holds only for numbers. `defined` only asks that the path exists. `startsWith` is ordinal. `near`
 * ends in a step to a coordinate, which lies between the two values if the geometry is a point.
 */
export interface Condition {
  readonly path: Path;
  readonly test: "in" | "lt" | "le" | "gt" | "ge" | "startsWith" | "defined" | "near";
  readonly values: readonly Value[];
}

/** All of its conditions hold. Empty: nothing is known. */
export type Alternative = readonly Condition[];

export interface OrderFact {
  readonly path: Path;
  readonly descending: boolean;
}

export interface Facts {
  /** The name the query gives to items, when its rows come straight from the container. */
  readonly alias?: string;
  /** A result item fulfils at least one alternative. No alternative at all: no item can. */
  readonly alternatives: readonly Alternative[];
  /** The sort paths of ORDER BY when each is a path of the item. */
  readonly orderBy?: readonly OrderFact[];
  /** Rows are the items themselves, unchanged (`SELECT * FROM c`, `SELECT VALUE c`). */
  readonly wholeItem: boolean;
  /** The query is exactly a count of the items that its filter keeps (`SELECT VALUE COUNT(1)`). */
  readonly countsItems: boolean;
  /** All that the query looks at of an item, when that is a list of paths. */
  readonly reads?: readonly Path[];
  /** Nothing counts but the least and greatest values at `reads`: MIN and MAX of paths without a filter. */
  readonly extremesOnly: boolean;
  /** All that its filter looks at, when that is a list of paths and the filter always answers the same. */
  readonly filterReads?: readonly Path[];
}

/** Shapes that touch may be so far apart, in metres or units of the plane: more than what counts as touching. */
const TOUCHING = 0.001;

/** More alternatives than this are merged into "nothing is known". */
const ALTERNATIVES_MAX = 2_000;

const UNKNOWN: readonly Alternative[] = [[]];
const NEVER: readonly Alternative[] = [];

const MIRRORED: Readonly<Record<string, string>> = { "=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };
const TESTS: Readonly<Record<string, Condition["test"]>> = { "<": "lt", "<=": "le", ">": "gt", ">=": "ge" };

/** The facts of the outermost query. */
export function factsOf(c: Compilation): Facts {
  const { query } = c.bound;
  const source = query.from?.length === 1 ? query.from[0] : undefined;
  const variable = c.bound.scopes.get(query)?.sources[0];
  const first = query.from?.[0];
  const direct = first?.input.kind === "path" && !first.iterate && first.input.steps.length === 0;
  const alternatives = query.where === undefined || !direct ? UNKNOWN : alternativesOf(c, query.where);
  const orderBy = orderFacts(c, query);
  const reads = readsOf(c, query);
  const filterReads = filterReadsOf(c, query);
  return {
    ...(direct && variable !== undefined && { alias: variable.name }),
    alternatives,
    ...(orderBy !== undefined && { orderBy }),
    wholeItem: source !== undefined && direct && !query.distinct && selectsItem(c, query),
    countsItems: source !== undefined && direct && countsItems(c, query),
    extremesOnly: reads !== undefined && extremesOnly(c, query),
    ...(reads !== undefined && { reads }),
    ...(filterReads !== undefined && { filterReads }),
  };
}

function orderFacts(c: Compilation, query: Query): readonly OrderFact[] | undefined {
  if (query.orderBy === undefined || query.orderBy.rank) return undefined;
  const found: OrderFact[] = [];
  for (const { value, direction } of query.orderBy.items) {
    const path = itemPath(c, value);
    if (path === undefined) return undefined;
    found.push({ path, descending: direction === "DESC" });
  }
  return found;
}

function selectsItem(c: Compilation, query: Query): boolean {
  if (query.select.kind === "star") return true;
  return query.select.kind === "value" && itemPath(c, query.select.value)?.length === 0;
}

function countsItems(c: Compilation, query: Query): boolean {
  const { select } = query;
  if (select.kind !== "value" || query.groupBy !== undefined || select.value.kind !== "call") return false;
  const [argument] = select.value.args;
  if (c.bound.aggregates.get(select.value)?.aggregate.name !== "COUNT" || argument === undefined)
    return false;
  return isConstant(c, argument)
    ? constantValue(c, argument) !== undefined
    : itemPath(c, argument)?.length === 0;
}

function extremesOnly(c: Compilation, { where, groupBy, distinct, ...query }: Query): boolean {
  const aggregates = [...c.bound.aggregates.values()];
  if (where !== undefined || groupBy !== undefined || distinct || aggregates.length === 0) return false;
  if (query.from?.length !== 1) return false;
  return aggregates.every(({ call: { args }, aggregate: { name } }) => {
    const [argument] = args;
    return (
      (name === "MIN" || name === "MAX") && argument !== undefined && itemPath(c, argument) !== undefined
    );
  });
}

function alternativesOf(c: Compilation, filter: Expression): readonly Alternative[] {
  if (filter.kind === "binary" && filter.operator === "OR") {
    const all = operands(filter, "OR").map((operand) => alternativesOf(c, operand));
    const total = all.reduce((sum, part) => sum + part.length, 0);
    return total > ALTERNATIVES_MAX ? UNKNOWN : all.flat();
  }
  if (filter.kind === "binary" && filter.operator === "AND") {
    const certain: Condition[] = [];
    const choices: (readonly Alternative[])[] = [];
    for (const operand of operands(filter, "AND")) {
      const found = alternativesOf(c, operand);
      const [only] = found;
      if (only === undefined) return NEVER;
      if (found.length === 1) certain.push(...only);
      else choices.push(found);
    }
    return choices.reduce<readonly Alternative[]>(both, [certain]);
  }
  if (isConstant(c, filter)) return constantValue(c, filter) === true ? UNKNOWN : NEVER;
  if (filter.kind === "subquery") return existsAlternatives(c, filter);
  const condition = conditionOf(c, filter);
  return condition === undefined ? UNKNOWN : [condition];
}

/** A row of EXISTS passes the filter of the subquery; without rows a grouped one still gives a row. */
function existsAlternatives(c: Compilation, { form, query }: Subquery): readonly Alternative[] {
  const scope = c.bound.scopes.get(query);
  if (form !== "exists" || query.where === undefined || scope?.grouped === true) return UNKNOWN;
  return alternativesOf(c, query.where);
}

/** Conjunction of two disjunctions; the right side is dropped when the product grows too large. */
function both(left: readonly Alternative[], right: readonly Alternative[]): readonly Alternative[] {
  if (left.length === 0 || right.length === 0) return NEVER;
  if (left.length * right.length > ALTERNATIVES_MAX) return left;
  return left.flatMap((first) => right.map((second) => [...first, ...second]));
}

function conditionOf(c: Compilation, filter: Expression): readonly Condition[] | undefined {
  switch (filter.kind) {
    case "identifier":
    case "member":
    case "index":
      return onPath(c, filter, "in", [true]);
    case "unary": {
      if (filter.operator !== "NOT") return undefined;
      return onPath(c, filter.operand, "in", [false]);
    }
    case "binary":
      return comparison(c, filter);
    case "between": {
      if (filter.negated || !isConstant(c, filter.low) || !isConstant(c, filter.high)) return undefined;
      const low = onPath(c, filter.value, "ge", [constantValue(c, filter.low)]);
      const high = onPath(c, filter.value, "le", [constantValue(c, filter.high)]);
      return low === undefined || high === undefined ? undefined : [...low, ...high];
    }
    case "in": {
      if (filter.negated || !filter.list.every((item) => isConstant(c, item))) return undefined;
      return onPath(c, filter.value, "in", definedOnly(filter.list.map((item) => constantValue(c, item))));
    }
    case "like": {
      const pattern = isConstant(c, filter.pattern) ? constantValue(c, filter.pattern) : undefined;
      if (filter.negated || typeof pattern !== "string") return undefined;
      const { prefix, exact } = likePrefix(pattern, filter.escape);
      return onPath(c, filter.value, exact ? "in" : "startsWith", [prefix]);
    }
    case "call":
      return filter.udf ? undefined : callCondition(c, filter);
    default:
      return undefined;
  }
}

function definedOnly(values: readonly Value[]): readonly Value[] {
  return values.filter((value) => value !== undefined);
}

function onPath(
  c: Compilation,
  expression: Expression,
  test: Condition["test"],
  values: readonly Value[],
): readonly Condition[] | undefined {
  const path = partPath(c, expression);
  return path === undefined || path.length === 0 ? undefined : [{ path, test, values }];
}

function comparison(c: Compilation, filter: Binary): readonly Condition[] | undefined {
  const flipped = isConstant(c, filter.left);
  const operator = flipped ? MIRRORED[filter.operator] : filter.operator;
  const [side, constant] = flipped ? [filter.right, filter.left] : [filter.left, filter.right];
  if (operator === undefined || !(operator in MIRRORED) || !isConstant(c, constant)) return undefined;
  const value = constantValue(c, constant);
  if (side.kind === "call" && (operator === "<" || operator === "<=")) {
    return typeof value === "number" ? nearby(c, side, "ST_DISTANCE", value) : undefined;
  }
  const test = operator === "=" ? "in" : TESTS[operator];
  if (test === undefined) return undefined;
  return onPath(c, side, test, test === "in" ? definedOnly([value]) : [value]);
}

/** A call of two geometries, one of which is constant: how far apart they can be where the call is true or small. */
function nearby(
  c: Compilation,
  call: Call,
  name: string,
  distance: number,
): readonly Condition[] | undefined {
  const [first, second] = call.args;
  if (call.udf || call.name.toUpperCase() !== name || first === undefined || second === undefined)
    return undefined;
  const [side, constant] = isConstant(c, first) ? [second, first] : [first, second];
  const path = isConstant(c, constant) ? partPath(c, side) : undefined;
  if (path === undefined || path.length === 0) return undefined;
  const geography = c.context.geospatial === "Geography";
  return withinDistance(path, constantValue(c, constant), distance, geography);
}

function callCondition(c: Compilation, call: Call): readonly Condition[] | undefined {
  const [first, second, third] = call.args;
  if (first === undefined) return undefined;
  switch (call.name.toUpperCase()) {
    case "IS_DEFINED":
      return onPath(c, first, "defined", []);
    case "IS_NULL":
      return onPath(c, first, "in", [null]);
    case "IS_BOOL":
    case "IS_BOOLEAN":
      return onPath(c, first, "in", [false, true]);
    case "STARTSWITH": {
      if (second === undefined || third !== undefined || !isConstant(c, second)) return undefined;
      return onPath(c, first, "startsWith", [constantValue(c, second)]);
    }
    case "ST_INTERSECTS":
      return nearby(c, call, "ST_INTERSECTS", TOUCHING);
    case "ST_WITHIN":
      return second === undefined || !isConstant(c, second)
        ? undefined
        : nearby(c, call, "ST_WITHIN", TOUCHING);
    case "ARRAY_CONTAINS":
    case "_TRY_ARRAY_CONTAINS": {
      if (second === undefined || third !== undefined) return undefined;
      if (isConstant(c, first)) {
        const list = constantValue(c, first);
        return isArray(list) ? onPath(c, second, "in", list) : undefined;
      }
      const path = isConstant(c, second) ? partPath(c, first) : undefined;
      if (path === undefined) return undefined;
      return [{ path: [...path, EACH], test: "in", values: definedOnly([constantValue(c, second)]) }];
    }
    default:
      return undefined;
  }
}

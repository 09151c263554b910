/**
 * The rules of ORDER BY: items are property paths (or VectorDistance), and ORDER BY RANK takes score functions over
 * the plain container.
 */
import { type BindState, report } from "./binding.ts";
import { errorAt, ORDER_BY_NOT_A_PATH } from "./error.ts";
import { asPath, type Call, type Expression, type OrderBy, type Query } from "./syntax.ts";
import { isArray, type Value } from "./values.ts";

const WEIGHTS =
  "The last parameter of the RRF function is an optional array of weights. When present, it must be a literal " +
  "array of numbers, one for each of the component scores used for the RRF function. The length of this array must " +
  "be the same as the number of the component scores.";

/** Reports 2206 for items that are no path and the SC222n rules of ORDER BY RANK. */
export function checkOrderBy(state: BindState, query: Query): void {
  const { orderBy } = query;
  if (orderBy === undefined) return;
  if (orderBy.rank) {
    checkRank(state, query, orderBy);
    return;
  }
  for (const { value, direction } of orderBy.items) {
    if (!isOrderable(state, value)) state.errors.push(ORDER_BY_NOT_A_PATH);
    if (direction !== undefined && isCallOf(value, "VECTORDISTANCE")) {
      const message =
        "Specifying a sorting order (ASC or DESC) with VectorDistance function is not supported.";
      report(state, "SC2210", message, orderBy.span);
    }
  }
  if (orderBy.items.some(({ value }) => isJoined(state, query, value)))
    state.texts.push("Order-by over correlated collections is not supported.");
}

/** A path into what JOIN adds to the items: it has no place in an index, so the service cannot order by it. */
function isJoined(state: BindState, query: Query, value: Expression): boolean {
  const path = asPath(value);
  const variable = path === undefined ? undefined : state.variables.get(path.root);
  return variable?.owner === query && !variable.item && (query.from?.length ?? 0) > 1;
}

function isOrderable(state: BindState, value: Expression): boolean {
  if (isCallOf(value, "VECTORDISTANCE") || isCallOf(value, "_FULLTEXTSCORE")) return true;
  const path = asPath(value);
  if (path === undefined) return false;
  return path.steps.length > 0 || state.variables.get(path.root)?.item !== true;
}

function checkRank(state: BindState, query: Query, orderBy: OrderBy): void {
  const sources = query.from ?? [];
  const span = { start: sources[0]?.span.start ?? 0, end: sources.at(-1)?.span.end ?? 0 };
  if (sources.length > 1) {
    report(state, "SC2224", "The JOIN operator is not allowed with the ORDER BY RANK clause.", span);
  }
  for (const source of sources) {
    if (source.iterate) {
      const message = "The FROM clause with the IN operator is not allowed with the ORDER BY RANK clause.";
      report(state, "SC2223", message, source.span);
    }
    if (source.input.kind === "queryInput") {
      const message = "Subqueries in the FROM clause are not allowed with the ORDER BY RANK clause.";
      report(state, "SC2225", message, source.input.query.span);
    }
  }
  if (!orderBy.items.every(({ value }) => isScore(value) || isFusion(value))) {
    const message =
      "The ORDER BY RANK clause must be followed by a VectorDistance and/or a FullTextScore function call.";
    report(state, "SC2221", message, orderBy.span);
  }
  for (const { value, direction } of orderBy.items) {
    if (direction !== undefined)
      state.texts.push("Specifying a sort order (ASC or DESC) in the ORDER BY RANK clause is not allowed.");
    if (isCallOf(value, "RRF") && !hasGoodWeights(value)) report(state, "SC2229", WEIGHTS, orderBy.span);
  }
}

function isCallOf(expression: Expression, name: string): expression is Call {
  return expression.kind === "call" && !expression.udf && expression.name.toUpperCase() === name;
}

function isScore(expression: Expression): boolean {
  return isCallOf(expression, "VECTORDISTANCE") || isCallOf(expression, "FULLTEXTSCORE");
}

/** RRF fuses at least two component scores. */
function isFusion(expression: Expression): boolean {
  if (!isCallOf(expression, "RRF")) return false;
  const { components } = splitFusion(expression);
  return components.length >= 2 && components.every(isScore);
}

/** The component scores of an RRF call and its weights, when the last argument is no score. */
export function splitFusion(call: Call): {
  readonly components: readonly Expression[];
  readonly weights?: Expression;
} {
  const last = call.args.at(-1);
  if (last === undefined || isScore(last)) return { components: call.args };
  return { components: call.args.slice(0, -1), weights: last };
}

function hasGoodWeights(call: Call): boolean {
  const { components, weights } = splitFusion(call);
  // The value of a parameter is looked at when the query is prepared.
  if (weights === undefined || weights.kind === "parameter") return true;
  if (weights.kind !== "array" || weights.items.length !== components.length) return false;
  return weights.items.every((item) => literalNumber(item) !== undefined);
}

/**
 * The weights of the first item of ORDER BY RANK, written out or the value of a parameter; empty without any. Throws
 * SC2229 for a parameter that has not one number for each component score.
 */
export function fusionWeights(query: Query, parameters: ReadonlyMap<string, Value>): readonly number[] {
  const { orderBy } = query;
  const fusion = orderBy?.rank === true ? orderBy.items[0]?.value : undefined;
  if (fusion === undefined || orderBy === undefined || !isCallOf(fusion, "RRF")) return [];
  const { components, weights } = splitFusion(fusion);
  if (weights?.kind === "array") return weights.items.map((weight) => literalNumber(weight) ?? 1);
  if (weights?.kind !== "parameter") return [];
  const given = parameters.get(weights.name);
  const isGood = isArray(given) && given.length === components.length && given.every(Number.isFinite);
  if (!isGood) throw errorAt("SC2229", WEIGHTS, orderBy.span);
  return given.map(Number);
}

/** The value of a number written out, with or without a sign. */
export function literalNumber(expression: Expression): number | undefined {
  if (expression.kind === "literal")
    return typeof expression.value === "number" ? expression.value : undefined;
  if (expression.kind !== "unary" || (expression.operator !== "-" && expression.operator !== "+"))
    return undefined;
  const inner = literalNumber(expression.operand);
  return inner === undefined || expression.operator === "+" ? inner : -inner;
}

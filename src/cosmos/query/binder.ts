/**
 * Gives meaning to a parsed query: which name means which variable, which calls are aggregates of which query, and
 * whether the clauses may stand together. Collects every semantic error (the SC2nnn codes) instead of the first.
 *
 * The syntax tree stays untouched: what is learnt goes into side tables keyed by its nodes. Each variable and each
 * aggregate result owns one slot of the frame that the compiled query evaluates in.
 */
import type { BindState, Bound, BoundAggregate, Names, QueryScope, Variable } from "./binding.ts";
import { report } from "./binding.ts";
import { checkCall } from "./call-check.ts";
import { limitExceeded, plainError, QueryError } from "./error.ts";
import { type Aggregate, aggregateNamed } from "./functions/aggregate.ts";
import { checkGrouping, checkGroupKeys, containsAggregateOrSubquery } from "./grouping-check.ts";
import { checkOrderBy } from "./order-check.ts";
import {
  type Call,
  type Count,
  children,
  type Expression,
  type Identifier,
  type Input,
  type Query,
  type Source,
} from "./syntax.ts";

/** `maxUdfRefPerSqlQuery` of the service. */
const UDF_CALLS_MAX = 10;

/** A text full of faults need not list them all. */
const ERRORS_MAX = 100;

/** Largest TOP, OFFSET or LIMIT: an unsigned 32-bit number. */
const COUNT_MAX = 4_294_967_295;

/** Where an expression stands; decides which functions are legal in it. */
interface Place {
  readonly names: Names | undefined;
  /** Aggregates found so far, or undefined where none may stand. */
  readonly aggregates: BoundAggregate[] | undefined;
  readonly rank: boolean;
}

/**
 * Resolves and checks `query`; `udfExists` tells which user-defined functions the container has. Throws
 * `QueryError` with every error found, in the order of their place in the text.
 */
export function bind(query: Query, udfExists: (name: string) => boolean): Bound {
  const state: BindState = {
    errors: [],
    texts: [],
    variables: new Map(),
    lets: new Map(),
    scopes: new Map(),
    aggregates: new Map(),
    containers: new Set(),
    spareSlots: new Map(),
    udfExists,
    slots: 0,
    udfCalls: 0,
  };
  bindQuery(state, query, undefined, { outermost: true, reachesContainer: true });
  const places = state.errors.toSorted((a, b) => (a.location?.start ?? 0) - (b.location?.start ?? 0));
  if (places.length > 0) throw new QueryError(places.slice(0, ERRORS_MAX), []);
  if (state.texts[0] !== undefined) throw plainError(state.texts[0]);
  const { slots: frameSize, variables, lets, scopes, aggregates, containers, spareSlots } = state;
  return { query, frameSize, variables, lets, scopes, aggregates, containers, spareSlots };
}

interface Position {
  readonly outermost: boolean;
  /** True along the first FROM source of the outermost query: there an unknown name means the container. */
  readonly reachesContainer: boolean;
}

function bindQuery(state: BindState, query: Query, outer: Names | undefined, position: Position): void {
  if (!position.outermost) checkSubqueryClauses(state, query);
  const sources: (Variable | undefined)[] = [];
  let names = outer;
  for (const [index, source] of (query.from ?? []).entries()) {
    const variable = bindSource(state, query, source, names, position.reachesContainer && index === 0);
    sources.push(variable);
    if (variable === undefined) {
      if (!state.spareSlots.has(query)) state.spareSlots.set(query, state.slots++);
      continue;
    }
    // The service refuses this too; number and text are ours.
    if (sources.some((earlier) => earlier !== variable && earlier?.name === variable.name)) {
      const message = `The input alias '${variable.name}' is specified more than once in the FROM clause.`;
      report(state, "SC2011", message, source.span);
    }
    names = { outer: names, name: variable.name, variable };
  }
  const plain: Place = { names, aggregates: undefined, rank: false };
  if (query.where !== undefined) bindExpression(state, query.where, plain);
  for (const key of query.groupBy ?? []) bindExpression(state, key, plain);
  const aggregates: BoundAggregate[] = [];
  bindSelect(state, query, { ...plain, aggregates });
  const rank = query.orderBy?.rank === true;
  for (const item of query.orderBy?.items ?? []) bindExpression(state, item.value, { ...plain, rank });
  const scope: QueryScope = {
    aggregates,
    grouped: query.groupBy !== undefined || aggregates.length > 0,
    sources,
  };
  state.scopes.set(query, scope);
  checkClauses(state, query, scope);
}

function checkClauses(state: BindState, query: Query, scope: QueryScope): void {
  checkGroupKeys(state, query);
  if (scope.grouped && query.select.kind !== "star") checkGrouping(state, query);
  if (query.groupBy !== undefined && query.orderBy !== undefined) {
    state.texts.push("The ORDER BY clause is not supported in a query with GROUP BY.");
  }
  checkOrderBy(state, query);
  if (query.top !== undefined) checkCount(state, query.top, "TOP");
  if (query.offset !== undefined) checkCount(state, query.offset, "OFFSET");
  if (query.limit !== undefined) checkCount(state, query.limit, "LIMIT");
}

/** TOP, OFFSET LIMIT and ORDER BY belong to the outermost query alone. */
function checkSubqueryClauses(state: BindState, query: Query): void {
  const { orderBy, top, offset } = query;
  if (orderBy?.rank === true) {
    report(state, "SC2228", "The ORDER BY RANK clause is not supported in subqueries.", orderBy.span);
  } else if (orderBy !== undefined) {
    report(state, "SC2202", "'ORDER BY' is not supported in subqueries.", orderBy.span);
  }
  if (top !== undefined) {
    report(state, "SC2203", "'TOP' is not supported in subqueries.", query.topSpan ?? top.span);
  }
  if (offset !== undefined) {
    const location = query.offsetLimitSpan ?? offset.span;
    report(state, "SC2204", "'OFFSET LIMIT' clause is not supported in subqueries.", location);
  }
}

function checkCount(state: BindState, count: Count, clause: "TOP" | "OFFSET" | "LIMIT"): void {
  if (count.kind !== "literal") return;
  const error = countError(count.value, clause);
  if (error !== undefined) report(state, error.code, error.message, count.span);
}

/** The error for a TOP, OFFSET or LIMIT of `value`, if it has one; also used for the values of parameters. */
export function countError(
  value: unknown,
  clause: "TOP" | "OFFSET" | "LIMIT",
): { readonly code: string; readonly message: string } | undefined {
  const whole = typeof value === "number" && Number.isInteger(value) && value >= 0;
  if (whole && value <= COUNT_MAX) return undefined;
  if (clause === "TOP") {
    return { code: "SC2060", message: "The count value provided for a TOP clause must be an integer." };
  }
  const code = clause === "LIMIT" ? "SC2061" : "SC2062";
  if (whole) return { code, message: `The ${clause} count value exceeds the maximum allowed value.` };
  return { code, message: `The ${clause} count value must be a non-negative integer.` };
}

function bindSource(
  state: BindState,
  owner: Query,
  source: Source,
  names: Names | undefined,
  reachesContainer: boolean,
): Variable | undefined {
  const { input } = source;
  const item = bindInput(state, input, names, reachesContainer) && !source.iterate;
  const name = source.alias ?? inferredAlias(input);
  return name === undefined ? undefined : { name, slot: state.slots++, owner, item };
}

/** Binds what a source reads; true when that is whole items. */
function bindInput(
  state: BindState,
  input: Input,
  names: Names | undefined,
  reachesContainer: boolean,
): boolean {
  if (input.kind === "queryInput") {
    bindQuery(state, input.query, names, { outermost: false, reachesContainer });
    return false;
  }
  const variable = lookup(names, input.root);
  if (variable !== undefined) state.variables.set(input, variable);
  else if (reachesContainer) state.containers.add(input);
  else report(state, "SC2001", `Identifier '${input.root}' could not be resolved.`, input.rootSpan);
  return input.steps.length === 0 && (variable === undefined || variable.item);
}

/** `FROM a` is called a, `FROM a.b` is called b; an index or a subquery gives no name. */
function inferredAlias(input: Input): string | undefined {
  if (input.kind === "queryInput") return undefined;
  const last = input.steps.at(-1);
  if (last === undefined) return input.root;
  return last.form === "index" ? undefined : last.name;
}

function lookup(names: Names | undefined, name: string): Variable | undefined {
  for (let at = names; at !== undefined; at = at.outer) if (at.name === name) return at.variable;
  return undefined;
}

function bindSelect(state: BindState, query: Query, place: Place): void {
  const { select, from } = query;
  if (select.kind === "value") {
    bindExpression(state, select.value, place);
    return;
  }
  if (select.kind === "list") {
    for (const item of select.items) bindExpression(state, item.value, place);
    return;
  }
  // The texts of the first two are the service's; their numbers are inferred from the third.
  if (from === undefined) {
    report(state, "SC2039", "'SELECT *' is not valid if FROM clause is omitted.", select.span);
  } else if (from.length > 1) {
    report(state, "SC2040", "'SELECT *' is only valid with a single input set.", select.span);
  } else if (query.groupBy !== undefined) {
    report(state, "SC2041", "'SELECT *' is not allowed with GROUP BY.", select.span);
  }
}

function bindExpression(state: BindState, expression: Expression, place: Place): void {
  switch (expression.kind) {
    case "identifier":
      bindIdentifier(state, expression, place.names);
      return;
    case "subquery":
      bindQuery(state, expression.query, place.names, { outermost: false, reachesContainer: false });
      return;
    case "let": {
      bindExpression(state, expression.value, place);
      const variable: Variable = { name: expression.name, slot: state.slots++, item: false };
      state.lets.set(expression, variable);
      const names = { outer: place.names, name: expression.name, variable };
      bindExpression(state, expression.body, { ...place, names, aggregates: undefined });
      return;
    }
    case "call":
      bindCall(state, expression, place);
      return;
    default:
      for (const child of children(expression)) bindExpression(state, child, place);
  }
}

/** NaN and Infinity are constants unless a variable has that name. */
function bindIdentifier(state: BindState, identifier: Identifier, names: Names | undefined): void {
  const variable = lookup(names, identifier.name);
  if (variable !== undefined) state.variables.set(identifier, variable);
  else if (identifier.name !== "NaN" && identifier.name !== "Infinity") {
    report(state, "SC2001", `Identifier '${identifier.name}' could not be resolved.`, identifier.span);
  }
}

function bindCall(state: BindState, call: Call, place: Place): void {
  if (call.udf && ++state.udfCalls > UDF_CALLS_MAX) {
    throw limitExceeded("number of user-defined function calls", UDF_CALLS_MAX);
  }
  const aggregate = call.udf ? undefined : aggregateNamed(call.name);
  checkCall(state, call, aggregate, place.rank);
  if (aggregate !== undefined) bindAggregate(state, call, aggregate, place);
  const inner: Place = { ...place, aggregates: aggregate === undefined ? place.aggregates : undefined };
  for (const argument of call.args) bindExpression(state, argument, inner);
}

function bindAggregate(state: BindState, call: Call, aggregate: Aggregate, place: Place): void {
  if (call.args.some(containsAggregateOrSubquery)) {
    const message =
      "Cannot perform an aggregate function on an expression containing an aggregate or a subquery.";
    report(state, "SC2101", message, call.span);
  } else if (place.aggregates === undefined) {
    state.texts.push("An aggregate function is only allowed in the SELECT clause.");
  } else {
    const bound: BoundAggregate = { call, aggregate, slot: state.slots++ };
    place.aggregates.push(bound);
    state.aggregates.set(call, bound);
  }
}

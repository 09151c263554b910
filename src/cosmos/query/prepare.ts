/**
 * The room's front: query text and parameters in, something that can be run out. The data plane needs this file,
 * `run.ts` (how to page), `continuation.ts` (the state between pages), `planner.ts` (query plans) and `error.ts`.
 */
import { bind, countError } from "./binder.ts";
import type { Bound } from "./binding.ts";
import { type Compilation, type Evaluate, renew, type Stretch } from "./compilation.ts";
import type { RunState } from "./continuation.ts";
import { errorAt, plainError } from "./error.ts";
import { compileExpression } from "./evaluate.ts";
import { type Facts, factsOf } from "./facts.ts";
import type { Implementation, VectorEmbedding } from "./functions/signature.ts";
import { compileRowTest, type Nearest, nearestOf } from "./nearest.ts";
import { fusionWeights, splitFusion } from "./order-check.ts";
import { parseQuery } from "./parser.ts";
import { compileSubquery } from "./pipeline.ts";
import { asVectorDistance, nearestFirst, vectorMetric } from "./rank.ts";
import { type QueryRun, type RunOptions, type RunPlan, startRun } from "./run.ts";
import { type Count, children, type Expression, type Query } from "./syntax.ts";
import { VALUE_DEPTH_MAX, type Value, withinDepth } from "./values.ts";

export interface QueryParameter {
  /** With its at sign. */
  readonly name: string;
  readonly value?: unknown;
}

export interface ComputedProperty {
  readonly name: string;
  /** `SELECT VALUE .. FROM c` */
  readonly query: string;
}

export interface PrepareOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Uniform in [0, 1), for RAND. */
  readonly random: () => number;
  /** The container's user-defined function of that name; undefined refuses the query. It may throw `QueryError`. */
  readonly udf?: (name: string) => Implementation | undefined;
  readonly computedProperties?: readonly ComputedProperty[];
  /** `geospatialConfig.type` of the container; Geography by default. */
  readonly geospatial?: "Geography" | "Geometry";
  /** Ends work on one item that takes too long with a `QueryOverrun`; absent: only counted limits hold. */
  readonly stretch?: Stretch | undefined;
  /** `vectorEmbeddingPolicy.vectorEmbeddings` of the container. */
  readonly vectorEmbeddings?: readonly VectorEmbedding[];
}

export interface PreparedQuery {
  readonly syntax: Query;
  /** False for a query that reads no items: start it and call `finish`. */
  readonly readsItems: boolean;
  /** Rows come while items are pushed; false: all rows come at `finish`. */
  readonly streaming: boolean;
  /** `position`: a page can go on at an item. `replay`: every page scans all items again. */
  readonly resumesBy: "position" | "replay";
  readonly distinct: boolean;
  readonly grouped: boolean;
  /** The aggregates of the outermost select list by plan name, in text order. */
  readonly aggregates: readonly string[];
  readonly top?: number;
  readonly offset?: number;
  readonly limit?: number;
  readonly facts: Facts;
  /** For each ORDER BY item: does it sort downwards. */
  readonly descending: readonly boolean[];
  /** ORDER BY a score that no index orders (VectorDistance, RANK): clients buffer and sort. */
  readonly nonStreamingOrderBy: boolean;
  /** The direction of each component score of ORDER BY RANK. */
  readonly rankDirections: readonly ("ASC" | "DESC")[];
  /** The weights of its RRF call, one for each component score; empty without any. */
  readonly rankWeights: readonly number[];
  /** A query inside FROM aggregates or removes duplicates, so partitions cannot be merged from outside. */
  readonly innerNeedsMerge: boolean;
  /**
   * With more than one key range a gateway refuses to serve this query itself (400 with sub-status 1004): it needs
   * state across ranges. The client must fetch a plan and query each range.
   */
  readonly crossPartitionUnservable: boolean;
  /** Its select list is of aggregates without VALUE or GROUP BY (`SELECT AVG(c.x)`), which a gateway leaves to clients. */
  readonly aggregatesByName: boolean;
  /** The query wants the rows that are nearest to a vector. */
  readonly nearest?: Nearest;
  /** For a query with `nearest`: whether an item gives a row. */
  rowTest(): (item: Value) => boolean;
  /** For a query with `facts.filterReads`: whether an item, or what stands in for it, passes the filter. */
  filterTest(): (item: Value) => boolean;
  /** Starts an execution; independent of every other one. */
  start(resume?: RunState, options?: RunOptions): QueryRun;
}

/**
 * Parses, binds and compiles. Throws `QueryError` for anything wrong with text or parameters. `text` may be an
 * already parsed query, so that callers can keep an LRU of syntax trees.
 */
export function prepareQuery(
  text: string | Query,
  parameters: readonly QueryParameter[],
  options: PrepareOptions,
): PreparedQuery {
  options.stretch?.begin();
  const query = typeof text === "string" ? parseQuery(text) : text;
  const values = parameterValues(parameters);
  const udf = options.udf ?? (() => undefined);
  const bound = bind(query, (name) => udf(name) !== undefined);
  const compile = (): Compilation => createCompilation(bound, values, options);
  const compilation = compile();
  const top = countOf(query.top, values, "TOP");
  const offset = countOf(query.offset, values, "OFFSET");
  const limit = countOf(query.limit, values, "LIMIT");
  const facts = factsOf(compilation);
  const ordered = query.orderBy !== undefined && !isGrouped(bound, query);
  const descending = (query.orderBy?.items ?? []).map(({ value, direction }) => {
    return (direction ?? defaultDirection(compilation, value)) === "DESC";
  });
  const innerNeedsMerge = chain(query).some(
    (part) => part !== query && (part.distinct || isGrouped(bound, part)),
  );
  const replays = query.distinct || innerNeedsMerge || isGrouped(bound, query);
  const plan = {
    query,
    offset: offset ?? 0,
    limit: Math.min(top ?? Number.POSITIVE_INFINITY, limit ?? Number.POSITIVE_INFINITY),
    replays,
    descending,
    checksRows: !isPlain(query),
  };
  const nearest = nearestOf(compilation, query, plan.offset + plan.limit);
  return {
    syntax: query,
    readsItems: readsItems(bound, query),
    streaming: !ordered && !chain(query).some((part) => isGrouped(bound, part)),
    resumesBy: ordered || replays ? "replay" : "position",
    distinct: query.distinct,
    grouped: isGrouped(bound, query),
    aggregates: (bound.scopes.get(query)?.aggregates ?? []).map(({ aggregate }) => aggregate.planName),
    ...(top !== undefined && { top }),
    ...(offset !== undefined && { offset }),
    ...(limit !== undefined && { limit }),
    facts,
    descending,
    nonStreamingOrderBy: (query.orderBy?.items ?? []).some(({ value }) => value.kind === "call"),
    rankDirections: rankedScores(query).map((score) => defaultDirection(compilation, score)),
    rankWeights: fusionWeights(query, values),
    innerNeedsMerge,
    crossPartitionUnservable:
      query.orderBy !== undefined ||
      query.distinct ||
      isGrouped(bound, query) ||
      innerNeedsMerge ||
      top !== undefined ||
      offset !== undefined,
    aggregatesByName: query.select.kind === "list" && query.groupBy === undefined && isGrouped(bound, query),
    ...(nearest !== undefined && { nearest }),
    rowTest: () => compileRowTest(compile(), query),
    filterTest: () => compileFilterTest(compile(), query),
    start(resume, runOptions = {}) {
      options.stretch?.begin();
      const sorts = ordered && runOptions.sorted !== true;
      const complete: RunPlan = { ...plan, sorts, compilation: compile() };
      return startRun(complete, resume, runOptions);
    },
  };
}

function compileFilterTest(c: Compilation, query: Query): (item: Value) => boolean {
  const filter = query.where === undefined ? () => true : compileExpression(c, query.where);
  const slot = c.bound.scopes.get(query)?.sources[0]?.slot ?? 0;
  const frame = new Array<Value>(c.bound.frameSize).fill(undefined);
  return (item) => {
    frame[slot] = item;
    return filter(frame) === true;
  };
}

/** Values by name. Throws on a duplicate name and on nesting that no item could have. */
function parameterValues(parameters: readonly QueryParameter[]): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>();
  for (const { name, value } of parameters) {
    if (!/^@./.test(name)) {
      throw plainError(
        "Invalid query. Parameter names should be in the format of symbol '@' followed by a valid identifier.",
      );
    }
    if (values.has(name)) throw plainError(`Invalid query. Specified duplicate parameter name '${name}'.`);
    if (!withinDepth(value, VALUE_DEPTH_MAX)) {
      throw plainError(`The value of parameter '${name}' is nested deeper than ${VALUE_DEPTH_MAX} levels.`);
    }
    values.set(name, value as Value);
  }
  return values;
}

function createCompilation(
  bound: Bound,
  parameters: ReadonlyMap<string, Value>,
  options: PrepareOptions,
): Compilation {
  return {
    bound,
    parameters,
    context: {
      now: options.now,
      startedAt: options.now(),
      random: options.random,
      geospatial: options.geospatial ?? "Geography",
      embeddings: options.vectorEmbeddings ?? [],
      stretch: options.stretch,
    },
    udf: options.udf ?? (() => undefined),
    computed: computedProperties(options),
    budget: { left: 0, stretch: options.stretch },
    constants: new Map(),
    compileSubquery,
  };
}

/** Each computed property as a function of the item. Its query may not use other computed properties. */
function computedProperties(options: PrepareOptions): ReadonlyMap<string, (item: Value) => Value> {
  const { computedProperties: definitions = [], ...rest } = options;
  const functions = new Map<string, (item: Value) => Value>();
  for (const { name, query } of definitions) {
    const bound = bind(parseQuery(query), () => false);
    const compilation = createCompilation(bound, new Map(), rest);
    const select = bound.query.select;
    const slot = bound.scopes.get(bound.query)?.sources[0]?.slot ?? 0;
    const evaluate: Evaluate =
      select.kind === "value" ? compileExpression(compilation, select.value) : () => undefined;
    functions.set(name, (item) => {
      const frame = new Array<Value>(bound.frameSize).fill(undefined);
      frame[slot] = item;
      renew(compilation.budget);
      return evaluate(frame);
    });
  }
  return functions;
}

/** The number of a TOP, OFFSET or LIMIT, also when it is a parameter. */
function countOf(
  count: Count | undefined,
  values: ReadonlyMap<string, Value>,
  clause: "TOP" | "OFFSET" | "LIMIT",
): number | undefined {
  if (count === undefined) return undefined;
  const value = count.kind === "literal" ? count.value : values.get(count.name);
  const error = countError(value, clause);
  if (error !== undefined) throw errorAt(error.code, error.message, count.span);
  return Number(value);
}

/** The queries nested in the first FROM source, outermost first: each feeds the one around it. */
function chain(query: Query): readonly Query[] {
  const input = query.from?.[0]?.input;
  return input?.kind === "queryInput" ? [query, ...chain(input.query)] : [query];
}

function readsItems(bound: Bound, query: Query): boolean {
  const input = chain(query).at(-1)?.from?.[0]?.input;
  return input?.kind === "path" && bound.containers.has(input);
}

function isGrouped(bound: Bound, query: Query): boolean {
  return bound.scopes.get(query)?.grouped === true;
}

/** Nearest first for vectors, highest score first for texts, ascending for everything else. */
function defaultDirection(c: Compilation, value: Expression): "ASC" | "DESC" {
  const vector = asVectorDistance(value);
  if (vector !== undefined) return nearestFirst(vectorMetric(c, vector));
  return value.kind === "call" ? "DESC" : "ASC";
}

/** The component scores of ORDER BY RANK. */
function rankedScores(query: Query): readonly Expression[] {
  const item = query.orderBy?.rank === true ? query.orderBy.items[0]?.value : undefined;
  if (item === undefined) return [];
  return item.kind === "call" && item.name.toUpperCase() === "RRF" ? splitFusion(item).components : [item];
}

/** True when rows are parts of the item put together once: then they are finite and no larger than the query. */
function isPlain(query: Query): boolean {
  if (chain(query).length > 1 || query.groupBy !== undefined) return false;
  if ((query.from ?? []).some((source) => source.input.kind === "queryInput")) return false;
  const { select } = query;
  if (select.kind === "star") return true;
  const parts = select.kind === "value" ? [select.value] : select.items.map((item) => item.value);
  return (
    parts.every(isPlainExpression) && parts.reduce((sum, part) => sum + leaves(part), 0) <= PLAIN_LEAVES_MAX
  );
}

/** A row that repeats more parts of its item than this is measured before it is returned. */
const PLAIN_LEAVES_MAX = 64;

function leaves(expression: Expression): number {
  return expression.kind === "array" || expression.kind === "object"
    ? children(expression).reduce((sum, child) => sum + leaves(child), 0)
    : 1;
}

function isPlainExpression(expression: Expression): boolean {
  switch (expression.kind) {
    case "identifier":
      return expression.name !== "NaN" && expression.name !== "Infinity";
    case "literal":
      return typeof expression.value !== "number" || Number.isFinite(expression.value);
    case "member":
    case "index":
    case "array":
    case "object":
      return children(expression).every(isPlainExpression);
    default:
      return false;
  }
}

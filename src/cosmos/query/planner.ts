/**
 * The query plan that clients ask for before they fan a query out over partitions: what they must merge and how, the
 * rewritten query for each partition, and the key ranges that can hold results.
 */

import { bind } from "./binder.ts";
import type { Bound } from "./binding.ts";
import { plainError } from "./error.ts";
import { checkFeatures } from "./features.ts";
import { planHybridSearch } from "./hybrid-plan.ts";
import { parseQuery } from "./parser.ts";
import { columnNames } from "./pipeline.ts";
import { EMPTY_INFO, type HybridSearchPlan, type QueryInfo, type QueryPlan } from "./plan.ts";
import { type PreparedQuery, type PrepareOptions, prepareQuery, type QueryParameter } from "./prepare.ts";
import { printExpression, printQuery } from "./print.ts";
import { type EffectivePartitionKey, type PartitionKeyDefinition, queryRanges } from "./ranges.ts";
import { rewriteGrouping, rewriteOrderBy, withClauses, withLimit } from "./rewrite.ts";
import type { Query } from "./syntax.ts";

export interface PlanOptions extends PrepareOptions {
  readonly partitionKey: PartitionKeyDefinition;
  readonly epk: EffectivePartitionKey;
  /** From the request's `x-ms-cosmos-supported-query-features`; absent: every feature. */
  readonly supportedFeatures?: readonly string[];
  /** The request names one partition key, so there is nothing to merge across partitions. */
  readonly singlePartitionKey?: boolean;
}

/**
 * The plan of `text`. Throws `QueryError` for a faulty query, for aggregates inside other expressions (which cannot
 * be merged), and for what the client's features cannot merge.
 */
export function queryPlan(
  text: string,
  parameters: readonly QueryParameter[],
  options: PlanOptions,
): QueryPlan {
  const query = parseQuery(text);
  const prepared = prepareQuery(query, parameters, options);
  const { udf } = options;
  const bound = bind(query, (name) => udf?.(name) !== undefined);
  const ranges = queryRanges(prepared.facts, prepared.readsItems, options.partitionKey, options.epk);
  const plan = { partitionedQueryExecutionInfoVersion: 2, queryRanges: ranges } as const;
  if (query.orderBy?.rank === true) {
    const hybridSearchQueryInfo = planHybridSearch(bound, query, prepared);
    checkFeatures(options.supportedFeatures, hybridFeatures(hybridSearchQueryInfo));
    return { ...plan, hybridSearchQueryInfo };
  }
  const [only] = ranges;
  const onePoint = ranges.length === 1 && only !== undefined && only.min === only.max && only.min !== "";
  const queryInfo = describe(bound, query, prepared, onePoint || options.singlePartitionKey === true);
  checkFeatures(options.supportedFeatures, featuresOf(queryInfo));
  return { ...plan, queryInfo };
}

function hybridFeatures({ componentWeights }: HybridSearchPlan): string[] {
  return componentWeights.length > 0 ? ["HybridSearch", "WeightedRankFusion"] : ["HybridSearch"];
}

/** The features a client needs to follow this plan. */
function featuresOf(info: QueryInfo): string[] {
  const all = [...info.aggregates, ...Object.values(info.groupByAliasToAggregateType)];
  const merged = all.filter((aggregate) => aggregate !== null);
  const needed: [string, boolean][] = [
    ["Aggregate", info.aggregates.length > 0],
    [
      "NonValueAggregate",
      info.aggregates.length === 0 && merged.length > 0 && info.groupByExpressions.length === 0,
    ],
    ["MultipleAggregates", merged.length > 1],
    ["ListAndSetAggregate", merged.includes("MakeList") || merged.includes("MakeSet")],
    ["CountIf", merged.includes("CountIf")],
    ["Distinct", info.distinctType !== "None"],
    ["DCount", info.dCountInfo !== null],
    ["GroupBy", info.groupByExpressions.length > 0],
    ["OffsetAndLimit", info.offset !== null],
    ["OrderBy", info.orderBy.length > 0],
    ["MultipleOrderBy", info.orderBy.length > 1],
    ["NonStreamingOrderBy", info.hasNonStreamingOrderBy],
    ["Top", info.top !== null],
  ];
  return needed.filter(([, wanted]) => wanted).map(([name]) => name);
}

function describe(bound: Bound, query: Query, prepared: PreparedQuery, onePartition: boolean): QueryInfo {
  const counted = describeDistinctCount(bound, query, prepared);
  if (counted !== undefined) return counted;
  const common: QueryInfo = {
    ...EMPTY_INFO,
    top: prepared.top ?? null,
    offset: prepared.offset ?? null,
    limit: prepared.limit ?? null,
    hasSelectValue: query.select.kind === "value",
    distinctType: distinctType(query),
  };
  if (!prepared.readsItems && !prepared.grouped)
    return { ...EMPTY_INFO, hasSelectValue: common.hasSelectValue };
  if (prepared.grouped) return describeGrouping(bound, query, common);
  if (query.orderBy !== undefined) return describeOrderBy(bound, query, prepared, common);
  if (query.distinct) {
    const limited = prepared.top !== undefined || prepared.offset !== undefined;
    return { ...common, rewrittenQuery: limited ? printQuery(withoutLimits(query)) : "" };
  }
  if (prepared.offset === undefined || prepared.limit === undefined) return common;
  if (onePartition) return { ...common, offset: null, limit: null };
  return { ...common, rewrittenQuery: printQuery(withLimit(query, prepared.offset + prepared.limit)) };
}

function withoutLimits(query: Query): Query {
  return withClauses(query, {
    top: undefined,
    topSpan: undefined,
    offset: undefined,
    limit: undefined,
    offsetLimitSpan: undefined,
  });
}

/** Ordered when equal rows come side by side: the projection is exactly the leading sort expressions. */
function distinctType(query: Query): QueryInfo["distinctType"] {
  if (!query.distinct) return "None";
  const { select, orderBy } = query;
  if (orderBy === undefined || select.kind === "star") return "Unordered";
  const values = select.kind === "value" ? [select.value] : select.items.map((item) => item.value);
  const projected = new Set(values.map(printExpression));
  const leading = orderBy.items.slice(0, projected.size).map(({ value }) => printExpression(value));
  return leading.length === projected.size && leading.every((text) => projected.has(text))
    ? "Ordered"
    : "Unordered";
}

function describeGrouping(bound: Bound, query: Query, common: QueryInfo): QueryInfo {
  const { select } = query;
  const rewrittenQuery = printQuery(rewriteGrouping(bound, query));
  const groupByExpressions = (query.groupBy ?? []).map(printExpression);
  const planName = (index: number): string | null => {
    const value =
      select.kind === "list"
        ? select.items[index]?.value
        : select.kind === "value"
          ? select.value
          : undefined;
    return value?.kind === "call" ? (bound.aggregates.get(value)?.aggregate.planName ?? null) : null;
  };
  if (select.kind !== "list") {
    const aggregate = planName(0);
    return {
      ...common,
      groupByExpressions,
      aggregates: aggregate === null ? [] : [aggregate],
      rewrittenQuery,
    };
  }
  const groupByAliases = columnNames(select.items);
  const groupByAliasToAggregateType = Object.fromEntries(
    groupByAliases.map((name, i) => [name, planName(i)]),
  );
  return { ...common, groupByExpressions, groupByAliases, groupByAliasToAggregateType, rewrittenQuery };
}

function describeOrderBy(bound: Bound, query: Query, prepared: PreparedQuery, common: QueryInfo): QueryInfo {
  const items = query.orderBy?.items ?? [];
  const nonStreaming = prepared.nonStreamingOrderBy;
  const rewritten = rewriteOrderBy(bound, query);
  const bounded = nonStreaming && prepared.limit !== undefined;
  const limited = bounded ? withLimit(rewritten, (prepared.offset ?? 0) + (prepared.limit ?? 0)) : rewritten;
  return {
    ...common,
    orderBy: prepared.descending.map((descending) => (descending ? "Descending" : "Ascending")),
    orderByExpressions: items.map(({ value }) => printExpression(value)),
    rewrittenQuery: printQuery(limited),
    hasNonStreamingOrderBy: nonStreaming,
  };
}

/** `SELECT [VALUE] COUNT(1) FROM (SELECT DISTINCT ..)`: partitions return distinct rows and the client counts. */
function describeDistinctCount(bound: Bound, query: Query, prepared: PreparedQuery): QueryInfo | undefined {
  const source = query.from?.length === 1 ? query.from[0] : undefined;
  const inner = source?.input.kind === "queryInput" ? source.input.query : undefined;
  if (inner === undefined) return undefined;
  const { select } = query;
  const value =
    select.kind === "value" ? select.value : select.kind === "list" ? select.items[0]?.value : undefined;
  const aggregate = value?.kind === "call" ? bound.aggregates.get(value)?.aggregate.name : undefined;
  const plain = query.where === undefined && query.groupBy === undefined && inner.groupBy === undefined;
  const single = select.kind === "value" || (select.kind === "list" && select.items.length === 1);
  if (inner.distinct && plain && single && aggregate === "COUNT") {
    const dCountAlias = select.kind === "list" ? (columnNames(select.items)[0] ?? "") : "";
    return {
      ...EMPTY_INFO,
      distinctType: "Unordered",
      hasSelectValue: inner.select.kind === "value",
      dCountInfo: { dCountAlias },
      rewrittenQuery: printQuery(inner),
    };
  }
  if (prepared.innerNeedsMerge) {
    throw plainError(
      "Cross partition query does not support DISTINCT or aggregates in a subquery of the FROM clause.",
    );
  }
  return undefined;
}

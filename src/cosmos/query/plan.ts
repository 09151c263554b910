/**
 * The shape of a query plan on the wire. Types apart from the planner, which has two halves that build them.
 */
import type { QueryRange } from "./ranges.ts";

export type SortOrder = "Ascending" | "Descending";

export interface QueryInfo {
  readonly distinctType: "None" | "Ordered" | "Unordered";
  readonly top: number | null;
  readonly offset: number | null;
  readonly limit: number | null;
  readonly orderBy: readonly SortOrder[];
  readonly orderByExpressions: readonly string[];
  readonly groupByExpressions: readonly string[];
  readonly groupByAliases: readonly string[];
  readonly aggregates: readonly string[];
  readonly groupByAliasToAggregateType: Readonly<Record<string, string | null>>;
  readonly rewrittenQuery: string;
  readonly hasSelectValue: boolean;
  readonly dCountInfo: { readonly dCountAlias: string } | null;
  readonly hasNonStreamingOrderBy: boolean;
}

/** The plan of ORDER BY RANK. */
export interface HybridSearchPlan {
  readonly globalStatisticsQuery: string;
  readonly componentQueryInfos: readonly QueryInfo[];
  readonly componentWithoutPayloadQueryInfos: readonly QueryInfo[];
  readonly componentWeights: readonly number[];
  readonly skip: number | null;
  readonly take: number | null;
  readonly requiresGlobalStatistics: boolean;
}

/** The JSON of `partitionedQueryExecutionInfo`, version 2. */
export interface QueryPlan {
  readonly partitionedQueryExecutionInfoVersion: 2;
  readonly queryInfo?: QueryInfo;
  readonly hybridSearchQueryInfo?: HybridSearchPlan;
  readonly queryRanges: readonly QueryRange[];
}

export const EMPTY_INFO: QueryInfo = {
  distinctType: "None",
  top: null,
  offset: null,
  limit: null,
  orderBy: [],
  orderByExpressions: [],
  groupByExpressions: [],
  groupByAliases: [],
  aggregates: [],
  groupByAliasToAggregateType: {},
  rewrittenQuery: "",
  hasSelectValue: false,
  dCountInfo: null,
  hasNonStreamingOrderBy: false,
};

/**
 * What a plan must know of a query, as plain data: queries are also prepared in other threads, and only this comes over.
 */
import type { Facts } from "../query/facts.ts";
import type { Nearest } from "../query/nearest.ts";
import type { PreparedQuery } from "../query/prepare.ts";
import type { Value } from "../query/values.ts";

export interface QueryShape {
  readonly facts: Facts;
  readonly grouped: boolean;
  readonly distinct: boolean;
  readonly readsItems: boolean;
  /** It has an ORDER BY clause, or a WHERE clause. */
  readonly ordered: boolean;
  readonly filtered: boolean;
  /** Sources in its FROM clause. */
  readonly sources: number;
  readonly crossPartitionUnservable: boolean;
  readonly aggregatesByName: boolean;
  /** The query wants the rows that are nearest to a vector. */
  readonly nearest?: Nearest;
}

export function shapeOf(query: PreparedQuery): QueryShape {
  const {
    facts,
    grouped,
    distinct,
    readsItems,
    crossPartitionUnservable,
    aggregatesByName,
    syntax,
    nearest,
  } = query;
  return {
    facts,
    grouped,
    distinct,
    readsItems,
    ordered: syntax.orderBy !== undefined,
    filtered: syntax.where !== undefined,
    sources: syntax.from?.length ?? 0,
    crossPartitionUnservable,
    aggregatesByName,
    ...(nearest === undefined ? {} : { nearest }),
  };
}

/** Whether an item, or what stands in for it, passes the query's filter. */
export type FilterTest = (item: Value) => boolean;

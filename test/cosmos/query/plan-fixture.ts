/**
 * Plans for tests, with readable key ranges.
 */
import assert from "node:assert/strict";
import type { QueryInfo, QueryPlan } from "../../../src/cosmos/query/plan.ts";
import { queryPlan } from "../../../src/cosmos/query/planner.ts";
import type { QueryParameter } from "../../../src/cosmos/query/prepare.ts";
import type { PartitionKeyDefinition } from "../../../src/cosmos/query/ranges.ts";
import { OPTIONS } from "./rows.ts";

/** The partition key of most plan tests. */
export const PK: PartitionKeyDefinition = { paths: ["/pk"], kind: "Hash" };
export const FILTER = "({documentdb-formattableorderbyquery-filter})";

/** The plan of a query; effective partition keys are the JSON of the values. */
export function planOf(
  text: string,
  parameters: readonly QueryParameter[] = [],
  partitionKey: PartitionKeyDefinition = PK,
  features?: readonly string[],
): QueryPlan {
  return queryPlan(text, parameters, {
    ...OPTIONS,
    partitionKey,
    epk: (values) => JSON.stringify(values),
    ...(features !== undefined && { supportedFeatures: features }),
  });
}

/** The `queryInfo` of the plan. */
export function infoOf(text: string, parameters: readonly QueryParameter[] = []): QueryInfo {
  const info = planOf(text, parameters).queryInfo;
  assert.ok(info !== undefined);
  return info;
}

/**
 * Running an operation within its container's throughput: which ranges a request uses is read from its headers, and its
 * charge is taken from them. Only accounts that enforce their throughput come here; bulk requests are held part by part
 * (batch.ts), as the service does.
 */

import { inRange } from "../engine/documents.ts";
import { effectivePartitionKey } from "../engine/effective-partition-key.ts";
import { parsePartitionKeyHeader } from "../engine/partition-key.ts";
import type { ContainerRecord, PhysicalRange } from "../engine/records.ts";
import type { Meter } from "../engine/throughput.ts";
import { flag, type RequestHeaders } from "../wire/headers.ts";
import type { OperationRow } from "../wire/operations.ts";
import { accountNameOf, type Operation, type OperationContext } from "./operation.ts";

/** Request units of a request that was let in and failed. */
const failureCharge = 1;

const metered: ReadonlySet<OperationRow["address"]> = new Set([
  "itemFeed",
  "item",
  "storedProcedure",
  "partitionKeyDelete",
]);

/** Answers for which an item, or the place where one would be, was looked at: in the service they cost as well. */
const lookedAt: ReadonlySet<number> = new Set([404, 409, 412]);

/** The request units that a failed request is told to have cost. Substatus 1002 and 1003 are about sessions and owners. */
export function chargeOfFailure(
  row: Pick<OperationRow, "address"> | undefined,
  { status, substatus }: { readonly status: number; readonly substatus: number },
): number {
  if (row?.address !== "item" && row?.address !== "itemFeed") return 0;
  return lookedAt.has(status) && substatus !== 1002 && substatus !== 1003 ? failureCharge : 0;
}

/** The operation's result, or 429/3200 when its ranges have no throughput left. */
export async function withinThroughput(
  context: OperationContext,
  row: Pick<OperationRow, "address" | "mark" | "name">,
  operation: Operation,
): ReturnType<Operation> {
  const { container, headers } = context;
  if (container === undefined || !metered.has(row.address) || isBulk(row, headers)) return operation(context);
  if (row.address === "storedProcedure" && row.name !== "ExecuteStoredProcedure") return operation(context);
  const meter = await meterOf(context, container, usedRanges(headers, container));
  let charge = failureCharge;
  try {
    const result = await operation(context);
    charge = result.charge;
    return result;
  } finally {
    meter.charge(charge);
  }
}

/** A meter of these ranges; one that measures nothing when the account does not enforce its throughput. */
export async function meterOf(
  context: OperationContext,
  container: ContainerRecord,
  ranges: readonly PhysicalRange[],
): Promise<Meter> {
  if (context.account.record.account.enforcesThroughput !== true) return { charge: () => {} };
  return context.engine.throughput.admit(accountNameOf(context), container, ranges);
}

function isBulk(row: Pick<OperationRow, "mark">, headers: RequestHeaders): boolean {
  return row.mark === "batch" && !flag(headers, "x-ms-cosmos-batch-atomic");
}

function usedRanges(headers: RequestHeaders, container: ContainerRecord): readonly PhysicalRange[] {
  const { ranges, partitionKey } = container;
  if (ranges.length === 1) return ranges;
  const key = headers["x-ms-documentdb-partitionkey"];
  if (key !== undefined) {
    const epk = effectivePartitionKey(parsePartitionKeyHeader(key), partitionKey);
    const span = { min: epk, max: `${epk}FF` };
    return ranges.filter((range) => inRange(epk, range) || (range.min < span.max && span.min < range.min));
  }
  const id = headers["x-ms-documentdb-partitionkeyrangeid"]?.split(",").pop()?.trim();
  const named = ranges.filter((range) => range.id === id);
  return named.length > 0 ? named : ranges;
}

/** What the reply to a query says: the page, what it cost, and which indexes it used. */
import type { ContainerRecord } from "../engine/records.ts";
import { queryCharge } from "../engine/request-charge.ts";
import { encodeIndexMetrics, indexMetrics, queryMetrics } from "../index/metrics.ts";
import type { Facts } from "../query/facts.ts";
import { flag } from "../wire/headers.ts";
import type { OperationContext, OperationResult } from "./operation.ts";
import type { Page } from "./query-page.ts";

/** `name` is the array of the feed, `rid` its owner. */
export function pageResult(page: Page, name: string, rid: string): OperationResult {
  const { rows } = page;
  const body = `{"_rid":${JSON.stringify(rid)},${JSON.stringify(name)}:[${rows.join(",")}],"_count":${rows.length}}`;
  const headers: Record<string, string> = { "x-ms-item-count": String(rows.length) };
  if (page.continuation !== undefined) headers["x-ms-continuation"] = page.continuation;
  return { status: 200, body, charge: chargeOf(page, body), headers };
}

/** Request units of a lookup in an index, and of a key that it looked at. */
const perSeek = 0.3;
const perKey = 0.01;

function chargeOf({ cost }: Page, body: string): number {
  const index = perSeek * cost.seeks + perKey * cost.keys;
  return Math.round((queryCharge(cost.loaded, body.length) + index) * 100) / 100;
}

/** The headers that tell what a query cost and which indexes it used, when the client asks for them. */
export function metricsHeaders(
  { headers, engine }: OperationContext,
  container: ContainerRecord,
  facts: Facts | undefined,
  page: Page,
  started: number,
): Record<string, string> {
  const found: Record<string, string> = {};
  if (flag(headers, "x-ms-documentdb-populatequerymetrics")) {
    const duration = engine.clock.now() - started;
    found["x-ms-documentdb-query-metrics"] = queryMetrics(page, duration);
  }
  const version = flag(headers, "x-ms-cosmos-populateindexmetrics-v2")
    ? 2
    : flag(headers, "x-ms-cosmos-populateindexmetrics")
      ? 1
      : undefined;
  if (version !== undefined && facts !== undefined) {
    const metrics = indexMetrics(facts, engine.indexes.policyOf(container));
    found["x-ms-cosmos-index-utilization"] = encodeIndexMetrics(metrics, version);
  }
  return found;
}

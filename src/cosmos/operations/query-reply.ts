/** What the reply to a query says: the page, what it cost, and which indexes it used. */
import { splitPath } from "../engine/partition-key.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { queryCharge } from "../engine/request-charge.ts";
import { encodeIndexMetrics, encodeIndexMetricsV1, indexMetrics, queryMetrics } from "../index/metrics.ts";
import type { QueryShape } from "../index/shape.ts";
import { flag } from "../wire/headers.ts";
import type { OperationContext, OperationResult } from "./operation.ts";
import type { Page, Row } from "./query-page.ts";

/** `name` is the array of the feed, `rid` its owner. */
export function pageResult(page: Page, name: string, rid: string): OperationResult {
  const { rows } = page;
  const body = joined(
    `{"_rid":${JSON.stringify(rid)},${JSON.stringify(name)}:[`,
    rows,
    `],"_count":${rows.length}}`,
  );
  const headers: Record<string, string> = { "x-ms-item-count": String(rows.length) };
  if (page.continuation !== undefined) headers["x-ms-continuation"] = page.continuation;
  return { status: 200, body, charge: chargeOf(page, body), headers };
}

/** One JSON text. Rows that are stored bytes are copied once, into what is sent. */
function joined(head: string, rows: readonly Row[], tail: string): string | Uint8Array {
  if (rows.every((row) => typeof row === "string")) return `${head}${rows.join(",")}${tail}`;
  const parts = rows.map((row) => (typeof row === "string" ? Buffer.from(row, "utf8") : row));
  const start = Buffer.byteLength(head);
  const size = parts.reduce((sum, part) => sum + part.length + 1, start - 1);
  const body = Buffer.allocUnsafe(size + Buffer.byteLength(tail));
  body.write(head, 0, "utf8");
  let at = start;
  for (const part of parts) {
    if (at > start) body[at++] = comma;
    body.set(part, at);
    at += part.length;
  }
  body.write(tail, at, "utf8");
  return body;
}

const comma = 0x2c;

/** Request units of a lookup in an index, and of a key that it looked at. */
const perSeek = 0.3;
const perKey = 0.01;

function chargeOf({ cost }: Page, body: string | Uint8Array): number {
  const index = perSeek * cost.seeks + perKey * cost.keys;
  return Math.round((queryCharge(cost.loaded, Buffer.byteLength(body)) + index) * 100) / 100;
}

/** The headers that tell what a query cost and which indexes it used, when the client asks for them. */
export function metricsHeaders(
  { headers, engine }: OperationContext,
  container: ContainerRecord,
  query: Pick<QueryShape, "facts" | "nearest"> | undefined,
  page: Page,
  started: number,
): Record<string, string> {
  const found: Record<string, string> = {};
  if (flag(headers, "x-ms-documentdb-populatequerymetrics")) {
    const duration = engine.clock.now() - started;
    found["x-ms-documentdb-query-metrics"] = queryMetrics(page, duration);
  }
  const second = flag(headers, "x-ms-cosmos-populateindexmetrics-v2");
  if (query === undefined || !(second || flag(headers, "x-ms-cosmos-populateindexmetrics"))) return found;
  const metrics = indexMetrics(query.facts, engine.indexes.policyOf(container), query.nearest);
  const isOnePartition = headers["x-ms-documentdb-partitionkey"] !== undefined;
  const key = isOnePartition ? container.partitionKey.paths.map(splitPath) : [];
  found["x-ms-cosmos-index-utilization"] = second
    ? encodeIndexMetrics(metrics)
    : encodeIndexMetricsV1(metrics, key);
  return found;
}

/**
 * Records and metrics as OpenTelemetry's protocol writes them in JSON (OTLP/HTTP 1.x: `/v1/logs`, `/v1/metrics`).
 * Pure; sending is `sinks.ts`.
 */
import type { DiagnosticRecord } from "./diagnostic-records.ts";
import { logLines } from "./log-lines.ts";
import { durationBounds, type Metrics } from "./metrics.ts";

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string };
}

function attributes(values: Readonly<Record<string, string | number | undefined>>): readonly Attribute[] {
  return Object.entries(values).flatMap(([key, value]) => {
    if (value === undefined || value === "") return [];
    return [{ key, value: typeof value === "number" ? { intValue: String(value) } : { stringValue: value } }];
  });
}

function resource(version: string): object {
  return { attributes: attributes({ "service.name": "celestite", "service.version": version }) };
}

function nano(milliseconds: number): string {
  return `${Math.round(milliseconds)}000000`;
}

/** Severity numbers of the specification: INFO, WARN for a client's refusal, ERROR for the server's fault. */
function severity(statusCode: number): { readonly severityNumber: number; readonly severityText: string } {
  if (statusCode >= 500) return { severityNumber: 17, severityText: "ERROR" };
  return statusCode >= 400
    ? { severityNumber: 13, severityText: "WARN" }
    : { severityNumber: 9, severityText: "INFO" };
}

export function logsPayload(records: readonly DiagnosticRecord[], version: string): object {
  const logRecords = records.flatMap((record) =>
    logLines(record).map(({ category, text }) => ({
      timeUnixNano: nano(record.time),
      observedTimeUnixNano: nano(record.time + record.duration),
      ...severity(record.statusCode),
      body: { stringValue: text },
      attributes: attributes({
        category,
        "http.request.method": record.method,
        "http.response.status_code": record.statusCode,
        "azure.cosmosdb.response.sub_status_code": record.substatus === 0 ? undefined : record.substatus,
        "db.system": record.category === "DataPlaneRequests" ? "cosmosdb" : undefined,
        "db.operation.name": record.operationName,
        "db.namespace": record.data?.databaseName,
        "db.collection.name": record.data?.collectionName,
        "client.address": record.clientIpAddress,
        "user_agent.original": record.userAgent,
        "enduser.id": record.principalId,
        "celestite.account": record.account,
        "celestite.activity_id": record.activityId,
        "celestite.auth_token_type": record.authTokenType,
      }),
    })),
  );
  return {
    resourceLogs: [
      { resource: resource(version), scopeLogs: [{ scope: { name: "celestite" }, logRecords }] },
    ],
  };
}

/** All metrics as sums from `start` to `now`, both in milliseconds since the epoch. */
export function metricsPayload(metrics: Metrics, version: string, start: number, now: number): object {
  const times = { startTimeUnixNano: nano(start), timeUnixNano: nano(now) };
  const requests = metrics.requests();
  const labels = (one: (typeof requests)[number]): readonly Attribute[] =>
    attributes({
      "celestite.account": one.account,
      "db.operation.name": one.operation,
      "http.response.status_code": one.statusCode,
      "celestite.auth_token_type": one.authTokenType,
    });
  const sum = (name: string, unit: string, dataPoints: readonly object[]): object => ({
    name,
    unit,
    sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints },
  });
  const all = [
    sum(
      "celestite.requests",
      "{request}",
      requests.map((one) => ({ ...times, attributes: labels(one), asInt: String(one.count) })),
    ),
    sum(
      "celestite.request_charge",
      "{RU}",
      requests.map((one) => ({ ...times, attributes: labels(one), asDouble: one.requestCharge })),
    ),
    sum(
      "celestite.account_keys_updated",
      "{update}",
      metrics.keyUpdates().map(({ resource: account, keyType, count }) => ({
        ...times,
        attributes: attributes({ "azure.resource_id": account, KeyType: keyType }),
        asInt: String(count),
      })),
    ),
    {
      name: "celestite.request_duration",
      unit: "ms",
      histogram: {
        aggregationTemporality: 2,
        dataPoints: requests.map((one) => ({
          ...times,
          attributes: labels(one),
          count: String(one.count),
          sum: one.durationSum,
          bucketCounts: one.durationCounts.map(String),
          explicitBounds: durationBounds,
        })),
      },
    },
  ];
  const scopeMetrics = [{ scope: { name: "celestite" }, metrics: all }];
  return { resourceMetrics: [{ resource: resource(version), scopeMetrics }] };
}

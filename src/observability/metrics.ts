/** Numbers about requests since the start: counted by account, operation, status and credential, and updates of keys. */
import type { DiagnosticRecord } from "./diagnostic-records.ts";

/** Upper bounds of the duration histogram, in milliseconds; the last bucket is open. */
export const durationBounds: readonly number[] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000];

export interface RequestMetric {
  readonly category: DiagnosticRecord["category"];
  readonly account: string;
  readonly operation: string;
  readonly statusCode: number;
  readonly authTokenType: string;
  readonly count: number;
  readonly requestCharge: number;
  /** Milliseconds. */
  readonly durationSum: number;
  /** Requests in each bucket of `durationBounds`, and beyond. */
  readonly durationCounts: readonly number[];
}

export interface KeyUpdates {
  /** Resource id of the account. */
  readonly resource: string;
  readonly keyType: string;
  readonly count: number;
}

export interface Metrics {
  observe(entry: DiagnosticRecord): void;
  requests(): readonly RequestMetric[];
  keyUpdates(): readonly KeyUpdates[];
}

/** Combinations that are counted apart; what goes beyond is not counted. */
const seriesMax = 5000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Series extends Mutable<Omit<RequestMetric, "durationCounts">> {
  readonly durationCounts: number[];
}

export function createMetrics(): Metrics {
  const series = new Map<string, Series>();
  const keys = new Map<string, Mutable<KeyUpdates>>();
  return {
    requests: () => [...series.values()],
    keyUpdates: () => [...keys.values()],
    observe(entry) {
      countKeyUpdate(keys, entry);
      const { category, account, operationName: operation, statusCode, authTokenType } = entry;
      const key = `${category}\n${account}\n${operation}\n${statusCode}\n${authTokenType}`;
      let one = series.get(key);
      if (one === undefined) {
        if (series.size >= seriesMax) return;
        const durationCounts = [...durationBounds, 0].map(() => 0);
        const sums = { count: 0, requestCharge: 0, durationSum: 0, durationCounts };
        one = { category, account, operation, statusCode, authTokenType, ...sums };
        series.set(key, one);
      }
      one.count++;
      one.requestCharge += entry.requestCharge;
      one.durationSum += entry.duration;
      const at = durationBounds.findIndex((bound) => entry.duration <= bound);
      const bucket = at < 0 ? durationBounds.length : at;
      one.durationCounts[bucket] = (one.durationCounts[bucket] ?? 0) + 1;
    },
  };
}

function countKeyUpdate(keys: Map<string, Mutable<KeyUpdates>>, entry: DiagnosticRecord): void {
  const { operationName, statusCode, control, resource } = entry;
  if (!/\/regenerateKey\/action$/i.test(operationName) || statusCode >= 300 || control?.details === undefined)
    return;
  const { keyKind } = JSON.parse(control.details) as { keyKind?: unknown };
  const keyType = String(keyKind);
  const known = keys.get(`${resource}\n${keyType}`);
  if (known === undefined) keys.set(`${resource}\n${keyType}`, { resource, keyType, count: 1 });
  else known.count++;
}

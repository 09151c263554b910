/**
 * Diagnostic records: one entry for every request that any service answered, with the decision that allowed or
 * refused it. Kept in memory, newest last, up to a fixed number; `explain` reads them back. No secret, token or key
 * is ever part of a record.
 */

export interface DiagnosticRecord {
  readonly time: number;
  readonly activityId: string;
  /** The plane that answered. */
  readonly category: "DataPlaneRequests" | "ControlPlaneRequests";
  /** The Cosmos account, or the name of the service. */
  readonly account: string;
  readonly operationName: string;
  readonly method: string;
  readonly resource: string;
  readonly statusCode: number;
  readonly substatus: number;
  /** Milliseconds. */
  readonly duration: number;
  readonly requestCharge: number;
  readonly userAgent: string;
  readonly clientIpAddress: string;
  readonly authTokenType: string;
  readonly principalId?: string;
  /** The access decision, a plain value of `authz/decision.ts`; absent when the request failed before one was made. */
  readonly decision?: object;
  /** The public message of a failure. */
  readonly message?: string;
}

export interface Recorder {
  record(entry: DiagnosticRecord): void;
  /** The newest record that `matches`, or the newest of all. */
  last(matches?: (entry: DiagnosticRecord) => boolean): DiagnosticRecord | undefined;
  find(activityId: string): DiagnosticRecord | undefined;
}

/** Records kept; at some hundred bytes each this stays within a few megabytes. */
const capacityDefault = 5000;

export function createRecorder(capacity: number = capacityDefault): Recorder {
  const ring: (DiagnosticRecord | undefined)[] = new Array(capacity);
  let next = 0;
  const newestFirst = function* (): Generator<DiagnosticRecord> {
    for (let i = 1; i <= capacity; i++) {
      const entry = ring[(next - i + capacity) % capacity];
      if (entry === undefined) return;
      yield entry;
    }
  };
  const last = (matches: (entry: DiagnosticRecord) => boolean): DiagnosticRecord | undefined => {
    for (const entry of newestFirst()) if (matches(entry)) return entry;
    return undefined;
  };
  return {
    record(entry) {
      ring[next] = entry;
      next = (next + 1) % capacity;
    },
    last: (matches = () => true) => last(matches),
    find: (activityId) => last((entry) => entry.activityId === activityId),
  };
}

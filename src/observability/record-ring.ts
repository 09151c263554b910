/**
 * The newest diagnostic records in little memory. Programs repeat themselves, so most of a record is what an earlier
 * one had as well and is kept once for both. Apart from the recorder because this is about space: what every request
 * leaves behind is what the garbage collector has to carry along, and under load that was its largest burden.
 */
import type { DataPlanePlace, DiagnosticRecord } from "./diagnostic-records.ts";

export interface RecordRing {
  add(entry: DiagnosticRecord): void;
  /** The newest record first; each is made anew when it is asked for. */
  newestFirst(): Generator<DiagnosticRecord, void>;
  find(activityId: string): DiagnosticRecord | undefined;
}

/** What differs from request to request even if a program sends the same one again and again. */
type Own = Pick<DiagnosticRecord, "time" | "activityId" | "resource" | "duration" | "requestCharge">;
type OwnPlace = Pick<DataPlanePlace, "requestLength" | "responseLength" | "partitionId">;

/** All else. */
interface Shared extends Omit<DiagnosticRecord, keyof Own | "data"> {
  readonly data: Omit<DataPlanePlace, keyof OwnPlace> | undefined;
}

/** Kinds of requests that a new one is compared with. */
const recentMax = 8;

/** A ring that keeps the last `capacity` records. */
export function createRecordRing(capacity: number): RecordRing {
  const shared = new Array<Shared | undefined>(capacity).fill(undefined);
  const activityIds = new Array<string>(capacity).fill("");
  const resources = new Array<string>(capacity).fill("");
  const partitionIds = new Array<string | undefined>(capacity).fill(undefined);
  const columns = ["time", "duration", "requestCharge", "requestLength", "responseLength"] as const;
  const numbers = new Float64Array(capacity * columns.length);
  const recent: Shared[] = [];
  let next = 0;
  const sharedPartOf = (entry: DiagnosticRecord): Shared => {
    const known = recent.find((candidate) => isShared(candidate, entry));
    if (known !== undefined) return known;
    if (recent.length === recentMax) recent.shift();
    const made = sharedPart(entry);
    recent.push(made);
    return made;
  };
  const at = (place: number): DiagnosticRecord | undefined => {
    const found = shared[place];
    if (found === undefined) return undefined;
    const [time = 0, duration = 0, requestCharge = 0, requestLength = 0, responseLength = 0] =
      numbers.subarray(place * columns.length, (place + 1) * columns.length);
    const { data, ...rest } = found;
    const own = { time, duration, requestCharge, resource: resources[place] ?? "" };
    const record = { ...rest, ...own, activityId: activityIds[place] ?? "" };
    if (data === undefined) return record;
    return { ...record, data: { ...data, requestLength, responseLength, partitionId: partitionIds[place] } };
  };
  const placesNewestFirst = function* (): Generator<number, void> {
    for (let i = 1; i <= capacity; i++) {
      const place = (next - i + capacity) % capacity;
      if (shared[place] === undefined) return;
      yield place;
    }
  };
  return {
    add(entry) {
      const place = next;
      next = (next + 1) % capacity;
      shared[place] = sharedPartOf(entry);
      activityIds[place] = entry.activityId;
      resources[place] = entry.resource;
      partitionIds[place] = entry.data?.partitionId;
      const first = place * columns.length;
      numbers[first] = entry.time;
      numbers[first + 1] = entry.duration;
      numbers[first + 2] = entry.requestCharge;
      numbers[first + 3] = entry.data?.requestLength ?? 0;
      numbers[first + 4] = entry.data?.responseLength ?? 0;
    },
    *newestFirst() {
      for (const place of placesNewestFirst()) yield at(place) as DiagnosticRecord;
    },
    find(activityId) {
      for (const place of placesNewestFirst()) if (activityIds[place] === activityId) return at(place);
      return undefined;
    },
  };
}

function sharedPart(entry: DiagnosticRecord): Shared {
  const { time: _time, activityId: _id, resource: _resource, duration: _duration, ...rest } = entry;
  const { requestCharge: _charge, data, ...others } = rest;
  if (data === undefined) return { ...others, data };
  const { requestLength: _sent, responseLength: _received, partitionId: _partition, ...place } = data;
  return { ...others, data: place };
}

/** True when `entry` differs from the request that `shared` is from in nothing but what is its own. */
function isShared(shared: Shared, entry: DiagnosticRecord): boolean {
  return (
    shared.operationName === entry.operationName &&
    shared.statusCode === entry.statusCode &&
    shared.decision === entry.decision &&
    shared.account === entry.account &&
    shared.category === entry.category &&
    shared.method === entry.method &&
    shared.substatus === entry.substatus &&
    shared.userAgent === entry.userAgent &&
    shared.clientIpAddress === entry.clientIpAddress &&
    shared.authTokenType === entry.authTokenType &&
    shared.principalId === entry.principalId &&
    shared.diagnosis === entry.diagnosis &&
    shared.message === entry.message &&
    shared.wouldDeny === entry.wouldDeny &&
    shared.control === entry.control &&
    shared.signIn === entry.signIn &&
    isSamePlace(shared.data, entry.data)
  );
}

function isSamePlace(a: Shared["data"], b: DiagnosticRecord["data"]): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.collectionRid === b.collectionRid &&
    a.databaseRid === b.databaseRid &&
    a.collectionName === b.collectionName &&
    a.databaseName === b.databaseName &&
    a.accountId === b.accountId &&
    a.region === b.region &&
    a.resourceType === b.resourceType &&
    a.actions === b.actions &&
    a.partitionKey === b.partitionKey &&
    a.wanted === b.wanted
  );
}

/**
 * The log of a range: one entry per write, ordered by LSN and place in its commit. It is the truth that change feeds
 * and projections read; without history, only the last entry of an item stays.
 */
import { after, encodeKey, trailingNumber } from "../../storage/keys.ts";
import type { Bytes, Reader } from "../../storage/port.ts";
import type { ContainerRecord } from "./records.ts";

export interface LogEntry {
  readonly outcome: "created" | "replaced" | "deleted";
  /** The item's number. */
  readonly number: number;
  /** The last number that the range has handed out: how it goes on counting after a restart. */
  readonly allocated: number;
  /** Seconds since the epoch. */
  readonly ts: number;
  /** Kept by containers with a change feed policy: the versions as JSON text. */
  readonly history?: {
    readonly current?: string | undefined;
    readonly previous?: string | undefined;
    readonly previousLsn?: number;
    readonly expired: boolean;
  };
}

export interface PlacedLogEntry extends LogEntry {
  readonly lsn: number;
  readonly sub: number;
}

const outcomes = ["created", "replaced", "deleted"] as const;
const fixedBytes = 21;

/** Key of an entry; ranges count from 0. */
export function logKey(container: ContainerRecord, range: number, lsn: number, sub: number): Bytes {
  return encodeKey(["cosmos-l", container.uid, container.number, range, lsn, sub]);
}

export function encodeLogEntry(entry: LogEntry): Bytes {
  const history =
    entry.history === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(entry.history), "utf8");
  const value = Buffer.allocUnsafe(fixedBytes + history.length);
  value[0] = outcomes.indexOf(entry.outcome);
  value.writeDoubleBE(entry.number, 1);
  value.writeDoubleBE(entry.allocated, 9);
  value.writeUInt32BE(entry.ts, 17);
  history.copy(value, fixedBytes);
  return value;
}

function decodeLogEntry(key: Bytes, value: Bytes): PlacedLogEntry {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const outcome = outcomes[bytes[0] ?? 0];
  if (outcome === undefined) throw new Error("a log entry is malformed");
  const history =
    bytes.length === fixedBytes
      ? {}
      : { history: JSON.parse(bytes.toString("utf8", fixedBytes)) as NonNullable<LogEntry["history"]> };
  return {
    lsn: trailingNumber(key, 1),
    sub: trailingNumber(key),
    outcome,
    number: bytes.readDoubleBE(1),
    allocated: bytes.readDoubleBE(9),
    ts: bytes.readUInt32BE(17),
    ...history,
  };
}

/** Entries of a range with LSN after `afterLsn` up to `untilLsn`, ascending, at most about `limit`: a commit stays whole. */
export async function readLog(
  reader: Reader,
  container: ContainerRecord,
  range: number,
  afterLsn: number,
  untilLsn: number,
  limit: number,
): Promise<readonly PlacedLogEntry[]> {
  const end = logKey(container, range, untilLsn + 1, 0);
  const read = async (
    start: Bytes,
    count: number,
  ): Promise<readonly { readonly key: Bytes; readonly entry: PlacedLogEntry }[]> =>
    (await reader.range({ start, end }, count)).map(({ key, value }) => ({
      key,
      entry: decodeLogEntry(key, value),
    }));
  const entries = [...(await read(logKey(container, range, afterLsn + 1, 0), limit))];
  for (;;) {
    const last = entries.at(-1);
    if (last === undefined || entries.length < limit) break;
    const [next] = await read(after(last.key), 1);
    if (next === undefined || next.entry.lsn !== last.entry.lsn) break;
    entries.push(next);
  }
  return entries.map(({ entry }) => entry);
}

/** The newest entry of a range, or `undefined`. */
export async function lastLogEntry(
  reader: Reader,
  container: ContainerRecord,
  range: number,
): Promise<PlacedLogEntry | undefined> {
  const start = logKey(container, range, 0, 0);
  const [last] = await reader.range({ start, end: logKey(container, range + 1, 0, 0), reverse: true }, 1);
  return last === undefined ? undefined : decodeLogEntry(last.key, last.value);
}

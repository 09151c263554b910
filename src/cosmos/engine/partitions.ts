/**
 * Physical partitions: the log sequence number (LSN) of each range of a container. Writes of one range run under one
 * lock and each takes the next number; the number that readers may see moves only after the commit.
 */
import { decodeKey, encodeKey, prefixRange } from "../../storage/keys.ts";
import type { Bytes, Reader } from "../../storage/port.ts";
import type { ContainerRecord, PhysicalRange } from "./records.ts";

export interface Partition {
  readonly container: ContainerRecord;
  readonly range: PhysicalRange;
  /** The lock that a transaction writing to this range must hold. */
  readonly lock: string;
  /** The last number handed out; a failed transaction leaves a gap, which is harmless. */
  allocatedLsn: number;
  /** The last number whose write is durable. */
  committedLsn: number;
}

export interface Partitions {
  /** The state of a range, recovered from its log on first use. */
  open(container: ContainerRecord, range: PhysicalRange): Promise<Partition>;
  /** The range that holds this effective partition key. */
  at(container: ContainerRecord, epk: string): Promise<Partition>;
}

/** Key of the log entry `lsn` of a range. */
export function logKey(partition: Pick<Partition, "container" | "range">, lsn: number): Bytes {
  return encodeKey([
    "cosmos-l",
    partition.container.uid,
    partition.container.number,
    partition.range.id,
    lsn,
  ]);
}

export function openPartitions(reader: Reader): Partitions {
  const opening = new Map<string, Promise<Partition>>();
  const open = (container: ContainerRecord, range: PhysicalRange): Promise<Partition> => {
    const name = `cosmos-data/${container.uid}/${container.number}/${range.id}`;
    const known = opening.get(name);
    if (known !== undefined) return known;
    const loading = recover(reader, container, range, name).catch((error: unknown) => {
      opening.delete(name);
      throw error;
    });
    opening.set(name, loading);
    return loading;
  };
  return {
    open,
    at(container, epk) {
      const range = container.ranges.find((candidate) => candidate.min <= epk && epk < candidate.max);
      // INVARIANT: ranges start at "", end at "FF" and leave no gap, and no effective partition key reaches "FF".
      if (range === undefined) throw new Error(`no range of ${container.rid} holds ${epk}`);
      return open(container, range);
    },
  };
}

async function recover(
  reader: Reader,
  container: ContainerRecord,
  range: PhysicalRange,
  lock: string,
): Promise<Partition> {
  const log = prefixRange(["cosmos-l", container.uid, container.number, range.id]);
  const [last] = await reader.range({ ...log, reverse: true }, 1);
  const lsn = last === undefined ? 0 : lastNumber(decodeKey(last.key));
  return { container, range, lock, allocatedLsn: lsn, committedLsn: lsn };
}

function lastNumber(parts: readonly unknown[]): number {
  const lsn = parts.at(-1);
  if (typeof lsn !== "number") throw new Error("a log key must end with its LSN");
  return lsn;
}

/**
 * Physical partitions: the live state of each range of a container. Writes of one range run under one lock and each
 * commit takes the next log sequence number (LSN); the number that readers may see moves only after the commit.
 */
import type { Reader } from "../../storage/port.ts";
import { lastLogEntry } from "./change-log.ts";
import { inRange } from "./documents.ts";
import type { ContainerRecord, PhysicalRange } from "./records.ts";

export interface Partition {
  readonly range: PhysicalRange;
  /** The range's id as a number: its place in item numbers and log keys. */
  readonly index: number;
  /** The lock that a transaction writing to this range must hold. */
  readonly lock: string;
  /** The last number handed out; a failed transaction leaves a gap, which is harmless. */
  allocatedLsn: number;
  /** The last number whose write is durable. */
  committedLsn: number;
  /** Items created in this range so far, deleted ones included. */
  allocatedNumber: number;
  /** Set under the lock when the range is split: writers behind it in the queue must look for the new ranges. */
  retired: boolean;
}

export interface Partitions {
  /** The state of a range, recovered from its log on first use. */
  open(container: ContainerRecord, range: PhysicalRange): Promise<Partition>;
  /** The range that holds this effective partition key. */
  at(container: ContainerRecord, epk: string): Promise<Partition>;
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
      const range = container.ranges.find((candidate) => inRange(epk, candidate));
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
  const index = Number(range.id);
  const last = await lastLogEntry(reader, container, index);
  const lsn = last?.lsn ?? range.startLsn;
  return {
    range,
    index,
    lock,
    allocatedLsn: lsn,
    committedLsn: lsn,
    allocatedNumber: last?.allocated ?? 0,
    retired: false,
  };
}

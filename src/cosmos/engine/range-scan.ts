/**
 * Reading a range's items and changes across splits: the range's ancestors hold what was written before, so both are
 * read ancestors first, filtered by the keys the range has now. Positions (item numbers) and LSNs only rise on the way.
 */
import { trailingNumber } from "../../storage/keys.ts";
import type { Bytes, Reader } from "../../storage/port.ts";
import { type PlacedLogEntry, readLog } from "./change-log.ts";
import {
  inRange,
  itemKey,
  numbersPerRange,
  readItemNumber,
  type StoredItem,
  scanItems,
} from "./documents.ts";
import type { ContainerRecord, PhysicalRange } from "./records.ts";

/** A part of the key space: a range, or what a client cut out of one. */
export type KeySpan = Pick<PhysicalRange, "min" | "max">;

/** The end of a container's item numbers. */
const numbersEnd = Number.MAX_SAFE_INTEGER;

/** Up to `limit` items of the container in the order of creation, from `position` on. An empty page is the end. */
export async function scanContainer(
  reader: Reader,
  container: ContainerRecord,
  position: number,
  limit: number,
): Promise<readonly StoredItem[]> {
  return scanItems(reader, container, position, numbersEnd, limit);
}

/** The same for the items of `range` whose key lies in `span`. */
export async function scanRange(
  reader: Reader,
  container: ContainerRecord,
  range: PhysicalRange,
  span: KeySpan,
  position: number,
  limit: number,
): Promise<readonly StoredItem[]> {
  for (const home of [...range.parents, range.id].map(Number)) {
    const end = (home + 1) * numbersPerRange;
    let start = Math.max(position, home * numbersPerRange);
    while (start < end) {
      const page = await scanItems(reader, container, start, end, limit);
      const found = page.filter((item) => inRange(item.epk, span));
      if (found.length > 0) return found;
      const last = page.at(-1);
      if (last === undefined || page.length < limit) break;
      start = last.number + 1;
    }
  }
  return [];
}

/** Numbers that lie so close are read in one go: the least of them, and how many of those between are wanted. */
const runLengthMin = 8;
const runShareMin = 0.75;

/** The stored bytes of each of these items; undefined for one that was deleted. */
export async function readItemBytes(
  reader: Reader,
  container: ContainerRecord,
  numbers: readonly number[],
): Promise<readonly (Bytes | undefined)[]> {
  const sorted = numbers.toSorted((a, b) => a - b);
  const found = new Map<number, Bytes | undefined>();
  const reads: Promise<void>[] = [];
  for (let at = 0; at < sorted.length; ) {
    const run = denseRun(sorted, at);
    if (run >= runLengthMin) reads.push(readRun(reader, container, sorted.slice(at, at + run), found));
    else {
      for (const number of sorted.slice(at, at + run)) {
        reads.push(reader.get(itemKey(container, number)).then((value) => void found.set(number, value)));
      }
    }
    at += run;
  }
  await Promise.all(reads);
  return numbers.map((number) => found.get(number));
}

/** How many numbers from `at` on lie close enough to be read in one go. */
function denseRun(sorted: readonly number[], at: number): number {
  const first = sorted[at] as number;
  let run = 1;
  for (let next = at + 1; next < sorted.length; next++) {
    if ((next - at + 1) / ((sorted[next] as number) - first + 1) < runShareMin) break;
    run = next - at + 1;
  }
  return run;
}

async function readRun(
  reader: Reader,
  container: ContainerRecord,
  wanted: readonly number[],
  found: Map<number, Bytes | undefined>,
): Promise<void> {
  const [first, last] = [wanted[0] as number, wanted.at(-1) as number];
  const range = { start: itemKey(container, first), end: itemKey(container, last + 1) };
  for (const { key, value } of await reader.range(range, last - first + 1)) {
    found.set(trailingNumber(key), value);
  }
}

/** A change as a reader of the log meets it: the entry and, when it is the item's last one, the item. */
export interface Change {
  readonly entry: PlacedLogEntry;
  readonly item: StoredItem | undefined;
}

/**
 * Changes of a range after `afterLsn`, up to `untilLsn`, at most about `limit` entries; `lsn` is how far the log was
 * read, whether or not anything was found. Entries of ancestors outside `span` are left out where the item still
 * exists; deleted ones carry no key and are the caller's to judge.
 */
export async function readChanges(
  reader: Reader,
  container: ContainerRecord,
  range: PhysicalRange,
  afterLsn: number,
  untilLsn: number,
  limit: number,
): Promise<{ readonly changes: readonly Change[]; readonly lsn: number }> {
  for (const log of logsOf(container, range, untilLsn)) {
    if (log.endLsn <= afterLsn) continue;
    const entries = await readLog(reader, container, log.index, afterLsn, log.endLsn, limit);
    const last = entries.at(-1);
    if (last === undefined) continue;
    const changes = await Promise.all(
      entries.map(async (entry) => {
        const item =
          entry.outcome === "deleted" ? undefined : await readItemNumber(reader, container, entry.number);
        const isLast = item?.lsn === entry.lsn && item.sub === entry.sub && item.logRange === log.index;
        return { entry, item: isLast ? item : undefined };
      }),
    );
    return { changes, lsn: entries.length < limit ? log.endLsn : last.lsn };
  }
  return { changes: [], lsn: untilLsn };
}

function logsOf(
  container: ContainerRecord,
  range: PhysicalRange,
  untilLsn: number,
): readonly { readonly index: number; readonly endLsn: number }[] {
  const ancestors = range.parents.map((id) => {
    const retired = container.retired.find((candidate) => candidate.id === id);
    // INVARIANT: a range enters some `parents` only when it is retired, and retired ranges are never removed.
    if (retired === undefined) throw new Error(`the parent range ${id} of ${container.rid} is unknown`);
    return { index: Number(id), endLsn: retired.endLsn };
  });
  return [...ancestors, { index: Number(range.id), endLsn: untilLsn }];
}

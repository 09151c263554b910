/**
 * Reading a range's items and changes across splits: the range's ancestors hold what was written before, so both are
 * read ancestors first, filtered by the keys the range has now. Positions (item numbers) and LSNs only rise on the way.
 */
import type { Reader } from "../../storage/port.ts";
import { type PlacedLogEntry, readLog } from "./change-log.ts";
import { inRange, numbersPerRange, readItemNumber, type StoredItem, scanItems } from "./documents.ts";
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

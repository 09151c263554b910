/**
 * Splitting a physical range. No item moves: numbers and log entries stay where they are, and the children name their
 * parents, so that they read the parents' items and log filtered by their own keys. The split is one transaction that
 * holds the range's lock, so every write falls wholly before or after it.
 */
import { cosmosLock } from "../account-lock.ts";
import { badRequest, notFound, rangeGone } from "../errors.ts";
import { readContainer } from "./containers.ts";
import type { Engine } from "./engine.ts";
import { splitPoint } from "./ranges.ts";
import { type ContainerRecord, contentKey, encodeRecord, type PhysicalRange } from "./records.ts";

/** Splits a live range of a container into two halves and returns the container as it is then. */
export async function splitRange(
  engine: Engine,
  account: string,
  container: ContainerRecord,
  rangeId: string,
): Promise<ContainerRecord> {
  const range = container.ranges.find((candidate) => candidate.id === rangeId);
  if (range === undefined) throw rangeGone();
  const partition = await engine.partitions.open(container, range);
  try {
    return await engine.store.transact([cosmosLock(account), partition.lock], async (transaction) => {
      const current = await readContainer(transaction, account, container.database, container.id);
      if (current === undefined || current.number !== container.number) throw notFound();
      if (!current.ranges.some((candidate) => candidate.id === rangeId)) throw rangeGone();
      const changed = withSplit(current, range, partition.allocatedLsn);
      partition.retired = true;
      transaction.put(contentKey(account, "container", current.database, current.id), encodeRecord(changed));
      transaction.afterCommit(() => engine.catalog.setContainer(account, changed));
      return changed;
    });
  } catch (error) {
    partition.retired = false;
    throw error;
  }
}

/** Splits the shallowest ranges of the container with this rid until it has `wanted` of them; ranges are never merged. */
export async function splitToRanges(
  engine: Engine,
  account: string,
  rid: string,
  wanted: number,
): Promise<void> {
  const databases = [...(engine.catalog.find(account)?.databases.values() ?? [])];
  let container: ContainerRecord | undefined = databases
    .flatMap((database) => [...database.containers.values()])
    .find((candidate) => candidate.rid === rid);
  while (container !== undefined && container.ranges.length < wanted) {
    const shallowest = [...container.ranges].sort((a, b) => a.parents.length - b.parents.length)[0];
    if (shallowest === undefined) return;
    container = await splitRange(engine, account, container, shallowest.id);
  }
}

function withSplit(container: ContainerRecord, range: PhysicalRange, endLsn: number): ContainerRecord {
  const middle = splitPoint(range, container.partitionKey);
  if (middle === undefined) throw badRequest(`The range '${range.id}' cannot be split any further.`);
  const next = Math.max(...[...container.ranges, ...container.retired].map(({ id }) => Number(id))) + 1;
  const child = (id: number, min: string, max: string): PhysicalRange => ({
    id: String(id),
    min,
    max,
    parents: [...range.parents, range.id],
    startLsn: endLsn,
  });
  const children = [child(next, range.min, middle), child(next + 1, middle, range.max)];
  return {
    ...container,
    ranges: container.ranges.flatMap((candidate) => (candidate.id === range.id ? children : [candidate])),
    retired: [...container.retired, { ...range, endLsn }],
  };
}

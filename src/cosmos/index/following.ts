/**
 * Taking in what the logs say. A page of a log is read at one moment and an item's last entry only ever moves to a
 * higher number, so every item whose last entry lies at or below `applied` is in the index with that version or a
 * later one, whatever is written meanwhile.
 */
import { readLog } from "../engine/change-log.ts";
import { readItemNumber, type StoredItem } from "../engine/documents.ts";
import { scanContainer } from "../engine/range-scan.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { compact, segmentsMax } from "./compaction.ts";
import { applyItem, freeze, type IndexState, newHead } from "./index-state.ts";

/** Entries of a log that are taken in at a time, between two pauses. */
export const pageEntries = 64;

/** A log of the container and how far it is known to reach. */
export interface Log {
  readonly range: number;
  readonly endLsn: number;
}

/** The logs of all ranges, those that were split included, up to what is committed now. */
export async function logsOf({ parts }: IndexState, container: ContainerRecord): Promise<readonly Log[]> {
  const live = await Promise.all(
    container.ranges.map(async (range) => {
      const { index, committedLsn } = await parts.partitions.open(container, range);
      return { range: index, endLsn: committedLsn };
    }),
  );
  return [...container.retired.map(({ id, endLsn }) => ({ range: Number(id), endLsn })), ...live];
}

/** Commits in `logs` that the index has not. */
export function lagOf(state: IndexState, logs: readonly Log[]): number {
  return logs.reduce((sum, { range, endLsn }) => sum + Math.max(0, endLsn - appliedTo(state, range)), 0);
}

function appliedTo(state: IndexState, range: number): number {
  return state.applied.get(range) ?? 0;
}

/** Takes in the logs at least up to where they are known to reach. Only one may run at a time. */
export async function followLogs(
  state: IndexState,
  container: ContainerRecord,
  logs: readonly Log[],
): Promise<void> {
  if (state.stage !== "live") await build(state, container, logs);
  for (const log of logs) {
    if (appliedTo(state, log.range) < log.endLsn) await followLog(state, container, log);
  }
}

/** Reads a log from where it was left up to its end as it is at the last page. */
async function followLog(state: IndexState, container: ContainerRecord, log: Log): Promise<void> {
  const { range, endLsn } = log;
  const { store } = state.parts;
  while (!state.stopped) {
    const from = appliedTo(state, range);
    const entries = await readLog(store, container, range, from, Number.MAX_SAFE_INTEGER - 1, pageEntries);
    const numbers = [...new Set(entries.map(({ number }) => number))];
    const items = await Promise.all(numbers.map((number) => readItemNumber(store, container, number)));
    await applyInTurns(
      state,
      numbers.map((number, i) => [number, items[i]]),
    );
    const last = entries.at(-1)?.lsn ?? from;
    const complete = entries.length < pageEntries;
    // Nothing up to `endLsn` was left when a page that ends the log was read.
    state.applied.set(range, complete ? Math.max(last, endLsn) : last);
    await freezeWhenFull(state);
    if (complete) return;
    await state.background.pause();
  }
}

/** Bytes of items that are taken in at a time: long ones, such as those with vectors, take as long as many short ones. */
const turnBytes = 12 * 1024;

async function applyInTurns(
  state: IndexState,
  items: readonly (readonly [number: number, item: StoredItem | undefined])[],
): Promise<void> {
  let bytes = 0;
  for (const [number, item] of items) {
    applyItem(state, number, item);
    bytes += item?.json.length ?? 0;
    if (bytes < turnBytes) continue;
    bytes = 0;
    await state.background.pause();
  }
}

/** Reads all items: for a container that was there before its index. */
async function build(state: IndexState, container: ContainerRecord, logs: readonly Log[]): Promise<void> {
  state.stage = "building";
  try {
    await readAllItems(state, container);
  } catch (error) {
    state.stage = "empty";
    throw error;
  }
  if (state.stopped) return;
  // Whatever was committed by the time the scan began is in; the rest has higher numbers.
  state.applied = new Map(logs.map(({ range, endLsn }) => [range, endLsn]));
  await freeze(state);
  state.stage = "live";
}

async function readAllItems(state: IndexState, container: ContainerRecord): Promise<void> {
  state.segments = [];
  state.head = newHead(state.parts.policy, state.paths);
  state.greatest.clear();
  let position = 0;
  state.built = 0;
  while (!state.stopped) {
    const items = await scanContainer(state.parts.store, container, position, pageEntries);
    const last = items.at(-1);
    if (last === undefined) return;
    await applyInTurns(
      state,
      items.map((item) => [item.number, item]),
    );
    position = last.number + 1;
    state.built += items.length;
    await freezeWhenFull(state);
    await state.background.pause();
  }
}

async function freezeWhenFull(state: IndexState): Promise<void> {
  if (state.head.rows < state.headRows) return;
  await freeze(state);
  if (state.segments.length > segmentsMax) await compact(state);
}

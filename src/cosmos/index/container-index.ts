/**
 * The index of one container: a projection of its logs. Writes know nothing of it; it reads what the logs say since it
 * last looked, in the background or when a query needs it.
 */
import type { ContainerRecord } from "../engine/records.ts";
import type { CheckpointPlace } from "./checkpoint.ts";
import { compact } from "./compaction.ts";
import { followLogs, type Log, lagOf, logsOf, pageEntries } from "./following.ts";
import {
  createIndexState,
  type IndexParts,
  type IndexState,
  livingItems,
  segmentsNow,
  viewAll,
} from "./index-state.ts";
import { keepIndex, restoreIndex, unlessDamaged } from "./keeping.ts";
import type { Paths } from "./paths.ts";
import type { SegmentView, Wanted } from "./segment.ts";
import type { VectorKernel } from "./vector-kernel.ts";

/** A container with so few items is indexed while its first query waits. */
const itemsAtOnceMax = 5_000;

/** The index at one moment. */
export interface IndexView {
  readonly segments: readonly SegmentView[];
  /** The last number taken in of each range's log. */
  readonly applied: ReadonlyMap<number, number>;
}

export interface ContainerIndex {
  readonly paths: Paths;
  /** What compares packed vectors. */
  kernel(): VectorKernel;
  /**
   * Brings the index up to everything that was committed before the call. False when that would take longer than a
   * scan: then the query must scan, and `maintain` catches up in the background.
   */
  ready(container: ContainerRecord): Promise<boolean>;
  /** Takes in all that the logs have, merges segments that have become many, writes a checkpoint when it is due. */
  maintain(container: ContainerRecord): Promise<void>;
  /** All segments at this moment with what is `wanted`; undefined when some must be loaded first. */
  view(wanted: Wanted): IndexView | undefined;
  /** False when the vectors at `place` cannot all be in memory at once. */
  fits(place: number): boolean;
  /** Brings what is `wanted` into memory. */
  load(wanted: Wanted): Promise<void>;
  /** Whole percents of `items`, all that the container has, that are taken in; 100 once the index follows the logs. */
  progress(items: number): number;
  /** Ends background work at its next pause. */
  stop(): void;
}

export function createContainerIndex(parts: IndexParts, place: CheckpointPlace): ContainerIndex {
  const state = createIndexState(parts);
  const restore = once((container: ContainerRecord) =>
    restoreIndex(state, place, () => logsOf(state, container)),
  );
  const follow = onlyOne((container: ContainerRecord, logs: readonly Log[]) =>
    followLogs(state, container, logs),
  );
  const maintain = onlyOne(async (container: ContainerRecord) => {
    await restore(container);
    const changesBefore = state.changes;
    do await takeIn(state, follow, container, await logsOf(state, container));
    while (!state.stopped && lagOf(state, await logsOf(state, container)) > pageEntries);
    await compact(state);
    await keepIndex(state, place, changesBefore);
  });
  return {
    get paths() {
      return state.paths;
    },
    kernel: parts.kernel,
    async ready(container) {
      await restore(container);
      const logs = await logsOf(state, container);
      if (!worthWaiting(state, lagOf(state, logs))) return false;
      await state.background.hurry(() => unlessDamaged(state, () => takeIn(state, follow, container, logs)));
      return state.stage === "live" && lagOf(state, logs) === 0;
    },
    maintain: (container) => unlessDamaged(state, () => maintain(container)),
    view(wanted) {
      const segments = viewAll(state, wanted);
      return segments === undefined ? undefined : { segments, applied: new Map(state.applied) };
    },
    fits(place) {
      const sizes = segmentsNow(state).map(({ vectors }) => vectors.get(place)?.size ?? 0);
      return parts.cache.fits(sizes.reduce((sum, size) => sum + size, 0));
    },
    load: ({ slots, vectors = [] }) =>
      unlessDamaged(state, async () => {
        for (const segment of segmentsNow(state)) {
          for (const slot of slots) await segment.columns.get(slot)?.load();
          for (const place of vectors) await segment.vectors.get(place)?.load();
        }
      }),
    progress(items) {
      if (state.stage === "live") return 100;
      return state.stage === "building" ? Math.min(99, Math.floor((state.built / items) * 100)) : 0;
    },
    stop() {
      state.stopped = true;
      state.background.stop();
    },
  };
}

/** Taking in one change costs some three times what reading one item in a scan does. */
function worthWaiting(state: IndexState, lag: number): boolean {
  if (state.stage === "live") return lag <= Math.max(2_000, livingItems(state) / 4);
  return state.stage === "empty" && lag <= itemsAtOnceMax;
}

type Follow = (container: ContainerRecord, logs: readonly Log[]) => Promise<void>;

/** Waits until the logs are taken in at least up to where they are known to reach. */
async function takeIn(
  state: IndexState,
  follow: Follow,
  container: ContainerRecord,
  logs: readonly Log[],
): Promise<void> {
  while (!state.stopped && (state.stage !== "live" || lagOf(state, logs) > 0)) await follow(container, logs);
}

/** Runs `work` once; a failure lets the next call try again. */
function once<T extends readonly unknown[]>(
  work: (...given: T) => Promise<void>,
): (...given: T) => Promise<void> {
  let done: Promise<void> | undefined;
  return (...given) => {
    done ??= work(...given).catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}

/** Calls while `work` is running wait for that run instead of starting another. */
function onlyOne<T extends readonly unknown[]>(
  work: (...given: T) => Promise<void>,
): (...given: T) => Promise<void> {
  let running: Promise<void> | undefined;
  return (...given) => {
    running ??= work(...given).finally(() => {
      running = undefined;
    });
    return running;
  };
}

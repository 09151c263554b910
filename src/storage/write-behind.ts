/**
 * Writes that are durable in the log and not yet in the database below it. Apart from the adapter because it owns one
 * question: which writes lie above the database at any moment, and when they sink into it. Many commits sink together, in
 * one transaction of the database, while nobody waits for it.
 */
import { emptyLayer, type Layer, type WritableLayer } from "./overlay.ts";
import { RECORD_HEADER, type WriteAheadLog } from "./write-ahead-log.ts";
import { encodeBatch } from "./write-batch.ts";

/** When writes begin to sink: after some milliseconds, or as soon as their records have so many bytes. */
interface Patience {
  readonly milliseconds: number;
  readonly bytes: number;
}

const PATIENCE: Patience = { milliseconds: 100, bytes: 2 << 20 };

export interface WriteBehind {
  /** Writes that are committed and perhaps not in the database, newest first. They change with the next commit. */
  layers(): readonly Layer[];
  /** The same, as they are now for good. */
  freeze(): readonly Layer[];
  /**
   * Commits `writes` durably; one call at a time. They are in `layers` when it resolves. Rejects with the error of the log
   * or the database, and then nothing is written.
   */
  commit(writes: Layer): Promise<void>;
  /** Brings everything into the database; resolves with whether that succeeded. Not during `commit`. */
  drain(): Promise<boolean>;
}

/** The database below: applies `batch` in one durable transaction, together with the number of the last record in it. */
export type Apply = (batch: ArrayBuffer, last: number) => Promise<void>;

/** Writes above the database that `apply` changes, kept in `log` until they are in it. */
export function createWriteBehind(
  log: WriteAheadLog,
  apply: Apply,
  patience: Patience = PATIENCE,
): WriteBehind {
  let timer: NodeJS.Timeout | undefined;
  let committing = false;
  /** Whether writes shall sink as soon as nothing is in the way. */
  let due = false;

  const stack = createStack(log, apply, () => schedule());
  const schedule = (): void => {
    if (stack.bytes === 0) return;
    due ||= stack.bytes >= patience.bytes;
    if (!due) {
      timer ??= setTimeout(sinkSoon, patience.milliseconds).unref();
    } else if (!committing && !stack.isSinking) {
      due = false;
      clearTimeout(timer);
      timer = undefined;
      // If it fails, the next commit tries again and hears of it.
      stack.sink().catch(() => {});
    }
  };
  const sinkSoon = (): void => {
    timer = undefined;
    due = true;
    schedule();
  };
  const write = async (writes: Layer): Promise<void> => {
    // After a failure nothing is promised before the database works again.
    if (stack.isStuck) await stack.sink();
    const record = Buffer.from(encodeBatch(writes, RECORD_HEADER));
    if (log.hasRoom(record.length)) {
      await log.append(record);
      stack.add(writes, record.length);
    } else {
      await stack.drain();
      await apply(encodeBatch(writes), log.last);
    }
  };
  return {
    layers: () => stack.layers(),
    freeze: () => stack.freeze(),
    async commit(writes) {
      committing = true;
      try {
        await write(writes);
      } finally {
        committing = false;
        schedule();
      }
    },
    drain: () =>
      stack.drain().then(
        () => true,
        () => false,
      ),
  };
}

/** The layers above the database: one that takes new writes, and one that is on its way down. */
interface Stack {
  /** Bytes in the records of the writes that have not begun to sink. */
  readonly bytes: number;
  readonly isSinking: boolean;
  /** Whether the last attempt to sink failed. */
  readonly isStuck: boolean;
  layers(): readonly Layer[];
  freeze(): readonly Layer[];
  /** Puts `writes` on top; their record in the log has `bytes`. */
  add(writes: Layer, bytes: number): void;
  /** Brings what is on top into the database, or again what did not get there; not while it is sinking. */
  sink(): Promise<void>;
  /** Brings everything into the database. */
  drain(): Promise<void>;
}

/** An empty stack; calls `onSunk` whenever a layer has arrived. */
function createStack(log: WriteAheadLog, apply: Apply, onSunk: () => void): Stack {
  let top: WritableLayer = emptyLayer();
  let bytes = 0;
  let sinking: Layer | undefined;
  /** Number of the last record in `sinking`. */
  let lastSinking = 0;
  let sunk: Promise<void> | undefined;

  const sink = async (layer: Layer): Promise<void> => {
    try {
      await apply(encodeBatch(layer), lastSinking);
      sinking = undefined;
    } finally {
      sunk = undefined;
    }
    onSunk();
  };
  const start = (): Promise<void> => {
    if (sinking === undefined) {
      sinking = top;
      lastSinking = log.last;
      log.turn();
      top = emptyLayer();
      bytes = 0;
    }
    sunk = sink(sinking);
    return sunk;
  };
  const above = (upper: Layer): readonly Layer[] => {
    if (sinking === undefined) return upper.size === 0 ? [] : [upper];
    return upper.size === 0 ? [sinking] : [upper, sinking];
  };
  return {
    get bytes() {
      return bytes;
    },
    get isSinking() {
      return sunk !== undefined;
    },
    get isStuck() {
      return sinking !== undefined && sunk === undefined;
    },
    layers: () => above(top),
    freeze: () => above(top.freeze()),
    add(writes, more) {
      writes.each((key, value) => top.set(key, value));
      bytes += more;
    },
    sink: start,
    async drain() {
      // What is under way may fail; it is tried once more here.
      await sunk?.catch(() => {});
      while (sinking !== undefined || top.size > 0) await (sunk ?? start());
    },
  };
}

/**
 * Writes that wait above a store, and reads that look through them. Apart from the adapters because a transaction
 * must see its own puts and deletes, merged in order with what lies below, in the same way on each of them.
 */
import { type OrderedMap, orderedMap, type View } from "./btree.ts";
import { copyBytes, DELETED } from "./bytes.ts";
import { compareKeys } from "./keys.ts";
import {
  type Bytes,
  type Entry,
  type KeyRange,
  MAX_KEY_BYTES,
  type Reader,
  type Transaction,
} from "./port.ts";

/** Writes by key, the last one for each. */
export type Layer = View<Bytes | typeof DELETED>;
export type WritableLayer = OrderedMap<Bytes | typeof DELETED>;

/** What layers lie on: bytes that can be read at once and belong to whoever reads them. */
export interface Base {
  get(key: Bytes): Bytes | undefined;
  entries(range: KeyRange): Iterable<Entry>;
}

/** A transaction and what it has collected so far. */
export interface OpenTransaction {
  readonly writes: Layer;
  readonly callbacks: readonly (() => void)[];
  /** Runs `fn` with the transaction and settles as it does; afterwards every use of the transaction throws. */
  run<T>(fn: (transaction: Transaction) => Promise<T>): Promise<T>;
}

/** An empty layer. */
export function emptyLayer(): WritableLayer {
  return orderedMap();
}

/** A copy of the value of `key` in the first of `layers` that has it, `DELETED`, or `undefined` if none has it. */
export function findIn(layers: readonly Layer[], key: Bytes): Bytes | typeof DELETED | undefined {
  for (const layer of layers) {
    const found = layer.get(key);
    if (found !== undefined) return found === DELETED ? DELETED : copyBytes(found);
  }
  return undefined;
}

/** The value of `key` in the first of `layers` that has it, else in `base`. */
export function readThrough(layers: readonly Layer[], base: Base, key: Bytes): Bytes | undefined {
  const found = findIn(layers, key);
  return found === undefined ? base.get(key) : (found ?? undefined);
}

/** Up to `limit` entries of `range` as `layers`, the topmost first, and `base` below them show them. */
export function scanThrough(
  layers: readonly Layer[],
  base: Base,
  range: KeyRange,
  limit: number,
): readonly Entry[] {
  const found: Entry[] = [];
  if (!(limit > 0) || compareKeys(range.start, range.end) >= 0) return found;
  let merged: Iterable<Entry | Deletion> = base.entries(range);
  for (const layer of layers.toReversed()) {
    if (layer.size > 0) merged = merge(drawn(layer, range), merged, range.reverse === true);
  }
  for (const entry of merged) {
    if (entry.value === DELETED) continue;
    found.push(entry as Entry);
    if (found.length >= limit) break;
  }
  return found;
}

/**
 * A transaction over `base` and `lower()`, the layers of earlier writes that `base` does not have yet, topmost
 * first. Its writes only collect; committing them is the adapter's work.
 */
export function openTransaction(base: Base, lower: () => readonly Layer[]): OpenTransaction {
  return transactionOver((writes) => ({
    async get(key) {
      return readThrough([writes, ...lower()], base, key);
    },
    async range(range, limit) {
      return scanThrough([writes, ...lower()], base, range, limit);
    },
  }));
}

/** A transaction that reads as `through` does, which is given the writes that the transaction collects. */
export function transactionOver(through: (writes: Layer) => Reader): OpenTransaction {
  const writes = emptyLayer();
  const reader = through(writes);
  const callbacks: (() => void)[] = [];
  let over = false;
  const check = (): void => {
    if (over) throw new Error("this transaction is over: its function has already settled");
  };
  const transaction: Transaction = {
    async get(key) {
      check();
      return reader.get(key);
    },
    async range(range, limit) {
      check();
      return reader.range(range, limit);
    },
    put(key, value) {
      check();
      if (!canBeKey(key)) throw new RangeError(`a key has 1 to ${MAX_KEY_BYTES} bytes, not ${key.length}`);
      writes.set(copyBytes(key), copyBytes(value));
    },
    delete(key) {
      check();
      if (canBeKey(key)) writes.set(copyBytes(key), DELETED);
    },
    afterCommit(callback) {
      check();
      callbacks.push(callback);
    },
  };
  return {
    writes,
    callbacks,
    async run(fn) {
      try {
        return await fn(transaction);
      } finally {
        over = true;
      }
    },
  };
}

function canBeKey(key: Bytes): boolean {
  return key.length > 0 && key.length <= MAX_KEY_BYTES;
}

/** Runs every callback, then throws the first error one of them threw, if any. */
export function runCallbacks(callbacks: readonly (() => void)[]): void {
  const errors: unknown[] = [];
  for (const callback of callbacks) {
    try {
      callback();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

interface Deletion {
  readonly key: Bytes;
  readonly value: typeof DELETED;
}

function* drawn(layer: Layer, range: KeyRange): Generator<Entry | Deletion, void> {
  for (const [key, value] of layer.entries(range)) {
    yield { key: copyBytes(key), value: value === DELETED ? DELETED : copyBytes(value) };
  }
}

/** Both sequences in one, in key order (or its reverse); where both have a key, `upper` wins. */
function* merge<T extends { readonly key: Bytes }>(
  upper: Iterator<T, void>,
  lower: Iterable<T>,
  reverse: boolean,
): Generator<T, void> {
  let next = upper.next();
  for (const entry of lower) {
    let order = -1;
    while (!next.done) {
      order = compareKeys(next.value.key, entry.key) * (reverse ? -1 : 1);
      if (order > 0) break;
      yield next.value;
      next = upper.next();
      if (order === 0) break;
    }
    if (order !== 0) yield entry;
  }
  while (!next.done) {
    yield next.value;
    next = upper.next();
  }
}

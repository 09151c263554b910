/** A store that fails at a chosen transaction, as if the process had been killed there, and counts what it is asked. */
import type { Store } from "../../../src/storage/port.ts";

export class Killed extends Error {
  override readonly name = "Killed";
}

export interface CrashingStore {
  readonly store: Store;
  /** Transactions from the one after the next `count` on fail; undefined: none does. */
  killAfter(count: number | undefined): void;
  /** Entries that ranges over the given key prefix have returned. */
  readonly scanned: { readonly prefix: Uint8Array; entries: number };
}

/** Wraps `inner`; `prefix` is that of the keys whose scans are counted. */
export function crashingStore(inner: Store, prefix: Uint8Array): CrashingStore {
  let left = Number.POSITIVE_INFINITY;
  const scanned = { prefix, entries: 0 };
  const store: Store = {
    ...inner,
    get: (key) => inner.get(key),
    async range(range, limit) {
      const found = await inner.range(range, limit);
      const counts = Buffer.from(range.start).subarray(0, prefix.length).equals(prefix);
      if (counts) scanned.entries += found.length;
      return found;
    },
    transact: (locks, work) => {
      if (left <= 0) return Promise.reject(new Killed("the process was killed"));
      left--;
      return inner.transact(locks, work);
    },
    close: () => inner.close(),
  };
  return {
    store,
    scanned,
    killAfter(count) {
      left = count ?? Number.POSITIVE_INFINITY;
    },
  };
}

/**
 * The store in memory: every law of the port except that nothing outlives the process. Tests and `--memory` run on
 * it. A snapshot costs nothing when it is taken; it keeps the tree nodes that later writes replace.
 */
import { orderedMap, type View } from "./btree.ts";
import { copyBytes, DELETED } from "./bytes.ts";
import { createLocks } from "./locks.ts";
import { type Base, openTransaction, runCallbacks, scanThrough } from "./overlay.ts";
import { type Bytes, type Reader, type Snapshot, type Store, StoreUnavailable } from "./port.ts";

/** An empty store that lives as long as the process holds it. */
export function openMemory(): Store {
  const data = orderedMap<Bytes>();
  const locks = createLocks();
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new StoreUnavailable("The store is closed.");
  };
  return {
    ...reader(data, checkOpen),
    async snapshot() {
      checkOpen();
      return openSnapshot(data.freeze());
    },
    async transact(names, fn) {
      checkOpen();
      return locks.run(names, async () => {
        const open = openTransaction(copying(data), () => []);
        const result = await open.run(fn);
        for (const [key, value] of open.writes.entries()) {
          if (value === DELETED) data.delete(key);
          // Copied: what the transaction holds may keep a whole slab of the buffer pool alive.
          else data.set(new Uint8Array(key), new Uint8Array(value));
        }
        runCallbacks(open.callbacks);
        return result;
      });
    },
    async close() {
      closed = true;
      await locks.idle();
    },
  };
}

function openSnapshot(state: View<Bytes>): Snapshot {
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new Error("this snapshot is closed");
  };
  return {
    ...reader(state, checkOpen),
    close() {
      closed = true;
    },
  };
}

/** Reads `data`, calling `check` before each read. */
function reader(data: View<Bytes>, check: () => void): Reader {
  const base = copying(data);
  return {
    async get(key) {
      check();
      return base.get(key);
    },
    async range(range, limit) {
      check();
      return scanThrough([], base, range, limit);
    },
  };
}

/** What is read from here may be changed by the reader; what is kept stays as it is. */
function copying(data: View<Bytes>): Base {
  return {
    get(key) {
      const value = data.get(key);
      return value === undefined ? undefined : copyBytes(value);
    },
    *entries(range) {
      for (const [key, value] of data.entries(range)) yield { key: copyBytes(key), value: copyBytes(value) };
    },
  };
}

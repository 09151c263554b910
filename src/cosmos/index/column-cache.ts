/**
 * Columns that can be read from a checkpoint again: they stay in memory while there is room, the one that was used
 * longest ago goes first. One cache serves all containers.
 */
import type { Handle } from "./segment.ts";

/** Bytes of columns that stay in memory between queries. */
const bytesMaxDefault = 384 * 1024 * 1024;

/** Share of the room that one query may take. */
const shareMax = 0.8;

interface Sized {
  bytes(): number;
}

export interface ColumnCache {
  /** A column that `read` can bring back; `resident` when it is in memory already. */
  stored<T extends Sized>(read: () => Promise<T>, resident?: T, size?: number): Handle<T>;
  /** Whether columns of so many bytes can all be in memory at once, and leave room for others. */
  fits(bytes: number): boolean;
}

export function createColumnCache(bytesMax: number = bytesMaxDefault): ColumnCache {
  /** The columns in memory, the one used last at the end. */
  const used = new Map<Handle<Sized>, Sized>();
  const touch = <T extends Sized>(handle: Handle<T>, column: T): T => {
    used.delete(handle);
    used.set(handle, column);
    return column;
  };
  // Before a column is read, not after: what a query has just read must still be there when it looks.
  const makeRoom = (): void => {
    let total = 0;
    for (const column of used.values()) total += column.bytes();
    for (const [handle, column] of used) {
      if (total <= bytesMax) return;
      total -= column.bytes();
      used.delete(handle);
    }
  };
  return {
    fits: (bytes) => bytes <= bytesMax * shareMax,
    stored<T extends Sized>(read: () => Promise<T>, resident?: T, size?: number): Handle<T> {
      let reading: Promise<T> | undefined;
      // What is kept under a handle is what that handle has read.
      const known = (): T | undefined => used.get(handle) as T | undefined;
      const handle: Handle<T> = {
        ...(size === undefined ? {} : { size }),
        resident() {
          const column = known();
          return column === undefined ? undefined : touch(handle, column);
        },
        load() {
          const column = known();
          if (column !== undefined) return Promise.resolve(column);
          makeRoom();
          reading ??= read()
            .then((found) => touch(handle, found))
            .finally(() => {
              reading = undefined;
            });
          return reading;
        },
      };
      if (resident !== undefined) touch(handle, resident);
      return handle;
    },
  };
}

/**
 * Columns that can be read from a checkpoint again: they stay in memory while there is room, the one that was used
 * longest ago goes first. One cache serves all containers.
 */
import type { Column } from "./column.ts";
import type { ColumnHandle } from "./segment.ts";

/** Bytes of columns that stay in memory between queries. */
const bytesMaxDefault = 384 * 1024 * 1024;

export interface ColumnCache {
  /** A column that `read` can bring back; `resident` when it is in memory already. */
  stored(read: () => Promise<Column>, resident?: Column): ColumnHandle;
}

export function createColumnCache(bytesMax: number = bytesMaxDefault): ColumnCache {
  /** The columns in memory, the one used last at the end. */
  const used = new Map<ColumnHandle, Column>();
  const touch = (handle: ColumnHandle, column: Column): Column => {
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
    stored(read, resident) {
      let reading: Promise<Column> | undefined;
      const handle: ColumnHandle = {
        resident() {
          const column = used.get(handle);
          return column === undefined ? undefined : touch(handle, column);
        },
        load() {
          const column = used.get(handle);
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

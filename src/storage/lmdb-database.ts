/**
 * How Celestite opens an LMDB environment. Apart from the adapter because its writing thread opens the same one,
 * and both must do it alike.
 */
import { createRequire } from "node:module";
import type { RootDatabase } from "lmdb";
import { copyBytes, DELETED } from "./bytes.ts";
import { type Bytes, MAX_KEY_BYTES } from "./port.ts";
import { decodeBatch } from "./write-batch.ts";

/** The driver in one file instead of a module for each of its parts: it is loaded twice at every start. */
const { open } = createRequire(import.meta.url)("lmdb") as typeof import("lmdb");

export type Database = RootDatabase<Bytes, Bytes>;

/** With pages of 8 KiB a key may have 4026 bytes, more than `MAX_KEY_BYTES`, and a value of 1 KiB lies in its leaf. */
const PAGE_SIZE = 8192;

/** Each open snapshot takes one of these, 64 bytes in the lock file. */
const MAX_SNAPSHOTS = 2048;

/**
 * The environment in `directory`, made if it is not there. One process must open it only through this function;
 * threads of that process share it. Throws what the driver throws.
 */
export function openDatabase(directory: string): Database {
  return open<Bytes, Bytes>({
    path: directory,
    noSubdir: false,
    keyEncoding: "binary",
    encoding: "binary",
    encoder: { encode: (value: Bytes) => value, decode: ownBytes },
    pageSize: PAGE_SIZE,
    maxReaders: MAX_SNAPSHOTS,
    // A commit is on disk before anyone can see it. The driver's default shows it first and flushes later.
    overlappingSync: false,
  });
}

/** The driver reads every value into one buffer; what leaves the store is a copy. */
function ownBytes(bytes: Bytes): Bytes {
  // `length` is the value's: the driver redefines it on its buffer, which is longer.
  return copyBytes(bytes.subarray(0, bytes.length));
}

/** Where the number of the last applied record lies: longer than any key of the port, so that no read of it comes here. */
const APPLIED = new Uint8Array(MAX_KEY_BYTES + 1).fill(0xff);

/** Applies `batches` in one durable transaction, together with the number of the last record of the log among them. */
export function applyBatches(
  database: Database,
  batches: readonly (ArrayBuffer | Bytes)[],
  last: number,
): void {
  const number = Buffer.alloc(8);
  number.writeDoubleLE(last);
  database.transactionSync(() => {
    for (const batch of batches) {
      for (const [key, value] of decodeBatch(batch)) {
        if (value === DELETED) database.removeSync(key);
        else database.putSync(key, value);
      }
    }
    database.putSync(APPLIED, number);
  });
}

/** Number of the last record of the log that the database has. */
export function lastApplied(database: Database): number {
  const number = database.get(APPLIED);
  return number === undefined ? 0 : Buffer.from(number).readDoubleLE();
}

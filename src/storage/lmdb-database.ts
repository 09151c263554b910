/**
 * How Celestite opens an LMDB environment. Apart from the adapter because its writing thread opens the same one,
 * and both must do it alike.
 */
import { createRequire } from "node:module";
import type { RootDatabase } from "lmdb";
import { copyBytes } from "./bytes.ts";
import type { Bytes } from "./port.ts";

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

/**
 * The store on disk, in one LMDB environment per data directory. Reads are served at once from the memory map and the
 * writes above it; commits are grouped, and `transact` resolves once its writes are on disk in the log. A thread of its own
 * brings them into LMDB.
 */
import { constants } from "node:fs";
import { access, chmod, open, statfs } from "node:fs/promises";
import { join } from "node:path";
import { getSystemErrorName } from "node:util";
import type { Transaction as ReadTransaction } from "lmdb";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import { createGroupCommit, runInGroup } from "./group-commit.ts";
import { applyBatches, type Database, lastApplied, openDatabase } from "./lmdb-database.ts";
import { findDamage } from "./lmdb-file.ts";
import { startWriter } from "./lmdb-writer.ts";
import { createLocks } from "./locks.ts";
import { makeDirectory } from "./make-directory.ts";
import { type Base, type Layer, openTransaction, readThrough, scanThrough } from "./overlay.ts";
import {
  type Bytes,
  type KeyRange,
  MAX_KEY_BYTES,
  type Reader,
  type Snapshot,
  type Store,
  StoreUnavailable,
} from "./port.ts";
import { openLog, type WriteAheadLog } from "./write-ahead-log.ts";
import { createWriteBehind } from "./write-behind.ts";

/** Below this many free bytes an input/output error means a full disk: LMDB reports a short write as the former. */
const FULL_BELOW = 4 << 20;

/**
 * Opens the store in `directory`, making both if they are not there; only their owner can read them. Throws
 * `StoreUnavailable` if another process has it open, or if it is damaged or cannot be read and written.
 */
export async function openLmdb(directory: string): Promise<Store> {
  let lock: DirectoryLock | undefined;
  try {
    await makeDirectory(directory);
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    lock = await lockDirectory(directory);
    const database = await openFiles(directory);
    try {
      return lmdbStore(directory, lock, database, await recover(directory, database));
    } catch (error) {
      await database.close();
      throw error;
    }
  } catch (error) {
    await lock?.release();
    throw await explain(directory, error);
  }
}

async function openFiles(directory: string): Promise<Database> {
  const data = join(directory, "data.mdb");
  const damage = await findDamage(data);
  if (damage !== undefined) {
    throw new StoreUnavailable(
      `The data file ${data} cannot be opened, ${damage}: put a copy back, or choose another directory.`,
    );
  }
  // The driver would print a line of its own about a full disk, beside ours.
  if (await isFull(directory)) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
  const database = openDatabase(directory);
  try {
    for (const file of [data, join(directory, "lock.mdb")]) await chmod(file, 0o600);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** The log of `directory`, after `database` has got what a crash left there. */
async function recover(directory: string, database: Database): Promise<WriteAheadLog> {
  const { missed, log } = await openLog(directory, lastApplied(database));
  if (missed.length > 0) applyBatches(database, missed, log.last);
  await flushDirectory(directory);
  return log;
}

function lmdbStore(directory: string, lock: DirectoryLock, database: Database, log: WriteAheadLog): Store {
  const locks = createLocks();
  const writer = startWriter({ directory, claim: lock.file });
  const snapshots = new Set<Snapshot>();
  const base = committed(database);
  let closing: Promise<void> | undefined;
  const checkOpen = (): void => {
    if (closing !== undefined) throw new StoreUnavailable(`The store in ${directory} is closed.`);
  };
  const behind = createWriteBehind(log, async (batch, last) => {
    await writer.commit(batch, last);
    database.resetReadTxn();
  });
  const group = createGroupCommit(async (writes) => {
    try {
      await behind.commit(writes);
    } catch (error) {
      throw await explain(directory, error);
    }
  });
  const lower = (): readonly Layer[] => [...group.layers(), ...behind.layers()];
  const shutDown = async (): Promise<void> => {
    await locks.idle();
    await group.idle();
    await log.close(await behind.drain());
    await writer.close();
    for (const snapshot of snapshots) snapshot.close();
    await database.close();
    await lock.release();
  };
  return {
    ...reader(base, behind.layers, checkOpen),
    async snapshot() {
      checkOpen();
      const snapshot = openSnapshot(database, behind.freeze(), () => snapshots.delete(snapshot));
      snapshots.add(snapshot);
      return snapshot;
    },
    async transact(names, fn) {
      checkOpen();
      const { durable, outcome } = await locks.run(names, () =>
        runInGroup(group, openTransaction(base, lower), fn),
      );
      await durable;
      return outcome();
    },
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
}

function openSnapshot(database: Database, layers: readonly Layer[], onClose: () => void): Snapshot {
  const transaction = database.useReadTransaction();
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new Error("this snapshot is closed");
  };
  return {
    ...reader(committed(database, transaction), () => layers, checkOpen),
    close() {
      if (closed) return;
      closed = true;
      transaction.done();
      onClose();
    },
  };
}

/** Reads `base` through `layers`, calling `check` before each read. */
function reader(base: Base, layers: () => readonly Layer[], check: () => void): Reader {
  return {
    async get(key) {
      check();
      return readThrough(layers(), base, key);
    },
    async range(range, limit) {
      check();
      return scanThrough(layers(), base, range, limit);
    },
  };
}

/** What is committed: as `transaction` saw it when it was opened, or now. */
function committed(database: Database, transaction?: ReadTransaction): Base {
  const options = transaction === undefined ? {} : { transaction };
  return {
    get(key) {
      if (key.length === 0 || key.length > MAX_KEY_BYTES) return undefined;
      return database.get(key, options);
    },
    entries(range) {
      const { reverse = false } = range;
      const first = reverse ? upperBound(range) : lowerBound(range);
      const last = reverse ? lowerBound(range) : upperBound(range);
      return database.getRange({
        start: first.key,
        exclusiveStart: !first.inclusive,
        end: last.key,
        inclusiveEnd: last.inclusive,
        reverse,
        ...options,
      });
    },
  };
}

interface Bound {
  readonly key: Bytes;
  readonly inclusive: boolean;
}

/** No key is longer than `MAX_KEY_BYTES`, so those from a longer `start` on are the ones past its beginning. */
function lowerBound({ start }: KeyRange): Bound {
  if (start.length === 0) return { key: new Uint8Array(1), inclusive: true };
  if (start.length <= MAX_KEY_BYTES) return { key: start, inclusive: true };
  return { key: start.subarray(0, MAX_KEY_BYTES), inclusive: false };
}

/** Keys before a longer `end` are the ones up to its beginning. `end` is not empty: that range holds nothing. */
function upperBound({ end }: KeyRange): Bound {
  if (end.length <= MAX_KEY_BYTES) return { key: end, inclusive: false };
  return { key: end.subarray(0, MAX_KEY_BYTES), inclusive: true };
}

/** Makes the names of new files in `directory` durable, where the platform can. */
async function flushDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `error` as one sentence about `directory` that says what to do. */
async function explain(directory: string, error: unknown): Promise<StoreUnavailable> {
  if (error instanceof StoreUnavailable) return error;
  const code = systemCode(error);
  const why = error instanceof Error ? error.message : String(error);
  if (code === "ENOSPC" || code === "EDQUOT" || (code === "EIO" && (await isFull(directory)))) {
    return new StoreUnavailable(`The disk that holds ${directory} is full: make room and try again.`, {
      cause: error,
    });
  }
  const advice: Readonly<Record<string, string>> = {
    EACCES: "permission is denied: give this user read and write access to it, or choose another directory",
    EPERM: "permission is denied: give this user read and write access to it, or choose another directory",
    EROFS: "its file system is read-only: choose another directory",
    ENOTDIR: "a part of this path is a file: choose another directory",
    EEXIST: "there is a file of this name: choose another directory",
    EFBIG: "a file would grow past its limit: raise the limit (ulimit -f) and try again",
  };
  const known = code === undefined ? undefined : advice[code];
  return new StoreUnavailable(`The data directory ${directory} cannot be used: ${known ?? why}.`, {
    cause: error,
  });
}

/** The name of the system error, as in `ENOSPC`; the driver gives only its number. */
function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (typeof code === "string") return code;
  return typeof code === "number" && code > 0 ? getSystemErrorName(-code) : undefined;
}

async function isFull(directory: string): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize < FULL_BELOW;
  } catch {
    // The directory itself is gone or unreadable, which the error to explain tells better.
    return false;
  }
}

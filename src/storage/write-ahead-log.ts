/**
 * The write-ahead log: batches of writes in the order of their commits, in two files beside the database. Apart from
 * the adapter because it knows nothing of what it keeps: it puts blocks of bytes on disk one after another, which
 * costs a fraction of a commit that changes pages all over a B-tree, and finds them again after a crash.
 *
 * The files take turns. While the batches of one are being brought into the database, new ones go to the other; then
 * the first is written again from its beginning, over what it held. A record is: CRC-32 of the rest (32 bits), length of
 * the batch (32 bits), number of the record (64-bit float), the batch; little-endian. Numbers rise by one, so the records
 * of an earlier turn behind the newest one are told by theirs.
 */
import { close as closeFile, constants, fdatasync, open as openFile, write } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { type Bytes, StoreUnavailable } from "./port.ts";

/** Bytes before a batch that belong to its record. */
export const RECORD_HEADER = 16;

/** Most bytes in one of the files. A batch that does not fit is for the database itself. */
const FILE_LIMIT = 8 << 20;

const FILES = ["log-0", "log-1"] as const;

/** Where the platform has it, a write that is durable when it returns saves the second call. */
const SYNCHRONOUS = process.platform === "linux" ? constants.O_DSYNC : 0;

export interface WriteAheadLog {
  /** Number of the last record that is in the log. */
  readonly last: number;
  /** Whether a record of `bytes`, its header among them, fits into the file that is being written. */
  hasRoom(bytes: number): boolean;
  /**
   * Puts a batch on disk, which begins after `RECORD_HEADER` bytes of `record` that are filled in here. One call at a
   * time. Rejects with the system's error, and then the batch will not be found again.
   */
  append(record: Buffer<ArrayBuffer>): Promise<void>;
  /** The other file is written from now on, from its beginning: the database has what is in it. Not during `append`. */
  turn(): void;
  /** Closes the files; `remove` if the database has everything that is in them. */
  close(remove: boolean): Promise<void>;
}

/** The batches after record number `applied`, in order, and the log that goes on after them, with both files free. */
export interface OpenedLog {
  readonly missed: readonly Bytes[];
  readonly log: WriteAheadLog;
}

/**
 * Opens the log in `directory`, making it if it is not there; the database has all records up to number `applied`.
 * The caller must bring `missed` into the database before the first `append`. Throws `StoreUnavailable` if records are
 * missing, and system errors.
 */
export async function openLog(
  directory: string,
  applied: number,
  fileLimit: number = FILE_LIMIT,
): Promise<OpenedLog> {
  const paths = FILES.map((name) => join(directory, name));
  const missed: Bytes[] = [];
  const found = (await Promise.all(paths.map(readRecords))).flat().sort((a, b) => a.number - b.number);
  for (const { number, batch } of found) {
    if (number <= applied) continue;
    if (number !== applied + missed.length + 1) {
      throw new StoreUnavailable(
        `The files ${paths.join(" and ")} do not belong to the data file beside them, or are damaged: put a copy of ` +
          "all of them back, or remove these two to go on without the last writes before the crash.",
      );
    }
    missed.push(batch);
  }
  const files: number[] = [];
  for (const path of paths) {
    files.push(await open(path, constants.O_RDWR | constants.O_CREAT | SYNCHRONOUS, 0o600));
  }
  return { missed, log: logOver(paths, files, applied + missed.length, fileLimit) };
}

const open = promisify(openFile);
const close = promisify(closeFile);

function logOver(
  paths: readonly string[],
  files: readonly number[],
  newest: number,
  fileLimit: number,
): WriteAheadLog {
  let last = newest;
  let current = 0;
  let position = 0;
  /** A record that could not be written may be on disk all the same: it is spoilt before the next one is begun. */
  let doubtful = false;
  const put = async (bytes: Uint8Array): Promise<void> => {
    const file = files[current] ?? -1;
    await writeAll(file, bytes, position);
    if (SYNCHRONOUS === 0) await flush(file);
  };
  const spoil = async (): Promise<void> => {
    await put(new Uint8Array(RECORD_HEADER));
    doubtful = false;
  };
  return {
    get last() {
      return last;
    },
    hasRoom: (bytes) => position + bytes <= fileLimit,
    async append(record) {
      if (doubtful) await spoil();
      record.writeUInt32LE(record.length - RECORD_HEADER, 4);
      record.writeDoubleLE(last + 1, 8);
      record.writeUInt32LE(crc32(record.subarray(4)), 0);
      doubtful = true;
      try {
        await put(record);
      } catch (error) {
        // If this fails as well, the next append tries it again.
        await spoil().catch(() => {});
        throw error;
      }
      doubtful = false;
      last += 1;
      position += record.length;
    },
    turn() {
      current = 1 - current;
      position = 0;
    },
    async close(remove) {
      for (const file of files) await close(file);
      if (remove) for (const path of paths) await rm(path, { force: true });
    },
  };
}

function writeAll(file: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const more = (from: number): void => {
      write(file, bytes, from, bytes.length - from, position + from, (error, written) => {
        if (error !== null) reject(error);
        else if (from + written < bytes.length) more(from + written);
        else resolve();
      });
    };
    more(0);
  });
}

function flush(file: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
  });
}

interface LogRecord {
  readonly number: number;
  readonly batch: Bytes;
}

/** The whole records from the beginning of the file `path` on, those of earlier turns among them. */
async function readRecords(path: string): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  });
  for (let at = 0; at + RECORD_HEADER <= bytes.length; ) {
    const end = at + RECORD_HEADER + bytes.readUInt32LE(at + 4);
    const number = bytes.readDoubleLE(at + 8);
    if (end > bytes.length || crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32LE(at)) break;
    records.push({ number, batch: bytes.subarray(at + RECORD_HEADER, end) });
    at = end;
  }
  return records;
}

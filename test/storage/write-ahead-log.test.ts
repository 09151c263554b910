import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { StoreUnavailable } from "../../src/storage/port.ts";
import { openLog, RECORD_HEADER, type WriteAheadLog } from "../../src/storage/write-ahead-log.ts";
import { inDirectory } from "./in-directory.ts";

async function append(log: WriteAheadLog, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) await log.append(Buffer.concat([Buffer.alloc(RECORD_HEADER), Buffer.from(text)]));
}

/** What a start after a crash finds, if the database has all up to number `applied`. */
async function found(directory: string, applied: number): Promise<readonly string[]> {
  const { missed, log } = await openLog(directory, applied);
  assert.equal(log.last, applied + missed.length);
  await log.close(false);
  return missed.map((batch) => Buffer.from(batch).toString());
}

describe("the write-ahead log", () => {
  it("gives back, in order, what the database does not have", () =>
    inDirectory(async (directory) => {
      const { missed, log } = await openLog(directory, 0);
      assert.deepEqual([missed, log.last], [[], 0]);
      await append(log, "one", "", "three");
      assert.equal(log.last, 3);
      await log.close(false);
      for (const [applied, rest] of [
        [0, ["one", "", "three"]],
        [1, ["", "three"]],
        [3, []],
        [9, []],
      ] as const)
        assert.deepEqual(await found(directory, applied), rest, String(applied));
    }));

  it("goes from file to file, and over what lay there before", () =>
    inDirectory(async (directory) => {
      const { log } = await openLog(directory, 0);
      await append(log, "1", "2", "3", "4");
      log.turn();
      await append(log, "5", "6");
      assert.deepEqual(await found(directory, 4), ["5", "6"]);
      assert.deepEqual(await found(directory, 0), ["1", "2", "3", "4", "5", "6"]);
      log.turn();
      // As long as the one that it covers, so that the old second record begins where the new one ends.
      await append(log, "7");
      assert.deepEqual(await found(directory, 4), ["5", "6", "7"]);
      assert.deepEqual(await found(directory, 6), ["7"]);
      assert.deepEqual(await found(directory, 7), []);
      await log.close(false);
    }));

  it("goes on after a restart with numbers that were not given before", () =>
    inDirectory(async (directory) => {
      const first = await openLog(directory, 0);
      await append(first.log, "1", "2");
      await first.log.close(false);
      const second = await openLog(directory, 0);
      await append(second.log, "3");
      await second.log.close(false);
      assert.deepEqual(await found(directory, 2), ["3"]);
    }));

  it("loses the last record alone when it was cut short or spoilt anywhere", () =>
    inDirectory(async (directory) => {
      const { log } = await openLog(directory, 0);
      await append(log, "first", "second", "last");
      await log.close(false);
      const file = join(directory, "log-0");
      const whole = await readFile(file);
      const lastBegins = whole.length - RECORD_HEADER - "last".length;
      for (let at = lastBegins; at < whole.length; at++) {
        await writeFile(file, whole.subarray(0, at));
        assert.deepEqual(await found(directory, 0), ["first", "second"], `cut at ${at}`);
        const spoilt = Buffer.from(whole);
        spoilt.writeUInt8(spoilt.readUInt8(at) ^ 0x40, at);
        await writeFile(file, spoilt);
        assert.deepEqual(await found(directory, 0), ["first", "second"], `spoilt at ${at}`);
      }
      await writeFile(file, whole);
      assert.deepEqual(await found(directory, 0), ["first", "second", "last"]);
    }));

  it("refuses to leave out a record that is not the last", () =>
    inDirectory(async (directory) => {
      const { log } = await openLog(directory, 0);
      await append(log, "1", "2");
      log.turn();
      await append(log, "3");
      await log.close(false);
      const refused = (error: unknown): boolean =>
        error instanceof StoreUnavailable && /log-0 and .*log-1 .*damaged: put a copy/.test(error.message);
      const file = join(directory, "log-0");
      const whole = await readFile(file);
      await writeFile(file, whole.subarray(0, whole.length - 1));
      await assert.rejects(openLog(directory, 0), refused);
      await assert.rejects(openLog(directory, 1), refused);
      assert.deepEqual(await found(directory, 2), ["3"]);
    }));

  it("says when a record does not fit, and has room again in the other file", () =>
    inDirectory(async (directory) => {
      const { log } = await openLog(directory, 0, 2 * RECORD_HEADER + 2);
      assert.equal(log.hasRoom(2 * RECORD_HEADER + 3), false);
      await append(log, "1");
      assert.equal(log.hasRoom(RECORD_HEADER + 1), true);
      await append(log, "2");
      assert.equal(log.hasRoom(RECORD_HEADER), false);
      log.turn();
      assert.equal(log.hasRoom(RECORD_HEADER + 1), true);
      await log.close(false);
    }));

  it("is readable by its owner alone, and leaves nothing when the database has everything", () =>
    inDirectory(async (directory) => {
      const { log } = await openLog(directory, 0);
      const files = (await readdir(directory)).sort();
      assert.deepEqual(files, ["log-0", "log-1"]);
      if (process.platform !== "win32")
        for (const file of files) assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600);
      await log.close(true);
      assert.deepEqual(await readdir(directory), []);
    }));
});

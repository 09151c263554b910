/**
 * What lies around the LMDB store: who may open its directory, and what happens when it cannot be used.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { touchClaim } from "../../src/storage/claim.ts";
import { lockDirectory } from "../../src/storage/directory-lock.ts";
import { openLmdb } from "../../src/storage/lmdb.ts";
import { StoreUnavailable } from "../../src/storage/port.ts";
import { openLog, RECORD_HEADER } from "../../src/storage/write-ahead-log.ts";
import { inDirectory } from "./in-directory.ts";

const run = promisify(execFile);
const adapter = new URL("../../src/storage/lmdb.js", import.meta.url).href;

function unavailable(...parts: readonly (string | RegExp)[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StoreUnavailable, String(error));
    assert.doesNotMatch(error.message, /\n/);
    for (const part of parts)
      assert.ok(
        typeof part === "string" ? error.message.includes(part) : part.test(error.message),
        error.message,
      );
    return true;
  };
}

async function claims(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith("owner-"));
}

describe("one process per directory", { concurrency: true }, () => {
  it("refuses a second opener in this process until the first has closed", () =>
    inDirectory(async (directory) => {
      const store = await openLmdb(directory);
      await assert.rejects(openLmdb(directory), unavailable(directory, `process ${process.pid}`));
      await store.transact([], async (transaction) => transaction.put(Uint8Array.of(1), Uint8Array.of(1)));
      await store.close();
      assert.deepEqual(await claims(directory), []);
      const again = await openLmdb(directory);
      await again.close();
    }));

  it("refuses another process while this one has it", () =>
    inDirectory(async (directory) => {
      const store = await openLmdb(directory);
      const program = `const { openLmdb } = await import(process.argv[1]);
        await openLmdb(process.argv[2]).catch((error) => console.log(error.name, error.message));`;
      const { stdout } = await run(process.execPath, [
        "--input-type=module",
        "-e",
        program,
        adapter,
        directory,
      ]);
      assert.match(stdout, new RegExp(`^StoreUnavailable .*in use by process ${process.pid}`));
      await store.close();
    }));

  it("gives it to exactly one of many that come together", () =>
    inDirectory(async (directory) => {
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(directory)));
      const won = results.filter((result) => result.status === "fulfilled");
      assert.equal(won.length, 1);
      for (const result of results) if (result.status === "rejected") unavailable(directory)(result.reason);
      assert.equal((await claims(directory)).length, 1);
      await won[0]?.value.release();
      assert.deepEqual(await claims(directory), []);
    }));

  const dead: readonly [string, (own: Record<string, unknown>) => unknown][] = [
    ["of a process that is gone", (own) => ({ ...own, pid: 2 ** 22 + 1 })],
    ["of a process whose id was given to another", (own) => ({ ...own, started: "1" })],
  ];
  for (const [title, change] of dead) {
    it(`takes over at once from the claim ${title}`, () =>
      inDirectory(async (directory) => {
        const first = await lockDirectory(directory);
        const own = JSON.parse(await readFile(first.file, "utf8")) as Record<string, unknown>;
        await first.release();
        await writeFile(join(directory, "owner-77-0.json"), JSON.stringify(change(own)));
        const lock = await lockDirectory(directory);
        assert.deepEqual(await claims(directory), [lock.file.slice(directory.length + 1)]);
        await lock.release();
      }));
  }

  const elsewhere = JSON.stringify({ pid: 1, started: "5", place: "another machine", settled: true });
  it("refuses while an owner from another machine or container shows that it lives", () =>
    inDirectory(async (directory) => {
      const claim = join(directory, "owner-1-0.json");
      await writeFile(claim, elsewhere);
      const locking = lockDirectory(directory);
      const outcome = assert.rejects(locking, unavailable(directory, "process 1"));
      for (let i = 0; i < 10; i++) {
        await sleep(50);
        await touchClaim(claim);
      }
      await outcome;
      assert.deepEqual(await claims(directory), ["owner-1-0.json"]);
    }));

  for (const [title, content] of [
    ["an owner from elsewhere that shows no life", elsewhere],
    ["a claim that was never written out", ""],
    ["a claim that is no claim", '{"pid":"x"}'],
  ] as const) {
    it(`takes over from ${title}, after a while`, () =>
      inDirectory(async (directory) => {
        await writeFile(join(directory, "owner-1-0.json"), content);
        const lock = await lockDirectory(directory);
        assert.equal((await claims(directory)).length, 1);
        await lock.release();
      }));
  }

  it("an open store keeps showing that it lives", () =>
    inDirectory(async (directory) => {
      const store = await openLmdb(directory);
      const [claim = ""] = await claims(directory);
      const before = await stat(join(directory, claim));
      for (let i = 0; i < 60 && (await stat(join(directory, claim))).mtimeMs === before.mtimeMs; i++)
        await sleep(50);
      assert.notEqual((await stat(join(directory, claim))).mtimeMs, before.mtimeMs);
      await store.close();
    }));
});

describe("a directory that cannot be used", { concurrency: true }, () => {
  it("is a file, or lies below one", () =>
    inDirectory(async (directory) => {
      const file = join(directory, "file");
      await writeFile(file, "");
      await assert.rejects(openLmdb(file), unavailable(file, "choose another directory"));
      await assert.rejects(openLmdb(join(file, "sub")), unavailable(file, "choose another directory"));
    }));

  it("holds a data file that is not ours, or half of one", () =>
    inDirectory(async (directory) => {
      const store = await openLmdb(directory);
      await store.transact([], async (transaction) => {
        for (let i = 0; i < 200; i++) transaction.put(Uint8Array.of(i), new Uint8Array(1000));
      });
      await store.close();
      const data = join(directory, "data.mdb");
      const sound = await readFile(data);
      const cases: readonly [Uint8Array, string][] = [
        [Buffer.alloc(100_000, "x"), "not an LMDB file"],
        [Buffer.from("short"), "not an LMDB file"],
        [sound.subarray(0, 8192), "cut short"],
        [sound.subarray(0, sound.length / 2), "cut short"],
      ];
      for (const [content, complaint] of cases) {
        await writeFile(data, content);
        await assert.rejects(openLmdb(directory), unavailable(data, complaint));
        assert.deepEqual(await claims(directory), []);
      }
      await writeFile(data, sound);
      const again = await openLmdb(directory);
      assert.equal((await again.get(Uint8Array.of(199)))?.length, 1000);
      await again.close();
    }));

  const root = process.getuid?.() === 0;
  it(
    "may not be written",
    { skip: root || process.platform === "win32" ? "needs a user whom modes bind" : false },
    () =>
      inDirectory(async (directory) => {
        const closed = join(directory, "closed");
        await mkdir(closed, { mode: 0o500 });
        await assert.rejects(openLmdb(closed), unavailable(closed, "permission"));
        await assert.rejects(openLmdb(join(closed, "sub")), unavailable(closed, "permission"));
        await chmod(closed, 0o700);
      }),
  );

  it("is made readable by its owner alone", { skip: process.platform === "win32" }, () =>
    inDirectory(async (parent) => {
      const directory = join(parent, "new");
      const store = await openLmdb(directory);
      assert.equal((await stat(directory)).mode & 0o777, 0o700);
      for (const name of await readdir(directory))
        assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600, name);
      await store.close();
    }),
  );
});

/** Run under a limit of the file size, which LMDB meets as it meets a full disk. */
const overLimit = `
const { openLmdb } = await import(process.argv[1]);
const store = await openLmdb(process.argv[2]);
const key = (n) => Uint8Array.of(n);
const put = (n, size) => store.transact(["x"], async (t) => { t.put(key(n), new Uint8Array(size)); t.put(key(n + 100), key(n)); });
const called = [];
await put(1, 10);
const outcome = (promise) => promise.then(() => "done", (error) => error.name + ": " + error.message);
const failed = put(2, Number(process.argv[3]));
const started = Promise.all([
  outcome(failed),
  outcome(store.transact(["x"], async (t) => { t.put(key(3), (await t.get(key(102))) ?? key(0)); t.afterCommit(() => called.push(3)); })),
  outcome(store.transact(["x"], async (t) => { if (await t.get(key(102))) throw new Error("it is there"); })),
  outcome(store.transact(["y"], async (t) => { await failed.catch(() => {}); t.put(key(4), key(4)); })),
]);
const outcomes = await started;
const left = (await store.range({ start: key(0), end: key(255) }, 100)).map(({ key }) => key[0]);
const after = await outcome(put(5, 10));
await store.close();
const again = await openLmdb(process.argv[2]);
const kept = (await again.range({ start: key(0), end: key(255) }, 100)).map(({ key }) => key[0]);
await again.close();
console.log(JSON.stringify({ outcomes, called, left, after, kept }));
`;

describe("what a crash leaves", () => {
  const keys = async (directory: string): Promise<number[]> => {
    const store = await openLmdb(directory);
    const entries = await store.range({ start: Uint8Array.of(0), end: Uint8Array.of(255) }, 1000);
    await store.close();
    return entries.map(({ key }) => key[0] ?? -1);
  };

  it("is whole, wherever a write has got to", () =>
    inDirectory(async (parent) => {
      const directory = join(parent, "running");
      const store = await openLmdb(directory);
      for (let i = 0; i < 40; i++) {
        await store.transact([], async (transaction) => {
          transaction.put(Uint8Array.of(i), new Uint8Array(1000));
          if (i % 2 === 1) transaction.delete(Uint8Array.of(i - 1));
        });
        if (i % 8 !== 3) continue;
        const copy = join(parent, `after-${i}`);
        // The log first: the data file may go on meanwhile, and has then what the copied log has.
        await mkdir(copy);
        for (const name of ["log-0", "log-1", "data.mdb"])
          await copyFile(join(directory, name), join(copy, name));
        const odd = Array.from({ length: (i + 1) / 2 }, (_, n) => 2 * n + 1);
        assert.deepEqual(await keys(copy), odd);
        assert.deepEqual(await keys(copy), odd);
      }
      await store.close();
    }));

  it("is the data file alone when the store was closed", () =>
    inDirectory(async (directory) => {
      const store = await openLmdb(directory);
      await store.transact([], async (transaction) => transaction.put(Uint8Array.of(7), Uint8Array.of(7)));
      await store.close();
      assert.deepEqual((await readdir(directory)).sort(), ["data.mdb", "lock.mdb"]);
      assert.deepEqual(await keys(directory), [7]);
    }));

  it("is refused without a part of its log", () =>
    inDirectory(async (directory) => {
      const store = await openLmdb(directory);
      await store.transact([], async (transaction) => transaction.put(Uint8Array.of(7), Uint8Array.of(7)));
      await store.close();
      const { log } = await openLog(directory, 5);
      await log.append(Buffer.alloc(RECORD_HEADER));
      await log.close(false);
      await assert.rejects(openLmdb(directory), unavailable("log-0", "put a copy of all of them back"));
      assert.deepEqual(await claims(directory), []);
      await rm(join(directory, "log-0"));
      assert.deepEqual(await keys(directory), [7]);
    }));
});

describe("a commit that fails", () => {
  for (const [where, bytes] of [
    ["in the log", 3 << 20],
    ["in the database", 8 << 20],
  ] as const)
    it(
      `${where} leaves nothing behind, takes with it what depended on it, and the store goes on`,
      { skip: process.platform === "win32" },
      () =>
        inDirectory(async (directory) => {
          const { stdout, stderr } = await run("sh", [
            "-c",
            `trap '' XFSZ; ulimit -f 4096; exec "$@"`,
            "sh",
            process.execPath,
            "--input-type=module",
            "-e",
            overLimit,
            adapter,
            directory,
            String(bytes),
          ]);
          const { outcomes, called, left, after, kept } = JSON.parse(stdout) as Record<string, unknown>;
          assert.equal((outcomes as string[]).length, 4);
          for (const outcome of outcomes as string[])
            assert.match(outcome, /^StoreUnavailable: The data directory .*\.$/);
          assert.deepEqual([called, left, after, kept], [[], [1, 101], "done", [1, 5, 101, 105]]);
          assert.equal(stderr, "");
        }),
    );
});

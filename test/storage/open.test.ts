import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openStore } from "../../src/storage/open.ts";
import { StoreUnavailable } from "../../src/storage/port.ts";

describe("openStore", () => {
  it("opens memory: anew each time", async () => {
    for (const url of ["memory:", "MEMORY:"]) {
      const store = await openStore(url);
      assert.equal(await store.get(Uint8Array.of(1)), undefined);
      await store.transact([], async (transaction) => transaction.put(Uint8Array.of(1), Uint8Array.of(2)));
      await store.close();
    }
  });

  it("opens one directory as a path and as lmdb:, and makes it if need be", async () => {
    const parent = await mkdtemp(join(tmpdir(), "celestite-"));
    const directory = join(parent, "a", "data.d");
    try {
      const store = await openStore(directory);
      await store.transact([], async (transaction) => transaction.put(Uint8Array.of(1), Uint8Array.of(2)));
      await store.close();
      const again = await openStore(`lmdb:${directory}`);
      assert.deepEqual([...((await again.get(Uint8Array.of(1))) ?? [])], [2]);
      await again.close();
    } finally {
      await rm(parent, { recursive: true });
    }
  });

  it("does not repeat a password", async () => {
    for (const url of ["postgress://user:s3cret@host/db", "postgres://user:s3cret@host:port/db"]) {
      await assert.rejects(openStore(url), (error) => {
        assert.ok(error instanceof StoreUnavailable);
        assert.doesNotMatch(`${error.message} ${error.stack}`, /s3cret/);
        return true;
      });
    }
  });

  for (const url of ["", "lmdb:", "redis://localhost", "postgress:x", "constructor:x"]) {
    it(`refuses ${JSON.stringify(url)} and says what is known`, async () => {
      await assert.rejects(openStore(url), (error) => {
        assert.ok(error instanceof StoreUnavailable);
        assert.match(error.message, /memory:, lmdb:DIRECTORY, postgres:.* or the path of a directory/);
        return true;
      });
    });
  }
});

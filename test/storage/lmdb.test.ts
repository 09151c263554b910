import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLmdb } from "../../src/storage/lmdb.ts";
import { describeStoreLaws } from "./laws.ts";

describeStoreLaws("lmdb", async () => {
  const directory = await mkdtemp(join(tmpdir(), "celestite-"));
  let open = await openLmdb(directory);
  return {
    store: open,
    async reopen() {
      await open.close();
      open = await openLmdb(directory);
      return open;
    },
    async destroy() {
      await open.close();
      await rm(directory, { recursive: true });
    },
  };
});

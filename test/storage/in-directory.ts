/** A directory of its own for a test. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `body` with a new directory and removes it afterwards, with all that is in it. */
export async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "celestite-"));
  try {
    await body(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

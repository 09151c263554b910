/** Making the directories that hold a store. Apart because the data directory is made before any store is opened. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes `directory` and what is missing above it. Node's own recursive `mkdir` reports a read-only file system as a
 * missing file, and does not return at all where the system refuses new names, as in /proc.
 * Only the owner can read what it makes. Throws the system's error.
 */
export async function makeDirectory(directory: string): Promise<void> {
  const make = async (path: string): Promise<unknown> => {
    try {
      await mkdir(path, { mode: 0o700 });
      return undefined;
    } catch (error) {
      return codeOf(error) === "EEXIST" && (await stat(path)).isDirectory() ? undefined : error;
    }
  };
  let error = await make(directory);
  if (codeOf(error) === "ENOENT" && dirname(directory) !== directory) {
    await makeDirectory(dirname(directory));
    error = await make(directory);
  }
  if (error !== undefined) throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

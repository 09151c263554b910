/**
 * Certificate files: written whole or not at all, read with one clear complaint. Apart because the authority, its
 * leaf and the bundle keep theirs in the same way.
 */
import { chmod, open, readFile, rename, stat } from "node:fs/promises";

/** The files of the certificate authority cannot be used; `message` says which and what to do. */
export class AuthorityUnavailable extends Error {
  override readonly name = "AuthorityUnavailable";
}

/** Text of `path`, or `undefined` if there is no such file. Other failures throw `AuthorityUnavailable`. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw refused(path, "read", error);
  }
}

/** Writes `path` in one step, so that a reader or a crash finds the old content or the new; `mode` as in chmod. */
export async function writeFileWhole(
  path: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  const draft = `${path}.new`;
  try {
    const handle = await open(draft, "w", mode);
    try {
      await handle.chmod(mode);
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (error) {
    throw refused(path, "written", error);
  }
}

/** True when there is a file at `path`, whatever it is. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return false;
    throw refused(path, "read", error);
  }
}

/** Takes group and others their access to `path` if they have any. */
export async function makePrivate(path: string): Promise<void> {
  try {
    if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
  } catch (error) {
    throw refused(path, "made private", error);
  }
}

function refused(path: string, what: string, error: unknown): AuthorityUnavailable {
  const why = error instanceof Error ? error.message : String(error);
  return new AuthorityUnavailable(`The file ${path} cannot be ${what}: ${why}.`, { cause: error });
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/**
 * Service account tokens in files that the server keeps fresh, as kubelet does: for programs that were told of theirs by
 * `celestite env` and have no `run` that would do it. They end with the server.
 */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { Issuers } from "../identity/issuers.ts";

/** Kubernetes' own default; the file is renewed at four fifths of it. */
const lifeSeconds = 3600;
const lookMilliseconds = 5_000;

export interface KeptTokenFile {
  readonly file: string;
  close(): Promise<void>;
}

/**
 * Writes a token of the local cluster for `subject` into a new folder below `directory`, which only its owner can read,
 * and renews it by `clock` until it is closed. Throws what minting does.
 */
export async function keepTokenFile(options: {
  readonly directory: string;
  /** Names the folder; unlike any other of this server. */
  readonly id: string;
  readonly subject: string;
  readonly issuers: Pick<Issuers, "mint">;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}): Promise<KeptTokenFile> {
  const { directory, id, subject, issuers, clock, onError } = options;
  const folder = join(directory, "tokens", id);
  const file = join(folder, "azure-identity-token");
  let renewAt = 0;
  const write = async (): Promise<void> => {
    const minted = await issuers.mint({ subject, lifetimeSeconds: lifeSeconds });
    await writeFile(`${file}.new`, minted.token, { mode: 0o600 });
    await rename(`${file}.new`, file);
    renewAt = clock.now() + lifeSeconds * 800;
  };
  const close = async (): Promise<void> => {
    clearInterval(timer);
    await writing.catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  let writing = write();
  const timer = setInterval(() => {
    if (clock.now() < renewAt) return;
    // Until it is written; a failure is tried again at the next look.
    renewAt = Number.POSITIVE_INFINITY;
    writing = write().catch((error: unknown) => {
      renewAt = 0;
      onError(error);
    });
  }, lookMilliseconds);
  timer.unref();
  try {
    await writing;
  } catch (error) {
    await close();
    throw error;
  }
  return { file, close };
}

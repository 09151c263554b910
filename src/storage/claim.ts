/**
 * The sign of life of a claim on a data directory. Apart from the lock because the writing thread gives it and loads
 * nothing else of the lock.
 */
import { open } from "node:fs/promises";

/** Milliseconds between two touches of a claim. */
export const TOUCH_INTERVAL = 1000;

/** Shows that the owner of the claim `file` lives, by writing its first byte again. */
export async function touchClaim(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.write("{", 0);
  } finally {
    await handle.close();
  }
}

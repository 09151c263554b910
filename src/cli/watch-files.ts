/**
 * Notices that files changed, by looking at them: that works for editors that replace files, for folders shared with a
 * container, and for files that do not exist yet, where notifications of the system differ or are missing.
 */
import { readdirSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds between two looks. */
const lookInterval = 300;

/** Files as they were when they were first looked at, by absolute path. */
export type Snapshot = Map<string, string>;

/** Takes a file or folder into the snapshot, before it is read: a change from then on is noticed. */
export function takeIn(snapshot: Snapshot, path: string): void {
  if (!snapshot.has(path)) snapshot.set(path, stateOf(path));
}

/** What can be told of a file from outside of its content, and of a folder by the names in it. */
function stateOf(path: string): string {
  try {
    const entry = statSync(path);
    if (entry.isDirectory()) return readdirSync(path).sort().join("/");
    return `${entry.mtimeMs} ${entry.size} ${entry.ino}`;
  } catch {
    return "none";
  }
}

/** Resolves with true when something is not as in the snapshot any more, and with false when stopped. */
export async function changed(snapshot: Snapshot, stopped: AbortSignal): Promise<boolean> {
  while (!stopped.aborted) {
    for (const [path, before] of snapshot) if (stateOf(path) !== before) return true;
    await sleep(lookInterval, undefined, { signal: stopped }).catch(() => {});
  }
  return false;
}

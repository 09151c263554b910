/**
 * One process per data directory. Apart from the LMDB adapter because the directory holds more than the database,
 * and because the rule who is alive is the same whatever lies in it.
 *
 * Node has no lock that the kernel takes back from a dead process, so every opener puts a claim file of its own
 * into the directory and only then looks for the claims of others: of two that look, at least one sees the other.
 * A claim counts while its process lives: the same id *and* the same start time, so a reused id does not. A claim
 * that cannot be judged so (it comes from another machine or container, where ids mean something else, or it is
 * not written out yet) counts while its owner keeps touching it.
 */
import { execFile } from "node:child_process";
import { readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { touchClaim } from "./claim.ts";
import { StoreUnavailable } from "./port.ts";

export interface DirectoryLock {
  /** The claim; its owner calls `touchClaim` on it every `TOUCH_INTERVAL`. */
  readonly file: string;
  /** Gives the directory free; safe to call twice. */
  release(): Promise<void>;
}

/** Milliseconds without a touch after which a claim that cannot be judged otherwise is dead. */
const TOUCH_PATIENCE = 2500;
/** Milliseconds after which an opener that only meets other openers gives up. */
const OPEN_PATIENCE = 15_000;
/** Milliseconds between two looks. */
const PAUSE = 20;

interface Claim {
  readonly pid: number;
  /** When the process started, in the system's own words; empty where they cannot be had. */
  readonly started: string;
  /** Where `pid` means something: this boot of this machine and, on Linux, the namespace of process ids. */
  readonly place: string;
  /** False while its owner still looks for others. */
  readonly settled: boolean;
}

interface Rival {
  readonly file: string;
  /** Undefined while the file is not written out. */
  readonly claim: Claim | undefined;
  /** Whether the owner is known to live; if not, it may still turn out dead. */
  readonly alive: boolean;
}

/** When a claim that cannot be judged by its process was first seen, and its modification time then. */
interface Sighting {
  readonly at: number;
  readonly modified: number;
}

/**
 * Takes `directory`, which must exist, for the caller. Throws `StoreUnavailable` naming the directory and the
 * process that has it, be it this one; file system errors pass through.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const self: Claim = {
    pid: process.pid,
    started: (await startOf(process.pid)) ?? "",
    place: await thisPlace(),
    settled: false,
  };
  const sightings = new Map<string, Sighting>();
  let file = await putClaim(directory, self);
  try {
    for (let waited = 0; ; waited += PAUSE) {
      const rivals = await findRivals(directory, file, self.place, sightings, waited);
      if (rivals.length === 0) break;
      const owner = rivals.find((rival) => rival.alive && rival.claim?.settled);
      if (owner !== undefined || waited > OPEN_PATIENCE)
        throw inUse(directory, owner?.claim ?? rivals[0]?.claim);
      const mine = file;
      const mustYield = rivals.some((rival) => rival.alive && rival.file < mine);
      if (mustYield) await rm(file, { force: true });
      await sleep(PAUSE);
      if (mustYield) file = await putClaim(directory, self);
      else await touchClaim(file);
    }
    await writeFile(file, JSON.stringify({ ...self, settled: true }));
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
  const held = file;
  return { file: held, release: () => rm(held, { force: true }) };
}

/** Writes `claim` to a file of a name that nobody has. */
async function putClaim(directory: string, claim: Claim): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const file = join(directory, `owner-${claim.pid}-${attempt}.json`);
    try {
      await writeFile(file, JSON.stringify(claim), { flag: "wx", mode: 0o600 });
      return file;
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}

/** The claims beside `mine` whose owners live or may live; those of the dead are removed. */
async function findRivals(
  directory: string,
  mine: string,
  place: string,
  sightings: Map<string, Sighting>,
  now: number,
): Promise<readonly Rival[]> {
  const rivals: Rival[] = [];
  for (const name of await readdir(directory)) {
    const file = join(directory, name);
    if (!/^owner-.*\.json$/.test(name) || file === mine) continue;
    const claim = await readClaim(file);
    const alive = claim?.place === place ? await isRunning(claim) : await isTouched(file, sightings, now);
    if (alive === false) await rm(file, { force: true });
    else rivals.push({ file, claim, alive: alive === true });
  }
  return rivals;
}

async function readClaim(file: string): Promise<Claim | undefined> {
  try {
    const { pid, started, place, settled } = JSON.parse(await readFile(file, "utf8")) as Partial<Claim>;
    if (typeof pid !== "number" || typeof started !== "string" || typeof place !== "string") return undefined;
    return { pid, started, place, settled: settled === true };
  } catch (error) {
    if (error instanceof SyntaxError || errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function isRunning(claim: Claim): Promise<boolean> {
  try {
    process.kill(claim.pid, 0);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return false;
  }
  const started = await startOf(claim.pid);
  return started === undefined || started === claim.started;
}

/** True once `file` has changed since it was first seen, false once it has not for too long, else undefined. */
async function isTouched(
  file: string,
  sightings: Map<string, Sighting>,
  now: number,
): Promise<boolean | undefined> {
  let modified: number;
  try {
    modified = (await stat(file)).mtimeMs;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
  const first = sightings.get(file);
  if (first === undefined) {
    sightings.set(file, { at: now, modified });
    return undefined;
  }
  if (modified !== first.modified) return true;
  return now - first.at > TOUCH_PATIENCE ? false : undefined;
}

/**
 * When process `pid` started: field 22 of proc(5) stat on Linux, else what ps says. `undefined` if neither can
 * tell. A process that has ended but was not waited for yet counts as started "never".
 */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    if (process.platform !== "linux") {
      const env = { LC_ALL: "C", TZ: "UTC", PATH: "/bin:/usr/bin" };
      const { stdout } = await promisify(execFile)("ps", ["-o", "lstart=", "-p", String(pid)], { env });
      return stdout.trim();
    }
    const line = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "never" : fields[19];
  } catch {
    return undefined;
  }
}

async function thisPlace(): Promise<string> {
  try {
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
    return `${boot.trim()} ${await readlink("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
}

function inUse(directory: string, claim: Claim | undefined): StoreUnavailable {
  const owner = claim === undefined ? "another process" : `process ${claim.pid}`;
  return new StoreUnavailable(
    `The data directory ${directory} is in use by ${owner}: stop it first, or choose another directory.`,
  );
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The machine a figure was measured on: what a reader may know of it, how busy it is, and what a process uses of it. */
import { open, readFile, rm, statfs } from "node:fs/promises";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** Nothing here names the machine or a place on it. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly system: string;
  readonly node: string;
  /** File system under the data directories. */
  readonly fileSystem: string;
  /** Median time to append 4 KB to a file and have them on disk: the floor of every durable write. */
  readonly syncMilliseconds: number;
  /** 99 of 100 turns of a timer of one millisecond take less: what the slowest answers owe to the machine. */
  readonly timerMilliseconds?: number;
}

/** File systems by the number that statfs(2) gives; anything else is shown as the number. */
const fileSystems: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x01021994, "tmpfs (in memory)"],
  [0x794c7630, "overlayfs"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x2fc12fc1, "zfs"],
]);

const syncs = 40;

/** Describes the machine; `directory` lies where data directories will. */
export async function describeMachine(directory: string): Promise<Machine> {
  const { type: fileSystem } = await statfs(directory);
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release().split(/[.-]/).slice(0, 2).join(".")} ${process.arch}`,
    node: process.version,
    fileSystem: fileSystems.get(fileSystem) ?? `0x${fileSystem.toString(16)}`,
    syncMilliseconds: await medianSync(directory),
    timerMilliseconds: await slowTimer(),
  };
}

async function medianSync(directory: string): Promise<number> {
  const file = join(directory, "sync");
  const handle = await open(file, "w");
  const times: number[] = [];
  const block = Buffer.alloc(4096, 1);
  try {
    for (let i = 0; i < syncs; i++) {
      const started = performance.now();
      await handle.write(block);
      await handle.datasync();
      times.push(performance.now() - started);
    }
  } finally {
    await handle.close();
    await rm(file, { force: true });
  }
  return Math.round(median(times) * 1000) / 1000;
}

const timerTurns = 500;

async function slowTimer(): Promise<number> {
  const gaps: number[] = [];
  for (let i = 0; i < timerTurns; i++) {
    const started = performance.now();
    await sleep(1);
    gaps.push(performance.now() - started);
  }
  const ordered = gaps.sort((a, b) => a - b);
  return Math.round((ordered[Math.floor(timerTurns * 0.99)] ?? 0) * 10) / 10;
}

/** Looks at the machine while nothing of the bench has work to do, so what is busy then is somebody else's. */
export interface BusyWatch {
  look(milliseconds: number): Promise<void>;
  /** The share (0 to 1) of all cores that was in use during all looks together. */
  share(): number;
}

export function createBusyWatch(): BusyWatch {
  let idle = 0;
  let total = 0;
  return {
    async look(milliseconds) {
      const before = coreTimes();
      await sleep(milliseconds);
      const after = coreTimes();
      idle += after.idle - before.idle;
      total += after.total - before.total;
    },
    share: () => (total === 0 ? 0 : 1 - idle / total),
  };
}

function coreTimes(): { readonly idle: number; readonly total: number } {
  let idle = 0;
  let total = 0;
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.idle + times.user + times.sys + times.nice + times.irq;
  }
  return { idle, total };
}

/** Linux counts a process's time in hundredths of a second, whatever the kernel's own tick. */
const ticksPerSecond = 100;

/** Processor time that a process has used, all its threads, in seconds; undefined where the system does not tell. */
export async function cpuSeconds(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Resident memory of a process in megabytes; undefined where the system does not tell. */
export async function residentMegabytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Math.round(Number(kilobytes) / 1024);
}

/**
 * The part of it that is the process's own: without the pages of files that are mapped, which the system counts once
 * for each mapping and takes back at need.
 */
export async function ownMegabytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Math.round(Number(kilobytes) / 1024);
}

/** The middle of the values, or of the two in the middle their mean; 0 when there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

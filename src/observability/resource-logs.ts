/**
 * Diagnostic logs that a resource's own diagnostic settings switch on: the lines of one category of one resource, in
 * the layout of folders and the hourly files that Azure Monitor writes to a storage account. Apart from `sinks.ts`,
 * which writes everything of every resource as the server was told at its start.
 */
import { appendFile, mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DiagnosticRecord } from "./diagnostic-records.ts";
import { type LogCategory, logLines } from "./log-lines.ts";

/** What one diagnostic setting wants. */
export interface LogSwitch {
  /** Id of the resource, or of the subscription whose activity log is wanted. */
  readonly resourceId: string;
  readonly categories: readonly string[];
  /** Names of the storage accounts, workspaces and event hubs that the lines would go to. */
  readonly destinations: readonly string[];
}

export interface ResourceLogs {
  /** From now on exactly these. */
  setSwitches(switches: readonly LogSwitch[]): void;
  write(record: DiagnosticRecord): void;
  /** Writes what is queued; resolves when it is out or lost. */
  flush(): Promise<void>;
}

export interface ResourceLogOptions {
  readonly directory: string;
  readonly onError: (error: unknown) => void;
  /** Bytes after which an hour's file takes no more. */
  readonly fileBytesMax?: number;
}

interface Line {
  readonly folder: string;
  readonly time: number;
  readonly text: string;
}

/** Lines that wait; at some hundred bytes each, a few megabytes. */
const queueMax = 20_000;
const fileBytesMaxDefault = 256 * 1024 * 1024;
const daysKept = 7;
const dayMilliseconds = 86_400_000;

export function openResourceLogs({
  directory,
  onError,
  fileBytesMax = fileBytesMaxDefault,
}: ResourceLogOptions): ResourceLogs {
  let switches: readonly LogSwitch[] = [];
  let queue: Line[] = [];
  let dropped = 0;
  let writing: Promise<void> = Promise.resolve();
  const writeOut = async (): Promise<void> => {
    const lines = queue;
    queue = [];
    for (const [file, { folder, time, texts }] of filesOf(lines)) {
      const path = join(directory, file);
      const size = await stat(path).then(
        (found) => found.size,
        () => undefined,
      );
      if (size === undefined) await removeOldDays(join(directory, folder), time);
      if (size !== undefined && size > fileBytesMax) {
        dropped += texts.length;
        continue;
      }
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await appendFile(path, `${texts.join("\n")}\n`, { mode: 0o600 });
    }
    if (dropped > 0) onError(new Error(`${dropped} lines of diagnostic logs were not written.`));
    dropped = 0;
  };
  return {
    setSwitches(next) {
      switches = next;
    },
    write(record) {
      if (switches.length === 0) return;
      for (const line of wantedLines(switches, record)) {
        if (queue.length >= queueMax) dropped++;
        else queue.push(line);
      }
    },
    flush() {
      if (queue.length === 0) return writing;
      writing = writing.then(writeOut).catch(onError);
      return writing;
    },
  };
}

/** The lines of a record that some setting wants, once for each destination. */
function wantedLines(switches: readonly LogSwitch[], record: DiagnosticRecord): readonly Line[] {
  return logLines(record).flatMap(({ category, text }) => {
    const resourceId = resourceOf(record, category);
    const wanted = switches.filter(
      (each) =>
        each.resourceId.toLowerCase() === resourceId.toLowerCase() && each.categories.includes(category),
    );
    const destinations = new Set(wanted.flatMap((each) => each.destinations));
    return [...destinations].map((destination) => ({
      folder: join(
        destination,
        `insights-logs-${category.toLowerCase()}`,
        "resourceId=",
        resourceId.toUpperCase(),
      ),
      time: record.time,
      text,
    }));
  });
}

/** The resource that a line is about: the account, for the activity log the subscription, none for sign-ins. */
function resourceOf({ data, resource }: DiagnosticRecord, category: LogCategory): string {
  if (category === "DataPlaneRequests") return data?.accountId ?? "";
  const pattern =
    category === "ControlPlaneRequests" ? /^.*?\/databaseAccounts\/[^/]+/i : /^\/subscriptions\/[^/]+/i;
  return pattern.exec(resource)?.[0] ?? "";
}

/** Lines by the file of their hour. */
function filesOf(
  lines: readonly Line[],
): ReadonlyMap<string, { readonly folder: string; readonly time: number; readonly texts: string[] }> {
  const files = new Map<
    string,
    { readonly folder: string; readonly time: number; readonly texts: string[] }
  >();
  for (const { folder, time, text } of lines) {
    const [year, month, day, hour] = new Date(time).toISOString().split(/[-T:]/);
    const file = join(folder, `y=${year}`, `m=${month}`, `d=${day}`, `h=${hour}`, "m=00", "PT1H.json");
    const known = files.get(file);
    if (known === undefined) files.set(file, { folder, time, texts: [text] });
    else known.texts.push(text);
  }
  return files;
}

/** Called when an hour begins: days that are long over make room. */
async function removeOldDays(folder: string, now: number): Promise<void> {
  for (const year of await entriesOf(folder, "y=")) {
    for (const month of await entriesOf(join(folder, year), "m=")) {
      for (const day of await entriesOf(join(folder, year, month), "d=")) {
        const at = Date.parse([year, month, day].map((part) => part.slice(2)).join("-"));
        if (at < now - (daysKept + 1) * dayMilliseconds) {
          await rm(join(folder, year, month, day), { recursive: true, force: true });
        }
      }
    }
  }
}

async function entriesOf(folder: string, prefix: string): Promise<readonly string[]> {
  const found = await readdir(folder).catch(() => []);
  return found.filter((name) => name.startsWith(prefix));
}

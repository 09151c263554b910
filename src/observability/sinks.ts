/**
 * Where records go besides memory: NDJSON files with rotation, and an OpenTelemetry collector. The only file of this
 * room that touches disk or network. A sink never holds a request up: it queues, drops what is too much, and says so.
 */
import { appendFile, mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DiagnosticRecord } from "./diagnostic-records.ts";
import { type LogCategory, logLines } from "./log-lines.ts";
import type { Metrics } from "./metrics.ts";
import { logsPayload, metricsPayload } from "./otlp.ts";

export interface Sink {
  write(record: DiagnosticRecord): void;
  /** Writes what is queued; resolves when it is out or lost. */
  flush(): Promise<void>;
}

/** Records that wait; at some hundred bytes each, a few megabytes. */
const queueMax = 20_000;

export interface FileSinkOptions {
  readonly directory: string;
  /** A file that has grown beyond this is rotated. */
  readonly bytesMax?: number;
  /** Rotated files kept of each category, beside the one that grows. */
  readonly filesKept?: number;
  readonly onError: (error: unknown) => void;
}

const bytesMaxDefault = 64 * 1024 * 1024;
const filesKeptDefault = 5;

/** Writes `<category>.ndjson` in `directory`; `<category>.1.ndjson` is the last one before it. Readable by the owner alone. */
export function openFileSink(options: FileSinkOptions): Sink {
  const { directory, bytesMax = bytesMaxDefault, filesKept = filesKeptDefault, onError } = options;
  let queue: DiagnosticRecord[] = [];
  let dropped = 0;
  let writing: Promise<void> = Promise.resolve();
  const fileOf = (category: LogCategory, number: number): string =>
    join(directory, number === 0 ? `${category}.ndjson` : `${category}.${number}.ndjson`);
  const rotate = async (category: LogCategory): Promise<void> => {
    const size = await stat(fileOf(category, 0)).then(
      (found) => found.size,
      () => 0,
    );
    if (size < bytesMax) return;
    await rm(fileOf(category, filesKept), { force: true });
    for (let number = filesKept - 1; number >= 0; number--) {
      await rename(fileOf(category, number), fileOf(category, number + 1)).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code !== "ENOENT") throw error;
        },
      );
    }
  };
  const writeOut = async (): Promise<void> => {
    const records = queue;
    queue = [];
    if (records.length === 0) return;
    const texts = new Map<LogCategory, string[]>();
    for (const { category, text } of records.flatMap(logLines)) {
      const lines = texts.get(category);
      if (lines === undefined) texts.set(category, [text]);
      else lines.push(text);
    }
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const [category, lines] of texts) {
      await rotate(category);
      await appendFile(fileOf(category, 0), `${lines.join("\n")}\n`, { mode: 0o600 });
    }
    if (dropped > 0)
      onError(new Error(`${dropped} records were not logged: requests came faster than the disk writes.`));
    dropped = 0;
  };
  return {
    write(record) {
      if (queue.length >= queueMax) dropped++;
      else queue.push(record);
    },
    flush() {
      writing = writing.then(writeOut).catch(onError);
      return writing;
    },
  };
}

export interface OtlpSinkOptions {
  /** The collector's base, e.g. `http://localhost:4318`. */
  readonly endpoint: string;
  readonly metrics: Metrics;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

/** Records sent in one call. */
const batchMax = 1000;
const sendMilliseconds = 5000;

/** Sends records and metrics to a collector; a batch that cannot be delivered is lost and reported once. */
export function openOtlpSink({ endpoint, metrics, version, now, onError }: OtlpSinkOptions): Sink {
  const base = endpoint.replace(/\/+$/, "");
  const start = now();
  let queue: DiagnosticRecord[] = [];
  let sending: Promise<void> = Promise.resolve();
  let failing = false;
  const post = async (path: string, payload: object): Promise<void> => {
    const response = await fetch(`${base}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(payload),
      signal: AbortSignal.timeout(sendMilliseconds),
    });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`the collector answered ${response.status}`);
  };
  const sendOut = async (): Promise<void> => {
    const records = queue;
    queue = [];
    for (let at = 0; at < records.length; at += batchMax) {
      await post("/v1/logs", logsPayload(records.slice(at, at + batchMax), version));
    }
    if (records.length > 0) await post("/v1/metrics", metricsPayload(metrics, version, start, now()));
    failing = false;
  };
  return {
    write(record) {
      if (queue.length < queueMax) queue.push(record);
    },
    flush() {
      sending = sending.then(sendOut).catch((error: unknown) => {
        if (!failing)
          onError(new Error(`Telemetry cannot be sent to ${base}: ${String((error as Error).message)}.`));
        failing = true;
      });
      return sending;
    },
  };
}

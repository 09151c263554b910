/** Sinks for records, as the settings want them: files, a collector, or none; opened before anything can be recorded. */
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { Settings } from "../config.ts";
import type { DiagnosticRecord, Recorder } from "../observability/diagnostic-records.ts";
import type { ResourceLogs } from "../observability/resource-logs.ts";
import { version } from "../version.ts";

/** Pause between two rounds of writing. */
const flushMilliseconds = 500;

export interface TelemetryParts {
  readonly settings: Settings;
  readonly around: { readonly clock: Clock; readonly onError: (error: unknown) => void };
  readonly recorder: Recorder;
}

/** Logs that diagnostic settings of resources switch on; loaded with the first setting. */
export interface SwitchedLogs {
  /** From now on exactly what these settings want is written. */
  apply(settings: readonly SwitchedSetting[]): void;
  close(): Promise<void>;
}

export interface SwitchedSetting {
  readonly resourceId: string;
  readonly categories: readonly string[];
  /** Ids of the resources that the logs would go to. */
  readonly destinations: readonly string[];
}

/** Writes below `diagnostics` in the data directory, where Azure would write to the destination. */
export function openSwitchedLogs({ settings, around, recorder }: TelemetryParts): SwitchedLogs {
  const directory = join(settings.dataDirectory, "diagnostics");
  const { onError } = around;
  let opening: Promise<ResourceLogs> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stop: () => void = () => {};
  let waiting: DiagnosticRecord[] = [];
  const open = async (): Promise<ResourceLogs> => {
    let logs: ResourceLogs | undefined;
    stop = recorder.listen((entry) => (logs === undefined ? void waiting.push(entry) : logs.write(entry)));
    const { openResourceLogs } = await import("../observability/resource-logs.ts");
    const opened = openResourceLogs({ directory, onError });
    timer = setInterval(() => void opened.flush(), flushMilliseconds);
    timer.unref();
    logs = opened;
    return opened;
  };
  return {
    apply(all) {
      if (all.length === 0 && opening === undefined) return;
      const switches = all.map(({ resourceId, categories, destinations }) => ({
        resourceId,
        categories,
        destinations: destinations.map(destinationName),
      }));
      opening = (opening ?? open()).then((logs) => {
        logs.setSwitches(switches);
        for (const entry of waiting) logs.write(entry);
        waiting = [];
        return logs;
      });
      opening.catch(onError);
    },
    async close() {
      if (opening === undefined) return;
      clearInterval(timer);
      stop();
      await (await opening).flush();
    },
  };
}

/** The account, workspace or namespace in an id, as the name of a folder. */
function destinationName(id: string): string {
  const name = /\/providers\/[^/]+\/[^/]+\/([^/]+)/i.exec(id)?.[1] ?? "logs";
  return name.replace(/[^A-Za-z0-9_-]/g, "_").toLowerCase();
}

/** Lets every record flow into the sinks; the returned function writes out the rest and stops. */
export async function openTelemetry({
  settings,
  around,
  recorder,
}: TelemetryParts): Promise<() => Promise<void>> {
  const { logDirectory, otlpEndpoint } = settings;
  if (logDirectory === undefined && otlpEndpoint === undefined) return async () => {};
  const { onError, clock } = around;
  const [{ openFileSink, openOtlpSink }, { createMetrics }] = await Promise.all([
    import("../observability/sinks.ts"),
    import("../observability/metrics.ts"),
  ]);
  const metrics = createMetrics();
  const otlp = { metrics, version, now: clock.now, onError };
  const sinks = [
    ...(logDirectory === undefined ? [] : [openFileSink({ directory: logDirectory, onError })]),
    ...(otlpEndpoint === undefined ? [] : [openOtlpSink({ ...otlp, endpoint: otlpEndpoint })]),
  ];
  const stop = recorder.listen((entry) => {
    metrics.observe(entry);
    for (const sink of sinks) sink.write(entry);
  });
  const flush = async (): Promise<void> => {
    await Promise.all(sinks.map((sink) => sink.flush()));
  };
  const timer = setInterval(() => void flush(), flushMilliseconds);
  timer.unref();
  return async () => {
    clearInterval(timer);
    stop();
    await flush();
  };
}

/** Sinks for records, as the settings want them: files, a collector, or none; opened before anything can be recorded. */
import type { Clock } from "../clock.ts";
import type { Settings } from "../config.ts";
import type { Recorder } from "../observability/diagnostic-records.ts";
import { version } from "../version.ts";

/** Pause between two rounds of writing. */
const flushMilliseconds = 500;

export interface TelemetryParts {
  readonly settings: Settings;
  readonly around: { readonly clock: Clock; readonly onError: (error: unknown) => void };
  readonly recorder: Recorder;
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

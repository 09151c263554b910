/**
 * The process that makes load: takes a job at a time from its parent, keeps one request in flight on each connection
 * and answers with counts. A process of its own, so that making load and measuring it cost the server nothing but
 * a share of the machine. It ends with its parent.
 */
import { performance } from "node:perf_hooks";
import { type Connection, openConnection } from "./connection.ts";
import { createHistogram, type Histogram } from "./histogram.ts";
import type { GeneratorAnswer, Job, JobResult } from "./job.ts";
import { type NumberSource, numberSource, writeNumber } from "./numbers.ts";

/** A connection or a reply that takes longer fails the job. */
const waitMillisecondsMax = 10_000;

/** A connection of the job, with its own copy of the request. */
interface Lane {
  readonly connection: Connection;
  readonly request: Buffer;
  /** When the lane's next request would have been sent by a client that waits for its turn: its latency counts from then. */
  dueAt: number;
  inFlight: boolean;
}

interface Run {
  readonly job: Job;
  readonly numbers: NumberSource;
  readonly histogram: Histogram;
  readonly lanes: Lane[];
  /** Lanes that wait for a request to fall due, and how many have. */
  readonly waiting: Lane[];
  due: number;
  cpuBefore: NodeJS.CpuUsage;
  startedAt: number;
  /** The counted time, in milliseconds of `performance.now()`. */
  from: number;
  to: number;
  requests: number;
  answered: number;
  connected: number;
  readonly onConnected: () => void;
  readonly settle: (outcome: JobResult | Error) => void;
}

/** One job from first connection to last reply. */
function perform(job: Job, onConnected: () => void): Promise<JobResult> {
  return new Promise((resolve, reject) => {
    let settled = false;
    const settle = (outcome: JobResult | Error): void => {
      if (settled) return;
      settled = true;
      clearInterval(watch);
      clearInterval(pacer);
      for (const lane of run.lanes) lane.connection.close();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const run: Run = {
      job,
      numbers: numberSource(job.numbers),
      histogram: createHistogram(),
      lanes: [],
      waiting: [],
      due: 0,
      cpuBefore: process.cpuUsage(),
      startedAt: 0,
      from: Number.POSITIVE_INFINITY,
      to: Number.POSITIVE_INFINITY,
      requests: 0,
      answered: 0,
      connected: 0,
      onConnected,
      settle,
    };
    const watch = setInterval(() => {
      const limit = performance.now() - waitMillisecondsMax;
      const waits = run.lanes.some(
        (lane) => lane.dueAt < limit && (lane.inFlight || run.connected < job.connections),
      );
      if (waits) settle(new Error(`no reply within ${waitMillisecondsMax} ms`));
    }, 500);
    const pacer = job.rate === undefined ? undefined : setInterval(() => sendDue(run), 1);
    for (let i = 0; i < job.connections; i++) run.lanes.push(openLane(run));
  });
}

function openLane(run: Run): Lane {
  const { job } = run;
  let connectedBefore = false;
  const connection = openConnection(
    job.target,
    { status: job.expectedStatus, bodyBytesMin: job.bodyBytesMin },
    {
      onReady() {
        if (connectedBefore) sendNext(run, lane);
        else if (++run.connected === job.connections) begin(run);
        connectedBefore = true;
      },
      onReply() {
        const now = performance.now();
        if (now >= run.from && now < run.to) {
          run.requests++;
          run.histogram.add(now - lane.dueAt);
        }
        run.answered++;
        lane.dueAt = now;
        lane.inFlight = false;
      },
      onFailure: (message) => run.settle(new Error(message)),
    },
  );
  const request = Buffer.from(job.request.bytes, "base64");
  const lane: Lane = { connection, request, dueAt: performance.now(), inFlight: false };
  return lane;
}

/** All lanes are connected: the ramp starts, and the counted time after it. */
function begin(run: Run): void {
  run.onConnected();
  const now = performance.now();
  run.startedAt = now;
  run.cpuBefore = process.cpuUsage();
  run.from = now + run.job.rampSeconds * 1000;
  run.to = run.from + run.job.seconds * 1000;
  for (const lane of run.lanes) {
    lane.dueAt = now;
    sendNext(run, lane);
  }
}

function sendNext(run: Run, lane: Lane): void {
  if (run.job.rate === undefined) {
    send(run, lane);
    return;
  }
  run.waiting.push(lane);
  sendDue(run);
}

/** Sends what has fallen due and has a lane; at the end of the time a lane is let go for each call. */
function sendDue(run: Run): void {
  const { job, waiting } = run;
  const now = performance.now();
  const between = 1000 / (job.rate ?? Number.POSITIVE_INFINITY);
  for (;;) {
    const dueAt = run.startedAt + run.due * between;
    if (waiting.length === 0 || (dueAt > now && now < run.to)) return;
    const lane = waiting.shift() as Lane;
    lane.dueAt = dueAt;
    run.due++;
    send(run, lane);
    if (now >= run.to) return;
  }
}

/** Sends the next number; without any, ends the run when nothing is under way. */
function send(run: Run, lane: Lane): void {
  const number = performance.now() < run.to ? run.numbers.next() : undefined;
  if (number === undefined) {
    if (!run.lanes.some((other) => other.inFlight)) run.settle(resultOf(run));
    return;
  }
  writeNumber(lane.request, run.job.request.offsets, number);
  lane.inFlight = true;
  lane.connection.send(lane.request);
}

function resultOf(run: Run): JobResult {
  const cpu = process.cpuUsage(run.cpuBefore);
  const now = performance.now();
  return {
    requests: run.requests,
    seconds: (Math.min(now, run.to) - run.from) / 1000,
    answered: run.answered,
    elapsedSeconds: (now - run.startedAt) / 1000,
    latencies: run.histogram.counts(),
    generatorCpuSeconds: (cpu.user + cpu.system) / 1e6,
    nextNumber: run.numbers.position(),
  };
}

process.on("message", (job: Job) => {
  const answer = (message: GeneratorAnswer): void => void process.send?.(message);
  perform(job, () => answer({ kind: "connected" })).then(
    (result) => answer({ kind: "done", result }),
    (error: unknown) =>
      answer({ kind: "failed", message: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));

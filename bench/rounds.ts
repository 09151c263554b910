/**
 * Rounds: several servers get the same load in turn, in short rounds whose order turns round each time, so that what
 * drifts on the machine meets all of them alike. A ratio is taken within a round; the middle one counts.
 */
import type { RequestParts } from "./exchange.ts";
import { requestTemplate } from "./exchange.ts";
import type { Access } from "./items.ts";
import { type LatencyCounts, percentile } from "./load/histogram.ts";
import type { Job, JobResult, Numbers } from "./load/job.ts";
import type { LoadGenerator } from "./load/load.ts";
import { type BusyWatch, cpuSeconds, median } from "./machine.ts";
import type { Subject } from "./subjects/subject.ts";

export interface LoadSettings {
  readonly connections: number;
  readonly watch: BusyWatch;
  /** Counted time of each server, over all rounds. */
  readonly seconds: number;
}

export interface LoadPlan {
  readonly request: (access: Access) => RequestParts;
  readonly expectedStatus: number;
  readonly bodyBytesMin: number;
  /** Any of the items that are there, or new ones from a number on. */
  readonly numbers: Numbers;
}

export interface Measured {
  readonly subject: Subject;
  /** Of each round. */
  readonly requestsPerSecond: readonly number[];
  readonly latencies: readonly LatencyCounts[];
  /** Processor time of the server for a request, in microseconds; undefined where the system does not tell. */
  readonly cpuMicroseconds: number | undefined;
  /** Share of a core that the load generator used. */
  readonly generatorShare: number;
  /** The same load at half the rate that the first subject reached; undefined for one that cannot bear that. */
  readonly steady: Steady | undefined;
}

/** Requests that fall due at even distances, whether those before them were answered or not. */
export interface Steady {
  /** Requests a second. */
  readonly rate: number;
  /** From when a request was due. */
  readonly latencies: LatencyCounts;
}

const roundsMin = 3;
const warmUpSeconds = 2;
/** Between two rounds everything that the bench started is idle; this long, in milliseconds, it looks for others. */
export const lookMilliseconds = 150;
/** Each round runs this long before it counts, in seconds. */
const rampSeconds = 0.2;
/** A subject is loaded steadily with at most this share of what it can do. */
const steadyShareMax = 0.8;
const steadySeconds = 5;

/**
 * Loads the subjects in turn, first with as much as they bear, then steadily with half of what the first one bore. Error
 * when any reply was not the expected one.
 */
export async function measureInTurn(
  generator: LoadGenerator,
  subjects: readonly Subject[],
  plan: LoadPlan,
  settings: LoadSettings,
): Promise<readonly Measured[]> {
  const lanes = subjects.map((subject) => lane(generator, subject, plan, settings.connections));
  for (const each of lanes) await each.warmUp();
  const rounds = Math.max(roundsMin, Math.round(settings.seconds));
  for (let round = 0; round < rounds; round++) {
    await settings.watch.look(lookMilliseconds);
    const order = round % 2 === 0 ? lanes : lanes.toReversed();
    for (const each of order) await each.round(settings.seconds / rounds);
  }
  const rate = Math.round((lanes[0]?.rate() ?? 0) / 2);
  for (const each of lanes) {
    if (rate <= each.rate() * steadyShareMax) await each.steady(rate);
  }
  return lanes.map((each) => each.measured());
}

interface Lane {
  warmUp(): Promise<void>;
  round(seconds: number): Promise<void>;
  /** Load of so many requests a second. */
  steady(rate: number): Promise<void>;
  /** Requests a second so far. */
  rate(): number;
  measured(): Measured;
}

function lane(generator: LoadGenerator, subject: Subject, plan: LoadPlan, connections: number): Lane {
  const results: JobResult[] = [];
  let numbers = plan.numbers;
  let cpu: number | undefined = 0;
  let steady: Steady | undefined;
  const request = requestTemplate(plan.request(subject.access), subject.access.target.port);
  const perform = async (
    given: Pick<Job, "rampSeconds" | "seconds" | "rate">,
    onConnected?: () => void,
  ): Promise<JobResult> => {
    const { expectedStatus, bodyBytesMin } = plan;
    const { target } = subject.access;
    const job: Job = { target, connections, request, numbers, expectedStatus, bodyBytesMin, ...given };
    const result = await generator.perform(job, onConnected).catch((error: Error) => {
      throw new Error(`${subject.name}: ${error.message}`);
    });
    if (numbers.kind === "upwards") numbers = { ...numbers, first: result.nextNumber };
    return result;
  };
  return {
    async warmUp() {
      await perform({ rampSeconds: 0, seconds: warmUpSeconds });
    },
    async steady(rate) {
      const { latencies } = await perform({ rampSeconds, seconds: steadySeconds, rate });
      steady = { rate, latencies };
    },
    rate: () => median(results.map(({ requests, seconds }) => requests / seconds)),
    async round(seconds) {
      let before: Promise<number | undefined> = Promise.resolve(undefined);
      const result = await perform({ rampSeconds, seconds }, () => {
        before = cpuSeconds(subject.pid);
      });
      results.push(result);
      const [used, after] = await Promise.all([before, cpuSeconds(subject.pid)]);
      cpu = cpu === undefined || used === undefined || after === undefined ? undefined : cpu + after - used;
    },
    measured() {
      const answered = results.reduce((sum, result) => sum + result.answered, 0);
      const generatorCpu = results.reduce((sum, result) => sum + result.generatorCpuSeconds, 0);
      const elapsed = results.reduce((sum, result) => sum + result.elapsedSeconds, 0);
      return {
        subject,
        requestsPerSecond: results.map((result) => result.requests / result.seconds),
        latencies: results.map((result) => result.latencies),
        cpuMicroseconds: cpu === undefined ? undefined : (cpu / answered) * 1e6,
        generatorShare: generatorCpu / elapsed,
        steady,
      };
    },
  };
}

/** The middle of the ratios of the rounds, `of` to `to`. */
export function medianRatio(of: Measured, to: Measured): number {
  return median(
    of.requestsPerSecond.map((value, round) => value / (to.requestsPerSecond[round] ?? Number.NaN)),
  );
}

/** The latency that a share of the replies did not exceed, over all rounds, in milliseconds. */
export function latency(measured: Measured, share: number): number {
  return percentile(measured.latencies, share);
}

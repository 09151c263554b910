/**
 * The bench: runs the workloads that it is told, each beside what it is compared with, prints tables with ratios, and
 * records them when nothing else used the machine. Everything it starts ends with it.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { version } from "../src/version.ts";
import { startGenerator } from "./load/load.ts";
import { createBusyWatch, describeMachine } from "./machine.ts";
import { createProcesses, type Processes, projectDirectory } from "./processes.ts";
import { record, renderText } from "./results.ts";
import { installVercel } from "./subjects/vercel.ts";
import { bulkWorkload } from "./workloads/bulk.ts";
import { createWorkload, pointReadWorkload } from "./workloads/items-under-load.ts";
import { queryWorkload } from "./workloads/query.ts";
import { rightsWorkload } from "./workloads/rights.ts";
import { signaturesWorkload } from "./workloads/signatures.ts";
import { soakWorkload } from "./workloads/soak.ts";
import { startWorkload } from "./workloads/start.ts";
import { tokensWorkload } from "./workloads/tokens.ts";
import { unharmedWorkload } from "./workloads/unharmed.ts";
import type { Workload } from "./workloads/workload.ts";

const workloads: readonly Workload[] = [
  pointReadWorkload,
  createWorkload,
  startWorkload,
  rightsWorkload,
  signaturesWorkload,
  tokensWorkload,
  queryWorkload,
  bulkWorkload,
  unharmedWorkload,
  soakWorkload,
];

/** The budgets are for this many. */
const connectionsDefault = "64";

const help = `Usage: npm run bench -- [WORKLOAD]... [--seconds N] [--connections N] [--large] [--record|--no-record]
                                    [--profile DIR]

Workloads (all when none is named):
${workloads.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`).join("\n")}

Options:
  --seconds N      counted time of each server under load, 3 to 60 (default: 6)
  --connections N  connections with one request in flight on each, 1 to 512 (default: ${connectionsDefault}, and
                   only that is recorded)
  --large          grow to a million items where a workload grows; takes several minutes
  --record         record the results even when something else uses the machine
  --no-record      record nothing
  --without-peer   leave out @vercel/cosmosdb-server; nothing is recorded then
  --profile DIR    write CPU profiles of Celestite there; nothing is recorded then
`;

/** Others may use this share of the machine during a result that is recorded. */
const busyShareMax = 0.1;
/** Before and after each workload, in milliseconds. */
const lookMilliseconds = 500;
/** The whole bench ends by then, whatever hangs. */
const minutesMax = 15;

interface Options {
  readonly chosen: readonly Workload[];
  readonly seconds: number;
  readonly connections: number;
  readonly recording: "always" | "when quiet" | "never";
  readonly withoutPeer: boolean;
  readonly large: boolean;
  readonly profile?: string;
}

class UsageError extends Error {
  override readonly name = "UsageError";
}

function parseOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "6" },
      connections: { type: "string", default: connectionsDefault },
      record: { type: "boolean" },
      "no-record": { type: "boolean" },
      "without-peer": { type: "boolean" },
      large: { type: "boolean" },
      profile: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return undefined;
  const unknown = positionals.find((name) => !workloads.some((workload) => workload.name === name));
  if (unknown !== undefined) throw new UsageError(`There is no workload '${unknown}'.`);
  const withoutPeer = values["without-peer"] === true;
  const unusual = withoutPeer || values.profile !== undefined || values.connections !== connectionsDefault;
  const never = values["no-record"] === true || unusual;
  return {
    chosen: workloads.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
    seconds: number("seconds", values.seconds, 3, 60),
    connections: number("connections", values.connections, 1, 512),
    recording: never ? "never" : values.record === true ? "always" : "when quiet",
    withoutPeer,
    large: values.large === true,
    ...(values.profile === undefined ? {} : { profile: resolve(values.profile) }),
  };
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`--${name} takes a whole number from ${min} to ${max}.`);
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function bench(options: Options, processes: Processes): Promise<void> {
  const withVercel = !options.withoutPeer && (await peerIsThere(processes));
  const machine = await describeMachine(await processes.temporaryDirectory());
  const generator = startGenerator(processes);
  const { seconds, connections, profile, large } = options;
  const nodeOptions = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  for (const workload of options.chosen) {
    const watch = createBusyWatch();
    await watch.look(lookMilliseconds);
    say(`\n${workload.name} ...`);
    const settings = { connections, seconds, watch };
    const result = await workload.run({ processes, generator, settings, large, withVercel, nodeOptions });
    say(renderText(result));
    await watch.look(lookMilliseconds);
    const busyOthers = watch.share();
    const quiet = busyOthers <= busyShareMax;
    if (!quiet)
      say(
        `Something else used ${Math.round(busyOthers * 100)} % of the machine meanwhile: do not trust this far.`,
      );
    if (options.recording === "never" || !withVercel || (options.recording === "when quiet" && !quiet)) {
      say("Not recorded.");
      continue;
    }
    const date = new Date().toISOString().slice(0, 10);
    await record(resolve(projectDirectory, "bench/results"), {
      ...result,
      date,
      version,
      machine,
      busyOthers,
    });
    say("Recorded in bench/results/.");
  }
}

async function peerIsThere(processes: Processes): Promise<boolean> {
  try {
    await installVercel(processes, say);
    return true;
  } catch (error) {
    say(`@vercel/cosmosdb-server could not be installed, so it is left out: ${(error as Error).message}`);
    return false;
  }
}

/** Runs the bench; interrupted or late, it is abandoned, and what it started is ended by the caller. */
function benchOrInterrupted(options: Options, processes: Processes): Promise<void> {
  return new Promise((done, fail) => {
    const interrupted = (): void => fail(new Error("interrupted"));
    process.once("SIGINT", interrupted);
    process.once("SIGTERM", interrupted);
    setTimeout(() => fail(new Error(`not done in ${minutesMax} minutes`)), minutesMax * 60_000).unref();
    bench(options, processes).then(done, fail);
  });
}

async function main(): Promise<number> {
  const processes = createProcesses();
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === undefined) say(help);
    else await benchOrInterrupted(options, processes);
    return 0;
  } catch (error) {
    const usage =
      error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS");
    process.stderr.write(
      `bench: ${(error as Error).message}\n${usage === true ? `\n${help}` : processes.complaints()}`,
    );
    return usage === true ? 2 : 1;
  } finally {
    await processes.close();
  }
}

const status = await main();
// After an interruption the abandoned bench may still wait for something.
process.exit(status);

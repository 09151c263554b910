/** How long a server takes from the start of its process to its first answer over TLS, empty and with items on disk. */
import { readFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { type RequestParts, requireOnce } from "../exchange.ts";
import { type Access, pointRead } from "../items.ts";
import type { Target } from "../load/job.ts";
import { median, residentMegabytes } from "../machine.ts";
import type { ServerProcess } from "../processes.ts";
import { grouped, type Row, type WorkloadResult } from "../results.ts";
import { lookMilliseconds } from "../rounds.ts";
import { startBareProcess, writeSettings } from "../subjects/bare.ts";
import { type StartStatus, startCelestite, startCommand } from "../subjects/celestite.ts";
import { seed } from "../subjects/line-up.ts";
import { startVercelProcess } from "../subjects/vercel.ts";
import type { Bench, Workload } from "./workload.ts";

/** Starts of each, after one that is not counted. */
const starts = 7;
const storedItems = 10_000;

interface Contestant {
  readonly name: string;
  readonly what: string;
  /** Starts a server; resolves with what to ask it first. */
  launch(): Promise<{ readonly server: ServerProcess; first(): Promise<void> }>;
  readonly milliseconds: number[];
  readonly megabytes: number[];
}

export const startWorkload: Workload = {
  name: "start",
  summary: "time from launch to the first answer",
  async run(bench) {
    const contestants = await prepare(bench);
    for (let round = 0; round <= starts; round++) {
      await bench.settings.watch.look(lookMilliseconds);
      const order = round % 2 === 0 ? contestants : contestants.toReversed();
      for (const contestant of order) await startOnce(contestant, round > 0);
    }
    return resultOf(contestants);
  },
};

async function startOnce(contestant: Contestant, counts: boolean): Promise<void> {
  const begun = performance.now();
  const { server, first } = await contestant.launch();
  await first();
  const elapsed = performance.now() - begun;
  const memory = await residentMegabytes(server.pid);
  await server.stop();
  if (!counts) return;
  contestant.milliseconds.push(elapsed);
  if (memory !== undefined) contestant.megabytes.push(memory);
}

async function prepare(bench: Bench): Promise<readonly Contestant[]> {
  const { processes } = bench;
  const filled = await startCelestite(processes);
  await seed(bench.generator, filled.access, 0, storedItems);
  await filled.stop();
  const cert = await readFile(`${filled.dataDirectory}/leaf.pem`, "utf8");
  const key = await readFile(`${filled.dataDirectory}/leaf-key.pem`, "utf8");
  const settings = await writeSettings(processes, {
    cert,
    key,
    replies: { GET: { status: 200, headers: {}, body: "" } },
  });
  const empty = contestant(
    "celestite, empty",
    "Celestite with an empty data directory, to its first answer",
    async () => {
      const server = startCommand(processes, await processes.temporaryDirectory(), bench.nodeOptions);
      return { server, first: () => firstArmAnswer(server) };
    },
  );
  const existing = contestant(
    "celestite, items on disk",
    `Celestite with ${grouped(storedItems, 0)} items on disk, to its first point read`,
    async () => {
      const server = startCommand(processes, filled.dataDirectory, bench.nodeOptions);
      return { server, first: () => firstPointRead(server, filled.access) };
    },
  );
  const bare = contestant("bare node:https", "node:https alone", async () => {
    const server = startBareProcess(processes, settings);
    return { server, first: async () => ask({ port: Number(await server.ready) }, get("/"), 200) };
  });
  const vercel = contestant("vercel", "@vercel/cosmosdb-server 1.0.1, always empty", async () => {
    const server = startVercelProcess(processes, "close");
    return { server, first: async () => ask({ port: Number(await server.ready) }, get("/dbs"), 200) };
  });
  return [empty, existing, bare, ...(bench.withVercel ? [vercel] : [])];
}

function contestant(name: string, what: string, launch: Contestant["launch"]): Contestant {
  return { name, what, launch, milliseconds: [], megabytes: [] };
}

function get(path: string): RequestParts {
  return { method: "GET", path, headers: {}, body: "" };
}

async function ask(target: Target, parts: RequestParts, status: number): Promise<void> {
  await requireOnce(target, parts, status);
}

/** Without a credential: the refusal shows that the control plane works. */
async function firstArmAnswer(server: ServerProcess): Promise<void> {
  const status = JSON.parse(await server.ready) as StartStatus;
  const target = {
    port: Number(new URL(status.endpoints.arm).port),
    ca: await readFile(status.caFile, "utf8"),
  };
  await ask(target, get("/subscriptions?api-version=2022-12-01"), 401);
}

async function firstPointRead(server: ServerProcess, access: Access): Promise<void> {
  const status = JSON.parse(await server.ready) as StartStatus;
  const port = Number(new URL(status.accounts[0]?.endpoint ?? "").port);
  await ask({ ...access.target, port }, pointRead(access), 200);
}

function resultOf(contestants: readonly Contestant[]): WorkloadResult {
  const [empty] = contestants;
  if (empty === undefined) throw new Error("nothing was started");
  const time = median(empty.milliseconds);
  const memory = median(empty.megabytes);
  const rows = contestants.map((each): Row => {
    const values = [median(each.milliseconds), Math.max(...each.milliseconds), median(each.megabytes)];
    const row = {
      subject: each.name,
      what: each.what,
      values: values.map((value) => (value === 0 ? null : value)),
    };
    return each.name.startsWith("celestite") ? row : { ...row, ratio: time / median(each.milliseconds) };
  });
  return {
    workload: "start",
    title: "Start",
    description: `From the launch of the process to its first answer over TLS, ${starts} times each in turn.`,
    columns: [
      { title: "median ms", digits: 0 },
      { title: "slowest ms", digits: 0 },
      { title: "memory MB", digits: 0 },
    ],
    ratioTitle: "Celestite, empty, takes",
    rows,
    budgets: [
      {
        what: "first answer with an empty store in less than 500 ms",
        measured: `${time.toFixed(0)} ms`,
        met: time < 500,
      },
      {
        what: "memory with an empty store below 150 MB",
        measured: memory === 0 ? "unknown" : `${memory} MB`,
        met: memory < 150,
      },
    ],
    notes: [],
  };
}

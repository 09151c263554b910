/**
 * What queries cost as a container grows: by the default index, beside a full scan of a container without one in the
 * same server, and beside the peer while it can keep up; what the index costs writes and memory; and how soon a
 * restarted server answers from it.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { requestTemplate, requireOnce } from "../exchange.ts";
import type { Access } from "../items.ts";
import { cpuSeconds, median, ownMegabytes, residentMegabytes } from "../machine.ts";
import {
  type BenchQuery,
  benchQueries,
  createNumbered,
  openQueryClient,
  type QueryClient,
  queriedContainer,
  scannedContainer,
} from "../queries.ts";
import { type Budget, formatRatio, grouped, type Row, type WorkloadResult } from "../results.ts";
import { lookMilliseconds } from "../rounds.ts";
import {
  type CelestiteSubject,
  type StartStatus,
  startCelestite,
  startCommand,
} from "../subjects/celestite.ts";
import type { Subject } from "../subjects/subject.ts";
import { startVercel } from "../subjects/vercel.ts";
import type { Bench, Workload } from "./workload.ts";

/** Items of a container, growing; the last one only when the bench is told to be large. */
const sizes = [1_000, 10_000, 100_000] as const;
const largeSize = 1_000_000;
/** The peer answers by scanning in memory: at more items than this, writing them takes it minutes. */
const peerItemsMax = 10_000;
/** Times each query is asked, and the most time that all of them take. */
const repeats = 60;
const repeatsMin = 3;
const repeatMilliseconds = 4_000;
/** The index has caught up when a lookup loads no more than this. */
const loadedMax = 16;
const catchUpMilliseconds = 240_000;
const writeConnections = 64;
const writeSecondsMax = 600;

/** Of one system at one size, the middle of the times of each query, in the order of `benchQueries`. */
type Times = readonly number[];

interface Growth {
  /** Creates a second, and processor time for one with all that follows of it, in microseconds. */
  readonly perSecond: number;
  readonly cpuMicroseconds: number | undefined;
}

interface Stage {
  readonly items: number;
  readonly indexed: Times;
  readonly scanned: Times | undefined;
  readonly peer: Times | undefined;
  readonly indexedGrowth: Growth;
  readonly scannedGrowth: Growth | undefined;
  /** Resident memory, and the part of it without the mapped pages of the store. */
  readonly megabytes: number | undefined;
  readonly ownMegabytes: number | undefined;
}

export const queryWorkload: Workload = {
  name: "query",
  summary: "queries by index as a container grows, beside a full scan (--large: up to a million items)",
  async run(bench) {
    const celestite = await startCelestite(bench.processes, bench.nodeOptions);
    const vercel = bench.withVercel
      ? await startVercel(bench.processes, "keep-alive", celestite.access)
      : undefined;
    const stages: Stage[] = [];
    let from = 0;
    for (const items of bench.large ? [...sizes, largeSize] : sizes) {
      await bench.settings.watch.look(lookMilliseconds);
      stages.push(await stage(bench, celestite, vercel, from, items));
      from = items;
    }
    await vercel?.stop();
    const restart = await restarted(bench, celestite, from);
    return resultOf(stages, restart);
  },
};

async function stage(
  bench: Bench,
  celestite: CelestiteSubject,
  vercel: Subject | undefined,
  from: number,
  items: number,
): Promise<Stage> {
  const scans = items <= Math.max(...sizes);
  const scannedGrowth = scans ? await grow(bench, celestite, scannedContainer, from, items) : undefined;
  const indexedGrowth = await grow(bench, celestite, queriedContainer, from, items);
  const client = openQueryClient(celestite.access);
  const indexed = await measure(client, queriedContainer, items);
  const scanned = scans ? await measure(client, scannedContainer, items) : undefined;
  client.close();
  const memory = {
    megabytes: await residentMegabytes(celestite.pid),
    ownMegabytes: await ownMegabytes(celestite.pid),
  };
  const peer =
    vercel !== undefined && items <= peerItemsMax ? await measurePeer(bench, vercel, from, items) : undefined;
  return { items, indexed, scanned, peer, indexedGrowth, scannedGrowth, ...memory };
}

async function measurePeer(bench: Bench, vercel: Subject, from: number, items: number): Promise<Times> {
  await write(bench, vercel.access, "items", from, items);
  const client = openQueryClient(vercel.access, true);
  const times = await measure(client, "items", items);
  client.close();
  return times;
}

/** Creates the items from `from` up to `items` and waits until lookups find them by index, if there is one. */
async function grow(
  bench: Bench,
  { access, pid }: CelestiteSubject,
  container: string,
  from: number,
  items: number,
): Promise<Growth> {
  const before = await cpuSeconds(pid);
  const perSecond = await write(bench, access, container, from, items);
  if (container === queriedContainer) await caughtUp(access, items);
  const after = await cpuSeconds(pid);
  const known = before !== undefined && after !== undefined;
  return { perSecond, cpuMicroseconds: known ? ((after - before) / (items - from)) * 1e6 : undefined };
}

async function write(
  bench: Bench,
  access: Access,
  container: string,
  from: number,
  items: number,
): Promise<number> {
  const result = await bench.generator.perform({
    target: access.target,
    connections: writeConnections,
    rampSeconds: 0,
    seconds: writeSecondsMax,
    request: requestTemplate(createNumbered(container)(access), access.target.port),
    numbers: { kind: "upwards", first: from, end: items },
    expectedStatus: 201,
    bodyBytesMin: 1,
  });
  if (result.nextNumber < items) throw new Error(`only ${result.nextNumber} of ${items} items were written`);
  return (items - from) / result.elapsedSeconds;
}

const [lookup] = benchQueries;

/** Waits until the index has everything; resolves with the milliseconds that took. */
async function caughtUp(access: Access, items: number): Promise<number> {
  if (lookup === undefined) throw new Error("there is no query");
  const client = openQueryClient(access);
  const begun = performance.now();
  try {
    for (;;) {
      const { loaded, rows } = await client.ask(queriedContainer, lookup, items, 0.999);
      const elapsed = performance.now() - begun;
      if (rows === 1 && loaded !== undefined && loaded <= loadedMax) return elapsed;
      if (elapsed > catchUpMilliseconds) throw new Error("the index did not catch up");
      await sleep(200);
    }
  } finally {
    client.close();
  }
}

async function measure(client: QueryClient, container: string, items: number): Promise<Times> {
  const times: number[] = [];
  for (const query of benchQueries) times.push(await measureQuery(client, container, query, items));
  return times;
}

async function measureQuery(
  client: QueryClient,
  container: string,
  query: BenchQuery,
  items: number,
): Promise<number> {
  const times: number[] = [];
  const begun = performance.now();
  for (let i = 0; i < repeats; i++) {
    if (i >= repeatsMin && performance.now() - begun > repeatMilliseconds) break;
    // The golden ratio spreads the values evenly without chance.
    const { milliseconds, rows } = await client.ask(container, query, items, (i * 0.618) % 1);
    if (rows !== query.rows(items)) {
      throw new Error(`'${query.name}' of ${items} items in '${container}' gave ${rows} rows`);
    }
    times.push(milliseconds);
  }
  return median(times);
}

/** From the launch of a server on the same data to the first answer of a lookup that loads no more than its hit. */
async function restarted(bench: Bench, celestite: CelestiteSubject, items: number): Promise<number> {
  await sleep(5_000);
  await celestite.stop();
  const begun = performance.now();
  const server = startCommand(bench.processes, celestite.dataDirectory, bench.nodeOptions);
  const status = JSON.parse(await server.ready) as StartStatus;
  const port = Number(new URL(status.accounts[0]?.endpoint ?? "").port);
  const access = { ...celestite.access, target: { ...celestite.access.target, port } };
  await caughtUp(access, items);
  const elapsed = performance.now() - begun;
  await requireOnce(access.target, createNumbered(queriedContainer)(access), 201, items);
  await server.stop();
  return elapsed;
}

function resultOf(stages: readonly Stage[], restart: number): WorkloadResult {
  return {
    workload: "query",
    title: "Queries",
    description: `Items of 1 KB in a container with the default indexing policy, the same in one without an index, and the peer up to ${grouped(peerItemsMax, 0)} items; one client with one connection reads the first page, ${repeats} times (fewer when slow), the middle time counts.`,
    columns: stages.map(({ items }) => ({ title: `${grouped(items, 0)} items`, digits: 2 })),
    ratioTitle: "Celestite by index is faster, times",
    rows: [...queryRows(stages), ...growthRows(stages)],
    budgets: budgetsOf(stages),
    notes: [`a restarted server gave its first answer by index after ${restart.toFixed(0)} ms`],
  };
}

function queryRows(stages: readonly Stage[]): readonly Row[] {
  return benchQueries.flatMap(({ name, what }, at) => {
    const systems = [
      ["by index", (stage: Stage) => stage.indexed],
      ["full scan", (stage: Stage) => stage.scanned],
      ["vercel", (stage: Stage) => stage.peer],
    ] as const;
    return systems.flatMap(([system, timesOf]): Row[] => {
      const values = stages.map((stage) => timesOf(stage)?.[at] ?? null);
      const last = stages.findLast((stage) => timesOf(stage) !== undefined);
      if (last === undefined) return [];
      const row = { subject: `${name}, ${system}, ms`, what: `${what}, ${system}`, values };
      if (system === "by index") return [row];
      return [{ ...row, ratio: (timesOf(last)?.[at] ?? 0) / (last.indexed[at] ?? 1) }];
    });
  });
}

function growthRows(stages: readonly Stage[]): readonly Row[] {
  const row = (subject: string, what: string, value: (stage: Stage) => number | undefined): Row => ({
    subject,
    what,
    values: stages.map((stage) => value(stage) ?? null),
  });
  return [
    row("creates/s, indexed", "durable creates while growing", (stage) => stage.indexedGrowth.perSecond),
    row("creates/s, no index", "the same without an index", (stage) => stage.scannedGrowth?.perSecond),
    row(
      "CPU µs/create, indexed",
      "processor time for a create and its way into the index",
      (stage) => stage.indexedGrowth.cpuMicroseconds,
    ),
    row(
      "CPU µs/create, no index",
      "the same without an index",
      (stage) => stage.scannedGrowth?.cpuMicroseconds,
    ),
    row("memory MB", "resident memory without the mapped pages of the store", (stage) => stage.ownMegabytes),
    row(
      "memory MB, with the store's pages",
      "the same with them, which the system counts for each mapping and takes back at need",
      (stage) => stage.megabytes,
    ),
  ];
}

function budgetsOf(stages: readonly Stage[]): readonly Budget[] {
  const first = stages[0];
  const last = stages.at(-1);
  const compared = stages.findLast(({ scannedGrowth }) => scannedGrowth !== undefined);
  if (first === undefined || last === undefined || compared?.scannedGrowth === undefined) return [];
  const at = grouped(last.items, 0);
  const time = (query: number): number => last.indexed[query] ?? Number.NaN;
  const below = (what: string, query: number, max: number): Budget => ({
    what: `${what} of ${at} below ${max} ms`,
    measured: `${time(query).toFixed(2)} ms`,
    met: time(query) < max,
  });
  const times = time(0) / (first.indexed[0] ?? Number.NaN);
  const share = compared.indexedGrowth.perSecond / compared.scannedGrowth.perSecond;
  return [
    below("equality with one hit", 0, 5),
    {
      what: `the same within 2 × of ${grouped(first.items, 0)} items`,
      measured: `${formatRatio(times)} ×`,
      met: times <= 2,
    },
    below("ORDER BY with LIMIT 10", 1, 10),
    below("COUNT of a tenth", 2, 300),
    below("first page of 1,000 rows", 3, 20),
    {
      what: `creates with the default index at least 0.8 × those without, up to ${grouped(compared.items, 0)} items`,
      measured: `${formatRatio(share)} ×`,
      met: share >= 0.8,
    },
    {
      what: `memory with ${at} items below 1,500 MB, without the mapped pages of the store`,
      measured: last.ownMegabytes === undefined ? "unknown" : `${last.ownMegabytes} MB`,
      met: (last.ownMegabytes ?? 0) < 1500,
    },
  ];
}

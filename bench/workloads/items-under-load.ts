/** The two workloads that send items over many connections: point reads and durable creates. */
import { create, itemBytes, pointRead } from "../items.ts";
import { percentile } from "../load/histogram.ts";
import { median } from "../machine.ts";
import { type Budget, type Column, formatRatio, grouped, type Row, type WorkloadResult } from "../results.ts";
import { type LoadPlan, latency, type Measured, measureInTurn, medianRatio } from "../rounds.ts";
import { startLineUp, stopLineUp } from "../subjects/line-up.ts";
import type { Bench, Workload } from "./workload.ts";

/** Items that are there before reads begin, and before creates do. */
const itemsToRead = 5_000;
const itemsBeforeCreates = 1_000;
/** Above this share of a core the generator may be what limits a server. */
const generatorShareMax = 0.9;

const columns: readonly Column[] = [
  { title: "requests/s", digits: 0 },
  { title: "p50 ms", digits: 2 },
  { title: "p99 ms", digits: 2 },
  { title: "CPU µs/request", digits: 0 },
];

/** What was measured of each server; `vercel` holds none, or the peer in both its habits. */
interface Comparison {
  readonly celestite: Measured;
  readonly bare: Measured;
  readonly vercel: readonly Measured[];
}

export const pointReadWorkload: Workload = {
  name: "point-read",
  summary: "reads of single items by id and partition key",
  async run(bench) {
    const comparison = await compare(bench, itemsToRead, {
      request: pointRead,
      expectedStatus: 200,
      bodyBytesMin: itemBytes,
      numbers: { kind: "anyOf", first: 0, count: itemsToRead },
    });
    const { celestite, bare, vercel } = comparison;
    const ratio = medianRatio(celestite, bare);
    const p99 = latency(celestite, 0.99);
    return {
      workload: "point-read",
      title: "Point read",
      description: `Items of ${itemBytes} bytes, each of ${grouped(itemsToRead, 0)} as likely, by id and partition key, over ${bench.settings.connections} connections with one request in flight on each.`,
      ...table(comparison),
      budgets: [
        {
          what: "at least 0.5 × a bare node:https server",
          measured: `${formatRatio(ratio)} ×`,
          met: ratio >= 0.5,
        },
        ...vercel.slice(0, 1).map((peer): Budget => {
          const times = medianRatio(celestite, peer);
          return {
            what: "at least 10 × @vercel/cosmosdb-server",
            measured: `${formatRatio(times)} ×`,
            met: times >= 10,
          };
        }),
        { what: "p99 below 10 ms", measured: `${p99.toFixed(2)} ms`, met: p99 < 10 },
      ],
    };
  },
};

export const createWorkload: Workload = {
  name: "create",
  summary: "creates of single items, durable when answered",
  async run(bench) {
    const comparison = await compare(bench, itemsBeforeCreates, {
      request: create,
      expectedStatus: 201,
      bodyBytesMin: itemBytes,
      numbers: { kind: "upwards", first: itemsBeforeCreates },
    });
    const perSecond = median(comparison.celestite.requestsPerSecond);
    const p99 = latency(comparison.celestite, 0.99);
    return {
      workload: "create",
      title: "Durable create",
      description: `New items of ${itemBytes} bytes over ${bench.settings.connections} connections with one request in flight on each. Celestite's are on disk when it answers; the others keep nothing or keep it in memory.`,
      ...table(comparison),
      budgets: [
        { what: "at least 4,000 requests/s", measured: `${grouped(perSecond, 0)}/s`, met: perSecond >= 4000 },
        { what: "p99 below 15 ms", measured: `${p99.toFixed(2)} ms`, met: p99 < 15 },
      ],
    };
  },
};

async function compare(bench: Bench, items: number, plan: LoadPlan): Promise<Comparison> {
  const lineUp = await startLineUp({ ...bench, items });
  const subjects = [lineUp.celestite, lineUp.bare, ...lineUp.vercel];
  const [celestite, bare, ...vercel] = await measureInTurn(bench.generator, subjects, plan, bench.settings);
  await stopLineUp(lineUp);
  if (celestite === undefined || bare === undefined) throw new Error("a measurement is missing");
  return { celestite, bare, vercel };
}

function table(comparison: Comparison): Pick<WorkloadResult, "columns" | "ratioTitle" | "rows" | "notes"> {
  const { celestite, bare, vercel } = comparison;
  const all = [celestite, bare, ...vercel];
  const limited = all.filter((measured) => measured.generatorShare > generatorShareMax);
  return {
    columns,
    ratioTitle: "Celestite does",
    rows: [row(celestite), ...[bare, ...vercel].map((peer) => row(peer, medianRatio(celestite, peer)))],
    notes: [
      `the load generator used ${Math.round(celestite.generatorShare * 100)} % of a core beside Celestite`,
      ...all.flatMap(steadily),
      ...limited.map(({ subject }) => `${subject.name} may have been held back by the load generator`),
    ],
  };
}

/** What a server that is not driven to its limit takes for a request. */
function steadily({ subject, steady }: Measured): readonly string[] {
  if (steady === undefined) return [];
  const [half, most] = [0.5, 0.99].map((share) => percentile([steady.latencies], share).toFixed(2));
  return [
    `${subject.name} at a steady ${grouped(steady.rate, 0)} requests/s, however busy: p50 ${half} ms, p99 ${most} ms`,
  ];
}

function row(measured: Measured, ratio?: number): Row {
  return {
    subject: measured.subject.name,
    what: measured.subject.what,
    values: [
      median(measured.requestsPerSecond),
      latency(measured, 0.5),
      latency(measured, 0.99),
      measured.cpuMicroseconds ?? null,
    ],
    ...(ratio === undefined ? {} : { ratio }),
  };
}

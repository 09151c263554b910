/**
 * Many clients with mixed traffic for a long time: whether anything is answered that they did not cause, and what
 * becomes of the server's memory. What the clients do keeps the same number of items, so memory has no reason to grow.
 */
import { fileURLToPath } from "node:url";
import { containerName, databaseName } from "../items.ts";
import type { SoakJob, SoakReport } from "../load/soak-client.ts";
import { ownMegabytes } from "../machine.ts";
import { grouped } from "../results.ts";
import { startCelestite } from "../subjects/celestite.ts";
import type { Workload } from "./workload.ts";

const clients = 64;
const secondsShort = 20;
const secondsFull = 600;
/** This share of the time is warm-up: caches, indexes and the heap reach their size. */
const warmUp = 0.3;
/** Growth of memory from the end of the warm-up to the end; garbage makes it rise and fall. */
const growthMax = 0.15;

interface Sample {
  readonly second: number;
  readonly megabytes: number;
}

export const soakWorkload: Workload = {
  name: "soak",
  summary: "64 clients with mixed traffic, and the memory curve (ten minutes with --large)",
  async run({ processes, large, nodeOptions }) {
    const seconds = large ? secondsFull : secondsShort;
    const subject = await startCelestite(processes, nodeOptions);
    const samples: Sample[] = [];
    const started = performance.now();
    const sample = async (): Promise<void> => {
      const megabytes = await ownMegabytes(subject.pid);
      if (megabytes !== undefined)
        samples.push({ second: Math.round((performance.now() - started) / 1000), megabytes });
    };
    const timer = setInterval(() => void sample(), (seconds * 1000) / 40);
    const { target, authorization, date } = subject.access;
    const job: SoakJob = {
      port: target.port,
      ca: target.ca ?? "",
      authorization,
      date,
      path: `/dbs/${databaseName}/colls/${containerName}`,
      clients,
      seconds,
    };
    const reports: SoakReport[] = [];
    const child = processes.fork(fileURLToPath(new URL("../load/soak-client.js", import.meta.url)));
    await new Promise<void>((resolve, reject) => {
      child.on("message", (message: SoakReport) => {
        reports.push(message);
        if (message.kind === "done") resolve();
      });
      child.once("exit", () => reject(new Error("the clients ended early")));
      child.send(job);
    });
    clearInterval(timer);
    await sample();
    await subject.stop();
    const { requests = 0, faults = [], faultCount = 0 } = reports.at(-1) ?? {};
    const [early, late] = [meanOf(samples, warmUp, warmUp + 0.2), meanOf(samples, 0.8, 1)];
    const growth = late / early - 1;
    const p99 = Math.max(...reports.slice(1).map((each) => each.p99));
    return {
      workload: "soak",
      title: "Soak",
      description: `${clients} clients for ${grouped(seconds, 0)} seconds: creates, upserts, reads, replaces, patches, queries, batches and deletes of ${clients} logical partitions, each answer checked. Memory is the server's own, without the mapped pages of the store.`,
      columns: [
        { title: "requests/s", digits: 0 },
        { title: "highest p99 of 5 s, ms", digits: 1 },
        { title: "wrong answers", digits: 0 },
        { title: "MB after warm-up", digits: 0 },
        { title: "MB at the end", digits: 0 },
      ],
      ratioTitle: "Celestite does",
      rows: [
        {
          subject: subject.name,
          what: subject.what,
          values: [requests / seconds, p99, faultCount, early, late],
        },
      ],
      budgets: [
        {
          what: "no answer that the clients do not cause",
          measured: String(faultCount),
          met: faultCount === 0,
        },
        {
          what: `memory grows by less than ${growthMax * 100} % after warm-up`,
          measured: `${(growth * 100).toFixed(1)} %`,
          met: growth < growthMax,
        },
      ],
      notes: [
        `memory in MB by second: ${samples.map(({ second, megabytes }) => `${second}: ${Math.round(megabytes)}`).join(", ")}`,
        ...faults,
      ],
    };
  },
};

/** The mean of the samples between two shares of the time. */
function meanOf(samples: readonly Sample[], from: number, to: number): number {
  const end = samples.at(-1)?.second ?? 0;
  const chosen = samples.filter(({ second }) => second >= from * end && second <= to * end);
  return chosen.reduce((sum, { megabytes }) => sum + megabytes, 0) / Math.max(1, chosen.length);
}

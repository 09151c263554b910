/**
 * Point reads beside queries and stored procedures that are made to hurt: whether everyone else goes on while those
 * use up their time.
 */
import { numberMark, type RequestParts, requestTemplate, sendOnce } from "../exchange.ts";
import {
  type Access,
  commonHeaders,
  containerName,
  create,
  databaseName,
  itemBytes,
  pointRead,
} from "../items.ts";
import { percentile } from "../load/histogram.ts";
import type { Budget, Row } from "../results.ts";
import { lookMilliseconds } from "../rounds.ts";
import { type CelestiteSubject, startCelestite } from "../subjects/celestite.ts";
import type { Bench, Workload } from "./workload.ts";

const items = 5_000;
/** Programs that read, with one request in flight on each connection, and clients that hurt, each with one as well. */
const readers = 8;
const hurtingClients = 2;
const writeConnections = 64;
const p99Max = 50;
/** What a request that hurts may be answered with: rows, a refusal, the end of its time, or word to come back. */
const expected: ReadonlySet<number> = new Set([200, 400, 408, 413, 429]);

const collection = `/dbs/${databaseName}/colls/${containerName}`;
const joins = Array.from({ length: 10 }, (_, at) => ` JOIN a${at} IN c.tags`).join("");
const queries: readonly string[] = [
  `SELECT VALUE COUNT(1) FROM c${joins}`,
  "SELECT VALUE RegexMatch(c.note, '^(n+n+)+y$') FROM c",
  `SELECT VALUE ${"(".repeat(100_000)}1${")".repeat(100_000)}`,
  `SELECT VALUE c.id FROM c WHERE c.note = '${"n".repeat(500_000)}'`,
  `SELECT VALUE c.id FROM c WHERE c.total IN (${Array.from({ length: 200_000 }, (_, at) => at).join()})`,
  "SELECT DISTINCT VALUE REVERSE(UPPER(CONCAT(c.note, c.note, c.note))) FROM c ORDER BY c.note",
];
/** Procedures of the bench's template. */
const procedures = ["loop", "bomb"];

export const unharmedWorkload: Workload = {
  name: "unharmed",
  summary: "point reads beside queries and procedures that are made to hurt",
  async run(bench) {
    const celestite = await startCelestite(bench.processes, bench.nodeOptions);
    const { access } = celestite;
    await write(bench, access);
    const rows: Row[] = [];
    const budgets: Budget[] = [];
    const sides: readonly (readonly [string, readonly RequestParts[]])[] = [
      ["alone", []],
      ["beside hurtful queries", queries.map((text) => query(access, text))],
      ["beside hurtful procedures", procedures.map((name) => execution(access, name))],
    ];
    for (const [name, hurting] of sides) {
      await bench.settings.watch.look(lookMilliseconds);
      const { row, p99 } = await read(bench, celestite, name, hurting);
      rows.push(row);
      if (hurting.length === 0) continue;
      const what = `p99 ${name} below ${p99Max} ms`;
      budgets.push({ what, measured: `${p99.toFixed(2)} ms`, met: p99 < p99Max });
    }
    await celestite.stop();
    return {
      workload: "unharmed",
      title: "Point reads beside what hurts",
      description: `Items of ${itemBytes} bytes read over ${readers} connections with one request in flight on each, while ${hurtingClients} clients send one request after another that is made to hurt: joins of ten arrays, patterns that backtrack, deep nesting, half a megabyte of text, 200,000 members of an IN; endless loops and memory bombs in procedures.`,
      columns: [
        { title: "reads/s", digits: 0 },
        { title: "p50 ms", digits: 2 },
        { title: "p99 ms", digits: 2 },
        { title: "hurtful requests", digits: 0 },
      ],
      ratioTitle: "Celestite does",
      rows,
      budgets,
      notes: [],
    };
  },
};

async function write({ generator }: Bench, access: Access): Promise<void> {
  await generator.perform({
    target: access.target,
    connections: writeConnections,
    rampSeconds: 0,
    seconds: 60,
    request: requestTemplate(create(access), access.target.port),
    numbers: { kind: "upwards", first: 0, end: items },
    expectedStatus: 201,
    bodyBytesMin: itemBytes,
  });
}

async function read(
  { generator, settings }: Bench,
  { access }: CelestiteSubject,
  name: string,
  hurting: readonly RequestParts[],
): Promise<{ readonly row: Row; readonly p99: number }> {
  let sent = 0;
  let over = false;
  const hurt = async (): Promise<void> => {
    while (!over) {
      for (const parts of hurting) {
        if (over) return;
        const { status, body } = await sendOnce(access.target, parts);
        if (!expected.has(status)) throw new Error(`answered with ${status}: ${body.slice(0, 300)}`);
        sent++;
      }
    }
  };
  const clients = hurting.length === 0 ? [] : Array.from({ length: hurtingClients }, hurt);
  const result = await generator.perform({
    target: access.target,
    connections: readers,
    rampSeconds: 1,
    seconds: settings.seconds,
    request: requestTemplate(pointRead(access), access.target.port),
    numbers: { kind: "anyOf", first: 0, count: items },
    expectedStatus: 200,
    bodyBytesMin: itemBytes,
  });
  over = true;
  await Promise.all(clients);
  const p99 = percentile([result.latencies], 0.99);
  const p50 = percentile([result.latencies], 0.5);
  const values = [result.requests / result.seconds, p50, p99, sent];
  return { row: { subject: name, what: `point reads ${name}`, values }, p99 };
}

function query(access: Access, text: string): RequestParts {
  return {
    method: "POST",
    path: `${collection}/docs`,
    headers: {
      ...commonHeaders(access),
      "Content-Type": "application/query+json",
      "x-ms-documentdb-isquery": "True",
      "x-ms-documentdb-query-enablecrosspartition": "true",
    },
    body: JSON.stringify({ query: text, parameters: [] }),
  };
}

function execution(access: Access, name: string): RequestParts {
  return {
    method: "POST",
    path: `${collection}/sprocs/${name}`,
    headers: {
      ...commonHeaders(access),
      "Content-Type": "application/json",
      "x-ms-documentdb-partitionkey": `["customer-${numberMark}"]`,
    },
    body: "[]",
  };
}

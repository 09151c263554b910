/**
 * The process that plays many clients at once: each sends one request after another, of every kind, to items of its own,
 * and knows how each must be answered. Apart from the generator, which sends one kind of request as fast as it can. It
 * reports its counts now and then, and ends with its parent.
 */
import { Agent, request as httpsRequest } from "node:https";
import { performance } from "node:perf_hooks";

export interface SoakJob {
  readonly port: number;
  readonly ca: string;
  readonly authorization: string;
  readonly date: string;
  readonly path: string;
  readonly clients: number;
  readonly seconds: number;
}

export interface SoakReport {
  readonly kind: "report" | "done";
  readonly requests: number;
  /** Sentences about answers that were not as they must be; the first few. */
  readonly faults: readonly string[];
  readonly faultCount: number;
  /** 99th percentile since the last report, in milliseconds. */
  readonly p99: number;
}

/** Items that each client works on, again and again. */
const itemsPerClient = 50;
const faultsShown = 10;
const reportMilliseconds = 5000;

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Counts {
  requests: number;
  faultCount: number;
  readonly faults: string[];
  latencies: number[];
}

function sender(job: SoakJob, counts: Counts): Send {
  const agent = new Agent({ keepAlive: true, maxSockets: job.clients, ca: job.ca });
  return (method, path, headers, body = "") =>
    new Promise((resolve, reject) => {
      const started = performance.now();
      const request = httpsRequest(
        {
          host: "127.0.0.1",
          servername: "localhost",
          port: job.port,
          method,
          path: `${job.path}${path}`,
          agent,
          timeout: 30_000,
          headers: {
            Host: `localhost:${job.port}`,
            "x-ms-version": "2020-07-15",
            "x-ms-date": job.date,
            authorization: job.authorization,
            "content-length": String(Buffer.byteLength(body)),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            counts.requests++;
            counts.latencies.push(performance.now() - started);
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
          });
        },
      );
      request.on("timeout", () => request.destroy(new Error("no reply in 30 s")));
      request.on("error", reject);
      request.end(body);
    });
}

type Send = (
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
) => Promise<Answer>;

/** One client: what it knows of its items decides what each answer must be. */
async function play(client: number, send: Send, counts: Counts, until: number): Promise<void> {
  const pk = `client-${client}`;
  const key = { "x-ms-documentdb-partitionkey": JSON.stringify([pk]) };
  const there = new Set<string>();
  const expect = (what: string, answer: Answer, ...statuses: readonly number[]): void => {
    if (statuses.includes(answer.status)) return;
    counts.faultCount++;
    if (counts.faults.length < faultsShown)
      counts.faults.push(`${what}: ${answer.status} ${answer.body.slice(0, 200)}`);
  };
  const batch = { "x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True" };
  const query = { "x-ms-documentdb-isquery": "True", "content-type": "application/query+json" };
  for (let step = 0; performance.now() < until; step++) {
    const id = `${step % itemsPerClient}`;
    const item = (n: number): string => JSON.stringify({ id, pk, n, text: "x".repeat(900) });
    switch (step % 9) {
      case 0: {
        const created = await send("POST", "/docs", key, item(step));
        expect("create", created, there.has(id) ? 409 : 201);
        there.add(id);
        break;
      }
      case 1:
        expect(
          "upsert",
          await send("POST", "/docs", { ...key, "x-ms-documentdb-is-upsert": "True" }, item(step)),
          there.has(id) ? 200 : 201,
        );
        there.add(id);
        break;
      case 2:
      case 3:
        expect("read", await send("GET", `/docs/${id}`, key), there.has(id) ? 200 : 404);
        break;
      case 4:
        expect("replace", await send("PUT", `/docs/${id}`, key, item(-step)), there.has(id) ? 200 : 404);
        break;
      case 5: {
        const operations = JSON.stringify([{ op: "incr", path: "/n", value: 1 }]);
        expect("patch", await send("PATCH", `/docs/${id}`, key, operations), there.has(id) ? 200 : 404);
        break;
      }
      case 6: {
        const text = JSON.stringify({ query: `SELECT VALUE COUNT(1) FROM c WHERE c.pk = '${pk}'` });
        const counted = await send("POST", "/docs", { ...key, ...query }, text);
        expect("query", counted, 200);
        const [found] = (JSON.parse(counted.body) as { Documents?: unknown[] }).Documents ?? [];
        if (found !== there.size)
          expect(`count ${String(found)} of ${there.size}`, { ...counted, status: 0 }, 200);
        break;
      }
      case 7: {
        const parts = [
          { operationType: "Upsert", resourceBody: { id, pk, n: step } },
          { operationType: "Read", id },
        ];
        expect("batch", await send("POST", "/docs", { ...key, ...batch }, JSON.stringify(parts)), 200);
        there.add(id);
        break;
      }
      default:
        expect("delete", await send("DELETE", `/docs/${id}`, key), there.has(id) ? 204 : 404);
        there.delete(id);
    }
  }
}

function report(kind: SoakReport["kind"], counts: Counts): SoakReport {
  const sorted = counts.latencies.sort((a, b) => a - b);
  counts.latencies = [];
  const { requests, faults, faultCount } = counts;
  return { kind, requests, faults, faultCount, p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0 };
}

process.on("message", (job: SoakJob) => {
  const counts: Counts = { requests: 0, faultCount: 0, faults: [], latencies: [] };
  const send = sender(job, counts);
  const until = performance.now() + job.seconds * 1000;
  const answer = (message: SoakReport): void => void process.send?.(message);
  const timer = setInterval(() => answer(report("report", counts)), reportMilliseconds);
  const clients = Array.from({ length: job.clients }, (_, client) =>
    play(client, send, counts, until).catch((error: unknown) => {
      counts.faultCount++;
      counts.faults.push(`client ${client} ended: ${String(error)}`);
    }),
  );
  void Promise.all(clients).then(() => {
    clearInterval(timer);
    answer(report("done", counts));
  });
});
process.on("disconnect", () => process.exit(0));

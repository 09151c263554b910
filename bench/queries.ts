/**
 * The items and queries of the query workload: items of 1 KB whose numbers rise, and the requests that look them up by
 * index or without one. Apart from `items.ts`, because the containers are others and the items are made to be searched.
 */
import { Agent, request as httpsRequest } from "node:https";
import { performance } from "node:perf_hooks";
import { numberMark, type RequestParts } from "./exchange.ts";
import { type Access, commonHeaders, databaseName, itemBytes } from "./items.ts";
import { numberDigits, type Target } from "./load/job.ts";

/** A container with the default indexing policy, and one without an index. */
export const queriedContainer = "queried";
export const scannedContainer = "scanned";

/** The number of an item within its body: a leading one keeps it a number of JSON whatever its zeros. */
const numberBase = 10 ** numberDigits;

export interface BenchQuery {
  readonly name: string;
  readonly what: string;
  readonly text: string;
  /** The same for a server that knows less of the language. */
  readonly plainText?: string;
  /** Parameters for a container of `items` items; `at` (0 to 1) chooses among the values they may have. */
  parameters(items: number, at: number): readonly { readonly name: string; readonly value: number }[];
  /** Rows of the first page. */
  readonly rows: (items: number) => number;
}

/** What the budgets are about. */
export const benchQueries: readonly BenchQuery[] = [
  {
    name: "equality, 1 hit",
    what: "c.n = @n",
    text: "SELECT * FROM c WHERE c.n = @n",
    parameters: (items, at) => [{ name: "@n", value: numberBase + Math.floor(at * items) }],
    rows: () => 1,
  },
  {
    name: "ORDER BY, LIMIT 10",
    what: "the first ten by c.n",
    text: "SELECT * FROM c ORDER BY c.n OFFSET 0 LIMIT 10",
    plainText: "SELECT TOP 10 * FROM c ORDER BY c.n",
    parameters: () => [],
    rows: () => 10,
  },
  {
    name: "COUNT of 10 %",
    what: "a count of the items in a tenth of c.n",
    text: "SELECT VALUE COUNT(1) FROM c WHERE c.n >= @from AND c.n < @to",
    parameters: (items, at) => between(items, at, Math.floor(items / 10)),
    rows: () => 1,
  },
  {
    name: "range, 1000 rows",
    what: "the first page of a range of a thousand items",
    text: "SELECT * FROM c WHERE c.n >= @from AND c.n < @to",
    parameters: (items, at) => between(items, at, 1000),
    rows: (items) => Math.min(items, 1000),
  },
];

function between(
  items: number,
  at: number,
  width: number,
): readonly { readonly name: string; readonly value: number }[] {
  const from = numberBase + Math.floor(at * Math.max(0, items - width));
  return [
    { name: "@from", value: from },
    { name: "@to", value: from + width },
  ];
}

/** Creates the item of the open number in `container`: exactly `itemBytes`. */
export function createNumbered(container: string): (access: Access) => RequestParts {
  const item = (note: string): string =>
    JSON.stringify({
      id: `item-${numberMark}`,
      pk: `customer-${numberMark}`,
      n: "NUMBER",
      status: "shipped",
      total: 129.95,
      express: false,
      address: { street: "1 Example Street", city: "Springfield", zip: "12345", country: "US" },
      lines: [
        { sku: "A-1001", name: "kettle", quantity: 1, price: 49.95 },
        { sku: "B-2040", name: "teapot", quantity: 2, price: 40 },
      ],
      tags: ["spring", "returning", "newsletter"],
      note,
    }).replace('"NUMBER"', `1${numberMark}`);
  const body = item("n".repeat(itemBytes - item("").length));
  return (access) => ({
    method: "POST",
    path: documentsOf(container),
    headers: {
      ...commonHeaders(access),
      "Content-Type": "application/json",
      "x-ms-documentdb-partitionkey": `["customer-${numberMark}"]`,
    },
    body,
  });
}

function documentsOf(container: string): string {
  return `/dbs/${databaseName}/colls/${container}/docs`;
}

export interface Answer {
  readonly milliseconds: number;
  readonly rows: number;
  /** Items that the server read for it; undefined when it does not say. */
  readonly loaded: number | undefined;
}

export interface QueryClient {
  /** Sends the query and reads the first page to its end. */
  ask(container: string, query: BenchQuery, items: number, at: number): Promise<Answer>;
  close(): void;
}

/** A client with one connection that it keeps, as SDKs do; `plain` for a server that knows less of the language. */
export function openQueryClient(access: Access, plain = false): QueryClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    async ask(container, query, items, at) {
      const text = plain ? (query.plainText ?? query.text) : query.text;
      const body = JSON.stringify({ query: text, parameters: query.parameters(items, at) });
      const begun = performance.now();
      const { status, reply, metrics } = await post(agent, access, documentsOf(container), body);
      const milliseconds = performance.now() - begun;
      if (status !== 200)
        throw new Error(`'${query.name}' was answered with ${status}: ${reply.slice(0, 300)}`);
      const rows = (JSON.parse(reply) as { Documents: unknown[] }).Documents.length;
      const loaded = /retrievedDocumentCount=(\d+)/.exec(metrics)?.[1];
      return { milliseconds, rows, loaded: loaded === undefined ? undefined : Number(loaded) };
    },
    close: () => agent.destroy(),
  };
}

/** A full scan may take long. */
const replyMilliseconds = 120_000;

function post(
  agent: Agent,
  access: Access,
  path: string,
  body: string,
): Promise<{ readonly status: number; readonly reply: string; readonly metrics: string }> {
  const target: Target = access.target;
  const trust = target.ca === undefined ? { rejectUnauthorized: false } : { ca: target.ca };
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: "127.0.0.1",
        servername: "localhost",
        port: target.port,
        method: "POST",
        path,
        agent,
        timeout: replyMilliseconds,
        headers: {
          Host: `localhost:${target.port}`,
          ...commonHeaders(access),
          "Content-Type": "application/query+json",
          "Content-Length": String(Buffer.byteLength(body)),
          "x-ms-documentdb-isquery": "True",
          "x-ms-documentdb-query-enablecrosspartition": "true",
          "x-ms-documentdb-populatequerymetrics": "true",
          "x-ms-max-item-count": "1000",
        },
        ...trust,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            reply: Buffer.concat(chunks).toString("utf8"),
            metrics: String(response.headers["x-ms-documentdb-query-metrics"] ?? ""),
          }),
        );
      },
    );
    request.on("timeout", () => request.destroy(new Error(`no reply from port ${target.port}`)));
    request.on("error", reject);
    request.end(body);
  });
}

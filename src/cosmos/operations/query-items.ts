/**
 * Queries over HTTP: the body, paging with continuation tokens, and where the items come from. What a query means is
 * the query room's business; this file feeds it items in the order of their creation and stops when a page is full.
 */
import { createHash } from "node:crypto";
import { partitionItemNumbers, readItemNumber, type StoredItem, scanItems } from "../engine/documents.ts";
import { extractPartitionKey, parsePartitionKeyHeader, placePartition } from "../engine/partition-key.ts";
import type { Partition } from "../engine/partitions.ts";
import { type ContainerRecord, renderContainer, renderDatabase } from "../engine/records.ts";
import { queryCharge } from "../engine/request-charge.ts";
import { checkSession } from "../engine/sessions.ts";
import { badQuery, badRequest } from "../errors.ts";
import type { RunState } from "../query/continuation.ts";
import { stateFromJson, stateToJson } from "../query/continuation.ts";
import { QueryError } from "../query/error.ts";
import { type PreparedQuery, prepareQuery, type QueryParameter } from "../query/prepare.ts";
import type { QueryRun } from "../query/run.ts";
import type { Value } from "../query/values.ts";
import { flag, pageSize } from "../wire/headers.ts";
import {
  jsonBody,
  type Operation,
  type OperationContext,
  type OperationResult,
  requireContainer,
  requireDatabase,
} from "./operation.ts";

/** Largest page, in characters of JSON (service limit, 4 MB). */
const pageLengthMax = 4 * 1024 * 1024;
/** Items read at a time; between two batches other requests get their turn. */
const batchSize = 200;
const tokenVersion = 1;

export const queryItems: Operation = async (context) => {
  const container = requireContainer(context);
  const query = prepare(context);
  const [range] = container.ranges;
  if (range === undefined) throw new Error("a container has at least one range");
  const partition = await context.engine.partitions.open(container, range);
  checkRangeId(context, container);
  checkSession(context.headers["x-ms-session-token"], partition);
  const source = itemSource(context, container, partition);
  const page = await readPage(context, query, source);
  return { ...pageResult(page, "Documents", container.rid, context), partition };
};

export const queryDatabases: Operation = async (context) => {
  const resources = [...context.account.databases.values()].map(({ record }) => renderDatabase(record));
  const page = await readPage(context, prepare(context), listSource(resources));
  return pageResult(page, "Databases", "", context);
};

export const queryContainers: Operation = async (context) => {
  const database = requireDatabase(context);
  const resources = [...database.containers.values()].map(renderContainer);
  const page = await readPage(context, prepare(context), listSource(resources));
  return pageResult(page, "DocumentCollections", database.record.rid, context);
};

/**
 * The query plan. With one physical range every client can send the query as it is, so the plan passes it through;
 * the text is checked all the same.
 */
export const queryPlan: Operation = async (context) => {
  requireContainer(context);
  const query = prepare(context, "Gateway Failed to Retrieve Query Plan: ");
  const body = {
    partitionedQueryExecutionInfoVersion: 2,
    queryInfo: {
      distinctType: "None",
      top: null,
      offset: null,
      limit: null,
      orderBy: [],
      orderByExpressions: [],
      groupByExpressions: [],
      groupByAliases: [],
      aggregates: [],
      groupByAliasToAggregateType: {},
      rewrittenQuery: "",
      hasSelectValue: query.syntax.select.kind === "value",
      dCountInfo: null,
      hasNonStreamingOrderBy: false,
    },
    queryRanges: [{ min: "", max: "FF", isMinInclusive: true, isMaxInclusive: false }],
  };
  return { status: 200, body, charge: queryCharge(0, 0) };
};

/** Items with their positions, in order, from `position` on; an empty batch is the end. */
type ItemSource = (
  position: number,
) => Promise<readonly { readonly position: number; readonly item: unknown }[]>;

interface Page {
  readonly rows: readonly string[];
  readonly scanned: number;
  readonly continuation?: string;
}

function prepare(context: OperationContext, prefix = ""): PreparedQuery & { readonly hash: string } {
  const body = jsonBody(context);
  const text = body["query"];
  if (typeof text !== "string") throw badRequest("The query body has no 'query' text.");
  const parameters = queryParameters(body["parameters"]);
  const { clock, entropy } = context.engine;
  const random = (): number => Buffer.from(entropy.bytes(4)).readUInt32BE() / 2 ** 32;
  const hash = createHash("sha256")
    .update(JSON.stringify([text, parameters]))
    .digest("base64url")
    .slice(0, 12);
  return rejecting(prefix, () => {
    // INVARIANT: made here and nowhere changed, so the copy keeps every method's independence of `this`.
    return { ...prepareQuery(text, parameters, { now: clock.now, random }), hash };
  });
}

/** Runs `work` and turns a refusal of the query room into its wire form. */
function rejecting<T>(prefix: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof QueryError) throw badQuery(`${prefix}Message: ${error.message}`);
    throw error;
  }
}

function queryParameters(value: unknown): readonly QueryParameter[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw badRequest("The query's 'parameters' must be an array.");
  return value.map((parameter: unknown) => {
    if (
      typeof parameter !== "object" ||
      parameter === null ||
      !("name" in parameter) ||
      typeof parameter.name !== "string"
    ) {
      throw badRequest("Each of the query's parameters needs a 'name'.");
    }
    return { name: parameter.name, value: "value" in parameter ? parameter.value : undefined };
  });
}

async function readPage(
  context: OperationContext,
  query: PreparedQuery & { readonly hash: string },
  source: ItemSource,
): Promise<Page> {
  const size = pageSize(context.headers);
  const start = parseToken(context.headers["x-ms-continuation"], query.hash);
  const run = rejecting("", () => query.start(start.state, { pageRows: size }));
  const page = { rows: [] as string[], length: 0, scanned: 0, last: start.position };
  const full = (): boolean => page.rows.length >= size || page.length >= pageLengthMax;
  const exhausted = query.readsItems
    ? await scan(query, source, run, start.position, page, size, full)
    : true;
  if (exhausted && !full()) {
    rejecting("", () => run.finish());
    takeRows(run, page, size);
  }
  const state = run.state();
  if (state === undefined) return page;
  const position = query.resumesBy === "replay" ? 0 : page.last + (run.itemPending ? 0 : 1);
  return { ...page, continuation: makeToken(query.hash, position, state) };
}

interface Growing {
  readonly rows: string[];
  length: number;
  scanned: number;
  last: number;
}

/** Feeds items until the page is full or the run needs no more; true when the scan came to its end or was not needed. */
async function scan(
  query: PreparedQuery,
  source: ItemSource,
  run: QueryRun,
  from: number,
  page: Growing,
  size: number,
  full: () => boolean,
): Promise<boolean> {
  let position = query.resumesBy === "replay" ? 0 : from;
  for (;;) {
    const batch = await source(position);
    if (batch.length === 0) return true;
    for (const entry of batch) {
      rejecting("", () => run.push(entry.item as Value));
      page.scanned++;
      page.last = entry.position;
      takeRows(run, page, size);
      if (run.done) return true;
      if (run.pending > 0 || full()) return false;
      position = entry.position + 1;
    }
    await new Promise((resume) => setImmediate(resume));
  }
}

function takeRows(run: QueryRun, page: Growing, size: number): void {
  while (run.pending > 0 && page.rows.length < size && page.length < pageLengthMax) {
    const text = JSON.stringify(run.take(1)[0]);
    page.rows.push(text);
    page.length += text.length;
  }
}

function itemSource(context: OperationContext, container: ContainerRecord, partition: Partition): ItemSource {
  const { store } = context.engine;
  const header = context.headers["x-ms-documentdb-partitionkey"];
  if (header === undefined) {
    checkCrossPartition(context);
    return async (position) => (await scanItems(store, partition, position - 1, batchSize)).map(parsed);
  }
  const components = parsePartitionKeyHeader(header);
  const { paths } = container.partitionKey;
  if (components.length > paths.length) {
    throw badRequest(
      "The partition key supplied in x-ms-partitionkey header has more components than defined in the collection.",
    );
  }
  if (components.length < paths.length) {
    const isPrefixOf = (item: unknown): boolean => {
      const own = extractPartitionKey(item as Record<string, unknown>, container.partitionKey);
      return components.every((component, at) => component === own[at]);
    };
    return filteredSource(
      async (position) => (await scanItems(store, partition, position - 1, batchSize)).map(parsed),
      isPrefixOf,
    );
  }
  const logical = placePartition(components, container.partitionKey);
  let numbers: readonly number[] | undefined;
  return async (position) => {
    numbers ??= await partitionItemNumbers(store, partition, logical);
    const wanted = numbers.filter((number) => number >= position).slice(0, batchSize);
    const items = await Promise.all(wanted.map((number) => readItemNumber(store, partition, number)));
    return items.filter((item) => item !== undefined).map(parsed);
  };
}

/** Skips batches without a matching item, because an empty batch means the end. */
function filteredSource(source: ItemSource, keeps: (item: unknown) => boolean): ItemSource {
  return async (position) => {
    let next = position;
    for (;;) {
      const batch = await source(next);
      const kept = batch.filter((entry) => keeps(entry.item));
      if (batch.length === 0 || kept.length > 0) return kept;
      next = (batch.at(-1)?.position ?? next) + 1;
    }
  };
}

function listSource(resources: readonly object[]): ItemSource {
  return async (position) =>
    resources.slice(position, position + batchSize).map((item, at) => ({ position: position + at, item }));
}

function parsed(item: StoredItem): { readonly position: number; readonly item: unknown } {
  return { position: item.number, item: JSON.parse(item.json.toString("utf8")) };
}

function checkCrossPartition(context: OperationContext): void {
  const { headers } = context;
  const allowed = flag(headers, "x-ms-documentdb-query-enablecrosspartition");
  if (!allowed && headers["x-ms-documentdb-partitionkeyrangeid"] === undefined) {
    throw badRequest(
      "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.",
    );
  }
}

/** `x-ms-documentdb-partitionkeyrangeid` is `0` or `<container rid>,0`. */
function checkRangeId(context: OperationContext, container: ContainerRecord): void {
  const id = context.headers["x-ms-documentdb-partitionkeyrangeid"]?.split(",").pop()?.trim();
  if (id !== undefined && !container.ranges.some((range) => range.id === id)) {
    throw badRequest(`The partition key range '${id}' does not exist.`);
  }
}

function pageResult(page: Page, name: string, rid: string, context: OperationContext): OperationResult {
  const body = `{"_rid":${JSON.stringify(rid)},${JSON.stringify(name)}:[${page.rows.join(",")}],"_count":${page.rows.length}}`;
  const headers: Record<string, string> = { "x-ms-item-count": String(page.rows.length) };
  if (page.continuation !== undefined) headers["x-ms-continuation"] = page.continuation;
  if (flag(context.headers, "x-ms-documentdb-populatequerymetrics"))
    headers["x-ms-documentdb-query-metrics"] = metrics(page);
  return { status: 200, body, charge: queryCharge(page.scanned, body.length), headers };
}

function metrics(page: Page): string {
  return [
    "totalExecutionTimeInMs=0.00",
    `retrievedDocumentCount=${page.scanned}`,
    `outputDocumentCount=${page.rows.length}`,
  ].join(";");
}

/** A token names its query, so that one query's token is not taken for another's. */
function makeToken(hash: string, position: number, state: RunState): string {
  return Buffer.from(JSON.stringify([tokenVersion, hash, position, stateToJson(state)])).toString(
    "base64url",
  );
}

function parseToken(
  token: string | undefined,
  hash: string,
): { readonly position: number; readonly state?: RunState } {
  if (token === undefined || token === "") return { position: 0 };
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
  } catch {
    throw badRequest("The continuation token is invalid.");
  }
  const [version, own, position, state] = Array.isArray(value) ? (value as unknown[]) : [];
  if (version !== tokenVersion || own !== hash || !Number.isSafeInteger(position) || Number(position) < 0) {
    throw badRequest("The continuation token is invalid.");
  }
  return { position: Number(position), state: rejecting("", () => stateFromJson(state)) };
}

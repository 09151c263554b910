/**
 * Queries over HTTP: the body, paging with continuation tokens, and where the items come from. What a query means is
 * the query room's business; this file feeds it items in the order of their creation and stops when a page is full.
 */
import { createHash } from "node:crypto";
import type { StoredItem } from "../engine/documents.ts";
import { effectivePartitionKey, type PartitionKeyComponent } from "../engine/effective-partition-key.ts";
import { placePartition } from "../engine/partition-key.ts";
import { type ContainerRecord, renderContainer, renderDatabase } from "../engine/records.ts";
import { queryCharge } from "../engine/request-charge.ts";
import { badRequest, CosmosError } from "../errors.ts";
import { type RunState, stateFromJson, stateToJson } from "../query/continuation.ts";
import type { QueryPlan } from "../query/plan.ts";
import { queryPlan as planQuery } from "../query/planner.ts";
import {
  type ComputedProperty,
  type PreparedQuery,
  type PrepareOptions,
  prepareQuery,
  type QueryParameter,
} from "../query/prepare.ts";
import { partitionKeysOf } from "../query/ranges.ts";
import type { QueryRun } from "../query/run.ts";
import type { Value } from "../query/values.ts";
import { flag, pageSize } from "../wire/headers.ts";
import { batchSize, type ItemScope, itemScope, itemSource, logicalScope, sessionOf } from "./item-scope.ts";
import {
  jsonBody,
  type Operation,
  type OperationContext,
  type OperationResult,
  rejectingQuery,
  requireContainer,
  requireDatabase,
} from "./operation.ts";

/** Largest page, in characters of JSON (service limit, 4 MB). */
const pageLengthMax = 4 * 1024 * 1024;
const tokenVersion = 1;

export const queryItems: Operation = async (context) => {
  const container = requireContainer(context);
  const query = prepare(context, "", container);
  const scope = await queryScope(context, container, query);
  const source = itemSource(context, container, scope);
  const page = await readPage(context, query, async (position) => (await source(position)).map(parsed));
  return { ...pageResult(page, "Documents", container.rid, context), ...sessionOf(scope) };
};

/** The scope of a query: a filter that fixes the partition key narrows a query that names no partition. */
async function queryScope(
  context: OperationContext,
  container: ContainerRecord,
  query: Prepared,
): Promise<ItemScope> {
  const scope = await itemScope(context, container);
  if (scope.kind !== "container") return scope;
  const keys = partitionKeysOf(query.facts, container.partitionKey);
  const [key] = keys ?? [];
  if (keys?.length === 1 && key?.length === container.partitionKey.paths.length) {
    const components = key as readonly PartitionKeyComponent[];
    return logicalScope(context.engine, container, placePartition(components, container.partitionKey));
  }
  checkCrossPartition(context);
  if (container.ranges.length > 1 && query.crossPartitionUnservable) throw notServable(context, container);
  return scope;
}

/** 400/1004 with the plan, from which clients learn how to fan out. */
function notServable(context: OperationContext, container: ContainerRecord): CosmosError {
  const plan = planOf(context, container, "");
  const message =
    "The provided cross partition query can not be directly served by the gateway. This is a first chance (internal) exception that all newer clients will know how to handle gracefully. This exception is traced, but unless you see it bubble up as an exception (which only happens on older SDK clients), then you can safely ignore this message. Cross partition query only supports 'VALUE <AggregateFunc>' for aggregates.";
  return new CosmosError(400, "BadRequest", message, {
    substatus: 1004,
    extra: { additionalErrorInfo: JSON.stringify(plan) },
  });
}

export const queryDatabases: Operation = (context) => {
  const resources = [...context.account.databases.values()].map(({ record }) => renderDatabase(record));
  return listQuery(context, "Databases", "", resources);
};

export const queryContainers: Operation = async (context) => {
  const database = requireDatabase(context);
  const resources = [...database.containers.values()].map(renderContainer);
  return listQuery(context, "DocumentCollections", database.record.rid, resources);
};

/** A query over resources that are at hand; `name` is the feed's array, `rid` its owner. */
export async function listQuery(
  context: OperationContext,
  name: string,
  rid: string,
  resources: readonly object[],
): Promise<OperationResult> {
  const page = await readPage(context, prepare(context), listSource(resources));
  return pageResult(page, name, rid, context);
}

/** The query plan: how a client fans the query out and merges what comes back. */
export const queryPlan: Operation = async (context) => {
  const container = requireContainer(context);
  return {
    status: 200,
    body: planOf(context, container, "Gateway Failed to Retrieve Query Plan: "),
    charge: 0,
  };
};

function planOf(context: OperationContext, container: ContainerRecord, prefix: string): QueryPlan {
  const { text, parameters } = queryBody(context);
  const { partitionKey } = container;
  const features = context.headers["x-ms-cosmos-supported-query-features"];
  return rejectingQuery(prefix, () =>
    planQuery(text, parameters, {
      ...queryOptions(context, container),
      partitionKey,
      epk: (values) => effectivePartitionKey(values as readonly PartitionKeyComponent[], partitionKey),
      singlePartitionKey: context.headers["x-ms-documentdb-partitionkey"] !== undefined,
      ...(features === undefined ? {} : { supportedFeatures: features.split(",") }),
    }),
  );
}

/** Items with their positions, in order, from `position` on; an empty batch is the end. */
type PositionedSource = (
  position: number,
) => Promise<readonly { readonly position: number; readonly item: unknown }[]>;

interface Page {
  readonly rows: readonly string[];
  readonly scanned: number;
  readonly continuation?: string;
}

interface Prepared extends PreparedQuery {
  /** Identifies text and parameters in continuation tokens. */
  readonly hash: string;
}

function queryBody(context: OperationContext): {
  readonly text: string;
  readonly parameters: readonly QueryParameter[];
} {
  const body = jsonBody(context);
  const text = body["query"];
  if (typeof text !== "string") throw badRequest("The query body has no 'query' text.");
  return { text, parameters: queryParameters(body["parameters"]) };
}

/** What the query room must know of the container: its computed properties and the kinds of its values. */
function queryOptions({ engine }: OperationContext, container?: ContainerRecord): PrepareOptions {
  const { clock, entropy } = engine;
  const properties = container?.properties ?? {};
  const computed = properties["computedProperties"];
  const geospatial = (properties["geospatialConfig"] as { type?: unknown } | undefined)?.type;
  const vectors = (properties["vectorEmbeddingPolicy"] as { vectorEmbeddings?: unknown } | undefined)
    ?.vectorEmbeddings;
  return {
    now: clock.now,
    random: () => Buffer.from(entropy.bytes(4)).readUInt32BE() / 2 ** 32,
    ...(Array.isArray(computed) ? { computedProperties: computed as readonly ComputedProperty[] } : {}),
    ...(geospatial === "Geometry" ? { geospatial } : {}),
    ...(Array.isArray(vectors)
      ? { vectorEmbeddings: vectors as NonNullable<PrepareOptions["vectorEmbeddings"]> }
      : {}),
  };
}

function prepare(context: OperationContext, prefix = "", container?: ContainerRecord): Prepared {
  const { text, parameters } = queryBody(context);
  const hash = createHash("sha256")
    .update(JSON.stringify([text, parameters]))
    .digest("base64url")
    .slice(0, 12);
  return rejectingQuery(prefix, () => ({
    ...prepareQuery(text, parameters, queryOptions(context, container)),
    hash,
  }));
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

async function readPage(context: OperationContext, query: Prepared, source: PositionedSource): Promise<Page> {
  const size = pageSize(context.headers);
  const start = parseToken(context.headers["x-ms-continuation"], query.hash);
  const run = rejectingQuery("", () => query.start(start.state, { pageRows: size }));
  const page = { rows: [] as string[], length: 0, scanned: 0, last: start.position };
  const full = (): boolean => page.rows.length >= size || page.length >= pageLengthMax;
  const exhausted = query.readsItems
    ? await scan(query, source, run, start.position, page, size, full)
    : true;
  if (exhausted && !full()) {
    rejectingQuery("", () => run.finish());
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
  source: PositionedSource,
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
      rejectingQuery("", () => run.push(entry.item as Value));
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

function listSource(resources: readonly object[]): PositionedSource {
  return async (position) =>
    resources.slice(position, position + batchSize).map((item, at) => ({ position: position + at, item }));
}

function parsed(item: StoredItem): { readonly position: number; readonly item: unknown } {
  return { position: item.number, item: JSON.parse(item.json.toString("utf8")) };
}

function checkCrossPartition({ headers }: OperationContext): void {
  if (!flag(headers, "x-ms-documentdb-query-enablecrosspartition")) {
    throw badRequest(
      "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.",
    );
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

/** Every metric that the Java client parses must be there, measured or not; it fails on a missing one. */
function metrics(page: Page): string {
  const size = page.rows.reduce((sum, row) => sum + row.length, 0);
  return [
    "totalExecutionTimeInMs=0.00",
    "queryCompileTimeInMs=0.00",
    "queryLogicalPlanBuildTimeInMs=0.00",
    "queryPhysicalPlanBuildTimeInMs=0.00",
    "queryOptimizationTimeInMs=0.00",
    "VMExecutionTimeInMs=0.00",
    "indexLookupTimeInMs=0.00",
    "instructionCount=0",
    "documentLoadTimeInMs=0.00",
    "systemFunctionExecuteTimeInMs=0.00",
    "userFunctionExecuteTimeInMs=0.00",
    `retrievedDocumentCount=${page.scanned}`,
    `retrievedDocumentSize=${size}`,
    `outputDocumentCount=${page.rows.length}`,
    `outputDocumentSize=${size}`,
    "writeOutputTimeInMs=0.00",
    "indexUtilizationRatio=0.00",
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
  return { position: Number(position), state: rejectingQuery("", () => stateFromJson(state)) };
}

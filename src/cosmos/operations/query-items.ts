/**
 * Queries over HTTP: the body, the scope, the plan for clients that fan out, and what the reply says. Paging is
 * `query-page.ts`, where the items come from `query-access.ts`, what a query means the query room's business.
 */
import type { ChildRecord } from "../engine/child-resources.ts";
import { effectivePartitionKey, type PartitionKeyComponent } from "../engine/effective-partition-key.ts";
import { placePartition } from "../engine/partition-key.ts";
import { type ContainerRecord, renderContainer, renderDatabase } from "../engine/records.ts";
import { queryCharge } from "../engine/request-charge.ts";
import { badRequest, CosmosError } from "../errors.ts";
import type { ItemFeed } from "../index/item-feed.ts";
import { encodeIndexMetrics, indexMetrics, queryMetrics } from "../index/metrics.ts";
import { orderByProblem } from "../index/policy.ts";
import type { QueryPlan } from "../query/plan.ts";
import { queryPlan as planQuery } from "../query/planner.ts";
import type { PrepareOptions, QueryParameter } from "../query/prepare.ts";
import { partitionKeysOf } from "../query/ranges.ts";
import type { Value } from "../query/values.ts";
import { flag } from "../wire/headers.ts";
import { batchSize, type ItemScope, itemScope, logicalScope, sessionOf } from "./item-scope.ts";
import {
  jsonBody,
  type Operation,
  type OperationContext,
  type OperationResult,
  rejectingQuery,
  requireContainer,
  requireDatabase,
} from "./operation.ts";
import { feedOpener } from "./query-access.ts";
import { calledFunctions, readPageInThread } from "./query-functions.ts";
import { type IdentifiedQuery, type Page, type PageStart, readPage } from "./query-page.ts";
import { containerOptions, identifiedQuery, queryParameters } from "./query-text.ts";

export const queryItems: Operation = async (context) => {
  const container = requireContainer(context);
  const functions = await calledFunctions(context, container, queryBody(context).text);
  const query = prepare(context, "", container, functions);
  const scope = await queryScope(context, container, query, functions);
  const started = context.engine.clock.now();
  const problem = orderByProblem(context.engine.indexes.policyOf(container), query.facts.orderBy);
  if (problem !== undefined) throw badRequest(problem);
  const open = feedOpener(context, container, query, scope);
  const page =
    functions.length === 0
      ? await readPage(context.headers, query, open)
      : await readPageInThread(context, container, { ...queryBody(context), functions, open });
  const result = pageResult(page, "Documents", container.rid);
  const headers = { ...result.headers, ...metricsHeaders(context, container, query, page, started) };
  return { ...result, headers, ...sessionOf(scope) };
};

/** The scope of a query: a filter that fixes the partition key narrows a query that names no partition. */
async function queryScope(
  context: OperationContext,
  container: ContainerRecord,
  query: IdentifiedQuery,
  functions: readonly ChildRecord[],
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
  if (container.ranges.length > 1 && query.crossPartitionUnservable)
    throw notServable(context, container, functions);
  return scope;
}

/** 400/1004 with the plan, from which clients learn how to fan out. */
function notServable(
  context: OperationContext,
  container: ContainerRecord,
  functions: readonly ChildRecord[],
): CosmosError {
  const plan = planOf(context, container, "", functions);
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
  const page = await readPage(context.headers, prepare(context), async (start) => listFeed(resources, start));
  return pageResult(page, name, rid);
}

/** The query plan: how a client fans the query out and merges what comes back. */
export const queryPlan: Operation = async (context) => {
  const container = requireContainer(context);
  const functions = await calledFunctions(context, container, queryBody(context).text);
  return {
    status: 200,
    body: planOf(context, container, "Gateway Failed to Retrieve Query Plan: ", functions),
    charge: 0,
  };
};

function planOf(
  context: OperationContext,
  container: ContainerRecord,
  prefix: string,
  functions: readonly ChildRecord[],
): QueryPlan {
  const { text, parameters } = queryBody(context);
  const { partitionKey } = container;
  const features = context.headers["x-ms-cosmos-supported-query-features"];
  return rejectingQuery(prefix, () =>
    planQuery(text, parameters, {
      ...queryOptions(context, container, functions),
      partitionKey,
      epk: (values) => effectivePartitionKey(values as readonly PartitionKeyComponent[], partitionKey),
      singlePartitionKey: context.headers["x-ms-documentdb-partitionkey"] !== undefined,
      ...(features === undefined ? {} : { supportedFeatures: features.split(",") }),
    }),
  );
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

/** What the query room must know: the time, and what the container says of its values and functions. */
function queryOptions(
  { engine }: OperationContext,
  container?: ContainerRecord,
  functions: readonly ChildRecord[] = [],
): PrepareOptions {
  const { clock, entropy } = engine;
  return {
    now: clock.now,
    random: () => Buffer.from(entropy.bytes(4)).readUInt32BE() / 2 ** 32,
    // Only that it exists matters here: queries with user-defined functions run in a script thread.
    udf: (name) => (functions.some(({ id }) => id === name) ? () => undefined : undefined),
    ...containerOptions(container),
  };
}

function prepare(
  context: OperationContext,
  prefix = "",
  container?: ContainerRecord,
  functions: readonly ChildRecord[] = [],
): IdentifiedQuery {
  const { text, parameters } = queryBody(context);
  return identifiedQuery(text, parameters, queryOptions(context, container, functions), prefix);
}

/** Resources that are at hand, in their order. */
function listFeed(resources: readonly object[], start: PageStart): ItemFeed {
  let position = typeof start.position === "number" ? start.position : 0;
  return {
    sorted: false,
    cost: { loaded: resources.length, loadedBytes: 0, seeks: 0, keys: 0 },
    async next() {
      const from = position;
      position += batchSize;
      return resources
        .slice(from, position)
        .map((item, at) => ({ position: from + at, item: item as unknown as Value }));
    },
  };
}

function checkCrossPartition({ headers }: OperationContext): void {
  if (!flag(headers, "x-ms-documentdb-query-enablecrosspartition")) {
    throw badRequest(
      "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.",
    );
  }
}

function pageResult(page: Page, name: string, rid: string): OperationResult {
  const { rows, cost } = page;
  const body = `{"_rid":${JSON.stringify(rid)},${JSON.stringify(name)}:[${rows.join(",")}],"_count":${rows.length}}`;
  const headers: Record<string, string> = { "x-ms-item-count": String(rows.length) };
  if (page.continuation !== undefined) headers["x-ms-continuation"] = page.continuation;
  return { status: 200, body, charge: queryCharge(cost.loaded, body.length), headers };
}

/** The headers that tell what a query cost and which indexes it used, when the client asks for them. */
function metricsHeaders(
  { headers, engine }: OperationContext,
  container: ContainerRecord,
  query: IdentifiedQuery,
  page: Page,
  started: number,
): Record<string, string> {
  const found: Record<string, string> = {};
  if (flag(headers, "x-ms-documentdb-populatequerymetrics")) {
    const duration = engine.clock.now() - started;
    found["x-ms-documentdb-query-metrics"] = queryMetrics(page, duration);
  }
  const version = flag(headers, "x-ms-cosmos-populateindexmetrics-v2")
    ? 2
    : flag(headers, "x-ms-cosmos-populateindexmetrics")
      ? 1
      : undefined;
  if (version !== undefined) {
    const metrics = indexMetrics(query.facts, engine.indexes.policyOf(container));
    found["x-ms-cosmos-index-utilization"] = encodeIndexMetrics(metrics, version);
  }
  return found;
}

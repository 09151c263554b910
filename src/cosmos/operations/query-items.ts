/**
 * Queries over HTTP: the body, the scope, the plan for clients that fan out, and what the reply says. Paging is
 * `query-page.ts`, where the items come from `query-access.ts`, what a query means the query room's business.
 */
import type { ChildRecord } from "../engine/child-resources.ts";
import { effectivePartitionKey, type PartitionKeyComponent } from "../engine/effective-partition-key.ts";
import { placePartition } from "../engine/partition-key.ts";
import { type ContainerRecord, renderContainer, renderDatabase } from "../engine/records.ts";
import { badRequest, CosmosError } from "../errors.ts";
import type { ItemFeed } from "../index/item-feed.ts";
import { orderByProblem } from "../index/policy.ts";
import { type QueryShape, shapeOf } from "../index/shape.ts";
import { QueryOverrun } from "../query/error.ts";
import type { QueryPlan } from "../query/plan.ts";
import { queryPlan as planQuery } from "../query/planner.ts";
import type { PrepareOptions, QueryParameter } from "../query/prepare.ts";
import { partitionKeysOf } from "../query/ranges.ts";
import type { Value } from "../query/values.ts";
import { flag, pageSize } from "../wire/headers.ts";
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
import { type FeedOptions, feedOpener } from "./query-access.ts";
import { acrossSplits } from "./query-across-splits.ts";
import { calledFunctions } from "./query-functions.ts";
import { type IdentifiedQuery, type OpenFeed, type Page, type PageStart, readPage } from "./query-page.ts";
import { metricsHeaders, pageResult } from "./query-reply.ts";
import { containerOptions, identifiedQuery, queryParameters } from "./query-text.ts";
import { isLong, planInThread, readPageInThread, type ThreadQuery, watchStretch } from "./query-thread.ts";

export const queryItems: Operation = (context) => acrossSplits(context, (own) => queryPage(own));

/** One page of a query over items; `note` is told how its items are found. */
export async function queryPage(
  context: OperationContext,
  note?: FeedOptions["note"],
): Promise<OperationResult> {
  const container = requireContainer(context);
  const { text, parameters } = queryBody(context);
  const functions = await calledFunctions(context, container, text);
  const started = context.engine.clock.now();
  const query = { text, parameters, functions };
  const request = { context, container, query, started, ...(note === undefined ? {} : { note }) };
  if (functions.length > 0 || isLong(query)) return queryInThread(request);
  try {
    return await queryHere(request);
  } catch (error) {
    if (error instanceof NeedsPlan) throw notServable(await planOf(context, container, "", query));
    if (!(error instanceof QueryOverrun)) throw error;
    return queryInThread(request);
  }
}

interface QueryRequest {
  readonly context: OperationContext;
  readonly container: ContainerRecord;
  readonly query: ThreadQuery;
  /** Milliseconds since the epoch. */
  readonly started: number;
  readonly note?: FeedOptions["note"];
}

/** A page ends after so many milliseconds where it can be resumed, as pages of the service do. */
const pageMilliseconds = 4_000;
/** A page that must see all items before its first row gets more; whoever waits longer has given up. */
const wholeMilliseconds = 30_000;

async function queryHere({ context, container, started, note }: QueryRequest): Promise<OperationResult> {
  const query = prepare(context, "", container);
  const shape = shapeOf(query);
  const options = {
    test: () => query.filterTest(),
    rowTest: () => query.rowTest(),
    pageRows: pageSize(context.headers),
    ...(note === undefined ? {} : { note }),
  };
  const { scope, opener } = await scopeAndOpener(context, container, shape, options);
  const began = performance.now();
  const page = await readPage(context.headers, query, opener, {
    isLate: () => performance.now() - began > pageMilliseconds,
    isOver: () => performance.now() - began > wholeMilliseconds,
  });
  return itemsResult(context, container, scope, shape, page, started);
}

async function queryInThread(request: QueryRequest): Promise<OperationResult> {
  const { context, container, query, started, note } = request;
  let opened: { readonly scope: ItemScope; readonly shape: QueryShape } | undefined;
  let mustPlan = false;
  const page = await readPageInThread(context, container, query, async (shape) => {
    try {
      const { scope, opener } = await scopeAndOpener(context, container, shape, {
        pageRows: pageSize(context.headers),
        ...(note === undefined ? {} : { note }),
      });
      opened = { scope, shape };
      return opener;
    } catch (error) {
      mustPlan = error instanceof NeedsPlan;
      throw error;
    }
  }).catch(async (error: unknown) => {
    throw mustPlan ? notServable(await planOf(context, container, "", query)) : error;
  });
  const scope = opened?.scope ?? (await itemScope(context, container));
  return itemsResult(context, container, scope, opened?.shape, page, started);
}

/** The scope of a query and where its items come from; 400 when the container's indexing policy cannot serve it. */
async function scopeAndOpener(
  context: OperationContext,
  container: ContainerRecord,
  shape: QueryShape,
  options?: FeedOptions,
): Promise<{ readonly scope: ItemScope; readonly opener: OpenFeed }> {
  const scope = await queryScope(context, container, shape);
  const problem = orderByProblem(context.engine.indexes.policyOf(container), shape.facts.orderBy);
  if (problem !== undefined) throw badRequest(problem);
  return { scope, opener: feedOpener(context, container, shape, scope, options) };
}

function itemsResult(
  context: OperationContext,
  container: ContainerRecord,
  scope: ItemScope,
  shape: QueryShape | undefined,
  page: Page,
  started: number,
): OperationResult {
  const result = pageResult(page, "Documents", container.rid);
  const headers = {
    ...result.headers,
    ...metricsHeaders(context, container, shape, page, started),
  };
  return { ...result, headers, ...sessionOf(scope) };
}

/** The scope of a query: a filter that fixes the partition key narrows a query that names no partition. */
async function queryScope(
  context: OperationContext,
  container: ContainerRecord,
  query: QueryShape,
): Promise<ItemScope> {
  const scope = await itemScope(context, container);
  if (scope.kind !== "container") return scope;
  const keys = partitionKeysOf(query.facts, container.partitionKey);
  const [key] = keys ?? [];
  // An aggregate without VALUE is left to clients even where the filter names its partition, as in the service.
  if (keys?.length === 1 && key?.length === container.partitionKey.paths.length) {
    if (container.ranges.length > 1 && query.aggregatesByName) {
      checkCrossPartition(context);
      throw new NeedsPlan();
    }
    const components = key as readonly PartitionKeyComponent[];
    return logicalScope(context.engine, container, placePartition(components, container.partitionKey));
  }
  checkCrossPartition(context);
  if (container.ranges.length > 1 && query.crossPartitionUnservable) throw new NeedsPlan();
  return scope;
}

const notServableMessage =
  "The provided cross partition query can not be directly served by the gateway. This is a first chance (internal) exception that all newer clients will know how to handle gracefully. This exception is traced, but unless you see it bubble up as an exception (which only happens on older SDK clients), then you can safely ignore this message. Cross partition query only supports 'VALUE <AggregateFunc>' for aggregates.";

/** 400/1004 without the plan that must go with it. */
class NeedsPlan extends CosmosError {
  constructor() {
    super(400, "BadRequest", notServableMessage, { substatus: 1004 });
  }
}

/** 400/1004 with the plan, from which clients learn how to fan out. */
function notServable(plan: QueryPlan): CosmosError {
  return new CosmosError(400, "BadRequest", notServableMessage, {
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
  const { text, parameters } = queryBody(context);
  const functions = await calledFunctions(context, container, text);
  const query = { text, parameters, functions };
  const body = await planOf(context, container, "Gateway Failed to Retrieve Query Plan: ", query);
  return { status: 200, body, charge: 0 };
};

async function planOf(
  context: OperationContext,
  container: ContainerRecord,
  prefix: string,
  query: ThreadQuery,
): Promise<QueryPlan> {
  const { partitionKey } = container;
  const features = context.headers["x-ms-cosmos-supported-query-features"];
  const how = {
    prefix,
    singlePartitionKey: context.headers["x-ms-documentdb-partitionkey"] !== undefined,
    ...(features === undefined ? {} : { supportedFeatures: features.split(",") }),
  };
  if (isLong(query)) return planInThread(context, container, query, how);
  try {
    return rejectingQuery(prefix, () =>
      planQuery(query.text, query.parameters, {
        ...queryOptions(context, container, query.functions),
        partitionKey,
        epk: (values) => effectivePartitionKey(values as readonly PartitionKeyComponent[], partitionKey),
        ...how,
      }),
    );
  } catch (error) {
    if (!(error instanceof QueryOverrun)) throw error;
    return planInThread(context, container, query, how);
  }
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
    ...(container === undefined ? {} : { stretch: watchStretch() }),
  };
}

/** The query in the body, ready to run. */
export function prepare(
  context: OperationContext,
  prefix = "",
  container?: ContainerRecord,
): IdentifiedQuery {
  const { text, parameters } = queryBody(context);
  return identifiedQuery(text, parameters, queryOptions(context, container), prefix);
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

/** 400 unless the request allows its query to cross partitions. */
export function checkCrossPartition({ headers }: OperationContext): void {
  if (!flag(headers, "x-ms-documentdb-query-enablecrosspartition")) {
    throw badRequest(
      "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception.",
    );
  }
}

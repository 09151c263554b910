/** Containers: create, read, list, replace and delete, and their physical ranges. */
import { putContainer, deleteContainer as removeContainer } from "../engine/containers.ts";
import { type ContainerRecord, renderContainer } from "../engine/records.ts";
import { metadataCharge } from "../engine/request-charge.ts";
import { childRid } from "../engine/resource-ids.ts";
import { type RangeUsage, usageOf } from "../engine/usage.ts";
import { badRequest, notFound } from "../errors.ts";
import { QueryError } from "../query/error.ts";
import { parseQuery } from "../query/parser.ts";
import { prepareQuery } from "../query/prepare.ts";
import type { Query } from "../query/syntax.ts";
import { flag, ifMatch } from "../wire/headers.ts";
import { feed } from "./feed.ts";
import { throughputOf } from "./offers.ts";
import {
  changeMetadata,
  type JsonObject,
  jsonBody,
  type Operation,
  requireContainer,
  requireDatabase,
} from "./operation.ts";

export const createContainer: Operation = async (context) => {
  const { name } = context.account.record.account;
  const database = requireDatabase(context).record.id;
  const resource = jsonBody(context);
  checkComputedQueries(resource);
  const { record } = await changeMetadata(context, (transaction) =>
    putContainer(context.engine, transaction, name, database, resource, {
      mustBeNew: true,
      ...throughputOf(context),
    }),
  );
  return { status: 201, body: renderContainer(record), etag: record.etag, charge: metadataCharge };
};

export const readContainer: Operation = async (context) => {
  if (context.container === undefined) throw notFound();
  const record = context.container;
  const headers: Record<string, string> = {
    "x-ms-documentdb-collection-index-transformation-progress": "100",
  };
  const wantsQuota = flag(context.headers, "x-ms-documentdb-populatequotainfo");
  const wantsStatistics = flag(context.headers, "x-ms-documentdb-populatepartitionstatistics");
  const usage = wantsQuota || wantsStatistics ? await usageOf(context.engine.store, record) : [];
  if (wantsQuota) Object.assign(headers, quotaHeaders(usage));
  const statistics = wantsStatistics ? { statistics: usage.map(statisticsOf) } : {};
  const body = { ...renderContainer(record), ...statistics };
  return { status: 200, body, etag: record.etag, charge: metadataCharge, headers };
};

const kilobytes = (bytes: number): number => Math.ceil(bytes / 1024);

/** Limits are the service's for one container; sizes in kilobytes. */
function quotaHeaders(usage: readonly RangeUsage[]): Record<string, string> {
  const items = usage.reduce((sum, range) => sum + range.items, 0);
  const size = kilobytes(usage.reduce((sum, range) => sum + range.bytes, 0));
  return {
    "x-ms-resource-quota":
      "documentSize=10240;documentsSize=10485760;documentsCount=-1;collectionSize=10485760;",
    "x-ms-resource-usage": `documentSize=0;documentsSize=${size};documentsCount=${items};collectionSize=${size};`,
  };
}

function statisticsOf({ id, items, bytes }: RangeUsage): object {
  return {
    id,
    sizeInKB: kilobytes(bytes),
    documentCount: items,
    sampledDistinctPartitionKeyCount: 0,
    partitionKeys: [],
  };
}

export const listContainers: Operation = async (context) => {
  const database = requireDatabase(context);
  return feed(
    context,
    "DocumentCollections",
    database.record.rid,
    [...database.containers.values()].map(renderContainer),
  );
};

export const replaceContainer: Operation = async (context) => {
  if (context.container === undefined) throw notFound();
  const { id, database } = context.container;
  const { name } = context.account.record.account;
  const resource = jsonBody(context);
  if (resource["id"] !== id) throw badRequest("The id of a container cannot be changed.");
  checkComputedQueries(resource);
  const { record } = await changeMetadata(context, (transaction) =>
    putContainer(context.engine, transaction, name, database, resource, {
      mustBeNew: false,
      ...ifMatch(context.headers),
    }),
  );
  return { status: 200, body: renderContainer(record), etag: record.etag, charge: metadataCharge };
};

export const deleteContainer: Operation = async (context) => {
  if (context.container === undefined) throw notFound();
  const { id, database } = context.container;
  const { name } = context.account.record.account;
  const removed = await changeMetadata(context, (transaction) =>
    removeContainer(context.engine, transaction, name, database, id),
  );
  if (!removed) throw notFound();
  return { status: 204, charge: metadataCharge };
};

/** The physical ranges; as a change feed (`A-IM`) it answers 304 to the etag it gave out, which ends clients' loops. */
export const listPartitionKeyRanges: Operation = async (context) => {
  const container = requireContainer(context);
  const incremental = context.headers["a-im"] !== undefined;
  const etag = rangesEtag(container);
  if (incremental && context.headers["if-none-match"] === etag) {
    return { status: 304, etag, charge: metadataCharge };
  }
  const ranges = container.ranges.map((range, at) => {
    const rid = childRid(container.rid, "pkRange", at + 1);
    return {
      _rid: rid,
      id: range.id,
      _etag: etag,
      minInclusive: range.min,
      maxExclusive: range.max,
      ridPrefix: at,
      _self: `dbs/${container.databaseRid}/colls/${container.rid}/pkranges/${rid}/`,
      throughputFraction: 1 / container.ranges.length,
      status: "online",
      parents: range.parents,
      _ts: container.ts,
    };
  });
  const result = feed(context, "PartitionKeyRanges", container.rid, ranges);
  return { ...result, etag };
};

/** New with every split, whatever else changes of the container: clients that have it know all ranges. */
function rangesEtag({ number, ranges, retired }: ContainerRecord): string {
  return `"${number}-${ranges.length + retired.length}"`;
}

/** 400 in the service's words when the query of a computed property is none that yields a value of one item. */
function checkComputedQueries(resource: JsonObject): void {
  const definitions = resource["computedProperties"];
  if (!Array.isArray(definitions)) return;
  for (const [at, definition] of (definitions as readonly JsonObject[]).entries()) {
    const { name, query } = definition ?? {};
    if (typeof name !== "string" || typeof query !== "string" || query === "") continue;
    const shown = query.slice(0, 200);
    const parsed = wellFormed(name, query, (details) =>
      badRequest(
        `Computed property at index (${at}) has a malformed query: '${shown}' Error details: '${details}'`,
      ),
    );
    if (parsed.select.kind !== "value") {
      throw badRequest(
        `Required VALUE expression missing from computed property query '${shown}' at index (${at}).`,
      );
    }
    const clause = clauseBeyond(parsed);
    if (clause === undefined) continue;
    throw badRequest(
      `Computed property at index (${at}) has a query with the unsupported clause ${clause}: '${shown}'.`,
    );
  }
}

/** The query of a computed property; a refusal with the language's errors, as that message numbers them, when it is none. */
function wellFormed(name: string, query: string, refusal: (details: string) => Error): Query {
  try {
    const computedProperties = [{ name, query }];
    prepareQuery("SELECT VALUE 1", [], { now: () => 0, random: () => 0, computedProperties });
    return parseQuery(query);
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const errors = error.errors.map(({ severity, code, message }) => ({
      severity,
      code: Number(String(code).replace(/^SC/, "")),
      message,
    }));
    throw refusal(errors.length > 0 ? JSON.stringify({ errors }) : error.message);
  }
}

/** A clause that needs more than one item, or keeps an item from having the property; undefined when there is none. */
function clauseBeyond(query: Query): string | undefined {
  const clauses: readonly (readonly [string, boolean])[] = [
    ["WHERE", query.where !== undefined],
    ["GROUP BY", query.groupBy !== undefined],
    ["ORDER BY", query.orderBy !== undefined],
    ["TOP", query.top !== undefined],
    ["DISTINCT", query.distinct],
    ["OFFSET LIMIT", query.offset !== undefined],
    ["JOIN", (query.from?.length ?? 0) > 1],
  ];
  return clauses.find(([, isThere]) => isThere)?.[0];
}

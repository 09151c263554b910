/**
 * The change feed of a container: the latest version of each item, or all versions and deletes, in the order of the
 * log, by range, key span or logical partition. Answers 304 with the next etag when there is nothing new.
 */
import { keepsHistory } from "../engine/commit.ts";
import { inRange, isExpired } from "../engine/documents.ts";
import { effectivePartitionKey } from "../engine/effective-partition-key.ts";
import {
  extractPartitionKey,
  type LogicalPartition,
  samePartition,
  valueAt,
} from "../engine/partition-key.ts";
import type { Partition } from "../engine/partitions.ts";
import { type Change, type KeySpan, readChanges } from "../engine/range-scan.ts";
import { type ContainerRecord, seconds } from "../engine/records.ts";
import { readCharge } from "../engine/request-charge.ts";
import { badRequest } from "../errors.ts";
import type { RequestHeaders } from "../wire/headers.ts";
import { type ItemScope, itemScope } from "./item-scope.ts";
import {
  type JsonObject,
  type Operation,
  type OperationContext,
  type OperationResult,
  ownPartition,
  requireContainer,
} from "./operation.ts";

/** Where a reader starts: an LSN it has seen, and a time before which it wants nothing. */
interface Start {
  readonly afterLsn: number;
  /** Seconds since the epoch. */
  readonly since: number;
}

/** Page size when the client asks for none. */
const pageDefault = 100;
const pageMax = 1000;
/** A page ends with the commit that fills it (service limit on responses, 4 MB). */
const pageLengthMax = 4 * 1024 * 1024;
/** Log entries read at a time: each may stand for an item of 2 MB. */
const entriesPerRead = 50;

export const readChangeFeed: Operation = async (context) => {
  const container = requireContainer(context);
  const full = isFullFidelity(context.headers);
  if (full && !keepsHistory(context.account, container)) {
    throw badRequest(
      "Change Feed 'All Versions and Deletes' mode must be enabled. Refer to https://aka.ms/ChangeFeed-AllVersionsAndDeletes for Preview program.",
    );
  }
  const scope = await itemScope(context, container);
  const { partition, span, logical } = feedScope(scope);
  const start = startOf(context.headers, partition, full);
  const wanted = pageSizeOf(context.headers);
  const page: Growing = { rows: [], length: 0, lsn: start.afterLsn };
  while (page.rows.length < wanted && page.length < pageLengthMax && page.lsn < partition.committedLsn) {
    const batch = await readChanges(
      context.engine.store,
      container,
      partition.range,
      page.lsn,
      partition.committedLsn,
      Math.min(wanted - page.rows.length, entriesPerRead),
    );
    const isWhole = collect(page, batch.changes, (change) => {
      if (change.entry.ts < start.since) return undefined;
      return full
        ? versionRow(container, change, span, logical)
        : latestRow(context, container, change, span, logical);
    });
    if (isWhole) page.lsn = batch.lsn;
  }
  return answer(container, partition, page.rows, page.lsn);
};

interface Growing {
  readonly rows: string[];
  /** Characters of all rows. */
  length: number;
  /** How far the log was read: always a whole commit. */
  lsn: number;
}

/** Takes the rows of changes until the page is full and its last commit complete; true when it took all. */
function collect(
  page: Growing,
  changes: readonly Change[],
  rowOf: (change: Change) => string | undefined,
): boolean {
  for (const change of changes) {
    if (page.length >= pageLengthMax && change.entry.lsn !== page.lsn) return false;
    page.lsn = change.entry.lsn;
    const row = rowOf(change);
    if (row === undefined) continue;
    page.rows.push(row);
    page.length += row.length;
  }
  return true;
}

function isFullFidelity(headers: RequestHeaders): boolean {
  const mode = headers["a-im"]?.toLowerCase();
  if (mode === "incremental feed") return false;
  if (mode === "full-fidelity feed") return true;
  throw badRequest(
    `The value '${String(headers["a-im"]).slice(0, 40)}' of the header A-IM is not supported.`,
  );
}

interface FeedScope {
  readonly partition: Partition;
  readonly span: KeySpan;
  readonly logical?: LogicalPartition;
}

/** A change feed has one log, so it must name one range, or something that lies within one. */
function feedScope(scope: ItemScope): FeedScope {
  if (scope.kind === "logical")
    return { partition: scope.partition, span: scope.partition.range, logical: scope.logical };
  if (scope.kind === "range") return { partition: scope.partition, span: scope.span };
  const [only, second] = scope.partitions;
  if (only === undefined || second !== undefined) {
    throw badRequest("A change feed over several partition key ranges must name one of them.");
  }
  return { partition: only, span: scope.kind === "span" ? scope.span : only.range };
}

function startOf(headers: RequestHeaders, partition: Partition, full: boolean): Start {
  const etag = headers["if-none-match"];
  const since = headers["if-modified-since"];
  if (etag === "*") return { afterLsn: partition.committedLsn, since: 0 };
  if (etag !== undefined && etag !== "") {
    const match = /^"?(\d{1,15})"?$/.exec(etag.trim());
    if (match === null)
      throw badRequest(`The continuation '${etag.slice(0, 40)}' of the change feed is invalid.`);
    return { afterLsn: Number(match[1]), since: 0 };
  }
  if (since !== undefined) {
    const time = Date.parse(since);
    if (Number.isNaN(time)) throw badRequest("The header If-Modified-Since is not a valid date.");
    return { afterLsn: 0, since: Math.floor(time / 1000) };
  }
  if (full) throw badRequest("Start from beginning is not supported with 'All Versions and Deletes' mode.");
  return { afterLsn: 0, since: 0 };
}

function pageSizeOf(headers: RequestHeaders): number {
  const size = Number(headers["x-ms-max-item-count"] ?? pageDefault);
  if (!Number.isInteger(size) || size < -1 || size === 0)
    throw badRequest("The value of the header 'x-ms-max-item-count' is invalid.");
  return size === -1 ? pageMax : Math.min(size, pageMax);
}

/** The item itself with its `_lsn`, if this entry is its last one. */
function latestRow(
  context: OperationContext,
  container: ContainerRecord,
  { item }: Change,
  span: KeySpan,
  logical: LogicalPartition | undefined,
): string | undefined {
  if (
    item === undefined ||
    !inRange(item.epk, span) ||
    isExpired(item, container, seconds(context.engine.clock))
  )
    return undefined;
  const text = item.json.toString("utf8");
  if (logical !== undefined && (item.epk !== logical.epk || !belongs(container, text, logical)))
    return undefined;
  // Clients that name the newer format of the wire read the item from `current`, in this mode as well.
  return context.headers["x-ms-cosmos-changefeed-wire-format-version"] === undefined
    ? `${text.slice(0, -1)},"_lsn":${item.lsn}}`
    : `{"current":${text},"metadata":{"lsn":${item.lsn},"crts":${item.ts}}}`;
}

function belongs(container: ContainerRecord, text: string, logical: LogicalPartition): boolean {
  return samePartition(ownPartition(container, JSON.parse(text) as JsonObject), logical);
}

const operationTypes = { created: "create", replaced: "replace", deleted: "delete" } as const;

/** One version: what it is now, what it was, and how it came about. */
function versionRow(
  container: ContainerRecord,
  { entry }: Change,
  span: KeySpan,
  logical: LogicalPartition | undefined,
): string | undefined {
  const { history } = entry;
  const text = history?.current ?? history?.previous;
  if (history === undefined || text === undefined) return undefined;
  const body = JSON.parse(text) as JsonObject;
  const key = extractPartitionKey(body, container.partitionKey);
  if (!inRange(effectivePartitionKey(key, container.partitionKey), span)) return undefined;
  if (logical !== undefined && !belongs(container, text, logical)) return undefined;
  const isDelete = entry.outcome === "deleted";
  const metadata = {
    operationType: operationTypes[entry.outcome],
    lsn: entry.lsn,
    crts: entry.ts,
    ...(history.previousLsn === undefined ? {} : { previousImageLSN: history.previousLsn }),
    ...(isDelete
      ? { timeToLiveExpired: history.expired, id: body["id"], partitionKey: keyObject(container, body) }
      : {}),
  };
  const current = history.current ?? "{}";
  const previous = history.previous === undefined ? "" : `"previous":${history.previous},`;
  return `{"current":${current},${previous}"metadata":${JSON.stringify(metadata)}}`;
}

function keyObject(container: ContainerRecord, body: JsonObject): Record<string, unknown> {
  return Object.fromEntries(
    container.partitionKey.paths.map((path) => [path.slice(1), valueAt(body, path) ?? null]),
  );
}

function answer(
  container: ContainerRecord,
  partition: Partition,
  rows: readonly string[],
  lsn: number,
): OperationResult {
  const common = { etag: `"${lsn}"`, partition };
  if (rows.length === 0) return { status: 304, charge: 1, ...common };
  const body = `{"_rid":"${container.rid}","Documents":[${rows.join(",")}],"_count":${rows.length}}`;
  const headers = { "x-ms-item-count": String(rows.length) };
  return { status: 200, body, charge: readCharge(body.length), headers, ...common };
}

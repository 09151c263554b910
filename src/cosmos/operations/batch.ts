/**
 * Transactional batch and bulk: several item operations in one request. A batch is one commit of one logical partition
 * and leaves nothing behind when a part fails; the parts of a bulk request are commits of their own. The rights of all
 * parts have been checked before anything runs.
 */
import { commitTo } from "../engine/commit.ts";
import { inRange, itemId } from "../engine/documents.ts";
import { applyWrite, type Commit, findLiveItem } from "../engine/item-writes.ts";
import { type LogicalPartition, splitPath } from "../engine/partition-key.ts";
import type { Partition } from "../engine/partitions.ts";
import { parsePatch } from "../engine/patch.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { readCharge } from "../engine/request-charge.ts";
import { sessionToken } from "../engine/sessions.ts";
import { badRequest, CosmosError, notFound, responseTooLarge, tooLarge } from "../errors.ts";
import type { BatchPart } from "../wire/batch-body.ts";
import { encodeBatchResponse, isBatchOfRows } from "../wire/batch-rows.ts";
import { flag, minimalResponse } from "../wire/headers.ts";
import { applyPatchTo, patchCondition, writeCharge } from "./items.ts";
import {
  accountNameOf,
  checkPartition,
  fullPartition,
  jsonObject,
  type Operation,
  type OperationContext,
  requireContainer,
  requirePartition,
} from "./operation.ts";
import { meterOf } from "./throughput-limit.ts";

/** Service limits. */
const partsMax = 100;
const batchBytesMax = 2 * 1024 * 1024;
/** Characters of all bodies in one response. */
const responseLengthMax = 4 * 1024 * 1024;

interface PartResult {
  readonly statusCode: number;
  readonly subStatusCode?: number;
  readonly requestCharge: number;
  readonly eTag?: string;
  readonly retryAfterMilliseconds?: number;
  /** JSON text. */
  readonly resourceBody?: string;
}

export const executeBatch: Operation = async (context) => {
  const container = requireContainer(context);
  if (context.body.length > batchBytesMax) throw tooLarge();
  const parts = context.batch();
  if (parts.length === 0) throw badRequest("Batch request has no operations.");
  if (parts.length > partsMax) throw badRequest("Batch request has more operations than what is supported.");
  return flag(context.headers, "x-ms-cosmos-batch-atomic")
    ? atomic(context, container, parts)
    : bulk(context, container, parts);
};

/** Thrown inside the transaction to undo it; carries what each part came to. */
class BatchFailed extends Error {
  override readonly name = "BatchFailed";
  readonly at: number;
  readonly failure: CosmosError;

  constructor(at: number, failure: CosmosError) {
    super(failure.message);
    this.at = at;
    this.failure = failure;
  }
}

/** Prepares and performs one part; whatever is wrong with it fails the batch at its place. */
async function performPart(commit: Commit, at: number, prepare: () => PartWork): Promise<PartResult> {
  try {
    return await prepare()(commit);
  } catch (error) {
    throw error instanceof CosmosError ? new BatchFailed(at, error) : error;
  }
}

async function atomic(
  context: OperationContext,
  container: ContainerRecord,
  parts: readonly BatchPart[],
): ReturnType<Operation> {
  const logical = requirePartition(context, container);
  try {
    const { result, partition, lsn } = await commitTo(
      context.engine,
      accountNameOf(context),
      container,
      logical,
      async (commit) => {
        const results: PartResult[] = [];
        let length = 0;
        for (const [at, part] of parts.entries()) {
          const done = await performPart(commit, at, () => preparePart(context, container, part, logical));
          length += done.resourceBody?.length ?? 0;
          if (length > responseLengthMax) throw new BatchFailed(at, responseTooLarge());
          results.push(done);
        }
        return results;
      },
    );
    return {
      status: 200,
      body: render(context, result),
      charge: total(result),
      partition,
      ...(lsn === 0 ? {} : { lsn }),
    };
  } catch (error) {
    if (!(error instanceof BatchFailed)) throw error;
    const results = parts.map((_, at) =>
      at === error.at ? failed(error.failure) : { statusCode: 424, requestCharge: 0 },
    );
    const partition = await context.engine.partitions.at(container, logical.epk);
    return { status: 207, body: render(context, results), charge: total(results), partition };
  }
}

async function bulk(
  context: OperationContext,
  container: ContainerRecord,
  parts: readonly BatchPart[],
): ReturnType<Operation> {
  const touched = new Map<string, Touched>();
  const perform = (part: BatchPart): Promise<PartResult> => bulkPart(context, container, part, touched);
  const stops = context.headers["x-ms-cosmos-batch-continue-on-error"]?.toLowerCase() === "false";
  const results = stops ? await untilFailure(parts, perform) : await Promise.all(parts.map(perform));
  const token = [...touched.values()].map(({ partition, lsn }) => sessionToken(partition, lsn)).join(",");
  const status = results.every((result) => result.statusCode < 400) ? 200 : 207;
  return {
    status,
    body: render(context, withinResponse(parts, results)),
    charge: total(results),
    ...(token === "" ? {} : { sessionToken: token }),
  };
}

/** A partition that parts of a bulk request went to, and how far it is for them. */
interface Touched {
  readonly partition: Partition;
  readonly lsn: number;
}

/** One part as a commit of its own; noted in `touched` by its range when it was done. */
async function bulkPart(
  context: OperationContext,
  container: ContainerRecord,
  part: BatchPart,
  touched: Map<string, Touched>,
): Promise<PartResult> {
  try {
    const logical = partPartition(context, container, part);
    const range = container.ranges.find((candidate) => inRange(logical.epk, candidate));
    const meter = await meterOf(context, container, range === undefined ? [] : [range]);
    const work = preparePart(context, container, part, logical);
    const account = accountNameOf(context);
    const { result, partition, lsn } = await commitTo(context.engine, account, container, logical, work);
    meter.charge(result.requestCharge);
    const known = touched.get(partition.range.id);
    touched.set(partition.range.id, {
      partition,
      lsn: Math.max(lsn, known?.lsn ?? 0, partition.committedLsn),
    });
    return result;
  } catch (error) {
    if (error instanceof CosmosError) return failed(error);
    throw error;
  }
}

/** One part after the other; what comes after the first that fails is not tried (424). What was done stays. */
async function untilFailure(
  parts: readonly BatchPart[],
  perform: (part: BatchPart) => Promise<PartResult>,
): Promise<readonly PartResult[]> {
  const results: PartResult[] = [];
  for (const part of parts) {
    const hasFailed = (results.at(-1)?.statusCode ?? 0) >= 400;
    results.push(hasFailed ? { statusCode: 424, requestCharge: 0 } : await perform(part));
  }
  return results;
}

/** Reads whose items do not fit into the response any more fail one by one; writes are done and keep their results. */
function withinResponse(parts: readonly BatchPart[], results: readonly PartResult[]): readonly PartResult[] {
  let length = 0;
  return results.map((result, at) => {
    length += result.resourceBody?.length ?? 0;
    if (length <= responseLengthMax || parts[at]?.type !== "Read" || result.resourceBody === undefined)
      return result;
    length -= result.resourceBody.length;
    return failed(responseTooLarge());
  });
}

/** The partition of a bulk part: its own, or the request's when it names none. */
function partPartition(
  context: OperationContext,
  container: ContainerRecord,
  part: BatchPart,
): LogicalPartition {
  return part.partitionKey === undefined
    ? requirePartition(context, container)
    : fullPartition(part.partitionKey, container);
}

type PartWork = (commit: Commit) => Promise<PartResult>;

/** Checks everything about a part that does not depend on what is stored, and returns the rest as work. */
function preparePart(
  context: OperationContext,
  container: ContainerRecord,
  part: BatchPart,
  logical: LogicalPartition,
): PartWork {
  const match = part.ifMatch === undefined ? {} : { ifMatch: part.ifMatch };
  const minimal = part.minimalReturn ?? minimalResponse(context.headers);
  switch (part.type) {
    case "Create":
    case "Upsert":
    case "Replace": {
      const body = jsonObject(part.body);
      itemId(body);
      checkPartition(container, body, logical);
      const kind = part.type === "Create" ? "create" : "upsert";
      const change =
        part.type === "Replace"
          ? ({ kind: "replace", id: idOf(part), body, exact: part.exact, ...match } as const)
          : ({ kind, body, exact: part.exact, ...match } as const);
      return async (commit) => done(await applyWrite(commit, logical, change), minimal);
    }
    case "Delete": {
      const id = idOf(part);
      return async (commit) =>
        done(await applyWrite(commit, logical, { kind: "delete", id, ...match }), minimal);
    }
    case "Patch": {
      const id = idOf(part);
      const patch = parsePatch(part.body, container.partitionKey.paths.map(splitPath));
      const condition = patchCondition(context, patch);
      return async (commit) =>
        done(await applyPatchTo(commit, logical, id, patch, condition, match), minimal);
    }
    case "Read":
      return readPart(part, logical);
  }
}

function readPart(part: BatchPart, logical: LogicalPartition): PartWork {
  const id = idOf(part);
  return async (commit) => {
    const item = await findLiveItem(commit, logical, { id });
    if (item === undefined) throw notFound();
    const requestCharge = readCharge(item.json.length);
    if (part.ifNoneMatch === item.etag) return { statusCode: 304, requestCharge, eTag: item.etag };
    return { statusCode: 200, requestCharge, eTag: item.etag, resourceBody: item.json.toString("utf8") };
  };
}

function idOf(part: BatchPart): string {
  if (part.id === undefined || part.id === "")
    throw badRequest(`The batch operation '${part.type}' needs an id.`);
  return part.id;
}

function done(result: Awaited<ReturnType<typeof applyWrite>>, minimal: boolean): PartResult {
  const requestCharge = writeCharge(result);
  if (result.outcome === "deleted") return { statusCode: 204, requestCharge };
  const { etag, json } = result.item;
  const body = minimal ? {} : { resourceBody: json.toString("utf8") };
  return { statusCode: result.outcome === "created" ? 201 : 200, requestCharge, eTag: etag, ...body };
}

function failed(error: CosmosError): PartResult {
  const sub = error.substatus === 0 ? {} : { subStatusCode: error.substatus };
  const wait = error.headers["x-ms-retry-after-ms"];
  const retry = wait === undefined ? {} : { retryAfterMilliseconds: Number(wait) };
  return { statusCode: error.status, requestCharge: error.status === 429 ? 0 : 1, ...sub, ...retry };
}

function total(results: readonly PartResult[]): number {
  return Math.round(results.reduce((sum, result) => sum + result.requestCharge, 0) * 100) / 100;
}

/** Results in the form of the request: rows for rows, JSON for JSON. */
function render(context: OperationContext, results: readonly PartResult[]): string | Uint8Array {
  if (isBatchOfRows(context.body)) {
    return encodeBatchResponse(
      results.map(({ resourceBody, ...rest }) =>
        resourceBody === undefined ? rest : { ...rest, resourceBody: Buffer.from(resourceBody, "utf8") },
      ),
    );
  }
  const rows = results.map(({ resourceBody, ...rest }) => {
    const text = JSON.stringify(rest);
    return resourceBody === undefined ? text : `${text.slice(0, -1)},"resourceBody":${resourceBody}}`;
  });
  return `[${rows.join(",")}]`;
}

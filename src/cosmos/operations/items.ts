/** Point operations on items: create, upsert, read, replace and delete. */
import {
  readItem as findItem,
  type ItemWrite,
  itemId,
  type WriteResult,
  writeItem,
} from "../engine/documents.ts";
import type { LogicalPartition } from "../engine/partition-key.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { changeCharge, createCharge, readCharge } from "../engine/request-charge.ts";
import { checkSession } from "../engine/sessions.ts";
import { notFound } from "../errors.ts";
import { ifMatch, minimalResponse } from "../wire/headers.ts";
import {
  documentPartition,
  jsonBody,
  leafId,
  type Operation,
  type OperationContext,
  type OperationResult,
  requireContainer,
  requirePartition,
} from "./operation.ts";

export const createItem: Operation = async (context) => {
  const container = requireContainer(context);
  const body = jsonBody(context);
  itemId(body);
  const logical = documentPartition(context, container, body);
  return write(context, container, logical, { kind: "create", body });
};

export const upsertItem: Operation = async (context) => {
  const container = requireContainer(context);
  const body = jsonBody(context);
  itemId(body);
  const logical = documentPartition(context, container, body);
  return write(context, container, logical, { kind: "upsert", body, ...ifMatch(context.headers) });
};

export const replaceItem: Operation = async (context) => {
  const container = requireContainer(context);
  const body = jsonBody(context);
  itemId(body);
  const logical = documentPartition(context, container, body);
  return write(context, container, logical, {
    kind: "replace",
    id: leafId(context),
    body,
    ...ifMatch(context.headers),
  });
};

export const deleteItem: Operation = async (context) => {
  const container = requireContainer(context);
  const logical = requirePartition(context, container);
  return write(context, container, logical, {
    kind: "delete",
    id: leafId(context),
    ...ifMatch(context.headers),
  });
};

export const readItem: Operation = async (context) => {
  const container = requireContainer(context);
  const logical = requirePartition(context, container);
  const partition = await context.engine.partitions.at(container, logical.epk);
  checkSession(context.headers["x-ms-session-token"], partition);
  const item = await findItem(context.engine.store, partition, logical, leafId(context));
  if (item === undefined) throw notFound();
  const charge = readCharge(item.json.length);
  if (context.headers["if-none-match"] === item.etag) {
    return { status: 304, etag: item.etag, charge, partition, lsn: item.lsn };
  }
  return { status: 200, body: item.json, etag: item.etag, charge, partition, lsn: item.lsn };
};

async function write(
  context: OperationContext,
  container: ContainerRecord,
  logical: LogicalPartition,
  change: ItemWrite,
): Promise<OperationResult> {
  const { store, clock, partitions } = context.engine;
  const partition = await partitions.at(container, logical.epk);
  const result = await writeItem(store, clock, partition, logical, change);
  const common = { partition, lsn: result.lsn, charge: writeCharge(result) };
  if (result.outcome === "deleted") return { status: 204, ...common };
  const body = minimalResponse(context.headers) ? {} : { body: result.item.json };
  return { status: result.outcome === "created" ? 201 : 200, etag: result.item.etag, ...body, ...common };
}

function writeCharge(result: WriteResult): number {
  const bytes = result.item.json.length;
  return result.outcome === "created" ? createCharge(bytes) : changeCharge(bytes);
}

/**
 * What an operation receives and returns. The gateway has already read the address, checked the credential and taken
 * the decision; an operation turns a typed request into a typed result and knows nothing of HTTP beyond headers.
 */

import type { Transaction } from "../../storage/port.ts";
import { cosmosLock } from "../account-lock.ts";
import type { AccountView, DatabaseView } from "../engine/catalog.ts";
import { itemBytesMax } from "../engine/documents.ts";
import type { Engine } from "../engine/engine.ts";
import type { WrittenDocument } from "../engine/item-writes.ts";
import {
  extractPartitionKey,
  type LogicalPartition,
  parsePartitionKeyHeader,
  placePartition,
  sameComponents,
  samePartition,
} from "../engine/partition-key.ts";
import type { Partition } from "../engine/partitions.ts";
import type { ContainerRecord } from "../engine/records.ts";
import {
  badQuery,
  badRequest,
  fewerComponents,
  notFound,
  ownerNotFound,
  partitionKeyMismatch,
  tooLarge,
} from "../errors.ts";
import { QueryError } from "../query/error.ts";
import type { Address } from "../wire/address.ts";
import { type BatchPart, readBinary } from "../wire/batch-body.ts";
import { binaryJsonToText, isBinaryJson } from "../wire/binary-json.ts";
import { exactMembers } from "../wire/exact-numbers.ts";
import type { RequestHeaders } from "../wire/headers.ts";
import { parseJsonBytes } from "../wire/json-text.ts";
import type { MintToken } from "./permissions.ts";

export interface OperationContext {
  readonly engine: Engine;
  readonly account: AccountView;
  /** The database and container that the address names, by name or by rid; absent when they do not exist. */
  readonly database?: DatabaseView | undefined;
  readonly container?: ContainerRecord | undefined;
  readonly address: Address;
  readonly headers: RequestHeaders;
  readonly body: Uint8Array;
  /** Scheme, host and port that the client used. */
  readonly origin: string;
  /** The parts of a batch body, read once: what was authorised is what runs. */
  readonly batch: () => readonly BatchPart[];
  /** Makes the tokens of permissions; without it permissions come without tokens. */
  readonly mintToken?: MintToken | undefined;
}

export interface OperationResult {
  readonly status: number;
  /** Objects are sent as JSON; bytes and strings as they are. */
  readonly body?: Uint8Array | string | object;
  /** Request units. */
  readonly charge: number;
  readonly etag?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The range that was read or written: its LSN becomes the session token. */
  readonly partition?: Partition;
  /** LSN of what was just written; the session token proves at least this. */
  readonly lsn?: number;
  /** LSN of the item in the reply. */
  readonly itemLsn?: number;
  /** The session token of an operation over several ranges. */
  readonly sessionToken?: string;
}

export type Operation = (context: OperationContext) => Promise<OperationResult>;

export type JsonObject = Readonly<Record<string, unknown>>;

/** Deepest nesting of a document (service limit). */
const depthMax = 128;

const invalidPayload = "The request payload is invalid. Ensure to provide a valid request payload.";

/** The bytes as JSON; 400 in the service's words when they are none or nest too deep. */
export function parseBody(bytes: Uint8Array): unknown {
  return readBody(bytes).value;
}

/** The request body as a document; 400 for anything else, 413 for one that is longer than an item may be. */
export function documentBody(context: Pick<OperationContext, "body">): WrittenDocument {
  checkLength(context.body);
  const { text, value } = readBody(context.body);
  return { body: jsonObject(value), exact: exactMembers(text) };
}

/** What arrives is measured, escapes and all: the item itself may be smaller, and is still refused. */
export function checkLength(body: Uint8Array): void {
  if (body.length > itemBytesMax) throw tooLarge();
}

function readBody(bytes: Uint8Array): { readonly text: string; readonly value: unknown } {
  if (isBinaryJson(bytes)) {
    const text = readBinary(() => binaryJsonToText(bytes));
    return { text, value: JSON.parse(text) };
  }
  checkDepth(bytes);
  try {
    return parseJsonBytes(bytes);
  } catch {
    throw badRequest(invalidPayload);
  }
}

/** The request body as a JSON object; 400 for anything else. */
export function jsonBody(context: Pick<OperationContext, "body">): JsonObject {
  return jsonObject(parseBody(context.body));
}

export function jsonObject(value: unknown): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest("One of the specified inputs is invalid");
  return value as JsonObject;
}

/** Runs `work` and turns a refusal of the query room into its wire form. */
export function rejectingQuery<T>(prefix: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof QueryError) throw badQuery(`${prefix}Message: ${error.message}`, error.substatus);
    throw error;
  }
}

export function accountNameOf(context: Pick<OperationContext, "account">): string {
  return context.account.record.account.name;
}

/** Counts brackets outside strings, so that no recursive code ever meets a deeper document. */
function checkDepth(bytes: Uint8Array): void {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // A document with so few brackets cannot nest deeper, whatever is in its strings.
  if (countUpTo(body, 0x7b, depthMax) + countUpTo(body, 0x5b, depthMax) <= depthMax) return;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > depthMax) throw badRequest(`The document is nested deeper than ${depthMax} levels.`);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
}

/** How often `byte` occurs, as far as `max` and one more. */
function countUpTo(bytes: Buffer, byte: number, max: number): number {
  let count = 0;
  for (let at = bytes.indexOf(byte); at >= 0 && count <= max; at = bytes.indexOf(byte, at + 1)) count++;
  return count;
}

/** The container of the address; 404/1003 when it does not exist. */
export function requireContainer(context: OperationContext): ContainerRecord {
  if (context.container === undefined) throw ownerNotFound();
  return context.container;
}

export function requireDatabase(context: OperationContext): DatabaseView {
  if (context.database === undefined) throw ownerNotFound();
  return context.database;
}

/** The id of the address's last segment; 404 when the address has none. */
export function leafId(context: OperationContext): string {
  if (context.address.id === undefined) throw notFound();
  return context.address.id;
}

/** The logical partition named by the partition key header; undefined when the header is absent. */
export function headerPartition(
  context: OperationContext,
  container: ContainerRecord,
): LogicalPartition | undefined {
  const header = context.headers["x-ms-documentdb-partitionkey"];
  return header === undefined ? undefined : fullPartition(header, container);
}

/** The logical partition that a partition key in JSON names; it must have a value for every path. */
export function fullPartition(header: string, container: ContainerRecord): LogicalPartition {
  const components = parsePartitionKeyHeader(header);
  if (components.length !== container.partitionKey.paths.length) {
    if (header.trim() !== "[]") throw partitionKeyMismatch();
    throw fewerComponents();
  }
  return placePartition(components, container.partitionKey);
}

/** The logical partition of a point operation, whose header is mandatory. */
export function requirePartition(context: OperationContext, container: ContainerRecord): LogicalPartition {
  const logical = headerPartition(context, container);
  if (logical === undefined) throw fewerComponents();
  return logical;
}

/** The logical partition that a document's own values put it into. */
export function ownPartition(container: ContainerRecord, document: JsonObject): LogicalPartition {
  return placePartition(extractPartitionKey(document, container.partitionKey), container.partitionKey);
}

/** 400/1001 unless the document belongs to this logical partition. */
export function checkPartition(
  container: ContainerRecord,
  document: JsonObject,
  logical: LogicalPartition,
): void {
  const own = extractPartitionKey(document, container.partitionKey);
  if (sameComponents(own, logical.components)) return;
  if (!samePartition(placePartition(own, container.partitionKey), logical)) {
    throw badRequest(
      "PartitionKey extracted from document doesn't match the one specified in the header",
      1001,
    );
  }
}

/** The logical partition of a document, which must be the one that the header names. */
export function documentPartition(
  context: OperationContext,
  container: ContainerRecord,
  document: JsonObject,
): LogicalPartition {
  const logical = requirePartition(context, container);
  checkPartition(container, document, logical);
  return logical;
}

/** Runs a change of the account's metadata under the account's lock. */
export function changeMetadata<T>(
  context: OperationContext,
  change: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  return context.engine.store.transact([cosmosLock(context.account.record.account.name)], change);
}

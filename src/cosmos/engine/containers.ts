/**
 * Databases and containers: creating, replacing and deleting them, with the defaults that the service fills in and
 * the parts that can never change. Both planes come through here.
 */
import type { Reader, Transaction } from "../../storage/port.ts";
import {
  badRequest,
  CosmosError,
  conflict,
  invalidName,
  notFound,
  ownerNotFound,
  preconditionFailed,
  uniqueKeysFixed,
} from "../errors.ts";
import { type EngineParts, requireAccount, writeAccount } from "./accounts.ts";
import { readAll } from "./catalog.ts";
import { containerProperties, feedRetention } from "./container-policies.ts";
import type { PartitionKeyDefinition } from "./effective-partition-key.ts";
import { checkEncryptionKept, checkEncryptionKeys } from "./encryption-policy.ts";
import { createOffer, deleteOffersOf, listOffers, rangesOf, type Throughput } from "./offers.ts";
import { deleteChildren, deleteRange, markForPurge } from "./purge.ts";
import { initialRanges } from "./ranges.ts";
import {
  type ContainerRecord,
  contentKey,
  contentRange,
  type DatabaseRecord,
  decodeRecord,
  encodeRecord,
  metadataEtag,
  requeueKey,
  seconds,
} from "./records.ts";
import { containerRid, databaseRid } from "./resource-ids.ts";
import { checkVectorsKept } from "./search-policies.ts";

const maxIdLength = 255;
const maxPartitionKeyPaths = 3;
/** Containers that may share the throughput of one database (service limit). */
const sharingContainersMax = 25;

/** What a write of metadata may demand of the state it finds. */
export interface WriteOptions {
  /** True to fail with 409 when the resource exists, false to replace or return it. */
  readonly mustBeNew: boolean;
  readonly ifMatch?: string;
  /** Throughput that a create asks for. */
  readonly throughput?: Throughput;
}

/** Throughput of a container in an account that is not serverless, when neither it nor its database asks for any. */
const throughputDefault: Throughput = { kind: "manual", value: 400 };

/** Ids of databases, containers and scripts: 1 to 255 characters, none of `/ \ # ?`, no trailing space. */
export function checkResourceId(id: unknown): asserts id is string {
  if (typeof id !== "string" || id === "") {
    throw badRequest("The input content is invalid because the required properties - 'id; ' - are missing");
  }
  const forbidden = /[/\\#?]/.exec(id)?.[0];
  if (forbidden !== undefined)
    throw badRequest(`The resource name presented contains invalid character '${forbidden}'.`);
  if (id.endsWith(" ")) throw badRequest("The resource name can't end with space.");
  // The service names the greatest length as the first that is too long.
  if (id.length > maxIdLength) throw invalidName(id, maxIdLength);
  // A lone surrogate has no UTF-8 form, so the id could not be addressed again.
  if (/\p{Surrogate}/u.test(id))
    throw badRequest(
      `The resource name '${id}' is invalid: it must have 1 to ${maxIdLength} whole characters.`,
    );
}

export async function readDatabase(
  reader: Reader,
  account: string,
  database: string,
): Promise<DatabaseRecord | undefined> {
  const bytes = await reader.get(contentKey(account, "database", database));
  return bytes === undefined ? undefined : decodeRecord<DatabaseRecord>(bytes);
}

export async function readContainer(
  reader: Reader,
  account: string,
  database: string,
  container: string,
): Promise<ContainerRecord | undefined> {
  const bytes = await reader.get(contentKey(account, "container", database, container));
  return bytes === undefined ? undefined : decodeRecord<ContainerRecord>(bytes);
}

/** Creates a database, or returns the existing one unless it must be new; `created` tells which. */
export async function putDatabase(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  resource: Readonly<Record<string, unknown>>,
  options: WriteOptions,
): Promise<{ readonly record: DatabaseRecord; readonly created: boolean }> {
  const id = resource["id"];
  checkResourceId(id);
  const owner = await requireAccount(transaction, account);
  const old = await readDatabase(transaction, account, id);
  if (old !== undefined) {
    if (options.mustBeNew) throw conflict();
    return { record: old, created: false };
  }
  const record: DatabaseRecord = {
    id,
    rid: databaseRid(owner.nextDatabase),
    etag: metadataEtag(parts.entropy, parts.clock),
    ts: seconds(parts.clock),
  };
  writeAccount(parts, transaction, { ...owner, nextDatabase: owner.nextDatabase + 1 });
  if (options.throughput !== undefined) {
    const offered = { self: `dbs/${record.rid}/`, rid: record.rid };
    await createOffer(parts, transaction, account, offered, options.throughput);
  }
  transaction.put(contentKey(account, "database", id), encodeRecord(record));
  transaction.afterCommit(() => parts.catalog.setDatabase(account, record));
  return { record, created: true };
}

/** Deletes a database and its containers; false when there was none. */
export async function deleteDatabase(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  database: string,
): Promise<boolean> {
  const old = await readDatabase(transaction, account, database);
  if (old === undefined) return false;
  transaction.delete(contentKey(account, "database", database));
  const containers = contentRange(account, "container", database);
  const records = await readAll<ContainerRecord>(transaction, containers);
  await deleteOffersOf(transaction, account, new Set([old.rid, ...records.map(({ rid }) => rid)]));
  for (const record of records) markForPurge(transaction, record);
  await deleteRange(transaction, containers);
  await deleteChildren(transaction, account, database);
  transaction.afterCommit(() => parts.catalog.removeDatabase(account, database));
  return true;
}

/** Creates a container, or replaces the properties of the existing one; immutable parts are compared and refused. */
export async function putContainer(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  database: string,
  resource: Readonly<Record<string, unknown>>,
  options: WriteOptions,
): Promise<{ readonly record: ContainerRecord; readonly created: boolean }> {
  const id = resource["id"];
  checkResourceId(id);
  const parent = await readDatabase(transaction, account, database);
  if (parent === undefined) throw ownerNotFound();
  const old = await readContainer(transaction, account, database, id);
  if (old !== undefined && options.mustBeNew) {
    // What a resource cannot be is told before what is in its way.
    partitionKeyDefinition(resource["partitionKey"]);
    throw conflict();
  }
  if (options.ifMatch !== undefined && options.ifMatch !== "*" && old?.etag !== options.ifMatch) {
    throw old === undefined ? notFound() : preconditionFailed();
  }
  const record =
    old === undefined
      ? await newContainer(parts, transaction, account, parent, id, resource, options.throughput)
      : changedContainer(parts, old, resource);
  if (feedRetention(record.properties) > 0) await refuseBesideBackup(transaction, account);
  if (old !== undefined && old.properties["defaultTtl"] !== record.properties["defaultTtl"]) {
    transaction.put(requeueKey(record), new Uint8Array(0));
  }
  transaction.put(contentKey(account, "container", database, id), encodeRecord(record));
  transaction.afterCommit(() => parts.catalog.setContainer(account, record));
  return { record, created: old === undefined };
}

/** An account with continuous backup keeps versions for as long as its backups. */
async function refuseBesideBackup(transaction: Transaction, account: string): Promise<void> {
  const owner = await requireAccount(transaction, account);
  if (owner.account.continuousBackup !== true) return;
  throw badRequest(
    "The retention duration in the Change Feed policy should not be set when continuous backup mode is enabled for the database account",
  );
}

async function newContainer(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  parent: DatabaseRecord,
  id: string,
  resource: Readonly<Record<string, unknown>>,
  asked: Throughput | undefined,
): Promise<ContainerRecord> {
  const definition = partitionKeyDefinition(resource["partitionKey"]);
  const properties = containerProperties(resource);
  await checkEncryptionKeys(transaction, account, parent.id, properties["clientEncryptionPolicy"]);
  const owner = await requireAccount(transaction, account);
  const shared = (await listOffers(transaction, account)).some(
    (offer) => offer.offerResourceId === parent.rid,
  );
  const throughput = asked ?? (owner.account.serverless || shared ? undefined : throughputDefault);
  if (shared && throughput === undefined) await checkSharedCount(transaction, account, parent.id);
  const rangeCount = Math.max(parts.rangesDefault, throughput === undefined ? 1 : rangesOf(throughput));
  const record: ContainerRecord = {
    id,
    database: parent.id,
    databaseRid: parent.rid,
    rid: containerRid(parent.rid, owner.nextContainer),
    etag: metadataEtag(parts.entropy, parts.clock),
    ts: seconds(parts.clock),
    uid: owner.uid,
    number: owner.nextContainer,
    partitionKey: definition,
    properties,
    ranges: initialRanges(rangeCount, definition),
    retired: [],
  };
  writeAccount(parts, transaction, { ...owner, nextContainer: owner.nextContainer + 1 });
  if (throughput !== undefined) {
    const self = `dbs/${record.databaseRid}/colls/${record.rid}/`;
    await createOffer(parts, transaction, account, { self, rid: record.rid }, throughput);
  }
  return record;
}

/** 403/1019 when a database that shares its throughput has as many containers as may share it. */
async function checkSharedCount(transaction: Transaction, account: string, database: string): Promise<void> {
  const containers = await readAll<ContainerRecord>(
    transaction,
    contentRange(account, "container", database),
  );
  const own = new Set((await listOffers(transaction, account)).map((offer) => offer.offerResourceId));
  if (containers.filter(({ rid }) => !own.has(rid)).length < sharingContainersMax) return;
  throw new CosmosError(
    403,
    "Forbidden",
    `A database that shares its throughput cannot have more than ${sharingContainersMax} containers without throughput of their own.`,
    { substatus: 1019 },
  );
}

function changedContainer(
  parts: EngineParts,
  old: ContainerRecord,
  resource: Readonly<Record<string, unknown>>,
): ContainerRecord {
  const wanted =
    resource["partitionKey"] === undefined
      ? old.partitionKey
      : partitionKeyDefinition(resource["partitionKey"]);
  if (!samePartitionKey(wanted, old.partitionKey)) {
    throw badRequest("Document collection partition key cannot be changed.");
  }
  const properties = containerProperties(resource);
  const uniqueKeyPolicy = old.properties["uniqueKeyPolicy"];
  const asked = properties["uniqueKeyPolicy"];
  if (uniqueKeysText(asked) !== uniqueKeysText(uniqueKeyPolicy)) throw uniqueKeysFixed();
  checkVectorsKept(old.properties, properties);
  checkEncryptionKept(old.properties["clientEncryptionPolicy"], properties["clientEncryptionPolicy"]);
  return {
    ...old,
    properties: JSON.parse(JSON.stringify({ uniqueKeyPolicy, ...properties })) as Record<string, unknown>,
    etag: metadataEtag(parts.entropy, parts.clock),
    ts: seconds(parts.clock),
  };
}

/** One text for equal unique keys; none are the same as an empty list of them. */
function uniqueKeysText(policy: unknown): string {
  const keys = (
    policy as { readonly uniqueKeys?: readonly { readonly paths?: unknown }[] } | null | undefined
  )?.uniqueKeys;
  return JSON.stringify((keys ?? []).map(({ paths }) => paths));
}

/** Deletes a container; its items are unreachable from the commit on. False when there was none. */
export async function deleteContainer(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  database: string,
  container: string,
): Promise<boolean> {
  const record = await readContainer(transaction, account, database, container);
  if (record === undefined) return false;
  markForPurge(transaction, record);
  await deleteOffersOf(transaction, account, new Set([record.rid]));
  transaction.delete(contentKey(account, "container", database, container));
  await deleteChildren(transaction, account, database, container);
  transaction.afterCommit(() => parts.catalog.removeContainer(account, database, container));
  return true;
}

function partitionKeyDefinition(value: unknown): PartitionKeyDefinition {
  if (typeof value !== "object" || value === null || !("paths" in value) || !Array.isArray(value.paths)) {
    throw badRequest(
      "The input content is invalid because the required properties - 'partitionKey; ' - are missing",
      1013,
    );
  }
  const given = value as { paths: unknown[]; kind?: unknown; version?: unknown; systemKey?: unknown };
  const paths = given.paths.map((path) => {
    if (typeof path !== "string" || !path.startsWith("/") || path.length < 2) {
      throw badRequest(
        `The partition key component definition path '${String(path)}' could not be accepted, failed near position '0'.`,
      );
    }
    return path;
  });
  const kind = given.kind ?? (paths.length > 1 ? "MultiHash" : "Hash");
  if (kind !== "Hash" && kind !== "MultiHash")
    throw badRequest(`The partition key kind '${String(kind)}' is not supported.`);
  if (paths.length === 0 || paths.length > (kind === "Hash" ? 1 : maxPartitionKeyPaths)) {
    const problem = paths.length === 0 ? "No" : "Too many";
    throw badRequest(`${problem} partition key paths: ${paths.length} for a partition key of kind ${kind}.`);
  }
  const version = given.version ?? 2;
  if (version !== 1 && version !== 2)
    throw badRequest(`The partition key version '${String(version)}' is not supported.`);
  if (kind === "MultiHash" && version !== 2)
    throw badRequest("A partition key of kind MultiHash must have version 2.");
  return { paths, kind, version, ...(given.systemKey === true ? { systemKey: true } : {}) };
}

function samePartitionKey(a: PartitionKeyDefinition, b: PartitionKeyDefinition): boolean {
  return (
    a.kind === b.kind &&
    a.paths.length === b.paths.length &&
    a.paths.every((path, at) => path === b.paths[at])
  );
}

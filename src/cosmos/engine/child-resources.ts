/**
 * Resources below a database or container that are plain JSON documents with rules: scripts, users, permissions and
 * client encryption keys. One store for all of them, apart from items, because they are few, belong to the account's
 * metadata and change under its lock. Each kind's own rules are in `operations/`.
 */
import type { Bytes, Reader, Transaction } from "../../storage/port.ts";
import { conflict, notFound, ownerNotFound, preconditionFailed, tooLarge } from "../errors.ts";
import type { EngineParts } from "./accounts.ts";
import { readAll } from "./catalog.ts";
import { checkResourceId } from "./containers.ts";
import { itemBytesMax } from "./documents.ts";
import {
  type ChildKind,
  contentKey,
  contentRange,
  decodeRecord,
  encodeRecord,
  metadataEtag,
  seconds,
} from "./records.ts";

export interface ChildRecord {
  readonly id: string;
  /** Place in the order of creation within the account; never used again. */
  readonly number: number;
  readonly rid: string;
  readonly etag: string;
  /** Seconds since the epoch of the last write. */
  readonly ts: number;
  /** What the client may set besides the id. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** Where resources of one kind live. */
export interface ChildPlace {
  readonly account: string;
  readonly kind: ChildKind;
  /** Names below the account: database, and container or rid of the user where there is one. */
  readonly names: readonly string[];
  /** `_rid` of the owner. */
  readonly ownerRid: string;
  /** Id of the owner, where resources must name it. */
  readonly ownerId?: string;
  /** Start of `_self`, with a trailing slash: the owner's link and the type's segment. */
  readonly link: string;
  readonly ridOf: (number: number) => string;
  /** True when the owner still exists in this transaction, as the one that the request found. */
  readonly ownerExists: (transaction: Transaction) => Promise<boolean>;
}

export interface ChildWrite {
  readonly mode: "create" | "upsert" | "replace";
  /** Id or rid in the address of a replace. */
  readonly target?: string;
  readonly id: unknown;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly ifMatch?: string;
  /** Rules between siblings; throws what forbids the write. */
  readonly check?: (siblings: readonly ChildRecord[]) => void;
}

/** The resource with this id, else with this rid. */
export async function findChild(
  reader: Reader,
  place: ChildPlace,
  idOrRid: string,
): Promise<ChildRecord | undefined> {
  const bytes = await reader.get(keyOf(place, idOrRid));
  if (bytes !== undefined) return decodeRecord<ChildRecord>(bytes);
  return (await listChildren(reader, place)).find((record) => record.rid === idOrRid);
}

/** All resources of a place in the order of their creation. */
export async function listChildren(reader: Reader, place: ChildPlace): Promise<readonly ChildRecord[]> {
  const range = contentRange(place.account, place.kind, ...place.names);
  return (await readAll<ChildRecord>(reader, range)).sort((a, b) => a.number - b.number);
}

/**
 * Creates or changes one resource; a replace may rename it. Throws 404 (missing, or 1003 without owner), 409 (id taken),
 * 412 (If-Match) and 400 for an impossible id. The transaction holds the account's lock.
 */
export async function putChild(
  parts: EngineParts,
  transaction: Transaction,
  place: ChildPlace,
  write: ChildWrite,
): Promise<{ readonly record: ChildRecord; readonly created: boolean }> {
  const { id, mode } = write;
  checkResourceId(id);
  if (!(await place.ownerExists(transaction))) throw ownerNotFound();
  const siblings = await listChildren(transaction, place);
  const named = siblings.find((record) => record.id === id);
  const old = mode === "replace" ? targetOf(siblings, write.target ?? "") : named;
  if (mode === "replace" && old === undefined) throw notFound();
  if (named !== undefined && (mode === "create" || named.number !== old?.number)) throw conflict();
  if (old !== undefined) checkMatch(old, write.ifMatch);
  write.check?.(siblings.filter((record) => record.number !== old?.number));
  const number = old?.number ?? (await nextNumber(transaction, place.account));
  const record: ChildRecord = {
    id,
    number,
    rid: old?.rid ?? place.ridOf(number),
    etag: metadataEtag(parts.entropy, parts.clock),
    ts: seconds(parts.clock),
    properties: write.properties,
  };
  const bytes = encodeRecord(record);
  if (bytes.length > itemBytesMax) throw tooLarge();
  if (old !== undefined && old.id !== id) transaction.delete(keyOf(place, old.id));
  transaction.put(keyOf(place, id), bytes);
  return { record, created: old === undefined };
}

/** Deletes one resource and returns it; 404 and 412 as for a replace. */
export async function deleteChild(
  transaction: Transaction,
  place: ChildPlace,
  idOrRid: string,
  ifMatch: string | undefined,
): Promise<ChildRecord> {
  const record = await findChild(transaction, place, idOrRid);
  if (record === undefined) throw notFound();
  checkMatch(record, ifMatch);
  transaction.delete(keyOf(place, record.id));
  return record;
}

/** The resource as clients see it. */
export function renderChild(place: ChildPlace, record: ChildRecord): Readonly<Record<string, unknown>> {
  return {
    id: record.id,
    ...record.properties,
    _rid: record.rid,
    _self: `${place.link}${record.rid}/`,
    _etag: record.etag,
    _ts: record.ts,
  };
}

function keyOf({ account, kind, names }: ChildPlace, id: string): Bytes {
  return contentKey(account, kind, ...names, id);
}

function targetOf(siblings: readonly ChildRecord[], target: string): ChildRecord | undefined {
  return siblings.find((record) => record.id === target) ?? siblings.find((record) => record.rid === target);
}

function checkMatch(record: ChildRecord, ifMatch: string | undefined): void {
  if (ifMatch !== undefined && ifMatch !== "*" && ifMatch !== record.etag) throw preconditionFailed();
}

/** Numbers are counted per account, apart from its record, which every request may read. */
async function nextNumber(transaction: Transaction, account: string): Promise<number> {
  const key = contentKey(account, "childCounter");
  const bytes = await transaction.get(key);
  const number = (bytes === undefined ? 0 : decodeRecord<number>(bytes)) + 1;
  transaction.put(key, encodeRecord(number));
  return number;
}

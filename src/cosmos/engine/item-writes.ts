/**
 * Writing items. A commit is the writes of one transaction to one range: they share an LSN and appear together in the
 * change feed. Each write puts down the item, its name when that is new, its unique keys, and one entry of the log.
 */
import type { Clock } from "../../clock.ts";
import { encodeKey } from "../../storage/keys.ts";
import type { Bytes, Transaction } from "../../storage/port.ts";
import { badRequest, conflict, notFound, preconditionFailed, tooLarge } from "../errors.ts";
import { encodeLogEntry, logKey } from "./change-log.ts";
import {
  composeItem,
  decodeNumber,
  encodeNumber,
  expiryOf,
  type ItemBody,
  isExpired,
  itemBytesMax,
  itemEtag,
  itemId,
  itemKey,
  nameKey,
  numbersPerRange,
  readItemNumber,
  readStoredItem,
  type StoredItem,
} from "./documents.ts";
import type { LogicalPartition } from "./partition-key.ts";
import type { Partition } from "./partitions.ts";
import { type ContainerRecord, seconds } from "./records.ts";
import { childRid } from "./resource-ids.ts";
import { uniqueKeysOf } from "./unique-keys.ts";

/** A document to be written, and of its members, by name, the JSON text of those whose numbers no double holds. */
export interface WrittenDocument {
  readonly body: ItemBody;
  readonly exact?: ReadonlyMap<string, string> | undefined;
}

export type ItemWrite =
  | ({ readonly kind: "create" } & WrittenDocument)
  | ({ readonly kind: "upsert"; readonly ifMatch?: string } & WrittenDocument)
  | ({ readonly kind: "replace"; readonly ifMatch?: string } & ItemTarget & WrittenDocument)
  | ({ readonly kind: "delete"; readonly ifMatch?: string } & ItemTarget);

/** An item of a partition by its id; with a number, only while it is that very item. */
export interface ItemTarget {
  readonly id: string;
  readonly number?: number | undefined;
}

export interface WriteResult {
  readonly outcome: "created" | "replaced" | "deleted";
  /** The item after the write; after a delete, the item that is gone. */
  readonly item: StoredItem;
}

/** The writes of one transaction to one range; the transaction holds the range's lock. */
export interface Commit {
  readonly transaction: Transaction;
  readonly container: ContainerRecord;
  readonly partition: Partition;
  /** Whether every version stays in the log. */
  readonly keepsHistory: boolean;
  /** Seconds since the epoch, the `_ts` of all its writes. */
  readonly ts: number;
  /** 0 until the first write takes the next number. */
  lsn: number;
  nextSub: number;
}

/** System properties that a client cannot set; what it sends under these names is dropped, never an error. */
const systemProperties: ReadonlySet<string> = new Set(["_rid", "_self", "_etag", "_attachments", "_ts"]);

const ttlMax = 2147483647;

export function openCommit(
  transaction: Transaction,
  clock: Clock,
  container: ContainerRecord,
  partition: Partition,
  keepsHistory: boolean,
): Commit {
  return { transaction, container, partition, keepsHistory, ts: seconds(clock), lsn: 0, nextSub: 0 };
}

/** The item as a reader inside this commit sees it: expired items are gone. */
export async function findLiveItem(
  commit: Commit,
  logical: LogicalPartition,
  { id, number }: ItemTarget,
): Promise<StoredItem | undefined> {
  const item = await readStoredItem(commit.transaction, commit.container, logical, id);
  if (number !== undefined && item?.number !== number) return undefined;
  return item === undefined || isExpired(item, commit.container, commit.ts) ? undefined : item;
}

/** Performs one write; throws the CosmosError of whatever forbids it, with nothing changed by this write. */
export async function applyWrite(
  commit: Commit,
  logical: LogicalPartition,
  write: ItemWrite,
): Promise<WriteResult> {
  const id = write.kind === "replace" || write.kind === "delete" ? write.id : itemId(write.body);
  const stored = await readStoredItem(commit.transaction, commit.container, logical, id);
  if ("number" in write && write.number !== undefined && write.number !== stored?.number) throw notFound();
  const expired = stored !== undefined && isExpired(stored, commit.container, commit.ts);
  const old = expired ? undefined : stored;
  checkState(write, old);
  if (write.kind === "delete") {
    if (old === undefined) throw notFound();
    return removeItem(commit, logical, id, old, false);
  }
  const newId = itemId(write.body);
  if (old !== undefined && newId !== id) await checkFree(commit, logical, newId);
  const ttl = itemTtl(write.body);
  await checkUnique(commit, logical, write.body, stored);
  if (stored !== undefined && expired) await removeItem(commit, logical, id, stored, true);
  return putItem(commit, logical, { id, newId, old, ttl, body: write.body, exact: write.exact });
}

function checkState(write: ItemWrite, old: StoredItem | undefined): void {
  if (write.kind === "create") {
    if (old !== undefined) throw conflict();
    return;
  }
  if (old === undefined && write.kind !== "upsert") throw notFound();
  // An upsert of a missing item ignores If-Match and creates it, as the service does.
  if (
    old !== undefined &&
    write.ifMatch !== undefined &&
    write.ifMatch !== "*" &&
    write.ifMatch !== old.etag
  ) {
    throw preconditionFailed();
  }
}

/** A rename may not take the place of a living item. */
async function checkFree(commit: Commit, logical: LogicalPartition, id: string): Promise<void> {
  if ((await findLiveItem(commit, logical, { id })) !== undefined) throw conflict();
}

/** `ttl` of an item: -1 or 1 to 2147483647 seconds; absent is 0 here. */
function itemTtl(body: ItemBody): number {
  const ttl = body["ttl"];
  if (ttl === undefined) return 0;
  if (!Number.isInteger(ttl) || Number(ttl) < -1 || Number(ttl) === 0 || Number(ttl) > ttlMax) {
    throw badRequest(
      `The input ttl '${String(ttl).slice(0, 40)}' is invalid. Ensure to provide a nonzero positive integer.`,
    );
  }
  return Number(ttl);
}

async function checkUnique(
  commit: Commit,
  logical: LogicalPartition,
  body: ItemBody,
  stored: StoredItem | undefined,
): Promise<void> {
  for (const key of uniqueKeysOf(commit.container, logical, body)) {
    const holder = await commit.transaction.get(key);
    if (holder === undefined || decodeNumber(holder) === stored?.number) continue;
    const other = await readItemNumber(commit.transaction, commit.container, decodeNumber(holder));
    if (other !== undefined && !isExpired(other, commit.container, commit.ts)) {
      throw conflict("Unique index constraint violation.", 3301);
    }
  }
}

function takeLsn(commit: Commit): { readonly lsn: number; readonly sub: number } {
  const { partition, transaction } = commit;
  if (commit.lsn === 0) {
    partition.allocatedLsn += 1;
    const lsn = partition.allocatedLsn;
    commit.lsn = lsn;
    transaction.afterCommit(() => {
      partition.committedLsn = Math.max(partition.committedLsn, lsn);
    });
  }
  const sub = commit.nextSub;
  commit.nextSub += 1;
  return { lsn: commit.lsn, sub };
}

interface Put extends WrittenDocument {
  readonly id: string;
  readonly newId: string;
  readonly old: StoredItem | undefined;
  readonly ttl: number;
}

async function putItem(commit: Commit, logical: LogicalPartition, put: Put): Promise<WriteResult> {
  const { transaction, container, partition, ts } = commit;
  const { old, id, newId } = put;
  const { lsn, sub } = takeLsn(commit);
  const number = old?.number ?? nextNumber(partition);
  const etag = itemEtag(lsn, sub, ts);
  const place = { number, lsn, sub, logRange: partition.index, ts, ttl: put.ttl, epk: logical.epk };
  const { item, value } = composeItem(place, ownJson(put), systemJson(container, number, etag, ts));
  if (item.json.length > itemBytesMax) throw tooLarge();
  if (old === undefined || newId !== id)
    transaction.put(nameKey(container, logical, newId), encodeNumber(number));
  if (old !== undefined) {
    if (newId !== id) transaction.delete(nameKey(container, logical, id));
    await forget(commit, logical, old);
  }
  transaction.put(itemKey(container, number), value);
  for (const key of uniqueKeysOf(container, logical, put.body)) transaction.put(key, encodeNumber(number));
  queueExpiry(commit, item);
  const outcome = old === undefined ? "created" : "replaced";
  log(commit, { outcome, lsn, sub, item, old, expired: false });
  return { outcome, item };
}

/** Deletes an item that exists; `expired` when its time to live did it. */
export async function removeItem(
  commit: Commit,
  logical: LogicalPartition,
  id: string,
  old: StoredItem,
  expired: boolean,
): Promise<WriteResult> {
  const { lsn, sub } = takeLsn(commit);
  commit.transaction.delete(itemKey(commit.container, old.number));
  commit.transaction.delete(nameKey(commit.container, logical, id));
  await forget(commit, logical, old);
  log(commit, { outcome: "deleted", lsn, sub, item: old, old, expired });
  return { outcome: "deleted", item: { ...old, lsn } };
}

/** Removes what pointed at the item's old version: its unique keys and, unless history is kept, its log entry. */
async function forget(commit: Commit, logical: LogicalPartition, old: StoredItem): Promise<void> {
  const { transaction, container, keepsHistory } = commit;
  if (container.properties["uniqueKeyPolicy"] !== undefined) {
    const body = JSON.parse(old.json.toString("utf8")) as ItemBody;
    for (const key of uniqueKeysOf(container, logical, body)) {
      const holder = await transaction.get(key);
      // An expired item may have lost its values to another one already.
      if (holder !== undefined && decodeNumber(holder) === old.number) transaction.delete(key);
    }
  }
  if (!keepsHistory) transaction.delete(logKey(container, old.logRange, old.lsn, old.sub));
}

interface Logged extends WriteResult {
  readonly lsn: number;
  readonly sub: number;
  readonly old: StoredItem | undefined;
  readonly expired: boolean;
}

function log(commit: Commit, { outcome, lsn, sub, item, old, expired }: Logged): void {
  const { transaction, container, partition, keepsHistory, ts } = commit;
  const text = (stored: StoredItem | undefined): { json?: string } =>
    stored === undefined ? {} : { json: stored.json.toString("utf8") };
  const history = keepsHistory
    ? {
        history: {
          ...(outcome === "deleted" ? {} : { current: text(item).json }),
          ...(old === undefined ? {} : { previous: text(old).json, previousLsn: old.lsn }),
          expired,
        },
      }
    : {};
  const entry = { outcome, number: item.number, allocated: partition.allocatedNumber, ts, ...history };
  transaction.put(logKey(container, partition.index, lsn, sub), encodeLogEntry(entry));
}

function nextNumber(partition: Partition): number {
  partition.allocatedNumber += 1;
  return partition.index * numbersPerRange + partition.allocatedNumber;
}

/** Items that will expire stand in a queue by time, from which the background sweep takes them (ttl.ts). */
function queueExpiry(commit: Commit, item: StoredItem): void {
  const expiry = expiryOf(item, commit.container);
  if (expiry !== undefined)
    commit.transaction.put(expiryKey(commit.container, expiry, item.number), new Uint8Array(0));
}

export function expiryKey(container: ContainerRecord, expiry: number, number: number): Bytes {
  return encodeKey(["cosmos-t", container.uid, container.number, expiry, number]);
}

/** An item's properties without those that the system sets. */
function ownJson({ body, exact }: WrittenDocument): string {
  if (exact !== undefined) {
    const members = Object.entries(body).filter(([name]) => !systemProperties.has(name));
    const text = ([name, value]: readonly [string, unknown]): string =>
      `${JSON.stringify(name)}:${exact.get(name) ?? JSON.stringify(value)}`;
    return `{${members.map(text).join()}}`;
  }
  const own = Object.keys(body).some((name) => systemProperties.has(name))
    ? Object.fromEntries(Object.entries(body).filter(([name]) => !systemProperties.has(name)))
    : body;
  return JSON.stringify(own);
}

/** The properties that the system sets: plain ASCII. */
function systemJson(container: ContainerRecord, number: number, etag: string, ts: number): string {
  const rid = childRid(container.rid, "item", number);
  const self = `dbs/${container.databaseRid}/colls/${container.rid}/docs/${rid}/`;
  return `{"_rid":"${rid}","_self":"${self}","_etag":${JSON.stringify(etag)},"_attachments":"attachments/","_ts":${ts}}`;
}

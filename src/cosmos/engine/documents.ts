/**
 * Items: how they are stored, read and written. One write is one transaction of its range and puts down three things
 * at most: the item under its number, the number under partition key and id (only when they are new), and one entry
 * of the range's log. The stored JSON is final, system properties included, so a point read sends it as it lies.
 */
import type { Clock } from "../../clock.ts";
import { encodeKey, prefixRange } from "../../storage/keys.ts";
import type { Bytes, KeyRange, Reader, Store, Transaction } from "../../storage/port.ts";
import { badRequest, conflict, notFound, preconditionFailed, tooLarge } from "../errors.ts";
import type { LogicalPartition } from "./partition-key.ts";
import { logKey, type Partition } from "./partitions.ts";
import { seconds } from "./records.ts";
import { childRid } from "./resource-ids.ts";

/** Service limit: 2 MB of UTF-8 per item. */
export const itemBytesMax: number = 2 * 1024 * 1024;
const idBytesMax = 1023;
/** Version, LSN and timestamp ahead of the JSON. */
const headerBytes = 13;
const formatVersion = 1;

export interface StoredItem {
  /** Position of the item in its range; the order of feeds and queries without ORDER BY. */
  readonly number: number;
  readonly lsn: number;
  readonly ts: number;
  readonly etag: string;
  readonly json: Buffer;
}

export type ItemBody = Readonly<Record<string, unknown>>;

export type ItemWrite =
  | { readonly kind: "create"; readonly body: ItemBody }
  | { readonly kind: "upsert"; readonly body: ItemBody; readonly ifMatch?: string }
  | { readonly kind: "replace"; readonly id: string; readonly body: ItemBody; readonly ifMatch?: string }
  | { readonly kind: "delete"; readonly id: string; readonly ifMatch?: string };

export interface WriteResult {
  readonly outcome: "created" | "replaced" | "deleted";
  readonly lsn: number;
  /** The item after the write; after a delete, the item that is gone. */
  readonly item: StoredItem;
}

const logOperations = { created: 1, replaced: 2, deleted: 3 } as const;

/** System properties that a client cannot set; what it sends under these names is dropped, never an error. */
const systemProperties: ReadonlySet<string> = new Set(["_rid", "_self", "_etag", "_attachments", "_ts"]);

/** The id of an item body: a string of 1 to 1023 bytes without `/`, `\` and `#`. */
export function itemId(body: ItemBody): string {
  const id = body["id"];
  if (typeof id !== "string" || id === "") {
    throw badRequest("The input content is invalid because the required properties - 'id; ' - are missing");
  }
  if (Buffer.byteLength(id) > idBytesMax)
    throw badRequest(`The id of an item cannot be longer than ${idBytesMax} bytes.`);
  // A lone surrogate has no UTF-8 form, so the id could not be addressed again.
  if (/[/\\#]|\p{Surrogate}/u.test(id))
    throw badRequest("The id of an item cannot contain '/', '\\', '#' or half a character.");
  return id;
}

/** The item with this partition key and id, or `undefined`. */
export async function readItem(
  reader: Reader,
  partition: Partition,
  logical: LogicalPartition,
  id: string,
): Promise<StoredItem | undefined> {
  const name = await reader.get(nameKey(partition, logical, id));
  if (name === undefined) return undefined;
  const number = numberOf(name);
  const value = await reader.get(itemKey(partition, number));
  return value === undefined ? undefined : decodeItem(number, value);
}

/** Items of a range in the order of their creation, after `position`; at most `limit`. */
export async function scanItems(
  reader: Reader,
  partition: Partition,
  position: number,
  limit: number,
): Promise<readonly StoredItem[]> {
  const all = prefixRange(containerParts("cosmos-d", partition));
  const range: KeyRange = { start: itemKey(partition, position + 1), end: all.end };
  return (await reader.range(range, limit)).map((entry) => decodeItem(lastNumber(entry.key), entry.value));
}

/** Numbers of the items of one logical partition, ascending. */
export async function partitionItemNumbers(
  reader: Reader,
  partition: Partition,
  logical: LogicalPartition,
): Promise<readonly number[]> {
  const range = prefixRange([...containerParts("cosmos-k", partition), epkBytes(logical.epk), logical.tag]);
  const entries = await reader.range(range, Number.MAX_SAFE_INTEGER);
  return entries.map((entry) => numberOf(entry.value)).sort((a, b) => a - b);
}

/** The item with this number, or `undefined` when it was deleted. */
export async function readItemNumber(
  reader: Reader,
  partition: Partition,
  number: number,
): Promise<StoredItem | undefined> {
  const value = await reader.get(itemKey(partition, number));
  return value === undefined ? undefined : decodeItem(number, value);
}

/** Performs one write durably. */
export async function writeItem(
  store: Store,
  clock: Clock,
  partition: Partition,
  logical: LogicalPartition,
  write: ItemWrite,
): Promise<WriteResult> {
  return store.transact([partition.lock], (transaction) =>
    applyWrite(transaction, clock, partition, logical, write),
  );
}

/** Performs one write inside a transaction that holds the range's lock. */
export async function applyWrite(
  transaction: Transaction,
  clock: Clock,
  partition: Partition,
  logical: LogicalPartition,
  write: ItemWrite,
): Promise<WriteResult> {
  const id = write.kind === "replace" || write.kind === "delete" ? write.id : itemId(write.body);
  const old = await readItem(transaction, partition, logical, id);
  checkState(write, old);
  const lsn = nextLsn(transaction, partition);
  if (write.kind === "delete") return remove(transaction, partition, logical, id, old as StoredItem, lsn);
  const number = old?.number ?? lsn;
  const item = encodeItem(partition, number, lsn, seconds(clock), write.body);
  const newId = itemId(write.body);
  if (old === undefined || newId !== id) await putName(transaction, partition, logical, newId, number);
  if (old !== undefined && newId !== id) transaction.delete(nameKey(partition, logical, id));
  transaction.put(itemKey(partition, number), item.value);
  const outcome = old === undefined ? "created" : "replaced";
  transaction.put(logKey(partition, lsn), logEntry(outcome, number));
  return { outcome, lsn, item: item.stored };
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

function nextLsn(transaction: Transaction, partition: Partition): number {
  partition.allocatedLsn += 1;
  const lsn = partition.allocatedLsn;
  transaction.afterCommit(() => {
    partition.committedLsn = Math.max(partition.committedLsn, lsn);
  });
  return lsn;
}

function remove(
  transaction: Transaction,
  partition: Partition,
  logical: LogicalPartition,
  id: string,
  old: StoredItem,
  lsn: number,
): WriteResult {
  transaction.delete(itemKey(partition, old.number));
  transaction.delete(nameKey(partition, logical, id));
  transaction.put(logKey(partition, lsn), logEntry("deleted", old.number));
  return { outcome: "deleted", lsn, item: old };
}

async function putName(
  transaction: Transaction,
  partition: Partition,
  logical: LogicalPartition,
  id: string,
  number: number,
): Promise<void> {
  const key = nameKey(partition, logical, id);
  if ((await transaction.get(key)) !== undefined) throw conflict();
  const value = Buffer.alloc(8);
  value.writeDoubleBE(number);
  transaction.put(key, value);
}

function encodeItem(
  partition: Partition,
  number: number,
  lsn: number,
  ts: number,
  body: ItemBody,
): { readonly value: Buffer; readonly stored: StoredItem } {
  const etag = itemEtag(lsn, ts);
  const rid = childRid(partition.container.rid, "item", number);
  const json = Buffer.from(itemJson(partition, rid, etag, ts, body), "utf8");
  if (json.length > itemBytesMax) throw tooLarge();
  const value = Buffer.allocUnsafe(headerBytes + json.length);
  value[0] = formatVersion;
  value.writeDoubleBE(lsn, 1);
  value.writeUInt32BE(ts, 9);
  json.copy(value, headerBytes);
  return { value, stored: { number, lsn, ts, etag, json } };
}

function itemJson(partition: Partition, rid: string, etag: string, ts: number, body: ItemBody): string {
  const own = Object.keys(body).some((name) => systemProperties.has(name))
    ? Object.fromEntries(Object.entries(body).filter(([name]) => !systemProperties.has(name)))
    : body;
  const text = JSON.stringify(own);
  const { databaseRid, rid: containerRid } = partition.container;
  const self = `dbs/${databaseRid}/colls/${containerRid}/docs/${rid}/`;
  const system = `"_rid":"${rid}","_self":"${self}","_etag":${JSON.stringify(etag)},"_attachments":"attachments/","_ts":${ts}}`;
  return `${text.slice(0, -1)},${system}`;
}

function decodeItem(number: number, value: Bytes): StoredItem {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes[0] !== formatVersion)
    throw new Error(`item ${number} has the unknown storage format ${String(bytes[0])}`);
  const lsn = bytes.readDoubleBE(1);
  const ts = bytes.readUInt32BE(9);
  return { number, lsn, ts, etag: itemEtag(lsn, ts), json: bytes.subarray(headerBytes) };
}

/** Derived from LSN and time, so it changes with every write and need not be stored beside the JSON. */
function itemEtag(lsn: number, ts: number): string {
  const low = (lsn % 2 ** 32).toString(16).padStart(8, "0");
  const high = Math.floor(lsn / 2 ** 32)
    .toString(16)
    .padStart(4, "0");
  return `"${low}-${high}-0700-0000-${ts.toString(16).padStart(8, "0")}0000"`;
}

function logEntry(outcome: keyof typeof logOperations, number: number): Bytes {
  const entry = Buffer.alloc(9);
  entry[0] = logOperations[outcome];
  entry.writeDoubleBE(number, 1);
  return entry;
}

function containerParts(space: string, partition: Partition): readonly [string, string, number, string] {
  return [space, partition.container.uid, partition.container.number, partition.range.id];
}

function itemKey(partition: Partition, number: number): Bytes {
  return encodeKey([...containerParts("cosmos-d", partition), number]);
}

function nameKey(partition: Partition, logical: LogicalPartition, id: string): Bytes {
  return encodeKey([...containerParts("cosmos-k", partition), epkBytes(logical.epk), logical.tag, id]);
}

function epkBytes(epk: string): Bytes {
  return Buffer.from(epk, "hex");
}

function numberOf(value: Bytes): number {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).readDoubleBE(0);
}

/** The number at the end of an item key: eight bytes of a positive double with the sign bit flipped (keys.ts). */
function lastNumber(key: Bytes): number {
  const bytes = Buffer.from(key.slice(-8));
  bytes[0] = (bytes[0] ?? 0) ^ 0x80;
  return bytes.readDoubleBE(0);
}

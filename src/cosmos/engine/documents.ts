/**
 * Items as they are stored and read. An item lies under its number, which tells where it was created; a second entry
 * leads from partition key and id to the number. The stored JSON is final, system properties included, so a point read
 * sends it as it lies. Writing is `item-writes.ts`.
 */
import { after, encodeKey, prefixRange, trailingNumber } from "../../storage/keys.ts";
import type { Bytes, Reader } from "../../storage/port.ts";
import { badRequest, invalidName } from "../errors.ts";
import type { LogicalPartition } from "./partition-key.ts";
import type { ContainerRecord, PhysicalRange } from "./records.ts";

/** Service limit: 2 MB of UTF-8 per item. */
export const itemBytesMax: number = 2 * 1024 * 1024;
const idBytesMax = 1023;

/** Item numbers of one range's creations: `range * numbersPerRange + n`, so that they rise with ranges and time. */
export const numbersPerRange: number = 2 ** 36;

export interface StoredItem {
  /** Position of the item in its container; the order of feeds and of queries without ORDER BY. */
  readonly number: number;
  readonly lsn: number;
  /** Position among the writes of one commit. */
  readonly sub: number;
  /** The range whose log has the item's last write. */
  readonly logRange: number;
  /** Seconds since the epoch of the last write. */
  readonly ts: number;
  /** The item's own `ttl` in seconds, -1 for never, 0 for none. */
  readonly ttl: number;
  /** Effective partition key, upper-case hexadecimal. */
  readonly epk: string;
  readonly etag: string;
  readonly json: Buffer;
}

export type ItemBody = Readonly<Record<string, unknown>>;

/** Version, LSN, time, range and place in the log, TTL, length of the effective partition key that follows. */
const layout = { version: 0, lsn: 1, ts: 9, logRange: 13, sub: 17, ttl: 21, epkLength: 25, epk: 26 } as const;
const formatVersion = 1;
const comma = 0x2c;

/** The id of an item body: a string of 1 to 1023 bytes without `/`, `\` and `#`. */
export function itemId(body: ItemBody): string {
  const id = body["id"];
  if (typeof id !== "string" || id === "") {
    throw badRequest("The input content is invalid because the required properties - 'id; ' - are missing");
  }
  if (Buffer.byteLength(id) > idBytesMax) throw invalidName(id, idBytesMax + 1);
  // A lone surrogate has no UTF-8 form, so the id could not be addressed again.
  if (/[/\\#]|\p{Surrogate}/u.test(id)) {
    throw badRequest("The id of an item cannot contain '/', '\\', '#' or half a character.");
  }
  return id;
}

/** The id of a stored item. */
export function idOf(item: StoredItem): string {
  return String((JSON.parse(item.json.toString("utf8")) as ItemBody)["id"]);
}

/** The item with this partition key and id, expired or not; `undefined` when there is none. */
export async function readStoredItem(
  reader: Reader,
  container: ContainerRecord,
  logical: LogicalPartition,
  id: string,
): Promise<StoredItem | undefined> {
  const name = await reader.get(nameKey(container, logical, id));
  return name === undefined ? undefined : readItemNumber(reader, container, decodeNumber(name));
}

/** The item with this number, or `undefined` when it was deleted. */
export async function readItemNumber(
  reader: Reader,
  container: ContainerRecord,
  number: number,
): Promise<StoredItem | undefined> {
  const value = await reader.get(itemKey(container, number));
  return value === undefined ? undefined : decodeItem(number, value);
}

/** Items of the container with numbers from `start` up to but not including `end`, ascending; at most `limit`. */
export async function scanItems(
  reader: Reader,
  container: ContainerRecord,
  start: number,
  end: number,
  limit: number,
): Promise<readonly StoredItem[]> {
  const range = { start: itemKey(container, start), end: itemKey(container, end) };
  return (await reader.range(range, limit)).map((entry) =>
    decodeItem(trailingNumber(entry.key), entry.value),
  );
}

/** Numbers of the items of one logical partition, ascending. */
export async function partitionItemNumbers(
  reader: Reader,
  container: ContainerRecord,
  logical: LogicalPartition,
): Promise<readonly number[]> {
  const prefix = prefixRange([...containerParts("cosmos-k", container), epkBytes(logical.epk), logical.tag]);
  const numbers: number[] = [];
  const page = 1000;
  let { start } = prefix;
  for (;;) {
    const entries = await reader.range({ start, end: prefix.end }, page);
    for (const entry of entries) numbers.push(decodeNumber(entry.value));
    const last = entries.at(-1);
    if (last === undefined || entries.length < page) return numbers.sort((a, b) => a - b);
    start = after(last.key);
  }
}

/** True when the logical partition has more than `count` items. */
export async function partitionHasMore(
  reader: Reader,
  container: ContainerRecord,
  logical: LogicalPartition,
  count: number,
): Promise<boolean> {
  const prefix = prefixRange([...containerParts("cosmos-k", container), epkBytes(logical.epk), logical.tag]);
  return (await reader.range(prefix, count + 1)).length > count;
}

/** True when the effective partition key lies in the range. */
export function inRange(epk: string, { min, max }: Pick<PhysicalRange, "min" | "max">): boolean {
  return min <= epk && epk < max;
}

/** True when the item's time to live is over: `_ts` plus its own TTL, else the container's default. */
export function isExpired(
  item: Pick<StoredItem, "ts" | "ttl">,
  container: ContainerRecord,
  nowSeconds: number,
): boolean {
  const expiry = expiryOf(item, container);
  return expiry !== undefined && expiry <= nowSeconds;
}

/** The second at which the item expires, or `undefined`. A container without `defaultTtl` ignores items' own. */
export function expiryOf(
  item: Pick<StoredItem, "ts" | "ttl">,
  container: ContainerRecord,
): number | undefined {
  const defaultTtl = container.properties["defaultTtl"];
  if (typeof defaultTtl !== "number") return undefined;
  const ttl = item.ttl === 0 ? defaultTtl : item.ttl;
  return ttl < 0 ? undefined : item.ts + ttl;
}

/** Where the item's bytes lie. */
export function itemKey(container: ContainerRecord, number: number): Bytes {
  return encodeKey([...containerParts("cosmos-d", container), number]);
}

/** Where partition key and id lead to the number. */
export function nameKey(container: ContainerRecord, logical: LogicalPartition, id: string): Bytes {
  return encodeKey([...containerParts("cosmos-k", container), epkBytes(logical.epk), logical.tag, id]);
}

/** The parts that every key of a container's data in `space` begins with. */
export function containerParts(space: string, container: ContainerRecord): readonly [string, string, number] {
  return [space, container.uid, container.number];
}

export function encodeNumber(number: number): Bytes {
  const value = Buffer.alloc(8);
  value.writeDoubleBE(number);
  return value;
}

export function decodeNumber(value: Bytes): number {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).readDoubleBE(0);
}

/**
 * An item made of the JSON texts of its own properties and of the system's, neither empty, and the bytes to store, of
 * which its `json` is a part: written once, where it stays.
 */
export function composeItem(
  place: Omit<StoredItem, "etag" | "json">,
  own: string,
  system: string,
): { readonly item: StoredItem; readonly value: Bytes } {
  const epkLength = place.epk.length / 2;
  const jsonStart = layout.epk + epkLength;
  // The two objects become one: a comma takes the place of the first one's last brace, the second one's first is left out.
  const systemStart = jsonStart + Buffer.byteLength(own, "utf8");
  const value = Buffer.allocUnsafe(systemStart + system.length - 1);
  value[layout.version] = formatVersion;
  value.writeDoubleBE(place.lsn, layout.lsn);
  value.writeUInt32BE(place.ts, layout.ts);
  value.writeUInt32BE(place.logRange, layout.logRange);
  value.writeUInt32BE(place.sub, layout.sub);
  value.writeInt32BE(place.ttl, layout.ttl);
  value[layout.epkLength] = epkLength;
  value.write(place.epk, layout.epk, "hex");
  // Of the system's text the first character lies where the last of the own one goes: it is written first.
  value.write(system, systemStart - 1, "latin1");
  value.write(own, jsonStart, "utf8");
  value[systemStart - 1] = comma;
  const etag = itemEtag(place.lsn, place.sub, place.ts);
  return { item: { ...place, etag, json: value.subarray(jsonStart) }, value };
}

export function decodeItem(number: number, value: Bytes): StoredItem {
  const bytes = itemBytes(number, value);
  const lsn = bytes.readDoubleBE(layout.lsn);
  const ts = bytes.readUInt32BE(layout.ts);
  const sub = bytes.readUInt32BE(layout.sub);
  const jsonStart = layout.epk + (bytes[layout.epkLength] ?? 0);
  return {
    number,
    lsn,
    sub,
    ts,
    logRange: bytes.readUInt32BE(layout.logRange),
    ttl: bytes.readInt32BE(layout.ttl),
    epk: bytes.toString("hex", layout.epk, jsonStart).toUpperCase(),
    etag: itemEtag(lsn, sub, ts),
    json: bytes.subarray(jsonStart),
  };
}

/** What a query that reads very many items needs of each; the rest costs more than finding the item. */
export type ItemVersion = Pick<StoredItem, "lsn" | "logRange" | "ts" | "ttl" | "json">;

export function decodeVersion(number: number, value: Bytes): ItemVersion {
  const bytes = itemBytes(number, value);
  return {
    lsn: bytes.readDoubleBE(layout.lsn),
    ts: bytes.readUInt32BE(layout.ts),
    logRange: bytes.readUInt32BE(layout.logRange),
    ttl: bytes.readInt32BE(layout.ttl),
    json: bytes.subarray(layout.epk + (bytes[layout.epkLength] ?? 0)),
  };
}

function itemBytes(number: number, value: Bytes): Buffer {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes[layout.version] === formatVersion) return bytes;
  throw new Error(`item ${number} has the unknown storage format ${String(bytes[layout.version])}`);
}

/** Derived from the place in the log and the time, so it changes with every write and is not stored twice. */
export function itemEtag(lsn: number, sub: number, ts: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  const high = Math.floor(lsn / 2 ** 32);
  return `"${hex(lsn % 2 ** 32, 8)}-${hex(high, 4)}-${hex(sub % 65536, 4)}-0000-${hex(ts, 8)}0000"`;
}

function epkBytes(epk: string): Buffer {
  return Buffer.from(epk, "hex");
}

/**
 * JSON records of the control plane in the store. Every key starts with the part "arm"; this is the one place that
 * turns records into bytes, so the rest of the room speaks of keys as tuples and of values as typed records.
 */
import { after, encodeKey, type KeyPart, prefixRange } from "../storage/keys.ts";
import type { Reader, Transaction } from "../storage/port.ts";

/** The lock that every transaction of this room holds: control-plane writes run one after another. */
export const armLock = "arm";

const pageSize = 500;

export type RecordKey = readonly KeyPart[];

export async function getRecord<T>(reader: Reader, key: RecordKey): Promise<T | undefined> {
  const bytes = await reader.get(encodeKey(["arm", ...key]));
  return bytes === undefined ? undefined : decodeRecord<T>(bytes);
}

export function putRecord(transaction: Transaction, key: RecordKey, record: unknown): void {
  transaction.put(encodeKey(["arm", ...key]), Buffer.from(JSON.stringify(record)));
}

export function deleteRecord(transaction: Transaction, key: RecordKey): void {
  transaction.delete(encodeKey(["arm", ...key]));
}

/** Every record whose key starts with `prefix`, in key order. */
export async function listRecords<T>(reader: Reader, prefix: RecordKey): Promise<T[]> {
  const records: T[] = [];
  for await (const entry of entriesUnder(reader, prefix)) records.push(decodeRecord<T>(entry.value));
  return records;
}

/** Deletes every record whose key starts with `prefix`. */
export async function deleteRecords(transaction: Transaction, prefix: RecordKey): Promise<void> {
  const keys: Uint8Array[] = [];
  for await (const entry of entriesUnder(transaction, prefix)) keys.push(entry.key);
  for (const key of keys) transaction.delete(key);
}

async function* entriesUnder(
  reader: Reader,
  prefix: RecordKey,
): AsyncGenerator<{ key: Uint8Array; value: Uint8Array }> {
  let range = prefixRange(["arm", ...prefix]);
  for (;;) {
    const page = await reader.range(range, pageSize);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    range = { start: after(last.key), end: range.end };
  }
}

function decodeRecord<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes).toString("utf8")) as T;
}

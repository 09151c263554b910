/**
 * Freeing the space of what was deleted. Deleting a container only removes its record and leaves a mark, in one
 * transaction; the items are unreachable from then on, and `purge` removes them later, page by page, so that no writer
 * waits for a million deletes. A mark survives a crash.
 */
import { after, decodeKey, encodeKey, prefixRange } from "../../storage/keys.ts";
import type { KeyRange, Store, Transaction } from "../../storage/port.ts";
import { type ChildKind, type ContainerRecord, contentRange } from "./records.ts";

const page = 500;
const marks = prefixRange(["cosmos", "purge"]);

/** The key spaces of a container: items, names, log, unique keys, expiries (documents.ts, item-writes.ts), index. */
export const containerSpaces = [
  "cosmos-d",
  "cosmos-k",
  "cosmos-l",
  "cosmos-u",
  "cosmos-t",
  "cosmos-i",
] as const;

/** Deletes every entry of `range` in this transaction. */
export async function deleteRange(transaction: Transaction, range: KeyRange): Promise<void> {
  let start = range.start;
  for (;;) {
    const entries = await transaction.range({ start, end: range.end }, page);
    for (const entry of entries) transaction.delete(entry.key);
    const last = entries.at(-1);
    if (last === undefined || entries.length < page) return;
    start = after(last.key);
  }
}

const scriptKinds: readonly ChildKind[] = ["storedProcedure", "trigger", "userDefinedFunction"];
const childKinds: readonly ChildKind[] = [...scriptKinds, "user", "permission", "clientEncryptionKey"];

/** Deletes the scripts of a container, or with only a database all resources of child-resources.ts below that. */
export async function deleteChildren(
  transaction: Transaction,
  account: string,
  database: string,
  container?: string,
): Promise<void> {
  const names = container === undefined ? [database] : [database, container];
  const kinds = container === undefined ? childKinds : scriptKinds;
  for (const kind of kinds) await deleteRange(transaction, contentRange(account, kind, ...names));
}

/** Remembers that everything of this container is to go. */
export function markForPurge(
  transaction: Transaction,
  { uid, number }: Pick<ContainerRecord, "uid" | "number">,
): void {
  transaction.put(encodeKey(["cosmos", "purge", uid, number]), new Uint8Array(0));
}

/** Removes what the marks name, and then the marks. Safe to repeat and to interrupt. */
export async function purge(store: Store): Promise<void> {
  for (const mark of await store.range(marks, page)) {
    const [uid, number] = decodeKey(mark.key).slice(2);
    if (typeof uid !== "string" || typeof number !== "number")
      throw new Error("a purge mark names uid and number");
    for (const space of containerSpaces) await purgeRange(store, prefixRange([space, uid, number]));
    await store.transact(["cosmos-purge"], async (transaction) => transaction.delete(mark.key));
  }
}

async function purgeRange(store: Store, range: KeyRange): Promise<void> {
  for (;;) {
    const entries = await store.range(range, page);
    if (entries.length === 0) return;
    await store.transact(["cosmos-purge"], async (transaction) => {
      for (const entry of entries) transaction.delete(entry.key);
    });
  }
}

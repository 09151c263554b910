/** Deleting whole ranges: inside a transaction for small ones, in the background for what nobody can reach any more. */
import { after } from "../../storage/keys.ts";
import type { KeyRange, Store, Transaction } from "../../storage/port.ts";

const page = 500;

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

/** Deletes an unreachable range page by page, each in its own transaction, so that no writer waits long. */
export async function purgeRange(store: Store, range: KeyRange): Promise<void> {
  for (;;) {
    const entries = await store.range(range, page);
    if (entries.length === 0) return;
    await store.transact(["cosmos-purge"], async (transaction) => {
      for (const entry of entries) transaction.delete(entry.key);
    });
  }
}

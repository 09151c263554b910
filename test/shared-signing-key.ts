/**
 * Finding a signing key takes some hundred milliseconds, so the fixtures of a test file share the first one's: its
 * record is copied into each new store. The key is still real, and so is every token.
 */
import type { Identity } from "../src/identity/identity.ts";
import { prefixRange } from "../src/storage/keys.ts";
import type { Entry, Store } from "../src/storage/port.ts";

const signingKeys = prefixRange(["identity", "signingKey"]);

/** By the time at which the fixture's clock stands: keys have an age. */
const shared = new Map<number, readonly Entry[]>();

/** Before identity is opened on `store`: puts the shared key there, if there is one and the store has none. */
export async function shareSigningKey(store: Store, now: number): Promise<void> {
  const entries = shared.get(now);
  if (entries === undefined || (await store.range(signingKeys, 1)).length > 0) return;
  await store.transact([], async (transaction) => {
    for (const { key, value } of entries) transaction.put(key, value);
  });
}

/** After it was opened: keeps its key for the next ones. */
export async function keepSigningKey(store: Store, now: number, identity: Identity): Promise<void> {
  if (shared.has(now)) return;
  await identity.keys.published();
  shared.set(now, await store.range(signingKeys, 10));
}

/**
 * Revocation of a principal's tokens: everything issued up to a moment is refused from then on. In memory for the
 * verifier, which asks at every request, and in the store for the next start.
 */
import type { Clock } from "../clock.ts";
import type { Store } from "../storage/port.ts";
import type { RevocationRecord } from "./records.ts";
import { collection, encodeRecord, recordKey, scanRecords } from "./records.ts";

/** Longest life of a token; a revocation is of no use after it. */
const KEPT_SECONDS = 28 * 3600;

export interface Revocations {
  /** The last second whose tokens are refused, or `undefined`. */
  issuedUntil(objectId: string): number | undefined;
  /** Refuses every token of this principal issued until now. */
  revoke(objectId: string): Promise<void>;
  onChange(listener: () => void): void;
}

/** Loads the revocations in `store`. */
export async function openRevocations(options: {
  readonly store: Store;
  readonly clock: Clock;
}): Promise<Revocations> {
  const { store, clock } = options;
  const listeners: (() => void)[] = [];
  const until = new Map<string, number>();
  for (const record of await scanRecords<RevocationRecord>(store, collection.revocations())) {
    until.set(record.objectId, record.issuedUntil);
  }
  return {
    issuedUntil: (objectId) => until.get(objectId),
    async revoke(objectId) {
      const id = objectId.toLowerCase();
      const now = Math.floor(clock.now() / 1000);
      await store.transact(["identity-revocations"], async (transaction) => {
        for (const old of await scanRecords<RevocationRecord>(transaction, collection.revocations())) {
          if (old.issuedUntil + KEPT_SECONDS < now) transaction.delete(recordKey.revocation(old.objectId));
        }
        const record: RevocationRecord = { objectId: id, issuedUntil: now };
        transaction.put(recordKey.revocation(id), encodeRecord(record));
        transaction.afterCommit(() => {
          until.set(id, now);
          for (const listener of listeners) listener();
        });
      });
    },
    onChange: (listener) => void listeners.push(listener),
  };
}

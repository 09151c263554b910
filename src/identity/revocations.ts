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
  /** The last second whose tokens are refused, or `undefined`; `continuous` of those that live long (`xms_cc`). */
  issuedUntil(objectId: string, continuous: boolean): number | undefined;
  /** Refuses every token of this principal issued until now. */
  revoke(objectId: string): Promise<void>;
  /**
   * Refuses the long tokens issued until now: what a new password ends at once (documentation of continuous access
   * evaluation, "critical events"). Others live their hour.
   */
  revokeContinuous(objectId: string): Promise<void>;
  onChange(listener: () => void): void;
}

/** Loads the revocations in `store`. */
export async function openRevocations(options: {
  readonly store: Store;
  readonly clock: Clock;
}): Promise<Revocations> {
  const { store, clock } = options;
  const listeners: (() => void)[] = [];
  const known = new Map<string, RevocationRecord>();
  for (const record of await scanRecords<RevocationRecord>(store, collection.revocations())) {
    known.set(record.objectId, record);
  }
  const write = async (
    objectId: string,
    change: (old: RevocationRecord, until: number) => RevocationRecord,
  ): Promise<void> => {
    const id = objectId.toLowerCase();
    const now = Math.floor(clock.now() / 1000);
    await store.transact(["identity-revocations"], async (transaction) => {
      const records = await scanRecords<RevocationRecord>(transaction, collection.revocations());
      for (const old of records) {
        if (latest(old) + KEPT_SECONDS < now) transaction.delete(recordKey.revocation(old.objectId));
      }
      const old = records.find((each) => each.objectId === id) ?? { objectId: id, issuedUntil: 0 };
      // What was issued since an earlier revocation of this second is dated after that one.
      const record = change(old, Math.max(now, latest(old) + 1));
      transaction.put(recordKey.revocation(id), encodeRecord(record));
      transaction.afterCommit(() => {
        known.set(id, record);
        for (const listener of listeners) listener();
      });
    });
  };
  return {
    issuedUntil(objectId, continuous) {
      const record = known.get(objectId);
      if (record === undefined) return undefined;
      return continuous ? latest(record) : record.issuedUntil;
    },
    revoke: (objectId) => write(objectId, (old, until) => ({ ...old, issuedUntil: until })),
    revokeContinuous: (objectId) => write(objectId, (old, until) => ({ ...old, continuousUntil: until })),
    onChange: (listener) => void listeners.push(listener),
  };
}

function latest({ issuedUntil, continuousUntil = 0 }: RevocationRecord): number {
  return Math.max(issuedUntil, continuousUntil);
}

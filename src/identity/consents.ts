/**
 * Which applications may act for which users at which resources. A user consents by signing in to an application that
 * names the resource; an administrator may consent for everybody. Nothing else opens the grants without a dialogue.
 */
import type { DirectoryContext } from "./directory.ts";
import { findPublicClient } from "./public-clients.ts";
import type { ConsentRecord } from "./records.ts";
import { collection, encodeRecord, recordKey, scanRecords } from "./records.ts";
import { canonicalAudience } from "./resources.ts";

/** Stands for every user. */
export const everyone = "*";

export interface Consents {
  /** True when the user, or an administrator for all, let this client act at this audience. */
  has(clientId: string, audience: string, userId: string): Promise<boolean>;
  /** `userId` may be `everyone`. */
  grant(clientId: string, audience: string, userId: string): Promise<void>;
  /** False when there was none. */
  revoke(clientId: string, audience: string, userId: string): Promise<boolean>;
  list(): Promise<readonly ConsentRecord[]>;
}

/** The consents kept in the directory's store. */
export function createConsents(context: DirectoryContext): Consents {
  const { store } = context;
  const keyOf = (clientId: string, audience: string, userId: string): Uint8Array =>
    recordKey.consent(clientId, canonicalAudience(audience), userId);
  return {
    async has(clientId, audience, userId) {
      if (findPublicClient(clientId) !== undefined) return true;
      if ((await store.get(keyOf(clientId, audience, userId))) !== undefined) return true;
      return (await store.get(keyOf(clientId, audience, everyone))) !== undefined;
    },
    grant: (clientId, audience, userId) =>
      context.change(async (transaction) => {
        const record: ConsentRecord = {
          clientId: clientId.toLowerCase(),
          resource: canonicalAudience(audience),
          userId,
          grantedAt: context.clock.now(),
        };
        transaction.put(keyOf(clientId, audience, userId), encodeRecord(record));
      }),
    revoke: (clientId, audience, userId) =>
      context.change(async (transaction) => {
        const key = keyOf(clientId, audience, userId);
        if ((await transaction.get(key)) === undefined) return false;
        transaction.delete(key);
        return true;
      }),
    list: () => scanRecords<ConsentRecord>(store, collection.consents()),
  };
}

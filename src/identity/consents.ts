/**
 * Which applications may act for which users at which resources. A user consents by signing in to an application that
 * names the resource; an administrator may consent for everybody. Nothing else opens the grants without a dialogue.
 */
import type { DirectoryContext } from "./directory.ts";
import { findPublicClient } from "./public-clients.ts";
import type { ConsentRecord } from "./records.ts";
import { collection, encodeRecord, readRecord, recordKey, scanRecords } from "./records.ts";
import { canonicalAudience, isPlatformAudience } from "./resources.ts";

/** Stands for every user. */
export const everyone = "*";

export interface Consents {
  /** True when the user, or an administrator for all, let this client act at this audience with these permissions. */
  has(clientId: string, audience: string, userId: string, names: readonly string[]): Promise<boolean>;
  /** Adds permissions, or all of them when none are named. `userId` may be `everyone`. */
  grant(clientId: string, audience: string, userId: string, names?: readonly string[]): Promise<void>;
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
    async has(clientId, audience, userId, names) {
      // Developers' own tools are preauthorised at the services of the platform, and at no application of a tenant.
      if (findPublicClient(clientId) !== undefined && isPlatformAudience(audience)) return true;
      const own = await readRecord<ConsentRecord>(store, keyOf(clientId, audience, userId));
      const common = await readRecord<ConsentRecord>(store, keyOf(clientId, audience, everyone));
      return names.every((name) => covers(own, name) || covers(common, name));
    },
    grant: (clientId, audience, userId, names) =>
      context.change(async (transaction) => {
        const key = keyOf(clientId, audience, userId);
        const before = await readRecord<ConsentRecord>(transaction, key);
        const added = names?.map((name) => name.toLowerCase());
        const all = added === undefined || (before !== undefined && before.names === undefined);
        const record: ConsentRecord = {
          clientId: clientId.toLowerCase(),
          resource: canonicalAudience(audience),
          userId,
          ...(all ? {} : { names: [...new Set([...(before?.names ?? []), ...added])] }),
          grantedAt: context.clock.now(),
        };
        transaction.put(key, encodeRecord(record));
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

/** Who consented to what `.default` names consented to everything that the client may ask for. */
function covers(record: ConsentRecord | undefined, name: string): boolean {
  if (record === undefined) return false;
  const { names } = record;
  return names === undefined || names.includes("user_impersonation") || names.includes(name.toLowerCase());
}

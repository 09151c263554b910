/**
 * Refresh tokens. Each sign-in is a family with one living token: using it makes the next and ends it, and presenting
 * an ended one means that two hold what one should, so the whole family ends (RFC 9700 section 4.14.2). Only digests
 * are kept.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock, Entropy } from "../clock.ts";
import type { Store, Transaction } from "../storage/port.ts";
import type { RefreshFamilyRecord } from "./records.ts";
import { collection, encodeRecord, readRecord, recordKey, scanRecords } from "./records.ts";

const LOCK = "identity-refresh-tokens";
/** Ninety days without use, as the platform's. */
const LIFETIME_MS = 90 * 24 * 3600 * 1000;
/**
 * A token that was replaced this short while ago is refused like any other, but does not end the family: a program
 * that asks for two resources at once sends one token twice.
 */
const RACE_MS = 10_000;

export interface RefreshTokens {
  /** Starts a family; its first token. */
  issue(clientId: string, userId: string): Promise<{ readonly token: string; readonly family: string }>;
  /** Ends `token` and makes the next of its family, if it is the living one and of this client. */
  rotate(
    token: string,
    clientId: string,
  ): Promise<
    | { readonly ok: true; readonly token: string; readonly userId: string; readonly family: string }
    | { readonly ok: false; readonly reason: "malformed" | "otherClient" | "reused" | "expired" | "revoked" }
  >;
  /** Ends one family. */
  revoke(family: string): Promise<void>;
  /** Ends all families of a user. */
  revokeUser(userId: string): Promise<void>;
}

/** The refresh tokens kept in `store`. */
export function createRefreshTokens(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
}): RefreshTokens {
  const { store, clock } = options;
  const random = (bytes: number): string => Buffer.from(options.entropy.bytes(bytes)).toString("base64url");
  const write = (transaction: Transaction, record: RefreshFamilyRecord): void =>
    transaction.put(recordKey.refreshFamily(record.family), encodeRecord(record));
  const fresh = (family: string, clientId: string, userId: string, secret: string): RefreshFamilyRecord => ({
    family,
    clientId: clientId.toLowerCase(),
    userId,
    current: digest(secret),
    rotatedAt: clock.now(),
    expiresAt: clock.now() + LIFETIME_MS,
  });
  return {
    issue(clientId, userId) {
      const [family, secret] = [random(18), random(32)];
      return store.transact([LOCK], async (transaction) => {
        write(transaction, fresh(family, clientId, userId, secret));
        return { token: `1.${family}.${secret}`, family };
      });
    },
    async rotate(token, clientId) {
      const [, family, given] = /^1\.([\w-]{24})\.([\w-]{43})$/.exec(token) ?? [];
      if (family === undefined || given === undefined) return { ok: false, reason: "malformed" };
      const secret = random(32);
      return store.transact([LOCK], async (transaction) => {
        const record = await readRecord<RefreshFamilyRecord>(transaction, recordKey.refreshFamily(family));
        if (record === undefined) return { ok: false, reason: "malformed" };
        if (record.clientId !== clientId.toLowerCase()) return { ok: false, reason: "otherClient" };
        if (record.revoked === true) return { ok: false, reason: "revoked" };
        if (clock.now() >= record.expiresAt) return { ok: false, reason: "expired" };
        if (!timingSafeEqual(Buffer.from(record.current), Buffer.from(digest(given)))) {
          if (clock.now() - record.rotatedAt >= RACE_MS) write(transaction, { ...record, revoked: true });
          return { ok: false, reason: "reused" };
        }
        write(transaction, fresh(family, clientId, record.userId, secret));
        return { ok: true, token: `1.${family}.${secret}`, userId: record.userId, family };
      });
    },
    revoke: (family) =>
      store.transact([LOCK], async (transaction) => {
        const record = await readRecord<RefreshFamilyRecord>(transaction, recordKey.refreshFamily(family));
        if (record !== undefined) write(transaction, { ...record, revoked: true });
      }),
    revokeUser: (userId) =>
      store.transact([LOCK], async (transaction) => {
        for (const record of await scanRecords<RefreshFamilyRecord>(
          transaction,
          collection.refreshFamilies(),
        )) {
          if (record.userId === userId) write(transaction, { ...record, revoked: true });
        }
      }),
  };
}

function digest(secret: string): string {
  return createHash("sha256").update(secret, "utf8").digest("base64url");
}

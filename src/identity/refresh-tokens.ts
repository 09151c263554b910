/**
 * Refresh tokens. Each sign-in is a family with one living token: using it makes the next and ends it, and presenting
 * an ended one means that two hold what one should, so the whole family ends (RFC 9700 section 4.14.2). A family is
 * bound to the client as it signed in: to its registration, and to a proof if it gave one. Only digests are kept.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock, Entropy } from "../clock.ts";
import type { Store, Transaction } from "../storage/port.ts";
import { directoryLock } from "./control.ts";
import { replaceObject } from "./objects.ts";
import type { RefreshFamilyRecord } from "./records.ts";
import { collection, encodeRecord, readObject, readRecord, recordKey, scanRecords } from "./records.ts";
import { restamped, signInStamp } from "./sign-in-stamp.ts";

const LOCK = "identity-refresh-tokens";
/** Ninety days without use, as the platform's. */
const LIFETIME_MS = 90 * 24 * 3600 * 1000;
/**
 * A token that was replaced this short while ago is refused like any other, but does not end the family: a program
 * that asks for two resources at once sends one token twice.
 */
const RACE_MS = 10_000;

/** The client of a sign-in. */
export interface RefreshingClient {
  readonly clientId: string;
  /** Object id of its registration; built-in clients have none. */
  readonly registration?: string;
  /** It proved who it is. */
  readonly proven: boolean;
}

type RefreshRefusal = "malformed" | "otherClient" | "unproven" | "reused" | "expired" | "revoked";

export interface RefreshTokens {
  /** Starts a family; its first token. `stamp` is that of the sign-in. */
  issue(
    client: RefreshingClient,
    userId: string,
    stamp: number,
  ): Promise<{ readonly token: string; readonly family: string }>;
  /**
   * Ends `token` and makes the next of its family, if it is the living one and of this client. Where the client gave no
   * proof, a new password of the user has ended it; a client's own proof outlives that (Entra documentation of refresh
   * tokens, "token revocation").
   */
  rotate(
    token: string,
    client: RefreshingClient,
  ): Promise<
    | {
        readonly ok: true;
        readonly token: string;
        readonly userId: string;
        readonly family: string;
        readonly stamp: number;
      }
    | { readonly ok: false; readonly reason: RefreshRefusal }
  >;
  /** Ends one family. */
  revoke(family: string): Promise<void>;
  /** Ends all families of a user, and what else is held of their sign-ins. */
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
  const fresh = (bound: Pick<RefreshFamilyRecord, BoundMember>, secret: string): RefreshFamilyRecord => ({
    ...bound,
    current: digest(secret),
    rotatedAt: clock.now(),
    expiresAt: clock.now() + LIFETIME_MS,
  });
  return {
    issue({ clientId, registration, proven }, userId, stamp) {
      const [family, secret] = [random(18), random(32)];
      const bound = {
        family,
        clientId: clientId.toLowerCase(),
        userId,
        stamp,
        ...(proven ? { proven } : {}),
        ...(registration === undefined ? {} : { registration }),
      };
      return store.transact([LOCK], async (transaction) => {
        const record = fresh(bound, secret);
        // A sign-in that was ended while its tokens were made has none that live.
        const user = await readObject(transaction, userId);
        const isEnded = user !== undefined && stamp !== signInStamp(user);
        write(transaction, isEnded ? { ...record, revoked: true } : record);
        return { token: `1.${family}.${secret}`, family };
      });
    },
    async rotate(token, client) {
      const [, family, given] = /^1\.([\w-]{24})\.([\w-]{43})$/.exec(token) ?? [];
      if (family === undefined || given === undefined) return { ok: false, reason: "malformed" };
      const secret = random(32);
      return store.transact([LOCK], async (transaction) => {
        const record = await readRecord<RefreshFamilyRecord>(transaction, recordKey.refreshFamily(family));
        if (record === undefined) return { ok: false, reason: "malformed" };
        if (!isOf(record, client)) return { ok: false, reason: "otherClient" };
        if (record.proven === true && !client.proven) return { ok: false, reason: "unproven" };
        if (record.revoked === true) return { ok: false, reason: "revoked" };
        const user = await readObject(transaction, record.userId);
        const { stamp = 0 } = record;
        const isEnded = record.proven !== true && user !== undefined && stamp !== signInStamp(user);
        if (isEnded) return { ok: false, reason: "revoked" };
        if (clock.now() >= record.expiresAt) return { ok: false, reason: "expired" };
        if (!timingSafeEqual(Buffer.from(record.current), Buffer.from(digest(given)))) {
          if (clock.now() - record.rotatedAt >= RACE_MS) write(transaction, { ...record, revoked: true });
          return { ok: false, reason: "reused" };
        }
        write(transaction, fresh(record, secret));
        return { ok: true, token: `1.${family}.${secret}`, userId: record.userId, family, stamp };
      });
    },
    revoke: (family) =>
      store.transact([LOCK], async (transaction) => {
        const record = await readRecord<RefreshFamilyRecord>(transaction, recordKey.refreshFamily(family));
        if (record !== undefined) write(transaction, { ...record, revoked: true });
      }),
    revokeUser: (userId) =>
      store.transact([LOCK, directoryLock], async (transaction) => {
        const user = await readObject(transaction, userId);
        if (user?.kind === "user") replaceObject(transaction, user, restamped(user));
        for (const record of await scanRecords<RefreshFamilyRecord>(
          transaction,
          collection.refreshFamilies(),
        )) {
          if (record.userId === userId) write(transaction, { ...record, revoked: true });
        }
      }),
  };
}

/** What a family keeps from token to token. */
type BoundMember = "family" | "clientId" | "userId" | "proven" | "registration" | "stamp";

/** Families from before registrations were kept are of whoever has the client id. */
function isOf(record: RefreshFamilyRecord, { clientId, registration }: RefreshingClient): boolean {
  if (record.clientId !== clientId.toLowerCase()) return false;
  return record.registration === undefined || record.registration === registration;
}

function digest(secret: string): string {
  return createHash("sha256").update(secret, "utf8").digest("base64url");
}

/**
 * Passwords of users: kept as salted scrypt hashes, compared in constant time. Apart from the directory because
 * nothing but a sign-in ever needs them. A user without a password cannot sign in; there is no default one.
 */
import { scrypt, timingSafeEqual } from "node:crypto";
import type { Principal } from "../azure/principal.ts";
import type { Entropy } from "../clock.ts";
import type { DirectoryContext } from "./directory.ts";
import { DirectoryError } from "./directory.ts";
import { createLockouts } from "./lockouts.ts";
import { replaceObject } from "./objects.ts";
import { readIndexed, readObject, recordKey, toPrincipal } from "./records.ts";
import type { Revocations } from "./revocations.ts";
import { restamped, signInStamp } from "./sign-in-stamp.ts";

const SALT_BYTES = 16;
const HASH_BYTES = 32;
const PASSWORD_LENGTH_MIN = 8;
const PASSWORD_LENGTH_MAX = 256;

export interface Passwords {
  /** Sets a user's password; `undefined` takes it away. Sign-ins with the old one end. Throws `DirectoryError`. */
  set(userPrincipalName: string, password: string | undefined): Promise<void>;
  /** The stamp of the user's sign-ins as of now. */
  stampOf(userId: string): Promise<number>;
  /**
   * The user if the password is theirs, and the stamp of this sign-in. Both refusals take the time of one hash, so that
   * neither tells who exists.
   */
  check(
    userPrincipalName: string,
    password: string,
  ): Promise<
    | { readonly ok: true; readonly user: Principal; readonly stamp: number }
    | { readonly ok: false; readonly reason: "unknown" | "wrong" | "locked" }
  >;
}

/** The passwords of the users of `context`; long tokens end with the password that they were given for. */
export function createPasswords(
  context: DirectoryContext,
  revocations: Pick<Revocations, "revokeContinuous">,
): Passwords {
  const lockouts = createLockouts(context.clock);
  return {
    async set(userPrincipalName, password) {
      const length = password?.length ?? PASSWORD_LENGTH_MIN;
      if (length < PASSWORD_LENGTH_MIN || length > PASSWORD_LENGTH_MAX) {
        throw new DirectoryError(
          "invalid",
          `A password has ${PASSWORD_LENGTH_MIN} to ${PASSWORD_LENGTH_MAX} characters.`,
        );
      }
      const passwordHash = password === undefined ? undefined : await hashPassword(context.entropy, password);
      const ended = await context.change(async (transaction) => {
        const user = await readIndexed(transaction, recordKey.upn(userPrincipalName));
        if (user?.kind !== "user")
          throw new DirectoryError("notFound", `There is no user ${userPrincipalName}.`);
        // A first password ends nothing: nobody has signed in with another.
        const isFirst = user.passwordHash === undefined;
        const { passwordHash: _old, ...rest } = isFirst ? user : restamped(user);
        replaceObject(transaction, user, passwordHash === undefined ? rest : { ...rest, passwordHash });
        transaction.afterCommit(() => lockouts.clear(user.id));
        return isFirst ? undefined : user.id;
      });
      if (ended !== undefined) await revocations.revokeContinuous(ended);
    },
    stampOf: async (userId) => signInStamp(await readObject(context.store, userId)),
    async check(userPrincipalName, password) {
      const object = await readIndexed(context.store, recordKey.upn(userPrincipalName));
      const stored = object?.kind === "user" ? object.passwordHash : undefined;
      const { same, derived } = await comparePassword(stored ?? nobodysHash, password);
      const user = toPrincipal(object, context.tenantId);
      if (user === undefined) return { ok: false, reason: "unknown" };
      // Looked at now and not before: of many guesses at once, those after the tenth are too late.
      if (lockouts.isLocked(user.objectId)) return { ok: false, reason: "locked" };
      if (!same || stored === undefined) {
        if (stored !== undefined) lockouts.failed(user.objectId, derived);
        return { ok: false, reason: "wrong" };
      }
      lockouts.clear(user.objectId);
      return { ok: true, user, stamp: signInStamp(object) };
    },
  };
}

/** What an absent user's password is compared with: a salt, and a hash that no text has. */
const nobodysHash: string = `${"A".repeat(22)}.${"A".repeat(43)}`;

async function hashPassword(entropy: Entropy, password: string): Promise<string> {
  const salt = Buffer.from(entropy.bytes(SALT_BYTES));
  return `${salt.toString("base64url")}.${(await derive(password, salt)).toString("base64url")}`;
}

/** Whether the password is the stored one, and what was derived of it. One that nobody can have is cut, and never the same. */
async function comparePassword(
  stored: string,
  password: string,
): Promise<{ readonly same: boolean; readonly derived: string }> {
  const [salt = "", hash = ""] = stored.split(".");
  const given = await derive(password.slice(0, PASSWORD_LENGTH_MAX), Buffer.from(salt, "base64url"));
  const expected = Buffer.from(hash, "base64url");
  const same =
    password.length <= PASSWORD_LENGTH_MAX &&
    expected.length === given.length &&
    timingSafeEqual(expected, given);
  return { same, derived: given.toString("base64url") };
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFKC"), salt, HASH_BYTES, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

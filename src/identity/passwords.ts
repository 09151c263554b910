/**
 * Passwords of users: kept as salted scrypt hashes, compared in constant time. Apart from the directory because
 * nothing but a sign-in ever needs them. A user without a password cannot sign in; there is no default one.
 */
import { scrypt, timingSafeEqual } from "node:crypto";
import type { Principal } from "../azure/principal.ts";
import type { Entropy } from "../clock.ts";
import type { DirectoryContext } from "./directory.ts";
import { DirectoryError } from "./directory.ts";
import { replaceObject } from "./objects.ts";
import { readIndexed, recordKey, toPrincipal } from "./records.ts";

const SALT_BYTES = 16;
const HASH_BYTES = 32;
const PASSWORD_LENGTH_MIN = 8;
const PASSWORD_LENGTH_MAX = 256;

export interface Passwords {
  /** Sets a user's password; `undefined` takes it away. Throws `DirectoryError`. */
  set(userPrincipalName: string, password: string | undefined): Promise<void>;
  /** The user if the password is theirs. Both refusals take the time of one hash, so that neither tells who exists. */
  check(
    userPrincipalName: string,
    password: string,
  ): Promise<
    | { readonly ok: true; readonly user: Principal }
    | { readonly ok: false; readonly reason: "unknown" | "wrong" }
  >;
}

/** The passwords of the users of `context`. */
export function createPasswords(context: DirectoryContext): Passwords {
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
      await context.change(async (transaction) => {
        const user = await readIndexed(transaction, recordKey.upn(userPrincipalName));
        if (user?.kind !== "user")
          throw new DirectoryError("notFound", `There is no user ${userPrincipalName}.`);
        const { passwordHash: _old, ...rest } = user;
        replaceObject(transaction, user, passwordHash === undefined ? rest : { ...rest, passwordHash });
      });
    },
    async check(userPrincipalName, password) {
      const object = await readIndexed(context.store, recordKey.upn(userPrincipalName));
      const stored = object?.kind === "user" ? object.passwordHash : undefined;
      const same = await samePassword(stored ?? nobodysHash, password.slice(0, PASSWORD_LENGTH_MAX));
      const user = toPrincipal(object, context.tenantId);
      if (user === undefined) return { ok: false, reason: "unknown" };
      return same && stored !== undefined ? { ok: true, user } : { ok: false, reason: "wrong" };
    },
  };
}

/** What an absent user's password is compared with: a salt, and a hash that no text has. */
const nobodysHash: string = `${"A".repeat(22)}.${"A".repeat(43)}`;

async function hashPassword(entropy: Entropy, password: string): Promise<string> {
  const salt = Buffer.from(entropy.bytes(SALT_BYTES));
  return `${salt.toString("base64url")}.${(await derive(password, salt)).toString("base64url")}`;
}

async function samePassword(stored: string, password: string): Promise<boolean> {
  const [salt = "", hash = ""] = stored.split(".");
  const given = await derive(password, Buffer.from(salt, "base64url"));
  const expected = Buffer.from(hash, "base64url");
  return expected.length === given.length && timingSafeEqual(expected, given);
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFKC"), salt, HASH_BYTES, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

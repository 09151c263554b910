/**
 * The stamp of a user's sign-ins: what was signed in under an earlier one has ended. A new password changes it, and so
 * does a revocation (Entra keeps the time from which on sign-ins are valid; a count needs no clock that moves). Apart from
 * passwords and refresh tokens because both change it, and codes are held against it, too.
 */
import type { DirectoryObject, UserObject } from "./records.ts";

/** The stamp that a sign-in of this user gets now; 0 for whoever is no user. */
export function signInStamp(object: DirectoryObject | undefined): number {
  return object?.kind === "user" ? (object.signInStamp ?? 0) : 0;
}

/** The user with the next stamp. */
export function restamped(user: UserObject): UserObject {
  return { ...user, signInStamp: signInStamp(user) + 1 };
}

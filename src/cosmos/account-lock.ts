/** The lock over an account's metadata: apart from everything else because both planes and the engine name it. */

/** The lock (see storage/port.ts) over an account's settings, databases, containers, roles and keys. */
export function cosmosLock(account: string): string {
  return `cosmos/${account.toLowerCase()}`;
}

/**
 * Management locks: kept at any scope, inherited by everything below it, and asked about before a write reaches its
 * handler. They bind every caller whatever its role, so they are no part of a decision about rights.
 */
import { ArmError } from "../azure/arm-error.ts";
import { normalizeResourceId, scopeCovers } from "../azure/resource-id.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import type { Method } from "./operation.ts";
import { deleteRecord, getRecord, listRecords, putRecord } from "./records.ts";

export type LockLevel = "CanNotDelete" | "ReadOnly";

export interface LockRecord {
  readonly id: string;
  readonly name: string;
  readonly scope: string;
  readonly level: LockLevel;
  readonly notes?: string;
}

const kind = "lock";

export async function getLock(reader: Reader, id: string): Promise<LockRecord | undefined> {
  return getRecord(reader, [kind, normalizeResourceId(id)]);
}

/** All locks at, above or below `scope`; the caller chooses. */
export async function listLocks(reader: Reader): Promise<LockRecord[]> {
  return listRecords(reader, [kind]);
}

export function putLock(transaction: Transaction, lock: LockRecord): void {
  putRecord(transaction, [kind, normalizeResourceId(lock.id)], lock);
}

export function deleteLock(transaction: Transaction, lock: LockRecord): void {
  deleteRecord(transaction, [kind, normalizeResourceId(lock.id)]);
}

/** Removes the locks at or below a resource that is gone. */
export async function deleteLocksUnder(transaction: Transaction, scopeId: string): Promise<void> {
  for (const lock of await listLocks(transaction)) {
    if (scopeCovers(scopeId, lock.scope)) deleteLock(transaction, lock);
  }
}

/**
 * Throws ArmError 409 `ScopeLocked` when a lock forbids `method` on `id`: deleting under either kind, any other change
 * under ReadOnly. A lock below the scope that is deleted forbids it too. Role assignments and locks themselves may
 * change under a lock that only forbids deletion of other things.
 */
export async function requireUnlocked(reader: Reader, method: Method, id: string): Promise<void> {
  if (method === "GET" || method === "HEAD" || isLock(id)) return;
  const deleting = method === "DELETE";
  const blocking = (await listLocks(reader)).filter(
    (lock) =>
      (scopeCovers(lock.scope, id) && (deleting || lock.level === "ReadOnly")) ||
      (deleting && scopeCovers(id, lock.scope)),
  );
  if (blocking.length === 0) return;
  const scopes = [...new Set(blocking.map((lock) => lock.scope))].join(",");
  throw new ArmError(
    409,
    "ScopeLocked",
    `The scope '${id}' cannot perform ${deleting ? "delete" : "write"} operation because following scope(s) are locked: '${scopes}'. Please remove the lock and try again.`,
  );
}

function isLock(id: string): boolean {
  return /\/providers\/microsoft\.authorization\/locks\//i.test(id);
}

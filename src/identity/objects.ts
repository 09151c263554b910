/**
 * Writing one directory object with all its index entries, and removing it without a trace. Every other file of
 * the room changes objects through these functions, so an index can never disagree with its object.
 */
import type { Transaction } from "../storage/port.ts";
import type { DirectoryObject, FederatedCredentialRecord } from "./records.ts";
import { collection, encodeRecord, recordKey, scanRecords } from "./records.ts";

/** Index entries of an object: each points to the object's id, except an application's own app id. */
function indexKeys(object: DirectoryObject): Uint8Array[] {
  const keys = [recordKey.name(object.displayName, object.id)];
  if (object.kind === "user") keys.push(recordKey.upn(object.userPrincipalName));
  if (object.kind === "servicePrincipal") {
    keys.push(recordKey.appId(object.appId));
    if (object.resourceId !== undefined) keys.push(recordKey.resource(object.resourceId));
  }
  if (object.kind === "application") {
    for (const uri of object.identifierUris) keys.push(recordKey.identifierUri(uri));
  }
  return keys;
}

/** Inserts a new object. The caller has checked, in this transaction, that nothing unique is taken. */
export function insertObject(transaction: Transaction, object: DirectoryObject): void {
  transaction.put(recordKey.object(object.id), encodeRecord(object));
  for (const key of indexKeys(object)) transaction.put(key, encodeRecord(object.id));
}

/** Replaces an object; index entries that no longer apply go. */
export function replaceObject(transaction: Transaction, old: DirectoryObject, object: DirectoryObject): void {
  for (const key of indexKeys(old)) transaction.delete(key);
  insertObject(transaction, object);
}

/** Removes an object, its index entries, its memberships in both directions and its federated credentials. */
export async function removeObject(transaction: Transaction, object: DirectoryObject): Promise<void> {
  transaction.delete(recordKey.object(object.id));
  if (object.kind === "servicePrincipal") transaction.delete(recordKey.identityCertificates(object.id));
  for (const key of indexKeys(object)) transaction.delete(key);
  for (const memberId of await scanRecords<string>(transaction, collection.members(object.id))) {
    transaction.delete(recordKey.member(object.id, memberId));
    transaction.delete(recordKey.memberOf(memberId, object.id));
  }
  for (const groupId of await scanRecords<string>(transaction, collection.memberships(object.id))) {
    transaction.delete(recordKey.memberOf(object.id, groupId));
    transaction.delete(recordKey.member(groupId, object.id));
  }
  const federated = collection.federated(object.id);
  for (const credential of await scanRecords<FederatedCredentialRecord>(transaction, federated)) {
    transaction.delete(recordKey.federated(object.id, credential.name));
  }
}

/**
 * Managed identities for the control plane: the implementation of `control.ts`. Each function works inside the
 * caller's transaction, so an identity lives exactly as long as the resource it belongs to.
 */
import { ArmError } from "../azure/arm-error.ts";
import type { Principal } from "../azure/principal.ts";
import { normalizeResourceId, parseResourceId } from "../azure/resource-id.ts";
import { uuid } from "../clock.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import { putFederatedCredential, removeFederatedCredential } from "./applications.ts";
import type {
  FederatedCredential,
  HostIdentities,
  IdentityControl,
  ManagedIdentityRecord,
} from "./control.ts";
import type { DirectoryContext } from "./directory.ts";
import { DirectoryError } from "./directory.ts";
import { insertObject, removeObject } from "./objects.ts";
import type { HostRecord, ServicePrincipalObject } from "./records.ts";
import {
  collection,
  encodeRecord,
  readIndexed,
  readObject,
  readRecord,
  recordKey,
  scanRecords,
  toPrincipal,
} from "./records.ts";

/** The control plane's view of the directory in `context`. */
export function createIdentityControl(
  context: DirectoryContext,
  clusterIssuer: (cluster: string) => string,
): IdentityControl {
  return {
    tenantId: context.tenantId,
    clusterIssuer,
    putUserAssigned: (transaction, resourceId, name) =>
      putUserAssigned(context, transaction, resourceId, name),
    deleteUserAssigned: (transaction, resourceId) => deleteUserAssigned(context, transaction, resourceId),
    async getUserAssigned(reader, resourceId) {
      const object = await readUserAssigned(reader, resourceId);
      return object === undefined ? undefined : toRecord(context, object);
    },
    async listFederatedCredentials(reader, resourceId) {
      const object = await readUserAssigned(reader, resourceId);
      return object === undefined ? [] : scanRecords(reader, collection.federated(object.id));
    },
    putFederatedCredential: (transaction, resourceId, credential) =>
      putCredential(transaction, resourceId, credential),
    async deleteFederatedCredential(transaction, resourceId, name) {
      const object = await readUserAssigned(transaction, resourceId);
      return object !== undefined && removeFederatedCredential(transaction, object.appId, name);
    },
    putHostIdentities: (transaction, hostResourceId, wanted) =>
      putHostIdentities(context, transaction, hostResourceId, wanted),
    deleteHost: (transaction, hostResourceId) => deleteHost(context, transaction, hostResourceId),
    getHost: (reader, hostResourceId) => getHost(context, reader, hostResourceId),
    async findPrincipal(reader, objectId): Promise<Principal | undefined> {
      return toPrincipal(await readObject(reader, objectId), context.tenantId);
    },
    async findByAppId(reader, appId): Promise<Principal | undefined> {
      return toPrincipal(await readIndexed(reader, recordKey.appId(appId)), context.tenantId);
    },
    async isApplication(reader, objectId) {
      return (await readObject(reader, objectId))?.kind === "application";
    },
  };
}

async function putUserAssigned(
  context: DirectoryContext,
  transaction: Transaction,
  resourceId: string,
  name: string,
): Promise<ManagedIdentityRecord> {
  const existing = await readUserAssigned(transaction, resourceId);
  if (existing !== undefined) return toRecord(context, existing);
  context.touch(transaction);
  return toRecord(context, insertIdentity(context, transaction, "user", resourceId, name));
}

async function deleteUserAssigned(
  context: DirectoryContext,
  transaction: Transaction,
  resourceId: string,
): Promise<boolean> {
  const identity = await readUserAssigned(transaction, resourceId);
  if (identity === undefined) return false;
  context.touch(transaction);
  for (const hostId of await scanRecords<string>(transaction, collection.attachments(identity.id))) {
    transaction.delete(recordKey.attachment(identity.id, hostId));
    const host = await readRecord<HostRecord>(transaction, recordKey.host(hostId));
    if (host === undefined) continue;
    const gone = normalizeResourceId(resourceId);
    const rest = host.userAssigned.filter((id) => normalizeResourceId(id) !== gone);
    writeHost(transaction, { ...host, userAssigned: rest });
  }
  await removeObject(transaction, identity);
  return true;
}

async function putCredential(
  transaction: Transaction,
  resourceId: string,
  credential: FederatedCredential,
): Promise<boolean> {
  const object = await readUserAssigned(transaction, resourceId);
  if (object === undefined) {
    throw new ArmError(404, "ParentResourceNotFound", `The identity '${resourceId}' was not found.`);
  }
  const key = recordKey.federated(object.id, credential.name);
  const isNew = (await readRecord(transaction, key)) === undefined;
  try {
    await putFederatedCredential(transaction, object.appId, credential);
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    throw error.kind === "conflict"
      ? new ArmError(409, "Conflict", error.message)
      : new ArmError(400, "BadRequest", error.message);
  }
  return isNew;
}

async function putHostIdentities(
  context: DirectoryContext,
  transaction: Transaction,
  hostResourceId: string,
  wanted: { readonly systemAssigned: boolean; readonly userAssigned: readonly string[] },
): Promise<HostIdentities> {
  const old = await readRecord<HostRecord>(transaction, recordKey.host(hostResourceId));
  const userAssigned = new Map<string, ServicePrincipalObject>();
  for (const resourceId of wanted.userAssigned) {
    const identity = await readUserAssigned(transaction, resourceId);
    if (identity === undefined) throw identityMissing(hostResourceId, resourceId);
    userAssigned.set(identity.id, identity);
  }
  context.touch(transaction);
  await detachAll(transaction, old);
  for (const id of userAssigned.keys()) {
    transaction.put(recordKey.attachment(id, hostResourceId), encodeRecord(hostResourceId));
  }
  const systemAssigned = await putSystemAssigned(
    context,
    transaction,
    old,
    hostResourceId,
    wanted.systemAssigned,
  );
  const identities = [...userAssigned.values()];
  writeHost(transaction, {
    hostResourceId: old?.hostResourceId ?? hostResourceId,
    ...(systemAssigned === undefined ? {} : { systemAssignedId: systemAssigned.id }),
    userAssigned: identities.map((identity) => identity.resourceId ?? ""),
  });
  return {
    hostResourceId: old?.hostResourceId ?? hostResourceId,
    ...(systemAssigned === undefined ? {} : { systemAssigned: toRecord(context, systemAssigned) }),
    userAssigned: identities.map((identity) => toRecord(context, identity)),
  };
}

/** Makes, keeps or ends the host's own identity; returns the one it has afterwards. */
async function putSystemAssigned(
  context: DirectoryContext,
  transaction: Transaction,
  old: HostRecord | undefined,
  hostResourceId: string,
  wanted: boolean,
): Promise<ServicePrincipalObject | undefined> {
  const existing = await readServicePrincipal(transaction, old?.systemAssignedId);
  if (!wanted) {
    if (existing !== undefined) await removeObject(transaction, existing);
    return undefined;
  }
  if (existing !== undefined) return existing;
  const hostName = parseResourceId(hostResourceId)?.segments.at(-1)?.name ?? hostResourceId;
  return insertIdentity(context, transaction, "system", hostResourceId, hostName);
}

async function deleteHost(
  context: DirectoryContext,
  transaction: Transaction,
  hostResourceId: string,
): Promise<void> {
  const host = await readRecord<HostRecord>(transaction, recordKey.host(hostResourceId));
  if (host === undefined) return;
  context.touch(transaction);
  await detachAll(transaction, host);
  const own = await readServicePrincipal(transaction, host.systemAssignedId);
  if (own !== undefined) await removeObject(transaction, own);
  transaction.delete(recordKey.host(hostResourceId));
}

async function getHost(
  context: DirectoryContext,
  reader: Reader,
  hostResourceId: string,
): Promise<HostIdentities | undefined> {
  const host = await readRecord<HostRecord>(reader, recordKey.host(hostResourceId));
  if (host === undefined) return undefined;
  const own = await readServicePrincipal(reader, host.systemAssignedId);
  const userAssigned: ManagedIdentityRecord[] = [];
  for (const resourceId of host.userAssigned) {
    const identity = await readUserAssigned(reader, resourceId);
    if (identity !== undefined) userAssigned.push(toRecord(context, identity));
  }
  return {
    hostResourceId: host.hostResourceId,
    ...(own === undefined ? {} : { systemAssigned: toRecord(context, own) }),
    userAssigned,
  };
}

async function detachAll(transaction: Transaction, host: HostRecord | undefined): Promise<void> {
  for (const resourceId of host?.userAssigned ?? []) {
    const identity = await readUserAssigned(transaction, resourceId);
    if (identity !== undefined && host !== undefined) {
      transaction.delete(recordKey.attachment(identity.id, host.hostResourceId));
    }
  }
}

/** A host that carries nothing has no record. */
function writeHost(transaction: Transaction, host: HostRecord): void {
  const key = recordKey.host(host.hostResourceId);
  if (host.systemAssignedId === undefined && host.userAssigned.length === 0) transaction.delete(key);
  else transaction.put(key, encodeRecord(host));
}

function insertIdentity(
  context: DirectoryContext,
  transaction: Transaction,
  kind: "system" | "user",
  resourceId: string,
  displayName: string,
): ServicePrincipalObject {
  const object: ServicePrincipalObject = {
    kind: "servicePrincipal",
    id: uuid(context.entropy),
    displayName,
    createdAt: context.clock.now(),
    appId: uuid(context.entropy),
    managedIdentity: kind,
    resourceId,
  };
  insertObject(transaction, object);
  return object;
}

async function readUserAssigned(
  reader: Reader,
  resourceId: string,
): Promise<ServicePrincipalObject | undefined> {
  const object = await readIndexed(reader, recordKey.resource(resourceId));
  return object?.kind === "servicePrincipal" && object.managedIdentity === "user" ? object : undefined;
}

async function readServicePrincipal(
  reader: Reader,
  id: string | undefined,
): Promise<ServicePrincipalObject | undefined> {
  const object = id === undefined ? undefined : await readObject(reader, id);
  return object?.kind === "servicePrincipal" ? object : undefined;
}

function toRecord(context: DirectoryContext, object: ServicePrincipalObject): ManagedIdentityRecord {
  return {
    resourceId: object.resourceId ?? "",
    kind: object.managedIdentity ?? "user",
    principalId: object.id,
    clientId: object.appId,
    tenantId: context.tenantId,
  };
}

/** The text in which Resource Manager reports what the identity provider answered. */
function identityMissing(hostResourceId: string, resourceId: string): ArmError {
  const inner = JSON.stringify({
    error: { code: "BadRequest", message: `Resource '${resourceId}' was not found.` },
  });
  return new ArmError(
    400,
    "FailedIdentityOperation",
    `Identity operation for resource '${hostResourceId}' failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'. Response: '${inner}'.'.`,
  );
}

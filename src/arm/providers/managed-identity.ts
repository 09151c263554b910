/**
 * Microsoft.ManagedIdentity: user-assigned identities as resources. The principal behind one is the directory's; it
 * is made and removed in the resource's own transaction. Ids carry `resourcegroups` in lower case, as the service's.
 */

import { ArmError } from "../../azure/arm-error.ts";
import { directoryLock, type ManagedIdentityRecord } from "../../identity/control.ts";
import type { Reader } from "../../storage/port.ts";
import { locationRequired, resourceNotFound } from "../errors.ts";
import { type JsonObject, objectMember, stringMember } from "../json.ts";
import { normalizeLocation } from "../locations.ts";
import type { Call, ControlPlane, Outcome, Provider } from "../operation.ts";
import { armLock } from "../records.ts";
import {
  getResource,
  listResources,
  locationOf,
  putResource,
  type ResourceAddress,
  removeTree,
  requireResource,
  resolveResource,
  type StoredResource,
} from "../resources.ts";
import { associatedResourcesOperation } from "./associated-resources.ts";
import { federatedCredentialOperations } from "./federated-credentials.ts";
import { objectBody, patched } from "./generic.ts";

const namespacePath = "providers/Microsoft.ManagedIdentity";
const one = `/subscriptions/{subscription}/resourceGroups/{group}/${namespacePath}/userAssignedIdentities/{name}`;
const type = "Microsoft.ManagedIdentity/userAssignedIdentities";
const namePattern = /^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$/;

export const managedIdentityProvider: Provider = {
  operations: [
    { method: "PUT", path: one, action: `${type}/write`, handler: putIdentity },
    { method: "PATCH", path: one, action: `${type}/write`, handler: patchIdentity },
    { method: "GET", path: one, action: `${type}/read`, handler: readIdentity },
    { method: "DELETE", path: one, action: `${type}/delete`, handler: deleteIdentity },
    {
      method: "GET",
      path: `/{+scope}/${namespacePath}/userAssignedIdentities`,
      action: `${type}/read`,
      filtered: true,
      handler: listIdentities,
    },
    {
      method: "GET",
      path: `/{+scope}/providers/Microsoft.ManagedIdentity/identities/default`,
      action: "Microsoft.ManagedIdentity/identities/read",
      handler: readSystemIdentity,
    },
    ...federatedCredentialOperations,
    associatedResourcesOperation,
  ],
  removals: {
    [type]: {
      locks: () => [directoryLock],
      async remove(plane, transaction, resource) {
        await plane.identity.deleteUserAssigned(transaction, resource.id);
      },
    },
  },
};

async function putIdentity(call: Call): Promise<Outcome> {
  const body = objectBody(call);
  const location = stringMember(body, "location");
  if (location === undefined || location === "") throw locationRequired();
  const { plane } = call;
  return plane.store.transact([armLock, directoryLock], async (transaction) => {
    const address = await resolveIdentity(transaction, call.address.path);
    if (!namePattern.test(address.name)) throw invalidName(address.name);
    const existing = await getResource(transaction, address.id);
    const resource: StoredResource = {
      id: existing?.id ?? address.id,
      type,
      name: existing?.name ?? address.name,
      createdAt: existing?.createdAt ?? plane.clock.now(),
      body: { location: normalizeLocation(location), tags: objectMember(body, "tags") ?? {} },
    };
    requireSameLocation(existing, resource);
    putResource(transaction, resource);
    const record = await plane.identity.putUserAssigned(transaction, resource.id, resource.name);
    const shown = render(resource, record);
    if (existing !== undefined) return { status: 200, body: shown };
    // Absolute, and only for what is new: generic clients take the header for an operation that is to be polled.
    const where = `${call.origin}${encodeURI(resource.id)}?api-version=${call.apiVersion}`;
    return { status: 201, body: shown, headers: { location: where } };
  });
}

function requireSameLocation(existing: StoredResource | undefined, next: StoredResource): void {
  if (existing === undefined) return;
  const was = locationOf(existing) ?? "";
  const is = locationOf(next) ?? "";
  if (was === is) return;
  throw new ArmError(
    409,
    "InvalidResourceLocation",
    `The resource '${next.name}' already exists in location '${was}'. A resource with the same name cannot be created in location '${is}'. Please select a new resource name.`,
  );
}

function invalidName(name: string): ArmError {
  return new ArmError(
    400,
    "BadRequest",
    `The name '${name.slice(0, 200)}' of the identity is not valid: it must have 3 to 128 characters, start with a letter or a digit, and consist of letters, digits, hyphens and underscores.`,
  );
}

async function patchIdentity(call: Call): Promise<Outcome> {
  const body = objectBody(call);
  const tags = objectMember(body, "tags");
  const { plane } = call;
  return plane.store.transact([armLock, directoryLock], async (transaction) => {
    const existing = await requireResource(
      transaction,
      await resolveIdentity(transaction, call.address.path),
    );
    const next = { ...existing, body: patched(existing.body, tags === undefined ? {} : { tags }) };
    putResource(transaction, next);
    return { status: 200, body: render(next, await requireRecord(plane, transaction, next)) };
  });
}

async function readIdentity(call: Call): Promise<Outcome> {
  const { plane } = call;
  const address = await resolveIdentity(plane.store, call.address.path);
  const resource = await requireResource(plane.store, address);
  return { status: 200, body: render(resource, await requireRecord(plane, plane.store, resource)) };
}

async function deleteIdentity(call: Call): Promise<Outcome> {
  const address = await resolveIdentity(call.plane.store, call.address.path);
  const removed = await removeTree(call.plane, address.id);
  return { status: removed ? 200 : 204 };
}

async function listIdentities(call: Call): Promise<Outcome> {
  const { plane } = call;
  const { scopeId } = await resolveResource(plane.store, `${call.address.path}/any`);
  const value: JsonObject[] = [];
  for (const resource of await listResources(plane.store, scopeId)) {
    if (resource.type !== type) continue;
    const record = await plane.identity.getUserAssigned(plane.store, resource.id);
    if (record !== undefined) value.push(render(resource, record));
  }
  return { status: 200, body: { value } };
}

/** The system-assigned identity of a host, as `az identity` and templates may read it from the host's own id. */
async function readSystemIdentity(call: Call): Promise<Outcome> {
  const { plane } = call;
  const { scopeId } = await resolveResource(plane.store, call.address.path);
  const system = (await plane.identity.getHost(plane.store, scopeId))?.systemAssigned;
  if (system === undefined) {
    throw resourceNotFound("Microsoft.ManagedIdentity/identities/default", undefined);
  }
  return {
    status: 200,
    body: {
      id: `${scopeId}/providers/Microsoft.ManagedIdentity/identities/default`,
      name: "default",
      type: "Microsoft.ManagedIdentity/identities",
      properties: propertiesOf(system),
    },
  };
}

async function requireRecord(
  plane: ControlPlane,
  reader: Reader,
  resource: StoredResource,
): Promise<ManagedIdentityRecord> {
  const record = await plane.identity.getUserAssigned(reader, resource.id);
  if (record === undefined) throw resourceNotFound(`${type}/${resource.name}`, undefined);
  return record;
}

async function resolveIdentity(reader: Reader, path: string): Promise<ResourceAddress> {
  const address = await resolveResource(reader, path);
  return { ...address, id: address.id.replace("/resourceGroups/", "/resourcegroups/") };
}

function propertiesOf(record: ManagedIdentityRecord): JsonObject {
  return { tenantId: record.tenantId, principalId: record.principalId, clientId: record.clientId };
}

function render(resource: StoredResource, record: ManagedIdentityRecord): JsonObject {
  return {
    id: resource.id,
    name: resource.name,
    type: resource.type,
    location: locationOf(resource) ?? "",
    tags: objectMember(resource.body, "tags") ?? {},
    properties: propertiesOf(record),
  };
}

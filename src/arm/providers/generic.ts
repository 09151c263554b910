/**
 * Resources of every type that has no provider of its own, such as `Microsoft.Web/sites`: kept as they were written,
 * with the one thing that is real about them here, the identities they carry. A host's system-assigned identity is
 * made, kept and ended in the transaction that writes or removes the host.
 */
import { findNamespace } from "../../azure/api-versions.ts";
import { directoryLock } from "../../identity/control.ts";
import type { Reader, Transaction } from "../../storage/port.ts";
import { notImplemented } from "../errors.ts";
import { applyIdentity, readIdentityBlock, renderIdentity, requireAssignRights } from "../identity-block.ts";
import { findResource, requireFound, requireParent, untouchedChildren } from "../implicit-children.ts";
import { invalidContent, isObject, type JsonObject, mergePatch, without } from "../json.ts";
import { requireJoinRights } from "../linked-rights.ts";
import { type Call, type ControlPlane, type Operation, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import {
  listResources,
  putResource,
  removeTree,
  resolveResource,
  type StoredResource,
  writableBody,
} from "../resources.ts";
import { settledAround, shownAround, shownProperties } from "./service-values.ts";

const resourcePath = "{+scope}/providers/{namespace}/{*parents}/{type}/{name}";
const collectionPath = "{+scope}/providers/{namespace}/{*parents}/{last}";

export const genericOperations: readonly Operation[] = [
  { method: "GET", path: `/${resourcePath}`, action: "{type}/read", handler: readResource },
  { method: "HEAD", path: `/${resourcePath}`, action: "{type}/read", handler: headResource },
  {
    method: "PUT",
    path: `/${resourcePath}`,
    action: "{type}/write",
    handler: (call) => writeResource(call, false),
  },
  {
    method: "PATCH",
    path: `/${resourcePath}`,
    action: "{type}/write",
    handler: (call) => writeResource(call, true),
  },
  { method: "DELETE", path: `/${resourcePath}`, action: "{type}/delete", handler: removeResource },
  { method: "GET", path: `/${collectionPath}`, action: "{type}/read", filtered: true, handler: listOfType },
  { method: "POST", path: `/${collectionPath}`, action: "{type}/{last}/action", handler: unknownAction },
];

/**
 * In place of the generic PATCH for types whose PUT is a row of its own: what that row checks and fills in would not hold
 * for members that are merged here, so this changes tags alone, as the services' own PATCH of these types.
 */
export const patchTagsOperation: Operation = {
  method: "PATCH",
  path: `/${resourcePath}`,
  action: "{type}/write",
  handler: patchTags,
};

async function patchTags(call: Call): Promise<Outcome> {
  const others = Object.keys(objectBody(call)).filter((name) => name.toLowerCase() !== "tags");
  if (others.length > 0) throw invalidContent("of this type PATCH changes nothing but 'tags'");
  return writeResource(call, true);
}

/** The body of a write; throws ArmError 400 when it is no object. */
export function objectBody(call: Call): JsonObject {
  if (!isObject(call.body)) throw invalidContent("the body must be a JSON object");
  return call.body;
}

async function readResource(call: Call): Promise<Outcome> {
  const address = await resolveResource(call.plane.store, call.address.path);
  const resource = await requireFound(call.plane.store, address);
  return { status: 200, body: await renderResource(call.plane, call.plane.store, resource) };
}

async function headResource(call: Call): Promise<Outcome> {
  const address = await resolveResource(call.plane.store, call.address.path);
  return { status: (await findResource(call.plane.store, address)) === undefined ? 404 : 204 };
}

/**
 * Writes the resource in the path with its identities; `complete` may add to what is kept, and write what belongs to
 * it, in the same transaction.
 */
export async function writeResource(
  call: Call,
  patching: boolean,
  complete: (transaction: Transaction, resource: StoredResource) => Promise<StoredResource> = async (
    _,
    resource,
  ) => resource,
): Promise<Outcome> {
  const body = objectBody(call);
  const wanted = readIdentityBlock(body);
  await requireAssignRights(call, wanted);
  await requireJoinRights(call, body);
  const { plane } = call;
  return plane.store.transact([armLock, directoryLock], async (transaction) => {
    const address = await resolveResource(transaction, call.address.path);
    await requireParent(transaction, address);
    const existing = patching
      ? await requireFound(transaction, address)
      : await findResource(transaction, address);
    const written = patching ? patched(existing?.body ?? {}, body) : writableBody(body);
    const resource = await complete(transaction, {
      id: existing?.id ?? address.id,
      type: address.type,
      name: existing?.name ?? address.name,
      createdAt: existing?.createdAt ?? plane.clock.now(),
      body: written,
    });
    putResource(transaction, resource);
    await applyIdentity(plane, transaction, resource.id, wanted, patching);
    const shown = await renderResource(plane, transaction, resource);
    return { status: 200, body: shown, headers: warningFor(resource.type) };
  });
}

/** What nobody here knows anything about is kept, and said to be. */
function warningFor(type: string): Readonly<Record<string, string>> {
  if (findNamespace(type.split("/")[0] ?? "") !== undefined) return {};
  return { "x-celestite-warning": `The type '${type}' is not known; the resource is kept as it was sent.` };
}

/** Tags of a PATCH replace the old ones as a whole; all else is merged. */
export function patched(existing: JsonObject, patch: JsonObject): JsonObject {
  const merged = mergePatch(existing, writableBody(patch)) as JsonObject;
  const tags = patch["tags"];
  return tags === undefined || tags === null ? merged : { ...without(merged, ["tags"]), tags };
}

/** Removes the resource in the path with everything below it. */
export async function removeResource(call: Call): Promise<Outcome> {
  const address = await resolveResource(call.plane.store, call.address.path);
  const removed = await removeTree(call.plane, address.id);
  return { status: removed ? 200 : 204 };
}

async function listOfType(call: Call): Promise<Outcome> {
  const { plane } = call;
  const wanted = await resolveResource(plane.store, `${call.address.path}/any`);
  const present = (await listResources(plane.store, wanted.parentId ?? wanted.scopeId)).filter(
    (resource) => resource.type.toLowerCase() === wanted.type.toLowerCase(),
  );
  const untouched = await untouchedChildren(plane.store, wanted.type, wanted.parentId, present);
  const value: JsonObject[] = [];
  for (const resource of [...untouched, ...present]) {
    value.push(await renderResource(plane, plane.store, resource));
  }
  return { status: 200, body: { value } };
}

async function unknownAction(call: Call): Promise<Outcome> {
  const namespace = findNamespace(parameter(call, "namespace"))?.namespace ?? parameter(call, "namespace");
  throw notImplemented(`The action '${parameter(call, "last")}' of '${namespace}'`);
}

/** The resource as its GET shows it. */
export async function renderResource(
  plane: ControlPlane,
  reader: Reader,
  resource: StoredResource,
): Promise<JsonObject> {
  const identity = await renderIdentity(plane, reader, resource.id);
  const { properties, ...rest } = resource.body;
  const own = isObject(properties) ? without(properties, ["provisioningState"]) : {};
  return {
    id: resource.id,
    name: resource.name,
    type: resource.type,
    ...shownAround(resource),
    ...rest,
    ...settledAround(resource),
    ...(identity === undefined ? {} : { identity }),
    properties: { ...shownProperties(resource, own), provisioningState: "Succeeded" },
  };
}

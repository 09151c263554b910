/**
 * Records of resources of every type, and what one id means: its canonical spelling, its group, its parent. Types
 * with a provider of their own keep their ARM side here as well, so that listing, cascading deletion and host
 * identities work alike for all.
 */
import { findNamespace, findType } from "../azure/api-versions.ts";
import { normalizeResourceId, parseResourceId } from "../azure/resource-id.ts";
import { directoryLock } from "../identity/control.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import { deleteDenyAssignmentsUnder } from "./deny-assignments.ts";
import { malformedPath, resourceNotFound } from "./errors.ts";
import { type JsonObject, member, objectMember, stringMember, without } from "./json.ts";
import { deleteLocksUnder } from "./locks.ts";
import type { ControlPlane } from "./operation.ts";
import { armLock, deleteRecord, getRecord, listRecords, putRecord } from "./records.ts";
import { groupId, requireGroup, requireSubscription } from "./resource-groups.ts";
import { deleteAssignmentsUnder } from "./role-assignments.ts";

export interface StoredResource {
  /** Canonical id with the names in the casing of the first write. */
  readonly id: string;
  /** Full type, e.g. `Microsoft.Web/sites`. */
  readonly type: string;
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** The resource as written, without id, type, name, identity and other members that we derive. */
  readonly body: JsonObject;
}

/** What a resource id in a path means. */
export interface ResourceAddress {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  /** Type and names below the namespace as error messages spell them, e.g. `Microsoft.Web/sites/app`. */
  readonly display: string;
  readonly subscriptionId: string | undefined;
  readonly group: string | undefined;
  readonly parentId: string | undefined;
  /** What the resource stands in: its group, its subscription, the resource that it extends, or "". */
  readonly scopeId: string;
}

/**
 * Reads the meaning of `path`. Throws ArmError 404 when the subscription or resource group in it does not exist and
 * 400 when it is no resource id.
 */
export async function resolveResource(reader: Reader, path: string): Promise<ResourceAddress> {
  const parsed = parseResourceId(path);
  if (parsed?.namespace === undefined) throw malformedPath("it names no resource");
  const info = findNamespace(parsed.namespace);
  const namespace = info?.namespace ?? parsed.namespace;
  const types = parsed.segments.map((segment) => segment.type);
  const names = parsed.segments.map((segment) => segment.name);
  const known = info === undefined ? undefined : findType(info, types.join("/"));
  const canonicalTypes = known?.type.split("/") ?? types;
  const scope = await canonicalScope(reader, parsed);
  const pairs = names.map((name, index) => `/${canonicalTypes[index] ?? types[index]}/${name}`);
  const prefix = `${scope}/providers/${namespace}`;
  return {
    id: `${prefix}${pairs.join("")}`,
    type: `${namespace}/${canonicalTypes.join("/")}`,
    name: names.at(-1) ?? "",
    display: `${namespace}/${canonicalTypes.join("/")}/${names.join("/")}`,
    subscriptionId: parsed.subscriptionId,
    group: parsed.resourceGroup,
    parentId: pairs.length > 1 ? `${prefix}${pairs.slice(0, -1).join("")}` : undefined,
    scopeId: scope,
  };
}

async function canonicalScope(
  reader: Reader,
  parsed: NonNullable<ReturnType<typeof parseResourceId>>,
): Promise<string> {
  if (parsed.parentScope !== undefined) return (await resolveResource(reader, parsed.parentScope)).id;
  if (parsed.subscriptionId === undefined) return "";
  const subscription = await requireSubscription(reader, parsed.subscriptionId);
  if (parsed.resourceGroup === undefined) return `/subscriptions/${subscription.subscriptionId}`;
  return groupId(await requireGroup(reader, parsed.subscriptionId, parsed.resourceGroup));
}

function resourceKey(id: string): readonly string[] {
  return ["resource", ...normalizeResourceId(id).split("/").slice(1)];
}

export async function getResource(reader: Reader, id: string): Promise<StoredResource | undefined> {
  return getRecord(reader, resourceKey(id));
}

/** Throws ArmError 404 `ResourceNotFound`. */
export async function requireResource(reader: Reader, address: ResourceAddress): Promise<StoredResource> {
  const resource = await getResource(reader, address.id);
  if (resource === undefined) throw resourceNotFound(address.display, address.group);
  return resource;
}

/** Every resource at or below `scopeId`, in order of their ids. */
export async function listResources(reader: Reader, scopeId: string): Promise<StoredResource[]> {
  const normalized = normalizeResourceId(scopeId);
  return listRecords(reader, ["resource", ...normalized.split("/").slice(1)]);
}

export function putResource(transaction: Transaction, resource: StoredResource): void {
  putRecord(transaction, resourceKey(resource.id), resource);
}

/** Members of a written resource that the service derives and therefore does not keep. */
const derivedMembers = ["id", "type", "name", "identity", "systemData", "apiVersion"];

export function writableBody(body: JsonObject): JsonObject {
  return without(body, derivedMembers);
}

/** Locks that removing these resources needs. */
function removalLocks(plane: ControlPlane, resources: readonly StoredResource[]): string[] {
  const locks = resources.flatMap((resource) => [
    ...(plane.removals.get(resource.type.toLowerCase())?.locks(resource) ?? []),
  ]);
  return [...new Set([armLock, directoryLock, ...locks])];
}

/** Removes these resources with their host identities, the role and deny assignments and locks at or below `scopeId`. */
async function removeResources(
  plane: ControlPlane,
  transaction: Transaction,
  scopeId: string,
  resources: readonly StoredResource[],
): Promise<void> {
  for (const resource of resources) {
    await plane.removals.get(resource.type.toLowerCase())?.remove(plane, transaction, resource);
    await plane.identity.deleteHost(transaction, resource.id);
    deleteRecord(transaction, resourceKey(resource.id));
  }
  await deleteAssignmentsUnder(transaction, scopeId);
  await deleteDenyAssignmentsUnder(transaction, scopeId);
  await deleteLocksUnder(transaction, scopeId);
}

/**
 * Removes everything at or below `scopeId` in one transaction. The locks follow from what is there, so what was
 * read before is compared with what the transaction sees, and the attempt repeated when they differ.
 */
export async function removeTree(
  plane: ControlPlane,
  scopeId: string,
  also: (transaction: Transaction) => Promise<void> = async () => {},
): Promise<boolean> {
  for (;;) {
    const seen = await listResources(plane.store, scopeId);
    const held = removalLocks(plane, seen);
    const removed = await plane.store.transact(held, async (transaction) => {
      const present = await listResources(transaction, scopeId);
      if (removalLocks(plane, present).some((lock) => !held.includes(lock))) return undefined;
      await removeResources(plane, transaction, scopeId, present);
      await also(transaction);
      return present.length > 0;
    });
    if (removed !== undefined) return removed;
  }
}

/** The short form in which `resources` lists show a resource. */
export function renderListed(resource: StoredResource): JsonObject {
  const shown = ["location", "tags", "kind", "sku", "plan", "zones", "managedBy"];
  const members = shown.flatMap((name) => {
    const value = member(resource.body, name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { id: resource.id, name: resource.name, type: resource.type, ...Object.fromEntries(members) };
}

/**
 * True for what lists of a group's or subscription's resources show: resources that stand on their own, and children
 * that have a location, such as databases of a server; not settings, rules and extensions of other resources.
 */
export function isTracked({ id, type, body }: StoredResource): boolean {
  if (id.split(/\/providers\//i).length > 2) return false;
  return type.split("/").length === 2 || stringMember(body, "location") !== undefined;
}

export function locationOf(resource: StoredResource): string | undefined {
  return stringMember(resource.body, "location");
}

export function propertiesOf(resource: StoredResource): JsonObject {
  return objectMember(resource.body, "properties") ?? {};
}

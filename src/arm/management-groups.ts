/**
 * Management groups: the tree above the subscriptions. The root, named after the tenant, is always there and has no
 * record. Apart from their provider because deployments and access
 * decisions read the tree as well.
 */
import { ArmError } from "../azure/arm-error.ts";
import { managementGroupId, managementGroupNameOf, normalizeResourceId } from "../azure/resource-id.ts";
import type { Reader } from "../storage/port.ts";
import { clip } from "./errors.ts";
import { getRecord, listRecords } from "./records.ts";
import { listSubscriptions } from "./resource-groups.ts";

export interface ManagementGroup {
  readonly id: string;
  readonly name: string;
  readonly displayName: string;
  /** Absent for the root. */
  readonly parentId: string | undefined;
}

export interface ManagementGroupRecord {
  readonly name: string;
  readonly displayName: string;
  readonly parentId: string;
}

export function managementGroupKey(name: string): readonly string[] {
  return ["managementGroup", name.toLowerCase()];
}

/** Every group but the root. */
export async function listManagementGroups(reader: Reader): Promise<ManagementGroupRecord[]> {
  return listRecords(reader, ["managementGroup"]);
}

/** Where the group is kept that a subscription was moved to; without a record it is in the root. */
export function subscriptionPlaceKey(subscription: string): readonly string[] {
  return ["managementGroupOf", subscription.toLowerCase()];
}

export async function getManagementGroup(
  reader: Reader,
  tenantId: string,
  name: string,
): Promise<ManagementGroup | undefined> {
  const rootId = managementGroupId(tenantId);
  if (name.toLowerCase() === tenantId.toLowerCase()) {
    return { id: rootId, name: tenantId, displayName: "Tenant Root Group", parentId: undefined };
  }
  const record = await getRecord<ManagementGroupRecord>(reader, managementGroupKey(name));
  return record === undefined ? undefined : { id: managementGroupId(record.name), ...record };
}

/** Throws ArmError 404 `ManagementGroupNotFound`. */
export async function requireManagementGroup(
  reader: Reader,
  tenantId: string,
  name: string,
): Promise<ManagementGroup> {
  const found = await getManagementGroup(reader, tenantId, name);
  if (found !== undefined) return found;
  throw new ArmError(404, "ManagementGroupNotFound", `The management group '${clip(name)}' cannot be found.`);
}

/** More levels than this are taken for a mistake in the records; the service allows six below the root. */
export const managementGroupDepthMax = 7;

/** Ids of the management groups above a scope, the nearest first: a role assigned at any of them counts at the scope. */
export type ManagementGroupsAbove = (scope: string) => readonly string[];

/** Loads the whole tree, which is small, so that decisions can be made without waiting. */
export async function loadManagementGroupTree(reader: Reader): Promise<ManagementGroupsAbove> {
  const parents = new Map<string, string>();
  for (const { name, parentId } of await listManagementGroups(reader)) {
    parents.set(normalizeResourceId(managementGroupId(name)), parentId);
  }
  let root: string | undefined;
  for (const { subscriptionId, tenantId } of await listSubscriptions(reader)) {
    root = managementGroupId(tenantId);
    const place = await getRecord<string>(reader, subscriptionPlaceKey(subscriptionId));
    parents.set(`/subscriptions/${subscriptionId.toLowerCase()}`, place ?? root);
  }
  return (scope) => {
    const above: string[] = [];
    const place = placeOf(scope);
    // Whoever may make groups at the root may make this one: until it is there it is below nothing else.
    const isNew =
      managementGroupNameOf(scope) !== undefined &&
      place !== normalizeResourceId(root ?? "") &&
      !parents.has(place);
    let next = isNew ? root : parents.get(place);
    while (next !== undefined && above.length < managementGroupDepthMax) {
      above.push(next);
      next = parents.get(normalizeResourceId(next));
    }
    return above;
  };
}

/** The subscription or management group that a scope is in or is. */
function placeOf(scope: string): string {
  const subscription = /^\/subscriptions\/[^/]+/i.exec(scope)?.[0];
  return normalizeResourceId(subscription ?? managementGroupId(managementGroupNameOf(scope) ?? ""));
}

/**
 * Microsoft.Management/managementGroups: making, moving and removing the groups above subscriptions. Deployments and
 * role assignments at a group need it to exist; a role at a group counts for every subscription below it.
 */
import { ArmError } from "../../azure/arm-error.ts";
import {
  managementGroupId,
  managementGroupNameOf,
  managementGroupType,
  sameResourceId,
} from "../../azure/resource-id.ts";
import type { Reader } from "../../storage/port.ts";
import type { Address } from "../address.ts";
import { deleteDeploymentsUnder } from "../deployments/records.ts";
import { clip } from "../errors.ts";
import { isObject, type Json, type JsonObject, objectMember, stringMember } from "../json.ts";
import {
  getManagementGroup,
  listManagementGroups,
  loadManagementGroupTree,
  type ManagementGroup,
  type ManagementGroupRecord,
  managementGroupDepthMax,
  managementGroupKey,
  requireManagementGroup,
  subscriptionPlaceKey,
} from "../management-groups.ts";
import {
  type Call,
  type ControlPlane,
  type Operation,
  type Outcome,
  type Provider,
  parameter,
} from "../operation.ts";
import { armLock, deleteRecord, getRecord, putRecord } from "../records.ts";
import { listSubscriptions, requireSubscription } from "../resource-groups.ts";
import { removeTree } from "../resources.ts";
import { elevateAccessOperation } from "./elevate-access.ts";
import { objectBody } from "./generic.ts";

const all = "/providers/Microsoft.Management/managementGroups";
const one = `${all}/{name}`;
const inside = `${one}/subscriptions/{subscription}`;

const managementGroupOperations: readonly Operation[] = [
  {
    method: "GET",
    path: all,
    action: `${managementGroupType}/read`,
    scope: "",
    filtered: true,
    handler: listGroups,
  },
  { method: "GET", path: one, action: `${managementGroupType}/read`, handler: readGroup },
  {
    method: "PUT",
    path: one,
    action: `${managementGroupType}/write`,
    enoughAt: newParent,
    handler: (call) => writeGroup(call, false),
  },
  {
    method: "PATCH",
    path: one,
    action: `${managementGroupType}/write`,
    handler: (call) => writeGroup(call, true),
  },
  { method: "DELETE", path: one, action: `${managementGroupType}/delete`, handler: removeGroup },
  {
    method: "PUT",
    path: inside,
    action: `${managementGroupType}/subscriptions/write`,
    scope: one,
    handler: (call) => moveSubscription(call, true),
  },
  {
    method: "DELETE",
    path: inside,
    action: `${managementGroupType}/subscriptions/delete`,
    scope: one,
    handler: (call) => moveSubscription(call, false),
  },
];

export const managementProvider: Provider = {
  operations: [...managementGroupOperations, elevateAccessOperation],
};

/** Every group, the root first. */
async function everyGroup(reader: Reader, tenantId: string): Promise<readonly ManagementGroup[]> {
  const names = [tenantId, ...(await listManagementGroups(reader)).map(({ name }) => name)];
  const found = await Promise.all(names.map((name) => getManagementGroup(reader, tenantId, name)));
  return found.filter((group) => group !== undefined);
}

async function listGroups({ plane }: Call): Promise<Outcome> {
  const groups = await everyGroup(plane.store, plane.tenantId);
  const value = groups.map(({ id, name, displayName }) => ({
    id,
    type: managementGroupType,
    name,
    properties: { tenantId: plane.tenantId, displayName },
  }));
  return { status: 200, body: { value } };
}

async function readGroup(call: Call): Promise<Outcome> {
  const { store, tenantId } = call.plane;
  const group = await requireManagementGroup(store, tenantId, parameter(call, "name"));
  const expanded = call.address.query.get("$expand")?.toLowerCase() === "children";
  const children = expanded ? { children: await childrenOf(store, tenantId, group) } : {};
  return { status: 200, body: await render(store, tenantId, group, children) };
}

async function childrenOf(reader: Reader, tenantId: string, group: ManagementGroup): Promise<JsonObject[]> {
  const isHere = (parentId: string | undefined): boolean =>
    parentId?.toLowerCase() === group.id.toLowerCase();
  const groups = (await everyGroup(reader, tenantId)).filter(({ parentId }) => isHere(parentId));
  const children: JsonObject[] = groups.map(({ id, name, displayName }) => ({
    id,
    type: managementGroupType,
    name,
    displayName,
  }));
  for (const { subscriptionId, displayName } of await listSubscriptions(reader)) {
    const place = await getRecord<string>(reader, subscriptionPlaceKey(subscriptionId));
    if (!isHere(place ?? managementGroupId(tenantId))) continue;
    const id = `/subscriptions/${subscriptionId}`;
    children.push({ id, type: "/subscriptions", name: subscriptionId, displayName });
  }
  return children;
}

async function render(
  reader: Reader,
  tenantId: string,
  group: ManagementGroup,
  more: JsonObject = {},
): Promise<JsonObject> {
  const parent =
    group.parentId === undefined
      ? undefined
      : await getManagementGroup(reader, tenantId, managementGroupNameOf(group.parentId) ?? "");
  const details =
    parent === undefined
      ? {}
      : { parent: { id: parent.id, name: parent.name, displayName: parent.displayName } };
  return {
    id: group.id,
    type: managementGroupType,
    name: group.name,
    properties: {
      tenantId,
      displayName: group.displayName,
      details: { version: 1, ...details },
      ...more,
    },
  };
}

/** PUT sends the parent inside `properties.details`, PATCH as `parentGroupId` beside the display name. */
function sentGroup(body: JsonObject): { displayName: string | undefined; parentId: string | undefined } {
  const properties = objectMember(body, "properties");
  const parent = objectMember(objectMember(properties, "details"), "parent");
  return {
    displayName: stringMember(properties, "displayName") ?? stringMember(body, "displayName"),
    parentId: stringMember(parent, "id") ?? stringMember(body, "parentGroupId"),
  };
}

/** The group below which a new one is to be made: nobody holds roles yet on what is not there. */
async function newParent(
  { store, tenantId }: ControlPlane,
  address: Address,
  body: Json | undefined,
): Promise<string | undefined> {
  const name = managementGroupNameOf(address.path) ?? "";
  if ((await getManagementGroup(store, tenantId, name)) !== undefined) return undefined;
  const { parentId = managementGroupId(tenantId) } = sentGroup(isObject(body) ? body : {});
  return (await getManagementGroup(store, tenantId, parentName(parentId)))?.id;
}

/** The name of the group that is meant by this id and no longer one; empty, which no group has, for anything else. */
function parentName(id: string): string {
  const name = managementGroupNameOf(id) ?? "";
  return sameResourceId(id, managementGroupId(name)) ? name : "";
}

async function writeGroup(call: Call, patching: boolean): Promise<Outcome> {
  const { plane } = call;
  const { tenantId } = plane;
  const name = parameter(call, "name");
  checkName(name);
  const sent = sentGroup(objectBody(call));
  return plane.store.transact([armLock], async (transaction) => {
    const before = patching
      ? await requireManagementGroup(transaction, tenantId, name)
      : await getManagementGroup(transaction, tenantId, name);
    // The root is as it is; a template may name it all the same.
    if (before !== undefined && before.parentId === undefined) {
      return { status: 200, body: await render(transaction, tenantId, before) };
    }
    // It may have been made by somebody else since the caller was allowed to make it.
    if (before !== undefined) await call.require(`${managementGroupType}/write`, before.id);
    const parent = await requireManagementGroup(
      transaction,
      tenantId,
      parentName(sent.parentId ?? before?.parentId ?? managementGroupId(tenantId)),
    );
    await rejectCircle(transaction, before?.id ?? managementGroupId(name), parent);
    if (before?.parentId?.toLowerCase() !== parent.id.toLowerCase()) {
      await requireMove(call, before?.id, before?.parentId, parent.id);
    }
    const record: ManagementGroupRecord = {
      name: before?.name ?? name,
      displayName: sent.displayName ?? before?.displayName ?? name,
      parentId: parent.id,
    };
    putRecord(transaction, managementGroupKey(name), record);
    const written = await requireManagementGroup(transaction, tenantId, name);
    return { status: 200, body: await render(transaction, tenantId, written) };
  });
}

function checkName(name: string): void {
  if (/^[\w().~-]{1,90}$/.test(name) && !name.endsWith(".")) return;
  throw new ArmError(
    400,
    "InvalidManagementGroupId",
    `The management group id '${clip(name)}' is not valid: it has 1 to 90 letters, digits, hyphens, underscores, parentheses or periods, and does not end with a period.`,
  );
}

/** A group cannot hang below itself, and the tree has its depth. */
async function rejectCircle(reader: Reader, id: string, parent: ManagementGroup): Promise<void> {
  const tree = await loadManagementGroupTree(reader);
  const above = [parent.id, ...tree(parent.id)];
  if (
    above.length < managementGroupDepthMax &&
    above.every((each) => each.toLowerCase() !== id.toLowerCase())
  )
    return;
  throw new ArmError(
    400,
    "BadRequest",
    `The management group '${clip(parent.name)}' cannot be the parent: groups nest at most six levels deep and never in a circle.`,
  );
}

async function removeGroup(call: Call): Promise<Outcome> {
  const { store, tenantId } = call.plane;
  const group = await getManagementGroup(store, tenantId, parameter(call, "name"));
  if (group === undefined) return { status: 204 };
  if (group.parentId === undefined || (await childrenOf(store, tenantId, group)).length > 0) {
    throw new ArmError(
      400,
      "BadRequest",
      `The management group '${group.name}' cannot be deleted: it is the root, or groups or subscriptions are in it.`,
    );
  }
  await removeTree(call.plane, group.id, async (transaction) => {
    await deleteDeploymentsUnder(transaction, group.id);
    deleteRecord(transaction, managementGroupKey(group.name));
  });
  return { status: 204 };
}

/**
 * What a move needs besides the right to write where it is asked for: roles on what is moved, since the new place decides
 * who inherits rights on it, and writing at the old and the new parent. The root asks nothing, as in the service
 * (management groups, "Moving management groups and subscriptions"). `id` is absent for a group that is new.
 */
async function requireMove(
  call: Call,
  id: string | undefined,
  from: string | undefined,
  to: string,
): Promise<void> {
  if (id !== undefined) await call.require("Microsoft.Authorization/roleAssignments/write", id);
  const root = managementGroupId(call.plane.tenantId).toLowerCase();
  for (const parent of [from, to]) {
    if (parent === undefined || parent.toLowerCase() === root) continue;
    await call.require(`${managementGroupType}/write`, parent);
  }
}

/** Moves a subscription into the group of the path, or out of it, to the root. */
async function moveSubscription(call: Call, isInto: boolean): Promise<Outcome> {
  const { store, tenantId } = call.plane;
  return store.transact([armLock], async (transaction) => {
    const named = await requireManagementGroup(transaction, tenantId, parameter(call, "name"));
    const record = await requireSubscription(transaction, parameter(call, "subscription"));
    const { subscriptionId, displayName } = record;
    const key = subscriptionPlaceKey(subscriptionId);
    const root = managementGroupId(tenantId);
    const from = (await getRecord<string>(transaction, key)) ?? root;
    const to = isInto ? named.id : root;
    await requireMove(call, `/subscriptions/${subscriptionId}`, from, to);
    if (!isInto) {
      // It may be elsewhere by now: only the group that has it can give it away.
      if (from.toLowerCase() !== named.id.toLowerCase()) return { status: 204 };
      deleteRecord(transaction, key);
      return { status: 200 };
    }
    putRecord(transaction, key, to);
    const body = {
      id: `${to}/subscriptions/${subscriptionId}`,
      type: `${managementGroupType}/subscriptions`,
      name: subscriptionId,
      properties: { tenant: tenantId, displayName, parent: { id: to }, state: "Active" },
    };
    return { status: 200, body };
  });
}

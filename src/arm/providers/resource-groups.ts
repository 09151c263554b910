/** Resource groups: made, listed, and deleted together with everything in them. */
import { ArmError } from "../../azure/arm-error.ts";
import { deleteDeploymentsUnder } from "../deployments/records.ts";
import { clip, locationRequired } from "../errors.ts";
import { type JsonObject, objectMember, stringMember } from "../json.ts";
import { findLocation, locations } from "../locations.ts";
import { type Call, type ControlPlane, type Operation, type Outcome, parameter } from "../operation.ts";
import { armLock, deleteRecord, putRecord } from "../records.ts";
import {
  type GroupRecord,
  getGroup,
  groupId,
  groupKey,
  listGroups,
  renderGroup,
  requireGroup,
  requireSubscription,
} from "../resource-groups.ts";
import { isTracked, listResources, removeTree, renderListed } from "../resources.ts";
import { objectBody } from "./generic.ts";
import { matchesResourceFilter, matchesTagFilter } from "./resource-filter.ts";

const groups = "/subscriptions/{subscription}/resourceGroups";
const type = "Microsoft.Resources/subscriptions/resourceGroups";

export const resourceGroupOperations: readonly Operation[] = [
  {
    method: "PUT",
    path: `${groups}/{group}`,
    action: `${type}/write`,
    handler: (call) => write(call, false),
  },
  {
    method: "PATCH",
    path: `${groups}/{group}`,
    action: `${type}/write`,
    handler: (call) => write(call, true),
  },
  { method: "GET", path: `${groups}/{group}`, action: `${type}/read`, handler: readGroup },
  { method: "HEAD", path: `${groups}/{group}`, action: `${type}/read`, handler: headGroup },
  { method: "DELETE", path: `${groups}/{group}`, action: `${type}/delete`, handler: deleteGroup },
  { method: "GET", path: groups, action: `${type}/read`, filtered: true, handler: listAll },
  {
    method: "GET",
    path: `${groups}/{group}/resources`,
    action: `${type}/resources/read`,
    filtered: true,
    handler: listGroupResources,
  },
  {
    method: "GET",
    path: "/subscriptions/{subscription}/resources",
    action: "Microsoft.Resources/subscriptions/resources/read",
    filtered: true,
    handler: listSubscriptionResources,
  },
];

const groupNameMax = 90;

/** Throws ArmError 400 for what cannot be a group's name: wherever a name comes from, it becomes part of ids. */
export function checkGroupName(name: string): void {
  if (name.length > groupNameMax) {
    throw new ArmError(
      400,
      "InvalidResourceGroup",
      `The provided resource group name '${clip(name)}' exceeds the maximum length of '${groupNameMax}' characters.`,
    );
  }
  const bad = [...new Set(name.replace(/[\p{L}\p{N}()_.-]/gu, ""))].join("");
  if (bad !== "") {
    throw new ArmError(
      400,
      "InvalidResourceGroup",
      `The provided resource group name '${name}' has these invalid characters: '${bad}'. The name can only be a letter, digit, '-', '.', '(', ')' or '_'.`,
    );
  }
  if (name.endsWith(".")) {
    throw new ArmError(
      400,
      "InvalidResourceGroup",
      `The provided resource group name '${name}' cannot end with a period.`,
    );
  }
}

async function write(call: Call, patching: boolean): Promise<Outcome> {
  const body = objectBody(call);
  const subscription = parameter(call, "subscription");
  const name = parameter(call, "group");
  checkGroupName(name);
  return call.plane.store.transact([armLock], async (transaction) => {
    const record = await requireSubscription(transaction, subscription);
    const existing = patching
      ? await requireGroup(transaction, subscription, name)
      : await getGroup(transaction, subscription, name);
    const location = locationOf(body, existing);
    const tags = objectMember(body, "tags") ?? (patching ? existing?.tags : undefined);
    const managedBy = stringMember(body, "managedBy") ?? existing?.managedBy;
    const group: GroupRecord = {
      subscriptionId: record.subscriptionId,
      name: existing?.name ?? name,
      location,
      ...(tags === undefined ? {} : { tags }),
      ...(managedBy === undefined ? {} : { managedBy }),
    };
    putRecord(transaction, groupKey(subscription, name), group);
    return { status: existing === undefined ? 201 : 200, body: renderGroup(group) };
  });
}

function locationOf(body: JsonObject, existing: GroupRecord | undefined): string {
  const sent = stringMember(body, "location");
  if (sent === undefined || sent === "") {
    if (existing !== undefined) return existing.location;
    throw locationRequired();
  }
  const location = findLocation(sent);
  if (location === undefined) {
    throw new ArmError(
      400,
      "LocationNotAvailableForResourceGroup",
      `The provided location '${clip(sent)}' is not available for resource group. List of available regions is '${locations.map((each) => each.name).join(",")}'.`,
    );
  }
  if (existing !== undefined && existing.location !== location.name) {
    throw new ArmError(
      409,
      "InvalidResourceGroupLocation",
      `Invalid resource group location '${location.name}'. The Resource group already exists in location '${existing.location}'.`,
    );
  }
  return location.name;
}

async function readGroup(call: Call): Promise<Outcome> {
  const group = await requireGroup(
    call.plane.store,
    parameter(call, "subscription"),
    parameter(call, "group"),
  );
  return { status: 200, body: renderGroup(group) };
}

async function headGroup(call: Call): Promise<Outcome> {
  const group = await getGroup(call.plane.store, parameter(call, "subscription"), parameter(call, "group"));
  return { status: group === undefined ? 404 : 204 };
}

async function deleteGroup(call: Call): Promise<Outcome> {
  const subscription = parameter(call, "subscription");
  const group = await requireGroup(call.plane.store, subscription, parameter(call, "group"));
  await removeGroup(call.plane, group);
  return { status: 200 };
}

/** Removes a group with everything in it, in one transaction. */
export async function removeGroup(plane: ControlPlane, group: GroupRecord): Promise<void> {
  await removeTree(plane, groupId(group), async (transaction) => {
    await deleteDeploymentsUnder(transaction, groupId(group));
    deleteRecord(transaction, groupKey(group.subscriptionId, group.name));
  });
}

async function listAll(call: Call): Promise<Outcome> {
  const subscription = parameter(call, "subscription");
  const matches = matchesTagFilter(call.address.query.get("$filter"));
  const found = (await listGroups(call.plane.store, subscription)).filter((group) => matches(group.tags));
  return { status: 200, body: { value: found.map(renderGroup) } };
}

async function listGroupResources(call: Call): Promise<Outcome> {
  const group = await requireGroup(
    call.plane.store,
    parameter(call, "subscription"),
    parameter(call, "group"),
  );
  return listBelow(call, groupId(group));
}

async function listSubscriptionResources(call: Call): Promise<Outcome> {
  return listBelow(call, `/subscriptions/${parameter(call, "subscription")}`);
}

async function listBelow(call: Call, scopeId: string): Promise<Outcome> {
  const matches = matchesResourceFilter(call.address.query.get("$filter"));
  const found = (await listResources(call.plane.store, scopeId)).filter(
    (resource) => isTracked(resource) && matches(resource),
  );
  return { status: 200, body: { value: found.map(renderListed) } };
}

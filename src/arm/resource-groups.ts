/** Records of subscriptions and resource groups: the containers that every other record hangs below. */

import type { Reader } from "../storage/port.ts";
import { resourceGroupNotFound, subscriptionNotFound } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import { getRecord, listRecords } from "./records.ts";

export interface SubscriptionRecord {
  readonly subscriptionId: string;
  readonly displayName: string;
  readonly tenantId: string;
  readonly tags?: JsonObject;
}

export interface GroupRecord {
  readonly subscriptionId: string;
  /** In the casing in which the group was created; `resourceGroup().id` and every id below it keep it. */
  readonly name: string;
  readonly location: string;
  readonly tags?: JsonObject;
  readonly managedBy?: string;
}

export function subscriptionKey(subscription: string): readonly string[] {
  return ["subscription", subscription.toLowerCase()];
}

export function groupKey(subscription: string, group: string): readonly string[] {
  return ["group", subscription.toLowerCase(), group.toLowerCase()];
}

export function groupId(group: Pick<GroupRecord, "subscriptionId" | "name">): string {
  return `/subscriptions/${group.subscriptionId}/resourceGroups/${group.name}`;
}

export async function getSubscription(
  reader: Reader,
  subscription: string,
): Promise<SubscriptionRecord | undefined> {
  return getRecord(reader, subscriptionKey(subscription));
}

export async function listSubscriptions(reader: Reader): Promise<SubscriptionRecord[]> {
  return listRecords(reader, ["subscription"]);
}

/** Throws ArmError 404 `SubscriptionNotFound`. */
export async function requireSubscription(reader: Reader, subscription: string): Promise<SubscriptionRecord> {
  const record = await getSubscription(reader, subscription);
  if (record === undefined) throw subscriptionNotFound(subscription);
  return record;
}

export async function getGroup(
  reader: Reader,
  subscription: string,
  group: string,
): Promise<GroupRecord | undefined> {
  return getRecord(reader, groupKey(subscription, group));
}

export async function listGroups(reader: Reader, subscription: string): Promise<GroupRecord[]> {
  return listRecords(reader, ["group", subscription.toLowerCase()]);
}

/** Throws ArmError 404 `ResourceGroupNotFound`. */
export async function requireGroup(
  reader: Reader,
  subscription: string,
  group: string,
): Promise<GroupRecord> {
  const record = await getGroup(reader, subscription, group);
  if (record === undefined) throw resourceGroupNotFound(group);
  return record;
}

/** The group as the service shows it. */
export function renderGroup(group: GroupRecord): JsonObject {
  return {
    id: groupId(group),
    name: group.name,
    type: "Microsoft.Resources/resourceGroups",
    location: group.location,
    ...(group.tags === undefined ? {} : { tags: group.tags }),
    ...(group.managedBy === undefined ? {} : { managedBy: group.managedBy }),
    properties: { provisioningState: "Succeeded" },
  };
}

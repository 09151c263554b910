/**
 * The place of a deployment: resource group, subscription, management group or the tenant. Each has its own path, and
 * each lets different functions say where the template runs.
 */
import { managementGroupNameOf, managementGroupType, parseResourceId } from "../../azure/resource-id.ts";
import type { Reader } from "../../storage/port.ts";
import type { JsonObject } from "../json.ts";
import { type ManagementGroup, requireManagementGroup } from "../management-groups.ts";
import {
  type GroupRecord,
  groupId,
  renderGroup,
  requireGroup,
  requireSubscription,
  type SubscriptionRecord,
} from "../resource-groups.ts";

export interface DeploymentTarget {
  readonly name: string;
  /** Absent at management groups and at the tenant. */
  readonly subscription: SubscriptionRecord | undefined;
  readonly group: GroupRecord | undefined;
  readonly managementGroup: ManagementGroup | undefined;
}

/** What a path says about the place; nothing for the tenant. */
export interface TargetNames {
  readonly subscription?: string | undefined;
  readonly group?: string | undefined;
  readonly managementGroup?: string | undefined;
}

/** Throws ArmError 404 for a place that does not exist. */
export async function resolveTarget(
  reader: Reader,
  tenantId: string,
  name: string,
  place: TargetNames,
): Promise<DeploymentTarget> {
  const subscription =
    place.subscription === undefined ? undefined : await requireSubscription(reader, place.subscription);
  return {
    name,
    subscription,
    group:
      subscription === undefined || place.group === undefined
        ? undefined
        : await requireGroup(reader, subscription.subscriptionId, place.group),
    managementGroup:
      place.managementGroup === undefined
        ? undefined
        : await requireManagementGroup(reader, tenantId, place.managementGroup),
  };
}

/** The place of the nested deployment with this id. */
export async function targetOfId(
  reader: Reader,
  tenantId: string,
  id: string,
  name: string,
): Promise<DeploymentTarget> {
  const { subscriptionId, resourceGroup } = parseResourceId(id) ?? {};
  return resolveTarget(reader, tenantId, name, {
    subscription: subscriptionId,
    group: resourceGroup,
    managementGroup: subscriptionId === undefined ? managementGroupNameOf(id) : undefined,
  });
}

/** The id of the place; empty for the tenant. */
export function scopeIdOf({ subscription, group, managementGroup }: DeploymentTarget): string {
  if (group !== undefined) return groupId(group);
  if (subscription !== undefined) return `/subscriptions/${subscription.subscriptionId}`;
  return managementGroup?.id ?? "";
}

export function deploymentId(target: DeploymentTarget): string {
  return `${scopeIdOf(target)}/providers/Microsoft.Resources/deployments/${target.name}`;
}

/** What the functions about the place answer; absent ones are not expected at this place. */
export interface PlaceFacts {
  readonly resourceGroup: JsonObject | undefined;
  readonly subscription: JsonObject | undefined;
  readonly managementGroup: JsonObject | undefined;
}

export function describePlace(target: DeploymentTarget, tenantId: string): PlaceFacts {
  const { subscription, group, managementGroup } = target;
  return {
    resourceGroup: group === undefined ? undefined : renderGroup(group),
    subscription:
      subscription === undefined
        ? undefined
        : {
            id: `/subscriptions/${subscription.subscriptionId}`,
            subscriptionId: subscription.subscriptionId,
            tenantId: subscription.tenantId,
            displayName: subscription.displayName,
          },
    managementGroup:
      managementGroup === undefined ? undefined : describeManagementGroup(managementGroup, tenantId),
  };
}

function describeManagementGroup(group: ManagementGroup, tenantId: string): JsonObject {
  const { parentId } = group;
  const parent =
    parentId === undefined ? {} : { parent: { id: parentId, name: parentId.split("/").pop() ?? "" } };
  return {
    id: group.id,
    name: group.name,
    type: managementGroupType,
    properties: { tenantId, displayName: group.displayName, details: parent },
  };
}

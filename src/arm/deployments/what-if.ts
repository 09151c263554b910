/**
 * What a deployment would change, without changing anything: each resource of the template is evaluated as far as it
 * can be before the run and compared with what is there. Reads are requests of the caller, as in the run itself.
 */

import { newestVersion } from "../../azure/api-versions.ts";
import { ArmError } from "../../azure/arm-error.ts";
import { normalizeResourceId, parseResourceId } from "../../azure/resource-id.ts";
import { isArray, isObject, type Json, type JsonObject, member, objectMember } from "../json.ts";
import { normalizeLocation } from "../locations.ts";
import type { Call } from "../operation.ts";
import { requireGroup, requireSubscription } from "../resource-groups.ts";
import { listResources } from "../resources.ts";
import { makeBody } from "./apply.ts";
import { ExpressionError } from "./expressions.ts";
import type { ResourceInstance } from "./instances.ts";
import {
  bodyOf,
  type DeploymentTarget,
  isNestedDeployment,
  type PreparedDeployment,
  prepareDeployment,
} from "./prepare.ts";
import { evaluateRunning } from "./runtime-values.ts";
import { readDeployment } from "./template.ts";

export type ChangeType = "Create" | "Delete" | "Modify" | "NoChange" | "Ignore" | "Unsupported";

export interface PropertyChange {
  readonly path: string;
  readonly propertyChangeType: "Create" | "Delete" | "Modify" | "Array";
  readonly before?: Json;
  readonly after?: Json;
  readonly children?: readonly PropertyChange[];
}

export interface ResourceChange {
  readonly resourceId: string;
  readonly changeType: ChangeType;
  readonly before?: Json;
  readonly after?: Json;
  readonly delta?: readonly PropertyChange[];
  readonly unsupportedReason?: string;
}

/** The changes that running `prepared` would make, one for each resource. Throws ArmError for rights that are missing. */
export async function predictChanges(call: Call, prepared: PreparedDeployment): Promise<ResourceChange[]> {
  const changes: ResourceChange[] = [];
  for (const instance of prepared.graph.order) {
    if (!instance.enabled || instance.existing) continue;
    if (isNestedDeployment(instance)) changes.push(...(await predictNested(call, prepared, instance)));
    else changes.push(await predictOne(call, prepared, instance));
  }
  changes.push(...(await predictUnlisted(call, prepared, changes)));
  return changes;
}

async function predictNested(
  call: Call,
  prepared: PreparedDeployment,
  instance: ResourceInstance,
): Promise<ResourceChange[]> {
  try {
    const body = await makeBody(call, prepared, instance);
    const request = readDeployment({ value: body, positionOf: () => undefined });
    const target = await nestedTarget(call, instance);
    const inner = await prepareDeployment(call, target, { ...request, mode: "Incremental" });
    return (await predictChanges(call, inner)).filter(({ changeType }) => changeType !== "Ignore");
  } catch (error) {
    if (!(error instanceof ArmError) && !(error instanceof ExpressionError)) throw error;
    return [{ resourceId: instance.id, changeType: "Unsupported", unsupportedReason: error.message }];
  }
}

async function nestedTarget(call: Call, instance: ResourceInstance): Promise<DeploymentTarget> {
  const { store } = call.plane;
  const { subscriptionId = "", resourceGroup } = parseResourceId(instance.id) ?? {};
  return {
    name: instance.name,
    subscription: await requireSubscription(store, subscriptionId),
    group: resourceGroup === undefined ? undefined : await requireGroup(store, subscriptionId, resourceGroup),
  };
}

async function predictOne(
  call: Call,
  prepared: PreparedDeployment,
  instance: ResourceInstance,
): Promise<ResourceChange> {
  const { id, name, type, apiVersion } = instance;
  const body = (await predictValue(call, prepared, instance, bodyOf(instance))) as JsonObject;
  const after = { apiVersion, id, name: name.split("/").pop() ?? name, type, ...body };
  const before = await present(call, id, apiVersion);
  if (before === undefined) return { resourceId: id, changeType: "Create", after };
  const delta = compare("", before, withoutIdentifiers(after));
  const resourceId = id;
  if (delta.length === 0) return { resourceId, changeType: "NoChange", before, after };
  return { resourceId, changeType: "Modify", before, after, delta };
}

function withoutIdentifiers(resource: JsonObject): JsonObject {
  const { apiVersion: _, id: __, name: ___, type: ____, ...rest } = resource;
  return rest;
}

/** The value as it will be; an expression that needs what does not exist yet stays as it is written. */
async function predictValue(
  call: Call,
  prepared: PreparedDeployment,
  instance: ResourceInstance,
  value: Json,
): Promise<Json> {
  try {
    return await evaluateRunning(call, prepared.index, value, instance.environment);
  } catch (error) {
    if (!(error instanceof ArmError) && !(error instanceof ExpressionError)) throw error;
    if (isArray(value)) {
      return Promise.all(value.map((each) => predictValue(call, prepared, instance, each)));
    }
    if (!isObject(value)) return value;
    const members = Object.entries(value).map(
      async ([name, each]) => [name, await predictValue(call, prepared, instance, each)] as const,
    );
    return Object.fromEntries(await Promise.all(members));
  }
}

async function present(call: Call, id: string, apiVersion: string): Promise<JsonObject | undefined> {
  try {
    const { body } = await call.dispatch({ method: "GET", id, apiVersion });
    return isObject(body as Json) ? (body as JsonObject) : {};
  } catch (error) {
    if (error instanceof ArmError && error.status === 404) return undefined;
    throw error;
  }
}

/** What the group holds and the template does not name: left alone, or deleted in Complete mode. */
async function predictUnlisted(
  call: Call,
  prepared: PreparedDeployment,
  changes: readonly ResourceChange[],
): Promise<ResourceChange[]> {
  if (prepared.target.group === undefined) return [];
  const listed = new Set([
    ...changes.map(({ resourceId }) => normalizeResourceId(resourceId)),
    ...prepared.instances.filter(({ existing }) => existing).map(({ id }) => normalizeResourceId(id)),
  ]);
  const changeType = prepared.request.mode === "Complete" ? "Delete" : "Ignore";
  const found: ResourceChange[] = [];
  for (const { id, type } of await listResources(call.plane.store, prepared.scopeId)) {
    if (listed.has(normalizeResourceId(id))) continue;
    // Only what the caller may read, as its provider shows it: kept bodies hold what nobody is shown.
    if (!(await call.decide(`${type}/read`, id)).allowed) continue;
    const before = await present(call, id, newestVersion(type));
    if (before !== undefined) found.push({ resourceId: id, changeType, before });
  }
  return found;
}

/** Members that are sent but that some or all types never show: children of an account have no place of their own. */
const writeOnly: ReadonlySet<string> = new Set(["location", "properties.options", "properties.createMode"]);

/** The changes of the members that the template gives; what a provider adds on its own is no change. */
function compare(path: string, before: JsonObject, after: JsonObject): PropertyChange[] {
  const changes = Object.entries(after).flatMap(([name, value]): PropertyChange[] => {
    const inner = path === "" ? name : `${path}.${name}`;
    const was = member(before, name);
    if (was === undefined) {
      if (writeOnly.has(inner) || value === null) return [];
      return [{ path: inner, propertyChangeType: "Create", after: value }];
    }
    return compareValue(inner, was, value);
  });
  const tags = path === "" ? objectMember(before, "tags") : path === "tags" ? before : undefined;
  for (const [name, was] of Object.entries(tags ?? {})) {
    const kept = path === "tags" ? after : (objectMember(after, "tags") ?? {});
    if (path === "" && Object.hasOwn(after, "tags")) break;
    if (member(kept, name) === undefined)
      changes.push({ path: `tags.${name}`, propertyChangeType: "Delete", before: was });
  }
  return changes;
}

function compareValue(path: string, before: Json, after: Json): PropertyChange[] {
  if (isObject(before) && isObject(after)) return compare(path, before, after);
  if (isArray(before) && isArray(after)) {
    const children = compareItems(before, after);
    return children.length === 0 ? [] : [{ path, propertyChangeType: "Array", before, after, children }];
  }
  if (isSame(path, before, after)) return [];
  return [{ path, propertyChangeType: "Modify", before, after }];
}

function compareItems(before: readonly Json[], after: readonly Json[]): PropertyChange[] {
  const length = Math.max(before.length, after.length);
  return Array.from({ length }, (_, index) => index).flatMap((index): PropertyChange[] => {
    const [was, is] = [before[index], after[index]];
    const path = String(index);
    if (was === undefined) return is === undefined ? [] : [{ path, propertyChangeType: "Create", after: is }];
    if (is === undefined) return [{ path, propertyChangeType: "Delete", before: was }];
    const children = compareValue("", was, is);
    if (children.length === 0) return [];
    const inner = isObject(was) && isObject(is) ? { children } : {};
    return [{ path, propertyChangeType: "Modify", before: was, after: is, ...inner }];
  });
}

function isSame(path: string, before: Json, after: Json): boolean {
  if (before === after) return true;
  if (typeof before !== "string" || typeof after !== "string") return false;
  if (/(^|\.)location(Name)?$/.test(path)) return normalizeLocation(before) === normalizeLocation(after);
  // Ids and enumerations are compared without regard to case, as providers do.
  return before.toLowerCase() === after.toLowerCase();
}

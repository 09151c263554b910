/**
 * What a deployment would change, without changing anything: each resource of the template is evaluated as far as it
 * can be before the run and compared with what is there. Reads are requests of the caller, as in the run itself.
 */

import { newestVersion } from "../../azure/api-versions.ts";
import { ArmError } from "../../azure/arm-error.ts";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import { isArray, isObject, type Json, type JsonObject, member, objectMember } from "../json.ts";
import { normalizeLocation } from "../locations.ts";
import type { Call } from "../operation.ts";
import { isNeverShown } from "../providers/service-values.ts";
import { isTracked, listResources } from "../resources.ts";
import { makeBody, shownTemplate } from "./apply.ts";
import { ExpressionError } from "./expressions.ts";
import type { ResourceInstance } from "./instances.ts";
import { preflight } from "./preflight.ts";
import { bodyOf, isNestedDeployment, type PreparedDeployment, prepareDeployment } from "./prepare.ts";
import { evaluateShown } from "./runtime-values.ts";
import { targetOfId } from "./target.ts";
import { loadDeployment } from "./template.ts";

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
    const body = await nestedBody(call, prepared, instance);
    const request = await loadDeployment(call, { value: body, positionOf: () => undefined });
    const { store, tenantId } = call.plane;
    const target = await targetOfId(store, tenantId, instance.id, instance.name);
    const { validationLevel } = prepared.request;
    const inner = await prepareDeployment(call, target, { ...request, mode: "Incremental", validationLevel });
    await preflight(call, inner, false);
    return (await predictChanges(call, inner)).filter(({ changeType }) => changeType !== "Ignore");
  } catch (error) {
    if (!(error instanceof ArmError) && !(error instanceof ExpressionError)) throw error;
    return [{ resourceId: instance.id, changeType: "Unsupported", unsupportedReason: error.message }];
  }
}

/** The body of a nested deployment; one whose template would hold secrets keeps the expressions that read them. */
async function nestedBody(
  call: Call,
  prepared: PreparedDeployment,
  instance: ResourceInstance,
): Promise<Json> {
  const body = await makeBody(call, prepared, instance);
  const template = await shownTemplate(call, prepared, instance);
  if (template === undefined || !isObject(body)) return body;
  return { ...body, properties: { ...objectMember(body, "properties"), template } };
}

async function predictOne(
  call: Call,
  prepared: PreparedDeployment,
  instance: ResourceInstance,
): Promise<ResourceChange> {
  const { id, name, type, apiVersion } = instance;
  const body = (await evaluateShown(
    call,
    prepared.index,
    bodyOf(instance),
    instance.environment,
  )) as JsonObject;
  const { shownFunctions: functions } = prepared;
  const shown =
    functions === undefined
      ? body
      : ((await evaluateShown(call, prepared.index, bodyOf(instance), {
          ...instance.environment,
          functions,
        })) as JsonObject);
  const after = { apiVersion, id, name: name.split("/").pop() ?? name, type, ...shown };
  const before = await present(call, id, apiVersion);
  if (before === undefined) return { resourceId: id, changeType: "Create", after };
  const delta = compare(type, "", before, { real: body, shown });
  const resourceId = id;
  if (delta.length === 0) return { resourceId, changeType: "NoChange", before, after };
  return { resourceId, changeType: "Modify", before, after, delta };
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
  if (prepared.target.group === undefined) return found;
  for (const { id, type } of (await listResources(call.plane.store, prepared.scopeId)).filter(isTracked)) {
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

/**
 * A value of the template: as it will be, and as it is shown, which differs where secrets are. Both have the same form
 * down to where an expression stands in place of a secret.
 */
interface Predicted<T extends Json = Json> {
  readonly real: T;
  readonly shown: Json;
}

/** The changes of the members that the template gives; what a provider adds on its own is no change. */
function compare(
  type: string,
  path: string,
  before: JsonObject,
  after: Predicted<JsonObject>,
): PropertyChange[] {
  const changes = Object.entries(after.real).flatMap(([name, real]): PropertyChange[] => {
    const inner = path === "" ? name : `${path}.${name}`;
    const shown = isObject(after.shown) ? (after.shown[name] ?? after.shown) : after.shown;
    const was = member(before, name);
    if (was === undefined) {
      if (writeOnly.has(inner) || real === null || isNeverShown(type, inner)) return [];
      return [{ path: inner, propertyChangeType: "Create", after: shown }];
    }
    return compareValue(type, inner, was, { real, shown });
  });
  const tags = path === "" ? objectMember(before, "tags") : path === "tags" ? before : undefined;
  for (const [name, was] of Object.entries(tags ?? {})) {
    const kept = path === "tags" ? after.real : (objectMember(after.real, "tags") ?? {});
    if (path === "" && Object.hasOwn(after.real, "tags")) break;
    if (member(kept, name) === undefined)
      changes.push({ path: `tags.${name}`, propertyChangeType: "Delete", before: was });
  }
  return changes;
}

function compareValue(
  type: string,
  path: string,
  before: Json,
  { real, shown }: Predicted,
): PropertyChange[] {
  if (isObject(before) && isObject(real)) return compare(type, path, before, { real, shown });
  if (isArray(before) && isArray(real)) {
    const children = compareItems(type, before, { real, shown });
    return children.length === 0
      ? []
      : [{ path, propertyChangeType: "Array", before, after: shown, children }];
  }
  if (isSame(path, before, real)) return [];
  return [{ path, propertyChangeType: "Modify", before, after: shown }];
}

function compareItems(
  type: string,
  before: readonly Json[],
  after: Predicted<readonly Json[]>,
): PropertyChange[] {
  const length = Math.max(before.length, after.real.length);
  return Array.from({ length }, (_, index) => index).flatMap((index): PropertyChange[] => {
    const [was, real] = [before[index], after.real[index]];
    const shown = isArray(after.shown) ? (after.shown[index] ?? null) : after.shown;
    const path = String(index);
    if (was === undefined)
      return real === undefined ? [] : [{ path, propertyChangeType: "Create", after: shown }];
    if (real === undefined) return [{ path, propertyChangeType: "Delete", before: was }];
    const children = compareValue(type, "", was, { real, shown });
    if (children.length === 0) return [];
    const inner = isObject(was) && isObject(real) ? { children } : {};
    return [{ path, propertyChangeType: "Modify", before: was, after: shown, ...inner }];
  });
}

function isSame(path: string, before: Json, after: Json): boolean {
  if (before === after) return true;
  if (typeof before !== "string" || typeof after !== "string") return false;
  if (/(^|\.)location(Name)?$/.test(path)) return normalizeLocation(before) === normalizeLocation(after);
  // Ids and enumerations are compared without regard to case, as providers do.
  return before.toLowerCase() === after.toLowerCase();
}

/**
 * Microsoft.Insights/diagnosticSettings: switches the diagnostic logs of a Cosmos account, or the activity log of a
 * subscription, on and off by category. Settings of other resources are kept; those write no logs here.
 */
import { ArmError } from "../../azure/arm-error.ts";
import {
  managementGroupId,
  managementGroupNameOf,
  normalizeResourceId,
  sameResourceId,
} from "../../azure/resource-id.ts";
import type { Transaction } from "../../storage/port.ts";
import {
  deleteDiagnosticSetting,
  listDiagnosticSettings,
  putDiagnosticSetting,
} from "../diagnostic-settings.ts";
import { clip, linkedAuthorizationFailed, resourceNotFound } from "../errors.ts";
import { isArray, type Json, type JsonObject, member, objectMember, stringMember } from "../json.ts";
import { requireManagementGroup } from "../management-groups.ts";
import { type Call, type Operation, type Outcome, type Provider, parameter } from "../operation.ts";
import { getResource, resolveResource } from "../resources.ts";
import { objectBody, removeResource, writeResource } from "./generic.ts";

const type = "Microsoft.Insights/diagnosticSettings";
const all = "/{+resource}/providers/Microsoft.Insights/diagnosticSettings";
const categories = "/{+resource}/providers/Microsoft.Insights/diagnosticSettingsCategories";

const operations: readonly Operation[] = [
  { method: "PUT", path: `${all}/{name}`, action: `${type}/write`, handler: putSetting },
  { method: "DELETE", path: `${all}/{name}`, action: `${type}/delete`, handler: removeSetting },
  {
    method: "GET",
    path: categories,
    action: "Microsoft.Insights/diagnosticSettingsCategories/read",
    scope: "{resource}",
    handler: listCategories,
  },
  {
    method: "GET",
    path: `${categories}/{name}`,
    action: "Microsoft.Insights/diagnosticSettingsCategories/read",
    handler: readCategory,
  },
];

export const diagnosticSettingsProvider: Provider = {
  operations,
  removals: {
    [type]: {
      locks: () => [],
      async remove(plane, transaction, { id }) {
        deleteDiagnosticSetting(transaction, id);
        transaction.afterCommit(() => void plane.diagnosticSettingsChanged());
      },
    },
  },
};

interface Category {
  readonly name: string;
  readonly kind: "Logs" | "Metrics";
  readonly groups: readonly string[];
}

function log(name: string, ...groups: readonly string[]): Category {
  return { name, kind: "Logs", groups: ["allLogs", ...groups] };
}

/** Categories of an account. Those that nothing here produces can be switched on as in Azure, and stay empty. */
const accountCategories: readonly Category[] = [
  log("DataPlaneRequests", "audit"),
  log("ControlPlaneRequests", "audit"),
  log("QueryRuntimeStatistics"),
  log("PartitionKeyStatistics"),
  log("PartitionKeyRUConsumption"),
  log("MongoRequests", "audit"),
  log("CassandraRequests", "audit"),
  log("GremlinRequests", "audit"),
  log("TableApiRequests", "audit"),
  { name: "Requests", kind: "Metrics", groups: [] },
  { name: "SLI", kind: "Metrics", groups: [] },
  { name: "AllMetrics", kind: "Metrics", groups: [] },
];

const subscriptionCategories: readonly Category[] = [
  "Administrative",
  "Security",
  "ServiceHealth",
  "Alert",
  "Recommendation",
  "Policy",
  "Autoscale",
  "ResourceHealth",
].map((name) => ({ name, kind: "Logs", groups: [] }));

const accountPattern =
  /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.DocumentDB\/databaseAccounts\/[^/]+$/i;

/** The categories of a resource; `undefined` for a type whose categories we do not know. */
function categoriesOf(resourceId: string): readonly Category[] | undefined {
  if (accountPattern.test(resourceId)) return accountCategories;
  return /^\/subscriptions\/[^/]+$/i.test(resourceId) ? subscriptionCategories : undefined;
}

/** Settings of one resource at most. */
const settingsMax = 5;

/** Where logs may go, and what the caller must be allowed there. */
const sinks: readonly (readonly [member: string, action: string])[] = [
  ["storageAccountId", "Microsoft.Storage/storageAccounts/listKeys/action"],
  ["workspaceId", "Microsoft.OperationalInsights/workspaces/sharedKeys/action"],
  ["eventHubAuthorizationRuleId", "Microsoft.EventHub/namespaces/authorizationRules/listkeys/action"],
  ["marketplacePartnerId", ""],
];

async function putSetting(call: Call): Promise<Outcome> {
  const properties = objectMember(objectBody(call), "properties") ?? {};
  const resourceId = await targetOf(call);
  const wanted = wantedCategories(categoriesOf(resourceId), properties);
  const destinations = destinationsOf(properties);
  if (destinations.length === 0) throw badRequest("At least one data sink needs to be specified.");
  await requireSinkRights(call, properties);
  const outcome = await writeResource(call, false, async (transaction, setting) => {
    const switched = { id: setting.id, resourceId, categories: wanted, destinations };
    await checkOthers(transaction, switched);
    putDiagnosticSetting(transaction, switched);
    return { ...setting, body: { ...setting.body, properties: shown(properties) } };
  });
  await call.plane.diagnosticSettingsChanged();
  return outcome;
}

async function removeSetting(call: Call): Promise<Outcome> {
  const outcome = await removeResource(call);
  await call.plane.diagnosticSettingsChanged();
  return outcome;
}

/** The id of the resource in the path, which must exist. */
async function targetOf(call: Call): Promise<string> {
  const { store, tenantId } = call.plane;
  const resource = parameter(call, "resource");
  if (!/\/providers\//i.test(resource)) return resource;
  const group = managementGroupNameOf(resource);
  if (group !== undefined && sameResourceId(resource, managementGroupId(group))) {
    return (await requireManagementGroup(store, tenantId, group)).id;
  }
  const address = await resolveResource(store, resource);
  if ((await getResource(store, address.id)) === undefined) {
    throw resourceNotFound(address.display, address.group);
  }
  return address.id;
}

function badRequest(message: string): ArmError {
  return new ArmError(400, "BadRequest", message);
}

function entriesOf(properties: JsonObject, name: "logs" | "metrics"): readonly Json[] {
  const list = member(properties, name);
  if (list === undefined || list === null) return [];
  if (!isArray(list)) throw badRequest(`The property '${name}' must be a list.`);
  return list;
}

/** The log categories that are on, groups spelled out. Throws ArmError 400 for what the resource does not have. */
function wantedCategories(known: readonly Category[] | undefined, properties: JsonObject): readonly string[] {
  const wanted = new Set<string>();
  for (const entry of [...entriesOf(properties, "logs"), ...entriesOf(properties, "metrics")]) {
    const category = stringMember(entry, "category");
    const group = stringMember(entry, "categoryGroup");
    if (category === undefined && group === undefined) {
      throw badRequest("Each entry of 'logs' and 'metrics' needs a 'category' or a 'categoryGroup'.");
    }
    if (known === undefined) continue;
    const found = known.filter(({ name, groups }) =>
      category === undefined ? groups.some((each) => same(each, group ?? "")) : same(name, category),
    );
    if (found.length === 0) {
      throw category === undefined
        ? badRequest(`Category group '${clip(group ?? "")}' is not supported.`)
        : badRequest(`Category '${clip(category)}' is not supported.`);
    }
    if (member(entry, "enabled") === true) {
      for (const { name, kind } of found) if (kind === "Logs") wanted.add(name);
    }
  }
  return [...wanted];
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function destinationsOf(properties: JsonObject): readonly string[] {
  return sinks.flatMap(([name]) => {
    const id = stringMember(properties, name);
    return id === undefined || id === "" ? [] : [id];
  });
}

/** Who sends logs somewhere must be allowed to write there: throws ArmError 403 `LinkedAuthorizationFailed`. */
async function requireSinkRights(call: Call, properties: JsonObject): Promise<void> {
  for (const [name, action] of sinks) {
    const id = stringMember(properties, name);
    if (id === undefined || id === "" || action === "") continue;
    if (!id.startsWith("/")) throw badRequest(`The property '${name}' must be the id of a resource.`);
    if (!(await call.decide(action, id)).allowed) {
      throw linkedAuthorizationFailed(call.caller, call.requirement, action, [id]);
    }
  }
}

async function checkOthers(
  transaction: Transaction,
  wanted: { id: string; resourceId: string; categories: readonly string[]; destinations: readonly string[] },
): Promise<void> {
  const others = (await listDiagnosticSettings(transaction)).filter(
    ({ id, resourceId }) =>
      normalizeResourceId(resourceId) === normalizeResourceId(wanted.resourceId) &&
      normalizeResourceId(id) !== normalizeResourceId(wanted.id),
  );
  if (others.length >= settingsMax) {
    throw badRequest(`A resource may have at most ${settingsMax} diagnostic settings.`);
  }
  for (const other of others) {
    const category = wanted.categories.find((each) => other.categories.includes(each));
    const sink = wanted.destinations.find((each) => other.destinations.some((known) => same(known, each)));
    if (category === undefined || sink === undefined) continue;
    throw new ArmError(
      409,
      "Conflict",
      `Data sink '${sink}' is already used in diagnostic setting '${nameOf(other.id)}' for category '${category}'. Data sinks can't be reused in different settings on the same category for the same resource.`,
    );
  }
}

function nameOf(id: string): string {
  return id.split("/").at(-1) ?? "";
}

/** The setting as it is shown: every entry with a retention, every sink named, if only as none. */
function shown(properties: JsonObject): JsonObject {
  const retained = (entry: Json): Json => ({
    category: null,
    categoryGroup: null,
    enabled: false,
    retentionPolicy: { enabled: false, days: 0 },
    ...(entry as JsonObject),
  });
  return {
    storageAccountId: null,
    workspaceId: null,
    eventHubAuthorizationRuleId: null,
    eventHubName: null,
    serviceBusRuleId: null,
    marketplacePartnerId: null,
    logAnalyticsDestinationType: null,
    ...properties,
    logs: entriesOf(properties, "logs").map(retained),
    metrics: entriesOf(properties, "metrics").map(retained),
  };
}

function renderCategory(resourceId: string, { name, kind, groups }: Category): JsonObject {
  return {
    id: `${resourceId}/providers/Microsoft.Insights/diagnosticSettingsCategories/${name}`,
    name,
    type: "Microsoft.Insights/diagnosticSettingsCategories",
    properties: { categoryType: kind, ...(kind === "Logs" ? { categoryGroups: [...groups] } : {}) },
  };
}

async function listCategories(call: Call): Promise<Outcome> {
  const resourceId = await targetOf(call);
  const value = (categoriesOf(resourceId) ?? []).map((each) => renderCategory(resourceId, each));
  return { status: 200, body: { value } };
}

async function readCategory(call: Call): Promise<Outcome> {
  const resourceId = await targetOf(call);
  const name = parameter(call, "name");
  const found = categoriesOf(resourceId)?.find((each) => same(each.name, name));
  if (found === undefined) {
    throw resourceNotFound(`Microsoft.Insights/diagnosticSettingsCategories/${name}`, undefined);
  }
  return { status: 200, body: renderCategory(resourceId, found) };
}

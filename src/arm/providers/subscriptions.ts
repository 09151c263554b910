/** Subscriptions, tenants, locations and the list of resource providers: what a tool asks for right after sign-in. */
import { findNamespace, type NamespaceInfo, namespaces } from "../../azure/api-versions.ts";
import { invalidNamespace } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import { locations } from "../locations.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import {
  getSubscription,
  listSubscriptions,
  requireSubscription,
  type SubscriptionRecord,
} from "../resource-groups.ts";
import { loadRights, loadScopeCover } from "../role-assignments.ts";

const one = "/subscriptions/{subscription}";
const subscriptionScope = "/subscriptions/{subscription}";

export const subscriptionOperations: readonly Operation[] = [
  { method: "GET", path: "/subscriptions", action: "anyCaller", handler: listVisible },
  { method: "GET", path: one, action: "anyCaller", handler: readSubscription },
  { method: "GET", path: "/tenants", action: "anyCaller", handler: listTenants },
  { method: "GET", path: `${one}/locations`, action: "anyCaller", handler: listLocations },
  {
    method: "GET",
    path: `${one}/providers`,
    action: "Microsoft.Resources/subscriptions/providers/read",
    scope: subscriptionScope,
    handler: listProviders,
  },
  {
    method: "GET",
    path: `${one}/providers/{namespace}`,
    action: "Microsoft.Resources/subscriptions/providers/read",
    scope: subscriptionScope,
    handler: readProvider,
  },
  {
    method: "POST",
    path: `${one}/providers/{namespace}/register`,
    action: "{namespace}/register/action",
    scope: subscriptionScope,
    handler: readProvider,
  },
  { method: "GET", path: "/providers", action: "anyCaller", handler: listProviders },
  { method: "GET", path: "/providers/{namespace}", action: "anyCaller", handler: readProvider },
];

/** The subscriptions in or below which the caller holds any role. */
async function visible(call: Call): Promise<SubscriptionRecord[]> {
  const { plane } = call;
  const rights = await loadRights(plane.store, plane.directory, call.caller.objectId, plane.clock.now());
  const covers = await loadScopeCover(plane.store);
  const found: SubscriptionRecord[] = [];
  for (const record of await listSubscriptions(plane.store)) {
    const id = `/subscriptions/${record.subscriptionId}`;
    const held = rights.assignments.some(
      (assignment) => covers(id, assignment.scope) || covers(assignment.scope, id),
    );
    if (held) found.push(record);
  }
  return found;
}

async function listVisible(call: Call): Promise<Outcome> {
  const value = (await visible(call)).map(render);
  return { status: 200, body: { value, count: { type: "Total", value: value.length } } };
}

async function readSubscription(call: Call): Promise<Outcome> {
  return { status: 200, body: render(await requireVisible(call, "Microsoft.Resources/subscriptions/read")) };
}

/** The subscription in the path, for who holds any role in it or else `action`; throws ArmError 403 or 404. */
async function requireVisible(call: Call, action: string): Promise<SubscriptionRecord> {
  const wanted = parameter(call, "subscription").toLowerCase();
  const record = (await visible(call)).find((each) => each.subscriptionId.toLowerCase() === wanted);
  if (record !== undefined) return record;
  const subscription = await requireSubscription(call.plane.store, wanted);
  await call.require(action, `/subscriptions/${wanted}`);
  return subscription;
}

function render(record: SubscriptionRecord): JsonObject {
  return {
    id: `/subscriptions/${record.subscriptionId}`,
    authorizationSource: "RoleBased",
    managedByTenants: [],
    subscriptionId: record.subscriptionId,
    tenantId: record.tenantId,
    displayName: record.displayName,
    state: "Enabled",
    subscriptionPolicies: {
      locationPlacementId: "Public_2014-09-01",
      quotaId: "PayAsYouGo_2014-09-01",
      spendingLimit: "Off",
    },
  };
}

async function listTenants(call: Call): Promise<Outcome> {
  const { tenantId, tenantName } = call.plane;
  const tenant = {
    id: `/tenants/${tenantId}`,
    tenantId,
    countryCode: "US",
    displayName: tenantName,
    domains: [],
    tenantCategory: "Home",
    tenantType: "AAD",
  };
  return { status: 200, body: { value: [tenant] } };
}

async function listLocations(call: Call): Promise<Outcome> {
  const subscription = await requireVisible(call, "Microsoft.Resources/subscriptions/locations/read");
  const value = locations.map((location) => ({
    id: `/subscriptions/${subscription.subscriptionId}/locations/${location.name}`,
    name: location.name,
    type: "Region",
    displayName: location.displayName,
    regionalDisplayName: `(${location.geography}) ${location.displayName}`,
    metadata: { regionType: "Physical", regionCategory: "Recommended", geographyGroup: location.geography },
  }));
  return { status: 200, body: { value } };
}

async function listProviders(call: Call): Promise<Outcome> {
  const prefix = await providerPrefix(call);
  return { status: 200, body: { value: namespaces.map((info) => renderProvider(prefix, info)) } };
}

async function readProvider(call: Call): Promise<Outcome> {
  const name = parameter(call, "namespace");
  const info = findNamespace(name);
  if (info === undefined) throw invalidNamespace(name);
  return { status: 200, body: renderProvider(await providerPrefix(call), info) };
}

async function providerPrefix(call: Call): Promise<string> {
  const subscription = call.parameters.get("subscription");
  if (subscription === undefined) return "";
  const record = await getSubscription(call.plane.store, subscription);
  return record === undefined ? "" : `/subscriptions/${record.subscriptionId}`;
}

function renderProvider(prefix: string, info: NamespaceInfo): JsonObject {
  return {
    id: `${prefix}/providers/${info.namespace}`,
    namespace: info.namespace,
    registrationState: "Registered",
    registrationPolicy: "RegistrationRequired",
    resourceTypes: info.types.map(({ type, apiVersions }) => ({
      resourceType: type,
      locations: locations.map((location) => location.displayName),
      apiVersions,
      defaultApiVersion: apiVersions[0] ?? "",
      capabilities: "SupportsTags, SupportsLocation",
    })),
  };
}

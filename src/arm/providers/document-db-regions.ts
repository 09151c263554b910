/**
 * Regions of Cosmos accounts: the order of failover, which is kept and decides nothing here (an account lives on one
 * machine), the regions there are, and accounts that could be restored, of which there are none.
 */
import { directoryLock } from "../../identity/control.ts";
import { clip, resourceNotFound } from "../errors.ts";
import { isArray, isObject, type Json, type JsonObject, member, stringMember } from "../json.ts";
import { findLocation, locations, normalizeLocation } from "../locations.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import { locationOf, propertiesOf, putResource, type StoredResource } from "../resources.ts";
import { cosmosError, requireAccount } from "./document-db-account.ts";
import { objectBody } from "./generic.ts";

const type = "Microsoft.DocumentDB/databaseAccounts";
const subscription = "/subscriptions/{subscription}";
const provider = `${subscription}/providers/Microsoft.DocumentDB`;

export const regionOperations: readonly Operation[] = [
  {
    method: "POST",
    path: `${subscription}/resourceGroups/{group}/providers/${type}/{account}/failoverPriorityChange`,
    action: `${type}/failoverPriorityChange/action`,
    handler: changePriorities,
  },
  {
    method: "GET",
    path: `${provider}/locations`,
    action: "Microsoft.DocumentDB/locations/read",
    scope: subscription,
    handler: async (call) => ({ status: 200, body: { value: locations.map((each) => render(call, each)) } }),
  },
  {
    method: "GET",
    path: `${provider}/locations/{location}`,
    action: "Microsoft.DocumentDB/locations/read",
    scope: subscription,
    handler: readLocation,
  },
  {
    method: "GET",
    path: `${provider}/restorableDatabaseAccounts`,
    action: "Microsoft.DocumentDB/restorableDatabaseAccounts/read",
    scope: subscription,
    handler: async () => ({ status: 200, body: { value: [] } }),
  },
];

function render(call: Call, { name, displayName }: (typeof locations)[number]): JsonObject {
  return {
    id: `/subscriptions/${parameter(call, "subscription")}/providers/Microsoft.DocumentDB/locations/${name}`,
    name: displayName,
    type: "Microsoft.DocumentDB/locations",
    properties: {
      supportsAvailabilityZone: true,
      isResidencyRestricted: false,
      backupStorageRedundancies: ["Geo", "Zone", "Local"],
      isSubscriptionRegionAccessAllowedForRegular: true,
      isSubscriptionRegionAccessAllowedForAz: true,
      status: "Online",
    },
  };
}

async function readLocation(call: Call): Promise<Outcome> {
  const name = parameter(call, "location");
  const found = findLocation(name);
  if (found === undefined) throw resourceNotFound(`Microsoft.DocumentDB/locations/${clip(name)}`, undefined);
  return { status: 200, body: render(call, found) };
}

/** The regions of an account as it was written, by their normalized names. */
function regionsOf(resource: StoredResource): ReadonlyMap<string, JsonObject> {
  const written = member(propertiesOf(resource), "locations");
  const only: JsonObject = { locationName: locationOf(resource) ?? "" };
  const regions: readonly Json[] = isArray(written) && written.length > 0 ? written : [only];
  return new Map(
    regions.flatMap((region) =>
      isObject(region) ? [[normalizeLocation(stringMember(region, "locationName") ?? ""), region]] : [],
    ),
  );
}

/** Every region once, with the priorities 0, 1, ..: the one of priority 0 becomes the one that takes writes. */
async function changePriorities(call: Call): Promise<Outcome> {
  const policies = member(objectBody(call), "failoverPolicies");
  const { plane } = call;
  await plane.store.transact([armLock, directoryLock], async (transaction) => {
    const { resource } = await requireAccount(call, transaction);
    const regions = regionsOf(resource);
    const order = (isArray(policies) ? policies : []).map(priorityOf).sort((a, b) => a.priority - b.priority);
    const whole =
      order.length === regions.size &&
      order.every(({ name, priority }, index) => priority === index && regions.has(name)) &&
      new Set(order.map(({ name }) => name)).size === order.length;
    if (!whole) {
      throw cosmosError(
        call,
        400,
        "BadRequest",
        "The failover policies must name every region of the account once, with the priorities 0, 1 and so on.",
      );
    }
    const next = order.map(({ name, priority }) => ({ ...regions.get(name), failoverPriority: priority }));
    const properties = { ...propertiesOf(resource), locations: next };
    putResource(transaction, { ...resource, body: { ...resource.body, properties } });
  });
  return { status: 204 };
}

function priorityOf(policy: Json): { readonly name: string; readonly priority: number } {
  const priority = member(policy, "failoverPriority");
  return {
    name: normalizeLocation(stringMember(policy, "locationName") ?? ""),
    priority: typeof priority === "number" ? priority : -1,
  };
}

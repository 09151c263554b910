/**
 * The database account as the service shows it: every property that tools read has a value, whether it was written
 * or not, because Terraform reports a difference for a default that it does not get back.
 */
import type { Account, KeyKind } from "../../cosmos/control.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
} from "../json.ts";
import { displayLocation, normalizeLocation } from "../locations.ts";
import { propertiesOf, type StoredResource } from "../resources.ts";

const defaults: JsonObject = {
  publicNetworkAccess: "Enabled",
  enableAutomaticFailover: false,
  enableMultipleWriteLocations: false,
  enablePartitionKeyMonitor: false,
  isVirtualNetworkFilterEnabled: false,
  virtualNetworkRules: [],
  enableFreeTier: false,
  enableAnalyticalStorage: false,
  analyticalStorageConfiguration: { schemaType: "WellDefined" },
  createMode: "Default",
  databaseAccountOfferType: "Standard",
  enableMaterializedViews: false,
  defaultIdentity: "FirstPartyIdentity",
  networkAclBypass: "None",
  minimalTlsVersion: "Tls12",
  enableBurstCapacity: false,
  enablePartitionMerge: false,
  configurationOverrides: {},
  cors: [],
  capabilities: [],
  ipRules: [],
  networkAclBypassResourceIds: [],
  diagnosticLogSettings: { enableFullTextQuery: "None" },
  backupPolicy: {
    type: "Periodic",
    periodicModeProperties: {
      backupIntervalInMinutes: 240,
      backupRetentionIntervalInHours: 8,
      backupStorageRedundancy: "Geo",
    },
  },
};

export interface AccountParts {
  readonly resource: StoredResource;
  readonly account: Account;
  /** The account's URL for the caller, with trailing slash. */
  readonly endpoint: string;
  /** Display name of the account's region. */
  readonly location: string;
  readonly identity: JsonObject;
  /** Milliseconds since the epoch at which each key was made. */
  readonly keyTimes?: Readonly<Record<KeyKind, number>>;
}

const keyNames: readonly (readonly [KeyKind, string])[] = [
  ["primary", "primaryMasterKey"],
  ["secondary", "secondaryMasterKey"],
  ["primaryReadonly", "primaryReadonlyMasterKey"],
  ["secondaryReadonly", "secondaryReadonlyMasterKey"],
];

/** When each key was made, by the names under which listKeys shows them. */
function keysMetadata(times: Readonly<Record<KeyKind, number>>): JsonObject {
  return Object.fromEntries(
    keyNames.map(([kind, name]) => [name, { generationTime: new Date(times[kind]).toISOString() }]),
  );
}

export function renderAccount(parts: AccountParts): JsonObject {
  const { resource, account, endpoint, location, identity, keyTimes } = parts;
  const written = propertiesOf(resource);
  const policy = objectMember(written, "consistencyPolicy") ?? {};
  return {
    id: resource.id,
    name: resource.name,
    location,
    type: resource.type,
    kind: stringMember(resource.body, "kind") ?? "GlobalDocumentDB",
    tags: objectMember(resource.body, "tags") ?? {},
    systemData: { createdAt: new Date(resource.createdAt).toISOString() },
    identity,
    properties: {
      ...defaults,
      ...written,
      provisioningState: "Succeeded",
      documentEndpoint: endpoint,
      sqlEndpoint: endpoint,
      EnabledApiTypes: "Sql",
      disableLocalAuth: account.disableLocalAuth,
      disableKeyBasedMetadataWriteAccess: account.disableKeyBasedMetadataWriteAccess,
      instanceId: stringMember(written, "instanceId") ?? "",
      ...(keyTimes === undefined ? {} : { keysMetadata: keysMetadata(keyTimes) }),
      consistencyPolicy: {
        defaultConsistencyLevel: account.defaultConsistencyLevel,
        maxIntervalInSeconds: member(policy, "maxIntervalInSeconds") ?? 5,
        maxStalenessPrefix: member(policy, "maxStalenessPrefix") ?? 100,
      },
      ...renderLocations(resource, endpoint, location),
    },
  };
}

function renderLocations(resource: StoredResource, endpoint: string, location: string): JsonObject {
  const written = member(propertiesOf(resource), "locations");
  const wanted = isArray(written) && written.length > 0 ? written : [{ locationName: location }];
  const regions = wanted.map((each, index) => renderRegion(resource.name, endpoint, each, index));
  const writers = member(propertiesOf(resource), "enableMultipleWriteLocations") === true;
  return {
    writeLocations: writers ? regions : regions.slice(0, 1),
    readLocations: regions,
    locations: regions,
    failoverPolicies: regions.map((region) => ({
      id: region["id"] ?? "",
      locationName: region["locationName"] ?? "",
      failoverPriority: region["failoverPriority"] ?? 0,
    })),
  };
}

function renderRegion(account: string, endpoint: string, written: Json, index: number): JsonObject {
  const region = isObject(written) ? written : {};
  const name = stringMember(region, "locationName") ?? "";
  return {
    id: `${account}-${normalizeLocation(name)}`,
    locationName: displayLocation(name),
    documentEndpoint: endpoint,
    provisioningState: "Succeeded",
    failoverPriority: member(region, "failoverPriority") ?? index,
    isZoneRedundant: member(region, "isZoneRedundant") ?? false,
  };
}

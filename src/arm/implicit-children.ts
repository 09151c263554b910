/**
 * Children that a service makes together with their parent, such as the blob service of a storage account: they are
 * there without ever having been written, can be changed, and fall back to their defaults when they are deleted.
 */
import type { Reader } from "../storage/port.ts";
import { parentNotFound, resourceNotFound } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import { getResource, locationOf, type ResourceAddress, type StoredResource } from "./resources.ts";

export interface ImplicitChild {
  /** Full type. */
  readonly type: string;
  readonly name: string;
  readonly properties: JsonObject;
}

function child(type: string, name: string, properties: JsonObject): ImplicitChild {
  return { type, name, properties };
}

const storage = "Microsoft.Storage/storageAccounts";
const server = "Microsoft.Sql/servers";
const database = `${server}/databases`;
const noAuditing = { state: "Disabled", storageEndpoint: "", retentionDays: 0 };
const noAlerts = { state: "Disabled", disabledAlerts: [""], emailAddresses: [""], emailAccountAdmins: false };

function publishing(site: string): readonly ImplicitChild[] {
  return ["ftp", "scm"].map((name) =>
    child(`${site}/basicPublishingCredentialsPolicies`, name, { allow: true }),
  );
}

export const implicitChildren: readonly ImplicitChild[] = [
  child(`${storage}/blobServices`, "default", {
    cors: { corsRules: [] },
    deleteRetentionPolicy: { allowPermanentDelete: false, enabled: false },
  }),
  child(`${storage}/fileServices`, "default", {
    cors: { corsRules: [] },
    shareDeleteRetentionPolicy: { enabled: true, days: 7 },
    protocolSettings: { smb: {} },
  }),
  child(`${storage}/queueServices`, "default", { cors: { corsRules: [] } }),
  child(`${storage}/tableServices`, "default", { cors: { corsRules: [] } }),
  child(database, "master", {}),
  child(`${server}/azureADOnlyAuthentications`, "Default", { azureADOnlyAuthentication: false }),
  child(`${server}/connectionPolicies`, "default", { connectionType: "Default" }),
  child(`${server}/auditingSettings`, "default", noAuditing),
  child(`${server}/extendedAuditingSettings`, "default", noAuditing),
  child(`${server}/devOpsAuditingSettings`, "default", { state: "Disabled" }),
  child(`${server}/securityAlertPolicies`, "Default", noAlerts),
  child(`${server}/vulnerabilityAssessments`, "default", { recurringScans: { isEnabled: false } }),
  child(`${server}/sqlVulnerabilityAssessments`, "default", { state: "Disabled" }),
  child(`${server}/encryptionProtector`, "current", {
    serverKeyName: "ServiceManaged",
    serverKeyType: "ServiceManaged",
  }),
  child(`${database}/transparentDataEncryption`, "current", { state: "Enabled" }),
  child(`${database}/auditingSettings`, "default", noAuditing),
  child(`${database}/extendedAuditingSettings`, "default", noAuditing),
  child(`${database}/securityAlertPolicies`, "Default", noAlerts),
  child(`${database}/geoBackupPolicies`, "Default", { state: "Enabled", storageType: "Premium" }),
  child(`${database}/backupShortTermRetentionPolicies`, "default", {
    retentionDays: 7,
    diffBackupIntervalInHours: 12,
  }),
  child(`${database}/backupLongTermRetentionPolicies`, "default", {
    weeklyRetention: "PT0S",
    monthlyRetention: "PT0S",
    yearlyRetention: "PT0S",
    weekOfYear: 0,
  }),
  child("Microsoft.ServiceBus/namespaces/AuthorizationRules", "RootManageSharedAccessKey", {
    rights: ["Listen", "Manage", "Send"],
  }),
  child("Microsoft.EventHub/namespaces/AuthorizationRules", "RootManageSharedAccessKey", {
    rights: ["Listen", "Manage", "Send"],
  }),
  child("Microsoft.ServiceBus/namespaces/networkRuleSets", "default", {
    defaultAction: "Allow",
    publicNetworkAccess: "Enabled",
    ipRules: [],
    virtualNetworkRules: [],
  }),
  child("Microsoft.EventHub/namespaces/networkRuleSets", "default", {
    defaultAction: "Allow",
    publicNetworkAccess: "Enabled",
    ipRules: [],
    virtualNetworkRules: [],
  }),
  child("Microsoft.EventHub/namespaces/eventhubs/consumergroups", "$Default", {}),
  ...publishing("Microsoft.Web/sites"),
  ...publishing("Microsoft.Web/sites/slots"),
];

function sameText(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function untouched(parent: StoredResource, { type, name, properties }: ImplicitChild): StoredResource {
  const location = sameText(type, database) ? { location: locationOf(parent) ?? "" } : {};
  const id = `${parent.id}/${type.split("/").at(-1) ?? ""}/${name}`;
  return { id, type, name, createdAt: parent.createdAt, body: { ...location, properties } };
}

/** The record at this address, or what the service has there on its own account. */
export async function findResource(
  reader: Reader,
  address: Pick<ResourceAddress, "id" | "type" | "name" | "parentId">,
): Promise<StoredResource | undefined> {
  const stored = await getResource(reader, address.id);
  if (stored !== undefined || address.parentId === undefined) return stored;
  const known = implicitChildren.find(
    ({ type, name }) => sameText(type, address.type) && sameText(name, address.name),
  );
  if (known === undefined) return undefined;
  const above = parentOf(address.type, address.parentId);
  const parent = await findResource(reader, above);
  return parent === undefined ? undefined : untouched(parent, known);
}

/** The address of the parent, from a child's type and the parent's id. */
function parentOf(childType: string, id: string): Pick<ResourceAddress, "id" | "type" | "name" | "parentId"> {
  const type = childType.split("/").slice(0, -1).join("/");
  const name = id.split("/").at(-1) ?? "";
  return {
    id,
    type,
    name,
    parentId: type.split("/").length > 2 ? id.split("/").slice(0, -2).join("/") : undefined,
  };
}

/** The children of this type that nobody has written, below a parent that exists. */
export async function untouchedChildren(
  reader: Reader,
  type: string,
  parentId: string | undefined,
  present: readonly StoredResource[],
): Promise<StoredResource[]> {
  const known = implicitChildren.filter((each) => sameText(each.type, type));
  if (known.length === 0 || parentId === undefined) return [];
  const parent = await findResource(reader, parentOf(type, parentId));
  if (parent === undefined) return [];
  return known
    .filter(({ name }) => !present.some((each) => sameText(each.name, name)))
    .map((each) => untouched(parent, each));
}

/** The same, throwing ArmError 404 `ResourceNotFound`. */
export async function requireFound(reader: Reader, address: ResourceAddress): Promise<StoredResource> {
  const resource = await findResource(reader, address);
  if (resource === undefined) throw resourceNotFound(address.display, address.group);
  return resource;
}

/** Throws ArmError 404 `ParentResourceNotFound` when the resource that a child type hangs below is missing. */
export async function requireParent(reader: Reader, address: ResourceAddress): Promise<void> {
  if (address.parentId === undefined) return;
  if ((await findResource(reader, parentOf(address.type, address.parentId))) === undefined) {
    const type = address.type.slice(address.type.indexOf("/") + 1);
    throw parentNotFound(type, address.parentId);
  }
}

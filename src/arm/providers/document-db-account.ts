/**
 * Database accounts: the settings that act are Cosmos DB's own (`cosmos/control.ts`), the rest of the resource is
 * kept as written and shown with the service's defaults. Keys are read from the account each time, never copied.
 */
import { isIpRule, type NetworkRules } from "../../authz/network.ts";
import { ArmError } from "../../azure/arm-error.ts";
import { uuid } from "../../clock.ts";
import {
  type Account,
  type AccountKeys,
  type AccountSettings,
  cosmosLock,
  type KeyKind,
} from "../../cosmos/control.ts";
import { directoryLock } from "../../identity/control.ts";
import type { Reader } from "../../storage/port.ts";
import { clip, locationRequired } from "../errors.ts";
import { applyIdentity, readIdentityBlock, renderIdentity, requireAssignRights } from "../identity-block.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
  without,
} from "../json.ts";
import { requireJoinRights, requireRestoreRights } from "../linked-rights.ts";
import { displayLocation, normalizeLocation } from "../locations.ts";
import { type Call, type ControlPlane, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import {
  getResource,
  listResources,
  propertiesOf,
  putResource,
  type ResourceAddress,
  removeTree,
  requireResource,
  resolveResource,
  type StoredResource,
  writableBody,
} from "../resources.ts";
import { renderAccount } from "./document-db-shape.ts";
import { objectBody, patched } from "./generic.ts";

const type = "Microsoft.DocumentDB/databaseAccounts";

/** The provider's errors end with the activity id; `message` is the text before it. */
export function cosmosError(call: Call, status: number, code: string, message: string): ArmError {
  return new ArmError(status, code, withActivityId(call, message));
}

function withActivityId(call: Call, message: string): string {
  return `${message}\r\nActivityId: ${call.requestId}, Microsoft.Azure.Documents.Common/2.14.0`;
}

/** Runs `work` and gives the refusals of Cosmos DB the provider's ending. */
export async function asCosmos<T>(call: Call, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ArmError) || error.message.includes("ActivityId:")) throw error;
    if (!["BadRequest", "NotFound", "Conflict", "Forbidden"].includes(error.detail.code)) throw error;
    const { code, message, ...rest } = error.detail;
    throw new ArmError(error.status, code, withActivityId(call, message), rest);
  }
}

/** The account that a path names; throws ArmError 404 `ResourceNotFound`. */
export async function requireAccount(
  call: Call,
  reader: Reader,
): Promise<{ readonly resource: StoredResource; readonly account: Account }> {
  const group = `/subscriptions/${parameter(call, "subscription")}/resourceGroups/${parameter(call, "group")}`;
  const path = `${group}/providers/${type}/${parameter(call, "account")}`;
  const address = await resolveResource(reader, path);
  const resource = await requireResource(reader, address);
  const account = await call.plane.cosmos.getAccount(reader, resource.name);
  if (account === undefined) throw new Error(`account ${resource.name} has a resource but no settings`);
  return { resource, account };
}

export async function accountNameTaken(call: Call): Promise<Outcome> {
  const found = await call.plane.cosmos.getAccount(
    call.plane.store,
    parameter(call, "account").toLowerCase(),
  );
  return { status: found === undefined ? 404 : 200 };
}

export async function putAccount(call: Call): Promise<Outcome> {
  const body = objectBody(call);
  return writeAccount(call, body, (existing) => ({
    ...writableBody(body),
    location: sentLocation(body) ?? existingLocation(existing),
    kind: stringMember(body, "kind") ?? "GlobalDocumentDB",
  }));
}

export async function patchAccount(call: Call): Promise<Outcome> {
  const body = objectBody(call);
  await requireAccount(call, call.plane.store);
  return writeAccount(call, body, (existing) => patched(existing?.body ?? {}, without(body, ["kind"])), true);
}

function sentLocation(body: JsonObject): string | undefined {
  const location = stringMember(body, "location");
  return location === undefined || location === "" ? undefined : location;
}

function existingLocation(existing: StoredResource | undefined): string {
  const location = existing === undefined ? undefined : sentLocation(existing.body);
  if (location === undefined) throw locationRequired();
  return location;
}

async function writeAccount(
  call: Call,
  body: JsonObject,
  next: (existing: StoredResource | undefined) => JsonObject,
  patching: boolean = false,
): Promise<Outcome> {
  const { plane } = call;
  const name = parameter(call, "account");
  checkName(call, name);
  const wanted = readIdentityBlock(body);
  await requireAssignRights(call, wanted);
  await requireJoinRights(call, body);
  await requireRestoreRights(call, body);
  const before = await resolveResource(plane.store, call.address.path);
  const { authorization } = settingsOf(call, before, next(await getResource(plane.store, before.id)));
  const mayAudit = authorization === "audit" && (await requireDataRoles(call, name, before.id));
  const port = await plane.cosmos.reservePort(name);
  const locks = [armLock, directoryLock, cosmosLock(name)];
  const written = asCosmos(call, () =>
    plane.store.transact(locks, async (transaction) => {
      const address = await resolveResource(transaction, call.address.path);
      const existing = await getResource(transaction, address.id);
      if (patching && existing === undefined) await requireResource(transaction, address);
      await rejectForeignName(call, transaction, existing);
      const members = next(existing);
      const settings = settingsOf(call, address, members, existing);
      if (settings.authorization === "audit" && !mayAudit) await requireAudit(call, transaction, name);
      const account = await plane.cosmos.putAccount(transaction, settings, port);
      const resource = accountRecord(plane, address, existing, members);
      putResource(transaction, resource);
      await applyIdentity(plane, transaction, resource.id, wanted, patching);
      return { status: 200, body: await render(plane, transaction, resource, account) };
    }),
  );
  return written.finally(() => plane.cosmos.releasePort(name));
}

/**
 * Switching to audit mode gives every principal what data roles would give, so it needs the right to give those: who may
 * only write the account, such as a Cosmos DB Operator, has no way to its data. False for an account that is in that
 * mode, which asks nothing.
 */
async function requireDataRoles(call: Call, name: string, id: string): Promise<boolean> {
  const present = await call.plane.cosmos.getAccount(call.plane.store, name);
  if (present?.authorization === "audit") return false;
  await call.require(`${type}/sqlRoleAssignments/write`, id);
  return true;
}

/** For a write that found the account in audit mode: it may have been taken out of it since. */
async function requireAudit(call: Call, reader: Reader, name: string): Promise<void> {
  if ((await call.plane.cosmos.getAccount(reader, name))?.authorization === "audit") return;
  throw cosmosError(call, 409, "Conflict", "The account was changed by another request; please retry.");
}

function checkName(call: Call, name: string): void {
  if (/^[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$/.test(name) && name.length <= 44) return;
  throw cosmosError(
    call,
    400,
    "BadRequest",
    `Database account name '${clip(name)}' is not valid: it must have 3 to 44 characters, consist of lower-case letters, digits and hyphens, and start and end with a letter or a digit.`,
  );
}

/** Account names are host names, so they are unique across groups and subscriptions. */
async function rejectForeignName(
  call: Call,
  reader: Reader,
  existing: StoredResource | undefined,
): Promise<void> {
  if (existing !== undefined) return;
  const name = parameter(call, "account");
  if ((await call.plane.cosmos.getAccount(reader, name)) === undefined) return;
  throw cosmosError(call, 400, "BadRequest", `Dns record for ${name} under zone Document is already taken.`);
}

const readOnlyProperties = [
  "provisioningState",
  "documentEndpoint",
  "sqlEndpoint",
  "EnabledApiTypes",
  "writeLocations",
  "readLocations",
  "failoverPolicies",
  "privateEndpointConnections",
  "keysMetadata",
  "customerManagedKeyStatus",
  "instanceId",
];

function accountRecord(
  plane: ControlPlane,
  address: ResourceAddress,
  existing: StoredResource | undefined,
  members: JsonObject,
): StoredResource {
  const old = existing === undefined ? undefined : stringMember(propertiesOf(existing), "instanceId");
  const properties = without(objectMember(members, "properties") ?? {}, readOnlyProperties);
  return {
    id: existing?.id ?? address.id,
    type,
    name: existing?.name ?? address.name,
    createdAt: existing?.createdAt ?? plane.clock.now(),
    body: { ...members, properties: { ...properties, instanceId: old ?? uuid(plane.entropy) } },
  };
}

const consistencyLevels = ["Strong", "BoundedStaleness", "Session", "ConsistentPrefix", "Eventual"] as const;

/** Reads what acts from the members of the resource; throws ArmError 400 for wrong types and 501 for other APIs. */
function settingsOf(
  call: Call,
  address: ResourceAddress,
  members: JsonObject,
  existing?: StoredResource,
): AccountSettings {
  const properties = objectMember(members, "properties") ?? {};
  const kind = stringMember(members, "kind") ?? "GlobalDocumentDB";
  const capabilities = capabilityNames(properties);
  const foreign = capabilities.find((name) => /^Enable(Mongo|Cassandra|Gremlin|Table)$/i.test(name));
  if (kind.toLowerCase() !== "globaldocumentdb" || foreign !== undefined) {
    throw new ArmError(
      501,
      "NotImplemented",
      `Accounts of kind '${clip(foreign ?? kind)}' are not implemented; only the NoSQL API is.`,
    );
  }
  const wanted = stringMember(objectMember(properties, "consistencyPolicy"), "defaultConsistencyLevel");
  const level = consistencyLevels.find((each) => each.toLowerCase() === (wanted ?? "Session").toLowerCase());
  if (level === undefined) {
    throw cosmosError(call, 400, "BadRequest", `Invalid default consistency level '${clip(wanted ?? "")}'.`);
  }
  const backup = stringMember(objectMember(properties, "backupPolicy"), "type") ?? "Periodic";
  const continuousBackup = backup.toLowerCase() === "continuous";
  return {
    name: existing?.name ?? address.name,
    resourceId: existing?.id ?? address.id,
    tenantId: call.plane.tenantId,
    location: normalizeLocation(stringMember(members, "location") ?? ""),
    disableLocalAuth: flag(call, properties, "disableLocalAuth"),
    disableKeyBasedMetadataWriteAccess: flag(call, properties, "disableKeyBasedMetadataWriteAccess"),
    defaultConsistencyLevel: level,
    ...networkOf(call, properties),
    ...authorizationOf(call, members),
    serverless: capabilities.some((name) => name.toLowerCase() === "enableserverless"),
    continuousBackup,
    keepsVersions: continuousBackup && flag(call, properties, "enableAllVersionsAndDeletesChangeFeed"),
    // A tag, so that the same template deploys in Azure, where throughput is always enforced.
    enforcesThroughput:
      stringMember(objectMember(members, "tags"), "celestite-throughput")?.toLowerCase() === "enforce",
  };
}

const networkAccesses = ["Enabled", "Disabled", "SecuredByPerimeter"] as const;

/** The network rules that act; absent where everybody may come. */
function networkOf(call: Call, properties: JsonObject): { readonly network?: NetworkRules } {
  const wanted = stringMember(properties, "publicNetworkAccess") ?? "Enabled";
  const publicNetworkAccess = networkAccesses.find((each) => each.toLowerCase() === wanted.toLowerCase());
  if (publicNetworkAccess === undefined) {
    const allowed = networkAccesses.join("', '");
    throw cosmosError(
      call,
      400,
      "BadRequest",
      `The value '${clip(wanted)}' of 'publicNetworkAccess' is not valid; it must be one of '${allowed}'.`,
    );
  }
  const rules = member(properties, "ipRules");
  const ipRules = isArray(rules) ? rules.map((rule) => ipRuleOf(call, rule)) : [];
  const virtualNetworkFilter = flag(call, properties, "isVirtualNetworkFilterEnabled");
  if (publicNetworkAccess === "Enabled" && ipRules.length === 0 && !virtualNetworkFilter) return {};
  return { network: { publicNetworkAccess, ipRules, virtualNetworkFilter } };
}

function ipRuleOf(call: Call, rule: Json): string {
  const range = isObject(rule) ? stringMember(rule, "ipAddressOrRange") : undefined;
  if (range !== undefined && isIpRule(range)) return range;
  throw cosmosError(
    call,
    400,
    "BadRequest",
    `The value '${clip(range ?? JSON.stringify(rule))}' of 'ipRules' is not valid: each rule has an 'ipAddressOrRange' with an IPv4 address or range, e.g. 10.0.0.0/24.`,
  );
}

/** A tag, because Azure has no such property: templates that carry it deploy there as well. */
export const authorizationTag = "celestite-authorization";

function authorizationOf(call: Call, members: JsonObject): { readonly authorization?: "audit" } {
  const wanted = stringMember(objectMember(members, "tags"), authorizationTag)?.toLowerCase() ?? "enforce";
  if (wanted === "enforce") return {};
  if (wanted === "audit") return { authorization: "audit" };
  throw cosmosError(
    call,
    400,
    "BadRequest",
    `The tag '${authorizationTag}' must be 'enforce' or 'audit', not '${clip(wanted)}'.`,
  );
}

function capabilityNames(properties: JsonObject): string[] {
  const capabilities = member(properties, "capabilities");
  if (!isArray(capabilities)) return [];
  return capabilities.flatMap((each) => stringMember(isObject(each) ? each : undefined, "name") ?? []);
}

function flag(call: Call, properties: JsonObject, name: string): boolean {
  const value = member(properties, name);
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw cosmosError(call, 400, "BadRequest", `The property '${name}' must be a boolean.`);
}

export async function readAccount(call: Call): Promise<Outcome> {
  const { resource, account } = await requireAccount(call, call.plane.store);
  return { status: 200, body: await render(call.plane, call.plane.store, resource, account) };
}

export async function listAccounts(call: Call): Promise<Outcome> {
  const { plane } = call;
  const { scopeId } = await resolveResource(plane.store, `${call.address.path}/any`);
  const value: JsonObject[] = [];
  for (const resource of await listResources(plane.store, scopeId)) {
    if (resource.type !== type) continue;
    const account = await plane.cosmos.getAccount(plane.store, resource.name);
    if (account !== undefined) value.push(await render(plane, plane.store, resource, account));
  }
  return { status: 200, body: { value } };
}

export async function deleteAccount(call: Call): Promise<Outcome> {
  const address = await resolveResource(call.plane.store, call.address.path);
  await removeTree(call.plane, address.id);
  return { status: 204 };
}

async function requireKeys(call: Call): Promise<{ account: Account; keys: AccountKeys }> {
  const { account } = await requireAccount(call, call.plane.store);
  const keys = await call.plane.cosmos.listKeys(call.plane.store, account.name);
  if (keys === undefined) throw new Error(`account ${account.name} has no keys`);
  return { account, keys };
}

export async function listKeys(call: Call): Promise<Outcome> {
  return { status: 200, body: (await requireKeys(call)).keys };
}

export async function listReadonlyKeys(call: Call): Promise<Outcome> {
  const { primaryReadonlyMasterKey, secondaryReadonlyMasterKey } = (await requireKeys(call)).keys;
  return { status: 200, body: { primaryReadonlyMasterKey, secondaryReadonlyMasterKey } };
}

/** Tools choose a string by its description, so the four texts are fixed. */
export async function listConnectionStrings(call: Call): Promise<Outcome> {
  const { account, keys } = await requireKeys(call);
  const endpoint = call.plane.cosmos.documentEndpoint(account);
  const rows = [
    ["Primary", "Primary SQL Connection String", keys.primaryMasterKey],
    ["Secondary", "Secondary SQL Connection String", keys.secondaryMasterKey],
    ["PrimaryReadonly", "Primary Read-Only SQL Connection String", keys.primaryReadonlyMasterKey],
    ["SecondaryReadonly", "Secondary Read-Only SQL Connection String", keys.secondaryReadonlyMasterKey],
  ] as const;
  const connectionStrings = rows.map(([keyKind, description, key]) => ({
    connectionString: `AccountEndpoint=${endpoint};AccountKey=${key};`,
    description,
    keyKind,
    type: "Sql",
  }));
  return { status: 200, body: { connectionStrings } };
}

const keyKinds: readonly KeyKind[] = ["primary", "secondary", "primaryReadonly", "secondaryReadonly"];

export async function regenerateKey(call: Call): Promise<Outcome> {
  const sent = stringMember(objectBody(call), "keyKind") ?? "";
  const kind = keyKinds.find((each) => each.toLowerCase() === sent.toLowerCase());
  if (kind === undefined) {
    throw cosmosError(
      call,
      400,
      "BadRequest",
      `The key kind '${clip(sent)}' is not valid. Supported kinds are '${keyKinds.join("', '")}'.`,
    );
  }
  const { account } = await requireAccount(call, call.plane.store);
  const locks = [armLock, cosmosLock(account.name)];
  return asCosmos(call, () =>
    call.plane.store.transact(locks, async (transaction) => {
      await requireAccount(call, transaction);
      await call.plane.cosmos.regenerateKey(transaction, account.name, kind);
      return { status: 200 };
    }),
  );
}

async function render(
  plane: ControlPlane,
  reader: Reader,
  resource: StoredResource,
  account: Account,
): Promise<JsonObject> {
  const identity = (await renderIdentity(plane, reader, resource.id, ",")) ?? { type: "None" };
  const endpoint = plane.cosmos.documentEndpoint(account);
  const location = displayLocation(stringMember(resource.body, "location") ?? account.location);
  const keyTimes = await plane.cosmos.keyTimes(reader, account.name);
  const times = keyTimes === undefined ? {} : { keyTimes };
  return renderAccount({ resource, account, endpoint, location, identity, ...times });
}

/**
 * Types that are kept as records until their data planes come: what the service adds to them when it shows them, what
 * it never shows again, and the few questions that tools ask around them (is a name free, what are the keys).
 */
import { ArmError } from "../../azure/arm-error.ts";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import type { Transaction } from "../../storage/port.ts";
import { clip } from "../errors.ts";
import { isArray, isObject, type Json, type JsonObject, stringMember } from "../json.ts";
import type { Call, Operation, Outcome, Provider } from "../operation.ts";
import { armLock, deleteRecord, getRecord, putRecord } from "../records.ts";
import { listResources, requireResource, resolveResource, type StoredResource } from "../resources.ts";

interface RecordType {
  /** Properties that the service derives or fills in; what was written comes after and wins. */
  readonly filled?: (resource: StoredResource) => JsonObject;
  /** Properties that the service derives, whatever was written. */
  readonly derived?: (resource: StoredResource) => JsonObject;
  /** Members beside the properties that the service fills in. */
  readonly around?: JsonObject;
}

const vault: RecordType = {
  filled: () => ({
    accessPolicies: [],
    enabledForDeployment: false,
    enableSoftDelete: true,
    softDeleteRetentionInDays: 90,
    publicNetworkAccess: "Enabled",
  }),
  derived: ({ name }) => ({ vaultUri: `https://${name.toLowerCase()}.vault.azure.net/` }),
};

const storageServices = ["blob", "dfs", "file", "queue", "table", "web"];

const storageAccount: RecordType = {
  filled: () => ({
    accessTier: "Hot",
    allowBlobPublicAccess: false,
    allowSharedKeyAccess: true,
    minimumTlsVersion: "TLS1_2",
    supportsHttpsTrafficOnly: true,
  }),
  derived: ({ name, createdAt, body }) => ({
    primaryEndpoints: Object.fromEntries(
      storageServices.map((service) => [service, `https://${name}.${service}.core.windows.net/`]),
    ),
    primaryLocation: stringMember(body, "location") ?? "",
    statusOfPrimary: "available",
    creationTime: new Date(createdAt).toISOString(),
  }),
};

const sqlServer: RecordType = {
  filled: () => ({ version: "12.0", minimalTlsVersion: "1.2", publicNetworkAccess: "Enabled" }),
  derived: ({ name }) => ({ fullyQualifiedDomainName: `${name}.database.windows.net`, state: "Ready" }),
};

const sqlDatabase: RecordType = {
  filled: () => ({ collation: "SQL_Latin1_General_CP1_CI_AS", zoneRedundant: false }),
  derived: ({ createdAt }) => ({ status: "Online", creationDate: new Date(createdAt).toISOString() }),
  around: { sku: { name: "GP_Gen5", tier: "GeneralPurpose", family: "Gen5", capacity: 2 } },
};

/** By full type in lower case. */
const recordTypes: ReadonlyMap<string, RecordType> = new Map([
  ["microsoft.keyvault/vaults", vault],
  ["microsoft.storage/storageaccounts", storageAccount],
  ["microsoft.sql/servers", sqlServer],
  ["microsoft.sql/servers/databases", sqlDatabase],
]);

/** The properties of a kept resource as the service would show them. */
export function shownProperties(resource: StoredResource, own: JsonObject): JsonObject {
  const known = recordTypes.get(resource.type.toLowerCase());
  const kept = withoutSecrets(own) as JsonObject;
  return { ...known?.filled?.(resource), ...kept, ...known?.derived?.(resource) };
}

/** Members of any type that services take and never show again, in lower case. */
const secretMembers: ReadonlySet<string> = new Set([
  "administratorloginpassword",
  "adminpassword",
  "customdata",
]);

function withoutSecrets(value: Json): Json {
  if (isArray(value)) return value.map(withoutSecrets);
  if (!isObject(value)) return value;
  const shown = Object.entries(value).filter(([name]) => !secretMembers.has(name.toLowerCase()));
  return Object.fromEntries(shown.map(([name, each]) => [name, withoutSecrets(each)]));
}

/** The members beside the properties that the service adds when they were not written. */
export function shownAround(resource: StoredResource): JsonObject {
  return recordTypes.get(resource.type.toLowerCase())?.around ?? {};
}

/** Whether a name is free is a question; two of the three services call it a read, though it is sent as a POST. */
function nameRow(namespace: string, type: string, verb: "read" | "action"): Operation {
  return {
    method: "POST",
    path: `/subscriptions/{subscription}/providers/${namespace}/checkNameAvailability`,
    action: `${namespace}/checkNameAvailability/${verb}`,
    scope: "/subscriptions/{subscription}",
    handler: (call: Call) => checkName(call, `${namespace}/${type}`),
  };
}

/** Names of these types are taken across all subscriptions, because they are host names. */
async function checkName(call: Call, type: string): Promise<Outcome> {
  const name = stringMember(call.body, "name");
  if (name === undefined) {
    throw new ArmError(400, "InvalidRequestContent", "The property 'name' is required.");
  }
  const taken = (await listResources(call.plane.store, "/subscriptions")).some(
    (each) =>
      each.type.toLowerCase() === type.toLowerCase() && each.name.toLowerCase() === name.toLowerCase(),
  );
  const body = taken
    ? {
        nameAvailable: false,
        reason: "AlreadyExists",
        message: `The name '${clip(name)}' is already taken.`,
      }
    : { nameAvailable: true };
  return { status: 200, body };
}

const storage =
  "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{name}";

interface StorageKeys {
  readonly key1: string;
  readonly key2: string;
}

const storageKeyBytes = 64;

function newKey(call: Call): string {
  return Buffer.from(call.plane.entropy.bytes(storageKeyBytes)).toString("base64");
}

/** The keys of a storage account, made when they are first asked for. `change` may replace some. */
async function storageKeys(
  call: Call,
  change: (keys: StorageKeys) => StorageKeys = (keys) => keys,
): Promise<Outcome> {
  const path = call.address.path.replace(/\/[^/]+$/, "");
  const { id } = await requireResource(call.plane.store, await resolveResource(call.plane.store, path));
  const keys = await call.plane.store.transact([armLock], async (transaction) => {
    const known = await getRecord<StorageKeys>(transaction, keysKey(id));
    const next = change(known ?? { key1: newKey(call), key2: newKey(call) });
    putRecord(transaction, keysKey(id), next);
    return next;
  });
  const value = (["key1", "key2"] as const).map((keyName) => ({
    keyName,
    value: keys[keyName],
    permissions: "FULL",
  }));
  return { status: 200, body: { keys: value } };
}

function keysKey(id: string): readonly string[] {
  return ["storageKeys", normalizeResourceId(id)];
}

async function regenerateStorageKey(call: Call): Promise<Outcome> {
  const name = stringMember(call.body, "keyName");
  if (name !== "key1" && name !== "key2") {
    throw new ArmError(400, "InvalidKeyName", "The property 'keyName' must be 'key1' or 'key2'.");
  }
  return storageKeys(call, (keys) => ({ ...keys, [name]: newKey(call) }));
}

export const recordTypesProvider: Provider = {
  operations: [
    nameRow("Microsoft.KeyVault", "vaults", "read"),
    nameRow("Microsoft.Storage", "storageAccounts", "read"),
    nameRow("Microsoft.Sql", "servers", "action"),
    {
      method: "POST",
      path: `${storage}/listKeys`,
      action: "Microsoft.Storage/storageAccounts/listKeys/action",
      handler: (call) => storageKeys(call),
    },
    {
      method: "POST",
      path: `${storage}/regenerateKey`,
      action: "Microsoft.Storage/storageAccounts/regenerateKey/action",
      handler: regenerateStorageKey,
    },
  ],
  removals: {
    "Microsoft.Storage/storageAccounts": {
      locks: () => [],
      remove: async (_, transaction: Transaction, { id }) => deleteRecord(transaction, keysKey(id)),
    },
  },
};

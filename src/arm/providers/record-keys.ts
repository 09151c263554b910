/**
 * Keys and connection strings of resources that are kept as records: made when they are first asked for, listed by
 * those who hold the action, replaced one at a time, gone with their resource. A table says which type answers under
 * which name in which form.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import type { Transaction } from "../../storage/port.ts";
import { requireFound } from "../implicit-children.ts";
import { isArray, type JsonObject, member, objectMember, stringMember } from "../json.ts";
import type { Call, Operation, Outcome, Provider, Removal } from "../operation.ts";
import { armLock, deleteRecords, getRecord, putRecord } from "../records.ts";
import { propertiesOf, resolveResource, type StoredResource } from "../resources.ts";

export interface Keys {
  readonly primary: string;
  readonly secondary: string;
}

interface KeyList {
  /** Full type of the resource that has the keys. */
  readonly type: string;
  /** The action below the resource, as it stands in the path. */
  readonly list: string;
  readonly shape: (keys: Keys, resource: StoredResource) => JsonObject;
  /** How a key is replaced: the action, the member of the body that names the key, and the two names. */
  readonly regenerate?: readonly [action: string, member: string, primary: string, secondary: string];
  /** Bytes of a key; 32 unless told. */
  readonly bytes?: number;
}

const keyBytes = 32;

const primaryAndSecondary = ({ primary, secondary }: Keys): JsonObject => ({
  primaryKey: primary,
  secondaryKey: secondary,
});

const firstAndSecond = ({ primary, secondary }: Keys): JsonObject => ({ key1: primary, key2: secondary });

/** An account whose keys are switched off does not tell them. */
function cognitiveKeys(keys: Keys, account: StoredResource): JsonObject {
  if (member(propertiesOf(account), "disableLocalAuth") !== true) return firstAndSecond(keys);
  throw new ArmError(400, "BadRequest", "Failed to list key. disableLocalAuth is set to be true");
}

/** Storage, the names of whose keys are also those that it takes. */
function storageKeys({ primary, secondary }: Keys, resource: StoredResource): JsonObject {
  const creationTime = new Date(resource.createdAt).toISOString();
  const shown = (keyName: string, value: string): JsonObject => ({
    creationTime,
    keyName,
    value,
    permissions: "FULL",
  });
  return { keys: [shown("key1", primary), shown("key2", secondary)] };
}

function namespaceKeys({ primary, secondary }: Keys, rule: StoredResource): JsonObject {
  const [, namespace = "", entity] =
    /\/namespaces\/([^/]+)(?:\/[^/]+\/([^/]+))?\/[^/]+\/[^/]+$/i.exec(rule.id) ?? [];
  const path = entity === undefined ? "" : `;EntityPath=${entity}`;
  const connection = (key: string): string =>
    `Endpoint=sb://${namespace}.servicebus.windows.net/;SharedAccessKeyName=${rule.name};SharedAccessKey=${key}${path}`;
  return {
    primaryConnectionString: connection(primary),
    secondaryConnectionString: connection(secondary),
    primaryKey: primary,
    secondaryKey: secondary,
    keyName: rule.name,
  };
}

function registryCredentials({ primary, secondary }: Keys, registry: StoredResource): JsonObject {
  if (member(propertiesOf(registry), "adminUserEnabled") !== true) {
    throw new ArmError(
      400,
      "UnauthorizedForCredentialOperations",
      `Cannot perform credential operations for ${registry.id} as admin user is disabled. Kindly enable admin user as per docs: https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication#admin-account`,
    );
  }
  return {
    username: registry.name,
    passwords: [
      { name: "password", value: primary },
      { name: "password2", value: secondary },
    ],
  };
}

function configurationKeys({ primary, secondary }: Keys, store: StoredResource): JsonObject {
  const lastModified = new Date(store.createdAt).toISOString();
  const shown = (name: string, value: string, readOnly: boolean): JsonObject => ({
    id: `${name}-${store.name}`,
    name,
    value,
    connectionString: `Endpoint=https://${store.name}.azconfig.io;Id=${name}-${store.name};Secret=${value}`,
    lastModified,
    readOnly,
  });
  return { value: [shown("Primary", primary, false), shown("Secondary", secondary, false)] };
}

function signalKeys({ primary, secondary }: Keys, { name }: StoredResource): JsonObject {
  const connection = (key: string): string =>
    `Endpoint=https://${name}.service.signalr.net;AccessKey=${key};Version=1.0;`;
  return {
    primaryKey: primary,
    secondaryKey: secondary,
    primaryConnectionString: connection(primary),
    secondaryConnectionString: connection(secondary),
  };
}

function hubKeys({ primary, secondary }: Keys): JsonObject {
  const rights = "RegistryWrite, ServiceConnect, DeviceConnect";
  return { value: [{ keyName: "iothubowner", primaryKey: primary, secondaryKey: secondary, rights }] };
}

/** The secrets that a container app was written with: the only ones of this table that are not made here. */
function appSecrets(_: Keys, app: StoredResource): JsonObject {
  const secrets = member(objectMember(propertiesOf(app), "configuration"), "secrets");
  return { value: isArray(secrets) ? secrets : [] };
}

const regenerateKeys = ["regenerateKeys", "keyType", "PrimaryKey", "SecondaryKey"] as const;
const serviceBus = "Microsoft.ServiceBus/namespaces";
const eventHub = "Microsoft.EventHub/namespaces";

const keyLists: readonly KeyList[] = [
  {
    type: "Microsoft.Storage/storageAccounts",
    list: "listKeys",
    shape: storageKeys,
    regenerate: ["regenerateKey", "keyName", "key1", "key2"],
    bytes: 64,
  },
  ...[serviceBus, `${serviceBus}/queues`, `${serviceBus}/topics`, eventHub, `${eventHub}/eventhubs`].map(
    (type): KeyList => ({
      type: `${type}/AuthorizationRules`,
      list: "listKeys",
      shape: namespaceKeys,
      regenerate: regenerateKeys,
    }),
  ),
  // The older and the newer name of one action.
  ...["sharedKeys", "listKeys"].map(
    (list): KeyList => ({
      type: "Microsoft.OperationalInsights/workspaces",
      list,
      shape: ({ primary, secondary }) => ({ primarySharedKey: primary, secondarySharedKey: secondary }),
      bytes: 64,
    }),
  ),
  {
    type: "Microsoft.ContainerRegistry/registries",
    list: "listCredentials",
    shape: registryCredentials,
    regenerate: ["regenerateCredential", "name", "password", "password2"],
  },
  {
    type: "Microsoft.CognitiveServices/accounts",
    list: "listKeys",
    shape: cognitiveKeys,
    regenerate: ["regenerateKey", "keyName", "Key1", "Key2"],
  },
  {
    type: "Microsoft.EventGrid/topics",
    list: "listKeys",
    shape: firstAndSecond,
    regenerate: ["regenerateKey", "keyName", "key1", "key2"],
  },
  {
    type: "Microsoft.Cache/redis",
    list: "listKeys",
    shape: primaryAndSecondary,
    regenerate: ["regenerateKey", "keyType", "Primary", "Secondary"],
  },
  { type: "Microsoft.Search/searchServices", list: "listAdminKeys", shape: primaryAndSecondary },
  { type: "Microsoft.AppConfiguration/configurationStores", list: "listKeys", shape: configurationKeys },
  {
    type: "Microsoft.SignalRService/signalR",
    list: "listKeys",
    shape: signalKeys,
    regenerate: ["regenerateKey", "keyType", "Primary", "Secondary"],
  },
  {
    type: "Microsoft.SignalRService/webPubSub",
    list: "listKeys",
    shape: signalKeys,
    regenerate: ["regenerateKey", "keyType", "Primary", "Secondary"],
  },
  {
    type: "Microsoft.Batch/batchAccounts",
    list: "listKeys",
    shape: ({ primary, secondary }, { name }) => ({ accountName: name, primary, secondary }),
    regenerate: ["regenerateKeys", "keyName", "Primary", "Secondary"],
  },
  { type: "Microsoft.Devices/IotHubs", list: "listkeys", shape: hubKeys },
  {
    type: "Microsoft.Web/staticSites",
    list: "listSecrets",
    shape: ({ primary }) => ({ properties: { apiKey: primary } }),
  },
  { type: "Microsoft.App/containerApps", list: "listSecrets", shape: appSecrets },
  { type: "Microsoft.App/jobs", list: "listSecrets", shape: appSecrets },
];

function pathOf(type: string): string {
  const [namespace = "", ...types] = type.split("/");
  const pairs = types.map((each, index) => `/${each}/{name${index}}`).join("");
  return `/subscriptions/{subscription}/resourceGroups/{group}/providers/${namespace}${pairs}`;
}

function rowsOf(known: KeyList): readonly Operation[] {
  const path = pathOf(known.type);
  const rows: Operation[] = [
    {
      method: "POST",
      path: `${path}/${known.list}`,
      action: `${known.type}/${known.list}/action`,
      handler: (call: Call) => answerKeys(call, known),
    },
  ];
  const { regenerate } = known;
  if (regenerate !== undefined) {
    rows.push({
      method: "POST",
      path: `${path}/${regenerate[0]}`,
      action: `${known.type}/${regenerate[0]}/action`,
      handler: (call: Call) => regenerateKey(call, known, regenerate),
    });
  }
  return rows;
}

function keysKey(id: string): readonly string[] {
  return ["keys", ...normalizeResourceId(id).split("/").slice(1)];
}

function newKey(call: Call, { bytes = keyBytes }: KeyList): string {
  return Buffer.from(call.plane.entropy.bytes(bytes)).toString("base64");
}

/** The keys of a resource, made now when nobody has asked before; `change` may replace one. */
export async function keysOf(
  { plane }: Call,
  { id }: StoredResource,
  bytes: number = keyBytes,
  change: (keys: Keys) => Keys = (keys) => keys,
): Promise<Keys> {
  const fresh = (): string => Buffer.from(plane.entropy.bytes(bytes)).toString("base64");
  return plane.store.transact([armLock], async (transaction) => {
    const kept = await getRecord<Keys>(transaction, keysKey(id));
    const next = change(kept ?? { primary: fresh(), secondary: fresh() });
    putRecord(transaction, keysKey(id), next);
    return next;
  });
}

/** Answers with the keys of the resource in the path, after `change` may have replaced one. */
async function answerKeys(
  call: Call,
  known: KeyList,
  change: (keys: Keys) => Keys = (keys) => keys,
): Promise<Outcome> {
  const { store } = call.plane;
  const path = call.address.path.replace(/\/[^/]+$/, "");
  const resource = await requireFound(store, await resolveResource(store, path));
  // Refused where they are switched off, before one of them is replaced.
  known.shape({ primary: "", secondary: "" }, resource);
  const keys = await keysOf(call, resource, known.bytes, change);
  return { status: 200, body: known.shape(keys, resource) };
}

async function regenerateKey(
  call: Call,
  known: KeyList,
  [, name, primary, secondary]: NonNullable<KeyList["regenerate"]>,
): Promise<Outcome> {
  const wanted = stringMember(call.body, name)?.toLowerCase();
  if (wanted !== primary.toLowerCase() && wanted !== secondary.toLowerCase()) {
    throw new ArmError(
      400,
      "InvalidKeyName",
      `The property '${name}' must be '${primary}' or '${secondary}'.`,
    );
  }
  const member = wanted === primary.toLowerCase() ? "primary" : "secondary";
  return answerKeys(call, known, (keys) => ({ ...keys, [member]: newKey(call, known) }));
}

/** Keys go with the resource that has them, and with what it stands in. */
function removalsOf(): Readonly<Record<string, Removal>> {
  const types = keyLists.flatMap(({ type }) => {
    const [namespace, ...parts] = type.split("/");
    return parts.map((_, index) => [namespace, ...parts.slice(0, index + 1)].join("/"));
  });
  types.push(
    "Microsoft.Web/sites",
    "Microsoft.Web/sites/slots",
    "Microsoft.ContainerService/managedClusters",
  );
  const removal: Removal = {
    locks: () => [],
    remove: async (_, transaction: Transaction, { id }) => deleteRecords(transaction, keysKey(id)),
  };
  return Object.fromEntries(types.map((type) => [type, removal]));
}

export const recordKeysProvider: Provider = {
  operations: keyLists.flatMap(rowsOf),
  removals: removalsOf(),
};

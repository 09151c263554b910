/** Values of services that keep data: Storage, SQL, Key Vault, caches, queues and searches. */
import { isObject, type JsonObject, member, objectMember, stringMember } from "../json.ts";
import { propertiesOf, type StoredResource } from "../resources.ts";
import type { RecordTypes } from "./service-values.ts";
import { createdIso, hostLocation, stableGuid, stableHex } from "./stable-values.ts";

const openNetwork: JsonObject = {
  bypass: "AzureServices",
  virtualNetworkRules: [],
  ipRules: [],
  defaultAction: "Allow",
};

const storageServices = ["blob", "dfs", "file", "queue", "table", "web"];

function storageEndpoints(name: string): JsonObject {
  return Object.fromEntries(
    storageServices.map((service) => {
      const zone = service === "web" ? "z6." : "";
      return [service, `https://${name}.${zone}${service}.core.windows.net/`];
    }),
  );
}

function secondaryOf(resource: StoredResource): JsonObject {
  const sku = stringMember(member(resource.body, "sku"), "name") ?? "";
  if (!/_RA/i.test(sku)) return {};
  return {
    secondaryEndpoints: storageEndpoints(`${resource.name}-secondary`),
    statusOfSecondary: "available",
  };
}

/** Sku of a storage account with the tier that its name implies. */
function storageSku({ body }: StoredResource): JsonObject {
  const name = stringMember(member(body, "sku"), "name") ?? "Standard_RAGRS";
  return { name, tier: name.split("_")[0] ?? "Standard" };
}

/** What a container, share, queue or table shows that nobody has used yet. */
function untouched(resource: StoredResource): JsonObject {
  return {
    leaseStatus: "Unlocked",
    leaseState: "Available",
    hasImmutabilityPolicy: false,
    hasLegalHold: false,
    defaultEncryptionScope: "$account-encryption-key",
    denyEncryptionScopeOverride: false,
    deleted: false,
    remainingRetentionDays: 0,
    lastModifiedTime: createdIso(resource),
  };
}

const storage: RecordTypes = {
  "Microsoft.Storage/storageAccounts": {
    filled: () => ({
      accessTier: "Hot",
      allowBlobPublicAccess: false,
      allowCrossTenantReplication: false,
      allowSharedKeyAccess: true,
      minimumTlsVersion: "TLS1_2",
      supportsHttpsTrafficOnly: true,
      publicNetworkAccess: "Enabled",
      networkAcls: openNetwork,
      encryption: {
        services: {
          blob: { enabled: true, keyType: "Account" },
          file: { enabled: true, keyType: "Account" },
        },
        keySource: "Microsoft.Storage",
      },
      privateEndpointConnections: [],
    }),
    derived: (resource) => ({
      primaryEndpoints: storageEndpoints(resource.name),
      primaryLocation: hostLocation(resource),
      statusOfPrimary: "available",
      ...secondaryOf(resource),
      creationTime: createdIso(resource),
      keyCreationTime: { key1: createdIso(resource), key2: createdIso(resource) },
    }),
    around: () => ({ kind: "StorageV2" }),
    settled: (resource) => ({ sku: storageSku(resource) }),
  },
  "Microsoft.Storage/storageAccounts/blobServices/containers": {
    filled: (resource) => ({ publicAccess: "None", metadata: {}, ...untouched(resource) }),
  },
  "Microsoft.Storage/storageAccounts/fileServices/shares": {
    filled: (resource) => ({
      accessTier: "TransactionOptimized",
      shareQuota: 5120,
      enabledProtocols: "SMB",
      lastModifiedTime: createdIso(resource),
    }),
  },
  "Microsoft.Storage/storageAccounts/queueServices/queues": { filled: () => ({ metadata: {} }) },
  "Microsoft.Storage/storageAccounts/tableServices/tables": {
    derived: ({ name }) => ({ tableName: name }),
  },
};

const gigabyte = 1024 ** 3;

interface SqlSku {
  readonly name: string;
  readonly tier: string;
  readonly family?: string;
  readonly capacity?: number;
}

const defaultSqlSku: SqlSku = { name: "GP_Gen5", tier: "GeneralPurpose", family: "Gen5", capacity: 2 };

/** The sku as the service would spell it out; service objectives such as `S0` and `GP_S_Gen5_2` name all of it. */
function sqlSku({ body }: StoredResource): SqlSku {
  const sku = objectMember(body, "sku");
  const name = stringMember(sku, "name");
  if (name === undefined) return defaultSqlSku;
  const vCore = /^(GP|BC|HS)(?:_S)?_(Gen\d+|Fsv2|DC)(?:_(\d+))?$/i.exec(name);
  const sent = member(sku, "capacity");
  if (vCore === null) {
    const tier = stringMember(sku, "tier") ?? dtuTiers[name[0]?.toUpperCase() ?? ""] ?? "Standard";
    return { name: tier, tier, capacity: typeof sent === "number" ? sent : (dtuCapacities[name] ?? 10) };
  }
  const capacity = typeof sent === "number" ? sent : Number(vCore[3] ?? 2);
  const tier = vCoreTiers[vCore[1]?.toUpperCase() ?? ""] ?? "GeneralPurpose";
  return { name: name.replace(/_\d+$/, ""), tier, family: vCore[2] ?? "Gen5", capacity };
}

const vCoreTiers: Readonly<Record<string, string>> = {
  GP: "GeneralPurpose",
  BC: "BusinessCritical",
  HS: "Hyperscale",
};
const dtuTiers: Readonly<Record<string, string>> = { B: "Basic", S: "Standard", P: "Premium" };
const dtuCapacities: Readonly<Record<string, number>> = {
  Basic: 5,
  S0: 10,
  S1: 20,
  S2: 50,
  S3: 100,
  P1: 125,
  P2: 250,
};

function objectiveOf(sku: SqlSku): string {
  if (sku.family !== undefined) return `${sku.name}_${sku.capacity ?? 2}`;
  const named = Object.entries(dtuCapacities).find(([, capacity]) => capacity === sku.capacity);
  return named?.[0] ?? sku.name;
}

const sql: RecordTypes = {
  "Microsoft.Sql/servers": {
    filled: () => ({
      version: "12.0",
      minimalTlsVersion: "1.2",
      publicNetworkAccess: "Enabled",
      restrictOutboundNetworkAccess: "Disabled",
      privateEndpointConnections: [],
    }),
    derived: ({ name }) => ({
      fullyQualifiedDomainName: `${name.toLowerCase()}.database.windows.net`,
      state: "Ready",
    }),
    around: () => ({ kind: "v12.0" }),
  },
  "Microsoft.Sql/servers/databases": {
    filled: () => ({
      collation: "SQL_Latin1_General_CP1_CI_AS",
      catalogCollation: "SQL_Latin1_General_CP1_CI_AS",
      maxSizeBytes: 32 * gigabyte,
      zoneRedundant: false,
      readScale: "Disabled",
      licenseType: "LicenseIncluded",
      requestedBackupStorageRedundancy: "Geo",
      isLedgerOn: false,
      availabilityZone: "NoPreference",
    }),
    derived: (resource) => {
      const sku = sqlSku(resource);
      return {
        status: "Online",
        databaseId: stableGuid(resource, "database"),
        creationDate: createdIso(resource),
        earliestRestoreDate: createdIso(resource),
        currentServiceObjectiveName: objectiveOf(sku),
        requestedServiceObjectiveName: objectiveOf(sku),
        currentSku: { ...sku },
        currentBackupStorageRedundancy:
          stringMember(propertiesOf(resource), "requestedBackupStorageRedundancy") ?? "Geo",
        defaultSecondaryLocation: hostLocation(resource),
      };
    },
    around: (resource) => ({ kind: "v12.0,user,vcore", sku: { ...sqlSku(resource) } }),
  },
  "Microsoft.Sql/servers/elasticPools": {
    filled: () => ({ zoneRedundant: false, licenseType: "LicenseIncluded" }),
    derived: (resource) => ({ state: "Ready", creationDate: createdIso(resource) }),
  },
};

function versionOfSecret(resource: StoredResource): string {
  const version = member(propertiesOf(resource), "version");
  return typeof version === "string" ? version : stableHex(resource, "secret", 32);
}

const vaultHost = (name: string): string => `https://${name.toLowerCase()}.vault.azure.net`;

/** The vault that a secret or key lies in, by its id. */
function vaultOf({ id }: StoredResource): string {
  return vaultHost(/\/vaults\/([^/]+)/i.exec(id)?.[1] ?? "");
}

function attributesOf(resource: StoredResource): JsonObject {
  const seconds = Math.floor(resource.createdAt / 1000);
  const own = objectMember(propertiesOf(resource), "attributes") ?? {};
  return { enabled: true, created: seconds, updated: seconds, ...own };
}

const keyVault: RecordTypes = {
  "Microsoft.KeyVault/vaults": {
    filled: () => ({
      accessPolicies: [],
      enabledForDeployment: false,
      enabledForDiskEncryption: false,
      enabledForTemplateDeployment: false,
      enableRbacAuthorization: false,
      enableSoftDelete: true,
      softDeleteRetentionInDays: 90,
      publicNetworkAccess: "Enabled",
    }),
    derived: ({ name }) => ({ vaultUri: `${vaultHost(name)}/` }),
    hidden: ["createMode"],
  },
  "Microsoft.KeyVault/vaults/secrets": {
    derived: (resource) => {
      const uri = `${vaultOf(resource)}/secrets/${resource.name}`;
      const secretUriWithVersion = `${uri}/${versionOfSecret(resource)}`;
      return { secretUri: uri, secretUriWithVersion, attributes: attributesOf(resource) };
    },
    hidden: ["value", "version"],
  },
  "Microsoft.KeyVault/vaults/keys": {
    filled: () => ({ kty: "RSA", keySize: 2048, keyOps: ["encrypt", "decrypt", "sign", "verify"] }),
    derived: (resource) => {
      const uri = `${vaultOf(resource)}/keys/${resource.name}`;
      return {
        keyUri: uri,
        keyUriWithVersion: `${uri}/${versionOfSecret(resource)}`,
        attributes: attributesOf(resource),
      };
    },
  },
};

function storageProfile({ body }: StoredResource): JsonObject {
  const storageOfServer = objectMember(member(body, "properties"), "storage");
  return isObject(storageOfServer) ? storageOfServer : { storageSizeGB: 32 };
}

const otherData: RecordTypes = {
  "Microsoft.Cache/redis": {
    filled: () => ({ enableNonSslPort: false, minimumTlsVersion: "1.2", publicNetworkAccess: "Enabled" }),
    derived: ({ name }) => ({ hostName: `${name}.redis.cache.windows.net`, port: 6379, sslPort: 6380 }),
  },
  "Microsoft.Search/searchServices": {
    filled: () => ({ replicaCount: 1, partitionCount: 1, hostingMode: "default", disableLocalAuth: false }),
    derived: ({ name }) => ({ status: "running", endpoint: `https://${name}.search.windows.net` }),
  },
  "Microsoft.AppConfiguration/configurationStores": {
    filled: () => ({ disableLocalAuth: false, publicNetworkAccess: "Enabled" }),
    derived: (resource) => ({
      endpoint: `https://${resource.name}.azconfig.io`,
      creationDate: createdIso(resource),
    }),
  },
  "Microsoft.DBforPostgreSQL/flexibleServers": {
    filled: (resource) => ({ version: "16", storage: storageProfile(resource) }),
    derived: ({ name }) => ({
      fullyQualifiedDomainName: `${name}.postgres.database.azure.com`,
      state: "Ready",
    }),
  },
  "Microsoft.DBforMySQL/flexibleServers": {
    filled: (resource) => ({ version: "8.0.21", storage: storageProfile(resource) }),
    derived: ({ name }) => ({ fullyQualifiedDomainName: `${name}.mysql.database.azure.com`, state: "Ready" }),
  },
};

export const dataTypes: RecordTypes = { ...storage, ...sql, ...keyVault, ...otherData };

/**
 * Resource provider namespaces, their types and the api-versions we advertise. Data only: which namespace is known,
 * how it is spelled, and whether any type below it is kept as a plain record or only the listed types exist. Apart
 * from the providers themselves because templates, the provider list and the router all read it.
 */

export interface ResourceTypeInfo {
  /** The type below the namespace in its canonical spelling, e.g. `databaseAccounts/sqlDatabases`. */
  readonly type: string;
  /** Newest first; tools that must pick a version (`az resource update`) take the first stable one. */
  readonly apiVersions: readonly string[];
}

export interface NamespaceInfo {
  readonly namespace: string;
  readonly types: readonly ResourceTypeInfo[];
  /** True when a type that is not listed is stored as it was sent; false when it is refused. */
  readonly open: boolean;
  /** Types of a namespace that is not open which are nevertheless stored as they were sent. */
  readonly records?: readonly string[];
}

const versionPattern =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(-(preview|alpha|beta|rc|privatepreview))?$/i;

/** True for `YYYY-MM-DD`, optionally followed by a preview suffix: the form every api-version has. */
export function isApiVersion(text: string): boolean {
  return versionPattern.test(text);
}

function listed(
  namespace: string,
  apiVersions: readonly string[],
  types: readonly string[],
  records: readonly string[] = [],
): NamespaceInfo {
  return {
    namespace,
    open: false,
    types: [...types, ...records].map((type) => ({ type, apiVersions })),
    records,
  };
}

function open(namespace: string, apiVersions: readonly string[], types: readonly string[]): NamespaceInfo {
  return { namespace, open: true, types: types.map((type) => ({ type, apiVersions })) };
}

const general = ["2025-04-01", "2024-03-01", "2023-01-01", "2022-03-01", "2021-02-01"];

/** Every namespace we answer for; look-ups go through `findNamespace`. */
export const namespaces: readonly NamespaceInfo[] = [
  listed(
    "Microsoft.Authorization",
    ["2022-04-01", "2024-07-01-preview", "2022-05-01-preview", "2020-04-01-preview"],
    ["roleAssignments", "roleDefinitions", "denyAssignments", "permissions", "locks"],
    ["policyAssignments", "policyDefinitions", "policyExemptions", "policySetDefinitions"],
  ),
  listed(
    "Microsoft.DocumentDB",
    ["2025-10-15", "2025-04-15", "2024-08-15", "2023-04-15", "2021-06-15"],
    [
      "databaseAccounts",
      "databaseAccountNames",
      "databaseAccounts/sqlDatabases",
      "databaseAccounts/sqlDatabases/throughputSettings",
      "databaseAccounts/sqlDatabases/containers",
      "databaseAccounts/sqlDatabases/containers/throughputSettings",
      "databaseAccounts/sqlDatabases/containers/storedProcedures",
      "databaseAccounts/sqlDatabases/containers/triggers",
      "databaseAccounts/sqlDatabases/containers/userDefinedFunctions",
      "locations",
      "operations",
      "databaseAccounts/sqlRoleDefinitions",
      "databaseAccounts/sqlRoleAssignments",
    ],
  ),
  listed(
    "Microsoft.Management",
    ["2023-04-01", "2021-04-01", "2020-05-01"],
    ["managementGroups", "managementGroups/subscriptions"],
  ),
  listed(
    "Microsoft.ManagedIdentity",
    ["2024-11-30", "2023-01-31", "2018-11-30"],
    ["userAssignedIdentities", "userAssignedIdentities/federatedIdentityCredentials"],
  ),
  // Gives other tenants access, which nothing here does.
  listed(
    "Microsoft.ManagedServices",
    ["2022-10-01", "2020-02-01-preview"],
    ["registrationDefinitions", "registrationAssignments"],
  ),
  listed(
    "Microsoft.Resources",
    ["2025-04-01", "2024-03-01", "2022-09-01", "2021-04-01", "2020-10-01"],
    [
      "deployments",
      "deployments/operations",
      "resourceGroups",
      "subscriptions",
      "subscriptions/resourceGroups",
      "tags",
      "tenants",
    ],
    ["deploymentScripts", "templateSpecs", "templateSpecs/versions"],
  ),
  open("Microsoft.ApiManagement", ["2024-05-01", "2022-08-01"], ["service"]),
  open("Microsoft.App", ["2025-01-01", "2024-03-01"], ["containerApps", "jobs", "managedEnvironments"]),
  open("Microsoft.AppConfiguration", ["2024-05-01", "2023-03-01"], ["configurationStores"]),
  open("Microsoft.Automation", ["2023-11-01", "2022-08-08"], ["automationAccounts"]),
  open("Microsoft.Batch", ["2024-07-01", "2023-11-01"], ["batchAccounts"]),
  open("Microsoft.Cache", ["2024-11-01", "2023-08-01"], ["redis"]),
  open("Microsoft.Cdn", ["2025-04-15", "2024-02-01"], ["profiles"]),
  open("Microsoft.CognitiveServices", ["2025-06-01", "2023-05-01"], ["accounts"]),
  open(
    "Microsoft.Compute",
    ["2025-04-01", "2024-07-01", "2023-03-01", "2022-11-01", "2021-07-01"],
    [
      "availabilitySets",
      "disks",
      "images",
      "sshPublicKeys",
      "virtualMachines",
      "virtualMachines/extensions",
      "virtualMachineScaleSets",
    ],
  ),
  open("Microsoft.ContainerInstance", ["2025-09-01", "2023-05-01"], ["containerGroups"]),
  open("Microsoft.ContainerRegistry", ["2025-04-01", "2023-07-01"], ["registries"]),
  open(
    "Microsoft.ContainerService",
    ["2026-04-01", "2025-05-01", "2024-05-01", "2022-11-01"],
    ["managedClusters", "managedClusters/agentPools"],
  ),
  open("Microsoft.DataFactory", ["2018-06-01"], ["factories"]),
  open("Microsoft.DBforMySQL", ["2023-12-30"], ["flexibleServers"]),
  open("Microsoft.DBforPostgreSQL", ["2024-08-01", "2022-12-01"], ["flexibleServers"]),
  open("Microsoft.Devices", ["2023-06-30"], ["IotHubs"]),
  listed("Microsoft.Features", ["2021-07-01"], ["features", "providers/features"]),
  open("Microsoft.EventGrid", ["2025-02-15", "2022-06-15"], ["topics", "systemTopics"]),
  open("Microsoft.EventHub", ["2024-01-01", "2021-11-01"], ["namespaces"]),
  open("Microsoft.Insights", ["2021-05-01-preview", "2020-02-02"], ["components", "diagnosticSettings"]),
  open(
    "Microsoft.KeyVault",
    ["2026-02-01", "2025-05-01", "2023-07-01", "2022-07-01"],
    ["vaults", "vaults/secrets", "vaults/keys", "vaults/accessPolicies", "deletedVaults"],
  ),
  open("Microsoft.Logic", ["2019-05-01"], ["workflows"]),
  open("Microsoft.MachineLearningServices", ["2025-06-01", "2024-04-01"], ["workspaces"]),
  open(
    "Microsoft.Network",
    ["2025-01-01", "2024-05-01", "2023-09-01", "2022-07-01"],
    [
      "networkInterfaces",
      "networkSecurityGroups",
      "privateDnsZones",
      "privateEndpoints",
      "publicIPAddresses",
      "virtualNetworks",
      "virtualNetworks/subnets",
    ],
  ),
  open("Microsoft.OperationalInsights", ["2025-02-01", "2022-10-01"], ["workspaces"]),
  open("Microsoft.Search", ["2025-05-01", "2023-11-01"], ["searchServices"]),
  open("Microsoft.ServiceBus", ["2024-01-01", "2021-11-01"], ["namespaces"]),
  open("Microsoft.SignalRService", ["2024-03-01", "2023-02-01"], ["signalR", "webPubSub"]),
  open(
    "Microsoft.Sql",
    ["2023-08-01", "2021-11-01", "2021-02-01-preview"],
    [
      "servers",
      "servers/administrators",
      "servers/azureADOnlyAuthentications",
      "servers/databases",
      "servers/elasticPools",
      "servers/firewallRules",
    ],
  ),
  open(
    "Microsoft.Storage",
    ["2025-08-01", "2025-06-01", "2023-05-01", "2022-09-01"],
    [
      "storageAccounts",
      "storageAccounts/blobServices",
      "storageAccounts/blobServices/containers",
      "storageAccounts/fileServices",
      "storageAccounts/fileServices/shares",
      "storageAccounts/queueServices",
      "storageAccounts/queueServices/queues",
      "storageAccounts/tableServices",
      "storageAccounts/tableServices/tables",
    ],
  ),
  open("Microsoft.Web", general, [
    "serverfarms",
    "sites",
    "sites/basicPublishingCredentialsPolicies",
    "sites/config",
    "sites/slots",
    "sites/slots/basicPublishingCredentialsPolicies",
    "sites/slots/config",
    "staticSites",
  ]),
];

const byLowerName: ReadonlyMap<string, NamespaceInfo> = new Map(
  namespaces.map((info) => [info.namespace.toLowerCase(), info]),
);

/** The namespace under any spelling, or `undefined` when Azure's catalogue as we know it has none of this name. */
export function findNamespace(namespace: string): NamespaceInfo | undefined {
  return byLowerName.get(namespace.toLowerCase());
}

/** A listed type under any spelling. */
export function findType(info: NamespaceInfo, type: string): ResourceTypeInfo | undefined {
  const wanted = type.toLowerCase();
  return info.types.find((candidate) => candidate.type.toLowerCase() === wanted);
}

/** The newest api-version of a full type, or of its namespace; for requests that we make ourselves. */
export function newestVersion(fullType: string): string {
  const [namespace = "", ...rest] = fullType.split("/");
  const info = findNamespace(namespace);
  const known = info === undefined ? undefined : findType(info, rest.join("/"));
  return (known ?? info?.types[0])?.apiVersions[0] ?? "2021-04-01";
}

/**
 * Built-in Azure role definitions. One row per role, in the order of the documentation's tables; the GUIDs are the
 * ones every Azure tenant has, so scripts that name a role by GUID work unchanged. Cosmos DB data roles are not
 * here: they belong to the account, not to Azure RBAC.
 */

export interface RolePermission {
  readonly actions: readonly string[];
  readonly notActions: readonly string[];
  readonly dataActions: readonly string[];
  readonly notDataActions: readonly string[];
}

export interface BuiltInRole {
  /** The GUID, lower case. */
  readonly name: string;
  readonly roleName: string;
  readonly description: string;
  readonly permissions: readonly RolePermission[];
}

/** What nearly every service role carries besides its own actions. */
const standard = [
  "Microsoft.Authorization/*/read",
  "Microsoft.Insights/alertRules/*",
  "Microsoft.Resources/deployments/*",
  "Microsoft.Resources/subscriptions/resourceGroups/read",
  "Microsoft.Support/*",
];

function role(
  name: string,
  roleName: string,
  description: string,
  permission: Partial<RolePermission>,
): BuiltInRole {
  const { actions = [], notActions = [], dataActions = [], notDataActions = [] } = permission;
  return { name, roleName, description, permissions: [{ actions, notActions, dataActions, notDataActions }] };
}

function cosmosRoleWrites(): string[] {
  const kinds = ["sql", "table", "gremlin", "cassandra", "mongoMI"];
  const resources = kinds.flatMap((kind) => [`${kind}RoleDefinitions`, `${kind}RoleAssignments`]);
  return [...resources, "mongodbRoleDefinitions", "mongodbUserDefinitions"].flatMap((resource) => [
    `Microsoft.DocumentDB/databaseAccounts/${resource}/write`,
    `Microsoft.DocumentDB/databaseAccounts/${resource}/delete`,
  ]);
}

const sqlSecurityParts = [
  "auditingSettings/*",
  "auditRecords/read",
  "securityAlertPolicies/*",
  "vulnerabilityAssessments/*",
];

export const builtInRoles: readonly BuiltInRole[] = [
  role(
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Owner",
    "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
    { actions: ["*"] },
  ),
  role(
    "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Contributor",
    "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC.",
    {
      actions: ["*"],
      notActions: [
        "Microsoft.Authorization/*/Delete",
        "Microsoft.Authorization/*/Write",
        "Microsoft.Authorization/elevateAccess/Action",
        "Microsoft.Blueprint/blueprintAssignments/write",
        "Microsoft.Blueprint/blueprintAssignments/delete",
        "Microsoft.Compute/galleries/share/action",
        "Microsoft.Purview/consents/write",
        "Microsoft.Purview/consents/delete",
        "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
        "Microsoft.Subscription/cancel/action",
        "Microsoft.Subscription/enable/action",
      ],
    },
  ),
  role(
    "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Reader",
    "View all resources, but does not allow you to make any changes.",
    { actions: ["*/read"] },
  ),
  role(
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "User Access Administrator",
    "Lets you manage user access to Azure resources.",
    { actions: ["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"] },
  ),
  role(
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
    "Role Based Access Control Administrator",
    "Manage access to Azure resources by assigning roles using Azure RBAC.",
    {
      actions: [
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.Authorization/roleAssignments/delete",
        "*/read",
        "Microsoft.Support/*",
      ],
    },
  ),
  role(
    "5d58bcaf-24a5-4b20-bdb6-eed9f69fbe4c",
    "Management Group Contributor",
    "Management Group Contributor Role",
    {
      actions: [
        "Microsoft.Management/managementGroups/delete",
        "Microsoft.Management/managementGroups/read",
        "Microsoft.Management/managementGroups/subscriptions/delete",
        "Microsoft.Management/managementGroups/subscriptions/write",
        "Microsoft.Management/managementGroups/write",
        "Microsoft.Management/managementGroups/subscriptions/read",
      ],
    },
  ),
  role("ac63b705-f282-497d-ac71-919bf39d939d", "Management Group Reader", "Management Group Reader Role", {
    actions: [
      "Microsoft.Management/managementGroups/read",
      "Microsoft.Management/managementGroups/subscriptions/read",
    ],
  }),
  role(
    "5bd9cd88-fe45-4216-938b-f97437e15450",
    "DocumentDB Account Contributor",
    "Lets you manage DocumentDB accounts, but not access to them.",
    {
      actions: [
        ...standard,
        "Microsoft.DocumentDb/databaseAccounts/*",
        "Microsoft.ResourceHealth/availabilityStatuses/read",
        "Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action",
      ],
    },
  ),
  role(
    "fbdf93bf-df7d-467e-a4d2-9458aa1360c8",
    "Cosmos DB Account Reader Role",
    "Can read Azure Cosmos DB Accounts data.",
    {
      actions: [
        "Microsoft.Authorization/*/read",
        "Microsoft.DocumentDB/*/read",
        "Microsoft.DocumentDB/databaseAccounts/readonlykeys/action",
        "Microsoft.Insights/MetricDefinitions/read",
        "Microsoft.Insights/Metrics/read",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Support/*",
      ],
    },
  ),
  role(
    "230815da-be43-4aae-9cb4-875f7bd000aa",
    "Cosmos DB Operator",
    "Lets you manage Azure Cosmos DB accounts, but not access data in them. Prevents access to account keys and connection strings.",
    {
      actions: [
        ...standard,
        "Microsoft.DocumentDb/databaseAccounts/*",
        "Microsoft.ResourceHealth/availabilityStatuses/read",
        "Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action",
      ],
      notActions: [
        "Microsoft.DocumentDB/databaseAccounts/copyJobs/*",
        "Microsoft.DocumentDB/databaseAccounts/dataTransferJobs/*",
        "Microsoft.DocumentDB/databaseAccounts/readonlyKeys/*",
        "Microsoft.DocumentDB/databaseAccounts/regenerateKey/*",
        "Microsoft.DocumentDB/databaseAccounts/listKeys/*",
        "Microsoft.DocumentDB/databaseAccounts/listConnectionStrings/*",
        ...cosmosRoleWrites(),
      ],
    },
  ),
  role(
    "db7b14f2-5adf-42da-9f96-f2ee17bab5cb",
    "CosmosBackupOperator",
    "Can submit restore request for a Cosmos DB database or a container for an account",
    {
      actions: [
        "Microsoft.DocumentDB/databaseAccounts/backup/action",
        "Microsoft.DocumentDB/databaseAccounts/restore/action",
      ],
    },
  ),
  role(
    "5432c526-bc82-444a-b7ba-57c5b0b5b34f",
    "CosmosRestoreOperator",
    "Can perform restore action for Cosmos DB database account with continuous backup mode",
    {
      actions: [
        "Microsoft.DocumentDB/locations/restorableDatabaseAccounts/restore/action",
        "Microsoft.DocumentDB/locations/restorableDatabaseAccounts/*/read",
        "Microsoft.DocumentDB/locations/restorableDatabaseAccounts/read",
      ],
    },
  ),
  role(
    "f1a07417-d97a-45cb-824c-7a7467783830",
    "Managed Identity Operator",
    "Read and Assign User Assigned Identity",
    {
      actions: [
        ...standard,
        "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
        "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
      ],
    },
  ),
  role(
    "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
    "Managed Identity Contributor",
    "Create, Read, Update, and Delete User Assigned Identity",
    {
      actions: [
        ...standard,
        "Microsoft.ManagedIdentity/userAssignedIdentities/read",
        "Microsoft.ManagedIdentity/userAssignedIdentities/write",
        "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete",
        "Microsoft.ManagedIdentity/userAssignedIdentities/revokeTokens/action",
      ],
    },
  ),
  role(
    "9980e02c-c2be-4d73-94e8-173b1dc7cf3c",
    "Virtual Machine Contributor",
    "Lets you manage virtual machines, but not access to them, and not the virtual network or storage account they're connected to.",
    {
      actions: [
        ...standard,
        "Microsoft.Compute/availabilitySets/*",
        "Microsoft.Compute/locations/*",
        "Microsoft.Compute/virtualMachines/*",
        "Microsoft.Compute/virtualMachineScaleSets/*",
        "Microsoft.Compute/disks/write",
        "Microsoft.Compute/disks/read",
        "Microsoft.Compute/disks/delete",
        "Microsoft.Network/networkInterfaces/*",
        "Microsoft.Network/networkSecurityGroups/join/action",
        "Microsoft.Network/networkSecurityGroups/read",
        "Microsoft.Network/publicIPAddresses/join/action",
        "Microsoft.Network/publicIPAddresses/read",
        "Microsoft.Network/virtualNetworks/read",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "Microsoft.Storage/storageAccounts/listKeys/action",
        "Microsoft.Storage/storageAccounts/read",
      ],
    },
  ),
  role(
    "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    "Key Vault Administrator",
    "Perform all data plane operations on a key vault and all objects in it, including certificates, keys, and secrets.",
    { actions: [...standard, ...keyVaultReads()], dataActions: ["Microsoft.KeyVault/vaults/*"] },
  ),
  role(
    "21090545-7ca7-4776-b22c-e363652d74d2",
    "Key Vault Reader",
    "Read metadata of key vaults and its certificates, keys, and secrets.",
    {
      actions: [...standard, ...keyVaultReads()],
      dataActions: [
        "Microsoft.KeyVault/vaults/*/read",
        "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
      ],
    },
  ),
  role(
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Secrets Officer",
    "Perform any action on the secrets of a key vault, except manage permissions.",
    { actions: [...standard, ...keyVaultReads()], dataActions: ["Microsoft.KeyVault/vaults/secrets/*"] },
  ),
  role("4633458b-17de-408a-b874-0445c86b69e6", "Key Vault Secrets User", "Read secret contents.", {
    dataActions: [
      "Microsoft.KeyVault/vaults/secrets/getSecret/action",
      "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    ],
  }),
  role(
    "f25e0fa2-a7c8-4377-a976-54943a77a395",
    "Key Vault Contributor",
    "Lets you manage key vaults, but not access to them.",
    {
      actions: [...standard, "Microsoft.KeyVault/*"],
      notActions: [
        "Microsoft.KeyVault/locations/deletedVaults/purge/action",
        "Microsoft.KeyVault/hsmPools/*",
        "Microsoft.KeyVault/managedHsms/*",
      ],
    },
  ),
  role(
    "12338af0-0e69-4776-bea7-57ae8d297424",
    "Key Vault Crypto User",
    "Perform cryptographic operations using keys.",
    {
      dataActions: ["read", "update/action", "backup/action", "encrypt/action", "decrypt/action"]
        .concat(["wrap/action", "unwrap/action", "sign/action", "verify/action"])
        .map((operation) => `Microsoft.KeyVault/vaults/keys/${operation}`),
    },
  ),
  role(
    "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "Key Vault Crypto Service Encryption User",
    "Read metadata of keys and perform wrap/unwrap operations.",
    {
      actions: [
        "Microsoft.EventGrid/eventSubscriptions/write",
        "Microsoft.EventGrid/eventSubscriptions/read",
        "Microsoft.EventGrid/eventSubscriptions/delete",
      ],
      dataActions: [
        "Microsoft.KeyVault/vaults/keys/read",
        "Microsoft.KeyVault/vaults/keys/wrap/action",
        "Microsoft.KeyVault/vaults/keys/unwrap/action",
      ],
    },
  ),
  role(
    "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "Network Contributor",
    "Lets you manage networks, but not access to them.",
    {
      actions: [...standard, "Microsoft.Network/*", "Microsoft.ResourceHealth/availabilityStatuses/read"],
    },
  ),
  role(
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Blob Data Reader",
    "Allows for read access to Azure Storage blob containers and data",
    {
      actions: [
        "Microsoft.Storage/storageAccounts/blobServices/containers/read",
        "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
      ],
      dataActions: ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
    },
  ),
  role(
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Contributor",
    "Allows for read, write and delete access to Azure Storage blob containers and data",
    {
      actions: [
        "Microsoft.Storage/storageAccounts/blobServices/containers/delete",
        "Microsoft.Storage/storageAccounts/blobServices/containers/read",
        "Microsoft.Storage/storageAccounts/blobServices/containers/write",
        "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
      ],
      dataActions: [
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action",
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
      ],
    },
  ),
  role(
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Owner",
    "Allows for full access to Azure Storage blob containers and data, including assigning POSIX access control.",
    {
      actions: [
        "Microsoft.Storage/storageAccounts/blobServices/containers/*",
        "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
      ],
      dataActions: ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"],
    },
  ),
  role(
    "17d1049b-9a84-46fb-8f53-869881c3d3ab",
    "Storage Account Contributor",
    "Lets you manage storage accounts, including accessing storage account keys which provide full access to storage account data.",
    {
      actions: [
        ...standard,
        "Microsoft.Insights/diagnosticSettings/*",
        "Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action",
        "Microsoft.ResourceHealth/availabilityStatuses/read",
        "Microsoft.Storage/storageAccounts/*",
      ],
    },
  ),
  role(
    "9b7fa17d-e63e-47b0-bb0a-15c516ac86ec",
    "SQL DB Contributor",
    "Lets you manage SQL databases, but not access to them.",
    {
      actions: [
        ...standard,
        "Microsoft.ResourceHealth/availabilityStatuses/read",
        "Microsoft.Sql/locations/*/read",
        "Microsoft.Sql/servers/databases/*",
        "Microsoft.Sql/servers/read",
      ],
      notActions: sqlSecurityParts.map((part) => `Microsoft.Sql/servers/databases/${part}`),
    },
  ),
  role(
    "6d8ee4ec-f05a-4a1d-8b00-a9b17e38b437",
    "SQL Server Contributor",
    "Lets you manage SQL servers and databases, but not access to them, and not their security-related policies.",
    {
      actions: [
        ...standard,
        "Microsoft.ResourceHealth/availabilityStatuses/read",
        "Microsoft.Sql/locations/*/read",
        "Microsoft.Sql/servers/*",
      ],
      notActions: [
        ...sqlSecurityParts.map((part) => `Microsoft.Sql/servers/databases/${part}`),
        ...sqlSecurityParts.map((part) => `Microsoft.Sql/servers/${part}`),
        "Microsoft.Sql/servers/azureADOnlyAuthentications/write",
        "Microsoft.Sql/servers/azureADOnlyAuthentications/delete",
        "Microsoft.Sql/servers/externalPolicyBasedAuthorizations/write",
        "Microsoft.Sql/servers/externalPolicyBasedAuthorizations/delete",
      ],
    },
  ),
];

function keyVaultReads(): string[] {
  return [
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/operations/read",
  ];
}

const byName: ReadonlyMap<string, BuiltInRole> = new Map(builtInRoles.map((entry) => [entry.name, entry]));

/** The built-in role with this GUID in any letter case. */
export function findBuiltInRole(name: string): BuiltInRole | undefined {
  return byName.get(name.toLowerCase());
}

export const ownerRoleName = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

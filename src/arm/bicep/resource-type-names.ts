/**
 * How Azure spells the names of its resource types. Types are compared without regard to case, but a template and the
 * ids made from it carry the spelling of the service, whatever the author typed; this is the only thing about resource
 * types that the compiler has to know. Names that are not in the table stay as they were typed.
 */

/** The parts of type names, by namespace. A part has one spelling in all types of a namespace. */
const spellings: Readonly<Record<string, string>> = {
  "Microsoft.AAD": "domainServices ouContainer",
  "Microsoft.AlertsManagement": "actionRules prometheusRuleGroups",
  "Microsoft.ApiManagement": `service apis operations policies releases schemas diagnostics tagDescriptions wikis
    resolvers apiVersionSets authorizationServers backends caches certificates contentTypes contentItems documentations
    gateways hostnameConfigurations certificateAuthorities groups users identityProviders loggers namedValues
    notifications recipientEmails recipientUsers openidConnectProviders policyFragments portalrevisions portalsettings
    portalconfigs products apiLinks groupLinks subscriptions tags templates workspaces properties privateEndpointConnections`,
  "Microsoft.App": `containerApps authConfigs sourcecontrols managedEnvironments connectedEnvironments certificates
    daprComponents daprSubscriptions managedCertificates storages jobs sessionPools privateEndpointConnections
    httpRouteConfigs javaComponents dotNetComponents maintenanceConfigurations`,
  "Microsoft.AppConfiguration": "configurationStores keyValues replicas snapshots privateEndpointConnections",
  "Microsoft.AppPlatform": `Spring apps bindings certificates domains deployments apiPortals buildServices agentPools
    builders buildpackBindings configServers configurationServices gateways routeConfigs monitoringSettings
    serviceRegistries storages`,
  "Microsoft.Authorization": `locks policyAssignments policyDefinitions policySetDefinitions policyExemptions
    roleAssignments roleDefinitions roleAssignmentScheduleRequests roleEligibilityScheduleRequests
    roleManagementPolicyAssignments denyAssignments accessReviewScheduleDefinitions`,
  "Microsoft.Automation": `automationAccounts certificates compilationjobs configurations connections connectionTypes
    credentials hybridRunbookWorkerGroups hybridRunbookWorkers jobs jobSchedules modules nodeConfigurations
    powerShell72Modules python2Packages python3Packages runbooks draft runtimeEnvironments packages schedules
    softwareUpdateConfigurations sourceControls variables watchers webhooks privateEndpointConnections`,
  "Microsoft.Batch": "batchAccounts applications versions certificates pools",
  "Microsoft.Blueprint": "blueprints artifacts versions blueprintAssignments",
  "Microsoft.BotService": "botServices channels connections privateEndpointConnections",
  "Microsoft.Cache": `redis redisEnterprise databases accessPolicyAssignments accessPolicies firewallRules linkedServers
    patchSchedules privateEndpointConnections`,
  "Microsoft.Cdn": `profiles endpoints origins originGroups customDomains afdEndpoints routes ruleSets rules secrets
    securityPolicies cdnWebApplicationFirewallPolicies keyGroups`,
  "Microsoft.CognitiveServices": `accounts commitmentPlans deployments encryptionScopes privateEndpointConnections
    raiPolicies raiBlocklists projects connections capabilityHosts`,
  "Microsoft.Communication": "communicationServices emailServices domains senderUsernames suppressionLists",
  "Microsoft.Compute": `availabilitySets capacityReservationGroups capacityReservations cloudServices diskAccesses
    diskEncryptionSets disks galleries applications versions images inVMAccessControlProfiles hostGroups hosts
    proximityPlacementGroups restorePointCollections restorePoints snapshots sshPublicKeys virtualMachines extensions
    runCommands virtualMachineScaleSets privateEndpointConnections`,
  "Microsoft.Consumption": "budgets",
  "Microsoft.ContainerInstance": "containerGroups containerGroupProfiles nGroups",
  "Microsoft.ContainerRegistry": `registries agentPools cacheRules connectedRegistries credentialSets exportPipelines
    importPipelines pipelineRuns privateEndpointConnections replications scopeMaps taskRuns tasks tokens webhooks`,
  "Microsoft.ContainerService": `managedClusters agentPools maintenanceConfigurations privateEndpointConnections
    trustedAccessRoleBindings snapshots managedclustersnapshots openShiftManagedClusters containerServices fleets
    members updateRuns updateStrategies`,
  "Microsoft.Dashboard": "grafana managedPrivateEndpoints privateEndpointConnections",
  "Microsoft.Databricks": "workspaces virtualNetworkPeerings accessConnectors privateEndpointConnections",
  "Microsoft.DataFactory": `factories credentials dataflows datasets globalParameters integrationRuntimes linkedservices
    managedVirtualNetworks managedPrivateEndpoints pipelines privateEndpointConnections triggers adfcdcs`,
  "Microsoft.DataLakeStore": "accounts firewallRules trustedIdProviders virtualNetworkRules",
  "Microsoft.DBforMySQL": `servers flexibleServers administrators configurations databases firewallRules keys
    privateEndpointConnections securityAlertPolicies virtualNetworkRules backups maintenances`,
  "Microsoft.DBforPostgreSQL": `servers flexibleServers administrators configurations databases firewallRules keys
    privateEndpointConnections securityAlertPolicies virtualNetworkRules backups migrations virtualendpoints serverGroupsv2`,
  "Microsoft.DesktopVirtualization": `applicationGroups applications hostPools msixPackages
    privateEndpointConnections scalingPlans pooledSchedules personalSchedules workspaces appAttachPackages`,
  "Microsoft.Devices":
    "IotHubs certificates eventHubEndpoints ConsumerGroups privateEndpointConnections provisioningServices",
  "Microsoft.DocumentDB": `databaseAccounts sqlDatabases containers storedProcedures triggers userDefinedFunctions
    throughputSettings clientEncryptionKeys sqlRoleDefinitions sqlRoleAssignments mongodbDatabases collections
    mongodbRoleDefinitions mongodbUserDefinitions gremlinDatabases graphs cassandraKeyspaces tables views
    cassandraRoleDefinitions cassandraRoleAssignments tableRoleDefinitions tableRoleAssignments
    gremlinRoleDefinitions gremlinRoleAssignments notebookWorkspaces privateEndpointConnections services
    graphs dataTransferJobs cassandraClusters dataCenters mongoClusters firewallRules users chaosFaults fleets fleetspaces
    fleetspaceAccounts garnetClusters throughputPools throughputPoolAccounts`,
  "Microsoft.EventGrid": `domains topics eventSubscriptions privateEndpointConnections namespaces caCertificates
    clientGroups clients permissionBindings topicSpaces partnerConfigurations partnerDestinations partnerNamespaces
    channels partnerRegistrations partnerTopics systemTopics`,
  "Microsoft.EventHub": `clusters namespaces applicationGroups authorizationRules disasterRecoveryConfigs eventhubs
    consumergroups ipfilterrules networkRuleSets privateEndpointConnections schemagroups virtualnetworkrules`,
  "Microsoft.HDInsight": "clusters applications extensions privateEndpointConnections clusterpools",
  "Microsoft.Insights": `actionGroups activityLogAlerts alertrules autoscalesettings components Annotations
    ApiKeys exportconfiguration favorites ProactiveDetectionConfigs dataCollectionEndpoints
    dataCollectionRuleAssociations dataCollectionRules diagnosticSettings logprofiles metricAlerts
    privateLinkScopes scopedResources privateEndpointConnections scheduledQueryRules webtests workbooks
    workbooktemplates`,
  "Microsoft.KeyVault": "vaults accessPolicies keys secrets privateEndpointConnections managedHSMs",
  "Microsoft.Kusto": `clusters attachedDatabaseConfigurations databases dataConnections principalAssignments scripts
    managedPrivateEndpoints privateEndpointConnections sandboxCustomImages`,
  "Microsoft.LoadTestService": "loadTests playwrightWorkspaces",
  "Microsoft.Logic": `workflows integrationAccounts agreements assemblies batchConfigurations certificates maps partners
    rosettanetprocessconfigurations schemas sessions integrationServiceEnvironments managedApis`,
  "Microsoft.MachineLearningServices": `workspaces batchEndpoints deployments codes versions components computes
    connections data datastores environments featuresets featurestoreEntities jobs models onlineEndpoints
    outboundRules privateEndpointConnections schedules serverlessEndpoints services linkedServices registries`,
  "Microsoft.Maintenance":
    "applyUpdates configurationAssignments maintenanceConfigurations publicMaintenanceConfigurations",
  "Microsoft.ManagedIdentity": "userAssignedIdentities federatedIdentityCredentials identities",
  "Microsoft.Management": "managementGroups settings subscriptions serviceGroups",
  "Microsoft.Maps": "accounts creators",
  "Microsoft.Monitor": "accounts pipelineGroups",
  "Microsoft.Network": `applicationGateways privateEndpointConnections ApplicationGatewayWebApplicationFirewallPolicies
    applicationSecurityGroups azureFirewalls bastionHosts connections sharedKeys customIpPrefixes ddosCustomPolicies
    ddosProtectionPlans dnsForwardingRulesets forwardingRules dnsResolvers inboundEndpoints outboundEndpoints
    dnsResolverPolicies dnsSecurityRules dnsResolverDomainLists dnsZones A AAAA CAA CNAME DS MX NAPTR NS PTR SOA SRV TLSA TXT
    dscpConfigurations expressRouteCircuits authorizations peerings expressRouteCrossConnections expressRouteGateways
    expressRouteConnections ExpressRoutePorts firewallPolicies ruleCollectionGroups ruleGroups signatureOverrides
    frontDoors rulesEngines FrontDoorWebApplicationFirewallPolicies NetworkExperimentProfiles Experiments
    IpAllocations ipGroups loadBalancers backendAddressPools inboundNatRules localNetworkGateways natGateways
    networkInterfaces tapConfigurations networkManagers connectivityConfigurations networkGroups staticMembers
    scopeConnections securityAdminConfigurations ruleCollections rules routingConfigurations ipamPools verifierWorkspaces
    networkManagerConnections networkProfiles networkSecurityGroups securityRules networkSecurityPerimeters
    accessRules profiles resourceAssociations loggingConfigurations links networkVirtualAppliances virtualApplianceSites
    networkWatchers connectionMonitors flowLogs packetCaptures p2svpnGateways privateDnsZones virtualNetworkLinks
    privateEndpoints privateDnsZoneGroups privateLinkServices publicIPAddresses publicIPPrefixes routeFilters
    routeFilterRules routeTables routes securityPartnerProviders serviceEndpointPolicies
    serviceEndpointPolicyDefinitions trafficmanagerprofiles AzureEndpoints ExternalEndpoints NestedEndpoints
    trafficManagerUserMetricsKeys virtualHubs bgpConnections hubRouteTables hubVirtualNetworkConnections ipConfigurations
    routeMaps routingIntent virtualNetworkGateways natRules virtualNetworks subnets virtualNetworkPeerings
    virtualNetworkTaps virtualRouters virtualWans vpnGateways vpnConnections vpnServerConfigurations
    configurationPolicyGroups vpnSites`,
  "Microsoft.NotificationHubs": "namespaces authorizationRules notificationHubs privateEndpointConnections",
  "Microsoft.OperationalInsights": `clusters queryPacks queries workspaces dataExports dataSources linkedServices
    linkedStorageAccounts savedSearches storageInsightConfigs tables summaryLogs`,
  "Microsoft.OperationsManagement": "solutions ManagementAssociations ManagementConfigurations",
  "Microsoft.PolicyInsights": "attestations remediations",
  "Microsoft.Portal": "dashboards tenantConfigurations consoles userSettings",
  "Microsoft.Purview": "accounts kafkaConfigurations privateEndpointConnections",
  "Microsoft.RecoveryServices": `vaults backupconfig backupEncryptionConfigs backupFabrics backupProtectionIntent
    protectionContainers protectedItems backupPolicies backupResourceGuardProxies backupstorageconfig certificates
    extendedInformation privateEndpointConnections replicationAlertSettings replicationFabrics
    replicationProtectionContainers replicationPolicies replicationRecoveryPlans replicationVaultSettings`,
  "Microsoft.Relay":
    "namespaces authorizationRules hybridConnections wcfRelays networkRuleSets privateEndpointConnections",
  "Microsoft.Resources":
    "deployments deploymentScripts deploymentStacks resourceGroups tags templateSpecs versions changes",
  "Microsoft.Search": "searchServices privateEndpointConnections sharedPrivateLinkResources",
  "Microsoft.Security": `assessments autoProvisioningSettings automations pricings securityContacts settings
    deviceSecurityGroups iotSecuritySolutions workspaceSettings defenderForStorageSettings`,
  "Microsoft.ServiceBus": `namespaces authorizationRules disasterRecoveryConfigs ipfilterrules
    migrationConfigurations networkRuleSets privateEndpointConnections queues topics subscriptions rules
    virtualnetworkrules`,
  "Microsoft.ServiceFabric": `clusters applications services applicationTypes versions managedClusters nodeTypes`,
  "Microsoft.SignalRService": `signalR webPubSub customCertificates customDomains hubs privateEndpointConnections replicas
    sharedPrivateLinkResources`,
  "Microsoft.Solutions": "applicationDefinitions applications jitRequests",
  "Microsoft.Sql": `servers administrators advancedThreatProtectionSettings advisors auditingSettings azureADOnlyAuthentications
    backupLongTermRetentionPolicies backupShortTermRetentionPolicies communicationLinks connectionPolicies databases dataMaskingPolicies
    extensions geoBackupPolicies ledgerDigestUploads maintenanceWindows schemas tables columns sensitivityLabels securityAlertPolicies
    syncGroups syncMembers transparentDataEncryption vulnerabilityAssessments baselines workloadGroups workloadClassifiers
    devOpsAuditingSettings disasterRecoveryConfiguration elasticPools encryptionProtector extendedAuditingSettings failoverGroups
    firewallRules ipv6FirewallRules jobAgents credentials jobs executions steps targetGroups privateEndpoints keys
    outboundFirewallRules privateEndpointConnections sqlVulnerabilityAssessments syncAgents virtualNetworkRules
    instancePools managedInstances distributedAvailabilityGroups dnsAliases serverTrustCertificates sqlAgent startStopSchedules
    dtc locations instanceFailoverGroups serverTrustGroups`,
  "Microsoft.SqlVirtualMachine": "sqlVirtualMachineGroups availabilityGroupListeners sqlVirtualMachines",
  "Microsoft.Storage": `storageAccounts blobServices containers immutabilityPolicies encryptionScopes fileServices
    shares inventoryPolicies localUsers managementPolicies objectReplicationPolicies privateEndpointConnections
    queueServices queues tableServices tables storageTaskAssignments`,
  "Microsoft.StreamAnalytics": `clusters privateEndpoints streamingjobs functions inputs outputs transformations`,
  "Microsoft.Synapse": `workspaces administrators auditingSettings azureADOnlyAuthentications bigDataPools
    encryptionProtector extendedAuditingSettings firewallRules integrationRuntimes keys managedIdentitySqlControlSettings
    privateEndpointConnections securityAlertPolicies sqlAdministrators sqlPools kustoPools databases privateLinkHubs
    trustedServiceByPassConfiguration vulnerabilityAssessments`,
  "Microsoft.VirtualMachineImages": "imageTemplates triggers",
  "Microsoft.Web": `certificates connectionGateways connections containerApps customApis hostingEnvironments configurations
    multiRolePools workerPools kubeEnvironments serverfarms virtualNetworkConnections gateways routes sites
    basicPublishingCredentialsPolicies config deployments domainOwnershipIdentifiers extensions functions keys
    hostNameBindings hybridconnection hybridConnectionNamespaces relays instances migrate networkConfig premieraddons
    privateAccess privateEndpointConnections publicCertificates siteextensions sitecontainers slots sourcecontrols
    staticSites basicAuth builds databaseConnections linkedBackends userProvidedFunctionApps customDomains`,
};

const everyVersion = "9999";

/** Names that are spelled otherwise in one place, or were before a version of the namespace's interface. */
const earlier: readonly {
  readonly type: RegExp;
  readonly before: string;
  readonly from: string;
  readonly to: string;
}[] = [
  { type: /^Microsoft\.Cache\/redis(\/|$)/, before: "2020-06-01", from: "/redis", to: "/Redis" },
  {
    type: /^Microsoft\.Insights\/(actionGroups|diagnosticSettings)$/,
    before: "2021-05-01",
    from: "Microsoft.Insights",
    to: "microsoft.insights",
  },
  {
    type: /^Microsoft\.Insights\/(activityLogAlerts|workbooks|workbooktemplates)$/,
    before: "2020-10-01",
    from: "Microsoft.Insights",
    to: "microsoft.insights",
  },
  {
    type: /^Microsoft\.Insights\/privateLinkScopes(\/|$)/,
    before: "2021-09-01",
    from: "Microsoft.Insights",
    to: "microsoft.insights",
  },
  {
    type: /^Microsoft\.EventHub\/namespaces\/authorizationRules$/,
    before: "2017-04-01",
    from: "authorizationRules",
    to: "AuthorizationRules",
  },
  {
    type: /^Microsoft\.ServiceBus\/namespaces\/authorizationRules$/,
    before: everyVersion,
    from: "authorizationRules",
    to: "AuthorizationRules",
  },
];

interface Namespace {
  readonly name: string;
  readonly parts: ReadonlyMap<string, string>;
}

const namespaces: ReadonlyMap<string, Namespace> = new Map(
  Object.entries(spellings).map(([name, words]) => [
    name.toLowerCase(),
    { name, parts: new Map(words.split(/\s+/).map((word) => [word.toLowerCase(), word])) },
  ]),
);

/** A type as the service spells it in an interface version; as it is when one of its parts is not known. */
export function spellType(type: string, apiVersion: string | undefined): string {
  const [first = "", ...parts] = type.split("/");
  const namespace = namespaces.get(first.toLowerCase());
  if (namespace === undefined) return type;
  const spelled: string[] = [namespace.name];
  for (const part of parts) {
    const word = namespace.parts.get(part.toLowerCase());
    if (word === undefined) return type;
    spelled.push(word);
  }
  const known = spelled.join("/");
  const older = earlier.find((each) => each.type.test(known) && (apiVersion ?? "") < each.before);
  return older === undefined ? known : known.replace(older.from, older.to);
}

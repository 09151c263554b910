/** Values of messaging, monitoring and the platform services that applications are configured with. */
import { stringMember } from "../json.ts";
import { propertiesOf, type StoredResource } from "../resources.ts";
import type { RecordTypes } from "./service-values.ts";
import { createdIso, hostLocation, stableAddress, stableGuid } from "./stable-values.ts";

const messagingNamespace = {
  filled: () => ({
    disableLocalAuth: false,
    minimumTlsVersion: "1.2",
    publicNetworkAccess: "Enabled",
    zoneRedundant: false,
  }),
  derived: (resource: StoredResource) => ({
    serviceBusEndpoint: `https://${resource.name}.servicebus.windows.net:443/`,
    metricId: `${resource.id.split("/")[2] ?? ""}:${resource.name.toLowerCase()}`,
    createdAt: createdIso(resource),
    updatedAt: createdIso(resource),
    status: "Active",
  }),
  around: () => ({ sku: { name: "Standard", tier: "Standard" } }),
};

function entity(resource: StoredResource): Record<string, string> {
  return { createdAt: createdIso(resource), updatedAt: createdIso(resource), status: "Active" };
}

const messaging: RecordTypes = {
  "Microsoft.ServiceBus/namespaces": messagingNamespace,
  "Microsoft.ServiceBus/namespaces/queues": { derived: entity },
  "Microsoft.ServiceBus/namespaces/topics": { derived: entity },
  "Microsoft.ServiceBus/namespaces/topics/subscriptions": { derived: entity },
  "Microsoft.EventHub/namespaces": messagingNamespace,
  "Microsoft.EventHub/namespaces/eventhubs": {
    filled: () => ({ messageRetentionInDays: 1, partitionCount: 4 }),
    derived: (resource) => ({ ...entity(resource), partitionIds: ["0", "1", "2", "3"] }),
  },
  "Microsoft.EventGrid/topics": {
    filled: () => ({ inputSchema: "EventGridSchema", publicNetworkAccess: "Enabled" }),
    derived: (resource) => ({
      endpoint: `https://${resource.name}.${hostLocation(resource)}-1.eventgrid.azure.net/api/events`,
      metricResourceId: stableGuid(resource, "metric"),
    }),
  },
  "Microsoft.EventGrid/systemTopics": {
    derived: (resource) => ({ metricResourceId: stableGuid(resource, "metric") }),
  },
  "Microsoft.Devices/IotHubs": {
    derived: ({ name }) => ({ hostName: `${name}.azure-devices.net`, state: "Active" }),
  },
  "Microsoft.SignalRService/signalR": {
    derived: (resource) => ({
      hostName: `${resource.name}.service.signalr.net`,
      externalIP: stableAddress(resource, "public"),
      publicPort: 443,
      serverPort: 443,
    }),
  },
  "Microsoft.SignalRService/webPubSub": {
    derived: (resource) => ({
      hostName: `${resource.name}.webpubsub.azure.com`,
      externalIP: stableAddress(resource, "public"),
      publicPort: 443,
      serverPort: 443,
    }),
  },
};

function connectionString(resource: StoredResource): string {
  const key = stableGuid(resource, "instrumentation");
  const location = hostLocation(resource);
  return [
    `InstrumentationKey=${key}`,
    `IngestionEndpoint=https://${location}-5.in.applicationinsights.azure.com/`,
    `LiveEndpoint=https://${location}.livediagnostics.monitor.azure.com/`,
    `ApplicationId=${stableGuid(resource, "application")}`,
  ].join(";");
}

const monitoring: RecordTypes = {
  "Microsoft.Insights/components": {
    filled: () => ({
      Application_Type: "web",
      Flow_Type: "Bluefield",
      Request_Source: "rest",
      RetentionInDays: 90,
      DisableIpMasking: false,
      publicNetworkAccessForIngestion: "Enabled",
      publicNetworkAccessForQuery: "Enabled",
    }),
    derived: (resource) => ({
      ApplicationId: resource.name,
      AppId: stableGuid(resource, "application"),
      InstrumentationKey: stableGuid(resource, "instrumentation"),
      ConnectionString: connectionString(resource),
      Name: resource.name,
      CreationDate: createdIso(resource),
      TenantId: resource.id.split("/")[2] ?? "",
      IngestionMode:
        stringMember(propertiesOf(resource), "WorkspaceResourceId") === undefined
          ? "ApplicationInsights"
          : "LogAnalytics",
    }),
    around: () => ({ kind: "web" }),
  },
  "Microsoft.OperationalInsights/workspaces": {
    filled: () => ({
      sku: { name: "PerGB2018" },
      retentionInDays: 30,
      publicNetworkAccessForIngestion: "Enabled",
      publicNetworkAccessForQuery: "Enabled",
    }),
    derived: (resource) => ({
      customerId: stableGuid(resource, "customer"),
      createdDate: createdIso(resource),
      modifiedDate: createdIso(resource),
    }),
  },
};

const platform: RecordTypes = {
  "Microsoft.CognitiveServices/accounts": {
    filled: () => ({ publicNetworkAccess: "Enabled" }),
    derived: (resource) => {
      const own = propertiesOf(resource);
      const domain = stringMember(own, "customSubDomainName");
      const host = domain === undefined ? `${hostLocation(resource)}.api` : domain;
      return { endpoint: `https://${host}.cognitiveservices.azure.com/`, dateCreated: createdIso(resource) };
    },
  },
  "Microsoft.ApiManagement/service": {
    derived: (resource) => ({
      gatewayUrl: `https://${resource.name}.azure-api.net`,
      managementApiUrl: `https://${resource.name}.management.azure-api.net`,
      portalUrl: `https://${resource.name}.portal.azure-api.net`,
      developerPortalUrl: `https://${resource.name}.developer.azure-api.net`,
      publicIPAddresses: [stableAddress(resource, "public")],
      createdAtUtc: createdIso(resource),
    }),
  },
  "Microsoft.Batch/batchAccounts": {
    filled: () => ({ poolAllocationMode: "BatchService", publicNetworkAccess: "Enabled" }),
    derived: (resource) => ({
      accountEndpoint: `${resource.name}.${hostLocation(resource)}.batch.azure.com`,
    }),
  },
  "Microsoft.MachineLearningServices/workspaces": {
    derived: (resource) => ({
      workspaceId: stableGuid(resource, "workspace"),
      discoveryUrl: `https://${hostLocation(resource)}.api.azureml.ms/discovery`,
    }),
  },
  "Microsoft.Cdn/profiles/endpoints": {
    derived: ({ name }) => ({ hostName: `${name}.azureedge.net`, resourceState: "Running" }),
  },
  "Microsoft.Cdn/profiles/afdEndpoints": {
    derived: ({ name }) => ({ hostName: `${name}.z01.azurefd.net` }),
  },
};

export const platformTypes: RecordTypes = { ...messaging, ...monitoring, ...platform };

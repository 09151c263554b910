/** Values of web sites, their plans, static sites and container apps. */
import { isArray, type JsonObject, member, objectMember, stringMember } from "../json.ts";
import { propertiesOf, type StoredResource } from "../resources.ts";
import type { RecordTypes } from "./service-values.ts";
import { createdIso, hostLocation, stableAddress, stableHex } from "./stable-values.ts";

const outboundNumbers = ["1", "2", "3", "4"];

/** The host name: `site` or `site-slot`. */
export function siteHost({ id }: StoredResource): string {
  const [, site = "", slot] = /\/Microsoft\.Web\/sites\/([^/]+)(?:\/slots\/([^/]+))?/i.exec(id) ?? [];
  return slot === undefined ? site : `${site}-${slot}`;
}

function siteDerived(resource: StoredResource): JsonObject {
  const host = siteHost(resource).toLowerCase();
  const own = propertiesOf(resource);
  const outbound = outboundNumbers.map((number) => stableAddress(resource, `outbound${number}`)).join(",");
  const more = outboundNumbers.map((number) => stableAddress(resource, `possible${number}`)).join(",");
  return {
    state: stringMember(own, "siteState") ?? (member(own, "enabled") === false ? "Stopped" : "Running"),
    hostNames: [`${host}.azurewebsites.net`],
    enabledHostNames: [`${host}.azurewebsites.net`, `${host}.scm.azurewebsites.net`],
    hostNameSslStates: [
      { name: `${host}.azurewebsites.net`, sslState: "Disabled", hostType: "Standard" },
      { name: `${host}.scm.azurewebsites.net`, sslState: "Disabled", hostType: "Repository" },
    ],
    defaultHostName: `${host}.azurewebsites.net`,
    repositorySiteName: siteHost(resource),
    usageState: "Normal",
    availabilityState: "Normal",
    adminEnabled: true,
    resourceGroup: /\/resourceGroups\/([^/]+)/i.exec(resource.id)?.[1] ?? "",
    inboundIpAddress: stableAddress(resource, "inbound"),
    outboundIpAddresses: outbound,
    possibleOutboundIpAddresses: `${outbound},${more}`,
    customDomainVerificationId: stableHex(resource, "domain", 64).toUpperCase(),
    lastModifiedTimeUtc: createdIso(resource),
  };
}

const site = {
  filled: (resource: StoredResource): JsonObject => ({
    enabled: true,
    reserved: /linux/i.test(stringMember(resource.body, "kind") ?? ""),
    isXenon: false,
    hyperV: false,
    httpsOnly: false,
    clientAffinityEnabled: true,
    clientCertEnabled: false,
    clientCertMode: "Required",
    hostNamesDisabled: false,
    redundancyMode: "None",
    publicNetworkAccess: "Enabled",
    keyVaultReferenceIdentity: "SystemAssigned",
    vnetRouteAllEnabled: false,
    storageAccountRequired: false,
  }),
  derived: siteDerived,
  around: (): JsonObject => ({ kind: "app" }),
  hidden: [
    "siteState",
    "siteConfig.appSettings",
    "siteConfig.connectionStrings",
    "siteConfig.azureStorageAccounts",
    "siteConfig.metadata",
  ],
};

/** The sku with what its name implies: `P1v3` is one worker of the tier PremiumV3. */
function planSku({ body }: StoredResource): JsonObject {
  const sku = objectMember(body, "sku") ?? {};
  const name = stringMember(sku, "name") ?? "B1";
  const capacity = member(sku, "capacity");
  const tier = tierOf(name);
  return {
    name,
    tier,
    size: name,
    family: name.replace(/\d+/, ""),
    capacity: typeof capacity === "number" ? capacity : tier === "Dynamic" ? 0 : 1,
  };
}

/** The first that matches counts. */
const tiers: readonly (readonly [RegExp, string])[] = [
  [/^FC/i, "FlexConsumption"],
  [/^F/i, "Free"],
  [/^D/i, "Shared"],
  [/^B/i, "Basic"],
  [/^S/i, "Standard"],
  [/^P\d+m?v2/i, "PremiumV2"],
  [/^P\d+m?v3/i, "PremiumV3"],
  [/^P\d+m?v4/i, "PremiumV4"],
  [/^P/i, "Premium"],
  [/^I\d+m?v2/i, "IsolatedV2"],
  [/^I/i, "Isolated"],
  [/^Y/i, "Dynamic"],
  [/^EP/i, "ElasticPremium"],
  [/^WS/i, "WorkflowStandard"],
];

function tierOf(name: string): string {
  return tiers.find(([pattern]) => pattern.test(name))?.[1] ?? "Basic";
}

const web: RecordTypes = {
  "Microsoft.Web/sites": site,
  "Microsoft.Web/sites/slots": site,
  "Microsoft.Web/serverfarms": {
    filled: (resource) => ({
      reserved: /linux/i.test(stringMember(resource.body, "kind") ?? ""),
      perSiteScaling: false,
      elasticScaleEnabled: false,
      maximumElasticWorkerCount: 1,
      isSpot: false,
      isXenon: false,
      hyperV: false,
      targetWorkerCount: 0,
      targetWorkerSizeId: 0,
      zoneRedundant: false,
    }),
    derived: (resource) => ({
      status: "Ready",
      subscription: resource.id.split("/")[2] ?? "",
      resourceGroup: /\/resourceGroups\/([^/]+)/i.exec(resource.id)?.[1] ?? "",
      geoRegion: hostLocation(resource),
      numberOfWorkers: planWorkers(resource),
    }),
    around: () => ({ kind: "app" }),
    settled: (resource) => ({ sku: planSku(resource) }),
  },
  "Microsoft.Web/staticSites": {
    filled: () => ({ stagingEnvironmentPolicy: "Enabled", allowConfigFileUpdates: true }),
    derived: (resource) => ({
      defaultHostname: `${stableHex(resource, "host", 16)}.azurestaticapps.net`,
      contentDistributionEndpoint: `https://content-${hostLocation(resource)}.infrastructure.azurestaticapps.net`,
    }),
  },
};

function planWorkers(resource: StoredResource): number {
  const capacity = planSku(resource)["capacity"];
  return typeof capacity === "number" ? capacity : 1;
}

/** The domain below which an environment's apps are found. */
function environmentDomain(resource: StoredResource): string {
  return `${stableHex(resource, "domain", 8)}.${hostLocation(resource)}.azurecontainerapps.io`;
}

/** Of secrets only the names are shown; `listSecrets` gives the values. */
function namesOfSecrets(configuration: JsonObject): JsonObject {
  const secrets = member(configuration, "secrets");
  if (!isArray(secrets)) return {};
  return { secrets: secrets.map((secret) => ({ name: stringMember(secret, "name") ?? "" })) };
}

function appDerived(resource: StoredResource): JsonObject {
  const own = propertiesOf(resource);
  const environment = stringMember(own, "managedEnvironmentId") ?? stringMember(own, "environmentId") ?? "";
  const domain = environmentDomain({ ...resource, id: environment });
  const configuration = objectMember(own, "configuration");
  const ingress = objectMember(configuration, "ingress");
  const inner = member(ingress, "external") === true ? "" : ".internal";
  const revision = `${resource.name}--0000001`;
  const fqdn = `${resource.name}${inner}.${domain}`;
  const shown =
    configuration === undefined
      ? {}
      : {
          configuration: {
            ...configuration,
            ...namesOfSecrets(configuration),
            ...(ingress === undefined ? {} : { ingress: { ...ingress, fqdn } }),
          },
        };
  return {
    ...shown,
    environmentId: environment,
    managedEnvironmentId: environment,
    latestRevisionName: revision,
    latestReadyRevisionName: revision,
    latestRevisionFqdn: ingress !== undefined ? `${revision}${inner}.${domain}` : "",
    customDomainVerificationId: stableHex(resource, "domain", 64).toUpperCase(),
    outboundIpAddresses: [stableAddress(resource, "outbound")],
    runningStatus: "Running",
    eventStreamEndpoint: `https://${hostLocation(resource)}.azurecontainerapps.dev${resource.id}/eventstream`,
  };
}

const containerApps: RecordTypes = {
  "Microsoft.App/managedEnvironments": {
    filled: () => ({ zoneRedundant: false }),
    derived: (resource) => ({
      defaultDomain: environmentDomain(resource),
      staticIp: stableAddress(resource, "static"),
      customDomainConfiguration: {
        ...objectMember(propertiesOf(resource), "customDomainConfiguration"),
        customDomainVerificationId: stableHex(resource, "domain", 64).toUpperCase(),
      },
    }),
  },
  "Microsoft.App/containerApps": { derived: appDerived },
  "Microsoft.App/jobs": {
    derived: (resource) => {
      const configuration = objectMember(propertiesOf(resource), "configuration");
      if (configuration === undefined) return {};
      return { configuration: { ...configuration, ...namesOfSecrets(configuration) } };
    },
  },
};

export const webTypes: RecordTypes = { ...web, ...containerApps };

/**
 * `/metadata/endpoints`: where the services of this cloud are. Terraform and `az` read it before they have a token,
 * so it is the one public operation. The api-version decides the shape: a list, one object, or the oldest form.
 */
import type { JsonObject } from "./json.ts";
import type { Outcome, PublicCall, PublicOperation } from "./operation.ts";

export const cloudMetadataOperation: PublicOperation = {
  method: "GET",
  path: "/metadata/endpoints",
  action: "public",
  handler: readMetadata,
};

/** Not `AzureCloud`: under that name `az` would use the public login endpoint whatever we answer. */
const cloudName = "Celestite";

const audiences = ["https://management.core.windows.net/", "https://management.azure.com/"];

async function readMetadata(call: PublicCall): Promise<Outcome> {
  if (call.apiVersion.startsWith("2015-")) return { status: 200, body: oldestForm(call) };
  const cloud = describeCloud(call);
  const list = /^(2018|2019|2020)-/.test(call.apiVersion);
  return { status: 200, body: list ? [cloud] : cloud };
}

function oldestForm(call: PublicCall): JsonObject {
  const { authority, graph, portal } = call.plane.endpoints(call.origin);
  return {
    galleryEndpoint: `${call.origin}/`,
    graphEndpoint: `${graph}/`,
    portalEndpoint: `${portal}/`,
    authentication: { loginEndpoint: `${authority}/`, audiences },
  };
}

function describeCloud(call: PublicCall): JsonObject {
  const { authority, graph, portal } = call.plane.endpoints(call.origin);
  return {
    name: cloudName,
    portal: `${portal}/`,
    resourceManager: `${call.origin}/`,
    authentication: {
      loginEndpoint: `${authority}/`,
      audiences: [...audiences, `${call.origin}/`],
      tenant: "common",
      identityProvider: "AAD",
    },
    graph: `${graph}/`,
    graphAudience: "https://graph.windows.net/",
    microsoftGraphResourceId: `${graph}/`,
    media: "https://rest.media.azure.net",
    batch: "https://batch.core.windows.net/",
    gallery: `${call.origin}/`,
    sqlManagement: "https://management.core.windows.net:8443/",
    vmImageAliasDoc: "",
    activeDirectoryDataLake: "https://datalake.azure.net/",
    ossrDbmsResourceId: "https://ossrdbms-aad.database.windows.net",
    logAnalyticsResourceId: "https://api.loganalytics.io",
    synapseAnalyticsResourceId: "https://dev.azuresynapse.net",
    attestationResourceId: "https://attest.azure.net",
    suffixes: cloudSuffixes,
  };
}

/** Host suffixes of the public cloud: names keep them, whichever door leads to the service. */
const cloudSuffixes: JsonObject = {
  storage: "core.windows.net",
  keyVaultDns: "vault.azure.net",
  sqlServerHostname: "database.windows.net",
  acrLoginServer: "azurecr.io",
  mhsmDns: "managedhsm.azure.net",
  mysqlServerEndpoint: "mysql.database.azure.com",
  postgresqlServerEndpoint: "postgres.database.azure.com",
  mariadbServerEndpoint: "mariadb.database.azure.com",
  storageSyncEndpointSuffix: "afs.azure.net",
  azureDataLakeStoreFileSystem: "azuredatalakestore.net",
  azureDataLakeAnalyticsCatalogAndJob: "azuredatalakeanalytics.net",
  azureFrontDoorEndpointSuffix: "azurefd.net",
  synapseAnalytics: "dev.azuresynapse.net",
  attestationEndpoint: "attest.azure.net",
};

/** The value of the template function `environment()`. */
export function describeEnvironment(
  call: Omit<PublicCall, "address" | "parameters" | "apiVersion">,
): JsonObject {
  const { authority, graph, portal } = call.plane.endpoints(call.origin);
  return {
    name: cloudName,
    gallery: `${call.origin}/`,
    graph: `${graph}/`,
    portal,
    graphAudience: "https://graph.windows.net/",
    activeDirectoryDataLake: "https://datalake.azure.net/",
    batch: "https://batch.core.windows.net/",
    media: "https://rest.media.azure.net",
    sqlManagement: "https://management.core.windows.net:8443/",
    vmImageAliasDoc: "",
    resourceManager: `${call.origin}/`,
    authentication: {
      loginEndpoint: `${authority}/`,
      audiences,
      tenant: "common",
      identityProvider: "AAD",
    },
    suffixes: {
      acrLoginServer: ".azurecr.io",
      azureDatalakeAnalyticsCatalogAndJob: "azuredatalakeanalytics.net",
      azureDatalakeStoreFileSystem: "azuredatalakestore.net",
      azureFrontDoorEndpointSuffix: "azurefd.net",
      keyvaultDns: ".vault.azure.net",
      sqlServerHostname: ".database.windows.net",
      storage: "core.windows.net",
    },
  };
}

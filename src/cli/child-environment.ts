/** The variables that lead an unmodified program to this server: identities, endpoints, certificates. */
import type { ServerStatus, Workload } from "../operator/gateway.ts";
import { trustStorePassword } from "../tls/java-trust-store.ts";

/**
 * Leftovers that would lead DefaultAzureCredential past the workload's identity; `run` removes them with a notice.
 * AZURE_CLIENT_ID among them: a stale value makes every SDK ask for an identity that is not there.
 */
export const diverting: readonly string[] = [
  "AZURE_CLIENT_ID",
  "AZURE_CLIENT_SECRET",
  "AZURE_CLIENT_CERTIFICATE_PATH",
  "AZURE_USERNAME",
  "AZURE_PASSWORD",
  "AZURE_FEDERATED_TOKEN_FILE",
  "AZURE_POD_IDENTITY_AUTHORITY_HOST",
  "AZURE_AUTHORITY_HOST",
  "IDENTITY_SERVER_THUMBPRINT",
  "IMDS_ENDPOINT",
  "MSI_ENDPOINT",
  "MSI_SECRET",
  "COSMOS_ENDPOINT",
];

/**
 * What `run` sets. Three variables carry the certificates, because runtimes read different ones: Node adds its file to
 * its own roots, Python (requests) and everything built on OpenSSL replace theirs, so those get the whole bundle.
 */
export function workloadVariables(
  status: ServerStatus,
  workload: Workload,
  account: string | undefined,
  inherited: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const chosen = status.accounts.find((candidate) => candidate.name.toLowerCase() === account?.toLowerCase());
  const only = status.accounts.length === 1 ? status.accounts[0] : undefined;
  const endpoint = (chosen ?? only)?.endpoint;
  return {
    ...workload.environment,
    ...(endpoint === undefined ? {} : { COSMOS_ENDPOINT: endpoint }),
    NODE_EXTRA_CA_CERTS: status.caFile,
    REQUESTS_CA_BUNDLE: status.caBundleFile,
    SSL_CERT_FILE: status.caBundleFile,
    JAVA_TOOL_OPTIONS: [inherited["JAVA_TOOL_OPTIONS"], ...javaOptions(status)].filter(Boolean).join(" "),
    // azure-cosmos for Python never verifies certificates of localhost, and urllib3 complains on each connection.
    PYTHONWARNINGS: "ignore:Unverified HTTPS request",
  };
}

/** Java reads its trust store from system properties only; a later one wins, so ours come last. */
function javaOptions(status: ServerStatus): readonly string[] {
  return [
    `-Djavax.net.ssl.trustStore=${status.javaTrustStoreFile}`,
    "-Djavax.net.ssl.trustStoreType=JKS",
    `-Djavax.net.ssl.trustStorePassword=${trustStorePassword}`,
  ];
}

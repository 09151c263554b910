/** The variables that lead an unmodified program to this server: identities, endpoints, certificates, proxies. */
import type { ServerStatus, Workload } from "../operator/gateway.ts";
import { trustStorePassword } from "../tls/java-trust-store.ts";
import { CommandError } from "./command.ts";

/**
 * What to tell whoever may miss COSMOS_ENDPOINT, or nothing: with several accounts none is chosen for him. Throws
 * CommandError for an account that is not there.
 */
export function accountNotice({ accounts }: ServerStatus, account: string | undefined): string | undefined {
  const names = accounts.map(({ name }) => name);
  if (account === undefined) {
    return names.length < 2
      ? undefined
      : `COSMOS_ENDPOINT is not set, because there are several accounts; choose with --account: ${names.join(", ")}`;
  }
  if (names.some((name) => name.toLowerCase() === account.toLowerCase())) return undefined;
  throw new CommandError(
    `There is no Cosmos account '${account}'; there are: ${names.join(", ") || "none"}.`,
  );
}

/**
 * Leftovers that would lead DefaultAzureCredential past the workload's identity; `run` removes them with a notice.
 * AZURE_CLIENT_ID among them: a stale value makes every SDK ask for an identity that is not there.
 */
const divertingCredentials: readonly string[] = [
  "AZURE_CLIENT_ID",
  "AZURE_TENANT_ID",
  "AZURE_CLIENT_SECRET",
  "AZURE_CLIENT_CERTIFICATE_PATH",
  "AZURE_CLIENT_CERTIFICATE_PASSWORD",
  "AZURE_USERNAME",
  "AZURE_PASSWORD",
  "AZURE_FEDERATED_TOKEN_FILE",
];

/** Leftovers that would lead any program elsewhere. */
const divertingPlaces: readonly string[] = [
  "AZURE_AUTHORITY_HOST",
  "AZURE_KUBERNETES_TOKEN_PROXY",
  "AZURE_POD_IDENTITY_AUTHORITY_HOST",
  "AZURE_REGIONAL_AUTHORITY_NAME",
  "AZURE_TOKEN_CREDENTIALS",
  "COSMOS_ENDPOINT",
  "DEFAULT_IDENTITY_CLIENT_ID",
  "IDENTITY_ENDPOINT",
  "IDENTITY_HEADER",
  "IDENTITY_SERVER_THUMBPRINT",
  "IMDS_ENDPOINT",
  "MSAL_MANAGED_IDENTITY_ENDPOINT",
  "MSI_ENDPOINT",
  "MSI_SECRET",
];

/** Proxy settings of the machine: of no use in a sandbox, and replaced by the proxy door. */
const proxies: readonly string[] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

/**
 * What of `inherited` would divert the program. `hasIdentity` is false for a program that brings its own credentials
 * in its environment; those are kept then.
 */
export function divertingVariables(
  inherited: Readonly<Record<string, string>>,
  workload: Workload,
  hasIdentity: boolean,
): readonly string[] {
  return [
    ...(hasIdentity ? divertingCredentials : []),
    ...divertingPlaces,
    ...(workload.door === undefined ? [] : proxies),
  ].filter((name) => inherited[name] !== undefined);
}

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
  const used = chosen ?? only;
  const publicly = workload.door !== undefined;
  const endpoint = publicly && used !== undefined ? publicEndpoint(used.name) : used?.endpoint;
  return {
    ...workload.environment,
    ...(endpoint === undefined ? {} : { COSMOS_ENDPOINT: endpoint }),
    NODE_EXTRA_CA_CERTS: status.caFile,
    REQUESTS_CA_BUNDLE: status.caBundleFile,
    SSL_CERT_FILE: status.caBundleFile,
    ...proxyVariables(workload, inherited),
    JAVA_TOOL_OPTIONS: [inherited["JAVA_TOOL_OPTIONS"], ...javaTrust(status), ...javaProxy(workload)]
      .filter(Boolean)
      .join(" "),
    // azure-cosmos for Python never verifies certificates of localhost, and urllib3 complains on each connection.
    PYTHONWARNINGS: "ignore:Unverified HTTPS request",
  };
}

function publicEndpoint(account: string): string {
  return `https://${account.toLowerCase()}.documents.azure.com:443/`;
}

const nearby = "localhost,127.0.0.1,::1";

/** Upper and lower case, as programs differ in which they read. */
function proxyVariables(
  { door }: Workload,
  inherited: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (door === undefined) {
    const isProxied = Object.keys(inherited).some((name) => /^https?_proxy$/i.test(name));
    const kept = inherited["NO_PROXY"] ?? inherited["no_proxy"];
    const all = kept === undefined || kept === "" ? nearby : `${kept},${nearby}`;
    // A company's proxy cannot reach this machine's loopback address.
    return isProxied ? { NO_PROXY: all, no_proxy: all } : {};
  }
  if (door.front === "sandbox") return {};
  const proxy = `http://127.0.0.1:${door.proxyPort}`;
  return {
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    NO_PROXY: nearby,
    no_proxy: nearby,
  };
}

/** The Node option that loads our redirection before a JavaScript program; it keeps what was there. */
export function preloadOption(
  preload: string,
  { door }: Workload,
  isolated: boolean,
  inherited: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (door?.front !== "proxy") return {};
  const query = new URLSearchParams({
    names: door.patterns.join(","),
    tls: String(door.tlsPort),
    metadata: String(door.metadataPort),
    isolated: String(isolated),
  });
  const kept = inherited["NODE_OPTIONS"];
  return {
    NODE_OPTIONS: `${kept === undefined ? "" : `${kept} `}--import=${preload}?${query}`,
  };
}

/** Java reads its trust store from system properties only; a later one wins, so ours come last. */
function javaTrust(status: ServerStatus): readonly string[] {
  return [
    `-Djavax.net.ssl.trustStore=${status.javaTrustStoreFile}`,
    "-Djavax.net.ssl.trustStoreType=JKS",
    `-Djavax.net.ssl.trustStorePassword=${trustStorePassword}`,
  ];
}

function javaProxy({ door }: Workload): readonly string[] {
  if (door?.front !== "proxy") return [];
  const port = door.proxyPort;
  return ["http", "https"].flatMap((scheme) => [
    `-D${scheme}.proxyHost=127.0.0.1`,
    `-D${scheme}.proxyPort=${port}`,
  ]);
}

/** Audiences of access tokens: for whom a token may be meant so that a service takes it. */

/** Names under which a client on this machine reaches us. */
export const localHosts: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

const cosmosDomains: readonly string[] = [
  "documents.azure.com",
  "sql.cosmos.azure.com",
  "sqlx.cosmos.azure.com",
];

/**
 * Audiences that a Cosmos account takes, in lower case: the service's, the account's public names, and the address it
 * has here, with and without port (SDKs differ). Fixed by configuration; no request's Host header ever adds to it.
 */
export function cosmosAudiences(account: string, port: number): readonly string[] {
  const local = localHosts.flatMap((host) => [`https://${host}:${port}`, `https://${host}`]);
  const own = cosmosDomains.map((domain) => `https://${account.toLowerCase()}.${domain}`);
  return ["https://cosmos.azure.com", ...own, ...local];
}

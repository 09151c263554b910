/**
 * The mid-tier broker of resource tokens: it alone has an account key. An app that is signed in asks it for a token
 * and gets one that opens its own partition of one container, for a few minutes, and nothing else.
 */
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import { CosmosClient, PermissionMode } from "@azure/cosmos";

/**
 * @typedef {object} BrokerOptions
 * @property {string} endpoint of the Cosmos account
 * @property {string} key an account key: resource tokens cannot be had with an Entra token
 * @property {string} database
 * @property {string} container partitioned by the user's name
 * @property {(session: string) => string | undefined} signedIn the user behind a session, if there is one
 * @property {number} [seconds] life of the tokens, 10 to 18000
 * @property {import("node:https").Agent} [agent] for the connection to the account
 */

/** Starts the broker on a free port of this machine. @param {BrokerOptions} options */
export async function startBroker(options) {
  const { endpoint, key, agent, database, seconds = 600 } = options;
  const client = new CosmosClient({ endpoint, key, ...(agent === undefined ? {} : { agent }) });
  const users = client.database(database).users;
  const server = createServer((request, response) => {
    const session = request.headers.authorization?.replace(/^Bearer /, "") ?? "";
    const user = options.signedIn(session);
    if (request.method !== "POST" || request.url !== "/token")
      return answer(response, 404, { error: "not found" });
    if (user === undefined) return answer(response, 401, { error: "sign in first" });
    tokenFor(users, user, options.container, database, seconds).then(
      (token) => answer(response, 200, { token, endpoint, database, container: options.container, user }),
      (error) => answer(response, 502, { error: `no token: ${error.message}` }),
    );
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      client.dispose();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A new token of the user's permission on the partition of the same name; user and permission are made when missing. */
async function tokenFor(users, user, container, database, seconds) {
  const { user: cosmosUser } = await users.upsert({ id: user });
  const { resource } = await cosmosUser.permissions.upsert(
    {
      id: container,
      permissionMode: PermissionMode.All,
      resource: `dbs/${database}/colls/${container}`,
      resourcePartitionKey: [user],
    },
    { resourceTokenExpirySeconds: seconds },
  );
  return resource._token;
}

function answer(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** An account key through Azure Resource Manager, for a broker that has an identity and no key in its settings. */
async function keyFromIdentity(accountId, arm) {
  const { DefaultAzureCredential } = await import("@azure/identity");
  const { token } = await new DefaultAzureCredential().getToken("https://management.azure.com/.default");
  const response = await fetch(`${arm}${accountId}/listKeys?api-version=2024-08-15`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw new Error(`listKeys answered ${response.status}: ${await response.text()}`);
  return (await response.json()).primaryMasterKey;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { COSMOS_ENDPOINT, COSMOS_KEY, COSMOS_ACCOUNT_ID, COSMOS_DATABASE, COSMOS_CONTAINER } = process.env;
  const arm = process.env.AZURE_RESOURCE_MANAGER ?? "https://management.azure.com";
  const broker = await startBroker({
    endpoint: COSMOS_ENDPOINT,
    key: COSMOS_KEY ?? (await keyFromIdentity(COSMOS_ACCOUNT_ID, arm)),
    database: COSMOS_DATABASE ?? "app",
    container: COSMOS_CONTAINER ?? "notes",
    // Where a real broker asks its identity provider: here a session is the user's name.
    signedIn: (session) => (/^[a-z]+$/.test(session) ? session : undefined),
  });
  console.log(`broker at ${broker.url}`);
}

/** A whole server with one account, and the ways in which tests of the access commands talk to it. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Agent } from "node:https";
import { CosmosClient, type CosmosClientOptions } from "@azure/cosmos";
import type { Celestite } from "../../src/celestite.ts";
import { runCommandLine } from "../../src/cli/command-line.ts";
import type { Settings } from "../../src/config.ts";
import { callArm, type JsonReply, testSettings, withDirectory, withServer } from "../fixtures.ts";

const api = "api-version=2024-08-15";

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

export interface AccessServer {
  readonly server: Celestite;
  readonly directory: string;
  readonly group: string;
  /** The account's ARM id; it has the database `db` with the container `orders`, partitioned by `/pk`. */
  readonly account: string;
  readonly endpoint: string;
  arm(method: string, path: string, json?: unknown): Promise<JsonReply>;
  /** Makes an identity and returns its object id. */
  identity(name: string): Promise<string>;
  assign(principalId: string, role: string, below?: string): Promise<void>;
  /** The SDK as this principal, or with an account key. */
  client(who: string | { readonly key: string }): CosmosClient;
  celestite(...args: string[]): Promise<Said>;
}

/** Runs `use` with a server that is gone afterwards. */
export async function withAccessServer(
  use: (server: AccessServer) => Promise<void>,
  changes: Partial<Settings> = {},
): Promise<void> {
  await withDirectory((directory) =>
    withServer(testSettings(directory, changes), async (server) => {
      const { subscriptionId, caFile } = await server.status();
      const group = `/subscriptions/${subscriptionId}/resourceGroups/rg`;
      const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/shop`;
      const arm = async (method: string, path: string, json?: unknown): Promise<JsonReply> => {
        const reply = await callArm(server, method, path, json);
        assert.ok(reply.status < 300, JSON.stringify(reply.body));
        return reply;
      };
      await arm("PUT", `${group}?api-version=2024-03-01`, { location: "westeurope" });
      await arm("PUT", `${account}?${api}`, { location: "westeurope", properties: {} });
      await arm("PUT", `${account}/sqlDatabases/db?${api}`, { properties: { resource: { id: "db" } } });
      await arm("PUT", `${account}/sqlDatabases/db/containers/orders?${api}`, {
        properties: { resource: { id: "orders", partitionKey: { paths: ["/pk"] } } },
      });
      const endpoint = (await server.status()).accounts[0]?.endpoint ?? "";
      const agent = new Agent({ ca: await readFile(caFile), keepAlive: true });
      const clients: CosmosClient[] = [];
      try {
        await use({
          server,
          directory,
          group,
          account,
          endpoint,
          arm,
          async identity(name) {
            const path = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}?api-version=2023-01-31`;
            const { body } = await arm("PUT", path, { location: "westeurope" });
            return (body["properties"] as { principalId: string }).principalId;
          },
          async assign(principalId, role, below = "") {
            const roleDefinitionId = `${account}/sqlRoleDefinitions/${role}`;
            const scope = `${account}${below}`;
            await arm("PUT", `${account}/sqlRoleAssignments/${randomUUID()}?${api}`, {
              properties: { roleDefinitionId, principalId, scope },
            });
          },
          client(who) {
            const connectionPolicy = { enableBackgroundEndpointRefreshing: false };
            const options: CosmosClientOptions = { endpoint, agent, connectionPolicy };
            const getToken = async () => {
              const { accessToken } = await server.identity.issueFor(String(who), "https://cosmos.azure.com");
              return { token: accessToken, expiresOnTimestamp: Date.now() + 3_600_000 };
            };
            const credential = typeof who === "string" ? { aadCredentials: { getToken } } : { key: who.key };
            const client = new CosmosClient({ ...options, ...credential });
            clients.push(client);
            return client;
          },
          async celestite(...args) {
            let out = "";
            let error = "";
            const terminal = {
              out: (text: string) => {
                out += text;
              },
              error: (text: string) => {
                error += text;
              },
            };
            return { code: await runCommandLine([...args, "--data", directory], terminal), out, error };
          },
        });
      } finally {
        for (const client of clients) client.dispose();
        agent.destroy();
      }
    }),
  );
}

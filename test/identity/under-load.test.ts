/**
 * Keys that change while programs work, and rights that are taken back while a token still lives: over real sockets,
 * with the data plane and the official pipeline.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { createRequire } from "node:module";
import { test } from "node:test";
import type { Celestite } from "../../src/celestite.ts";
import { callArm, deployDemo, testSettings, withDirectory, withServer } from "../fixtures.ts";

const clients = 32;
const rotations = 10;
/** Milliseconds between the reads of one client: programs do not keep the machine from finding keys. */
const pause = 100;

interface Read {
  readonly status: number;
  readonly text: string;
}

function get(url: string, token: string, agent: Agent): Promise<Read> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: encodeURIComponent(`type=aad&ver=1.0&sig=${token}`),
      "x-ms-version": "2020-07-15",
      "x-ms-date": new Date().toUTCString(),
    };
    const outgoing = request(url, { agent, headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

async function reader(server: Celestite): Promise<string> {
  const { subscriptionId, accounts } = await server.status();
  const group = `/subscriptions/${subscriptionId}/resourceGroups/rg`;
  const made = await callArm(
    server,
    "PUT",
    `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/loaded?api-version=2023-01-31`,
    { location: "westeurope" },
  );
  const { principalId } = made.body["properties"] as { principalId: string };
  const account = accounts[0]?.resourceId ?? "";
  const assigned = await callArm(
    server,
    "PUT",
    `${account}/sqlRoleAssignments/11111111-1111-4111-8111-111111111111?api-version=2024-08-15`,
    {
      properties: {
        roleDefinitionId: `${account}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000001`,
        principalId,
        scope: account,
      },
    },
  );
  assert.ok(assigned.status < 300, JSON.stringify(assigned.body));
  return principalId;
}

test("signing keys rotated ten times under 32 readers: no request fails", { timeout: 120_000 }, () =>
  withDirectory((directory) =>
    withServer(testSettings(directory), async (server) => {
      await deployDemo(server);
      const principalId = await reader(server);
      const status = await server.status();
      const agent = new Agent({ ca: await readFile(status.caFile), keepAlive: true, maxSockets: clients });
      const [account] = status.accounts;
      const failures: Read[] = [];
      const kids = new Set<unknown>();
      let reads = 0;
      let done = false;
      const work = async (): Promise<void> => {
        while (!done) {
          const { accessToken } = await server.identity.issueFor(principalId, "https://cosmos.azure.com");
          const [header = ""] = accessToken.split(".");
          kids.add((JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: string }).kid);
          // Each token is used for a while, so old ones meet new keys.
          for (let use = 0; use < 5; use++) {
            await new Promise((wait) => setTimeout(wait, pause));
            const read = await get(`${account?.endpoint}dbs`, accessToken, agent);
            reads += 1;
            if (read.status !== 200) failures.push(read);
          }
        }
      };
      const working = Promise.all(Array.from({ length: clients }, work));
      for (let rotation = 0; rotation < rotations; rotation++) {
        const seen = reads;
        await server.identity.keys.publishNext();
        await server.identity.keys.rotate(Date.now());
        while (reads < seen + clients) await new Promise((wait) => setTimeout(wait, 5));
      }
      done = true;
      await working;
      agent.destroy();
      assert.deepEqual(failures.slice(0, 3), []);
      assert.ok(kids.size > 3, `${kids.size} keys were met`);
    }),
  ),
);

interface Pipeline {
  sendRequest(
    client: unknown,
    request: unknown,
  ): Promise<{ readonly status: number; readonly bodyAsText?: string }>;
  addPolicy(policy: unknown): void;
}

test("a revoked token is challenged, and the pipeline gets a new one by itself", { timeout: 180_000 }, () =>
  withDirectory((directory) =>
    withServer(testSettings(directory), async (server) => {
      const load = createRequire(import.meta.resolve("@azure/identity"));
      const rest = load("@azure/core-rest-pipeline") as {
        createEmptyPipeline(): Pipeline;
        createDefaultHttpClient(): unknown;
        createPipelineRequest(options: object): object;
        bearerTokenAuthenticationPolicy(options: object): unknown;
      };
      const { objectId } = await server.identity.directory.addUser({
        userPrincipalName: "dev@celestite.local",
      });
      const claims: (string | undefined)[] = [];
      const credential = {
        async getToken(_scopes: unknown, options: { readonly claims?: string }) {
          claims.push(options.claims);
          const issued = await server.identity.issueFor(objectId, "https://management.azure.com");
          return { token: issued.accessToken, expiresOnTimestamp: issued.expiresOn * 1000 };
        },
      };
      const pipeline = rest.createEmptyPipeline();
      pipeline.addPolicy(rest.bearerTokenAuthenticationPolicy({ credential, scopes: "arm" }));
      const tlsSettings = { ca: (await readFile((await server.status()).caFile)).toString() };
      const url = `${(await server.status()).endpoints.arm}/subscriptions?api-version=2022-12-01`;
      const send = (): ReturnType<Pipeline["sendRequest"]> => {
        const made = rest.createPipelineRequest({ url, method: "GET", disableKeepAlive: true });
        return pipeline.sendRequest(rest.createDefaultHttpClient(), Object.assign(made, { tlsSettings }));
      };
      assert.equal((await send()).status, 200);
      await server.identity.revocations.revoke(objectId);
      assert.equal((await send()).status, 200);
      assert.equal(claims.length, 2);
      assert.equal(claims[0], undefined);
      const asked = JSON.parse(claims[1] ?? "{}") as { access_token: { nbf: { essential: boolean } } };
      assert.equal(asked.access_token.nbf.essential, true);
    }),
  ),
);

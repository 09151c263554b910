/** One test construction site for the whole product: a data directory of its own, any ports, and ways to talk to it. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type RequestOptions, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Celestite, startCelestite } from "../src/celestite.ts";
import { openEntropy, systemClock } from "../src/clock.ts";
import { anyPorts, defaultSettings, type Settings } from "../src/config.ts";
import { openMemory } from "../src/storage/memory.ts";
import { keepSigningKey, type Signer, shareSigningKey } from "./shared-signing-key.ts";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));
export const cli: string = join(root, "dist/src/main.js");

/** A directory that is gone after `use`. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "celestite-test-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export function testSettings(dataDirectory: string, changes: Partial<Settings> = {}): Settings {
  return { ...defaultSettings(), dataDirectory, store: "memory", ports: anyPorts, ...changes };
}

/** Starts a server; one in memory has a signing key that fixtures share, unless it is to make its own. */
export async function startServer(
  settings: Settings,
  onError: (error: unknown) => void,
  signer: Signer | "own" = "ours",
): Promise<Celestite> {
  const around = { clock: systemClock, entropy: openEntropy(), onError };
  if (settings.store !== "memory" || signer === "own") return startCelestite(settings, around);
  const store = openMemory();
  await shareSigningKey(store, systemClock.now(), signer);
  const server = await startCelestite(settings, { ...around, store });
  await keepSigningKey(store, server.identity.keys, signer);
  return server;
}

/** Runs `use` with a server; errors that nobody expected fail the test. */
export async function withServer<T>(
  settings: Settings,
  use: (server: Celestite) => Promise<T>,
  signer: Signer | "own" = "ours",
): Promise<T> {
  const unexpected: unknown[] = [];
  const server = await startServer(settings, (error) => void unexpected.push(error), signer);
  let result: T;
  try {
    result = await use(server);
  } finally {
    await server.close();
  }
  if (unexpected.length > 0) throw unexpected[0];
  return result;
}

export interface JsonReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Record<string, unknown>;
}

/** One https request, with the server's own CA as the only trusted one. */
export async function call(
  server: Celestite,
  url: string,
  options: RequestOptions & { readonly json?: unknown } = {},
): Promise<JsonReply> {
  const ca = await readFile((await server.status()).caFile);
  const { json, ...rest } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { ...rest, ca, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
        });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(json === undefined ? undefined : JSON.stringify(json));
  });
}

/** A call of ARM as the bootstrap user. */
export async function callArm(
  server: Celestite,
  method: string,
  path: string,
  json?: unknown,
): Promise<JsonReply> {
  const { endpoints } = await server.status();
  const { accessToken } = await server.identity.issueFor(
    server.identity.directory.bootstrapUserId,
    "https://management.azure.com",
  );
  const headers = { authorization: `Bearer ${accessToken}`, "content-type": "application/json" };
  return call(server, `${endpoints.arm}${path}`, { method, headers, json });
}

/** Deploys the demo's template and returns its outputs. */
export async function deployDemo(server: Celestite): Promise<Record<string, string>> {
  const { subscriptionId } = await server.status();
  const group = `/subscriptions/${subscriptionId}/resourceGroups/rg`;
  const api = "api-version=2024-03-01";
  await callArm(server, "PUT", `${group}?${api}`, { location: "westeurope" });
  const template: unknown = JSON.parse(await readFile(join(root, "demo/main.json"), "utf8"));
  const deployed = await callArm(
    server,
    "PUT",
    `${group}/providers/Microsoft.Resources/deployments/main?${api}`,
    {
      properties: { mode: "Incremental", template, parameters: { disableLocalAuth: { value: false } } },
    },
  );
  const { outputs, provisioningState } = deployed.body["properties"] as {
    outputs: Record<string, { value: string }>;
    provisioningState: string;
  };
  if (provisioningState !== "Succeeded") throw new Error(`the deployment is ${provisioningState}`);
  return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, output.value]));
}

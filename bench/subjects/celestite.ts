/**
 * Celestite as it is shipped: its own command line in a process of its own, the store on disk, TLS and authorization
 * on, a template deployed, and a token that a managed identity got from the real endpoint.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Access } from "../items.ts";
import { commandLine, type Processes, projectDirectory, type ServerProcess } from "../processes.ts";
import type { Subject } from "./subject.ts";

export interface CelestiteSubject extends Subject {
  readonly dataDirectory: string;
}

/** What `celestite start --json` prints, as far as the bench needs it. */
export interface StartStatus {
  readonly endpoints: { readonly arm: string };
  readonly accounts: readonly { readonly endpoint: string }[];
  readonly caFile: string;
}

interface WorkloadVariables {
  readonly IDENTITY_ENDPOINT: string;
  readonly IDENTITY_HEADER: string;
  readonly AZURE_CLIENT_ID: string;
  readonly COSMOS_ENDPOINT: string;
}

/** Starts the server on a data directory; `nodeOptions` are for the profiler. */
export function startCommand(
  processes: Processes,
  dataDirectory: string,
  nodeOptions: readonly string[] = [],
): ServerProcess {
  return processes.startServer([
    ...nodeOptions,
    commandLine,
    "start",
    "--data",
    dataDirectory,
    "--any-ports",
    "--json",
  ]);
}

/** A server with the bench's template deployed. */
export async function startCelestite(
  processes: Processes,
  nodeOptions: readonly string[] = [],
): Promise<CelestiteSubject> {
  const dataDirectory = await processes.temporaryDirectory();
  const server = startCommand(processes, dataDirectory, nodeOptions);
  const status = JSON.parse(await server.ready) as StartStatus;
  const template = join(projectDirectory, "bench/main.json");
  await processes.run([commandLine, "deploy", template, "-g", "bench", "--data", dataDirectory]);
  const variables = await workloadVariables(processes, dataDirectory);
  const access: Access = {
    target: {
      port: Number(new URL(variables.COSMOS_ENDPOINT).port),
      ca: await readFile(status.caFile, "utf8"),
    },
    authorization: encodeURIComponent(`type=aad&ver=1.0&sig=${await managedIdentityToken(variables)}`),
    date: new Date().toUTCString(),
  };
  return {
    name: "celestite",
    what: "Celestite: TLS, signed token and role checked, durable store",
    pid: server.pid,
    access,
    dataDirectory,
    stop: () => server.stop(),
  };
}

async function workloadVariables(processes: Processes, dataDirectory: string): Promise<WorkloadVariables> {
  const args = ["env", "--identity", "bench", "--format", "json", "--data", dataDirectory];
  return JSON.parse(await processes.run([commandLine, ...args])) as WorkloadVariables;
}

/** A token for the data plane, as a credential in App Service gets it. */
async function managedIdentityToken(variables: WorkloadVariables): Promise<string> {
  const url = new URL(variables.IDENTITY_ENDPOINT);
  url.searchParams.set("api-version", "2019-08-01");
  url.searchParams.set("resource", "https://cosmos.azure.com");
  url.searchParams.set("client_id", variables.AZURE_CLIENT_ID);
  const response = await fetch(url, { headers: { "X-IDENTITY-HEADER": variables.IDENTITY_HEADER } });
  const body = (await response.json()) as { access_token?: string };
  if (body.access_token === undefined) throw new Error(`the identity endpoint answered ${response.status}`);
  return body.access_token;
}

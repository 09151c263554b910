/**
 * What `import { start } from "celestite"` gives: a server inside the program that asks for it, such as a test suite.
 * Apart from `celestite.ts`, whose settings are those of the whole composition: here are only the promises made to others.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Celestite, startCelestite } from "./celestite.ts";
import { accountNotice, workloadVariables } from "./cli/child-environment.ts";
import type { Terminal } from "./cli/command.ts";
import { deployFirst, seedingOf } from "./cli/start-seeding.ts";
import { openEntropy, systemClock } from "./clock.ts";
import { anyPorts, defaultSettings } from "./config.ts";

/** What to deploy, as `celestite start --deploy` takes it. */
export interface DeployOptions {
  /** Bicep files, parameters files, JSON templates, or folders of them. */
  readonly deploy?: string | readonly string[];
  /** The resource group; `celestite` unless given. */
  readonly group?: string;
  /** Parameters of the one template. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

export interface StartOptions extends DeployOptions {
  /** Directory that keeps everything; without it nothing is left when the server closes. */
  readonly data?: string;
  /** Physical ranges of new containers. */
  readonly ranges?: number;
  /** Told of progress and warnings, in lines; nobody unless given. */
  readonly log?: (text: string) => void;
}

export interface IdentityOptions {
  /** Names or resource ids of user-assigned identities. */
  readonly identities?: readonly string[];
  /** The resource id of a deployed host, or a kind of host, as `celestite run --as` takes it. */
  readonly as?: string;
  /** The account behind COSMOS_ENDPOINT, when there are several. */
  readonly account?: string;
}

/** A credential as the SDKs take it (`TokenCredential`). */
export interface IdentityCredential {
  getToken(scopes: string | string[]): Promise<{ token: string; expiresOnTimestamp: number }>;
}

export interface RunningServer {
  /** The endpoint of the account with this name, or of the only one. */
  endpoint(account?: string): Promise<string>;
  /** The certificate authority as PEM: `new https.Agent({ ca })` for clients in this process. */
  readonly ca: string;
  /** Address of Azure Resource Manager, with the scheme. */
  readonly armEndpoint: string;
  readonly subscriptionId: string;
  readonly tenantId: string;
  /**
   * A credential of the user-assigned identity with this name, as its managed identity endpoint gives tokens. For tests
   * under several identities in one process: `DefaultAzureCredential` keeps to the first that it finds there.
   */
  credential(identity: string): IdentityCredential;
  /** The variables that `celestite run` sets: for a child process, or to be put into the environment of this one. */
  environment(options: IdentityOptions): Promise<Record<string, string>>;
  /** Deploys more. Throws an Error whose message says what failed. */
  deploy(options: DeployOptions): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a server on ports that the system chooses, deploys, and resolves when it is ready. Throws an Error with a
 * clear message when something stands in the way, after which nothing is left running.
 */
export async function start(options: StartOptions = {}): Promise<RunningServer> {
  const { data, log = () => {} } = options;
  const directory = data === undefined ? await mkdtemp(join(tmpdir(), "celestite-")) : resolve(data);
  const forget = async (): Promise<void> => {
    if (data === undefined) await rm(directory, { recursive: true, force: true });
  };
  let server: Celestite | undefined;
  try {
    server = await startCelestite(
      {
        ...defaultSettings(),
        dataDirectory: directory,
        ports: anyPorts,
        ...(data === undefined ? { store: "memory" } : {}),
        ...(options.ranges === undefined ? {} : { physicalRanges: options.ranges }),
      },
      {
        clock: systemClock,
        entropy: openEntropy(),
        onError: (error) => log(`unexpected: ${String(error)}\n`),
      },
    );
    const terminal: Terminal = { out: log, error: log };
    await deployTo(server, options, directory, terminal);
    return await running(server, directory, terminal, forget);
  } catch (error) {
    await server?.close();
    await forget();
    throw error;
  }
}

async function deployTo(
  server: Celestite,
  { deploy = [], group, parameters = {} }: DeployOptions,
  directory: string,
  terminal: Terminal,
): Promise<void> {
  const paths = typeof deploy === "string" ? [deploy] : [...deploy];
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const seeding = await seedingOf({ deploy: paths, group, parameter: pairs }, directory);
  if (seeding !== undefined) await deployFirst(at(server), seeding, terminal);
}

function at({ operatorUrl, operatorSecret }: Celestite): { readonly url: string; readonly secret: string } {
  return { url: operatorUrl, secret: operatorSecret };
}

type Variables = Record<string, string>;

/** Asks the managed identity endpoint of App Service for each token; who keeps tokens is the SDK. */
function credentialOf(environment: () => Promise<Variables>): IdentityCredential {
  let opened: Promise<Variables> | undefined;
  return {
    async getToken(scopes) {
      const [scope = ""] = [scopes].flat();
      opened ??= environment();
      const { IDENTITY_ENDPOINT = "", IDENTITY_HEADER = "", AZURE_CLIENT_ID = "" } = await opened;
      const query = new URLSearchParams({
        "api-version": "2019-08-01",
        resource: scope.replace(/\/\.default$/, ""),
        client_id: AZURE_CLIENT_ID,
      });
      const headers = { "x-identity-header": IDENTITY_HEADER };
      const reply = await fetch(`${IDENTITY_ENDPOINT}?${query}`, { headers });
      const body = (await reply.json()) as { access_token?: string; expires_on?: string; message?: string };
      if (body.access_token === undefined)
        throw new Error(`No token for ${scope}: ${body.message ?? reply.status}`);
      return { token: body.access_token, expiresOnTimestamp: Number(body.expires_on) * 1000 };
    },
  };
}

async function running(
  server: Celestite,
  directory: string,
  terminal: Terminal,
  forget: () => Promise<void>,
): Promise<RunningServer> {
  const { endpoints, subscriptionId, tenantId, caFile } = await server.status();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= server.close().then(forget);
    return closing;
  };
  const environment = async ({ identities = [], as, account }: IdentityOptions): Promise<Variables> => {
    const { operator } = await import("./cli/server.ts");
    const status = await server.status();
    accountNotice(status, account);
    const asked = { identities, ...(as === undefined ? {} : { host: as }) };
    return workloadVariables(status, await operator(at(server), "POST", "workloads", asked), account);
  };
  return {
    ca: await readFile(caFile, "utf8"),
    armEndpoint: endpoints.arm,
    subscriptionId,
    tenantId,
    async endpoint(name) {
      const status = await server.status();
      const notice = accountNotice(status, name);
      const [account] = status.accounts.filter(
        (each) => name === undefined || each.name.toLowerCase() === name.toLowerCase(),
      );
      if (notice !== undefined || account === undefined)
        throw new Error(notice ?? "There is no Cosmos account yet.");
      return account.endpoint;
    },
    credential: (identity) => credentialOf(() => environment({ identities: [identity] })),
    environment,
    deploy: (more) => deployTo(server, more, directory, terminal),
    close,
    [Symbol.asyncDispose]: close,
  };
}

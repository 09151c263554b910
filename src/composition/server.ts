/**
 * Everything between an open store and listening sockets: hands each room its clock, entropy and neighbours, and
 * schedules what runs in the background. Apart from `celestite.ts`, which opens store and certificates while this
 * file and the rooms it brings are still being loaded. What only some requests need is loaded with the first of them:
 * the Cosmos gateway with the first account, the operator interface with the first command.
 */
import { type Arm, openArm } from "../arm/open.ts";
import type { Download } from "../arm/operation.ts";
import { localHosts } from "../azure/audiences.ts";
import { wellKnownKey } from "../azure/emulator-key.ts";
import type { Celestite, Surroundings } from "../celestite.ts";
import type { ManualClock } from "../clock.ts";
import type { Settings } from "../config.ts";
import { type Engine, openEngine } from "../cosmos/engine/engine.ts";
import { lazyService } from "../http/lazy-service.ts";
import { ListenError, type Listener, type ListenOptions, listen } from "../http/listen.ts";
import type { Service } from "../http/service.ts";
import { type Identity, openIdentity } from "../identity/identity.ts";
import { createRecorder, type Recorder } from "../observability/diagnostic-records.ts";
import { createFaults } from "../operator/faults.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { operatorPath } from "../operator/path.ts";
import { createSignIns } from "../operator/sign-ins.ts";
import type { Store } from "../storage/port.ts";
import type { Authority } from "../tls/authority.ts";
import { version } from "../version.ts";
import type { Doors } from "./doors.ts";
import { type AccountSockets, openAccountSockets } from "./endpoints.ts";
import { removeOperatorFile, writeOperatorFile } from "./operator-file.ts";
import type { OperatorContext } from "./operator-parts.ts";
import type { NamedServices } from "./public-names.ts";
import { knownResources } from "./resources.ts";
import { openSwitchedLogs, openTelemetry } from "./telemetry.ts";
import type { KeptTokenFile } from "./token-files.ts";

/** Items and batches of 2 MB and templates of 4 MB fit; anything longer is answered 413. */
const bodyBytesMax = 5 * 1024 * 1024;

/** Pause between two rounds of background work. */
const backgroundMilliseconds = 10_000;

/** Pause between two rounds in which the indexes follow the logs. */
const indexMilliseconds = 2_000;

/** From the start to the first round over the data, so that the server answers its first requests before. */
const settlingMilliseconds = 2_000;

/** What must be closed again, last opened first. */
export type Closers = (() => Promise<void>)[];

/** Ports as they turned out; 0 until the listener is up. */
interface OpenPorts {
  arm: number;
  authority: number;
  managed: number;
}

export interface Ground {
  readonly settings: Settings;
  readonly around: Surroundings;
  readonly store: Store;
  /** Being opened; nothing listens with TLS before it is there. */
  readonly authority: Promise<Authority>;
  readonly closers: Closers;
  /** The clock of `around` where it can be moved: in development. */
  readonly development: ManualClock | undefined;
}

/** Opens every room and all sockets; what it opened is in `closers`, also when it throws. */
export async function compose(ground: Ground): Promise<Omit<Celestite, "close">> {
  const { settings, around, closers } = ground;
  const recorder = createRecorder();
  closers.push(await openTelemetry({ settings, around, recorder }));
  const ports: OpenPorts = { arm: 0, authority: 0, managed: 0 };
  const { engine, identity } = await openRooms(ground, ports);
  const faults = createFaults(around.clock);
  const signIns = createSignIns({ ...around, record: recorder.record });
  const accountService = dataPlane(ground, engine, identity, recorder);
  const cosmos = async (account: string): Promise<Service> =>
    faults.wrap("cosmos", await accountService(account));
  const sockets = await openAccounts(ground, engine, cosmos);
  const arm = await openArmPlane(ground, { engine, sockets, identity, recorder, ports });
  closers.push(() => arm.close());
  const services = {
    authority: faults.wrap("token", signIns.wrap("authority", identity.authority)),
    arm: faults.wrap("arm", arm.service),
    graph: identity.graph,
    cosmos,
  };
  ports.authority = await opened(closers, listenTls(ground, settings.ports.authority, services.authority));
  ports.arm = await opened(closers, listenTls(ground, settings.ports.arm, services.arm));
  const authority = await ground.authority;
  const status = async (): Promise<ServerStatus> => ({
    version,
    ready: around.ready?.() ?? true,
    tenantId: settings.tenantId,
    subscriptionId: settings.subscriptionId,
    location: settings.location,
    endpoints: endpointsOf(settings, ports),
    accounts: [...engine.catalog.all()].map(({ record: { account } }) => ({
      name: account.name,
      resourceId: account.resourceId,
      endpoint: sockets.url(account),
    })),
    caFile: authority.caPath,
    caBundleFile: authority.bundlePath,
    javaTrustStoreFile: authority.javaTrustStorePath,
  });
  const secret = Buffer.from(around.entropy.bytes(32)).toString("base64url");
  const operator = operatorOf(ground, services, {
    ...{ secret, identity, engine, recorder, status, faults, signIns },
  });
  const endpoints = signIns.wrap("managed identity endpoint", identity.managed.endpoints);
  const managed = operatorOrManaged(operator, faults.wrap("app-service", endpoints));
  ports.managed = await opened(
    closers,
    listen({ ...base(ground), port: settings.ports.managed, service: managed }),
  );
  const operatorUrl = `http://${urlHost(settings.host)}:${ports.managed}`;
  await writeOperatorFile(settings.dataDirectory, { url: operatorUrl, secret });
  closers.push(() => removeOperatorFile(settings.dataDirectory, secret));
  return { status, operatorUrl, operatorSecret: secret, identity, recorder };
}

/** The data planes of accounts by their names. Throws ListenError when the settings would open them to everybody. */
function dataPlane(
  { settings, around }: Ground,
  engine: Engine,
  { verifier, directory }: Identity,
  { record }: Recorder,
): (account: string) => Promise<Service> {
  const gateway = { engine, verifier, directory, ...around, record, ...emulatorKeyOf(settings) };
  return async (account) => {
    const { accountService } = await import("../cosmos/gateway.ts");
    return accountService(gateway, account);
  };
}

/** The operator interface with all that it needs, which exists from its first request on. */
function operatorOf(
  ground: Ground,
  services: NamedServices,
  parts: Pick<
    OperatorContext,
    "secret" | "identity" | "engine" | "recorder" | "status" | "faults" | "signIns"
  >,
): Service {
  const { around, closers, development } = ground;
  const openMetadata = async (service: Service): Promise<Listener> => {
    const listener = await listen({ ...base(ground), port: 0, service });
    closers.push(() => listener.close());
    return listener;
  };
  const keepToken = tokenKeeper(ground, parts.identity);
  return lazyService(async () => {
    const [{ operatorService }, { operatorParts }, doors] = await Promise.all([
      import("../operator/gateway.ts"),
      import("./operator-parts.ts"),
      openDoors(ground, parts.engine, services),
    ]);
    return operatorService(
      operatorParts({ ...parts, ...around, development, doors, openMetadata, keepToken }),
    );
  });
}

/** Keeps tokens of service accounts in files of the data directory, which go with the server at the latest. */
function tokenKeeper(
  { settings, around, closers }: Ground,
  { issuers }: Identity,
): (id: string, subject: string) => Promise<KeptTokenFile> {
  return async (id, subject) => {
    const { keepTokenFile } = await import("./token-files.ts");
    const directory = settings.dataDirectory;
    const kept = await keepTokenFile({ ...around, directory, id, subject, issuers });
    closers.push(kept.close);
    return kept;
  };
}

/** Data and identity: what every other room works with. */
async function openRooms(
  { settings, around, store, authority, closers }: Ground,
  ports: OpenPorts,
): Promise<{ readonly engine: Engine; readonly identity: Identity }> {
  const engine = await openEngine({
    store,
    ...around,
    keepsIndexes: settings.store !== "memory",
    rangesDefault: settings.physicalRanges,
    accessDelays: { roles: (settings.roleDelay ?? 0) * 1000, keys: (settings.keyDelay ?? 0) * 1000 },
  });
  closers.push(() => engine.scripts.close());
  const identity = await openIdentity({
    store,
    ...around,
    tenantId: settings.tenantId,
    domain: settings.tenantDomain,
    knownResource: knownResources(engine, () => [ports.arm, ports.authority]),
    ownOrigins: () => localHosts.map((host) => `https://${host}:${ports.authority}`),
    caPem: async () => (await authority).caPem,
  });
  closers.push(() => identity.close());
  closers.push(schedule(around, backgroundMilliseconds, () => identity.maintain()));
  return { engine, identity };
}

/** The accounts' sockets and the work in the background that their data needs. */
async function openAccounts(
  ground: Ground,
  engine: Engine,
  service: (account: string) => Promise<Service>,
): Promise<AccountSockets> {
  const { settings, closers } = ground;
  const sockets = openAccountSockets({
    engine,
    firstPort: settings.ports.cosmos,
    listen: async (port, account) => listenTls(ground, port, await service(account)),
  });
  closers.push(() => sockets.closeAll());
  await sockets.openAll();
  closers.push(sweepData(ground, engine), keepIndexes(ground, engine.indexes));
  return sockets;
}

/** Removes items that have expired and what is left of deleted containers. */
function sweepData({ around, store }: Ground, engine: Engine): () => Promise<void> {
  return scheduleLater(around, backgroundMilliseconds, async () => {
    const [{ sweepExpired }, { purge }] = await Promise.all([
      import("../cosmos/engine/ttl.ts"),
      import("../cosmos/engine/purge.ts"),
    ]);
    await sweepExpired(engine);
    await purge(store);
  });
}

async function openDoors(ground: Ground, engine: Engine, services: NamedServices): Promise<Doors> {
  const [{ createDoors }, { publicNames }, { leaf, secureContextFor }] = await Promise.all([
    import("./doors.ts"),
    import("./public-names.ts"),
    ground.authority,
  ]);
  const { host: _host, ...listening } = base(ground);
  const names = publicNames(engine, services);
  const doors = createDoors({ names, tls: { ...leaf(), secureContextFor }, listening });
  ground.closers.push(() => doors.close());
  return doors;
}

/** The key that everybody knows opens nothing beyond this machine: the gateway takes it from loopback callers alone. */
function emulatorKeyOf({ emulatorKey, host }: Settings): { readonly emulatorKey?: Buffer } {
  if (emulatorKey !== true) return {};
  if (!isLoopback(host)) {
    throw new ListenError(
      `The emulator's well-known key is for loopback only; the server listens on ${host}.`,
    );
  }
  return { emulatorKey: Buffer.from(wellKnownKey, "base64") };
}

/** Repeats background work, never twice at once; the returned function stops it and waits for the run under way. */
function schedule(
  around: Surroundings,
  milliseconds: number,
  work: () => Promise<void>,
): () => Promise<void> {
  let running = work().catch(around.onError);
  const timer = setInterval(() => {
    running = running.then(work).catch(around.onError);
  }, milliseconds);
  timer.unref();
  return () => {
    clearInterval(timer);
    return running;
  };
}

/** The same, from when the server has settled. */
function scheduleLater(
  around: Surroundings,
  milliseconds: number,
  work: () => Promise<void>,
): () => Promise<void> {
  let stop: () => Promise<void> = async () => {};
  const timer = setTimeout(() => {
    stop = schedule(around, milliseconds, work);
  }, settlingMilliseconds);
  timer.unref();
  return () => {
    clearTimeout(timer);
    return stop();
  };
}

/** Follows the logs in the background. */
function keepIndexes({ around }: Ground, indexes: Engine["indexes"]): () => Promise<void> {
  const stop = scheduleLater(around, indexMilliseconds, () => indexes.maintain());
  return () => {
    indexes.stop();
    return stop();
  };
}

/** Linked templates are rare; what fetches them is loaded with the first one. */
function downloadsOf({ settings, authority }: Ground): Download {
  return async (address) => {
    const { templateDownloads } = await import("./template-downloads.ts");
    const { templateHosts = [], host } = settings;
    const { caPem } = await authority;
    const rules = { hosts: templateHosts, loopback: isLoopback(host), caPem };
    return templateDownloads(rules)(address);
  };
}

/** True for an address to listen on that only programs of this machine reach. */
function isLoopback(host: string): boolean {
  return /^(127\.|::1$|localhost$)/.test(host);
}

async function openArmPlane(
  ground: Ground,
  parts: {
    readonly engine: Engine;
    readonly sockets: AccountSockets;
    readonly identity: Identity;
    readonly recorder: Recorder;
    readonly ports: OpenPorts;
  },
): Promise<Arm> {
  const { settings, around, store } = ground;
  const { identity, recorder, ports } = parts;
  const switched = openSwitchedLogs({ settings, around, recorder });
  ground.closers.push(() => switched.close());
  return openArm({
    store,
    ...around,
    identity: identity.control,
    cosmos: async () =>
      (await import("../cosmos/control.ts")).createCosmosControl(parts.engine, parts.sockets),
    verifier: identity.verifier,
    directory: identity.directory,
    subscriptionId: settings.subscriptionId,
    subscriptionName: settings.subscriptionName,
    tenantId: settings.tenantId,
    tenantName: settings.tenantDomain,
    bootstrapObjectId: identity.directory.bootstrapUserId,
    endpoints: (origin) => armNeighbours(origin, ports),
    ownOrigins: () => localHosts.map((host) => `https://${host}:${ports.arm}`),
    record: recorder.record,
    reportFault: around.onError,
    diagnosticSettings: switched.apply,
    download: downloadsOf(ground),
    ...(settings.strict === undefined ? {} : { strict: settings.strict }),
    roleDelay: (settings.roleDelay ?? 0) * 1000,
  });
}

/** The other services as a caller of ARM should see them: on the host it used, at their own ports. */
function armNeighbours(
  origin: string,
  ports: OpenPorts,
): { authority: string; graph: string; portal: string } {
  const host = URL.canParse(origin) ? new URL(origin).hostname : "localhost";
  if (host === "management.azure.com") {
    return {
      authority: "https://login.microsoftonline.com",
      graph: "https://graph.microsoft.com",
      portal: "https://portal.azure.com",
    };
  }
  const authority = `https://${host}:${ports.authority}`;
  return { authority, graph: authority, portal: authority };
}

function base({ settings, around }: Ground): Omit<ListenOptions, "port" | "service"> {
  return { host: settings.host, bodyBytesMax, onError: around.onError };
}

async function listenTls(ground: Ground, port: number, service: Service): Promise<Listener> {
  const { leaf, secureContextFor } = await ground.authority;
  return listen({ ...base(ground), port, tls: { ...leaf(), secureContextFor }, service });
}

/** The port of a listener, which is closed with the rest. */
async function opened(closers: Closers, opening: Promise<Listener>): Promise<number> {
  const listener = await opening;
  closers.push(() => listener.close());
  return listener.port;
}

function endpointsOf(settings: Settings, ports: OpenPorts): ServerStatus["endpoints"] {
  return {
    managedIdentity: `http://${urlHost(settings.host)}:${ports.managed}/msi/token`,
    authority: `https://localhost:${ports.authority}`,
    arm: `https://localhost:${ports.arm}`,
  };
}

/** Requests under `/celestite/` go to the operator interface, everything else to the managed identity endpoint. */
function operatorOrManaged(operator: Service, managed: Service): Service {
  return (request) => (request.target.startsWith(operatorPath) ? operator(request) : managed(request));
}

function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

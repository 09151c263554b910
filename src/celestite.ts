/**
 * The composition root: settings to store to services to listeners. It alone knows every room, hands each its clock,
 * entropy and neighbours, and schedules what runs in the background. Two instances run side by side in one process.
 */
import { mkdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { type Arm, openArm } from "./arm/open.ts";
import { localHosts } from "./azure/audiences.ts";
import type { Clock, Entropy } from "./clock.ts";
import { openAccountSockets } from "./composition/endpoints.ts";
import { removeOperatorFile, writeOperatorFile } from "./composition/operator-file.ts";
import { operatorParts } from "./composition/operator-parts.ts";
import { knownResources } from "./composition/resources.ts";
import type { Settings } from "./config.ts";
import { createCosmosControl } from "./cosmos/control.ts";
import { openEngine } from "./cosmos/engine/engine.ts";
import { purge } from "./cosmos/engine/purge.ts";
import { sweepExpired } from "./cosmos/engine/ttl.ts";
import { accountService } from "./cosmos/gateway.ts";
import { type Listener, type ListenOptions, listen } from "./http/listen.ts";
import type { Service } from "./http/service.ts";
import { type Identity, openIdentity } from "./identity/identity.ts";
import { createRecorder, type Recorder } from "./observability/diagnostic-records.ts";
import { operatorPath, operatorService, type ServerStatus } from "./operator/gateway.ts";
import { openMemory } from "./storage/memory.ts";
import { openStore } from "./storage/open.ts";
import { type Store, StoreUnavailable } from "./storage/port.ts";
import { type Authority, openAuthority } from "./tls/authority.ts";
import { version } from "./version.ts";

export interface Celestite {
  readonly status: () => Promise<ServerStatus>;
  readonly operatorUrl: string;
  readonly operatorSecret: string;
  readonly identity: Identity;
  readonly recorder: Recorder;
  close(): Promise<void>;
}

export interface Surroundings {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Told of errors that no service expected; never of a client's mistake. */
  readonly onError: (error: unknown) => void;
}

/** Items and batches of 2 MB and templates of 4 MB fit; anything longer is answered 413. */
const bodyBytesMax = 5 * 1024 * 1024;

/** Pause between two rounds of background work. */
const backgroundMilliseconds = 10_000;

/** What must be closed again, last opened first. */
type Closers = (() => Promise<void>)[];

/** Ports as they turned out; 0 until the listener is up. */
interface OpenPorts {
  arm: number;
  authority: number;
  managed: number;
}

/**
 * Starts everything and resolves when all sockets listen. Throws StoreUnavailable, AuthorityUnavailable, ListenError or a system
 * error with
 * one clear sentence when something stands in the way; whatever was opened until then is closed again.
 */
export async function startCelestite(settings: Settings, around: Surroundings): Promise<Celestite> {
  const closers: Closers = [];
  const close = async (): Promise<void> => {
    for (const undo of closers.splice(0).reverse()) await undo();
  };
  try {
    await mkdir(settings.dataDirectory, { recursive: true, mode: 0o700 });
    const store = await openSettingsStore(settings);
    closers.push(() => store.close());
    const authority = await openAuthority({ directory: settings.dataDirectory, ...around, names: [] });
    return { ...(await compose({ settings, around, store, authority, closers })), close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Ground {
  readonly settings: Settings;
  readonly around: Surroundings;
  readonly store: Store;
  readonly authority: Authority;
  readonly closers: Closers;
}

async function compose(ground: Ground): Promise<Omit<Celestite, "close">> {
  const { settings, around, store, authority, closers } = ground;
  const recorder = createRecorder();
  const ports: OpenPorts = { arm: 0, authority: 0, managed: 0 };
  const engine = await openEngine({ store, ...around, keepsIndexes: settings.store !== "memory" });
  closers.push(() => engine.scripts.close());
  const identity = await openIdentity({
    store,
    ...around,
    tenantId: settings.tenantId,
    domain: settings.tenantDomain,
    knownResource: knownResources(engine, () => [ports.arm, ports.authority]),
  });
  closers.push(() => identity.close());
  const { verifier, directory } = identity;
  const gateway = { engine, verifier, directory, ...around, record: recorder.record };
  const sockets = openAccountSockets({
    engine,
    firstPort: settings.ports.cosmos,
    listen: (port, account) => listenTls(ground, port, accountService(gateway, account)),
  });
  closers.push(() => sockets.closeAll());
  await sockets.openAll();
  closers.push(
    schedule(around, async () => {
      await sweepExpired(engine);
      await purge(store);
    }),
  );
  const arm = await openArmPlane(ground, identity, createCosmosControl(engine, sockets), recorder, ports);
  closers.push(() => arm.close());
  ports.authority = await opened(closers, listenTls(ground, settings.ports.authority, identity.authority));
  ports.arm = await opened(closers, listenTls(ground, settings.ports.arm, arm.service));
  const status = async (): Promise<ServerStatus> => ({
    version,
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
  const openMetadata = async (service: Service): Promise<Listener> => {
    const listener = await listen({ ...base(ground), port: 0, service });
    closers.push(() => listener.close());
    return listener;
  };
  const operator = operatorService(
    operatorParts({ secret, identity, engine, recorder, status, openMetadata }),
  );
  const managed = operatorOrManaged(operator, identity.managed.appService);
  ports.managed = await opened(
    closers,
    listen({ ...base(ground), port: settings.ports.managed, service: managed }),
  );
  const operatorUrl = `http://${urlHost(settings.host)}:${ports.managed}`;
  await writeOperatorFile(settings.dataDirectory, { url: operatorUrl, secret });
  closers.push(() => removeOperatorFile(settings.dataDirectory));
  return { status, operatorUrl, operatorSecret: secret, identity, recorder };
}

/** Repeats background work, never twice at once; the returned function stops it and waits for the run under way. */
function schedule(around: Surroundings, work: () => Promise<void>): () => Promise<void> {
  let running = work().catch(around.onError);
  const timer = setInterval(() => {
    running = running.then(work).catch(around.onError);
  }, backgroundMilliseconds);
  timer.unref();
  return () => {
    clearInterval(timer);
    return running;
  };
}

/** Less free space than this is a full disk in waiting; the store's library would say so in its own words first. */
const spaceBytesMin = 16 * 1024 * 1024;

async function requireSpace(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < spaceBytesMin) {
    throw new StoreUnavailable(`The disk that holds ${directory} is full: make room and try again.`);
  }
}

async function openSettingsStore(settings: Settings): Promise<Store> {
  if (settings.store === "memory") return openMemory();
  if (settings.store === "lmdb") await requireSpace(settings.dataDirectory);
  return openStore(
    settings.store === "lmdb" ? `lmdb:${join(settings.dataDirectory, "store")}` : settings.store,
  );
}

function openArmPlane(
  { settings, around, store }: Ground,
  identity: Identity,
  cosmos: ReturnType<typeof createCosmosControl>,
  recorder: Recorder,
  ports: OpenPorts,
): Promise<Arm> {
  return openArm({
    store,
    ...around,
    identity: identity.control,
    cosmos,
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
  });
}

/** The other services as a caller of ARM should see them: on the host it used, at their own ports. */
function armNeighbours(
  origin: string,
  ports: OpenPorts,
): { authority: string; graph: string; portal: string } {
  const host = URL.canParse(origin) ? new URL(origin).hostname : "localhost";
  const authority = `https://${host}:${ports.authority}`;
  return { authority, graph: authority, portal: authority };
}

function base({ settings, around }: Ground): Omit<ListenOptions, "port" | "service"> {
  return { host: settings.host, bodyBytesMax, onError: around.onError };
}

function listenTls(ground: Ground, port: number, service: Service): Promise<Listener> {
  const { leaf, secureContextFor } = ground.authority;
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

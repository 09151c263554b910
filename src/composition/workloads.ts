/**
 * Workloads: a process that `run` starts gets identities, and the variables and doors by which its SDKs find them,
 * exactly as the kind of Azure host that it plays. Apart from the other operator parts because each workload owns
 * listeners that end with it.
 */
import type { Principal } from "../azure/principal.ts";
import type { Entropy } from "../clock.ts";
import type { Listener } from "../http/listen.ts";
import type { Service } from "../http/service.ts";
import type { Identity } from "../identity/identity.ts";
import { arcTokenFolder } from "../identity/managed/arc.ts";
import { cloudShellPath } from "../identity/managed/cloud-shell.ts";
import type { Faults } from "../operator/faults.ts";
import {
  type HostKind,
  hostKinds,
  OperatorError,
  type ServerStatus,
  type Workload,
  type WorkloadRequest,
} from "../operator/gateway.ts";
import type { SignIns } from "../operator/sign-ins.ts";
import type { Reader } from "../storage/port.ts";
import { type Doors, type OpenDoor, secretFolder } from "./doors.ts";
import { podService, requireCluster } from "./pods.ts";
import type { KeptTokenFile } from "./token-files.ts";

export interface WorkloadsContext {
  readonly identity: Identity;
  readonly store: Reader;
  readonly entropy: Entropy;
  readonly faults: Faults;
  readonly signIns: SignIns;
  readonly doors: Doors;
  readonly status: () => Promise<ServerStatus>;
  readonly findPrincipal: (name: string) => Promise<Principal | undefined>;
  /** Keeps tokens of a service account, by its subject, in a file. */
  readonly keepToken: (id: string, subject: string) => Promise<KeptTokenFile>;
  /** Opens a plain http listener of its own for a workload. */
  readonly openMetadata: (service: Service) => Promise<Listener>;
}

export interface RunningWorkloads {
  add(request: WorkloadRequest): Promise<Workload>;
  remove(id: string): Promise<void>;
}

/** No workloads yet. */
export function createRunningWorkloads(context: WorkloadsContext): RunningWorkloads {
  const closers = new Map<string, (() => Promise<void>)[]>();
  return {
    async add(request) {
      const wanted = await resolveRequest(context, request);
      const own: (() => Promise<void>)[] = [];
      const { managed, passwords } = context.identity;
      const { userId } = wanted;
      const { id, secret } = managed.workloads.register({
        identities: wanted.named.map((principal) => principal.resourceId ?? ""),
        principalIds: wanted.named.map((principal) => principal.objectId),
        ...(wanted.host === undefined ? {} : { hostResourceId: wanted.host }),
        ...(userId === undefined ? {} : { userObjectId: userId, userStamp: await passwords.stampOf(userId) }),
      });
      closers.set(id, own);
      try {
        return await open(context, { ...wanted, id, secret, request }, own);
      } catch (error) {
        await remove(context, closers, id);
        throw error;
      }
    },
    remove: (id) => remove(context, closers, id),
  };
}

async function remove(
  { identity }: WorkloadsContext,
  closers: Map<string, (() => Promise<void>)[]>,
  id: string,
): Promise<void> {
  identity.managed.workloads.release(id);
  const own = closers.get(id) ?? [];
  closers.delete(id);
  for (const close of own.reverse()) await close();
}

interface Resolved {
  readonly kind: HostKind | "none";
  readonly userId: string | undefined;
  readonly host: string | undefined;
  readonly named: readonly Principal[];
  /** The cluster of a pod, when it is one of Resource Manager. */
  readonly cluster?: string | undefined;
}

interface Starting extends Resolved {
  readonly id: string;
  readonly secret: string;
  readonly request: WorkloadRequest;
}

async function resolveRequest(context: WorkloadsContext, request: WorkloadRequest): Promise<Resolved> {
  const named = await Promise.all(request.identities.map((name) => findIdentity(context, name)));
  if (request.pod !== undefined) {
    const cluster = await requireCluster(context, request.host, request.pod);
    return { kind: "pod", host: undefined, named, userId: undefined, cluster };
  }
  const kindOnly = hostKinds.find((kind) => kind === request.host);
  const host =
    request.host === undefined || kindOnly !== undefined ? undefined : await findHost(context, request.host);
  const userId = await findUser(context, request.user);
  const byFront = request.front === undefined || request.front === "env" ? "app-service" : "vm";
  if (host === undefined && named.length === 0) {
    // Behind a door a program may bring credentials of its own; by variables alone there would be nothing to do.
    if (kindOnly === undefined && (byFront === "vm" || request.user !== undefined)) {
      return { kind: "none", host, named, userId };
    }
    throw new OperatorError("A workload needs --identity NAME or --as HOST.");
  }
  if (kindOnly === "pod") throw new OperatorError("A pod needs --pod NAMESPACE/NAME.");
  const kind = kindOnly ?? (host === undefined ? byFront : kindOf(host));
  if (kind === "aks" && named.length === 0) {
    throw new OperatorError(
      "A workload on AKS needs --identity NAME: the one that its service account stands for.",
    );
  }
  return { kind, host, named, userId };
}

/** The object id of the developer; `signed-out` stands for nobody. */
async function findUser(context: WorkloadsContext, name: string | undefined): Promise<string | undefined> {
  if (name === undefined || name === "signed-out") return undefined;
  const found = await context.findPrincipal(name);
  if (found?.type !== "User") throw new OperatorError(`There is no user '${name}'.`);
  return found.objectId;
}

const kindsByType: readonly (readonly [RegExp, HostKind])[] = [
  [/\/Microsoft\.Compute\/virtualMachine(s|ScaleSets)\/[^/]+$/i, "vm"],
  [/\/Microsoft\.HybridCompute\/machines\/[^/]+$/i, "arc"],
  [/\/Microsoft\.App\/[^/]+\/[^/]+$/i, "container-app"],
  [/\/Microsoft\.MachineLearningServices\//i, "azure-ml"],
  [/\/Microsoft\.ContainerService\/managedClusters\/[^/]+$/i, "vm"],
];

/** What a host of this resource type offers its programs; an AKS node is a virtual machine. */
function kindOf(host: string): HostKind {
  return kindsByType.find(([pattern]) => pattern.test(host))?.[1] ?? "app-service";
}

async function open(
  context: WorkloadsContext,
  starting: Starting,
  own: (() => Promise<void>)[],
): Promise<Workload> {
  const { request, id } = starting;
  const front = request.front ?? "env";
  const metadata = await metadataService(context, starting);
  const { endpoints } = await context.status();
  const managedPort = Number(new URL(endpoints.managedIdentity).port);
  let door: OpenDoor | undefined;
  const doorRequest = {
    isolated: request.isolated === true,
    ...(metadata === undefined ? {} : { metadata }),
    managed: { port: managedPort, service: managedService(context) },
  };
  if (front === "proxy") door = await context.doors.openProxy(doorRequest);
  if (front === "sandbox") door = await context.doors.openSandbox(doorRequest);
  if (door !== undefined) own.push(door.close);
  const environment = await variablesOf(context, starting, metadata, door, own);
  const developer = request.user === undefined ? {} : { developerSecret: starting.secret };
  return {
    id,
    environment,
    kind: starting.kind,
    ...developer,
    ...(door === undefined ? {} : { door: door.facts }),
  };
}

/** The endpoints that a workload's variables may name: what its own secret opens, nothing of the operator's. */
function managedService({ identity, faults, signIns }: WorkloadsContext): Service {
  return faults.wrap("app-service", signIns.wrap("managed identity endpoint", identity.managed.endpoints));
}

/** A metadata service, which can be disturbed, and whose refusals are recorded. */
function observed({ faults, signIns }: WorkloadsContext, service: Service): Service {
  return faults.wrap("imds", signIns.wrap("managed identity endpoint", service));
}

/** The service behind the metadata address, for the kinds of host that have one; a pod's is that of pod identity. */
async function metadataService(
  context: WorkloadsContext,
  { kind, id, request, cluster }: Starting,
): Promise<Service | undefined> {
  const { identity } = context;
  const redirected = request.front === undefined || request.front === "env";
  if (request.pod !== undefined) {
    const place = { workloadId: id, redirected, ...(cluster === undefined ? {} : { cluster }) };
    return observed(context, podService(context, request.pod, place));
  }
  if (kind !== "vm") return undefined;
  return observed(context, identity.managed.imds(id, { answerWithoutHeader: redirected }));
}

async function variablesOf(
  context: WorkloadsContext,
  starting: Starting,
  metadata: Service | undefined,
  door: OpenDoor | undefined,
  own: (() => Promise<void>)[],
): Promise<Readonly<Record<string, string>>> {
  const { kind, secret } = starting;
  const { endpoints, tenantId } = await context.status();
  const endpoint = endpoints.managedIdentity;
  const clientId = clientIdOf(starting);
  switch (kind) {
    case "none":
      return {};
    case "app-service":
    case "function":
    case "container-app":
      return { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: secret, ...clientId };
    case "legacy":
      return { MSI_ENDPOINT: endpoint, MSI_SECRET: secret, ...clientId };
    case "azure-ml": {
      const id = clientId.AZURE_CLIENT_ID;
      const chosen: Record<string, string> = id === undefined ? {} : { DEFAULT_IDENTITY_CLIENT_ID: id };
      return { MSI_ENDPOINT: endpoint, MSI_SECRET: secret, ...clientId, ...chosen };
    }
    case "cloud-shell":
      return { MSI_ENDPOINT: `${new URL(endpoint).origin}${cloudShellPath}/${secret}` };
    case "arc":
      return arcVariables(context, starting, door, own);
    case "pod":
    case "vm": {
      // The metadata service answers for the only identity without being told which.
      if (door !== undefined || metadata === undefined) return {};
      const listener = await context.openMetadata(metadata);
      own.push(() => listener.close());
      return { AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://127.0.0.1:${listener.port}` };
    }
    case "aks":
      return {
        AZURE_TENANT_ID: tenantId,
        AZURE_CLIENT_ID: starting.named[0]?.appId ?? "",
        AZURE_AUTHORITY_HOST:
          door === undefined ? `${endpoints.authority}/` : "https://login.microsoftonline.com/",
        ...(await tokenFile(context, starting, own)),
      };
  }
}

async function tokenFile(
  { keepToken }: WorkloadsContext,
  { id, request }: Starting,
  own: (() => Promise<void>)[],
): Promise<Readonly<Record<string, string>>> {
  if (request.serviceAccount === undefined) return {};
  const kept = await keepToken(id, request.serviceAccount);
  own.push(kept.close);
  return { AZURE_FEDERATED_TOKEN_FILE: kept.file };
}

/** As in Azure, DefaultAzureCredential needs the client id of a user-assigned identity; with one there is no doubt. */
function clientIdOf({ host, named }: Starting): { readonly AZURE_CLIENT_ID?: string } {
  const [only, ...others] = named;
  if (host !== undefined || only?.appId === undefined || others.length > 0) return {};
  return { AZURE_CLIENT_ID: only.appId };
}

async function arcVariables(
  context: WorkloadsContext,
  { id }: Starting,
  door: OpenDoor | undefined,
  own: (() => Promise<void>)[],
): Promise<Readonly<Record<string, string>>> {
  if (door !== undefined) throw new OperatorError("--as arc works with --front env only.");
  let writeKey: (name: string, content: string) => Promise<void>;
  try {
    writeKey = await secretFolder(arcTokenFolder);
  } catch {
    throw new OperatorError(
      `Azure Arc's clients read their secret from ${arcTokenFolder}, which this server may not make: start it as root, or play another host.`,
    );
  }
  const { identity } = context;
  const listener = await context.openMetadata(observed(context, identity.managed.arc(id, writeKey)));
  own.push(() => listener.close());
  const origin = `http://localhost:${listener.port}`;
  return { IDENTITY_ENDPOINT: `${origin}/metadata/identity/oauth2/token`, IMDS_ENDPOINT: origin };
}

/** The user-assigned identity with this name, resource id, client id or object id. */
async function findIdentity(context: WorkloadsContext, name: string): Promise<Principal> {
  const { directory } = context.identity;
  const found = await context.findPrincipal(name);
  const candidates = found === undefined ? [] : [found, ...(await directory.findByDisplayName(name))];
  const identities = candidates.filter((candidate) => candidate.managedIdentity === "user");
  const distinct = [...new Map(identities.map((identity) => [identity.objectId, identity])).values()];
  if (distinct.length > 1) {
    const ids = distinct.map((identity) => identity.resourceId).join("\n  ");
    throw new OperatorError(`Several identities are called '${name}'; use the resource id of one:\n  ${ids}`);
  }
  const [identity] = distinct;
  if (identity === undefined) {
    const names = await identityNames(context);
    throw new OperatorError(
      names.length === 0
        ? `There is no user-assigned identity '${name}'. Deploy a template that has one, e.g. 'celestite deploy main.json -g my-group'.`
        : `There is no user-assigned identity '${name}'; there are: ${names.join(", ")}.`,
    );
  }
  return identity;
}

/** As many as fit into a message. */
const namesMax = 20;

/** Names of user-assigned identities, for who misspelled one. */
async function identityNames({ identity: { directory } }: WorkloadsContext): Promise<readonly string[]> {
  const { principals } = await directory.list(1000);
  const names = principals
    .filter(({ managedIdentity }) => managedIdentity === "user")
    .map(({ displayName }) => displayName)
    .sort();
  return names.length > namesMax ? [...names.slice(0, namesMax), "..."] : names;
}

async function findHost(context: WorkloadsContext, host: string): Promise<string> {
  const record = await context.identity.control.getHost(context.store, host);
  if (record === undefined) {
    throw new OperatorError(
      `No host resource '${host}' carries an identity. Give the full resource id of a deployed resource with an identity block, or one of ${hostKinds.join(", ")} with --identity.`,
    );
  }
  return record.hostResourceId;
}

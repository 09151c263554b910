/**
 * The operator interface: what the command line asks of a running server. It is apart from the Azure surface because
 * nothing of it exists in Azure; it stands on loopback and takes only the secret that lies, readable by the owner
 * alone, in the data directory.
 */
import { timingSafeEqual } from "node:crypto";
import type { Principal } from "../azure/principal.ts";
import { empty, json } from "../http/reply.ts";
import type { Reply, Request, Service } from "../http/service.ts";
import { type DiagnosticRecord, isSignIn, type Recorder } from "../observability/diagnostic-records.ts";
import { operatorPath } from "./path.ts";

export interface ServerStatus {
  readonly version: string;
  /** False while it is still deploying what it was started with. */
  readonly ready: boolean;
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly location: string;
  readonly endpoints: { readonly managedIdentity: string; readonly authority: string; readonly arm: string };
  readonly accounts: readonly AccountStatus[];
  readonly caFile: string;
  readonly caBundleFile: string;
  readonly javaTrustStoreFile: string;
}

export interface AccountStatus {
  readonly name: string;
  readonly resourceId: string;
  readonly endpoint: string;
}

/** Kinds of Azure host that a workload can play without a resource of that kind. */
export const hostKinds = [
  "app-service",
  "function",
  "container-app",
  "vm",
  "aks",
  "pod",
  "legacy",
  "azure-ml",
  "cloud-shell",
  "arc",
] as const;
export type HostKind = (typeof hostKinds)[number];

export const fronts = ["env", "proxy", "sandbox"] as const;
/** How a workload's requests reach us: by variables, through a proxy, or in namespaces of its own. */
export type Front = (typeof fronts)[number];

/** A process that is to have managed identities: a host resource's, or these user-assigned ones. */
export interface WorkloadRequest {
  /** The id of a deployed resource, or a `HostKind`. */
  readonly host?: string;
  readonly front?: Front;
  /** Through the proxy: refuse every name that is not ours. */
  readonly isolated?: boolean;
  /** A signed-in developer (user principal name) for the az and azd shims. */
  readonly user?: string;
  /** Names or resource ids of user-assigned identities. */
  readonly identities: readonly string[];
  /** The pod that it is, under AKS pod identity (version 1). */
  readonly pod?: PodRequest;
  /** The subject of its service account's tokens, if the server is to keep them in a file. */
  readonly serviceAccount?: string;
}

export interface PodRequest {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Kubernetes objects of pod identity, as they are written. */
  readonly objects: readonly unknown[];
}

export interface Workload {
  readonly id: string;
  /** `none` for a program without managed identities. */
  readonly kind: HostKind | "none";
  /** What the az and azd shims ask tokens with; present when a developer was asked for. */
  readonly developerSecret?: string;
  /** What `run` needs to lead the program through its door. */
  readonly door?:
    | {
        readonly front: "proxy";
        readonly proxyPort: number;
        readonly tlsPort: number;
        /** 0 when the workload has no metadata service. */
        readonly metadataPort: number;
        readonly patterns: readonly string[];
      }
    | {
        readonly front: "sandbox";
        readonly forwards: readonly {
          readonly address: string;
          readonly port: number;
          readonly socket: string;
        }[];
        readonly hostsFile: string;
        readonly folder: string;
      };
  /** Variables that lead SDKs to the workload's identities. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A record together with what only the server can look up. */
export interface Explanation {
  readonly record: DiagnosticRecord;
  readonly principal?: Principal;
  /** The account's ARM id, for data-plane records. */
  readonly accountId?: string;
  /** Settings of the account that have a say in access. */
  readonly account?: {
    readonly name: string;
    readonly tenantId: string;
    readonly disableLocalAuth: boolean;
    readonly disableKeyBasedMetadataWriteAccess: boolean;
  };
  /** Azure roles that the principal holds at the account or above; they open no data. */
  readonly azureRoles?: readonly { readonly roleName: string; readonly scope: string }[];
  /** Principals that the record speaks of by object id or client id, under that id. */
  readonly named?: Readonly<Record<string, Principal>>;
}

/** One call of an operation that a room lends: path segments after its name, the query, and the JSON of the body. */
export interface OperatorCall {
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Answers with a JSON value, or with nothing (204). */
export type OperatorRoute = (call: OperatorCall) => Promise<unknown>;

/** What the server lends to the command line; failures that the user can mend are OperatorError. */
export interface OperatorParts {
  readonly secret: string;
  /** Operations that rooms lend, under method and first path segment: `POST issuers`. */
  readonly routes?: Readonly<Record<string, OperatorRoute>>;
  readonly recorder: Recorder;
  status(): Promise<ServerStatus>;
  addWorkload(request: WorkloadRequest): Promise<Workload>;
  removeWorkload(id: string): Promise<void>;
  /** An access token of the bootstrap user for the control plane. */
  operatorToken(): Promise<string>;
  explain(record: DiagnosticRecord): Promise<Explanation>;
  /** Finds a principal by object id, application id, user principal name, or the name of an identity. */
  findPrincipal(name: string): Promise<Principal | undefined>;
}

export class OperatorError extends Error {
  override readonly name = "OperatorError";
}

/** The service under `/celestite/`. */
export function operatorService(parts: OperatorParts): Service {
  return async (request) => {
    if (!authorized(parts.secret, request)) {
      return json(401, { error: "The operator secret is missing or wrong." });
    }
    try {
      return (
        (await route(parts, request)) ??
        json(404, { error: `There is no ${request.method} ${request.target}.` })
      );
    } catch (error) {
      if (error instanceof OperatorError) return json(400, { error: error.message });
      throw error;
    }
  };
}

async function route(parts: OperatorParts, request: Request): Promise<Reply | undefined> {
  const url = new URL(request.target, "http://operator");
  const [name, id] = url.pathname.slice(operatorPath.length).split("/");
  switch (`${request.method} ${name}`) {
    case "GET status":
      return json(200, await parts.status());
    case "POST token":
      return json(200, { token: await parts.operatorToken() });
    case "POST workloads":
      return json(201, await parts.addWorkload(workloadRequest(request.body)));
    case "DELETE workloads":
      await parts.removeWorkload(id ?? "");
      return empty(204);
    case "GET decisions":
      return decision(parts, id, url.searchParams.get("denied") === "true");
    case "GET usage":
      return json(200, parts.recorder.usage());
    case "GET principals": {
      const name = url.searchParams.get("name") ?? "";
      const principal = await parts.findPrincipal(name);
      return principal === undefined
        ? json(404, { error: `There is no principal '${name}'.` })
        : json(200, principal);
    }
    default:
      return lentRoute(parts, request, url);
  }
}

async function lentRoute(parts: OperatorParts, request: Request, url: URL): Promise<Reply | undefined> {
  const [name = "", ...rest] = url.pathname.slice(operatorPath.length).split("/");
  const key = `${request.method} ${name}`;
  const routes = parts.routes ?? {};
  const lent = Object.hasOwn(routes, key) ? routes[key] : undefined;
  if (lent === undefined) return undefined;
  const body = request.body.length === 0 ? {} : jsonObject(request.body);
  const segments = rest.map(decodeSegment);
  const value = await lent({ segments, query: url.searchParams, body });
  return value === undefined ? empty(204) : json(200, value);
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new OperatorError("The path is malformed.");
  }
}

function jsonObject(body: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Reported below, like any other text that is no object.
  }
  throw new OperatorError("The request body is no JSON object.");
}

function nothingRecorded({ recorder }: OperatorParts, id: string | undefined): string {
  if (id !== undefined && id !== "last") return `No request with activity id ${id} is remembered.`;
  return recorder.last() === undefined
    ? "No request has been recorded yet."
    : "No request has been denied. 'celestite explain --last' is about the last one of all.";
}

async function decision(parts: OperatorParts, id: string | undefined, denied: boolean): Promise<Reply> {
  const refused = (entry: DiagnosticRecord): boolean =>
    entry.statusCode === 401 || entry.statusCode === 403 || isSignIn(entry);
  const record =
    id === undefined || id === "last"
      ? parts.recorder.last(denied ? refused : undefined)
      : parts.recorder.find(id);
  if (record === undefined) {
    return json(404, { error: nothingRecorded(parts, id) });
  }
  return json(200, await parts.explain(record));
}

function workloadRequest(body: Uint8Array): WorkloadRequest {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    throw new OperatorError("The request body is not JSON.");
  }
  const given = (typeof value === "object" && value !== null ? value : {}) as {
    host?: unknown;
    identities?: unknown;
    front?: unknown;
    isolated?: unknown;
    user?: unknown;
    pod?: unknown;
    serviceAccount?: unknown;
  };
  const identities = Array.isArray(given.identities)
    ? given.identities.filter((name) => typeof name === "string")
    : [];
  const front = fronts.find((name) => name === given.front);
  if (given.front !== undefined && front === undefined)
    throw new OperatorError("'front' is env, proxy or sandbox.");
  return {
    identities,
    isolated: given.isolated === true,
    ...(typeof given.user === "string" ? { user: given.user } : {}),
    ...(typeof given.host === "string" ? { host: given.host } : {}),
    ...(front === undefined ? {} : { front }),
    ...(given.pod === undefined ? {} : { pod: podRequest(given.pod) }),
    ...(typeof given.serviceAccount === "string" ? { serviceAccount: given.serviceAccount } : {}),
  };
}

function podRequest(value: unknown): PodRequest {
  const given = (typeof value === "object" && value !== null ? value : {}) as {
    namespace?: unknown;
    name?: unknown;
    labels?: unknown;
    objects?: unknown;
  };
  const { namespace, name, labels, objects } = given;
  if (typeof namespace !== "string" || typeof name !== "string")
    throw new OperatorError("'pod' takes a namespace and a name.");
  const pairs = Object.entries(typeof labels === "object" && labels !== null ? labels : {});
  return {
    namespace,
    name,
    labels: Object.fromEntries(pairs.map(([label, text]): [string, string] => [label, String(text)])),
    objects: Array.isArray(objects) ? (objects as readonly unknown[]) : [],
  };
}

function authorized(secret: string, request: Request): boolean {
  const given = Buffer.from(request.headers["authorization"] ?? "");
  const expected = Buffer.from(`Bearer ${secret}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

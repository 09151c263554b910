/**
 * The operator interface: what the command line asks of a running server. It is apart from the Azure surface because
 * nothing of it exists in Azure; it stands on loopback and takes only the secret that lies, readable by the owner
 * alone, in the data directory.
 */
import { timingSafeEqual } from "node:crypto";
import type { Principal } from "../azure/principal.ts";
import { empty, json } from "../http/reply.ts";
import type { Reply, Request, Service } from "../http/service.ts";
import type { DiagnosticRecord, Recorder } from "../observability/diagnostic-records.ts";

export interface ServerStatus {
  readonly version: string;
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

/** A process that is to have managed identities: a host resource's, or these user-assigned ones. */
export interface WorkloadRequest {
  readonly host?: string;
  /** Names or resource ids of user-assigned identities. */
  readonly identities: readonly string[];
}

export interface Workload {
  readonly id: string;
  /** Variables that lead SDKs to the workload's identities. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A record together with what only the server can look up. */
export interface Explanation {
  readonly record: DiagnosticRecord;
  readonly principal?: Principal;
  /** The account's ARM id, for data-plane records. */
  readonly accountId?: string;
}

/** What the server lends to the command line; failures that the user can mend are OperatorError. */
export interface OperatorParts {
  readonly secret: string;
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

export const operatorPath = "/celestite/";

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
      const principal = await parts.findPrincipal(url.searchParams.get("name") ?? "");
      return principal === undefined ? json(404, { error: "No such principal." }) : json(200, principal);
    }
    default:
      return undefined;
  }
}

async function decision(parts: OperatorParts, id: string | undefined, denied: boolean): Promise<Reply> {
  const refused = (entry: DiagnosticRecord): boolean => entry.statusCode === 401 || entry.statusCode === 403;
  const record =
    id === undefined || id === "last"
      ? parts.recorder.last(denied ? refused : undefined)
      : parts.recorder.find(id);
  if (record === undefined) {
    const what =
      id === undefined || id === "last"
        ? "No request has been recorded yet."
        : `No request with activity id ${id} is remembered.`;
    return json(404, { error: what });
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
  };
  const identities = Array.isArray(given.identities)
    ? given.identities.filter((name) => typeof name === "string")
    : [];
  return typeof given.host === "string" ? { host: given.host, identities } : { identities };
}

function authorized(secret: string, request: Request): boolean {
  const given = Buffer.from(request.headers["authorization"] ?? "");
  const expected = Buffer.from(`Bearer ${secret}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

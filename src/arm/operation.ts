/**
 * What an operation of the control plane is: a row of the table (method, path, required action, handler) and what
 * its handler is given. The gateway owns every phase before and after the handler, so a handler cannot forget one.
 */
import type { Decision } from "../authz/decision.ts";
import type { PrincipalDirectory } from "../azure/principal.ts";
import type { Clock, Entropy } from "../clock.ts";
import type { CosmosControl } from "../cosmos/control.ts";
import type { IdentityControl } from "../identity/control.ts";
import type { Store, Transaction } from "../storage/port.ts";
import type { Address, Parameters } from "./address.ts";
import type { Json, JsonObject } from "./json.ts";
import type { StoredResource } from "./resources.ts";

export type Method = "GET" | "HEAD" | "PUT" | "PATCH" | "POST" | "DELETE";

/** Where the other services are for a caller who reached us through one door; URLs without trailing slash. */
export interface Endpoints {
  /** The token authority, e.g. `https://localhost:8400`. */
  readonly authority: string;
  /** The base of Microsoft Graph. */
  readonly graph: string;
  readonly portal: string;
}

/** What has to happen in other rooms when a resource of one type goes, inside the transaction that removes it. */
export interface Removal {
  /** Locks the transaction needs besides those of this room and the directory. */
  readonly locks: (resource: StoredResource) => readonly string[];
  readonly remove: (plane: ControlPlane, transaction: Transaction, resource: StoredResource) => Promise<void>;
}

/** Deployments that this process is running, under their normalized ids. */
export interface RunningDeployments {
  readonly active: Map<string, { canceled: boolean; readonly finished: Promise<void> }>;
  /** By correlation id: how many outermost deployments run under it, and how many resources they have written. */
  readonly spent: Map<string, { roots: number; writes: number }>;
}

/** Fetches the text of a linked template, or says in a few words why not. Never throws. */
export type Download = (address: URL) => Promise<{ readonly text: string } | { readonly refused: string }>;

/** Everything a handler may use, made once, with the first request that has a caller. */
export interface ControlPlane {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly identity: IdentityControl;
  readonly cosmos: CosmosControl;
  readonly directory: PrincipalDirectory;
  readonly tenantId: string;
  readonly tenantName: string;
  /** The first user, who is the tenant's Global Administrator. */
  readonly bootstrapObjectId: string;
  readonly endpoints: (origin: string) => Endpoints;
  /** Our own addresses, e.g. `https://localhost:8073`: audiences of the tokens we take. */
  readonly ownOrigins: () => readonly string[];
  /** By full resource type in lower case. */
  readonly removals: ReadonlyMap<string, Removal>;
  readonly running: RunningDeployments;
  readonly download: Download;
  /** A deployment that succeeds within this time is answered with its final state. */
  readonly inlineMilliseconds: number;
  /** Milliseconds until a change of a role assignment takes effect. */
  readonly roleDelay: number;
  /** To be called after diagnostic settings changed; resolves when what was changed acts. */
  readonly diagnosticSettingsChanged: () => Promise<void>;
}

/** What of it is there from the beginning; the rest is loaded. */
export type PlaneGround = Omit<ControlPlane, "cosmos" | "removals">;

/** Who makes the request, after the token was verified. */
export interface Caller {
  readonly objectId: string;
  /** The user principal name or application id: how error messages call the client. */
  readonly name: string;
  readonly isUser: boolean;
}

export interface Outcome {
  readonly status: number;
  readonly body?: unknown;
  /** A body that is not JSON; its content type is among the headers. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The action that a request needs and the id at which it needs it. */
export interface Requirement {
  readonly action: string;
  readonly scope: string;
}

export interface PublicCall {
  readonly plane: PlaneGround;
  readonly address: Address;
  readonly parameters: Parameters;
  readonly apiVersion: string;
  /** Base of every URL in the answer. */
  readonly origin: string;
}

export interface Call extends PublicCall {
  readonly plane: ControlPlane;
  readonly caller: Caller;
  /** What the caller was just allowed; for rows that any caller may use, the row's own path. */
  readonly requirement: Requirement;
  readonly body: Json | undefined;
  /** The body as it came, for the one operation whose body is not JSON. */
  readonly rawBody: Uint8Array;
  readonly requestId: string;
  readonly correlationId: string;
  /** See `InnerRequest`. */
  readonly shownTemplate: JsonObject | undefined;
  /** True when a deployment makes this request: whatever takes time is waited for. */
  readonly nested: boolean;
  /** Decides another right of the caller; the decision is recorded with this request. */
  readonly decide: (action: string, scope: string) => Promise<Decision>;
  /** The same, throwing ArmError 403 `AuthorizationFailed` on denial. */
  readonly require: (action: string, scope: string) => Promise<void>;
  /** What `method` on `id` needs and whether the caller has it, without doing it. Throws for unknown types. */
  readonly check: (
    method: Method,
    id: string,
    apiVersion: string,
    body: () => Json | undefined,
  ) => Promise<Requirement & { readonly decision: Decision }>;
  /** Makes a request as the same caller, through the same phases. */
  readonly dispatch: (request: InnerRequest) => Promise<Outcome>;
  /** Reports a fault of ours that a handler survives or that happens after the answer is sent. */
  readonly reportFault: (fault: unknown) => void;
}

export interface InnerRequest {
  readonly method: Method;
  readonly id: string;
  readonly apiVersion: string;
  readonly body?: Json;
  /** The template of a nested deployment as its history shows it, when the one in the body holds secrets. */
  readonly shownTemplate?: JsonObject;
}

export type Handler = (call: Call) => Promise<Outcome>;

interface Row {
  readonly method: Method;
  /** See `compilePattern`. */
  readonly path: string;
}

export interface PublicOperation extends Row {
  readonly action: "public";
  readonly handler: (call: PublicCall) => Promise<Outcome>;
}

export interface GuardedOperation extends Row {
  /**
   * The action that the caller must hold, or `anyCaller` for what every signed-in caller may ask. `{type}` stands
   * for the full resource type in the path, `{namespace}` for the provider in it and `{last}` for its last segment.
   */
  readonly action: "anyCaller" | `${string}/${string}`;
  /** The id at which it must be held, with `{parameters}`; by default the path without an odd last segment. */
  readonly scope?: string;
  /**
   * Another id at which the action is enough: of what the resource will stand in, for one that is new and that its own
   * id does not place.
   */
  readonly enoughAt?: (
    plane: ControlPlane,
    address: Address,
    body: Json | undefined,
  ) => Promise<string | undefined>;
  /** A list from which what the caller may not read is left out when the caller holds the action only further down. */
  readonly filtered?: true;
  /** The handler reads `rawBody` itself. */
  readonly rawBody?: true;
  /** Without a handler the operation is known and answers as not implemented. */
  readonly handler?: Handler;
}

export type Operation = PublicOperation | GuardedOperation;

/** One resource provider namespace: its rows and what its types need when they go. */
export interface Provider {
  readonly operations: readonly Operation[];
  readonly removals?: Readonly<Record<string, Removal>>;
}

/** A parameter that the row's own pattern guarantees. */
export function parameter(call: PublicCall, name: string): string {
  const value = call.parameters.get(name);
  if (value === undefined) throw new Error(`the pattern has no parameter ${name}`);
  return value;
}

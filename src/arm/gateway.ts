/**
 * The phases of a control-plane request: address, credential, decision, handler, render, record. Operations come in
 * as rows of the table and never see a request that was not decided; a deployment's own requests pass through the
 * same `perform`, so a template can do nothing that its caller could not do by hand.
 */
import type { Decision } from "../authz/decision.ts";
import { ArmError } from "../azure/arm-error.ts";
import type { TokenVerifier } from "../azure/principal.ts";
import { scopeCovers } from "../azure/resource-id.ts";
import { uuid } from "../clock.ts";
import type { Request, Service } from "../http/service.ts";
import type { DiagnosticRecord } from "../observability/diagnostic-records.ts";
import { type Address, parseId, parseTarget } from "./address.ts";
import { conditionAttributes, hasAttributes } from "./condition-attributes.ts";
import { readCredential, type Unauthenticated } from "./credential.ts";
import { authorizationFailed, clip, denyAssignmentFailed, notImplemented } from "./errors.ts";
import { isObject, type Json, type JsonObject, parseBody } from "./json.ts";
import { requireUnlocked } from "./locks.ts";
import type {
  Call,
  Caller,
  ControlPlane,
  GuardedOperation,
  InnerRequest,
  Method,
  Outcome,
  Requirement,
} from "./operation.ts";
import { findRoute, type Route, type RouteTable, requirementOf } from "./operations.ts";
import { recordedDetails } from "./record-details.ts";
import { renderReply } from "./render.ts";
import { requireSubscription } from "./resource-groups.ts";
import { type CallerRights, loadRights } from "./role-assignments.ts";
import { checkApiVersion, checkSubscriptionId } from "./validation.ts";

export interface Gateway {
  readonly plane: ControlPlane;
  readonly table: RouteTable;
  readonly verifier: TokenVerifier;
  readonly record: (entry: DiagnosticRecord) => void;
  readonly reportFault: (fault: unknown) => void;
}

/** What is learned about a request on its way, for the reply's headers and the record. */
interface Trace {
  readonly requestId: string;
  readonly correlationId: string;
  readonly startedAt: number;
  readonly decisions: Decision[];
  caller?: Caller;
  operation?: string;
  /** What the record may keep of the body, as JSON. */
  details?: string | undefined;
}

/** One request on its way through the phases; a nested one carries its deployment's caller. */
interface Job {
  readonly method: string;
  readonly address: Address;
  readonly apiVersion: string;
  readonly caller: Caller;
  readonly origin: string;
  readonly rawBody: Uint8Array;
  /** The body of a nested request, which was never bytes. */
  readonly value?: Json | undefined;
  readonly shownTemplate?: JsonObject | undefined;
  readonly nested: boolean;
  readonly trace: Trace;
}

/** The control plane as an HTTP service. */
export function createService(gateway: Gateway): Service {
  return async (request) => {
    const trace = beginTrace(gateway, request);
    let outcome: Outcome | undefined;
    let error: unknown;
    let challenge: string | undefined;
    try {
      const answer = await answerRequest(gateway, request, trace);
      if ("refusal" in answer) {
        error = answer.refusal.error;
        challenge = challengeOf(gateway, request.origin, answer.refusal);
      } else outcome = answer;
    } catch (cause) {
      error = cause;
    }
    const reply = renderReply(gateway.plane.clock.now(), request, trace, { outcome, error, challenge });
    finish(gateway, request, trace, reply.status, error);
    return reply;
  };
}

function beginTrace(gateway: Gateway, request: Request): Trace {
  const requestId = uuid(gateway.plane.entropy);
  const sent = request.headers["x-ms-correlation-request-id"];
  const usable = sent !== undefined && /^[0-9a-f-]{36}$/i.test(sent);
  const startedAt = gateway.plane.clock.now();
  return { requestId, correlationId: usable ? sent : requestId, startedAt, decisions: [] };
}

/**
 * Hands every decision of the request to diagnostics, each as an entry of its own. The one that matters most, the
 * first denial or else the row's own decision, comes last, so that "the newest" is the one to explain.
 */
function finish(gateway: Gateway, request: Request, trace: Trace, status: number, error: unknown): void {
  if (error !== undefined && !(error instanceof ArmError)) gateway.reportFault(error);
  const main = trace.decisions.find((decision) => !decision.allowed) ?? trace.decisions[0];
  const others = trace.decisions.filter((decision) => decision !== main);
  for (const decision of [...others, main]) {
    gateway.record({
      time: trace.startedAt,
      activityId: trace.requestId,
      category: "ControlPlaneRequests",
      account: "Azure Resource Manager",
      operationName: decision?.action ?? trace.operation ?? "Unknown",
      method: request.method,
      resource: decision?.resource ?? request.target.split("?")[0] ?? "",
      statusCode: status,
      substatus: 0,
      duration: gateway.plane.clock.now() - trace.startedAt,
      requestCharge: 0,
      userAgent: request.headers["user-agent"] ?? "",
      clientIpAddress: request.remoteAddress,
      authTokenType: trace.caller === undefined ? "" : "AadToken",
      ...(trace.caller === undefined ? {} : { principalId: trace.caller.objectId }),
      ...(decision === undefined ? {} : { decision }),
      ...(error instanceof ArmError ? { message: error.message } : {}),
      control: controlPlace(trace),
    });
  }
}

function controlPlace({ correlationId, details }: Trace): NonNullable<DiagnosticRecord["control"]> {
  return { correlationId, ...(details === undefined ? {} : { details }) };
}

async function answerRequest(
  gateway: Gateway,
  request: Request,
  trace: Trace,
): Promise<Outcome | { readonly refusal: Unauthenticated }> {
  const address = parseTarget(request.target);
  const apiVersion = address.query.get("api-version") ?? "";
  const found = routeOrError(gateway, request.method, address, apiVersion);
  if (!(found instanceof ArmError) && found.operation.action === "public") {
    checkApiVersion(apiVersion);
    trace.operation = found.operation.path;
    const { plane } = gateway;
    const call = { plane, address, parameters: found.parameters, apiVersion, origin: request.origin };
    return found.operation.handler(call);
  }
  const credential = await readCredential(request.headers["authorization"], {
    verifier: gateway.verifier,
    tenantId: gateway.plane.tenantId,
    ownOrigins: gateway.plane.ownOrigins(),
    now: gateway.plane.clock.now(),
  });
  if (!credential.ok) return { refusal: credential.refusal };
  trace.caller = credential.caller;
  if (request.bodyTooLarge === true || request.body.length > bodyBytesMax) throw contentTooLarge();
  checkApiVersion(apiVersion);
  return perform(gateway, {
    method: request.method,
    address,
    apiVersion,
    caller: credential.caller,
    origin: request.origin,
    rawBody: request.body,
    nested: false,
    trace,
  });
}

function routeOrError(
  gateway: Gateway,
  method: string,
  address: Address,
  apiVersion: string,
): Route | ArmError {
  try {
    return findRoute(gateway.table, method, address, apiVersion);
  } catch (error) {
    if (error instanceof ArmError) return error;
    throw error;
  }
}

/** The service's limit; the listener, which serves other services as well, lets more through. */
const bodyBytesMax = 4 * 1024 * 1024;

function contentTooLarge(): ArmError {
  return new ArmError(
    413,
    "RequestContentTooLarge",
    "The request content size exceeds the maximum size of 4 MB.",
  );
}

/** Decision and handler for a request whose caller is known. */
async function perform(gateway: Gateway, job: Job): Promise<Outcome> {
  const route = findRoute(gateway.table, job.method, job.address, job.apiVersion);
  const { operation } = route;
  if (operation.action === "public") throw notImplemented("This request");
  job.trace.operation ??= `${operation.method} ${operation.path}`;
  job.trace.details = recordedDetails(job.address.path, job.nested ? job.value : job.rawBody);
  await checkSubscription(gateway.plane, job.address);
  const requirement = requirementOf(route, job.address);
  const keep = await authorize(gateway, job, operation, requirement);
  if (operation.handler === undefined) {
    throw notImplemented(`The operation '${operation.method} ${operation.path}'`);
  }
  await requireUnlocked(gateway.plane.store, operation.method, lockedId(operation, requirement, job.address));
  const outcome = await operation.handler(callOf(gateway, job, route, operation, requirement));
  return keep === undefined ? outcome : { ...outcome, body: filterList(outcome.body, keep) };
}

/** What a lock would protect. Reading in the form of a POST (`listKeys`, `validate`) is an action on its resource. */
function lockedId(operation: GuardedOperation, requirement: Requirement, address: Address): string {
  return operation.action === "anyCaller" ? address.path : requirement.scope;
}

async function checkSubscription(plane: ControlPlane, address: Address): Promise<void> {
  const id = address.segments[1];
  if (address.segments[0]?.toLowerCase() !== "subscriptions" || id === undefined) return;
  checkSubscriptionId(id);
  await requireSubscription(plane.store, id);
}

/** Tells for an entry of a list whether the caller may see it. */
type Keep = (type: string, id: string) => boolean;

/**
 * Throws ArmError 403 unless the caller holds the row's action. For a filtered list it is enough to hold it
 * somewhere below; then the answer says what to keep.
 */
async function authorize(
  gateway: Gateway,
  job: Job,
  operation: GuardedOperation,
  required: Requirement,
): Promise<Keep | undefined> {
  if (operation.action === "anyCaller") return undefined;
  const rights = await rightsOf(gateway, job.caller);
  const attributes = rights.isConditional
    ? await conditionAttributes(gateway.plane, required, () => sentBody(job))
    : undefined;
  const decision = rights.decide(
    required.action,
    required.scope,
    attributes === undefined ? {} : { attributes },
  );
  if (!decision.allowed && operation.filtered === true) {
    const below = decideBelow(rights, required);
    if (below !== undefined) {
      job.trace.decisions.push(below);
      return shown(rights);
    }
  }
  job.trace.decisions.push(decision);
  if (!decision.allowed) throw refusal(job.caller, required, decision);
  if (operation.filtered === true && rights.deniedBelow(filteredScope(required))) return shown(rights);
  return undefined;
}

/** The body for the decision, which leaves what is wrong with it to the handler. */
function sentBody(job: Job): Json | undefined {
  if (job.nested) return job.value;
  try {
    return parseBody(job.rawBody);
  } catch {
    return undefined;
  }
}

function shown(rights: CallerRights): Keep {
  return (type, id) => rights.decide(`${listedType(type)}/read`, id).allowed;
}

/** What a list is of: its scope without the namespace that some lists have at the end. */
function filteredScope({ scope }: Requirement): string {
  return scope.replace(/\/providers\/[^/]+$/i, "");
}

function decideBelow(rights: CallerRights, required: Requirement): Decision | undefined {
  const container = filteredScope(required);
  for (const assignment of rights.assignments) {
    if (!scopeCovers(container, assignment.scope)) continue;
    const decision = rights.decide(required.action, assignment.scope);
    if (decision.allowed) return decision;
  }
  return undefined;
}

/** The type whose read action shows an entry: groups have two spellings of their type. */
function listedType(type: string): string {
  const group = type.toLowerCase() === "microsoft.resources/resourcegroups";
  return group ? "Microsoft.Resources/subscriptions/resourceGroups" : type;
}

function filterList(body: unknown, keep: Keep): unknown {
  const value = isObject(body as Json) ? (body as { readonly value?: unknown }).value : undefined;
  if (!Array.isArray(value)) return body;
  const kept = value.filter((entry: { readonly id?: unknown; readonly type?: unknown }) =>
    keep(String(entry.type ?? ""), String(entry.id ?? "")),
  );
  return { ...(body as object), value: kept };
}

async function rightsOf(gateway: Gateway, caller: Caller): Promise<CallerRights> {
  const { store, directory, clock } = gateway.plane;
  return loadRights(store, directory, caller.objectId, clock.now());
}

function refusal(caller: Caller, required: Requirement, decision: Decision): ArmError {
  if (!decision.allowed && decision.deny !== undefined) {
    return denyAssignmentFailed(caller, required, decision.deny);
  }
  return authorizationFailed(caller.name, caller.objectId, required.action, required.scope);
}

function callOf(
  gateway: Gateway,
  job: Job,
  route: Route,
  operation: GuardedOperation,
  requirement: Requirement,
): Call {
  const { plane } = gateway;
  const { caller, trace } = job;
  const decide = async (action: string, scope: string, isRehearsal = false): Promise<Decision> => {
    const decision = (await rightsOf(gateway, caller)).decide(action, scope, { isRehearsal });
    trace.decisions.push(decision);
    return decision;
  };
  return {
    plane,
    address: job.address,
    parameters: route.parameters,
    apiVersion: job.apiVersion,
    origin: job.origin,
    caller,
    requirement,
    body: bodyOf(job, operation),
    rawBody: job.rawBody,
    requestId: trace.requestId,
    correlationId: trace.correlationId,
    nested: job.nested,
    shownTemplate: job.shownTemplate,
    decide: (action, scope) => decide(action, scope),
    async require(action, scope) {
      const decision = await decide(action, scope);
      if (!decision.allowed) throw refusal(caller, { action, scope }, decision);
    },
    async check(method, id, apiVersion) {
      const required = await requirementFor(gateway, method, id, apiVersion);
      return {
        ...required,
        decision: await decide(required.action, required.scope, hasAttributes(required.action)),
      };
    },
    dispatch: (inner) => dispatch(gateway, job, inner),
    reportFault: gateway.reportFault,
  };
}

function bodyOf(job: Job, operation: GuardedOperation): Json | undefined {
  if (job.nested) return job.value;
  if (operation.rawBody === true || job.method === "GET" || job.method === "HEAD") return undefined;
  return parseBody(job.rawBody);
}

async function requirementFor(
  gateway: Gateway,
  method: Method,
  id: string,
  apiVersion: string,
): Promise<Requirement> {
  const address = parseId(id, new Map([["api-version", apiVersion]]));
  return requirementOf(findRoute(gateway.table, method, address, apiVersion), address);
}

/** A request that a running deployment makes as its caller; it is recorded on its own. */
async function dispatch(gateway: Gateway, outer: Job, inner: InnerRequest): Promise<Outcome> {
  checkApiVersion(inner.apiVersion);
  const address = parseId(inner.id, new Map([["api-version", inner.apiVersion]]));
  const trace: Trace = {
    requestId: uuid(gateway.plane.entropy),
    correlationId: outer.trace.correlationId,
    startedAt: gateway.plane.clock.now(),
    decisions: [],
    caller: outer.caller,
  };
  const request = innerRequest({ ...outer, address }, inner.method);
  let error: unknown;
  let status = 500;
  try {
    const outcome = await perform(gateway, {
      method: inner.method,
      address,
      apiVersion: inner.apiVersion,
      caller: outer.caller,
      origin: outer.origin,
      rawBody: new Uint8Array(),
      value: inner.body,
      shownTemplate: inner.shownTemplate,
      nested: true,
      trace,
    });
    status = outcome.status;
    return outcome;
  } catch (cause) {
    error = cause;
    if (cause instanceof ArmError) status = cause.status;
    throw cause;
  } finally {
    finish(gateway, request, trace, status, error);
  }
}

/** A request that never was on the wire, for its record. */
function innerRequest(job: Pick<Job, "address" | "origin">, method: string): Request {
  return {
    method,
    target: job.address.path,
    headers: {},
    body: new Uint8Array(),
    origin: job.origin,
    remoteAddress: "",
  };
}

/** The `WWW-Authenticate` value from which SDKs learn the authority and the tenant. */
function challengeOf(gateway: Gateway, origin: string, refused: Unauthenticated): string {
  const { authority } = gateway.plane.endpoints(origin);
  const description = clip(refused.description).replace(/[^\x20-\x7e]|["\\]/g, " ");
  if (refused.claims !== undefined) {
    return `Bearer authorization_uri="${authority}/${gateway.plane.tenantId}", error="insufficient_claims", claims="${refused.claims}"`;
  }
  return `Bearer authorization_uri="${authority}/${gateway.plane.tenantId}", error="invalid_token", error_description="${description}"`;
}

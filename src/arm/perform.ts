/**
 * Decision and handler of a control-plane request whose caller is known. Operations come in as rows of the table and
 * never see a request that was not decided; a deployment's own requests pass through the same function, so a template
 * can do nothing that its caller could not do by hand. Apart from the gateway, which loads it when it is needed.
 */
import type { Decision } from "../authz/decision.ts";
import { ArmError } from "../azure/arm-error.ts";
import { scopeCovers } from "../azure/resource-id.ts";
import { uuid } from "../clock.ts";
import type { CosmosControl } from "../cosmos/control.ts";
import type { Request } from "../http/service.ts";
import { type Address, parseId } from "./address.ts";
import { conditionAttributes, hasAttributes } from "./condition-attributes.ts";
import { authorizationFailed, denyAssignmentFailed, notImplemented } from "./errors.ts";
import { finish, type Gateway, type Job, type Trace } from "./gateway.ts";
import { isObject, type Json, parseBody } from "./json.ts";
import { requireUnlocked } from "./locks.ts";
import type {
  Call,
  Caller,
  ControlPlane,
  GuardedOperation,
  InnerRequest,
  Method,
  Operation,
  Outcome,
  Requirement,
} from "./operation.ts";
import {
  compileTable,
  findRoute,
  type Route,
  type RouteTable,
  removals,
  requirementOf,
} from "./operations.ts";
import { recordedDetails } from "./record-details.ts";
import { requireSubscription } from "./resource-groups.ts";
import { type CallerRights, loadRights } from "./role-assignments.ts";
import { checkApiVersion, checkSubscriptionId } from "./validation.ts";

/** What the phases of one control plane work with. */
interface Performer extends Pick<Gateway, "record" | "reportFault"> {
  readonly plane: ControlPlane;
  readonly table: RouteTable;
}

/**
 * Makes the function that decides and handles, over the table of all operations; `strict` refuses resources of
 * namespaces that we do not know. It throws ArmError for whatever is refused.
 */
export function createPerform(
  parts: Pick<Gateway, "plane" | "record" | "reportFault">,
  cosmos: CosmosControl,
  strict: boolean | undefined,
): Gateway["perform"] {
  const plane = { ...parts.plane, cosmos, removals };
  const performer: Performer = { ...parts, plane, table: compileTable(strict) };
  return async (job) => {
    checkApiVersion(job.apiVersion);
    return perform(performer, job);
  };
}

async function perform(performer: Performer, job: Job): Promise<Outcome> {
  const route = findRoute(performer.table, job.method, job.address, job.apiVersion);
  const { operation } = route;
  if (operation.action === "public") throw notImplemented("This request");
  job.trace.operation ??= `${operation.method} ${operation.path}`;
  job.trace.details = recordedDetails(job.address.path, job.nested ? job.value : job.rawBody);
  await checkSubscription(performer.plane, job.address);
  const requirement = requirementOf(route, job.address);
  const keep = await authorize(performer, job, operation, requirement);
  if (operation.handler === undefined) {
    throw notImplemented(`The operation '${operation.method} ${operation.path}'`);
  }
  await requireUnlocked(
    performer.plane.store,
    operation.method,
    lockedId(operation, requirement, job.address),
  );
  const outcome = await operation.handler(callOf(performer, job, route, operation, requirement));
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
  performer: Performer,
  job: Job,
  operation: GuardedOperation,
  required: Requirement,
): Promise<Keep | undefined> {
  if (operation.action === "anyCaller") return undefined;
  const rights = await rightsOf(performer, job.caller);
  const attributes = rights.isConditional
    ? await conditionAttributes(performer.plane, required, () => sentBody(job))
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
  const { address } = job;
  const body = (): Json | undefined => sentBody(job);
  const refused = { operation, required, address, body, decision };
  const elsewhere = await decideElsewhere(performer, rights, refused);
  if (elsewhere !== undefined) {
    job.trace.decisions.push(elsewhere);
    return undefined;
  }
  job.trace.decisions.push(decision);
  if (!decision.allowed) throw refusal(job.caller, required, decision);
  if (operation.filtered === true && rights.deniedBelow(filteredScope(required))) return shown(rights);
  return undefined;
}

interface Decided {
  readonly operation: Operation;
  readonly required: Requirement;
  readonly address: Address;
  readonly body: () => Json | undefined;
  readonly decision: Decision;
}

/** The decision that allows what no role grants at the id itself, where the row says that one elsewhere is enough. */
async function decideElsewhere(
  { plane }: Performer,
  rights: CallerRights,
  { operation, required, address, body, decision }: Decided,
): Promise<Decision | undefined> {
  if (decision.allowed || decision.deny !== undefined || operation.action === "public") return undefined;
  const scope = await operation.enoughAt?.(plane, address, body());
  if (scope === undefined) return undefined;
  const there = rights.decide(required.action, scope);
  return there.allowed ? there : undefined;
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

async function rightsOf(performer: Performer, caller: Caller): Promise<CallerRights> {
  const { store, directory, clock } = performer.plane;
  return loadRights(store, directory, caller.objectId, clock.now());
}

function refusal(caller: Caller, required: Requirement, decision: Decision): ArmError {
  if (!decision.allowed && decision.deny !== undefined) {
    return denyAssignmentFailed(caller, required, decision.deny);
  }
  return authorizationFailed(caller.name, caller.objectId, required.action, required.scope);
}

function callOf(
  performer: Performer,
  job: Job,
  route: Route,
  operation: GuardedOperation,
  requirement: Requirement,
): Call {
  const { plane } = performer;
  const { caller, trace } = job;
  const decide = async (action: string, scope: string): Promise<Decision> => {
    const decision = (await rightsOf(performer, caller)).decide(action, scope);
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
    decide,
    async require(action, scope) {
      const decision = await decide(action, scope);
      if (!decision.allowed) throw refusal(caller, { action, scope }, decision);
    },
    async check(method, id, apiVersion, body) {
      const { operation: checked, address, ...required } = routeOf(performer, method, id, apiVersion);
      const rights = await rightsOf(performer, caller);
      const isRehearsal = hasAttributes(required.action);
      const own = rights.decide(required.action, required.scope, { isRehearsal });
      const asked = { operation: checked, required, address, body, decision: own };
      const decision = (await decideElsewhere(performer, rights, asked)) ?? own;
      trace.decisions.push(decision);
      return { ...required, decision };
    },
    dispatch: (inner) => dispatch(performer, job, inner),
    reportFault: performer.reportFault,
  };
}

function bodyOf(job: Job, operation: GuardedOperation): Json | undefined {
  if (job.nested) return job.value;
  if (operation.rawBody === true || job.method === "GET" || job.method === "HEAD") return undefined;
  return parseBody(job.rawBody);
}

function routeOf(
  performer: Performer,
  method: Method,
  id: string,
  apiVersion: string,
): Requirement & { readonly operation: Operation; readonly address: Address } {
  const address = parseId(id, new Map([["api-version", apiVersion]]));
  const route = findRoute(performer.table, method, address, apiVersion);
  return { ...requirementOf(route, address), operation: route.operation, address };
}

/** A request that a running deployment makes as its caller; it is recorded on its own. */
async function dispatch(performer: Performer, outer: Job, inner: InnerRequest): Promise<Outcome> {
  checkApiVersion(inner.apiVersion);
  const address = parseId(inner.id, new Map([["api-version", inner.apiVersion]]));
  const trace: Trace = {
    requestId: uuid(performer.plane.entropy),
    correlationId: outer.trace.correlationId,
    startedAt: performer.plane.clock.now(),
    decisions: [],
    caller: outer.caller,
  };
  const request = innerRequest({ ...outer, address }, inner.method);
  let error: unknown;
  let status = 500;
  try {
    const outcome = await perform(performer, {
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
    finish(performer, request, trace, status, error);
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

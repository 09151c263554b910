/**
 * Whether the caller may do what a deployment is about to do, asked for every resource before any is written, those of
 * nested deployments included as far as they are known by then. Apart from the preparation, which every nested run
 * repeats: this is asked once, for the whole.
 */
import { ArmError, type ArmErrorDetail } from "../../azure/arm-error.ts";
import { sameResourceId } from "../../azure/resource-id.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
  without,
} from "../json.ts";
import { normalizeLocation } from "../locations.ts";
import type { Call, Method } from "../operation.ts";
import { makeBody } from "./apply.ts";
import { type Budget, type Environment, evaluateValue, RuntimeValueNeeded } from "./evaluate.ts";
import { ExpressionError } from "./expressions.ts";
import type { ResourceInstance } from "./instances.ts";
import { bodyOf, isNestedDeployment, type PreparedDeployment, prepareDeployment } from "./prepare.ts";
import { type DeploymentTarget, targetOfId } from "./target.ts";
import { type DeploymentRequest, loadDeployment, requireIncremental } from "./template.ts";
import { invalidDeployment } from "./template-errors.ts";

/** What the caller must be allowed to do with each resource, by the level at which the deployment is to be validated. */
const asked: Readonly<Record<DeploymentRequest["validationLevel"], Method | undefined>> = {
  Provider: "PUT",
  ProviderNoRbac: "GET",
  Template: undefined,
};

/** Resources that are asked about; what one deployment can write is bounded alike. */
const resourcesMax = 2000;

/** Steps that all nested templates together may take; each run has a fifth of that for itself. */
const workMax = 5_000_000;

interface Preflight {
  readonly call: Call;
  readonly method: Method;
  /** Whether what nested deployments hold is asked about as well. */
  readonly nested: boolean;
  readonly failures: ArmErrorDetail[];
  /** For all evaluations of it, apart from what the run may cost. */
  readonly budget: Budget;
  left: number;
}

/**
 * Throws ArmError 400 `InvalidTemplateDeployment` when the caller may not write a resource of the deployment or, with
 * `nested`, of those inside it, and `InvalidTemplate` for what is wrong with a template inside. One whose parameters or
 * place only the running deployment knows is left to its own run.
 */
export async function preflight(call: Call, prepared: PreparedDeployment, nested: boolean): Promise<void> {
  const method = asked[prepared.request.validationLevel];
  if (method === undefined) return;
  const state: Preflight = {
    call,
    method,
    nested,
    failures: [],
    budget: { left: workMax },
    left: resourcesMax,
  };
  await askAll(state, prepared, []);
  if (state.failures.length > 0) throw invalidDeployment(state.failures);
}

/** `groups` are the resource groups that the deployments around this one make. */
async function askAll(
  state: Preflight,
  prepared: PreparedDeployment,
  groups: readonly ResourceInstance[],
): Promise<void> {
  const written = prepared.instances.filter(({ enabled, existing }) => enabled && !existing);
  for (const instance of written) {
    if (state.left-- <= 0) return;
    const failure = await askOne(state, instance);
    if (failure !== undefined) state.failures.push(failure);
  }
  if (!state.nested) return;
  const known = [...groups, ...written.filter(({ type }) => groupTypes.has(type.toLowerCase()))];
  for (const instance of written.filter(isNestedDeployment)) {
    // What is beyond the bounds is left to the runs, which have theirs.
    if (state.left <= 0 || state.budget.left < 0) return;
    await askNested(state, prepared, instance, known);
  }
}

const groupTypes: ReadonlySet<string> = new Set([
  "microsoft.resources/resourcegroups",
  "microsoft.resources/subscriptions/resourcegroups",
]);

async function askOne(
  { call, method, budget }: Preflight,
  instance: ResourceInstance,
): Promise<ArmErrorDetail | undefined> {
  try {
    const body = (): Json | undefined => planned(instance, budget);
    const { action, scope, decision } = await call.check(method, instance.id, instance.apiVersion, body);
    if (decision.allowed) return undefined;
    const { name, objectId } = call.caller;
    return {
      code: "AuthorizationFailed",
      target: instance.id,
      message: `Authorization failed for template resource '${instance.name}' of type '${instance.type}'. The client '${name}' with object id '${objectId}' does not have permission to perform action '${action}' at scope '${scope}'.`,
    };
  } catch (error) {
    if (error instanceof ArmError) return { ...error.detail, target: instance.id };
    throw error;
  }
}

/** The body where it is known already. */
function planned(instance: ResourceInstance, budget: Budget): Json | undefined {
  try {
    return evaluateValue(bodyOf(instance), { ...instance.environment, budget });
  } catch (error) {
    if (error instanceof RuntimeValueNeeded || error instanceof ExpressionError) return undefined;
    throw error;
  }
}

async function askNested(
  state: Preflight,
  prepared: PreparedDeployment,
  instance: ResourceInstance,
  groups: readonly ResourceInstance[],
): Promise<void> {
  const { call, budget } = state;
  const environment: Environment = { ...instance.environment, budget };
  let isWhole = true;
  const evaluate = async (value: Json): Promise<Json> => {
    try {
      return evaluateValue(value, environment);
    } catch (error) {
      if (!(error instanceof RuntimeValueNeeded) || !isTemplate(value)) throw error;
      isWhole = false;
      return knownPart(value, environment);
    }
  };
  try {
    const target = await placeOf(state, instance, groups);
    if (target === undefined) return;
    const body = await makeBody(call, prepared, instance, evaluate);
    const request = await loadDeployment(call, { value: body, positionOf: () => undefined });
    requireIncremental(request, instance.name);
    await askAll(state, await prepareDeployment(call, target, request, budget), groups);
  } catch (error) {
    if (error instanceof RuntimeValueNeeded) return;
    if (!(error instanceof ArmError) && !(error instanceof ExpressionError)) throw error;
    // Of a template that is known in part, what seems to be wrong may be what is not known.
    if (!(error instanceof ArmError) || !isWhole || budget.left < 0) return;
    if (error.detail.code === "InvalidTemplate") throw error;
    // Anything else may be there when its turn comes.
    if (error.status === 403) state.failures.push({ ...error.detail, target: instance.id });
  }
}

function isTemplate(value: Json): value is JsonObject {
  return isObject(value) && member(value, "resources") !== undefined;
}

/** What says which resource it is and whether it is written at all. */
const identifying: ReadonlySet<string> = new Set([
  "apiversion",
  "condition",
  "copy",
  "existing",
  "name",
  "resourcegroup",
  "scope",
  "subscriptionid",
  "type",
]);

/** A template that is evaluated as part of the one around it, without what only the run will know. */
function knownPart(template: JsonObject, environment: Environment): JsonObject {
  const resources = member(template, "resources") ?? null;
  const known = (value: Json): Json | undefined => {
    try {
      return evaluateValue(value, environment);
    } catch (error) {
      if (error instanceof RuntimeValueNeeded) return undefined;
      throw error;
    }
  };
  const ofResource = (resource: Json): Json | undefined => {
    const whole = known(resource);
    if (whole !== undefined || !isObject(resource)) return whole;
    const kept = Object.entries(resource).filter(([name]) => identifying.has(name.toLowerCase()));
    return known(Object.fromEntries(kept));
  };
  const entries = isArray(resources)
    ? resources.flatMap((each) => ofResource(each) ?? [])
    : Object.fromEntries(
        Object.entries(isObject(resources) ? resources : {}).flatMap(([symbol, each]) => {
          const value = ofResource(each);
          return value === undefined ? [] : [[symbol, value]];
        }),
      );
  const rest = without(template, ["resources", "outputs"]);
  const around = Object.entries(rest).flatMap(([name, each]) => {
    const value = known(each);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(around), resources: entries };
}

/** Where a nested deployment runs; `undefined` where that is not there yet, and no template says what it will be like. */
async function placeOf(
  { call, budget }: Preflight,
  instance: ResourceInstance,
  groups: readonly ResourceInstance[],
): Promise<DeploymentTarget | undefined> {
  const { store, tenantId } = call.plane;
  try {
    return await targetOfId(store, tenantId, instance.id, instance.name);
  } catch (error) {
    if (!(error instanceof ArmError) || error.status !== 404) throw error;
    const [groupId = ""] = /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+/i.exec(instance.id) ?? [];
    const made = groups.find(({ id }) => sameResourceId(id, groupId));
    return made === undefined ? undefined : placeIn(call, instance, planned(made, budget));
  }
}

/** The group with this body, which is not there yet. */
async function placeIn(
  call: Call,
  { id, name }: ResourceInstance,
  body: Json | undefined,
): Promise<DeploymentTarget | undefined> {
  const { store, tenantId } = call.plane;
  const [head = "", groupName = ""] = id.split(/\/resourceGroups\//i);
  const around = await targetOfId(store, tenantId, `${head}/providers/x/y/z`, name);
  if (around.subscription === undefined || body === undefined) return undefined;
  const tags = objectMember(body, "tags");
  return {
    ...around,
    group: {
      subscriptionId: around.subscription.subscriptionId,
      name: groupName.split("/")[0] ?? "",
      location: normalizeLocation(stringMember(body, "location") ?? ""),
      ...(tags === undefined ? {} : { tags }),
    },
  };
}

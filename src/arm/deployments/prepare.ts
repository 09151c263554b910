/**
 * Everything about a deployment that is decided before anything is changed: parameters, the resources it means and
 * their order. `validate` and the deployment itself share it.
 */
import { describeEnvironment } from "../cloud-metadata.ts";
import { isObject, type Json, type JsonObject, member, without } from "../json.ts";
import type { Call } from "../operation.ts";
import { type Budget, type Environment, evaluateValue, newBudget, RuntimeValueNeeded } from "./evaluate.ts";
import { ExpressionError } from "./expressions.ts";
import { templateHash } from "./hashes.ts";
import { expandResources, type ResourceInstance } from "./instances.ts";
import { shownLink } from "./links.ts";
import { buildGraph, type DeploymentGraph, type InstanceIndex, indexInstances } from "./order.ts";
import type { ParameterValue } from "./parameters.ts";
import { createScope } from "./scope-functions.ts";
import { shownValue } from "./secure-values.ts";
import { type DeploymentTarget, deploymentId, describePlace, scopeIdOf } from "./target.ts";
import type { DeploymentRequest } from "./template.ts";
import { resourceExpressionFailed } from "./template-errors.ts";

export interface PreparedDeployment {
  readonly id: string;
  readonly scopeId: string;
  readonly target: DeploymentTarget;
  readonly request: DeploymentRequest;
  readonly environment: Environment;
  /** See `Scope`. */
  readonly shownFunctions: Environment["functions"] | undefined;
  readonly parameters: readonly ParameterValue[];
  readonly instances: readonly ResourceInstance[];
  readonly index: InstanceIndex;
  readonly graph: DeploymentGraph;
  readonly templateHash: string;
}

/** Throws ArmError 400 for the template or its parameters. Evaluates no more than `budget` lets it. */
export async function prepareDeployment(
  call: Call,
  target: DeploymentTarget,
  request: DeploymentRequest,
  budget: Budget = newBudget(),
): Promise<PreparedDeployment> {
  const { template } = request;
  const scopeId = scopeIdOf(target);
  const hash = templateHash(template.document);
  const subscriptionId = target.subscription?.subscriptionId ?? "";
  const scope = createScope({
    template,
    given: request.parameters,
    secrets: request.secrets,
    scopeId,
    subscriptionId,
    ...describePlace(target, call.plane.tenantId),
    tenant: { tenantId: call.plane.tenantId, displayName: call.plane.tenantName, countryCode: "US" },
    environment: describeEnvironment(call),
    deployment: describeDeployment(target, request, hash),
    deployer: {
      objectId: call.caller.objectId,
      tenantId: call.plane.tenantId,
      userPrincipalName: call.caller.isUser ? call.caller.name : "",
    },
    clock: call.plane.clock,
    entropy: call.plane.entropy,
    budget,
  });
  const { environment, parameters, shownFunctions } = scope;
  const expanded = expandResources(template, environment, { scopeId, subscriptionId });
  const index = indexInstances(expanded.instances);
  const graph = buildGraph(expanded, index);
  for (const instance of expanded.instances) checkBody(instance);
  return {
    id: deploymentId(target),
    scopeId,
    target,
    request,
    environment,
    shownFunctions,
    parameters,
    instances: expanded.instances,
    index,
    graph,
    templateHash: hash,
  };
}

function describeDeployment(target: DeploymentTarget, request: DeploymentRequest, hash: string): JsonObject {
  return {
    name: target.name,
    id: deploymentId(target),
    type: "Microsoft.Resources/deployments",
    ...(request.location === undefined ? {} : { location: request.location }),
    properties: {
      ...(request.templateLink === undefined
        ? { template: request.template.document }
        : { templateLink: shownLink(request.templateLink) }),
      templateHash: hash,
      parameters: request.parameters,
      mode: request.mode,
      provisioningState: "Accepted",
    },
  };
}

/** Members of a template resource that are the engine's, not the resource's. */
const engineMembers = [
  "type",
  "name",
  "apiVersion",
  "condition",
  "copy",
  "dependsOn",
  "scope",
  "resources",
  "comments",
  "existing",
  "metadata",
  "resourceGroup",
  "subscriptionId",
  "@options",
  "asserts",
  "import",
  "extension",
];

/** The unevaluated body of the write that a resource stands for. */
export function bodyOf(instance: ResourceInstance): JsonObject {
  return without(instance.source, engineMembers);
}

export function isNestedDeployment(instance: ResourceInstance): boolean {
  return instance.type.toLowerCase() === "microsoft.resources/deployments";
}

/**
 * Evaluates what can be evaluated of a body before the run, member by member, so that a mistake in the template is
 * found before anything is changed. What needs the running deployment is left for later.
 */
function checkBody(instance: ResourceInstance): void {
  if (!instance.enabled || isNestedDeployment(instance)) return;
  const body = bodyOf(instance);
  const { properties, ...rest } = body;
  const open = isObject(properties) && member(properties, "copy") === undefined;
  const parts = open ? [rest, ...Object.values(properties)] : [body];
  for (const part of parts) checkPart(instance, part);
}

function checkPart(instance: ResourceInstance, part: Json): void {
  try {
    evaluateValue(part, instance.environment);
  } catch (error) {
    if (error instanceof RuntimeValueNeeded) return;
    if (!(error instanceof ExpressionError)) throw error;
    throw resourceExpressionFailed(instance.id, instance.position, error.message);
  }
}

/** `{name: {type, value}}` as a deployment shows its parameters: secret ones, and secret parts, without their value. */
export function renderParameters({ parameters, request }: PreparedDeployment): JsonObject {
  return Object.fromEntries(
    parameters.map(({ name, type, value, declaration, reference }) => {
      if (reference !== undefined) return [name, { type, reference }];
      const shown = shownValue(value, declaration, request.template.definitions).value;
      return [name, shown === undefined ? { type } : { type, value: shown }];
    }),
  );
}

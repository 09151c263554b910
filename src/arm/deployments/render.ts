/** Deployments and their operations as the service shows them. */
import { type Json, type JsonObject, stringMember } from "../json.ts";
import type { ResourceInstance } from "./instances.ts";
import type { DeploymentGraph } from "./order.ts";
import type { DeploymentOperationRecord, DeploymentRecord } from "./records.ts";

function duration(milliseconds: number): string {
  return `PT${Math.max(0, milliseconds) / 1000}S`;
}

type Shown = Readonly<Record<string, unknown>>;

export function renderDeployment(record: DeploymentRecord): Shown {
  return {
    id: record.id,
    name: record.name,
    type: "Microsoft.Resources/deployments",
    ...(record.location === undefined ? {} : { location: record.location }),
    ...(record.tags === undefined ? {} : { tags: record.tags }),
    properties: {
      templateHash: record.templateHash,
      ...(record.templateLink === undefined ? {} : { templateLink: record.templateLink }),
      ...(record.parametersLink === undefined ? {} : { parametersLink: record.parametersLink }),
      parameters: record.parameters,
      mode: record.mode,
      provisioningState: record.state,
      timestamp: new Date(record.changedAt).toISOString(),
      duration: duration(record.changedAt - record.startedAt),
      correlationId: record.correlationId,
      providers: record.providers,
      dependencies: record.dependencies,
      ...(record.outputs === undefined ? {} : { outputs: record.outputs }),
      ...(record.state === "Succeeded"
        ? { outputResources: record.outputResources.map((id) => ({ id })) }
        : {}),
      ...(record.error === undefined ? {} : { error: record.error }),
    },
  };
}

/** The names by which operations tell their HTTP status. */
const statusNames: ReadonlyMap<number, string> = new Map([
  [200, "OK"],
  [201, "Created"],
  [202, "Accepted"],
  [204, "NoContent"],
  [400, "BadRequest"],
  [403, "Forbidden"],
  [404, "NotFound"],
  [409, "Conflict"],
  [500, "InternalServerError"],
  [501, "NotImplemented"],
]);

export function renderOperation(deployment: DeploymentRecord, operation: DeploymentOperationRecord): Shown {
  const { target, error } = operation;
  return {
    id: `${deployment.id}/operations/${operation.operationId}`,
    operationId: operation.operationId,
    properties: {
      provisioningOperation: operation.operation,
      provisioningState: operation.state,
      timestamp: new Date(operation.finishedAt).toISOString(),
      duration: duration(operation.finishedAt - operation.startedAt),
      statusCode: statusNames.get(operation.status) ?? String(operation.status),
      ...(error === undefined ? {} : { statusMessage: { error } }),
      targetResource: { id: target.id, resourceType: target.type, resourceName: target.name },
    },
  };
}

/** Namespaces and types that a template uses, as `properties.providers` lists them. */
export function describeProviders(instances: readonly ResourceInstance[]): readonly Json[] {
  const namespaces = new Map<string, Map<string, Json>>();
  for (const instance of instances) {
    const slash = instance.type.indexOf("/");
    const namespace = instance.type.slice(0, slash);
    const types = namespaces.get(namespace) ?? new Map<string, Json>();
    const location = stringMember(instance.source, "location");
    const known = location === undefined || location.startsWith("[") ? null : location;
    types.set(instance.type.slice(slash + 1), known);
    namespaces.set(namespace, types);
  }
  return [...namespaces].map(([namespace, types]) => ({
    namespace,
    resourceTypes: [...types].map(([resourceType, location]) => ({ resourceType, locations: [location] })),
  }));
}

/** The edges of the graph, as `properties.dependencies` lists them. */
export function describeDependencies(graph: DeploymentGraph): readonly Json[] {
  const describe = (instance: ResourceInstance): JsonObject => ({
    id: instance.id,
    resourceType: instance.type,
    resourceName: instance.name,
  });
  return graph.order.flatMap((instance) => {
    const needed = [...(graph.dependencies.get(instance) ?? [])];
    return needed.length === 0 ? [] : [{ dependsOn: needed.map(describe), ...describe(instance) }];
  });
}

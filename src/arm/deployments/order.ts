/**
 * The order in which resources are deployed: edges from `dependsOn`, from `reference` and `list*` calls that name a
 * resource of the template, and between the batches of serial loops. A cycle is reported, never broken.
 */
import { isArray, isObject, type Json, without } from "../json.ts";
import { evaluate, RuntimeValueNeeded } from "./evaluate.ts";
import { callsIn, type Expression, ExpressionError, isExpression, parseExpression } from "./expressions.ts";
import type { ExpandedTemplate, ResourceInstance } from "./instances.ts";
import { invalidTemplate } from "./template-errors.ts";

/** Finds the instances that a name may mean. */
export interface InstanceIndex {
  /** By symbol, loop name, full id, name, `type/name` or provider path, in that order; empty for none. */
  readonly find: (name: string) => readonly ResourceInstance[];
}

export function indexInstances(instances: readonly ResourceInstance[]): InstanceIndex {
  const names = new Map<string, ResourceInstance[]>();
  const add = (name: string, instance: ResourceInstance): void => {
    const key = name.toLowerCase();
    const same = names.get(key) ?? [];
    if (!same.includes(instance)) same.push(instance);
    names.set(key, same);
  };
  for (const instance of instances) {
    if (instance.symbol !== undefined) add(`symbol:${instance.symbol}`, instance);
    for (const loop of instance.loopNames) add(`loop:${loop}`, instance);
    add(`id:${instance.id}`, instance);
    add(`name:${instance.name}`, instance);
    add(`name:${instance.type}/${instance.name}`, instance);
    add(`name:${instance.id.slice(instance.id.lastIndexOf("/providers/") + "/providers/".length)}`, instance);
  }
  return {
    find(name) {
      const trimmed = name.replace(/\/+$/, "").toLowerCase();
      for (const kind of trimmed.startsWith("/") ? ["id"] : ["symbol", "loop", "name"]) {
        const found = names.get(`${kind}:${trimmed}`);
        if (found !== undefined) return found;
      }
      return [];
    },
  };
}

export interface DeploymentGraph {
  /** Dependencies first; otherwise as they become free, in document order. */
  readonly order: readonly ResourceInstance[];
  readonly dependencies: ReadonlyMap<ResourceInstance, ReadonlySet<ResourceInstance>>;
}

/** Throws ArmError 400 `InvalidTemplate` for a dependency that is not in the template and for cycles. */
export function buildGraph({ instances, loops }: ExpandedTemplate, index: InstanceIndex): DeploymentGraph {
  const dependencies = new Map<ResourceInstance, Set<ResourceInstance>>();
  for (const instance of instances) {
    const found = implicit(instance, index).filter((each) => each !== instance);
    dependencies.set(instance, new Set([...explicit(instance, index, loops), ...found]));
  }
  addBatches(instances, dependencies);
  return { order: sort(instances, dependencies), dependencies };
}

function explicit(
  instance: ResourceInstance,
  index: InstanceIndex,
  loops: ReadonlySet<string>,
): ResourceInstance[] {
  return instance.dependsOn.flatMap((name) => {
    const found = index.find(name);
    if (found.length > 0) return found;
    if (loops.has(name.toLowerCase())) return [];
    throw invalidTemplate(
      `The resource '${name.slice(0, 300)}' is not defined in the template. Please see https://aka.ms/arm-syntax for usage details.`,
      instance.position,
    );
  });
}

/** Runtime calls whose target is known now; an id with an api-version means what exists outside the template. */
function implicit(instance: ResourceInstance, index: InstanceIndex): ResourceInstance[] {
  const body = without(instance.source, ["resources", "dependsOn"]);
  return runtimeCalls(nestedTemplateHidden(instance, body)).flatMap((call) => {
    const [target, version] = call.arguments;
    const name = target === undefined ? undefined : planText(target, instance);
    if (name === undefined) return [];
    if (name.startsWith("/") && version !== undefined) return [];
    return index.find(name);
  });
}

/** The inner template of a nested deployment has its own resources; its expressions are not the outer one's. */
function nestedTemplateHidden(instance: ResourceInstance, body: Json): Json {
  if (instance.type.toLowerCase() !== "microsoft.resources/deployments" || !isObject(body)) return body;
  const properties = body["properties"];
  return isObject(properties) ? { ...body, properties: without(properties, ["template"]) } : body;
}

function planText(expression: Expression, instance: ResourceInstance): string | undefined {
  try {
    const value = evaluate(expression, instance.environment);
    return typeof value === "string" ? value : undefined;
  } catch (error) {
    if (error instanceof RuntimeValueNeeded || error instanceof ExpressionError) return undefined;
    throw error;
  }
}

type CallExpression = Expression & { readonly kind: "call" };

function runtimeCalls(value: Json): CallExpression[] {
  if (typeof value === "string") {
    if (!isExpression(value)) return [];
    try {
      return callsIn(parseExpression(value)).filter((call) => /^(references?|list\w*)$/i.test(call.name));
    } catch (error) {
      if (error instanceof ExpressionError) return [];
      throw error;
    }
  }
  if (isArray(value)) return value.flatMap(runtimeCalls);
  return isObject(value) ? Object.values(value).flatMap(runtimeCalls) : [];
}

/** In a serial loop each batch waits for the one before. */
function addBatches(
  instances: readonly ResourceInstance[],
  dependencies: ReadonlyMap<ResourceInstance, Set<ResourceInstance>>,
): void {
  for (const instance of instances) {
    const { batchSize, loopIndex } = instance;
    if (batchSize === undefined || loopIndex === undefined) continue;
    const batch = Math.floor(loopIndex / batchSize);
    for (const other of instances) {
      if (other.source !== instance.source || other.loopIndex === undefined) continue;
      if (Math.floor(other.loopIndex / batchSize) === batch - 1) dependencies.get(instance)?.add(other);
    }
  }
}

function sort(
  instances: readonly ResourceInstance[],
  dependencies: ReadonlyMap<ResourceInstance, ReadonlySet<ResourceInstance>>,
): ResourceInstance[] {
  const order: ResourceInstance[] = [];
  const done = new Set<ResourceInstance>();
  const waiting = new Map<ResourceInstance, number>();
  const dependents = new Map<ResourceInstance, ResourceInstance[]>();
  for (const instance of instances) {
    const needed = dependencies.get(instance) ?? new Set();
    waiting.set(instance, needed.size);
    for (const each of needed) dependents.set(each, [...(dependents.get(each) ?? []), instance]);
  }
  const free = instances.filter((instance) => waiting.get(instance) === 0);
  for (let next = free.shift(); next !== undefined; next = free.shift()) {
    order.push(next);
    done.add(next);
    for (const dependent of dependents.get(next) ?? []) {
      const left = (waiting.get(dependent) ?? 0) - 1;
      waiting.set(dependent, left);
      if (left === 0) free.push(dependent);
    }
  }
  const stuck = instances.find((instance) => !done.has(instance));
  if (stuck === undefined) return order;
  const cycle = findCycle(stuck, dependencies, done).map((each) => each.id);
  throw invalidTemplate(
    `Circular dependency detected on resource: '${cycle[0] ?? stuck.id}'; the resources depend on each other: '${cycle.join("' -> '")}'. Please see https://aka.ms/arm-syntax-resources for usage details.`,
    stuck.position,
  );
}

/** Walks dependencies that are not done until one repeats; the walk from there is a cycle. */
function findCycle(
  start: ResourceInstance,
  dependencies: ReadonlyMap<ResourceInstance, ReadonlySet<ResourceInstance>>,
  done: ReadonlySet<ResourceInstance>,
): ResourceInstance[] {
  const path: ResourceInstance[] = [];
  let at: ResourceInstance | undefined = start;
  while (at !== undefined && !path.includes(at)) {
    path.push(at);
    at = [...(dependencies.get(at) ?? [])].find((each) => !done.has(each));
  }
  return at === undefined ? path : [...path.slice(path.indexOf(at)), at];
}

/**
 * The resources that a template means: nested ones lifted to the top, loops unrolled, names, ids and conditions
 * evaluated. Bodies stay unevaluated, because they may need what only the running deployment knows.
 */
import { ArmError } from "../../azure/arm-error.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
} from "../json.ts";
import {
  copyCountMax,
  type Environment,
  evaluateValue,
  inResourceLoop,
  RuntimeValueNeeded,
} from "./evaluate.ts";
import { ExpressionError } from "./expressions.ts";
import type { Position } from "./lenient-json.ts";
import { resourceIdIn } from "./resource-id-functions.ts";
import { notExpected } from "./scope-functions.ts";
import type { Template } from "./template.ts";
import { invalidTemplate, place } from "./template-errors.ts";

export interface ResourceInstance {
  /** Symbolic name, with its index for a loop: `sites[2]`. */
  readonly symbol: string | undefined;
  /** Names under which a whole loop is known: its copy name and, in symbolic templates, its symbol. */
  readonly loopNames: readonly string[];
  readonly loopIndex: number | undefined;
  /** Iterations that may run together; `undefined` for a parallel loop. */
  readonly batchSize: number | undefined;
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly apiVersion: string;
  readonly source: JsonObject;
  readonly environment: Environment;
  /** False when its condition is false: it is not deployed, and nothing waits for it. */
  readonly enabled: boolean;
  /** True for a resource that is only read. */
  readonly existing: boolean;
  readonly dependsOn: readonly string[];
  readonly position: Position | undefined;
}

const resourcesMax = 800;

interface Expansion {
  readonly template: Template;
  readonly scopeId: string;
  readonly subscriptionId: string;
  readonly found: ResourceInstance[];
  readonly loops: Set<string>;
}

export interface ExpandedTemplate {
  /** In document order. */
  readonly instances: readonly ResourceInstance[];
  /** Lower-case names of all loops, also of those with no iteration. */
  readonly loops: ReadonlySet<string>;
}

interface Parent {
  readonly type: string;
  readonly name: string;
}

/** Every resource of the template. Throws ArmError 400 `InvalidTemplate`. */
export function expandResources(
  template: Template,
  environment: Environment,
  scope: { readonly scopeId: string; readonly subscriptionId: string },
): ExpandedTemplate {
  const expansion: Expansion = { template, ...scope, found: [], loops: new Set() };
  for (const { symbol, resource } of template.resources) {
    expandOne(expansion, resource, symbol, environment, undefined);
  }
  rejectDuplicates(expansion.found);
  return { instances: expansion.found, loops: expansion.loops };
}

function rejectDuplicates(instances: readonly ResourceInstance[]): void {
  const seen = new Set<string>();
  for (const instance of instances) {
    if (instance.existing || !instance.enabled) continue;
    const id = instance.id.toLowerCase();
    if (seen.has(id)) {
      throw invalidTemplate(
        `The resource '${instance.type}/${instance.name}' ${place(instance.position)} is defined multiple times in a template. Please see https://aka.ms/arm-syntax-resources for usage details.`,
        instance.position,
      );
    }
    seen.add(id);
  }
}

function expandOne(
  expansion: Expansion,
  resource: JsonObject,
  symbol: string | undefined,
  environment: Environment,
  parent: Parent | undefined,
): void {
  const copy = objectMember(resource, "copy");
  if (copy === undefined) {
    addInstance(expansion, resource, symbol, environment, parent, undefined);
    return;
  }
  const name = stringMember(copy, "name") ?? symbol ?? "";
  for (const each of symbol === undefined ? [name] : [name, symbol]) expansion.loops.add(each.toLowerCase());
  const count = plan(member(copy, "count") ?? null, environment, name);
  if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > copyCountMax) {
    throw invalidTemplate(
      `The copy count of '${name}' must be a whole number from 0 to ${copyCountMax}; it is ${JSON.stringify(count)}`,
    );
  }
  const batchSize = readBatchSize(copy, environment, name);
  for (let index = 0; index < count; index++) {
    addInstance(expansion, resource, symbol, inResourceLoop(environment, name, index), parent, {
      name,
      index,
      batchSize,
    });
  }
}

function readBatchSize(copy: JsonObject, environment: Environment, name: string): number | undefined {
  if (stringMember(copy, "mode")?.toLowerCase() !== "serial") return undefined;
  const size = plan(member(copy, "batchSize") ?? 1, environment, name);
  return typeof size === "number" && Number.isInteger(size) && size > 0 ? size : 1;
}

interface Iteration {
  readonly name: string;
  readonly index: number;
  readonly batchSize: number | undefined;
}

function addInstance(
  expansion: Expansion,
  resource: JsonObject,
  symbol: string | undefined,
  environment: Environment,
  parent: Parent | undefined,
  iteration: Iteration | undefined,
): void {
  if (expansion.found.length >= resourcesMax) {
    throw invalidTemplate(`The template has more than ${resourcesMax} resources`);
  }
  const position = positionOf(expansion.template, resource);
  const label = symbol ?? stringMember(resource, "name") ?? "";
  const read = (name: string): Json => plan(member(resource, name) ?? null, environment, label);
  const type = qualify(requireText(read("type"), "type", label, position), parent?.type, "/");
  const apiVersion = requireText(read("apiVersion"), "apiVersion", label, position);
  const condition = read("condition");
  if (condition !== null && typeof condition !== "boolean") {
    throw invalidTemplate(
      `The condition of the resource '${label.slice(0, 200)}' must be a boolean`,
      position,
    );
  }
  const enabled = condition !== false;
  const place: Place = { expansion, resource, type, parent, label, position, read };
  const { name, id, dependsOn } = enabled ? identify(place) : identifyLeftOut(place);
  const instance: ResourceInstance = {
    symbol: iteration === undefined || symbol === undefined ? symbol : `${symbol}[${iteration.index}]`,
    loopNames: iteration === undefined ? [] : [iteration.name, ...(symbol === undefined ? [] : [symbol])],
    loopIndex: iteration?.index,
    batchSize: iteration?.batchSize,
    id,
    type,
    name,
    apiVersion,
    source: resource,
    environment,
    enabled,
    existing: member(resource, "existing") === true,
    dependsOn,
    position,
  };
  expansion.found.push(instance);
  expandChildren(expansion, resource, environment, { type, name });
}

/** Where a resource stands in the template, for finding out which one it is. */
interface Place {
  readonly expansion: Expansion;
  readonly resource: JsonObject;
  readonly type: string;
  readonly parent: Parent | undefined;
  readonly label: string;
  readonly position: Position | undefined;
  readonly read: (name: string) => Json;
}

type Identity = Pick<ResourceInstance, "name" | "id" | "dependsOn">;

function identify({ expansion, resource, type, parent, label, position, read }: Place): Identity {
  const ownName = requireText(read("name"), "name", label, position);
  const name = parent === undefined ? ownName : `${parent.name}/${ownName}`;
  checkSegments(type, name, position);
  const id = idOf(expansion, resource, type, name, read);
  return { name, id, dependsOn: readDependencies(read("dependsOn"), name, position) };
}

/**
 * A resource whose condition is false may be made of what is not there, such as the vault of a key that nobody named:
 * it keeps its symbol, so that others may depend on it, and nothing else of it matters.
 */
function identifyLeftOut(place: Place): Identity {
  try {
    return identify(place);
  } catch (error) {
    if (!(error instanceof ArmError)) throw error;
    const { expansion, type } = place;
    const names = type
      .split("/")
      .slice(1)
      .map(() => "-");
    return { name: names.join("/"), id: resourceIdIn(expansion.scopeId, type, names), dependsOn: [] };
  }
}

/** A nested resource names its type and itself relative to its parent; a full type stays as it is. */
function qualify(own: string, parent: string | undefined, separator: string): string {
  if (parent === undefined || own.toLowerCase().startsWith(`${parent.toLowerCase()}/`)) return own;
  return `${parent}${separator}${own}`;
}

function expandChildren(
  expansion: Expansion,
  resource: JsonObject,
  environment: Environment,
  parent: Parent,
): void {
  const children = member(resource, "resources");
  if (children === undefined || children === null) return;
  if (!isArray(children)) {
    throw invalidTemplate(`The resources inside the resource '${parent.name}' must be an array`);
  }
  for (const child of children) {
    if (!isObject(child)) throw invalidTemplate("Each template resource must be an object.");
    expandOne(expansion, child, undefined, environment, parent);
  }
}

function positionOf(template: Template, resource: JsonObject): Position | undefined {
  return template.positionOf(resource, "type") ?? template.positionOf(resource, "name");
}

/** Evaluates what must be known before anything runs. */
function plan(value: Json, environment: Environment, label: string): Json {
  try {
    return evaluateValue(value, environment);
  } catch (error) {
    throw planError(error, label);
  }
}

function planError(error: unknown, label: string): unknown {
  if (error instanceof RuntimeValueNeeded) return notExpected(error.read.function);
  if (error instanceof ExpressionError) {
    return invalidTemplate(
      `The template resource '${label.slice(0, 200)}' is not valid: ${error.message.replace(/\.$/, "")}. Please see https://aka.ms/arm-syntax-resources for usage details`,
    );
  }
  return error;
}

function requireText(value: Json, what: string, label: string, position: Position | undefined): string {
  if (typeof value === "string" && value !== "") return value;
  throw invalidTemplate(
    `The template resource '${label.slice(0, 200)}' ${place(position)} has no valid '${what}': a string is required. Please see https://aka.ms/arm-syntax-resources for usage details`,
    position,
  );
}

function checkSegments(type: string, name: string, position: Position | undefined): void {
  const types = type.split("/").length;
  const names = name.split("/").length;
  if (types === names + 1 && !name.split("/").includes("")) return;
  throw invalidTemplate(
    `The template resource '${name}' for type '${type}' ${place(position)} has incorrect segment lengths. A nested resource type must have identical number of segments as its resource name. A root resource type must have segment length one greater than its resource name. Please see https://aka.ms/arm-syntax-resources for usage details.`,
    position,
  );
}

function readDependencies(value: Json, name: string, position: Position | undefined): readonly string[] {
  if (value === null) return [];
  if (isArray(value) && value.every((each): each is string => typeof each === "string")) return value;
  throw invalidTemplate(`The 'dependsOn' of the resource '${name}' must be an array of strings`, position);
}

/** Where the resource lives: the deployment's scope, another one it names, or the resource that it extends. */
function idOf(
  expansion: Expansion,
  resource: JsonObject,
  type: string,
  name: string,
  read: (name: string) => Json,
): string {
  const names = name.split("/");
  const scope = read("scope");
  if (typeof scope === "string" && scope !== "") {
    return resourceIdIn(scopeIdOf(expansion, scope), type, names);
  }
  const group = member(resource, "resourceGroup") === undefined ? null : read("resourceGroup");
  const subscription = member(resource, "subscriptionId") === undefined ? null : read("subscriptionId");
  if (typeof group === "string" || typeof subscription === "string") {
    const head = `/subscriptions/${typeof subscription === "string" ? subscription : expansion.subscriptionId}`;
    return resourceIdIn(typeof group === "string" ? `${head}/resourceGroups/${group}` : head, type, names);
  }
  return resourceIdIn(expansion.scopeId, type, names);
}

/**
 * A scope is an id, `/` for the tenant, or type and name of a resource in the deployment's own scope; management groups
 * are in no other scope than the tenant.
 */
function scopeIdOf(expansion: Expansion, scope: string): string {
  if (scope === "/") return "";
  if (scope.startsWith("/")) return scope.replace(/\/+$/, "");
  if (/^Microsoft\.Management\/managementGroups\/[^/]+$/i.test(scope)) return `/providers/${scope}`;
  return `${expansion.scopeId}/providers/${scope}`;
}

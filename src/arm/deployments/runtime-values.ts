/**
 * What a running deployment reads: the state behind `reference` and the answers of `list*`. Each read is a request
 * of the caller through the gateway, so a template shows its author nothing that he may not read himself.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { parseResourceId } from "../../azure/resource-id.ts";
import { isArray, isObject, type Json, type JsonObject, member } from "../json.ts";
import type { Call } from "../operation.ts";
import { type Environment, evaluateValue, type RuntimeRead, RuntimeValueNeeded } from "./evaluate.ts";
import { ExpressionError } from "./expressions.ts";
import type { ResourceInstance } from "./instances.ts";
import type { InstanceIndex } from "./order.ts";

/** More reads than this in one value are taken for a mistake. */
const readsMax = 1000;

/** Evaluates `value`, reading what it needs until it has a value. */
export async function evaluateRunning(
  call: Call,
  index: InstanceIndex,
  value: Json,
  environment: Environment,
): Promise<Json> {
  const known = new Map<string, Json>();
  const runtime = (read: RuntimeRead): Json | undefined => known.get(JSON.stringify(read));
  for (let reads = 0; reads <= readsMax; reads++) {
    try {
      return evaluateValue(value, { ...environment, runtime });
    } catch (error) {
      if (!(error instanceof RuntimeValueNeeded)) throw error;
      known.set(JSON.stringify(error.read), await fetchValue(call, index, error.read));
    }
  }
  throw new ExpressionError(`One value of the template reads more than ${readsMax} resources.`);
}

/** The value as far as it can be had; an expression that cannot be evaluated stays as it is written. */
export async function evaluateShown(
  call: Call,
  index: InstanceIndex,
  value: Json,
  environment: Environment,
): Promise<Json> {
  try {
    return await evaluateRunning(call, index, value, environment);
  } catch (error) {
    if (!(error instanceof ArmError) && !(error instanceof ExpressionError)) throw error;
    if (isArray(value)) {
      return Promise.all(value.map((each) => evaluateShown(call, index, each, environment)));
    }
    if (!isObject(value)) return value;
    const members = Object.entries(value).map(
      async ([name, each]) => [name, await evaluateShown(call, index, each, environment)] as const,
    );
    return Object.fromEntries(await Promise.all(members));
  }
}

async function fetchValue(call: Call, index: InstanceIndex, read: RuntimeRead): Promise<Json> {
  const found = index.find(read.target).filter((instance) => instance.enabled || instance.existing);
  if (read.kind === "list") return fetchList(call, read, found[0]);
  if (read.function.toLowerCase() === "references") {
    const all: Json[] = [];
    for (const instance of found) all.push(await fetchReference(call, read, instance));
    return all;
  }
  return fetchReference(call, read, found[0]);
}

/** The id and api-version that a read means: a resource of the template, or an id with its own api-version. */
function resolveTarget(
  read: RuntimeRead,
  instance: ResourceInstance | undefined,
): { readonly id: string; readonly apiVersion: string } {
  const apiVersion = read.apiVersion ?? instance?.apiVersion;
  const id = instance?.id ?? (read.target.startsWith("/") ? read.target : undefined);
  if (id === undefined || apiVersion === undefined) {
    const why = id === undefined ? "" : " and has no api-version";
    throw new ExpressionError(
      `The resource '${read.target.slice(0, 300)}' is not defined in the template${why}. Please see https://aka.ms/arm-syntax for usage details.`,
    );
  }
  return { id, apiVersion };
}

async function fetchReference(
  call: Call,
  read: RuntimeRead,
  instance: ResourceInstance | undefined,
): Promise<Json> {
  const { id, apiVersion } = resolveTarget(read, instance);
  const { body } = await call.dispatch({ method: "GET", id, apiVersion });
  const resource = asJson(body);
  if (!isObject(resource)) return {};
  return read.full ? fullReference(resource, id, apiVersion) : (member(resource, "properties") ?? {});
}

/** The `'Full'` form: the resource without what identifies it, plus where it is. */
function fullReference(resource: JsonObject, id: string, apiVersion: string): JsonObject {
  const { id: _, name: __, type: ___, ...rest } = resource;
  const parsed = parseResourceId(id);
  return {
    apiVersion,
    ...rest,
    ...(parsed?.subscriptionId === undefined ? {} : { subscriptionId: parsed.subscriptionId }),
    ...(parsed?.resourceGroup === undefined ? {} : { resourceGroupName: parsed.resourceGroup }),
    resourceId: id,
    scope: "",
  };
}

async function fetchList(
  call: Call,
  read: RuntimeRead,
  instance: ResourceInstance | undefined,
): Promise<Json> {
  const { id, apiVersion } = resolveTarget(read, instance);
  const request = { method: "POST" as const, id: `${id}/${read.function}`, apiVersion };
  const { body } = await call.dispatch(read.body === undefined ? request : { ...request, body: read.body });
  return asJson(body) ?? {};
}

/** Answers are made of JSON values; undefined means there was no body. */
function asJson(body: unknown): Json | undefined {
  return body as Json | undefined;
}

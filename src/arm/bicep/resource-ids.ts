/** Names and ids of resources and modules as expressions of a template. */
import type { IndexContext, IrExpression } from "./intermediate.ts";
import { irCall, irMember, irString } from "./intermediate.ts";
import { type Context, NotEmittable } from "./lowering.ts";
import type { Moved } from "./moved.ts";
import { type Resource, symbolicName } from "./resources.ts";
import { moduleScopes, nameSegments, resourceScopes, type ScopeData } from "./scopes.ts";
import type { LocalSymbol, ModuleSymbol } from "./symbols.ts";
import { isCollection } from "./symbols.ts";
import { access, call, literal, type TemplateExpression } from "./template-expressions.ts";
import { bodyObject, findProperty } from "./walk.ts";

/** Turns an intermediate expression into one of the template, in a context. */
export type Convert = (context: Context, node: IrExpression) => TemplateExpression;

export const deploymentType = "Microsoft.Resources/deployments";
export const deploymentVersion = "2025-04-01";

/** The context in which a member of a loop is named. */
export function atIndex(context: Context, index: IndexContext | undefined): Context {
  return index === undefined ? context : { ...context, replacements: index.replacements };
}

/** An expression moved from its own place, lowered for the place it is used at. */
export function lowerMoved(context: Context, moved: Moved): IrExpression {
  if (moved.indices.size === 0) return context.lower(context, moved.node);
  const replacements = new Map<LocalSymbol, IrExpression>(context.replacements);
  for (const [local, index] of moved.indices) {
    const at = lowerMoved(context, index);
    if (local.role === "index" || local.owner.kind !== "for") replacements.set(local, at);
    else {
      const base = context.lower(context, local.owner.expression);
      replacements.set(local, { kind: "access", base, key: at, safe: false, fromEnd: false, chained: false });
    }
  }
  return context.lower({ ...context, replacements }, moved.node);
}

function convertMoved(context: Context, convert: Convert, moved: Moved): TemplateExpression {
  return convert(context, lowerMoved(context, moved));
}

function typeParts(resource: Resource): readonly string[] {
  return resource.type.split("/").slice(1);
}

/** One part of a name that was written with slashes. */
function splitName(name: TemplateExpression, at: number): TemplateExpression {
  return access(call("split", name, literal("/")), literal(at));
}

/** The name of a resource, one expression for every part of its type after the namespace. */
export function resourceNameParts(
  context: Context,
  convert: Convert,
  resource: Resource,
  segments: readonly Moved[] = nameSegments(context.model, resource),
): readonly TemplateExpression[] {
  const names = segments.map((segment) => convertMoved(context, convert, segment));
  const types = typeParts(resource);
  const ownAt = names.length - 1;
  const firstLength = types.length - ownAt;
  const [first] = names;
  if (first === undefined) throw new NotEmittable("a resource without a name");
  const oldest =
    firstLength > 1 ? Array.from({ length: firstLength }, (_, at) => splitName(first, at)) : [first];
  return [...oldest, ...names.slice(1)];
}

/** The whole name of a resource as a template has it: `parent/child`. */
export function fullResourceName(context: Context, convert: Convert, resource: Resource): TemplateExpression {
  if (resource.ancestors.length === 0) return convert(context, context.lower(context, resource.name));
  const parts = resourceNameParts(context, convert, resource);
  const format = parts.map((_, at) => `{${at}}`).join("/");
  return call("format", literal(format), ...parts);
}

function scopeData(context: Context, resource: Resource): ScopeData {
  return resourceScopes(context.model).get(resource) ?? { scope: context.model.targetScope };
}

export function resourceId(context: Context, convert: Convert, resource: Resource): TemplateExpression {
  const parts = resourceNameParts(context, convert, resource);
  return qualifiedId(context, convert, scopeData(context, resource), resource.type, parts);
}

function qualifiedId(
  context: Context,
  convert: Convert,
  data: ScopeData,
  type: string,
  names: readonly TemplateExpression[],
): TemplateExpression {
  const named = [literal(type), ...names];
  switch (data.scope) {
    case "tenant":
      return call("tenantResourceId", ...named);
    case "subscription": {
      const subscription = data.subscription && convertMoved(context, convert, data.subscription);
      return call("subscriptionResourceId", ...(subscription === undefined ? [] : [subscription]), ...named);
    }
    case "managementGroup": {
      const group =
        data.managementGroup === undefined
          ? access(call("managementGroup"), literal("id"))
          : managementGroupId(context, convert, data.managementGroup, true);
      return call("extensionResourceId", group, ...named);
    }
    case "resourceGroup":
      return groupLevelId(context, convert, data, named);
    case "resource":
      return extensionId(context, convert, data, named);
  }
}

function groupLevelId(
  context: Context,
  convert: Convert,
  data: ScopeData,
  named: readonly TemplateExpression[],
): TemplateExpression {
  if (data.resourceGroup === undefined) return call("resourceId", ...named);
  const subscription =
    data.subscription === undefined
      ? access(call("subscription"), literal("subscriptionId"))
      : convertMoved(context, convert, data.subscription);
  const group = convertMoved(context, convert, data.resourceGroup);
  const scope = call("format", literal("/subscriptions/{0}/resourceGroups/{1}"), subscription, group);
  return call("extensionResourceId", scope, ...named);
}

function extensionId(
  context: Context,
  convert: Convert,
  data: ScopeData,
  named: readonly TemplateExpression[],
): TemplateExpression {
  const { resource, resourceName } = data;
  if (resource === undefined) throw new NotEmittable("a scope without a resource");
  const parts = resourceNameParts(context, convert, resource, resourceName);
  const extended = qualifiedId(context, convert, scopeData(context, resource), resource.type, parts);
  return call("extensionResourceId", extended, ...named);
}

/** The id of a management group; short where the deployment is above it, whole elsewhere. */
export function managementGroupId(
  context: Context,
  convert: Convert,
  name: Moved,
  whole: boolean,
): TemplateExpression {
  const type = "Microsoft.Management/managementGroups";
  const value = convertMoved(context, convert, name);
  return whole
    ? call("tenantResourceId", literal(type), value)
    : call("format", literal(`${type}/{0}`), value);
}

const generatedNameLengthMax = 64;
const hashLength = 13;
const copyIndexLength = 3;

/** The name of a module that has none: its symbol and a hash of the deployment's name. */
export function generatedModuleName(module: ModuleSymbol, index: IrExpression | undefined): IrExpression {
  const hash = irCall("uniqueString", irString(module.name), irMember(irCall("deployment"), "name"));
  const looped = isCollection(module);
  const values = looped ? [index ?? ({ kind: "copy-index", name: undefined } as const), hash] : [hash];
  const taken = hashLength + (looped ? copyIndexLength : 0) + values.length;
  const prefix = module.name.slice(0, generatedNameLengthMax - taken);
  const format = `${prefix}${values.map((_, at) => `-{${at}}`).join("")}`;
  return irCall("format", irString(format), ...values);
}

export function moduleName(
  context: Context,
  convert: Convert,
  module: ModuleSymbol,
  index: IrExpression | undefined,
): TemplateExpression {
  const named = findProperty(bodyObject(module.declaration.value), "name")?.value;
  const name = named === undefined ? generatedModuleName(module, index) : context.lower(context, named);
  return convert(context, name);
}

export function moduleId(
  context: Context,
  convert: Convert,
  module: ModuleSymbol,
  index: IrExpression | undefined,
): TemplateExpression {
  const data = moduleScopes(context.model).get(module) ?? { scope: context.model.targetScope };
  return qualifiedId(context, convert, data, deploymentType, [moduleName(context, convert, module, index)]);
}

/** The name by which a template with symbolic names refers to a resource or module, or to one of a loop. */
export function symbolReference(
  context: Context,
  convert: Convert,
  name: string,
  index: IndexContext | undefined,
): TemplateExpression {
  if (index === undefined) return literal(name);
  return call("format", literal(`${name}[{0}]`), convert(context, index.index));
}

/** `reference(..)` of a resource; `full` reads all of it, otherwise only its properties. */
export function resourceReference(
  context: Context,
  convert: Convert,
  resource: Resource,
  index: IndexContext | undefined,
  full: boolean,
): TemplateExpression {
  const whole = resource.collection && index === undefined;
  const target =
    context.symbolic || whole
      ? symbolReference(context, convert, symbolicName(resource), index)
      : resourceId(context, convert, resource);
  if (whole) return call("references", target, ...(full ? [literal("full")] : []));
  if (full) return call("reference", target, literal(resource.apiVersion), literal("full"));
  return context.symbolic
    ? call("reference", target)
    : call("reference", target, literal(resource.apiVersion));
}

export function moduleReference(
  context: Context,
  convert: Convert,
  module: ModuleSymbol,
  index: IndexContext | undefined,
): TemplateExpression {
  const whole = isCollection(module) && index === undefined;
  const name = whole ? "references" : "reference";
  if (context.symbolic || whole) return call(name, symbolReference(context, convert, module.name, index));
  const id = moduleId(atIndex(context, index), convert, module, index?.index);
  return call(name, id, literal(deploymentVersion));
}

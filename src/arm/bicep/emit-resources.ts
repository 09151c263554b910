/** Resources of a template. */
import { resourceCondition } from "./conditions.ts";
import { convert } from "./convert.ts";
import { decoratorCalls, findDecoratorCall, literalInteger } from "./decorators.ts";
import { emitDependencies } from "./emit-dependencies.ts";
import { withDescription } from "./emit-types.ts";
import { type Entry, emitLoop, emitProperties, emitValue, objectOf, type Value } from "./emit-values.ts";
import { type IrExpression, irObject } from "./intermediate.ts";
import { lowerBody } from "./lower.ts";
import { resourceIndex } from "./lower-access.ts";
import type { Context } from "./lowering.ts";
import { atIndex, fullResourceName, lowerMoved, managementGroupId, resourceId } from "./resource-ids.ts";
import { type Resource, symbolicName } from "./resources.ts";
import { resourceScopes, type ScopeData } from "./scopes.ts";
import type * as syntax from "./syntax.ts";
import { access, call, literal, printValue } from "./template-expressions.ts";

const omitted: ReadonlySet<string> = new Set(["name", "scope", "parent", "dependsOn"]);

const optionDecorators: readonly string[] = ["retryOn", "onlyIfNotExists", "nullIfNotFound"];

/** The loop around a resource: its own, or that of a resource it is nested in. */
function loopOf(
  resource: Resource,
): { readonly name: string; readonly node: syntax.ForExpression } | undefined {
  for (const ancestor of resource.ancestors) {
    const { value } = ancestor.resource.symbol.declaration;
    if (ancestor.nested && value.kind === "for")
      return { name: symbolicName(ancestor.resource), node: value };
  }
  const { value } = resource.symbol.declaration;
  return value.kind === "for" ? { name: symbolicName(resource), node: value } : undefined;
}

/** `@batchSize(n)` of a loop. */
export function batchSizeOf(
  context: Context,
  target: { readonly decorators: readonly syntax.Decorator[] },
): { readonly batchSize?: bigint } {
  const size = literalInteger(findDecoratorCall(context.model, target, "batchSize")?.arguments[0]);
  return size === undefined ? {} : { batchSize: size };
}

/** The `copy` of a resource or module. */
export function emitCopy(
  context: Context,
  name: string,
  node: syntax.ForExpression,
  options: { readonly batchSize?: bigint },
): Entry {
  const loop = { kind: "loop", expression: context.lower(context, node.expression), body: nothing } as const;
  return ["copy", emitLoop(context, loop, { name, ...options, withoutInput: true })];
}

const nothing: IrExpression = { kind: "null" };

export function emitResource(context: Context, resource: Resource): Value {
  const { declaration } = resource.symbol;
  const loop = loopOf(resource);
  const condition = resourceCondition(context, resource);
  const entries: Entry[] = [];
  if (loop !== undefined)
    entries.push(emitCopy(context, loop.name, loop.node, batchSizeOf(context, declaration)));
  if (condition !== undefined) entries.push(["condition", emitValue(context, condition)]);
  if (context.symbolic && resource.existing) entries.push(["existing", true]);
  entries.push(
    ...emitOptions(context, declaration),
    ["type", resource.type],
    ["apiVersion", resource.apiVersion],
    ...emitResourceScope(context, resource),
    ["name", printValue(fullResourceName(context, convert, resource))],
    ...emitProperties(context, lowerBody(context, resource.body, omitted)),
  );
  const dependsOn = emitDependencies(context, resource.symbol, resource.body);
  if (dependsOn.length > 0) entries.push(["dependsOn", dependsOn]);
  entries.push(...emitDescription(context, declaration));
  return objectOf(entries);
}

/** `metadata` with the description of a resource or module. */
export function emitDescription(
  context: Context,
  target: { readonly decorators: readonly syntax.Decorator[] },
): Entry[] {
  return emitProperties(context, withDescription(context, target, irObject([])));
}

function emitOptions(context: Context, declaration: syntax.ResourceDeclaration): Entry[] {
  const options = decoratorCalls(context.model, declaration)
    .filter((each) => optionDecorators.includes(each.name))
    .map((each): Entry => {
      const values = each.arguments.map((value) => emitValue(context, context.lower(context, value)));
      return [each.name, values];
    });
  return options.length === 0 ? [] : [["@options", objectOf(options)]];
}

function emitResourceScope(context: Context, resource: Resource): Entry[] {
  const data = resourceScopes(context.model).get(resource);
  if (data === undefined) return [];
  if (data.resource === undefined) return emitScope(context, data, resource.body);
  const index = data.index === undefined ? undefined : data.index.node;
  const at = resourceIndex(context, data.resource, index, resource.body);
  return [["scope", printValue(resourceId(atIndex(context, at), convert, data.resource))]];
}

/** The members that send a resource or module to another scope than that of the file. */
export function emitScope(context: Context, data: ScopeData, _place: syntax.Node): Entry[] {
  const { targetScope } = context.model;
  switch (data.scope) {
    case "tenant":
      return targetScope === "tenant" ? [] : [["scope", "/"]];
    case "managementGroup": {
      if (data.managementGroup === undefined) return [];
      const whole = targetScope !== "tenant" && targetScope !== "managementGroup";
      return [["scope", printValue(managementGroupId(context, convert, data.managementGroup, whole))]];
    }
    case "subscription":
      if (data.subscription !== undefined) {
        return [["subscriptionId", emitValue(context, lowerMoved(context, data.subscription))]];
      }
      return targetScope === "resourceGroup"
        ? [["subscriptionId", printValue(access(call("subscription"), literal("subscriptionId")))]]
        : [];
    case "resourceGroup":
      return [
        ...emitPart(context, "subscriptionId", data.subscription),
        ...emitPart(context, "resourceGroup", data.resourceGroup),
      ];
    case "resource":
      return [];
  }
}

function emitPart(context: Context, name: string, moved: ScopeData["resourceGroup"]): Entry[] {
  return moved === undefined ? [] : [[name, printValue(convert(context, lowerMoved(context, moved)))]];
}

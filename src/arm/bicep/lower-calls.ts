/** Calls: of built-in functions, user-defined ones, imported ones, and of methods of resources. */
import { importTarget, wildcardTarget } from "./exports.ts";
import { type IrExpression, irCall } from "./intermediate.ts";
import { knownLoadedValue } from "./loading.ts";
import { resourceIndex } from "./lower-access.ts";
import { type Context, NotEmittable } from "./lowering.ts";
import { symbolAt } from "./model.ts";
import { type Resource, resourceAt } from "./resources.ts";
import type * as syntax from "./syntax.ts";
import { withoutAssertion, withoutParentheses } from "./walk.ts";

/** The namespace of user-defined functions in a template. */
export const functionNamespace = "__bicep";

function lowerArguments(context: Context, node: syntax.FunctionCall | syntax.MethodCall): IrExpression[] {
  return node.arguments.map((argument) => context.lower(context, argument));
}

/** A name in the template's namespaces of functions: `__bicep.name`, or one with its own namespace. */
function userCall(name: string, values: readonly IrExpression[]): IrExpression {
  return irCall(name.includes(".") ? name : `${functionNamespace}.${name}`, ...values);
}

function loadedCall(
  context: Context,
  node: syntax.FunctionCall | syntax.MethodCall,
): IrExpression | undefined {
  const variable = context.loadedNames.get(node);
  if (variable !== undefined) return { kind: "variable", name: variable };
  return knownLoadedValue(context.model, node)?.value;
}

export function lowerCall(context: Context, node: syntax.FunctionCall): IrExpression {
  const loaded = loadedCall(context, node);
  if (loaded !== undefined) return loaded;
  const symbol = symbolAt(context.model, node);
  switch (symbol?.kind) {
    case "func":
      return userCall(context.names.get(symbol) ?? symbol.name, lowerArguments(context, node));
    case "imported": {
      const target = importTarget(context.model, symbol);
      const name = target === undefined ? undefined : context.names.get(target.symbol);
      return userCall(name ?? symbol.name, lowerArguments(context, node));
    }
    case "function":
      return builtInCall(context, node);
    default:
      throw new NotEmittable(`the function "${node.name.name}"`);
  }
}

/** `resourceGroup('name')` and the like are scopes; as values they are empty. */
function isScopeOnly(name: string, count: number): boolean {
  return count > 0 && (name === "resourceGroup" || name === "subscription" || name === "managementGroup");
}

function builtInCall(context: Context, node: syntax.FunctionCall | syntax.MethodCall): IrExpression {
  const { name } = node.name;
  if (isScopeOnly(name, node.arguments.length)) return { kind: "object", properties: [] };
  if (name === "externalInput") throw new NotEmittable("external inputs");
  const values = lowerArguments(context, node);
  const [first] = values;
  if (name === "any" && first !== undefined) return first;
  return irCall(name, ...values);
}

export function lowerMethod(context: Context, node: syntax.MethodCall): IrExpression {
  const loaded = loadedCall(context, node);
  if (loaded !== undefined) return loaded;
  const { model } = context;
  const symbol = symbolAt(model, node.base);
  if (symbol?.kind === "namespace") return builtInCall(context, node);
  if (symbol?.kind === "wildcard") {
    const target = wildcardTarget(model, symbol, node.name.name);
    const name = target === undefined ? undefined : context.names.get(target.symbol);
    if (name === undefined) throw new NotEmittable(`the imported function "${node.name.name}"`);
    return userCall(name, lowerArguments(context, node));
  }
  const owner = resourceOfMethod(context, node.base);
  if (owner === undefined) throw new NotEmittable(`the function "${node.name.name}"`);
  return {
    kind: "resource-call",
    target: {
      kind: "resource",
      resource: owner.resource,
      index: resourceIndex(context, owner.resource, owner.index, node),
    },
    name: node.name.name,
    arguments: lowerArguments(context, node),
  };
}

function resourceOfMethod(
  context: Context,
  base: syntax.Expression,
): { readonly resource: Resource; readonly index: syntax.Expression | undefined } | undefined {
  const inner = withoutParentheses(withoutAssertion(withoutParentheses(base)));
  const [owner, index] = inner.kind === "index" ? [inner.base, inner.index] : [inner, undefined];
  const resource = resourceAt(context.model, owner);
  if (resource !== undefined) return { resource, index };
  const symbol = symbolAt(context.model, owner);
  if (index !== undefined || symbol?.kind !== "var") return undefined;
  return resourceOfMethod(context, symbol.declaration.value);
}

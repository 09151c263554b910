/** Calls: which function is meant, whether its arguments fit, and the type of what it returns. */
import { checkAssignable } from "./assignability.ts";
import { resultType } from "./call-results.ts";
import { cycleOf } from "./cycles.ts";
import { declaredType } from "./declared-types.ts";
import { type Code, report } from "./diagnostics.ts";
import { importTarget, wildcardTarget } from "./exports.ts";
import { type FunctionDefinition, findFunction, functionNames, type Overload } from "./functions.ts";
import { type Model, symbolAt } from "./model.ts";
import { resourceAt } from "./resources.ts";
import { suggestName } from "./spelling.ts";
import type { FunctionSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import {
  anyType,
  asValue,
  errorType,
  isAssignable,
  isUnknown,
  secureStringType,
  type Type,
  typeName,
  unionOf,
  withoutNull,
} from "./types.ts";
import { withoutAssertion, withoutParentheses } from "./walk.ts";

type Call = syntax.FunctionCall | syntax.MethodCall;

export function callType(model: Model, node: syntax.FunctionCall): Type {
  const symbol = symbolAt(model, node);
  switch (symbol?.kind) {
    case "function":
      return builtInType(model, node, symbol.definition);
    case "func":
      return userFunctionType(model, node, model, symbol);
    case "imported": {
      const target = importTarget(model, symbol);
      argumentTypes(model, node);
      if (target === undefined) return errorType;
      if (target.symbol.kind === "func") return userFunctionType(model, node, target.model, target.symbol);
      return notAFunction(model, node);
    }
    case "unbound":
    case undefined:
      argumentTypes(model, node);
      return errorType;
    default:
      argumentTypes(model, node);
      return notAFunction(model, node);
  }
}

function notAFunction(model: Model, node: Call): Type {
  const shadowed = findFunction("sys", node.name.name) ?? findFunction("az", node.name.name);
  if (shadowed === undefined) report(model.reporter, "BCP059", node.name, node.name.name);
  else report(model.reporter, "BCP265", node.name, node.name.name, shadowed.namespace);
  return errorType;
}

function argumentTypes(model: Model, node: Call): Type[] {
  return node.arguments.map((argument) => model.typeOf(argument));
}

function userFunctionType(model: Model, node: Call, owner: Model, symbol: FunctionSymbol): Type {
  const values = argumentTypes(model, node);
  const cycle = owner === model ? cycleOf(model, symbol) : undefined;
  if (cycle !== undefined) {
    if (cycle.length === 1) report(model.reporter, "BCP079", node);
    else report(model.reporter, "BCP080", node, cycle.map((each) => `"${each.name}"`).join(" -> "));
    return errorType;
  }
  const { lambda } = symbol.declaration;
  if (lambda.kind === "skipped") return errorType;
  const parameters = lambda.parameters.map(({ type }) =>
    type === undefined ? anyType : declaredType(owner, type),
  );
  if (checkCount(model, node, parameters.length, parameters.length)) {
    for (const [at, value] of values.entries())
      checkArgument(model, node, at, value, parameters[at] ?? anyType);
  }
  return declaredType(owner, lambda.returns);
}

function checkArgument(model: Model, node: Call, at: number, value: Type, expected: Type): void {
  const argument = node.arguments[at];
  if (argument === undefined || value.kind === "error") return;
  const fits = isAssignable(value, expected) || isAssignable(withoutNull(value) ?? value, expected);
  if (fits) checkAssignable(model, argument, expected);
  else report(model.reporter, "BCP070", argument, typeName(value), typeName(expected));
}

/** Where the parentheses of a call are. */
function argumentSpan(node: Call): { start: number; end: number } {
  return { start: node.name.end, end: node.end };
}

function checkCount(model: Model, node: Call, minimum: number, maximum: number): boolean {
  const count = node.arguments.length;
  if (count >= minimum && count <= maximum) return true;
  const expected =
    minimum === maximum
      ? `${minimum}`
      : maximum === Number.POSITIVE_INFINITY
        ? `at least ${minimum}`
        : `${minimum} to ${maximum}`;
  report(model.reporter, "BCP071", argumentSpan(node), expected, count);
  return false;
}

/** Calls of `namespace.function()`, `resource.listKeys()`, `vault.getSecret()` and `imported.function()`. */
export function methodType(model: Model, node: syntax.MethodCall): Type {
  const base = symbolAt(model, node.base);
  if (base?.kind === "namespace") return namespaceCallType(model, node, base.name);
  if (base?.kind === "wildcard") {
    const target = wildcardTarget(model, base, node.name.name);
    if (target?.symbol.kind === "func") return userFunctionType(model, node, target.model, target.symbol);
    argumentTypes(model, node);
    report(model.reporter, "BCP109", node.name, base.name, node.name.name);
    return errorType;
  }
  const type = asValue(model.typeOf(node.base));
  argumentTypes(model, node);
  if (isUnknown(type) || node.name.name === "") return type;
  const resource = resourceOfCall(model, node.base);
  if (resource !== undefined) return resourceMethodType(model, node, resource);
  const object = type.kind === "object" || type.kind === "discriminated";
  const code: Code = object ? "BCP109" : "BCP067";
  report(model.reporter, code, node.name, typeName(type), node.name.name);
  return errorType;
}

function namespaceCallType(model: Model, node: syntax.MethodCall, namespace: "sys" | "az"): Type {
  const definition = findFunction(namespace, node.name.name);
  const banned = definition?.flags.includes(model.kind === "bicep" ? "params" : "template") === true;
  if (definition !== undefined && !banned) return builtInType(model, node, definition);
  argumentTypes(model, node);
  if (node.name.name === "") return errorType;
  const suggestion = suggestName(node.name.name, functionNames(namespace));
  if (suggestion === undefined) report(model.reporter, "BCP107", node.name, node.name.name, namespace);
  else report(model.reporter, "BCP108", node.name, node.name.name, namespace, suggestion);
  return errorType;
}

/** The type of the resource whose method is called, through an index, parentheses or a variable. */
export function resourceOfCall(model: Model, base: syntax.Expression): string | undefined {
  const inner = withoutParentheses(withoutAssertion(withoutParentheses(base)));
  const owner = inner.kind === "index" ? inner.base : inner;
  return resourceAt(model, owner)?.type;
}

function resourceMethodType(model: Model, node: syntax.MethodCall, resource: string): Type {
  if (/^list[A-Za-z]*$/.test(node.name.name)) {
    checkCount(model, node, 0, 2);
    return anyType;
  }
  if (node.name.name === "getSecret" && /^microsoft\.keyvault\/vaults$/i.test(resource)) {
    checkCount(model, node, 1, 2);
    return secureStringType;
  }
  report(model.reporter, "BCP109", node.name, resource, node.name.name);
  return errorType;
}

/** The forms of a function that these arguments may mean: the first that surely fits, or all that may fit. */
function fittingOverloads(definition: FunctionDefinition, values: readonly Type[]): readonly Overload[] {
  const possible: Overload[] = [];
  for (const overload of definition.overloads) {
    if (values.length < overload.minimum || values.length > overload.maximum) continue;
    const unknown = values.length > 0 && values.every((value) => value.kind === "any");
    if (!unknown && !values.every((value, at) => isAssignable(value, parameterOf(overload, at)))) continue;
    if (values.some((value) => value.kind === "any")) possible.push(overload);
    else return [overload];
  }
  return possible;
}

function parameterOf(overload: Overload, at: number): Type {
  return overload.parameters[Math.min(at, overload.parameters.length - 1)] ?? anyType;
}

function builtInType(model: Model, node: Call, definition: FunctionDefinition): Type {
  const values = argumentTypes(model, node).map((value) => (value.kind === "error" ? anyType : value));
  return resolveOverload(model, node, definition, values);
}

function resolveOverload(
  model: Model,
  node: Call,
  definition: FunctionDefinition,
  values: readonly Type[],
): Type {
  const fitting = fittingOverloads(definition, values);
  const [matching] = fitting;
  if (matching === undefined) return refuseArguments(model, node, definition, values);
  if (fitting.length > 1) return anyType;
  for (const [at, argument] of node.arguments.entries()) {
    checkAssignable(model, argument, parameterOf(matching, at));
  }
  return resultType(model, node, definition, values, matching.returns);
}

interface Misfit {
  readonly at: number;
  readonly found: Type;
  readonly expected: Type;
}

function misfits(definition: FunctionDefinition, values: readonly Type[]): Misfit[] {
  return definition.overloads.flatMap((overload) => {
    if (values.length < overload.minimum || values.length > overload.maximum) return [];
    const at = values.findIndex((value, index) => !isAssignable(value, parameterOf(overload, index)));
    return [{ at, found: values[at] ?? anyType, expected: parameterOf(overload, at) }];
  });
}

function refuseArguments(
  model: Model,
  node: Call,
  definition: FunctionDefinition,
  values: readonly Type[],
): Type {
  const found = misfits(definition, values);
  for (const { at, found: value, expected } of found) {
    const present = withoutNull(value);
    const argument = node.arguments[at];
    if (present === undefined || argument === undefined || !isAssignable(present, expected)) continue;
    const type = resolveOverload(
      model,
      node,
      definition,
      values.map((each, index) => (index === at ? present : each)),
    );
    if (type.kind !== "error")
      report(model.reporter, "BCP321", argument, typeName(expected), typeName(value));
    return type;
  }
  const [first] = found;
  const last = [...found].sort((a, b) => a.at - b.at).at(-1);
  if (first === undefined || last === undefined) {
    const minimum = Math.min(...definition.overloads.map((overload) => overload.minimum));
    const maximum = Math.max(...definition.overloads.map((overload) => overload.maximum));
    checkCount(model, node, minimum, maximum);
    return errorType;
  }
  const same = found.length > 1 && found.every((each) => each.at === first.at);
  const where = node.arguments[same ? first.at : last.at] ?? node;
  if (same) {
    const expected = unionOf(found.map((each) => each.expected));
    report(model.reporter, "BCP048", where, typeName(first.found), typeName(expected));
  } else report(model.reporter, "BCP070", where, typeName(last.found), typeName(last.expected));
  return errorType;
}

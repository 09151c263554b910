/** Calls: which function is meant, whether its arguments fit, and the type of what it returns. */
import { declaredType } from "./declared-types.ts";
import { type Code, report } from "./diagnostics.ts";
import { importTarget, wildcardTarget } from "./exports.ts";
import { type FunctionDefinition, findFunction, functionNames } from "./functions.ts";
import { loadedValue } from "./loading.ts";
import { type Model, parentOf, symbolAt } from "./model.ts";
import { resourceAt } from "./resources.ts";
import { suggestName } from "./spelling.ts";
import type { FunctionSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import {
  anyType,
  arrayOf,
  arrayType,
  asValue,
  closedObject,
  errorType,
  intType,
  isAssignable,
  isUnknown,
  nullable,
  type ObjectType,
  objectType,
  secureStringType,
  stringType,
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

function checkArgument(model: Model, node: Call, at: number, value: Type, expected: Type): boolean {
  if (isAssignable(value, expected) || isAssignable(withoutNull(value) ?? value, expected)) return true;
  const argument = node.arguments[at];
  if (argument !== undefined) {
    report(model.reporter, "BCP070", argument, typeName(value), typeName(expected));
  }
  return false;
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

function builtInType(model: Model, node: Call, definition: FunctionDefinition): Type {
  const values = argumentTypes(model, node);
  if (values.some((value) => value.kind === "error")) {
    return definition.name === "any" ? anyType : errorType;
  }
  const { overloads } = definition;
  const minimum = Math.min(...overloads.map((overload) => overload.minimum));
  const maximum = Math.max(...overloads.map((overload) => overload.maximum));
  if (!checkCount(model, node, minimum, maximum)) return errorType;
  const fits = overloads.filter(
    (overload) => values.length >= overload.minimum && values.length <= overload.maximum,
  );
  const present = values.map((value) => withoutNull(value) ?? value);
  const parameter = (overload: (typeof overloads)[number], at: number): Type =>
    overload.parameters[Math.min(at, overload.parameters.length - 1)] ?? anyType;
  const matching = fits.find((overload) =>
    present.every((value, at) => isAssignable(value, parameter(overload, at))),
  );
  if (matching === undefined) {
    const at = present.findIndex((value, index) =>
      fits.every((overload) => !isAssignable(value, parameter(overload, index))),
    );
    const position = Math.max(0, at);
    const expected = unionOf(fits.map((overload) => parameter(overload, position)));
    const argument = node.arguments[position];
    if (argument === undefined) return errorType;
    const found = typeName(present[position] ?? anyType);
    if (fits.length > 1 && at < 0) report(model.reporter, "BCP048", node.name, node.name.name);
    else report(model.reporter, fits.length > 1 ? "BCP048" : "BCP070", argument, found, typeName(expected));
    return errorType;
  }
  const ambiguous = present.some(isUnknown) && fits.length > 1;
  return returnType(
    model,
    node,
    definition,
    present,
    ambiguous ? unionOf(fits.map((fit) => fit.returns)) : matching.returns,
  );
}

/** What a built-in function returns for these arguments, where that is more than its signature says. */
function returnType(
  model: Model,
  node: Call,
  definition: FunctionDefinition,
  values: readonly Type[],
  returns: Type,
): Type {
  const [first = anyType] = values;
  switch (definition.name) {
    case "first":
    case "last":
      return first.kind === "array" || first.kind === "tuple" ? endType(definition.name, first) : returns;
    case "filter":
    case "sort":
    case "distinct":
      return first.kind === "array" ? first : first.kind === "tuple" ? arrayOf(itemTypeOf(first)) : returns;
    case "take":
    case "skip":
      return first.kind === "tuple" ? arrayOf(itemTypeOf(first)) : first.kind === "array" ? first : returns;
    case "map":
      return arrayOf(lambdaResult(values[1]));
    case "mapValues":
      return { ...objectType, additional: () => lambdaResult(values[1]) };
    case "toObject":
      return dictionaryOf(values[2] === undefined ? itemTypeOf(first) : lambdaResult(values[2]));
    case "groupBy":
      return dictionaryOf(arrayOf(values[2] === undefined ? itemTypeOf(first) : lambdaResult(values[2])));
    case "reduce":
      return lambdaResult(values[2]);
    case "items":
      return arrayOf(closedObject("object", { key: stringType, value: valueTypeOf(first) }));
    case "flatten":
      return arrayOf(itemTypeOf(itemTypeOf(first)));
    case "concat":
      return values.every((value) => value.kind === "tuple" || value.kind === "array")
        ? arrayOf(unionOf(values.map(itemTypeOf)))
        : returns;
    case "toLower":
    case "toUpper":
      return first.kind === "string" && first.secure === true ? secureStringType : returns;
    default:
      return loadedType(model, node, definition) ?? scopeType(model, definition.name, node) ?? returns;
  }
}

function loadedType(model: Model, node: Call, definition: FunctionDefinition): Type | undefined {
  if (definition.name === "nameof" || definition.flags.some((flag) => flag.startsWith("loaded"))) {
    return loadedValue(model, node, definition)?.type ?? errorType;
  }
  return undefined;
}

function endType(name: string, type: Extract<Type, { kind: "array" | "tuple" }>): Type {
  if (type.kind === "array") return nullable(type.item());
  const item = name === "first" ? type.items[0] : type.items.at(-1);
  return item === undefined ? { kind: "null" } : item();
}

function itemTypeOf(type: Type): Type {
  if (type.kind === "array") return type.item();
  if (type.kind === "tuple") return unionOf(type.items.map((item) => item()));
  return anyType;
}

function valueTypeOf(type: Type): Type {
  if (type.kind !== "object") return anyType;
  if (type.additional !== undefined && type.properties.size === 0) return type.additional();
  const values = [...type.properties.values()].map((property) => property.type());
  const kinds = new Set(values.map((value) => value.kind));
  return kinds.size === 1 && type.additional === undefined ? unionOf(values) : anyType;
}

function lambdaResult(type: Type | undefined): Type {
  return type?.kind === "lambda" ? type.returns : anyType;
}

function dictionaryOf(value: Type): ObjectType {
  return { kind: "object", name: "object", properties: new Map(), additional: () => value };
}

const scopes: Readonly<Record<string, readonly string[]>> = {
  resourceGroup: ["id", "name", "type", "location", "managedBy"],
  subscription: ["id", "subscriptionId", "tenantId", "displayName"],
  managementGroup: ["id", "name", "type"],
  tenant: ["tenantId", "country", "countryCode", "displayName"],
};

/** `resourceGroup()` and the like: what a deployment or resource can be scoped to. */
function scopeType(model: Model, name: string, node: Call): Type | undefined {
  const known = scopes[name];
  if (known === undefined) {
    if (name === "deployer") {
      const parts = { objectId: stringType, tenantId: stringType, userPrincipalName: stringType };
      return closedObject("deployer", parts);
    }
    return undefined;
  }
  checkScopeFunction(model, name, node);
  const strings = Object.fromEntries(known.map((each) => [each, stringType]));
  const body = closedObject(name, node.arguments.length > 0 ? {} : strings);
  const extended = name === "resourceGroup" || name === "managementGroup";
  const more = node.arguments.length === 0 && extended ? { additional: () => anyType } : {};
  return { kind: "scope", scope: name, body: { ...body, ...more } };
}

/** Below a scope its own functions mean nothing: a tenant has no resource group of its own. */
function checkScopeFunction(model: Model, name: string, node: Call): void {
  const { targetScope } = model;
  const count = node.arguments.length;
  const allowed: readonly string[] =
    name === "tenant" || count === 2 || (name !== "resourceGroup" && count === 1)
      ? [targetScope]
      : name === "resourceGroup"
        ? count === 1
          ? ["resourceGroup", "subscription"]
          : ["resourceGroup"]
        : name === "subscription"
          ? ["resourceGroup", "subscription"]
          : ["managementGroup"];
  if (allowed.includes(targetScope)) return;
  if (count > 0 || name !== "resourceGroup")
    report(model.reporter, "BCP071", argumentSpan(node), "other", count);
  else report(model.reporter, "BCP057", node.name, name);
}

/** The type of a parameter of a lambda, from the function that it is given to. */
export function lambdaParameterType(
  model: Model,
  lambda: syntax.Lambda,
  declaration: syntax.LocalVariable,
): Type {
  let argument: syntax.Node = lambda;
  let call = parentOf(model, argument);
  while (call?.kind === "parenthesized") {
    argument = call;
    call = parentOf(model, argument);
  }
  if (call?.kind !== "call" && call?.kind !== "method-call") return anyType;
  const position = call.arguments.indexOf(argument as syntax.Expression);
  const [source] = call.arguments;
  if (position < 1 || source === undefined) return anyType;
  const whole = model.typeOf(source);
  const type = withoutNull(whole) ?? whole;
  if (type.kind === "error") return errorType;
  const at = lambda.parameters.indexOf(declaration);
  const { name } = call.name;
  if (name === "mapValues") return valueTypeOf(type);
  if (name === "reduce") return at === 1 ? itemTypeOf(type) : at === 2 ? intType : anyType;
  if (at === 1 && name !== "sort") return intType;
  return itemTypeOf(isAssignable(type, arrayType) ? type : anyType);
}

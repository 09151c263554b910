/** What calls of built-in functions return, where that is more than their signatures say, and what lambdas get. */

import { report } from "./diagnostics.ts";
import type { FunctionDefinition } from "./functions.ts";
import { loadedValue } from "./loading.ts";
import { type Model, parentOf } from "./model.ts";
import type * as syntax from "./syntax.ts";
import {
  anyType,
  arrayOf,
  arrayType,
  closedObject,
  errorType,
  intType,
  isAssignable,
  nullable,
  type ObjectType,
  objectType,
  secureStringType,
  stringType,
  type Type,
  unionOf,
  withoutNull,
} from "./types.ts";

type Call = syntax.FunctionCall | syntax.MethodCall;

/** What a built-in function returns for these arguments, where that is more than its signature says. */
export function resultType(
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
    case "split":
      return { ...arrayOf(stringType), minLength: 1 };
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
  if (type.kind === "array") return (type.minLength ?? 0) > 0 ? type.item() : nullable(type.item());
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
    report(model.reporter, "BCP071", { start: node.name.end, end: node.end }, "other", count);
  else report(model.reporter, "BCP057", node.name, name, "");
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

/** The types of what is declared: parameters, variables, resources, modules, and what is imported. */
import { type Json, member, stringMember } from "../json.ts";
import { declaredType, modified } from "./declared-types.ts";
import { findDecoratorCall } from "./decorators.ts";
import {
  exportedSymbols,
  importTarget,
  isFromRegistry,
  templateOutputs,
  templateParameters,
  wildcardTarget,
} from "./exports.ts";
import { type Loaded, type Model, symbolsOfKind } from "./model.ts";
import { typeReferenceOf } from "./resources.ts";
import type {
  BoundSymbol,
  ModuleSymbol,
  ParameterSymbol,
  ResourceSymbol,
  VariableSymbol,
} from "./symbols.ts";
import {
  anyType,
  arrayOf,
  arrayType,
  boolType,
  errorType,
  intType,
  later,
  type ObjectType,
  objectType,
  type PropertyType,
  secureStringType,
  stringType,
  type Type,
  unionOf,
  withoutNull,
} from "./types.ts";

/** The type of the values that a declared name stands for. */
export function symbolType(model: Model, symbol: BoundSymbol): Type {
  const known = model.memory.symbolTypes.get(symbol);
  if (known !== undefined) return known;
  if (model.memory.pending.has(symbol)) return errorType;
  model.memory.pending.add(symbol);
  const type = computeSymbolType(model, symbol);
  model.memory.pending.delete(symbol);
  model.memory.symbolTypes.set(symbol, type);
  return type;
}

function computeSymbolType(model: Model, symbol: BoundSymbol): Type {
  switch (symbol.kind) {
    case "param":
      return parameterType(model, symbol);
    case "var":
      return variableType(model, symbol);
    case "param-assignment":
      return model.typeOf(symbol.declaration.value);
    case "resource":
      return looped(symbol, resourceType(symbol));
    case "module":
      return looped(symbol, moduleType(model, symbol));
    case "imported": {
      const target = importTarget(model, symbol);
      return target === undefined ? anyType : symbolType(target.model, target.symbol);
    }
    case "wildcard":
      return wildcardType(model, symbol);
    default:
      return anyType;
  }
}

function looped(symbol: ResourceSymbol | ModuleSymbol, type: Type): Type {
  return symbol.declaration.value.kind === "for" && type.kind !== "error" ? arrayOf(type) : type;
}

/** What a parameter may be given, narrowed to its allowed values. */
export function parameterType(model: Model, symbol: ParameterSymbol): Type {
  const { declaration } = symbol;
  const type = modified(model, declaredType(model, declaration.type), declaration, true);
  const allowed = findDecoratorCall(model, declaration, "allowed")?.arguments[0];
  if (allowed?.kind !== "array" || allowed.items.length === 0) return type;
  if (type.kind !== "string" && type.kind !== "int") return type;
  const values = allowed.items.map((item) => (item.kind === "spread" ? anyType : model.typeOf(item)));
  return values.every((value) => value.kind === type.kind) ? unionOf(values) : type;
}

function variableType(model: Model, symbol: VariableSymbol): Type {
  const { type, value } = symbol.declaration;
  return type === undefined
    ? model.typeOf(value)
    : modified(model, declaredType(model, type), symbol.declaration);
}

function property(type: Type, required: boolean = false): PropertyType {
  return { type: () => type, required };
}

/** Without a library of resource types only what all resources have is known. */
function resourceType(symbol: ResourceSymbol): Type {
  const reference = typeReferenceOf(symbol);
  if (reference?.apiVersion === undefined) return errorType;
  const body: ObjectType = {
    kind: "object",
    name: `${reference.type}@${reference.apiVersion}`,
    properties: new Map([
      ["id", property(stringType, true)],
      ["name", property(stringType, true)],
      ["type", property({ kind: "string", literal: reference.type }, true)],
      ["apiVersion", property({ kind: "string", literal: reference.apiVersion }, true)],
      ["location", property(anyType)],
    ]),
    additional: () => anyType,
  };
  return { kind: "resource", type: reference.type, body };
}

/** A module that cannot be read, which is complained about where it is named. */
const unknownModule: Type = {
  kind: "module",
  body: {
    kind: "object",
    name: "module",
    properties: new Map([
      ["name", property(stringType, true)],
      ["outputs", property(anyType, true)],
    ]),
  },
};

/** A module as a value: its name and its outputs. */
function moduleType(model: Model, symbol: ModuleSymbol): Type {
  const loaded = model.references.get(symbol.declaration);
  if (loaded === undefined) return isFromRegistry(symbol.declaration) ? unknownModule : errorType;
  const outputs: ObjectType = { kind: "object", name: "outputs", properties: moduleOutputs(loaded) };
  const body: ObjectType = {
    kind: "object",
    name: "module",
    properties: new Map([
      ["name", property(stringType, true)],
      ["outputs", property(outputs, true)],
    ]),
  };
  return { kind: "module", body };
}

function moduleOutputs(
  loaded: Extract<Loaded, { kind: "bicep" | "json" }>,
): ReadonlyMap<string, PropertyType> {
  if (loaded.kind === "json") {
    return new Map(
      [...templateOutputs(loaded.template)].map(([name, value]) => [
        name,
        property(templateType(value), true),
      ]),
    );
  }
  const { model } = loaded;
  return new Map(
    symbolsOfKind(model, "output").map(({ name, declaration }) => [
      name,
      {
        type: later(() => modified(model, declaredType(model, declaration.type), declaration)),
        required: true,
      },
    ]),
  );
}

/** What a module takes as `params`. */
export function moduleParameters(loaded: Extract<Loaded, { kind: "bicep" | "json" }>): ObjectType {
  if (loaded.kind === "json") {
    const parameters = [...templateParameters(loaded.template)].map(
      ([name, { required }]): [string, PropertyType] => [
        name,
        property(templateType(member(member(loaded.template, "parameters"), name) ?? null), required),
      ],
    );
    return { kind: "object", name: "params", properties: new Map(parameters) };
  }
  const { model } = loaded;
  const parameters = symbolsOfKind(model, "param").map((symbol): [string, PropertyType] => {
    const type = symbolType(model, symbol);
    const nullable = symbol.declaration.type.kind === "type-nullable";
    const open = nullable || withoutNull(type) !== undefined || type.kind === "error";
    const required = symbol.declaration.defaultValue === undefined && !open;
    return [symbol.name, { type: () => type, required }];
  });
  return { kind: "object", name: "params", properties: new Map(parameters) };
}

/** The type that a parameter or output of a JSON template declares. */
function templateType(schema: Json): Type {
  const type = templateTypeByName(stringMember(schema, "type") ?? "");
  return member(schema, "nullable") === true ? unionOf([type, { kind: "null" }]) : type;
}

function templateTypeByName(name: string): Type {
  switch (name.toLowerCase()) {
    case "string":
      return { ...stringType, loose: true };
    case "securestring":
      return secureStringType;
    case "int":
      return { ...intType, loose: true };
    case "bool":
      return boolType;
    case "array":
      return arrayType;
    case "object":
      return objectType;
    case "secureobject":
      return { ...objectType, secure: true };
    default:
      return anyType;
  }
}

/** The variables behind `import * as name`. */
function wildcardType(model: Model, symbol: Extract<BoundSymbol, { kind: "wildcard" }>): Type {
  const loaded = model.references.get(symbol.declaration);
  if (loaded?.kind !== "bicep") return anyType;
  const properties = exportedSymbols(loaded.model).flatMap((each): [string, PropertyType][] => {
    const target = wildcardTarget(model, symbol, each.name);
    if (target?.symbol.kind !== "var") return [];
    return [[each.name, { type: later(() => symbolType(target.model, target.symbol)), required: true }]];
  });
  return { kind: "object", name: symbol.name, properties: new Map(properties) };
}

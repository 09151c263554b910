/** Type expressions to types: what a parameter, output, alias, property or function says its values are. */

import { cycleOf } from "./cycles.ts";
import { findDecoratorCall, integerArgument } from "./decorators.ts";
import { type Code, type Part, report } from "./diagnostics.ts";
import { type ImportTarget, importTarget, isFromRegistry, wildcardTarget } from "./exports.ts";
import { ambientTypes, parameterizedTypes } from "./functions.ts";
import { type Model, parentOf, symbolAt } from "./model.ts";
import { parseTypeReference } from "./resources.ts";
import type { Span } from "./source.ts";
import type { TypeSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import {
  anyType,
  arrayType,
  boolType,
  errorType,
  intType,
  later,
  nullable,
  nullType,
  type ObjectType,
  objectType,
  type PropertyType,
  stringType,
  type Type,
  typeName,
  unionOf,
  withoutNull,
} from "./types.ts";
import { keyText, literalText } from "./walk.ts";

function refuse(model: Model, span: Span, code: Code, ...parts: readonly Part[]): Type {
  report(model.reporter, code, span, ...parts);
  return errorType;
}

/** The type that a type expression means. Problems are reported once. */
export function declaredType(model: Model, node: syntax.TypeSyntax): Type {
  const known = model.memory.typeSyntax.get(node);
  if (known !== undefined) return known;
  const type = computeType(model, node);
  model.memory.typeSyntax.set(node, type);
  return type;
}

function computeType(model: Model, node: syntax.TypeSyntax): Type {
  switch (node.kind) {
    case "type-variable":
      return namedType(model, node);
    case "type-literal":
      return literalType(model, node.literal);
    case "type-unary":
      return unaryType(model, node);
    case "type-object":
      return objectTypeOf(model, node);
    case "type-tuple":
      return {
        kind: "tuple",
        items: node.items.map((item) => later(() => modified(model, declaredType(model, item.value), item))),
      };
    case "type-array":
      return { kind: "array", item: later(() => declaredType(model, node.item)) };
    case "type-nullable":
      return nullable(declaredType(model, node.base));
    case "type-non-nullable": {
      const base = declaredType(model, node.base);
      return withoutNull(base) ?? base;
    }
    case "type-union":
      return unionType(model, node);
    case "type-parenthesized":
      return declaredType(model, node.inner);
    case "type-member":
      return memberType(model, node);
    case "type-index":
      return indexType(model, node);
    case "type-items":
      return itemsType(model, node);
    case "type-additional":
      return additionalType(model, node);
    case "type-call":
      return parameterizedType(model, node);
    case "type-resource":
      return refuse(model, node, "BCP231");
    case "skipped":
      return errorType;
  }
}

function ambientType(name: string): Type {
  switch (name) {
    case "string":
      return stringType;
    case "int":
      return intType;
    case "bool":
      return boolType;
    case "array":
      return arrayType;
    case "object":
      return objectType;
    default:
      return anyType;
  }
}

function namedType(model: Model, node: syntax.TypeVariable): Type {
  const symbol = symbolAt(model, node);
  if (symbol === undefined) return errorType;
  switch (symbol.kind) {
    case "ambient-type":
      return ambientType(symbol.name);
    case "type":
      return aliasType(model, symbol);
    case "imported":
      if (isFromRegistry(symbol.declaration)) return anyType;
      return targetType(model, node, importTarget(model, symbol));
    case "namespace":
    case "wildcard":
      return refuse(model, node, "BCP306", symbol.name);
    case "unbound":
      return errorType;
    default:
      return refuse(model, node, "BCP287", symbol.name);
  }
}

function targetType(model: Model, node: syntax.Node, target: ImportTarget | undefined): Type {
  if (target === undefined) return errorType;
  if (target.symbol.kind !== "type") return refuse(model, node, "BCP287", target.symbol.name);
  return aliasType(target.model, target.symbol);
}

/** The type behind an alias. Asked for while it is worked out, it is unknown: the alias contains itself. */
export function aliasType(model: Model, symbol: TypeSymbol): Type {
  const known = model.memory.symbolTypes.get(symbol);
  if (known !== undefined) return known;
  if (model.memory.pending.has(symbol)) return anyType;
  const cycle = cycleOf(model, symbol);
  if (cycle !== undefined) {
    model.memory.symbolTypes.set(symbol, errorType);
    const { name } = symbol.declaration;
    if (cycle.length === 1) return refuse(model, name, "BCP298");
    return refuse(model, name, "BCP299", cycle.map((each) => `"${each.name}"`).join(" -> "));
  }
  model.memory.pending.add(symbol);
  const type = modified(model, declaredType(model, symbol.declaration.value), symbol.declaration);
  model.memory.pending.delete(symbol);
  model.memory.symbolTypes.set(symbol, type);
  return type;
}

function literalType(model: Model, node: syntax.TypeLiteral["literal"]): Type {
  switch (node.kind) {
    case "string": {
      const text = literalText(node);
      return text === undefined ? refuse(model, node, "BCP285") : { kind: "string", literal: text };
    }
    case "integer":
      return node.value > 0x7fffffffffffffffn
        ? refuse(model, node, "BCP285")
        : { kind: "int", literal: node.value };
    case "boolean":
      return { kind: "bool", literal: node.value };
    case "null":
      return nullType;
  }
}

function unaryType(model: Model, node: syntax.TypeUnary): Type {
  const { operand } = node;
  if (node.operator === "-" && operand.kind === "type-literal" && operand.literal.kind === "integer") {
    return { kind: "int", literal: -operand.literal.value };
  }
  const base = declaredType(model, operand);
  if (base.kind === "error") return base;
  if (node.operator === "-" && base.kind === "int" && base.literal !== undefined) {
    return { kind: "int", literal: -base.literal };
  }
  if (node.operator === "!" && base.kind === "bool" && base.literal !== undefined) {
    return { kind: "bool", literal: !base.literal };
  }
  return refuse(model, node, "BCP285");
}

function objectTypeOf(model: Model, node: syntax.ObjectType): Type {
  const properties = new Map<string, PropertyType>();
  const others = node.properties.filter((property) => property.key === undefined);
  if (others.length > 1) for (const other of others) report(model.reporter, "BCP315", other);
  for (const property of node.properties) {
    if (property.key === undefined) continue;
    const name = keyText(property.key);
    if (name === undefined) {
      if (property.key.kind === "string") report(model.reporter, "BCP296", property.key);
    } else if (properties.has(name)) report(model.reporter, "BCP025", property.key, name);
    else {
      const type = later(() => modified(model, declaredType(model, property.value), property));
      properties.set(name, { type, required: property.value.kind !== "type-nullable" });
    }
  }
  const [other] = others;
  if (other === undefined) return { kind: "object", properties, additional: () => anyType };
  const additional = later(() => modified(model, declaredType(model, other.value), other));
  return { kind: "object", properties, additional, explicitAdditional: true };
}

function unionType(model: Model, node: syntax.UnionType): Type {
  const key = discriminatorOf(model, node);
  const members = node.members.map((member) => declaredType(model, member));
  if (key === undefined) return unionOf(members);
  const variants = new Map<string, ObjectType>();
  const rejected: {
    readonly node: syntax.TypeSyntax;
    readonly code: Code;
    readonly parts: readonly Part[];
  }[] = [];
  members.forEach((member, at) => {
    const memberNode = node.members[at] ?? node;
    const objects =
      member.kind === "discriminated"
        ? [...member.members.values()]
        : member.kind === "object"
          ? [member]
          : [];
    if (objects.length === 0 && member.kind !== "error") {
      rejected.push({ node: memberNode, code: "BCP286", parts: ["object"] });
    }
    for (const object of objects) {
      const value = discriminatorValue(object, key);
      if (value === undefined) rejected.push({ node: memberNode, code: "BCP364", parts: [key] });
      else if (variants.has(value)) rejected.push({ node: memberNode, code: "BCP365", parts: [value, key] });
      else variants.set(value, object);
    }
  });
  for (const { node: where, code, parts } of rejected) report(model.reporter, code, where, ...parts);
  return rejected.length > 0 || variants.size === 0
    ? errorType
    : { kind: "discriminated", key, members: variants };
}

export function discriminatorValue(object: ObjectType, key: string): string | undefined {
  const property = object.properties.get(key);
  const type = property?.required === true ? property.type() : undefined;
  return type?.kind === "string" ? type.literal : undefined;
}

/** The property named by the `@discriminator` of the declaration right around a union. */
export function discriminatorOf(model: Model, node: syntax.UnionType): string | undefined {
  for (let at = parentOf(model, node); at !== undefined; at = parentOf(model, at)) {
    switch (at.kind) {
      case "type-parenthesized":
      case "type-union":
      case "type-nullable":
      case "type-non-nullable":
        continue;
      case "param":
      case "output":
      case "type":
      case "type-property":
      case "type-tuple-item":
        return literalText(findDecoratorCall(model, at, "discriminator")?.arguments[0]);
      default:
        return undefined;
    }
  }
  return undefined;
}

/** What members of a type are read from: references to named types, and members of those. */
function isAccessible(node: syntax.TypeSyntax): boolean {
  return (
    node.kind === "type-variable" ||
    node.kind === "type-member" ||
    node.kind === "type-index" ||
    node.kind === "type-items" ||
    node.kind === "type-additional" ||
    node.kind === "type-call"
  );
}

function memberType(model: Model, node: syntax.TypeMember): Type {
  const base = symbolAt(model, node.base);
  if (base?.kind === "namespace") {
    if (base.name === "sys" && ambientTypes.includes(node.name.name)) return ambientType(node.name.name);
    return refuse(model, node.name, "BCP302", node.name.name, ambientTypes.join(", "));
  }
  if (base?.kind === "wildcard") {
    if (isFromRegistry(base.declaration)) return anyType;
    const target = wildcardTarget(model, base, node.name.name);
    if (target === undefined) return refuse(model, node.name, "BCP052", base.name, node.name.name);
    return targetType(model, node, target);
  }
  return propertyOfType(model, node, node.base, node.name.name, node.name);
}

function propertyOfType(
  model: Model,
  node: syntax.TypeSyntax,
  baseNode: syntax.TypeSyntax,
  name: string,
  nameNode: Span,
): Type {
  const whole = declaredType(model, baseNode);
  const base = withoutNull(whole) ?? whole;
  if (base.kind === "error" || base.kind === "any") return base;
  if (base.kind !== "object") return refuse(model, nameNode, "BCP055", typeName(base));
  const property = base.properties.get(name);
  if (property === undefined) return refuse(model, nameNode, "BCP052", typeName(base), name);
  if (!isAccessible(baseNode)) return refuse(model, node, "BCP391");
  return property.type();
}

function indexType(model: Model, node: syntax.TypeIndex): Type {
  const { index } = node;
  const text = literalText(index);
  if (text !== undefined) return propertyOfType(model, node, node.base, text, index);
  if (index.kind === "unary" && index.operator === "-") return refuse(model, index, "BCP387");
  if (index.kind !== "integer") return refuse(model, index, "BCP032");
  const whole = declaredType(model, node.base);
  const base = withoutNull(whole) ?? whole;
  if (base.kind === "error" || base.kind === "any") return base;
  if (!isAccessible(node.base)) return refuse(model, node, "BCP391");
  if (base.kind !== "tuple") return refuse(model, index, "BCP388", typeName(base));
  const item = base.items[Number(index.value)];
  return item === undefined
    ? refuse(model, index, "BCP311", index.value, typeName(base), base.items.length - 1)
    : item();
}

function itemsType(model: Model, node: syntax.TypeItems): Type {
  const whole = declaredType(model, node.base);
  const base = withoutNull(whole) ?? whole;
  if (base.kind === "error" || base.kind === "any") return base;
  if (!isAccessible(node.base)) return refuse(model, node, "BCP391");
  const item = base.kind === "array" ? base.item() : anyType;
  if (base.kind !== "array" || (item.kind === "any" && base === arrayType))
    return refuse(model, node, "BCP390");
  return item;
}

function additionalType(model: Model, node: syntax.TypeAdditional): Type {
  const whole = declaredType(model, node.base);
  const base = withoutNull(whole) ?? whole;
  if (base.kind === "error" || base.kind === "any") return base;
  if (!isAccessible(node.base)) return refuse(model, node, "BCP391");
  if (base.kind !== "object" || base.additional === undefined || base.explicitAdditional !== true) {
    return refuse(model, node, "BCP389", typeName(base));
  }
  return base.additional();
}

/** Resource-derived types; without a library of resource types nothing is known about their values. */
function parameterizedType(model: Model, node: syntax.ParameterizedType): Type {
  const base = symbolAt(model, node.base);
  const named = node.base === undefined ? symbolAt(model, node) : undefined;
  if (named?.kind === "unbound") return errorType;
  const known =
    parameterizedTypes.includes(node.name.name) && (base === undefined || base.kind === "namespace");
  if (!known) return refuse(model, node, "BCP383", node.name.name);
  const [argument] = node.arguments;
  const text =
    argument?.kind === "type-literal" && argument.literal.kind === "string"
      ? literalText(argument.literal)
      : undefined;
  if (node.arguments.length !== 1) return refuse(model, node, "BCP071", 1, node.arguments.length);
  if (text === undefined) return refuse(model, argument ?? node, "BCP032");
  if (parseTypeReference(text)?.apiVersion === undefined) return refuse(model, argument ?? node, "BCP029");
  return anyType;
}

interface Decorated {
  readonly decorators: readonly syntax.Decorator[];
}

/** A type with what the decorators of its declaration add: bounds and secrecy. */
export function modified(model: Model, type: Type, target: Decorated, loose: boolean = false): Type {
  if (target.decorators.length === 0 && !loose) return type;
  const inner = withoutNull(type);
  if (inner !== undefined) return nullable(modified(model, inner, target, loose));
  const secure = findDecoratorCall(model, target, "secure") !== undefined;
  switch (type.kind) {
    case "string":
    case "array":
      return withLength(model, type, target, secure, loose);
    case "int":
      return withRange(model, type, target, loose);
    case "bool":
      return type.literal === undefined && loose ? { ...type, loose } : type;
    case "object":
      return withObjectDecorators(model, type, target, secure);
    default:
      return type;
  }
}

function withObjectDecorators(model: Model, type: ObjectType, target: Decorated, secure: boolean): Type {
  const sealed = findDecoratorCall(model, target, "sealed") !== undefined && type.explicitAdditional !== true;
  if (!secure && !sealed) return type;
  const { additional, ...rest } = type;
  const kept = sealed || additional === undefined ? rest : { ...rest, additional };
  return secure ? { ...kept, secure } : kept;
}

function withLength(
  model: Model,
  type: Extract<Type, { kind: "string" | "array" }>,
  target: Decorated,
  secure: boolean,
  loose: boolean,
): Type {
  if (type.kind === "string" && type.literal !== undefined) return secure ? { ...type, secure } : type;
  const minimum = integerArgument(model, target, "minLength");
  const maximum = integerArgument(model, target, "maxLength");
  const bounds = {
    ...(minimum === undefined ? {} : { minLength: Number(minimum) }),
    ...(maximum === undefined ? {} : { maxLength: Number(maximum) }),
  };
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = { ...type, ...bounds };
  if (minLength > maxLength) {
    const call =
      findDecoratorCall(model, target, "minLength") ?? findDecoratorCall(model, target, "maxLength");
    if (call !== undefined)
      return refuse(model, call.node, "BCP331", "minLength", minLength, "maxLength", maxLength);
  }
  if (type.kind === "array") return { ...type, ...bounds };
  return { ...type, ...bounds, ...(secure ? { secure } : {}), ...(loose ? { loose } : {}) };
}

function withRange(
  model: Model,
  type: Extract<Type, { kind: "int" }>,
  target: Decorated,
  loose: boolean,
): Type {
  if (type.literal !== undefined) return type;
  const min = integerArgument(model, target, "minValue") ?? type.min;
  const max = integerArgument(model, target, "maxValue") ?? type.max;
  if (min !== undefined && max !== undefined && min > max) {
    const call = findDecoratorCall(model, target, "minValue") ?? findDecoratorCall(model, target, "maxValue");
    if (call !== undefined) return refuse(model, call.node, "BCP331", "minValue", min, "maxValue", max);
  }
  return {
    ...type,
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(loose ? { loose } : {}),
  };
}

/** The types of expressions, and what is wrong with them. `model.typeOf` remembers; this works each out once. */
import { accessType, indexAccessType } from "./access-types.ts";
import { lambdaParameterType } from "./call-results.ts";
import { callType, methodType } from "./call-types.ts";
import { cycleOf } from "./cycles.ts";
import { declaredType } from "./declared-types.ts";
import { report } from "./diagnostics.ts";
import { type Model, symbolAt } from "./model.ts";
import { symbolType } from "./symbol-types.ts";
import type { BoundSymbol, LocalSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import {
  anyType,
  arrayOf,
  arrayType,
  asValue,
  boolType,
  errorType,
  intType,
  isAssignable,
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

export function expressionType(model: Model, node: syntax.Expression): Type {
  const known = model.memory.expressionTypes.get(node);
  if (known !== undefined) return known;
  const type = computeExpressionType(model, node);
  model.memory.expressionTypes.set(node, type);
  return type;
}

function computeExpressionType(model: Model, node: syntax.Expression): Type {
  switch (node.kind) {
    case "string":
      return interpolatedType(model, node);
    case "integer":
      if (node.value > 0x7fffffffffffffffn) report(model.reporter, "BCP010", node);
      return { kind: "int", literal: node.value };
    case "boolean":
      return { kind: "bool", literal: node.value };
    case "null":
      return nullType;
    case "object":
      return objectLiteralType(model, node);
    case "array":
      return arrayLiteralType(model, node);
    case "unary":
      return unaryOperation(model, node);
    case "binary":
      return binaryOperation(model, node);
    case "ternary":
      return ternaryType(model, node);
    case "variable":
      return nameType(model, node);
    case "call":
      return callType(model, node);
    case "method-call":
      return methodType(model, node);
    case "member":
      return accessType(model, node);
    case "index":
      return indexAccessType(model, node);
    case "nested-resource": {
      const symbol = symbolAt(model, node);
      return symbol?.kind === "resource" ? declaredSymbolType(model, node, symbol) : errorType;
    }
    case "non-null": {
      const base = model.typeOf(node.base);
      return withoutNull(base) ?? base;
    }
    case "parenthesized":
      return model.typeOf(node.inner);
    case "lambda":
      return { kind: "lambda", parameters: node.parameters.length, returns: model.typeOf(node.body) };
    case "for":
      return loopType(model, node);
    case "if":
      model.typeOf(node.condition);
      return model.typeOf(node.body);
    case "skipped":
      return errorType;
  }
}

/** Texts made of texts can double with every step; beyond this only their type is known. */
const foldedLengthMax = 100_000;

function interpolatedType(model: Model, node: syntax.StringLiteral): Type {
  const text = literalText(node);
  if (text !== undefined) return { kind: "string", literal: text };
  const parts = node.expressions.map((expression) => model.typeOf(expression));
  if (parts.some((part) => part.kind === "error")) return errorType;
  let literal = node.segments[0] ?? "";
  for (const [at, part] of parts.entries()) {
    const value = "literal" in part ? part.literal : undefined;
    if (part.kind !== "string" || typeof value !== "string") return stringType;
    literal += value + (node.segments[at + 1] ?? "");
    if (literal.length > foldedLengthMax) return stringType;
  }
  return { kind: "string", literal };
}

function objectLiteralType(model: Model, node: syntax.ObjectLiteral): Type {
  const properties = new Map<string, PropertyType>();
  let additional: Type | undefined;
  for (const item of node.items) {
    if (item.kind === "spread") {
      const spread = asValue(model.typeOf(item.expression));
      const object = withoutNull(spread) ?? spread;
      if (!isAssignable(object, objectType)) report(model.reporter, "BCP402", item, "object");
      else if (spreadInto(properties, object)) additional = anyType;
    } else if (item.kind === "property") {
      const name = keyText(item.key);
      if (item.key.kind === "string" && name === undefined) model.typeOf(item.key);
      const type = model.typeOf(item.value);
      if (name === undefined) additional = anyType;
      else properties.set(name, { type: () => type, required: true });
    }
  }
  checkDuplicateKeys(model, node);
  return additional === undefined
    ? { kind: "object", properties }
    : ({ kind: "object", properties, additional: () => anyType } satisfies ObjectType);
}

/** Adds what is spread to the properties of an object; true when it may have others, too. */
function spreadInto(properties: Map<string, PropertyType>, object: Type): boolean {
  if (object.kind === "object") {
    for (const [name, property] of object.properties) properties.set(name, property);
    return object.additional !== undefined;
  }
  if (object.kind !== "union") return true;
  let open = false;
  for (const member of object.members) {
    const some = new Map<string, PropertyType>();
    if (spreadInto(some, asValue(member))) open = true;
    for (const [name, property] of some) {
      const known = properties.get(name);
      const type = () => (known === undefined ? property.type() : unionOf([known.type(), property.type()]));
      properties.set(name, { ...property, type, required: known?.required ?? false });
    }
  }
  return open;
}

function checkDuplicateKeys(model: Model, node: syntax.ObjectLiteral): void {
  const keys = new Map<string, syntax.ObjectProperty[]>();
  for (const item of node.items) {
    if (item.kind !== "property") continue;
    const name = keyText(item.key);
    if (name !== undefined) keys.set(name, [...(keys.get(name) ?? []), item]);
  }
  for (const [name, items] of keys) {
    if (items.length > 1) for (const item of items) report(model.reporter, "BCP025", item.key, name);
  }
}

function arrayLiteralType(model: Model, node: syntax.ArrayLiteral): Type {
  const items: Type[] = [];
  let spreads = false;
  for (const item of node.items) {
    if (item.kind === "spread") {
      spreads = true;
      const spread = model.typeOf(item.expression);
      const array = withoutNull(spread) ?? spread;
      if (isAssignable(array, arrayType)) items.push(...spreadItems(array));
      else report(model.reporter, "BCP402", item, "array");
    } else items.push(model.typeOf(item));
  }
  if (items.some((item) => item.kind === "error")) return errorType;
  return spreads ? arrayOf(unionOf(items)) : { kind: "tuple", items: items.map((item) => () => item) };
}

/** The types of the items that a spread array brings. */
function spreadItems(array: Type): readonly Type[] {
  if (array.kind === "array") return [array.item()];
  if (array.kind === "tuple") return array.items.map((item) => item());
  return array.kind === "union" ? array.members.flatMap(spreadItems) : [anyType];
}

function unaryOperation(model: Model, node: syntax.Unary): Type {
  const operand = model.typeOf(node.operand);
  if (operand.kind === "error") return errorType;
  const wanted = node.operator === "!" ? boolType : intType;
  if (node.operator === "+" || !isAssignable(operand, wanted)) {
    report(model.reporter, "BCP044", node, node.operator, typeName(operand));
    return errorType;
  }
  if (operand.kind === "int" && operand.literal !== undefined)
    return { kind: "int", literal: -operand.literal };
  if (operand.kind === "bool" && operand.literal !== undefined)
    return { kind: "bool", literal: !operand.literal };
  return wanted;
}

const arithmetic: ReadonlySet<string> = new Set(["+", "-", "*", "/", "%"]);
const comparisons: ReadonlySet<string> = new Set(["<", "<=", ">", ">="]);

function binaryOperation(model: Model, node: syntax.Binary): Type {
  const left = model.typeOf(node.left);
  const right = model.typeOf(node.right);
  if (node.operator === "??") return coalesceType(left, right);
  if (left.kind === "error" || right.kind === "error") return errorType;
  const { operator } = node;
  const result = arithmetic.has(operator) ? intType : boolType;
  if (operandsFit(operator, left, right)) return foldInteger(model, node, left, right) ?? result;
  report(model.reporter, "BCP045", node, operator, typeName(left), typeName(right));
  return errorType;
}

function foldInteger(model: Model, node: syntax.Binary, left: Type, right: Type): Type | undefined {
  if (right.kind !== "int" || right.literal === undefined) return undefined;
  if ((node.operator === "/" || node.operator === "%") && right.literal === 0n) {
    report(model.reporter, "BCP410", node.right);
  }
  if (left.kind !== "int" || left.literal === undefined) return undefined;
  const value = calculate(node.operator, left.literal, right.literal);
  return value === undefined || value !== BigInt.asIntN(64, value)
    ? undefined
    : { kind: "int", literal: value };
}

function calculate(operator: string, left: bigint, right: bigint): bigint | undefined {
  if (operator === "+") return left + right;
  if (operator === "-") return left - right;
  return operator === "*" ? left * right : undefined;
}

function operandsFit(operator: string, left: Type, right: Type): boolean {
  const both = (type: Type) => isAssignable(left, type) && isAssignable(right, type);
  if (arithmetic.has(operator)) return both(intType);
  if (comparisons.has(operator)) return both(intType) || both(stringType);
  if (operator === "&&" || operator === "||") return both(boolType);
  if (operator === "=~" || operator === "!~") return both(stringType);
  return true;
}

function coalesceType(left: Type, right: Type): Type {
  if (left.kind === "null") return right;
  const present = withoutNull(left);
  return present === undefined ? unionOf([left, right]) : unionOf([present, right]);
}

function ternaryType(model: Model, node: syntax.Ternary): Type {
  const condition = model.typeOf(node.condition);
  const whenTrue = model.typeOf(node.whenTrue);
  const whenFalse = model.typeOf(node.whenFalse);
  if (!isAssignable(condition, boolType)) report(model.reporter, "BCP046", node.condition, "bool");
  if (condition.kind === "bool" && condition.literal !== undefined) {
    return condition.literal ? whenTrue : whenFalse;
  }
  return unionOf([whenTrue, whenFalse]);
}

function nameType(model: Model, node: syntax.VariableAccess): Type {
  const symbol = symbolAt(model, node);
  if (symbol === undefined) return errorType;
  switch (symbol.kind) {
    case "unbound":
      return errorType;
    case "local":
      return localType(model, symbol);
    case "type":
    case "ambient-type":
      report(model.reporter, "BCP288", node, symbol.name);
      return errorType;
    case "func":
    case "function":
      report(model.reporter, "BCP063", node, symbol.name);
      return errorType;
    case "namespace":
    case "extension":
      return { kind: "object", name: symbol.name, properties: new Map(), additional: () => anyType };
    case "base":
      return anyType;
    default:
      return declaredSymbolType(model, node, symbol);
  }
}

/** The type of a declaration; what is wrong with it is said where it stands, and here only that something is. */
function declaredSymbolType(
  model: Model,
  node: syntax.VariableAccess | syntax.ResourceAccess,
  symbol: BoundSymbol,
): Type {
  const cycle = cycleOf(model, symbol);
  if (cycle !== undefined) {
    if (cycle.length === 1) report(model.reporter, "BCP079", node);
    else report(model.reporter, "BCP080", node, cycle.map((each) => `"${each.name}"`).join(" -> "));
    return errorType;
  }
  const type = symbolType(model, symbol);
  if (type.kind === "error" && symbol.kind !== "imported" && symbol.kind !== "wildcard") {
    report(model.reporter, "BCP062", node.name, symbol.name);
  }
  return type;
}

function localType(model: Model, symbol: LocalSymbol): Type {
  const { owner, declaration } = symbol;
  if (symbol.role === "index") return intType;
  if (symbol.role === "function") {
    return declaration.type === undefined ? anyType : declaredType(model, declaration.type);
  }
  if (owner.kind === "for") return itemType(model.typeOf(owner.expression));
  return owner.kind === "lambda" ? lambdaParameterType(model, owner, declaration) : anyType;
}

/** The type of the items of an array. */
export function itemType(type: Type): Type {
  const array = withoutNull(type) ?? type;
  if (array.kind === "array") return array.item();
  if (array.kind === "tuple") return unionOf(array.items.map((item) => item()));
  return array.kind === "error" ? errorType : anyType;
}

function loopType(model: Model, node: syntax.ForExpression): Type {
  const array = model.typeOf(node.expression);
  if (!isAssignable(withoutNull(array) ?? array, arrayType)) {
    report(model.reporter, "BCP137", node.expression, typeName(array));
    model.typeOf(node.body);
    return errorType;
  }
  const body = model.typeOf(node.body);
  return body.kind === "error" ? errorType : arrayOf(body);
}

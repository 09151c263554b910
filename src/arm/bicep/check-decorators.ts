/** Decorators: whether there is such a one, whether it fits what it stands on, and whether its arguments fit it. */
import { checkAssignable } from "./assignability.ts";
import { requireConstant } from "./constants.ts";
import { discriminatorOf } from "./declared-types.ts";
import { type DecoratorCall, decoratorCall, literalInteger } from "./decorators.ts";
import { type Code, report } from "./diagnostics.ts";
import { type DecoratorDefinition, type DecoratorTarget, findDecorator } from "./functions.ts";
import { type Model, symbolAt } from "./model.ts";
import type { DeclaredSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import {
  armTypeName,
  arrayOf,
  arrayType,
  isAssignable,
  isLiteralType,
  isUnknown,
  type Type,
  typeName,
  withoutNull,
} from "./types.ts";
import { childrenOf, literalText } from "./walk.ts";

export type Decorable =
  | Exclude<syntax.Statement, syntax.MissingDeclaration>
  | syntax.TypeProperty
  | syntax.TupleItem;

/** What a declaration is to its decorators; undefined where there can be none. */
const targets: Readonly<Partial<Record<Decorable["kind"], DecoratorTarget>>> = {
  param: "param",
  var: "var",
  resource: "resource",
  module: "module",
  output: "output",
  type: "type",
  "type-property": "type",
  "type-tuple-item": "type",
  func: "func",
  metadata: "metadata",
  extension: "extension",
};

const misplaced: Readonly<Partial<Record<DecoratorTarget, Code>>> = {
  param: "BCP125",
  var: "BCP126",
  resource: "BCP127",
  module: "BCP128",
  output: "BCP129",
  metadata: "BCP269",
  type: "BCP297",
};

/** Checks the decorators of something whose type is `type`. */
export function checkDecorators(model: Model, node: Decorable, type: Type): void {
  const [first] = node.decorators;
  if (first === undefined) return;
  const target = targets[node.kind];
  if (target === undefined) {
    report(model.reporter, "BCP130", { start: first.start, end: first.start + 1 });
    return;
  }
  const seen = new Map<string, syntax.Decorator[]>();
  for (const decorator of node.decorators) {
    const call = decoratorCall(model, decorator);
    const definition = call === undefined ? undefined : findDecorator(call.name);
    if (call === undefined || definition === undefined) {
      refuseExpression(model, decorator.expression);
      continue;
    }
    seen.set(call.name, [...(seen.get(call.name) ?? []), decorator]);
    if (!fitsTarget(definition, target)) {
      // The reference compiler does not judge qualified decorators of parts of types, and files rely on it.
      if (target === "type" && decorator.expression.kind === "method-call") continue;
      report(model.reporter, misplaced[target] ?? "BCP152", call.nameNode, call.name);
      continue;
    }
    if (!checkArguments(model, call, definition)) continue;
    const present = withoutNull(type) ?? type;
    if (present.kind !== "error") checkFit(model, node, call, definition, present);
  }
  for (const [name, same] of seen) {
    if (same.length > 1) for (const each of same) report(model.reporter, "BCP166", each, name);
  }
}

function fitsTarget(definition: DecoratorDefinition, target: DecoratorTarget): boolean {
  return definition.targets.includes("any") || definition.targets.includes(target);
}

/** What stands after `@` and is no decorator. */
export function refuseExpression(model: Model, node: syntax.Expression): void {
  const symbol = symbolAt(model, node);
  if (node.kind === "call") {
    for (const argument of node.arguments) model.typeOf(argument);
    if (symbol?.kind === "function") report(model.reporter, "BCP152", node.name, node.name.name);
    else if (symbol !== undefined && symbol.kind !== "unbound") report(model.reporter, "BCP141", node);
    return;
  }
  if (node.kind === "method-call") {
    model.typeOf(node);
    return;
  }
  if (symbol !== undefined && (symbol.kind === "namespace" || "declaration" in symbol)) {
    report(model.reporter, "BCP141", node);
  } else model.typeOf(node);
}

function checkArguments(model: Model, call: DecoratorCall, definition: DecoratorDefinition): boolean {
  const count = call.arguments.length;
  const { minimum, maximum } = definition;
  if (count < minimum || count > maximum) {
    const expected = minimum === maximum ? `${minimum}` : `${minimum} to ${maximum}`;
    const span = { start: call.nameNode.end, end: call.node.expression.end };
    report(model.reporter, "BCP071", span, expected, count);
    return false;
  }
  const [first] = call.arguments;
  if (first === undefined) return true;
  const found = model.typeOf(first);
  if (definition.argument !== undefined && !isAssignable(found, definition.argument)) {
    report(model.reporter, "BCP070", first, typeName(found), typeName(definition.argument));
    return false;
  }
  const before = model.reporter.found.length;
  if (definition.constant === true) for (const argument of call.arguments) requireConstant(model, argument);
  if (definition.argument !== undefined) checkAssignable(model, first, definition.argument);
  return model.reporter.found.length === before;
}

function checkFit(
  model: Model,
  node: Decorable,
  call: DecoratorCall,
  definition: DecoratorDefinition,
  type: Type,
): void {
  const { attachable } = definition;
  if (attachable !== undefined && !isUnknown(type) && !isAssignable(type, attachable)) {
    report(model.reporter, "BCP124", call.node, call.name, typeName(attachable), typeName(type));
    if (call.name === "secure") return;
  }
  const [argument] = call.arguments;
  switch (call.name) {
    case "secure":
      if (armTypeName(type) === undefined && !isUnknown(type)) report(model.reporter, "BCP440", call.node);
      checkNotAlias(model, node, call);
      return;
    case "minValue":
    case "maxValue":
      checkNotAlias(model, node, call);
      return;
    case "minLength":
    case "maxLength":
      checkLength(model, node, call, type);
      return;
    case "allowed":
      checkAllowed(model, node, call, type);
      return;
    case "metadata":
      argument?.kind === "object" ? checkMetadata(model, argument) : undefined;
      return;
    case "batchSize":
      checkBatchSize(model, node, call);
      return;
    case "retryOn": {
      const count = call.arguments[1];
      count === undefined ? undefined : checkAssignable(model, count, { kind: "int", min: 1n });
      return;
    }
    case "nullIfNotFound":
      if (node.kind === "resource" && !node.existing) report(model.reporter, "BCP445", call.node);
      return;
    case "sealed":
      checkSealed(model, node, call);
      return;
    case "discriminator":
      checkDiscriminator(model, node, call, type);
      return;
    case "export":
      checkExport(model, node, call);
      return;
  }
}

/** The type that a declaration is written with. */
function typeSyntaxOf(node: Decorable): syntax.TypeSyntax | undefined {
  switch (node.kind) {
    case "param":
    case "output":
    case "var":
      return node.type;
    case "type":
    case "type-property":
    case "type-tuple-item":
      return node.value;
    default:
      return undefined;
  }
}

function withoutNullable(node: syntax.TypeSyntax | undefined): syntax.TypeSyntax | undefined {
  return node?.kind === "type-nullable" ? node.base : node;
}

function isAlias(model: Model, node: syntax.TypeSyntax | undefined): boolean {
  switch (node?.kind) {
    case "type-nullable":
    case "type-items":
    case "type-additional":
    case "type-member":
    case "type-index":
      return isAlias(model, node.base);
    case "type-variable": {
      const kind = symbolAt(model, node)?.kind;
      return kind === "type" || kind === "imported" || kind === "wildcard";
    }
    default:
      return false;
  }
}

function checkNotAlias(model: Model, node: Decorable, call: DecoratorCall): void {
  if (isAlias(model, typeSyntaxOf(node))) report(model.reporter, "BCP308", call.node, call.name);
}

function checkLength(model: Model, node: Decorable, call: DecoratorCall, type: Type): void {
  checkNotAlias(model, node, call);
  if (type.kind === "union" || isLiteralType(type)) report(model.reporter, "BCP295", call.node, call.name);
  const [argument] = call.arguments;
  const length = literalInteger(argument);
  if (argument !== undefined && length !== undefined && length < 0n)
    report(model.reporter, "BCP168", argument);
}

function checkAllowed(model: Model, node: Decorable, call: DecoratorCall, type: Type): void {
  const [argument] = call.arguments;
  const written = withoutNullable(typeSyntaxOf(node));
  checkNotAlias(model, node, call);
  if (written?.kind === "type-literal" || written?.kind === "type-union" || written?.kind === "type-unary") {
    report(model.reporter, "BCP295", call.node, call.name);
  }
  if (argument === undefined) return;
  if (argument.kind === "array") {
    if (argument.items.length === 0) report(model.reporter, "BCP099", argument);
    const plain = argument.items.every((item) => item.kind !== "array");
    if (plain && isAssignable(type, arrayType)) return;
  }
  checkAssignable(model, argument, arrayOf(type));
}

function checkMetadata(model: Model, node: syntax.ObjectLiteral): void {
  for (const item of node.items) {
    if (item.kind !== "property" || item.key.kind !== "identifier" || item.key.name !== "description")
      continue;
    const type = model.typeOf(item.value);
    if (!isUnknown(type) && type.kind !== "string") {
      report(model.reporter, "BCP036", item.value, "description", "string", typeName(type));
    }
  }
}

function checkBatchSize(model: Model, node: Decorable, call: DecoratorCall): void {
  const [argument] = call.arguments;
  const loop = (node.kind === "resource" || node.kind === "module") && node.value.kind === "for";
  if (!loop) report(model.reporter, "BCP155", call.node, call.name);
  const size = literalInteger(argument);
  if (argument !== undefined && size !== undefined && size < 1n) {
    report(model.reporter, "BCP154", argument, size, 1);
  }
}

function checkSealed(model: Model, node: Decorable, call: DecoratorCall): void {
  const written = withoutNullable(typeSyntaxOf(node));
  const ambient = written?.kind === "type-member" && symbolAt(model, written.base)?.kind === "namespace";
  if (isAlias(model, written) && !ambient) report(model.reporter, "BCP308", call.node, call.name);
  else if (
    written?.kind === "type-object" &&
    written.properties.some((property) => property.key === undefined)
  ) {
    report(model.reporter, "BCP316", call.node);
  }
}

function unionOf(node: syntax.TypeSyntax | undefined): syntax.UnionType | undefined {
  if (node?.kind === "type-parenthesized") return unionOf(node.inner);
  if (node?.kind === "type-nullable" || node?.kind === "type-non-nullable") return unionOf(node.base);
  return node?.kind === "type-union" ? node : undefined;
}

function checkDiscriminator(model: Model, node: Decorable, call: DecoratorCall, type: Type): void {
  const [argument] = call.arguments;
  if (type.kind !== "discriminated") {
    if (!isUnknown(type)) report(model.reporter, "BCP363", call.node);
    return;
  }
  const union = unionOf(typeSyntaxOf(node));
  const own = union === undefined ? type.key : discriminatorOf(model, union);
  const given = literalText(argument);
  if (given !== undefined && given !== (own ?? type.key))
    report(model.reporter, "BCP366", call.node, type.key);
}

/** What is exported must mean something without the rest of its file. */
function checkExport(model: Model, node: Decorable, call: DecoratorCall): void {
  const symbol = model.binding.symbolsOf.get(node);
  if (symbol === undefined) {
    report(model.reporter, "BCP361", call.node);
    return;
  }
  const names = new Set<string>();
  const met = new Set<DeclaredSymbol>([symbol]);
  const pending: DeclaredSymbol[] = [symbol];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.kind === "imported" || next.kind === "wildcard") continue;
    if (next.kind !== "var" && next.kind !== "type" && next.kind !== "func") {
      names.add(next.name);
      continue;
    }
    for (const used of referencesIn(model, next.declaration)) {
      if (met.has(used)) continue;
      met.add(used);
      pending.push(used);
    }
  }
  if (names.size === 0) return;
  report(
    model.reporter,
    "BCP372",
    call.node,
    [...names]
      .sort()
      .map((name) => `"${name}"`)
      .join(", "),
  );
}

function referencesIn(model: Model, node: syntax.Node): DeclaredSymbol[] {
  const symbol = symbolAt(model, node);
  const own = symbol !== undefined && "declaration" in symbol && symbol.kind !== "local" ? [symbol] : [];
  return [...own, ...childrenOf(node).flatMap((child) => referencesIn(model, child))];
}

/** Syntax to intermediate expressions: names resolved, loops and spreads taken apart. */

import { importTarget } from "./exports.ts";
import { inlinedSymbols } from "./inlining.ts";
import { type IrExpression, type IrObject, type IrProperty, irCall, irString } from "./intermediate.ts";
import { lowerIndex, lowerMember } from "./lower-access.ts";
import { lowerCall, lowerMethod } from "./lower-calls.ts";
import { type Context, NotEmittable, spend } from "./lowering.ts";
import { parentOf, symbolAt } from "./model.ts";
import { resourceAt } from "./resources.ts";
import type { LocalSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { keyText, literalText } from "./walk.ts";

export function lower(context: Context, node: syntax.Expression): IrExpression {
  spend(context);
  switch (node.kind) {
    case "string":
      return lowerString(context, node);
    case "integer":
      return { kind: "integer", value: node.value };
    case "boolean":
      return { kind: "boolean", value: node.value };
    case "null":
      return { kind: "null" };
    case "parenthesized":
      return lower(context, node.inner);
    case "non-null":
      return lower(context, node.base);
    case "object":
      return lowerObject(context, node);
    case "array":
      return lowerArray(context, node);
    case "unary":
      return lowerUnary(context, node);
    case "binary":
      return {
        kind: "binary",
        operator: node.operator,
        left: lower(context, node.left),
        right: lower(context, node.right),
      };
    case "ternary":
      return {
        kind: "ternary",
        condition: lower(context, node.condition),
        whenTrue: lower(context, node.whenTrue),
        whenFalse: lower(context, node.whenFalse),
      };
    case "call":
      return lowerCall(context, node);
    case "method-call":
      return lowerMethod(context, node);
    case "member":
      return lowerMember(context, node);
    case "index":
      return lowerIndex(context, node);
    case "variable":
      return lowerVariable(context, node);
    case "nested-resource":
      return lowerNestedResource(context, node);
    case "lambda":
      return {
        kind: "lambda",
        parameters: node.parameters.map((parameter) => parameter.name.name),
        body: lower(context, node.body),
      };
    case "for":
      return { kind: "loop", expression: lower(context, node.expression), body: lower(context, node.body) };
    case "if":
    case "skipped":
      throw new NotEmittable("this expression");
  }
}

function lowerString(context: Context, node: syntax.StringLiteral): IrExpression {
  const text = literalText(node);
  if (text !== undefined) return irString(text);
  const expressions = node.expressions.map((expression) => lower(context, expression));
  return { kind: "interpolated", segments: node.segments, expressions };
}

function lowerUnary(context: Context, node: syntax.Unary): IrExpression {
  if (node.operator === "-" && node.operand.kind === "integer") {
    return { kind: "integer", value: -node.operand.value };
  }
  return {
    kind: "unary",
    operator: node.operator === "!" ? "!" : "-",
    operand: lower(context, node.operand),
  };
}

function lowerArray(context: Context, node: syntax.ArrayLiteral): IrExpression {
  const chunks: IrExpression[] = [];
  let items: IrExpression[] = [];
  let spreads = false;
  const close = () => {
    if (items.length > 0) chunks.push({ kind: "array", items });
    items = [];
  };
  for (const item of node.items) {
    if (item.kind === "spread") {
      close();
      spreads = true;
      chunks.push(lower(context, item.expression));
    } else items.push(lower(context, item));
  }
  if (!spreads) return { kind: "array", items };
  close();
  return irCall("flatten", { kind: "array", items: chunks });
}

function lowerObject(context: Context, node: syntax.ObjectLiteral): IrExpression {
  const chunks: IrExpression[] = [];
  let properties: IrProperty[] = [];
  let spreads = false;
  const close = () => {
    if (properties.length > 0) chunks.push({ kind: "object", properties });
    properties = [];
  };
  for (const item of node.items) {
    if (item.kind === "spread") {
      close();
      spreads = true;
      chunks.push(lower(context, item.expression));
    } else if (item.kind === "property") properties.push(lowerProperty(context, item));
  }
  if (!spreads) return { kind: "object", properties };
  close();
  return irCall("shallowMerge", { kind: "array", items: chunks });
}

export function lowerProperty(context: Context, node: syntax.ObjectProperty): IrProperty {
  const name = keyText(node.key);
  if (name === undefined && node.key.kind !== "string") throw new NotEmittable("this property");
  const key = name === undefined ? lower(context, node.key as syntax.StringLiteral) : irString(name);
  return { key, value: lower(context, node.value) };
}

/** The properties of a resource's or module's body but those named in `omitted`. */
export function lowerBody(
  context: Context,
  body: syntax.ObjectLiteral,
  omitted: ReadonlySet<string>,
): IrObject {
  const properties = body.items.flatMap((item) => {
    if (item.kind !== "property" || omitted.has(keyText(item.key) ?? "")) return [];
    return [lowerProperty(context, item)];
  });
  return { kind: "object", properties };
}

function lowerNestedResource(context: Context, node: syntax.ResourceAccess): IrExpression {
  const resource = resourceAt(context.model, node);
  if (resource === undefined) throw new NotEmittable("this resource");
  return { kind: "resource", resource, index: undefined };
}

/** The variables in which the values of a parameters file are kept; no declaration can have such a name. */
export const baseVariable = "base of this file";
export function parameterVariable(name: string): string {
  return `parameter ${name}`;
}

function lowerVariable(context: Context, node: syntax.VariableAccess): IrExpression {
  const { model, names } = context;
  const resource = resourceAt(model, node);
  if (resource !== undefined) return { kind: "resource", resource, index: undefined };
  const symbol = symbolAt(model, node);
  switch (symbol?.kind) {
    case "param":
      return { kind: "parameter", name: symbol.name };
    case "param-assignment":
      return { kind: "variable", name: parameterVariable(symbol.name) };
    case "base":
      return { kind: "variable", name: baseVariable };
    case "var":
      if (inlinedSymbols(model).variables.has(symbol)) return lower(context, symbol.declaration.value);
      return { kind: "variable", name: names.get(symbol) ?? symbol.name };
    case "module":
      return { kind: "module", module: symbol, index: undefined };
    case "local":
      return lowerLocal(context, symbol);
    case "imported": {
      const target = importTarget(model, symbol);
      const name = target === undefined ? undefined : names.get(target.symbol);
      return { kind: "variable", name: name ?? symbol.name };
    }
    default:
      throw new NotEmittable(`the name "${node.name.name}" as a value`);
  }
}

function lowerLocal(context: Context, symbol: LocalSymbol): IrExpression {
  const replaced = context.replacements.get(symbol);
  if (replaced !== undefined) return replaced;
  const { owner } = symbol;
  if (symbol.role === "function") return { kind: "parameter", name: symbol.name };
  if (owner.kind !== "for") return { kind: "lambda-variable", name: symbol.name };
  return loopVariable(context, symbol, owner, { kind: "copy-index", name: copyIndexName(context, owner) });
}

/** What a loop variable is for the member at `index`. */
export function loopVariable(
  context: Context,
  symbol: LocalSymbol,
  loop: syntax.ForExpression,
  index: IrExpression,
): IrExpression {
  if (symbol.role === "index") return index;
  const array = lower(context, loop.expression);
  return { kind: "access", base: array, key: index, safe: false, fromEnd: false, chained: false };
}

/** The loops of resources, modules and outputs have no name of their own; those of variables and properties do. */
function copyIndexName(context: Context, loop: syntax.ForExpression): string | undefined {
  const parent = parentOf(context.model, loop);
  switch (parent?.kind) {
    case "resource":
    case "module":
    case "output":
      return undefined;
    case "var":
      return parent.name.name;
    case "param-assignment":
      return parameterVariable(parent.name.name);
    case "property":
      return keyText(parent.key);
    default:
      throw new NotEmittable("a loop at this place");
  }
}

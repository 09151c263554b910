/** The decorators of a declaration, as calls with a name and arguments. */
import { findDecorator } from "./functions.ts";
import { type Model, symbolAt } from "./model.ts";
import type * as syntax from "./syntax.ts";

export interface DecoratorCall {
  readonly name: string;
  readonly arguments: readonly syntax.Expression[];
  readonly node: syntax.Decorator;
  /** Where the name stands. */
  readonly nameNode: syntax.Identifier;
}

/** The call that a decorator is, if it is a decorator of the language at all. */
export function decoratorCall(model: Model, node: syntax.Decorator): DecoratorCall | undefined {
  const { expression } = node;
  if (expression.kind === "call") {
    if (symbolAt(model, expression) !== undefined) return undefined;
    return { name: expression.name.name, arguments: expression.arguments, node, nameNode: expression.name };
  }
  if (expression.kind !== "method-call") return undefined;
  const base = symbolAt(model, expression.base);
  if (
    base?.kind !== "namespace" ||
    base.name !== "sys" ||
    findDecorator(expression.name.name) === undefined
  ) {
    return undefined;
  }
  return { name: expression.name.name, arguments: expression.arguments, node, nameNode: expression.name };
}

interface Decorated {
  readonly decorators: readonly syntax.Decorator[];
}

export function decoratorCalls(model: Model, target: Decorated): readonly DecoratorCall[] {
  return target.decorators.flatMap((node) => decoratorCall(model, node) ?? []);
}

export function findDecoratorCall(model: Model, target: Decorated, name: string): DecoratorCall | undefined {
  return decoratorCalls(model, target).find((call) => call.name === name);
}

export function isExported(model: Model, target: Decorated): boolean {
  return findDecoratorCall(model, target, "export") !== undefined;
}

/** An integer literal, possibly with a minus sign. */
export function literalInteger(node: syntax.Expression | undefined): bigint | undefined {
  if (node?.kind === "integer") return node.value;
  if (node?.kind !== "unary" || node.operator !== "-" || node.operand.kind !== "integer") return undefined;
  return -node.operand.value;
}

export function integerArgument(model: Model, target: Decorated, name: string): bigint | undefined {
  return literalInteger(findDecoratorCall(model, target, name)?.arguments[0]);
}

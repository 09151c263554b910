/** The children of every kind of node, in source order; the one place that knows them all. */
import type {
  Expression,
  Node,
  ObjectLiteral,
  ObjectProperty,
  Parenthesized,
  StringLiteral,
} from "./syntax.ts";

function present(nodes: readonly (Node | undefined)[]): Node[] {
  return nodes.filter((node) => node !== undefined);
}

/** Without names and other leaves that no pass looks at. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case "program":
      return node.statements;
    case "string":
      return node.expressions;
    case "property":
      return node.key.kind === "string" ? [node.key, node.value] : [node.value];
    case "spread":
    case "decorator":
      return [node.expression];
    case "object":
    case "array":
    case "type-tuple":
      return node.items;
    case "unary":
    case "type-unary":
      return [node.operand];
    case "binary":
      return [node.left, node.right];
    case "ternary":
      return [node.condition, node.whenTrue, node.whenFalse];
    case "call":
      return node.arguments;
    case "method-call":
      return [node.base, ...node.arguments];
    case "member":
    case "nested-resource":
    case "non-null":
    case "type-nullable":
    case "type-non-nullable":
    case "type-member":
    case "type-items":
    case "type-additional":
      return [node.base];
    case "index":
    case "type-index":
      return [node.base, node.index];
    case "parenthesized":
    case "type-parenthesized":
      return [node.inner];
    case "local":
      return present([node.type]);
    case "lambda":
      return [...node.parameters, node.body];
    case "typed-lambda":
      return [...node.parameters, node.returns, node.body];
    case "for":
      return present([node.item, node.index, node.expression, node.body]);
    case "if":
      return [node.condition, node.body];
    case "type-object":
      return node.properties;
    case "type-property":
    case "type-tuple-item":
      return [...node.decorators, node.value];
    case "type-array":
      return [node.item];
    case "type-union":
      return node.members;
    case "type-call":
      return present([node.base, ...node.arguments]);
    case "type-resource":
      return present([node.type]);
    default:
      return childrenOfStatement(node);
  }
}

function childrenOfStatement(node: Node): readonly Node[] {
  switch (node.kind) {
    case "param":
      return present([...node.decorators, node.type, node.defaultValue]);
    case "var":
      return present([...node.decorators, node.type, node.value]);
    case "output":
      return [...node.decorators, node.type, node.value];
    case "func":
      return [...node.decorators, node.lambda];
    case "resource":
    case "targetScope":
    case "metadata":
    case "type":
    case "module":
    case "test":
    case "assert":
    case "param-assignment":
    case "extension-config":
      return [...node.decorators, node.value];
    case "extension":
    case "using":
      return present([...node.decorators, node.config]);
    case "import":
      return [...node.decorators, ...node.items];
    case "extends":
    case "missing":
      return node.decorators;
    default:
      return [];
  }
}

/** Calls `visit` for the node and everything below it; a `false` keeps it from going deeper. */
export function walk(node: Node, visit: (node: Node) => boolean | undefined): void {
  if (visit(node) === false) return;
  for (const child of childrenOf(node)) walk(child, visit);
}

/** True when no path from the node downwards is longer than `max`. Needs no stack of its own. */
export function heightWithin(root: Node, max: number): boolean {
  const pending: { node: Node; depth: number }[] = [{ node: root, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.depth > max) return false;
    for (const child of childrenOf(next.node)) pending.push({ node: child, depth: next.depth + 1 });
  }
  return true;
}

/** The value of a string without holes. */
export function literalText(node: Node | undefined): string | undefined {
  return node?.kind === "string" && node.expressions.length === 0 ? node.segments[0] : undefined;
}

/** The name of a property, if it is known without evaluating anything. */
export function keyText(key: ObjectProperty["key"]): string | undefined {
  if (key.kind === "identifier") return key.name === "" ? undefined : key.name;
  return key.kind === "string" ? literalText(key as StringLiteral) : undefined;
}

export function findProperty(object: ObjectLiteral | undefined, name: string): ObjectProperty | undefined {
  for (const item of object?.items ?? []) {
    if (item.kind === "property" && keyText(item.key) === name) return item;
  }
  return undefined;
}

/** The object of a resource or module, below its loop and condition. */
export function bodyObject(value: Expression): ObjectLiteral | undefined {
  if (value.kind === "for" || value.kind === "if") return bodyObject(value.body);
  return value.kind === "object" ? value : undefined;
}

/** The condition of a resource or module, with or without a loop around. */
export function bodyCondition(value: Expression): Expression | undefined {
  const inner = value.kind === "for" ? value.body : value;
  return inner.kind === "if" ? inner.condition : undefined;
}

export function withoutParentheses(node: Expression): Expression {
  let inner = node;
  while (inner.kind === "parenthesized") inner = (inner as Parenthesized).inner;
  return inner;
}

export function withoutAssertion(node: Expression): Expression {
  return node.kind === "non-null" ? withoutAssertion(node.base) : node;
}

/**
 * Binds names to what they stand for: the declarations of the file, the names that loops, lambdas and resource
 * bodies introduce, and the built-in namespaces.
 */
import { type Code, type Part, type Reporter, report } from "./diagnostics.ts";
import {
  ambientTypes,
  findDecorator,
  findFunction,
  functionNames,
  parameterizedTypes,
  replacedByOperator,
  replacedFunctions,
} from "./functions.ts";
import type { FileKind } from "./parser.ts";
import { suggestName } from "./spelling.ts";
import type { BoundSymbol, DeclaredSymbol, LocalSymbol, ResourceSymbol } from "./symbols.ts";
import { isReferable } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { bodyObject, childrenOf } from "./walk.ts";

export interface Binding {
  /** In source order, with the resources inside resources. */
  readonly declared: readonly DeclaredSymbol[];
  /** The symbol of every name that is used: variables, calls, types, nested resources. */
  readonly bindings: ReadonlyMap<syntax.Node, BoundSymbol>;
  /** The symbol of every declaration. */
  readonly symbolsOf: ReadonlyMap<syntax.Node, DeclaredSymbol>;
  readonly parents: ReadonlyMap<syntax.Node, syntax.Node>;
}

interface Scope {
  readonly names: ReadonlyMap<string, BoundSymbol>;
  /** Set for the body of a function: of the scopes around it, only these kinds can be seen. */
  readonly only?: ReadonlySet<BoundSymbol["kind"]>;
}

interface Binder {
  readonly reporter: Reporter;
  readonly kind: FileKind;
  readonly declared: DeclaredSymbol[];
  readonly bindings: Map<syntax.Node, BoundSymbol>;
  readonly symbolsOf: Map<syntax.Node, DeclaredSymbol>;
  readonly parents: Map<syntax.Node, syntax.Node>;
  /** Innermost last. */
  readonly scopes: Scope[];
  /** What a name in the place of a decorator is. */
  inDecorator: boolean;
  extended: boolean;
}

export function bindFile(reporter: Reporter, program: syntax.Program, kind: FileKind): Binding {
  const binder: Binder = {
    reporter,
    kind,
    declared: [],
    bindings: new Map(),
    symbolsOf: new Map(),
    parents: new Map(),
    scopes: [],
    inDecorator: false,
    extended: program.statements.some((statement) => statement.kind === "extends"),
  };
  const names = new Map<string, BoundSymbol>();
  for (const statement of program.statements) {
    for (const symbol of declare(binder, statement, undefined)) {
      if (isReferable(symbol) && !names.has(symbol.name)) names.set(symbol.name, symbol);
    }
  }
  binder.scopes.push({ names });
  bindNode(binder, program);
  return binder;
}

/** The symbols that a statement declares. */
function declare(
  binder: Binder,
  statement: syntax.Statement | syntax.Skipped,
  enclosing: ResourceSymbol | undefined,
): DeclaredSymbol[] {
  const symbols = symbolsFor(statement, enclosing).filter((symbol) => symbol.name !== "");
  for (const symbol of symbols) {
    binder.declared.push(symbol);
    if (symbol.kind !== "imported") binder.symbolsOf.set(statement, symbol);
    else binder.symbolsOf.set(symbol.item, symbol);
    if (symbol.kind === "resource") declareNested(binder, symbol);
  }
  return symbols;
}

function declareNested(binder: Binder, symbol: ResourceSymbol): void {
  for (const item of bodyObject(symbol.declaration.value)?.items ?? []) {
    if (item.kind === "resource") declare(binder, item, symbol);
  }
}

function symbolsFor(
  statement: syntax.Statement | syntax.Skipped,
  enclosing: ResourceSymbol | undefined,
): DeclaredSymbol[] {
  switch (statement.kind) {
    case "param":
    case "var":
    case "type":
    case "func":
    case "module":
    case "output":
    case "metadata":
    case "assert":
    case "test":
    case "param-assignment":
      return [{ kind: statement.kind, name: statement.name.name, declaration: statement } as DeclaredSymbol];
    case "resource":
      return [{ kind: "resource", name: statement.name.name, declaration: statement, enclosing }];
    case "extension": {
      const name = statement.alias?.name ?? specifiedName(statement.specification);
      return name === undefined ? [] : [{ kind: "extension", name, declaration: statement }];
    }
    case "import":
      return importedSymbols(statement);
    default:
      return [];
  }
}

function specifiedName(specification: syntax.ExtensionDeclaration["specification"]): string | undefined {
  return specification.kind === "identifier" ? specification.name : undefined;
}

function importedSymbols(declaration: syntax.ImportDeclaration): DeclaredSymbol[] {
  const wildcard: DeclaredSymbol[] =
    declaration.wildcard === undefined
      ? []
      : [{ kind: "wildcard", name: declaration.wildcard.name, declaration }];
  const named = declaration.items.map(
    (item): DeclaredSymbol => ({
      kind: "imported",
      name: item.name.name,
      original: item.original,
      declaration,
      item,
    }),
  );
  return [...wildcard, ...named];
}

function withScope(binder: Binder, scope: Scope, visit: () => void): void {
  binder.scopes.push(scope);
  visit();
  binder.scopes.pop();
}

function bindChildren(binder: Binder, node: syntax.Node): void {
  for (const child of childrenOf(node)) {
    binder.parents.set(child, node);
    bindNode(binder, child);
  }
}

function bindChild(binder: Binder, node: syntax.Node, child: syntax.Node | undefined): void {
  if (child === undefined) return;
  binder.parents.set(child, node);
  bindNode(binder, child);
}

function bindNode(binder: Binder, node: syntax.Node): void {
  switch (node.kind) {
    case "for":
      bindFor(binder, node);
      return;
    case "lambda":
      bindLambda(binder, node, { names: localNames(node, "lambda") });
      return;
    case "typed-lambda":
      bindLambda(binder, node, { names: localNames(node, "function"), only: seenByFunctions });
      return;
    case "resource":
      bindResource(binder, node);
      return;
    case "decorator":
      bindDecorator(binder, node);
      return;
    case "variable":
      binder.bindings.set(node, findName(binder, node.name, false));
      return;
    case "call":
      bindChildren(binder, node);
      binder.bindings.set(node, findName(binder, node.name, true));
      return;
    case "type-variable":
      binder.bindings.set(node, findTypeName(binder, node.name, false));
      return;
    case "type-call":
      bindChildren(binder, node);
      if (node.base === undefined) binder.bindings.set(node, findTypeName(binder, node.name, true));
      return;
    case "nested-resource":
      bindChildren(binder, node);
      bindNestedResource(binder, node);
      return;
    default:
      bindChildren(binder, node);
  }
}

const seenByFunctions: ReadonlySet<BoundSymbol["kind"]> = new Set<BoundSymbol["kind"]>([
  "var",
  "func",
  "imported",
  "wildcard",
  "resource",
]);

function localSymbol(
  declaration: syntax.LocalVariable,
  role: LocalSymbol["role"],
  owner: LocalSymbol["owner"],
): LocalSymbol {
  return { kind: "local", name: declaration.name.name, role, declaration, owner };
}

function localNames(
  node: syntax.Lambda | syntax.TypedLambda,
  role: "lambda" | "function",
): Map<string, BoundSymbol> {
  return new Map(node.parameters.map((local) => [local.name.name, localSymbol(local, role, node)]));
}

function bindLambda(binder: Binder, node: syntax.Lambda | syntax.TypedLambda, scope: Scope): void {
  for (const parameter of node.parameters) bindChild(binder, node, parameter);
  if (node.kind === "typed-lambda") bindChild(binder, node, node.returns);
  withScope(binder, scope, () => bindChild(binder, node, node.body));
}

function bindFor(binder: Binder, node: syntax.ForExpression): void {
  bindChild(binder, node, node.item);
  bindChild(binder, node, node.index);
  bindChild(binder, node, node.expression);
  const names = new Map<string, BoundSymbol>();
  if (node.index !== undefined) names.set(node.index.name.name, localSymbol(node.index, "index", node));
  if (node.item !== undefined) names.set(node.item.name.name, localSymbol(node.item, "item", node));
  withScope(binder, { names }, () => bindChild(binder, node, node.body));
}

/** The resources in the body of a resource can be named inside it. */
function bindResource(binder: Binder, node: syntax.ResourceDeclaration): void {
  for (const decorator of node.decorators) bindChild(binder, node, decorator);
  const nested = new Map<string, BoundSymbol>();
  for (const item of bodyObject(node.value)?.items ?? []) {
    const symbol = item.kind === "resource" ? binder.symbolsOf.get(item) : undefined;
    if (symbol !== undefined) nested.set(symbol.name, symbol);
  }
  if (node.value.kind === "if") bindCondition(binder, node, node.value, nested);
  else withScope(binder, { names: nested }, () => bindChild(binder, node, node.value));
}

function bindCondition(
  binder: Binder,
  node: syntax.ResourceDeclaration,
  condition: syntax.IfCondition,
  names: ReadonlyMap<string, BoundSymbol>,
): void {
  binder.parents.set(condition, node);
  bindChild(binder, condition, condition.condition);
  withScope(binder, { names }, () => bindChild(binder, condition, condition.body));
}

/** `@name(..)` and `@sys.name(..)`; the arguments are ordinary expressions. */
function bindDecorator(binder: Binder, node: syntax.Decorator): void {
  const { expression } = node;
  binder.parents.set(expression, node);
  if (expression.kind === "call") {
    bindChildren(binder, expression);
    if (
      findDecorator(expression.name.name) !== undefined &&
      findLocal(binder, expression.name.name) === undefined
    ) {
      return;
    }
    binder.bindings.set(expression, findName(binder, expression.name, true));
  } else if (expression.kind === "method-call") bindChildren(binder, expression);
  else bindNode(binder, expression);
}

function bindNestedResource(binder: Binder, node: syntax.ResourceAccess): void {
  const base = binder.bindings.get(node.base);
  if (base?.kind === "unbound") {
    binder.bindings.set(node, base);
    return;
  }
  if (base?.kind !== "resource") {
    binder.bindings.set(node, unbound(binder, node.name, "BCP158", base?.kind ?? "value"));
    return;
  }
  const nested = binder.declared.filter((symbol) => symbol.kind === "resource" && symbol.enclosing === base);
  const found = nested.find((symbol) => symbol.name === node.name.name);
  const known = nested.map((symbol) => symbol.name).join(", ") || "none";
  binder.bindings.set(node, found ?? unbound(binder, node.name, "BCP159", base.name, node.name.name, known));
}

function unbound(
  binder: Binder,
  name: syntax.Identifier,
  code: Code,
  ...parts: readonly Part[]
): BoundSymbol {
  if (name.name !== "") report(binder.reporter, code, name, ...parts);
  return { kind: "unbound", name: name.name };
}

/** Looks through the scopes from the inside to the outside. */
function findLocal(binder: Binder, name: string): BoundSymbol | undefined {
  let only: ReadonlySet<BoundSymbol["kind"]> | undefined;
  for (let at = binder.scopes.length - 1; at >= 0; at--) {
    const scope = binder.scopes[at];
    const symbol = scope?.names.get(name);
    if (symbol !== undefined) return only === undefined || only.has(symbol.kind) ? symbol : undefined;
    only = scope?.only ?? only;
  }
  return undefined;
}

function findName(binder: Binder, name: syntax.Identifier, called: boolean): BoundSymbol {
  const local = findLocal(binder, name.name);
  if (local !== undefined) return local;
  if (name.name === "sys" || name.name === "az") return { kind: "namespace", name: name.name };
  if (name.name === "base" && binder.kind === "bicepparam") {
    return binder.extended ? { kind: "base", name: "base" } : unbound(binder, name, "BCP437");
  }
  const definition = findFunction("sys", name.name) ?? findFunction("az", name.name);
  if (definition !== undefined && allowedInFile(binder, definition.flags)) {
    return { kind: "function", name: name.name, definition };
  }
  if (!called && ambientTypes.includes(name.name)) return { kind: "ambient-type", name: name.name };
  if (called) {
    const operator = Object.hasOwn(replacedByOperator, name.name) ? replacedByOperator[name.name] : undefined;
    if (operator !== undefined) return unbound(binder, name, "BCP069", name.name, operator);
    const code = Object.hasOwn(replacedFunctions, name.name) ? replacedFunctions[name.name] : undefined;
    if (code !== undefined) return unbound(binder, name, code);
  }
  return unknownName(binder, name, called);
}

function allowedInFile(binder: Binder, flags: readonly string[]): boolean {
  return !flags.includes(binder.kind === "bicep" ? "params" : "template");
}

function unknownName(binder: Binder, name: syntax.Identifier, called: boolean): BoundSymbol {
  const candidates = called ? [...functionNames("sys"), ...functionNames("az")] : ambientTypes;
  const suggestion = suggestName(name.name, [...candidates, ...visibleNames(binder, called)]);
  if (suggestion !== undefined) return unbound(binder, name, "BCP082", name.name, suggestion);
  const declared = called ? undefined : suggestName(name.name, valueNames(binder));
  return unbound(binder, name, "BCP057", name.name, declared === undefined ? "" : ` Is "${declared}" meant?`);
}

/** Declared names of values; the reference compiler has no code of its own for a typing error in one. */
function valueNames(binder: Binder): string[] {
  return binder.scopes.flatMap((scope) =>
    [...scope.names.values()].flatMap(({ kind, name }) => (kind === "func" || kind === "type" ? [] : [name])),
  );
}

function visibleNames(binder: Binder, called: boolean): string[] {
  if (!called) return [];
  return binder.scopes.flatMap((scope) =>
    [...scope.names.values()].flatMap((symbol) => (symbol.kind === "func" ? [symbol.name] : [])),
  );
}

function findTypeName(binder: Binder, name: syntax.Identifier, parameterized: boolean): BoundSymbol {
  const local = findLocal(binder, name.name);
  if (local !== undefined) return local;
  if (name.name === "sys" || name.name === "az") return { kind: "namespace", name: name.name };
  if (ambientTypes.includes(name.name)) return { kind: "ambient-type", name: name.name };
  if (parameterizedTypes.includes(name.name)) {
    if (parameterized) return { kind: "ambient-type", name: name.name };
    return unbound(binder, name, "BCP384", name.name, 1);
  }
  return unbound(binder, name, "BCP302", name.name, ambientTypes.join(", "));
}

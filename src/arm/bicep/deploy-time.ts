/**
 * What must be known when a deployment begins: names, scopes, conditions, the arrays of loops, and the arguments of
 * functions that read state. The state of resources and the outputs of modules are known only later.
 */
import { type Code, report } from "./diagnostics.ts";
import { findFunction } from "./functions.ts";
import { inlinedSymbols, isCompileTimeProperty } from "./inlining.ts";
import { type Model, parentOf, symbolAt } from "./model.ts";
import { isCollection, type ModuleSymbol, type ResourceSymbol, type VariableSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { childrenOf, keyText, walk, withoutAssertion } from "./walk.ts";

interface Container {
  readonly code: Code;
  /** What the text of the finding begins with. */
  readonly parts: readonly string[];
  /** Naming a whole resource is what this is for. */
  readonly names: boolean;
}

export function checkDeployTime(model: Model): void {
  const search: Search = { model, variables: new Map() };
  for (const statement of model.program.statements) visit(search, statement);
  walk(model.program, (node) => {
    checkNestedRuntime(model, node);
    return true;
  });
}

/** The properties whose values the service reads before it deploys anything. */
const fixedProperties: ReadonlySet<string> = new Set([
  ...[
    "name",
    "scope",
    "parent",
    "id",
    "type",
    "apiVersion",
    "location",
    "kind",
    "subscriptionId",
    "resourceGroup",
  ],
  ...["managedBy", "managedByExtended", "extendedLocation", "zones", "placement", "plan", "sku", "identity"],
  ...["tags", "asserts"],
]);
const fixedInModules: ReadonlySet<string> = new Set(["name", "scope", "identity"]);

function visit(search: Search, node: syntax.Node): void {
  const { model } = search;
  switch (node.kind) {
    case "func": {
      const { lambda } = node;
      if (lambda.kind !== "skipped") check(search, lambda.body, { code: "BCP341", parts: [], names: false });
      break;
    }
    case "resource":
      if (node.existing) {
        visitNested(search, node);
        return;
      }
      break;
    case "property":
      visitProperty(search, node);
      break;
    case "if":
      check(search, node.condition, { code: "BCP177", parts: [], names: false });
      break;
    case "for": {
      check(search, node.expression, { code: "BCP178", parts: [], names: false });
      const parent = parentOf(model, node);
      if (parent?.kind === "var") {
        check(search, node.body, { code: "BCP182", parts: [parent.name.name], names: false });
      }
      break;
    }
    case "call":
    case "method-call":
      if (isRuntimeCall(model, node)) {
        const container: Container = { code: "BCP181", parts: [node.name.name], names: false };
        for (const argument of node.arguments) check(search, argument, container);
        node.kind === "method-call" ? visit(search, node.base) : undefined;
        return;
      }
  }
  for (const child of childrenOf(node)) visit(search, child);
}

function visitNested(search: Search, node: syntax.ResourceDeclaration): void {
  walk(node.value, (each) => {
    if (each.kind !== "resource") return true;
    visit(search, each);
    return false;
  });
}

function visitProperty(search: Search, node: syntax.ObjectProperty): void {
  const { model } = search;
  const name = keyText(node.key);
  let owner = parentOf(model, node);
  owner = owner === undefined ? undefined : parentOf(model, owner);
  while (owner?.kind === "for" || owner?.kind === "if") owner = parentOf(model, owner);
  if (name === undefined || (owner?.kind !== "resource" && owner?.kind !== "module")) return;
  const fixed = owner.kind === "resource" ? fixedProperties : fixedInModules;
  if (!fixed.has(name)) return;
  const names = name === "scope" || name === "parent";
  check(search, node.value, { code: "BCP120", parts: [name, owner.name.name], names });
}

/** Functions that a variable cannot hold, because they read the state of the running deployment. */
function isRuntimeCall(model: Model, node: syntax.FunctionCall | syntax.MethodCall): boolean {
  if (node.kind === "call") {
    const symbol = symbolAt(model, node);
    return symbol?.kind === "function" && symbol.definition.flags.includes("runtime");
  }
  const base = symbolAt(model, node.base);
  if (base?.kind === "namespace") {
    return findFunction(base.name, node.name.name)?.flags.includes("runtime") === true;
  }
  return /^list/.test(node.name.name) && deployedAt(model, node.base) !== undefined;
}

/** The resource or module that an expression stands for, or one of a loop of them. */
function deployedAt(model: Model, node: syntax.Expression): ResourceSymbol | ModuleSymbol | undefined {
  const inner = withoutAssertion(node);
  const indexed = inner.kind === "index" && model.typeOf(inner.index).kind !== "string";
  const symbol = symbolAt(model, indexed ? inner.base : inner);
  if (symbol?.kind !== "resource" && symbol?.kind !== "module") return undefined;
  return isCollection(symbol) === indexed ? symbol : undefined;
}

/** True when a property is known before the deployment begins. */
function isReadable(model: Model, symbol: ResourceSymbol | ModuleSymbol, name: string): boolean {
  if (symbol.kind === "module") return name === "name";
  if (!isCompileTimeProperty(name)) return false;
  const late = inlinedSymbols(model).resources.has(symbol);
  return !late || (name !== "id" && name !== "name");
}

/** What is not known in time in the variables met so far. */
interface Search {
  readonly model: Model;
  readonly variables: Map<VariableSymbol, string | undefined>;
}

/** `nameof` looks at names only. */
function isNameOf(model: Model, node: syntax.Node): boolean {
  if (node.kind !== "call" && node.kind !== "method-call") return false;
  const symbol = symbolAt(model, node.kind === "call" ? node : node.base);
  return node.name.name === "nameof" && (symbol?.kind === "function" || symbol?.kind === "namespace");
}

/** Reports every part of an expression that is not known in time. */
function check(search: Search, node: syntax.Node, container: Container): void {
  walk(node, (each) => {
    if (isNameOf(search.model, each)) return false;
    const reason = violation(search, each, container.names);
    if (reason === undefined) return each.kind !== "nested-resource";
    report(search.model.reporter, container.code, each, ...container.parts, reason);
    return each.kind !== "variable";
  });
}

/** What a node reads that is not known in time, disregarding its children. */
function violation(search: Search, node: syntax.Node, names: boolean): string | undefined {
  const { model } = search;
  switch (node.kind) {
    case "member": {
      const symbol = deployedAt(model, node.base);
      if (symbol === undefined || isReadable(model, symbol, node.name.name)) return undefined;
      return `${symbol.name}.${node.name.name}`;
    }
    case "index":
      return indexViolation(model, node);
    case "call":
    case "method-call":
      return isRuntimeCall(model, node) ? node.name.name : undefined;
    case "nested-resource":
      return wholeViolation(model, node, names);
    case "variable":
      return wholeViolation(model, node, names) ?? throughVariable(search, node);
    default:
      return undefined;
  }
}

function indexViolation(model: Model, node: syntax.IndexAccess): string | undefined {
  const symbol = deployedAt(model, node.base);
  if (symbol === undefined) return undefined;
  const index = model.typeOf(node.index);
  const names = index.kind === "union" ? index.members : [index];
  for (const each of names) {
    if (each.kind !== "string" || each.literal === undefined) return symbol.name;
    if (!isReadable(model, symbol, each.literal)) return `${symbol.name}.${each.literal}`;
  }
  return undefined;
}

/** A resource or module itself, not one of its properties. */
function wholeViolation(
  model: Model,
  node: syntax.VariableAccess | syntax.ResourceAccess,
  names: boolean,
): string | undefined {
  const symbol = symbolAt(model, node);
  if (symbol?.kind !== "resource" && symbol?.kind !== "module") return undefined;
  let child: syntax.Node = node;
  let parent = parentOf(model, node);
  while (parent?.kind === "non-null") {
    child = parent;
    parent = parentOf(model, parent);
  }
  if (parent?.kind === "member" || parent?.kind === "method-call") return undefined;
  if (parent?.kind === "index") {
    if (parent.base !== child || !isCollection(symbol)) return undefined;
    const outer = parentOf(model, parent);
    if (outer?.kind === "member" || outer?.kind === "index" || outer?.kind === "method-call")
      return undefined;
  } else if (isCollection(symbol)) return undefined;
  if (!names) return symbol.name;
  return symbol.kind === "resource" && inlinedSymbols(model).resources.has(symbol) ? symbol.name : undefined;
}

function throughVariable(search: Search, node: syntax.VariableAccess): string | undefined {
  const symbol = symbolAt(search.model, node);
  if (symbol?.kind !== "var") return undefined;
  const reason = variableViolation(search, symbol);
  return reason === undefined ? undefined : `${symbol.name} -> ${reason}`;
}

function variableViolation(search: Search, symbol: VariableSymbol): string | undefined {
  if (search.variables.has(symbol)) return search.variables.get(symbol);
  search.variables.set(symbol, undefined);
  let found: string | undefined;
  walk(symbol.declaration.value, (node) => {
    if (isNameOf(search.model, node)) return false;
    found ??= violation(search, node, false);
    return found === undefined && node.kind !== "nested-resource";
  });
  search.variables.set(symbol, found);
  return found;
}

/** Existing resources whose names are known late are read in the place of their uses, which goes one step deep. */
function checkNestedRuntime(model: Model, node: syntax.Node): void {
  if (node.kind !== "member" && node.kind !== "index" && node.kind !== "method-call") return;
  const symbol = deployedAt(model, node.base);
  if (symbol?.kind !== "resource" || !inlinedSymbols(model).resources.has(symbol)) return;
  if (node.kind === "method-call") {
    if (/^list/.test(node.name.name)) report(model.reporter, "BCP307", node, "id, name, type, apiVersion");
    return;
  }
  const name = node.kind === "member" ? node.name.name : literalName(node.index);
  if (node.kind === "index" && node.index.kind !== "string") return;
  if (name !== undefined && isCompileTimeProperty(name)) return;
  report(model.reporter, "BCP307", node, "id, name, type, apiVersion");
}

function literalName(node: syntax.Expression): string | undefined {
  return node.kind === "string" && node.expressions.length === 0 ? node.segments[0] : undefined;
}

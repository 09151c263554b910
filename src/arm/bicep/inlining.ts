/**
 * Which variables cannot be variables of a template, because their value is only known while it is deployed: each use
 * is replaced by the value. And which existing resources cannot be resources of a template for the same reason.
 */
import { fact, type Model, symbolAt, symbolsOfKind } from "./model.ts";
import { resourceAt, resourceOfSymbol } from "./resources.ts";
import { resourceScopes } from "./scopes.ts";
import type { BoundSymbol, ResourceSymbol, VariableSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { childrenOf, findProperty, withoutAssertion } from "./walk.ts";

export interface Inlined {
  readonly variables: ReadonlySet<VariableSymbol>;
  readonly resources: ReadonlySet<ResourceSymbol>;
}

type Decision = "keep" | "inline";

interface Search {
  readonly model: Model;
  readonly decisions: Map<VariableSymbol | ResourceSymbol, Decision>;
}

/** Known before the deployment, whatever the resource. */
export function isCompileTimeProperty(name: string): boolean {
  return name === "id" || name === "name" || name === "type" || name === "apiVersion";
}

export function inlinedSymbols(model: Model): Inlined {
  return fact(model, "inlined", () => {
    const search: Search = { model, decisions: new Map() };
    for (const symbol of symbolsOfKind(model, "var")) decide(search, symbol);
    for (const symbol of symbolsOfKind(model, "resource")) decide(search, symbol);
    const inlined = [...search.decisions].flatMap(([symbol, decision]) =>
      decision === "inline" ? [symbol] : [],
    );
    return {
      variables: new Set(inlined.filter((symbol) => symbol.kind === "var")),
      resources: new Set(inlined.filter((symbol) => symbol.kind === "resource")),
    };
  });
}

function decide(search: Search, symbol: VariableSymbol | ResourceSymbol): Decision {
  const known = search.decisions.get(symbol);
  if (known !== undefined) return known;
  search.decisions.set(symbol, "keep");
  const inline =
    symbol.kind === "var"
      ? needsRuntime(search, symbol.declaration.value)
      : symbol.declaration.existing && existingNeedsRuntime(search, symbol);
  const decision = inline ? "inline" : "keep";
  search.decisions.set(symbol, decision);
  return decision;
}

/** An existing resource whose own name, or that of what it belongs to, is only known at run time. */
function existingNeedsRuntime(search: Search, symbol: ResourceSymbol): boolean {
  const resource = resourceOfSymbol(search.model, symbol);
  if (resource === undefined) return false;
  const ancestors = resource.ancestors.map((ancestor) => ancestor.resource.symbol);
  const outer = resourceScopes(search.model).get(resource)?.resource?.symbol;
  const bound = [...ancestors, ...(outer === undefined ? [] : [outer])];
  if (bound.some((each) => each.declaration.existing && decide(search, each) === "inline")) return true;
  const name = findProperty(resource.body, "name");
  return name !== undefined && needsRuntime(search, name.value);
}

/** True when the value of an expression is only known while the template is deployed. */
function needsRuntime(search: Search, node: syntax.Node): boolean {
  const { model } = search;
  switch (node.kind) {
    case "variable":
    case "nested-resource":
      return symbolNeedsRuntime(search, symbolAt(model, node));
    case "call": {
      const symbol = symbolAt(model, node);
      if (symbol?.kind !== "function") break;
      if (symbol.name === "nameof") return false;
      if (symbol.definition.flags.includes("runtime")) return true;
      break;
    }
    case "method-call":
      if (isRuntimeMethod(model, node)) return true;
      break;
    case "member":
    case "index": {
      const decided = accessNeedsRuntime(search, node);
      if (decided !== undefined) return decided;
    }
  }
  return childrenOf(node).some((child) => needsRuntime(search, child));
}

function symbolNeedsRuntime(search: Search, symbol: BoundSymbol | undefined): boolean {
  if (symbol?.kind === "var") return decide(search, symbol) === "inline";
  return symbol?.kind === "resource" || symbol?.kind === "module";
}

function isRuntimeMethod(model: Model, node: syntax.MethodCall): boolean {
  const base = symbolAt(model, node.base);
  if (base?.kind === "namespace") {
    return /^(reference|list[A-Za-z]*|to(Logical|Physical)Zones?)$/.test(node.name.name);
  }
  return false;
}

/** `resource.name`, `resource[index].name` and `module.name`: some are known, others are not. */
function accessNeedsRuntime(
  search: Search,
  node: syntax.PropertyAccess | syntax.IndexAccess,
): boolean | undefined {
  if (node.kind !== "member") return undefined;
  const inner = withoutAssertion(node.base);
  const owner = inner.kind === "index" ? inner.base : inner;
  const symbol = symbolAt(search.model, owner);
  const name = node.name.name;
  if (symbol?.kind === "module") return name !== "name";
  const resource = symbol?.kind === "resource" ? symbol : undefined;
  if (resource === undefined) {
    return resourceAt(search.model, owner) === undefined
      ? undefined
      : accessThroughVariable(search, owner, name);
  }
  if (!isCompileTimeProperty(name)) return true;
  return (name === "id" || name === "name") && decide(search, resource) === "inline";
}

/** A variable that is just another name of a resource is itself only known at run time. */
function accessThroughVariable(search: Search, owner: syntax.Node, _name: string): boolean {
  return symbolNeedsRuntime(search, symbolAt(search.model, owner));
}

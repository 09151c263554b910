/** Which resources and modules each resource, module and variable refers to, and which one of a loop is meant. */

import { isCompileTimeProperty } from "./inlining.ts";
import { fact, isWithin, type Model, parentOf, symbolAt } from "./model.ts";
import { unreachableLocals } from "./moved.ts";
import { resourceOfSymbol } from "./resources.ts";
import { isCollection, type ModuleSymbol, type ResourceSymbol, type VariableSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { bodyObject, childrenOf, findProperty, literalText } from "./walk.ts";

export type Dependent = ResourceSymbol | ModuleSymbol | VariableSymbol;

export interface Dependency {
  readonly target: Dependent;
  /** Which one of a loop; undefined for all of them. */
  readonly index: syntax.Expression | undefined;
  /** Nothing of the resource's state is read, only what its declaration says. */
  readonly weak: boolean;
}

interface Collector {
  readonly model: Model;
  readonly found: Map<Dependent, Dependency[]>;
  current: Dependent | undefined;
}

/** In source order; the dependencies of variables are those of what uses them. */
export function dependenciesOf(model: Model): ReadonlyMap<Dependent, readonly Dependency[]> {
  return fact(model, "dependencies", () => {
    const collector: Collector = { model, found: new Map(), current: undefined };
    for (const statement of model.program.statements) collect(collector, statement);
    dropIdleVariables(collector.found);
    return collector.found;
  });
}

/** Variables that refer to no resource are no dependencies. */
function dropIdleVariables(found: Map<Dependent, Dependency[]>): void {
  const idle = [...found].flatMap(([symbol, list]) =>
    symbol.kind === "var" && list.length === 0 ? [symbol] : [],
  );
  const users = new Map<Dependent, Set<Dependent>>();
  for (const [symbol, list] of found) {
    for (const { target } of list) {
      const known = users.get(target) ?? new Set();
      users.set(target, known.add(symbol));
    }
  }
  for (let variable = idle.pop(); variable !== undefined; variable = idle.pop()) {
    for (const user of users.get(variable) ?? []) {
      const list = found.get(user) ?? [];
      const kept = list.filter((each) => each.target !== variable);
      found.set(user, kept);
      if (kept.length === 0 && list.length > 0 && user.kind === "var") idle.push(user);
    }
  }
}

function collect(collector: Collector, node: syntax.Node): void {
  switch (node.kind) {
    case "resource":
    case "module":
    case "var":
      collectDeclaration(collector, node);
      return;
    case "variable":
    case "nested-resource":
      collectReference(collector, node);
      return;
    case "param":
    case "output":
    case "func":
    case "type":
    case "metadata":
    case "targetScope":
      return;
    default:
      for (const child of childrenOf(node)) collect(collector, child);
  }
}

function collectDeclaration(
  collector: Collector,
  node: syntax.ResourceDeclaration | syntax.ModuleDeclaration | syntax.VariableDeclaration,
): void {
  const symbol = collector.model.binding.symbolsOf.get(node);
  if (symbol?.kind !== "resource" && symbol?.kind !== "module" && symbol?.kind !== "var") return;
  const outer = collector.current;
  collector.current = symbol;
  const list: Dependency[] = [];
  collector.found.set(symbol, list);
  if (symbol.kind === "resource") {
    const parent = resourceOfSymbol(collector.model, symbol)?.ancestors.at(-1);
    if (parent !== undefined) {
      list.push({ target: parent.resource.symbol, index: parent.index, weak: true });
    }
  }
  collect(collector, node.value);
  collector.current = outer;
}

function collectReference(collector: Collector, node: syntax.VariableAccess | syntax.ResourceAccess): void {
  const { model, current } = collector;
  if (current === undefined) return;
  const target = symbolAt(model, node);
  if (target?.kind !== "resource" && target?.kind !== "module" && target?.kind !== "var") return;
  const index = isCollection(target) ? indexOf(model, current, node) : undefined;
  const weak = target.kind === "resource" && isWeak(model, current, node, target);
  const list = collector.found.get(current) ?? [];
  const same = list.some((each) => each.target === target && each.index === index && each.weak === weak);
  if (!same) list.push({ target, index, weak });
}

/** The index of a loop's member, unless it uses variables of loops inside the current declaration. */
function indexOf(model: Model, current: Dependent, node: syntax.Node): syntax.Expression | undefined {
  const parent = parentOf(model, node);
  if (parent?.kind !== "index" || parent.base !== node) return undefined;
  const { value } = current.declaration;
  const body = value.kind === "for" ? value.body : value;
  const place = body.kind === "if" ? body.body : body;
  return unreachableLocals(model, parent.index, place).length > 0 ? undefined : parent.index;
}

function isWeak(model: Model, current: Dependent, node: syntax.Node, target: ResourceSymbol): boolean {
  return (
    readsDeclarationOnly(model, node, target) ||
    isCallBase(model, node, target) ||
    isWithinProperty(model, current, node, "parent") ||
    isWithinProperty(model, current, node, "scope")
  );
}

function readsDeclarationOnly(model: Model, node: syntax.Node, target: ResourceSymbol): boolean {
  const parent = parentOf(model, node);
  switch (parent?.kind) {
    case "non-null":
      return readsDeclarationOnly(model, parent, target);
    case "member":
      return isCompileTimeProperty(parent.name.name);
    case "index": {
      const name = literalText(parent.index);
      if (name !== undefined) return isCompileTimeProperty(name);
      return isCollection(target) && parent.base === node && readsDeclarationOnly(model, parent, target);
    }
    default:
      return false;
  }
}

function isCallBase(model: Model, node: syntax.Node, target: ResourceSymbol): boolean {
  const parent = parentOf(model, node);
  switch (parent?.kind) {
    case "non-null":
      return isCallBase(model, parent, target);
    case "method-call":
      return true;
    case "index":
      return isCollection(target) && parent.base === node && isCallBase(model, parent, target);
    default:
      return false;
  }
}

function isWithinProperty(model: Model, current: Dependent, node: syntax.Node, name: string): boolean {
  if (current.kind === "var") return false;
  const property = findProperty(bodyObject(current.declaration.value), name);
  return property !== undefined && isWithin(model, node, property);
}

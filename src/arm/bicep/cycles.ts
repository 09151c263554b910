/** Declarations that refer to themselves, directly or through others: found once, before any type is worked out. */
import { fact, type Model, symbolAt } from "./model.ts";
import type { BoundSymbol, DeclaredSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { childrenOf } from "./walk.ts";

type Graph = ReadonlyMap<DeclaredSymbol, readonly DeclaredSymbol[]>;

/** The declarations that a symbol leads through until it comes back to itself; undefined when it does not. */
export function cycleOf(model: Model, symbol: BoundSymbol): readonly DeclaredSymbol[] | undefined {
  const cycles = fact(model, "cycles", () => findCycles(referenceGraph(model)));
  return cycles.get(symbol as DeclaredSymbol);
}

function referenceGraph(model: Model): Graph {
  const graph = new Map<DeclaredSymbol, DeclaredSymbol[]>();
  for (const symbol of model.binding.declared) {
    if (symbol.kind === "imported" || symbol.kind === "wildcard") continue;
    const found: DeclaredSymbol[] = [];
    graph.set(symbol, found);
    collect(model, symbol.declaration, symbol, found);
    // A resource inside another depends on it, so the outer one cannot refer to it.
    if (symbol.kind !== "resource") continue;
    for (let outer = symbol.enclosing; outer !== undefined; outer = outer.enclosing) found.push(outer);
  }
  return graph;
}

function collect(model: Model, node: syntax.Node, owner: DeclaredSymbol, found: DeclaredSymbol[]): void {
  if (node.kind === "resource" && node !== owner.declaration) return;
  if (isContainer(node) && isNullable(model, node, 0)) return;
  if (node.kind === "type-property" && node.key === undefined) return;
  const symbol = isReference(node) ? model.binding.bindings.get(node) : undefined;
  if (symbol !== undefined && "declaration" in symbol && symbol.kind !== "local") found.push(symbol);
  for (const child of childrenOf(node)) collect(model, child, owner, found);
}

function isReference(node: syntax.Node): boolean {
  return (
    node.kind === "variable" ||
    node.kind === "call" ||
    node.kind === "nested-resource" ||
    node.kind === "type-variable" ||
    node.kind === "type-call"
  );
}

type Container = syntax.ArrayType | syntax.TypeProperty | syntax.TupleItem;

/** What can hold a value of the type that it is a part of, if the part may also be null. */
function isContainer(node: syntax.Node): node is Container {
  return node.kind === "type-array" || node.kind === "type-property" || node.kind === "type-tuple-item";
}

const aliasesMax = 50;

function isNullable(model: Model, node: syntax.Node, depth: number): boolean {
  if (depth > aliasesMax) return false;
  switch (node.kind) {
    case "type-array":
      return isNullable(model, node.item, depth + 1);
    case "type-property":
    case "type-tuple-item":
      return isNullable(model, node.value, depth + 1);
    case "type-parenthesized":
      return isNullable(model, node.inner, depth + 1);
    case "type-nullable":
      return true;
    case "type-union":
      return node.members.some((member) => member.kind === "type-literal" && member.literal.kind === "null");
    case "type-variable": {
      const symbol = symbolAt(model, node);
      if (symbol?.kind !== "type") return false;
      const { value } = symbol.declaration;
      return !isContainer(value) && isNullable(model, value, depth + 1);
    }
    default:
      return false;
  }
}

interface Visit {
  readonly symbol: DeclaredSymbol;
  next: number;
}

/** Walks the graph depth first, without a stack of calls; whatever leads back into the path closes a cycle. */
function findCycles(graph: Graph): ReadonlyMap<DeclaredSymbol, readonly DeclaredSymbol[]> {
  const cycles = new Map<DeclaredSymbol, readonly DeclaredSymbol[]>();
  const done = new Set<DeclaredSymbol>();
  for (const start of graph.keys()) {
    const path: Visit[] = done.has(start) ? [] : [{ symbol: start, next: 0 }];
    const open = new Map<DeclaredSymbol, number>([[start, 0]]);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const target = graph.get(top.symbol)?.[top.next];
      top.next += 1;
      if (target === undefined) {
        done.add(top.symbol);
        open.delete(top.symbol);
        path.pop();
      } else if (open.has(target)) {
        const members = path.slice(open.get(target)).map((visit) => visit.symbol);
        members.forEach((member, at) => {
          if (!cycles.has(member)) cycles.set(member, [...members.slice(at), ...members.slice(0, at)]);
        });
      } else if (!done.has(target)) {
        open.set(target, path.length);
        path.push({ symbol: target, next: 0 });
      }
    }
  }
  return cycles;
}

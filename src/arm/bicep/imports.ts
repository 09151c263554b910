/**
 * Everything that a template gets from other files: what it imports, and what that needs in turn. Names that were
 * chosen in an import stay; the others get one that no declaration can have.
 */
import { type Exportable, exportedSymbols, importTarget, wildcardTarget } from "./exports.ts";
import { isIdentifier } from "./lexer.ts";
import { type LoadedVariable, loadedVariables } from "./loaded-variables.ts";
import { fact, isWithin, type Model, symbolAt, symbolsOfKind } from "./model.ts";
import { relativePath } from "./paths.ts";
import type * as syntax from "./syntax.ts";
import { walk } from "./walk.ts";

export interface ImportedDeclaration {
  readonly model: Model;
  readonly symbol: Exportable;
  /** In the template. */
  readonly name: string;
  /** The file it comes from, relative to the template's. */
  readonly source: string;
}

export interface ImportedLoad {
  readonly variable: LoadedVariable;
  readonly name: string;
}

export interface ImportClosure {
  /** In the order of their names. */
  readonly declarations: readonly ImportedDeclaration[];
  readonly loads: readonly ImportedLoad[];
  readonly names: ReadonlyMap<Exportable, string>;
}

interface Member {
  readonly model: Model;
  readonly source: string;
  readonly original: string;
  readonly symbol?: Exportable;
  readonly variable?: LoadedVariable;
}

export function importClosure(model: Model): ImportClosure {
  return fact(model, "importClosure", () => computeClosure(model));
}

function computeClosure(root: Model): ImportClosure {
  const members = new Map<object, Member>();
  const explicit = new Map<Exportable, string>();
  const pending: { model: Model; symbol: Exportable }[] = [];
  for (const symbol of symbolsOfKind(root, "imported")) {
    const target = importTarget(root, symbol);
    if (target === undefined) continue;
    explicit.set(target.symbol, symbol.name);
    pending.push(target);
  }
  for (const symbol of symbolsOfKind(root, "wildcard")) {
    const loaded = root.references.get(symbol.declaration);
    if (loaded?.kind !== "bicep") continue;
    pending.push(...exportedSymbols(loaded.model).map((each) => ({ model: loaded.model, symbol: each })));
  }
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (members.has(next.symbol)) continue;
    const { model, symbol } = next;
    const source = relativePath(root.path, model.path);
    members.set(symbol, { model, source, original: symbol.name, symbol });
    pending.push(...referencesOf(model, symbol));
    for (const variable of loadedVariables(model)) {
      if (symbol.kind !== "func" && isWithin(model, variable.node, symbol.declaration)) {
        members.set(variable.node, { model, source, original: variable.name, variable });
      }
    }
  }
  return nameMembers([...members.values()], explicit);
}

/** The variables, types and functions that a declaration uses. */
function referencesOf(model: Model, symbol: Exportable): { model: Model; symbol: Exportable }[] {
  const found: { model: Model; symbol: Exportable }[] = [];
  walk(symbol.declaration, (node) => {
    const used = symbolAt(model, node);
    if (used?.kind === "var" || used?.kind === "type" || used?.kind === "func")
      found.push({ model, symbol: used });
    const target = targetOf(model, node);
    if (target !== undefined) found.push(target);
    return true;
  });
  return found;
}

function targetOf(model: Model, node: syntax.Node): { model: Model; symbol: Exportable } | undefined {
  const used = symbolAt(model, node);
  if (used?.kind === "imported") return importTarget(model, used);
  if (node.kind !== "member" && node.kind !== "method-call" && node.kind !== "type-member") return undefined;
  const base = symbolAt(model, node.base);
  return base?.kind === "wildcard" ? wildcardTarget(model, base, node.name.name) : undefined;
}

function compareNames(a: string, b: string): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  if (left !== right) return left < right ? -1 : 1;
  return a < b ? 1 : Number(a > b) * -1;
}

function nameMembers(members: readonly Member[], explicit: ReadonlyMap<Exportable, string>): ImportClosure {
  let counter = 1;
  const sources = new Map<string, number>();
  const declarations: ImportedDeclaration[] = [];
  const loads: ImportedLoad[] = [];
  const sorted = [...members].sort((a, b) =>
    compareNames(`${a.source}_${a.original}`, `${b.source}_${b.original}`),
  );
  for (const { model, source, original, symbol, variable } of sorted) {
    const chosen = symbol === undefined ? undefined : explicit.get(symbol);
    const name = chosen ?? generate(source, original);
    if (symbol !== undefined) declarations.push({ model, symbol, name, source });
    else if (variable !== undefined) loads.push({ variable, name });
  }
  function generate(source: string, original: string): string {
    const id = sources.get(source) ?? counter++;
    sources.set(source, id);
    return `_${id}.${isIdentifier(original) ? original : `_${counter++}`}`;
  }
  declarations.sort((a, b) => compareNames(a.name, b.name));
  loads.sort((a, b) => compareNames(a.name, b.name));
  return { declarations, loads, names: new Map(declarations.map(({ symbol, name }) => [symbol, name])) };
}

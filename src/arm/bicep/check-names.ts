/** Names of declarations: twice the same, reserved, different only in case, and names that imports do not find. */
import { type Code, report } from "./diagnostics.ts";
import { exportedSymbols, importTarget } from "./exports.ts";
import { type Model, symbolsOfKind } from "./model.ts";
import type { Span } from "./source.ts";
import { type DeclaredSymbol, isReferable } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { keyText, walk } from "./walk.ts";

interface Named {
  readonly name: string;
  readonly span: Span;
}

export function checkNames(model: Model): void {
  checkDuplicates(model);
  checkReserved(model);
  checkCase(model);
  checkImports(model);
  const scopes = model.program.statements.filter((statement) => statement.kind === "targetScope");
  if (scopes.length > 1) for (const { keyword } of scopes) report(model.reporter, "BCP112", keyword);
}

/** Where the name of a declaration stands. */
function nameOf(symbol: DeclaredSymbol): Named {
  const { name } = symbol;
  if (symbol.kind === "imported") return { name, span: symbol.item.name };
  if (symbol.kind === "wildcard") return { name, span: symbol.declaration.wildcard ?? symbol.declaration };
  const { declaration } = symbol;
  if (declaration.kind !== "extension") return { name, span: declaration.name };
  return { name, span: declaration.alias ?? declaration.specification };
}

function groupsOf(names: readonly Named[], key: (name: string) => string): readonly (readonly Named[])[] {
  const groups = new Map<string, Named[]>();
  for (const each of names) {
    const group = groups.get(key(each.name));
    if (group === undefined) groups.set(key(each.name), [each]);
    else group.push(each);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

function reportDuplicates(model: Model, symbols: readonly DeclaredSymbol[], code: Code): void {
  for (const group of groupsOf(symbols.map(nameOf), (name) => name)) {
    for (const { name, span } of group) report(model.reporter, code, span, name);
  }
}

/** Each body of a resource is a scope of its own; names in it may hide those outside. */
function checkDuplicates(model: Model): void {
  const scopes = new Map<DeclaredSymbol | undefined, DeclaredSymbol[]>();
  for (const symbol of model.binding.declared) {
    if (!isReferable(symbol)) continue;
    const outer = symbol.kind === "resource" ? symbol.enclosing : undefined;
    const scope = scopes.get(outer);
    if (scope === undefined) scopes.set(outer, [symbol]);
    else scope.push(symbol);
  }
  for (const symbols of scopes.values()) {
    const assignments = symbols.filter((symbol) => symbol.kind === "param-assignment");
    reportDuplicates(model, assignments, "BCP028");
    reportDuplicates(
      model,
      symbols.filter((symbol) => symbol.kind !== "param-assignment"),
      "BCP028",
    );
  }
  reportDuplicates(model, symbolsOfKind(model, "output"), "BCP145");
  reportDuplicates(model, symbolsOfKind(model, "metadata"), "BCP145");
  walk(model.program, (node) => {
    const locals = localsOf(node).map(({ name }) => ({ name: name.name, span: name }));
    for (const group of groupsOf(locals, (name) => name)) {
      for (const { name, span } of group) report(model.reporter, "BCP028", span, name);
    }
    return true;
  });
}

function localsOf(node: syntax.Node): readonly syntax.LocalVariable[] {
  if (node.kind === "lambda" || node.kind === "typed-lambda") return node.parameters;
  if (node.kind !== "for" || node.item === undefined || node.index === undefined) return [];
  return [node.item, node.index];
}

function checkReserved(model: Model): void {
  for (const symbol of model.binding.declared) {
    const { name, span } = nameOf(symbol);
    if (
      isReferable(symbol) &&
      (name === "sys" || name === "az" || (name === "this" && model.kind === "bicep"))
    ) {
      report(model.reporter, "BCP084", span, name);
    }
    if (symbol.kind === "var" && name.toLowerCase() === "copy") report(model.reporter, "BCP239", span, name);
    if (symbol.kind === "type" && name === "resource") report(model.reporter, "BCP301", span, name);
    if (symbol.kind === "metadata" && name.startsWith("_")) report(model.reporter, "BCP268", span, name);
    if (model.kind === "bicepparam" && name === "base") report(model.reporter, "BCP438", span);
  }
}

/** Templates do not tell letters apart by their case. */
function checkCase(model: Model): void {
  const importedKind = (kind: string) => (symbol: DeclaredSymbol) =>
    symbol.kind === "imported" && importTarget(model, symbol)?.symbol.kind === kind;
  const of = (kind: DeclaredSymbol["kind"]) => (symbol: DeclaredSymbol) =>
    symbol.kind === kind || importedKind(kind)(symbol);
  const kinds = [
    ["parameters", of("param")],
    ["variables", of("var")],
    ["outputs", of("output")],
    ["types", of("type")],
    ["functions", of("func")],
  ] as const;
  for (const [what, belongs] of kinds) {
    reportCase(model, what, model.binding.declared.filter(belongs).map(nameOf));
  }
  walk(model.program, (node) => {
    if (node.kind !== "type-object") return true;
    const names = node.properties.flatMap(({ key }) => {
      const name = key === undefined ? undefined : keyText(key);
      return name === undefined || key === undefined ? [] : [{ name, span: key }];
    });
    reportCase(model, "properties", names);
    return true;
  });
}

function reportCase(model: Model, what: string, names: readonly Named[]): void {
  for (const group of groupsOf(names, (name) => name.toLowerCase())) {
    if (new Set(group.map((each) => each.name)).size !== group.length) continue;
    const all = group.map((each) => `"${each.name}"`).join(", ");
    for (const { span } of group) report(model.reporter, "BCP353", span, what, all);
  }
}

function checkImports(model: Model): void {
  const { reporter } = model;
  const byTarget = new Map<object, Named[]>();
  for (const symbol of symbolsOfKind(model, "imported")) {
    const loaded = model.references.get(symbol.declaration);
    if (loaded?.kind !== "bicep") continue;
    const target = importTarget(model, symbol);
    if (target === undefined) {
      report(reporter, "BCP360", symbol.item, symbol.original);
      continue;
    }
    byTarget.set(target.symbol, [...(byTarget.get(target.symbol) ?? []), nameOf(symbol)]);
  }
  for (const group of byTarget.values()) {
    if (group.length < 2) continue;
    const all = group.map((each) => `"${each.name}"`).join(", ");
    for (const { span } of group) report(reporter, "BCP362", span, all);
  }
  for (const symbol of symbolsOfKind(model, "wildcard")) {
    const loaded = model.references.get(symbol.declaration);
    if (loaded?.kind !== "bicep") continue;
    const names = exportedSymbols(loaded.model).map(({ name }) => name);
    const twice = names.filter((name, at) => names.indexOf(name) !== at);
    if (twice.length > 0) report(reporter, "BCP374", nameOf(symbol).span, [...new Set(twice)].join(", "));
  }
}

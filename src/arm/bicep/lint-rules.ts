/** The rules of the linter, each a function over the model of a file without errors. */
import type { JsonObject } from "../json.ts";
import { findDecoratorCall, isExported } from "./decorators.ts";
import { isIdentifier } from "./lexer.ts";
import { hardcodedUrls } from "./lint-hosts.ts";
import { fact, type Model, symbolAt, symbolsOfKind } from "./model.ts";
import type { Span } from "./source.ts";
import { type BoundSymbol, isCollection } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { bodyObject, childrenOf, findProperty, keyText, literalText, walk } from "./walk.ts";

export type Say = (span: Span, message: string) => void;
/** `settings` are those of the rule in `bicepconfig.json`. */
type Rule = (model: Model, say: Say, settings: JsonObject | undefined) => void;

/** By code, in alphabetical order. */
export const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["adminusername-should-not-be-literal", literalUserNames],
  ["no-hardcoded-env-urls", hardcodedUrls],
  ["no-unnecessary-dependson", unnecessaryDependencies],
  ["no-unused-existing-resources", unusedResources],
  ["no-unused-imports", unusedImports],
  ["no-unused-params", unusedParameters],
  ["no-unused-vars", unusedVariables],
  ["outputs-should-not-contain-secrets", secretOutputs],
  ["prefer-interpolation", concatenations],
  ["prefer-unquoted-property-names", quotedNames],
  ["secure-parameter-default", secureDefaults],
  ["simplify-interpolation", idleInterpolations],
]);

/** Everything that some expression or type names. */
function usedSymbols(model: Model): ReadonlySet<BoundSymbol> {
  return fact(model, "usedSymbols", () => new Set(model.binding.bindings.values()));
}

function unusedParameters(model: Model, say: Say): void {
  for (const symbol of symbolsOfKind(model, "param")) {
    if (usedSymbols(model).has(symbol)) continue;
    say(symbol.declaration.name, `The parameter "${symbol.name}" is never used.`);
  }
}

function unusedVariables(model: Model, say: Say): void {
  for (const symbol of symbolsOfKind(model, "var")) {
    if (usedSymbols(model).has(symbol) || isExported(model, symbol.declaration)) continue;
    say(symbol.declaration.name, `The variable "${symbol.name}" is never used.`);
  }
}

function unusedResources(model: Model, say: Say): void {
  for (const symbol of symbolsOfKind(model, "resource")) {
    const { existing, name, value } = symbol.declaration;
    if (!existing || usedSymbols(model).has(symbol)) continue;
    const around = bodyObject(value)?.items.some((item) => item.kind === "resource") === true;
    if (!around) say(name, `The existing resource "${symbol.name}" is never used.`);
  }
}

function unusedImports(model: Model, say: Say): void {
  for (const symbol of [...symbolsOfKind(model, "imported"), ...symbolsOfKind(model, "wildcard")]) {
    if (usedSymbols(model).has(symbol)) continue;
    const span = symbol.kind === "imported" ? symbol.item.name : symbol.declaration.wildcard;
    say(span ?? symbol.declaration, `The import "${symbol.name}" is never used.`);
  }
}

function concatenations(model: Model, say: Say): void {
  walk(model.program, (node) => {
    if (
      calledFunction(model, node) === "concat" &&
      model.typeOf(node as syntax.FunctionCall).kind === "string"
    ) {
      say(node, "Write an interpolated string instead of a call of concat.");
    }
    return true;
  });
}

/** The name of the built-in function that a node calls. */
function calledFunction(model: Model, node: syntax.Node): string | undefined {
  if (node.kind === "call") return symbolAt(model, node)?.kind === "function" ? node.name.name : undefined;
  if (node.kind !== "method-call") return undefined;
  return symbolAt(model, node.base)?.kind === "namespace" ? node.name.name : undefined;
}

function idleInterpolations(model: Model, say: Say): void {
  walk(model.program, (node) => {
    if (node.kind === "decorator") return false;
    const value = assignedValue(node);
    if (value?.kind !== "string") return true;
    const [only, second] = value.expressions;
    const idle = second === undefined && value.segments.every((segment) => segment === "");
    if (only !== undefined && idle && model.typeOf(only).kind === "string") {
      say(value, "The string is nothing but its one expression; write the expression.");
    }
    return true;
  });
}

function assignedValue(node: syntax.Node): syntax.Expression | undefined {
  if (node.kind === "param") return node.defaultValue;
  return node.kind === "property" || node.kind === "var" || node.kind === "output" ? node.value : undefined;
}

function quotedNames(model: Model, say: Say): void {
  const message = "Names that need no quotes are written without, and read with a dot.";
  walk(model.program, (node) => {
    if (node.kind === "property" || node.kind === "type-property") {
      const name = node.key?.kind === "string" ? literalText(node.key) : undefined;
      if (name !== undefined && node.key !== undefined && isIdentifier(name)) say(node.key, message);
    } else if (node.kind === "index") {
      const name = literalText(node.index);
      if (name !== undefined && isIdentifier(name)) say({ start: node.base.end, end: node.end }, message);
    }
    return true;
  });
}

function secureDefaults(model: Model, say: Say): void {
  for (const { declaration } of symbolsOfKind(model, "param")) {
    const { defaultValue } = declaration;
    if (defaultValue === undefined || findDecoratorCall(model, declaration, "secure") === undefined) continue;
    const empty =
      literalText(defaultValue) === "" || (defaultValue.kind === "object" && defaultValue.items.length === 0);
    if (empty || containsCall(model, defaultValue, "newGuid")) continue;
    const start = model.reporter.source.text.lastIndexOf("=", defaultValue.start);
    say(
      { start, end: defaultValue.end },
      "A secret has no default value that everyone can read, only '' or newGuid().",
    );
  }
}

function containsCall(model: Model, node: syntax.Node, name: string): boolean {
  return (
    calledFunction(model, node) === name || childrenOf(node).some((child) => containsCall(model, child, name))
  );
}

function secretOutputs(model: Model, say: Say): void {
  for (const { declaration } of symbolsOfKind(model, "output")) {
    if (findDecoratorCall(model, declaration, "secure") !== undefined) continue;
    const { name } = declaration.name;
    if (/password/i.test(name))
      say(declaration, `The output "${name}" seems to be a password; outputs are kept in the open.`);
    walk(declaration.value, (node) => {
      const secret = secretOf(model, node);
      if (secret !== undefined)
        say(node, `The output holds a secret, ${secret}; outputs are kept in the open.`);
      return secret === undefined;
    });
  }
}

function secretOf(model: Model, node: syntax.Node): string | undefined {
  if (node.kind === "variable") {
    const symbol = symbolAt(model, node);
    const secure =
      symbol?.kind === "param" && findDecoratorCall(model, symbol.declaration, "secure") !== undefined;
    return secure ? `the parameter "${symbol.name}"` : undefined;
  }
  if (node.kind !== "call" && node.kind !== "method-call") return undefined;
  return /^list[A-Z]/.test(node.name.name) ? `the result of ${node.name.name}` : undefined;
}

function literalUserNames(model: Model, say: Say): void {
  walk(model.program, (node) => {
    const named = node.kind === "property" && keyText(node.key)?.toLowerCase() === "adminusername";
    if (named && literalText(node.value) !== undefined) {
      say(node.value, "The name of an administrator is not written into a file; make it a parameter.");
    }
    return true;
  });
}

function unnecessaryDependencies(model: Model, say: Say): void {
  for (const { declaration } of [...symbolsOfKind(model, "resource"), ...symbolsOfKind(model, "module")]) {
    const body = bodyObject(declaration.value);
    const property = findProperty(body, "dependsOn");
    if (property?.value.kind !== "array" || body === undefined) continue;
    const implied = new Set<BoundSymbol>();
    for (const item of body.items) {
      if (item === property || item.kind === "resource") continue;
      walk(item, (node) => {
        const symbol = symbolAt(model, node);
        if (symbol?.kind === "resource" || symbol?.kind === "module") implied.add(symbol);
        return true;
      });
    }
    for (const item of property.value.items) {
      const symbol = symbolAt(model, item);
      if (symbol === undefined || !implied.has(symbol)) continue;
      if (isCollection(symbol) || (symbol.kind === "resource" && symbol.declaration.existing)) continue;
      say(item, `The dependency on "${symbol.name}" follows from its use; it need not be written.`);
    }
  }
}

/** Functions that work only at certain places, and lambdas, which are only arguments. */
import { report } from "./diagnostics.ts";
import { type FunctionFlag, findFunction } from "./functions.ts";
import { type Model, parentOf, symbolAt } from "./model.ts";
import { resourceAt } from "./resources.ts";
import { moduleParameters } from "./symbol-types.ts";
import type * as syntax from "./syntax.ts";
import { type Type, withoutNull } from "./types.ts";
import { bodyObject, childrenOf, findProperty, keyText, walk } from "./walk.ts";

type Call = syntax.FunctionCall | syntax.MethodCall;

/** What the place around a call permits. */
interface Place {
  /** A default value of a parameter. */
  readonly defaults: boolean;
  /** A value that the running deployment works out. */
  readonly runtime: boolean;
}

const nowhere: Place = { defaults: false, runtime: false };

export function checkFunctions(model: Model): void {
  for (const statement of model.program.statements) visitStatement(model, statement);
  walk(model.program, (node) => {
    if (node.kind === "lambda") checkLambda(model, node);
    return true;
  });
}

function visitStatement(model: Model, node: syntax.Node): void {
  const value = { ...nowhere, runtime: true };
  switch (node.kind) {
    case "param":
      if (node.defaultValue !== undefined) visit(model, node.defaultValue, { ...nowhere, defaults: true });
      return;
    case "var":
    case "output":
      visit(model, node.value, value);
      return;
    case "func":
      node.lambda.kind === "skipped" ? undefined : visit(model, node.lambda.body, value);
      return;
    case "resource":
    case "module":
      visit(model, node.value, value);
      return;
    default:
      for (const child of childrenOf(node)) visit(model, child, nowhere);
  }
}

function visit(model: Model, node: syntax.Node, place: Place): void {
  if (node.kind === "if") {
    visit(model, node.condition, nowhere);
    visit(model, node.body, { ...nowhere, runtime: true });
    return;
  }
  if (node.kind === "resource") {
    visit(model, node.value, place);
    return;
  }
  if (node.kind === "call" || node.kind === "method-call") checkPlace(model, node, place);
  for (const child of childrenOf(node)) visit(model, child, place);
}

function flagsOf(model: Model, node: Call): readonly FunctionFlag[] {
  const symbol = symbolAt(model, node.kind === "call" ? node : node.base);
  if (symbol?.kind === "function" && node.kind === "call") return symbol.definition.flags;
  if (symbol?.kind === "namespace") return findFunction(symbol.name, node.name.name)?.flags ?? [];
  return [];
}

function checkPlace(model: Model, node: Call, place: Place): void {
  const { name } = node;
  if (isSecretCall(model, node) && !isSecureParameter(model, node)) {
    report(model.reporter, "BCP180", node, name.name);
  }
  const flags = flagsOf(model, node);
  if (flags.includes("default-values") && !place.defaults) report(model.reporter, "BCP065", name, name.name);
  if (flags.includes("runtime") && !place.runtime) report(model.reporter, "BCP066", name, name.name);
}

/** `vault.getSecret(..)`: the value never reaches the template, only a reference to it does. */
function isSecretCall(model: Model, node: Call): boolean {
  if (node.kind !== "method-call" || node.name.name !== "getSecret") return false;
  const base = node.base.kind === "index" ? node.base.base : node.base;
  return resourceAt(model, base) !== undefined;
}

function isSecureParameter(model: Model, node: syntax.Node): boolean {
  let parent = parentOf(model, node);
  while (parent?.kind === "ternary") parent = parentOf(model, parent);
  if (parent?.kind !== "property") return false;
  const name = keyText(parent.key);
  const params = parentOf(model, parent);
  const module = params === undefined ? undefined : moduleAround(model, params);
  if (module === undefined || name === undefined) return false;
  if (findProperty(bodyObject(module.value), "params")?.value !== params) return false;
  const loaded = model.references.get(module);
  const type = loaded === undefined ? undefined : moduleParameters(loaded).properties.get(name)?.type();
  return type === undefined || isSecure(withoutNull(type) ?? type);
}

function isSecure(type: Type): boolean {
  return (type.kind === "string" || type.kind === "object") && type.secure === true;
}

function moduleAround(model: Model, node: syntax.Node): syntax.ModuleDeclaration | undefined {
  let at: syntax.Node | undefined = node;
  while (at !== undefined && at.kind !== "module") at = parentOf(model, at);
  return at?.kind === "module" ? at : undefined;
}

function checkLambda(model: Model, node: syntax.Lambda): void {
  let child: syntax.Node = node;
  let parent = parentOf(model, child);
  while (parent?.kind === "parenthesized") {
    child = parent;
    parent = parentOf(model, child);
  }
  const argument =
    (parent?.kind === "call" || parent?.kind === "method-call") &&
    parent.arguments.includes(child as syntax.Expression);
  if (!argument) report(model.reporter, "BCP242", node);
  walk(node.body, (each) => {
    if (each.kind === "call" || each.kind === "method-call") checkRuntimeArguments(model, each);
    if (each.kind === "index") checkIndex(model, each);
    return true;
  });
}

/** The variables of lambdas in an expression. */
function lambdaVariables(model: Model, node: syntax.Node): string[] {
  const names = new Set<string>();
  walk(node, (each) => {
    const symbol = each.kind === "variable" ? symbolAt(model, each) : undefined;
    if (symbol?.kind === "local" && symbol.role === "lambda") names.add(symbol.name);
    return true;
  });
  return [...names];
}

/** What a deployment has to know before it begins cannot come from inside a lambda. */
function checkRuntimeArguments(model: Model, node: Call): void {
  const method = node.kind === "method-call" && symbolAt(model, node.base)?.kind !== "namespace";
  const listed = method && resourceAt(model, node.base) !== undefined && node.name.name !== "getSecret";
  if (!listed && !flagsOf(model, node).includes("runtime")) return;
  const names = node.arguments.flatMap((argument) => lambdaVariables(model, argument));
  if (names.length > 0)
    report(model.reporter, "BCP248", node, node.name.name, [...new Set(names)].join(", "));
}

function checkIndex(model: Model, node: syntax.IndexAccess): void {
  const kind = symbolAt(model, node.base)?.kind;
  if (kind !== "resource" && kind !== "module") return;
  const names = lambdaVariables(model, node.index);
  if (names.length > 0) report(model.reporter, "BCP247", node.index, names.join(", "));
}

/** Whether a template needs language version 2.0, in which resources are objects with symbolic names. */

import { stringMember } from "../json.ts";
import { declaredType, modified } from "./declared-types.ts";
import { findDecoratorCall } from "./decorators.ts";
import { templateOutputs } from "./exports.ts";
import { fact, type Model, parentOf, symbolAt, symbolsOfKind } from "./model.ts";
import { isCollection } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { containsSecure } from "./types.ts";
import { bodyObject, childrenOf, findProperty, walk } from "./walk.ts";

export function needsSymbolicNames(model: Model): boolean {
  return fact(
    model,
    "symbolic",
    () =>
      model.binding.declared.some(
        (symbol) =>
          symbol.kind === "type" ||
          symbol.kind === "func" ||
          symbol.kind === "imported" ||
          symbol.kind === "wildcard" ||
          (symbol.kind === "var" && symbol.declaration.type !== undefined),
      ) ||
      hasSecureOutputs(model) ||
      symbolsOfKind(model, "resource").some((symbol) => resourceNeedsNames(model, symbol.declaration)) ||
      symbolsOfKind(model, "module").some((symbol) => moduleNeedsNames(model, symbol.declaration)) ||
      readsWholeLoop(model, model.program, undefined) ||
      usesTypeSyntax(model.program),
  );
}

function hasSecureOutputs(model: Model): boolean {
  return symbolsOfKind(model, "output").some(({ declaration }) =>
    containsSecure(modified(model, declaredType(model, declaration.type), declaration)),
  );
}

function resourceNeedsNames(model: Model, declaration: syntax.ResourceDeclaration): boolean {
  if (
    ["retryOn", "onlyIfNotExists", "nullIfNotFound"].some((name) =>
      findDecoratorCall(model, declaration, name),
    )
  ) {
    return true;
  }
  return declaration.existing && findProperty(bodyObject(declaration.value), "dependsOn") !== undefined;
}

/** A module without a name, or with secrets among its outputs. */
function moduleNeedsNames(model: Model, declaration: syntax.ModuleDeclaration): boolean {
  if (findProperty(bodyObject(declaration.value), "name") === undefined) return true;
  const loaded = model.references.get(declaration);
  if (loaded === undefined) return false;
  if (loaded.kind === "bicep") return hasSecureOutputs(loaded.model);
  return [...templateOutputs(loaded.template).values()].some((output) =>
    /^secure/i.test(stringMember(output, "type") ?? ""),
  );
}

/** True when all members of a loop of resources or modules are read at once, other than in `dependsOn`. */
function readsWholeLoop(
  model: Model,
  node: syntax.Node,
  dependsOn: syntax.ObjectProperty | undefined,
): boolean {
  if (node === dependsOn) return false;
  const inner =
    node.kind === "resource" || node.kind === "module"
      ? findProperty(bodyObject(node.value), "dependsOn")
      : dependsOn;
  if (node.kind === "variable") {
    const symbol = symbolAt(model, node);
    if ((symbol?.kind === "resource" || symbol?.kind === "module") && isCollection(symbol)) {
      let parent = parentOf(model, node);
      while (parent?.kind === "parenthesized") parent = parentOf(model, parent);
      return parent?.kind !== "member" && parent?.kind !== "index";
    }
  }
  return childrenOf(node).some((child) => readsWholeLoop(model, child, inner));
}

const typeSyntaxKinds: ReadonlySet<string> = new Set([
  ...["type-object", "type-array", "type-tuple", "type-union", "type-nullable"],
]);

function usesTypeSyntax(program: syntax.Program): boolean {
  let found = false;
  walk(program, (node) => {
    found ||= typeSyntaxKinds.has(node.kind);
    return !found;
  });
  return found;
}

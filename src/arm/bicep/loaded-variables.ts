/** The variables that hold what the compiler's own functions gave, such as the content of files. */

import { type FunctionFlag, findFunction } from "./functions.ts";
import { knownLoadedValue, type Loading } from "./loading.ts";
import { fact, type Model, parentOf, symbolAt } from "./model.ts";
import type * as syntax from "./syntax.ts";
import { childrenOf } from "./walk.ts";

export interface LoadedVariable {
  readonly node: syntax.FunctionCall | syntax.MethodCall;
  readonly name: string;
  readonly loading: Loading;
}

function flagsOf(model: Model, node: syntax.FunctionCall | syntax.MethodCall): readonly FunctionFlag[] {
  if (node.kind === "call") {
    const symbol = symbolAt(model, node);
    return symbol?.kind === "function" ? symbol.definition.flags : [];
  }
  const base = symbolAt(model, node.base);
  return base?.kind === "namespace" ? (findFunction(base.name, node.name.name)?.flags ?? []) : [];
}

/** In source order, named by their position. Functions have no variables: there the value stands in its place. */
export function loadedVariables(model: Model): readonly LoadedVariable[] {
  return fact(model, "loadedVariables", () => {
    const found: LoadedVariable[] = [];
    const visit = (node: syntax.Node): void => {
      if (node.kind === "func") return;
      if (node.kind === "call" || node.kind === "method-call") {
        const loading = knownLoadedValue(model, node);
        const flags = loading === undefined ? [] : flagsOf(model, node);
        const direct = parentOf(model, node)?.kind === "var";
        if (
          loading !== undefined &&
          (flags.includes("loaded-always") || (!direct && flags.includes("loaded")))
        ) {
          found.push({ node, name: `$fxv#${found.length}`, loading });
        }
      }
      for (const child of childrenOf(node)) visit(child);
    };
    visit(model.program);
    return found;
  });
}

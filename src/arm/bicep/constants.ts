/** Values that must be written out as literals, because the compiler reads them before anything is evaluated. */
import { report } from "./diagnostics.ts";
import type { Model } from "./model.ts";
import type * as syntax from "./syntax.ts";
import { childrenOf } from "./walk.ts";

const computed: ReadonlySet<string> = new Set([
  ...["index", "binary", "call", "method-call", "for", "parenthesized", "member", "ternary", "variable"],
]);

/** Reports every part of a value that has to be computed. */
export function requireConstant(model: Model, node: syntax.Node): void {
  const interpolated = node.kind === "string" && node.expressions.length > 0;
  const operation = node.kind === "unary" && node.operator !== "-";
  if (computed.has(node.kind) || interpolated || operation) report(model.reporter, "BCP032", node);
  else for (const child of childrenOf(node)) requireConstant(model, child);
}

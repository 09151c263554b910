/** `#disable-next-line` and its kin: which findings the author of a file does not want to see. */
import type { Diagnostic } from "./diagnostics.ts";
import type { Pragma } from "./lexer.ts";
import type { Model } from "./model.ts";
import { lineIndexOf } from "./source.ts";

/** The findings about a file but those turned off. Errors cannot be. */
export function visibleDiagnostics(model: Model): readonly Diagnostic[] {
  const { pragmas } = model.parsed;
  if (pragmas.length === 0) return model.reporter.found;
  return model.reporter.found.filter(
    (diagnostic) => diagnostic.level === "Error" || !isDisabled(model, pragmas, diagnostic),
  );
}

function isDisabled(model: Model, pragmas: readonly Pragma[], diagnostic: Diagnostic): boolean {
  const line = diagnostic.line - 1;
  let disabled = false;
  for (const pragma of pragmas) {
    if (!pragma.codes.includes(diagnostic.code)) continue;
    const at = lineIndexOf(model.reporter.source, pragma.start);
    if (pragma.kind === "disable-next-line") {
      if (at + 1 === line) return true;
    } else if (at <= line) disabled = pragma.kind === "disable-diagnostics";
  }
  return disabled;
}

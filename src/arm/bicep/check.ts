/** Everything that can be wrong with a file beyond its syntax; each kind of check has its own file. */
import type { Model } from "./model.ts";

/** Reports what is wrong with a file; after it without errors, the file can be compiled. */
export function checkModel(model: Model): void {
  for (const statement of model.program.statements) {
    if (
      statement.kind === "var" ||
      statement.kind === "output" ||
      statement.kind === "resource" ||
      statement.kind === "module"
    )
      model.typeOf(statement.value);
  }
}

/** What lowering and conversion need to know about the template that is being written. */
import type { Exportable } from "./exports.ts";
import type { IrExpression } from "./intermediate.ts";
import type { Model } from "./model.ts";
import type { LocalSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";

export interface Context {
  /** The file whose template is written. */
  readonly root: Model;
  /** The file of the syntax at hand: the root, or one that something is imported from. */
  readonly model: Model;
  /** Resources have symbolic names: language version 2.0. */
  readonly symbolic: boolean;
  /** The names of imported things in the template; what is not there keeps its own. */
  readonly names: ReadonlyMap<Exportable, string>;
  /** The variables that hold what calls of the compiler's own functions gave. */
  readonly loadedNames: ReadonlyMap<syntax.Node, string>;
  /** Loop variables that stand for one member of their loop. */
  readonly replacements: ReadonlyMap<LocalSymbol, IrExpression>;
  readonly lower: (context: Context, node: syntax.Expression) => IrExpression;
}

/** Thrown for what has no form in a template; the message is for the author. */
export class NotEmittable extends Error {
  override readonly name = "NotEmittable";
}

/** Thrown when the template would become larger than any service takes. */
export class OutputTooLarge extends Error {
  override readonly name = "OutputTooLarge";
}

/** Counts what is put out, over all files of the compilation. */
export function spend(context: Context): void {
  const { budget } = context.root.workspace;
  budget.left -= 1;
  if (budget.left < 0) throw new OutputTooLarge("the template would be too large");
}

/**
 * Expressions used at another place than they are written at: the name of a parent in that of its child, for one.
 * The variables of loops around the original place mean nothing at the new one; they are replaced by what they are
 * for one member of the loop.
 */
import { isWithin, type Model, symbolAt } from "./model.ts";
import type { LocalSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { walk } from "./walk.ts";

export interface Moved {
  readonly node: syntax.Expression;
  /** For each loop variable that was replaced, the index of the member that is meant. */
  readonly indices: ReadonlyMap<LocalSymbol, Moved>;
}

const nothing: ReadonlyMap<LocalSymbol, Moved> = new Map();

export function inPlace(node: syntax.Expression): Moved {
  return { node, indices: nothing };
}

/** The loop and lambda variables in an expression that are declared around it. */
export function freeLocals(model: Model, root: syntax.Node): readonly LocalSymbol[] {
  const found = new Set<LocalSymbol>();
  walk(root, (node) => {
    const symbol = node.kind === "variable" ? symbolAt(model, node) : undefined;
    if (symbol?.kind === "local" && !isWithin(model, symbol.owner, root)) found.add(symbol);
    return true;
  });
  return [...found];
}

function freeLocalsOf(model: Model, moved: Moved): readonly LocalSymbol[] {
  const own = freeLocals(model, moved.node).filter((local) => !moved.indices.has(local));
  return [
    ...new Set([...own, ...[...moved.indices.values()].flatMap((index) => freeLocalsOf(model, index))]),
  ];
}

/** The variables in `root` that are out of reach where `place` is. */
export function unreachableLocals(
  model: Model,
  root: syntax.Node,
  place: syntax.Node,
): readonly LocalSymbol[] {
  return freeLocals(model, root).filter((local) => !isWithin(model, place, local.owner.body));
}

/** Moves an expression to `place`; what is out of reach there becomes the member at `index`. */
export function move(
  model: Model,
  original: Moved,
  index: syntax.Expression | undefined,
  place: syntax.Node,
): Moved {
  if (index === undefined) return original;
  const lost = freeLocalsOf(model, original).filter((local) => !isWithin(model, place, local.owner.body));
  if (lost.length === 0) return original;
  const at = inPlace(index);
  return substitute(model, original, new Map(lost.map((local) => [local, at])));
}

function substitute(model: Model, moved: Moved, indices: ReadonlyMap<LocalSymbol, Moved>): Moved {
  const changed = new Map<LocalSymbol, Moved>();
  for (const [local, index] of moved.indices) changed.set(local, substitute(model, index, indices));
  for (const local of freeLocals(model, moved.node)) {
    const index = indices.get(local);
    if (index !== undefined && !changed.has(local)) changed.set(local, index);
  }
  return { node: moved.node, indices: changed };
}

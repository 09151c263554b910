/**
 * Which parts of an item a query looks at: when they are few, an index can stand in for the item. Apart from the other
 * facts because it must follow every expression of the query, not only the filter.
 */
import type { Compilation } from "./compilation.ts";
import { asPath, children, type Expression, type Query } from "./syntax.ts";

export type Read = readonly (string | number)[];

/**
 * The paths below the item whose values decide everything about the query's rows; undefined when the item is needed
 * as a whole, or when that cannot be told.
 */
export function readsOf(c: Compilation, query: Query): readonly Read[] | undefined {
  const [source, second] = query.from ?? [];
  if (source === undefined || second !== undefined || source.iterate || source.input.kind !== "path")
    return undefined;
  if (source.input.steps.length > 0 || !c.bound.containers.has(source.input)) return undefined;
  const expressions = expressionsOf(query);
  const found = new Map<string, Read>();
  return expressions?.every((expression) => collect(c, expression, found)) === true
    ? [...found.values()]
    : undefined;
}

/** Every expression of the query; undefined when it returns whole items. */
function expressionsOf({ select, where, groupBy, orderBy }: Query): readonly Expression[] | undefined {
  if (select.kind === "star") return undefined;
  const selected = select.kind === "value" ? [select.value] : select.items.map(({ value }) => value);
  const ordered = orderBy?.items.map(({ value }) => value) ?? [];
  return [...selected, ...(where === undefined ? [] : [where]), ...(groupBy ?? []), ...ordered];
}

/** Adds what `expression` reads; false when that is not a list of paths. */
function collect(c: Compilation, expression: Expression, found: Map<string, Read>): boolean {
  if (expression.kind === "subquery") return false;
  const path = asPath(expression);
  if (path !== undefined && c.bound.variables.get(path.root)?.item === true) {
    const [first] = path.steps;
    if (first === undefined || (typeof first === "string" && c.computed.has(first))) return false;
    found.set(JSON.stringify(path.steps), path.steps);
    return true;
  }
  return children(expression).every((child) => collect(c, child, found));
}

/**
 * Which parts of an item a query looks at: when they are few, an index can stand in for the item. Apart from the other
 * facts because it must follow every expression of the query, not only what its filter demands.
 */
import type { Compilation } from "./compilation.ts";
import { builtIn } from "./functions/table.ts";
import { itemPath, type Path } from "./item-paths.ts";
import { asPath, children, type Expression, type Query } from "./syntax.ts";

/** The paths below the item that decide everything about the query's rows; undefined when the item is needed whole. */
export function readsOf(c: Compilation, query: Query): readonly Path[] | undefined {
  const { select, where, groupBy, orderBy } = query;
  if (!readsContainer(c, query) || select.kind === "star") return undefined;
  const selected = select.kind === "value" ? [select.value] : select.items.map(({ value }) => value);
  const ordered = orderBy?.items.map(({ value }) => value) ?? [];
  return pathsOf(c, [...selected, ...(where === undefined ? [] : [where]), ...(groupBy ?? []), ...ordered]);
}

/**
 * The paths that decide whether an item passes the filter; undefined when that takes the whole item, or when asking
 * twice could give two answers.
 */
export function filterReadsOf(c: Compilation, query: Query): readonly Path[] | undefined {
  if (query.where === undefined || !readsContainer(c, query) || !isSteady(query.where)) return undefined;
  return pathsOf(c, [query.where]);
}

/** True for `FROM c` alone: rows are the items of the container. */
function readsContainer(c: Compilation, { from }: Query): boolean {
  const [source, second] = from ?? [];
  if (source === undefined || second !== undefined || source.iterate || source.input.kind !== "path")
    return false;
  return source.input.steps.length === 0 && c.bound.containers.has(source.input);
}

function pathsOf(c: Compilation, expressions: readonly Expression[]): readonly Path[] | undefined {
  const found = new Map<string, Path>();
  return expressions.every((expression) => collect(c, expression, found)) ? [...found.values()] : undefined;
}

/** Adds what `expression` reads; false when that is not a list of paths. */
function collect(c: Compilation, expression: Expression, found: Map<string, Path>): boolean {
  if (expression.kind === "subquery") return false;
  const root = asPath(expression)?.root;
  if (root !== undefined && c.bound.variables.get(root)?.item === true) {
    const path = itemPath(c, expression);
    if (path === undefined || path.length === 0) return false;
    found.set(JSON.stringify(path), path);
    return true;
  }
  return children(expression).every((child) => collect(c, child, found));
}

/** True when `expression` gives the same value however often it is computed for an item. */
export function isSteady(expression: Expression): boolean {
  if (expression.kind === "call") {
    const body = expression.udf ? undefined : builtIn(expression.name)?.body;
    if (body === undefined) return false;
    if ((body.kind === "context" || body.kind === "toInt64") && !body.steady) return false;
  }
  return children(expression).every(isSteady);
}

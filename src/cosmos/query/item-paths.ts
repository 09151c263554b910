/**
 * Expressions as paths into the item of the container: straight from its name, or by way of the names that FROM clauses
 * give to its parts and to the elements of its arrays.
 */
import type { Variable } from "./binding.ts";
import type { Compilation } from "./compilation.ts";
import { asPath, type Expression, type PathInput } from "./syntax.ts";

export type Path = readonly (string | number)[];

/** A step to any one element of an array: told apart from an index, which is never negative. */
export const EACH = -1;
/** Steps from a point to its coordinates, which only a spatial index knows. */
export const LONGITUDE = -2;
export const LATITUDE = -3;

/** The steps of a path below the item; computed properties are not paths of the stored item. */
export function itemPath(c: Compilation, expression: Expression): Path | undefined {
  const path = asPath(expression);
  if (path === undefined || c.bound.variables.get(path.root)?.item !== true) return undefined;
  return storedPath(c, path.steps);
}

/**
 * The same, also through names of parts and elements. Where a test of such an expression holds for a row, it holds for
 * some value at this path of the row's item.
 */
export function partPath(c: Compilation, expression: Expression): Path | undefined {
  const path = asPath(expression);
  const variable = path === undefined ? undefined : c.bound.variables.get(path.root);
  const start = variable === undefined ? undefined : variablePath(c, variable);
  return path === undefined || start === undefined ? undefined : storedPath(c, [...start, ...path.steps]);
}

function storedPath(c: Compilation, steps: Path): Path | undefined {
  const [first] = steps;
  return typeof first === "string" && c.computed.has(first) ? undefined : steps;
}

/** Where the values of a variable lie in the item. */
function variablePath(c: Compilation, variable: Variable): Path | undefined {
  if (variable.item) return [];
  const { owner } = variable;
  const index = owner === undefined ? undefined : c.bound.scopes.get(owner)?.sources.indexOf(variable);
  const source = index === undefined ? undefined : owner?.from?.[index];
  if (source === undefined || source.input.kind !== "path") return undefined;
  const { input } = source;
  const root = c.bound.variables.get(input);
  const start = c.bound.containers.has(input) ? [] : root === undefined ? undefined : variablePath(c, root);
  if (start === undefined) return undefined;
  return [...start, ...inputSteps(input), ...(source.iterate ? [EACH] : [])];
}

/** The steps of a FROM path below its root. */
export function inputSteps(input: PathInput): (string | number)[] {
  return input.steps.map((step) => (step.form === "index" ? step.index : step.name));
}

/** Template functions for decisions and numbers. Those that need only some of their arguments evaluate only those. */
import type { Json } from "../../json.ts";
import { type Environment, evaluate } from "../evaluate.ts";
import type { Expression } from "../expressions.ts";
import { at, boolean, equalValues, type FunctionTable, integer, refuse, wrongType } from "./arguments.ts";

const anyNumber = Number.POSITIVE_INFINITY;

function condition(expression: Expression | undefined, environment: Environment, name: string): boolean {
  return expression !== undefined && boolean(name, evaluate(expression, environment));
}

function choose(values: readonly Expression[], environment: Environment, name: string): Json {
  const branch = condition(values[0], environment, name) ? values[1] : values[2];
  return branch === undefined ? null : evaluate(branch, environment);
}

function coalesce(values: readonly Expression[], environment: Environment): Json {
  for (const each of values) {
    const value = evaluate(each, environment);
    if (value !== null) return value;
  }
  return null;
}

/** Two numbers, or two strings by code unit; anything else has no order. */
function compare(values: readonly Json[], name: string): number {
  const a = at(values, 0);
  const b = at(values, 1);
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  throw wrongType(name, "Integer, String", typeof a === "number" || typeof a === "string" ? b : a);
}

function comparison(test: (order: number) => boolean): FunctionTable[string] {
  return { min: 2, max: 2, run: (values, _, name) => test(compare(values, name)) };
}

function arithmetic(compute: (a: number, b: number, name: string) => number): FunctionTable[string] {
  return {
    min: 2,
    max: 2,
    run: (values, _, name) => compute(integer(name, values, 0), integer(name, values, 1), name),
  };
}

function nonZero(divisor: number, name: string): number {
  if (divisor === 0) throw refuse(name, "an integer cannot be divided by zero");
  return divisor;
}

export const logicFunctions: FunctionTable = {
  if: { min: 3, max: 3, lazy: choose },
  and: {
    min: 1,
    max: anyNumber,
    lazy: (values, environment, name) => values.every((each) => condition(each, environment, name)),
  },
  or: {
    min: 1,
    max: anyNumber,
    lazy: (values, environment, name) => values.some((each) => condition(each, environment, name)),
  },
  not: { min: 1, max: 1, run: (values, _, name) => !boolean(name, at(values, 0)) },
  xor: {
    min: 2,
    max: 2,
    run: (values, _, name) => boolean(name, at(values, 0)) !== boolean(name, at(values, 1)),
  },
  true: { min: 0, max: 0, run: () => true },
  false: { min: 0, max: 0, run: () => false },
  coalesce: { min: 1, max: anyNumber, lazy: coalesce },
  equals: { min: 2, max: 2, run: (values) => equalValues(at(values, 0), at(values, 1)) },
  less: comparison((order) => order < 0),
  lessorequals: comparison((order) => order <= 0),
  greater: comparison((order) => order > 0),
  greaterorequals: comparison((order) => order >= 0),
  add: arithmetic((a, b) => a + b),
  sub: arithmetic((a, b) => a - b),
  mul: arithmetic((a, b) => a * b),
  div: arithmetic((a, b, name) => Math.trunc(a / nonZero(b, name))),
  mod: arithmetic((a, b, name) => a % nonZero(b, name)),
};

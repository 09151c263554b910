/** Template functions that apply a lambda: `map(array, lambda('x', ..))` and its relatives. */
import { isArray, type Json, type JsonObject } from "../../json.ts";
import { type Environment, evaluate } from "../evaluate.ts";
import type { Expression } from "../expressions.ts";
import { boolean, type FunctionTable, object, refuse, text, toText, wrongType } from "./arguments.ts";

type Lambda = (...values: readonly Json[]) => Json;

function lambdaOf(expression: Expression | undefined, environment: Environment, name: string): Lambda {
  if (expression?.kind !== "call" || expression.name.toLowerCase() !== "lambda") {
    throw refuse(name, "a lambda is expected");
  }
  const body = expression.arguments.at(-1);
  if (body === undefined) throw refuse(name, "a lambda needs a body");
  const names = expression.arguments.slice(0, -1).map((each) => evaluate(each, environment));
  const variables = names.map((_, index) => text("lambda", names, index).toLowerCase());
  return (...values) => {
    const bound = new Map(environment.lambdaVariables);
    for (const [index, variable] of variables.entries()) bound.set(variable, values[index] ?? null);
    return evaluate(body, { ...environment, lambdaVariables: bound });
  };
}

function source(expression: Expression | undefined, environment: Environment, name: string): readonly Json[] {
  const value = expression === undefined ? null : evaluate(expression, environment);
  if (!isArray(value)) throw wrongType(name, "Array", value);
  return value;
}

type Apply = (values: readonly Json[], lambda: Lambda, name: string) => Json;

function overArray(apply: Apply): FunctionTable[string] {
  return {
    min: 2,
    max: 2,
    lazy: (values, environment, name) =>
      apply(source(values[0], environment, name), lambdaOf(values[1], environment, name), name),
  };
}

function reduce(values: readonly Expression[], environment: Environment, name: string): Json {
  const items = source(values[0], environment, name);
  const lambda = lambdaOf(values[2], environment, name);
  const initial = values[1] === undefined ? null : evaluate(values[1], environment);
  return items.reduce<Json>((accumulated, each, index) => lambda(accumulated, each, index), initial);
}

function toObject(values: readonly Expression[], environment: Environment, name: string): Json {
  const key = lambdaOf(values[1], environment, name);
  const value = values[2] === undefined ? undefined : lambdaOf(values[2], environment, name);
  const members = source(values[0], environment, name).map((each, index): [string, Json] => [
    toText(key(each, index)),
    value === undefined ? each : value(each, index),
  ]);
  return Object.fromEntries(members);
}

function groupBy(values: readonly Json[], lambda: Lambda): Json {
  const groups = new Map<string, Json[]>();
  for (const [index, each] of values.entries()) {
    const key = toText(lambda(each, index));
    const group = groups.get(key) ?? [];
    group.push(each);
    groups.set(key, group);
  }
  return Object.fromEntries(groups);
}

/** `sort` is given a "comes before" test. */
function sort(values: readonly Json[], before: Lambda, name: string): Json {
  const test = (a: Json, b: Json): boolean => boolean(name, before(a, b));
  return [...values].sort((a, b) => (test(a, b) ? -1 : test(b, a) ? 1 : 0));
}

function mapValues(values: readonly Expression[], environment: Environment, name: string): Json {
  const first = values[0] === undefined ? null : evaluate(values[0], environment);
  const whole: JsonObject = object(name, [first], 0);
  const lambda = lambdaOf(values[1], environment, name);
  return Object.fromEntries(Object.entries(whole).map(([key, value]) => [key, lambda(value)]));
}

export const lambdaFunctions: FunctionTable = {
  map: overArray((values, lambda) => values.map((each, index) => lambda(each, index))),
  filter: overArray((values, lambda, name) =>
    values.filter((each, index) => boolean(name, lambda(each, index))),
  ),
  sort: overArray(sort),
  groupby: overArray(groupBy),
  reduce: { min: 3, max: 3, lazy: reduce },
  toobject: { min: 2, max: 3, lazy: toObject },
  mapvalues: { min: 2, max: 2, lazy: mapValues },
  lambda: {
    min: 1,
    max: Number.POSITIVE_INFINITY,
    lazy: (_values, _environment, name) => {
      throw refuse(name, "a lambda is only allowed as the argument of a function that applies it");
    },
  },
  lambdavariables: {
    min: 1,
    max: 1,
    run: (values, environment, name) => {
      const variable = text(name, values, 0);
      const value = environment.lambdaVariables.get(variable.toLowerCase());
      if (value === undefined) throw refuse(name, `the lambda variable '${variable}' is not defined`);
      return value;
    },
  },
};

/**
 * Evaluates expressions and whole JSON trees of a template. Synchronous and without effects: what only the running
 * deployment knows (`reference`, `list*`) is thrown as a `RuntimeValueNeeded`, fetched by the caller, and found by
 * the next attempt. A budget bounds the work of one deployment, so no template can hang or fill the memory.
 */
import { isArray, isObject, type Json, type JsonObject, memberName, withinDepth } from "../json.ts";
import { type Expression, ExpressionError, isExpression, parseExpression } from "./expressions.ts";

export interface Environment {
  /** By lower-case name; user functions as `namespace.name`. */
  readonly functions: ReadonlyMap<string, TemplateFunction>;
  /**
   * Indices of the copy loops around this value, by lower-case loop name. "" is the one that `copyIndex()` without a
   * name means: the loop of the resource, or the innermost one where no resource is looped over.
   */
  readonly copies: ReadonlyMap<string, number>;
  readonly lambdaVariables: ReadonlyMap<string, Json>;
  /** What was read so far for this evaluation; `undefined` for what was not. */
  readonly runtime: (read: RuntimeRead) => Json | undefined;
  readonly budget: Budget;
}

/** Counts work; one for all evaluations of a deployment. */
export interface Budget {
  left: number;
}

export type TemplateFunction = { readonly min: number; readonly max: number } & (
  | { readonly run: (values: readonly Json[], environment: Environment, name: string) => Json }
  /** Receives its arguments unevaluated, because it evaluates only some of them or each many times. */
  | { readonly lazy: (values: readonly Expression[], environment: Environment, name: string) => Json }
);

/** What a running deployment has to read from outside before an expression has a value. */
export interface RuntimeRead {
  readonly kind: "reference" | "list";
  /** The name of the function, e.g. `listKeys`. */
  readonly function: string;
  /** A resource id, resource name or symbolic name. */
  readonly target: string;
  readonly apiVersion: string | undefined;
  readonly full: boolean;
  readonly body: Json | undefined;
}

/** Thrown where an expression needs a value that only the running deployment can read. */
export class RuntimeValueNeeded extends Error {
  override readonly name = "RuntimeValueNeeded";
  readonly read: RuntimeRead;

  constructor(read: RuntimeRead) {
    super(`the template function '${read.function}' needs a running deployment`);
    this.read = read;
  }
}

const workMax = 1_000_000;
/** Sizes count as work too: this many characters of a result, or plain values of the template, as one step. */
const charactersPerStep = 64;
const plainValuesPerStep = 20;

export function newBudget(): Budget {
  return { left: workMax };
}

function spend(budget: Budget, work: number): void {
  budget.left -= work;
  if (budget.left < 0) throw new ExpressionError("The template needs more work to evaluate than is allowed.");
}

/** The value of an expression. Throws `ExpressionError` and `RuntimeValueNeeded`. */
export function evaluate(expression: Expression, environment: Environment): Json {
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "call":
      return callFunction(expression.name, expression.arguments, environment);
    case "member":
      return readMember(evaluate(expression.target, environment), expression.name);
    case "index": {
      const target = evaluate(expression.target, environment);
      return readIndex(target, evaluate(expression.index, environment));
    }
  }
}

function callFunction(name: string, values: readonly Expression[], environment: Environment): Json {
  spend(environment.budget, 1);
  const definition = environment.functions.get(name.toLowerCase()) ?? listFunction(name, environment);
  if (definition === undefined) {
    throw new ExpressionError(
      `The template function '${name}' is not valid. Please see https://aka.ms/arm-functions for usage details.`,
    );
  }
  if (values.length < definition.min || values.length > definition.max) {
    throw new ExpressionError(
      `Unable to evaluate template language function '${name}': function requires ${arity(definition)} argument(s) while ${values.length} were provided. Please see https://aka.ms/arm-functions#${name} for usage details.`,
    );
  }
  const result =
    "lazy" in definition
      ? definition.lazy(values, environment, name)
      : definition.run(
          values.map((value) => evaluate(value, environment)),
          environment,
          name,
        );
  spend(environment.budget, weigh(result));
  return result;
}

/** Any name that starts with `list` is a POST of that action; the table has them under `list*`. */
function listFunction(name: string, environment: Environment): TemplateFunction | undefined {
  return /^list\w*$/i.test(name) ? environment.functions.get("list*") : undefined;
}

function arity(definition: TemplateFunction): string {
  if (definition.min === definition.max) return String(definition.min);
  if (definition.max === Number.POSITIVE_INFINITY) return `at least ${definition.min}`;
  return `${definition.min} to ${definition.max}`;
}

function weigh(value: Json): number {
  if (typeof value === "string") return Math.floor(value.length / charactersPerStep);
  return isArray(value) ? value.length : 0;
}

/** Reads a property without regard to letter case. */
function readMember(target: Json, name: string): Json {
  if (isObject(target)) {
    const key = memberName(target, name);
    const value = key === undefined ? undefined : target[key];
    if (value !== undefined) return value;
    throw new ExpressionError(
      `The language expression property '${name}' doesn't exist, available properties are '${Object.keys(target).join(", ")}'.`,
    );
  }
  throw new ExpressionError(
    `The language expression property '${name}' can't be evaluated: the value before it is ${describeType(target)}, not an object.`,
  );
}

function readIndex(target: Json, index: Json): Json {
  if (typeof index === "string") return readMember(target, index);
  if (typeof index !== "number" || !isArray(target)) {
    throw new ExpressionError(
      `The language expression property can't be evaluated: ${describeType(target)} has no index ${JSON.stringify(index)}.`,
    );
  }
  const value = Number.isInteger(index) && index >= 0 ? target[index] : undefined;
  if (value === undefined) {
    throw new ExpressionError(`The language expression property array index '${index}' is out of bounds.`);
  }
  return value;
}

/** The type names of messages. */
export function describeType(value: Json): string {
  if (value === null) return "Null";
  if (isArray(value)) return "Array";
  if (typeof value === "object") return "Object";
  if (typeof value === "string") return "String";
  if (typeof value === "boolean") return "Boolean";
  return Number.isInteger(value) ? "Integer" : "Float";
}

/** A template string: an expression's value, or the text itself with a doubled leading bracket undone. */
function evaluateText(text: string, environment: Environment): Json {
  if (isExpression(text)) return evaluate(parseExpression(text), environment);
  spend(environment.budget, 1 / plainValuesPerStep + weigh(text));
  return text.startsWith("[[") ? text.slice(1) : text;
}

/**
 * The value of a JSON tree of a template, every string, member name and property `copy` in it evaluated. Throws
 * `ExpressionError`, also for a value too deeply nested to be worked with, and `RuntimeValueNeeded`.
 */
export function evaluateValue(value: Json, environment: Environment): Json {
  let result: Json;
  try {
    result = evaluateTree(value, environment);
  } catch (error) {
    if (error instanceof RangeError) throw new ExpressionError("The template nests too deeply.");
    throw error;
  }
  if (!withinDepth(result)) throw new ExpressionError("The value of the expression nests too deeply.");
  return result;
}

function evaluateTree(value: Json, environment: Environment): Json {
  if (typeof value === "string") return evaluateText(value, environment);
  if (isArray(value)) return value.map((each) => evaluateTree(each, environment));
  if (!isObject(value)) return value;
  const members = new Map<string, Json>();
  for (const [name, each] of Object.entries(value)) {
    if (name.toLowerCase() === "copy" && isPropertyCopy(each)) {
      for (const [copied, values] of expandPropertyCopies(each, environment)) members.set(copied, values);
    } else members.set(evaluateName(name, environment), evaluateTree(each, environment));
  }
  return Object.fromEntries(members);
}

function evaluateName(name: string, environment: Environment): string {
  if (!name.startsWith("[")) return name;
  const value = evaluateText(name, environment);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** `copy: [{name, count, input}]` inside an object makes one array member for each entry. */
export function isPropertyCopy(value: Json): value is readonly JsonObject[] {
  return (
    isArray(value) &&
    value.length > 0 &&
    value.every((each) => isObject(each) && "name" in each && "count" in each && "input" in each)
  );
}

function expandPropertyCopies(
  copies: readonly JsonObject[],
  environment: Environment,
): readonly (readonly [string, readonly Json[]])[] {
  return copies.map((copy) => {
    const name = evaluateTree(copy["name"] ?? "", environment);
    const count = evaluateTree(copy["count"] ?? 0, environment);
    if (typeof name !== "string") throw new ExpressionError("The name of a copy must be a string.");
    return [name, expandInput(name, count, copy["input"] ?? null, environment)];
  });
}

export const copyCountMax = 800;

/** The values of a loop's `input`, one for each index. */
export function expandInput(name: string, count: Json, input: Json, environment: Environment): Json[] {
  if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > copyCountMax) {
    throw new ExpressionError(
      `The copy count of '${name}' must be a whole number from 0 to ${copyCountMax}; it is ${JSON.stringify(count)}.`,
    );
  }
  return Array.from({ length: count }, (_, index) => evaluateTree(input, inLoop(environment, name, index)));
}

/** Marks that the loop of a resource is around; no loop has such a name. */
const resourceLoop = "\n";

/** The environment inside iteration `index` of the loop `name` over a value. */
function inLoop(environment: Environment, name: string, index: number): Environment {
  const copies = new Map(environment.copies);
  if (!copies.has(resourceLoop)) copies.set("", index);
  return { ...environment, copies: copies.set(name.toLowerCase(), index) };
}

/** The environment inside iteration `index` of the loop `name` over a resource. */
export function inResourceLoop(environment: Environment, name: string, index: number): Environment {
  const copies = new Map(environment.copies).set(resourceLoop, index).set("", index);
  return { ...environment, copies: copies.set(name.toLowerCase(), index) };
}

/** Reading the arguments of template functions: type checks with the service's message, and text conversion. */
import { isArray, isObject, type Json, type JsonObject } from "../../json.ts";
import { describeType, type TemplateFunction } from "../evaluate.ts";
import { ExpressionError } from "../expressions.ts";

export type FunctionTable = Readonly<Record<string, TemplateFunction>>;

export function wrongType(name: string, expected: string, value: Json): ExpressionError {
  return new ExpressionError(
    `The template language function '${name}' expects its parameter to be of type '${expected}'. The provided value is of type '${describeType(value)}'. Please see https://aka.ms/arm-functions#${name} for usage details.`,
  );
}

export function refuse(name: string, detail: string): ExpressionError {
  return new ExpressionError(`Unable to evaluate template language function '${name}': ${detail}.`);
}

export function at(values: readonly Json[], index: number): Json {
  return values[index] ?? null;
}

export function text(name: string, values: readonly Json[], index: number): string {
  const value = at(values, index);
  if (typeof value !== "string") throw wrongType(name, "String", value);
  return value;
}

export function integer(name: string, values: readonly Json[], index: number): number {
  const value = at(values, index);
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrongType(name, "Integer", value);
  return value;
}

export function array(name: string, values: readonly Json[], index: number): readonly Json[] {
  const value = at(values, index);
  if (!isArray(value)) throw wrongType(name, "Array", value);
  return value;
}

export function object(name: string, values: readonly Json[], index: number): JsonObject {
  const value = at(values, index);
  if (!isObject(value)) throw wrongType(name, "Object", value);
  return value;
}

export function boolean(name: string, value: Json): boolean {
  if (typeof value !== "boolean") throw wrongType(name, "Boolean", value);
  return value;
}

/** How a value reads inside text: booleans as `True` and `False`, null as nothing, containers as JSON. */
export function toText(value: Json): string {
  if (value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

/** A text under which equal values, and only they, are equal; members of objects in any order. */
export function canonicalText(value: Json): string {
  if (isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonicalText(each)}`).join(",")}}`;
}

export function equalValues(a: Json, b: Json): boolean {
  return canonicalText(a) === canonicalText(b);
}

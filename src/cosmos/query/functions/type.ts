/**
 * Type tests (always a boolean, also for undefined) and the conditional function.
 */
import { isArray, isObject, type Value } from "../values.ts";
import { parseDateTime } from "./date-text.ts";
import { type BuiltIn, pure } from "./signature.ts";

const INT64_LIMIT = 2 ** 63;

function isPrimitive(value: Value): boolean {
  return (
    value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string"
  );
}

/** A number without fraction in the range of a signed 64-bit integer. */
function isInteger(value: Value): boolean {
  return Number.isInteger(value) && Number(value) >= -INT64_LIMIT && Number(value) < INT64_LIMIT;
}

function isBoolean(value: Value): boolean {
  return typeof value === "boolean";
}

export const typeFunctions: readonly BuiltIn[] = [
  pure("IS_ARRAY", 1, 1, isArray),
  pure("IS_BOOL", 1, 1, isBoolean),
  pure("IS_BOOLEAN", 1, 1, isBoolean),
  pure("IS_DATETIME", 1, 1, (value) => parseDateTime(value) !== undefined),
  pure("IS_DEFINED", 1, 1, (value) => value !== undefined),
  pure("IS_FINITE_NUMBER", 1, 1, (value) => Number.isFinite(value)),
  pure("IS_INTEGER", 1, 1, isInteger),
  pure("IS_NULL", 1, 1, (value) => value === null),
  pure("IS_NUMBER", 1, 1, (value) => typeof value === "number"),
  pure("IS_OBJECT", 1, 1, isObject),
  pure("IS_PRIMITIVE", 1, 1, isPrimitive),
  pure("IS_STRING", 1, 1, (value) => typeof value === "string"),
  pure("IIF", 3, 3, (condition, whenTrue, otherwise) => (condition === true ? whenTrue : otherwise)),
];

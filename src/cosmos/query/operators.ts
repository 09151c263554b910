/**
 * The operators on values: three-valued logic, arithmetic on doubles, 32-bit bit operations, comparison within one
 * type. Anything of the wrong type gives undefined.
 */
import type { Evaluate } from "./compilation.ts";
import { concatenate } from "./functions/string.ts";
import type { BinaryOperator, UnaryOperator } from "./syntax.ts";
import { compareSameType, equals, type Value } from "./values.ts";

const ARITHMETIC = {
  "+": (x: number, y: number): number => x + y,
  "-": (x: number, y: number): number => x - y,
  "*": (x: number, y: number): number => x * y,
  "/": (x: number, y: number): number => x / y,
  "%": (x: number, y: number): number => x % y,
  "|": (x: number, y: number): number => x | y,
  "^": (x: number, y: number): number => x ^ y,
  "&": (x: number, y: number): number => x & y,
  "<<": (x: number, y: number): number => x << y,
  ">>": (x: number, y: number): number => x >> y,
  ">>>": (x: number, y: number): number => x >>> y,
} as const;

/** The value of `operator operand`. */
export function unaryOperation(operator: UnaryOperator, operand: Evaluate): Evaluate {
  switch (operator) {
    case "NOT":
      return (frame) => {
        const value = operand(frame);
        return typeof value === "boolean" ? !value : undefined;
      };
    case "-":
      return onNumber(operand, (x) => -x);
    case "+":
      return onNumber(operand, (x) => x);
    case "~":
      return onNumber(operand, (x) => ~x);
  }
}

function onNumber(operand: Evaluate, compute: (x: number) => number): Evaluate {
  return (frame) => {
    const value = operand(frame);
    return typeof value === "number" ? compute(value) : undefined;
  };
}

/** The value of the operands joined by `operator`: any number of them for AND and OR, else two. */
export function binaryOperation(operator: BinaryOperator, parts: readonly Evaluate[]): Evaluate {
  if (operator === "AND") return conjunction(parts);
  if (operator === "OR") return disjunction(parts);
  const [left = nothing, right = nothing] = parts;
  switch (operator) {
    case "??":
      return (frame) => {
        const value = left(frame);
        return value === undefined ? right(frame) : value;
      };
    case "||":
      return (frame) => concatenate(left(frame), right(frame));
    case "=":
      return (frame) => equals(left(frame), right(frame));
    case "!=":
      return (frame) => {
        const equal = equals(left(frame), right(frame));
        return equal === undefined ? undefined : !equal;
      };
    case "<":
      return (frame) => test(compareSameType(left(frame), right(frame)), (order) => order < 0);
    case ">":
      return (frame) => test(compareSameType(left(frame), right(frame)), (order) => order > 0);
    case "<=":
      return (frame) => test(compareSameType(left(frame), right(frame)), (order) => order <= 0);
    case ">=":
      return (frame) => test(compareSameType(left(frame), right(frame)), (order) => order >= 0);
    default:
      return arithmetic(ARITHMETIC[operator], left, right);
  }
}

/** `value [NOT] BETWEEN low AND high`, which is `>=` AND `<=` with the value computed once. */
export function betweenOperation(parts: readonly Evaluate[], negated: boolean): Evaluate {
  const [value = nothing, low = nothing, high = nothing] = parts;
  return (frame) => {
    const tested = value(frame);
    const above = test(compareSameType(tested, low(frame)), (order) => order >= 0);
    const below = test(compareSameType(tested, high(frame)), (order) => order <= 0);
    if (above === false || below === false) return negated;
    return above === undefined || below === undefined ? undefined : !negated;
  };
}

function nothing(): Value {
  return undefined;
}

function test(order: number | undefined, holds: (order: number) => boolean): Value {
  return order === undefined ? undefined : holds(order);
}

function arithmetic(compute: (x: number, y: number) => number, left: Evaluate, right: Evaluate): Evaluate {
  return (frame) => {
    const x = left(frame);
    const y = right(frame);
    return typeof x === "number" && typeof y === "number" ? compute(x, y) : undefined;
  };
}

/** False as soon as a part is false; true when all are true; else undefined. */
function conjunction(parts: readonly Evaluate[]): Evaluate {
  return (frame) => {
    let result: Value = true;
    for (const part of parts) {
      const value = part(frame);
      if (value === false) return false;
      if (value !== true) result = undefined;
    }
    return result;
  };
}

/** True as soon as a part is true; false when all are false; else undefined. */
function disjunction(parts: readonly Evaluate[]): Evaluate {
  return (frame) => {
    let result: Value = false;
    for (const part of parts) {
      const value = part(frame);
      if (value === true) return true;
      if (value !== false) result = undefined;
    }
    return result;
  };
}

/**
 * What the compiler of expressions and the compiler of queries share: the frame a compiled query computes in, what
 * one execution knows from outside, and its budget of work.
 */
import type { Bound } from "./binding.ts";
import { limitExceeded, plainError } from "./error.ts";
import type { FunctionContext, Implementation } from "./functions/signature.ts";
import type { Expression, Subquery } from "./syntax.ts";
import { unserialisable, type Value } from "./values.ts";

/** One value per variable and per aggregate, by slot. A run owns one frame and overwrites it row by row. */
export type Frame = Value[];

export type Evaluate = (frame: Frame) => Value;

/** Rows that FROM clauses may visit for one item, so that joins of joins cannot hold up the process. */
export const ROWS_PER_ITEM_MAX = 20_000_000;

/**
 * Characters of JSON in a value that a query may bind or return, several times what a response holds. Doubling a
 * value by naming it and using it twice, again and again, stops here.
 */
export const VALUE_LENGTH_MAX = 16_777_216;

export interface Compilation {
  readonly bound: Bound;
  readonly parameters: ReadonlyMap<string, Value>;
  readonly context: FunctionContext;
  readonly udf: (name: string) => Implementation | undefined;
  /** Computed properties of the container by name, as functions of the item. */
  readonly computed: ReadonlyMap<string, (item: Value) => Value>;
  /** Rows still allowed for the current item. */
  readonly budget: { left: number };
  /** Memo of `isConstant`. */
  readonly constants: Map<Expression, boolean>;
  /** Compiles a subquery; passed in because queries and expressions contain each other. */
  readonly compileSubquery: (compilation: Compilation, subquery: Subquery) => Evaluate;
}

/** Counts one visited row against the budget. */
export function spend(budget: { left: number }): void {
  if (--budget.left < 0) throw limitExceeded("number of joined rows for one item", ROWS_PER_ITEM_MAX);
}

/** Refuses a value that has grown beyond all use before it is bound to a name and used again. */
export function boundedValue(value: Value): Value {
  if (
    typeof value === "object" &&
    value !== null &&
    unserialisable(value, VALUE_LENGTH_MAX) === "too-large"
  ) {
    throw plainError("The result of an expression is too large.");
  }
  return value;
}

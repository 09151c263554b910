/**
 * What the compiler of expressions and the compiler of queries share: the frame a compiled query computes in, what
 * one execution knows from outside, and its budget of work.
 */
import type { Bound } from "./binding.ts";
import { limitExceeded, plainError, QueryOverrun } from "./error.ts";
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
  readonly budget: Budget;
  /** Memo of `isConstant`. */
  readonly constants: Map<Expression, boolean>;
  /** Compiles a subquery; passed in because queries and expressions contain each other. */
  readonly compileSubquery: (compilation: Compilation, subquery: Subquery) => Evaluate;
}

/** What an execution may use at a stretch. */
export interface Budget {
  /** Rows still allowed for the current item. */
  left: number;
  readonly stretch: Stretch | undefined;
}

/** The time between two moments at which the caller can do something else. */
export interface Stretch {
  begin(): void;
  /** True when it has become longer than the caller can allow. */
  isOver(): boolean;
}

/** Rows visited between two looks at the time. */
const ROWS_BETWEEN_LOOKS = 64;

/** Begins the work on one item. */
export function renew(budget: Budget): void {
  budget.left = ROWS_PER_ITEM_MAX;
  budget.stretch?.begin();
}

/** Counts one visited row against the budget; throws `QueryOverrun` when the stretch is over. */
export function spend(budget: Budget): void {
  if (--budget.left < 0) throw limitExceeded("number of joined rows for one item", ROWS_PER_ITEM_MAX);
  if (budget.left % ROWS_BETWEEN_LOOKS === 0 && budget.stretch?.isOver() === true) throw new QueryOverrun();
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

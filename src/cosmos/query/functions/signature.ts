/**
 * What a built-in function is to the rest of the room: how many arguments it takes and how it is called. A family
 * file lists its functions as data; binder, compiler and documentation read the same entries.
 */
import { plainError } from "../error.ts";
import type { Value } from "../values.ts";

export type Implementation = (...args: Value[]) => Value;

/** What a function may know besides its arguments. */
export interface FunctionContext {
  /** Milliseconds since the epoch, read anew at each call. */
  readonly now: () => number;
  /** Milliseconds since the epoch, fixed for one execution. */
  readonly startedAt: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** How coordinates are measured: on the WGS-84 ellipsoid or in the plane. */
  readonly geospatial: "Geography" | "Geometry";
  /** The container's vector settings by path such as `/v`, where VectorDistance takes its defaults from. */
  readonly embeddings: readonly VectorEmbedding[];
  /** Long work looks here whether it should end with a `QueryOverrun`. */
  readonly stretch: { isOver(): boolean } | undefined;
}

export interface VectorEmbedding {
  readonly path: string;
  readonly distanceFunction: string;
}

export interface BuiltIn {
  readonly name: string;
  readonly minimum: number;
  /** `Infinity` when any number may follow. */
  readonly maximum: number;
  readonly body: Body;
}

/**
 * `pure` depends on its arguments alone and folds when they are constant; `context` is made once per execution
 * (and may keep a compiled pattern) and folds too when it is `steady`. The three integer kinds pass exact 64-bit
 * values among themselves: `int64` takes and gives them, `toInt64` makes one, `fromInt64` takes one.
 */
export type Body =
  | { readonly kind: "pure"; readonly call: Implementation }
  | {
      readonly kind: "context";
      readonly steady: boolean;
      readonly make: (context: FunctionContext) => Implementation;
    }
  | { readonly kind: "int64"; readonly call: (...args: bigint[]) => bigint | undefined }
  | { readonly kind: "fromInt64"; readonly call: (value: bigint) => Value }
  | {
      readonly kind: "toInt64";
      readonly steady: boolean;
      readonly make: (context: FunctionContext) => (...args: Value[]) => bigint | undefined;
    };

/** Longest text or array a function may build; a response holds 4 MB at most. */
const RESULT_LENGTH_MAX = 4_194_304;

/** Refuses a result that is only built to exhaust memory. */
export function boundedLength(length: number): void {
  if (length > RESULT_LENGTH_MAX) throw plainError("The result of an expression is too large.");
}

export function pure(name: string, minimum: number, maximum: number, call: Implementation): BuiltIn {
  return { name, minimum, maximum, body: { kind: "pure", call } };
}

/** A function with memory or outside knowledge; `steady` when equal arguments give equal results in one execution. */
export function contextual(
  name: string,
  [minimum, maximum]: readonly [number, number],
  steady: boolean,
  make: (context: FunctionContext) => Implementation,
): BuiltIn {
  return { name, minimum, maximum, body: { kind: "context", steady, make } };
}

export function int64(name: string, arity: number, call: (...args: bigint[]) => bigint | undefined): BuiltIn {
  return { name, minimum: arity, maximum: arity, body: { kind: "int64", call } };
}

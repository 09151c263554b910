/**
 * Mathematical functions on doubles, and integer functions on exact signed 64-bit values. A wrong argument type
 * gives undefined; NaN and infinities are legal until they reach a result row.
 */
import { type BuiltIn, contextual, int64, pure } from "./signature.ts";

function unary(name: string, compute: (x: number) => number): BuiltIn {
  return pure(name, 1, 1, (x) => (typeof x === "number" ? compute(x) : undefined));
}

function binary(name: string, compute: (x: number, y: number) => number): BuiltIn {
  return pure(name, 2, 2, (x, y) =>
    typeof x === "number" && typeof y === "number" ? compute(x, y) : undefined,
  );
}

/** Half away from zero, unlike `Math.round`; values too large to have a fraction stay as they are. */
function roundAwayFromZero(x: number): number {
  const magnitude = Math.abs(x);
  const floor = Math.floor(magnitude);
  return Math.sign(x) * (magnitude - floor >= 0.5 ? floor + 1 : floor);
}

const INT64 = 64;

/** Wraps to a signed 64-bit integer, as the service's arithmetic does on overflow. */
function wrap(value: bigint): bigint {
  return BigInt.asIntN(INT64, value);
}

/** Shift counts use their low six bits. */
function shiftCount(count: bigint): bigint {
  return BigInt.asUintN(6, count);
}

function integerFunctions(): BuiltIn[] {
  const both: Readonly<Record<string, (x: bigint, y: bigint) => bigint | undefined>> = {
    IntAdd: (x, y) => wrap(x + y),
    IntSub: (x, y) => wrap(x - y),
    IntMul: (x, y) => wrap(x * y),
    IntMultiply: (x, y) => wrap(x * y),
    IntDiv: (x, y) => (y === 0n ? undefined : wrap(x / y)),
    IntMod: (x, y) => (y === 0n ? undefined : wrap(x % y)),
    IntBitAnd: (x, y) => x & y,
    IntBitOr: (x, y) => x | y,
    IntBitXor: (x, y) => x ^ y,
    IntBitLeftShift: (x, y) => wrap(x << shiftCount(y)),
    IntBitRightShift: (x, y) => x >> shiftCount(y),
    IntBitwiseAnd: (x, y) => x & y,
    IntBitwiseOr: (x, y) => x | y,
    IntBitwiseXor: (x, y) => x ^ y,
    IntBitwiseLeftShift: (x, y) => wrap(x << shiftCount(y)),
    IntBitwiseRightShift: (x, y) => x >> shiftCount(y),
  };
  const list = Object.entries(both).map(([name, call]) =>
    int64(name, 2, call as (...args: bigint[]) => bigint),
  );
  list.push(int64("IntBitNot", 1, (...[x]) => (x === undefined ? undefined : ~x)));
  list.push(int64("IntBitwiseNot", 1, (...[x]) => (x === undefined ? undefined : ~x)));
  return list;
}

export const mathFunctions: readonly BuiltIn[] = [
  unary("ABS", Math.abs),
  unary("ACOS", Math.acos),
  unary("ASIN", Math.asin),
  unary("ATAN", Math.atan),
  binary("ATN2", Math.atan2),
  unary("CEILING", Math.ceil),
  unary("COS", Math.cos),
  unary("COT", (x) => 1 / Math.tan(x)),
  unary("DEGREES", (x) => (x * 180) / Math.PI),
  unary("EXP", Math.exp),
  unary("FLOOR", Math.floor),
  pure("LOG", 1, 2, (...args) => {
    const [x, base] = args;
    if (typeof x !== "number") return undefined;
    if (args.length === 1) return Math.log(x);
    return typeof base === "number" ? Math.log(x) / Math.log(base) : undefined;
  }),
  unary("LOG10", Math.log10),
  pure("NumberBin", 1, 2, (...args) => {
    const [x, size] = args.length === 1 ? [args[0], 1] : args;
    if (typeof x !== "number" || typeof size !== "number" || size === 0) return undefined;
    return Math.floor(x / size) * size;
  }),
  pure("PI", 0, 0, () => Math.PI),
  binary("POWER", (x, y) => x ** y),
  unary("RADIANS", (x) => (x * Math.PI) / 180),
  contextual("RAND", [0, 0], false, (context) => () => context.random()),
  unary("ROUND", roundAwayFromZero),
  unary("SIGN", Math.sign),
  unary("SIN", Math.sin),
  unary("SQRT", Math.sqrt),
  unary("SQUARE", (x) => x * x),
  unary("TAN", Math.tan),
  unary("TRUNC", Math.trunc),
  ...integerFunctions(),
];

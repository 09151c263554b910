/** What the checks of assigned values share: where findings go, and how bounds of values and lengths compare. */
import { type Code, type Part, type Reporter, report } from "./diagnostics.ts";
import { type Model, symbolAt } from "./model.ts";
import type { Span } from "./source.ts";
import type * as syntax from "./syntax.ts";
import type { TupleType, Type } from "./types.ts";

export type MismatchHandler = (
  checking: Checking,
  expected: Type,
  found: Type,
  node: syntax.Expression,
) => void;

/** How to check: where findings go, and what was decided on the way down. */
export interface Checking {
  readonly model: Model;
  readonly reporter: Reporter;
  /** What is expected and what found do not fit at all: how to say it. */
  readonly onMismatch?: MismatchHandler;
  /** The name of the variable whose value is being checked. */
  readonly origin?: syntax.Expression;
  readonly disallowAny?: boolean;
  /** The check of one value, from `assignability.ts`. */
  readonly check: (checking: Checking, node: syntax.Expression, found: Type, expected: Type) => void;
  /** Pairs met before; types can contain themselves. */
  readonly met: Map<syntax.Node, (readonly [Type, Type])[]>;
}

export function say(checking: Checking, code: Code, span: Span, ...parts: readonly Part[]): void {
  report(checking.reporter, code, span, ...parts);
}

/** The value of the variable that `node` names. */
export function variableValue(model: Model, node: syntax.Expression): syntax.Expression | undefined {
  if (node.kind !== "variable") return undefined;
  const symbol = symbolAt(model, node);
  return symbol?.kind === "var" && symbol.declaration.type === undefined
    ? symbol.declaration.value
    : undefined;
}

export interface Bounds {
  readonly min: bigint | undefined;
  readonly max: bigint | undefined;
}

/** Codes for a value that is surely too high, too low, and for one that may be. */
export type BoundCodes = readonly [high: Code, low: Code, mayBeLow: Code, mayBeHigh: Code];
export const lengthCodes: BoundCodes = ["BCP332", "BCP333", "BCP334", "BCP335"];
export const valueCodes: BoundCodes = ["BCP327", "BCP328", "BCP329", "BCP330"];

export function checkBounds(
  checking: Checking,
  node: syntax.Expression,
  found: Bounds,
  expected: Bounds,
  codes: BoundCodes,
): void {
  const [high, low, mayBeLow, mayBeHigh] = codes;
  const above = (left: bigint | undefined, right: bigint | undefined) =>
    left !== undefined && right !== undefined && left > right;
  if (above(found.min, expected.max)) {
    say(checking, high, node, `${found.min}`, `${expected.max}`);
    return;
  }
  if (above(expected.min, found.max)) {
    say(checking, low, node, `${found.max}`, `${expected.min}`);
    return;
  }
  if (above(expected.min, found.min)) say(checking, mayBeLow, node, `${found.min}`, `${expected.min}`);
  if (above(found.max, expected.max)) say(checking, mayBeHigh, node, `${found.max}`, `${expected.max}`);
}

/** The bounds of the length of an array or string. */
export function arrayLength(
  type: TupleType | { readonly kind: string; readonly minLength?: number; readonly maxLength?: number },
): Bounds {
  if ("items" in type) {
    const length = BigInt(type.items.length);
    return { min: length, max: length };
  }
  const { minLength, maxLength } = type;
  return {
    min: minLength === undefined ? undefined : BigInt(minLength),
    max: maxLength === undefined ? undefined : BigInt(maxLength),
  };
}

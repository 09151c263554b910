/**
 * Expressions to closures. Compiled once per execution, so that evaluating a row is a few calls without looking at
 * syntax; constants fold on the way. Undefined is JavaScript's own `undefined` and propagates as the language says.
 */
import { boundedValue, type Compilation, type Evaluate, type Frame } from "./compilation.ts";
import { type BuiltIn, boundedLength } from "./functions/signature.ts";
import { builtIn } from "./functions/table.ts";
import { vectorFunction } from "./functions/vector.ts";
import { compileLike } from "./like.ts";
import { betweenOperation, binaryOperation, unaryOperation } from "./operators.ts";
import {
  asPath,
  type Binary,
  type Call,
  children,
  type Expression,
  type InList,
  type Like,
  operands,
} from "./syntax.ts";
import { element, sameValue, setProperty, type Value } from "./values.ts";

/** Compiles `expression` to a function of the frame. */
export function compileExpression(c: Compilation, expression: Expression): Evaluate {
  if (expression.kind !== "literal" && isConstant(c, expression)) {
    const value = compileNode(c, expression)([]);
    return () => value;
  }
  return compileNode(c, expression);
}

/** The value of an expression that depends on no row, no clock and no user function. */
export function constantValue(c: Compilation, expression: Expression): Value {
  return compileNode(c, expression)([]);
}

/** True when `expression` has the same value for every row of one execution. */
export function isConstant(c: Compilation, expression: Expression): boolean {
  const known = c.constants.get(expression);
  if (known !== undefined) return known;
  const constant =
    isConstantNode(c, expression) && children(expression).every((child) => isConstant(c, child));
  c.constants.set(expression, constant);
  return constant;
}

function isConstantNode(c: Compilation, expression: Expression): boolean {
  switch (expression.kind) {
    case "subquery":
    case "let":
      return false;
    case "identifier":
      return !c.bound.variables.has(expression);
    case "call": {
      if (expression.udf) return false;
      const body = builtIn(expression.name)?.body;
      if (body === undefined) return false;
      return body.kind === "context" || body.kind === "toInt64" ? body.steady : true;
    }
    default:
      return true;
  }
}

function compileNode(c: Compilation, expression: Expression): Evaluate {
  switch (expression.kind) {
    case "literal": {
      const { value } = expression;
      return () => value;
    }
    case "parameter": {
      const value = c.parameters.get(expression.name);
      return () => value;
    }
    case "identifier":
    case "member":
    case "index":
      return compileReference(c, expression);
    case "unary": {
      const operand = compileExpression(c, expression.operand);
      return unaryOperation(expression.operator, operand);
    }
    case "binary":
      return compileBinary(c, expression);
    case "between": {
      const { value, low, high } = expression;
      const parts = [value, low, high].map((part) => compileExpression(c, part));
      return betweenOperation(parts, expression.negated);
    }
    case "in":
      return compileIn(c, expression);
    case "like":
      return compileLikeTest(c, expression);
    case "conditional": {
      const condition = compileExpression(c, expression.condition);
      const whenTrue = compileExpression(c, expression.whenTrue);
      const otherwise = compileExpression(c, expression.otherwise);
      return (frame) => (condition(frame) === true ? whenTrue(frame) : otherwise(frame));
    }
    case "array":
      return compileArray(expression.items.map((item) => compileExpression(c, item)));
    case "object":
      return compileObject(
        expression.properties.map(({ name }) => name),
        expression.properties.map(({ value }) => compileExpression(c, value)),
      );
    case "call":
      return compileCall(c, expression);
    case "subquery":
      return c.compileSubquery(c, expression);
    case "let": {
      const slot = c.bound.lets.get(expression)?.slot ?? 0;
      const value = compileExpression(c, expression.value);
      const body = compileExpression(c, expression.body);
      return (frame) => {
        frame[slot] = boundedValue(value(frame));
        return body(frame);
      };
    }
  }
}

/** A variable, or members of something. Paths of constant steps from a variable take the short way. */
function compileReference(c: Compilation, expression: Expression): Evaluate {
  const path = asPath(expression);
  const variable = path === undefined ? undefined : c.bound.variables.get(path.root);
  if (path !== undefined && variable !== undefined) {
    const [first, ...rest] = path.steps;
    const computed = variable.item && typeof first === "string" ? c.computed.get(first) : undefined;
    if (computed === undefined) return compilePath(variable.slot, path.steps);
    const inner = compilePath(0, rest);
    return (frame) => inner([computed(frame[variable.slot])]);
  }
  if (expression.kind === "identifier") {
    const value = expression.name === "NaN" ? Number.NaN : Number.POSITIVE_INFINITY;
    return () => value;
  }
  if (expression.kind === "member") {
    const object = compileExpression(c, expression.object);
    const { name } = expression;
    return (frame) => element(object(frame), name);
  }
  if (expression.kind !== "index") return () => undefined;
  const object = compileExpression(c, expression.object);
  const index = compileExpression(c, expression.index);
  return (frame) => element(object(frame), index(frame));
}

/** Steps from the value in `slot`. One and two plain names, the common cases, read the property directly. */
export function compilePath(slot: number, steps: readonly (string | number)[]): Evaluate {
  const [first, second] = steps;
  if (first === undefined) return (frame) => frame[slot];
  if (steps.length === 1 && typeof first === "string") {
    const read = compileProperty(first);
    return (frame) => read(frame[slot]);
  }
  if (steps.length === 2 && typeof first === "string" && typeof second === "string") {
    const outer = compileProperty(first);
    const inner = compileProperty(second);
    return (frame) => inner(outer(frame[slot]));
  }
  return (frame) => {
    let value = frame[slot];
    for (const step of steps) value = element(value, step);
    return value;
  };
}

/** Reads one property; only names that objects inherit need the slower own-property test. */
function compileProperty(name: string): (value: Value) => Value {
  if (name in Object.prototype) return (value) => element(value, name);
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return (value as Record<string, Value>)[name];
  };
}

function compileBinary(c: Compilation, expression: Binary): Evaluate {
  const { operator } = expression;
  if (operator === "AND" || operator === "OR") {
    return binaryOperation(
      operator,
      operands(expression, operator).map((operand) => compileExpression(c, operand)),
    );
  }
  const left = compileExpression(c, expression.left);
  const right = compileExpression(c, expression.right);
  if (operator === "=" || operator === "!=") {
    if (isConstant(c, expression.right)) return compileEquality(left, right([]), operator === "!=");
    if (isConstant(c, expression.left)) return compileEquality(right, left([]), operator === "!=");
  }
  return binaryOperation(operator, [left, right]);
}

/** Comparison with a constant, by identity when that is a scalar. */
function compileEquality(side: Evaluate, constant: Value, negated: boolean): Evaluate {
  if (constant === undefined) return () => undefined;
  if (typeof constant === "object" && constant !== null) {
    return (frame) => {
      const value = side(frame);
      return value === undefined ? undefined : sameValue(value, constant) !== negated;
    };
  }
  return (frame) => {
    const value = side(frame);
    return value === undefined ? undefined : (value === constant) !== negated;
  };
}

/** Lists of this many scalar constants are worth a hash set. */
const IN_SET_MIN = 8;

function compileIn(c: Compilation, expression: InList): Evaluate {
  const value = compileExpression(c, expression.value);
  const list = expression.list.map((item) => compileExpression(c, item));
  const { negated } = expression;
  const constants = expression.list.every((item) => isConstant(c, item))
    ? list.map((item) => item([]))
    : undefined;
  const scalar = constants?.every((item) => typeof item !== "object" || item === null) === true;
  if (constants !== undefined && scalar && constants.length >= IN_SET_MIN) {
    const set = new Set<Value>(constants.filter((item) => item !== undefined && !Number.isNaN(item)));
    return (frame) => {
      const needle = value(frame);
      return needle === undefined ? undefined : set.has(needle) !== negated;
    };
  }
  return (frame) => {
    const needle = value(frame);
    if (needle === undefined) return undefined;
    for (const item of list) {
      const candidate = item(frame);
      if (candidate !== undefined && sameValue(needle, candidate)) return !negated;
    }
    return negated;
  };
}

/** The matcher of the last pattern is kept, so a constant pattern compiles once. */
function compileLikeTest(c: Compilation, expression: Like): Evaluate {
  const value = compileExpression(c, expression.value);
  const pattern = compileExpression(c, expression.pattern);
  const { negated, escape: mark } = expression;
  let last: string | undefined;
  let matches = compileLike("", mark);
  return (frame) => {
    const text = value(frame);
    const wanted = pattern(frame);
    if (typeof text !== "string" || typeof wanted !== "string") return undefined;
    if (wanted !== last) {
      matches = compileLike(wanted, mark);
      last = wanted;
    }
    return matches(text) !== negated;
  };
}

function compileArray(items: readonly Evaluate[]): Evaluate {
  return (frame) => {
    const made: Value[] = [];
    for (const item of items) {
      const value = item(frame);
      if (value !== undefined) made.push(value);
    }
    return made;
  };
}

/** An object of the given names; undefined members are left out. Also makes the rows of a select list. */
export function compileObject(names: readonly string[], values: readonly Evaluate[]): Evaluate {
  return (frame) => {
    const made: Record<string, Value> = {};
    for (let i = 0; i < names.length; i++) setProperty(made, names[i] ?? "", values[i]?.(frame));
    return made;
  };
}

function compileCall(c: Compilation, call: Call): Evaluate {
  const aggregate = c.bound.aggregates.get(call);
  if (aggregate !== undefined) return (frame) => frame[aggregate.slot];
  if (call.udf) {
    const implementation = c.udf(call.name);
    if (implementation === undefined) return () => undefined;
    return applied(implementation, compileArguments(c, call));
  }
  const found = builtIn(call.name);
  return found === undefined ? () => undefined : compileBuiltIn(c, call, found);
}

function compileArguments(c: Compilation, call: Call): Evaluate[] {
  return call.args.map((argument) => compileExpression(c, argument));
}

function compileBuiltIn(c: Compilation, call: Call, { name, body }: BuiltIn): Evaluate {
  switch (body.kind) {
    case "pure":
      return applied(body.call, compileArguments(c, call));
    case "context": {
      const path = name === "VectorDistance" ? vectorPath(call) : undefined;
      const made = path === undefined ? body.make(c.context) : vectorFunction(c.context, path);
      return applied(made, compileArguments(c, call));
    }
    case "fromInt64": {
      const argument = compileInt64(c, call.args[0]);
      return (frame) => {
        const value = argument(frame);
        return value === undefined ? undefined : body.call(value);
      };
    }
    case "int64":
    case "toInt64": {
      const exact = compileInt64(c, call);
      return (frame) => {
        const value = exact(frame);
        return value === undefined ? undefined : Number(value);
      };
    }
  }
}

/** The path that a VectorDistance call takes its defaults from, such as `/v`. */
export function vectorPath(call: Call): string | undefined {
  for (const argument of call.args.slice(0, 2)) {
    const path = asPath(argument);
    if (path !== undefined) return path.steps.map((step) => `/${step}`).join("");
  }
  return undefined;
}

function applied(call: (...args: Value[]) => Value, args: readonly Evaluate[]): Evaluate {
  const [first, second, third] = args;
  if (first === undefined) return () => call();
  if (second === undefined) return (frame) => call(first(frame));
  if (third === undefined) return (frame) => call(first(frame), second(frame));
  if (args.length === 3) return (frame) => call(first(frame), second(frame), third(frame));
  boundedLength(args.length);
  return (frame) => call(...args.map((argument) => argument(frame)));
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

type Exact = (frame: Frame) => bigint | undefined;

/** An argument of an integer function: exact for literals and nested integer functions, else a whole double. */
function compileInt64(c: Compilation, expression: Expression | undefined): Exact {
  if (expression === undefined) return () => undefined;
  const literal = exactLiteral(expression);
  if (literal !== undefined)
    return () => (literal >= INT64_MIN && literal <= INT64_MAX ? literal : undefined);
  const body = expression.kind === "call" && !expression.udf ? builtIn(expression.name)?.body : undefined;
  if (expression.kind === "call" && body?.kind === "toInt64") {
    const args = compileArguments(c, expression);
    const call = body.make(c.context);
    return (frame) => call(...args.map((argument) => argument(frame)));
  }
  if (expression.kind === "call" && body?.kind === "int64") {
    const args = expression.args.map((argument) => compileInt64(c, argument));
    return (frame) => {
      const values = args.map((argument) => argument(frame));
      return values.every((value) => value !== undefined) ? body.call(...values) : undefined;
    };
  }
  const evaluate = compileExpression(c, expression);
  return (frame) => {
    const value = evaluate(frame);
    if (typeof value !== "number" || !Number.isInteger(value)) return undefined;
    const exact = BigInt(value);
    return exact >= INT64_MIN && exact <= INT64_MAX ? exact : undefined;
  };
}

function exactLiteral(expression: Expression): bigint | undefined {
  if (expression.kind === "unary" && expression.operator === "-") {
    const inner = exactLiteral(expression.operand);
    return inner === undefined ? undefined : -inner;
  }
  if (expression.kind !== "literal" || expression.text === undefined) return undefined;
  return /^(?:0[xX][0-9A-Fa-f]+|[0-9]+)$/.test(expression.text) ? BigInt(expression.text) : undefined;
}

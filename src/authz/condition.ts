/**
 * Conditions on role assignments (Azure ABAC, version 2.0): read into a tree when an assignment is written, and judged
 * for each request. What cannot be known here - attributes of services that are not served - is neither true nor false,
 * and a condition that comes to nothing certain grants nothing, however it is negated.
 */
import { actionMatches } from "./action.ts";

type Value = string | number | boolean;

interface Attribute {
  readonly source: "principal" | "request" | "resource" | "environment";
  /** Lower case, such as `microsoft.authorization/roleassignments:roledefinitionid`. */
  readonly name: string;
}

type Operand =
  | { readonly kind: "attribute"; readonly attribute: Attribute }
  | { readonly kind: "values"; readonly values: readonly Value[] };

type Quantifier = "anyAny" | "allAny" | "anyAll" | "allAll";

export type Condition =
  | { readonly kind: "and" | "or"; readonly parts: readonly Condition[] }
  | { readonly kind: "not"; readonly of: Condition }
  | { readonly kind: "action"; readonly pattern: string }
  | { readonly kind: "subOperation" }
  | { readonly kind: "exists"; readonly attribute: Attribute }
  | {
      readonly kind: "compare";
      readonly left: Operand;
      readonly right: Operand;
      readonly quantifier: Quantifier;
      readonly holds: (left: Value, right: Value) => boolean;
    };

/** What a request knows of itself; names in lower case as in `Attribute`. */
export interface ConditionFacts {
  readonly action: string;
  readonly request: Readonly<Record<string, string>>;
  readonly resource: Readonly<Record<string, string>>;
}

/** Says where and why a text is no condition. */
export class ConditionFault extends Error {
  override readonly name = "ConditionFault";
  /** True for what Azure knows and is not judged here. */
  readonly isUnsupported: boolean;

  constructor(message: string, isUnsupported = false) {
    super(message);
    this.isUnsupported = isUnsupported;
  }
}

/** Longest condition (service limit, 8 KB), and how deep it may be nested. */
const lengthMax = 8192;
const depthMax = 64;

/** Reads a condition. Throws ConditionFault. */
export function parseCondition(text: string): Condition {
  if (text.length > lengthMax) throw new ConditionFault(`it is longer than ${lengthMax} characters`);
  const tokens = tokenize(text);
  const reader: TokenReader = { tokens, at: 0 };
  const condition = readOr(reader, 0);
  const rest = tokens[reader.at];
  if (rest !== undefined) throw new ConditionFault(`'${rest}' was not expected`);
  return condition;
}

/** True or false where the facts decide it, `undefined` where they do not. */
export function judgeCondition(condition: Condition, facts: ConditionFacts): boolean | undefined {
  switch (condition.kind) {
    case "and":
      return both(condition.parts.map((part) => judgeCondition(part, facts)));
    case "or":
      return not(both(condition.parts.map((part) => not(judgeCondition(part, facts)))));
    case "not":
      return not(judgeCondition(condition.of, facts));
    case "action":
      return actionMatches(condition.pattern, facts.action);
    case "subOperation":
      return false;
    case "exists":
      return attributeValue(condition.attribute, facts) === undefined ? undefined : true;
    case "compare":
      return judgeComparison(condition, facts);
  }
}

function not(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

function both(values: readonly (boolean | undefined)[]): boolean | undefined {
  if (values.includes(false)) return false;
  return values.includes(undefined) ? undefined : true;
}

function judgeComparison(
  { left, right, quantifier, holds }: Extract<Condition, { kind: "compare" }>,
  facts: ConditionFacts,
): boolean | undefined {
  const [own, others] = [valuesOf(left, facts), valuesOf(right, facts)];
  if (own === undefined || others === undefined) return undefined;
  const matches = (one: Value): boolean =>
    quantifier === "anyAny" || quantifier === "allAny"
      ? others.some((other) => holds(one, other))
      : others.every((other) => holds(one, other));
  return quantifier === "anyAny" || quantifier === "anyAll" ? own.some(matches) : own.every(matches);
}

function valuesOf(operand: Operand, facts: ConditionFacts): readonly Value[] | undefined {
  if (operand.kind === "values") return operand.values;
  const value = attributeValue(operand.attribute, facts);
  return value === undefined ? undefined : [value];
}

function attributeValue({ source, name }: Attribute, facts: ConditionFacts): string | undefined {
  if (source !== "request" && source !== "resource") return undefined;
  return Object.hasOwn(facts[source], name) ? facts[source][name] : undefined;
}

interface TokenReader {
  readonly tokens: readonly string[];
  at: number;
}

const tokenPattern = /\s+|'(?:[^'\\]|\\.)*'|@[A-Za-z]+\[[^\]]*\]|&&|\|\||[!(){},]|[A-Za-z0-9_.:/*-]+/y;

function tokenize(text: string): readonly string[] {
  const tokens: string[] = [];
  tokenPattern.lastIndex = 0;
  for (let at = 0; at < text.length; at = tokenPattern.lastIndex) {
    tokenPattern.lastIndex = at;
    const [token] = tokenPattern.exec(text) ?? [];
    if (token === undefined)
      throw new ConditionFault(`it cannot be read from '${text.slice(at, at + 20)}' on`);
    if (token.trim() !== "") tokens.push(token);
  }
  return tokens;
}

function peek({ tokens, at }: TokenReader): string {
  return tokens[at] ?? "";
}

function next(reader: TokenReader): string {
  const token = reader.tokens[reader.at];
  if (token === undefined) throw new ConditionFault("it ends too early");
  reader.at++;
  return token;
}

function expect(reader: TokenReader, wanted: string): void {
  const token = next(reader);
  if (token !== wanted) throw new ConditionFault(`'${wanted}' was expected and '${token}' found`);
}

function isWord(token: string, ...words: readonly string[]): boolean {
  return words.includes(token.toLowerCase());
}

function readOr(reader: TokenReader, depth: number): Condition {
  const parts = [readAnd(reader, depth)];
  while (isWord(peek(reader), "or", "||")) {
    next(reader);
    parts.push(readAnd(reader, depth));
  }
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { kind: "or", parts };
}

function readAnd(reader: TokenReader, depth: number): Condition {
  const parts = [readTerm(reader, depth)];
  while (isWord(peek(reader), "and", "&&")) {
    next(reader);
    parts.push(readTerm(reader, depth));
  }
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { kind: "and", parts };
}

function readTerm(reader: TokenReader, depth: number): Condition {
  if (depth > depthMax) throw new ConditionFault(`it is nested deeper than ${depthMax} levels`);
  const token = peek(reader);
  if (isWord(token, "!", "not")) {
    next(reader);
    return { kind: "not", of: readTerm(reader, depth + 1) };
  }
  if (token === "(") {
    next(reader);
    const inner = readOr(reader, depth + 1);
    expect(reader, ")");
    return inner;
  }
  if (isWord(token, "actionmatches", "suboperationmatches")) {
    next(reader);
    const [pattern, ...more] = readSet(reader);
    if (typeof pattern !== "string" || more.length > 0) throw new ConditionFault(`${token} takes one text`);
    return isWord(token, "actionmatches") ? { kind: "action", pattern } : { kind: "subOperation" };
  }
  if (isWord(token, "exists", "notexists")) {
    next(reader);
    const exists: Condition = { kind: "exists", attribute: readAttribute(next(reader)) };
    return isWord(token, "exists") ? exists : { kind: "not", of: exists };
  }
  return readComparison(reader);
}

function readComparison(reader: TokenReader): Condition {
  const left = readOperand(reader);
  const [first = "", second] = next(reader).split(":");
  const quantifier = second === undefined ? undefined : quantifiers.get(first.toLowerCase());
  if (second !== undefined && quantifier === undefined)
    throw new ConditionFault(`there is no function '${first}'`);
  const holds = operatorNamed(second ?? first);
  const right = readOperand(reader);
  const isSet = (operand: Operand): boolean => operand.kind === "values" && operand.values.length !== 1;
  if (quantifier === undefined && (isSet(left) || isSet(right))) {
    throw new ConditionFault("several values need a function such as ForAnyOfAnyValues");
  }
  return { kind: "compare", left, right, quantifier: quantifier ?? "anyAny", holds };
}

const quantifiers: ReadonlyMap<string, Quantifier> = new Map([
  ["foranyofanyvalues", "anyAny"],
  ["forallofanyvalues", "allAny"],
  ["foranyofallvalues", "anyAll"],
  ["forallofallvalues", "allAll"],
]);

function readOperand(reader: TokenReader): Operand {
  const token = peek(reader);
  if (token.startsWith("@")) return { kind: "attribute", attribute: readAttribute(next(reader)) };
  if (token === "{") return { kind: "values", values: readSet(reader) };
  return { kind: "values", values: [readValue(next(reader))] };
}

function readAttribute(token: string): Attribute {
  const [, source = "", name = ""] = /^@(principal|request|resource|environment)\[(.+)\]$/i.exec(token) ?? [];
  if (source === "") throw new ConditionFault(`'${token}' is no attribute`);
  return { source: source.toLowerCase() as Attribute["source"], name: name.trim().toLowerCase() };
}

/** `{'a', 'b'}`: at least one value. */
function readSet(reader: TokenReader): readonly Value[] {
  expect(reader, "{");
  const values = [readValue(next(reader))];
  while (peek(reader) === ",") {
    next(reader);
    values.push(readValue(next(reader)));
  }
  expect(reader, "}");
  return values;
}

const guidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function readValue(token: string): Value {
  if (token.startsWith("'")) return token.slice(1, -1).replace(/\\(.)/g, "$1");
  if (guidPattern.test(token)) return token;
  if (isWord(token, "true", "false")) return token.toLowerCase() === "true";
  if (/^-?\d+(\.\d+)?$/.test(token)) return Number(token);
  throw new ConditionFault(`'${token}' is no value`);
}

type Comparison = (left: Value, right: Value) => boolean;

const texts: Readonly<Record<string, (left: string, right: string) => boolean>> = {
  equals: (left, right) => left === right,
  startswith: (left, right) => left.startsWith(right),
  like: (left, right) => isLike(left, right),
};

const numbers: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  equals: (left, right) => left === right,
  lessthan: (left, right) => left < right,
  lessthanequals: (left, right) => left <= right,
  greaterthan: (left, right) => left > right,
  greaterthanequals: (left, right) => left >= right,
};

/** The comparison of this name, such as `StringNotEqualsIgnoreCase` or `GuidEquals`. */
function operatorNamed(name: string): Comparison {
  const [, type = "", negated, base = "", ignoring] =
    /^(string|guid|numeric|bool)(not)?(\w+?)(ignorecase)?$/i.exec(name) ?? [];
  const compare = comparisonOf(type.toLowerCase(), base.toLowerCase(), ignoring !== undefined);
  if (compare === undefined) {
    const isKnown = /^(datetime|timeofday|ip)\w+$/i.test(name);
    throw new ConditionFault(`the operator '${name}' is not ${isKnown ? "implemented" : "known"}`, isKnown);
  }
  return negated === undefined ? compare : (left, right) => !compare(left, right);
}

function comparisonOf(type: string, base: string, ignoring: boolean): Comparison | undefined {
  if (type === "string") {
    const compare = Object.hasOwn(texts, base) ? texts[base] : undefined;
    const fold = (value: Value): string => (ignoring ? String(value).toLowerCase() : String(value));
    return compare === undefined ? undefined : (left, right) => compare(fold(left), fold(right));
  }
  if (ignoring) return undefined;
  if (type === "numeric") {
    const compare = Object.hasOwn(numbers, base) ? numbers[base] : undefined;
    return compare === undefined ? undefined : (left, right) => compare(Number(left), Number(right));
  }
  const isEquality = base === "equals" && (type === "guid" || type === "bool");
  return isEquality ? (left, right) => String(left).toLowerCase() === String(right).toLowerCase() : undefined;
}

/** `*` for any run of characters, `?` for one; compared without backtracking further than the last star. */
function isLike(text: string, pattern: string): boolean {
  let at = 0;
  let own = 0;
  let star = -1;
  let resume = 0;
  while (own < text.length) {
    if (pattern[at] === "*") {
      star = at++;
      resume = own;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[own])) {
      at++;
      own++;
    } else if (star >= 0) {
      at = star + 1;
      own = ++resume;
    } else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}

/** Expressions: operators by precedence, member chains, literals, loops, conditions and lambdas. */
import type { Token, TokenType } from "./lexer.ts";
import type { Span } from "./source.ts";
import { stringSegments } from "./string-tokens.ts";
import type {
  ArrayLiteral,
  BinaryOperator,
  Expression,
  ForExpression,
  Identifier,
  IfCondition,
  LocalVariable,
  MissingDeclaration,
  ObjectLiteral,
  ObjectProperty,
  ResourceDeclaration,
  Skipped,
  Spread,
  StringLiteral,
  UnaryOperator,
} from "./syntax.ts";
import {
  atEnd,
  check,
  checkKeyword,
  expect,
  expectKeyword,
  expectMark,
  fail,
  identifier,
  identifierOrMissing,
  isKeyword,
  isMissing,
  lastEnd,
  missing,
  nested,
  newlines,
  note,
  peek,
  peekBeyondLines,
  recover,
  type TokenReader,
  take,
  toIdentifier,
} from "./token-reader.ts";

/** What may stand at a place. */
export interface Allowed {
  /** Arrays and objects: everywhere but in the holes of strings and in `for (item, index)`. */
  readonly complex: boolean;
  /** In the bodies of resources: how a nested resource is parsed. */
  readonly resources?: (reader: TokenReader) => ResourceDeclaration | MissingDeclaration | Skipped;
}

const anything: Allowed = { complex: true };
const simple: Allowed = { complex: false };

/** Where the right side of an operator gives up. */
const operandEnds: readonly TokenType[] = ["string-right", "}", ")", "]", "newline"];

const precedences: Readonly<Partial<Record<TokenType, number>>> = {
  ...{ "*": 100, "/": 100, "%": 100, "+": 90, "-": 90, "<": 80, "<=": 80, ">": 80, ">=": 80 },
  ...{ "==": 70, "!=": 70, "=~": 70, "!~": 70, "&&": 50, "||": 40, "??": 30 },
};

/** Words that begin a declaration: a line that begins with one is not the body of the lambda before it. */
const declarationWords: readonly string[] = [
  ...["assert", "import", "metadata", "param", "var", "resource", "output", "module", "type"],
];

export function parseExpression(reader: TokenReader, allowed: Allowed = anything): Expression {
  return nested(reader, () => {
    const condition = parseBinary(reader, allowed, 0);
    if (peekBeyondLines(reader).type !== "?") return condition;
    newlines(reader);
    take(reader);
    const whenTrue = recover(reader, () => parseExpression(reader, allowed), [":", ...operandEnds]);
    if (whenTrue.kind !== "skipped" && peekBeyondLines(reader).type === ":") newlines(reader);
    const colon = recover(reader, () => expectMark(reader, ":"), operandEnds, { quiet: isMissing(whenTrue) });
    const whenFalse = recover(reader, () => parseExpression(reader, allowed), operandEnds, {
      quiet: "kind" in colon && isMissing(colon),
    });
    return { kind: "ternary", condition, whenTrue, whenFalse, start: condition.start, end: lastEnd(reader) };
  });
}

function parseBinary(reader: TokenReader, allowed: Allowed, above: number): Expression {
  let left = parseUnary(reader, allowed);
  for (;;) {
    const operator = peek(reader).type;
    const precedence = precedences[operator] ?? -1;
    if (precedence <= above) return left;
    take(reader);
    const right = recover(
      reader,
      () => nested(reader, () => parseBinary(reader, allowed, precedence)),
      operandEnds,
    );
    const end = lastEnd(reader);
    left = { kind: "binary", operator: operator as BinaryOperator, left, right, start: left.start, end };
  }
}

function isUnaryOperator(type: TokenType): type is UnaryOperator {
  return type === "!" || type === "-" || type === "+";
}

function parseUnary(reader: TokenReader, allowed: Allowed): Expression {
  const token = peek(reader);
  if (!isUnaryOperator(token.type)) return parseMember(reader, allowed);
  take(reader);
  const operand = recover(reader, () => parseMember(reader, allowed), operandEnds);
  return { kind: "unary", operator: token.type, operand, start: token.start, end: lastEnd(reader) };
}

function parseMember(reader: TokenReader, allowed: Allowed): Expression {
  let base = parsePrimary(reader, allowed);
  for (;;) {
    if (check(reader, "[")) base = parseIndex(reader, base, allowed);
    else if (check(reader, ".")) base = parseDot(reader, base, allowed);
    else if (check(reader, "::")) {
      take(reader);
      const name = identifierOrMissing(reader, "BCP020");
      base = { kind: "nested-resource", base, name, start: base.start, end: name.end };
    } else if (check(reader, "!")) {
      const mark = take(reader);
      base = { kind: "non-null", base, start: base.start, end: mark.end };
    } else return base;
  }
}

function takeIf(reader: TokenReader, type: TokenType): boolean {
  if (!check(reader, type)) return false;
  take(reader);
  return true;
}

function parseIndex(reader: TokenReader, base: Expression, allowed: Allowed): Expression {
  take(reader);
  const safe = takeIf(reader, "?");
  const fromEnd = takeIf(reader, "^");
  const index = check(reader, "]") ? missing(reader, "BCP117") : parseExpression(reader, allowed);
  const close = expectMark(reader, "]");
  return { kind: "index", base, safe, fromEnd, index, start: base.start, end: close.end };
}

function parseDot(reader: TokenReader, base: Expression, allowed: Allowed): Expression {
  take(reader);
  const question = peek(reader);
  const safe = takeIf(reader, "?");
  const name = identifierOrMissing(reader, "BCP020");
  if (!check(reader, "(")) {
    return { kind: "member", base, safe, name, start: base.start, end: name.end };
  }
  if (safe) note(reader, question, "BCP322");
  const values = parseArguments(reader, allowed);
  return { kind: "method-call", base, name, arguments: values, start: base.start, end: lastEnd(reader) };
}

function parsePrimary(reader: TokenReader, allowed: Allowed): Expression {
  const token = peek(reader);
  switch (token.type) {
    case "integer":
      return { kind: "integer", value: parseInteger(reader), start: token.start, end: token.end };
    case "true":
    case "false":
      take(reader);
      return { kind: "boolean", value: token.type === "true", start: token.start, end: token.end };
    case "null":
      take(reader);
      return { kind: "null", start: token.start, end: token.end };
    case "string":
    case "string-left":
      return parseString(reader);
    case "{":
      if (!allowed.complex) fail(token, "BCP087");
      return parseObject(reader, allowed);
    case "[":
      if (!allowed.complex) fail(token, "BCP087");
      return isKeyword(peekBeyondLines(reader, 1), "for")
        ? parseFor(reader, allowed, false)
        : parseArray(reader);
    case "(":
      return parseParenthesis(reader, allowed);
    case "identifier":
      return parseName(reader, allowed);
    default:
      return fail(token, "BCP009");
  }
}

export function parseInteger(reader: TokenReader): bigint {
  const token = take(reader);
  const value = BigInt(token.text);
  if (value >= 1n << 64n) fail(token, "BCP010");
  return value;
}

/** A string with or without holes. Holes hold simple expressions on one line. */
export function parseString(reader: TokenReader): StringLiteral | Skipped {
  const start = peek(reader).start;
  const pieces: Token[] = [];
  const expressions: Expression[] = [];
  for (let first = true; ; first = false) {
    const { type } = peek(reader);
    if (type === (first ? "string" : "string-right")) {
      pieces.push(take(reader));
      const segments = stringSegments(pieces);
      if (segments === undefined) break;
      return { kind: "string", segments, expressions, start, end: lastEnd(reader) };
    }
    if (type === (first ? "string-left" : "string-middle")) {
      pieces.push(take(reader));
      expressions.push(parseHole(reader));
      if (check(reader, "newline") || atEnd(reader)) break;
    } else {
      skipHole(reader);
      if (!check(reader, "string-middle", "string-right")) break;
    }
  }
  return { kind: "skipped", start, end: peek(reader).start };
}

const holeEnds: readonly TokenType[] = ["string-middle", "string-right", "newline"];

function parseHole(reader: TokenReader): Expression {
  const expression = recover(reader, () => parseExpression(reader, simple), holeEnds);
  if (check(reader, ...holeEnds)) return expression;
  return skipHole(reader);
}

function skipHole(reader: TokenReader): Skipped {
  const start = peek(reader).start;
  while (!atEnd(reader) && !check(reader, ...holeEnds)) take(reader);
  const span = { start, end: Math.max(start, lastEnd(reader)) };
  note(reader, span, "BCP064");
  return { kind: "skipped", ...span };
}

/** Elements of an array or object: separated by line ends, or by commas on one line. */
export function parseElements<T>(reader: TokenReader, close: TokenType, parse: () => T): T[] {
  const elements: T[] = [];
  if (check(reader, close)) return elements;
  newlines(reader);
  for (let expectElement = true; !atEnd(reader) && !check(reader, close); expectElement = !expectElement) {
    if (expectElement) elements.push(parse());
    else if (check(reader, "newline")) newlines(reader);
    else if (check(reader, ",")) {
      take(reader);
      if (check(reader, "newline")) {
        missing(reader, "BCP238");
        take(reader);
      }
    } else missing(reader, "BCP236");
  }
  return elements;
}

/** Arguments between parentheses or chevrons: separated by commas, which may end a line. */
export function parseCommaElements<T>(reader: TokenReader, close: TokenType, parse: () => T): T[] {
  const elements: T[] = [];
  if (check(reader, close)) return elements;
  newlines(reader);
  for (let expectElement = true; !atEnd(reader) && !check(reader, close); expectElement = !expectElement) {
    if (expectElement) elements.push(parse());
    else if (check(reader, "newline")) {
      const next = peekBeyondLines(reader).type;
      if (next === "eof") break;
      if (next !== close) missing(reader, "BCP237");
      newlines(reader);
    } else if (check(reader, ",")) {
      take(reader);
      newlines(reader);
      if (check(reader, close)) elements.push(parse());
    } else missing(reader, "BCP236");
  }
  return elements;
}

export function parseArguments(reader: TokenReader, allowed: Allowed): Expression[] {
  expectMark(reader, "(");
  const values = parseCommaElements(reader, ")", () =>
    recover(reader, () => parseExpression(reader, allowed), ["newline", ",", ")"]),
  );
  if (check(reader, ")")) take(reader);
  else missing(reader, "BCP018", ")");
  return values;
}

function parseName(reader: TokenReader, allowed: Allowed): Expression {
  const token = expect(reader, "identifier", "BCP023");
  const name = toIdentifier(token);
  if (check(reader, "(")) {
    const values = parseArguments(reader, allowed);
    return { kind: "call", name, arguments: values, start: token.start, end: lastEnd(reader) };
  }
  if (check(reader, "=>")) {
    const local: LocalVariable = {
      kind: "local",
      name,
      type: undefined,
      start: token.start,
      end: token.end,
    };
    return parseLambdaBody(reader, [local], token.start);
  }
  return { kind: "variable", name, start: token.start, end: token.end };
}

function parseLambdaBody(
  reader: TokenReader,
  parameters: readonly LocalVariable[],
  start: number,
): Expression {
  expectMark(reader, "=>");
  const body = parseArrowBody(reader);
  return { kind: "lambda", parameters, body, start, end: lastEnd(reader) };
}

/** What follows `=>`, possibly on the next line. */
export function parseArrowBody(reader: TokenReader): Expression {
  if (!declarationWords.includes(peekBeyondLines(reader).text)) newlines(reader);
  return recover(reader, () => parseExpression(reader), ["newline", ")"]);
}

const parenthesisEnds: readonly TokenType[] = [...operandEnds, ","];

export interface ParenthesisContent<T> {
  readonly items: readonly (T | Skipped)[];
  /** True when there is exactly one item and nothing else, not even a line end. */
  readonly single: boolean;
  readonly span: Span;
  /** Between the parentheses. */
  readonly inner: Span;
}

const closingEnds: readonly TokenType[] = ["string-right", "}", "]", "newline"];

/** `( item, item )` */
export function parseParenthesisList<T extends { readonly kind: string }>(
  reader: TokenReader,
  parse: () => T,
  acrossLines: boolean,
): ParenthesisContent<T> {
  const open = expectMark(reader, "(");
  const items: (T | Skipped)[] = [];
  let single = true;
  const skipLines = () => {
    if (!acrossLines || !check(reader, "newline")) return;
    single = false;
    newlines(reader);
  };
  skipLines();
  while (!check(reader, ")")) {
    items.push(recover(reader, parse, parenthesisEnds));
    skipLines();
    if (!check(reader, ",")) break;
    take(reader);
    single = false;
    skipLines();
  }
  const inner = { start: open.end, end: Math.max(open.end, lastEnd(reader)) };
  const last = items.at(-1);
  recover(reader, () => expectMark(reader, ")"), closingEnds, {
    quiet: last?.kind === "skipped" && isMissing(last as Skipped),
  });
  const span = { start: open.start, end: lastEnd(reader) };
  return { items, single: single && items.length === 1, span, inner };
}

function parseParenthesis(reader: TokenReader, allowed: Allowed): Expression {
  const content = parseParenthesisList(reader, () => parseExpression(reader, allowed), true);
  if (check(reader, "=>")) return parseLambdaBody(reader, content.items.map(toLocal), content.span.start);
  return { kind: "parenthesized", inner: singleItem(reader, content), ...content.span };
}

export function singleItem<T>(reader: TokenReader, content: ParenthesisContent<T>): T | Skipped {
  const [first] = content.items;
  if (first !== undefined && content.single) return first;
  note(reader, content.inner, "BCP243");
  return { kind: "skipped", ...content.inner };
}

function toLocal(item: Expression | Skipped): LocalVariable {
  const name: Identifier =
    item.kind === "variable" ? item.name : { kind: "identifier", name: "", start: item.start, end: item.end };
  return { kind: "local", name, type: undefined, start: item.start, end: item.end };
}

function parseSpread(reader: TokenReader, until: readonly TokenType[]): Spread {
  const dots = expectMark(reader, "...");
  const expression = recover(reader, () => parseExpression(reader), until);
  return { kind: "spread", expression, start: dots.start, end: lastEnd(reader) };
}

function parseArray(reader: TokenReader): ArrayLiteral {
  const open = expectMark(reader, "[");
  const items = parseElements<Expression | Spread>(reader, "]", () =>
    recover(
      reader,
      () => (check(reader, "...") ? parseSpread(reader, [",", "newline", "]"]) : parseExpression(reader)),
      ["newline", "]"],
    ),
  );
  const close = expectMark(reader, "]");
  return { kind: "array", items, start: open.start, end: close.end };
}

export function parseObject(reader: TokenReader, allowed: Allowed): ObjectLiteral {
  const open = expectMark(reader, "{");
  const items = parseElements(reader, "}", () =>
    recover(reader, () => parseObjectItem(reader, allowed), ["newline", "}"]),
  );
  const close = expectMark(reader, "}");
  return { kind: "object", items, start: open.start, end: close.end };
}

function parseObjectItem(reader: TokenReader, allowed: Allowed): ObjectLiteral["items"][number] {
  const startsResource = checkKeyword(reader, "resource") && peek(reader, 1).type === "identifier";
  if (allowed.resources !== undefined && (check(reader, "@") || startsResource)) {
    return allowed.resources(reader);
  }
  if (check(reader, "...")) return parseSpread(reader, [",", "newline", "}"]);
  const start = peek(reader).start;
  const key = recover(reader, () => parseKey(reader), [":", "newline", "}"]);
  const colon = recover(reader, () => expectMark(reader, ":"), ["newline", "}"], { quiet: isMissing(key) });
  const value = recover(reader, () => parseExpression(reader), ["newline", "}"], {
    quiet: "kind" in colon && isMissing(colon),
  });
  return { kind: "property", key, value, start, end: Math.max(start, lastEnd(reader)) };
}

function parseKey(reader: TokenReader): ObjectProperty["key"] {
  const token = peek(reader);
  if (token.type === "identifier") return toIdentifier(take(reader));
  if (token.type !== "string" && token.type !== "string-left") return fail(token, "BCP022");
  const key = parseString(reader);
  return key.kind === "skipped" ? fail(token, "BCP022") : key;
}

/** `[for item in expression: body]`; the body of a resource or module is an object or a condition. */
export function parseFor(reader: TokenReader, allowed: Allowed, ofResource: boolean): ForExpression {
  const open = expectMark(reader, "[");
  newlines(reader);
  const keyword = expectKeyword(reader, "for");
  const known = reader.problems.length;
  const { item, index } = parseLoopNames(reader);
  const quiet = reader.problems.length > known;
  const inWord = recover(reader, () => expectKeyword(reader, "in"), ["]", "newline"], { quiet });
  const expression = recover(reader, () => parseExpression(reader), [":", "]", "newline"], {
    quiet: "kind" in inWord && isMissing(inWord),
  });
  const colon = recover(reader, () => expectMark(reader, ":"), ["]", "newline"], {
    quiet: isMissing(expression),
  });
  const body = recover(reader, () => parseForBody(reader, allowed, ofResource), ["]", "newline"], {
    quiet: "kind" in colon && isMissing(colon),
  });
  if (body.kind !== "skipped") newlines(reader);
  recover(reader, () => expectMark(reader, "]"), ["]", "newline"], { quiet: isMissing(body) });
  const { start, end } = keyword;
  return {
    kind: "for",
    keyword: { start, end },
    item,
    index,
    expression,
    body,
    start: open.start,
    end: lastEnd(reader),
  };
}

function parseForBody(reader: TokenReader, allowed: Allowed, ofResource: boolean): Expression {
  if (!ofResource) return parseExpression(reader, { ...allowed, complex: true });
  if (check(reader, "{")) return parseObject(reader, allowed);
  if (checkKeyword(reader, "if")) return parseIf(reader, allowed, true);
  return fail(peek(reader), "BCP167");
}

function parseLoopNames(reader: TokenReader): Pick<ForExpression, "item" | "index"> {
  if (check(reader, "identifier")) {
    const name = identifier(reader, "BCP136");
    const item: LocalVariable = {
      kind: "local",
      name,
      type: undefined,
      start: name.start,
      end: name.end,
    };
    return { item, index: undefined };
  }
  if (!check(reader, "(")) {
    missing(reader, "BCP162");
    return { item: undefined, index: undefined };
  }
  const known = reader.problems.length;
  const { items, span } = parseParenthesisList(reader, () => parseExpression(reader, simple), false);
  if (items.length !== 2 && reader.problems.length === known) note(reader, span, "BCP249", items.length);
  const [item, index] = items.map(toLocal);
  return items.length === 2 ? { item, index } : { item: undefined, index: undefined };
}

/** `if (condition) { }` */
export function parseIf(reader: TokenReader, allowed: Allowed, inLoop: boolean): IfCondition {
  const word = expectKeyword(reader, "if");
  const ends: readonly TokenType[] = inLoop ? ["]", "{", "newline"] : ["{", "newline"];
  const known = reader.problems.length;
  const condition = recover(
    reader,
    (): Expression => {
      const content = parseParenthesisList(reader, () => parseExpression(reader, anything), true);
      return { kind: "parenthesized", inner: singleItem(reader, content), ...content.span };
    },
    ends,
  );
  const unclosed = reader.problems.length > known && !reader.tokens[reader.at - 1]?.text.endsWith(")");
  const body = recover(reader, () => parseObject(reader, allowed), inLoop ? ["]", "newline"] : ["newline"], {
    quiet: isMissing(condition) || condition.kind === "skipped" || unclosed,
  });
  return { kind: "if", condition, body, start: word.start, end: lastEnd(reader) };
}

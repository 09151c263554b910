/**
 * Expressions by recursive descent, following the service's own grammar where it differs from other SQLs: NOT binds
 * like unary minus, shifts stand at comparison level, `| ^ &` at the level of `+`, and comparisons chain.
 * BETWEEN is accepted as an operand of AND and OR, which the service only allows in parentheses.
 */
import {
  acceptKeyword,
  acceptSymbol,
  atKeyword,
  atSymbol,
  type Cursor,
  expectKeyword,
  expectName,
  expectSymbol,
  lastEnd,
  measured,
  nested,
  next,
  peek,
  unexpected,
  withHeight,
} from "./cursor.ts";
import type { Token } from "./lexer.ts";
import {
  type BinaryOperator,
  children,
  type Expression,
  type Literal,
  node,
  type Subquery,
  type SubqueryForm,
  type UnaryOperator,
} from "./syntax.ts";

/** Binding strength of the operators below AND; all left-associative. */
const STRENGTH: Readonly<Record<string, number>> = {
  "=": 1,
  "!=": 1,
  "<>": 1,
  "<": 1,
  ">": 1,
  "<=": 1,
  ">=": 1,
  "<<": 1,
  ">>": 1,
  ">>>": 1,
  "||": 2,
  "|": 3,
  "^": 3,
  "&": 3,
  "+": 3,
  "-": 3,
  "*": 4,
  "/": 4,
  "%": 4,
};

const CONSTANTS: Readonly<Record<string, undefined | null | boolean>> = {
  TRUE: true,
  FALSE: false,
  NULL: null,
  UNDEFINED: undefined,
};

const QUERY_FUNCTIONS: Readonly<Record<string, SubqueryForm>> = { ALL: "all", FIRST: "first", LAST: "last" };

/** A whole expression: the conditional operator and everything that binds tighter. */
export function parseExpression(cursor: Cursor): Expression {
  return nested(cursor, parseConditional);
}

function parseConditional(cursor: Cursor): Expression {
  const condition = parseCoalesce(cursor);
  if (!acceptSymbol(cursor, "?")) return condition;
  const whenTrue = parseExpression(cursor);
  expectSymbol(cursor, ":");
  const otherwise = parseExpression(cursor);
  const span = { start: condition.span.start, end: otherwise.span.end };
  return measure(cursor, node({ kind: "conditional", condition, whenTrue, otherwise, span }));
}

function parseCoalesce(cursor: Cursor): Expression {
  const left = parseOr(cursor);
  return acceptSymbol(cursor, "??") ? binary(cursor, "??", left, nested(cursor, parseCoalesce)) : left;
}

function parseOr(cursor: Cursor): Expression {
  let left = parseAnd(cursor);
  while (acceptKeyword(cursor, "OR")) left = binary(cursor, "OR", left, parseAnd(cursor));
  return left;
}

function parseAnd(cursor: Cursor): Expression {
  let left = parsePredicate(cursor);
  while (acceptKeyword(cursor, "AND")) left = binary(cursor, "AND", left, parsePredicate(cursor));
  return left;
}

function binary(cursor: Cursor, operator: BinaryOperator, left: Expression, right: Expression): Expression {
  const span = { start: left.span.start, end: right.span.end };
  const made = node({ kind: "binary", operator, left, right, span });
  const leftHeight = cursor.heights.get(left) ?? 0;
  const rightHeight = cursor.heights.get(right) ?? 0;
  const flat =
    (operator === "AND" || operator === "OR") && left.kind === "binary" && left.operator === operator;
  return withHeight(cursor, made, Math.max(flat ? leftHeight : leftHeight + 1, rightHeight + 1));
}

/** A comparison, or one tested by [NOT] BETWEEN, IN or LIKE. */
function parsePredicate(cursor: Cursor): Expression {
  const value = parseOperators(cursor, 1);
  const after = atKeyword(cursor, "NOT") ? 1 : 0;
  const word = peek(cursor, after);
  if (word.kind !== "keyword" || !["BETWEEN", "IN", "LIKE"].includes(word.text)) return value;
  cursor.at += after + 1;
  const negated = after === 1;
  if (word.text === "BETWEEN") return parseBetween(cursor, value, negated);
  return word.text === "IN" ? parseIn(cursor, value, negated) : parseLike(cursor, value, negated);
}

function parseBetween(cursor: Cursor, value: Expression, negated: boolean): Expression {
  const low = parseOperators(cursor, 1);
  expectKeyword(cursor, "AND");
  const high = parseOperators(cursor, 1);
  const span = { start: value.span.start, end: high.span.end };
  return measure(cursor, node({ kind: "between", value, low, high, negated, span }));
}

function parseIn(cursor: Cursor, value: Expression, negated: boolean): Expression {
  expectSymbol(cursor, "(");
  const list = [parseExpression(cursor)];
  while (acceptSymbol(cursor, ",")) list.push(parseExpression(cursor));
  expectSymbol(cursor, ")");
  const span = { start: value.span.start, end: lastEnd(cursor) };
  return measure(cursor, node({ kind: "in", value, list: Object.freeze(list), negated, span }));
}

function parseLike(cursor: Cursor, value: Expression, negated: boolean): Expression {
  const pattern = parseOperators(cursor, 1);
  let mark: string | undefined;
  if (acceptKeyword(cursor, "ESCAPE")) {
    const token = peek(cursor);
    if (token.kind !== "string" || token.text.length !== 1) throw unexpected(cursor);
    mark = next(cursor).text;
  }
  const span = { start: value.span.start, end: lastEnd(cursor) };
  const like = { kind: "like", value, pattern, negated, span } as const;
  return measure(cursor, node(mark === undefined ? like : { ...like, escape: mark }));
}

/** Operators of at least `strength`, by precedence climbing so that nesting costs few stack frames. */
function parseOperators(cursor: Cursor, strength: number): Expression {
  let left = parseUnary(cursor);
  for (;;) {
    const token = peek(cursor);
    const found = token.kind === "symbol" ? STRENGTH[token.text] : undefined;
    if (found === undefined || found < strength) return left;
    cursor.at++;
    const operator = (token.text === "<>" ? "!=" : token.text) as BinaryOperator;
    left = binary(cursor, operator, left, parseOperators(cursor, found + 1));
  }
}

function parseUnary(cursor: Cursor): Expression {
  const token = peek(cursor);
  const prefix = token.kind === "symbol" ? ["-", "+", "~"].includes(token.text) : atKeyword(cursor, "NOT");
  if (!prefix) return parsePostfix(cursor);
  cursor.at++;
  const operand = nested(cursor, parseUnary);
  const operator = token.text as UnaryOperator;
  const span = { start: token.start, end: operand.span.end };
  return measure(cursor, node({ kind: "unary", operator, operand, span }));
}

function parsePostfix(cursor: Cursor): Expression {
  let object = parsePrimary(cursor);
  for (;;) {
    const { start } = object.span;
    if (acceptSymbol(cursor, ".")) {
      const name = expectName(cursor);
      const span = { start, end: name.end };
      object = measure(cursor, node({ kind: "member", object, name: name.text, span }));
    } else if (acceptSymbol(cursor, "[")) {
      const index = parseExpression(cursor);
      const span = { start, end: expectSymbol(cursor, "]").end };
      object = measure(cursor, node({ kind: "index", object, index, span }));
    } else return object;
  }
}

function parsePrimary(cursor: Cursor): Expression {
  const token = peek(cursor);
  switch (token.kind) {
    case "number":
      cursor.at++;
      return numberLiteral(token);
    case "string":
      cursor.at++;
      return node({ kind: "literal", value: token.text, span: spanOf(token) });
    case "parameter":
      cursor.at++;
      return node({ kind: "parameter", name: token.text, span: spanOf(token) });
    case "name":
      return parseName(cursor, token);
    case "keyword":
      return parseKeyword(cursor, token);
    case "symbol":
      if (token.text === "(") return parseParenthesis(cursor);
      if (token.text === "[") return parseArray(cursor);
      if (token.text === "{") return parseObject(cursor);
      throw unexpected(cursor);
    case "end":
      throw unexpected(cursor);
  }
}

/** A number token as a literal that remembers how it was written. */
export function numberLiteral(token: Token): Literal {
  return node({ kind: "literal", value: token.number, text: token.text, span: spanOf(token) });
}

function parseName(cursor: Cursor, token: Token): Expression {
  const form = QUERY_FUNCTIONS[token.text.toUpperCase()];
  if (form !== undefined && atSymbol(cursor, "(", 1) && atKeyword(cursor, "SELECT", 2)) {
    return parseQueryFunction(cursor, form);
  }
  cursor.at++;
  if (atSymbol(cursor, "(")) return parseCall(cursor, token.text, false, token.start);
  return node({ kind: "identifier", name: token.text, span: spanOf(token) });
}

function parseKeyword(cursor: Cursor, token: Token): Expression {
  if (Object.hasOwn(CONSTANTS, token.text)) {
    cursor.at++;
    return node({ kind: "literal", value: CONSTANTS[token.text], span: spanOf(token) });
  }
  switch (token.text) {
    case "EXISTS":
      return parseQueryFunction(cursor, "exists");
    case "ARRAY":
      return parseQueryFunction(cursor, "array");
    case "LEFT":
    case "RIGHT":
      cursor.at++;
      if (!atSymbol(cursor, "(")) throw unexpected(cursor);
      return parseCall(cursor, cursor.text.slice(token.start, token.end), false, token.start);
    case "UDF": {
      cursor.at++;
      expectSymbol(cursor, ".");
      const name = expectName(cursor).text;
      if (!atSymbol(cursor, "(")) throw unexpected(cursor);
      return parseCall(cursor, name, true, token.start);
    }
    default:
      throw unexpected(cursor);
  }
}

function parseCall(cursor: Cursor, name: string, udf: boolean, start: number): Expression {
  const args = parseSequence(cursor, "(", ")");
  const span = { start, end: lastEnd(cursor) };
  return measure(cursor, node({ kind: "call", name, udf, args, span }));
}

/** `open [expr {, expr}] close`, with no trailing comma. */
function parseSequence(cursor: Cursor, open: string, close: string): readonly Expression[] {
  expectSymbol(cursor, open);
  const items: Expression[] = [];
  if (acceptSymbol(cursor, close)) return Object.freeze(items);
  do items.push(parseExpression(cursor));
  while (acceptSymbol(cursor, ","));
  expectSymbol(cursor, close);
  return Object.freeze(items);
}

function parseArray(cursor: Cursor): Expression {
  const { start } = peek(cursor);
  const items = parseSequence(cursor, "[", "]");
  return measure(cursor, node({ kind: "array", items, span: { start, end: lastEnd(cursor) } }));
}

function parseObject(cursor: Cursor): Expression {
  const { start } = expectSymbol(cursor, "{");
  const properties: { readonly name: string; readonly value: Expression }[] = [];
  if (!acceptSymbol(cursor, "}")) {
    do {
      const key = peek(cursor);
      if (key.kind !== "name" && key.kind !== "string") throw unexpected(cursor);
      cursor.at++;
      expectSymbol(cursor, ":");
      properties.push(Object.freeze({ name: key.text, value: parseExpression(cursor) }));
    } while (acceptSymbol(cursor, ","));
    expectSymbol(cursor, "}");
  }
  const span = { start, end: lastEnd(cursor) };
  return measure(cursor, node({ kind: "object", properties: Object.freeze(properties), span }));
}

function parseParenthesis(cursor: Cursor): Expression {
  if (atKeyword(cursor, "SELECT", 1)) return parseSubquery(cursor, "scalar", peek(cursor).start);
  cursor.at++;
  const isLet = peek(cursor).kind === "name" && peek(cursor).text.toUpperCase() === "LET";
  const inner = isLet && peek(cursor, 1).kind === "name" ? nested(cursor, parseLet) : parseExpression(cursor);
  expectSymbol(cursor, ")");
  return inner;
}

function parseLet(cursor: Cursor): Expression {
  const { start } = next(cursor);
  const name = expectName(cursor).text;
  expectSymbol(cursor, "=");
  const value = parseOperators(cursor, 1);
  expectKeyword(cursor, "IN");
  const body = parseOperators(cursor, 1);
  return measure(cursor, node({ kind: "let", name, value, body, span: { start, end: body.span.end } }));
}

function parseQueryFunction(cursor: Cursor, form: SubqueryForm): Expression {
  const { start } = next(cursor);
  if (!atSymbol(cursor, "(")) throw unexpected(cursor);
  if (!atKeyword(cursor, "SELECT", 1)) throw unexpected(cursor, peek(cursor, 1));
  return parseSubquery(cursor, form, start);
}

function parseSubquery(cursor: Cursor, form: SubqueryForm, start: number): Subquery {
  expectSymbol(cursor, "(");
  const query = nested(cursor, cursor.parseQuery);
  const { end } = expectSymbol(cursor, ")");
  return measured(cursor, node({ kind: "subquery", form, query, span: { start, end } }), [query]);
}

function measure(cursor: Cursor, made: Expression): Expression {
  return measured(cursor, made, children(made));
}

function spanOf({ start, end }: Token): { readonly start: number; readonly end: number } {
  return Object.freeze({ start, end });
}

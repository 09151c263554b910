/**
 * The template expression language: text such as `[concat('a', parameters('b'))]` to a tree. Pure and bounded: a
 * parser that counts its depth and a length limit, so no template can exhaust the stack.
 */

export type Expression =
  | { readonly kind: "literal"; readonly value: string | number }
  | { readonly kind: "call"; readonly name: string; readonly arguments: readonly Expression[] }
  | { readonly kind: "member"; readonly target: Expression; readonly name: string }
  | { readonly kind: "index"; readonly target: Expression; readonly index: Expression };

/** What is wrong with an expression or its evaluation, in the service's words where they are known. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
}

/** The service's own limit on one expression. */
const expressionLengthMax = 24_576;
const expressionDepthMax = 128;

/** True when a template string is an expression: in brackets, and not escaped by a second one. */
export function isExpression(text: string): boolean {
  return text.startsWith("[") && text.endsWith("]") && !text.startsWith("[[");
}

type Token =
  | { readonly kind: "name"; readonly text: string }
  | { readonly kind: "literal"; readonly value: string | number }
  | { readonly kind: "mark"; readonly text: string };

const tokenPattern = /\s*(?:([A-Za-z_$][\w$]*)|(-?\d+(?:\.\d+)?)|'((?:[^']|'')*)'|([()[\],.]))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(tokenPattern);
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) throw invalid(text, `unexpected character at position ${at + 1}`);
    if (match[1] !== undefined) tokens.push({ kind: "name", text: match[1] });
    else if (match[2] !== undefined) tokens.push({ kind: "literal", value: Number(match[2]) });
    else if (match[3] !== undefined) tokens.push({ kind: "literal", value: match[3].replaceAll("''", "'") });
    else tokens.push({ kind: "mark", text: match[4] ?? "" });
  }
  return tokens;
}

function invalid(text: string, detail: string): ExpressionError {
  const shown = text.length > 200 ? `${text.slice(0, 200)}...` : text;
  return new ExpressionError(
    `The language expression '${shown}' is not valid: ${detail}. Please see https://aka.ms/arm-template-expressions for usage details.`,
  );
}

interface Parser {
  readonly text: string;
  readonly tokens: readonly Token[];
  at: number;
}

/** Parses a whole template string with its outer brackets. Throws `ExpressionError`. */
export function parseExpression(bracketed: string): Expression {
  const text = bracketed.slice(1, -1);
  if (text.length > expressionLengthMax) {
    throw new ExpressionError(
      `The template language expression length limit of '${expressionLengthMax}' characters is exceeded.`,
    );
  }
  const parser: Parser = { text, tokens: tokenize(text), at: 0 };
  const expression = parseOperand(parser, 0);
  if (parser.at < parser.tokens.length) throw invalid(text, "text follows the end of the expression");
  return expression;
}

function peekMark(parser: Parser, text: string): boolean {
  const token = parser.tokens[parser.at];
  return token?.kind === "mark" && token.text === text;
}

function takeMark(parser: Parser, text: string): boolean {
  if (!peekMark(parser, text)) return false;
  parser.at++;
  return true;
}

function expectMark(parser: Parser, text: string): void {
  if (!takeMark(parser, text)) throw invalid(parser.text, `'${text}' is expected`);
}

function parseOperand(parser: Parser, depth: number): Expression {
  if (depth > expressionDepthMax) {
    throw invalid(parser.text, `it nests deeper than ${expressionDepthMax} levels`);
  }
  let expression = parsePrimary(parser, depth);
  for (let links = 0; ; links++) {
    if (links > expressionDepthMax) {
      throw invalid(parser.text, `it has more than ${expressionDepthMax} accessors in a row`);
    }
    if (takeMark(parser, ".")) {
      const token = parser.tokens[parser.at++];
      if (token?.kind !== "name") throw invalid(parser.text, "a property name is expected after '.'");
      expression = { kind: "member", target: expression, name: token.text };
    } else if (takeMark(parser, "[")) {
      const index = parseOperand(parser, depth + 1);
      expectMark(parser, "]");
      expression = { kind: "index", target: expression, index };
    } else return expression;
  }
}

function parsePrimary(parser: Parser, depth: number): Expression {
  const token = parser.tokens[parser.at++];
  if (token === undefined) throw invalid(parser.text, "a value is expected");
  if (token.kind === "literal") return { kind: "literal", value: token.value };
  if (token.kind === "mark") throw invalid(parser.text, `'${token.text}' is not expected`);
  let name = token.text;
  while (peekMark(parser, ".")) {
    const next = parser.tokens[parser.at + 1];
    if (next?.kind !== "name") break;
    name = `${name}.${next.text}`;
    parser.at += 2;
  }
  expectMark(parser, "(");
  return { kind: "call", name, arguments: parseArguments(parser, depth) };
}

function parseArguments(parser: Parser, depth: number): Expression[] {
  const values: Expression[] = [];
  if (takeMark(parser, ")")) return values;
  for (;;) {
    values.push(parseOperand(parser, depth + 1));
    if (takeMark(parser, ")")) return values;
    expectMark(parser, ",");
  }
}

/** Every call in an expression, outermost first. */
export function callsIn(expression: Expression): readonly (Expression & { readonly kind: "call" })[] {
  switch (expression.kind) {
    case "literal":
      return [];
    case "call":
      return [expression, ...expression.arguments.flatMap(callsIn)];
    case "member":
      return callsIn(expression.target);
    case "index":
      return [...callsIn(expression.target), ...callsIn(expression.index)];
  }
}

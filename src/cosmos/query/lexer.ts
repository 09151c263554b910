/**
 * Query text to tokens. Separate from the parser because a token's place and its text as written are what every
 * syntax error quotes. Offsets count UTF-16 code units of the query text.
 */
import { invalidToken, type Location, syntaxError } from "./error.ts";

export type TokenKind = "name" | "keyword" | "number" | "string" | "parameter" | "symbol" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** Keywords in upper case; the decoded text of a string; otherwise the text as written. */
  readonly text: string;
  /** The value of a number; 0 for other tokens. */
  readonly number: number;
  readonly start: number;
  readonly end: number;
}

/** Words that cannot follow a dot or be an alias unless quoted; any case. */
export const RESERVED: ReadonlySet<string> = new Set(
  (
    "AND ARRAY AS ASC BETWEEN BY CASE CAST CONVERT CROSS DESC DISTINCT ELSE END ESCAPE EXISTS FALSE FOR FROM GROUP " +
    "HAVING IN INNER INSERT INTO IS JOIN LEFT LIKE LIMIT NOT NULL OFFSET ON OR ORDER OUTER OVER RIGHT SELECT SET " +
    "THEN TOP TRUE UDF UNDEFINED UPDATE VALUE WHEN WHERE WITH"
  ).split(" "),
);

/** Longest first, so that a prefix never wins. */
const SYMBOLS = [
  ">>>",
  "<<",
  ">>",
  "<=",
  ">=",
  "<>",
  "!=",
  "||",
  "??",
  ..."()[]{},.:?*=<>+-/%&|^~@",
] as const;

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const PARAMETER = /@[A-Za-z_0-9]+/y;
const NUMBER = /0[xX][0-9A-Fa-f]+|(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const BLANK = /(?:[\s\u00a0\ufeff]+|--[^\n\r]*|\/\*[\s\S]*?\*\/)+/y;

const ESCAPES: Readonly<Record<string, string>> = {
  "'": "'",
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** All tokens of `text`, the last one of kind `end`. Throws SC1010 at the first character that starts no token. */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at = skipBlank(text, at);
    if (at >= text.length) break;
    const token = readToken(text, at);
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ kind: "end", text: "", number: 0, start: text.length, end: text.length });
  return tokens;
}

function skipBlank(text: string, at: number): number {
  BLANK.lastIndex = at;
  return BLANK.test(text) ? BLANK.lastIndex : at;
}

function readToken(text: string, start: number): Token {
  const first = text[start] ?? "";
  if (first === "'" || first === '"') return readString(text, start, first);
  const name = match(NAME, text, start);
  if (name !== undefined) {
    const upper = name.toUpperCase();
    const reserved = RESERVED.has(upper);
    const end = start + name.length;
    return { kind: reserved ? "keyword" : "name", text: reserved ? upper : name, number: 0, start, end };
  }
  const digits = match(NUMBER, text, start);
  if (digits !== undefined) {
    return { kind: "number", text: digits, number: Number(digits), start, end: start + digits.length };
  }
  const parameter = match(PARAMETER, text, start);
  if (parameter !== undefined) {
    return { kind: "parameter", text: parameter, number: 0, start, end: start + parameter.length };
  }
  const symbol = SYMBOLS.find((candidate) => text.startsWith(candidate, start));
  if (symbol !== undefined && symbol !== "@") {
    return { kind: "symbol", text: symbol, number: 0, start, end: start + symbol.length };
  }
  const character = String.fromCodePoint(text.codePointAt(start) ?? 0);
  throw invalidToken(character, { start, end: start + character.length });
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function readString(text: string, start: number, quote: string): Token {
  let value = "";
  let at = start + 1;
  for (;;) {
    const character = text[at];
    if (character === undefined) throw unfinished(text, { start, end: text.length });
    if (character === quote) break;
    if (character === "\\") {
      const [decoded, length] = readEscape(text, at);
      value += decoded;
      at += length;
    } else {
      if (character < " ") throw unfinished(text, { start, end: at + 1 });
      value += character;
      at++;
    }
  }
  return { kind: "string", text: value, number: 0, start, end: at + 1 };
}

function readEscape(text: string, at: number): readonly [string, number] {
  const letter = text[at + 1] ?? "";
  const simple = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
  if (simple !== undefined) return [simple, 2];
  const hex = letter === "u" ? text.slice(at + 2, at + 6) : "";
  if (/^[0-9A-Fa-f]{4}$/.test(hex)) return [String.fromCharCode(Number.parseInt(hex, 16)), 6];
  const end = Math.min(at + 2, text.length);
  throw syntaxError(text.slice(at, end), { start: at, end });
}

function unfinished(text: string, location: Location): Error {
  return syntaxError(text.slice(location.start, location.end), location);
}

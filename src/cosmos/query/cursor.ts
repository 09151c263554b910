/**
 * A place in the token list and the two limits that keep deep nesting from exhausting the stack. Shared by the
 * clause parser and the expression parser, which call each other through it.
 */
import { endOfFile, limitExceeded, type QueryError, syntaxError } from "./error.ts";
import { type Token, tokenize } from "./lexer.ts";
import type { Query } from "./syntax.ts";

/** Brackets, subqueries and prefix operators inside one another while parsing. */
const NESTING_MAX = 200;

/**
 * Height of the syntax tree. A chain such as `a + b + c` is as high as it is long, because evaluating it nests;
 * chains of AND and OR are flat (clients send thousands of alternatives in one filter).
 */
const HEIGHT_MAX = 500;

export interface Cursor {
  readonly text: string;
  readonly tokens: readonly Token[];
  at: number;
  depth: number;
  readonly heights: WeakMap<object, number>;
  readonly parseQuery: (cursor: Cursor) => Query;
}

/** A cursor before the first token of `text`. */
export function openCursor(text: string, parseQuery: (cursor: Cursor) => Query): Cursor {
  return { text, tokens: tokenize(text), at: 0, depth: 0, heights: new WeakMap(), parseQuery };
}

/** The token `ahead` places after the next one; past the end it is the end token. */
export function peek(cursor: Cursor, ahead = 0): Token {
  const token = cursor.tokens[Math.min(cursor.at + ahead, cursor.tokens.length - 1)];
  if (token === undefined) throw endOfFile(cursor.text.length);
  return token;
}

export function next(cursor: Cursor): Token {
  const token = peek(cursor);
  if (token.kind !== "end") cursor.at++;
  return token;
}

/** The error for a token that fits nowhere: SC1002 at the end of the text, else SC1001. */
export function unexpected(cursor: Cursor, token: Token = peek(cursor)): QueryError {
  if (token.kind === "end") return endOfFile(cursor.text.length);
  return syntaxError(cursor.text.slice(token.start, token.end), token);
}

export function atSymbol(cursor: Cursor, text: string, ahead = 0): boolean {
  const token = peek(cursor, ahead);
  return token.kind === "symbol" && token.text === text;
}

export function atKeyword(cursor: Cursor, text: string, ahead = 0): boolean {
  const token = peek(cursor, ahead);
  return token.kind === "keyword" && token.text === text;
}

export function acceptSymbol(cursor: Cursor, text: string): boolean {
  if (!atSymbol(cursor, text)) return false;
  cursor.at++;
  return true;
}

export function acceptKeyword(cursor: Cursor, text: string): boolean {
  if (!atKeyword(cursor, text)) return false;
  cursor.at++;
  return true;
}

export function expectSymbol(cursor: Cursor, text: string): Token {
  if (!atSymbol(cursor, text)) throw unexpected(cursor);
  return next(cursor);
}

export function expectKeyword(cursor: Cursor, text: string): Token {
  if (!atKeyword(cursor, text)) throw unexpected(cursor);
  return next(cursor);
}

/** An identifier that is not reserved. */
export function expectName(cursor: Cursor): Token {
  if (peek(cursor).kind !== "name") throw unexpected(cursor);
  return next(cursor);
}

/** End offset of the token last taken. */
export function lastEnd(cursor: Cursor): number {
  return cursor.tokens[cursor.at - 1]?.end ?? 0;
}

/** Runs `parse` one nesting level deeper; refuses beyond `NESTING_MAX`. */
export function nested<T>(cursor: Cursor, parse: (cursor: Cursor) => T): T {
  if (++cursor.depth > NESTING_MAX) throw limitExceeded("nesting depth", NESTING_MAX);
  const result = parse(cursor);
  cursor.depth--;
  return result;
}

/** Records the height of `made` over its parts; refuses beyond `HEIGHT_MAX`. */
export function measured<T extends object>(cursor: Cursor, made: T, parts: readonly object[]): T {
  let height = 0;
  for (const part of parts) height = Math.max(height, cursor.heights.get(part) ?? 0);
  return withHeight(cursor, made, height + 1);
}

export function withHeight<T extends object>(cursor: Cursor, made: T, height: number): T {
  if (height > HEIGHT_MAX) throw limitExceeded("expression height", HEIGHT_MAX);
  cursor.heights.set(made, height);
  return made;
}

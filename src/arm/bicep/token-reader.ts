/**
 * The parser's hold on the tokens: looking, taking, expecting, and recovering. A part that fails throws a
 * `ParseFailure`; the nearest `recover` skips to where parsing can go on and keeps one diagnostic for it.
 */
import { type Code, type Part, type Reporter, report } from "./diagnostics.ts";
import type { Token, TokenType } from "./lexer.ts";
import type { Span } from "./source.ts";
import type { Identifier, Skipped } from "./syntax.ts";

export interface Problem {
  readonly code: Code;
  readonly span: Span;
  readonly parts: readonly Part[];
}

export interface TokenReader {
  readonly tokens: readonly Token[];
  readonly reporter: Reporter;
  /** Findings so far; those of a part that is given up are dropped with it. */
  readonly problems: Problem[];
  at: number;
  /** How many constructs are open around the current token. */
  depth: number;
}

export class ParseFailure extends Error {
  override readonly name = "ParseFailure";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.code);
    this.problem = problem;
  }
}

/** Thrown when constructs nest deeper than any template needs; ends the parse of the file. */
export class NestedTooDeeply extends Error {
  override readonly name = "NestedTooDeeply";
  readonly at: Span;

  constructor(at: Span) {
    super("nested too deeply");
    this.at = at;
  }
}

export const nestingMax = 250;

/** Runs a part of the parse one level deeper. */
export function nested<T>(reader: TokenReader, parse: () => T): T {
  reader.depth += 1;
  if (reader.depth > nestingMax) throw new NestedTooDeeply(peek(reader));
  try {
    return parse();
  } finally {
    reader.depth -= 1;
  }
}

export function peek(reader: TokenReader, ahead: number = 0): Token {
  const last = reader.tokens.length - 1;
  return reader.tokens[Math.min(reader.at + ahead, last)] as Token;
}

/** The next token that is not a line end, from `ahead` tokens on. */
export function peekBeyondLines(reader: TokenReader, ahead: number = 0): Token {
  let skip = ahead;
  while (peek(reader, skip).type === "newline") skip++;
  return peek(reader, skip);
}

export function atEnd(reader: TokenReader): boolean {
  return peek(reader).type === "eof";
}

export function take(reader: TokenReader): Token {
  const token = peek(reader);
  reader.at += 1;
  return token;
}

export function check(reader: TokenReader, ...types: readonly TokenType[]): boolean {
  return !atEnd(reader) && types.includes(peek(reader).type);
}

export function isKeyword(token: Token, keyword: string): boolean {
  return token.type === "identifier" && token.text === keyword;
}

export function checkKeyword(reader: TokenReader, keyword: string): boolean {
  return isKeyword(peek(reader), keyword);
}

/** The end of what was taken last. */
export function lastEnd(reader: TokenReader): number {
  return reader.tokens[reader.at - 1]?.end ?? 0;
}

/** Gives up the current part: the diagnostic stands at `token`, or before it when it is a line end. */
export function fail(token: Token, code: Code, ...parts: readonly Part[]): never {
  const span = token.type === "newline" ? { start: token.start, end: token.start } : token;
  throw new ParseFailure({ code, span: { start: span.start, end: span.end }, parts });
}

export function expect(reader: TokenReader, type: TokenType, code: Code, ...parts: readonly Part[]): Token {
  if (check(reader, type)) return take(reader);
  return fail(peek(reader), code, ...parts);
}

export function expectMark(reader: TokenReader, mark: TokenType): Token {
  return expect(reader, mark, "BCP018", mark);
}

export function expectKeyword(reader: TokenReader, keyword: string, code?: Code): Token {
  if (checkKeyword(reader, keyword)) return take(reader);
  return code === undefined ? fail(peek(reader), "BCP012", keyword) : fail(peek(reader), code);
}

export function note(reader: TokenReader, span: Span, code: Code, ...parts: readonly Part[]): void {
  reader.problems.push({ code, span: { start: span.start, end: span.end }, parts });
}

/** A place where something is missing; nothing is taken. */
export function missing(reader: TokenReader, code: Code | undefined, ...parts: readonly Part[]): Skipped {
  const start = peek(reader).start;
  if (code !== undefined) note(reader, { start, end: start }, code, ...parts);
  return { kind: "skipped", start, end: start };
}

interface Recovery {
  /** Keep silent: the part before is missing and was complained about. */
  readonly quiet?: boolean;
  /** Take the token that ends the skipping, too. */
  readonly consume?: boolean;
}

/** Runs `parse`; when it fails, skips to one of the `until` tokens and returns what was skipped. */
export function recover<T>(
  reader: TokenReader,
  parse: () => T,
  until: readonly TokenType[],
  { quiet = false, consume = false }: Recovery = {},
): T | Skipped {
  const start = reader.at;
  const known = reader.problems.length;
  const { depth } = reader;
  try {
    return parse();
  } catch (failure) {
    if (!(failure instanceof ParseFailure)) throw failure;
    reader.depth = depth;
    reader.problems.length = known;
    while (!atEnd(reader) && !check(reader, ...until)) reader.at += 1;
    const from = reader.tokens[start]?.start ?? 0;
    const end = reader.at > start ? lastEnd(reader) : from;
    if (consume && !atEnd(reader)) reader.at += 1;
    if (!quiet) reader.problems.push(failure.problem);
    return { kind: "skipped", start: from, end };
  }
}

/** True when a part is missing altogether, so that complaints about what follows it would only repeat that. */
export function isMissing(node: { readonly kind: string; readonly name?: unknown } & Span): boolean {
  if (node.kind === "skipped") return node.start === node.end;
  return node.kind === "identifier" && node.name === "" && node.start === node.end;
}

export function newlines(reader: TokenReader): void {
  while (check(reader, "newline")) reader.at += 1;
}

export function toIdentifier(token: Token): Identifier {
  return { kind: "identifier", name: token.text, start: token.start, end: token.end };
}

export function identifier(reader: TokenReader, code: Code): Identifier {
  return toIdentifier(expect(reader, "identifier", code));
}

/** An identifier, or an empty one with a diagnostic; takes nothing that is no identifier. */
export function identifierOrMissing(reader: TokenReader, code: Code): Identifier {
  if (check(reader, "identifier")) return toIdentifier(take(reader));
  const { start, end } = missing(reader, code);
  return { kind: "identifier", name: "", start, end };
}

export function identifierWithRecovery(
  reader: TokenReader,
  code: Code,
  until: readonly TokenType[],
): Identifier {
  const found = recover(reader, () => identifier(reader, code), until);
  return found.kind === "identifier"
    ? found
    : { kind: "identifier", name: "", start: found.start, end: found.end };
}

/** Hands the problems of a finished parse over to the reporter. */
export function reportProblems(reader: TokenReader): void {
  for (const { code, span, parts } of reader.problems) report(reader.reporter, code, span, ...parts);
}

/**
 * Source text to tokens. Never fails: what it cannot read becomes an `unrecognized` token with a diagnostic, and a
 * string that is not closed ends at its line, so that the parser always has something to go on with.
 */
import { type Reporter, report } from "./diagnostics.ts";
import type { Span } from "./source.ts";
import { scanEscape } from "./string-tokens.ts";

/** Marks are their own type; the others say what they are. A string with holes is left, middle and right pieces. */
export type TokenType =
  | "identifier"
  | "integer"
  | "string"
  | "string-left"
  | "string-middle"
  | "string-right"
  | "true"
  | "false"
  | "null"
  | "newline"
  | "eof"
  | "unrecognized"
  | Mark;

const marks = [
  ...["...", "??", "::", "!=", "!~", "<=", ">=", "==", "=~", "=>", "&&", "||"],
  ...[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "@",
    ",",
    ".",
    "?",
    ":",
    ";",
    "+",
    "-",
    "%",
    "*",
    "/",
    "^",
    "!",
    "<",
    ">",
    "=",
    "|",
  ],
] as const;
type Mark =
  | (
      | "..."
      | "??"
      | "::"
      | "!="
      | "!~"
      | "<="
      | ">="
      | "=="
      | "=~"
      | "=>"
      | "&&"
      | "||"
      | "{"
      | "}"
      | "("
      | ")"
    )
  | (
      | "["
      | "]"
      | "@"
      | ","
      | "."
      | "?"
      | ":"
      | ";"
      | "+"
      | "-"
      | "%"
      | "*"
      | "/"
      | "^"
      | "!"
      | "<"
      | ">"
      | "="
      | "|"
    );

export interface Comment extends Span {
  readonly kind: "line" | "block" | "pragma";
}

export interface Token extends Span {
  readonly type: TokenType;
  readonly text: string;
  /** Comments between the previous token and this one that are not the previous one's `trailing`. */
  readonly leading: readonly Comment[];
  /** Comments after this token on its line. */
  readonly trailing: readonly Comment[];
}

/** `#disable-next-line CODE..`, `#disable-diagnostics CODE..`, `#restore-diagnostics CODE..` */
export interface Pragma extends Span {
  readonly kind: "disable-next-line" | "disable-diagnostics" | "restore-diagnostics";
  readonly codes: readonly string[];
}

export interface LexedFile {
  readonly tokens: readonly Token[];
  readonly pragmas: readonly Pragma[];
}

/** One string whose hole is open, or one brace inside such a hole. */
type Hole =
  | { readonly brace: true }
  | { readonly brace: false; readonly multiline: boolean; readonly dollars: number };

interface Lexer {
  readonly text: string;
  readonly reporter: Reporter;
  readonly tokens: Token[];
  readonly pragmas: Pragma[];
  readonly holes: Hole[];
  at: number;
}

export const identifierLengthMax = 255;

export function lex(reporter: Reporter): LexedFile {
  const text = reporter.source.text;
  const lexer: Lexer = { text, reporter, tokens: [], pragmas: [], holes: [], at: 0 };
  for (;;) {
    const leading = scanTrivia(lexer, true);
    const start = lexer.at;
    const type = scanToken(lexer);
    const span = { start, end: lexer.at };
    if (type === "unrecognized") {
      const found = text.slice(start, lexer.at);
      if (found === '"') report(reporter, "BCP103", span, found);
      else report(reporter, "BCP001", span, found);
    }
    const trailing = type === "newline" || type === "eof" ? [] : scanTrivia(lexer, false);
    lexer.tokens.push({ type, ...span, text: text.slice(span.start, span.end), leading, trailing });
    if (type === "eof") return { tokens: lexer.tokens, pragmas: lexer.pragmas };
  }
}

function isNewline(code: number): boolean {
  return code === 10 || code === 13;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isIdentifierStart(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95;
}

export function isIdentifier(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text);
}

function skipBlanks(lexer: Lexer): void {
  while (lexer.text[lexer.at] === " " || lexer.text[lexer.at] === "\t") lexer.at++;
}

/** Blanks and comments; leading trivia may also be a pragma, which stands alone at the start of its line. */
function scanTrivia(lexer: Lexer, leading: boolean): Comment[] {
  const comments: Comment[] = [];
  for (;;) {
    skipBlanks(lexer);
    const start = lexer.at;
    if (lexer.text.startsWith("//", start)) {
      while (lexer.at < lexer.text.length && !isNewline(lexer.text.charCodeAt(lexer.at))) lexer.at++;
      comments.push({ kind: "line", start, end: lexer.at });
    } else if (lexer.text.startsWith("/*", start)) {
      const end = lexer.text.indexOf("*/", start + 2);
      lexer.at = end < 0 ? lexer.text.length : end + 2;
      if (end < 0) report(lexer.reporter, "BCP002", { start, end: lexer.at });
      comments.push({ kind: "block", start, end: lexer.at });
    } else if (leading && lexer.text[start] === "#" && comments.length === 0 && scanPragma(lexer)) {
      comments.push({ kind: "pragma", start, end: lexer.at });
    } else return comments;
  }
}

const pragmaPattern =
  /#(disable-next-line|disable-diagnostics|restore-diagnostics)(?![\w-])((?:[ \t]+[\w-]+)*)/y;

function scanPragma(lexer: Lexer): boolean {
  const start = lexer.at;
  for (let before = start - 1; before >= 0; before--) {
    const character = lexer.text[before];
    if (character === "\n" || character === "\r") break;
    if (character !== " " && character !== "\t") return false;
  }
  const pattern = new RegExp(pragmaPattern);
  pattern.lastIndex = start;
  const match = pattern.exec(lexer.text);
  if (match === null) return false;
  lexer.at = pattern.lastIndex;
  const codes = (match[2] ?? "").split(/[ \t]+/).filter((code) => code !== "");
  if (codes.length === 0) report(lexer.reporter, "BCP226", { start: lexer.at, end: lexer.at });
  lexer.pragmas.push({ kind: match[1] as Pragma["kind"], codes, start, end: lexer.at });
  return true;
}

function scanToken(lexer: Lexer): TokenType {
  const { text } = lexer;
  if (lexer.at >= text.length) return "eof";
  const code = text.charCodeAt(lexer.at);
  if (isIdentifierStart(code)) return scanIdentifier(lexer);
  if (isDigit(code)) {
    while (isDigit(text.charCodeAt(lexer.at))) lexer.at++;
    return "integer";
  }
  if (isNewline(code)) return scanNewline(lexer);
  if (code === 39) return scanQuote(lexer);
  if (code === 36) return scanDollars(lexer);
  if (code === 125) return scanBraceEnd(lexer);
  if (code === 123 && lexer.holes.length > 0) lexer.holes.push({ brace: true });
  for (const mark of marks) {
    if (!text.startsWith(mark, lexer.at)) continue;
    lexer.at += mark.length;
    return mark;
  }
  lexer.at += 1;
  return "unrecognized";
}

function scanIdentifier(lexer: Lexer): TokenType {
  const start = lexer.at;
  const { text } = lexer;
  for (let code = text.charCodeAt(lexer.at); isIdentifierStart(code) || isDigit(code); ) {
    lexer.at++;
    code = text.charCodeAt(lexer.at);
  }
  const word = text.slice(start, lexer.at);
  if (word === "true" || word === "false" || word === "null") return word;
  if (word.length > identifierLengthMax) report(lexer.reporter, "BCP024", { start, end: lexer.at });
  return "identifier";
}

/** Line ends in a row are one token. A line that ends inside a hole of a string ends that string. */
function scanNewline(lexer: Lexer): TokenType {
  if (lexer.holes.length > 0) {
    lexer.holes.length = 0;
    report(lexer.reporter, "BCP004", { start: lexer.at, end: lexer.at });
    return "string-right";
  }
  while (lexer.at < lexer.text.length && isNewline(lexer.text.charCodeAt(lexer.at))) lexer.at++;
  return "newline";
}

function scanQuote(lexer: Lexer): TokenType {
  const start = lexer.at;
  if (lexer.text.startsWith("'''", start)) {
    lexer.at += 3;
    return scanMultiline(lexer, start, true, 0);
  }
  lexer.at += 1;
  const type = scanLineString(lexer, start, true);
  if (type === "string-left") lexer.holes.push({ brace: false, multiline: false, dollars: 0 });
  return type;
}

function scanDollars(lexer: Lexer): TokenType {
  const start = lexer.at;
  while (lexer.text[lexer.at] === "$") lexer.at++;
  const dollars = lexer.at - start;
  if (!lexer.text.startsWith("'''", lexer.at)) return "unrecognized";
  lexer.at += 3;
  const type = scanMultiline(lexer, start, true, dollars);
  if (type === "string-left") lexer.holes.push({ brace: false, multiline: true, dollars });
  return type;
}

function scanBraceEnd(lexer: Lexer): TokenType {
  const hole = lexer.holes.at(-1);
  const start = lexer.at;
  lexer.at += 1;
  if (hole === undefined) return "}";
  if (hole.brace) {
    lexer.holes.pop();
    return "}";
  }
  const type = hole.multiline
    ? scanMultiline(lexer, start, false, hole.dollars)
    : scanLineString(lexer, start, false);
  if (type === "string-right") lexer.holes.pop();
  return type;
}

/** The rest of a string on one line: to its end or to the next `${`. */
function scanLineString(lexer: Lexer, start: number, first: boolean): TokenType {
  const { text, reporter } = lexer;
  const ended = first ? "string" : "string-right";
  for (;;) {
    const code = text.charCodeAt(lexer.at);
    if (lexer.at >= text.length) {
      report(reporter, "BCP003", { start, end: lexer.at });
      return ended;
    }
    if (isNewline(code)) {
      report(reporter, "BCP004", { start, end: lexer.at });
      return ended;
    }
    if (code === 92) {
      if (lexer.at + 1 >= text.length) {
        lexer.at += 1;
        report(reporter, "BCP005", { start, end: lexer.at });
        return ended;
      }
      scanEscapeInString(lexer);
      continue;
    }
    lexer.at += 1;
    if (code === 39) return ended;
    if (code === 36 && text[lexer.at] === "{") {
      lexer.at += 1;
      return first ? "string-left" : "string-middle";
    }
  }
}

function scanEscapeInString(lexer: Lexer): void {
  const { text, reporter } = lexer;
  const start = lexer.at;
  const found = scanEscape(text, start);
  if (found !== undefined) {
    lexer.at += found.length;
    return;
  }
  lexer.at += 2;
  if (text[start + 1] !== "u") {
    report(reporter, "BCP006", { start, end: lexer.at });
    return;
  }
  const digits = /\{?[0-9A-Fa-f]*\}?/y;
  digits.lastIndex = lexer.at;
  lexer.at += digits.exec(text)?.[0].length ?? 0;
  if (lexer.at < text.length) report(reporter, "BCP133", { start, end: lexer.at });
}

/** The rest of a string between triple quotes: to its end or to the next hole of as many dollars. */
function scanMultiline(lexer: Lexer, start: number, first: boolean, dollars: number): TokenType {
  const { text } = lexer;
  while (lexer.at < text.length) {
    const character = text[lexer.at];
    if (character !== "$" && character !== "'") {
      lexer.at += 1;
      continue;
    }
    const run = lexer.at;
    while (text[lexer.at] === character) lexer.at++;
    if (character === "'" && lexer.at - run >= 3) return first ? "string" : "string-right";
    if (character === "$" && dollars > 0 && lexer.at - run >= dollars && text[lexer.at] === "{") {
      lexer.at += 1;
      return first ? "string-left" : "string-middle";
    }
  }
  report(lexer.reporter, "BCP140", { start, end: lexer.at });
  return first ? "string" : "string-right";
}

/** The tokens of a file as lines and brackets, with the comments where they belong: what the formatter lays out. */
import type { Comment, Token } from "./lexer.ts";

export interface Group {
  readonly kind: "group";
  readonly open: Token;
  readonly close: Token;
  readonly items: readonly Item[];
  /** A line ends right after the opening bracket. */
  readonly opened: boolean;
}

export type Piece =
  | { readonly kind: "token"; readonly token: Token }
  /** Comments on a line of their own in the middle of an expression. */
  | { readonly kind: "comments"; readonly comments: readonly Comment[] }
  | Group;

/** What stands on one line: a statement, a property, an argument; what is inside of brackets may be on more. */
export interface Item {
  readonly blankBefore: boolean;
  /** Empty for a line of comments. */
  readonly pieces: readonly Piece[];
  /** Those of a line of comments, or those after the comma that ended the item. */
  readonly comments: readonly Comment[];
}

interface Builder {
  readonly tokens: readonly Token[];
  /** Offsets of line ends that end nothing. */
  readonly continued: ReadonlySet<number>;
  at: number;
}

interface Reading {
  readonly items: Item[];
  pieces: Piece[];
  blank: boolean;
  opened: boolean;
}

const closers: Readonly<Record<string, string>> = { "{": "}", "[": "]", "(": ")" };

/** The items of a whole file. */
export function piecesOf(tokens: readonly Token[], continued: ReadonlySet<number>): readonly Item[] {
  return readItems({ tokens, continued, at: 0 }, "eof").items;
}

function readItems(builder: Builder, closer: string): Reading {
  const reading: Reading = { items: [], pieces: [], blank: false, opened: false };
  for (;;) {
    const token = builder.tokens[builder.at];
    if (token === undefined) return reading;
    if (token.type === closer) {
      if (reading.pieces.length > 0) finish(reading, []);
      if (token.leading.length > 0) finish(reading, token.leading);
      return reading;
    }
    builder.at += 1;
    if (token.type === "newline") readNewline(builder, reading, token);
    else if (token.type === "," && closer !== "eof") finish(reading, token.trailing);
    else readPiece(builder, reading, token);
  }
}

function finish(reading: Reading, comments: readonly Comment[]): void {
  const { items, pieces, blank } = reading;
  items.push({ pieces, comments, blankBefore: blank && items.length > 0 });
  reading.pieces = [];
  reading.blank = false;
}

function readNewline(builder: Builder, reading: Reading, token: Token): void {
  if (reading.items.length === 0 && reading.pieces.length === 0) reading.opened = true;
  const within = reading.pieces.length > 0;
  if (within && builder.continued.has(token.start)) {
    if (token.leading.length > 0) reading.pieces.push({ kind: "comments", comments: token.leading });
    return;
  }
  if (within) finish(reading, []);
  if (token.leading.length > 0) finish(reading, token.leading);
  if ((token.text.match(/\r\n|\r|\n/g)?.length ?? 0) > 1) reading.blank = true;
}

function readPiece(builder: Builder, reading: Reading, token: Token): void {
  const closer = closers[token.type];
  if (closer === undefined) {
    reading.pieces.push({ kind: "token", token });
    return;
  }
  const { items, opened } = readItems(builder, closer);
  const close = builder.tokens[builder.at] ?? token;
  builder.at += 1;
  reading.pieces.push({ kind: "group", open: token, close, items, opened });
}

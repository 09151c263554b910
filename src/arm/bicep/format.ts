/**
 * The usual layout of a Bicep file: two blanks of indentation, one property or item a line where the author broke the
 * line after the opening bracket or where one line would be too long. Comments and single empty lines stay. The result
 * is read again and must hold the same tokens; a file for which that fails stays as it is.
 */
import { createReporter, type Diagnostic, hasErrors } from "./diagnostics.ts";
import { type Group, type Item, type Piece, piecesOf } from "./format-pieces.ts";
import { type Roles, rolesOf } from "./format-roles.ts";
import { type Comment, lex, type Token } from "./lexer.ts";
import { type FileKind, parseFile } from "./parser.ts";
import { createSource } from "./source.ts";
import type * as syntax from "./syntax.ts";
import { childrenOf } from "./walk.ts";

export interface FormatRequest {
  readonly path: string;
  readonly text: string;
  readonly kind: FileKind;
  /** Blanks of one level of indentation. */
  readonly indentSize?: number;
}

export interface FormatResult {
  /** Absent when the file cannot be parsed. */
  readonly formatted?: string;
  readonly diagnostics: readonly Diagnostic[];
}

const widthMax = 120;

/** Formats a file. Only a file without syntax errors has a layout. */
export function formatBicep(request: FormatRequest): FormatResult {
  const source = createSource(request.path, request.text);
  const reporter = createReporter(source);
  const { tokens, program } = parseFile(reporter, request.kind);
  if (hasErrors(reporter.found)) return { diagnostics: reporter.found };
  const layout: Layout = {
    text: source.text,
    roles: rolesOf(tokens, program),
    unit: " ".repeat(request.indentSize ?? 2),
  };
  const lines = itemLines(layout, piecesOf(tokens, continuedLines(tokens, program)), 0);
  const unix = lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  const formatted = /^[^\n]*\r\n/.test(source.text) ? unix.replace(/\r?\n/g, "\r\n") : unix;
  const same = contentOf(formatted) === contentOf(source.text);
  return { formatted: same ? formatted : source.text, diagnostics: [] };
}

interface Layout {
  readonly text: string;
  readonly roles: Roles;
  readonly unit: string;
}

/** Everything of a file that has a meaning or was written for people. */
function contentOf(text: string): string {
  const { tokens } = lex(createReporter(createSource("", text)));
  const parts = tokens.flatMap((token) => {
    const comments = [...token.leading, ...token.trailing].map((comment) =>
      text.slice(comment.start, comment.end).replace(/\s+/g, " ").trimEnd(),
    );
    const silent = token.type === "newline" || token.type === ",";
    return [...(silent ? [] : [token.text.replace(/\r/g, "")]), ...comments];
  });
  return parts.sort().join("\n");
}

/** True when a line end at `offset`, right in this node, ends something. */
function isSeparator(node: syntax.Node, offset: number): boolean {
  switch (node.kind) {
    case "program":
    case "object":
    case "array":
    case "type-object":
    case "type-tuple":
    case "missing":
      return true;
    case "for":
      return offset < node.keyword.start || offset >= node.body.end;
    case "type-property":
      return offset < (node.key ?? node.value).start;
    case "type-tuple-item":
      return offset < node.value.start;
    case "import":
      return true;
    default:
      return "keyword" in node && "decorators" in node && offset < node.keyword.start;
  }
}

/** Offsets of line ends in the middle of an expression, which end nothing. */
function continuedLines(tokens: readonly Token[], program: syntax.Program): ReadonlySet<number> {
  const newlines = tokens.filter((token) => token.type === "newline").map((token) => token.start);
  const continued = new Set<number>();
  const visit = (node: syntax.Node, low: number, high: number): void => {
    let first = low;
    while (first < high && (newlines[first] ?? 0) < node.start) first++;
    let last = first;
    while (last < high && (newlines[last] ?? 0) < node.end) last++;
    for (let at = first; at < last; at++) {
      const offset = newlines[at] ?? 0;
      if (isSeparator(node, offset)) continued.delete(offset);
      else continued.add(offset);
    }
    if (first < last) for (const child of childrenOf(node)) visit(child, first, last);
  };
  visit(program, 0, newlines.length);
  return continued;
}

function commentText(layout: Layout, comment: Comment): string {
  const text = layout.text.slice(comment.start, comment.end).trimEnd();
  return comment.kind === "pragma" ? text.replace(/[ \t]+/g, " ") : text;
}

/** The lines of items that stand one below the other. */
function itemLines(layout: Layout, items: readonly Item[], depth: number, separator: string = ""): string[] {
  const indent = layout.unit.repeat(depth);
  const last = items.findLastIndex((item) => item.pieces.length > 0);
  return items.flatMap((item, at) => {
    const blank = item.blankBefore ? [""] : [];
    const comments = item.comments.map((comment) => commentText(layout, comment)).join(" ");
    if (item.pieces.length === 0) return [...blank, `${indent}${comments}`];
    const text = renderItem(layout, item, depth, indent.length);
    const end = separator !== "" && at < last ? separator : "";
    return [...blank, `${indent}${text}${end}${comments === "" ? "" : ` ${comments}`}`];
  });
}

/** One item from `column` on; what does not fit on the line is broken at ternary operators and unions. */
function renderItem(layout: Layout, item: Item, depth: number, column: number): string {
  const whole = renderPieces(layout, item.pieces, depth, column, false);
  const hasBreaks = item.pieces.some(
    (piece) => piece.kind === "token" && layout.roles.breaks.has(piece.token.start),
  );
  if (!hasBreaks || (!whole.includes("\n") && whole.length + column <= widthMax)) return whole;
  return renderPieces(layout, item.pieces, depth, column, true);
}

function firstLine(text: string): string {
  const end = text.indexOf("\n");
  return end < 0 ? text : text.slice(0, end);
}

function endColumn(text: string, column: number): number {
  const at = text.lastIndexOf("\n");
  return at < 0 ? column + text.length : text.length - at - 1;
}

function renderPieces(
  layout: Layout,
  pieces: readonly Piece[],
  depth: number,
  column: number,
  broken: boolean,
): string {
  const inner = `\n${layout.unit.repeat(depth + 1)}`;
  let out = "";
  let fresh = true;
  for (const [at, piece] of pieces.entries()) {
    if (piece.kind === "comments") {
      out += `${inner}${piece.comments.map((comment) => commentText(layout, comment)).join(" ")}`;
      out += inner;
      fresh = true;
      continue;
    }
    const first = piece.kind === "token" ? piece.token : piece.open;
    if (broken && layout.roles.breaks.has(first.start) && at > 0) {
      out += inner;
      fresh = true;
    }
    if (!fresh && needsSpace(layout, pieces[at - 1], first)) out += " ";
    const below = broken && out.includes("\n") ? depth + 2 : depth;
    out +=
      piece.kind === "token"
        ? tokenText(layout, piece.token)
        : renderGroup(layout, piece, below, endColumn(out, column));
    fresh = endsWithLineComment(layout, piece) && at < pieces.length - 1;
    if (fresh) out += inner;
  }
  return out;
}

function endsWithLineComment(_layout: Layout, piece: Piece): boolean {
  if (piece.kind === "comments") return true;
  const token = piece.kind === "token" ? piece.token : piece.close;
  return token.trailing.some((comment) => comment.kind !== "block");
}

/** A token with the comments around it on its line. */
function tokenText(layout: Layout, token: Token): string {
  const leading = token.leading.map((comment) => `${commentText(layout, comment)} `).join("");
  const trailing = trailingText(layout, token);
  const opens = token.type === "[" || token.type === "(";
  const block = token.trailing.every((comment) => comment.kind === "block");
  return `${leading}${token.text}${opens && block ? trailing.trimStart() : trailing}`;
}

function trailingText(layout: Layout, token: Token): string {
  return token.trailing.map((comment) => ` ${commentText(layout, comment)}`).join("");
}

function needsSpace({ roles }: Layout, before: Piece | undefined, next: Token): boolean {
  if (before === undefined) return false;
  const previous =
    before.kind === "token" ? before.token : before.kind === "group" ? before.close : undefined;
  if (previous === undefined) return true;
  if (previous.trailing.length > 0) return true;
  return !roles.tightAfter.has(previous.start) && !roles.tightBefore.has(next.start);
}

type Shape = "list" | "loop" | "arguments" | "tight";

/** Objects, arrays and types list their items; calls separate them by commas; the others hold one expression. */
function shapeOf({ roles }: Layout, group: Group): Shape {
  if (group.open.type === "(") return "arguments";
  if (group.open.type === "{") return "list";
  if (roles.tightBefore.has(group.open.start)) return "tight";
  const first = group.items.find((item) => item.pieces.length > 0)?.pieces[0];
  return first?.kind === "token" && first.token.type === "identifier" && first.token.text === "for"
    ? "loop"
    : "list";
}

/** True for what cannot stand on one line, whatever its length. */
function mustBreak(layout: Layout, group: Group): boolean {
  if (group.open.trailing.some((comment) => comment.kind !== "block")) return true;
  if (group.items.some((item) => item.pieces.length === 0)) return true;
  if (group.opened && group.items.length > 0 && shapeOf(layout, group) === "list") return true;
  return group.items.some(
    (item) =>
      item.comments.some((comment) => comment.kind !== "block") ||
      item.pieces.some((piece) => endsWithLineComment(layout, piece)),
  );
}

/** The group on one line; undefined when that is impossible. */
function flatGroup(layout: Layout, group: Group): string | undefined {
  if (mustBreak(layout, group)) return undefined;
  const parts: string[] = [];
  for (const item of group.items) {
    const flat = flatPieces(layout, item.pieces);
    if (flat === undefined) return undefined;
    parts.push([flat, ...item.comments.map((comment) => commentText(layout, comment))].join(" "));
  }
  const space = shapeOf(layout, group) === "list" && group.open.type === "{" && parts.length > 0 ? " " : "";
  const open = `${tokenText(layout, group.open)}${group.open.trailing.length > 0 ? " " : space}`;
  return `${open}${parts.join(", ")}${space}${group.close.text}${trailingText(layout, group.close)}`;
}

function flatPieces(layout: Layout, pieces: readonly Piece[]): string | undefined {
  let out = "";
  for (const [at, piece] of pieces.entries()) {
    if (piece.kind === "comments") return undefined;
    const first = piece.kind === "token" ? piece.token : piece.open;
    if (needsSpace(layout, pieces[at - 1], first)) out += " ";
    const text = piece.kind === "token" ? tokenText(layout, piece.token) : flatGroup(layout, piece);
    if (text === undefined || text.includes("\n")) return undefined;
    out += text;
  }
  return out;
}

function renderGroup(layout: Layout, group: Group, depth: number, column: number): string {
  const flat = flatGroup(layout, group);
  const shape = shapeOf(layout, group);
  if (flat !== undefined && (shape === "tight" || column + flat.length <= widthMax)) return flat;
  if ((shape === "arguments" || shape === "tight") && !mustBreak(layout, group)) {
    const hugged = hugGroup(layout, group, depth, column);
    if (hugged !== undefined) return hugged;
  }
  const lines = itemLines(layout, group.items, depth + 1, shape === "arguments" ? "," : "");
  const close = `${layout.unit.repeat(depth)}${group.close.text}${trailingText(layout, group.close)}`;
  return [tokenText(layout, group.open), ...lines, close].join("\n");
}

/** Brackets right around their content, when only what stands last in them takes several lines. */
function hugGroup(layout: Layout, group: Group, depth: number, column: number): string | undefined {
  const { items } = group;
  const last = items.at(-1);
  if (last === undefined) return undefined;
  const before: string[] = [];
  for (const item of items.slice(0, -1)) {
    const flat = item.comments.length > 0 ? undefined : flatPieces(layout, item.pieces);
    if (flat === undefined) return undefined;
    before.push(`${flat}, `);
  }
  const open = `${tokenText(layout, group.open)}${group.open.trailing.length > 0 ? " " : ""}${before.join("")}`;
  const body = renderPieces(layout, last.pieces, depth, column + open.length, false);
  const alone = items.length === 1 && last.pieces.length === 1;
  const fits = alone || column + open.length + firstLine(body).length <= widthMax;
  if (!fits || last.comments.length > 0) return undefined;
  if (!body.includes("\n") && !alone && shapeOf(layout, group) !== "tight") return undefined;
  return `${open}${body}${group.close.text}${trailingText(layout, group.close)}`;
}

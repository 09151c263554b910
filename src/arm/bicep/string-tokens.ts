/** What the pieces of a string literal stand for: escapes undone, quotes and hole marks taken off. */
import type { Token } from "./lexer.ts";

const simpleEscapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  "\\": "\\",
  "'": "'",
  $: "$",
};

/** The escape that begins with the backslash at `at`: its value and how long it is, or undefined when it is none. */
export function scanEscape(text: string, at: number): { value: string; length: number } | undefined {
  const next = text[at + 1];
  if (next === undefined) return undefined;
  if (next === "u") {
    const pattern = /\\u\{([0-9A-Fa-f]+)\}/y;
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    const code = match === null ? Number.NaN : Number.parseInt(match[1] ?? "", 16);
    if (match === null || !(code <= 0x10ffff)) return undefined;
    return { value: String.fromCodePoint(code), length: match[0].length };
  }
  const value = simpleEscapes[next];
  if (value === undefined) return undefined;
  if (next === "$" && text[at + 2] === "{") return { value: "${", length: 3 };
  return { value, length: 2 };
}

interface Shape {
  readonly multiline: boolean;
  readonly dollars: number;
}

/** What the first piece says about the whole string. */
function shapeOf(first: Token): Shape {
  const dollars = /^\$*/.exec(first.text)?.[0].length ?? 0;
  const multiline = first.text.startsWith("'''", dollars) && first.text.length > 2;
  return { multiline, dollars: multiline ? dollars : 0 };
}

/** The values of the pieces of one string, or undefined when the lexer had to break it off. */
export function stringSegments(tokens: readonly Token[]): string[] | undefined {
  const first = tokens[0];
  if (first === undefined) return undefined;
  const shape = shapeOf(first);
  const segments: string[] = [];
  for (const token of tokens) {
    const segment = pieceValue(token, shape);
    if (segment === undefined) return undefined;
    segments.push(segment);
  }
  return segments;
}

function pieceValue(token: Token, shape: Shape): string | undefined {
  const starts = token.type === "string" || token.type === "string-left";
  const ends = token.type === "string" || token.type === "string-right";
  const quote = shape.multiline ? "'''" : "'";
  const open = starts ? "$".repeat(shape.dollars) + quote : "}";
  const close = ends ? quote : `${"$".repeat(Math.max(shape.dollars, 1))}{`;
  if (token.text.length < open.length + close.length) return undefined;
  if (!token.text.startsWith(open) || !token.text.endsWith(close)) return undefined;
  const content = token.text.slice(open.length, token.text.length - close.length);
  if (!shape.multiline) return undoEscapes(content);
  return starts ? content.replace(/^\r?\n?/, "") : content;
}

function undoEscapes(content: string): string | undefined {
  if (!content.includes("\\")) return content.includes("'") ? undefined : content;
  let value = "";
  for (let at = 0; at < content.length; at++) {
    const character = content[at];
    if (character === "'") return undefined;
    if (character !== "\\") {
      value += character;
      continue;
    }
    const found = scanEscape(content, at);
    if (found === undefined) return undefined;
    value += found.value;
    at += found.length - 1;
  }
  return value;
}

/** A string literal of the language for a value. */
export function quoteString(value: string): string {
  const escaped = value
    .replaceAll("\\", "\\\\")
    .replaceAll("'", "\\'")
    .replaceAll("\r", "\\r")
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("${", "\\${");
  return `'${escaped}'`;
}

/**
 * Takes the blanks off the front of every line but the first that all of them share, and makes line ends `\n`, as
 * descriptions written over several lines need it.
 */
export function normalizeIndent(value: string): string {
  const [first = "", ...rest] = value.split(/\r\n|\r|\n/);
  const filled = rest.filter((line) => line.length > 0);
  const indents = filled.map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0);
  const shared = indents.length === 0 ? 0 : Math.min(...indents);
  return [first, ...rest.map((line) => line.slice(shared))].join("\n");
}

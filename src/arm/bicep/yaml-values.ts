/** YAML values that stand on one line: scalars, and sequences and mappings in brackets. */
import type { LoadedJson } from "./loaded-json.ts";

/** A plain or quoted scalar. Throws SyntaxError. */
export function readScalar(text: string): LoadedJson {
  if (text.startsWith('"')) return readDouble(text);
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  if (text === "" || text === "~" || /^null$/i.test(text)) return null;
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
  if (/^[-+]?\d+$/.test(text)) return BigInt(text.replace(/^\+/, ""));
  if (/^0x[\da-f]+$/i.test(text) || /^0o[0-7]+$/i.test(text)) return BigInt(text.toLowerCase());
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) return Number(text);
  if (/^[[\]{},&*!|>%@`]/.test(text)) throw new SyntaxError(`'${text[0]}' cannot begin plain text`);
  return text;
}

const escapes: Readonly<Record<string, string>> = {
  ...{ "0": "\0", a: "\x07", b: "\b", t: "\t", n: "\n", v: "\v", f: "\f", r: "\r", e: "\x1b" },
  ...{ " ": " ", '"': '"', "/": "/", "\\": "\\", N: "\x85", _: "\xa0", L: "\u2028", P: "\u2029" },
};

function readDouble(text: string): string {
  return text
    .slice(1, -1)
    .replace(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/g, (...match) => {
      const [, short, middle, long, single] = match as (string | undefined)[];
      const digits = short ?? middle ?? long;
      if (digits !== undefined) return fromCodePoint(Number.parseInt(digits, 16));
      const value = escapes[single ?? ""];
      if (value === undefined) throw new SyntaxError(`'\\${single}' is not an escape`);
      return value;
    });
}

function fromCodePoint(code: number): string {
  if (code > 0x10ffff) throw new SyntaxError("there is no such character");
  return String.fromCodePoint(code);
}

interface Reader {
  readonly text: string;
  at: number;
  depth: number;
}

const depthMax = 100;

/** `[a, b]` or `{ a: 1 }`. Throws SyntaxError. */
export function readFlow(text: string): LoadedJson {
  const reader: Reader = { text, at: 0, depth: 0 };
  const value = readValue(reader);
  skipBlanks(reader);
  if (reader.at < text.length) throw new SyntaxError("text follows the closing bracket");
  return value;
}

function skipBlanks(reader: Reader): void {
  while (/\s/.test(reader.text[reader.at] ?? "")) reader.at++;
}

function take(reader: Reader, mark: string): boolean {
  skipBlanks(reader);
  if (reader.text[reader.at] !== mark) return false;
  reader.at += 1;
  return true;
}

function readValue(reader: Reader): LoadedJson {
  reader.depth += 1;
  if (reader.depth > depthMax) throw new SyntaxError("the value nests too deeply");
  const value = take(reader, "[")
    ? readItems(reader)
    : take(reader, "{")
      ? readMembers(reader)
      : readWord(reader, true);
  reader.depth -= 1;
  return value;
}

function readItems(reader: Reader): LoadedJson {
  const items: LoadedJson[] = [];
  while (!take(reader, "]")) {
    items.push(readValue(reader));
    if (!take(reader, ",")) {
      if (take(reader, "]")) return items;
      throw new SyntaxError("a comma is expected");
    }
  }
  return items;
}

function readMembers(reader: Reader): LoadedJson {
  const members = new Map<string, LoadedJson>();
  while (!take(reader, "}")) {
    const key = readWord(reader, false);
    if (key === null) throw new SyntaxError("a key is expected");
    members.set(String(key), take(reader, ":") ? readValue(reader) : null);
    if (!take(reader, ",")) {
      if (take(reader, "}")) return members;
      throw new SyntaxError("a comma is expected");
    }
  }
  return members;
}

function readWord(reader: Reader, value: boolean): LoadedJson {
  skipBlanks(reader);
  const pattern = value
    ? /"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,[\]{}"']?[^,[\]{}]*/y
    : /"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^:,[\]{}"'][^:,[\]{}]*/y;
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text)?.[0] ?? "";
  if (found.trim() === "") throw new SyntaxError("a value is expected");
  reader.at += found.length;
  return readScalar(found.trim());
}

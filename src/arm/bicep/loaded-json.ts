/**
 * JSON files that become part of a template: integers of any size are kept exactly, members in their order, and
 * comments and trailing commas are tolerated, as in hand-written configuration.
 */

export type LoadedJson =
  | null
  | boolean
  | string
  /** Integers. */
  | bigint
  /** Numbers with a fraction or exponent. */
  | number
  | LoadedJson[]
  | ReadonlyMap<string, LoadedJson>;

interface Reader {
  readonly text: string;
  at: number;
  depth: number;
}

const depthMax = 100;

/** Throws SyntaxError. */
export function parseLoadedJson(text: string): LoadedJson {
  const reader: Reader = { text: text.replace(/^\uFEFF/, ""), at: 0, depth: 0 };
  const value = readValue(reader);
  skipBlanks(reader);
  if (reader.at < reader.text.length) throw new SyntaxError("text follows the value");
  return value;
}

const blanks = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;

function skipBlanks(reader: Reader): void {
  const pattern = new RegExp(blanks);
  pattern.lastIndex = reader.at;
  reader.at += pattern.exec(reader.text)?.[0].length ?? 0;
}

function readValue(reader: Reader): LoadedJson {
  skipBlanks(reader);
  const character = reader.text[reader.at];
  if (character === "{") return within(reader, readObject);
  if (character === "[") return within(reader, readArray);
  if (character === '"') return readText(reader);
  return readWord(reader);
}

function within<T>(reader: Reader, read: (reader: Reader) => T): T {
  reader.depth += 1;
  if (reader.depth > depthMax) throw new SyntaxError("the value nests too deeply");
  const value = read(reader);
  reader.depth -= 1;
  return value;
}

function take(reader: Reader, mark: string): boolean {
  skipBlanks(reader);
  if (reader.text[reader.at] !== mark) return false;
  reader.at += 1;
  return true;
}

function readObject(reader: Reader): LoadedJson {
  reader.at += 1;
  const members = new Map<string, LoadedJson>();
  for (;;) {
    if (take(reader, "}")) return members;
    skipBlanks(reader);
    const name = readText(reader);
    if (!take(reader, ":")) throw new SyntaxError("a colon is expected");
    members.set(name, readValue(reader));
    if (!take(reader, ",")) {
      if (take(reader, "}")) return members;
      throw new SyntaxError("a comma is expected");
    }
  }
}

function readArray(reader: Reader): LoadedJson {
  reader.at += 1;
  const items: LoadedJson[] = [];
  for (;;) {
    if (take(reader, "]")) return items;
    items.push(readValue(reader));
    if (!take(reader, ",")) {
      if (take(reader, "]")) return items;
      throw new SyntaxError("a comma is expected");
    }
  }
}

function readText(reader: Reader): string {
  const pattern = /"(?:[^"\\]|\\[\s\S])*"/y;
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text)?.[0];
  if (found === undefined) throw new SyntaxError("a string is expected");
  reader.at += found.length;
  return JSON.parse(found.replaceAll("\r", "\\r").replaceAll("\n", "\\n").replaceAll("\t", "\\t")) as string;
}

function readWord(reader: Reader): LoadedJson {
  const pattern = /[-+.\w]+/y;
  pattern.lastIndex = reader.at;
  const word = pattern.exec(reader.text)?.[0] ?? "";
  reader.at += word.length;
  if (word === "true" || word === "false") return word === "true";
  if (word === "null") return null;
  if (/^-?\d+$/.test(word)) return BigInt(word);
  const value = /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(word) ? Number(word) : Number.NaN;
  if (Number.isNaN(value)) throw new SyntaxError("a value is expected");
  return value;
}

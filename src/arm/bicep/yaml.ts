/**
 * YAML files that become part of a template: mappings and sequences in block and flow form, plain, quoted, literal and
 * folded scalars, comments. Anchors, aliases, tags, several documents and complex keys are refused, not guessed.
 */
import type { LoadedJson } from "./loaded-json.ts";
import { readFlow, readScalar } from "./yaml-values.ts";

export class YamlError extends Error {
  override readonly name = "YamlError";
}

interface Line {
  readonly indent: number;
  /** Without indentation; comments are still there. */
  readonly text: string;
  readonly number: number;
}

interface Reader {
  readonly raw: readonly string[];
  readonly lines: readonly Line[];
  at: number;
  depth: number;
}

const depthMax = 100;

/** Throws YamlError. */
export function parseYaml(text: string): LoadedJson {
  const raw = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  const lines = raw.flatMap((line, number): Line[] => {
    const content = withoutComment(line).trimEnd();
    if (content.trim() === "" || (number === 0 && /^%/.test(content))) return [];
    const indent = /^ */.exec(content)?.[0].length ?? 0;
    return [{ indent, text: content.slice(indent), number }];
  });
  const [first] = lines;
  const started = first !== undefined && first.text === "---" ? lines.slice(1) : lines;
  if (started.some((line) => line.text === "---" && line.indent === 0)) fail("there are several documents");
  const reader: Reader = { raw, lines: started.filter((line) => line.text !== "..."), at: 0, depth: 0 };
  if (reader.lines.length === 0) return null;
  const value = readBlock(reader, reader.lines[0]?.indent ?? 0);
  if (reader.at < reader.lines.length) fail("a line does not fit", reader.lines[reader.at]);
  return value;
}

function fail(reason: string, line?: Line): never {
  throw new YamlError(line === undefined ? reason : `line ${line.number + 1}: ${reason}`);
}

/** A comment begins at `#` after a blank or at the start of a line, outside of quotes. */
function withoutComment(line: string): string {
  let quote = "";
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? "";
    if (quote !== "") {
      if (character === "\\" && quote === '"') at++;
      else if (character === quote) quote = "";
    } else if ((character === "'" || character === '"') && /(^|[\s:,[{-])$/.test(line.slice(0, at)))
      quote = character;
    else if (character === "#" && /(^|\s)$/.test(line.slice(0, at))) return line.slice(0, at);
  }
  return line;
}

/** The value that begins at the current line, whose lines are indented by `indent`. */
function readBlock(reader: Reader, indent: number): LoadedJson {
  reader.depth += 1;
  if (reader.depth > depthMax) fail("the value nests too deeply");
  const line = reader.lines[reader.at];
  if (line === undefined) return null;
  if (line.text.startsWith("\t")) fail("tabs cannot indent", line);
  let value: LoadedJson;
  if (/^-(\s|$)/.test(line.text)) value = readSequence(reader, indent);
  else if (splitKey(line.text) !== undefined) value = readMapping(reader, indent);
  else {
    reader.at += 1;
    value = readInline(reader, line, line.text, indent);
  }
  reader.depth -= 1;
  return value;
}

function readSequence(reader: Reader, indent: number): LoadedJson {
  const items: LoadedJson[] = [];
  for (;;) {
    const line = reader.lines[reader.at];
    if (line === undefined || line.indent !== indent || !/^-(\s|$)/.test(line.text)) return items;
    const dash = /^-\s*/.exec(line.text)?.[0].length ?? 1;
    const rest = line.text.slice(dash);
    if (rest === "") {
      reader.at += 1;
      items.push(readNested(reader, indent));
    } else if (splitKey(rest) !== undefined || /^-(\s|$)/.test(rest)) {
      const inner: Line = { indent: indent + dash, text: rest, number: line.number };
      (reader.lines as Line[])[reader.at] = inner;
      items.push(readBlock(reader, inner.indent));
    } else {
      reader.at += 1;
      items.push(readInline(reader, line, rest, indent));
    }
  }
}

function readMapping(reader: Reader, indent: number): LoadedJson {
  const members = new Map<string, LoadedJson>();
  for (;;) {
    const line = reader.lines[reader.at];
    const split = line === undefined || line.indent !== indent ? undefined : splitKey(line.text);
    if (line === undefined || split === undefined) return members;
    const key = readScalar(split.key);
    const name = typeof key === "string" ? key : split.key;
    if (members.has(name)) fail(`the key '${name}' is there twice`, line);
    reader.at += 1;
    members.set(
      name,
      split.rest === "" ? readNested(reader, indent, true) : readInline(reader, line, split.rest, indent),
    );
  }
}

/** What stands on the lines below; a sequence in a mapping may stand as far left as its key. */
function readNested(reader: Reader, indent: number, inMapping: boolean = false): LoadedJson {
  const next = reader.lines[reader.at];
  if (next === undefined || next.indent < indent) return null;
  if (next.indent === indent)
    return inMapping && /^-(\s|$)/.test(next.text) ? readSequence(reader, indent) : null;
  return readBlock(reader, next.indent);
}

interface SplitKey {
  readonly key: string;
  readonly rest: string;
}

/** `key: rest`, the key possibly in quotes. */
function splitKey(text: string): SplitKey | undefined {
  const match =
    /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'[\]{}#&*!|>%@`,-][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+(.*))?$/.exec(
      text,
    );
  const key = match?.[1];
  if (key === undefined || (/: /.test(key) && !/^["']/.test(key))) return firstColon(text);
  return { key, rest: match?.[2] ?? "" };
}

/** A plain key ends at its first colon before a blank. */
function firstColon(text: string): SplitKey | undefined {
  if (/^["'[\]{}#&*!|>%@`,]/.test(text)) return undefined;
  const at = text.search(/:(\s|$)/);
  return at < 0 ? undefined : { key: text.slice(0, at).trimEnd(), rest: text.slice(at + 1).trim() };
}

/** A value that begins on the line of its key or dash. */
function readInline(reader: Reader, line: Line, text: string, indent: number): LoadedJson {
  if (/^[&*!]/.test(text)) fail("anchors, aliases and tags are not supported", line);
  if (/^[|>][+-]?\d?[+-]?$/.test(text)) return readText(reader, line, text, indent);
  let whole = text;
  while (needsMore(whole) || continuesPlain(reader, whole, indent)) {
    const next = reader.lines[reader.at];
    if (next === undefined) fail("a bracket or quote is not closed", line);
    whole += ` ${next.text}`;
    reader.at += 1;
  }
  try {
    return /^[[{]/.test(whole) ? readFlow(whole) : readScalar(whole);
  } catch (error) {
    if (error instanceof SyntaxError) fail(error.message, line);
    throw error;
  }
}

/** Plain text goes on on lines that are indented further and hold no key. */
function continuesPlain(reader: Reader, text: string, indent: number): boolean {
  const next = reader.lines[reader.at];
  if (/^["'[{]/.test(text) || next === undefined || next.indent <= indent) return false;
  return splitKey(next.text) === undefined && !/^-(\s|$)/.test(next.text);
}

function needsMore(text: string): boolean {
  const [first] = text;
  if (first === '"') return !/^"(?:[^"\\]|\\.)*"$/.test(text);
  if (first === "'") return !/^'(?:[^']|'')*'$/.test(text);
  if (first !== "[" && first !== "{") return false;
  const bare = text.replace(/"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'/g, "");
  return (bare.match(/[[{]/g)?.length ?? 0) > (bare.match(/[\]}]/g)?.length ?? 0);
}

/** A literal (`|`) or folded (`>`) text; `-` drops the line end at its end, `+` keeps empty lines there. */
function readText(reader: Reader, line: Line, header: string, parent: number): string {
  const given = /\d/.exec(header)?.[0];
  const content: string[] = [];
  let indent = given === undefined ? undefined : parent + Number(given);
  let number = line.number + 1;
  for (; number < reader.raw.length; number++) {
    const raw = reader.raw[number] ?? "";
    const blank = raw.trim() === "";
    const own = /^ */.exec(raw)?.[0].length ?? 0;
    if (!blank && own <= parent && (parent > 0 || own < Math.max(1, indent ?? 1))) break;
    if (!blank) indent ??= own;
    content.push(blank ? "" : raw.slice(Math.min(own, indent ?? own)));
  }
  while ((reader.lines[reader.at]?.number ?? Number.POSITIVE_INFINITY) < number) reader.at += 1;
  const trailing = content.length - (content.findLastIndex((each) => each !== "") + 1);
  const kept = content.slice(0, content.length - trailing);
  const text = header.startsWith("|") ? kept.join("\n") : fold(kept);
  if (header.includes("-") || text === "") return text;
  return header.includes("+") ? `${text}${"\n".repeat(trailing + 1)}` : `${text}\n`;
}

/** Lines become one, unless empty lines or deeper indentation stand between them. */
function fold(lines: readonly string[]): string {
  let text = "";
  for (const [at, line] of lines.entries()) {
    const before = lines[at - 1];
    if (at === 0) text = line;
    else if (line === "") text += "\n";
    else if (before === "" || before?.startsWith(" ") === true || line.startsWith(" "))
      text += (before === "" ? "" : "\n") + line;
    else text += ` ${line}`;
  }
  return text;
}

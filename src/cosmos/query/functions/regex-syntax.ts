/**
 * Regular expression text to a tree: Perl-like syntax with groups, classes, lazy and possessive quantifiers, look
 * around, back references, inline flags and the modifiers m s i x. Own parser, because the engine behind JavaScript's
 * RegExp backtracks without bound and patterns come from clients.
 */
import { classMatcher, escapeClass, foldedMatcher, type Matcher, propertyMatcher } from "./regex-class.ts";

export type RegexNode =
  | { readonly kind: "one"; readonly accepts: Matcher }
  | { readonly kind: "sequence"; readonly parts: readonly RegexNode[] }
  | { readonly kind: "choice"; readonly options: readonly RegexNode[] }
  | {
      readonly kind: "repeat";
      readonly body: RegexNode;
      readonly min: number;
      readonly max: number;
      readonly greedy: boolean;
    }
  | { readonly kind: "group"; readonly index: number; readonly body: RegexNode }
  | { readonly kind: "atomic"; readonly body: RegexNode }
  | { readonly kind: "look"; readonly body: RegexNode; readonly behind: boolean; readonly negated: boolean }
  | { readonly kind: "reference"; readonly group: number; readonly ignoreCase: boolean }
  | { readonly kind: "assert"; readonly holds: (text: string, at: number) => boolean };

export interface RegexTree {
  readonly root: RegexNode;
  readonly groups: number;
}

interface Flags {
  readonly ignoreCase: boolean;
  readonly multiline: boolean;
  readonly dotAll: boolean;
  readonly extended: boolean;
}

interface State {
  readonly pattern: string;
  at: number;
  groups: number;
  depth: number;
  readonly names: Map<string, number>;
}

/** The pattern is not a regular expression; `message` says where. */
export class RegexSyntaxError extends Error {
  override readonly name = "RegexSyntaxError";
}

const DEPTH_MAX = 100;
const REPEAT_MAX = 1_000;

/** Parses `pattern` under `modifiers` (letters of `msix`). Throws `RegexSyntaxError`. */
export function parseRegex(pattern: string, modifiers: string): RegexTree {
  const flags = {
    ignoreCase: modifiers.includes("i"),
    multiline: modifiers.includes("m"),
    dotAll: modifiers.includes("s"),
    extended: modifiers.includes("x"),
  };
  const state: State = { pattern, at: 0, groups: 0, depth: 0, names: new Map() };
  const root = parseChoice(state, flags);
  if (state.at < pattern.length) throw broken(state, "unmatched )");
  return { root, groups: state.groups };
}

function broken(state: State, what: string): RegexSyntaxError {
  return new RegexSyntaxError(`${what} at position ${state.at}`);
}

function accept(state: State, text: string): boolean {
  if (!state.pattern.startsWith(text, state.at)) return false;
  state.at += text.length;
  return true;
}

function expect(state: State, text: string): void {
  if (!accept(state, text)) throw broken(state, `missing ${text}`);
}

function parseChoice(state: State, outer: Flags): RegexNode {
  if (++state.depth > DEPTH_MAX) throw broken(state, "too many nested groups");
  const options: RegexNode[] = [];
  let flags = outer;
  do {
    const [sequence, after] = parseSequence(state, flags);
    options.push(sequence);
    flags = after;
  } while (accept(state, "|"));
  state.depth--;
  const [only] = options;
  return options.length === 1 && only !== undefined ? only : { kind: "choice", options };
}

/** Parts up to `|` or `)`; inline flags such as `(?i)` hold from there on, so the flags come back too. */
function parseSequence(state: State, outer: Flags): readonly [RegexNode, Flags] {
  const parts: RegexNode[] = [];
  let flags = outer;
  for (;;) {
    if (flags.extended) skipExtended(state);
    const next = state.pattern[state.at];
    if (next === undefined || next === "|" || next === ")") return [{ kind: "sequence", parts }, flags];
    const changed = inlineFlags(state, flags);
    if (changed !== undefined) flags = changed;
    else parts.push(parseQuantified(state, flags));
  }
}

function skipExtended(state: State): void {
  const blank = /(?:\s|#[^\n]*)+/y;
  blank.lastIndex = state.at;
  if (blank.test(state.pattern)) state.at = blank.lastIndex;
}

/** `(?imsx-imsx)` alone. */
function inlineFlags(state: State, flags: Flags): Flags | undefined {
  const found = /\(\?([imsx]*)(?:-([imsx]+))?\)/y;
  found.lastIndex = state.at;
  const match = found.exec(state.pattern);
  if (match === null || match[0] === "(?)") return undefined;
  state.at = found.lastIndex;
  return withFlags(flags, match[1] ?? "", match[2] ?? "");
}

function withFlags(flags: Flags, on: string, off: string): Flags {
  const set = (letter: string, value: boolean): boolean =>
    (value || on.includes(letter)) && !off.includes(letter);
  return {
    ignoreCase: set("i", flags.ignoreCase),
    multiline: set("m", flags.multiline),
    dotAll: set("s", flags.dotAll),
    extended: set("x", flags.extended),
  };
}

function parseQuantified(state: State, flags: Flags): RegexNode {
  let node = parseAtom(state, flags);
  for (;;) {
    if (flags.extended) skipExtended(state);
    const bounds = parseBounds(state);
    if (bounds === undefined) return node;
    const [min, max] = bounds;
    const lazy = accept(state, "?");
    const possessive = !lazy && accept(state, "+");
    const repeat: RegexNode = { kind: "repeat", body: node, min, max, greedy: !lazy };
    node = possessive ? { kind: "atomic", body: repeat } : repeat;
  }
}

function parseBounds(state: State): readonly [number, number] | undefined {
  if (accept(state, "*")) return [0, Number.POSITIVE_INFINITY];
  if (accept(state, "+")) return [1, Number.POSITIVE_INFINITY];
  if (accept(state, "?")) return [0, 1];
  const braces = /\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/y;
  braces.lastIndex = state.at;
  const found = braces.exec(state.pattern);
  if (found === null) return undefined;
  const min = Number(found[1]);
  const open = found[3] === undefined ? Number.POSITIVE_INFINITY : Number(found[3]);
  const max = found[2] === undefined ? min : open;
  const largest = Number.isFinite(max) ? max : min;
  if (min > max || largest > REPEAT_MAX) throw broken(state, "quantifier out of range");
  state.at = braces.lastIndex;
  return [min, max];
}

function parseAtom(state: State, flags: Flags): RegexNode {
  const character = String.fromCodePoint(state.pattern.codePointAt(state.at) ?? 0);
  switch (character) {
    case "(":
      return parseGroup(state, flags);
    case "[":
      state.at++;
      return one(parseClass(state, flags), flags);
    case "\\":
      state.at++;
      return parseEscape(state, flags);
    case ".":
      state.at++;
      return { kind: "one", accepts: flags.dotAll ? () => true : (code) => code !== 10 };
    case "^":
      state.at++;
      return { kind: "assert", holds: flags.multiline ? atLineStart : (_, at) => at === 0 };
    case "$":
      state.at++;
      return { kind: "assert", holds: flags.multiline ? atLineEnd : atFinalEnd };
    case "*":
    case "+":
    case "?":
      throw broken(state, "nothing to repeat");
    default:
      state.at += character.length;
      return literal(character, flags);
  }
}

function literal(character: string, flags: Flags): RegexNode {
  const wanted = character.codePointAt(0) ?? 0;
  return one((code) => code === wanted, flags);
}

function one(accepts: Matcher, flags: Flags): RegexNode {
  return { kind: "one", accepts: flags.ignoreCase ? foldedMatcher(accepts) : accepts };
}

function atLineStart(text: string, at: number): boolean {
  return at === 0 || text[at - 1] === "\n";
}

function atLineEnd(text: string, at: number): boolean {
  return at === text.length || text[at] === "\n";
}

/** The end of the text, or just before a line feed that ends it. */
function atFinalEnd(text: string, at: number): boolean {
  return at === text.length || (at === text.length - 1 && text[at] === "\n");
}

const LOOKS = [
  ["(?=", false, false],
  ["(?!", false, true],
  ["(?<=", true, false],
  ["(?<!", true, true],
] as const;

function parseGroup(state: State, flags: Flags): RegexNode {
  for (const [opening, behind, negated] of LOOKS) {
    if (accept(state, opening)) return { kind: "look", body: closed(state, flags), behind, negated };
  }
  if (accept(state, "(?>")) return { kind: "atomic", body: closed(state, flags) };
  const scoped = /\(\?([imsx]*)(?:-([imsx]+))?:/y;
  scoped.lastIndex = state.at;
  const found = scoped.exec(state.pattern);
  if (found !== null) {
    state.at = scoped.lastIndex;
    return closed(state, withFlags(flags, found[1] ?? "", found[2] ?? ""));
  }
  const named = /\(\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/y;
  named.lastIndex = state.at;
  const name = named.exec(state.pattern);
  if (name !== null) state.at = named.lastIndex;
  else if (state.pattern.startsWith("(?", state.at)) throw broken(state, "unknown group");
  else state.at++;
  const index = ++state.groups;
  if (name !== null) state.names.set(name[1] ?? name[2] ?? "", index);
  return { kind: "group", index, body: closed(state, flags) };
}

function closed(state: State, flags: Flags): RegexNode {
  const body = parseChoice(state, flags);
  expect(state, ")");
  return body;
}

function parseEscape(state: State, flags: Flags): RegexNode {
  const rest = state.pattern.slice(state.at, state.at + 40);
  const number = /^[1-9]\d?/.exec(rest);
  if (number !== null) {
    state.at += number[0].length;
    return { kind: "reference", group: Number(number[0]), ignoreCase: flags.ignoreCase };
  }
  const named = /^k[<{']([A-Za-z_]\w*)[>}']/.exec(rest);
  if (named !== null) {
    state.at += named[0].length;
    const group = state.names.get(named[1] ?? "");
    if (group === undefined) throw broken(state, "unknown group name");
    return { kind: "reference", group, ignoreCase: flags.ignoreCase };
  }
  const assertion = Object.hasOwn(ASSERTIONS, rest[0] ?? "") ? ASSERTIONS[rest[0] ?? ""] : undefined;
  if (assertion !== undefined) {
    state.at++;
    return { kind: "assert", holds: assertion };
  }
  return one(parseEscapedMatcher(state), flags);
}

const ASSERTIONS: Readonly<Record<string, (text: string, at: number) => boolean>> = {
  b: (text, at) => isWord(text, at - 1) !== isWord(text, at),
  B: (text, at) => isWord(text, at - 1) === isWord(text, at),
  A: (_, at) => at === 0,
  z: (text, at) => at === text.length,
  Z: atFinalEnd,
};

function isWord(text: string, at: number): boolean {
  return /^\w$/.test(text[at] ?? "");
}

/** What one escape accepts: a class such as `\d`, a property `\p{L}`, or a single character. */
function parseEscapedMatcher(state: State): Matcher {
  const rest = state.pattern.slice(state.at, state.at + 40);
  const property = /^([pP])(?:\{(\^?)([A-Za-z_=]{1,30})\}|([A-Z]))/.exec(rest);
  if (property !== null) {
    const matcher = propertyMatcher(property[3] ?? property[4] ?? "");
    if (matcher === undefined) throw broken(state, "unknown property");
    state.at += property[0].length;
    const negated = (property[1] === "P") !== (property[2] === "^");
    return negated ? (code) => !matcher(code) : matcher;
  }
  const letter = rest[0];
  if (letter === undefined) throw broken(state, "\\ at the end");
  const shorthand = escapeClass(letter);
  if (shorthand !== undefined) {
    state.at++;
    return shorthand;
  }
  const wanted = parseEscapedCharacter(state);
  return (code) => code === wanted;
}

const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, a: 7, e: 27, 0: 0 };

function parseEscapedCharacter(state: State): number {
  const rest = state.pattern.slice(state.at, state.at + 12);
  const hex = /^(?:x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4}))/.exec(rest);
  if (hex !== null) {
    state.at += hex[0].length;
    return Number.parseInt(hex[1] ?? hex[2] ?? hex[3] ?? "0", 16);
  }
  const code = rest.codePointAt(0);
  if (code === undefined) throw broken(state, "\\ at the end");
  const character = String.fromCodePoint(code);
  state.at += character.length;
  if (Object.hasOwn(CONTROLS, character)) return CONTROLS[character] ?? 0;
  if (/[A-Za-z0-9]/.test(character)) throw broken(state, `unknown escape \\${character}`);
  return code;
}

function parseClass(state: State, flags: Flags): Matcher {
  const negated = accept(state, "^");
  const parts: Matcher[] = [];
  for (let first = true; ; first = false) {
    const next = state.pattern[state.at];
    if (next === undefined) throw broken(state, "missing ]");
    if (next === "]" && !first) break;
    parts.push(parseClassPart(state));
  }
  state.at++;
  const any = classMatcher(parts);
  const folded = flags.ignoreCase ? foldedMatcher(any) : any;
  return negated ? (code) => !folded(code) : folded;
}

function parseClassPart(state: State): Matcher {
  const posix = /\[:(\^?)([a-z]+):\]/y;
  posix.lastIndex = state.at;
  const named = posix.exec(state.pattern);
  if (named !== null) {
    const matcher = escapeClass(`:${named[2] ?? ""}`);
    if (matcher === undefined) throw broken(state, "unknown character class");
    state.at = posix.lastIndex;
    return named[1] === "^" ? (code) => !matcher(code) : matcher;
  }
  const low = parseClassCharacter(state);
  if (typeof low !== "number") return low;
  if (state.pattern[state.at] !== "-" || "]".includes(state.pattern[state.at + 1] ?? "]"))
    return (code) => code === low;
  state.at++;
  const high = parseClassCharacter(state);
  if (typeof high !== "number" || high < low) throw broken(state, "range out of order");
  return (code) => code >= low && code <= high;
}

function parseClassCharacter(state: State): Matcher | number {
  if (accept(state, "\\")) {
    const letter = state.pattern[state.at] ?? "";
    if (letter === "b") {
      state.at++;
      return 8;
    }
    if (escapeClass(letter) !== undefined || letter === "p" || letter === "P")
      return parseEscapedMatcher(state);
    return parseEscapedCharacter(state);
  }
  const code = state.pattern.codePointAt(state.at) ?? 0;
  state.at += String.fromCodePoint(code).length;
  return code;
}

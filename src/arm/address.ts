/**
 * Request targets of the control plane: decoding, and matching against path patterns. Names are compared without
 * regard to letter case and kept as the caller wrote them. `..` is refused, not resolved; empty segments mean
 * nothing, because SDKs write `/{scope}/providers` and a scope begins with a slash of its own.
 */
import { malformedPath } from "./errors.ts";

export interface Address {
  /** Decoded path without trailing slash, in the caller's casing; `/` for the root. */
  readonly path: string;
  readonly segments: readonly string[];
  /** Query parameters under lower-case names; of a repeated parameter the first counts. */
  readonly query: ReadonlyMap<string, string>;
}

/** Longest decoded path in UTF-8 bytes: an id must fit, with room to spare, into one storage key. */
const pathBytesMax = 1024;

/** Parses a raw request target. Throws ArmError 400 for bad encodings, dot segments and excess length. */
export function parseTarget(target: string): Address {
  const mark = target.indexOf("?");
  const rawPath = mark < 0 ? target : target.slice(0, mark);
  if (!rawPath.startsWith("/")) throw malformedPath("the path does not start with a slash");
  const segments = splitPath(rawPath).map(decodeSegment);
  return addressOf(segments, parseQuery(mark < 0 ? "" : target.slice(mark + 1)));
}

/** The address of an id inside the control plane, for requests that it makes to itself; same rules, no encoding. */
export function parseId(id: string, query: ReadonlyMap<string, string>): Address {
  if (!id.startsWith("/")) throw malformedPath("the id does not start with a slash");
  const segments = splitPath(id);
  for (const segment of segments) checkSegment(segment);
  return addressOf(segments, query);
}

function splitPath(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}

function addressOf(segments: readonly string[], query: ReadonlyMap<string, string>): Address {
  const path = `/${segments.join("/")}`;
  if (Buffer.byteLength(path) > pathBytesMax) {
    throw malformedPath(`the path is longer than ${pathBytesMax} bytes`);
  }
  return { path, segments, query };
}

function decodeSegment(raw: string): string {
  let segment: string;
  try {
    segment = decodeURIComponent(raw);
  } catch {
    throw malformedPath("a path segment is not valid percent-encoded UTF-8");
  }
  checkSegment(segment);
  return segment;
}

function checkSegment(segment: string): void {
  if (segment === "." || segment === "..") throw malformedPath("the path has a dot segment");
  for (const character of segment) {
    const code = character.codePointAt(0) ?? 0;
    if (character === "/" || character === "\\" || code < 0x20 || code === 0x7f) {
      throw malformedPath("a path segment has a slash or a control character");
    }
    if (code >= 0xd800 && code <= 0xdfff) throw malformedPath("a path segment is not valid Unicode");
    // Keys and scopes are compared in lower case, patterns are not: what only one of them takes for `k` is refused.
    if (code > 0x7f && /[a-z]/.test(character.toLowerCase())) {
      throw malformedPath("a path segment has a letter that turns into another one in lower case");
    }
  }
}

function parseQuery(text: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decodeQueryPart(equals < 0 ? pair : pair.slice(0, equals)).toLowerCase();
    const value = decodeQueryPart(equals < 0 ? "" : pair.slice(equals + 1));
    if (!query.has(name)) query.set(name, value);
  }
  return query;
}

function decodeQueryPart(raw: string): string {
  try {
    return decodeURIComponent(raw.replaceAll("+", " "));
  } catch {
    throw malformedPath("the query is not valid percent-encoded UTF-8");
  }
}

/** What the named parts of a pattern matched, in the caller's casing. */
export type Parameters = ReadonlyMap<string, string>;

export interface PathPattern {
  readonly expression: RegExp;
  /** Number of literal segments: of several patterns that match, the one with most literals is meant. */
  readonly literals: number;
}

/**
 * Compiles a pattern. A segment is a literal (any letter case), `{name}` (one segment), `{+name}` (any number of
 * segments, as many as possible) or `{*name}` (any number of type and name pairs).
 */
export function compilePattern(pattern: string): PathPattern {
  const parts = pattern.split("/").slice(1);
  const sources = parts.map((part) => {
    const token = /^\{([+*]?)(\w+)\}$/.exec(part);
    if (token === null) return `/${part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`;
    const name = token[2] ?? "";
    if (token[1] === "+") return `(?<${name}>(?:/[^/]+)*)`;
    if (token[1] === "*") return `(?<${name}>(?:/[^/]+/[^/]+)*)`;
    return `/(?<${name}>[^/]+)`;
  });
  return {
    // Without the flag for Unicode, under which the long s is an s: a path is only what scopes, locks and denials see.
    expression: new RegExp(`^${sources.join("")}$`, "i"),
    literals: parts.filter((part) => !part.startsWith("{")).length,
  };
}

/** The parameters when the path matches, else `undefined`. */
export function matchPattern(pattern: PathPattern, address: Address): Parameters | undefined {
  const match = pattern.expression.exec(address.path === "/" ? "" : address.path);
  if (match === null) return undefined;
  return new Map(Object.entries(match.groups ?? {}));
}

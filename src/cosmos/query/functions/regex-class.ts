/**
 * Character classes of regular expressions as tests on one code point.
 */
export type Matcher = (code: number) => boolean;

function tested(pattern: RegExp): Matcher {
  return (code) => pattern.test(String.fromCodePoint(code));
}

function not(matcher: Matcher): Matcher {
  return (code) => !matcher(code);
}

const isDigit: Matcher = (code) => code >= 48 && code <= 57;
const isUpper: Matcher = (code) => code >= 65 && code <= 90;
const isLower: Matcher = (code) => code >= 97 && code <= 122;
const isAlpha: Matcher = (code) => isUpper(code) || isLower(code);
const isWord: Matcher = (code) => isAlpha(code) || isDigit(code) || code === 95;
const isSpace: Matcher = tested(/^\s$/u);
const isBlank: Matcher = (code) => code === 9 || code === 32;
const isGraph: Matcher = (code) => code > 32 && code < 127;

/** Shorthands by their letter, and POSIX classes by `:name`. */
const CLASSES: ReadonlyMap<string, Matcher> = new Map([
  ["d", isDigit],
  ["D", not(isDigit)],
  ["w", isWord],
  ["W", not(isWord)],
  ["s", isSpace],
  ["S", not(isSpace)],
  ["h", isBlank],
  ["H", not(isBlank)],
  ["N", (code: number) => code !== 10],
  ["R", (code: number) => code >= 10 && code <= 13],
  [":alpha", isAlpha],
  [":digit", isDigit],
  [":alnum", (code: number) => isAlpha(code) || isDigit(code)],
  [":upper", isUpper],
  [":lower", isLower],
  [":space", isSpace],
  [":blank", isBlank],
  [":word", isWord],
  [":punct", (code: number) => isGraph(code) && !isAlpha(code) && !isDigit(code)],
  [":xdigit", tested(/^[0-9A-Fa-f]$/)],
  [":cntrl", (code: number) => code < 32 || code === 127],
  [":print", (code: number) => code >= 32 && code < 127],
  [":graph", isGraph],
]);

export function escapeClass(name: string): Matcher | undefined {
  return CLASSES.get(name);
}

/** A Unicode property such as `L`, `Lu` or `Script=Greek`; undefined when there is none of that name. */
export function propertyMatcher(name: string): Matcher | undefined {
  try {
    return tested(new RegExp(`^\\p{${name}}$`, "u"));
  } catch {
    return undefined;
  }
}

/** Any of `parts`. */
export function classMatcher(parts: readonly Matcher[]): Matcher {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  return (code) => parts.some((part) => part(code));
}

/** Accepts what `matcher` accepts in either case. */
export function foldedMatcher(matcher: Matcher): Matcher {
  return (code) => {
    if (matcher(code)) return true;
    const character = String.fromCodePoint(code);
    const lower = character.toLowerCase().codePointAt(0) ?? code;
    const upper = character.toUpperCase().codePointAt(0) ?? code;
    return (lower !== code && matcher(lower)) || (upper !== code && matcher(upper));
  };
}

/**
 * Text that others chose - names in a denied request, user agents - made safe to show on a terminal and to paste into a
 * shell. Whoever may send a request, or may only try, must not write to the screen or the command line of who looks into it.
 */

/** Control characters, line separators, and marks that turn the direction of text. */
const unprintable = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

export function printable(text: string): string {
  return text.replace(unprintable, "\ufffd");
}

/** JSON that stands for the same value, with escapes in place of what a terminal would obey. */
export function printableJson(json: string): string {
  return json.replace(unprintable, (mark) =>
    mark === "\n" ? mark : `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The same for every text in a value; a `message` keeps its line ends, by which it is taken apart. */
export function printableValue<T>(value: T): T {
  return cleaned(value, "") as T;
}

function cleaned(value: unknown, name: string): unknown {
  if (typeof value === "string") {
    return name === "message" ? value.split("\r\n").map(printable).join("\r\n") : printable(value);
  }
  if (Array.isArray(value)) return value.map((each) => cleaned(each, name));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, cleaned(each, key)]));
}

/** One word of a POSIX shell, in quotes under which it means only itself. */
export function quoted(text: string): string {
  const word = printable(text);
  return /["$`\\!]/.test(word) ? literal(word) : `"${word}"`;
}

/** The same without quotes where it needs none. */
export function argument(text: string): string {
  return /^[\w.,:@/=+-]+$/.test(text) ? text : quoted(text);
}

/** In single quotes, as JSON is written on a command line. */
export function literal(text: string): string {
  return `'${printable(text).replaceAll("'", "'\\''")}'`;
}

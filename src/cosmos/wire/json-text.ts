/**
 * JSON as the service takes it from a client: numbers beyond a double and broken surrogate pairs are valid JSON to
 * JSON.parse, and would not survive being stored. Apart from the bodies that hold it, which refuse it in their own words.
 */

/** Only texts that match can hold what JSON.parse lets pass: most bodies need no second look. */
const suspicious = /\d[eE]\+?\d{3}|\d{309}|\\u[dD][89a-fA-F]/;

/**
 * The text of these bytes, and its JSON value; half of a surrogate pair becomes U+FFFD, as in the service. Throws for what
 * is no UTF-8, no JSON, or a number that no double can hold.
 */
export function parseJsonBytes(bytes: Uint8Array): { readonly text: string; readonly value: unknown } {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  return { text, value: suspicious.test(text) ? JSON.parse(text, kept) : JSON.parse(text) };
}

/** Called for each value from the inside out; names are mended with the object that has them. */
function kept(_name: string, value: unknown): unknown {
  if (typeof value === "string") return wellFormed(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new SyntaxError("A number is too large.");
    return value;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value);
  if (entries.every(([name]) => wellFormed(name) === name)) return value;
  return Object.fromEntries(entries.map(([name, inner]) => [wellFormed(name), inner]));
}

/** UTF-8 has no halves of pairs: writing one gives U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

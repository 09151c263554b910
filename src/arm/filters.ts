/**
 * The `$filter` expressions of control-plane lists: comparisons and functions joined by `and`. Only the forms that
 * the operations name are understood; anything else is refused, never ignored.
 */
import { ArmError } from "../azure/arm-error.ts";
import { clip } from "./errors.ts";

export type FilterTerm =
  | { readonly kind: "equals"; readonly name: string; readonly value: string }
  | { readonly kind: "function"; readonly name: string; readonly argument: string | undefined };

const comparison = /^([A-Za-z./]+)\s+eq\s+'((?:[^']|'')*)'$/i;
const call = /^([A-Za-z]+)\(\s*(?:'((?:[^']|'')*)')?\s*\)$/;

/** The terms of a filter, names in lower case. Throws ArmError 400 when the text has another form. */
export function parseFilter(text: string | undefined): readonly FilterTerm[] {
  if (text === undefined || text.trim() === "") return [];
  return splitTerms(text).map((part) => {
    const bare = part.replace(/^\((.*)\)$/s, "$1").trim();
    const equals = comparison.exec(bare);
    if (equals !== null) {
      return { kind: "equals", name: lower(equals[1]), value: unquote(equals[2]) };
    }
    const called = call.exec(bare);
    if (called === null) throw invalidFilter(text);
    const argument = called[2] === undefined ? undefined : unquote(called[2]);
    return { kind: "function", name: lower(called[1]), argument };
  });
}

/** Splits at `and` outside of quotes. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let current = "";
  let quoted = false;
  for (const word of text.split(/(\s+|')/)) {
    if (word === "'") quoted = !quoted;
    if (!quoted && word.toLowerCase() === "and") {
      terms.push(current.trim());
      current = "";
    } else current += word;
  }
  return [...terms, current.trim()];
}

function lower(text: string | undefined): string {
  return (text ?? "").toLowerCase();
}

function unquote(text: string | undefined): string {
  return (text ?? "").replaceAll("''", "'");
}

export function invalidFilter(text: string): ArmError {
  return new ArmError(
    400,
    "InvalidFilterInQueryString",
    `Invalid $filter '${clip(text)}' specified in the query string.`,
  );
}

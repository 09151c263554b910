/** The `$filter` expressions that tools send to Microsoft Graph: comparisons joined by one kind of word. */

/** What an object shows to a filter: text members by name, and the names of a service principal. */
export interface Filterable {
  readonly [member: string]: unknown;
}

type Condition = (object: Filterable) => boolean;

/** The filter as a function; `undefined` for what is not supported. Texts are compared without regard to case. */
export function parseFilter(text: string): Condition | undefined {
  const pieces = splitOutsideQuotes(text);
  const words = new Set(pieces.filter((_piece, at) => at % 2 === 1));
  if (words.size > 1) return undefined;
  const conditions = pieces.filter((_piece, at) => at % 2 === 0).map(parseCondition);
  if (conditions.some((condition) => condition === undefined)) return undefined;
  const all = conditions as readonly Condition[];
  return words.has("or")
    ? (object) => all.some((condition) => condition(object))
    : (object) => all.every((condition) => condition(object));
}

/** Conditions at even places, the words between them at odd ones. */
function splitOutsideQuotes(text: string): readonly string[] {
  const pieces: string[] = [];
  let rest = "";
  for (const part of text.split(/('(?:[^']|'')*')/)) {
    if (part.startsWith("'")) {
      rest += part;
      continue;
    }
    const split = part.split(/ (and|or) /i);
    for (const [at, piece] of split.entries()) {
      if (at % 2 === 0) rest += piece;
      else {
        pieces.push(rest, piece.toLowerCase());
        rest = "";
      }
    }
  }
  return [...pieces, rest];
}

function parseCondition(text: string): Condition | undefined {
  const trimmed = text.trim();
  const equal = /^(\w+) (eq|ne) (?:'((?:[^']|'')*)'|(true|false|null))$/i.exec(trimmed);
  if (equal !== null) {
    const [, member = "", operator = "", quoted, bare] = equal;
    const wanted = (quoted === undefined ? (bare ?? "") : unquoted(quoted)).toLowerCase();
    const same: Condition = (object) => String(object[member] ?? null).toLowerCase() === wanted;
    return operator.toLowerCase() === "eq" ? same : (object) => !same(object);
  }
  const any = /^(\w+)\/any\((\w+): *\2 eq '((?:[^']|'')*)'\)$/i.exec(trimmed);
  if (any !== null) {
    const [, member = "", , quoted = ""] = any;
    const wanted = unquoted(quoted).toLowerCase();
    return (object) => {
      const list = object[member];
      return Array.isArray(list) && list.some((entry) => String(entry).toLowerCase() === wanted);
    };
  }
  const starts = /^startswith\((\w+), *'((?:[^']|'')*)'\)$/i.exec(trimmed);
  if (starts !== null) {
    const [, member = "", quoted = ""] = starts;
    const wanted = unquoted(quoted).toLowerCase();
    return (object) =>
      String(object[member] ?? "")
        .toLowerCase()
        .startsWith(wanted);
  }
  return undefined;
}

function unquoted(text: string): string {
  return text.replaceAll("''", "'");
}

/**
 * Whole numbers that no double holds. Clients with 64-bit integers send them, the service keeps them, and JSON.parse
 * would round them; so the members of a document that have any are kept as their text. Apart from `json-text.ts`, which
 * gives every body its value, because few documents need this.
 */
/** Members of an object by name, as JSON text, minified and complete: those that would not survive being parsed. */
export type ExactMembers = ReadonlyMap<string, string>;

/** Shorter numbers are exact as doubles. */
const longNumber = /\d{16}/;
/** The service keeps what a signed or an unsigned integer of 64 bits can hold; beyond that numbers are doubles. */
const exactMin = -(2n ** 63n);
const exactMax = 2n ** 64n - 1n;

/** The members of the object in `text`, which must be valid JSON, that have such a number; undefined for none. */
export function exactMembers(text: string): ExactMembers | undefined {
  if (!longNumber.test(text)) return undefined;
  const found = new Map<string, string>();
  for (const { name, value } of partsOf(text)) {
    const exact = exactText(value);
    // Of members with one name the last one counts.
    if (exact === undefined) found.delete(name);
    else found.set(name, exact);
  }
  return found.size === 0 ? undefined : found;
}

/** The same for each object of the array in `text`, of the object that it has as its member `inner`. */
export function exactMembersOfEach(text: string, inner: string): readonly (ExactMembers | undefined)[] {
  if (!longNumber.test(text)) return [];
  return partsOf(text).map(({ value }) => {
    const last = partsOf(value).findLast(({ name }) => name === inner);
    return last === undefined ? undefined : exactMembers(last.value);
  });
}

/** Those of `exact`, members of `before`, that are in `after` with the same value and are not among `touched`. */
export function exactUnchanged(
  exact: ExactMembers | undefined,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  touched: ReadonlySet<string> = new Set(),
): ExactMembers | undefined {
  if (exact === undefined) return undefined;
  const isSame = (name: string): boolean => JSON.stringify(before[name]) === JSON.stringify(after[name]);
  return new Map([...exact].filter(([name]) => !touched.has(name) && isSame(name)));
}

interface Part {
  /** Empty for an element of an array. */
  readonly name: string;
  /** As it stands in the text. */
  readonly value: string;
}

/** The members or elements right below the object or array in `text`; none for another value. */
function partsOf(text: string): readonly Part[] {
  const parts: Part[] = [];
  let [depth, start, end, name] = [0, -1, 0, ""];
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g)) {
    const [token] = match;
    const closes = token === "]" || token === "}";
    if (depth === 1 && (closes || token === ",")) {
      if (start >= 0) parts.push({ name, value: text.slice(start, end) });
      [start, name] = [-1, ""];
    } else if (depth === 1 && token === ":") {
      name = JSON.parse(text.slice(start, end)) as string;
      start = -1;
    } else if (depth === 1 && start < 0) start = match.index;
    if (token === "[" || token === "{") depth++;
    else if (closes) depth--;
    end = match.index + token.length;
  }
  return parts;
}

/** The value as JSON.stringify would write it, with its exact numbers; undefined when there is none. */
function exactText(value: string): string | undefined {
  if (!longNumber.test(value)) return undefined;
  let has = false;
  const text = value.replace(/"(?:[^"\\]|\\.)*"|\s+|-?\d[\d.eE+-]*/g, (token) => {
    if (token.startsWith('"')) {
      const plain = JSON.parse(token) as string;
      return JSON.stringify(Buffer.from(plain, "utf8").toString("utf8"));
    }
    if (token.trim() === "") return "";
    if (!isExact(token)) return JSON.stringify(Number(token));
    has = true;
    return token;
  });
  return has ? text : undefined;
}

/** True for a whole number that is kept, and that would be written in other digits as a double. */
function isExact(token: string): boolean {
  if (!/^-?\d{16,20}$/.test(token) || String(Number(token)) === token) return false;
  const exact = BigInt(token);
  return exact >= exactMin && exact <= exactMax;
}

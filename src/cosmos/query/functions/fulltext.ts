/**
 * Full-text functions over a plain word tokenizer: letters and digits, lower case, no stemming and no stop words
 * (the service does both per language). BM25 with the usual constants.
 */
import { isArray, type Value } from "../values.ts";
import { type BuiltIn, pure } from "./signature.ts";

const K1 = 1.2;
const B = 0.75;

/** The words of a text in order. */
export function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** How often the words of `term` stand in a row in `list`. */
export function occurrences(list: readonly string[], term: string): number {
  const wanted = words(term);
  const [first] = wanted;
  if (first === undefined) return 0;
  let found = 0;
  for (let at = list.indexOf(first); at >= 0; at = list.indexOf(first, at + 1)) {
    if (wanted.every((word, i) => list[at + i] === word)) found++;
  }
  return found;
}

export interface TextStatistics {
  readonly documents: number;
  readonly words: number;
  /** Documents that hold each term, in the order of the terms. */
  readonly hits: readonly number[];
}

/** BM25 of `terms` for a text of `length` words holding them `counts` times. */
export function bm25(
  counts: readonly number[],
  length: number,
  { documents, words: total, hits }: TextStatistics,
): number {
  const average = documents === 0 ? 0 : total / documents;
  let score = 0;
  for (const [i, count] of counts.entries()) {
    const hit = hits[i] ?? 0;
    const rarity = Math.log(1 + (documents - hit + 0.5) / (hit + 0.5));
    const norm = K1 * (1 - B + (average === 0 ? 0 : (B * length) / average));
    if (count > 0) score += (rarity * count * (K1 + 1)) / (count + norm);
  }
  return score;
}

/** The terms of a score call: separate arguments, or in the older form one array. */
export function termsOf(args: readonly Value[]): readonly string[] | undefined {
  const list = args.length === 1 && isArray(args[0]) ? args[0] : args;
  return list.every((term) => typeof term === "string") ? (list as readonly string[]) : undefined;
}

function containing(name: string, test: (found: readonly boolean[]) => boolean): BuiltIn {
  return pure(name, 2, name === "FullTextContains" ? 2 : Number.POSITIVE_INFINITY, (text, ...terms) => {
    if (typeof text !== "string" || !terms.every((term) => typeof term === "string")) return undefined;
    const list = words(text);
    return test(terms.map((term) => occurrences(list, term) > 0));
  });
}

/** `_FullTextScore(text, terms, documents, words, hits)`: the form of rewritten hybrid queries. */
function scoreWithStatistics(...[text, terms, documents, total, hits]: Value[]): Value {
  if (typeof text !== "string" || !isArray(terms) || !isArray(hits)) return undefined;
  if (typeof documents !== "number" || typeof total !== "number") return undefined;
  const list = words(text);
  const counts = terms.map((term) => (typeof term === "string" ? occurrences(list, term) : 0));
  const numbers = hits.map((hit) => (typeof hit === "number" ? hit : 0));
  return bm25(counts, list.length, { documents, words: total, hits: numbers });
}

export const fullTextFunctions: readonly BuiltIn[] = [
  containing("FullTextContains", (found) => found[0] === true),
  containing("FullTextContainsAll", (found) => found.every(Boolean)),
  containing("FullTextContainsAny", (found) => found.some(Boolean)),
  pure("_FullTextScore", 5, 5, scoreWithStatistics),
  pure("_FullTextWordCount", 1, 1, (text) => (typeof text === "string" ? words(text).length : undefined)),
];

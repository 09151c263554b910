/**
 * A column in the making: keys as they come, each as a small number, and at last the column of some of them. Apart from
 * `column.ts`, which is about columns that are done, because here nothing is in order yet.
 *
 * Of equal values only the first is kept. The values of an item that was just parsed would otherwise all live until the
 * column is made, which for the garbage collector is the worst age to die at.
 */
import {
  type Column,
  createColumn,
  FALSE,
  FIRST_NUMBER,
  type IndexKey,
  MISSING,
  NULL,
  OBJECT,
  ordinalArray,
  TRUE,
} from "./column.ts";
import { packStrings } from "./strings.ts";

export interface KeyCodes {
  /** The code of a key; that of no value is 0. */
  add(key: IndexKey): number;
  /** The column with an entry for each of `codes`; `entryDocs` are the documents of the entries when they differ. */
  column(codes: Uint32Array, entryDocs?: Uint32Array): Column;
}

/** What a code holds: the kind in its low bits, above them the ordinal or the place among the values of the kind. */
const KIND_BITS = 2;
const KIND_MASK = 3;
const FIXED_KIND = 0;
const NUMBER_KIND = 1;
const STRING_KIND = 2;
const ENDS_KIND = 3;

/** Distinct values in the order in which they came. */
interface Distinct<T> {
  readonly ids: Map<T, number>;
  readonly values: T[];
}

export function createKeyCodes(): KeyCodes {
  const numbers: Distinct<number> = { ids: new Map(), values: [] };
  const strings: Distinct<string> = { ids: new Map(), values: [] };
  let signedZero = false;
  return {
    add(key) {
      if (key === undefined) return MISSING;
      if (typeof key === "string") return (idOf(strings, key) << KIND_BITS) | STRING_KIND;
      if (typeof key === "number") {
        signedZero ||= Object.is(key, -0);
        return (idOf(numbers, key) << KIND_BITS) | NUMBER_KIND;
      }
      if (typeof key === "symbol") return (Number(key === OBJECT) << KIND_BITS) | ENDS_KIND;
      return ((key === null ? NULL : key ? TRUE : FALSE) << KIND_BITS) | FIXED_KIND;
    },
    column(codes, entryDocs) {
      const sortedNumbers = Float64Array.from(valuesIn(numbers, codes, NUMBER_KIND)).sort();
      const sortedStrings = valuesIn(strings, codes, STRING_KIND).sort();
      const firstText = FIRST_NUMBER + sortedNumbers.length;
      const firstEnd = firstText + sortedStrings.length;
      const ordinals = [
        Uint32Array.of(MISSING, NULL, FALSE, TRUE),
        ordinalsById(numbers, sortedNumbers, FIRST_NUMBER),
        ordinalsById(strings, sortedStrings, firstText),
        Uint32Array.of(firstEnd, firstEnd + 1),
      ] as const;
      const ords = ordinalArray(firstEnd + 2, codes.length);
      for (let i = 0; i < codes.length; i++) {
        const code = codes[i] as number;
        const table = ordinals[(code & KIND_MASK) as typeof FIXED_KIND];
        ords[i] = table[code >>> KIND_BITS] as number;
      }
      const data = { numbers: sortedNumbers, strings: packStrings(sortedStrings), ords, signedZero };
      return createColumn(entryDocs === undefined ? data : { ...data, entryDocs });
    },
  };
}

function idOf<T>({ ids, values }: Distinct<T>, value: T): number {
  let id = ids.get(value);
  if (id === undefined) {
    id = values.push(value) - 1;
    ids.set(value, id);
  }
  return id;
}

/** The values that some of `codes` stand for: others may have come after them, or belong to what is dead. */
function valuesIn<T>({ values }: Distinct<T>, codes: Uint32Array, kind: number): T[] {
  const used = new Uint8Array(values.length);
  for (const code of codes) if ((code & KIND_MASK) === kind) used[code >>> KIND_BITS] = 1;
  return values.filter((_, id) => used[id] === 1);
}

/** By id, the ordinal of each value that is among the sorted ones. */
function ordinalsById<T>({ ids, values }: Distinct<T>, sorted: ArrayLike<T>, first: number): Uint32Array {
  const found = new Uint32Array(values.length);
  for (let i = 0; i < sorted.length; i++) found[ids.get(sorted[i] as T) ?? 0] = first + i;
  return found;
}

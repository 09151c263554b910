/**
 * Many short strings without an object for each: their code units one after another in one array, in ascending order
 * of code units, which is the order of the query language. One byte a unit while all are Latin-1, else two.
 */

/** Longer strings are cut to this many code units; then only the item tells what comes after. */
export const KEY_UNITS_MAX = 64;

export interface StringPool {
  /** Where each string begins, and at the end where the last one ends. */
  readonly offsets: Uint32Array;
  readonly units: Uint8Array | Uint16Array;
}

/** What the index keeps of a string: all of it, or one unit more than fits, which marks it as cut. */
export function stringKey(text: string): string {
  return text.length > KEY_UNITS_MAX ? text.slice(0, KEY_UNITS_MAX + 1) : text;
}

/** Packs distinct keys that are in order. */
export function packStrings(sorted: readonly string[]): StringPool {
  const offsets = new Uint32Array(sorted.length + 1);
  let total = 0;
  for (const [i, text] of sorted.entries()) {
    total += text.length;
    offsets[i + 1] = total;
  }
  const all = sorted.join("");
  const units = beyondLatin1.test(all) ? new Uint16Array(total) : new Uint8Array(total);
  const bytes = Buffer.from(units.buffer);
  bytes.write(all, units.BYTES_PER_ELEMENT === 1 ? "latin1" : "utf16le");
  return { offsets, units };
}

const beyondLatin1 = /[^\0-\u00ff]/;

export function poolSize(pool: StringPool): number {
  return pool.offsets.length - 1;
}

/** The units of a pool as bytes, for reading many of its strings. */
export function poolBytes({ units }: StringPool): Buffer {
  return Buffer.from(units.buffer, units.byteOffset, units.byteLength);
}

/** The string at `index`. */
export function stringAt(pool: StringPool, index: number, bytes: Buffer = poolBytes(pool)): string {
  const { offsets, units } = pool;
  const start = (offsets[index] as number) * units.BYTES_PER_ELEMENT;
  const end = (offsets[index + 1] as number) * units.BYTES_PER_ELEMENT;
  return bytes.toString(units.BYTES_PER_ELEMENT === 1 ? "latin1" : "utf16le", start, end);
}

/** True when the string at `index` is only the beginning of what the items hold. */
export function isCut({ offsets }: StringPool, index: number): boolean {
  return (offsets[index + 1] as number) - (offsets[index] as number) > KEY_UNITS_MAX;
}

/** Number of strings that sort before `key`; `upTo` counts an equal one, `upToPrefixed` all that begin with it, too. */
export function countStrings(
  pool: StringPool,
  key: string,
  which: "below" | "upTo" | "upToPrefixed",
): number {
  let low = 0;
  let high = poolSize(pool);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareTo(pool, middle, key);
    const counts =
      order < 0 || (order === 0 && which !== "below") || (order === PREFIXED && which === "upToPrefixed");
    if (counts) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Told apart from other positive results: the string begins with the key and goes on. */
const PREFIXED = 2;

/** Negative, zero or positive as the string at `index` sorts before, is equal to or sorts after `key`. */
function compareTo({ offsets, units }: StringPool, index: number, key: string): number {
  const start = offsets[index] as number;
  const length = (offsets[index + 1] as number) - start;
  const common = Math.min(length, key.length);
  for (let i = 0; i < common; i++) {
    const difference = (units[start + i] as number) - key.charCodeAt(i);
    if (difference !== 0) return difference < 0 ? -1 : 1;
  }
  return length > key.length ? PREFIXED : length - key.length;
}

/** The order of two strings of two pools. */
export function compareBetween(a: StringPool, i: number, b: StringPool, j: number): number {
  const aStart = a.offsets[i] as number;
  const bStart = b.offsets[j] as number;
  const aLength = (a.offsets[i + 1] as number) - aStart;
  const bLength = (b.offsets[j + 1] as number) - bStart;
  const common = Math.min(aLength, bLength);
  for (let k = 0; k < common; k++) {
    const difference = (a.units[aStart + k] as number) - (b.units[bStart + k] as number);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

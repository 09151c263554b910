/**
 * Bytes in a form that reads well in a failure, and what a range is by definition. The laws and the random histories
 * compare every adapter with this.
 */
import { compareKeys } from "../../src/storage/keys.ts";
import type { Bytes, Entry, KeyRange } from "../../src/storage/port.ts";

/** What a range is by definition. */
export function cut(model: ReadonlyMap<string, Bytes>, range: KeyRange, limit: number): Entry[] {
  const inside = [...model]
    .map(([key, value]) => ({ key: Uint8Array.from(Buffer.from(key, "hex")), value }))
    .filter(({ key }) => Buffer.compare(key, range.start) >= 0 && Buffer.compare(key, range.end) < 0)
    .sort((a, b) => compareKeys(a.key, b.key));
  return (range.reverse ? inside.reverse() : inside).slice(0, limit);
}

export function bytes(...values: number[]): Bytes {
  return Uint8Array.from(values);
}

export function hex(value: Bytes): string {
  return Buffer.from(value).toString("hex");
}

export function list(value: Bytes | undefined): number[] | undefined {
  return value === undefined ? undefined : [...value];
}

export function plain(entries: readonly Entry[]): [number[], number[]][] {
  return entries.map(({ key, value }) => [[...key], [...value]]);
}

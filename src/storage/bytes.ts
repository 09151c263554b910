/**
 * What a write puts in the place of a value, and copies of values. Apart from the overlay because the thread that
 * writes loads only this much of it.
 */
import type { Bytes } from "./port.ts";

/** Marks a key that is deleted in a layer. */
export const DELETED = null;

/** The same bytes in memory of their own, from Node's buffer pool when they are few: made for a short life. */
export function copyBytes(bytes: Bytes): Bytes {
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  return copy;
}

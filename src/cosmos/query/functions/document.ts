/**
 * Functions of an item's identity.
 */
import { canonicalKey, property, type Value } from "../values.ts";
import { type BuiltIn, pure } from "./signature.ts";

/** Bytes of a resource id before the item's own number. */
const PARENT_BYTES = 8;

/** The number inside `_rid`: its last eight bytes, least significant first. */
function documentId(item: Value): Value {
  const rid = property(item, "_rid");
  if (typeof rid !== "string") return undefined;
  const bytes = Buffer.from(rid.replaceAll("-", "/"), "base64");
  return bytes.length < PARENT_BYTES + 8 ? undefined : Number(bytes.readBigInt64LE(PARENT_BYTES));
}

/** A stable number for a value (the service's own hash is not published), below `modulo` when that is given. */
function hash(...args: Value[]): Value {
  const [value, modulo] = args;
  if (value === undefined) return undefined;
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(canonicalKey(value), "utf8")) state = Math.imul(state ^ byte, 0x01000193);
  const number = state >>> 0;
  if (args.length === 1) return number;
  if (typeof modulo !== "number" || !Number.isInteger(modulo) || modulo <= 0) return undefined;
  return number % modulo;
}

export const documentFunctions: readonly BuiltIn[] = [
  pure("DocumentId", 1, 1, documentId),
  pure("HASH", 1, 2, hash),
];

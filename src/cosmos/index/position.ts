/**
 * Where a page of results ended, for the page after it: an item number, or a place in the order of ORDER BY. It travels
 * in continuation tokens, so it is judged on the way in and kept short.
 */
import { createHash } from "node:crypto";
import { canonicalKey, type Value } from "../query/values.ts";

/** From this item number on. */
export type NumberPosition = number;

/** A document to begin at or after. */
export interface PlaceInOrder {
  readonly keys: readonly Value[];
  readonly number: number;
  readonly inclusive: boolean;
}

/** The same when the sort keys are too long for a token: they are read from the item, if it still has them. */
export interface DigestInOrder {
  /** Of the keys. */
  readonly digest: string;
  readonly number: number;
  readonly inclusive: boolean;
}

export interface OrderPosition {
  /** How many documents of the order come before it. */
  readonly rank: number;
  readonly place?: PlaceInOrder | DigestInOrder;
}

export type Position = NumberPosition | OrderPosition;

/** Bytes of sort keys in a token, which must stay below a kilobyte as text for a header. */
const keysBytesMax = 400;

/** The compact JSON form: a number, or `[rank]`, or `[rank, keys or digest, number, inclusive]`; undefined keys are `[]`. */
export function positionToJson(position: Position): unknown {
  if (typeof position === "number") return position;
  const { rank, place } = position;
  if (place === undefined) return [rank];
  return [rank, shortKeys(place), place.number, place.inclusive];
}

function shortKeys(place: PlaceInOrder | DigestInOrder): unknown {
  if ("digest" in place) return place.digest;
  const keys = place.keys.map((key) => (key === undefined ? [] : [key]));
  return Buffer.byteLength(JSON.stringify(keys)) > keysBytesMax ? keysDigest(place.keys) : keys;
}

export function keysDigest(keys: readonly Value[]): string {
  return createHash("sha256").update(keys.map(canonicalKey).join()).digest("base64url").slice(0, 16);
}

/** The position in `json`; undefined when it is none. `paths` is the number of sort keys of the query. */
export function positionFromJson(json: unknown, paths: number): Position | undefined {
  if (isCount(json)) return json;
  if (!Array.isArray(json)) return undefined;
  const [rank, keys, number, inclusive] = json as unknown[];
  if (!isCount(rank)) return undefined;
  if (json.length === 1) return { rank };
  if (json.length !== 4 || !isCount(number) || typeof inclusive !== "boolean") return undefined;
  if (typeof keys === "string") return { rank, place: { digest: keys, number, inclusive } };
  if (!Array.isArray(keys) || keys.length !== paths) return undefined;
  const values: Value[] = [];
  for (const key of keys as unknown[]) {
    if (!Array.isArray(key) || key.length > 1) return undefined;
    values.push((key as Value[])[0]);
  }
  return { rank, place: { keys: values, number, inclusive } };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/**
 * Where a page of results ended, for the page after it: an item number, or a place in the order of ORDER BY. It travels
 * in continuation tokens, so it is judged on the way in.
 */
import type { Value } from "../query/values.ts";

/** From this item number on. */
export type NumberPosition = number;

export interface OrderPosition {
  /** How many documents of the order come before it. */
  readonly rank: number;
  /** The document to begin at or after; absent when its sort keys are too long for a token. */
  readonly place?: { readonly keys: readonly Value[]; readonly number: number; readonly inclusive: boolean };
}

export type Position = NumberPosition | OrderPosition;

/** Characters of sort keys in a token; it travels in a header. */
const keysLengthMax = 2_000;

/** The compact JSON form: a number, or `[rank]`, or `[rank, keys, number, inclusive]` with undefined keys as `[]`. */
export function positionToJson(position: Position): unknown {
  if (typeof position === "number") return position;
  const { rank, place } = position;
  if (place === undefined) return [rank];
  const keys = place.keys.map((key) => (key === undefined ? [] : [key]));
  return JSON.stringify(keys).length > keysLengthMax
    ? [place.inclusive ? rank : rank + 1]
    : [rank, keys, place.number, place.inclusive];
}

/** The position in `json`; undefined when it is none. `paths` is the number of sort keys of the query. */
export function positionFromJson(json: unknown, paths: number): Position | undefined {
  if (isCount(json)) return json;
  if (!Array.isArray(json)) return undefined;
  const [rank, keys, number, inclusive] = json as unknown[];
  if (!isCount(rank)) return undefined;
  if (json.length === 1) return { rank };
  if (json.length !== 4 || !isCount(number) || typeof inclusive !== "boolean") return undefined;
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

/**
 * The resume state of a run: what must be remembered between two pages beside the caller's own place in the
 * container. Small, JSON, and judged on the way in, because clients can send back anything.
 */
import { plainError } from "./error.ts";

/**
 * `position`: rows flow while items are scanned. Still to skip (`offset`), still to return (`limit`, absent without
 * TOP or LIMIT), and how many rows of the item to be scanned again were already returned (`rows`).
 * `replay`: the query must see all items again; `rows` is how many of its rows were already returned.
 */
export type RunState =
  | { readonly kind: "position"; readonly offset: number; readonly limit?: number; readonly rows: number }
  | { readonly kind: "replay"; readonly rows: number };

/** A compact JSON form: `["p", offset, limit, rows]` or `["r", rows]`. */
export type StateJson = readonly (string | number | null)[];

export function stateToJson(state: RunState): StateJson {
  if (state.kind === "replay") return ["r", state.rows];
  return ["p", state.offset, state.limit ?? null, state.rows];
}

/** The state in `json`, which comes from a client's continuation token. Throws `QueryError` when it is not one. */
export function stateFromJson(json: unknown): RunState {
  if (Array.isArray(json)) {
    const [kind, ...numbers] = json as unknown[];
    if (kind === "r" && numbers.length === 1 && isCount(numbers[0]))
      return { kind: "replay", rows: numbers[0] };
    if (kind === "p" && numbers.length === 3) {
      const [offset, limit, rows] = numbers;
      if (isCount(offset) && isCount(rows)) {
        if (limit === null) return { kind: "position", offset, rows };
        if (isCount(limit)) return { kind: "position", offset, limit, rows };
      }
    }
  }
  throw plainError("The continuation token is not valid for this query.");
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

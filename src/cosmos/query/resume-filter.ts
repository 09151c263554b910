/**
 * The `resumeFilter` that a client may send beside a rewritten ORDER BY query: the sort keys, and in one partition
 * the item, at which its merge stopped. Kept apart from our own continuation, which clients cannot read.
 */
import { plainError } from "./error.ts";
import { compareOrder, isArray, isObject, property, type Value } from "./values.ts";

/** Tells whether a row with these sort keys and this `_rid` is still to come. */
export type ResumeTest = (keys: readonly Value[], rid: Value) => boolean;

/**
 * The test for `json`, `{"value": [..], "rid"?: "..", "exclude": bool}`: one value for each sort key, where an
 * undefined key is written `[]`. Throws `QueryError` for anything else, also for array and object keys, which
 * clients send as hashes that only the service can compute.
 */
export function compileResumeFilter(json: unknown, descending: readonly boolean[]): ResumeTest {
  const filter = json as Value;
  const list = property(filter, "value");
  const rid = property(filter, "rid") ?? null;
  if (!isArray(list) || list.length !== descending.length || (rid !== null && typeof rid !== "string")) {
    throw plainError("The resume filter does not fit the ORDER BY clause of the query.");
  }
  const exclude = property(filter, "exclude") === true;
  const values = list.map(resumeValue);
  const backwards = descending[0] === true ? -1 : 1;
  return (keys, rowRid) => {
    for (const [i, value] of values.entries()) {
      const order = compareOrder(keys[i], value);
      if (order !== 0) return descending[i] === true ? order < 0 : order > 0;
    }
    if (exclude || rid === null) return !exclude;
    return typeof rowRid !== "string" || compareRids(rowRid, rid) * backwards >= 0;
  };
}

function resumeValue(value: Value): Value {
  if (isArray(value)) return undefined;
  if (isObject(value)) throw plainError("A resume filter with array or object sort keys is not supported.");
  return value;
}

const ITEM_OFFSET = 8;

/** Items of one container order by the number in the last eight bytes of their resource id. */
function compareRids(left: string, right: string): number {
  const [a, b] = [left, right].map((rid) =>
    Buffer.from(rid.replaceAll("-", "/"), "base64").subarray(ITEM_OFFSET),
  );
  if (a?.length !== 8 || b?.length !== 8) return left < right ? -1 : left > right ? 1 : 0;
  return Number(a.readBigUInt64LE() - b.readBigUInt64LE());
}

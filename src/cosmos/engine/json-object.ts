/** Telling objects of parsed JSON from everything else: what clients send is of no type until it was looked at. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** True for an object, which neither null nor an array is. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

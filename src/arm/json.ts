/**
 * JSON values as the control plane handles them: typed, read without regard to the letter case of member names
 * (as the service's own reader does), and bounded in depth, so that a hostile body cannot exhaust the stack of
 * whatever walks it later.
 */
import { ArmError } from "../azure/arm-error.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [name: string]: Json;
}

/** Deeper than any template the service accepts, shallow enough for every recursive walk. */
export const jsonDepthMax = 128;

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** The member under its exact name or, failing that, under the first name that differs only in letter case. */
export function member(object: Json | undefined, name: string): Json | undefined {
  if (!isObject(object)) return undefined;
  if (Object.hasOwn(object, name)) return object[name];
  const key = memberName(object, name);
  return key === undefined ? undefined : object[key];
}

/** The spelling under which `object` has the member `name`, if it has it. */
export function memberName(object: JsonObject, name: string): string | undefined {
  if (Object.hasOwn(object, name)) return name;
  const wanted = name.toLowerCase();
  return Object.keys(object).find((key) => key.toLowerCase() === wanted);
}

export function stringMember(object: Json | undefined, name: string): string | undefined {
  const value = member(object, name);
  return typeof value === "string" ? value : undefined;
}

export function objectMember(object: Json | undefined, name: string): JsonObject | undefined {
  const value = member(object, name);
  return isObject(value) ? value : undefined;
}

/** A copy without the named members, whatever their letter case. */
export function without(object: JsonObject, names: readonly string[]): JsonObject {
  const dropped = new Set(names.map((name) => name.toLowerCase()));
  return Object.fromEntries(Object.entries(object).filter(([key]) => !dropped.has(key.toLowerCase())));
}

/** JSON merge patch (RFC 7396): members of `patch` replace or, when null, remove those of `target`. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const base = isObject(target) ? target : {};
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    const known = memberName(base, key) ?? key;
    if (value === null) merged.delete(known);
    else merged.set(known, mergePatch(merged.get(known), value));
  }
  return Object.fromEntries(merged);
}

/** True when containers nest at most `jsonDepthMax` deep. */
export function withinDepth(value: Json, left: number = jsonDepthMax): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (left === 0) return false;
  const parts: readonly Json[] = isArray(value) ? value : Object.values(value);
  return parts.every((part) => withinDepth(part, left - 1));
}

export function invalidContent(detail: string): ArmError {
  return new ArmError(
    400,
    "InvalidRequestContent",
    `The request content was invalid and could not be deserialized: '${detail}'.`,
  );
}

/** UTF-8 text of a request body without its byte order mark; throws ArmError 400 when it is not UTF-8. */
export function decodeBody(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw invalidContent("the body is not valid UTF-8");
  }
}

/** The JSON value of a request body, `undefined` for an empty one; throws ArmError 400 `InvalidRequestContent`. */
export function parseBody(body: Uint8Array): Json | undefined {
  const text = decodeBody(body);
  if (text.trim() === "") return undefined;
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (cause) {
    throw invalidContent(cause instanceof Error ? cause.message : "not JSON");
  }
  if (!withinDepth(value)) throw invalidContent(`the body nests deeper than ${jsonDepthMax} levels`);
  return value;
}

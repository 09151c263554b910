/**
 * What may be shown of a value whose declared type has secure parts (language version 2.0): a secure string inside an
 * object or a list is as secret as one that is a parameter by itself. Pure; apart from the parameters because outputs
 * are declared alike.
 */
import { isArray, isObject, type Json, type JsonObject, member, objectMember } from "../json.ts";
import { followReference } from "./parameters.ts";

/** A value without its secure parts; `value` is absent when all of it is secure. */
export interface ShownValue {
  readonly value?: Json;
  /** True when something was left out. */
  readonly hides: boolean;
}

/** `declaration` is the value's type; a reference in it that leads nowhere is an ArmError 400 `InvalidTemplate`. */
export function shownValue(value: Json, declaration: Json | undefined, definitions: JsonObject): ShownValue {
  if (!isObject(declaration)) return { value, hides: false };
  const schema = followReference(declaration, definitions);
  const type = member(schema, "type");
  if (typeof type === "string" && /^secure(string|object)$/i.test(type)) return { hides: true };
  if (isObject(value)) return shownObject(value, schema, definitions);
  if (isArray(value)) return shownList(value, schema, definitions);
  return { value, hides: false };
}

function shownObject(value: JsonObject, schema: JsonObject, definitions: JsonObject): ShownValue {
  const named = { ...objectMember(schema, "properties"), ...variantOf(value, schema, definitions) };
  const others = member(schema, "additionalProperties");
  const parts = Object.entries(value).map(
    ([name, each]) => [name, shownValue(each, member(named, name) ?? others, definitions)] as const,
  );
  const shown = parts.flatMap(([name, part]) => (part.value === undefined ? [] : [[name, part.value]]));
  return { value: Object.fromEntries(shown), hides: parts.some(([, { hides }]) => hides) };
}

/** The properties that the value has besides, by the one that tells which of several types it is. */
function variantOf(value: JsonObject, schema: JsonObject, definitions: JsonObject): JsonObject {
  const discriminator = objectMember(schema, "discriminator");
  const name = member(discriminator, "propertyName");
  const wanted = typeof name === "string" ? member(value, name) : undefined;
  const variant = objectMember(objectMember(discriminator, "mapping"), String(wanted ?? ""));
  return variant === undefined
    ? {}
    : (objectMember(followReference(variant, definitions), "properties") ?? {});
}

function shownList(value: readonly Json[], schema: JsonObject, definitions: JsonObject): ShownValue {
  const first = member(schema, "prefixItems");
  const rest = member(schema, "items");
  const parts = value.map((each, index) =>
    shownValue(each, (isArray(first) ? first[index] : undefined) ?? rest, definitions),
  );
  return { value: parts.map((part) => part.value ?? null), hides: parts.some(({ hides }) => hides) };
}

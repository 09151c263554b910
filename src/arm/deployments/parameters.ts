/** Parameters of a template: which are given, their defaults, types and limits, and what of them may be shown. */
import { clip } from "../errors.ts";
import { isArray, isObject, type Json, type JsonObject, member, memberName, objectMember } from "../json.ts";
import { describeType } from "./evaluate.ts";
import { canonicalText, equalValues } from "./functions/arguments.ts";
import type { Template } from "./template.ts";
import { invalidTemplate, place } from "./template-errors.ts";

export interface ParameterValue {
  readonly name: string;
  readonly type: ParameterType;
  readonly value: Json;
  /** The declared type. */
  readonly declaration: JsonObject;
  /** Where the value came from, when it is a secret of a key vault: shown in place of the value. */
  readonly reference?: JsonObject;
}

export type ParameterType = "String" | "SecureString" | "Int" | "Bool" | "Object" | "SecureObject" | "Array";

const types: readonly ParameterType[] = [
  "String",
  "SecureString",
  "Int",
  "Bool",
  "Object",
  "SecureObject",
  "Array",
];

function isSecure(type: ParameterType): boolean {
  return type === "SecureString" || type === "SecureObject";
}

/** The type a declaration names; throws ArmError 400 for none or an unknown one. */
export function readType(declaration: Json | undefined, owner: string): ParameterType {
  const written = member(declaration, "type");
  const wanted = typeof written === "string" ? written.toLowerCase() : "";
  const type = types.find((each) => each.toLowerCase() === wanted);
  if (type !== undefined) return type;
  throw invalidTemplate(
    `The type '${typeof written === "string" ? clip(written) : ""}' of ${owner} is not supported. Supported types are '${types.join(", ")}'.`,
  );
}

/** True for what has no type of its own: allowed in language version 2.0, and for types taken from a resource's. */
export function isUntyped(declaration: JsonObject, template: Template): boolean {
  if (member(declaration, "type") !== undefined) return false;
  const derived = member(member(declaration, "metadata"), "__bicep_resource_derived_type!");
  return template.symbolic || derived !== undefined;
}

/** The type of what is declared without one. */
export function typeOfValue(value: Json): ParameterType {
  if (typeof value === "string") return "String";
  if (typeof value === "number") return "Int";
  if (typeof value === "boolean") return "Bool";
  return isArray(value) ? "Array" : "Object";
}

const referenceDepthMax = 32;

/** A declaration with its `$ref` followed; members beside the reference win. */
export function followReference(
  declaration: JsonObject,
  definitions: JsonObject,
  left: number = referenceDepthMax,
): JsonObject {
  const reference = declaration["$ref"];
  if (typeof reference !== "string") return declaration;
  const target = referenceTarget(reference, definitions);
  if (target === undefined || left === 0) {
    throw invalidTemplate(`The type definition '${clip(reference)}' does not exist in the template.`);
  }
  const { $ref: _, ...own } = declaration;
  return { ...followReference(target, definitions, left - 1), ...own };
}

/** What a pointer such as `#/definitions/a/properties/b` leads to. */
function referenceTarget(reference: string, definitions: JsonObject): JsonObject | undefined {
  const [root, section, ...steps] = reference.split("/");
  if (root !== "#" || section !== "definitions" || steps.length === 0) return undefined;
  let target: Json | undefined = definitions;
  for (const step of steps) {
    const name = unescapeStep(step);
    target = isArray(target) ? target[Number(name)] : member(target, name);
  }
  return isObject(target) ? target : undefined;
}

/** One step of a JSON pointer in a URI fragment (RFC 6901, section 6); one that is no valid URI is taken as it is. */
function unescapeStep(step: string): string {
  try {
    return decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
  } catch {
    return step;
  }
}

/** Throws ArmError 400 when parameters are given that the template does not declare. */
export function rejectUnknown(template: Template, given: JsonObject): void {
  const unknown = Object.keys(given).filter((name) => memberName(template.parameters, name) === undefined);
  if (unknown.length === 0) return;
  const declared = Object.keys(template.parameters);
  const supported =
    declared.length === 0
      ? "The template has no parameters"
      : `The only supported parameters for this template are '${declared.join(", ")}'`;
  throw invalidTemplate(
    `The template parameters '${unknown.map(clip).join(", ")}' in the parameters file are not valid; they are not present in the original template and can therefore not be provided at deployment time. ${supported}. Please see https://aka.ms/arm-pass-parameter-values for usage details.`,
  );
}

/** What is given for the parameters of a template. */
export interface GivenParameters {
  /** The `parameters` section of the request. */
  readonly given: JsonObject;
  /** Values of those that refer to a key vault, by their lower-case names. */
  readonly secrets?: ReadonlyMap<string, string>;
}

/** The checked value of one parameter; `evaluateDefault` is called only when no value is given. */
export function readParameter(
  template: Template,
  { given, secrets }: GivenParameters,
  name: string,
  evaluateDefault: (value: Json) => Json,
): ParameterValue {
  const declared = template.parameters[name];
  const position = template.positionOf(template.parameters, name);
  if (!isObject(declared))
    throw invalidTemplate(`The template parameter '${name}' must be an object.`, position);
  const declaration = followReference(declared, template.definitions);
  const declaredType = isUntyped(declaration, template)
    ? undefined
    : readType(declaration, `the template parameter '${name}'`);
  const secret = secrets?.get(name.toLowerCase());
  const sent = secret ?? sentValue(member(given, name), name);
  const nullable = member(declaration, "nullable") === true;
  const initial = member(declaration, "defaultValue");
  let value = sent;
  if (value === undefined || (value === null && !nullable)) {
    if (initial !== undefined) value = evaluateDefault(initial);
    else if (nullable) return { name, type: declaredType ?? typeOfValue(null), value: null, declaration };
    else {
      throw invalidTemplate(
        `The value for the template parameter '${name}' ${place(position)} is not provided. Please see https://aka.ms/arm-create-parameter-file for usage details.`,
        position,
      );
    }
  }
  const type = declaredType ?? typeOfValue(value);
  if (value === null && nullable) return { name, type, value, declaration };
  checkType(name, type, value);
  checkLimits(name, declaration, value, secret !== undefined || isSecure(type));
  const reference = secret === undefined ? undefined : objectMember(member(given, name), "reference");
  return { name, type, value, declaration, ...(reference === undefined ? {} : { reference }) };
}

function sentValue(sent: Json | undefined, name: string): Json | undefined {
  if (sent === undefined || sent === null) return undefined;
  if (!isObject(sent)) {
    throw invalidTemplate(`The template parameter '${name}' must be given as an object with a 'value'.`);
  }
  if (member(sent, "reference") !== undefined) {
    throw invalidTemplate(`The reference of the template parameter '${name}' must be an object`);
  }
  return member(sent, "value");
}

function checkType(name: string, type: ParameterType, value: Json): void {
  const fits: Readonly<Record<ParameterType, boolean>> = {
    String: typeof value === "string",
    SecureString: typeof value === "string",
    Int: typeof value === "number" && Number.isInteger(value),
    Bool: typeof value === "boolean",
    Object: isObject(value),
    SecureObject: isObject(value),
    Array: isArray(value),
  };
  if (fits[type]) return;
  throw invalidTemplate(
    `Template parameter '${name}' JToken type is not valid. Expected '${type}'. Actual '${describeType(value)}'. Please see https://aka.ms/arm-create-parameter-file/#parameter-file for usage details.`,
  );
}

/** The value of a secret parameter is not repeated in messages. */
function checkLimits(name: string, declaration: JsonObject, value: Json, secret: boolean): void {
  const allowed = member(declaration, "allowedValues");
  if (isArray(allowed) && !isAllowed(allowed, value)) {
    throw invalidTemplate(
      `The provided value for the template parameter '${name}' is not valid. The value '${secret ? "***" : clip(plain(value))}' is not part of the allowed value(s): '${clip(allowed.map(plain).join(","))}'.`,
    );
  }
  const size = typeof value === "string" || isArray(value) ? value.length : undefined;
  const number = typeof value === "number" ? value : undefined;
  checkLimit(name, "length", size, member(declaration, "minLength"), member(declaration, "maxLength"));
  checkLimit(name, "value", number, member(declaration, "minValue"), member(declaration, "maxValue"));
}

/** An array may be one of the allowed values, or be made of them. */
function isAllowed(allowed: readonly Json[], value: Json): boolean {
  if (allowed.some((each) => equalValues(each, value))) return true;
  if (!isArray(value)) return false;
  const known = new Set(allowed.map(canonicalText));
  return value.every((each) => known.has(canonicalText(each)));
}

function plain(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function checkLimit(
  name: string,
  what: "length" | "value",
  actual: number | undefined,
  min: Json | undefined,
  max: Json | undefined,
): void {
  if (actual === undefined) return;
  const low = typeof min === "number" && actual < min;
  const high = typeof max === "number" && actual > max;
  if (!low && !high) return;
  const limit = low ? `less than the minimum ${what} '${min}'` : `greater than the maximum ${what} '${max}'`;
  throw invalidTemplate(
    `The provided value for the template parameter '${name}' is not valid: its ${what} '${actual}' is ${limit}.`,
  );
}

/**
 * The outer form of a template and of the deployment that carries it: which sections there are and of which type.
 * What the sections mean is in `parameters.ts`, `scope-functions.ts` and `instances.ts`.
 */
import { ArmError } from "../../azure/arm-error.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
} from "../json.ts";
import type { LenientDocument, Position } from "./lenient-json.ts";
import { invalidTemplate } from "./template-errors.ts";

export interface Template {
  readonly document: JsonObject;
  /** True for `languageVersion` 2.0, where resources are an object keyed by symbolic names. */
  readonly symbolic: boolean;
  readonly parameters: JsonObject;
  readonly variables: JsonObject;
  readonly outputs: JsonObject;
  readonly definitions: JsonObject;
  readonly functions: readonly JsonObject[];
  /** Resources in the order of the document, with their symbolic names if they have any. */
  readonly resources: readonly { readonly symbol: string | undefined; readonly resource: JsonObject }[];
  readonly positionOf: (object: object, name: string) => Position | undefined;
}

export interface DeploymentRequest {
  readonly template: Template;
  readonly parameters: JsonObject;
  readonly mode: "Incremental" | "Complete";
  readonly location: string | undefined;
  readonly tags: JsonObject | undefined;
}

const schemaPattern =
  /^https?:\/\/schema\.management\.azure\.com\/schemas\/[\w.-]+\/(subscription|managementGroup|tenant)?deploymentTemplate\.json#?$/i;

/** Reads the body of a deployment request. Throws ArmError 400 for what is missing, 501 for linked templates. */
export function readDeployment(document: LenientDocument): DeploymentRequest {
  const properties = objectMember(document.value, "properties");
  if (properties === undefined) throw invalidRequest("The property 'properties' is required.");
  if (
    member(properties, "templateLink") !== undefined ||
    member(properties, "parametersLink") !== undefined
  ) {
    throw new ArmError(
      501,
      "NotImplemented",
      "Linked templates and parameters are not implemented; send them inline.",
    );
  }
  const template = objectMember(properties, "template");
  if (template === undefined) throw invalidRequest("The property 'properties.template' is required.");
  const mode = stringMember(properties, "mode") ?? "Incremental";
  const known = (["Incremental", "Complete"] as const).find(
    (each) => each.toLowerCase() === mode.toLowerCase(),
  );
  if (known === undefined)
    throw invalidRequest(`The deployment mode '${mode.slice(0, 100)}' is not supported.`);
  return {
    template: readTemplate(template, document.positionOf),
    parameters: objectMember(properties, "parameters") ?? {},
    mode: known,
    location: stringMember(document.value, "location"),
    tags: objectMember(document.value, "tags"),
  };
}

function invalidRequest(message: string): ArmError {
  return new ArmError(400, "InvalidDeployment", message);
}

function readTemplate(document: JsonObject, positionOf: Template["positionOf"]): Template {
  const schema = stringMember(document, "$schema");
  if (schema === undefined || !schemaPattern.test(schema)) {
    throw invalidTemplate(
      `Template schema '${(schema ?? "").slice(0, 200)}' is not supported. Supported versions are '2014-04-01-preview,2015-01-01,2018-05-01,2019-04-01,2019-08-01'. Please see https://aka.ms/arm-template for usage details.`,
    );
  }
  const version = stringMember(document, "contentVersion");
  if (version === undefined || !/^\d+\.\d+\.\d+\.\d+$/.test(version)) {
    throw invalidTemplate("The template must have a 'contentVersion' such as '1.0.0.0'.");
  }
  const language = stringMember(document, "languageVersion") ?? "1.0";
  const symbolic = language.startsWith("2.");
  return {
    document,
    symbolic,
    parameters: section(document, "parameters"),
    variables: section(document, "variables"),
    outputs: section(document, "outputs"),
    definitions: section(document, "definitions"),
    functions: readFunctions(member(document, "functions")),
    resources: readResources(member(document, "resources"), symbolic),
    positionOf,
  };
}

function section(document: JsonObject, name: string): JsonObject {
  const value = member(document, name);
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw invalidTemplate(`The section '${name}' of the template must be an object.`);
  return value;
}

function readFunctions(value: Json | undefined): readonly JsonObject[] {
  if (value === undefined || value === null) return [];
  if (isArray(value) && value.every(isObject)) return value;
  throw invalidTemplate("The section 'functions' of the template must be an array of objects.");
}

function readResources(value: Json | undefined, symbolic: boolean): Template["resources"] {
  if (value === undefined || value === null) {
    throw invalidTemplate("The template must have a 'resources' section.");
  }
  if (symbolic && isObject(value)) {
    return Object.entries(value).map(([symbol, resource]) => {
      if (!isObject(resource)) throw invalidTemplate(`The template resource '${symbol}' must be an object.`);
      return { symbol, resource };
    });
  }
  if (!isArray(value)) {
    throw invalidTemplate(
      `The section 'resources' of the template must be ${symbolic ? "an object or an array" : "an array"}.`,
    );
  }
  return value.map((resource) => {
    if (!isObject(resource)) throw invalidTemplate("Each template resource must be an object.");
    return { symbol: undefined, resource };
  });
}

/**
 * The outer form of a template and of the deployment that carries it: which sections there are and of which type.
 * What the sections mean is in `parameters.ts`, `scope-functions.ts` and `instances.ts`.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { clip } from "../errors.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
} from "../json.ts";
import type { Call } from "../operation.ts";
import { resolveSecrets, type Secrets } from "./key-vault-parameters.ts";
import type { LenientDocument, Position } from "./lenient-json.ts";
import { type ContentLink, fetchLink, readLink } from "./links.ts";
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
  /** As given; the values of references are in `secrets`. */
  readonly parameters: JsonObject;
  readonly secrets: Secrets;
  /** Where the template and the parameters came from, when they were not sent along. */
  readonly templateLink: ContentLink | undefined;
  readonly parametersLink: ContentLink | undefined;
  readonly mode: "Incremental" | "Complete";
  /** How much is looked at before the run: rights to write, rights to read, or the template alone. */
  readonly validationLevel: "Provider" | "ProviderNoRbac" | "Template";
  readonly location: string | undefined;
  readonly tags: JsonObject | undefined;
}

const schemaPattern =
  /^https?:\/\/schema\.management\.azure\.com\/schemas\/[\w.-]+\/(subscription|managementGroup|tenant)?deploymentTemplate\.json#?$/i;

/**
 * Reads the body of a deployment request and brings in what it only names: linked content and secrets. Throws ArmError
 * for what is missing or cannot be had.
 */
export async function loadDeployment(call: Call, document: LenientDocument): Promise<DeploymentRequest> {
  const properties = objectMember(document.value, "properties");
  if (properties === undefined) throw invalidRequest("The property 'properties' is required.");
  const mode = choice(properties, "mode", ["Incremental", "Complete"], "deployment mode");
  const levels = ["Provider", "ProviderNoRbac", "Template"] as const;
  const validationLevel = choice(properties, "validationLevel", levels, "validation level");
  const { template, link: templateLink } = await loadTemplate(call, properties, document);
  const { parameters, link: parametersLink } = await loadParameters(call, properties);
  return {
    template,
    parameters,
    secrets: await resolveSecrets(call, template.parameters, parameters),
    templateLink,
    parametersLink,
    mode,
    validationLevel,
    location: stringMember(document.value, "location"),
    tags: objectMember(document.value, "tags"),
  };
}

/** Throws ArmError 400 for a nested deployment that would delete: only the outermost may ("deployment modes"). */
export function requireIncremental({ mode }: DeploymentRequest, name: string): void {
  if (mode === "Incremental") return;
  throw invalidTemplate(
    `The nested deployment '${clip(name)}' has the mode '${mode}'. Only root-level templates support it; nested and linked ones must use 'Incremental'`,
  );
}

/** The member as one of `known`, the first of which it is when it is absent. */
function choice<T extends string>(
  properties: JsonObject,
  name: string,
  known: readonly [T, ...T[]],
  what: string,
): T {
  const sent = stringMember(properties, name) ?? known[0];
  const found = known.find((each) => each.toLowerCase() === sent.toLowerCase());
  if (found !== undefined) return found;
  throw invalidRequest(`The ${what} '${sent.slice(0, 100)}' is not supported.`);
}

async function loadTemplate(
  call: Call,
  properties: JsonObject,
  document: LenientDocument,
): Promise<{ readonly template: Template; readonly link: ContentLink | undefined }> {
  const sent = objectMember(properties, "template");
  const named = objectMember(properties, "templateLink");
  if (sent !== undefined && named !== undefined) {
    throw invalidRequest("Only one of 'properties.template' and 'properties.templateLink' can be given.");
  }
  if (sent !== undefined) return { template: readTemplate(sent, document.positionOf), link: undefined };
  if (named === undefined) throw invalidRequest("The property 'properties.template' is required.");
  const link = readLink(named, "templateLink");
  const content = await fetchLink(call, link);
  if (!isObject(content.value)) throw invalidTemplate("The linked template must be an object");
  return { template: readTemplate(content.value, content.positionOf), link };
}

async function loadParameters(
  call: Call,
  properties: JsonObject,
): Promise<{ readonly parameters: JsonObject; readonly link: ContentLink | undefined }> {
  const sent = objectMember(properties, "parameters");
  const named = objectMember(properties, "parametersLink");
  if (named === undefined) return { parameters: sent ?? {}, link: undefined };
  if (sent !== undefined && Object.keys(sent).length > 0) {
    throw invalidRequest("Only one of 'properties.parameters' and 'properties.parametersLink' can be given.");
  }
  const link = readLink(named, "parametersLink");
  const parameters = objectMember((await fetchLink(call, link)).value, "parameters");
  if (parameters === undefined) {
    throw invalidRequest(`The content of '${clip(link.uri ?? link.id ?? "")}' has no 'parameters'.`);
  }
  return { parameters, link };
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

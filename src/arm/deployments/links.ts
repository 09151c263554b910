/**
 * Templates and parameters that a deployment names instead of carrying: by address, which the server fetches, or as a
 * version of a template spec, which is a resource of this control plane. What is fetched is read like what is sent.
 */
import { newestVersion } from "../../azure/api-versions.ts";
import { ArmError, type ArmErrorDetail } from "../../azure/arm-error.ts";
import { parseResourceId } from "../../azure/resource-id.ts";
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
import { type LenientDocument, parseLenient } from "./lenient-json.ts";
import { invalidTemplate } from "./template-errors.ts";

/** Where a template came from; what its nested deployments name relative to it is found from here. */
export interface ContentLink {
  /** The address, without what it takes to be let in. */
  readonly uri?: string;
  /** A token for the address, with its question mark; never shown. */
  readonly queryString?: string;
  /** The id of a template spec's version. */
  readonly id?: string;
  readonly relativePath?: string;
  readonly contentVersion?: string;
}

/** Reads a `templateLink` or `parametersLink`. Throws ArmError 400 for one that names nothing. */
export function readLink(value: JsonObject, what: string): ContentLink {
  const [uri, id] = [stringMember(value, "uri"), stringMember(value, "id")];
  if (uri === undefined && id === undefined) {
    const relative = stringMember(value, "relativePath") !== undefined;
    throw invalidTemplate(
      relative
        ? `The relativePath '${clip(stringMember(value, "relativePath") ?? "")}' of '${what}' needs a parent deployment whose own template is linked`
        : `The '${what}' must have a 'uri'${what === "templateLink" ? " or the 'id' of a template spec version" : ""}`,
    );
  }
  const relativePath = stringMember(value, "relativePath");
  const contentVersion = stringMember(value, "contentVersion");
  const mark = uri === undefined ? -1 : uri.indexOf("?");
  const own = uri === undefined || mark < 0 ? "" : uri.slice(mark);
  const queryString = own === "" ? withMark(stringMember(value, "queryString") ?? "") : own;
  return {
    ...(uri === undefined ? {} : { uri: mark < 0 ? uri : uri.slice(0, mark) }),
    ...(queryString === "" ? {} : { queryString }),
    ...(id === undefined ? {} : { id }),
    ...(relativePath === undefined ? {} : { relativePath }),
    ...(contentVersion === undefined ? {} : { contentVersion }),
  };
}

function withMark(query: string): string {
  return query === "" || query.startsWith("?") ? query : `?${query}`;
}

/** A link as it may be shown: tokens stay with who sent them. */
export function shownLink({ queryString: _, ...shown }: ContentLink): JsonObject {
  return shown;
}

/**
 * The link of a nested deployment with its relative path resolved against where its parent's template came from;
 * what names a place of its own stays as it is.
 */
export function resolveRelative(link: JsonObject, parent: ContentLink | undefined): JsonObject {
  const relativePath = stringMember(link, "relativePath");
  const named = member(link, "uri") !== undefined || member(link, "id") !== undefined;
  if (relativePath === undefined || named || parent === undefined) return link;
  if (parent.id !== undefined) return { ...link, id: parent.id };
  const base = parent.uri ?? "";
  if (!URL.canParse(relativePath, base)) return link;
  const { relativePath: _, ...rest } = link;
  const query = stringMember(link, "queryString") ?? parent.queryString;
  const uri = new URL(relativePath, base).href;
  return { ...rest, uri, ...(query === undefined ? {} : { queryString: query }) };
}

/** The content behind a link. Throws ArmError 400 `InvalidContentLink` when it cannot be had, and what reading it throws. */
export async function fetchLink(call: Call, link: ContentLink): Promise<LenientDocument> {
  const content = link.id === undefined ? await download(call, link) : await readTemplateSpec(call, link);
  const version = stringMember(content.value, "contentVersion");
  if (link.contentVersion !== undefined && version !== link.contentVersion) {
    throw invalidTemplate(
      `The content version '${clip(version ?? "")}' of '${nameOf(link)}' does not match the version '${clip(link.contentVersion)}' of the link`,
    );
  }
  return content;
}

function nameOf({ uri, id, relativePath }: ContentLink): string {
  return clip(uri ?? [id, relativePath].filter((part) => part !== undefined).join(" "));
}

async function download(call: Call, link: ContentLink): Promise<LenientDocument> {
  const address = `${link.uri ?? ""}${link.queryString ?? ""}`;
  if (!URL.canParse(address)) throw unavailable(call, link, "it is no absolute address");
  const result = await call.plane.download(new URL(address));
  if ("refused" in result) throw unavailable(call, link, result.refused);
  try {
    return parseLenient(result.text);
  } catch (error) {
    if (!(error instanceof ArmError)) throw error;
    // The text of the address is not repeated: whoever may deploy could read with our eyes what he cannot reach.
    throw unavailable(call, link, "it is not JSON");
  }
}

/** The service's words; why it failed is a detail of ours. */
function unavailable({ requestId }: Call, link: ContentLink, why: string): ArmError {
  const details: ArmErrorDetail[] = [
    { code: "LinkedContentUnavailable", message: `The content was not fetched: ${why}.` },
  ];
  return new ArmError(
    400,
    "InvalidContentLink",
    `Unable to download deployment content from '${nameOf(link)}'. The tracking Id is '${requestId}'. Please see https://aka.ms/arm-deploy for usage details.`,
    { details },
  );
}

/** The template of a spec's version, or the one of its linked templates that a relative path names. */
async function readTemplateSpec(call: Call, link: ContentLink): Promise<LenientDocument> {
  const id = link.id ?? "";
  const types = parseResourceId(id)?.segments.map(({ type }) => type.toLowerCase());
  if (types?.join("/") !== "templatespecs/versions") {
    throw invalidTemplate(`The 'id' of a template link must be a template spec version; it is '${clip(id)}'`);
  }
  const apiVersion = newestVersion("Microsoft.Resources/templateSpecs/versions");
  const { body } = await call.dispatch({ method: "GET", id, apiVersion });
  const properties = objectMember(body as Json, "properties");
  const template =
    link.relativePath === undefined
      ? objectMember(properties, "mainTemplate")
      : linkedTemplate(member(properties, "linkedTemplates"), link.relativePath);
  if (template === undefined) {
    const part = link.relativePath === undefined ? "main template" : `template '${clip(link.relativePath)}'`;
    throw invalidTemplate(`The template spec version '${clip(id)}' has no ${part}`);
  }
  return { value: template, positionOf: () => undefined };
}

function linkedTemplate(linked: Json | undefined, path: string): JsonObject | undefined {
  const wanted = plainPath(path);
  const found = (isArray(linked) ? linked : []).find(
    (each) => isObject(each) && plainPath(stringMember(each, "path") ?? "") === wanted,
  );
  return objectMember(found, "template");
}

/** Paths inside a template spec: separators of both systems, no leading `./`, any letter case. */
function plainPath(path: string): string {
  return path
    .replaceAll("\\", "/")
    .replace(/^(\.\/)+/, "")
    .toLowerCase();
}

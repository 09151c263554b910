/**
 * `$expand` of Microsoft Graph: puts what an object is related to into the object (learn.microsoft.com, "Customize
 * responses with query parameters"). Apart from the other options, because it reads the directory, and because each
 * relation takes the right to read it.
 */
import type { DirectoryObject } from "../records.ts";
import { readObject } from "../records.ts";
import type { GraphContext } from "./call.ts";
import { selected } from "./query-options.ts";
import { relatedTo, relationName } from "./relations.ts";
import { GraphError } from "./shapes.ts";

/** Objects of a relation that the service puts into another object; for more there are the lists. */
const expandedMax = 20;

export interface Expansion {
  /** A name of `relations.ts`. */
  readonly relation: string;
  /** The `$select` of the related objects. */
  readonly query: URLSearchParams;
}

/** Kinds of the objects that begin a path. */
const kinds: Readonly<Record<string, DirectoryObject["kind"]>> = {
  applications: "application",
  groups: "group",
  me: "user",
  serviceprincipals: "servicePrincipal",
  users: "user",
};

/**
 * The relations that `$expand` names, of the objects that `path` (of the table) answers with. Throws GraphError: 400 for
 * what such objects do not have or what cannot be read, 501 for options that are not built.
 */
export function expansionsOf(path: string, query: URLSearchParams): readonly Expansion[] {
  const text = query.get("$expand");
  if (text === null) return [];
  const [resource = "", , below] = path.split("/");
  const kind = below === undefined ? kinds[resource.toLowerCase()] : undefined;
  return splitOutsideBrackets(text).map((part) => {
    const [, name, options] = /^\s*(\w+)\s*(?:\((.*)\))?\s*$/s.exec(part) ?? [];
    if (name === undefined)
      throw unreadable(`Term '${part.slice(0, 100)}' is not valid in a $expand expression.`);
    const relation = kind === undefined ? undefined : relationName(kind, name);
    if (relation !== undefined) return { relation, query: nestedQuery(options ?? "") };
    if (kind !== undefined && otherRelations.includes(name.toLowerCase())) throw notBuilt(`$expand=${name}`);
    const type = `microsoft.graph.${kind ?? "directoryObject"}`;
    throw unreadable(`Could not find a property named '${name.slice(0, 100)}' on type '${type}'.`);
  });
}

/** Relations that Graph has and the subset has not. */
const otherRelations = [
  ...["approleassignedto", "createdobjects", "directreports", "extensions", "manager"],
  ...["oauth2permissiongrants", "owneddevices", "ownedobjects", "registereddevices"],
];

/** The related objects by their relation's name, for the object of this id. */
export async function expanded(
  context: GraphContext,
  id: unknown,
  expansions: readonly Expansion[],
): Promise<Readonly<Record<string, unknown>>> {
  if (expansions.length === 0) return {};
  const object = await readObject(context.store, String(id));
  if (object === undefined) return {};
  const found: Record<string, unknown> = {};
  for (const { relation, query } of expansions) {
    const related = await relatedTo(context, object, relation);
    found[relation] = related.slice(0, expandedMax).map((shape) => selected(shape, query));
  }
  return found;
}

function nestedQuery(options: string): URLSearchParams {
  const query = new URLSearchParams();
  for (const option of options.split(";").filter((part) => part.trim() !== "")) {
    const [name = "", value = ""] = option.split("=", 2);
    if (name.trim() !== "$select") throw notBuilt(`${name.trim()} inside $expand`);
    query.set("$select", value);
  }
  return query;
}

function splitOutsideBrackets(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "(") depth++;
    else if (text[at] === ")") depth--;
    else if (text[at] === "," && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, text.slice(start)];
}

function unreadable(message: string): GraphError {
  return new GraphError(400, "BadRequest", `Parsing OData Select and Expand failed: ${message}`);
}

function notBuilt(what: string): GraphError {
  return new GraphError(
    501,
    "NotImplemented",
    `Celestite does not implement '${what.slice(0, 200)}' of Microsoft Graph.`,
  );
}

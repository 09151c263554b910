/**
 * The actions of Microsoft Graph that ask in which groups an object is ("directoryObject: getMemberGroups" and its like).
 * All of them look through groups inside groups. Directory roles and administrative units are not kept here, so an object
 * is in groups only.
 */
import type { DirectoryObject } from "../records.ts";
import { readObject } from "../records.ts";
import { checkId, type GraphCall, type GraphResult } from "./call.ts";
import { badRequest } from "./shapes.ts";

/** Ids that one check may name (documented limit). */
const checkedMax = 20;

/** `getMemberGroups` and `getMemberObjects`: the ids of all groups that `object` is in. */
export async function memberGroups(
  { context, body }: GraphCall,
  object: DirectoryObject,
): Promise<GraphResult> {
  const securityOnly = body["securityEnabledOnly"] ?? false;
  if (typeof securityOnly !== "boolean") throw badRequest("'securityEnabledOnly' is true or false.");
  // Every group here is a security group.
  if (securityOnly && object.kind === "group") {
    throw badRequest("To get security groups, the member must be a user.");
  }
  return { kind: "texts", values: await context.directory.groupsOf(object.id) };
}

/** `checkMemberGroups` and `checkMemberObjects`: those of the ids in the body's `member` whose groups `object` is in. */
export async function checkMembership(
  { context, body }: GraphCall,
  object: DirectoryObject,
  member: "groupIds" | "ids",
): Promise<GraphResult> {
  const wanted = idsOf(body, member, checkedMax);
  const groups = new Set(await context.directory.groupsOf(object.id));
  return { kind: "texts", values: wanted.filter((id) => groups.has(id)) };
}

/** The objects that the body's `ids` name, of the `types` that it names; all types without any. Missing ones are left out. */
export async function objectsByIds({ context, body }: GraphCall): Promise<readonly DirectoryObject[]> {
  const ids = idsOf(body, "ids", 1000);
  const types = body["types"] ?? [];
  if (!Array.isArray(types) || types.some((type) => typeof type !== "string")) {
    throw badRequest("'types' is a list of names of types.");
  }
  const wanted = types.map((type) => String(type).toLowerCase());
  const all = wanted.length === 0 || wanted.includes("directoryobject");
  const objects: DirectoryObject[] = [];
  for (const id of ids) {
    const object = await readObject(context.store, id);
    if (object === undefined) continue;
    if (all || wanted.includes(object.kind.toLowerCase())) objects.push(object);
  }
  return objects;
}

/** The ids in a member of the body, each once. Throws GraphError 400 for what is no list of at most `max` ids. */
function idsOf(body: GraphCall["body"], member: string, max: number): readonly string[] {
  const given: unknown = body[member];
  if (!Array.isArray(given)) throw badRequest(`A value is required for property '${member}' of resource.`);
  if (given.length > max) throw badRequest(`'${member}' is a list of at most ${max} ids.`);
  const ids = given.map((id: unknown) => {
    if (typeof id !== "string") throw badRequest(`'${member}' is a list of ids.`);
    checkId(id);
    return id.toLowerCase();
  });
  return [...new Set(ids)];
}

/**
 * What directory objects are related to: the lists below an object's path, which `$expand` puts into the object itself.
 * Nobody can be made an owner here, and applications have no roles to assign, so those lists are empty.
 */
import type { DirectoryObject } from "../records.ts";
import { collection, readObject, scanRecords } from "../records.ts";
import type { GraphContext } from "./call.ts";
import { limited, type Shape, shapeOf } from "./shapes.ts";

type Relation = (context: GraphContext, object: DirectoryObject) => Promise<readonly Shape[]>;

/** The groups that name the object among their members. */
const memberOf: Relation = async (context, { id }) =>
  shapesOf(context, await scanRecords<string>(context.store, collection.memberships(id)));

/** Those, and the groups that these are in. */
const transitiveMemberOf: Relation = async (context, { id }) =>
  shapesOf(context, await context.directory.groupsOf(id));

const members: Relation = async (context, { id }) =>
  shapesOf(context, await scanRecords<string>(context.store, collection.members(id)));

/** Members of the group and of the groups among them, each once; groups may hold one another. */
const transitiveMembers: Relation = async (context, { id }) => {
  const found = new Set<string>();
  const groups = [id];
  for (let group = groups.pop(); group !== undefined; group = groups.pop()) {
    for (const member of await scanRecords<string>(context.store, collection.members(group))) {
      if (!found.has(member)) groups.push(member);
      found.add(member);
    }
  }
  return shapesOf(context, [...found]);
};

const none: Relation = async () => [];

const federatedIdentityCredentials: Relation = async ({ applications }, object) => {
  if (object.kind !== "application") return [];
  const credentials = await applications.federatedCredentials(object.appId);
  return credentials.map((credential) => ({ id: credential.name, ...credential }));
};

const memberships = { memberOf, transitiveMemberOf };

const relations: Readonly<Record<DirectoryObject["kind"], Readonly<Record<string, Relation>>>> = {
  application: { federatedIdentityCredentials, owners: none },
  group: { ...memberships, appRoleAssignments: none, members, owners: none, transitiveMembers },
  servicePrincipal: { ...memberships, appRoleAssignments: none, owners: none },
  user: { ...memberships, appRoleAssignments: none },
};

/** The name of a relation as Graph spells it; undefined when objects of the kind have none of that name here. */
export function relationName(kind: DirectoryObject["kind"], name: string): string | undefined {
  return Object.keys(relations[kind]).find((known) => known.toLowerCase() === name.toLowerCase());
}

/** What the object is related to under this name; nothing for a name that its kind does not have. */
export async function relatedTo(
  context: GraphContext,
  object: DirectoryObject,
  name: string,
): Promise<readonly Shape[]> {
  return (await relations[object.kind][name]?.(context, object)) ?? [];
}

/**
 * Objects of any kind, which therefore say what they are; no more of those that the caller may not read (Microsoft Graph
 * permissions, "Limited information returned for inaccessible member objects").
 */
async function shapesOf(context: GraphContext, ids: readonly string[]): Promise<readonly Shape[]> {
  const values: Shape[] = [];
  for (const id of ids) {
    const object = await readObject(context.store, id);
    if (object === undefined) continue;
    const shape = shapeOf(object, context.tenantId, true);
    values.push(context.reads(object.kind) ? shape : limited(shape));
  }
  return values;
}

/**
 * Azure roles on the command line: which built-in role would allow an action and where, and giving one. Apart from the
 * data roles of `role.ts`, which belong to a Cosmos account and are another system.
 */
import { actionMatches } from "../authz/action.ts";
import type { Principal } from "../azure/principal.ts";
import { type BuiltInRole, builtInRoles } from "../azure/roles.ts";
import { CommandError } from "./command.ts";
import { requireArm, type Server } from "./server.ts";

const api = "api-version=2022-04-01";

/** True for an id of Azure Resource Manager; data roles have scopes of their own, like `/dbs/shop`. */
export function isAzureScope(scope: string): boolean {
  return /^\/(subscriptions|providers)\//i.test(scope);
}

/**
 * The built-in role that allows an action and little else: a reader's for reading, else the one that speaks of the
 * action most exactly, else one that may do everything. Undefined when no built-in role allows it.
 */
export function narrowestRole(action: string): string | undefined {
  const allowing = builtInRoles.filter((role) => grants(role, action) > 0);
  const general = ["Reader", "Contributor", "Owner"].filter((name) =>
    allowing.some(({ roleName }) => roleName === name),
  );
  if (/\/read$/i.test(action)) return general[0];
  // Most roles carry the right to deploy besides their own; that says nothing about them.
  const own = /^Microsoft\.Resources\//i.test(action)
    ? []
    : allowing.filter((role) => !general.includes(role.roleName));
  const [best] = own.toSorted(
    (a, b) => grants(b, action) - grants(a, action) || exceptions(b) - exceptions(a),
  );
  return best?.roleName ?? general[0];
}

/** The length of the longest pattern by which the role allows the action; 0 when it does not. */
function grants({ permissions }: BuiltInRole, action: string): number {
  const allowing = permissions.filter(
    ({ notActions }) => !notActions.some((pattern) => actionMatches(pattern, action)),
  );
  const patterns = allowing.flatMap(({ actions }) =>
    actions.filter((pattern) => actionMatches(pattern, action)),
  );
  return Math.max(0, ...patterns.map(({ length }) => length));
}

function exceptions({ permissions }: BuiltInRole): number {
  return permissions.reduce((sum, { notActions }) => sum + notActions.length, 0);
}

/** Where a role would allow the action on the resource and exists already: what is to be made has no scope yet. */
export function assignableScope(action: string, resource: string): string {
  const owner = /^(.*)\/providers\/Microsoft\.Authorization\/[^/]+\/[^/]+$/i.exec(resource)?.[1];
  if (owner !== undefined) return owner === "" ? "/" : owner;
  if (!/\/write$/i.test(action)) return resource;
  const [, subscription, group, below] =
    /^(\/subscriptions\/[^/]+)(\/resourceGroups\/[^/]+)?(.*)$/i.exec(resource) ?? [];
  if (subscription === undefined) return resource;
  return group === undefined || below === "" ? subscription : `${subscription}${group}`;
}

interface Listed {
  readonly id: string;
  readonly name: string;
  readonly properties: { readonly roleName: string };
}

/** The id of the Azure role with this name or GUID that can be assigned at the scope, or undefined. */
export async function findAzureRole(
  server: Server,
  scope: string,
  role: string,
): Promise<{ readonly id: string; readonly roleName: string } | undefined> {
  const wanted = role.toLowerCase();
  const path = `${scope}/providers/Microsoft.Authorization/roleDefinitions?${api}`;
  const listed = (await requireArm(server, "GET", path))["value"] as readonly Listed[];
  const found = listed.find(
    ({ name, properties }) => name.toLowerCase() === wanted || properties.roleName.toLowerCase() === wanted,
  );
  return found === undefined ? undefined : { id: found.id, roleName: found.properties.roleName };
}

/** Gives an Azure role; `name` is the assignment's GUID. Returns the sentence that says so. */
export async function assignAzureRole(
  server: Server,
  principal: Principal,
  role: { readonly id: string; readonly roleName: string },
  scope: string,
  name: string,
): Promise<string> {
  await requireArm(
    server,
    "PUT",
    `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}?${api}`,
    {
      properties: { roleDefinitionId: role.id, principalId: principal.objectId },
    },
  );
  return `${principal.displayName} (${principal.objectId}) has the Azure role "${role.roleName}" at ${scope}.\n`;
}

interface Assigned {
  readonly id: string;
  readonly properties: {
    readonly roleDefinitionId: string;
    readonly principalId: string;
    readonly scope: string;
  };
}

/** Takes the principal's Azure roles at the scope away, or the one named. Returns the sentences that say so. */
export async function removeAzureRoles(
  server: Server,
  principal: Principal,
  scope: string,
  role: string | undefined,
): Promise<string> {
  const wanted = role === undefined ? undefined : await findAzureRole(server, scope, role);
  if (role !== undefined && wanted === undefined) throw noAzureRole(role, scope);
  const path = `${scope}/providers/Microsoft.Authorization/roleAssignments?${api}`;
  const found = ((await requireArm(server, "GET", path))["value"] as readonly Assigned[]).filter(
    ({ properties }) =>
      properties.principalId.toLowerCase() === principal.objectId.toLowerCase() &&
      properties.scope.toLowerCase() === scope.toLowerCase() &&
      (wanted === undefined || lastOf(properties.roleDefinitionId) === lastOf(wanted.id)),
  );
  if (found.length === 0)
    throw new CommandError(`${principal.displayName} has no such Azure role at ${scope} itself.`);
  for (const { id } of found) await requireArm(server, "DELETE", `${id}?${api}`);
  return `${principal.displayName} (${principal.objectId}) has ${found.length === 1 ? "an Azure role" : `${found.length} Azure roles`} less at ${scope}.\n`;
}

function lastOf(id: string): string {
  return (id.split("/").pop() ?? "").toLowerCase();
}

/** For a role that is no Azure role, at a scope that is an Azure resource's. */
export function noAzureRole(role: string, scope: string): CommandError {
  return new CommandError(
    `There is no Azure role "${role}" at ${scope}. Data roles have scopes like / or /dbs/DATABASE; 'celestite role list' shows them.`,
  );
}

/**
 * Azure role assignments and custom role definitions in the store, and the loading of what one decision needs.
 * `authz` only judges; this is where its facts come from, fresh for each decision so that a right given or taken is
 * felt by the next request.
 */
import { type AzureAccessFacts, decideAzure } from "../authz/azure-rbac.ts";
import { parseCondition } from "../authz/condition.ts";
import type { Decision } from "../authz/decision.ts";
import type { PrincipalDirectory } from "../azure/principal.ts";
import { managementGroupNameOf, normalizeResourceId, scopeCovers } from "../azure/resource-id.ts";
import { findBuiltInRole, type RolePermission } from "../azure/roles.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import {
  assignmentIdKey,
  assignmentKey,
  assignmentsKey,
  type RoleAssignmentRecord,
} from "./assignment-records.ts";
import { denials, listDenyAssignments } from "./deny-assignments.ts";
import { loadManagementGroupTree } from "./management-groups.ts";
import { deleteRecord, getRecord, listRecords, putRecord } from "./records.ts";

/** An assignment that was deleted and grants until its deletion takes effect. */
interface LeavingAssignment {
  readonly assignment: RoleAssignmentRecord;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export interface RoleDefinitionRecord {
  readonly name: string;
  readonly roleName: string;
  readonly type: "BuiltInRole" | "CustomRole";
  readonly description: string;
  readonly assignableScopes: readonly string[];
  readonly permissions: readonly RolePermission[];
  readonly createdOn?: string;
  readonly updatedOn?: string;
  readonly createdBy?: string;
  readonly updatedBy?: string;
}

const leaving = "roleAssignmentLeaving";
const definitions = "roleDefinition";

export async function getAssignment(reader: Reader, id: string): Promise<RoleAssignmentRecord | undefined> {
  const principalId = await getRecord<string>(reader, assignmentIdKey(id));
  return principalId === undefined ? undefined : getRecord(reader, assignmentKey(principalId, id));
}

export async function listAssignments(reader: Reader): Promise<RoleAssignmentRecord[]> {
  return listRecords(reader, assignmentsKey());
}

/** The assignments of these principals (a principal and its groups), wherever they are scoped. */
export async function assignmentsOf(
  reader: Reader,
  principalIds: readonly string[],
): Promise<RoleAssignmentRecord[]> {
  const found: RoleAssignmentRecord[] = [];
  for (const id of new Set(principalIds.map((principalId) => principalId.toLowerCase()))) {
    found.push(...(await listRecords<RoleAssignmentRecord>(reader, assignmentsKey(id))));
  }
  return found;
}

export function deleteAssignment(transaction: Transaction, assignment: RoleAssignmentRecord): void {
  deleteRecord(transaction, assignmentKey(assignment.principalId, assignment.id));
  deleteRecord(transaction, assignmentIdKey(assignment.id));
}

/**
 * Deletes an assignment that, if it has begun to grant, goes on for `delay` milliseconds, as in the service; forgets
 * those whose time is over.
 */
export async function retireAssignment(
  transaction: Transaction,
  assignment: RoleAssignmentRecord,
  now: number,
  delay: number,
): Promise<void> {
  deleteAssignment(transaction, assignment);
  const until = (assignment.effectiveFrom ?? now) <= now ? now + delay : now;
  for (const gone of await listRecords<LeavingAssignment>(transaction, [leaving])) {
    if (gone.until <= now) deleteRecord(transaction, leavingKey(gone.assignment));
  }
  if (until > now) putRecord(transaction, leavingKey(assignment), { assignment, until });
}

function leavingKey({ principalId, id }: RoleAssignmentRecord): readonly string[] {
  return [leaving, principalId.toLowerCase(), normalizeResourceId(id)];
}

/** Deleted assignments of these principals that still grant. */
async function leavingOf(
  reader: Reader,
  principalIds: readonly string[],
  now: number,
): Promise<readonly RoleAssignmentRecord[]> {
  const all = await listRecords<LeavingAssignment>(reader, [leaving]);
  const ids = new Set(principalIds.map((id) => id.toLowerCase()));
  return all
    .filter(({ assignment, until }) => now < until && ids.has(assignment.principalId.toLowerCase()))
    .map(({ assignment }) => assignment);
}

/** Deletes the assignments at or below `scopeId`: they end with the resource they are scoped to. */
export async function deleteAssignmentsUnder(transaction: Transaction, scopeId: string): Promise<void> {
  for (const assignment of await listAssignments(transaction)) {
    if (scopeCovers(scopeId, assignment.scope)) deleteAssignment(transaction, assignment);
  }
  for (const { assignment } of await listRecords<LeavingAssignment>(transaction, [leaving])) {
    if (scopeCovers(scopeId, assignment.scope)) deleteRecord(transaction, leavingKey(assignment));
  }
}

/** The built-in or custom definition with this GUID. */
export async function getDefinition(reader: Reader, name: string): Promise<RoleDefinitionRecord | undefined> {
  const builtIn = findBuiltInRole(name);
  if (builtIn !== undefined) return { ...builtIn, type: "BuiltInRole", assignableScopes: ["/"] };
  return getRecord(reader, [definitions, name.toLowerCase()]);
}

export async function listCustomDefinitions(reader: Reader): Promise<RoleDefinitionRecord[]> {
  return listRecords(reader, [definitions]);
}

export function putDefinition(transaction: Transaction, definition: RoleDefinitionRecord): void {
  putRecord(transaction, [definitions, definition.name.toLowerCase()], definition);
}

export function deleteDefinition(transaction: Transaction, name: string): void {
  deleteRecord(transaction, [definitions, name.toLowerCase()]);
}

/** `scopeCovers` with the management groups above subscriptions, which their ids do not tell. */
export async function loadScopeCover(reader: Reader): Promise<(outer: string, inner: string) => boolean> {
  const above = await loadManagementGroupTree(reader);
  return (outer, inner) => [inner, ...above(inner)].some((each) => scopeCovers(outer, each));
}

/** What one caller holds: everything a decision about any action and scope needs. */
export interface CallerRights {
  readonly decide: (
    action: string,
    scope: string,
    more?: Pick<AzureAccessFacts, "attributes" | "isRehearsal">,
  ) => Decision;
  /** True when conditions bind some of them, which ask about the request. */
  readonly isConditional: boolean;
  readonly assignments: readonly RoleAssignmentRecord[];
  /** True when a deny assignment lies below this scope, so that what holds for it may not hold for all within. */
  readonly deniedBelow: (scope: string) => boolean;
}

/** Loads, as of `now` in milliseconds since the epoch, the caller's directory entry, groups, assignments and their definitions. */
export async function loadRights(
  reader: Reader,
  directory: PrincipalDirectory,
  principalId: string,
  now: number,
): Promise<CallerRights> {
  const principal = await directory.find(principalId);
  const groups = principal === undefined ? [] : await directory.groupsOf(principalId);
  const ids = [principalId, ...groups];
  const held = [...(await assignmentsOf(reader, ids)), ...(await leavingOf(reader, ids, now))];
  const names = new Set(held.map((assignment) => roleNameOf(assignment.roleDefinitionId)));
  const known = new Map<string, RoleDefinitionRecord>();
  for (const name of names) {
    const definition = await getDefinition(reader, name);
    if (definition !== undefined) known.set(name, definition);
  }
  const denyAssignments = denials(await listDenyAssignments(reader));
  // Nearly nobody holds anything at a management group; then nobody waits for the tree.
  const above = [...held, ...denyAssignments].some(({ scope }) => managementGroupNameOf(scope) !== undefined)
    ? await loadManagementGroupTree(reader)
    : () => [];
  const judged = held.map(({ effectiveFrom = now, condition, ...assignment }) => ({
    ...assignment,
    ...(effectiveFrom <= now ? {} : { pending: true }),
    ...(condition === undefined ? {} : { condition: parseCondition(condition) }),
  }));
  return {
    assignments: held,
    deniedBelow: (scope) => denyAssignments.some((deny) => scopeCovers(scope, deny.scope)),
    isConditional: held.some(({ condition }) => condition !== undefined),
    decide: (action, scope, more) =>
      decideAzure({
        ...more,
        principalId,
        principalExists: principal !== undefined,
        groups,
        action,
        scope,
        managementGroups: above(scope),
        assignments: judged,
        definition: (name) => known.get(name),
        denyAssignments,
      }),
  };
}

/** The GUID at the end of a role definition id, lower case. */
export function roleNameOf(roleDefinitionId: string): string {
  return (roleDefinitionId.split("/").pop() ?? "").toLowerCase();
}

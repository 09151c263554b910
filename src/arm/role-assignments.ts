/**
 * Azure role assignments and custom role definitions in the store, and the loading of what one decision needs.
 * `authz` only judges; this is where its facts come from, fresh for each decision so that a right given or taken is
 * felt by the next request.
 */
import { type AzureRoleAssignment, decideAzure } from "../authz/azure-rbac.ts";
import type { Decision } from "../authz/decision.ts";
import type { PrincipalDirectory, PrincipalType } from "../azure/principal.ts";
import { normalizeResourceId, scopeCovers } from "../azure/resource-id.ts";
import { findBuiltInRole, type RolePermission } from "../azure/roles.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import { deleteRecord, getRecord, listRecords, putRecord } from "./records.ts";

export interface RoleAssignmentRecord extends AzureRoleAssignment {
  /** The GUID that names it. */
  readonly name: string;
  readonly principalType: PrincipalType;
  readonly description: string | null;
  readonly createdOn: string;
  readonly updatedOn: string;
  readonly updatedBy: string;
  readonly createdBy: string;
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

const assignments = "roleAssignment";
const byId = "roleAssignmentById";
const definitions = "roleDefinition";

function assignmentKey(principalId: string, id: string): readonly string[] {
  return [assignments, principalId.toLowerCase(), normalizeResourceId(id)];
}

export async function getAssignment(reader: Reader, id: string): Promise<RoleAssignmentRecord | undefined> {
  const principalId = await getRecord<string>(reader, [byId, normalizeResourceId(id)]);
  return principalId === undefined ? undefined : getRecord(reader, assignmentKey(principalId, id));
}

export async function listAssignments(reader: Reader): Promise<RoleAssignmentRecord[]> {
  return listRecords(reader, [assignments]);
}

/** The assignments of these principals (a principal and its groups), wherever they are scoped. */
export async function assignmentsOf(
  reader: Reader,
  principalIds: readonly string[],
): Promise<RoleAssignmentRecord[]> {
  const found: RoleAssignmentRecord[] = [];
  for (const id of new Set(principalIds.map((principalId) => principalId.toLowerCase()))) {
    found.push(...(await listRecords<RoleAssignmentRecord>(reader, [assignments, id])));
  }
  return found;
}

export function putAssignment(transaction: Transaction, assignment: RoleAssignmentRecord): void {
  putRecord(transaction, assignmentKey(assignment.principalId, assignment.id), assignment);
  putRecord(transaction, [byId, normalizeResourceId(assignment.id)], assignment.principalId);
}

export function deleteAssignment(transaction: Transaction, assignment: RoleAssignmentRecord): void {
  deleteRecord(transaction, assignmentKey(assignment.principalId, assignment.id));
  deleteRecord(transaction, [byId, normalizeResourceId(assignment.id)]);
}

/** Deletes the assignments at or below `scopeId`: they end with the resource they are scoped to. */
export async function deleteAssignmentsUnder(transaction: Transaction, scopeId: string): Promise<void> {
  for (const assignment of await listAssignments(transaction)) {
    if (scopeCovers(scopeId, assignment.scope)) deleteAssignment(transaction, assignment);
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

/** What one caller holds: everything a decision about any action and scope needs. */
export interface CallerRights {
  readonly decide: (action: string, scope: string) => Decision;
  readonly assignments: readonly RoleAssignmentRecord[];
}

/** Loads the caller's directory entry, groups, assignments and their definitions. */
export async function loadRights(
  reader: Reader,
  directory: PrincipalDirectory,
  principalId: string,
): Promise<CallerRights> {
  const principal = await directory.find(principalId);
  const groups = principal === undefined ? [] : await directory.groupsOf(principalId);
  const held = await assignmentsOf(reader, [principalId, ...groups]);
  const names = new Set(held.map((assignment) => roleNameOf(assignment.roleDefinitionId)));
  const known = new Map<string, RoleDefinitionRecord>();
  for (const name of names) {
    const definition = await getDefinition(reader, name);
    if (definition !== undefined) known.set(name, definition);
  }
  return {
    assignments: held,
    decide: (action, scope) =>
      decideAzure({
        principalId,
        principalExists: principal !== undefined,
        groups,
        action,
        scope,
        assignments: held,
        definition: (name) => known.get(name),
      }),
  };
}

/** The GUID at the end of a role definition id, lower case. */
export function roleNameOf(roleDefinitionId: string): string {
  return (roleDefinitionId.split("/").pop() ?? "").toLowerCase();
}

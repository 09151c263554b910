/**
 * How role assignments lie in the store. Apart from what loads and judges them, because the first start of a store
 * writes one and needs nothing else of that.
 */
import type { AzureRoleAssignment } from "../authz/azure-rbac.ts";
import type { PrincipalType } from "../azure/principal.ts";
import { normalizeResourceId } from "../azure/resource-id.ts";
import type { Transaction } from "../storage/port.ts";
import { putRecord } from "./records.ts";

export interface RoleAssignmentRecord extends Omit<AzureRoleAssignment, "pending" | "condition"> {
  /** The GUID that names it. */
  readonly name: string;
  readonly principalType: PrincipalType;
  readonly description: string | null;
  readonly createdOn: string;
  readonly updatedOn: string;
  readonly updatedBy: string;
  readonly createdBy: string;
  /** The text of its condition, which can be read; none when absent. */
  readonly condition?: string;
  /** Milliseconds since the epoch from which on it grants; from the beginning when absent. */
  readonly effectiveFrom?: number;
}

const assignments = "roleAssignment";
const byId = "roleAssignmentById";

/** Where the assignments of one principal, or of all, begin. */
export function assignmentsKey(principalId?: string): readonly string[] {
  return principalId === undefined ? [assignments] : [assignments, principalId.toLowerCase()];
}

export function assignmentKey(principalId: string, id: string): readonly string[] {
  return [...assignmentsKey(principalId), normalizeResourceId(id)];
}

/** Where the principal of the assignment with this id is found. */
export function assignmentIdKey(id: string): readonly string[] {
  return [byId, normalizeResourceId(id)];
}

export function putAssignment(transaction: Transaction, assignment: RoleAssignmentRecord): void {
  putRecord(transaction, assignmentKey(assignment.principalId, assignment.id), assignment);
  putRecord(transaction, assignmentIdKey(assignment.id), assignment.principalId);
}

/** Definition ids are shown under the subscription of the assignment, or under the tenant above it. */
export function definitionId(scope: string, name: string): string {
  const subscription = /^\/subscriptions\/[^/]+/i.exec(scope)?.[0] ?? "";
  return `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${name}`;
}

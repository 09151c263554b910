/**
 * Deny assignments in the store. Apart from role assignments because they are looked up by scope and not by
 * principal: whoever asks, each of them must be considered before any role is.
 */
import type { DenyAssignment } from "../authz/azure-rbac.ts";
import type { PrincipalType } from "../azure/principal.ts";
import { normalizeResourceId, scopeCovers } from "../azure/resource-id.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import { deleteRecord, getRecord, listRecords, putRecord } from "./records.ts";

/** `SystemDefined` with the all-zero GUID stands for everyone. */
export interface DenyPrincipal {
  readonly id: string;
  readonly type: PrincipalType | "SystemDefined";
}

export interface DenyAssignmentRecord {
  readonly id: string;
  /** The GUID that names it. */
  readonly name: string;
  /** How people call it; denials say it. */
  readonly denyAssignmentName: string;
  readonly description: string | null;
  readonly scope: string;
  readonly permissions: readonly {
    readonly actions: readonly string[];
    readonly notActions: readonly string[];
  }[];
  readonly principals: readonly DenyPrincipal[];
  readonly excludePrincipals: readonly DenyPrincipal[];
  readonly doNotApplyToChildScopes: boolean;
  readonly createdOn: string;
  readonly updatedOn: string;
  readonly createdBy: string;
  readonly updatedBy: string;
}

const kind = "denyAssignment";

export async function getDenyAssignment(
  reader: Reader,
  id: string,
): Promise<DenyAssignmentRecord | undefined> {
  return getRecord(reader, [kind, normalizeResourceId(id)]);
}

export async function listDenyAssignments(reader: Reader): Promise<DenyAssignmentRecord[]> {
  return listRecords(reader, [kind]);
}

export function putDenyAssignment(transaction: Transaction, record: DenyAssignmentRecord): void {
  putRecord(transaction, [kind, normalizeResourceId(record.id)], record);
}

export function deleteDenyAssignment(transaction: Transaction, record: DenyAssignmentRecord): void {
  deleteRecord(transaction, [kind, normalizeResourceId(record.id)]);
}

/** Deletes those at or below `scopeId`: they end with the resource that they protect. */
export async function deleteDenyAssignmentsUnder(transaction: Transaction, scopeId: string): Promise<void> {
  for (const record of await listDenyAssignments(transaction)) {
    if (scopeCovers(scopeId, record.scope)) deleteDenyAssignment(transaction, record);
  }
}

/** The same as `authz` judges them: one for each permission, whose notActions are its own. */
export function denials(records: readonly DenyAssignmentRecord[]): readonly DenyAssignment[] {
  return records.flatMap(({ permissions, principals, excludePrincipals, ...record }) =>
    permissions.map(({ actions, notActions }) => ({
      id: record.id,
      displayName: record.denyAssignmentName,
      scope: record.scope,
      belowToo: !record.doNotApplyToChildScopes,
      actions,
      notActions,
      principals: principals.map(({ id }) => id),
      excludePrincipals: excludePrincipals.map(({ id }) => id),
    })),
  );
}

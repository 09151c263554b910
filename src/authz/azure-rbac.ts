/**
 * Azure RBAC for the control plane: role definitions, assignments inherited down the resource hierarchy, and deny
 * assignments. It never opens Cosmos DB data: data actions of an Azure role are a separate list that the data plane
 * does not read.
 */
import { scopeCovers } from "../azure/resource-id.ts";
import { actionMatches } from "./action.ts";
import type { ConsideredAssignment, Decision } from "./decision.ts";

export interface AzureRoleDefinition {
  /** The GUID, lower case. */
  readonly name: string;
  readonly roleName: string;
  readonly permissions: readonly {
    readonly actions: readonly string[];
    readonly notActions: readonly string[];
    readonly dataActions: readonly string[];
    readonly notDataActions: readonly string[];
  }[];
}

export interface AzureRoleAssignment {
  readonly id: string;
  /** Any form of the definition's id; only its last segment, the GUID, decides. */
  readonly roleDefinitionId: string;
  readonly principalId: string;
  readonly scope: string;
}

export interface DenyAssignment {
  readonly id: string;
  readonly scope: string;
  readonly actions: readonly string[];
  readonly notActions: readonly string[];
  /** Object ids, or the all-zero GUID for everyone. */
  readonly principals: readonly string[];
  readonly excludePrincipals: readonly string[];
}

export interface AzureAccessFacts {
  readonly principalId: string;
  /** False when the directory no longer has the principal: nothing is granted then. */
  readonly principalExists: boolean;
  /** Object ids of the groups that contain the principal, transitively. */
  readonly groups: readonly string[];
  readonly action: string;
  /** The ARM id of the resource, group, subscription, or `/`. */
  readonly scope: string;
  readonly assignments: readonly AzureRoleAssignment[];
  /** The definition behind a GUID, or `undefined`. */
  readonly definition: (name: string) => AzureRoleDefinition | undefined;
  readonly denyAssignments?: readonly DenyAssignment[];
}

const everyone = "00000000-0000-0000-0000-000000000000";

/**
 * Decides whether the principal may perform `action` at `scope`. Order of the rules: deny assignments, then any
 * assignment at the scope or above whose definition has a permission with a matching action and no matching
 * notAction; notActions subtract only within their own permission (Azure RBAC documentation, "how Azure RBAC
 * determines access").
 */
export function decideAzure(facts: AzureAccessFacts): Decision {
  const base = {
    credential: { kind: "aad", principalId: facts.principalId, groups: facts.groups },
    action: facts.action,
    resource: facts.scope,
  } as const;
  if (!facts.principalExists) return { ...base, allowed: false, reason: "principalDeleted", considered: [] };
  const ids = new Set([facts.principalId, ...facts.groups].map((id) => id.toLowerCase()));
  const considered = facts.assignments.map((assignment) => consider(assignment, ids, facts));
  if ((facts.denyAssignments ?? []).some((deny) => denies(deny, ids, facts))) {
    return { ...base, allowed: false, reason: "denyAssignment", considered };
  }
  const granting = considered.find((assignment) => assignment.grants);
  if (granting === undefined) return { ...base, allowed: false, reason: "noMatchingAssignment", considered };
  return { ...base, allowed: true, appliedAssignmentId: granting.assignmentId, considered };
}

function consider(
  assignment: AzureRoleAssignment,
  ids: ReadonlySet<string>,
  facts: AzureAccessFacts,
): ConsideredAssignment {
  const name = (assignment.roleDefinitionId.split("/").pop() ?? "").toLowerCase();
  const definition = facts.definition(name);
  const failed: ConsideredAssignment["failed"][number][] = [];
  if (!ids.has(assignment.principalId.toLowerCase())) failed.push("principal");
  if (!scopeCovers(assignment.scope, facts.scope)) failed.push("scope");
  if (definition === undefined) failed.push("definitionMissing");
  else if (!allows(definition, facts.action)) failed.push("action");
  return {
    assignmentId: assignment.id,
    roleDefinitionId: assignment.roleDefinitionId,
    roleName: definition?.roleName ?? "",
    principalId: assignment.principalId,
    scope: assignment.scope,
    grants: failed.length === 0,
    failed,
  };
}

function allows(definition: AzureRoleDefinition, action: string): boolean {
  return definition.permissions.some(
    (permission) =>
      permission.actions.some((pattern) => actionMatches(pattern, action)) &&
      !permission.notActions.some((pattern) => actionMatches(pattern, action)),
  );
}

function denies(deny: DenyAssignment, ids: ReadonlySet<string>, facts: AzureAccessFacts): boolean {
  const concerns = deny.principals.some((id) => id === everyone || ids.has(id.toLowerCase()));
  const excluded = deny.excludePrincipals.some((id) => ids.has(id.toLowerCase()));
  return (
    concerns &&
    !excluded &&
    scopeCovers(deny.scope, facts.scope) &&
    deny.actions.some((pattern) => actionMatches(pattern, facts.action)) &&
    !deny.notActions.some((pattern) => actionMatches(pattern, facts.action))
  );
}

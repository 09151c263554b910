/**
 * Azure RBAC for the control plane: role definitions, assignments inherited down the resource hierarchy, and deny
 * assignments. It never opens Cosmos DB data: data actions of an Azure role are a separate list that the data plane
 * does not read.
 */
import { sameResourceId, scopeCovers } from "../azure/resource-id.ts";
import { actionMatches } from "./action.ts";
import { type Condition, type ConditionFacts, judgeCondition } from "./condition.ts";
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
  /** True for one that was made and has no effect yet. */
  readonly pending?: boolean;
  /** What must hold besides. */
  readonly condition?: Condition;
}

export interface DenyAssignment {
  readonly id: string;
  /** How people call it; the id where that is absent. */
  readonly displayName?: string;
  readonly scope: string;
  /** False when it protects its scope alone; true when absent. */
  readonly belowToo?: boolean;
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
  /** Ids of the management groups above the scope, which its own id does not tell. */
  readonly managementGroups?: readonly string[];
  readonly assignments: readonly AzureRoleAssignment[];
  /** The definition behind a GUID, or `undefined`. */
  readonly definition: (name: string) => AzureRoleDefinition | undefined;
  readonly denyAssignments?: readonly DenyAssignment[];
  /** What conditions may ask about the request; nothing when absent. */
  readonly attributes?: Pick<ConditionFacts, "request" | "resource">;
  /** True where it is asked ahead of the request, whose attributes are not known yet: a condition that may hold does. */
  readonly isRehearsal?: boolean;
}

const everyone = "00000000-0000-0000-0000-000000000000";

/**
 * Decides whether the principal may perform `action` at `scope`. A deny assignment refuses whatever any role grants;
 * else any assignment at the scope or above is enough whose definition has a permission with a matching action and no
 * matching notAction; notActions subtract only within their own permission (Azure RBAC documentation, "how Azure RBAC
 * determines access"). What no role grants is refused for that reason, denied or not, as the service says it.
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
  const granting = considered.find((assignment) => assignment.grants);
  if (granting === undefined) return { ...base, allowed: false, reason: "noMatchingAssignment", considered };
  const deny = (facts.denyAssignments ?? []).find((one) => denies(one, ids, facts));
  if (deny !== undefined) {
    const { id, displayName = id, scope } = deny;
    return {
      ...base,
      allowed: false,
      reason: "denyAssignment",
      deny: { id, displayName, scope },
      considered,
    };
  }
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
  if (!covers(assignment.scope, facts)) failed.push("scope");
  if (definition === undefined) failed.push("definitionMissing");
  else if (!allows(definition, facts.action)) failed.push("action");
  if (assignment.pending === true) failed.push("pending");
  if (!fulfilled(assignment, facts)) failed.push("condition");
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

/** True when `scope` is the decision's scope or above it, management groups included. */
function covers(scope: string, facts: AzureAccessFacts): boolean {
  return [facts.scope, ...(facts.managementGroups ?? [])].some((each) => scopeCovers(scope, each));
}

function fulfilled({ condition }: AzureRoleAssignment, facts: AzureAccessFacts): boolean {
  if (condition === undefined) return true;
  const { action, attributes = { request: {}, resource: {} }, isRehearsal = false } = facts;
  return judgeCondition(condition, { action, ...attributes }) ?? isRehearsal;
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
    (deny.belowToo === false ? sameResourceId(deny.scope, facts.scope) : covers(deny.scope, facts)) &&
    deny.actions.some((pattern) => actionMatches(pattern, facts.action)) &&
    !deny.notActions.some((pattern) => actionMatches(pattern, facts.action))
  );
}

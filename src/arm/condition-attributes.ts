/**
 * What conditions on role assignments may ask about a request: the role, principal and type of the assignment that it
 * writes or deletes. Gathered before the decision, and only for callers whose rights have conditions.
 */
import type { ConditionFacts } from "../authz/condition.ts";
import type { Json } from "./json.ts";
import { objectMember, stringMember } from "./json.ts";
import type { ControlPlane } from "./operation.ts";
import { getAssignment, roleNameOf } from "./role-assignments.ts";

export type ConditionAttributes = Pick<ConditionFacts, "request" | "resource">;

const type = "microsoft.authorization/roleassignments";

/** True for the actions whose requests have attributes, which are known only once the request is there. */
export function hasAttributes(action: string): boolean {
  return verbOf(action) !== undefined;
}

function verbOf(action: string): string | undefined {
  return new RegExp(`^${type}/(write|delete)$`, "i").exec(action)?.[1]?.toLowerCase();
}

/** The attributes of a request that needs `action` at `scope`; `body` is that of a write. Of any other action, none. */
export async function conditionAttributes(
  plane: ControlPlane,
  { action, scope }: { readonly action: string; readonly scope: string },
  body: () => Json | undefined,
): Promise<ConditionAttributes> {
  const verb = verbOf(action);
  if (verb === undefined) return { request: {}, resource: {} };
  const existing = await getAssignment(plane.store, scope);
  const resource = existing === undefined ? {} : named(existing);
  if (verb === "delete") return { request: {}, resource };
  const properties = objectMember(body(), "properties");
  const principalId = stringMember(properties, "principalId") ?? "";
  // The directory knows of which type the principal is and how its id is spelled, whatever the request says.
  const principal = await plane.directory.find(principalId);
  const { objectId = principalId, type: principalType = "" } = principal ?? {};
  const roleDefinitionId = stringMember(properties, "roleDefinitionId") ?? "";
  return { request: named({ roleDefinitionId, principalId: objectId, principalType }), resource };
}

function named(assignment: {
  readonly roleDefinitionId: string;
  readonly principalId: string;
  readonly principalType: string;
}): Readonly<Record<string, string>> {
  return {
    [`${type}:roledefinitionid`]: roleNameOf(assignment.roleDefinitionId),
    [`${type}:principalid`]: assignment.principalId.toLowerCase(),
    [`${type}:principaltype`]: assignment.principalType,
  };
}

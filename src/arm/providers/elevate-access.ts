/**
 * Microsoft.Authorization/elevateAccess: how the first user, the tenant's Global Administrator, gets a right at the
 * tenant itself. Nobody holds one from the beginning, as in Azure; it is an assignment that can be listed and removed.
 */
import { normalizeResourceId } from "../../azure/resource-id.ts";
import { uuid } from "../../clock.ts";
import { definitionId, putAssignment } from "../assignment-records.ts";
import { authorizationFailed } from "../errors.ts";
import type { Call, Operation, Outcome } from "../operation.ts";
import { armLock } from "../records.ts";
import { assignmentsOf, roleNameOf } from "../role-assignments.ts";
import { isoTime } from "./role-assignments.ts";

const userAccessAdministrator = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";

export const elevateAccessOperation: Operation = {
  method: "POST",
  path: "/providers/Microsoft.Authorization/elevateAccess",
  action: "anyCaller",
  handler: elevateAccess,
};

/** Makes the caller User Access Administrator of the tenant; safe to repeat. */
async function elevateAccess(call: Call): Promise<Outcome> {
  const { plane, caller } = call;
  if (caller.objectId.toLowerCase() !== plane.bootstrapObjectId.toLowerCase()) {
    const action = "Microsoft.Authorization/elevateAccess/action";
    throw authorizationFailed(caller.name, caller.objectId, action, "/");
  }
  return plane.store.transact([armLock], async (transaction) => {
    const held = await assignmentsOf(transaction, [caller.objectId]);
    const elevated = held.some(
      ({ scope, roleDefinitionId }) =>
        normalizeResourceId(scope) === "/" && roleNameOf(roleDefinitionId) === userAccessAdministrator,
    );
    if (elevated) return { status: 200 };
    const name = uuid(plane.entropy);
    const now = isoTime(plane.clock.now());
    putAssignment(transaction, {
      id: `/providers/Microsoft.Authorization/roleAssignments/${name}`,
      name,
      scope: "/",
      roleDefinitionId: definitionId("/", userAccessAdministrator),
      principalId: caller.objectId,
      principalType: "User",
      description: "Elevated access of the Global Administrator",
      createdOn: now,
      updatedOn: now,
      createdBy: caller.objectId,
      updatedBy: caller.objectId,
    });
    return { status: 200 };
  });
}

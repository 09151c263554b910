/** Microsoft.Authorization: role and deny assignments, role definitions and locks as resources at any scope. */
import { type Call, type Outcome, type Provider, parameter } from "../operation.ts";
import { getDefinition, loadRights, loadScopeCover, roleNameOf } from "../role-assignments.ts";
import { denyAssignmentOperations } from "./deny-assignments.ts";
import { lockOperations } from "./locks.ts";
import {
  deleteRoleAssignment,
  listRoleAssignments,
  putRoleAssignment,
  readRoleAssignment,
} from "./role-assignments.ts";
import {
  deleteRoleDefinition,
  listRoleDefinitions,
  putRoleDefinition,
  readRoleDefinition,
} from "./role-definitions.ts";

const assignments = "/{+scope}/providers/Microsoft.Authorization/roleAssignments";
const definitions = "/{+scope}/providers/Microsoft.Authorization/roleDefinitions";
const assignment = "Microsoft.Authorization/roleAssignments";
const definition = "Microsoft.Authorization/roleDefinitions";

export const authorizationProvider: Provider = {
  operations: [
    {
      method: "PUT",
      path: `${assignments}/{name}`,
      action: `${assignment}/write`,
      handler: putRoleAssignment,
    },
    {
      method: "GET",
      path: `${assignments}/{name}`,
      action: `${assignment}/read`,
      handler: readRoleAssignment,
    },
    {
      method: "DELETE",
      path: `${assignments}/{name}`,
      action: `${assignment}/delete`,
      handler: deleteRoleAssignment,
    },
    {
      method: "GET",
      path: assignments,
      action: `${assignment}/read`,
      scope: "{scope}",
      handler: listRoleAssignments,
    },
    {
      method: "PUT",
      path: `${definitions}/{name}`,
      action: `${definition}/write`,
      handler: putRoleDefinition,
    },
    {
      method: "GET",
      path: `${definitions}/{name}`,
      action: `${definition}/read`,
      handler: readRoleDefinition,
    },
    {
      method: "DELETE",
      path: `${definitions}/{name}`,
      action: `${definition}/delete`,
      handler: deleteRoleDefinition,
    },
    {
      method: "GET",
      path: definitions,
      action: `${definition}/read`,
      scope: "{scope}",
      handler: listRoleDefinitions,
    },
    ...denyAssignmentOperations,
    ...lockOperations,
    {
      method: "GET",
      path: "/{+scope}/providers/Microsoft.Authorization/permissions",
      action: "Microsoft.Authorization/permissions/read",
      scope: "{scope}",
      handler: listPermissions,
    },
  ],
};

/** What the caller's own roles allow at a scope, role by role. */
async function listPermissions(call: Call): Promise<Outcome> {
  const { store, directory, clock } = call.plane;
  const scope = parameter(call, "scope");
  const { assignments } = await loadRights(store, directory, call.caller.objectId, clock.now());
  const covers = await loadScopeCover(store);
  const value = [];
  for (const { scope: held, roleDefinitionId } of assignments) {
    if (!covers(held, scope)) continue;
    value.push(...((await getDefinition(store, roleNameOf(roleDefinitionId)))?.permissions ?? []));
  }
  return { status: 200, body: { value } };
}

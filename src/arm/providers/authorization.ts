/** Microsoft.Authorization: role assignments and role definitions as resources at any scope. */
import { scopeCovers } from "../../azure/resource-id.ts";
import { type Call, type Outcome, type Provider, parameter } from "../operation.ts";
import { getDefinition, loadRights, roleNameOf } from "../role-assignments.ts";
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
    ...lockOperations,
    {
      method: "GET",
      path: "/{+scope}/providers/Microsoft.Authorization/permissions",
      action: "Microsoft.Authorization/permissions/read",
      scope: "{scope}",
      handler: listPermissions,
    },
    {
      method: "GET",
      path: "/{+scope}/providers/Microsoft.Authorization/denyAssignments",
      action: "Microsoft.Authorization/denyAssignments/read",
      scope: "{scope}",
      // Only Azure itself makes deny assignments; here nobody does.
      handler: async () => ({ status: 200, body: { value: [] } }),
    },
  ],
};

/** What the caller's own roles allow at a scope, role by role. */
async function listPermissions(call: Call): Promise<Outcome> {
  const { store, directory } = call.plane;
  const scope = parameter(call, "scope");
  const { assignments } = await loadRights(store, directory, call.caller.objectId);
  const value = [];
  for (const { scope: held, roleDefinitionId } of assignments) {
    if (!scopeCovers(held, scope)) continue;
    value.push(...((await getDefinition(store, roleNameOf(roleDefinitionId)))?.permissions ?? []));
  }
  return { status: 200, body: { value } };
}

/** Microsoft.Authorization: role assignments and role definitions as resources at any scope. */
import type { Provider } from "../operation.ts";
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
  ],
};

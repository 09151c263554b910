/**
 * Cosmos DB's own role definitions and assignments. Scopes arrive fully qualified, in any letter case and with or
 * without a trailing slash; what they mean is Cosmos DB's to check, who a principal is, the directory's.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import type { SqlRoleAssignment, SqlRoleDefinition } from "../../cosmos/control.ts";
import { directoryLock } from "../../identity/control.ts";
import type { Reader } from "../../storage/port.ts";
import { clip } from "../errors.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
} from "../json.ts";
import { type Call, type Outcome, parameter } from "../operation.ts";
import { cosmosError, requireAccount } from "./document-db-account.ts";
import { changeAccount } from "./document-db-sql.ts";
import { objectBody } from "./generic.ts";
import { clientIdHint, guidPattern } from "./role-assignments.ts";

const type = "Microsoft.DocumentDB/databaseAccounts";

function requireGuid(call: Call, kind: string): string {
  const name = parameter(call, "name");
  if (guidPattern.test(name)) return name.toLowerCase();
  throw cosmosError(call, 400, "BadRequest", `The provided ${kind} ID [${clip(name)}] is not a valid GUID.`);
}

function propertiesOf(call: Call): JsonObject {
  const properties = objectMember(objectBody(call), "properties");
  if (properties === undefined) {
    throw cosmosError(call, 400, "BadRequest", "The property 'properties' is required.");
  }
  return properties;
}

function strings(call: Call, owner: JsonObject, name: string): readonly string[] {
  const value = member(owner, name);
  if (value === undefined || value === null) return [];
  if (isArray(value) && value.every((each): each is string => typeof each === "string")) return value;
  throw cosmosError(call, 400, "BadRequest", `The property '${name}' must be an array of strings.`);
}

/** Scope without trailing slashes and with the account part as the account spells it. */
function qualify(accountId: string, scope: string): string {
  const bare = scope.replace(/\/+$/, "");
  const below = normalizeResourceId(bare).startsWith(normalizeResourceId(accountId));
  return below ? `${accountId}${bare.slice(accountId.length)}` : bare;
}

export async function putDefinition(call: Call): Promise<Outcome> {
  const name = requireGuid(call, "Role Definition");
  const properties = propertiesOf(call);
  const roleName = stringMember(properties, "roleName") ?? "";
  const kind = stringMember(properties, "type") ?? "CustomRole";
  if (kind.toLowerCase() !== "customrole") {
    throw cosmosError(call, 400, "BadRequest", `The role type [${clip(kind)}] cannot be created.`);
  }
  const scopes = strings(call, properties, "assignableScopes");
  const permissions = readPermissions(call, member(properties, "permissions"));
  return changeAccount(call, async (transaction, accountId, account) => {
    const wanted: SqlRoleDefinition = {
      name,
      roleName,
      type: "CustomRole",
      assignableScopes: scopes.map((scope) => qualify(accountId, scope)),
      permissions,
    };
    const written = await call.plane.cosmos.putRoleDefinition(transaction, account, wanted);
    return { status: 200, body: renderDefinition(accountId, written) };
  });
}

function readPermissions(call: Call, value: Json | undefined): SqlRoleDefinition["permissions"] {
  if (!isArray(value)) {
    throw cosmosError(call, 400, "BadRequest", "The property 'permissions' must be an array.");
  }
  return value.map((each) => {
    if (!isObject(each)) {
      throw cosmosError(call, 400, "BadRequest", "Each of the permissions must be an object.");
    }
    return {
      dataActions: strings(call, each, "dataActions"),
      notDataActions: strings(call, each, "notDataActions"),
    };
  });
}

function renderDefinition(accountId: string, definition: SqlRoleDefinition): JsonObject {
  return {
    id: `${accountId}/sqlRoleDefinitions/${definition.name}`,
    name: definition.name,
    type: `${type}/sqlRoleDefinitions`,
    properties: {
      roleName: definition.roleName,
      type: definition.type,
      assignableScopes: definition.assignableScopes,
      permissions: definition.permissions.map((each) => ({ ...each })),
    },
  };
}

export async function readDefinition(call: Call): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const name = parameter(call, "name").toLowerCase();
  const found = await cosmos.getRoleDefinition(store, resource.name, name);
  if (found === undefined) throw notFound(call, "Definition", name);
  return { status: 200, body: renderDefinition(resource.id, found) };
}

export async function listDefinitions(call: Call): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const found = await cosmos.listRoleDefinitions(store, resource.name);
  return { status: 200, body: { value: found.map((each) => renderDefinition(resource.id, each)) } };
}

export async function deleteDefinition(call: Call): Promise<Outcome> {
  const name = parameter(call, "name").toLowerCase();
  return changeAccount(call, async (transaction, _, account) => {
    const removed = await call.plane.cosmos.deleteRoleDefinition(transaction, account, name);
    return { status: removed ? 200 : 204 };
  });
}

export async function putAssignment(call: Call): Promise<Outcome> {
  const name = requireGuid(call, "Role Assignment");
  const properties = propertiesOf(call);
  const roleDefinitionId = stringMember(properties, "roleDefinitionId") ?? "";
  const scope = stringMember(properties, "scope") ?? "";
  const principalId = stringMember(properties, "principalId") ?? "";
  if (roleDefinitionId === "" || scope === "" || principalId === "") {
    throw cosmosError(
      call,
      400,
      "BadRequest",
      "The properties 'roleDefinitionId', 'scope' and 'principalId' are required.",
    );
  }
  return changeAccount(
    call,
    async (transaction, accountId, account) => {
      await requirePrincipal(call, transaction, principalId);
      const wanted: SqlRoleAssignment = {
        name,
        roleDefinitionId: qualify(accountId, roleDefinitionId),
        scope: qualify(accountId, scope),
        principalId: principalId.toLowerCase(),
      };
      const written = await call.plane.cosmos.putRoleAssignment(transaction, account, wanted);
      return { status: 200, body: renderAssignment(accountId, written) };
    },
    [directoryLock],
  );
}

/**
 * The principal must be a user, group or service principal of the account's tenant. An application registration is
 * not one, though its service principal is. Nor is a client id; for that the message is the service's, and `additionalInfo` names the principal that was probably meant.
 */
async function requirePrincipal(call: Call, reader: Reader, principalId: string): Promise<void> {
  const { identity, tenantId } = call.plane;
  const principal = await identity.findPrincipal(reader, principalId);
  if (principal !== undefined && principal.tenantId.toLowerCase() === tenantId.toLowerCase()) return;
  if (await identity.isApplication(reader, principalId)) {
    throw cosmosError(
      call,
      400,
      "BadRequest",
      `The provided principal ID [${clip(principalId)}] was found to be of an unsupported type : [Application]`,
    );
  }
  const owner = await identity.findByAppId(reader, principalId);
  const error = cosmosError(
    call,
    400,
    "BadRequest",
    `The provided principal ID [${clip(principalId)}] was not found in the AAD tenant(s) [${tenantId}] which are associated with the customer's subscription.`,
  );
  if (owner === undefined) throw error;
  throw new ArmError(400, "BadRequest", error.message, {
    additionalInfo: [clientIdHint(principalId, owner)],
  });
}

function renderAssignment(accountId: string, assignment: SqlRoleAssignment): JsonObject {
  return {
    id: `${accountId}/sqlRoleAssignments/${assignment.name}`,
    name: assignment.name,
    type: `${type}/sqlRoleAssignments`,
    properties: {
      roleDefinitionId: assignment.roleDefinitionId,
      scope: assignment.scope,
      principalId: assignment.principalId,
    },
  };
}

export async function readAssignment(call: Call): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const name = parameter(call, "name").toLowerCase();
  const found = await cosmos.getRoleAssignment(store, resource.name, name);
  if (found === undefined) throw notFound(call, "Assignment", name);
  return { status: 200, body: renderAssignment(resource.id, found) };
}

export async function listAssignments(call: Call): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const found = await cosmos.listRoleAssignments(store, resource.name);
  return { status: 200, body: { value: found.map((each) => renderAssignment(resource.id, each)) } };
}

export async function deleteAssignment(call: Call): Promise<Outcome> {
  const name = parameter(call, "name").toLowerCase();
  return changeAccount(call, async (transaction, _, account) => {
    const removed = await call.plane.cosmos.deleteRoleAssignment(transaction, account, name);
    return { status: removed ? 200 : 204 };
  });
}

function notFound(call: Call, kind: string, name: string): Error {
  return cosmosError(call, 404, "NotFound", `Unable to find a SQL Role ${kind} with ID [${clip(name)}].`);
}

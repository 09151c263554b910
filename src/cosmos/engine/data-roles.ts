/**
 * Data-plane role definitions and assignments of an account, with the provider's rules: built-ins never change,
 * actions must exist, scopes must lie below the account, an assignment's scope below an assignable one.
 */
import { actionMatches } from "../../authz/action.ts";
import { scopeBelow } from "../../authz/cosmos-rbac.ts";
import { ArmError } from "../../azure/arm-error.ts";
import { builtInDataRoles, cosmosActions, cosmosWildcards } from "../../azure/cosmos-actions.ts";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import type { Reader, Transaction } from "../../storage/port.ts";
import type { SqlRoleAssignment, SqlRoleDefinition } from "../control.ts";
import { type EngineParts, requireAccount } from "./accounts.ts";
import { readAll } from "./catalog.ts";
import { contentKey, contentRange, decodeRecord, encodeRecord } from "./records.ts";
import { builtInDefinitions } from "./role-book.ts";

/** Limits of the service (documentation, "limits" of native RBAC). */
const maxDefinitions = 100;
const maxAssignments = 2000;

const isBuiltIn = (name: string): boolean =>
  builtInDataRoles.some((role) => role.name === name.toLowerCase());

/** The GUID at the end of a role definition id, lower case. */
const lastSegment = (id: string): string => (id.replace(/\/+$/, "").split("/").pop() ?? "").toLowerCase();

export async function putRoleDefinition(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  definition: SqlRoleDefinition,
): Promise<SqlRoleDefinition> {
  const { account: owner } = await requireAccount(transaction, account);
  const name = definition.name.toLowerCase();
  if (isBuiltIn(name))
    throw badRequest(`Built-in role definition [${name}] cannot be created, updated or deleted.`);
  const existing = await readAll<SqlRoleDefinition>(transaction, contentRange(account, "roleDefinition"));
  checkDefinition(owner.resourceId, definition);
  const clash = [...builtInDefinitions(owner.resourceId), ...existing].some(
    (other) => other.name !== name && other.roleName.toLowerCase() === definition.roleName.toLowerCase(),
  );
  if (clash) {
    throw new ArmError(
      409,
      "Conflict",
      `A Role Definition with the name [${definition.roleName}] already exists, please choose a unique name for your new Role Definition.`,
    );
  }
  if (existing.length >= maxDefinitions && !existing.some((other) => other.name === name)) {
    throw badRequest(`The account already has the maximum of ${maxDefinitions} role definitions.`);
  }
  const stored: SqlRoleDefinition = {
    ...definition,
    name,
    type: "CustomRole",
    assignableScopes: definition.assignableScopes.map((scope) => scope.replace(/\/+$/, "")),
  };
  transaction.put(contentKey(account, "roleDefinition", name), encodeRecord(stored));
  transaction.afterCommit(() => parts.catalog.setRoleDefinition(account, stored));
  return stored;
}

function checkDefinition(accountId: string, definition: SqlRoleDefinition): void {
  if (definition.roleName.trim() === "") throw badRequest("The role definition must have a roleName.");
  if (definition.assignableScopes.length === 0) {
    throw badRequest("The role definition must have at least one assignable scope.");
  }
  for (const scope of definition.assignableScopes) {
    if (scopeBelow(accountId, scope) === undefined) {
      throw badRequest(
        `The assignable scope [${scope}] does not lie below the database account [${accountId}].`,
      );
    }
  }
  const actions = definition.permissions.flatMap((permission) => permission.dataActions);
  if (actions.length === 0) throw badRequest("The role definition must have at least one data action.");
  for (const action of actions) {
    if (!isKnownAction(action)) throw badRequest(`The data action [${action}] is not supported.`);
  }
  if (definition.permissions.some((permission) => permission.notDataActions.length > 0)) {
    throw badRequest("The property notDataActions is not supported.");
  }
}

function isKnownAction(action: string): boolean {
  const same = (other: string): boolean => other.toLowerCase() === action.toLowerCase();
  if (Object.values(cosmosActions).some(same) || cosmosWildcards.some(same)) return true;
  // INVARIANT: any other pattern must at least match one real action, so that a typo is not stored as a silent no-op.
  return action.includes("*") && Object.values(cosmosActions).some((known) => actionMatches(action, known));
}

export async function getRoleDefinition(
  reader: Reader,
  account: string,
  name: string,
): Promise<SqlRoleDefinition | undefined> {
  return (await listRoleDefinitions(reader, account)).find(
    (definition) => definition.name === name.toLowerCase(),
  );
}

export async function listRoleDefinitions(
  reader: Reader,
  account: string,
): Promise<readonly SqlRoleDefinition[]> {
  const { account: owner } = await requireAccount(reader, account);
  const custom = await readAll<SqlRoleDefinition>(reader, contentRange(account, "roleDefinition"));
  return [...builtInDefinitions(owner.resourceId), ...custom];
}

export async function deleteRoleDefinition(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  name: string,
): Promise<boolean> {
  const guid = name.toLowerCase();
  if (isBuiltIn(guid))
    throw badRequest(`Built-in role definition [${guid}] cannot be created, updated or deleted.`);
  const key = contentKey(account, "roleDefinition", guid);
  if ((await transaction.get(key)) === undefined) return false;
  const assignments = await listRoleAssignments(transaction, account);
  if (assignments.some((assignment) => lastSegment(assignment.roleDefinitionId) === guid)) {
    throw new ArmError(
      409,
      "Conflict",
      `The role definition [${guid}] is used by a role assignment; delete that first.`,
    );
  }
  transaction.delete(key);
  transaction.afterCommit(() => parts.catalog.removeRoleDefinition(account, guid));
  return true;
}

export async function putRoleAssignment(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  assignment: SqlRoleAssignment,
): Promise<SqlRoleAssignment> {
  const { account: owner } = await requireAccount(transaction, account);
  const name = assignment.name.toLowerCase();
  const old = await getRoleAssignment(transaction, account, name);
  const scope = assignment.scope.replace(/\/+$/, "");
  await checkAssignment(transaction, owner.resourceId, account, assignment, scope);
  if (old !== undefined && normalizeResourceId(old.scope) !== normalizeResourceId(scope)) {
    throw badRequest(`The scope of the role assignment [${name}] cannot be changed.`);
  }
  if (old !== undefined && old.principalId.toLowerCase() !== assignment.principalId.toLowerCase()) {
    throw badRequest(`The principal of the role assignment [${name}] cannot be changed.`);
  }
  const range = contentRange(account, "roleAssignment");
  if (old === undefined && (await transaction.range(range, maxAssignments)).length >= maxAssignments) {
    throw badRequest(`The account already has the maximum of ${maxAssignments} role assignments.`);
  }
  const stored: SqlRoleAssignment = { ...assignment, name, scope };
  transaction.put(contentKey(account, "roleAssignment", name), encodeRecord(stored));
  transaction.afterCommit(() => parts.catalog.setRoleAssignment(account, stored));
  return stored;
}

async function checkAssignment(
  reader: Reader,
  accountId: string,
  account: string,
  assignment: SqlRoleAssignment,
  scope: string,
): Promise<void> {
  const guid = lastSegment(assignment.roleDefinitionId);
  const expected = normalizeResourceId(`${accountId}/sqlRoleDefinitions/${guid}`);
  const definition = await getRoleDefinition(reader, account, guid);
  if (definition === undefined || normalizeResourceId(assignment.roleDefinitionId) !== expected) {
    throw badRequest(
      `The role definition ID [${assignment.roleDefinitionId}] does not belong to this database account.`,
    );
  }
  const at = scopeBelow(accountId, scope);
  if (at === undefined && isPrefixedTwice(accountId, assignment.scope)) throw prefixedTwice();
  if (at === undefined) {
    throw badRequest(
      `The scope [${assignment.scope}] does not lie below the database account [${accountId}].`,
    );
  }
  const assignable = definition.assignableScopes.some((outer) => {
    const allowed = scopeBelow(accountId, outer);
    if (allowed === undefined) return false;
    if (allowed.database === undefined) return true;
    if (allowed.database !== at.database) return false;
    return allowed.container === undefined || allowed.container === at.container;
  });
  if (!assignable) {
    throw badRequest(
      `The scope [${scope}] is not covered by the assignable scopes of the role definition [${guid}].`,
    );
  }
}

/** A full id in other letter case than the account's, which tools put the account's id in front of once more. */
function isPrefixedTwice(accountId: string, scope: string): boolean {
  const rest = scope.slice(accountId.length);
  return (
    scopeBelow(accountId, scope.slice(0, accountId.length)) !== undefined && /^\/subscriptions\//i.test(rest)
  );
}

function prefixedTwice(): ArmError {
  return badRequest(
    "Failed to parse the incoming request payload. Exception: System.FormatException: Input string was not in a correct format. Expected path segment [dbs] at position [0] but found [subscriptions].",
  );
}

export async function getRoleAssignment(
  reader: Reader,
  account: string,
  name: string,
): Promise<SqlRoleAssignment | undefined> {
  const bytes = await reader.get(contentKey(account, "roleAssignment", name.toLowerCase()));
  return bytes === undefined ? undefined : decodeRecord<SqlRoleAssignment>(bytes);
}

export async function listRoleAssignments(
  reader: Reader,
  account: string,
): Promise<readonly SqlRoleAssignment[]> {
  return readAll<SqlRoleAssignment>(reader, contentRange(account, "roleAssignment"));
}

export async function deleteRoleAssignment(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  name: string,
): Promise<boolean> {
  const guid = name.toLowerCase();
  const key = contentKey(account, "roleAssignment", guid);
  if ((await transaction.get(key)) === undefined) return false;
  transaction.delete(key);
  transaction.afterCommit(() => parts.catalog.removeRoleAssignment(account, guid));
  return true;
}

function badRequest(message: string): ArmError {
  return new ArmError(400, "BadRequest", message);
}

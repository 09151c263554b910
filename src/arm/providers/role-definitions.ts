/** Azure role definitions on the wire: the built-in ones, and custom ones that an owner of their scopes writes. */
import { ArmError } from "../../azure/arm-error.ts";
import { scopeCovers } from "../../azure/resource-id.ts";
import { builtInRoles, findBuiltInRole, type RolePermission } from "../../azure/roles.ts";
import { definitionId } from "../assignment-records.ts";
import { clip } from "../errors.ts";
import { invalidFilter, parseFilter } from "../filters.ts";
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
import { armLock } from "../records.ts";
import {
  deleteDefinition,
  getDefinition,
  listAssignments,
  listCustomDefinitions,
  loadScopeCover,
  putDefinition,
  type RoleDefinitionRecord,
  roleNameOf,
} from "../role-assignments.ts";
import { objectBody } from "./generic.ts";
import { bareGuid, canonicalScope, definitionNotFound, guidPattern, isoTime } from "./role-assignments.ts";

export async function putRoleDefinition(call: Call): Promise<Outcome> {
  const name = parameter(call, "name").toLowerCase();
  if (!guidPattern.test(name)) {
    throw invalidDefinition(`The role definition ID '${clip(name)}' must be a GUID.`);
  }
  if (findBuiltInRole(name) !== undefined) {
    throw new ArmError(
      400,
      "RoleDefinitionUpdateNotPermitted",
      `The role definition '${bareGuid(name)}' is built in and cannot be changed.`,
    );
  }
  const wanted = readDefinition(objectBody(call));
  const before = await getDefinition(call.plane.store, name);
  for (const scope of new Set([...wanted.assignableScopes, ...(before?.assignableScopes ?? [])])) {
    await call.require("Microsoft.Authorization/roleDefinitions/write", scope);
  }
  const { plane } = call;
  return plane.store.transact([armLock], async (transaction) => {
    const scope = await canonicalScope(transaction, parameter(call, "scope"));
    const existing = await getDefinition(transaction, name);
    if (existing?.updatedOn !== before?.updatedOn) throw changedMeanwhile();
    const clash = [...builtInRoles, ...(await listCustomDefinitions(transaction))].find(
      (each) => each.name !== name && each.roleName.toLowerCase() === wanted.roleName.toLowerCase(),
    );
    if (clash !== undefined) {
      throw new ArmError(
        409,
        "RoleDefinitionWithSameNameExists",
        `A role definition cannot be updated with a name that already exists: '${clip(wanted.roleName)}'.`,
      );
    }
    const now = isoTime(plane.clock.now());
    const definition: RoleDefinitionRecord = {
      ...wanted,
      name,
      type: "CustomRole",
      createdOn: existing?.createdOn ?? now,
      updatedOn: now,
      createdBy: existing?.createdBy ?? call.caller.objectId,
      updatedBy: call.caller.objectId,
    };
    putDefinition(transaction, definition);
    return { status: 201, body: renderDefinition(scope, definition) };
  });
}

/** For a role that was made or changed after the caller's rights at its scopes were looked at. */
function changedMeanwhile(): ArmError {
  return new ArmError(409, "Conflict", "The role definition was changed by another request; please retry.");
}

type DefinitionRequest = Pick<
  RoleDefinitionRecord,
  "roleName" | "description" | "assignableScopes" | "permissions"
>;

function readDefinition(body: JsonObject): DefinitionRequest {
  const properties = objectMember(body, "properties");
  const roleName = stringMember(properties, "roleName") ?? "";
  if (roleName === "" || roleName.length > 512) throw invalidDefinition("A role name is required.");
  const type = stringMember(properties, "type");
  if (type !== undefined && type.toLowerCase() !== "customrole") {
    throw invalidDefinition("The type of the role must be 'CustomRole'.");
  }
  const assignableScopes = strings(member(properties, "assignableScopes"), "assignableScopes");
  if (assignableScopes.length === 0) throw invalidDefinition("At least one assignable scope is required.");
  if (!assignableScopes.every((scope) => /^\/(subscriptions|providers)\//i.test(scope))) {
    throw invalidDefinition("Assignable scopes of a custom role lie at or below a subscription.");
  }
  const permissions = member(properties, "permissions");
  if (!isArray(permissions) || permissions.length === 0) throw invalidDefinition("Permissions are required.");
  return {
    roleName,
    description: stringMember(properties, "description") ?? "",
    assignableScopes,
    permissions: permissions.map(readPermission),
  };
}

function readPermission(value: Json): RolePermission {
  if (!isObject(value)) throw invalidDefinition("Each permission must be an object.");
  // Kept without being judged, it would grant more than was asked for.
  if (member(value, "condition") != null)
    throw invalidDefinition("Permissions of custom roles have no condition.");
  const permission = {
    actions: strings(member(value, "actions"), "actions"),
    notActions: strings(member(value, "notActions"), "notActions"),
    dataActions: strings(member(value, "dataActions"), "dataActions"),
    notDataActions: strings(member(value, "notDataActions"), "notDataActions"),
  };
  for (const action of [...permission.dataActions, ...permission.notDataActions]) {
    if (!/^microsoft\.documentdb\//i.test(action)) continue;
    throw new ArmError(
      400,
      "InvalidActionOrNotAction",
      `The resource provider referenced in the action '${clip(action)}' has not published any data operations.`,
    );
  }
  for (const action of [...permission.actions, ...permission.notActions]) {
    if (action !== "*" && !action.includes("/")) {
      throw new ArmError(
        400,
        "InvalidActionOrNotAction",
        `'${clip(action)}' does not match any of the actions supported by the providers.`,
      );
    }
  }
  return permission;
}

function strings(value: Json | undefined, name: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw invalidDefinition(`'${name}' must be an array of strings.`);
  return value.map((each) => {
    if (typeof each !== "string" || each === "") {
      throw invalidDefinition(`'${name}' must be an array of strings.`);
    }
    return each;
  });
}

function invalidDefinition(message: string): ArmError {
  return new ArmError(400, "InvalidRoleDefinition", message);
}

export async function readRoleDefinition(call: Call): Promise<Outcome> {
  const scope = await canonicalScope(call.plane.store, parameter(call, "scope"));
  const found = await getDefinition(call.plane.store, parameter(call, "name"));
  const covers = await loadScopeCover(call.plane.store);
  const isHere = found?.assignableScopes.some((each) => covers(each, scope) || covers(scope, each));
  if (found === undefined || isHere !== true) throw definitionNotFound(parameter(call, "name"));
  return { status: 200, body: renderDefinition(scope, found) };
}

export async function deleteRoleDefinition(call: Call): Promise<Outcome> {
  const name = parameter(call, "name").toLowerCase();
  const before = await getDefinition(call.plane.store, name);
  // A role is one thing, whichever of its scopes the path names: who deletes it must be allowed to at all of them.
  for (const scope of before?.type === "CustomRole" ? before.assignableScopes : []) {
    await call.require("Microsoft.Authorization/roleDefinitions/delete", scope);
  }
  return call.plane.store.transact([armLock], async (transaction) => {
    const scope = await canonicalScope(transaction, parameter(call, "scope"));
    const found = await getDefinition(transaction, name);
    if (found === undefined) return { status: 204 };
    if (found.updatedOn !== before?.updatedOn) throw changedMeanwhile();
    if (found.type === "BuiltInRole") throw invalidDefinition("Built-in roles cannot be deleted.");
    const used = (await listAssignments(transaction)).some(
      (each) => roleNameOf(each.roleDefinitionId) === name,
    );
    if (used) {
      throw new ArmError(
        400,
        "RoleDefinitionHasAssignments",
        "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).",
      );
    }
    deleteDefinition(transaction, name);
    return { status: 200, body: renderDefinition(scope, found) };
  });
}

export async function listRoleDefinitions(call: Call): Promise<Outcome> {
  const scope = await canonicalScope(call.plane.store, parameter(call, "scope"));
  const custom = await listCustomDefinitions(call.plane.store);
  const builtIn = builtInRoles.map(
    (each): RoleDefinitionRecord => ({ ...each, type: "BuiltInRole", assignableScopes: ["/"] }),
  );
  const text = call.address.query.get("$filter");
  let found = [...builtIn, ...custom].filter((each) =>
    each.assignableScopes.some((allowed) => scopeCovers(allowed, scope) || scopeCovers(scope, allowed)),
  );
  for (const term of parseFilter(text)) {
    const value = term.kind === "equals" ? term.value.toLowerCase() : "";
    if (term.name === "rolename") found = found.filter((each) => each.roleName.toLowerCase() === value);
    else if (term.name === "type") found = found.filter((each) => each.type.toLowerCase() === value);
    else if (term.name === "atscope") {
      found = found.filter((each) => each.assignableScopes.some((allowed) => scopeCovers(allowed, scope)));
    } else if (term.name !== "atscopeandbelow") throw invalidFilter(text ?? "");
  }
  return { status: 200, body: { value: found.map((each) => renderDefinition(scope, each)) } };
}

function renderDefinition(scope: string, definition: RoleDefinitionRecord): JsonObject {
  return {
    properties: {
      roleName: definition.roleName,
      type: definition.type,
      description: definition.description,
      assignableScopes: definition.assignableScopes,
      permissions: definition.permissions.map((permission) => ({ ...permission })),
      createdOn: definition.createdOn ?? "2015-02-02T21:55:09.8806423Z",
      updatedOn: definition.updatedOn ?? "2021-11-11T20:13:28.6061853Z",
      createdBy: definition.createdBy ?? null,
      updatedBy: definition.updatedBy ?? null,
    },
    id: definitionId(scope, definition.name),
    type: "Microsoft.Authorization/roleDefinitions",
    name: definition.name,
  };
}

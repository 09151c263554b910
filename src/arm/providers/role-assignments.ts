/**
 * Role assignments on the wire. Every refusal of the service that tools and people meet is made here: the wrong kind
 * of role, an unknown principal, the same assignment under another name, a change of what cannot change.
 */
import { ConditionFault, parseCondition } from "../../authz/condition.ts";
import { ArmError } from "../../azure/arm-error.ts";
import type { Principal } from "../../azure/principal.ts";
import { normalizeResourceId, sameResourceId } from "../../azure/resource-id.ts";
import type { Reader } from "../../storage/port.ts";
import { definitionId, putAssignment, type RoleAssignmentRecord } from "../assignment-records.ts";
import { clip, notImplemented } from "../errors.ts";
import { invalidFilter, parseFilter } from "../filters.ts";
import { type JsonObject, member, objectMember, stringMember } from "../json.ts";
import { type Call, type ControlPlane, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import { requireGroup, requireSubscription } from "../resource-groups.ts";
import {
  assignmentsOf,
  getAssignment,
  getDefinition,
  listAssignments,
  loadScopeCover,
  retireAssignment,
  roleNameOf,
} from "../role-assignments.ts";
import { objectBody } from "./generic.ts";

/** The version of the language of conditions. */
const conditionVersion = "2.0";

export const guidPattern: RegExp = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function bareGuid(guid: string): string {
  return guid.replaceAll("-", "").toLowerCase();
}

export async function putRoleAssignment(call: Call): Promise<Outcome> {
  const name = parameter(call, "name");
  if (!guidPattern.test(name)) {
    throw new ArmError(
      400,
      "InvalidRoleAssignmentId",
      `The role assignment ID '${clip(name)}' is not valid. The role assignment ID must be a GUID.`,
    );
  }
  const wanted = readRequest(call);
  const { plane } = call;
  return plane.store.transact([armLock], async (transaction) => {
    const scope = await canonicalScope(transaction, parameter(call, "scope"));
    const definition = await getDefinition(transaction, roleNameOf(wanted.roleDefinitionId));
    if (definition === undefined) throw roleDoesNotExist(roleNameOf(wanted.roleDefinitionId));
    const covers = await loadScopeCover(transaction);
    if (!definition.assignableScopes.some((allowed) => covers(allowed, scope))) {
      throw new ArmError(
        400,
        "RoleAssignmentScopeNotAssignableToRoleDefinition",
        `The scope '${clip(scope)}' cannot be assigned to the role definition '${bareGuid(definition.name)}'.`,
      );
    }
    const principal = await requirePrincipal(call, transaction, wanted.principalId, wanted.principalType);
    const id = `${scope === "/" ? "" : scope}/providers/Microsoft.Authorization/roleAssignments/${name}`;
    const existing = await getAssignment(transaction, id);
    const next: RoleAssignmentRecord = {
      id: existing?.id ?? id,
      name: existing?.name ?? name,
      scope: existing?.scope ?? scope,
      roleDefinitionId: definitionId(scope, definition.name),
      principalId: principal.objectId,
      principalType: principal.type,
      description: wanted.description,
      ...(wanted.condition === undefined ? {} : { condition: wanted.condition }),
      createdOn: existing?.createdOn ?? isoTime(plane.clock.now()),
      updatedOn: isoTime(plane.clock.now()),
      createdBy: existing?.createdBy ?? call.caller.objectId,
      updatedBy: call.caller.objectId,
      ...effectOf(existing, plane),
    };
    if (existing === undefined) await rejectDuplicate(transaction, next);
    else rejectUpdate(existing, next);
    putAssignment(transaction, next);
    return { status: 201, body: renderAssignment(next) };
  });
}

/** When a new assignment begins to grant, where the server lets changes wait; one that exists goes on as it did. */
function effectOf(
  existing: RoleAssignmentRecord | undefined,
  { clock, roleDelay }: ControlPlane,
): Pick<RoleAssignmentRecord, "effectiveFrom"> {
  const effectiveFrom =
    existing === undefined && roleDelay > 0 ? clock.now() + roleDelay : existing?.effectiveFrom;
  return effectiveFrom === undefined ? {} : { effectiveFrom };
}

interface AssignmentRequest {
  readonly roleDefinitionId: string;
  readonly principalId: string;
  readonly principalType: string | undefined;
  readonly description: string | null;
  readonly condition?: string;
}

function readRequest(call: Call): AssignmentRequest {
  const properties = objectMember(objectBody(call), "properties");
  const roleDefinitionId = stringMember(properties, "roleDefinitionId");
  const principalId = stringMember(properties, "principalId");
  if (roleDefinitionId === undefined || principalId === undefined) {
    throw invalidRequest(call, "The properties 'roleDefinitionId' and 'principalId' are required.");
  }
  if (/\/sqlRoleDefinitions\//i.test(roleDefinitionId) || !guidPattern.test(roleNameOf(roleDefinitionId))) {
    throw new ArmError(
      400,
      "InvalidRoleDefinitionId",
      `The role definition ID '${clip(roleDefinitionId)}' is not valid.`,
    );
  }
  if (!guidPattern.test(principalId)) {
    throw new ArmError(
      400,
      "InvalidPrincipalId",
      `A valid principal ID must be provided for role assignment; '${clip(principalId)}' is not a GUID.`,
    );
  }
  const condition = readCondition(call, properties);
  const scope = stringMember(properties, "scope");
  const asked = parameter(call, "scope") || "/";
  if (scope !== undefined && !sameResourceId(scope, asked)) {
    throw invalidRequest(
      call,
      `Role assignment scope '${clip(scope)}' must match the scope specified on the URI '${clip(asked)}'.`,
    );
  }
  return {
    roleDefinitionId,
    principalId,
    principalType: stringMember(properties, "principalType"),
    description: stringMember(properties, "description") ?? null,
    ...(condition === undefined ? {} : { condition }),
  };
}

/** The condition, if there is one, as it was sent; what cannot be read or judged is refused, never granted. */
function readCondition(call: Call, properties: JsonObject | undefined): string | undefined {
  const condition = member(properties, "condition");
  if (condition === undefined || condition === null || condition === "") return undefined;
  const version = member(properties, "conditionVersion") ?? conditionVersion;
  if (version !== conditionVersion) {
    throw invalidRequest(call, `The condition version must be '${conditionVersion}'.`);
  }
  if (typeof condition !== "string") throw invalidRequest(call, "The condition must be a text.");
  try {
    parseCondition(condition);
  } catch (error) {
    if (!(error instanceof ConditionFault)) throw error;
    if (error.isUnsupported) throw notImplemented(`This condition (${clip(error.message)})`);
    throw invalidRequest(call, `The condition is malformed: ${clip(error.message)}.`);
  }
  return condition;
}

function invalidRequest(call: Call, detail: string): ArmError {
  return new ArmError(
    400,
    "InvalidCreateRoleAssignmentRequest",
    `The request to create role assignment '${bareGuid(parameter(call, "name"))}' is not valid. ${detail}`,
  );
}

function roleDoesNotExist(name: string): ArmError {
  return new ArmError(
    400,
    "RoleDefinitionDoesNotExist",
    `The specified role definition with ID '${bareGuid(name)}' does not exist.`,
  );
}

/** The principal that an assignment names; the client id of an application is recognised in `additionalInfo` only. */
async function requirePrincipal(
  call: Call,
  reader: Reader,
  principalId: string,
  type: string | undefined,
): Promise<Principal> {
  const { identity, tenantId } = call.plane;
  const principal = await identity.findPrincipal(reader, principalId);
  if (principal === undefined) {
    const owner = await identity.findByAppId(reader, principalId);
    throw new ArmError(
      400,
      "PrincipalNotFound",
      `Principal ${bareGuid(principalId)} does not exist in the directory ${tenantId}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype`,
      owner === undefined ? {} : { additionalInfo: [clientIdHint(principalId, owner)] },
    );
  }
  if (type !== undefined && type.toLowerCase() !== principal.type.toLowerCase()) {
    throw new ArmError(
      400,
      "UnmatchedPrincipalType",
      `The PrincipalId '${bareGuid(principalId)}' has type '${principal.type}' , which is different from specified PrinciaplType '${clip(type)}'.`,
    );
  }
  return principal;
}

/** Says that an id is a client id and which principal it belongs to; tools show it beside the service's message. */
export function clientIdHint(
  given: string,
  owner: Principal,
): { readonly type: string; readonly info: unknown } {
  return {
    type: "Hint",
    info: {
      message: `${given} is the client id of '${owner.displayName}'; its principal id is ${owner.objectId}`,
      principalId: owner.objectId,
    },
  };
}

async function rejectDuplicate(reader: Reader, next: RoleAssignmentRecord): Promise<void> {
  const held = await assignmentsOf(reader, [next.principalId]);
  const same = held.find(
    (each) =>
      sameResourceId(each.scope, next.scope) &&
      roleNameOf(each.roleDefinitionId) === roleNameOf(next.roleDefinitionId),
  );
  if (same === undefined) return;
  throw new ArmError(
    409,
    "RoleAssignmentExists",
    `The role assignment already exists. The ID of the existing role assignment is ${bareGuid(same.name)}.`,
  );
}

function rejectUpdate(existing: RoleAssignmentRecord, next: RoleAssignmentRecord): void {
  const same =
    existing.principalId.toLowerCase() === next.principalId.toLowerCase() &&
    roleNameOf(existing.roleDefinitionId) === roleNameOf(next.roleDefinitionId);
  if (same) return;
  throw new ArmError(
    400,
    "RoleAssignmentUpdateNotPermitted",
    "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
  );
}

/** The scope in canonical spelling for subscriptions and groups, else as written; throws 404 when either is missing. */
export async function canonicalScope(reader: Reader, scope: string): Promise<string> {
  const parts = scope.split("/");
  if (parts[1]?.toLowerCase() !== "subscriptions") return scope === "" ? "/" : scope;
  const subscription = await requireSubscription(reader, parts[2] ?? "");
  const head = `/subscriptions/${subscription.subscriptionId}`;
  if (parts[3]?.toLowerCase() !== "resourcegroups") return [head, ...parts.slice(3)].join("/");
  const group = await requireGroup(reader, subscription.subscriptionId, parts[4] ?? "");
  return [`${head}/resourceGroups/${group.name}`, ...parts.slice(5)].join("/");
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function assignmentPath(call: Call): string {
  return `${parameter(call, "scope")}/providers/Microsoft.Authorization/roleAssignments/${parameter(call, "name")}`;
}

export async function readRoleAssignment(call: Call): Promise<Outcome> {
  const found = await getAssignment(call.plane.store, assignmentPath(call));
  if (found === undefined) {
    throw new ArmError(
      404,
      "RoleAssignmentNotFound",
      `The role assignment '${clip(parameter(call, "name"))}' is not found.`,
    );
  }
  return { status: 200, body: renderAssignment(found) };
}

export async function deleteRoleAssignment(call: Call): Promise<Outcome> {
  return call.plane.store.transact([armLock], async (transaction) => {
    const found = await getAssignment(transaction, assignmentPath(call));
    if (found === undefined) return { status: 204 };
    await rejectLastOwner(call, transaction, found);
    const { clock, roleDelay } = call.plane;
    await retireAssignment(transaction, found, clock.now(), roleDelay);
    return { status: 200, body: renderAssignment(found) };
  });
}

const owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const userAccessAdministrator = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";

/**
 * A subscription keeps an owner, or for want of one who may make one: only a Global Administrator takes the last away
 * ("Troubleshoot Azure RBAC"). Throws ArmError 400.
 */
async function rejectLastOwner(call: Call, reader: Reader, leaving: RoleAssignmentRecord): Promise<void> {
  const role = roleNameOf(leaving.roleDefinitionId);
  const isSubscription = /^\/subscriptions\/[^/]+$/i.test(leaving.scope);
  const isAdministrator = sameGuid(call.caller.objectId, call.plane.bootstrapObjectId);
  if (!isSubscription || isAdministrator || (role !== owner && role !== userAccessAdministrator)) return;
  const enough = role === owner ? [owner] : [owner, userAccessAdministrator];
  const others = (await listAssignments(reader)).filter(
    (each) =>
      sameResourceId(each.scope, leaving.scope) &&
      !sameResourceId(each.id, leaving.id) &&
      enough.includes(roleNameOf(each.roleDefinitionId)),
  );
  if (others.length > 0) return;
  throw new ArmError(
    400,
    "CannotDeleteLastRbacAdminAssignment",
    "Cannot delete the last RBAC admin assignment.",
  );
}

export async function listRoleAssignments(call: Call): Promise<Outcome> {
  const { plane } = call;
  const scope = await canonicalScope(plane.store, parameter(call, "scope"));
  const text = call.address.query.get("$filter");
  let found = await listAssignments(plane.store);
  let below = true;
  for (const term of parseFilter(text)) {
    if (term.kind === "function" && term.name === "atscope") below = false;
    else if (term.kind === "equals" && term.name === "principalid") {
      found = found.filter((each) => sameGuid(each.principalId, term.value));
    } else if (term.kind === "function" && term.name === "assignedto" && term.argument !== undefined) {
      const groups = await plane.directory.groupsOf(term.argument);
      const ids = [term.argument, ...groups];
      found = found.filter((each) => ids.some((id) => sameGuid(each.principalId, id)));
    } else throw invalidFilter(text ?? "");
  }
  const covers = await loadScopeCover(plane.store);
  const value = found
    .filter((each) => covers(each.scope, scope) || (below && covers(scope, each.scope)))
    .sort((a, b) => (normalizeResourceId(a.id) < normalizeResourceId(b.id) ? -1 : 1))
    .map(renderAssignment);
  return { status: 200, body: { value } };
}

function sameGuid(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function renderAssignment(assignment: RoleAssignmentRecord): JsonObject {
  return {
    properties: {
      roleDefinitionId: assignment.roleDefinitionId,
      principalId: assignment.principalId,
      principalType: assignment.principalType,
      scope: assignment.scope,
      condition: assignment.condition ?? null,
      conditionVersion: assignment.condition === undefined ? null : conditionVersion,
      createdOn: assignment.createdOn,
      updatedOn: assignment.updatedOn,
      createdBy: assignment.createdBy,
      updatedBy: assignment.updatedBy,
      delegatedManagedIdentityResourceId: null,
      description: assignment.description,
    },
    id: assignment.id,
    type: "Microsoft.Authorization/roleAssignments",
    name: assignment.name,
  };
}

/** Throws ArmError 404 for a role definition that does not exist at this path. */
export function definitionNotFound(name: string): ArmError {
  const hex = clip(name).replaceAll("-", "");
  return new ArmError(
    404,
    "RoleDefinitionDoesNotExist",
    `The specified role definition with ID '${hex}' does not exist.`,
  );
}

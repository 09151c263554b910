/**
 * Microsoft.Authorization/denyAssignments as resources at any scope, with the service's rules for those that its
 * users make: everyone needs an exception, a group is no principal of one, data actions are not denied.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { normalizeResourceId } from "../../azure/resource-id.ts";
import type { Reader } from "../../storage/port.ts";
import {
  type DenyAssignmentRecord,
  type DenyPrincipal,
  deleteDenyAssignment,
  getDenyAssignment,
  listDenyAssignments,
  putDenyAssignment,
} from "../deny-assignments.ts";
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
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import { loadScopeCover } from "../role-assignments.ts";
import { objectBody } from "./generic.ts";
import { bareGuid, canonicalScope, guidPattern, isoTime } from "./role-assignments.ts";

const all = "/{+scope}/providers/Microsoft.Authorization/denyAssignments";
const one = `${all}/{name}`;
const type = "Microsoft.Authorization/denyAssignments";
const everyone = "00000000-0000-0000-0000-000000000000";

export const denyAssignmentOperations: readonly Operation[] = [
  { method: "PUT", path: one, action: `${type}/write`, handler: put },
  { method: "GET", path: one, action: `${type}/read`, handler: read },
  { method: "DELETE", path: one, action: `${type}/delete`, handler: remove },
  { method: "GET", path: all, action: `${type}/read`, scope: "{scope}", handler: list },
];

function invalid(detail: string): ArmError {
  return new ArmError(400, "InvalidDenyAssignmentRequest", `The deny assignment is not valid. ${detail}`);
}

async function put(call: Call): Promise<Outcome> {
  const name = parameter(call, "name");
  if (!guidPattern.test(name)) {
    throw new ArmError(
      400,
      "InvalidDenyAssignmentId",
      `The deny assignment ID '${clip(name)}' is not valid. The deny assignment ID must be a GUID.`,
    );
  }
  const wanted = readRequest(call);
  const { plane } = call;
  return plane.store.transact([armLock], async (transaction) => {
    const scope = await canonicalScope(transaction, parameter(call, "scope"));
    const id = `${scope === "/" ? "" : scope}/providers/${type}/${name}`;
    const existing = await getDenyAssignment(transaction, id);
    await requireKnown(call, transaction, [...wanted.principals, ...wanted.excludePrincipals]);
    const now = isoTime(plane.clock.now());
    const next: DenyAssignmentRecord = {
      ...wanted,
      id: existing?.id ?? id,
      name: existing?.name ?? name,
      scope: existing?.scope ?? scope,
      createdOn: existing?.createdOn ?? now,
      createdBy: existing?.createdBy ?? call.caller.objectId,
      updatedOn: now,
      updatedBy: call.caller.objectId,
    };
    await rejectSameName(transaction, next);
    putDenyAssignment(transaction, next);
    return { status: existing === undefined ? 201 : 200, body: render(next) };
  });
}

type Wanted = Pick<
  DenyAssignmentRecord,
  | "denyAssignmentName"
  | "description"
  | "permissions"
  | "principals"
  | "excludePrincipals"
  | "doNotApplyToChildScopes"
>;

function readRequest(call: Call): Wanted {
  const properties = objectMember(objectBody(call), "properties") ?? {};
  const denyAssignmentName = stringMember(properties, "denyAssignmentName") ?? "";
  if (denyAssignmentName.trim() === "") throw invalid("The property 'denyAssignmentName' is required.");
  refuseWhatIsNotJudged(properties);
  const principals = readPrincipals(properties, "principals");
  const excludePrincipals = readPrincipals(properties, "excludePrincipals");
  if (principals.length !== 1)
    throw invalid("Exactly one principal is needed: everyone, a user or a service principal.");
  if (excludePrincipals.some(({ id }) => id === everyone)) throw invalid("Everyone cannot be excluded.");
  if (principals[0]?.id === everyone && excludePrincipals.length === 0) {
    throw invalid("A deny assignment for everyone needs at least one excluded principal.");
  }
  return {
    denyAssignmentName,
    description: stringMember(properties, "description") ?? null,
    permissions: readPermissions(properties),
    principals,
    excludePrincipals,
    doNotApplyToChildScopes: member(properties, "doNotApplyToChildScopes") === true,
  };
}

/** What would be kept and never acted on is refused instead: a denial that is only believed in is worse than none. */
function refuseWhatIsNotJudged(properties: JsonObject): void {
  const condition = member(properties, "condition");
  if (condition !== undefined && condition !== null) {
    throw new ArmError(501, "NotImplemented", "Conditions on deny assignments are not implemented.");
  }
  const effect = stringMember(properties, "denyAssignmentEffect") ?? "enforced";
  if (effect.toLowerCase() === "audit") {
    throw new ArmError(501, "NotImplemented", "Deny assignments that only audit are not implemented.");
  }
  if (effect.toLowerCase() !== "enforced") throw invalid(`There is no effect '${clip(effect)}'.`);
  if (member(properties, "isSystemProtected") === true) {
    throw invalid("Only Azure itself makes deny assignments that are protected by the system.");
  }
}

function readPermissions(properties: JsonObject): DenyAssignmentRecord["permissions"] {
  const given = member(properties, "permissions");
  if (!isArray(given) || given.length === 0 || !given.every(isObject)) {
    throw invalid("The property 'permissions' must be an array of at least one object.");
  }
  return given.map((permission) => {
    if (strings(permission, "dataActions").length > 0 || strings(permission, "notDataActions").length > 0) {
      throw invalid("Data actions cannot be denied.");
    }
    const actions = strings(permission, "actions");
    if (actions.length === 0) throw invalid("Each permission needs at least one action.");
    return { actions, notActions: strings(permission, "notActions") };
  });
}

/** Longest pattern and most patterns that one list may have. */
const patternLengthMax = 400;
const patternsMax = 500;

function strings(owner: JsonObject, name: string): readonly string[] {
  const value = member(owner, name);
  if (value === undefined || value === null) return [];
  const usable =
    isArray(value) &&
    value.length <= patternsMax &&
    value.every(
      (each): each is string => typeof each === "string" && each !== "" && each.length <= patternLengthMax,
    );
  if (!usable) throw invalid(`The property '${name}' must be an array of actions.`);
  return value as readonly string[];
}

const principalTypes: readonly DenyPrincipal["type"][] = [
  "User",
  "Group",
  "ServicePrincipal",
  "SystemDefined",
];

function readPrincipals(
  properties: JsonObject,
  name: "principals" | "excludePrincipals",
): readonly DenyPrincipal[] {
  const value = member(properties, name);
  if (value === undefined || value === null) return [];
  if (!isArray(value) || value.length > patternsMax || !value.every(isObject)) {
    throw invalid(`The property '${name}' must be an array of principals.`);
  }
  return value.map((each) => readPrincipal(each, name));
}

function readPrincipal(each: { readonly [name: string]: Json }, list: string): DenyPrincipal {
  const id = (stringMember(each, "id") ?? "").toLowerCase();
  const sent = stringMember(each, "type");
  const known = principalTypes.find((one) => one.toLowerCase() === sent?.toLowerCase());
  const type = known ?? (id === everyone ? "SystemDefined" : undefined);
  if (!guidPattern.test(id) || type === undefined || (type === "SystemDefined") !== (id === everyone)) {
    throw invalid(`Each of the '${list}' needs an 'id' and its 'type'.`);
  }
  if (list === "principals" && type === "Group")
    throw invalid("A group cannot be denied: name users or service principals.");
  return { id, type };
}

async function requireKnown(call: Call, reader: Reader, principals: readonly DenyPrincipal[]): Promise<void> {
  for (const { id, type: wanted } of principals) {
    if (wanted === "SystemDefined") continue;
    const found = await call.plane.identity.findPrincipal(reader, id);
    if (found?.type === wanted) continue;
    const why =
      found === undefined ? `does not exist in the directory ${call.plane.tenantId}` : `is no ${wanted}`;
    throw new ArmError(400, "PrincipalNotFound", `Principal ${bareGuid(id)} ${why}.`);
  }
}

/** Names are unique at a scope. */
async function rejectSameName(reader: Reader, next: DenyAssignmentRecord): Promise<void> {
  const wanted = next.denyAssignmentName.toLowerCase();
  const clash = (await listDenyAssignments(reader)).find(
    (other) =>
      other.denyAssignmentName.toLowerCase() === wanted &&
      normalizeResourceId(other.scope) === normalizeResourceId(next.scope) &&
      normalizeResourceId(other.id) !== normalizeResourceId(next.id),
  );
  if (clash === undefined) return;
  throw new ArmError(
    409,
    "DenyAssignmentExists",
    `A deny assignment with the same name ${clip(next.denyAssignmentName)} already exists at this scope.`,
  );
}

function idOf(call: Call): string {
  return `${parameter(call, "scope")}/providers/${type}/${parameter(call, "name")}`;
}

async function read(call: Call): Promise<Outcome> {
  const found = await getDenyAssignment(call.plane.store, idOf(call));
  if (found === undefined) {
    throw new ArmError(
      404,
      "DenyAssignmentNotFound",
      `The deny assignment '${clip(parameter(call, "name"))}' is not found.`,
    );
  }
  return { status: 200, body: render(found) };
}

async function remove(call: Call): Promise<Outcome> {
  return call.plane.store.transact([armLock], async (transaction) => {
    const found = await getDenyAssignment(transaction, idOf(call));
    if (found === undefined) return { status: 204 };
    deleteDenyAssignment(transaction, found);
    return { status: 200, body: render(found) };
  });
}

/** Those at the scope, above it and, unless `atScope()` is asked for, below it. */
async function list(call: Call): Promise<Outcome> {
  const { store, directory } = call.plane;
  const scope = await canonicalScope(store, parameter(call, "scope"));
  const text = call.address.query.get("$filter");
  let found = await listDenyAssignments(store);
  let below = true;
  const names = (principals: readonly DenyPrincipal[], ids: readonly string[]): boolean =>
    principals.some(({ id }) => ids.some((own) => own.toLowerCase() === id));
  for (const term of parseFilter(text)) {
    const { kind, name } = term;
    if (kind === "function" && name === "atscope") below = false;
    else if (kind === "function" && name === "assignedto" && term.argument !== undefined) {
      const ids = [term.argument, ...(await directory.groupsOf(term.argument)), everyone];
      found = found.filter(({ principals }) => names(principals, ids));
    } else if (kind === "equals" && name === "denyassignmentname") {
      found = found.filter((each) => each.denyAssignmentName.toLowerCase() === term.value.toLowerCase());
    } else if (kind === "equals" && name === "principalid") {
      found = found.filter(({ principals }) => names(principals, [term.value]));
    } else throw invalidFilter(text ?? "");
  }
  const covers = await loadScopeCover(store);
  const value = found
    .filter((each) => covers(each.scope, scope) || (below && covers(scope, each.scope)))
    .map(render);
  return { status: 200, body: { value } };
}

function render(record: DenyAssignmentRecord): JsonObject {
  return {
    properties: {
      denyAssignmentName: record.denyAssignmentName,
      description: record.description,
      permissions: record.permissions.map(({ actions, notActions }) => ({
        actions,
        notActions,
        dataActions: [],
        notDataActions: [],
      })),
      scope: record.scope,
      doNotApplyToChildScopes: record.doNotApplyToChildScopes,
      principals: record.principals.map((principal) => ({ ...principal })),
      excludePrincipals: record.excludePrincipals.map((principal) => ({ ...principal })),
      isSystemProtected: false,
      denyAssignmentEffect: "enforced",
      condition: null,
      conditionVersion: null,
      createdOn: record.createdOn,
      updatedOn: record.updatedOn,
      createdBy: record.createdBy,
      updatedBy: record.updatedBy,
    },
    id: record.id,
    type,
    name: record.name,
  };
}

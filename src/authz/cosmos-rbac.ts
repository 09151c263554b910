/**
 * Cosmos DB's own data roles: definitions and assignments of one account, judged against one data-plane request.
 * Azure RBAC plays no part here, and nothing here reads storage: the policy is compiled from loaded records once
 * per change, and a decision on a compiled policy is a few map look-ups.
 */
import { normalizeResourceId } from "../azure/resource-id.ts";
import { actionMatches } from "./action.ts";
import type { ConsideredAssignment, Decision } from "./decision.ts";

export interface DataRoleDefinition {
  /** The GUID, lower case. */
  readonly name: string;
  readonly roleName: string;
  readonly permissions: readonly { readonly dataActions: readonly string[] }[];
}

export interface DataRoleAssignment {
  /** The GUID, lower case. */
  readonly name: string;
  readonly roleDefinitionId: string;
  readonly principalId: string;
  /** `<account id>` or `<account id>/dbs/D` or `<account id>/dbs/D/colls/C`. */
  readonly scope: string;
}

/** The resource a request is about; names are case-sensitive as in the data plane. */
export interface DataScope {
  readonly database?: string;
  readonly container?: string;
}

export interface DataRequest {
  readonly principalId: string;
  readonly principalExists: boolean;
  readonly groups: readonly string[];
  /** Full data action, or `undefined` when no role can allow the operation (it is never open to Entra tokens). */
  readonly action: string | undefined;
  readonly scope: DataScope;
  /** True for the account read, which `readMetadata` held at any scope allows. */
  readonly anyScope?: boolean;
  /** The resource as the denial names it: `/`, `dbs/D`, `dbs/D/colls/C`. */
  readonly resource: string;
}

interface CompiledAssignment {
  readonly assignment: DataRoleAssignment;
  readonly definition: DataRoleDefinition | undefined;
  readonly actions: readonly string[];
  /** Names below the account, or `undefined` when the scope does not belong to this account. */
  readonly at: DataScope | undefined;
  /** What a decision says when this assignment grants: always the same. */
  readonly granted: readonly ConsideredAssignment[];
  /** Actions judged before: whether the role contains them. */
  readonly known: Map<string, boolean>;
}

export interface CosmosPolicy {
  readonly all: readonly CompiledAssignment[];
  /** Assignments that have no effect yet: they never grant, denials tell of them. */
  readonly pending: readonly CompiledAssignment[];
  readonly byPrincipal: ReadonlyMap<string, readonly CompiledAssignment[]>;
}

/** Prepares an account's roles for decisions; `accountId` is the account's ARM id, `pending` takes effect later. */
export function compileCosmosPolicy(
  accountId: string,
  definitions: readonly DataRoleDefinition[],
  assignments: readonly DataRoleAssignment[],
  pending: readonly DataRoleAssignment[] = [],
): CosmosPolicy {
  const byName = new Map(definitions.map((definition) => [definition.name.toLowerCase(), definition]));
  const compile = (assignment: DataRoleAssignment): CompiledAssignment => {
    const name = (assignment.roleDefinitionId.split("/").pop() ?? "").toLowerCase();
    const definition = byName.get(name);
    return {
      assignment,
      definition,
      actions: (definition?.permissions ?? []).flatMap((permission) => permission.dataActions),
      at: scopeBelow(accountId, assignment.scope),
      granted: [render({ assignment, definition }, [])],
      known: new Map<string, boolean>(),
    };
  };
  const all = assignments.map(compile);
  const byPrincipal = new Map<string, CompiledAssignment[]>();
  for (const compiled of all) {
    const key = compiled.assignment.principalId.toLowerCase();
    const list = byPrincipal.get(key);
    if (list === undefined) byPrincipal.set(key, [compiled]);
    else list.push(compiled);
  }
  return { all, pending: pending.map(compile), byPrincipal };
}

/**
 * The database and container that a fully qualified scope names below the account, `{}` for the account itself,
 * `undefined` for anything else. The account part ignores letter case, database and container names do not.
 */
export function scopeBelow(accountId: string, scope: string): DataScope | undefined {
  const trimmed = scope.replace(/\/+$/, "");
  const base = accountId.replace(/\/+$/, "");
  if (normalizeResourceId(trimmed.slice(0, base.length)) !== normalizeResourceId(base)) return undefined;
  const rest = trimmed.slice(base.length);
  if (rest === "") return {};
  const match = /^\/dbs\/([^/]+)(?:\/colls\/([^/]+))?$/.exec(rest);
  if (match?.[1] === undefined) return undefined;
  return match[2] === undefined ? { database: match[1] } : { database: match[1], container: match[2] };
}

/**
 * Decides a data-plane request made with an Entra token: allowed when any assignment of the principal or one of its
 * groups, at the resource or above it, has a definition with a matching data action. Additive, default deny.
 */
export function decideCosmos(policy: CosmosPolicy, request: DataRequest): Decision {
  const base = {
    credential: { kind: "aad", principalId: request.principalId, groups: request.groups },
    action: request.action ?? "",
    resource: request.resource,
  } as const;
  if (request.action === undefined)
    return { ...base, allowed: false, reason: "notPossibleWithAad", considered: [] };
  if (!request.principalExists)
    return { ...base, allowed: false, reason: "principalDeleted", considered: [] };
  const grant = findGrant(policy, request);
  if (grant !== undefined) {
    return { ...base, allowed: true, appliedAssignmentId: grant.assignment.name, considered: grant.granted };
  }
  const ids = new Set([request.principalId, ...request.groups].map((id) => id.toLowerCase()));
  const failed = (compiled: CompiledAssignment): ConsideredAssignment["failed"] =>
    failures(compiled, request, ids.has(compiled.assignment.principalId.toLowerCase()));
  const all = [
    ...policy.all.map((compiled) => ({ compiled, why: failed(compiled) })),
    ...policy.pending.map((compiled) => ({ compiled, why: [...failed(compiled), "pending" as const] })),
  ];
  const considered = nearest(all).map(({ compiled, why }) => render(compiled, why));
  const notShown = all.length - considered.length;
  const more = notShown === 0 ? {} : { notShown };
  return { ...base, allowed: false, reason: "noMatchingAssignment", considered, ...more };
}

/** Most assignments that a denial tells of: an account has thousands, and thousands of denials are remembered. */
const consideredMax = 100;

/** Those that came closest to granting, the principal's own before all others, in their order. */
function nearest<T extends { readonly why: readonly string[] }>(all: readonly T[]): readonly T[] {
  if (all.length <= consideredMax) return all;
  const distance = ({ why }: T): number => why.length + (why.includes("principal") ? 10 : 0);
  const ranked = all.map((one, at) => ({ one, at, far: distance(one) })).sort((a, b) => a.far - b.far);
  return ranked
    .slice(0, consideredMax)
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one);
}

/** The first assignment that grants, of the principal itself before its groups. */
function findGrant(policy: CosmosPolicy, request: DataRequest): CompiledAssignment | undefined {
  const granting = (id: string): CompiledAssignment | undefined =>
    policy.byPrincipal.get(id.toLowerCase())?.find((compiled) => grants(compiled, request));
  const own = granting(request.principalId);
  if (own !== undefined) return own;
  for (const group of request.groups) {
    const found = granting(group);
    if (found !== undefined) return found;
  }
  return undefined;
}

function grants(compiled: CompiledAssignment, request: DataRequest): boolean {
  return request.action !== undefined && covers(compiled.at, request) && contains(compiled, request.action);
}

/** True when the role contains the action; patterns are matched once per action. */
function contains(compiled: CompiledAssignment, action: string): boolean {
  const known = compiled.known.get(action);
  if (known !== undefined) return known;
  const matches = compiled.actions.some((pattern) => actionMatches(pattern, action));
  compiled.known.set(action, matches);
  return matches;
}

function failures(
  compiled: CompiledAssignment,
  request: DataRequest,
  isPrincipal: boolean,
): ConsideredAssignment["failed"] {
  const failed: ConsideredAssignment["failed"][number][] = [];
  if (!isPrincipal) failed.push("principal");
  if (!covers(compiled.at, request)) failed.push("scope");
  const action = request.action;
  if (compiled.definition === undefined) failed.push("definitionMissing");
  else if (action === undefined || !contains(compiled, action)) failed.push("action");
  return failed;
}

function covers(at: DataScope | undefined, request: DataRequest): boolean {
  if (at === undefined) return false;
  if (request.anyScope === true) return true;
  if (at.database === undefined) return true;
  if (at.database !== request.scope.database) return false;
  return at.container === undefined || at.container === request.scope.container;
}

function render(
  compiled: Pick<CompiledAssignment, "assignment" | "definition">,
  failed: ConsideredAssignment["failed"],
): ConsideredAssignment {
  return {
    assignmentId: compiled.assignment.name,
    roleDefinitionId: compiled.assignment.roleDefinitionId,
    roleName: compiled.definition?.roleName ?? "",
    principalId: compiled.assignment.principalId,
    scope: compiled.assignment.scope,
    grants: failed.length === 0,
    failed,
  };
}

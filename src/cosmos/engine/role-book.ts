/**
 * The data roles of one account in memory: as they are stored, and as decisions see them. The two are the same but
 * where the server was told to let changes wait, as they do in the service; that is why this is apart from the catalog.
 */
import { type CosmosPolicy, compileCosmosPolicy } from "../../authz/cosmos-rbac.ts";
import { builtInDataRoles } from "../../azure/cosmos-actions.ts";
import type { SqlRoleAssignment, SqlRoleDefinition } from "../control.ts";

export interface RoleBook {
  /** Roles ready for decisions, compiled at the first decision after a change. */
  policy(): CosmosPolicy;
  setDefinition(definition: SqlRoleDefinition): void;
  removeDefinition(name: string): void;
  setAssignment(assignment: SqlRoleAssignment): void;
  removeAssignment(name: string): void;
}

export interface RoleBookOptions {
  readonly accountId: string;
  /** Milliseconds from a change to its effect. */
  readonly delay: () => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** The built-in role definitions of an account, in the shape of its custom ones. */
export function builtInDefinitions(accountId: string): readonly SqlRoleDefinition[] {
  return builtInDataRoles.map((role) => ({
    name: role.name,
    roleName: role.roleName,
    type: "BuiltInRole",
    assignableScopes: [accountId],
    permissions: [{ dataActions: role.dataActions, notDataActions: [] }],
  }));
}

interface Roles {
  readonly definitions: Map<string, SqlRoleDefinition>;
  readonly assignments: Map<string, SqlRoleAssignment>;
}

type Change = (roles: Roles) => void;

export function createRoleBook({ accountId, delay, now }: RoleBookOptions): RoleBook {
  const inEffect: Roles = { definitions: new Map(), assignments: new Map() };
  /** Changes that wait, in the order in which they were made. */
  const waiting: { readonly at: number; readonly change: Change }[] = [];
  let compiled: CosmosPolicy | undefined;
  const make = (change: Change): void => {
    compiled = undefined;
    const wait = delay();
    if (wait > 0) waiting.push({ at: now() + wait, change });
    else change(inEffect);
  };
  const settle = (): void => {
    while (waiting[0] !== undefined && waiting[0].at <= now()) {
      waiting.shift()?.change(inEffect);
      compiled = undefined;
    }
  };
  return {
    policy() {
      if (waiting.length > 0) settle();
      compiled ??= compileCosmosPolicy(
        accountId,
        [...builtInDefinitions(accountId), ...inEffect.definitions.values()],
        [...inEffect.assignments.values()],
        waiting.length === 0 ? [] : newOnes(inEffect, waiting),
      );
      return compiled;
    },
    setDefinition: (definition) => make(({ definitions }) => definitions.set(definition.name, definition)),
    removeDefinition: (name) => make(({ definitions }) => definitions.delete(name)),
    setAssignment: (assignment) => make(({ assignments }) => assignments.set(assignment.name, assignment)),
    removeAssignment: (name) => make(({ assignments }) => assignments.delete(name)),
  };
}

/** Assignments that will be there when nothing waits any more and are not yet: denials tell of them. */
function newOnes(
  inEffect: Roles,
  waiting: readonly { readonly change: Change }[],
): readonly SqlRoleAssignment[] {
  const later: Roles = {
    definitions: new Map(inEffect.definitions),
    assignments: new Map(inEffect.assignments),
  };
  for (const { change } of waiting) change(later);
  return [...later.assignments.values()].filter(({ name }) => !inEffect.assignments.has(name));
}

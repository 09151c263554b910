/**
 * From recorded use to the least that grants it: which actions at which scope, with nothing granted twice. Pure; how
 * the result is written down is `suggest-role-formats.ts`.
 */
import { actionMatches } from "../authz/action.ts";
import { cosmosActions } from "../azure/cosmos-actions.ts";
import type { AccessUse } from "../observability/access-use.ts";

export interface NeededRole {
  /** `/`, `/dbs/D` or `/dbs/D/colls/C`. */
  readonly scope: string;
  /** Full data actions, sorted. */
  readonly actions: readonly string[];
}

export interface GrantedRole {
  readonly roleName: string;
  readonly scope: string;
  /** As the definition has them, wildcards included. */
  readonly actions: readonly string[];
}

export interface RolePlan {
  readonly needed: readonly NeededRole[];
  /** Operations in use that no data role can grant. */
  readonly impossible: readonly string[];
  /** Rights that are granted and were not used. */
  readonly unused: readonly { readonly roleName: string; readonly scope: string; readonly action: string }[];
}

const dataActions: readonly string[] = Object.values(cosmosActions);

/** Plans for the uses of one principal in one account. */
export function planRoles(uses: readonly AccessUse[], granted: readonly GrantedRole[]): RolePlan {
  const places = new Map<string, Set<string>>();
  const impossible = new Set<string>();
  let readsAccount = false;
  for (const { action, resource, operation } of uses) {
    if (!dataActions.includes(action)) impossible.add(operation);
    // The account is read with readMetadata at any scope, so by itself it asks for no wide one.
    else if (operation === "ReadDatabaseAccount") readsAccount = true;
    else {
      const scope = resource === "/" ? "/" : `/${resource}`;
      places.set(scope, (places.get(scope) ?? new Set()).add(action));
    }
  }
  if (readsAccount) addAccountRead(places);
  const needed = [...places]
    .map(([scope, actions]) => ({
      scope,
      actions: [...actions].filter((action) => !heldAbove(places, scope, action)),
    }))
    .filter(({ actions }) => actions.length > 0)
    .map(({ scope, actions }) => ({ scope, actions: actions.sort() }))
    .sort((a, b) => a.scope.localeCompare(b.scope));
  return { needed, impossible: [...impossible].sort(), unused: unusedRights(uses, granted) };
}

/** Adds readMetadata where something else is needed anyway, unless it is there already. */
function addAccountRead(places: Map<string, Set<string>>): void {
  if ([...places.values()].some((actions) => actions.has(cosmosActions.readMetadata))) return;
  const [narrowest = "/"] = [...places.keys()].sort((a, b) => b.length - a.length);
  places.set(narrowest, (places.get(narrowest) ?? new Set()).add(cosmosActions.readMetadata));
}

function heldAbove(places: ReadonlyMap<string, ReadonlySet<string>>, scope: string, action: string): boolean {
  return [...places].some(
    ([outer, actions]) => outer !== scope && covers(outer, scope) && actions.has(action),
  );
}

function covers(outer: string, inner: string): boolean {
  return outer === "/" || inner === outer || inner.startsWith(`${outer}/`);
}

/** Each granted action, wildcards taken apart, that no use at or below its scope needed. */
function unusedRights(uses: readonly AccessUse[], granted: readonly GrantedRole[]): RolePlan["unused"] {
  const isUsed = (scope: string, action: string): boolean =>
    uses.some((use) => {
      if (use.action !== action) return false;
      if (use.operation === "ReadDatabaseAccount") return true;
      return covers(scope, use.resource === "/" ? "/" : `/${use.resource}`);
    });
  return granted.flatMap(({ roleName, scope, actions }) =>
    dataActions
      .filter((action) => actions.some((pattern) => actionMatches(pattern, action)) && !isUsed(scope, action))
      .map((action) => ({ roleName, scope, action })),
  );
}

/** How requests are called in decisions and denials: their scope, their resource and what they do. */
import { cosmosActions } from "../../azure/cosmos-actions.ts";
import type { AccessRequest } from "./authorize.ts";
import type { OperationRow } from "./operations.ts";

export function scopeOf(request: AccessRequest): { readonly database?: string; readonly container?: string } {
  const { at } = request.row;
  const { database, container } = request;
  if (at === "anyScope" || at === "account" || database === undefined) return {};
  return at === "database" || container === undefined ? { database } : { database, container };
}

/** The resource as denials name it. */
export function resourceName(request: AccessRequest): string {
  const scope = scopeOf(request);
  if (scope.database === undefined) return "/";
  return scope.container === undefined
    ? `dbs/${scope.database}`
    : `dbs/${scope.database}/colls/${scope.container}`;
}

/** What a request does, for credentials that know no data actions: the action where there is one, else the operation. */
export function actionName({ action, name }: OperationRow): string {
  return action === "notWithAad" || action === "actionsOfParts" ? name : cosmosActions[action];
}

/** An account without locks: what a credential may do by itself, which audit mode must know. */
export const noLocks: {
  readonly disableLocalAuth: false;
  readonly disableKeyBasedMetadataWriteAccess: false;
} = { disableLocalAuth: false, disableKeyBasedMetadataWriteAccess: false };

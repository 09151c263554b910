/**
 * A second evaluator, written from the rules alone and sharing nothing with `src/authz`: slow, literal, and used only
 * to disagree with it.
 */

export interface NaiveDefinition {
  readonly name: string;
  readonly permissions: readonly {
    readonly actions: readonly string[];
    readonly notActions: readonly string[];
  }[];
}

export interface NaiveAssignment {
  readonly roleDefinitionId: string;
  readonly principalId: string;
  readonly scope: string;
}

/** `*` is any text; between two slashes it may be nothing, and one of the slashes with it. Letter case is nothing. */
export function naiveMatches(pattern: string, action: string): boolean {
  const quoted = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  const expression = quoted.replaceAll("/*/", "/(?:.*/)?").replaceAll(/(?<!\.)\*/g, ".*");
  return new RegExp(`^${expression}$`, "is").test(action);
}

function segments(path: string): string[] {
  return path.replace(/\/+$/, "").split("/");
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Databases and containers below the account as a scope names them, or `undefined` when it is not one of this account. */
function below(account: string, scope: string): string[] | undefined {
  const own = segments(account);
  const given = segments(scope);
  if (given.length < own.length || !own.every((part, at) => same(part, given[at] ?? ""))) return undefined;
  const [dbs, database, colls, container, ...rest] = given.slice(own.length);
  if (dbs === undefined) return [];
  if (dbs !== "dbs" || database === undefined || database === "") return undefined;
  if (colls === undefined) return [database];
  if (colls !== "colls" || container === undefined || container === "" || rest.length > 0) return undefined;
  return [database, container];
}

export interface NaiveDataRequest {
  readonly account: string;
  readonly principals: readonly string[];
  readonly action: string | undefined;
  /** Database, and container. */
  readonly place: readonly string[];
  readonly anyScope: boolean;
}

/** Data roles: additive; any assignment of the caller or a group at the place or above, with the action. */
export function naiveData(
  definitions: readonly NaiveDefinition[],
  assignments: readonly NaiveAssignment[],
  request: NaiveDataRequest,
): boolean {
  const { action } = request;
  if (action === undefined) return false;
  for (const assignment of assignments) {
    if (!request.principals.some((id) => same(id, assignment.principalId))) continue;
    const at = below(request.account, assignment.scope);
    if (at === undefined) continue;
    if (!request.anyScope && !at.every((name, index) => name === request.place[index])) continue;
    const definition = definitions.filter(({ name }) =>
      same(name, segments(assignment.roleDefinitionId).at(-1) ?? ""),
    );
    if (
      definition.some(({ permissions }) =>
        permissions.some(({ actions }) => actions.some((one) => naiveMatches(one, action))),
      )
    )
      return true;
  }
  return false;
}

export interface NaiveDeny {
  readonly scope: string;
  readonly actions: readonly string[];
  readonly notActions: readonly string[];
  readonly principals: readonly string[];
  readonly excludePrincipals: readonly string[];
  /** False when what lies below its scope is not protected. */
  readonly belowToo: boolean;
}

function isAtOrAbove(scope: string, target: string): boolean {
  const above = segments(scope).filter((part) => part !== "");
  const own = segments(target).filter((part) => part !== "");
  return above.every((part, at) => same(part, own[at] ?? ""));
}

/** Azure roles: a deny assignment first, then any assignment at the scope or above; notActions stay in their permission. */
export function naiveAzure(
  definitions: readonly NaiveDefinition[],
  assignments: readonly NaiveAssignment[],
  denials: readonly NaiveDeny[],
  request: { readonly principals: readonly string[]; readonly action: string; readonly scope: string },
): boolean {
  const { action, principals, scope } = request;
  const includes = (list: readonly string[]): boolean =>
    list.some((id) => principals.some((own) => same(id, own)));
  const covers = ({
    actions,
    notActions,
  }: {
    actions: readonly string[];
    notActions: readonly string[];
  }): boolean =>
    actions.some((one) => naiveMatches(one, action)) && !notActions.some((one) => naiveMatches(one, action));
  for (const deny of denials) {
    const concerned =
      includes(deny.principals) || deny.principals.includes("00000000-0000-0000-0000-000000000000");
    const isHere = isAtOrAbove(deny.scope, scope) && (deny.belowToo || isAtOrAbove(scope, deny.scope));
    if (concerned && !includes(deny.excludePrincipals) && isHere && covers(deny)) return false;
  }
  return assignments.some(
    (assignment) =>
      includes([assignment.principalId]) &&
      isAtOrAbove(assignment.scope, scope) &&
      definitions.some(
        ({ name, permissions }) =>
          same(name, segments(assignment.roleDefinitionId).at(-1) ?? "") && permissions.some(covers),
      ),
  );
}

export interface NaiveToken {
  readonly kind: "container" | "item" | "storedProcedure" | "trigger" | "userDefinedFunction";
  readonly all: boolean;
  readonly container: string;
  readonly id: string;
  readonly partition: readonly unknown[] | undefined;
}

export interface NaiveTokenRequest {
  readonly operation: string;
  readonly container: string | undefined;
  readonly id: string | undefined;
  readonly partition: readonly unknown[] | undefined;
}

const leafNames = {
  item: "Item",
  storedProcedure: "StoredProcedure",
  trigger: "Trigger",
  userDefinedFunction: "UserDefinedFunction",
} as const;

/** Resource tokens, rule by rule of the table "meaning". */
export function naiveToken(token: NaiveToken, request: NaiveTokenRequest): boolean {
  const { operation } = request;
  if (operation === "ReadDatabaseAccount") return true;
  if (request.container !== token.container) return false;
  const asked = request.partition;
  const within =
    token.partition === undefined ||
    (asked !== undefined &&
      token.partition.every((value, at) => at < asked.length && Object.is(value, asked[at])));
  if (token.kind === "container") {
    if (["ReadContainer", "ListPartitionKeyRanges", "QueryPlan"].includes(operation)) return true;
    if (["ReadItem", "QueryItems", "ReadItemFeed", "ReadChangeFeed"].includes(operation)) return within;
    const writes = ["CreateItem", "UpsertItem", "ReplaceItem", "PatchItem", "DeleteItem", "ExecuteBatch"];
    if ([...writes, "DeleteByPartitionKey", "ExecuteStoredProcedure"].includes(operation))
      return token.all && within;
    return (
      token.partition === undefined &&
      /^(Read|List|Query)(StoredProcedure|Trigger|UserDefinedFunction)s?$/.test(operation)
    );
  }
  const routing = ["ReadContainer", "ListPartitionKeyRanges"].includes(operation);
  if (token.kind === "item" && routing) return true;
  if (request.id !== token.id) return false;
  const name = leafNames[token.kind];
  if (operation === `Read${name}`) return token.kind === "item" ? within : true;
  const changes = [`Replace${name}`, `Delete${name}`];
  if (token.kind === "item") changes.push("PatchItem");
  if (token.kind === "storedProcedure") changes.push("ExecuteStoredProcedure");
  return token.all && within && changes.includes(operation);
}

/**
 * THE table of the control plane: every operation we answer or know and do not answer, and the search in it. A row
 * names the action that its caller must hold; the type makes a row without one impossible.
 */
import { findNamespace, findType } from "../azure/api-versions.ts";
import { ArmError } from "../azure/arm-error.ts";
import { type Address, compilePattern, matchPattern, type Parameters, type PathPattern } from "./address.ts";
import { clip, invalidNamespace, invalidType } from "./errors.ts";
import type { Method, Operation, Removal, Requirement } from "./operation.ts";
import { genericOperations, patchTagsOperation } from "./providers/generic.ts";
import { providers } from "./providers/index.ts";

/** Every row, providers first; the generic rows match what no other row does. */
export const operations: readonly Operation[] = [
  ...providers.flatMap((provider) => provider.operations),
  ...genericOperations,
];

/** What has to happen elsewhere when a resource goes, by full type in lower case. */
export const removals: ReadonlyMap<string, Removal> = new Map(
  providers.flatMap((provider) =>
    Object.entries(provider.removals ?? {}).map(([type, removal]) => [type.toLowerCase(), removal] as const),
  ),
);

export interface Route {
  readonly operation: Operation;
  readonly parameters: Parameters;
}

interface CompiledRow {
  readonly operation: Operation;
  readonly pattern: PathPattern;
}

/** The compiled table, made once per control plane. */
export interface RouteTable {
  readonly rows: ReadonlyMap<Method, readonly CompiledRow[]>;
  /** Full types in lower case whose writing has a row of its own: nothing else makes them, wherever a path puts them. */
  readonly ownTypes: ReadonlySet<string>;
  /** True when namespaces that we have never heard of are refused instead of kept. */
  readonly strict: boolean;
}

const generic: ReadonlySet<Operation> = new Set(genericOperations);

export function compileTable(strict: boolean = false): RouteTable {
  const table = new Map<Method, CompiledRow[]>();
  for (const operation of operations) {
    const rows = table.get(operation.method) ?? [];
    rows.push({ operation, pattern: compilePattern(operation.path) });
    table.set(operation.method, rows);
  }
  const ownTypes = operations.flatMap(({ method, path }) => (method === "PUT" ? ownType(path) : []));
  return { rows: table, ownTypes: new Set(ownTypes), strict };
}

/** The type that a path ending in `/providers/namespace/type/{name}/..` is for. */
function ownType(path: string): readonly string[] {
  const [, namespace, pairs] = /\/providers\/([^/{}]+)((?:\/[^/{}]+\/\{\w+\})+)$/.exec(path) ?? [];
  if (namespace === undefined || pairs === undefined) return [];
  return [`${namespace}${pairs.replace(/\/\{\w+\}/g, "")}`.toLowerCase()];
}

function findRow(table: RouteTable, method: Method, address: Address): Route | undefined {
  let best: (Route & { readonly literals: number }) | undefined;
  for (const { operation, pattern } of table.rows.get(method) ?? []) {
    if (best !== undefined && pattern.literals <= best.literals) continue;
    const parameters = matchPattern(pattern, address);
    if (parameters !== undefined) best = { operation, parameters, literals: pattern.literals };
  }
  return best;
}

/** The row for a request. Throws ArmError: 404 for unknown paths, namespaces and types, 405 for unknown verbs. */
export function findRoute(table: RouteTable, method: string, address: Address, apiVersion: string): Route {
  const known = table.rows.has(method as Method);
  const route = known ? findRow(table, method as Method, address) : undefined;
  if (route === undefined) throw unknownRoute(table, method, address);
  if (!generic.has(route.operation)) return route;
  checkGeneric(route, apiVersion, table);
  const isOfRow = route.operation.method === "PATCH" && table.ownTypes.has(typeOf(route).toLowerCase());
  return isOfRow ? { ...route, operation: patchTagsOperation } : route;
}

function unknownRoute(table: RouteTable, method: string, address: Address): ArmError {
  for (const other of table.rows.keys()) {
    if (findRow(table, other, address) !== undefined) {
      return new ArmError(
        405,
        "MethodNotAllowed",
        `The HTTP method '${clip(method)}' is not supported on this resource.`,
      );
    }
  }
  const first = address.segments[0]?.toLowerCase();
  if (first !== "subscriptions" && first !== "providers") {
    return new ArmError(
      404,
      "MissingSubscription",
      "The request did not have a subscription or a valid tenant level resource provider.",
    );
  }
  return new ArmError(404, "NotFound", `The path '${clip(address.path)}' is not known.`);
}

/** `Vendor.Service`: what a namespace looks like. */
const namespacePattern = /^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)+$/;

/**
 * What no provider claims is kept generically when its namespace is open, or unknown to us: a template with a resource
 * of a service that has no part here still deploys. In the namespaces that decide about access only known types exist.
 */
function checkGeneric(route: Route, apiVersion: string, { strict, ownTypes }: RouteTable): void {
  const namespace = route.parameters.get("namespace") ?? "";
  const info = findNamespace(namespace);
  if (info === undefined) {
    if (strict || !namespacePattern.test(namespace)) throw invalidNamespace(namespace);
    return;
  }
  const full = typeOf(route);
  // Somewhere else than its row says: below another resource, where none of the row's rules would hold.
  const isMisplaced = route.operation.method === "PUT" && ownTypes.has(full.toLowerCase());
  if (info.open && !isMisplaced) return;
  const type = full.split("/").slice(1).join("/");
  const isRecord = info.records?.some((record) => record.toLowerCase() === type.toLowerCase()) === true;
  if (isRecord && !isMisplaced) return;
  if (findType(info, type) !== undefined && route.operation.method === "POST") return;
  throw invalidType(
    info.namespace,
    type,
    apiVersion,
    info.types.map((each) => each.type),
  );
}

/** The full resource type that a generic row's path names, in canonical spelling where we know it. */
function typeOf(route: Route): string {
  const { parameters, operation } = route;
  const namespace = parameters.get("namespace") ?? "";
  const pairs = (parameters.get("parents") ?? "").split("/").slice(1);
  const parents = pairs.filter((_, index) => index % 2 === 0);
  const own = parameters.get("type") ?? (operation.method === "POST" ? undefined : parameters.get("last"));
  const types = own === undefined ? parents : [...parents, own];
  const info = findNamespace(namespace);
  const known = info === undefined ? undefined : findType(info, types.join("/"));
  return [info?.namespace ?? namespace, known?.type ?? types.join("/")].join("/");
}

/** The action that a guarded row needs for this path, and the id at which it is needed. */
export function requirementOf(route: Route, address: Address): Requirement {
  const { operation, parameters } = route;
  const action = operation.action
    .replace("{type}", () => typeOf(route))
    .replace("{namespace}", () => parameters.get("namespace") ?? "")
    .replace("{last}", () => parameters.get("last") ?? "");
  const template = operation.action === "public" ? undefined : operation.scope;
  if (template !== undefined) {
    const scope = template.replace(/\{(\w+)\}/g, (_, name: string) => parameters.get(name) ?? "");
    return { action, scope: scope === "" ? "/" : scope };
  }
  const odd = address.segments.length % 2 === 1;
  const segments = odd ? address.segments.slice(0, -1) : address.segments;
  return { action, scope: `/${segments.join("/")}` };
}

/** The scope of every resource and module: where it is deployed, and how its id is built. */
import { type Code, report } from "./diagnostics.ts";
import { templateScope } from "./exports.ts";
import { fact, type Model, symbolAt, symbolsOfKind, type TargetScope } from "./model.ts";
import { inPlace, type Moved, move } from "./moved.ts";
import { type Resource, resourceAt, resourcesOf } from "./resources.ts";
import type { ModuleSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { bodyObject, findProperty } from "./walk.ts";

export interface ScopeData {
  readonly scope: TargetScope | "resource";
  readonly managementGroup?: Moved;
  readonly subscription?: Moved;
  readonly resourceGroup?: Moved;
  /** The resource that is extended. */
  readonly resource?: Resource;
  /** Its name, where loop variables had to be replaced. */
  readonly resourceName?: readonly Moved[];
  /** Which one of a loop is extended. */
  readonly index?: Moved;
}

/** The parts of a resource's name, from its oldest ancestor to itself, as they are at the resource. */
export function nameSegments(model: Model, resource: Resource): readonly Moved[] {
  const { ancestors } = resource;
  const segments = ancestors.map((_, start) => {
    let segment = inPlace(ancestors[start]?.resource.name ?? resource.name);
    for (let at = start; at < ancestors.length; at++) {
      const next = ancestors[at + 1]?.resource ?? resource;
      segment = move(model, segment, ancestors[at]?.index, next.name);
    }
    return segment;
  });
  return [...segments, inPlace(resource.name)];
}

export function resourceScopes(model: Model): ReadonlyMap<Resource, ScopeData> {
  return fact(model, "resourceScopes", () => {
    const scopes = new Map<Resource, ScopeData>();
    const byDepth = [...resourcesOf(model)].sort((a, b) => a.ancestors.length - b.ancestors.length);
    for (const resource of byDepth) scopes.set(resource, scopeOfResource(model, scopes, resource));
    return scopes;
  });
}

function scopeOfResource(
  model: Model,
  scopes: ReadonlyMap<Resource, ScopeData>,
  resource: Resource,
): ScopeData {
  const own: ScopeData = { scope: model.targetScope };
  const parent = resource.ancestors.at(-1);
  if (parent === undefined) {
    return resource.scope === undefined ? own : (readScope(model, resource.scope) ?? own);
  }
  if (resource.scope !== undefined) {
    report(model.reporter, "BCP164", resource.scope);
    return own;
  }
  const inherited = scopes.get(parent.resource) ?? own;
  const [oldest] = resource.ancestors;
  if (
    !resource.existing &&
    oldest?.resource.existing === true &&
    !isDeployable(model, scopes, oldest.resource)
  ) {
    report(model.reporter, "BCP165", resource.symbol.declaration.value, oldest.resource.symbol.name);
    return own;
  }
  const at = (moved: Moved) => move(model, moved, parent.index, resource.name);
  const name = inherited.resourceName ?? (inherited.resource && nameSegments(model, inherited.resource));
  return {
    scope: inherited.scope,
    ...(inherited.managementGroup && { managementGroup: at(inherited.managementGroup) }),
    ...(inherited.subscription && { subscription: at(inherited.subscription) }),
    ...(inherited.resourceGroup && { resourceGroup: at(inherited.resourceGroup) }),
    ...(inherited.resource && { resource: inherited.resource }),
    ...(name && { resourceName: name.map(at) }),
    ...(inherited.index && { index: at(inherited.index) }),
  };
}

/** True when a resource with this scope can be deployed by the file itself. */
function isDeployable(model: Model, scopes: ReadonlyMap<Resource, ScopeData>, resource: Resource): boolean {
  const data = scopes.get(rootOf(scopes, resource));
  if (data === undefined || data.resource !== undefined || data.scope === "tenant") return true;
  return (
    data.scope === model.targetScope &&
    data.managementGroup === undefined &&
    data.subscription === undefined &&
    data.resourceGroup === undefined
  );
}

/** What a `scope` expression says: a call of a scope function, or the resource to extend. */
function readScope(model: Model, node: syntax.Expression): ScopeData | undefined {
  const [base, index] = node.kind === "index" ? [node.base, node.index] : [node, undefined];
  const called = scopeCall(model, node, 0);
  if (called !== undefined) return called;
  const resource = resourceAt(model, base);
  if (resource === undefined || (resource.collection && index === undefined)) return undefined;
  const at = index === undefined ? {} : { index: inPlace(index) };
  if (/^microsoft\.resources\/resourcegroups$/i.test(resource.type)) {
    const outer = resource.scope === undefined ? undefined : readScope(model, resource.scope);
    return {
      scope: "resourceGroup",
      ...(outer?.subscription && { subscription: outer.subscription }),
      resourceGroup: inPlace(resource.name),
      ...at,
    };
  }
  if (/^microsoft\.management\/managementgroups$/i.test(resource.type)) {
    return { scope: "managementGroup", managementGroup: inPlace(resource.name), ...at };
  }
  return { scope: "resource", resource, ...at };
}

/** A call of `resourceGroup(..)` and its kin, directly or through variables and parentheses. */
function scopeCall(model: Model, node: syntax.Expression, depth: number): ScopeData | undefined {
  if (depth > 50) return undefined;
  if (node.kind === "parenthesized") return scopeCall(model, node.inner, depth + 1);
  const symbol = symbolAt(model, node);
  if (node.kind === "variable") {
    return symbol?.kind === "var" ? scopeCall(model, symbol.declaration.value, depth + 1) : undefined;
  }
  const method = node.kind === "method-call" && symbolAt(model, node.base)?.kind === "namespace";
  if (!method && (node.kind !== "call" || symbol?.kind !== "function")) return undefined;
  const values = node.arguments.map(inPlace);
  const [first, second] = values;
  switch (node.name.name) {
    case "tenant":
      return { scope: "tenant" };
    case "managementGroup":
      return { scope: "managementGroup", ...(first && { managementGroup: first }) };
    case "subscription":
      return { scope: "subscription", ...(first && { subscription: first }) };
    case "resourceGroup":
      if (first === undefined) return { scope: "resourceGroup" };
      if (second === undefined) return { scope: "resourceGroup", resourceGroup: first };
      return { scope: "resourceGroup", subscription: first, resourceGroup: second };
    default:
      return undefined;
  }
}

export function moduleScopes(model: Model): ReadonlyMap<ModuleSymbol, ScopeData> {
  return fact(model, "moduleScopes", () => {
    const modules = symbolsOfKind(model, "module");
    return new Map(modules.map((symbol) => [symbol, scopeOfModule(model, symbol)]));
  });
}

function scopeOfModule(model: Model, symbol: ModuleSymbol): ScopeData {
  const node = findProperty(bodyObject(symbol.declaration.value), "scope")?.value;
  const own: ScopeData = { scope: model.targetScope };
  return node === undefined ? own : (readScope(model, node) ?? own);
}

const moduleScopeCodes: Readonly<Record<TargetScope, Code>> = {
  tenant: "BCP113",
  managementGroup: "BCP114",
  subscription: "BCP115",
  resourceGroup: "BCP116",
};

/** Reports scopes that cannot be deployed to from here. */
export function checkScopes(model: Model): void {
  const scopes = resourceScopes(model);
  for (const resource of resourcesOf(model)) {
    const data = scopes.get(resource);
    if (resource.existing || data === undefined) continue;
    if (!isDeployable(model, scopes, resource)) {
      report(model.reporter, "BCP139", resource.scope ?? resource.symbol.declaration.value);
    }
  }
  for (const [symbol, data] of moduleScopes(model)) checkModuleScope(model, symbol, data);
}

/** The resource that is extended in the end; those that extend each other in a circle are reported elsewhere. */
function rootOf(scopes: ReadonlyMap<Resource, ScopeData>, resource: Resource): Resource {
  const met = new Set<Resource>();
  let at = resource;
  for (
    let next = scopes.get(at)?.resource;
    next !== undefined && !met.has(next);
    next = scopes.get(at)?.resource
  ) {
    met.add(next);
    at = next;
  }
  return at;
}

function checkModuleScope(model: Model, symbol: ModuleSymbol, data: ScopeData): void {
  const { declaration } = symbol;
  const node = findProperty(bodyObject(declaration.value), "scope")?.value;
  const loaded = model.references.get(declaration);
  if (loaded === undefined || node === undefined) return;
  const wanted = loaded.kind === "bicep" ? loaded.model.targetScope : templateScope(loaded.template);
  if (data.scope !== wanted) {
    report(model.reporter, "BCP134", node, data.scope, wanted);
    return;
  }
  if (!reaches(model.targetScope, data)) {
    report(model.reporter, moduleScopeCodes[model.targetScope], node);
  }
}

/** Which scopes a nested deployment can be sent to from a deployment at another. */
function reaches(from: TargetScope, to: ScopeData): boolean {
  switch (to.scope) {
    case "tenant":
      return true;
    case "managementGroup":
      return from === "tenant" || from === "managementGroup";
    case "subscription":
      return to.subscription !== undefined || from === "subscription" || from === "resourceGroup";
    case "resourceGroup":
      if (to.subscription !== undefined) return true;
      return from === "resourceGroup" || (from === "subscription" && to.resourceGroup !== undefined);
    default:
      return false;
  }
}

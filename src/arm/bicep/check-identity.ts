/** Names of resources and modules: their form, and that no two of one deployment are the same. */
import { report } from "./diagnostics.ts";
import { type Model, symbolsOfKind } from "./model.ts";
import type { Moved } from "./moved.ts";
import { type Resource, resourcesOf } from "./resources.ts";
import { moduleScopes, nameSegments, resourceScopes, type ScopeData } from "./scopes.ts";
import type { ModuleSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { bodyCondition, bodyObject, findProperty } from "./walk.ts";

export function checkIdentity(model: Model): void {
  const resources = resourcesOf(model);
  for (const resource of resources) checkName(model, resource);
  const scopes = resourceScopes(model);
  const always = resources.filter((resource) => isUnconditional(model, resource.symbol.declaration.value));
  for (const group of duplicates(always, (resource) => resourceKey(model, resource, scopes.get(resource)))) {
    const names = group.map((each) => each.symbol.name).join(", ");
    for (const { name } of group) report(model.reporter, "BCP121", name, names);
  }
  const modules = symbolsOfKind(model, "module").filter((module) =>
    isUnconditional(model, module.declaration.value),
  );
  for (const group of duplicates(modules, (module) => moduleKey(model, module))) {
    const names = group.map((each) => each.name).join(", ");
    for (const module of group)
      report(model.reporter, "BCP122", moduleName(module) ?? module.declaration, names);
  }
}

function isUnconditional(model: Model, value: syntax.Expression): boolean {
  const condition = bodyCondition(value);
  if (condition === undefined) return true;
  const type = model.typeOf(condition);
  return type.kind === "bool" && type.literal === true;
}

/** Groups of two and more with the same key; those without a key are the same as nothing. */
function duplicates<T>(
  items: readonly T[],
  keyOf: (item: T) => string | undefined,
): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

/** A part of an id as text: its value where that is known, or where it is written, which is the same as nothing. */
function partOf(model: Model, moved: Moved | undefined): string {
  if (moved === undefined) return "-";
  const type = model.typeOf(moved.node);
  const known = type.kind === "string" && type.literal !== undefined ? type.literal : undefined;
  return known === undefined ? `@${moved.node.start}` : `'${known}`;
}

function scopeKey(model: Model, data: ScopeData): string[] {
  const parts = [data.managementGroup, data.subscription, data.resourceGroup].map((part) =>
    partOf(model, part),
  );
  return [data.scope, ...parts, data.resource?.symbol.name ?? "-", partOf(model, data.index)];
}

function resourceKey(model: Model, resource: Resource, data: ScopeData | undefined): string | undefined {
  if (data === undefined) return undefined;
  const indices = resource.ancestors.map(({ index }) =>
    index === undefined ? "-" : indexPart(model, index),
  );
  const names = nameSegments(model, resource).map((segment) => partOf(model, segment));
  return JSON.stringify([resource.type.toLowerCase(), names, indices, scopeKey(model, data)]);
}

function indexPart(model: Model, index: syntax.Expression): string {
  const type = model.typeOf(index);
  return type.kind === "int" && type.literal !== undefined ? String(type.literal) : `@${index.start}`;
}

function moduleName(module: ModuleSymbol): syntax.Expression | undefined {
  return findProperty(bodyObject(module.declaration.value), "name")?.value;
}

function moduleKey(model: Model, module: ModuleSymbol): string | undefined {
  const name = moduleName(module);
  const data = moduleScopes(model).get(module);
  if (name === undefined || data === undefined) return undefined;
  const [, ...parts] = scopeKey(model, data);
  return JSON.stringify([partOf(model, { node: name, indices: new Map() }), ...parts]);
}

/** The names of children are put after those of their parents; other names have all their parts in them. */
function checkName(model: Model, resource: Resource): void {
  const { name } = resource;
  if (name.kind !== "string") return;
  const slashes = name.segments.join("").split("/").length - 1;
  if (resource.ancestors.length > 0) {
    if (slashes > 0) report(model.reporter, "BCP170", name);
    return;
  }
  const expected = resource.type.split("/").length - 2;
  const wrong = name.expressions.length > 0 ? slashes > expected : slashes !== expected;
  if (wrong) report(model.reporter, "BCP169", name, expected);
}

/** The resources of a file: their types, names, parents, and which of them an expression means. */
import { fact, type Model, symbolAt, symbolsOfKind } from "./model.ts";
import { spellType } from "./resource-type-names.ts";
import type { ResourceSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { bodyObject, findProperty, literalText } from "./walk.ts";

/** `Namespace/type/child@version`; a nested resource may leave everything but its last part out. */
export interface TypeReference {
  readonly type: string;
  readonly apiVersion: string | undefined;
}

export interface Ancestor {
  readonly resource: Resource;
  /** Declared around the child, rather than named by its `parent`. */
  readonly nested: boolean;
  /** Which one of a loop. */
  readonly index: syntax.Expression | undefined;
}

export interface Resource {
  readonly symbol: ResourceSymbol;
  readonly type: string;
  readonly apiVersion: string;
  readonly existing: boolean;
  readonly collection: boolean;
  readonly body: syntax.ObjectLiteral;
  readonly name: syntax.Expression;
  readonly scope: syntax.Expression | undefined;
  /** Oldest first. */
  readonly ancestors: readonly Ancestor[];
}

const typePattern = /^([a-z0-9][a-z0-9-.]*(?:\/[a-z0-9][a-z0-9-.]*)*)(?:@([a-z0-9][a-z0-9-.]+))?$/i;

/** Parses `type@version`, with or without the namespace `az:` before it. */
export function parseTypeReference(text: string): TypeReference | undefined {
  const match = typePattern.exec(text.replace(/^az:/, ""));
  const type = match?.[1];
  return type === undefined ? undefined : { type, apiVersion: match?.[2] };
}

/** What the type and version of a resource are, with what it takes over from the resource around it. */
export function typeReferenceOf(symbol: ResourceSymbol): TypeReference | undefined {
  const text = literalText(symbol.declaration.type);
  const own = text === undefined ? undefined : parseTypeReference(text);
  if (own === undefined || symbol.enclosing === undefined) return own && spelled(own.type, own.apiVersion);
  if (own.type.includes("/")) return undefined;
  const outer = typeReferenceOf(symbol.enclosing);
  if (outer === undefined) return undefined;
  return spelled(`${outer.type}/${own.type}`, own.apiVersion ?? outer.apiVersion);
}

function spelled(type: string, apiVersion: string | undefined): TypeReference {
  return { type: spellType(type, apiVersion), apiVersion };
}

function resourceTable(model: Model): Map<ResourceSymbol, Resource | undefined> {
  return fact(model, "resources", () => new Map());
}

/** The resource that a symbol declares; undefined when its declaration is not whole. */
export function resourceOfSymbol(model: Model, symbol: ResourceSymbol): Resource | undefined {
  const table = resourceTable(model);
  if (table.has(symbol)) return table.get(symbol);
  // Meets itself again only in a cycle of parents.
  table.set(symbol, undefined);
  const resource = describe(model, symbol);
  table.set(symbol, resource);
  return resource;
}

function describe(model: Model, symbol: ResourceSymbol): Resource | undefined {
  const reference = typeReferenceOf(symbol);
  const body = bodyObject(symbol.declaration.value);
  const name = findProperty(body, "name")?.value;
  if (reference?.apiVersion === undefined || body === undefined || name === undefined) return undefined;
  const ancestors = ancestorsOf(model, symbol, body);
  if (ancestors === undefined) return undefined;
  return {
    symbol,
    type: reference.type,
    apiVersion: reference.apiVersion,
    existing: symbol.declaration.existing,
    collection: symbol.declaration.value.kind === "for",
    body,
    name,
    scope: findProperty(body, "scope")?.value,
    ancestors,
  };
}

function ancestorsOf(
  model: Model,
  symbol: ResourceSymbol,
  body: syntax.ObjectLiteral,
): readonly Ancestor[] | undefined {
  if (symbol.enclosing !== undefined) {
    const resource = resourceOfSymbol(model, symbol.enclosing);
    if (resource === undefined) return undefined;
    return [...resource.ancestors, { resource, nested: true, index: undefined }];
  }
  const parent = findProperty(body, "parent")?.value;
  if (parent === undefined) return [];
  const [base, index] = parent.kind === "index" ? [parent.base, parent.index] : [parent, undefined];
  const resource = resourceAt(model, base);
  if (resource === undefined) return [];
  return [...resource.ancestors, { resource, nested: false, index }];
}

/** The resource that an expression names directly, or through a variable that does nothing else. */
export function resourceAt(model: Model, node: syntax.Node): Resource | undefined {
  if (node.kind !== "variable" && node.kind !== "nested-resource") return undefined;
  const symbol = symbolAt(model, node);
  if (symbol?.kind === "resource") return resourceOfSymbol(model, symbol);
  if (symbol?.kind !== "var" || isInVariableCycle(model, symbol.declaration)) return undefined;
  return resourceAt(model, symbol.declaration.value);
}

function isInVariableCycle(model: Model, declaration: syntax.VariableDeclaration): boolean {
  const seen = new Set<syntax.Node>();
  let current: syntax.VariableDeclaration | undefined = declaration;
  while (current !== undefined) {
    if (seen.has(current)) return true;
    seen.add(current);
    const next = symbolAt(model, current.value);
    current = next?.kind === "var" ? next.declaration : undefined;
  }
  return false;
}

/** All whole resources: first those in the bodies of others, the innermost before all, then those of the file. */
export function resourcesOf(model: Model): readonly Resource[] {
  return fact(model, "allResources", () => {
    const symbols = symbolsOfKind(model, "resource");
    const nested = new Map<ResourceSymbol | undefined, ResourceSymbol[]>();
    for (const symbol of symbols) {
      const siblings = nested.get(symbol.enclosing);
      if (siblings === undefined) nested.set(symbol.enclosing, [symbol]);
      else siblings.push(symbol);
    }
    const within = (outer: ResourceSymbol | undefined): readonly ResourceSymbol[] => {
      const own = nested.get(outer) ?? [];
      return [...own.flatMap(within), ...own];
    };
    return within(undefined).flatMap((symbol) => resourceOfSymbol(model, symbol) ?? []);
  });
}

/** The name under which a resource stands in a template with symbolic names. */
export function symbolicName(resource: Resource): string {
  const enclosing: string[] = [];
  for (let at = resource.ancestors.length - 1; at >= 0; at--) {
    const ancestor = resource.ancestors[at];
    if (ancestor?.nested !== true) break;
    enclosing.unshift(ancestor.resource.symbol.name);
  }
  return [...enclosing, resource.symbol.name].join("::");
}

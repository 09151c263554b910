/** Resources and modules: that their types are valid and their bodies have what belongs there and nothing else. */
import { checkAssignable } from "./assignability.ts";
import { checkDecorators } from "./check-decorators.ts";
import { report } from "./diagnostics.ts";
import { templateScope } from "./exports.ts";
import { type Loaded, type Model, parentOf } from "./model.ts";
import { parseTypeReference, resourceAt, resourceOfSymbol, typeReferenceOf } from "./resources.ts";
import { moduleParameters, symbolType } from "./symbol-types.ts";
import type { ResourceSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import {
  anyType,
  arrayOf,
  errorType,
  type ObjectType,
  objectType,
  type PropertyType,
  stringType,
  type Type,
} from "./types.ts";
import { bodyObject, findProperty, keyText, literalText } from "./walk.ts";

function property(type: Type, more: Partial<PropertyType> = {}): PropertyType {
  return { type: () => type, required: false, ...more };
}

const readOnly: Partial<PropertyType> = { readOnly: true };
const known: Partial<PropertyType> = { disallowAny: true };
const dependencies = arrayOf({ kind: "reference", accepts: "dependency" });
const scope: Type = { kind: "reference", accepts: "scope" };

/** A resource, and those in its body. */
export function checkResource(model: Model, node: syntax.ResourceDeclaration): void {
  const symbol = model.binding.symbolsOf.get(node);
  const valid = checkResourceType(model, node, symbol?.kind === "resource" ? symbol : undefined);
  const body = bodyObject(node.value);
  const type = symbol?.kind === "resource" ? symbolType(model, symbol) : errorType;
  checkDecorators(model, node, type);
  model.typeOf(node.value);
  checkCondition(model, node.value);
  for (const item of body?.items ?? []) {
    if (item.kind === "resource") checkResource(model, item);
  }
  if (body === undefined) return;
  checkSpread(model, body);
  if (!valid || symbol?.kind !== "resource") return;
  checkAssignable(model, body, resourceBody(symbol));
  if (node.existing) checkExisting(model, body);
  checkParent(model, symbol, body);
  const asserts = findProperty(body, "asserts");
  if (asserts !== undefined) report(model.reporter, "BCP349", asserts.value);
}

function checkCondition(model: Model, value: syntax.Expression): void {
  const inner = value.kind === "for" ? value.body : value;
  if (inner.kind !== "if") return;
  const type = model.typeOf(inner.condition);
  if (type.kind === "error") return;
  checkAssignable(model, inner.condition, { kind: "bool" });
}

/** Says what is wrong with the type of a resource; true when nothing is. */
function checkResourceType(
  model: Model,
  node: syntax.ResourceDeclaration,
  symbol: ResourceSymbol | undefined,
): boolean {
  const { reporter } = model;
  if (node.type.kind !== "string") return false;
  const text = literalText(node.type);
  if (text === undefined) {
    report(reporter, "BCP047", node.type);
    return false;
  }
  const reference = parseTypeReference(text);
  const nested = isNested(model, node);
  if (!nested) {
    const valid = reference?.apiVersion !== undefined && reference.type.includes("/");
    if (!valid) report(reporter, "BCP029", node.type);
    return valid;
  }
  if (reference === undefined || reference.type.includes("/")) {
    report(reporter, "BCP156", node.type, text);
    return false;
  }
  if (symbol !== undefined && typeReferenceOf(symbol)?.apiVersion !== undefined) return true;
  report(reporter, "BCP157", node.type);
  return false;
}

function isNested(model: Model, node: syntax.ResourceDeclaration): boolean {
  return parentOf(model, node)?.kind === "object";
}

function resourceBody(symbol: ResourceSymbol): ObjectType {
  const reference = typeReferenceOf(symbol);
  const name = `${reference?.type ?? ""}@${reference?.apiVersion ?? ""}`;
  const parents: readonly (readonly [string, PropertyType])[] =
    symbol.enclosing === undefined
      ? [
          ["scope", property(scope, known)],
          ["parent", property({ kind: "reference", accepts: "parent" }, known)],
        ]
      : [];
  return {
    kind: "object",
    name,
    properties: new Map([
      ["id", property(stringType, readOnly)],
      ["name", property(stringType, { required: true })],
      ["type", property(stringType, readOnly)],
      ["apiVersion", property(stringType, readOnly)],
      ["dependsOn", property(dependencies, known)],
      ...parents,
    ]),
    additional: () => anyType,
  };
}

const allowedOnExisting: readonly string[] = [
  ...["name", "scope", "parent", "dependsOn", "id", "type", "apiVersion", "asserts"],
];

function checkExisting(model: Model, body: syntax.ObjectLiteral): void {
  for (const item of body.items) {
    const name = item.kind === "property" ? keyText(item.key) : undefined;
    if (item.kind !== "property" || name === undefined || allowedOnExisting.includes(name)) continue;
    report(model.reporter, "BCP173", item.key, name);
  }
}

function checkParent(model: Model, symbol: ResourceSymbol, body: syntax.ObjectLiteral): void {
  const parent = findProperty(body, "parent")?.value;
  if (parent === undefined || symbol.enclosing !== undefined) return;
  const base = parent.kind === "index" ? parent.base : parent;
  const found = model.typeOf(parent);
  if (found.kind === "error") return;
  const resource = resourceAt(model, base);
  if (resource === undefined) {
    if (found.kind === "resource") report(model.reporter, "BCP240", parent);
    return;
  }
  if (resource.collection && parent.kind !== "index") return;
  const own = resourceOfSymbol(model, symbol)?.type ?? typeReferenceOf(symbol)?.type ?? "";
  const outer = own.slice(0, own.lastIndexOf("/"));
  if (outer.toLowerCase() !== resource.type.toLowerCase()) {
    report(model.reporter, "BCP171", parent, own, resource.type);
  }
}

/** Bodies are read by the compiler, so all of what is in them must be written out. */
function checkSpread(model: Model, body: syntax.ObjectLiteral): void {
  for (const item of body.items) if (item.kind === "spread") report(model.reporter, "BCP401", item);
}

export function checkModule(model: Model, node: syntax.ModuleDeclaration): void {
  const symbol = model.binding.symbolsOf.get(node);
  checkDecorators(model, node, symbol?.kind === "module" ? symbolType(model, symbol) : errorType);
  model.typeOf(node.value);
  checkCondition(model, node.value);
  const body = bodyObject(node.value);
  if (body === undefined) return;
  checkSpread(model, body);
  const params = findProperty(body, "params")?.value;
  if (params?.kind === "object") checkSpread(model, params);
  const loaded = model.references.get(node);
  if (loaded === undefined) return;
  if (params !== undefined && params.kind !== "object" && params.kind !== "skipped") {
    report(model.reporter, "BCP183", params, "params");
  }
  if (symbol?.kind === "module") checkAssignable(model, body, moduleBody(model, loaded));
}

function moduleBody(model: Model, loaded: Extract<Loaded, { kind: "bicep" | "json" }>): ObjectType {
  const params = moduleParameters(loaded);
  const needed = [...params.properties.values()].some((each) => each.required);
  const target = loaded.kind === "bicep" ? loaded.model.targetScope : templateScope(loaded.template);
  return {
    kind: "object",
    name: "module",
    properties: new Map([
      ["name", property({ kind: "string", minLength: 1, maxLength: 64 })],
      ["scope", property(scope, { ...known, required: target !== model.targetScope })],
      ["params", property(params, { required: needed })],
      ["outputs", property(objectType, readOnly)],
      ["dependsOn", property(dependencies, known)],
      ["identity", property(objectType)],
    ]),
  };
}

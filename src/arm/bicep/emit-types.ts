/** Type expressions to the schemas of a template: of parameters, outputs, definitions and functions. */
import { aliasType, declaredType, discriminatorOf, discriminatorValue } from "./declared-types.ts";
import { decoratorCalls, findDecoratorCall, isExported } from "./decorators.ts";
import { type ImportTarget, importTarget, wildcardTarget } from "./exports.ts";
import { type IrExpression, type IrObject, type IrProperty, irObject, irString } from "./intermediate.ts";
import { type Context, NotEmittable } from "./lowering.ts";
import { symbolAt } from "./model.ts";
import { spellType } from "./resource-type-names.ts";
import { parseTypeReference } from "./resources.ts";
import { normalizeIndent } from "./string-tokens.ts";
import type { TypeSymbol } from "./symbols.ts";
import type * as syntax from "./syntax.ts";
import { armTypeName, isLiteralType, type Type, withoutNull } from "./types.ts";
import { keyText, literalText } from "./walk.ts";

const yes: IrExpression = { kind: "boolean", value: true };
const no: IrExpression = { kind: "boolean", value: false };

/** Puts a member in, in the place of one with the same name; two objects become one. */
export function merge(object: IrObject, name: string, value: IrExpression): IrObject {
  const at = object.properties.findIndex(({ key }) => key.kind === "string" && key.value === name);
  const known = object.properties[at]?.value;
  if (known === undefined)
    return { kind: "object", properties: [...object.properties, { key: irString(name), value }] };
  const merged =
    known.kind === "object" && value.kind === "object" ? mergeAll(known, value.properties) : value;
  const properties = object.properties.map((each, index) =>
    index === at ? { ...each, value: merged } : each,
  );
  return { kind: "object", properties };
}

function mergeAll(object: IrObject, properties: readonly IrProperty[]): IrObject {
  return properties.reduce(
    (merged, { key, value }) => (key.kind === "string" ? merge(merged, key.value, value) : merged),
    object,
  );
}

function typed(name: string): IrObject {
  return irObject([["type", irString(name)]]);
}

/** The schema of a type, as members of an object. */
export function typeSchema(context: Context, node: syntax.TypeSyntax): IrObject {
  switch (node.kind) {
    case "type-variable":
    case "type-member":
    case "type-index":
    case "type-items":
    case "type-additional":
    case "type-call":
      return referenceSchema(context, node);
    case "type-literal":
    case "type-unary":
      return literalSchema(declaredType(context.model, node));
    case "type-union":
      return unionSchema(context, node);
    case "type-object":
      return objectSchema(context, node);
    case "type-tuple":
      return irObject([
        ["type", irString("array")],
        ["prefixItems", { kind: "array", items: node.items.map((item) => itemSchema(context, item)) }],
        ["items", no],
      ]);
    case "type-array":
      return arraySchema(context, node);
    case "type-nullable":
      return merge(typeSchema(context, node.base), "nullable", yes);
    case "type-non-nullable":
      return merge(typeSchema(context, node.base), "nullable", no);
    case "type-parenthesized":
      return typeSchema(context, node.inner);
    case "type-resource":
    case "skipped":
      throw new NotEmittable("this type");
  }
}

function itemSchema(context: Context, item: syntax.TupleItem): IrObject {
  return withModifiers(context, item, typeSchema(context, item.value));
}

function literalSchema(type: Type): IrObject {
  const name = armTypeName(type);
  const allowed: readonly [string, IrExpression] = [
    "allowedValues",
    { kind: "array", items: [literalValue(type)] },
  ];
  return irObject(name === undefined ? [allowed] : [["type", irString(name)], allowed]);
}

/** The one value of a literal type. */
function literalValue(type: Type): IrExpression {
  switch (type.kind) {
    case "null":
      return { kind: "null" };
    case "string":
      return irString(type.literal ?? "");
    case "int":
      return { kind: "integer", value: type.literal ?? 0n };
    case "bool":
      return { kind: "boolean", value: type.literal === true };
    case "tuple":
      return { kind: "array", items: type.items.map((item) => literalValue(item())) };
    case "object":
      return irObject([...type.properties].map(([name, property]) => [name, literalValue(property.type())]));
    default:
      throw new NotEmittable("a union of other than literal types");
  }
}

function membersOf(type: Type): readonly Type[] {
  return type.kind === "union" ? type.members : [type];
}

function unionSchema(context: Context, node: syntax.UnionType): IrObject {
  const type = declaredType(context.model, node);
  const key = discriminatorOf(context.model, node);
  if (key !== undefined) return discriminatedSchema(context, node, key);
  const rest = withoutNull(type);
  const members = membersOf(rest ?? type);
  const [first] = members;
  const name = first === undefined ? undefined : armTypeName(first);
  const allowed: IrExpression = { kind: "array", items: members.map(literalValue) };
  return irObject([
    ...(name === undefined ? [] : [["type", irString(name)] as const]),
    ["allowedValues", allowed],
    ...(rest === undefined ? [] : [["nullable", yes] as const]),
  ]);
}

function discriminatedSchema(context: Context, node: syntax.UnionType, key: string): IrObject {
  const mapping = irObject(node.members.flatMap((member) => variants(context, member, key, undefined)));
  return irObject([
    ["type", irString("object")],
    [
      "discriminator",
      irObject([
        ["propertyName", irString(key)],
        ["mapping", mapping],
      ]),
    ],
  ]);
}

type Variant = readonly [string, IrExpression];

/** The schemas of the members of a discriminated union, by the value that tells them apart. */
function variants(
  context: Context,
  node: syntax.TypeSyntax,
  key: string,
  reference: IrObject | undefined,
): Variant[] {
  if (node.kind === "type-parenthesized") return variants(context, node.inner, key, reference);
  if (node.kind === "type-object") {
    const type = declaredType(context.model, node);
    const value = type.kind === "object" ? discriminatorValue(type, key) : undefined;
    return value === undefined ? [] : [[value, reference ?? objectSchema(context, node)]];
  }
  if (node.kind === "type-union") {
    return node.members.flatMap((member) => variants(context, member, key, undefined));
  }
  const resolved = resolveReference(context, node);
  if (resolved.kind !== "internal") return [];
  return variants(resolved.context, resolved.declaration, key, referenceTo(resolved));
}

function arraySchema(context: Context, node: syntax.ArrayType): IrObject {
  const allowed = allowedItems(context, node.item);
  return irObject([
    ["type", irString("array")],
    allowed === undefined ? ["items", typeSchema(context, node.item)] : ["allowedValues", allowed],
  ]);
}

/** Arrays of literals list what their items may be instead of having a schema for them. */
function allowedItems(context: Context, node: syntax.TypeSyntax): IrExpression | undefined {
  switch (node.kind) {
    case "type-parenthesized":
      return allowedItems(context, node.inner);
    case "type-literal":
    case "type-unary":
      return { kind: "array", items: [literalValue(declaredType(context.model, node))] };
    case "type-object":
    case "type-tuple": {
      const type = declaredType(context.model, node);
      return isLiteralType(type) ? { kind: "array", items: [literalValue(type)] } : undefined;
    }
    case "type-union": {
      if (discriminatorOf(context.model, node) !== undefined) return undefined;
      return { kind: "array", items: membersOf(declaredType(context.model, node)).map(literalValue) };
    }
    default:
      return undefined;
  }
}

function objectSchema(context: Context, node: syntax.ObjectType): IrObject {
  const properties: [string, IrExpression][] = [];
  let additional: IrExpression | undefined;
  for (const property of node.properties) {
    const schema = withModifiers(context, property, typeSchema(context, property.value));
    if (property.key === undefined) additional = schema;
    else properties.push([keyText(property.key) ?? "", schema]);
  }
  return irObject([
    ["type", irString("object")],
    ["properties", irObject(properties)],
    ...(additional === undefined ? [] : [["additionalProperties", additional] as const]),
  ]);
}

/** What a reference to a type leads to: a place in the definitions of the template, or in a resource type. */
type Resolved =
  | {
      readonly kind: "internal";
      readonly segments: readonly string[];
      readonly declaration: syntax.TypeSyntax;
      readonly context: Context;
    }
  | {
      readonly kind: "resource";
      readonly type: string;
      readonly output: boolean;
      readonly segments: readonly string[];
    };

function pointerText(segments: readonly string[]): string {
  return segments
    .map((segment) => encodeURIComponent(segment.replaceAll("~", "~0").replaceAll("/", "~1")))
    .join("/");
}

function referenceTo(resolved: Resolved): IrObject {
  if (resolved.kind === "internal")
    return irObject([["$ref", irString(`#/${pointerText(resolved.segments)}`)]]);
  const source = `${resolved.type}${resolved.segments.length === 0 ? "" : "#"}${pointerText(resolved.segments)}`;
  const derived = irObject([
    ["source", irString(source)],
    ...(resolved.output ? [["output", yes] as const] : []),
  ]);
  const type = commonType(resolved.segments);
  return irObject([
    ...(type === undefined ? [] : [["type", irString(type)] as const]),
    ["metadata", irObject([["__bicep_resource_derived_type!", derived]])],
  ]);
}

/** The types of the members that all resources have; the others would need a library of resource types. */
const commonTypes: Readonly<Record<string, string>> = {
  ...{
    id: "string",
    name: "string",
    type: "string",
    apiVersion: "string",
    location: "string",
    kind: "string",
  },
  ...{
    properties: "object",
    tags: "object",
    sku: "object",
    identity: "object",
    plan: "object",
    zones: "array",
  },
};

function commonType(segments: readonly string[]): string | undefined {
  const [, name = "", ...rest] = segments;
  if (segments.length === 0) return "object";
  if (rest.length === 0) return Object.hasOwn(commonTypes, name) ? commonTypes[name] : undefined;
  return segments.at(-2) === "tags" && segments.at(-1) === "additionalProperties" ? "string" : undefined;
}

function referenceSchema(context: Context, node: syntax.TypeSyntax): IrObject {
  const symbol = symbolAt(context.model, node);
  if (symbol?.kind === "ambient-type" && node.kind === "type-variable") return ambientSchema(symbol.name);
  if (node.kind === "type-member" && symbolAt(context.model, node.base)?.kind === "namespace") {
    return ambientSchema(node.name.name);
  }
  return referenceTo(resolveReference(context, node));
}

function ambientSchema(name: string): IrObject {
  return name === "any" ? irObject([]) : typed(name);
}

function resolveReference(context: Context, node: syntax.TypeSyntax): Resolved {
  switch (node.kind) {
    case "type-parenthesized":
      return resolveReference(context, node.inner);
    case "type-nullable":
    case "type-non-nullable":
      return resolveReference(context, node.base);
    case "type-variable":
      return resolveName(context, node);
    case "type-call":
      return resolveResourceType(node);
    case "type-member": {
      const target = wildcardMember(context, node);
      return target === undefined
        ? resolveMember(context, node.base, node.name.name)
        : aliasReference(context, target);
    }
    case "type-index": {
      const name = literalText(node.index);
      if (name !== undefined) return resolveMember(context, node.base, name);
      const at = node.index.kind === "integer" ? Number(node.index.value) : 0;
      return step(context, node.base, ["prefixItems", String(at)], (inner) =>
        inner.kind === "type-tuple" ? inner.items[at]?.value : undefined,
      );
    }
    case "type-items":
      return step(context, node.base, ["items"], (inner) =>
        inner.kind === "type-array" ? inner.item : undefined,
      );
    case "type-additional":
      return step(context, node.base, ["additionalProperties"], (inner) =>
        inner.kind === "type-object"
          ? inner.properties.find((property) => property.key === undefined)?.value
          : undefined,
      );
    default:
      throw new NotEmittable("this type");
  }
}

function resolveMember(context: Context, base: syntax.TypeSyntax, name: string): Resolved {
  return step(context, base, ["properties", name], (inner) =>
    inner.kind === "type-object"
      ? inner.properties.find(
          (property) =>
            property.key !== undefined && keyText(property.key)?.toLowerCase() === name.toLowerCase(),
        )?.value
      : undefined,
  );
}

/** One step down from what `base` leads to, following names until a declaration has what is asked for. */
function step(
  context: Context,
  base: syntax.TypeSyntax,
  segments: readonly string[],
  find: (declaration: syntax.TypeSyntax) => syntax.TypeSyntax | undefined,
): Resolved {
  let container = resolveReference(context, base);
  for (let hops = 0; hops < 100; hops++) {
    if (container.kind === "resource")
      return { ...container, segments: [...container.segments, ...segments] };
    const inner = withoutWrapping(container.declaration);
    const declaration = find(inner);
    if (declaration !== undefined) {
      return { ...container, segments: [...container.segments, ...segments], declaration };
    }
    container = resolveReference(container.context, inner);
  }
  throw new NotEmittable("this type");
}

function withoutWrapping(node: syntax.TypeSyntax): syntax.TypeSyntax {
  if (node.kind === "type-parenthesized") return withoutWrapping(node.inner);
  if (node.kind === "type-nullable" || node.kind === "type-non-nullable") return withoutWrapping(node.base);
  return node;
}

function resolveName(context: Context, node: syntax.TypeVariable): Resolved {
  const { model } = context;
  const symbol = symbolAt(model, node);
  if (symbol?.kind === "type") return aliasReference(context, { model, symbol });
  const target = symbol?.kind === "imported" ? importTarget(model, symbol) : undefined;
  if (target === undefined) throw new NotEmittable(`the type "${node.name.name}"`);
  return aliasReference(context, target);
}

function wildcardMember(context: Context, node: syntax.TypeMember): ImportTarget | undefined {
  const base = symbolAt(context.model, node.base);
  return base?.kind === "wildcard" ? wildcardTarget(context.model, base, node.name.name) : undefined;
}

function aliasReference(context: Context, { model, symbol }: ImportTarget): Resolved {
  if (symbol.kind !== "type") throw new NotEmittable(`the type "${symbol.name}"`);
  const name = context.names.get(symbol) ?? symbol.name;
  return {
    kind: "internal",
    segments: ["definitions", name],
    declaration: symbol.declaration.value,
    context: { ...context, model },
  };
}

function resolveResourceType(node: syntax.ParameterizedType): Resolved {
  const [argument] = node.arguments;
  const text =
    argument?.kind === "type-literal" && argument.literal.kind === "string"
      ? literalText(argument.literal)
      : undefined;
  const reference = text === undefined ? undefined : parseTypeReference(text);
  if (reference === undefined) throw new NotEmittable("this resource type");
  const spelled = spellType(reference.type, reference.apiVersion);
  const type = reference.apiVersion === undefined ? spelled : `${spelled}@${reference.apiVersion}`;
  return { kind: "resource", type, output: node.name.name === "resourceOutput", segments: [] };
}

interface Decorated {
  readonly decorators: readonly syntax.Decorator[];
}

const boundNames: readonly string[] = ["minLength", "maxLength", "minValue", "maxValue"];

/** A schema with what the decorators of its declaration say. */
export function withModifiers(context: Context, target: Decorated, schema: IrObject): IrObject {
  const { model } = context;
  let result = schema;
  if (findDecoratorCall(model, target, "secure") !== undefined) result = makeSecure(result);
  if (findDecoratorCall(model, target, "sealed") !== undefined)
    result = merge(result, "additionalProperties", no);
  if (isExported(model, target) && model === context.root)
    result = merge(result, "metadata", irObject([["__bicep_export!", yes]]));
  for (const name of ["metadata", ...boundNames]) {
    const value = findDecoratorCall(model, target, name)?.arguments[0];
    if (value !== undefined) result = merge(result, name, context.lower(context, value));
  }
  return withDescription(context, target, result);
}

/** The path to a member of a resource type in a schema that refers to one. */
function derivedFrom(schema: IrExpression | undefined): string | undefined {
  if (schema?.kind !== "object") return undefined;
  for (const { key, value } of schema.properties) {
    const inner =
      key.kind === "string" && key.value === "source" && value.kind === "string" ? value.value : undefined;
    const found = inner ?? derivedFrom(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

function makeSecure(schema: IrObject): IrObject {
  const find = (name: string) =>
    schema.properties.find(({ key }) => key.kind === "string" && key.value === name)?.value;
  const type = find("type");
  const source = type === undefined ? derivedFrom(find("metadata")) : undefined;
  if (source !== undefined) {
    // Only the name of the member tells whether it is a text.
    const text = /(password|key|secret|token|connectionstring|certificate|data)$/i.test(source);
    return merge(schema, "type", irString(text ? "securestring" : "secureObject"));
  }
  if (type?.kind !== "string") return schema;
  if (type.value === "string") return merge(schema, "type", irString("securestring"));
  return type.value === "object" ? merge(schema, "type", irString("secureObject")) : schema;
}

/** The description of a declaration as an expression, its indentation taken out. */
export function descriptionValue(context: Context, target: Decorated): IrExpression | undefined {
  const call = decoratorCalls(context.model, target).findLast((each) => each.name === "description");
  const [text] = call?.arguments ?? [];
  if (text === undefined) return undefined;
  const value = context.lower(context, text);
  return value.kind === "string" ? irString(normalizeIndent(value.value)) : value;
}

export function withDescription(context: Context, target: Decorated, schema: IrObject): IrObject {
  const description = descriptionValue(context, target);
  return description === undefined
    ? schema
    : merge(schema, "metadata", irObject([["description", description]]));
}

/** The schema of an alias under `definitions`. */
export function definitionSchema(context: Context, symbol: TypeSymbol): IrObject {
  aliasType(context.model, symbol);
  return withModifiers(context, symbol.declaration, typeSchema(context, symbol.declaration.value));
}

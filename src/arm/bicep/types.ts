/**
 * The types of values, as far as the compiler needs them: to decide what is emitted, and to find values that cannot
 * be right. `any` is also the type of everything unknown, and is never complained about.
 */
import { isIdentifier } from "./lexer.ts";
import { quoteString } from "./string-tokens.ts";

/** A type that may be asked for later, so that types can contain themselves. */
export type TypeThunk = () => Type;

export interface StringType {
  readonly kind: "string";
  /** The only value, of a literal type. */
  readonly literal?: string;
  readonly secure?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  /** Values of a parameter without `allowed` may be used where a literal is expected. */
  readonly loose?: boolean;
}

export interface IntType {
  readonly kind: "int";
  readonly literal?: bigint;
  readonly min?: bigint;
  readonly max?: bigint;
  readonly loose?: boolean;
}

export interface BoolType {
  readonly kind: "bool";
  readonly literal?: boolean;
  readonly loose?: boolean;
}

export interface ArrayType {
  readonly kind: "array";
  readonly item: TypeThunk;
  readonly minLength?: number;
  readonly maxLength?: number;
}

export interface TupleType {
  readonly kind: "tuple";
  readonly items: readonly TypeThunk[];
}

export interface PropertyType {
  readonly type: TypeThunk;
  readonly required: boolean;
  readonly readOnly?: boolean;
  readonly writeOnly?: boolean;
  /** Values about which nothing is known are refused, because the compiler itself has to read them. */
  readonly disallowAny?: boolean;
  /** What is not required may also be null. */
  readonly implicitNull?: boolean;
}

export interface ObjectType {
  readonly kind: "object";
  /** For messages; made from the properties when absent. */
  readonly name?: string;
  readonly properties: ReadonlyMap<string, PropertyType>;
  /** The type of properties not named. Absent: there are no others. */
  readonly additional?: TypeThunk;
  /** The author gave `additional`; otherwise it only says that others are tolerated. */
  readonly explicitAdditional?: boolean;
  readonly secure?: boolean;
}

/** A union of objects told apart by the literal in one property. */
export interface DiscriminatedType {
  readonly kind: "discriminated";
  readonly key: string;
  readonly members: ReadonlyMap<string, ObjectType>;
}

export interface UnionType {
  readonly kind: "union";
  /** Two or more, none of them a union, in the order of their names. */
  readonly members: readonly Type[];
}

/** What a module is as a value: `body` has its name and outputs. */
export interface ModuleType {
  readonly kind: "module";
  readonly body: ObjectType;
}

export interface ResourceType {
  readonly kind: "resource";
  /** Without version. */
  readonly type: string;
  readonly body: ObjectType;
}

export interface ScopeType {
  readonly kind: "scope";
  readonly scope: string;
  readonly body: ObjectType;
}

export interface LambdaType {
  readonly kind: "lambda";
  /** The most it takes. */
  readonly parameters: number;
  /** The least it takes, where that is less. */
  readonly minimum?: number;
  readonly returns: Type;
}

/** What stands for a resource or module itself, rather than for its value. */
export interface ReferenceType {
  readonly kind: "reference";
  /** What may be named: anything deployed, all of a loop included; a scope; or a resource. */
  readonly accepts: "dependency" | "scope" | "parent";
}

export type Type =
  | { readonly kind: "any" }
  | { readonly kind: "never" }
  | { readonly kind: "null" }
  | { readonly kind: "error" }
  | StringType
  | IntType
  | BoolType
  | ArrayType
  | TupleType
  | ObjectType
  | DiscriminatedType
  | UnionType
  | ModuleType
  | ResourceType
  | ScopeType
  | LambdaType
  | ReferenceType;

export const anyType: Type = { kind: "any" };
export const neverType: Type = { kind: "never" };
export const nullType: Type = { kind: "null" };
export const errorType: Type = { kind: "error" };
export const stringType: StringType = { kind: "string" };
export const secureStringType: StringType = { kind: "string", secure: true };
export const intType: IntType = { kind: "int" };
export const boolType: BoolType = { kind: "bool" };
export const arrayType: ArrayType = { kind: "array", item: () => anyType };
export const objectType: ObjectType = {
  kind: "object",
  name: "object",
  properties: new Map(),
  additional: () => anyType,
};

export function arrayOf(item: Type): ArrayType {
  return { kind: "array", item: () => item };
}

/** An object with exactly these properties, all of them set. */
export function closedObject(name: string, properties: Readonly<Record<string, Type>>): ObjectType {
  const entries = Object.entries(properties).map(([key, type]): [string, PropertyType] => [
    key,
    { type: () => type, required: true },
  ]);
  return { kind: "object", name, properties: new Map(entries) };
}

/** Computes a type once, when it is first asked for. */
export function later(compute: TypeThunk): TypeThunk {
  let known: Type | undefined;
  let computing = false;
  return () => {
    if (known !== undefined) return known;
    if (computing) return anyType;
    computing = true;
    known = compute();
    return known;
  };
}

/** The type with `null` taken out of a union; undefined when it is not nullable. */
export function withoutNull(type: Type): Type | undefined {
  if (type.kind !== "union") return undefined;
  const rest = type.members.filter((member) => member.kind !== "null");
  return rest.length === type.members.length ? undefined : unionOf(rest);
}

export function nullable(type: Type): Type {
  return unionOf([nullType, type]);
}

/** A union without repetitions, in the order of the members' names; a single member is not a union. */
export function unionOf(types: readonly Type[]): Type {
  const members = new Map<string, Type>();
  for (const type of types.flatMap((each) => (each.kind === "union" ? each.members : [each]))) {
    if (type.kind === "any" || type.kind === "error") return type;
    if (type.kind !== "never") members.set(typeName(type), type);
  }
  const names = [...members.keys()].sort((a, b) => (a < b ? -1 : Number(a > b)));
  const sorted = names.flatMap((name) => members.get(name) ?? []);
  const [only] = sorted;
  if (only === undefined) return neverType;
  return sorted.length === 1 ? only : { kind: "union", members: sorted };
}

const nameDepthMax = 12;
const nameLengthMax = 2000;

interface Naming {
  /** Types can share their parts, so that the whole name would be longer than any memory. */
  left: number;
}

/** The name of a type as written in the language; very long ones are cut. */
export function typeName(type: Type): string {
  return nameOf(type, { left: nameLengthMax }, 0);
}

function nameOf(type: Type, naming: Naming, depth: number): string {
  if (depth > nameDepthMax || naming.left < 0) return "object";
  const name = nameParts(type, naming, depth);
  naming.left -= name.length;
  return name;
}

function nameParts(type: Type, naming: Naming, depth: number): string {
  switch (type.kind) {
    case "string":
      return type.literal === undefined ? "string" : quoteString(type.literal);
    case "int":
      return type.literal === undefined ? "int" : String(type.literal);
    case "bool":
      return type.literal === undefined ? "bool" : String(type.literal);
    case "array": {
      const item = type.item();
      if (item.kind === "any") return "array";
      const name = nameOf(item, naming, depth + 1);
      return item.kind === "union" ? `(${name})[]` : `${name}[]`;
    }
    case "tuple":
      if (type.items.length === 0) return "<empty array>";
      return `[${type.items.map((item) => nameOf(item(), naming, depth + 1)).join(", ")}]`;
    case "object":
      return type.name ?? objectName(type, naming, depth);
    case "discriminated":
      return [...type.members.values()].map((member) => nameOf(member, naming, depth + 1)).join(" | ");
    case "union":
      return type.members.map((member) => nameOf(member, naming, depth + 1)).join(" | ");
    case "resource":
      return type.type;
    case "scope":
      return type.scope;
    case "lambda":
      return `(${lambdaParameters(type)}) => ${nameOf(type.returns, naming, depth + 1)}`;
    case "reference":
      return referenceNames[type.accepts];
    default:
      return type.kind;
  }
}

const referenceNames = {
  dependency: "module[] | (resource | module) | resource[]",
  scope: "scope",
  parent: "resource",
};

function lambdaParameters({ parameters, minimum = parameters }: LambdaType): string {
  const names = Array.from({ length: parameters }, (_, at) => (at < minimum ? "any" : "[any]"));
  return names.join(", ");
}

function objectName(type: ObjectType, naming: Naming, depth: number): string {
  const parts = [...type.properties].map(([name, property]) => {
    const key = isIdentifier(name) ? name : quoteString(name);
    return `${key}: ${nameOf(property.type(), naming, depth + 1)}`;
  });
  if (type.explicitAdditional === true && type.additional !== undefined) {
    parts.push(`*: ${nameOf(type.additional(), naming, depth + 1)}`);
  }
  return parts.length === 0 ? "object" : `{ ${parts.join(", ")} }`;
}

/** True when the type has exactly one value. */
export function isLiteralType(type: Type, known: Set<Type> = new Set()): boolean {
  if (known.has(type)) return true;
  known.add(type);
  switch (type.kind) {
    case "null":
      return true;
    case "string":
    case "int":
    case "bool":
      return type.literal !== undefined;
    case "tuple":
      return type.items.every((item) => isLiteralType(item(), known));
    case "object":
      return (
        type.explicitAdditional !== true &&
        [...type.properties.values()].every(
          (property) => property.required && isLiteralType(property.type(), known),
        )
      );
    default:
      return false;
  }
}

/** What a module, resource or scope is as an object. */
export function asValue(type: Type): Type {
  return type.kind === "module" || type.kind === "resource" || type.kind === "scope" ? type.body : type;
}

/** The name of the template type that holds all values of the type, if there is one. */
export function armTypeName(type: Type): string | undefined {
  switch (type.kind) {
    case "string":
    case "int":
    case "bool":
      return type.kind;
    case "object":
    case "discriminated":
      return "object";
    case "array":
    case "tuple":
      return "array";
    case "union": {
      const names = new Set(type.members.map(armTypeName));
      const [only] = names;
      return names.size === 1 ? only : undefined;
    }
    default:
      return undefined;
  }
}

/** True when a value of the type holds something secret anywhere in it. */
export function containsSecure(type: Type, seen: Set<Type> = new Set()): boolean {
  if (seen.has(type)) return false;
  seen.add(type);
  const inside = (part: () => Type) => containsSecure(part(), seen);
  switch (type.kind) {
    case "string":
      return type.secure === true;
    case "object":
      return (
        type.secure === true ||
        [...type.properties.values()].some((property) => inside(property.type)) ||
        (type.additional !== undefined && inside(type.additional))
      );
    case "discriminated":
      return [...type.members.values()].some((member) => containsSecure(member, seen));
    case "array":
      return inside(type.item);
    case "tuple":
      return type.items.some(inside);
    case "union":
      return type.members.some((member) => containsSecure(member, seen));
    default:
      return false;
  }
}

/** True for types about whose values nothing is known. */
export function isUnknown(type: Type): boolean {
  return type.kind === "any" || type.kind === "error";
}

/** True when a value of type `source` may stand where `target` is expected; contents are judged one by one later. */
export function isAssignable(source: Type, target: Type): boolean {
  if (isUnknown(source) || isUnknown(target) || source.kind === "never") return true;
  if (source.kind === "union") return source.members.every((member) => isAssignable(member, target));
  if (target.kind === "union") return target.members.some((member) => isAssignable(source, member));
  if (target.kind === "reference") return isReference(source, target.accepts);
  switch (source.kind) {
    case "scope":
    case "resource":
    case "module":
      return target.kind === source.kind || isAssignable(source.body, asValue(target));
    case "string":
      return target.kind === "string" && fitsLiteral(source, target);
    case "int":
      return target.kind === "int" && fitsLiteral(source, target);
    case "bool":
      return target.kind === "bool" && fitsLiteral(source, target);
    case "array":
    case "tuple":
      return target.kind === "array" || target.kind === "tuple";
    case "object":
    case "discriminated":
      return target.kind === "object" || target.kind === "discriminated";
    case "lambda":
      return target.kind === "lambda" && lambdaFits(source, target);
    default:
      return source.kind === target.kind;
  }
}

function isReference(source: Type, accepts: ReferenceType["accepts"]): boolean {
  switch (accepts) {
    case "parent":
      return source.kind === "resource";
    case "scope":
      return source.kind === "scope" || source.kind === "resource";
    case "dependency": {
      const one = source.kind === "array" ? source.item() : source;
      return one.kind === "resource" || one.kind === "module";
    }
  }
}

function lambdaFits(source: LambdaType, target: LambdaType): boolean {
  const { parameters: most, minimum: least = most } = target;
  return (
    source.parameters >= least && source.parameters <= most && isAssignable(source.returns, target.returns)
  );
}

function fitsLiteral<T extends { readonly literal?: unknown; readonly loose?: boolean }>(
  source: T,
  target: T,
): boolean {
  if (target.literal === undefined) return true;
  return source.literal === undefined ? source.loose === true : source.literal === target.literal;
}

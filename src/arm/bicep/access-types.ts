/** The types of members read with `.`, `.?`, `[]` and their kin. */
import { report } from "./diagnostics.ts";
import { isWithin, type Model, symbolAt } from "./model.ts";
import type { Span } from "./source.ts";
import { suggestName } from "./spelling.ts";
import type * as syntax from "./syntax.ts";
import {
  anyType,
  asValue,
  errorType,
  intType,
  isAssignable,
  isUnknown,
  nullable,
  type ObjectType,
  stringType,
  type Type,
  typeName,
  unionOf,
  withoutNull,
} from "./types.ts";
import { bodyCondition, withoutParentheses } from "./walk.ts";

/** Resources and modules with a condition may not be there when they are read. */
function mayBeAbsent(model: Model, node: syntax.Expression): boolean {
  const symbol = symbolAt(model, withoutParentheses(node));
  if (symbol?.kind !== "resource" && symbol?.kind !== "module") return false;
  const { declaration } = symbol;
  if (declaration.kind === "resource" && declaration.existing) return false;
  // Inside of it, the condition has been met.
  if (isWithin(model, node, declaration)) return false;
  const condition = bodyCondition(declaration.value);
  if (condition === undefined) return false;
  const type = model.typeOf(condition);
  return !(type.kind === "bool" && type.literal === true);
}

/** True when an earlier link of the chain already gives `null` instead of failing. */
function followsSafeAccess(node: syntax.Expression): boolean {
  if (node.kind !== "member" && node.kind !== "index") return false;
  return node.safe || followsSafeAccess(node.base);
}

export function accessType(model: Model, node: syntax.PropertyAccess): Type {
  const whole = model.typeOf(node.base);
  if (whole.kind === "error" || node.name.name === "") return errorType;
  const present = withoutNull(whole);
  const quiet = node.safe || followsSafeAccess(node.base);
  if (present !== undefined && !quiet) {
    report(model.reporter, "BCP318", { start: node.base.end, end: node.end }, typeName(whole));
  }
  const absent = mayBeAbsent(model, node.base);
  const compileTime = /^(id|name|type|apiVersion)$/.test(node.name.name);
  if (absent && !quiet && !compileTime) {
    report(model.reporter, "BCP318", { start: node.base.end, end: node.end }, `${typeName(whole)} | null`);
  }
  const type = propertyOf(model, present ?? whole, node.name.name, node.name, node.safe);
  const maybeNull = (present !== undefined && quiet) || (absent && node.safe);
  return maybeNull && type.kind !== "error" ? nullable(type) : type;
}

/** The type of one property; `safe` reading of what is not there gives null. */
function propertyOf(model: Model, whole: Type, name: string, span: Span, safe: boolean): Type {
  const type = asValue(whole);
  if (isUnknown(type)) return type;
  if (type.kind === "never") return anyType;
  if (type.kind === "union") return propertyOfUnion(model, type.members, name, span, safe);
  if (type.kind === "discriminated") return anyType;
  if (type.kind !== "object") {
    report(model.reporter, "BCP055", span, typeName(type));
    return errorType;
  }
  const property = type.properties.get(name);
  if (property !== undefined) return property.type();
  if (type.additional !== undefined) return type.additional();
  if (safe) return { kind: "null" };
  reportUnknownProperty(model, type, name, span);
  return errorType;
}

/** Of several kinds of objects, one that has the property is enough; of other unions nothing is known. */
function propertyOfUnion(
  model: Model,
  members: readonly Type[],
  name: string,
  span: Span,
  safe: boolean,
): Type {
  const objects = members.flatMap((member) => {
    const value = asValue(member);
    return value.kind === "object" ? [value] : [];
  });
  const [first] = objects;
  if (first === undefined || objects.length < members.length) return anyType;
  const having = objects.filter((object) => object.properties.has(name) || object.additional !== undefined);
  if (having.length === 0) return propertyOf(model, first, name, span, safe);
  return unionOf(having.map((object) => propertyOf(model, object, name, span, safe)));
}

function reportUnknownProperty(model: Model, type: ObjectType, name: string, span: Span): void {
  const names = [...type.properties.keys()];
  const suggestion = suggestName(name, names);
  if (suggestion !== undefined) {
    report(model.reporter, "BCP083", span, typeName(type), name, suggestion);
  } else if (names.length > 0) {
    report(model.reporter, "BCP053", span, typeName(type), name, names.sort().join(", "));
  } else report(model.reporter, "BCP052", span, typeName(type), name);
}

export function indexAccessType(model: Model, node: syntax.IndexAccess): Type {
  const whole = model.typeOf(node.base);
  const index = model.typeOf(node.index);
  if (whole.kind === "error" || index.kind === "error") return errorType;
  const present = withoutNull(whole);
  const quiet = node.safe || followsSafeAccess(node.base);
  if (present !== undefined && !quiet) {
    report(model.reporter, "BCP318", { start: node.base.end, end: node.end }, typeName(whole));
  }
  const type = itemAt(model, node, asValue(present ?? whole), withoutNull(index) ?? index);
  return present !== undefined && quiet && type.kind !== "error" ? nullable(type) : type;
}

function itemAt(model: Model, node: syntax.IndexAccess, base: Type, index: Type): Type {
  switch (base.kind) {
    case "any":
    case "error":
      return unknownItem(model, node, base, index);
    case "array":
    case "tuple":
      return arrayItem(model, node, base, index);
    case "object":
    case "discriminated":
      if (!isAssignable(index, stringType)) {
        report(model.reporter, "BCP075", node.index, typeName(index));
        return errorType;
      }
      if (base.kind === "object" && index.kind === "string" && index.literal !== undefined) {
        return propertyOf(model, base, index.literal, node.index, node.safe);
      }
      return anyType;
    case "union":
      return anyType;
    default:
      report(model.reporter, "BCP076", node.base, typeName(base));
      return errorType;
  }
}

function unknownItem(model: Model, node: syntax.IndexAccess, base: Type, index: Type): Type {
  if (isAssignable(index, unionOf([stringType, intType]))) return base;
  report(model.reporter, "BCP049", node.index, typeName(index));
  return errorType;
}

function arrayItem(
  model: Model,
  node: syntax.IndexAccess,
  base: Extract<Type, { kind: "array" | "tuple" }>,
  index: Type,
): Type {
  if (!isAssignable(index, intType)) {
    report(model.reporter, "BCP074", node.index, typeName(index));
    return errorType;
  }
  const literal = index.kind === "int" ? index.literal : undefined;
  if (base.kind === "array") {
    if (literal !== undefined && literal < 0n) {
      report(model.reporter, "BCP339", node.index, literal);
      return errorType;
    }
    return base.item();
  }
  if (literal === undefined) return unionOf(base.items.map((item) => item()));
  const at = node.fromEnd ? base.items.length - Number(literal) : Number(literal);
  const item = base.items[at];
  if (item !== undefined) return item();
  report(model.reporter, "BCP311", node.index, literal, typeName(base), base.items.length - 1);
  return errorType;
}

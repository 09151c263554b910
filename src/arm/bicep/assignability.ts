/**
 * Whether an expression may stand where a type is expected, part by part: items of arrays, properties of objects,
 * bounds of numbers and lengths. Variables are followed to their values, and the finding is put on their name.
 */
import { checkArray } from "./array-assignability.ts";
import {
  arrayLength,
  type Bounds,
  type Checking,
  checkBounds,
  lengthCodes,
  say,
  valueCodes,
  variableValue,
} from "./checking.ts";
import { createReporter, hasErrors, type Reporter } from "./diagnostics.ts";
import type { Model } from "./model.ts";
import { checkObject } from "./object-assignability.ts";
import type * as syntax from "./syntax.ts";
import {
  type DiscriminatedType,
  type IntType,
  isAssignable,
  isUnknown,
  type StringType,
  type Type,
  typeName,
  type UnionType,
  withoutNull,
} from "./types.ts";

/** Reports where the value of `node` does not fit the type `target`. */
export function checkAssignable(model: Model, node: syntax.Expression, target: Type): void {
  check({ model, reporter: model.reporter, met: new Map(), check }, node, model.typeOf(node), target);
}

function check(checking: Checking, node: syntax.Expression, found: Type, expected: Type): void {
  if (checking.disallowAny === true && found.kind === "any") {
    say(checking, "BCP176", checking.origin ?? node);
    return;
  }
  if (isUnknown(found)) return;
  if (expected.kind === "array" && node.kind === "for") {
    const item = expected.item();
    check(checking, node.body, checking.model.typeOf(node.body), item);
    return;
  }
  if (!isAssignable(found, expected)) {
    reportMismatch(checking, node, found, expected);
    return;
  }
  switch (expected.kind) {
    case "int":
      checkInteger(checking, node, found, expected);
      return;
    case "string":
      checkString(checking, node, found, expected);
      return;
    case "object":
      checkObject(checking, bodyOf(node), found, expected);
      return;
    case "discriminated":
      checkDiscriminated(checking, bodyOf(node), found, expected);
      return;
    case "array":
    case "tuple":
      checkArray(checking, node, found, expected);
      return;
    case "union":
      checkUnion(checking, node, found, expected);
      return;
  }
}

function bodyOf(node: syntax.Expression): syntax.Expression {
  return node.kind === "if" ? node.body : node;
}

function reportMismatch(checking: Checking, node: syntax.Expression, found: Type, expected: Type): void {
  const present = withoutNull(found);
  if (present !== undefined && isAssignable(present, expected)) {
    say(checking, "BCP321", node, typeName(expected), typeName(found));
    check(checking, node, present, expected);
    return;
  }
  if (checking.onMismatch !== undefined) checking.onMismatch(checking, expected, found, node);
  else say(checking, "BCP033", checking.origin ?? node, typeName(expected), typeName(found));
}

function boundsOf(type: IntType): Bounds {
  if (type.literal !== undefined) return { min: type.literal, max: type.literal };
  return { min: type.min, max: type.max };
}

function checkInteger(checking: Checking, node: syntax.Expression, found: Type, expected: IntType): void {
  if (found.kind === "int") checkBounds(checking, node, boundsOf(found), boundsOf(expected), valueCodes);
}

function lengthOf(type: StringType): Bounds {
  if (type.literal === undefined) return arrayLength(type);
  const length = BigInt(type.literal.length);
  return { min: length, max: length };
}

function checkString(checking: Checking, node: syntax.Expression, found: Type, expected: StringType): void {
  if (found.kind !== "string") return;
  if (expected.literal !== undefined && found.literal !== undefined) return;
  checkBounds(checking, node, lengthOf(found), lengthOf(expected), lengthCodes);
}

/** Tries a check and keeps what it found apart. */
function attempt(checking: Checking, run: (inner: Checking) => void): Reporter {
  const reporter = createReporter(checking.reporter.source);
  run({ ...checking, reporter });
  return reporter;
}

function adopt(checking: Checking, reporters: readonly Reporter[]): void {
  for (const reporter of reporters) checking.reporter.found.push(...reporter.found);
}

/** A value of several types must fit with each of them; one type may fit any member. */
function checkUnion(checking: Checking, node: syntax.Expression, found: Type, expected: UnionType): void {
  if (found.kind === "union") {
    for (const member of found.members) checkUnion(checking, node, member, expected);
    return;
  }
  const value = variableValue(checking.model, node);
  if (value !== undefined && found.kind !== "object" && found.kind !== "tuple") return;
  const fitting = expected.members.filter((member) => isAssignable(found, member));
  const attempts = fitting.map((member) => attempt(checking, (inner) => check(inner, node, found, member)));
  const clean = attempts.filter((each) => !hasErrors(each.found));
  if (clean.some((each) => each.found.length === 0)) return;
  adopt(checking, clean.length > 0 ? clean : attempts);
}

function checkDiscriminated(
  checking: Checking,
  node: syntax.Expression,
  found: Type,
  expected: DiscriminatedType,
): void {
  if (found.kind !== "object") return;
  const { key } = expected;
  const keys = [...expected.members.keys()].map((name) => `'${name}'`).join(" | ");
  const property = found.properties.get(key);
  if (property === undefined) {
    if (found.explicitAdditional !== true && found.additional === undefined) {
      say(checking, "BCP078", checking.origin ?? node, key, keys);
    }
    return;
  }
  const type = property.type();
  const where = checking.origin ?? propertyValue(node, key) ?? node;
  if (type.kind === "string" && type.literal !== undefined) {
    const member = expected.members.get(type.literal);
    if (member !== undefined) {
      checkObject(checking, node, found, member);
      return;
    }
    say(checking, "BCP036", where, key, keys, typeName(type));
    return;
  }
  const fits =
    type.kind === "union" &&
    type.members.every((each) => each.kind === "string" && expected.members.has(each.literal ?? ""));
  if (!isUnknown(type) && !fits) say(checking, "BCP036", where, key, keys, typeName(type));
}

function propertyValue(node: syntax.Expression, name: string): syntax.Expression | undefined {
  if (node.kind !== "object") return undefined;
  for (const item of node.items) {
    if (item.kind === "property" && item.key.kind === "identifier" && item.key.name === name)
      return item.value;
  }
  return undefined;
}

/** Objects, as a part of `assignability.ts`: properties that are missing, unknown, read-only or of another type. */
import { type Checking, say, variableValue } from "./checking.ts";
import { hasSyntaxErrors, parentOf } from "./model.ts";
import type { Span } from "./source.ts";
import { suggestName } from "./spelling.ts";
import type * as syntax from "./syntax.ts";
import {
  isAssignable,
  nullable,
  nullType,
  type ObjectType,
  type PropertyType,
  type Type,
  typeName,
} from "./types.ts";
import { findProperty, keyText } from "./walk.ts";

export function checkObject(
  checking: Checking,
  node: syntax.Expression,
  found: Type,
  expected: ObjectType,
): void {
  const value = variableValue(checking.model, node);
  if (value !== undefined) {
    checkObject({ ...checking, origin: node }, value, found, expected);
    return;
  }
  if (found.kind !== "object" || hasSyntaxErrors(checking.model, node)) return;
  const literal = node.kind === "object" ? node : undefined;
  checkMissing(checking, node, found, expected);
  for (const [name, property] of expected.properties) {
    const given = found.properties.get(name);
    if (given !== undefined) checkProperty(checking, node, literal, name, given.type(), property);
  }
  if (expected.additional === undefined) {
    checkUnknown(checking, node, literal, found, expected);
    return;
  }
  const additional: PropertyType = { type: expected.additional, required: true };
  for (const [name, property] of found.properties) {
    if (!expected.properties.has(name))
      checkProperty(checking, node, literal, name, property.type(), additional);
  }
}

function checkMissing(
  checking: Checking,
  node: syntax.Expression,
  found: ObjectType,
  expected: ObjectType,
): void {
  if (found.additional !== undefined) return;
  const missing = [...expected.properties]
    .filter(([name, { required, readOnly, type }]) => {
      if (!required || readOnly === true || found.properties.has(name)) return false;
      return !isAssignable(nullType, type());
    })
    .map(([name]) => name)
    .sort();
  if (missing.length === 0) return;
  const [where, what] = missingPlace(checking, node);
  say(checking, "BCP035", checking.origin ?? where, what, missing.join(", "));
}

/** Where to say that an object lacks something: at the name of what it is the value of. */
function missingPlace(checking: Checking, node: syntax.Node): readonly [Span, string] {
  const parent = parentOf(checking.model, node);
  switch (parent?.kind) {
    case "property":
      return [parent.key, "object"];
    case "if":
    case "for":
      return missingPlace(checking, parent);
    case "param":
    case "var":
    case "output":
    case "resource":
    case "module":
    case "metadata":
      return [parent.name, parent.kind];
    default:
      return [node, "object"];
  }
}

function checkProperty(
  checking: Checking,
  node: syntax.Expression,
  literal: syntax.ObjectLiteral | undefined,
  name: string,
  found: Type,
  expected: PropertyType,
): void {
  const written = findProperty(literal, name);
  if (expected.readOnly === true) {
    say(checking, "BCP073", checking.origin ?? written?.key ?? node, name);
    return;
  }
  const declared = expected.type();
  const type = expected.implicitNull === true && !expected.required ? nullable(declared) : declared;
  const value = written?.value ?? node;
  if (wasMet(checking, value, found, type)) return;
  if (found.kind === "null" && !expected.required && value.kind === "ternary") {
    // The branch that is taken is known, but the author wrote both.
    say(checking, "BCP321", value, typeName(type), typeName(found));
    return;
  }
  const inner: Checking = {
    ...checking,
    disallowAny: expected.disallowAny === true,
    onMismatch: (at, wanted, given, where) => reportProperty(at, name, wanted, given, where),
  };
  checking.check(inner, value, found, type);
}

function wasMet(checking: Checking, node: syntax.Expression, found: Type, expected: Type): boolean {
  const pairs = checking.met.get(node) ?? [];
  if (pairs.some(([left, right]) => left === found && right === expected)) return true;
  checking.met.set(node, [...pairs, [found, expected]]);
  return false;
}

function reportProperty(
  checking: Checking,
  name: string,
  expected: Type,
  found: Type,
  node: syntax.Expression,
): void {
  const suggestion = checking.origin === undefined ? literalSuggestion(expected, found) : undefined;
  const where = checking.origin ?? node;
  if (suggestion === undefined) say(checking, "BCP036", where, name, typeName(expected), typeName(found));
  else say(checking, "BCP088", where, name, typeName(expected), typeName(found), suggestion);
}

function literalSuggestion(expected: Type, found: Type): string | undefined {
  if (found.kind !== "string" || found.literal === undefined || expected.kind !== "union") return undefined;
  const literals = expected.members.map((member) => (member.kind === "string" ? member.literal : undefined));
  const names = literals.filter((literal) => literal !== undefined);
  if (names.length !== literals.length) return undefined;
  const suggestion = suggestName(found.literal, names.sort());
  return suggestion === undefined ? undefined : `'${suggestion}'`;
}

function checkUnknown(
  checking: Checking,
  node: syntax.Expression,
  literal: syntax.ObjectLiteral | undefined,
  found: ObjectType,
  expected: ObjectType,
): void {
  const allowed = [...expected.properties]
    .filter(([name, property]) => property.readOnly !== true && !found.properties.has(name))
    .map(([name]) => name)
    .sort();
  const names = allowed.join(", ");
  for (const name of found.properties.keys()) {
    if (expected.properties.has(name)) continue;
    const where = checking.origin ?? findProperty(literal, name)?.key ?? node;
    const suggestion = checking.origin === undefined ? suggestName(name, allowed) : undefined;
    if (suggestion !== undefined) say(checking, "BCP089", where, name, typeName(expected), suggestion);
    else {
      const hint = names === "" ? "No others are allowed." : `Allowed are: ${names}.`;
      say(checking, "BCP037", where, name, typeName(expected), hint);
    }
  }
  for (const item of literal?.items ?? []) {
    if (item.kind === "property" && item.key.kind === "string" && keyText(item.key) === undefined) {
      say(checking, "BCP040", item.key, typeName(expected), names);
    }
  }
}

/** Type expressions: every part of one is looked at, and unions must be of literals of one kind. */
import { checkDecorators } from "./check-decorators.ts";
import { declaredType, modified } from "./declared-types.ts";
import { report } from "./diagnostics.ts";
import { type Model, parentOf, symbolAt } from "./model.ts";
import type * as syntax from "./syntax.ts";
import { armTypeName, isLiteralType, type Type } from "./types.ts";
import { childrenOf } from "./walk.ts";

/** Reports what is wrong with a type expression and everything in it. */
export function checkType(model: Model, node: syntax.TypeSyntax): void {
  const type = declaredType(model, node);
  if (node.kind === "type-union") checkUnion(model, node, type);
  if (node.kind === "type-call") checkDereferenced(model, node);
  for (const child of childrenOf(node)) {
    const kind = symbolAt(model, child)?.kind;
    if (kind !== "namespace" && kind !== "wildcard") checkPart(model, child);
  }
}

function checkPart(model: Model, node: syntax.Node): void {
  if (node.kind === "type-property" || node.kind === "type-tuple-item") {
    const type = declaredType(model, node.value);
    modified(model, type, node);
    checkDecorators(model, node, type);
    checkType(model, node.value);
  } else if (node.kind.startsWith("type-")) checkType(model, node as syntax.TypeSyntax);
}

/** The member types of a union, with those of unions behind names. */
function flatten(type: Type): readonly Type[] {
  return type.kind === "union" ? type.members.flatMap(flatten) : [type];
}

function checkUnion(model: Model, node: syntax.UnionType, type: Type): void {
  if (type.kind === "discriminated" || type.kind === "error") return;
  const members = node.members.flatMap((member) =>
    flatten(declaredType(model, member)).map((each) => ({ member, type: each })),
  );
  if (members.some((each) => each.type.kind === "error")) return;
  const kinds = new Set(members.flatMap((each) => armTypeName(each.type) ?? []));
  const [kind] = kinds;
  const mixed = kinds.size > 1 && isItemOfArray(model, node) && !kinds.has("array");
  if (kind === undefined || (kinds.size > 1 && !mixed)) {
    const unknown = members.some((each) => each.type.kind === "any");
    if (!unknown) report(model.reporter, "BCP294", node);
    return;
  }
  for (const each of members) {
    if (!isLiteralType(each.type)) report(model.reporter, "BCP293", each.member);
    else if (!mixed && each.type.kind !== "null" && armTypeName(each.type) !== kind) {
      report(model.reporter, "BCP286", each.member, kind);
    }
  }
}

function isItemOfArray(model: Model, node: syntax.Node): boolean {
  const parent = parentOf(model, node);
  if (parent?.kind === "type-parenthesized") return isItemOfArray(model, parent);
  return parent?.kind === "type-array";
}

/** The whole body of a resource is no type, only a property of it is. */
function checkDereferenced(model: Model, node: syntax.ParameterizedType): void {
  const named = node.base === undefined ? symbolAt(model, node) : symbolAt(model, node.base);
  if (named?.kind !== "ambient-type" && named?.kind !== "namespace") return;
  let parent = parentOf(model, node);
  while (
    parent?.kind === "type-parenthesized" ||
    parent?.kind === "type-nullable" ||
    parent?.kind === "type-non-nullable"
  ) {
    parent = parentOf(model, parent);
  }
  const reads = ["type-member", "type-items", "type-additional", "type-index"];
  if (parent === undefined || !reads.includes(parent.kind)) report(model.reporter, "BCP394", node);
}

/** Arrays, as a part of `assignability.ts`: their lengths, the items of literals, and those spread into them. */
import { arrayLength, type Checking, checkBounds, lengthCodes, say, variableValue } from "./checking.ts";
import { hasSyntaxErrors } from "./model.ts";
import type * as syntax from "./syntax.ts";
import { type ArrayType, anyType, isAssignable, type TupleType, type Type, typeName } from "./types.ts";

export function checkArray(
  checking: Checking,
  node: syntax.Expression,
  found: Type,
  expected: ArrayType | TupleType,
): void {
  if (node.kind === "array") {
    checkItems(checking, node, expected);
    return;
  }
  const value = variableValue(checking.model, node);
  if (value !== undefined) {
    checking.check({ ...checking, origin: node }, value, checking.model.typeOf(value), expected);
    return;
  }
  if (found.kind !== "array" && found.kind !== "tuple") return;
  const wanted = arrayLength(expected);
  checkBounds(checking, node, arrayLength(found), wanted, lengthCodes);
  if (found.kind === "tuple" && expected.kind === "tuple") {
    for (const [at, item] of found.items.entries())
      checking.check(checking, node, item(), expected.items[at]?.() ?? anyType);
    return;
  }
  checking.check(checking, node, itemOf(found), itemOf(expected));
}

function itemOf(type: ArrayType | TupleType): Type {
  if (type.kind === "array") return type.item();
  const items = type.items.map((item) => item());
  const [first = anyType] = items;
  return items.every((item) => isAssignable(item, first) && isAssignable(first, item)) ? first : anyType;
}

function checkItems(checking: Checking, node: syntax.ArrayLiteral, expected: ArrayType | TupleType): void {
  const { model } = checking;
  if (hasSyntaxErrors(model, node)) return;
  let spreads = false;
  for (const [at, item] of node.items.entries()) {
    if (item.kind === "spread") {
      spreads = true;
      const type = itemOf(expected);
      const inner: Checking = { ...checking, onMismatch: reportSpread };
      checking.check(inner, item.expression, model.typeOf(item.expression), {
        kind: "array",
        item: () => type,
      });
      continue;
    }
    const type =
      expected.kind === "tuple" && !spreads ? (expected.items[at]?.() ?? anyType) : itemOf(expected);
    checking.check({ ...checking, onMismatch: reportItem }, item, model.typeOf(item), type);
  }
  if (spreads) return;
  const length = BigInt(node.items.length);
  checkBounds(checking, node, { min: length, max: length }, arrayLength(expected), lengthCodes);
}

function reportItem(checking: Checking, expected: Type, found: Type, node: syntax.Expression): void {
  say(checking, "BCP034", node, typeName(expected), typeName(found));
}

function reportSpread(checking: Checking, expected: Type, found: Type, node: syntax.Expression): void {
  say(checking, "BCP403", node, typeName(expected), typeName(found));
}

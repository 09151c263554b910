/**
 * The rules of GROUP BY and aggregation: what a key may be, and that the select list of a grouped query only holds
 * what is the same for a whole group.
 */
import { type BindState, report } from "./binding.ts";
import { aggregateNamed } from "./functions/aggregate.ts";
import { printExpression } from "./print.ts";
import { type Call, children, type Expression, type Query } from "./syntax.ts";

/** True when `expression` has an aggregate call or a subquery anywhere inside. */
export function containsAggregateOrSubquery(expression: Expression): boolean {
  if (expression.kind === "subquery" || isAggregate(expression)) return true;
  return children(expression).some(containsAggregateOrSubquery);
}

function isAggregate(expression: Expression): expression is Call {
  return expression.kind === "call" && !expression.udf && aggregateNamed(expression.name) !== undefined;
}

/** Keys are expressions over the row: no aggregate, no subquery. */
export function checkGroupKeys(state: BindState, query: Query): void {
  if (query.groupBy?.some(containsAggregateOrSubquery)) {
    state.texts.push("A GROUP BY expression cannot contain an aggregate function or a subquery.");
  }
}

/** SC2102 for every property of a row that the select list uses outside keys and aggregates. */
export function checkGrouping(state: BindState, query: Query): void {
  const isKey = groupKeys(query);
  const { select } = query;
  if (select.kind === "value") checkConstantInGroup(state, query, isKey, select.value);
  if (select.kind === "list")
    for (const item of select.items) checkConstantInGroup(state, query, isKey, item.value);
}

/** Tells whether an expression is one of the keys: matched by text, among keys of the same kind only. */
type IsKey = (expression: Expression) => boolean;

function groupKeys(query: Query): IsKey {
  const keys = query.groupBy ?? [];
  const kinds = new Set(keys.map((key) => key.kind));
  const texts = new Set(keys.map(printExpression));
  return (expression) => kinds.has(expression.kind) && texts.has(printExpression(expression));
}

function checkConstantInGroup(state: BindState, query: Query, isKey: IsKey, at: Expression): void {
  if (isAggregate(at) || at.kind === "subquery" || isKey(at)) return;
  if (!isReference(at)) {
    for (const child of children(at)) checkConstantInGroup(state, query, isKey, child);
    return;
  }
  let root: Expression = at;
  while (root.kind === "member" || root.kind === "index") {
    if (root.kind === "index") checkConstantInGroup(state, query, isKey, root.index);
    root = root.object;
    if (isKey(root)) return;
  }
  if (root.kind !== "identifier") {
    checkConstantInGroup(state, query, isKey, root);
    return;
  }
  if (state.variables.get(root)?.owner !== query) return;
  const message =
    `Property reference '${printExpression(at)}' is invalid in the select list because it is not contained in ` +
    "either an aggregate function or the GROUP BY clause.";
  report(state, "SC2102", message, at.span);
}

function isReference(expression: Expression): boolean {
  return expression.kind === "identifier" || expression.kind === "member" || expression.kind === "index";
}

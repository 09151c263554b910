/**
 * Rewrites a query into the form that runs on each partition and whose rows a client can merge: sort keys beside the
 * payload, aggregates as mergeable parts, limits widened. The forms are the service's own, as clients parse them.
 */
import type { Bound, BoundAggregate } from "./binding.ts";
import { plainError } from "./error.ts";
import { columnNames } from "./pipeline.ts";
import {
  type Call,
  children,
  type Expression,
  type Identifier,
  node,
  type Query,
  type Select,
  type SelectItem,
} from "./syntax.ts";

/** Where a client puts `true` or its resume filter. */
export const FILTER_PLACEHOLDER = "{documentdb-formattableorderbyquery-filter}";

const NOWHERE = Object.freeze({ start: 0, end: 0 });

/** Text that stands in an expression as it is; printed, never evaluated. */
export function verbatim(text: string): Identifier {
  return node({ kind: "identifier", name: text, span: NOWHERE });
}

export function literal(value: string | number): Expression {
  return node({ kind: "literal", value, span: NOWHERE });
}

export function objectOf(properties: readonly (readonly [string, Expression])[]): Expression {
  const list = properties.map(([name, value]) => Object.freeze({ name, value }));
  return node({ kind: "object", properties: Object.freeze(list), span: NOWHERE });
}

export function arrayOf(items: readonly Expression[]): Expression {
  return node({ kind: "array", items: Object.freeze(items), span: NOWHERE });
}

export function callOf(name: string, args: readonly Expression[]): Call {
  return node({ kind: "call", name, udf: false, args, span: NOWHERE });
}

export function and(left: Expression | undefined, right: Expression): Expression {
  if (left === undefined) return right;
  return node({ kind: "binary", operator: "AND", left, right, span: NOWHERE });
}

function listOf(items: readonly SelectItem[]): Select {
  return node({ kind: "list", items: Object.freeze(items), span: NOWHERE });
}

function selectValue(value: Expression): Select {
  return node({ kind: "value", value, span: NOWHERE });
}

/** A copy of `query` with some clauses replaced; `undefined` removes a clause. */
export function withClauses(
  query: Query,
  changes: { readonly [K in keyof Query]?: Query[K] | undefined },
): Query {
  const merged: Record<string, unknown> = { ...query, ...changes };
  for (const name of Object.keys(merged)) if (merged[name] === undefined) delete merged[name];
  return node(merged as unknown as Query);
}

/** `OFFSET 0 LIMIT offset + limit`. */
export function withLimit(query: Query, limit: number): Query {
  return withClauses(query, {
    offset: node({ kind: "literal", value: 0, span: NOWHERE }),
    limit: node({ kind: "literal", value: limit, span: NOWHERE }),
  });
}

/** The name of the first source, where the item's system properties are. */
export function itemName(bound: Bound, query: Query): Expression {
  const name = bound.scopes.get(query)?.sources[0]?.name ?? "root";
  return node({ kind: "identifier", name, span: NOWHERE });
}

/** The rows of a query as one expression: the VALUE, the item of SELECT *, or an object of the select list. */
export function payloadOf(bound: Bound, query: Query): Expression {
  const { select } = query;
  if (select.kind === "star") return itemName(bound, query);
  if (select.kind === "value") return select.value;
  const names = columnNames(select.items);
  return objectOf(select.items.map(({ value }, i) => [names[i] ?? "", value] as const));
}

/** `_rid`, sort keys and payload; the filter gains the placeholder, and IS_DEFINED for a VALUE payload. */
export function rewriteOrderBy(bound: Bound, query: Query): Query {
  const keys = (query.orderBy?.items ?? []).map(({ value }) => objectOf([["item", value]]));
  const rid: Expression = node({
    kind: "member",
    object: itemName(bound, query),
    name: "_rid",
    span: NOWHERE,
  });
  const payload = payloadOf(bound, query);
  let where = and(query.where, verbatim(`(${FILTER_PLACEHOLDER})`));
  if (query.select.kind === "value") where = and(where, callOf("IS_DEFINED", [payload]));
  return withClauses(query, {
    distinct: false,
    select: listOf([
      { value: rid },
      { value: arrayOf(keys), alias: "orderByItems" },
      { value: payload, alias: "payload" },
    ]),
    where,
    offset: undefined,
    limit: undefined,
    offsetLimitSpan: undefined,
  });
}

/** The mergeable form of one aggregate: `{"item": ..}` and for MIN and MAX also what tells empty from undefined. */
function mergeable({ call, aggregate }: BoundAggregate): Expression {
  const count = (): Expression => callOf("COUNT", call.args);
  switch (aggregate.name) {
    case "AVG":
      return objectOf([
        [
          "item",
          objectOf([
            ["sum", callOf("SUM", call.args)],
            ["count", count()],
          ]),
        ],
      ]);
    case "MIN":
    case "MAX": {
      const name = aggregate.name.toLowerCase();
      return objectOf([
        ["item", call],
        [
          "item2",
          objectOf([
            [name, call],
            ["count", count()],
          ]),
        ],
      ]);
    }
    default:
      return objectOf([["item", call]]);
  }
}

/** The select expression as the rewritten query computes it. Aggregates inside other expressions cannot be merged. */
function mergeablePart(bound: Bound, expression: Expression): Expression {
  const aggregate = expression.kind === "call" ? bound.aggregates.get(expression) : undefined;
  if (aggregate !== undefined) return mergeable(aggregate);
  if (containsAggregate(bound, expression)) {
    throw plainError("Compositions of aggregates and other expressions are not allowed.");
  }
  return expression;
}

function containsAggregate(bound: Bound, expression: Expression): boolean {
  if (expression.kind === "call" && bound.aggregates.has(expression)) return true;
  return children(expression).some((child) => containsAggregate(bound, child));
}

/** Grouped and aggregated queries: group keys (if any) and a payload of mergeable parts; no limits. */
export function rewriteGrouping(bound: Bound, query: Query): Query {
  const { select, groupBy } = query;
  let payload: Expression;
  if (select.kind === "list") {
    const names = columnNames(select.items);
    payload = objectOf(
      select.items.map(({ value }, i) => [names[i] ?? "", mergeablePart(bound, value)] as const),
    );
  } else {
    const value = select.kind === "value" ? select.value : itemName(bound, query);
    const part = mergeablePart(bound, value);
    payload = part === value ? part : arrayOf([part]);
  }
  const unlimited = {
    distinct: false,
    top: undefined,
    topSpan: undefined,
    offset: undefined,
    limit: undefined,
  };
  const clauses = { ...unlimited, offsetLimitSpan: undefined };
  if (groupBy !== undefined) {
    const keys = arrayOf(groupBy.map((key) => objectOf([["item", key]])));
    const items = [
      { value: keys, alias: "groupByItems" },
      { value: payload, alias: "payload" },
    ];
    return withClauses(query, { ...clauses, select: listOf(items) });
  }
  const aggregated =
    select.kind === "list" ? listOf([{ value: payload, alias: "payload" }]) : selectValue(payload);
  return withClauses(query, { ...clauses, select: aggregated });
}

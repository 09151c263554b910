/**
 * The plan of ORDER BY RANK: one query for the text statistics of all partitions, one query per component score
 * whose placeholders the client fills with those statistics, and what the client needs to fuse the ranks.
 */
import type { Bound } from "./binding.ts";
import { splitFusion } from "./order-check.ts";
import { EMPTY_INFO, type HybridSearchPlan, type QueryInfo } from "./plan.ts";
import type { PreparedQuery } from "./prepare.ts";
import { printExpression, printQuery } from "./print.ts";
import {
  and,
  arrayOf,
  callOf,
  FILTER_PLACEHOLDER,
  itemName,
  literal,
  objectOf,
  payloadOf,
  verbatim,
  withClauses,
  withLimit,
} from "./rewrite.ts";
import { type Call, type Expression, node, type Query } from "./syntax.ts";

/** Rows that each component returns at least, so that fusion sees more than the wanted rows. */
const COMPONENT_ROWS_MIN = 120;

const NOWHERE = { start: 0, end: 0 };

interface Component {
  readonly call: Call;
  /** The score as the rewritten query computes it. */
  readonly score: Expression;
  readonly direction: "ASC" | "DESC";
}

/** The plan for a query with ORDER BY RANK. */
export function planHybridSearch(bound: Bound, query: Query, prepared: PreparedQuery): HybridSearchPlan {
  const item = query.orderBy?.items[0]?.value;
  const fused = item?.kind === "call" && item.name.toUpperCase() === "RRF" ? splitFusion(item) : undefined;
  const calls = fused?.components ?? (item === undefined ? [] : [item]);
  const components = calls.flatMap((call, i) =>
    call.kind === "call" ? [componentOf(prepared, call, i)] : [],
  );
  const texts = components.filter(({ call }) => isText(call));
  return {
    globalStatisticsQuery: printQuery(statisticsQuery(query, texts)),
    componentQueryInfos: components.map((component) =>
      describe(bound, query, prepared, component, components),
    ),
    componentWithoutPayloadQueryInfos: [],
    componentWeights: prepared.rankWeights,
    skip: prepared.offset ?? null,
    take: prepared.top ?? prepared.limit ?? null,
    requiresGlobalStatistics: texts.length > 0,
  };
}

function isText(call: Call): boolean {
  return call.name.toUpperCase() === "FULLTEXTSCORE";
}

/** The terms of a score call, written out or in the older form as one array. */
function termsOf(call: Call): readonly Expression[] {
  const [, first, ...rest] = call.args;
  if (first?.kind === "array" && rest.length === 0) return first.items;
  return call.args.slice(1);
}

function placeholder(name: string): Expression {
  return verbatim(`{documentdb-formattablehybridsearchquery-${name}}`);
}

function componentOf(prepared: PreparedQuery, call: Call, index: number): Component {
  if (!isText(call)) return { call, score: call, direction: prepared.rankDirections[index] ?? "DESC" };
  const [text] = call.args;
  const score = callOf("_FullTextScore", [
    ...(text === undefined ? [] : [text]),
    arrayOf(termsOf(call)),
    placeholder("totaldocumentcount"),
    placeholder(`totalwordcount-${index}`),
    placeholder(`hitcountsarray-${index}`),
  ]);
  return { call, score, direction: "DESC" };
}

/** Counts over the whole container: documents, words per searched path, and documents that hold each term. */
function statisticsQuery(query: Query, texts: readonly Component[]): Query {
  const statistics = texts.map(({ call }) => {
    const text = call.args[0] ?? literal("");
    const hits = termsOf(call).map((term) => callOf("COUNTIF", [callOf("FullTextContains", [text, term])]));
    return objectOf([
      ["totalWordCount", callOf("SUM", [callOf("_FullTextWordCount", [text])])],
      ["hitCounts", arrayOf(hits)],
    ]);
  });
  const items = [
    { value: callOf("COUNT", [literal(1)]), alias: "documentCount" },
    { value: arrayOf(statistics), alias: "fullTextStatistics" },
  ];
  return node({
    kind: "query",
    distinct: false,
    select: node({ kind: "list", items, span: NOWHERE }),
    ...(query.from !== undefined && { from: query.from }),
    span: NOWHERE,
  });
}

function describe(
  bound: Bound,
  query: Query,
  prepared: PreparedQuery,
  { call, score, direction }: Component,
  all: readonly Component[],
): QueryInfo {
  const rows = Math.max(
    COMPONENT_ROWS_MIN,
    2 * ((prepared.offset ?? 0) + (prepared.top ?? prepared.limit ?? 0)),
  );
  const scores = arrayOf(all.map((component) => scoreOrWorst(component)));
  const payload = objectOf([
    ["payload", payloadOf(bound, query)],
    ["componentScores", scores],
  ]);
  const items = [
    { value: node({ kind: "member", object: itemName(bound, query), name: "_rid", span: NOWHERE }) },
    { value: arrayOf([objectOf([["item", score]])]), alias: "orderByItems" },
    { value: payload, alias: "payload" },
  ];
  const ordered = withClauses(query, {
    select: node({ kind: "list", items, span: NOWHERE }),
    where: and(query.where, verbatim(`(${FILTER_PLACEHOLDER})`)),
    orderBy: node({
      kind: "orderBy",
      rank: false,
      // VectorDistance knows its own direction, and refuses to be told one.
      items: [node({ kind: "orderItem", value: score, ...(isText(call) && { direction }) })],
      span: NOWHERE,
    }),
  });
  const top =
    query.top === undefined ? undefined : node({ kind: "literal", value: rows, span: NOWHERE } as const);
  const limited = top === undefined ? withLimit(ordered, rows) : withClauses(ordered, { top });
  return {
    ...EMPTY_INFO,
    top: top === undefined ? null : rows,
    offset: top === undefined ? 0 : null,
    limit: top === undefined ? rows : null,
    orderBy: [direction === "DESC" ? "Descending" : "Ascending"],
    orderByExpressions: [printExpression(score)],
    rewrittenQuery: printQuery(limited),
    hasNonStreamingOrderBy: true,
  };
}

/** A row without a score ranks last in its component. */
function scoreOrWorst({ score, direction }: Component): Expression {
  const worst = direction === "DESC" ? verbatim("-1") : literal(Number.MAX_SAFE_INTEGER);
  return node({ kind: "binary", operator: "??", left: score, right: worst, span: NOWHERE });
}

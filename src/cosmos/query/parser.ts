/**
 * Query text to syntax: the clauses of SELECT. Expressions are in `expression-parser.ts`. The result is frozen and
 * says nothing about meaning; names, arities and clause combinations are judged by the binder.
 */
import {
  acceptKeyword,
  acceptSymbol,
  atKeyword,
  atSymbol,
  type Cursor,
  expectKeyword,
  expectName,
  expectSymbol,
  lastEnd,
  measured,
  nested,
  next,
  openCursor,
  peek,
  unexpected,
} from "./cursor.ts";
import { limitExceeded } from "./error.ts";
import { numberLiteral, parseExpression } from "./expression-parser.ts";
import {
  type Count,
  type Expression,
  type Input,
  node,
  type OrderBy,
  type OrderItem,
  type PathStep,
  type Query,
  type Select,
  type SelectItem,
  type Source,
} from "./syntax.ts";

/** `maxJoinsPerSqlQuery` of the service. */
const JOINS_MAX = 10;

/** `maxSqlQueryInputLength` of the service, in characters. */
const TEXT_LENGTH_MAX = 524_288;

/**
 * Parses one query. Throws `QueryError` with SC1001 (a token that fits nowhere) or SC1002 (the text ends too
 * early), or with a plain text when it is too long, joins too much or nests deeper than `cursor.ts` allows.
 */
export function parseQuery(text: string): Query {
  if (text.length > TEXT_LENGTH_MAX) throw limitExceeded("text length", TEXT_LENGTH_MAX);
  const cursor = openCursor(text, parseSelect);
  const query = parseSelect(cursor);
  if (peek(cursor).kind !== "end") throw unexpected(cursor);
  return query;
}

function parseSelect(cursor: Cursor): Query {
  const { start } = expectKeyword(cursor, "SELECT");
  const distinct = acceptKeyword(cursor, "DISTINCT");
  const topStart = peek(cursor).start;
  const top = acceptKeyword(cursor, "TOP") ? parseCount(cursor, false) : undefined;
  const select = parseProjection(cursor);
  const from = acceptKeyword(cursor, "FROM") ? parseFrom(cursor) : undefined;
  const where = acceptKeyword(cursor, "WHERE") ? parseExpression(cursor) : undefined;
  const groupBy = acceptKeyword(cursor, "GROUP") ? parseGroupBy(cursor) : undefined;
  const orderBy = atKeyword(cursor, "ORDER") ? parseOrderBy(cursor) : undefined;
  let offset: Count | undefined;
  let limit: Count | undefined;
  const offsetStart = peek(cursor).start;
  if (acceptKeyword(cursor, "OFFSET")) {
    offset = parseCount(cursor, true);
    expectKeyword(cursor, "LIMIT");
    limit = parseCount(cursor, true);
  }
  const query: Query = {
    kind: "query",
    distinct,
    ...(top !== undefined && { top, topSpan: { start: topStart, end: top.span.end } }),
    select,
    ...(from !== undefined && { from }),
    ...(where !== undefined && { where }),
    ...(groupBy !== undefined && { groupBy }),
    ...(orderBy !== undefined && { orderBy }),
    ...(offset !== undefined && { offset }),
    ...(limit !== undefined && { limit, offsetLimitSpan: { start: offsetStart, end: limit.span.end } }),
    span: { start, end: lastEnd(cursor) },
  };
  return measured(cursor, node(query), queryParts(query));
}

/** Everything directly inside a query that has a height. */
function queryParts(query: Query): readonly object[] {
  const parts: object[] = [];
  if (query.select.kind === "value") parts.push(query.select.value);
  if (query.select.kind === "list") parts.push(...query.select.items.map((item) => item.value));
  for (const source of query.from ?? [])
    if (source.input.kind === "queryInput") parts.push(source.input.query);
  if (query.where !== undefined) parts.push(query.where);
  parts.push(...(query.groupBy ?? []), ...(query.orderBy?.items ?? []).map((item) => item.value));
  return parts;
}

/** A number or a parameter; OFFSET and LIMIT take only whole digits, TOP leaves that check to the binder. */
function parseCount(cursor: Cursor, integer: boolean): Count {
  const token = peek(cursor);
  if (token.kind === "parameter") {
    cursor.at++;
    return node({ kind: "parameter", name: token.text, span: { start: token.start, end: token.end } });
  }
  if (token.kind !== "number" || (integer && !/^[0-9]+$/.test(token.text))) throw unexpected(cursor);
  return numberLiteral(next(cursor));
}

function parseProjection(cursor: Cursor): Select {
  const { start } = peek(cursor);
  if (acceptSymbol(cursor, "*")) return node({ kind: "star", span: { start, end: lastEnd(cursor) } });
  if (acceptKeyword(cursor, "VALUE")) {
    const value = parseExpression(cursor);
    return node({ kind: "value", value, span: { start, end: lastEnd(cursor) } });
  }
  const items: SelectItem[] = [];
  do items.push(parseSelectItem(cursor));
  while (acceptSymbol(cursor, ","));
  return node({ kind: "list", items: Object.freeze(items), span: { start, end: lastEnd(cursor) } });
}

function parseSelectItem(cursor: Cursor): SelectItem {
  const value = parseExpression(cursor);
  const named = acceptKeyword(cursor, "AS");
  const token = peek(cursor);
  if (token.kind === "name" || token.kind === "string") {
    cursor.at++;
    return Object.freeze({ value, alias: token.text });
  }
  if (named) throw unexpected(cursor);
  return Object.freeze({ value });
}

function parseFrom(cursor: Cursor): readonly Source[] {
  const sources = [parseSource(cursor)];
  while (acceptKeyword(cursor, "JOIN")) {
    if (sources.length > JOINS_MAX) throw limitExceeded("number of joins", JOINS_MAX);
    sources.push(parseSource(cursor));
  }
  return Object.freeze(sources);
}

function parseSource(cursor: Cursor): Source {
  const { start } = peek(cursor);
  if (peek(cursor).kind === "name" && atKeyword(cursor, "IN", 1)) {
    const alias = next(cursor).text;
    cursor.at++;
    const input = parseInput(cursor);
    return node({ kind: "source", iterate: true, alias, input, span: { start, end: lastEnd(cursor) } });
  }
  const input = parseInput(cursor);
  const named = acceptKeyword(cursor, "AS");
  const alias = named || peek(cursor).kind === "name" ? expectName(cursor).text : undefined;
  const source = { kind: "source", iterate: false, input, span: { start, end: lastEnd(cursor) } } as const;
  return node(alias === undefined ? source : { ...source, alias });
}

function parseInput(cursor: Cursor): Input {
  const { start } = peek(cursor);
  if (acceptSymbol(cursor, "(")) {
    const query = nested(cursor, parseSelect);
    expectSymbol(cursor, ")");
    return node({ kind: "queryInput", query, span: { start, end: lastEnd(cursor) } });
  }
  const root = expectName(cursor);
  const rootSpan = { start, end: root.end };
  const steps: PathStep[] = [];
  while (atSymbol(cursor, ".") || atSymbol(cursor, "[")) steps.push(Object.freeze(parseStep(cursor)));
  const span = { start, end: lastEnd(cursor) };
  return node({ kind: "path", root: root.text, rootSpan, steps: Object.freeze(steps), span });
}

function parseStep(cursor: Cursor): PathStep {
  if (acceptSymbol(cursor, ".")) return { form: "dot", name: expectName(cursor).text };
  expectSymbol(cursor, "[");
  const token = peek(cursor);
  const whole = token.kind === "number" && /^[0-9]+$/.test(token.text);
  if (token.kind !== "string" && !whole) throw unexpected(cursor);
  cursor.at++;
  expectSymbol(cursor, "]");
  return token.kind === "string"
    ? { form: "quoted", name: token.text }
    : { form: "index", index: token.number };
}

function parseGroupBy(cursor: Cursor): readonly Expression[] {
  expectKeyword(cursor, "BY");
  const keys = [parseExpression(cursor)];
  while (acceptSymbol(cursor, ",")) keys.push(parseExpression(cursor));
  return Object.freeze(keys);
}

function parseOrderBy(cursor: Cursor): OrderBy {
  const { start } = expectKeyword(cursor, "ORDER");
  expectKeyword(cursor, "BY");
  const rank = atRank(cursor);
  if (rank) cursor.at++;
  const items: OrderItem[] = [];
  do items.push(parseOrderItem(cursor, rank));
  while (acceptSymbol(cursor, ","));
  return node({ kind: "orderBy", rank, items: Object.freeze(items), span: { start, end: lastEnd(cursor) } });
}

/** RANK is an ordinary name unless a function call follows it. */
function atRank(cursor: Cursor): boolean {
  const token = peek(cursor);
  const call = ["name", "keyword"].includes(peek(cursor, 1).kind) && atSymbol(cursor, "(", 2);
  return call && token.kind === "name" && token.text.toUpperCase() === "RANK";
}

function parseOrderItem(cursor: Cursor, rank: boolean): OrderItem {
  const first = peek(cursor);
  const value = parseExpression(cursor);
  if (rank && value.kind !== "call") throw unexpected(cursor, first);
  if (acceptKeyword(cursor, "ASC")) return node({ kind: "orderItem", value, direction: "ASC" });
  if (acceptKeyword(cursor, "DESC")) return node({ kind: "orderItem", value, direction: "DESC" });
  return node({ kind: "orderItem", value });
}

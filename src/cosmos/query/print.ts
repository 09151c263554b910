/**
 * Syntax to text, in the form the service itself prints when it rewrites a query: operators fully parenthesised,
 * strings in double quotes, one clause a line. Parsing the text again gives the same tree, spans aside.
 */
import { RESERVED } from "./lexer.ts";
import {
  type Expression,
  type Input,
  type Literal,
  type OrderItem,
  operands,
  type PathStep,
  type Query,
  type Select,
  type SelectItem,
  type Source,
  type Subquery,
} from "./syntax.ts";

const SUBQUERY_WORD = {
  scalar: "",
  exists: "EXISTS",
  array: "ARRAY",
  all: "ALL",
  first: "FIRST",
  last: "LAST",
} as const;

/** The text of a whole query: clauses separated by line feeds. */
export function printQuery(query: Query): string {
  return clauses(query).join("\n");
}

function clauses(query: Query): string[] {
  const lines = [`SELECT ${prefix(query)}${printSelect(query.select)}`];
  if (query.from !== undefined) lines.push(`FROM ${query.from.map(printSource).join("\nJOIN ")}`);
  if (query.where !== undefined) lines.push(`WHERE ${printExpression(query.where)}`);
  if (query.groupBy !== undefined) lines.push(`GROUP BY ${query.groupBy.map(printExpression).join(", ")}`);
  if (query.orderBy !== undefined) {
    lines.push(
      `ORDER BY ${query.orderBy.rank ? "RANK " : ""}${query.orderBy.items.map(printOrderItem).join(", ")}`,
    );
  }
  if (query.offset !== undefined && query.limit !== undefined) {
    lines.push(`OFFSET ${printExpression(query.offset)} LIMIT ${printExpression(query.limit)}`);
  }
  return lines;
}

function prefix(query: Query): string {
  const top = query.top === undefined ? "" : `TOP ${printExpression(query.top)} `;
  return `${query.distinct ? "DISTINCT " : ""}${top}`;
}

function printSelect(select: Select): string {
  switch (select.kind) {
    case "star":
      return "*";
    case "value":
      return `VALUE ${printExpression(select.value)}`;
    case "list":
      return select.items.map(printSelectItem).join(", ");
  }
}

function printSelectItem({ value, alias }: SelectItem): string {
  const text = printExpression(value);
  if (alias === undefined) return text;
  return `${text} AS ${isPlainName(alias) ? alias : JSON.stringify(alias)}`;
}

/** An alias in quotes may be any text; a bare one must be an identifier. Reserved words stay quoted by their case. */
function isPlainName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !RESERVED.has(name.toUpperCase());
}

function printSource(source: Source): string {
  const input = printInput(source.input);
  if (source.iterate) return `${source.alias ?? ""} IN ${input}`;
  return source.alias === undefined ? input : `${input} AS ${source.alias}`;
}

function printInput(input: Input): string {
  if (input.kind === "queryInput") return `(\n${indent(printQuery(input.query))}\n)`;
  return `${input.root}${input.steps.map(printStep).join("")}`;
}

function printStep(step: PathStep): string {
  switch (step.form) {
    case "dot":
      return `.${step.name}`;
    case "quoted":
      return `[${JSON.stringify(step.name)}]`;
    case "index":
      return `[${step.index}]`;
  }
}

function printOrderItem({ value, direction }: OrderItem): string {
  return direction === undefined ? printExpression(value) : `${printExpression(value)} ${direction}`;
}

/** The text of one expression. */
export function printExpression(expression: Expression): string {
  switch (expression.kind) {
    case "literal":
      return printLiteral(expression);
    case "parameter":
    case "identifier":
      return expression.name;
    case "member":
      return `${printOwner(expression.object)}.${expression.name}`;
    case "index":
      return `${printOwner(expression.object)}[${printExpression(expression.index)}]`;
    case "unary":
      return isNegativeNumber(expression)
        ? `-${printExpression(expression.operand)}`
        : `(${expression.operator} ${printExpression(expression.operand)})`;
    case "binary":
      return printBinary(expression);
    case "between":
      return `(${printTested(expression)} BETWEEN ${printExpression(expression.low)} AND ${printExpression(expression.high)})`;
    case "in":
      return `(${printTested(expression)} IN (${printList(expression.list)}))`;
    case "like": {
      const mark = expression.escape === undefined ? "" : ` ESCAPE ${JSON.stringify(expression.escape)}`;
      return `(${printTested(expression)} LIKE ${printExpression(expression.pattern)}${mark})`;
    }
    case "conditional": {
      const { condition, whenTrue, otherwise } = expression;
      return `(${printExpression(condition)} ? ${printExpression(whenTrue)} : ${printExpression(otherwise)})`;
    }
    case "array":
      return `[${printList(expression.items)}]`;
    case "object": {
      const parts = expression.properties.map(
        ({ name, value }) => `${JSON.stringify(name)}: ${printExpression(value)}`,
      );
      return `{${parts.join(", ")}}`;
    }
    case "call":
      return `${expression.udf ? "udf." : ""}${expression.name}(${printList(expression.args)})`;
    case "subquery":
      return printSubquery(expression);
    case "let":
      return `(LET ${expression.name} = ${printExpression(expression.value)} IN ${printExpression(expression.body)})`;
  }
}

/** A minus before a number prints without parentheses, as part of the number. */
function isNegativeNumber(expression: Expression): boolean {
  if (expression.kind !== "unary" || expression.operator !== "-") return false;
  return expression.operand.kind === "literal" && typeof expression.operand.value === "number";
}

/** What stands before a dot or bracket: there a minus would bind less tightly. */
function printOwner(object: Expression): string {
  return isNegativeNumber(object) ? `(${printExpression(object)})` : printExpression(object);
}

function printTested({ value, negated }: { readonly value: Expression; readonly negated: boolean }): string {
  return negated ? `${printExpression(value)} NOT` : printExpression(value);
}

function printList(list: readonly Expression[]): string {
  return list.map(printExpression).join(", ");
}

/** A chain of one operator prints from the left, `((a AND b) AND c)`, without recursion along the chain. */
function printBinary(expression: Extract<Expression, { kind: "binary" }>): string {
  const { operator } = expression;
  const [first, ...rest] = operands(expression, operator);
  const opening = "(".repeat(rest.length);
  const tail = rest.map((operand) => ` ${operator} ${printExpression(operand)})`).join("");
  return `${opening}${first === undefined ? "" : printExpression(first)}${tail}`;
}

function printSubquery({ form, query }: Subquery): string {
  return `${SUBQUERY_WORD[form]}(\n${indent(printQuery(query))}\n)`;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}

/** Numbers print as JavaScript writes them; integers beyond 2^53 keep the digits they were written with. */
function printLiteral({ value, text }: Literal): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "number") return String(value);
  if (text !== undefined && !Number.isSafeInteger(value) && /^[0-9]+$/.test(text)) return text;
  return Number.isFinite(value) ? String(value) : "1e999";
}

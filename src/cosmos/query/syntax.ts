/**
 * The abstract syntax of the query language: frozen tagged data without behaviour. Parser, binder, compiler,
 * planner and printer all speak in these nodes; a walker switches over `kind` and must be total.
 */
import type { Location } from "./error.ts";
import type { Value } from "./values.ts";

export type Expression =
  | Literal
  | Parameter
  | Identifier
  | Member
  | Index
  | Unary
  | Binary
  | Between
  | InList
  | Like
  | Conditional
  | ArrayConstructor
  | ObjectConstructor
  | Call
  | Subquery
  | Let;

export type Node = Expression | Query | Select | Source | Input | OrderBy | OrderItem;

/** A constant. `text` is how a number was written, which keeps 64-bit integers exact. */
export interface Literal {
  readonly kind: "literal";
  readonly value: undefined | null | boolean | number | string;
  readonly text?: string;
  readonly span: Location;
}

/** `@name`; the name carries its at sign. */
export interface Parameter {
  readonly kind: "parameter";
  readonly name: string;
  readonly span: Location;
}

export interface Identifier {
  readonly kind: "identifier";
  readonly name: string;
  readonly span: Location;
}

/** `object.name` */
export interface Member {
  readonly kind: "member";
  readonly object: Expression;
  readonly name: string;
  readonly span: Location;
}

/** `object[index]` */
export interface Index {
  readonly kind: "index";
  readonly object: Expression;
  readonly index: Expression;
  readonly span: Location;
}

export type UnaryOperator = "-" | "+" | "~" | "NOT";

export interface Unary {
  readonly kind: "unary";
  readonly operator: UnaryOperator;
  readonly operand: Expression;
  readonly span: Location;
}

export type BinaryOperator =
  | "??"
  | "OR"
  | "AND"
  | "="
  | "!="
  | "<"
  | ">"
  | "<="
  | ">="
  | "<<"
  | ">>"
  | ">>>"
  | "||"
  | "|"
  | "^"
  | "&"
  | "+"
  | "-"
  | "*"
  | "/"
  | "%";

export interface Binary {
  readonly kind: "binary";
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
  readonly span: Location;
}

export interface Between {
  readonly kind: "between";
  readonly value: Expression;
  readonly low: Expression;
  readonly high: Expression;
  readonly negated: boolean;
  readonly span: Location;
}

export interface InList {
  readonly kind: "in";
  readonly value: Expression;
  readonly list: readonly Expression[];
  readonly negated: boolean;
  readonly span: Location;
}

export interface Like {
  readonly kind: "like";
  readonly value: Expression;
  readonly pattern: Expression;
  readonly escape?: string;
  readonly negated: boolean;
  readonly span: Location;
}

export interface Conditional {
  readonly kind: "conditional";
  readonly condition: Expression;
  readonly whenTrue: Expression;
  readonly otherwise: Expression;
  readonly span: Location;
}

export interface ArrayConstructor {
  readonly kind: "array";
  readonly items: readonly Expression[];
  readonly span: Location;
}

export interface ObjectConstructor {
  readonly kind: "object";
  readonly properties: readonly { readonly name: string; readonly value: Expression }[];
  readonly span: Location;
}

/** A built-in function, an aggregate, or with `udf` a function registered on the container; `name` as written. */
export interface Call {
  readonly kind: "call";
  readonly name: string;
  readonly udf: boolean;
  readonly args: readonly Expression[];
  readonly span: Location;
}

export type SubqueryForm = "scalar" | "exists" | "array" | "all" | "first" | "last";

export interface Subquery {
  readonly kind: "subquery";
  readonly form: SubqueryForm;
  readonly query: Query;
  readonly span: Location;
}

/** `(LET name = value IN body)` */
export interface Let {
  readonly kind: "let";
  readonly name: string;
  readonly value: Expression;
  readonly body: Expression;
  readonly span: Location;
}

export type Count = Literal | Parameter;

export interface Query {
  readonly kind: "query";
  readonly distinct: boolean;
  readonly top?: Count;
  readonly topSpan?: Location;
  readonly select: Select;
  readonly from?: readonly Source[];
  readonly where?: Expression;
  readonly groupBy?: readonly Expression[];
  readonly orderBy?: OrderBy;
  readonly offset?: Count;
  readonly limit?: Count;
  readonly offsetLimitSpan?: Location;
  readonly span: Location;
}

export type Select = SelectStar | SelectValue | SelectList;

export interface SelectStar {
  readonly kind: "star";
  readonly span: Location;
}

export interface SelectValue {
  readonly kind: "value";
  readonly value: Expression;
  readonly span: Location;
}

export interface SelectList {
  readonly kind: "list";
  readonly items: readonly SelectItem[];
  readonly span: Location;
}

export interface SelectItem {
  readonly value: Expression;
  readonly alias?: string;
}

/** `alias IN input` (iterates) or `input [AS alias]`. Sources after the first are joined. */
export interface Source {
  readonly kind: "source";
  readonly iterate: boolean;
  readonly alias?: string;
  readonly input: Input;
  readonly span: Location;
}

export type Input = PathInput | QueryInput;

/** A container name or an alias in scope, then steps into it. */
export interface PathInput {
  readonly kind: "path";
  readonly root: string;
  readonly rootSpan: Location;
  readonly steps: readonly PathStep[];
  readonly span: Location;
}

export type PathStep =
  | { readonly form: "dot"; readonly name: string }
  | { readonly form: "quoted"; readonly name: string }
  | { readonly form: "index"; readonly index: number };

export interface QueryInput {
  readonly kind: "queryInput";
  readonly query: Query;
  readonly span: Location;
}

export interface OrderBy {
  readonly kind: "orderBy";
  readonly rank: boolean;
  readonly items: readonly OrderItem[];
  readonly span: Location;
}

export interface OrderItem {
  readonly kind: "orderItem";
  readonly value: Expression;
  readonly direction?: "ASC" | "DESC";
}

/** Freezes a node; used by every producer of syntax so that no later pass can change a shared tree. */
export function node<T extends Node>(fields: T): T {
  return Object.freeze(fields);
}

/** A chain of one left-associative operator from left to right: `a AND b AND c` gives `[a, b, c]`. */
export function operands(expression: Expression, operator: BinaryOperator): Expression[] {
  const found: Expression[] = [];
  let at = expression;
  while (at.kind === "binary" && at.operator === operator) {
    found.push(at.right);
    at = at.left;
  }
  found.push(at);
  return found.reverse();
}

/** The direct sub-expressions of an expression; a subquery's inside is not among them. */
export function children(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "literal":
    case "parameter":
    case "identifier":
    case "subquery":
      return [];
    case "member":
      return [expression.object];
    case "index":
      return [expression.object, expression.index];
    case "unary":
      return [expression.operand];
    case "binary":
      return operands(expression, expression.operator);
    case "between":
      return [expression.value, expression.low, expression.high];
    case "in":
      return [expression.value, ...expression.list];
    case "like":
      return [expression.value, expression.pattern];
    case "conditional":
      return [expression.condition, expression.whenTrue, expression.otherwise];
    case "array":
      return expression.items;
    case "object":
      return expression.properties.map((property) => property.value);
    case "call":
      return expression.args;
    case "let":
      return [expression.value, expression.body];
  }
}

/** `a.b["c"][0]` as its root and steps, when every step is constant; undefined for any other expression. */
export function asPath(
  expression: Expression,
): { readonly root: Identifier; readonly steps: readonly (string | number)[] } | undefined {
  const steps: (string | number)[] = [];
  let at = expression;
  for (;;) {
    if (at.kind === "identifier") return { root: at, steps: steps.reverse() };
    if (at.kind === "member") {
      steps.push(at.name);
      at = at.object;
    } else if (at.kind === "index" && at.index.kind === "literal" && isStep(at.index.value)) {
      steps.push(at.index.value);
      at = at.object;
    } else return undefined;
  }
}

function isStep(value: Value): value is string | number {
  return typeof value === "string" || (typeof value === "number" && Number.isInteger(value) && value >= 0);
}

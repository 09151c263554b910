/**
 * Seeded random queries, documents and values. Queries are well formed: names resolve and clauses may stand where
 * they stand, so that they can be printed, parsed, run compiled and run by the naive interpreter.
 */
import {
  type BinaryOperator,
  type Expression,
  type Input,
  node,
  type OrderItem,
  type Query,
  type Select,
  type Source,
  type SubqueryForm,
} from "../../../src/cosmos/query/syntax.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";

export interface Random {
  /** An integer from 0 up to but not `limit`. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
}

/** The mulberry32 generator. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    below: (limit) => Math.floor(next() * limit),
    chance: (probability) => next() < probability,
    pick(list) {
      const found = list[Math.floor(next() * list.length)];
      if (found === undefined && list.length === 0) throw new Error("nothing to pick from");
      return found as (typeof list)[number];
    },
  };
}

const SPAN = { start: 0, end: 0 };
const NAMES = ["a", "b", "c", "d", "t", "o", "x y", "constructor", "length"] as const;
const WORDS = ["", "a", "ab", "abc", "B", "b%", "x_y", "é", "line\nfeed", 'it\'s "q" \\'] as const;
const NUMBERS = [0, 1, 2, 3, 10, 0.5, 1e21, 2.5e-7, 4_294_967_296] as const;
const LEVELS: readonly BinaryOperator[] = [
  "=",
  "!=",
  "<",
  ">",
  "<=",
  ">=",
  "||",
  "|",
  "^",
  "&",
  "+",
  "-",
  "*",
  "/",
  "%",
];
const LOGIC: readonly BinaryOperator[] = ["AND", "OR", "AND", "OR", "??", "=", "<"];
const PATTERNS = ["%", "a%", "_", "%b%", "[a-c]%", "[^a]%", "b!%", "", "%a_"] as const;
const FUNCTIONS: readonly (readonly [string, number])[] = [
  ["IS_DEFINED", 1],
  ["IS_NUMBER", 1],
  ["IS_STRING", 1],
  ["IS_NULL", 1],
  ["ABS", 1],
  ["FLOOR", 1],
  ["LENGTH", 1],
  ["UPPER", 1],
  ["CONCAT", 2],
  ["CONTAINS", 2],
  ["STARTSWITH", 2],
  ["ARRAY_LENGTH", 1],
  ["ARRAY_CONTAINS", 2],
  ["IIF", 3],
  ["ToString", 1],
];
const AGGREGATES = ["COUNT", "SUM", "AVG", "MIN", "MAX", "COUNTIF", "MAKELIST", "MAKESET"] as const;

/** Names that every query may use as parameters, with their values. */
export const PARAMETERS = [
  { name: "@n", value: 2 },
  { name: "@s", value: "ab" },
  { name: "@o", value: { a: 1, b: [1, 2] } },
  { name: "@list", value: [1, "a", null] },
] as const;

interface Scope {
  readonly random: Random;
  readonly names: readonly string[];
  readonly depth: number;
  /** Counts aliases, so that they are unique. */
  readonly counter: { next: number };
}

/** A whole query over a container called c. */
export function randomQuery(random: Random, depth: number): Query {
  const scope: Scope = { random, names: [], depth, counter: { next: 0 } };
  return queryOf(scope, true);
}

function deeper(scope: Scope): Scope {
  return { ...scope, depth: scope.depth - 1 };
}

function queryOf(outer: Scope, outermost: boolean): Query {
  const { random } = outer;
  const { sources, scope } = sourcesOf(outer, outermost);
  const grouping = random.chance(0.2);
  const groupBy = grouping && random.chance(0.6) ? keysOf(scope) : undefined;
  const owned = scope.names.slice(outer.names.length);
  const select = grouping ? groupedSelect(scope, groupBy ?? []) : selectOf(scope, sources.length === 1);
  const orderable = sources.length === 1 ? owned : owned.filter((_, at) => at === 0 && isItems(sources[at]));
  const ordered = outermost && !grouping && orderable.length > 0 && random.chance(0.4);
  const limited = outermost && random.chance(0.3);
  const count = (limit: number): Expression => ({ kind: "literal", value: random.below(limit), span: SPAN });
  return node({
    kind: "query",
    distinct: random.chance(0.15),
    ...(outermost && random.chance(0.2) && { top: count(6) }),
    select,
    from: sources,
    ...(random.chance(0.45) && { where: predicateOf(deeper(scope)) }),
    ...(groupBy !== undefined && { groupBy }),
    ...(ordered && {
      orderBy: { kind: "orderBy", rank: false, items: orderItems(scope, orderable), span: SPAN },
    }),
    ...(limited && { offset: count(3), limit: count(6) }),
    span: SPAN,
  } as Query);
}

/** True for the container itself: beside a JOIN a query can be ordered by nothing else. */
function isItems(source: Source | undefined): boolean {
  return source?.iterate === false && source.input.kind === "path" && source.input.steps.length === 0;
}

function sourcesOf(outer: Scope, outermost: boolean): { sources: Source[]; scope: Scope } {
  const { random, counter } = outer;
  const sources: Source[] = [];
  let scope = outer;
  const size = 1 + (random.chance(0.3) ? 1 : 0) + (random.chance(0.1) ? 1 : 0);
  for (let i = 0; i < size; i++) {
    const alias = `v${counter.next++}`;
    const iterate = !(outermost && i === 0) || random.chance(0.15) ? random.chance(0.6) : false;
    sources.push(
      node({
        kind: "source",
        iterate,
        alias,
        input: inputOf(scope, outermost && i === 0, iterate),
        span: SPAN,
      }),
    );
    scope = { ...scope, names: [...scope.names, alias] };
  }
  return { sources, scope };
}

/** Iterated inputs mostly end in `t`, which is an array in most documents. */
function inputOf(scope: Scope, container: boolean, iterate: boolean): Input {
  const { random } = scope;
  const below = scope.depth > 1 && random.chance(0.15);
  if (below && !container)
    return node({ kind: "queryInput", query: queryOf(deeper(scope), false), span: SPAN });
  const root = container ? "c" : random.pick(scope.names);
  if (iterate && random.chance(0.8)) {
    const list = container ? root : (scope.names.findLast((name) => name.startsWith("v")) ?? root);
    const from = random.chance(0.5) ? (scope.names[0] ?? root) : list;
    return node({
      kind: "path",
      root: container ? "c" : from,
      rootSpan: SPAN,
      steps: [{ form: "dot", name: "t" }],
      span: SPAN,
    });
  }
  const wanted = container ? Number(random.chance(0.2)) : random.below(3);
  const steps = Array.from({ length: wanted }, () => {
    const name = random.pick(NAMES);
    if (random.chance(0.2)) return { form: "index", index: random.below(3) } as const;
    return /^[a-z]+$/.test(name) && random.chance(0.6)
      ? ({ form: "dot", name } as const)
      : ({ form: "quoted", name } as const);
  });
  return node({ kind: "path", root, rootSpan: SPAN, steps, span: SPAN });
}

function keysOf(scope: Scope): readonly Expression[] {
  return Array.from({ length: 1 + scope.random.below(2) }, () => pathOf(scope));
}

/** Keys and aggregates, possibly inside constructors and operators. */
function groupedSelect(scope: Scope, keys: readonly Expression[]): Select {
  const { random } = scope;
  const part = (): Expression => {
    if (keys.length > 0 && random.chance(0.4)) return random.pick(keys);
    if (random.chance(0.1)) return literalOf(random);
    const call = node({
      kind: "call",
      name: random.pick(AGGREGATES),
      udf: false,
      args: [plainOf({ ...scope, depth: 2 })],
      span: SPAN,
    });
    if (random.chance(0.2)) return node({ kind: "array", items: [call, literalOf(random)], span: SPAN });
    return call;
  };
  if (random.chance(0.3)) return node({ kind: "value", value: part(), span: SPAN });
  const items = Array.from({ length: 1 + random.below(3) }, (_, i) => ({ value: part(), alias: `k${i}` }));
  return node({ kind: "list", items, span: SPAN });
}

function selectOf(scope: Scope, single: boolean): Select {
  const { random } = scope;
  if (single && random.chance(0.2)) return node({ kind: "star", span: SPAN });
  if (random.chance(0.5)) return node({ kind: "value", value: expressionOf(deeper(scope)), span: SPAN });
  const items = Array.from({ length: 1 + random.below(3) }, (_, i) => {
    const value = expressionOf(deeper(scope));
    return random.chance(0.5) ? { value, alias: random.pick([`k${i}`, "two words", "order"]) } : { value };
  });
  return node({ kind: "list", items, span: SPAN });
}

function orderItems(scope: Scope, owned: readonly string[]): readonly OrderItem[] {
  const { random } = scope;
  return Array.from({ length: 1 + random.below(2) }, () => {
    const object = node({ kind: "identifier", name: random.pick(owned), span: SPAN });
    const value = node({ kind: "member", object, name: random.pick(["a", "b", "o"]), span: SPAN });
    const direction = random.pick(["ASC", "DESC", undefined] as const);
    return node(
      direction === undefined ? { kind: "orderItem", value } : { kind: "orderItem", value, direction },
    );
  });
}

function pathOf(scope: Scope): Expression {
  const { random } = scope;
  let at: Expression = node({ kind: "identifier", name: random.pick(scope.names), span: SPAN });
  for (let i = random.below(3); i > 0; i--) {
    const name = random.pick(NAMES);
    if (/^[a-z]+$/.test(name) && random.chance(0.7))
      at = node({ kind: "member", object: at, name, span: SPAN });
    else {
      const index = literalWith(random.chance(0.3) ? random.below(3) : name);
      at = node({ kind: "index", object: at, index, span: SPAN });
    }
  }
  return at;
}

function literalWith(value: undefined | null | boolean | number | string): Expression {
  const text = typeof value === "number" ? { text: String(value) } : {};
  return node({ kind: "literal", value, ...text, span: SPAN });
}

function literalOf(random: Random): Expression {
  switch (random.below(6)) {
    case 0:
      return literalWith(random.pick([true, false]));
    case 1:
      return literalWith(random.pick([null, undefined]));
    case 2:
    case 3:
      return literalWith(random.pick(NUMBERS));
    default:
      return literalWith(random.pick(WORDS));
  }
}

function predicateOf(scope: Scope): Expression {
  const { random } = scope;
  if (scope.depth > 0 && random.chance(0.5)) return binaryOf(scope, random.pick(LOGIC), predicateOf);
  if (random.chance(0.5)) return testOf(scope);
  const defined = node({ kind: "call", name: "IS_DEFINED", udf: false, args: [leafOf(scope)], span: SPAN });
  return random.chance(0.4) ? defined : expressionOf(scope);
}

function binaryOf(scope: Scope, operator: BinaryOperator, part: (scope: Scope) => Expression): Expression {
  return node({
    kind: "binary",
    operator,
    left: part(deeper(scope)),
    right: part(deeper(scope)),
    span: SPAN,
  });
}

/** An expression without subqueries and aggregates. */
function plainOf(scope: Scope): Expression {
  return expressionOf({ ...scope, depth: Math.min(scope.depth, 1) });
}

function expressionOf(scope: Scope): Expression {
  const { random, depth } = scope;
  if (depth <= 0) return leafOf(scope);
  switch (random.below(14)) {
    case 0:
    case 1:
      return binaryOf(scope, random.pick(LEVELS), expressionOf);
    case 2:
      return binaryOf(scope, random.pick(LOGIC), expressionOf);
    case 3: {
      const operand = expressionOf(deeper(scope));
      return node({ kind: "unary", operator: random.pick(["-", "+", "~", "NOT"]), operand, span: SPAN });
    }
    case 4:
      return testOf(scope);
    case 5: {
      const [condition, whenTrue, otherwise] = [
        expressionOf(deeper(scope)),
        leafOf(scope),
        expressionOf(deeper(scope)),
      ];
      return node({ kind: "conditional", condition, whenTrue, otherwise, span: SPAN });
    }
    case 6: {
      const items = Array.from({ length: random.below(4) }, () => expressionOf(deeper(scope)));
      return node({ kind: "array", items, span: SPAN });
    }
    case 7: {
      const properties = Array.from({ length: random.below(3) }, () => {
        return { name: random.pick(NAMES), value: expressionOf(deeper(scope)) };
      });
      return node({ kind: "object", properties, span: SPAN });
    }
    case 8:
    case 9: {
      const [name, arity] = random.pick(FUNCTIONS);
      const args = Array.from({ length: arity }, () => expressionOf(deeper(scope)));
      return node({ kind: "call", name, udf: false, args, span: SPAN });
    }
    case 10:
      return depth > 1 ? subqueryOf(scope) : leafOf(scope);
    case 11: {
      const name = `l${scope.counter.next++}`;
      const value = expressionOf(deeper(scope));
      const body = expressionOf({ ...deeper(scope), names: [...scope.names, name] });
      return node({ kind: "let", name, value, body, span: SPAN });
    }
    case 12: {
      const object = expressionOf(deeper(scope));
      return node({ kind: "index", object, index: expressionOf(deeper(scope)), span: SPAN });
    }
    default:
      return leafOf(scope);
  }
}

function leafOf(scope: Scope): Expression {
  const { random } = scope;
  if (scope.names.length > 0 && random.chance(0.6)) return pathOf(scope);
  if (random.chance(0.15)) return node({ kind: "parameter", name: random.pick(PARAMETERS).name, span: SPAN });
  return literalOf(random);
}

function testOf(scope: Scope): Expression {
  const { random } = scope;
  const value = expressionOf(deeper(scope));
  const negated = random.chance(0.3);
  switch (random.below(3)) {
    case 0: {
      const [low, high] = [leafOf(scope), leafOf(scope)];
      return node({ kind: "between", value, low, high, negated, span: SPAN });
    }
    case 1: {
      const list = Array.from({ length: 1 + random.below(10) }, () => leafOf(scope));
      return node({ kind: "in", value, list, negated, span: SPAN });
    }
    default: {
      const pattern = literalWith(random.pick(PATTERNS));
      const like = { kind: "like", value, pattern, negated, span: SPAN } as const;
      return node(random.chance(0.3) ? { ...like, escape: "!" } : like);
    }
  }
}

const FORMS: readonly SubqueryForm[] = ["exists", "array", "all", "first", "last"];

function subqueryOf(scope: Scope): Expression {
  const form = scope.random.pick(FORMS);
  return node({ kind: "subquery", form, query: queryOf(deeper(scope), false), span: SPAN });
}

/** A random item with the properties that queries ask for. */
export function randomDocument(random: Random, id: number): Value {
  const item: Record<string, Value> = { id: String(id) };
  for (const name of NAMES) if (random.chance(0.75)) item[name] = randomValue(random, 2);
  if (random.chance(0.8)) item["t"] = Array.from({ length: random.below(4) }, () => randomValue(random, 1));
  return item;
}

function randomValue(random: Random, depth: number): Value {
  switch (random.below(depth > 0 ? 8 : 6)) {
    case 0:
      return null;
    case 1:
      return random.pick([true, false]);
    case 2:
    case 3:
      return random.pick(NUMBERS);
    case 4:
    case 5:
      return random.pick(WORDS);
    case 6:
      return Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
    default: {
      const made: Record<string, Value> = {};
      for (const name of ["a", "b", "c"]) if (random.chance(0.6)) made[name] = randomValue(random, depth - 1);
      return made;
    }
  }
}

/**
 * A second reading of the language, for the differential test only: the syntax tree walked by plain recursion with
 * names looked up in a linked list, rows as arrays of environments, groups by pairwise comparison. It shares no code
 * with the compiler beyond the syntax types.
 */
import type { Expression, Input, Query, Source, SubqueryForm } from "../../../src/cosmos/query/syntax.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";

interface Environment {
  readonly name: string;
  readonly value: Value;
  readonly outer: Environment | undefined;
}

interface World {
  readonly parameters: ReadonlyMap<string, Value>;
}

/** The rows of `group`, when evaluating the select list of a grouped query. */
type Group = readonly (Environment | undefined)[];

/** Runs a query over all documents of a container. */
export function interpret(
  query: Query,
  docs: readonly Value[],
  parameters: ReadonlyMap<string, Value>,
): Value[] {
  return runQuery({ parameters }, query, undefined, docs);
}

function runQuery(
  world: World,
  query: Query,
  outer: Environment | undefined,
  docs: readonly Value[] | undefined,
  keep: (condition: Value) => boolean = (condition) => condition === true,
): Value[] {
  let rows: (Environment | undefined)[] = [outer];
  for (const [i, source] of (query.from ?? []).entries()) {
    rows = rows.flatMap((row) =>
      sourceValues(world, source, row, i === 0 ? docs : undefined).map((value) => {
        return { name: source.alias ?? "?", value, outer: row };
      }),
    );
  }
  const { where } = query;
  if (where !== undefined) rows = rows.filter((row) => keep(evaluate(world, where, row)));
  else if (!keep(true)) rows = [];
  const projected = isGrouped(query)
    ? groupRows(world, query, rows)
    : rows.map((row) => ({ row, value: project(world, query, row) }));
  let kept = projected.filter(({ value }) => value !== undefined);
  if (query.orderBy !== undefined) {
    const items = query.orderBy.items;
    const keyed = kept.map((entry, position) => ({
      ...entry,
      position,
      keys: items.map(({ value }) => evaluate(world, value, entry.row)),
    }));
    keyed.sort((x, y) => {
      for (const [i, item] of items.entries()) {
        const order = totalOrder(x.keys[i], y.keys[i]);
        if (order !== 0) return item.direction === "DESC" ? -order : order;
      }
      return items[0]?.direction === "DESC" ? y.position - x.position : x.position - y.position;
    });
    kept = keyed;
  }
  let values = kept.map(({ value }) => value);
  if (query.distinct)
    values = values.filter((value, i) => values.findIndex((other) => sameKey(other, value)) === i);
  if (query.offset?.kind === "literal" && query.limit?.kind === "literal") {
    const offset = Number(query.offset.value);
    values = values.slice(offset, offset + Number(query.limit.value));
  }
  return query.top?.kind === "literal" ? values.slice(0, Number(query.top.value)) : values;
}

function sourceValues(
  world: World,
  source: Source,
  row: Environment | undefined,
  docs: readonly Value[] | undefined,
): Value[] {
  const inputs = inputValues(world, source.input, row, docs);
  if (!source.iterate) return inputs.filter((value) => value !== undefined);
  return inputs.flatMap((value) => (Array.isArray(value) ? (value as Value[]) : []));
}

function inputValues(
  world: World,
  input: Input,
  row: Environment | undefined,
  docs: readonly Value[] | undefined,
): Value[] {
  if (input.kind === "queryInput") return runQuery(world, input.query, row, undefined);
  const roots = docs ?? [lookup(row, input.root)];
  return roots.map((root) => {
    return input.steps.reduce<Value>(
      (at, step) => member(at, step.form === "index" ? step.index : step.name),
      root,
    );
  });
}

function lookup(environment: Environment | undefined, name: string): Value {
  for (let at = environment; at !== undefined; at = at.outer) if (at.name === name) return at.value;
  throw new Error(`no variable ${name}`);
}

function member(value: Value, key: Value): Value {
  if (Array.isArray(value)) return typeof key === "number" ? (value as Value[])[key] : undefined;
  if (value === null || typeof value !== "object" || typeof key !== "string") return undefined;
  return Object.entries(value).find(([name]) => name === key)?.[1] as Value;
}

const AGGREGATES = ["COUNT", "SUM", "AVG", "MIN", "MAX", "COUNTIF", "MAKELIST", "MAKESET"];

function isGrouped(query: Query): boolean {
  if (query.groupBy !== undefined) return true;
  const text = JSON.stringify(query.select, (key, value: unknown) => (key === "query" ? undefined : value));
  return AGGREGATES.some((name) => text.includes(`"kind":"call","name":"${name}"`));
}

function groupRows(
  world: World,
  query: Query,
  rows: Group,
): { row: Environment | undefined; value: Value }[] {
  const groups: { readonly keys: readonly Value[]; readonly rows: (Environment | undefined)[] }[] = [];
  if (query.groupBy === undefined) groups.push({ keys: [], rows: [...rows] });
  else {
    for (const row of rows) {
      const keys = query.groupBy.map((key) => evaluate(world, key, row));
      const found = groups.find((group) => group.keys.every((key, i) => sameKey(key, keys[i])));
      if (found === undefined) groups.push({ keys, rows: [row] });
      else found.rows.push(row);
    }
  }
  return groups.map((group) => ({
    row: group.rows[0],
    value: project(world, query, group.rows[0], group.rows),
  }));
}

function project(world: World, query: Query, row: Environment | undefined, group?: Group): Value {
  const { select } = query;
  if (select.kind === "star") return row?.value;
  if (select.kind === "value") return evaluate(world, select.value, row, group);
  let unnamed = 0;
  const made: Record<string, Value> = {};
  for (const { value, alias } of select.items) {
    const name = alias ?? pathName(value) ?? `$${++unnamed}`;
    const result = evaluate(world, value, row, group);
    if (result !== undefined) made[name] = result;
  }
  return made;
}

function pathName(value: Expression): string | undefined {
  if (value.kind === "identifier" || value.kind === "member") return value.name;
  if (value.kind !== "index" || value.index.kind !== "literal") return undefined;
  return typeof value.index.value === "string" ? value.index.value : undefined;
}

function evaluate(world: World, e: Expression, row: Environment | undefined, group?: Group): Value {
  const at = (part: Expression): Value => evaluate(world, part, row, group);
  switch (e.kind) {
    case "literal":
      return e.value;
    case "parameter":
      return world.parameters.get(e.name);
    case "identifier":
      return lookup(row, e.name);
    case "member":
      return member(at(e.object), e.name);
    case "index":
      return member(at(e.object), at(e.index));
    case "unary":
      return unary(e.operator, at(e.operand));
    case "binary":
      return binary(e.operator, at(e.left), at(e.right));
    case "between": {
      const inside = and(compare(at(e.value), at(e.low), ">="), compare(at(e.value), at(e.high), "<="));
      return e.negated ? unary("NOT", inside) : inside;
    }
    case "in": {
      const needle = at(e.value);
      if (needle === undefined) return undefined;
      return e.list.some((item) => deepEqual(at(item), needle)) !== e.negated;
    }
    case "like": {
      const [text, pattern] = [at(e.value), at(e.pattern)];
      if (typeof text !== "string" || typeof pattern !== "string") return undefined;
      return like(text, pattern, e.escape) !== e.negated;
    }
    case "conditional":
      return at(e.condition) === true ? at(e.whenTrue) : at(e.otherwise);
    case "array":
      return e.items.map(at).filter((item) => item !== undefined);
    case "object":
      return Object.fromEntries(
        e.properties.map(({ name, value }) => [name, at(value)]).filter(([, v]) => v !== undefined),
      );
    case "call":
      if (AGGREGATES.includes(e.name)) return aggregate(e.name, inputsOf(world, e.args[0], group ?? []));
      return callFunction(e.name, e.args.map(at));
    case "subquery":
      return subquery(world, e.form, e.query, row);
    case "let":
      return evaluate(world, e.body, { name: e.name, value: at(e.value), outer: row }, group);
  }
}

function inputsOf(world: World, argument: Expression | undefined, group: Group): Value[] {
  if (argument === undefined) return [];
  return group.map((row) => evaluate(world, argument, row)).filter((value) => value !== undefined);
}

function aggregate(name: string, inputs: readonly Value[]): Value {
  const numbers = inputs.every((value) => typeof value === "number")
    ? (inputs as readonly number[])
    : undefined;
  const sum = numbers?.reduce((total, x) => total + x, 0);
  switch (name) {
    case "COUNT":
      return inputs.length;
    case "COUNTIF":
      return inputs.filter((value) => value === true).length;
    case "SUM":
      return sum;
    case "AVG":
      return sum === undefined || inputs.length === 0 ? undefined : sum / inputs.length;
    case "MAKELIST":
      return [...inputs];
    case "MAKESET":
      return inputs.filter((value, i) => inputs.findIndex((other) => sameKey(other, value)) === i);
    default: {
      if (inputs.some((value) => typeof value === "object" && value !== null)) return undefined;
      const sorted = inputs.toSorted(totalOrder);
      return name === "MIN" ? sorted[0] : sorted.at(-1);
    }
  }
}

function subquery(world: World, form: SubqueryForm, query: Query, row: Environment | undefined): Value {
  if (form === "all")
    return runQuery(world, query, row, undefined, (condition) => condition === false).length === 0;
  const rows = runQuery(world, query, row, undefined);
  if (form === "exists") return rows.length > 0;
  if (form === "array") return rows;
  return form === "last" ? rows.at(-1) : rows[0];
}

function and(x: Value, y: Value): Value {
  if (x === false || y === false) return false;
  return x === true && y === true ? true : undefined;
}

function unary(operator: string, x: Value): Value {
  if (operator === "NOT") return x === true ? false : x === false ? true : undefined;
  if (typeof x !== "number") return undefined;
  if (operator === "~") return ~x;
  return operator === "-" ? 0 - x : x;
}

function binary(operator: string, x: Value, y: Value): Value {
  switch (operator) {
    case "AND":
      return and(x, y);
    case "OR":
      return unary("NOT", and(unary("NOT", x), unary("NOT", y)));
    case "??":
      return x === undefined ? y : x;
    case "=":
      return x === undefined || y === undefined ? undefined : deepEqual(x, y);
    case "!=":
      return x === undefined || y === undefined ? undefined : !deepEqual(x, y);
    case "||":
      return typeof x === "string" && typeof y === "string" ? `${x}${y}` : undefined;
    case "<":
    case ">":
    case "<=":
    case ">=":
      return compare(x, y, operator);
    default:
      return typeof x === "number" && typeof y === "number" ? arithmetic(operator, x, y) : undefined;
  }
}

function arithmetic(operator: string, x: number, y: number): Value {
  switch (operator) {
    case "+":
      return x + y;
    case "-":
      return x - y;
    case "*":
      return x * y;
    case "/":
      return x / y;
    case "%":
      return x % y;
    case "|":
      return x | y;
    case "&":
      return x & y;
    default:
      return x ^ y;
  }
}

function compare(x: Value, y: Value, operator: string): Value {
  if (kindOf(x) !== kindOf(y) || !["null", "boolean", "number", "string"].includes(kindOf(x)))
    return undefined;
  if (operator === "<=" || operator === ">=") {
    const strict = compare(x, y, operator.slice(0, 1));
    return strict === true || deepEqual(x, y);
  }
  if (x === null || y === null || x === undefined || y === undefined) return false;
  return operator === "<" ? x < y : x > y;
}

const KINDS = ["undefined", "null", "boolean", "number", "string", "array", "object"];

function kindOf(value: Value): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function totalOrder(x: Value, y: Value): number {
  const rank = KINDS.indexOf(kindOf(x)) - KINDS.indexOf(kindOf(y));
  if (rank !== 0) return rank;
  if (typeof x === "object" && x !== null) return textOrder(canonical(x), canonical(y));
  if (x === undefined || x === null || y === undefined || y === null) return 0;
  return x < y ? -1 : x > y ? 1 : 0;
}

function textOrder(x: string, y: string): number {
  return x < y ? -1 : x > y ? 1 : 0;
}

/** The order of arrays and objects has no meaning, only stability: the same text as the engine's. */
function canonical(value: Value): string {
  if (value === undefined) return "u";
  if (value === null) return "n";
  if (typeof value === "boolean") return value ? "t" : "f";
  if (typeof value === "number") return `${value + 0};`;
  if (typeof value === "string") return `${value.length}"${value}`;
  if (Array.isArray(value)) return `[${(value as Value[]).map(canonical).join("")}]`;
  const entries = Object.entries(value).sort(([x], [y]) => textOrder(x, y));
  return `{${entries.map(([name, member]) => `${name.length}"${name}${canonical(member as Value)}`).join("")}}`;
}

function deepEqual(x: Value, y: Value): boolean {
  return kindOf(x) === kindOf(y) && canonical(x) === canonical(y) && !Number.isNaN(x);
}

/** Equality of grouping and DISTINCT, where NaN is one value. */
function sameKey(x: Value, y: Value): boolean {
  return canonical(x) === canonical(y);
}

function like(text: string, pattern: string, mark: string | undefined): boolean {
  const first = pattern.charAt(0);
  if (pattern === "") return text === "";
  if (first === mark && pattern.length > 1) {
    return text.charAt(0) === pattern.charAt(1) && text !== "" && like(text.slice(1), pattern.slice(2), mark);
  }
  if (first === "%") {
    return like(text, pattern.slice(1), mark) || (text !== "" && like(text.slice(1), pattern, mark));
  }
  if (text === "") return false;
  if (first === "_") return like(text.slice(1), pattern.slice(1), mark);
  const set = /^\[(\^?)([^\]]*)\]/.exec(pattern);
  if (set !== null) {
    const members = (set[2] ?? "").replace(/(.)-(.)/g, (_, low: string, high: string) => expand(low, high));
    return (
      members.includes(text.charAt(0)) !== (set[1] === "^") &&
      like(text.slice(1), pattern.slice(set[0].length), mark)
    );
  }
  return text.charAt(0) === first && like(text.slice(1), pattern.slice(1), mark);
}

function expand(low: string, high: string): string {
  let all = "";
  for (let code = low.charCodeAt(0); code <= high.charCodeAt(0); code++) all += String.fromCharCode(code);
  return all;
}

function callFunction(name: string, [x, y, z]: readonly Value[]): Value {
  switch (name) {
    case "IS_DEFINED":
      return x !== undefined;
    case "IS_NUMBER":
      return kindOf(x) === "number";
    case "IS_STRING":
      return kindOf(x) === "string";
    case "IS_NULL":
      return x === null;
    case "ABS":
      return typeof x === "number" ? (x < 0 ? -x : x) : undefined;
    case "FLOOR":
      return typeof x === "number" ? Math.floor(x) : undefined;
    case "LENGTH":
      return typeof x === "string" ? x.length : undefined;
    case "UPPER":
      return typeof x === "string" ? x.toUpperCase() : undefined;
    case "CONCAT":
      return binary("||", x, y);
    case "CONTAINS":
      return typeof x === "string" && typeof y === "string" ? x.split(y).length > 1 || y === "" : undefined;
    case "STARTSWITH":
      return typeof x === "string" && typeof y === "string" ? x.slice(0, y.length) === y : undefined;
    case "ARRAY_LENGTH":
      return Array.isArray(x) ? x.length : undefined;
    case "ARRAY_CONTAINS":
      return Array.isArray(x) && y !== undefined
        ? (x as Value[]).some((item) => deepEqual(item, y))
        : undefined;
    case "IIF":
      return x === true ? y : z;
    case "ToString":
      if (x === undefined || typeof x === "string") return x;
      return typeof x === "number" ? String(x + 0) : JSON.stringify(x);
    default:
      throw new Error(`the naive interpreter has no ${name}`);
  }
}

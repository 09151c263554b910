/**
 * Seeded random items and queries that meet the index: paths with values of all types, strings around the length where
 * keys are cut, and filters, orders and aggregates over them.
 */
import type { QueryParameter } from "../../../src/cosmos/query/prepare.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import type { Random } from "../query/generator.ts";

const cutLength = 64;
const long = "L".repeat(cutLength - 1);

const words = ["", "a", "ab", "abc", "B", "b%", "é", "\u{1f600}", "\uffff", "Z"] as const;
const longWords = [
  long,
  `${long}x`,
  `${long}xa`,
  `${long}xb`,
  `${long}y`,
  `${long}xaa`,
  `${long}é`,
  `${long}${long}`,
] as const;
const numbers = [0, 1, 2, 3, 10, 0.5, -5, 1e21, 2.5e-7] as const;

/** Paths that are sorted by, each pair of which has a composite index. */
const orderPaths = ["a", "b", "n", "s", "id", "o.a", "missing"] as const;

const policyPath = (path: string): string => `/${path.replace(".", "/")}`;

/** A container whose index does all that the queries ask for, but for the path `ex`. */
export const settings: Readonly<Record<string, unknown>> = {
  indexingPolicy: {
    indexingMode: "consistent",
    includedPaths: [{ path: "/*" }],
    excludedPaths: [{ path: "/ex/?" }],
    compositeIndexes: orderPaths.flatMap((first) =>
      orderPaths
        .filter((second) => second !== first)
        .flatMap((second) =>
          ["ascending", "descending"].map((order) => [
            { path: policyPath(first), order: "ascending" },
            { path: policyPath(second), order },
          ]),
        ),
    ),
  },
};

export function randomItem(random: Random): Record<string, Value> {
  const item: Record<string, Value> = {
    id: `i${random.below(1_000_000)}`,
    pk: random.pick(["p", "q", 1, null]),
  };
  for (const name of ["a", "b", "x y", "ex", "constructor"]) {
    if (random.chance(0.75)) item[name] = anyValue(random, 1);
  }
  if (random.chance(0.8)) item["n"] = random.chance(0.9) ? random.below(40) - 5 : scalar(random);
  if (random.chance(0.8)) item["s"] = random.chance(0.9) ? text(random) : scalar(random);
  if (random.chance(0.7)) item["o"] = random.chance(0.2) ? scalar(random) : object(random);
  if (random.chance(0.7)) item["t"] = Array.from({ length: random.below(4) }, () => anyValue(random, 1));
  return item;
}

function anyValue(random: Random, depth: number): Value {
  if (depth === 0 || random.chance(0.9)) return scalar(random);
  return random.chance(0.5)
    ? Array.from({ length: random.below(3) }, () => anyValue(random, depth - 1))
    : object(random);
}

function object(random: Random): Value {
  const made: Record<string, Value> = {};
  for (const name of ["a", "b", "p"]) if (random.chance(0.7)) made[name] = scalar(random);
  return made;
}

function scalar(random: Random): null | boolean | number | string {
  switch (random.below(5)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.pick(numbers);
    default:
      return text(random);
  }
}

function text(random: Random): string {
  return random.chance(0.1) ? random.pick(longWords) : random.pick(words);
}

export interface RandomQuery {
  readonly text: string;
  readonly parameters: readonly QueryParameter[];
}

export function indexedQuery(random: Random): RandomQuery {
  const parameters: QueryParameter[] = [];
  const value = (): string => {
    const name = `@p${parameters.length}`;
    parameters.push({ name, value: random.chance(0.95) ? scalar(random) : anyValue(random, 1) });
    return name;
  };
  const joined = random.chance(0.12);
  const filters = random.chance(0.75) ? [filter(random, 2, value)] : [];
  if (joined && random.chance(0.5)) filters.push(`x ${random.pick(["=", "<", ">="])} ${value()}`);
  if (random.chance(0.1)) filters.push(elementTest(random, value));
  const where = filters.length === 0 ? "" : ` WHERE ${filters.join(" AND ")}`;
  const from = joined ? "FROM c JOIN x IN c.t" : "FROM c";
  return { text: shape(random, from, where), parameters };
}

function shape(random: Random, from: string, where: string): string {
  const joined = from.includes("JOIN");
  switch (random.below(10)) {
    case 0: {
      const call = random.pick([
        "COUNT(1)",
        "COUNT(c.a)",
        "MIN(c.n)",
        "MAX(c.s)",
        "SUM(c.n)",
        "AVG(c.n)",
        "MIN(c.a)",
        "MAX(c.b)",
      ]);
      return `SELECT VALUE ${call} ${from}${where}`;
    }
    case 1: {
      const key = random.pick(["c.a", "c.n", "c.o.a", "c.pk"]);
      return `SELECT ${key} AS k, COUNT(1) AS n, MAX(c.n) AS m ${from}${where} GROUP BY ${key}`;
    }
    case 2:
      return `SELECT DISTINCT VALUE ${random.pick(["c.a", "c.n", "c.s", "c.o"])} ${from}${where}${order(random, 0.5)}`;
    default: {
      const plain = [
        "VALUE c.id",
        "VALUE c.n",
        "c.id, c.a",
        "c.n, c.o.a",
        "c.s, c.b",
        "VALUE c",
        "VALUE c.o",
        "c.n + 1 AS m",
      ];
      const select = random.pick(joined ? ["VALUE x", "c.id, x"] : ["*", ...plain]);
      const top = random.chance(0.15) ? `TOP ${random.below(8)} ` : "";
      const limit =
        top === "" && random.chance(0.2) ? ` OFFSET ${random.below(5)} LIMIT ${random.below(8)}` : "";
      return `SELECT ${top}${select} ${from}${where}${order(random, 0.5)}${limit}`;
    }
  }
}

function order(random: Random, probability: number): string {
  if (!random.chance(probability)) return "";
  const direction = (): string => random.pick(["", " ASC", " DESC"]);
  const path = random.pick(orderPaths);
  const first = `c.${path}${direction()}`;
  const others = orderPaths.filter((other) => other !== path);
  return random.chance(0.35)
    ? ` ORDER BY ${first}, c.${random.pick(others)}${direction()}`
    : ` ORDER BY ${first}`;
}

function filter(random: Random, depth: number, value: () => string): string {
  if (depth === 0 || random.chance(0.4)) return test(random, value);
  const left = filter(random, depth - 1, value);
  const right = filter(random, depth - 1, value);
  if (random.chance(0.05)) return `(NOT (${left}))`;
  return `(${left} ${random.pick(["AND", "AND", "OR"])} ${right})`;
}

function elementTest(random: Random, value: () => string): string {
  const inner = random.pick([
    `y = ${value()}`,
    `y.a = ${value()}`,
    `y > ${random.below(10)}`,
    "IS_STRING(y)",
  ]);
  const select = random.pick(["VALUE y", "y", "VALUE COUNT(1)"]);
  const exists = `EXISTS(SELECT ${select} FROM y IN c.t WHERE ${inner})`;
  return random.pick([exists, exists, `NOT ${exists}`, `ARRAY_CONTAINS([1, 'a', ${value()}], c.a)`]);
}

const paths = [
  "c.a",
  "c.b",
  "c.n",
  "c.n",
  "c.s",
  "c.s",
  "c.o",
  "c.o.a",
  "c.o.b",
  "c.id",
  "c.pk",
  "c.t",
  "c.t[0]",
] as const;
const rarePaths = [
  'c["x y"]',
  "c.ex",
  "c.missing",
  "c.o.missing",
  "c.constructor",
  "c._ts",
  "c.o.a.b",
  "c._rid",
] as const;

function test(random: Random, value: () => string): string {
  const path = random.chance(0.85) ? random.pick(paths) : random.pick(rarePaths);
  const number = (): string => String(random.below(40) - 5);
  const operator = random.pick(["=", "=", "<", "<=", ">", ">=", "!="]);
  switch (random.below(14)) {
    case 0:
      return `${path} IN (${value()}, ${value()}, ${number()})`;
    case 1:
      return `(c.n BETWEEN ${number()} AND ${number()})`;
    case 2:
      return `STARTSWITH(${path}, ${value()})`;
    case 3:
      return `${path} LIKE ${random.pick(["'a%'", "'%b'", `'${long}x%'`, "'ab'", "'_b%'"])}`;
    case 4:
      return `${random.pick(["IS_DEFINED", "IS_NULL", "IS_BOOL", "IS_STRING", "NOT IS_DEFINED"])}(${path})`;
    case 5:
      return `ARRAY_CONTAINS(c.t, ${value()})`;
    case 6:
      return `c.n ${operator} ${number()}`;
    case 7:
      return `${value()} ${operator} ${path}`;
    case 8:
      return random.chance(0.5) ? path : `NOT ${path}`;
    case 9:
      return `CONTAINS(c.s, ${value()})`;
    case 10:
      return `STARTSWITH(c.s, ${random.pick(["'L'", `'${long}'`, `'${long}x'`, `'${long}xa'`, `'${long}xaa'`])})`;
    default:
      return `${path} ${operator} ${value()}`;
  }
}

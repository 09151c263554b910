/**
 * The aggregate functions: accumulators over the rows of a group. Undefined inputs never count.
 */
import { canonicalKey, compareOrder, type Value } from "../values.ts";

export interface Accumulator {
  add(value: Value): void;
  result(): Value;
}

export interface Aggregate {
  readonly name: string;
  /** Its name in a query plan. */
  readonly planName: string;
  readonly start: () => Accumulator;
}

const AGGREGATES: readonly Aggregate[] = [
  { name: "COUNT", planName: "Count", start: count },
  { name: "COUNTIF", planName: "CountIf", start: countIf },
  { name: "SUM", planName: "Sum", start: sum },
  { name: "AVG", planName: "Average", start: average },
  { name: "MIN", planName: "Min", start: () => extreme(-1) },
  { name: "MAX", planName: "Max", start: () => extreme(1) },
  { name: "MAKELIST", planName: "MakeList", start: makeList },
  { name: "MAKESET", planName: "MakeSet", start: makeSet },
];

/** The aggregate called `name`, in any case. */
export function aggregateNamed(name: string): Aggregate | undefined {
  const upper = name.toUpperCase();
  return AGGREGATES.find((aggregate) => aggregate.name === upper);
}

/** COUNT: every defined value, null included. */
function count(): Accumulator {
  let total = 0;
  return {
    add(value) {
      if (value !== undefined) total++;
    },
    result: () => total,
  };
}

/** COUNTIF: exactly `true`. */
function countIf(): Accumulator {
  let total = 0;
  return {
    add(value) {
      if (value === true) total++;
    },
    result: () => total,
  };
}

/** SUM: 0 for nothing; undefined once a value is not a number. */
function sum(): Accumulator {
  let total: number | undefined = 0;
  return {
    add(value) {
      if (value === undefined || total === undefined) return;
      total = typeof value === "number" ? total + value : undefined;
    },
    result: () => total,
  };
}

/** AVG: undefined for nothing and once a value is not a number. */
function average(): Accumulator {
  let total: number | undefined = 0;
  let counted = 0;
  return {
    add(value) {
      if (value === undefined || total === undefined) return;
      counted++;
      total = typeof value === "number" ? total + value : undefined;
    },
    result: () => (total === undefined || counted === 0 ? undefined : total / counted),
  };
}

/** MIN and MAX across null < boolean < number < string; an array or object among the inputs spoils the result. */
function extreme(sign: 1 | -1): Accumulator {
  let best: Value;
  let spoilt = false;
  return {
    add(value) {
      if (value === undefined) return;
      if (typeof value === "object" && value !== null) spoilt = true;
      else if (best === undefined || compareOrder(value, best) * sign > 0) best = value;
    },
    result: () => (spoilt ? undefined : best),
  };
}

function makeList(): Accumulator {
  const items: Value[] = [];
  return {
    add(value) {
      if (value !== undefined) items.push(value);
    },
    result: () => items,
  };
}

function makeSet(): Accumulator {
  const items = new Map<string, Value>();
  return {
    add(value) {
      if (value === undefined) return;
      const key = canonicalKey(value);
      if (!items.has(key)) items.set(key, value);
    },
    result: () => [...items.values()],
  };
}

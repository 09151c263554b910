/**
 * Runs queries over documents in memory, and compares rows as the corpus defines it: object keys unordered, rows as
 * a multiset unless the case is ordered. Shared by the table tests of this folder.
 */
import {
  type PreparedQuery,
  type PrepareOptions,
  prepareQuery,
  type QueryParameter,
} from "../../../src/cosmos/query/prepare.ts";
import { canonicalKey, type Value } from "../../../src/cosmos/query/values.ts";

/** 2024-03-01T10:20:30.123Z, the moment of every test. */
export const NOW = 1_709_288_430_123;

export const OPTIONS: PrepareOptions = { now: () => NOW, random: () => 0.25 };

/** All rows of a prepared query over `docs`, in one page. */
export function runAll(prepared: PreparedQuery, docs: readonly Value[]): Value[] {
  const run = prepared.start();
  const rows: Value[] = [];
  for (const doc of docs) {
    if (run.done) break;
    run.push(doc);
    rows.push(...run.take(Number.POSITIVE_INFINITY));
  }
  run.finish();
  rows.push(...run.take(Number.POSITIVE_INFINITY));
  return rows;
}

/** Rows of query text over `docs`. */
export function rowsOf(
  text: string,
  docs: readonly Value[] = [],
  parameters: readonly QueryParameter[] = [],
  options: Partial<PrepareOptions> = {},
): Value[] {
  return runAll(prepareQuery(text, parameters, { ...OPTIONS, ...options }), docs);
}

export interface Comparison {
  readonly ordered: boolean;
  /** Arrays inside rows compare as multisets too. */
  readonly unorderedArrays?: boolean | undefined;
}

/** A text equal for equal results under `comparison`. */
export function resultKey(rows: readonly Value[], comparison: Comparison): string {
  const keys = rows.map((row) => canonicalKey(comparison.unorderedArrays === true ? sortArrays(row) : row));
  return (comparison.ordered ? keys : keys.toSorted()).join("\n");
}

function sortArrays(value: Value): Value {
  if (Array.isArray(value)) {
    const items = (value as readonly Value[]).map(sortArrays);
    return items.toSorted((a, b) => (canonicalKey(a) < canonicalKey(b) ? -1 : 1));
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, sortArrays(member as Value)]),
  );
}

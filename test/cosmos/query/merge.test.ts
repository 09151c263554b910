/**
 * Partitions queried with the rewritten text and merged as a client merges give the rows of one run over everything.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { QueryInfo } from "../../../src/cosmos/query/plan.ts";
import { prepareQuery } from "../../../src/cosmos/query/prepare.ts";
import { canonicalKey, compareOrder, property, type Value } from "../../../src/cosmos/query/values.ts";
import { createRandom } from "./generator.ts";
import { FILTER, infoOf } from "./plan-fixture.ts";
import { OPTIONS, resultKey, rowsOf, runAll } from "./rows.ts";

/** Merges one aggregate's parts as clients do. */
function mergeAggregate(kind: string, parts: readonly Value[]): Value {
  const items = parts.map((part) => property(part, "item"));
  switch (kind) {
    case "Count":
    case "Sum":
    case "CountIf":
      return items.some((item) => item === undefined)
        ? undefined
        : items.reduce((sum, item) => Number(sum) + Number(item), 0);
    case "Average": {
      const [sum, count] = ["sum", "count"].map((name) => items.map((item) => property(item, name)));
      if (sum === undefined || count === undefined || sum.includes(undefined)) return undefined;
      const total = count.reduce((all, one) => Number(all) + Number(one), 0);
      return total === 0
        ? undefined
        : Number(sum.reduce((all, one) => Number(all) + Number(one), 0)) / Number(total);
    }
    case "MakeList":
      return items.flatMap((item) => item as readonly Value[]);
    case "MakeSet":
      return [
        ...new Map(
          items.flatMap((item) => (item as readonly Value[]).map((one) => [canonicalKey(one), one] as const)),
        ).values(),
      ];
    default: {
      const filled = parts
        .map((part) => property(part, "item2"))
        .filter((part) => property(part, "count") !== 0);
      const values = filled.map((part) => property(part, kind.toLowerCase()));
      if (values.includes(undefined)) return undefined;
      return values.toSorted(compareOrder).at(kind === "Min" ? 0 : -1);
    }
  }
}

function mergePayload(info: QueryInfo, payloads: readonly Value[]): Value {
  const [kind] = info.aggregates;
  if (kind !== undefined)
    return mergeAggregate(
      kind,
      payloads.map((payload) => (payload as readonly Value[])[0]),
    );
  if (info.groupByAliases.length === 0) return payloads[0];
  const row: Record<string, Value> = {};
  for (const name of info.groupByAliases) {
    const parts = payloads.map((payload) => property(payload, name));
    const type = info.groupByAliasToAggregateType[name];
    const value = type == null ? parts[0] : mergeAggregate(type, parts);
    if (value !== undefined) row[name] = value;
  }
  return row;
}

/** The rows of a plan over partitions, merged as a client would. */
function mergedRows(text: string, partitions: readonly (readonly Value[])[]): Value[] {
  const info = infoOf(text);
  const sent = (info.rewrittenQuery || text).replace(FILTER, "(true)");
  const parts = partitions.map((docs) => runAll(prepareQuery(sent, [], OPTIONS), docs));
  let rows = parts.flat();
  if (info.groupByExpressions.length > 0) {
    const groups = new Map<string, Value[]>();
    for (const row of rows) {
      const key = canonicalKey(property(row, "groupByItems"));
      groups.set(key, [...(groups.get(key) ?? []), property(row, "payload")]);
    }
    rows = [...groups.values()].map((payloads) => mergePayload(info, payloads));
  } else if (info.aggregates.length > 0) rows = [mergePayload(info, rows)];
  else if (info.groupByAliases.length > 0)
    rows = [
      mergePayload(
        info,
        rows.map((row) => property(row, "payload")),
      ),
    ];
  else if (info.orderBy.length > 0) {
    const keyOf = (row: Value, i: number): Value =>
      property((property(row, "orderByItems") as readonly Value[])[i], "item");
    rows = rows.toSorted((a, b) => {
      for (const [i, order] of info.orderBy.entries()) {
        const compared = compareOrder(keyOf(a, i), keyOf(b, i));
        if (compared !== 0) return order === "Ascending" ? compared : -compared;
      }
      return 0;
    });
    rows = rows.map((row) => property(row, "payload"));
  }
  rows = rows.filter((row) => row !== undefined);
  if (info.distinctType !== "None") {
    const keys = rows.map(canonicalKey);
    rows = rows.filter((_, i) => keys.indexOf(keys[i] ?? "") === i);
  }
  if (info.dCountInfo !== null) return [rows.length];
  rows = rows.slice(info.offset ?? 0, (info.offset ?? 0) + (info.limit ?? Number.POSITIVE_INFINITY));
  return info.top === null ? rows : rows.slice(0, info.top);
}

const MERGED: readonly (readonly [string, boolean])[] = [
  ["SELECT VALUE c.n FROM c ORDER BY c.n DESC", true],
  ["SELECT c.k, c.n FROM c WHERE c.n > 4 ORDER BY c.n OFFSET 2 LIMIT 5", true],
  ["SELECT TOP 4 * FROM c ORDER BY c.k, c.n DESC", true],
  ["SELECT DISTINCT VALUE c.k FROM c ORDER BY c.k", true],
  ["SELECT DISTINCT c.k FROM c", false],
  ["SELECT DISTINCT VALUE c.k FROM c OFFSET 0 LIMIT 2", true],
  ["SELECT VALUE c.n FROM c OFFSET 3 LIMIT 4", true],
  ["SELECT TOP 3 VALUE c.n FROM c", true],
  ["SELECT VALUE COUNT(1) FROM c WHERE c.n > 5", false],
  ["SELECT VALUE AVG(c.n) FROM c", false],
  ["SELECT VALUE AVG(c.zz) FROM c", false],
  ["SELECT VALUE SUM(c.m) FROM c", false],
  ["SELECT VALUE MIN(c.m) FROM c", false],
  ["SELECT VALUE MAX(c.m) FROM c WHERE IS_NUMBER(c.m)", false],
  ["SELECT COUNT(c.m) AS a, SUM(c.n) AS b, AVG(c.n) AS d, MIN(c.n) AS e, MAX(c.zz) AS f FROM c", false],
  ["SELECT c.k, COUNT(1) AS n, MAX(c.n) AS hi, AVG(c.m) AS a FROM c GROUP BY c.k", false],
  ["SELECT VALUE SUM(c.n) FROM c GROUP BY c.k", false],
  ["SELECT MAKESET(c.k) AS s FROM c GROUP BY c.n % 2", false],
  ["SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.k FROM c)", false],
];

for (const [text, ordered] of MERGED) {
  test(`partitions merge to one run: ${text}`, () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = createRandom(seed);
      const docs = Array.from({ length: random.below(25) }, (_, n) => {
        const m = random.pick([1, 2, 3, undefined, "a", null]);
        return {
          id: `${n}`,
          n: (n * 11) % 25,
          k: random.pick(["x", "y", "z"]),
          ...(m !== undefined && { m }),
        };
      });
      const partitions = [0, 1, 2].map((part) => docs.filter((_, i) => i % 3 === part));
      const merged = mergedRows(text, partitions);
      const whole = rowsOf(text, partitions.flat());
      const comparison = { ordered, unorderedArrays: true };
      const same = resultKey(merged, comparison) === resultKey(whole, comparison);
      if (!same) assert.deepEqual(merged, whole, `seed ${seed}`);
      assert.ok(same);
    }
  });
}

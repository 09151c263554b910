/**
 * The compiled engine against the naive interpreter on seeded random queries and documents: equal rows in equal
 * order, or both refuse the row as not representable in JSON. A hundred thousand at full size.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueryError } from "../../../src/cosmos/query/error.ts";
import { prepareQuery } from "../../../src/cosmos/query/prepare.ts";
import { printQuery } from "../../../src/cosmos/query/print.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { sized } from "../../full-size.ts";
import { createRandom, PARAMETERS, randomDocument, randomQuery } from "./generator.ts";
import { interpret } from "./naive.ts";
import { OPTIONS, resultKey, runAll } from "./rows.ts";

const QUERIES = sized(1_000, 100_000);
/** Another one gives other queries. */
const SEED = Number(process.env["DIFFERENTIAL_SEED"] ?? 1);
const VALUES: ReadonlyMap<string, Value> = new Map(
  PARAMETERS.map(({ name, value }) => [name, value as Value]),
);

function hasFiniteNumbers(value: Value): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return (Object.values(value) as Value[]).every(hasFiniteNumbers);
}

test(`${QUERIES} random queries give what the naive interpreter gives`, () => {
  let compared = 0;
  let rowsSeen = 0;
  for (let seed = SEED; seed < SEED + QUERIES; seed++) {
    const random = createRandom(seed);
    const docs = Array.from({ length: 1 + random.below(12) }, (_, i) => randomDocument(random, i));
    const query = randomQuery(random, 2 + random.below(3));
    const text = printQuery(query);
    const expected = interpret(query, docs, VALUES);
    let actual: Value[];
    try {
      actual = runAll(prepareQuery(text, PARAMETERS, OPTIONS), docs);
    } catch (error) {
      if (!(error instanceof QueryError) || !error.message.includes("not finite")) {
        throw new Error(`seed ${seed}: ${text}`, { cause: error });
      }
      assert.ok(!expected.every(hasFiniteNumbers), `seed ${seed} was refused: ${text}`);
      continue;
    }
    const same = resultKey(actual, { ordered: true }) === resultKey(expected, { ordered: true });
    if (!same) assert.deepEqual(actual, expected, `seed ${seed}: ${text}\n${JSON.stringify(docs)}`);
    assert.ok(same, `seed ${seed}: ${text}`);
    compared++;
    rowsSeen += actual.length;
  }
  assert.ok(
    compared > QUERIES * 0.9 && rowsSeen > QUERIES,
    `only ${compared} queries with ${rowsSeen} rows compared`,
  );
});

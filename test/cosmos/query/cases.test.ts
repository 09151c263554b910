/** The corpus of language cases, run in process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueryError } from "../../../src/cosmos/query/error.ts";
import { builtInFunctions } from "../../../src/cosmos/query/functions/table.ts";
import type { PrepareOptions } from "../../../src/cosmos/query/prepare.ts";
import type { Value } from "../../../src/cosmos/query/values.ts";
import { type Case, caseTexts, readCases } from "./case-files.ts";
import { resultKey, rowsOf } from "./rows.ts";

/** Judged by the container's indexing policy, which is not this room's: they are run over HTTP. */
const ELSEWHERE: ReadonlySet<string> = new Set(["order-by/excluded-path"]);

function optionsOf({ containerOptions }: Case): Partial<PrepareOptions> {
  const embeddings = containerOptions?.vectorEmbeddingPolicy?.vectorEmbeddings;
  return embeddings === undefined ? {} : { vectorEmbeddings: embeddings };
}

function failureOf(run: () => unknown): QueryError {
  try {
    run();
  } catch (error) {
    if (error instanceof QueryError) return error;
    throw error;
  }
  return assert.fail("the query should have been refused");
}

function checkRefusal(example: Case, run: () => unknown): void {
  const error = failureOf(run);
  assert.equal(error.status, 400);
  if (example.code !== undefined)
    assert.ok(
      error.errors.some(({ code }) => code === example.code),
      error.message,
    );
  const texts = [...error.texts, ...error.errors.map(({ message }) => message)];
  if (example.message !== undefined)
    assert.ok(
      texts.some((text) => text.includes(example.message ?? "")),
      error.message,
    );
  if (example.location !== undefined) {
    const [start, end] = example.location;
    assert.deepEqual(error.errors[0]?.location, { start, end }, error.message);
  }
}

for (const example of readCases().filter(({ name, server }) => server !== true && !ELSEWHERE.has(name))) {
  test(`${example.file} ${example.name}`, () => {
    const run = (): Value[] =>
      rowsOf(example.query, example.docs ?? [], example.parameters, optionsOf(example));
    if (example.error === true) return checkRefusal(example, run);
    const actual = run();
    const comparison = { ordered: example.ordered === true, unorderedArrays: example.unorderedArrays };
    const same = resultKey(actual, comparison) === resultKey(example.expected ?? [], comparison);
    if (!same) assert.deepEqual(actual, example.expected);
    assert.ok(same);
  });
}

test("every built-in function and every aggregate stands in some case", () => {
  const text = caseTexts().toUpperCase();
  const names = builtInFunctions().map(({ name }) => name.toUpperCase());
  const aggregates = ["COUNT", "COUNTIF", "SUM", "AVG", "MIN", "MAX", "MAKELIST", "MAKESET"];
  const missing = [...names, ...aggregates].filter((name) => {
    return !text.includes(`${name}(`) && !text.includes(`${name.replaceAll("_", "")}(`);
  });
  assert.deepEqual(missing, []);
});

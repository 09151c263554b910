/**
 * Executions as the data plane drives them: pages of any size with the state sent through JSON give the rows of one
 * uninterrupted run; scans stop early; states that clients tampered with are refused.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stateFromJson, stateToJson } from "../../../src/cosmos/query/continuation.ts";
import { QueryError } from "../../../src/cosmos/query/error.ts";
import { type PreparedQuery, prepareQuery } from "../../../src/cosmos/query/prepare.ts";
import { printQuery } from "../../../src/cosmos/query/print.ts";
import type { RunOptions } from "../../../src/cosmos/query/run.ts";
import { compareOrder, property, type Value } from "../../../src/cosmos/query/values.ts";
import { createRandom, PARAMETERS, randomDocument, randomQuery } from "./generator.ts";
import { OPTIONS, resultKey, rowsOf, runAll } from "./rows.ts";

function prepare(text: string): PreparedQuery {
  return prepareQuery(text, PARAMETERS, OPTIONS);
}

/** Every page of a query; only the position and the JSON of the state pass from page to page. */
function pagesOf(
  prepared: PreparedQuery,
  docs: readonly Value[],
  pageRows: number,
  options: RunOptions = {},
): Value[][] {
  const pages: Value[][] = [];
  let token = "null";
  let position = 0;
  do {
    assert.ok(pages.length < 500, "paging does not end");
    const json = JSON.parse(token) as unknown;
    const run = prepared.start(json === null ? undefined : stateFromJson(json), { ...options, pageRows });
    const replays = prepared.resumesBy === "replay" && options.sorted !== true;
    const page: Value[] = [];
    let at = replays ? 0 : position;
    for (; at < docs.length && !run.done; at++) {
      run.push(docs[at]);
      page.push(...run.take(pageRows - page.length));
      if (run.pending > 0 || page.length === pageRows) break;
    }
    if (at >= docs.length || !prepared.readsItems) {
      run.finish();
      page.push(...run.take(pageRows - page.length));
    }
    pages.push(page);
    position = run.itemPending ? at : at + 1;
    const state = run.state();
    token = state === undefined ? "" : JSON.stringify(stateToJson(state));
    assert.ok(token.length < 100);
  } while (token !== "");
  return pages;
}

test("pages of random queries join to the rows of one run", () => {
  let pagesSeen = 0;
  for (let seed = 1; seed <= 800; seed++) {
    const random = createRandom(seed * 31);
    const docs = Array.from({ length: 3 + random.below(12) }, (_, i) => randomDocument(random, i));
    const text = printQuery(randomQuery(random, 2));
    let whole: Value[];
    try {
      whole = runAll(prepare(text), docs);
    } catch (error) {
      assert.ok(error instanceof QueryError);
      continue;
    }
    const pageRows = 1 + random.below(4);
    const pages = pagesOf(prepare(text), docs, pageRows);
    assert.ok(pages.every((page) => page.length <= pageRows));
    const same = resultKey(pages.flat(), { ordered: true }) === resultKey(whole, { ordered: true });
    assert.ok(same, `seed ${seed}, ${pageRows} rows a page: ${text}\n${JSON.stringify(docs)}`);
    pagesSeen += pages.length;
  }
  assert.ok(pagesSeen > 1_000, `only ${pagesSeen} pages`);
});

const NUMBERS = Array.from({ length: 50 }, (_, i) => ({ id: String(i), n: (i * 7) % 50, k: i % 3 }));

test("a page ends inside an item and goes on there", () => {
  const docs = [{ t: [1, 2, 3] }, { t: [] }, { t: [4, 5] }];
  const prepared = prepare("SELECT VALUE x FROM c JOIN x IN c.t OFFSET 1 LIMIT 3");
  assert.deepEqual(pagesOf(prepared, docs, 1), [[2], [3], [4]]);
  assert.deepEqual(pagesOf(prepared, docs, 2), [[2, 3], [4]]);
  assert.deepEqual(pagesOf(prepared, docs, 10), [[2, 3, 4]]);
});

test("a page of an item with very many rows keeps few of them", () => {
  const list = Array.from({ length: 1_000 }, (_, i) => i);
  const run = prepare("SELECT VALUE [x, y] FROM c JOIN x IN c.t JOIN y IN c.t").start(undefined, {
    pageRows: 3,
  });
  run.push({ t: list });
  assert.equal(run.pending, 4);
  assert.deepEqual(run.take(3), [
    [0, 0],
    [0, 1],
    [0, 2],
  ]);
  assert.equal(run.itemPending, true);
  assert.deepEqual(run.state(), { kind: "position", offset: 0, rows: 3 });
});

test("TOP and LIMIT stop the scan", () => {
  for (const [text, items] of [
    ["SELECT TOP 2 * FROM c", 2],
    ["SELECT * FROM c OFFSET 3 LIMIT 2", 5],
    ["SELECT TOP 0 * FROM c", 0],
    ["SELECT * FROM c OFFSET 0 LIMIT 0", 0],
    ["SELECT DISTINCT TOP 2 VALUE c.k FROM c", 2],
    ["SELECT VALUE 1", 0],
  ] as const) {
    const run = prepare(text).start();
    let pushed = 0;
    for (const doc of NUMBERS) {
      if (run.done) break;
      run.push(doc);
      run.take(100);
      pushed++;
    }
    assert.equal(pushed, items, text);
  }
});

test("what kind of run a query needs", () => {
  const kinds: readonly (readonly [string, boolean, string, boolean])[] = [
    ["SELECT * FROM c WHERE c.a = 1", true, "position", false],
    ["SELECT c.a FROM c JOIN x IN c.t OFFSET 1 LIMIT 2", true, "position", true],
    ["SELECT TOP 1 * FROM c", true, "position", true],
    ["SELECT * FROM c ORDER BY c.a", false, "replay", true],
    ["SELECT VALUE COUNT(1) FROM c", false, "replay", true],
    ["SELECT c.a FROM c GROUP BY c.a", false, "replay", true],
    ["SELECT DISTINCT c.a FROM c", true, "replay", true],
    ["SELECT VALUE COUNT(1) FROM (SELECT DISTINCT c.a FROM c)", false, "replay", true],
    ["SELECT VALUE s FROM (SELECT VALUE c.a FROM c) s", true, "position", false],
    ["SELECT VALUE ARRAY(SELECT DISTINCT VALUE x FROM x IN c.t) FROM c", true, "position", false],
    ["SELECT VALUE (SELECT VALUE COUNT(1) FROM x IN c.t) FROM c", true, "position", false],
  ];
  for (const [text, streaming, resumesBy, unservable] of kinds) {
    const prepared = prepare(text);
    assert.deepEqual(
      [prepared.streaming, prepared.resumesBy, prepared.crossPartitionUnservable],
      [streaming, resumesBy, unservable],
      text,
    );
  }
});

test("items that come in sort order stream and page by position", () => {
  for (const direction of ["ASC", "DESC"] as const) {
    const prepared = prepare(
      `SELECT VALUE c.id FROM c WHERE c.k < 2 ORDER BY c.n ${direction} OFFSET 3 LIMIT 20`,
    );
    const sign = direction === "ASC" ? 1 : -1;
    const docs = NUMBERS.toSorted((a, b) => compareOrder(property(a, "n"), property(b, "n")) * sign);
    const expected = runAll(prepared, NUMBERS);
    assert.equal(expected.length, 20);
    const pages = pagesOf(prepared, docs, 7, { sorted: true });
    assert.deepEqual(pages.flat(), expected);
    assert.deepEqual(
      pages.map((page) => page.length),
      [7, 7, 6],
    );
  }
});

test("a client's resume filter drops what its merge has passed", () => {
  const rid = (i: number): string =>
    Buffer.from([1, 0, 0, 0, 2, 0, 0, 0, i, 0, 0, 0, 0, 0, 0, 0]).toString("base64");
  const docs = [1, 1, 2, 2, undefined, 3].map((x, i) => ({ _rid: rid(i), i, ...(x !== undefined && { x }) }));
  const text = (direction: string): string =>
    `SELECT c._rid, [{"item": c.x}] AS orderByItems, c.i AS payload FROM c WHERE (true) ORDER BY c.x ${direction}`;
  const cases: readonly (readonly [string, unknown, readonly number[]])[] = [
    ["ASC", { value: [1], exclude: true }, [2, 3, 5]],
    ["ASC", { value: [1], exclude: false }, [0, 1, 2, 3, 5]],
    ["ASC", { value: [2], rid: rid(3), exclude: false }, [3, 5]],
    ["ASC", { value: [[]], exclude: true }, [0, 1, 2, 3, 5]],
    ["DESC", { value: [2], exclude: false }, [3, 2, 1, 0, 4]],
    ["DESC", { value: [2], rid: rid(2), exclude: false }, [2, 1, 0, 4]],
    ["DESC", { value: [1], exclude: true }, [4]],
  ];
  for (const [direction, resumeFilter, expected] of cases) {
    const run = prepare(text(direction)).start(undefined, { resumeFilter });
    for (const doc of docs) run.push(doc);
    run.finish();
    const payloads = run.take(100).map((row) => property(row, "payload"));
    assert.deepEqual(payloads, expected, `${direction} ${JSON.stringify(resumeFilter)}`);
  }
  for (const resumeFilter of [
    {},
    { value: [] },
    { value: [1, 2] },
    { value: [{ type: "array" }] },
    { value: [1], rid: 5 },
    "x",
  ]) {
    assert.throws(() => prepare(text("ASC")).start(undefined, { resumeFilter }), QueryError);
  }
});

test("two runs of one prepared query do not disturb each other", () => {
  const prepared = prepare("SELECT c.k, COUNT(1) AS n FROM c GROUP BY c.k");
  const [first, second] = [prepared.start(), prepared.start()];
  for (const doc of NUMBERS) {
    first.push(doc);
    if (doc.k === 0) second.push(doc);
  }
  first.finish();
  second.finish();
  assert.deepEqual(first.take(9).length, 3);
  assert.deepEqual(second.take(9), [{ k: 0, n: 17 }]);
});

test("a state that is not one of this query is refused", () => {
  const bad: readonly unknown[] = [
    null,
    {},
    "p",
    [],
    ["p"],
    ["p", 0, null],
    ["p", -1, null, 0],
    ["p", 0, "5", 0],
    ["p", 0.5, null, 0],
    ["r", -1],
    ["r", 1, 2],
    ["x", 1],
    ["p", 0, null, 0, 0],
    ["r", 1e300],
  ];
  for (const json of bad) assert.throws(() => stateFromJson(json), QueryError, JSON.stringify(json));
  assert.throws(
    () => prepare("SELECT * FROM c ORDER BY c.a").start(stateFromJson(["p", 0, null, 0])),
    QueryError,
  );
  assert.throws(() => prepare("SELECT * FROM c").start(stateFromJson(["r", 3])), QueryError);
});

test("rows of an item must be taken before the next push, or the state would lie", () => {
  const run = prepare("SELECT * FROM c").start();
  run.push({ id: "1" });
  assert.throws(() => run.push({ id: "2" }), /take the rows/);
});

test("finishing keeps the rows of the last item and where to go on", () => {
  const run = prepare("SELECT VALUE x FROM c JOIN x IN c.t").start();
  run.push({ t: [1, 2] });
  run.finish();
  assert.deepEqual(run.take(1), [1]);
  assert.deepEqual([run.itemPending, run.state()], [true, { kind: "position", offset: 0, rows: 1 }]);
  assert.deepEqual(run.take(9), [2]);
  assert.equal(run.state(), undefined);
});

test("user-defined functions come from outside", () => {
  const udf = (name: string): ((...args: Value[]) => Value) | undefined => {
    return name === "twice" ? (x) => (typeof x === "number" ? x * 2 : undefined) : undefined;
  };
  assert.deepEqual(
    rowsOf("SELECT VALUE udf.twice(c.n) FROM c WHERE udf.twice(c.n) > 90", NUMBERS, [], { udf }).length,
    4,
  );
  assert.deepEqual(rowsOf("SELECT VALUE {a: UDF.twice('x'), b: 1}", [], [], { udf }), [{ b: 1 }]);
  assert.throws(() => rowsOf("SELECT VALUE udf.thrice(1)", [], [], { udf }), /thrice/);
  const calls = Array.from({ length: 11 }, () => "udf.twice(1)").join(" + ");
  assert.throws(() => rowsOf(`SELECT VALUE ${calls}`, [], [], { udf }), /user-defined function calls of 10/);
});

test("computed properties are read like stored ones and shadow them, but not in SELECT *", () => {
  const computedProperties = [
    { name: "lower", query: "SELECT VALUE LOWER(c.name) FROM c" },
    { name: "letters", query: "SELECT VALUE ARRAY(SELECT VALUE LOWER(x) FROM x IN c.l) FROM c" },
    { name: "size", query: "SELECT VALUE {v: c.w * c.h} FROM c" },
  ];
  const docs = [
    { name: "B", w: 2, h: 3, lower: "stored" },
    { name: "a", w: 1, h: 1 },
  ];
  const options = { computedProperties };
  assert.deepEqual(rowsOf("SELECT VALUE c.lower FROM c ORDER BY c.lower", docs, [], options), ["a", "b"]);
  assert.deepEqual(rowsOf("SELECT c.size.v FROM c WHERE c.size.v > 1", docs, [], options), [{ v: 6 }]);
  assert.deepEqual(rowsOf("SELECT VALUE c.letters FROM c", [{ l: ["A", "B"] }], [], options), [["a", "b"]]);
  assert.deepEqual(rowsOf("SELECT * FROM c WHERE c.lower = 'b'", docs, [], options), [docs[0]]);
});

test("clock and chance are the caller's", () => {
  let time = 1_000;
  const now = (): number => time++;
  const rows = rowsOf(
    "SELECT c.id, GetCurrentTimestamp() AS t, GetCurrentTimestampStatic() AS s FROM c",
    NUMBERS.slice(0, 3),
    [],
    { now },
  );
  const times = rows.map((row) => property(row, "t"));
  assert.equal(new Set(times).size, 3);
  assert.equal(new Set(rows.map((row) => property(row, "s"))).size, 1);
  assert.deepEqual(rowsOf("SELECT VALUE RAND()", [], [], { random: () => 0.75 }), [0.75]);
});

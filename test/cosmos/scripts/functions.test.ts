/** User-defined functions in queries: values in and out, where they may stand, paging, and functions that misbehave. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { bodyOf, outcome, patientLimits } from "../fixture.ts";
import { openScriptFixture, orders, pk, type ScriptFixture } from "./fixture.ts";

const functions: Readonly<Record<string, string>> = {
  twice: "function (n) { return 2 * n; }",
  same: "(x) => x",
  kind: "function (...args) { return args.map((x) => x === undefined ? 'undefined' : x === null ? 'null' : typeof x).join(); }",
  nothing: "function () {}",
  odd: "function (n) { return n % 2 === 1; }",
  grade: "function grade(n) { return limit(n) ? 'high' : 'low'; }\nfunction limit(n) { return n > 2; }",
  fails: "function () { throw new Error('no tax'); }",
  loops: "function () { for (;;) {} }",
  bomb: "function () { const a = []; for (;;) a.push('x'.repeat(1e6) + a.length); }",
  strange: "function (n) { return [() => 1, Symbol('s'), NaN, new Date(0), 10n ** 2n][n]; }",
  cyclic: "function () { const o = {}; o.o = o; return o; }",
  deep: "function () { let d = 1; for (let i = 0; i < 200; i++) d = [d]; return d; }",
  hidden: "function () { return [typeof getContext, typeof __, typeof process, typeof console.log].join(); }",
  now: "function () { return Math.floor(Date.now() / 60000) * 60000; }",
};

const answers: readonly (readonly [string, readonly unknown[]])[] = [
  ["SELECT VALUE udf.twice(c.n) FROM c", [2, 4, 6, 8]],
  ["SELECT VALUE c.id FROM c WHERE udf.odd(c.n)", ["1", "3"]],
  ["SELECT VALUE udf.grade(c.n) FROM c WHERE c.n >= 2", ["low", "high", "high"]],
  [
    "SELECT VALUE udf.kind(c.none, null, true, 1, 'x', [1], {a: 1}) FROM c WHERE c.id = '1'",
    ["undefined,null,boolean,number,string,object,object"],
  ],
  [
    "SELECT VALUE udf.same({a: [1, {b: null}], 'ü': 'x'}) FROM c WHERE c.id = '1'",
    [{ a: [1, { b: null }], ü: "x" }],
  ],
  ["SELECT VALUE udf.nothing() FROM c", []],
  ["SELECT {a: udf.nothing(), b: udf.same(1)} AS o FROM c WHERE c.id = '1'", [{ o: { b: 1 } }]],
  ["SELECT VALUE udf.twice(udf.twice(c.n)) FROM c ORDER BY c.n DESC", [16, 12, 8, 4]],
  ["SELECT VALUE SUM(udf.twice(c.n)) FROM c", [20]],
  [
    "SELECT udf.odd(c.n) AS odd, COUNT(1) AS n FROM c GROUP BY udf.odd(c.n)",
    [
      { odd: true, n: 2 },
      { odd: false, n: 2 },
    ],
  ],
  ["SELECT DISTINCT VALUE udf.odd(c.n) FROM c", [true, false]],
  ["SELECT VALUE UDF.twice(1) FROM c WHERE c.id = '1'", [2]],
  ["SELECT VALUE udf.strange(0) FROM c", []],
  ["SELECT VALUE udf.strange(1) FROM c", []],
  ["SELECT VALUE udf.strange(3) FROM c WHERE c.id = '1'", ["1970-01-01T00:00:00.000Z"]],
  ["SELECT VALUE udf.hidden() FROM c WHERE c.id = '1'", ["undefined,undefined,undefined,function"]],
  ["SELECT VALUE udf.now() FROM c WHERE c.id = '1'", [Date.UTC(2026, 10, 21, 12)]],
  ["SELECT VALUE ARRAY(SELECT VALUE udf.twice(x) FROM x IN c.list) FROM c WHERE c.id = '1'", [[2, 4]]],
];

const refusals: readonly (readonly [string, string, RegExp])[] = [
  ["SELECT VALUE udf.none(1) FROM c", "400", /'none' is not registered/],
  ["SELECT VALUE udf.Twice(1) FROM c", "400", /'Twice' is not registered/],
  ["SELECT VALUE udf.fails() FROM c", "400", /Exception = Error: no tax/],
  ["SELECT VALUE udf.strange(4) FROM c", "400", /TypeError/],
  ["SELECT VALUE udf.strange(2) FROM c", "400", /not finite/],
  ["SELECT VALUE udf.cyclic() FROM c", "400", /circular/],
  ["SELECT VALUE udf.deep() FROM c", "400", /nested deeper/],
  ["SELECT VALUE udf.loops() FROM c", "408", /exceeded maximum alloted time/],
  ["SELECT VALUE udf.bomb() FROM c", "400", /out of memory/],
  ["SELECT VALUE udf.twice(1) FROM", "400", /SC1002/],
];

describe("user-defined functions", () => {
  let fixture: ScriptFixture;
  // Read anew by every query: short where only time ends it.
  const limits = { ...patientLimits };
  before(async () => {
    fixture = await openScriptFixture(limits);
    await fixture.seed(
      { id: "1", n: 1, list: [1, 2] },
      { id: "2", n: 2 },
      { id: "3", n: 3 },
      { id: "4", n: 4 },
    );
    for (const [id, body] of Object.entries(functions)) await fixture.register("udfs", { id, body });
  });
  after(() => fixture.engine.scripts.close());

  for (const [text, expected] of answers) {
    test(text, async () => {
      const reply = await fixture.query(text);
      assert.equal(reply.status, 200, String(reply.body));
      assert.deepEqual(bodyOf(reply)["Documents"], expected);
    });
  }

  for (const [text, expected, message] of refusals) {
    test(`${text} is refused, and the next query runs`, async () => {
      if (expected === "408") limits.runMilliseconds = 500;
      const reply = await fixture.query(text);
      Object.assign(limits, patientLimits);
      assert.equal(String(reply.status), expected, String(reply.body));
      assert.match(String(bodyOf(reply)["message"]), message);
      assert.equal((await fixture.query("SELECT VALUE udf.twice(c.n) FROM c")).status, 200);
    });
  }

  for (const text of [
    "SELECT VALUE udf.twice(c.n) FROM c",
    "SELECT VALUE udf.twice(c.n) FROM c ORDER BY c.n",
    "SELECT DISTINCT VALUE udf.twice(c.n) FROM c",
    "SELECT VALUE udf.twice(c.n) FROM c OFFSET 0 LIMIT 4",
  ]) {
    test(`${text} in pages of one`, async () => {
      const seen: unknown[] = [];
      let continuation: string | undefined;
      do {
        const more: Record<string, string> =
          continuation === undefined ? {} : { "x-ms-continuation": continuation };
        const reply = await fixture.query(text, { "x-ms-max-item-count": "1", ...more });
        assert.equal(reply.status, 200, String(reply.body));
        seen.push(...(bodyOf(reply)["Documents"] as unknown[]));
        continuation = reply.headers["x-ms-continuation"];
      } while (continuation !== undefined);
      assert.deepEqual(seen, [2, 4, 6, 8]);
    });
  }

  test("a token of another query is refused", async () => {
    const first = await fixture.query("SELECT VALUE udf.twice(c.n) FROM c", { "x-ms-max-item-count": "1" });
    const token = first.headers["x-ms-continuation"] ?? "";
    const reply = await fixture.query("SELECT VALUE udf.same(c.n) FROM c", { "x-ms-continuation": token });
    assert.equal(outcome(reply), "400");
  });

  test("a changed function acts at once, a deleted one is missed", async () => {
    const value = async () =>
      bodyOf(await fixture.query("SELECT VALUE udf.changing(c.n) FROM c WHERE c.id = '1'"));
    await fixture.register("udfs", { id: "changing", body: "() => 'old'" });
    assert.deepEqual((await value())["Documents"], ["old"]);
    const target = `${orders}/udfs/changing`;
    await fixture.sendSigned("PUT", target, { body: { id: "changing", body: "() => 'new'" } });
    assert.deepEqual((await value())["Documents"], ["new"]);
    await fixture.sendSigned("DELETE", target);
    assert.equal((await value())["code"], "BadRequest");
  });

  test("a plan knows the functions of the container", async () => {
    const plan = (query: string) =>
      fixture.sendSigned("POST", `${orders}/docs`, {
        body: { query },
        headers: { "x-ms-cosmos-is-query-plan-request": "True" },
      });
    assert.equal(outcome(await plan("SELECT VALUE udf.twice(c.n) FROM c ORDER BY c.n")), "200");
    assert.equal(outcome(await plan("SELECT VALUE udf.none(c.n) FROM c")), "400");
  });

  test("queries of a procedure call functions too", async () => {
    const source =
      "() => { __.queryDocuments(__.getSelfLink(), 'SELECT VALUE udf.twice(c.n) FROM c', (e, rows) => __.response.setBody(e ? e.number : rows)); }";
    const reply = await fixture.run(source);
    assert.deepEqual(bodyOf(reply), [2, 4, 6, 8]);
    const failing = await fixture.run(source.replace("twice", "fails"));
    assert.equal(String(failing.body), "400");
  });

  test("a query across partitions calls functions", async () => {
    await fixture.sendSigned("POST", `${orders}/docs`, {
      body: { id: "5", pk: "b", n: 5 },
      headers: { "x-ms-documentdb-partitionkey": '["b"]' },
    });
    const reply = await fixture.sendSigned("POST", `${orders}/docs`, {
      body: { query: "SELECT VALUE udf.twice(c.n) FROM c" },
      headers: { "x-ms-documentdb-isquery": "true", "x-ms-documentdb-query-enablecrosspartition": "true" },
    });
    assert.deepEqual(bodyOf(reply)["Documents"], [2, 4, 6, 8, 10]);
    assert.deepEqual(pk, { "x-ms-documentdb-partitionkey": '["a"]' });
  });
});

test("a page that takes long ends early and goes on later", async () => {
  const limits = { ...patientLimits, acceptMilliseconds: 50 };
  const fixture = await openScriptFixture(limits);
  await fixture.seed(...Array.from({ length: 8 }, (_, at) => ({ id: String(at) })));
  await fixture.register("udfs", {
    id: "slow",
    body: "() => { const end = Date.now() + 30; while (Date.now() < end); return 1; }",
  });
  let pages = 0;
  let rows = 0;
  let continuation: string | undefined;
  do {
    const more: Record<string, string> =
      continuation === undefined ? {} : { "x-ms-continuation": continuation };
    const reply = await fixture.query("SELECT VALUE udf.slow() FROM c", more);
    assert.equal(reply.status, 200);
    rows += (bodyOf(reply)["Documents"] as unknown[]).length;
    pages++;
    continuation = reply.headers["x-ms-continuation"];
  } while (continuation !== undefined);
  assert.equal(rows, 8);
  assert.ok(pages > 1);
  await fixture.engine.scripts.close();
});

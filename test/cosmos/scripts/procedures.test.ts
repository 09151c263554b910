/**
 * Stored procedures: what scripts see and answer, as a table of scripts and results; errors in the service's words; and
 * that a procedure is one transaction. Scripts are written as functions whose text is registered.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Reply } from "../../../src/http/service.ts";
import { bodyOf, outcome } from "../fixture.ts";
import {
  answerOf,
  messageOf,
  openScriptFixture,
  orders,
  pk,
  type ScriptFixture,
  type Source,
} from "./fixture.ts";

const results: readonly (readonly [string, Source, readonly unknown[], unknown])[] = [
  [
    "the value of setBody",
    `function hello(name) { getContext().getResponse().setBody("Hello, " + name); }`,
    ["World"],
    "Hello, World",
  ],
  ["no body is the empty text", "function () {}", [], ""],
  [
    "an arrow function",
    "() => getContext().getResponse().setBody({ a: [1, null, true] })",
    [],
    { a: [1, null, true] },
  ],
  [
    "functions after the first one are in scope",
    "function main(n) { getContext().getResponse().setBody(twice(n)); }\nfunction twice(n) { return 2 * n; }",
    [21],
    42,
  ],
  ["a comment before and after", "// first\nfunction () { __.response.setBody(1); } // last", [], 1],
  [
    "several arguments of any type",
    "function (...all) { __.response.setBody(all); }",
    [1, null, "ü", { x: [] }],
    [1, null, "ü", { x: [] }],
  ],
  ["missing arguments are undefined", "function (a) { __.response.setBody(typeof a); }", [], "undefined"],
  [
    "the request's body are the arguments",
    "function () { __.response.setBody(getContext().getRequest().getBody()); }",
    [1, 2],
    [1, 2],
  ],
  ["async functions", "async function () { await null; __.response.setBody('later'); }", [], "later"],
  [
    "what a promise is rejected with is not reported",
    "async function () { throw new Error('lost'); }",
    [],
    "",
  ],
  [
    "the shortcut is the collection",
    "function () { __.response.setBody([__.getSelfLink() === getContext().getCollection().getSelfLink(), __.getAltLink()]); }",
    [],
    [true, "dbs/shop/colls/orders"],
  ],
  [
    "the body can be read, changed and appended to",
    "function () { const r = __.response; r.setBody('a'); r.appendBody('b'); r.setValue('Body', r.getBody() + 'c'); __.response.setBody(r.getValue('body')); }",
    [],
    "abc",
  ],
  [
    "the clock is the server's",
    "function () { __.response.setBody([new Date(Math.floor(Date.now() / 60000) * 60000).toISOString(), new Date(0).getTime(), typeof Date()]); }",
    [],
    ["2026-11-21T12:00:00.000Z", 0, "string"],
  ],
  [
    "numbers in errors",
    "function () { const e = new Error(404, 'gone'); __.response.setBody([e.number, e.message, e instanceof Error, String(new TypeError('t')), class A extends Error {}.name]); }",
    [],
    [404, "gone", true, "TypeError: t", "A"],
  ],
  ["error codes by name", "function () { __.response.setBody(ErrorCodes.Conflict); }", [], 409],
  [
    "credentials are not among the headers",
    "function () { const r = getContext().getRequest(); __.response.setBody([r.getValue('authorization') === undefined, r.getValue('x-ms-documentdb-partitionkey')]); }",
    [],
    [true, '["a"]'],
  ],
];

const failures: readonly (readonly [string, Source, string, RegExp])[] = [
  [
    "a thrown error",
    "function fails() { throw new Error('no stock'); }",
    "400",
    /^Encountered exception while executing Javascript\. Exception = Error: no stock\r\nStack trace: Error: no stock\n {3}at fails \(script\d+\.js:1:\d+\)\n {3}at __docDbMain \(script\d+\.js:3:\d+\)$/,
  ],
  [
    "an error with a number",
    "function () { throw new Error(404, 'gone'); }",
    "400/404",
    /Exception = Error: gone\r\n/,
  ],
  [
    "a failed call without a callback",
    "function () { __.createDocument(__.getSelfLink(), { id: 'x', pk: 'a' }); __.createDocument(__.getSelfLink(), { id: 'x', pk: 'a' }); }",
    "400/409",
    /^Encountered exception while executing function\. Exception = Error: \{"Errors":\["Entity with the specified id already exists/,
  ],
  [
    "an error in a callback",
    "function () { __.readDocuments(__.getSelfLink(), {}, function back() { throw new TypeError('in the callback'); }); }",
    "400",
    /executing function\. Exception = TypeError: in the callback\r\nStack trace: .*\n {3}at back \(/,
  ],
  ["a value that is no error", "function () { throw { a: 1 }; }", "400", /Exception = \[object Object\]/],
  [
    "an exception that fights back",
    "function () { throw { get stack() { throw 1; }, toString() { return 'mine'; } }; }",
    "400",
    /Exception = mine/,
  ],
  [
    "an abort",
    "function () { getContext().abort(new Error('enough')); for (;;) {} }",
    "400",
    /Exception = Error: enough/,
  ],
  [
    "an abort in a promise",
    "async function () { await 1; getContext().abort(new Error(409, 'enough')); }",
    "400/409",
    /Exception = Error: enough/,
  ],
  [
    "another partition",
    "function () { __.createDocument(__.getSelfLink(), { id: 'x', pk: 'b' }); }",
    "400/400",
    /Requests originating from scripts cannot reference partition keys other than the one/,
  ],
  [
    "another collection",
    "function () { __.readDocuments('dbs/shop/colls/customers'); }",
    "400/400",
    /Invalid collection link/,
  ],
  [
    "a document of another collection",
    "function () { __.readDocument('dbs/shop/colls/customers/docs/1'); }",
    "400/400",
    /outside of the current collection/,
  ],
  [
    "options that are none",
    "function () { __.readDocuments(__.getSelfLink(), 1); }",
    "400/400",
    /options of a call must be an object/,
  ],
  [
    "a callback that is none",
    "function () { __.readDocuments(__.getSelfLink(), {}, 1); }",
    "400/400",
    /callback of a call must be a function/,
  ],
  [
    "a document that is none",
    "function () { __.createDocument(__.getSelfLink(), 5); }",
    "400/400",
    /must be an object/,
  ],
  [
    "a query that does not parse",
    "function () { __.queryDocuments(__.getSelfLink(), 'SELECT'); }",
    "400/400",
    /SC1002/,
  ],
  ["a body that is no function", "5", "400", /TypeError/],
  [
    "a body that JSON does not know",
    "function () { const o = {}; o.o = o; __.response.setBody(o); }",
    "400",
    /TypeError: circular reference/,
  ],
  ["headers are read-only", "function () { __.response.setValue('x-own', 1); }", "400/400", /cannot be set/],
];

describe("stored procedures", () => {
  let fixture: ScriptFixture;
  before(async () => {
    fixture = await openScriptFixture();
  });
  after(() => fixture.engine.scripts.close());

  for (const [name, source, args, expected] of results) {
    test(name, async () => {
      assert.deepEqual(answerOf(await fixture.run(source, args)), expected);
    });
  }

  for (const [name, source, expected, text] of failures) {
    test(`${name} is refused and leaves nothing`, async () => {
      const before = await fixture.ids();
      const reply = await fixture.run(source);
      assert.equal(outcome(reply), expected, String(reply.body));
      assert.equal(bodyOf(reply)["code"], "BadRequest");
      assert.match(messageOf(reply), text);
      assert.deepEqual(await fixture.ids(), before);
    });
  }

  test("requests that do not fit are refused", async () => {
    await fixture.register("sprocs", { id: "plain", body: "function () {}" });
    const target = `${orders}/sprocs/plain`;
    const send = (path: string, body: unknown, headers: Record<string, string> = { ...pk }) =>
      fixture.sendSigned("POST", path, { headers, body });
    assert.equal(outcome(await send(`${orders}/sprocs/none`, [])), "404");
    assert.equal(outcome(await send("/dbs/shop/colls/none/sprocs/plain", [])), "404/1003");
    assert.equal(outcome(await send(target, [], {})), "400/1001");
    const two = { "x-ms-documentdb-partitionkey": '["a","b"]' };
    assert.equal(outcome(await send(target, [], two)), "400/1001");
    assert.equal(outcome(await send(target, { not: "an array" })), "400");
    assert.equal(outcome(await send(target, "[1")), "400");
    assert.equal(outcome(await send(target, undefined)), "200");
  });

  test("a procedure is found by its rid as well", async () => {
    await fixture.register("sprocs", { id: "byRid", body: "function () { __.response.setBody('found'); }" });
    const { _rid } = bodyOf(await fixture.sendSigned("GET", `${orders}/sprocs/byRid`));
    assert.equal(answerOf(await fixture.execute(String(_rid))), "found");
  });

  test("the log is returned when it is asked for, also of a script that fails", async () => {
    const source =
      "function (fail) { console.log('a %s, 100%%', 1); console.log('ü'); if (fail) throw new Error('x'); }";
    const header = "x-ms-documentdb-script-log-results";
    const enabled = { "x-ms-documentdb-script-enable-logging": "True" };
    const logged = await fixture.run(source, [false], enabled);
    assert.equal(decodeURIComponent(logged.headers[header] ?? ""), "a 1, 100%ü");
    const failed = await fixture.run(source, [true], enabled);
    assert.equal(decodeURIComponent(failed.headers[header] ?? ""), "a 1, 100%ü");
    assert.equal((await fixture.run(source, [false])).headers[header], undefined);
    const flood = await fixture.run("function () { for (;;) console.log('x'.repeat(1000)); }", [], enabled);
    assert.equal(outcome(flood), "400/413");
  });

  test("the charge covers what the script did, the session token proves it", async () => {
    const idle = await fixture.run("function () {}");
    const busy = await fixture.run(
      "function () { __.upsertDocument(__.getSelfLink(), { id: 'charged', pk: 'a' }); }",
    );
    const charge = (reply: typeof idle): number => Number(reply.headers["x-ms-request-charge"]);
    assert.ok(charge(busy) > charge(idle) + 5, `${charge(busy)} ${charge(idle)}`);
    const lsn = (reply: typeof idle): number =>
      Number(/#(\d+)$/.exec(reply.headers["x-ms-session-token"] ?? "")?.[1]);
    assert.ok(lsn(busy) > lsn(idle));
  });
});

describe("the collection inside a procedure", () => {
  let fixture: ScriptFixture;
  before(async () => {
    fixture = await openScriptFixture();
    await fixture.seed({ id: "1", n: 1 }, { id: "2", n: 2 }, { id: "3", n: 3 });
    const other = {
      headers: { "x-ms-documentdb-partitionkey": '["b"]' },
      body: { id: "other", pk: "b", n: 9 },
    };
    await fixture.sendSigned("POST", `${orders}/docs`, other);
  });
  after(() => fixture.engine.scripts.close());

  const answers: readonly (readonly [string, Source, unknown])[] = [
    [
      "reads by name",
      "function () { __.readDocument(__.getAltLink() + '/docs/1', {}, (e, d) => __.response.setBody(d.n)); }",
      1,
    ],
    [
      "reads by self link",
      "function () { __.queryDocuments(__.getSelfLink(), 'SELECT * FROM c WHERE c.id = \"2\"', (e, [d]) => __.readDocument(d._self, (e, d, o) => __.response.setBody([d.n, o.statusCode]))); }",
      [2, 200],
    ],
    [
      "reads what has not changed",
      "function () { __.readDocument(__.getAltLink() + '/docs/1', (e, d) => __.readDocument(d._self, { ifNoneMatch: d._etag }, (e, d, o) => __.response.setBody([d === undefined, o.notModified]))); }",
      [true, true],
    ],
    [
      "reports a missing document",
      "function () { __.readDocument(__.getAltLink() + '/docs/none', {}, (e, d) => __.response.setBody([e.number, JSON.parse(e.body).Errors.length, d === undefined])); }",
      [404, 1, true],
    ],
    [
      "does not see other partitions",
      "function () { __.readDocuments(__.getSelfLink(), { pageSize: 100 }, (e, all) => __.readDocument(__.getAltLink() + '/docs/other', (e2) => __.response.setBody([all.map((d) => d.id), e2.number]))); }",
      [["1", "2", "3"], 404],
    ],
    [
      "pages",
      "function () { const seen = []; (function next(continuation) { __.queryDocuments(__.getAltLink(), 'SELECT VALUE c.n FROM c', { pageSize: 2, continuation }, (e, rows, o) => { seen.push(rows); if (o.continuation) next(o.continuation); else __.response.setBody(seen); }); })(); }",
      [[1, 2], [3]],
    ],
    [
      "pages in order",
      "function () { const seen = []; (function next(continuation) { __.queryDocuments(__.getAltLink(), 'SELECT VALUE c.n FROM c ORDER BY c.n DESC', { pageSize: 1, continuation }, (e, rows, o) => { seen.push(...rows); if (o.continuation) next(o.continuation); else __.response.setBody(seen); }); })(); }",
      [3, 2, 1],
    ],
    [
      "takes parameters",
      "function () { __.queryDocuments(__.getSelfLink(), { query: 'SELECT VALUE c.id FROM c WHERE c.n > @n', parameters: [{ name: '@n', value: 1 }] }, {}, (e, rows) => __.response.setBody(rows)); }",
      ["2", "3"],
    ],
    [
      "makes ids",
      "function () { __.createDocument(__.getSelfLink(), { pk: 'a' }, (e, d) => __.deleteDocument(d._self, {}, (e, o) => __.response.setBody([/^[0-9a-f-]{36}$/.test(d.id), o.statusCode]))); }",
      [true, 204],
    ],
    [
      "does not make ids when told so",
      "function () { __.createDocument(__.getSelfLink(), { pk: 'a' }, { disableAutomaticIdGeneration: true }, (e) => __.response.setBody(e.number)); }",
      400,
    ],
    [
      "takes documents as text",
      'function () { __.upsertDocument(__.getSelfLink(), \'{"id":"1","pk":"a","n":1}\', (e, d, o) => __.response.setBody([d.n, o.statusCode])); }',
      [1, 200],
    ],
    [
      "refuses a replace with an old etag",
      "function () { __.replaceDocument(__.getAltLink() + '/docs/1', { id: '1', pk: 'a' }, { etag: '\"old\"' }, (e) => __.response.setBody(e.number)); }",
      412,
    ],
    [
      "takes the REST form of a condition",
      "function () { __.deleteDocument(__.getAltLink() + '/docs/1', { accessCondition: { type: 'IfMatch', condition: '\"old\"' } }, (e) => __.response.setBody(e.number)); }",
      412,
    ],
    [
      "sees its own writes in queries",
      "function () { __.createDocument(__.getSelfLink(), { id: '4', pk: 'a', n: 4 }, (e, d) => __.queryDocuments(__.getSelfLink(), 'SELECT VALUE COUNT(1) FROM c', (e, [n]) => __.deleteDocument(d._self, () => __.response.setBody(n)))); }",
      4,
    ],
    [
      "goes on after a failed call",
      "function () { __.createDocument(__.getSelfLink(), { id: '1', pk: 'a' }, (e) => __.readDocument(__.getAltLink() + '/docs/1', (e2, d) => __.response.setBody([e.number, d.n]))); }",
      [409, 1],
    ],
  ];
  for (const [name, source, expected] of answers) {
    test(name, async () => {
      assert.deepEqual(answerOf(await fixture.run(source)), expected);
    });
  }

  test("all writes of a procedure appear together, under one number", async () => {
    const before = await fixture.execute("none");
    assert.equal(before.status, 404);
    const source = `function () {
      for (const id of ["x", "y", "z"]) __.createDocument(__.getSelfLink(), { id, pk: "a", batch: true });
      __.replaceDocument(__.getAltLink() + "/docs/1", { id: "1", pk: "a", n: 10 });
      __.deleteDocument(__.getAltLink() + "/docs/2");
    }`;
    assert.equal(answerOf(await fixture.run(source)), "");
    assert.deepEqual(await fixture.ids(), ["1", "3", "x", "y", "z"]);
    const feed = bodyOf(
      await fixture.sendSigned("GET", `${orders}/docs`, { headers: { "a-im": "Incremental Feed", ...pk } }),
    );
    const changes = (feed["Documents"] as { id: string; _lsn: number }[]).filter(({ id }) => id !== "3");
    assert.equal(new Set(changes.map(({ _lsn }) => _lsn)).size, 1, JSON.stringify(changes));
  });

  test("a procedure that fails late undoes everything it did", async () => {
    const before = await fixture.ids();
    const source = `function () {
      __.createDocument(__.getSelfLink(), { id: "undone", pk: "a" }, () => {
        __.deleteDocument(__.getAltLink() + "/docs/3", {}, () => { throw new Error("late"); });
      });
    }`;
    assert.equal(outcome(await fixture.run(source)), "400");
    assert.deepEqual(await fixture.ids(), before);
  });

  test("procedures on one partition run one after the other", async () => {
    await fixture.seed({ id: "counter", n: 0 });
    const source = `function () {
      __.readDocument(__.getAltLink() + "/docs/counter", (e, d) => {
        d.n++;
        __.replaceDocument(d._self, d, { etag: d._etag }, (e2) => { if (e2) throw e2; });
      });
    }`;
    await fixture.register("sprocs", { id: "increment", body: source });
    const replies = await Promise.all(Array.from({ length: 20 }, () => fixture.execute("increment")));
    assert.deepEqual([...new Set(replies.map(outcome))], ["200"]);
    const reply = await fixture.sendSigned("GET", `${orders}/docs/counter`, { headers: pk });
    assert.equal(bodyOf(reply)["n"], 20);
  });
});

const notCompiling: readonly (readonly [string, number, number, string])[] = [
  ["SELECT * FROM c", 1, 50, "(function __docDbMain() { var fn = SELECT * FROM c"],
  ["function () {\n  return 1 +;\n}", 2, 13, "  return 1 +;"],
  ["var x = 1;", 1, 36, "(function __docDbMain() { var fn = var x = 1;"],
];

describe("scripts that do not compile", () => {
  let fixture: ScriptFixture;
  before(async () => {
    fixture = await openScriptFixture();
    await fixture.seed({ id: "there", n: 1 });
  });
  after(() => fixture.engine.scripts.close());
  for (const [body, line, column, source] of notCompiling) {
    test(`${JSON.stringify(body)} is kept, and its use refused with the place`, async () => {
      const id = `bad${line}${column}`;
      const item = {
        headers: { ...pk, "x-ms-documentdb-pre-trigger-include": id },
        body: { id: "i", pk: "a" },
      };
      const uses: readonly (readonly ["sprocs" | "udfs" | "triggers", () => Promise<Reply>])[] = [
        ["sprocs", () => fixture.execute(id)],
        ["udfs", () => fixture.query(`SELECT VALUE udf.${id}(c.n) FROM c`)],
        ["triggers", () => fixture.sendSigned("POST", `${orders}/docs`, item)],
      ];
      for (const [kind, use] of uses) {
        await fixture.register(kind, { id, body, triggerType: "Pre", triggerOperation: "All" });
        assert.equal(bodyOf(await fixture.sendSigned("GET", `${orders}/${kind}/${id}`))["body"], body);
        const reply = await use();
        assert.equal(outcome(reply), "400/65535", kind);
        const message = messageOf(reply);
        assert.match(
          message,
          /^Encountered exception while compiling Javascript\. Exception = SyntaxError: /,
        );
        assert.ok(
          message.endsWith(`Source information: line: ${line}, column: ${column}, source line:\n${source}`),
          message,
        );
      }
      assert.equal(outcome(await fixture.sendSigned("GET", `${orders}/docs/i`, { headers: pk })), "404");
    });
  }
  test("nothing runs when a script is registered", async () => {
    await fixture.register("sprocs", { id: "loops", body: "(() => { for (;;) {} })()" });
  });
});

/**
 * Hostile scripts: loops, memory bombs, deep recursion, attempts to get out. Each must end in time with a plain answer,
 * leave nothing behind, and not hold up anybody who only reads; the next script must find everything in order.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { bodyOf, outcome, patientLimits } from "../fixture.ts";
import {
  answerOf,
  messageOf,
  openScriptFixture,
  orders,
  pk,
  type ScriptFixture,
  type Source,
} from "./fixture.ts";

/** For scripts that only time ends. */
const short = { runMilliseconds: 250, acceptMilliseconds: 120, graceMilliseconds: 100 };

/** What a script does, and how it must end: in time, out of memory, out of stack, or with an exception of its own. */
const hostile: readonly (readonly [string, Source, "408" | "400", RegExp])[] = [
  ["an endless loop", "() => { for (;;) {} }", "408", /exceeded maximum alloted time/],
  [
    "a loop that catches everything",
    "() => { for (;;) try { for (;;) {} } catch {} finally { for (;;) {} } }",
    "408",
    /exceeded/,
  ],
  [
    "a loop in a callback",
    "() => { const loop = () => { for (;;) {} }; if (!__.createDocument(__.getSelfLink(), { id: 'x', pk: 'a' }, loop)) loop(); }",
    "408",
    /exceeded/,
  ],
  [
    "promises without end",
    "() => { (function again() { return Promise.resolve().then(again); })(); }",
    "408",
    /exceeded/,
  ],
  [
    "calls without end",
    "() => { (function again() { __.readDocuments(__.getSelfLink(), {}, again); for (let i = 0; i < 1e6; i++); })(); for (;;); }",
    "408",
    /exceeded/,
  ],
  [
    "a builtin that does not look at the clock",
    "() => { new Array(4294967295).join('x'); }",
    "408",
    /exceeded/,
  ],
  ["a regular expression that backtracks", "() => /(a+)+$/.test('a'.repeat(60) + 'b')", "408", /exceeded/],
  [
    "a getter that never returns in an exception",
    "() => { throw { get stack() { for (;;) {} } }; }",
    "408",
    /exceeded/,
  ],
  [
    "a result that never ends",
    "() => { __.response.setBody({ toJSON() { for (;;) {} } }); }",
    "408",
    /exceeded/,
  ],
  [
    "many strings",
    "() => { const a = []; for (;;) a.push('x'.repeat(1e6) + a.length); }",
    "400",
    /out of memory/,
  ],
  ["large buffers", "() => { const a = []; for (;;) a.push(new Uint8Array(1e7)); }", "400", /out of memory/],
  ["one string", "() => 'x'.repeat(2 ** 29)", "400", /out of memory|string too long/],
  ["recursion", "() => { (function f() { f(); })(); }", "400", /stack overflow/],
  ["recursion of the parser", "() => JSON.parse('['.repeat(1e6))", "400", /stack overflow/],
  ["recursion of the compiler", "() => eval('('.repeat(1e5))", "400", /stack overflow/],
  [
    "recursion through proxies",
    "() => { let p = {}; for (let i = 0; i < 1e4; i++) p = new Proxy(p, {}); return p.x; }",
    "400",
    /stack overflow/,
  ],
  [
    "generators within generators",
    "() => { function* g() { yield* g(); } [...g()]; }",
    "400",
    /stack overflow/,
  ],
  [
    "a deep document",
    "() => { let d = {}; for (let i = 0; i < 200; i++) d = { d }; __.createDocument(__.getSelfLink(), { id: 'deep', pk: 'a', d }); }",
    "400",
    /nested deeper/,
  ],
  [
    "a huge document",
    "() => { __.createDocument(__.getSelfLink(), { id: 'huge', pk: 'a', s: 'x'.repeat(3e6) }); }",
    "400",
    /too large/,
  ],
];

describe("hostile scripts", () => {
  let fixture: ScriptFixture;
  let hurried: ScriptFixture;
  // Read anew by every job: short while a hostile script runs, beyond any load for what must run after it.
  const limits = { ...patientLimits };
  before(async () => {
    [fixture, hurried] = await Promise.all([openScriptFixture(), openScriptFixture(limits)]);
    for (const each of [fixture, hurried])
      await each.register("sprocs", { id: "fine", body: "function () { __.response.setBody('fine'); }" });
  });
  after(() => Promise.all([fixture.engine.scripts.close(), hurried.engine.scripts.close()]));
  for (const [name, source, expected, text] of hostile) {
    test(`${name} ends, leaves nothing, and the next script runs`, async () => {
      const chosen = expected === "408" ? hurried : fixture;
      Object.assign(limits, short);
      const reply = await chosen.run(source);
      Object.assign(limits, patientLimits);
      assert.equal(String(reply.status), expected, String(reply.body));
      assert.match(messageOf(reply), text);
      assert.deepEqual(await chosen.ids(), []);
      assert.equal(answerOf(await chosen.execute("fine")), "fine");
    });
  }

  test("a response of more than 4 MB is refused", async () => {
    const reply = await fixture.run("() => __.response.setBody('x'.repeat(4 * 1024 * 1024 + 1))");
    assert.equal(outcome(reply), "413");
  });

  test("a compiler bomb is refused when it is run", async () => {
    await fixture.register("sprocs", { id: "bomb", body: `() => ${"(".repeat(100_000)}` });
    assert.equal(outcome(await fixture.execute("bomb")), "400/65535");
    assert.equal(answerOf(await fixture.execute("fine")), "fine");
  });

  test("a script in time trouble is told so, and what it did until then stays", async () => {
    const pressed = await openScriptFixture({ ...patientLimits, acceptMilliseconds: 1500 });
    const source = `function () {
      let done = 0;
      (function next() {
        const accepted = __.createDocument(__.getSelfLink(), { id: "made" + done, pk: "a" }, () => { done++; next(); });
        if (!accepted) __.response.setBody({ done, accepted });
      })();
    }`;
    const { done, accepted } = answerOf(await pressed.run(source)) as { done: number; accepted: boolean };
    assert.equal(accepted, false);
    assert.ok(done > 0);
    const count = bodyOf(await pressed.query("SELECT VALUE COUNT(1) FROM c"));
    assert.deepEqual(count["Documents"], [done]);
    await pressed.engine.scripts.close();
  });
});

const probes: readonly (readonly [string, Source, unknown])[] = [
  [
    "no names of the host",
    "() => __.response.setBody(['process', 'require', 'module', 'fetch', 'WebAssembly', 'setTimeout', 'Buffer', 'importScripts', 'self', 'global', 'Worker', 'std', 'os', 'scriptArgs', 'print', 'queueMicrotask', 'navigator'].filter((name) => name in globalThis))",
    [],
  ],
  [
    "no host behind a constructor",
    "() => __.response.setBody([() => {}, __, getContext(), __.response, __.createDocument, Date, Math.random, console.log].map((x) => { try { return x.constructor.constructor('return typeof process')(); } catch (e) { return String(e); } }))",
    Array(8).fill("undefined"),
  ],
  [
    "no host in an error's stack",
    "() => { try { null.x; } catch (e) { __.response.setBody(/node:|file:|\\/(src|dist)\\//.test(e.stack)); } }",
    false,
  ],
  [
    "no modules",
    "async () => { try { await import('node:fs'); __.response.setBody('loaded'); } catch { __.response.setBody('refused'); } }",
    "refused",
  ],
  [
    "no clock of the host behind the server's",
    "() => __.response.setBody([new Date().constructor === Date, Date.prototype.constructor === Date, new Date().constructor.now === Date.now])",
    [true, true, true],
  ],
  [
    "no feed calls by way of the internals",
    "() => { const seen = []; const set = Map.prototype.set; Map.prototype.set = function (k, v) { seen.push(typeof v); return set.call(this, k, v); }; Object.prototype.operation = 'open'; __.readDocuments(__.getSelfLink(), {}, (e, d) => __.response.setBody(Array.isArray(d))); }",
    true,
  ],
];

describe("attempts to get out of the sandbox", () => {
  let fixture: ScriptFixture;
  before(async () => {
    fixture = await openScriptFixture();
  });
  after(() => fixture.engine.scripts.close());
  for (const [name, source, expected] of probes) {
    test(name, async () => {
      assert.deepEqual(answerOf(await fixture.run(source)), expected);
    });
  }
  test("nothing of one script is left for the next one", async () => {
    const first =
      "() => { globalThis.left = 1; Array.prototype.left = 1; JSON.stringify = () => '\"broken\"'; Object.prototype.id = 'x'; }";
    await fixture.run(first);
    await fixture.run(first);
    const second =
      "() => __.response.setBody([typeof left, [].left === undefined, JSON.stringify(1), ({}).id === undefined])";
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(answerOf(await fixture.run(second)), ["undefined", true, "1", true]);
    }
  });
});

describe("while bad scripts run", () => {
  let fixture: ScriptFixture;
  before(async () => {
    fixture = await openScriptFixture({ ...patientLimits, runMilliseconds: 1000, waitingMax: 2 });
    await fixture.seed({ id: "1", n: 1 });
    await fixture.register("sprocs", { id: "loop", body: "() => { for (;;) {} }" });
    // The threads are up and running, so that the time that follows is the scripts' alone.
    await Promise.all([fixture.execute("loop"), fixture.execute("loop")]);
  });
  after(() => fixture.engine.scripts.close());

  test("reads and queries are answered", async () => {
    let ended = 0;
    let answered = 0;
    const loops = [1, 2].map(() => fixture.execute("loop").finally(() => ended++));
    while (ended === 0) {
      const reply = await fixture.sendSigned("GET", `${orders}/docs/1`, { headers: pk });
      assert.equal(reply.status, 200);
      assert.equal((await fixture.query("SELECT VALUE c.n FROM c")).status, 200);
      answered++;
    }
    assert.ok(answered > 2, `${answered} in the time of a loop`);
    assert.deepEqual((await Promise.all(loops)).map(outcome), ["408", "408"]);
  });

  test("too many scripts at once are sent away to come back", async () => {
    const replies = await Promise.all(Array.from({ length: 5 }, () => fixture.execute("loop")));
    const outcomes = replies.map(outcome).sort();
    assert.deepEqual(outcomes, ["408", "408", "408", "408", "429/3084"]);
    const sent = replies.find(({ status }) => status === 429);
    assert.ok(Number(sent?.headers["x-ms-retry-after-ms"]) > 0);
  });
});

test("closing the server ends scripts under way", async () => {
  const fixture = await openScriptFixture();
  // Its thread is up and running, so that the script is what is ended.
  await fixture.run("() => {}");
  await fixture.register("sprocs", { id: "loop", body: "() => { for (;;) {} }" });
  const running = fixture.execute("loop");
  while (fixture.records.at(-1)?.operationName !== "CreateStoredProcedure") await new Promise(setImmediate);
  await new Promise((resume) => setTimeout(resume, 50));
  await fixture.engine.scripts.close();
  assert.equal(outcome(await running), "400");
});

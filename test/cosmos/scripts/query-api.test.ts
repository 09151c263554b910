/** The collection's query functions (`filter`, `map`, `chain` and so on) as a table of scripts and results. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { outcome } from "../fixture.ts";
import {
  answerOf,
  messageOf,
  openScriptFixture,
  orders,
  type ScriptFixture,
  type Source,
} from "./fixture.ts";

const people = [
  { id: "1", name: "Ada", age: 36, tags: ["x", ["y"]], kids: [{ name: "Bo" }, { name: "Cy" }] },
  { id: "2", name: "Bob", age: 17, tags: ["z"] },
  { id: "3", name: "Eve", age: 51, tags: [], kids: [{ name: "Di" }] },
  { id: "4", name: "Max", tags: ["x"] },
];

const answers: readonly (readonly [string, Source, unknown])[] = [
  ["filter into the response", "() => { __.filter((d) => d.age < 40); }", "names"],
  [
    "filter with a callback",
    "() => { __.filter((d) => d.age < 40, (e, feed) => __.response.setBody(feed.map((d) => d.id))); }",
    ["1", "2"],
  ],
  [
    "map",
    "() => { __.map((d) => ({ n: d.name })); }",
    [{ n: "Ada" }, { n: "Bob" }, { n: "Eve" }, { n: "Max" }],
  ],
  ["pluck", "() => { __.pluck('name'); }", ["Ada", "Bob", "Eve", "Max"]],
  [
    "sortBy puts missing values first",
    "() => { __.chain().sortBy((d) => d.age).pluck('name').value(); }",
    ["Max", "Bob", "Ada", "Eve"],
  ],
  [
    "sortByDescending",
    "() => { __.chain().sortByDescending((d) => d.age).pluck('name').value(); }",
    ["Eve", "Ada", "Bob", "Max"],
  ],
  [
    "flatten goes all the way down",
    "() => { __.chain().pluck('tags').flatten().value(); }",
    ["x", "y", "z", "x"],
  ],
  [
    "flatten stays at one level when told so",
    "() => { __.chain().pluck('tags').flatten(true).value(); }",
    ["x", ["y"], "z", "x"],
  ],
  ["unwind", "() => { __.chain().unwind((d) => d.kids).pluck('name').value(); }", ["Bo", "Cy", "Di"]],
  [
    "unwind with pairs",
    "() => { __.chain().unwind((d) => d.kids, (d, k) => d.name + k.name).value(); }",
    ["AdaBo", "AdaCy", "EveDi"],
  ],
  [
    "the collection may come first",
    "() => { __.filter(__, (d) => d.id === '4', (e, feed) => __.response.setBody(feed.length)); }",
    1,
  ],
  [
    "says that it was accepted",
    "() => { const q = __.chain().filter(() => true); const r = q.value(() => {}); __.response.setBody([q.isAccepted, r.isAccepted]); }",
    [true, true],
  ],
  [
    "a page is as large as asked",
    "() => { __.filter(() => true, { pageSize: 2 }, (e, feed, o) => __.response.setBody([feed.length, typeof o.continuation])); }",
    [2, "string"],
  ],
  [
    "pages of a sorted chain go on where they ended",
    "() => { const all = []; (function next(continuation) { __.chain().sortBy((d) => d.name).pluck('name').value({ pageSize: 3, continuation }, (e, feed, o) => { all.push(feed); if (o.continuation) next(o.continuation); else __.response.setBody(all); }); })(); }",
    [["Ada", "Bob", "Eve"], ["Max"]],
  ],
  [
    "two results without callbacks follow each other",
    "() => { __.pluck('id'); __.chain().filter((d) => d.id === '1').pluck('id').value(); }",
    '["1","2","3","4"]["1"]',
  ],
  [
    "an error goes to the callback",
    "() => { __.map((d) => d.none.none, (e) => __.response.setBody(e instanceof TypeError)); }",
    true,
  ],
];

const failures: readonly (readonly [string, Source, RegExp])[] = [
  ["a filter without a function", "() => { __.filter(); }", /needs a function/],
  ["a property name that is none", "() => { __.pluck(1); }", /property name must be a text/],
  [
    "options inside of a chain",
    "() => { __.chain().filter(() => true, {}).value(); }",
    /belong to the call of value/,
  ],
  ["a function that throws, without a callback", "() => { __.map((d) => d.none.none); }", /TypeError/],
];

describe("query functions of the collection", () => {
  let fixture: ScriptFixture;
  before(async () => {
    fixture = await openScriptFixture();
    await fixture.seed(...people);
  });
  after(() => fixture.engine.scripts.close());
  for (const [name, source, expected] of answers) {
    test(name, async () => {
      const answer = answerOf(await fixture.run(source));
      if (expected === "names")
        assert.deepEqual(
          (answer as { name: string }[]).map((d) => d.name),
          ["Ada", "Bob"],
        );
      else assert.deepEqual(answer, expected);
    });
  }
  for (const [name, source, text] of failures) {
    test(`${name} is refused`, async () => {
      const reply = await fixture.run(source);
      assert.equal(reply.status, 400);
      assert.match(messageOf(reply), text);
    });
  }
  test("a filter finds what lies behind many pages", async () => {
    const source =
      "function () { for (let i = 0; i < 450; i++) __.createDocument(__.getSelfLink(), { pk: 'a', i }); }";
    assert.equal(outcome(await fixture.run(source)), "200");
    const found =
      "() => { __.filter((d) => d.i === 449, (e, feed, o) => __.response.setBody([feed.length, o])); }";
    assert.deepEqual(answerOf(await fixture.run(found)), [1, {}]);
  });
  test("a pre-trigger has no response for results to go to", async () => {
    const body = "() => { __.pluck('id'); }";
    await fixture.register("triggers", {
      id: "noResponse",
      body,
      triggerType: "Pre",
      triggerOperation: "All",
    });
    const reply = await fixture.sendSigned("POST", `${orders}/docs`, {
      body: { id: "t", pk: "a" },
      headers: {
        "x-ms-documentdb-partitionkey": '["a"]',
        "x-ms-documentdb-pre-trigger-include": "noResponse",
      },
    });
    assert.equal(outcome(reply), "400/400");
    assert.match(messageOf(reply), /needs a response/);
  });
});

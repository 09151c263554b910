/** Triggers around item writes: what they see and change, in which order they run, and that they share the write's fate. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { bodyOf, outcome, patientLimits } from "../fixture.ts";
import { messageOf, openScriptFixture, orders, pk, type ScriptFixture } from "./fixture.ts";

const pre = "x-ms-documentdb-pre-trigger-include";
const post = "x-ms-documentdb-post-trigger-include";
const upsert = { "x-ms-documentdb-is-upsert": "true" };

/** Notes what a trigger saw in a document of its own. */
const witness = `function () {
  const request = getContext().getRequest();
  const seen = { operation: request.getOperationType(), body: request.getBody(), response: __.response === undefined ? "none" : __.response.getBody() };
  __.upsertDocument(__.getSelfLink(), { id: "seen", pk: "a", seen });
}`;

const triggers: readonly Readonly<Record<string, string>>[] = [
  {
    id: "stamp",
    triggerType: "Pre",
    triggerOperation: "All",
    body: "function () { const r = __.request; const d = r.getBody(); d.stamps = (d.stamps ?? []).concat('stamp'); r.setBody(d); }",
  },
  {
    id: "second",
    triggerType: "pre",
    triggerOperation: "all",
    body: "function () { const r = __.request; const d = r.getBody(); d.stamps = (d.stamps ?? []).concat('second'); r.setBody(d); }",
  },
  { id: "onlyCreate", triggerType: "Pre", triggerOperation: "Create", body: "() => {}" },
  { id: "onlyUpdate", triggerType: "Pre", triggerOperation: "Update", body: "() => {}" },
  { id: "onlyDelete", triggerType: "Post", triggerOperation: "Delete", body: "() => {}" },
  { id: "before", triggerType: "Pre", triggerOperation: "All", body: witness },
  { id: "behind", triggerType: "Post", triggerOperation: "All", body: witness },
  {
    id: "reply",
    triggerType: "Post",
    triggerOperation: "All",
    body: "function () { const r = __.response; r.setBody({ ...r.getBody(), added: true }); }",
  },
  {
    id: "refuse",
    triggerType: "Pre",
    triggerOperation: "All",
    body: "function () { throw new Error(409, 'not today'); }",
  },
  {
    id: "regret",
    triggerType: "Post",
    triggerOperation: "All",
    body: "function () { throw new Error('not after all'); }",
  },
  { id: "loop", triggerType: "Pre", triggerOperation: "All", body: "function () { for (;;) {} }" },
  {
    id: "move",
    triggerType: "Pre",
    triggerOperation: "All",
    body: "function () { const d = __.request.getBody(); d.pk = 'b'; __.request.setBody(d); }",
  },
  {
    id: "fill",
    triggerType: "Pre",
    triggerOperation: "All",
    body: "function () { const d = __.request.getBody(); d.id = d.id ?? 'filled'; d.pk = 'a'; __.request.setBody(d); }",
  },
  {
    id: "spoil",
    triggerType: "Pre",
    triggerOperation: "All",
    body: "function () { __.request.setBody(5); }",
  },
];

describe("triggers", () => {
  let fixture: ScriptFixture;
  before(async () => {
    fixture = await openScriptFixture();
    for (const trigger of triggers) await fixture.register("triggers", trigger);
  });
  after(() => fixture.engine.scripts.close());

  const create = (body: unknown, headers: Record<string, string>) =>
    fixture.sendSigned("POST", `${orders}/docs`, { body, headers: { ...pk, ...headers } });
  const change = (method: string, id: string, headers: Record<string, string>, body?: unknown) =>
    fixture.sendSigned(method, `${orders}/docs/${id}`, { body, headers: { ...pk, ...headers } });
  const read = (id: string) => fixture.sendSigned("GET", `${orders}/docs/${id}`, { headers: pk });
  const seen = async () => bodyOf(await read("seen"))["seen"] as Readonly<Record<string, unknown>>;

  test("pre-triggers change the document, in the order of the list", async () => {
    const reply = await create({ id: "1", pk: "a" }, { [pre]: "stamp, second" });
    assert.equal(reply.status, 201);
    assert.deepEqual(bodyOf(reply)["stamps"], ["stamp", "second"]);
    assert.deepEqual(bodyOf(await read("1"))["stamps"], ["stamp", "second"]);
  });

  test("nothing runs that the request does not name", async () => {
    const reply = await create({ id: "2", pk: "a" }, {});
    assert.equal(bodyOf(reply)["stamps"], undefined);
  });

  test("post-triggers change the response and not the item", async () => {
    const reply = await create({ id: "3", pk: "a" }, { [post]: "reply" });
    assert.equal(bodyOf(reply)["added"], true);
    assert.equal(reply.headers["etag"], bodyOf(reply)["_etag"]);
    assert.equal(bodyOf(await read("3"))["added"], undefined);
  });

  test("triggers see the operation, the request and the response", async () => {
    await create({ id: "4", pk: "a", n: 1 }, { [pre]: "before" });
    assert.deepEqual(await seen(), {
      operation: "Create",
      body: { id: "4", pk: "a", n: 1 },
      response: "none",
    });
    await create({ id: "4", pk: "a", n: 2 }, { [post]: "behind", ...upsert });
    const upserted = await seen();
    assert.equal(upserted["operation"], "Upsert");
    assert.equal((upserted["response"] as { n: number }).n, 2);
    const old = bodyOf(await read("4"));
    await change("PUT", "4", { [pre]: "before" }, { id: "4", pk: "a", n: 3 });
    const replaced = await seen();
    assert.equal(replaced["operation"], "Replace");
    assert.equal((replaced["body"] as { _self: string })._self, old["_self"]);
    await change("PATCH", "4", { [pre]: "before" }, { operations: [{ op: "set", path: "/n", value: 4 }] });
    const patched = await seen();
    assert.equal(patched["operation"], "Patch");
    assert.equal((patched["body"] as { n: number }).n, 4);
    await change("DELETE", "4", { [pre]: "before" });
    const deleted = await seen();
    assert.equal(deleted["operation"], "Delete");
    assert.equal((deleted["body"] as { n: number }).n, 4);
    assert.equal(outcome(await read("4")), "404");
  });

  test("an upsert and a patch keep their own statuses", async () => {
    assert.equal(outcome(await create({ id: "5", pk: "a" }, { [pre]: "stamp", ...upsert })), "201");
    assert.equal(outcome(await create({ id: "5", pk: "a" }, { [pre]: "stamp", ...upsert })), "200");
    const patch = { operations: [{ op: "add", path: "/x", value: 1 }] };
    const reply = await change("PATCH", "5", { [pre]: "onlyUpdate", [post]: "reply" }, patch);
    assert.equal(reply.status, 200);
    assert.deepEqual([bodyOf(reply)["x"], bodyOf(reply)["added"]], [1, true]);
    const stale = await change("PATCH", "5", { [pre]: "stamp", "if-match": '"old"' }, patch);
    assert.equal(outcome(stale), "412");
    assert.equal(outcome(await change("DELETE", "5", { [post]: "onlyDelete" })), "204");
  });

  const refusals: readonly (readonly [string, Record<string, string>, string, RegExp])[] = [
    ["a pre-trigger that throws", { [pre]: "refuse" }, "400/409", /Exception = Error: not today/],
    ["a post-trigger that throws", { [post]: "regret" }, "400", /Exception = Error: not after all/],
    [
      "a trigger that throws after another one wrote",
      { [pre]: "before", [post]: "regret" },
      "400",
      /not after all/,
    ],
    ["a trigger that is missing", { [pre]: "none" }, "400", /Trigger 'none' does not exist/],
    ["a trigger of the other type", { [post]: "stamp" }, "400", /was defined with type 'Pre'/],
    [
      "a trigger for another operation",
      { [pre]: "onlyUpdate" },
      "400",
      /Trigger 'onlyUpdate' was defined with operation type 'Update', and therefore is invalid for 'Create'\./,
    ],
    [
      "a create trigger on an upsert",
      { [pre]: "onlyCreate", ...upsert },
      "400",
      /operation type 'Create', and therefore is invalid for 'Upsert'\./,
    ],
    [
      "a document moved to another partition",
      { [pre]: "move" },
      "400/1001",
      /PartitionKey extracted from document/,
    ],
    ["a document that is none", { [pre]: "spoil" }, "400", /One of the specified inputs is invalid/],
  ];
  for (const [name, headers, expected, text] of refusals) {
    test(`${name} undoes the write`, async () => {
      await change("DELETE", "seen", {});
      const reply = await create({ id: "refused", pk: "a" }, headers);
      assert.equal(outcome(reply), expected, String(reply.body));
      assert.match(messageOf(reply), text);
      assert.equal(outcome(await read("refused")), "404");
      assert.equal(outcome(await read("seen")), "404");
    });
  }

  test("a pre-trigger may supply what the document lacks", async () => {
    const reply = await create({ n: 1 }, { [pre]: "fill" });
    assert.equal(reply.status, 201, String(reply.body));
    assert.equal(bodyOf(reply)["id"], "filled");
    assert.equal(outcome(await create({ n: 1 }, { [post]: "reply" })), "400");
  });

  test("the charge includes what the triggers did", async () => {
    const plain = Number((await create({ id: "c1", pk: "a" }, {})).headers["x-ms-request-charge"]);
    const watched = Number(
      (await create({ id: "c2", pk: "a" }, { [pre]: "before" })).headers["x-ms-request-charge"],
    );
    assert.ok(watched > plain + 5);
  });
});

test("a trigger that loops is ended, and the write with it", async () => {
  const fixture = await openScriptFixture({ ...patientLimits, runMilliseconds: 900, graceMilliseconds: 100 });
  await fixture.register("triggers", { ...triggers.find(({ id }) => id === "loop") });
  const reply = await fixture.sendSigned("POST", `${orders}/docs`, {
    body: { id: "1", pk: "a" },
    headers: { ...pk, [pre]: "loop" },
  });
  assert.equal(outcome(reply), "408");
  assert.deepEqual(await fixture.ids(), []);
  await fixture.engine.scripts.close();
});

/** Items addressed by rid: what clients send that hold an item and its `_self` instead of its name. */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

const docs = "/dbs/shop/colls/orders/docs";
const key = (value: string): Record<string, string> => ({
  "x-ms-documentdb-partitionkey": JSON.stringify([value]),
});

let fixture: CosmosFixture;
/** Link of the item `1` in partition `a`, and its rid. */
let self: string;
let rid: string;

beforeEach(async () => {
  fixture = await openCosmosFixture();
  for (const pk of ["a", "b"]) {
    const reply = await fixture.sendSigned("POST", docs, {
      headers: { ...key(pk), "x-ms-documentdb-is-upsert": "true" },
      body: { id: "1", pk, n: 1 },
    });
    const created = bodyOf(reply) as { _self: string; _rid: string };
    if (pk === "a") [self, rid] = [`/${created._self}`, created._rid];
  }
});

async function left(pk: string): Promise<unknown> {
  const reply = await fixture.sendSigned("GET", `${docs}/1`, { headers: key(pk) });
  return reply.status === 200 ? bodyOf(reply)["n"] : reply.status;
}

interface Row {
  readonly name: string;
  readonly method: string;
  readonly body?: object;
  readonly expected: string;
  /** `n` of the item in partition `a` afterwards, or the status of reading it. */
  readonly after: unknown;
}

const rows: readonly Row[] = [
  { name: "read", method: "GET", expected: "200", after: 1 },
  { name: "replaced", method: "PUT", body: { id: "1", pk: "a", n: 2 }, expected: "200", after: 2 },
  {
    name: "patched",
    method: "PATCH",
    body: { operations: [{ op: "incr", path: "/n", value: 4 }] },
    expected: "200",
    after: 5,
  },
  { name: "deleted", method: "DELETE", expected: "204", after: 404 },
];

describe("an item by its rid", () => {
  for (const { name, method, body, expected, after } of rows) {
    const ask = (target: string, pk: string): ReturnType<CosmosFixture["sendSigned"]> =>
      fixture.sendSigned(method, target, {
        headers: key(pk),
        ...(body === undefined ? {} : { body: "id" in body ? { ...body, pk } : body }),
      });

    test(`is ${name}`, async () => {
      assert.equal(outcome(await ask(self, "a")), expected);
      assert.equal(await left("a"), after);
      assert.equal(await left("b"), 1);
    });

    test(`is not ${name} from another partition, nor its namesake there`, async () => {
      assert.equal(outcome(await ask(self, "b")), "404");
      assert.deepEqual([await left("a"), await left("b")], [1, 1]);
    });

    test(`is not ${name} once another has its name`, async () => {
      await fixture.sendSigned("DELETE", `${docs}/1`, { headers: key("a") });
      await fixture.sendSigned("POST", docs, { headers: key("a"), body: { id: "1", pk: "a", n: 1 } });
      // Nor is an item that is called what the rid is.
      await fixture.sendSigned("POST", docs, { headers: key("a"), body: { id: rid, pk: "a", n: 1 } });
      assert.equal(outcome(await ask(self, "a")), "404");
      assert.equal(await left("a"), 1);
    });
  }

  test("keeps being found by name when its name looks like a rid", async () => {
    await fixture.sendSigned("POST", docs, { headers: key("a"), body: { id: rid, pk: "a", n: 7 } });
    const named = await fixture.sendSigned("GET", `${docs}/${encodeURIComponent(rid)}`, {
      headers: key("a"),
    });
    assert.equal(bodyOf(named)["n"], 7);
    assert.equal(bodyOf(await fixture.sendSigned("GET", self, { headers: key("a") }))["n"], 1);
  });

  test("is for whoever has the item's rights, and for nobody else", async () => {
    const reader = await fixture.principal("reader");
    await fixture.assign(
      "reader",
      reader,
      "00000000-0000-0000-0000-000000000001",
      docs.slice(0, -"/docs".length),
    );
    const stranger = await fixture.principal("stranger");
    assert.equal(outcome(await fixture.sendAs(reader, "GET", self, key("a"))), "200");
    assert.equal(outcome(await fixture.sendAs(reader, "DELETE", self, key("a"))), "403/5303");
    assert.equal(outcome(await fixture.sendAs(stranger, "GET", self, key("a"))), "403/5303");
  });

  test("is opened by a token of that item, not by one of an item that is called like the rid", async () => {
    await fixture.sendSigned("POST", docs, { headers: key("a"), body: { id: rid, pk: "a" } });
    await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "u" } });
    const tokenOf = async (id: string): Promise<string> => {
      const body = {
        id: `p${id.length}`,
        permissionMode: "Read",
        resource: `dbs/shop/colls/orders/docs/${id}`,
      };
      const reply = await fixture.sendSigned("POST", "/dbs/shop/users/u/permissions", { body });
      return encodeURIComponent(String(bodyOf(reply)["_token"]));
    };
    const use = async (token: string): Promise<string> =>
      outcome(await fixture.send("GET", self, { authorization: token, ...key("a") }));
    assert.equal(await use(await tokenOf("1")), "200");
    assert.equal(await use(await tokenOf(rid)), "403");
  });

  test("of a permission opens that item by rid, and no other that is or was called so", async () => {
    await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "u" } });
    const body = { id: "p", permissionMode: "All", resource: self.replace(/^\//, "") };
    const permission = bodyOf(await fixture.sendSigned("POST", "/dbs/shop/users/u/permissions", { body }));
    const authorization = encodeURIComponent(String(permission["_token"]));
    const ask = async (method: string, target: string, pk: string, sent?: object): Promise<string> =>
      outcome(await fixture.send(method, target, { authorization, ...key(pk) }, sent));
    const other = bodyOf(await fixture.sendSigned("GET", `${docs}/1`, { headers: key("b") }));
    assert.equal(await ask("GET", self, "a"), "200");
    assert.equal(await ask("PUT", self, "a", { id: "1", pk: "a", n: 3 }), "200");
    assert.equal(await ask("GET", `/${String(other["_self"])}`, "b"), "403");
    assert.equal(await ask("GET", `${docs}/1`, "b"), "403");
    assert.equal(await ask("GET", `${docs}/${encodeURIComponent(rid)}`, "a"), "403");
    assert.equal(await ask("DELETE", self, "a"), "204");
    await fixture.sendSigned("POST", docs, { headers: key("a"), body: { id: "1", pk: "a", n: 1 } });
    assert.equal(await ask("GET", self, "a"), "404");
    assert.equal(await left("a"), 1);
  });
});

/**
 * Resources below databases and containers: stored procedures, triggers, functions, users, permissions, client
 * encryption keys and conflicts. One table of families goes through the rules that all share; what is particular to a
 * family follows.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { cosmosLock } from "../../src/cosmos/control.ts";
import type { OperationContext } from "../../src/cosmos/operations/operation.ts";
import { type MintToken, permissions } from "../../src/cosmos/operations/permissions.ts";
import { parseAddress } from "../../src/cosmos/wire/address.ts";
import { accountName, bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

type Resource = Readonly<Record<string, unknown>>;

interface Family {
  readonly name: string;
  /** Feed, and the name of its array. */
  readonly feed: string;
  readonly array: string;
  readonly resource: (id: string) => Resource;
  /** What a reply shows besides the id and the common system properties. */
  readonly shown: Resource;
  readonly change: Resource;
  /** Bytes of the rid, and the high nibble of its last byte. */
  readonly rid: readonly [number, number];
  readonly missing: readonly string[];
  readonly can: { readonly upsert: boolean; readonly remove: boolean; readonly query: boolean };
}

const all = { upsert: true, remove: true, query: true };
const colls = "/dbs/shop/colls/orders";
const families: readonly Family[] = [
  {
    name: "stored procedures",
    feed: `${colls}/sprocs`,
    array: "StoredProcedures",
    resource: (id) => ({ id, body: "function () {}" }),
    shown: { body: "function () {}" },
    change: { body: "function () { return 1; }" },
    rid: [16, 8],
    missing: ["id", "body"],
    can: all,
  },
  {
    name: "triggers",
    feed: `${colls}/triggers`,
    array: "Triggers",
    resource: (id) => ({ id, body: "() => {}", triggerType: "post", triggerOperation: "REPLACE" }),
    shown: { body: "() => {}", triggerType: "post", triggerOperation: "REPLACE" },
    change: { triggerType: "Pre" },
    rid: [16, 7],
    missing: ["id", "body", "triggerType", "triggerOperation"],
    can: all,
  },
  {
    name: "functions",
    feed: `${colls}/udfs`,
    array: "UserDefinedFunctions",
    resource: (id) => ({ id, body: "(x) => x" }),
    shown: { body: "(x) => x" },
    change: { body: "(x) => 2 * x" },
    rid: [16, 6],
    missing: ["id", "body"],
    can: all,
  },
  {
    name: "users",
    feed: "/dbs/shop/users",
    array: "Users",
    resource: (id) => ({ id }),
    shown: { _permissions: "permissions/" },
    change: {},
    rid: [8, 0],
    missing: ["id"],
    can: all,
  },
  {
    name: "permissions",
    feed: "/dbs/shop/users/owner/permissions",
    array: "Permissions",
    resource: (id) => ({ id, permissionMode: "all", resource: `dbs/shop/colls/orders/docs/${id}` }),
    shown: { permissionMode: "all" },
    change: { permissionMode: "read" },
    rid: [16, 0],
    missing: ["id", "permissionMode", "resource"],
    can: all,
  },
  {
    name: "client encryption keys",
    feed: "/dbs/shop/clientencryptionkeys",
    array: "ClientEncryptionKeys",
    resource: (id) => ({
      id,
      encryptionAlgorithm: "AEAD_AES_256_CBC_HMAC_SHA256",
      wrappedDataEncryptionKey: "AQID",
      keyWrapMetadata: { type: "custom", name: "n", value: "v", algorithm: "RSA-OAEP" },
    }),
    shown: {
      encryptionAlgorithm: "AEAD_AES_256_CBC_HMAC_SHA256",
      wrappedDataEncryptionKey: "AQID",
      keyWrapMetadata: { type: "custom", name: "n", value: "v", algorithm: "RSA-OAEP" },
    },
    change: { wrappedDataEncryptionKey: "BAUG" },
    rid: [16, 0],
    missing: ["id", "encryptionAlgorithm", "wrappedDataEncryptionKey", "keyWrapMetadata"],
    can: { upsert: false, remove: false, query: false },
  },
];

const query = { "x-ms-documentdb-isquery": "true", "content-type": "application/query+json" };
const upsert = { "x-ms-documentdb-is-upsert": "True" };

async function openFixture(): Promise<CosmosFixture> {
  const fixture = await openCosmosFixture();
  await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "owner" } });
  return fixture;
}

for (const family of families) {
  describe(family.name, () => {
    let fixture: CosmosFixture;
    const { feed, resource } = family;
    const post = (body: unknown, headers: Record<string, string> = {}) =>
      fixture.sendSigned("POST", feed, { body, headers });
    const send = (method: string, id: string, body?: unknown, headers: Record<string, string> = {}) =>
      fixture.sendSigned(method, `${feed}/${encodeURIComponent(id)}`, { body, headers });
    before(async () => {
      fixture = await openFixture();
    });

    test("are created with their system properties, and read by id and rid", async () => {
      const reply = await post({ ...resource("one"), _rid: "mine", _ts: 1, _token: "mine" });
      assert.equal(outcome(reply), "201", String(reply.body));
      const { id, _rid, _self, _etag, _ts, ...rest } = bodyOf(reply);
      assert.equal(id, "one");
      assert.equal(reply.headers["etag"], _etag);
      assert.equal(_ts, Math.floor(fixture.clock.now() / 1000));
      const { resource: link, _token: token, ...shown } = rest;
      assert.equal(
        typeof token === "string" && token.startsWith("type=resource&ver=1&sig="),
        family.name === "permissions",
      );
      assert.deepEqual(shown, family.shown);
      assert.equal(link, (resource("one") as { resource?: string }).resource);
      const bytes = Buffer.from(String(_rid).replaceAll("-", "/"), "base64");
      assert.deepEqual([bytes.length, (bytes.at(-1) ?? 0) >> 4], family.rid);
      const self = String(_self);
      assert.match(self, /^dbs\/[^/]+=\/.*\/$/);
      for (const target of [`${feed}/one`, `${feed}/${String(_rid)}`]) {
        const read = await fixture.sendSigned("GET", target);
        assert.deepEqual(bodyOf(read), bodyOf(reply));
        const unchanged = await fixture.sendSigned("GET", target, {
          headers: { "if-none-match": String(_etag) },
        });
        assert.equal(outcome(unchanged), "304");
      }
      const bySelf = await fixture.sendSigned("GET", `/${self.slice(0, -1)}`);
      assert.deepEqual(bodyOf(bySelf), bodyOf(reply));
    });

    test("refuse ids that are taken or impossible, and bodies that lack something", async () => {
      assert.equal(outcome(await post(resource("one"))), "409");
      for (const id of ["", "a/b", "a\\b", "a#b", "a?b", "x".repeat(256), "end ", 5, null]) {
        assert.equal(outcome(await post({ ...resource("x"), id })), "400", JSON.stringify(id));
      }
      for (const name of family.missing) {
        const { [name]: _, ...rest } = resource("incomplete") as Record<string, unknown>;
        assert.equal(outcome(await post(rest)), "400", name);
      }
      assert.equal(outcome(await post("[]")), "400");
      assert.equal(outcome(await post("{")), "400");
      assert.equal(outcome(await post(resource("x".repeat(255)))), "201");
    });

    test("are replaced, with If-Match when it is given", async () => {
      const created = bodyOf(await post(resource("two")));
      const changed = { ...resource("two"), ...family.change };
      const reply = await send("PUT", "two", changed, { "if-match": String(created["_etag"]) });
      assert.equal(outcome(reply), "200", String(reply.body));
      assert.equal(bodyOf(reply)["_rid"], created["_rid"]);
      assert.notEqual(bodyOf(reply)["_etag"], created["_etag"]);
      assert.equal(
        outcome(await send("PUT", "two", changed, { "if-match": String(created["_etag"]) })),
        "412",
      );
      assert.equal(outcome(await send("PUT", "two", changed, { "if-match": "*" })), "200");
      assert.equal(outcome(await send("PUT", "none", resource("none"))), "404");
      const { id: _, ...nameless } = changed as { id?: string };
      assert.equal(outcome(await send("PUT", "two", nameless)), "400");
    });

    test("may be renamed, but not over another one", async () => {
      const created = bodyOf(await post(resource("three")));
      assert.equal(outcome(await send("PUT", "three", resource("one"))), "409");
      const reply = await send("PUT", "three", resource("renamed"));
      assert.equal(outcome(reply), "200");
      assert.equal(bodyOf(reply)["_rid"], created["_rid"]);
      assert.equal(outcome(await send("GET", "three")), "404");
      assert.equal(outcome(await send("GET", "renamed")), "200");
    });

    test("are listed in the order of their creation, page by page", async () => {
      const seen: unknown[] = [];
      let headers: Record<string, string> = { "x-ms-max-item-count": "2" };
      for (;;) {
        const reply = await fixture.sendSigned("GET", feed, { headers });
        const page = bodyOf(reply)[family.array] as { id: string }[];
        assert.equal(bodyOf(reply)["_count"], page.length);
        seen.push(...page.map(({ id }) => id));
        const next = reply.headers["x-ms-continuation"];
        if (next === undefined) break;
        headers = { ...headers, "x-ms-continuation": next };
      }
      const wanted = ["one", "x".repeat(255), "two", "renamed"];
      assert.deepEqual(
        seen.filter((id) => id !== "owner"),
        wanted,
      );
    });

    if (family.can.query) {
      test("are queried", async () => {
        const body = {
          query: "SELECT VALUE r.id FROM root r WHERE r.id = @id",
          parameters: [{ name: "@id", value: "two" }],
        };
        const reply = await post(body, query);
        assert.equal(outcome(reply), "200");
        assert.deepEqual(bodyOf(reply)[family.array], ["two"]);
        assert.equal(outcome(await post({ query: "SELECT" }, query)), "400");
      });
    }

    if (family.can.upsert) {
      test("are upserted", async () => {
        const first = await post(resource("four"), upsert);
        assert.equal(outcome(first), "201");
        const second = await post({ ...resource("four"), ...family.change }, upsert);
        assert.equal(outcome(second), "200");
        assert.equal(bodyOf(second)["_rid"], bodyOf(first)["_rid"]);
        const stale = { ...upsert, "if-match": String(bodyOf(first)["_etag"]) };
        assert.equal(outcome(await post(resource("four"), stale)), "412");
        assert.equal(outcome(await post(resource("five"), stale)), "201");
      });
    }

    if (family.can.remove) {
      test("are deleted, with If-Match when it is given", async () => {
        assert.equal(outcome(await send("DELETE", "two", undefined, { "if-match": '"old"' })), "412");
        assert.equal(outcome(await send("DELETE", "two")), "204");
        assert.equal(outcome(await send("DELETE", "two")), "404");
        assert.equal(outcome(await send("GET", "two")), "404");
        assert.equal(outcome(await post(resource("two"))), "201");
      });
    }

    test("have an owner", async () => {
      const elsewhere = feed.replace("/dbs/shop", "/dbs/none");
      for (const method of ["GET", "POST"]) {
        assert.equal(
          outcome(await fixture.sendSigned(method, elsewhere, { body: resource("x") })),
          "404/1003",
        );
      }
      const container = feed.replace("/orders/", "/none/");
      if (container !== feed) {
        assert.equal(outcome(await fixture.sendSigned("GET", container)), "404/1003");
      }
    });
  });
}

describe("owners and their children", () => {
  test("go together: container, user, database and account", async () => {
    const fixture = await openFixture();
    const make = async () => {
      for (const { feed, resource } of families) {
        const reply = await fixture.sendSigned("POST", feed, { body: resource("child") });
        assert.equal(reply.status, 201, `${feed} ${String(reply.body)}`);
      }
    };
    const count = async (feed: string): Promise<unknown> =>
      bodyOf(await fixture.sendSigned("GET", feed))["_count"];
    const recreate = (id: string) =>
      fixture.sendSigned("POST", "/dbs/shop/colls", { body: { id, partitionKey: { paths: ["/pk"] } } });
    await make();
    await fixture.sendSigned("DELETE", colls);
    await recreate("orders");
    for (const kind of ["sprocs", "triggers", "udfs"]) assert.equal(await count(`${colls}/${kind}`), 0);
    assert.equal(await count("/dbs/shop/users/owner/permissions"), 1);
    await fixture.sendSigned("DELETE", "/dbs/shop/users/owner");
    await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "owner" } });
    assert.equal(await count("/dbs/shop/users/owner/permissions"), 0);
    await fixture.sendSigned("DELETE", "/dbs/shop");
    await fixture.sendSigned("POST", "/dbs", { body: { id: "shop" } });
    await recreate("orders");
    for (const { feed } of families.filter(({ name }) => name !== "permissions"))
      assert.equal(await count(feed), 0);
    await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "owner" } });
    await make();
    await fixture.store.transact([cosmosLock(accountName)], (transaction) =>
      fixture.control.deleteAccount(transaction, accountName),
    );
    await fixture.setAccount({});
    await fixture.sendSigned("POST", "/dbs", { body: { id: "shop" } });
    assert.equal(await count("/dbs/shop/users"), 0);
  });

  test("a renamed user keeps its permissions", async () => {
    const fixture = await openFixture();
    const body = { id: "p", permissionMode: "Read", resource: "dbs/shop/colls/orders" };
    await fixture.sendSigned("POST", "/dbs/shop/users/owner/permissions", { body });
    await fixture.sendSigned("PUT", "/dbs/shop/users/owner", { body: { id: "heir" } });
    assert.equal(outcome(await fixture.sendSigned("GET", "/dbs/shop/users/heir/permissions/p")), "200");
    assert.equal(outcome(await fixture.sendSigned("GET", "/dbs/shop/users/owner/permissions/p")), "404/1003");
  });

  test("two creates of one id at once: one wins", async () => {
    const fixture = await openFixture();
    const replies = await Promise.all(
      Array.from({ length: 5 }, () =>
        fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "racer" } }),
      ),
    );
    assert.deepEqual(replies.map(outcome).sort(), ["201", "409", "409", "409", "409"]);
  });

  test("a locked account refuses changes of scripts and not of users", async () => {
    const fixture = await openFixture();
    await fixture.setAccount({ disableKeyBasedMetadataWriteAccess: true });
    for (const { feed, resource, name } of families) {
      const isData = name === "users" || name === "permissions";
      const reply = await fixture.sendSigned("POST", feed, { body: resource("late") });
      assert.equal(outcome(reply), isData ? "201" : "403", name);
    }
  });
});

describe("permissions", () => {
  let fixture: CosmosFixture;
  const feed = "/dbs/shop/users/owner/permissions";
  const post = (body: Resource, headers: Record<string, string> = {}) =>
    fixture.sendSigned("POST", feed, { body: { permissionMode: "Read", ...body }, headers });
  before(async () => {
    fixture = await openFixture();
  });

  test("a user has at most one for a resource and partition key, however it is spelled", async () => {
    const { _rid, _self } = bodyOf(await fixture.sendSigned("GET", colls)) as { _rid: string; _self: string };
    const database = _self.split("/")[1] ?? "";
    assert.equal(outcome(await post({ id: "whole", resource: "dbs/shop/colls/orders" })), "201");
    const spellings = [
      "/dbs/shop/colls/orders/",
      _self,
      `dbs/shop/colls/${_rid}`,
      `dbs/${database}/colls/orders`,
    ];
    for (const resource of spellings)
      assert.equal(outcome(await post({ id: "again", resource })), "409", resource);
    const keyed = { resource: "dbs/shop/colls/orders", resourcePartitionKey: ["a"] };
    assert.equal(outcome(await post({ id: "keyed", ...keyed })), "201");
    assert.equal(outcome(await post({ id: "keyedAgain", ...keyed })), "409");
    assert.equal(outcome(await post({ id: "other", ...keyed, resourcePartitionKey: ["b"] })), "201");
    const changed = await fixture.sendSigned("PUT", `${feed}/other`, {
      body: { id: "other", permissionMode: "All", ...keyed },
    });
    assert.equal(outcome(changed), "409");
    await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "second" } });
    const elsewhere = await fixture.sendSigned("POST", "/dbs/shop/users/second/permissions", {
      body: { id: "whole", permissionMode: "Read", resource: "dbs/shop/colls/orders" },
    });
    assert.equal(outcome(elsewhere), "201");
  });

  test("what they name must be a container, or something in one", async () => {
    const good = [
      "dbs/d/colls/c",
      "dbs/d/colls/c/docs/1",
      "dbs/d/colls/c/sprocs/s/",
      "dbs/d/colls/c/udfs/u",
      "/dbs/d/colls/c/triggers/t",
    ];
    for (const [at, resource] of good.entries())
      assert.equal(outcome(await post({ id: `g${at}`, resource })), "201", resource);
    const bad = [
      "",
      "dbs",
      "dbs/d",
      "dbs/d/colls",
      "dbs/d/colls/c/docs",
      "dbs/d/users/u",
      "dbs/d/colls/c/docs/1/x/y",
      "colls/c",
      "dbs//colls/c",
    ];
    for (const resource of bad) assert.equal(outcome(await post({ id: "bad", resource })), "400", resource);
    assert.equal(
      outcome(await post({ id: "bad", resource: "dbs/d/colls/x", permissionMode: "Write" })),
      "400",
    );
    assert.equal(
      outcome(await post({ id: "bad", resource: "dbs/d/colls/x", resourcePartitionKey: "a" })),
      "400",
    );
  });

  const lives: readonly (readonly [string, number | "400"])[] = [
    ["", 3600],
    ["10", 10],
    ["18000", 18000],
    ["9", "400"],
    ["18001", "400"],
    ["soon", "400"],
    ["60.5", "400"],
  ];
  for (const [text, expected] of lives) {
    test(`a life of '${text}' seconds ${expected === "400" ? "is refused" : `makes a token of ${expected}`}`, async () => {
      const headers: Record<string, string> = text === "" ? {} : { "x-ms-documentdb-expiry-seconds": text };
      const minted: unknown[] = [];
      const mint: MintToken = (grant, seconds) => {
        minted.push([grant, seconds]);
        return `type=resource&n=${minted.length}`;
      };
      const read = permissions.read(await contextOf(fixture, `${feed}/keyed`, headers, mint));
      if (expected === "400") {
        await assert.rejects(read, { status: 400 });
        return;
      }
      const body = (await read).body as Resource;
      assert.equal(body["_token"], "type=resource&n=1");
      assert.equal(body["target"], undefined);
      const { _rid: permissionRid } = body as { _rid: string };
      const { _rid: userRid } = bodyOf(await fixture.sendSigned("GET", "/dbs/shop/users/owner"));
      const grant = { permissionRid, permissionId: "keyed", user: "owner", userRid, mode: "Read" };
      const target = { resource: "dbs/shop/colls/orders", partitionKey: ["a"] };
      assert.deepEqual(minted, [[{ ...grant, ...target }, expected]]);
    });
  }

  test("every entry of the feed has a token of its own", async () => {
    let count = 0;
    const mint: MintToken = () => `token ${++count}`;
    const { body } = await permissions.list(await contextOf(fixture, feed, {}, mint));
    const tokens = (body as { Permissions: { _token: string }[] }).Permissions.map(({ _token }) => _token);
    assert.equal(new Set(tokens).size, tokens.length);
    assert.ok(tokens.length > 2);
  });
});

/** What the gateway would hand to an operation, with something to mint tokens with. */
async function contextOf(
  { engine }: CosmosFixture,
  target: string,
  headers: Record<string, string>,
  mintToken: MintToken,
): Promise<OperationContext> {
  const account = engine.catalog.find(accountName);
  const database = account?.databases.get("shop");
  assert.ok(account !== undefined && database !== undefined);
  const address = parseAddress(target);
  const body = new Uint8Array(0);
  return { engine, account, database, address, headers, body, origin: "", batch: () => [], mintToken };
}

describe("conflicts", () => {
  test("there are none", async () => {
    const fixture = await openCosmosFixture();
    const feed = bodyOf(await fixture.sendSigned("GET", `${colls}/conflicts`));
    assert.deepEqual([feed["Conflicts"], feed["_count"]], [[], 0]);
    const asked: readonly (readonly [Record<string, string>, string])[] = [
      [{}, "400"],
      [{ "x-ms-documentdb-query-enablecrosspartition": "False" }, "400"],
      [{ "x-ms-documentdb-query-enablecrosspartition": "True" }, "200"],
      [{ "x-ms-documentdb-partitionkey": '["a"]' }, "200"],
      [{ "x-ms-documentdb-partitionkeyrangeid": "0" }, "200"],
      [{ "x-ms-documentdb-partitionkeyrangeid": "7" }, "410/1002"],
    ];
    for (const [headers, expected] of asked) {
      const found = await fixture.sendSigned("POST", `${colls}/conflicts`, {
        headers: { ...query, ...headers },
        body: { query: "SELECT * FROM c" },
      });
      assert.equal(outcome(found), expected, JSON.stringify(headers));
      if (expected === "200") assert.deepEqual(bodyOf(found)["Conflicts"], []);
      if (expected === "400")
        assert.match(String(bodyOf(found)["message"]), /Cross partition query is required/);
    }
    for (const method of ["GET", "DELETE"]) {
      assert.equal(outcome(await fixture.sendSigned(method, `${colls}/conflicts/1`)), "404");
    }
    assert.equal(outcome(await fixture.sendSigned("GET", "/dbs/shop/colls/none/conflicts")), "404/1003");
    const attachments = await fixture.sendSigned("GET", `${colls}/docs/1/attachments`);
    assert.equal(outcome(attachments), "404");
  });
});

/**
 * Resource tokens over the wire: how they are given out, how long they are good for, what ends them, and what they
 * never open. What each target and mode opens operation by operation is the access table's business.
 */
import assert from "node:assert/strict";
import { before, beforeEach, describe, test } from "node:test";
import { cosmosLock } from "../../src/cosmos/control.ts";
import { accountName, bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

const orders = "/dbs/shop/colls/orders";
const user = "/dbs/shop/users/phone";
const permissions = `${user}/permissions`;
const key = (...values: unknown[]): Record<string, string> => ({
  "x-ms-documentdb-partitionkey": JSON.stringify(values),
});

interface Permission {
  readonly _rid: string;
  readonly _token: string;
}

let fixture: CosmosFixture;

async function open(): Promise<void> {
  fixture = await openCosmosFixture();
  for (const [id, pk] of [
    ["1", "a"],
    ["1", "b"],
    ["2", "a"],
  ])
    await fixture.sendSigned("POST", `${orders}/docs`, { headers: key(pk), body: { id, pk, secret: pk } });
  await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "phone" } });
}

async function grant(body: object, headers: Record<string, string> = {}): Promise<Permission> {
  const reply = await fixture.sendSigned("POST", permissions, {
    headers,
    body: { id: "p", permissionMode: "All", resource: "dbs/shop/colls/orders", ...body },
  });
  assert.equal(outcome(reply), "201", String(reply.body));
  return bodyOf(reply) as unknown as Permission;
}

async function use(
  token: string,
  method: string,
  target: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<string> {
  return outcome(
    await fixture.send(method, target, { authorization: encodeURIComponent(token), ...headers }, body),
  );
}

const read = (token: string): Promise<string> => use(token, "GET", `${orders}/docs/1`, key("a"));

describe("the life of a resource token", () => {
  beforeEach(open);

  test("every way to see a permission gives a token; later ones live longer", async () => {
    const first = (await grant({}))._token;
    fixture.clock.advance(1000);
    const replies = [
      await fixture.sendSigned("GET", `${permissions}/p`),
      await fixture.sendSigned("PUT", `${permissions}/p`, {
        body: { id: "p", permissionMode: "all", resource: "dbs/shop/colls/orders/" },
      }),
      await fixture.sendSigned("POST", permissions, {
        headers: { "x-ms-documentdb-is-upsert": "True" },
        body: { id: "p", permissionMode: "Read", resource: "dbs/shop/colls/orders" },
      }),
    ].map((reply) => bodyOf(reply) as unknown as Permission);
    const feed = bodyOf(await fixture.sendSigned("GET", permissions))["Permissions"] as Permission[];
    for (const { _token: token } of [...replies, ...feed]) {
      assert.match(token, /^type=resource&ver=1&sig=/);
      assert.notEqual(token, first);
      assert.equal(await read(token), "200");
    }
    fixture.clock.advance(3_599_000);
    assert.equal(await read(first), "401");
    assert.equal(await read(replies[0]?._token ?? ""), "200");
  });

  for (const [text, seconds] of [
    [undefined, 3600],
    ["10", 10],
    ["18000", 18_000],
  ] as const) {
    test(`${text ?? "no"} expiry header: 401 after ${seconds} seconds, to the second`, async () => {
      const headers = text === undefined ? undefined : { "x-ms-documentdb-expiry-seconds": text };
      const token = (await grant({}, headers))._token;
      fixture.clock.advance(seconds * 1000 - 1);
      assert.equal(await read(token), "200");
      fixture.clock.advance(1);
      assert.equal(await read(token), "401");
      assert.equal(await use(token, "GET", "/"), "401");
      const reply = await fixture.send("GET", `${orders}/docs/1`, { authorization: token, ...key("a") });
      assert.match(
        String(bodyOf(reply)["message"]),
        /^The authorization token is not valid at the current time\. Please create another token and retry \(token start time: Sat, 21 Nov 2026 12:00:00 GMT, token expiry time: /,
      );
    });
  }

  for (const text of ["9", "18001", "86400", "1e3x", "-1"]) {
    test(`an expiry of ${text} seconds is refused, and nothing is stored`, async () => {
      const headers = { "x-ms-documentdb-expiry-seconds": text };
      const body = { id: "p", permissionMode: "All", resource: "dbs/shop/colls/orders" };
      assert.equal(outcome(await fixture.sendSigned("POST", permissions, { headers, body })), "400");
      assert.equal(outcome(await fixture.sendSigned("GET", `${permissions}/p`)), "404");
    });
  }

  const endings: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["its permission", () => fixture.sendSigned("DELETE", `${permissions}/p`)],
    [
      "its permission, even when one of the same name follows",
      async () => {
        await fixture.sendSigned("DELETE", `${permissions}/p`);
        await grant({});
      },
    ],
    ["its user", () => fixture.sendSigned("DELETE", user)],
    [
      "its user, even when one of the same name follows",
      async () => {
        await fixture.sendSigned("DELETE", user);
        await fixture.sendSigned("POST", "/dbs/shop/users", { body: { id: "phone" } });
        await grant({});
      },
    ],
    ["its database", () => fixture.sendSigned("DELETE", "/dbs/shop")],
    ["the key it was asked for with", () => regenerate("primary")],
  ];
  for (const [name, end] of endings) {
    test(`it ends with ${name}`, async () => {
      const token = (await grant({}))._token;
      assert.equal(await read(token), "200");
      await end();
      assert.equal(await read(token), "401");
      assert.equal(await use(token, "GET", "/"), "401");
    });
  }

  test("it does not end with another key, a renamed permission or a renamed user", async () => {
    const token = (await grant({}))._token;
    for (const kind of ["secondary", "primaryReadonly", "secondaryReadonly"] as const) await regenerate(kind);
    const renamed = { id: "q", permissionMode: "All", resource: "dbs/shop/colls/orders" };
    assert.equal(outcome(await fixture.sendSigned("PUT", `${permissions}/p`, { body: renamed })), "200");
    assert.equal(outcome(await fixture.sendSigned("PUT", user, { body: { id: "tablet" } })), "200");
    assert.equal(await read(token), "200");
  });

  test("asked for with the secondary key, it ends with that one", async () => {
    await grant({});
    const reply = await fixture.sendSigned("GET", `${permissions}/p`, { key: "secondaryMasterKey" });
    const token = (bodyOf(reply) as unknown as Permission)._token;
    await regenerate("primary");
    assert.equal(await read(token), "200");
    await regenerate("secondary");
    assert.equal(await read(token), "401");
  });

  test("a new container of the same name is not what the permission was for", async () => {
    const token = (await grant({}))._token;
    await fixture.sendSigned("DELETE", orders);
    const again = { id: "orders", partitionKey: { paths: ["/pk"] } };
    assert.equal(outcome(await fixture.sendSigned("POST", "/dbs/shop/colls", { body: again })), "201");
    assert.equal(await use(token, "GET", orders), "403");
    assert.equal(await read(token), "403");
  });
});

async function regenerate(
  kind: "primary" | "secondary" | "primaryReadonly" | "secondaryReadonly",
): Promise<void> {
  await fixture.store.transact([cosmosLock(accountName)], (transaction) =>
    fixture.control.regenerateKey(transaction, accountName, kind),
  );
}

describe("who gets tokens", () => {
  before(open);

  test("read-only keys and Entra tokens get none", async () => {
    await grant({});
    for (const target of [permissions, `${permissions}/p`]) {
      const readOnly = await fixture.sendSigned("GET", target, { key: "primaryReadonlyMasterKey" });
      assert.equal(outcome(readOnly), "401");
      assert.doesNotMatch(String(readOnly.body), /type=resource/);
    }
    const contributor = await fixture.principal("contributor");
    await fixture.assign(
      "a0000000-0000-0000-0000-000000000001",
      contributor,
      "00000000-0000-0000-0000-000000000002",
    );
    assert.equal(outcome(await fixture.sendAs(contributor, "GET", `${permissions}/p`)), "403/5300");
  });

  test("a token cannot get another token", async () => {
    const { _token: token } = await grant({ id: "own", resource: "dbs/shop/colls/customers" });
    for (const [method, target, body] of [
      ["GET", `${permissions}/own`],
      ["GET", permissions],
      ["POST", permissions, { id: "more", permissionMode: "All", resource: "dbs/shop/colls/orders" }],
      ["PUT", `${permissions}/own`, { id: "own", permissionMode: "All", resource: "dbs/shop/colls/orders" }],
      ["DELETE", `${permissions}/own`],
      ["GET", user],
      ["GET", "/dbs/shop"],
      ["GET", "/dbs"],
      ["GET", "/offers"],
    ] as const)
      assert.equal(await use(token, method, target, {}, body), "403", `${method} ${target}`);
  });

  test("accounts without local authorization take none: 401/5202", async () => {
    const { _token: token } = await grant({
      id: "before",
      resource: "dbs/shop/colls/orders",
      resourcePartitionKey: ["z"],
    });
    await fixture.setAccount({ disableLocalAuth: true });
    assert.equal(await read(token), "401/5202");
    await fixture.setAccount({ disableLocalAuth: false });
    assert.equal(await use(token, "GET", orders), "200");
  });

  test("the lock on metadata holds for tokens, too", async () => {
    await fixture.sendSigned("POST", `${orders}/udfs`, { body: { id: "f", body: "(x) => x" } });
    const { _token: token } = await grant({ id: "udf", resource: "dbs/shop/colls/orders/udfs/f" });
    const replace = (): Promise<string> =>
      use(token, "PUT", `${orders}/udfs/f`, {}, { id: "f", body: "(x) => 2 * x" });
    await fixture.setAccount({ disableKeyBasedMetadataWriteAccess: true });
    assert.equal(await replace(), "403");
    await fixture.setAccount({ disableKeyBasedMetadataWriteAccess: false });
    assert.equal(await replace(), "200");
  });

  test("forged, cut and foreign tokens are 401", async () => {
    const { _token: token } = await grant({
      id: "real",
      resource: "dbs/shop/colls/orders",
      resourcePartitionKey: ["y"],
    });
    const [, signature = "", payload = ""] = /sig=([^;]+);([^;]+);/.exec(token) ?? [];
    const rights = JSON.parse(Buffer.from(payload, "base64").toString("utf8")) as Record<string, unknown>;
    const forged = (change: object): string =>
      `type=resource&ver=1&sig=${signature};${Buffer.from(JSON.stringify({ ...rights, ...change })).toString("base64")};`;
    const tokens = [
      forged({ mode: "All", target: { ...(rights["target"] as object), partition: undefined } }),
      forged({ expires: 9_999_999_999 }),
      `type=resource&ver=1&sig=;${payload};`,
      `type=resource&ver=1&sig=${signature};;`,
      `type=resource&ver=1&sig=AAAAAAAAAAAAAAAAAAAAAA==;${payload};`,
      "type=resource&ver=1&sig=x",
    ];
    for (const other of tokens) assert.equal(await use(other, "GET", orders), "401", other);
    assert.equal(await use(token, "GET", orders), "200");
  });
});

describe("a token for one partition", () => {
  let token: string;
  before(async () => {
    await open();
    token = (await grant({ resourcePartitionKey: ["a"] }))._token;
  });
  const query = { "x-ms-documentdb-isquery": "true", "content-type": "application/query+json" };
  const everywhere = { ...query, "x-ms-documentdb-query-enablecrosspartition": "true" };
  const text = { query: "SELECT * FROM c" };
  const batch = { "x-ms-cosmos-is-batch-request": "True" };
  const atomic = { ...batch, "x-ms-cosmos-batch-atomic": "True" };
  const parts = (pk?: string) => [
    { operationType: "Read", id: "1", ...(pk === undefined ? {} : { partitionKey: JSON.stringify([pk]) }) },
  ];
  const rows: readonly (readonly [string, string, string, Record<string, string>, unknown, string])[] = [
    ["read its container", "GET", orders, {}, undefined, "200"],
    ["list its ranges", "GET", `${orders}/pkranges`, {}, undefined, "200"],
    ["read in it", "GET", `${orders}/docs/1`, key("a"), undefined, "200"],
    ["read elsewhere", "GET", `${orders}/docs/1`, key("b"), undefined, "403"],
    ["read without a key", "GET", `${orders}/docs/1`, {}, undefined, "403"],
    ["query it", "POST", `${orders}/docs`, { ...query, ...key("a") }, text, "200"],
    ["query elsewhere", "POST", `${orders}/docs`, { ...query, ...key("b") }, text, "403"],
    ["query everywhere", "POST", `${orders}/docs`, everywhere, text, "403"],
    [
      "query everywhere by a filter on it",
      "POST",
      `${orders}/docs`,
      everywhere,
      { query: "SELECT * FROM c WHERE c.pk = 'a'" },
      "403",
    ],
    [
      "query a whole range under its name",
      "POST",
      `${orders}/docs`,
      { ...everywhere, "x-ms-documentdb-partitionkeyrangeid": "0" },
      text,
      "403",
    ],
    ["read its feed", "GET", `${orders}/docs`, key("a"), undefined, "200"],
    ["read the whole feed", "GET", `${orders}/docs`, {}, undefined, "403"],
    [
      "follow its changes",
      "GET",
      `${orders}/docs`,
      { "a-im": "Incremental feed", ...key("a") },
      undefined,
      "200",
    ],
    ["follow all changes", "GET", `${orders}/docs`, { "a-im": "Incremental feed" }, undefined, "403"],
    ["create in it", "POST", `${orders}/docs`, key("a"), { id: "n", pk: "a" }, "201"],
    ["create elsewhere", "POST", `${orders}/docs`, key("b"), { id: "n", pk: "b" }, "403"],
    [
      "smuggle another partition's item in",
      "POST",
      `${orders}/docs`,
      key("a"),
      { id: "m", pk: "b" },
      "400/1001",
    ],
    ["run a batch in it", "POST", `${orders}/docs`, { ...atomic, ...key("a") }, parts(), "200"],
    ["run a batch elsewhere", "POST", `${orders}/docs`, { ...atomic, ...key("b") }, parts(), "403"],
    ["run a bulk", "POST", `${orders}/docs`, { ...batch, ...key("a") }, parts("b"), "403"],
    ["run a bulk in its own name", "POST", `${orders}/docs`, { ...batch, ...key("a") }, parts("a"), "403"],
    ["list scripts", "GET", `${orders}/sprocs`, {}, undefined, "403"],
  ];
  for (const [name, method, target, headers, body, expected] of rows) {
    test(`${expected.startsWith("2") ? "may" : "may not"} ${name}: ${expected}`, async () => {
      assert.equal(await use(token, method, target, headers, body), expected);
    });
  }

  test("shows no item of another partition in what it may read", async () => {
    const headers = { authorization: token, ...key("a"), "x-ms-documentdb-partitionkeyrangeid": "0" };
    for (const [method, more, body] of [
      ["GET", {}, undefined],
      ["GET", { "a-im": "Incremental feed" }, undefined],
      ["POST", everywhere, text],
      ["POST", everywhere, { query: "SELECT * FROM c WHERE c.pk = 'b' OR true" }],
    ] as const) {
      const reply = await fixture.send(method, `${orders}/docs`, { ...headers, ...more }, body);
      const documents = bodyOf(reply)["Documents"] as { pk: string }[];
      assert.ok(documents.length > 0, outcome(reply));
      assert.deepEqual([...new Set(documents.map(({ pk }) => pk))], ["a"]);
    }
  });
});

describe("a token for a prefix of a hierarchical key", () => {
  const tree = "/dbs/shop/colls/tree";
  let token: string;
  before(async () => {
    await open();
    const partitionKey = { paths: ["/tenant", "/user"], kind: "MultiHash", version: 2 };
    const made = await fixture.sendSigned("POST", "/dbs/shop/colls", { body: { id: "tree", partitionKey } });
    assert.equal(outcome(made), "201", String(made.body));
    for (const [tenant, name] of [
      ["t", "u"],
      ["x", "u"],
    ])
      await fixture.sendSigned("POST", `${tree}/docs`, {
        headers: key(tenant, name),
        body: { id: "1", tenant, user: name },
      });
    token = (await grant({ resource: "dbs/shop/colls/tree", resourcePartitionKey: ["t"] }))._token;
  });
  const query = { "x-ms-documentdb-isquery": "true", "content-type": "application/query+json" };
  for (const [values, point, feed] of [
    [["t", "u"], "200", "200"],
    [["t"], "400/1001", "200"],
    [["x", "u"], "403", "403"],
    [["x"], "403", "403"],
    [[], "403", "403"],
    [[null, "u"], "403", "403"],
  ] as const) {
    test(`under ${JSON.stringify(values)}: item ${point}, query ${feed}`, async () => {
      assert.equal(await use(token, "GET", `${tree}/docs/1`, key(...values)), point);
      const headers = { ...query, ...key(...values) };
      assert.equal(await use(token, "POST", `${tree}/docs`, headers, { query: "SELECT * FROM c" }), feed);
    });
  }
});

describe("links of permissions", () => {
  beforeEach(open);
  const links: readonly (readonly [string, () => Promise<string>, string])[] = [
    [
      "a container by rid",
      async () => `dbs/${await ridOf("/dbs/shop")}/colls/${await ridOf(orders)}/`,
      "200",
    ],
    ["a container that is not there", async () => "dbs/shop/colls/none", "403"],
    ["a container of another database", async () => "dbs/other/colls/orders", "403"],
    ["an item by name, in every partition", async () => "dbs/shop/colls/orders/docs/1", "200"],
    ["another item", async () => "dbs/shop/colls/orders/docs/2", "403"],
  ];
  for (const [name, link, expected] of links) {
    test(`${name}: reading an item is ${expected}`, async () => {
      const { _token: token } = await grant({ resource: await link() });
      assert.equal(await read(token), expected);
      assert.equal(await use(token, "GET", "/"), "200");
    });
  }

  test("an empty partition key is refused, for it would mean every partition", async () => {
    const body = {
      id: "p",
      permissionMode: "All",
      resource: "dbs/shop/colls/orders",
      resourcePartitionKey: [],
    };
    assert.equal(outcome(await fixture.sendSigned("POST", permissions, { body })), "400");
  });

  test("an item in one partition is not its namesake in another", async () => {
    const { _token: token } = await grant({
      resource: "dbs/shop/colls/orders/docs/1",
      resourcePartitionKey: ["b"],
    });
    assert.equal(await use(token, "GET", `${orders}/docs/1`, key("b")), "200");
    assert.equal(await use(token, "GET", `${orders}/docs/1`, key("a")), "403");
  });

  async function ridOf(target: string): Promise<string> {
    return String(bodyOf(await fixture.sendSigned("GET", target))["_rid"]);
  }
});

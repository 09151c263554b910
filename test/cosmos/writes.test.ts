/** Patch, batch, bulk, unique keys, time to live and delete by partition key: tables of requests and what must come of them. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { sweepExpired } from "../../src/cosmos/engine/ttl.ts";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

const docs = "/dbs/shop/colls/orders/docs";
const a = { "x-ms-documentdb-partitionkey": '["a"]' };
const item = { id: "1", pk: "a", n: 1, tags: ["x", "y"], deep: { v: true } };

async function put(fixture: CosmosFixture, body: object = item): Promise<void> {
  const headers = { ...a, "x-ms-documentdb-is-upsert": "true" };
  assert.ok((await fixture.sendSigned("POST", docs, { headers, body })).status < 300);
}

async function read(fixture: CosmosFixture, id = "1"): Promise<Record<string, unknown>> {
  const body = bodyOf(await fixture.sendSigned("GET", `${docs}/${id}`, { headers: a }));
  return Object.fromEntries(Object.entries(body).filter(([name]) => !name.startsWith("_")));
}

type PatchRow = readonly [name: string, body: unknown, expected: string | Record<string, unknown>];

const patches: readonly PatchRow[] = [
  ["set a new property", [{ op: "set", path: "/color", value: "red" }], { ...item, color: "red" }],
  ["set an existing one", [{ op: "set", path: "/n", value: 2 }], { ...item, n: 2 }],
  ["set inside", [{ op: "set", path: "/deep/v", value: false }], { ...item, deep: { v: false } }],
  [
    "add into an array moves the rest",
    [{ op: "add", path: "/tags/1", value: "z" }],
    { ...item, tags: ["x", "z", "y"] },
  ],
  ["add at the end", [{ op: "add", path: "/tags/-", value: "z" }], { ...item, tags: ["x", "y", "z"] }],
  ["set replaces in an array", [{ op: "set", path: "/tags/1", value: "z" }], { ...item, tags: ["x", "z"] }],
  ["replace what is there", [{ op: "replace", path: "/tags/0", value: "q" }], { ...item, tags: ["q", "y"] }],
  ["replace what is not", [{ op: "replace", path: "/none", value: 1 }], "400"],
  ["remove", [{ op: "remove", path: "/deep" }], { id: "1", pk: "a", n: 1, tags: ["x", "y"] }],
  ["remove from an array", [{ op: "remove", path: "/tags/0" }], { ...item, tags: ["y"] }],
  ["remove what is not", [{ op: "remove", path: "/none" }], "400"],
  ["increment", [{ op: "incr", path: "/n", value: 4 }], { ...item, n: 5 }],
  ["increment into being", [{ op: "incr", path: "/count", value: -2 }], { ...item, count: -2 }],
  ["increment what is no number", [{ op: "incr", path: "/deep", value: 1 }], "400"],
  [
    "move",
    [{ op: "move", from: "/n", path: "/m" }],
    { id: "1", pk: "a", tags: ["x", "y"], deep: { v: true }, m: 1 },
  ],
  ["move into its own child", [{ op: "move", from: "/deep", path: "/deep/inner" }], "400"],
  [
    "several in order",
    [
      { op: "set", path: "/o", value: {} },
      { op: "set", path: "/o/x", value: 1 },
      { op: "incr", path: "/o/x", value: 1 },
    ],
    { ...item, o: { x: 2 } },
  ],
  [
    "nothing is done when one cannot be",
    [
      { op: "set", path: "/n", value: 9 },
      { op: "remove", path: "/none" },
    ],
    "400",
  ],
  ["a path through nothing", [{ op: "set", path: "/none/x", value: 1 }], "400"],
  ["an index out of bounds", [{ op: "set", path: "/tags/5", value: 1 }], "400"],
  ["escaped names", [{ op: "set", path: "/a~1b~0c", value: 1 }], { ...item, "a/b~c": 1 }],
  ["the id", [{ op: "set", path: "/id", value: "2" }], "400"],
  ["the partition key", [{ op: "set", path: "/pk", value: "b" }], "400"],
  ["a system property", [{ op: "remove", path: "/_etag" }], "400"],
  ["an unknown operation", [{ op: "test", path: "/n", value: 1 }], "400"],
  ["no operations", [], "400"],
  ["eleven operations", Array.from({ length: 11 }, () => ({ op: "set", path: "/n", value: 1 })), "400"],
  ["a path without slash", [{ op: "set", path: "n", value: 1 }], "400"],
  [
    "a condition that holds",
    { operations: [{ op: "set", path: "/n", value: 3 }], condition: "FROM c WHERE c.n = 1" },
    { ...item, n: 3 },
  ],
  [
    "a condition that does not",
    { operations: [{ op: "set", path: "/n", value: 3 }], condition: "FROM c WHERE c.n = 2" },
    "412/1110",
  ],
  [
    "a condition that is none",
    { operations: [{ op: "set", path: "/n", value: 3 }], condition: "WHERE WHERE" },
    "400",
  ],
  ["a body that is none", "[", "400"],
];

describe("patch", () => {
  let fixture: CosmosFixture;
  before(async () => {
    fixture = await openCosmosFixture();
  });
  for (const [name, body, expected] of patches) {
    test(`${name}: ${typeof expected === "string" ? expected : "200"}`, async () => {
      await put(fixture);
      const reply = await fixture.sendSigned("PATCH", `${docs}/1`, { headers: a, body });
      assert.equal(outcome(reply), typeof expected === "string" ? expected : "200", String(reply.body));
      assert.deepEqual(await read(fixture), typeof expected === "string" ? item : expected);
    });
  }

  test("of a missing item is 404, with a stale etag 412", async () => {
    const body = [{ op: "set", path: "/n", value: 1 }];
    assert.equal(outcome(await fixture.sendSigned("PATCH", `${docs}/none`, { headers: a, body })), "404");
    const headers = { ...a, "if-match": '"stale"' };
    assert.equal(outcome(await fixture.sendSigned("PATCH", `${docs}/1`, { headers, body })), "412");
  });
});

const atomic = { ...a, "x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True" };
const create = (id: string, pk = "a"): object => ({ operationType: "Create", resourceBody: { id, pk } });

interface BatchRow {
  readonly name: string;
  readonly parts: readonly object[];
  readonly status: number;
  readonly codes: readonly number[];
  /** Ids that must exist afterwards among those the batch names. */
  readonly left: readonly string[];
}

const batches: readonly BatchRow[] = [
  {
    name: "all succeed",
    parts: [create("b1"), { operationType: "Read", id: "there" }, { operationType: "Delete", id: "there" }],
    status: 200,
    codes: [201, 200, 204],
    left: ["b1"],
  },
  {
    name: "a part reads what an earlier one wrote",
    parts: [
      create("b1"),
      {
        operationType: "Patch",
        id: "b1",
        resourceBody: { operations: [{ op: "set", path: "/x", value: 1 }] },
      },
      { operationType: "Read", id: "b1" },
    ],
    status: 200,
    codes: [201, 200, 200],
    left: ["b1", "there"],
  },
  {
    name: "a conflict undoes everything",
    parts: [create("b1"), create("there"), create("b2")],
    status: 207,
    codes: [424, 409, 424],
    left: ["there"],
  },
  {
    name: "a missing item undoes everything",
    parts: [
      { operationType: "Delete", id: "there" },
      { operationType: "Replace", id: "none", resourceBody: { id: "none", pk: "a" } },
    ],
    status: 207,
    codes: [424, 404],
    left: ["there"],
  },
  {
    name: "a stale etag undoes everything",
    parts: [
      create("b1"),
      { operationType: "Upsert", resourceBody: { id: "there", pk: "a" }, ifMatch: '"stale"' },
    ],
    status: 207,
    codes: [424, 412],
    left: ["there"],
  },
  {
    name: "a part of another partition undoes everything",
    parts: [create("b1"), create("b2", "b")],
    status: 207,
    codes: [424, 400],
    left: ["there"],
  },
  {
    name: "reading what is missing undoes everything",
    parts: [create("b1"), { operationType: "Read", id: "none" }],
    status: 207,
    codes: [424, 404],
    left: ["there"],
  },
];

describe("transactional batch", () => {
  for (const row of batches) {
    test(`${row.name}: ${row.status}`, async () => {
      const fixture = await openCosmosFixture();
      await put(fixture, { id: "there", pk: "a" });
      const reply = await fixture.sendSigned("POST", docs, { headers: atomic, body: row.parts });
      assert.equal(reply.status, row.status, String(reply.body));
      const results = JSON.parse(Buffer.from(reply.body ?? "").toString()) as { statusCode: number }[];
      assert.deepEqual(
        results.map((result) => result.statusCode),
        row.codes,
      );
      for (const id of ["b1", "b2", "there"]) {
        const found = (await fixture.sendSigned("GET", `${docs}/${id}`, { headers: a })).status === 200;
        assert.equal(found, row.left.includes(id), id);
      }
    });
  }

  const refused: readonly (readonly [string, unknown, string])[] = [
    ["no parts", [], "400"],
    ["101 parts", Array.from({ length: 101 }, (_, n) => create(`n${n}`)), "400"],
    ["an unknown type", [{ operationType: "Explode", id: "1" }], "400"],
    ["no JSON", "[{", "400"],
    ["no array", {}, "400"],
  ];
  for (const [name, body, expected] of refused) {
    test(`${name}: ${expected}, and nothing happens`, async () => {
      const fixture = await openCosmosFixture();
      assert.equal(outcome(await fixture.sendSigned("POST", docs, { headers: atomic, body })), expected);
      assert.equal((await fixture.sendSigned("GET", `${docs}/b1`, { headers: a })).status, 404);
    });
  }

  test("needs the right of each part before any runs", async () => {
    const fixture = await openCosmosFixture();
    const reader = await fixture.principal("reader");
    await fixture.assign(
      "e0000000-0000-0000-0000-000000000001",
      reader,
      "00000000-0000-0000-0000-000000000001",
    );
    await put(fixture, { id: "there", pk: "a" });
    const send = (parts: readonly object[]): ReturnType<CosmosFixture["send"]> =>
      fixture.sendAs(reader, "POST", docs, atomic, parts);
    assert.equal((await send([{ operationType: "Read", id: "there" }])).status, 200);
    for (const part of [
      create("b1"),
      { operationType: "Upsert", resourceBody: { id: "b1", pk: "a" } },
      { operationType: "Replace", id: "there", resourceBody: { id: "there", pk: "a" } },
      { operationType: "Patch", id: "there", resourceBody: { operations: [] } },
      { operationType: "Delete", id: "there" },
    ]) {
      assert.equal(outcome(await send([{ operationType: "Read", id: "there" }, part])), "403/5302");
      const bulk = {
        ...atomic,
        "x-ms-cosmos-batch-atomic": "False",
        "x-ms-cosmos-batch-continue-on-error": "True",
      };
      assert.equal(outcome(await fixture.sendAs(reader, "POST", docs, bulk, [part])), "403/5302");
    }
    const nobody = await fixture.principal("nobody");
    assert.equal(
      outcome(await fixture.sendAs(nobody, "POST", docs, atomic, [{ operationType: "Read", id: "there" }])),
      "403/5302",
    );
    assert.equal(outcome(await fixture.sendAs(nobody, "POST", docs, atomic, [])), "400");
    assert.equal(
      outcome(
        await fixture.sendSigned("POST", docs, {
          headers: atomic,
          body: [create("b1")],
          key: "primaryReadonlyMasterKey",
        }),
      ),
      "401",
    );
    assert.equal((await fixture.sendSigned("GET", `${docs}/b1`, { headers: a })).status, 404);
  });
});

test("bulk: each part is on its own, in its own partition", async () => {
  const fixture = await openCosmosFixture();
  await put(fixture, { id: "there", pk: "a" });
  const headers = {
    "x-ms-cosmos-is-batch-request": "True",
    "x-ms-cosmos-batch-atomic": "False",
    "x-ms-documentdb-partitionkeyrangeid": "0",
  };
  const part = (id: string, pk: string): object => ({
    ...create(id, pk),
    partitionKey: JSON.stringify([pk]),
  });
  const reply = await fixture.sendSigned("POST", docs, {
    headers,
    body: [part("x", "a"), part("there", "a"), part("y", "b"), part("bad/id", "b")],
  });
  assert.equal(reply.status, 207);
  const results = JSON.parse(Buffer.from(reply.body ?? "").toString()) as { statusCode: number }[];
  assert.deepEqual(
    results.map((result) => result.statusCode),
    [201, 409, 201, 400],
  );
  assert.match(reply.headers["x-ms-session-token"] ?? "", /^0:-1#\d+$/);
});

test("unique keys hold within a logical partition and are given back", async () => {
  const fixture = await openCosmosFixture();
  const policy = { uniqueKeys: [{ paths: ["/email"] }, { paths: ["/first", "/last"] }] };
  const container = { id: "people", partitionKey: { paths: ["/pk"] }, uniqueKeyPolicy: policy };
  assert.equal((await fixture.sendSigned("POST", "/dbs/shop/colls", { body: container })).status, 201);
  const target = "/dbs/shop/colls/people/docs";
  const send = (id: string, body: object, pk = "a"): ReturnType<CosmosFixture["send"]> =>
    fixture.sendSigned("POST", target, {
      headers: { "x-ms-documentdb-partitionkey": JSON.stringify([pk]), "x-ms-documentdb-is-upsert": "true" },
      body: { id, pk, ...body },
    });
  assert.equal(outcome(await send("1", { email: "x", first: "A", last: "B" })), "201");
  assert.equal(outcome(await send("2", { email: "x", first: "C", last: "D" })), "409/3301");
  assert.equal(outcome(await send("2", { email: "y", first: "A", last: "B" })), "409/3301");
  assert.equal(
    outcome(await send("2", { email: "x", first: "A", last: "B" }, "b")),
    "201",
    "another partition",
  );
  assert.equal(
    outcome(await send("1", { email: "z", first: "A", last: "B" })),
    "200",
    "its own values are no conflict",
  );
  assert.equal(
    outcome(await send("3", { email: "x", first: "C", last: "D" })),
    "201",
    "a value given up is free",
  );
  assert.equal(outcome(await send("4", { first: "E", last: "F" })), "201", "missing is null");
  assert.equal(outcome(await send("5", { first: "G", last: "H" })), "409/3301", "null once");
  await fixture.sendSigned("DELETE", `${target}/4`, { headers: a });
  assert.equal(outcome(await send("5", { first: "G", last: "H" })), "201", "free after the delete");
  for (const [changed, expected] of [
    [{ uniqueKeyPolicy: policy, defaultTtl: 60 }, "200"],
    [{}, "403"],
    [{ uniqueKeyPolicy: { uniqueKeys: [{ paths: ["/email"] }] } }, "403"],
  ] as const) {
    const body = { id: "people", partitionKey: { paths: ["/pk"] }, ...changed };
    const reply = await fixture.sendSigned("PUT", "/dbs/shop/colls/people", { body });
    assert.equal(outcome(reply), expected, JSON.stringify(changed));
    if (expected === "403")
      assert.match(Buffer.from(reply.body ?? "").toString(), /The unique index cannot be modified/);
  }
});

const kept: readonly (readonly [string, string, string])[] = [
  ["half of a pair", '"v":"a\\ud83d"', '{"v":"a\ufffd"}'],
  ["the other half as a name", '"v":{"\\ude00":[1e2,"\\udfff"]}', '{"v":{"\ufffd":[100,"\ufffd"]}}'],
  ["a pair", '"v":"\\ud83d\\ude00"', '{"v":"\u{1f600}"}'],
  ["a number next to nothing", '"v":1e-400', '{"v":0}'],
  ["a number as long as may be", '"v":1e308', '{"v":1e+308}'],
];

for (const [name, member, expected] of kept) {
  test(`a document keeps ${name} as JSON can say it`, async () => {
    const fixture = await openCosmosFixture();
    const reply = await fixture.sendSigned("POST", docs, {
      headers: a,
      body: `{"id":"1","pk":"a",${member}}`,
    });
    assert.equal(outcome(reply), "201");
    const { v } = JSON.parse(Buffer.from(reply.body ?? "").toString()) as { v: unknown };
    assert.equal(JSON.stringify({ v }), expected);
  });
}

describe("time to live", () => {
  const target = "/dbs/shop/colls/short/docs";
  async function open(defaultTtl: number | undefined): Promise<{
    fixture: CosmosFixture;
    create(body: object): Promise<string>;
    get(id: string): Promise<string>;
  }> {
    const fixture = await openCosmosFixture();
    const body = {
      id: "short",
      partitionKey: { paths: ["/pk"] },
      ...(defaultTtl === undefined ? {} : { defaultTtl }),
    };
    await fixture.sendSigned("POST", "/dbs/shop/colls", { body });
    return {
      fixture,
      create: async (own) =>
        outcome(await fixture.sendSigned("POST", target, { headers: a, body: { pk: "a", ...own } })),
      get: async (id) => outcome(await fixture.sendSigned("GET", `${target}/${id}`, { headers: a })),
    };
  }

  test("expired items are invisible to reads, queries and feeds at once, and their id is free", async () => {
    const { fixture, create: put_, get } = await open(60);
    for (const body of [{ id: "default" }, { id: "longer", ttl: 120 }, { id: "never", ttl: -1 }])
      assert.equal(await put_(body), "201");
    fixture.clock.advance(60_000);
    assert.deepEqual([await get("default"), await get("longer"), await get("never")], ["404", "200", "200"]);
    const query = { "x-ms-documentdb-isquery": "true", ...a };
    const found = bodyOf(
      await fixture.sendSigned("POST", target, {
        headers: query,
        body: { query: "SELECT VALUE c.id FROM c" },
      }),
    );
    assert.deepEqual(found["Documents"], ["longer", "never"]);
    const feed = bodyOf(await fixture.sendSigned("GET", target, {}));
    assert.equal(feed["_count"], 2);
    const changes = bodyOf(
      await fixture.sendSigned("GET", target, { headers: { "a-im": "Incremental Feed" } }),
    );
    assert.equal(changes["_count"], 2);
    assert.equal(await put_({ id: "default" }), "201");
    assert.equal(await get("default"), "200");
  });

  test("the sweep removes what expired and nothing else", async () => {
    const { fixture, create: put_, get } = await open(60);
    for (let n = 0; n < 30; n++) await put_({ id: `${n}`, ...(n % 3 === 0 ? { ttl: 1000 } : {}) });
    fixture.clock.advance(61_000);
    await sweepExpired(fixture.engine);
    const space = async (name: string): Promise<number> =>
      (await fixture.store.range((await import("../../src/storage/keys.ts")).prefixRange([name]), 1000))
        .length;
    assert.equal(await space("cosmos-d"), 10);
    assert.equal(await space("cosmos-k"), 10);
    assert.equal(await get("3"), "200");
    assert.equal(await get("4"), "404");
  });

  test("without a container default, items' own are ignored; turning it on acts on items that are there", async () => {
    const { fixture, create: put_, get } = await open(undefined);
    await put_({ id: "own", ttl: 1 });
    fixture.clock.advance(10_000);
    assert.equal(await get("own"), "200");
    await fixture.sendSigned("PUT", "/dbs/shop/colls/short", { body: { id: "short", defaultTtl: -1 } });
    assert.equal(await get("own"), "404");
    await sweepExpired(fixture.engine);
    assert.equal(
      (await fixture.store.range((await import("../../src/storage/keys.ts")).prefixRange(["cosmos-d"]), 10))
        .length,
      0,
    );
  });

  for (const ttl of [0, -2, 1.5, "60", null, 2147483648]) {
    test(`an item's ttl of ${JSON.stringify(ttl)} is 400`, async () => {
      const { create: put_ } = await open(60);
      assert.equal(await put_({ id: "x", ttl }), "400");
    });
  }
});

test("delete by partition key removes that partition and no other", async () => {
  const fixture = await openCosmosFixture();
  for (const pk of ["a", "b"]) {
    for (let n = 0; n < 5; n++) {
      const headers = { "x-ms-documentdb-partitionkey": JSON.stringify([pk]) };
      await fixture.sendSigned("POST", docs, { headers, body: { id: `${n}`, pk } });
    }
  }
  const target = "/dbs/shop/colls/orders/operations/partitionkeydelete";
  const signed = { resourceType: "colls", resourceLink: "dbs/shop/colls/orders" };
  assert.equal(outcome(await fixture.sendSigned("POST", target, { ...signed })), "400/1001");
  assert.equal(outcome(await fixture.sendSigned("POST", target, { headers: a, ...signed })), "200");
  const feed = bodyOf(await fixture.sendSigned("GET", docs, {})) as { Documents: { pk: string }[] };
  assert.deepEqual(
    feed.Documents.map((document) => document.pk),
    ["b", "b", "b", "b", "b"],
  );
});

describe("all versions and deletes", () => {
  for (const [retentionDuration, continuousBackup, expected] of [
    [10, false, "201"],
    [0, false, "201"],
    [0, true, "201"],
    [10, true, "400"],
    [-1, false, "400"],
    [1.5, false, "400"],
    ["10", false, "400"],
  ] as const) {
    const backup = continuousBackup ? "continuous" : "periodic";
    test(`a container with a retention of ${JSON.stringify(retentionDuration)} and ${backup} backup: ${expected}`, async () => {
      const fixture = await openCosmosFixture();
      await fixture.setAccount({ continuousBackup });
      const body = { id: "kept", partitionKey: { paths: ["/pk"] }, changeFeedPolicy: { retentionDuration } };
      assert.equal(outcome(await fixture.sendSigned("POST", "/dbs/shop/colls", { body })), expected);
      if (expected === "400") return;
      const docs = "/dbs/shop/colls/kept/docs";
      const headers = { "a-im": "Full-Fidelity Feed", "if-none-match": "*" };
      const status = (await fixture.sendSigned("GET", docs, { headers })).status;
      assert.equal(status, retentionDuration > 0 ? 304 : 400);
    });
  }

  const target = "/dbs/shop/colls/history/docs";
  test("shows each version with its predecessor, and deletes; refuses the beginning and containers without a policy", async () => {
    const fixture = await openCosmosFixture();
    const body = {
      id: "history",
      partitionKey: { paths: ["/pk"] },
      changeFeedPolicy: { retentionDuration: 10 },
    };
    await fixture.sendSigned("POST", "/dbs/shop/colls", { body });
    const feed = (headers: Record<string, string>, at = target): ReturnType<CosmosFixture["send"]> =>
      fixture.sendSigned("GET", at, { headers: { "a-im": "Full-Fidelity Feed", ...headers } });
    assert.equal(outcome(await feed({})), "400");
    assert.equal(outcome(await feed({ "if-none-match": "*" }, docs)), "400");
    const start = await feed({ "if-none-match": "*" });
    assert.equal(start.status, 304);
    await fixture.sendSigned("POST", target, { headers: a, body: { id: "1", pk: "a", v: 1 } });
    await fixture.sendSigned("PUT", `${target}/1`, { headers: a, body: { id: "1", pk: "a", v: 2 } });
    await fixture.sendSigned("DELETE", `${target}/1`, { headers: a });
    const reply = await feed({ "if-none-match": start.headers["etag"] ?? "" });
    const { Documents } = bodyOf(reply) as {
      Documents: { current: { v?: number }; previous?: { v: number }; metadata: { operationType: string } }[];
    };
    assert.deepEqual(
      Documents.map(({ current, previous, metadata }) => [metadata.operationType, current.v, previous?.v]),
      [
        ["create", 1, undefined],
        ["replace", 2, 1],
        ["delete", undefined, 2],
      ],
    );
    assert.equal((await feed({ "if-none-match": reply.headers["etag"] ?? "" })).status, 304);
  });

  test("and of an account that asks for them every container keeps them, from then on", async () => {
    const fixture = await openCosmosFixture();
    const target = "/dbs/shop/colls/orders/docs";
    const write = (method: string, path: string, v: number): ReturnType<CosmosFixture["send"]> =>
      fixture.sendSigned(method, path, { headers: a, body: { id: "kept", pk: "a", v } });
    const feed = (mode: string, etag = "*"): ReturnType<CosmosFixture["send"]> =>
      fixture.sendSigned("GET", target, { headers: { "a-im": mode, "if-none-match": etag } });
    const full = "Full-Fidelity Feed";
    const start = (await feed("Incremental Feed")).headers["etag"] ?? "";
    await write("POST", target, 1);
    assert.equal(outcome(await feed(full)), "400", "not with periodic backup");
    await fixture.setAccount({ continuousBackup: true });
    const refused = await feed(full);
    assert.equal(outcome(refused), "400", "nor with continuous backup alone");
    assert.match(String(bodyOf(refused)["message"]), /'All Versions and Deletes' mode must be enabled/);
    await fixture.setAccount({ continuousBackup: true, keepsVersions: true });
    await write("PUT", `${target}/kept`, 2);
    await write("PUT", `${target}/kept`, 3);
    const rowsOf = async (mode: string): Promise<readonly Record<string, never>[]> =>
      (bodyOf(await feed(mode, start)) as { Documents: readonly Record<string, never>[] }).Documents;
    assert.deepEqual(
      (await rowsOf(full)).map((row) => [row["metadata"]?.["operationType"], row["current"]?.["v"]]),
      [
        ["replace", 2],
        ["replace", 3],
      ],
    );
    assert.deepEqual(
      (await rowsOf("Incremental Feed")).map((row) => row["v"]),
      [3],
    );
    await fixture.setAccount({ continuousBackup: true, keepsVersions: false });
    assert.equal(outcome(await feed(full, start)), "400");
    await write("PUT", `${target}/kept`, 4);
    assert.deepEqual(
      (await rowsOf("Incremental Feed")).map((row) => row["v"]),
      [4],
    );
  });
});

test("the latest versions come in the newer format to clients that name it", async () => {
  const fixture = await openCosmosFixture();
  await put(fixture, { id: "1", pk: "a", v: 1 });
  const headers = {
    "a-im": "Incremental Feed",
    "x-ms-cosmos-changefeed-wire-format-version": "2021-09-15",
  };
  const { Documents } = bodyOf(await fixture.sendSigned("GET", docs, { headers })) as {
    Documents: { current: { id: string; v: number }; metadata: { lsn: number; crts: number } }[];
  };
  const [only] = Documents;
  assert.deepEqual([Documents.length, only?.current.id, only?.current.v], [1, "1", 1]);
  assert.deepEqual([only?.metadata.lsn, only?.metadata.crts], [1, fixture.clock.now() / 1000]);
});

describe("bulk: after a part that fails", () => {
  const create = (id: string, more: object = {}): object => ({
    operationType: "Create",
    partitionKey: '["a"]',
    resourceBody: { id, pk: "a", ...more },
  });
  const parts = [
    create("1"),
    create("2", { ttl: -10 }),
    create("3"),
    { ...create("3"), operationType: "Read" },
  ];
  const rows: readonly (readonly [string | undefined, readonly number[], readonly string[]])[] = [
    [undefined, [201, 400, 201, 200], ["1", "3"]],
    ["True", [201, 400, 201, 200], ["1", "3"]],
    ["False", [201, 400, 424, 424], ["1"]],
  ];
  for (const [flag, statuses, ids] of rows) {
    test(`continue on error ${flag}: ${statuses.join(" ")}`, async () => {
      const fixture = await openCosmosFixture();
      const headers = {
        "x-ms-cosmos-is-batch-request": "True",
        "x-ms-cosmos-batch-atomic": "False",
        "x-ms-documentdb-partitionkeyrangeid": "0",
        ...(flag === undefined ? {} : { "x-ms-cosmos-batch-continue-on-error": flag }),
      };
      const body = parts.map((part, at) => (at === 3 ? { ...part, id: "3" } : part));
      const reply = await fixture.sendSigned("POST", docs, { headers, body });
      assert.equal(reply.status, 207);
      const results = JSON.parse(String(reply.body)) as readonly { readonly statusCode: number }[];
      assert.deepEqual(
        results.map((result) => result.statusCode),
        statuses,
      );
      const feed = bodyOf(await fixture.sendSigned("GET", docs));
      assert.deepEqual(
        (feed["Documents"] as readonly { id: string }[]).map(({ id }) => id),
        ids,
      );
    });
  }
});

describe("what a failed request is told to have cost", () => {
  let fixture: CosmosFixture;
  before(async () => {
    fixture = await openCosmosFixture();
    await put(fixture);
  });
  const send = (method: string, path: string, sent: object): ReturnType<CosmosFixture["sendSigned"]> =>
    fixture.sendSigned(method, path, sent);
  const cases: readonly (readonly [string, string, string, object, string, string])[] = [
    ["an item that is not there", "GET", `${docs}/none`, { headers: a }, "404", "1"],
    ["an id that is taken", "POST", docs, { headers: a, body: item }, "409", "1"],
    [
      "an outdated etag",
      "PUT",
      `${docs}/1`,
      { headers: { ...a, "if-match": '"old"' }, body: item },
      "412",
      "1",
    ],
    ["a malformed item", "POST", docs, { headers: a, body: { pk: "a", id: 1 } }, "400", "0"],
    ["a container that is not there", "GET", "/dbs/shop/colls/none/docs/1", { headers: a }, "404/1003", "0"],
    ["a database that is not there", "GET", "/dbs/none", {}, "404", "0"],
  ];
  for (const [name, method, path, sent, answer, charge] of cases) {
    test(name, async () => {
      const reply = await send(method, path, sent);
      assert.deepEqual([outcome(reply), reply.headers["x-ms-request-charge"]], [answer, charge]);
    });
  }
});

/**
 * All versions and deletes in the change feed, and continuation tokens that somebody else was given: what an item was, and
 * that it was there at all, is shown to nobody who could not have read it.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Reply } from "../../src/http/service.ts";
import { type CosmosFixture, openCosmosFixture, outcome } from "../cosmos/fixture.ts";
import { containers, holding, inA, inB, items, prefix, query, tokenOf } from "./holding.ts";

type Headers = Readonly<Record<string, string>>;

const kept = "/dbs/shop/colls/kept";
const tree = "/dbs/shop/colls/tree";
const full: Headers = { "a-im": "Full-Fidelity Feed" };
const everywhere: Headers = { "x-ms-documentdb-query-enablecrosspartition": "true" };
const metadata = `${prefix}readMetadata`;
const spans: readonly Headers[] = [
  {},
  { "x-ms-documentdb-partitionkeyrangeid": "0" },
  { "x-ms-documentdb-partitionkeyrangeid": "1" },
  { "x-ms-documentdb-partitionkeyrangeid": "2" },
  { "x-ms-start-epk": "", "x-ms-end-epk": "FF", "x-ms-read-key-type": "EffectivePartitionKeyRange" },
];

let fixture: CosmosFixture;
/** Where the log of each range began. */
const begins = '"0"';

before(async () => {
  fixture = await openCosmosFixture({ rangesDefault: 3 });
  await fixture.setAccount({ continuousBackup: true, keepsVersions: true });
  for (const [id, paths, kind] of [
    ["kept", ["/pk"], "Hash"],
    ["tree", ["/t", "/u"], "MultiHash"],
  ] as const) {
    const body = { id, partitionKey: { paths, kind, version: 2 } };
    assert.equal((await fixture.sendSigned("POST", "/dbs/shop/colls", { body })).status, 201);
  }
  for (const pk of ["a", "b"]) await live(kept, { pk }, [pk], `of ${pk}`);
  for (const [t, u] of [
    ["a", "1"],
    ["a", "2"],
    ["b", "1"],
  ] as const)
    await live(tree, { t, u }, [t, u], `of ${t}${u}`);
});

/** The life of an item that ends, and one that stays; all their versions carry the mark. */
async function live(container: string, own: object, key: readonly string[], mark: string): Promise<void> {
  const headers = { "x-ms-documentdb-partitionkey": JSON.stringify(key) };
  const docs = `${container}/docs`;
  for (const id of ["gone", "stays", "more"]) {
    const write = (method: string, target: string, v: number): Promise<Reply> =>
      fixture.sendSigned(method, target, { headers, body: { id, ...own, mark, n: key.join(), v } });
    assert.equal((await write("POST", docs, 1)).status, 201);
    assert.equal((await write("PUT", `${docs}/${id}`, 2)).status, 200);
  }
  assert.equal((await fixture.sendSigned("DELETE", `${docs}/gone`, { headers })).status, 204);
}

const marksOf = (reply: Reply): readonly string[] => [
  ...new Set(
    Buffer.from(reply.body ?? "")
      .toString("utf8")
      .match(/of [ab]\d?/g) ?? [],
  ),
];

describe("all versions and deletes, by what a caller holds", () => {
  const cases: readonly (readonly [string, () => Promise<string>, Headers, string])[] = [
    ["the right to the change feed", () => aad([metadata, `${containers}readChangeFeed`]), inA, "200"],
    ["reading items alone", () => aad([metadata, `${items}read`]), inA, "403/5302"],
    [
      "reading and querying",
      () => aad([metadata, `${items}read`, `${containers}executeQuery`]),
      inA,
      "403/5302",
    ],
    [
      "writing everything",
      () => aad([metadata, `${items}create`, `${items}replace`, `${items}delete`]),
      inA,
      "403/5302",
    ],
    [
      "a token of the container",
      () => tokenOf(fixture, { permissionMode: "Read", resource: kept.slice(1) }),
      inA,
      "200",
    ],
    [
      "a token of one item",
      () => tokenOf(fixture, { permissionMode: "All", resource: `${kept.slice(1)}/docs/gone` }),
      inA,
      "403",
    ],
    ["a token of its partition", () => inPartition(["a"]), inA, "200"],
    ["a token of another partition", () => inPartition(["b"]), inA, "403"],
    ["a token of a partition, and none named", () => inPartition(["a"]), {}, "403"],
    [
      "a token of another container",
      () => tokenOf(fixture, { permissionMode: "All", resource: "dbs/shop/colls/orders" }),
      inA,
      "403",
    ],
  ];
  for (const [what, authorization, headers, expected] of cases) {
    test(`${what}: ${expected}`, async () => {
      const reply = await fixture.send("GET", `${kept}/docs`, {
        authorization: await authorization(),
        ...{ ...full, ...headers, "if-none-match": begins },
      });
      assert.equal(outcome(reply).slice(0, expected.length), expected, String(reply.body));
      assert.deepEqual(marksOf(reply), expected === "200" ? ["of a"] : []);
      if (expected === "200")
        assert.match(String(reply.body), /"previous":\{[^}]*"v":2.*"operationType":"delete"/);
    });
  }

  for (const key of ["primaryReadonlyMasterKey", "secondaryReadonlyMasterKey"] as const) {
    test(`a read-only key: 200 (${key})`, async () => {
      const headers = { ...full, ...inB, "if-none-match": begins };
      const reply = await fixture.sendSigned("GET", `${kept}/docs`, { key, headers });
      assert.deepEqual([reply.status, marksOf(reply)], [200, ["of b"]]);
    });
  }

  const aad = async (actions: readonly string[]): Promise<string> =>
    `type=aad&ver=1.0&sig=${await fixture.token(await holding(fixture, actions))}`;
});

const inPartition = (resourcePartitionKey: readonly unknown[], container = kept): Promise<string> =>
  tokenOf(fixture, { permissionMode: "Read", resource: container.slice(1), resourcePartitionKey });

describe("a token of a partition, with whatever else the request names", () => {
  for (const span of spans) {
    const name = JSON.stringify(span);
    test(`versions: ${name}`, async () => {
      const authorization = await inPartition(["a"]);
      for (const etag of [begins, '"1"', "3"]) {
        const headers = { authorization, ...full, ...inA, ...span, "if-none-match": etag };
        const reply = await fixture.send("GET", `${kept}/docs`, headers);
        assert.equal(reply.status, 200);
        assert.deepEqual(marksOf(reply), ["of a"]);
      }
      const headers = { authorization, ...full, ...span, "if-none-match": begins };
      assert.equal((await fixture.send("GET", `${kept}/docs`, headers)).status, 403);
    });

    for (const [own, marks] of [
      [["a"], ["of a1", "of a2"]],
      [["a", "2"], ["of a2"]],
    ] as const) {
      test(`versions below ${JSON.stringify(own)}: ${name}`, async () => {
        const authorization = await inPartition(own, tree);
        for (const asked of [["a"], ["a", "1"], ["a", "2"], ["b"], ["b", "1"], []] as const) {
          const key = { "x-ms-documentdb-partitionkey": JSON.stringify(asked) };
          const headers = { authorization, ...full, ...key, ...span, "if-none-match": begins };
          const reply = await fixture.send("GET", `${tree}/docs`, headers);
          const isInside = own.every((value, at) => value === asked[at]);
          assert.equal(reply.status === 403, !isInside, JSON.stringify(asked));
          for (const mark of marksOf(reply)) assert.ok((marks as readonly string[]).includes(mark), mark);
        }
      });
    }

    test(`queries resumed with what the key's query was given: ${name}`, async () => {
      const authorization = await inPartition(["a"]);
      let shown = 0;
      for (const text of [
        "SELECT * FROM c",
        "SELECT * FROM c ORDER BY c.mark",
        "SELECT * FROM c ORDER BY c.mark DESC",
        "SELECT DISTINCT c.mark FROM c",
        "SELECT c.mark, COUNT(1) AS n FROM c GROUP BY c.mark",
      ]) {
        const own = { ...query, ...inA, ...span };
        for (const token of await givenToKey(text)) {
          const headers = { authorization, ...own, "x-ms-continuation": token };
          const reply = await fixture.send("POST", `${kept}/docs`, headers, { query: text });
          assert.ok(reply.status === 200 || reply.status === 400, String(reply.body));
          for (const mark of marksOf(reply)) assert.equal(mark, "of a", text);
          shown += marksOf(reply).length;
          const { "x-ms-documentdb-partitionkey": _none, ...keyless } = headers;
          assert.equal((await fixture.send("POST", `${kept}/docs`, keyless, { query: text })).status, 403);
        }
      }
      assert.ok(shown > 0, "no page was ever resumed");
    });
  }

  for (const token of ["from:0", "from:1", "from:9007199254740991"]) {
    test(`the feed of items from ${token}`, async () => {
      const authorization = await inPartition(["a"]);
      const headers = { authorization, ...inA, "x-ms-continuation": token };
      const reply = await fixture.send("GET", `${kept}/docs`, headers);
      assert.equal(reply.status, 200);
      for (const mark of marksOf(reply)) assert.equal(mark, "of a");
    });
  }
});

/** Tokens of pages that the account's key read over all partitions and in each range, and one made by hand. */
async function givenToKey(text: string): Promise<readonly string[]> {
  const tokens: string[] = [];
  for (const span of spans) {
    const headers = { ...query, ...everywhere, ...span, "x-ms-max-item-count": "1" };
    const reply = await fixture.sendSigned("POST", `${kept}/docs`, { headers, body: { query: text } });
    const token = reply.headers["x-ms-continuation"];
    if (token !== undefined) tokens.push(token, `${token.split(".")[0]}.0`, `${token.split(".")[0]}.1`);
  }
  return tokens;
}

test("a token resumed under another filter is held against that filter and the caller's partition", async () => {
  const authorization = await inPartition(["a"]);
  const text = (filter: string): string => `SELECT * FROM c WHERE ${filter} ORDER BY c.mark`;
  const [token = ""] = await givenToKey(text("true"));
  for (const filter of ["true", 'c.pk = "b"', 'c.mark >= "of b"', 'c.pk = "a" OR c.pk = "b"']) {
    for (const given of [token, ""]) {
      const headers = {
        authorization,
        ...query,
        ...inA,
        ...(given === "" ? {} : { "x-ms-continuation": given }),
      };
      const reply = await fixture.send("POST", `${kept}/docs`, headers, { query: text(filter) });
      assert.ok(reply.status === 200 || reply.status === 400, String(reply.body));
      for (const mark of marksOf(reply)) assert.equal(mark, "of a", filter);
    }
  }
});

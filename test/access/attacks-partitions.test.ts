/**
 * Tokens of one partition, or of a prefix of a hierarchical key, against everything that looks for items in another way
 * than by scanning the partition: vector indexes, orders, ranks, and continuations that were made for another query, by
 * another credential, or by hand. Whatever is asked, no item of another partition comes out.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CosmosClient, type JSONObject, PermissionMode } from "@azure/cosmos";
import { openMemory } from "../../src/storage/memory.ts";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "../cosmos/fixture.ts";
import { openSdkFixture } from "../cosmos/sdk-fixture.ts";
import { inA, inB, orders, query, tokenOf } from "./holding.ts";

const dimensions = 6;
const vector = (n: number): readonly number[] =>
  Array.from({ length: dimensions }, (_, d) => Math.sin(n * 1.3 + d * 0.7));
const near = JSON.stringify(vector(3));
const distance = `VectorDistance(c.v, ${near})`;
const words = ["red", "green", "blue"];
const tenants = ["a", "b", "c"];
const users = ["u1", "u2", "u3", "u4"];
const container = "/dbs/shop/colls/vectors";
const docs = `${container}/docs`;
const across = { "x-ms-documentdb-query-enablecrosspartition": "true" };
const keyOf = (...values: readonly unknown[]): Record<string, string> => ({
  "x-ms-documentdb-partitionkey": JSON.stringify(values),
});

/** Vectors of the tenants alternate, so that the nearest are never one tenant's. */
async function filled(ranges: number, type: string): Promise<CosmosFixture> {
  const fixture = await openCosmosFixture({
    rangesDefault: ranges,
    indexSizes: { itemsMin: 0, partitionItemsMin: 1, headRows: 16 },
  });
  const made = await fixture.sendSigned("POST", "/dbs/shop/colls", {
    body: {
      id: "vectors",
      partitionKey: { paths: ["/tenant", "/user"], kind: "MultiHash", version: 2 },
      indexingPolicy: {
        includedPaths: [{ path: "/*" }],
        excludedPaths: [{ path: "/v/*" }],
        vectorIndexes: [{ path: "/v", type }],
        fullTextIndexes: [{ path: "/text" }],
        compositeIndexes: [[{ path: "/n" }, { path: "/kind" }]],
      },
      vectorEmbeddingPolicy: {
        vectorEmbeddings: [{ path: "/v", dataType: "float32", distanceFunction: "cosine", dimensions }],
      },
      fullTextPolicy: { defaultLanguage: "en-US", fullTextPaths: [{ path: "/text", language: "en-US" }] },
    },
  });
  assert.equal(made.status, 201, JSON.stringify(bodyOf(made)));
  for (let n = 0; n < 96; n++) {
    const tenant = tenants[n % 3] ?? "";
    const user = users[Math.floor(n / 3) % 4] ?? "";
    const text = `${words[n % 3]} ${words[(n * 5) % 3]} ${words[Math.floor(n / 7) % 3]}`;
    const body = {
      id: `i${n}`,
      tenant,
      user,
      n,
      kind: n % 5,
      text,
      ...(n % 8 === 0 ? {} : { v: vector(n) }),
    };
    const headers = keyOf(tenant, user);
    assert.equal((await fixture.sendSigned("POST", docs, { headers, body })).status, 201);
  }
  return fixture;
}

const permission = (partition: readonly string[]): object => ({
  permissionMode: "Read",
  resource: "dbs/shop/colls/vectors",
  resourcePartitionKey: partition,
});

/** Every one gives whole items, so that each row shows where it comes from. */
const texts: readonly string[] = [
  "SELECT * FROM c",
  "SELECT * FROM c WHERE c.tenant = 'b'",
  "SELECT * FROM c WHERE c.tenant IN ('a', 'b') OR true",
  "SELECT * FROM c ORDER BY c.n",
  "SELECT * FROM c ORDER BY c.n DESC",
  "SELECT * FROM c ORDER BY c.n, c.kind",
  "SELECT * FROM c ORDER BY c.n OFFSET 2 LIMIT 50",
  "SELECT DISTINCT VALUE c FROM c WHERE c.kind > 0",
  `SELECT TOP 40 * FROM c ORDER BY ${distance}`,
  `SELECT TOP 40 * FROM c WHERE c.tenant = 'b' ORDER BY ${distance}`,
  `SELECT TOP 40 * FROM c WHERE c.kind = 1 ORDER BY ${distance}`,
  `SELECT TOP 40 * FROM c ORDER BY VectorDistance(c.v, ${near}, true)`,
  `SELECT * FROM c ORDER BY ${distance} OFFSET 3 LIMIT 30`,
  "SELECT TOP 40 * FROM c WHERE FullTextContains(c.text, 'red')",
  "SELECT TOP 40 * FROM c ORDER BY RANK FullTextScore(c.text, 'red')",
  `SELECT TOP 40 * FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'red'), ${distance})`,
];

interface Row {
  readonly id: string;
  readonly tenant: string;
  readonly user: string;
}

function rowsOf(reply: Parameters<typeof bodyOf>[0]): readonly Row[] {
  const documents = (bodyOf(reply)["Documents"] ?? []) as readonly (Row | { readonly payload: Row })[];
  return documents.map((row) => ("payload" in row ? row.payload : row));
}

for (const [ranges, type] of [
  [1, "quantizedFlat"],
  [3, "diskANN"],
] as const) {
  describe(`${type} over ${ranges} ranges`, () => {
    let fixture: CosmosFixture;
    before(async () => {
      fixture = await filled(ranges, type);
    });
    const foreign: readonly (readonly [string, Record<string, string>])[] = [
      ["alone", {}],
      ["across partitions", across],
      ...Array.from({ length: ranges }, (_, at): readonly [string, Record<string, string>] => [
        `with range ${at}`,
        { ...across, "x-ms-documentdb-partitionkeyrangeid": String(at) },
      ]),
      [
        "with a span of keys",
        {
          ...across,
          "x-ms-start-epk": "",
          "x-ms-end-epk": "FF",
          "x-ms-read-key-type": "EffectivePartitionKeyRange",
        },
      ],
    ];
    for (const partition of [["a"], ["a", "u1"]]) {
      for (const [name, extra] of foreign) {
        test(`a token of ${JSON.stringify(partition)} ${name} shows nothing else`, async () => {
          const authorization = await tokenOf(fixture, permission(partition));
          const isOwn = ({ tenant, user }: Row): boolean =>
            tenant === partition[0] && (partition[1] === undefined || user === partition[1]);
          let seen = 0;
          for (const text of texts) {
            const ask = (more: Record<string, string>): ReturnType<CosmosFixture["send"]> =>
              fixture.send("POST", docs, { authorization, ...query, ...extra, ...more }, { query: text });
            const mine = await ask(keyOf(...partition));
            assert.ok(["200", "400"].includes(outcome(mine)), `${text}: ${outcome(mine)}`);
            const rows = rowsOf(mine);
            seen += rows.length;
            assert.deepEqual(
              rows.filter((row) => !isOwn(row)),
              [],
              text,
            );
            for (const other of [keyOf("b"), keyOf("b", "u1"), keyOf(), {}]) {
              assert.equal(outcome(await ask(other)), "403", text);
            }
          }
          assert.ok(seen > 60, `${seen} rows`);
        });
      }
    }

    test("continuations of other queries and credentials lead to no other partition", async () => {
      const authorization = await tokenOf(fixture, permission(["a", "u1"]));
      const mine = keyOf("a", "u1");
      const page = { ...query, ...across, "x-ms-max-item-count": "2" };
      let used = 0;
      for (const text of texts) {
        const tokens = await continuations(fixture, { ...page, ...keyOf("b") }, text);
        for (let at = 0; at < ranges; at++) {
          const range = { "x-ms-documentdb-partitionkeyrangeid": String(at) };
          tokens.push(...(await continuations(fixture, { ...page, ...range }, text)));
        }
        for (const token of tokens.flatMap(altered)) {
          const headers = { authorization, ...page, ...mine, "x-ms-continuation": token };
          const reply = await fixture.send("POST", docs, headers, { query: text });
          const rows = rowsOf(reply);
          if (reply.status === 200) used++;
          else assert.equal(reply.status, 400, `${text}: ${outcome(reply)}`);
          assert.deepEqual(
            rows.filter(({ tenant, user }) => tenant !== "a" || user !== "u1"),
            [],
            `${text}: ${Buffer.from(token, "base64url").toString()}`,
          );
        }
      }
      assert.ok(used > 20, `${used} continuations were taken`);
    });
  });
}

/** The continuations of the first pages, asked for with the account's key. */
async function continuations(
  fixture: CosmosFixture,
  headers: Record<string, string>,
  text: string,
): Promise<string[]> {
  const reply = await fixture.sendSigned("POST", docs, { headers, body: { query: text } });
  const token = reply.headers["x-ms-continuation"];
  return token === undefined ? [] : [token];
}

/** The token itself, and with each number in it made smaller and greater. */
function altered(token: string): readonly string[] {
  const [own = "", ...mark] = token.split(".");
  const json = Buffer.from(own, "base64url").toString("utf8");
  const changed = [...json.matchAll(/(?<=[[,])\d+(?=[,\]])/g)]
    .slice(1)
    .flatMap(({ index, 0: digits }) =>
      [0, 1, 4_000_000_000_000, Number(digits) + 1].map(
        (value) => `${json.slice(0, index)}${value}${json.slice(index + digits.length)}`,
      ),
    );
  return [json, ...changed].flatMap((text) => {
    const plain = Buffer.from(text).toString("base64url");
    return mark.length === 0 ? [plain] : [plain, `${plain}.${mark.join(".")}`];
  });
}

test("the SDK with the token of a prefix gets the nearest of it, and nothing of another", async () => {
  const sizes = { itemsMin: 0, partitionItemsMin: 1, headRows: 16 };
  const fixture = await openSdkFixture(openMemory(), 2, {}, sizes);
  try {
    const { database } = await fixture.client.databases.create({ id: "shop" });
    const { container } = await database.containers.create({
      id: "vectors",
      partitionKey: { paths: ["/tenant", "/user"], kind: "MultiHash" as never, version: 2 },
      indexingPolicy: { vectorIndexes: [{ path: "/v", type: "diskANN" as never }] },
      vectorEmbeddingPolicy: {
        vectorEmbeddings: [
          { path: "/v", dataType: "float32" as never, distanceFunction: "cosine" as never, dimensions },
        ],
      },
      fullTextPolicy: { defaultLanguage: "en-US", fullTextPaths: [{ path: "/text", language: "en-US" }] },
    });
    for (let n = 0; n < 60; n++) {
      const tenant = tenants[n % 3] ?? "";
      const place = { id: `i${n}`, tenant, user: users[n % 4] ?? "" };
      await container.items.create({ ...place, text: words[n % 2], v: vector(n) } as unknown as JSONObject);
    }
    const { user } = await database.users.create({ id: "u" });
    const { resource } = await user.permissions.create({
      id: "p",
      permissionMode: PermissionMode.All,
      resource: "dbs/shop/colls/vectors",
      resourcePartitionKey: ["a"],
    });
    const limited = new CosmosClient({
      endpoint: await fixture.client.getReadEndpoint(),
      resourceTokens: { "dbs/shop/colls/vectors": resource?._token ?? "" },
      connectionPolicy: { enableBackgroundEndpointRefreshing: false },
    });
    const ask = async (text: string, partitionKey?: string[]): Promise<readonly Row[]> => {
      const items = limited.database("shop").container("vectors").items;
      const options = partitionKey === undefined ? {} : { partitionKey };
      return (await items.query<Row>(text, options).fetchAll()).resources;
    };
    for (const text of [
      `SELECT TOP 30 * FROM c ORDER BY ${distance}`,
      `SELECT * FROM c ORDER BY ${distance} OFFSET 1 LIMIT 30`,
      `SELECT TOP 30 * FROM c WHERE c.tenant IN ('a', 'b') ORDER BY ${distance}`,
    ]) {
      const rows = await ask(text, ["a"]);
      assert.ok(rows.length >= 19, `${rows.length} rows`);
      assert.deepEqual([...new Set(rows.map(({ tenant }) => tenant))], ["a"], text);
      assert.equal(
        (await ask(text, ["a", "u1"])).every(({ user: own }) => own === "u1"),
        true,
      );
      for (const other of [["b"], ["b", "u1"], undefined]) {
        await assert.rejects(ask(text, other), { code: 403 }, `${text} ${other}`);
      }
    }
    limited.dispose();
  } finally {
    await fixture.close();
  }
});

describe("a token of one partition that names triggers", () => {
  const upsert = { "x-ms-documentdb-is-upsert": "true" };
  const move = { operations: [{ op: "set", path: "/pk", value: "b" }] };
  const touch = { operations: [{ op: "set", path: "/n", value: 1 }] };
  const items = `${orders}/docs`;
  const rows: readonly (readonly [string, string, string, Record<string, string>, object, string])[] = [
    ["creates in its own", "POST", items, {}, { id: "new", pk: "a" }, "201"],
    ["creates in another", "POST", items, {}, { id: "new", pk: "b" }, "400/1001"],
    ["creates in none", "POST", items, {}, { id: "new" }, "400/1001"],
    ["upserts in its own", "POST", items, upsert, { id: "old", pk: "a" }, "200"],
    ["upserts in another", "POST", items, upsert, { id: "old", pk: "b" }, "400/1001"],
    ["replaces in its own", "PUT", `${items}/old`, {}, { id: "old", pk: "a" }, "200"],
    ["replaces into another", "PUT", `${items}/old`, {}, { id: "old", pk: "b" }, "400/1001"],
    ["patches in its own", "PATCH", `${items}/old`, {}, touch, "200"],
    ["patches into another", "PATCH", `${items}/old`, {}, move, "400"],
  ];
  let fixture: CosmosFixture;
  let authorization: string;
  before(async () => {
    fixture = await openCosmosFixture();
    for (const triggerType of ["Pre", "Post"]) {
      const body = { id: triggerType, triggerType, triggerOperation: "All", body: "function () {}" };
      await fixture.sendSigned("POST", `${orders}/triggers`, { body });
    }
    const resource = "dbs/shop/colls/orders";
    authorization = await tokenOf(fixture, { permissionMode: "All", resource, resourcePartitionKey: ["a"] });
  });
  after(() => fixture.engine.scripts.close());
  for (const [kind, header] of [
    ["Pre", "x-ms-documentdb-pre-trigger-include"],
    ["Post", "x-ms-documentdb-post-trigger-include"],
  ] as const) {
    for (const [name, method, target, more, body, expected] of rows) {
      test(`${name}, with a ${kind.toLowerCase()}-trigger: ${expected}`, async () => {
        const old = { id: "old", pk: "a" };
        await fixture.sendSigned("POST", items, { headers: { ...inA, ...upsert }, body: old });
        await fixture.sendSigned("DELETE", `${items}/new`, { headers: inA });
        const headers = { authorization, [header]: kind, ...more };
        assert.equal(outcome(await fixture.send(method, target, { ...headers, ...inA }, body)), expected);
        assert.equal(outcome(await fixture.send(method, target, { ...headers, ...inB }, body)), "403");
        const all = await fixture.sendSigned("GET", items, {});
        const stored = (bodyOf(all)["Documents"] as readonly { readonly pk?: string }[]).map(({ pk }) => pk);
        assert.deepEqual([...new Set(stored)], ["a"]);
      });
    }
  }
});

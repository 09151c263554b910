/** Indexing, computed properties, time to live and client encryption: what a container may be created and replaced with. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bodyOf, type CosmosFixture, openCosmosFixture, outcome } from "./fixture.ts";

type Properties = Record<string, unknown>;

const indexing = (policy: Properties, more: Properties = {}): Properties => ({
  indexingPolicy: policy,
  ...more,
});
const spatial = (entry: Properties, type = "Geography"): Properties =>
  indexing({ spatialIndexes: [{ path: "/at/?", ...entry }] }, { geospatialConfig: { type } });
const composite = (...paths: readonly unknown[]): Properties => indexing({ compositeIndexes: [paths] });
const included = (path: string): Properties => indexing({ includedPaths: [{ path: "/*" }, { path }] });
const lower = "SELECT VALUE LOWER(c.name) FROM c";
const computed = (...definitions: readonly unknown[]): Properties => ({ computedProperties: definitions });
const box = { xmin: 0, ymin: 0, xmax: 10, ymax: 10 };
const encrypted = (id: string, path = "/ssn"): Properties => ({
  clientEncryptionPolicy: {
    includedPaths: [
      {
        path,
        clientEncryptionKeyId: id,
        encryptionType: "Deterministic",
        encryptionAlgorithm: "AEAD_AES_256_CBC_HMAC_SHA256",
      },
    ],
    policyFormatVersion: 1,
  },
});

const refused: readonly (readonly [string, Properties, string])[] = [
  ["a wildcard within a path", included("/?/age/?"), "Please ensure that the path is a valid path"],
  ["a path of no label", included("/?"), "Please ensure that the path is a valid path"],
  ["an empty label", included("/a//b/?"), "Please ensure that the path is a valid path"],
  [
    "a spatial index of no type",
    spatial({}),
    "The spatial data types array cannot be empty. Assign at least one spatial type for the 'types' array for the path",
  ],
  ["a spatial index of a wrong type", spatial({ types: ["Blob"] }), "One of the specified inputs is invalid"],
  ["a plane without a box", spatial({ types: ["Point"] }, "Geometry"), "boundingBox"],
  [
    "a plane with a box inside out",
    spatial({ types: ["Point"], boundingBox: { ...box, xmin: 20 } }, "Geometry"),
    "boundingBox",
  ],
  ["a globe with a box", spatial({ types: ["Point"], boundingBox: box }), "Geography"],
  ["a composite index of one path", composite({ path: "/a" }), "must have at least 2 paths."],
  [
    "a composite index in no direction",
    composite({ path: "/a", order: "up" }, { path: "/b" }),
    "The composite order 'up' is invalid. Choose between 'ascending' and 'descending'.",
  ],
  [
    "a composite index that repeats itself",
    composite({ path: "/a" }, { path: "/a", order: "descending" }),
    "The following path '/a' was specified more than once in 'additionalIndexes.composite[0][1]'.",
  ],
  ["a composite index of a subtree", composite({ path: "/a/*" }, { path: "/b" }), "The indexing path '/a/*'"],
  ["a composite index that is no list", indexing({ compositeIndexes: [{}] }), "inputs is invalid"],
  [
    "two computed properties of one name",
    computed({ name: "l", query: lower }, { name: "l", query: lower }),
    "Computed property name 'l' cannot be used in multiple definitions.",
  ],
  ["a computed property without name", computed({ query: lower }), "One of the specified inputs is invalid"],
  ["a computed property without query", computed({ name: "l" }), "One of the specified inputs is invalid"],
  [
    "a computed property of an empty name",
    computed({ name: "", query: lower }),
    "Computed property 'name' is either empty or unspecified.",
  ],
  [
    "a computed property of an empty query",
    computed({ name: "l", query: "" }),
    "Computed property 'query' is either empty or unspecified.",
  ],
  [
    "a computed property named as the system's",
    computed({ name: "id", query: lower }),
    "The system property name 'id' cannot be used as a computed property name.",
  ],
  [
    "a computed property in space",
    { ...spatial({ path: "/l/*", types: ["Point"] }), ...computed({ name: "l", query: lower }) },
    "Computed property 'l' at index (0) has a spatial index. Remove the spatial index on this path.",
  ],
  [
    "a computed property of no value",
    computed({ name: "l", query: "SELECT LOWER(c.name) FROM c" }),
    "Required VALUE expression missing from computed property query 'SELECT LOWER(c.name) FROM c' at index (0).",
  ],
  [
    "a computed property of another alias",
    computed({ name: "l", query: "SELECT LOWER(c.name) FROM r" }),
    `Computed property at index (0) has a malformed query: 'SELECT LOWER(c.name) FROM r' Error details: '{"errors":[{"severity":"Error","code":2001,"message":"Identifier 'c' could not be resolved."}]}'`,
  ],
  ...["WHERE c.x = 1", "GROUP BY c.x", "ORDER BY c.x", "OFFSET 0 LIMIT 1"].map(
    (clause) =>
      [
        `a computed property with ${clause}`,
        computed({ name: "l", query: `SELECT VALUE c.x FROM c ${clause}` }),
        "Computed property at index (0) has a",
      ] as const,
  ),
  ["a path of times to live without any", { ttlPropertyPath: "/at" }, "needs a defaultTtl"],
  [
    "a client encryption key that is not there",
    encrypted("unknownKey"),
    "ClientEncryptionKey with id '[unknownKey]' does not exist.",
  ],
  ["a client encryption policy without paths", { clientEncryptionPolicy: {} }, "inputs is invalid"],
];

const base = { id: "c", partitionKey: { paths: ["/pk"] } };

async function created(
  fixture: CosmosFixture,
  properties: Properties,
): Promise<readonly [string, Properties]> {
  const reply = await fixture.sendSigned("POST", "/dbs/shop/colls", { body: { ...base, ...properties } });
  return [outcome(reply), bodyOf(reply)];
}

describe("a container is not created with", () => {
  for (const [name, properties, text] of refused) {
    test(name, async () => {
      const fixture = await openCosmosFixture();
      const [status, body] = await created(fixture, properties);
      assert.equal(status, "400");
      const shown = String(body["message"]).replaceAll("\\", "");
      assert.ok(shown.includes(text), shown);
      assert.equal(outcome(await fixture.sendSigned("GET", "/dbs/shop/colls/c")), "404");
    });
  }
});

test("on a globe every spatial type is indexed, in a plane those that were named", async () => {
  const types = async (properties: Properties): Promise<unknown> => {
    const [, body] = await created(await openCosmosFixture(), properties);
    return (body["indexingPolicy"] as { spatialIndexes: { types: unknown }[] }).spatialIndexes[0]?.types;
  };
  const all = ["Point", "LineString", "Polygon", "MultiPolygon"];
  assert.deepEqual(await types(spatial({ types: ["LineString"] })), all);
  assert.deepEqual(await types(spatial({ types: ["LineString"], boundingBox: box }, "Geometry")), [
    "LineString",
  ]);
});

test("the root may be written as a slash alone", async () => {
  const [status, body] = await created(
    await openCosmosFixture(),
    indexing({ includedPaths: [{ path: '/"at"/?' }, { path: "/" }] }),
  );
  assert.equal(status, "201");
  assert.deepEqual((body["indexingPolicy"] as Properties)["includedPaths"], [
    { path: '/"at"/?' },
    { path: "/*" },
  ]);
});

test("kinds of index are no longer returned with a path, but for spatial ones", async () => {
  const number = { dataType: "Number", precision: 2 };
  const point = { kind: "Spatial", dataType: "Point" };
  const rows: readonly (readonly [unknown, Properties])[] = [
    [
      [
        { kind: "Hash", ...number },
        { kind: "Range", dataType: "String" },
      ],
      {},
    ],
    [[], {}],
    [[{ kind: "range", ...number }, point], { indexes: [point] }],
  ];
  for (const [indexes, kept] of rows) {
    const fixture = await openCosmosFixture();
    const [status, body] = await created(fixture, indexing({ includedPaths: [{ path: "/", indexes }] }));
    assert.equal(status, "201");
    const stored = bodyOf(await fixture.sendSigned("GET", "/dbs/shop/colls/c"));
    for (const { indexingPolicy } of [body, stored])
      assert.deepEqual((indexingPolicy as Properties)["includedPaths"], [{ path: "/*", ...kept }]);
  }
});

test("the etag is excluded unless the policy speaks of it", async () => {
  const etag = { path: '/"_etag"/?' };
  const excludedOf = async (policy: Properties): Promise<unknown> =>
    ((await created(await openCosmosFixture(), indexing(policy)))[1]["indexingPolicy"] as Properties)[
      "excludedPaths"
    ];
  const metadata = { path: '/"systemMetadata"/*' };
  assert.deepEqual(await excludedOf({}), [etag]);
  assert.deepEqual(await excludedOf({ excludedPaths: [metadata] }), [metadata, etag]);
  assert.deepEqual(await excludedOf({ excludedPaths: [etag, metadata] }), [etag, metadata]);
  assert.deepEqual(await excludedOf({ excludedPaths: [{ path: "/*" }] }), [{ path: "/*" }, etag]);
  assert.deepEqual(
    await excludedOf({ includedPaths: [{ path: "/*" }, { path: "/_etag/?" }], excludedPaths: [] }),
    [],
  );
});

test("a composite index says its directions", async () => {
  const [, body] = await created(
    await openCosmosFixture(),
    composite({ path: "/a" }, { path: '/"b c"/d', order: "Descending" }),
  );
  assert.deepEqual((body["indexingPolicy"] as { compositeIndexes: unknown }).compositeIndexes, [
    [
      { path: "/a", order: "ascending" },
      { path: '/"b c"/d', order: "descending" },
    ],
  ]);
});

test("a client encryption policy stays as it was created", async () => {
  const fixture = await openCosmosFixture();
  await fixture.sendSigned("POST", "/dbs/shop/clientencryptionkeys", {
    body: {
      id: "key",
      encryptionAlgorithm: "AEAD_AES_256_CBC_HMAC_SHA256",
      wrappedDataEncryptionKey: "AAAA",
      keyWrapMetadata: { type: "akv", name: "n", value: "v", algorithm: "RSA-OAEP" },
    },
  });
  assert.equal((await created(fixture, encrypted("key")))[0], "201");
  const outcomes = [encrypted("key"), encrypted("key", "/other"), {}].map(async (properties) => {
    const body = { ...base, ...properties, defaultTtl: 10 };
    const reply = await fixture.sendSigned("PUT", "/dbs/shop/colls/c", { body });
    return [
      outcome(reply),
      String(bodyOf(reply)["message"] ?? "").includes(
        "cannot be changed as part of collection replace operation.",
      ),
    ];
  });
  assert.deepEqual(await Promise.all(outcomes), [
    ["200", false],
    ["400", true],
    ["400", true],
  ]);
});

/** Policies of vectors and texts: what creating and replacing a container takes, and the words it refuses the rest with. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bodyOf, openCosmosFixture, outcome } from "./fixture.ts";

type Properties = Record<string, unknown>;

const vector = { path: "/v", dataType: "float32", dimensions: 256, distanceFunction: "cosine" };
const embeddings = (...changes: readonly Properties[]): Properties => ({
  vectorEmbeddingPolicy: { vectorEmbeddings: changes.map((change) => ({ ...vector, ...change })) },
});
const indexed = (index: Properties, change: Properties = {}): Properties => ({
  ...embeddings(change),
  indexingPolicy: { vectorIndexes: [{ path: "/v", type: "flat", ...index }] },
});
const texts = (policy: Properties, ...indexes: readonly Properties[]): Properties => ({
  fullTextPolicy: policy,
  indexingPolicy: { fullTextIndexes: indexes },
});
const english = { defaultLanguage: "en-US", fullTextPaths: [{ path: "/text", language: "en-US" }] };

const standard = {
  package: "standard",
  defaultSpec: { language: "en-US", tokenizer: "word", filters: ["stop", "lowercase", "stem", "ascii"] },
  fullTextPaths: [{ path: "/text" }, { path: "/notes", tokenizer: "word", filters: ["lowercase"] }],
};

const taken: readonly (readonly [string, Properties])[] = [
  [
    "every type of data",
    embeddings(
      ...["float32", "float16", "int8", "uint8"].map((dataType) => ({ dataType, path: `/${dataType}` })),
    ),
  ],
  ["the SDKs' spellings of a distance", embeddings({ distanceFunction: "dotProduct" })],
  ["a vector by defaults", { vectorEmbeddingPolicy: { vectorEmbeddings: [{ path: "/a/b" }] } }],
  ["as many dimensions as there may be", embeddings({ dimensions: 4096 })],
  ["as many dimensions as a flat index takes", indexed({}, { dimensions: 505 })],
  ["a quantized index", indexed({ type: "quantizedFlat", quantizationByteSize: 256 })],
  [
    "a graph with a shard key",
    indexed({ type: "diskANN", indexingSearchListSize: 500, vectorIndexShardKey: ["/country/city"] }),
  ],
  ["no vector indexes", { indexingPolicy: { vectorIndexes: [], fullTextIndexes: [] } }],
  ["a text", texts(english, { path: "/text" })],
  ["a default language alone", { fullTextPolicy: { defaultLanguage: "en-US" } }],
  [
    "languages by path",
    texts({ defaultLanguage: "en-US", fullTextPaths: [{ path: "/t", language: "fr-FR" }] }),
  ],
  ["the preview's analysis of texts", texts(standard, { path: "/text" })],
  ["the analysis of before", texts({ ...english, package: "legacy" })],
];

const refused: readonly (readonly [string, Properties, string])[] = [
  [
    "a wrong path",
    embeddings({ path: "/embedding/" }),
    "The Vector Embedding Policy has an invalid Path:/embedding/. Specify the correct path",
  ],
  ["a path into arrays", embeddings({ path: "/v/[]" }), "has an invalid Path:/v/[]."],
  [
    "a wrong type of data",
    embeddings({ dataType: "float33" }),
    "Vector Embedding Policy has an invalid DataType",
  ],
  [
    "a wrong distance",
    embeddings({ distanceFunction: "handMeasured" }),
    "The Vector Embedding Policy has an invalid DistanceFunction:handMeasured",
  ],
  [
    "too many dimensions",
    embeddings({ dimensions: 8000 }),
    "Vector Embedding Policy has Dimensions:8000 which is more than the maximum supported value",
  ],
  ["negative dimensions", embeddings({ dimensions: -1 }), "The Vector Embedding Policy has Dimensions:-1"],
  ["a list that is none", { vectorEmbeddingPolicy: { vectorEmbeddings: {} } }, "inputs is invalid"],
  [
    "an index without a policy",
    { indexingPolicy: { vectorIndexes: [{ path: "/v", type: "flat" }] } },
    "The Vector Indexing Policy's path::/v not matching in Embedding's path.",
  ],
  ["an index on another path", indexed({ path: "/w" }), "/w not matching in Embedding's path"],
  ["a wrong type of index", indexed({ type: "notFlat" }), "Index Type::notFlat is invalid"],
  ["a flat index of long vectors", indexed({}, { dimensions: 506 }), "Index Type::flat"],
  [
    "quantization to nothing",
    indexed({ type: "quantizedFlat", quantizationByteSize: 0 }),
    "The Vector Indexing Policy parameter QuantizationByteSize value :: 0 is out of range. The allowed range is between 1 and 256.",
  ],
  [
    "quantization to too much",
    indexed({ type: "quantizedFlat", quantizationByteSize: 513 }, { dimensions: 550 }),
    "QuantizationByteSize value :: 513 is out of range. The allowed range is between 1 and 512.",
  ],
  [
    "a short search list",
    indexed({ type: "diskANN", indexingSearchListSize: 5 }),
    "IndexingSearchListSize value :: 5 is out of range. The allowed range is between 25 and 500.",
  ],
  [
    "a wrong shard path",
    indexed({ type: "diskANN", vectorIndexShardKey: ["country"] }),
    "The Vector Indexing Policy has an invalid Shard Path: country.",
  ],
  [
    "several shard paths",
    indexed({ type: "diskANN", vectorIndexShardKey: ["/country", "/city", "/zipcode"] }),
    "The number of shard paths defined in the Vector Indexing Policy: 3 exceeds the maximum: 1.",
  ],
  [
    "a shard key that is no list",
    indexed({ type: "diskANN", vectorIndexShardKey: "/country" }),
    "One of the specified inputs is invalid",
  ],
  [
    "a wrong path of a text",
    texts({ ...english, fullTextPaths: [{ path: "abstract" }] }),
    "The Full Text Policy contains an invalid Path: abstract",
  ],
  [
    "a default language nobody speaks",
    texts({ ...english, defaultLanguage: "spa-SPA" }),
    "The Full Text Policy contains an unsupported language spa-SPA. Supported languages are: ",
  ],
  [
    "a path's language nobody speaks",
    texts({ ...english, fullTextPaths: [{ path: "/text", language: "" }] }),
    "The Full Text Policy contains an unsupported language . Supported languages are: ",
  ],
  ["an unknown package", texts({ ...standard, package: "modern" }), "contains an invalid package: modern"],
  [
    "an unknown tokenizer",
    texts({ ...standard, defaultSpec: { tokenizer: "letter" } }),
    "contains an invalid tokenizer: letter",
  ],
  [
    "an unknown filter",
    texts({ ...standard, defaultSpec: { filters: ["stop", "loud"] } }),
    "contains an invalid filter: loud",
  ],
  [
    "filters of the legacy package",
    texts({ package: "legacy", fullTextPaths: [{ path: "/text", filters: ["stop"] }] }),
    "can name filters only for the package standard",
  ],
  [
    "a default language in the settings that nobody speaks",
    texts({ ...standard, defaultSpec: { language: "xx-XX" } }),
    "contains an unsupported language xx-XX",
  ],
  [
    "a text index on another path",
    texts(english, { path: "/path" }),
    "The path of the Full Text Index /path does not match the path specified in the Full Text Policy",
  ],
  [
    "a text index on no path",
    texts(english, { path: "text" }),
    "Full-text index specification at index (0) contains invalid path",
  ],
  [
    "a text index without its path",
    texts(english, { path: "/text" }, { not_path: "text" }),
    "Missing path in full-text index specification at index (1)",
  ],
];

/** Status of creating a container with these properties, and the message of a refusal. */
async function created(properties: Properties): Promise<readonly [string, string]> {
  const fixture = await openCosmosFixture();
  const reply = await fixture.sendSigned("POST", "/dbs/shop/colls", {
    body: { id: "c", partitionKey: { paths: ["/pk"] }, ...properties },
  });
  return [outcome(reply), (JSON.stringify(bodyOf(reply)["message"]) ?? "").replaceAll("\\", "")];
}

describe("a container is created with", () => {
  for (const [name, properties] of taken) {
    test(name, async () => assert.deepEqual(await created(properties), ["201", ""]));
  }
});

describe("a container is not created with", () => {
  for (const [name, properties, text] of refused) {
    test(name, async () => {
      const [status, message] = await created(properties);
      assert.equal(status, "400");
      assert.ok(message.includes(text), message);
    });
  }
});

const replacements: readonly (readonly [string, Properties, string, string])[] = [
  ["the same policies", indexed({}), "200", ""],
  ["the same policies in another order", reversed(indexed({})), "200", ""],
  ["another vector besides", { ...indexed({}), ...embeddings({}, { path: "/w" }) }, "200", ""],
  ["neither policy nor index", {}, "200", ""],
  ["a policy without index", embeddings({}), "200", ""],
  [
    "an index without policy",
    { indexingPolicy: { vectorIndexes: [{ path: "/v", type: "flat" }] } },
    "400",
    "The Vector Indexing Policy's path::/v not matching in Embedding's path.",
  ],
  [
    "another type of index",
    indexed({ type: "quantizedFlat" }),
    "400",
    "Paths in existing vector indexing policy cannot be modified in Collection Replace. They can only be added or removed.",
  ],
  [
    "other dimensions",
    indexed({}, { dimensions: 384 }),
    "400",
    "Paths in existing embedding policy cannot be modified in Collection Replace",
  ],
];

function reversed(properties: Properties): Properties {
  return JSON.parse(JSON.stringify(properties), (_, value) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value as object).reverse())
      : value,
  ) as Properties;
}

describe("a container with an indexed vector is replaced by one with", () => {
  for (const [name, properties, status, text] of replacements) {
    test(name, async () => {
      const fixture = await openCosmosFixture();
      const base = { id: "c", partitionKey: { paths: ["/pk"] } };
      await fixture.sendSigned("POST", "/dbs/shop/colls", { body: { ...base, ...indexed({}) } });
      const reply = await fixture.sendSigned("PUT", "/dbs/shop/colls/c", {
        body: { ...base, ...properties },
      });
      assert.equal(outcome(reply), status);
      const { message, ...container } = bodyOf(reply);
      assert.ok(String(message ?? "").includes(text), String(message));
      const now = bodyOf(await fixture.sendSigned("GET", "/dbs/shop/colls/c"));
      const expected = status === "200" ? properties : indexed({});
      assert.deepEqual(now["vectorEmbeddingPolicy"], expected["vectorEmbeddingPolicy"]);
      assert.ok(status !== "200" || container["id"] === "c");
    });
  }
});

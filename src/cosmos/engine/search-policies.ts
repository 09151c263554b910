/**
 * Policies of vector and full-text search: what a container says of its vectors and texts, and the indexes on them, must
 * fit together. Apart from container-policies.ts, because these policies refer to each other, and because the vector
 * ones are compared with what a container had before. Texts are the service's as its SDKs' own tests quote them.
 */
import { badRequest, invalidInput } from "../errors.ts";
import { isObject, type JsonObject } from "./json-object.ts";

/** Service limits. */
const dimensionsMax = 4_096;
const flatDimensionsMax = 505;
const quantizationBytesMax = 512;
const searchListSizes = [25, 500] as const;
const shardPathsMax = 1;

/** What the service takes a vector to be when its policy does not say. */
const dimensionsDefault = 1_536;

const dataTypes: ReadonlySet<string> = new Set(["float32", "float16", "int8", "uint8"]);
const distanceFunctions: ReadonlySet<string> = new Set(["cosine", "dotproduct", "euclidean"]);
const indexTypes: ReadonlySet<string> = new Set(["flat", "quantizedflat", "diskann"]);
const languages = ["en-US", "de-DE", "es-ES", "fr-FR", "it-IT", "pt-BR", "pt-PT"] as const;

/** How texts are cut into words: the preview's "standard" package takes settings, "legacy" has none. */
const packages: ReadonlySet<unknown> = new Set([undefined, null, "legacy", "standard"]);
const tokenizers: ReadonlySet<unknown> = new Set([undefined, null, "word"]);
const filters: ReadonlySet<unknown> = new Set(["stop", "lowercase", "stem", "ascii"]);

/** 400 for policies of vectors or texts, or indexes on them, that the service would not take. */
export function checkSearchPolicies(properties: JsonObject): void {
  const indexing = isObject(properties["indexingPolicy"]) ? properties["indexingPolicy"] : {};
  const embeddings = listIn(properties["vectorEmbeddingPolicy"], "vectorEmbeddings");
  for (const embedding of embeddings) checkEmbedding(embedding);
  const dimensions = new Map(
    embeddings.map((embedding) => [
      String(embedding["path"]),
      Number(embedding["dimensions"] ?? dimensionsDefault),
    ]),
  );
  for (const index of listIn(indexing, "vectorIndexes")) checkVectorIndex(index, dimensions);
  const textPolicy = properties["fullTextPolicy"];
  checkFullTextPolicy(textPolicy);
  const textPaths = new Set(listIn(textPolicy, "fullTextPaths").map((entry) => entry["path"]));
  for (const [at, index] of listIn(indexing, "fullTextIndexes").entries())
    checkFullTextIndex(index, at, textPaths);
}

/** 400 when a replacement says something else of a path whose vectors are there; paths may come and go. */
export function checkVectorsKept(before: JsonObject, after: JsonObject): void {
  const unlike = (policy: string, list: string): boolean => {
    const old = new Map(listIn(before[policy], list).map((entry) => [entry["path"], canonical(entry)]));
    return listIn(after[policy], list).some(
      (entry) => (old.get(entry["path"]) ?? canonical(entry)) !== canonical(entry),
    );
  };
  const refusal = (what: string): Error =>
    badRequest(
      `Paths in existing ${what} policy cannot be modified in Collection Replace. They can only be added or removed.`,
    );
  if (unlike("vectorEmbeddingPolicy", "vectorEmbeddings")) throw refusal("embedding");
  if (unlike("indexingPolicy", "vectorIndexes")) throw refusal("vector indexing");
}

function checkEmbedding(embedding: JsonObject): void {
  const {
    path,
    dataType = "float32",
    distanceFunction = "cosine",
    dimensions = dimensionsDefault,
  } = embedding;
  const subject = "The Vector Embedding Policy has";
  if (!isPath(path)) {
    throw badRequest(
      `${subject} an invalid Path:${shown(path)}. Specify the correct path for vector properties of your documents.`,
    );
  }
  if (!dataTypes.has(String(dataType).toLowerCase()))
    throw badRequest(`${subject} an invalid DataType:${shown(dataType)} for path:${path}.`);
  if (!distanceFunctions.has(String(distanceFunction).toLowerCase()))
    throw badRequest(`${subject} an invalid DistanceFunction:${shown(distanceFunction)} for path:${path}.`);
  if (!Number.isInteger(dimensions) || Number(dimensions) < 1) {
    throw badRequest(
      `${subject} Dimensions:${shown(dimensions)} for path:${path}, it should be a positive integer.`,
    );
  }
  if (Number(dimensions) > dimensionsMax) {
    throw badRequest(
      `${subject} Dimensions:${shown(dimensions)} which is more than the maximum supported value:${dimensionsMax}.`,
    );
  }
}

/** @param dimensions those of each path of the vector policy. */
function checkVectorIndex(index: JsonObject, dimensions: ReadonlyMap<string, number>): void {
  const subject = "The Vector Indexing Policy";
  const path = String(index["path"]);
  const type = String(index["type"]).toLowerCase();
  if (!indexTypes.has(type)) throw badRequest(`${subject}'s Index Type::${shown(index["type"])} is invalid.`);
  const width = dimensions.get(path);
  if (width === undefined)
    throw badRequest(`${subject}'s path::${shown(path)} not matching in Embedding's path.`);
  if (type === "flat" && width > flatDimensionsMax) {
    throw badRequest(
      `${subject}'s Index Type::flat supports at most ${flatDimensionsMax} dimensions, path::${path} has ${width}.`,
    );
  }
  const ranges = [
    ["quantizationByteSize", 1, Math.min(width, quantizationBytesMax)],
    ["indexingSearchListSize", ...searchListSizes],
  ] as const;
  for (const [name, least, most] of ranges) {
    const value = index[name] ?? least;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) continue;
    const parameter = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    throw badRequest(
      `${subject} parameter ${parameter} value :: ${shown(value)} is out of range. The allowed range is between ${least} and ${most}.`,
    );
  }
  checkShardKey(index["vectorIndexShardKey"]);
}

function checkShardKey(paths: unknown): void {
  if (paths === undefined || paths === null) return;
  if (!Array.isArray(paths)) throw invalidInput();
  const wrong = (paths as readonly unknown[]).find((path) => !isPath(path));
  if (wrong !== undefined)
    throw badRequest(`The Vector Indexing Policy has an invalid Shard Path: ${shown(wrong)}.`);
  if (paths.length > shardPathsMax) {
    throw badRequest(
      `The number of shard paths defined in the Vector Indexing Policy: ${paths.length} exceeds the maximum: ${shardPathsMax}.`,
    );
  }
}

function checkFullTextPolicy(policy: unknown): void {
  if (policy === undefined) return;
  const paths = listIn(policy, "fullTextPaths");
  const wrong = paths.find(({ path }) => !isPath(path));
  if (wrong !== undefined)
    throw badRequest(`The Full Text Policy contains an invalid Path: ${shown(wrong["path"])}`);
  if (isObject(policy)) for (const spec of [specOf(policy), ...paths]) checkTextAnalysis(policy, spec);
  const named = [
    ...(isObject(policy) ? [policy["defaultLanguage"], specOf(policy)["language"]] : []),
    ...paths.map((path) => path["language"]),
  ];
  for (const language of named) {
    if (language === undefined || language === null) continue;
    if (languages.some((known) => known.toLowerCase() === String(language).toLowerCase())) continue;
    const known = languages.map((name) => `"${name}"`).join(", ");
    throw badRequest(
      `The Full Text Policy contains an unsupported language ${shown(language)}. Supported languages are: ${known}`,
    );
  }
}

/** What holds for every path that says nothing else. */
function specOf(policy: JsonObject): JsonObject {
  const spec = policy["defaultSpec"] ?? {};
  if (!isObject(spec)) throw invalidInput();
  return spec;
}

/** Status as in the .NET SDK's tests of the preview, which name no text. */
function checkTextAnalysis(policy: JsonObject, spec: JsonObject): void {
  const { package: kind } = policy;
  if (!packages.has(kind))
    throw badRequest(`The Full Text Policy contains an invalid package: ${shown(kind)}`);
  const { tokenizer } = spec;
  if (!tokenizers.has(tokenizer)) {
    throw badRequest(`The Full Text Policy contains an invalid tokenizer: ${shown(tokenizer)}`);
  }
  const named = spec["filters"] ?? [];
  if (!Array.isArray(named)) throw invalidInput();
  const wrong = named.findIndex((filter) => !filters.has(filter));
  if (wrong >= 0) throw badRequest(`The Full Text Policy contains an invalid filter: ${shown(named[wrong])}`);
  if (kind === "legacy" && named.length > 0) {
    throw badRequest("The Full Text Policy can name filters only for the package standard");
  }
}

function checkFullTextIndex(index: JsonObject, at: number, policyPaths: ReadonlySet<unknown>): void {
  const { path } = index;
  if (path === undefined) throw badRequest(`Missing path in full-text index specification at index (${at})`);
  if (!isPath(path)) throw badRequest(`Full-text index specification at index (${at}) contains invalid path`);
  if (!policyPaths.has(path)) {
    throw badRequest(
      `The path of the Full Text Index ${path} does not match the path specified in the Full Text Policy`,
    );
  }
}

/** The objects in a policy's list; 400 when the policy is no object or the list no list of objects. */
function listIn(policy: unknown, name: string): readonly JsonObject[] {
  if (policy === undefined || policy === null) return [];
  const list = isObject(policy) ? (policy[name] ?? []) : undefined;
  if (!Array.isArray(list) || !list.every(isObject)) throw invalidInput();
  return list;
}

/** A path to one value, through objects only: neither wildcards nor elements of arrays are supported. */
function isPath(path: unknown): path is string {
  return typeof path === "string" && /^(\/("([^"\\]|\\.)+"|[^/*[\]"]+))+$/.test(path);
}

/** A value as a message may show it. */
function shown(value: unknown): string {
  return (typeof value === "string" ? value : String(JSON.stringify(value))).slice(0, 100);
}

/** One text for equal entries, whatever the order of their members. */
function canonical(entry: JsonObject): string {
  return JSON.stringify(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)));
}

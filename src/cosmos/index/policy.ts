/**
 * A container's indexing policy: which paths are indexed and by which composite indexes a query may be ordered. The
 * rules are the service's (index policy reference): the more precise path wins, and `/?` beats `/*`.
 */
import type { OrderFact, Path } from "../query/facts.ts";
import type { Metric } from "../query/functions/vector.ts";
import { LATITUDE, LONGITUDE } from "../query/item-paths.ts";

/** Steps into an item; null is any element of an array, a number a coordinate of a point. */
export type IndexPath = readonly IndexStep[];
export type IndexStep = string | null | typeof LONGITUDE | typeof LATITUDE;

export interface CompositePath {
  readonly path: IndexPath;
  readonly descending: boolean;
}

/** A vector index that the policy asks for, with what the container's vector policy says of its path. */
export interface VectorIndex {
  readonly path: readonly string[];
  readonly type: "flat" | "quantizedFlat" | "diskANN";
  readonly dimensions: number;
  readonly metric: Metric;
}

export interface IndexPolicy {
  /** False for `indexingMode: none`: every query scans. */
  readonly indexes: boolean;
  readonly composites: readonly (readonly CompositePath[])[];
  includes(path: IndexPath): boolean;
  /** Whether points at `path` are indexed by their coordinates. */
  locates(path: IndexPath): boolean;
  readonly vectors: readonly VectorIndex[];
}

interface PolicyPath {
  readonly steps: IndexPath;
  /** `/?`: this value only; else the whole subtree. */
  readonly exact: boolean;
  readonly included: boolean;
}

/**
 * The policy of a container's `indexingPolicy`, and of its `vectorEmbeddingPolicy`; what it does not say is the service's
 * default.
 */
export function compilePolicy(indexingPolicy: unknown, vectorPolicy?: unknown): IndexPolicy {
  const policy = isObject(indexingPolicy) ? indexingPolicy : {};
  const included = pathsOf(policy["includedPaths"]);
  const entries: readonly PolicyPath[] = [
    ...(included ?? ["/*"]).flatMap((path) => policyPath(path, true)),
    ...(pathsOf(policy["excludedPaths"]) ?? []).flatMap((path) => policyPath(path, false)),
  ];
  const spatial = (pathsOf(policy["spatialIndexes"]) ?? []).flatMap((path) => policyPath(path, true));
  return {
    locates: (path) => spatial.some((entry) => covers({ ...entry, exact: false }, path)),
    indexes: String(policy["indexingMode"] ?? "consistent").toLowerCase() !== "none",
    composites: compositesOf(policy["compositeIndexes"]),
    vectors: vectorsOf(policy["vectorIndexes"], vectorPolicy),
    includes(path) {
      // The service indexes these whatever the policy says.
      if (path.length === 1 && (path[0] === "id" || path[0] === "_ts")) return true;
      let best: PolicyPath | undefined;
      for (const entry of entries) {
        if (covers(entry, path) && (best === undefined || precision(entry) >= precision(best))) best = entry;
      }
      return best?.included === true;
    },
  };
}

/** Steps of a query's path as the index names them. */
export function indexPath(path: Path): IndexPath {
  return path.map((step) => {
    if (step === LONGITUDE || step === LATITUDE) return step;
    return typeof step === "number" ? null : step;
  });
}

/** The two refusals of ORDER BY that a policy can cause, in the service's words; undefined when it may be served. */
export function orderByProblem(
  policy: IndexPolicy,
  orderBy: readonly OrderFact[] | undefined,
): string | undefined {
  if (orderBy === undefined || !policy.indexes) return undefined;
  const [only] = orderBy;
  if (orderBy.length === 1 && only !== undefined) {
    return policy.includes(indexPath(only.path))
      ? undefined
      : "The index path corresponding to the specified order-by item is excluded.";
  }
  const served = policy.composites.some((composite) => orders(composite, orderBy));
  return served
    ? undefined
    : "The order by query does not have a corresponding composite index that it can be served from.";
}

/** A composite index serves exactly its own sequence of paths, in its directions or all of them inverted. */
function orders(composite: readonly CompositePath[], orderBy: readonly OrderFact[]): boolean {
  if (composite.length !== orderBy.length) return false;
  const inverted = composite[0]?.descending !== orderBy[0]?.descending;
  return composite.every(({ path, descending }, i) => {
    const wanted = orderBy[i];
    return (
      wanted !== undefined &&
      (descending !== wanted.descending) === inverted &&
      samePath(path, indexPath(wanted.path))
    );
  });
}

export function samePath(a: IndexPath, b: IndexPath): boolean {
  return a.length === b.length && a.every((step, i) => step === b[i]);
}

function pathsOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return (value as unknown[]).flatMap((entry) => {
    const path = isObject(entry) ? entry["path"] : undefined;
    return typeof path === "string" ? [path] : [];
  });
}

function policyPath(text: string, included: boolean): readonly PolicyPath[] {
  const steps = pathSteps(text);
  const last = steps.at(-1);
  if (last === "?" || last === "*") return [{ steps: steps.slice(0, -1), exact: last === "?", included }];
  return [{ steps, exact: true, included }];
}

/** Splits `/a/[]/"b c"/?` into steps; `[]` becomes null. */
function pathSteps(text: string): IndexPath {
  return [...text.matchAll(/\/(?:"((?:[^"\\]|\\.)*)"|([^/]*))/g)].map((match) => {
    if (match[1] !== undefined) return match[1].replace(/\\(.)/g, "$1");
    return match[2] === "[]" ? null : (match[2] ?? "");
  });
}

function compositesOf(value: unknown): readonly (readonly CompositePath[])[] {
  if (!Array.isArray(value)) return [];
  return (value as unknown[]).filter(Array.isArray).map((composite: readonly unknown[]) =>
    composite.flatMap((entry) => {
      if (!isObject(entry) || typeof entry["path"] !== "string") return [];
      const steps = pathSteps(entry["path"]);
      const path = steps.at(-1) === "?" ? steps.slice(0, -1) : steps;
      return [{ path, descending: String(entry["order"] ?? "ascending").toLowerCase() === "descending" }];
    }),
  );
}

/** Service limit for all but flat indexes, which take 505. */
const dimensionsMax = 4_096;

/** The vector indexes whose path the vector policy describes. */
function vectorsOf(indexes: unknown, vectorPolicy: unknown): readonly VectorIndex[] {
  const embeddings = isObject(vectorPolicy) ? vectorPolicy["vectorEmbeddings"] : undefined;
  if (!Array.isArray(indexes) || !Array.isArray(embeddings)) return [];
  return (indexes as readonly unknown[]).flatMap((index): readonly VectorIndex[] => {
    if (!isObject(index) || typeof index["path"] !== "string") return [];
    const path = vectorPath(index["path"]);
    const embedding = (embeddings as readonly unknown[]).find(
      (other) => isObject(other) && samePath(vectorPath(other["path"]) ?? [], path ?? []),
    );
    const type = vectorTypes.get(String(index["type"]).toLowerCase());
    if (path === undefined || type === undefined || !isObject(embedding)) return [];
    // The service takes a vector to have this many dimensions when its policy does not say.
    const { dimensions = 1_536, distanceFunction = "cosine" } = embedding;
    const metric = vectorMetrics.get(String(distanceFunction).toLowerCase());
    const isUsable = Number.isInteger(dimensions) && Number(dimensions) > 0 && metric !== undefined;
    if (!isUsable || Number(dimensions) > dimensionsMax) return [];
    return [{ path, type, dimensions: Number(dimensions), metric }];
  });
}

const vectorTypes: ReadonlyMap<string, VectorIndex["type"]> = new Map(
  (["flat", "quantizedFlat", "diskANN"] as const).map((type) => [type.toLowerCase(), type]),
);

const vectorMetrics: ReadonlyMap<string, Metric> = new Map(
  (["cosine", "dotproduct", "euclidean"] as const).map((metric) => [metric, metric]),
);

/** Steps of a path to a vector, which leads through objects only. */
function vectorPath(text: unknown): readonly string[] | undefined {
  if (typeof text !== "string") return undefined;
  const steps = pathSteps(text.replace(/\/\?$/, ""));
  const names = steps.filter((step) => typeof step === "string");
  return names.length === steps.length && names.length > 0 ? names : undefined;
}

function covers({ steps, exact }: PolicyPath, path: IndexPath): boolean {
  if (exact ? steps.length !== path.length : steps.length > path.length) return false;
  return steps.every((step, i) => step === path[i]);
}

function precision({ steps, exact }: PolicyPath): number {
  return steps.length * 2 + Number(exact);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

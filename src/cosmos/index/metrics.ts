/** What a query cost and which indexes it used, in the forms of the response headers that SDKs parse. */
import type { Condition, Facts } from "../query/facts.ts";
import type { Nearest } from "../query/nearest.ts";
import type { ItemFeed } from "./item-feed.ts";
import { type IndexPath, type IndexPolicy, indexPath, samePath } from "./policy.ts";

export interface QueryCost {
  readonly rows: readonly unknown[];
  /** Length of all rows. */
  readonly length: number;
  readonly cost: ItemFeed["cost"];
}

/**
 * The value of `x-ms-documentdb-query-metrics`: `name=value` pairs, times in milliseconds. Every metric that the Java
 * client parses must be there, measured or not; it fails on a missing one.
 */
export function queryMetrics({ rows, length, cost }: QueryCost, milliseconds: number): string {
  const used = cost.seeks + cost.keys > 0 ? Math.min(1, rows.length / Math.max(1, cost.loaded)) : 0;
  return [
    `totalExecutionTimeInMs=${milliseconds.toFixed(2)}`,
    "queryCompileTimeInMs=0.00",
    "queryLogicalPlanBuildTimeInMs=0.00",
    "queryPhysicalPlanBuildTimeInMs=0.00",
    "queryOptimizationTimeInMs=0.00",
    `VMExecutionTimeInMs=${milliseconds.toFixed(2)}`,
    "indexLookupTimeInMs=0.00",
    "instructionCount=0",
    "documentLoadTimeInMs=0.00",
    "systemFunctionExecuteTimeInMs=0.00",
    "userFunctionExecuteTimeInMs=0.00",
    `retrievedDocumentCount=${cost.loaded}`,
    `retrievedDocumentSize=${cost.loadedBytes}`,
    `outputDocumentCount=${rows.length}`,
    `outputDocumentSize=${length}`,
    "writeOutputTimeInMs=0.00",
    `indexUtilizationRatio=${used.toFixed(2)}`,
  ].join(";");
}

type Impact = "High" | "Low";

interface SingleIndex {
  readonly IndexSpec: string;
  readonly IndexImpactScore: Impact;
}

interface CompositeIndex {
  readonly IndexSpecs: readonly string[];
  readonly IndexImpactScore: Impact;
}

interface IndexUse {
  readonly SingleIndexes: readonly SingleIndex[];
  readonly CompositeIndexes: readonly CompositeIndex[];
}

export interface IndexMetrics {
  readonly Utilized: IndexUse;
  readonly Potential: IndexUse;
}

/**
 * The index metrics of a query under a policy, by its shape alone: the paths that it filters and sorts by, which of
 * them are indexed, and composite and vector indexes that are used or would help. How the service names vector indexes
 * here is not documented: they stand among the single ones, as the path that a policy names.
 */
export function indexMetrics(facts: Facts, policy: IndexPolicy, nearest?: Nearest): IndexMetrics {
  const used = filteredPaths(facts);
  for (const { path } of facts.orderBy?.length === 1 ? facts.orderBy : [])
    addPath(used, indexPath(path), false);
  const single = (paths: readonly FilteredPath[]): readonly SingleIndex[] =>
    paths.map(({ path }) => ({ IndexSpec: `${specOf(path)}/?`, IndexImpactScore: "High" }));
  const isIndexed = ({ path }: FilteredPath): boolean => policy.indexes && policy.includes(path);
  const wanted = compositesFor(used, facts);
  const has = (composite: readonly CompositeSpec[]): boolean =>
    policy.composites.some(
      (own) =>
        own.length === composite.length &&
        own.every(({ path, descending }, i) => {
          const other = composite[i];
          return other !== undefined && samePath(path, other.path) && descending === other.descending;
        }),
    );
  const vector = nearest === undefined ? [] : [indexPath(nearest.path)];
  const hasVector =
    policy.indexes && vector.some((path) => policy.vectors.some((own) => samePath(own.path, path)));
  const vectors: readonly SingleIndex[] = vector.map((path) => ({
    IndexSpec: specOf(path),
    IndexImpactScore: "High",
  }));
  const composites = (list: readonly (readonly CompositeSpec[])[]): readonly CompositeIndex[] =>
    list.map((composite) => ({
      IndexSpecs: composite.map(({ path, descending }) => `${specOf(path)} ${descending ? "DESC" : "ASC"}`),
      IndexImpactScore: "High",
    }));
  return {
    Utilized: {
      SingleIndexes: [...single(used.filter(isIndexed)), ...(hasVector ? vectors : [])],
      CompositeIndexes: composites(wanted.filter(has)),
    },
    Potential: {
      SingleIndexes: [...single(used.filter((path) => !isIndexed(path))), ...(hasVector ? [] : vectors)],
      CompositeIndexes: composites(wanted.filter((composite) => !has(composite))),
    },
  };
}

/** The value of `x-ms-cosmos-index-utilization` for clients that ask for version 2: URL-encoded JSON. */
export function encodeIndexMetrics(metrics: IndexMetrics): string {
  return encodeURIComponent(JSON.stringify(metrics));
}

/**
 * The same for clients that ask for the first version: base64 of JSON, in the form that azure-cosmos for Python and
 * .NET's `IndexUtilizationInfo` parse. Where one partition was asked for, its key counts as a filter: `partitionKey` has
 * the key's paths. The live tests of azure-cosmos see filter expressions empty.
 */
export function encodeIndexMetricsV1(
  { Utilized, Potential }: IndexMetrics,
  partitionKey: readonly IndexPath[],
): string {
  const single = ({ IndexSpec, IndexImpactScore }: SingleIndex): object => ({
    FilterExpression: "",
    IndexSpec,
    FilterPreciseSet: true,
    IndexPreciseSet: true,
    IndexImpactScore,
  });
  const composite = ({ IndexSpecs, IndexImpactScore }: CompositeIndex): object => ({
    IndexSpecs,
    IndexPreciseSet: true,
    IndexImpactScore,
  });
  const key = partitionKey.map(
    (path): SingleIndex => ({
      IndexSpec: `${specOf(path)}/?`,
      IndexImpactScore: "High",
    }),
  );
  const named = new Set(Utilized.SingleIndexes.map(({ IndexSpec }) => IndexSpec));
  const added = key.filter(({ IndexSpec }) => !named.has(IndexSpec));
  const metrics = {
    UtilizedSingleIndexes: [...added, ...Utilized.SingleIndexes].map(single),
    PotentialSingleIndexes: Potential.SingleIndexes.map(single),
    UtilizedCompositeIndexes: Utilized.CompositeIndexes.map(composite),
    PotentialCompositeIndexes: Potential.CompositeIndexes.map(composite),
  };
  return Buffer.from(JSON.stringify(metrics), "utf8").toString("base64");
}

interface FilteredPath {
  readonly path: IndexPath;
  /** Compared for equality only. */
  equality: boolean;
}

interface CompositeSpec {
  readonly path: IndexPath;
  readonly descending: boolean;
}

function filteredPaths({ alternatives }: Facts): FilteredPath[] {
  const found: FilteredPath[] = [];
  for (const alternative of alternatives) {
    for (const condition of alternative) {
      if (condition.test !== "near") addPath(found, indexPath(condition.path), isEquality(condition));
    }
  }
  return found;
}

function isEquality({ test }: Condition): boolean {
  return test === "in";
}

function addPath(found: FilteredPath[], path: IndexPath, equality: boolean): void {
  const known = found.find((other) => samePath(other.path, path));
  if (known === undefined) found.push({ path, equality });
  else known.equality &&= equality;
}

/** Equality paths first, then one range path for each composite; or the paths of an ORDER BY over several. */
function compositesFor(
  used: readonly FilteredPath[],
  { alternatives, orderBy }: Facts,
): readonly (readonly CompositeSpec[])[] {
  if (orderBy !== undefined && orderBy.length > 1) {
    return [orderBy.map(({ path, descending }) => ({ path: indexPath(path), descending }))];
  }
  if (alternatives.length !== 1 || used.length < 2) return [];
  const spec = ({ path }: FilteredPath): CompositeSpec => ({ path, descending: false });
  const equal = used.filter(({ equality }) => equality);
  const ranges = used.filter(({ equality }) => !equality);
  if (ranges.length === 0) return [equal.map(spec)];
  return equal.length === 0 ? [] : ranges.map((range) => [...equal, range].map(spec));
}

/** A path as policies write it: names that are not plain are quoted. */
function specOf(path: IndexPath): string {
  return path
    .map((step) => {
      if (step === null) return "/[]";
      if (typeof step === "number") return "";
      return /^[A-Za-z_][A-Za-z0-9_]*$/.test(step) ? `/${step}` : `/${JSON.stringify(step)}`;
    })
    .join("");
}

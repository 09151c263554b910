/**
 * Explaining a query: its first page is read as any client's would be, and what is told is how its items were found and
 * what that cost. For the operator of the server, who needs no right to the data.
 */
import type { Engine } from "../engine/engine.ts";
import { badRequest, CosmosError, notFound } from "../errors.ts";
import type { VectorUse } from "../index/access-plan.ts";
import { indexMetrics } from "../index/metrics.ts";
import { indexPath, type VectorIndex } from "../index/policy.ts";
import { shapeOf } from "../index/shape.ts";
import type { Condition, Path } from "../query/facts.ts";
import { EACH, LATITUDE, LONGITUDE } from "../query/item-paths.ts";
import { parseAddress } from "../wire/address.ts";
import type { RequestHeaders } from "../wire/headers.ts";
import type { OperationContext, OperationResult } from "./operation.ts";
import type { Access } from "./query-access.ts";
import { prepare, queryPage } from "./query-items.ts";

export interface ExplainRequest {
  readonly account: string;
  readonly database: string;
  readonly container: string;
  readonly query: string;
  readonly parameters: readonly unknown[];
  /** JSON array of the values of one logical partition. */
  readonly partitionKey?: string;
}

export interface QueryExplanation {
  readonly access:
    | { readonly kind: "scan"; readonly reason: string }
    | {
        readonly kind: "index";
        /** Each line is one way to be in the result: all of its conditions hold. Empty: nothing narrows. */
        readonly lookups: readonly (readonly Lookup[])[];
        /** `index`: rows come in order without sorting. */
        readonly order: "index" | "sorted" | "none";
        /** What columns of the index stand in for. */
        readonly covers: "items" | "texts" | "filter" | "none";
        readonly segments: number;
        /** Documents that were left after the lookups. */
        readonly candidates: number;
        /** The vector index that found the nearest of them. */
        readonly vectors?: ExplainedVectors;
      }
    | { readonly kind: "none" };
  readonly seeks: number;
  readonly keys: number;
  readonly itemsLoaded: number;
  readonly bytesLoaded: number;
  readonly rows: number;
  /** More pages follow. */
  readonly more: boolean;
  readonly requestCharge: number;
  readonly indexMetrics: ReturnType<typeof indexMetrics>;
  /** How many physical ranges clients ask one by one; the page is the first one's. Absent when one answer serves. */
  readonly ranges?: number;
}

export interface ExplainedVectors {
  /** As in an indexing policy. */
  readonly path: string;
  readonly type: VectorIndex["type"];
  /** Nothing nearer was left out, whatever the type of the index. */
  readonly exact: boolean;
  /** Vectors that were compared, and items whose own numbers were. */
  readonly compared: number;
  readonly ranked: number;
}

export interface Lookup {
  /** As in an indexing policy. */
  readonly path: string;
  readonly test: Condition["test"];
  /** How many values it is compared with. */
  readonly values: number;
  readonly indexed: boolean;
}

/** Runs the first page; CosmosError for what is wrong with the query or its container. */
export async function explainQuery(engine: Engine, request: ExplainRequest): Promise<QueryExplanation> {
  const context = contextOf(engine, request);
  const { container } = context;
  let access: Access | undefined;
  const { result, ranges } = await firstPage(context, (found) => {
    access ??= found;
  });
  const { facts, ordered, grouped, nearest } = shapeOf(prepare(context, "", container));
  const policy = engine.indexes.policyOf(container);
  const metrics = result.headers?.["x-ms-documentdb-query-metrics"] ?? "";
  const measured = (name: string): number => Number(new RegExp(`${name}=([\\d.]+)`).exec(metrics)?.[1] ?? 0);
  const lookups = facts.alternatives.map((alternative) =>
    alternative.map(({ path, test, values }) => ({
      path: policyText(path),
      test,
      values: values.length,
      indexed:
        test === "near" ? policy.locates(indexPath(path).slice(0, -1)) : policy.includes(indexPath(path)),
    })),
  );
  const plan = access?.kind === "index" ? access.plan : undefined;
  return {
    access: accessOf(access, lookups, ordered && !grouped),
    seeks: plan?.seeks ?? 0,
    keys: plan?.keys ?? 0,
    itemsLoaded: measured("retrievedDocumentCount"),
    bytesLoaded: measured("retrievedDocumentSize"),
    rows: measured("outputDocumentCount"),
    more: result.headers?.["x-ms-continuation"] !== undefined,
    requestCharge: result.charge,
    indexMetrics: indexMetrics(facts, policy, nearest),
    ...(ranges === undefined ? {} : { ranges }),
  };
}

type ExplainContext = OperationContext & { readonly container: NonNullable<OperationContext["container"]> };

/**
 * The first page. What the gateway does not answer for several ranges at once (400/1004), clients ask of each range and
 * merge: then it is the page of the first range.
 */
async function firstPage(
  context: ExplainContext,
  look: (access: Access) => void,
): Promise<{ readonly result: OperationResult; readonly ranges?: number }> {
  try {
    return { result: await queryPage(context, look) };
  } catch (error) {
    const { ranges } = context.container;
    const [first] = ranges;
    if (!(error instanceof CosmosError) || error.substatus !== 1004 || first === undefined) throw error;
    const headers = { ...context.headers, "x-ms-documentdb-partitionkeyrangeid": first.id };
    return { result: await queryPage({ ...context, headers }, look), ranges: ranges.length };
  }
}

function accessOf(
  access: Access | undefined,
  lookups: readonly (readonly Lookup[])[],
  ordered: boolean,
): QueryExplanation["access"] {
  if (access === undefined) return { kind: "none" };
  if (access.kind === "scan") return access;
  const { sort, cover, parts, nearest } = access.plan;
  return {
    kind: "index",
    lookups: lookups.filter((alternative) => alternative.length > 0),
    order: sort === undefined ? (ordered ? "sorted" : "none") : "index",
    covers: cover?.kind ?? "none",
    segments: parts.length,
    candidates: parts.reduce((sum, { count }) => sum + count, 0),
    ...(nearest === undefined ? {} : { vectors: vectorsOf(nearest) }),
  };
}

function vectorsOf({ index, exact, compared, ranked }: VectorUse): ExplainedVectors {
  const path = policyText(index.path).slice(0, -"/?".length);
  return { path, type: index.type, exact, compared, ranked };
}

function policyText(path: Path): string {
  const steps = path.map((step) => {
    if (step === LONGITUDE) return "longitude";
    if (step === LATITUDE) return "latitude";
    if (typeof step === "number") return step === EACH ? "[]" : `[${step}]`;
    return /^[A-Za-z_][A-Za-z0-9_]*$/.test(step) ? step : JSON.stringify(step);
  });
  return `/${steps.join("/")}/?`;
}

/** The context of a request that nobody sent. */
function contextOf(engine: Engine, request: ExplainRequest): ExplainContext {
  const account = engine.catalog.find(request.account);
  const database = account?.databases.get(request.database);
  const container = database?.containers.get(request.container);
  if (account === undefined || database === undefined || container === undefined) throw notFound();
  if (request.query === "") throw badRequest("There is no query to explain.");
  const headers: RequestHeaders = {
    "x-ms-documentdb-query-enablecrosspartition": "true",
    "x-ms-documentdb-populatequerymetrics": "true",
    ...(request.partitionKey === undefined ? {} : { "x-ms-documentdb-partitionkey": request.partitionKey }),
  };
  return {
    engine,
    account,
    database,
    container,
    address: parseAddress(
      `/dbs/${encodeURIComponent(request.database)}/colls/${encodeURIComponent(request.container)}/docs`,
    ),
    headers,
    body: Buffer.from(JSON.stringify({ query: request.query, parameters: request.parameters })),
    origin: "",
    batch: () => [],
  };
}

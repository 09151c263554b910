/**
 * Queries inside a script thread: the query room runs here, and only the items come from the server, batch by batch. A
 * query that takes long therefore holds up this thread and nothing else.
 */
import { effectivePartitionKey, type PartitionKeyComponent } from "../engine/effective-partition-key.ts";
import { CosmosError } from "../errors.ts";
import { type ItemFeed, OrderChanged } from "../index/item-feed.ts";
import { shapeOf } from "../index/shape.ts";
import { rejectingQuery } from "../operations/operation.ts";
import { type OpenFeed, type Page, readPage } from "../operations/query-page.ts";
import { identifiedQuery } from "../operations/query-text.ts";
import type { QueryPlan } from "../query/plan.ts";
import { queryPlan } from "../query/planner.ts";
import type { PrepareOptions, QueryParameter } from "../query/prepare.ts";
import type { HostCall, HostReply, PlanJob, QuerySettings } from "./protocol.ts";

/** Asks the server; a refusal comes back as a CosmosError. */
export type Ask = (call: HostCall) => Promise<HostReply>;

export interface ThreadQuery {
  readonly text: string;
  readonly parameters: readonly QueryParameter[];
  readonly pageSize: number;
  readonly continuation?: string;
}

/**
 * Computes a page of a query; throws CosmosError for what is wrong with it. Once it `isLate`, a page that can be resumed
 * ends with what it has.
 */
export async function runThreadQuery(
  query: ThreadQuery,
  options: PrepareOptions,
  ask: Ask,
  isLate: () => boolean,
): Promise<Page> {
  const prepared = identifiedQuery(query.text, query.parameters, options);
  const headers = {
    "x-ms-max-item-count": String(query.pageSize),
    ...(query.continuation === undefined ? {} : { "x-ms-continuation": query.continuation }),
  };
  const shape = shapeOf(prepared);
  const open: OpenFeed = async (start, lastTry) => {
    const opened = expected(await ask({ operation: "open", start, lastTry, shape }), "opened");
    return feedFrom(opened, ask);
  };
  // What cannot be resumed ends with the time of the thread.
  return readPage(headers, prepared, open, { isLate, isOver: () => false });
}

/** The plan of a query; throws CosmosError for what is wrong with it. */
export function planInThread(
  { text, parameters, prefix, partitionKey, singlePartitionKey, supportedFeatures }: PlanJob,
  options: PrepareOptions,
): QueryPlan {
  return rejectingQuery(prefix, () =>
    queryPlan(text, parameters, {
      ...options,
      partitionKey,
      epk: (values) => effectivePartitionKey(values as readonly PartitionKeyComponent[], partitionKey),
      singlePartitionKey,
      ...(supportedFeatures === undefined ? {} : { supportedFeatures }),
    }),
  );
}

function feedFrom(opened: Pick<ItemFeed, "sorted" | "byRange" | "cost">, ask: Ask): ItemFeed {
  const { sorted, byRange = false } = opened;
  const cost = { ...opened.cost };
  return {
    sorted,
    byRange,
    cost,
    async next() {
      const reply = expected(await ask({ operation: "next" }), "items");
      Object.assign(cost, reply.cost);
      return reply.items;
    },
  };
}

/** The reply of the kind that the call has; throws what it says instead. */
function expected<K extends HostReply["kind"]>(reply: HostReply, kind: K): Extract<HostReply, { kind: K }> {
  if (reply.kind === kind) return reply as Extract<HostReply, { kind: K }>;
  if (reply.kind === "orderChanged") throw new OrderChanged();
  if (reply.kind === "refused") {
    const { status, code, message, substatus } = reply.refusal;
    throw new CosmosError(status, code, message, { substatus });
  }
  throw new Error(`the server replied ${reply.kind} instead of ${kind}`);
}

/** Time and chance of one job: the server's time, going on from when the job began, and its random bits. */
export function surroundingsOf(settings: QuerySettings): { now: () => number; random: () => number } {
  const began = performance.now();
  return {
    now: () => Math.floor(settings.now + performance.now() - began),
    random: generator(settings.seed),
  };
}

/** Uniform numbers in [0, 1) from a seed of 32 bits (Mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Queries that are run as a whole in a script thread: those that call user-defined functions, because a loop in one must
 * not hold up the server and asking another thread for each row would cost more than the row; those whose text is so
 * long that reading it would hold up the server; and those that turned out to work too long on one item. The items still
 * come from here.
 */
import type { ChildRecord } from "../engine/child-resources.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { CosmosError } from "../errors.ts";
import { type FedItem, type ItemFeed, OrderChanged } from "../index/item-feed.ts";
import type { QueryShape } from "../index/shape.ts";
import type { Stretch } from "../query/compilation.ts";
import type { QueryPlan } from "../query/plan.ts";
import type { QueryParameter } from "../query/prepare.ts";
import { querySettings } from "../scripts/execute.ts";
import { asError, refusalOf } from "../scripts/failures.ts";
import type { Serve } from "../scripts/pool.ts";
import type { HostReply, PlanJob, QueryInThread, QueryJob } from "../scripts/protocol.ts";
import { pageSize } from "../wire/headers.ts";
import { accountNameOf, type OperationContext } from "./operation.ts";
import type { OpenFeed, Page } from "./query-page.ts";

/** A longer text is read in a thread: this much takes some twenty milliseconds. */
const textLengthMax = 16_384;
/** Milliseconds that a query may work on one item before it has to go to a thread. */
const stretchMilliseconds = 20;

export function isLong({ text }: ThreadQuery): boolean {
  return text.length > textLengthMax;
}

/** Watches the time of one request's query. */
export function watchStretch(): Stretch {
  // The clock is first read when somebody asks, because most items are done before that.
  let began: number | undefined;
  return {
    begin() {
      began = undefined;
    },
    isOver() {
      const now = performance.now();
      began ??= now;
      return now - began > stretchMilliseconds;
    },
  };
}

export interface ThreadQuery {
  readonly text: string;
  readonly parameters: readonly QueryParameter[];
  readonly functions: readonly ChildRecord[];
}

/** Opens the feeds of a query, of which the thread tells the shape. */
export type OpenShape = (shape: QueryShape) => Promise<OpenFeed>;

/** Computes one page in a script thread. */
export async function readPageInThread(
  context: OperationContext,
  container: ContainerRecord,
  query: ThreadQuery,
  open: OpenShape,
): Promise<Page> {
  const { engine, headers } = context;
  const continuation = headers["x-ms-continuation"];
  const job: QueryJob = {
    kind: "query",
    ...(await queryInThread(context, container, query)),
    pageSize: pageSize(headers),
    ...(continuation === undefined ? {} : { continuation }),
  };
  const outcome = await engine.scripts.use((thread) => thread.run(job, feedServer(open)));
  if (!outcome.ok) throw asError(outcome.refusal, outcome.log);
  if (outcome.kind !== "page") throw new Error(`a query's outcome cannot be ${outcome.kind}`);
  return outcome.page;
}

/** Makes a plan in a script thread. */
export async function planInThread(
  context: OperationContext,
  container: ContainerRecord,
  query: ThreadQuery,
  how: Pick<PlanJob, "prefix" | "singlePartitionKey" | "supportedFeatures">,
): Promise<QueryPlan> {
  const { partitionKey } = container;
  const job: PlanJob = {
    kind: "plan",
    ...(await queryInThread(context, container, query)),
    partitionKey,
    ...how,
  };
  const outcome = await context.engine.scripts.use((thread) => thread.run(job, noCalls));
  if (!outcome.ok) throw asError(outcome.refusal, outcome.log);
  if (outcome.kind !== "plan") throw new Error(`a plan's outcome cannot be ${outcome.kind}`);
  return outcome.plan;
}

async function noCalls(): Promise<HostReply> {
  throw new Error("a plan makes no calls");
}

async function queryInThread(
  context: OperationContext,
  container: ContainerRecord,
  { text, parameters, functions }: ThreadQuery,
): Promise<QueryInThread> {
  const versions = functions.map(({ number, etag }) => [number, etag]);
  return {
    text,
    parameters,
    settings: await querySettings(context.engine, accountNameOf(context), container, functions),
    functionsVersion: JSON.stringify([container.uid, container.number, versions]),
  };
}

/** The item with bytes that are nothing but its own: what is sent to a thread is the whole memory that they lie in. */
function ownBytes(fed: FedItem): FedItem {
  return fed.json === undefined ? fed : { ...fed, json: new Uint8Array(fed.json) };
}

/** Serves the items of one feed at a time. */
function feedServer(openShape: OpenShape): Serve {
  let open: Promise<OpenFeed> | undefined;
  let feed: ItemFeed | undefined;
  return async (call): Promise<HostReply> => {
    try {
      if (call.operation === "open") {
        open ??= openShape(call.shape);
        feed = await (await open)(call.start, call.lastTry);
        return { kind: "opened", sorted: feed.sorted, byRange: feed.byRange === true, cost: feed.cost };
      }
      if (call.operation !== "next" || feed === undefined) throw new Error(`no ${call.operation} in a query`);
      const items = (await feed.next()).map(ownBytes);
      return { kind: "items", items, cost: feed.cost };
    } catch (error) {
      if (error instanceof OrderChanged) return { kind: "orderChanged" };
      if (error instanceof CosmosError) return { kind: "refused", refusal: refusalOf(error) };
      throw error;
    }
  };
}

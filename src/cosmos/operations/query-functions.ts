/**
 * Queries that call user-defined functions. They run as a whole in a script thread: functions are called once per row,
 * so a loop in one must not hold up the server, and asking another thread for each row would cost more than the row.
 */
import { type ChildRecord, listChildren } from "../engine/child-resources.ts";
import type { ContainerRecord } from "../engine/records.ts";
import { CosmosError } from "../errors.ts";
import { type ItemFeed, OrderChanged } from "../index/item-feed.ts";
import type { QueryParameter } from "../query/prepare.ts";
import { querySettings } from "../scripts/execute.ts";
import { asError, refusalOf } from "../scripts/failures.ts";
import type { Serve } from "../scripts/pool.ts";
import type { HostReply, QueryJob } from "../scripts/protocol.ts";
import { pageSize } from "../wire/headers.ts";
import { accountNameOf, type OperationContext } from "./operation.ts";
import type { OpenFeed, Page } from "./query-page.ts";
import { scriptPlace } from "./script-place.ts";

/** The container's functions, when the text may call any. */
export async function calledFunctions(
  context: OperationContext,
  container: ContainerRecord,
  text: string,
): Promise<readonly ChildRecord[]> {
  if (!/\budf\s*\./i.test(text)) return [];
  const place = scriptPlace(accountNameOf(context), container, "userDefinedFunction");
  return listChildren(context.engine.store, place);
}

export interface FunctionQuery {
  readonly text: string;
  readonly parameters: readonly QueryParameter[];
  readonly functions: readonly ChildRecord[];
  readonly open: OpenFeed;
}

/** Computes one page in a script thread; the items still come from here. */
export async function readPageInThread(
  context: OperationContext,
  container: ContainerRecord,
  { text, parameters, functions, open }: FunctionQuery,
): Promise<Page> {
  const { engine, headers } = context;
  const continuation = headers["x-ms-continuation"];
  const versions = functions.map(({ number, etag }) => [number, etag]);
  const job: QueryJob = {
    kind: "query",
    text,
    parameters,
    pageSize: pageSize(headers),
    ...(continuation === undefined ? {} : { continuation }),
    settings: await querySettings(engine, accountNameOf(context), container, functions),
    functionsVersion: JSON.stringify([container.uid, container.number, versions]),
  };
  const outcome = await engine.scripts.use((thread) => thread.run(job, feedServer(open)));
  if (!outcome.ok) throw asError(outcome.refusal, outcome.log);
  if (outcome.kind !== "page") throw new Error(`a query's outcome cannot be ${outcome.kind}`);
  return outcome.page;
}

/** Serves the items of one feed at a time. */
function feedServer(open: OpenFeed): Serve {
  let feed: ItemFeed | undefined;
  return async (call): Promise<HostReply> => {
    try {
      if (call.operation === "open") {
        feed = await open(call.start, call.lastTry);
        return { kind: "opened", sorted: feed.sorted, cost: feed.cost };
      }
      if (call.operation !== "next" || feed === undefined) throw new Error(`no ${call.operation} in a query`);
      return { kind: "items", items: await feed.next(), cost: feed.cost };
    } catch (error) {
      if (error instanceof OrderChanged) return { kind: "orderChanged" };
      if (error instanceof CosmosError) return { kind: "refused", refusal: refusalOf(error) };
      throw error;
    }
  };
}

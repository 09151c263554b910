/** Where the items of a container query come from: its index when that helps, else a scan of the scope. */
import { partitionHasMore } from "../engine/documents.ts";
import { type ContainerRecord, seconds } from "../engine/records.ts";
import { badRequest } from "../errors.ts";
import { planAccess } from "../index/access-plan.ts";
import { type FeedSource, type ItemFeed, indexFeed, scanFeed, sortedScanFeed } from "../index/item-feed.ts";
import type { PreparedQuery } from "../query/prepare.ts";
import { feedScope, type ItemScope, itemSource } from "./item-scope.ts";
import type { OperationContext } from "./operation.ts";
import type { OpenFeed, PageStart } from "./query-page.ts";

/** Opens the feed of a page; see `OpenFeed`. */
export function feedOpener(
  context: OperationContext,
  container: ContainerRecord,
  query: PreparedQuery,
  scope: ItemScope,
): OpenFeed {
  const { engine } = context;
  const source: FeedSource = {
    reader: engine.store,
    container,
    scope: feedScope(container, scope),
    nowSeconds: seconds(engine.clock),
  };
  return async (start, lastTry) => {
    const order = orderOf(query, start);
    if (!lastTry && couldHelp(query) && !(await isSmall(context, container, scope))) {
      const feed = await openIndexed(context, query, source, start, order);
      if (feed !== undefined) return feed;
    }
    const pages = itemSource(context, container, scope);
    if (order !== "required") {
      return scanFeed(pages, typeof start.position === "number" ? start.position : 0, needsTexts(query));
    }
    if (query.facts.orderBy === undefined) throw badRequest("The continuation token is invalid.");
    const from = typeof start.position === "number" ? { rank: 0 } : start.position;
    return sortedScanFeed(source, pages, query.facts.orderBy, from);
  };
}

async function openIndexed(
  { engine }: OperationContext,
  query: PreparedQuery,
  source: FeedSource,
  start: PageStart,
  order: Order,
): Promise<ItemFeed | undefined> {
  const { container, scope } = source;
  const index = await engine.indexes.of(container);
  if (index === undefined || !(await index.ready(container))) return undefined;
  const coverable = scope.whole && container.properties["defaultTtl"] === undefined;
  const allHomes = scope.homes === undefined || container.ranges.length + container.retired.length === 1;
  const { conditions } = scope;
  const plan = await planAccess(index, query, { conditions, order, coverable, allHomes });
  return plan === undefined ? undefined : indexFeed(source, query, plan, start.position);
}

type Order = "required" | "allowed" | "forbidden";

/** A page goes on in the manner of the one before it: in the order of ORDER BY, or sorting all items anew. */
function orderOf(query: PreparedQuery, { state }: PageStart): Order {
  if (query.syntax.orderBy === undefined || query.grouped) return "forbidden";
  if (state === undefined || query.distinct) return "allowed";
  return state.kind === "position" ? "required" : "forbidden";
}

/** False for queries that must see every item in any order. */
function couldHelp({ facts }: PreparedQuery): boolean {
  const narrows = facts.alternatives.every((alternative) => alternative.length > 0);
  return (
    narrows || facts.orderBy !== undefined || facts.reads !== undefined || facts.filterReads !== undefined
  );
}

/** True for `SELECT * FROM c` and its like. */
function needsTexts({ facts, syntax }: PreparedQuery): boolean {
  return facts.wholeItem && syntax.where === undefined && syntax.orderBy === undefined;
}

async function isSmall(
  { engine }: OperationContext,
  container: ContainerRecord,
  scope: ItemScope,
): Promise<boolean> {
  if (scope.kind !== "logical") return false;
  const { partitionItemsMin } = engine.indexes;
  return !(await partitionHasMore(engine.store, container, scope.logical, partitionItemsMin - 1));
}

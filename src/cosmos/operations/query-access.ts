/** Where the items of a container query come from: its index when that helps, else a scan of the scope. */
import { partitionHasMore } from "../engine/documents.ts";
import { type ContainerRecord, seconds } from "../engine/records.ts";
import { badRequest } from "../errors.ts";
import { type AccessPlan, planAccess, planNearest } from "../index/access-plan.ts";
import { type FeedSource, type ItemFeed, indexFeed, scanFeed, sortedScanFeed } from "../index/item-feed.ts";
import { nearestItems, nearestWantedMax } from "../index/nearest-items.ts";
import { indexPath, samePath } from "../index/policy.ts";
import type { FilterTest, QueryShape } from "../index/shape.ts";
import { feedScope, type ItemScope, itemSource } from "./item-scope.ts";
import { type OperationContext, rejectingQuery } from "./operation.ts";
import type { OpenFeed, PageStart } from "./query-page.ts";

/** How a page's items were found, for whoever wants to know. */
export type Access =
  | { readonly kind: "index"; readonly plan: AccessPlan }
  | { readonly kind: "scan"; readonly reason: string };

export interface FeedOptions {
  /** The query's filter; without one it is put to whole items only. */
  readonly test?: () => FilterTest;
  /** Whether an item gives a row, for a query that wants the nearest to a vector; without it only the run knows. */
  readonly rowTest?: () => FilterTest;
  /** Rows that a page takes at most. */
  readonly pageRows?: number;
  /** Told how the items of each page are found. */
  readonly note?: (access: Access) => void;
}

/**
 * Opens the feed of a page; see `OpenFeed`. A query that names no range is fanned out by the gateway, which asks one range
 * after the other.
 */
export function feedOpener(
  context: OperationContext,
  container: ContainerRecord,
  query: QueryShape,
  scope: ItemScope,
  options: FeedOptions = {},
): OpenFeed {
  const open = scopeOpener(context, container, query, scope, options);
  if (scope.kind !== "container" || container.ranges.length === 1) return open;
  return async (start, lastTry) => ({ ...(await open(start, lastTry)), byRange: true });
}

function scopeOpener(
  context: OperationContext,
  container: ContainerRecord,
  query: QueryShape,
  scope: ItemScope,
  options: FeedOptions,
): OpenFeed {
  const { test, note = () => {} } = options;
  const { engine } = context;
  const source: FeedSource = {
    reader: engine.store,
    container,
    scope: feedScope(container, scope),
    nowSeconds: seconds(engine.clock),
  };
  return async (start, lastTry) => {
    const order = orderOf(query, start);
    const nearest = lastTry ? undefined : await findNearest(context, query, source, scope, start, options);
    if (nearest !== undefined) {
      note({ kind: "index", plan: nearest.plan });
      return nearest.feed;
    }
    const access = await findAccess(context, query, source, scope, { order, test, lastTry });
    note(access);
    if (access.kind === "index") return indexFeed(source, test, access.plan, start.position);
    const pages = itemSource(context, container, scope);
    // In order, a page ends at an item. Where it ends by a count of rows, a range that splits meanwhile loses some.
    const sorts = order === "required" || (order === "allowed" && isSortable(query));
    if (!sorts) {
      return scanFeed(pages, typeof start.position === "number" ? start.position : 0, needsTexts(query));
    }
    if (query.facts.orderBy === undefined) throw badRequest("Invalid Continuation Token");
    const from = typeof start.position === "number" ? { rank: 0 } : start.position;
    return sortedScanFeed(source, pages, query.facts.orderBy, from);
  };
}

/**
 * True for queries whose rows come in the order of their items when the items come in that of ORDER BY. With a join,
 * rows of one item tie, and a descending order turns them round.
 */
function isSortable({ facts, distinct, sources }: QueryShape): boolean {
  return facts.orderBy !== undefined && !distinct && sources === 1;
}

interface Wish {
  readonly order: Order;
  readonly test: (() => FilterTest) | undefined;
  readonly lastTry: boolean;
}

/** The index when it can help, or why it cannot. */
async function findAccess(
  context: OperationContext,
  query: QueryShape,
  source: FeedSource,
  itemsOf: ItemScope,
  { order, test, lastTry }: Wish,
): Promise<Access> {
  const { indexes } = context.engine;
  const { container, scope } = source;
  const scan = (reason: string): Access => ({ kind: "scan", reason });
  if (lastTry) return scan("writes keep changing the order");
  if (!couldHelp(query)) return scan("the query must see all of every item");
  if (!indexes.policyOf(container).indexes) return scan("the container's indexing mode is none");
  if (await isSmall(context, container, itemsOf)) return scan("the logical partition has few items");
  const index = await indexes.of(container);
  if (index === undefined) return scan("the container has few items");
  if (!(await index.ready(container))) return scan("the index is still being made");
  const coverable = scope.whole && container.properties["defaultTtl"] === undefined;
  const allHomes = scope.homes === undefined || container.ranges.length + container.retired.length === 1;
  const { conditions } = scope;
  const testable = test !== undefined;
  const plan = await planAccess(index, query, { conditions, order, coverable, allHomes, testable });
  return plan === undefined ? scan("no index narrows or orders the items enough") : { kind: "index", plan };
}

/** The items nearest to the query's vector, by a vector index; undefined when there is none that can tell. */
async function findNearest(
  context: OperationContext,
  query: QueryShape,
  source: FeedSource,
  itemsOf: ItemScope,
  { state }: PageStart,
  { test, rowTest, pageRows = 0 }: FeedOptions,
): Promise<{ readonly plan: AccessPlan; readonly feed: ItemFeed } | undefined> {
  const { nearest } = query;
  const { indexes } = context.engine;
  const { container, scope } = source;
  if (nearest === undefined || nearest.wanted > nearestWantedMax || state?.kind === "position")
    return undefined;
  if (rowTest === undefined && !nearest.everyItem) return undefined;
  const { indexes: hasIndex, vectors } = indexes.policyOf(container);
  const place = vectors.findIndex(({ path }) => samePath(path, indexPath(nearest.path)));
  const index = vectors[place];
  if (!hasIndex || index === undefined || index.dimensions !== nearest.vector.length) return undefined;
  if (await isSmall(context, container, itemsOf)) return undefined;
  const own = await indexes.of(container);
  if (own === undefined || !(await own.ready(container))) return undefined;
  const allHomes = scope.homes === undefined || container.ranges.length + container.retired.length === 1;
  const options = { conditions: scope.conditions, allHomes, testable: test !== undefined };
  const plan = await planNearest(own, query, options, allHomes ? undefined : scope.homes, place);
  if (plan === undefined) return undefined;
  const answer = await nearestItems({
    ...{ source, plan, nearest, index, place, kernel: own.kernel() },
    ...(nearest.everyItem || rowTest === undefined ? {} : { rowTest: refusing(rowTest()) }),
    ...(test === undefined || plan.cover === undefined ? {} : { filterTest: refusing(test()) }),
    // Later pages count rows, so all of them must see the same order.
    exact: state !== undefined || nearest.wanted > pageRows,
  });
  return answer === undefined ? undefined : { plan: { ...plan, nearest: answer.use }, feed: answer.feed };
}

/** A test whose refusals are the client's. */
function refusing(test: FilterTest): FilterTest {
  return (item) => rejectingQuery("", () => test(item));
}

type Order = "required" | "allowed" | "forbidden";

/** A page goes on in the manner of the one before it: in the order of ORDER BY, or sorting all items anew. */
function orderOf(query: QueryShape, { state }: PageStart): Order {
  if (!query.ordered || query.grouped) return "forbidden";
  if (state === undefined || query.distinct) return "allowed";
  return state.kind === "position" ? "required" : "forbidden";
}

/** False for queries that must see every item in any order. */
function couldHelp({ facts }: QueryShape): boolean {
  const narrows = facts.alternatives.every((alternative) => alternative.length > 0);
  return (
    narrows || facts.orderBy !== undefined || facts.reads !== undefined || facts.filterReads !== undefined
  );
}

/** True for `SELECT * FROM c` and its like. */
function needsTexts({ facts, filtered, ordered }: QueryShape): boolean {
  return facts.wholeItem && !filtered && !ordered;
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

/**
 * The items nearest to a vector: candidates of the vector index are loaded, the best first, and judged by their own
 * numbers, until no other can be nearer or, where the policy asks for an approximate index, until enough have been seen.
 * The run sorts what is handed over as it would sort all items.
 */
import type { Bytes } from "../../storage/port.ts";
import { decodeItem, decodeVersion, isExpired } from "../engine/documents.ts";
import { readItemBytes } from "../engine/range-scan.ts";
import { vectorDistance } from "../query/functions/vector.ts";
import type { Nearest } from "../query/nearest.ts";
import { element, type Value } from "../query/values.ts";
import type { AccessPlan, PlannedPart, VectorUse } from "./access-plan.ts";
import { nextBit } from "./bits.ts";
import { pause, rangeOf } from "./index-state.ts";
import { type FedItem, type FeedSource, type ItemFeed, listedFeed } from "./item-feed.ts";
import { type NearCandidate, type NearSearch, nearCandidates } from "./nearest-candidates.ts";
import type { VectorIndex } from "./policy.ts";
import type { FilterTest } from "./shape.ts";
import { createStandIns } from "./stand-in.ts";
import { queryVector } from "./vector-column.ts";
import type { VectorKernel } from "./vector-kernel.ts";
import { nearness } from "./vector-scan.ts";

/** Items that a query may want of the index: they are held in memory until they are sorted. */
export const nearestWantedMax = 1_000;
/** How many times the wanted rows are looked at, when the query does not say, and at least. */
const searchFactorDefault = 10;
const rankedMin = 100;
/** With fewer vectors the service compares all of them, whatever the type of the index. */
const approximateRowsMin = 1_000;
/** Without such a wish, so many more than are wanted. */
const rankedMoreMax = 500;
/** Loads beyond those of the wanted rows after which a scan is cheaper. */
const loadsMoreMax = 3_000;
const loadsAtOnce = 16;
/** Items without a vector are given, last, in the order of the scan; more of them are left to it. */
const othersMax = 50_000;
/** Bytes of the items of an approximate answer, which must not need a second page. */
const approximateLengthMax = 1024 * 1024;

export interface NearestRequest {
  readonly source: FeedSource;
  readonly plan: Omit<AccessPlan, "nearest">;
  readonly nearest: Nearest;
  readonly index: VectorIndex;
  readonly place: number;
  readonly kernel: VectorKernel;
  /** Whether an item gives a row; absent when every item in scope does. */
  readonly rowTest?: FilterTest;
  /** The query's filter, for what stands in for items. */
  readonly filterTest?: FilterTest;
  /** The answer takes several pages, which must go on exactly where the last one ended. */
  readonly exact: boolean;
}

export interface NearestAnswer {
  readonly feed: ItemFeed;
  readonly use: VectorUse;
}

/** The feed of the nearest items; undefined when a scan must answer. */
export async function nearestItems(request: NearestRequest): Promise<NearestAnswer | undefined> {
  const { nearest, plan, place } = request;
  const vectors = plan.parts.reduce((sum, { view }) => sum + (view.vectors(place)?.rows ?? 0), 0);
  const mustBeExact =
    request.exact || nearest.exact || request.index.type === "flat" || vectors < approximateRowsMin;
  const answer = await answerOf(request, mustBeExact);
  if (answer === undefined || answer.use.exact) return answer;
  return answer.length <= approximateLengthMax ? answer : answerOf(request, true);
}

interface Judged {
  readonly fed: FedItem;
  readonly number: number;
  /** Greater is nearer; the least for an item without such a vector. */
  readonly near: number;
}

/** What has been found so far. */
interface Progress {
  /** Items that give rows. */
  found: Judged[];
  readonly seen: Set<number>;
  readonly cost: ItemFeed["cost"];
  ranked: number;
  compared: number;
}

async function answerOf(
  request: NearestRequest,
  exact: boolean,
): Promise<(NearestAnswer & { readonly length: number }) | undefined> {
  const { plan, nearest, place, index } = request;
  const cost = { loaded: 0, loadedBytes: 0, seeks: plan.seeks + plan.parts.length, keys: plan.keys };
  const progress: Progress = { found: [], seen: new Set(), cost, ranked: 0, compared: 0 };
  const enough = await findNearest(request, exact, progress);
  if (!enough) return undefined;
  const items = progress.found.sort((a, b) => a.number - b.number).map(({ fed }) => fed);
  return {
    feed: listedFeed(items, cost),
    use: { place, index, exact, compared: progress.compared, ranked: progress.ranked },
    length: items.reduce((sum, { json }) => sum + (json?.length ?? 0), 0),
    ...(nearest.wanted === 0 ? { feed: listedFeed([], cost) } : {}),
  };
}

/** Bytes of packed vectors that cost as much as looking at one key of an index. */
const bytesPerKey = 65_536;

/** Finds candidates, more each time, and judges them; false when a scan must answer. */
async function findNearest(request: NearestRequest, exact: boolean, progress: Progress): Promise<boolean> {
  const { nearest, plan } = request;
  const search = searchOf(request);
  if (search === undefined) return false;
  const promising = promisingOf(nearest);
  const rankedMax = exact ? Number.POSITIVE_INFINITY : promising;
  let thorough = exact;
  for (let max = promising * 2; ; max *= 4) {
    const { candidates, more, compared, bytes } = await nearCandidates(search, max, thorough);
    progress.compared = Math.max(progress.compared, compared);
    progress.cost.keys += Math.ceil(bytes / bytesPerKey);
    const sure = await judgeInOrder(request, candidates, rankedMax, progress);
    if (sure === "over") return false;
    if (sure) break;
    if (!more) return addOthers(request, plan.parts, progress);
    // The next candidates are those that the lists left out.
    thorough = true;
  }
  return true;
}

/** Items whose own vectors an approximate search compares. */
function promisingOf({ wanted, searchFactor }: Nearest): number {
  if (searchFactor !== undefined) return Math.max(rankedMin, wanted * searchFactor);
  return Math.max(rankedMin, Math.min(wanted * searchFactorDefault, wanted * 2 + rankedMoreMax));
}

function searchOf({ kernel, plan, place, nearest, index }: NearestRequest): NearSearch | undefined {
  const query = queryVector(nearest.vector);
  const isOrdinary = query.norm > 1e-12 && query.norm < 1e15;
  if (!isOrdinary) return undefined;
  const { metric } = nearest;
  const { parts } = plan;
  const newestFirst = metric !== "euclidean";
  return { kernel, parts, place, metric, indexMetric: index.metric, query, newestFirst, pause };
}

/** Judges candidates until no other can be nearer, or enough are judged; "over" when there are too many. */
async function judgeInOrder(
  request: NearestRequest,
  candidates: readonly NearCandidate[],
  rankedMax: number,
  progress: Progress,
): Promise<boolean | "over"> {
  const { wanted } = request.nearest;
  const rankedLoadsMax = loadsMoreMax + 2 * promisingOf(request.nearest);
  for (let at = 0; at < candidates.length; ) {
    const batch: NearCandidate[] = [];
    for (; at < candidates.length && batch.length < loadsAtOnce; at++) {
      const candidate = candidates[at] as NearCandidate;
      if (!progress.seen.has(candidate.number)) batch.push(candidate);
    }
    const next = batch[0];
    if (next === undefined) break;
    if (next.bound < leastWanted(progress, wanted)) return true;
    await judge(request, batch, progress);
    if (progress.found.some(({ near }) => Number.isNaN(near))) return "over";
    if (progress.cost.loaded > rankedLoadsMax) return "over";
    if (progress.ranked >= rankedMax && leastWanted(progress, wanted) > Number.NEGATIVE_INFINITY) return true;
    await pause();
  }
  return false;
}

/** The nearness of the last item that is wanted; the least while there are fewer. */
function leastWanted(progress: Progress, wanted: number): number {
  const { found } = progress;
  if (wanted === 0) return Number.POSITIVE_INFINITY;
  if (found.length < wanted) return Number.NEGATIVE_INFINITY;
  found.sort((a, b) => b.near - a.near);
  const { near } = found[wanted - 1] as Judged;
  // Those that are as near as the last one stay: the run knows which of them comes first.
  let end = wanted;
  while (end < found.length && found[end]?.near === near) end++;
  found.length = end;
  return near;
}

/** Loads items and adds those that give rows. */
async function judge(
  request: NearestRequest,
  batch: readonly Pick<NearCandidate, "part" | "document" | "number">[],
  progress: Progress,
): Promise<void> {
  const { plan, filterTest, nearest } = request;
  const standIns =
    plan.cover === undefined || filterTest === undefined ? undefined : createStandIns(plan.cover.paths);
  const numbers: number[] = [];
  for (const { part, document, number } of batch) {
    progress.seen.add(number);
    const standIn = standIns?.(part.view, document);
    if (standIn === undefined || filterTest?.(standIn) !== false) numbers.push(number);
  }
  const { reader, container } = request.source;
  for (const [i, value] of (await readItemBytes(reader, container, numbers)).entries()) {
    const number = numbers[i] as number;
    const fed = value === undefined ? undefined : loaded(request, number, value, progress.cost);
    if (fed === undefined) continue;
    progress.ranked++;
    progress.found.push({ fed, number, near: nearnessOf(fed.item, nearest) });
  }
}

/** The item of its stored bytes; undefined when it is not in scope or gives no row. */
function loaded(
  { source, rowTest }: NearestRequest,
  number: number,
  value: Bytes,
  cost: ItemFeed["cost"],
): FedItem | undefined {
  const { container, scope, nowSeconds } = source;
  if (scope.homes !== undefined && !scope.homes.has(rangeOf(number))) return undefined;
  const stored = decodeVersion(number, value);
  if (isExpired(stored, container, nowSeconds)) return undefined;
  const { json } = stored;
  cost.loaded++;
  cost.loadedBytes += json.length;
  const item = JSON.parse(json.toString("utf8")) as Value;
  if (!scope.whole && !scope.includes(decodeItem(number, value), item)) return undefined;
  return rowTest?.(item) === false ? undefined : { item, json, position: number };
}

function nearnessOf(item: Value, { path, vector, metric }: Nearest): number {
  let value = item;
  for (const step of path) value = element(value, step);
  const distance = vectorDistance(value, vector, metric);
  return typeof distance === "number" ? nearness(metric, distance) : Number.NEGATIVE_INFINITY;
}

/**
 * Fewer items than wanted have a vector to compare: the others are equally far, and come as the sort leaves them, the
 * oldest first or, where greater values are nearer, the newest.
 */
async function addOthers(
  request: NearestRequest,
  parts: readonly PlannedPart[],
  progress: Progress,
): Promise<boolean> {
  const { nearest } = request;
  if (progress.found.length >= nearest.wanted) return true;
  const loadsMax = progress.cost.loaded + nearest.wanted + loadsMoreMax;
  const others = parts.flatMap((part) => othersOf(part, progress));
  if (others.length > othersMax) return false;
  const sign = nearest.metric === "euclidean" ? 1 : -1;
  others.sort((a, b) => sign * (a.number - b.number));
  for (let at = 0; at < others.length && progress.found.length < nearest.wanted; at += loadsAtOnce) {
    await judge(request, others.slice(at, at + loadsAtOnce), progress);
    if (progress.cost.loaded > loadsMax) return false;
    await pause();
  }
  return true;
}

function othersOf(
  part: PlannedPart,
  { seen }: Progress,
): readonly Pick<NearCandidate, "part" | "document" | "number">[] {
  const found: Pick<NearCandidate, "part" | "document" | "number">[] = [];
  for (let document = nextBit(part.bits, 0); document >= 0; document = nextBit(part.bits, document + 1)) {
    const number = part.view.numbers[document] as number;
    if (!seen.has(number)) found.push({ part, document, number });
    if (found.length > othersMax) break;
  }
  return found;
}

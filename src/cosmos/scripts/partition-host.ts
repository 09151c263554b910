/**
 * The server's side of a running script: performs its calls inside one transaction of its logical partition, under the
 * same rules as requests, and opens the partition's items to its queries. Nothing outside the partition is in reach.
 */
import {
  idOf,
  isExpired,
  itemId,
  partitionItemNumbers,
  readItemNumber,
  type StoredItem,
} from "../engine/documents.ts";
import { applyWrite, type Commit, findLiveItem, type WriteResult } from "../engine/item-writes.ts";
import { type LogicalPartition, samePartition } from "../engine/partition-key.ts";
import { changeCharge, createCharge, queryCharge, readCharge } from "../engine/request-charge.ts";
import { itemNumber } from "../engine/resource-ids.ts";
import { badRequest, CosmosError, notFound } from "../errors.ts";
import { type ItemFeed, type StoredPages, scanFeed } from "../index/item-feed.ts";
import { jsonObject, ownPartition, parseBody } from "../operations/operation.ts";
import { refusalOf } from "./failures.ts";
import type { Serve } from "./pool.ts";
import type { DocumentTarget, HostCall, HostReply } from "./protocol.ts";

export interface PartitionHost {
  readonly serve: Serve;
  /** Request units of everything done so far. */
  charge(): number;
}

/** Items that a query reads at a time. */
const batchSize = 200;

type WriteCall = Extract<HostCall, { operation: "create" | "upsert" | "replace" | "delete" }>;

export function partitionHost(commit: Commit, logical: LogicalPartition): PartitionHost {
  let units = 0;
  let feed: ItemFeed | undefined;
  const serve = async (call: HostCall): Promise<HostReply> => {
    switch (call.operation) {
      case "open": {
        const { position } = call.start;
        feed = scanFeed(partitionPages(commit, logical), typeof position === "number" ? position : 0);
        units += queryCharge(0, 0);
        return { kind: "opened", sorted: feed.sorted, cost: feed.cost };
      }
      case "next": {
        const items = (await feed?.next()) ?? [];
        units += queryCharge(items.length, 0) - queryCharge(0, 0);
        return { kind: "items", items, cost: feed?.cost ?? { loaded: 0, loadedBytes: 0, seeks: 0, keys: 0 } };
      }
      case "read": {
        const item = await findTarget(commit, logical, call.target);
        if (item === undefined) throw notFound();
        units += readCharge(item.json.length);
        if (call.ifNoneMatch === item.etag) return { kind: "document", statusCode: 304 };
        return { kind: "document", statusCode: 200, body: item.json.toString("utf8") };
      }
      default: {
        const result = await performWrite(commit, logical, call);
        const bytes = result.item.json.length;
        units += result.outcome === "created" ? createCharge(bytes) : changeCharge(bytes);
        if (result.outcome === "deleted") return { kind: "document", statusCode: 204 };
        const statusCode = result.outcome === "created" ? 201 : 200;
        return { kind: "document", statusCode, body: result.item.json.toString("utf8") };
      }
    }
  };
  return {
    charge: () => Math.round(units * 100) / 100,
    serve: (call) =>
      serve(call).catch((error: unknown) => {
        if (error instanceof CosmosError) return { kind: "refused", refusal: refusalOf(error) };
        throw error;
      }),
  };
}

async function performWrite(
  commit: Commit,
  logical: LogicalPartition,
  call: WriteCall,
): Promise<WriteResult> {
  if (call.operation === "create") {
    return applyWrite(commit, logical, { kind: "create", body: documentOf(commit, logical, call.body) });
  }
  const match = call.ifMatch === undefined ? {} : { ifMatch: String(call.ifMatch) };
  if (call.operation === "upsert") {
    const body = documentOf(commit, logical, call.body);
    return applyWrite(commit, logical, { kind: "upsert", body, ...match });
  }
  const id = await targetId(commit, logical, call.target);
  if (call.operation === "delete") return applyWrite(commit, logical, { kind: "delete", id, ...match });
  const body = documentOf(commit, logical, call.body);
  return applyWrite(commit, logical, { kind: "replace", id, body, ...match });
}

/** A document that a script wants to write; it must belong to the script's partition. */
function documentOf(commit: Commit, logical: LogicalPartition, text: string): ReturnType<typeof jsonObject> {
  const body = jsonObject(parseBody(Buffer.from(String(text), "utf8")));
  itemId(body);
  if (!samePartition(ownPartition(commit.container, body), logical)) {
    throw badRequest(
      "Requests originating from scripts cannot reference partition keys other than the one for which client request was submitted.",
    );
  }
  return body;
}

async function findTarget(
  commit: Commit,
  logical: LogicalPartition,
  { by, value }: DocumentTarget,
): Promise<StoredItem | undefined> {
  if (by === "id") return findLiveItem(commit, logical, { id: String(value) });
  const number = itemNumber(commit.container.rid, String(value));
  const item =
    number === undefined ? undefined : await readItemNumber(commit.transaction, commit.container, number);
  if (item === undefined || isExpired(item, commit.container, commit.ts)) return undefined;
  return samePartition(ownPartition(commit.container, documentIn(item)), logical) ? item : undefined;
}

async function targetId(commit: Commit, logical: LogicalPartition, target: DocumentTarget): Promise<string> {
  if (target.by === "id") return String(target.value);
  const item = await findTarget(commit, logical, target);
  if (item === undefined) throw notFound();
  return idOf(item);
}

function documentIn(item: StoredItem): Readonly<Record<string, unknown>> {
  return JSON.parse(item.json.toString("utf8")) as Record<string, unknown>;
}

/** The living items of the partition as this transaction sees them. */
function partitionPages(commit: Commit, logical: LogicalPartition): StoredPages {
  const { transaction, container, ts } = commit;
  let numbers: readonly number[] | undefined;
  return async (position) => {
    numbers ??= await partitionItemNumbers(transaction, container, logical);
    let at = numbers.findIndex((number) => number >= position);
    while (at >= 0 && at < numbers.length) {
      const wanted = numbers.slice(at, at + batchSize);
      const items = await Promise.all(wanted.map((number) => readItemNumber(transaction, container, number)));
      const found = items.filter((item) => item !== undefined && !isExpired(item, container, ts));
      if (found.length > 0) return found as readonly StoredItem[];
      at += batchSize;
    }
    return [];
  };
}

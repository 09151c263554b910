/** Point operations on items: create, upsert, read, replace, patch and delete. */
import { commitTo } from "../engine/commit.ts";
import { isExpired, itemId, readStoredItem } from "../engine/documents.ts";
import {
  applyWrite,
  type Commit,
  findLiveItem,
  type ItemTarget,
  type ItemWrite,
  type WriteResult,
} from "../engine/item-writes.ts";
import { type LogicalPartition, splitPath } from "../engine/partition-key.ts";
import { applyPatch, type Patch, parsePatch } from "../engine/patch.ts";
import { type ContainerRecord, seconds } from "../engine/records.ts";
import { changeCharge, createCharge, readCharge } from "../engine/request-charge.ts";
import { checkSession } from "../engine/sessions.ts";
import { notFound, preconditionFailed } from "../errors.ts";
import { prepareQuery } from "../query/prepare.ts";
import type { Value } from "../query/values.ts";
import { exactMembers, exactUnchanged } from "../wire/exact-numbers.ts";
import { ifMatch, minimalResponse } from "../wire/headers.ts";
import { namesTriggers, type TriggerOperation, writeTriggered } from "./item-triggers.ts";
import {
  accountNameOf,
  checkLength,
  documentBody,
  documentPartition,
  type JsonObject,
  leafId,
  type Operation,
  type OperationContext,
  type OperationResult,
  parseBody,
  rejectingQuery,
  requireContainer,
  requirePartition,
} from "./operation.ts";
import { demandedSession } from "./request-demands.ts";

export const createItem: Operation = async (context) => {
  const container = requireContainer(context);
  const document = documentBody(context);
  const logical = writePartition(context, container, document.body);
  return write(context, container, logical, { kind: "create", ...document });
};

export const upsertItem: Operation = async (context) => {
  const container = requireContainer(context);
  const document = documentBody(context);
  const logical = writePartition(context, container, document.body);
  return write(context, container, logical, { kind: "upsert", ...document, ...ifMatch(context.headers) });
};

export const replaceItem: Operation = async (context) => {
  const container = requireContainer(context);
  const document = documentBody(context);
  const logical = writePartition(context, container, document.body);
  return write(context, container, logical, {
    kind: "replace",
    ...itemTarget(context),
    ...document,
    ...ifMatch(context.headers),
  });
};

export const deleteItem: Operation = async (context) => {
  const container = requireContainer(context);
  const logical = requirePartition(context, container);
  return write(context, container, logical, {
    kind: "delete",
    ...itemTarget(context),
    ...ifMatch(context.headers),
  });
};

export const patchItem: Operation = async (context) => {
  const container = requireContainer(context);
  const logical = requirePartition(context, container);
  const target = itemTarget(context);
  checkLength(context.body);
  const patch = parsePatch(parseBody(context.body), container.partitionKey.paths.map(splitPath));
  const condition = patchCondition(context, patch);
  return commitWrite(context, container, logical, "Patch", (commit) =>
    patchedWrite(commit, logical, target, patch, condition, ifMatch(context.headers)),
  );
};

export const readItem: Operation = async (context) => {
  const container = requireContainer(context);
  const logical = requirePartition(context, container);
  const partition = await context.engine.partitions.at(container, logical.epk);
  checkSession(demandedSession(context), partition);
  const { id, number } = itemTarget(context);
  const item = await readStoredItem(context.engine.store, container, logical, id);
  if (number !== undefined && number !== item?.number) throw notFound();
  if (item === undefined || isExpired(item, container, seconds(context.engine.clock))) throw notFound();
  const charge = readCharge(item.json.length);
  const common = { etag: item.etag, charge, partition, itemLsn: item.lsn };
  if (context.headers["if-none-match"] === item.etag) return { status: 304, ...common };
  return { status: 200, body: item.json, ...common };
};

/** A patch's condition as a test of one document. */
export type PatchCondition = (document: Value) => boolean;

/** Compiles the condition of a patch; 400 with the query language's own errors when it is none. */
export function patchCondition(context: Pick<OperationContext, "engine">, patch: Patch): PatchCondition {
  const { condition } = patch;
  if (condition === undefined) return () => true;
  const { clock } = context.engine;
  const query = rejectingQuery("", () =>
    prepareQuery(`SELECT VALUE 1 ${condition}`, [], { now: clock.now, random: () => 0 }),
  );
  return (document) =>
    rejectingQuery("", () => {
      const run = query.start();
      run.push(document);
      run.finish();
      return run.take(1).length > 0;
    });
}

/** Patches one item inside a commit; 412/1110 when the condition does not hold. */
export async function applyPatchTo(
  commit: Commit,
  logical: LogicalPartition,
  id: string,
  patch: Patch,
  condition: PatchCondition,
  match: { readonly ifMatch?: string },
): Promise<WriteResult> {
  return applyWrite(commit, logical, await patchedWrite(commit, logical, { id }, patch, condition, match));
}

/** The replacement that a patch comes to, for the item as it is in this commit. */
async function patchedWrite(
  commit: Commit,
  logical: LogicalPartition,
  target: ItemTarget,
  patch: Patch,
  condition: PatchCondition,
  match: { readonly ifMatch?: string },
): Promise<ItemWrite> {
  const item = await findLiveItem(commit, logical, target);
  if (item === undefined) throw notFound();
  const text = item.json.toString("utf8");
  const document = JSON.parse(text) as JsonObject;
  if (!condition(document as Value)) throw preconditionFailed(1110);
  const body = applyPatch(document, patch.operations);
  // A member that is set to the double next to its number looks unchanged.
  const touched = patch.operations.flatMap((each) => [each.path, "from" in each ? each.from : []]);
  const names = new Set(touched.flatMap(([name]) => name ?? []));
  const exact = exactUnchanged(exactMembers(text), document, body, names);
  return { kind: "replace", ...target, body, exact, ...match };
}

/** The item that the address names. */
function itemTarget(context: OperationContext): ItemTarget {
  return { id: leafId(context), number: context.address.itemNumber };
}

/** The partition of a document to be written. What pre-triggers may still change is checked after them. */
function writePartition(
  context: OperationContext,
  container: ContainerRecord,
  body: JsonObject,
): LogicalPartition {
  if (namesTriggers(context.headers)) return requirePartition(context, container);
  itemId(body);
  return documentPartition(context, container, body);
}

const triggerOperations = {
  create: "Create",
  upsert: "Upsert",
  replace: "Replace",
  delete: "Delete",
} as const;

function write(
  context: OperationContext,
  container: ContainerRecord,
  logical: LogicalPartition,
  change: ItemWrite,
): Promise<OperationResult> {
  const operation = triggerOperations[change.kind];
  return commitWrite(context, container, logical, operation, async () => change);
}

async function commitWrite(
  context: OperationContext,
  container: ContainerRecord,
  logical: LogicalPartition,
  operation: TriggerOperation,
  prepare: (commit: Commit) => Promise<ItemWrite>,
): Promise<OperationResult> {
  const { engine, headers } = context;
  const account = accountNameOf(context);
  if (namesTriggers(headers)) {
    const site = { engine, account, container, logical };
    const { result, charge, body, ...place } = await writeTriggered(site, headers, operation, prepare);
    return written(context, result, place, charge, body);
  }
  const { result, ...place } = await commitTo(engine, account, container, logical, async (commit) =>
    applyWrite(commit, logical, await prepare(commit)),
  );
  return written(context, result, place);
}

function written(
  context: OperationContext,
  result: WriteResult,
  place: Pick<OperationResult, "partition"> & { readonly lsn: number },
  moreCharge = 0,
  triggered: string | undefined = undefined,
): OperationResult {
  const charge = Math.round((writeCharge(result) + moreCharge) * 100) / 100;
  const common = { ...place, itemLsn: place.lsn, charge };
  if (result.outcome === "deleted") return { status: 204, ...common };
  const body = minimalResponse(context.headers) ? {} : { body: triggered ?? result.item.json };
  return { status: result.outcome === "created" ? 201 : 200, etag: result.item.etag, ...body, ...common };
}

/** Request units of a write. */
export function writeCharge(result: WriteResult): number {
  const bytes = result.item.json.length;
  return result.outcome === "created" ? createCharge(bytes) : changeCharge(bytes);
}

/**
 * Triggers around the write of an item. They run when the request names them, in its order, in the write's transaction:
 * pre-triggers may change the document, post-triggers the response, and one that throws undoes the write.
 */
import { type ChildRecord, findChild } from "../engine/child-resources.ts";
import { itemId } from "../engine/documents.ts";
import {
  applyWrite,
  type Commit,
  findLiveItem,
  type ItemWrite,
  type WriteResult,
} from "../engine/item-writes.ts";
import type { Partition } from "../engine/partitions.ts";
import { badRequest } from "../errors.ts";
import { commitWithScripts, type ScriptSession, type ScriptSite } from "../scripts/execute.ts";
import { exactUnchanged } from "../wire/exact-numbers.ts";
import type { RequestHeaders } from "../wire/headers.ts";
import { checkPartition, type JsonObject, jsonObject, parseBody } from "./operation.ts";
import { scriptPlace } from "./script-place.ts";

/** The write's kind as triggers know it. */
export type TriggerOperation = "Create" | "Upsert" | "Replace" | "Delete" | "Patch";

/** Which `triggerOperation` a trigger may have been registered for, to run around a write. */
const registeredFor: Readonly<Record<TriggerOperation, readonly string[]>> = {
  Create: ["All", "Create"],
  Upsert: ["All", "Upsert"],
  Replace: ["All", "Replace", "Update"],
  Delete: ["All", "Delete"],
  Patch: ["All", "Replace", "Update"],
};

const includeHeaders = {
  Pre: "x-ms-documentdb-pre-trigger-include",
  Post: "x-ms-documentdb-post-trigger-include",
} as const;

/** True when the request names triggers to run. */
export function namesTriggers(headers: RequestHeaders): boolean {
  return idsIn(headers, "Pre").length > 0 || idsIn(headers, "Post").length > 0;
}

function idsIn(headers: RequestHeaders, type: "Pre" | "Post"): readonly string[] {
  const list = headers[includeHeaders[type]];
  if (list === undefined) return [];
  return list
    .split(",")
    .map((id) => id.trim())
    .filter((id) => id !== "");
}

export interface TriggeredWrite {
  readonly result: WriteResult;
  readonly partition: Partition;
  readonly lsn: number;
  /** JSON of the response as a post-trigger left it. */
  readonly body?: string;
  /** Request units of what the triggers did. */
  readonly charge: number;
}

/** Runs the write that `prepare` makes with the triggers that the headers name. */
export async function writeTriggered(
  site: ScriptSite,
  headers: RequestHeaders,
  operation: TriggerOperation,
  prepare: (commit: Commit) => Promise<ItemWrite>,
): Promise<TriggeredWrite> {
  const before = await findTriggers(site, headers, "Pre", operation);
  const after = await findTriggers(site, headers, "Post", operation);
  const { result, partition, lsn } = await commitWithScripts(site, async (commit, session) => {
    let write = await prepare(commit);
    const around: Around = { session, headers, operation };
    for (const trigger of before) write = await runBefore(site, commit, around, trigger, write);
    if (write.kind !== "delete") checkDocument(site, write.body);
    const done = await applyWrite(commit, site.logical, write);
    const request = write.kind === "delete" ? undefined : JSON.stringify(write.body);
    let body = done.outcome === "deleted" ? undefined : done.item.json.toString("utf8");
    for (const trigger of after) body = await runAfter(around, trigger, request, body);
    return { done, body: after.length === 0 ? undefined : body, charge: session.charge() };
  });
  const body = result.body === undefined ? {} : { body: result.body };
  return { result: result.done, partition, lsn, charge: result.charge, ...body };
}

interface Around {
  readonly session: ScriptSession;
  readonly headers: RequestHeaders;
  readonly operation: TriggerOperation;
}

async function runBefore(
  site: ScriptSite,
  commit: Commit,
  { session, headers, operation }: Around,
  trigger: ChildRecord,
  write: ItemWrite,
): Promise<ItemWrite> {
  const { body } = await session.run(trigger, {
    role: "preTrigger",
    arguments: "[]",
    request: { body: await requestBody(site, commit, write), headers, operationType: operation },
    logging: false,
  });
  if (write.kind === "delete") return write;
  const changed = jsonObject(parseBody(Buffer.from(body ?? "", "utf8")));
  return { ...write, body: changed, exact: exactUnchanged(write.exact, write.body, changed) };
}

/** After the pre-triggers, which may supply what lacks; also where only post-triggers run, for nobody has looked yet. */
function checkDocument({ container, logical }: ScriptSite, document: JsonObject): void {
  itemId(document);
  checkPartition(container, document, logical);
}

/**
 * What a pre-trigger sees as the request's body: the document to be written, and for an existing item its `_self`, by
 * which the trigger can read the old version; for a delete the item that is to go.
 */
async function requestBody(site: ScriptSite, commit: Commit, write: ItemWrite): Promise<string> {
  if (write.kind === "create") return JSON.stringify(write.body);
  const target = write.kind === "upsert" ? { id: itemId(write.body) } : write;
  const old = await findLiveItem(commit, site.logical, target);
  if (old === undefined) return write.kind === "delete" ? "{}" : JSON.stringify(write.body);
  const document = JSON.parse(old.json.toString("utf8")) as Record<string, unknown>;
  if (write.kind === "delete") return JSON.stringify(document);
  return JSON.stringify({ ...write.body, _rid: document["_rid"], _self: document["_self"] });
}

async function runAfter(
  { session, headers, operation }: Around,
  trigger: ChildRecord,
  request: string | undefined,
  response: string | undefined,
): Promise<string | undefined> {
  const { body } = await session.run(trigger, {
    role: "postTrigger",
    arguments: "[]",
    request: { headers, operationType: operation, ...(request === undefined ? {} : { body: request }) },
    ...(response === undefined ? {} : { response }),
    logging: false,
  });
  return body;
}

/** The triggers that a header names; 400 for one that is missing, of the other type, or for other operations. */
async function findTriggers(
  { engine, account, container }: ScriptSite,
  headers: RequestHeaders,
  type: "Pre" | "Post",
  operation: TriggerOperation,
): Promise<readonly ChildRecord[]> {
  const place = scriptPlace(account, container, "trigger");
  const found: ChildRecord[] = [];
  for (const id of idsIn(headers, type)) {
    const trigger = await findChild(engine.store, place, id);
    if (trigger === undefined) throw badRequest(`Trigger '${id}' does not exist.`);
    const { triggerType, triggerOperation } = trigger.properties as Readonly<Record<string, string>>;
    if (!sameWord(triggerType, type)) {
      throw badRequest(
        `Trigger '${id}' was defined with type '${String(triggerType)}', and therefore is invalid for '${type}'.`,
      );
    }
    if (!registeredFor[operation].some((word) => sameWord(triggerOperation, word))) {
      throw badRequest(
        `Trigger '${id}' was defined with operation type '${String(triggerOperation)}', and therefore is invalid for '${operation}'.`,
      );
    }
    found.push(trigger);
  }
  return found;
}

/** Triggers keep the casing that they were registered in. */
function sameWord(given: unknown, word: string): boolean {
  return String(given).toLowerCase() === word.toLowerCase();
}

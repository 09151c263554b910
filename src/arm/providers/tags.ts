/** Microsoft.Resources/tags: the tags of a subscription, group or resource as a resource of their own. */
import { ArmError } from "../../azure/arm-error.ts";
import { parseResourceId } from "../../azure/resource-id.ts";
import type { Reader, Transaction } from "../../storage/port.ts";
import { resourceNotFound } from "../errors.ts";
import { type JsonObject, objectMember, stringMember, without } from "../json.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { armLock, putRecord } from "../records.ts";
import { groupKey, requireGroup, requireSubscription, subscriptionKey } from "../resource-groups.ts";
import { getResource, putResource, requireResource, resolveResource } from "../resources.ts";
import { objectBody } from "./generic.ts";

const path = "/{+scope}/providers/Microsoft.Resources/tags/default";
const type = "Microsoft.Resources/tags";

export const tagOperations: readonly Operation[] = [
  { method: "GET", path, action: `${type}/read`, handler: readTags },
  { method: "PUT", path, action: `${type}/write`, handler: (call) => change(call, () => sentTags(call)) },
  { method: "PATCH", path, action: `${type}/write`, handler: patchTags },
  {
    method: "DELETE",
    path,
    action: `${type}/delete`,
    handler: async (call) => ({ status: (await change(call, () => ({}))).status }),
  },
];

/** What carries the tags: read, and written back with other ones. */
interface Tagged {
  /** Full type of a resource; absent for a group or a subscription. */
  readonly type?: string;
  readonly tags: JsonObject;
  put(transaction: Transaction, tags: JsonObject): void;
}

/** Throws ArmError 404 when the scope does not exist. */
async function tagged(reader: Reader, scope: string): Promise<Tagged> {
  const parsed = parseResourceId(scope);
  if (parsed?.namespace !== undefined) {
    const address = await resolveResource(reader, scope);
    // Ids of identities are kept with another spelling of their group's segment, which keys do not see.
    const resource = (await getResource(reader, address.id)) ?? (await requireResource(reader, address));
    return {
      type: resource.type,
      tags: objectMember(resource.body, "tags") ?? {},
      put: (transaction, tags) =>
        putResource(transaction, { ...resource, body: { ...without(resource.body, ["tags"]), tags } }),
    };
  }
  if (parsed?.subscriptionId === undefined)
    throw resourceNotFound("Microsoft.Resources/tags/default", undefined);
  if (parsed.resourceGroup !== undefined) {
    const group = await requireGroup(reader, parsed.subscriptionId, parsed.resourceGroup);
    return {
      tags: group.tags ?? {},
      put: (transaction, tags) =>
        putRecord(transaction, groupKey(group.subscriptionId, group.name), { ...group, tags }),
    };
  }
  const subscription = await requireSubscription(reader, parsed.subscriptionId);
  return {
    tags: subscription.tags ?? {},
    put: (transaction, tags) =>
      putRecord(transaction, subscriptionKey(subscription.subscriptionId), { ...subscription, tags }),
  };
}

function scopeOf(call: Call): string {
  return parameter(call, "scope");
}

async function readTags(call: Call): Promise<Outcome> {
  return { status: 200, body: render(call, (await tagged(call.plane.store, scopeOf(call))).tags) };
}

function sentTags(call: Call): JsonObject {
  const tags = objectMember(objectMember(objectBody(call), "properties"), "tags");
  if (tags === undefined) {
    throw new ArmError(400, "InvalidRequestContent", "The property 'properties.tags' is required.");
  }
  return tags;
}

async function patchTags(call: Call): Promise<Outcome> {
  const operation = stringMember(objectBody(call), "operation") ?? "";
  const sent = sentTags(call);
  switch (operation.toLowerCase()) {
    case "merge":
      return change(call, (present) => ({ ...present, ...sent }));
    case "replace":
      return change(call, () => sent);
    case "delete":
      return change(call, (present) =>
        Object.fromEntries(Object.entries(present).filter(([name, value]) => sent[name] !== value)),
      );
    default:
      throw new ArmError(
        400,
        "InvalidRequestContent",
        "The property 'operation' must be one of 'Merge', 'Replace' and 'Delete'.",
      );
  }
}

const tagsMax = 50;

function change(call: Call, next: (present: JsonObject) => JsonObject): Promise<Outcome> {
  return call.plane.store.transact([armLock], async (transaction) => {
    const owner = await tagged(transaction, scopeOf(call));
    const tags = next(owner.tags);
    if (Object.keys(tags).length > tagsMax) {
      throw new ArmError(
        400,
        "InvalidTagCount",
        `The number of tags on a resource cannot exceed ${tagsMax}.`,
      );
    }
    checkSettings(owner, tags);
    owner.put(transaction, tags);
    return { status: 200, body: render(call, tags) };
  });
}

/**
 * Some tags of a Cosmos account are settings that decide about access. They are changed by writing the account, which
 * needs the right to do so and acts at once; here they could be neither.
 */
function checkSettings({ type, tags: before }: Tagged, after: JsonObject): void {
  if (type?.toLowerCase() !== "microsoft.documentdb/databaseaccounts") return;
  const names = [...Object.keys(before), ...Object.keys(after)];
  const changed = names.find(
    (name) => name.toLowerCase().startsWith("celestite-") && before[name] !== after[name],
  );
  if (changed === undefined) return;
  throw new ArmError(
    400,
    "InvalidTagName",
    `The tag '${changed}' is a setting of the account: write the account itself to change it.`,
  );
}

function render(call: Call, tags: JsonObject): JsonObject {
  return { id: `${scopeOf(call)}/providers/${type}/default`, name: "default", type, properties: { tags } };
}

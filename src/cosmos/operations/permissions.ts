/**
 * Permissions of a user: the right to read or change one container, item or script. Reading or writing one gives out a
 * token with that right, when the server has something to mint it with.
 */
import { type ChildPlace, type ChildRecord, findChild, renderChild } from "../engine/child-resources.ts";
import { parsePartitionKeyHeader } from "../engine/partition-key.ts";
import { permissionRid } from "../engine/resource-ids.ts";
import { badRequest, conflict, notFound, ownerNotFound } from "../errors.ts";
import { type ChildOperations, childOperations, oneOf, ownProperties, requiredText } from "./child-family.ts";
import { type JsonObject, leafId, type OperationContext, requireDatabase } from "./operation.ts";
import { userPlace } from "./users.ts";

/** What a token is to allow. */
export interface TokenGrant {
  readonly permissionRid: string;
  readonly permissionId: string;
  /** Id and rid of the user. */
  readonly user: string;
  readonly userRid: string;
  readonly mode: "All" | "Read";
  /** Link of the resource by names or rids, without surrounding slashes. */
  readonly resource: string;
  readonly partitionKey?: readonly unknown[];
}

/** Makes the token of a permission; `seconds` is its life. */
export type MintToken = (grant: TokenGrant, seconds: number) => string;

const secondsDefault = 3600;
const secondsMin = 10;
const secondsMax = 18_000;

export const permissions: ChildOperations = childOperations({
  feedName: "Permissions",
  async place(context) {
    const users = userPlace(context);
    const user = await findChild(context.engine.store, users, leafId(context));
    if (user === undefined) throw ownerNotFound();
    return {
      account: users.account,
      kind: "permission",
      names: [...users.names, user.rid],
      ownerRid: user.rid,
      ownerId: user.id,
      link: `${users.link}${user.rid}/permissions/`,
      ridOf: (number) => permissionRid(user.rid, number),
      ownerExists: async (transaction) =>
        (await findChild(transaction, users, user.rid))?.number === user.number,
    };
  },
  idOf(context) {
    if (context.address.permission === undefined) throw notFound();
    return context.address.permission;
  },
  properties(context, resource) {
    tokenSeconds(context);
    oneOf(resource, "permissionMode", ["All", "Read"]);
    return {
      // The mode among them, in the casing that it came in.
      ...ownProperties(resource),
      resource: checkedLink(requiredText(resource, "resource")),
      ...partitionKeyOf(resource),
      // Compared with those of the user's other permissions, and never shown.
      target: targetName(context, requiredText(resource, "resource"), resource["resourcePartitionKey"]),
    };
  },
  checkSiblings(properties, siblings) {
    if (siblings.some((other) => other.properties["target"] === properties["target"])) throw conflict();
  },
  render(context, place, record) {
    const { target: _, ...shown } = renderChild(place, record);
    const token = context.mintToken?.(grantOf(place, record), tokenSeconds(context));
    return token === undefined ? shown : { ...shown, _token: token };
  },
});

function grantOf(place: ChildPlace, record: ChildRecord): TokenGrant {
  const { id, rid, properties } = record;
  const key = properties["resourcePartitionKey"];
  return {
    permissionRid: rid,
    permissionId: id,
    user: place.ownerId ?? place.ownerRid,
    userRid: place.ownerRid,
    mode: String(properties["permissionMode"]).toLowerCase() === "all" ? "All" : "Read",
    resource: trimmed(String(properties["resource"])),
    ...(Array.isArray(key) ? { partitionKey: key } : {}),
  };
}

/** `x-ms-documentdb-expiry-seconds`: the life of the token, 10 seconds to 5 hours. */
function tokenSeconds({ headers }: Pick<OperationContext, "headers">): number {
  const text = headers["x-ms-documentdb-expiry-seconds"];
  if (text === undefined || text === "") return secondsDefault;
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < secondsMin || seconds > secondsMax) {
    throw badRequest(
      `The value '${text.slice(0, 40)}' specified for the header 'x-ms-documentdb-expiry-seconds' is invalid: it must be between ${secondsMin} and ${secondsMax}.`,
    );
  }
  return seconds;
}

const leaves: ReadonlySet<string> = new Set(["docs", "sprocs", "triggers", "udfs"]);

/** A link to a container, or to an item or script in one; without the leading slash that some clients send. */
function checkedLink(link: string): string {
  const [dbs, database, colls, container, type, id, ...rest] = trimmed(link).split("/");
  const toContainer = dbs === "dbs" && database && colls === "colls" && container;
  const toLeaf = type !== undefined && leaves.has(type) && id;
  if (!toContainer || rest.length > 0 || (type !== undefined && !toLeaf)) {
    throw badRequest(`The resource link '${link.slice(0, 200)}' of a permission is invalid.`);
  }
  return link.replace(/^\/+/, "");
}

function trimmed(link: string): string {
  return link.replace(/^\/+|\/+$/g, "");
}

function partitionKeyOf(resource: JsonObject): JsonObject {
  const key = resource["resourcePartitionKey"];
  if (key === undefined || key === null) return {};
  // An empty array would stand for every partition: whoever means that leaves the property out.
  if (!Array.isArray(key) || key.length === 0) {
    throw badRequest("The resourcePartitionKey of a permission must be an array with a value.");
  }
  parsePartitionKeyHeader(JSON.stringify(key));
  return { resourcePartitionKey: key };
}

/** One name for all spellings of a target: database and container by name, and the partition key. */
function targetName(context: OperationContext, link: string, partitionKey: unknown): string {
  const [, database = "", , container = "", ...leaf] = trimmed(link).split("/");
  const own = requireDatabase(context);
  const isOwn = database === own.record.id || database === own.record.rid;
  const known = isOwn
    ? (own.containers.get(container) ??
      [...own.containers.values()].find((candidate) => candidate.rid === container))
    : undefined;
  const names = [isOwn ? own.record.id : database, known?.id ?? container, ...leaf];
  return JSON.stringify([names, partitionKey ?? null]);
}

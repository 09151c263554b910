/**
 * From a raw request target to the resource it addresses. Segments are read by position (an item may be called
 * `colls`), percent-decoded one by one, and never collapsed: an id may be `..`.
 */
import { badRequest, CosmosError } from "../errors.ts";

export type AddressKind =
  | "account"
  | "databaseFeed"
  | "database"
  | "containerFeed"
  | "container"
  | "itemFeed"
  | "item"
  | "pkRangeFeed"
  | "storedProcedureFeed"
  | "storedProcedure"
  | "triggerFeed"
  | "trigger"
  | "userDefinedFunctionFeed"
  | "userDefinedFunction"
  | "conflictFeed"
  | "conflict"
  | "partitionKeyDelete"
  | "userFeed"
  | "user"
  | "permissionFeed"
  | "permission"
  | "clientEncryptionKeyFeed"
  | "clientEncryptionKey"
  | "offerFeed"
  | "offer"
  | "addresses";

export interface Address {
  readonly kind: AddressKind;
  /** Name or rid of the database, as sent. */
  readonly database?: string;
  /** Name or rid of the container, as sent. */
  readonly container?: string;
  /** Id of an item, script, user or other leaf below the container or database. */
  readonly id?: string;
  /** Number of the item, when the path names it by rid; `id` is then the id that it has. */
  readonly itemNumber?: number;
  /** Id of a permission, below the user in `id`. */
  readonly permission?: string;
  /** The resource type that keys sign: `docs`, `colls`, `dbs`, ... */
  readonly resourceType: string;
  /** Path without surrounding slashes, decoded: what a key signs for the resource itself. */
  readonly link: string;
  /** The same path with the percent-encoding it arrived with: some clients sign that. */
  readonly rawLink: string;
  readonly query: string;
}

interface Level {
  readonly feed: AddressKind;
  readonly leaf?: AddressKind;
  readonly type: string;
}

const belowContainer: Readonly<Record<string, Level>> = {
  docs: { feed: "itemFeed", leaf: "item", type: "docs" },
  pkranges: { feed: "pkRangeFeed", type: "pkranges" },
  sprocs: { feed: "storedProcedureFeed", leaf: "storedProcedure", type: "sprocs" },
  triggers: { feed: "triggerFeed", leaf: "trigger", type: "triggers" },
  udfs: { feed: "userDefinedFunctionFeed", leaf: "userDefinedFunction", type: "udfs" },
  conflicts: { feed: "conflictFeed", leaf: "conflict", type: "conflicts" },
};

const belowDatabase: Readonly<Record<string, Level>> = {
  colls: { feed: "containerFeed", leaf: "container", type: "colls" },
  users: { feed: "userFeed", leaf: "user", type: "users" },
  clientencryptionkeys: {
    feed: "clientEncryptionKeyFeed",
    leaf: "clientEncryptionKey",
    type: "clientencryptionkeys",
  },
};

/** How nearly every request names an item: nothing to decode, trim or leave out. */
const plainItem = /^\/(dbs\/([^/%?]+)\/colls\/([^/%?]+)\/docs\/([^/%?]+))$/;

/**
 * An item whose id has a question mark: `@azure/cosmos` sends it as it is, and signs it so. No request for an item has a
 * query.
 */
const itemWithMark = /^\/+dbs\/[^/?]+\/colls\/[^/?]+\/docs\/[^/?]+\?/;

/** Parses the target of a request; a path that names nothing is 404, a broken percent-encoding 400. */
export function parseAddress(target: string): Address {
  const usual = plainItem.exec(target);
  if (usual !== null) {
    const [, link = "", database = "", container = "", id = ""] = usual;
    return { kind: "item", database, container, id, resourceType: "docs", link, rawLink: link, query: "" };
  }
  const question = itemWithMark.test(target) ? -1 : target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  const query = question < 0 ? "" : target.slice(question + 1);
  const rawLink = trimSlashes(path);
  const raw = rawLink === "" ? [] : rawLink.split("/");
  const segments = raw.map(decodeSegment);
  const place =
    segments[0] === "addresses" && segments.length === 1 ? locateAddresses(query) : locate(segments);
  if (place === undefined) throw unknownPath();
  const link = rawLink.includes("%") ? segments.join("/") : rawLink;
  return { ...place, link, rawLink, query };
}

type Place = Omit<Address, "link" | "rawLink" | "query">;

function locate(segments: readonly string[]): Place | undefined {
  const [first, second] = segments;
  if (first === undefined) return { kind: "account", resourceType: "" };
  if (segments.includes("")) return undefined;
  if (first === "dbs") return locateDatabase(segments);
  if (first === "offers" && segments.length <= 2) {
    return second === undefined
      ? { kind: "offerFeed", resourceType: "offers" }
      : { kind: "offer", id: second, resourceType: "offers" };
  }
  return undefined;
}

/** The replica addresses of the container that `$resolveFor` names by the path of its items. */
function locateAddresses(query: string): Place {
  const target = trimSlashes(new URLSearchParams(query).get("$resolveFor") ?? "").split("/");
  const [, database = "", , container = ""] = target;
  const named = target[0] === "dbs" && target[2] === "colls" && database !== "" && container !== "";
  return { kind: "addresses", resourceType: "docs", ...(named ? { database, container } : {}) };
}

function locateDatabase(segments: readonly string[]): Place | undefined {
  const [, database, type, id, sub, leaf] = segments;
  if (database === undefined) return { kind: "databaseFeed", resourceType: "dbs" };
  if (type === undefined) return { kind: "database", database, resourceType: "dbs" };
  const level = Object.hasOwn(belowDatabase, type) ? belowDatabase[type] : undefined;
  if (level === undefined) return undefined;
  if (id === undefined) return { kind: level.feed, database, resourceType: level.type };
  if (level.leaf === "container") return locateContainer(segments, database, id);
  if (sub === undefined && level.leaf !== undefined)
    return { kind: level.leaf, database, id, resourceType: level.type };
  if (type !== "users" || sub !== "permissions" || segments.length > 6) return undefined;
  const resourceType = "permissions";
  if (leaf === undefined) return { kind: "permissionFeed", database, id, resourceType };
  return { kind: "permission", database, id, permission: leaf, resourceType };
}

function locateContainer(
  segments: readonly string[],
  database: string,
  container: string,
): Place | undefined {
  const [, , , , type, id] = segments;
  if (type === undefined) return { kind: "container", database, container, resourceType: "colls" };
  if (segments.length > 6) return undefined;
  if (type === "operations" && id === "partitionkeydelete") {
    return { kind: "partitionKeyDelete", database, container, resourceType: "partitionkey" };
  }
  const level = Object.hasOwn(belowContainer, type) ? belowContainer[type] : undefined;
  if (level === undefined) return undefined;
  if (id === undefined) return { kind: level.feed, database, container, resourceType: level.type };
  if (level.leaf === undefined) return undefined;
  return { kind: level.leaf, database, container, id, resourceType: level.type };
}

function decodeSegment(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest("The request URI contains an invalid percent-encoding.");
  }
}

function unknownPath(): CosmosError {
  return new CosmosError(404, "NotFound", "The requested resource path does not exist.");
}

function trimSlashes(path: string): string {
  let start = 0;
  let end = path.length;
  while (start < end && path[start] === "/") start++;
  while (end > start && path[end - 1] === "/") end--;
  return path.slice(start, end);
}

/**
 * Resource tokens: what a Cosmos DB permission lets its bearer do. Minting and checking of the signature are here, too,
 * because the rights travel inside the token and nothing else vouches for them.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Decision } from "./decision.ts";

export type PermissionMode = "All" | "Read";

/** What a permission is about. Names are resolved to rids when the token is made, so a new resource of one name is not meant. */
export interface TokenTarget {
  readonly kind: "container" | "item" | "storedProcedure" | "trigger" | "userDefinedFunction";
  /** Empty when the permission names no container that exists: the token opens nothing then. */
  readonly containerRid: string;
  /** Id of the item or script; absent for a container. */
  readonly id?: string;
  /** Number of the item, when the permission names it by rid: then only a request by its rid is about it. */
  readonly number?: number;
  /** The partition key, or prefix of a hierarchical one, that the permission is confined to (see `partitionScope`). */
  readonly partition?: readonly string[];
}

export interface TokenRights {
  /** The permission's rid: with the permission its tokens end. */
  readonly permission: string;
  readonly permissionId: string;
  readonly user: string;
  readonly userRid: string;
  readonly database: string;
  readonly mode: PermissionMode;
  /** The permission's `resource` and `resourcePartitionKey`, for those who must explain a denial. */
  readonly resource: string;
  readonly partitionKey?: readonly unknown[];
  readonly target: TokenTarget;
  /** Seconds since the epoch at which the token was made. */
  readonly starts: number;
  /** Seconds since the epoch from which on it is no longer taken. */
  readonly expires: number;
}

/**
 * Partition key values in one spelling each, so that two keys can be compared by text; undefined and `{}` are the
 * value that a document without the property has.
 */
export function partitionScope(components: readonly unknown[]): readonly string[] {
  return components.map((component) => (component === undefined ? "{}" : JSON.stringify(component)));
}

const signatureBytes = 16;

/** The token of these rights, in the form that SDKs recognise: `type=resource&ver=1&sig=..;..;`. */
export function mintResourceToken(secret: Uint8Array, rights: TokenRights): string {
  const payload = Buffer.from(JSON.stringify(rights), "utf8").toString("base64");
  return `type=resource&ver=1&sig=${signatureOf(secret, payload).toString("base64")};${payload};`;
}

/** The rights of a token that `secret` signed; `undefined` for anything else. Expiry is the caller's to judge. */
export function readResourceToken(secret: Uint8Array, token: string): TokenRights | undefined {
  const match = /^type=resource&ver=1(?:\.0)?&sig=([A-Za-z0-9+/=]+);([A-Za-z0-9+/=]+);?$/.exec(token);
  const [, signature, payload] = match ?? [];
  if (signature === undefined || payload === undefined) return undefined;
  const given = Buffer.from(signature, "base64");
  const expected = signatureOf(secret, payload);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  return JSON.parse(Buffer.from(payload, "base64").toString("utf8")) as TokenRights;
}

function signatureOf(secret: Uint8Array, payload: string): Buffer {
  return createHmac("sha256", secret).update(payload, "utf8").digest().subarray(0, signatureBytes);
}

/** A request as the rights of a token are held against it. */
export interface TokenRequest {
  /** Name of the operation's row. */
  readonly operation: string;
  readonly containerRid?: string;
  /** Id of the addressed item or script. */
  readonly id?: string;
  /** Number of the item, when the request names it by rid. */
  readonly number?: number;
  /** The partition, or prefix, that the request is confined to by its partition key header; absent when it is not. */
  readonly partition?: readonly string[];
}

/**
 * Reads of a container that clients need before they can do anything inside it. A token of one item opens them too: the
 * live tests of azure-cosmos for Python read an item with nothing else, and their client reads its container first.
 */
const routing: ReadonlySet<string> = new Set(["ReadContainer", "ListPartitionKeyRanges"]);

const itemReads: ReadonlySet<string> = new Set(["ReadItem", "ReadItemFeed", "QueryItems", "ReadChangeFeed"]);

const scriptReads: ReadonlySet<string> = new Set([
  "ListStoredProcedures",
  "QueryStoredProcedures",
  "ReadStoredProcedure",
  "ListTriggers",
  "QueryTriggers",
  "ReadTrigger",
  "ListUserDefinedFunctions",
  "QueryUserDefinedFunctions",
  "ReadUserDefinedFunction",
]);

const itemWrites: ReadonlySet<string> = new Set([
  "CreateItem",
  "UpsertItem",
  "ReplaceItem",
  "PatchItem",
  "DeleteItem",
  "ExecuteBatch",
  "DeleteByPartitionKey",
  "ExecuteStoredProcedure",
]);

/** Operations on one item or script that its own permission allows; upsert and create go to the container and are not. */
const ownOperations: Readonly<
  Record<Exclude<TokenTarget["kind"], "container">, Readonly<Record<PermissionMode, readonly string[]>>>
> = {
  item: { Read: ["ReadItem"], All: ["ReadItem", "ReplaceItem", "PatchItem", "DeleteItem"] },
  storedProcedure: {
    Read: ["ReadStoredProcedure"],
    All: ["ReadStoredProcedure", "ExecuteStoredProcedure", "ReplaceStoredProcedure", "DeleteStoredProcedure"],
  },
  trigger: { Read: ["ReadTrigger"], All: ["ReadTrigger", "ReplaceTrigger", "DeleteTrigger"] },
  userDefinedFunction: {
    Read: ["ReadUserDefinedFunction"],
    All: ["ReadUserDefinedFunction", "ReplaceUserDefinedFunction", "DeleteUserDefinedFunction"],
  },
};

/** What a permission on a script opens even where it is confined to a partition: a script's text is in none. */
const scriptTextReads: ReadonlySet<string> = new Set([
  "ReadStoredProcedure",
  "ReadTrigger",
  "ReadUserDefinedFunction",
]);

/** True when the rights cover the request. Everything not named here is denied: databases, users, offers and so on. */
export function tokenAllows({ mode, target }: TokenRights, request: TokenRequest): boolean {
  if (request.operation === "ReadDatabaseAccount") return true;
  if (target.containerRid === "" || request.containerRid !== target.containerRid) return false;
  const isInside = target.kind === "item" || target.kind === "container";
  if (isInside && routing.has(request.operation)) return true;
  if (target.kind !== "container") {
    if (!ownOperations[target.kind][mode].includes(request.operation)) return false;
    if (target.number === undefined ? !isNamed(target, request) : request.number !== target.number)
      return false;
    return scriptTextReads.has(request.operation) || withinPartition(target, request);
  }
  if (request.operation === "QueryPlan") return true;
  const isItemOperation =
    itemReads.has(request.operation) || (mode === "All" && itemWrites.has(request.operation));
  if (isItemOperation) return withinPartition(target, request);
  return target.partition === undefined && scriptReads.has(request.operation);
}

function isNamed({ id }: TokenTarget, request: TokenRequest): boolean {
  return id !== undefined && request.id === id;
}

/** A permission without a partition key covers every partition (reference of `ResourcePartitionKey`). */
function withinPartition({ partition }: TokenTarget, request: TokenRequest): boolean {
  if (partition === undefined) return true;
  const asked = request.partition;
  if (asked === undefined || asked.length < partition.length) return false;
  return partition.every((value, at) => value === asked[at]);
}

export interface TokenAccessRequest extends TokenRequest {
  readonly action: string;
  /** The resource as denials name it. */
  readonly resource: string;
  readonly metadataWrite: boolean;
  readonly disableLocalAuth?: boolean;
  readonly disableKeyBasedMetadataWriteAccess: boolean;
}

/** The path of the permission, by names. */
export function permissionPath({ database, user, permissionId }: TokenRights): string {
  return `dbs/${database}/users/${user}/permissions/${permissionId}`;
}

/** Decides a request made with a resource token whose signature, time and permission have been checked. */
export function decideResourceToken(rights: TokenRights, request: TokenAccessRequest): Decision {
  const { userRid, mode, resource, partitionKey } = rights;
  const base = {
    credential: {
      kind: "resourceToken",
      permission: permissionPath(rights),
      userRid,
      mode,
      resource,
      ...(partitionKey === undefined ? {} : { partitionKey }),
    },
    action: request.action,
    resource: request.resource,
    considered: [],
  } as const;
  if (request.disableLocalAuth === true) return { ...base, allowed: false, reason: "localAuthDisabled" };
  if (request.metadataWrite && request.disableKeyBasedMetadataWriteAccess) {
    return { ...base, allowed: false, reason: "keyMetadataWriteDisabled" };
  }
  if (!tokenAllows(rights, request)) return { ...base, allowed: false, reason: "outsideResourceToken" };
  return { ...base, allowed: true };
}

/**
 * Resource tokens: what a Cosmos DB permission lets its bearer do. Minting and checking of the signature are here, too,
 * because the rights travel inside the token and nothing else vouches for them.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export type PermissionMode = "All" | "Read";

/** What a permission is about. Names are resolved to rids when the token is made, so a new resource of one name is not meant. */
export interface TokenTarget {
  readonly kind: "container" | "item" | "storedProcedure" | "trigger" | "userDefinedFunction";
  readonly containerRid: string;
  /** Id of the item or script; absent for a container. */
  readonly id?: string;
  /** The partition key that the permission is confined to: its effective partition key and tag, both hexadecimal. */
  readonly partition?: { readonly epk: string; readonly tag: string };
}

export interface TokenRights {
  /** The permission's rid: with the permission its tokens end. */
  readonly permission: string;
  /** The permission's path, as logs name it. */
  readonly permissionId: string;
  readonly mode: PermissionMode;
  readonly target: TokenTarget;
  /** Seconds since the epoch. */
  readonly expires: number;
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
  /** The logical partition that the request is confined to by its partition key header; absent when it is not. */
  readonly partition?: { readonly epk: string; readonly tag: string };
}

/** Reads of a container that clients need before they can do anything with it. */
const containerMetadata: ReadonlySet<string> = new Set([
  "ReadContainer",
  "ListPartitionKeyRanges",
  "QueryPlan",
]);

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

/** True when the rights cover the request. Everything not named here is denied: databases, users, offers and so on. */
export function tokenAllows({ mode, target }: TokenRights, request: TokenRequest): boolean {
  if (request.operation === "ReadDatabaseAccount") return true;
  if (request.containerRid === undefined || request.containerRid !== target.containerRid) return false;
  if (target.kind !== "container") {
    if (!ownOperations[target.kind][mode].includes(request.operation) || request.id !== target.id)
      return false;
    return target.kind !== "item" || samePartition(target, request);
  }
  if (containerMetadata.has(request.operation)) return true;
  const isItemOperation =
    itemReads.has(request.operation) || (mode === "All" && itemWrites.has(request.operation));
  if (target.partition !== undefined) return isItemOperation && samePartition(target, request);
  return isItemOperation || scriptReads.has(request.operation);
}

/** A permission without a partition key covers every partition of a container, but no item: ids repeat in partitions. */
function samePartition(target: TokenTarget, request: TokenRequest): boolean {
  const { partition } = target;
  if (partition === undefined || request.partition === undefined) return false;
  return partition.epk === request.partition.epk && partition.tag === request.partition.tag;
}

/**
 * Resource tokens between the wire and `authz/`: how they are made when a permission is read or written, and what is
 * gathered to judge a request that brings one. Apart from authorize.ts because both ends must agree on one secret and
 * one notion of a partition.
 */
import { createHmac } from "node:crypto";
import type { KeyName } from "../../authz/account-key.ts";
import {
  mintResourceToken,
  partitionScope,
  permissionPath,
  readResourceToken,
  type TokenRequest,
  type TokenRights,
  type TokenTarget,
} from "../../authz/resource-token.ts";
import type { Clock } from "../../clock.ts";
import type { Reader } from "../../storage/port.ts";
import type { AccountView, DatabaseView } from "../engine/catalog.ts";
import { readAll } from "../engine/catalog.ts";
import type { ChildRecord } from "../engine/child-resources.ts";
import { parsePartitionKeyHeader } from "../engine/partition-key.ts";
import { type ContainerRecord, contentKey, contentRange, decodeRecord } from "../engine/records.ts";
import { itemNumber } from "../engine/resource-ids.ts";
import { type CosmosError, unauthorized } from "../errors.ts";
import type { MintToken, TokenGrant } from "../operations/permissions.ts";
import { localAuthDisabled } from "./authorize-denials.ts";
import { outsideTime } from "./credential.ts";
import { flag, type RequestHeaders } from "./headers.ts";

/**
 * The secret under an account's tokens: one for each of the two keys that may read permissions, so that a token ends
 * with the key that it was asked for with, and with no other.
 */
function tokenSecret(key: Buffer): Buffer {
  return createHmac("sha256", key).update("celestite resource token").digest();
}

export interface MintFacts {
  readonly clock: Clock;
  readonly account: AccountView;
  readonly database: DatabaseView;
  /** The key that signed the request for the permission. */
  readonly key: KeyName;
}

/** What makes the tokens of the permissions that one request reads or writes. */
export function tokenMinter({ clock, account, database, key }: MintFacts): MintToken {
  const secret = account.keys.find(({ name }) => name === key)?.secret;
  if (secret === undefined) throw new Error(`the account has no key '${key}'`);
  const signing = tokenSecret(secret);
  return (grant, seconds) => {
    const starts = Math.floor(clock.now() / 1000);
    const { permissionRid, permissionId, user, userRid, mode, resource, partitionKey } = grant;
    return mintResourceToken(signing, {
      permission: permissionRid,
      permissionId,
      user,
      userRid,
      database: database.record.id,
      mode,
      resource,
      ...(partitionKey === undefined ? {} : { partitionKey }),
      target: targetOf(grant, database),
      starts,
      expires: starts + seconds,
    });
  };
}

const kinds: Readonly<Record<string, Exclude<TokenTarget["kind"], "container">>> = {
  docs: "item",
  sprocs: "storedProcedure",
  triggers: "trigger",
  udfs: "userDefinedFunction",
};

/** The target that a permission's link names, by names or rids, in the permission's own database. */
function targetOf({ resource, partitionKey }: TokenGrant, database: DatabaseView): TokenTarget {
  const [, db = "", , coll = "", type, id] = resource.split("/");
  const isOwn = db === database.record.id || db === database.record.rid;
  const container = isOwn ? findContainer(database, coll) : undefined;
  const partition = partitionKey === undefined ? {} : { partition: keyScope(JSON.stringify(partitionKey)) };
  const containerRid = container?.rid ?? "";
  if (type === undefined || id === undefined) return { kind: "container", containerRid, ...partition };
  const kind = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
  if (kind === undefined) throw new Error(`a permission on '${type}' has been stored`);
  // Where the container is named by rid, the item is as well.
  const byRid = kind === "item" && container !== undefined && coll !== container.id;
  const number = byRid ? itemNumber(container.rid, id) : undefined;
  return { kind, containerRid, id, ...(number === undefined ? {} : { number }), ...partition };
}

function findContainer({ containers }: DatabaseView, nameOrRid: string): ContainerRecord | undefined {
  return containers.get(nameOrRid) ?? [...containers.values()].find(({ rid }) => rid === nameOrRid);
}

/** Values of a partition key header, or of a permission, as they are compared. */
function keyScope(text: string): readonly string[] {
  return partitionScope(parsePartitionKeyHeader(text));
}

export interface ResourceTokenParts {
  readonly clock: Clock;
  readonly store: Reader;
  /** The account's setting: where it holds, no fault of a token is told. */
  readonly disableLocalAuth?: boolean;
}

/** The rights of a token; 401 unless the account signed it, its time has not passed, and its permission still exists. */
export async function requireTokenRights(
  parts: ResourceTokenParts,
  account: AccountView,
  token: string,
): Promise<TokenRights> {
  const rights = account
    .acceptedKeys()
    .filter(({ name }) => name === "primary" || name === "secondary")
    .map(({ secret }) => readResourceToken(tokenSecret(secret), token))
    .find((read) => read !== undefined);
  const fault = rights === undefined ? notOurs() : await faultOf(parts, account, rights);
  if (fault !== undefined) throw parts.disableLocalAuth === true ? localAuthDisabled() : fault;
  if (rights === undefined) throw new Error("a token without rights has a fault");
  return rights;
}

async function faultOf(
  { clock, store }: ResourceTokenParts,
  account: AccountView,
  rights: TokenRights,
): Promise<CosmosError | undefined> {
  const now = clock.now();
  const ended = rights.expires * 1000;
  const permission = permissionPath(rights);
  if (now >= ended) {
    const diagnosis = { kind: "resourceToken", fault: "expired", permission, ended } as const;
    return unauthorized(outsideTime(rights.starts * 1000, ended, now), 0, diagnosis);
  }
  if (await permissionExists(store, account.record.account.name, rights)) return undefined;
  return revoked(permission);
}

/** A permission keeps its rid when it is renamed; a new one of the same name has another. */
async function permissionExists(store: Reader, account: string, rights: TokenRights): Promise<boolean> {
  const { database, userRid, permissionId, permission } = rights;
  const bytes = await store.get(contentKey(account, "permission", database, userRid, permissionId));
  if (bytes !== undefined && decodeRecord<ChildRecord>(bytes).rid === permission) return true;
  const siblings = await readAll<ChildRecord>(store, contentRange(account, "permission", database, userRid));
  return siblings.some(({ rid }) => rid === permission);
}

function notOurs(): CosmosError {
  return unauthorized(
    "The input authorization token can't serve the request. The resource token was not issued by this database account, or the key that it was issued with has been regenerated.",
  );
}

function revoked(permission: string): CosmosError {
  return unauthorized(
    "The input authorization token can't serve the request. The permission that the resource token was issued for no longer exists.",
    0,
    { kind: "resourceToken", fault: "revoked", permission },
  );
}

/** What a request asks of a token, besides the operation: the container, the leaf, and the partition that confines it. */
export interface TokenRequestFacts {
  readonly operation: string;
  readonly containerRid?: string;
  readonly id?: string;
  /** Number of the item that is addressed by rid. */
  readonly number?: number;
  readonly headers: RequestHeaders;
}

export function tokenRequest({
  operation,
  containerRid,
  id,
  number,
  headers,
}: TokenRequestFacts): TokenRequest {
  const partition = confinement(operation, headers);
  return {
    operation,
    ...(containerRid === undefined ? {} : { containerRid }),
    ...(id === undefined ? {} : { id }),
    ...(number === undefined ? {} : { number }),
    ...(partition === undefined ? {} : { partition }),
  };
}

/** The parts of a bulk request name partitions of their own; only an atomic batch stays within the header's. */
function confinement(operation: string, headers: RequestHeaders): readonly string[] | undefined {
  const header = headers["x-ms-documentdb-partitionkey"];
  if (header === undefined) return undefined;
  if (operation === "ExecuteBatch" && !flag(headers, "x-ms-cosmos-batch-atomic")) return undefined;
  return keyScope(header);
}

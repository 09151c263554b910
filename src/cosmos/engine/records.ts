/**
 * The records of an account's metadata as they are stored, where they are stored, and their public form. Keys begin
 * with "cosmos"; items live elsewhere (documents.ts), under the account's `uid` and the container's `number`, which
 * are never reused, so a deleted container can never show its items through a new one of the same name.
 */
import type { Clock, Entropy } from "../../clock.ts";
import { encodeKey, prefixRange } from "../../storage/keys.ts";
import type { Bytes, KeyRange } from "../../storage/port.ts";
import type { Account, AccountKeys, CosmosResource, KeyKind } from "../control.ts";
import type { PartitionKeyDefinition } from "./effective-partition-key.ts";

export interface AccountRecord {
  readonly account: Account;
  readonly uid: string;
  readonly keys: AccountKeys;
  /** Milliseconds since the epoch at which each key was made. */
  readonly keyTimes: Readonly<Record<KeyKind, number>>;
  readonly nextDatabase: number;
  readonly nextContainer: number;
}

export interface DatabaseRecord {
  readonly id: string;
  readonly rid: string;
  readonly etag: string;
  readonly ts: number;
}

/** A physical range of effective partition keys: `min <= epk < max`. */
export interface PhysicalRange {
  /** A number in decimal, never used again within the container. */
  readonly id: string;
  readonly min: string;
  readonly max: string;
  /** Ids of the ranges it came from by splits, oldest first. */
  readonly parents: readonly string[];
  /** The LSN that its parent had reached when it was split; its own log goes on from there. */
  readonly startLsn: number;
}

/** A range that was split; its log and its items' numbers stay readable for its descendants. */
export interface RetiredRange extends PhysicalRange {
  readonly endLsn: number;
}

export interface ContainerRecord {
  readonly id: string;
  readonly database: string;
  readonly databaseRid: string;
  readonly rid: string;
  readonly etag: string;
  readonly ts: number;
  readonly uid: string;
  readonly number: number;
  readonly partitionKey: PartitionKeyDefinition;
  /** Everything else that the client may set: indexing policy, TTL, unique keys and so on. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** The live ranges in the order of their keys. */
  readonly ranges: readonly PhysicalRange[];
  readonly retired: readonly RetiredRange[];
}

export const accountKey = (account: string): Bytes => encodeKey(["cosmos", "account", account.toLowerCase()]);
export const accountRange: KeyRange = prefixRange(["cosmos", "account"]);

/** Everything that belongs to an account besides the account record itself. */
export const accountContents = (account: string): KeyRange =>
  prefixRange(["cosmos", "in", account.toLowerCase()]);

/** What child-resources.ts keeps below containers, and below databases. */
export type ScriptKind = "storedProcedure" | "trigger" | "userDefinedFunction";
export type ChildKind = ScriptKind | "user" | "permission" | "clientEncryptionKey";

export type ContentKind =
  | "database"
  | "container"
  | "roleDefinition"
  | "roleAssignment"
  | "offer"
  | "childCounter"
  | ChildKind;

export const contentKey = (account: string, kind: ContentKind, ...names: readonly string[]): Bytes =>
  encodeKey(["cosmos", "in", account.toLowerCase(), kind, ...names]);

export const contentRange = (account: string, kind: ContentKind, ...names: readonly string[]): KeyRange =>
  prefixRange(["cosmos", "in", account.toLowerCase(), kind, ...names]);

/** Says that the queue of expiring items must be made anew (ttl.ts); written with the change of a default TTL. */
export function requeueKey({ uid, number }: Pick<ContainerRecord, "uid" | "number">): Bytes {
  return encodeKey(["cosmos", "requeue", uid, number]);
}

export function encodeRecord(record: unknown): Bytes {
  return Buffer.from(JSON.stringify(record), "utf8");
}

/** Reads back what `encodeRecord` wrote; the type is the caller's promise about the key it read. */
export function decodeRecord<T>(bytes: Bytes): T {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")) as T;
}

/** A new etag for metadata, quoted as on the wire. */
export function metadataEtag(entropy: Entropy, clock: Clock): string {
  const unique = Buffer.from(entropy.bytes(4)).toString("hex");
  return `"${unique}-0000-0700-0000-${seconds(clock).toString(16).padStart(8, "0")}0000"`;
}

/** Whole seconds since the epoch, as in `_ts`. */
export function seconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

export function renderDatabase(record: DatabaseRecord): CosmosResource {
  return {
    id: record.id,
    _rid: record.rid,
    _self: `dbs/${record.rid}/`,
    _etag: record.etag,
    _colls: "colls/",
    _users: "users/",
    _ts: record.ts,
  };
}

export function renderContainer(record: ContainerRecord): CosmosResource {
  return {
    id: record.id,
    ...record.properties,
    partitionKey: record.partitionKey,
    _rid: record.rid,
    _ts: record.ts,
    _self: `dbs/${record.databaseRid}/colls/${record.rid}/`,
    _etag: record.etag,
    _docs: "docs/",
    _sprocs: "sprocs/",
    _triggers: "triggers/",
    _udfs: "udfs/",
    _conflicts: "conflicts/",
  };
}

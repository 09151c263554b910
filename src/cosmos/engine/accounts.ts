/**
 * Accounts and their keys. Names are unique over the whole server, as they are host names in the service. Removing
 * an account leaves its items unreachable at once (their keys carry the account's `uid`); `purge.ts` frees the
 * space.
 */
import { ArmError } from "../../azure/arm-error.ts";
import type { Clock, Entropy } from "../../clock.ts";
import type { Reader, Transaction } from "../../storage/port.ts";
import type { Account, AccountKeys, AccountSettings, KeyKind } from "../control.ts";
import type { Catalog } from "./catalog.ts";
import { readAll } from "./catalog.ts";
import { deleteRange, markForPurge } from "./purge.ts";
import {
  type AccountRecord,
  accountContents,
  accountKey,
  accountRange,
  type ContainerRecord,
  contentRange,
  decodeRecord,
  encodeRecord,
} from "./records.ts";
import type { ThroughputMeters } from "./throughput.ts";

/** Length of an account key; 64 random bytes make the 88 characters that clients expect. */
const keyBytes = 64;

export interface EngineParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Physical ranges of a new container whose throughput does not ask for more. */
  readonly rangesDefault: number;
  readonly throughput: ThroughputMeters;
}

const keyNames: Readonly<Record<KeyKind, keyof AccountKeys>> = {
  primary: "primaryMasterKey",
  secondary: "secondaryMasterKey",
  primaryReadonly: "primaryReadonlyMasterKey",
  secondaryReadonly: "secondaryReadonlyMasterKey",
};

/** The account's record, or `undefined`. */
export async function readAccount(reader: Reader, account: string): Promise<AccountRecord | undefined> {
  const bytes = await reader.get(accountKey(account));
  return bytes === undefined ? undefined : decodeRecord<AccountRecord>(bytes);
}

/** The account's record; ArmError 404 when there is none. */
export async function requireAccount(reader: Reader, account: string): Promise<AccountRecord> {
  const record = await readAccount(reader, account);
  if (record === undefined) {
    throw new ArmError(404, "NotFound", `Database account '${account}' could not be found.`);
  }
  return record;
}

/** Creates the account, or changes the settings of the one that exists; its name, id and port stay as they are. */
export async function putAccount(
  parts: EngineParts,
  transaction: Transaction,
  settings: AccountSettings,
  port: number,
): Promise<Account> {
  const old = await readAccount(transaction, settings.name);
  const record = old === undefined ? newAccount(parts, settings, port) : changedAccount(old, settings);
  writeAccount(parts, transaction, record);
  return record.account;
}

function newAccount(parts: EngineParts, settings: AccountSettings, port: number): AccountRecord {
  const now = parts.clock.now();
  const key = (): string => Buffer.from(parts.entropy.bytes(keyBytes)).toString("base64");
  return {
    account: { ...settings, port, createdAt: now },
    uid: Buffer.from(parts.entropy.bytes(8)).toString("hex"),
    keys: {
      primaryMasterKey: key(),
      secondaryMasterKey: key(),
      primaryReadonlyMasterKey: key(),
      secondaryReadonlyMasterKey: key(),
    },
    keyTimes: { primary: now, secondary: now, primaryReadonly: now, secondaryReadonly: now },
    nextDatabase: 1,
    nextContainer: 1,
  };
}

function changedAccount(old: AccountRecord, settings: AccountSettings): AccountRecord {
  const { name, resourceId, port, createdAt } = old.account;
  return { ...old, account: { ...settings, name, resourceId, port, createdAt } };
}

/** Writes the record and shows it once it is durable. */
export function writeAccount(parts: EngineParts, transaction: Transaction, record: AccountRecord): void {
  transaction.put(accountKey(record.account.name), encodeRecord(record));
  transaction.afterCommit(() => parts.catalog.setAccount(record));
}

export async function listAccounts(reader: Reader): Promise<readonly Account[]> {
  return (await readAll<AccountRecord>(reader, accountRange)).map((record) => record.account);
}

/** Removes the account, its keys, roles, databases and containers; false when there was none. */
export async function deleteAccount(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
): Promise<boolean> {
  const record = await readAccount(transaction, account);
  if (record === undefined) return false;
  const containers = await readAll<ContainerRecord>(transaction, contentRange(account, "container"));
  for (const container of containers) markForPurge(transaction, container);
  transaction.delete(accountKey(account));
  await deleteRange(transaction, accountContents(account));
  transaction.afterCommit(() => parts.catalog.removeAccount(account));
  return true;
}

/** Replaces one key; requests signed with its old value fail from the commit on. */
export async function regenerateKey(
  parts: EngineParts,
  transaction: Transaction,
  account: string,
  kind: KeyKind,
): Promise<void> {
  const record = await requireAccount(transaction, account);
  const secret = Buffer.from(parts.entropy.bytes(keyBytes)).toString("base64");
  writeAccount(parts, transaction, {
    ...record,
    keys: { ...record.keys, [keyNames[kind]]: secret },
    keyTimes: { ...record.keyTimes, [kind]: parts.clock.now() },
  });
}

/**
 * The live view of all accounts: settings, keys, compiled roles, databases and containers, in memory. It is loaded
 * from the store once and changed only after a commit, so what it shows is always durable. Checks inside a
 * transaction read the transaction instead (an earlier transaction may not have reached the view yet).
 */
import type { KeyName } from "../../authz/account-key.ts";
import type { CosmosPolicy } from "../../authz/cosmos-rbac.ts";
import { cosmosAudiences } from "../../azure/audiences.ts";
import type { Clock } from "../../clock.ts";
import { after } from "../../storage/keys.ts";
import type { KeyRange, Reader } from "../../storage/port.ts";
import type { AccountKeys, SqlRoleAssignment, SqlRoleDefinition } from "../control.ts";
import {
  type AccountRecord,
  accountRange,
  type ContainerRecord,
  contentRange,
  type DatabaseRecord,
  decodeRecord,
} from "./records.ts";
import { createRoleBook, type RoleBook } from "./role-book.ts";

/** How long changes of access wait for their effect, in milliseconds; 0 is at once. */
export interface AccessDelays {
  readonly roles: number;
  /** How long a regenerated key's old value is still taken, beside the new one. */
  readonly keys: number;
}

interface NamedKey {
  readonly name: KeyName;
  readonly secret: Buffer;
}

interface RetiredKey extends NamedKey {
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export interface AccountView {
  readonly record: AccountRecord;
  readonly keys: readonly NamedKey[];
  readonly retired: readonly RetiredKey[];
  /** The keys and, where changes wait, the old values that are still taken. */
  acceptedKeys(): readonly NamedKey[];
  /** Audiences of tokens that the account takes. */
  readonly audiences: readonly string[];
  readonly databases: Map<string, DatabaseView>;
  readonly roles: RoleBook;
  /** Roles ready for decisions. */
  policy(): CosmosPolicy;
}

export interface DatabaseView {
  readonly record: DatabaseRecord;
  readonly containers: Map<string, ContainerRecord>;
}

export interface Catalog {
  find(account: string): AccountView | undefined;
  all(): Iterable<AccountView>;
  /** Each of these mirrors a committed change; they are called from `afterCommit` only. */
  setAccount(record: AccountRecord): void;
  removeAccount(account: string): void;
  setDatabase(account: string, record: DatabaseRecord): void;
  removeDatabase(account: string, database: string): void;
  setContainer(account: string, record: ContainerRecord): void;
  removeContainer(account: string, database: string, container: string): void;
  setRoleDefinition(account: string, definition: SqlRoleDefinition): void;
  removeRoleDefinition(account: string, name: string): void;
  setRoleAssignment(account: string, assignment: SqlRoleAssignment): void;
  removeRoleAssignment(account: string, name: string): void;
}

/** Loads every account from the store; what is stored is in effect, only changes from then on wait. */
export async function openCatalog(
  reader: Reader,
  clock: Clock,
  delays: AccessDelays = { roles: 0, keys: 0 },
): Promise<Catalog> {
  const accounts = new Map<string, AccountView>();
  let isLoaded = false;
  const catalog = mutableCatalog(accounts, {
    now: () => clock.now(),
    delays: () => (isLoaded ? delays : { roles: 0, keys: 0 }),
  });
  for (const record of await readAll<AccountRecord>(reader, accountRange)) {
    const name = record.account.name;
    catalog.setAccount(record);
    for (const database of await readAll<DatabaseRecord>(reader, contentRange(name, "database"))) {
      catalog.setDatabase(name, database);
    }
    for (const container of await readAll<ContainerRecord>(reader, contentRange(name, "container"))) {
      catalog.setContainer(name, container);
    }
    for (const definition of await readAll<SqlRoleDefinition>(reader, contentRange(name, "roleDefinition"))) {
      catalog.setRoleDefinition(name, definition);
    }
    for (const assignment of await readAll<SqlRoleAssignment>(reader, contentRange(name, "roleAssignment"))) {
      catalog.setRoleAssignment(name, assignment);
    }
  }
  isLoaded = true;
  return catalog;
}

/** Every record of a range, in key order. */
export async function readAll<T>(reader: Reader, range: KeyRange): Promise<T[]> {
  const records: T[] = [];
  const page = 500;
  let start = range.start;
  for (;;) {
    const entries = await reader.range({ start, end: range.end }, page);
    for (const entry of entries) records.push(decodeRecord<T>(entry.value));
    const last = entries.at(-1);
    if (last === undefined || entries.length < page) return records;
    start = after(last.key);
  }
}

interface Timing {
  readonly now: () => number;
  readonly delays: () => AccessDelays;
}

function mutableCatalog(accounts: Map<string, AccountView>, timing: Timing): Catalog {
  const find = (account: string): AccountView | undefined => accounts.get(account.toLowerCase());
  return {
    find,
    all: () => accounts.values(),
    setAccount(record) {
      const old = find(record.account.name);
      accounts.set(record.account.name.toLowerCase(), accountView(record, old, timing));
    },
    removeAccount: (account) => void accounts.delete(account.toLowerCase()),
    setDatabase(account, record) {
      const databases = find(account)?.databases;
      databases?.set(record.id, { record, containers: databases.get(record.id)?.containers ?? new Map() });
    },
    removeDatabase: (account, database) => void find(account)?.databases.delete(database),
    setContainer: (account, record) =>
      void find(account)?.databases.get(record.database)?.containers.set(record.id, record),
    removeContainer: (account, database, container) =>
      void find(account)?.databases.get(database)?.containers.delete(container),
    setRoleDefinition: (account, definition) => find(account)?.roles.setDefinition(definition),
    removeRoleDefinition: (account, name) => find(account)?.roles.removeDefinition(name),
    setRoleAssignment: (account, assignment) => find(account)?.roles.setAssignment(assignment),
    removeRoleAssignment: (account, name) => find(account)?.roles.removeAssignment(name),
  };
}

function accountView(record: AccountRecord, old: AccountView | undefined, timing: Timing): AccountView {
  const { now, delays } = timing;
  const roles =
    old?.roles ?? createRoleBook({ accountId: record.account.resourceId, now, delay: () => delays().roles });
  const keys = secrets(record.keys);
  const retired = retiredKeys(keys, old, now(), delays().keys);
  return {
    record,
    keys,
    retired,
    acceptedKeys: () =>
      retired.length === 0 ? keys : [...keys, ...retired.filter(({ until }) => now() < until)],
    audiences: cosmosAudiences(record.account.name, record.account.port),
    databases: old?.databases ?? new Map(),
    roles,
    policy: () => roles.policy(),
  };
}

/** The old values of keys, those that this change replaces included, that are still to be taken. */
function retiredKeys(
  keys: readonly NamedKey[],
  old: AccountView | undefined,
  now: number,
  delay: number,
): readonly RetiredKey[] {
  const replaced = (old?.keys ?? []).filter(
    ({ name, secret }) => !keys.some((key) => key.name === name && key.secret.equals(secret)),
  );
  const all = [...(old?.retired ?? []), ...replaced.map((key) => ({ ...key, until: now + delay }))];
  return all.filter(({ until }) => until > now);
}

function secrets(keys: AccountKeys): AccountView["keys"] {
  const named: readonly (readonly [KeyName, string])[] = [
    ["primary", keys.primaryMasterKey],
    ["secondary", keys.secondaryMasterKey],
    ["primaryReadonly", keys.primaryReadonlyMasterKey],
    ["secondaryReadonly", keys.secondaryReadonlyMasterKey],
  ];
  return named.map(([name, secret]) => ({ name, secret: Buffer.from(secret, "base64") }));
}

/**
 * The live view of all accounts: settings, keys, compiled roles, databases and containers, in memory. It is loaded
 * from the store once and changed only after a commit, so what it shows is always durable. Checks inside a
 * transaction read the transaction instead (an earlier transaction may not have reached the view yet).
 */
import type { KeyName } from "../../authz/account-key.ts";
import { type CosmosPolicy, compileCosmosPolicy } from "../../authz/cosmos-rbac.ts";
import { cosmosAudiences } from "../../azure/audiences.ts";
import { builtInDataRoles } from "../../azure/cosmos-actions.ts";
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

export interface AccountView {
  readonly record: AccountRecord;
  readonly keys: readonly { readonly name: KeyName; readonly secret: Buffer }[];
  /** Audiences of tokens that the account takes. */
  readonly audiences: readonly string[];
  readonly databases: Map<string, DatabaseView>;
  readonly roleDefinitions: Map<string, SqlRoleDefinition>;
  readonly roleAssignments: Map<string, SqlRoleAssignment>;
  /** Roles ready for decisions, compiled at the first decision after a change. */
  policy(): CosmosPolicy;
  forgetPolicy(): void;
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

/** The built-in role definitions of an account, in the shape of its custom ones. */
export function builtInDefinitions(accountId: string): readonly SqlRoleDefinition[] {
  return builtInDataRoles.map((role) => ({
    name: role.name,
    roleName: role.roleName,
    type: "BuiltInRole",
    assignableScopes: [accountId],
    permissions: [{ dataActions: role.dataActions, notDataActions: [] }],
  }));
}

/** Loads every account from the store. */
export async function openCatalog(reader: Reader): Promise<Catalog> {
  const accounts = new Map<string, AccountView>();
  const catalog = mutableCatalog(accounts);
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

function mutableCatalog(accounts: Map<string, AccountView>): Catalog {
  const find = (account: string): AccountView | undefined => accounts.get(account.toLowerCase());
  return {
    find,
    all: () => accounts.values(),
    setAccount(record) {
      const old = find(record.account.name);
      accounts.set(record.account.name.toLowerCase(), accountView(record, old));
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
    setRoleDefinition(account, definition) {
      find(account)?.roleDefinitions.set(definition.name, definition);
      find(account)?.forgetPolicy();
    },
    removeRoleDefinition(account, name) {
      find(account)?.roleDefinitions.delete(name);
      find(account)?.forgetPolicy();
    },
    setRoleAssignment(account, assignment) {
      find(account)?.roleAssignments.set(assignment.name, assignment);
      find(account)?.forgetPolicy();
    },
    removeRoleAssignment(account, name) {
      find(account)?.roleAssignments.delete(name);
      find(account)?.forgetPolicy();
    },
  };
}

function accountView(record: AccountRecord, old: AccountView | undefined): AccountView {
  const roleDefinitions = old?.roleDefinitions ?? new Map<string, SqlRoleDefinition>();
  const roleAssignments = old?.roleAssignments ?? new Map<string, SqlRoleAssignment>();
  const accountId = record.account.resourceId;
  let compiled: CosmosPolicy | undefined;
  return {
    record,
    keys: secrets(record.keys),
    audiences: cosmosAudiences(record.account.name, record.account.port),
    databases: old?.databases ?? new Map(),
    roleDefinitions,
    roleAssignments,
    policy() {
      compiled ??= compileCosmosPolicy(
        accountId,
        [...builtInDefinitions(accountId), ...roleDefinitions.values()],
        [...roleAssignments.values()],
      );
      return compiled;
    },
    forgetPolicy() {
      compiled = undefined;
    },
  };
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

/**
 * What the control plane may do in Cosmos DB: accounts and their keys, databases, containers, data-plane role
 * definitions and assignments. Calls that change something take the caller's transaction, which must hold
 * `cosmosLock(account)`; refusals are ArmError with the provider's own codes and texts.
 */
import type { NetworkRules } from "../authz/network.ts";
import { ArmError } from "../azure/arm-error.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import { type ScriptControl, scriptControl } from "./control-scripts.ts";
import { type ThroughputControl, throughputControl } from "./control-throughput.ts";
import * as accounts from "./engine/accounts.ts";
import { readAll } from "./engine/catalog.ts";
import * as containers from "./engine/containers.ts";
import * as dataRoles from "./engine/data-roles.ts";
import type { Engine } from "./engine/engine.ts";
import {
  type ContainerRecord,
  contentRange,
  type DatabaseRecord,
  renderContainer,
  renderDatabase,
} from "./engine/records.ts";
import { CosmosError } from "./errors.ts";

export { cosmosLock } from "./account-lock.ts";

export type KeyKind = "primary" | "secondary" | "primaryReadonly" | "secondaryReadonly";

/** The part of an account that acts; everything else of the ARM resource is kept by its provider. */
export interface AccountSettings {
  readonly name: string;
  /** The ARM id, in the casing in which the account was created; scopes of data roles hang below it. */
  readonly resourceId: string;
  readonly tenantId: string;
  readonly location: string;
  readonly disableLocalAuth: boolean;
  readonly disableKeyBasedMetadataWriteAccess: boolean;
  readonly defaultConsistencyLevel:
    | "Strong"
    | "BoundedStaleness"
    | "Session"
    | "ConsistentPrefix"
    | "Eventual";
  readonly serverless: boolean;
  /** True to answer 429/3200 to what goes beyond the provisioned throughput; in the service that is always so. */
  readonly enforcesThroughput?: boolean;
  /** True for an account with continuous backup, whose containers have no retention of their own. */
  readonly continuousBackup?: boolean;
  /** True for one that has asked, besides, for the change feed of all versions and deletes. */
  readonly keepsVersions?: boolean;
  /** Where clients may come from; everywhere when absent. */
  readonly network?: NetworkRules;
  /** `audit` answers what roles and locks would deny, and says so; `enforce` when absent. */
  readonly authorization?: "enforce" | "audit";
}

export interface Account extends AccountSettings {
  /** Port of the account's data endpoint on this machine; kept for the account's life. */
  readonly port: number;
  readonly createdAt: number;
}

export interface AccountKeys {
  readonly primaryMasterKey: string;
  readonly secondaryMasterKey: string;
  readonly primaryReadonlyMasterKey: string;
  readonly secondaryReadonlyMasterKey: string;
}

export interface SqlRoleDefinition {
  /** The GUID, lower case. */
  readonly name: string;
  readonly roleName: string;
  readonly type: "BuiltInRole" | "CustomRole";
  /** Fully qualified scopes without trailing slash. */
  readonly assignableScopes: readonly string[];
  readonly permissions: readonly {
    readonly dataActions: readonly string[];
    readonly notDataActions: readonly string[];
  }[];
}

export interface SqlRoleAssignment {
  /** The GUID, lower case. */
  readonly name: string;
  /** Fully qualified id of the role definition. */
  readonly roleDefinitionId: string;
  /** Fully qualified scope: the account id, or `<account id>/dbs/D[/colls/C]`. */
  readonly scope: string;
  readonly principalId: string;
}

/** A resource as the data plane shows it, with `id`, `_rid`, `_self`, `_etag`, `_ts` and its own properties. */
export type CosmosResource = Readonly<Record<string, unknown>> & { readonly id: string };

export type { ScriptKind, ScriptOwner } from "./control-scripts.ts";
export type { Throughput, ThroughputSettings } from "./control-throughput.ts";

export interface CosmosControl extends ThroughputControl, ScriptControl {
  /**
   * Opens the account's listener (choosing a port for a new account) and keeps it. Call it before the transaction that creates the
   * account, with the same name; calling it for an account that is open returns its port.
   */
  reservePort(account: string): Promise<number>;
  /**
   * Ends a reservation, after the transaction whatever became of it: the listener of an account that does not exist
   * closes with its last reservation.
   */
  releasePort(account: string): void;
  /** Creates or updates an account; a new one gets four keys. */
  putAccount(transaction: Transaction, settings: AccountSettings, port: number): Promise<Account>;
  getAccount(reader: Reader, account: string): Promise<Account | undefined>;
  listAccounts(reader: Reader): Promise<readonly Account[]>;
  /** Removes the account with all its data, roles and keys; its listener closes after the commit. */
  deleteAccount(transaction: Transaction, account: string): Promise<boolean>;
  listKeys(reader: Reader, account: string): Promise<AccountKeys | undefined>;
  regenerateKey(transaction: Transaction, account: string, kind: KeyKind): Promise<void>;
  /** Milliseconds since the epoch at which each key was made. */
  keyTimes(reader: Reader, account: string): Promise<Readonly<Record<KeyKind, number>> | undefined>;
  /** `https://localhost:PORT/` of the account as seen through the door that the caller used. */
  documentEndpoint(account: Account): string;

  /** `resource` is `properties.resource` of the ARM body; creates the database or returns the existing one. */
  putDatabase(transaction: Transaction, account: string, resource: CosmosResource): Promise<CosmosResource>;
  getDatabase(reader: Reader, account: string, database: string): Promise<CosmosResource | undefined>;
  listDatabases(reader: Reader, account: string): Promise<readonly CosmosResource[]>;
  deleteDatabase(transaction: Transaction, account: string, database: string): Promise<boolean>;

  /** Creates or replaces a container (immutable parts are checked). */
  putContainer(
    transaction: Transaction,
    account: string,
    database: string,
    resource: CosmosResource,
  ): Promise<CosmosResource>;
  getContainer(
    reader: Reader,
    account: string,
    database: string,
    container: string,
  ): Promise<CosmosResource | undefined>;
  listContainers(reader: Reader, account: string, database: string): Promise<readonly CosmosResource[]>;
  deleteContainer(
    transaction: Transaction,
    account: string,
    database: string,
    container: string,
  ): Promise<boolean>;

  /** Checks actions, scopes and name clashes; built-in definitions cannot be changed. */
  putRoleDefinition(
    transaction: Transaction,
    account: string,
    definition: SqlRoleDefinition,
  ): Promise<SqlRoleDefinition>;
  getRoleDefinition(reader: Reader, account: string, name: string): Promise<SqlRoleDefinition | undefined>;
  /** Custom and built-in definitions. */
  listRoleDefinitions(reader: Reader, account: string): Promise<readonly SqlRoleDefinition[]>;
  deleteRoleDefinition(transaction: Transaction, account: string, name: string): Promise<boolean>;

  /** Checks definition, scope and assignability; the caller has checked that the principal exists. */
  putRoleAssignment(
    transaction: Transaction,
    account: string,
    assignment: SqlRoleAssignment,
  ): Promise<SqlRoleAssignment>;
  getRoleAssignment(reader: Reader, account: string, name: string): Promise<SqlRoleAssignment | undefined>;
  listRoleAssignments(reader: Reader, account: string): Promise<readonly SqlRoleAssignment[]>;
  deleteRoleAssignment(transaction: Transaction, account: string, name: string): Promise<boolean>;
}

/** How accounts get and lose their sockets; given by the composition root. */
export interface AccountEndpoints {
  /** Opens the listener of `account`, on its stored port if it has one, and returns the port. */
  open(account: string): Promise<number>;
  /** Closes the listener of an account that is gone. */
  close(account: string): void;
  /** The URL clients should use for an account on `port`, with a trailing slash. */
  url(account: Account): string;
}

/** The control plane's view of `engine`. */
export function createCosmosControl(engine: Engine, endpoints: AccountEndpoints): CosmosControl {
  return {
    ...portControl(engine, endpoints),
    putAccount: (transaction, settings, port) => accounts.putAccount(engine, transaction, settings, port),
    getAccount: async (reader, account) => (await accounts.readAccount(reader, account))?.account,
    listAccounts: (reader) => accounts.listAccounts(reader),
    async deleteAccount(transaction, account) {
      const existed = await accounts.deleteAccount(engine, transaction, account);
      if (existed) transaction.afterCommit(() => endpoints.close(account));
      return existed;
    },
    listKeys: async (reader, account) => (await accounts.readAccount(reader, account))?.keys,
    regenerateKey: (transaction, account, kind) => accounts.regenerateKey(engine, transaction, account, kind),
    keyTimes: async (reader, account) => (await accounts.readAccount(reader, account))?.keyTimes,
    documentEndpoint: (account) => endpoints.url(account),
    ...refusingAsArm(throughputControl(engine)),
    ...refusingAsArm(scriptControl(engine)),
    ...databaseControl(engine),
    ...containerControl(engine),
    ...roleControl(engine),
  };
}

/** Reservations are counted: of two requests that create one account, the one that fails must not close the socket. */
function portControl(
  engine: Engine,
  endpoints: AccountEndpoints,
): Pick<CosmosControl, "reservePort" | "releasePort"> {
  const reserved = new Map<string, number>();
  const release = (account: string): void => {
    const name = account.toLowerCase();
    const left = (reserved.get(name) ?? 0) - 1;
    if (left > 0) {
      reserved.set(name, left);
      return;
    }
    if (reserved.delete(name) && engine.catalog.find(account) === undefined) endpoints.close(account);
  };
  return {
    async reservePort(account) {
      const name = account.toLowerCase();
      reserved.set(name, (reserved.get(name) ?? 0) + 1);
      try {
        return await endpoints.open(account);
      } catch (error) {
        release(account);
        throw error;
      }
    },
    releasePort: release,
  };
}

type DatabaseControl = Pick<
  CosmosControl,
  "putDatabase" | "getDatabase" | "listDatabases" | "deleteDatabase"
>;

function databaseControl(engine: Engine): DatabaseControl {
  return {
    putDatabase: (transaction, account, resource) =>
      asArmError(async () => {
        const { record } = await containers.putDatabase(engine, transaction, account, resource, {
          mustBeNew: false,
        });
        return renderDatabase(record);
      }),
    async getDatabase(reader, account, database) {
      const record = await containers.readDatabase(reader, account, database);
      return record === undefined ? undefined : renderDatabase(record);
    },
    listDatabases: async (reader, account) =>
      (await readAll<DatabaseRecord>(reader, contentRange(account, "database"))).map(renderDatabase),
    deleteDatabase: (transaction, account, database) =>
      containers.deleteDatabase(engine, transaction, account, database),
  };
}

type ContainerControl = Pick<
  CosmosControl,
  "putContainer" | "getContainer" | "listContainers" | "deleteContainer"
>;

function containerControl(engine: Engine): ContainerControl {
  return {
    putContainer: (transaction, account, database, resource) =>
      asArmError(async () => {
        const options = { mustBeNew: false };
        const { record } = await containers.putContainer(
          engine,
          transaction,
          account,
          database,
          resource,
          options,
        );
        return renderContainer(record);
      }),
    async getContainer(reader, account, database, container) {
      const record = await containers.readContainer(reader, account, database, container);
      return record === undefined ? undefined : renderContainer(record);
    },
    listContainers: async (reader, account, database) =>
      (await readAll<ContainerRecord>(reader, contentRange(account, "container", database))).map(
        renderContainer,
      ),
    deleteContainer: (transaction, account, database, container) =>
      containers.deleteContainer(engine, transaction, account, database, container),
  };
}

type RoleControl = Pick<
  CosmosControl,
  | "putRoleDefinition"
  | "getRoleDefinition"
  | "listRoleDefinitions"
  | "deleteRoleDefinition"
  | "putRoleAssignment"
  | "getRoleAssignment"
  | "listRoleAssignments"
  | "deleteRoleAssignment"
>;

function roleControl(engine: Engine): RoleControl {
  return {
    putRoleDefinition: (transaction, account, definition) =>
      dataRoles.putRoleDefinition(engine, transaction, account, definition),
    getRoleDefinition: dataRoles.getRoleDefinition,
    listRoleDefinitions: dataRoles.listRoleDefinitions,
    deleteRoleDefinition: (transaction, account, name) =>
      dataRoles.deleteRoleDefinition(engine, transaction, account, name),
    putRoleAssignment: (transaction, account, assignment) =>
      dataRoles.putRoleAssignment(engine, transaction, account, assignment),
    getRoleAssignment: dataRoles.getRoleAssignment,
    listRoleAssignments: dataRoles.listRoleAssignments,
    deleteRoleAssignment: (transaction, account, name) =>
      dataRoles.deleteRoleAssignment(engine, transaction, account, name),
  };
}

/** The same calls, whose refusals have the control plane's form. */
function refusingAsArm<T extends object>(calls: T): T {
  const wrapped = Object.entries(calls).map(
    ([name, call]: [string, (...args: never[]) => Promise<unknown>]) => [
      name,
      (...args: never[]) => asArmError(() => call(...args)),
    ],
  );
  return Object.fromEntries(wrapped) as T;
}

/** The data plane's refusals in the control plane's form: same status, code and text. */
async function asArmError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CosmosError) throw new ArmError(error.status, error.code, error.message);
    throw error;
  }
}

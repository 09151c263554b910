/**
 * What the control plane may do in Cosmos DB: accounts and their keys, databases, containers, data-plane role
 * definitions and assignments. Calls that change something take the caller's transaction, which must hold
 * `cosmosLock(account)`; refusals are ArmError with the provider's own codes and texts.
 */
import type { Reader, Transaction } from "../storage/port.ts";

/** The lock (see storage/port.ts) over an account's settings, databases, containers, roles and keys. */
export function cosmosLock(account: string): string {
  return `cosmos/${account.toLowerCase()}`;
}

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

export interface CosmosControl {
  /**
   * Opens the account's listener (choosing a port for a new account) and keeps it. Call it before the transaction that creates the
   * account, with the same name; calling it for an account that is open returns its port.
   */
  reservePort(account: string): Promise<number>;
  /** Creates or updates an account; a new one gets four keys. */
  putAccount(transaction: Transaction, settings: AccountSettings, port: number): Promise<Account>;
  getAccount(reader: Reader, account: string): Promise<Account | undefined>;
  listAccounts(reader: Reader): Promise<readonly Account[]>;
  /** Removes the account with all its data, roles and keys; its listener closes after the commit. */
  deleteAccount(transaction: Transaction, account: string): Promise<boolean>;
  listKeys(reader: Reader, account: string): Promise<AccountKeys | undefined>;
  regenerateKey(transaction: Transaction, account: string, kind: KeyKind): Promise<void>;
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

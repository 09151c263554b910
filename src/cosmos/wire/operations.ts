/**
 * THE table: every request that the data plane knows, with the right it needs. A row without an action does not
 * compile; a row without a handler answers 501 and shows as missing in the support matrix. Sorted by address.
 */
import type { CosmosActionName } from "../../azure/cosmos-actions.ts";
import { executeBatch } from "../operations/batch.ts";
import { readChangeFeed } from "../operations/change-feed.ts";
import { clientEncryptionKeys } from "../operations/client-encryption-keys.ts";
import { listConflicts, noConflict, queryConflicts } from "../operations/conflicts.ts";
import {
  createContainer,
  deleteContainer,
  listContainers,
  listPartitionKeyRanges,
  readContainer,
  replaceContainer,
} from "../operations/containers.ts";
import { createDatabase, deleteDatabase, listDatabases, readDatabase } from "../operations/databases.ts";
import { deleteByPartitionKey } from "../operations/delete-by-partition-key.ts";
import { executeStoredProcedure } from "../operations/execute-stored-procedure.ts";
import { createItem, deleteItem, patchItem, readItem, replaceItem, upsertItem } from "../operations/items.ts";
import { listOffers, queryOffers, readOffer, replaceOffer } from "../operations/offers.ts";
import type { Operation } from "../operations/operation.ts";
import { permissions } from "../operations/permissions.ts";
import { queryContainers, queryDatabases, queryItems, queryPlan } from "../operations/query-items.ts";
import { readAccount } from "../operations/read-account.ts";
import { readAddresses } from "../operations/read-addresses.ts";
import { readFeed } from "../operations/read-feed.ts";
import { storedProcedures, triggers, userDefinedFunctions } from "../operations/scripts.ts";
import { users } from "../operations/users.ts";
import type { Address, AddressKind } from "./address.ts";
import { flag, type RequestHeaders } from "./headers.ts";

/** What tells apart requests with one verb and one address. */
export type Mark = "plain" | "upsert" | "query" | "queryPlan" | "batch" | "changeFeed";

export interface OperationRow {
  /** The name in diagnostic records and the support matrix. */
  readonly name: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly address: AddressKind;
  readonly mark: Mark;
  /**
   * The data action, or `notWithAad` for what no data role can allow, or `actionsOfParts` when each part of the body
   * needs its own.
   */
  readonly action: CosmosActionName | "notWithAad" | "actionsOfParts";
  /** Where the action must be held; `anyScope` is the account read's rule. */
  readonly at: "anyScope" | "account" | "database" | "container";
  /** What a read-only key may not do is a write. */
  readonly access: "read" | "write";
  /** True for changes that `disableKeyBasedMetadataWriteAccess` forbids. */
  readonly metadataWrite: boolean;
  readonly handler?: Operation;
}

type Cells = readonly [
  OperationRow["name"],
  OperationRow["method"],
  AddressKind,
  Mark,
  OperationRow["action"],
  OperationRow["at"],
  "read" | "write" | "metadata",
  Operation?,
];

const cells: readonly Cells[] = [
  ["ReadDatabaseAccount", "GET", "account", "plain", "readMetadata", "anyScope", "read", readAccount],

  ["ListDatabases", "GET", "databaseFeed", "plain", "readMetadata", "account", "read", listDatabases],
  ["QueryDatabases", "POST", "databaseFeed", "query", "readMetadata", "account", "read", queryDatabases],
  ["CreateDatabase", "POST", "databaseFeed", "plain", "notWithAad", "account", "metadata", createDatabase],
  ["ReadDatabase", "GET", "database", "plain", "readMetadata", "database", "read", readDatabase],
  ["DeleteDatabase", "DELETE", "database", "plain", "notWithAad", "database", "metadata", deleteDatabase],

  ["ListContainers", "GET", "containerFeed", "plain", "readMetadata", "database", "read", listContainers],
  ["QueryContainers", "POST", "containerFeed", "query", "readMetadata", "database", "read", queryContainers],
  [
    "CreateContainer",
    "POST",
    "containerFeed",
    "plain",
    "notWithAad",
    "database",
    "metadata",
    createContainer,
  ],
  ["ReadContainer", "GET", "container", "plain", "readMetadata", "container", "read", readContainer],
  ["ReplaceContainer", "PUT", "container", "plain", "notWithAad", "container", "metadata", replaceContainer],
  ["DeleteContainer", "DELETE", "container", "plain", "notWithAad", "container", "metadata", deleteContainer],
  [
    "ListPartitionKeyRanges",
    "GET",
    "pkRangeFeed",
    "plain",
    "readMetadata",
    "container",
    "read",
    listPartitionKeyRanges,
  ],
  [
    "ListPartitionKeyRanges",
    "GET",
    "pkRangeFeed",
    "changeFeed",
    "readMetadata",
    "container",
    "read",
    listPartitionKeyRanges,
  ],
  ["ReadAddresses", "GET", "addresses", "plain", "readMetadata", "container", "read", readAddresses],

  ["CreateItem", "POST", "itemFeed", "plain", "createItem", "container", "write", createItem],
  ["UpsertItem", "POST", "itemFeed", "upsert", "upsertItem", "container", "write", upsertItem],
  ["ReadItem", "GET", "item", "plain", "readItem", "container", "read", readItem],
  ["ReplaceItem", "PUT", "item", "plain", "replaceItem", "container", "write", replaceItem],
  ["PatchItem", "PATCH", "item", "plain", "replaceItem", "container", "write", patchItem],
  ["DeleteItem", "DELETE", "item", "plain", "deleteItem", "container", "write", deleteItem],
  ["ReadItemFeed", "GET", "itemFeed", "plain", "readChangeFeed", "container", "read", readFeed],
  ["ReadChangeFeed", "GET", "itemFeed", "changeFeed", "readChangeFeed", "container", "read", readChangeFeed],
  ["QueryItems", "POST", "itemFeed", "query", "executeQuery", "container", "read", queryItems],
  ["QueryPlan", "POST", "itemFeed", "queryPlan", "executeQuery", "container", "read", queryPlan],
  ["ExecuteBatch", "POST", "itemFeed", "batch", "actionsOfParts", "container", "write", executeBatch],
  [
    "DeleteByPartitionKey",
    "POST",
    "partitionKeyDelete",
    "plain",
    "deleteItem",
    "container",
    "write",
    deleteByPartitionKey,
  ],

  ["ListConflicts", "GET", "conflictFeed", "plain", "manageConflicts", "container", "read", listConflicts],
  ["QueryConflicts", "POST", "conflictFeed", "query", "manageConflicts", "container", "read", queryConflicts],
  ["ReadConflict", "GET", "conflict", "plain", "manageConflicts", "container", "read", noConflict],
  ["DeleteConflict", "DELETE", "conflict", "plain", "manageConflicts", "container", "write", noConflict],

  [
    "ListStoredProcedures",
    "GET",
    "storedProcedureFeed",
    "plain",
    "notWithAad",
    "container",
    "read",
    storedProcedures.list,
  ],
  [
    "QueryStoredProcedures",
    "POST",
    "storedProcedureFeed",
    "query",
    "notWithAad",
    "container",
    "read",
    storedProcedures.query,
  ],
  [
    "CreateStoredProcedure",
    "POST",
    "storedProcedureFeed",
    "plain",
    "notWithAad",
    "container",
    "metadata",
    storedProcedures.create,
  ],
  [
    "UpsertStoredProcedure",
    "POST",
    "storedProcedureFeed",
    "upsert",
    "notWithAad",
    "container",
    "metadata",
    storedProcedures.upsert,
  ],
  [
    "ReadStoredProcedure",
    "GET",
    "storedProcedure",
    "plain",
    "notWithAad",
    "container",
    "read",
    storedProcedures.read,
  ],
  [
    "ReplaceStoredProcedure",
    "PUT",
    "storedProcedure",
    "plain",
    "notWithAad",
    "container",
    "metadata",
    storedProcedures.replace,
  ],
  [
    "DeleteStoredProcedure",
    "DELETE",
    "storedProcedure",
    "plain",
    "notWithAad",
    "container",
    "metadata",
    storedProcedures.remove,
  ],
  [
    "ExecuteStoredProcedure",
    "POST",
    "storedProcedure",
    "plain",
    "executeStoredProcedure",
    "container",
    "write",
    executeStoredProcedure,
  ],
  ["ListTriggers", "GET", "triggerFeed", "plain", "notWithAad", "container", "read", triggers.list],
  ["QueryTriggers", "POST", "triggerFeed", "query", "notWithAad", "container", "read", triggers.query],
  ["CreateTrigger", "POST", "triggerFeed", "plain", "notWithAad", "container", "metadata", triggers.create],
  ["UpsertTrigger", "POST", "triggerFeed", "upsert", "notWithAad", "container", "metadata", triggers.upsert],
  ["ReadTrigger", "GET", "trigger", "plain", "notWithAad", "container", "read", triggers.read],
  ["ReplaceTrigger", "PUT", "trigger", "plain", "notWithAad", "container", "metadata", triggers.replace],
  ["DeleteTrigger", "DELETE", "trigger", "plain", "notWithAad", "container", "metadata", triggers.remove],
  [
    "ListUserDefinedFunctions",
    "GET",
    "userDefinedFunctionFeed",
    "plain",
    "notWithAad",
    "container",
    "read",
    userDefinedFunctions.list,
  ],
  [
    "QueryUserDefinedFunctions",
    "POST",
    "userDefinedFunctionFeed",
    "query",
    "notWithAad",
    "container",
    "read",
    userDefinedFunctions.query,
  ],
  [
    "CreateUserDefinedFunction",
    "POST",
    "userDefinedFunctionFeed",
    "plain",
    "notWithAad",
    "container",
    "metadata",
    userDefinedFunctions.create,
  ],
  [
    "UpsertUserDefinedFunction",
    "POST",
    "userDefinedFunctionFeed",
    "upsert",
    "notWithAad",
    "container",
    "metadata",
    userDefinedFunctions.upsert,
  ],
  [
    "ReadUserDefinedFunction",
    "GET",
    "userDefinedFunction",
    "plain",
    "notWithAad",
    "container",
    "read",
    userDefinedFunctions.read,
  ],
  [
    "ReplaceUserDefinedFunction",
    "PUT",
    "userDefinedFunction",
    "plain",
    "notWithAad",
    "container",
    "metadata",
    userDefinedFunctions.replace,
  ],
  [
    "DeleteUserDefinedFunction",
    "DELETE",
    "userDefinedFunction",
    "plain",
    "notWithAad",
    "container",
    "metadata",
    userDefinedFunctions.remove,
  ],

  ["ListUsers", "GET", "userFeed", "plain", "notWithAad", "database", "read", users.list],
  ["QueryUsers", "POST", "userFeed", "query", "notWithAad", "database", "read", users.query],
  ["CreateUser", "POST", "userFeed", "plain", "notWithAad", "database", "write", users.create],
  ["UpsertUser", "POST", "userFeed", "upsert", "notWithAad", "database", "write", users.upsert],
  ["ReadUser", "GET", "user", "plain", "notWithAad", "database", "read", users.read],
  ["ReplaceUser", "PUT", "user", "plain", "notWithAad", "database", "write", users.replace],
  ["DeleteUser", "DELETE", "user", "plain", "notWithAad", "database", "write", users.remove],
  // Reading a permission mints a token with the permission's rights, so a read-only key must not do it.
  ["ListPermissions", "GET", "permissionFeed", "plain", "notWithAad", "database", "write", permissions.list],
  [
    "QueryPermissions",
    "POST",
    "permissionFeed",
    "query",
    "notWithAad",
    "database",
    "write",
    permissions.query,
  ],
  [
    "CreatePermission",
    "POST",
    "permissionFeed",
    "plain",
    "notWithAad",
    "database",
    "write",
    permissions.create,
  ],
  [
    "UpsertPermission",
    "POST",
    "permissionFeed",
    "upsert",
    "notWithAad",
    "database",
    "write",
    permissions.upsert,
  ],
  ["ReadPermission", "GET", "permission", "plain", "notWithAad", "database", "write", permissions.read],
  ["ReplacePermission", "PUT", "permission", "plain", "notWithAad", "database", "write", permissions.replace],
  [
    "DeletePermission",
    "DELETE",
    "permission",
    "plain",
    "notWithAad",
    "database",
    "write",
    permissions.remove,
  ],

  [
    "ListClientEncryptionKeys",
    "GET",
    "clientEncryptionKeyFeed",
    "plain",
    "readMetadata",
    "database",
    "read",
    clientEncryptionKeys.list,
  ],
  [
    "QueryClientEncryptionKeys",
    "POST",
    "clientEncryptionKeyFeed",
    "query",
    "readMetadata",
    "database",
    "read",
    clientEncryptionKeys.query,
  ],
  [
    "CreateClientEncryptionKey",
    "POST",
    "clientEncryptionKeyFeed",
    "plain",
    "notWithAad",
    "database",
    "metadata",
    clientEncryptionKeys.create,
  ],
  [
    "ReadClientEncryptionKey",
    "GET",
    "clientEncryptionKey",
    "plain",
    "readMetadata",
    "database",
    "read",
    clientEncryptionKeys.read,
  ],
  [
    "ReplaceClientEncryptionKey",
    "PUT",
    "clientEncryptionKey",
    "plain",
    "notWithAad",
    "database",
    "metadata",
    clientEncryptionKeys.replace,
  ],

  ["ListOffers", "GET", "offerFeed", "plain", "notWithAad", "account", "read", listOffers],
  ["QueryOffers", "POST", "offerFeed", "query", "notWithAad", "account", "read", queryOffers],
  ["ReadOffer", "GET", "offer", "plain", "notWithAad", "account", "read", readOffer],
  ["ReplaceOffer", "PUT", "offer", "plain", "notWithAad", "account", "metadata", replaceOffer],
];

/** All rows, in the order of the table. */
export const operations: readonly OperationRow[] = cells.map(
  ([name, method, address, mark, action, at, access, handler]) => ({
    name,
    method,
    address,
    mark,
    action,
    at,
    access: access === "read" ? "read" : "write",
    metadataWrite: access === "metadata",
    ...(handler === undefined ? {} : { handler }),
  }),
);

const byRequest: ReadonlyMap<string, OperationRow> = new Map(
  operations.map((row) => [`${row.method} ${row.address} ${row.mark}`, row]),
);

/** The row of a request, or `undefined` when the address does not know the verb. */
export function findOperation(
  method: string,
  address: Address,
  headers: RequestHeaders,
): OperationRow | undefined {
  const mark = method === "POST" ? postMark(headers) : method === "GET" ? getMark(headers) : "plain";
  return (
    byRequest.get(`${method} ${address.kind} ${mark}`) ?? byRequest.get(`${method} ${address.kind} plain`)
  );
}

function postMark(headers: RequestHeaders): Mark {
  if (flag(headers, "x-ms-cosmos-is-batch-request")) return "batch";
  if (flag(headers, "x-ms-cosmos-is-query-plan-request")) return "queryPlan";
  if (isQuery(headers)) return "query";
  return flag(headers, "x-ms-documentdb-is-upsert") ? "upsert" : "plain";
}

function isQuery(headers: RequestHeaders): boolean {
  return (
    flag(headers, "x-ms-documentdb-isquery") ||
    flag(headers, "x-ms-documentdb-query") ||
    headers["content-type"]?.toLowerCase().startsWith("application/query+json") === true
  );
}

function getMark(headers: RequestHeaders): Mark {
  return headers["a-im"] === undefined ? "plain" : "changeFeed";
}

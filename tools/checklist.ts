/**
 * The checklist of the data plane protocol: what a server for the official SDKs must answer, by operation of the table in
 * `src/cosmos/wire/operations.ts`, with the errors that belong to it. `reference.ts` sets the proofs beside it.
 */

export interface ChecklistRow {
  readonly number: number;
  readonly what: string;
  /** Names of operations; empty for rules that hold for all of them. */
  readonly operations: readonly string[];
  /** Statuses of the errors to be seen. */
  readonly errors: readonly number[];
  /** Where else it is shown, or why no SDK of the four shows it. */
  readonly note?: string;
}

type Cells = readonly [
  number: ChecklistRow["number"],
  what: string,
  operations: string,
  errors: readonly number[],
  note?: string,
];

const cells: readonly Cells[] = [
  [1, "account read", "ReadDatabaseAccount", [401]],
  [2, "create database", "CreateDatabase", [400, 403, 409]],
  [3, "read, list, query databases", "ReadDatabase ListDatabases QueryDatabases", [404]],
  [4, "delete database", "DeleteDatabase", [404]],
  [5, "create container", "CreateContainer", [400, 404, 409]],
  [6, "read container", "ReadContainer", [403, 404]],
  [7, "replace, delete container", "ReplaceContainer DeleteContainer", [400, 404, 412]],
  [8, "list, query containers", "ListContainers QueryContainers", [404]],
  [9, "partition key ranges", "ListPartitionKeyRanges", [304]],
  [10, "offers", "QueryOffers ReadOffer ReplaceOffer", [400]],
  [11, "create item", "CreateItem", [400, 403, 409, 429]],
  [12, "upsert item", "UpsertItem", [403]],
  [13, "read item", "ReadItem", [304, 404]],
  [14, "replace item", "ReplaceItem", [400, 404, 412]],
  [15, "patch item", "PatchItem", [400, 404, 412]],
  [16, "delete item", "DeleteItem", [403, 404]],
  [17, "read feed", "ReadItemFeed", []],
  [18, "query items", "QueryItems", [400, 410]],
  [19, "query plan", "QueryPlan", [400]],
  [20, "change feed, latest and all versions", "ReadChangeFeed", [304, 410]],
  [21, "transactional batch, JSON", "ExecuteBatch", [207, 400]],
  [
    22,
    "transactional batch, HybridRow",
    "",
    [],
    "byte layouts and the corrupt checksum: `test/cosmos/wire/batch-rows.test.ts`; only the .NET SDK sends it",
  ],
  [23, "bulk", "ExecuteBatch", [207]],
  [24, "delete by partition key", "DeleteByPartitionKey", []],
  [
    25,
    "scripts",
    "CreateStoredProcedure ReadStoredProcedure ReplaceStoredProcedure DeleteStoredProcedure ListStoredProcedures QueryStoredProcedures CreateTrigger ReadTrigger ReplaceTrigger DeleteTrigger ListTriggers QueryTriggers CreateUserDefinedFunction ReadUserDefinedFunction ReplaceUserDefinedFunction DeleteUserDefinedFunction ListUserDefinedFunctions QueryUserDefinedFunctions",
    [400, 409],
  ],
  [26, "execute stored procedure", "ExecuteStoredProcedure", [400, 404]],
  [
    27,
    "users and permissions",
    "CreateUser UpsertUser ReadUser ReplaceUser DeleteUser ListUsers QueryUsers CreatePermission UpsertPermission ReadPermission ReplacePermission DeletePermission ListPermissions QueryPermissions",
    [400, 409],
  ],
  [
    28,
    "resource tokens",
    "",
    [],
    "`conformance/js/test/management.test.js` and `test/cosmos` (403, expired 401)",
  ],
  [
    29,
    "conflicts; client encryption keys",
    "ListConflicts QueryConflicts CreateClientEncryptionKey ReadClientEncryptionKey ReplaceClientEncryptionKey ListClientEncryptionKeys",
    [404],
  ],
  [
    30,
    "addresses",
    "",
    [],
    "gateway mode does not ask; direct mode is answered 501: `test/cosmos/errors.test.ts`",
  ],
  [31, "key authorization", "", [], "`test/cosmos/credentials.test.ts`"],
  [32, "wrong tokens", "", [], "`test/cosmos/credentials.test.ts`, `conformance/js/test/tokens.test.js`"],
  [33, "scopes of data roles", "", [], "the flows of `conformance/flows.ts`, in all languages"],
  [
    34,
    "forms of ids",
    "",
    [],
    "`test/cosmos/errors.test.ts`; Python sends trailing slashes, .NET and Java rids",
  ],
];

export const checklist: readonly ChecklistRow[] = cells.map(([number, what, operations, errors, note]) => ({
  number,
  what,
  operations: operations === "" ? [] : operations.split(" "),
  errors,
  ...(note === undefined ? {} : { note }),
}));

/**
 * The requests behind the rows of access.yaml: one for each operation that the data plane knows, and the same again
 * next door (another container, another partition) where scope matters. What they do is harmless when it is granted:
 * what would remove the ground under later cases is aimed at a name that does not exist.
 */

export interface AccessCase {
  /** First cell of the row. */
  readonly row: string;
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Used instead of `target` where access is granted. */
  readonly harmless?: string;
}

export const orders = "/dbs/shop/colls/orders";
const customers = "/dbs/shop/colls/customers";
const inA = { "x-ms-documentdb-partitionkey": '["a"]' };
const inB = { "x-ms-documentdb-partitionkey": '["b"]' };
const query = { "x-ms-documentdb-isquery": "true", "content-type": "application/query+json" };
const everywhere = { ...query, "x-ms-documentdb-query-enablecrosspartition": "true" };
const plan = { "x-ms-cosmos-is-query-plan-request": "True" };
const upsert = { "x-ms-documentdb-is-upsert": "True" };
const changes = { "a-im": "Incremental Feed" };
const batch = { "x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True" };
const bulk = { "x-ms-cosmos-is-batch-request": "True" };
const text = { query: "SELECT * FROM c" };
const body = "function () {}";
const readOne = [{ operationType: "Read", id: "1" }];
const createOne = [{ operationType: "Upsert", resourceBody: { id: "9", pk: "a" } }];
const user = "/dbs/shop/users/u";
const permission = { id: "new", permissionMode: "Read", resource: "dbs/shop/colls/orders/docs/new" };
const key = {
  id: "k",
  encryptionAlgorithm: "AEAD_AES_256_CBC_HMAC_SHA256",
  wrappedDataEncryptionKey: "AQID",
  keyWrapMetadata: { type: "custom", name: "n", value: "v", algorithm: "RSA-OAEP" },
};

type Cells = readonly [string, string, string, Readonly<Record<string, string>>?, unknown?, string?];

const cells: readonly Cells[] = [
  ["ReadDatabaseAccount", "GET", "/"],
  ["ListDatabases", "GET", "/dbs"],
  ["QueryDatabases", "POST", "/dbs", query, text],
  ["CreateDatabase", "POST", "/dbs", {}, { id: "made" }],
  ["ReadDatabase", "GET", "/dbs/shop"],
  ["ReadDatabase:other", "GET", "/dbs/other"],
  ["DeleteDatabase", "DELETE", "/dbs/shop", {}, undefined, "/dbs/none"],
  ["ListContainers", "GET", "/dbs/shop/colls"],
  ["QueryContainers", "POST", "/dbs/shop/colls", query, text],
  ["CreateContainer", "POST", "/dbs/shop/colls", {}, { id: "made", partitionKey: { paths: ["/pk"] } }],
  ["ReadContainer", "GET", orders],
  ["ReadContainer:customers", "GET", customers],
  ["ReplaceContainer", "PUT", orders, {}, { id: "orders", partitionKey: { paths: ["/pk"] } }],
  ["DeleteContainer", "DELETE", orders, {}, undefined, "/dbs/shop/colls/none"],
  ["ListPartitionKeyRanges", "GET", `${orders}/pkranges`],
  ["ListPartitionKeyRanges:customers", "GET", `${customers}/pkranges`],
  ["CreateItem", "POST", `${orders}/docs`, inA, { id: "new", pk: "a" }],
  ["CreateItem:b", "POST", `${orders}/docs`, inB, { id: "new", pk: "b" }],
  ["CreateItem:customers", "POST", `${customers}/docs`, inA, { id: "new", pk: "a" }],
  ["UpsertItem", "POST", `${orders}/docs`, { ...inA, ...upsert }, { id: "1", pk: "a" }],
  ["UpsertItem:b", "POST", `${orders}/docs`, { ...inB, ...upsert }, { id: "1", pk: "b" }],
  ["UpsertItem:customers", "POST", `${customers}/docs`, { ...inA, ...upsert }, { id: "1", pk: "a" }],
  ["ReadItem", "GET", `${orders}/docs/1`, inA],
  ["ReadItem:b", "GET", `${orders}/docs/1`, inB],
  ["ReadItem:2", "GET", `${orders}/docs/2`, inA],
  ["ReadItem:customers", "GET", `${customers}/docs/1`, inA],
  ["ReplaceItem", "PUT", `${orders}/docs/1`, inA, { id: "1", pk: "a" }],
  ["ReplaceItem:b", "PUT", `${orders}/docs/1`, inB, { id: "1", pk: "b" }],
  ["ReplaceItem:customers", "PUT", `${customers}/docs/1`, inA, { id: "1", pk: "a" }],
  ["PatchItem", "PATCH", `${orders}/docs/1`, inA, { operations: [{ op: "set", path: "/n", value: 1 }] }],
  ["PatchItem:b", "PATCH", `${orders}/docs/1`, inB, { operations: [{ op: "set", path: "/n", value: 1 }] }],
  ["DeleteItem", "DELETE", `${orders}/docs/1`, inA],
  ["DeleteItem:b", "DELETE", `${orders}/docs/1`, inB],
  ["DeleteItem:customers", "DELETE", `${customers}/docs/1`, inA],
  ["ReadItemFeed", "GET", `${orders}/docs`],
  ["ReadItemFeed:a", "GET", `${orders}/docs`, inA],
  ["ReadItemFeed:b", "GET", `${orders}/docs`, inB],
  ["ReadItemFeed:customers", "GET", `${customers}/docs`],
  ["ReadChangeFeed", "GET", `${orders}/docs`, changes],
  ["ReadChangeFeed:a", "GET", `${orders}/docs`, { ...changes, ...inA }],
  ["ReadChangeFeed:b", "GET", `${orders}/docs`, { ...changes, ...inB }],
  ["ReadChangeFeed:customers", "GET", `${customers}/docs`, changes],
  ["QueryItems", "POST", `${orders}/docs`, everywhere, text],
  ["QueryItems:a", "POST", `${orders}/docs`, { ...query, ...inA }, text],
  ["QueryItems:b", "POST", `${orders}/docs`, { ...query, ...inB }, text],
  ["QueryItems:customers", "POST", `${customers}/docs`, everywhere, text],
  ["QueryPlan", "POST", `${orders}/docs`, plan, text],
  ["QueryPlan:customers", "POST", `${customers}/docs`, plan, text],
  ["ExecuteBatch:read", "POST", `${orders}/docs`, { ...batch, ...inA }, readOne],
  ["ExecuteBatch:upsert", "POST", `${orders}/docs`, { ...batch, ...inA }, createOne],
  ["ExecuteBatch:both", "POST", `${orders}/docs`, { ...batch, ...inA }, [...readOne, ...createOne]],
  ["ExecuteBatch:b", "POST", `${orders}/docs`, { ...batch, ...inB }, readOne],
  ["ExecuteBatch:bulk", "POST", `${orders}/docs`, { ...bulk, ...inA }, createOne],
  ["DeleteByPartitionKey", "POST", `${orders}/operations/partitionkeydelete`, inA],
  ["DeleteByPartitionKey:b", "POST", `${orders}/operations/partitionkeydelete`, inB],
  ["ListConflicts", "GET", `${orders}/conflicts`],
  ["QueryConflicts", "POST", `${orders}/conflicts`, query, text],
  ["ReadConflict", "GET", `${orders}/conflicts/x`],
  ["DeleteConflict", "DELETE", `${orders}/conflicts/x`],
  ["ListStoredProcedures", "GET", `${orders}/sprocs`],
  ["QueryStoredProcedures", "POST", `${orders}/sprocs`, query, text],
  ["CreateStoredProcedure", "POST", `${orders}/sprocs`, {}, { id: "new", body }],
  ["UpsertStoredProcedure", "POST", `${orders}/sprocs`, upsert, { id: "s", body }],
  ["ReadStoredProcedure", "GET", `${orders}/sprocs/s`],
  ["ReplaceStoredProcedure", "PUT", `${orders}/sprocs/s`, {}, { id: "s", body }],
  ["DeleteStoredProcedure", "DELETE", `${orders}/sprocs/s`],
  ["ExecuteStoredProcedure", "POST", `${orders}/sprocs/s`, inA, []],
  ["ExecuteStoredProcedure:b", "POST", `${orders}/sprocs/s`, inB, []],
  ["ExecuteStoredProcedure:other", "POST", `${orders}/sprocs/other`, inA, []],
  ["ListTriggers", "GET", `${orders}/triggers`],
  ["QueryTriggers", "POST", `${orders}/triggers`, query, text],
  [
    "CreateTrigger",
    "POST",
    `${orders}/triggers`,
    {},
    { id: "n", body, triggerType: "Pre", triggerOperation: "All" },
  ],
  [
    "UpsertTrigger",
    "POST",
    `${orders}/triggers`,
    upsert,
    { id: "t", body, triggerType: "Pre", triggerOperation: "All" },
  ],
  ["ReadTrigger", "GET", `${orders}/triggers/t`],
  [
    "ReplaceTrigger",
    "PUT",
    `${orders}/triggers/t`,
    {},
    { id: "t", body, triggerType: "Pre", triggerOperation: "All" },
  ],
  ["DeleteTrigger", "DELETE", `${orders}/triggers/t`],
  ["ListUserDefinedFunctions", "GET", `${orders}/udfs`],
  ["QueryUserDefinedFunctions", "POST", `${orders}/udfs`, query, text],
  ["CreateUserDefinedFunction", "POST", `${orders}/udfs`, {}, { id: "new", body }],
  ["UpsertUserDefinedFunction", "POST", `${orders}/udfs`, upsert, { id: "f", body }],
  ["ReadUserDefinedFunction", "GET", `${orders}/udfs/f`],
  ["ReplaceUserDefinedFunction", "PUT", `${orders}/udfs/f`, {}, { id: "f", body }],
  ["DeleteUserDefinedFunction", "DELETE", `${orders}/udfs/f`],
  ["ListUsers", "GET", "/dbs/shop/users"],
  ["QueryUsers", "POST", "/dbs/shop/users", query, text],
  ["CreateUser", "POST", "/dbs/shop/users", {}, { id: "new" }],
  ["UpsertUser", "POST", "/dbs/shop/users", upsert, { id: "u" }],
  ["ReadUser", "GET", user],
  ["ReplaceUser", "PUT", user, {}, { id: "u" }],
  ["DeleteUser", "DELETE", user, {}, undefined, "/dbs/shop/users/none"],
  ["ListPermissions", "GET", `${user}/permissions`],
  ["QueryPermissions", "POST", `${user}/permissions`, query, text],
  ["CreatePermission", "POST", `${user}/permissions`, {}, permission],
  ["UpsertPermission", "POST", `${user}/permissions`, upsert, permission],
  ["ReadPermission", "GET", `${user}/permissions/tokenAll`],
  ["ReplacePermission", "PUT", `${user}/permissions/new`, {}, permission],
  ["DeletePermission", "DELETE", `${user}/permissions/tokenAll`, {}, undefined, `${user}/permissions/none`],
  ["ListClientEncryptionKeys", "GET", "/dbs/shop/clientencryptionkeys"],
  ["QueryClientEncryptionKeys", "POST", "/dbs/shop/clientencryptionkeys", query, text],
  ["CreateClientEncryptionKey", "POST", "/dbs/shop/clientencryptionkeys", {}, key],
  ["ReadClientEncryptionKey", "GET", "/dbs/shop/clientencryptionkeys/k"],
  ["ReplaceClientEncryptionKey", "PUT", "/dbs/shop/clientencryptionkeys/k", {}, key],
  ["ListOffers", "GET", "/offers"],
  ["QueryOffers", "POST", "/offers", query, text],
  ["ReadOffer", "GET", "/offers/none"],
  ["ReplaceOffer", "PUT", "/offers/none", {}, { id: "none" }],
];

export const requests: readonly AccessCase[] = cells.map(
  ([row, method, target, headers, json, harmless]) => ({
    row,
    method,
    target,
    ...(headers === undefined ? {} : { headers }),
    ...(json === undefined ? {} : { body: json }),
    ...(harmless === undefined ? {} : { harmless }),
  }),
);

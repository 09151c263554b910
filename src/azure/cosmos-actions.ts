/** The data actions of Azure Cosmos DB for NoSQL and the two built-in data roles (service documentation, 2025-09). */

const account = "Microsoft.DocumentDB/databaseAccounts";
const containers = `${account}/sqlDatabases/containers`;

export type CosmosActionName =
  | "readMetadata"
  | "executeQuery"
  | "readChangeFeed"
  | "executeStoredProcedure"
  | "manageConflicts"
  | "createItem"
  | "readItem"
  | "replaceItem"
  | "upsertItem"
  | "deleteItem"
  | "unmaskItem";

/** The full data action of each right. */
export const cosmosActions: Readonly<Record<CosmosActionName, string>> = {
  readMetadata: `${account}/readMetadata`,
  executeQuery: `${containers}/executeQuery`,
  readChangeFeed: `${containers}/readChangeFeed`,
  executeStoredProcedure: `${containers}/executeStoredProcedure`,
  manageConflicts: `${containers}/manageConflicts`,
  createItem: `${containers}/items/create`,
  readItem: `${containers}/items/read`,
  replaceItem: `${containers}/items/replace`,
  upsertItem: `${containers}/items/upsert`,
  deleteItem: `${containers}/items/delete`,
  unmaskItem: `${containers}/items/unmask`,
};

/** Wildcards that a custom role definition may contain. */
export const cosmosWildcards: readonly string[] = [`${containers}/*`, `${containers}/items/*`];

const builtInDataReader = "00000000-0000-0000-0000-000000000001";
const builtInDataContributor = "00000000-0000-0000-0000-000000000002";

/** The role definitions that every account has and nobody can change. */
export const builtInDataRoles: readonly {
  readonly name: string;
  readonly roleName: string;
  readonly dataActions: readonly string[];
}[] = [
  {
    name: builtInDataReader,
    roleName: "Cosmos DB Built-in Data Reader",
    dataActions: [
      cosmosActions.readMetadata,
      cosmosActions.readItem,
      cosmosActions.executeQuery,
      cosmosActions.readChangeFeed,
    ],
  },
  {
    name: builtInDataContributor,
    roleName: "Cosmos DB Built-in Data Contributor",
    dataActions: [cosmosActions.readMetadata, `${containers}/*`, `${containers}/items/*`],
  },
];

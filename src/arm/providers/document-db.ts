/** Microsoft.DocumentDB: the rows of Cosmos DB's control plane, each with the action that Azure RBAC checks for it. */
import { cosmosLock } from "../../cosmos/control.ts";
import type { Operation, Outcome, Provider } from "../operation.ts";
import {
  accountNameTaken,
  deleteAccount,
  listAccounts,
  listConnectionStrings,
  listKeys,
  listReadonlyKeys,
  patchAccount,
  putAccount,
  readAccount,
  regenerateKey,
} from "./document-db-account.ts";
import { regionOperations } from "./document-db-regions.ts";
import {
  deleteAssignment,
  deleteDefinition,
  listAssignments,
  listDefinitions,
  putAssignment,
  putDefinition,
  readAssignment,
  readDefinition,
} from "./document-db-roles.ts";
import { scriptOperations } from "./document-db-scripts.ts";
import {
  deleteContainer,
  deleteDatabase,
  listContainers,
  listDatabases,
  putContainer,
  putDatabase,
  readContainer,
  readDatabase,
} from "./document-db-sql.ts";
import { throughputOperations } from "./document-db-throughput.ts";

const type = "Microsoft.DocumentDB/databaseAccounts";
const accounts =
  "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DocumentDB/databaseAccounts";
const one = `${accounts}/{account}`;
const database = `${one}/sqlDatabases/{database}`;
const container = `${database}/containers/{container}`;
const definition = `${one}/sqlRoleDefinitions/{name}`;
const assignment = `${one}/sqlRoleAssignments/{name}`;

const accountOperations: readonly Operation[] = [
  {
    method: "HEAD",
    path: "/providers/Microsoft.DocumentDB/databaseAccountNames/{account}",
    action: "anyCaller",
    handler: accountNameTaken,
  },
  { method: "PUT", path: one, action: `${type}/write`, handler: putAccount },
  { method: "PATCH", path: one, action: `${type}/write`, handler: patchAccount },
  { method: "GET", path: one, action: `${type}/read`, handler: readAccount },
  { method: "DELETE", path: one, action: `${type}/delete`, handler: deleteAccount },
  {
    method: "GET",
    path: "/{+scope}/providers/Microsoft.DocumentDB/databaseAccounts",
    action: `${type}/read`,
    filtered: true,
    handler: listAccounts,
  },
  { method: "POST", path: `${one}/listKeys`, action: `${type}/listKeys/action`, handler: listKeys },
  {
    method: "POST",
    path: `${one}/readonlykeys`,
    action: `${type}/readonlykeys/action`,
    handler: listReadonlyKeys,
  },
  {
    method: "GET",
    path: `${one}/readonlykeys`,
    action: `${type}/readonlykeys/read`,
    handler: listReadonlyKeys,
  },
  {
    method: "POST",
    path: `${one}/listConnectionStrings`,
    action: `${type}/listConnectionStrings/action`,
    handler: listConnectionStrings,
  },
  {
    method: "POST",
    path: `${one}/regenerateKey`,
    action: `${type}/regenerateKey/action`,
    handler: regenerateKey,
  },
];

const dataOperations: readonly Operation[] = [
  { method: "PUT", path: database, action: `${type}/sqlDatabases/write`, handler: putDatabase },
  { method: "GET", path: database, action: `${type}/sqlDatabases/read`, handler: readDatabase },
  { method: "DELETE", path: database, action: `${type}/sqlDatabases/delete`, handler: deleteDatabase },
  { method: "GET", path: `${one}/sqlDatabases`, action: `${type}/sqlDatabases/read`, handler: listDatabases },
  { method: "PUT", path: container, action: `${type}/sqlDatabases/containers/write`, handler: putContainer },
  { method: "GET", path: container, action: `${type}/sqlDatabases/containers/read`, handler: readContainer },
  {
    method: "DELETE",
    path: container,
    action: `${type}/sqlDatabases/containers/delete`,
    handler: deleteContainer,
  },
  {
    method: "GET",
    path: `${database}/containers`,
    action: `${type}/sqlDatabases/containers/read`,
    handler: listContainers,
  },
];

/** What a browser of accounts asks for besides the accounts. */
const surroundingOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/providers/Microsoft.DocumentDB/operations",
    action: "anyCaller",
    handler: listProviderOperations,
  },
];

/** Every action of this provider: what custom Azure roles may name. */
async function listProviderOperations(): Promise<Outcome> {
  const actions = documentDbProvider.operations
    .map(({ action }) => action)
    .filter((action) => action.startsWith("Microsoft.DocumentDB/"));
  const value = [...new Set(actions)].sort().map((name) => ({
    name,
    display: {
      provider: "Microsoft Azure Cosmos DB",
      resource: name.split("/").slice(1, -1).join("/"),
      operation: name,
    },
  }));
  return { status: 200, body: { value } };
}

const roleOperations: readonly Operation[] = [
  { method: "PUT", path: definition, action: `${type}/sqlRoleDefinitions/write`, handler: putDefinition },
  { method: "GET", path: definition, action: `${type}/sqlRoleDefinitions/read`, handler: readDefinition },
  {
    method: "DELETE",
    path: definition,
    action: `${type}/sqlRoleDefinitions/delete`,
    handler: deleteDefinition,
  },
  {
    method: "GET",
    path: `${one}/sqlRoleDefinitions`,
    action: `${type}/sqlRoleDefinitions/read`,
    handler: listDefinitions,
  },
  { method: "PUT", path: assignment, action: `${type}/sqlRoleAssignments/write`, handler: putAssignment },
  { method: "GET", path: assignment, action: `${type}/sqlRoleAssignments/read`, handler: readAssignment },
  {
    method: "DELETE",
    path: assignment,
    action: `${type}/sqlRoleAssignments/delete`,
    handler: deleteAssignment,
  },
  {
    method: "GET",
    path: `${one}/sqlRoleAssignments`,
    action: `${type}/sqlRoleAssignments/read`,
    handler: listAssignments,
  },
];

export const documentDbProvider: Provider = {
  operations: [
    ...accountOperations,
    ...dataOperations,
    ...throughputOperations,
    ...scriptOperations,
    ...roleOperations,
    ...regionOperations,
    ...surroundingOperations,
  ],
  removals: {
    [type]: {
      locks: (resource) => [cosmosLock(resource.name)],
      async remove(plane, transaction, resource) {
        await plane.cosmos.deleteAccount(transaction, resource.name);
      },
    },
  },
};

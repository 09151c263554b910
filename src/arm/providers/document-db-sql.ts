/** Databases and containers of an account. Cosmos DB holds them; the data plane and this see the same objects. */
import { type CosmosResource, cosmosLock, type Throughput } from "../../cosmos/control.ts";
import type { Transaction } from "../../storage/port.ts";
import { clip } from "../errors.ts";
import { type JsonObject, member, objectMember } from "../json.ts";
import { type Call, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import { asCosmos, cosmosError, requireAccount } from "./document-db-account.ts";
import { objectBody } from "./generic.ts";

const databaseType = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases";
const containerType = `${databaseType}/containers`;

/** `properties.resource` of the body, whose id must be the name in the path. */
export function readResource(call: Call, name: string): CosmosResource {
  const properties = objectMember(objectBody(call), "properties");
  const resource = objectMember(properties, "resource");
  if (resource === undefined) {
    throw cosmosError(call, 400, "BadRequest", "The property 'properties.resource' is required.");
  }
  const id = resource["id"] ?? name;
  if (id !== name) {
    throw cosmosError(
      call,
      400,
      "BadRequest",
      `The resource name '${clip(name)}' in the request URI does not match the id '${clip(String(id))}' in the request body.`,
    );
  }
  const { createMode: _, restoreParameters: __, ...own } = resource;
  return { ...own, id: name };
}

function notFound(call: Call, kind: string, name: string): Error {
  return cosmosError(call, 404, "NotFound", `${kind} '${clip(name)}' could not be found.`);
}

function render(parentId: string, segment: string, type: string, resource: CosmosResource): JsonObject {
  return {
    id: `${parentId}/${segment}/${resource.id}`,
    name: resource.id,
    type,
    properties: { resource: resource as JsonObject },
  };
}

/** A write under the account's lock (and `locks`), with the account re-read inside the transaction. */
export async function changeAccount(
  call: Call,
  change: (transaction: Transaction, accountId: string, account: string) => Promise<Outcome>,
  locks: readonly string[] = [],
): Promise<Outcome> {
  const { plane } = call;
  const { account } = await requireAccount(call, plane.store);
  return asCosmos(call, () =>
    plane.store.transact([armLock, cosmosLock(account.name), ...locks], async (transaction) => {
      const { resource } = await requireAccount(call, transaction);
      return change(transaction, resource.id, resource.name);
    }),
  );
}

export async function putDatabase(call: Call): Promise<Outcome> {
  const resource = readResource(call, parameter(call, "database"));
  return changeAccount(call, async (transaction, accountId, account) => {
    const { cosmos } = call.plane;
    const isNew = (await cosmos.getDatabase(transaction, account, resource.id)) === undefined;
    const written = await cosmos.putDatabase(transaction, account, resource);
    const wanted = isNew ? optionsOf(call) : undefined;
    if (wanted !== undefined) await cosmos.putThroughput(transaction, account, written, wanted);
    return { status: 200, body: render(accountId, "sqlDatabases", databaseType, written) };
  });
}

/** Reads `{throughput}` or `{autoscaleSettings: {maxThroughput}}`; `undefined` when neither is there. */
export function readThroughputOptions(options: JsonObject | undefined): Throughput | undefined {
  if (options === undefined) return undefined;
  const max = member(objectMember(options, "autoscaleSettings"), "maxThroughput");
  if (max !== undefined && max !== null) return { kind: "autoscale", value: Number(max) };
  const value = member(options, "throughput");
  return value === undefined || value === null ? undefined : { kind: "manual", value: Number(value) };
}

/** The throughput that `properties.options` asks for; it counts only when the resource is made. */
function optionsOf(call: Call): Throughput | undefined {
  return readThroughputOptions(objectMember(objectMember(objectBody(call), "properties"), "options"));
}

export async function readDatabase(call: Call): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const name = parameter(call, "database");
  const found = await cosmos.getDatabase(store, resource.name, name);
  if (found === undefined) throw notFound(call, "Database", name);
  return { status: 200, body: render(resource.id, "sqlDatabases", databaseType, found) };
}

export async function listDatabases(call: Call): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const found = await cosmos.listDatabases(store, resource.name);
  const value = found.map((each) => render(resource.id, "sqlDatabases", databaseType, each));
  return { status: 200, body: { value } };
}

export async function deleteDatabase(call: Call): Promise<Outcome> {
  return changeAccount(call, async (transaction, _, account) => {
    await call.plane.cosmos.deleteDatabase(transaction, account, parameter(call, "database"));
    return { status: 204 };
  });
}

export async function putContainer(call: Call): Promise<Outcome> {
  const resource = readResource(call, parameter(call, "container"));
  const database = parameter(call, "database");
  let after: (() => Promise<void>) | undefined;
  const outcome = await changeAccount(call, async (transaction, accountId, account) => {
    const { cosmos } = call.plane;
    if ((await cosmos.getDatabase(transaction, account, database)) === undefined) {
      throw notFound(call, "Database", database);
    }
    const isNew = (await cosmos.getContainer(transaction, account, database, resource.id)) === undefined;
    const written = await cosmos.putContainer(transaction, account, database, resource);
    const wanted = isNew ? optionsOf(call) : undefined;
    if (wanted !== undefined) {
      await cosmos.putThroughput(transaction, account, written, wanted);
      after = () => cosmos.splitForThroughput(account, written, wanted);
    }
    const parentId = `${accountId}/sqlDatabases/${database}`;
    return { status: 200, body: render(parentId, "containers", containerType, written) };
  });
  await asCosmos(call, async () => after?.());
  return outcome;
}

export async function readContainer(call: Call): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const database = parameter(call, "database");
  const name = parameter(call, "container");
  const found = await cosmos.getContainer(store, resource.name, database, name);
  if (found === undefined) throw notFound(call, "Container", name);
  const parentId = `${resource.id}/sqlDatabases/${database}`;
  return { status: 200, body: render(parentId, "containers", containerType, found) };
}

export async function listContainers(call: Call): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const database = parameter(call, "database");
  if ((await cosmos.getDatabase(store, resource.name, database)) === undefined) {
    throw notFound(call, "Database", database);
  }
  const found = await cosmos.listContainers(store, resource.name, database);
  const parentId = `${resource.id}/sqlDatabases/${database}`;
  const value = found.map((each) => render(parentId, "containers", containerType, each));
  return { status: 200, body: { value } };
}

export async function deleteContainer(call: Call): Promise<Outcome> {
  return changeAccount(call, async (transaction, _, account) => {
    const container = parameter(call, "container");
    await call.plane.cosmos.deleteContainer(transaction, account, parameter(call, "database"), container);
    return { status: 204 };
  });
}

/**
 * Throughput settings of databases and containers: reading, changing, and the two migrations between manual and
 * autoscale. A rise may split a container's ranges, which happens after the change is on disk.
 */
import type { CosmosResource, Throughput, ThroughputSettings } from "../../cosmos/control.ts";
import type { Reader } from "../../storage/port.ts";
import { type JsonObject, objectMember } from "../json.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { asCosmos, cosmosError, requireAccount } from "./document-db-account.ts";
import { changeAccount, readThroughputOptions } from "./document-db-sql.ts";
import { objectBody } from "./generic.ts";

const accountType = "Microsoft.DocumentDB/databaseAccounts";
const database =
  "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DocumentDB/databaseAccounts/{account}/sqlDatabases/{database}";

const settings = "throughputSettings/default";

function rows(owner: string, type: `${string}/${string}`): readonly Operation[] {
  const path = `${owner}/${settings}`;
  const action = `${type}/throughputSettings` as const;
  return [
    { method: "GET", path, action: `${action}/read`, handler: readThroughput },
    { method: "PUT", path, action: `${action}/write`, handler: putThroughput },
    {
      method: "POST",
      path: `${path}/migrateToAutoscale`,
      action: `${action}/migrateToAutoscale/action`,
      handler: (call: Call) => migrate(call, "autoscale"),
    },
    {
      method: "POST",
      path: `${path}/migrateToManualThroughput`,
      action: `${action}/migrateToManualThroughput/action`,
      handler: (call: Call) => migrate(call, "manual"),
    },
  ];
}

export const throughputOperations: readonly Operation[] = [
  ...rows(database, `${accountType}/sqlDatabases`),
  ...rows(`${database}/containers/{container}`, `${accountType}/sqlDatabases/containers`),
];

/** The database or container in the path. Throws ArmError 404. */
async function requireOwner(call: Call, reader: Reader, account: string): Promise<CosmosResource> {
  const { cosmos } = call.plane;
  const container = call.parameters.get("container");
  const name = parameter(call, "database");
  const found =
    container === undefined
      ? await cosmos.getDatabase(reader, account, name)
      : await cosmos.getContainer(reader, account, name, container);
  if (found === undefined) throw cosmosError(call, 404, "NotFound", "The resource could not be found.");
  return found;
}

function noThroughput(call: Call): Error {
  return cosmosError(
    call,
    404,
    "NotFound",
    "The resource has no throughput of its own: it shares its database's throughput, or its account is serverless.",
  );
}

async function readThroughput(call: Call): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const owner = await requireOwner(call, store, resource.name);
  const found = await cosmos.getThroughput(store, resource.name, owner);
  if (found === undefined) throw noThroughput(call);
  return { status: 200, body: render(call, found) };
}

async function putThroughput(call: Call): Promise<Outcome> {
  const wanted = readThroughputOptions(
    objectMember(objectMember(objectBody(call), "properties"), "resource"),
  );
  if (wanted === undefined) {
    throw cosmosError(
      call,
      400,
      "BadRequest",
      "One of 'properties.resource.throughput' and 'properties.resource.autoscaleSettings.maxThroughput' is required.",
    );
  }
  return change(call, (present) => {
    if (present.throughput.kind !== wanted.kind) {
      throw cosmosError(
        call,
        400,
        "BadRequest",
        "Throughput update is not supported for resources that switch between manual and autoscale: migrate them first.",
      );
    }
    return wanted;
  });
}

const autoscaleStep = 1000;

function migrate(call: Call, kind: Throughput["kind"]): Promise<Outcome> {
  return change(call, ({ throughput }) => {
    if (throughput.kind === kind) return throughput;
    const value =
      kind === "manual" ? throughput.value : Math.ceil(throughput.value / autoscaleStep) * autoscaleStep;
    return { kind, value };
  });
}

async function change(call: Call, next: (present: ThroughputSettings) => Throughput): Promise<Outcome> {
  const { cosmos } = call.plane;
  let after: (() => Promise<void>) | undefined;
  const outcome = await changeAccount(call, async (transaction, _, account) => {
    const owner = await requireOwner(call, transaction, account);
    const present = await cosmos.getThroughput(transaction, account, owner);
    if (present === undefined) throw noThroughput(call);
    const wanted = next(present);
    const written = await cosmos.putThroughput(transaction, account, owner, wanted);
    after = () => cosmos.splitForThroughput(account, owner, wanted);
    return { status: 200, body: render(call, written) };
  });
  await asCosmos(call, async () => after?.());
  return outcome;
}

/** The type in the answer follows the path: of a database or of a container. */
function render(call: Call, { throughput, minimum, rid, etag, ts }: ThroughputSettings): JsonObject {
  const owner = call.parameters.has("container") ? "sqlDatabases/containers" : "sqlDatabases";
  const id = call.address.path.replace(/\/migrateTo[a-z]+$/i, "");
  const { kind, value } = throughput;
  return {
    id,
    name: "default",
    type: `${accountType}/${owner}/throughputSettings`,
    properties: {
      resource: {
        throughput: kind === "manual" ? value : value / 10,
        ...(kind === "autoscale" ? { autoscaleSettings: { maxThroughput: value } } : {}),
        minimumThroughput: String(minimum),
        offerReplacePending: "false",
        instantMaximumThroughput: "10000",
        softAllowedMaximumThroughput: "1000000",
        _rid: rid,
        _etag: etag,
        _ts: ts,
      },
    },
  };
}

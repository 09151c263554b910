/** Stored procedures, triggers and user-defined functions as resources of the control plane. */
import type { CosmosResource, ScriptKind, ScriptOwner } from "../../cosmos/control.ts";
import { clip } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { asCosmos, cosmosError, requireAccount } from "./document-db-account.ts";
import { changeAccount, readResource } from "./document-db-sql.ts";

const containerType = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers";
const container =
  "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DocumentDB/databaseAccounts/{account}/sqlDatabases/{database}/containers/{container}";

function rows(segment: string, kind: ScriptKind): readonly Operation[] {
  const type = `${containerType}/${segment}` as const;
  const all = `${container}/${segment}`;
  const one = `${all}/{name}`;
  return [
    {
      method: "PUT",
      path: one,
      action: `${type}/write`,
      handler: (call: Call) => putScript(call, kind, segment),
    },
    {
      method: "GET",
      path: one,
      action: `${type}/read`,
      handler: (call: Call) => readScript(call, kind, segment),
    },
    {
      method: "DELETE",
      path: one,
      action: `${type}/delete`,
      handler: (call: Call) => deleteScript(call, kind),
    },
    {
      method: "GET",
      path: all,
      action: `${type}/read`,
      handler: (call: Call) => listScripts(call, kind, segment),
    },
  ];
}

export const scriptOperations: readonly Operation[] = [
  ...rows("storedProcedures", "storedProcedure"),
  ...rows("triggers", "trigger"),
  ...rows("userDefinedFunctions", "userDefinedFunction"),
];

function ownerOf(call: Call, account: string, kind: ScriptKind): ScriptOwner {
  return { account, database: parameter(call, "database"), container: parameter(call, "container"), kind };
}

async function putScript(call: Call, kind: ScriptKind, segment: string): Promise<Outcome> {
  const { cosmos } = call.plane;
  const name = parameter(call, "name");
  const resource = readResource(call, name);
  const properties = await asCosmos(call, () => cosmos.checkScript(kind, resource));
  return changeAccount(call, async (transaction, accountId, account) => {
    const written = await cosmos.putScript(transaction, ownerOf(call, account, kind), name, properties);
    return { status: 200, body: render(call, accountId, segment, written) };
  });
}

async function readScript(call: Call, kind: ScriptKind, segment: string): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const name = parameter(call, "name");
  const found = await asCosmos(call, () => cosmos.getScript(store, ownerOf(call, resource.name, kind), name));
  if (found === undefined) {
    throw cosmosError(call, 404, "NotFound", `The script '${clip(name)}' could not be found.`);
  }
  return { status: 200, body: render(call, resource.id, segment, found) };
}

async function listScripts(call: Call, kind: ScriptKind, segment: string): Promise<Outcome> {
  const { store, cosmos } = call.plane;
  const { resource } = await requireAccount(call, store);
  const found = await asCosmos(call, () => cosmos.listScripts(store, ownerOf(call, resource.name, kind)));
  return { status: 200, body: { value: found.map((each) => render(call, resource.id, segment, each)) } };
}

async function deleteScript(call: Call, kind: ScriptKind): Promise<Outcome> {
  const name = parameter(call, "name");
  return changeAccount(call, async (transaction, _, account) => {
    const owner = ownerOf(call, account, kind);
    if ((await call.plane.cosmos.getScript(transaction, owner, name)) === undefined) return { status: 204 };
    await call.plane.cosmos.deleteScript(transaction, owner, name);
    return { status: 204 };
  });
}

function render(call: Call, accountId: string, segment: string, resource: CosmosResource): JsonObject {
  const owner = `${accountId}/sqlDatabases/${parameter(call, "database")}/containers/${parameter(call, "container")}`;
  return {
    id: `${owner}/${segment}/${resource.id}`,
    name: resource.id,
    type: `${containerType}/${segment}`,
    properties: { resource: resource as JsonObject },
  };
}

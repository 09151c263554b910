/**
 * Microsoft.Sql: the administrator of a server is one fact with two places, the server's own `administrators` and the
 * child resources that tools write; both are kept alike. Also what a region can host, which tools read to name a size.
 */
import { ArmError } from "../../azure/arm-error.ts";
import type { Transaction } from "../../storage/port.ts";
import { type JsonObject, member, objectMember, without } from "../json.ts";
import { type Call, type Operation, type Outcome, type Provider, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import { getResource, propertiesOf, putResource, type StoredResource } from "../resources.ts";
import { removeResource, writeResource } from "./generic.ts";

const type = "Microsoft.Sql/servers";
const one = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Sql/servers/{name}";
const administrator = `${one}/administrators/{administrator}`;
const only = `${one}/azureADOnlyAuthentications/{only}`;

const operations: readonly Operation[] = [
  { method: "PUT", path: one, action: `${type}/write`, handler: (call) => writeServer(call, false) },
  { method: "PATCH", path: one, action: `${type}/write`, handler: (call) => writeServer(call, true) },
  {
    method: "PUT",
    path: administrator,
    action: `${type}/administrators/write`,
    handler: writeAdministrator,
  },
  {
    method: "DELETE",
    path: administrator,
    action: `${type}/administrators/delete`,
    handler: removeAdministrator,
  },
  { method: "PUT", path: only, action: `${type}/azureADOnlyAuthentications/write`, handler: writeOnly },
  { method: "DELETE", path: only, action: `${type}/azureADOnlyAuthentications/delete`, handler: removeOnly },
  {
    method: "GET",
    path: "/subscriptions/{subscription}/providers/Microsoft.Sql/locations/{location}/capabilities",
    action: "Microsoft.Sql/locations/capabilities/read",
    scope: "/subscriptions/{subscription}",
    handler: listCapabilities,
  },
];

export const sqlProvider: Provider = { operations };

const childMembers = ["administratorType", "login", "sid", "tenantId"];

function administratorsOf(server: StoredResource): JsonObject | undefined {
  return objectMember(propertiesOf(server), "administrators");
}

function isOnly(server: StoredResource | undefined): boolean {
  const administrators = server === undefined ? undefined : administratorsOf(server);
  return member(administrators, "azureADOnlyAuthentication") === true;
}

/**
 * A write that says nothing of administrators leaves them as they are. Whether passwords are taken besides is said when
 * the server is made; later it is changed by its own child alone, which takes a right of its own (servers, "Create or
 * update", `administrators`).
 */
function writeServer(call: Call, patching: boolean): Promise<Outcome> {
  const password = member(objectMember(call.body, "properties"), "administratorLoginPassword");
  return writeResource(call, patching, async (transaction, server) => {
    const before = await getResource(transaction, server.id);
    const only = isOnly(before);
    if (only && password !== undefined && password !== null) throw onlyEntra();
    const sent = administratorsOf(server);
    const administrators = sent ?? (before === undefined ? undefined : administratorsOf(before));
    if (administrators === undefined) return server;
    const kept = before === undefined ? {} : { azureADOnlyAuthentication: only };
    const whole = completed(call, { ...administrators, ...kept });
    if (sent !== undefined) putChildren(call, transaction, server, whole);
    return withAdministrators(server, whole);
  });
}

function onlyEntra(): ArmError {
  return new ArmError(
    400,
    "AadOnlyAuthenticationIsEnabled",
    "Azure Active Directory Only Authentication is enabled. Please contact your system administrator.",
  );
}

function completed({ plane }: Call, administrators: JsonObject): JsonObject {
  return {
    administratorType: "ActiveDirectory",
    tenantId: plane.tenantId,
    azureADOnlyAuthentication: false,
    ...administrators,
  };
}

function withAdministrators(server: StoredResource, administrators: JsonObject | undefined): StoredResource {
  const rest = without(propertiesOf(server), ["administrators"]);
  const properties = administrators === undefined ? rest : { ...rest, administrators };
  return { ...server, body: { ...server.body, properties } };
}

function putChildren(
  { plane }: Call,
  transaction: Transaction,
  server: StoredResource,
  administrators: JsonObject,
): void {
  const createdAt = plane.clock.now();
  const child = (childType: string, name: string, properties: JsonObject): void =>
    putResource(transaction, {
      id: `${server.id}/${childType}/${name}`,
      type: `${type}/${childType}`,
      name,
      createdAt,
      body: { properties },
    });
  const kept = childMembers.flatMap((name) => {
    const value = member(administrators, name);
    return value === undefined ? [] : [[name, value] as const];
  });
  child("administrators", "ActiveDirectory", Object.fromEntries(kept));
  const azureADOnlyAuthentication = member(administrators, "azureADOnlyAuthentication") === true;
  child("azureADOnlyAuthentications", "Default", { azureADOnlyAuthentication });
}

/** The server's id in the casing of its first write: of the child's without its last two segments. */
async function serverOf(
  transaction: Transaction,
  child: StoredResource,
): Promise<StoredResource | undefined> {
  return getResource(transaction, child.id.split("/").slice(0, -2).join("/"));
}

function writeAdministrator(call: Call): Promise<Outcome> {
  return writeResource(call, false, async (transaction, child) => {
    const server = await serverOf(transaction, child);
    const before = server === undefined ? {} : (administratorsOf(server) ?? {});
    const sent = propertiesOf(child);
    const only = member(before, "azureADOnlyAuthentication") === true;
    const whole = completed(call, { ...sent, azureADOnlyAuthentication: only });
    if (server !== undefined) putResource(transaction, withAdministrators(server, whole));
    const properties = without(whole, ["azureADOnlyAuthentication"]);
    return { ...child, body: { ...child.body, properties } };
  });
}

async function removeAdministrator(call: Call): Promise<Outcome> {
  const path = call.address.path.replace(/\/administrators\/[^/]+$/i, "");
  // Without its one administrator nobody could sign in, or passwords would be taken again.
  if (isOnly(await getResource(call.plane.store, path))) throw onlyEntra();
  const outcome = await removeResource(call);
  await call.plane.store.transact([armLock], async (transaction) => {
    const server = await getResource(transaction, path);
    if (server !== undefined) putResource(transaction, withAdministrators(server, undefined));
  });
  return outcome;
}

/** Passwords are taken again. */
async function removeOnly(call: Call): Promise<Outcome> {
  const outcome = await removeResource(call);
  const path = call.address.path.replace(/\/azureADOnlyAuthentications\/[^/]+$/i, "");
  await call.plane.store.transact([armLock], async (transaction) =>
    putOnly(transaction, await getResource(transaction, path), false),
  );
  return outcome;
}

function putOnly(transaction: Transaction, server: StoredResource | undefined, only: boolean): void {
  const before = server === undefined ? undefined : administratorsOf(server);
  if (server === undefined || before === undefined) return;
  putResource(transaction, withAdministrators(server, { ...before, azureADOnlyAuthentication: only }));
}

function writeOnly(call: Call): Promise<Outcome> {
  return writeResource(call, false, async (transaction, child) => {
    const azureADOnlyAuthentication = member(propertiesOf(child), "azureADOnlyAuthentication") === true;
    const server = await serverOf(transaction, child);
    if (azureADOnlyAuthentication && server !== undefined && administratorsOf(server) === undefined) {
      throw new ArmError(
        400,
        "InvalidServerAADOnlyAuthNoAADAdminPropertyName",
        "Azure Active Directory Only Authentication cannot be enabled without an Azure Active Directory administrator.",
      );
    }
    putOnly(transaction, server, azureADOnlyAuthentication);
    return { ...child, body: { ...child.body, properties: { azureADOnlyAuthentication } } };
  });
}

interface Size {
  readonly name: string;
  readonly family?: string;
  readonly capacities: readonly number[];
  readonly model: "Provisioned" | "Serverless";
}

const vCores = [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 32, 40, 80];

/** Sizes by edition; the first of an edition is its default. */
const editions: Readonly<Record<string, readonly Size[]>> = {
  GeneralPurpose: [
    { name: "GP_Gen5", family: "Gen5", capacities: vCores, model: "Provisioned" },
    { name: "GP_S_Gen5", family: "Gen5", capacities: [1, ...vCores.slice(0, -2)], model: "Serverless" },
  ],
  BusinessCritical: [{ name: "BC_Gen5", family: "Gen5", capacities: vCores, model: "Provisioned" }],
  Hyperscale: [
    { name: "HS_Gen5", family: "Gen5", capacities: vCores, model: "Provisioned" },
    { name: "HS_S_Gen5", family: "Gen5", capacities: vCores.slice(0, -2), model: "Serverless" },
  ],
  Basic: [{ name: "Basic", capacities: [5], model: "Provisioned" }],
  Standard: [
    { name: "Standard", capacities: [10, 20, 50, 100, 200, 400, 800, 1600, 3000], model: "Provisioned" },
  ],
  Premium: [{ name: "Premium", capacities: [125, 250, 500, 1000, 1750, 4000], model: "Provisioned" }],
};

async function listCapabilities(call: Call): Promise<Outcome> {
  const names = Object.keys(editions);
  const supportedEditions = names.map((name, index) => ({
    name,
    status: index === 0 ? "Default" : "Available",
    zoneRedundant: false,
    supportedServiceLevelObjectives: (editions[name] ?? []).flatMap((size, at) => objectives(name, size, at)),
  }));
  const version = { name: "12.0", status: "Default", supportedEditions, supportedElasticPoolEditions: [] };
  const location = parameter(call, "location");
  return {
    status: 200,
    body: {
      name: location,
      status: "Available",
      supportedServerVersions: [version],
      supportedManagedInstanceVersions: [],
    },
  };
}

function objectives(tier: string, size: Size, at: number): readonly JsonObject[] {
  return size.capacities.map((capacity, index) => ({
    name: size.family === undefined ? `${size.name}${capacity}` : `${size.name}_${capacity}`,
    status: at === 0 && index === 0 ? "Default" : "Available",
    computeModel: size.model,
    sku: {
      name: size.name,
      tier,
      capacity,
      ...(size.family === undefined ? {} : { family: size.family }),
    },
    supportedMaxSizes: [],
    zoneRedundant: false,
  }));
}

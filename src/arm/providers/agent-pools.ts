/** Node pools of a cluster: read and written one by one, they are the cluster's own list of them. */
import { resourceNotFound } from "../errors.ts";
import { isArray, isObject, type JsonObject, member, objectMember, stringMember, without } from "../json.ts";
import { requireJoinRights } from "../linked-rights.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import {
  propertiesOf,
  putResource,
  requireResource,
  resolveResource,
  type StoredResource,
} from "../resources.ts";
import { objectBody } from "./generic.ts";

const type = "Microsoft.ContainerService/managedClusters/agentPools";
const all =
  "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}/agentPools";
const one = `${all}/{pool}`;

export const agentPoolOperations: readonly Operation[] = [
  { method: "GET", path: all, action: `${type}/read`, handler: listPools },
  { method: "GET", path: one, action: `${type}/read`, handler: readPool },
  { method: "PUT", path: one, action: `${type}/write`, handler: putPool },
  { method: "DELETE", path: one, action: `${type}/delete`, handler: removePool },
];

async function clusterOf(call: Call): Promise<StoredResource> {
  const path = call.address.path.replace(/\/agentPools(\/[^/]+)?$/i, "");
  return requireResource(call.plane.store, await resolveResource(call.plane.store, path));
}

function poolsOf(cluster: StoredResource): readonly JsonObject[] {
  const pools = member(propertiesOf(cluster), "agentPoolProfiles");
  return isArray(pools) ? pools.filter(isObject) : [];
}

function isNamed(pool: JsonObject, name: string): boolean {
  return stringMember(pool, "name")?.toLowerCase() === name.toLowerCase();
}

function render(cluster: StoredResource, pool: JsonObject): JsonObject {
  const name = stringMember(pool, "name") ?? "";
  return { id: `${cluster.id}/agentPools/${name}`, name, type, properties: without(pool, ["name"]) };
}

async function listPools(call: Call): Promise<Outcome> {
  const cluster = await clusterOf(call);
  return { status: 200, body: { value: poolsOf(cluster).map((pool) => render(cluster, pool)) } };
}

async function readPool(call: Call): Promise<Outcome> {
  const cluster = await clusterOf(call);
  const name = parameter(call, "pool");
  const pool = poolsOf(cluster).find((each) => isNamed(each, name));
  if (pool === undefined) {
    throw resourceNotFound(`${type}/${cluster.name}/${name}`, parameter(call, "group"));
  }
  return { status: 200, body: render(cluster, pool) };
}

async function change(
  call: Call,
  next: (pools: readonly JsonObject[]) => readonly JsonObject[],
): Promise<void> {
  const { id } = await clusterOf(call);
  await call.plane.store.transact([armLock], async (transaction) => {
    const cluster = await requireResource(transaction, await resolveResource(transaction, id));
    const properties = { ...propertiesOf(cluster), agentPoolProfiles: next(poolsOf(cluster)) };
    putResource(transaction, { ...cluster, body: { ...cluster.body, properties } });
  });
}

async function putPool(call: Call): Promise<Outcome> {
  const own = objectMember(objectBody(call), "properties") ?? {};
  const wanted = parameter(call, "pool");
  await requireJoinRights(call, own);
  await change(call, (pools) => {
    const at = pools.findIndex((each) => isNamed(each, wanted));
    const name = stringMember(pools[at], "name") ?? wanted;
    const pool = { ...own, name, provisioningState: "Succeeded", powerState: { code: "Running" } };
    return at < 0 ? [...pools, pool] : pools.with(at, pool);
  });
  return readPool(call);
}

/** Answered like the deletion of a cluster. */
async function removePool(call: Call): Promise<Outcome> {
  const name = parameter(call, "pool");
  await change(call, (pools) => pools.filter((each) => !isNamed(each, name)));
  return { status: 204 };
}

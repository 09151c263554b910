/**
 * Microsoft.ContainerService: clusters as records, without a Kubernetes behind them. What is real about one is what
 * identity needs: its node resource group (a group like any other, to assign roles on), the kubelet's managed
 * identity in it, and the issuer of its service-account tokens, which `celestite issuer` mints.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { sameResourceId } from "../../azure/resource-id.ts";
import type { Transaction } from "../../storage/port.ts";
import { requireAssignRights } from "../identity-block.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
} from "../json.ts";
import { requireUnlocked } from "../locks.ts";
import { type Call, type Operation, type Outcome, type Provider, parameter } from "../operation.ts";
import { putRecord } from "../records.ts";
import { getGroup, groupId, groupKey } from "../resource-groups.ts";
import {
  getResource,
  locationOf,
  propertiesOf,
  putResource,
  requireResource,
  resolveResource,
  type StoredResource,
} from "../resources.ts";
import { agentPoolOperations } from "./agent-pools.ts";
import { objectBody, removeResource, writeResource } from "./generic.ts";
import { keysOf } from "./record-keys.ts";
import { checkGroupName, removeGroup } from "./resource-groups.ts";

const type = "Microsoft.ContainerService/managedClusters";
const one =
  "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}";

const operations: readonly Operation[] = [
  { method: "PUT", path: one, action: `${type}/write`, handler: putCluster },
  { method: "DELETE", path: one, action: `${type}/delete`, handler: deleteCluster },
  {
    method: "POST",
    path: `${one}/listClusterUserCredential`,
    action: `${type}/listClusterUserCredential/action`,
    handler: listCredential,
  },
  {
    method: "POST",
    path: `${one}/listClusterAdminCredential`,
    action: `${type}/listClusterAdminCredential/action`,
    handler: listCredential,
  },
];

export const containerServiceProvider: Provider = { operations: [...operations, ...agentPoolOperations] };

async function putCluster(call: Call): Promise<Outcome> {
  const body = objectBody(call);
  const add = [...podIdentityIds(body), ...(await otherKubelet(call, body))];
  await requireAssignRights(call, { system: false, user: true, add, remove: [] });
  return writeResource(call, false, (transaction, cluster) => complete(call, transaction, cluster));
}

/** Identities that the cluster's pods are to have: binding one to a pod is assigning it, as to any other host. */
function podIdentityIds(body: JsonObject): readonly string[] {
  const profile = objectMember(objectMember(body, "properties"), "podIdentityProfile");
  const bound = member(profile, "userAssignedIdentities");
  if (!isArray(bound)) return [];
  return bound.flatMap((each) => stringMember(objectMember(each, "identity"), "resourceId") ?? []);
}

/** The identity that the nodes are to have, unless it is the one that the cluster made and shows. */
async function otherKubelet({ plane, address }: Call, body: JsonObject): Promise<readonly string[]> {
  const kubeletOf = (properties: JsonObject | undefined): string | undefined =>
    stringMember(objectMember(objectMember(properties, "identityProfile"), "kubeletidentity"), "resourceId");
  const wanted = kubeletOf(objectMember(body, "properties"));
  if (wanted === undefined) return [];
  const present = await getResource(plane.store, (await resolveResource(plane.store, address.path)).id);
  const own = present === undefined ? undefined : kubeletOf(propertiesOf(present));
  return own !== undefined && sameResourceId(own, wanted) ? [] : [wanted];
}

const nodeGroupNameMax = 80;
const kubernetesVersion = "1.34";

/** The cluster with what the service fills in; makes the node group and the kubelet's identity when they are missing. */
async function complete(
  call: Call,
  transaction: Transaction,
  cluster: StoredResource,
): Promise<StoredResource> {
  const subscription = parameter(call, "subscription");
  const own = propertiesOf(cluster);
  const location = locationOf(cluster) ?? "";
  const before = await getResource(transaction, cluster.id);
  const kept = before === undefined ? undefined : stringMember(propertiesOf(before), "nodeResourceGroup");
  const made = `MC_${parameter(call, "group")}_${cluster.name}_${location}`.slice(0, nodeGroupNameMax);
  const nodeGroup = kept ?? stringMember(own, "nodeResourceGroup") ?? made;
  const managedBy = kept === undefined ? undefined : cluster.id;
  await rejectForeignGroup(transaction, subscription, nodeGroup, managedBy);
  const group = await putNodeGroup(transaction, subscription, nodeGroup, location, cluster.id);
  const kubelet = await putKubelet(call, transaction, group, cluster, location);
  const dnsPrefix = stringMember(own, "dnsPrefix") ?? cluster.name;
  const oidc = objectMember(own, "oidcIssuerProfile");
  const issuerURL = call.plane.identity.clusterIssuer(cluster.name);
  const properties: JsonObject = {
    kubernetesVersion,
    currentKubernetesVersion: stringMember(own, "kubernetesVersion") ?? kubernetesVersion,
    enableRBAC: true,
    maxAgentPools: 100,
    supportPlan: "KubernetesOfficial",
    // What a cluster with a managed identity shows; older command lines read it unasked.
    servicePrincipalProfile: { clientId: "msi" },
    ...own,
    dnsPrefix,
    fqdn: `${dnsPrefix}.hcp.${location}.azmk8s.io`,
    nodeResourceGroup: nodeGroup,
    powerState: { code: "Running" },
    agentPoolProfiles: poolsOf(own),
    identityProfile: { ...objectMember(own, "identityProfile"), kubeletidentity: kubelet },
    ...(member(oidc, "enabled") === true ? { oidcIssuerProfile: { enabled: true, issuerURL } } : {}),
  };
  return { ...cluster, body: { ...cluster.body, properties } };
}

/** Returns the group's id. */
async function putNodeGroup(
  transaction: Transaction,
  subscription: string,
  name: string,
  location: string,
  managedBy: string,
): Promise<string> {
  const present = await getGroup(transaction, subscription, name);
  if (present === undefined) {
    checkGroupName(name);
    putRecord(transaction, groupKey(subscription, name), {
      subscriptionId: subscription,
      name,
      location,
      managedBy,
    });
  }
  return `/subscriptions/${subscription}/resourceGroups/${present?.name ?? name}`;
}

/**
 * The group goes with the cluster, so it must have come with it. What a group says it is managed by, whoever may write
 * the group has said.
 */
async function rejectForeignGroup(
  transaction: Transaction,
  subscription: string,
  name: string,
  managedBy: string | undefined,
): Promise<void> {
  const present = await getGroup(transaction, subscription, name);
  if (present === undefined || (managedBy !== undefined && present.managedBy === managedBy)) return;
  throw new ArmError(
    409,
    "NodeResourceGroupAlreadyExists",
    `The resource group '${name}' for the nodes exists already and belongs to something else.`,
  );
}

async function putKubelet(
  call: Call,
  transaction: Transaction,
  group: string,
  cluster: StoredResource,
  location: string,
): Promise<JsonObject> {
  const name = `${cluster.name}-agentpool`;
  const address = await resolveResource(
    transaction,
    `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`,
  );
  const id = address.id.replace("/resourceGroups/", "/resourcegroups/");
  if ((await getResource(transaction, id)) === undefined) {
    const createdAt = call.plane.clock.now();
    putResource(transaction, { id, type: address.type, name, createdAt, body: { location, tags: {} } });
  }
  const { clientId, principalId } = await call.plane.identity.putUserAssigned(transaction, id, name);
  return { resourceId: id, clientId, objectId: principalId };
}

function poolsOf(own: JsonObject): Json {
  const pools = member(own, "agentPoolProfiles");
  if (!isArray(pools)) return [];
  return pools.map((pool) => ({
    ...(isObject(pool) ? pool : {}),
    provisioningState: "Succeeded",
    powerState: { code: "Running" },
  }));
}

async function deleteCluster(call: Call): Promise<Outcome> {
  const { store } = call.plane;
  const cluster = await getResource(store, (await resolveResource(store, call.address.path)).id);
  const nodeGroup =
    cluster === undefined ? undefined : stringMember(propertiesOf(cluster), "nodeResourceGroup");
  const found =
    nodeGroup === undefined ? undefined : await getGroup(store, parameter(call, "subscription"), nodeGroup);
  const group = found?.managedBy === cluster?.id ? found : undefined;
  if (group !== undefined) await requireUnlocked(store, "DELETE", groupId(group));
  const outcome = await removeResource(call);
  if (group !== undefined) await removeGroup(call.plane, group);
  // The one answer to a deletion, besides an operation that is polled, which its clients accept.
  return { ...outcome, status: 204 };
}

/**
 * A configuration for kubectl, in the form that tools keep and read: its server is the cluster's address, at which
 * nobody answers, because there is no Kubernetes behind the record.
 */
async function listCredential(call: Call): Promise<Outcome> {
  const { store } = call.plane;
  const path = call.address.path.replace(/\/[^/]+$/, "");
  const cluster = await requireResource(store, await resolveResource(store, path));
  const isAdmin = /\/listClusterAdminCredential$/i.test(call.address.path);
  if (isAdmin && member(propertiesOf(cluster), "disableLocalAccounts") === true) {
    throw new ArmError(
      400,
      "BadRequest",
      "Getting static credential is not allowed because this cluster is set to disable local accounts.",
    );
  }
  const { primary } = await keysOf(call, cluster);
  const user = `cluster${isAdmin ? "Admin" : "User"}_${parameter(call, "group")}_${cluster.name}`;
  const context = isAdmin ? `${cluster.name}-admin` : cluster.name;
  const lines = [
    "apiVersion: v1",
    "kind: Config",
    "clusters:",
    `- name: ${cluster.name}`,
    "  cluster:",
    `    server: https://${stringMember(propertiesOf(cluster), "fqdn") ?? ""}:443`,
    "contexts:",
    `- name: ${context}`,
    "  context:",
    `    cluster: ${cluster.name}`,
    `    user: ${user}`,
    `current-context: ${context}`,
    "preferences: {}",
    "users:",
    `- name: ${user}`,
    "  user:",
    `    token: ${Buffer.from(primary, "base64").toString("hex")}`,
    "",
  ];
  const value = Buffer.from(lines.join("\n")).toString("base64");
  return { status: 200, body: { kubeconfigs: [{ name: isAdmin ? "clusterAdmin" : "clusterUser", value }] } };
}

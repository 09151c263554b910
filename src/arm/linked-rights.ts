/**
 * Rights at other resources that a body names: subnets and the like that the written resource joins, accounts whose
 * data it takes over. They belong to somebody else as a rule, so the right to write the resource is not enough. Apart from the handlers,
 * because every type says so in its own way.
 */
import { ArmError } from "../azure/arm-error.ts";
import { parseResourceId, scopeCovers } from "../azure/resource-id.ts";
import { linkedAuthorizationFailed } from "./errors.ts";
import { isArray, isObject, type Json, type JsonObject, objectMember, stringMember } from "./json.ts";
import type { Call } from "./operation.ts";

/** For firewall rules that let a subnet in, without the resource being put into it. */
const viaEndpoint = "joinViaServiceEndpoint/action";

const join = "join/action";

/** What a resource may be put into or attach, and its owner's word for that: what follows the type, or the whole. */
const linkable: ReadonlyMap<string, string> = new Map([
  ["Microsoft.App/managedEnvironments", join],
  ["Microsoft.Compute/diskEncryptionSets", "read"],
  ["Microsoft.Compute/disks", "beginGetAccess/action"],
  ["Microsoft.Compute/galleries/images", "read"],
  ["Microsoft.Compute/galleries/images/versions", "read"],
  ["Microsoft.Compute/images", "read"],
  // Snapshots are asked for by the action of the disks that they are of.
  ["Microsoft.Compute/snapshots", "Microsoft.Compute/disks/beginGetAccess/action"],
  ["Microsoft.Network/applicationGateways/backendAddressPools", join],
  ["Microsoft.Network/applicationSecurityGroups", "joinIpConfiguration/action"],
  ["Microsoft.Network/ddosProtectionPlans", join],
  ["Microsoft.Network/firewallPolicies", join],
  ["Microsoft.Network/loadBalancers/backendAddressPools", join],
  ["Microsoft.Network/loadBalancers/inboundNatRules", join],
  ["Microsoft.Network/natGateways", join],
  ["Microsoft.Network/networkInterfaces", join],
  ["Microsoft.Network/networkSecurityGroups", join],
  ["Microsoft.Network/privateDnsZones", join],
  ["Microsoft.Network/publicIPAddresses", join],
  ["Microsoft.Network/publicIPPrefixes", join],
  ["Microsoft.Network/routeTables", join],
  ["Microsoft.Network/serviceEndpointPolicies", join],
  ["Microsoft.Network/virtualNetworks", join],
  ["Microsoft.Network/virtualNetworks/subnets", join],
  ["Microsoft.Web/hostingEnvironments", join],
  // A copy has all the data.
  ["Microsoft.Sql/servers/databases", "write"],
  ["Microsoft.Web/serverfarms", join],
]);

/**
 * Members whose text is the id of one of these. Here and below a name stands after what it is in, such as the list or
 * the type that has it, where it means something else in other places; `properties` does not count.
 */
const idMembers: ReadonlySet<string> = new Set([
  "diskencryptionsetid",
  "environmentid",
  "managedenvironmentid",
  "privatednszoneid",
  "serverfarmid",
  "sourcedatabaseid",
  "sourceresourceid",
  "virtualnetworkconnections/vnetresourceid",
]);

/** Every service has its own word for the subnet that it is put into; lists of ids only say who is in something. */
const subnetMember = /subnet\w*id$/;

/** Members that are an object with such an id, or the id; other objects with an id only say who refers to the resource. */
const objectMembers: ReadonlySet<string> = new Set([
  "ddosprotectionplan",
  "diskencryptionset",
  "firewallpolicy",
  "hostingenvironments/virtualnetwork",
  "imagereference",
  "natgateway",
  "networksecuritygroup",
  "publicipaddress",
  "publicipprefix",
  "remotevirtualnetwork",
  "routetable",
  "serverfarms/hostingenvironmentprofile",
  "subnet",
  "virtualnetworklinks/virtualnetwork",
]);

/** Members that are lists of such objects. */
const listMembers: ReadonlySet<string> = new Set([
  "applicationgatewaybackendaddresspools",
  "applicationsecuritygroups",
  "destinationapplicationsecuritygroups",
  "loadbalancerbackendaddresspools",
  "loadbalancerinboundnatrules",
  "natgateways/publicipaddresses",
  "natgateways/publicipprefixes",
  "networkprofile/networkinterfaces",
  "serviceendpointpolicies",
  "sourceapplicationsecuritygroups",
  "subnetids",
  "virtualnetworkrules",
]);

/** Members whose ids need another right than the type's usual one, and what is inside them likewise. */
const otherVerbs: ReadonlyMap<string, string> = new Map([
  ["destinationapplicationsecuritygroups", "joinNetworkSecurityRule/action"],
  ["remotevirtualnetwork", "peer/action"],
  ["sourceapplicationsecuritygroups", "joinNetworkSecurityRule/action"],
  ["virtualnetworkrules", viaEndpoint],
]);

/**
 * Throws ArmError 403 `LinkedAuthorizationFailed` unless the caller may join every subnet, network interface, address,
 * rule set and plan that `body` names, copy every disk, and connect to every service without being approved there; own
 * ones, below the resource itself, ask nothing.
 */
export async function requireJoinRights(call: Call, body: JsonObject): Promise<void> {
  const isRule = /\/virtualNetworkRules\/[^/]+$/i.test(call.address.path);
  const type = call.address.segments.at(-2)?.toLowerCase() ?? "";
  for (const [id, action] of linksOf(body, type, isRule ? viaEndpoint : undefined)) {
    if (scopeCovers(call.address.path, id) || (await call.decide(action, id)).allowed) continue;
    throw linkedAuthorizationFailed(call.caller, call.requirement, action, [id]);
  }
}

type Link = readonly [id: string, action: string];

/** `parent` is what the value is in; `verb` is what is asked for there, if it is not what is usual. */
function linksOf(value: Json, parent: string, verb: string | undefined): readonly Link[] {
  if (isArray(value)) return value.flatMap((each) => linksOf(each, parent, verb));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, inner]): readonly Link[] => {
    const member = name.toLowerCase();
    const own = otherVerbs.get(member) ?? verb;
    if (member === "privatelinkserviceconnections") return approvalsOf(inner);
    const isOneOf = (names: ReadonlySet<string>): boolean =>
      names.has(member) || names.has(`${parent}/${member}`);
    const below = linksOf(inner, member === "properties" ? parent : member, own);
    if (isOneOf(idMembers) || subnetMember.test(member)) return [...linkOf(inner, own), ...below];
    if (isOneOf(objectMembers)) {
      return [...linkOf(isObject(inner) ? stringMember(inner, "id") : inner, own), ...below];
    }
    if (!isOneOf(listMembers) || !isArray(inner)) return below;
    return [...inner.flatMap((each) => linkOf(stringMember(each, "id"), own)), ...below];
  });
}

function typeOf(id: string): string | undefined {
  const parsed = parseResourceId(id);
  if (parsed?.namespace === undefined) return undefined;
  return [parsed.namespace, ...parsed.segments.map((each) => each.type)].join("/");
}

/** Nothing for what is no id of a type that is linked, such as the bare name of a plan. */
function linkOf(id: Json | undefined, verb: string | undefined): readonly Link[] {
  const type = typeof id === "string" ? typeOf(id)?.toLowerCase() : undefined;
  if (typeof id !== "string" || type === undefined) return [];
  const known = [...linkable].find(([each]) => each.toLowerCase() === type);
  if (known === undefined) return [];
  const action = verb ?? known[1];
  return [[id, action.includes(".") ? action : `${known[0]}/${action}`]];
}

/** Connections that take effect at once: who makes one approves it. Those that wait for approval are another list. */
function approvalsOf(connections: Json): readonly Link[] {
  if (!isArray(connections)) return [];
  return connections.flatMap((each): readonly Link[] => {
    const properties = isObject(each) ? objectMember(each, "properties") : undefined;
    const id = stringMember(properties, "privateLinkServiceId") ?? "";
    const type = typeOf(id);
    return type === undefined ? [] : [[id, `${type}/PrivateEndpointConnectionsApproval/action`]];
  });
}

const restore = "Microsoft.DocumentDB/locations/restorableDatabaseAccounts/restore/action";

/**
 * Throws ArmError 403 `LinkedAuthorizationFailed` for an account that is to be made from the data of another one that the
 * caller may not restore, 400 when it does not say which.
 */
export async function requireRestoreRights(call: Call, body: JsonObject): Promise<void> {
  const properties = objectMember(body, "properties");
  if (stringMember(properties, "createMode")?.toLowerCase() !== "restore") return;
  const source = stringMember(objectMember(properties, "restoreParameters"), "restoreSource") ?? "";
  const wrong = new ArmError(400, "BadRequest", "The 'restoreSource' must be a restorable database account.");
  if (!source.startsWith("/")) throw wrong;
  if (!(await call.decide(restore, source)).allowed) {
    throw linkedAuthorizationFailed(call.caller, call.requirement, restore, [source]);
  }
  // Not one that the caller calls so: a place where he holds the right, and no data is restored from.
  if (!restore.toLowerCase().startsWith(`${typeOf(source)?.toLowerCase()}/restore/`)) throw wrong;
}

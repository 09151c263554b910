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

/** What a resource may be put into or attach, and its owner's word for that. */
const joinable: readonly string[] = [
  "Microsoft.Network/natGateways",
  "Microsoft.Network/networkInterfaces",
  "Microsoft.Network/networkSecurityGroups",
  "Microsoft.Network/publicIPAddresses",
  "Microsoft.Network/routeTables",
  "Microsoft.Network/virtualNetworks/subnets",
  "Microsoft.Web/serverfarms",
];

/** Members whose text is the id of one of these. */
const idMembers: ReadonlySet<string> = new Set([
  "delegatedsubnetresourceid",
  "infrastructuresubnetid",
  "podsubnetid",
  "serverfarmid",
  "subnetid",
  "virtualnetworksubnetid",
  "vnetsubnetid",
]);

/** Members that are an object with such an id; other objects with an id only say who refers to the resource. */
const objectMembers: ReadonlySet<string> = new Set([
  "natgateway",
  "networksecuritygroup",
  "publicipaddress",
  "routetable",
  "subnet",
]);

/** Members that are lists of such objects, and what is done with them. */
const listMembers: ReadonlyMap<string, string> = new Map([
  ["networkprofile/networkinterfaces", "join/action"],
  ["virtualnetworkrules", viaEndpoint],
]);

/**
 * Throws ArmError 403 `LinkedAuthorizationFailed` unless the caller may join every subnet, network interface, address,
 * rule set and plan that `body` names; own ones, below the resource itself, ask nothing.
 */
export async function requireJoinRights(call: Call, body: JsonObject): Promise<void> {
  const isRule = /\/virtualNetworkRules\/[^/]+$/i.test(call.address.path);
  for (const [id, action] of joinsOf(body, "", isRule ? viaEndpoint : "join/action")) {
    if (scopeCovers(call.address.path, id) || (await call.decide(action, id)).allowed) continue;
    throw linkedAuthorizationFailed(call.caller, call.requirement, action, [id]);
  }
}

type Join = readonly [id: string, action: string];

function joinsOf(value: Json, parent: string, verb: string): readonly Join[] {
  if (isArray(value)) return value.flatMap((each) => joinsOf(each, parent, verb));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, inner]): readonly Join[] => {
    const member = name.toLowerCase();
    const listed = listMembers.get(member) ?? listMembers.get(`${parent}/${member}`);
    if (listed !== undefined && isArray(inner)) {
      return inner.flatMap((each) => [
        ...joinOf(stringMember(each, "id"), listed),
        ...joinsOf(each, member, verb),
      ]);
    }
    if (idMembers.has(member)) return joinOf(inner, verb);
    const own = objectMembers.has(member) ? joinOf(stringMember(inner, "id"), verb) : [];
    return [...own, ...joinsOf(inner, member, verb)];
  });
}

/** Nothing for what is no id of a type that is joined, such as the bare name of a plan. */
function joinOf(id: Json | undefined, verb: string): readonly Join[] {
  const parsed = typeof id === "string" ? parseResourceId(id) : undefined;
  if (typeof id !== "string" || parsed?.namespace === undefined) return [];
  const type = [parsed.namespace, ...parsed.segments.map((each) => each.type)].join("/");
  const known = joinable.find((each) => each.toLowerCase() === type.toLowerCase());
  return known === undefined ? [] : [[id, `${known}/${verb}`]];
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
  if (!source.startsWith("/")) {
    throw new ArmError(400, "BadRequest", "The 'restoreSource' must be a restorable database account.");
  }
  if ((await call.decide(restore, source)).allowed) return;
  throw linkedAuthorizationFailed(call.caller, call.requirement, restore, [source]);
}

/**
 * THE table of the Microsoft Graph subset: users, groups and members, applications with their credentials, service
 * principals, look-ups. Reading takes any user of the tenant, writing the administrator; rows say which. `{id}` is an
 * object id, or where Graph has it the alternate key in parentheses, which the gateway turns into the same.
 */

import type { ApplicationObject, DirectoryObject } from "../records.ts";
import { collection, readObject, scanRecords } from "../records.ts";
import { find, type GraphCall, type GraphContext, type GraphResult, self } from "./call.ts";
import { checkMembership, memberGroups, objectsByIds } from "./memberships.ts";
import { relatedTo } from "./relations.ts";
import { badRequest, GraphError, notFound, type Shape, shapeOf } from "./shapes.ts";

export interface GraphOperation {
  readonly method: "GET" | "POST" | "DELETE";
  /** Segments after the version; `{name}` matches any one. */
  readonly path: string;
  readonly access: "read" | "write" | "self";
  readonly handler: (call: GraphCall) => Promise<GraphResult>;
}

const none: GraphResult = { kind: "nothing" };
const one = (value: Readonly<Record<string, unknown>>): GraphResult => ({ kind: "one", value });
const made = (value: Readonly<Record<string, unknown>>): GraphResult => ({ kind: "one", value, status: 201 });

const row = (
  method: GraphOperation["method"],
  path: string,
  access: GraphOperation["access"],
  handler: GraphOperation["handler"],
): GraphOperation => ({ method, path, access, handler });

/** Lists of what the object at `path` is related to. */
const lists = (
  path: string,
  access: GraphOperation["access"],
  object: (call: GraphCall) => Promise<DirectoryObject>,
  names: readonly string[],
): readonly GraphOperation[] =>
  names.map((name) => row("GET", `${path}/${name}`, access, (call) => related(call, name, object(call))));

/** The actions that ask in which groups the object at `path` is. */
const membershipActions = (
  path: string,
  access: GraphOperation["access"],
  object: (call: GraphCall) => Promise<DirectoryObject>,
): readonly GraphOperation[] => {
  const action = (name: string, run: (call: GraphCall, found: DirectoryObject) => Promise<GraphResult>) =>
    row("POST", `${path}/${name}`, access, async (call) => run(call, await object(call)));
  return [
    action("checkMemberGroups", (call, found) => checkMembership(call, found, "groupIds")),
    action("checkMemberObjects", (call, found) => checkMembership(call, found, "ids")),
    action("getMemberGroups", memberGroups),
    action("getMemberObjects", memberGroups),
  ];
};

const application = (call: GraphCall): Promise<DirectoryObject> => find(call, "application");
const group = (call: GraphCall): Promise<DirectoryObject> => find(call, "group");
const servicePrincipal = (call: GraphCall): Promise<DirectoryObject> => find(call, "servicePrincipal");
const user = (call: GraphCall): Promise<DirectoryObject> => find(call, "user");

const memberOf = ["memberOf", "transitiveMemberOf"];

/** Sorted by path. */
export const graphOperations: readonly GraphOperation[] = [
  row("GET", "applications", "read", (call) => list(call, "application")),
  row("POST", "applications", "write", addApplication),
  row("GET", "applications/{id}", "read", (call) => read(call, "application")),
  row("DELETE", "applications/{id}", "write", deleteApplication),
  row("POST", "applications/{id}/addPassword", "write", addPassword),
  row("POST", "applications/{id}/removePassword", "write", removePassword),
  ...lists("applications/{id}", "read", application, ["federatedIdentityCredentials", "owners"]),
  row("POST", "applications/{id}/federatedIdentityCredentials", "write", addFederated),
  row("DELETE", "applications/{id}/federatedIdentityCredentials/{credential}", "write", deleteFederated),
  row("POST", "directoryObjects/getByIds", "read", getByIds),
  row("GET", "directoryObjects/{id}", "read", (call) => read(call)),
  ...membershipActions("directoryObjects/{id}", "read", (call) => find(call)),
  row("GET", "groups", "read", (call) => list(call, "group")),
  row("POST", "groups", "write", addGroup),
  row("GET", "groups/{id}", "read", (call) => read(call, "group")),
  row("DELETE", "groups/{id}", "write", (call) => deletePrincipal(call, "group")),
  ...lists("groups/{id}", "read", group, ["appRoleAssignments", ...memberOf]),
  ...lists("groups/{id}", "read", group, ["members", "owners", "transitiveMembers"]),
  ...membershipActions("groups/{id}", "read", group),
  row("POST", "groups/{id}/members/$ref", "write", addMember),
  row("DELETE", "groups/{id}/members/{member}/$ref", "write", removeMember),
  row("GET", "me", "self", readMe),
  ...lists("me", "self", self, memberOf),
  ...membershipActions("me", "self", self),
  row("GET", "organization", "read", readOrganization),
  row("GET", "servicePrincipals", "read", (call) => list(call, "servicePrincipal")),
  row("POST", "servicePrincipals", "write", addServicePrincipal),
  row("GET", "servicePrincipals/{id}", "read", (call) => read(call, "servicePrincipal")),
  ...lists("servicePrincipals/{id}", "read", servicePrincipal, ["appRoleAssignments", ...memberOf, "owners"]),
  ...membershipActions("servicePrincipals/{id}", "read", servicePrincipal),
  row("GET", "users", "read", (call) => list(call, "user")),
  row("POST", "users", "write", addUser),
  row("GET", "users/{id}", "read", (call) => read(call, "user")),
  row("DELETE", "users/{id}", "write", (call) => deletePrincipal(call, "user")),
  ...lists("users/{id}", "read", user, ["appRoleAssignments", ...memberOf]),
  ...membershipActions("users/{id}", "read", user),
];

async function list({ context }: GraphCall, kind: DirectoryObject["kind"]): Promise<GraphResult> {
  const objects = await scanRecords<DirectoryObject>(context.store, collection.objects());
  const values = objects
    .filter((object) => object.kind === kind)
    .map((object) => shapeOf(object, context.tenantId));
  return { kind: "list", values };
}

async function read(call: GraphCall, kind?: DirectoryObject["kind"]): Promise<GraphResult> {
  return one(shapeOf(await find(call, kind), call.context.tenantId, kind === undefined));
}

async function readMe(call: GraphCall): Promise<GraphResult> {
  return one(shapeOf(await self(call), call.context.tenantId));
}

async function readOrganization({ context: { tenantId, directory } }: GraphCall): Promise<GraphResult> {
  const domain = { name: directory.domain, isDefault: true, isInitial: true, type: "Managed" };
  return { kind: "list", values: [{ id: tenantId, displayName: "Celestite", verifiedDomains: [domain] }] };
}

async function getByIds(call: GraphCall): Promise<GraphResult> {
  const { tenantId } = call.context;
  return {
    kind: "list",
    values: (await objectsByIds(call)).map((object) => shapeOf(object, tenantId, true)),
  };
}

/** A list of what the object of the path is related to. */
async function related(
  call: GraphCall,
  relation: string,
  object: Promise<DirectoryObject>,
): Promise<GraphResult> {
  return { kind: "list", values: await relatedTo(call.context, await object, relation) };
}

async function addUser({ context, body }: GraphCall): Promise<GraphResult> {
  const { directory, passwords } = context;
  const name = text(body, "userPrincipalName");
  const profile = body["passwordProfile"] as { readonly password?: unknown } | undefined;
  const user = await directory.addUser({ userPrincipalName: name, displayName: text(body, "displayName") });
  if (typeof profile?.password === "string") {
    try {
      await passwords.set(name, profile.password);
    } catch (error) {
      await directory.deletePrincipal(user.objectId);
      throw error;
    }
  }
  return made(await shown(context, user.objectId));
}

async function addGroup({ context, body }: GraphCall): Promise<GraphResult> {
  const references = body["members@odata.bind"];
  const members = Array.isArray(references)
    ? references.map((reference) => lastSegment(String(reference)))
    : [];
  const group = await context.directory.addGroup({ displayName: text(body, "displayName"), members });
  return made(await shown(context, group.objectId));
}

async function shown(context: GraphContext, id: string): Promise<Shape> {
  const object = await readObject(context.store, id);
  if (object === undefined) throw notFound(id);
  return shapeOf(object, context.tenantId);
}

async function deletePrincipal(call: GraphCall, kind: "user" | "group"): Promise<GraphResult> {
  const { id } = await find(call, kind);
  await call.context.directory.deletePrincipal(id);
  return none;
}

async function addMember(call: GraphCall): Promise<GraphResult> {
  const { id } = await find(call, "group");
  await call.context.directory.addMember(id, lastSegment(text(call.body, "@odata.id")));
  return none;
}

async function removeMember(call: GraphCall): Promise<GraphResult> {
  const { id } = await find(call, "group");
  const member = call.parameters["member"] ?? "";
  if (!(await call.context.directory.removeMember(id, member))) throw notFound(member);
  return none;
}

async function addApplication({ context, body }: GraphCall): Promise<GraphResult> {
  const api = body["api"] as { readonly requestedAccessTokenVersion?: unknown } | undefined;
  const redirects = (member: "web" | "publicClient", platform: "web" | "public") =>
    texts((body[member] as { readonly redirectUris?: unknown } | undefined)?.redirectUris).map((uri) => ({
      uri,
      platform,
    }));
  const application = await context.applications.add({
    displayName: text(body, "displayName"),
    identifierUris: texts(body["identifierUris"]),
    accessTokenVersion: api?.requestedAccessTokenVersion === 2 ? 2 : 1,
    redirectUris: [...redirects("web", "web"), ...redirects("publicClient", "public")],
    publicClient: body["isFallbackPublicClient"] === true,
  });
  return made(await shown(context, application.id));
}

async function deleteApplication(call: GraphCall): Promise<GraphResult> {
  const { appId } = await find(call, "application");
  await call.context.applications.delete(appId);
  return none;
}

/** The service principal comes with its application here; creating it again finds the one that is there. */
async function addServicePrincipal({ context, body }: GraphCall): Promise<GraphResult> {
  const appId = text(body, "appId");
  const principal = await context.directory.findByAppId(appId);
  if (principal === undefined) {
    throw badRequest(
      `The appId '${appId}' of the service principal does not reference a valid application object.`,
    );
  }
  return made(await shown(context, principal.objectId));
}

async function addPassword(call: GraphCall): Promise<GraphResult> {
  const application: ApplicationObject = await find(call, "application");
  const wanted = (call.body["passwordCredential"] ?? {}) as {
    readonly displayName?: unknown;
    readonly endDateTime?: unknown;
  };
  const end = typeof wanted.endDateTime === "string" ? Date.parse(wanted.endDateTime) : undefined;
  if (Number.isNaN(end)) throw badRequest("'endDateTime' is no time.");
  const displayName = typeof wanted.displayName === "string" ? wanted.displayName : "";
  const added = await call.context.applications.addSecret(application.appId, {
    displayName,
    ...(end === undefined ? {} : { endsAt: end }),
  });
  return one({
    keyId: added.keyId,
    displayName,
    secretText: added.secretText,
    endDateTime: new Date(added.endsAt).toISOString(),
    hint: added.secretText.slice(0, 3),
  });
}

async function removePassword(call: GraphCall): Promise<GraphResult> {
  const { appId } = await find(call, "application");
  const keyId = text(call.body, "keyId");
  if (!(await call.context.applications.removeCredential(appId, keyId))) {
    throw badRequest(`No password credential found with keyId '${keyId}'.`);
  }
  return none;
}

async function addFederated(call: GraphCall): Promise<GraphResult> {
  const { appId } = await find(call, "application");
  const { body } = call;
  const credential = {
    name: text(body, "name"),
    issuer: text(body, "issuer"),
    subject: text(body, "subject"),
    audiences: texts(body["audiences"]),
  };
  const known = await call.context.applications.federatedCredentials(appId);
  if (known.some(({ name }) => name.toLowerCase() === credential.name.toLowerCase())) {
    throw new GraphError(409, "Request_MultipleObjectsWithSameKeyValue", "A credential of this name exists.");
  }
  await call.context.applications.putFederatedCredential(appId, credential);
  return made({ id: credential.name, ...credential });
}

async function deleteFederated(call: GraphCall): Promise<GraphResult> {
  const { appId } = await find(call, "application");
  const name = call.parameters["credential"] ?? "";
  if (!(await call.context.applications.removeFederatedCredential(appId, name))) throw notFound(name);
  return none;
}

function text(body: GraphCall["body"], member: string): string {
  const value = body[member];
  if (typeof value !== "string" || value === "") {
    throw badRequest(`A value is required for property '${member}' of resource.`);
  }
  return value;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}

function lastSegment(address: string): string {
  return address.slice(address.lastIndexOf("/") + 1);
}

/**
 * Microsoft Graph as a service, the subset of `operations.ts`. It owns the phases - token, row, right, body, answer -
 * so that no operation can forget one. It stands in this room because every answer is the directory's.
 */
import type { AccessTokenClaims, TokenVerifier } from "../../azure/principal.ts";
import type { Clock, Entropy } from "../../clock.ts";
import { uuid } from "../../clock.ts";
import { empty, json } from "../../http/reply.ts";
import type { Reply, Request, Service } from "../../http/service.ts";
import { DirectoryError, isGuid } from "../directory.ts";
import { splitTarget } from "../parameters.ts";
import type { DirectoryObject } from "../records.ts";
import { readIndexed, recordKey } from "../records.ts";
import { canonicalAudience } from "../resources.ts";
import { runBatch } from "./batch.ts";
import type { GraphContext, GraphResult } from "./call.ts";
import { type Expansion, expanded, expansionsOf } from "./expand.ts";
import { type GraphOperation, graphOperations } from "./operations.ts";
import { countOf, pageOf, selected } from "./query-options.ts";
import { badRequest, GraphError, notFound } from "./shapes.ts";

export interface GraphOptions extends Omit<GraphContext, "reads"> {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly verifier: TokenVerifier;
  /** Our own addresses, which are audiences, too: tools take the base of Graph for its audience. */
  readonly ownOrigins: () => readonly string[];
}

const audiences = [
  "https://graph.microsoft.com",
  "https://graph.windows.net",
  "00000003-0000-0000-c000-000000000000",
];

/** The Graph service. */
export function createGraph(options: GraphOptions): Service {
  return withAnswers(options, withAnswers(options));
}

/** `parts` answers the parts of a batch, and takes no batch itself. */
function withAnswers(options: GraphOptions, parts?: Service): Service {
  return async (request) => {
    const requestId = uuid(options.entropy);
    const headers = {
      "request-id": requestId,
      "client-request-id": cleanId(request.headers["client-request-id"]) ?? requestId,
    };
    try {
      return withHeaders(await answer(options, request, parts), headers);
    } catch (error) {
      const { status, code, message } = asGraphError(error);
      const date = new Date(options.clock.now()).toISOString().slice(0, 19);
      const innerError = { date, ...headers };
      return json(status, { error: { code, message, innerError } }, headers);
    }
  };
}

function cleanId(given: string | undefined): string | undefined {
  return given !== undefined && isGuid(given) ? given : undefined;
}

function withHeaders(reply: Reply, headers: Readonly<Record<string, string>>): Reply {
  return { ...reply, headers: { ...headers, ...reply.headers } };
}

/** What the directory refuses, in Graph's words; what nobody expected is thrown on. */
function asGraphError(error: unknown): GraphError {
  if (error instanceof GraphError) return error;
  if (!(error instanceof DirectoryError)) throw error;
  if (error.kind === "notFound") return new GraphError(404, "Request_ResourceNotFound", error.message);
  return badRequest(error.message);
}

async function answer(options: GraphOptions, request: Request, parts?: Service): Promise<Reply> {
  const claims = await authenticate(options, request);
  const target = splitTarget(request.target);
  if (target === undefined) throw badRequest("The request path is malformed.");
  const [version = "", ...rest] = target.segments;
  if (parts !== undefined && request.method === "POST" && rest.join("/") === "$batch") {
    return json(200, await runBatch(parts, request, version, readBody(request)));
  }
  const isCount = rest.length > 1 && rest.at(-1) === "$count" && request.method === "GET";
  const { segments, cast } = withoutNamespace(request.method, isCount ? rest.slice(0, -1) : rest);
  const { operation, parameters } = findOperation(request.method, segments);
  authorize(options, operation, claims);
  const query = new URLSearchParams(target.query);
  const expansions = request.method === "GET" ? expansionsOf(operation.path, query) : [];
  for (const { relation } of expansions) {
    // What is put into an object takes the right to read it where it is.
    const path = `${operation.path.replace(/^(applications|groups|servicePrincipals|users)$/, "$1/{id}")}/${relation}`;
    authorize(options, { ...operation, path }, claims);
  }
  const context = { ...options, reads: (kind: DirectoryObject["kind"]) => readsKind(claims.scp, kind) };
  const result = await operation.handler({
    context,
    callerId: claims.oid,
    body: readBody(request),
    parameters: await resolveKeys(options, segments[0] ?? "", parameters),
  });
  const own = cast === undefined ? result : ofType(result, cast);
  return isCount
    ? renderCount(request, own, query)
    : render(request, own, query, (value) => shown(context, value, query, expansions));
}

/**
 * The segments of the path without the namespace: an action may stand with it (`microsoft.graph.getMemberGroups`), and a
 * list may end with a type, of which alone it then is (`transitiveMemberOf/microsoft.graph.group`).
 */
function withoutNamespace(
  method: string,
  path: readonly string[],
): { readonly segments: readonly string[]; readonly cast?: string } {
  const segments = path.flatMap(splitKey);
  const [, name] = /^(?:microsoft\.)?graph\.([A-Za-z]+)$/.exec(segments.at(-1) ?? "") ?? [];
  if (name === undefined || segments.length < 2) return { segments };
  const before = segments.slice(0, -1);
  return method === "GET" ? { segments: before, cast: name } : { segments: [...before, name] };
}

/** Those of a list that are of the type, when its objects say of which type they are. */
function ofType(result: GraphResult, type: string): GraphResult {
  const wanted = `#microsoft.graph.${type}`.toLowerCase();
  const values = result.kind === "list" ? result.values : undefined;
  if (values === undefined || values.some((value) => value["@odata.type"] === undefined)) {
    throw badRequest(`'microsoft.graph.${type.slice(0, 100)}' is not a type of this resource.`);
  }
  return {
    kind: "list",
    values: values.filter((value) => String(value["@odata.type"]).toLowerCase() === wanted),
  };
}

/** An object as the query wants it. */
async function shown(
  context: GraphContext,
  value: Readonly<Record<string, unknown>>,
  query: URLSearchParams,
  expansions: readonly Expansion[],
): Promise<Readonly<Record<string, unknown>>> {
  return { ...selected(value, query), ...(await expanded(context, value["id"], expansions)) };
}

async function authenticate(options: GraphOptions, request: Request): Promise<AccessTokenClaims> {
  const [, token] = /^bearer +(\S+)\s*$/i.exec(request.headers["authorization"] ?? "") ?? [];
  if (token === undefined) {
    throw new GraphError(401, "InvalidAuthenticationToken", "Access token is empty.");
  }
  const verdict = await options.verifier(token);
  if (!verdict.ok) {
    const expired = verdict.fault.kind === "expired";
    const text = expired
      ? "Lifetime validation failed, the token is expired."
      : "Access token validation failure.";
    throw new GraphError(401, "InvalidAuthenticationToken", text);
  }
  const allowed = [...audiences, ...options.ownOrigins()];
  if (!allowed.includes(canonicalAudience(verdict.claims.aud))) {
    throw new GraphError(
      401,
      "InvalidAuthenticationToken",
      "Access token validation failure. Invalid audience.",
    );
  }
  // A token outlives its principal; what may be asked does not.
  if ((await options.directory.find(verdict.claims.oid)) === undefined) {
    throw new GraphError(
      401,
      "InvalidAuthenticationToken",
      "The principal of the token does not exist any more.",
    );
  }
  return verdict.claims;
}

/**
 * Users read, the administrator writes, each through a client that may; applications have no directory rights here, as
 * without consent in Entra.
 */
function authorize(
  { directory }: GraphOptions,
  operation: GraphOperation,
  { oid, idtyp, scp }: AccessTokenClaims,
): void {
  const { access } = operation;
  // Of an application the handler says that it is nobody's self.
  if (access === "self" && idtyp === "app") return;
  const may = access === "write" ? oid === directory.bootstrapUserId : idtyp === "user";
  if (may && scopesAllow(scp, operation)) return;
  throw new GraphError(
    403,
    "Authorization_RequestDenied",
    "Insufficient privileges to complete the operation.",
  );
}

const wholeDirectory = "directory.readwrite.all";

const readsUsers = ["user.read.all", "user.readbasic.all", "user.readwrite.all"];
const readsGroups = [
  "group.read.all",
  "groupmember.read.all",
  "group.readwrite.all",
  "groupmember.readwrite.all",
];
const readsMemberships = ["user.read.all", "group.read.all", "groupmember.read.all"];
const readsApplications = ["application.read.all", "application.readwrite.all"];
const writesApplications = ["application.readwrite.all"];

type Permission = readonly [method: GraphOperation["method"], start: string, names: readonly string[]];

/** The actions that ask for groups take what reading the memberships takes. */
const membershipActions = (start: string, names: readonly string[]): readonly Permission[] =>
  ["checkMemberGroups", "checkMemberObjects", "getMemberGroups", "getMemberObjects"].map((action) => [
    "POST",
    `${start}/${action}`,
    names,
  ]);

/**
 * Permissions that let a client do something for its user, by the method and the beginning of the path (Microsoft Graph,
 * "Permissions" of each operation); of several the first counts. What is not here takes the whole directory. The right
 * to write that deletes neither users nor groups and touches no application. What signs a user in (`openid` and its
 * like) reads nothing.
 */
const permissions: readonly Permission[] = [
  ["GET", "applications", readsApplications],
  ["POST", "applications/{id}", writesApplications],
  ["POST", "applications", [...writesApplications, "appregistration.create"]],
  ["DELETE", "applications", writesApplications],
  ["GET", "groups", readsGroups],
  ...membershipActions("groups/{id}", readsGroups),
  ["POST", "groups/{id}/members", ["groupmember.readwrite.all", "group.readwrite.all", wholeDirectory]],
  ["DELETE", "groups/{id}/members", ["groupmember.readwrite.all", "group.readwrite.all", wholeDirectory]],
  ["POST", "groups", ["group.readwrite.all", wholeDirectory]],
  ["DELETE", "groups", ["group.readwrite.all"]],
  ["GET", "me", ["user.read", "user.readwrite", ...readsUsers]],
  ["POST", "me", ["user.read", "user.readwrite", ...readsUsers]],
  ["GET", "organization", ["organization.read.all", "user.read"]],
  ["GET", "servicePrincipals", readsApplications],
  ...membershipActions("servicePrincipals/{id}", readsApplications),
  ["POST", "servicePrincipals", [...writesApplications, wholeDirectory]],
  ["GET", "users/{id}/appRoleAssignments", []],
  ["GET", "users/{id}/memberOf", readsMemberships],
  ["GET", "users/{id}/transitiveMemberOf", readsMemberships],
  ...membershipActions("users/{id}", readsMemberships),
  ["GET", "users", readsUsers],
  ["POST", "users", ["user.readwrite.all", wholeDirectory]],
  ["DELETE", "users", ["user.readwrite.all", "user.deleterestore.all"]],
];

/**
 * What a client was not given, its user cannot do through it: a token names the client's permissions. One that was asked
 * for by `.default` names `user_impersonation` and stands for all.
 */
function scopesAllow(scopes: string | undefined, { access, method, path }: GraphOperation): boolean {
  const about = permissions.find(([verb, start]) => verb === method && `${path}/`.startsWith(`${start}/`));
  const reads = access === "write" ? [] : ["directory.read.all", wholeDirectory];
  return namesOne(scopes, [...reads, ...(about?.[2] ?? [])]);
}

const readsOf: Readonly<Record<DirectoryObject["kind"], readonly string[]>> = {
  application: readsApplications,
  group: readsGroups,
  servicePrincipal: readsApplications,
  user: readsUsers,
};

/** Whether a client may read objects of a kind, wherever they are. */
function readsKind(scopes: string | undefined, kind: DirectoryObject["kind"]): boolean {
  return namesOne(scopes, ["directory.read.all", wholeDirectory, ...readsOf[kind]]);
}

/** Whether the permissions of a token are among `enough`, or stand for all. */
function namesOne(scopes: string | undefined, enough: readonly string[]): boolean {
  const given = (scopes ?? "").toLowerCase().split(" ");
  const all = ["user_impersonation", "directory.accessasuser.all", ...enough];
  return given.some((name) => all.includes(name));
}

/** `users('x')` is `users/x`; `applications(appId='x')` is `applications/appId='x'`. */
function splitKey(segment: string): readonly string[] {
  const [, name, key] = /^([A-Za-z]+)\((.+)\)$/.exec(segment) ?? [];
  return name === undefined || key === undefined ? [segment] : [name, key.replace(/^'(.*)'$/, "$1")];
}

function findOperation(
  method: string,
  segments: readonly string[],
): { readonly operation: GraphOperation; readonly parameters: Record<string, string> } {
  const fits = graphOperations.flatMap((operation) => {
    const parameters = matchPath(operation.path.split("/"), segments);
    return parameters === undefined ? [] : [{ operation, parameters }];
  });
  if (fits.length === 0) {
    throw new GraphError(
      501,
      "NotImplemented",
      `Celestite does not implement '${segments.join("/").slice(0, 200)}' of Microsoft Graph.`,
    );
  }
  // A literal segment is preferred to a placeholder.
  const found = fits
    .filter(({ operation }) => operation.method === method)
    .sort((a, b) => Object.keys(a.parameters).length - Object.keys(b.parameters).length)[0];
  if (found === undefined)
    throw new GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed.");
  return found;
}

function matchPath(wanted: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  if (wanted.length !== given.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [at, name] of wanted.entries()) {
    const segment = given[at] ?? "";
    if (name.startsWith("{")) parameters[name.slice(1, -1)] = segment;
    else if (name.toLowerCase() !== segment.toLowerCase()) return undefined;
  }
  return parameters;
}

/** Turns `appId='x'` into the object id of the application or service principal with it. */
async function resolveKeys(
  { store }: GraphOptions,
  resource: string,
  parameters: Record<string, string>,
): Promise<Readonly<Record<string, string>>> {
  const [, appId] = /^appId='?([^']*)'?$/i.exec(parameters["id"] ?? "") ?? [];
  if (appId === undefined) return parameters;
  const principal = await readIndexed(store, recordKey.appId(appId));
  if (principal?.kind !== "servicePrincipal") throw notFound(appId);
  const isApplication = resource.toLowerCase() === "applications";
  const id = isApplication ? principal.applicationId : principal.id;
  if (id === undefined) throw notFound(appId);
  return { ...parameters, id };
}

function readBody(request: Request): Readonly<Record<string, unknown>> {
  if (request.body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(Buffer.from(request.body).toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Reported below, like any other text that is no object.
  }
  throw badRequest("Unable to read JSON request payload.");
}

/** Counting and `$count=true` are for callers who take an answer that may lag behind ("Advanced query capabilities"). */
function isEventual(request: Request): boolean {
  return request.headers["consistencylevel"]?.toLowerCase() === "eventual";
}

async function render(
  request: Request,
  result: GraphResult,
  query: URLSearchParams,
  show: (value: Readonly<Record<string, unknown>>) => Promise<Readonly<Record<string, unknown>>>,
): Promise<Reply> {
  if (result.kind === "nothing") return empty(204);
  const base = `${request.origin}/v1.0/$metadata`;
  if (result.kind === "texts") {
    return json(200, { "@odata.context": `${base}#Collection(Edm.String)`, value: result.values });
  }
  if (result.kind === "one") {
    const value = request.method === "GET" ? await show(result.value) : result.value;
    return json(result.status ?? 200, { "@odata.context": `${base}#entity`, ...value });
  }
  const { values, next, count } = pageOf(result.values, query, isEventual(request));
  const rows: Readonly<Record<string, unknown>>[] = [];
  for (const value of values) rows.push(await show(value));
  return json(200, {
    "@odata.context": `${base}#collection`,
    ...(count === undefined ? {} : { "@odata.count": count }),
    ...(next === undefined ? {} : nextLink(request, next)),
    value: rows,
  });
}

function renderCount(request: Request, result: GraphResult, query: URLSearchParams): Reply {
  if (result.kind !== "list" || !isEventual(request)) throw badRequest("$count is not currently supported.");
  const headers = { "content-type": "text/plain; charset=utf-8" };
  return { status: 200, headers, body: String(countOf(result.values, query)) };
}

/** On the host that was asked, whatever the path: one that begins with two slashes would name another. */
function nextLink(request: Request, start: number): Readonly<Record<string, string>> {
  const [path = "", ...query] = request.target.split("?");
  const options = new URLSearchParams(query.join("?"));
  options.set("$skiptoken", String(start));
  return { "@odata.nextLink": `${request.origin}${path.replace(/^\/+/, "/")}?${options.toString()}` };
}

/**
 * The tokens of a grant in which a user takes part: access token, id token, refresh token and what caches need to
 * file them under. The grants differ in how the user is known; from here on they are the same.
 */
import { createHash } from "node:crypto";
import type { Principal } from "../../azure/principal.ts";
import { AuthorityError, faults } from "../errors.ts";
import { encodePart } from "../jws.ts";
import type { AuthorityContext } from "../operations.ts";
import type { RefreshingClient } from "../refresh-tokens.ts";
import { canonicalAudience, type Resource } from "../resources.ts";
import type { AuthorizationRequest, SignedIn } from "../sign-in/codes.ts";
import { issuerV1, issuerV2, pairwiseSubject } from "../tokens.ts";
import type { GrantRequest, GrantResult } from "./grant.ts";
import { parseScopes, type RequestedScopes } from "./scopes.ts";

const ID_TOKEN_SECONDS = 3600;

export interface UserGrant {
  readonly user: Principal;
  /** The stamp of the sign-in. */
  readonly stamp: number;
  readonly requested: RequestedScopes;
  readonly nonce?: string;
  /** The refresh token to hand out, when the grant has already made one. */
  readonly refreshToken?: string;
  /** No refresh token, whatever was asked for. */
  readonly withoutRefreshToken?: boolean;
}

/** The scopes of a form: version 2 says `scope`, version 1 `resource`; without either, `otherwise`. */
export function requestedScopes({ call, form }: GrantRequest, otherwise?: RequestedScopes): RequestedScopes {
  const text = form.get("scope");
  if (call.version === 2) {
    if (text !== undefined && text.trim() !== "") return parseScopes(text);
    if (otherwise !== undefined) return otherwise;
    throw new AuthorityError(faults.missingParameter("scope"));
  }
  const resource = form.get("resource");
  if (resource === undefined || resource === "") {
    if (otherwise !== undefined) return { ...otherwise, openid: true, offlineAccess: true };
    throw new AuthorityError(faults.missingParameter("resource"));
  }
  // Version 1 always answers with an id token and a refresh token.
  return {
    audience: resource,
    names: ["user_impersonation"],
    written: [],
    openid: true,
    offlineAccess: true,
    reserved: ["openid", "offline_access"],
  };
}

/**
 * Throws AADSTS65001 unless the user, or an administrator for all, let the client act at the resource; and before that
 * what is wrong with the resource itself.
 */
export async function requireConsent(
  context: AuthorityContext,
  request: GrantRequest,
  userId: string,
  requested: RequestedScopes,
): Promise<void> {
  const { audience, names } = requested;
  // Who asks for nothing but the sign-in itself gets to act nowhere.
  if (names.length === 0) return;
  await requireResource(context, requested);
  if (await context.consents.has(request.client.appId, audience, userId, names)) return;
  const name = request.client.application?.displayName ?? request.client.appId;
  throw new AuthorityError(faults.consentRequired(request.client.appId, name));
}

const graphAudiences = ["https://graph.microsoft.com", "https://graph.windows.net"];

/**
 * The resource that was asked for. Throws AADSTS500011 for an unknown one, and AADSTS650053 for a permission that it does
 * not have: services of the platform other than Graph know but one, so a token of theirs never stands for less.
 */
export async function requireResource(
  context: AuthorityContext,
  { audience, names }: Pick<RequestedScopes, "audience" | "names">,
): Promise<Resource> {
  const resource = await context.resources(audience);
  if (resource === undefined) throw new AuthorityError(faults.resourceNotFound(audience, context.domain));
  // Tools take our own address for the one of Graph.
  const isGraph = [...graphAudiences, ...context.ownOrigins()].includes(canonicalAudience(audience));
  const unknown = names.find((name) => name.toLowerCase() !== "user_impersonation");
  if (!resource.firstParty || isGraph || unknown === undefined) return resource;
  throw new AuthorityError(faults.unknownPermission(unknown, audience));
}

/** All tokens of a user for one client. Throws AADSTS500011 for an unknown resource, 50034 for a user who is gone. */
export async function issueUserTokens(
  context: AuthorityContext,
  request: GrantRequest,
  grant: UserGrant,
): Promise<GrantResult> {
  const { call, client, form } = request;
  const { user, requested } = grant;
  const resource = await requireResource(context, requested);
  const scope = requested.names.length === 0 ? "openid profile email" : requested.names.join(" ");
  const subject = {
    kind: "user",
    principal: user,
    clientId: client.appId,
    proof: client.proof,
    scope,
  } as const;
  const issued = await context.tokens.issue(subject, resource, call.request.origin, {
    continuous: acceptsChallenges(form),
  });
  const refreshToken =
    grant.refreshToken ??
    (requested.offlineAccess && grant.withoutRefreshToken !== true
      ? (await context.refreshTokens.issue(refreshingClient(request), user.objectId, grant.stamp)).token
      : undefined);
  return {
    issued,
    resource,
    more: {
      scope: [...requested.written, ...requested.reserved].join(" "),
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
      ...(requested.openid ? { id_token: await idToken(context, request, grant) } : {}),
      ...(form.get("client_info") === "1" ? { client_info: clientInfo(context, user) } : {}),
      ...(client.appId === developerFamilyMember ? { foci: "1" } : {}),
    },
  };
}

/** The Azure CLI belongs to the family of clients that share refresh tokens; libraries note it. */
const developerFamilyMember = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/** True when the client says that it understands claims challenges (`xms_cc` with `cp1`); it gets long tokens then. */
export function acceptsChallenges(form: ReadonlyMap<string, string>): boolean {
  const claims = form.get("claims");
  if (claims === undefined) return false;
  let value: unknown;
  try {
    value = JSON.parse(claims);
  } catch {
    throw new AuthorityError(faults.malformedClaims());
  }
  const wanted = (value as { access_token?: { xms_cc?: { values?: unknown } } } | null)?.access_token?.xms_cc;
  return (
    Array.isArray(wanted?.values) && wanted.values.some((entry) => String(entry).toLowerCase() === "cp1")
  );
}

function clientInfo(context: AuthorityContext, user: Principal): string {
  return encodePart({ uid: user.objectId, utid: context.tenantId });
}

async function idToken(
  context: AuthorityContext,
  { call, client }: GrantRequest,
  { user, nonce }: UserGrant,
): Promise<string> {
  const now = Math.floor(context.clock.now() / 1000);
  const v2 = call.version === 2;
  const upn = user.userPrincipalName ?? user.displayName;
  const claims = {
    aud: client.appId,
    iss: v2 ? issuerV2(call.request.origin, context.tenantId) : issuerV1(context.tenantId),
    iat: now,
    nbf: now,
    exp: now + ID_TOKEN_SECONDS,
    ...(v2 ? { preferred_username: upn } : { amr: ["pwd"], unique_name: upn, upn }),
    name: user.displayName,
    ...(nonce === undefined ? {} : { nonce }),
    oid: user.objectId,
    sub: pairwiseSubject(user.objectId, client.appId),
    tid: context.tenantId,
    uti: createHash("sha256").update(`${now} ${user.objectId} ${nonce}`).digest("base64url").slice(0, 22),
    ver: v2 ? "2.0" : "1.0",
  };
  const key = await context.keys.current();
  const input = `${encodePart({ typ: "JWT", alg: "RS256", kid: key.kid })}.${encodePart(claims)}`;
  return `${input}.${Buffer.from(await key.sign(input)).toString("base64url")}`;
}

/** The client of a request, as its refresh tokens are bound to it. */
export function refreshingClient({ client }: GrantRequest): RefreshingClient {
  const registration = client.application?.id;
  return {
    clientId: client.appId,
    proven: client.proof !== "none",
    ...(registration === undefined ? {} : { registration }),
  };
}

/** True when a sign-in was asked for by the client that now makes use of it, and by the same registration of it. */
export function isGrantOf(
  { clientId, registration }: Pick<AuthorizationRequest, "clientId" | "registration">,
  { client }: GrantRequest,
): boolean {
  return clientId === client.appId && registration === client.application?.id;
}

/** The user of a sign-in; throws AADSTS50034 when there is none any more, AADSTS50173 when the sign-in was ended. */
export async function requireSignedIn(
  context: AuthorityContext,
  { userId, stamp }: SignedIn,
): Promise<Principal> {
  const user = await requireUser(context, userId);
  if ((await context.passwords.stampOf(userId)) !== stamp) throw new AuthorityError(faults.grantRevoked());
  return user;
}

/** The user with this object id as of now; throws AADSTS50034 when there is none any more. */
export async function requireUser(context: AuthorityContext, objectId: string): Promise<Principal> {
  const user = await context.directory.find(objectId);
  if (user?.type !== "User") throw new AuthorityError(faults.userNotFound(objectId, context.domain));
  return user;
}

/**
 * Who calls: the Bearer token of a request, checked for the audience that only this service can judge. All token
 * faults are 401 with the challenge that SDKs use to find the authority.
 */
import { ArmError } from "../azure/arm-error.ts";
import type { AccessTokenClaims, TokenFault, TokenVerifier } from "../azure/principal.ts";
import type { Caller } from "./operation.ts";

/** A 401: the error and what the challenge says about it. */
export interface Unauthenticated {
  readonly error: ArmError;
  readonly description: string;
  /** Claims that a new token must satisfy, for clients of continuous access evaluation. */
  readonly claims?: string;
}

export type CredentialVerdict =
  | { readonly ok: true; readonly caller: Caller; readonly claims: AccessTokenClaims }
  | { readonly ok: false; readonly refusal: Unauthenticated };

export interface CredentialContext {
  readonly verifier: TokenVerifier;
  readonly tenantId: string;
  /** Our own addresses, which are audiences, too; from configuration, never from the request's Host header. */
  readonly ownOrigins: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const publicAudiences = [
  "https://management.core.windows.net/",
  "https://management.core.windows.net",
  "https://management.azure.com/",
  "https://management.azure.com",
];

/** Checks the `Authorization` header of a request. */
export async function readCredential(
  authorization: string | undefined,
  context: CredentialContext,
): Promise<CredentialVerdict> {
  if (authorization === undefined || authorization.trim() === "") {
    return refuse(
      "AuthenticationFailed",
      "Authentication failed. The 'Authorization' header is missing.",
      "The authentication failed because of missing 'Authorization' header.",
    );
  }
  const match = /^Bearer +(\S+)\s*$/i.exec(authorization);
  const token = match?.[1];
  if (token === undefined) {
    return refuse(
      "AuthenticationFailedInvalidHeader",
      "Authentication failed. The 'Authorization' header is provided in an invalid format.",
    );
  }
  const verdict = await context.verifier(token);
  if (!verdict.ok) return refuseFault(verdict.fault, context);
  const { claims } = verdict;
  if (claims.tid.toLowerCase() !== context.tenantId.toLowerCase()) {
    return refuse(
      "InvalidAuthenticationTokenTenant",
      `The access token is from the wrong issuer '${claims.iss}'. It must match the tenant '${context.tenantId}' associated with this subscription. Please use the authority (URL) of that tenant to get the token.`,
    );
  }
  const allowed = [...publicAudiences, ...context.ownOrigins];
  if (!allowed.some((audience) => normalizeAudience(audience) === normalizeAudience(claims.aud))) {
    return refuse(
      "InvalidAuthenticationTokenAudience",
      `The access token has been obtained for wrong audience or resource '${claims.aud}'. It should exactly match with one of the allowed audiences '${allowed.join("','")}'.`,
    );
  }
  const name = claims.upn ?? claims.appid ?? claims.oid;
  return { ok: true, claims, caller: { objectId: claims.oid, name, isUser: claims.idtyp === "user" } };
}

/** Tools build the audience by joining, so one or more trailing slashes mean nothing; letter case of a host neither. */
function normalizeAudience(audience: string): string {
  return audience.replace(/\/+$/, "").toLowerCase();
}

function refuse(code: string, message: string, description: string = message): CredentialVerdict {
  return { ok: false, refusal: { error: new ArmError(401, code, message), description } };
}

function refuseFault(fault: TokenFault, context: CredentialContext): CredentialVerdict {
  if (fault.kind === "expired") {
    return refuse(
      "ExpiredAuthenticationToken",
      `The access token expiry UTC time '${dotNetTime(fault.expiredAt * 1000)}' is earlier than current UTC time '${dotNetTime(context.now)}'.`,
    );
  }
  if (fault.kind === "issuer") {
    return refuse(
      "InvalidAuthenticationTokenTenant",
      `The access token is from the wrong issuer '${fault.issuer}'. It must match the tenant '${context.tenantId}' associated with this subscription.`,
    );
  }
  const refused = refuse("InvalidAuthenticationToken", faultText(fault, context));
  return fault.kind === "revoked" && !refused.ok
    ? { ok: false, refusal: { ...refused.refusal, claims: newerThan(context.now) } }
    : refused;
}

/** Asks for a token that was issued after now; a client that understands it gets one without its user's help. */
function newerThan(now: number): string {
  const nbf = { essential: true, value: String(Math.floor(now / 1000)) };
  return Buffer.from(JSON.stringify({ access_token: { nbf } })).toString("base64");
}

function faultText(
  fault: Exclude<TokenFault, { readonly kind: "expired" | "issuer" }>,
  context: CredentialContext,
): string {
  switch (fault.kind) {
    case "format":
      return `The access token is invalid. ${fault.detail}`;
    case "unknownKey":
    case "signature":
      return "The access token is invalid. Its signature could not be verified.";
    case "notYetValid":
      return `The access token is not yet valid: '${dotNetTime(fault.notBefore * 1000)}' is later than current UTC time '${dotNetTime(context.now)}'.`;
    case "missingObjectId":
      return "The access token is missing the object id claim.";
    case "revoked":
      return "The access token has been revoked.";
  }
}

/** `1/30/2025 10:38:31 AM`, as the service prints times. */
function dotNetTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  const hours = date.getUTCHours();
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getUTCMonth() + 1}/${date.getUTCDate()}/${date.getUTCFullYear()}`;
  const clock = `${hours % 12 === 0 ? 12 : hours % 12}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day} ${clock} ${hours < 12 ? "AM" : "PM"}`;
}

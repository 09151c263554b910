/**
 * Issuing access tokens: which claims a token of each kind carries, and for how long it lives. Claims are written in
 * the order of the platform's own tokens; `aio`, `rh` and `uti` are opaque there and random here.
 */
import { createHash } from "node:crypto";
import type { Principal } from "../azure/principal.ts";
import type { Clock, Entropy } from "../clock.ts";
import { encodePart } from "./jws.ts";
import type { Resource } from "./resources.ts";
import type { SigningKeys } from "./signing-keys.ts";

/** A day, less the second that makes the platform's tokens end within it. */
const MANAGED_IDENTITY_LIFETIME_SECONDS = 86_399;
const APPLICATION_LIFETIME_SECONDS = 3_599;
/** Users' tokens live 60 to 90 minutes, spread so that a fleet does not refresh at once. */
const USER_LIFETIME_SECONDS_MIN = 3_600;
const USER_LIFETIME_SPREAD_SECONDS = 1_800;

/** Tokens that can be taken back by a challenge live 20 to 28 hours. */
const CONTINUOUS_LIFETIME_SECONDS_MIN = 20 * 3600;
const CONTINUOUS_LIFETIME_SPREAD_SECONDS = 8 * 3600;

/** Tokens start five minutes in the past, as the platform's do, so that a service's clock may run behind. */
export const backdatingSeconds = 300;

/** The public client under which developers sign in (Azure CLI); every tenant has it. */
export const developerClientId = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/** Who the token speaks for, and how that was proven. */
export type TokenSubject =
  | {
      readonly kind: "managedIdentity";
      readonly principal: Principal;
      /** The host that asked, for a user-assigned identity. */
      readonly hostResourceId?: string;
    }
  | {
      readonly kind: "application";
      readonly principal: Principal;
      readonly proof: "secret" | "assertion";
    }
  | {
      readonly kind: "user";
      readonly principal: Principal;
      readonly clientId: string;
      /** How the client proved itself; `none` for a public client, which is the default. */
      readonly proof?: "none" | "secret" | "assertion";
      /** The `scp` claim; `user_impersonation` unless told. */
      readonly scope?: string;
    };

export interface IssueOptions {
  /** The client understands claims challenges: its tokens live for a day or more, as they can be taken back. */
  readonly continuous?: boolean;
}

/** Times in seconds since the epoch. */
export interface IssuedToken {
  readonly accessToken: string;
  readonly notBefore: number;
  readonly expiresOn: number;
  readonly expiresIn: number;
}

export interface TokenIssuer {
  /** `authority` (scheme and host) is named in version 2 tokens only. */
  issue(
    subject: TokenSubject,
    resource: Resource,
    authority: string,
    options?: IssueOptions,
  ): Promise<IssuedToken>;
}

/** The `xms_cc` of tokens that live long, because their client understands challenges. */
const continuousClaim = ["CP1"];

/** True for the claims of such a token. */
export function isContinuous(claims: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(claims["xms_cc"]);
}

/** The `iss` of version 1 tokens; a service of ours accepts nothing else. */
export function issuerV1(tenantId: string): string {
  return `https://sts.windows.net/${tenantId}/`;
}

/** The `iss` of version 2 tokens, under the authority's own address, where their key set is found. */
export function issuerV2(authority: string, tenantId: string): string {
  return `${authority}/${tenantId}/v2.0`;
}

/** An issuer that signs with the current one of `keys`. */
export function createTokenIssuer(options: {
  readonly keys: SigningKeys;
  readonly tenantId: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** The last second whose tokens (of long life, or others) are refused for this principal, if they were revoked. */
  readonly issuedUntil?: (objectId: string, continuous: boolean) => number | undefined;
}): TokenIssuer {
  return {
    async issue(subject, resource, authority, { continuous = false } = {}) {
      const key = await options.keys.current();
      const now = Math.floor(options.clock.now() / 1000);
      const expiresIn = continuous
        ? continuousLifetime(options.entropy)
        : lifetimeSeconds(subject, options.entropy);
      // A token made in the second of a revocation is dated after it, or it would be refused with the others.
      const refused = options.issuedUntil?.(subject.principal.objectId, continuous) ?? 0;
      const issuedAt = Math.max(now, refused + 1);
      const times = { notBefore: issuedAt - backdatingSeconds, expiresOn: now + expiresIn };
      const claims = {
        ...buildClaims(subject, resource, {
          ...options,
          authority: resource.authority ?? authority,
          ...times,
        }),
        ...(continuous ? { xms_cc: continuousClaim } : {}),
      };
      const header = { typ: "JWT", alg: "RS256", x5t: key.kid, kid: key.kid };
      const signingInput = `${encodePart(header)}.${encodePart(claims)}`;
      const signature = Buffer.from(await key.sign(signingInput)).toString("base64url");
      return { accessToken: `${signingInput}.${signature}`, expiresIn, ...times };
    },
  };
}

function lifetimeSeconds(subject: TokenSubject, entropy: Entropy): number {
  switch (subject.kind) {
    case "managedIdentity":
      return MANAGED_IDENTITY_LIFETIME_SECONDS;
    case "application":
      return APPLICATION_LIFETIME_SECONDS;
    case "user":
      return USER_LIFETIME_SECONDS_MIN + spread(entropy, USER_LIFETIME_SPREAD_SECONDS);
  }
}

function continuousLifetime(entropy: Entropy): number {
  return CONTINUOUS_LIFETIME_SECONDS_MIN + spread(entropy, CONTINUOUS_LIFETIME_SPREAD_SECONDS);
}

/** A number from 0 up to `seconds`, so that a fleet does not refresh at once. */
function spread(entropy: Entropy, seconds: number): number {
  const [high = 0, low = 0] = entropy.bytes(2);
  return ((high << 8) | low) % seconds;
}

interface ClaimFacts {
  readonly tenantId: string;
  readonly authority: string;
  readonly entropy: Entropy;
  readonly notBefore: number;
  readonly expiresOn: number;
}

function buildClaims(subject: TokenSubject, resource: Resource, facts: ClaimFacts): Record<string, unknown> {
  const { principal } = subject;
  const v2 = resource.tokenVersion === 2;
  const issuer = v2 ? issuerV2(facts.authority, facts.tenantId) : issuerV1(facts.tenantId);
  const clientId = subject.kind === "user" ? subject.clientId : principal.appId;
  const clientProof = proofOfClient(subject);
  return {
    aud: resource.audience,
    iss: issuer,
    iat: facts.notBefore,
    nbf: facts.notBefore,
    exp: facts.expiresOn,
    aio: opaque(facts.entropy, 30),
    ...(v2 ? { azp: clientId, azpacr: clientProof } : { appid: clientId, appidacr: clientProof }),
    ...(subject.kind === "user" ? { amr: ["pwd"] } : { idp: issuerV1(facts.tenantId) }),
    idtyp: subject.kind === "user" ? "user" : "app",
    ...(subject.kind === "user" ? { ipaddr: "127.0.0.1", name: principal.displayName } : {}),
    oid: principal.objectId,
    rh: `1.${opaque(facts.entropy, 36)}.`,
    ...(subject.kind === "user" ? { scp: subject.scope ?? "user_impersonation" } : {}),
    sub: subject.kind === "user" ? pairwiseSubject(principal.objectId, subject.clientId) : principal.objectId,
    tid: facts.tenantId,
    ...userNames(subject),
    uti: opaque(facts.entropy, 16),
    ver: v2 ? "2.0" : "1.0",
    ...(resource.firstParty ? managedIdentityClaims(subject) : {}),
  };
}

/** `0` public client, `1` secret, `2` certificate, federation or managed identity. */
function proofOfClient(subject: TokenSubject): string {
  const proof = subject.kind === "managedIdentity" ? "assertion" : (subject.proof ?? "none");
  if (proof === "none") return "0";
  return proof === "secret" ? "1" : "2";
}

function userNames(subject: TokenSubject): Record<string, unknown> {
  const upn = subject.principal.userPrincipalName;
  if (subject.kind !== "user" || upn === undefined) return {};
  return { unique_name: upn, upn };
}

/** The same for every token of this user to this client, different for every other client. */
export function pairwiseSubject(objectId: string, clientId: string): string {
  const pair = `${objectId} ${clientId}`;
  return createHash("sha256").update(pair).digest("base64url");
}

/** Which Azure resource the identity is (user-assigned) or sits on (system-assigned), in the platform's spelling. */
function managedIdentityClaims(subject: TokenSubject): Record<string, unknown> {
  const { resourceId, managedIdentity } = subject.principal;
  if (subject.kind !== "managedIdentity" || resourceId === undefined) return {};
  const host = managedIdentity === "user" ? subject.hostResourceId : undefined;
  return {
    ...(host === undefined ? {} : { xms_az_rid: lowerGroupSegment(host) }),
    xms_mirid: lowerGroupSegment(resourceId),
  };
}

function lowerGroupSegment(resourceId: string): string {
  return resourceId.replace(/\/resourcegroups\//i, "/resourcegroups/");
}

function opaque(entropy: Entropy, bytes: number): string {
  return Buffer.from(entropy.bytes(bytes)).toString("base64url");
}

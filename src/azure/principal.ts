/**
 * Who makes a request: the vocabulary that identity produces and every access check consumes. Only types and
 * pure functions; the token's signature has been checked before any of this exists.
 */

export type PrincipalType = "User" | "Group" | "ServicePrincipal";

/** A directory object that may hold roles. `objectId` is the `oid` claim and the principalId of assignments. */
export interface Principal {
  readonly objectId: string;
  readonly tenantId: string;
  readonly type: PrincipalType;
  readonly displayName: string;
  /** The application (client) id; absent for users and groups. */
  readonly appId?: string;
  readonly userPrincipalName?: string;
  /** For a managed identity: the id of the identity resource (user-assigned) or of its host (system-assigned). */
  readonly resourceId?: string;
  readonly managedIdentity?: "system" | "user";
}

/** Claims of an access token whose signature, issuer and lifetime were verified. Times in seconds since the epoch. */
export interface AccessTokenClaims {
  readonly aud: string;
  readonly iss: string;
  readonly tid: string;
  readonly oid: string;
  readonly exp: number;
  readonly nbf: number;
  readonly iat: number;
  readonly appid?: string;
  readonly idtyp?: "app" | "user";
  readonly upn?: string;
  readonly scp?: string;
  /** Group object ids carried by the token itself, if any. */
  readonly groups?: readonly string[];
}

/** Why a token was refused, in the order the checks are made (format, key, signature, times, issuer, oid). */
export type TokenFault =
  | { readonly kind: "format"; readonly detail: string }
  | { readonly kind: "unknownKey"; readonly detail: string }
  | { readonly kind: "signature"; readonly detail: string }
  | { readonly kind: "notYetValid"; readonly notBefore: number }
  | { readonly kind: "expired"; readonly expiredAt: number }
  | { readonly kind: "issuer"; readonly issuer: string; readonly tenantId: string }
  | { readonly kind: "missingObjectId" }
  | { readonly kind: "revoked" };

export type TokenVerdict =
  | { readonly ok: true; readonly claims: AccessTokenClaims }
  | { readonly ok: false; readonly fault: TokenFault; readonly claims?: Readonly<Record<string, unknown>> };

/**
 * Verifies everything but the audience, which only the receiving service can judge. A token seen before costs one
 * map look-up and a comparison of times.
 */
export type TokenVerifier = (token: string) => TokenVerdict | Promise<TokenVerdict>;

/** What an access check may ask the directory. */
export interface PrincipalDirectory {
  /** The principal with this object id, or `undefined` when it does not exist (any more). */
  find(objectId: string): Promise<Principal | undefined>;
  /** Object ids of all groups that contain this principal, transitively. */
  groupsOf(objectId: string): Promise<readonly string[]>;
}

/**
 * THE table of the authority's endpoints, the missing ones included: a row without a handler answers that it is not
 * implemented and shows as such in the support matrix. Every row is public, as an authority's endpoints are; what a
 * caller must prove is part of the grants. `{tenant}` stands for a tenant's id or domain, `common`,
 * `organizations`.
 */

import type { TokenVerifier } from "../azure/principal.ts";
import type { Clock, Entropy } from "../clock.ts";
import type { Reply, Request } from "../http/service.ts";
import type { Applications } from "./applications.ts";
import type { Consents } from "./consents.ts";
import type { Directory } from "./directory.ts";
import { instanceDiscovery, keySet, openIdConfiguration } from "./discovery.ts";
import type { FederatedKeys } from "./issuer-keys.ts";
import type { Passwords } from "./passwords.ts";
import type { RefreshTokens } from "./refresh-tokens.ts";
import type { ResourceResolver } from "./resources.ts";
import type { Revocations } from "./revocations.ts";
import type { SignIns } from "./sign-in/codes.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { token } from "./token-endpoint.ts";
import type { TokenIssuer } from "./tokens.ts";

/** Everything the endpoints work with. */
export interface AuthorityContext {
  readonly tenantId: string;
  readonly domain: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly directory: Directory;
  readonly applications: Applications;
  readonly keys: SigningKeys;
  readonly tokens: TokenIssuer;
  readonly resources: ResourceResolver;
  readonly federatedKeys: FederatedKeys;
  readonly verifier: TokenVerifier;
  readonly revocations: Revocations;
  readonly passwords: Passwords;
  readonly consents: Consents;
  readonly refreshTokens: RefreshTokens;
  readonly signIns: SignIns;
  /** Where a browser on this machine reaches the authority, the preferred address first. */
  readonly ownOrigins: () => readonly string[];
  /** Further host names (with port) under which this authority is reached, for instance discovery. */
  readonly authorityHosts: readonly string[];
}

/** One request after the gateway's phases. */
export interface AuthorityCall {
  readonly request: Request;
  /** The tenant as addressed; `common` and `organizations` name none. */
  readonly tenant: "ours" | "common" | "organizations" | "none";
  readonly query: ReadonlyMap<string, string>;
  readonly version: 1 | 2;
  readonly correlationId: string;
}

export type AuthorityHandler = (context: AuthorityContext, call: AuthorityCall) => Promise<Reply>;

export interface AuthorityOperation {
  readonly method: "GET" | "POST";
  /** Path segments; compared without regard to letter case. `{tenant}` and `{user}` match any one segment. */
  readonly path: string;
  readonly access: "public";
  /** Protocol version of the endpoint; 1 asks for `resource`, 2 for `scope`. */
  readonly version: 1 | 2;
  /** What a not-implemented answer calls it. */
  readonly name: string;
  readonly handler?: AuthorityHandler;
}

const row = (
  method: "GET" | "POST",
  path: string,
  version: 1 | 2,
  name: string,
  handler?: AuthorityHandler,
): AuthorityOperation => ({
  method,
  path,
  access: "public",
  version,
  name,
  ...(handler === undefined ? {} : { handler }),
});

/** A handler that is loaded with the first request for it: a start waits for nothing that only people need. */
const lazy =
  (load: () => Promise<AuthorityHandler>): AuthorityHandler =>
  async (context, call) =>
    (await load())(context, call);
const authorize = lazy(async () => (await import("./sign-in/authorize.ts")).authorize);
const submitSignIn = lazy(async () => (await import("./sign-in/authorize.ts")).submitSignIn);
const deviceCode = lazy(async () => (await import("./sign-in/device.ts")).deviceCode);
const devicePage = lazy(async () => (await import("./sign-in/device.ts")).devicePage);
const submitDevice = lazy(async () => (await import("./sign-in/device.ts")).submitDevice);
const signOut = lazy(async () => (await import("./sign-in/session.ts")).signOut);
const userInfo = lazy(async () => (await import("./sign-in/session.ts")).userInfo);
const userRealm = lazy(async () => (await import("./sign-in/session.ts")).userRealm);

/** Sorted by path; a literal segment is preferred to a placeholder. */
export const operations: readonly AuthorityOperation[] = [
  row("GET", "adfs/.well-known/openid-configuration", 1, "AD FS discovery", openIdConfiguration),
  row("GET", "common/discovery/instance", 1, "instance discovery", instanceDiscovery),
  row("GET", "common/userrealm/{user}", 1, "user realm discovery", userRealm),
  row("GET", "{tenant}/.well-known/openid-configuration", 1, "OpenID discovery", openIdConfiguration),
  row("GET", "{tenant}/discovery/keys", 1, "the key set", keySet),
  row("GET", "{tenant}/discovery/v2.0/keys", 2, "the key set", keySet),
  row("GET", "{tenant}/oauth2/authorize", 1, "interactive sign-in", authorize),
  row("POST", "{tenant}/oauth2/authorize", 1, "interactive sign-in", submitSignIn),
  row("GET", "{tenant}/oauth2/deviceauth", 1, "the device code page", devicePage),
  row("POST", "{tenant}/oauth2/deviceauth", 1, "the device code page", submitDevice),
  row("POST", "{tenant}/oauth2/devicecode", 1, "the device code flow", deviceCode),
  row("GET", "{tenant}/oauth2/logout", 1, "sign-out", signOut),
  row("POST", "{tenant}/oauth2/token", 1, "the token endpoint", token),
  row("GET", "{tenant}/oauth2/v2.0/authorize", 2, "interactive sign-in", authorize),
  row("POST", "{tenant}/oauth2/v2.0/authorize", 2, "interactive sign-in", submitSignIn),
  row("POST", "{tenant}/oauth2/v2.0/devicecode", 2, "the device code flow", deviceCode),
  row("GET", "{tenant}/oauth2/v2.0/logout", 2, "sign-out", signOut),
  row("POST", "{tenant}/oauth2/v2.0/token", 2, "the token endpoint", token),
  row("GET", "{tenant}/openid/userinfo", 1, "user information", userInfo),
  row("GET", "{tenant}/v2.0/.well-known/openid-configuration", 2, "OpenID discovery", openIdConfiguration),
];

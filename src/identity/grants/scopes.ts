/**
 * The `scope` parameter of grants in which a user takes part: names of one resource, and the names that OpenID Connect
 * reserves. Apart from the client credentials grant, which knows nothing but `.default`.
 */
import { AuthorityError, faults } from "../errors.ts";
import { audienceOfScope } from "../resources.ts";

/** What was asked for. */
export interface RequestedScopes {
  /** The resource's audience, verbatim; Microsoft Graph when only reserved names were given. */
  readonly audience: string;
  /** Permission names at the resource for the `scp` claim. */
  readonly names: readonly string[];
  /** The resource's scopes as the client wrote them. */
  readonly written: readonly string[];
  readonly openid: boolean;
  readonly offlineAccess: boolean;
  /** All reserved names as written. */
  readonly reserved: readonly string[];
}

const RESERVED: ReadonlySet<string> = new Set(["openid", "profile", "email", "offline_access"]);
const SCOPES_MAX = 50;

/** True for the names of OpenID Connect: `openid`, `profile`, `email`, `offline_access`. */
export function isReservedScope(name: string): boolean {
  return RESERVED.has(name.toLowerCase());
}

const graphAudience = "https://graph.microsoft.com";

/** Reads a scope parameter. Throws `AuthorityError` for more than one resource or what is no scope. */
export function parseScopes(text: string): RequestedScopes {
  const all = text.split(" ").filter((scope) => scope !== "");
  if (all.length > SCOPES_MAX || all.some((scope) => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))) {
    throw new AuthorityError(faults.invalidScope(text.slice(0, 300)));
  }
  const reserved = all.filter(isReservedScope);
  const written = all.filter((scope) => !isReservedScope(scope));
  const parsed = written.map(splitScope);
  const audiences = new Set(parsed.map((scope) => scope.audience));
  if (audiences.size > 1) throw new AuthorityError(faults.severalResources(text));
  const [audience = graphAudience] = audiences;
  return {
    audience,
    names: [...new Set(parsed.map((scope) => scope.name))],
    written,
    openid: reserved.includes("openid"),
    offlineAccess: reserved.includes("offline_access"),
    reserved,
  };
}

/** `https://x/.default`, `https://x/name`, `<app id>/name`, or a bare name of Microsoft Graph. */
function splitScope(scope: string): { readonly audience: string; readonly name: string } {
  const byDefault = audienceOfScope(scope);
  if (byDefault !== undefined) return { audience: byDefault, name: "user_impersonation" };
  const slash = scope.lastIndexOf("/");
  if (slash < 0) return { audience: graphAudience, name: scope };
  const [audience, name] = [scope.slice(0, slash), scope.slice(slash + 1)];
  if (audience === "" || name === "" || audience.endsWith(":/"))
    throw new AuthorityError(faults.invalidScope(scope));
  return { audience, name };
}

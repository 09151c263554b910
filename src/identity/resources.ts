/**
 * Which resources exist to ask tokens for, and what their tokens look like. The authority answers for the services
 * that this system runs and for the tenant's own applications; any other name is AADSTS500011, as in the cloud.
 */
import type { Applications } from "./applications.ts";

/** Services whose audience is the same in every tenant (public cloud), in canonical form. */
const FIRST_PARTY: ReadonlySet<string> = new Set([
  "https://cosmos.azure.com",
  "https://database.windows.net",
  "https://graph.microsoft.com",
  "https://graph.windows.net",
  "https://management.azure.com",
  "https://management.core.windows.net",
  "https://storage.azure.com",
  "https://vault.azure.net",
]);

/** What a managed identity asks for to prove an application that trusts it. */
const TOKEN_EXCHANGE = "api://azureadtokenexchange";
/** The application behind that name, which its tokens are for. */
export const tokenExchangeAppId = "fb60f99c-7a34-4190-8149-302f77469936";

const AUDIENCE_LENGTH_MAX = 1024;
/** The authority of the public cloud, whatever address it has here. */
const publicAuthority = "https://login.microsoftonline.com";
const DEFAULT_SCOPE = "/.default";

export interface Resource {
  /** The `aud` claim: the name as asked for, or the app id where the resource wants version 2 tokens. */
  readonly audience: string;
  readonly tokenVersion: 1 | 2;
  /** True for services of the platform, whose tokens also say which Azure resource a managed identity belongs to. */
  readonly firstParty: boolean;
  /** The authority that version 2 tokens name, where it is not the one that was asked. */
  readonly authority?: string;
}

export type ResourceResolver = (audience: string) => Promise<Resource | undefined>;

/**
 * Resolves audiences. `knownResource` is asked with the canonical form (see `canonicalAudience`) and answers for the
 * local endpoints and accounts that exist right now.
 */
export function createResourceResolver(
  applications: Applications,
  knownResource: (audience: string) => boolean,
): ResourceResolver {
  return async (audience) => {
    if (!isAudience(audience)) return undefined;
    const canonical = canonicalAudience(audience);
    if (FIRST_PARTY.has(canonical) || knownResource(canonical)) {
      return { audience, tokenVersion: 1, firstParty: true };
    }
    if (canonical === TOKEN_EXCHANGE) {
      return { audience: tokenExchangeAppId, tokenVersion: 2, firstParty: true, authority: publicAuthority };
    }
    const application = await applications.findByAudience(audience);
    if (application === undefined) return undefined;
    const tokenVersion = application.accessTokenVersion;
    return { audience: tokenVersion === 2 ? application.appId : audience, tokenVersion, firstParty: false };
  };
}

/** Domains of the platform, whose names no tenant can prove to be its own, and this machine: our services' addresses. */
const PLATFORM_HOST =
  /^https:\/\/([^/?#]+\.(azure\.com|azure\.net|windows\.net|microsoft\.com|microsoftonline\.com)|localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/** True for names of the platform's own services and accounts: no application of the tenant may answer to one. */
export function isPlatformAudience(audience: string): boolean {
  const canonical = canonicalAudience(audience);
  return canonical === TOKEN_EXCHANGE || FIRST_PARTY.has(canonical) || PLATFORM_HOST.test(canonical);
}

/** One spelling of an audience: scheme and host in lower case, no trailing slash; other texts unchanged. */
export function canonicalAudience(audience: string): string {
  const match = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]+)(.*)$/i.exec(audience);
  if (match === null) return audience;
  return `${match[1]?.toLowerCase()}${match[2]?.replace(/\/+$/, "")}`;
}

/** The audience of a `.default` scope: what stands before the last `/.default`, verbatim; `undefined` for other scopes. */
export function audienceOfScope(scope: string): string | undefined {
  if (!scope.endsWith(DEFAULT_SCOPE)) return undefined;
  const audience = scope.slice(0, -DEFAULT_SCOPE.length);
  return audience === "" ? undefined : audience;
}

function isAudience(text: string): boolean {
  return text.length <= AUDIENCE_LENGTH_MAX && /^[\x21-\x7e]+$/.test(text);
}

/**
 * The authority's published documents: OpenID configuration, key set and instance discovery. Every URL in them is
 * built on the origin under which the caller reached us, so each front door describes itself.
 */
import { json } from "../http/reply.ts";
import type { Reply } from "../http/service.ts";
import { AuthorityError, faults } from "./errors.ts";
import type { AuthorityCall, AuthorityContext } from "./operations.ts";
import { issuerV1, issuerV2 } from "./tokens.ts";

/** The public cloud's names for one authority. The first is where requests go, the second names caches. */
const PUBLIC_CLOUD = {
  preferred_network: "login.microsoftonline.com",
  preferred_cache: "login.windows.net",
  aliases: ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
};

const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** `GET .../.well-known/openid-configuration`, in its version 1, version 2 and AD FS forms. */
export async function openIdConfiguration(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const { origin } = call.request;
  if (call.tenant === "none") return json(200, adfsConfiguration(context, origin));
  const tenant = call.tenant === "ours" ? context.tenantId : call.tenant;
  const base = `${origin}/${tenant}`;
  const oauth = call.version === 2 ? `${base}/oauth2/v2.0` : `${base}/oauth2`;
  // For a tenant-independent authority the issuer is a template that the reader fills in from the token.
  const issuerTenant = call.tenant === "ours" ? context.tenantId : "{tenantid}";
  return json(200, {
    token_endpoint: `${oauth}/token`,
    token_endpoint_auth_methods_supported: ["client_secret_post", "private_key_jwt", "client_secret_basic"],
    jwks_uri: call.version === 2 ? `${base}/discovery/v2.0/keys` : `${base}/discovery/keys`,
    response_modes_supported: ["query", "fragment", "form_post"],
    subject_types_supported: ["pairwise"],
    id_token_signing_alg_values_supported: ["RS256"],
    response_types_supported: ["code"],
    code_challenge_methods_supported: ["S256"],
    scopes_supported: ["openid", "profile", "email", "offline_access"],
    issuer: call.version === 2 ? issuerV2(origin, issuerTenant) : issuerV1(issuerTenant),
    request_uri_parameter_supported: false,
    userinfo_endpoint: `${base}/openid/userinfo`,
    authorization_endpoint: `${oauth}/authorize`,
    device_authorization_endpoint: `${oauth}/devicecode`,
    http_logout_supported: true,
    frontchannel_logout_supported: true,
    end_session_endpoint: `${oauth}/logout`,
    claims_supported: claimsSupported(call.version),
    tenant_region_scope: null,
    cloud_instance_name: "microsoftonline.com",
    cloud_graph_host_name: "graph.windows.net",
    msgraph_host: "graph.microsoft.com",
    rbac_url: "https://pas.windows.net",
  });
}

function claimsSupported(version: 1 | 2): readonly string[] {
  const shared = ["sub", "iss", "cloud_instance_name", "cloud_graph_host_name", "msgraph_host"];
  const rest = ["aud", "exp", "iat", "auth_time", "acr", "nonce"];
  return version === 2
    ? [...shared, ...rest, "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"]
    : [...shared, ...rest, "amr", "upn", "unique_name", "name", "tid", "ver"];
}

/** Clients that take us for AD FS skip instance discovery and use what is advertised: our own version 2 endpoints. */
function adfsConfiguration(context: AuthorityContext, origin: string): Record<string, unknown> {
  const base = `${origin}/${context.tenantId}`;
  return {
    issuer: `${origin}/adfs`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    token_endpoint: `${base}/oauth2/v2.0/token`,
    jwks_uri: `${base}/discovery/v2.0/keys`,
    device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    token_endpoint_auth_methods_supported: ["client_secret_post", "private_key_jwt", "client_secret_basic"],
    id_token_signing_alg_values_supported: ["RS256"],
    response_types_supported: ["code"],
    subject_types_supported: ["pairwise"],
  };
}

/** `GET .../discovery/keys`: every key whose tokens are accepted, or will be after the next rotation. */
export async function keySet(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const issuer = call.version === 2 ? issuerV2(call.request.origin, context.tenantId) : undefined;
  const keys = await context.keys.published();
  return json(200, {
    keys: issuer === undefined ? keys : keys.map((key) => ({ ...key, issuer })),
  });
}

/**
 * `GET /common/discovery/instance`: whether a host is an authority. We vouch for the public cloud's names (which lead
 * here in transparent mode), for the name the caller used, for loopback, and for what the configuration adds.
 */
export async function instanceDiscovery(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const given = call.query.get("authorization_endpoint");
  if (given === undefined) throw new AuthorityError(faults.missingParameter("authorization_endpoint"));
  const endpoint = URL.canParse(given) ? new URL(given) : undefined;
  const [tenant, ...rest] = endpoint?.pathname.split("/").filter((part) => part !== "") ?? [];
  if (endpoint?.protocol !== "https:" || tenant === undefined || !isOurHost(context, call, endpoint)) {
    throw new AuthorityError(faults.unknownInstance());
  }
  const version = rest[1]?.toLowerCase() === "v2.0" ? "/v2.0" : "";
  const { host } = endpoint;
  const own = { preferred_network: host, preferred_cache: host, aliases: [host] };
  return json(200, {
    tenant_discovery_endpoint: `https://${host}/${tenant}${version}/.well-known/openid-configuration`,
    "api-version": "1.1",
    metadata: PUBLIC_CLOUD.aliases.includes(host) ? [PUBLIC_CLOUD] : [PUBLIC_CLOUD, own],
  });
}

function isOurHost(context: AuthorityContext, call: AuthorityCall, endpoint: URL): boolean {
  return (
    PUBLIC_CLOUD.aliases.includes(endpoint.hostname) ||
    LOOPBACK_HOSTS.has(endpoint.hostname) ||
    endpoint.origin === call.request.origin ||
    context.authorityHosts.includes(endpoint.host)
  );
}

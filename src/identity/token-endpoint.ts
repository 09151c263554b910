/**
 * `POST /{tenant}/oauth2[/v2.0]/token`. It owns the phases - form, grant, client authentication, resource - so that
 * no grant can forget one; a grant only says what token to make of them.
 */
import { json } from "../http/reply.ts";
import type { Reply, Request } from "../http/service.ts";
import { AuthorityError, faults } from "./errors.ts";
import { authenticateClient } from "./grants/client-authentication.ts";
import { clientCredentials } from "./grants/client-credentials.ts";
import type { Grant } from "./grants/grant.ts";
import type { AuthorityCall, AuthorityContext } from "./operations.ts";
import { parseParameters } from "./parameters.ts";
import type { Resource } from "./resources.ts";
import { audienceOfScope } from "./resources.ts";
import type { IssuedToken } from "./tokens.ts";

const FORM_BYTES_MAX = 64 * 1024;

/** Tokens that live longer than this also say when to refresh them: at half their life. */
const REFRESH_HINT_SECONDS_MIN = 2 * 3600;

/** Every grant of the protocol; one without a handler is refused as unsupported. */
const GRANTS: Readonly<Record<string, Grant | undefined>> = {
  authorization_code: undefined,
  client_credentials: clientCredentials,
  password: undefined,
  refresh_token: undefined,
  "urn:ietf:params:oauth:grant-type:device_code": undefined,
  "urn:ietf:params:oauth:grant-type:jwt-bearer": undefined,
};

/** Grants a token, or throws `AuthorityError`. */
export async function token(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const form = readForm(call.request);
  const grantType = form.get("grant_type");
  if (grantType === undefined) throw new AuthorityError(faults.missingParameter("grant_type"));
  const grant = Object.hasOwn(GRANTS, grantType) ? GRANTS[grantType] : undefined;
  if (grant === undefined) throw new AuthorityError(faults.unsupportedGrantType(grantType));
  if (call.tenant !== "ours") throw new AuthorityError(faults.noTenant());
  const client = await authenticateClient(context, call, form);
  const requested = readAudience(call, form);
  const resource = await context.resources(requested);
  if (resource === undefined) throw new AuthorityError(faults.resourceNotFound(requested, context.domain));
  const issued = await grant(context, { client, resource, authority: call.request.origin, form });
  return json(200, tokenBody(call, resource, issued));
}

function readForm(request: Request): ReadonlyMap<string, string> {
  const type = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  // What is no form has no parameters; the platform then misses the first one.
  if (type !== "application/x-www-form-urlencoded")
    throw new AuthorityError(faults.missingParameter("grant_type"));
  if (request.body.length > FORM_BYTES_MAX) throw new AuthorityError(faults.malformedRequest());
  const form = parseParameters(Buffer.from(request.body).toString("utf8"));
  if (!form.ok) {
    throw new AuthorityError(
      form.fault === "duplicate" ? faults.duplicateParameter(form.name) : faults.malformedRequest(),
    );
  }
  return form.values;
}

/** Version 1 names the resource; version 2 names it by its `.default` scope, one resource at a time. */
function readAudience(call: AuthorityCall, form: ReadonlyMap<string, string>): string {
  if (call.version === 1) {
    const resource = form.get("resource");
    if (resource === undefined || resource === "")
      throw new AuthorityError(faults.missingParameter("resource"));
    return resource;
  }
  const scope = form.get("scope")?.trim();
  if (scope === undefined || scope === "") throw new AuthorityError(faults.missingParameter("scope"));
  if (scope.includes(" ")) throw new AuthorityError(faults.invalidScope(scope));
  const audience = audienceOfScope(scope);
  if (audience === undefined) throw new AuthorityError(faults.scopeWithoutDefault(scope));
  return audience;
}

/** Version 2 answers with numbers, version 1 with strings and the token's times and resource. */
function tokenBody(call: AuthorityCall, resource: Resource, issued: IssuedToken): Record<string, unknown> {
  const { accessToken, expiresIn } = issued;
  if (call.version === 1) {
    return {
      token_type: "Bearer",
      expires_in: String(expiresIn),
      ext_expires_in: String(expiresIn),
      expires_on: String(issued.expiresOn),
      not_before: String(issued.notBefore),
      resource: resource.audience,
      access_token: accessToken,
    };
  }
  return {
    token_type: "Bearer",
    expires_in: expiresIn,
    ext_expires_in: expiresIn,
    ...(expiresIn > REFRESH_HINT_SECONDS_MIN ? { refresh_in: Math.floor(expiresIn / 2) } : {}),
    access_token: accessToken,
  };
}

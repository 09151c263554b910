/**
 * `POST /{tenant}/oauth2[/v2.0]/token`. It owns the phases - form, grant, tenant, client authentication - so that no
 * grant can forget one; a grant only says what tokens to make of them.
 */
import { json } from "../http/reply.ts";
import type { Reply } from "../http/service.ts";
import { AuthorityError, faults } from "./errors.ts";
import { authorizationCode } from "./grants/authorization-code.ts";
import { authenticateClient } from "./grants/client-authentication.ts";
import { clientCredentials } from "./grants/client-credentials.ts";
import { deviceCodeGrant } from "./grants/device-code.ts";
import type { Grant, GrantResult } from "./grants/grant.ts";
import { onBehalfOf } from "./grants/on-behalf-of.ts";
import { password } from "./grants/password.ts";
import { refreshToken } from "./grants/refresh-token.ts";
import type { AuthorityCall, AuthorityContext } from "./operations.ts";
import { formParameters } from "./parameters.ts";

/** Tokens that live longer than this also say when to refresh them: at half their life. */
const REFRESH_HINT_SECONDS_MIN = 2 * 3600;

interface GrantRow {
  /** `proven`: the client must prove who it is; `any`: a public client need not. */
  readonly client: "proven" | "any";
  /** `own`: the tenant must be named; `any`: `common` and `organizations` will do, as the user says which it is. */
  readonly tenant: "own" | "any";
  readonly grant: Grant;
}

/** Every grant of the protocol. */
const GRANTS: Readonly<Record<string, GrantRow | undefined>> = {
  authorization_code: { client: "any", tenant: "any", grant: authorizationCode },
  client_credentials: { client: "proven", tenant: "own", grant: clientCredentials },
  device_code: { client: "any", tenant: "any", grant: deviceCodeGrant },
  password: { client: "any", tenant: "any", grant: password },
  refresh_token: { client: "any", tenant: "any", grant: refreshToken },
  "urn:ietf:params:oauth:grant-type:device_code": { client: "any", tenant: "any", grant: deviceCodeGrant },
  "urn:ietf:params:oauth:grant-type:jwt-bearer": { client: "proven", tenant: "any", grant: onBehalfOf },
};

/** Grants tokens, or throws `AuthorityError`. */
export async function token(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const form = formParameters(call.request);
  const grantType = form.get("grant_type");
  if (grantType === undefined) throw new AuthorityError(faults.missingParameter("grant_type"));
  const row = Object.hasOwn(GRANTS, grantType) ? GRANTS[grantType] : undefined;
  if (row === undefined) throw new AuthorityError(faults.unsupportedGrantType(grantType));
  if (call.tenant !== "ours" && (row.tenant === "own" || call.tenant === "none"))
    throw new AuthorityError(faults.noTenant());
  const client = await authenticateClient(context, call, form, row.client);
  return json(200, tokenBody(call, await row.grant(context, { call, client, form })));
}

/** Version 2 answers with numbers, version 1 with strings and the token's times and resource. */
function tokenBody(call: AuthorityCall, { issued, resource, more }: GrantResult): Record<string, unknown> {
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
      ...more,
    };
  }
  return {
    token_type: "Bearer",
    expires_in: expiresIn,
    ext_expires_in: expiresIn,
    ...(expiresIn > REFRESH_HINT_SECONDS_MIN ? { refresh_in: Math.floor(expiresIn / 2) } : {}),
    access_token: accessToken,
    ...more,
  };
}

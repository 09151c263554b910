/** The grant that goes on with an earlier sign-in (RFC 6749 section 6), for the same resource or another. */
import { AuthorityError, faults } from "../errors.ts";
import type { Grant } from "./grant.ts";
import { parseScopes } from "./scopes.ts";
import {
  issueUserTokens,
  refreshingClient,
  requestedScopes,
  requireConsent,
  requireResource,
  requireUser,
} from "./user-tokens.ts";

export const refreshToken: Grant = async (context, request) => {
  const given = request.form.get("refresh_token");
  if (given === undefined || given === "") throw new AuthorityError(faults.missingParameter("refresh_token"));
  const requested = requestedScopes(request, parseScopes("openid profile offline_access"));
  // What can be refused without using the token up is refused first.
  await requireResource(context, requested);
  const rotated = await context.refreshTokens.rotate(given, refreshingClient(request));
  if (!rotated.ok) {
    switch (rotated.reason) {
      case "malformed":
        throw new AuthorityError(faults.malformedGrant("refresh_token"));
      case "otherClient":
        throw new AuthorityError(faults.grantOfOtherClient());
      case "unproven":
        throw new AuthorityError(faults.notPublicClient());
      case "expired":
        throw new AuthorityError(faults.refreshExpired());
      case "reused":
        throw new AuthorityError(faults.refreshReused());
      case "revoked":
        throw new AuthorityError(faults.grantRevoked());
    }
  }
  const { userId, stamp, token } = rotated;
  const user = await requireUser(context, userId);
  await requireConsent(context, request, user.objectId, requested);
  return issueUserTokens(context, request, { user, stamp, requested, refreshToken: token });
};

/** The grant in which a program sends a user's name and password (RFC 6749 section 4.3), for scripts and tests. */
import { AuthorityError, faults } from "../errors.ts";
import type { Grant, GrantRequest } from "./grant.ts";
import { issueUserTokens, requestedScopes, requireConsent } from "./user-tokens.ts";

export const password: Grant = async (context, request) => {
  requirePublic(request);
  const [name, text] = [request.form.get("username"), request.form.get("password")];
  if (name === undefined || name === "") throw new AuthorityError(faults.missingParameter("username"));
  if (text === undefined || text === "") throw new AuthorityError(faults.missingParameter("password"));
  const requested = requestedScopes(request);
  const checked = await context.passwords.check(name, text);
  if (!checked.ok) {
    if (checked.reason === "locked") throw new AuthorityError(faults.accountLocked());
    throw new AuthorityError(
      checked.reason === "unknown"
        ? faults.userNotFound(name.slice(0, 200), context.domain)
        : faults.wrongPassword(),
    );
  }
  const { user, stamp } = checked;
  await requireConsent(context, request, user.objectId, requested);
  return issueUserTokens(context, request, { user, stamp, requested });
};

/** A public redirect address lets a client redeem its codes without proof, and nothing else: no address comes here. */
function requirePublic({ client: { application, proof } }: GrantRequest): void {
  if (proof !== "none" || application === undefined || application.publicClient === true) return;
  throw new AuthorityError(faults.notPublicClient());
}

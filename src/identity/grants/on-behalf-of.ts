/**
 * The grant in which an API turns the token that a user's program sent it into one for the next API. The token must
 * be ours, a user's, alive, and meant for exactly the client that presents it.
 */
import { AuthorityError, faults } from "../errors.ts";
import type { AuthorityContext } from "../operations.ts";
import { verifyIssued } from "../verify.ts";
import type { AuthenticatedClient, Grant } from "./grant.ts";
import { issueUserTokens, requestedScopes, requireConsent, requireUser } from "./user-tokens.ts";

export const onBehalfOf: Grant = async (context, request) => {
  const { form, client } = request;
  if (form.get("requested_token_use") !== "on_behalf_of")
    throw new AuthorityError(faults.missingParameter("requested_token_use"));
  const assertion = form.get("assertion");
  if (assertion === undefined || assertion === "")
    throw new AuthorityError(faults.missingParameter("assertion"));
  const userId = readAssertion(context, client, assertion);
  const requested = requestedScopes(request);
  const user = await requireUser(context, userId);
  await requireConsent(context, request, user.objectId, requested);
  const stamp = await context.passwords.stampOf(userId);
  return issueUserTokens(context, request, { user, stamp, requested });
};

/** The object id of the assertion's user. Throws `AuthorityError`. */
function readAssertion(context: AuthorityContext, client: AuthenticatedClient, assertion: string): string {
  const verdict = verifyIssued(assertion, context);
  if (!verdict.ok) {
    if (verdict.fault.kind === "expired") throw new AuthorityError(faults.userAssertionExpired());
    if (verdict.fault.kind === "revoked") throw new AuthorityError(faults.grantRevoked());
    const detail = "detail" in verdict.fault ? verdict.fault.detail : verdict.fault.kind;
    throw new AuthorityError(faults.userAssertionSignature(detail));
  }
  const { aud, idtyp, scp, oid } = verdict.claims;
  const own = [client.appId, ...(client.application?.identifierUris ?? [])];
  if (!own.includes(aud)) throw new AuthorityError(faults.userAssertionAudience());
  // An id token is also for the client, but carries no right to anything.
  if (idtyp === "app" || scp === undefined) throw new AuthorityError(faults.userAssertionOfApp(client.appId));
  return oid;
}

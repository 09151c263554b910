/**
 * The grant that ends a browser sign-in (RFC 6749 section 4.1.3, RFC 7636). A code works once, for the client, the
 * redirect address and the verifier it was made for; whoever redeems it a second time ends what came of the first.
 */
import { AuthorityError, faults } from "../errors.ts";
import { type AuthorizationRequest, type RedeemableCode, sameSecret, sha256 } from "../sign-in/codes.ts";
import type { Grant, GrantRequest } from "./grant.ts";
import type { RequestedScopes } from "./scopes.ts";
import {
  isGrantOf,
  issueUserTokens,
  refreshingClient,
  requestedScopes,
  requireConsent,
  requireSignedIn,
} from "./user-tokens.ts";

/** Redeems `code`. */
export const authorizationCode: Grant = async (context, request) => {
  const code = request.form.get("code");
  if (code === undefined || code === "") throw new AuthorityError(faults.missingParameter("code"));
  const known = context.signIns.codes.get(code);
  if (known === undefined) throw new AuthorityError(faults.malformedGrant("code"));
  const { value: redeemable } = known;
  const earlier = redeemable.redeemed;
  if (earlier !== undefined) {
    earlier.replayed = true;
    if (earlier.family !== undefined) await context.refreshTokens.revoke(earlier.family);
    throw new AuthorityError(faults.codeRedeemed());
  }
  if (known.expired) throw new AuthorityError(faults.codeExpired());
  // From here on the code is used up, whether or not the rest is right: there is no second guess at a verifier.
  const redeemed: NonNullable<RedeemableCode["redeemed"]> = {};
  redeemable.redeemed = redeemed;
  const made = redeemable.request;
  if (!isGrantOf(made, request)) throw new AuthorityError(faults.grantOfOtherClient());
  checkRedirect(request, made);
  checkProof(request, made);
  const user = await requireSignedIn(context, redeemable);
  const requested = requestedScopes(request, made.requested);
  const wanted = withinSignIn(requested, made.requested);
  // What the user allowed on the page was written down then; anything more needs its own consent.
  await requireConsent(context, request, user.objectId, wanted);
  const fresh = wanted.offlineAccess
    ? await context.refreshTokens.issue(refreshingClient(request), user.objectId, redeemable.stamp)
    : undefined;
  if (fresh !== undefined) {
    redeemed.family = fresh.family;
    // Somebody else came with the code before there was anything to end.
    if (redeemed.replayed === true) await context.refreshTokens.revoke(fresh.family);
  }
  return issueUserTokens(context, request, {
    user,
    stamp: redeemable.stamp,
    requested: wanted,
    withoutRefreshToken: true,
    ...(made.nonce === undefined ? {} : { nonce: made.nonce }),
    ...(fresh === undefined ? {} : { refreshToken: fresh.token }),
  });
};

/** What was asked for on the page says for how long, and whether who signed in is told: here that can only become less. */
function withinSignIn(requested: RequestedScopes, signedInFor: RequestedScopes): RequestedScopes {
  const { openid, offlineAccess } = signedInFor;
  const reserved = requested.reserved.filter((name) => signedInFor.reserved.includes(name));
  return { ...requested, openid: requested.openid && openid, offlineAccess, reserved };
}

function checkRedirect({ form }: GrantRequest, made: AuthorizationRequest): void {
  const given = form.get("redirect_uri");
  if (given === made.redirectUri) return;
  throw new AuthorityError(faults.redirectMismatch((given ?? "").slice(0, 300), made.redirectUri));
}

/** The code's own proof; a challenge without verifier is as wrong as a verifier without challenge. */
function checkProof({ form, client }: GrantRequest, made: AuthorizationRequest): void {
  const verifier = form.get("code_verifier");
  if (made.codeChallenge === undefined) {
    if (verifier !== undefined) throw new AuthorityError(faults.wrongVerifier());
  } else if (
    verifier === undefined ||
    !/^[\w.~-]{43,128}$/.test(verifier) ||
    !sameSecret(sha256(verifier), made.codeChallenge)
  ) {
    throw new AuthorityError(faults.wrongVerifier());
  }
  if (made.platform === "web" && client.proof === "none") throw new AuthorityError(faults.notPublicClient());
}

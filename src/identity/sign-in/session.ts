/**
 * The endpoints around a sign-in: which realm a user name belongs to, what a token says about its user, and the
 * sign-out page. No session is kept here, so signing out only sends people back.
 */
import { json } from "../../http/reply.ts";
import type { Reply } from "../../http/service.ts";
import { AuthorityError, faults } from "../errors.ts";
import type { AuthorityCall, AuthorityContext } from "../operations.ts";
import { splitTarget } from "../parameters.ts";
import { canonicalAudience } from "../resources.ts";
import { pairwiseSubject } from "../tokens.ts";
import { page, paragraph } from "./pages.ts";
import { findRedirect, findSignInClient } from "./redirects.ts";

/** `GET /common/userrealm/{user}`: asked by libraries before they send a password. */
export async function userRealm(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const user = splitTarget(call.request.target)?.segments.at(-1) ?? "";
  const domain = user.slice(user.lastIndexOf("@") + 1).toLowerCase();
  const managed = domain === context.domain;
  return json(200, {
    ver: "1.0",
    account_type: managed ? "Managed" : "Unknown",
    ...(managed ? { domain_name: context.domain } : {}),
    cloud_instance_name: "microsoftonline.com",
    cloud_audience_urn: "urn:federation:MicrosoftOnline",
  });
}

/** `GET /{tenant}/openid/userinfo` with a token of the user for Microsoft Graph. Throws `AuthorityError`. */
export async function userInfo(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const [, token] = /^bearer +(\S+)$/i.exec(call.request.headers["authorization"] ?? "") ?? [];
  if (token === undefined) throw new AuthorityError(faults.invalidToken("A bearer token is required."));
  const verdict = await context.verifier(token);
  if (!verdict.ok) throw new AuthorityError(faults.invalidToken("The token is not valid."));
  const { claims } = verdict;
  if (canonicalAudience(claims.aud) !== "https://graph.microsoft.com" || claims.idtyp !== "user") {
    throw new AuthorityError(faults.invalidToken("The token is not a user's for Microsoft Graph."));
  }
  const user = await context.directory.find(claims.oid);
  if (user === undefined) throw new AuthorityError(faults.invalidToken("The user does not exist any more."));
  return json(200, {
    sub: pairwiseSubject(user.objectId, claims.appid ?? ""),
    name: user.displayName,
    preferred_username: user.userPrincipalName,
    email: user.userPrincipalName,
  });
}

/** `GET .../logout`: goes back only to an address that the named client registered. */
export async function signOut(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const target = call.query.get("post_logout_redirect_uri");
  const clientId = call.query.get("client_id");
  const client = clientId === undefined ? undefined : await findSignInClient(context.applications, clientId);
  const cookie = "celestite-sign-in=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";
  if (target !== undefined && client !== undefined && findRedirect(client, target) !== undefined) {
    const state = call.query.get("state");
    const mark = target.includes("?") ? "&" : "?";
    const suffix = state === undefined ? "" : `${mark}state=${encodeURIComponent(state)}`;
    return { status: 302, headers: { location: `${target}${suffix}`, "set-cookie": cookie } };
  }
  return page(200, "You have signed out", paragraph("You may close this window."), { cookie });
}

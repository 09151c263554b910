/**
 * `GET /{tenant}/oauth2[/v2.0]/authorize` and the form that answers its page: a client sends a person here, the person
 * signs in, and the person goes back with a code that only the client can redeem. Until client and redirect address
 * are known to belong together every fault is a page; only then is anybody redirected.
 */
import type { Reply } from "../../http/service.ts";
import { AuthorityError, type AuthorityFault, describe, faults } from "../errors.ts";
import { parseScopes, type RequestedScopes } from "../grants/scopes.ts";
import { requireResource } from "../grants/user-tokens.ts";
import type { AuthorityCall, AuthorityContext } from "../operations.ts";
import { formParameters } from "../parameters.ts";
import type { AuthorizationRequest, PendingPage } from "./codes.ts";
import { sameSecret, sha256 } from "./codes.ts";
import { formPost, page, paragraph, signInForm } from "./pages.ts";
import { findRedirect, findSignInClient, type SignInClient } from "./redirects.ts";

/** Wrong passwords that one page forgives. */
export const failuresMax = 5;
const cookieName = "celestite-sign-in";

type Parameters = ReadonlyMap<string, string>;

/** Shows the sign-in page, or says on a page or by redirect why not. */
export async function authorize(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const { query } = call;
  let target: Pick<AuthorizationRequest, "redirectUri" | "responseMode" | "state">;
  let client: SignInClient;
  let platform: "web" | "public";
  try {
    client = await requireClient(context, query);
    const redirect = requireRedirect(client, query);
    platform = redirect.platform;
    target = { ...readMode(query), redirectUri: redirect.uri, ...optional(query, "state") };
  } catch (error) {
    return faultPage(error);
  }
  try {
    const request = { ...readRequest(call, client, platform), ...target };
    await requireResource(context, request.requested);
    if (query.get("prompt") === "none") throw new AuthorityError(faults.signInRequired());
    return showPage(context, call, request);
  } catch (error) {
    if (!(error instanceof AuthorityError)) throw error;
    return sendBack(context, target, faultFields(error.fault));
  }
}

async function requireClient(context: AuthorityContext, query: Parameters): Promise<SignInClient> {
  const clientId = query.get("client_id");
  if (clientId === undefined || clientId === "")
    throw new AuthorityError(faults.missingParameter("client_id"));
  const client = await findSignInClient(context.applications, clientId);
  if (client === undefined) throw new AuthorityError(faults.applicationNotFound(clientId, context.domain));
  return client;
}

/** The registered address that the client named, with the port it chose; or the only one when it named none. */
function requireRedirect(
  client: SignInClient,
  query: Parameters,
): { readonly uri: string; readonly platform: "web" | "public" } {
  const given = query.get("redirect_uri");
  const [only, ...others] = client.redirectUris;
  if (given === undefined && only !== undefined && others.length === 0) return only;
  const found = given === undefined ? undefined : findRedirect(client, given);
  if (given === undefined || found === undefined) {
    throw new AuthorityError(faults.redirectNotRegistered((given ?? "").slice(0, 300), client.appId));
  }
  return { uri: given, platform: found.platform };
}

function readMode(query: Parameters): Pick<AuthorizationRequest, "responseMode"> {
  const mode = query.get("response_mode") ?? "query";
  if (mode !== "query" && mode !== "fragment" && mode !== "form_post") {
    throw new AuthorityError(faults.unsupportedResponseMode(mode.slice(0, 100)));
  }
  return { responseMode: mode };
}

function readRequest(
  call: AuthorityCall,
  client: SignInClient,
  platform: "web" | "public",
): Omit<AuthorizationRequest, "redirectUri" | "responseMode" | "state"> {
  const { query } = call;
  const responseType = query.get("response_type");
  if (responseType === undefined) throw new AuthorityError(faults.missingParameter("response_type"));
  if (responseType !== "code") throw new AuthorityError(faults.unsupportedResponseType(responseType));
  return {
    clientId: client.appId,
    ...(client.registration === undefined ? {} : { registration: client.registration }),
    clientName: client.displayName,
    platform,
    requested: readScopes(call),
    ...readChallenge(query, client, platform),
    ...optional(query, "nonce"),
    ...(query.get("login_hint") === undefined ? {} : { loginHint: query.get("login_hint") ?? "" }),
  };
}

function readScopes({ version, query }: AuthorityCall): RequestedScopes {
  const scope = query.get("scope");
  if (version === 2) {
    if (scope === undefined || scope.trim() === "")
      throw new AuthorityError(faults.missingParameter("scope"));
    return parseScopes(scope);
  }
  const requested = parseScopes("openid offline_access");
  const audience = query.get("resource");
  return audience === undefined ? requested : { ...requested, audience, names: ["user_impersonation"] };
}

/** A public client has nothing else that shows that who redeems the code is who asked for it. */
function readChallenge(
  query: Parameters,
  client: SignInClient,
  platform: "web" | "public",
): Pick<AuthorizationRequest, "codeChallenge"> {
  const codeChallenge = query.get("code_challenge");
  if (codeChallenge === undefined) {
    if (platform === "web") return {};
    throw new AuthorityError(faults.challengeRequired(client.appId));
  }
  const method = query.get("code_challenge_method") ?? "plain";
  if (method !== "S256" || !/^[\w-]{43}$/.test(codeChallenge)) {
    throw new AuthorityError(faults.challengeMethod(method.slice(0, 40)));
  }
  return { codeChallenge };
}

function showPage(context: AuthorityContext, call: AuthorityCall, request: AuthorizationRequest): Reply {
  const { signIns } = context;
  const [flow, proof] = [signIns.secret(), signIns.secret()];
  signIns.pages.set(flow, { request, proof: sha256(proof), failures: 0 });
  return renderPage(context, call, { flow, request, cookie: pageCookie(call, proof) });
}

function renderPage(
  context: AuthorityContext,
  call: AuthorityCall,
  shown: {
    readonly flow: string;
    readonly request: AuthorizationRequest;
    readonly cookie?: string;
    readonly problem?: string;
  },
): Reply {
  const { flow, request, cookie, problem } = shown;
  const form = signInForm({
    action: `/${context.tenantId}/oauth2/${call.version === 2 ? "v2.0/" : ""}authorize`,
    flow,
    clientName: request.clientName,
    audience: request.requested.audience,
    tenant: context.domain,
    ...(request.loginHint === undefined ? {} : { loginHint: request.loginHint }),
    ...(problem === undefined ? {} : { problem }),
  });
  return page(problem === undefined ? 200 : 400, "Sign in", form, {
    formTargets: [new URL(request.redirectUri).origin].filter((origin) => origin !== "null"),
    ...(cookie === undefined ? {} : { cookie }),
  });
}

/** The cookie binds the form to the browser that was shown it, so that nobody can be signed in by another's form. */
export function pageCookie(call: AuthorityCall, proof: string): string {
  const secure = call.request.origin.startsWith("https:") ? "; Secure" : "";
  return `${cookieName}=${proof}; Path=/; HttpOnly; SameSite=Lax; Max-Age=600${secure}`;
}

/** The page that a posted form belongs to, if this browser was shown it. Throws `AuthorityError`. */
export function requirePage(context: AuthorityContext, call: AuthorityCall, form: Parameters): PendingPage {
  const known = context.signIns.pages.get(form.get("flow") ?? "");
  const cookies = (call.request.headers["cookie"] ?? "").split(/; */);
  const proof = cookies.find((cookie) => cookie.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1);
  if (
    known === undefined ||
    known.expired ||
    proof === undefined ||
    !sameSecret(sha256(proof), known.value.proof)
  ) {
    throw new AuthorityError(faults.malformedGrant("flow"));
  }
  return known.value;
}

/** `POST .../authorize`: the sign-in form. */
export async function submitSignIn(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  let form: Parameters;
  let shown: PendingPage;
  try {
    form = formParameters(call.request);
    shown = requirePage(context, call, form);
  } catch (error) {
    return faultPage(error);
  }
  const { request } = shown;
  const flow = form.get("flow") ?? "";
  if (request === undefined) return faultPage(new AuthorityError(faults.malformedGrant("flow")));
  if (form.get("decision") === "cancel") {
    context.signIns.pages.delete(flow);
    return sendBack(context, request, faultFields(faults.userCancelled()));
  }
  const checked = await context.passwords.check(form.get("username") ?? "", form.get("password") ?? "");
  if (!checked.ok) {
    shown.failures += 1;
    const isLocked = checked.reason === "locked";
    if (isLocked || shown.failures >= failuresMax) {
      context.signIns.pages.delete(flow);
      const fault = isLocked ? faults.accountLocked() : faults.tooManyFailures();
      return sendBack(context, request, faultFields(fault));
    }
    const problem = "The user name or the password is wrong.";
    return renderPage(context, call, { flow, request, problem });
  }
  context.signIns.pages.delete(flow);
  const userId = checked.user.objectId;
  await consent(context, request, userId);
  const code = context.signIns.secret();
  context.signIns.codes.set(code, { request, userId, stamp: checked.stamp });
  const session = new Map([
    ["code", code],
    ["session_state", sha256(flow).slice(0, 22)],
  ]);
  return sendBack(context, request, session);
}

/** Signing in is consent to what was asked for: these permissions at a resource, or the sign-in alone, which opens none. */
export async function consent(
  { consents }: AuthorityContext,
  { clientId, requested }: Pick<AuthorizationRequest, "clientId" | "requested">,
  userId: string,
): Promise<void> {
  const { audience, names } = requested;
  if (names.length > 0) await consents.grant(clientId, audience, userId, names);
}

function faultFields(fault: AuthorityFault): Map<string, string> {
  return new Map([
    ["error", fault.error],
    ["error_description", describe(fault)],
  ]);
}

/** Sends the person back to the client in the way it asked for. */
function sendBack(
  context: AuthorityContext,
  target: Pick<AuthorizationRequest, "redirectUri" | "responseMode" | "state">,
  fields: Map<string, string>,
): Reply {
  if (target.state !== undefined) fields.set("state", target.state);
  if (target.responseMode === "form_post") {
    const nonce = context.signIns.secret();
    const { origin } = new URL(target.redirectUri);
    return page(200, "Working", formPost(target.redirectUri, fields, nonce), {
      formTargets: [origin],
      script: nonce,
    });
  }
  const text = new URLSearchParams([...fields]).toString();
  const { redirectUri } = target;
  const mark = target.responseMode === "fragment" ? "#" : redirectUri.includes("?") ? "&" : "?";
  return {
    status: 302,
    headers: { location: `${redirectUri}${mark}${text}`, "referrer-policy": "no-referrer" },
  };
}

/** A fault as a page. Anything that is no fault of the request is thrown on. */
export function faultPage(error: unknown): Reply {
  if (!(error instanceof AuthorityError)) throw error;
  return page(error.fault.status, "That did not work", paragraph(describe(error.fault)));
}

function optional<Name extends "state" | "nonce">(
  query: Parameters,
  name: Name,
): Partial<Record<Name, string>> {
  const value = query.get(name);
  return value === undefined ? {} : ({ [name]: value } as Record<Name, string>);
}

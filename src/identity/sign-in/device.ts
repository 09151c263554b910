/**
 * The device code flow (RFC 8628): a device without a browser shows a short code, a person types it on the page here,
 * and the device's polling (grants/device-code.ts) is answered.
 */
import { json } from "../../http/reply.ts";
import type { Reply } from "../../http/service.ts";
import { AuthorityError, faults } from "../errors.ts";
import { parseScopes, type RequestedScopes } from "../grants/scopes.ts";
import { requireResource } from "../grants/user-tokens.ts";
import type { AuthorityCall, AuthorityContext } from "../operations.ts";
import { formParameters } from "../parameters.ts";
import { consent, failuresMax, faultPage, pageCookie, requirePage } from "./authorize.ts";
import type { DeviceRequest } from "./codes.ts";
import { deviceCodeSeconds, sha256 } from "./codes.ts";
import { deviceForm, page, paragraph } from "./pages.ts";
import { findSignInClient } from "./redirects.ts";

const POLL_SECONDS = 5;

/** `POST .../devicecode`: a new request to sign in. Throws `AuthorityError`. */
export async function deviceCode(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  // MSAL for Java sends its form under no content type, to this endpoint alone.
  const form = formParameters(call.request, { untyped: true });
  const clientId = form.get("client_id") ?? call.query.get("client_id");
  if (clientId === undefined || clientId === "")
    throw new AuthorityError(faults.missingParameter("client_id"));
  const client = await findSignInClient(context.applications, clientId);
  if (client === undefined) throw new AuthorityError(faults.applicationNotFound(clientId, context.domain));
  if (!client.publicClient) throw new AuthorityError(faults.notPublicClient());
  const requested = readScopes(call, form);
  await requireResource(context, requested);
  const { signIns } = context;
  const [code, userCode] = [signIns.secret(), signIns.userCode()];
  signIns.devices.set(code, {
    userCode,
    clientId: client.appId,
    ...(client.registration === undefined ? {} : { registration: client.registration }),
    clientName: client.displayName,
    requested,
    state: "pending",
  });
  const address = `${originForPeople(context, call)}/${context.tenantId}/oauth2/deviceauth`;
  const message = `To sign in, use a web browser to open the page ${address} and enter the code ${userCode} to authenticate.`;
  const shared = { user_code: userCode, device_code: code, message };
  return call.version === 2
    ? json(200, {
        ...shared,
        verification_uri: address,
        expires_in: deviceCodeSeconds,
        interval: POLL_SECONDS,
      })
    : json(200, {
        ...shared,
        verification_url: address,
        expires_in: String(deviceCodeSeconds),
        interval: String(POLL_SECONDS),
      });
}

/** Through a front door the device knows us by a public name, which leads a person's browser elsewhere. */
function originForPeople(context: AuthorityContext, call: AuthorityCall): string {
  const [local] = context.ownOrigins();
  const isPublic = /^https:\/\/[^/:]+\.(microsoftonline|windows|microsoft)\.(com|net)$/.test(
    call.request.origin,
  );
  return isPublic && local !== undefined ? local : call.request.origin;
}

function readScopes(call: AuthorityCall, form: ReadonlyMap<string, string>): RequestedScopes {
  if (call.version === 2) {
    const scope = form.get("scope");
    if (scope === undefined || scope.trim() === "")
      throw new AuthorityError(faults.missingParameter("scope"));
    return parseScopes(scope);
  }
  const audience = form.get("resource") ?? call.query.get("resource");
  if (audience === undefined) throw new AuthorityError(faults.missingParameter("resource"));
  return { ...parseScopes("openid offline_access"), audience, names: ["user_impersonation"] };
}

/** `GET .../deviceauth`: the page where the code is typed. */
export async function devicePage(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  const { signIns } = context;
  const [flow, proof] = [signIns.secret(), signIns.secret()];
  signIns.pages.set(flow, { proof: sha256(proof), failures: 0 });
  const userCode = call.query.get("otc");
  return page(
    200,
    "Enter code",
    deviceForm({ action: actionOf(context), flow, ...(userCode === undefined ? {} : { userCode }) }),
    { cookie: pageCookie(call, proof) },
  );
}

function actionOf(context: AuthorityContext): string {
  return `/${context.tenantId}/oauth2/deviceauth`;
}

/** `POST .../deviceauth`: code, user name and password, or the refusal. */
export async function submitDevice(context: AuthorityContext, call: AuthorityCall): Promise<Reply> {
  try {
    const form = formParameters(call.request);
    const shown = requirePage(context, call, form);
    const flow = form.get("flow") ?? "";
    const problem = await signIn(context, form);
    if (problem === undefined) {
      context.signIns.pages.delete(flow);
      const done =
        form.get("decision") === "cancel"
          ? "You declined. Nothing was signed in."
          : "You have signed in on your device. You may close this window.";
      return page(200, "Done", paragraph(done));
    }
    shown.failures += 1;
    if (shown.failures >= failuresMax) {
      context.signIns.pages.delete(flow);
      throw new AuthorityError(faults.tooManyFailures());
    }
    return page(400, "Enter code", deviceForm({ action: actionOf(context), flow, problem }));
  } catch (error) {
    return faultPage(error);
  }
}

/** Acts on the form; what was wrong with it as a sentence, or nothing. */
async function signIn(
  context: AuthorityContext,
  form: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  const wanted = (form.get("otc") ?? "").replace(/[\s-]/g, "").toUpperCase();
  const waiting = findDevice(context, wanted);
  if (waiting === undefined) return "No device waits with this code. Codes work once and for 15 minutes.";
  if (form.get("decision") === "cancel") {
    waiting.state = "declined";
    return undefined;
  }
  const checked = await context.passwords.check(form.get("username") ?? "", form.get("password") ?? "");
  if (!checked.ok) {
    if (checked.reason === "locked") throw new AuthorityError(faults.accountLocked());
    return "The user name or the password is wrong.";
  }
  // Another form may have been faster while the password was checked.
  if (waiting.state !== "pending")
    return "No device waits with this code. Codes work once and for 15 minutes.";
  await consent(context, waiting, checked.user.objectId);
  waiting.state = { userId: checked.user.objectId, stamp: checked.stamp };
  return undefined;
}

function findDevice(context: AuthorityContext, userCode: string): DeviceRequest | undefined {
  for (const device of context.signIns.devices.values()) {
    if (device.userCode === userCode && device.state === "pending") return device;
  }
  return undefined;
}

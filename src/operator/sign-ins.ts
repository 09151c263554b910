/**
 * Requests for tokens that were refused, as records beside those of the other planes: a program that gets no token never
 * reaches a service, and whoever looks for the reason looks here. Apart from the endpoints because each of them answers
 * in a form of its own. No secret, assertion or token is ever read.
 */
import { type Clock, type Entropy, uuid } from "../clock.ts";
import type { Reply, Request, Service } from "../http/service.ts";
import { clipped, type DiagnosticRecord, type SignInPlace } from "../observability/diagnostic-records.ts";

export interface SignInParts {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly record: (entry: DiagnosticRecord) => void;
}

/** Where tokens are asked for: the authority's endpoints, or those of managed identities. */
export type SignInEndpoint = "authority" | "managed identity endpoint";

export interface SignIns {
  /** The service with its refusals recorded. */
  wrap(endpoint: SignInEndpoint, service: Service): Service;
}

export function createSignIns(parts: SignInParts): SignIns {
  return {
    wrap: (endpoint, service) => async (request) => {
      const started = parts.clock.now();
      const reply = await service(request);
      if (reply.status >= 400) recordRefusal(parts, endpoint, request, reply, started);
      return reply;
    },
  };
}

/** What a refusal says, in the forms of the authority, of IMDS and of App Service; Cloud Shell's is taken to theirs. */
interface Refusal {
  readonly error?: unknown;
  readonly error_description?: unknown;
  readonly message?: unknown;
  readonly correlation_id?: unknown;
  readonly error_codes?: unknown;
}

function recordRefusal(
  { clock, entropy, record }: SignInParts,
  endpoint: SignInEndpoint,
  request: Request,
  reply: Reply,
  started: number,
): void {
  const refusal = refusalOf(reply);
  const path = request.target.split("?", 1)[0] ?? "";
  if (refusal === undefined || isExpected(endpoint, path, request, reply, refusal)) return;
  const { error_description: description, message = description, correlation_id: correlationId } = refusal;
  const asked = askedOf(request);
  record({
    time: started,
    activityId: typeof correlationId === "string" ? correlationId : uuid(entropy),
    category: categoryOf(endpoint, asked.grantType),
    account: endpoint,
    operationName: "SignIn",
    method: request.method,
    resource: withoutSecret(path),
    statusCode: reply.status,
    substatus: 0,
    duration: clock.now() - started,
    requestCharge: 0,
    userAgent: request.headers["user-agent"] ?? "",
    clientIpAddress: request.remoteAddress,
    authTokenType: "",
    message: clipped(
      typeof message === "string" ? firstLine(message) : String(refusal.error ?? ""),
      messageMax,
    ),
    signIn: { ...asked, resultType: resultTypeOf(refusal) },
  });
}

/** In the path of Cloud Shell's endpoint the workload's secret comes after its name. */
function withoutSecret(path: string): string {
  return /^\/+msi\/+cloud-shell/i.test(path) ? "/msi/cloud-shell" : path;
}

/** Refusals that belong to a protocol: a device code that nobody has entered yet, and challenges that clients provoke. */
function isExpected(
  endpoint: SignInEndpoint,
  path: string,
  { headers }: Request,
  reply: Reply,
  { error }: Refusal,
): boolean {
  if (endpoint === "authority") {
    return !/\/token$/i.test(path) || error === "authorization_pending" || error === "slow_down";
  }
  const isProbe = headers["metadata"] === undefined && headers["x-identity-header"] === undefined;
  return reply.headers["www-authenticate"] !== undefined || (isProbe && headers["secret"] === undefined);
}

function refusalOf({ body }: Reply): Refusal | undefined {
  try {
    const text = typeof body === "string" ? body : Buffer.from(body ?? "").toString("utf8");
    const value = JSON.parse(text) as Refusal | null;
    if (typeof value !== "object" || value === null) return undefined;
    const { error } = value;
    if (typeof error !== "object" || error === null) return value;
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    return { error: code, message };
  } catch {
    // A page for people, or nothing: no answer to a request for a token.
    return undefined;
  }
}

function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0] ?? "";
}

/** The number after AADSTS, or what stands for it where there is none. */
function resultTypeOf({ error_codes: codes, error }: Refusal): string {
  const [code] = Array.isArray(codes) ? codes : [];
  return typeof code === "number" ? String(code) : typeof error === "string" ? error : "managed_identity";
}

/** Longest value that is kept of what a caller sent. */
const keptMax = 300;
/** Longest message; those of the authority have some hundred characters besides what they quote. */
const messageMax = 2000;
/** The authority takes no longer form (identity/parameters.ts), and a longer one is not looked into. */
const formBytesMax = 64 * 1024;

/** Who asked for what, from the query or the form: only these parameters. */
function askedOf({ target, headers, body }: Request): Omit<SignInPlace, "resultType"> {
  // Some clients name the form's type on a GET, too.
  const isForm = headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true;
  const form = body.length > formBytesMax ? "" : Buffer.from(body).toString("utf8");
  const given = new URLSearchParams(isForm && body.length > 0 ? form : (target.split("?", 2)[1] ?? ""));
  const value = (name: string): string | undefined => {
    const text = given.get(name);
    return text === null ? undefined : clipped(text, keptMax);
  };
  const appId = value("client_id") ?? value("clientid");
  const resource = value("scope") ?? value("resource");
  const grantType = value("grant_type");
  return {
    ...(appId === undefined ? {} : { appId }),
    ...(resource === undefined ? {} : { resource }),
    ...(grantType === undefined ? {} : { grantType }),
  };
}

/** The log of Entra that such a sign-in belongs to. */
function categoryOf(endpoint: SignInEndpoint, grantType: string | undefined): DiagnosticRecord["category"] {
  if (endpoint !== "authority") return "ManagedIdentitySignInLogs";
  return grantType === "client_credentials" ? "ServicePrincipalSignInLogs" : "NonInteractiveUserSignInLogs";
}

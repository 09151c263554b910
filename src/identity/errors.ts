/**
 * Every error that the authority can answer with: its AADSTS number, OAuth error name, status and text, in one
 * table; and the one place that renders them. Libraries branch on `error`, people search for the number.
 */
import type { Clock, Entropy } from "../clock.ts";
import { uuid } from "../clock.ts";
import { json } from "../http/reply.ts";
import type { Reply } from "../http/service.ts";

/** `code` is the AADSTS number; absent for what this system adds itself. */
export interface AuthorityFault {
  readonly status: number;
  readonly error: string;
  readonly code?: number;
  readonly text: string;
  /** A second name that libraries branch on, e.g. `consent_required`. */
  readonly suberror?: string;
}

/** A request to the authority that cannot be granted; rendered by `renderFault`. */
export class AuthorityError extends Error {
  override readonly name = "AuthorityError";
  readonly fault: AuthorityFault;

  constructor(fault: AuthorityFault) {
    super(describe(fault));
    this.fault = fault;
  }
}

const invalidClient = (code: number, text: string): AuthorityFault => ({
  status: 401,
  error: "invalid_client",
  code,
  text,
});
const invalidRequest = (code: number, text: string): AuthorityFault => ({
  status: 400,
  error: "invalid_request",
  code,
  text,
});

const invalidGrant = (code: number, text: string): AuthorityFault => ({
  status: 400,
  error: "invalid_grant",
  code,
  text,
});

/** The faults by name. Texts are those of the platform where they are known. */
export const faults = {
  malformedRequest: (): AuthorityFault =>
    invalidRequest(90013, "Invalid input received from the user: the request is not properly formatted."),
  duplicateParameter: (name: string): AuthorityFault =>
    invalidRequest(9000411, `The request is not properly formatted. The parameter '${name}' is duplicated.`),
  missingParameter: (name: string): AuthorityFault =>
    invalidRequest(900144, `The request body must contain the following parameter: '${name}'.`),
  methodNotAllowed: (allowed: string, method: string): AuthorityFault => ({
    ...invalidRequest(900561, `The endpoint only accepts ${allowed} requests. Received a ${method} request.`),
    status: 405,
  }),
  tenantNotFound: (tenant: string): AuthorityFault =>
    invalidRequest(
      90002,
      `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
    ),
  noTenant: (): AuthorityFault =>
    invalidRequest(
      50059,
      "No tenant-identifying information found in either the request or implied by any provided credentials.",
    ),
  unknownInstance: (): AuthorityFault => ({
    status: 400,
    error: "invalid_instance",
    code: 50049,
    text: "Unknown or invalid instance.",
  }),
  unsupportedGrantType: (grantType: string): AuthorityFault => ({
    status: 400,
    error: "unsupported_grant_type",
    code: 70003,
    text: `The app requested an unsupported grant type '${grantType}'.`,
  }),
  applicationNotFound: (appId: string, directory: string): AuthorityFault => ({
    status: 400,
    error: "unauthorized_client",
    code: 700016,
    text: `Application with identifier '${appId}' was not found in the directory '${directory}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
  }),
  clientProofRequired: (): AuthorityFault =>
    invalidClient(
      7000216,
      "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
    ),
  wrongSecret: (appId: string): AuthorityFault =>
    invalidClient(
      7000215,
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${appId}'.`,
    ),
  expiredSecret: (appId: string): AuthorityFault =>
    invalidClient(7000222, `The provided client secret keys for app '${appId}' are expired.`),
  malformedAssertion: (detail: string): AuthorityFault =>
    invalidRequest(50027, `JWT token is invalid or malformed: ${detail}.`),
  assertionNotOfClient: (): AuthorityFault =>
    invalidClient(700021, "Client assertion application identifier doesn't match 'client_id' parameter."),
  assertionAudience: (): AuthorityFault =>
    invalidClient(700023, "Client assertion audience claim does not match Realm issuer."),
  assertionTime: (now: string, from: string, until: string): AuthorityFault =>
    invalidClient(
      700024,
      `Client assertion is not within its valid time range. Current time: ${now}, assertion valid from ${from}, expiry time of assertion ${until}.`,
    ),
  assertionKey: (reason: string, appId: string): AuthorityFault =>
    invalidClient(
      700027,
      `Client assertion contains an invalid signature. [Reason - ${reason}, client application: '${appId}']`,
    ),
  federatedSignature: (detail: string): AuthorityFault => ({
    status: 400,
    error: "invalid_grant",
    code: 50013,
    text: `Assertion failed signature validation. [Reason - ${detail}]`,
  }),
  federatedOwnToken: (detail: string): AuthorityFault =>
    invalidClient(700222, `AAD-issued tokens may not be used for federated identity flows: ${detail}.`),
  federatedIssuer: (issuer: string): AuthorityFault =>
    invalidClient(
      700211,
      `No matching federated identity record found for presented assertion issuer '${issuer}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.`,
    ),
  federatedAudience: (audience: string): AuthorityFault =>
    invalidClient(
      700212,
      `No matching federated identity record found for presented assertion audience '${audience}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.`,
    ),
  federatedSubject: (subject: string): AuthorityFault =>
    invalidClient(
      700213,
      `No matching federated identity record found for presented assertion subject '${subject}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.`,
    ),
  federatedSubjectCase: (subject: string): AuthorityFault =>
    invalidClient(
      7002138,
      `No matching federated identity record found for presented assertion subject '${subject}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison.`,
    ),
  invalidScope: (scope: string): AuthorityFault => ({
    status: 400,
    error: "invalid_scope",
    code: 70011,
    text: `The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
  }),
  scopeWithoutDefault: (scope: string): AuthorityFault => ({
    status: 400,
    error: "invalid_scope",
    code: 1002012,
    text: `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`,
  }),
  resourceNotFound: (audience: string, directory: string): AuthorityFault => ({
    status: 400,
    error: "invalid_resource",
    code: 500011,
    text: `The resource principal named ${audience} was not found in the tenant named ${directory}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.`,
  }),
  unknownPermission: (permission: string, audience: string): AuthorityFault => ({
    status: 400,
    error: "invalid_client",
    code: 650053,
    text: `The application asked for scope '${permission}' that doesn't exist on the resource '${audience}'. Contact the app vendor.`,
  }),
  severalResources: (scope: string): AuthorityFault => ({
    status: 400,
    error: "invalid_scope",
    code: 28000,
    text: `Provided value for the input parameter scope is not valid because it contains more than one resource. Scope ${scope} is not valid.`,
  }),
  malformedClaims: (): AuthorityFault =>
    invalidRequest(900141, "The 'claims' parameter is not a well-formed JSON object."),
  redirectNotRegistered: (uri: string, appId: string): AuthorityFault =>
    invalidRequest(
      50011,
      `The redirect URI '${uri}' specified in the request does not match the redirect URIs configured for the application '${appId}'. Make sure the redirect URI sent in the request matches one added to your application.`,
    ),
  redirectMismatch: (given: string, original: string): AuthorityFault =>
    invalidGrant(
      500112,
      `The reply address '${given}' does not match the reply address '${original}' provided when requesting Authorization code.`,
    ),
  unsupportedResponseType: (responseType: string): AuthorityFault => ({
    status: 400,
    error: "unsupported_response_type",
    code: 700054,
    text: `response_type '${responseType}' is not enabled for the application.`,
  }),
  unsupportedResponseMode: (mode: string): AuthorityFault =>
    invalidRequest(70007, `'${mode}' is not a supported value of 'response_mode'.`),
  challengeMethod: (method: string): AuthorityFault =>
    invalidRequest(
      9002313,
      `Invalid request. Request is malformed or invalid: 'code_challenge_method' must be S256, not '${method}'.`,
    ),
  challengeRequired: (appId: string): AuthorityFault =>
    invalidRequest(
      9002325,
      `Proof Key for Code Exchange is required for authorization code redemption by the public client '${appId}'.`,
    ),
  wrongVerifier: (): AuthorityFault =>
    invalidGrant(
      501481,
      "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
    ),
  signInRequired: (): AuthorityFault => ({
    status: 400,
    error: "login_required",
    code: 50058,
    text: "A silent sign-in request was sent but no user is signed in.",
  }),
  userCancelled: (): AuthorityFault => ({
    status: 400,
    error: "access_denied",
    code: 65004,
    text: "User declined to consent to access the app.",
  }),
  malformedGrant: (what: string): AuthorityFault =>
    invalidGrant(
      70000,
      `Provided grant is invalid or malformed. The provided value for the '${what}' parameter is not valid.`,
    ),
  grantOfOtherClient: (): AuthorityFault =>
    invalidGrant(70000, "Provided grant was issued to a different client id."),
  codeRedeemed: (): AuthorityFault =>
    invalidGrant(
      54005,
      "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
    ),
  codeExpired: (): AuthorityFault =>
    invalidGrant(
      70008,
      "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
    ),
  refreshExpired: (): AuthorityFault =>
    invalidGrant(
      700082,
      "The refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
    ),
  refreshReused: (): AuthorityFault =>
    invalidGrant(
      70000,
      "Provided grant is invalid or malformed. The refresh token was already used; each one can be used once.",
    ),
  grantRevoked: (): AuthorityFault =>
    invalidGrant(
      50173,
      "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
    ),
  authorizationPending: (): AuthorityFault => ({
    status: 400,
    error: "authorization_pending",
    code: 70016,
    text: "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
  }),
  deviceCodeExpired: (): AuthorityFault => ({
    status: 400,
    error: "expired_token",
    code: 70020,
    text: "The provided value for the input parameter 'device_code' is not valid. This device code has expired.",
  }),
  deviceDeclined: (): AuthorityFault => ({
    status: 400,
    error: "authorization_declined",
    code: 70018,
    text: "The user declined the device code sign-in.",
  }),
  badDeviceCode: (): AuthorityFault => ({
    status: 400,
    error: "bad_verification_code",
    code: 70019,
    text: "Verification code expired or unknown. The 'device_code' is not one that was issued here to this client.",
  }),
  userNotFound: (user: string, directory: string): AuthorityFault =>
    invalidGrant(
      50034,
      `The user account ${user} does not exist in the ${directory} directory. To sign into this application, the account must be added to the directory.`,
    ),
  wrongPassword: (): AuthorityFault =>
    invalidGrant(50126, "Error validating credentials due to invalid username or password."),
  accountLocked: (): AuthorityFault =>
    invalidGrant(
      50053,
      "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
    ),
  tooManyFailures: (): AuthorityFault =>
    invalidGrant(
      50053,
      "You've tried to sign in too many times with an incorrect user ID or password. Start the sign-in again.",
    ),
  consentRequired: (appId: string, name: string): AuthorityFault => ({
    ...invalidGrant(
      65001,
      `The user or administrator has not consented to use the application with ID '${appId}' named '${name}'. Send an interactive authorization request for this user and resource.`,
    ),
    suberror: "consent_required",
  }),
  userAssertionSignature: (detail: string): AuthorityFault =>
    invalidGrant(50013, `Assertion failed signature validation. [Reason - ${detail}]`),
  userAssertionExpired: (): AuthorityFault =>
    invalidGrant(500133, "Assertion is not within its valid time range."),
  userAssertionAudience: (): AuthorityFault =>
    invalidGrant(
      500131,
      "Assertion audience does not match the Client app presenting the assertion. The audience in the assertion must match the app presenting the assertion.",
    ),
  userAssertionOfApp: (appId: string): AuthorityFault => ({
    status: 400,
    error: "unauthorized_client",
    code: 7000114,
    text: `Application '${appId}' is not allowed to make application on-behalf-of calls.`,
  }),
  notPublicClient: (): AuthorityFault =>
    invalidClient(
      7000218,
      "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
  publicClientWithProof: (): AuthorityFault =>
    invalidClient(
      700025,
      "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    ),
  invalidToken: (detail: string): AuthorityFault => ({
    status: 401,
    error: "invalid_token",
    text: detail,
  }),
  notFound: (): AuthorityFault => ({
    status: 404,
    error: "not_found",
    text: "The authority has no such endpoint.",
  }),
  notImplemented: (what: string): AuthorityFault => ({
    status: 501,
    error: "not_implemented",
    text: `Celestite does not implement ${what}.`,
  }),
};

/** The fault as one line: `AADSTS700016: ...`. */
export function describe(fault: AuthorityFault): string {
  return fault.code === undefined ? fault.text : `AADSTS${fault.code}: ${fault.text}`;
}

/** `2026-01-01 00:00:00Z`, the form of time in the authority's errors. */
function errorTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** The JSON error body with its identifiers; `correlationId` is the caller's where it sent one. */
export function renderFault(
  fault: AuthorityFault,
  facts: {
    readonly clock: Clock;
    readonly entropy: Entropy;
    readonly origin: string;
    readonly correlationId: string;
  },
): Reply {
  const traceId = uuid(facts.entropy);
  const timestamp = errorTime(facts.clock.now());
  const body = {
    error: fault.error,
    error_description: `${describe(fault)} Trace ID: ${traceId} Correlation ID: ${facts.correlationId} Timestamp: ${timestamp}`,
    error_codes: fault.code === undefined ? [] : [fault.code],
    timestamp,
    trace_id: traceId,
    correlation_id: facts.correlationId,
    ...(fault.suberror === undefined ? {} : { suberror: fault.suberror }),
    ...(fault.code === undefined ? {} : { error_uri: `${facts.origin}/error?code=${fault.code}` }),
  };
  return json(fault.status, body, { "x-ms-request-id": traceId });
}

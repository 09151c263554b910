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
    ...(fault.code === undefined ? {} : { error_uri: `${facts.origin}/error?code=${fault.code}` }),
  };
  return json(fault.status, body, { "x-ms-request-id": traceId });
}

/**
 * The phases of a control-plane request: address, credential, decision, handler, render, record. Decision and handler
 * are in `perform.ts`, which is loaded with the first request that has a caller: with the table of all operations it
 * is most of this room, and a start does not wait for it.
 */
import type { Decision } from "../authz/decision.ts";
import { ArmError } from "../azure/arm-error.ts";
import type { TokenVerifier } from "../azure/principal.ts";
import { uuid } from "../clock.ts";
import type { Request, Service } from "../http/service.ts";
import type { DiagnosticRecord } from "../observability/diagnostic-records.ts";
import { type Address, compilePattern, matchPattern, parseTarget } from "./address.ts";
import { readCredential, type Unauthenticated } from "./credential.ts";
import { clip } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Caller, Outcome, PlaneGround } from "./operation.ts";
import { renderReply } from "./render.ts";

export interface Gateway {
  readonly plane: PlaneGround;
  /** See `createPerform`. */
  readonly perform: (job: Job) => Promise<Outcome>;
  readonly verifier: TokenVerifier;
  readonly record: (entry: DiagnosticRecord) => void;
  readonly reportFault: (fault: unknown) => void;
}

/** What is learned about a request on its way, for the reply's headers and the record. */
export interface Trace {
  readonly requestId: string;
  readonly correlationId: string;
  readonly startedAt: number;
  readonly decisions: Decision[];
  caller?: Caller;
  operation?: string;
  /** What the record may keep of the body, as JSON. */
  details?: string | undefined;
}

/** One request on its way through the phases; a nested one carries its deployment's caller. */
export interface Job {
  readonly method: string;
  readonly address: Address;
  readonly apiVersion: string;
  readonly caller: Caller;
  readonly origin: string;
  readonly rawBody: Uint8Array;
  /** The body of a nested request, which was never bytes. */
  readonly value?: Json | undefined;
  readonly shownTemplate?: JsonObject | undefined;
  readonly nested: boolean;
  readonly trace: Trace;
}

/** The control plane as an HTTP service. */
export function createService(gateway: Gateway): Service {
  return async (request) => {
    const trace = beginTrace(gateway, request);
    let outcome: Outcome | undefined;
    let error: unknown;
    let challenge: string | undefined;
    try {
      const answer = await answerRequest(gateway, request, trace);
      if ("refusal" in answer) {
        error = answer.refusal.error;
        challenge = challengeOf(gateway, request.origin, answer.refusal);
      } else outcome = answer;
    } catch (cause) {
      error = cause;
    }
    const reply = renderReply(gateway.plane.clock.now(), request, trace, { outcome, error, challenge });
    finish(gateway, request, trace, reply.status, error);
    return reply;
  };
}

function beginTrace(gateway: Gateway, request: Request): Trace {
  const requestId = uuid(gateway.plane.entropy);
  const sent = request.headers["x-ms-correlation-request-id"];
  const usable = sent !== undefined && /^[0-9a-f-]{36}$/i.test(sent);
  const startedAt = gateway.plane.clock.now();
  return { requestId, correlationId: usable ? sent : requestId, startedAt, decisions: [] };
}

/**
 * Hands every decision of the request to diagnostics, each as an entry of its own. The one that matters most, the
 * first denial or else the row's own decision, comes last, so that "the newest" is the one to explain.
 */
export function finish(
  gateway: Pick<Gateway, "plane" | "record" | "reportFault">,
  request: Request,
  trace: Trace,
  status: number,
  error: unknown,
): void {
  if (error !== undefined && !(error instanceof ArmError)) gateway.reportFault(error);
  const main = trace.decisions.find((decision) => !decision.allowed) ?? trace.decisions[0];
  const others = trace.decisions.filter((decision) => decision !== main);
  for (const decision of [...others, main]) {
    gateway.record({
      time: trace.startedAt,
      activityId: trace.requestId,
      category: "ControlPlaneRequests",
      account: "Azure Resource Manager",
      operationName: decision?.action ?? trace.operation ?? "Unknown",
      method: request.method,
      resource: decision?.resource ?? request.target.split("?")[0] ?? "",
      statusCode: status,
      substatus: 0,
      duration: gateway.plane.clock.now() - trace.startedAt,
      requestCharge: 0,
      userAgent: request.headers["user-agent"] ?? "",
      clientIpAddress: request.remoteAddress,
      authTokenType: trace.caller === undefined ? "" : "AadToken",
      ...(trace.caller === undefined ? {} : { principalId: trace.caller.objectId }),
      ...(decision === undefined ? {} : { decision }),
      ...(error instanceof ArmError ? { message: error.message } : {}),
      control: controlPlace(trace),
    });
  }
}

function controlPlace({ correlationId, details }: Trace): NonNullable<DiagnosticRecord["control"]> {
  return { correlationId, ...(details === undefined ? {} : { details }) };
}

/** The one row that asks for no caller. */
const openPath = compilePattern("/metadata/endpoints");

async function answerOpen(
  { plane }: Gateway,
  { origin }: Request,
  trace: Trace,
  address: Address,
  apiVersion: string,
): Promise<Outcome> {
  const [{ cloudMetadataOperation }, { checkApiVersion }] = await Promise.all([
    import("./cloud-metadata.ts"),
    import("./validation.ts"),
  ]);
  checkApiVersion(apiVersion);
  trace.operation = cloudMetadataOperation.path;
  return cloudMetadataOperation.handler({ plane, address, parameters: new Map(), apiVersion, origin });
}

async function answerRequest(
  gateway: Gateway,
  request: Request,
  trace: Trace,
): Promise<Outcome | { readonly refusal: Unauthenticated }> {
  const address = parseTarget(request.target);
  const apiVersion = address.query.get("api-version") ?? "";
  if (request.method === "GET" && matchPattern(openPath, address) !== undefined) {
    return answerOpen(gateway, request, trace, address, apiVersion);
  }
  const credential = await readCredential(request.headers["authorization"], {
    verifier: gateway.verifier,
    tenantId: gateway.plane.tenantId,
    ownOrigins: gateway.plane.ownOrigins(),
    now: gateway.plane.clock.now(),
  });
  if (!credential.ok) return { refusal: credential.refusal };
  trace.caller = credential.caller;
  if (request.bodyTooLarge === true || request.body.length > bodyBytesMax) throw contentTooLarge();
  return gateway.perform({
    method: request.method,
    address,
    apiVersion,
    caller: credential.caller,
    origin: request.origin,
    rawBody: request.body,
    nested: false,
    trace,
  });
}

/** The service's limit; the listener, which serves other services as well, lets more through. */
const bodyBytesMax = 4 * 1024 * 1024;

function contentTooLarge(): ArmError {
  return new ArmError(
    413,
    "RequestContentTooLarge",
    "The request content size exceeds the maximum size of 4 MB.",
  );
}

/** The `WWW-Authenticate` value from which SDKs learn the authority and the tenant. */
function challengeOf(gateway: Gateway, origin: string, refused: Unauthenticated): string {
  const { authority } = gateway.plane.endpoints(origin);
  const description = clip(refused.description).replace(/[^\x20-\x7e]|["\\]/g, " ");
  if (refused.claims !== undefined) {
    return `Bearer authorization_uri="${authority}/${gateway.plane.tenantId}", error="insufficient_claims", claims="${refused.claims}"`;
  }
  return `Bearer authorization_uri="${authority}/${gateway.plane.tenantId}", error="invalid_token", error_description="${description}"`;
}

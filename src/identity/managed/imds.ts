/**
 * The instance metadata service's token endpoint (`169.254.169.254`, api-version 2018-02-01). It has no secret: who
 * reaches the address is the workload, so each instance of this service is bound to one.
 */
import { json } from "../../http/reply.ts";
import type { Reply, Request, Service } from "../../http/service.ts";
import { describe } from "../errors.ts";
import { parseParameters, splitTarget } from "../parameters.ts";
import type { ManagedIdentityContext, Selector } from "./select-identity.ts";
import { issueManagedToken } from "./select-identity.ts";

const TOKEN_PATH = "/metadata/identity/oauth2/token";
const API_VERSION_MIN = "2018-02-01";
const IMDS_ADDRESS = "169.254.169.254";

const SELECTORS: Readonly<Record<string, Selector["by"]>> = {
  client_id: "clientId",
  object_id: "objectId",
  mi_res_id: "resourceId",
  msi_res_id: "resourceId",
  // Sent by the availability probe of one SDK.
  "msi-res-id": "resourceId",
};

export interface ImdsOptions {
  /**
   * Answers requests without the `Metadata` header when they were not sent to 169.254.169.254, as pod identity
   * did. Azure.Identity for .NET probes a redirected endpoint that way and takes a 400 for "no managed identity";
   * off by default because the header is what keeps a forged server-side request from getting a token.
   */
  readonly answerWithoutHeader?: boolean;
}

/** The metadata service of the workload `workloadId`. No permanent error has a status that clients would retry. */
export function createImds(
  context: ManagedIdentityContext,
  workloadId: string,
  options: ImdsOptions = {},
): Service {
  return async (request) => {
    const parts = splitTarget(request.target);
    if (parts === undefined) return refuse(400, "invalid_request", "The request path is malformed");
    // Everything else of the metadata service is absent. For `getplatformmetadata` that matters: any other
    // answer than 404 would be read as support for certificate-bound tokens.
    if (`/${parts.segments.join("/")}`.toLowerCase() !== TOKEN_PATH)
      return refuse(404, "not_found", "Not found");
    if (request.method !== "GET") return refuse(405, "invalid_request", "Method not allowed");
    return checkHeaders(request, options) ?? answer(context, request, workloadId, parts.query);
  };
}

/**
 * True for a request that was sent to a public name: clients reach the service by an address, or from a container by a
 * name of this machine. A page in a browser could be led here under a name of its own (DNS rebinding), and then send any
 * header.
 */
export function isSentToPublicName({ headers }: Request): boolean {
  const host = (headers["host"] ?? "").replace(/:\d*$/, "").toLowerCase();
  return !/^(|[\d.]+|\[[\da-f:.]+\]|[\w-]+|[\w.-]+\.(internal|localhost))$/.test(host);
}

/** A forwarded request, or one without `Metadata: true`, may have been forged through a careless server. */
function checkHeaders(request: Request, options: ImdsOptions): Reply | undefined {
  const { headers } = request;
  if (isSentToPublicName(request)) {
    return refuse(
      400,
      "invalid_request",
      "Requests are sent to the address of the service, not to a public name",
    );
  }
  if (headers["x-forwarded-for"] !== undefined) {
    return refuse(400, "invalid_request", "Requests with an X-Forwarded-For header are not allowed");
  }
  if (headers["metadata"]?.trim().toLowerCase() === "true") return undefined;
  const host = headers["host"]?.replace(/:\d+$/, "");
  if (options.answerWithoutHeader === true && headers["metadata"] === undefined && host !== IMDS_ADDRESS)
    return undefined;
  return refuse(400, "invalid_request", "Required metadata header not specified");
}

async function answer(
  context: ManagedIdentityContext,
  request: Request,
  workloadId: string,
  query: string,
): Promise<Reply> {
  const parameters = parseParameters(query);
  if (!parameters.ok) {
    return refuse(400, "invalid_request", `Query variable '${parameters.name}' is ${parameters.fault}`);
  }
  const { values } = parameters;
  const version = values.get("api-version") ?? "";
  if (!/^\d{4}-\d{2}-\d{2}$/.test(version) || version < API_VERSION_MIN) {
    return refuse(
      400,
      "invalid_request",
      "Required query variable 'api-version' is missing or not supported",
    );
  }
  const audience = values.get("resource");
  if (audience === undefined || audience === "") {
    return refuse(400, "invalid_request", "Required query variable 'resource' is missing");
  }
  const selector = readSelector(values);
  if (selector === "invalid") {
    return refuse(
      400,
      "invalid_request",
      "At most one identity can be selected, by a value that is not empty",
    );
  }
  const workload = context.workloads.find(workloadId);
  if (workload === undefined) return refuse(400, "invalid_request", "Identity not found");
  const token = await issueManagedToken(context, workload, {
    audience,
    soleUserAssigned: true,
    authority: request.origin,
    ...(selector === undefined ? {} : { selector }),
  });
  if (token.ok) {
    const { issued } = token;
    return json(200, {
      access_token: issued.accessToken,
      client_id: token.identity.clientId,
      expires_in: String(issued.expiresIn),
      expires_on: String(issued.expiresOn),
      ext_expires_in: String(issued.expiresIn),
      not_before: String(issued.notBefore),
      resource: token.audience,
      token_type: "Bearer",
    });
  }
  if (token.reason === "resource") return refuse(400, "invalid_resource", describe(token.fault));
  if (token.reason === "proof") return refuse(400, token.fault.error, describe(token.fault));
  if (token.reason === "none") return refuse(400, "invalid_request", "Identity not found");
  return refuse(
    400,
    "invalid_request",
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
  );
}

function readSelector(values: ReadonlyMap<string, string>): Selector | "invalid" | undefined {
  const found: Selector[] = [];
  for (const [name, by] of Object.entries(SELECTORS)) {
    const value = values.get(name);
    if (value !== undefined) found.push({ by, value });
  }
  if (found.length > 1 || found[0]?.value === "") return "invalid";
  return found[0];
}

function refuse(status: number, error: string, description: string): Reply {
  return json(status, { error, error_description: description });
}

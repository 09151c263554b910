/**
 * The managed identity endpoint of Cloud Shell: `MSI_ENDPOINT` alone, asked with a form and without a secret. Here the
 * workload's secret is part of the path, as the variable is the only thing that the client has.
 */
import { json } from "../../http/reply.ts";
import type { Reply, Service } from "../../http/service.ts";
import { AuthorityError, describe } from "../errors.ts";
import { formParameters, splitTarget } from "../parameters.ts";
import type { ManagedIdentityContext } from "./select-identity.ts";
import { issueManagedToken } from "./select-identity.ts";

/** The path that `MSI_ENDPOINT` has before the secret. */
export const cloudShellPath = "/msi/cloud-shell";

/** `POST /msi/cloud-shell/<secret>` with `Metadata: true` and `resource=..`. */
export function createCloudShellEndpoint(context: ManagedIdentityContext): Service {
  return async (request) => {
    const segments = splitTarget(request.target)?.segments ?? [];
    const workload = segments.length < 3 ? undefined : context.workloads.findBySecret(segments[2] ?? "");
    if (workload === undefined) return refuse(404, "NotFound", "There is no such endpoint.");
    if (request.method !== "POST") return refuse(405, "MethodNotAllowed", "Only POST is allowed.");
    if (request.headers["metadata"]?.trim().toLowerCase() !== "true") {
      return refuse(400, "bad_request_102", "Required metadata header not specified");
    }
    const audience = readResource(request);
    if (audience === undefined) return refuse(400, "bad_request", "The parameter 'resource' is missing.");
    const token = await issueManagedToken(context, workload, {
      audience,
      soleUserAssigned: true,
      authority: request.origin,
    });
    if (!token.ok) {
      return "fault" in token
        ? refuse(400, "invalid_resource", describe(token.fault))
        : refuse(400, "invalid_request", "Identity not found");
    }
    return json(200, {
      access_token: token.issued.accessToken,
      expires_in: String(token.issued.expiresIn),
      expires_on: String(token.issued.expiresOn),
      not_before: String(token.issued.notBefore),
      resource: token.audience,
      token_type: "Bearer",
    });
  };
}

function readResource(request: Parameters<Service>[0]): string | undefined {
  try {
    return formParameters(request).get("resource") || undefined;
  } catch (error) {
    // What is no form has no resource.
    if (error instanceof AuthorityError) return undefined;
    throw error;
  }
}

function refuse(status: number, code: string, message: string): Reply {
  return json(status, { error: { code, message } });
}

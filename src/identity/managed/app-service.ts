/**
 * The managed identity endpoint of App Service, Functions and Container Apps (`IDENTITY_ENDPOINT` with
 * `IDENTITY_HEADER`, api-version 2019-08-01) and its predecessor (`MSI_ENDPOINT` with `MSI_SECRET`, 2017-09-01).
 * The secret header says which workload is asking, so one endpoint serves them all.
 */
import { json } from "../../http/reply.ts";
import type { Reply, Request, Service } from "../../http/service.ts";
import { describe } from "../errors.ts";
import type { TargetParts } from "../parameters.ts";
import { parseParameters, splitTarget } from "../parameters.ts";
import type { ManagedIdentityContext, ManagedToken, Selector } from "./select-identity.ts";
import { issueManagedToken } from "./select-identity.ts";
import type { Workload } from "./workloads.ts";

/** The path that `IDENTITY_ENDPOINT` ends with. */
export const appServicePath = "/msi/token";

interface Dialect {
  readonly secretHeader: string;
  readonly selectors: Readonly<Record<string, Selector["by"]>>;
  /** Older clients send an empty selector when they mean none. */
  readonly emptySelectorMeansNone: boolean;
}

const dialects: Readonly<Record<string, Dialect | undefined>> = {
  "2017-09-01": {
    secretHeader: "secret",
    selectors: { clientid: "clientId", mi_res_id: "resourceId", object_id: "objectId" },
    emptySelectorMeansNone: true,
  },
  "2019-08-01": {
    secretHeader: "x-identity-header",
    selectors: {
      client_id: "clientId",
      mi_res_id: "resourceId",
      msi_res_id: "resourceId",
      object_id: "objectId",
      principal_id: "objectId",
    },
    emptySelectorMeansNone: false,
  },
};

const NOT_ASSIGNED =
  "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.";
const NO_SYSTEM_ASSIGNED = "Unable to load the proper Managed Identity.";

/** `GET /msi/token`. Errors are `{"statusCode","message"}`, and never a status that clients would retry. */
export function createAppServiceEndpoint(context: ManagedIdentityContext): Service {
  return async (request) => {
    const parts = splitTarget(request.target);
    if (parts === undefined) return refuse(400, "The request path is malformed.");
    if (`/${parts.segments.join("/")}`.toLowerCase() !== appServicePath)
      return refuse(404, "Resource not found.");
    if (request.method !== "GET") return refuse(405, `The method ${request.method} is not allowed.`);
    return answer(context, request, parts);
  };
}

/** The same whatever is wrong with the secret; what is usually wrong is that its server is gone. */
const unauthorized =
  "Unauthorized: IDENTITY_HEADER holds no secret of this server. What 'celestite run' and 'celestite env' set ends with the server or the run: ask again.";

async function answer(
  context: ManagedIdentityContext,
  request: Request,
  { query }: TargetParts,
): Promise<Reply> {
  const parameters = parseParameters(query);
  const version = parameters.ok ? parameters.values.get("api-version") : undefined;
  const dialect = version !== undefined && Object.hasOwn(dialects, version) ? dialects[version] : undefined;
  // Who asks is settled before anything else is said about the request.
  const workload = authenticate(context, request, dialect);
  if (workload === undefined) return refuse(401, unauthorized);
  if (!parameters.ok) return refuse(400, `The parameter '${parameters.name}' is ${parameters.fault}.`);
  if (dialect === undefined)
    return refuse(400, "The parameter 'api-version' must be 2019-08-01 or 2017-09-01.");
  const audience = parameters.values.get("resource");
  if (audience === undefined || audience === "") return refuse(400, "The parameter 'resource' is missing.");
  const selector = readSelector(dialect, parameters.values);
  if (selector === "invalid") {
    return refuse(400, "At most one identity can be selected, by a value that is not empty.");
  }
  const token = await issueManagedToken(context, workload, {
    audience,
    soleUserAssigned: false,
    authority: request.origin,
    ...(selector === undefined ? {} : { selector }),
  });
  return render(token, selector);
}

/** Without a known version either header will do, so that a wrong version is reported to the workload itself. */
function authenticate(
  context: ManagedIdentityContext,
  request: Request,
  dialect: Dialect | undefined,
): Workload | undefined {
  const headers =
    dialect === undefined
      ? Object.values(dialects).map((each) => each?.secretHeader ?? "")
      : [dialect.secretHeader];
  for (const header of headers) {
    const secret = request.headers[header];
    const workload = secret === undefined ? undefined : context.workloads.findBySecret(secret);
    if (workload !== undefined) return workload;
  }
  return undefined;
}

function readSelector(
  dialect: Dialect,
  values: ReadonlyMap<string, string>,
): Selector | "invalid" | undefined {
  const found: Selector[] = [];
  for (const [name, by] of Object.entries(dialect.selectors)) {
    const value = values.get(name);
    if (value === undefined || (value === "" && dialect.emptySelectorMeansNone)) continue;
    found.push({ by, value });
  }
  if (found.length > 1 || found[0]?.value === "") return "invalid";
  return found[0];
}

function render(token: ManagedToken, selector: Selector | undefined): Reply {
  if (token.ok) {
    return json(200, {
      access_token: token.issued.accessToken,
      client_id: token.identity.clientId,
      expires_in: String(token.issued.expiresIn),
      expires_on: String(token.issued.expiresOn),
      not_before: String(token.issued.notBefore),
      resource: token.audience,
      token_type: "Bearer",
    });
  }
  if ("fault" in token) return refuse(400, describe(token.fault));
  return refuse(400, selector === undefined ? NO_SYSTEM_ASSIGNED : NOT_ASSIGNED);
}

function refuse(status: number, message: string): Reply {
  return json(status, { statusCode: status, message });
}

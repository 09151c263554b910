/**
 * The authority as a service. It owns the phases that no endpoint may skip - address, tenant, parameters, handler,
 * error - and nothing else; what an endpoint does is in its row of `operations.ts`.
 */
import { uuid } from "../clock.ts";
import type { Reply, Request, Service } from "../http/service.ts";
import { isGuid } from "./directory.ts";
import { AuthorityError, faults, renderFault } from "./errors.ts";
import type { AuthorityCall, AuthorityContext, AuthorityOperation } from "./operations.ts";
import { operations } from "./operations.ts";
import type { TargetParts } from "./parameters.ts";
import { parseParameters, splitTarget } from "./parameters.ts";

interface Route {
  readonly operation: AuthorityOperation;
  readonly segments: readonly string[];
}

const routes: readonly Route[] = operations.map((operation) => ({
  operation,
  segments: operation.path.toLowerCase().split("/"),
}));

/** The tenant's Entra endpoints under their usual paths. */
export function createAuthority(context: AuthorityContext): Service {
  return async (request) => {
    const parts = splitTarget(request.target);
    const query = parseParameters(parts?.query ?? "");
    const correlationId = readCorrelationId(request, query.ok ? query.values : new Map(), context);
    let reply: Reply;
    try {
      if (parts === undefined) throw new AuthorityError(faults.malformedRequest());
      const operation = findOperation(request.method, parts);
      const tenant = resolveTenant(context, parts.segments[0] ?? "");
      if (!query.ok) {
        throw new AuthorityError(
          query.fault === "duplicate" ? faults.duplicateParameter(query.name) : faults.malformedRequest(),
        );
      }
      if (operation.handler === undefined) throw new AuthorityError(faults.notImplemented(operation.name));
      const { version } = operation;
      reply = await operation.handler(context, {
        request,
        tenant,
        query: query.values,
        version,
        correlationId,
      });
    } catch (error) {
      if (!(error instanceof AuthorityError)) throw error;
      const facts = { ...context, origin: request.origin, correlationId };
      reply = renderFault(error.fault, facts);
    }
    return withCommonHeaders(context, request, reply, correlationId);
  };
}

/** Prefers literal segments to placeholders. Throws when no row has this path, or none with this method. */
function findOperation(method: string, { segments }: TargetParts): AuthorityOperation {
  const lower = segments.map((segment) => segment.toLowerCase());
  const fits = routes.filter(
    (route) =>
      route.segments.length === lower.length &&
      route.segments.every((wanted, at) => wanted.startsWith("{") || wanted === lower[at]),
  );
  if (fits.length === 0) throw new AuthorityError(faults.notFound());
  const found = fits.find((route) => route.operation.method === method);
  if (found === undefined) {
    const allowed = [...new Set(fits.map((route) => route.operation.method))].join(", ");
    throw new AuthorityError(faults.methodNotAllowed(allowed, method));
  }
  return found.operation;
}

function resolveTenant(context: AuthorityContext, segment: string): AuthorityCall["tenant"] {
  const tenant = segment.toLowerCase();
  if (tenant === context.tenantId || tenant === context.domain) return "ours";
  if (tenant === "common" || tenant === "organizations") return tenant;
  if (tenant === "adfs") return "none";
  throw new AuthorityError(faults.tenantNotFound(segment));
}

/** The caller's `client-request-id` (header, or query as some libraries do) if it is a GUID, else a new one. */
function readCorrelationId(
  request: Request,
  query: ReadonlyMap<string, string>,
  context: AuthorityContext,
): string {
  const given = request.headers["client-request-id"] ?? query.get("client-request-id");
  return given !== undefined && isGuid(given) ? given : uuid(context.entropy);
}

function withCommonHeaders(
  context: AuthorityContext,
  request: Request,
  reply: Reply,
  correlationId: string,
): Reply {
  const wantsEcho = request.headers["return-client-request-id"]?.toLowerCase() === "true";
  return {
    ...reply,
    headers: {
      "cache-control": "no-store, no-cache",
      pragma: "no-cache",
      "x-content-type-options": "nosniff",
      "x-ms-request-id": uuid(context.entropy),
      ...(wantsEcho || request.headers["client-request-id"] !== undefined
        ? { "client-request-id": correlationId }
        : {}),
      ...reply.headers,
    },
  };
}

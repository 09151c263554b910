/** Replies of the control plane: bodies, errors and the headers that every answer carries. */
import { ArmError, type ArmErrorDetail } from "../azure/arm-error.ts";
import { empty, json } from "../http/reply.ts";
import type { Reply, Request } from "../http/service.ts";
import type { Outcome } from "./operation.ts";

interface Ids {
  readonly requestId: string;
  readonly correlationId: string;
}

interface Answer {
  readonly outcome: Outcome | undefined;
  readonly error: unknown;
  /** `WWW-Authenticate` of a 401. */
  readonly challenge: string | undefined;
}

export function renderReply(now: number, request: Request, ids: Ids, answer: Answer): Reply {
  const headers = { ...commonHeaders(now, request, ids) };
  if (answer.outcome !== undefined) {
    const { status, body, text, headers: own } = answer.outcome;
    const all = { ...headers, ...own };
    if (text !== undefined) return { status, headers: all, body: Buffer.from(text) };
    if (body === undefined || request.method === "HEAD") return empty(status, all);
    return json(status, body, all);
  }
  const error =
    answer.error instanceof ArmError
      ? answer.error
      : new ArmError(500, "InternalServerError", "The server encountered an internal error.");
  const all = {
    ...headers,
    "x-ms-failure-cause": "gateway",
    ...(answer.challenge === undefined ? {} : { "www-authenticate": answer.challenge }),
  };
  if (request.method === "HEAD") return empty(error.status, all);
  return json(error.status, renderError(error), all);
}

function renderError(error: ArmError): { readonly error: ArmErrorDetail } {
  return { error: error.detail };
}

function commonHeaders(now: number, request: Request, ids: Ids): Record<string, string> {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  const client = request.headers["x-ms-client-request-id"];
  const wanted = request.headers["x-ms-return-client-request-id"]?.toLowerCase() === "true";
  const echo = wanted && client !== undefined && /^[\x21-\x7e]{1,128}$/.test(client);
  return {
    "cache-control": "no-cache",
    "x-ms-request-id": ids.requestId,
    "x-ms-correlation-request-id": ids.correlationId,
    "x-ms-routing-request-id": `CELESTITE:${stamp}:${ids.requestId}`,
    ...(echo ? { "x-ms-client-request-id": client } : {}),
  };
}

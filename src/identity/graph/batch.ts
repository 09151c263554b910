/**
 * `POST /$batch` of Microsoft Graph: up to twenty requests in one (learn.microsoft.com, "Combine multiple HTTP requests
 * using JSON batching"). Each part goes through the whole service under the token of the batch, so that none can pass
 * where it could not alone. Apart from the gateway, because nothing here knows what a part means.
 */
import type { Reply, Request, Service } from "../../http/service.ts";
import { badRequest } from "./shapes.ts";

const partsMax = 20;

/** Longest url of a part: alone, it would have to fit into the head of a request, with a token beside it. */
const urlLengthMax = 32_768;

interface Part {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly dependsOn: readonly string[];
}

interface PartAnswer {
  readonly id: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * Runs the parts of `body` through `service`, one after the other, below the version that `request` names, and returns
 * the answer's body. A part whose `dependsOn` names one that failed is not run: 424. Throws GraphError 400 for a body
 * that is no batch, before any part is run.
 */
export async function runBatch(
  service: Service,
  request: Request,
  version: string,
  body: Readonly<Record<string, unknown>>,
): Promise<{ readonly responses: readonly PartAnswer[] }> {
  const answers = new Map<string, PartAnswer>();
  for (const part of readParts(body["requests"])) {
    const failed = part.dependsOn.some((id) => (answers.get(id.toLowerCase())?.status ?? 400) >= 400);
    const answer = failed ? notRun(part) : await runPart(service, request, version, part);
    answers.set(part.id.toLowerCase(), answer);
  }
  return { responses: [...answers.values()] };
}

function readParts(requests: unknown): readonly Part[] {
  if (!Array.isArray(requests) || requests.length === 0) {
    throw badRequest("Invalid batch payload format: 'requests' is a list with at least one request.");
  }
  if (requests.length > partsMax) {
    throw badRequest(`Number of batch request steps exceeds the maximum value of ${partsMax}.`);
  }
  const parts = requests.map(readPart);
  const seen = new Set<string>();
  for (const { id, dependsOn } of parts) {
    if (seen.has(id.toLowerCase())) throw badRequest(`Batch request id '${id.slice(0, 100)}' is not unique.`);
    const unknown = dependsOn.find((other) => !seen.has(other.toLowerCase()));
    if (unknown !== undefined) {
      throw badRequest(`'dependsOn' names '${unknown.slice(0, 100)}', which no earlier request is called.`);
    }
    seen.add(id.toLowerCase());
  }
  return parts;
}

function readPart(given: unknown): Part {
  const part = membersOf(given);
  const { id, method, url, body } = part;
  if (typeof id !== "string" || typeof method !== "string" || typeof url !== "string" || id === "") {
    throw badRequest("Invalid batch payload format: each request has an id, a method and a url.");
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(url)) {
    throw badRequest(`Invalid batch payload format: '${url.slice(0, 100)}' is not relative to the version.`);
  }
  if (url.length > urlLengthMax) {
    throw badRequest(`Invalid batch payload format: a url is longer than ${urlLengthMax} characters.`);
  }
  const headers = Object.entries(membersOf(part["headers"])).flatMap(([name, value]) =>
    typeof value === "string" ? [[name.toLowerCase(), value]] : [],
  );
  const dependsOn = part["dependsOn"] ?? [];
  if (!Array.isArray(dependsOn) || dependsOn.some((other) => typeof other !== "string")) {
    throw badRequest("Invalid batch payload format: 'dependsOn' is a list of ids.");
  }
  return { id, method: method.toUpperCase(), url, headers: Object.fromEntries(headers), body, dependsOn };
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw badRequest("Invalid batch payload format: an object is expected.");
}

async function runPart(service: Service, request: Request, version: string, part: Part): Promise<PartAnswer> {
  const { authorization } = request.headers;
  const reply = await service({
    ...request,
    method: part.method,
    target: `/${version}/${part.url.replace(/^\/+/, "")}`,
    headers: { ...part.headers, authorization },
    body: part.body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(part.body)),
  });
  return { id: part.id, status: reply.status, headers: contentType(reply), ...bodyOf(reply) };
}

function contentType({ headers }: Reply): Readonly<Record<string, string>> {
  const type = headers["content-type"];
  return type === undefined ? {} : { "Content-Type": type };
}

function bodyOf({ body, headers }: Reply): { readonly body?: unknown } {
  if (body === undefined) return {};
  const text = typeof body === "string" ? body : Buffer.from(body).toString("utf8");
  return { body: /json/.test(headers["content-type"] ?? "") ? (JSON.parse(text) as unknown) : text };
}

function notRun({ id }: Part): PartAnswer {
  const message = "A request that this one depends on failed.";
  return {
    id,
    status: 424,
    headers: { "Content-Type": "application/json; charset=utf-8" },
    body: { error: { code: "FailedDependency", message } },
  };
}

/** Finding and talking to a running server: the operator interface over http, ARM over https with our CA. */
import { readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import type { RequestOptions } from "node:https";
import { join } from "node:path";
import { operatorFile } from "../composition/operator-file.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { CommandError } from "./command.ts";

export interface Server {
  readonly url: string;
  readonly secret: string;
}

export interface ArmReply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** The server that runs on this data directory, or `undefined`. */
export async function findServer(dataDirectory: string): Promise<Server | undefined> {
  let text: string;
  try {
    text = await readFile(join(dataDirectory, operatorFile), "utf8");
  } catch {
    return undefined;
  }
  const server = parseServer(text);
  if (server === undefined) return undefined;
  try {
    await operator(server, "GET", "status");
    return server;
  } catch {
    return undefined;
  }
}

function parseServer(text: string): Server | undefined {
  try {
    const { url, secret } = JSON.parse(text) as { url?: unknown; secret?: unknown };
    return typeof url === "string" && typeof secret === "string" ? { url, secret } : undefined;
  } catch {
    return undefined;
  }
}

/** The running server; CommandError with the way out when there is none. */
export async function requireServer(dataDirectory: string): Promise<Server> {
  const server = await findServer(dataDirectory);
  if (server === undefined) {
    throw new CommandError(`No server is running on ${dataDirectory}. Start one with 'celestite start'.`);
  }
  return server;
}

/** One call of the operator interface; CommandError with the server's own words when it refuses. */
export async function operator<T>(server: Server, method: string, path: string, body?: unknown): Promise<T> {
  const url = new URL(`${server.url}/celestite/${path}`);
  const headers = { authorization: `Bearer ${server.secret}`, "content-type": "application/json" };
  const text = body === undefined ? undefined : JSON.stringify(body);
  // A connection of its own for each: none is left that could be closed under a call hours later.
  const reply = await exchange(httpRequest, url, { method, headers, agent: false }, text);
  const value: unknown = reply.text === "" ? undefined : JSON.parse(reply.text);
  if (reply.status < 200 || reply.status > 299)
    throw new CommandError((value as { error?: string } | undefined)?.error ?? `HTTP ${reply.status}`);
  return value as T;
}

/** Sends one request and resolves with its whole reply. Not by `fetch`, which takes longer to load than all else here. */
function exchange(
  send: typeof httpRequest,
  url: URL,
  options: RequestOptions,
  body: string | undefined,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const request = send(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** One call of ARM as the bootstrap user; `raw` is the text of a body that is not to be made from a value. */
export async function arm(
  server: Server,
  method: string,
  path: string,
  body?: unknown,
  raw?: string,
): Promise<ArmReply> {
  const [status, { token }] = await Promise.all([
    operator<ServerStatus>(server, "GET", "status"),
    operator<{ token: string }>(server, "POST", "token"),
  ]);
  const url = new URL(path, status.endpoints.arm);
  const ca = await readFile(status.caFile);
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const { request } = await import("node:https");
  const reply = await exchange(request, url, { method, ca, headers }, text);
  return {
    status: reply.status,
    body: reply.text === "" ? {} : (JSON.parse(reply.text) as Record<string, unknown>),
  };
}

/** The body of a successful ARM call; CommandError with ARM's code and message otherwise. */
export async function requireArm(
  server: Server,
  method: string,
  path: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const reply = await arm(server, method, path, body);
  if (reply.status < 300) return reply.body;
  throw new CommandError(armFailure(reply.body["error"]) ?? `ARM answered HTTP ${reply.status}.`);
}

/** The error of an ARM body with all its details, one line each. */
export function armFailure(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code, message, details } = error as { code?: unknown; message?: unknown; details?: unknown };
  const inner = Array.isArray(details) ? details.map(armFailure).filter((line) => line !== undefined) : [];
  return [
    `${String(code)}: ${String(message)}`,
    ...inner.map((line) => `  ${line.replaceAll("\n", "\n  ")}`),
  ].join("\n");
}

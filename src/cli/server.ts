/** Finding and talking to a running server: the operator interface over http, ARM over https with our CA. */
import { readFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
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
  const response = await fetch(`${server.url}/celestite/${path}`, {
    method,
    headers: { authorization: `Bearer ${server.secret}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const value: unknown = text === "" ? undefined : JSON.parse(text);
  if (!response.ok)
    throw new CommandError((value as { error?: string } | undefined)?.error ?? `HTTP ${response.status}`);
  return value as T;
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
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const request = httpsRequest(url, { method, ca, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const reply = Buffer.concat(chunks).toString("utf8");
        resolve({
          status: response.statusCode ?? 0,
          body: reply === "" ? {} : (JSON.parse(reply) as Record<string, unknown>),
        });
      });
    });
    request.on("error", reject);
    request.end(text);
  });
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

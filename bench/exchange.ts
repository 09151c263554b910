/**
 * A request whose item is still open: filled in and sent once while things are set up, or made into the bytes that
 * the load generator sends. Both come from one description, so what is checked is what is measured.
 */
import { request as httpsRequest } from "node:https";
import { numberDigits, type RequestTemplate, type Target } from "./load/job.ts";

/** Stands for the number of an item in paths, headers and bodies. */
export const numberMark: string = "#".repeat(numberDigits);

export interface RequestParts {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Reply {
  readonly status: number;
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** The bytes of a request to `port`, with the places of the number. */
export function requestTemplate(parts: RequestParts, port: number): RequestTemplate {
  const headers = { Host: `localhost:${port}`, ...parts.headers, ...lengthHeader(parts.body) };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const bytes = Buffer.from(
    `${parts.method} ${parts.path} HTTP/1.1\r\n${head.join("")}\r\n${parts.body}`,
    "utf8",
  );
  const offsets: number[] = [];
  for (let at = bytes.indexOf(numberMark); at >= 0; at = bytes.indexOf(numberMark, at + numberDigits))
    offsets.push(at);
  return { bytes: bytes.toString("base64"), offsets };
}

/** A request that is made to hurt may take half of it. */
const replyMilliseconds = 60_000;

/** Sends the request for one item on a connection of its own. */
export function sendOnce(target: Target, parts: RequestParts, number = 0): Promise<Reply> {
  const fill = (text: string): string =>
    text.replaceAll(numberMark, String(number).padStart(numberDigits, "0"));
  const headers = Object.entries(parts.headers).map(([name, value]) => [name, fill(value)]);
  const trust = target.ca === undefined ? { rejectUnauthorized: false } : { ca: target.ca };
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: "127.0.0.1",
        servername: "localhost",
        port: target.port,
        method: parts.method,
        path: fill(parts.path),
        headers: {
          Host: `localhost:${target.port}`,
          ...Object.fromEntries(headers),
          ...lengthHeader(parts.body),
        },
        agent: false,
        timeout: replyMilliseconds,
        ...trust,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const body = Buffer.concat(chunks).toString("utf8");
          resolve({ status: response.statusCode ?? 0, rawHeaders: response.rawHeaders, body });
        });
      },
    );
    request.on("timeout", () => request.destroy(new Error(`no reply from port ${target.port}`)));
    request.on("error", reject);
    request.end(fill(parts.body));
  });
}

/** The same, for a request that must succeed. */
export async function requireOnce(
  target: Target,
  parts: RequestParts,
  status: number,
  number = 0,
): Promise<Reply> {
  const reply = await sendOnce(target, parts, number);
  if (reply.status === status) return reply;
  throw new Error(
    `${parts.method} ${parts.path} was answered with ${reply.status}, not ${status}: ${reply.body.slice(0, 300)}`,
  );
}

function lengthHeader(body: string): Record<string, string> {
  return body === "" ? {} : { "Content-Length": String(Buffer.byteLength(body)) };
}

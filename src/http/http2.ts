/**
 * HTTP/2, for clients that speak nothing else: azure_data_cosmos for Rust offers only `h2` in its handshake and takes a
 * server without it for unreachable. Apart from listen.ts because most servers never meet such a client, and load this
 * with the first one.
 */
import {
  type Http2Stream,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import type { Reply, Request, Service } from "./service.ts";

export interface Http2Options {
  readonly service: Service;
  readonly bodyBytesMax: number;
  readonly onError: (error: unknown) => void;
  /** What a caller gets whose request no service could answer. */
  readonly internalError: () => Reply;
  /** The address of a caller that has none. */
  readonly nameless: () => string;
  /** An idle connection is closed after this long. */
  readonly idleMilliseconds: number;
}

/** Replies that wait to be sent count against it; beyond it new requests of a connection are refused. */
const sessionMegabytesMax = 256;

/** Speaks HTTP/2 over a connection that agreed on it; the caller ends the session when the server does. */
export function openSession(socket: TLSSocket, options: Http2Options): ServerHttp2Session {
  const session = performServerHandshake(socket, { maxSessionMemory: sessionMegabytesMax });
  const caller = {
    remoteAddress: socket.remoteAddress ?? options.nameless(),
    breakOff: () => void socket.destroy(),
  };
  // What is wrong with a connection is its client's affair: Node has answered it with a frame and closes.
  session.on("error", () => session.destroy());
  session.setTimeout(options.idleMilliseconds, () => session.close());
  session.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    // A stream that its client gave up needs no answer.
    stream.on("error", () => undefined);
    answer(stream, headers, caller, options).catch(options.onError);
  });
  return session;
}

interface Caller {
  readonly remoteAddress: string;
  /** Ends the connection without another word. */
  readonly breakOff: () => void;
}

async function answer(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  caller: Caller,
  options: Http2Options,
): Promise<void> {
  const body = await readBody(stream, options.bodyBytesMax);
  if (body === "aborted") return;
  try {
    const reply = await options.service(toRequest(headers, body, caller.remoteAddress));
    if (reply.reset === true) caller.breakOff();
    else send(stream, headers, reply);
  } catch (error) {
    options.onError(error);
    if (stream.headersSent) stream.close();
    else send(stream, headers, options.internalError());
  }
}

const noBytes = new Uint8Array(0);

function toRequest(
  received: IncomingHttpHeaders,
  body: Uint8Array | "too large",
  remoteAddress: string,
): Request {
  const authority = received[":authority"] ?? received.host ?? "localhost";
  const headers: Record<string, string | undefined> = { host: authority };
  for (const [name, value] of Object.entries(received)) {
    if (!name.startsWith(":")) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return {
    method: received[":method"] ?? "GET",
    target: received[":path"] ?? "/",
    headers,
    body: body === "too large" ? noBytes : body,
    bodyTooLarge: body === "too large",
    origin: `https://${authority}`,
    remoteAddress,
  };
}

/** How much of a body that is too long is waited for before it is refused, in multiples of the limit. */
const dropFactor = 8;

/** The whole body, or word that it is longer than allowed; what comes of such a one is dropped. */
function readBody(stream: Http2Stream, max: number): Promise<Uint8Array | "too large" | "aborted"> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    stream.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= max) chunks.push(chunk);
      else chunks.length = 0;
      if (size > max * dropFactor) resolve("too large");
    });
    // Comes before the end that Node gives to a body whose client was lost: half an item must not pass for a whole one.
    stream.on("aborted", () => resolve("aborted"));
    stream.on("end", () => resolve(size > max ? "too large" : Buffer.concat(chunks)));
    stream.on("close", () => resolve("aborted"));
  });
}

/** They speak of an HTTP/1.1 connection and may not stand in a reply (RFC 9113, section 8.2.2). */
const ofConnections: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
]);

function send(stream: ServerHttp2Stream, received: IncomingHttpHeaders, reply: Reply): void {
  if (stream.destroyed || stream.closed) return;
  const { status, body } = reply;
  const bodiless = status === 204 || status === 304;
  const headers: Record<string, string | number> = { ":status": status };
  for (const [name, value] of Object.entries(reply.headers)) {
    if (!ofConnections.has(name.toLowerCase())) headers[name.toLowerCase()] = value;
  }
  const isHead = received[":method"] === "HEAD";
  if (!bodiless && (!isHead || body !== undefined))
    headers["content-length"] = body === undefined ? 0 : Buffer.byteLength(body);
  const endStream = bodiless || isHead || body === undefined;
  stream.respond(headers, { endStream });
  if (!endStream) stream.end(body);
}

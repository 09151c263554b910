/**
 * HTTP/2, for clients that speak nothing else: azure_data_cosmos for Rust offers only `h2` in its handshake and takes a
 * server without it for unreachable. Apart from listen.ts because most servers never meet such a client, and load this
 * with the first one.
 */
import { METHODS, validateHeaderValue } from "node:http";
import {
  constants,
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
  /** A request must have come within this time, however slowly. */
  readonly requestMilliseconds: number;
}

/** Replies that wait to be sent count against it; beyond it new requests of a connection are refused. */
const sessionMegabytesMax = 256;

/** Requests of one connection under way at a time; each may hold a body of the largest size. More wait at the client. */
const streamsMax = 250;

/** Speaks HTTP/2 over a connection that agreed on it; the caller ends the session when the server does. */
export function openSession(socket: TLSSocket, options: Http2Options): ServerHttp2Session {
  const session = performServerHandshake(socket, {
    maxSessionMemory: sessionMegabytesMax,
    settings: { maxConcurrentStreams: streamsMax },
  });
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
  const body = await readBody(stream, options);
  if (body === "aborted") return;
  if (!isSound(headers)) return send(stream, headers, malformed);
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

/** Methods that an HTTP/1.1 request can have here: those that its parser knows, but no tunnels. */
const methods: ReadonlySet<string> = new Set(METHODS.filter((method) => method !== "CONNECT"));

/** What the parser of HTTP/1.1 sees to: a known method, in its own letters, and a path, whatever the scheme. */
function isSound(received: IncomingHttpHeaders): boolean {
  return methods.has(received[":method"] ?? "") && received[":path"]?.startsWith("/") === true;
}

const malformed: Reply = {
  status: 400,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ code: "BadRequest", message: "The request is not valid HTTP." }),
};

const noBytes = new Uint8Array(0);

function toRequest(
  received: IncomingHttpHeaders,
  body: Uint8Array | "too large",
  remoteAddress: string,
): Request {
  const authority = received[":authority"] ?? received.host ?? "localhost";
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(received)) {
    if (!name.startsWith(":")) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  // Where both are given, `host` has no say in where a request goes (RFC 9113, section 8.3.1).
  headers["host"] = authority;
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
function readBody(
  stream: Http2Stream,
  { bodyBytesMax: max, requestMilliseconds }: Http2Options,
): Promise<Uint8Array | "too large" | "aborted"> {
  const late = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), requestMilliseconds);
  late.unref();
  stream.once("end", () => clearTimeout(late));
  stream.once("close", () => clearTimeout(late));
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
    // As HTTP/1.1 does by itself: a value with a line end in it would be two headers to whoever translates.
    validateHeaderValue(name, value);
    if (!ofConnections.has(name.toLowerCase())) headers[name.toLowerCase()] = value;
  }
  const isHead = received[":method"] === "HEAD";
  if (!bodiless && (!isHead || body !== undefined))
    headers["content-length"] = body === undefined ? 0 : Buffer.byteLength(body);
  const endStream = bodiless || isHead || body === undefined;
  stream.respond(headers, { endStream });
  if (!endStream) stream.end(body);
}

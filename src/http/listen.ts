/**
 * Listeners: sockets, TLS, the body limit and the last-resort 500. From here on a request is a plain value
 * (service.ts) with its raw target, because ids may contain anything and nothing may decode or collapse them early.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { ServerHttp2Session } from "node:http2";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import type { Http2Options } from "./http2.ts";
import type { Reply, Request, Service } from "./service.ts";

export interface TlsOptions {
  readonly key: string;
  readonly cert: string;
  /** A certificate for a server name other than ours, asked for during the handshake. */
  readonly secureContextFor?: (serverName: string) => Promise<SecureContext>;
}

export interface ListenOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  readonly host: string;
  /** Absent for plain http. */
  readonly tls?: TlsOptions;
  readonly service: Service;
  readonly bodyBytesMax: number;
  /** Told of errors that no service rendered; the caller got a 500. */
  readonly onError: (error: unknown) => void;
}

export interface Listener {
  readonly port: number;
  /** Stops accepting, ends idle connections and resolves when the running ones are done or cut. */
  close(): Promise<void>;
}

/** The address cannot be listened on; `message` says why and what to do. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Largest request head: tokens of some kilobytes travel in headers, and refusing a bad one is the service's job. */
const headerBytesMax = 64 * 1024;
/** Longer than the idle time of the SDKs' connection pools, so that they, not we, close first. */
const keepAliveMilliseconds = 120_000;
/** Running requests get this long when the listener closes. */
const closeGraceMilliseconds = 500;

/**
 * Listens on `host`; for `127.0.0.1` also on `::1` with the same port where the machine has IPv6, since clients may
 * resolve `localhost` to either. Throws ListenError.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const first = await bind(options, options.host, options.port);
  const port = (first.address() as AddressInfo).port;
  const servers = [first];
  if (options.host === "127.0.0.1") {
    const second = await bind(options, "::1", port).catch(() => undefined);
    if (second !== undefined) servers.push(second);
  }
  return { port, close: () => closeAll(servers) };
}

/** A server that listens nowhere yet: a front door hands it connections or gives it an address of its own kind. */
export function unboundServer(options: Omit<ListenOptions, "port" | "host">): Server {
  const server = createServer(options);
  server.keepAliveTimeout = keepAliveMilliseconds;
  server.on("clientError", refuseMalformed);
  return server;
}

async function bind(options: ListenOptions, host: string, port: number): Promise<Server> {
  const server = unboundServer(options);
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, () => resolve(server));
  });
}

function createServer(options: Omit<ListenOptions, "port" | "host">): Server {
  const answering: Answering = {
    ...options,
    turns: createTurns(),
    // Who comes by a file's name has no address, and can only be on this machine.
    nameless: () => (typeof server.address() === "string" ? "127.0.0.1" : ""),
  };
  const handler = (message: IncomingMessage, response: ServerResponse): void => {
    answer(answering, message, response).catch(options.onError);
  };
  const server = serverFor(answering, handler);
  return server;
}

function serverFor(
  options: Answering,
  handler: (message: IncomingMessage, response: ServerResponse) => void,
): Server {
  const { tls } = options;
  if (tls === undefined) return createHttpServer({ maxHeaderSize: headerBytesMax }, handler);
  const { secureContextFor } = tls;
  const sni =
    secureContextFor === undefined
      ? {}
      : {
          SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void): void => {
            secureContextFor(name).then(
              (context) => done(null, context),
              (error: Error) => done(error),
            );
          },
        };
  const { key, cert } = tls;
  const server = createHttpsServer(
    { maxHeaderSize: headerBytesMax, key, cert, ALPNCallback: chooseProtocol, ...sni },
    handler,
  );
  speakHttp2(server, {
    ...options,
    internalError,
    idleMilliseconds: keepAliveMilliseconds,
    requestMilliseconds: server.requestTimeout,
  });
  return server.prependListener("secureConnection", keepReading);
}

/**
 * The protocol for a client that offers `protocols`: HTTP/1.1, the faster of the two here, wherever it will do. Undefined
 * when there is none, which ends the handshake.
 */
function chooseProtocol({ protocols }: { readonly protocols: readonly string[] }): string | undefined {
  return ["http/1.1", "h2"].find((known) => protocols.includes(known));
}

/**
 * Gives connections that agreed on `h2` to HTTP/2, and has the server's own methods for closing close them, too, and those
 * that have not finished their handshake, which would hold a close up for as long as that may take.
 */
function speakHttp2(server: HttpsServer, options: Http2Options): void {
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const open = async (socket: TLSSocket): Promise<void> => {
    // Until this is there nothing reads the socket, so that nothing is lost.
    const { openSession } = await import("./http2.ts");
    const session = openSession(socket, options);
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  };
  const speakHttp1 = server.listeners("secureConnection");
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.alpnProtocol === "h2") open(socket).catch(() => socket.destroy());
    else for (const listener of speakHttp1) Reflect.apply(listener, server, [socket]);
  });
  const { closeIdleConnections, closeAllConnections } = server;
  server.closeIdleConnections = () => {
    closeIdleConnections.call(server);
    for (const session of sessions) session.close();
  };
  server.closeAllConnections = () => {
    closeAllConnections.call(server);
    for (const session of sessions) session.destroy();
    for (const socket of sockets) socket.destroy();
  };
}

/** Most bytes of replies that wait in a connection before no more requests are read from it. */
const waitingBytesMax = 16 << 20;

/**
 * Node stops reading a connection while more than some kilobytes of an earlier reply are not reported as sent. That report
 * may come after the client's next request; and when the body of that comes in a TLS record of its own, Node's parser is
 * fed while it is stopped and fails (`HPE_PAUSED`): a sound request would be answered with 400. No option sets the limit
 * for TLS sockets, hence this.
 */
function keepReading(socket: Socket): void {
  const state: unknown = Reflect.get(socket, "_writableState");
  if (typeof state === "object" && state !== null) Reflect.set(state, "highWaterMark", waitingBytesMax);
}

/** Turns of the event loop. */
interface Turns {
  /** Resolves when what has arrived in this turn was read: the same promise for all that are answered together. */
  next(): Promise<void>;
}

/** Most requests that are answered together: none waits for more than these. */
const togetherMax = 8;

/**
 * Requests that arrive together are answered together: first they are read and parsed, then served, then the replies
 * are written. Each of these is more code than a core's caches hold, so that requests taken one by one cost a quarter
 * more under load. A lone request waits for nothing, as the turn ends when nothing else is there to read.
 */
function createTurns(): Turns {
  interface Turn {
    readonly over: Promise<void>;
    readonly end: () => void;
    count: number;
  }
  let turn: Turn | undefined;
  const begin = (): Turn => {
    let end = (): void => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const begun = { over, end, count: 0 };
    setImmediate(() => finish(begun));
    return begun;
  };
  const finish = (finished: Turn): void => {
    if (turn === finished) turn = undefined;
    finished.end();
  };
  return {
    next() {
      turn ??= begin();
      const { over } = turn;
      turn.count += 1;
      if (turn.count === togetherMax) finish(turn);
      return over;
    },
  };
}

interface Answering extends Omit<ListenOptions, "port" | "host"> {
  readonly turns: Turns;
  /** The address of a caller that has none. */
  readonly nameless: () => string;
}

async function answer(options: Answering, message: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const body = await readBody(message, options.bodyBytesMax);
    if (body === "aborted") return;
    await options.turns.next();
    send(message, response, await options.service(toRequest(message, body, options)));
  } catch (error) {
    options.onError(error);
    if (response.headersSent) response.destroy();
    else send(message, response, internalError());
  }
}

function toRequest(
  message: IncomingMessage,
  body: Uint8Array | "too large",
  { tls, nameless }: Answering,
): Request {
  const headers = message.headers as Readonly<Record<string, string | undefined>>;
  const host = headers["host"] ?? `localhost:${message.socket.localPort ?? 0}`;
  return {
    method: message.method ?? "GET",
    target: pathOf(message.url ?? "/"),
    headers,
    body: body === "too large" ? noBytes : body,
    bodyTooLarge: body === "too large",
    origin: `${tls === undefined ? "http" : "https"}://${host}`,
    remoteAddress: message.socket.remoteAddress ?? nameless(),
  };
}

/** The target without the scheme and host that an absolute-form one has. */
function pathOf(target: string): string {
  if (target.startsWith("/")) return target;
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target);
  const path = absolute === null ? target : target.slice(absolute[0].length);
  return path === "" ? "/" : path;
}

/** How much of a body that is too long is still read and dropped, in multiples of the limit, so that the reply gets through. */
const dropFactor = 8;

/** The whole body, or word that it is longer than allowed. */
function readBody(
  message: IncomingMessage,
  max: number,
): Promise<Uint8Array | "too large" | "aborted"> | Uint8Array {
  // Most requests have none, and waiting for the end of nothing costs a turn of the event loop.
  if (message.headers["content-length"] === undefined && message.headers["transfer-encoding"] === undefined) {
    return noBytes;
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    message.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= max) chunks.push(chunk);
      else chunks.length = 0;
      if (size > max * dropFactor) {
        message.pause();
        resolve("too large");
      }
    });
    message.on("end", () => {
      if (size > max) resolve("too large");
      else resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
    message.on("error", () => resolve("aborted"));
    message.on("close", () => resolve("aborted"));
  });
}

const noBytes = new Uint8Array(0);

function send(message: IncomingMessage, response: ServerResponse, reply: Reply): void {
  if (reply.reset === true) {
    message.socket.destroy();
    return;
  }
  const { body } = reply;
  const length = body === undefined ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.length;
  const bodiless = reply.status === 204 || reply.status === 304;
  const isSized = !bodiless && (message.method !== "HEAD" || body !== undefined);
  // Names and values in one list: an object of headers would be copied to add one, and walked again by Node.
  const headers: string[] = [];
  for (const name in reply.headers) {
    if (isSized && name === "content-length") continue;
    headers.push(name, reply.headers[name] ?? "");
  }
  if (isSized) headers.push("content-length", String(length));
  response.writeHead(reply.status, headers);
  if (body === undefined || message.method === "HEAD") response.end();
  else response.end(body);
}

function internalError(): Reply {
  return {
    status: 500,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      code: "InternalServerError",
      message: "The server met an error that it did not expect.",
    }),
  };
}

/** Answers what is not HTTP, or has too large a head, in the JSON form that every client of ours can read. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const tooLarge = error.code === "HPE_HEADER_OVERFLOW";
  const status = tooLarge ? "431 Request Header Fields Too Large" : "400 Bad Request";
  const message = tooLarge
    ? `The request head is longer than ${headerBytesMax} bytes.`
    : "The request is not valid HTTP.";
  const body = JSON.stringify({ code: tooLarge ? "RequestHeaderFieldsTooLarge" : "BadRequest", message });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): ListenError {
  if (error.code === "EADDRINUSE") {
    return new ListenError(
      `Port ${port} on ${host} is in use. Stop the program that holds it, or choose other ports (celestite start --any-ports, or --first-port N).`,
    );
  }
  if (error.code === "EACCES") {
    return new ListenError(
      `Port ${port} on ${host} needs privileges this process does not have; choose one above 1023.`,
    );
  }
  return new ListenError(`Cannot listen on ${host} port ${port}: ${error.code ?? error.message}.`);
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), closeGraceMilliseconds);
      await closed;
      clearTimeout(cut);
    }),
  );
}

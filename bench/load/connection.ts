/**
 * One TLS connection with at most one HTTP/1.1 request in flight. Much less than an HTTP client: it reads a status,
 * a content length and whether the server will close, and only counts the bytes of the body.
 */

import type { OnReadOpts } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { Target } from "./job.ts";

export interface Expectation {
  readonly status: number;
  readonly bodyBytesMin: number;
}

export interface Connection {
  /** Sends a request and calls `onReply` of the options when its reply is complete. */
  send(request: Buffer): void;
  close(): void;
}

export interface ConnectionEvents {
  /** The connection can take a request; called again whenever it had to be made anew. */
  onReady(): void;
  onReply(): void;
  onFailure(message: string): void;
}

interface ReplyHead {
  readonly status: number;
  readonly length: number;
  readonly closes: boolean;
  /** Bytes of the head with its empty line. */
  readonly size: number;
}

const readBufferBytes = 64 * 1024;
const headEnd = Buffer.from("\r\n\r\n");
/** Characters of an unexpected reply that the failure quotes. */
const quotedMax = 300;

/** Opens a connection that reports a reply other than the expected one as a failure. */
export function openConnection(target: Target, expected: Expectation, events: ConnectionEvents): Connection {
  let socket: TLSSocket | undefined;
  let session: Buffer | undefined;
  let closed = false;
  const close = (): void => {
    closed = true;
    socket?.destroy();
  };
  const fail = (message: string): void => {
    if (closed) return;
    close();
    events.onFailure(message);
  };
  const reader = replyReader(expected, fail, (serverCloses) => {
    events.onReply();
    if (closed) return;
    if (serverCloses) reconnect();
    else events.onReady();
  });
  const reconnect = (): void => {
    socket?.removeAllListeners().on("error", () => {});
    socket?.destroy();
    socket = openSocket(target, session, (bytes) => {
      if (!closed) reader(bytes);
    });
    socket.once("secureConnect", () => events.onReady());
    socket.on("session", (ticket) => {
      session = ticket;
    });
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => fail("the server closed the connection"));
  };
  reconnect();
  return { send: (request) => void socket?.write(request), close };
}

function openSocket(
  target: Target,
  session: Buffer | undefined,
  onBytes: (bytes: Buffer) => void,
): TLSSocket {
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    host: "127.0.0.1",
    port: target.port,
    servername: "localhost",
    ALPNProtocols: ["http/1.1"],
    ...(target.ca === undefined ? { rejectUnauthorized: false } : { ca: target.ca }),
    // A client that has to connect again does so with the session it has, as an agent would.
    ...(session === undefined ? {} : { session }),
    onread: {
      buffer: Buffer.allocUnsafe(readBufferBytes),
      callback(size, buffer) {
        onBytes((buffer as Buffer).subarray(0, size));
        return true;
      },
    },
  };
  return connect(options).setNoDelay(true);
}

/** Takes the bytes of one reply after the other; calls `onReply` at the end of each, with whether the server closes. */
function replyReader(
  expected: Expectation,
  fail: (message: string) => void,
  onReply: (serverCloses: boolean) => void,
): (bytes: Buffer) => void {
  let head: ReplyHead | undefined;
  let partialHead: Buffer | undefined;
  let bodyLeft = 0;
  const takeBody = (bytes: number, closes: boolean): void => {
    bodyLeft -= bytes;
    if (bodyLeft < 0) fail("the reply is longer than its content length");
    if (bodyLeft !== 0) return;
    head = undefined;
    onReply(closes);
  };
  const takeHead = (bytes: Buffer): void => {
    const all = partialHead === undefined ? bytes : Buffer.concat([partialHead, bytes]);
    head = parseHead(all);
    // The bytes are the socket's, which reads the next ones into the same place.
    partialHead = head === undefined ? Buffer.from(all) : undefined;
    if (head === undefined) return;
    if (head.status === expected.status && head.length >= expected.bodyBytesMin) {
      bodyLeft = head.length;
      takeBody(all.length - head.size, head.closes);
      return;
    }
    const text = all.toString("utf8", head.size).slice(0, quotedMax);
    fail(`expected status ${expected.status}, got ${head.status} with ${head.length} bytes: ${text}`);
  };
  return (bytes) => (head === undefined ? takeHead(bytes) : takeBody(bytes.length, head.closes));
}

function parseHead(data: Buffer): ReplyHead | undefined {
  const end = data.indexOf(headEnd);
  if (end < 0) return undefined;
  const text = data.toString("latin1", 0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
  return {
    status: Number(text.slice(9, 12)),
    length: length === undefined ? 0 : Number(length),
    closes: /\r\nconnection: *close/i.test(text),
    size: end + headEnd.length,
  };
}

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
  const readBuffer = Buffer.allocUnsafe(readBufferBytes);
  let session: Buffer | undefined;
  let socket: TLSSocket;
  let closed = false;
  let head: ReplyHead | undefined;
  let partialHead: Buffer | undefined;
  let bodyLeft = 0;

  const fail = (message: string): void => {
    if (closed) return;
    closed = true;
    socket.destroy();
    events.onFailure(message);
  };
  const finish = (closes: boolean): void => {
    head = undefined;
    events.onReply();
    if (closed) return;
    if (closes) reconnect();
    else events.onReady();
  };
  const onHead = (data: Buffer): void => {
    const all = partialHead === undefined ? data : Buffer.concat([partialHead, data]);
    head = parseHead(all);
    if (head === undefined) {
      partialHead = Buffer.from(all);
      return;
    }
    partialHead = undefined;
    if (head.status !== expected.status || head.length < expected.bodyBytesMin) {
      const text = all.toString("utf8", head.size).slice(0, quotedMax);
      fail(`expected status ${expected.status}, got ${head.status} with ${head.length} bytes: ${text}`);
      return;
    }
    bodyLeft = head.length - (all.length - head.size);
    if (bodyLeft === 0) finish(head.closes);
    else if (bodyLeft < 0) fail("the reply is longer than its content length");
  };
  const onBytes = (data: Buffer): void => {
    if (closed) return;
    if (head === undefined) onHead(data);
    else if (data.length > bodyLeft) fail("the reply is longer than its content length");
    else {
      bodyLeft -= data.length;
      if (bodyLeft === 0) finish(head.closes);
    }
  };
  const reconnect = (): void => {
    const previous = socket as TLSSocket | undefined;
    previous?.removeAllListeners();
    previous?.on("error", () => {});
    previous?.destroy();
    const options: ConnectionOptions & { onread: OnReadOpts } = {
      host: "127.0.0.1",
      port: target.port,
      servername: "localhost",
      ALPNProtocols: ["http/1.1"],
      ...(target.ca === undefined ? { rejectUnauthorized: false } : { ca: target.ca }),
      ...(session === undefined ? {} : { session }),
      onread: {
        buffer: readBuffer,
        callback(bytes, buffer) {
          onBytes((buffer as Buffer).subarray(0, bytes));
          return true;
        },
      },
    };
    socket = connect(options);
    socket.setNoDelay(true);
    socket.once("secureConnect", () => events.onReady());
    socket.on("session", (ticket) => {
      session = ticket;
    });
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => fail("the server closed the connection"));
  };
  reconnect();
  return {
    send: (request) => void socket.write(request),
    close() {
      closed = true;
      socket.destroy();
    },
  };
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

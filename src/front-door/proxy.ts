/**
 * The proxy door (`HTTPS_PROXY`, `HTTP_PROXY`): CONNECT for our names ends here with a certificate of our authority;
 * every other name is passed through without being opened, or refused when the run is isolated. Each workload has a
 * proxy of its own, so the metadata service behind it knows whose it is.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Service } from "../http/service.ts";
import { type NameTable, splitAuthority } from "./names.ts";

const metadataAddress = "169.254.169.254";
const connectMilliseconds = 10_000;
const bodyBytesMax = 64 * 1024;

export interface ProxyOptions {
  readonly names: NameTable;
  /** Takes the connections to our names (named-server.ts). */
  readonly named: Server;
  /** The workload's metadata service; without one the address is refused. */
  readonly metadata?: Service;
  /** Refuses every name that is not ours. */
  readonly isolated: boolean;
  readonly onError: (error: unknown) => void;
}

export interface OpenProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens on a loopback port that the system chooses. */
export async function openProxy(options: ProxyOptions): Promise<OpenProxy> {
  const open = new Set<Duplex>();
  const track = (socket: Duplex): void => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    // Clients and servers break off whenever they like; the other side of the tunnel is told by its end.
    socket.on("error", () => socket.destroy());
  };
  const server = createServer((message, response) => {
    plainRequest(options, message, response).catch((error: unknown) => {
      options.onError(error);
      response.destroy();
    });
  });
  server.on("connection", track);
  const tunnelled = metadataServer(options);
  server.on("connect", (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    tunnel(options, tunnelled, message.url ?? "", socket as Socket, head, track).catch(options.onError);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      tunnelled?.closeAllConnections();
      await closed;
    },
  };
}

/** For clients that ask for a tunnel even where plain http would do, as those on Netty. It does not listen by itself. */
function metadataServer({ metadata, onError }: ProxyOptions): Server | undefined {
  if (metadata === undefined) return undefined;
  return createServer((message, response) => {
    metadataRequest(metadata, message, response, message.url ?? "/").catch((error: unknown) => {
      onError(error);
      response.destroy();
    });
  });
}

async function tunnel(
  { names, named, isolated }: ProxyOptions,
  metadata: Server | undefined,
  target: string,
  socket: Socket,
  head: Buffer,
  track: (socket: Duplex) => void,
): Promise<void> {
  const wanted = splitAuthority(target, 443);
  if (wanted === undefined) return refuse(socket, 400, "CONNECT takes a host and a port.");
  const { host, port } = wanted;
  if (names.owns(host)) {
    if (port !== 443) return refuse(socket, 502, `${host} answers on port 443 only.`);
    if ((await names.serviceFor(host)) === undefined) return refuse(socket, 502, `There is no ${host} here.`);
    return end(named, socket, head);
  }
  const address = addressOf(host);
  if (address === metadataAddress && port === 80 && metadata !== undefined)
    return end(metadata, socket, head);
  if (isolated || isLinkLocal(address)) {
    return refuse(socket, 403, `celestite: ${host}:${port} is not ours, and this run is isolated.`);
  }
  const onward = connect({ host, port, timeout: connectMilliseconds });
  track(onward);
  let established = false;
  onward.once("timeout", () => onward.destroy(new Error("timeout")));
  onward.once("connect", () => {
    established = true;
    onward.setTimeout(0);
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) onward.write(head);
    socket.pipe(onward);
    onward.pipe(socket);
  });
  onward.once("close", () => {
    if (established) socket.destroy();
    else refuse(socket, 502, `celestite: no connection to ${host}:${port}.`);
  });
  socket.once("close", () => onward.destroy());
}

/** A host in the spelling that addresses have in a URL: `2852039166` and `169.254.43518` are 169.254.169.254, too. */
function addressOf(host: string): string {
  const url = `http://${host.includes(":") ? `[${host}]` : host}/`;
  return URL.canParse(url) ? new URL(url).hostname : host;
}

/** True for the addresses of metadata services, also as IPv4 in IPv6 clothing: where a real cloud would answer. */
function isLinkLocal(address: string): boolean {
  return /^(169\.254\.|\[(::ffff:a9fe:|fe[89ab][0-9a-f]:|fd00:ec2:))/.test(address);
}

/** A tunnel that ends here, in a server of ours. */
function end(server: Server, socket: Socket, head: Buffer): void {
  socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
  if (head.length > 0) socket.unshift(head);
  server.emit("connection", socket);
}

function refuse(socket: Socket, status: number, text: string): void {
  if (!socket.writable) return;
  const reason = { 400: "Bad Request", 403: "Forbidden" }[status] ?? "Bad Gateway";
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}

/** A request in absolute form (RFC 9112 section 3.2.2): the metadata service, or a plain http server elsewhere. */
async function plainRequest(
  options: ProxyOptions,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = message.url ?? "";
  const url = /^http:\/\//i.test(target) && URL.canParse(target) ? new URL(target) : undefined;
  if (url === undefined)
    return answer(response, 400, "This is a proxy: it takes absolute http addresses and CONNECT.");
  if (url.hostname === metadataAddress && options.metadata !== undefined) {
    return metadataRequest(options.metadata, message, response, target.slice(url.origin.length) || "/");
  }
  if (options.isolated || isLinkLocal(url.hostname) || options.names.owns(url.hostname)) {
    return answer(response, 403, `celestite: ${url.host} is not served over http here.`);
  }
  const { "proxy-connection": _hop, "proxy-authorization": _secret, ...headers } = message.headers;
  const onward = httpRequest(url, { method: message.method ?? "GET", headers, timeout: connectMilliseconds });
  onward.once("response", (reply) => {
    response.writeHead(reply.statusCode ?? 502, reply.headers);
    reply.pipe(response);
    reply.once("error", () => response.destroy());
  });
  onward.once("timeout", () => onward.destroy(new Error("timeout")));
  onward.once("error", () => answer(response, 502, `celestite: no answer from ${url.host}.`));
  response.once("close", () => onward.destroy());
  message.pipe(onward);
}

async function metadataRequest(
  service: Service,
  message: IncomingMessage,
  response: ServerResponse,
  target: string,
): Promise<void> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyBytesMax) return answer(response, 413, "The request is too long.");
    chunks.push(chunk);
  }
  const reply = await service({
    method: message.method ?? "GET",
    target,
    headers: message.headers as Readonly<Record<string, string | undefined>>,
    body: Buffer.concat(chunks),
    origin: `http://${metadataAddress}`,
    remoteAddress: message.socket.remoteAddress ?? "",
  });
  if (reply.reset === true) {
    message.socket.destroy();
    return;
  }
  response.writeHead(reply.status, reply.headers);
  response.end(reply.body);
}

function answer(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { "content-type": "text/plain" });
  response.end(text);
}

/**
 * Before MSAL for Python sends a password it asks which realm the user is of, and for that it drops the port of the
 * authority's address. For such a sign-in a small proxy of this process leads what is meant for port 443 of this machine
 * to the authority; it is apart from the proxy door because it serves no other name and ends with the command.
 */
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";
import { splitAuthority } from "../front-door/names.ts";

export interface RealmProxy {
  /** As the value of `HTTPS_PROXY`. */
  readonly url: string;
  close(): void;
}

const loopback = /^(localhost|127\.0\.0\.1|::1)$/;

/** Listens on this machine alone; other hosts and ports are passed on to as they are. */
export async function openRealmProxy(authority: string): Promise<RealmProxy> {
  const own = Number(new URL(authority).port || 443);
  const server = createServer((_message, response) => response.writeHead(405).end());
  server.on("connect", (message, socket: Duplex, head: Buffer) => {
    const target = splitAuthority(message.url ?? "", 443);
    socket.on("error", () => socket.destroy());
    if (target === undefined) return void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    const { host } = target;
    const port = loopback.test(host) && target.port === 443 ? own : target.port;
    const onward = connect({ host, port }, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) onward.write(head);
      socket.pipe(onward);
      onward.pipe(socket);
    });
    onward.on("error", () => socket.destroy());
    socket.once("close", () => onward.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** True for `az login` with a user's name and password. */
export function sendsPassword(args: readonly string[]): boolean {
  const has = (...names: readonly string[]): boolean =>
    args.some((arg) => names.some((name) => arg === name || arg.startsWith(`${name}=`)));
  const [command] = args.filter((arg) => !arg.startsWith("-"));
  return command === "login" && has("-u", "--username") && !has("--service-principal", "--identity", "-i");
}

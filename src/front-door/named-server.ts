/**
 * One TLS server for all public names: the certificate follows the name in the handshake, the service the name in the
 * request. It does not listen by itself; the doors hand it connections.
 */
import type { Server } from "node:http";
import { type ListenOptions, unboundServer } from "../http/listen.ts";
import { json } from "../http/reply.ts";
import type { Service } from "../http/service.ts";
import { type NameTable, splitAuthority } from "./names.ts";

/** The server; give it sockets by `emit("connection", socket)`, or let it listen. */
export function namedServer(
  names: NameTable,
  options: Omit<ListenOptions, "port" | "host" | "service">,
): Server {
  return unboundServer({ ...options, service: routeByHost(names) });
}

/** Sends a request to the service of its `Host`; a name that is not ours was misdirected (RFC 9110 section 15.5.20). */
function routeByHost(names: NameTable): Service {
  return async (request) => {
    const host = splitAuthority(request.headers["host"] ?? "", 443)?.host;
    const service = host === undefined ? undefined : await names.serviceFor(host);
    if (service !== undefined) return service(request);
    return json(421, { code: "MisdirectedRequest", message: "Nothing here answers for this host name." });
  };
}

/**
 * @vercel/cosmosdb-server in a process of its own, started through its own API as its command line does. Arguments:
 * the directory it is installed in, and `keep-alive` or `close`: by itself it closes every connection after one reply.
 */

import type { Server } from "node:https";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

interface PeerModule {
  createHttpsServer(options?: { readonly keepAlive?: boolean }): Server;
}

const [, , directory = "", connections = ""] = process.argv;
const peer = createRequire(join(directory, "package.json"))("@vercel/cosmosdb-server") as PeerModule;
const server = peer.createHttpsServer(connections === "keep-alive" ? { keepAlive: true } : {});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});

// The bench holds the other end of the standard input: when it is gone, so is this.
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();

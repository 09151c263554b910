/**
 * The bare server: `node:https` with nothing behind it. It reads each request to its end and answers with bytes that
 * were made in advance, so what it can do is what Node's TLS and HTTP leave of the machine. Argument: its settings.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { BareSettings } from "./bare.ts";

const settings = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as BareSettings;
const replies = new Map(
  Object.entries(settings.replies).map(([method, { status, headers, body }]) => [
    method,
    {
      status,
      headers: { ...headers, "content-length": Buffer.byteLength(body) },
      body: Buffer.from(body, "utf8"),
    },
  ]),
);

const server = createServer(
  { cert: settings.cert, key: settings.key, ALPNProtocols: ["http/1.1"], maxHeaderSize: 64 * 1024 },
  (request, response) => {
    request.on("data", () => {});
    request.on("end", () => {
      const reply = replies.get(request.method ?? "");
      if (reply === undefined) response.writeHead(405).end();
      else response.writeHead(reply.status, reply.headers).end(reply.body);
    });
  },
);
server.keepAliveTimeout = 120_000;
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});

// The bench holds the other end of the standard input: when it is gone, so is this.
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();

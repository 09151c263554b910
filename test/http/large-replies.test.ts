/** Requests that follow a large reply at once, as programs send them that read page after page over one connection. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { listen } from "../../src/http/listen.ts";
import { openAuthority } from "../../src/tls/authority.ts";
import { withDirectory } from "../fixtures.ts";

const replyBytes = 300_000;
const rounds = 20;

/** Sends the head and the body of each request in TLS records of their own, and prints the first line of each reply. */
const client = `
const socket = require("node:tls").connect({ port: Number(process.argv[1]), host: "127.0.0.1", rejectUnauthorized: false });
socket.setNoDelay(true);
let sent = 0, got = "";
const ask = () => {
  if (sent++ === ${rounds}) return socket.end();
  socket.write("POST / HTTP/1.1\\r\\nhost: a\\r\\ncontent-length: 5\\r\\n\\r\\n");
  socket.write("hello");
};
socket.on("secureConnect", ask);
socket.on("data", (data) => {
  got += data.toString("latin1");
  const head = got.indexOf("\\r\\n\\r\\n");
  const length = Number(/content-length: (\\d+)/i.exec(got)?.[1]);
  if (head < 0 || got.length < head + 4 + length) return;
  console.log(got.slice(0, got.indexOf("\\r\\n")));
  got = "";
  ask();
});
`;

function spin(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test("a request is read although the reply before it is not reported as sent yet", () =>
  withDirectory(async (directory) => {
    const around = { clock: systemClock, entropy: openEntropy() };
    const authority = await openAuthority({ directory, ...around, names: [] });
    const body = Buffer.alloc(replyBytes, "x");
    const listener = await listen({
      port: 0,
      host: "127.0.0.1",
      tls: authority.leaf(),
      bodyBytesMax: 1024,
      onError: (error) => assert.fail(String(error)),
      async service(request) {
        assert.equal(Buffer.from(request.body).toString(), "hello");
        await nextTurn();
        // After this reply has been written, and before anything else: long enough for the client's next request.
        let later = Promise.resolve();
        for (let i = 0; i < 50; i++) later = later.then(() => {});
        void later.then(() => spin(20));
        return { status: 200, headers: {}, body };
      },
    });
    try {
      const { stdout } = await promisify(execFile)(process.execPath, ["-e", client, String(listener.port)]);
      assert.deepEqual(stdout.trim().split("\n"), new Array<string>(rounds).fill("HTTP/1.1 200 OK"));
    } finally {
      await listener.close();
    }
  }));

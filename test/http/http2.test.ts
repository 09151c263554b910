/**
 * HTTP/2 for clients that speak nothing else, as azure_data_cosmos for Rust does: it offers only `h2`, was refused in the
 * handshake (no application protocol) and took the server for unreachable.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { after, before, describe, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { type Listener, listen } from "../../src/http/listen.ts";
import type { Reply, Request } from "../../src/http/service.ts";
import { openAuthority } from "../../src/tls/authority.ts";
import { withDirectory } from "../fixtures.ts";

const bodyBytesMax = 1000;

const replies: Readonly<Record<string, Reply>> = {
  "/none": { status: 204, headers: { connection: "close", "X-Ms-Activity-Id": "1" } },
  "/unchanged": { status: 304, headers: { etag: '"1"' } },
  "/empty": { status: 200, headers: {} },
  "/large": { status: 200, headers: {}, body: Buffer.alloc(3_000_000, "x") },
  "/gone": { status: 404, headers: { "content-type": "text/plain" }, body: "gön" },
  "/reset": { status: 200, headers: {}, reset: true },
};

let open: () => Promise<Listener>;
let listener: Listener;
let came: Request[] = [];
let errors: unknown[] = [];
/** Replies to /wait come when this resolves. */
let waited: Promise<void> = Promise.resolve();

before(async () => {
  await withDirectory(async (directory) => {
    const around = { clock: systemClock, entropy: openEntropy() };
    const tls = (await openAuthority({ directory, ...around, names: [] })).leaf();
    open = () =>
      listen({
        port: 0,
        host: "127.0.0.1",
        tls,
        bodyBytesMax,
        onError: (error) => void errors.push(error),
        async service(request) {
          came.push(request);
          if (request.target === "/fail") throw new Error("a defect");
          if (request.target === "/wait") await waited;
          return replies[request.target] ?? { status: 200, headers: {}, body: "done" };
        },
      });
    listener = await open();
  });
});

after(() => listener.close());

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function session(port: number): ClientHttp2Session {
  return connect(`https://localhost:${port}`, { rejectUnauthorized: false });
}

async function ask(
  client: ClientHttp2Session,
  headers: Readonly<Record<string, string>>,
  body?: string | Buffer,
): Promise<Answer> {
  const stream = client.request({ ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const closed = once(stream, "close").then(() => assert.fail("no response"));
  const [received] = (await Promise.race([once(stream, "response"), closed])) as [IncomingHttpHeaders];
  closed.catch(() => undefined);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return { headers: received, body: Buffer.concat(chunks).toString("utf8") };
}

describe("the protocol that both speak", () => {
  for (const [offered, agreed] of [
    [["h2"], "h2"],
    [["http/1.1"], "http/1.1"],
    [["h2", "http/1.1"], "http/1.1"],
    [["http/1.0", "h2"], "h2"],
    [undefined, false],
    [["spdy/3"], "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL"],
  ] as const) {
    test(`${JSON.stringify(offered)}: ${agreed}`, async () => {
      const ALPNProtocols = offered === undefined ? {} : { ALPNProtocols: [...offered] };
      const socket = connectTls({
        port: listener.port,
        host: "127.0.0.1",
        rejectUnauthorized: false,
        ...ALPNProtocols,
      });
      const found = await Promise.race([
        once(socket, "secureConnect").then(() => socket.alpnProtocol),
        once(socket, "error").then(([error]) => (error as NodeJS.ErrnoException).code),
      ]).catch((error: NodeJS.ErrnoException) => error.code);
      (socket as TLSSocket).destroy();
      assert.equal(found, agreed);
    });
  }
});

describe("replies", () => {
  for (const [target, method, status, length, body] of [
    ["/any", "GET", 200, "4", "done"],
    ["/any", "POST", 200, "4", "done"],
    ["/any", "HEAD", 200, "4", ""],
    ["/empty", "GET", 200, "0", ""],
    ["/empty", "HEAD", 200, undefined, ""],
    ["/none", "DELETE", 204, undefined, ""],
    ["/unchanged", "GET", 304, undefined, ""],
    ["/gone", "GET", 404, "4", "gön"],
    ["/large", "GET", 200, "3000000", "x".repeat(3_000_000)],
    ["/fail", "GET", 500, undefined, undefined],
  ] as const) {
    test(`${method} ${target}: ${status}`, async () => {
      errors = [];
      const client = session(listener.port);
      const answer = await ask(
        client,
        { ":path": target, ":method": method },
        method === "POST" ? "{}" : undefined,
      );
      client.close();
      assert.equal(answer.headers[":status"], status);
      assert.equal(errors.length, target === "/fail" ? 1 : 0);
      if (body === undefined) {
        assert.equal((JSON.parse(answer.body) as { code: string }).code, "InternalServerError");
        return;
      }
      assert.equal(answer.headers["content-length"], length);
      assert.equal(answer.body, body);
      assert.equal(answer.headers.connection, undefined);
      assert.equal(answer.headers["x-ms-activity-id"], target === "/none" ? "1" : undefined);
    });
  }

  test("many at once over one connection", async () => {
    const client = session(listener.port);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => ask(client, { ":path": `/many/${n}`, ":method": "POST" }, `${n}`)),
    );
    client.close();
    assert.deepEqual(new Set(answers.map(({ body }) => body)), new Set(["done"]));
  });

  test("a reply that a fault replaces by the end of the connection", async () => {
    const client = session(listener.port);
    client.on("error", () => undefined);
    const ended = once(client, "close");
    await assert.rejects(ask(client, { ":path": "/reset" }));
    await ended;
  });
});

describe("requests", () => {
  for (const [what, headers, body, expected] of [
    [
      "the target as it was sent",
      { ":path": "/dbs/a%2Fb/../c?x=%20" },
      undefined,
      { target: "/dbs/a%2Fb/../c?x=%20" },
    ],
    ["a body without a length", { ":method": "PUT" }, "hello", { method: "PUT", body: Buffer.from("hello") }],
    ["the longest body", {}, "x".repeat(bodyBytesMax), { bodyTooLarge: false }],
    [
      "a body that is too long",
      {},
      "x".repeat(bodyBytesMax + 1),
      { bodyTooLarge: true, body: new Uint8Array(0) },
    ],
    [
      "one that is far too long",
      {},
      "x".repeat(bodyBytesMax * 20),
      { bodyTooLarge: true, body: new Uint8Array(0) },
    ],
    [
      "the name that was called",
      { ":authority": "a.example:7" },
      undefined,
      { origin: "https://a.example:7" },
    ],
    ["where it comes from", {}, undefined, { remoteAddress: "127.0.0.1" }],
  ] as const) {
    test(what, async () => {
      came = [];
      const client = connect(`https://127.0.0.1:${listener.port}`, { rejectUnauthorized: false });
      const method = body === undefined ? "GET" : "POST";
      await ask(
        client,
        { ":path": "/any", ":method": method, "x-ms-version": "2020-07-15", ...headers },
        body,
      );
      client.close();
      const [request] = came;
      assert.equal(request?.headers["x-ms-version"], "2020-07-15");
      assert.equal(`https://${request?.headers["host"]}`, request?.origin);
      assert.deepEqual(
        Object.keys(request?.headers ?? {}).filter((name) => name.startsWith(":")),
        [],
      );
      for (const [name, value] of Object.entries(expected))
        assert.deepEqual(Reflect.get(request ?? {}, name), value);
    });
  }
});

describe("clients that misbehave", () => {
  for (const [what, deed] of [
    ["what is no frame", (socket: TLSSocket) => socket.write("GET / HTTP/1.1\r\n\r\n")],
    ["half a preface", (socket: TLSSocket) => socket.end("PRI * HTTP/2.0\r\n")],
    ["nothing at all", (socket: TLSSocket) => socket.end()],
  ] as const) {
    test(`${what} ends the connection, and nothing else`, async () => {
      errors = [];
      const where = { port: listener.port, host: "127.0.0.1", rejectUnauthorized: false };
      const socket = connectTls({ ...where, ALPNProtocols: ["h2"] });
      socket.on("error", () => undefined);
      await once(socket, "secureConnect");
      deed(socket);
      socket.resume();
      await once(socket, "close");
      const client = session(listener.port);
      assert.equal((await ask(client, { ":path": "/any" })).body, "done");
      client.close();
      assert.deepEqual(errors, []);
    });
  }

  for (const body of [undefined, "never finished"]) {
    test(`a request that is given up ${body === undefined ? "while it is served" : "while it is sent"}`, async () => {
      errors = [];
      came = [];
      let serveNow = (): void => {};
      waited = new Promise<void>((resolve) => {
        serveNow = resolve;
      });
      const client = session(listener.port);
      const stream = client.request({ ":path": "/wait" }, { endStream: body === undefined });
      stream.on("error", () => undefined);
      if (body !== undefined) stream.write(body);
      await ask(client, { ":path": "/any" });
      client.destroy();
      await once(stream, "close");
      serveNow();
      const next = session(listener.port);
      assert.equal((await ask(next, { ":path": "/any" })).body, "done");
      next.close();
      const served = came.map(({ target }) => target);
      assert.deepEqual(served, body === undefined ? ["/wait", "/any", "/any"] : ["/any", "/any"]);
      assert.deepEqual(errors, []);
    });
  }
});

describe("the end of a listener", () => {
  for (const what of ["an idle connection", "a connection with a request that never ends"] as const) {
    test(`${what} does not hold it up`, async () => {
      const own = await open();
      const client = session(own.port);
      let answerNow = (): void => {};
      waited = new Promise<void>((resolve) => {
        answerNow = resolve;
      });
      await ask(client, { ":path": "/any" });
      const pending = what === "an idle connection" ? undefined : ask(client, { ":path": "/wait" });
      const cut = pending === undefined ? undefined : assert.rejects(pending);
      client.on("error", () => undefined);
      const ended = once(client, "close");
      await own.close();
      await ended;
      await cut;
      answerNow();
    });
  }
});

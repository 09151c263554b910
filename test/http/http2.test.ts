/**
 * HTTP/2 for clients that speak nothing else, as azure_data_cosmos for Rust does: it offers only `h2`, was refused in the
 * handshake (no application protocol) and took the server for unreachable.
 */
import assert from "node:assert/strict";
import { on, once } from "node:events";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { openSession } from "../../src/http/http2.ts";
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
  "/split": { status: 200, headers: { location: "a\r\nset-cookie: b" } },
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
    [
      "the name that was called, whatever else is said to be the host",
      { ":authority": "a.example:7", host: "b.example" },
      undefined,
      { origin: "https://a.example:7" },
    ],
    [
      "the host where there is no such name",
      { host: "b.example" },
      undefined,
      { origin: "https://b.example" },
    ],
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

describe("heads", () => {
  for (const [what, status, headers] of [
    ["a method that only looks like one", 400, { ":method": "get" }],
    ["no method of HTTP", 400, { ":method": "GRANT" }],
    ["a tunnel", 400, { ":method": "CONNECT", ":authority": "localhost:443" }],
    [
      "an absolute target under another scheme",
      400,
      { ":scheme": "gopher", ":path": "https://a.example/any" },
    ],
    ["a target that is no path", 400, { ":scheme": "gopher", ":path": "any" }],
    ["another scheme alone", 200, { ":scheme": "gopher", ":path": "/any" }],
    ["a method of WebDAV", 200, { ":method": "PROPFIND", ":path": "/any" }],
    ["two slashes", 200, { ":path": "//a.example/any" }],
  ] as const) {
    test(`${what}: ${status}`, async () => {
      came = [];
      const client = session(listener.port);
      const answer = await ask(client, headers);
      client.destroy();
      assert.equal(answer.headers[":status"], status);
      assert.equal(came.length, status === 200 ? 1 : 0);
      if (status === 400) assert.equal((JSON.parse(answer.body) as { code: string }).code, "BadRequest");
    });
  }

  for (const [what, headers] of [
    ["an absolute target", { ":path": "https://a.example/any" }],
    ["a space in the target", { ":path": "/any thing" }],
    ["more than the largest head", { ":path": "/any", "x-large": "x".repeat(70_000) }],
    ["a shorter length than the body's", { ":path": "/any", ":method": "POST", "content-length": "3" }],
    ["a longer length than the body's", { ":path": "/any", ":method": "POST", "content-length": "30" }],
  ] as const) {
    test(`${what} ends the stream and reaches no service`, async () => {
      came = [];
      const client = session(listener.port);
      client.on("error", () => undefined);
      await assert.rejects(ask(client, headers, ":method" in headers ? "hello" : undefined));
      client.destroy();
      assert.deepEqual(came, []);
    });
  }

  test("a line end in a reply's header does not reach the client", async () => {
    errors = [];
    const client = session(listener.port);
    const answer = await ask(client, { ":path": "/split" });
    client.destroy();
    assert.equal(answer.headers[":status"], 500);
    assert.equal(errors.length, 1);
  });

  /** As HTTP/1.1 does: a second `authorization` is none, what may have several values is one text. */
  test("headers that come twice", async () => {
    came = [];
    const socket = await rawConnection();
    const head = headOf([
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/any"],
      [":authority", "a.example"],
      ["authorization", "one"],
      ["authorization", "two"],
      ["x-ms-date", "one"],
      ["x-ms-date", "two"],
    ]);
    socket.write(frame(1, 5, 1, head));
    while (came.length === 0) await new Promise((resume) => setTimeout(resume, 5));
    socket.destroy();
    assert.equal(came[0]?.headers["authorization"], "one");
    assert.equal(came[0]?.headers["x-ms-date"], "one, two");
  });
});

/** A connection whose client writes its frames by itself; it has begun and heeds nothing. */
async function rawConnection(): Promise<TLSSocket> {
  const where = { port: listener.port, host: "127.0.0.1", rejectUnauthorized: false };
  const socket = connectTls({ ...where, ALPNProtocols: ["h2"] });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  socket.resume();
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(4, 0, 0));
  return socket;
}

/** Resolves when the server has said that it takes no more requests from this connection. */
async function goingAway(socket: TLSSocket): Promise<void> {
  let rest = Buffer.alloc(0);
  for await (const chunk of on(socket, "data") as AsyncIterable<[Buffer]>) {
    rest = Buffer.concat([rest, chunk[0]]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      if (rest[3] === 7) return;
      rest = rest.subarray(9 + rest.readUIntBE(0, 3));
    }
  }
}

/** Header fields of HPACK without index or compression (RFC 7541, section 6.2.2). */
function headOf(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const sized = (text: string): string => String.fromCharCode(text.length) + text;
  return Buffer.from(fields.map(([name, value]) => `\0${sized(name)}${sized(value)}`).join(""), "latin1");
}

/** A frame of HTTP/2 (RFC 9113, section 4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

describe("clients that misbehave", () => {
  test("thousands of requests at a time are served some at a time", async () => {
    const client = session(listener.port);
    await once(client, "remoteSettings");
    assert.equal(client.remoteSettings.maxConcurrentStreams, 250);
    client.setMaxListeners(0);
    const asked = Array.from({ length: 2000 }, (_, n) => ask(client, { ":path": `/many/${n}` }));
    const bodies = new Set((await Promise.all(asked)).map(({ body }) => body));
    client.close();
    assert.deepEqual(bodies, new Set(["done"]));
  });

  test("of requests that are given up by the thousand not all are served, and other connections are", async () => {
    errors = [];
    came = [];
    const socket = await rawConnection();
    const told = goingAway(socket);
    const head = headOf([
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/any"],
      [":authority", "a.example"],
    ]);
    const cancel = Buffer.from([0, 0, 0, 8]);
    const sent = 5000;
    for (let n = 0; n < sent; n++)
      socket.write(Buffer.concat([frame(1, 5, 2 * n + 1, head), frame(3, 0, 2 * n + 1, cancel)]));
    await told;
    socket.destroy();
    const next = session(listener.port);
    assert.equal((await ask(next, { ":path": "/any" })).body, "done");
    next.close();
    assert.ok(came.length < sent, `${came.length} were served`);
    assert.deepEqual(errors, []);
  });

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

describe("a body that trickles", () => {
  for (const [milliseconds, expected] of [
    [150, "ended"],
    [60_000, "done"],
  ] as const) {
    test(`within ${milliseconds} ms: ${expected}`, async () => {
      came = [];
      const own = await withTime(milliseconds);
      const stream = own.client.request({ ":path": "/any", ":method": "POST" });
      stream.on("error", () => undefined);
      const trickle = setInterval(() => stream.write("x"), 20);
      const ending = once(stream, "close").then(() => "ended");
      const answered = once(stream, "response").then(() => "done");
      setTimeout(() => {
        clearInterval(trickle);
        stream.end();
      }, 600);
      assert.equal(await Promise.race([ending, answered]), expected);
      assert.equal(came.length, expected === "done" ? 1 : 0);
      clearInterval(trickle);
      own.close();
    });
  }
});

/** A server whose requests must have come within `milliseconds`. */
async function withTime(milliseconds: number): Promise<{ client: ClientHttp2Session; close: () => void }> {
  const [outer, inner] = await socketPair();
  const server = openSession(inner as TLSSocket, {
    service: async (request) => {
      came.push(request);
      return { status: 200, headers: {} };
    },
    bodyBytesMax,
    onError: (error) => void errors.push(error),
    internalError: () => ({ status: 500, headers: {} }),
    nameless: () => "",
    idleMilliseconds: 60_000,
    requestMilliseconds: milliseconds,
  });
  const client = connect("http://localhost", { createConnection: () => outer });
  client.on("error", () => undefined);
  return {
    client,
    close() {
      client.destroy();
      server.destroy();
    },
  };
}

async function socketPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const outer = connectTcp((server.address() as AddressInfo).port, "127.0.0.1");
  const [inner] = (await once(server, "connection")) as [Socket];
  server.close();
  return [outer, inner];
}

describe("the end of a listener", () => {
  test("a handshake that never comes does not hold it up", async () => {
    const own = await open();
    const socket = connectTcp(own.port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    const ended = once(socket.resume(), "close");
    await own.close();
    await ended;
  });

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

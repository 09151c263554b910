/** The proxy door over real sockets: our names end here, others pass unopened or are refused. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, request } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { namedServer } from "../../src/front-door/named-server.ts";
import { createNameTable, splitAuthority } from "../../src/front-door/names.ts";
import { type OpenProxy, openProxy } from "../../src/front-door/proxy.ts";
import { json } from "../../src/http/reply.ts";
import type { Service } from "../../src/http/service.ts";
import { type Authority, openAuthority } from "../../src/tls/authority.ts";
import { withDirectory } from "../fixtures.ts";

const say =
  (who: string): Service =>
  async ({ target, origin }) =>
    json(200, { who, target, origin });
const names = createNameTable({ "login.microsoftonline.com": say("authority") }, [
  {
    suffix: ".documents.azure.com",
    serviceFor: async (label) => (label === "shop" ? say("shop") : undefined),
    labels: () => ["shop"],
  },
]);
const errors: unknown[] = [];
const onError = (error: unknown): void => void errors.push(error);
let authority: Authority;
let open: OpenProxy;
let isolated: OpenProxy;
let close: () => Promise<void>;

before(async () => {
  authority = await withDirectory((directory) =>
    openAuthority({ directory, clock: systemClock, entropy: openEntropy(), names: [] }),
  );
  const { leaf, secureContextFor } = authority;
  const named = namedServer(names, { tls: { ...leaf(), secureContextFor }, bodyBytesMax: 1e6, onError });
  const shared = { names, named, metadata: say("metadata"), onError };
  open = await openProxy({ ...shared, isolated: false });
  isolated = await openProxy({ ...shared, isolated: true });
  close = async () => {
    await Promise.all([open.close(), isolated.close()]);
    named.closeAllConnections();
  };
});

after(async () => {
  await close();
  assert.deepEqual(errors, []);
});

/** Sends CONNECT; the head of the answer and the socket. */
async function ask(
  proxy: OpenProxy,
  target: string,
): Promise<{ readonly head: string; readonly socket: Socket }> {
  const socket = connect(proxy.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return { head: chunk.toString("latin1"), socket };
}

/** A GET over TLS inside a tunnel; status and body. */
async function getThrough(socket: Socket, servername: string, host = servername): Promise<string> {
  const secure = connectTls({ socket, servername, ca: authority.caPem, ALPNProtocols: ["h2", "http/1.1"] });
  await once(secure, "secureConnect");
  assert.equal(secure.alpnProtocol, "http/1.1");
  secure.write(`GET /a%2Fb?c=d HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  let text = "";
  for await (const chunk of secure as AsyncIterable<Buffer>) text += chunk.toString("latin1");
  return text;
}

function plain(
  proxy: OpenProxy,
  target: string,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: "127.0.0.1", port: proxy.port, path: target }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

describe("CONNECT to a name of ours", () => {
  for (const host of ["login.microsoftonline.com", "shop.documents.azure.com", "SHOP.Documents.Azure.com"]) {
    test(`${host}: its own certificate, its service, its origin`, async () => {
      for (const proxy of [open, isolated]) {
        const { head, socket } = await ask(proxy, `${host}:443`);
        assert.match(head, /^HTTP\/1\.1 200 /);
        const reply = await getThrough(socket, host.toLowerCase());
        assert.match(reply, /^HTTP\/1\.1 200 /);
        assert.match(reply, new RegExp(`"origin":"https://${host.toLowerCase()}"`));
        assert.match(reply, /"target":"\/a%2Fb\?c=d"/);
      }
    });
  }

  test("a request for another name inside is misdirected", async () => {
    const { socket } = await ask(open, "login.microsoftonline.com:443");
    assert.match(
      await getThrough(socket, "login.microsoftonline.com", "evil.example.com"),
      /^HTTP\/1\.1 421 /,
    );
  });

  test("an account that is not there, a port that is not ours, no target", async () => {
    assert.match((await ask(open, "other.documents.azure.com:443")).head, /^HTTP\/1\.1 502 /);
    assert.match((await ask(open, "shop.documents.azure.com:80")).head, /^HTTP\/1\.1 502 /);
    assert.match((await ask(open, "no target")).head, /^HTTP\/1\.1 400 /);
    assert.match((await ask(open, "a.b.documents.azure.com:443")).head, /^HTTP\/1\.1 502 /);
  });
});

describe("CONNECT elsewhere", () => {
  test("bytes pass unopened in both directions, and both ends close together", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => socket.write(`echo ${chunk.toString()}`));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { head, socket } = await ask(open, `127.0.0.1:${port}`);
    assert.match(head, /^HTTP\/1\.1 200 /);
    socket.write("hello");
    assert.equal(String((await once(socket, "data"))[0]), "echo hello");
    const [inner] = await Promise.all([connections(server), undefined]);
    assert.equal(inner, 1);
    socket.resetAndDestroy();
    while ((await connections(server)) > 0) await new Promise((done) => setTimeout(done, 10));
    server.close();
  });

  test("a port where nobody listens", async () => {
    assert.match((await ask(open, "127.0.0.1:1")).head, /^HTTP\/1\.1 502 /);
  });

  test("refused when isolated, and the metadata address always", async () => {
    assert.match((await ask(isolated, "example.com:443")).head, /^HTTP\/1\.1 403 /);
    assert.match((await ask(isolated, "127.0.0.1:22")).head, /^HTTP\/1\.1 403 /);
    assert.match((await ask(open, "169.254.169.254:443")).head, /^HTTP\/1\.1 403 /);
  });

  // Programs and resolvers read addresses in all of these spellings; a machine in a cloud has its own service there.
  for (const [target, status] of [
    ["169.254.169.254.:443", 403],
    ["2852039166:443", 403],
    ["0xa9fea9fe:443", 403],
    ["0251.0376.0251.0376:443", 403],
    ["169.254.43518:443", 403],
    ["[::ffff:169.254.169.254]:443", 403],
    ["[::ffff:a9fe:a9fe]:80", 403],
    ["[fe80::a9fe:a9fe]:80", 403],
    ["[fd00:ec2::254]:80", 403],
    ["169.254.170.2:80", 403],
    ["2852039166:80", 200],
    ["[::1]:1", 502],
    ["[::ffff:127.0.0.1]:1", 502],
    ["2130706433:1", 502],
  ] as const) {
    test(`${target}: ${status}`, async () => {
      const { head, socket } = await ask(open, target);
      socket.destroy();
      assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `));
    });
  }
});

function connections(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
}

describe("absolute addresses", () => {
  test("the metadata service of the workload", async () => {
    const reply = await plain(isolated, "http://169.254.169.254/metadata/identity/oauth2/token?resource=x");
    assert.equal(reply.status, 200);
    assert.deepEqual(JSON.parse(reply.body), {
      who: "metadata",
      target: "/metadata/identity/oauth2/token?resource=x",
      origin: "http://169.254.169.254",
    });
  });

  test("the metadata service through a tunnel, as clients on Netty ask for it; a workload without one gets none", async () => {
    const { head, socket } = await ask(isolated, "169.254.169.254:80");
    assert.match(head, /^HTTP\/1\.1 200 /);
    socket.write("GET /metadata/instance?a=b HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n");
    let text = "";
    for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString("latin1");
    assert.match(text, /^HTTP\/1\.1 200 [\s\S]*"target":"\/metadata\/instance\?a=b"/);
    const without = await openProxy({ names, named: createHttpServer(), isolated: false, onError });
    assert.match((await ask(without, "169.254.169.254:80")).head, /^HTTP\/1\.1 403 /);
    await without.close();
  });

  test("a plain server elsewhere, unless isolated", async () => {
    const server = createHttpServer((_message, response) => response.end("elsewhere")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    assert.deepEqual(await plain(open, `http://127.0.0.1:${port}/`), { status: 200, body: "elsewhere" });
    assert.equal((await plain(isolated, `http://127.0.0.1:${port}/`)).status, 403);
    server.close();
  });

  for (const [target, status] of [
    ["/relative", 400],
    ["ftp://example.com/", 400],
    ["http://169.254.170.2/credentials", 403],
    ["http://[::ffff:169.254.169.254]/metadata/instance", 403],
    ["http://[fd00:ec2::254]/latest", 403],
    ["http://login.microsoftonline.com/common", 403],
    ["http://127.0.0.1:1/", 502],
  ] as const) {
    test(`${target}: ${status}`, async () => assert.equal((await plain(open, target)).status, status));
  }
});

test("names and ports as they are written", () => {
  assert.deepEqual(splitAuthority("a.example.com:8443", 443), { host: "a.example.com", port: 8443 });
  assert.deepEqual(splitAuthority("a.example.com", 443), { host: "a.example.com", port: 443 });
  assert.deepEqual(splitAuthority("[::1]:80", 443), { host: "::1", port: 80 });
  for (const text of ["", ":443", "a:0", "a:65536", "a:b", "a b:1", "a/b:1", "::1:80", "user@a:1"]) {
    assert.equal(splitAuthority(text, 443), undefined, text);
  }
});

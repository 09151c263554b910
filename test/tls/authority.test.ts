import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { connect, type SecureContext, type TLSSocket } from "node:tls";
import { type ManualClock, manualClock, openEntropy, seededEntropy, systemClock } from "../../src/clock.ts";
import { type Authority, openAuthority } from "../../src/tls/authority.ts";
import { writeBundle } from "../../src/tls/bundle.ts";
import { AuthorityUnavailable } from "../../src/tls/files.ts";

const DAY = 24 * 3_600_000;
const START = Date.UTC(2026, 6, 1);

async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "celestite-"));
  try {
    await body(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function openAt(directory: string, clock: ManualClock, names: readonly string[] = []): Promise<Authority> {
  return openAuthority({ directory, clock, entropy: seededEntropy(clock.now()), names });
}

async function serve(authority: Authority): Promise<{ port: number; close(): Promise<void> }> {
  const done = (name: string, callback: (error: Error | null, context?: SecureContext) => void): void => {
    authority.secureContextFor(name).then((context) => callback(null, context), callback);
  };
  const server = createServer({ ...authority.leaf(), SNICallback: done }, (_, response) =>
    response.end("hello"),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      await once(server, "close");
    },
  };
}

/** The body of `https://HOST:PORT/` for a client that trusts `ca` and looks for the server on 127.0.0.1. */
async function fetchText(host: string, port: number, ca: string): Promise<string> {
  const address = { address: "127.0.0.1", family: 4 };
  const client = request({
    host,
    port,
    ca,
    agent: false,
    lookup: (_name, options, callback) =>
      options.all ? callback(null, [address]) : callback(null, address.address, 4),
  });
  client.end();
  const [response] = await once(client, "response");
  let text = "";
  for await (const chunk of response) text += chunk;
  return text;
}

/** The certificate that the server shows for `servername`. */
async function shownFor(servername: string, port: number, ca: string): Promise<X509Certificate> {
  const socket: TLSSocket = connect({ port, host: "127.0.0.1", servername, ca });
  await once(socket, "secureConnect");
  const shown = new X509Certificate(socket.getPeerCertificate().raw);
  socket.destroy();
  return shown;
}

describe("a TLS handshake", () => {
  it("succeeds for the loopback names, the given names, and any other name asked for", () =>
    inDirectory(async (directory) => {
      const options = { directory, clock: systemClock, entropy: openEntropy() };
      const authority = await openAuthority({
        ...options,
        names: ["*.documents.azure.com", "Vault.Example"],
      });
      const server = await serve(authority);
      const hosts = [
        "localhost",
        "127.0.0.1",
        "acct.documents.azure.com",
        "vault.example",
        "login.microsoftonline.com",
      ];
      for (const host of hosts)
        assert.equal(await fetchText(host, server.port, authority.caPem), "hello", host);
      await assert.rejects(fetchText("localhost", server.port, authority.leaf().cert), /verify|certificate/i);
      await assert.rejects(shownFor("not a name", server.port, authority.caPem));
      const own = await shownFor("login.microsoftonline.com", server.port, authority.caPem);
      assert.equal(own.subjectAltName, "DNS:login.microsoftonline.com");
      const again = await shownFor("login.microsoftonline.com", server.port, authority.caPem);
      assert.equal(again.serialNumber, own.serialNumber);
      const covered = await shownFor("acct.documents.azure.com", server.port, authority.caPem);
      assert.equal(covered.serialNumber, new X509Certificate(authority.leaf().cert).serialNumber);
      await server.close();
    }));
});

describe("the certificates", () => {
  it("are what strict clients ask for", () =>
    inDirectory(async (directory) => {
      const authority = await openAt(directory, manualClock(START), ["*.vault.azure.net", "10.0.0.7"]);
      const ca = new X509Certificate(authority.caPem);
      assert.equal(ca.ca, true);
      assert.match(ca.subject, /^CN=Celestite local CA [0-9a-f]{8}$/);
      assert.ok(ca.verify(ca.publicKey) && ca.checkIssued(ca));
      assert.equal(Math.round((Date.parse(ca.validTo) - START) / DAY), 3652);
      const leaf = new X509Certificate(authority.leaf().cert);
      assert.equal(leaf.ca, false);
      assert.ok(leaf.verify(ca.publicKey) && leaf.checkIssued(ca));
      assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
      assert.ok(Date.parse(leaf.validFrom) < START);
      assert.ok(Date.parse(leaf.validTo) - Date.parse(leaf.validFrom) < 398 * DAY);
      assert.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
      for (const host of ["localhost", "a.vault.azure.net"]) assert.ok(leaf.checkHost(host), host);
      for (const ip of ["127.0.0.1", "::1", "10.0.0.7"]) assert.ok(leaf.checkIP(ip), ip);
      for (const host of ["vault.azure.net", "a.b.vault.azure.net", "example.com"])
        assert.equal(leaf.checkHost(host), undefined, host);
      assert.equal(leaf.checkIP("10.0.0.8"), undefined);
    }));

  it("differ between two authorities", () =>
    inDirectory((one) =>
      inDirectory(async (other) => {
        const first = new X509Certificate((await openAt(one, manualClock(START))).caPem);
        const second = new X509Certificate((await openAt(other, manualClock(START))).caPem);
        assert.notEqual(first.subject, second.subject);
        assert.equal(first.verify(second.publicKey), false);
      }),
    ));
});

describe("files", () => {
  it("keep keys private, and a restart takes everything as it was", () =>
    inDirectory(async (directory) => {
      const clock = manualClock(START);
      const first = await openAt(directory, clock, ["a.example"]);
      assert.equal(first.caPath, join(directory, "ca.pem"));
      assert.equal(await readFile(first.caPath, "utf8"), first.caPem);
      const modes = {
        "ca-bundle.jks": 0o644,
        "ca-bundle.pem": 0o644,
        "ca-key.pem": 0o600,
        "ca.pem": 0o644,
        "leaf-key.pem": 0o600,
        "leaf.pem": 0o644,
      };
      assert.deepEqual((await readdir(directory)).sort(), Object.keys(modes));
      if (process.platform !== "win32") {
        for (const [name, mode] of Object.entries(modes)) {
          assert.equal((await stat(join(directory, name))).mode & 0o777, mode, name);
        }
      }
      await chmod(join(directory, "ca-key.pem"), 0o644);
      clock.advance(300 * DAY);
      const second = await openAt(directory, clock, ["A.Example."]);
      assert.equal(second.caPem, first.caPem);
      assert.deepEqual(second.leaf(), first.leaf());
      assert.equal((await stat(join(directory, "ca-key.pem"))).mode & 0o077, 0);
    }));

  const same = ["a.example"];
  const renewals: readonly {
    readonly when: string;
    readonly names: readonly string[];
    readonly change?: (directory: string, clock: ManualClock) => unknown;
  }[] = [
    { when: "it is near its end", names: same, change: (_, clock) => clock.advance(370 * DAY) },
    { when: "it has expired", names: same, change: (_, clock) => clock.advance(500 * DAY) },
    { when: "a name came", names: ["a.example", "b.example"] },
    { when: "a name went", names: [] },
    {
      when: "it is half written",
      names: same,
      change: (directory) => cutInHalf(join(directory, "leaf.pem")),
    },
    {
      when: "its key is half written",
      names: same,
      change: (directory) => cutInHalf(join(directory, "leaf-key.pem")),
    },
    { when: "its key is gone", names: same, change: (directory) => rm(join(directory, "leaf-key.pem")) },
    { when: "its key is another's", names: same, change: copyAuthorityKey },
  ];
  for (const { when, names, change } of renewals) {
    it(`the server certificate is renewed when ${when}`, () =>
      inDirectory(async (directory) => {
        const clock = manualClock(START);
        const before = await openAt(directory, clock, same);
        await change?.(directory, clock);
        const after = await openAt(directory, clock, names);
        assert.equal(after.caPem, before.caPem);
        assert.notEqual(after.leaf().cert, before.leaf().cert);
        const leaf = new X509Certificate(after.leaf().cert);
        assert.ok(Date.parse(leaf.validTo) > clock.now() + 300 * DAY);
        for (const name of names) assert.ok(leaf.checkHost(name), name);
        assert.equal(leaf.checkHost("b.example") !== undefined, names.includes("b.example"));
        assert.deepEqual((await openAt(directory, clock, names)).leaf(), after.leaf());
      }));
  }

  it("a server that runs for long renews what it serves, once for all who ask", () =>
    inDirectory(async (directory) => {
      const clock = manualClock(START);
      const authority = await openAt(directory, clock);
      const before = authority.leaf().cert;
      const [named, standing] = await Promise.all([contexts("x.example"), contexts("localhost")]);
      assert.deepEqual(await contexts("x.example"), named);
      clock.advance(380 * DAY);
      const [later, laterStanding] = await Promise.all([contexts("x.example"), contexts("localhost")]);
      assert.notEqual(later[0], named[0]);
      assert.notEqual(laterStanding[0], standing[0]);
      assert.notEqual(authority.leaf().cert, before);
      assert.equal(await readFile(join(directory, "leaf.pem"), "utf8"), authority.leaf().cert);

      /** Asks twice at once, in two spellings, and expects one answer. */
      async function contexts(name: string): Promise<SecureContext[]> {
        const both = await Promise.all(
          [name, `${name.toUpperCase()}.`].map((one) => authority.secureContextFor(one)),
        );
        assert.equal(both[0], both[1]);
        return both;
      }
    }));
});

describe("an authority that cannot be used", () => {
  const faults: readonly [string, (directory: string, clock: ManualClock) => Promise<unknown>, RegExp][] = [
    [
      "half a certificate",
      (directory) => cutInHalf(join(directory, "ca.pem")),
      /ca\.pem is not a whole certificate/,
    ],
    [
      "an empty certificate",
      (directory) => writeFile(join(directory, "ca.pem"), ""),
      /ca\.pem is not a whole certificate/,
    ],
    [
      "half a key",
      (directory) => cutInHalf(join(directory, "ca-key.pem")),
      /ca-key\.pem is not a whole private key/,
    ],
    ["no key", (directory) => rm(join(directory, "ca-key.pem")), /ca-key\.pem is missing/],
    ["another's key", copyLeafKey, /do not belong together/],
    ["a server certificate in its place", copyLeaf, /do not belong together/],
    ["an expired certificate", async (_, clock) => clock.advance(3700 * DAY), /is valid from .* to /],
    ["a certificate of the future", async (_, clock) => clock.advance(-2 * DAY), /is valid from .* to /],
  ];
  for (const [title, damage, complaint] of faults) {
    it(`has ${title}: one sentence says so and what to do`, () =>
      inDirectory(async (directory) => {
        const clock = manualClock(START);
        await openAt(directory, clock);
        await damage(directory, clock);
        await assert.rejects(openAt(directory, clock), (error) => {
          assert.ok(error instanceof AuthorityUnavailable);
          assert.match(error.message, complaint);
          assert.match(error.message, /put a copy back, or delete .*ca\.pem to make a new authority/);
          assert.doesNotMatch(error.message, /\n/);
          return true;
        });
      }));
  }

  it("is made anew when its making was cut off before the certificate", () =>
    inDirectory(async (directory) => {
      await writeFile(join(directory, "ca-key.pem"), "-----BEGIN");
      const authority = await openAt(directory, manualClock(START));
      assert.equal(new X509Certificate(authority.caPem).ca, true);
    }));

  it("has no directory", () =>
    inDirectory(async (directory) => {
      const missing = join(directory, "missing");
      await assert.rejects(openAt(missing, manualClock(START)), (error) => {
        assert.ok(error instanceof AuthorityUnavailable);
        assert.ok(error.message.includes(missing));
        return true;
      });
    }));

  const wrong: Readonly<Record<string, string>> = {
    "an empty name": "",
    "a name with a blank": "a b",
    "a bare wildcard": "*.",
    "two wildcards": "*.*.example",
    "a wildcard inside": "a.*.example",
    "a label of one hyphen": "-",
    "an empty label": "a..b",
    "an address with a zone": "fe80::1%eth0",
    "a label of 64 letters": `${"a".repeat(64)}.example`,
    "a name of more than 253 letters": `x${".aaaaaaa".repeat(32)}`,
  };
  for (const [title, name] of Object.entries(wrong)) {
    it(`is asked for ${title}`, () =>
      inDirectory(async (directory) => {
        await assert.rejects(openAt(directory, manualClock(START), [name]), RangeError);
      }));
  }
});

describe("the bundle", () => {
  it("has the system's authorities and ours, and is left alone while nothing changes", () =>
    inDirectory(async (directory) => {
      const authority = await openAt(directory, manualClock(START));
      const text = await readFile(authority.bundlePath, "utf8");
      assert.ok(text.endsWith(authority.caPem));
      assert.ok(text.split("-----BEGIN CERTIFICATE-----").length > 50);
      const before = await stat(authority.bundlePath);
      await openAt(directory, manualClock(START));
      assert.equal((await stat(authority.bundlePath)).mtimeMs, before.mtimeMs);
    }));

  it("takes the first system file that holds certificates, else Node's own list", () =>
    inDirectory(async (directory) => {
      const system = join(directory, "system.pem");
      const empty = join(directory, "empty.pem");
      await writeFile(empty, "");
      await writeFile(system, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
      const { pemPath: path } = await writeBundle(directory, "OURS\n", 0, [
        join(directory, "none.pem"),
        empty,
        directory,
        system,
      ]);
      const expected = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\nOURS\n";
      assert.equal(await readFile(path, "utf8"), expected);
      await writeBundle(directory, "OURS\n", 0, [empty]);
      const fallback = await readFile(path, "utf8");
      assert.ok(fallback.length > 100_000 && fallback.endsWith("-----END CERTIFICATE-----\nOURS\n"));
    }));
});

async function cutInHalf(path: string): Promise<void> {
  const text = await readFile(path, "utf8");
  await writeFile(path, text.slice(0, text.length / 2));
}

async function copyLeafKey(directory: string): Promise<void> {
  await writeFile(join(directory, "ca-key.pem"), await readFile(join(directory, "leaf-key.pem")));
}

async function copyAuthorityKey(directory: string): Promise<void> {
  await writeFile(join(directory, "leaf-key.pem"), await readFile(join(directory, "ca-key.pem")));
}

async function copyLeaf(directory: string): Promise<void> {
  await copyLeafKey(directory);
  await writeFile(join(directory, "ca.pem"), await readFile(join(directory, "leaf.pem")));
}

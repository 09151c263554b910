import assert from "node:assert/strict";
import type { JsonWebKey } from "node:crypto";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { manualClock } from "../../src/clock.ts";
import { createFederatedKeys } from "../../src/identity/issuer-keys.ts";
import { startOfTime } from "./fixtures.ts";

/** An issuer whose documents the test writes; counts how often its keys are read. */
const documents = new Map<string, { status: number; body: string; location?: string }>();
let reads = 0;
const server = createServer((request, response) => {
  const document = documents.get(request.url ?? "") ?? { status: 404, body: "" };
  if (request.url?.endsWith("/keys")) reads += 1;
  response.writeHead(document.status, document.location === undefined ? {} : { location: document.location });
  response.end(document.body);
});
let base: string;

const publish = (path: string, body: unknown, status = 200): void => {
  documents.set(path, { status, body: typeof body === "string" ? body : JSON.stringify(body) });
};
const makeKey = (kid: string, bits = 2048): JsonWebKey => ({
  ...generateKeyPairSync("rsa", { modulusLength: bits }).publicKey.export({ format: "jwk" }),
  kid,
});
const issuerAt = (name: string, keys: unknown): string => {
  const issuer = `${base}/${name}`;
  publish(`/${name}/.well-known/openid-configuration`, { issuer, jwks_uri: `${issuer}/keys` });
  publish(`/${name}/keys`, { keys });
  return issuer;
};

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  server.closeAllConnections();
});

describe("keys of federated issuers", () => {
  test("are read once, again for an unknown key but not at once, and again after an hour", async () => {
    const clock = manualClock(startOfTime);
    const federatedKeys = createFederatedKeys(clock);
    const issuer = issuerAt("good", [makeKey("k1")]);
    reads = 0;
    assert.equal((await federatedKeys(issuer, "k1")).ok, true);
    assert.equal((await federatedKeys(issuer, "k1")).ok, true);
    assert.equal((await federatedKeys(issuer, "k2")).ok, false);
    assert.equal(reads, 1);
    publish("/good/keys", { keys: [makeKey("k2")] });
    clock.advance(10_000);
    assert.equal((await federatedKeys(issuer, "k2")).ok, true);
    assert.equal(reads, 2);
    assert.equal((await federatedKeys(issuer, "k1")).ok, false);
    clock.advance(3_600_000);
    assert.equal((await federatedKeys(issuer, "k2")).ok, true);
    assert.equal(reads, 3);
  });

  const refusals: readonly [string, () => string, RegExp][] = [
    ["no configuration", () => `${base}/absent`, /status 404/],
    ["a plain http issuer elsewhere", () => "http://issuer.example.com", /neither https nor on this machine/],
    ["a file", () => "file:///etc", /neither https nor on this machine/],
    ["no URL", () => "nonsense", /neither https nor on this machine/],
    ["the metadata address", () => "https://169.254.169.254/x", /neither https nor on this machine/],
    [
      "the metadata address in IPv6",
      () => "https://[::ffff:169.254.169.254]/x",
      /neither https nor on this machine/,
    ],
    ["this machine in IPv6", () => "https://[::ffff:127.0.0.1]:1/x", /neither https nor on this machine/],
    [
      "a configuration of another issuer",
      () => {
        publish("/liar/.well-known/openid-configuration", {
          issuer: `${base}/good`,
          jwks_uri: `${base}/good/keys`,
        });
        return `${base}/liar`;
      },
      /names another issuer/,
    ],
    [
      "keys on another plain http host",
      () => {
        const issuer = `${base}/away`;
        publish("/away/.well-known/openid-configuration", { issuer, jwks_uri: "http://example.com/keys" });
        return issuer;
      },
      /neither https nor on this machine/,
    ],
    [
      "a redirect",
      () => {
        issuerAt("moved", []);
        documents.set("/moved/keys", { status: 302, body: "", location: `${base}/good/keys` });
        return `${base}/moved`;
      },
      /cannot be read/,
    ],
    ["a key set that is no list", () => issuerAt("text", "keys"), /no usable keys/],
    [
      "101 keys",
      () =>
        issuerAt(
          "many",
          Array.from({ length: 101 }, () => ({})),
        ),
      /no usable keys/,
    ],
    ["a document of 300 kB", () => issuerAt("long", ["x".repeat(300_000)]), /too long/],
    [
      "a document that is no JSON",
      () => {
        const issuer = issuerAt("html", []);
        publish("/html/keys", "<html>");
        return issuer;
      },
      /cannot be read/,
    ],
    ["only a 1024-bit key", () => issuerAt("short", [makeKey("k1", 1024)]), /no key 'k1'/],
    ["only a symmetric key", () => issuerAt("oct", [{ kty: "oct", k: "AAAA", kid: "k1" }]), /no key 'k1'/],
    ["a key without name", () => issuerAt("nameless", [{ ...makeKey("x"), kid: undefined }]), /no key 'k1'/],
  ];
  for (const [what, issuer, reason] of refusals) {
    test(`${what} gives a reason and no key`, async () => {
      const result = await createFederatedKeys(manualClock(startOfTime))(issuer(), "k1");
      assert.match(result.ok ? "a key" : result.detail, reason);
    });
  }

  for (const [what, part] of [
    ["never answers", undefined],
    ["never ends its answer", '{"issuer": "'],
  ] as const) {
    test(`one that ${what} is given up in time`, async () => {
      const silent = createServer((_request, response) => {
        if (part !== undefined) response.write(part);
      }).listen(0, "127.0.0.1");
      await once(silent, "listening");
      const issuer = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      const result = await createFederatedKeys(manualClock(startOfTime), 200)(issuer, "k1");
      assert.match(result.ok ? "a key" : result.detail, /cannot be read: .*(timeout|aborted)/i);
      silent.close();
      silent.closeAllConnections();
    });
  }
});

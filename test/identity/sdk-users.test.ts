/** Users signing in through the official credential library and MSAL, unmodified, over TLS. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createPublicKey, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { selfSignedCertificate } from "../../src/identity/certificate.ts";
import { rsaKey } from "../shared-signing-key.ts";
import { claimsOf, listen, openTestIdentity, tenantId } from "./fixtures.ts";
import type { Settings, SignedIn } from "./sdk-user-client.ts";

const client = new URL("./sdk-user-client.js", import.meta.url).pathname;
const user = "dev@celestite.onmicrosoft.com";
let userId: string;
let apiId: string;
let outcomes: Readonly<Record<string, SignedIn>>;
let authority: Awaited<ReturnType<typeof listen>>;
let directory: string;

before(async () => {
  const { identity } = await openTestIdentity({ clock: systemClock, entropy: openEntropy() });
  const { applications, passwords, consents } = identity;
  userId = (await identity.directory.addUser({ userPrincipalName: user })).objectId;
  await passwords.set(user, "correct horse");
  const redirectUri = "https://shop.example.com/";
  const web = await applications.add({
    displayName: "web",
    redirectUris: [{ uri: redirectUri, platform: "web" }],
  });
  const webSecret = (await applications.addSecret(web.appId)).secretText;
  const api = await applications.add({ displayName: "api", identifierUris: ["api://orders"] });
  await consents.grant("04b07795-8ddb-461a-bbee-02f9e1bf7b46", "api://orders", "*");
  apiId = api.appId;
  const apiSecret = (await applications.addSecret(apiId)).secretText;
  await consents.grant(apiId, "https://cosmos.azure.com", userId);
  const tls = await certificateFor("localhost");
  authority = await listen(identity.authority, tls);
  directory = await mkdtemp(join(tmpdir(), "celestite-users-"));
  await writeFile(join(directory, "ca.pem"), tls.cert);
  const settings: Settings = {
    authority: authority.origin,
    tenantId,
    user,
    password: "correct horse",
    web: { appId: web.appId, secret: webSecret, redirectUri },
    api: { appId: apiId, secret: apiSecret, scope: "api://orders/access" },
  };
  const { stdout } = await promisify(execFile)(process.execPath, [client, JSON.stringify(settings)], {
    env: { NODE_EXTRA_CA_CERTS: join(directory, "ca.pem"), PATH: process.env["PATH"] ?? "" },
    timeout: 180_000,
  });
  outcomes = JSON.parse(stdout) as Record<string, SignedIn>;
});

after(async () => {
  authority.close();
  await rm(directory, { recursive: true });
});

describe("signed in with the official libraries", () => {
  const expected: readonly (readonly [string, () => string, string])[] = [
    ["device", () => "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "0"],
    ["interactive", () => "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "0"],
    ["password", () => "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "0"],
    ["code", () => "", "1"],
    ["onBehalfOf", () => apiId, "1"],
  ];
  for (const [name, appId, proof] of expected) {
    test(name, () => {
      const outcome = outcomes[name];
      assert.equal(outcome?.error, undefined);
      const claims = claimsOf(outcome?.token ?? "");
      assert.deepEqual(
        [claims["oid"], claims["aud"], claims["appidacr"]],
        [userId, "https://cosmos.azure.com", proof],
      );
      if (appId() !== "") assert.equal(claims["appid"], appId());
      if (outcome?.second !== undefined)
        assert.equal(claimsOf(outcome.second)["aud"], "https://vault.azure.net");
    });
  }

  test("a wrong password is the library's authentication error with the number", () => {
    assert.equal(outcomes["wrongPassword"]?.token, undefined);
    assert.match(outcomes["wrongPassword"]?.error ?? "", /AADSTS50126/);
  });
});

async function certificateFor(name: string): Promise<{ readonly key: string; readonly cert: string }> {
  const privateKey = await rsaKey("listener");
  const der = await selfSignedCertificate(
    {
      commonName: name,
      serial: openEntropy().bytes(8),
      notBefore: systemClock.now() - 60_000,
      notAfter: systemClock.now() + 3_600_000,
      publicKey: createPublicKey(privateKey).export({ type: "spki", format: "der" }),
    },
    async (bytes) => sign("RSA-SHA256", bytes, privateKey),
  );
  const lines = Buffer.from(der).toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

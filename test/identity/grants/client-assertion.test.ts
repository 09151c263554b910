import assert from "node:assert/strict";
import type { KeyObject } from "node:crypto";
import { constants, createHash, createPublicKey, sign } from "node:crypto";
import { before, describe, test } from "node:test";
import { selfSignedCertificate } from "../../../src/identity/certificate.ts";
import { DirectoryError } from "../../../src/identity/directory.ts";
import { rsaKey } from "../../shared-signing-key.ts";
import type { TestIdentity } from "../fixtures.ts";
import {
  bodyOf,
  claimsOf,
  openTestIdentity,
  putHost,
  putUserAssigned,
  send,
  startOfTime,
  tenantId,
} from "../fixtures.ts";

const now = startOfTime / 1000;
const endpoint = `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`;
const issuer = "https://oidc.cluster.example.com/";
const subject = "system:serviceaccount:shop:Orders";
const exchange = "api://AzureADTokenExchange";

type Json = Readonly<Record<string, unknown>>;

let room: TestIdentity;
let key: KeyObject;
let stranger: KeyObject;
let appId: string;
let identityClientId: string;
let identityObjectId: string;
let systemClientId: string;
let thumbprints: { readonly sha1: string; readonly sha256: string };
let expiredThumbprint: string;

before(async () => {
  [key, stranger] = [await rsaKey("cluster"), await rsaKey("stranger")];
  room = await openTestIdentity({
    authorityHosts: ["authority.example.com:8072"],
    federatedKeys: async (from, kid) =>
      from === issuer && kid === "k1"
        ? { ok: true, publicKey: publicOf(key) }
        : { ok: false, detail: `The issuer has no key '${kid}'.` },
  });
  const { applications } = room.identity;
  appId = (await applications.add({ displayName: "app" })).appId;
  const certificate = await makeCertificate(startOfTime + 86_400_000);
  thumbprints = thumbprintsOf(certificate);
  await applications.addCertificate(appId, certificate);
  const expired = await makeCertificate(startOfTime - 1000);
  expiredThumbprint = thumbprintsOf(expired).sha1;
  await applications.addCertificate(appId, expired);
  await applications.putFederatedCredential(appId, credential());
  const identity = await putUserAssigned(room, "orders");
  identityClientId = identity.clientId;
  identityObjectId = identity.principalId;
  await applications.putFederatedCredential(identityClientId, credential());
  systemClientId = (await putHost(room, "web", { systemAssigned: true })).systemAssigned?.clientId ?? "";
});

const credential = (name = "cluster", changes: Partial<{ issuer: string; subject: string }> = {}) => ({
  name,
  issuer,
  subject,
  audiences: [exchange],
  ...changes,
});
const publicOf = (privateKey: KeyObject): KeyObject => createPublicKey(privateKey);

function makeCertificate(notAfter: number): Promise<Uint8Array> {
  return selfSignedCertificate(
    {
      commonName: "app",
      serial: Uint8Array.of(0x80, 1),
      notBefore: startOfTime - 86_400_000,
      notAfter,
      publicKey: publicOf(key).export({ type: "spki", format: "der" }),
    },
    async (bytes) => sign("RSA-SHA256", bytes, key),
  );
}

function thumbprintsOf(der: Uint8Array): { sha1: string; sha256: string } {
  const digest = (name: string): string => createHash(name).update(der).digest("base64url");
  return { sha1: digest("sha1"), sha256: digest("sha256") };
}

function jwt(header: Json, payload: Json, signer: KeyObject = key): string {
  const encode = (value: Json): string => Buffer.from(JSON.stringify(value, null, 1)).toString("base64url");
  const input = `${encode(header)}.${encode(payload)}`;
  const pss = { key: signer, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const signature = sign("RSA-SHA256", Buffer.from(input), header["alg"] === "PS256" ? pss : signer);
  return `${input}.${signature.toString("base64url")}`;
}

const claims = (changes: Json = {}): Json => ({
  aud: endpoint,
  iss: appId,
  sub: appId,
  jti: "1",
  nbf: now,
  exp: now + 600,
  ...changes,
});
const ps256 = (): Json => ({ alg: "PS256", "x5t#S256": thumbprints.sha256 });
const rs256 = (): Json => ({ alg: "RS256", x5t: thumbprints.sha1 });
const federated = (changes: Json = {}): Json => ({
  iss: issuer,
  sub: subject,
  aud: [exchange],
  exp: now + 600,
  ...changes,
});
const k1 = (): Json => ({ alg: "RS256", kid: "k1" });

async function present(
  clientId: string,
  assertion: string,
  changes: Record<string, string> = {},
  origin = "https://login.microsoftonline.com",
) {
  const fields = {
    grant_type: "client_credentials",
    client_id: clientId,
    scope: "https://cosmos.azure.com/.default",
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: assertion,
    ...changes,
  };
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = new URLSearchParams(fields).toString();
  return send(room.identity.authority, "POST", `/${tenantId}/oauth2/v2.0/token`, headers, body, origin);
}

interface Case {
  readonly what: string;
  readonly assertion: () => string;
  readonly client?: () => string;
  /** AADSTS code, or 0 when a token is issued. */
  readonly code: number;
}

const certificateCases: readonly Case[] = [
  { what: "PS256", assertion: () => jwt(ps256(), claims()), code: 0 },
  {
    what: "a thumbprint in plain base64, as MSAL4J sends it",
    assertion: () =>
      jwt({ ...rs256(), x5t: Buffer.from(thumbprints.sha1, "base64url").toString("base64") }, claims()),
    code: 0,
  },
  {
    what: "a padded thumbprint, as MSAL for Python and Go send it",
    assertion: () => jwt({ ...rs256(), x5t: `${thumbprints.sha1}=` }, claims()),
    code: 0,
  },
  { what: "RS256", assertion: () => jwt(rs256(), claims()), code: 0 },
  {
    what: "fractional times",
    assertion: () => jwt(rs256(), claims({ exp: now + 0.5, nbf: now - 0.25 })),
    code: 0,
  },
  {
    what: "iat instead of nbf",
    assertion: () => jwt(rs256(), claims({ nbf: undefined, iat: now })),
    code: 0,
  },
  { what: "a clock two minutes ahead", assertion: () => jwt(rs256(), claims({ nbf: now + 120 })), code: 0 },
  {
    what: "version 1 audience",
    assertion: () => jwt(rs256(), claims({ aud: endpoint.replace("/v2.0", "") })),
    code: 0,
  },
  {
    what: "issuer as audience",
    assertion: () => jwt(rs256(), claims({ aud: `https://login.microsoftonline.com/${tenantId}/v2.0` })),
    code: 0,
  },
  {
    what: "an unregistered certificate",
    assertion: () => jwt({ ...rs256(), x5t: "AAAA" }, claims()),
    code: 700027,
  },
  {
    what: "the SHA-256 name of none, the SHA-1 name of one",
    assertion: () => jwt({ ...ps256(), ...rs256(), alg: "PS256", "x5t#S256": "AAAA" }, claims()),
    code: 700027,
  },
  {
    what: "another key under our thumbprint",
    assertion: () => jwt(ps256(), claims(), stranger),
    code: 700027,
  },
  {
    what: "an expired certificate",
    assertion: () => jwt({ alg: "RS256", x5t: expiredThumbprint }, claims()),
    code: 700027,
  },
  { what: "HS256", assertion: () => jwt({ ...rs256(), alg: "HS256" }, claims()), code: 50027 },
  { what: "alg none", assertion: () => jwt({ ...rs256(), alg: "none" }, claims()), code: 50027 },
  { what: "crit", assertion: () => jwt({ ...rs256(), crit: ["x"] }, claims()), code: 50027 },
  { what: "garbage", assertion: () => "a.b", code: 50027 },
  { what: "20 kB", assertion: () => jwt(rs256(), claims({ filler: "x".repeat(15_000) })), code: 50027 },
  { what: "no exp", assertion: () => jwt(rs256(), claims({ exp: undefined })), code: 50027 },
  { what: "exp as a string", assertion: () => jwt(rs256(), claims({ exp: `${now + 600}` })), code: 50027 },
  { what: "expired", assertion: () => jwt(rs256(), claims({ exp: now })), code: 700024 },
  {
    what: "ten minutes ahead",
    assertion: () => jwt(rs256(), claims({ nbf: now + 600, exp: now + 1200 })),
    code: 700024,
  },
  { what: "another issuer", assertion: () => jwt(rs256(), claims({ iss: tenantId })), code: 700021 },
  { what: "another subject", assertion: () => jwt(rs256(), claims({ sub: tenantId })), code: 700021 },
  {
    what: "another authority's audience",
    assertion: () => jwt(rs256(), claims({ aud: endpoint.replace(tenantId, "contoso.com") })),
    code: 700023,
  },
  { what: "no audience", assertion: () => jwt(rs256(), claims({ aud: undefined })), code: 700023 },
  {
    what: "a managed identity by certificate",
    assertion: () => jwt(rs256(), claims({ iss: identityClientId, sub: identityClientId })),
    client: () => identityClientId,
    code: 700027,
  },
];

const federatedCases: readonly Case[] = [
  { what: "a match", assertion: () => jwt(k1(), federated()), code: 0 },
  { what: "the audience as text", assertion: () => jwt(k1(), federated({ aud: exchange })), code: 0 },
  {
    what: "an issuer that names its key by a thumbprint as well",
    assertion: () => jwt({ ...k1(), x5t: "AAAA", "x5t#S256": "AAAA" }, federated()),
    code: 0,
  },
  {
    what: "such an issuer and another's signature",
    assertion: () => jwt({ ...k1(), x5t: thumbprints.sha1 }, federated(), stranger),
    code: 50013,
  },
  {
    what: "the key of the client's own certificate under an issuer that it trusts",
    assertion: () => jwt({ ...rs256(), kid: "k2" }, federated()),
    code: 50013,
  },
  {
    what: "such an issuer whom the client does not trust",
    assertion: () => jwt({ ...k1(), x5t: "AAAA" }, federated({ iss: "https://evil.example.com" })),
    code: 700027,
  },
  {
    what: "one audience of several",
    assertion: () => jwt(k1(), federated({ aud: ["x", exchange] })),
    code: 0,
  },
  {
    what: "a match for a managed identity",
    assertion: () => jwt(k1(), federated()),
    client: () => identityClientId,
    code: 0,
  },
  {
    what: "issuer without its slash",
    assertion: () => jwt(k1(), federated({ iss: issuer.slice(0, -1) })),
    code: 700211,
  },
  {
    what: "unknown issuer",
    assertion: () => jwt(k1(), federated({ iss: "https://evil.example.com" })),
    code: 700211,
  },
  {
    what: "other subject",
    assertion: () => jwt(k1(), federated({ sub: "system:serviceaccount:shop:billing" })),
    code: 700213,
  },
  {
    what: "subject in another case",
    assertion: () => jwt(k1(), federated({ sub: subject.toLowerCase() })),
    code: 7002138,
  },
  { what: "other audience", assertion: () => jwt(k1(), federated({ aud: ["api://other"] })), code: 700212 },
  { what: "no audience", assertion: () => jwt(k1(), federated({ aud: undefined })), code: 700212 },
  { what: "expired", assertion: () => jwt(k1(), federated({ exp: now - 1 })), code: 700024 },
  { what: "bad signature", assertion: () => jwt(k1(), federated(), stranger), code: 50013 },
  { what: "unknown key", assertion: () => jwt({ alg: "RS256", kid: "k2" }, federated()), code: 50013 },
  { what: "no key named", assertion: () => jwt({ alg: "RS256" }, federated()), code: 50013 },
  { what: "PS256", assertion: () => jwt({ ...k1(), alg: "PS256" }, federated()), code: 50027 },
  { what: "no subject", assertion: () => jwt(k1(), federated({ sub: undefined })), code: 50027 },
  { what: "an empty assertion", assertion: () => "", code: 50027 },
  {
    what: "a system-assigned identity",
    assertion: () => jwt(k1(), federated()),
    client: () => systemClientId,
    code: 700016,
  },
];

for (const [name, cases] of [
  ["certificate assertions", certificateCases],
  ["federated assertions", federatedCases],
] as const) {
  describe(name, () => {
    for (const { what, assertion, client, code } of cases) {
      test(code === 0 ? `${what} gets a token` : `${what}: AADSTS${code}`, async () => {
        const reply = await present(client?.() ?? appId, assertion());
        const body = bodyOf(reply);
        assert.deepEqual(body["error_codes"] ?? [0], [code]);
        assert.equal(reply.status === 200, code === 0);
        assert.equal("access_token" in body, code === 0);
        if (code === 0) assert.equal(claimsOf(String(body["access_token"]))["appidacr"], "2");
      });
    }
  });
}

describe("an assertion made out to an address, sent with that address as host", () => {
  // Whoever was sent an assertion for an address of theirs could else hand it on to us.
  const cases: readonly (readonly [origin: string, code: number])[] = [
    ["https://login.microsoftonline.com", 0],
    ["https://login.windows.net", 0],
    ["https://localhost:8072", 0],
    ["https://127.0.0.1:8072", 0],
    ["https://[::1]:8072", 0],
    ["https://celestite:8072", 0],
    ["https://host.docker.internal:8072", 0],
    ["https://celestite.tools.svc.cluster.local", 0],
    ["https://celestite.tools.svc:8072", 0],
    ["https://entra.test", 0],
    ["https://10.1.2.3:8072", 0],
    ["https://172.20.0.5", 0],
    ["https://authority.example.com:8072", 0],
    ["https://evil.example.com", 700023],
    ["https://authority.example.com", 700023],
    ["https://login.microsoftonline.com.evil.example", 700023],
    ["https://login.microsoftonline.com:444", 700023],
    ["https://evil.example.com:8072", 700023],
    ["https://localhost.evil.example", 700023],
    ["https://test.evil", 700023],
    ["https://203.0.113.7", 700023],
    ["https://172.32.0.1", 700023],
    ["https://[2001:db8::7]", 700023],
    ["https://3405803783", 700023],
  ];
  for (const [origin, code] of cases) {
    test(`${origin}: ${code === 0 ? "taken" : `AADSTS${code}`}`, async () => {
      const aud = `${origin}/${tenantId}/oauth2/v2.0/token`;
      const reply = await present(appId, jwt(ps256(), claims({ aud })), {}, origin);
      assert.deepEqual(bodyOf(reply)["error_codes"] ?? [0], [code]);
      // One made out to the authority's public name is taken whatever host it comes by.
      assert.equal((await present(appId, jwt(ps256(), claims()), {}, origin)).status, 200);
    });
  }
});

describe("assertions", () => {
  test("a federated managed identity gets its long token with its resource", async () => {
    const body = bodyOf(await present(identityClientId, jwt(k1(), federated())));
    assert.equal(body["expires_in"], 86_399);
    assert.equal(body["refresh_in"], 43_199);
    const token = claimsOf(String(body["access_token"]));
    assert.equal(token["oid"], identityObjectId);
    assert.match(String(token["xms_mirid"]), /\/resourcegroups\/.*\/orders$/);
  });

  test("our own token is no assertion of a client", async () => {
    const { accessToken } = await room.identity.issueFor(
      room.identity.directory.bootstrapUserId,
      "https://cosmos.azure.com",
    );
    const reply = await present(appId, accessToken);
    assert.equal(reply.status, 401);
  });

  test("replayed by another client: refused; again by its own while it lives: taken, as libraries keep theirs", async () => {
    const assertion = jwt(ps256(), claims());
    const other = await room.identity.applications.add({ displayName: "other" });
    for (const [client, status, code] of [
      [appId, 200, undefined],
      [other.appId, 401, 700027],
      [identityClientId, 401, 700027],
      [appId, 200, undefined],
    ] as const) {
      const reply = await present(client, assertion);
      assert.equal(reply.status, status);
      assert.equal((bodyOf(reply)["error_codes"] as number[] | undefined)?.[0], code);
    }
  });

  test("end with the certificate that signed them", async () => {
    const { applications } = room.identity;
    const own = (await applications.add({ displayName: "short" })).appId;
    const der = await makeCertificate(startOfTime + 86_400_000);
    const { keyId } = await applications.addCertificate(own, der);
    const assertion = jwt(rs256(), claims({ iss: own, sub: own }));
    assert.equal((await present(own, assertion)).status, 200);
    assert.equal(await applications.removeCredential(own, keyId), true);
    assert.deepEqual(bodyOf(await present(own, assertion))["error_codes"], [700027]);
    assert.equal((await present(appId, jwt(rs256(), claims()))).status, 200, "another's of the same key");
  });

  test("need their type", async () => {
    const reply = await present(appId, jwt(rs256(), claims()), { client_assertion_type: "saml" });
    assert.deepEqual(bodyOf(reply)["error_codes"], [900144]);
  });
});

describe("credentials of applications and identities", () => {
  const invalid: readonly [string, () => Promise<unknown>, DirectoryError["kind"]][] = [
    ["text as certificate", () => room.identity.applications.addCertificate(appId, "hello"), "invalid"],
    [
      "a certificate for nobody",
      async () => room.identity.applications.addCertificate(tenantId, await makeCertificate(startOfTime)),
      "notFound",
    ],
    [
      "a federated credential for nobody",
      () => room.identity.applications.putFederatedCredential(tenantId, credential()),
      "notFound",
    ],
    [
      "one for a system-assigned identity",
      () => room.identity.applications.putFederatedCredential(systemClientId, credential()),
      "notFound",
    ],
    [
      "a short name",
      () => room.identity.applications.putFederatedCredential(appId, credential("ab")),
      "invalid",
    ],
    [
      "an issuer that is no URL",
      () => room.identity.applications.putFederatedCredential(appId, credential("other", { issuer: "x" })),
      "invalid",
    ],
    [
      "no subject",
      () => room.identity.applications.putFederatedCredential(appId, credential("other", { subject: "" })),
      "invalid",
    ],
    [
      "a second one for the same subject",
      () => room.identity.applications.putFederatedCredential(appId, credential("other")),
      "conflict",
    ],
  ];
  for (const [what, request, kind] of invalid) {
    test(`${what} is refused`, async () => {
      await assert.rejects(request, (error) => error instanceof DirectoryError && error.kind === kind);
    });
  }

  test("a federated credential can be replaced and removed, and there are at most 20", async () => {
    const { applications } = room.identity;
    const app = await applications.add({ displayName: "many" });
    for (let i = 0; i < 20; i++) {
      await applications.putFederatedCredential(app.appId, credential(`name-${i}`, { subject: `s${i}` }));
    }
    await assert.rejects(
      applications.putFederatedCredential(app.appId, credential("name-20", { subject: "s20" })),
      /At most 20/,
    );
    await applications.putFederatedCredential(app.appId, credential("NAME-0", { subject: "other" }));
    assert.equal((await applications.federatedCredentials(app.appId)).length, 20);
    assert.equal(await applications.removeFederatedCredential(app.appId, "name-0"), true);
    assert.equal(await applications.removeFederatedCredential(app.appId, "name-0"), false);
    assert.equal((await applications.federatedCredentials(app.appId)).length, 19);
    await applications.delete(app.appId);
    assert.deepEqual(await applications.federatedCredentials(app.appId), []);
  });
});

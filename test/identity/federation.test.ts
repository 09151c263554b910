/**
 * Workload identity federation by its near misses: one credential, one right token, and every way in which a token
 * can be almost right, each with the number that the platform answers.
 */
import assert from "node:assert/strict";
import type { KeyObject } from "node:crypto";
import { generateKeyPairSync, sign } from "node:crypto";
import { before, describe, test } from "node:test";
import { DirectoryError } from "../../src/identity/directory.ts";
import { rsaKey } from "../shared-signing-key.ts";
import type { TestIdentity } from "./fixtures.ts";
import {
  bodyOf,
  claimsOf,
  openTestIdentity,
  putUserAssigned,
  send,
  startOfTime,
  tenantId,
} from "./fixtures.ts";

const now = startOfTime / 1000;
const issuer = "https://oidc.example.com/cluster-1/";
const subject = "system:serviceaccount:shop:orders";
const exchange = "api://AzureADTokenExchange";
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

let room: TestIdentity;
let key: KeyObject;
let stranger: KeyObject;
let clientId: string;
let objectId: string;

before(async () => {
  [key, stranger] = [await rsaKey("cluster"), await rsaKey("stranger")];
  // No issuer of this file may ever be asked over the network.
  room = await openTestIdentity({
    federatedKeys: async (asked) => ({ ok: false, detail: `The keys of '${asked}' were asked elsewhere.` }),
  });
  const identity = await putUserAssigned(room, "orders");
  [clientId, objectId] = [identity.clientId, identity.principalId];
  await room.identity.issuers.add(issuer, { keys: [jwk(key, "k1")] });
  await room.identity.issuers.add("https://oidc.example.com/cluster-2/", { keys: [jwk(stranger, "k1")] });
  const credential = { name: "cluster", issuer, subject, audiences: [exchange] };
  await room.identity.applications.putFederatedCredential(clientId, credential);
});

function jwk(of: KeyObject, kid: string): Record<string, unknown> {
  const { n, e } = of.export({ format: "jwk" });
  return { kty: "RSA", use: "sig", kid, n, e };
}

type Json = Readonly<Record<string, unknown>>;

interface Presented {
  readonly claims?: Json;
  readonly header?: Json;
  readonly signer?: "stranger" | "none" | "hmac";
  readonly form?: Readonly<Record<string, string | undefined>>;
  readonly tamper?: (token: string) => string;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function token({ claims = {}, header = {}, signer, tamper = (text) => text }: Presented): string {
  const payload = {
    iss: issuer,
    sub: subject,
    aud: [exchange],
    iat: now,
    nbf: now,
    exp: now + 3600,
    ...claims,
  };
  const input = `${encode({ alg: "RS256", kid: "k1", ...header })}.${encode(payload)}`;
  if (signer === "none") return `${input}.`;
  const by = signer === "stranger" ? stranger : key;
  return tamper(`${input}.${sign("RSA-SHA256", Buffer.from(input), by).toString("base64url")}`);
}

async function present(presented: Presented): Promise<{ status: number; body: Record<string, unknown> }> {
  const fields: Record<string, string | undefined> = {
    grant_type: "client_credentials",
    client_id: clientId,
    scope: "https://cosmos.azure.com/.default",
    client_assertion_type: assertionType,
    client_assertion: token(presented),
    ...presented.form,
  };
  const given = Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const reply = await send(
    room.identity.authority,
    "POST",
    `/${tenantId}/oauth2/v2.0/token`,
    { "content-type": "application/x-www-form-urlencoded" },
    new URLSearchParams(given).toString(),
  );
  return { status: reply.status, body: bodyOf(reply) };
}

const granted: readonly (readonly [string, Presented])[] = [
  ["the exact token", {}],
  ["one audience as text", { claims: { aud: exchange } }],
  ["the audience among others", { claims: { aud: ["https://kubernetes.default.svc", exchange] } }],
  ["no iat and nbf", { claims: { iat: undefined, nbf: undefined } }],
  ["a start up to five minutes ahead", { claims: { iat: now + 299, nbf: now + 299 } }],
  ["the last second of its life", { claims: { exp: now + 1 } }],
  ["times with fractions", { claims: { iat: now + 0.25, nbf: now + 0.25, exp: now + 600.75 } }],
  ["a type in the header", { header: { typ: "JWT" } }],
];

describe("granted", () => {
  for (const [what, presented] of granted) {
    test(what, async () => {
      const { status, body } = await present(presented);
      assert.equal(status, 200, JSON.stringify(body));
      const claims = claimsOf(String(body["access_token"]));
      assert.deepEqual([claims["oid"], claims["appid"], claims["appidacr"]], [objectId, clientId, "2"]);
    });
  }
});

const refused: readonly (readonly [string, Presented, number, string])[] = [
  ["issuer without its trailing slash", { claims: { iss: issuer.slice(0, -1) } }, 700211, "invalid_client"],
  ["issuer with two slashes", { claims: { iss: `${issuer}/` } }, 700211, "invalid_client"],
  ["issuer in capitals", { claims: { iss: issuer.toUpperCase() } }, 700211, "invalid_client"],
  [
    "issuer's host in capitals",
    { claims: { iss: issuer.replace("oidc", "OIDC") } },
    700211,
    "invalid_client",
  ],
  ["issuer over http", { claims: { iss: issuer.replace("https", "http") } }, 700211, "invalid_client"],
  [
    "issuer with the default port",
    { claims: { iss: issuer.replace(".com/", ".com:443/") } },
    700211,
    "invalid_client",
  ],
  [
    "issuer with a dot at the host's end",
    { claims: { iss: issuer.replace(".com/", ".com./") } },
    700211,
    "invalid_client",
  ],
  [
    "issuer with an encoded letter",
    { claims: { iss: issuer.replace("cluster", "%63luster") } },
    700211,
    "invalid_client",
  ],
  [
    "another known cluster",
    { claims: { iss: issuer.replace("-1", "-2") }, signer: "stranger" },
    700211,
    "invalid_client",
  ],
  ["a cluster nobody knows", { claims: { iss: issuer.replace("-1", "-3") } }, 700211, "invalid_client"],
  ["issuer with a space", { claims: { iss: `${issuer} ` } }, 700211, "invalid_client"],
  ["subject in capitals", { claims: { sub: subject.toUpperCase() } }, 7002138, "invalid_client"],
  [
    "subject with one capital",
    { claims: { sub: subject.replace("orders", "Orders") } },
    7002138,
    "invalid_client",
  ],
  [
    "another service account",
    { claims: { sub: subject.replace("orders", "billing") } },
    700213,
    "invalid_client",
  ],
  ["another namespace", { claims: { sub: subject.replace("shop", "prod") } }, 700213, "invalid_client"],
  ["the start of the subject", { claims: { sub: subject.slice(0, -1) } }, 700213, "invalid_client"],
  ["more than the subject", { claims: { sub: `${subject}2` } }, 700213, "invalid_client"],
  ["subject with a wildcard", { claims: { sub: "system:serviceaccount:shop:*" } }, 700213, "invalid_client"],
  ["subject with a space", { claims: { sub: ` ${subject}` } }, 700213, "invalid_client"],
  ["an empty subject", { claims: { sub: "" } }, 700213, "invalid_client"],
  ["no subject", { claims: { sub: undefined } }, 50027, "invalid_request"],
  ["no issuer", { claims: { iss: undefined } }, 50027, "invalid_request"],
  ["a subject that is a list", { claims: { sub: [subject] } }, 50027, "invalid_request"],
  ["another audience", { claims: { aud: "https://kubernetes.default.svc" } }, 700212, "invalid_client"],
  ["audience in lower case", { claims: { aud: exchange.toLowerCase() } }, 700212, "invalid_client"],
  ["audience with a slash", { claims: { aud: `${exchange}/` } }, 700212, "invalid_client"],
  ["audiences in one text", { claims: { aud: `${exchange},https://x` } }, 700212, "invalid_client"],
  ["no audience", { claims: { aud: undefined } }, 700212, "invalid_client"],
  ["an empty list of audiences", { claims: { aud: [] } }, 700212, "invalid_client"],
  [
    "the sovereign cloud's audience",
    { claims: { aud: "api://AzureADTokenExchangeChina" } },
    700212,
    "invalid_client",
  ],
  ["a kid that the issuer does not have", { header: { kid: "k2" } }, 50013, "invalid_grant"],
  ["no kid", { header: { kid: undefined } }, 50013, "invalid_grant"],
  ["the key of another cluster under the same kid", { signer: "stranger" }, 50013, "invalid_grant"],
  [
    "a changed signature",
    { tamper: (text) => text.slice(0, -6) + (text.endsWith("AAAAAA") ? "BBBBBA" : "AAAAAA") },
    50013,
    "invalid_grant",
  ],
  ["no signature", { signer: "none" }, 50027, "invalid_request"],
  ["algorithm none", { header: { alg: "none" } }, 50027, "invalid_request"],
  ["algorithm HS256", { header: { alg: "HS256" } }, 50027, "invalid_request"],
  ["algorithm PS256", { header: { alg: "PS256" } }, 50027, "invalid_request"],
  ["a critical extension", { header: { crit: ["b64"], b64: false } }, 50027, "invalid_request"],
  [
    "a key of its own in the header",
    { header: { kid: "mine", jwk: { kty: "RSA" } } },
    50013,
    "invalid_grant",
  ],
  [
    "a key address in the header",
    { header: { kid: "mine", jku: "https://evil.example.com" } },
    50013,
    "invalid_grant",
  ],
  ["expired this second", { claims: { exp: now } }, 700024, "invalid_client"],
  ["expired yesterday", { claims: { exp: now - 86_400, nbf: now - 90_000 } }, 700024, "invalid_client"],
  ["from the future", { claims: { nbf: now + 301 } }, 700024, "invalid_client"],
  ["without end", { claims: { exp: undefined } }, 50027, "invalid_request"],
  ["an end that is text", { claims: { exp: String(now + 600) } }, 50027, "invalid_request"],
  [
    "for another client",
    { form: { client_id: "11111111-1111-4111-8111-111111111111" } },
    700016,
    "unauthorized_client",
  ],
  ["without the assertion's type", { form: { client_assertion_type: undefined } }, 900144, "invalid_request"],
  ["beside a secret", { form: { client_secret: "s" } }, 90013, "invalid_request"],
];

describe("refused", () => {
  assert.ok(refused.length >= 40);
  for (const [what, presented, code, error] of refused) {
    test(`${what}: AADSTS${code}`, async () => {
      const { status, body } = await present(presented);
      assert.deepEqual([body["error_codes"], body["error"]], [[code], error], JSON.stringify(body));
      assert.equal(status, error === "invalid_client" ? 401 : 400);
      assert.match(String(body["error_description"]), new RegExp(`^AADSTS${code}: `));
      assert.equal(body["access_token"], undefined);
    });
  }
});

describe("clusters that the server plays", () => {
  test("a minted token has the form of a service account's and is taken", async () => {
    const { issuers, applications } = room.identity;
    const minted = await issuers.mint({ subject, lifetimeSeconds: 600 });
    assert.equal(minted.issuer, `https://oidc.celestite.local/${tenantId}/local/`);
    const claims = claimsOf(minted.token);
    assert.deepEqual(claims["aud"], [exchange]);
    assert.equal(claims["exp"], now + 600);
    assert.equal((claims["kubernetes.io"] as { namespace?: string }).namespace, "shop");
    const form = { client_assertion: minted.token };
    assert.deepEqual((await present({ form })).body["error_codes"], [700211]);
    const credential = { name: "played", issuer: minted.issuer, subject, audiences: [exchange] };
    await applications.putFederatedCredential(clientId, credential);
    assert.equal((await present({ form })).status, 200);
  });

  test("another cluster of ours has other keys", async () => {
    const { issuers } = room.identity;
    const other = await issuers.mint({ subject, cluster: "staging" });
    assert.deepEqual(
      (await present({ form: { client_assertion: other.token } })).body["error_codes"],
      [700211],
    );
    const [header, payload] = other.token.split(".");
    const claims = { ...claimsOf(`${header}.${payload}`), iss: issuers.clusterIssuer("local") };
    const forged = `${header}.${encode(claims)}.${other.token.split(".")[2]}`;
    assert.deepEqual((await present({ form: { client_assertion: forged } })).body["error_codes"], [50013]);
  });

  test("after a rotation the token of the key before is still taken, after two it is not", async () => {
    const { issuers } = room.identity;
    const early = await issuers.mint({ subject });
    const form = { client_assertion: early.token };
    await issuers.rotateCluster("local");
    assert.equal((await present({ form })).status, 200);
    assert.equal(
      (await present({ form: { client_assertion: (await issuers.mint({ subject })).token } })).status,
      200,
    );
    await issuers.rotateCluster("local");
    assert.deepEqual((await present({ form })).body["error_codes"], [50013]);
  });

  const impossible: readonly (readonly [
    string,
    Parameters<TestIdentity["identity"]["issuers"]["mint"]>[0],
  ])[] = [
    ["a life under ten minutes", { subject, lifetimeSeconds: 599 }],
    ["a life over a day", { subject, lifetimeSeconds: 86_401 }],
    ["a life in fractions", { subject, lifetimeSeconds: 600.5 }],
    ["no subject", { subject: "" }],
    ["a cluster name with a slash", { subject, cluster: "a/b" }],
  ];
  for (const [what, request] of impossible) {
    test(`not minted: ${what}`, () => assert.rejects(room.identity.issuers.mint(request), DirectoryError));
  }
});

describe("uploaded key sets", () => {
  const sets: readonly (readonly [string, unknown])[] = [
    ["no object", "keys"],
    ["no keys", { keys: [] }],
    ["a key without kid", { keys: [{ kty: "RSA", n: "AQAB", e: "AQAB" }] }],
    ["a symmetric key", { keys: [{ kty: "oct", kid: "k", k: "c2VjcmV0" }] }],
    ["a short key", { keys: [jwk(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey, "k")] }],
  ];
  for (const [what, jwks] of sets) {
    test(`refused: ${what}`, () =>
      assert.rejects(room.identity.issuers.add("https://x.example.com/", jwks), DirectoryError));
  }

  test("an issuer of ours cannot be given other keys", () =>
    assert.rejects(
      room.identity.issuers.add(room.identity.issuers.clusterIssuer("local"), {
        keys: [jwk(stranger, "k1")],
      }),
      /is a cluster of this system/,
    ));

  test("removed keys are asked for elsewhere again", async () => {
    const { issuers } = room.identity;
    assert.equal(await issuers.remove(issuer), true);
    assert.equal(await issuers.remove(issuer), false);
    assert.match(String((await present({})).body["error_description"]), /were asked elsewhere/);
    await issuers.add(issuer, { keys: [jwk(key, "k1")] });
    assert.equal((await present({})).status, 200);
  });
});

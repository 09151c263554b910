/**
 * Every way to forge or misuse a token that we know of, against the one verifier; each with the reason it must be
 * refused for.
 */
import assert from "node:assert/strict";
import type { KeyObject } from "node:crypto";
import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
} from "node:crypto";
import { before, describe, test } from "node:test";
import type { TokenFault, TokenVerdict } from "../../src/azure/principal.ts";
import { manualClock, seededEntropy } from "../../src/clock.ts";
import { openSigningKeys } from "../../src/identity/signing-keys.ts";
import { createTokenVerifier } from "../../src/identity/verify.ts";
import { openMemory } from "../../src/storage/memory.ts";
import { shareSigningKey } from "../shared-signing-key.ts";
import type { TestIdentity } from "./fixtures.ts";
import { openTestIdentity, startOfTime, tenantId } from "./fixtures.ts";

const now = startOfTime / 1000;
const objectId = "aaaaaaaa-2222-4333-8444-555555555555";
const issuer = `https://sts.windows.net/${tenantId}/`;

interface Forge {
  readonly kid: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly foreign: KeyObject;
  readonly good: string;
}

let room: TestIdentity;
let forge: Forge;

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const raw = (text: string): string => Buffer.from(text).toString("base64url");
const claims = (changes: Record<string, unknown> = {}): Record<string, unknown> => {
  const all = { aud: "https://cosmos.azure.com", iss: issuer, iat: now, nbf: now, exp: now + 600 };
  const merged = { ...all, oid: objectId, tid: tenantId, ...changes };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
};
const header = (changes: Record<string, unknown> = {}): Record<string, unknown> => {
  const all = { typ: "JWT", alg: "RS256", x5t: forge.kid, kid: forge.kid, ...changes };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
};
const signed = (headerPart: string, payloadPart: string, key: KeyObject = forge.privateKey): string => {
  const input = `${headerPart}.${payloadPart}`;
  return `${input}.${sign("RSA-SHA256", Buffer.from(input), key).toString("base64url")}`;
};
const make = (payload: Record<string, unknown>, head: Record<string, unknown> = {}): string =>
  signed(part(header(head)), part(claims(payload)));
const hmac = (secret: string | Buffer): string => {
  const input = `${part(header({ alg: "HS256" }))}.${part(claims())}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
};
const split = (token: string): [string, string, string] => token.split(".") as [string, string, string];

before(async () => {
  room = await openTestIdentity();
  const { kid } = await room.identity.keys.current();
  const record = await readPrivateKey(room);
  const privateKey = createPrivateKey({ key: record, format: "jwk" });
  const foreign = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  forge = { kid, privateKey, publicKey: createPublicKey(privateKey), foreign, good: "" };
  forge = { ...forge, good: make({}) };
});

/** What an intruder does not have: the test signs arbitrary claims with the real key. */
async function readPrivateKey({ store }: TestIdentity): Promise<JsonWebKey> {
  const entries = await store.range({ start: Uint8Array.of(0), end: Uint8Array.of(0xff) }, 100);
  for (const entry of entries) {
    const value = JSON.parse(Buffer.from(entry.value).toString()) as { state?: string; key?: JsonWebKey };
    if (value.state === "current" && value.key !== undefined) return value.key;
  }
  throw new Error("no signing key in the store");
}

type JsonWebKey = import("node:crypto").JsonWebKey;

describe("good tokens", () => {
  test("give their claims, in the types of the contract", async () => {
    const verdict = await room.identity.verifier(make({ appid: "a", idtyp: "app", groups: ["g"], extra: 1 }));
    assert.deepEqual(verdict, {
      ok: true,
      claims: {
        aud: "https://cosmos.azure.com",
        iss: issuer,
        tid: tenantId,
        oid: objectId,
        exp: now + 600,
        nbf: now,
        iat: now,
        appid: "a",
        idtyp: "app",
        groups: ["g"],
      },
    });
  });

  test("our own are accepted", async () => {
    const { directory, issueFor, verifier } = room.identity;
    const issued = await issueFor(directory.bootstrapUserId, "https://cosmos.azure.com");
    const verdict = await verifier(issued.accessToken);
    assert.equal(verdict.ok && verdict.claims.oid, directory.bootstrapUserId);
  });
});

describe("forgeries", () => {
  const cases: readonly [what: string, kind: TokenFault["kind"], token: () => string][] = [
    ["alg none, unsigned", "format", () => `${part(header({ alg: "none" }))}.${part(claims())}.`],
    ["alg none with a signature", "format", () => make({}, { alg: "none" })],
    ["alg None in another case", "format", () => make({}, { alg: "None" })],
    ["alg rs256 in lower case", "format", () => make({}, { alg: "rs256" })],
    ["no alg", "format", () => make({}, { alg: undefined })],
    ["alg as a list", "format", () => make({}, { alg: ["RS256"] })],
    [
      "HS256 with the public key's PEM as secret",
      "format",
      () => hmac(forge.publicKey.export({ type: "spki", format: "pem" })),
    ],
    [
      "HS256 with the public key's JWK as secret",
      "format",
      () => hmac(JSON.stringify(forge.publicKey.export({ format: "jwk" }))),
    ],
    ["HS256 with an empty secret", "format", () => hmac("")],
    ["RS512", "format", () => make({}, { alg: "RS512" })],
    [
      "PS256 by our own key",
      "format",
      () => {
        const input = `${part(header({ alg: "PS256" }))}.${part(claims())}`;
        const options = { key: forge.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
        return `${input}.${sign("RSA-SHA256", Buffer.from(input), options).toString("base64url")}`;
      },
    ],
    [
      "a PSS signature under RS256",
      "signature",
      () => {
        const input = `${part(header())}.${part(claims())}`;
        const options = { key: forge.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
        return `${input}.${sign("RSA-SHA256", Buffer.from(input), options).toString("base64url")}`;
      },
    ],
    ["typ at+jwt", "format", () => make({}, { typ: "at+jwt" })],
    ["no typ", "format", () => make({}, { typ: undefined })],
    ["crit", "format", () => make({}, { crit: ["exp"] })],
    ["unknown kid", "unknownKey", () => make({}, { kid: "unknown" })],
    ["no kid", "unknownKey", () => make({}, { kid: undefined })],
    ["kid as a number", "unknownKey", () => make({}, { kid: 1 })],
    ["kid __proto__", "unknownKey", () => make({}, { kid: "__proto__" })],
    ["kid as a path", "unknownKey", () => make({}, { kid: "../../dev/null" })],
    ["foreign key under our kid", "signature", () => signed(part(header()), part(claims()), forge.foreign)],
    [
      "foreign key brought along as jwk",
      "signature",
      () => {
        const jwk = createPublicKey(forge.foreign).export({ format: "jwk" });
        return signed(part(header({ jwk })), part(claims()), forge.foreign);
      },
    ],
    [
      "foreign key pointed to by jku and x5u",
      "signature",
      () => {
        const urls = { jku: "https://127.0.0.1:1/jwks", x5u: "https://127.0.0.1:1/x5u" };
        return signed(part(header(urls)), part(claims()), forge.foreign);
      },
    ],
    ["expired", "expired", () => make({ exp: now - 1 })],
    ["expiring this second", "expired", () => make({ exp: now })],
    ["not yet valid", "notYetValid", () => make({ nbf: now + 1 })],
    ["wrong issuer", "issuer", () => make({ iss: "https://sts.windows.net/other/" })],
    ["issuer without the last slash", "issuer", () => make({ iss: issuer.slice(0, -1) })],
    ["version 2 issuer", "issuer", () => make({ iss: `https://login.microsoftonline.com/${tenantId}/v2.0` })],
    ["wrong tenant", "issuer", () => make({ tid: "22222222-2222-4333-8444-555555555555" })],
    ["missing oid", "missingObjectId", () => make({ oid: undefined })],
    ["empty oid", "missingObjectId", () => make({ oid: "" })],
    ["oid that is no GUID", "missingObjectId", () => make({ oid: "admin" })],
    ["oid as a list", "format", () => make({ oid: [objectId] })],
    ["missing exp", "format", () => make({ exp: undefined })],
    ["exp as a string", "format", () => make({ exp: String(now + 600) })],
    ["exp beyond all time", "format", () => make({ exp: 1e300 })],
    ["nbf with a fraction", "format", () => make({ nbf: now - 0.5 })],
    ["missing nbf", "format", () => make({ nbf: undefined })],
    ["aud as a list", "format", () => make({ aud: ["https://cosmos.azure.com"] })],
    ["missing tid", "format", () => make({ tid: undefined })],
    ["idtyp of another kind", "format", () => make({ idtyp: "device" })],
    ["groups as a string", "format", () => make({ groups: "g" })],
    ["truncated by a byte", "signature", () => forge.good.slice(0, -2)],
    ["truncated inside a byte", "format", () => forge.good.slice(0, -1)],
    ["no signature", "format", () => forge.good.slice(0, forge.good.lastIndexOf(".") + 1)],
    ["two parts", "format", () => forge.good.slice(0, forge.good.lastIndexOf("."))],
    ["one part", "format", () => split(forge.good)[0]],
    ["an extra part", "format", () => `${forge.good}.${split(forge.good)[2]}`],
    ["a trailing dot", "format", () => `${forge.good}.`],
    ["five parts as in JWE", "format", () => "a.b.c.d.e"],
    ["empty", "format", () => ""],
    ["20 kB long", "format", () => make({ filler: "x".repeat(15_000) })],
    [
      "swapped payload",
      "signature",
      () => {
        const [head, , signature] = split(forge.good);
        return `${head}.${part(claims({ oid: tenantId }))}.${signature}`;
      },
    ],
    [
      "swapped header",
      "signature",
      () => {
        const [, payload, signature] = split(forge.good);
        return `${part(header({ x5t: "other" }))}.${payload}.${signature}`;
      },
    ],
    ["leading space", "format", () => ` ${forge.good}`],
    ["trailing newline", "format", () => `${forge.good}\n`],
    ["newline inside", "format", () => forge.good.replace(".", ".\n")],
    ["padding", "format", () => `${forge.good}=`],
    ["the other base64 alphabet", "format", () => forge.good.replace(/.$/, "+")],
    ["unused bits set", "format", () => withUnusedBits(forge.good)],
    [
      "duplicate claim",
      "format",
      () => {
        const text = JSON.stringify(claims());
        return signed(part(header()), raw(`${text.slice(0, -1)},"oid":"${tenantId}"}`));
      },
    ],
    [
      "duplicate header member",
      "format",
      () => signed(raw(`{"alg":"none",${JSON.stringify(header()).slice(1)}`), part(claims())),
    ],
    [
      "claims with white space",
      "format",
      () => signed(part(header()), raw(JSON.stringify(claims(), null, 1))),
    ],
    ["payload as a list", "format", () => signed(part(header()), raw("[]"))],
    ["payload as null", "format", () => signed(part(header()), raw("null"))],
    ["payload that is no JSON", "format", () => signed(part(header()), raw("oid=1"))],
    [
      "payload that is no UTF-8",
      "format",
      () => {
        const text = Buffer.from(JSON.stringify(claims({ appid: "?" })));
        text[text.indexOf("?")] = 0xff;
        return signed(part(header()), text.toString("base64url"));
      },
    ],
    [
      "payload with a byte order mark",
      "format",
      () => signed(part(header()), raw(`\ufeff${JSON.stringify(claims())}`)),
    ],
    ["not a token", "format", () => "Bearer abc"],
  ];
  for (const [what, kind, token] of cases) {
    test(what, async () => {
      const verdict = await room.identity.verifier(token());
      assert.equal(verdict.ok ? "accepted" : verdict.fault.kind, kind);
    });
  }

  test("a refusal carries the claims where they could be read", async () => {
    const expired = await room.identity.verifier(make({ exp: now - 1, oid: tenantId }));
    assert.equal(!expired.ok && expired.claims?.["oid"], tenantId);
    assert.deepEqual(!expired.ok && expired.fault, { kind: "expired", expiredAt: now - 1 });
    const wrong = await room.identity.verifier(make({ tid: objectId }));
    assert.deepEqual(!wrong.ok && wrong.fault, { kind: "issuer", issuer, tenantId: objectId });
    const garbage = await room.identity.verifier("x");
    assert.equal(!garbage.ok && garbage.claims, undefined);
  });
});

/** The same bytes, spelled with the bits that base64url leaves unused in its last character. */
function withUnusedBits(token: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const last = alphabet.indexOf(token.slice(-1));
  const spelled = `${token.slice(0, -1)}${alphabet[last | 1]}`;
  assert.notEqual(spelled, token);
  assert.deepEqual(Buffer.from(split(spelled)[2], "base64url"), Buffer.from(split(token)[2], "base64url"));
  return spelled;
}

describe("time", () => {
  test("a remembered token expires with the clock", async () => {
    const time = await openTestIdentity();
    const { identity, clock } = time;
    const issued = await identity.issueFor(identity.directory.bootstrapUserId, "https://cosmos.azure.com");
    assert.equal((await identity.verifier(issued.accessToken)).ok, true);
    clock.advance(issued.expiresIn * 1000 - 1);
    assert.equal((await identity.verifier(issued.accessToken)).ok, true);
    clock.advance(1);
    for (let again = 0; again < 2; again++) {
      const verdict = await identity.verifier(issued.accessToken);
      assert.deepEqual(!verdict.ok && verdict.fault, { kind: "expired", expiredAt: issued.expiresOn });
    }
  });
});

describe("keys", () => {
  test("rotation keeps remembered and new tokens valid; revocation ends them at once", async () => {
    const { identity, clock } = await openTestIdentity();
    const issue = async (): Promise<string> =>
      (await identity.issueFor(identity.directory.bootstrapUserId, "https://cosmos.azure.com")).accessToken;
    const kind = async (token: string): Promise<string> => {
      const verdict = await identity.verifier(token);
      return verdict.ok ? "ok" : verdict.fault.kind;
    };
    const old = await issue();
    const unseen = await issue();
    const first = (await identity.keys.current()).kid;
    assert.equal(await kind(old), "ok");
    await identity.keys.rotate(clock.now());
    const fresh = await issue();
    assert.deepEqual([await kind(old), await kind(unseen), await kind(fresh)], ["ok", "ok", "ok"]);
    await identity.keys.revoke(first, clock.now());
    assert.deepEqual([await kind(old), await kind(unseen), await kind(fresh)], ["revoked", "revoked", "ok"]);
  });

  test("another tenant's authority is a stranger, even with the same tenant id", async () => {
    const [ours, theirs] = await Promise.all([openTestIdentity(), openTestIdentity({ store: openMemory() })]);
    const token = await theirs.identity.issueFor(
      theirs.identity.directory.bootstrapUserId,
      "https://cosmos.azure.com",
    );
    const verdict = await ours.identity.verifier(token.accessToken);
    assert.equal(!verdict.ok && verdict.fault.kind, "unknownKey");
  });

  test("a verified token is remembered, but only so many are", async () => {
    const clock = manualClock(startOfTime);
    const store = openMemory();
    await shareSigningKey(store, startOfTime);
    const keys = await openSigningKeys({ store, clock, entropy: seededEntropy(2) });
    const { kid, sign: signInput } = await keys.current();
    let verifications = 0;
    const counted = {
      ...keys,
      lookup(name: string) {
        verifications += 1;
        return keys.lookup(name);
      },
    };
    const verifier = createTokenVerifier({ keys: counted, tenantId, clock, cacheEntriesMax: 4 });
    const tokens: string[] = [];
    for (let i = 0; i < 12; i++) {
      const input = `${part({ typ: "JWT", alg: "RS256", x5t: kid, kid })}.${part(claims({ appid: `${i}` }))}`;
      tokens.push(`${input}.${Buffer.from(await signInput(input)).toString("base64url")}`);
    }
    for (let round = 0; round < 3; round++) {
      for (const [i, token] of tokens.entries()) {
        for (let again = 0; again < 3; again++) {
          const verdict = (await verifier(token)) as Extract<TokenVerdict, { ok: true }>;
          assert.equal(verdict.claims.appid, `${i}`);
        }
      }
    }
    assert.equal(verifications, 3 * 12);
  });
});
